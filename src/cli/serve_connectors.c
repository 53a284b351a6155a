#include "cli/serve_connectors.h"

#include "base/log.h"
#include "base/mem.h"
#include "schedule/schedule.h"
#include "schedule/zone.h"

#include <stdio.h>
#include <string.h>

/* What a connector of the file owns beside the configuration. */
struct file_connector {
    struct zone *zone;
    char words[160];
};

static void free_file_connector(void *owner)
{
    struct file_connector *connector = owner;

    zone_free(connector->zone);
    mem_free(connector);
}

static int read_schedule(const struct connector_settings *settings, struct schedule *ret_schedule, struct error *err)
{
    *ret_schedule = (struct schedule){ .kind = SCHEDULE_MANUAL };
    if (settings->schedule_type == CONFIG_SCHEDULE_CRON)
        return schedule_parse(settings->cron, ret_schedule, err);
    if (settings->schedule_type == CONFIG_SCHEDULE_INTERVAL)
        return schedule_from_interval(settings->interval_hours > 0 ? (int64_t)(settings->interval_hours * 3600) * 1000 : settings->interval_ms, ret_schedule, err);
    return 0;
}

/* The prefix of an expression wins over the setting. */
static int open_zone(const struct connector_settings *settings, const struct schedule *schedule, struct zone **ret_zone, struct error *err)
{
    const char *name = schedule->zone[0] != '\0' ? schedule->zone : settings->timezone;

    return zone_open(NULL, name[0] != '\0' ? name : "UTC", ret_zone, err);
}

static int make_from_file(const struct config *config, size_t index, struct service_connector *ret_connector, struct error *err)
{
    const struct connector_settings *settings = config_connector(config, index);
    struct file_connector *owner;
    struct schedule schedule;
    struct zone *zone = NULL;

    if (read_schedule(settings, &schedule, err) < 0 || open_zone(settings, &schedule, &zone, err) < 0)
        return error_wrap(err, "connectors[%zu] (%s)", index, settings->id);
    owner = mem_alloc(sizeof *owner);
    owner->zone = zone;
    *ret_connector = (struct service_connector){
        .engine = config->engine.connectors[index], .enabled = settings->enabled, .is_from_file = true, .schedule = schedule, .zone = zone,
        .overlap = settings->overlap == 1 ? OVERLAP_BUFFER_ONE : OVERLAP_SKIP, .catch_up_ms = settings->catch_up_ms, .jitter_ms = settings->jitter_ms,
        .version = 1, .description = settings->description,
        .schedule_words = config_schedule_words(settings, owner->words, sizeof owner->words), .owner = owner, .owner_free = free_file_connector,
    };
    return 0;
}

int serve_connectors_make(struct serve_connectors *connectors, const struct config *config, struct state *state, struct error *err)
{
    (void)state;
    for (size_t i = 0; i < config->engine.connector_count; i++) {
        connectors->items = mem_grow(connectors->items, connectors->count, &connectors->capacity, sizeof *connectors->items);
        if (make_from_file(config, i, &connectors->items[connectors->count], err) < 0)
            return -1;
        connectors->count++;
    }
    return 0;
}

void serve_connectors_done(struct serve_connectors *connectors)
{
    for (size_t i = 0; i < connectors->count; i++)
        if (connectors->items[i].owner_free != NULL)
            connectors->items[i].owner_free(connectors->items[i].owner);
    mem_free(connectors->items);
}
