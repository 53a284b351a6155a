/* handle_health.c - is it well? For people, load balancers, containers and supervisors: without a key, so nothing here names an address or holds a secret.
 *
 * livez: the loop turns; restart the service when it does not. readyz: it takes orders; send nobody here when it does not. health: both, and whether
 * what it needs answers. A source or target that is down makes it "degraded" and not ill: restarting would not help.
 *
 * All comes from the board, so an answer never waits for the disk or the engine. */
#include "api/api_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { ALIVE_WITHIN_MS = 60000 /* twelve turns of an idle loop, or a very slow disk */ };

static bool is_alive(const struct api_request *request)
{
    return service_is_alive(request->api->settings.service, ALIVE_WITHIN_MS);
}

static void say_status(struct api_answer *answer, const char *status)
{
    json_write_string(api_begin(answer, 200), "status", status);
    api_end(answer);
}

static void say_stuck(struct api_request *request, struct api_answer *answer)
{
    api_problem(request, answer, PROBLEM_UNAVAILABLE, "the service's loop has not turned for %d s: it hangs; look at the disk, then restart it", ALIVE_WITHIN_MS / 1000);
}

void handle_livez(struct api_request *request, struct api_answer *answer)
{
    if (is_alive(request))
        say_status(answer, "alive");
    else
        say_stuck(request, answer);
}

void handle_readyz(struct api_request *request, struct api_answer *answer)
{
    struct service_board board;

    service_read(request->api->settings.service, &board);
    if (!is_alive(request))
        say_stuck(request, answer);
    else if (board.is_stopping)
        api_problem(request, answer, PROBLEM_UNAVAILABLE, "the service is stopping");
    else
        say_status(answer, "ready");
}

/* ---- health ---- */

struct sources {
    struct { char name[65]; bool is_down; } *items;
    size_t count, capacity;
};

static void note_source(struct sources *sources, const char *name, bool is_down)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->items[i].name, name) == 0) {
            sources->items[i].is_down = sources->items[i].is_down || is_down;
            return;
        }
    sources->items = mem_grow(sources->items, sources->count, &sources->capacity, sizeof *sources->items);
    (void)snprintf(sources->items[sources->count].name, sizeof sources->items[0].name, "%s", name);
    sources->items[sources->count++].is_down = is_down;
}

/* Sources in the order of the configuration, and those that connectors brought along; one is unreachable when the last listing of any of its connectors
 * found it so. */
static bool write_sources(struct api_request *request, struct json_writer *writer)
{
    const struct engine_settings *engine = &request->api->config->engine;
    struct connector_board board = { .id = "" };
    struct sources sources = { .count = 0 };
    bool is_well = true;

    for (size_t i = 0; i < engine->source_count; i++)
        note_source(&sources, engine->sources[i].name, false);
    while (service_next(request->api->settings.service, board.id, &board))
        note_source(&sources, board.source, !board.source_is_reachable);
    json_write_open_array(writer, "sources");
    for (size_t i = 0; i < sources.count; i++) {
        json_write_open_object(writer, NULL);
        json_write_string(writer, "name", sources.items[i].name);
        json_write_string(writer, "status", sources.items[i].is_down ? "unreachable" : "ok");
        json_write_close(writer);
        is_well = is_well && !sources.items[i].is_down;
    }
    json_write_close(writer);
    mem_free(sources.items);
    return is_well;
}

static bool write_targets(struct api_request *request, struct json_writer *writer)
{
    struct target_board board;
    bool is_well = true;

    json_write_open_array(writer, "targets");
    for (size_t i = 0; service_target(request->api->settings.service, i, &board); i++) {
        bool is_unknown = strcmp(board.condition, "unknown") == 0; /* nothing was asked of it yet */
        if (board.name[0] == '\0')
            continue;
        json_write_open_object(writer, NULL);
        json_write_string(writer, "name", board.name);
        json_write_string(writer, "status", board.is_reachable ? "ok" : board.condition);
        json_write_string(writer, "version", board.version[0] != '\0' ? board.version : NULL);
        json_write_bool(writer, "busy", board.is_busy);
        json_write_close(writer);
        is_well = is_well && (board.is_reachable || is_unknown);
    }
    json_write_close(writer);
    return is_well;
}

static void write_component(struct json_writer *writer, const char *key, const char *status)
{
    json_write_open_object(writer, key);
    json_write_string(writer, "status", status);
    json_write_close(writer);
}

void handle_health(struct api_request *request, struct api_answer *answer)
{
    struct service_board board;
    struct json_writer *writer;
    bool is_well;

    if (!is_alive(request)) {
        say_stuck(request, answer);
        return;
    }
    service_read(request->api->settings.service, &board);
    is_well = !board.disk_is_short && !board.is_stopping;
    writer = api_begin(answer, 200);
    json_write_open_object(writer, "components");
    write_component(writer, "state", board.disk_is_short ? "disk_short" : "ok");
    write_component(writer, "scheduler", board.is_stopping ? "stopping" : board.scheduler_is_on ? "ok" : "off");
    is_well = write_sources(request, writer) && is_well;
    is_well = write_targets(request, writer) && is_well;
    json_write_close(writer);
    json_write_string(writer, "status", is_well ? "healthy" : "degraded");
    json_write_string(writer, "version", request->api->settings.version);
    json_write_seconds(writer, "uptime_seconds", request->now_ms > board.started_ms ? request->now_ms - board.started_ms : 0);
    json_write_integer(writer, "active_runs", (int64_t)board.running);
    json_write_string(writer, "last_error", board.last_error[0] != '\0' ? board.last_error : NULL);
    api_end(answer);
}
