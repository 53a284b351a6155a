/* schedule.h - when something runs: the expression, and the next time as a pure function of expression, zone and time.
 *
 *   manual                     only when asked
 *   15m  1h30m  90s  7d        an interval (also @every 15m); units w d h m s, whole seconds, 1 s to 10 years
 *   30 2 * * 1-5               cron: minute hour day-of-the-month month day-of-the-week
 *   15 30 2 * * 1-5            with a second in front
 *   @hourly @daily @midnight @weekly @monthly @yearly @annually
 *
 * A field is a list of N, N-M, *, ?, each with /STEP (N/STEP goes to the field's end); months and days also by their English names of three letters;
 * Sunday is 0 or 7. ? is *. Day of the month OR day of the week, where both are restricted; a field with a step other than 1 is restricted. A prefix
 * CRON_TZ=Europe/Berlin or TZ=... names the zone and wins over the one that is given besides. Letters in any case. That is what robfig/cron v3 reads and
 * cron does; refused, although robfig takes it: empty items of a list, *-5, signs, parts of a second, a day that no month has (31 February).
 *
 * Daylight saving, as ISC cron has it: a time that the clock jumps over runs once, right after the jump; a time that comes twice runs the first time. A
 * cron expression with all 24 hours runs at least hourly and is untouched by that: it runs whenever the clock shows its minutes. Intervals know no zone.
 *
 * Errors are ERROR_CONFIG and name the field, the column (from 1) and the remedy. Moments are milliseconds since 1970, results whole seconds. */
#ifndef MC_SCHEDULE_SCHEDULE_H
#define MC_SCHEDULE_SCHEDULE_H

#include "base/error.h"
#include "base/text.h"
#include "schedule/zone.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_TEXT_MAXIMUM = 1000 }; /* all 60 minutes one by one take 170 */
#define SCHEDULE_INTERVAL_LEAST_MS ((int64_t)1000)
#define SCHEDULE_INTERVAL_MOST_MS ((int64_t)3653 * 86400 * 1000) /* 10 years */

enum schedule_kind { SCHEDULE_MANUAL, SCHEDULE_INTERVAL, SCHEDULE_CRON };

enum cron_field { CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELD_COUNT };

/* A value without anything to free; copy it as you like. */
struct schedule {
    enum schedule_kind kind;
    int64_t interval_ms;
    uint64_t fields[CRON_FIELD_COUNT]; /* bit N: the value N */
    bool any_day, any_weekday;        /* * or ? */
    char zone[ZONE_NAME_SIZE];        /* of the prefix; "": none. The name is checked, the zone not looked for */
};

int schedule_parse(const char *expression, struct schedule *ret_schedule, struct error *err);
/* An interval without an expression; the same limits. */
int schedule_from_interval(int64_t interval_ms, struct schedule *ret_schedule, struct error *err);

/* Does it run at least once an hour on every day on which it runs? */
bool schedule_is_hourly(const struct schedule *schedule);

/* The first time behind after_ms. zone is the one that schedule->zone names where it names one. false: never (manual, or behind the year 9999). */
bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms, int64_t *ret_ms);

/* Is this run (one that schedule_next gave) not at a time of the expression, but right after the clock jumped over one? */
bool schedule_is_moved(const struct schedule *schedule, const struct zone *zone, int64_t ms);

struct schedule_span {
    int64_t count;
    int64_t first_ms, last_ms; /* only where count > 0 */
};
/* All times in (after_ms, until_ms]; days that are like any other are counted as a whole, so years are a matter of milliseconds. */
struct schedule_span schedule_count(const struct schedule *schedule, const struct zone *zone, int64_t after_ms, int64_t until_ms);

/* For people: "every 15 minutes", "at 02:30 on Monday, Europe/Berlin". zone_name is left out when it is NULL or the schedule has none to tell of; a
 * prefix wins. */
void schedule_describe(const struct schedule *schedule, const char *zone_name, struct text *out);

#endif
