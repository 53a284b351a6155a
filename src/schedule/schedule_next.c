/* schedule_next.c - the next time, and how many there are in between.
 *
 * Local time is searched, not real time: a day that matches, then its hour, minute and second. The two rules for daylight saving are two ways to come
 * from a local time to a moment (zone.h), not exceptions inside the search. */
#include "schedule/schedule.h"

#include "schedule/calendar.h"

#include <limits.h>

/* 29 February comes after eight years at the latest (1896, 1904; 2096, 2104), every other day sooner. */
enum { DAYS_SEARCHED = 9 * 366 };
#define LAST_MOMENT ((int64_t)253402300799)   /* 9999-12-31T23:59:59Z */
#define FIRST_MOMENT ((int64_t)-62167219200)  /* 0000-01-01T00:00:00Z */
#define ALL_HOURS ((UINT64_C(1) << 24) - 1)

bool schedule_is_hourly(const struct schedule *schedule)
{
    if (schedule->kind == SCHEDULE_INTERVAL)
        return schedule->interval_ms <= (int64_t)HOUR_SECONDS * 1000;
    return schedule->kind == SCHEDULE_CRON && schedule->fields[CRON_HOUR] == ALL_HOURS;
}

/* ---- Within a day ---- */

static int first_bit(uint64_t bits)
{
    return __builtin_ctzll(bits);
}

/* The first value of the field at or above from; -1: none. */
static int next_value(uint64_t bits, int from)
{
    uint64_t left = from > 63 ? 0 : bits & (UINT64_MAX << from);

    return left == 0 ? -1 : first_bit(left);
}

static int first_of_day(const struct schedule *schedule)
{
    return first_bit(schedule->fields[CRON_HOUR]) * HOUR_SECONDS + first_bit(schedule->fields[CRON_MINUTE]) * MINUTE_SECONDS + first_bit(schedule->fields[CRON_SECOND]);
}

/* The first second of the day at or behind from that matches; -1: none any more. */
static int next_of_day(const struct schedule *schedule, int from)
{
    const uint64_t *fields = schedule->fields;
    int hour = from / HOUR_SECONDS, minute = from / MINUTE_SECONDS % 60, second = from % 60, found;

    if ((fields[CRON_HOUR] >> hour & 1) != 0) {
        if ((fields[CRON_MINUTE] >> minute & 1) != 0 && (found = next_value(fields[CRON_SECOND], second)) >= 0)
            return hour * HOUR_SECONDS + minute * MINUTE_SECONDS + found;
        if ((found = next_value(fields[CRON_MINUTE], minute + 1)) >= 0)
            return hour * HOUR_SECONDS + found * MINUTE_SECONDS + first_bit(fields[CRON_SECOND]);
    }
    if ((found = next_value(fields[CRON_HOUR], hour + 1)) < 0)
        return -1;
    return found * HOUR_SECONDS + first_bit(fields[CRON_MINUTE]) * MINUTE_SECONDS + first_bit(fields[CRON_SECOND]);
}

/* ---- Days ---- */

static bool is_day(const struct schedule *schedule, int64_t days, int day_of_month)
{
    bool day = (schedule->fields[CRON_DAY] >> day_of_month & 1) != 0, weekday = (schedule->fields[CRON_WEEKDAY] >> calendar_weekday(days) & 1) != 0;

    return schedule->any_day || schedule->any_weekday ? day && weekday : day || weekday;
}

static bool next_day(const struct schedule *schedule, int64_t from, int64_t *ret_day)
{
    int64_t last = from + DAYS_SEARCHED;

    while (from <= last) {
        struct calendar_date date = calendar_date(from);
        int length = calendar_month_length(date.year, date.month);
        if ((schedule->fields[CRON_MONTH] >> date.month & 1) != 0)
            for (int day = date.day; day <= length; day++)
                if (is_day(schedule, from + day - date.day, day)) {
                    *ret_day = from + day - date.day;
                    return true;
                }
        from += length - date.day + 1;
    }
    return false;
}

/* The first local time at or behind from that matches. */
static bool next_local(const struct schedule *schedule, int64_t from, int64_t *ret_local)
{
    int64_t today = calendar_floor(from, DAY_SECONDS), day;
    int second;

    if (!next_day(schedule, today, &day))
        return false;
    second = day > today ? first_of_day(schedule) : next_of_day(schedule, (int)(from - today * DAY_SECONDS));
    if (second < 0) {
        if (!next_day(schedule, today + 1, &day))
            return false;
        second = first_of_day(schedule);
    }
    *ret_local = day * DAY_SECONDS + second;
    return true;
}

/* ---- From local times to moments ---- */

/* Every moment whose local time matches. */
static bool next_hourly(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *ret_moment)
{
    int64_t from = after + 1, local;

    for (;;) {
        struct zone_period period = zone_period_at(zone, from);
        if (!next_local(schedule, from + period.offset, &local))
            return false;
        if (local - period.offset < period.until) {
            *ret_moment = local - period.offset;
            return true;
        }
        from = period.until;
    }
}

/* Every local time that matches, once: when the clock first shows it, or has jumped over it. */
static bool next_once(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *ret_moment)
{
    int64_t local;

    if (!next_local(schedule, zone_latest_shown(zone, after) + 1, &local))
        return false;
    *ret_moment = zone_first_showing(zone, local);
    return true;
}

static bool next_moment(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *ret_moment)
{
    if (schedule->kind == SCHEDULE_MANUAL || after >= LAST_MOMENT)
        return false;
    if (after < FIRST_MOMENT)
        after = FIRST_MOMENT;
    if (schedule->kind == SCHEDULE_INTERVAL)
        *ret_moment = after + schedule->interval_ms / 1000;
    else if (schedule_is_hourly(schedule) ? !next_hourly(schedule, zone, after, ret_moment) : !next_once(schedule, zone, after, ret_moment))
        return false;
    return *ret_moment <= LAST_MOMENT;
}

bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms, int64_t *ret_ms)
{
    int64_t moment;

    if (!next_moment(schedule, zone, calendar_floor(after_ms, 1000), &moment))
        return false;
    *ret_ms = moment * 1000;
    return true;
}

bool schedule_is_moved(const struct schedule *schedule, const struct zone *zone, int64_t ms)
{
    int64_t local = zone_to_local(zone, calendar_floor(ms, 1000)), found;

    return schedule->kind == SCHEDULE_CRON && !(next_local(schedule, local, &found) && found == local);
}

/* ---- Counting ---- */

static struct schedule_span count_interval(const struct schedule *schedule, int64_t after, int64_t until)
{
    int64_t step = schedule->interval_ms / 1000;
    int64_t count = until > after ? (until - after) / step : 0;

    return (struct schedule_span){ count, (after + step) * 1000, (after + count * step) * 1000 };
}

/* Is this the first run of a local day whose rest lies within one period, and before until? Then all its runs come, each once: the first was not
 * shown before, so no later one was. */
static bool is_whole_day(const struct schedule *schedule, const struct zone *zone, int64_t moment, int64_t until, int64_t *ret_end)
{
    struct zone_period period = zone_period_at(zone, moment);
    int64_t local = moment + period.offset, midnight = calendar_floor(local, DAY_SECONDS) * DAY_SECONDS - period.offset;

    *ret_end = midnight + DAY_SECONDS - 1;
    return moment - midnight == first_of_day(schedule) && *ret_end < period.until && *ret_end <= until;
}

static int last_bit(uint64_t bits)
{
    return 63 - __builtin_clzll(bits);
}

struct schedule_span schedule_count(const struct schedule *schedule, const struct zone *zone, int64_t after_ms, int64_t until_ms)
{
    struct schedule_span span = { 0 };
    const uint64_t *fields = schedule->fields;
    int64_t after = calendar_floor(after_ms, 1000), until = calendar_floor(until_ms, 1000), moment, end;
    int64_t per_day = __builtin_popcountll(fields[CRON_HOUR]) * __builtin_popcountll(fields[CRON_MINUTE]) * __builtin_popcountll(fields[CRON_SECOND]);

    if (until > LAST_MOMENT)
        until = LAST_MOMENT;
    if (schedule->kind == SCHEDULE_INTERVAL)
        return count_interval(schedule, after, until);
    while (next_moment(schedule, zone, after, &moment) && moment <= until) {
        if (span.count == 0)
            span.first_ms = moment * 1000;
        if (is_whole_day(schedule, zone, moment, until, &end)) {
            int last = last_bit(fields[CRON_HOUR]) * HOUR_SECONDS + last_bit(fields[CRON_MINUTE]) * MINUTE_SECONDS + last_bit(fields[CRON_SECOND]);
            span.count += per_day;
            span.last_ms = (end - (DAY_SECONDS - 1) + last) * 1000;
            after = end;
        } else {
            span.count++;
            span.last_ms = moment * 1000;
            after = moment;
        }
    }
    return span;
}
