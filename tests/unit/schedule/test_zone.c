/* Zones: made files for every rule of the format, and the system's own for what people know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/time_text.h"
#include "schedule/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- A file, made ---- */

struct made {
    unsigned char bytes[4096];
    size_t size;
};

static void put(struct made *made, const void *bytes, size_t size)
{
    assert_true(made->size + size <= sizeof made->bytes);
    memcpy(made->bytes + made->size, bytes, size);
    made->size += size;
}

static void put_number(struct made *made, int64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        put(made, &(unsigned char){ (unsigned char)((uint64_t)value >> (8 * i)) }, 1);
}

static void put_header(struct made *made, char version, const uint32_t counts[6])
{
    put(made, "TZif", 4);
    put(made, &version, 1);
    put(made, (char[15]){ 0 }, 15);
    for (int i = 0; i < 6; i++)
        put_number(made, counts[i], 4);
}

/* Winter +1 h, summer +2 h: summer from 1000 h to 2000 h, then what the rule says. */
static void put_body(struct made *made, size_t time_size)
{
    put_number(made, 3600000, time_size);
    put_number(made, 7200000, time_size);
    put(made, "\1\0", 2);
    put_number(made, 3600, 4);
    put(made, "\0\0", 2);
    put_number(made, 7200, 4);
    put(made, "\1\3", 2);
    put(made, "AA\0BBB\0", 7);
}

static const uint32_t two_of_each[6] = { 0, 0, 0, 2, 2, 7 };

static void make(struct made *made, char version, const char *footer)
{
    made->size = 0;
    put_header(made, version, two_of_each);
    put_body(made, 4);
    if (version == '\0')
        return;
    put_header(made, version, two_of_each);
    put_body(made, 8);
    put(made, "\n", 1);
    put(made, footer, strlen(footer));
    put(made, "\n", 1);
}

static void test_versions(void **state)
{
    static const struct { const char *why; char version; const char *footer; int64_t at; int32_t want; const char *abbreviation; } rows[] = {
        { "before every change: the first kind", '2', "AAA-1", 0, 3600, "AA" },
        { "at the change", '2', "", 3600000, 7200, "BBB" },
        { "a second before it", '2', "", 3599999, 3600, "AA" },
        { "behind the last, no rule", '2', "", 9000000, 3600, "AA" },
        { "behind the last, a rule", '2', "CCC-5", 9000000, 18000, "CCC" },
        { "at the last change the rule begins", '2', "CCC-5", 7200000, 18000, "CCC" },
        { "version 1 has no rule", '\0', "", 9000000, 3600, "AA" },
        { "version 3", '3', "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 9000000, -3600, "-01" },
        { "version 4", '4', "DDD4:30", 9000000, -16200, "DDD" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(zone) struct zone *zone = NULL;
        struct error err = { 0 };
        struct made made;
        struct zone_period period;
        make(&made, rows[i].version, rows[i].footer);
        if (zone_parse("Made", made.bytes, made.size, &zone, &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        period = zone_period_at(zone, rows[i].at);
        if (period.offset != rows[i].want || strcmp(period.abbreviation, rows[i].abbreviation) != 0 || period.since > rows[i].at || period.until <= rows[i].at)
            fail_msg("%s: %d %s", rows[i].why, period.offset, period.abbreviation);
    }
}

/* What a rule says, told as the two next changes behind 2000-01-01 and the offset before them. */
static void test_rules(void **state)
{
    static const struct { const char *why, *rule, *first, *second; int32_t offset; } rows[] = {
        { "Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "2000-03-26T01:00:00Z", "2000-10-29T01:00:00Z", 3600 },
        { "New York: the second Sunday", "EST5EDT,M3.2.0,M11.1.0", "2000-03-12T07:00:00Z", "2000-11-05T06:00:00Z", -18000 },
        { "Sydney: summer over the new year", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2000-04-01T16:00:00Z", "2000-09-30T16:00:00Z", 39600 },
        { "Lord Howe: half an hour", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2000-04-01T15:00:00Z", "2000-09-30T15:30:00Z", 39600 },
        { "Dublin: winter is the odd one", "IST-1GMT0,M10.5.0,M3.5.0/1", "2000-03-26T01:00:00Z", "2000-10-29T01:00:00Z", 0 },
        { "Nuuk: the evening before", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2000-03-26T01:00:00Z", "2000-10-29T01:00:00Z", -7200 },
        { "Troll: two hours", "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", "2000-03-26T01:00:00Z", "2000-10-29T01:00:00Z", 0 },
        { "Jerusalem: past midnight of the day", "IST-2IDT,M3.4.4/26,M10.5.0", "2000-03-24T00:00:00Z", "2000-10-28T23:00:00Z", 7200 },
        { "days of the year, J60 is 1 March in every year", "AAA0BBB,J60/0,J300/0", "2000-03-01T00:00:00Z", "2000-10-26T23:00:00Z", 0 },
        { "days of the year from 0, 59 is 29 February", "AAA0BBB,59/0,300/0", "2000-02-29T00:00:00Z", "2000-10-26T23:00:00Z", 0 },
        { "seconds in an offset", "AAA-0:00:30BBB,59/0,300/0", "2000-02-28T23:59:30Z", "2000-10-26T22:59:30Z", 30 },
        { "the same, its end before its beginning", "EST5EDT,J365/24,0/1", "2001-01-01T05:00:00Z", "2002-01-01T05:00:00Z", -14400 },
        { "summer the whole year", "EST5EDT,0/0,J365/25", "2001-01-01T05:00:00Z", "2002-01-01T05:00:00Z", -14400 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(zone) struct zone *zone = NULL;
        struct error err = { 0 };
        struct made made;
        struct zone_period period;
        char first[TIME_TEXT_SIZE], second[TIME_TEXT_SIZE];
        make(&made, '3', rows[i].rule);
        if (zone_parse("Made", made.bytes, made.size, &zone, &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        period = zone_period_at(zone, 946684800 + 5 * 3600);
        time_text_rfc3339(period.until * 1000, first);
        time_text_rfc3339(zone_period_at(zone, period.until).until * 1000, second);
        if (period.offset != rows[i].offset || strcmp(first, rows[i].first) != 0 || strcmp(second, rows[i].second) != 0)
            fail_msg("%s: %d, %s, %s", rows[i].why, period.offset, first, second);
    }
}

static void test_bad_rules(void **state)
{
    static const char *const rows[] = { "A-1", "CET", "CET-25", "CET-1:60", "<CET-1", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
                                        "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J1", "CET-1CEST,366,1", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0x", "CET-",
                                        "ABCDEFGHIJKLMNOPQ-1", "CET-1CEST,M3.5.0,", ":Europe/Berlin", "CET-1 " };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct zone *zone = NULL;
        struct error err = { 0 };
        struct made made;
        make(&made, '3', rows[i]);
        if (zone_parse("Made", made.bytes, made.size, &zone, &err) == 0)
            fail_msg("taken: %s", rows[i]);
        assert_non_null(strstr(err.message, "Made"));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_null(zone);
    }
}

/* ---- Damage ---- */

static void test_damaged_files(void **state)
{
    enum { SECOND = 44 + 2 * 5 + 2 * 6 + 7, BODY = SECOND + 44 };
    static const struct { const char *why; size_t at; const char *bytes; size_t size; const char *says; } rows[] = {
        { "another file", 0, "PK", 2, "no time zone data" },
        { "a version to come", 4, "x", 1, "version" },
        { "too many changes", SECOND + 32, "\xff\xff\xff\xff", 4, "sizes" },
        { "more changes than bytes", SECOND + 32, "\0\0\1\0", 4, "too early" },
        { "no kinds of time", SECOND + 36, "\0\0\0\0", 4, "sizes" },
        { "marks for some kinds only", SECOND + 20, "\0\0\0\1", 4, "sizes" },
        { "leap seconds", SECOND + 28, "\0\0\0\1", 4, "too early" },
        { "the second header", SECOND, "X", 1, "no time zone data" },
        { "changes that go back", BODY + 8, "\0\0\0\0\0\0\0\1", 8, "out of order" },
        { "a change before the universe", BODY, "\x80\0\0\0\0\0\0\0", 8, "out of any range" },
        { "a kind that is not there", BODY + 16, "\2", 1, "kind of local time" },
        { "an offset of four days", BODY + 18, "\0\5\0\0", 4, "offset" },
        { "summer or not, what else", BODY + 22, "\2", 1, "offset" },
        { "an abbreviation behind the letters", BODY + 23, "\7", 1, "abbreviation" },
        { "an abbreviation without an end", BODY + 36, "B", 1, "abbreviation" },
        { "an abbreviation with a bell", BODY + 30, "\7", 1, "abbreviation" },
        { "no line feed before the rule", BODY + 37, "x", 1, "closing rule is missing" },
        { "no line feed behind the rule", BODY + 43, "x", 1, "closing rule is missing" },
    };
    struct zone *zone = NULL;
    struct error err = { 0 };
    struct made made;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        make(&made, '2', "CCC-5");
        memcpy(made.bytes + rows[i].at, rows[i].bytes, rows[i].size);
        err = (struct error){ 0 };
        if (zone_parse("Made", made.bytes, made.size, &zone, &err) == 0)
            fail_msg("%s: taken", rows[i].why);
        if (strstr(err.message, rows[i].says) == NULL || strstr(err.message, "time zone Made") == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
    }
    make(&made, '2', "CCC-5");
    made.size++;
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1); /* a byte behind the end */
    make(&made, '\0', "");
    made.size++;
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1);
    for (char version = 0; version <= '2'; version = (char)(version + '2')) { /* cut at every byte */
        make(&made, version, "CCC-5");
        for (size_t size = 0; size < made.size; size++) {
            unsigned char *exact = malloc(size + 1);
            memcpy(exact, made.bytes, size);
            if (zone_parse("Made", exact, size, &zone, &err) == 0)
                fail_msg("cut at %zu: taken", size);
            free(exact);
        }
    }
    assert_null(zone);
}

static void test_refused_files(void **state)
{
    static char large[ZONE_FILE_MAXIMUM + 1];
    struct zone *zone = NULL;
    struct error err = { 0 };
    struct made made = { .size = 0 };
    (void)state;

    assert_int_equal(zone_parse("Made", large, sizeof large, &zone, &err), -1);
    assert_non_null(strstr(err.message, "more than"));
    put_header(&made, '2', two_of_each);
    put_body(&made, 4);
    put_header(&made, '2', (const uint32_t[6]){ 0, 0, 1, 2, 2, 7 });
    put_body(&made, 8);
    put_number(&made, 78796800, 8);
    put_number(&made, 1, 4);
    put(&made, "\n\n", 2);
    assert_int_equal(zone_parse("right/Made", made.bytes, made.size, &zone, &err), -1);
    assert_non_null(strstr(err.message, "without \"right/\""));
    make(&made, '3', "CET-1CEST,M3.5.0,M10.5.0/3:"); /* a number is missing */
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1);
    make(&made, '3', "CET-1CEST-2x,M3.5.0,M10.5.0");
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1);
    make(&made, '3', "CET-1CEST,M3.0.0,M10.5.0");
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1);
    make(&made, '3', "CET-1CEST,,");
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, &err), -1);
    assert_null(zone);
    assert_int_equal(zone_to_local(zone_utc(), 12345), 12345);
}

static void test_names(void **state)
{
    static const char *const bad[] = { "", "/etc/passwd", "../../etc/passwd", "Europe/../../etc/passwd", "Europe//Berlin", "Europe/", ".", "a.b", "Europe/Ber lin", "Europe\\Berlin",
                                       "Europe/Berl\xc3\xadn", "x\n", "\x1b[31m", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "%s%n" };
    static const char *const good[] = { "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Etc/GMT-14", "EST5EDT", "Z" };
    struct zone *zone = NULL;
    struct error err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        err = (struct error){ 0 };
        if (zone_check_name(bad[i], &err) == 0 || zone_open(NULL, bad[i], &zone, &err) == 0)
            fail_msg("taken: \"%s\"", bad[i]);
        assert_null(strchr(err.message, '\n'));
        assert_null(strchr(err.message, '\x1b'));
        assert_non_null(strstr(err.message, "Europe/Berlin"));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        assert_int_equal(zone_check_name(good[i], NULL), 0);
    assert_int_equal(zone_open("/nowhere", "Europe/Berlin", &zone, &err), -1);
    assert_non_null(strstr(err.message, "tzdata"));
    assert_int_equal(zone_open("/nowhere", "UTC", &zone, &err), 0); /* built in */
    assert_string_equal(zone_name(zone), "UTC");
    assert_int_equal(zone_period_at(zone, 1700000000).offset, 0);
    zone_free(zone);
}

/* ---- Local times, in the made zone with summer from 3,600,000 to 7,200,000 ---- */

static void test_local_times(void **state)
{
    static const struct { const char *why; int64_t local; enum zone_local_kind kind; int64_t first, last; } rows[] = {
        { "winter", 3600, ZONE_LOCAL_ONE, 0, 0 },
        { "the last second of winter", 3603599, ZONE_LOCAL_ONE, 3599999, 3599999 },
        { "the first that never comes", 3603600, ZONE_LOCAL_GAP, 3600000, 3600000 },
        { "the last that never comes", 3607199, ZONE_LOCAL_GAP, 3600000, 3600000 },
        { "the first of summer", 3607200, ZONE_LOCAL_ONE, 3600000, 3600000 },
        { "the last that comes once", 7203599, ZONE_LOCAL_ONE, 7196399, 7196399 },
        { "the first that comes twice", 7203600, ZONE_LOCAL_FOLD, 7196400, 7200000 },
        { "the last that comes twice", 7207199, ZONE_LOCAL_FOLD, 7199999, 7203599 },
        { "winter again", 7207200, ZONE_LOCAL_ONE, 7203600, 7203600 },
    };
    AUTO(zone) struct zone *zone = NULL;
    struct made made;
    (void)state;

    make(&made, '2', "AA-1");
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, NULL), -1); /* two letters are too few for a rule */
    make(&made, '2', "");
    assert_int_equal(zone_parse("Made", made.bytes, made.size, &zone, NULL), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct zone_local found = zone_from_local(zone, rows[i].local);
        if (found.kind != rows[i].kind || found.first != rows[i].first || found.last != rows[i].last || zone_first_showing(zone, rows[i].local) != rows[i].first)
            fail_msg("%s: %d %lld %lld", rows[i].why, found.kind, (long long)found.first, (long long)found.last);
    }
    assert_int_equal(zone_latest_shown(zone, 7200000), 7207199); /* shows 7203600 now */
    assert_int_equal(zone_latest_shown(zone, 7203599), 7207199);
    assert_int_equal(zone_latest_shown(zone, 7203600), 7207200);
    assert_int_equal(zone_latest_shown(zone, 3599999), 3603599);
    assert_int_equal(zone_latest_shown(zone, 3600000), 3607200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),      cmocka_unit_test(test_rules), cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_refused_files), cmocka_unit_test(test_names), cmocka_unit_test(test_local_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
