#include "cli/letters.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static int tell_classes(const char *name, struct error *err)
{
    char list[300] = "";

    for (int i = 1; i < DEAD_CLASSES; i++)
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 1 ? ", " : "", dead_class_name((enum dead_class)i));
    return error_set(err, ERROR_USAGE, "--class: \"%.40s\" is no class of dead letters (%s)", name, list);
}

int letters_make_filter(struct cli *cli, struct letter_filter *filter, struct error *err)
{
    const char *name = cli->values[OPTION_CLASS];
    enum dead_class dead_class;

    *filter = (struct letter_filter){ .with_closed = cli->values[OPTION_CLOSED] != NULL };
    if (name != NULL && !dead_class_from_name(name, &dead_class))
        return tell_classes(name, err);
    if (name != NULL)
        filter->dead_class = (int)dead_class;
    if (cli->values[OPTION_ID] != NULL)
        filter->memory_id = (struct slice){ cli->values[OPTION_ID], strlen(cli->values[OPTION_ID]) };
    if (cli_get_time(cli, OPTION_SINCE, &filter->since_ms, err) < 0 || cli_load_config(cli, err) < 0)
        return -1;
    return cli_known_connector(cli, &filter->connector, err);
}

bool letters_keep(void *context, const struct dead_letter *letter)
{
    struct letters *letters = context;

    letters->items = mem_grow(letters->items, letters->count, &letters->capacity, sizeof *letters->items);
    letters->items[letters->count] = (struct kept_letter){ .letter = *letter, .words = mem_copy_string(letter->words) };
    letters->items[letters->count].letter.words = letters->items[letters->count].words;
    letters->items[letters->count].letter.raw = (struct slice){ NULL, 0 };
    letters->count++;
    return true;
}

void letters_done(struct letters *letters)
{
    for (size_t i = 0; i < letters->count; i++) {
        mem_free(letters->items[i].words);
        mem_free(letters->items[i].connector);
        mem_free(letters->items[i].context);
        mem_free(letters->items[i].id);
    }
    mem_free(letters->items);
}

int letters_name(struct state *state, struct kept_letter *kept, struct error *err)
{
    struct stream_row stream;
    struct memory_row memory;
    int found = state_get_stream(state, kept->letter.stream, &stream, err);

    if (found < 0)
        return -1;
    kept->connector = mem_copy_string(found > 0 ? stream.connector : "");
    kept->context = mem_copy_string(found > 0 ? stream.context : "");
    if (kept->letter.seq == 0) {
        kept->id = mem_copy_string("");
        return 0;
    }
    found = state_get_memory(state, kept->letter.seq, &memory, err);
    if (found < 0)
        return -1;
    kept->id = mem_copy_bytes(found > 0 ? memory.id.data : "", found > 0 ? memory.id.size : 0);
    kept->id_size = found > 0 ? memory.id.size : 0;
    return 0;
}

int letters_read(struct state *state, const struct letter_filter *filter, struct letters *letters, struct error *err)
{
    if (state == NULL)
        return 0;
    if (state_each_letter(state, filter, letters_keep, letters, err) < 0)
        return -1;
    for (size_t i = 0; i < letters->count; i++)
        if (letters_name(state, &letters->items[i], err) < 0)
            return -1;
    return 0;
}
