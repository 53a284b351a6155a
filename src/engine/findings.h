/* findings.h - what one run left for people: its dead letters by class, and its gaps one by one. The second half of a report, read from the state
 * when somebody asks for one run. */
#ifndef MC_ENGINE_FINDINGS_H
#define MC_ENGINE_FINDINGS_H

#include "base/auto.h"
#include "base/json_write.h"
#include "delivery/record.h"
#include "state/state.h"

enum { FINDINGS_GAPS = 20 };       /* that are told one by one */

struct found_gap {
    int64_t letter, since_ms, stream;
    bool is_open;
    char *context, *words;         /* owned; context NULL: not known any more */
};

struct found_class {
    int64_t count, example_seq;
    char *example;                 /* owned: a memory's id; NULL: none of them has one */
    size_t example_size;
};

struct findings {
    struct found_class classes[DEAD_CLASSES]; /* source_gap is not among them: see gaps */
    struct found_gap gaps[FINDINGS_GAPS];
    size_t gap_count;
};

/* Dead letters that happened in that run, decided ones too. ret_findings is empty or whole. 0 or -1. */
int findings_read(struct state *state, const struct run_row *run, struct findings *ret_findings, struct error *err);
void findings_done(struct findings *findings);
AUTO_DEFINE_DONE(findings)

/* The members "gaps" and "errors" into the open object. */
void findings_write(struct json_writer *writer, const struct findings *findings);

#endif
