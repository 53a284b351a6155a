/* api_body.c - bodies and parameters against their tables: unknown and repeated names are refused, and all mistakes are told at once. */
#include "api/api_internal.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MEMBERS_MAXIMUM = 64 /* of one object: more than any has here, and few enough to compare each with each */ };

/* ---- Any JSON: depth, repeated names ---- */

struct walk {
    struct api_answer *answer;
    struct text pointer;
    bool is_too_deep;
};

static bool is_repeated(yyjson_val *object, yyjson_val *key)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val *other;

    while ((other = yyjson_obj_iter_next(&iter)) != NULL && other != key)
        if (yyjson_get_len(other) == yyjson_get_len(key) && memcmp(yyjson_get_str(other), yyjson_get_str(key), yyjson_get_len(key)) == 0)
            return true;
    return false;
}

static void look_at(struct walk *walk, yyjson_val *value, int depth);

static void look_at_object(struct walk *walk, yyjson_val *object, int depth)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    size_t base = walk->pointer.size;
    yyjson_val *key;

    if (yyjson_obj_size(object) > MEMBERS_MAXIMUM) {
        api_add_error(walk->answer, walk->pointer.data, "has more than %d members", MEMBERS_MAXIMUM);
        return;
    }
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        json_point(&walk->pointer, yyjson_get_str(key), yyjson_get_len(key));
        if (is_repeated(object, key))
            api_add_error(walk->answer, walk->pointer.data, "stands there twice");
        look_at(walk, yyjson_obj_iter_get_val(key), depth + 1);
        text_truncate(&walk->pointer, base);
    }
}

static void look_at(struct walk *walk, yyjson_val *value, int depth)
{
    size_t base = walk->pointer.size;

    walk->is_too_deep = walk->is_too_deep || depth > API_BODY_DEPTH;
    if (walk->is_too_deep)
        return;
    if (yyjson_is_obj(value)) {
        look_at_object(walk, value, depth);
    } else if (yyjson_is_arr(value)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(value);
        yyjson_val *element;
        for (size_t i = 0; (element = yyjson_arr_iter_next(&iter)) != NULL && !walk->is_too_deep; i++) {
            if (!yyjson_is_ctn(element))
                continue; /* nothing can be wrong in it, and there may be half a million */
            (void)text_append_format(&walk->pointer, "/%zu", i);
            look_at(walk, element, depth + 1);
            text_truncate(&walk->pointer, base);
        }
    }
}

/* ---- Members against a table ---- */

static const struct api_member *find_member(const struct api_schema *schema, const char *name, size_t size)
{
    for (size_t i = 0; i < schema->count; i++)
        if (strlen(schema->members[i].name) == size && memcmp(schema->members[i].name, name, size) == 0)
            return &schema->members[i];
    return NULL;
}

static bool is_choice(const char *const *choices, const char *value, char *list, size_t room)
{
    list[0] = '\0';
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], value) == 0)
            return true;
        (void)snprintf(list + strlen(list), room - strlen(list), "%s%s", i > 0 ? ", " : "", choices[i]);
    }
    return false;
}

/* Characters of valid UTF-8, as JSON Schema counts them. */
static double count_characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return (double)count;
}

static void check_string(struct api_answer *answer, const char *pointer, const struct api_member *member, yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    size_t size = yyjson_get_len(value);
    char list[400];
    int64_t ms;

    if (!yyjson_is_str(value))
        api_add_error(answer, pointer, "is no text");
    else if (member->max > 0 && count_characters(text) > member->max)
        api_add_error(answer, pointer, "is longer than %.0f characters", member->max);
    else if (member->type == API_TIME && !time_text_parse(text, size, &ms))
        api_add_error(answer, pointer, "is no time such as 2026-11-23T17:00:00Z");
    else if (member->type == API_TEXT && strlen(text) != size && member->of == NULL)
        api_add_error(answer, pointer, "has a NUL inside");
    else if (member->choices != NULL && !is_choice(member->choices, text, list, sizeof list))
        api_add_error(answer, pointer, "is not one of %s", list);
}

static void check_member(struct api_answer *answer, const char *pointer, const struct api_member *member, yyjson_val *value)
{
    double number = yyjson_get_num(value);

    if (yyjson_is_null(value) && member->is_null_too)
        return;
    switch (member->type) {
    case API_TEXT:
    case API_TIME:
        check_string(answer, pointer, member, value);
        break;
    case API_BOOLEAN:
        if (!yyjson_is_bool(value))
            api_add_error(answer, pointer, "is neither true nor false");
        break;
    case API_INTEGER:
        if (!yyjson_is_num(value) || number != floor(number))
            api_add_error(answer, pointer, "is no whole number");
        else if ((member->min != 0 || member->max != 0) && (number < member->min || number > member->max))
            api_add_error(answer, pointer, "is out of range: %.0f to %.0f", member->min, member->max);
        break;
    default:
        break;
    }
}

static void check_object(struct api_answer *answer, const struct api_schema *schema, yyjson_val *object)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        const struct api_member *member = find_member(schema, yyjson_get_str(key), yyjson_get_len(key));
        AUTO_DONE(text) struct text pointer = { 0 };
        text_init(&pointer, 0);
        json_point(&pointer, yyjson_get_str(key), yyjson_get_len(key));
        if (member == NULL)
            api_add_error(answer, pointer.data, "there is no such member here");
        else
            check_member(answer, pointer.data, member, yyjson_obj_iter_get_val(key));
    }
    for (size_t i = 0; i < schema->count; i++)
        if (schema->members[i].is_required && yyjson_obj_get(object, schema->members[i].name) == NULL) {
            AUTO_DONE(text) struct text pointer = { 0 };
            text_init(&pointer, 0);
            json_point(&pointer, schema->members[i].name, strlen(schema->members[i].name));
            api_add_error(answer, pointer.data, "is missing");
        }
}

/* ---- The body ---- */

static bool is_json(const struct api_request *request, const char *type)
{
    static const char *const names[] = { "application/json", "application/merge-patch+json" };
    size_t count = strcmp(request->route->method, "PATCH") == 0 ? 2 : 1;

    for (size_t i = 0; type != NULL && i < count; i++) {
        size_t length = strlen(names[i]);
        if (strncasecmp(type, names[i], length) == 0 && strchr("; \t", type[length]) != NULL)
            return true;
    }
    return false;
}

static bool parse(struct api_request *request, struct api_answer *answer)
{
    yyjson_read_err fault;
    AUTO_DONE(text) struct text bytes = { 0 };
    struct walk walk = { .answer = answer };
    bool is_too_deep;

    request->document = yyjson_read_opts((char *)(uintptr_t)request->body_text, request->body_size, 0, NULL, &fault);
    if (request->document == NULL) {
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "the body is not JSON: %s at byte %zu", fault.msg, fault.pos);
        return false;
    }
    request->body = yyjson_doc_get_root(request->document);
    if (!yyjson_is_obj(request->body)) {
        api_add_error(answer, "", "is no object");
        api_problem(request, answer, PROBLEM_INVALID, "the body is a JSON object here: {...}");
        return false;
    }
    text_init(&walk.pointer, 0);
    look_at(&walk, request->body, 1);
    is_too_deep = walk.is_too_deep;
    text_done(&walk.pointer);
    if (is_too_deep) {
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "the body is nested deeper than %d levels", API_BODY_DEPTH);
        return false;
    }
    return true;
}

bool api_body_read(struct api_request *request, struct api_answer *answer)
{
    const struct api_route *route = request->route;
    const struct api_schema *schema = route->body_schema != NULL ? api_schema_find(route->body_schema) : NULL;

    request->body_text = http_server_body(request->http, &request->body_size);
    if (request->body_size == 0) {
        if (route->body != API_MUST_BODY)
            return true;
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "a body is missing; docs/api.md shows what it holds");
        return false;
    }
    if (route->body == API_NO_BODY) {
        api_problem(request, answer, PROBLEM_BAD_REQUEST, "%s takes no body here", route->method);
        return false;
    }
    if (!is_json(request, http_server_header(request->http, "Content-Type"))) {
        api_header(answer, strcmp(route->method, "PATCH") == 0 ? "Accept-Patch" : "Accept",
                   strcmp(route->method, "PATCH") == 0 ? "application/merge-patch+json, application/json" : "application/json");
        api_problem(request, answer, PROBLEM_MEDIA_TYPE, "the body has to be JSON; send it with Content-Type: application/json");
        return false;
    }
    if (!parse(request, answer))
        return false;
    if (schema != NULL && schema->write == NULL)
        check_object(answer, schema, request->body);
    if (answer->error_count == 0)
        return true;
    api_problem(request, answer, PROBLEM_INVALID, "the body has %zu mistake%s", answer->error_count, answer->error_count == 1 ? "" : "s");
    return false;
}

const char *api_body_text(const struct api_request *request, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(request->body, name));
}

int64_t api_body_integer(const struct api_request *request, const char *name, int64_t fallback)
{
    yyjson_val *value = yyjson_obj_get(request->body, name);

    return yyjson_is_num(value) ? (int64_t)yyjson_get_num(value) : fallback;
}

bool api_body_flag(const struct api_request *request, const char *name)
{
    return yyjson_is_true(yyjson_obj_get(request->body, name));
}

/* ---- Parameters ---- */

void api_check_text(struct api_answer *answer, const char *parameter, const struct api_parameter *row, const char *value)
{
    char list[400];
    char *end;
    int64_t ms;
    long long number;

    switch (row->type) {
    case API_INTEGER:
        number = strtoll(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || strlen(value) > 18)
            api_add_parameter_error(answer, parameter, "is no whole number");
        else if ((double)number < row->min || (double)number > row->max)
            api_add_parameter_error(answer, parameter, "is out of range: %.0f to %.0f", row->min, row->max);
        break;
    case API_BOOLEAN:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            api_add_parameter_error(answer, parameter, "is neither true nor false");
        break;
    case API_TIME:
        if (!time_text_parse(value, strlen(value), &ms))
            api_add_parameter_error(answer, parameter, "is no time such as 2026-11-23T17:00:00Z");
        break;
    default:
        if (row->choices != NULL && !is_choice(row->choices, value, list, sizeof list))
            api_add_parameter_error(answer, parameter, "is not one of %s", list);
        else if (row->max > 0 && count_characters(value) > row->max)
            api_add_parameter_error(answer, parameter, "is longer than %.0f characters", row->max);
        break;
    }
}

const char *api_parameter(const struct api_request *request, const char *name)
{
    for (size_t i = 0; i < request->target.parameter_count; i++)
        if (strcmp(request->target.parameters[i].name, name) == 0)
            return request->target.parameters[i].value;
    return NULL;
}

int64_t api_parameter_integer(const struct api_request *request, const char *name, int64_t fallback)
{
    const char *value = api_parameter(request, name);

    return value != NULL ? strtoll(value, NULL, 10) : fallback;
}

bool api_parameter_flag(const struct api_request *request, const char *name)
{
    const char *value = api_parameter(request, name);

    return value != NULL && strcmp(value, "true") == 0;
}

size_t api_limit(const struct api_request *request)
{
    return (size_t)api_parameter_integer(request, "limit", API_LIMIT_FALLBACK);
}
