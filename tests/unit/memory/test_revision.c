#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "memory/memory.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void revision_of(const char *json, char ret_hex[SHA256_HEX_SIZE])
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    uint8_t revision[SHA256_SIZE];
    struct memory memory;
    struct error err = { 0 };

    if (memory_decode(decoder, json, strlen(json), &memory, &err) < 0)
        fail_msg("%s: %s", json, err.message);
    memory_revision(&memory, revision);
    sha256_hex(revision, sizeof revision, ret_hex);
}

static const char usual[] = "{\"id\":\"m\",\"type\":\"note\",\"audio\":true,\"image\":false,\"transcript\":\"Met Ana\",\"location_lat\":53.5459,"
                            "\"location_lon\":9.9663,\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"a\",\"b\"],\"description\":\"d\","
                            "\"collection_name\":\"c\"}";

/* Stored in every state file: if this changes, every memory of every user looks changed. The facts that are hashed:
 * type:4:note audio:1:1 image:1:0 transcript:7:Met Ana location:18:53.545900,9.966300 created:20:2025-12-18T14:30:00Z tag:1:a tag:1:b
 * description:1:d collection:1:c, each with a line end. */
static void test_never_changes(void **state)
{
    static const char facts[] = "type:4:note\naudio:1:1\nimage:1:0\ntranscript:7:Met Ana\nlocation:18:53.545900,9.966300\n"
                                "created:20:2025-12-18T14:30:00Z\ntag:1:a\ntag:1:b\ndescription:1:d\ncollection:1:c\n";
    char hex[SHA256_HEX_SIZE], want[SHA256_HEX_SIZE];
    uint8_t digest[SHA256_SIZE];
    (void)state;

    revision_of(usual, hex);
    sha256_of(facts, sizeof facts - 1, digest);
    sha256_hex(digest, sizeof digest, want);
    assert_string_equal(hex, want);
    assert_string_equal(hex, "63cf265e286f99e8d905e8563e3f0658c03ffde60236f577f8f68012c651e236");
    revision_of("{\"id\":\"m\"}", hex);
    assert_string_equal(hex, "3fff57ce333c7f09f77ce4fb35643aa5edd9b7dc6a3c100733ec363e61854112");
}

static void test_the_same(void **state)
{
    static const struct { const char *why, *json; } rows[] = {
        { "another order of keys, and blanks", "{ \"collection_name\":\"c\", \"description\":\"d\", \"tags\":[\"a\",\"b\"], \"created_at\":\"2025-12-18T14:30:00Z\","
          "\"location_lon\":9.9663,\"location_lat\":53.5459,\"transcript\":\"Met Ana\",\"image\":false,\"audio\":true,\"type\":\"note\",\"id\":\"m\"}" },
        { "other forms of the same facts", "{\"id\":\"m\",\"type\":\" note\",\"audio\":\"https://x\",\"image\":null,\"transcript\":\"Met Ana\\r\\n\",\"location_lat\":\"53.54590\","
          "\"location_lon\":9.96630000000001,\"created_at\":\"2025-12-18T15:30:00.000+01:00\",\"tags\":[\"a\",\"\",\"b\"],\"description\":\"d \","
          "\"collection_name\":\"c\"}" },
        { "what never reaches a text, and another id", "{\"id\":\"n\",\"type\":\"note\",\"audio\":true,\"image\":false,\"transcript\":\"Met Ana\",\"location_lat\":53.5459,"
          "\"location_lon\":9.9663,\"created_at\":\"2025-12-18T14:30:00Z\",\"tags\":[\"a\",\"b\"],\"description\":\"d\",\"collection_name\":\"c\","
          "\"updated_at\":\"2026-01-01T00:00:00Z\",\"gcs_uri\":\"gs://x\",\"transcript_status\":\"done\"}" },
    };
    char want[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE];
    (void)state;

    revision_of(usual, want);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        revision_of(rows[i].json, hex);
        if (strcmp(hex, want) != 0)
            fail_msg("%s is no change", rows[i].why);
    }
}

/* Each is a change against all the others: no fact can pass for another one. */
static void test_all_different(void **state)
{
    static const char *const rows[] = {
        "{\"id\":\"m\"}",
        "{\"id\":\"m\",\"type\":\"note\"}",
        "{\"id\":\"m\",\"audio\":true}",
        "{\"id\":\"m\",\"image\":true}",
        "{\"id\":\"m\",\"transcript\":\"a\"}",
        "{\"id\":\"m\",\"transcript\":\"A\"}",
        "{\"id\":\"m\",\"description\":\"a\"}",
        "{\"id\":\"m\",\"collection_name\":\"a\"}",
        "{\"id\":\"m\",\"tags\":[\"a\"]}",
        "{\"id\":\"m\",\"tags\":[\"b\",\"a\"]}",
        "{\"id\":\"m\",\"tags\":[\"a\",\"b\"]}",
        "{\"id\":\"m\",\"tags\":[\"ab\"]}",
        "{\"id\":\"m\",\"tags\":[\"a\\ntag:1:b\"]}",
        "{\"id\":\"m\",\"transcript\":\"a\\ndescription:1:b\",\"description\":\"\"}",
        "{\"id\":\"m\",\"transcript\":\"a\",\"description\":\"b\"}",
        "{\"id\":\"m\",\"created_at\":\"2025-12-18T14:30:00Z\"}",
        "{\"id\":\"m\",\"created_at\":\"2025-12-18T14:30:00.001Z\"}",
        "{\"id\":\"m\",\"created_at\":\"yesterday\"}",
        "{\"id\":\"m\",\"location_lat\":1,\"location_lon\":2}",
        "{\"id\":\"m\",\"location_lat\":1,\"location_lon\":2.000001}",
        "{\"id\":\"m\",\"location_lat\":-1,\"location_lon\":2}",
    };
    char hex[ARRAY_LENGTH(rows)][SHA256_HEX_SIZE];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        revision_of(rows[i], hex[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(hex[i], hex[j]) == 0)
                fail_msg("%s is the same as %s", rows[i], rows[j]);
    }
}

/* On the stack or in memory of its own: both ways give what the form says. */
static void test_every_size(void **state)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text facts = { 0 };
    AUTO_DONE(text) struct text words = { 0 };
    (void)state;

    text_init(&facts, 0);
    text_init(&words, 0);
    for (size_t size = 0; size < 9000; size += size < 3000 || size > 4300 ? 97 : 1) {
        uint8_t got[SHA256_SIZE], want[SHA256_SIZE];
        struct memory memory = { .type = { "record", 6 } };
        while (words.size < size)
            (void)text_append_char(&words, 'w');
        memory.transcript = (struct slice){ words.data, words.size };
        text_clear(&facts);
        (void)text_append_format(&facts, "type:6:record\naudio:1:0\nimage:1:0\ntranscript:%zu:%s\ncreated_raw:0:\ndescription:0:\ncollection:0:\n", size, words.data);
        memory_revision(&memory, got);
        sha256_of(facts.data, facts.size, want);
        assert_memory_equal(got, want, sizeof got);
    }
}

static void test_no_locale_and_no_zone(void **state)
{
    static const char *const zones[] = { "UTC", "Australia/Lord_Howe", "America/St_Johns", "<-03>3" };
    static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8", "C.UTF-8", "C" };
    static const char json[] = "{\"id\":\"m\",\"type\":\"I\",\"audio\":\"FALSE\",\"location_lat\":1234567890.5e-8,\"location_lon\":\"9.5\",\"created_at\":\"2025-03-30T02:30:00\"}";
    char want[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE];
    (void)state;

    revision_of(json, want);
    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        (void)setenv("TZ", zones[i], 1);
        tzset();
        revision_of(json, hex);
        assert_string_equal(hex, want);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(locales); i++) {
        (void)setlocale(LC_ALL, locales[i]); /* those that the machine has */
        revision_of(json, hex);
        assert_string_equal(hex, want);
    }
    (void)setlocale(LC_ALL, "C");
    (void)unsetenv("TZ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_changes),
        cmocka_unit_test(test_the_same),
        cmocka_unit_test(test_all_different),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_no_locale_and_no_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
