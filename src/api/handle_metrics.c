/* handle_metrics.c - GET /metrics: counters and gauges for Prometheus.
 *
 * One table. Every series of every connector and target that there is exists from the start, with 0, so that an alert on an increase sees the first one.
 * Labels are connector, target, outcome and class only: nothing that comes from a memory, a server or a client, so their number is bounded by the
 * configuration. Counters begin at 0 with the program. docs/metrics.md is compared with this table in a test.
 *
 * Source of the format: Prometheus text exposition format 0.0.4. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "engine/report.h"

#include <stddef.h>
#include <string.h>

/* ---- What is counted ---- */

struct service_figures {
    int64_t one, started_ms, connectors, running, waiting, paused, streams;
    bool scheduler_is_on, disk_is_short, is_stopping;
};

struct connector_figures {
    struct connector_board board;
    struct state_counts counts;
    int64_t unsettled, oldest_age_ms;
    bool is_running;
};

struct figures {
    struct service_figures service;
    struct connector_figures *connectors;
    size_t connector_count, connector_capacity;
    struct target_board *targets;
    size_t target_count, target_capacity;
};

static void figures_done(struct figures *figures)
{
    mem_free(figures->connectors);
    mem_free(figures->targets);
}
AUTO_DEFINE_DONE(figures)

/* ---- The table ---- */

enum metric_scope { OF_SERVICE, OF_CONNECTOR, OF_TARGET };
enum metric_unit { COUNT, FLAG, SECONDS /* kept as milliseconds */ };

struct metric {
    const char *name, *type, *help;
    enum metric_scope scope;
    enum metric_unit unit;
    size_t offset;                 /* of an int64_t or a bool in the figures of the scope; with a label: of the first of several */
    const char *label;             /* NULL: none besides connector or target */
    int first, count;              /* its values */
    const char *(*name_value)(int value);
    size_t (*find_value)(int value); /* where it lies behind offset; NULL: one after the other */
};

static const char *name_result(int value) { return run_result_name((enum run_result)value); }
static const char *name_miss(int value) { return scheduler_miss_name((enum scheduler_miss)value); }
static const char *name_state(int value) { return memory_state_name((enum memory_state)value); }
static const char *name_class(int value) { return dead_class_name((enum dead_class)value); }
static const char *name_counter(int value) { return report_counters[value].name; }
static size_t find_counter(int value) { return report_counters[value].offset; }

enum { COUNTERS = -1 /* as many as report_counters has */ };

#define S(field) .scope = OF_SERVICE, .offset = offsetof(struct service_figures, field)
#define C(field) .scope = OF_CONNECTOR, .offset = offsetof(struct connector_figures, field)
#define T(field) .scope = OF_TARGET, .offset = offsetof(struct target_board, field)
#define GAUGE .type = "gauge"
#define COUNTER .type = "counter"

static const struct metric metrics[] = {
    { "memory_connector_info", GAUGE, "Always 1; the version of the program.", S(one) },
    { "memory_connector_start_timestamp_seconds", GAUGE, "When the program started.", S(started_ms), .unit = SECONDS },
    { "memory_connector_connectors", GAUGE, "Connectors that there are.", S(connectors) },
    { "memory_connector_connectors_running", GAUGE, "Connectors with a run under way.", S(running) },
    { "memory_connector_connectors_waiting", GAUGE, "Connectors whose run waits for a free place.", S(waiting) },
    { "memory_connector_connectors_paused", GAUGE, "Connectors that are paused.", S(paused) },
    { "memory_connector_scheduler_on", GAUGE, "1 while runs start by schedule.", S(scheduler_is_on), .unit = FLAG },
    { "memory_connector_disk_short", GAUGE, "1 while the disk of the state has less than state.disk_reserve left: nothing new is sent.", S(disk_is_short), .unit = FLAG },
    { "memory_connector_stopping", GAUGE, "1 while the service stops.", S(is_stopping), .unit = FLAG },
    { "memory_connector_event_streams", GAUGE, "Open streams of events.", S(streams) },

    { "memory_connector_enabled", GAUGE, "1 when the connector may run.", C(board.enabled), .unit = FLAG },
    { "memory_connector_paused", GAUGE, "1 while it is paused.", C(board.is_paused), .unit = FLAG },
    { "memory_connector_running", GAUGE, "1 while a run is under way.", C(is_running), .unit = FLAG },
    { "memory_connector_next_run_timestamp_seconds", GAUGE, "When its schedule runs it next; 0: never by itself.", C(board.next_ms), .unit = SECONDS },
    { "memory_connector_last_success_timestamp_seconds", GAUGE, "End of its last run that was a success or partial; 0: none yet.", C(board.last_success_ms), .unit = SECONDS },
    { "memory_connector_failures_in_row", GAUGE, "Runs that failed since the last that did not.", C(board.failures_in_row) },
    { "memory_connector_source_reachable", GAUGE, "1 unless its last listing could not be read.", C(board.source_is_reachable), .unit = FLAG },
    { "memory_connector_runs_total", COUNTER, "Runs that ended, by their result.", C(board.runs), .label = "outcome", .first = RUN_SUCCESS, .count = RUN_RESULTS,
      .name_value = name_result },
    { "memory_connector_missed_runs_total", COUNTER, "Times of the schedule that did not become runs, by the reason.", C(board.missed), .label = "outcome",
      .count = SCHEDULER_MISSES, .name_value = name_miss },
    { "memory_connector_run_counts_total", COUNTER, "What runs counted: memories, but requests and bytes as their names say.", C(board.totals), .label = "outcome",
      .count = COUNTERS, .name_value = name_counter, .find_value = find_counter },
    { "memory_connector_memories", GAUGE, "Memories in the state, by where they are.", C(counts.memories), .label = "outcome", .first = MEMORY_QUEUED,
      .count = MEMORY_STATES, .name_value = name_state },
    { "memory_connector_unsettled_memories", GAUGE, "Memories that are neither proven nor given up: the backlog.", C(unsettled) },
    { "memory_connector_oldest_unsettled_seconds", GAUGE, "Age of the oldest of them; 0: there is none.", C(oldest_age_ms), .unit = SECONDS },
    { "memory_connector_dead_letters", GAUGE, "Open dead letters, by their class.", C(counts.letters), .label = "class", .first = DEAD_MALFORMED, .count = DEAD_CLASSES,
      .name_value = name_class },

    { "memory_connector_target_up", GAUGE, "1 while LightRAG answers as it should.", T(is_reachable), .unit = FLAG },
    { "memory_connector_target_busy", GAUGE, "1 while it says: not now.", T(is_busy), .unit = FLAG },
    { "memory_connector_target_queued", GAUGE, "Memories that wait here to be sent to it.", T(queued) },
    { "memory_connector_target_inserts_in_flight", GAUGE, "Insert requests under way.", T(inserts_in_flight) },
    { "memory_connector_target_unfinished", GAUGE, "Documents that it has stored and not yet processed.", T(unfinished) },
    { "memory_connector_target_seen_timestamp_seconds", GAUGE, "Its last good answer; 0: none yet.", T(seen_ms), .unit = SECONDS },
    { "memory_connector_target_requests_total", COUNTER, "Requests to it.", T(requests) },
    { "memory_connector_target_failures_total", COUNTER, "Those of them that failed.", T(failures) },
};

/* ---- Gathering ---- */

static void gather_service(struct api_request *request, struct service_figures *figures)
{
    struct service_board board;

    service_read(request->api->settings.service, &board);
    *figures = (struct service_figures){
        .one = 1, .started_ms = board.started_ms, .connectors = (int64_t)board.connectors, .running = (int64_t)board.running, .waiting = (int64_t)board.waiting,
        .paused = (int64_t)board.paused, .streams = (int64_t)atomic_load(&request->api->stream_count), .scheduler_is_on = board.scheduler_is_on,
        .disk_is_short = board.disk_is_short, .is_stopping = board.is_stopping,
    };
}

static int gather_connector(struct state *state, struct connector_figures *figures, int64_t now_ms, struct error *err)
{
    const char *id = figures->board.id;
    int64_t oldest_ms = 0;

    if (state_count_connector(state, id, &figures->counts, err) < 0 || state_oldest_unsettled(state, id, &oldest_ms, err) < 0)
        return -1;
    figures->unsettled = figures->counts.memories[MEMORY_QUEUED] + figures->counts.memories[MEMORY_FLYING];
    figures->oldest_age_ms = oldest_ms > 0 && now_ms > oldest_ms ? now_ms - oldest_ms : 0;
    figures->is_running = figures->board.current.run != 0;
    if (!figures->board.has_next)
        figures->board.next_ms = 0;
    return 0;
}

static int gather(struct api_request *request, struct state *state, struct figures *figures, struct error *err)
{
    struct service *service = request->api->settings.service;
    struct connector_board board = { 0 };
    struct target_board target;

    gather_service(request, &figures->service);
    while (service_next(service, board.id, &board)) {
        struct connector_figures *one;
        figures->connectors = mem_grow(figures->connectors, figures->connector_count, &figures->connector_capacity, sizeof *figures->connectors);
        one = &figures->connectors[figures->connector_count++];
        *one = (struct connector_figures){ .board = board };
        if (gather_connector(state, one, request->now_ms, err) < 0)
            return -1;
    }
    for (size_t i = 0; service_target(service, i, &target); i++) {
        if (target.name[0] == '\0')
            continue;
        figures->targets = mem_grow(figures->targets, figures->target_count, &figures->target_capacity, sizeof *figures->targets);
        figures->targets[figures->target_count++] = target;
    }
    return 0;
}

/* ---- Writing ---- */

static void write_label(struct text *out, char before, const char *name, const char *value)
{
    (void)text_append_char(out, before);
    (void)text_append(out, name);
    (void)text_append(out, "=\"");
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            (void)text_append(out, "\\n");
        else if (*value == '"' || *value == '\\')
            (void)text_append_format(out, "\\%c", *value);
        else
            (void)text_append_char(out, *value);
    }
    (void)text_append_char(out, '"');
}

static void write_value(struct text *out, enum metric_unit unit, const char *at)
{
    int64_t number;
    bool flag;

    if (unit == FLAG) {
        memcpy(&flag, at, sizeof flag);
        (void)text_append(out, flag ? " 1\n" : " 0\n");
        return;
    }
    memcpy(&number, at, sizeof number);
    if (unit == SECONDS)
        (void)text_append_format(out, " %lld.%03lld\n", (long long)(number / 1000), (long long)(number % 1000));
    else
        (void)text_append_format(out, " %lld\n", (long long)number);
}

/* All series of one metric for one connector or target (owner_label NULL: of the service). */
static void write_series(struct text *out, const struct metric *metric, const char *owner_label, const char *owner, const void *figures)
{
    int count = metric->label == NULL ? 1 : metric->count == COUNTERS ? (int)report_counter_count : metric->count;

    for (int value = metric->first; value < count; value++) {
        size_t behind = metric->label == NULL ? 0 : metric->find_value != NULL ? metric->find_value(value) : (size_t)value * sizeof(int64_t);
        (void)text_append(out, metric->name);
        if (owner_label != NULL)
            write_label(out, '{', owner_label, owner);
        if (metric->label != NULL)
            write_label(out, ',', metric->label, metric->name_value(value));
        if (owner_label != NULL)
            (void)text_append_char(out, '}');
        write_value(out, metric->unit, (const char *)figures + metric->offset + behind);
    }
}

static void write_metric(struct text *out, const struct metric *metric, const struct figures *figures, const char *version)
{
    (void)text_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
    if (metric == &metrics[0])
        write_series(out, metric, "version", version, &figures->service);
    else if (metric->scope == OF_SERVICE)
        write_series(out, metric, NULL, NULL, &figures->service);
    for (size_t i = 0; metric->scope == OF_CONNECTOR && i < figures->connector_count; i++)
        write_series(out, metric, "connector", figures->connectors[i].board.id, &figures->connectors[i]);
    for (size_t i = 0; metric->scope == OF_TARGET && i < figures->target_count; i++)
        write_series(out, metric, "target", figures->targets[i].name, &figures->targets[i]);
}

void handle_metrics(struct api_request *request, struct api_answer *answer)
{
    AUTO_DONE(figures) struct figures figures = { 0 };
    struct error err = { 0 };
    struct state *state;

    if (!request->api->config->monitoring.prometheus) {
        api_problem(request, answer, PROBLEM_NO_ROUTE, "metrics are switched off (monitoring.prometheus.enabled)");
        return;
    }
    if ((state = api_state(request, answer)) == NULL)
        return;
    if (gather(request, state, &figures, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    answer->http->content_type = "text/plain; version=0.0.4; charset=utf-8";
    for (size_t i = 0; i < ARRAY_LENGTH(metrics); i++)
        write_metric(&answer->http->body, &metrics[i], &figures, request->api->settings.version);
}
