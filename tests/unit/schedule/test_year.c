/* A year in twelve zones, with everything that happens to a service: long runs, restarts, pauses, triggers, cancelled runs, a clock that is set forward,
 * too few places. At the end each tick of each job must be covered exactly once: by a start, or by a trace that says why it did not start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/time_text.h"
#include "schedule/scheduler.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECONDS(n) ((n) * INT64_C(1000))
#define HOURS(n) ((n) * INT64_C(3600000))

static const struct { const char *zone, *from; } years[] = {
    { "UTC", "2028-01-01T00:00:00Z" },                 /* with a 29 February */
    { "Europe/Berlin", "2025-01-01T00:00:00Z" },       { "America/New_York", "2025-01-01T00:00:00Z" },
    { "Australia/Lord_Howe", "2025-01-01T00:00:00Z" }, { "Antarctica/Troll", "2025-01-01T00:00:00Z" },
    { "Africa/Casablanca", "2025-01-01T00:00:00Z" },   { "America/Havana", "2025-01-01T00:00:00Z" },
    { "Asia/Beirut", "2025-01-01T00:00:00Z" },         { "Pacific/Chatham", "2025-01-01T00:00:00Z" },
    { "Africa/Cairo", "2025-01-01T00:00:00Z" },        { "Atlantic/Azores", "2025-01-01T00:00:00Z" },
    { "Pacific/Apia", "2011-06-01T00:00:00Z" },        /* with a day that was not */
};

static const struct { const char *expression; enum scheduler_overlap overlap; int64_t catch_up_ms, jitter_ms, timeout_ms; } plans[] = {
    { "*/15 * * * *", OVERLAP_SKIP, 0, 0, HOURS(1) },
    { "30 2 * * *", OVERLAP_SKIP, HOURS(1), 0, 0 },
    { "@daily", OVERLAP_BUFFER_ONE, HOURS(48), 0, HOURS(2) },
    { "15 */3 * * *", OVERLAP_BUFFER_ONE, 0, SECONDS(900), 0 },
    { "0 9,17 * * 1-5", OVERLAP_SKIP, HOURS(4), SECONDS(60), HOURS(1) },
    { "45m", OVERLAP_BUFFER_ONE, SECONDS(600), 0, 0 },
    { "10,20 1,2,3 * * *", OVERLAP_SKIP, HOURS(1), SECONDS(1200), 0 },
    { "0 12 13 * 5", OVERLAP_SKIP, 0, 0, 0 },
    { "7 * * * *", OVERLAP_BUFFER_ONE, HOURS(1), 0, HOURS(1) },
    { "manual", OVERLAP_SKIP, 0, 0, 0 },
};
enum { JOBS = ARRAY_LENGTH(plans), RECORDS_MOST = 60000 };

struct record {
    int64_t first_ms, last_ms, count;
};

struct life {
    struct scheduler_job *job;
    struct scheduler_job_settings settings;
    struct scheduler_facts facts;
    struct record *records;
    size_t record_count;
    int64_t begin_ms;          /* settled here at first */
    bool is_running;
    int64_t ends_mono;
    int64_t starts, triggers, misses[SCHEDULER_MISSES];
};

struct world_of_year {
    struct scheduler *scheduler;
    struct scheduler_out out;
    struct scheduler_now now;
    struct life lives[JOBS];
    uint64_t random;
    int limit, running;
    int64_t punctual, late;
    bool is_wild;              /* the clock is set back as well, also by days: ticks may repeat then, so only what holds at any time is checked */
    const char *zone;
};

static uint64_t next_random(struct world_of_year *world)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random;
}

static int64_t between(struct world_of_year *world, int64_t least, int64_t most)
{
    return least + (int64_t)(next_random(world) % (uint64_t)(most - least + 1));
}

static void record(struct life *life, int64_t first_ms, int64_t last_ms, int64_t count)
{
    assert_true(life->record_count < RECORDS_MOST);
    life->records[life->record_count++] = (struct record){ first_ms, last_ms, count };
}

static void on_save(void *context, int64_t id, const struct scheduler_facts *facts)
{
    struct life *life = &((struct world_of_year *)context)->lives[id];

    life->facts = *facts;
    if (life->begin_ms == 0)
        life->begin_ms = facts->settled_ms;
}

static void on_trace(void *context, const struct scheduler_trace *trace)
{
    struct life *life = &((struct world_of_year *)context)->lives[trace->id];

    life->misses[trace->why] += trace->count;
    record(life, trace->first_ms, trace->last_ms, trace->count);
}

static void on_start(void *context, int64_t id, enum scheduler_cause cause, int64_t tick_ms)
{
    struct world_of_year *world = context;
    struct life *life = &world->lives[id];

    if (life->is_running || world->running >= world->limit)
        fail_msg("%s: job %d: started twice, or too many at once", world->zone, (int)id);
    if (tick_ms > world->now.wall_ms)
        fail_msg("%s: job %d: started before its time", world->zone, (int)id);
    life->is_running = true;
    life->ends_mono = world->now.mono_ms + (next_random(world) % 20 == 0 ? between(world, HOURS(1), HOURS(5)) : between(world, SECONDS(1), SECONDS(300)));
    world->running++;
    if (cause == CAUSE_TRIGGER) {
        life->triggers++;
        return;
    }
    life->starts++;
    record(life, tick_ms, tick_ms, 1);
    if (cause == CAUSE_SCHEDULE && life->settings.jitter_ms == 0 && world->running < world->limit)
        *(world->now.wall_ms - tick_ms < 1000 ? &world->punctual : &world->late) += 1;
}

static void on_stop(void *context, int64_t id, enum scheduler_stop why)
{
    struct world_of_year *world = context;
    int64_t soon = world->now.mono_ms + between(world, 0, SECONDS(40));
    (void)why;

    if (world->lives[id].ends_mono > soon)
        world->lives[id].ends_mono = soon;
}

static void on_notice(void *context, const char *words) { (void)context; (void)words; }
static uint64_t on_random(void *context) { return next_random(context); }

/* ---- What happens ---- */

static void pass(struct world_of_year *world, int64_t ms)
{
    world->now.wall_ms += ms;
    world->now.mono_ms += ms;
}

static void restart(struct world_of_year *world)
{
    scheduler_free(world->scheduler);
    world->running = 0;
    pass(world, next_random(world) % 3 == 0 ? between(world, HOURS(1), HOURS(60)) : between(world, SECONDS(1), SECONDS(1800)));
    world->scheduler = scheduler_new(&world->out, world->limit, 1, world->now);
    for (int i = 0; i < JOBS; i++) {
        world->lives[i].is_running = false;
        world->lives[i].job = scheduler_add(world->scheduler, &world->lives[i].settings, &world->lives[i].facts, world->now);
    }
}

static void happen(struct world_of_year *world)
{
    struct life *life = &world->lives[next_random(world) % JOBS];

    switch (next_random(world) % 8) {
    case 0: restart(world); break;
    case 1: (void)scheduler_pause(life->job, "sim", world->now.wall_ms + between(world, SECONDS(1), HOURS(72)), world->now); break;
    case 2: (void)scheduler_pause(life->job, "sim", 0, world->now); break;
    case 3:
    case 4:
        for (int i = 0; i < JOBS; i++)
            scheduler_resume(world->lives[i].job, world->now);
        break;
    case 5: (void)scheduler_trigger(life->job, world->now); break;
    case 6: (void)scheduler_cancel(life->job, world->now); break;
    case 7: /* the clock is set, or the machine slept */
        world->now.wall_ms += world->is_wild ? between(world, HOURS(-40), HOURS(40)) : between(world, 1, HOURS(5));
        break;
    }
}

static int64_t next_event(const struct world_of_year *world, int64_t happens_mono)
{
    int64_t next = scheduler_next_mono(world->scheduler);

    for (int i = 0; i < JOBS; i++)
        if (world->lives[i].is_running && world->lives[i].ends_mono < next)
            next = world->lives[i].ends_mono;
    return next < happens_mono ? next : happens_mono;
}

static void end_runs(struct world_of_year *world)
{
    for (int i = 0; i < JOBS; i++) {
        struct life *life = &world->lives[i];
        if (!life->is_running || life->ends_mono > world->now.mono_ms)
            continue;
        life->is_running = false;
        world->running--;
        scheduler_finished(life->job, world->now);
    }
}

static void live(struct world_of_year *world, int64_t until_ms)
{
    int64_t happens_mono = world->now.mono_ms + HOURS(1);

    while (world->now.wall_ms < until_ms) {
        int64_t next = next_event(world, happens_mono);
        pass(world, next > world->now.mono_ms ? next - world->now.mono_ms : 0);
        end_runs(world);
        scheduler_tick(world->scheduler, world->now);
        if (world->now.mono_ms >= happens_mono) {
            happen(world);
            happens_mono = world->now.mono_ms + between(world, SECONDS(60), HOURS(24));
        }
    }
}

/* ---- The proof ---- */

static int by_time(const void *a, const void *b)
{
    const struct record *one = a, *other = b;

    return one->first_ms < other->first_ms ? -1 : one->first_ms > other->first_ms;
}

static int64_t prove(const struct world_of_year *world, int index, int64_t until_ms)
{
    const struct life *life = &world->lives[index];
    int64_t at = life->begin_ms, planned = 0;

    qsort(life->records, life->record_count, sizeof *life->records, by_time);
    for (size_t i = 0; i < life->record_count; i++)
        for (int64_t n = 0; n < life->records[i].count; n++, planned++) {
            if (!schedule_next(&life->settings.schedule, life->settings.zone, at, &at) || (n == 0 && at != life->records[i].first_ms) ||
                (n + 1 == life->records[i].count && at != life->records[i].last_ms))
                fail_msg("%s, %s: tick %lld: covered twice, or not at all (record %zu)", world->zone, plans[index].expression, (long long)at / 1000, i);
        }
    if (schedule_next(&life->settings.schedule, life->settings.zone, at, &at) && at <= until_ms)
        fail_msg("%s, %s: tick %lld came and nothing says so", world->zone, plans[index].expression, (long long)at / 1000);
    return planned;
}

static void simulate(const char *zone_name_, const char *from, bool is_wild, uint64_t seed)
{
    static struct world_of_year world;
    AUTO(zone) struct zone *zone = NULL;
    struct error err = { 0 };
    int64_t from_ms, planned = 0, starts = 0, misses[SCHEDULER_MISSES] = { 0 };

    world = (struct world_of_year){ .random = seed, .limit = 3, .zone = zone_name_, .is_wild = is_wild, .out = { &world, on_save, on_trace, on_start, on_stop, on_notice, on_random } };
    if (zone_open(NULL, zone_name_, &zone, &err) < 0)
        fail_msg("%s", err.message);
    assert_true(time_text_parse(from, strlen(from), &from_ms));
    world.now = (struct scheduler_now){ from_ms, 0 };
    world.scheduler = scheduler_new(&world.out, world.limit, 1, world.now);
    for (int i = 0; i < JOBS; i++) {
        struct life *life = &world.lives[i];
        life->records = mem_alloc_array(RECORDS_MOST, sizeof *life->records);
        life->settings = (struct scheduler_job_settings){ .id = i, .zone = zone, .overlap = plans[i].overlap, .catch_up_ms = plans[i].catch_up_ms,
                                                          .jitter_ms = plans[i].jitter_ms, .timeout_ms = plans[i].timeout_ms };
        if (schedule_parse(plans[i].expression, &life->settings.schedule, &err) < 0)
            fail_msg("%s", err.message);
        life->job = scheduler_add(world.scheduler, &life->settings, NULL, world.now);
    }
    live(&world, from_ms + HOURS(366 * 24));
    scheduler_set_limit(world.scheduler, 0, world.now); /* the place of a removed job would be taken */
    for (int i = 0; i < JOBS; i++)
        scheduler_remove(world.lives[i].job, world.now);
    for (int i = 0; i < JOBS; i++) {
        if (!is_wild)
            planned += prove(&world, i, world.now.wall_ms);
        starts += world.lives[i].starts;
        for (int why = 0; why < SCHEDULER_MISSES; why++)
            misses[why] += world.lives[i].misses[why];
        mem_free(world.lives[i].records);
    }
    scheduler_free(world.scheduler);
    if (is_wild) {
        assert_true(starts > 10000);
        return;
    }
    print_message("# %-20s %6lld planned = %6lld started", zone_name_, (long long)planned, (long long)starts);
    for (int why = 0; why < SCHEDULER_MISSES; why++) {
        print_message(" + %lld %s", (long long)misses[why], scheduler_miss_name((enum scheduler_miss)why));
        planned -= misses[why];
    }
    print_message("; %lld of %lld within a second\n", (long long)world.punctual, (long long)(world.punctual + world.late));
    assert_int_equal(planned, starts);
    assert_true(starts > 10000 && misses[MISS_DOWN] > 0 && misses[MISS_CLOCK] > 0 && misses[MISS_RUNNING] > 0 && misses[MISS_PAUSED] > 0);
}

static void simulate_all(bool is_wild)
{
    const char *seed = getenv("MC_SEED"); /* another year each */

    if (getenv("TZDIR") == NULL && access("/usr/share/zoneinfo", R_OK) < 0) {
        print_message("SKIPPED: this machine has no time zones (package tzdata)\n");
        skip();
    }
    for (size_t i = 0; i < ARRAY_LENGTH(years); i++)
        simulate(years[i].zone, years[i].from, is_wild, 88172645463325252 + i * 7919 + (seed != NULL ? strtoull(seed, NULL, 10) * 104729 : 0));
}

static void test_years(void **state)
{
    (void)state;
    simulate_all(false);
}

static void test_wild_years(void **state)
{
    (void)state;
    simulate_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_years), cmocka_unit_test(test_wild_years) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
