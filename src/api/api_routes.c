/* api_routes.c - every path, once: dispatch, keys, limits, checks, OpenAPI and docs/api.md come from here. */
#include "api/api_internal.h"

#define PREFIX "/api/v1"
#define CONNECTOR PREFIX "/connectors/{id}"

const struct api_route api_routes[] = {
    { .method = "GET", .path = PREFIX "/openapi.json", .operation = "getOpenApi", .tag = "service", .handle = handle_openapi, .access = API_OPEN,
      .summary = "This document", .help = "OpenAPI 3.1 of exactly the paths that are there.",
      .answers = { { 200, "OpenApi", NULL, "The document." }, { 304, NULL, NULL, "If-None-Match named it." } } },
    { .method = "GET", .path = "/", .operation = "getRoot", .tag = "service", .handle = handle_root, .access = API_OPEN,
      .summary = "Leads to the OpenAPI document", .answers = { { 307, NULL, NULL, "Location: /api/v1/openapi.json" } } },
};
const size_t api_route_count = ARRAY_LENGTH(api_routes);
