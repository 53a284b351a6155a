/* zone.c - opening a zone, and the two directions of conversion. */
#include "schedule/zone_internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define SYSTEM_FOLDER "/usr/share/zoneinfo"

static struct zone_type utc_type = { 0, "UTC" };
static const struct zone utc = { .name = "UTC", .types = &utc_type, .type_count = 1 };

const struct zone *zone_utc(void)
{
    return &utc;
}

void zone_free(struct zone *zone)
{
    if (zone == NULL || zone == &utc)
        return;
    mem_free(zone->transitions);
    mem_free(zone->types);
    mem_free(zone);
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

/* ---- Opening ---- */

static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t length = strlen(name);

    return length > 0 && length < ZONE_NAME_SIZE && strspn(name, letters) == length && name[0] != '/' && name[length - 1] != '/' && strstr(name, "//") == NULL;
}

int zone_check_name(const char *name, struct error *err)
{
    AUTO_DONE(text) struct text shown = { 0 };

    if (is_name(name))
        return 0;
    text_init(&shown, 0);
    (void)text_append_harmless(&shown, name, strnlen(name, ZONE_NAME_SIZE));
    return error_set(err, ERROR_CONFIG, "\"%s\" is no name of a time zone: expected one such as Europe/Berlin, America/New_York or UTC", shown.data);
}

static bool is_utc(const char *name)
{
    return strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0 || strcmp(name, "Z") == 0;
}

int zone_open(const char *folder, const char *name, struct zone **ret_zone, struct error *err)
{
    AUTO_DONE(text) struct text bytes = { 0 };
    AUTO_STRING char *path = NULL;
    struct error cause = { 0 };
    const char *variable = getenv("TZDIR");

    if (zone_check_name(name, err) < 0)
        return -1;
    if (is_utc(name)) {
        *ret_zone = (struct zone *)&utc;
        return 0;
    }
    if (folder == NULL)
        folder = variable != NULL && variable[0] != '\0' ? variable : SYSTEM_FOLDER;
    path = mem_format("%s/%s", folder, name);
    text_init(&bytes, ZONE_FILE_MAXIMUM);
    if (file_read(path, ZONE_FILE_MAXIMUM, &bytes, &cause) < 0)
        return error_set(err, ERROR_CONFIG, "time zone %s: %s (names are like Europe/Berlin; the files come with the package tzdata, or stand in $TZDIR)", name,
                         cause.message);
    return zone_parse(name, bytes.data, bytes.size, ret_zone, err);
}

/* ---- Periods ---- */

/* The last change at or before the moment; there is one. */
static size_t find_transition(const struct zone *zone, int64_t moment)
{
    size_t low = 0, high = zone->transition_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at <= moment)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static struct zone_period period_of_type(const struct zone *zone, size_t type, int64_t since, int64_t until)
{
    return (struct zone_period){ since, until, zone->types[type].offset, zone->types[type].abbreviation };
}

struct zone_period zone_period_at(const struct zone *zone, int64_t moment)
{
    const struct zone_transition *transitions = zone->transitions;
    struct zone_period period;
    int64_t last = zone->transition_count > 0 ? transitions[zone->transition_count - 1].at : INT64_MIN;
    size_t i;

    if (moment >= last && zone->rule.exists) {
        period = zone_rule_period(&zone->rule, moment);
        if (period.since < last)
            period.since = last;
        return period;
    }
    if (zone->transition_count == 0)
        return period_of_type(zone, 0, INT64_MIN, INT64_MAX);
    if (moment < transitions[0].at)
        return period_of_type(zone, 0, INT64_MIN, transitions[0].at);
    i = find_transition(zone, moment);
    return period_of_type(zone, transitions[i].type, transitions[i].at, i + 1 < zone->transition_count ? transitions[i + 1].at : INT64_MAX);
}

/* ---- Local times ---- */

int64_t zone_first_showing(const struct zone *zone, int64_t local)
{
    struct zone_period period = zone_period_at(zone, local - ZONE_OFFSET_MOST);

    for (;;) {
        int64_t moment = local - period.offset;
        if (moment < period.since)
            return period.since;
        if (moment < period.until)
            return moment;
        period = zone_period_at(zone, period.until);
    }
}

int64_t zone_latest_shown(const struct zone *zone, int64_t moment)
{
    struct zone_period period = zone_period_at(zone, moment - (ZONE_OFFSET_MOST - ZONE_OFFSET_LEAST));
    int64_t latest = INT64_MIN;

    for (;;) {
        int64_t last = period.until <= moment ? period.until - 1 : moment;
        if (last + period.offset > latest)
            latest = last + period.offset;
        if (period.until > moment)
            return latest;
        period = zone_period_at(zone, period.until);
    }
}

struct zone_local zone_from_local(const struct zone *zone, int64_t local)
{
    struct zone_local found = { .kind = ZONE_LOCAL_GAP, .first = zone_first_showing(zone, local) };
    struct zone_period period = zone_period_at(zone, local - ZONE_OFFSET_MOST);

    found.last = found.first;
    for (;;) {
        int64_t moment = local - period.offset;
        if (moment >= period.since && moment < period.until) {
            if (found.kind == ZONE_LOCAL_GAP)
                found.first = moment;
            found.kind = found.kind == ZONE_LOCAL_GAP ? ZONE_LOCAL_ONE : ZONE_LOCAL_FOLD;
            found.last = moment;
        }
        if (period.until > local - ZONE_OFFSET_LEAST)
            return found;
        period = zone_period_at(zone, period.until);
    }
}
