/* Shapes that real Memory APIs send, and what they are taken as; identity and revision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "memory/identity.h"
#include "memory/memory.h"
#include "memory/sanitise.h"

#include <stdio.h>
#include <string.h>

static struct slice slice(const char *text)
{
    return (struct slice){ text, strlen(text) };
}

static bool is(struct slice got, const char *want)
{
    return got.size == strlen(want) && memcmp(got.data, want, got.size) == 0;
}

/* want: id|type|flags|transcript|location|created, or the beginning of the error after "!" */
static void describe(const struct memory *m, char *out, size_t room)
{
    char location[80] = "-";

    if (m->has_location)
        (void)snprintf(location, sizeof location, "%.4f,%.4f", m->latitude, m->longitude);
    (void)snprintf(out, room, "%.*s|%.*s|%s%s|%.*s|%s|%lld", (int)m->id.size, m->id.data, (int)m->type.size, m->type.data, m->has_audio ? "a" : "",
                   m->has_image ? "i" : "", (int)m->transcript.size, m->transcript.data, location, m->has_created ? (long long)m->created_ms : -1LL);
}

static void test_shapes(void **state)
{
    static const struct { const char *why, *json, *want; } rows[] = {
        { "usual", "{\"id\":\"a\",\"type\":\"note\",\"audio\":true,\"image\":false,\"transcript\":\"Hi\",\"location_lat\":53.5459,\"location_lon\":9.9663,"
                   "\"created_at\":\"2025-12-18T14:30:00Z\"}", "a|note|a|Hi|53.5459,9.9663|1766068200000" },
        { "id only", "{\"id\":\"a\"}", "a|record|||-|-1" },
        { "number id", "{\"id\":42}", "42|record|||-|-1" },
        { "long number id is kept as written", "{\"id\":107677460544181387647107677460544181387647}", "107677460544181387647107677460544181387647|record|||-|-1" },
        { "1e400 loses no memory", "{\"id\":1e400}", "1e400|record|||-|-1" },
        { "id with blanks is kept", "{\"id\":\" a \"}", " a |record|||-|-1" },
        { "id missing", "{\"type\":\"note\"}", "!id: missing" },
        { "id null", "{\"id\":null}", "!id: missing" },
        { "id empty", "{\"id\":\"\"}", "!id: empty" },
        { "id list", "{\"id\":[1]}", "!id: neither" },
        { "id boolean", "{\"id\":true}", "!id: neither" },
        { "not an object", "5", "!not an object" },
        { "null", "null", "!not an object" },
        { "list", "[]", "!not an object" },
        { "type null", "{\"id\":1,\"type\":null}", "1|record|||-|-1" },
        { "type of another kind", "{\"id\":1,\"type\":[]}", "1|record|||-|-1" },
        { "audio as text", "{\"id\":1,\"audio\":\"true\",\"image\":\"false\"}", "1|record|a||-|-1" },
        { "audio as URL", "{\"id\":1,\"audio\":\"https://x/y.ogg\",\"image\":\"\"}", "1|record|a||-|-1" },
        { "audio as number", "{\"id\":1,\"audio\":1,\"image\":0}", "1|record|a||-|-1" },
        { "audio no", "{\"id\":1,\"audio\":\"no\",\"image\":\"NO\"}", "1|record|||-|-1" },
        { "audio null, image object", "{\"id\":1,\"audio\":null,\"image\":{}}", "1|record|||-|-1" },
        { "transcript null", "{\"id\":1,\"transcript\":null}", "1|record|||-|-1" },
        { "transcript blank", "{\"id\":1,\"transcript\":\" \\n\\t\\u00a0\\u3000 \"}", "1|record|||-|-1" },
        { "transcript trimmed, CR LF", "{\"id\":1,\"transcript\":\" a\\r\\nb\\rc \"}", "1|record||a\nb\nc|-|-1" },
        { "transcript number", "{\"id\":1,\"transcript\":17}", "1|record||17|-|-1" },
        { "transcript object", "{\"id\":1,\"transcript\":{}}", "!transcript: neither" },
        { "control characters go", "{\"id\":1,\"transcript\":\"a\\u0001b\\u0085c\\u007fd\"}", "1|record||abcd|-|-1" },
        { "NUL is shown", "{\"id\":1,\"transcript\":\"a\\u0000b\"}", "1|record||a\xEF\xBF\xBD" "b|-|-1" },
        { "lone surrogate escape", "{\"id\":1,\"transcript\":\"a\\ud800b\"}", "1|record||a\xEF\xBF\xBD" "b|-|-1" },
        { "surrogate pair is kept", "{\"id\":1,\"transcript\":\"\\ud83d\\ude00\"}", "1|record||\xF0\x9F\x98\x80|-|-1" },
        { "invalid UTF-8", "{\"id\":1,\"transcript\":\"a\xFF" "b\xC0\xAF\"}", "1|record||a\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD|-|-1" },
        { "raw surrogate bytes", "{\"id\":1,\"transcript\":\"\xED\xA0\x80\"}", "1|record||\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|-|-1" },
        { "location as text", "{\"id\":1,\"location_lat\":\"1.5\",\"location_lon\":\" -2.5 \"}", "1|record|||1.5000,-2.5000|-1" },
        { "location 0/0", "{\"id\":1,\"location_lat\":0,\"location_lon\":0.0}", "1|record|||-|-1" },
        { "location half", "{\"id\":1,\"location_lat\":1}", "1|record|||-|-1" },
        { "location out of range", "{\"id\":1,\"location_lat\":91,\"location_lon\":0}", "1|record|||-|-1" },
        { "location infinite", "{\"id\":1,\"location_lat\":1e999,\"location_lon\":0}", "1|record|||-|-1" },
        { "location words", "{\"id\":1,\"location_lat\":\"north\",\"location_lon\":\"0x10\"}", "1|record|||-|-1" },
        { "naive time is UTC", "{\"id\":1,\"created_at\":\"2025-12-18T14:30:00\"}", "1|record|||-|1766068200000" },
        { "fraction and offset", "{\"id\":1,\"created_at\":\"2025-12-18T15:30:00.25+01:00\"}", "1|record|||-|1766068200250" },
        { "year 0", "{\"id\":1,\"created_at\":\"0000-01-01T00:00:00Z\"}", "1|record|||-|-62167219200000" },
        { "leap second", "{\"id\":1,\"created_at\":\"2016-12-31T23:59:60Z\"}", "1|record|||-|1483228800000" },
        { "no time", "{\"id\":1,\"created_at\":\"yesterday\"}", "1|record|||-|-1" },
        { "February 30", "{\"id\":1,\"created_at\":\"2025-02-30T00:00:00Z\"}", "1|record|||-|-1" },
        { "the first of a repeated key", "{\"id\":\"a\",\"id\":\"b\"}", "a|record|||-|-1" },
        { "unknown keys are ignored", "{\"id\":1,\"x\":{\"y\":[1,2]}}", "1|record|||-|-1" },
        { "broken JSON", "{\"id\":1,}", "!JSON: " },
        { "cut", "{\"id\":\"", "!JSON: " },
        { "nothing", "", "!JSON: " },
    };
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct memory memory;
        struct error err = { 0 };
        char got[500];
        if (memory_decode(decoder, rows[i].json, strlen(rows[i].json), &memory, &err) < 0)
            (void)snprintf(got, sizeof got, "!%s", err.message);
        else
            describe(&memory, got, sizeof got);
        if (rows[i].want[0] == '!' ? strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 : strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got %s, want %s", rows[i].why, got, rows[i].want);
    }
}

static void test_depth(void **state)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text json = { 0 };
    struct memory memory;
    struct error err = { 0 };
    (void)state;

    text_init(&json, 0);
    (void)text_append(&json, "{\"id\":1,\"x\":");
    for (int i = 0; i < 1000000; i++)
        (void)text_append_char(&json, '[');
    assert_int_equal(memory_decode(decoder, json.data, json.size, &memory, &err), -1);
    assert_non_null(strstr(err.message, "nested deeper"));
}

static void decode(struct memory_decoder *decoder, const char *json, uint8_t revision[SHA256_SIZE])
{
    struct memory memory;
    struct error err = { 0 };

    if (memory_decode(decoder, json, strlen(json), &memory, &err) < 0)
        fail_msg("%s: %s", json, err.message);
    memory_revision(&memory, revision);
}

static void test_revision(void **state)
{
    static const char base[] = "{\"id\":\"a\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}";
    static const struct { const char *why, *json; bool is_same; } rows[] = {
        { "the order of keys", "{\"tags\":[\"x\",\"y\"],\"created_at\":\"2025-12-18T14:30:00Z\",\"transcript\":\"Hi\",\"id\":\"a\"}", true },
        { "another spelling of the time", "{\"id\":\"a\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T15:30:00+01:00\",\"tags\":[\"x\",\"y\"]}", true },
        { "defaults written out", "{\"id\":\"a\",\"type\":\"record\",\"audio\":false,\"transcript\":\" Hi \",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", true },
        { "updated_at does not reach the text", "{\"id\":\"a\",\"updated_at\":\"2026\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", true },
        { "another word", "{\"id\":\"a\",\"transcript\":\"Ho\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", false },
        { "a second later", "{\"id\":\"a\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:01Z\",\"tags\":[\"x\",\"y\"]}", false },
        { "tags joined otherwise", "{\"id\":\"a\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"xy\"]}", false },
        { "audio came", "{\"id\":\"a\",\"audio\":true,\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", false },
        { "a description", "{\"id\":\"a\",\"description\":\"d\",\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", false },
        { "a place", "{\"id\":\"a\",\"location_lat\":1,\"location_lon\":1,\"transcript\":\"Hi\",\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"x\",\"y\"]}", false },
    };
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    uint8_t want[SHA256_SIZE];
    uint8_t got[SHA256_SIZE];
    (void)state;

    decode(decoder, base, want);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        decode(decoder, rows[i].json, got);
        if ((memcmp(want, got, sizeof got) == 0) != rows[i].is_same)
            fail_msg("%s", rows[i].why);
    }
}

/* ---- Identity ---- */

static void test_names(void **state)
{
    static const struct { const char *source, *context, *id, *want; } rows[] = {
        { "default", "ctx1", "42", "memory~ctx1~42" },
        { "default", "a b", "../x", "memory~a%20b~%2E%2E%2Fx" },
        { "other", "c", "~", "memory~other~c~%7E" },
        { "default", "c", "\n\xC3\xA9", "memory~c~%0A%C3%A9" },
        { "default", "c", "107677460544181387647___mft", "memory~c~107677460544181387647___mft" },
    };
    AUTO_DONE(text) struct text name = { 0 };
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };
    (void)state;

    text_init(&name, 0);
    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&id, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        text_clear(&name);
        identity_document_name(&name, rows[i].source, rows[i].context, slice(rows[i].id));
        assert_string_equal(name.data, rows[i].want);
        assert_true(identity_parse_name(name.data, &source, &context, &id));
        assert_string_equal(source.data, rows[i].source);
        assert_string_equal(context.data, rows[i].context);
        assert_string_equal(id.data, rows[i].id);
    }
}

static void test_long_parts_are_shortened_and_differ(void **state)
{
    char long_id[401];
    AUTO_DONE(text) struct text a = { 0 };
    AUTO_DONE(text) struct text b = { 0 };
    AUTO_DONE(text) struct text part = { 0 };
    (void)state;

    memset(long_id, 'x', 400);
    long_id[400] = '\0';
    text_init(&a, 0);
    text_init(&b, 0);
    text_init(&part, 0);
    identity_document_name(&a, "default", "c", slice(long_id));
    long_id[399] = 'y';
    identity_document_name(&b, "default", "c", slice(long_id));
    assert_int_equal(a.size, strlen("memory~c~") + 80 + 1 + 32);
    assert_string_not_equal(a.data, b.data);
    assert_false(identity_parse_name(a.data, &part, &part, &part));
}

static void test_names_that_are_not_ours(void **state)
{
    static const char *const names[] = { "", "memory", "memory~", "memory~a", "memory://a/b", "memory~a~b~c~d", "memory~a~%", "memory~a~%2", "memory~a~%zz", "memory~a~%41",
                                         "memory~a~b c", "memory~~b", "notes.txt" };
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };
    (void)state;

    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&id, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (identity_parse_name(names[i], &source, &context, &id))
            fail_msg("\"%s\" was taken as ours", names[i]);
}

static void test_marks(void **state)
{
    char long_id[600];
    char mark[REVISION_MARK_SIZE] = "";
    uint8_t revision[SHA256_SIZE] = { 0xAB, 0xCD, 0xEF, 1, 2, 3 };
    AUTO_DONE(text) struct text line = { 0 };
    (void)state;

    text_init(&line, 0);
    identity_revision_mark(revision, mark);
    assert_string_equal(mark, "abcdef010203");
    memset(long_id, 'k', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    identity_first_line(&line, "ctx", slice(long_id), mark);
    assert_true(line.size <= 250); /* what a listing shows */
    memset(mark, 0, sizeof mark);
    assert_true(identity_find_mark(line.data, line.size, mark));
    assert_string_equal(mark, "abcdef010203");
    static const char *const others[] = { "", "hello", "[memory://c/1]", "[memory://c/1 revision 12]", "[memory://c/1 revision abcdef01020G]", "[memory://c/1 rev",
                                          "x[memory://c/1 revision abcdef010203]", "[DUPLICATE:filename] Original document: doc-1" };
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        if (identity_find_mark(others[i], strlen(others[i]), mark))
            fail_msg("a mark was found in \"%s\"", others[i]);
}

/* ---- Sanitising ---- */

static void test_sanitise(void **state)
{
    static const struct { const char *why; const char *in; size_t size; const char *want; } rows[] = {
        { "clean", "a\tb\nc \xE2\x82\xAC", 9, "a\tb\nc \xE2\x82\xAC" },
        { "CR LF and CR", "a\r\nb\rc\r\n\r\n", 10, "a\nb\nc\n\n" },
        { "NUL", "a\0b", 3, "a\xEF\xBF\xBD" "b" },
        { "control", "\x1B[31m\x7F", 6, "[31m" },
        { "noncharacters", "\xEF\xBF\xBE\xEF\xBF\xBF!", 7, "!" },
        { "overlong", "\xC0\x80", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "cut sequence", "\xF0\x9F\x98", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
    };
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        text_clear(&out);
        sanitise_append(&out, rows[i].in, rows[i].size);
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].why, out.data);
    }
    assert_true(is(sanitise_trim(slice(" \t\xC2\xA0" "a b\xE3\x80\x80\n")), "a b"));
    assert_true(is(sanitise_trim(slice(" \n ")), ""));
    assert_true(is(sanitise_trim(slice("\xEF\xBB\xBF" "x")), "x"));
    text_clear(&out);
    assert_false(sanitise_json(&out, "\"a\\n\\u0041\"", 11));
    text_clear(&out);
    assert_true(sanitise_json(&out, "\"\\udc00\\ud800\\u0041\\\\\"", 23 - 1));
    assert_string_equal(out.data, "\"\\ufffd\\ufffd\\u0041\\\\\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_revision),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_parts_are_shortened_and_differ),
        cmocka_unit_test(test_names_that_are_not_ours),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_sanitise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
