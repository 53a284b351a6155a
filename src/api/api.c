/* api.c - the gates that every request passes, in order, and the life of the API. */
#include "api/api_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_TIMEOUT_MS = 30 * 1000 };

/* ---- What every answer has ---- */

/* The client's own id where it is harmless, so that it finds its request in both logs; else a new one. */
static void name_request(const struct http_server_request *http, char id[API_REQUEST_ID_SIZE])
{
    const char *given = http_server_header(http, "X-Request-Id");
    size_t length = given != NULL ? strlen(given) : 0;

    if (length > 0 && length < API_REQUEST_ID_SIZE &&
        strspn(given, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == length)
        memcpy(id, given, length + 1);
    else
        (void)snprintf(id, API_REQUEST_ID_SIZE, "%016llx", (unsigned long long)clock_random());
}

static void add_common_headers(const struct api *api, const struct api_request *request, struct http_server_answer *answer)
{
    const char *origin = request->http != NULL ? http_server_header(request->http, "Origin") : NULL;

    http_server_add_header(answer, "X-Request-Id", request->id);
    http_server_add_header(answer, "X-Content-Type-Options", "nosniff");
    http_server_add_header(answer, "Cache-Control", "no-store");
    http_server_add_header(answer, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (!api->config->api.cors)
        return;
    http_server_add_header(answer, "Vary", "Origin");
    if (origin == NULL || !api_origin_is_listed(api->config, origin))
        return;
    http_server_add_header(answer, "Access-Control-Allow-Origin", origin);
    http_server_add_header(answer, "Access-Control-Expose-Headers", "ETag, Link, Location, Retry-After, X-Request-Id");
}

/* ---- The gates: each returns false when the answer is made ---- */

static bool pass_host(struct api_request *request, struct api_answer *answer)
{
    const char *host = http_server_header(request->http, "Host");

    if (api_host_is_allowed(request->api->config, request->api->host, host))
        return true;
    api_problem(request, answer, PROBLEM_BAD_HOST, "the Host header \"%.100s\" is not one of this service; api.allowed_hosts lists further ones", host != NULL ? host : "");
    return false;
}

static bool refuse_guessing(struct api_request *request, struct api_answer *answer, int64_t wait_ms, const char *why)
{
    api_header(answer, "Retry-After", "%lld", (long long)(wait_ms + 999) / 1000);
    api_problem(request, answer, PROBLEM_TOO_MANY, "%s; come back in %lld s", why, (long long)(wait_ms + 999) / 1000);
    return false;
}

static bool pass_key(struct api_request *request, struct api_answer *answer, const char *address, enum api_access access)
{
    struct api *api = request->api;
    int64_t now = clock_monotonic_ms();
    int64_t wait = 0;
    bool has_key;

    if (api->keys.is_on)
        wait = api_limits_look_at_guesses(api->limits, address, now);
    if (wait > 0) {
        bool is_open = access == API_OPEN; /* health is answered to anybody, without looking at a key */
        return is_open || refuse_guessing(request, answer, wait, "too many wrong keys came from this address");
    }
    if (access == API_OPEN)
        return true;
    request->principal = api_authenticate(&api->keys, request->http, &has_key);
    if (request->principal == API_NOBODY) {
        if (has_key) {
            api_limits_count_guess(api->limits, address, now);
            log_warn("api", "", "a wrong key came from %s", address);
        }
        api_header(answer, "WWW-Authenticate", "Bearer realm=\"memory-connector\"");
        api_problem(request, answer, PROBLEM_NO_KEY, "send the key (api.api_key of the configuration) as X-API-Key or as Authorization: Bearer");
        return false;
    }
    if (access == API_WRITE && request->principal != API_MASTER) {
        api_problem(request, answer, PROBLEM_READ_ONLY, "this key may only read; what changes something needs api.api_key");
        return false;
    }
    return true;
}

/* A page of a stranger cannot send a key, but where none is wanted it could post a form here. */
static bool pass_origin(struct api_request *request, struct api_answer *answer)
{
    const char *origin = http_server_header(request->http, "Origin");
    const char *site = http_server_header(request->http, "Sec-Fetch-Site");

    if (origin == NULL && (site == NULL || strcmp(site, "cross-site") != 0))
        return true;
    if (origin != NULL && (api_origin_is_same(origin, http_server_header(request->http, "Host")) || api_origin_is_listed(request->api->config, origin)))
        return true;
    api_problem(request, answer, PROBLEM_BAD_ORIGIN, "pages of this origin may not change anything here; api.cors.origins lists those that may");
    return false;
}

static bool pass_rate(struct api_request *request, struct api_answer *answer, const char *address)
{
    int64_t wait = api_limits_take(request->api->limits, address, request->principal, clock_monotonic_ms());

    return wait == 0 || refuse_guessing(request, answer, wait, "more requests than api.rate_limit.requests_per_minute allows");
}

static const struct api_parameter *find_row(const struct api_route *route, const char *name)
{
    for (size_t i = 0; route->parameters != NULL && route->parameters[i] != NULL; i++)
        if (strcmp(route->parameters[i]->name, name) == 0)
            return route->parameters[i];
    return NULL;
}

static bool pass_parameters(struct api_request *request, struct api_answer *answer)
{
    for (size_t i = 0; i < request->target.parameter_count; i++) {
        const struct api_pair *pair = &request->target.parameters[i];
        const struct api_parameter *row = find_row(request->route, pair->name);
        bool is_again = false;
        for (size_t j = 0; j < i; j++)
            is_again = is_again || strcmp(request->target.parameters[j].name, pair->name) == 0;
        if (row == NULL)
            api_add_parameter_error(answer, pair->name, "there is no such parameter here");
        else if (is_again)
            api_add_parameter_error(answer, pair->name, "stands there twice");
        else
            api_check_text(answer, pair->name, row, pair->value);
    }
    if (answer->error_count == 0)
        return true;
    api_problem(request, answer, PROBLEM_INVALID, "the query has %zu mistake%s", answer->error_count, answer->error_count == 1 ? "" : "s");
    return false;
}

/* A browser asks first whether a page of another origin may send a key or JSON. */
static void answer_preflight(struct api_request *request, struct api_answer *answer, const char *allow)
{
    const char *origin = http_server_header(request->http, "Origin");

    if (origin == NULL || !api_origin_is_listed(request->api->config, origin)) {
        api_problem(request, answer, PROBLEM_BAD_ORIGIN, "pages of this origin may not ask here; api.cors.origins lists those that may");
        return;
    }
    answer->http->status = 204;
    api_header(answer, "Access-Control-Allow-Methods", "%s", allow);
    api_header(answer, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, X-API-Key, X-Request-Id");
    api_header(answer, "Access-Control-Max-Age", "600");
}

static bool find_route(struct api_request *request, struct api_answer *answer)
{
    const char *method = http_server_method(request->http);
    char allow[80];

    request->route = api_route_find(request->api, &request->target, method, allow, sizeof allow);
    if (request->route != NULL)
        return true;
    if (allow[0] == '\0') {
        api_problem(request, answer, PROBLEM_NO_ROUTE, "there is nothing at this path; GET /api/v1/openapi.json lists what there is");
    } else if (strcmp(method, "OPTIONS") == 0 && request->api->config->api.cors && http_server_header(request->http, "Access-Control-Request-Method") != NULL) {
        answer_preflight(request, answer, allow);
    } else {
        api_header(answer, "Allow", "%s", allow);
        api_problem(request, answer, PROBLEM_METHOD, "this path takes %s", allow);
    }
    return false;
}

static void pass_gates(struct api_request *request, struct api_answer *answer)
{
    char address[HTTP_SERVER_PEER_SIZE];
    struct error err = { 0 };
    enum api_access access;
    bool is_known;

    if (!pass_host(request, answer))
        return;
    if (api_target_parse(http_server_target(request->http), &request->target, &err) < 0) {
        if (err.kind == ERROR_FAILED)
            api_problem(request, answer, PROBLEM_NO_ROUTE, "%s", err.message);
        else
            api_problem(request, answer, PROBLEM_BAD_REQUEST, "%s", err.message);
        return;
    }
    api_client_address(request->api->config, request->http, address);
    is_known = find_route(request, answer);
    access = is_known ? request->route->access : API_OPEN;
    if (!is_known && !pass_rate(request, answer, address))
        return;
    if (!is_known || !pass_key(request, answer, address, access))
        return;
    if (access != API_OPEN && !request->route->is_exempt && !pass_rate(request, answer, address))
        return;
    if (access == API_WRITE && !pass_origin(request, answer))
        return;
    if (!pass_parameters(request, answer) || !api_cursor_take(request, answer) || !api_body_read(request, answer))
        return;
    request->route->handle(request, answer);
}

static void on_request(void *context, const struct http_server_request *http, struct http_server_answer *http_answer)
{
    struct api_request request = { .api = context, .http = http, .now_ms = clock_wall_ms() };
    struct api_answer answer = { .http = http_answer };

    name_request(http, request.id);
    add_common_headers(context, &request, http_answer);
    pass_gates(&request, &answer);
    if (log_is_on(LOG_DEBUG))
        log_debug("api", request.id, "%s %.*s: %d", http_server_method(http), (int)strcspn(http_server_target(http), "?"), http_server_target(http), http_answer->status);
    api_target_done(&request.target);
    yyjson_doc_free(request.document);
    mem_free(request.cursor);
    if (answer.errors.maximum > 0)
        text_done(&answer.errors);
}

/* Only who shows a key is given a worker: everybody else is answered without. */
static bool is_slow(void *context, const struct http_server_request *http)
{
    struct api *api = context;
    AUTO_DONE(api_target) struct api_target target = { 0 };
    char address[HTTP_SERVER_PEER_SIZE];
    char allow[80];
    const struct api_route *route;
    bool has_key;

    if (api_target_parse(http_server_target(http), &target, NULL) < 0)
        return false;
    route = api_route_find(api, &target, http_server_method(http), allow, sizeof allow);
    if (route == NULL || !route->is_slow)
        return false;
    api_client_address(api->config, http, address);
    if (api->keys.is_on && api_limits_look_at_guesses(api->limits, address, clock_monotonic_ms()) > 0)
        return false;
    return api_authenticate(&api->keys, http, &has_key) != API_NOBODY;
}

/* What the server refuses before a handler hears of it. */
static void refuse(void *context, int status, const char *words, struct http_server_answer *http_answer)
{
    struct api_request request = { .api = context };
    struct api_answer answer = { .http = http_answer };
    enum api_problem_kind kind = PROBLEM_BAD_REQUEST;

    for (int i = 0; i < API_PROBLEMS; i++)
        if (api_problem_rows[i].status == status && (enum api_problem_kind)i != PROBLEM_STATE && api_problem_rows[kind].status != status)
            kind = (enum api_problem_kind)i;
    (void)snprintf(request.id, sizeof request.id, "%016llx", (unsigned long long)clock_random());
    add_common_headers(context, &request, http_answer);
    if (status == 503)
        http_server_add_header(http_answer, "Retry-After", "1");
    api_problem(&request, &answer, kind, "%s", words);
}

/* ---- The state ---- */

struct state *api_state(struct api_request *request, struct api_answer *answer)
{
    struct state **reader = &request->api->readers[http_server_thread(request->http)];
    struct state_settings settings = { .path = request->api->settings.state_path, .reader = true };
    struct error err = { 0 };

    if (*reader == NULL && state_open(&settings, reader, &err) < 0)
        api_state_failed(request, answer, &err);
    return *reader;
}

void api_state_failed(struct api_request *request, struct api_answer *answer, const struct error *err)
{
    struct state **reader = &request->api->readers[http_server_thread(request->http)];

    log_error("api", request->id, "reading the state: %s", err->message);
    state_free(*reader);
    *reader = NULL;
    api_problem(request, answer, PROBLEM_STATE, "the state cannot be read at the moment; the service's log says why");
}

/* ---- Orders ---- */

void api_refuse_order(struct api_request *request, struct api_answer *answer, const struct order *order)
{
    switch (order->end) {
    case ORDER_UNKNOWN:
        api_problem(request, answer, PROBLEM_UNKNOWN_CONNECTOR, "there is no connector \"%.64s\"", order->connector != NULL ? order->connector : "");
        break;
    case ORDER_CONFLICT:
        if (order->ret_run > 0)
            api_header(answer, "Location", "/api/v1/connectors/%s/runs/%lld", order->connector, (long long)order->ret_run);
        api_problem(request, answer, order->ret_run > 0 ? PROBLEM_RUNNING : PROBLEM_CONFLICT, "%s", order->words);
        break;
    case ORDER_STALE:
        api_problem(request, answer, PROBLEM_STALE, "it was changed in between; read it again");
        break;
    default:
        log_error("api", request->id, "an order failed: %s", order->words);
        api_header(answer, "Retry-After", "5");
        api_problem(request, answer, PROBLEM_UNAVAILABLE, "%s",
                    order->words[0] != '\0' ? order->words : "the service did not answer in time; whether it was done is not known");
        break;
    }
}

bool api_order(struct api_request *request, struct api_answer *answer, struct order *order)
{
    order->trigger = "api";
    if (service_order(request->api->settings.service, order) == ORDER_DONE)
        return true;
    api_refuse_order(request, answer, order);
    return false;
}

/* ---- Life ---- */

static bool is_loopback_address(const char *host)
{
    unsigned char bytes[4];

    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || (inet_pton(AF_INET, host, bytes) == 1 && bytes[0] == 127);
}

int api_check(const struct api_settings *settings, struct error *err)
{
    const struct config *config = settings->config;
    const char *host = settings->host != NULL ? settings->host : config->api.host;

    if (config->api.auth && config->api.key[0] == '\0')
        return error_set(err, ERROR_CONFIG, "api.enable_auth is on and api.api_key is empty: set a key (for example the output of \"openssl rand -hex 32\"), or "
                                            "switch api.enable_auth off while the API listens on a loopback address");
    if (!config->api.auth && !is_loopback_address(host))
        return error_set(err, ERROR_CONFIG, "api.host is %s and api.enable_auth is off: everybody who reaches that address could change connectors. Switch "
                                            "enable_auth on and set api.api_key, or listen on 127.0.0.1", host);
    if (config->api.auth && config->api.read_key[0] != '\0' && strcmp(config->api.key, config->api.read_key) == 0)
        return error_set(err, ERROR_CONFIG, "api.api_key and api.read_only_key are the same");
    return 0;
}

static void make_openapi(struct api *api)
{
    struct text text;
    uint8_t digest[SHA256_SIZE];

    text_init(&text, 0);
    api_write_openapi(&text, api->settings.version);
    api->openapi_size = text.size;
    sha256_of(text.data, text.size, digest);
    sha256_hex(digest, 8, api->openapi_etag);
    api->openapi = text_take(&text);
}

static void wake(void *context)
{
    http_server_wake(((struct api *)context)->server);
}

int api_start(const struct api_settings *settings, struct api **ret_api, struct error *err)
{
    const struct config *config = settings->config;
    struct http_server_settings server = {
        .host = settings->host != NULL ? settings->host : config->api.host,
        .port = (uint16_t)(settings->port < 0 ? config->api.port : settings->port),
        .body_maximum = API_BODY_MAXIMUM, .handler = on_request, .per_address = API_PER_ADDRESS, .target_maximum = API_TARGET_MAXIMUM,
        .header_maximum = API_HEADERS_MAXIMUM, .answer_timeout_ms = ANSWER_TIMEOUT_MS, .is_exposed = true, .refuse = refuse, .is_slow = is_slow, .workers = API_WORKERS,
    };
    struct api *api;

    if (api_check(settings, err) < 0)
        return -1;
    api = mem_alloc(sizeof *api);
    api->settings = *settings;
    api->config = config;
    api->host = server.host;
    api->started_ms = clock_wall_ms();
    api_keys_set(&api->keys, config);
    api->limits = api_limits_new(config->api.rate_limit, config->api.per_minute);
    make_openapi(api);
    server.context = api;
    if (http_server_start(&server, &api->server, err) < 0) {
        api_free(api);
        return error_wrap(err, "management API");
    }
    bus_listen(settings->bus, wake, api);
    if (config->api.auth && strlen(config->api.key) < 16)
        log_warn("api", "", "api.api_key is short: take at least 16 characters, better the output of \"openssl rand -hex 32\"");
    *ret_api = api;
    return 0;
}

uint16_t api_port(const struct api *api)
{
    return http_server_port(api->server);
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    bus_unlisten(api->settings.bus, api);
    http_server_free(api->server);
    for (size_t i = 0; i < ARRAY_LENGTH(api->readers); i++)
        state_free(api->readers[i]);
    api_limits_free(api->limits);
    mem_free(api->openapi);
    mem_free(api);
}
