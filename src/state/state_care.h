/* state_care.h - what is done with a state besides syncing: examined, mended, cleaned, copied out and in, carried to the other backend, saved when damaged. */
#ifndef MC_STATE_STATE_CARE_H
#define MC_STATE_STATE_CARE_H

#include "state/state.h"

/* ---- Does it agree with itself? ---- */

struct state_finding {
    const char *name;             /* "counters", for programs */
    const char *words;            /* what is wrong, for people */
    const char *mending;          /* what repair does about it; NULL: nothing can be done to this state, it must be saved into a new one */
    int64_t count;                /* rows */
    const char *detail;           /* SQLite's words, "" */
};
/* Tells what is wrong, nothing when all is well. The callback's argument lasts until it returns. 0 or -1. */
int state_examine(struct state *state, bool (*each)(void *context, const struct state_finding *finding), void *context, struct error *err);
/* Mends what state_examine finds and can be mended, in one transaction. What is given up (a row that contradicts itself) is fetched again and found at the
 * server by the next listing. A writer. */
int state_mend(struct state *state, int64_t *ret_changed, struct error *err);

/* ---- Retention ---- */

struct state_cleaned {
    int64_t runs, letters, batches; /* rows that were removed */
};
/* Removes what ended before a time: runs (but the last ones of each connector), dead letters that were decided, batches that no memory speaks of. Never a
 * memory, never an open letter. dry_run: counts only, also for readers. */
int state_clean(struct state *state, int64_t before_ms, bool dry_run, struct state_cleaned *ret_cleaned, struct error *err);

/* ---- Copies ---- */

/* Everything as one file of lines (state_dump.h) into an open descriptor, seen at one moment; with texts. path: for messages. */
int state_export(struct state *state, int fd, const char *path, int64_t now_ms, struct error *err);

struct state_import {
    int64_t lines;                /* that went in */
    int64_t bad;                  /* that did not */
    int64_t mended;               /* rows that were given up or counted anew, because of those */
};
/* Makes a new state of what a file of state_export holds. Nothing may be at settings->path. bad_line is told of each line that is left out (offset of its
 * first byte). The state is there whole or not at all. */
int state_import(const struct state_settings *settings, int fd, const char *path, void (*bad_line)(void *context, int64_t offset, const char *why), void *context,
                 struct state_import *ret, struct error *err);
/* A new state, of whatever backend, with everything that this one holds. */
int state_copy(struct state *state, const struct state_settings *settings, int64_t *ret_rows, struct error *err);

/* ---- Saving ---- */

struct state_saved {
    int64_t rows;                 /* that could be read */
    int64_t lost_lines;           /* of a journal or snapshot, that could not */
    int64_t lost_tables;          /* that could not be read to their end */
    int64_t mended;
    char first[256];              /* where the first loss is, "" */
    char kept[512];               /* where the damaged state lies now */
};
/* Reads what can be read of a state that cannot be opened, and puts a new one in its place; the old one is moved aside. dry_run: only says what it would be.
 * Takes the lock. 0: done. -1: nothing was changed. */
int state_save(const struct state_settings *settings, bool dry_run, struct state_saved *ret_saved, struct error *err);

#endif
