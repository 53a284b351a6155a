/* report.h - the JSON shapes of runs and dead letters: of commands, events and the management API. */
#ifndef MC_ENGINE_REPORT_H
#define MC_ENGINE_REPORT_H

#include "base/json_write.h"
#include "delivery/record.h"
#include "state/state.h"

/* The members of a report into the open object. */
void report_write(struct json_writer *writer, const struct run_row *run);
void report_write_counts(struct json_writer *writer, const struct run_counts *counts);
void report_write_letter(struct json_writer *writer, const struct dead_letter *letter, const char *connector, const char *context, struct slice memory_id);

#endif
