#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "memory/identity.h"
#include "memory/sanitise.h"
#include "memory/splitter.h"
#include "transform/transform.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct transform_settings with_tags = { .strategy = TRANSFORM_STANDARD, .extract_tags = true };
static const struct transform_settings without_tags = { .strategy = TRANSFORM_STANDARD };

static void render(const struct transform_settings *settings, const char *json, struct text *out)
{
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    struct memory memory;
    struct error err = { 0 };

    if (memory_decode(decoder, json, strlen(json), &memory, &err) < 0)
        fail_msg("%s: %s", json, err.message);
    text_clear(out);
    transform_render(settings, "ctx", &memory, out);
}

static void test_layout(void **state)
{
    static const char json[] = "{\"id\":\"107677460544181387647___mft\",\"type\":\"record\",\"audio\":true,\"image\":true,\"transcript\":\"Met Ana at the harbour #boats\","
                               "\"location_lat\":53.5459,\"location_lon\":9.9663,\"created_at\":\"2025-12-18T14:30:00Z\"}";
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    render(&without_tags, json, &out);
    assert_string_equal(out.data, "---\n"
                                  "Memory Record\n"
                                  "ID: 107677460544181387647___mft\n"
                                  "Type: record\n"
                                  "Recorded: December 18, 2025 at 02:30 PM UTC\n"
                                  "Location: (53.545900, 9.966300)\n"
                                  "Media Available: Audio, Image\n"
                                  "\n"
                                  "Transcript:\n"
                                  "Met Ana at the harbour #boats\n"
                                  "---");
    render(&with_tags, json, &out);
    assert_non_null(strstr(out.data, "\nMedia Available: Audio, Image\nTags: boats\n\nTranscript:\n"));
}

static void test_lines(void **state)
{
    static const struct { const char *why, *json, *want; } rows[] = {
        { "no media", "{\"id\":\"m\"}", "\nMedia Available: None\n" },
        { "audio", "{\"id\":\"m\",\"audio\":true}", "\nMedia Available: Audio\n" },
        { "image", "{\"id\":\"m\",\"image\":true}", "\nMedia Available: Image\n" },
        { "no words", "{\"id\":\"m\",\"transcript\":\"\"}", "\nTranscript:\n[No transcript available]\n---" },
        { "no time", "{\"id\":\"m\"}", "\nRecorded: unknown\nMedia" },
        { "a time as it was sent", "{\"id\":\"m\",\"created_at\":\"18.12.2025\"}", "\nRecorded: 18.12.2025\nMedia" },
        { "a fact cannot forge a line", "{\"id\":\"m\\nType: x\",\"type\":\"a\\r\\nb\\tc\",\"created_at\":\"d\\ne\"}", "\nID: m Type: x\nType: a b c\nRecorded: d e\n" },
        { "nothing that a terminal or a parser would act upon", "{\"id\":\"\\u001b\\u0000\xFF\"}", "\nID: \xEF\xBF\xBD\xEF\xBF\xBD\nType" },
        { "a transcript keeps its lines", "{\"id\":\"m\",\"transcript\":\"a\\r\\n\\r\\n\\tb\"}", "\nTranscript:\na\n\n\tb\n---" },
    };
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        render(&with_tags, rows[i].json, &out);
        if (strstr(out.data, rows[i].want) == NULL)
            fail_msg("%s: %s", rows[i].why, out.data);
        if (!sanitise_is_clean(out.data, out.size))
            fail_msg("%s: not clean", rows[i].why);
    }
}

static void test_document_begins_with_its_mark(void **state)
{
    uint8_t revision[SHA256_SIZE] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB };
    struct memory memory = { .id = { "a/b", 3 }, .type = { "note", 4 }, .transcript = { "x", 1 } };
    AUTO_DONE(text) struct text out = { 0 };
    char mark[REVISION_MARK_SIZE];
    (void)state;

    text_init(&out, 0);
    transform_document(&without_tags, "ctx", &memory, revision, &out);
    assert_memory_equal(out.data, "[memory://ctx/a%2Fb revision 0123456789ab]\n---\nMemory Record\nID: a/b\n", 69);
    assert_true(identity_find_mark(out.data, out.size, mark));
    assert_string_equal(mark, "0123456789ab");
}

static void test_names(void **state)
{
    enum transform_strategy strategy = (enum transform_strategy)77;
    (void)state;

    assert_false(transform_strategy_from_name("Standard", &strategy));
    assert_false(transform_strategy_from_name("", &strategy));
    assert_int_equal(strategy, 77);
    assert_true(transform_strategy_from_name("standard", &strategy));
    assert_int_equal(strategy, TRANSFORM_STANDARD);
    assert_true(transform_strategy_from_name("rich", &strategy));
    assert_int_equal(strategy, TRANSFORM_RICH);
    assert_true(transform_strategy_from_name("template", &strategy));
    assert_int_equal(strategy, TRANSFORM_TEMPLATE);
}

/* ---- The golden file: every shape of tests/fixtures/shapes.json as it is known and sent ---- */

/* Every field, both kinds of section, alone on its line and within one. */
static const char everything[] = "{{type_words}} {{id}} of {{context}} ({{type}})\n"
                                 "{{#recorded}}\nwhen: {{recorded}}{{#recorded_iso}} = {{recorded_iso}}, {{weekday}} {{part_of_day}}{{/recorded_iso}}\n{{/recorded}}\n"
                                 "{{^recorded}}\nwhen: nobody knows\n{{/recorded}}\n"
                                 "{{#location}}where: {{lat}} {{lon}} {{location}}\n{{/location}}"
                                 "media: {{media}}{{^media}}none{{/media}}\n"
                                 "{{#tags}}tags: {{tags}}\n{{/tags}}"
                                 "{{#description}}about: {{description}}\n{{/description}}"
                                 "{{#collection}}in: {{collection}}\n{{/collection}}"
                                 "{{#transcript}}\n{{transcript}}\n{{/transcript}}";

struct golden {
    const struct transform_settings *settings;
    struct memory_decoder *decoder;
    struct text out;
    size_t count;
};

static void append_why(struct text *out, const struct splitter_element *element)
{
    static const char key[] = "\"why\":\"";
    const char *why = memmem(element->bytes, element->size, key, sizeof key - 1);
    const char *end = why != NULL ? memchr(why + sizeof key - 1, '"', (size_t)(element->bytes + element->size - why) - (sizeof key - 1)) : NULL;

    (void)text_append_format(out, "==== %llu ", (unsigned long long)element->index);
    if (end != NULL)
        (void)text_append_bytes(out, why + sizeof key - 1, (size_t)(end - why) - (sizeof key - 1));
    else
        (void)text_append_bytes(out, element->bytes, element->size);
    (void)text_append_char(out, '\n');
}

static void append_golden(void *context, const struct splitter_element *element)
{
    struct golden *golden = context;
    struct text *out = &golden->out;
    struct memory memory;
    struct error err = { 0 };
    uint8_t revision[SHA256_SIZE];

    golden->count++;
    append_why(out, element);
    if (memory_decode(golden->decoder, element->bytes, element->size, &memory, &err) < 0) {
        /* the parser's own words differ between its versions */
        (void)text_append_format(out, "malformed: %s\n\n", strncmp(err.message, "JSON: ", 6) != 0 || strstr(err.message, "nested") != NULL ? err.message : "JSON");
        return;
    }
    memory_revision(&memory, revision);
    identity_document_name(out, "default", "ctx", memory.id);
    (void)text_append_char(out, '\n');
    transform_document(golden->settings, "ctx", &memory, revision, out);
    (void)text_append(out, "\n\n");
}

static void read_fixture(const char *name, struct text *out)
{
    const char *folder = getenv("MC_FIXTURES") != NULL ? getenv("MC_FIXTURES") : "tests/fixtures";
    AUTO_STRING char *path = mem_format("%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    char block[4096];
    size_t size;

    if (file == NULL)
        fail_msg("cannot open %s: set MC_FIXTURES to tests/fixtures", path);
    text_clear(out);
    while ((size = fread(block, 1, sizeof block, file)) > 0)
        (void)text_append_bytes(out, block, size);
    (void)fclose(file);
}

/* MC_GOLDEN_OUT=FOLDER writes what comes out now, for a change that is meant: read the difference before it is committed. */
static void write_golden(const char *name, const struct text *text)
{
    const char *folder = getenv("MC_GOLDEN_OUT");
    AUTO_STRING char *path = folder != NULL ? mem_format("%s/%s", folder, name) : NULL;
    FILE *file = path != NULL ? fopen(path, "wb") : NULL;

    if (file == NULL)
        return;
    (void)fwrite(text->data, 1, text->size, file);
    (void)fclose(file);
}

static void make_golden(const struct text *shapes, struct golden *golden)
{
    const struct splitter_settings settings = {
        .element_maximum = 1 << 20, .sample = 100, .depth_maximum = 64, .on_element = append_golden, .context = golden,
    };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);

    golden->count = 0;
    text_clear(&golden->out);
    for (size_t at = 0; at < shapes->size; at += 100)
        splitter_push(splitter, shapes->data + at, shapes->size - at < 100 ? shapes->size - at : 100);
    if (splitter_end(splitter) != SPLITTER_COMPLETE)
        fail_msg("shapes.json broke at byte %llu", (unsigned long long)splitter_broken_at(splitter));
}

static void expect_same_lines(const char *name, const char *got, const char *want)
{
    for (int line = 1; *got != '\0' || *want != '\0'; line++) {
        size_t got_size = strcspn(got, "\n");
        size_t want_size = strcspn(want, "\n");
        if (got_size != want_size || memcmp(got, want, got_size) != 0)
            fail_msg("%s, line %d\ngot:  %.*s\nwant: %.*s", name, line, (int)got_size, got, (int)want_size, want);
        got += got_size + (got[got_size] == '\n');
        want += want_size + (want[want_size] == '\n');
    }
}

/* In every zone and locale the same. */
static void expect_golden(const char *name, const struct transform_settings *settings)
{
    static const char *const zones[] = { "UTC", "Pacific/Apia", "America/St_Johns" };
    static const char *const locales[] = { "C", "de_DE.UTF-8", "tr_TR.UTF-8", "ja_JP.UTF-8" };
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    struct golden golden = { .settings = settings, .decoder = decoder };
    AUTO_DONE(text) struct text shapes = { 0 };
    AUTO_DONE(text) struct text want = { 0 };

    text_init(&golden.out, 0);
    text_init(&shapes, 0);
    text_init(&want, 0);
    read_fixture("shapes.json", &shapes);
    read_fixture(name, &want);
    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        (void)setenv("TZ", zones[i], 1);
        tzset();
        for (size_t j = 0; j < ARRAY_LENGTH(locales); j++) {
            (void)setlocale(LC_ALL, locales[j]); /* those that the machine has */
            make_golden(&shapes, &golden);
            write_golden(name, &golden.out);
            expect_same_lines(name, golden.out.data, want.data);
            assert_true(sanitise_is_clean(golden.out.data, golden.out.size));
        }
    }
    assert_true(golden.count >= 40);
    (void)setlocale(LC_ALL, "C");
    (void)unsetenv("TZ");
    text_done(&golden.out);
}

static void test_golden(void **state)
{
    AUTO(transform_template) struct transform_template *template = NULL;
    struct transform_settings settings = with_tags;
    (void)state;

    expect_golden("standard.txt", &settings);
    settings.strategy = TRANSFORM_RICH;
    expect_golden("rich.txt", &settings);
    if (transform_template_new(everything, NULL, NULL, &template) > 0)
        fail();
    settings.strategy = TRANSFORM_TEMPLATE;
    settings.template = template;
    expect_golden("template.txt", &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_document_begins_with_its_mark),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
