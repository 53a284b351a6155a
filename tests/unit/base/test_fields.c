#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fields.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct pet {
    char *name, *note;
    int64_t legs;
};

struct record {
    char *string, *secret, *url;
    bool boolean;
    int64_t integer, size, duration, below;
    double number;
    int choice;
    struct field_list list;
    struct field_array pets, named;
    char *off;
};

#define AT(member) offsetof(struct record, member)
static const char *const colours[] = { "red", "green", NULL };
static const struct field pet_fields[] = {
    { .name = "note", .type = FIELD_STRING, .offset = offsetof(struct pet, note), .fallback = "good" },
    { .name = "legs", .type = FIELD_INTEGER, .offset = offsetof(struct pet, legs), .fallback = "4", .min = 0, .max = 100 },
};
static const struct field below_fields[] = {
    { .name = "below", .type = FIELD_INTEGER, .offset = AT(below), .fallback = "7" },
};
static const struct field_group below_group = { .name = "deeper", .fields = below_fields, .field_count = 1 };
static const struct field_group pets_group = { .name = "pets", .kind = GROUP_LIST, .fields = pet_fields, .field_count = 2, .offset = AT(pets), .size = sizeof(struct pet) };
static const struct field_group named_group = { .name = "named", .kind = GROUP_MAP, .fields = pet_fields, .field_count = 2, .offset = AT(named), .size = sizeof(struct pet),
                                                .name_offset = offsetof(struct pet, name) };
static const struct field_group *const groups[] = { &below_group, &pets_group, &named_group, NULL };
static const struct field fields[] = {
    { .name = "string", .type = FIELD_STRING, .offset = AT(string), .fallback = "abc" },
    { .name = "api_key", .type = FIELD_SECRET, .offset = AT(secret) },
    { .name = "url", .type = FIELD_URL, .offset = AT(url), .fallback = "http://localhost:1/" },
    { .name = "boolean", .type = FIELD_BOOLEAN, .offset = AT(boolean), .fallback = "true" },
    { .name = "integer", .type = FIELD_INTEGER, .offset = AT(integer), .fallback = "5", .min = 1, .max = 1000 },
    { .name = "number", .type = FIELD_NUMBER, .offset = AT(number), .fallback = "2.5", .min = 1, .max = 10 },
    { .name = "size", .type = FIELD_SIZE, .offset = AT(size), .fallback = "8MiB", .min = 1024, .max = 64 * 1048576.0 },
    { .name = "duration", .type = FIELD_DURATION, .offset = AT(duration), .fallback = "30", .min = 1000, .max = 86400000 },
    { .name = "choice", .type = FIELD_CHOICE, .offset = AT(choice), .choices = colours, .fallback = "green" },
    { .name = "list", .type = FIELD_LIST, .offset = AT(list), .fallback = "a,b" },
    { .name = "off", .type = FIELD_STRING, .offset = AT(off), .only = "", .why = "this is not in this release" },
};
static const struct field_group root = { .name = "", .fields = fields, .field_count = ARRAY_LENGTH(fields), .groups = groups };

static void free_record(struct record **record)
{
    fields_free(&root, *record);
    mem_free(*record);
}

static void test_defaults(void **state)
{
    __attribute__((cleanup(free_record))) struct record *record = mem_alloc(sizeof *record);
    struct pet *pet;
    (void)state;

    fields_set_defaults(&root, record);
    assert_string_equal(record->string, "abc");
    assert_string_equal(record->secret, ""); /* never NULL */
    assert_string_equal(record->url, "http://localhost:1");
    assert_true(record->boolean);
    assert_int_equal(record->size, 8 << 20);
    assert_int_equal(record->duration, 30000);
    assert_int_equal(record->choice, 1);
    assert_int_equal(record->list.count, 2);
    assert_int_equal(record->below, 7);
    assert_int_equal(record->pets.count, 0);
    pet = field_array_add(&pets_group, record);
    assert_string_equal(pet->note, "good");
    pet = field_array_add(&named_group, record);
    pet->name = mem_copy_string("rex"); /* freed with the record */
    assert_int_equal(pet->legs, 4);
}

static void test_values(void **state)
{
    static const struct { const char *field, *text, *shown; } rows[] = { /* shown: how it is printed again; NULL: refused */
        { "boolean", "true", "true" }, { "boolean", "FALSE", "false" },
        { "boolean", "no", NULL }, { "boolean", "on", NULL }, { "boolean", "1", NULL }, { "boolean", "", NULL }, /* only two words mean it */
        { "integer", "17", "17" }, { "integer", "017", "17" }, { "integer", "1e2", "100" },
        { "integer", "0", NULL }, { "integer", "1001", NULL }, { "integer", "1.5", NULL }, { "integer", "0o17", NULL }, { "integer", "0x10", NULL },
        { "integer", "1_000", NULL }, { "integer", "12:30:45", NULL }, { "integer", "", NULL }, { "integer", " 5", NULL }, { "integer", "+5", NULL },
        { "integer", "nan", NULL }, { "integer", ".inf", NULL }, { "integer", "1e999", NULL }, { "integer", "5s", NULL }, { "integer", "five", NULL },
        { "number", "1.5", "1.5" }, { "number", "10", "10" }, { "number", "10.1", NULL }, { "number", "-1", NULL }, { "number", "1,5", NULL },
        { "size", "1024", "1KiB" }, { "size", "8MiB", "8MiB" }, { "size", "8 mib", "8MiB" }, { "size", "1.5KiB", "1536B" }, { "size", "1MB", "1000000B" },
        { "size", "1000", NULL }, { "size", "1GiB", NULL }, { "size", "8M", NULL }, { "size", "-1MiB", NULL }, { "size", "99999999999TiB", NULL },
        { "duration", "30", "30s" }, { "duration", "1.5", "1500ms" }, { "duration", "90s", "90s" }, { "duration", "5m", "5m" }, { "duration", "60m", "1h" },
        { "duration", "24h", "1d" }, { "duration", "1d", "1d" }, { "duration", "1500ms", "1500ms" }, { "duration", "2min", "2m" },
        { "duration", "0", NULL }, { "duration", "999ms", NULL }, { "duration", "2d", NULL }, { "duration", "1w", NULL }, { "duration", "1e9h", NULL },
        { "duration", "1h30m", NULL }, { "duration", "soon", NULL }, { "duration", "5 fortnights", NULL }, { "duration", "PT5M", NULL },
        { "choice", "red", "red" }, { "choice", "GREEN", "green" }, { "choice", "blue", NULL }, { "choice", "", NULL }, { "choice", "re", NULL },
        { "url", "http://localhost:9621/", "http://localhost:9621" }, { "url", "https://x/lightrag/", "https://x/lightrag" }, { "url", "", "" },
        { "url", "localhost:9621", NULL }, { "url", "ftp://x", NULL }, { "url", "http://", NULL }, { "url", "http://x?a=1", NULL },
        { "url", "http://x#a", NULL }, { "url", "http://u:p@x", NULL }, { "url", "file:///etc/passwd", NULL },
        { "string", "no", "no" }, { "string", "012", "012" }, { "string", "", "" },
        { "list", "a, b,, c d ", "a, b, c d" }, { "list", "", "" },
        { "api_key", "k", "***" }, { "api_key", "", "" }, { "api_key", "two\nlines", NULL }, { "api_key", "ends\r", NULL },
        { "off", "", "" }, { "off", "x", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        __attribute__((cleanup(free_record))) struct record *record = mem_alloc(sizeof *record);
        AUTO_DONE(text) struct text before = { 0 };
        AUTO_DONE(text) struct text after = { 0 };
        const struct field *field = fields_find(&root, rows[i].field);
        struct error err = { 0 };
        int result;
        fields_set_defaults(&root, record);
        text_init(&before, 0);
        text_init(&after, 0);
        field_print(field, record, &before);
        result = field_set(field, record, rows[i].text, &err);
        field_print(field, record, &after);
        if ((result == 0) != (rows[i].shown != NULL) || strcmp(after.data, rows[i].shown != NULL ? rows[i].shown : before.data) != 0)
            fail_msg("%s: \"%s\" gave %d and \"%s\" (%s)", rows[i].field, rows[i].text, result, after.data, err.message);
        if (result < 0 && (err.kind != ERROR_CONFIG || err.message[0] == '\0'))
            fail_msg("%s: \"%s\": no message", rows[i].field, rows[i].text);
    }
}

static void test_messages(void **state)
{
    static const struct { const char *field, *text, *want; } rows[] = {
        { "integer", "many", "\"many\" is not a whole number" },
        { "integer", "0", "\"0\" is out of range: 1 to 1000" },
        { "duration", "2d", "\"2d\" is out of range: 1s to 1d" },
        { "size", "1", "\"1\" is out of range: 1KiB to 64MiB" },
        { "boolean", "yes", "\"yes\" is neither true nor false" },
        { "choice", "blue", "\"blue\" is not one of red, green" },
        { "off", "on", "\"on\" is not possible: this is not in this release; leave it empty" },
        { "url", "ftp://x", "\"ftp://x\" is no URL for a server: only http and https are possible" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        __attribute__((cleanup(free_record))) struct record *record = mem_alloc(sizeof *record);
        struct error err = { 0 };
        fields_set_defaults(&root, record);
        assert_int_equal(field_set(fields_find(&root, rows[i].field), record, rows[i].text, &err), -1);
        assert_string_equal(err.message, rows[i].want);
    }
}

/* What came out of a variable may be a key that was put into the wrong place. */
static void test_unseen_values_stay_unseen(void **state)
{
    static const char *const names[] = { "api_key", "url", "boolean", "integer", "number", "size", "duration", "choice", "off" };
    static const char secret[] = "hunter2\n";
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        __attribute__((cleanup(free_record))) struct record *record = mem_alloc(sizeof *record);
        struct error err = { 0 };
        fields_set_defaults(&root, record);
        assert_int_equal(field_set_unseen(fields_find(&root, names[i]), record, secret, &err), -1);
        if (strstr(err.message, "hunter2") != NULL || strncmp(err.message, "the ", 4) != 0)
            fail_msg("%s: %s", names[i], err.message);
    }
    {
        __attribute__((cleanup(free_record))) struct record *record = mem_alloc(sizeof *record);
        static const struct field refused = { .name = "password", .type = FIELD_SECRET, .offset = AT(secret), .only = "", .why = "accounts are not in this release" };
        static const char *const urls[] = { "http://me:hunter2@x", "ftp://me:hunter2@x", "http://me:hunter2 @x:y" };
        struct error err = { 0 };
        fields_set_defaults(&root, record);
        assert_int_equal(field_set(&refused, record, "hunter2", &err), -1);
        assert_null(strstr(err.message, "hunter2"));
        for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
            assert_int_equal(field_set(fields_find(&root, "url"), record, urls[i], &err), -1);
            assert_null(strstr(err.message, "hunter2"));
        }
    }
}

static void test_distance(void **state)
{
    static const struct { const char *a, *b; size_t want; } rows[] = {
        { "", "", 0 }, { "url", "url", 0 }, { "ulr", "url", 1 }, { "ur", "url", 1 }, { "uurl", "url", 1 }, { "irl", "url", 1 }, { "", "url", 3 },
        { "kitten", "sitting", 3 }, { "abcd", "badc", 2 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (edit_distance(rows[i].a, rows[i].b) != rows[i].want || edit_distance(rows[i].b, rows[i].a) != rows[i].want)
            fail_msg("%s, %s: %zu", rows[i].a, rows[i].b, edit_distance(rows[i].a, rows[i].b));
    }
}

static void test_distance_of_long_names(void **state)
{
    char a[1001], b[1001];
    (void)state;

    memset(a, 'a', 1000);
    memset(b, 'b', 1000);
    a[1000] = b[1000] = '\0';
    assert_true(edit_distance(a, b) > 3); /* only bounded work, and no overrun */
    assert_null(fields_nearest(&root, a));
}

static void test_nearest(void **state)
{
    static const struct { const char *name, *want; } rows[] = {
        { "ulr", "url" }, { "intger", "integer" }, { "apikey", "api_key" }, { "depper", "deeper" }, { "pet", "pets" },
        { "x", NULL }, { "", NULL }, { "something_else", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *nearest = fields_nearest(&root, rows[i].name);
        if ((nearest == NULL) != (rows[i].want == NULL) || (nearest != NULL && strcmp(nearest, rows[i].want) != 0))
            fail_msg("%s: %s", rows[i].name, nearest != NULL ? nearest : "none");
    }
    assert_null(fields_find(&root, "deeper"));
    assert_ptr_equal(fields_find_group(&root, "deeper"), &below_group);
    assert_null(fields_find_group(&root, "url"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_unseen_values_stay_unseen),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_distance_of_long_names),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
