#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_stops_at_the_maximum),
        cmocka_unit_test(test_long_format),
        cmocka_unit_test(test_error_tells_the_whole_story),
        cmocka_unit_test(test_error_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
