/* api.h - the management API: what people and programs see of a running service over HTTP, and how they steer it.
 *
 * One table of routes (api_routes.c) drives dispatch, authentication, limits, the checks of parameters and bodies, and the OpenAPI document. Readers
 * never wait for the engine: rows come through connections to the state of the server's own threads, what is only known while the service runs comes
 * from its board. What changes something is an order (service_order) and runs in a few worker threads, so that everybody else is answered meanwhile.
 *
 * Source of the rules: RFC 9110 (HTTP), 9457 (problem details), 7396 (merge patch), OpenAPI 3.1. docs/api.md is made from the same tables. */
#ifndef MC_API_API_H
#define MC_API_API_H

#include "base/error.h"
#include "config/config.h"
#include "engine/bus.h"
#include "engine/service.h"

#include <stdint.h>

struct api_settings {
    const struct config *config;   /* api.* and monitoring.*; targets and sources that connectors may name. Borrowed, outlives the API */
    const char *host;              /* NULL: api.host */
    int port;                      /* < 0: api.port; 0: any */
    const char *version;           /* of the program */
    const char *state_path;        /* read through connections of its own */
    struct service *service;       /* borrowed, outlives the API, as bus does */
    struct bus *bus;
};

struct api;

/* Is it safe to listen there? -1 (ERROR_CONFIG): no key although one is wanted, or everybody could reach it without a key. api_start asks too. */
int api_check(const struct api_settings *settings, struct error *err);
int api_start(const struct api_settings *settings, struct api **ret_api, struct error *err); /* ERROR_IO: the port is taken, ... */
uint16_t api_port(const struct api *api);
void api_free(struct api *api);    /* ends streams, waits for requests under way */
AUTO_DEFINE(api)

/* The OpenAPI document of exactly the routes that are there. */
void api_write_openapi(struct text *out, const char *version);
void api_write_reference(struct text *out); /* the reference part of docs/api.md (src/tools/make_api_reference.c) */

#endif
