/* scheduler.c - what happens to jobs: they are added, triggered, paused, and they end. */
#include "schedule/scheduler_internal.h"

#include "base/mem.h"

#include <string.h>

/* ---- Jobs ---- */

struct scheduler *scheduler_new(const struct scheduler_out *out, int limit, int64_t believed_from_ms, struct scheduler_now now)
{
    struct scheduler *scheduler = mem_alloc(sizeof *scheduler);

    scheduler->out = *out;
    scheduler->limit = limit;
    scheduler->believed_from_ms = believed_from_ms;
    scheduler->now = now;
    scheduler_notice_disbelief(scheduler);
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    for (size_t i = 0; i < scheduler->job_count; i++)
        mem_free(scheduler->jobs[i]);
    mem_free(scheduler->jobs);
    mem_free(scheduler->dirty);
    heap_done(&scheduler->plan);
    heap_done(&scheduler->queue);
    heap_done(&scheduler->timeouts);
    mem_free(scheduler);
}

/* What waited when the program ended. A tick that came since takes its place. */
static void take_up_waiting(struct scheduler_job *job)
{
    int64_t wall = job->scheduler->now.wall_ms, tick = job->facts.waiting_ms;
    enum scheduler_cause cause = job->facts.waiting;

    if (cause == CAUSE_TRIGGER) {
        scheduler_enqueue(job, cause, tick);
        return;
    }
    if (!job->facts.is_paused && !scheduler_is_too_late(job, wall - tick) && scheduler_ticks(job, job->facts.settled_ms, wall).count == 0) {
        scheduler_enqueue(job, CAUSE_CATCH_UP, tick);
        return;
    }
    scheduler_trace_one(job, job->facts.is_paused ? MISS_PAUSED : MISS_DOWN, tick);
    scheduler_touch(job);
    scheduler_become_idle(job);
    scheduler_plan(job);
}

struct scheduler_job *scheduler_add(struct scheduler *scheduler, const struct scheduler_job_settings *settings, const struct scheduler_facts *facts, struct scheduler_now now)
{
    struct scheduler_job *job = mem_alloc(sizeof *job);

    scheduler_set_now(scheduler, now);
    job->scheduler = scheduler;
    job->settings = *settings;
    if (facts != NULL)
        job->facts = *facts;
    job->known_ms = now.wall_ms;
    job->order = scheduler->orders++;
    job->index = scheduler->job_count;
    scheduler->jobs = mem_grow(scheduler->jobs, scheduler->job_count, &scheduler->job_capacity, sizeof(struct scheduler_job *));
    scheduler->jobs[scheduler->job_count++] = job;
    scheduler_begin_anew(job);
    if (job->facts.waiting != CAUSE_NONE)
        take_up_waiting(job);
    else
        scheduler_plan(job);
    scheduler_settle_call(scheduler);
    return job;
}

static bool is_same_schedule(const struct scheduler_job_settings *a, const struct scheduler_job_settings *b)
{
    const struct schedule *one = &a->schedule, *other = &b->schedule;

    return one->kind == other->kind && one->interval_ms == other->interval_ms && memcmp(one->fields, other->fields, sizeof one->fields) == 0 &&
           one->any_day == other->any_day && one->any_weekday == other->any_weekday && strcmp(zone_name(a->zone), zone_name(b->zone)) == 0;
}

static bool is_under_way(const struct scheduler_job *job)
{
    return job->phase == JOB_RUNNING || job->phase == JOB_STOPPING;
}

static enum scheduler_miss why_undecided(const struct scheduler_job *job)
{
    return job->facts.is_paused ? MISS_PAUSED : is_under_way(job) ? MISS_RUNNING : job->phase == JOB_WAITING ? MISS_WAITING : MISS_REPLANNED;
}

void scheduler_change(struct scheduler_job *job, const struct scheduler_job_settings *settings, struct scheduler_now now)
{
    bool is_same = is_same_schedule(&job->settings, settings);

    scheduler_set_now(job->scheduler, now);
    if (!is_same)
        scheduler_account(job, now.wall_ms, why_undecided(job));
    job->settings = *settings;
    if (!is_same) {
        job->facts.settled_ms = scheduler_is_believed(job->scheduler) ? now.wall_ms : 0;
        scheduler_touch(job);
    }
    if (job->phase == JOB_IDLE)
        scheduler_plan(job);
    scheduler_settle_call(job->scheduler);
}

void scheduler_remove(struct scheduler_job *job, struct scheduler_now now)
{
    struct scheduler *scheduler = job->scheduler;

    scheduler_set_now(scheduler, now);
    if (job->phase == JOB_WAITING && job->cause != CAUSE_TRIGGER)
        scheduler_trace_one(job, MISS_REPLANNED, job->tick_ms);
    scheduler_account(job, now.wall_ms, why_undecided(job));
    if (is_under_way(job))
        scheduler->running--;
    heap_remove(&job->node);
    scheduler_flush(scheduler);
    scheduler->jobs[job->index] = scheduler->jobs[--scheduler->job_count];
    scheduler->jobs[job->index]->index = job->index;
    mem_free(job);
    scheduler_settle_call(scheduler);
}

/* ---- What happens ---- */

void scheduler_set_limit(struct scheduler *scheduler, int limit, struct scheduler_now now)
{
    scheduler_set_now(scheduler, now);
    scheduler->limit = limit;
    scheduler_settle_call(scheduler);
}

void scheduler_tick(struct scheduler *scheduler, struct scheduler_now now)
{
    scheduler_set_now(scheduler, now);
    scheduler_run_timeouts(scheduler);
    scheduler_run_plan(scheduler);
    scheduler_settle_call(scheduler);
}

int64_t scheduler_next_mono(const struct scheduler *scheduler)
{
    const struct heap_node *due = heap_first(&scheduler->plan), *timeout = heap_first(&scheduler->timeouts);
    int64_t wait = INT64_MAX;

    if (!scheduler_is_believed(scheduler) && scheduler->job_count > 0)
        wait = CLOCK_CHECK_MS;
    if (due != NULL) {
        wait = due->key - scheduler->now.wall_ms;
        wait = wait < 0 ? 0 : wait > CLOCK_CHECK_MS ? CLOCK_CHECK_MS : wait;
    }
    if (timeout != NULL && timeout->key - scheduler->now.mono_ms < wait)
        wait = timeout->key - scheduler->now.mono_ms;
    return wait == INT64_MAX ? INT64_MAX : scheduler->now.mono_ms + wait;
}

/* The ticks that came during a run. */
static void settle_run(struct scheduler_job *job)
{
    int64_t until = job->scheduler->now.wall_ms - 1; /* a tick of this very moment runs */
    struct schedule_span span, others;

    if (job->facts.is_paused)
        return; /* those before the pause are settled, the others are the pause's */
    if (job->settings.overlap == OVERLAP_SKIP) {
        scheduler_account(job, until, MISS_RUNNING);
        return;
    }
    span = scheduler_ticks(job, job->facts.settled_ms, until);
    if (span.count == 0)
        return;
    others = scheduler_ticks(job, span.first_ms, until);
    scheduler_trace_span(job, MISS_BUFFERED, &others);
    job->facts.settled_ms = span.last_ms;
    scheduler_enqueue(job, CAUSE_BUFFERED, span.first_ms);
}

void scheduler_finished(struct scheduler_job *job, struct scheduler_now now)
{
    scheduler_set_now(job->scheduler, now);
    if (!is_under_way(job))
        return;
    job->scheduler->running--;
    scheduler_become_idle(job);
    settle_run(job);
    if (job->phase == JOB_IDLE)
        scheduler_plan(job);
    scheduler_settle_call(job->scheduler);
}

bool scheduler_trigger(struct scheduler_job *job, struct scheduler_now now)
{
    bool is_idle;

    scheduler_set_now(job->scheduler, now);
    is_idle = job->phase == JOB_IDLE;
    if (is_idle)
        scheduler_enqueue(job, CAUSE_TRIGGER, now.wall_ms);
    scheduler_settle_call(job->scheduler);
    return is_idle;
}

bool scheduler_cancel(struct scheduler_job *job, struct scheduler_now now)
{
    bool is_there;

    scheduler_set_now(job->scheduler, now);
    is_there = job->phase != JOB_IDLE;
    if (job->phase == JOB_RUNNING)
        scheduler_stop_job(job, STOP_CANCELLED);
    if (job->phase == JOB_WAITING) {
        if (!job->facts.is_paused) /* or the last of them would be made up for at once */
            scheduler_account(job, now.wall_ms, MISS_WAITING);
        if (job->cause != CAUSE_TRIGGER)
            scheduler_trace_one(job, MISS_CANCELLED, job->tick_ms);
        scheduler_touch(job);
        scheduler_become_idle(job);
        scheduler_plan(job);
    }
    scheduler_settle_call(job->scheduler);
    return is_there;
}

/* As much of it as fits, not cut within a character. */
static void copy_reason(char ret_reason[SCHEDULER_REASON_SIZE], const char *reason)
{
    size_t size = 0, left = strnlen(reason, SCHEDULER_REASON_SIZE), length;
    uint32_t code;

    while (left > 0 && (length = text_read_character(reason, left, &code)) > 0 && size + length < SCHEDULER_REASON_SIZE) {
        memcpy(ret_reason + size, reason, length);
        size += length;
        reason += length;
        left -= length;
    }
    ret_reason[size] = '\0';
}

bool scheduler_pause(struct scheduler_job *job, const char *reason, int64_t until_ms, struct scheduler_now now)
{
    scheduler_set_now(job->scheduler, now);
    if (until_ms != 0 && until_ms <= now.wall_ms) {
        scheduler_settle_call(job->scheduler);
        return false;
    }
    if (!job->facts.is_paused && is_under_way(job))
        scheduler_account(job, now.wall_ms - 1, job->settings.overlap == OVERLAP_SKIP ? MISS_RUNNING : MISS_PAUSED);
    if (job->phase == JOB_WAITING && !job->facts.is_paused)
        scheduler_account(job, now.wall_ms - 1, MISS_WAITING);
    job->facts.is_paused = true;
    job->facts.paused_until_ms = until_ms;
    copy_reason(job->facts.pause_reason, reason);
    scheduler_touch(job);
    if (job->phase == JOB_WAITING && job->cause != CAUSE_TRIGGER) {
        scheduler_trace_one(job, MISS_PAUSED, job->tick_ms);
        scheduler_become_idle(job);
    }
    if (job->phase == JOB_IDLE)
        scheduler_plan(job);
    scheduler_settle_call(job->scheduler);
    return true;
}

void scheduler_resume(struct scheduler_job *job, struct scheduler_now now)
{
    int64_t until = job->facts.paused_until_ms;

    scheduler_set_now(job->scheduler, now);
    if (job->facts.is_paused) {
        scheduler_end_pause(job, until != 0 && until < now.wall_ms ? until : now.wall_ms);
        if (job->phase == JOB_IDLE)
            scheduler_plan(job);
    }
    scheduler_settle_call(job->scheduler);
}

void scheduler_status(const struct scheduler_job *job, struct scheduler_now now, struct scheduler_status *ret_status)
{
    int64_t from = job->phase == JOB_IDLE ? job->facts.settled_ms : now.wall_ms;
    bool is_paused = job->facts.is_paused && (job->facts.paused_until_ms == 0 || job->facts.paused_until_ms > now.wall_ms);

    *ret_status = (struct scheduler_status){ .phase = job->phase, .cause = job->cause, .tick_ms = job->tick_ms, .facts = &job->facts };
    if (!scheduler_is_believed(job->scheduler) || (is_paused && job->facts.paused_until_ms == 0))
        return;
    if (is_paused)
        from = job->facts.paused_until_ms;
    ret_status->has_next = scheduler_tick_after(job, from, &ret_status->next_ms);
}
