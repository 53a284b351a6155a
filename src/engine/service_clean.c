/* service_clean.c - retention: what ended long ago is removed, at times of a schedule. A time that was missed while nothing ran is made up for at the start. */
#include "engine/service_internal.h"

#include "base/log.h"
#include "state/state_care.h"

static void plan_after(struct service *service, int64_t after_ms)
{
    const struct service_cleanup *cleanup = service->settings.cleanup;
    int64_t next = INT64_MAX;

    service->clean_from_ms = after_ms;
    service->clean_at_ms = schedule_next(&cleanup->schedule, cleanup->zone, after_ms, &next) ? next : INT64_MAX;
}

int service_clean_open(struct service *service, struct error *err)
{
    int64_t now_ms = service->engine->now.wall_ms;
    int64_t last_ms = 0;

    service->clean_at_ms = INT64_MAX;
    if (service->settings.cleanup == NULL)
        return 0;
    if (state_get_mark(service->state, 0, MARK_CLEANED_MS, &last_ms, err) < 0)
        return -1;
    plan_after(service, last_ms > 0 && last_ms <= now_ms ? last_ms : now_ms); /* a clock that was ahead does not put it off for years */
    return 0;
}

static void say(const struct state_cleaned *cleaned)
{
    if (cleaned->runs + cleaned->letters + cleaned->batches > 0)
        log_info("state", "", "cleaned up: %lld old runs, %lld dead letters that were decided, %lld batches are gone", (long long)cleaned->runs,
                 (long long)cleaned->letters, (long long)cleaned->batches);
}

void service_clean(struct service *service)
{
    struct engine *engine = service->engine;
    const struct service_cleanup *cleanup = service->settings.cleanup;
    struct state_cleaned cleaned;
    struct error err = { 0 };

    if (cleanup == NULL)
        return;
    if (engine->now.wall_ms < service->clean_from_ms)
        plan_after(service, engine->now.wall_ms); /* the clock was set back */
    if (engine->now.wall_ms < service->clean_at_ms || engine->is_broken || state_has_uncommitted(service->state))
        return;
    plan_after(service, engine->now.wall_ms);
    engine_apply(engine, &(struct change){ .kind = CHANGE_MARK, .mark_owner = 0, .mark_kind = MARK_CLEANED_MS, .mark_value = engine->now.wall_ms });
    if (!engine->is_broken && state_clean(service->state, engine->now.wall_ms - cleanup->retention_ms, false, &cleaned, &err) < 0)
        engine_break(engine, &err);
    else if (!engine->is_broken)
        say(&cleaned);
}
