/* sync_run.h - one sync from an assembled configuration: shared by the commands sync and demo. */
#ifndef MC_CLI_SYNC_RUN_H
#define MC_CLI_SYNC_RUN_H

#include "cli/cli.h"

struct sync_options {
    const size_t *connectors;
    size_t connector_count;
    bool wait, dry_run, json_lines;
    bool backfill, force;
    const char *range;
    int64_t limit, max_items, lock_wait_ms;
    bool is_quiet;                 /* no lines for people */
};

/* Runs, prints, and returns the exit code (0, 1, 3, 69, 74, 75, 77, 78, 130, 143). A failure before the run comes back as -1 with *err. */
int sync_run(struct cli *cli, const struct sync_options *options, struct error *err);

/* The first that applies of 74, 78, 77, 69, 75, 1, 3, else 0. */
int sync_exit_code(const struct sync_outcome *outcomes, size_t count);

/* The running service does it, where one holds the state and answers. -1 with err untouched: nobody does, or the options are not for it. */
int sync_hand_over(struct cli *cli, const struct sync_options *options, struct error *err);

#endif
