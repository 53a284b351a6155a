/* scheduler.h - which job runs when: plans, overlaps, what was missed, pauses.
 *
 * Pure: it knows no clock, no state, no thread. Every call brings the moment it happens; what is to be written, started and told goes out through
 * struct scheduler_out before the call returns. A "tick" is a time of the schedule. Every tick ends as a start or in a trace that says why it did not:
 * planned = started + traced, whatever happens to the program, the machine or the clock.
 *
 * Of one job at most one run is under way. In words:
 *   - overlap skip: ticks during a run are traced when it ends; buffer_one: the first of them runs right behind it, the others are traced;
 *   - too late (the program was down, the machine asleep, the clock set forward, the loop busy): of all missed ticks the last one runs, if it is no
 *     further back than catch_up_ms, the others are traced (ten seconds are always on time);
 *   - at most limit jobs run at once; others wait in the order of their ticks, those of one moment in the order in which the jobs were added;
 *   - a paused job skips its ticks but may be triggered;
 *   - a clock that is set back by up to three hours repeats no tick, except for intervals and jobs that run at least hourly, which begin anew, as
 *     everything does behind a longer way back. A clock before 2025 (believed_from_ms) is not believed: nothing runs by schedule until it is set.
 *
 * Durable is struct scheduler_facts of every job; out.save has to be in the same commit as the traces of its call, and out.start is to be carried out
 * after that commit. Who starts a run writes its row in it, too; a run without an end is "interrupted" after a crash, and its job begins here as idle. */
#ifndef MC_SCHEDULE_SCHEDULER_H
#define MC_SCHEDULE_SCHEDULER_H

#include "schedule/schedule.h"

#include <stdbool.h>
#include <stdint.h>

struct scheduler_now {
    int64_t wall_ms; /* for schedules; may jump */
    int64_t mono_ms; /* for waits and time-outs */
};

enum scheduler_overlap { OVERLAP_SKIP, OVERLAP_BUFFER_ONE };

struct scheduler_job_settings {
    int64_t id;                 /* the caller's; in every callback */
    struct schedule schedule;
    const struct zone *zone;    /* borrowed for as long as the job is here */
    enum scheduler_overlap overlap;
    int64_t catch_up_ms;        /* 0: nothing is made up for */
    int64_t jitter_ms;          /* a start is put off by chance up to that, and never past half the way to the next tick */
    int64_t timeout_ms;         /* 0: none */
};

enum scheduler_cause { CAUSE_NONE, CAUSE_SCHEDULE, CAUSE_CATCH_UP, CAUSE_BUFFERED, CAUSE_TRIGGER };

enum { SCHEDULER_REASON_SIZE = 256 };

/* What must survive. All zero: a job that was never here. */
struct scheduler_facts {
    int64_t settled_ms;         /* every tick up to here is started, waiting below, or traced */
    enum scheduler_cause waiting; /* a run that was decided and has not started */
    int64_t waiting_ms;         /* its tick, or when it was triggered */
    bool is_paused;
    int64_t paused_until_ms;    /* 0: until resumed */
    char pause_reason[SCHEDULER_REASON_SIZE];
};

enum scheduler_miss {
    MISS_DOWN,      /* the program did not run */
    MISS_CLOCK,     /* the clock was set forward, or the machine slept */
    MISS_LATE,      /* this program had no time */
    MISS_RUNNING,   /* the run before was still under way */
    MISS_BUFFERED,  /* ... and one was buffered already */
    MISS_WAITING,   /* the run before still waited for a free place */
    MISS_PAUSED,
    MISS_CANCELLED, /* taken back while it waited */
    MISS_REPLANNED, /* the schedule was changed, or the job removed, in between */
    SCHEDULER_MISSES
};

struct scheduler_trace {
    int64_t id;
    enum scheduler_miss why;
    int64_t count;              /* ticks */
    int64_t first_ms, last_ms;  /* the first and the last of them */
};

enum scheduler_stop { STOP_TIMEOUT, STOP_CANCELLED };

struct scheduler_out {
    void *context;
    void (*save)(void *context, int64_t id, const struct scheduler_facts *facts);
    void (*trace)(void *context, const struct scheduler_trace *trace);
    void (*start)(void *context, int64_t id, enum scheduler_cause cause, int64_t tick_ms); /* end it with scheduler_finished, always */
    void (*stop)(void *context, int64_t id, enum scheduler_stop why);
    void (*notice)(void *context, const char *words); /* for log and people */
    uint64_t (*random)(void *context);
};

struct scheduler;
struct scheduler_job;

#define SCHEDULER_BELIEVED_FROM_MS INT64_C(1735689600000) /* 2025-01-01: before this program was written, so an earlier clock is not set */

/* limit: how many jobs run at once. believed_from_ms: SCHEDULER_BELIEVED_FROM_MS, but for simulations of the past. */
struct scheduler *scheduler_new(const struct scheduler_out *out, int limit, int64_t believed_from_ms, struct scheduler_now now);
void scheduler_free(struct scheduler *scheduler); /* with its jobs; nothing is saved or traced */
AUTO_DEFINE(scheduler)

/* facts NULL: new; its first tick is the one after now. Not yet decided ticks of an old one are decided by the next scheduler_tick. */
struct scheduler_job *scheduler_add(struct scheduler *scheduler, const struct scheduler_job_settings *settings, const struct scheduler_facts *facts, struct scheduler_now now);
/* Other settings (not the id); with another schedule or zone the plan begins anew. A run under way goes on. */
void scheduler_change(struct scheduler_job *job, const struct scheduler_job_settings *settings, struct scheduler_now now);
/* Ends and frees it; what waits is traced. A run under way is the caller's to end, without scheduler_finished. */
void scheduler_remove(struct scheduler_job *job, struct scheduler_now now);

/* How many run at once; 0: start nothing more (the program is ending). */
void scheduler_set_limit(struct scheduler *scheduler, int limit, struct scheduler_now now);

void scheduler_tick(struct scheduler *scheduler, struct scheduler_now now);
/* When to tick again, by the monotonic clock; INT64_MAX: only when something happens. At most 30 s ahead while there is a plan: only so a change of
 * the clock is noticed. */
int64_t scheduler_next_mono(const struct scheduler *scheduler);

void scheduler_finished(struct scheduler_job *job, struct scheduler_now now);

/* false: a run of it waits or is under way. Works for paused jobs. */
bool scheduler_trigger(struct scheduler_job *job, struct scheduler_now now);
/* false: there is nothing to cancel. A run under way is asked to stop, one that waits is taken back. */
bool scheduler_cancel(struct scheduler_job *job, struct scheduler_now now);
/* until_ms 0: until resumed. false: until_ms is over already. Pausing again replaces reason and until. What waits by schedule is taken back. */
bool scheduler_pause(struct scheduler_job *job, const char *reason, int64_t until_ms, struct scheduler_now now);
void scheduler_resume(struct scheduler_job *job, struct scheduler_now now);

enum scheduler_phase { JOB_IDLE, JOB_WAITING, JOB_RUNNING, JOB_STOPPING };

struct scheduler_status {
    enum scheduler_phase phase;
    enum scheduler_cause cause; /* of the run that waits or is under way */
    int64_t tick_ms;            /* likewise */
    bool has_next;              /* false: manual, paused for ever, or a clock that is not believed */
    int64_t next_ms;            /* the next tick that can start */
    const struct scheduler_facts *facts; /* borrowed until the next call */
};
void scheduler_status(const struct scheduler_job *job, struct scheduler_now now, struct scheduler_status *ret_status);

const char *scheduler_cause_name(enum scheduler_cause cause); /* "schedule", "catch_up", "buffered", "trigger" */
const char *scheduler_miss_name(enum scheduler_miss why);     /* "down", "clock", ... for JSON */
const char *scheduler_miss_words(enum scheduler_miss why);    /* for people */

#endif
