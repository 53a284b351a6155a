/* handle_test.c - do both servers of a connector answer, with the keys that it has? Nothing is written, nothing sent. */
#include "api/api_internal.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "engine/account.h"
#include "memory/splitter.h"
#include "sink/sink.h"
#include "source/source.h"

#include <stdio.h>
#include <string.h>

enum { TEST_TIMEOUT_MS = 10 * 1000, ANSWER_MAXIMUM = 1 << 20, ELEMENT_MAXIMUM = 64 << 10, SAMPLE = 16, DEPTH = 64 };

/* ---- One request and its answer ---- */

struct asking {
    bool is_done;
    void (*judge)(void *context, const struct http_answer *answer);
    void *context;
};

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct asking *asking = owner;

    (void)id;
    asking->judge(asking->context, answer);
    asking->is_done = true;
}

static int ask(struct http *http, const struct http_request *asked, void (*judge)(void *context, const struct http_answer *answer), void *context, struct error *err)
{
    struct asking asking = { .judge = judge, .context = context };
    int64_t until = clock_monotonic_ms() + TEST_TIMEOUT_MS + 1000;
    struct http_request request = *asked;
    http_id id;

    request.timeout_ms = TEST_TIMEOUT_MS;
    request.connect_timeout_ms = TEST_TIMEOUT_MS / 2;
    request.answer_maximum = ANSWER_MAXIMUM;
    request.owner = &asking;
    request.on_data = NULL;
    request.on_done = on_done;
    if (http_start(http, &request, &id, err) < 0)
        return -1;
    while (!asking.is_done) {
        if (clock_monotonic_ms() < until && http_poll(http, until, err) == 0)
            continue;
        http_cancel(http, id);
        return error_set(err, ERROR_UNREACHABLE, "no answer within %d s", TEST_TIMEOUT_MS / 1000);
    }
    return 0;
}

/* ---- The Memory API ---- */

struct source_test {
    const struct source_endpoint *endpoint;
    const char *context;
    struct source_verdict verdict;
};

static void ignore_element(void *context, const struct splitter_element *element)
{
    (void)context;
    (void)element;
}

static void judge_source(void *context, const struct http_answer *answer)
{
    struct source_test *test = context;
    const struct splitter_settings settings = { .element_maximum = ELEMENT_MAXIMUM, .sample = SAMPLE, .depth_maximum = DEPTH, .on_element = ignore_element };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    enum splitter_end end;

    splitter_push(splitter, answer->body, answer->body_size);
    end = splitter_end(splitter);
    source_judge(test->endpoint, test->context, answer, end, splitter_broken_at(splitter), &test->verdict);
    if (answer->end == HTTP_TOO_LARGE) /* it answers, and at length */
        test->verdict.outcome = SOURCE_COMPLETE;
}

static bool test_source(struct http *http, const struct engine_source *source, const char *context, struct json_writer *writer)
{
    struct source_storage storage;
    struct http_request request = { 0 };
    struct source_test test = { .endpoint = &source->endpoint, .context = context };
    struct error err = { 0 };
    int64_t began = clock_monotonic_ms();
    bool is_well;

    source_storage_init(&storage);
    source_request_listing(&source->endpoint, &storage, context, "day", 1, &request);
    if (ask(http, &request, judge_source, &test, &err) < 0)
        (void)snprintf(test.verdict.words, sizeof test.verdict.words, "%.390s", err.message);
    is_well = err.kind == ERROR_NONE && test.verdict.outcome == SOURCE_COMPLETE;
    source_storage_done(&storage);
    json_write_open_object(writer, "source");
    json_write_string(writer, "name", source->name);
    json_write_bool(writer, "ok", is_well);
    json_write_seconds(writer, "seconds", clock_monotonic_ms() - began);
    json_write_bytes(writer, "message", is_well ? "it answers for this context, with this key" : test.verdict.words,
                     strlen(is_well ? "it answers for this context, with this key" : test.verdict.words));
    json_write_close(writer);
    return is_well;
}

/* ---- LightRAG ---- */

struct target_test {
    struct sink_health health;
    struct sink_counts counts;
    struct sink_verdict verdict;
};

static void judge_health(void *context, const struct http_answer *answer)
{
    struct target_test *test = context;

    sink_read_health(answer, &test->health, &test->verdict);
}

static void judge_counts(void *context, const struct http_answer *answer)
{
    struct target_test *test = context;

    sink_read_counts(answer, &test->counts, &test->verdict);
}

static bool test_target(struct http *http, const struct engine_target *target, struct json_writer *writer)
{
    AUTO(account) struct account *account = account_new(http, NULL, &target->sink, target->name);
    struct sink_storage storage;
    struct http_request request = { 0 };
    struct target_test test = { 0 };
    struct error err = { 0 };
    int64_t began = clock_monotonic_ms();
    const char *words = account_is_used(&target->sink) ? "it answers, and takes this account" : "it answers, and takes this key";
    bool is_well;

    http = account_http(account);
    sink_storage_init(&storage);
    sink_request_health(&target->sink, &storage, &request);
    is_well = ask(http, &request, judge_health, &test, &err) == 0 && test.verdict.scope == SINK_WELL;
    if (is_well) {
        sink_request_counts(&target->sink, &storage, &request);
        is_well = ask(http, &request, judge_counts, &test, &err) == 0 && test.verdict.scope == SINK_WELL;
    }
    sink_storage_done(&storage);
    if (!is_well)
        words = err.kind != ERROR_NONE ? err.message : test.verdict.words;
    json_write_open_object(writer, "target");
    json_write_string(writer, "name", target->name);
    json_write_bool(writer, "ok", is_well);
    json_write_seconds(writer, "seconds", clock_monotonic_ms() - began);
    json_write_string(writer, "version", test.health.version[0] != '\0' ? test.health.version : NULL);
    json_write_bytes(writer, "message", words, strlen(words));
    json_write_close(writer);
    return is_well;
}

/* ---- Both ---- */

static const char *first_context(yyjson_val *definition)
{
    const char *one = yyjson_get_str(yyjson_obj_get(definition, "context_id"));
    const char *first = yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(definition, "context_ids")));

    return one != NULL && one[0] != '\0' ? one : first != NULL ? first : "";
}

static void test_both(struct api_request *request, struct api_answer *answer, struct http *http, const struct connector_board *board, yyjson_val *definition)
{
    const struct engine_settings *engine = &request->api->config->engine;
    struct json_writer *writer = api_begin(answer, 200);
    bool is_well = true;

    json_write_string(writer, "connector", board->id);
    for (size_t i = 0; i < engine->source_count; i++)
        if (strcmp(engine->sources[i].name, board->source) == 0)
            is_well = test_source(http, &engine->sources[i], first_context(definition), writer) && is_well;
    for (size_t i = 0; i < engine->target_count; i++)
        if (strcmp(engine->targets[i].name, board->target) == 0)
            is_well = test_target(http, &engine->targets[i], writer) && is_well;
    json_write_bool(writer, "ok", is_well);
    api_end(answer);
}

void handle_test(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };
    yyjson_doc *document;
    int64_t version;
    bool is_from_file;

    if (id == NULL)
        return;
    AUTO_STRING char *definition = service_definition(request->api->settings.service, id, &version, &is_from_file);
    if (definition == NULL || http_client_new(&client, &err) < 0) {
        api_problem(request, answer, definition == NULL ? PROBLEM_UNKNOWN_CONNECTOR : PROBLEM_UNAVAILABLE, "%s",
                    definition == NULL ? "there is no such connector any more" : err.message);
        return;
    }
    document = yyjson_read(definition, strlen(definition), 0);
    test_both(request, answer, http_client_http(client), &board, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
}
