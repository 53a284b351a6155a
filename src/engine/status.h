/* status.h - how a connector stands: what the state says of it, and the JSON shapes of status and list, of commands and the management API alike. */
#ifndef MC_ENGINE_STATUS_H
#define MC_ENGINE_STATUS_H

#include "base/auto.h"
#include "base/json_write.h"
#include "engine/report.h"
#include "engine/service.h"
#include "state/state.h"

struct kept_gap {
    int64_t letter, since_ms;
    char *context, *words;
};
enum { STANDING_GAPS = 20 };       /* that are told one by one */

struct kept_run {                  /* with its texts */
    struct run_row row;
    char *connector, *error, *range, *coverage, *trigger;
};
void kept_run_set(struct kept_run *kept, const struct run_row *row);
void kept_run_done(struct kept_run *kept);
AUTO_DEFINE_DONE(kept_run)

/* What the state says of one connector. */
struct standing {
    struct state_counts counts;
    int64_t flying[BATCH_STATES];
    int64_t oldest_ms;             /* when the oldest unsettled memory came; 0: none is */
    bool has_run, is_running;
    struct kept_run run;           /* the newest one */
    struct kept_gap gaps[STANDING_GAPS]; /* listings that broke off and were not followed by a complete one */
    size_t gap_count;
    bool has_last;
    struct kept_run last;          /* the newest one that is over */
};
int standing_read(struct state *state, const char *connector, struct standing *standing, struct error *err); /* state NULL: there is none yet */
int standing_read_row(struct state *state, const char *connector, struct standing *standing, struct error *err); /* only what a list shows */
void standing_done(struct standing *standing);
AUTO_DEFINE_DONE(standing)

int64_t standing_letters(const struct standing *standing); /* open dead letters */
int64_t standing_backlog(const struct standing *standing); /* memories that are not settled */

/* Where its schedule stands, as far as the state tells it. */
struct status_plan {
    bool is_paused;
    int64_t paused_until_ms;               /* 0: until somebody resumes it */
    char reason[SCHEDULER_REASON_SIZE];
    bool has_next;
    int64_t next_ms;                       /* by schedule, where a service runs */
};

/* What is known beside the state. */
struct status_facts {
    const char *connector;
    bool enabled;
    const struct connector_board *board;   /* of the running service; NULL: it is not asked */
    const struct status_plan *plan;        /* without a board; NULL: not known */
    const struct target_board *target;     /* likewise */
    const char *target_url, *version;      /* without a service; version NULL: never seen */
    int64_t seen_ms;                       /* likewise; 0: never */
    const char *schedule;                  /* in words; of lists */
    const char *description;
    const char *const *contexts;           /* of lists */
    size_t context_count;
    const char *managed_by;                /* of lists, without a board: "file", "api" */
    int64_t now_ms;
};
const char *status_state(const struct status_facts *facts, const struct standing *standing); /* "disabled", "running", "waiting", "paused", "idle" */
/* The members of one status, and of one row of the list, into the open object. */
void status_write(struct json_writer *writer, const struct status_facts *facts, const struct standing *standing);
void status_write_row(struct json_writer *writer, const struct status_facts *facts, const struct standing *standing);

#endif
