/* api_target.c - the target of a request, "/api/v1/connectors/a%2Fb?limit=5", taken apart before it is decoded, and the route that it names.
 *
 * A segment is decoded once and compared as bytes: "%2F" in it is part of the name and no separator, "." and ".." mean nothing, so there is no path
 * to walk out of. What is not well formed is refused rather than guessed. */
#include "api/api_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; NUL behind it. -1: a "%" without two hexadecimal digits. */
static int decode(char *bytes, size_t *size, bool plus_is_blank)
{
    size_t out = 0;

    for (size_t in = 0; in < *size; in++) {
        char c = bytes[in];
        if (c == '%') {
            int high = in + 1 < *size ? hex_value(bytes[in + 1]) : -1;
            int low = in + 2 < *size ? hex_value(bytes[in + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high * 16 + low);
            in += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        bytes[out++] = c;
    }
    bytes[out] = '\0';
    *size = out;
    return 0;
}

static bool is_utf8(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = text_read_character(bytes + at, size - at, &code);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static int parse_path(char *path, struct api_target *target, struct error *err)
{
    char *at = path + 1;

    if (*at == '\0')
        return 0; /* "/" has no parts */
    for (;;) {
        char *end = at + strcspn(at, "/");
        bool is_last = *end == '\0';
        size_t size = (size_t)(end - at);
        if (target->part_count == API_PARTS_MAXIMUM)
            return error_set(err, ERROR_FAILED, "the path has more than %d parts", API_PARTS_MAXIMUM);
        *end = '\0';
        if (decode(at, &size, false) < 0)
            return error_set(err, ERROR_USAGE, "the path has a \"%%\" that is not followed by two hexadecimal digits");
        target->parts[target->part_count].bytes = at;
        target->parts[target->part_count++].size = size;
        if (is_last)
            return 0;
        at = end + 1;
    }
}

static int add_parameter(char *pair, size_t length, struct api_target *target, struct error *err)
{
    struct api_pair *parameter = &target->parameters[target->parameter_count];
    char *equals = memchr(pair, '=', length);
    size_t name_size = equals != NULL ? (size_t)(equals - pair) : length;

    if (target->parameter_count == API_PARAMETERS_MAXIMUM)
        return error_set(err, ERROR_USAGE, "the query has more than %d parameters", API_PARAMETERS_MAXIMUM);
    parameter->name = pair;
    parameter->value = equals != NULL ? equals + 1 : pair + length; /* a name alone has an empty value */
    parameter->size = equals != NULL ? length - name_size - 1 : 0;
    if (equals != NULL)
        *equals = '\0';
    if (decode(parameter->name, &name_size, true) < 0 || decode(parameter->value, &parameter->size, true) < 0)
        return error_set(err, ERROR_USAGE, "the query has a \"%%\" that is not followed by two hexadecimal digits");
    if (strlen(parameter->name) != name_size || !is_utf8(parameter->name, name_size) || !is_utf8(parameter->value, parameter->size) ||
        strlen(parameter->value) != parameter->size)
        return error_set(err, ERROR_USAGE, "the query is not UTF-8 text");
    target->parameter_count++;
    return 0;
}

static int parse_query(char *query, struct api_target *target, struct error *err)
{
    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        bool is_last = query[length] == '\0';
        query[length] = '\0';
        if (length > 0 && add_parameter(query, length, target, err) < 0)
            return -1;
        if (is_last)
            break;
        query += length + 1;
    }
    return 0;
}

int api_target_parse(const char *target, struct api_target *ret_target, struct error *err)
{
    AUTO_DONE(api_target) struct api_target made = { .storage = mem_copy_string(target) };
    char *query = strchr(made.storage, '?');

    if (target[0] != '/')
        return error_set(err, ERROR_USAGE, "the target of a request begins with \"/\" here");
    if (strchr(target, '#') != NULL)
        return error_set(err, ERROR_USAGE, "a fragment (\"#...\") stays with the client");
    if (query != NULL)
        *query++ = '\0';
    if (parse_path(made.storage, &made, err) < 0 || (query != NULL && parse_query(query, &made, err) < 0))
        return -1;
    *ret_target = made;
    made.storage = NULL;
    return 0;
}

void api_target_done(struct api_target *target)
{
    mem_free(target->storage);
    target->storage = NULL;
}

/* ---- Routes ---- */

static const char *route_path(const struct api *api, const struct api_route *route)
{
    bool is_metrics = api != NULL && strcmp(route->path, "/metrics") == 0; /* monitoring.prometheus.path */

    return is_metrics ? api->config->monitoring.path : route->path;
}

static bool matches(const char *pattern, const struct api_target *target)
{
    size_t part = 0;

    if (strcmp(pattern, "/") == 0)
        return target->part_count == 0;
    while (*pattern == '/') {
        size_t length = strcspn(++pattern, "/");
        if (part == target->part_count)
            return false;
        if (*pattern == '{' ? target->parts[part].size == 0
                            : target->parts[part].size != length || memcmp(target->parts[part].bytes, pattern, length) != 0)
            return false;
        part++;
        pattern += length;
    }
    return part == target->part_count;
}

static void add_method(char *allow, size_t room, const char *method)
{
    size_t used = strlen(allow);

    (void)snprintf(allow + used, room - used, "%s%s%s", used > 0 ? ", " : "", method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct api_route *api_route_find(const struct api *api, const struct api_target *target, const char *method, char *ret_allow, size_t room)
{
    ret_allow[0] = '\0';
    for (size_t i = 0; i < api_route_count; i++) {
        if (!matches(route_path(api, &api_routes[i]), target))
            continue;
        if (strcmp(api_routes[i].method, method) == 0)
            return &api_routes[i];
        add_method(ret_allow, room, api_routes[i].method);
    }
    return NULL;
}

struct slice api_part(const struct api_request *request, const char *name)
{
    const char *pattern = request->route->path;
    size_t length = strlen(name);

    for (size_t part = 0; *pattern == '/'; part++) {
        size_t size = strcspn(++pattern, "/");
        if (size == length + 2 && pattern[0] == '{' && memcmp(pattern + 1, name, length) == 0)
            return (struct slice){ request->target.parts[part].bytes, request->target.parts[part].size };
        pattern += size;
    }
    return (struct slice){ "", 0 };
}
