/* api_answer.c - answers: JSON, problems (RFC 9457), cursors and entity tags. */
#include "api/api_internal.h"

#include "base/http_client.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct api_problem_row api_problem_rows[API_PROBLEMS] = {
    [PROBLEM_BAD_REQUEST] = { "bad-request", 400, "The request cannot be read", "Its target, headers or body are not well formed; detail says where." },
    [PROBLEM_INVALID] = { "invalid", 400, "The request has mistakes", "errors lists all of them, each with a JSON pointer into the body, or the parameter of the query." },
    [PROBLEM_BAD_CURSOR] = { "bad-cursor", 400, "The cursor does not belong to this list", "A cursor fits the list and the filters that it came with. Begin again without one." },
    [PROBLEM_NO_KEY] = { "key-required", 401, "A key is needed", "Send api.api_key (or, to read, api.read_only_key) as X-API-Key or as Authorization: Bearer. Missing and wrong keys get the same answer." },
    [PROBLEM_READ_ONLY] = { "read-only-key", 403, "This key may only read", "What changes something needs api.api_key." },
    [PROBLEM_BAD_ORIGIN] = { "origin-not-allowed", 403, "Pages of this origin may not ask here", "api.cors.origins lists the origins that may." },
    [PROBLEM_NO_ROUTE] = { "not-found", 404, "There is nothing at this path", "/api/v1/openapi.json lists what there is." },
    [PROBLEM_UNKNOWN_CONNECTOR] = { "unknown-connector", 404, "There is no such connector", "GET /api/v1/connectors lists them." },
    [PROBLEM_UNKNOWN_RUN] = { "unknown-run", 404, "There is no such run", "GET .../history lists them." },
    [PROBLEM_UNKNOWN_MEMORY] = { "unknown-memory", 404, "There is no such memory", "GET .../memories lists them." },
    [PROBLEM_METHOD] = { "method-not-allowed", 405, "This path does not take this method", "The Allow header lists those that it takes." },
    [PROBLEM_NOT_ACCEPTABLE] = { "not-acceptable", 406, "This form of an answer is not there", "Answers are application/json, problems application/problem+json." },
    [PROBLEM_CONFLICT] = { "conflict", 409, "This does not fit what is there now", "detail says what stands against it." },
    [PROBLEM_RUNNING] = { "run-in-progress", 409, "A run is under way", "run and the Location header name it. Wait for its end, or cancel it." },
    [PROBLEM_MANAGED_BY_FILE] = { "managed-by-file", 409, "This connector stands in the configuration file", "Edit the file and restart the service. Pausing, triggering and the rest work." },
    [PROBLEM_STALE] = { "precondition-failed", 412, "It has changed in between", "Read it again, and send its new ETag as If-Match." },
    [PROBLEM_TOO_LARGE] = { "body-too-large", 413, "The body is too large", "A body has at most 1 MiB." },
    [PROBLEM_TARGET_TOO_LONG] = { "target-too-long", 414, "The path and query are too long", "They have at most 8 KiB." },
    [PROBLEM_MEDIA_TYPE] = { "unsupported-media-type", 415, "Bodies are JSON", "Send Content-Type: application/json (for PATCH also application/merge-patch+json)." },
    [PROBLEM_BAD_HOST] = { "host-not-allowed", 421, "This name is not served here", "The Host header is a loopback name, the address that is listened on, or listed in api.allowed_hosts." },
    [PROBLEM_TOO_MANY] = { "too-many-requests", 429, "Too many requests", "Retry-After says in how many seconds to come back." },
    [PROBLEM_HEAD_TOO_LARGE] = { "head-too-large", 431, "Too many header lines", "A request has at most 64." },
    [PROBLEM_STATE] = { "state-unreadable", 503, "The state cannot be read", "The disk, or the file's permissions: the log says more." },
    [PROBLEM_UNAVAILABLE] = { "unavailable", 503, "The service cannot do this now", "It is stopping, or busy. Whether it was done is not known: look before you ask again." },
};

struct json_writer *api_begin(struct api_answer *answer, int status)
{
    answer->http->status = status;
    json_write_begin(&answer->writer, &answer->http->body);
    json_write_open_object(&answer->writer, NULL);
    return &answer->writer;
}

void api_end(struct api_answer *answer)
{
    json_write_close(&answer->writer);
    (void)text_append_char(&answer->http->body, '\n');
}

void api_header(struct api_answer *answer, const char *name, const char *format, ...)
{
    char value[API_TARGET_MAXIMUM + 512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    for (char *at = value; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' '; /* nothing from outside ends a header */
    http_server_add_header(answer->http, name, value);
}

/* ---- Problems ---- */

static void add_error(struct api_answer *answer, const char *key, const char *place, const char *detail)
{
    struct json_writer writer;

    if (answer->errors.maximum == 0)
        text_init(&answer->errors, 0);
    if (answer->error_count++ >= 100)
        return; /* who made so many reads the first hundred */
    if (answer->error_count > 1)
        (void)text_append_char(&answer->errors, ',');
    json_write_begin(&writer, &answer->errors);
    json_write_open_object(&writer, NULL);
    json_write_bytes(&writer, key, place, strlen(place));
    json_write_bytes(&writer, "detail", detail, strlen(detail));
    json_write_close(&writer);
}

void api_add_error(struct api_answer *answer, const char *pointer, const char *format, ...)
{
    char detail[ERROR_MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    add_error(answer, "pointer", pointer, detail);
}

void api_add_parameter_error(struct api_answer *answer, const char *parameter, const char *format, ...)
{
    char detail[ERROR_MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    add_error(answer, "parameter", parameter, detail);
}

void api_problem(struct api_request *request, struct api_answer *answer, enum api_problem_kind kind, const char *format, ...)
{
    const struct api_problem_row *row = &api_problem_rows[kind];
    char detail[ERROR_MESSAGE_SIZE];
    char type[80];
    struct json_writer *writer;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    (void)snprintf(type, sizeof type, "urn:memory-connector:problem:%s", row->slug);
    text_clear(&answer->http->body);
    answer->http->content_type = "application/problem+json";
    writer = api_begin(answer, row->status);
    json_write_string(writer, "type", type);
    json_write_string(writer, "title", row->title);
    json_write_integer(writer, "status", row->status);
    json_write_bytes(writer, "detail", detail, strlen(detail));
    if (request->http != NULL) {
        const char *target = http_server_target(request->http);
        json_write_bytes(writer, "instance", target, strcspn(target, "?"));
    }
    json_write_string(writer, "request_id", request->id);
    if (answer->error_count > 0) {
        json_write_open_array(writer, "errors");
        json_write_raw(writer, NULL, answer->errors.data, answer->errors.size);
        json_write_close(writer);
    }
    api_end(answer);
}

/* ---- Cursors ---- */

/* The list that a cursor belongs to: its path and filters, not how long its pages are. */
static void name_scope(const struct api_request *request, struct text *scope)
{
    for (size_t i = 0; i < request->target.part_count; i++) {
        (void)text_append_bytes(scope, request->target.parts[i].bytes, request->target.parts[i].size);
        (void)text_append_char(scope, '/');
    }
    for (size_t i = 0; request->route->parameters != NULL && request->route->parameters[i] != NULL; i++) {
        const char *name = request->route->parameters[i]->name;
        const char *value = api_parameter(request, name);
        if (value != NULL && strcmp(name, "cursor") != 0 && strcmp(name, "limit") != 0)
            (void)text_append_format(scope, "%s=%s&", name, value);
    }
}

bool api_cursor_take(struct api_request *request, struct api_answer *answer)
{
    const char *cursor = api_parameter(request, "cursor");
    AUTO_DONE(text) struct text scope = { 0 };

    if (cursor == NULL || cursor[0] == '\0')
        return true;
    text_init(&scope, 0);
    name_scope(request, &scope);
    if (api_cursor_read(scope.data, scope.size, cursor, &request->cursor, &request->cursor_size))
        return true;
    api_problem(request, answer, PROBLEM_BAD_CURSOR, "the cursor is none of this list with these filters; leave it out to begin at the start");
    return false;
}

void api_next_cursor(struct api_request *request, struct api_answer *answer, const char *key, size_t size)
{
    AUTO_DONE(text) struct text scope = { 0 };
    AUTO_DONE(text) struct text cursor = { 0 };
    AUTO_DONE(text) struct text link = { 0 };
    const char *target = http_server_target(request->http);

    if (key == NULL) {
        json_write_null(&answer->writer, "next_cursor");
        return;
    }
    text_init(&scope, 0);
    text_init(&cursor, 0);
    text_init(&link, 0);
    name_scope(request, &scope);
    api_cursor_write(scope.data, scope.size, key, size, &cursor);
    json_write_string(&answer->writer, "next_cursor", cursor.data);
    (void)text_append_bytes(&link, target, strcspn(target, "?"));
    (void)text_append_char(&link, '?');
    for (size_t i = 0; i < request->target.parameter_count; i++) {
        const struct api_pair *pair = &request->target.parameters[i];
        if (strcmp(pair->name, "cursor") == 0)
            continue;
        (void)text_append_format(&link, "%s=", pair->name); /* a name of the table */
        http_url_encode(&link, pair->value, pair->size);
        (void)text_append_char(&link, '&');
    }
    (void)text_append_format(&link, "cursor=%s", cursor.data);
    api_header(answer, "Link", "<%s>; rel=\"next\"", link.data);
}

/* ---- Entity tags ---- */

/* Is tag ("3-af") among the quoted ones of a list? is_weak: W/ before one does not matter. */
static bool is_listed(const char *list, const char *tag, bool is_weak)
{
    size_t length = strlen(tag);

    for (const char *at = list; *at != '\0';) {
        bool has_mark = strncmp(at, "W/\"", 3) == 0;
        const char *quote = has_mark ? at + 2 : at;
        if (*quote == '"' && (is_weak || !has_mark) && strncmp(quote + 1, tag, length) == 0 && quote[1 + length] == '"')
            return true;
        at += strcspn(at, ",");
        at += strspn(at, ", \t");
    }
    return false;
}

bool api_etag(struct api_request *request, struct api_answer *answer, const char *tag)
{
    const char *known = http_server_header(request->http, "If-None-Match");

    api_header(answer, "ETag", "\"%s\"", tag);
    if (known == NULL || (strcmp(known, "*") != 0 && !is_listed(known, tag, true)))
        return false;
    answer->http->status = 304;
    return true;
}

bool api_if_match(struct api_request *request, struct api_answer *answer, const char *tag)
{
    const char *wanted = http_server_header(request->http, "If-Match");

    if (wanted == NULL || strcmp(wanted, "*") == 0 || is_listed(wanted, tag, false))
        return true;
    api_header(answer, "ETag", "\"%s\"", tag);
    api_problem(request, answer, PROBLEM_STALE, "If-Match names another version than the one that is there (ETag); read it again");
    return false;
}
