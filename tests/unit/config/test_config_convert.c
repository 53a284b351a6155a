#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config_convert.h"
#include "config/config_convert_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(const char *why, const char *got, const char *want)
{
    if ((got == NULL) != (want == NULL) || (want != NULL && strcmp(got, want) != 0))
        fail_msg("%s: got %s, want %s", why, got != NULL ? got : "nothing", want != NULL ? want : "nothing");
}

static void test_references(void **state)
{
    static const struct { const char *why, *text, *optional, *needed; bool is_changed; } rows[] = {
        { "no variable", "plain $5", "plain $5", "plain $5", false },
        { "bare", "${A}", "${A:-}", "${A}", false },
        { "has a default", "${A:-b}", "${A:-b}", "${A:-b}", false },
        { "demanded", "${A:?why}", "${A:?why}", "${A:?why}", false },
        { "inside of words", "x${A}y${_B1}", "x${A:-}y${_B1:-}", "x${A}y${_B1}", false },
        { "a shell's way", "$OLD_KEY", "${OLD_KEY:-}", "${OLD_KEY}", true },
        { "small letters are a text", "$old", "$old", "$old", false },
        { "not closed", "${A", "$${A", "$${A", true },
        { "no name", "${}", "$${}", "$${}", true },
        { "an operator that ours has not", "${A-b}", "$${A-b}", "$${A-b}", true },
        { "one in the other", "${A:-${B}}", "$${A:-${B:-}}", "$${A:-${B}}", true },
        { "nothing", "", "", "", false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool is_changed;
        AUTO_STRING char *optional = convert_text(rows[i].text, true, &is_changed);
        AUTO_STRING char *needed = convert_text(rows[i].text, false, &is_changed);
        assert_text(rows[i].why, optional, rows[i].optional);
        assert_text(rows[i].why, needed, rows[i].needed);
        if (is_changed != rows[i].is_changed)
            fail_msg("%s: changed %d", rows[i].why, is_changed);
    }
}

static void test_values(void **state)
{
    static const char *const levels[] = { "debug", "info", "warn", "error", "off", NULL };
    static const struct field boolean = { .name = "b", .type = FIELD_BOOLEAN, .fallback = "true" };
    static const struct field level = { .name = "l", .type = FIELD_CHOICE, .choices = levels, .fallback = "info" };
    static const struct field integer = { .name = "i", .type = FIELD_INTEGER, .min = 1, .max = 16, .fallback = "5" };
    static const struct field number = { .name = "n", .type = FIELD_NUMBER, .min = 1.5, .max = 10, .fallback = "2.0" };
    static const struct field duration = { .name = "d", .type = FIELD_DURATION, .min = 1000, .max = 3600000, .fallback = "90" };
    static const struct field url = { .name = "url", .type = FIELD_URL, .fallback = "http://default" };
    static const struct { const char *why; const struct field *field; const char *text, *want, *message; } rows[] = {
        { "YAML 1.1", &boolean, "Yes", "true", NULL },
        { "YAML 1.1", &boolean, "off", "false", NULL },
        { "for the loader to refuse", &boolean, "perhaps", "perhaps", NULL },
        { "Python's word", &level, "WARNING", "warn", NULL },
        { "graver than ours", &level, "Critical", "error", "gravest" },
        { "in small letters", &level, "DEBUG", "debug", NULL },
        { "for the loader to refuse", &level, "loud", "loud", NULL },
        { "in range", &integer, "16", "16", NULL },
        { "too large", &integer, "17", "16", "17 is out of range: 16 is written, the most here" },
        { "nothing meant the default", &integer, "0", NULL, "the default is 5" },
        { "no number: for the loader to refuse", &integer, "many", "many", NULL },
        { "only a little too small", &number, "1.2", "1.5", "the least here" },
        { "a part of a number", &number, "99.5", "10", "the most here" },
        { "seconds", &duration, "7200", "1h", "7200 is out of range: 1h is written" },
        { "nothing", &duration, "0", NULL, "the default is 90s" },
        { "not judged", &integer, "${N}", "${N}", NULL },
        { "an address", &url, "https://a.example/b", "https://a.example/b", NULL },
        { "with an account", &url, "https://me:pw@a.example/b", "https://a.example/b", "an account or a query" },
        { "an at sign behind the host", &url, "http://a/@b", "http://a/@b", NULL },
        { "with a query", &url, "http://a/b?key=c", "http://a/b", "an account or a query" },
        { "with both, and nothing else", &url, "http://x@?", "http://", "an account or a query" },
        { "none", &url, "", NULL, "the default is http://default" },
        { "no address: for the loader to refuse", &url, "a b", "a b", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *message = NULL;
        AUTO_STRING char *got = convert_value(rows[i].field, rows[i].text, &message);
        assert_text(rows[i].why, got, rows[i].want);
        if ((message == NULL) != (rows[i].message == NULL) || (message != NULL && strstr(message, rows[i].message) == NULL))
            fail_msg("%s (%s): says %s", rows[i].why, rows[i].text, message != NULL ? message : "nothing");
    }
}

static void test_names_and_paths(void **state)
{
    static const struct { const char *old; bool is_folder, is_json; const char *want; } paths[] = {
        { "./data", true, true, "./data/memory-connector-state" },
        { "/d/", true, true, "/d/memory-connector-state" },
        { "${DATA}", true, true, "${DATA}/memory-connector-state" },
        { "./data/state.db", false, false, "./data/memory-connector.db" },
        { "state.db", false, false, "./memory-connector.db" },
        { "/state.db", false, false, "/memory-connector.db" },
        { "./memory_sync_state.json", false, true, "./memory-connector-state" },
        { "${D:-/var/lib}/state.db", false, false, "${D:-/var/lib}/memory-connector.db" },
        { "${FILE:-/var/lib/x}", false, false, NULL },
    };
    static const struct { const char *old, *want; } ids[] = {
        { "a-B_9.x", "a-B_9.x" }, { "two words", "two-words" }, { ".hidden", "_hidden" }, { "a/b", "a-b" },
        { "0123456789012345678901234567890123456789012345678901234567890123456789", "0123456789012345678901234567890123456789012345678901234567890123" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        AUTO_STRING char *got = convert_state_path(paths[i].old, paths[i].is_folder, paths[i].is_json);
        assert_text(paths[i].old, got, paths[i].want);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        AUTO_STRING char *got = convert_id(ids[i].old);
        assert_text(ids[i].old, got, ids[i].want);
    }
}

/* ---- Whole files ---- */

/* Converts; what comes out must be taken by the loader with no variable set, unless it reads one. Gives back the shape, or -1. */
static int convert(const char *text, struct conversion *conversion)
{
    static const char *const environment[] = { "HOME=/u", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_DONE(config_problems) struct config_problems found = { 0 };
    AUTO(config) struct config *config = NULL;
    struct error err = { 0 };
    struct config_request request = { .environment = environment, .file = "new.yaml" };

    if (config_convert("old.yaml", text, strlen(text), NULL, conversion, &problems, &err) < 0) {
        assert_int_equal(err.kind, ERROR_CONFIG);
        return -1;
    }
    request.text = conversion->yaml.data;
    if (conversion->shape != CONVERT_OURS && config_load(&request, &config, &found, &err) < 0)
        for (size_t i = 0; i < found.count; i++)
            if (!found.items[i].is_warning && (conversion->variable_count == 0 || strstr(text, "${") == NULL))
                fail_msg("%s\nof %s\nmade of %s", found.items[i].text, conversion->yaml.data, text);
    return (int)conversion->shape;
}

static void test_shapes(void **state)
{
    static const struct { const char *why, *text; int want; } rows[] = {
        { "an address where only the Go program has it", "lightrag: { url: http://x }", CONVERT_GO },
        { "another's case", "LIGHTRAG: { Url: http://x }", CONVERT_GO },
        { "transform", "connectors: [{ id: a, context_id: c, transform: { strategy: rich } }]", CONVERT_GO },
        { "its variables, and a key nobody knows", "memory_api: { api_key: '${MEMCON_X:-}' }\nx: 1", CONVERT_GO },
        { "its variables in a file of ours", "memory_api: { api_key: '${MEMCON_X:-}' }", CONVERT_OURS },
        { "a key of the design", "connectors: [{ id: a, context_id: c, ingestion: { batch_size: 3 } }]", CONVERT_DESIGN },
        { "a value of the design", "lightrag: { mode: direct }", CONVERT_DESIGN },
        { "a word of the design", "logging: { level: CRITICAL }", CONVERT_DESIGN },
        { "a typing error in a file of the design", "memory_api: { urll: http://x, timeout: 3 }", CONVERT_DESIGN },
        { "what all three have", "memory_api: { url: http://x }", CONVERT_OURS },
        { "ours, with a mistake", "memory_api: { timeout: soon }", CONVERT_OURS },
        { "nothing is known", "a: 1", -1 },
        { "nothing is there", "", -1 },
        { "nobody knows where", "lightrag: { url: nowhere }", -1 },
        { "no context", "connectors: [{ id: a, transform: { strategy: rich } }]", -1 },
        { "no YAML", "a: [", -1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(conversion) struct conversion conversion = { 0 };
        int got = convert(rows[i].text, &conversion);
        if (got != rows[i].want)
            fail_msg("%s: %s is %d, want %d", rows[i].why, rows[i].text, got, rows[i].want);
    }
}

/* Settings of one kind are told once, whatever the number of connectors. */
static void test_notes_are_joined(void **state)
{
    AUTO_DONE(text) struct text old = { 0 };
    AUTO_DONE(conversion) struct conversion conversion = { 0 };
    (void)state;

    text_init(&old, 0);
    (void)text_append(&old, "connectors:\n");
    for (int i = 0; i < 300; i++)
        (void)text_append_format(&old, "  - { id: c%d, context_id: c%d, transform: { media_context: none } }\n", i, i);
    assert_int_equal(convert(old.data, &conversion), CONVERT_GO);
    assert_int_equal(conversion.note_count, 2);
    assert_int_equal(conversion.notes[0].more, 299);
    assert_int_equal(conversion.notes[0].line, 2);
}

/* More mistakes than problems are kept, and all variables: nothing loops, and the rest is carried over. */
static void test_many_mistakes(void **state)
{
    AUTO_DONE(text) struct text old = { 0 };
    AUTO_DONE(conversion) struct conversion conversion = { 0 };
    (void)state;

    text_init(&old, 0);
    (void)text_append(&old, "server: { port: 7 }\napi: { cors: { enabled: true, origins: [");
    for (int i = 0; i < 150; i++)
        (void)text_append_format(&old, "bad%d, ", i);
    (void)text_append(&old, "'http://good'] } }\nconnectors:\n");
    for (int i = 0; i < 300; i++)
        (void)text_append_format(&old, "  - { id: c%d, enabled: '${E%d:-true}', context_id: c%d, ingestion: { query_range: r%d } }\n", i, i, i, i);
    assert_int_equal(convert(old.data, &conversion), CONVERT_GO);
    assert_non_null(strstr(conversion.yaml.data, "origins: [http://good]"));
    assert_null(strstr(conversion.yaml.data, "query_range: r"));
    assert_int_equal(conversion.variable_count, 302);
}

/* Pieces of old files put together at random: no crash, and what comes out is taken. */
static void test_random(void **state)
{
    static const char *const lines[] = {
        "lightrag: { url: http://x, api_key: k, timeout: 9999 }\n", "lightrag: { mode: api, api: { url: http://y, workspace: w }, direct: {} }\n",
        "lightrag: [1]\n", "memory_api: { url: 'http://a:b@c', max_retries: 0, retry_delay: 1 }\n", "memory_api:\n", "server: { host: '::', port: -4 }\n",
        "storage: { type: json, path: x }\n", "state: { backend: json, path: y, cleanup: { cleanup_cron: never } }\n", "logging: { file: p, level: panic }\n",
        "logging: { output_path: /x, components: { scheduler: INFO, cli: trace } }\n", "api: { cors: { enabled: on, origins: ['*', http://o] }, host: 0.0.0.0 }\n",
        "monitoring: { alerts: { enabled: true, alert_on: [x, dead_letters, { stuck_for_hours: 1e9 }, [1]] } }\n", "unknown: { a: [1, { b: 2 }] }\n",
        "targets: { 'a b': { api: { url: z } } }\n", "advanced: { shutdown_timeout: 1d, pipeline: { max_concurrent_connectors: 1000 }, performance: 1 }\n",
        "connectors: [{ id: 'a b', context_id: c }, { id: a, context_ids: [c, c] }, { id: d, context_id: c, target: nowhere }]\n",
        "connectors: [{ id: x, context_id: c, enabled: y, schedule: { cron_expr: '@daily', interval_hours: 1 }, metadata: { a: [1], b: 2 } }, 7]\n",
        "connectors: [{ id: x, context_id: 0x10, retry: 5, ingestion: { filter: { since: never }, batch_size: 1e3 }, transform: { template: '{{' } }]\n",
    };
    unsigned seed = 20261128;
    (void)state;

    for (int round = 0; round < 3000; round++) {
        AUTO_DONE(conversion) struct conversion conversion = { 0 };
        AUTO_DONE(text) struct text old = { 0 };
        text_init(&old, 0);
        for (size_t i = 0; i < 5; i++) {
            seed = seed * 1103515245u + 12345u;
            (void)text_append(&old, lines[(seed >> 16) % ARRAY_LENGTH(lines)]);
        }
        (void)convert(old.data, &conversion);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),   cmocka_unit_test(test_values),        cmocka_unit_test(test_names_and_paths), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_notes_are_joined), cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
