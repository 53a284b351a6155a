/* service_board.c - what readers see while the service runs: copies under a mutex, so that nobody waits for the loop and the loop waits for nobody. */
#include "engine/service_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void lock(struct service *service) { (void)pthread_mutex_lock(&service->board_mutex); }
static void unlock(struct service *service) { (void)pthread_mutex_unlock(&service->board_mutex); }

void board_init(struct service *service)
{
    size_t count = service->engine_settings.target_count;

    (void)pthread_mutex_init(&service->board_mutex, NULL);
    service->targets = mem_alloc_array(count > 0 ? count : 1, sizeof *service->targets);
    for (size_t i = 0; i < service->first_target; i++)
        board_name_target(service, i);
    service->board.started_ms = world_wall_ms(service->world);
    service->board.scheduler_is_on = !service->settings.without_scheduler;
}

void board_done(struct service *service)
{
    mem_free(service->targets);
    mem_free(service->sorted);
    (void)pthread_mutex_destroy(&service->board_mutex);
}

/* ---- Which targets there are ---- */

void board_name_target(struct service *service, size_t index)
{
    const struct engine_target *target = &service->engine_settings.targets[index];
    struct target_board *board = &service->targets[index];

    lock(service);
    memset(board, 0, sizeof *board);
    (void)snprintf(board->name, sizeof board->name, "%s", target->name);
    (void)snprintf(board->url, sizeof board->url, "%s", target->sink.url);
    (void)snprintf(board->condition, sizeof board->condition, "unknown");
    unlock(service);
}

void board_clear_target(struct service *service, size_t index)
{
    lock(service);
    memset(&service->targets[index], 0, sizeof service->targets[index]);
    unlock(service);
}

/* ---- Order of ids ---- */

/* Where id stands or would stand. */
static size_t find_sorted(const struct service *service, const char *id, bool *ret_found)
{
    size_t low = 0;
    size_t high = service->sorted_count;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(service->sorted[middle]->board.id, id);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void board_add(struct place *place)
{
    struct service *service = place->service;
    size_t at;
    bool is_there;

    lock(service);
    (void)snprintf(place->board.id, sizeof place->board.id, "%s", place->connector.engine.id);
    place->board.source_is_reachable = true;
    at = find_sorted(service, place->board.id, &is_there);
    service->sorted = mem_grow(service->sorted, service->sorted_count, &service->sorted_capacity, sizeof(struct place *));
    memmove(service->sorted + at + 1, service->sorted + at, (service->sorted_count - at) * sizeof(struct place *));
    service->sorted[at] = place;
    service->sorted_count++;
    unlock(service);
}

void board_remove(struct place *place)
{
    struct service *service = place->service;
    size_t at;
    bool is_there;

    lock(service);
    at = find_sorted(service, place->board.id, &is_there);
    if (is_there) {
        service->sorted_count--;
        memmove(service->sorted + at, service->sorted + at + 1, (service->sorted_count - at) * sizeof(struct place *));
    }
    memset(&place->board, 0, sizeof place->board);
    unlock(service);
}

/* ---- Writing: the service's thread ---- */

void board_describe(struct place *place)
{
    struct service *service = place->service;
    const struct service_connector *connector = &place->connector;
    struct connector_board *board = &place->board;

    lock(service);
    (void)snprintf(board->description, sizeof board->description, "%s", connector->description != NULL ? connector->description : "");
    (void)snprintf(board->schedule_words, sizeof board->schedule_words, "%s", connector->schedule_words != NULL ? connector->schedule_words : "");
    (void)snprintf(board->source, sizeof board->source, "%s", service->engine_settings.sources[connector->engine.source].name);
    (void)snprintf(board->target, sizeof board->target, "%s", service->engine_settings.targets[connector->engine.target].name);
    board->version = place->version;
    board->enabled = connector->enabled;
    board->is_from_file = connector->is_from_file;
    unlock(service);
}

void board_plan(struct place *place)
{
    struct service *service = place->service;
    struct scheduler_status status;

    if (place->job == NULL)
        return;
    scheduler_status(place->job, service_now(service), &status);
    lock(service);
    place->board.is_paused = status.facts->is_paused;
    place->board.paused_until_ms = status.facts->paused_until_ms;
    memcpy(place->board.pause_reason, status.facts->pause_reason, sizeof place->board.pause_reason);
    place->board.is_waiting = status.phase == JOB_WAITING;
    place->board.cause = status.phase == JOB_IDLE ? CAUSE_NONE : status.cause;
    place->board.has_next = status.has_next && place->connector.enabled;
    place->board.next_ms = status.next_ms;
    unlock(service);
}

static void add_counts(struct run_counts *sum, const struct run_counts *counts)
{
    int64_t values[sizeof *sum / sizeof(int64_t)];
    int64_t more[ARRAY_LENGTH(values)];

    memcpy(values, sum, sizeof values);
    memcpy(more, counts, sizeof more);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        values[i] += more[i];
    memcpy(sum, values, sizeof values);
}

void board_run(struct place *place, const struct engine_event *places)
{
    struct service *service = place->service;
    struct run_board *board = &place->board.current;
    const struct run *run = place->run;

    if (run == NULL)
        return;
    lock(service);
    board->run = run->row.run;
    board->started_ms = run->row.started_ms;
    (void)snprintf(board->trigger, sizeof board->trigger, "%s", run->options.trigger);
    board->is_dry = run->options.dry_run;
    board->is_listing = run->phase != LISTING_OVER;
    board->counts = run->row.counts;
    if (places != NULL) {
        board->queued = places->queued;
        board->flying = places->flying;
        board->stored = places->stored;
        board->removing = places->removing;
    }
    place->board.totals = place->before;
    add_counts(&place->board.totals, &run->row.counts);
    unlock(service);
}

static bool is_failure(enum run_result result)
{
    return result == RUN_FAILED || result == RUN_INTERRUPTED;
}

void board_run_ended(struct place *place, const struct run *run)
{
    struct service *service = place->service;
    struct connector_board *board = &place->board;

    add_counts(&place->before, &run->row.counts);
    lock(service);
    memset(&board->current, 0, sizeof board->current);
    board->totals = place->before;
    board->runs[run->row.result]++;
    if (is_failure(run->row.result)) {
        board->failures_in_row++;
        (void)snprintf(service->board.last_error, sizeof service->board.last_error, "%.60s: %.400s", board->id, run->error);
        service->board.last_error_ms = run->row.finished_ms;
    } else if (run->row.result == RUN_SUCCESS || run->row.result == RUN_PARTIAL) {
        board->failures_in_row = 0;
        board->last_success_ms = run->row.finished_ms;
    }
    if (run->coverage[0] != '\0') { /* the listing came to an end */
        board->source_is_reachable = strcmp(run->coverage, "failed") != 0;
        (void)snprintf(board->source_error, sizeof board->source_error, "%.230s", board->source_is_reachable ? "" : run->error);
    }
    unlock(service);
}

void board_last_success(struct place *place, int64_t finished_ms)
{
    lock(place->service);
    place->board.last_success_ms = finished_ms;
    unlock(place->service);
}

void board_failures(struct place *place, int64_t failures)
{
    lock(place->service);
    place->board.failures_in_row = failures;
    unlock(place->service);
}

void board_missed(struct place *place, enum scheduler_miss why, int64_t count)
{
    lock(place->service);
    place->board.missed[why] += count;
    unlock(place->service);
}

static const char *condition_name(enum target_condition condition)
{
    static const char *const names[] = {
        [TARGET_UNKNOWN] = "unknown", [TARGET_WELL] = "well", [TARGET_DOWN] = "down", [TARGET_DENIED] = "denied", [TARGET_STRANGE] = "strange",
        [TARGET_FENCED] = "fenced",
    };

    return names[condition];
}

static void look_at_target(const struct target_run *target, struct target_board *board)
{
    struct deliver_summary summary;

    deliver_summarise(target->deliver, &summary);
    (void)snprintf(board->version, sizeof board->version, "%s", summary.version);
    (void)snprintf(board->condition, sizeof board->condition, "%s", condition_name(summary.condition));
    (void)snprintf(board->words, sizeof board->words, "%.230s", summary.words);
    board->is_14 = summary.dialect == SINK_14;
    board->is_reachable = summary.condition == TARGET_WELL;
    board->is_busy = summary.busy_since_mono > 0;
    if (!target_stands_still(target, 0, board->stalled, sizeof board->stalled))
        board->stalled[0] = '\0';
    board->queued = target->queued;
    board->inserts_in_flight = summary.inserts_in_flight;
    board->unfinished = summary.stored;
    board->seen_ms = target->row.seen_ms;
    board->requests = target->requests;
    board->failures = target->failed_requests;
}

void board_look_at_targets(struct service *service)
{
    struct engine *engine = service->engine;

    if (engine->now.mono_ms < service->targets_mono)
        return;
    service->targets_mono = engine->now.mono_ms + BOARD_TARGET_MS;
    lock(service);
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL)
            look_at_target(&engine->targets[i], &service->targets[i]);
    service->board.disk_is_short = engine->disk_is_short;
    service->board.is_stopping = engine_is_stopping(engine);
    unlock(service);
}

/* ---- Reading: any thread ---- */

void service_read(struct service *service, struct service_board *ret_board)
{
    struct service_board board;

    lock(service);
    board = service->board;
    board.connectors = service->sorted_count;
    board.running = board.waiting = board.paused = 0;
    for (size_t i = 0; i < service->sorted_count; i++) {
        const struct connector_board *connector = &service->sorted[i]->board;
        board.running += connector->current.run != 0;
        board.waiting += connector->is_waiting;
        board.paused += connector->is_paused;
    }
    unlock(service);
    *ret_board = board;
}

/* Under the lock; NULL: there is none. */
static const struct place *find_locked(const struct service *service, const char *id)
{
    bool is_there;
    size_t at = find_sorted(service, id, &is_there);

    return is_there ? service->sorted[at] : NULL;
}

bool service_find(struct service *service, const char *id, struct connector_board *ret_board)
{
    const struct place *place;

    lock(service);
    place = find_locked(service, id);
    if (place != NULL)
        *ret_board = place->board;
    unlock(service);
    return place != NULL;
}

bool service_next(struct service *service, const char *after, struct connector_board *ret_board)
{
    bool is_there;
    size_t at;

    lock(service);
    at = find_sorted(service, after, &is_there);
    if (is_there)
        at++;
    is_there = at < service->sorted_count;
    if (is_there)
        *ret_board = service->sorted[at]->board;
    unlock(service);
    return is_there;
}

bool service_target(struct service *service, size_t index, struct target_board *ret_board)
{
    if (index >= service->engine_settings.target_count)
        return false;
    lock(service);
    *ret_board = service->targets[index];
    unlock(service);
    return true;
}

char *service_definition(struct service *service, const char *id, int64_t *ret_version, bool *ret_is_from_file)
{
    const struct place *place;
    char *definition = NULL;

    lock(service);
    place = find_locked(service, id);
    if (place != NULL) {
        definition = mem_copy_string(place->connector.definition != NULL ? place->connector.definition : "{}");
        *ret_version = place->version;
        *ret_is_from_file = place->connector.is_from_file;
    }
    unlock(service);
    return definition;
}

char *service_stored_definition(struct service *service, const char *id)
{
    const struct place *place;
    char *definition = NULL;

    lock(service);
    place = find_locked(service, id);
    if (place != NULL)
        definition = mem_copy_string(place->connector.stored != NULL ? place->connector.stored : place->connector.definition);
    unlock(service);
    return definition;
}
