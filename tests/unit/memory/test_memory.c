#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/time_text.h"
#include "memory/memory.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>

#define BAD "\xEF\xBF\xBD"

static void describe_slice(struct text *out, const char *name, struct slice slice)
{
    if (slice.size == 0)
        return;
    (void)text_append_format(out, " %s<", name);
    (void)text_append_bytes(out, slice.data, slice.size);
    (void)text_append(out, ">");
}

static void describe_time(struct text *out, const char *name, struct slice raw, bool has, int64_t ms)
{
    char words[TIME_TEXT_SIZE];

    describe_slice(out, name, raw);
    if (!has)
        return;
    time_text_rfc3339(ms, words);
    (void)text_append_format(out, "=%s", words);
}

/* A memory in one line: id and type, then every fact that it has. */
static void describe(struct text *out, const struct memory *memory)
{
    char latitude[MEMORY_DEGREES_SIZE], longitude[MEMORY_DEGREES_SIZE];

    (void)text_append_bytes(out, memory->id.data, memory->id.size);
    (void)text_append(out, " ");
    (void)text_append_bytes(out, memory->type.data, memory->type.size);
    (void)text_append(out, memory->has_audio ? " audio" : "");
    (void)text_append(out, memory->has_image ? " image" : "");
    describe_slice(out, "text", memory->transcript);
    if (memory->has_location) {
        memory_degrees_text(memory->latitude, latitude);
        memory_degrees_text(memory->longitude, longitude);
        (void)text_append_format(out, " at(%s %s)", latitude, longitude);
    }
    describe_time(out, "created", memory->created_raw, memory->has_created, memory->created_ms);
    describe_time(out, "updated", memory->updated_raw, memory->has_updated, memory->updated_ms);
    for (size_t i = 0; i < memory->tag_count; i++)
        describe_slice(out, "tag", memory->tags[i]);
    describe_slice(out, "description", memory->description);
    describe_slice(out, "collection", memory->collection);
}

static void decode(struct memory_decoder *decoder, const char *json, size_t size, struct text *ret_line)
{
    AUTO_STRING char *exact = mem_resize(NULL, size > 0 ? size : 1, 1); /* no NUL behind it: a sanitizer sees a step over its end */
    struct memory memory;
    struct error err = { 0 };

    memcpy(exact, json, size);
    text_clear(ret_line);
    if (memory_decode(decoder, exact, size, &memory, &err) == 0) {
        describe(ret_line, &memory);
    } else {
        assert_int_equal(err.kind, ERROR_FAILED);
        (void)text_append_format(ret_line, "! %s", err.message);
    }
}

struct row {
    const char *why, *json, *want;
};

/* "*" stands for the parser's own words, which differ between its versions. */
static bool is_as_wanted(const char *got, const char *want)
{
    const char *star = strchr(want, '*');
    size_t head = star != NULL ? (size_t)(star - want) : 0;
    size_t tail = star != NULL ? strlen(star + 1) : 0;

    if (star == NULL)
        return strcmp(got, want) == 0;
    return strlen(got) > head + tail && strncmp(got, want, head) == 0 && strcmp(got + strlen(got) - tail, star + 1) == 0;
}

/* Once in a decoder of their own, once all in the same one: nothing of an element stays for the next. */
static void expect_rows(const struct row *rows, size_t count)
{
    AUTO(memory_decoder) struct memory_decoder *shared = memory_decoder_new();
    AUTO_DONE(text) struct text line = { 0 };

    text_init(&line, 0);
    for (size_t i = 0; i < count; i++) {
        AUTO(memory_decoder) struct memory_decoder *own = memory_decoder_new();
        decode(own, rows[i].json, strlen(rows[i].json), &line);
        if (!is_as_wanted(line.data, rows[i].want))
            fail_msg("%s\n in: %s\ngot: %s\nwant: %s", rows[i].why, rows[i].json, line.data, rows[i].want);
        decode(shared, rows[i].json, strlen(rows[i].json), &line);
        if (!is_as_wanted(line.data, rows[i].want))
            fail_msg("%s, in a decoder that was used before\ngot: %s\nwant: %s", rows[i].why, line.data, rows[i].want);
    }
}

static void test_ids_and_types(void **state)
{
    static const struct row rows[] = {
        { "only an id", "{\"id\":\"m\"}", "m record" },
        { "a number as it is written", "{\"id\":12345678901234567890123}", "12345678901234567890123 record" },
        { "a number with a fraction", "{\"id\":1.50}", "1.50 record" },
        { "a number that no double holds", "{\"id\":1e999}", "1e999 record" },
        { "any characters", "{\"id\":\"../a/b?~%2F #1\\\"\\\\'\"}", "../a/b?~%2F #1\"\\' record" },
        { "emoji and right to left", "{\"id\":\"\\ud83d\\udea4\\u202e\"}", "\U0001F6A4\u202E record" },
        { "blanks belong to it", "{\"id\":\" a\\r\\n \"}", " a\r\n  record" },
        { "bad bytes belong to it: two such ids are two memories", "{\"id\":\"caf\xE9\",\"transcript\":\"caf\xE9\"}", "caf\xE9 record text<caf" BAD ">" },
        { "half of a pair cannot be kept", "{\"id\":\"a\\ud800b\"}", "a" BAD "b record" },
        { "missing", "{\"type\":\"note\"}", "! id: missing" },
        { "null", "{\"id\":null}", "! id: missing" },
        { "empty", "{\"id\":\"\"}", "! id: empty" },
        { "true", "{\"id\":true}", "! id: neither a string nor a number" },
        { "a list", "{\"id\":[\"m\"]}", "! id: neither a string nor a number" },
        { "an object", "{\"id\":{\"$oid\":\"m\"}}", "! id: neither a string nor a number" },
        { "the first of a repeated key counts", "{\"id\":\"a\",\"id\":\"b\",\"type\":null,\"type\":\"note\"}", "a record" },
        { "the key by its meaning", "{\"\\u0069d\":\"a\"}", "a record" },
        { "keys are exact", "{\"ID\":\"a\",\"Id\":\"b\"}", "! id: missing" },
        { "a type", "{\"id\":\"m\",\"type\":\"photo\"}", "m photo" },
        { "a type nobody knows", "{\"id\":\"m\",\"type\":\"Kassette \\u2116 7\"}", "m Kassette \u2116 7" },
        { "an empty type", "{\"id\":\"m\",\"type\":\" \"}", "m record" },
        { "a type that is a number", "{\"id\":\"m\",\"type\":7}", "m 7" },
        { "a type that is none", "{\"id\":\"m\",\"type\":{}}", "m record" },
        { "unknown fields are passed over", "{\"x\":[{\"id\":\"n\"}],\"id\":\"m\",\"gcs_uri\":\"gs://x\",\"user\":{\"id\":1}}", "m record" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_media(void **state)
{
    static const struct row rows[] = {
        { "true and false", "{\"id\":\"m\",\"audio\":true,\"image\":false}", "m record audio" },
        { "as words", "{\"id\":\"m\",\"audio\":\"true\",\"image\":\"false\"}", "m record audio" },
        { "as words in capitals", "{\"id\":\"m\",\"audio\":\"FALSE\",\"image\":\"No\"}", "m record" },
        { "an address", "{\"id\":\"m\",\"audio\":\"\",\"image\":\"https://x/y.png\"}", "m record image" },
        { "numbers", "{\"id\":\"m\",\"audio\":1,\"image\":0}", "m record audio" },
        { "zero in other words", "{\"id\":\"m\",\"audio\":0.0,\"image\":\"0\"}", "m record" },
        { "null", "{\"id\":\"m\",\"audio\":null,\"image\":null}", "m record" },
        { "null as a word", "{\"id\":\"m\",\"audio\":\"null\",\"image\":\"yes\"}", "m record image" },
        { "blanks", "{\"id\":\"m\",\"audio\":\"  \",\"image\":\" no \"}", "m record" },
        { "what is no flag is none", "{\"id\":\"m\",\"audio\":[],\"image\":{\"a\":1}}", "m record" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_transcripts(void **state)
{
    static const struct row rows[] = {
        { "words", "{\"id\":\"m\",\"transcript\":\"Met Ana #boats\"}", "m record text<Met Ana #boats>" },
        { "empty", "{\"id\":\"m\",\"transcript\":\"\"}", "m record" },
        { "null", "{\"id\":\"m\",\"transcript\":null}", "m record" },
        { "blank in every script", "{\"id\":\"m\",\"transcript\":\" \\r\\n\\t\\u3000\\u00a0\"}", "m record" },
        { "only controls", "{\"id\":\"m\",\"transcript\":\"\\u0001\\u007f\"}", "m record" },
        { "trimmed", "{\"id\":\"m\",\"transcript\":\"\\n a \\n\\n b \\n\"}", "m record text<a \n\n b>" },
        { "line ends", "{\"id\":\"m\",\"transcript\":\"a\\r\\nb\\rc\"}", "m record text<a\nb\nc>" },
        { "controls", "{\"id\":\"m\",\"transcript\":\"a\\u0000b\\u001b[1mc\\u0085\\u009bd\"}", "m record text<a" BAD "b[1mcd>" },
        { "half of a pair", "{\"id\":\"m\",\"transcript\":\"a\\ud83d b\"}", "m record text<a" BAD " b>" },
        { "halves the wrong way round", "{\"id\":\"m\",\"transcript\":\"\\ude00\\ud83d\"}", "m record text<" BAD BAD ">" },
        { "bad bytes", "{\"id\":\"m\",\"transcript\":\"a\xFF\xC0\xAF" "b\"}", "m record text<a" BAD BAD BAD "b>" },
        { "a raw surrogate", "{\"id\":\"m\",\"transcript\":\"\xED\xA0\x80\"}", "m record text<" BAD BAD BAD ">" },
        { "bad bytes and half of a pair", "{\"id\":\"m\",\"transcript\":\"\xFF\\udfff\"}", "m record text<" BAD BAD ">" },
        { "a raw line end, which JSON forbids", "{\"id\":\"m\",\"transcript\":\"a\nb\"}", "m record text<a\nb>" },
        { "a number", "{\"id\":\"m\",\"transcript\":42}", "m record text<42>" },
        { "what cannot be taken as text", "{\"id\":\"m\",\"transcript\":{\"text\":\"a\"}}", "! transcript: neither a string nor null" },
        { "nor can this", "{\"id\":\"m\",\"transcript\":false}", "! transcript: neither a string nor null" },
        { "marks of a model stay", "{\"id\":\"m\",\"transcript\":\"<|endoftext|>\"}", "m record text<<|endoftext|>>" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_locations(void **state)
{
    static const struct row rows[] = {
        { "numbers", "{\"id\":\"m\",\"location_lat\":53.5459,\"location_lon\":9.9663}", "m record at(53.545900 9.966300)" },
        { "strings", "{\"id\":\"m\",\"location_lat\":\" 53.5459\",\"location_lon\":\"-9.5\"}", "m record at(53.545900 -9.500000)" },
        { "as people write", "{\"id\":\"m\",\"location_lat\":\"+05.\",\"location_lon\":\".5\"}", "m record at(5.000000 0.500000)" },
        { "with an exponent", "{\"id\":\"m\",\"location_lat\":5.35459e1,\"location_lon\":\"99663E-4\"}", "m record at(53.545900 9.966300)" },
        { "very many digits", "{\"id\":\"m\",\"location_lat\":53.54590000000000000000000000001,\"location_lon\":9.96629999999999999999999}", "m record at(53.545900 9.966300)" },
        { "0/0 says: none", "{\"id\":\"m\",\"location_lat\":0,\"location_lon\":0.0}", "m record" },
        { "0/0 as strings, and minus", "{\"id\":\"m\",\"location_lat\":\"0\",\"location_lon\":\"-0.0\"}", "m record" },
        { "on the equator", "{\"id\":\"m\",\"location_lat\":-0.0,\"location_lon\":9}", "m record at(0.000000 9.000000)" },
        { "null", "{\"id\":\"m\",\"location_lat\":null,\"location_lon\":null}", "m record" },
        { "half a pair", "{\"id\":\"m\",\"location_lat\":53.5}", "m record" },
        { "half a pair of nothing", "{\"id\":\"m\",\"location_lat\":53.5,\"location_lon\":\"\"}", "m record" },
        { "at the edge", "{\"id\":\"m\",\"location_lat\":-90,\"location_lon\":180}", "m record at(-90.000000 180.000000)" },
        { "over the edge", "{\"id\":\"m\",\"location_lat\":90.0001,\"location_lon\":9}", "m record" },
        { "far over it", "{\"id\":\"m\",\"location_lat\":9,\"location_lon\":-181}", "m record" },
        { "not finite", "{\"id\":\"m\",\"location_lat\":1e999,\"location_lon\":-1e999}", "m record" },
        { "not numbers", "{\"id\":\"m\",\"location_lat\":\"NaN\",\"location_lon\":\"0x10\"}", "m record" },
        { "two signs", "{\"id\":\"m\",\"location_lat\":\"--5\",\"location_lon\":\"+-5\"}", "m record" },
        { "a comma is a guess", "{\"id\":\"m\",\"location_lat\":\"53,5\",\"location_lon\":\"9,9\"}", "m record" },
        { "degrees in words", "{\"id\":\"m\",\"location_lat\":\"53.5 N\",\"location_lon\":\".\"}", "m record" },
        { "true", "{\"id\":\"m\",\"location_lat\":true,\"location_lon\":true}", "m record" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_times(void **state)
{
    static const struct row rows[] = {
        { "UTC", "{\"id\":\"m\",\"created_at\":\"2025-12-18T14:30:00Z\"}", "m record created<2025-12-18T14:30:00Z>=2025-12-18T14:30:00Z" },
        { "a fraction and an offset", "{\"id\":\"m\",\"created_at\":\"2025-12-18T14:30:00.123456+05:30\"}", "m record created<2025-12-18T14:30:00.123456+05:30>=2025-12-18T09:00:00.123Z" },
        { "naive is UTC", "{\"id\":\"m\",\"created_at\":\"2006-01-02T15:04:05\"}", "m record created<2006-01-02T15:04:05>=2006-01-02T15:04:05Z" },
        { "blanks around", "{\"id\":\"m\",\"created_at\":\" 2006-01-02T15:04:05Z\\n\"}", "m record created<2006-01-02T15:04:05Z>=2006-01-02T15:04:05Z" },
        { "a leap second", "{\"id\":\"m\",\"created_at\":\"2016-12-31T23:59:60Z\"}", "m record created<2016-12-31T23:59:60Z>=2017-01-01T00:00:00Z" },
        { "the year 0", "{\"id\":\"m\",\"created_at\":\"0000-01-01T00:00:00Z\"}", "m record created<0000-01-01T00:00:00Z>=0000-01-01T00:00:00Z" },
        { "before the year 0", "{\"id\":\"m\",\"created_at\":\"0000-01-01T00:00:00+01:00\"}", "m record created<0000-01-01T00:00:00+01:00>" },
        { "the year 9999", "{\"id\":\"m\",\"created_at\":\"9999-12-31T23:59:59Z\"}", "m record created<9999-12-31T23:59:59Z>=9999-12-31T23:59:59Z" },
        { "after the year 9999", "{\"id\":\"m\",\"created_at\":\"9999-12-31T23:59:60Z\"}", "m record created<9999-12-31T23:59:60Z>" },
        { "before 1970", "{\"id\":\"m\",\"created_at\":\"1969-12-31T23:59:59.5Z\"}", "m record created<1969-12-31T23:59:59.5Z>=1969-12-31T23:59:59.500Z" },
        { "no such day", "{\"id\":\"m\",\"created_at\":\"2025-02-29T00:00:00Z\"}", "m record created<2025-02-29T00:00:00Z>" },
        { "words", "{\"id\":\"m\",\"created_at\":\"yesterday\\u0007\"}", "m record created<yesterday>" },
        { "a number", "{\"id\":\"m\",\"created_at\":1766068200}", "m record created<1766068200>" },
        { "empty, null, a list", "{\"id\":\"m\",\"created_at\":\"\",\"updated_at\":null}", "m record" },
        { "updated", "{\"id\":\"m\",\"updated_at\":\"2025-12-18 14:30:00z\"}", "m record updated<2025-12-18 14:30:00z>=2025-12-18T14:30:00Z" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_newer_fields(void **state)
{
    static const struct row rows[] = {
        { "tags", "{\"id\":\"m\",\"tags\":[\"a\",\" b \",\"\",null,7,[\"x\"],\"c\\r\\nd\"]}", "m record tag<a> tag<b> tag<7> tag<c\nd>" },
        { "tags that are none", "{\"id\":\"m\",\"tags\":\"a,b\"}", "m record" },
        { "tags that are an object", "{\"id\":\"m\",\"tags\":{\"a\":\"b\"}}", "m record" },
        { "description and collection", "{\"id\":\"m\",\"description\":\"d\\r\\n\",\"collection_name\":\"c\"}", "m record description<d> collection<c>" },
        { "several unclean fields at once", "{\"id\":\"m\",\"type\":\"n\\u0001\",\"transcript\":\"a\\r\",\"description\":\"\\u0000\",\"tags\":[\"\\u0000\"]}",
          "m n text<a> tag<" BAD "> description<" BAD ">" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void test_no_memory(void **state)
{
    static const struct row rows[] = {
        { "null", "null", "! not an object" },
        { "a number", "5", "! not an object" },
        { "a string", "\"x\"", "! not an object" },
        { "a list", "[{\"id\":\"m\"}]", "! not an object" },
        { "nothing", "", "! JSON: * at byte 0" },
        { "a bad literal", "{\"id\":\"m\",\"audio\":tru}", "! JSON: * at byte 18" },
        { "a missing comma", "{\"id\":\"m\" \"type\":\"n\"}", "! JSON: * at byte 10" },
        { "something behind it", "{\"id\":\"m\"}}", "! JSON: * at byte 10" },
        { "the place is the one in the element, though bytes before it were mended", "{\"id\":\"\n\\ud800\",\"audio\":tru}", "! JSON: * at byte 24" },
        { "an escape that is none", "{\"id\":\"\\x\"}", "! JSON: * at byte 8" },
        { "NaN", "{\"id\":NaN}", "! JSON: * at byte 6" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows));
}

static void nest(struct text *out, size_t depth, char open, char close)
{
    text_clear(out);
    (void)text_append(out, " {\"id\":\"m\",\"x\":");
    for (size_t i = 1; i < depth; i++)
        (void)text_append(out, open == '[' ? "[" : "{\"[\":");
    (void)text_append(out, "\"]}\\\"]\"");
    for (size_t i = 1; i < depth; i++)
        (void)text_append_char(out, close);
    (void)text_append(out, "}");
}

static void test_depth(void **state)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text json = { 0 };
    AUTO_DONE(text) struct text line = { 0 };
    static const struct { size_t depth; char open, close; const char *want; } rows[] = {
        { 64, '[', ']', "m record" },
        { 65, '[', ']', "! JSON: nested deeper than 64" },
        { 64, '{', '}', "m record" },
        { 65, '{', '}', "! JSON: nested deeper than 64" },
        { 1000000, '[', ']', "! JSON: nested deeper than 64" },
    };
    (void)state;

    text_init(&json, 0);
    text_init(&line, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        nest(&json, rows[i].depth, rows[i].open, rows[i].close);
        decode(decoder, json.data, json.size, &line);
        if (strcmp(line.data, rows[i].want) != 0)
            fail_msg("%c %zu deep: %s", rows[i].open, rows[i].depth, line.data);
    }
}

static void test_limits(void **state)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text json = { 0 };
    AUTO_STRING char *id = mem_resize(NULL, MEMORY_ID_MAXIMUM + 2, 1);
    struct memory memory;
    struct error err = { 0 };
    (void)state;

    text_init(&json, 0);
    memset(id, 'i', MEMORY_ID_MAXIMUM + 1);
    id[MEMORY_ID_MAXIMUM] = '\0';
    (void)text_append_format(&json, "{\"id\":\"%s\",\"tags\":[\"t\"", id);
    for (int i = 1; i < 100; i++)
        (void)text_append_format(&json, ",\"t%d\"", i);
    (void)text_append(&json, "]}");
    assert_int_equal(memory_decode(decoder, json.data, json.size, &memory, &err), 0);
    assert_int_equal(memory.id.size, MEMORY_ID_MAXIMUM);
    assert_int_equal(memory.tag_count, MEMORY_TAGS_MAXIMUM);
    id[MEMORY_ID_MAXIMUM] = 'i';
    id[MEMORY_ID_MAXIMUM + 1] = '\0';
    text_clear(&json);
    (void)text_append_format(&json, "{\"id\":\"%s\"}", id);
    memory.tag_count = 7;
    assert_int_equal(memory_decode(decoder, json.data, json.size, &memory, &err), -1);
    assert_string_equal(err.message, "id: longer than 8192 bytes");
    assert_int_equal(memory.tag_count, 7); /* untouched on failure */
}

/* A megabyte and more, clean and not, and a small one after it in the same decoder. */
static void test_large_transcripts(void **state)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text json = { 0 };
    static const struct { const char *piece; size_t want; } rows[] = { { "Met Ana. ", 9 }, { "\\u0000", 3 }, { "a\\r\\n", 2 }, { "\xFF", 3 } };
    enum { PIECES = 300000 };
    (void)state;

    text_init(&json, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct memory memory;
        text_clear(&json);
        (void)text_append(&json, "{\"id\":\"m\",\"type\":\"a\\rb\",\"transcript\":\"x");
        for (int j = 0; j < PIECES; j++)
            (void)text_append(&json, rows[i].piece);
        (void)text_append(&json, "x\",\"description\":\"d\\r\"}");
        assert_int_equal(memory_decode(decoder, json.data, json.size, &memory, NULL), 0);
        assert_int_equal(memory.transcript.size, 2 + PIECES * rows[i].want);
        assert_memory_equal(memory.type.data, "a\nb", 3); /* did not move while the others were cleaned */
        assert_memory_equal(memory.description.data, "d", 1);
        assert_int_equal(memory_decode(decoder, "{\"id\":\"n\\r\",\"type\":\"b\\r\"}", 25, &memory, NULL), 0);
        assert_memory_equal(memory.id.data, "n\r", 2);
    }
}

static size_t heap_in_use(void)
{
#if defined(__GLIBC__)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

/* What a giant needed is given back by the next one; usual ones leave the decoder as it is. */
static void test_scratch_memory(void **state)
{
    static const char usual[] = "{\"id\":\"m\",\"transcript\":\"a\\r\\nb\"}";
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    struct memory memory;
    size_t warm;
    (void)state;

    assert_int_equal(memory_decode(decoder, usual, sizeof usual - 1, &memory, NULL), 0);
    warm = heap_in_use();
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory_decode(decoder, usual, sizeof usual - 1, &memory, NULL), 0);
    assert_int_equal(heap_in_use(), warm);
    for (int i = 0; i < 2; i++) {
        AUTO_DONE(text) struct text giant = { 0 };
        text_init(&giant, 0);
        (void)text_append(&giant, i == 0 ? "{\"id\":\"m\",\"transcript\":\"" : "{\"id\":\"\\ud800\",\"transcript\":\"");
        for (int j = 0; j < 500000; j++)
            (void)text_append(&giant, "a\\r\\n");
        (void)text_append(&giant, "\"}");
        assert_int_equal(memory_decode(decoder, giant.data, giant.size, &memory, NULL), 0);
        assert_int_equal(memory.transcript.size, 999999); /* the last line end is trimmed */
    }
    assert_int_equal(memory_decode(decoder, usual, sizeof usual - 1, &memory, NULL), 0);
    assert_true(heap_in_use() < warm + 4096);
}

static void test_degrees(void **state)
{
    static const struct { double degrees; const char *want; } rows[] = {
        { 0, "0.000000" }, { 53.5459, "53.545900" }, { -0.5, "-0.500000" }, { -180, "-180.000000" }, { 1e-6, "0.000001" }, { -1e-7, "0.000000" },
        { 0.9999996, "1.000000" }, { 89.9999994, "89.999999" }, { 179.9999999, "180.000000" }, { -9.0000014, "-9.000001" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char words[MEMORY_DEGREES_SIZE];
        memory_degrees_text(rows[i].degrees, words);
        assert_string_equal(words, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_and_types),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_newer_fields),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_large_transcripts),
        cmocka_unit_test(test_scratch_memory),
        cmocka_unit_test(test_degrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
