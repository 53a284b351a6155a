/* letters.h - dead letters as the commands see them: which ones, and with the names of what they are about. */
#ifndef MC_CLI_LETTERS_H
#define MC_CLI_LETTERS_H

#include "cli/cli.h"
#include "state/state.h"

struct kept_letter {
    struct dead_letter letter;     /* without its bytes */
    char *words, *connector, *context, *id;
    size_t id_size;                /* 0: about no memory */
};

struct letters {
    struct kept_letter *items;
    size_t count, capacity;
};
void letters_done(struct letters *letters);
AUTO_DEFINE_DONE(letters)

/* Loads the configuration. What --class, --id, --since, --closed and the connector choose. */
int letters_make_filter(struct cli *cli, struct letter_filter *filter, struct error *err);
/* state NULL: there is none yet, and no letters. */
int letters_read(struct state *state, const struct letter_filter *filter, struct letters *letters, struct error *err);
/* One that was got by its number; context: struct letters. */
bool letters_keep(void *context, const struct dead_letter *letter);
int letters_name(struct state *state, struct kept_letter *kept, struct error *err);

#endif
