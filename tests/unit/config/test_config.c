#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENVIRONMENT_ROOM = 12 };

/* Loads text; fails the test when it is refused. */
static struct config *load(const char *text, const char *const *environment, struct config_problems *problems)
{
    static const char *const none[] = { "HOME=/u", NULL };
    struct config_request request = { .environment = environment != NULL ? environment : none, .text = text, .file = "c.yaml" };
    struct config *config = NULL;
    struct error err = { 0 };

    if (config_load(&request, &config, problems, &err) < 0)
        fail_msg("%s: %s", problems->count > 0 ? problems->items[0].text : err.message, text);
    return config;
}

static const char connector[] = "connectors: [{ id: a, context_id: c }]\n";

static void test_defaults(void **state)
{
    static const char *const texts[] = { "", "# nothing\n", "\n\n", "---\n", "~\n", "\xEF\xBB\xBF", "lightrag:\n", "lightrag: ~\nconnectors: null\n", "connectors: []\r\n" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = load(texts[i], NULL, &problems);
        assert_int_equal(problems.count, 0);
        assert_string_equal(config->lightrag.url, "http://localhost:9621");
        assert_int_equal(config->lightrag.timeout_ms, 300000);
        assert_string_equal(config->memory_api.url, "http://127.0.0.1:8080");
        assert_int_equal(config->memory_api.max_response_bytes, (int64_t)8 << 30);
        assert_int_equal(config->connectors.count, 0);
        assert_int_equal(config->engine.target_count, 1);
        assert_int_equal(config->engine.shutdown_timeout_ms, 30000);
        assert_string_equal(config->state_path, "/u/.local/state/memory-connector/memory-connector.db");
    }
}

/* Every key that the documentation names, in the form that this release takes. */
static const char everything[] =
    "lightrag:                      # the default target\n"
    "  mode: api\n"
    "  api: { url: http://localhost:9621, api_key: ${LIGHTRAG_API_KEY:-}, username: \"\", password: \"\", timeout: 300,\n"
    "         workspace: \"\" }\n"
    "  insert: { batch_size: 100, max_unfinished: 500 }\n"
    "  confirm: { poll_interval: 2s, settle: auto, kick: auto, kick_interval: 5m, give_up_after: 24h, audit_interval: 24h }\n"
    "memory_api: { url: http://127.0.0.1:8080, api_key: ${MEMORY_API_KEY}, timeout: 30, max_retries: 3, retry_backoff: 2.0, max_item_bytes: 8MiB, max_response_bytes: 8GiB }\n"
    "targets: {}\n"
    "sources: {}\n"
    "connectors:\n"
    "  - id: personal-memories\n"
    "    enabled: true\n"
    "    description: \"\"\n"
    "    context_id: CTX123\n"
    "    source: default\n"
    "    target: default\n"
    "    schedule: { type: interval, interval_hours: 2, cron: \"0 9,17 * * 1-5\", timezone: Europe/Berlin, overlap: skip, catch_up: 1h, jitter: 0s }\n"
    "    ingestion: { query_range: week, query_limit: 100, auto_widen: false, max_concurrency: 1, skip_empty_transcripts: true,\n"
    "                 filter: { types: [], since: \"\", until: \"\" }, on_update: keep, on_delete: keep, max_delete_percent: 10 }\n"
    "    transformation: { strategy: standard, extract_tags: true, template: \"\", include_audio: false, include_image: false, geocoding: false }\n"
    "    retry: { max_attempts: 3, backoff_multiplier: 2.0, max_backoff_seconds: 60 }\n"
    "state: { backend: sqlite, path: \"\", keep_texts: all, disk_reserve: 256MiB, cleanup: { enabled: true, retention_days: 90, cleanup_cron: \"0 2 * * *\" } }\n"
    "api: { enabled: true, host: 127.0.0.1, port: 9622, enable_auth: true, api_key: ${CONNECTOR_API_KEY:-}, read_only_key: \"\", allowed_hosts: [],\n"
    "       allow_inline_endpoints: false, inline_networks: [10.0.0.0/8, \"::1\"], cors: { enabled: false, origins: [] }, rate_limit: { enabled: true, requests_per_minute: 600 }, trusted_proxies: [] }\n"
    "http: { ca_file: \"\", proxy: \"\", insecure: false }\n"
    "logging: { level: INFO, format: text, file: { enabled: false, path: \"\", max_bytes: 10MiB, backup_count: 5 }, console: { enabled: true, colorize: auto }, components: {} }\n"
    "monitoring:\n"
    "  prometheus: { enabled: true, path: /metrics }\n"
    "  alerts: { enabled: false, webhook_url: \"\", secret: \"\", alert_on: { consecutive_failures: 3, no_sync_for_hours: 24, dead_letters: 1, stuck_for_hours: 6 } }\n"
    "advanced: { shutdown_timeout: 30s, pipeline: { max_concurrent_connectors: 4, job_timeout_minutes: 60 } }\n";

static void test_everything(void **state)
{
    static const char *const environment[] = { "HOME=/u", "MEMORY_API_KEY=k1", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load(everything, environment, &problems);
    const struct engine_connector *made = &config->engine.connectors[0];
    (void)state;

    assert_int_equal(problems.count, 0);
    assert_int_equal(config->engine.connector_count, 1);
    assert_string_equal(made->id, "personal-memories");
    assert_string_equal(made->contexts[0], "CTX123");
    assert_int_equal(made->context_count, 1);
    assert_string_equal(made->range, "week");
    assert_int_equal(made->limit, 100);
    assert_int_equal(made->max_backoff_ms, 60000);
    assert_true(made->transform.extract_tags);
    assert_int_equal(made->source, 0);
    assert_string_equal(config->engine.sources[0].endpoint.api_key, "k1");
    assert_string_equal(config->engine.targets[0].sink.api_key, "");
    assert_int_equal(config->engine.targets[0].settle_ms, 0);
    assert_true(config->engine.targets[0].kick);
    assert_true(config->engine.keep_texts);
    assert_int_equal(config->api.port, 9622);
}

static void test_alerts(void **state)
{
    static const struct { const char *why, *on; int64_t failures, no_sync, letters, stuck; } rows[] = {
        { "nothing said", "{}", 3, 24, 1, 6 },
        { "one changed", "{ dead_letters: 5 }", 3, 24, 5, 6 },
        { "a list: the others are off", "[consecutive_failures, stuck_for_hours]", 3, 0, 0, 6 },
        { "a list with a number", "[dead_letters: 7, no_sync_for_hours]", 0, 24, 7, 0 },
        { "an empty list", "[]", 0, 0, 0, 0 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_STRING char *text = mem_format("monitoring: { alerts: { enabled: true, webhook_url: \"https://x/y?z=1\", "
                                            "secret: whsec_AAAAAAAAAAAAAAAAAAAAAA==, alert_on: %s } }\n", rows[i].on);
        AUTO(config) struct config *config = load(text, NULL, &problems);
        if (config->monitoring.failures != rows[i].failures || config->monitoring.no_sync_hours != rows[i].no_sync ||
            config->monitoring.dead_letters != rows[i].letters || config->monitoring.stuck_hours != rows[i].stuck)
            fail_msg("%s", rows[i].why);
        assert_true(config->monitoring.alerts);
    }
}

static void test_names_lead_to_their_servers(void **state)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load(
        "targets: { a.b: { api: { url: http://127.0.0.1:1/, workspace: w }, confirm: { settle: 90s, kick: never } }, default2: {} }\n"
        "sources: { s: { url: http://127.0.0.1:2 } }\n"
        "connectors:\n"
        "  - { id: one, context_ids: [x, y], source: s, target: a.b }\n"
        "  - { id: two, context_id: x }\n"
        "  - { id: three, context_id: x, enabled: false }\n", NULL, &problems);
    const struct engine_settings *engine = &config->engine;
    size_t index = 0;
    struct error err = { 0 };
    char words[80];
    (void)state;

    assert_int_equal(engine->target_count, 3);
    assert_string_equal(engine->targets[engine->connectors[0].target].name, "a.b");
    assert_string_equal(engine->targets[1].sink.url, "http://127.0.0.1:1");
    assert_string_equal(engine->targets[1].workspace, "w");
    assert_int_equal(engine->targets[1].settle_ms, 90000);
    assert_false(engine->targets[1].kick);
    assert_string_equal(engine->sources[engine->connectors[0].source].endpoint.url, "http://127.0.0.1:2");
    assert_int_equal(engine->connectors[0].context_count, 2);
    assert_string_equal(engine->connectors[0].contexts[1], "y");
    assert_int_equal(engine->connectors[1].target, 0);
    assert_int_equal(config_find_connector(config, "three", &index, &err), 0);
    assert_int_equal(index, 2);
    assert_int_equal(config_find_connector(config, "tree", &index, &err), -1);
    assert_string_equal(err.message, "there is no connector \"tree\"; did you mean \"three\"?");
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_int_equal(config_find_connector(config, "something-else", &index, &err), -1);
    assert_string_equal(config_schedule_words(config_connector(config, 0), words, sizeof words), "manual");
}

static void test_schedules_in_words(void **state)
{
    static const struct { const char *schedule, *want; } rows[] = {
        { "{}", "manual" },
        { "{ type: interval }", "every 1h" },
        { "{ interval: 15m }", "every 15m" },
        { "{ interval_hours: 6 }", "every 6 h" },
        { "{ cron: '@daily' }", "cron @daily" },
        { "{ type: auto, interval: 15m, cron: '' }", "every 15m" },
        { "{ type: manual, interval: 15m }", "manual" },
        { "{ overlap: buffer_one }", "manual" },
        { "{ type: interval, interval: 90m }", "every 90m" },
        { "{ type: interval, interval: 7200 }", "every 2h" },
        { "{ type: interval, interval_hours: 6 }", "every 6 h" },
        { "{ type: cron, cron: '0 9,17 * * 1-5', timezone: Europe/Berlin }", "cron 0 9,17 * * 1-5 Europe/Berlin" },
        { "{ type: CRON, cron: '@daily' }", "cron @daily" },
        { "{ type: cron, cron: '*/5  8-18 * jan-MAR sun' }", "cron */5  8-18 * jan-MAR sun" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_STRING char *text = mem_format("connectors: [{ id: a, context_id: c, schedule: %s }]\n", rows[i].schedule);
        AUTO(config) struct config *config = load(text, NULL, &problems);
        char words[100];
        assert_string_equal(config_schedule_words(config_connector(config, 0), words, sizeof words), rows[i].want);
    }
}

/* YAML's own ideas of types do not count: the tables say what a value is. */
static void test_texts_stay_texts(void **state)
{
    static const struct { const char *yaml, *want; } rows[] = {
        { "no", "no" }, { "012", "012" }, { "0o17", "0o17" }, { "1_000", "1_000" }, { "12:30:45", "12:30:45" }, { "1e3", "1e3" }, { "2025-01-01", "2025-01-01" },
        { "true", "true" }, { "'~'", "~" }, { "\"null\"", "null" }, { "'it''s'", "it's" }, { "\"tab\\there\"", "tab\there" }, { "a#b", "a#b" }, { "a # b", "a" },
        { "~", "" }, { "null", "" }, { "''", "" }, { "\xE6\x97\xA5\xE6\x9C\xAC", "\xE6\x97\xA5\xE6\x9C\xAC" }, { "\"\\u65e5\"", "\xE6\x97\xA5" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_STRING char *text = mem_format("connectors:\n  - id: a\n    context_id: c\n    description: %s\n", rows[i].yaml);
        AUTO(config) struct config *config = load(text, NULL, &problems);
        assert_string_equal(config_connector(config, 0)->description, rows[i].want);
    }
}

static void test_variables(void **state)
{
    static const struct { const char *why, *yaml, *want; } rows[] = {
        { "plain", "${NAME}", "Ana" },
        { "inside of a text", "'a ${NAME} b ${NAME}'", "a Ana b Ana" },
        { "set to nothing", "${EMPTY}", "" },
        { "a default for what is not set", "${NOT_SET:-d}", "d" },
        { "a default for what is empty, as in a shell", "${EMPTY:-d}", "d" },
        { "no default needed", "${NAME:-d}", "Ana" },
        { "an empty default", "${NOT_SET:-}", "" },
        { "a demand that is met", "${NAME:?who}", "Ana" },
        { "marks of YAML in a default, without quotes", "${NOT_SET:-a, [b]: #c}", "a, [b]: #c" },
        { "a literal one", "$${NAME}", "${NAME}" },
        { "a dollar is a dollar", "$NAME $ $$ {x", "$NAME $ $$ {x" },
        { "its value is never YAML", "${YAML}", "]: #{ *" },
        { "its value is never expanded again", "${TWICE}", "${NAME}" },
        { "in single quotes", "'${NAME}'", "Ana" },
        { "in double quotes", "\"${NAME}\\n\"", "Ana\n" },
        { "folded over lines", ">-\n      a ${NAME}\n      b", "a Ana b" },
        { "quotes in a default", "'${NOT_SET:-it''s}'", "it's" },
    };
    static const char *const environment[] = { "HOME=/u", "NAME=Ana", "EMPTY=", "YAML=]: #{ *", "TWICE=${NAME}", "NAMES=x", NULL };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_STRING char *text = mem_format("connectors:\n  - id: a\n    context_id: c\n    description: %s\n", rows[i].yaml);
        AUTO(config) struct config *config = load(text, environment, &problems);
        if (strcmp(config_connector(config, 0)->description, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].why, config_connector(config, 0)->description);
    }
}

static void test_variables_in_flow_need_no_quotes(void **state)
{
    static const char *const environment[] = { "HOME=/u", "NAME=Ana", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load("connectors: [{ id: a, description: ${NAME:-x}, context_ids: [${NAME}, x${NOT_SET:-b, c}] }] # ${NOT_SET}\n", environment, &problems);
    (void)state;

    assert_string_equal(config_connector(config, 0)->description, "Ana");
    assert_int_equal(config_connector(config, 0)->context_ids.count, 2);
    assert_string_equal(config_connector(config, 0)->context_ids.items[1], "xb, c");
}

static void test_a_file_with_private_characters_keeps_them(void **state)
{
    static const char word[] = "\xF4\x8F\xBD\xBB";
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_STRING char *text = mem_format("connectors: [{ id: a, context_id: '%s' }]\n", word);
    AUTO(config) struct config *config = NULL;
    (void)state;

    config = load(text, NULL, &problems);
    assert_string_equal(config_connector(config, 0)->context_id, word);
}

/* ---- The environment as settings ---- */

static void test_environment(void **state)
{
    static const struct { const char *why, *variables[ENVIRONMENT_ROOM]; const char *path_words; } rows[] = {
        { "a setting", { "MEMORY_CONNECTOR_LIGHTRAG__API__URL=http://127.0.0.1:5" }, "http://127.0.0.1:5 - c - -" },
        { "over the file", { "MEMORY_CONNECTOR_CONNECTORS__0__CONTEXT_ID=d" }, "http://localhost:9621 - d - -" },
        { "a new element", { "MEMORY_CONNECTOR_CONNECTORS__1__ID=b", "MEMORY_CONNECTOR_CONNECTORS__1__CONTEXT_ID=e" }, "http://localhost:9621 - c e -" },
        { "in any order", { "MEMORY_CONNECTOR_CONNECTORS__2__CONTEXT_ID=f", "MEMORY_CONNECTOR_CONNECTORS__1__CONTEXT_ID=e", "MEMORY_CONNECTOR_CONNECTORS__2__ID=x",
                          "MEMORY_CONNECTOR_CONNECTORS__1__ID=b" }, "http://localhost:9621 - c e f" },
        { "a secret is taken as it is", { "MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY=a${b$${" }, "http://localhost:9621 a${b$${ c - -" },
        { "Kubernetes' own are none of ours", { "MEMORY_CONNECTOR_PORT=tcp://10.0.0.1:9622", "MEMORY_CONNECTOR_SERVICE_HOST=10.0.0.1",
                          "MEMORY_CONNECTOR_PORT_9622_TCP_ADDR=10.0.0.1", "MEMORY_CONNECTOR_SERVICE_PORT_HTTP=9622" }, "http://localhost:9621 - c - -" },
        { "CONFIG names the file", { "MEMORY_CONNECTOR_CONFIG=/nowhere" }, "http://localhost:9621 - c - -" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_DONE(text) struct text got = { 0 };
        AUTO(config) struct config *config = NULL;
        const char *environment[ENVIRONMENT_ROOM + 2] = { "HOME=/u" };
        for (size_t k = 0; k < ENVIRONMENT_ROOM && rows[i].variables[k] != NULL; k++)
            environment[k + 1] = rows[i].variables[k];
        config = load(connector, environment, &problems);
        text_init(&got, 0);
        (void)text_append_format(&got, "%s %s", config->lightrag.url, config->lightrag.api_key[0] != '\0' ? config->lightrag.api_key : "-");
        for (size_t k = 0; k < 3; k++)
            (void)text_append_format(&got, " %s", k < config->connectors.count ? config_connector(config, k)->context_id : "-");
        if (strcmp(got.data, rows[i].path_words) != 0)
            fail_msg("%s: %s", rows[i].why, got.data);
    }
}

static void test_environment_beyond_ten_elements(void **state)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = NULL;
    char variables[30][80];
    const char *environment[32] = { "HOME=/u" };
    (void)state;

    for (int i = 0; i < 15; i++) { /* backwards, and 10 before 9 for who compares letters */
        (void)snprintf(variables[2 * i], sizeof variables[0], "MEMORY_CONNECTOR_CONNECTORS__%d__ID=c%d", 14 - i, 14 - i);
        (void)snprintf(variables[2 * i + 1], sizeof variables[0], "MEMORY_CONNECTOR_CONNECTORS__%d__CONTEXT_ID=x%d", 14 - i, 14 - i);
    }
    for (int i = 0; i < 30; i++)
        environment[i + 1] = variables[i];
    config = load("", environment, &problems);
    assert_int_equal(config->connectors.count, 15);
    for (size_t i = 0; i < 15; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "c%zu", i);
        assert_string_equal(config_connector(config, i)->id, id);
    }
}

static void test_environment_finds_names_and_replaces_lists(void **state)
{
    static const char *const environment[] = {
        "HOME=/u", "MEMORY_CONNECTOR_TARGETS__MY_SERVER_2__API__WORKSPACE=w", "MEMORY_CONNECTOR_CONNECTORS__0__CONTEXT_IDS=d, e",
        "MEMORY_CONNECTOR_CONNECTORS__1__CONTEXT_IDS__1=g", NULL,
    };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load("targets: { My-Server.2: {} }\nconnectors: [{ id: a, context_ids: [b] }, { id: b, context_ids: [f] }]\n", environment, &problems);
    (void)state;

    assert_int_equal(config->targets.count, 1); /* the same, not another one */
    assert_string_equal(config->engine.targets[1].workspace, "w");
    assert_int_equal(config_connector(config, 0)->context_ids.count, 2);
    assert_string_equal(config_connector(config, 0)->context_ids.items[1], "e");
    assert_string_equal(config_connector(config, 1)->context_ids.items[1], "g");
}

static void test_bad_environment(void **state)
{
    static const struct { const char *variable, *want; } rows[] = {
        { "MEMORY_CONNECTOR_LIGHTRAG__API__ULR=x", "environment MEMORY_CONNECTOR_LIGHTRAG__API__ULR: lightrag.api.ulr: there is no such setting; did you mean \"url\"?" },
        { "MEMORY_CONNECTOR_MEMORY_API__TIMEOUT=soon",
          "environment MEMORY_CONNECTOR_MEMORY_API__TIMEOUT: memory_api.timeout: \"soon\" is not a duration such as 30s, 5m or 1h (a bare number is seconds)" },
        { "MEMORY_CONNECTOR_MEMORY_API=x", "environment MEMORY_CONNECTOR_MEMORY_API: memory_api: expected a mapping" },
        { "MEMORY_CONNECTOR_CONNECTORS__5__ID=x",
          "environment MEMORY_CONNECTOR_CONNECTORS__5__ID: this path does not fit the configuration (levels are joined by \"__\", elements of lists are numbers from 0)" },
        { "MEMORY_CONNECTOR_CONNECTORS=x",
          "environment MEMORY_CONNECTOR_CONNECTORS: this path does not fit the configuration (levels are joined by \"__\", elements of lists are numbers from 0)" },
        { "MEMORY_CONNECTOR_HTTP__INSECURE=yes", "environment MEMORY_CONNECTOR_HTTP__INSECURE: http.insecure: \"yes\" is neither true nor false" },
        { "MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY=a\n",
          "environment MEMORY_CONNECTOR_LIGHTRAG__API__API_KEY: lightrag.api.api_key: the value has a control character inside (a line end at its end, perhaps)" },
        { "MEMORY_CONNECTOR_X=x", "environment MEMORY_CONNECTOR_X: x: there is no such setting" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        const char *const environment[] = { "HOME=/u", rows[i].variable, NULL };
        struct config_request request = { .environment = environment, .text = connector, .file = "c.yaml" };
        struct error err = { 0 };
        assert_int_equal(config_load(&request, &config, &problems, &err), -1);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.items[0].text, rows[i].want);
    }
}

/* ---- Files ---- */

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", "/tmp/mc-config-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "c.yaml", ".env", "key", "credentials/lightrag_api_api_key", "credentials/targets_x_api_api_key", "credentials",
                                         "memory-connector/config.yaml", "memory-connector" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO_STRING char *path = mem_format("%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return rmdir(folder);
}

static void put_file(const char *name, const char *text, unsigned mode)
{
    AUTO_STRING char *path = mem_format("%s/%s", folder, name);
    struct error err = { 0 };

    assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int load_file(const char *const *environment, const struct config_override *overrides, size_t override_count, struct config **ret_config,
                     struct config_problems *problems, struct error *err)
{
    AUTO_STRING char *path = mem_format("%s/c.yaml", folder);
    struct config_request request = { .environment = environment, .file = path, .overrides = overrides, .override_count = override_count };

    return config_load(&request, ret_config, problems, err);
}

/* flag > environment > .env > file > default; and where each came from is known. */
static void test_precedence(void **state)
{
    static const struct { const char *why; bool flag, variable, dotenv, file; const char *want, *origin; } rows[] = {
        { "nobody says it", false, false, false, false, "", "default" },
        { "the file", false, false, false, true, "file", "/c.yaml:1:56" },
        { ".env over the file", false, false, true, true, "dotenv", "environment MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION" },
        { "the environment over .env", false, true, true, true, "variable", "environment MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION" },
        { "a flag over all", true, true, true, true, "flag", "--description" },
        { "the environment alone", false, true, false, false, "variable", "environment MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION" },
    };
    static const struct config_override override = { "connectors.0.description", "flag", "--description" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO_DONE(text) struct text origin = { 0 };
        AUTO(config) struct config *config = NULL;
        const char *const environment[] = { "HOME=/u", rows[i].variable ? "MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION=variable" : NULL, NULL };
        struct error err = { 0 };
        put_file("c.yaml", rows[i].file ? "connectors: [{ id: a, context_id: '${C}', description: file }]\n" : "connectors: [{ id: a, context_id: '${C}' }]\n", 0600);
        put_file(".env", rows[i].dotenv ? "C=no\nC=c\nMEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION=dotenv\n" : "\r\n# a comment\r\nexport C = x\r\n C=\"c\"  \r\n", 0600);
        assert_int_equal(load_file(environment, &override, rows[i].flag ? 1 : 0, &config, &problems, &err), 0);
        text_init(&origin, 0);
        config_origin(config, "connectors[0].description", &origin);
        if (strcmp(config_connector(config, 0)->description, rows[i].want) != 0 || strstr(origin.data, rows[i].origin) == NULL)
            fail_msg("%s: %s from %s", rows[i].why, config_connector(config, 0)->description, origin.data);
        assert_string_equal(config_connector(config, 0)->context_id, "c"); /* ${} sees .env too */
    }
}

static void test_secrets_from_files(void **state)
{
    static const struct { const char *why, *content; unsigned mode; const char *want, *problem; } rows[] = { /* want NULL: refused */
        { "as it is", "secret", 0600, "secret", NULL },
        { "one line end goes", "secret\n", 0600, "secret", NULL },
        { "also of Windows", "secret\r\n", 0600, "secret", NULL },
        { "blanks stay", " secret ", 0600, " secret ", NULL },
        { "${ is no variable there", "${HOME}\n", 0600, "${HOME}", NULL },
        { "a group may read", "secret", 0640, "secret", NULL },
        { "everybody may read", "secret", 0644, "secret", "is readable by everybody: chmod 600 it" },
        { "two lines", "secret\nmore\n", 0600, NULL, "holds more than one line" },
        { "two line ends", "secret\n\n", 0600, NULL, "holds more than one line" },
        { "a control character", "sec\tret", 0600, NULL, "has a control character inside" },
    };
    static const char *const environment[] = { "HOME=/u", NULL };
    AUTO_STRING char *text = mem_format("memory_api: { api_key_file: %s/key }\n", folder);
    (void)state;

    put_file(".env", "", 0600);
    put_file("c.yaml", text, 0644); /* no secret in it: no warning */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        struct error err = { 0 };
        put_file("key", rows[i].content, rows[i].mode);
        if ((load_file(environment, NULL, 0, &config, &problems, &err) == 0) != (rows[i].want != NULL))
            fail_msg("%s: %s", rows[i].why, err.message);
        if (config != NULL)
            assert_string_equal(config->memory_api.api_key, rows[i].want);
        assert_int_equal(problems.count, rows[i].problem != NULL);
        if (rows[i].problem != NULL && (strstr(problems.items[0].text, rows[i].problem) == NULL || strstr(problems.items[0].text, "sec\\") != NULL))
            fail_msg("%s: %s", rows[i].why, problems.items[0].text);
    }
}

static void test_credentials_of_systemd(void **state)
{
    AUTO_STRING char *variable = mem_format("CREDENTIALS_DIRECTORY=%s/credentials", folder);
    AUTO_STRING char *sub = mem_format("%s/credentials", folder);
    const char *const environment[] = { "HOME=/u", variable, NULL };
    struct error err = { 0 };
    (void)state;

    assert_int_equal(file_make_folder(sub, &err), 0);
    put_file("credentials/lightrag_api_api_key", "k1\n", 0444); /* the folder is private: no warning */
    put_file("credentials/targets_x_api_api_key", "k2", 0444);
    {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = load("targets: { x: { api: { api_key: ${NOT_SET:-} } } }\n", environment, &problems);
        assert_string_equal(config->lightrag.api_key, "k1"); /* also where the file has no such section */
        assert_string_equal(config->engine.targets[1].sink.api_key, "k2");
        assert_int_equal(problems.count, 0);
    }
    {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = load("lightrag: { api: { api_key: mine } }\n", environment, &problems);
        assert_string_equal(config->lightrag.api_key, "mine");
    }
}

static void test_warnings(void **state)
{
    static const struct { const char *yaml; unsigned mode; const char *want; } rows[] = { /* want NULL: none */
        { "memory_api: { api_key: abc }\n", 0600, NULL },
        { "memory_api: { api_key: abc }\n", 0640, NULL },
        { "memory_api: { api_key: abc }\n", 0644, "holds keys and is readable by everybody" },
        { "memory_api: { api_key: '${KEY}' }\n", 0644, NULL },
        { "memory_api: { api_key: '' }\n", 0644, NULL },
        { "http: { insecure: true }\n", 0600, "http.insecure: TLS is not verified" },
        { "memory_api: { url: http://memories.example, api_key: '${KEY}' }\n", 0600, "goes over plain http to http://memories.example" },
        { "memory_api: { url: https://memories.example, api_key: '${KEY}' }\n", 0600, NULL },
        { "memory_api: { url: http://memories.example }\n", 0600, NULL },
        { "memory_api: { url: 'http://[::1]:80', api_key: '${KEY}' }\n", 0600, NULL },
        { "targets: { far: { api: { url: http://far.example, api_key: '${KEY}' } } }\n", 0600, "targets.far.api.url: the key goes over plain http" },
    };
    static const char *const environment[] = { "HOME=/u", "KEY=hunter2", NULL };
    (void)state;

    put_file(".env", "", 0600);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        struct error err = { 0 };
        put_file("c.yaml", rows[i].yaml, rows[i].mode);
        assert_int_equal(load_file(environment, NULL, 0, &config, &problems, &err), 0);
        if (problems.count != (rows[i].want != NULL) || (rows[i].want != NULL && strstr(problems.items[0].text, rows[i].want) == NULL))
            fail_msg("row %zu: %zu problems: %s", i, problems.count, problems.count > 0 ? problems.items[0].text : "");
        for (size_t k = 0; k < problems.count; k++) {
            assert_true(problems.items[k].is_warning);
            assert_null(strstr(problems.items[k].text, "hunter2"));
            assert_null(strstr(problems.items[k].text, "abc"));
        }
    }
}

static void test_where_the_file_is(void **state)
{
    AUTO_STRING char *named = mem_format("MEMORY_CONNECTOR_CONFIG=%s/c.yaml", folder);
    AUTO_STRING char *home = mem_format("XDG_CONFIG_HOME=%s", folder);
    AUTO_STRING char *sub = mem_format("%s/memory-connector", folder);
    const char *const by_name[] = { "HOME=/u", named, home, NULL };
    const char *const by_xdg[] = { "HOME=/u", home, NULL };
    const char *const missing[] = { "HOME=/u", "MEMORY_CONNECTOR_CONFIG=/nowhere/c.yaml", home, NULL };
    struct config_request request = { .environment = by_name };
    struct error err = { 0 };
    (void)state;

    assert_int_equal(file_make_folder(sub, &err), 0);
    put_file("c.yaml", "advanced: { shutdown_timeout: 1s }\n", 0600);
    put_file("memory-connector/config.yaml", "advanced: { shutdown_timeout: 2s }\n", 0600);
    for (int i = 0; i < 2; i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        request.environment = i == 0 ? by_name : by_xdg;
        assert_int_equal(config_load(&request, &config, &problems, &err), 0);
        assert_int_equal(config->engine.shutdown_timeout_ms, i == 0 ? 1000 : 2000);
    }
    {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        request.environment = missing; /* named and not there is an error, not a search */
        assert_int_equal(config_load(&request, &config, &problems, &err), -1);
        assert_non_null(strstr(err.message, "/nowhere/c.yaml: there is no such file"));
        request.without_file = true;
        assert_int_equal(config_load(&request, &config, &problems, &err), 0);
        assert_string_equal(config->file, "");
    }
}

static void test_where_the_state_is(void **state)
{
    static const struct { const char *variables[4]; const char *flag, *yaml, *want; } rows[] = { /* want NULL: nowhere */
        { { "HOME=/h" }, NULL, "", "/h/.local/state/memory-connector/memory-connector.db" },
        { { "HOME=/h", "XDG_STATE_HOME=/x" }, NULL, "", "/x/memory-connector/memory-connector.db" },
        { { "HOME=/h", "XDG_STATE_HOME=relative" }, NULL, "", "/h/.local/state/memory-connector/memory-connector.db" },
        { { "HOME=/h", "XDG_STATE_HOME=/x", "STATE_DIRECTORY=/s" }, NULL, "", "/s/memory-connector.db" },
        { { "STATE_DIRECTORY=/s:/t" }, NULL, "", "/s/memory-connector.db" },
        { { "STATE_DIRECTORY=/s" }, NULL, "state: { path: p.db }", "p.db" },
        { { "STATE_DIRECTORY=/s" }, "f.db", "state: { path: p.db }", "f.db" },
        { { NULL }, NULL, "", NULL },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        struct config_request request = { .environment = rows[i].variables, .text = rows[i].yaml, .state_path = rows[i].flag };
        struct error err = { 0 };
        assert_int_equal(config_load(&request, &config, &problems, &err), rows[i].want != NULL ? 0 : -1);
        if (rows[i].want != NULL)
            assert_string_equal(config->state_path, rows[i].want);
        else
            assert_non_null(strstr(err.message, "--state"));
    }
}

/* sync --memory-url --context-id --lightrag-url */
static void test_without_a_file(void **state)
{
    static const char *const environment[] = { "HOME=/u", NULL };
    static const struct config_override overrides[] = {
        { "memory_api.url", "http://127.0.0.1:1", "--memory-url" }, { "memory_api.api_key", "k${", "MEMORY_API_KEY" },
        { "lightrag.api.url", "http://127.0.0.1:2", "--lightrag-url" }, { "connectors.0.id", "command-line", "sync" },
        { "connectors.0.context_id", "${CTX}", "--context-id" }, /* means itself */
    };
    struct config_override wrong = { "lightrag.api.url", "nowhere", "--lightrag-url" };
    struct config_request request = { .environment = environment, .without_file = true, .overrides = overrides, .override_count = ARRAY_LENGTH(overrides) };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = NULL;
    AUTO_DONE(text) struct text origin = { 0 };
    struct error err = { 0 };
    (void)state;

    assert_int_equal(config_load(&request, &config, &problems, &err), 0);
    assert_string_equal(config->engine.connectors[0].contexts[0], "${CTX}");
    assert_string_equal(config->engine.sources[0].endpoint.api_key, "k${");
    text_init(&origin, 0);
    config_origin(config, "lightrag.api.url", &origin);
    assert_string_equal(origin.data, "--lightrag-url");
    config_free(TAKE(config));
    request.overrides = &wrong;
    request.override_count = 1;
    assert_int_equal(config_load(&request, &config, &problems, &err), -1);
    assert_string_equal(problems.items[0].text, "--lightrag-url: lightrag.api.url: \"nowhere\" is no URL for a server: it must begin with http:// or https://");
}

/* ---- Hostile input: an answer soon, in little memory ---- */

static char *repeat(const char *head, const char *part, size_t count, const char *tail)
{
    AUTO_DONE(text) struct text out = { 0 };

    text_init(&out, 0);
    (void)text_append(&out, head);
    for (size_t i = 0; i < count; i++)
        (void)text_append(&out, part);
    (void)text_append(&out, tail);
    return text_take(&out);
}

static void test_hostile_input(void **state)
{
    static const struct { const char *why, *head, *part; size_t count; const char *tail, *want; } rows[] = {
        { "100 k brackets", "", "[", 100000, "", "nested too deep" },
        { "100 k braces", "a: ", "{b: ", 100000, "", "nested too deep" },
        { "100 k dashes", "", "- ", 100000, "", "nested too deep" },
        { "a bomb of aliases", "a: &a [x, x]\nb: [", "*a, ", 10000, "]\n", "aliases are not taken" },
        { "many connectors of one name", "connectors:\n", "- {id: a, context_id: c}\n", 30000, "", "is taken by" },
        { "many equal keys", "", "a: 1\n", 50000, "", "stands here twice" },
        { "one context a hundred thousand times", "connectors: [{id: a, context_ids: [", "c,", 90000, "]}]\n", "stands here twice" },
        { "many values", "connectors: [{id: a, context_ids: [", "c,", 150000, "]}]\n", "too many values" },
        { "a variable beyond all bounds", "http: { ca_file: '", "${LONG}", 20000, "' }\n", "is longer than 65536 bytes" },
        { "more than a file may have", "#", "xxxxxxxxxx", 120000, "\n", "larger than" },
    };
    char value[1001] = "LONG=";
    const char *const environment[] = { "HOME=/u", value, NULL };
    (void)state;

    memset(value + 5, 'v', sizeof value - 6);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        AUTO_STRING char *text = repeat(rows[i].head, rows[i].part, rows[i].count, rows[i].tail);
        struct config_request request = { .environment = environment, .text = text };
        struct error err = { 0 };
        const char *said;
        assert_int_equal(config_load(&request, &config, &problems, &err), -1);
        said = problems.count > 0 ? problems.items[0].text : err.message;
        if (strstr(said, rows[i].want) == NULL || problems.count > 100)
            fail_msg("%s: %zu: %s", rows[i].why, problems.count, said);
    }
}

static void test_too_many_keys(void **state)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_DONE(text) struct text text = { 0 };
    AUTO(config) struct config *config = NULL;
    static const char *const environment[] = { "HOME=/u", NULL };
    struct config_request request = { .environment = environment };
    struct error err = { 0 };
    (void)state;

    text_init(&text, 0);
    (void)text_append(&text, "sources:\n");
    for (int i = 0; i < 90000; i++)
        (void)text_append_format(&text, " a%d:\n", i);
    request.text = text.data;
    assert_int_equal(config_load(&request, &config, &problems, &err), -1);
    assert_non_null(strstr(problems.items[0].text, "too many settings in one mapping"));
}

static void test_not_utf_8(void **state)
{
    static const struct { const char *yaml, *want; } rows[] = {
        { "a: \xff\xfe\n", "UTF-8" }, { "a: \xC3\n", "UTF-8" }, { "a: \x01\n", "control characters" }, { "a: \xED\xA0\x80\n", "UTF-8" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(config_problems) struct config_problems problems = { 0 };
        AUTO(config) struct config *config = NULL;
        struct config_request request = { .text = rows[i].yaml, .file = "c.yaml" };
        struct error err = { 0 };
        assert_int_equal(config_load(&request, &config, &problems, &err), -1);
        if (strstr(problems.items[0].text, rows[i].want) == NULL)
            fail_msg("%s", problems.items[0].text);
    }
}

/* No way of printing a value shows a secret. */
static void print_group(const struct field_group *group, const void *record, struct text *out)
{
    for (size_t i = 0; i < group->field_count; i++) {
        (void)text_append_format(out, "%s: ", group->fields[i].name);
        field_print(&group->fields[i], record, out);
        (void)text_append_char(out, '\n');
    }
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        if (group->groups[i]->kind == GROUP_ONE)
            print_group(group->groups[i], (const char *)record + group->groups[i]->offset, out);
}

static void test_printing_hides_secrets(void **state)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_DONE(text) struct text out = { 0 };
    AUTO(config) struct config *config = load("lightrag: { api: { api_key: hunter2 } }\nmemory_api: { api_key: hunter2 }\n"
                                              "api: { api_key: hunter2, read_only_key: hunter2 }\nmonitoring: { alerts: { secret: hunter2 } }\n", NULL, &problems);
    const char *at;
    size_t stars = 0;
    (void)state;

    text_init(&out, 0);
    print_group(&config_root, config, &out);
    assert_null(strstr(out.data, "hunter2"));
    for (at = strstr(out.data, "***"); at != NULL; at = strstr(at + 3, "***"))
        stars++;
    assert_int_equal(stars, 5);
    assert_non_null(strstr(out.data, "give_up_after: 1d\n"));
    assert_non_null(strstr(out.data, "max_response_bytes: 8GiB\n"));
}

/* Every row of every table has what the parser, the messages and the documents need. */
static void check_group(const struct field_group *group, unsigned depth)
{
    assert_true(depth < 8);
    if (group->help == NULL || (group->kind != GROUP_ONE && group->size == 0))
        fail_msg("group %s", group->name);
    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        if (field->name == NULL || field->help == NULL || field->help[0] == '\0' || (field->only != NULL && field->why == NULL) ||
            (field->type == FIELD_CHOICE && field->choices == NULL) || fields_find(group, field->name) != field || fields_find_group(group, field->name) != NULL)
            fail_msg("row %s.%s", group->name, field->name);
        if (strspn(field->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(field->name) || strstr(field->name, "__") != NULL)
            fail_msg("row %s.%s: a variable could not name it", group->name, field->name);
    }
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        check_group(group->groups[i], depth + 1);
}

static void test_tables(void **state)
{
    (void)state;

    check_group(&config_root, 0);
}

/* The template is parsed once, and every connector has its own. */
static void test_templates(void **state)
{
    static const char text[] = "memory_api: { api_key: k }\nconnectors:\n"
                               "  - { id: a, context_id: a, transformation: { strategy: rich } }\n"
                               "  - { id: b, context_id: b, transformation: { strategy: template, template: \"<{{id}} of {{context}}>\" } }\n"
                               "  - { id: c, context_id: c }\n";
    static const char *const environment[] = { "HOME=/u", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load(text, environment, &problems);
    AUTO_DONE(text) struct text out = { 0 };
    const struct memory memory = { .id = { "m", 1 }, .type = { "note", 4 } };
    (void)state;

    text_init(&out, 0);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(config->engine.connectors[0].transform.strategy, TRANSFORM_RICH);
    assert_null(config->engine.connectors[0].transform.template);
    assert_int_equal(config->engine.connectors[1].transform.strategy, TRANSFORM_TEMPLATE);
    transform_render(&config->engine.connectors[1].transform, "b", &memory, &out);
    assert_string_equal(out.data, "<m of b>");
    assert_int_equal(config->engine.connectors[2].transform.strategy, TRANSFORM_STANDARD);
}

/* Dates mean whole days; without a filter everything is taken. */
static void test_filters(void **state)
{
    static const char text[] = "memory_api: { api_key: k }\nconnectors:\n"
                               "  - { id: a, context_id: a, ingestion: { skip_empty_transcripts: false } }\n"
                               "  - { id: b, context_id: b, ingestion: { filter: { types: [note, photo], since: 1970-01-02, until: 1970-01-02 } } }\n"
                               "  - { id: c, context_id: c, ingestion: { filter: { since: \"1970-01-01T01:00:00+01:00\" } } }\n";
    static const char *const environment[] = { "HOME=/u", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = load(text, environment, &problems);
    const struct memory_filter *filter;
    (void)state;

    assert_int_equal(problems.errors, 0);
    filter = &config->engine.connectors[0].filter;
    assert_false(filter->skip_empty || filter->has_since || filter->has_until || filter->type_count > 0);
    filter = &config->engine.connectors[1].filter;
    assert_true(filter->skip_empty && filter->has_since && filter->has_until);
    assert_int_equal(filter->type_count, 2);
    assert_string_equal(filter->types[1], "photo");
    assert_int_equal(filter->since_ms, 86400000);
    assert_int_equal(filter->until_ms, 2 * 86400000 - 1);
    filter = &config->engine.connectors[2].filter;
    assert_true(filter->has_since && !filter->has_until && filter->since_ms == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_names_lead_to_their_servers),
        cmocka_unit_test(test_schedules_in_words),
        cmocka_unit_test(test_texts_stay_texts),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_variables_in_flow_need_no_quotes),
        cmocka_unit_test(test_a_file_with_private_characters_keeps_them),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_environment_beyond_ten_elements),
        cmocka_unit_test(test_environment_finds_names_and_replaces_lists),
        cmocka_unit_test(test_bad_environment),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_secrets_from_files),
        cmocka_unit_test(test_credentials_of_systemd),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_where_the_file_is),
        cmocka_unit_test(test_where_the_state_is),
        cmocka_unit_test(test_without_a_file),
        cmocka_unit_test(test_hostile_input),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_not_utf_8),
        cmocka_unit_test(test_printing_hides_secrets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
