#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void test_append_stops_at_the_maximum(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    (void)state;

    text_init(&text, 5);
    assert_int_equal(text_append(&text, "abc"), 0);
    assert_int_equal(text_append(&text, "def"), -1);
    assert_true(text.overflow);
    assert_string_equal(text.data, "abc"); /* a refused append leaves what is there */
    assert_int_equal(text_append(&text, "de"), 0);
    assert_string_equal(text.data, "abcde");
}

static void test_long_format(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    char long_word[1000];
    (void)state;

    memset(long_word, 'x', sizeof long_word);
    long_word[sizeof long_word - 1] = '\0';
    text_init(&text, 0);
    assert_int_equal(text_append_format(&text, "<%s>", long_word), 0);
    assert_int_equal(text.size, sizeof long_word + 1);
    assert_int_equal(text.data[text.size - 1], '>');
}

static void test_error_tells_the_whole_story(void **state)
{
    struct error err = { 0 };
    (void)state;

    assert_int_equal(error_set(&err, ERROR_IO, "cannot open %s", "x"), -1);
    assert_int_equal(error_wrap(&err, "memory %d", 7), -1);
    assert_string_equal(err.message, "memory 7: cannot open x");
    assert_int_equal(err.kind, ERROR_IO);
}

static void test_error_is_cut_between_characters(void **state)
{
    struct error err = { 0 };
    char words[2 * ERROR_MESSAGE_SIZE];
    (void)state;

    for (size_t i = 0; i + 2 < sizeof words; i += 2)
        memcpy(words + i, "\xC3\xA9", 2);
    words[sizeof words - 2] = '\0';
    (void)error_set(&err, ERROR_FAILED, "%s", words);
    assert_int_equal(strlen(err.message) % 2, 0);
    (void)error_set(&err, ERROR_FAILED, "x%s", words);
    assert_int_equal(strlen(err.message) % 2, 1);
}

static void test_harmless(void **state)
{
    static const struct { const char *why, *bytes; size_t size; const char *want; } rows[] = {
        { "plain", "a b", 3, "a b" },
        { "NUL and line ends", "a\0\r\n", 4, "a\\x00\\x0d\\x0a" },
        { "DEL", "\x7F", 1, "\\x7f" },
        { "C1", "\xC2\x80\xC2\xA0", 4, "\\xc2\\x80\xC2\xA0" },
        { "byte order mark", "\xEF\xBB\xBFx", 4, "\\xef\\xbb\\xbfx" },
        { "half a character", "\xE2\x82", 2, "\\xe2\\x82" },
        { "overlong slash", "\xE0\x80\xAF", 3, "\\xe0\\x80\\xaf" },
        { "a surrogate", "\xED\xA0\x80", 3, "\\xed\\xa0\\x80" },
        { "the last character", "\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF" },
        { "beyond it", "\xF4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text text = { 0 };
        text_init(&text, 0);
        assert_int_equal(text_append_harmless(&text, rows[i].bytes, rows[i].size), 0);
        if (strcmp(text.data, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].why, text.data);
    }
}

static void test_harmless_stops_at_the_maximum(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    (void)state;

    text_init(&text, 6);
    assert_int_equal(text_append_harmless(&text, "abc\nd", 5), -1); /* an escape goes in whole or not at all */
    assert_string_equal(text.data, "abc");
}

static void test_take_truncate_reserve(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    char *taken;
    (void)state;

    text_init(&text, 10);
    text_reserve(&text, 1000); /* no more than the maximum */
    assert_true(text.capacity <= 64);
    assert_int_equal(text_append(&text, "0123456789"), 0);
    text_truncate(&text, 20);
    assert_int_equal(text.size, 10);
    text_truncate(&text, 4);
    assert_string_equal(text.data, "0123");
    taken = text_take(&text);
    assert_string_equal(taken, "0123");
    assert_string_equal(text.data, "");
    free(taken);
    taken = text_take(&text); /* of nothing: still a string of its own */
    assert_string_equal(taken, "");
    free(taken);
    text_done(NULL);
}

static void test_kinds_have_exit_codes(void **state)
{
    static const struct { enum error_kind kind; int code; const char *name; } rows[] = {
        { ERROR_NONE, 0, "none" }, { ERROR_FAILED, 1, "failed" }, { ERROR_USAGE, 2, "usage" }, { ERROR_CONFLICT, 5, "conflict" },
        { ERROR_UNREACHABLE, 69, "unreachable" }, { ERROR_IO, 74, "io" }, { ERROR_LATER, 75, "later" }, { ERROR_DENIED, 77, "denied" },
        { ERROR_CONFIG, 78, "config" }, { ERROR_CANCELLED, 130, "cancelled" },
    };
    (void)state;

    assert_int_equal(ARRAY_LENGTH(rows), ERROR_KINDS);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(error_exit_code(rows[i].kind), rows[i].code);
        assert_string_equal(error_kind_name(rows[i].kind), rows[i].name);
    }
}

static void test_error_kind_changes_on_the_way_up(void **state)
{
    struct error err = { 0 };
    (void)state;

    (void)error_set(&err, ERROR_FAILED, "no");
    assert_int_equal(error_wrap_kind(&err, ERROR_DENIED, "source %s", "s"), -1);
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_string_equal(err.message, "source s: no");
    assert_int_equal(error_set(NULL, ERROR_IO, "nobody asks"), -1);
    assert_int_equal(error_wrap(NULL, "nobody"), -1);
    assert_int_equal(error_wrap_kind(NULL, ERROR_IO, "nobody"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_stops_at_the_maximum),
        cmocka_unit_test(test_long_format),
        cmocka_unit_test(test_error_tells_the_whole_story),
        cmocka_unit_test(test_error_is_cut_between_characters),
        cmocka_unit_test(test_error_kind_changes_on_the_way_up),
        cmocka_unit_test(test_kinds_have_exit_codes),
        cmocka_unit_test(test_take_truncate_reserve),
        cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_harmless_stops_at_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
