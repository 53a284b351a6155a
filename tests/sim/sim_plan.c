/* sim_plan.c - from a seed: the configuration, how much happens, and which faults there are at all. A seed takes some classes of faults and leaves
 * the others, so that each is seen alone, in pairs, and in a crowd. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static const char *const class_names[SIM_CLASSES] = {
    [SIM_REFUSED] = "refused", [SIM_LOST_ANSWER] = "lost-answer", [SIM_LOST_REQUEST] = "lost-request", [SIM_LATE] = "late",
    [SIM_CUT_LIST] = "cut-list", [SIM_SOURCE_DOWN] = "source-down", [SIM_STATUS] = "status", [SIM_BUSY] = "busy",
    [SIM_SLOW_STORE] = "slow-store", [SIM_SLOW_MODEL] = "slow-model", [SIM_RESTART] = "restart", [SIM_OUTAGE] = "outage", [SIM_WIPE] = "wipe",
    [SIM_FAILING] = "failing", [SIM_POISON] = "poison", [SIM_HOLLOW] = "hollow", [SIM_MALFORMED] = "malformed", [SIM_REPEATED] = "repeated",
    [SIM_CHANGES] = "changes", [SIM_DELETIONS] = "deletions", [SIM_LOST_DELETE] = "lost-delete", [SIM_FOREIGN] = "foreign", [SIM_KEY] = "key",
    [SIM_CLOCK] = "clock", [SIM_STOP] = "stop", [SIM_OPERATOR] = "operator", [SIM_ORDERS] = "orders", [SIM_CRASH] = "crash",
    [SIM_NAMELESS] = "nameless",
};

const char *sim_class_name(enum sim_class class)
{
    return class_names[class];
}

bool sim_class_from_name(const char *name, size_t size, enum sim_class *ret_class)
{
    for (size_t i = 0; i < SIM_CLASSES; i++) {
        if (strlen(class_names[i]) != size || strncmp(class_names[i], name, size) != 0)
            continue;
        *ret_class = (enum sim_class)i;
        return true;
    }
    return false;
}

static const char *const mutation_names[MUTATIONS] = { "none", "false-done" };

const char *sim_mutation_name(enum sim_mutation mutation)
{
    return mutation_names[mutation];
}

bool sim_mutation_from_name(const char *name, enum sim_mutation *ret_mutation)
{
    for (size_t i = 0; i < MUTATIONS; i++) {
        if (strcmp(mutation_names[i], name) != 0)
            continue;
        *ret_mutation = (enum sim_mutation)i;
        return true;
    }
    return false;
}

/* Every class is drawn for itself: turning one off leaves the others of the seed as they were. */
static uint32_t choose_classes(struct sim *sim)
{
    int64_t percent = sim_draw(sim, "classes", 0, 5, 60);
    uint32_t classes = 0;

    for (size_t i = 0; i < SIM_CLASSES; i++)
        if (sim_draw(sim, class_names[i], 0, 0, 99) < percent || sim->options->forced)
            classes |= 1u << i;
    return classes & sim->options->allowed;
}

void sim_make_plan(struct sim *sim)
{
    static const int periods[] = { 1, 1, 2, 3, 4, 6 };
    struct sim_plan *plan = &sim->plan;

    plan->classes = choose_classes(sim);
    plan->hours = sim->options->hours > 0 ? sim->options->hours : 168;
    plan->period_h = periods[sim_draw(sim, "period", 0, 0, 5)];
    plan->memories = (int)sim_draw(sim, "memories", 0, 10, 90);
    plan->contexts = (int)sim_draw(sim, "contexts", 0, 1, CONTEXTS_MAXIMUM);
    plan->is_14 = sim_draw(sim, "dialect", 0, 0, 99) < 45;
    plan->replaces = sim_draw(sim, "replaces", 0, 0, 99) < 75;
    plan->keeps_texts = sim_draw(sim, "keeps texts", 0, 0, 99) < 75;
    plan->audits = sim_draw(sim, "audits", 0, 0, 99) < 60;
    plan->narrow = sim_draw(sim, "narrow", 0, 0, 99) < 30;
    plan->fault_percent = (int)sim_draw(sim, "faults", 0, 1, 12);
    plan->late_ms = plan->is_14 ? sim_draw(sim, "late", 0, 100, 20000) : sim_draw(sim, "late", 0, 100, 600000);
    plan->fail_times = (int)sim_draw(sim, "fail times", 0, 0, 2);
    plan->crash_percent = (int)sim_draw(sim, "crashes", 0, 10, 80);
}

void sim_make_settings(struct sim *sim)
{
    static const char *const names[CONTEXTS_MAXIMUM] = { "a", "b c", "\xC3\xBC" };
    static const int batch_sizes[] = { 1, 2, 5, 20, 100 };
    static const int64_t polls[] = { 200, 2000, 10000 };
    static const int deletes[] = { 10, 50, 100 };
    struct sim_plan *plan = &sim->plan;

    for (int i = 0; i < CONTEXTS_MAXIMUM; i++)
        sim->contexts[i] = names[i];
    sim->target = (struct engine_target){
        .name = "default",
        .sink = { .url = "http://lightrag.sim", .api_key = "k", .timeout_ms = sim_draw(sim, "timeout", 0, 0, 1) ? 300000 : 30000 },
        .workspace = "",
        .batch_size = batch_sizes[sim_draw(sim, "batch", 0, 0, 4)],
        .max_unfinished = sim_draw(sim, "unfinished", 0, 0, 2) == 0 ? (int)sim_draw(sim, "limit of unfinished", 0, 1, 10) : 500,
        .poll_interval_ms = polls[sim_draw(sim, "poll", 0, 0, 2)],
        .kick = true,
        .kick_interval_ms = sim_draw(sim, "kick", 0, 0, 1) ? 300000 : 20000,
        .give_up_after_ms = (int64_t)30 * 86400000,
        .audit_interval_ms = plan->audits ? sim_draw(sim, "audit", 0, 2, 24) * 3600000 : 0,
    };
    sim->source_settings = (struct engine_source){
        .name = "default",
        .endpoint = { .url = "http://memories.sim", .api_key = "m", .timeout_ms = 30000, .response_maximum = (int64_t)1 << 30 },
        .max_retries = (int)sim_draw(sim, "retries", 0, 0, 3), .retry_backoff = 2.0, .item_maximum = 1 << 20,
    };
    sim->connector = (struct engine_connector){
        .id = "sim",
        .contexts = sim->contexts, .context_count = (size_t)plan->contexts,
        .range = plan->narrow ? (sim_draw(sim, "range", 0, 0, 1) ? "day" : "week") : "all",
        .limit = plan->narrow && sim_draw(sim, "limited", 0, 0, 1) ? sim_draw(sim, "limit", 0, 3, 20) : 10000,
        .max_concurrency = (int)sim_draw(sim, "slots", 0, 1, 3),
        .filter.skip_empty = sim_draw(sim, "skip empty", 0, 0, 99) < 70,
        .replaces = plan->replaces,
        .on_delete = (enum engine_on_delete)sim_draw(sim, "on delete", 0, 0, 2),
        .max_delete_percent = deletes[sim_draw(sim, "delete percent", 0, 0, 2)],
        .auto_widen = true,
        .transform = { .strategy = TRANSFORM_STANDARD, .extract_tags = true },
        .max_attempts = 3, .backoff_multiplier = 2.0, .max_backoff_ms = 60000,
    };
    sim->settings = (struct engine_settings){
        .targets = &sim->target, .target_count = 1, .sources = &sim->source_settings, .source_count = 1, .connectors = &sim->connector,
        .connector_count = 1, .keep_texts = plan->keeps_texts, .disk_reserve_bytes = 0, .shutdown_timeout_ms = 30000,
    };
}
