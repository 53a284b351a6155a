/* handle_resolve.c - a name that LightRAG shows, back to its memory; the memories behind an entity of its graph. */
#include "api/api_internal.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "config/config_connector.h"
#include "engine/entity.h"
#include "engine/lookup.h"

#include <string.h>

enum { OWN_TIMEOUT_MS = 5000, OWN_TOGETHER_MS = 20000 };

static void resolve_name(struct api_request *request, struct api_answer *answer, struct state *state, const char *name)
{
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    struct error err = { 0 };

    if (lookup_find(state, name, &lookup, &err) < 0) {
        if (err.kind == ERROR_USAGE)
            api_problem(request, answer, PROBLEM_BAD_REQUEST, "%s", err.message);
        else
            api_state_failed(request, answer, &err);
        return;
    }
    if (lookup.count == 0) {
        api_problem(request, answer, PROBLEM_UNKNOWN_MEMORY, "nothing here is called so: no memory's id, document name, document id, address, no track");
        return;
    }
    (void)api_begin(answer, 200);
    json_write_bytes(&answer->writer, "name", name, strlen(name));
    json_write_string(&answer->writer, "kind", lookup_kind_name(lookup.kind));
    json_write_bool(&answer->writer, "cut", lookup.is_cut);
    if (lookup_write(state, &lookup, &answer->writer, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    api_end(answer);
}

/* Is the target one that somebody's memories go to? */
static bool is_used(struct service *service, const char *target)
{
    struct connector_board board = { .id = "" };

    while (service_next(service, board.id, &board))
        if (strcmp(board.target, target) == 0)
            return true;
    return false;
}

static int write_target(struct http *http, struct state *state, const struct engine_target *target, const char *name, struct json_writer *writer, struct error *err)
{
    AUTO_DONE(entity) struct entity entity = { 0 };
    AUTO_DONE(lookup) struct lookup lookup = { 0 };

    if (entity_ask(http, target, name, &entity, err) < 0 || entity_find(state, target, &entity, &lookup, err) < 0)
        return -1;
    return entity_write(writer, state, target->name, &entity, &lookup, err);
}

/* One that somebody brought along, which may be anything: it does not spoil what the others say, and has not their patience. */
static int write_own_target(struct http *http, struct state *state, const struct engine_target *own, const char *name, struct json_writer *writer, struct error *err)
{
    AUTO_DONE(entity) struct entity entity = { 0 };
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    struct engine_target target = *own;
    struct error why = { 0 };

    if (target.sink.timeout_ms > OWN_TIMEOUT_MS)
        target.sink.timeout_ms = OWN_TIMEOUT_MS;
    if (entity_ask(http, &target, name, &entity, &why) < 0) {
        entity_write_unknown(writer, target.name, name, why.message);
        return 0;
    }
    return entity_find(state, &target, &entity, &lookup, err) < 0 ? -1 : entity_write(writer, state, target.name, &entity, &lookup, err);
}

/* The targets that connectors brought along: one after the other, and not for ever. */
static int write_own_targets(struct api_request *request, struct http *http, struct state *state, const char *name, struct json_writer *writer, struct error *err)
{
    struct connector_board board = { .id = "" };
    int64_t until_mono = clock_monotonic_ms() + OWN_TOGETHER_MS;
    int result = 0;

    while (result == 0 && service_next(request->api->settings.service, board.id, &board)) {
        struct service_connector own;
        api_read_own(request, board.id, &own);
        if (own.own_target != NULL && clock_monotonic_ms() >= until_mono)
            entity_write_unknown(writer, own.own_target->name, name, "it was not asked: the servers before it took too long to answer");
        else if (own.own_target != NULL)
            result = write_own_target(http, state, own.own_target, name, writer, err);
        config_connector_release(&own);
    }
    return result;
}

static void resolve_entity(struct api_request *request, struct api_answer *answer, struct state *state, const char *name)
{
    const struct engine_settings *engine = &request->api->config->engine;
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };
    int result = http_client_new(&client, &err);

    (void)api_begin(answer, 200);
    json_write_bytes(&answer->writer, "entity", name, strlen(name));
    json_write_open_array(&answer->writer, "targets");
    for (size_t i = 0; i < engine->target_count && result == 0; i++)
        if (is_used(request->api->settings.service, engine->targets[i].name))
            result = write_target(http_client_http(client), state, &engine->targets[i], name, &answer->writer, &err);
    if (result == 0)
        result = write_own_targets(request, http_client_http(client), state, name, &answer->writer, &err);
    if (result < 0) {
        text_clear(&answer->http->body);
        api_problem(request, answer, PROBLEM_UNAVAILABLE, "%s", err.message);
        return;
    }
    json_write_close(&answer->writer);
    api_end(answer);
}

void handle_resolve(struct api_request *request, struct api_answer *answer)
{
    const char *name = api_parameter(request, "name");
    const char *entity = api_parameter(request, "entity");
    struct state *state;

    if ((name == NULL) == (entity == NULL)) {
        api_add_parameter_error(answer, "name", "give name or entity, one of the two");
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "what is to be resolved? ?name= or ?entity=");
        return;
    }
    state = api_state(request, answer);
    if (state == NULL)
        return;
    if (name != NULL)
        resolve_name(request, answer, state, name);
    else
        resolve_entity(request, answer, state, entity);
}
