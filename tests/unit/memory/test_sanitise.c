#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "memory/sanitise.h"

#include <string.h>

#define BYTES(literal) literal, sizeof(literal) - 1
#define BAD "\xEF\xBF\xBD"

static void test_text(void **state)
{
    static const struct { const char *why, *in; size_t in_size; const char *want; size_t want_size; } rows[] = {
        { "nothing", BYTES(""), BYTES("") },
        { "plain words", BYTES("Met Ana."), BYTES("Met Ana.") },
        { "newline and tab stay", BYTES("a\n\tb"), BYTES("a\n\tb") },
        { "every script stays", BYTES("\u0645\u0631\u062D\u0628\u0627 \u6E2F \U0001F6A4\u200D\u2642"), BYTES("\u0645\u0631\u062D\u0628\u0627 \u6E2F \U0001F6A4\u200D\u2642") },
        { "CR LF", BYTES("a\r\nb\r\n\r\nc"), BYTES("a\nb\n\nc") },
        { "CR alone", BYTES("a\rb\r\rc\r"), BYTES("a\nb\n\nc\n") },
        { "LF CR is two", BYTES("a\n\rb"), BYTES("a\n\nb") },
        { "NUL is seen", BYTES("a\0b"), BYTES("a" BAD "b") },
        { "controls go", BYTES("a\x01\x08\x0B\x0C\x1B[31m\x1F\x7F" "b"), BYTES("a[31mb") },
        { "C1 controls go", BYTES("a\xC2\x80\xC2\x85\xC2\x9F" "b\xC2\xA0"), BYTES("ab\xC2\xA0") },
        { "no characters", BYTES("a\uFFFE\uFFFFb\uFFFD"), BYTES("ab\uFFFD") },
        { "bad bytes", BYTES("a\xFF\x80" "b"), BYTES("a" BAD BAD "b") },
        { "overlong", BYTES("\xC0\xAF\xE0\x80\xAF\xF0\x80\x80\xAF"), BYTES(BAD BAD BAD BAD BAD BAD BAD BAD BAD) },
        { "raw surrogate", BYTES("\xED\xA0\x80"), BYTES(BAD BAD BAD) },
        { "the last before the surrogates", BYTES("\xED\x9F\xBF"), BYTES("\xED\x9F\xBF") },
        { "above the last code point", BYTES("\xF4\x90\x80\x80"), BYTES(BAD BAD BAD BAD) },
        { "the last code point", BYTES("\xF4\x8F\xBF\xBD"), BYTES("\xF4\x8F\xBF\xBD") },
        { "cut in a character", BYTES("ab\xE6\xB8"), BYTES("ab" BAD BAD) },
        { "a bad byte behind a long clean piece", BYTES("0123456789abcdef\xFF" "0123456789abcdef"), BYTES("0123456789abcdef" BAD "0123456789abcdef") },
        { "the edges of printable ASCII", BYTES("        ~~~~~~~~\x7F\x1F"), BYTES("        ~~~~~~~~") },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text out = { 0 };
        bool is_same = rows[i].in_size == rows[i].want_size && memcmp(rows[i].in, rows[i].want, rows[i].in_size) == 0;
        text_init(&out, 0);
        sanitise_append(&out, rows[i].in, rows[i].in_size);
        if (out.size != rows[i].want_size || memcmp(out.data, rows[i].want, out.size) != 0)
            fail_msg("%s: got %s", rows[i].why, out.data);
        if (sanitise_is_clean(rows[i].in, rows[i].in_size) != is_same)
            fail_msg("%s: clean is %d", rows[i].why, !is_same);
        if (!sanitise_is_clean(out.data, out.size))
            fail_msg("%s: what comes out is not clean", rows[i].why);
    }
}

/* The block-wise pass finds each unclean byte wherever it stands in a block. */
static void test_every_byte_at_every_place(void **state)
{
    (void)state;

    for (int byte = 0; byte < 256; byte++) {
        bool want = (byte >= 0x20 && byte < 0x7F) || byte == '\n' || byte == '\t';
        for (size_t at = 0; at < 24; at++) {
            AUTO_STRING char *bytes = mem_resize(NULL, 24, 1);
            memset(bytes, at % 2 == 0 ? ' ' : '~', 24);
            bytes[at] = (char)byte;
            if (sanitise_is_clean(bytes, 24) != want)
                fail_msg("byte %02x at %zu: clean is %d", (unsigned)byte, at, !want);
        }
    }
}

static size_t encode(uint32_t code, char *bytes)
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xC0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | code >> 18);
    bytes[1] = (char)(0x80 | (code >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (code >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static bool is_wanted(uint32_t code)
{
    if (code < 0x20)
        return code == '\n' || code == '\t';
    return !(code >= 0x7F && code <= 0x9F) && !(code >= 0xD800 && code <= 0xDFFF) && code != 0xFFFE && code != 0xFFFF && code <= 0x10FFFF;
}

static void test_every_code_point(void **state)
{
    char bytes[4];
    (void)state;

    for (uint32_t code = 0; code < 0x1FFFFF; code++)
        if (sanitise_is_clean(bytes, encode(code, bytes)) != is_wanted(code))
            fail_msg("U+%04X: clean is %d", code, !is_wanted(code));
}

/* All pairs, and all triples that begin like one: clean only as the one right encoding of something, or as clean bytes one by one. */
static void test_every_sequence(void **state)
{
    (void)state;

    for (uint32_t first = 0; first < 256; first++) {
        for (uint32_t rest = 0; rest < 65536; rest++) {
            char bytes[3] = { (char)first, (char)(rest >> 8), (char)rest };
            char right[4];
            uint32_t code = first < 0xE0 ? (first & 0x1F) << 6 | (rest >> 8 & 0x3F) : (first & 0x0F) << 12 | (rest >> 8 & 0x3F) << 6 | (rest & 0x3F);
            size_t size = first < 0xE0 ? 2 : 3;
            bool want;
            if (first < 0xC0 || first >= 0xF0) {
                want = first < 0x80 && is_wanted(first) && rest >> 8 < 0x80 && is_wanted(rest >> 8);
                size = 2;
            } else {
                want = encode(code, right) == size && memcmp(right, bytes, size) == 0 && is_wanted(code);
            }
            if (size == 2 && (rest & 0xFF) != 0)
                continue; /* said already */
            if (sanitise_is_clean(bytes, size) != want)
                fail_msg("%02x %02x %02x: clean is %d", first, rest >> 8, rest & 0xFF, !want);
            if (sanitise_is_clean(bytes, size - 1) && first >= 0xC0)
                fail_msg("%02x %02x, cut: clean", first, rest >> 8);
        }
    }
}

static void test_trim(void **state)
{
    static const struct { const char *why, *in, *want; } rows[] = {
        { "nothing", "", "" },
        { "only blanks", " \n\t\r ", "" },
        { "blanks inside stay", "  a b\n", "a b" },
        { "Unicode's blanks", "\u3000\u00A0\u2028a\u2003\u202F", "a" },
        { "a mark that editors leave", "\uFEFFa", "a" },
        { "a zero width space is no blank", "\u200Ba", "\u200Ba" },
        { "a character that ends like a blank", "\u30A0", "\u30A0" },
        { "bad bytes are no blanks", " \xA0 ", "\xA0" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slice got = sanitise_trim((struct slice){ rows[i].in, strlen(rows[i].in) });
        if (got.size != strlen(rows[i].want) || memcmp(got.data, rows[i].want, got.size) != 0)
            fail_msg("%s: got \"%.*s\"", rows[i].why, (int)got.size, got.data);
    }
}

static void test_json(void **state)
{
    static const struct { const char *why, *in; size_t in_size; const char *want; bool changed; } rows[] = {
        { "nothing to do", BYTES("{\"a\": \"\\u00e4\\n\\\\ \\\" \xC3\xA4\"}\r\n"), "{\"a\": \"\\u00e4\\n\\\\ \\\" \xC3\xA4\"}\r\n", false },
        { "a pair stays", BYTES("\"\\uD83D\\uDEA4\""), "\"\\uD83D\\uDEA4\"", false },
        { "a lone high surrogate", BYTES("\"\\ud800x\""), "\"\\ufffdx\"", true },
        { "a lone low surrogate", BYTES("\"\\uDC00\""), "\"\\ufffd\"", true },
        { "two high ones", BYTES("\"\\ud800\\ud83d\\udea4\""), "\"\\ufffd\\ud83d\\udea4\"", true },
        { "a high one at the end", BYTES("\"\\ud800"), "\"\\ufffd", true },
        { "an escaped backslash before u", BYTES("\"\\\\ud800\""), "\"\\\\ud800\"", false },
        { "bad bytes", BYTES("\"a\xFF\xE6\xB8\""), "\"a" BAD BAD BAD "\"", true },
        { "a raw line end in a string", BYTES("{\n\"a\":\"b\nc\x01\"\n}"), "{\n\"a\":\"b\\u000ac\\u0001\"\n}", true },
        { "an escape that is none is left to the parser", BYTES("\"\\x\\u12\""), "\"\\x\\u12\"", false },
        { "a backslash at the end", BYTES("\"\\"), "\"\\", false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text out = { 0 };
        AUTO_STRING char *exact = mem_resize(NULL, rows[i].in_size, 1); /* a sanitizer sees a step over its end */
        bool changed;
        memcpy(exact, rows[i].in, rows[i].in_size);
        text_init(&out, 0);
        changed = sanitise_json(&out, exact, rows[i].in_size);
        if (strcmp(out.data, rows[i].want) != 0 || changed != rows[i].changed)
            fail_msg("%s: got %s, changed %d", rows[i].why, out.data, changed);
    }
}

static void test_json_origin(void **state)
{
    static const char json[] = "\"a\xFF\xFF" "b\nc\\ud800d\"";
    static const struct { size_t mended, want; } rows[] = {
        { 0, 0 }, { 1, 1 }, { 2, 2 }, { 4, 2 }, { 5, 3 }, { 8, 4 }, { 9, 5 }, { 14, 5 }, { 15, 6 }, { 16, 7 }, { 22, 13 }, { 23, 14 }, { 24, 15 }, { 99, 15 },
    };
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    assert_true(sanitise_json(&out, json, sizeof json - 1));
    assert_int_equal(out.size, 24);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (sanitise_json_origin(json, sizeof json - 1, rows[i].mended) != rows[i].want)
            fail_msg("%zu comes from %zu, want %zu", rows[i].mended, sanitise_json_origin(json, sizeof json - 1, rows[i].mended), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_sequence),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
