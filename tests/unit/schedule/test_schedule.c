/* Expressions: what is read, what is refused and how it is said, when they run, what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/time_text.h"
#include "schedule/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t ms_of(const char *text)
{
    int64_t ms = -1;

    if (!time_text_parse(text, strlen(text), &ms))
        fail_msg("not a time: %s", text);
    return ms;
}

static struct schedule parsed(const char *expression)
{
    struct schedule schedule;
    struct error err = { 0 };

    if (schedule_parse(expression, &schedule, &err) < 0)
        fail_msg("%s: %s", expression, err.message);
    return schedule;
}

static void test_next(void **state)
{
    static const struct { const char *why, *expression, *after, *want; } rows[] = {
        { "every minute", "* * * * *", "2025-01-01T00:00:00Z", "2025-01-01T00:01:00Z" },
        { "never at the moment itself", "0 0 * * *", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z" },
        { "parts of a second do not hide it", "0 0 * * *", "2024-12-31T23:59:59.999Z", "2025-01-01T00:00:00Z" },
        { "nor double it", "0 0 * * *", "2025-01-01T00:00:00.001Z", "2025-01-02T00:00:00Z" },
        { "seconds", "15,45 * * * * *", "2025-01-01T00:00:15Z", "2025-01-01T00:00:45Z" },
        { "every second", "* * * * * *", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z" },
        { "steps", "*/20 * * * *", "2025-01-01T00:41:00Z", "2025-01-01T01:00:00Z" },
        { "a range with a step", "10-40/15 * * * *", "2025-01-01T00:25:00Z", "2025-01-01T00:40:00Z" },
        { "from N on with a step", "50/5 * * * *", "2025-01-01T00:50:00Z", "2025-01-01T00:55:00Z" },
        { "a list", "0 9,17 * * *", "2025-01-01T09:00:00Z", "2025-01-01T17:00:00Z" },
        { "days by name, any case", "0 9 * * MON-fri", "2025-01-03T09:00:00Z", "2025-01-06T09:00:00Z" },
        { "months by name", "0 0 1 Jan,jul *", "2025-01-01T00:00:00Z", "2025-07-01T00:00:00Z" },
        { "Sunday is 0", "0 0 * * 0", "2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z" },
        { "and 7", "0 0 * * 7", "2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z" },
        { "Friday to Sunday", "0 0 * * 5-7", "2025-01-04T00:00:00Z", "2025-01-05T00:00:00Z" },
        { "by names", "0 0 * * fri-sun", "2025-01-04T00:00:00Z", "2025-01-05T00:00:00Z" },
        { "day of the month OR day of the week: the Friday", "0 0 13 * 5", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z" },
        { "the 13th, a Monday", "0 0 13 * 5", "2025-01-10T00:00:00Z", "2025-01-13T00:00:00Z" },
        { "? is *", "0 0 13 * ?", "2025-01-01T00:00:00Z", "2025-01-13T00:00:00Z" },
        { "a step of 1 leaves it *", "0 0 */1 * 5", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z" },
        { "a step makes it restricted: every second day or Friday", "0 0 */2 * 5", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z" },
        { "31 skips short months", "0 0 31 * *", "2025-01-31T00:00:00Z", "2025-03-31T00:00:00Z" },
        { "29 February", "0 0 29 2 *", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
        { "over the year 2100, where robfig gives up", "0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" },
        { "the last hour of the year", "59 23 31 12 *", "2025-12-31T23:58:59Z", "2025-12-31T23:59:00Z" },
        { "blanks and tabs", "  0\t9  * * 1  ", "2025-01-01T00:00:00Z", "2025-01-06T09:00:00Z" },
        { "@hourly", "@hourly", "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z" },
        { "@daily", "@Daily", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z" },
        { "@midnight", "@midnight", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z" },
        { "@weekly", "@weekly", "2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z" },
        { "@monthly", "@monthly", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z" },
        { "@yearly", "@yearly", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z" },
        { "@annually", "@annually", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z" },
        { "an interval counts from the moment", "15m", "2025-01-01T00:07:30Z", "2025-01-01T00:22:30Z" },
        { "to whole seconds", "90s", "2025-01-01T00:00:00.900Z", "2025-01-01T00:01:30Z" },
        { "with fractions", "1.5h", "2025-01-01T00:00:00Z", "2025-01-01T01:30:00Z" },
        { "several units", "1h30m", "2025-01-01T00:00:00Z", "2025-01-01T01:30:00Z" },
        { "days and weeks", "1w2d", "2025-01-01T00:00:00Z", "2025-01-10T00:00:00Z" },
        { "@every", "@every 90s", "2025-01-01T00:00:00Z", "2025-01-01T00:01:30Z" },
        { "milliseconds that make seconds", "@every 2000ms", "2025-01-01T00:00:00Z", "2025-01-01T00:00:02Z" },
        { "the longest", "3653d", "2025-01-01T00:00:00Z", "2035-01-02T00:00:00Z" },
        { "UTC by its name", "CRON_TZ=UTC 0 9 * * *", "2025-01-01T00:00:00Z", "2025-01-01T09:00:00Z" },
        { "behind the year 9999 there is nothing", "0 0 * * *", "9999-12-31T00:00:00Z", NULL },
        { "manual", "manual", "2025-01-01T00:00:00Z", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct schedule schedule = parsed(rows[i].expression);
        int64_t got = -1;
        char shown[TIME_TEXT_SIZE];
        bool is_there = schedule_next(&schedule, zone_utc(), ms_of(rows[i].after), &got);
        time_text_rfc3339(is_there ? got : 0, shown);
        if (is_there != (rows[i].want != NULL) || (is_there && strcmp(shown, rows[i].want) != 0))
            fail_msg("%s: %s after %s gave %s", rows[i].why, rows[i].expression, rows[i].after, is_there ? shown : "nothing");
    }
}

/* ---- Daylight saving, with the system's zones ---- */

static void open_zone(const char *name, struct zone **ret_zone)
{
    struct error err = { 0 };

    if (getenv("TZDIR") == NULL && access("/usr/share/zoneinfo", R_OK) < 0) {
        print_message("SKIPPED: this machine has no time zones (package tzdata)\n");
        skip();
    }
    if (zone_open(NULL, name, ret_zone, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_daylight_saving(void **state)
{
    static const struct { const char *why, *zone, *expression, *after, *want[4]; } rows[] = {
        { "a skipped time runs right after the jump", "Europe/Berlin", "30 2 * * *", "2025-03-29T12:00:00Z",
          { "2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z" } },
        { "a time that comes twice runs the first time", "Europe/Berlin", "30 2 * * *", "2025-10-25T12:00:00Z",
          { "2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z" } },
        { "also when asked in between", "Europe/Berlin", "30 2 * * *", "2025-10-26T01:10:00Z", { "2025-10-27T01:30:00Z" } },
        { "several skipped ones run once", "Europe/Berlin", "*/10 2 * * *", "2025-03-29T12:00:00Z",
          { "2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z", "2025-03-31T00:10:00Z" } },
        { "one that is due right after the jump is no second run", "Europe/Berlin", "0 2,3 * * *", "2025-03-29T12:00:00Z",
          { "2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z" } },
        { "hourly: the hour that is not there is left out", "Europe/Berlin", "30 * * * *", "2025-03-30T00:00:00Z",
          { "2025-03-30T00:30:00Z", "2025-03-30T01:30:00Z" } },
        { "hourly: the hour that comes twice runs twice", "Europe/Berlin", "30 * * * *", "2025-10-26T00:00:00Z",
          { "2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:30:00Z" } },
        { "every 15 minutes: no difference at all", "Europe/Berlin", "*/15 * * * *", "2025-03-30T00:45:00Z",
          { "2025-03-30T01:00:00Z", "2025-03-30T01:15:00Z" } },
        { "half an hour (Lord Howe), skipped", "Australia/Lord_Howe", "15 2 * * *", "2025-10-04T12:00:00Z",
          { "2025-10-04T15:30:00Z", "2025-10-05T15:15:00Z" } },
        { "half an hour, twice", "Australia/Lord_Howe", "45 1 * * *", "2025-04-05T12:00:00Z", { "2025-04-05T14:45:00Z", "2025-04-06T15:15:00Z" } },
        { "half an hour, hourly, skipped", "Australia/Lord_Howe", "15 * * * *", "2025-10-04T14:00:00Z",
          { "2025-10-04T14:45:00Z", "2025-10-04T16:15:00Z" } },
        { "two hours (Troll)", "Antarctica/Troll", "30 1,2 * * *", "2025-03-29T12:00:00Z", { "2025-03-30T01:00:00Z", "2025-03-30T23:30:00Z" } },
        { "a whole day (Apia 2011) runs right after it", "Pacific/Apia", "0 12 * * *", "2011-12-29T12:00:00Z",
          { "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z" } },
        { "also a day of the month", "Pacific/Apia", "0 12 30 * *", "2011-12-01T12:00:00Z", { "2011-12-30T10:00:00Z", "2012-01-29T22:00:00Z" } },
        { "hourly over the day that was not", "Pacific/Apia", "0 * * * *", "2011-12-30T09:30:00Z", { "2011-12-30T10:00:00Z", "2011-12-30T11:00:00Z" } },
        { "midnight is skipped (Beirut)", "Asia/Beirut", "@daily", "2025-03-29T12:00:00Z", { "2025-03-29T22:00:00Z", "2025-03-30T21:00:00Z" } },
        { "midnight comes twice (Havana)", "America/Havana", "0 0 * * *", "2025-11-01T12:00:00Z", { "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z" } },
        { "the day before comes back for an hour (Azores)", "Atlantic/Azores", "30 0 * * *", "2025-10-25T12:00:00Z",
          { "2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z" } },
        { "an interval does not care", "Europe/Berlin", "1h", "2025-03-30T00:30:00Z", { "2025-03-30T01:30:00Z", "2025-03-30T02:30:00Z" } },
        { "by the rule behind the last change", "Europe/Berlin", "30 2 * * *", "2050-03-26T12:00:00Z", { "2050-03-27T01:00:00Z", "2050-03-28T00:30:00Z" } },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(zone) struct zone *zone = NULL;
        struct schedule schedule = parsed(rows[i].expression);
        int64_t at = ms_of(rows[i].after);
        open_zone(rows[i].zone, &zone);
        for (size_t n = 0; n < 4 && rows[i].want[n] != NULL; n++) {
            char shown[TIME_TEXT_SIZE] = "nothing";
            if (schedule_next(&schedule, zone, at, &at))
                time_text_rfc3339(at, shown);
            if (strcmp(shown, rows[i].want[n]) != 0)
                fail_msg("%s: run %zu is at %s, want %s", rows[i].why, n + 1, shown, rows[i].want[n]);
        }
    }
}

/* ---- Counting is the same as going from one to the next ---- */

static void test_count(void **state)
{
    static const char *const zones[] = { "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Pacific/Kwajalein" };
    static const char *const expressions[] = { "*/7 * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 0 13 * 5", "15m", "17 */5 * * * *", "5 4 30 * *", "59 23 * * *", "0 12 29 2 *", "manual" };
    (void)state;

    for (size_t z = 0; z < ARRAY_LENGTH(zones); z++) {
        AUTO(zone) struct zone *zone = NULL;
        open_zone(zones[z], &zone);
        for (size_t e = 0; e < ARRAY_LENGTH(expressions); e++) {
            struct schedule schedule = parsed(expressions[e]);
            int64_t after = ms_of("2011-03-05T03:04:05.678Z"), until = ms_of("2012-04-01T17:18:19Z"), at = after, count = 0, first = -1, last = -1;
            struct schedule_span span = schedule_count(&schedule, zone, after, until);
            while (schedule_next(&schedule, zone, at, &at) && at <= until) {
                first = count == 0 ? at : first;
                last = at;
                count++;
            }
            if (span.count != count || (count > 0 && (span.first_ms != first || span.last_ms != last)))
                fail_msg("%s, %s: counted %lld, there are %lld", zones[z], expressions[e], (long long)span.count, (long long)count);
            assert_int_equal(schedule_count(&schedule, zone, until, after).count, 0);
            if (count > 0 && schedule.kind == SCHEDULE_CRON) {
                assert_int_equal(schedule_count(&schedule, zone, first - 1, first).count, 1);
                assert_int_equal(schedule_count(&schedule, zone, first, first).count, 0);
            }
        }
    }
}

/* ---- Errors ---- */

static void test_errors(void **state)
{
    static const struct { const char *why, *expression, *says[3]; } rows[] = {
        { "nothing", "", { "empty", "15m" } },
        { "blanks", "  \t ", { "empty" } },
        { "too large", "60 * * * *", { "column 1, minute", "\"60\"", "0 to 59" } },
        { "in the third field", "0 0 32 * *", { "column 5, day of the month", "\"32\"", "1 to 31" } },
        { "in the third of six", "0 0 24 * * *", { "column 5, hour", "\"24\"", "0 to 23" } },
        { "too small", "0 0 0 * *", { "column 5, day of the month", "1 to 31" } },
        { "a month by a wrong name", "0 0 1 foo *", { "column 7, month", "\"foo\"", "jan to dec" } },
        { "the fourth item of a list", "0 1,2,3,99 * * *", { "column 9, hour", "\"99\"" } },
        { "an empty item", "0 1,,3 * * *", { "column 5, hour", "empty", "comma" } },
        { "a comma at the end", "0 1, * * *", { "column 5, hour", "empty" } },
        { "backwards", "0 22-2 * * *", { "column 3, hour", "backwards", "22-23,0-2" } },
        { "an open range", "0 5- * * *", { "column 5, hour", "empty" } },
        { "a sign", "-5 * * * *", { "column 1, minute", "empty" } },
        { "two dashes", "1-2-3 * * * *", { "column 3, minute", "\"2-3\"" } },
        { "a step of 0", "*/0 * * * *", { "column 3, minute", "1 at least" } },
        { "no step", "*/ * * * *", { "column 3, minute", "1 at least" } },
        { "a step that is no number", "*/x * * * *", { "column 3, minute", "*/5" } },
        { "two slashes", "1/2/3 * * * *", { "column 1, minute", "two slashes" } },
        { "* in a range", "*-5 * * * *", { "column 1, minute", "mixes" } },
        { "** ", "** * * * *", { "column 1, minute", "\"**\"" } },
        { "Quartz: last day", "0 0 L * *", { "column 5, day of the month", "\"L\"" } },
        { "Quartz: nearest weekday", "0 0 15W * *", { "column 5", "L, W" } },
        { "Quartz: second Friday", "0 0 * * 5#2", { "column 9, day of the week", "#" } },
        { "day 8 of the week", "0 0 * * 8", { "column 9, day of the week", "0 to 7" } },
        { "a huge number", "0 0 * * 99999999999999999999", { "column 9", "0 to 7" } },
        { "a huge step", "0 0 * * */99999999999999999999x", { "column 11", "no step" } },
        { "four fields", "0 0 * *", { "4 fields", "five" } },
        { "seven fields", "0 0 0 * * * 2025", { "more than six", "years" } },
        { "a day that no month has", "0 0 31 2,4 *", { "column 5, day of the month", "never" } },
        { "the same behind seconds", "0 0 0 30 2 ?", { "column 7", "never" } },
        { "an unknown word", "hourly", { "did you mean @hourly" } },
        { "another", "banana", { "column 1", "@daily or manual" } },
        { "an unknown descriptor", "@fortnightly", { "column 1", "@hourly" } },
        { "@reboot", "@reboot", { "catch_up" } },
        { "@every without a time", "@every", { "no interval", "90s" } },
        { "@everything", "@everything", { "unknown" } },
        { "a unit is missing", "15", { "no interval", "15m" } },
        { "an unknown unit", "15y", { "no interval" } },
        { "zero", "0s", { "too short", "1s" } },
        { "parts of a second", "1500ms", { "whole seconds" } },
        { "tiny parts of a second", "1.000000001s", { "whole seconds" } },
        { "milliseconds", "500ms", { "whole seconds" } },
        { "too long", "3654d", { "too long", "3653d" } },
        { "far too long", "999999999999999999999999w", { "too long" } },
        { "far too long, by many", "3000d3000d3000d", { "too long" } },
        { "1e9", "1e9s", { "no interval" } },
        { "a dot without digits", "1.s", { "no interval" } },
        { "a bad zone", "CRON_TZ=../etc/passwd 0 0 * * *", { "column 9", "no name of a time zone", "Europe/Berlin" } },
        { "a long zone", "TZ=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0 0 * * *", { "column 4", "too long" } },
        { "no zone", "TZ= 0 0 * * *", { "column 4", "no name" } },
        { "only a zone", "TZ=UTC", { "expression is missing" } },
        { "a control character", "0 0 \x1b[31m * *", { "column 5", "\\x1b" } },
        { "a line break", "0 0 *\n* *", { "4 fields" } },
        { "not UTF-8", "\xff\xfe", { "column 1", "\\xff" } },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct schedule schedule = { .interval_ms = 77 };
        struct error err = { 0 };
        if (schedule_parse(rows[i].expression, &schedule, &err) == 0)
            fail_msg("%s: taken", rows[i].why);
        if (err.kind != ERROR_CONFIG || schedule.interval_ms != 77)
            fail_msg("%s: kind %d, or the result was touched", rows[i].why, err.kind);
        for (size_t n = 0; n < 3 && rows[i].says[n] != NULL; n++)
            if (strstr(err.message, rows[i].says[n]) == NULL)
                fail_msg("%s: says: %s", rows[i].why, err.message);
        for (const char *c = err.message; *c != '\0'; c++)
            if ((unsigned char)*c < ' ')
                fail_msg("%s: a control character in: %s", rows[i].why, err.message);
    }
}

static void test_long_expressions(void **state)
{
    char *expression = malloc(3000);
    struct schedule schedule;
    struct error err = { 0 };
    (void)state;

    memset(expression, ' ', 2999);
    expression[2999] = '\0';
    assert_int_equal(schedule_parse(expression, &schedule, &err), -1);
    assert_non_null(strstr(err.message, "longer"));
    memset(expression, '1', 900);
    memcpy(expression + 900, " * * * *", 9);
    assert_int_equal(schedule_parse(expression, &schedule, &err), -1);
    assert_non_null(strstr(err.message, "..."));
    assert_true(strlen(err.message) < 300);
    free(expression);
}

static void test_words(void **state)
{
    static const struct { const char *expression, *zone, *want; } rows[] = {
        { "manual", NULL, "only when asked" },
        { "15m", "Europe/Berlin", "every 15 minutes" },
        { "1h", NULL, "every hour" },
        { "1d", NULL, "every 24 hours" },
        { "7d", NULL, "every 168 hours" },
        { "1h30m", NULL, "every 1 hour 30 minutes" },
        { "8d1s", NULL, "every 1 week 1 day 1 second" },
        { "*/15 * * * *", NULL, "every 15 minutes" },
        { "* * * * *", NULL, "every minute" },
        { "* * * * * *", NULL, "every second" },
        { "*/10 * * * * *", NULL, "every 10 seconds" },
        { "@hourly", NULL, "every hour" },
        { "0 */2 * * *", NULL, "every 2 hours" },
        { "5 * * * *", NULL, "at minute 5 of every hour" },
        { "1,5 * * * *", NULL, "at minutes 1 and 5 of every hour" },
        { "30 2 * * 1", "Europe/Berlin", "at 02:30 on Monday, Europe/Berlin" },
        { "CRON_TZ=Asia/Tokyo 30 2 * * 1", "Europe/Berlin", "at 02:30 on Monday, Asia/Tokyo" },
        { "@daily", NULL, "at 00:00 every day" },
        { "15 30 2 * * *", NULL, "at 02:30:15 every day" },
        { "0 9,17 * * 1-5", NULL, "at 09:00 and 17:00 on Monday to Friday" },
        { "0,30 9,17 * * *", NULL, "at 09:00, 09:30, 17:00 and 17:30 every day" },
        { "*/10 9-17 * * *", NULL, "every 10 minutes of the hours 9 to 17" },
        { "0 0 1 * *", NULL, "at 00:00 on day 1 of the month" },
        { "0 0 1,15 * *", NULL, "at 00:00 on days 1 and 15 of the month" },
        { "0 0 13 * 5", NULL, "at 00:00 on day 13 of the month or on Friday" },
        { "@yearly", NULL, "at 00:00 on day 1 of the month in January" },
        { "0 12 * 6-8 *", NULL, "at 12:00 every day in June to August" },
        { "0 12 * * 0,3,6", NULL, "at 12:00 on Sunday, Wednesday and Saturday" },
        { "0 12 1-31 * 5", NULL, "at 12:00 every day" },
        { "* * 0-22 * * *", NULL, "every second of the hours 0 to 22" },
        { "5-7 1 * * * *", NULL, "at seconds 5 to 7 at minute 1 of every hour" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text words = { 0 };
        struct schedule schedule = parsed(rows[i].expression);
        text_init(&words, 0);
        schedule_describe(&schedule, rows[i].zone, &words);
        if (strcmp(words.data, rows[i].want) != 0)
            fail_msg("%s: \"%s\", want \"%s\"", rows[i].expression, words.data, rows[i].want);
    }
}

static void test_edges_of_time(void **state)
{
    struct schedule daily = parsed("0 0 * * *"), hourly = parsed("* * * * * *"), leap = parsed("0 0 29 2 *"), manual = parsed("manual");
    int64_t at;
    (void)state;

    assert_true(schedule_next(&daily, zone_utc(), INT64_MIN, &at));
    assert_int_equal(at, ms_of("0000-01-02T00:00:00Z"));
    assert_false(schedule_next(&daily, zone_utc(), INT64_MAX, &at));
    assert_true(schedule_next(&hourly, zone_utc(), ms_of("9999-12-31T23:59:58Z"), &at));
    assert_false(schedule_next(&hourly, zone_utc(), at, &at));
    assert_false(schedule_next(&leap, zone_utc(), ms_of("9996-03-01T00:00:00Z"), &at));
    assert_int_equal(schedule_count(&daily, zone_utc(), ms_of("9999-12-30T00:00:00Z"), INT64_MAX).count, 1);
    assert_int_equal(schedule_count(&manual, zone_utc(), 0, INT64_MAX).count, 0);
}

static void test_hourly(void **state)
{
    static const struct { const char *expression; bool want; } rows[] = {
        { "*/15 * * * *", true }, { "@hourly", true }, { "5 0-23 1 * *", true }, { "0 */2 * * *", false }, { "* 0-22 * * *", false },
        { "@daily", false },      { "1h", true },      { "61m", false },         { "30s", true },          { "manual", false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct schedule schedule = parsed(rows[i].expression);
        if (schedule_is_hourly(&schedule) != rows[i].want)
            fail_msg("%s", rows[i].expression);
    }
}

static void test_moved(void **state)
{
    static const struct { const char *expression, *at; bool want; } rows[] = {
        { "30 2 * * *", "2025-03-30T01:00:00Z", true },   { "30 2 * * *", "2025-03-31T00:30:00Z", false },
        { "0 2,3 * * *", "2025-03-30T01:00:00Z", false }, { "15m", "2025-03-30T01:00:00Z", false },
    };
    AUTO(zone) struct zone *zone = NULL;
    (void)state;

    open_zone("Europe/Berlin", &zone);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct schedule schedule = parsed(rows[i].expression);
        if (schedule_is_moved(&schedule, zone, ms_of(rows[i].at)) != rows[i].want)
            fail_msg("%s at %s", rows[i].expression, rows[i].at);
    }
}

static void test_from_interval(void **state)
{
    struct schedule schedule;
    (void)state;

    assert_int_equal(schedule_from_interval(900000, &schedule, NULL), 0);
    assert_int_equal(schedule.interval_ms, 900000);
    assert_int_equal(schedule_from_interval(999, &schedule, NULL), -1);
    assert_int_equal(schedule_from_interval(1500, &schedule, NULL), -1);
    assert_int_equal(schedule_from_interval(SCHEDULE_INTERVAL_MOST_MS + 1000, &schedule, NULL), -1);
    assert_int_equal(schedule_from_interval(-1000, &schedule, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),  cmocka_unit_test(test_daylight_saving), cmocka_unit_test(test_count), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_long_expressions), cmocka_unit_test(test_words), cmocka_unit_test(test_from_interval),
        cmocka_unit_test(test_edges_of_time), cmocka_unit_test(test_hourly), cmocka_unit_test(test_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
