#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json_write.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

static void test_strings(void **state)
{
    static const struct { const char *why, *bytes; size_t size; const char *want; } rows[] = {
        { "plain", "abc", 3, "\"abc\"" },
        { "empty", "", 0, "\"\"" },
        { "quotes and backslashes", "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
        { "short escapes", "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
        { "other controls, NUL among them", "\0\x01\x1F\x7F", 4, "\"\\u0000\\u0001\\u001f\\u007f\"" },
        { "a slash stays", "a/b", 3, "\"a/b\"" },
        { "characters stay", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
        { "line separators would end a JSON line", "\xE2\x80\xA8\xE2\x80\xA9", 6, "\"\\u2028\\u2029\"" },
        { "their neighbour stays", "\xE2\x80\xAA", 3, "\"\xE2\x80\xAA\"" },
        { "half a character", "a\xC3", 2, "\"a\xEF\xBF\xBD\"" },
        { "half a character in the middle", "\xE2\x82" "a", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD" "a\"" },
        { "overlong", "\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { "a surrogate", "\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { "beyond Unicode", "\xF4\x90\x80\x80", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text out = { 0 };
        struct json_writer writer;
        text_init(&out, 0);
        json_write_begin(&writer, &out);
        json_write_bytes(&writer, NULL, rows[i].bytes, rows[i].size);
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("%s: %s, want %s", rows[i].why, out.data, rows[i].want);
    }
}

static void test_numbers(void **state)
{
    static const struct { double value; const char *want; } rows[] = {
        { 0, "0" }, { 1, "1" }, { -1.5, "-1.5" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" }, { 1e21, "1e+21" }, { 5e-324, "5e-324" },
        { INFINITY, "null" }, { -INFINITY, "null" }, { NAN, "null" }, /* JSON has none of the three */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text out = { 0 };
        struct json_writer writer;
        text_init(&out, 0);
        json_write_begin(&writer, &out);
        json_write_number(&writer, NULL, rows[i].value);
        assert_string_equal(out.data, rows[i].want);
    }
}

static void test_a_whole_object(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    struct json_writer w;
    (void)state;

    text_init(&out, 0);
    json_write_begin(&w, &out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", "m\"1");
    json_write_string(&w, "none", NULL);
    json_write_open_array(&w, "list");
    json_write_integer(&w, NULL, INT64_MIN);
    json_write_bool(&w, NULL, true);
    json_write_null(&w, NULL);
    json_write_open_object(&w, NULL);
    json_write_close(&w);
    json_write_close(&w);
    json_write_time(&w, "at", 1766068200000);
    json_write_time(&w, "never", -1);
    json_write_seconds(&w, "took", 1500);
    json_write_raw(&w, "raw", "[1]", 3);
    json_write_close(&w);
    assert_string_equal(out.data, "{\"id\":\"m\\\"1\",\"none\":null,\"list\":[-9223372036854775808,true,null,{}],\"at\":\"2025-12-18T14:30:00Z\","
                                  "\"never\":null,\"took\":1.5,\"raw\":[1]}");
}

/* Whatever bytes go in, a JSON parser takes what comes out; and bytes that were UTF-8 come back as they were. */
static void test_random_bytes_make_json(void **state)
{
    uint32_t seed = 20251218;
    (void)state;

    for (int round = 0; round < 3000; round++) {
        AUTO_DONE(text) struct text out = { 0 };
        struct json_writer writer;
        char bytes[40];
        size_t size = (size_t)round % sizeof bytes;
        yyjson_doc *document;
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(round % 2 == 0 ? seed >> 24 : (seed >> 24) & 0x7F);
        }
        text_init(&out, 0);
        json_write_begin(&writer, &out);
        json_write_bytes(&writer, NULL, bytes, size);
        document = yyjson_read(out.data, out.size, 0);
        if (document == NULL)
            fail_msg("round %d: %s", round, out.data);
        if (round % 2 == 1) {
            assert_int_equal(yyjson_get_len(yyjson_doc_get_root(document)), size);
            assert_memory_equal(yyjson_get_str(yyjson_doc_get_root(document)), bytes, size);
        }
        yyjson_doc_free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_a_whole_object),
        cmocka_unit_test(test_random_bytes_make_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
