#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "memory/identity.h"

#include <string.h>

#define SLICE(literal) { literal, sizeof(literal) - 1 }
#define TEN "0123456789"
#define EIGHTY TEN TEN TEN TEN TEN TEN TEN TEN

static void test_names(void **state)
{
    static const struct { const char *why, *source, *context; struct slice id; const char *want; } rows[] = {
        { "the usual", "default", "ctx", SLICE("107677460544181387647___mft"), "memory~ctx~107677460544181387647___mft" },
        { "another source", "work", "ctx", SLICE("a-b"), "memory~work~ctx~a-b" },
        { "a path must not be one", "default", "a/b", SLICE("../c"), "memory~a%2Fb~%2E%2E%2Fc" },
        { "what looks encoded", "default", "c", SLICE("%2F"), "memory~c~%252F" },
        { "our own mark", "default", "c~d", SLICE("~"), "memory~c%7Ed~%7E" },
        { "NUL and controls", "default", "c", SLICE("a\0b\n\x7F"), "memory~c~a%00b%0A%7F" },
        { "quotes", "default", "c", SLICE("'\"`; --"), "memory~c~%27%22%60%3B%20--" },
        { "emoji", "default", "c", SLICE("\U0001F6A4"), "memory~c~%F0%9F%9A%A4" },
        { "bad bytes", "default", "c", SLICE("\xFF\xC3"), "memory~c~%FF%C3" },
        { "a name that parsers look into", "default", "c", SLICE("x.[native].md"), "memory~c~x%2E%5Bnative%5D%2Emd" },
        { "120 bytes are whole", "default", "c", SLICE(EIGHTY TEN TEN TEN TEN), "memory~c~" EIGHTY TEN TEN TEN TEN },
        { "121 are not", "default", "c", SLICE(EIGHTY TEN TEN TEN TEN "x"), "memory~c~" EIGHTY "-9ad2cc62a9d604d92d1e19533b09f6ec" },
        { "a long context too", EIGHTY TEN TEN TEN TEN "x", EIGHTY TEN TEN TEN TEN "x", SLICE("i"), "memory~" EIGHTY "-9ad2cc62a9d604d92d1e19533b09f6ec~" EIGHTY "-9ad2cc62a9d604d92d1e19533b09f6ec~i" },
        { "the encoded form counts", "default", "c", SLICE("/////////////////////////////////////////"), "memory~c~%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2-bb432be69e6fe66042488d3161e20c64" },
        { "what looks shortened is shortened: nothing else can have that name", "default", "c", SLICE(EIGHTY "-9ad2cc62a9d604d92d1e19533b09f6ec"), "memory~c~" EIGHTY "-b603064ea0587aac435eb7afb59c73cc" },
        { "what only resembles it stays", "default", "c", SLICE(EIGHTY "-0123456789ABCDEF0123456789ABCDEF"), "memory~c~" EIGHTY "-0123456789ABCDEF0123456789ABCDEF" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text name = { 0 };
        text_init(&name, 0);
        identity_document_name(&name, rows[i].source, rows[i].context, rows[i].id);
        if (strcmp(name.data, rows[i].want) != 0)
            fail_msg("%s: got %s", rows[i].why, name.data);
    }
}

struct parts {
    struct text source, context, id;
};

static void parts_init(struct parts *parts)
{
    text_init(&parts->source, 0);
    text_init(&parts->context, 0);
    text_init(&parts->id, 0);
}

static void parts_done(struct parts *parts)
{
    text_done(&parts->source);
    text_done(&parts->context);
    text_done(&parts->id);
}

/* Each byte alone and in company, as context and id: there and back. */
static void test_round_trip(void **state)
{
    static const char *const sources[] = { "default", "work", "a~b", "\xFF" };
    struct parts parts;
    (void)state;

    parts_init(&parts);
    for (int byte = 0; byte < 256 * 4; byte++) {
        AUTO_DONE(text) struct text name = { 0 };
        const char id[] = { (char)byte, 'x', (char)byte, (char)(255 - byte % 256) };
        const char context[] = { 'c', (char)(byte % 256 == 0 ? 1 : byte), '\0' };
        const char *source = sources[byte / 256];
        text_init(&name, 0);
        identity_document_name(&name, source, context, (struct slice){ id, sizeof id });
        if (!identity_parse_name(name.data, &parts.source, &parts.context, &parts.id))
            fail_msg("%s: not read back", name.data);
        assert_string_equal(parts.source.data, source);
        assert_string_equal(parts.context.data, context);
        assert_int_equal(parts.id.size, sizeof id);
        assert_memory_equal(parts.id.data, id, sizeof id);
        assert_int_equal(strspn(name.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%~"), name.size);
    }
    parts_done(&parts);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Random ids of every length around the limits, many of plain bytes, so that both forms of a part are met. */
static void test_random_round_trip(void **state)
{
    enum { ROUNDS = 200000, LONGEST = 160 };
    AUTO_DONE(text) struct text name = { 0 };
    struct parts parts;
    uint32_t seed = 20251218;
    size_t shortened = 0;
    (void)state;

    text_init(&name, 0);
    parts_init(&parts);
    for (int i = 0; i < ROUNDS; i++) {
        char id[LONGEST];
        size_t size = 1 + next_random(&seed) % (i % 3 == 0 ? 8 : LONGEST);
        for (size_t j = 0; j < size; j++)
            id[j] = (char)(i % 2 == 0 ? 'a' + next_random(&seed) % 26 : next_random(&seed));
        text_clear(&name);
        identity_document_name(&name, "default", "c", (struct slice){ id, size });
        if (!identity_parse_name(name.data, &parts.source, &parts.context, &parts.id)) {
            assert_int_equal(name.size, strlen("memory~c~") + 113);
            shortened++;
            continue;
        }
        assert_int_equal(parts.id.size, size);
        assert_memory_equal(parts.id.data, id, size);
    }
    assert_true(shortened > ROUNDS / 10 && shortened < ROUNDS / 2);
    parts_done(&parts);
}

static void test_names_that_are_not_ours(void **state)
{
    static const struct { const char *why, *name; } rows[] = {
        { "nothing", "" },
        { "somebody's file", "report.pdf" },
        { "another beginning", "Memory~c~i" },
        { "no id", "memory~c" },
        { "an empty id", "memory~c~" },
        { "an empty context", "memory~~i" },
        { "four parts", "memory~s~c~i~j" },
        { "the default source is never written", "memory~default~c~i" },
        { "a byte that we would encode", "memory~c~a.b" },
        { "small digits", "memory~c~%2f" },
        { "a plain byte that is encoded", "memory~c~%41" },
        { "half an escape", "memory~c~%2" },
        { "an escape of nothing", "memory~c~%" },
        { "an escape that reaches over the mark", "memory~c%2~F" },
        { "no digits", "memory~c~%GG" },
        { "a shortened id", "memory~c~" EIGHTY "-0123456789abcdef0123456789abcdef" },
        { "too long for a part", "memory~c~" EIGHTY TEN TEN TEN TEN "x" },
    };
    struct parts parts;
    (void)state;

    parts_init(&parts);
    (void)text_append(&parts.source, "s");
    (void)text_append(&parts.context, "c");
    (void)text_append(&parts.id, "i");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (identity_parse_name(rows[i].name, &parts.source, &parts.context, &parts.id))
            fail_msg("%s: %s was taken for ours", rows[i].why, rows[i].name);
        assert_string_equal(parts.source.data, "s"); /* untouched */
        assert_string_equal(parts.context.data, "c");
        assert_string_equal(parts.id.data, "i");
    }
    parts_done(&parts);
}

static void test_first_line(void **state)
{
    static const uint8_t revision[SHA256_SIZE] = { 0x9F, 0x86, 0xD0, 0x81, 0x88, 0x4C, 0x7D };
    AUTO_DONE(text) struct text line = { 0 };
    char mark[REVISION_MARK_SIZE];
    char found[REVISION_MARK_SIZE];
    (void)state;

    text_init(&line, 0);
    identity_revision_mark(revision, mark);
    assert_string_equal(mark, "9f86d081884c");
    identity_first_line(&line, "c/d", (struct slice)SLICE("a]b 1"), mark);
    assert_string_equal(line.data, "[memory://c%2Fd/a%5Db%201 revision 9f86d081884c]");
    assert_true(identity_find_mark(line.data, line.size, found));
    assert_string_equal(found, mark);
    text_clear(&line);
    identity_address(&line, "c", (struct slice)SLICE("i"));
    assert_string_equal(line.data, "memory://c/i");
}

/* However long the id, the mark stands within what a listing shows. */
static void test_long_first_line(void **state)
{
    AUTO_STRING char *id = mem_resize(NULL, MEMORY_ID_MAXIMUM, 1);
    (void)state;

    memset(id, '/', MEMORY_ID_MAXIMUM);
    for (size_t size = 1; size <= MEMORY_ID_MAXIMUM; size = size < 200 ? size + 1 : size * 3) {
        AUTO_DONE(text) struct text line = { 0 };
        AUTO_DONE(text) struct text address = { 0 };
        char found[REVISION_MARK_SIZE];
        text_init(&line, 0);
        text_init(&address, 0);
        identity_address(&address, "c", (struct slice){ id, size });
        identity_first_line(&line, "c", (struct slice){ id, size }, "0123456789ab");
        assert_int_equal(line.size, 1 + (address.size < 160 ? address.size : 160) + 10 + 12 + 1);
        assert_true((strstr(line.data, "...") != NULL) == (address.size > 160));
        assert_memory_equal(line.data + 1, address.data, address.size < 78 ? address.size : 78);
        assert_true(identity_find_mark(line.data, line.size < 250 ? line.size : 250, found));
        assert_string_equal(found, "0123456789ab");
    }
}

static void test_find_mark(void **state)
{
    static const struct { const char *why, *summary, *want; } rows[] = {
        { "with the text behind it", "[memory://c/i revision 0123456789ab]\n---\nMemory Record", "0123456789ab" },
        { "nothing else", "[memory://c/i revision 0123456789ab]", "0123456789ab" },
        { "nothing", "", NULL },
        { "cut in the mark", "[memory://c/i revision 0123456789a", NULL },
        { "cut before the bracket", "[memory://c/i revision 0123456789ab", NULL },
        { "somebody's text", "Memories of [memory://c/i revision 0123456789ab]", NULL },
        { "another kind of address", "[memory:/c/i revision 0123456789ab]", NULL },
        { "too few digits", "[memory://c/i revision 0123456789a]", NULL },
        { "too many digits", "[memory://c/i revision 0123456789abc]", NULL },
        { "capitals", "[memory://c/i revision 0123456789AB]", NULL },
        { "no word", "[memory://c/i 0123456789ab]", NULL },
        { "short", "[memory://]", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t size = strlen(rows[i].summary);
        AUTO_STRING char *exact = mem_resize(NULL, size > 0 ? size : 1, 1);
        char mark[REVISION_MARK_SIZE] = "untouched";
        bool found;
        memcpy(exact, rows[i].summary, size);
        found = identity_find_mark(exact, size, mark);
        if (found != (rows[i].want != NULL) || strcmp(mark, found ? rows[i].want : "untouched") != 0)
            fail_msg("%s: got %s", rows[i].why, mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_random_round_trip),
        cmocka_unit_test(test_names_that_are_not_ours),
        cmocka_unit_test(test_first_line),
        cmocka_unit_test(test_long_first_line),
        cmocka_unit_test(test_find_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
