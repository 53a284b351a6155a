/* pace.h - how fast something goes and how long it will take, said only when it can be known.
 *
 * The rate is that of the last minutes, not of the whole run: LightRAG gets slower as its store grows, and stops while a model does not answer. Pure: the
 * clock is a parameter. */
#ifndef MC_CLI_PACE_H
#define MC_CLI_PACE_H

#include "base/text.h"

enum {
    PACE_SAMPLES = 64,
    PACE_WINDOW_MS = 5 * 60 * 1000,
    PACE_FIRST_MS = 3000,       /* no rate before */
    PACE_FIRST_ITEMS = 3,       /* no time left before so many were seen to end */
    PACE_SILENCE_MS = 15 * 1000 /* nothing for so long is said, instead of a rate that would be a guess */
};

struct pace {
    int stage;
    struct { int64_t mono, done; } samples[PACE_SAMPLES]; /* a ring */
    size_t first, count;
    int64_t moved_mono;         /* when done last grew */
};

/* Another stage begins anew; -1 to begin with. done only grows within a stage (less begins anew, too). */
void pace_note(struct pace *pace, int stage, int64_t now_mono, int64_t done);

/* Appends ", 12/min, about 31m left" or what of it is known; ", nothing for 40s" when it stands. left < 0: it is not known how much is left. */
void pace_append(const struct pace *pace, int64_t now_mono, int64_t left, struct text *out);

#endif
