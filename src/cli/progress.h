/* progress.h - one line on the terminal while a sync runs: redrawn at most ten times a second, cleared before every log line. */
#ifndef MC_CLI_PROGRESS_H
#define MC_CLI_PROGRESS_H

#include "engine/engine.h"

struct progress {
    bool is_on;
    int64_t started_mono, drawn_mono;
    char line[400];
    int64_t first_stored;
};

void progress_begin(struct progress *progress, bool is_on);
void progress_event(struct progress *progress, const struct engine_event *event);
void progress_end(struct progress *progress);

/* "24 fetched, 22 new, 2 skipped; 22 stored, 22 processed" */
void progress_words(const struct run_counts *counts, struct text *out);

#endif
