#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "memory/splitter.h"

#include <stdio.h>
#include <string.h>

static void on_element(void *context, const struct splitter_element *element)
{
    struct text *out = context;

    (void)text_append_format(out, "%llu@%llu%s:", (unsigned long long)element->index, (unsigned long long)element->offset, element->is_too_large ? "!" : "");
    (void)text_append_bytes(out, element->bytes, element->size);
    (void)text_append(out, "\n");
}

/* chunk 0: all at once; else pieces of that size. */
static void split(const char *json, size_t size, size_t chunk, size_t maximum, struct text *out, enum splitter_end *ret_end, uint64_t *ret_broken)
{
    struct splitter_settings settings = { .element_maximum = maximum, .sample = 4, .depth_maximum = 64, .on_element = on_element, .context = out };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);

    text_clear(out);
    for (size_t at = 0; at < size; at += chunk) {
        size_t step = chunk == 0 || at + chunk > size ? size - at : chunk;
        /* A copy of exactly that size lets the sanitizer see a read past its end. */
        char *piece = mem_copy_bytes(json + at, step);
        splitter_push(splitter, piece, step);
        mem_free(piece);
        if (chunk == 0)
            break;
    }
    assert_int_equal(splitter_position(splitter), size);
    *ret_end = splitter_end(splitter);
    *ret_broken = splitter_broken_at(splitter);
}

static const struct { const char *why, *json, *want; enum splitter_end end; } rows[] = {
    { "usual", "{\"memories\":[{\"id\":1},{\"id\":2}],\"count\":2}", "0@13:{\"id\":1}\n1@22:{\"id\":2}\n", SPLITTER_COMPLETE },
    { "empty", "{\"memories\":[]}", "", SPLITTER_COMPLETE },
    { "null", "{\"memories\":null,\"count\":0}", "", SPLITTER_COMPLETE },
    { "blanks", " {\n\"memories\" : [ 1 ,\t2 ] } ", "0@18:1\n1@22:2\n", SPLITTER_COMPLETE },
    { "other keys first", "{\"a\":{\"memories\":[9]},\"b\":[1,\"]\"],\"memories\":[true]}", "0@46:true\n", SPLITTER_COMPLETE },
    { "strings with brackets", "{\"memories\":[\"]}\\\"\\\\\",\"x\"]}", "0@13:\"]}\\\"\\\\\"\n1@22:\"x\"\n", SPLITTER_COMPLETE },
    { "nested", "{\"memories\":[[{}],{\"a\":[1,{\"b\":\"}\"}]}]}", "0@13:[{}]\n1@18:{\"a\":[1,{\"b\":\"}\"}]}\n", SPLITTER_COMPLETE },
    { "only the first memories counts", "{\"memories\":[1],\"memories\":[2]}", "0@13:1\n", SPLITTER_COMPLETE },
    { "byte order mark", "\xEF\xBB\xBF{\"memories\":[1]}", "0@16:1\n", SPLITTER_COMPLETE },
    { "a bad literal is an element", "{\"memories\":[nope,1]}", "0@13:nope\n1@18:1\n", SPLITTER_COMPLETE },
    { "too large", "{\"memories\":[\"0123456789abcdef\",2]}", "0@13!:\"012\n1@32:2\n", SPLITTER_COMPLETE },
    { "nested once is not taken", "{\"data\":{\"memories\":[1]}}", "", SPLITTER_NO_MEMORIES },
    { "memories is a number", "{\"memories\":5}", "", SPLITTER_NO_MEMORIES },
    { "an array at the top", "[1]", "", SPLITTER_NOT_JSON },
    { "HTML", "<!DOCTYPE html>", "", SPLITTER_NOT_JSON },
    { "nothing", "", "", SPLITTER_NOT_JSON },
    { "cut in an element", "{\"memories\":[1,{\"id\":", "0@13:1\n", SPLITTER_BROKEN },
    { "cut after one", "{\"memories\":[1", "", SPLITTER_BROKEN },
    { "cut before the end", "{\"memories\":[1]", "0@13:1\n", SPLITTER_BROKEN },
    { "no comma", "{\"memories\":[{} {}]}", "0@13:{}\n", SPLITTER_BROKEN },
    { "two commas lose nothing", "{\"memories\":[1,,2]}", "0@13:1\n1@16:2\n", SPLITTER_COMPLETE },
    { "closed by the wrong bracket", "{\"memories\":[1}", "0@13:1\n", SPLITTER_BROKEN },
    { "null misspelt", "{\"memories\":nul}", "", SPLITTER_BROKEN },
    { "no colon", "{\"memories\" [1]}", "", SPLITTER_BROKEN },
    { "key without quotes", "{memories:[1]}", "", SPLITTER_BROKEN },
};

static void test_rows_in_every_chunk_size(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t size = strlen(rows[i].json);
        uint64_t first_broken = 0;
        for (size_t chunk = 0; chunk <= size; chunk++) {
            enum splitter_end end;
            uint64_t broken;
            split(rows[i].json, size, chunk, 12 + 8, &out, &end, &broken);
            if (strstr(rows[i].why, "too large") != NULL)
                split(rows[i].json, size, chunk, 10, &out, &end, &broken);
            if (end != rows[i].end || strcmp(out.data, rows[i].want) != 0)
                fail_msg("%s in chunks of %zu: end %d\n%s", rows[i].why, chunk, (int)end, out.data);
            if (chunk == 0)
                first_broken = broken;
            else if (broken != first_broken)
                fail_msg("%s in chunks of %zu: broken at %llu", rows[i].why, chunk, (unsigned long long)broken);
        }
    }
}

static void test_memory_is_bounded_by_the_element(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    struct splitter_settings settings = { .element_maximum = 1000, .sample = 4, .depth_maximum = 64, .on_element = on_element, .context = &out };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    char block[1000];
    const char *sample;
    (void)state;

    text_init(&out, 0);
    memset(block, 'x', sizeof block);
    splitter_push(splitter, "{\"memories\":[\"", 14);
    for (int i = 0; i < 100000; i++)
        splitter_push(splitter, block, sizeof block); /* 100 MB in one string */
    assert_true(splitter_unfinished(splitter, &sample) <= 1001);
    splitter_push(splitter, "\",7]}", 5);
    assert_int_equal(splitter_end(splitter), SPLITTER_COMPLETE);
    assert_int_equal(splitter_count(splitter), 2);
    assert_string_equal(out.data, "0@13!:\"xxx\n1@100000016:7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_in_every_chunk_size),
        cmocka_unit_test(test_memory_is_bounded_by_the_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
