/* scheduler_internal.h - what a scheduler is made of: scheduler.c takes what happens, scheduler_plan.c knows ticks, queue and clock.
 *
 * A job lies in exactly one of three heaps, or in none:
 *   plan      idle jobs, by the wall clock: the next start, or the end of a pause
 *   queue     jobs that wait for a free place, by their tick
 *   timeouts  jobs under way, by the monotonic clock
 * Ticks that come while a job is not idle are not woken up for: they are counted when it ends (account), so a job that is due every second and runs
 * for an hour costs one trace and not 3,600. */
#ifndef MC_SCHEDULE_SCHEDULER_INTERNAL_H
#define MC_SCHEDULE_SCHEDULER_INTERNAL_H

#include "schedule/heap.h"
#include "schedule/scheduler.h"

enum {
    PUNCTUAL_MS = 10 * 1000,    /* later than that is a catch-up; a busy loop is still on time */
    CLOCK_CHECK_MS = 30 * 1000, /* how long a change of the clock may go unnoticed */
};

struct scheduler_job {
    struct heap_node node; /* first */
    struct scheduler *scheduler;
    struct scheduler_job_settings settings;
    struct scheduler_facts facts;
    enum scheduler_phase phase;
    enum scheduler_cause cause;
    int64_t tick_ms;    /* of the run that waits or is under way */
    int64_t known_ms;   /* since when it is looked after: earlier ticks were missed while the program was down */
    int64_t order;
    size_t index;       /* in scheduler->jobs */
    bool is_dirty;
};

struct scheduler {
    struct scheduler_out out;
    struct heap plan, queue, timeouts;
    struct scheduler_job **jobs;
    size_t job_count, job_capacity;
    struct scheduler_job **dirty; /* within a call: whose facts have changed */
    size_t dirty_count, dirty_capacity;
    int64_t orders;
    int limit, running;
    int64_t believed_from_ms;
    struct scheduler_now now;     /* the last that was told */
    int64_t jump_from_ms, jump_to_ms; /* the last stretch that the clock left out */
};

/* ---- scheduler_plan.c; each is explained there ---- */
void scheduler_touch(struct scheduler_job *job);
void scheduler_flush(struct scheduler *scheduler);
void scheduler_trace_span(const struct scheduler_job *job, enum scheduler_miss why, const struct schedule_span *span);
void scheduler_trace_one(const struct scheduler_job *job, enum scheduler_miss why, int64_t tick_ms);
struct schedule_span scheduler_ticks(const struct scheduler_job *job, int64_t after_ms, int64_t until_ms);
void scheduler_account(struct scheduler_job *job, int64_t until_ms, enum scheduler_miss why);
bool scheduler_tick_after(const struct scheduler_job *job, int64_t moment_ms, int64_t *ret_ms);
bool scheduler_is_believed(const struct scheduler *scheduler);
void scheduler_plan(struct scheduler_job *job);
void scheduler_enqueue(struct scheduler_job *job, enum scheduler_cause cause, int64_t tick_ms);
void scheduler_become_idle(struct scheduler_job *job);
void scheduler_settle_call(struct scheduler *scheduler);
bool scheduler_is_too_late(const struct scheduler_job *job, int64_t late_ms);
void scheduler_end_pause(struct scheduler_job *job, int64_t at_ms);
void scheduler_run_plan(struct scheduler *scheduler);
void scheduler_stop_job(struct scheduler_job *job, enum scheduler_stop why);
void scheduler_run_timeouts(struct scheduler *scheduler);
void scheduler_begin_anew(struct scheduler_job *job);
void scheduler_notice_disbelief(struct scheduler *scheduler);
void scheduler_set_now(struct scheduler *scheduler, struct scheduler_now now);

#endif
