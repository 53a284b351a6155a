/* scheduler_plan.c - ticks: which are due, which were missed and why, and what a clock that jumps makes of them. */
#include "schedule/scheduler_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

enum {
    CLOCK_TOLERANCE_MS = 2 * 1000,  /* what NTP's slewing and a busy machine make between two looks */
    CLOCK_BACK_MS = 3 * 3600 * 1000 /* as ISC cron: a change up to that is a correction, past it another time */
};
static const struct { const char *name, *words; } misses[SCHEDULER_MISSES] = {
    [MISS_DOWN] = { "down", "the program was not running" },
    [MISS_CLOCK] = { "clock", "the clock was set forward, or the machine slept" },
    [MISS_LATE] = { "late", "the program was too busy" },
    [MISS_RUNNING] = { "running", "the run before was still under way" },
    [MISS_BUFFERED] = { "buffered", "the run before was still under way, and one was buffered already" },
    [MISS_WAITING] = { "waiting", "the run before still waited for a free place" },
    [MISS_PAUSED] = { "paused", "the connector was paused" },
    [MISS_CANCELLED] = { "cancelled", "cancelled while it waited" },
    [MISS_REPLANNED] = { "replanned", "the schedule was changed" },
};

static const char *const causes[] = { [CAUSE_NONE] = "none", [CAUSE_SCHEDULE] = "schedule", [CAUSE_CATCH_UP] = "catch_up", [CAUSE_BUFFERED] = "buffered",
                                      [CAUSE_TRIGGER] = "trigger" };

const char *scheduler_cause_name(enum scheduler_cause cause) { return causes[cause]; }
const char *scheduler_miss_name(enum scheduler_miss why) { return misses[why].name; }
const char *scheduler_miss_words(enum scheduler_miss why) { return misses[why].words; }

/* ---- What goes out ---- */

void scheduler_touch(struct scheduler_job *job)
{
    struct scheduler *scheduler = job->scheduler;

    if (job->is_dirty)
        return;
    job->is_dirty = true;
    scheduler->dirty = mem_grow(scheduler->dirty, scheduler->dirty_count, &scheduler->dirty_capacity, sizeof(struct scheduler_job *));
    scheduler->dirty[scheduler->dirty_count++] = job;
}

void scheduler_flush(struct scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->dirty_count; i++) {
        scheduler->dirty[i]->is_dirty = false;
        scheduler->out.save(scheduler->out.context, scheduler->dirty[i]->settings.id, &scheduler->dirty[i]->facts);
    }
    scheduler->dirty_count = 0;
}

void scheduler_trace_span(const struct scheduler_job *job, enum scheduler_miss why, const struct schedule_span *span)
{
    struct scheduler_trace row = { job->settings.id, why, span->count, span->first_ms, span->last_ms };

    if (span->count > 0)
        job->scheduler->out.trace(job->scheduler->out.context, &row);
}

void scheduler_trace_one(const struct scheduler_job *job, enum scheduler_miss why, int64_t tick_ms)
{
    scheduler_trace_span(job, why, &(struct schedule_span){ 1, tick_ms, tick_ms });
}

/* ---- Ticks ---- */

struct schedule_span scheduler_ticks(const struct scheduler_job *job, int64_t after_ms, int64_t until_ms)
{
    if (after_ms == 0) /* never planned: the clock was not believed yet */
        return (struct schedule_span){ 0 };
    return schedule_count(&job->settings.schedule, job->settings.zone, after_ms, until_ms);
}

/* Every tick that is not decided yet, up to until_ms, did not run. settled stays on a tick, so that an interval keeps its rhythm. */
void scheduler_account(struct scheduler_job *job, int64_t until_ms, enum scheduler_miss why)
{
    struct schedule_span span = scheduler_ticks(job, job->facts.settled_ms, until_ms);

    if (span.count == 0)
        return;
    scheduler_trace_span(job, why, &span);
    job->facts.settled_ms = span.last_ms;
    scheduler_touch(job);
}

/* The first tick behind moment_ms, in the job's rhythm. */
bool scheduler_tick_after(const struct scheduler_job *job, int64_t moment_ms, int64_t *ret_ms)
{
    int64_t after = job->facts.settled_ms;
    struct schedule_span span = scheduler_ticks(job, after, moment_ms);

    if (span.count > 0)
        after = span.last_ms;
    return schedule_next(&job->settings.schedule, job->settings.zone, after, ret_ms);
}

bool scheduler_is_believed(const struct scheduler *scheduler)
{
    return scheduler->now.wall_ms >= scheduler->believed_from_ms;
}

static int64_t draw_jitter(const struct scheduler_job *job, int64_t tick_ms)
{
    int64_t most = job->settings.jitter_ms, next;

    if (most <= 0)
        return 0;
    if (schedule_next(&job->settings.schedule, job->settings.zone, tick_ms, &next) && most > (next - tick_ms) / 2)
        most = (next - tick_ms) / 2;
    return (int64_t)(job->scheduler->out.random(job->scheduler->out.context) % (uint64_t)(most + 1));
}

/* Puts an idle job where it belongs. */
void scheduler_plan(struct scheduler_job *job)
{
    int64_t tick;

    heap_remove(&job->node);
    if (!scheduler_is_believed(job->scheduler))
        return;
    if (job->facts.is_paused) {
        if (job->facts.paused_until_ms != 0)
            heap_insert(&job->scheduler->plan, &job->node, job->facts.paused_until_ms, job->order);
        return;
    }
    if (schedule_next(&job->settings.schedule, job->settings.zone, job->facts.settled_ms, &tick))
        heap_insert(&job->scheduler->plan, &job->node, tick + draw_jitter(job, tick), job->order);
}

/* ---- From idle to running ---- */

void scheduler_enqueue(struct scheduler_job *job, enum scheduler_cause cause, int64_t tick_ms)
{
    job->phase = JOB_WAITING;
    job->cause = job->facts.waiting = cause;
    job->tick_ms = job->facts.waiting_ms = tick_ms;
    heap_insert(&job->scheduler->queue, &job->node, tick_ms, job->order);
    scheduler_touch(job);
}

/* To be planned by the caller. */
void scheduler_become_idle(struct scheduler_job *job)
{
    job->phase = JOB_IDLE;
    job->cause = job->facts.waiting = CAUSE_NONE;
    job->tick_ms = job->facts.waiting_ms = 0;
    heap_remove(&job->node);
}

static void start(struct scheduler_job *job)
{
    struct scheduler *scheduler = job->scheduler;

    if (!job->facts.is_paused)
        scheduler_account(job, scheduler->now.wall_ms - 1, MISS_WAITING);
    job->phase = JOB_RUNNING;
    job->facts.waiting = CAUSE_NONE;
    job->facts.waiting_ms = 0;
    heap_remove(&job->node);
    if (job->settings.timeout_ms > 0)
        heap_insert(&scheduler->timeouts, &job->node, scheduler->now.mono_ms + job->settings.timeout_ms, job->order);
    scheduler->running++;
    scheduler_touch(job);
    scheduler->out.start(scheduler->out.context, job->settings.id, job->cause, job->tick_ms);
}

static void fill(struct scheduler *scheduler)
{
    while (scheduler->running < scheduler->limit && heap_first(&scheduler->queue) != NULL)
        start((struct scheduler_job *)heap_first(&scheduler->queue));
}

void scheduler_settle_call(struct scheduler *scheduler)
{
    fill(scheduler);
    scheduler_flush(scheduler);
}

/* ---- A tick that is due ---- */

static enum scheduler_miss why_late(const struct scheduler_job *job, const struct schedule_span *span)
{
    const struct scheduler *scheduler = job->scheduler;

    if (span->first_ms <= job->known_ms)
        return MISS_DOWN;
    return span->last_ms > scheduler->jump_from_ms && span->first_ms <= scheduler->jump_to_ms ? MISS_CLOCK : MISS_LATE;
}

bool scheduler_is_too_late(const struct scheduler_job *job, int64_t late_ms)
{
    return late_ms > PUNCTUAL_MS && late_ms > job->settings.catch_up_ms;
}

void scheduler_end_pause(struct scheduler_job *job, int64_t at_ms)
{
    scheduler_account(job, at_ms, MISS_PAUSED);
    job->facts.is_paused = false;
    job->facts.paused_until_ms = 0;
    job->facts.pause_reason[0] = '\0';
    scheduler_touch(job);
}

/* Of all ticks that have come the last one runs, if it is not too late. */
static void decide(struct scheduler_job *job)
{
    int64_t wall = job->scheduler->now.wall_ms, late;
    struct schedule_span span = scheduler_ticks(job, job->facts.settled_ms, wall), missed = span;
    bool runs;

    if (span.count == 0) {
        scheduler_plan(job);
        return;
    }
    late = wall - (span.count == 1 ? job->node.key : span.last_ms); /* jitter is no lateness */
    runs = !scheduler_is_too_late(job, late);
    if (runs)
        missed = scheduler_ticks(job, job->facts.settled_ms, span.last_ms - 1);
    scheduler_trace_span(job, why_late(job, &span), &missed);
    job->facts.settled_ms = span.last_ms;
    scheduler_touch(job);
    if (runs)
        scheduler_enqueue(job, late > PUNCTUAL_MS ? CAUSE_CATCH_UP : CAUSE_SCHEDULE, span.last_ms);
    else
        scheduler_plan(job);
}

void scheduler_run_plan(struct scheduler *scheduler)
{
    struct heap_node *first;

    while ((first = heap_first(&scheduler->plan)) != NULL && first->key <= scheduler->now.wall_ms) {
        struct scheduler_job *job = (struct scheduler_job *)first;
        if (job->facts.is_paused) {
            scheduler_end_pause(job, job->facts.paused_until_ms);
            scheduler_plan(job);
        } else {
            decide(job);
        }
    }
}

void scheduler_stop_job(struct scheduler_job *job, enum scheduler_stop why)
{
    job->phase = JOB_STOPPING;
    heap_remove(&job->node);
    job->scheduler->out.stop(job->scheduler->out.context, job->settings.id, why);
}

void scheduler_run_timeouts(struct scheduler *scheduler)
{
    struct heap_node *first;

    while ((first = heap_first(&scheduler->timeouts)) != NULL && first->key <= scheduler->now.mono_ms)
        scheduler_stop_job((struct scheduler_job *)first, STOP_TIMEOUT);
}

/* ---- The clock ---- */

static bool is_replanned_at_once(const struct scheduler_job *job)
{
    return job->settings.schedule.kind == SCHEDULE_INTERVAL || schedule_is_hourly(&job->settings.schedule);
}

/* A job that was never planned, or whose last decision lies in the future, begins here. */
void scheduler_begin_anew(struct scheduler_job *job)
{
    int64_t wall = job->scheduler->now.wall_ms, ahead = job->facts.settled_ms - wall;

    if (!scheduler_is_believed(job->scheduler) || (job->facts.settled_ms != 0 && (ahead <= 0 || (ahead <= CLOCK_BACK_MS && !is_replanned_at_once(job)))))
        return;
    job->facts.settled_ms = wall;
    scheduler_touch(job);
    if (job->phase == JOB_IDLE)
        scheduler_plan(job);
}

static void notice_jump(struct scheduler *scheduler, int64_t jump_ms)
{
    char how_far[TIME_TEXT_SIZE], words[120];

    time_text_duration(jump_ms < 0 ? -jump_ms : jump_ms, how_far);
    (void)snprintf(words, sizeof words, jump_ms < 0 ? "the clock was set back by %s" : "the clock was set forward by %s, or the machine slept", how_far);
    scheduler->out.notice(scheduler->out.context, words);
}

void scheduler_notice_disbelief(struct scheduler *scheduler)
{
    if (!scheduler_is_believed(scheduler))
        scheduler->out.notice(scheduler->out.context, "the clock cannot be right, it shows a time long past: nothing runs by schedule until it is set");
}

void scheduler_set_now(struct scheduler *scheduler, struct scheduler_now now)
{
    int64_t expected = scheduler->now.wall_ms + now.mono_ms - scheduler->now.mono_ms, jump = now.wall_ms - expected;
    bool was_believed = scheduler_is_believed(scheduler);

    scheduler->now = now;
    if (jump > -CLOCK_TOLERANCE_MS && jump < CLOCK_TOLERANCE_MS && was_believed == scheduler_is_believed(scheduler))
        return;
    notice_jump(scheduler, jump);
    if (jump > 0) {
        scheduler->jump_from_ms = expected;
        scheduler->jump_to_ms = now.wall_ms;
    }
    if (was_believed && !scheduler_is_believed(scheduler))
        scheduler_notice_disbelief(scheduler);
    for (size_t i = 0; i < scheduler->job_count; i++) {
        struct scheduler_job *job = scheduler->jobs[i];
        if (!was_believed || job->known_ms > now.wall_ms)
            job->known_ms = now.wall_ms;
        scheduler_begin_anew(job);
        if (job->phase == JOB_IDLE && was_believed != scheduler_is_believed(scheduler))
            scheduler_plan(job);
    }
}
