/* sim_week.c - one seed: a configuration, a week of syncs with faults, then quiet, in which everything must come to rest. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

enum { QUIET_SYNCS = 80, NEW_IN_QUIET = 20, HOUR_MS = 3600000 };

static void on_event(void *context, const struct engine_event *event)
{
    struct sim *sim = context;

    if (event->kind == ENGINE_NOTICE)
        sim_trace(sim, "notice: %.160s", event->words);
    else if (event->kind == ENGINE_ITEM_FAILED)
        sim_trace(sim, "dead letter %s: %.20s %.120s", dead_class_name(event->letter->dead_class), event->memory_id.size > 0 ? event->memory_id.data : "",
                  event->letter->words);
}

/* ---- A life of the program: from engine_new to its end, or to a crash. true: it came to its end. ---- */

enum deed { DEED_SYNC, DEED_SYNC_WAIT, DEED_BACKFILL, DEED_FORCE, DEED_VERIFY, DEED_REPAIR, DEED_FORGET, DEED_RESET };

static int sync_with(struct sim *sim, enum deed deed, struct sync_outcome *outcome, struct error *err)
{
    static const size_t first[] = { 0 };
    struct sync_request request = { .connectors = first, .connector_count = 1, .wait = deed == DEED_SYNC_WAIT, .backfill = deed == DEED_BACKFILL, .force = deed == DEED_FORCE,
                                    .trigger = "sim", .on_event = on_event, .context = sim };

    return engine_sync(sim->engine, &request, outcome, err);
}

static int verify_with(struct sim *sim, enum deed deed, struct error *err)
{
    static const size_t first[] = { 0 };
    struct verify_request request = { .targets = first, .target_count = 1, .repair = deed == DEED_REPAIR, .on_event = on_event, .context = sim };
    struct audit_result result = { 0 };
    int code = engine_verify(sim->engine, &request, &result, err);

    if (code == 0) {
        for (int i = 0; i < AUDIT_KINDS; i++)
            if ((sim->findings[i] = result.counts[i]) > 0)
                sim_trace(sim, "verify: %lld %s", (long long)result.counts[i], audit_kind_name((enum audit_kind)i));
        sim->is_told_all = result.is_complete;
        audit_result_done(&result);
    }
    return code;
}

/* Only what the source does not show: it would come back with the next listing. */
static int forget_with(struct sim *sim, struct error *err)
{
    struct forget_receipt receipt;

    for (size_t i = 0; i < sim->memory_count; i++) {
        struct sim_memory *memory = &sim->memories[i];
        if (memory->is_there || memory->is_forgotten)
            continue;
        memory->is_forgotten = true;
        sim_trace(sim, "forget %s", memory->id);
        return engine_forget(sim->engine, sim->contexts[memory->context], (struct slice){ memory->id, strlen(memory->id) }, &receipt, err);
    }
    return 0;
}

/* One memory or all: what was processed is forgotten, and stays in LightRAG. */
static int reset_with(struct sim *sim, struct error *err)
{
    struct sim_memory *memory = sim->memory_count > 0 ? &sim->memories[sim_draw(sim, "reset one", sim->syncs, 0, (int64_t)sim->memory_count - 1)] : NULL;
    bool all = memory == NULL || sim_draw(sim, "reset all", sim->syncs, 0, 1) == 1;
    int64_t count = 0;

    for (size_t i = 0; i < sim->memory_count && all; i++)
        sim->memories[i].was_reset = true;
    for (size_t i = 0; i < sim->memory_count && !all; i++) /* the id in every context */
        sim->memories[i].was_reset = sim->memories[i].was_reset || strcmp(sim->memories[i].id, memory->id) == 0;
    sim_trace(sim, "reset %s", all ? "all" : memory->id);
    return engine_reset(sim->engine, 0, all ? (struct slice){ "", 0 } : (struct slice){ memory->id, strlen(memory->id) }, &count, err);
}

static int deed_with(struct sim *sim, enum deed deed, struct error *err)
{
    if (deed == DEED_RESET)
        return reset_with(sim, err);
    return deed == DEED_FORGET ? forget_with(sim, err) : verify_with(sim, deed, err);
}

static bool live(struct sim *sim, enum deed deed)
{
    struct sync_outcome outcome = { 0 };
    struct error err = { 0 };
    int result;

    sim->syncs++;
    sim->steps = 0;
    sim->was_ordered = false;
    sim->sync_began_ms = sim->now_ms;
    memset(sim->broke_off, 0, sizeof sim->broke_off);
    if (engine_new(&sim->settings, &sim->world, sim->state, &sim->engine, &err) < 0) {
        sim_fail(sim, "the engine does not start: %.300s", err.message);
        return false;
    }
    sim_orders_listen(sim);
    if (deed >= DEED_VERIFY)
        result = deed_with(sim, deed, &err);
    else
        result = sync_with(sim, deed, &outcome, &err);
    if (!sim->is_dead && !sim->has_failed)
        sim_check_step(sim);
    engine_free(sim->engine);
    sim->engine = NULL;
    if (sim->is_dead || sim->has_failed)
        return false;
    if (result < 0 && (deed < DEED_VERIFY || err.kind == ERROR_IO)) {
        sim_fail(sim, "the engine broke: %.300s", err.message);
        return false;
    }
    if (deed >= DEED_VERIFY)
        sim_trace(sim, "it ends: %.160s", err.message);
    else
        sim_trace(sim, "sync ends: %s %s %.160s; queued %lld, not stored %lld, not processed %lld", run_result_name(outcome.result), outcome.coverage,
                  outcome.error, (long long)outcome.unsent, (long long)outcome.unstored, (long long)outcome.unprocessed);
    sim->interrupted += outcome.result == RUN_INTERRUPTED;
    sim_check_sync(sim, deed < DEED_VERIFY ? &outcome : NULL);
    return true;
}

static void recover(struct sim *sim)
{
    sim_net_cut(sim, true);
    sim_state_close(sim);
    (void)sim_state_open(sim);
    sim_pass(sim, sim->now_ms + sim_between(sim, CHANCE_CRASH, 0, 1) * sim_between(sim, CHANCE_CRASH, 1, 300000));
}

static void arm_crash(struct sim *sim)
{
    static const int spans[] = { 5, 20, 60, 200 };
    static const char *const places[] = { NULL, NULL, NULL, "commit", "insert", "delete" };
    bool crashes = sim_percent(sim, CHANCE_CRASH, sim->plan.crash_percent);
    int64_t steps = sim_between(sim, CHANCE_CRASH, 0, spans[sim_between(sim, CHANCE_CRASH, 0, 3)]);

    sim->dies_at = places[sim_between(sim, CHANCE_CRASH, 0, 5)];
    if (sim->dies_at != NULL)
        steps /= 10; /* there are fewer of them */
    sim->dies_after = sim_percent(sim, CHANCE_CRASH, 50);
    sim->steps_to_crash = crashes && sim_has(sim, SIM_CRASH) && !sim->is_quiet ? (int)steps : -1;
}

static void arm_stop(struct sim *sim)
{
    bool stops = sim_percent(sim, CHANCE_CRASH, 15);
    int64_t steps = sim_between(sim, CHANCE_CRASH, 0, 60);

    sim->steps_to_stop = stops && sim_has(sim, SIM_STOP) && !sim->is_quiet ? (int)steps : -1;
}

/* After a crash the next process goes on. */
static void do_once(struct sim *sim, enum deed deed)
{
    if (sim->source_is_new)
        sim_source_tell(sim);
    for (int life = 0; life < 4 && !sim->has_failed; life++) {
        arm_crash(sim);
        arm_stop(sim);
        if (live(sim, deed) || sim->has_failed)
            break;
        recover(sim);
    }
    sim->steps_to_crash = sim->steps_to_stop = -1;
}

static void retry_letters(struct sim *sim)
{
    struct letter_filter filter = { 0 };
    struct error err = { 0 };
    int64_t count = 0;

    if (engine_retry_letters(sim->state, &filter, sim_wall_ms(sim), &count, &err) < 0)
        sim_fail(sim, "dead letters cannot be retried: %.200s", err.message);
    sim_trace(sim, "somebody retries %lld dead letters", (long long)count);
}

/* What a person does between two syncs. */
static void operate(struct sim *sim, int hour)
{
    static const enum deed deeds[] = { DEED_VERIFY, DEED_REPAIR, DEED_FORGET, DEED_BACKFILL };
    int64_t choice = sim_draw(sim, "deed", hour, 0, 4);
    bool happens = sim_draw(sim, "operator", hour, 0, 99) < 15;

    if (!happens || !sim_has(sim, SIM_OPERATOR) || sim->has_failed)
        return;
    if (choice < 4)
        do_once(sim, deeds[choice]);
    else
        retry_letters(sim);
}

static void order(struct sim *sim, int hour)
{
    if (!sim_has(sim, SIM_ORDERS) || sim->has_failed || sim_draw(sim, "order", hour, 0, 99) >= 8)
        return;
    do_once(sim, sim_draw(sim, "which order", hour, 0, 1) ? DEED_RESET : DEED_FORCE);
}

static void run_week(struct sim *sim)
{
    for (int hour = 0; hour < sim->plan.hours && !sim->has_failed; hour++) {
        int64_t end_ms = (int64_t)(hour + 1) * HOUR_MS;
        sim->source_is_new = true; /* "now" goes on */
        sim_source_change(sim, hour);
        if (hour % sim->plan.period_h == 0) {
            sim_world_plan(sim, hour);
            sim_orders_arm(sim, hour);
            do_once(sim, sim_draw(sim, "wait", hour, 0, 1) ? DEED_SYNC_WAIT : DEED_SYNC);
            operate(sim, hour);
            order(sim, hour);
        }
        sim_pass(sim, end_ms);
    }
}

static void come_to_rest(struct sim *sim)
{
    int64_t calm_ms = sim->now_ms;
    int64_t enough_ms = sim->plan.audits ? 50LL * HOUR_MS : 45LL * HOUR_MS;
    int64_t inserted = -1;
    int syncs = 0;

    sim_world_calm(sim);
    while (!sim->has_failed) {
        inserted = sim->inserted;
        if (syncs < NEW_IN_QUIET) /* whose fault a 500 is shows only while others pass */
            sim_source_add(sim);
        sim_delete_nameless(sim);
        sim->source_is_new = true;
        do_once(sim, DEED_SYNC_WAIT);
        sim_pass(sim, sim->now_ms + 2LL * HOUR_MS);
        if (sim->has_failed || (sim->now_ms - calm_ms >= enough_ms && sim_is_settled(sim) && inserted == sim->inserted))
            return;
        if (++syncs > QUIET_SYNCS)
            sim_fail(sim, "without any fault it does not come to rest in %d syncs", syncs);
    }
}

void sim_run(struct sim *sim, uint64_t seed, const struct sim_options *options)
{
    struct fake_lightrag_settings lightrag = { .api_key = "k", .workspace = "", .store_delay_ms = 50, .process_delay_ms = 20, .fail_match = "<<fail>>" };
    struct fake_memory_settings source = { .json = "{\"contexts\":{}}", .json_size = 15, .api_key = "m" };
    struct error err = { 0 };

    *sim = (struct sim){ .steps_to_order = -1, .seed = seed, .options = options, .hash = 0xCBF29CE484222325u };
    for (size_t i = 0; i < CHANCE_STREAMS; i++)
        sim->chance[i] = seed * 0xD1342543DE82EF95u + i * 0x632BE59BD9B4E019u;
    sim_make_plan(sim);
    sim_make_settings(sim);
    sim_net_init(sim);
    lightrag.is_14 = sim->plan.is_14;
    sim->lightrag = fake_lightrag_new(&lightrag);
    if (fake_memory_api_new(&source, &sim->source, &err) < 0)
        sim_fail(sim, "the simulation's own: %s", err.message);
    (void)snprintf(sim->path, sizeof sim->path, ":memory:sim%llu", (unsigned long long)seed);
    sim_control(sim, false, "{\"error_match\":\"<<poison>>\",\"empty_match\":\"<<hollow>>\",\"fail_times\":%d}", sim->plan.fail_times);
    sim_trace(sim, "seed %llu: LightRAG %s, %d memories, %d contexts, batches of %d, %s, every %d h", (unsigned long long)seed,
              sim->plan.is_14 ? "1.4" : "1.5", sim->plan.memories, sim->plan.contexts, sim->target.batch_size, sim->connector.range, sim->plan.period_h);
    if (sim_state_open(sim) < 0)
        return;
    run_week(sim);
    if (!sim->has_failed)
        come_to_rest(sim);
    if (!sim->has_failed)
        do_once(sim, DEED_VERIFY);
    if (!sim->has_failed)
        sim_check_end(sim);
}

void sim_free(struct sim *sim)
{
    sim_state_close(sim);
    (void)sqlite3_close(sim->keeper);
    sim_net_done(sim);
    fake_lightrag_free(sim->lightrag);
    fake_memory_api_free(sim->source);
    for (size_t i = 0; i < sim->processed.count; i++)
        mem_free(sim->processed.items[i]);
    mem_free(sim->processed.items);
    mem_free(sim->memories);
    mem_free(sim->events);
    mem_free(sim->dirty_memories.items);
    mem_free(sim->dirty_batches.items);
    mem_free(sim->touched.items);
}
