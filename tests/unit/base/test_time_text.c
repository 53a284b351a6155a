#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/time_text.h"

#include <inttypes.h>
#include <string.h>

static void test_parse(void **state)
{
    static const struct { const char *why, *text, *want; } rows[] = { /* want NULL: not a time */
        { "plain", "2025-12-18T14:30:00Z", "2025-12-18T14:30:00Z" },
        { "naive is UTC", "2025-12-18T14:30:00", "2025-12-18T14:30:00Z" },
        { "blank and lower case", "2025-12-18 14:30:00z", "2025-12-18T14:30:00Z" },
        { "lower t", "2025-12-18t14:30:00Z", "2025-12-18T14:30:00Z" },
        { "milliseconds", "2025-12-18T14:30:00.5Z", "2025-12-18T14:30:00.500Z" },
        { "nanoseconds are cut, not rounded", "2025-12-18T14:30:00.123999999Z", "2025-12-18T14:30:00.123Z" },
        { "east is earlier in UTC", "2025-12-18T00:30:00+05:30", "2025-12-17T19:00:00Z" },
        { "west is later", "2025-12-31T23:00:00-02:00", "2026-01-01T01:00:00Z" },
        { "offset without colon", "2025-12-18T14:30:00+0100", "2025-12-18T13:30:00Z" },
        { "leap second", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
        { "leap day", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z" },
        { "no leap day in a century", "1900-02-29T00:00:00Z", NULL },
        { "but in every fourth", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z" },
        { "before 1970", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z" },
        { "the first year", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z" },
        { "the last moment", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
        { "the offset leads before the first year", "0000-01-01T00:00:00+01:00", NULL },
        { "the offset leads behind the last year", "9999-12-31T23:59:59-01:00", NULL },
        { "month 13", "2025-13-01T00:00:00Z", NULL },
        { "day 0", "2025-01-00T00:00:00Z", NULL },
        { "April 31", "2025-04-31T00:00:00Z", NULL },
        { "hour 24", "2025-04-30T24:00:00Z", NULL },
        { "second 61", "2025-04-30T23:00:61Z", NULL },
        { "only a date", "2025-04-30", NULL },
        { "empty", "", NULL },
        { "something behind", "2025-12-18T14:30:00Zx", NULL },
        { "a dot without digits", "2025-12-18T14:30:00.Z", NULL },
        { "half an offset", "2025-12-18T14:30:00+01", NULL },
        { "offset of a day", "2025-12-18T14:30:00+24:00", NULL },
        { "signs are no digits", "2025-+1-18T14:30:00Z", NULL },
        { "epoch seconds are another matter", "1766068200", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[TIME_TEXT_SIZE] = "";
        int64_t ms = -77;
        bool is_time = time_text_parse(rows[i].text, strlen(rows[i].text), &ms);
        if (is_time)
            time_text_rfc3339(ms, text);
        if (is_time != (rows[i].want != NULL) || (is_time && strcmp(text, rows[i].want) != 0) || (!is_time && ms != -77))
            fail_msg("%s: \"%s\" gave %s (%" PRId64 ")", rows[i].why, rows[i].text, is_time ? text : "no time", ms);
    }
}

static void test_parse_looks_at_size_only(void **state)
{
    int64_t ms = 0;
    (void)state;

    assert_true(time_text_parse("1970-01-01T00:00:01Zgarbage", 20, &ms)); /* slices are not terminated */
    assert_int_equal(ms, 1000);
    assert_false(time_text_parse("1970-01-01T00:00:01\0Z", 21, &ms));
}

static void test_known_instants(void **state)
{
    static const struct { int64_t ms; const char *rfc3339, *english, *http; } rows[] = {
        { 0, "1970-01-01T00:00:00Z", "January 1, 1970 at 12:00 AM UTC", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 1766068200000, "2025-12-18T14:30:00Z", "December 18, 2025 at 02:30 PM UTC", "Thu, 18 Dec 2025 14:30:00 GMT" },
        { 784111777000, "1994-11-06T08:49:37Z", "November 6, 1994 at 08:49 AM UTC", "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 1709208000000, "2024-02-29T12:00:00Z", "February 29, 2024 at 12:00 PM UTC", "Thu, 29 Feb 2024 12:00:00 GMT" },
        { -1, "1969-12-31T23:59:59.999Z", "December 31, 1969 at 11:59 PM UTC", "Wed, 31 Dec 1969 23:59:59 GMT" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[TIME_TEXT_SIZE];
        time_text_rfc3339(rows[i].ms, text);
        assert_string_equal(text, rows[i].rfc3339);
        time_text_english(rows[i].ms, text);
        assert_string_equal(text, rows[i].english);
        time_text_http_date(rows[i].ms, text);
        assert_string_equal(text, rows[i].http);
    }
}

/* Every day of eight centuries there and back: the calendar has no hole, and weekdays go round. */
static void test_every_day_comes_back(void **state)
{
    const int64_t day_ms = 86400000;
    struct time_fields before;
    (void)state;

    time_text_fields(-146097 * day_ms, &before);
    for (int64_t day = -146096; day <= 146097; day++) {
        struct time_fields now;
        char text[TIME_TEXT_SIZE];
        int64_t back = 0;
        time_text_fields(day * day_ms, &now);
        time_text_rfc3339(day * day_ms, text);
        if (!time_text_parse(text, strlen(text), &back) || back != day * day_ms || now.weekday != (before.weekday + 1) % 7)
            fail_msg("day %" PRId64 ": %s", day, text);
        before = now;
    }
}

static void test_http_dates(void **state)
{
    static const struct { const char *why, *text; int64_t want; } rows[] = { /* want -1: none */
        { "the form of today", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
        { "RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", 784111777000 },
        { "asctime", "Sun Nov  6 08:49:37 1994", 784111777000 },
        { "two digits after 2000", "Thursday, 18-Dec-25 14:30:00 GMT", 1766068200000 },
        { "a number is for the caller", "120", -1 },
        { "empty", "", -1 },
        { "words", "tomorrow", -1 },
        { "a month that is none", "Sun, 06 Nox 1994 08:49:37 GMT", -1 },
        { "day 31 of November", "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
        { "hour 25", "Sun, 06 Nov 1994 25:49:37 GMT", -1 },
        { "cut", "Sun, 06 Nov 1994 08:49", -1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t ms = -1;
        bool is_date = time_text_parse_http_date(rows[i].text, &ms);
        if (is_date != (rows[i].want >= 0) || ms != rows[i].want)
            fail_msg("%s: \"%s\" gave %" PRId64, rows[i].why, rows[i].text, ms);
    }
}

static void test_durations_for_people(void **state)
{
    static const struct { int64_t ms; const char *want; } rows[] = {
        { -5, "0s" }, { 0, "0s" }, { 499, "0s" }, { 500, "1s" }, { 12000, "12s" }, { 59999, "1m" }, { 200000, "3m 20s" }, { 3600000, "1h" },
        { 7500000, "2h 5m" }, { 3605000, "1h" }, { 356400000, "4d 3h" }, { 86400000, "1d" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[TIME_TEXT_SIZE];
        time_text_duration(rows[i].ms, text);
        assert_string_equal(text, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_looks_at_size_only),
        cmocka_unit_test(test_known_instants),
        cmocka_unit_test(test_every_day_comes_back),
        cmocka_unit_test(test_http_dates),
        cmocka_unit_test(test_durations_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
