/* handle_connectors.c - connectors as things: which there are, and each one's settings. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "config/config_connector.h"
#include "engine/status.h"

#include <stdio.h>
#include <string.h>

/* ---- Names ---- */

static bool is_id(const char *id, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

    return size > 0 && size <= 64 && id[0] != '.' && strlen(id) == size && strspn(id, letters) == size;
}

const char *api_connector_id(struct api_request *request, struct api_answer *answer)
{
    struct slice id = api_part(request, "id");

    if (is_id(id.data, id.size))
        return id.data;
    api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "no connector can have that id: letters, digits, _ - and . (not first), at most 64");
    return NULL;
}

const char *api_find_connector(struct api_request *request, struct api_answer *answer, struct connector_board *ret_board)
{
    const char *id = api_connector_id(request, answer);

    if (id == NULL || service_find(request->api->settings.service, id, ret_board))
        return id;
    api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "there is no connector \"%s\"", id);
    return NULL;
}

/* ---- The list ---- */

struct contexts { const char *items[64]; size_t count; };

static void find_contexts(yyjson_doc *definition, struct contexts *contexts)
{
    yyjson_val *root = yyjson_doc_get_root(definition);
    const char *one = yyjson_get_str(yyjson_obj_get(root, "context_id"));
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "context_ids"));
    yyjson_val *value;

    if (one != NULL && one[0] != '\0')
        contexts->items[contexts->count++] = one;
    while ((value = yyjson_arr_iter_next(&iter)) != NULL && contexts->count < ARRAY_LENGTH(contexts->items))
        if (yyjson_is_str(value))
            contexts->items[contexts->count++] = yyjson_get_str(value);
}

static int write_row(struct api_request *request, struct api_answer *answer, struct state *state, const struct connector_board *board, struct error *err)
{
    AUTO_DONE(standing) struct standing standing = { 0 };
    struct contexts contexts = { .count = 0 };
    int64_t version;
    bool is_from_file;
    AUTO_STRING char *definition = service_definition(request->api->settings.service, board->id, &version, &is_from_file);
    yyjson_doc *document = definition != NULL ? yyjson_read(definition, strlen(definition), 0) : NULL;
    struct status_facts facts = {
        .connector = board->id, .enabled = board->enabled, .board = board, .description = board->description, .schedule = board->schedule_words,
        .now_ms = request->now_ms,
    };
    int result = standing_read_row(state, board->id, &standing, err);

    if (result == 0) {
        find_contexts(document, &contexts);
        facts.contexts = contexts.items;
        facts.context_count = contexts.count;
        json_write_open_object(&answer->writer, NULL);
        status_write_row(&answer->writer, &facts, &standing);
        json_write_close(&answer->writer);
    }
    yyjson_doc_free(document);
    return result;
}

static bool is_wanted(const struct api_request *request, const struct connector_board *board)
{
    const struct standing unknown = { .has_run = false };
    const struct status_facts facts = { .enabled = board->enabled, .board = board };
    const char *state = api_parameter(request, "state");
    const char *managed_by = api_parameter(request, "managed_by");
    const char *q = api_parameter(request, "q");

    return (state == NULL || strcmp(state, status_state(&facts, &unknown)) == 0) &&
           (managed_by == NULL || strcmp(managed_by, board->is_from_file ? "file" : "api") == 0) &&
           (q == NULL || strcasestr(board->id, q) != NULL || strcasestr(board->description, q) != NULL);
}

void handle_connectors(struct api_request *request, struct api_answer *answer)
{
    struct service *service = request->api->settings.service;
    struct state *state = api_state(request, answer);
    size_t limit = api_limit(request);
    struct connector_board board;
    char last[sizeof board.id] = "";
    char after[sizeof board.id] = "";
    size_t count = 0;
    bool is_more = false;
    struct error err = { 0 };

    if (state == NULL)
        return;
    if (request->cursor != NULL)
        (void)snprintf(after, sizeof after, "%s", request->cursor);
    (void)api_begin(answer, 200);
    json_write_open_array(&answer->writer, "connectors");
    while (service_next(service, after, &board)) {
        memcpy(after, board.id, sizeof after);
        if (!is_wanted(request, &board))
            continue;
        is_more = count == limit;
        if (is_more)
            break;
        if (write_row(request, answer, state, &board, &err) < 0) {
            api_state_failed(request, answer, &err);
            return;
        }
        memcpy(last, board.id, sizeof last);
        count++;
    }
    json_write_close(&answer->writer);
    api_next_cursor(request, answer, is_more ? last : NULL, strlen(last));
    api_end(answer);
}

/* ---- One ---- */

void api_read_own(struct api_request *request, const char *id, struct service_connector *ret_connector)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_STRING char *stored = request->api->config->api.inline_endpoints ? service_stored_definition(request->api->settings.service, id) : NULL;

    *ret_connector = (struct service_connector){ .owner = NULL };
    if (stored != NULL && config_connector_from_json(request->api->config, stored, strlen(stored), NULL, ret_connector, &problems) < 0)
        *ret_connector = (struct service_connector){ .owner = NULL }; /* one of the file that only the file can say */
}

void api_connector_tag(int64_t version, const char *definition, char ret_tag[API_TAG_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    char hex[17];

    sha256_of(definition, strlen(definition), digest); /* one from the file has the same version after every start */
    sha256_hex(digest, 8, hex);
    (void)snprintf(ret_tag, API_TAG_SIZE, "%lld-%s", (long long)version, hex);
}

void api_write_connector(struct api_answer *answer, int status, const char *definition, bool is_from_file)
{
    size_t size = strlen(definition);

    answer->http->status = status;
    while (size > 0 && definition[size - 1] != '}')
        size--;
    (void)text_append_bytes(&answer->http->body, definition, size > 0 ? size - 1 : 0);
    (void)text_append_format(&answer->http->body, "%s\"managed_by\":\"%s\"}\n", size > 2 ? "," : size == 0 ? "{" : "", is_from_file ? "file" : "api");
}

void handle_connector(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    char tag[API_TAG_SIZE];
    int64_t version;
    bool is_from_file;

    if (id == NULL)
        return;
    AUTO_STRING char *definition = service_definition(request->api->settings.service, id, &version, &is_from_file);
    if (definition == NULL) {
        api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "there is no connector \"%s\"", id);
        return;
    }
    api_connector_tag(version, definition, tag);
    if (!api_etag(request, answer, tag))
        api_write_connector(answer, 200, definition, is_from_file);
}
