#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "memory/splitter.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>

/* What came out of a listing, as one string: each element as it was handed out, then how it ended. */
static void note_element(void *context, const struct splitter_element *element)
{
    struct text *notes = context;

    (void)text_append_format(notes, "%llu@%llu+%llu%s<", (unsigned long long)element->index, (unsigned long long)element->offset,
                             (unsigned long long)element->length, element->is_too_large ? " too large" : "");
    (void)text_append_bytes(notes, element->bytes, element->size);
    (void)text_append(notes, ">\n");
}

static void note_end(struct text *notes, struct splitter *splitter)
{
    static const char *const ends[] = { "open", "complete", "no memories", "not JSON", "broken" };
    enum splitter_end end = splitter_end(splitter);
    const char *sample = NULL;
    size_t unfinished = splitter_unfinished(splitter, &sample);

    (void)text_append_format(notes, "%s", ends[end]);
    if (end == SPLITTER_BROKEN || end == SPLITTER_NOT_JSON)
        (void)text_append_format(notes, " at %llu", (unsigned long long)splitter_broken_at(splitter));
    (void)text_append_format(notes, ", %llu of %llu bytes", (unsigned long long)splitter_count(splitter),
                             (unsigned long long)splitter_position(splitter));
    if (unfinished > 0) {
        (void)text_append(notes, ", unfinished <");
        (void)text_append_bytes(notes, sample, unfinished);
        (void)text_append(notes, ">");
    }
}

struct cuts {
    size_t first;  /* the first chunk's size */
    size_t each;   /* the others'; 0: all at once */
};

static void split(const char *json, size_t size, struct cuts cuts, size_t element_maximum, struct text *ret_notes)
{
    const struct splitter_settings settings = {
        .element_maximum = element_maximum, .sample = 8, .depth_maximum = 4, .on_element = note_element, .context = ret_notes,
    };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    size_t at = 0;

    text_clear(ret_notes);
    for (size_t chunk = cuts.first; at < size; chunk = cuts.each > 0 ? cuts.each : size) {
        /* Each chunk in memory of its own, so that a sanitizer sees a step over its end. */
        size_t length = size - at < chunk ? size - at : chunk;
        AUTO_STRING char *copy = mem_resize(NULL, length > 0 ? length : 1, 1);
        memcpy(copy, json + at, length);
        splitter_push(splitter, copy, length);
        at += length;
    }
    note_end(ret_notes, splitter);
}

/* Whatever the chunks, the same comes out. */
static void expect(const char *why, const char *json, size_t size, size_t element_maximum, const char *want)
{
    AUTO_DONE(text) struct text notes = { 0 };

    text_init(&notes, 0);
    split(json, size, (struct cuts){ size, 0 }, element_maximum, &notes);
    if (strcmp(notes.data, want) != 0)
        fail_msg("%s\n in: %.*s\ngot: %s\nwant: %s", why, (int)size, json, notes.data, want);
    for (size_t first = 0; first <= size; first++) {
        split(json, size, (struct cuts){ first, 0 }, element_maximum, &notes);
        if (strcmp(notes.data, want) != 0)
            fail_msg("%s, cut at byte %zu\ngot: %s\nwant: %s", why, first, notes.data, want);
    }
    for (size_t each = 1; each <= 7; each++) {
        split(json, size, (struct cuts){ each, each }, element_maximum, &notes);
        if (strcmp(notes.data, want) != 0)
            fail_msg("%s, in chunks of %zu\ngot: %s\nwant: %s", why, each, notes.data, want);
    }
}

struct row {
    const char *why, *json, *want;
};

static void expect_rows(const struct row *rows, size_t count, size_t element_maximum)
{
    for (size_t i = 0; i < count; i++)
        expect(rows[i].why, rows[i].json, strlen(rows[i].json), element_maximum, rows[i].want);
}

static void test_well_formed(void **state)
{
    static const struct row rows[] = {
        { "the usual", "{\"memories\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"count\":2}", "0@13+10<{\"id\":\"a\"}>\n1@24+10<{\"id\":\"b\"}>\ncomplete, 2 of 46 bytes" },
        { "an empty list", "{\"memories\":[]}", "complete, 0 of 15 bytes" },
        { "null is an empty list", "{\"memories\":null,\"count\":0}", "complete, 0 of 27 bytes" },
        { "blanks everywhere", " {\r\n\t\"memories\" : [ { } ,\n[ ] ] , \"x\" : 1 } \n", "0@20+3<{ }>\n1@26+3<[ ]>\ncomplete, 2 of 45 bytes" },
        { "a byte order mark", "\xEF\xBB\xBF{\"memories\":[1]}", "0@16+1<1>\ncomplete, 1 of 19 bytes" },
        { "scalars are elements too", "{\"memories\":[null,5,\"x\",true, -1e9 ]}", "0@13+4<null>\n1@18+1<5>\n2@20+3<\"x\">\n3@24+4<true>\n4@30+4<-1e9>\ncomplete, 5 of 37 bytes" },
        { "brackets and escapes in strings are none", "{\"memories\":[{\"t\":\"]}\\\"[{\\\\\"},{\"t\":\"\\u005d\"}]}", "0@13+16<{\"t\":\"]}\\\"[{\\\\\"}>\n1@30+14<{\"t\":\"\\u005d\"}>\ncomplete, 2 of 46 bytes" },
        { "keys before, of every kind", "{\"a\":{\"memories\":[1]},\"b\":[[\"]\"]],\"c\":\"\\\"\",\"d\":1,\"memories\":[2]}", "0@61+1<2>\ncomplete, 1 of 64 bytes" },
        { "a key that only begins like ours", "{\"memories2\":[1],\"memorie\":[2],\"memories\":[3]}", "0@43+1<3>\ncomplete, 1 of 46 bytes" },
        { "escapes in keys", "{\"\\\\\":1,\"a\\\"memories\":[9],\"memories\":[2]}", "0@38+1<2>\ncomplete, 1 of 41 bytes" },
        { "a key longer than any of ours", "{\"memoriesmemoriesmemoriesmemoriesmemoriesmemoriesmemoriesmemoriesmemories\":[9],\"memories\":[2]}", "0@92+1<2>\ncomplete, 1 of 95 bytes" },
        { "the first list counts", "{\"memories\":[1],\"memories\":[2]}", "0@13+1<1>\ncomplete, 1 of 31 bytes" },
        { "ours may hold something else before it is a list", "{\"memories\":{\"memories\":[9]},\"memories\":[2]}", "0@41+1<2>\ncomplete, 1 of 44 bytes" },
        { "a string in place of a list", "{\"memories\":\"[1]\",\"x\":[2]}", "no memories, 0 of 26 bytes" },
        { "a number in place of a list", "{\"memories\":5}", "no memories, 0 of 14 bytes" },
        { "no list at all", "{\"error\":\"x\"}", "no memories, 0 of 13 bytes" },
        { "nested once is not accepted", "{\"data\":{\"memories\":[1]}}", "no memories, 0 of 25 bytes" },
        { "an empty object", "{}", "no memories, 0 of 2 bytes" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows), 100);
}

static void test_broken_elements_leave_their_neighbours(void **state)
{
    static const struct row rows[] = {
        { "a bad literal", "{\"memories\":[{\"a\":nul},2]}", "0@13+9<{\"a\":nul}>\n1@23+1<2>\ncomplete, 2 of 26 bytes" },
        { "a missing colon", "{\"memories\":[{\"a\" 1},2]}", "0@13+7<{\"a\" 1}>\n1@21+1<2>\ncomplete, 2 of 24 bytes" },
        { "the wrong bracket inside", "{\"memories\":[{\"a\":[1}],2]}", "0@13+9<{\"a\":[1}]>\n1@23+1<2>\ncomplete, 2 of 26 bytes" },
        { "a word", "{\"memories\":[undefined,2]}", "0@13+9<undefined>\n1@23+1<2>\ncomplete, 2 of 26 bytes" },
        { "bad bytes", "{\"memories\":[\"\xFF\xC3\",2]}", "0@13+4<\"\xFF\xC3\">\n1@18+1<2>\ncomplete, 2 of 21 bytes" },
        { "nested deeper than the decoder takes", "{\"memories\":[[[[[[[]]]]]],2]}", "0@13+12<[[[[[[]]]]]]>\n1@26+1<2>\ncomplete, 2 of 29 bytes" },
        { "a comma too many", "{\"memories\":[1,,2,]}", "0@13+1<1>\n1@16+1<2>\ncomplete, 2 of 20 bytes" },
        { "quotes that were not escaped, in pairs", "{\"memories\":[{\"a\":\"x \"y\" z\"},2]}", "0@13+15<{\"a\":\"x \"y\" z\"}>\n1@29+1<2>\ncomplete, 2 of 32 bytes" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows), 100);
}

static void test_broken_structure(void **state)
{
    static const struct row rows[] = {
        { "the array closed with a brace", "{\"memories\":[1}", "0@13+1<1>\nbroken at 14, 1 of 15 bytes" },
        { "words between elements", "{\"memories\":[{} x,{}]}", "0@13+2<{}>\nbroken at 16, 1 of 22 bytes" },
        { "a missing comma", "{\"memories\":[{}{}]}", "0@13+2<{}>\nbroken at 15, 1 of 19 bytes" },
        { "a colon in the array", "{\"memories\":[\"a\":1]}", "0@13+3<\"a\">\nbroken at 16, 1 of 20 bytes" },
        { "no colon behind the key", "{\"memories\"[1]}", "broken at 11, 0 of 15 bytes" },
        { "no value", "{\"memories\":}", "broken at 12, 0 of 13 bytes" },
        { "no value of another key", "{\"a\":}", "broken at 5, 0 of 6 bytes" },
        { "no key", "{1:2}", "broken at 1, 0 of 5 bytes" },
        { "two values", "{\"a\":1 2}", "broken at 7, 0 of 9 bytes" },
        { "another word for null", "{\"memories\":none}", "broken at 13, 0 of 17 bytes" },
        { "one brace too many closes the object early: what follows must not be lost in silence", "{\"memories\":[{\"a\":1}]},{\"a\":2}]}",
          "0@13+7<{\"a\":1}>\nbroken at 22, 1 of 32 bytes" },
        { "something behind the end", "{\"memories\":[]}\n<!-- -->", "broken at 16, 0 of 24 bytes" },
        { "nested too deep outside of elements", "{\"a\":[[[[[]]]]],\"memories\":[1]}", "broken at 9, 0 of 31 bytes" },
        { "cut in the key", "{\"memo", "broken at 6, 0 of 6 bytes" },
        { "cut before the list", "{\"memories\":", "broken at 12, 0 of 12 bytes" },
        { "cut in an element", "{\"memories\":[1,{\"id\":\"abc", "0@13+1<1>\nbroken at 25, 1 of 25 bytes, unfinished <{\"id\":\"a>" },
        { "cut in a number, which may go on", "{\"memories\":[12", "broken at 15, 0 of 15 bytes, unfinished <12>" },
        { "cut behind an escape", "{\"memories\":[\"a\\", "broken at 16, 0 of 16 bytes, unfinished <\"a\\>" },
        { "cut behind the list", "{\"memories\":[1]", "0@13+1<1>\nbroken at 15, 1 of 15 bytes" },
        { "cut in null", "{\"memories\":nu", "broken at 14, 0 of 14 bytes" },
        { "nothing", "", "not JSON at 0, 0 of 0 bytes" },
        { "blanks", " \n", "not JSON at 2, 0 of 2 bytes" },
        { "a page", "<html>{\"memories\":[1]}</html>", "not JSON at 0, 0 of 29 bytes" },
        { "a list at the top", " [1]", "not JSON at 1, 0 of 4 bytes" },
        { "half a byte order mark", "\xEF\xBB{\"memories\":[1]}", "not JSON at 2, 0 of 18 bytes" },
        { "a byte order mark that comes late", " \xEF\xBB\xBF{}", "not JSON at 1, 0 of 6 bytes" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows), 100);
}

static void test_too_large(void **state)
{
    static const struct row rows[] = {
        { "as large as allowed", "{\"memories\":[{\"a\":\"0123456789\"},2]}", "0@13+18<{\"a\":\"0123456789\"}>\n1@32+1<2>\ncomplete, 2 of 35 bytes" },
        { "one byte more", "{\"memories\":[{\"a\":\"0123456789X\"},2]}", "0@13+19 too large<{\"a\":\"01>\n1@33+1<2>\ncomplete, 2 of 36 bytes" },
        { "much more, and cut", "{\"memories\":[{\"a\":\"0123456789012345678901234567890123456789", "broken at 59, 0 of 59 bytes, unfinished <{\"a\":\"01>" },
        { "a long word", "{\"memories\":[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,2]}", "0@13+38 too large<aaaaaaaa>\n1@52+1<2>\ncomplete, 2 of 55 bytes" },
    };
    (void)state;

    expect_rows(rows, ARRAY_LENGTH(rows), 18);
}

static void test_no_sample(void **state)
{
    uint64_t count = 0;
    struct text notes = { 0 };
    const struct splitter_settings settings = { .element_maximum = 4, .sample = 0, .depth_maximum = 64, .on_element = note_element, .context = &notes };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    (void)state;

    text_init(&notes, 0);
    for (const char *at = "{\"memories\":[\"0123456789\",1]}"; *at != '\0'; at++)
        splitter_push(splitter, at, 1);
    assert_int_equal(splitter_end(splitter), SPLITTER_COMPLETE);
    count = splitter_count(splitter);
    assert_string_equal(notes.data, "0@13+12 too large<>\n1@26+1<1>\n");
    assert_int_equal(count, 2);
    text_done(&notes);
}

/* Twenty memories of several forms; the offsets of their ends are what a cut must respect. */
static void write_twenty(struct text *out)
{
    (void)text_append(out, "{\"count\":20,\"memories\":[");
    for (int i = 0; i < 20; i++)
        (void)text_append_format(out, "%s{\"id\":\"m%d\",\"transcript\":\"a \\\"b\\\" [%d] {\\\\\",\"tags\":[\"x\",[]],\"n\":%d}", i > 0 ? "," : "", i, i, i);
    (void)text_append(out, "]}");
}

struct seen {
    uint64_t ends[32];
    size_t count;
};

static void note_extent(void *context, const struct splitter_element *element)
{
    struct seen *seen = context;

    assert_true(seen->count < ARRAY_LENGTH(seen->ends));
    seen->ends[seen->count++] = element->offset + element->length;
}

static enum splitter_end split_extents(const char *json, size_t size, struct seen *ret_seen)
{
    const struct splitter_settings settings = { .element_maximum = 1000, .sample = 8, .depth_maximum = 64, .on_element = note_extent, .context = ret_seen };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);

    ret_seen->count = 0;
    splitter_push(splitter, json, size);
    return splitter_end(splitter);
}

static void test_cut_at_every_byte(void **state)
{
    AUTO_DONE(text) struct text listing = { 0 };
    struct seen whole, part;
    (void)state;

    text_init(&listing, 0);
    write_twenty(&listing);
    assert_int_equal(split_extents(listing.data, listing.size, &whole), SPLITTER_COMPLETE);
    assert_int_equal(whole.count, 20);
    for (size_t size = 0; size < listing.size; size++) {
        size_t want = 0;
        while (want < whole.count && whole.ends[want] <= size)
            want++;
        assert_int_equal(split_extents(listing.data, size, &part), size == 0 ? SPLITTER_NOT_JSON : SPLITTER_BROKEN);
        if (part.count != want || memcmp(part.ends, whole.ends, want * sizeof whole.ends[0]) != 0)
            fail_msg("cut at byte %zu: %zu elements, want %zu", size, part.count, want);
    }
}

/* A fixed sequence, so that a failure can be repeated. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void test_mutations_keep_what_stands_before(void **state)
{
    AUTO_DONE(text) struct text listing = { 0 };
    struct seen whole, part;
    uint32_t seed = 20251218;
    size_t unharmed = 0;
    (void)state;

    text_init(&listing, 0);
    write_twenty(&listing);
    (void)split_extents(listing.data, listing.size, &whole);
    for (int i = 0; i < 5000; i++) {
        size_t at = next_random(&seed) % listing.size;
        char was = listing.data[at];
        char now = (char)next_random(&seed);
        size_t before = 0;
        enum splitter_end end;

        listing.data[at] = now;
        end = split_extents(listing.data, listing.size, &part);
        while (before < whole.count && whole.ends[before] <= at)
            before++;
        if (at > 24 && (part.count < before || memcmp(part.ends, whole.ends, before * sizeof whole.ends[0]) != 0))
            fail_msg("byte %zu was '%c', is %d: %zu elements, %zu stand before it", at, was, now, part.count, before);
        if (strchr("\"\\[]{},", was) == NULL && now != '\0' && strchr("\"\\[]{}, \t\r\n", now) == NULL && at > 24 && at < whole.ends[19]) {
            assert_int_equal(end, SPLITTER_COMPLETE); /* inside an element, and no bracket or quote: nobody else is harmed */
            assert_int_equal(part.count, 20);
            unharmed++;
        }
        listing.data[at] = was;
    }
    assert_true(unharmed > 1000);
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

/* 64 MiB in one element: what is kept of it is bounded, and nothing is kept for it beforehand. */
static void test_memory_is_bounded(void **state)
{
    enum { CHUNK = 64 << 10, CHUNKS = 1024, MAXIMUM = 256 << 10 };
    AUTO_STRING char *chunk = mem_resize(NULL, CHUNK, 1);
    struct seen seen = { .count = 0 };
    const struct splitter_settings settings = { .element_maximum = MAXIMUM, .sample = 64, .depth_maximum = 64, .on_element = note_extent, .context = &seen };
    size_t before = heap_in_use();
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    (void)state;

    assert_true(heap_in_use() - before < 4096);
    memset(chunk, 'x', CHUNK);
    splitter_push(splitter, "{\"memories\":[{\"id\":\"", 20);
    for (int i = 0; i < CHUNKS; i++) {
        splitter_push(splitter, chunk, CHUNK);
        assert_true(heap_in_use() - before < 4 * MAXIMUM);
    }
    splitter_push(splitter, "\"},1]}", 6);
    assert_int_equal(splitter_end(splitter), SPLITTER_COMPLETE);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.ends[0], 13 + 7 + (uint64_t)CHUNK * CHUNKS + 2);
}

/* A giant that is handed out does not keep its memory for the rest of the listing. */
static void test_memory_is_given_back(void **state)
{
    enum { CHUNK = 64 << 10, CHUNKS = 48 };
    AUTO_STRING char *chunk = mem_resize(NULL, CHUNK, 1);
    struct seen seen = { .count = 0 };
    const struct splitter_settings settings = { .element_maximum = 8 << 20, .sample = 64, .depth_maximum = 64, .on_element = note_extent, .context = &seen };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    size_t before = heap_in_use();
    (void)state;

    memset(chunk, 'x', CHUNK);
    splitter_push(splitter, "{\"memories\":[\"", 14);
    for (int i = 0; i < CHUNKS; i++)
        splitter_push(splitter, chunk, CHUNK);
    splitter_push(splitter, "\",", 2);
    assert_int_equal(seen.count, 1);
    assert_true(heap_in_use() < before + CHUNK);
    splitter_push(splitter, "1", 1);
    splitter_push(splitter, "2]}", 3);
    assert_int_equal(seen.count, 2);
    assert_int_equal(splitter_end(splitter), SPLITTER_COMPLETE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed),
        cmocka_unit_test(test_broken_elements_leave_their_neighbours),
        cmocka_unit_test(test_broken_structure),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_no_sample),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_mutations_keep_what_stands_before),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_memory_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
