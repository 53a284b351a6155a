/* progress.h - one line on the terminal while a sync runs: redrawn at most ten times a second, cleared before every log line.
 *
 * "life: LightRAG is processing 120/500, 12/min, about 31m left (500 fetched, 500 new; 500 stored, 120 processed)". The time left is that of the stage, from the
 * pace of the last minutes; where nothing happens, that is said instead. */
#ifndef MC_CLI_PROGRESS_H
#define MC_CLI_PROGRESS_H

#include "cli/pace.h"
#include "cli/width.h"
#include "engine/engine.h"

struct progress {
    bool is_on;
    int64_t drawn_mono;
    char line[1200];              /* 400 characters */
    struct pace pace;             /* with several connectors: of the one that was told of last */
};

/* stderr is a terminal that can go back to the beginning of a line. */
bool progress_is_possible(void);
void progress_begin(struct progress *progress, bool is_on);
void progress_event(struct progress *progress, const struct engine_event *event);
void progress_end(struct progress *progress);

/* The line; at most width columns, 0: no limit. Pure but for pace. */
void progress_line(struct pace *pace, const struct engine_event *event, int64_t now_mono, size_t width, struct text *out);

enum tone progress_tone(enum run_result result); /* green, yellow or red */

/* "24 fetched, 22 new, 2 skipped; 22 stored, 22 processed" */
void progress_words(const struct run_counts *counts, struct text *out);

#endif
