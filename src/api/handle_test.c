/* handle_test.c - do both servers of a connector answer, with the keys that it has? Nothing is written, nothing sent. */
#include "api/api_internal.h"

#include "base/http_client.h"
#include "base/mem.h"
#include "config/config_connector.h"
#include "engine/account.h"
#include "engine/probe.h"

#include <string.h>

static void write_end(struct json_writer *writer, const char *words)
{
    json_write_bytes(writer, "message", words, strlen(words));
    json_write_close(writer);
}

static bool write_source(const struct probe_source *source, struct json_writer *writer)
{
    const struct probe_context *context = &source->contexts[0];
    bool is_well = context->is_asked && context->verdict.outcome == SOURCE_COMPLETE;

    json_write_open_object(writer, "source");
    json_write_string(writer, "name", source->source->name);
    json_write_bool(writer, "ok", is_well);
    json_write_seconds(writer, "seconds", source->contact.took_ms);
    write_end(writer, is_well ? "it answers for this context, with this key" : context->is_asked ? context->verdict.words : source->contact.words);
    return is_well;
}

/* Whether its pipeline is busy is no matter here: that passes. */
static bool write_target(const struct probe_target *target, struct json_writer *writer)
{
    bool has_key = target->answers > PROBE_COUNTS && target->verdicts[PROBE_COUNTS].scope == SINK_WELL;
    const char *words = account_is_used(&target->target->sink) ? "it answers, and takes this account" : "it answers, and takes this key";

    if (!has_key)
        words = target->answers > PROBE_COUNTS   ? target->verdicts[PROBE_COUNTS].words
                : target->answers > PROBE_HEALTH ? target->verdicts[PROBE_HEALTH].words
                                                 : target->contact.words;
    json_write_open_object(writer, "target");
    json_write_string(writer, "name", target->target->name);
    json_write_bool(writer, "ok", has_key);
    json_write_seconds(writer, "seconds", target->contact.took_ms);
    json_write_string(writer, "version", target->health.version[0] != '\0' ? target->health.version : NULL);
    write_end(writer, words);
    return has_key;
}

static const char *first_context(yyjson_val *definition)
{
    const char *one = yyjson_get_str(yyjson_obj_get(definition, "context_id"));
    const char *first = yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(definition, "context_ids")));

    return one != NULL && one[0] != '\0' ? one : first != NULL ? first : "";
}

static void add_both(struct probe *probe, const struct engine_settings *engine, const struct service_connector *own, const struct connector_board *board,
                     yyjson_val *definition)
{
    if (own->own_source != NULL)
        probe_add_context(probe, own->own_source, first_context(definition));
    if (own->own_target != NULL)
        probe_add_target(probe, own->own_target);
    for (size_t i = 0; i < engine->source_count; i++)
        if (strcmp(engine->sources[i].name, board->source) == 0)
            probe_add_context(probe, &engine->sources[i], first_context(definition));
    for (size_t i = 0; i < engine->target_count; i++)
        if (strcmp(engine->targets[i].name, board->target) == 0)
            probe_add_target(probe, &engine->targets[i]);
}

static void test_both(struct api_request *request, struct api_answer *answer, struct http *http, const struct service_connector *own,
                      const struct connector_board *board, yyjson_val *definition)
{
    AUTO(probe) struct probe *probe = probe_new(http);
    struct json_writer *writer;
    struct error err = { 0 };
    bool is_well = true;

    add_both(probe, &request->api->config->engine, own, board, definition);
    if (probe_run(probe, &err) < 0) {
        api_problem(request, answer, PROBLEM_UNAVAILABLE, "%s", err.message);
        return;
    }
    writer = api_begin(answer, 200);
    json_write_string(writer, "connector", board->id);
    for (size_t i = 0; probe_source_at(probe, i) != NULL; i++)
        is_well = write_source(probe_source_at(probe, i), writer) && is_well;
    for (size_t i = 0; probe_target_at(probe, i) != NULL; i++)
        is_well = write_target(probe_target_at(probe, i), writer) && is_well;
    json_write_bool(writer, "ok", is_well);
    api_end(answer);
}

void handle_test(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    struct service_connector own;
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
    api_read_own(request, id, &own);
    test_both(request, answer, http_client_http(client), &own, &board, yyjson_doc_get_root(document));
    config_connector_release(&own);
    yyjson_doc_free(document);
}
