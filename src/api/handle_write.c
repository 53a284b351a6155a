/* handle_write.c - connectors made, replaced, changed and deleted over HTTP. What one holds is read by the tables of the configuration, with all problems
 * at once. It names sources and targets of the configuration, so that a key for this service opens no other door; or, where the configuration allows that,
 * brings its own, which are public ones. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "config/config_connector.h"

#include <stdlib.h>
#include <string.h>

enum { PATCH_TRIES = 5 }; /* against somebody else who changes the same connector at the same moment */

/* What GET shows beside the settings may come back with a PUT: it is no setting. NULL: it does not stand there. Owned by the caller. */
static char *without_managed_by(const struct api_request *request, size_t *ret_size)
{
    yyjson_mut_doc *document;
    char *json;

    if (yyjson_obj_get(request->body, "managed_by") == NULL)
        return NULL;
    document = yyjson_doc_mut_copy(request->document, NULL);
    (void)yyjson_mut_obj_remove_key(yyjson_mut_doc_get_root(document), "managed_by");
    json = yyjson_mut_write(document, 0, ret_size);
    yyjson_mut_doc_free(document);
    return json;
}

/* id: the connector that it comes in place of; NULL: none. */
static bool make(struct api_request *request, struct api_answer *answer, const char *json, size_t size, const char *id, struct service_connector *ret_connector)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_STRING char *before = id != NULL ? service_stored_definition(request->api->settings.service, id) : NULL;

    if (config_connector_from_json(request->api->config, json, size, before, ret_connector, &problems) == 0)
        return true;
    for (size_t i = 0; i < problems.count; i++)
        if (!problems.items[i].is_warning)
            api_add_error(answer, problems.items[i].path, "%s", problems.items[i].message);
    api_problem(request, answer, PROBLEM_INVALID, "the connector has %zu mistake%s", answer->error_count, answer->error_count == 1 ? "" : "s");
    return false;
}

/* The answer that shows it as it is now. */
static void show(struct api_request *request, struct api_answer *answer, int status, const char *id)
{
    char tag[API_TAG_SIZE];
    int64_t version;
    bool is_from_file;
    AUTO_STRING char *definition = service_definition(request->api->settings.service, id, &version, &is_from_file);

    if (definition == NULL) { /* deleted by somebody else in this moment */
        api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "there is no connector \"%s\" any more", id);
        return;
    }
    api_connector_tag(version, definition, tag);
    api_header(answer, "ETag", "\"%s\"", tag);
    api_write_connector(answer, status, definition, is_from_file);
}

void handle_create(struct api_request *request, struct api_answer *answer)
{
    struct order order = { .kind = ORDER_CREATE };
    size_t size = 0;
    char *bare = without_managed_by(request, &size);
    bool is_made = make(request, answer, bare != NULL ? bare : request->body_text, bare != NULL ? size : request->body_size, NULL, &order.fresh);
    AUTO_STRING char *id = is_made ? mem_copy_string(order.fresh.engine.id) : NULL;

    free(bare);
    if (!is_made)
        return;
    order.connector = id;
    if (!api_order(request, answer, &order)) {
        config_connector_release(&order.fresh);
        return;
    }
    api_header(answer, "Location", "/api/v1/connectors/%s", id);
    show(request, answer, 201, id);
}

/* What may be changed: it is there, is not the file's, and has the version that If-Match names. Owned by the caller; NULL: the problem is in the answer. */
static char *take_definition(struct api_request *request, struct api_answer *answer, const char *id, int64_t *ret_version)
{
    char tag[API_TAG_SIZE];
    bool is_from_file;
    char *definition = service_definition(request->api->settings.service, id, ret_version, &is_from_file);

    if (definition == NULL) {
        api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "there is no connector \"%s\"", id);
        return NULL;
    }
    api_connector_tag(*ret_version, definition, tag);
    if (is_from_file)
        api_problem(request, answer, PROBLEM_MANAGED_BY_FILE, "connector %s stands in the configuration file: edit it there and restart the service", id);
    else if (api_if_match(request, answer, tag))
        return definition;
    mem_free(definition);
    return NULL;
}

static bool is_conditional(const struct api_request *request)
{
    const char *wanted = http_server_header(request->http, "If-Match");

    return wanted != NULL && strcmp(wanted, "*") != 0;
}

static bool has_id(struct api_request *request, struct api_answer *answer, const struct service_connector *fresh, const char *id)
{
    if (strcmp(fresh->engine.id, id) == 0)
        return true;
    api_add_error(answer, "/id", "is another one than in the path; an id cannot be changed");
    api_problem(request, answer, PROBLEM_INVALID, "the id in the body and the id in the path differ");
    return false;
}

/* Gives the order; on failure the connector is given back. */
static bool replace(struct api_request *request, struct api_answer *answer, struct order *order, const char *id)
{
    if (has_id(request, answer, &order->fresh, id) && api_order(request, answer, order))
        return true;
    config_connector_release(&order->fresh);
    return false;
}

void handle_replace(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    struct order order = { .kind = ORDER_REPLACE, .connector = id };
    int64_t version = 0;
    AUTO_STRING char *definition = id != NULL ? take_definition(request, answer, id, &version) : NULL;
    size_t size = 0;
    char *bare;
    bool is_made;

    if (definition == NULL)
        return;
    bare = without_managed_by(request, &size);
    is_made = make(request, answer, bare != NULL ? bare : request->body_text, bare != NULL ? size : request->body_size, id, &order.fresh);
    free(bare);
    order.version = is_conditional(request) ? version : 0;
    if (is_made && replace(request, answer, &order, id))
        show(request, answer, 200, id);
}

/* false: somebody else was faster, and nothing is in the answer. */
static bool patch(struct api_request *request, struct api_answer *answer, const char *id, bool is_last)
{
    struct order order = { .kind = ORDER_REPLACE, .connector = id };
    AUTO_STRING char *definition = take_definition(request, answer, id, &order.version);
    AUTO_DONE(text) struct text merged = { 0 };
    size_t size = request->body_size;
    char *bare;
    struct error err = { 0 };
    int result;

    if (definition == NULL)
        return true;
    text_init(&merged, 0);
    bare = without_managed_by(request, &size);
    result = config_connector_patch(definition, bare != NULL ? bare : request->body_text, size, &merged, &err);
    free(bare);
    if (result < 0) {
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "%s", err.message);
        return true;
    }
    if (!make(request, answer, merged.data, merged.size, id, &order.fresh))
        return true;
    if (!has_id(request, answer, &order.fresh, id)) {
        config_connector_release(&order.fresh);
        return true;
    }
    if (service_order(request->api->settings.service, &order) == ORDER_DONE) {
        show(request, answer, 200, id);
        return true;
    }
    config_connector_release(&order.fresh);
    if (order.end == ORDER_STALE && !is_conditional(request) && !is_last)
        return false;
    api_refuse_order(request, answer, &order);
    return true;
}

void handle_patch(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);

    for (int i = 1; id != NULL && !patch(request, answer, id, i == PATCH_TRIES); i++)
        continue;
}

void handle_delete(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    struct order order = { .kind = ORDER_DELETE, .connector = id, .purge = api_parameter_flag(request, "purge") };
    int64_t version = 0;
    AUTO_STRING char *definition = id != NULL ? take_definition(request, answer, id, &version) : NULL;

    if (definition == NULL)
        return;
    order.version = is_conditional(request) ? version : 0;
    if (api_order(request, answer, &order))
        answer->http->status = 204;
}
