/* api_reference.c - the reference part of docs/api.md, from the same tables as the OpenAPI document. */
#include "api/api_internal.h"

#include "engine/report.h"

#include <string.h>

static const char *access_words(const struct api_route *route)
{
    return route->access == API_OPEN ? "none" : route->access == API_READ ? "either" : "full";
}

static void write_overview(struct text *out)
{
    (void)text_append(out, "## Paths\n| | path | key | |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        if (route->is_hidden)
            continue;
        (void)text_append_format(out, "| %s | `%s` | %s | %s |\n", route->method, route->path, access_words(route), route->summary);
    }
}

static void write_choices(const char *const *choices, struct text *out)
{
    for (size_t i = 0; choices != NULL && choices[i] != NULL; i++)
        (void)text_append_format(out, "%s`%s`", i == 0 ? " One of " : ", ", choices[i]);
    if (choices != NULL)
        (void)text_append_char(out, '.');
}

static const char *type_words(enum api_type type)
{
    static const char *const words[] = {
        [API_TEXT] = "text", [API_INTEGER] = "integer", [API_NUMBER] = "number", [API_BOOLEAN] = "boolean", [API_TIME] = "time",
        [API_OBJECT] = "object", [API_LIST] = "list", [API_COUNTS] = "object of integers", [API_ANY] = "any",
    };

    return words[type];
}

static void write_parameters(const struct api_route *route, struct text *out)
{
    for (size_t i = 0; route->parameters != NULL && route->parameters[i] != NULL; i++) {
        const struct api_parameter *parameter = route->parameters[i];
        (void)text_append_format(out, "- `?%s=` (%s) %s", parameter->name, type_words(parameter->type), parameter->help);
        write_choices(parameter->choices, out);
        if (parameter->type == API_INTEGER && parameter->max > 0)
            (void)text_append_format(out, " %.0f to %.0f.", parameter->min, parameter->max);
        (void)text_append_char(out, '\n');
    }
}

static void write_answers(const struct api_route *route, struct text *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(route->answers) && route->answers[i].status != 0; i++) {
        const struct api_answer_row *row = &route->answers[i];
        (void)text_append_format(out, "- %d", row->status);
        if (row->schema != NULL)
            (void)text_append_format(out, " `%s`", row->schema);
        else if (row->media != NULL)
            (void)text_append_format(out, " `%s`", row->media);
        (void)text_append_format(out, ": %s\n", row->help);
    }
}

static void write_routes(struct text *out)
{
    const char *tag = "";

    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        if (route->is_hidden)
            continue;
        if (strcmp(tag, route->tag) != 0) {
            tag = route->tag;
            (void)text_append_format(out, "\n## %c%s\n", tag[0] & ~0x20, tag + 1);
        }
        (void)text_append_format(out, "\n### %s %s\n%s.%s%s\n\n", route->method, route->path, route->summary, route->help != NULL ? " " : "",
                                 route->help != NULL ? route->help : "");
        write_parameters(route, out);
        if (route->body != API_NO_BODY)
            (void)text_append_format(out, "- body `%s`%s\n", route->body_schema, route->body == API_MAY_BODY ? ", or none" : "");
        if (route->is_conditional)
            (void)text_append(out, "- header `If-Match`: the ETag that it must still have; otherwise 412\n");
        write_answers(route, out);
    }
}

static void write_member(const struct api_member *member, struct text *out)
{
    (void)text_append_format(out, "| `%s` | %s", member->name, type_words(member->type));
    if (member->of != NULL)
        (void)text_append_format(out, " of `%s`", member->of);
    (void)text_append_format(out, "%s%s | %s", member->is_null_too ? ", null" : "", member->is_optional ? ", may be missing" : "",
                             member->help != NULL ? member->help : "");
    write_choices(member->choices, out);
    (void)text_append(out, " |\n");
}

static void write_shapes(struct text *out)
{
    (void)text_append(out, "\n## Shapes\nTimes are RFC 3339 in UTC, durations numbers of seconds. In bodies everything may be left out; in answers everything is there, but what may be missing. "
                           "The settings of a connector (`Connector`, `ConnectorSettings`, `ConnectorPatch`) are those of the configuration file, under `connectors:`.\n");
    for (size_t i = 0; api_schemas[i] != NULL; i++) {
        const struct api_schema *schema = api_schemas[i];
        if (schema->write != NULL || schema->count + schema->has_counters == 0)
            continue;
        (void)text_append_format(out, "\n### %s\n%s\n\n| member | | |\n| --- | --- | --- |\n", schema->name, schema->help != NULL ? schema->help : "");
        for (size_t k = 0; k < schema->count; k++)
            write_member(&schema->members[k], out);
        for (size_t k = 0; schema->has_counters && k < report_counter_count; k++)
            write_member(&(struct api_member){ .name = report_counters[k].name, .type = API_INTEGER, .help = report_counters[k].help }, out);
    }
}

static void write_problems(struct text *out)
{
    (void)text_append(out, "\n## Problems\n| `type`: urn:memory-connector:problem: | status | title | what to do |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < API_PROBLEMS; i++)
        (void)text_append_format(out, "| `%s` | %d | %s | %s |\n", api_problem_rows[i].slug, api_problem_rows[i].status, api_problem_rows[i].title,
                                 api_problem_rows[i].help);
}

void api_write_reference(struct text *out)
{
    write_overview(out);
    write_routes(out);
    write_shapes(out);
    write_problems(out);
}
