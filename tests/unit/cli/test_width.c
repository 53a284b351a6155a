#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/table.h"
#include "cli/width.h"

#include <string.h>

static void test_widths(void **state)
{
    static const struct { const char *why, *text; size_t want; } rows[] = {
        { "nothing", "", 0 },
        { "letters", "abc", 3 },
        { "Latin beyond ASCII", "\u00E9\u00DF", 2 },
        { "a combining accent takes no place", "e\u0301", 1 },
        { "wide", "\u6771\u4EAC", 4 },
        { "full-width letters", "\uFF21\uFF22", 4 },
        { "half-width katakana", "\uFF76\uFF85", 2 },
        { "Hangul, and one syllable of parts", "\uD55C\u1112\u1161\u11AB", 4 },
        { "a picture", "\U0001F680", 2 },
        { "a picture with a variation selector", "\u2764\uFE0F", 1 },
        { "Hebrew with points", "\u05E9\u05C1\u05B8\u05DC\u05D5\u05B9\u05DD", 4 },
        { "Arabic with marks", "\u0645\u064E\u0631\u062D\u0628\u0627", 5 },
        { "Hindi", "\u0939\u093F\u0928\u094D\u0926\u0940", 5 },
        { "Thai", "\u0E01\u0E33\u0E19\u0E49", 3 },
        { "a joiner", "a\u200Db", 2 },
        { "bytes that are no UTF-8", "\xFF\xC3", 2 },
        { "colours", "\033[31mred\033[0m", 3 },
        { "an escape that is no colour counts, so that it is seen", "\033[2J", 4 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (width_of_text(rows[i].text, strlen(rows[i].text)) != rows[i].want)
            fail_msg("%s: %zu, want %zu", rows[i].why, width_of_text(rows[i].text, strlen(rows[i].text)), rows[i].want);
}

static void test_show(void **state)
{
    static const struct { const char *why; size_t width; const char *text, *want; } rows[] = {
        { "it fits", 10, "abc def\n", "abc def\n" },
        { "exactly", 7, "abc def\n", "abc def\n" },
        { "between words", 6, "abc def\n", "abc\n  def\n" },
        { "the rest is indented by two more", 20, "  one two three four five\n", "  one two three four\n    five\n" },
        { "also when it is long", 20, "one two three four five six seven eight\n", "one two three four\n  five six seven\n  eight\n" },
        { "a long word stays whole", 8, "abc abcdefghijkl def\n", "abc\n  abcdefghijkl\n  def\n" },
        { "a long word first", 8, "abcdefghijkl def\n", "abcdefghijkl\n  def\n" },
        { "a long word alone", 4, "abcdefgh", "abcdefgh" },
        { "wide words", 8, "\u6771\u4EAC \u6771\u4EAC\n", "\u6771\u4EAC\n  \u6771\u4EAC\n" },
        { "blanks inside stay", 20, "a   b\n\nc\n", "a   b\n\nc\n" },
        { "nothing is broken without a width", 0, "a long line that stays\n", "a long line that stays\n" },
        { "colours take no place", 7, "\033[32mabc\033[0m def\n", "\033[32mabc\033[0m def\n" },
        { "control characters are seen", 40, "a\033[2Jb\rc\bd\a\n", "a\\x1b[2Jb\\x0dc\\x08d\\x07\n" },
        { "what turns the direction too", 40, "x\u202Ey\u2067z\u061C\n", "x\\xe2\\x80\\xaey\\xe2\\x81\\xa7z\\xd8\\x9c\n" },
        { "and what nobody sees", 40, "a\u200Bb\uFEFF\U000E0041\n", "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf\\xf3\\xa0\\x81\\x81\n" },
        { "but not what scripts and pictures need", 40, "\u0645\u06CC\u200C\u062E \U0001F469\u200D\U0001F680 \u2764\uFE0F\n", "\u0645\u06CC\u200C\u062E \U0001F469\u200D\U0001F680 \u2764\uFE0F\n" },
        { "tabs are left alone", 0, "a\tb\n", "a\tb\n" },
        { "no line end at the end", 40, "abc", "abc" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text out = { 0 };
        text_init(&out, 0);
        width_show(rows[i].text, strlen(rows[i].text), rows[i].width, &out);
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("%s: got\n%s", rows[i].why, out.data);
    }
}

static void fill(struct table *table, bool paints)
{
    static const char *const heads[] = { ">N", "NAME", "WHAT" };

    table_init(table, heads, ARRAY_LENGTH(heads));
    table->paints = paints;
    table_add_string(table, "1");
    table_add_string(table, "\u6771\u4EAC\u6771\u4EAC");
    table_set_tone(table, TONE_BAD);
    table_add_string(table, "a reason that is long enough to be cut");
    table_add_string(table, "22");
    table_add_string(table, "e\u0301\u202E");
    table_add_string(table, "\u05E9\u05DC\u05D5\u05DD");
}

static void test_table(void **state)
{
    static const struct { size_t width; bool paints; const char *want; } rows[] = {
        { 0, false, " N  NAME           WHAT\n"
                    " 1  \u6771\u4EAC\u6771\u4EAC       a reason that is long enough to be cut\n"
                    "22  e\u0301\\xe2\\x80\\xae  \u05E9\u05DC\u05D5\u05DD\n" },
        { 34, false, " N  NAME           WHAT\n"
                     " 1  \u6771\u4EAC\u6771\u4EAC       a reason that \u2026\n"
                     "22  e\u0301\\xe2\\x80\\xae  \u05E9\u05DC\u05D5\u05DD\n" },
        { 34, true, " N  NAME           WHAT\n"
                    " 1  \033[31m\u6771\u4EAC\u6771\u4EAC\033[0m       a reason that \u2026\n"
                    "22  e\u0301\\xe2\\x80\\xae  \u05E9\u05DC\u05D5\u05DD\n" },
        { 20, false, "N     1\nNAME  \u6771\u4EAC\u6771\u4EAC\nWHAT  a reason that is long enough to be cut\n\n"
                     "N     22\nNAME  e\u0301\\xe2\\x80\\xae\nWHAT  \u05E9\u05DC\u05D5\u05DD\n" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(table) struct table table = { 0 };
        AUTO_DONE(text) struct text out = { 0 };
        text_init(&out, 0);
        fill(&table, rows[i].paints);
        table_print(&table, rows[i].width, &out);
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("width %zu: got\n%s", rows[i].width, out.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_widths), cmocka_unit_test(test_show), cmocka_unit_test(test_table) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
