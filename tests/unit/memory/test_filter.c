#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "memory/filter.h"

#include <string.h>

static void test_judge(void **state)
{
    static const char *const two[] = { "note", "photo" };
    static const struct memory_filter everything = { 0 }, words = { .skip_empty = true }, types = { .types = two, .type_count = 2 },
        since = { .has_since = true, .since_ms = 1000 }, until = { .has_until = true, .until_ms = 1000 },
        between = { .has_since = true, .since_ms = 0, .has_until = true, .until_ms = 10 },
        all = { .skip_empty = true, .types = two, .type_count = 2, .has_since = true, .since_ms = 5 };
    static const struct {
        const char *why;
        const struct memory_filter *filter;
        const char *type, *transcript;
        bool has_created;
        int64_t created_ms;
        enum memory_skip want;
    } rows[] = {
        { "no filter takes what has nothing", &everything, "record", "", false, 0, SKIP_NOT },
        { "no words", &words, "record", "", true, 0, SKIP_EMPTY },
        { "words", &words, "record", "x", true, 0, SKIP_NOT },
        { "the first of two types", &types, "note", "", false, 0, SKIP_NOT },
        { "the second", &types, "photo", "", false, 0, SKIP_NOT },
        { "neither", &types, "record", "x", true, 0, SKIP_TYPE },
        { "types are compared exactly", &types, "Note", "x", true, 0, SKIP_TYPE },
        { "and whole", &types, "not", "x", true, 0, SKIP_TYPE },
        { "too old", &since, "note", "x", true, 999, SKIP_TIME },
        { "since belongs to it", &since, "note", "x", true, 1000, SKIP_NOT },
        { "until belongs to it", &until, "note", "x", true, 1000, SKIP_NOT },
        { "too new", &until, "note", "x", true, 1001, SKIP_TIME },
        { "1970 is a time", &between, "note", "x", true, 0, SKIP_NOT },
        { "before 1970", &between, "note", "x", true, -1, SKIP_TIME },
        { "no time is in no stretch of time", &between, "note", "x", false, 5, SKIP_TIME },
        { "the first reason counts: words", &all, "record", "", true, 0, SKIP_EMPTY },
        { "then the type", &all, "record", "x", true, 0, SKIP_TYPE },
        { "then the time", &all, "note", "x", true, 0, SKIP_TIME },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct memory memory = {
            .id = { "m", 1 }, .type = { rows[i].type, strlen(rows[i].type) }, .transcript = { rows[i].transcript, strlen(rows[i].transcript) },
            .has_created = rows[i].has_created, .created_ms = rows[i].created_ms,
        };
        enum memory_skip got = memory_filter_judge(rows[i].filter, &memory);
        if (got != rows[i].want)
            fail_msg("%s: got %d, want %d", rows[i].why, got, rows[i].want);
    }
}

static void test_times(void **state)
{
    static const struct { const char *text; bool is_end, want; int64_t want_ms; } rows[] = {
        { "1970-01-02", false, true, 86400000 },
        { "1970-01-02", true, true, 2 * 86400000 - 1 },
        { "1970-01-01T00:00:01Z", true, true, 1000 },
        { "1970-01-01T01:00:01+01:00", false, true, 1000 },
        { "1970-01-01T00:00:01", false, true, 1000 },
        { "2024-02-29", false, true, INT64_C(1709164800000) },
        { "2023-02-29", false, false, 0 },
        { "2023-13-01", true, false, 0 },
        { "yesterday.", false, false, 0 },
        { "2023", false, false, 0 },
        { "", false, false, 0 },
        { "2023-01-01 ", false, false, 0 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t ms = 77;
        bool got = memory_filter_parse_time(rows[i].text, rows[i].is_end, &ms);
        if (got != rows[i].want || ms != (rows[i].want ? rows[i].want_ms : 77))
            fail_msg("%s: got %d, %lld", rows[i].text, got, (long long)ms);
    }
}

static void test_words(void **state)
{
    (void)state;
    for (int skip = SKIP_EMPTY; skip < SKIP_REASONS; skip++)
        assert_true(skip == SKIP_NOT || strlen(memory_skip_words((enum memory_skip)skip)) > 5);
    assert_true(strlen(memory_skip_words((enum memory_skip)99)) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_judge), cmocka_unit_test(test_times), cmocka_unit_test(test_words) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
