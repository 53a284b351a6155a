/* api_schemas.c - the shapes of bodies and answers: checks, OpenAPI and docs/api.md come from here. */
#include "api/api_internal.h"

#include <string.h>

#define MEMBERS(table) .members = table, .count = ARRAY_LENGTH(table)

static const struct api_member problem_members[] = {
    { .name = "type", .type = API_TEXT, .help = "urn:memory-connector:problem:... ; docs/api.md explains each." },
    { .name = "title", .type = API_TEXT, .help = "The same for every problem of this type." },
    { .name = "status", .type = API_INTEGER, .help = "The HTTP status." },
    { .name = "detail", .type = API_TEXT, .help = "What is wrong with this request, and what to do." },
    { .name = "instance", .type = API_TEXT, .is_optional = true, .help = "The path that was asked." },
    { .name = "request_id", .type = API_TEXT, .help = "Also in the service's log." },
    { .name = "errors", .type = API_LIST, .of = "Mistake", .is_optional = true, .help = "All mistakes of the request." },
    { .name = "run", .type = API_INTEGER, .is_optional = true, .help = "The run that is under way." },
};
static const struct api_schema problem_schema = { "Problem", MEMBERS(problem_members), .help = "RFC 9457." };

static const struct api_member mistake_members[] = {
    { .name = "pointer", .type = API_TEXT, .is_optional = true, .help = "JSON pointer into the body." },
    { .name = "parameter", .type = API_TEXT, .is_optional = true, .help = "Name of a parameter of the query." },
    { .name = "detail", .type = API_TEXT, .help = "What is wrong with it." },
};
static const struct api_schema mistake_schema = { "Mistake", MEMBERS(mistake_members) };

static const struct api_schema openapi_schema = { "OpenApi", .is_open = true, .help = "An OpenAPI 3.1 document." };

const struct api_schema *const api_schemas[] = { &problem_schema, &mistake_schema, &openapi_schema, NULL };

const struct api_schema *api_schema_find(const char *name)
{
    for (size_t i = 0; api_schemas[i] != NULL; i++)
        if (strcmp(api_schemas[i]->name, name) == 0)
            return api_schemas[i];
    return NULL;
}
