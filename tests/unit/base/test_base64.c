#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

#include <string.h>

static void test_both_ways(void **state)
{
    static const struct { const char *why, *bytes, *coded; } rows[] = {
        { "nothing", "", "" },           { "two signs of padding", "f", "Zg==" }, { "one", "fo", "Zm8=" },
        { "none", "foo", "Zm9v" },       { "a second group", "foobar", "Zm9vYmFy" }, { "the last two digits", "\xFB\xFF\xBF", "+/+/" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        AUTO_DONE(text) struct text out = { 0 };
        char bytes[16];
        size_t size = 99;
        text_init(&out, 0);
        (void)text_append(&out, "");
        base64_append(&out, rows[i].bytes, strlen(rows[i].bytes));
        if (strcmp(out.data, rows[i].coded) != 0)
            fail_msg("%s: %s, want %s", rows[i].why, out.data, rows[i].coded);
        assert_true(base64_decode(out.data, out.size, bytes, strlen(rows[i].bytes), &size));
        assert_int_equal(size, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, size);
    }
}

static void test_reading(void **state)
{
    static const struct { const char *why, *coded; size_t room; bool is_good; size_t size; } rows[] = {
        { "padding may be missing", "Zg", 8, true, 1 },
        { "a sign that is no digit", "Zm9v!", 8, false, 0 },
        { "a line end", "Zm9v\n", 8, false, 0 },
        { "the digits of base64url", "-_-_", 8, false, 0 },
        { "padding in the middle", "Zg==Zg==", 8, false, 0 },
        { "one digit alone says nothing", "Zm9vY", 8, false, 0 },
        { "more than there is room for", "Zm9vYmFy", 5, false, 0 },
        { "just enough room", "Zm9vYmFy", 6, true, 6 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char bytes[16];
        size_t size = 0;
        if (base64_decode(rows[i].coded, strlen(rows[i].coded), bytes, rows[i].room, &size) != rows[i].is_good)
            fail_msg("%s", rows[i].why);
        if (rows[i].is_good && size != rows[i].size)
            fail_msg("%s: %zu bytes", rows[i].why, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_both_ways), cmocka_unit_test(test_reading) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
