/* report.h - the JSON shapes of runs and dead letters: of commands, events and the management API. */
#ifndef MC_ENGINE_REPORT_H
#define MC_ENGINE_REPORT_H

#include "base/json_write.h"
#include "delivery/record.h"
#include "state/state.h"

/* The counters of a report, in the order in which they are written. */
struct report_counter {
    const char *name, *help;
    size_t offset;                 /* of an int64_t in struct run_counts */
};
extern const struct report_counter report_counters[];
extern const size_t report_counter_count;

/* The members of a report into the open object. */
void report_write(struct json_writer *writer, const struct run_row *run);
void report_write_counts(struct json_writer *writer, const struct run_counts *counts);
void report_write_letter(struct json_writer *writer, const struct dead_letter *letter, const char *connector, const char *context, struct slice memory_id);

const char *report_letter_state(const struct dead_letter *letter); /* "open", "retried", "discarded", "cleared" */

#endif
