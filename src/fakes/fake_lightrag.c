/* fake_lightrag.c - the routes, who may use them, health, and the ledger of tests. Answers and their words follow what real
 * servers were seen to say; tests/contract compares. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Words of refusal ---- */

void fake_say(struct http_server_answer *answer, int status, const char *detail)
{
    struct json_writer writer;

    answer->status = status;
    text_clear(&answer->body);
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "detail", detail);
    json_write_close(&writer);
}

void fake_say_crash(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    text_clear(&answer->body);
    if (fake->settings.is_14) {
        answer->status = 500;
        answer->content_type = "text/plain; charset=utf-8";
        (void)text_append(&answer->body, "Internal Server Error");
    } else {
        fake_say(answer, 500, "Internal server error (error_id: 0123456789ab)");
    }
    answer->fault = HTTP_SERVER_LEAVE;
}

static void write_value(struct json_writer *writer, const char *key, yyjson_val *value)
{
    size_t size = 0;
    char *json = value != NULL ? yyjson_val_write(value, 0, &size) : NULL;

    if (json != NULL)
        json_write_raw(writer, key, json, size);
    else
        json_write_raw(writer, key, "{}", 2);
    free(json);
}

void fake_say_invalid(struct http_server_answer *answer, const struct fake_problem *problem)
{
    struct json_writer writer;

    answer->status = 422;
    text_clear(&answer->body);
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "detail");
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "type", problem->type);
    json_write_open_array(&writer, "loc");
    json_write_string(&writer, NULL, "body");
    if (problem->field != NULL)
        json_write_string(&writer, NULL, problem->field);
    if (problem->index >= 0)
        json_write_integer(&writer, NULL, problem->index);
    json_write_close(&writer);
    json_write_string(&writer, "msg", problem->message);
    write_value(&writer, "input", problem->input);
    if (problem->context != NULL)
        json_write_raw(&writer, "ctx", problem->context, strlen(problem->context));
    json_write_close(&writer);
    json_write_close(&writer);
    json_write_close(&writer);
}

yyjson_doc *fake_read_body(const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_read_err problem = { 0 };
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)request->body, request->body_size, 0, NULL, &problem);

    if (document != NULL)
        return document;
    if (request->body_size == 0) {
        answer->status = 422;
        (void)text_append(&answer->body, "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\"],\"msg\":\"Field required\",\"input\":null}]}");
        return NULL;
    }
    if (problem.code == YYJSON_READ_ERROR_INVALID_STRING && problem.msg != NULL && strstr(problem.msg, "UTF-8") != NULL)
        fake_say(answer, 400, "There was an error parsing the body");
    else
        fake_say_invalid(answer, &(struct fake_problem){ "json_invalid", NULL, (int64_t)problem.pos, "JSON decode error", NULL,
                                                         "{\"error\":\"Expecting ',' delimiter\"}" });
    return NULL;
}

/* ---- Routes of their own ---- */

static void answer_pipeline(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    const char *busy = fake_store_is_busy(fake) ? "true" : "false";

    (void)request;
    (void)text_append_format(&answer->body,
                             "{\"busy\":%s,\"job_name\":\"-\",\"job_start\":null,\"docs\":0,\"batchs\":0,\"cur_batch\":0,\"latest_message\":\"\","
                             "\"history_messages\":[]%s",
                             busy, fake->settings.is_14 ? ",\"autoscanned\":false,\"request_pending\":false}" : "");
    if (!fake->settings.is_14)
        (void)text_append_format(&answer->body,
                                 ",\"recovery_required\":%s,\"recovery_kind\":null,\"recovery_message\":null,\"destructive_busy\":%s,\"scanning\":false,"
                                 "\"pending_enqueues\":%lld}",
                                 fake->wants_recovery ? "true" : "false", fake_store_is_deleting(fake) ? "true" : "false", (long long)fake->task_count);
}

static bool has_key(struct fake_lightrag *fake, const struct fake_request *request)
{
    return (fake->api_key[0] == '\0' && fake->account[0] == '\0') || (fake->api_key[0] != '\0' && request->api_key != NULL && strcmp(request->api_key, fake->api_key) == 0) || fake_has_token(fake, request);
}

/* Open to everybody; but 1.5 tells its configuration only to who may use it. */
static void answer_health(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct json_writer writer;

    fake->health_polls++;
    if (request->workspace != NULL && strcmp(request->workspace, fake->workspace) != 0) {
        fake_say(answer, 500, "Internal server error (error_id: 0123456789ab)");
        return;
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "healthy");
    json_write_string(&writer, "auth_mode", fake->account[0] != '\0' ? "enabled" : "disabled");
    json_write_string(&writer, "core_version", fake->core_version[0] != '\0' ? fake->core_version : fake->settings.is_14 ? "v1.4.9.9" : "1.5.7");
    json_write_string(&writer, "api_version", fake->settings.is_14 ? "0262" : "0344");
    json_write_bool(&writer, "pipeline_busy", fake_store_is_busy(fake));
    if (!fake->settings.is_14)
        json_write_bool(&writer, "pipeline_active", fake_store_is_busy(fake) || fake->task_count > 0);
    if (fake->settings.is_14 || has_key(fake, request)) {
        json_write_open_object(&writer, "configuration");
        json_write_string(&writer, "workspace", fake->workspace);
        json_write_close(&writer);
    }
    json_write_close(&writer);
}

static void answer_reprocess(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    (void)request;
    if (fake_store_is_deleting(fake) && !fake->settings.is_14) {
        fake_say(answer, 503, "A clear/delete operation is dropping storages; a manual retry accepted now would be wiped with them. Retry after it finishes.");
        return;
    }
    fake->kicks++;
    fake_store_reprocess(fake, fake->now_ms);
    (void)text_append(&answer->body, "{\"status\":\"reprocessing_started\",\"message\":\"Reprocessing of failed documents has been initiated in background. "
                                     "Documents retain their original track_id.\",\"track_id\":\"\"}");
}

/* ---- Dispatch ---- */

struct route { const char *method, *path; fake_route *answer; bool is_prefix; };

static const struct route routes[] = {
    { "GET", "/health", answer_health, false },
    { "POST", "/login", fake_answer_login, false },
    { "POST", "/documents/texts", fake_answer_texts, false },
    { "POST", "/documents/text", fake_answer_text, false },
    { "GET", "/documents/track_status/", fake_answer_track, true },
    { "POST", "/documents/paginated", fake_answer_listing, false },
    { "GET", "/documents/status_counts", fake_answer_counts, false },
    { "GET", "/documents/pipeline_status", answer_pipeline, false },
    { "POST", "/documents/reprocess_failed", answer_reprocess, false },
    { "DELETE", "/documents/delete_document", fake_answer_delete, false },
    { "DELETE", "/documents", fake_answer_clear, false },
    { "POST", "/query", fake_answer_query, false },
    { "POST", "/query/data", fake_answer_query_data, false },
    { "GET", "/graph/entity/exists", fake_answer_entity, false },
    { "GET", "/graph/label/search", fake_answer_labels, false },
    { "GET", "/graphs", fake_answer_graph, false },
};
_Static_assert(ARRAY_LENGTH(routes) <= FAKE_ROUTES_MAXIMUM, "routed is too short");

static int64_t count_torn(const struct fake_lightrag *fake)
{
    int64_t torn = 0;

    for (int64_t i = 0; i < fake->count; i++)
        torn += fake_is_live(&fake->docs[i]) && fake->docs[i].is_torn;
    return torn;
}

static void answer_ledger(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    const struct { const char *name; int64_t value; } rows[] = {
        { "inserts", fake->inserts }, { "texts", fake->texts }, { "rows", fake->count }, { "live", fake->live },
        { "processed", fake->processed }, { "failed", fake->failed }, { "unfinished", fake->unfinished },
        { "waiting", fake_store_waiting(fake) }, { "doubled", fake_store_count_doubled(fake) }, { "lost", fake->lost },
        { "dropped", fake->dropped }, { "refused", fake->refused }, { "kicks", fake->kicks }, { "max_in_flight", fake->max_in_flight },
        { "deletes", fake->deletes_begun }, { "deletes_refused", fake->deletes_refused }, { "deleted", fake->deleted }, { "torn", count_torn(fake) },
        { "track_polls", fake->track_polls }, { "listings", fake->listings }, { "health_polls", fake->health_polls },
        { "logins", fake->logins }, { "wrong_logins", fake->wrong_logins },
    };
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        json_write_integer(&writer, rows[i].name, rows[i].value);
    json_write_open_object(&writer, "requests");
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        AUTO_STRING char *name = mem_format("%s %s", routes[i].method, routes[i].path);
        json_write_integer(&writer, name, fake->routed[i]);
    }
    json_write_close(&writer);
    json_write_close(&writer);
}

static bool is_allowed(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    bool has_none = request->api_key == NULL || request->api_key[0] == '\0';

    if (has_key(fake, request) || strcmp(request->path, "/health") == 0 || strcmp(request->path, "/login") == 0)
        return true;
    if (request->authorization != NULL && strncmp(request->authorization, "Bearer ", 7) == 0)
        fake_say(answer, 401, "Invalid token");
    else if (fake->account[0] != '\0')
        fake_say(answer, 401, "No credentials provided. Please login.");
    else
        fake_say(answer, 403, has_none ? "API Key required" : "Invalid API Key");
    return false;
}

static bool is_path_of(const struct route *route, const char *path)
{
    return route->is_prefix ? strncmp(path, route->path, strlen(route->path)) == 0 : strcmp(path, route->path) == 0;
}

static void dispatch(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    bool is_path = false;

    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (!is_path_of(&routes[i], request->path))
            continue;
        is_path = true;
        if (strcmp(routes[i].method, request->method) != 0)
            continue;
        fake->routed[i]++;
        if (!is_allowed(fake, request, answer))
            return;
        if (fake->fault_path[0] == '\0' || strncmp(request->path, fake->fault_path, strlen(fake->fault_path)) != 0 || !fake_spoil(fake, answer))
            routes[i].answer(fake, request, answer);
        fake_renew_token(fake, request, answer);
        return;
    }
    fake_say(answer, is_path ? 405 : 404, is_path ? "Method Not Allowed" : "Not Found");
}

/* The work is done, the answer is lost. */
static void drop(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    if (fake->drop_times <= 0 || strncmp(request->path, fake->drop_path, strlen(fake->drop_path)) != 0 || strncmp(request->path, "/_fake/", 7) == 0)
        return;
    fake->drop_times--;
    fake->dropped++;
    answer->fault = HTTP_SERVER_DROP;
}

/* Else the server's library tells the true time. */
static void shift_date(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    char date[TIME_TEXT_SIZE];

    if (fake->date_shift_s == 0)
        return;
    time_text_http_date(fake->now_ms + fake->date_shift_s * 1000, date);
    http_server_add_header(answer, "Date", date);
}

void fake_lightrag_handle(void *context, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    struct fake_lightrag *fake = context;

    fake->now_ms = now_ms;
    if (strcmp(request->path, "/_fake/control") == 0) {
        fake_store_tick(fake); /* until now with what was set before */
        fake_answer_control(fake, request, answer);
    } else {
        fake_store_tick(fake);
        if (strcmp(request->path, "/_fake/ledger") == 0)
            answer_ledger(fake, answer);
        else
            dispatch(fake, request, answer);
        drop(fake, request, answer);
        shift_date(fake, answer);
    }
    fake_disk_flush(fake);
}

/* ---- Life ---- */

struct fake_lightrag *fake_lightrag_new(const struct fake_lightrag_settings *settings)
{
    struct fake_lightrag *fake = mem_alloc(sizeof *fake);
    char **const empty[] = { &fake->empty_match, &fake->error_match, &fake->status_word, &fake->row_word, &fake->fault_path, &fake->retry_after,
                             &fake->delete_fail_match, &fake->drop_path, &fake->core_version, &fake->account };

    fake->settings = *settings;
    fake->token_life_s = 48 * 3600;
    fake->fd = -1;
    text_init(&fake->journal, 0);
    fake->api_key = mem_copy_string(settings->api_key != NULL ? settings->api_key : "");
    fake->workspace = mem_copy_string(settings->workspace != NULL ? settings->workspace : "");
    fake->fail_match = mem_copy_string(settings->fail_match != NULL ? settings->fail_match : "");
    for (size_t i = 0; i < ARRAY_LENGTH(empty); i++)
        *empty[i] = mem_copy_string("");
    return fake;
}

void fake_lightrag_free(struct fake_lightrag *fake)
{
    if (fake == NULL)
        return;
    fake_store_wipe(fake);
    if (fake->fd >= 0)
        (void)close(fake->fd);
    text_done(&fake->journal);
    mem_free(fake->docs);
    mem_free(fake->order);
    mem_free(fake->tracks);
    mem_free(fake->tasks);
    mem_free(fake->api_key);
    mem_free(fake->workspace);
    mem_free(fake->fail_match);
    mem_free(fake->empty_match);
    mem_free(fake->error_match);
    mem_free(fake->status_word);
    mem_free(fake->row_word);
    mem_free(fake->fault_path);
    mem_free(fake->retry_after);
    mem_free(fake->delete_fail_match);
    mem_free(fake->drop_path);
    mem_free(fake->core_version);
    mem_free(fake->account);
    mem_free(fake);
}
