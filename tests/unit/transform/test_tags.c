#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "transform/transform_internal.h"

#include <string.h>

static void test_hashtags(void **state)
{
    static const struct { const char *why, *transcript, *want; } rows[] = {
        { "none", "no tags here", "" },
        { "nothing at all", "", "" },
        { "one", "at the harbour #boats", "boats" },
        { "in their order, each once", "#b #a #b", "b, a" },
        { "compared exactly", "#Boats #boats", "Boats, boats" },
        { "digits and underscores", "#2025 #_x_ #a1", "2025, _x_, a1" },
        { "at the very end", "x #a", "a" },
        { "a mark alone", "# ## #, #", "" },
        { "two marks", "##a", "a" },
        { "in a word", "a#b", "b" },
        { "next to each other", "#a#b", "a, b" },
        { "ends at punctuation", "#a, #b. #c! (#d) #e-f #g's #h\"", "a, b, c, d, e, g, h" },
        { "Latin beyond ASCII", "#caf\u00E9 #\u00C5rhus #stra\u00DFe", "caf\u00E9, \u00C5rhus, stra\u00DFe" },
        { "combining marks belong to the letter", "#cafe\u0301 x", "cafe\u0301" },
        { "Greek and its question mark", "#\u0391\u03B8\u03AE\u03BD\u03B1\u037E", "\u0391\u03B8\u03AE\u03BD\u03B1" },
        { "Arabic and its comma", "#\u0645\u0631\u062D\u0628\u0627\u060C x", "\u0645\u0631\u062D\u0628\u0627" },
        { "Hindi: vowel signs, then a danda", "#\u0939\u093F\u0928\u094D\u0926\u0940\u0964", "\u0939\u093F\u0928\u094D\u0926\u0940" },
        { "Hebrew, its maqaf", "#\u05E9\u05DC\u05D5\u05DD\u05BEx", "\u05E9\u05DC\u05D5\u05DD" },
        { "Japanese and its full stop", "#\u6771\u4EAC\u3002x", "\u6771\u4EAC" },
        { "katakana with its long mark", "#\u30C6\u30FC\u30D7\u300D", "\u30C6\u30FC\u30D7" },
        { "Thai", "#\u0E01\u0E32\u0E41\u0E1F x", "\u0E01\u0E32\u0E41\u0E1F" },
        { "beyond the first plane", "#\U00020000\U0001D7D9\U0001F600", "\U00020000\U0001D7D9" },
        { "emoji are no words", "#\U0001F680 #\u2764\uFE0F", "" },
        { "a key cap", "#\uFE0F\u20E3 1\uFE0F\u20E3", "" },
        { "quotes and dashes", "#a\u2019b #c\u2014d #e\u2026", "a, c, e" },
        { "the sign for bad bytes", "#a\uFFFD", "a" },
        { "blanks of other kinds", "#a\u00A0b #c\u3000d #e\u2028f", "a, c, e" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct memory memory = { .transcript = { rows[i].transcript, strlen(rows[i].transcript) } };
        AUTO_DONE(text) struct text out = { 0 };
        text_init(&out, 0);
        transform_append_tags(&memory, true, &out);
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("%s: got %s", rows[i].why, out.data);
    }
}

static void test_tags_of_the_record(void **state)
{
    struct memory memory = { .transcript = { "#b #c", 5 }, .tags = { { "a b", 3 }, { "c", 1 }, { "a b", 3 }, { "x\ny\tz", 5 } }, .tag_count = 4 };
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    (void)text_append(&out, "1\n2\n"); /* what stands before is left alone */
    transform_append_tags(&memory, true, &out);
    assert_string_equal(out.data, "1\n2\na b, c, x y z, b");
    text_clear(&out);
    transform_append_tags(&memory, false, &out);
    assert_string_equal(out.data, "a b, c, x y z");
}

/* A line of tags is for people: one that nobody can read is left out, and there is a limit to their number. */
static void test_limits(void **state)
{
    AUTO_DONE(text) struct text transcript = { 0 };
    AUTO_DONE(text) struct text out = { 0 };
    struct memory memory = { 0 };
    size_t count = 1;
    (void)state;

    text_init(&transcript, 0);
    text_init(&out, 0);
    (void)text_append_char(&transcript, '#');
    for (int i = 0; i < 129; i++)
        (void)text_append_char(&transcript, 'x');
    for (int i = 0; i < 100; i++)
        (void)text_append_format(&transcript, " #t%d", i);
    memory.transcript = (struct slice){ transcript.data, transcript.size };
    transform_append_tags(&memory, true, &out);
    assert_null(strstr(out.data, "xx"));
    for (const char *at = out.data; (at = strstr(at, ", ")) != NULL; at += 2)
        count++;
    assert_int_equal(count, 64);
}

static void test_words(void **state)
{
    static const struct { uint32_t code; bool want; } rows[] = {
        { '0', true }, { '9', true }, { 'A', true }, { 'z', true }, { '_', true }, { '-', false }, { '@', false }, { '`', false }, { '{', false }, { 0x7F, false },
        { 0x80, false }, { 0xA9, false }, { 0xAA, true }, { 0xB5, true }, { 0xD7, false }, { 0xF7, false }, { 0xFF, true }, { 0x300, true }, { 0x37E, false },
        { 0x60C, false }, { 0x61F, false }, { 0x964, false }, { 0xE3F, false }, { 0x2010, false }, { 0x20AC, false }, { 0x20E3, false }, { 0x2460, true },
        { 0x3000, false }, { 0x3005, true }, { 0x4E00, true }, { 0xAC00, true }, { 0xE000, false }, { 0xFE0F, false }, { 0xFF03, false }, { 0xFF21, true },
        { 0xFFFD, false }, { 0x1F600, false }, { 0x20000, true }, { 0xE0100, false }, { 0x10FFFD, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (transform_is_word(rows[i].code) != rows[i].want)
            fail_msg("U+%04X: want %d", rows[i].code, rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashtags),
        cmocka_unit_test(test_tags_of_the_record),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
