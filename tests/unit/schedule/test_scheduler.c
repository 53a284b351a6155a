/* The scheduler as stories: each step is something that happens at a moment, and what must come out of it, in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/time_text.h"
#include "schedule/heap.h"
#include "schedule/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What comes out, as words: "start 1 schedule 08:15", "miss 1 running 2 08:15 08:30" ---- */

struct heard {
    struct text words;
    struct scheduler_facts facts[10]; /* what was saved last, by id */
    int saves;
    uint64_t random;
};

static void clock_words(int64_t ms, char out[16])
{
    struct time_fields fields;

    time_text_fields(ms, &fields);
    (void)snprintf(out, 16, fields.second != 0 ? "%02d:%02d:%02d" : "%02d:%02d", fields.hour, fields.minute, fields.second);
}

static void say(struct heard *heard, const char *words)
{
    if (heard->words.size > 0)
        (void)text_append(&heard->words, "; ");
    (void)text_append(&heard->words, words);
}

static void on_save(void *context, int64_t id, const struct scheduler_facts *facts)
{
    struct heard *heard = context;

    heard->facts[id] = *facts;
    heard->saves++;
}

static void on_trace(void *context, const struct scheduler_trace *trace)
{
    char words[100], first[16], last[16];

    clock_words(trace->first_ms, first);
    clock_words(trace->last_ms, last);
    (void)snprintf(words, sizeof words, "miss %d %s %d %s%s%s", (int)trace->id, scheduler_miss_name(trace->why), (int)trace->count, first, trace->count > 1 ? " " : "",
                   trace->count > 1 ? last : "");
    say(context, words);
}

static void on_start(void *context, int64_t id, enum scheduler_cause cause, int64_t tick_ms)
{
    char words[100], tick[16];

    clock_words(tick_ms, tick);
    (void)snprintf(words, sizeof words, "start %d %s %s", (int)id, scheduler_cause_name(cause), tick);
    say(context, words);
}

static void on_stop(void *context, int64_t id, enum scheduler_stop why)
{
    char words[100];

    (void)snprintf(words, sizeof words, "stop %d %s", (int)id, why == STOP_TIMEOUT ? "timeout" : "cancelled");
    say(context, words);
}

static void on_notice(void *context, const char *words)
{
    say(context, words);
}

static uint64_t on_random(void *context)
{
    return ((struct heard *)context)->random;
}

/* ---- Stories ---- */

enum act { TICK, FINISH, TRIGGER, CANCEL, PAUSE, RESUME, LIMIT, RESTART, ADD, REMOVE, EVERY };

struct step {
    const char *at;        /* the wall clock of 2026-03-02, a Monday; "+1 08:00" is the day behind */
    enum act act;
    int job;
    const char *argument;  /* PAUSE: until; LIMIT: how many; ADD, EVERY: the expression; TICK: "jump" where only the wall clock moved */
    const char *want;      /* everything that came out; "": nothing. NULL: whatever */
};

struct story {
    const char *why;
    struct scheduler_job_settings settings;
    const char *expression;
    int limit;
    struct step steps[14];
};

#define DAY_MS INT64_C(86400000)
#define MONDAY_MS INT64_C(1772409600000)

static int64_t moment(const char *at)
{
    int days = 0, hour, minute, second = 0;

    if (at[0] == '+' || at[0] == '-') {
        days = (int)strtol(at, NULL, 10);
        at = strchr(at, ' ') + 1;
    }
    if (sscanf(at, "%d:%d:%d", &hour, &minute, &second) < 2)
        fail_msg("not a moment: %s", at);
    return MONDAY_MS + days * DAY_MS + ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
}

struct stage {
    struct heard heard;
    struct scheduler_out out;
    struct scheduler *scheduler;
    struct scheduler_job *jobs[10];
    struct scheduler_job_settings settings[10];
    struct scheduler_now now;
    int limit;
};

static void open_stage(struct stage *stage, const struct story *story, int64_t wall_ms)
{
    memset(stage, 0, sizeof *stage);
    text_init(&stage->heard.words, 0);
    stage->out = (struct scheduler_out){ &stage->heard, on_save, on_trace, on_start, on_stop, on_notice, on_random };
    stage->limit = story->limit > 0 ? story->limit : 4;
    stage->now = (struct scheduler_now){ wall_ms, 1000000 };
    stage->scheduler = scheduler_new(&stage->out, stage->limit, SCHEDULER_BELIEVED_FROM_MS, stage->now);
}

static void close_stage(struct stage *stage)
{
    scheduler_free(stage->scheduler);
    text_done(&stage->heard.words);
}

static void add(struct stage *stage, const struct story *story, int id, const char *expression, const struct scheduler_facts *facts)
{
    struct error err = { 0 };

    stage->settings[id] = story->settings;
    stage->settings[id].id = id;
    if (stage->settings[id].zone == NULL)
        stage->settings[id].zone = zone_utc();
    if (schedule_parse(expression, &stage->settings[id].schedule, &err) < 0)
        fail_msg("%s: %s", expression, err.message);
    stage->jobs[id] = scheduler_add(stage->scheduler, &stage->settings[id], facts, stage->now);
}

/* The process ends and another one begins with what was saved. */
static void restart(struct stage *stage)
{
    scheduler_free(stage->scheduler);
    stage->now.mono_ms = 5;
    stage->scheduler = scheduler_new(&stage->out, stage->limit, SCHEDULER_BELIEVED_FROM_MS, stage->now);
    for (int id = 1; id < 10; id++)
        if (stage->jobs[id] != NULL)
            stage->jobs[id] = scheduler_add(stage->scheduler, &stage->settings[id], &stage->heard.facts[id], stage->now);
    scheduler_tick(stage->scheduler, stage->now);
}

static void act(struct stage *stage, const struct story *story, const struct step *step)
{
    struct scheduler_job *job = stage->jobs[step->job];

    switch (step->act) {
    case TICK: scheduler_tick(stage->scheduler, stage->now); break;
    case FINISH: scheduler_finished(job, stage->now); break;
    case TRIGGER: say(&stage->heard, scheduler_trigger(job, stage->now) ? "yes" : "no"); break;
    case CANCEL: say(&stage->heard, scheduler_cancel(job, stage->now) ? "yes" : "no"); break;
    case PAUSE: say(&stage->heard, scheduler_pause(job, "because", step->argument != NULL ? moment(step->argument) : 0, stage->now) ? "yes" : "no"); break;
    case RESUME: scheduler_resume(job, stage->now); break;
    case LIMIT:
        stage->limit = (int)strtol(step->argument, NULL, 10);
        scheduler_set_limit(stage->scheduler, stage->limit, stage->now);
        break;
    case RESTART: restart(stage); break;
    case ADD: add(stage, story, step->job, step->argument, NULL); break;
    case REMOVE:
        scheduler_remove(job, stage->now);
        stage->jobs[step->job] = NULL;
        break;
    case EVERY: {
        struct error err = { 0 };
        if (schedule_parse(step->argument, &stage->settings[step->job].schedule, &err) < 0)
            fail_msg("%s", err.message);
        scheduler_change(job, &stage->settings[step->job], stage->now);
        break;
    }
    }
}

static void tell(const struct story *story)
{
    struct stage stage;

    open_stage(&stage, story, moment(story->steps[0].at));
    add(&stage, story, 1, story->expression, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(story->steps) && story->steps[i].at != NULL; i++) {
        const struct step *step = &story->steps[i];
        int64_t wall = moment(step->at);
        if (step->act != TICK || step->argument == NULL)
            stage.now.mono_ms += wall - stage.now.wall_ms;
        stage.now.wall_ms = wall;
        text_clear(&stage.heard.words);
        act(&stage, story, step);
        if (step->want != NULL && strcmp(stage.heard.words.data, step->want) != 0)
            fail_msg("%s, step %zu at %s:\n  came: %s\n  want: %s", story->why, i + 1, step->at, stage.heard.words.data, step->want);
    }
    close_stage(&stage);
}

#define MINUTES(n) ((n) * INT64_C(60000))
#define HOURS(n) ((n) * INT64_C(3600000))

static void test_stories(void **state)
{
    static const struct story stories[] = {
        { .why = "plain: due, run, due again", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:14:59", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" },
            { "08:15:30", TICK, 0, NULL, "" }, { "08:16", FINISH, 1, NULL, "" }, { "08:30", TICK, 0, NULL, "start 1 schedule 08:30" } } },
        { .why = "a busy loop of some seconds is on time", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15:09", TICK, 0, NULL, "start 1 schedule 08:15" } } },
        { .why = "one that is busy for minutes is not", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:20", TICK, 0, NULL, "miss 1 late 1 08:15" } } },
        { .why = "every second, and a hiccup", .expression = "* * * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:00:03", TICK, 0, NULL, "miss 1 late 2 08:00:01 08:00:02; start 1 schedule 08:00:03" } } },
        { .why = "overlap skip: counted when the run ends", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:30", TICK, 0, NULL, "" }, { "08:50", TICK, 0, NULL, "" },
            { "08:50", FINISH, 1, NULL, "miss 1 running 2 08:30 08:45" }, { "09:00", TICK, 0, NULL, "start 1 schedule 09:00" } } },
        { .why = "a run that ends on the tick leaves it to the next run", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:45", FINISH, 1, NULL, "miss 1 running 1 08:30" },
            { "08:45", TICK, 0, NULL, "start 1 schedule 08:45" } } },
        { .why = "buffer one", .expression = "*/15 * * * *", .settings = { .overlap = OVERLAP_BUFFER_ONE }, .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" },
            { "09:10", FINISH, 1, NULL, "miss 1 buffered 2 08:45 09:00; start 1 buffered 08:30" }, { "09:12", FINISH, 1, NULL, "" },
            { "09:15", TICK, 0, NULL, "start 1 schedule 09:15" }, { "09:31", FINISH, 1, NULL, "start 1 buffered 09:30" } } },
        { .why = "an interval keeps its rhythm through a long run", .expression = "15m", .steps = {
            { "08:01", TICK, 0, NULL, "" }, { "08:16", TICK, 0, NULL, "start 1 schedule 08:16" }, { "08:40", FINISH, 1, NULL, "miss 1 running 1 08:31" },
            { "08:46", TICK, 0, NULL, "start 1 schedule 08:46" } } },
        { .why = "down, no catch-up", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "09:05", RESTART, 0, NULL, "miss 1 down 4 08:15 09:00" }, { "09:15", TICK, 0, NULL, "start 1 schedule 09:15" } } },
        { .why = "down, catch-up: the last one runs", .expression = "*/15 * * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "09:05", RESTART, 0, NULL, "miss 1 down 3 08:15 08:45; start 1 catch_up 09:00" }, { "09:06", FINISH, 1, NULL, "" },
            { "09:15", TICK, 0, NULL, "start 1 schedule 09:15" } } },
        { .why = "down for longer than catch_up", .expression = "0 2 * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "01:00", TICK, 0, NULL, "" }, { "+2 03:01", RESTART, 0, NULL, "miss 1 down 3 02:00 02:00" }, { "+3 02:00", TICK, 0, NULL, "start 1 schedule 02:00" } } },
        { .why = "catch_up reaches back exactly so far", .expression = "0 2 * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "01:00", TICK, 0, NULL, "" }, { "03:00", RESTART, 0, NULL, "start 1 catch_up 02:00" } } },
        { .why = "a run that was under way when the program ended: its job is free again", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:20", RESTART, 0, NULL, "" },
            { "08:30", TICK, 0, NULL, "start 1 schedule 08:30" } } },
        { .why = "limit: in the order in which they came", .expression = "0 * * * *", .limit = 1, .steps = {
            { "08:30", ADD, 2, "0 * * * *", "" }, { "08:31", ADD, 3, "59 * * * *", "" }, { "09:00", TICK, 0, NULL, "miss 3 late 1 08:59; start 1 schedule 09:00" },
            { "09:01", FINISH, 1, NULL, "start 2 schedule 09:00" }, { "09:02", FINISH, 2, NULL, "" } } },
        { .why = "limit: ticks while it waits", .expression = "0 * * * *", .limit = 1, .steps = {
            { "08:30", ADD, 2, "* * * * *", NULL }, { "08:31", TICK, 0, NULL, "start 2 schedule 08:31" }, { "09:00", TICK, 0, NULL, "" },
            { "11:30", FINISH, 2, NULL, "miss 2 running 178 08:32 11:29; miss 1 waiting 2 10:00 11:00; start 1 schedule 09:00" } } },
        { .why = "limit 0 starts nothing, more begins again", .expression = "0 * * * *", .steps = {
            { "08:30", LIMIT, 0, "0", "" }, { "09:00", TICK, 0, NULL, "" }, { "09:30", LIMIT, 0, "1", "start 1 schedule 09:00" } } },
        { .why = "what waits survives a restart", .expression = "0 * * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "08:30", LIMIT, 0, "0", "" }, { "09:00", TICK, 0, NULL, "" }, { "09:30", RESTART, 0, NULL, "" }, { "09:31", LIMIT, 0, "1", "start 1 catch_up 09:00" } } },
        { .why = "what waited too long does not", .expression = "0 2 * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "01:30", LIMIT, 0, "0", "" }, { "02:00", TICK, 0, NULL, "" }, { "04:00", RESTART, 0, NULL, "miss 1 down 1 02:00" } } },
        { .why = "trigger", .expression = "manual", .steps = {
            { "08:00", TRIGGER, 1, NULL, "start 1 trigger 08:00; yes" }, { "08:01", TRIGGER, 1, NULL, "no" }, { "08:02", FINISH, 1, NULL, "" },
            { "08:03", TRIGGER, 1, NULL, "start 1 trigger 08:03; yes" } } },
        { .why = "a trigger survives a restart", .expression = "manual", .steps = {
            { "08:00", LIMIT, 0, "0", "" }, { "08:01", TRIGGER, 1, NULL, "yes" }, { "+9 08:00", RESTART, 0, NULL, "" }, { "+9 08:01", LIMIT, 0, "1", "start 1 trigger 08:01" } } },
        { .why = "a tick during a triggered run", .expression = "*/15 * * * *", .steps = {
            { "08:14", TRIGGER, 1, NULL, "start 1 trigger 08:14; yes" }, { "08:16", FINISH, 1, NULL, "miss 1 running 1 08:15" },
            { "08:30", TICK, 0, NULL, "start 1 schedule 08:30" } } },
        { .why = "cancel: asks the run to stop, once", .expression = "*/15 * * * *", .steps = {
            { "08:00", CANCEL, 1, NULL, "no" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:16", CANCEL, 1, NULL, "stop 1 cancelled; yes" },
            { "08:17", CANCEL, 1, NULL, "yes" }, { "08:18", FINISH, 1, NULL, "" }, { "08:30", TICK, 0, NULL, "start 1 schedule 08:30" } } },
        { .why = "cancel: what waits is taken back, and not made up for at once", .expression = "*/15 * * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "08:00", LIMIT, 0, "0", "" }, { "08:15", TICK, 0, NULL, "" }, { "08:50", CANCEL, 1, NULL, "miss 1 waiting 2 08:30 08:45; miss 1 cancelled 1 08:15; yes" },
            { "08:51", LIMIT, 0, "1", "" }, { "09:00", TICK, 0, NULL, "start 1 schedule 09:00" } } },
        { .why = "timeout by the monotonic clock", .expression = "0 * * * *", .settings = { .timeout_ms = MINUTES(10) }, .steps = {
            { "08:30", TICK, 0, NULL, "" }, { "09:00", TICK, 0, NULL, "start 1 schedule 09:00" }, { "09:09:59", TICK, 0, NULL, "" }, { "09:10", TICK, 0, NULL, "stop 1 timeout" },
            { "09:11", TICK, 0, NULL, "" }, { "09:12", FINISH, 1, NULL, "" }, { "10:00", TICK, 0, NULL, "start 1 schedule 10:00" } } },
        { .why = "pause and resume: all ticks between in one trace", .expression = "*/15 * * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "08:01", PAUSE, 1, NULL, "yes" }, { "09:00", TICK, 0, NULL, "" }, { "09:05", RESUME, 1, NULL, "miss 1 paused 4 08:15 09:00" },
            { "09:06", RESUME, 1, NULL, "" }, { "09:15", TICK, 0, NULL, "start 1 schedule 09:15" } } },
        { .why = "a pause ends by itself, and what comes then is on time", .expression = "*/15 * * * *", .steps = {
            { "08:01", PAUSE, 1, "08:40", "yes" }, { "08:39", TICK, 0, NULL, "" }, { "08:45", TICK, 0, NULL, "miss 1 paused 2 08:15 08:30; start 1 schedule 08:45" } } },
        { .why = "a pause until a time that is over", .expression = "*/15 * * * *", .steps = {
            { "08:01", PAUSE, 1, "08:01", "no" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" } } },
        { .why = "a pause survives a restart", .expression = "*/15 * * * *", .steps = {
            { "08:01", PAUSE, 1, "09:01", "yes" }, { "08:31", RESTART, 0, NULL, "" }, { "09:02", TICK, 0, NULL, "miss 1 paused 4 08:15 09:00" },
            { "09:15", TICK, 0, NULL, "start 1 schedule 09:15" } } },
        { .why = "it ends while the program is down", .expression = "*/15 * * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "08:01", PAUSE, 1, "08:31", "yes" }, { "09:02", RESTART, 0, NULL, "miss 1 paused 2 08:15 08:30; miss 1 down 1 08:45; start 1 catch_up 09:00" } } },
        { .why = "paused, yet triggered", .expression = "*/15 * * * *", .steps = {
            { "08:01", PAUSE, 1, NULL, "yes" }, { "08:02", TRIGGER, 1, NULL, "start 1 trigger 08:02; yes" }, { "08:20", FINISH, 1, NULL, "" },
            { "08:31", RESUME, 1, NULL, "miss 1 paused 2 08:15 08:30" }, { "08:45", TICK, 0, NULL, "start 1 schedule 08:45" } } },
        { .why = "a pause takes back what waits, but no trigger", .expression = "*/15 * * * *", .steps = {
            { "08:00", LIMIT, 0, "0", "" }, { "08:15", TICK, 0, NULL, "" }, { "08:16", PAUSE, 1, NULL, "miss 1 paused 1 08:15; yes" },
            { "08:17", TRIGGER, 1, NULL, "yes" }, { "08:18", PAUSE, 1, NULL, "yes" }, { "08:19", LIMIT, 0, "1", "start 1 trigger 08:17" } } },
        { .why = "a pause during a run", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:40", PAUSE, 1, NULL, "miss 1 running 1 08:30; yes" },
            { "08:50", FINISH, 1, NULL, "" }, { "09:01", RESUME, 1, NULL, "miss 1 paused 2 08:45 09:00" } } },
        { .why = "the clock is set forward", .expression = "*/15 * * * *", .settings = { .catch_up_ms = MINUTES(20) }, .steps = {
            { "08:00", TICK, 0, NULL, "" },
            { "10:10", TICK, 0, "jump", "the clock was set forward by 2h 10m, or the machine slept; miss 1 clock 7 08:15 09:45; start 1 catch_up 10:00" } } },
        { .why = "a little back: a daily job runs once", .expression = "0 2 * * *", .steps = {
            { "01:00", TICK, 0, NULL, "" }, { "02:00", TICK, 0, NULL, "start 1 schedule 02:00" }, { "02:10", FINISH, 1, NULL, "" },
            { "00:10", TICK, 0, "jump", "the clock was set back by 2h" }, { "02:00", TICK, 0, NULL, "" }, { "+1 02:00", TICK, 0, NULL, "start 1 schedule 02:00" } } },
        { .why = "a little back: a job of every 15 minutes goes on", .expression = "*/15 * * * *", .steps = {
            { "07:50", TICK, 0, NULL, "" }, { "08:00", TICK, 0, NULL, "start 1 schedule 08:00" }, { "08:01", FINISH, 1, NULL, "" },
            { "06:50", TICK, 0, "jump", "the clock was set back by 1h 11m" }, { "07:00", TICK, 0, NULL, "start 1 schedule 07:00" } } },
        { .why = "far back: everything begins anew", .expression = "0 2 * * *", .steps = {
            { "+9 01:00", TICK, 0, NULL, "" }, { "+9 02:00", TICK, 0, NULL, "start 1 schedule 02:00" }, { "+9 02:10", FINISH, 1, NULL, "" },
            { "00:10", TICK, 0, "jump", "the clock was set back by 9d 2h" }, { "02:00", TICK, 0, NULL, "start 1 schedule 02:00" } } },
        { .why = "a clock that is not set", .expression = "0 2 * * *", .settings = { .catch_up_ms = HOURS(1) }, .steps = {
            { "-20000 00:00", TICK, 0, NULL, "" }, { "-19999 03:00", TICK, 0, NULL, "" }, { "-19999 03:01", TRIGGER, 1, NULL, "start 1 trigger 03:01; yes" },
            { "-19999 03:02", FINISH, 1, NULL, "" }, { "01:00", TICK, 0, "jump", "the clock was set forward by 19998d 21h, or the machine slept" },
            { "02:00", TICK, 0, NULL, "start 1 schedule 02:00" } } },
        { .why = "the clock is lost while the program runs", .expression = "*/15 * * * *", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" },
            { "-20000 00:00", TICK, 0, "jump", "the clock was set back by 20000d 8h; the clock cannot be right, it shows a time long past: nothing runs by schedule until it is set" },
            { "-20000 00:20", FINISH, 1, NULL, "" }, { "-20000 00:21", FINISH, 1, NULL, "" }, { "-20000 00:30", TICK, 0, NULL, "" },
            { "08:40", TICK, 0, "jump", "the clock was set forward by 20000d 8h, or the machine slept; miss 1 down 1 08:30" }, { "08:45", TICK, 0, NULL, "start 1 schedule 08:45" } } },
        { .why = "another schedule: the plan begins anew", .expression = "0 9 * * *", .steps = {
            { "08:00", EVERY, 1, "15m", "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" }, { "08:31", EVERY, 1, "0 9 * * *", "miss 1 running 1 08:30" },
            { "08:32", FINISH, 1, NULL, "" }, { "09:00", TICK, 0, NULL, "start 1 schedule 09:00" } } },
        { .why = "the same schedule changes nothing", .expression = "15m", .steps = {
            { "08:00", TICK, 0, NULL, "" }, { "08:10", EVERY, 1, "@every 15m", "" }, { "08:15", TICK, 0, NULL, "start 1 schedule 08:15" } } },
        { .why = "removed while it waits", .expression = "0 * * * *", .steps = {
            { "08:00", LIMIT, 0, "0", "" }, { "09:00", TICK, 0, NULL, "" }, { "10:30", REMOVE, 1, NULL, "miss 1 replanned 1 09:00; miss 1 waiting 1 10:00" },
            { "11:00", TICK, 0, NULL, "" } } },
        { .why = "removed while it runs: its place is free", .expression = "0 * * * *", .limit = 1, .steps = {
            { "08:30", ADD, 2, "0 * * * *", "" }, { "09:00", TICK, 0, NULL, "start 1 schedule 09:00" }, { "09:01", REMOVE, 1, NULL, "start 2 schedule 09:00" } } },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(stories); i++)
        tell(&stories[i]);
}

/* ---- Jitter ---- */

static void test_jitter(void **state)
{
    static const struct { const char *why; uint64_t random; int64_t jitter_ms; const char *early, *due; } rows[] = {
        { "none", 77, 0, "08:14:59", "08:15" },
        { "some", 61000, MINUTES(5), "08:16", "08:16:01" },
        { "at most as much as allowed", MINUTES(5), MINUTES(5), "08:19:59", "08:20" },
        { "around again", MINUTES(5) + 1 + 61000, MINUTES(5), "08:16", "08:16:01" },
        { "at most half the way to the next", MINUTES(15) / 2, HOURS(5), "08:22:29", "08:22:30" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct story story = { .why = rows[i].why, .settings = { .jitter_ms = rows[i].jitter_ms } };
        struct stage stage;
        open_stage(&stage, &story, moment("08:00"));
        stage.heard.random = rows[i].random;
        add(&stage, &story, 1, "*/15 * * * *", NULL);
        stage.now = (struct scheduler_now){ moment(rows[i].early), stage.now.mono_ms + moment(rows[i].early) - stage.now.wall_ms };
        scheduler_tick(stage.scheduler, stage.now);
        if (stage.heard.words.size > 0)
            fail_msg("%s: too early: %s", rows[i].why, stage.heard.words.data);
        assert_true(scheduler_next_mono(stage.scheduler) > stage.now.mono_ms);
        stage.now = (struct scheduler_now){ moment(rows[i].due), stage.now.mono_ms + moment(rows[i].due) - stage.now.wall_ms };
        scheduler_tick(stage.scheduler, stage.now);
        if (strcmp(stage.heard.words.data, "start 1 schedule 08:15") != 0)
            fail_msg("%s: %s", rows[i].why, stage.heard.words.data);
        close_stage(&stage);
    }
}

/* ---- Waits, status, saved facts ---- */

static void test_next_mono(void **state)
{
    static const struct story story = { .settings = { .timeout_ms = MINUTES(1) } };
    struct stage stage;
    (void)state;

    open_stage(&stage, &story, moment("08:00"));
    assert_int_equal(scheduler_next_mono(stage.scheduler), INT64_MAX);
    add(&stage, &story, 1, "manual", NULL);
    assert_int_equal(scheduler_next_mono(stage.scheduler), INT64_MAX);
    add(&stage, &story, 2, "*/15 * * * *", NULL);
    assert_int_equal(scheduler_next_mono(stage.scheduler), stage.now.mono_ms + 30000); /* to look at the clock */
    stage.now.wall_ms += MINUTES(14) + 50000;
    stage.now.mono_ms += MINUTES(14) + 50000;
    scheduler_tick(stage.scheduler, stage.now);
    assert_int_equal(scheduler_next_mono(stage.scheduler), stage.now.mono_ms + 10000);
    assert_true(scheduler_trigger(stage.jobs[1], stage.now));
    stage.now.wall_ms += 5000;
    stage.now.mono_ms += 5000;
    scheduler_pause(stage.jobs[2], "", 0, stage.now);
    assert_int_equal(scheduler_next_mono(stage.scheduler), stage.now.mono_ms + 55000); /* the time-out */
    scheduler_finished(stage.jobs[1], stage.now);
    assert_int_equal(scheduler_next_mono(stage.scheduler), INT64_MAX);
    stage.now.wall_ms = 86400000; /* the clock is lost: it is looked at now and then */
    scheduler_tick(stage.scheduler, stage.now);
    assert_int_equal(scheduler_next_mono(stage.scheduler), stage.now.mono_ms + 30000);
    scheduler_finished(stage.jobs[1], stage.now); /* was finished already */
    close_stage(&stage);
}

static void test_names(void **state)
{
    (void)state;

    for (int why = 0; why < SCHEDULER_MISSES; why++) {
        assert_true(strlen(scheduler_miss_name((enum scheduler_miss)why)) > 2);
        assert_true(strlen(scheduler_miss_words((enum scheduler_miss)why)) > 10);
    }
    assert_string_equal(scheduler_cause_name(CAUSE_CATCH_UP), "catch_up");
}

static void test_status(void **state)
{
    static const struct story story = { .limit = 1 };
    struct scheduler_status status;
    struct stage stage;
    char long_reason[400];
    (void)state;

    open_stage(&stage, &story, moment("08:00"));
    add(&stage, &story, 1, "*/15 * * * *", NULL);
    scheduler_status(stage.jobs[1], stage.now, &status);
    assert_true(status.phase == JOB_IDLE && status.has_next && status.next_ms == moment("08:15"));
    assert_true(scheduler_pause(stage.jobs[1], "moving house", moment("10:01"), stage.now));
    scheduler_status(stage.jobs[1], stage.now, &status);
    assert_true(status.has_next && status.next_ms == moment("10:15") && status.facts->is_paused);
    assert_string_equal(status.facts->pause_reason, "moving house");
    assert_string_equal(stage.heard.facts[1].pause_reason, "moving house");
    memset(long_reason, 'x', sizeof long_reason);
    memcpy(long_reason + SCHEDULER_REASON_SIZE - 2, "\xc3\xa4", 2); /* would be cut in the middle */
    long_reason[399] = '\0';
    assert_true(scheduler_pause(stage.jobs[1], long_reason, 0, stage.now));
    scheduler_status(stage.jobs[1], stage.now, &status);
    assert_false(status.has_next);
    assert_int_equal(strlen(status.facts->pause_reason), SCHEDULER_REASON_SIZE - 2);
    assert_true(scheduler_trigger(stage.jobs[1], stage.now));
    scheduler_status(stage.jobs[1], stage.now, &status);
    assert_true(status.phase == JOB_RUNNING && status.cause == CAUSE_TRIGGER && status.tick_ms == moment("08:00"));
    scheduler_resume(stage.jobs[1], stage.now);
    scheduler_status(stage.jobs[1], stage.now, &status);
    assert_true(status.has_next && status.next_ms == moment("08:15"));
    close_stage(&stage);
}

/* ---- 10,000 jobs that are due at the same second ---- */

struct crowd {
    int64_t last;
    int started;
    bool in_order;
};

static void crowd_start(void *context, int64_t id, enum scheduler_cause cause, int64_t tick_ms)
{
    struct crowd *crowd = context;
    (void)cause;
    (void)tick_ms;

    crowd->in_order = crowd->in_order && id == crowd->last + 1;
    crowd->last = id;
    crowd->started++;
}
static void crowd_save(void *context, int64_t id, const struct scheduler_facts *facts) { (void)context; (void)id; (void)facts; }
static void crowd_trace(void *context, const struct scheduler_trace *row) { (void)row; ((struct crowd *)context)->in_order = false; }
static void crowd_stop(void *context, int64_t id, enum scheduler_stop why) { (void)context; (void)id; (void)why; }
static void crowd_notice(void *context, const char *words) { (void)context; (void)words; }
static uint64_t crowd_random(void *context) { (void)context; return 0; }

static void test_crowd(void **state)
{
    enum { JOBS = 10000, PLACES = 7 };
    struct crowd crowd = { .last = -1, .in_order = true };
    struct scheduler_out out = { &crowd, crowd_save, crowd_trace, crowd_start, crowd_stop, crowd_notice, crowd_random };
    struct scheduler_job **jobs = mem_alloc_array(JOBS, sizeof *jobs);
    struct scheduler_job_settings settings = { .zone = zone_utc() };
    struct scheduler_now now = { moment("08:30"), 0 };
    AUTO(scheduler) struct scheduler *scheduler = scheduler_new(&out, PLACES, SCHEDULER_BELIEVED_FROM_MS, now);
    (void)state;

    assert_int_equal(schedule_parse("0 * * * *", &settings.schedule, NULL), 0);
    for (int i = 0; i < JOBS; i++) {
        settings.id = i;
        jobs[i] = scheduler_add(scheduler, &settings, NULL, now);
    }
    now = (struct scheduler_now){ moment("09:00"), MINUTES(30) };
    scheduler_tick(scheduler, now);
    assert_int_equal(crowd.started, PLACES);
    for (int i = 0; i < JOBS; i++) {
        scheduler_finished(jobs[i], now);
        assert_int_equal(crowd.started, i + 1 + PLACES > JOBS ? JOBS : i + 1 + PLACES);
    }
    assert_true(crowd.in_order);
    mem_free(jobs);
}

/* ---- The heap against a sorted list ---- */

static void test_heap(void **state)
{
    enum { NODES = 200, ROUNDS = 20000 };
    static struct heap_node nodes[NODES];
    AUTO_DONE(heap) struct heap heap = { 0 };
    uint64_t random = 88172645463325252;
    (void)state;

    for (int round = 0; round < ROUNDS; round++) {
        struct heap_node *least = NULL, *node;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        node = &nodes[random % NODES];
        if ((random >> 32) % 8 < 3)
            heap_remove(node);
        else if ((random >> 32) % 8 == 3 && heap_first(&heap) != NULL)
            heap_remove(heap_first(&heap));
        else
            heap_insert(&heap, node, (int64_t)((random >> 40) % 50), node - nodes);
        for (int i = 0; i < NODES; i++)
            if (nodes[i].heap != NULL && (least == NULL || nodes[i].key < least->key || (nodes[i].key == least->key && nodes[i].order < least->order)))
                least = &nodes[i];
        if (heap_first(&heap) != least)
            fail_msg("round %d: another one is first", round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories), cmocka_unit_test(test_jitter), cmocka_unit_test(test_next_mono),
        cmocka_unit_test(test_status),  cmocka_unit_test(test_crowd),  cmocka_unit_test(test_heap),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
