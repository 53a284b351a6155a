/* api_openapi.c - the OpenAPI 3.1 document, from the tables of routes, shapes and problems. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "engine/report.h"

#include <stdio.h>
#include <string.h>

static void write_ref(struct json_writer *writer, const char *key, const char *name)
{
    char ref[100];

    (void)snprintf(ref, sizeof ref, "#/components/schemas/%s", name);
    json_write_open_object(writer, key);
    json_write_string(writer, "$ref", ref);
    json_write_close(writer);
}

static void write_type(struct json_writer *writer, const char *type, bool is_null_too)
{
    if (!is_null_too) {
        json_write_string(writer, "type", type);
        return;
    }
    json_write_open_array(writer, "type");
    json_write_string(writer, NULL, type);
    json_write_string(writer, NULL, "null");
    json_write_close(writer);
}

static void write_choices(struct json_writer *writer, const char *const *choices, bool is_null_too)
{
    if (choices == NULL)
        return;
    json_write_open_array(writer, "enum");
    for (size_t i = 0; choices[i] != NULL; i++)
        json_write_string(writer, NULL, choices[i]);
    if (is_null_too)
        json_write_null(writer, NULL);
    json_write_close(writer);
}

static void write_limits(struct json_writer *writer, enum api_type type, double min, double max)
{
    if (min == 0 && max == 0)
        return;
    if (type == API_TEXT) {
        json_write_integer(writer, "maxLength", (int64_t)max);
        return;
    }
    json_write_number(writer, "minimum", min);
    json_write_number(writer, "maximum", max);
}

static void write_object_member(struct json_writer *writer, const struct api_member *member)
{
    if (!member->is_null_too) {
        char ref[100];
        (void)snprintf(ref, sizeof ref, "#/components/schemas/%s", member->of);
        json_write_string(writer, "$ref", ref);
        return;
    }
    json_write_open_array(writer, "anyOf");
    write_ref(writer, NULL, member->of);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "type", "null");
    json_write_close(writer);
    json_write_close(writer);
}

static void write_member(struct json_writer *writer, const struct api_member *member)
{
    json_write_open_object(writer, member->name);
    if (member->help != NULL)
        json_write_string(writer, "description", member->help);
    switch (member->type) {
    case API_TEXT:
    case API_TIME:
        write_type(writer, "string", member->is_null_too);
        if (member->type == API_TIME)
            json_write_string(writer, "format", "date-time");
        break;
    case API_INTEGER:
        write_type(writer, "integer", member->is_null_too);
        break;
    case API_NUMBER:
        write_type(writer, "number", member->is_null_too);
        break;
    case API_BOOLEAN:
        write_type(writer, "boolean", member->is_null_too);
        break;
    case API_OBJECT:
        write_object_member(writer, member);
        break;
    case API_LIST:
        write_type(writer, "array", member->is_null_too);
        if (member->of != NULL) {
            write_ref(writer, "items", member->of);
        } else {
            json_write_open_object(writer, "items");
            json_write_string(writer, "type", "string");
            json_write_close(writer);
        }
        break;
    case API_COUNTS:
        write_type(writer, "object", member->is_null_too);
        json_write_open_object(writer, "additionalProperties");
        json_write_string(writer, "type", "integer");
        json_write_close(writer);
        break;
    case API_ANY:
        break;
    }
    write_choices(writer, member->choices, member->is_null_too);
    if (member->type != API_OBJECT && member->type != API_TIME)
        write_limits(writer, member->type, member->min, member->max);
    json_write_close(writer);
}

static bool is_body(const struct api_schema *schema)
{
    for (size_t i = 0; i < api_route_count; i++)
        if (api_routes[i].body_schema != NULL && strcmp(api_routes[i].body_schema, schema->name) == 0)
            return true;
    return false;
}

void api_write_schema(struct json_writer *writer, const char *key, const struct api_schema *schema)
{
    bool in_body = is_body(schema);
    size_t counters = schema->has_counters ? report_counter_count : 0;
    size_t required = 0;

    if (schema->write != NULL) {
        json_write_open_object(writer, key);
        schema->write(writer);
        json_write_close(writer);
        return;
    }
    json_write_open_object(writer, key);
    json_write_string(writer, "type", "object");
    if (schema->help != NULL)
        json_write_string(writer, "description", schema->help);
    if (schema->count > 0 || counters > 0) {
        json_write_open_object(writer, "properties");
        for (size_t i = 0; i < schema->count; i++) {
            write_member(writer, &schema->members[i]);
            required += in_body ? schema->members[i].is_required : !schema->members[i].is_optional;
        }
        for (size_t i = 0; i < counters; i++)
            write_member(writer, &(struct api_member){ .name = report_counters[i].name, .type = API_INTEGER, .help = report_counters[i].help });
        json_write_close(writer);
    }
    if (required + counters > 0) {
        json_write_open_array(writer, "required");
        for (size_t i = 0; i < counters; i++)
            json_write_string(writer, NULL, report_counters[i].name);
        for (size_t i = 0; i < schema->count; i++)
            if (in_body ? schema->members[i].is_required : !schema->members[i].is_optional)
                json_write_string(writer, NULL, schema->members[i].name);
        json_write_close(writer);
    }
    if (!schema->is_open)
        json_write_bool(writer, "additionalProperties", false);
    json_write_close(writer);
}

/* ---- Paths ---- */

static void write_path_parameters(struct json_writer *writer, const char *path)
{
    for (const char *at = path; (at = strchr(at, '{')) != NULL;) {
        size_t size = strcspn(++at, "}");
        AUTO_STRING char *name = mem_copy_bytes(at, size);
        json_write_open_object(writer, NULL);
        json_write_string(writer, "name", name);
        json_write_string(writer, "in", "path");
        json_write_bool(writer, "required", true);
        json_write_open_object(writer, "schema");
        if (strcmp(name, "run") == 0) {
            json_write_string(writer, "type", "integer");
            json_write_integer(writer, "minimum", 1);
        } else {
            json_write_string(writer, "type", "string");
            json_write_integer(writer, "minLength", 1);
        }
        if (strcmp(name, "id") == 0)
            json_write_string(writer, "pattern", "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$");
        json_write_close(writer);
        json_write_close(writer);
    }
}

static void write_query_parameter(struct json_writer *writer, const struct api_parameter *parameter)
{
    const struct api_member member = { .name = "schema", .type = parameter->type, .choices = parameter->choices, .min = parameter->min, .max = parameter->max };

    json_write_open_object(writer, NULL);
    json_write_string(writer, "name", parameter->name);
    json_write_string(writer, "in", "query");
    json_write_string(writer, "description", parameter->help);
    write_member(writer, &member);
    json_write_close(writer);
}

static void write_header_parameter(struct json_writer *writer, const char *name, const char *help)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "name", name);
    json_write_string(writer, "in", "header");
    json_write_string(writer, "description", help);
    json_write_open_object(writer, "schema");
    json_write_string(writer, "type", "string");
    json_write_close(writer);
    json_write_close(writer);
}

static void write_parameters(struct json_writer *writer, const struct api_route *route)
{
    json_write_open_array(writer, "parameters");
    write_path_parameters(writer, route->path);
    for (size_t i = 0; route->parameters != NULL && route->parameters[i] != NULL; i++)
        write_query_parameter(writer, route->parameters[i]);
    if (route->is_conditional)
        write_header_parameter(writer, "If-Match", "The ETag that it must still have; otherwise 412.");
    json_write_close(writer);
}

static void write_content(struct json_writer *writer, const char *media, const char *schema)
{
    json_write_open_object(writer, "content");
    json_write_open_object(writer, media);
    if (schema != NULL) {
        write_ref(writer, "schema", schema);
    } else {
        json_write_open_object(writer, "schema");
        json_write_string(writer, "type", "string");
        json_write_close(writer);
    }
    json_write_close(writer);
    json_write_close(writer);
}

static void write_body(struct json_writer *writer, const struct api_route *route)
{
    if (route->body == API_NO_BODY)
        return;
    json_write_open_object(writer, "requestBody");
    json_write_bool(writer, "required", route->body == API_MUST_BODY);
    write_content(writer, strcmp(route->method, "PATCH") == 0 ? "application/merge-patch+json" : "application/json", route->body_schema);
    json_write_close(writer);
}

static void write_answers(struct json_writer *writer, const struct api_route *route)
{
    char status[8];

    json_write_open_object(writer, "responses");
    for (size_t i = 0; i < ARRAY_LENGTH(route->answers) && route->answers[i].status != 0; i++) {
        const struct api_answer_row *row = &route->answers[i];
        (void)snprintf(status, sizeof status, "%d", row->status);
        json_write_open_object(writer, status);
        json_write_string(writer, "description", row->help);
        if (row->schema != NULL || row->media != NULL)
            write_content(writer, row->media != NULL ? row->media : "application/json", row->schema);
        json_write_close(writer);
    }
    json_write_open_object(writer, "default");
    json_write_string(writer, "description", "A problem: what is wrong, and what to do.");
    write_content(writer, "application/problem+json", "Problem");
    json_write_close(writer);
    json_write_close(writer);
}

static void lower(const char *method, char *ret_lower)
{
    for (; *method != '\0'; method++)
        *ret_lower++ = (char)(*method | 0x20);
    *ret_lower = '\0';
}

static void write_operation(struct json_writer *writer, const struct api_route *route)
{
    char method[16];

    lower(route->method, method);
    json_write_open_object(writer, method);
    json_write_string(writer, "operationId", route->operation);
    json_write_open_array(writer, "tags");
    json_write_string(writer, NULL, route->tag);
    json_write_close(writer);
    json_write_string(writer, "summary", route->summary);
    if (route->help != NULL)
        json_write_string(writer, "description", route->help);
    write_parameters(writer, route);
    write_body(writer, route);
    write_answers(writer, route);
    if (route->access == API_OPEN) {
        json_write_open_array(writer, "security");
        json_write_close(writer);
    }
    json_write_close(writer);
}

static bool is_first_of_path(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!api_routes[i].is_hidden && strcmp(api_routes[i].path, api_routes[index].path) == 0)
            return false;
    return true;
}

static void write_paths(struct json_writer *writer)
{
    json_write_open_object(writer, "paths");
    for (size_t i = 0; i < api_route_count; i++) {
        if (api_routes[i].is_hidden || !is_first_of_path(i))
            continue;
        json_write_open_object(writer, api_routes[i].path);
        for (size_t j = i; j < api_route_count; j++)
            if (!api_routes[j].is_hidden && strcmp(api_routes[j].path, api_routes[i].path) == 0)
                write_operation(writer, &api_routes[j]);
        json_write_close(writer);
    }
    json_write_close(writer);
}

/* ---- The rest ---- */

static void write_security(struct json_writer *writer)
{
    json_write_open_object(writer, "securitySchemes");
    json_write_open_object(writer, "apiKey");
    json_write_string(writer, "type", "apiKey");
    json_write_string(writer, "in", "header");
    json_write_string(writer, "name", "X-API-Key");
    json_write_close(writer);
    json_write_open_object(writer, "bearer");
    json_write_string(writer, "type", "http");
    json_write_string(writer, "scheme", "bearer");
    json_write_close(writer);
    json_write_close(writer);
}

static void write_requirement(struct json_writer *writer, const char *name)
{
    json_write_open_object(writer, NULL);
    json_write_open_array(writer, name);
    json_write_close(writer);
    json_write_close(writer);
}

void api_write_openapi(struct text *out, const char *version)
{
    struct json_writer writer;

    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "openapi", "3.1.0");
    json_write_open_object(&writer, "info");
    json_write_string(&writer, "title", "memory-connector management API");
    json_write_string(&writer, "version", version);
    json_write_string(&writer, "description", "Carries memories from a Memory API into LightRAG, each once and proven. Problems are RFC 9457; lists have an opaque cursor.");
    json_write_open_object(&writer, "license");
    json_write_string(&writer, "name", "Apache-2.0");
    json_write_string(&writer, "identifier", "Apache-2.0");
    json_write_close(&writer);
    json_write_close(&writer);
    json_write_open_array(&writer, "servers");
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "url", "/");
    json_write_close(&writer);
    json_write_close(&writer);
    json_write_open_array(&writer, "security");
    write_requirement(&writer, "apiKey");
    write_requirement(&writer, "bearer");
    json_write_close(&writer);
    write_paths(&writer);
    json_write_open_object(&writer, "components");
    write_security(&writer);
    json_write_open_object(&writer, "schemas");
    for (size_t i = 0; api_schemas[i] != NULL; i++)
        api_write_schema(&writer, api_schemas[i]->name, api_schemas[i]);
    json_write_close(&writer);
    json_write_close(&writer);
    json_write_close(&writer);
    (void)text_append_char(out, '\n');
}

void handle_openapi(struct api_request *request, struct api_answer *answer)
{
    if (!api_etag(request, answer, request->api->openapi_etag))
        (void)text_append_bytes(&answer->http->body, request->api->openapi, request->api->openapi_size);
}

void handle_root(struct api_request *request, struct api_answer *answer)
{
    (void)request;
    answer->http->status = 307;
    api_header(answer, "Location", "/api/v1/openapi.json");
}
