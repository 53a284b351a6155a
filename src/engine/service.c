#include "engine/service_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "engine/report.h"

#include <stdio.h>
#include <string.h>

/* ---- Places ---- */

struct place *service_find_place(struct service *service, const char *id)
{
    for (size_t i = 0; i < service->place_count; i++)
        if (service->places[i]->is_used && strcmp(service->places[i]->connector.engine.id, id) == 0)
            return service->places[i];
    return NULL;
}

static struct place *free_place(struct service *service)
{
    struct place *place;

    for (size_t i = 0; i < service->place_count; i++)
        if (!service->places[i]->is_used)
            return service->places[i];
    service->places = mem_grow(service->places, service->place_count, &service->place_capacity, sizeof(struct place *));
    if (service->place_count >= service->connector_capacity) {
        service->connector_capacity = service->connector_capacity > 0 ? 2 * service->connector_capacity : 16;
        service->connectors = mem_resize(service->connectors, service->connector_capacity, sizeof *service->connectors);
        service->engine_settings.connectors = service->connectors;
    }
    place = mem_alloc(sizeof *place);
    place->service = service;
    place->index = service->place_count;
    service->places[service->place_count++] = place;
    service->engine_settings.connector_count = service->place_count;
    return place;
}

/* A disabled one, and every one of a service without a scheduler, has a plan without ticks: it can be paused and shown like the others. */
static struct scheduler_job_settings job_settings(const struct place *place)
{
    const struct service_connector *connector = &place->connector;
    struct scheduler_job_settings settings = {
        .id = (int64_t)place->index, .schedule = connector->schedule, .zone = connector->zone != NULL ? connector->zone : zone_utc(),
        .overlap = connector->overlap, .catch_up_ms = connector->catch_up_ms, .jitter_ms = connector->jitter_ms,
        .timeout_ms = place->service->settings.job_timeout_ms,
    };

    if (!connector->enabled || place->service->settings.without_scheduler)
        settings.schedule = (struct schedule){ .kind = SCHEDULE_MANUAL };
    return settings;
}

static void plan_place(struct place *place, const struct job_row *job)
{
    struct service *service = place->service;
    struct scheduler_job_settings settings = job_settings(place);
    struct scheduler_facts facts = { 0 };

    if (job != NULL) {
        facts = (struct scheduler_facts){ .settled_ms = job->settled_ms, .waiting = (enum scheduler_cause)job->waiting, .waiting_ms = job->waiting_ms,
                                          .is_paused = job->is_paused, .paused_until_ms = job->paused_until_ms };
        (void)snprintf(facts.pause_reason, sizeof facts.pause_reason, "%s", job->reason);
        if (job->waiting < CAUSE_NONE || job->waiting > CAUSE_TRIGGER)
            facts.waiting = CAUSE_NONE;
    }
    place->job = scheduler_add(service->scheduler, &settings, job != NULL ? &facts : NULL, service_now(service));
}

/* The engine's side of a place whose connector stands in the settings now. */
static int start_place(const struct place *place, struct error *err)
{
    struct engine *engine = place->service->engine;

    if (engine->request == NULL) /* engine_begin does it for all */
        return 0;
    if (engine_register_connector(engine, place->index, err) < 0)
        return -1;
    return engine_start_target(engine, place->connector.engine.target, err);
}

/* The place has it now. Whoever made it must not free it, even if the state fails afterwards and its order with that. */
static void disown(struct service_connector *connector)
{
    connector->owner = NULL;
    connector->owner_free = NULL;
}

int service_add_place(struct service *service, struct service_connector *connector, const struct job_row *job, struct place **ret_place, struct error *err)
{
    struct place *place = free_place(service);

    if (endpoints_take(service, connector, NULL, err) < 0)
        return -1;
    place->is_used = true;
    place->connector = *connector;
    place->version = connector->version > 0 ? connector->version : 1;
    service->connectors[place->index] = connector->engine;
    if (start_place(place, err) < 0) {
        endpoints_give_back(service, connector);
        place->is_used = false;
        memset(&place->connector, 0, sizeof place->connector); /* it stays the caller's */
        memset(&service->connectors[place->index], 0, sizeof service->connectors[place->index]);
        return -1;
    }
    if (service->scheduler != NULL)
        plan_place(place, job);
    board_add(place);
    board_describe(place);
    board_plan(place);
    *ret_place = place;
    disown(connector);
    return 0;
}

/* Readers copy its strings under the board's mutex, so the old ones go (free_connector) once the new ones are in place. */
static struct service_connector swap_connector(struct place *place, const struct service_connector *connector)
{
    struct service_connector old = place->connector;

    (void)pthread_mutex_lock(&place->service->board_mutex);
    place->connector = *connector;
    place->version++;
    (void)pthread_mutex_unlock(&place->service->board_mutex);
    return old;
}

static void free_connector(const struct service_connector *connector)
{
    if (connector->owner_free != NULL)
        connector->owner_free(connector->owner);
}

void service_change_place(struct place *place, struct service_connector *connector)
{
    struct service *service = place->service;
    struct scheduler_job_settings settings;
    struct service_connector old;
    struct error err = { 0 };

    engine_release_connector(service->engine, place->index);
    if (endpoints_take(service, connector, &place->connector, &err) < 0) {
        engine_break(service->engine, &err);
        return;
    }
    service->connectors[place->index] = connector->engine;
    old = swap_connector(place, connector);
    disown(connector);
    settings = job_settings(place);
    scheduler_change(place->job, &settings, service_now(service)); /* compares with the old zone */
    endpoints_leave(service, &old);
    free_connector(&old);
    if (start_place(place, &err) < 0)
        engine_break(service->engine, &err);
    board_describe(place);
    board_plan(place);
}

void service_remove_place(struct place *place)
{
    static const struct service_connector nobody;
    struct service *service = place->service;
    struct service_connector old;

    engine_release_connector(service->engine, place->index);
    board_remove(place);
    memset(&service->connectors[place->index], 0, sizeof service->connectors[place->index]);
    place->is_used = place->is_asked = false;
    memset(&place->before, 0, sizeof place->before);
    old = swap_connector(place, &nobody);
    endpoints_leave(service, &old);
    free_connector(&old);
}

/* ---- Events: told to others once what they tell is durable ---- */

void service_event(struct service *service, enum bus_kind kind, const char *connector, void (*write)(struct json_writer *writer, const void *context),
                   const void *context)
{
    struct waiting_event *event;
    struct json_writer writer;

    if (service->settings.bus == NULL)
        return;
    if (service->event_count >= EVENTS_WAITING_MAXIMUM) { /* a commit that takes for ever: the newest of them are not told */
        service->events_dropped++;
        return;
    }
    service->events = mem_grow(service->events, service->event_count, &service->event_capacity, sizeof *service->events);
    event = &service->events[service->event_count++];
    *event = (struct waiting_event){ .kind = kind };
    (void)snprintf(event->connector, sizeof event->connector, "%s", connector);
    text_init(&event->json, 0);
    json_write_begin(&writer, &event->json);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "type", bus_kind_name(kind));
    json_write_time(&writer, "time", service->engine->now.wall_ms);
    if (connector[0] != '\0')
        json_write_string(&writer, "connector", connector);
    write(&writer, context);
    json_write_close(&writer);
}

static void tell_events(void *owner)
{
    struct service *service = owner;

    if (service->event_count == 0 || state_has_uncommitted(service->state))
        return;
    for (size_t i = 0; i < service->event_count; i++) {
        struct waiting_event *event = &service->events[i];
        if (!service->engine->is_broken)
            bus_publish(service->settings.bus, event->kind, event->connector, event->json.data, event->json.size);
        text_done(&event->json);
    }
    service->event_count = 0;
    if (service->events_dropped > 0)
        log_warn("engine", "", "%lld events were not told: the disk is too slow", (long long)service->events_dropped);
    service->events_dropped = 0;
}

static struct place *place_of_run(struct service *service, const struct run_row *row)
{
    for (size_t i = 0; row != NULL && i < service->engine->run_count; i++)
        if (&service->engine->runs[i].row == row && service->engine->runs[i].connector != SIZE_MAX)
            return service->places[service->engine->runs[i].connector];
    return NULL;
}

static void write_run(struct json_writer *writer, const void *context)
{
    const struct engine_event *event = context;

    json_write_open_object(writer, "report");
    report_write(writer, event->run);
    json_write_close(writer);
    json_write_string(writer, "phase", event->is_listing ? "listing" : event->queued + event->flying > 0 ? "sending" : "confirming");
    json_write_integer(writer, "queued", event->queued);
    json_write_integer(writer, "in_flight", event->flying);
    json_write_integer(writer, "unprocessed", event->stored);
    json_write_integer(writer, "removing", event->removing);
}

static void write_letter(struct json_writer *writer, const void *context)
{
    const struct engine_event *event = context;

    json_write_integer(writer, "run", event->run != NULL ? event->run->run : 0);
    json_write_open_object(writer, "letter");
    report_write_letter(writer, event->letter, event->run != NULL ? event->run->connector : "", event->context, event->memory_id);
    json_write_close(writer);
}

static void write_words(struct json_writer *writer, const void *context)
{
    json_write_bytes(writer, "message", context, strlen(context));
}

static bool is_progress_due(struct place *place)
{
    int64_t now = place->service->engine->now.mono_ms;

    if (now < place->progress_mono)
        return false;
    place->progress_mono = now + PROGRESS_EVENT_MS;
    return true;
}

static void on_event(void *context, const struct engine_event *event)
{
    static const enum bus_kind kinds[] = {
        [ENGINE_RUN_STARTED] = BUS_RUN_STARTED, [ENGINE_PROGRESS] = BUS_RUN_PROGRESS, [ENGINE_ITEM_FAILED] = BUS_ITEM_FAILED,
        [ENGINE_NOTICE] = BUS_NOTICE,           [ENGINE_RUN_FINISHED] = BUS_RUN_FINISHED,
    };
    struct service *service = context;
    struct place *place = place_of_run(service, event->run);
    const char *connector = event->run != NULL ? event->run->connector : "";

    if (place != NULL && place->run != NULL && event->kind != ENGINE_ITEM_FAILED)
        board_run(place, event);
    if (event->kind == ENGINE_PROGRESS && (place == NULL || !is_progress_due(place)))
        return;
    if (event->kind == ENGINE_NOTICE)
        service_event(service, BUS_NOTICE, "", write_words, event->words);
    else
        service_event(service, kinds[event->kind], connector, event->kind == ENGINE_ITEM_FAILED ? write_letter : write_run, event);
}

/* ---- What the scheduler decides ---- */

static void on_save(void *context, int64_t id, const struct scheduler_facts *facts)
{
    struct service *service = context;
    const struct place *place = service->places[id];
    const struct job_row row = {
        .connector = place->connector.engine.id, .settled_ms = facts->settled_ms, .waiting = (int)facts->waiting, .waiting_ms = facts->waiting_ms,
        .is_paused = facts->is_paused, .paused_until_ms = facts->paused_until_ms, .reason = facts->pause_reason,
    };

    engine_apply(service->engine, &(struct change){ .kind = CHANGE_JOB, .job = &row });
    service->engine->must_commit = true;
}

struct missed {
    const struct scheduler_trace *trace;
    const char *words;
};

static void write_missed(struct json_writer *writer, const void *context)
{
    const struct missed *missed = context;

    json_write_string(writer, "reason", scheduler_miss_name(missed->trace->why));
    json_write_integer(writer, "ticks", missed->trace->count);
    json_write_time(writer, "first", missed->trace->first_ms);
    json_write_time(writer, "last", missed->trace->last_ms);
    json_write_string(writer, "message", missed->words);
}

/* A row of the history, so that planned = run + told. */
static void on_trace(void *context, const struct scheduler_trace *trace)
{
    struct service *service = context;
    struct place *place = service->places[trace->id];
    char first[TIME_TEXT_SIZE];
    char last[TIME_TEXT_SIZE];
    char words[400];
    const struct missed missed = { trace, words };
    struct run_row row = {
        .run = state_next_run(service->state), .connector = place->connector.engine.id, .trigger = "schedule", .started_ms = trace->first_ms,
        .finished_ms = trace->last_ms > 0 ? trace->last_ms : 1, .result = RUN_SKIPPED, .error = words, .range = place->connector.engine.range,
        .limit = place->connector.engine.limit, .coverage = "",
    };

    time_text_rfc3339(trace->first_ms, first);
    time_text_rfc3339(trace->last_ms, last);
    if (trace->count == 1)
        (void)snprintf(words, sizeof words, "the run of %s did not take place: %s", first, scheduler_miss_words(trace->why));
    else
        (void)snprintf(words, sizeof words, "%lld runs from %s to %s did not take place: %s", (long long)trace->count, first, last, scheduler_miss_words(trace->why));
    engine_apply(service->engine, &(struct change){ .kind = CHANGE_RUN, .run = &row });
    log_info("engine", row.connector, "%s", words);
    board_missed(place, trace->why, trace->count);
    service_event(service, BUS_RUN_MISSED, row.connector, write_missed, &missed);
}

static struct run *find_free_run(struct engine *engine)
{
    for (size_t i = 0; i < engine->run_count; i++)
        if (engine->runs[i].connector == SIZE_MAX)
            return &engine->runs[i];
    return NULL;
}

static void on_start(void *context, int64_t id, enum scheduler_cause cause, int64_t tick_ms)
{
    struct service *service = context;
    struct place *place = service->places[id];
    struct run_options options = { 0 };
    struct run *run = find_free_run(service->engine);

    (void)tick_ms;
    if (cause == CAUSE_TRIGGER && place->is_asked)
        options = place->asked;
    else
        (void)snprintf(options.trigger, sizeof options.trigger, "%s", cause == CAUSE_TRIGGER ? "api" : cause == CAUSE_CATCH_UP ? "catch_up" : "schedule");
    place->is_asked = false;
    place->progress_mono = 0;
    place->run = run; /* there are as many as the scheduler may start */
    run_start(service->engine, run, place->index, &options);
    board_run(place, NULL);
    service->engine->must_commit = true;
}

static void on_stop(void *context, int64_t id, enum scheduler_stop why)
{
    struct service *service = context;
    struct run *run = service->places[id]->run;

    if (run == NULL || run->is_finished)
        return;
    listing_cancel(run);
    if (why == STOP_TIMEOUT) {
        run_fail(run, ERROR_LATER, "it took longer than advanced.pipeline.job_timeout_minutes (%lld min); what is queued or under way goes on",
                 (long long)(service->settings.job_timeout_ms / 60000));
        run_finish(run, RUN_FAILED);
    } else {
        run_finish(run, RUN_CANCELLED);
    }
}

static void on_notice(void *context, const char *words)
{
    log_warn("engine", "", "%s", words);
    service_event(context, BUS_NOTICE, "", write_words, words);
}

static uint64_t on_random(void *context)
{
    const struct service *service = context;

    return service->world->random(service->world->self);
}

/* ---- The loop ---- */

static void log_end(const struct run *run)
{
    const struct run_counts *counts = &run->row.counts;
    const char *id = run->row.connector;

    if (run->row.result == RUN_SUCCESS || run->row.result == RUN_CANCELLED)
        log_info("engine", id, "run %lld: %s; %lld fetched, %lld new, %lld changed, %lld removed, %lld skipped, %lld failed", (long long)run->row.run,
                 run_result_name(run->row.result), (long long)counts->fetched, (long long)counts->new_, (long long)counts->changed, (long long)counts->removed,
                 (long long)counts->skipped, (long long)counts->failed);
    else
        log_warn("engine", id, "run %lld: %s; %lld fetched, %lld new, %lld malformed, %lld failed%s%s", (long long)run->row.run, run_result_name(run->row.result),
                 (long long)counts->fetched, (long long)counts->new_, (long long)counts->malformed, (long long)counts->failed, run->error[0] != '\0' ? ": " : "",
                 run->error);
}

static void end_run(struct service *service, struct run *run)
{
    struct place *place = service->places[run->connector];

    log_end(run);
    board_run_ended(place, run);
    place->has_news = true;
    place->run = NULL;
    run_done(run);
    *run = (struct run){ .engine = service->engine, .connector = SIZE_MAX, .is_finished = true, .phase = LISTING_OVER };
    if (!engine_is_stopping(service->engine))
        scheduler_finished(place->job, service_now(service));
    board_plan(place);
}

static void end_runs(struct service *service)
{
    struct engine *engine = service->engine;
    bool any = false;

    for (size_t i = 0; i < engine->run_count; i++)
        any = any || (engine->runs[i].connector != SIZE_MAX && engine->runs[i].is_finished);
    if (!any)
        return;
    engine->must_commit = true; /* whoever sees on the board that it is over finds its row */
    engine_commit(engine);
    for (size_t i = 0; i < engine->run_count; i++)
        if (engine->runs[i].connector != SIZE_MAX && engine->runs[i].is_finished)
            end_run(service, &engine->runs[i]);
}

/* Plans change with time, so all are looked at when something was decided; there is no hurry with the others. */
static void show_plans(struct service *service)
{
    for (size_t i = 0; i < service->place_count; i++)
        if (service->places[i]->is_used)
            board_plan(service->places[i]);
}

static void on_turn(void *owner)
{
    struct service *service = owner;
    struct engine *engine = service->engine;
    int64_t due = scheduler_next_mono(service->scheduler);

    atomic_store(&service->turned_mono, engine->now.mono_ms);
    if (service->settings.on_turn != NULL)
        service->settings.on_turn(service->settings.context);
    end_runs(service);
    if (!engine_is_stopping(engine)) {
        if (!service->scheduler_is_open) {
            service->scheduler_is_open = true;
            scheduler_set_limit(service->scheduler, service->settings.max_concurrent, service_now(service));
        }
        service_take_orders(service);
        scheduler_tick(service->scheduler, service_now(service));
        if (due <= engine->now.mono_ms)
            show_plans(service);
        service_alerts_look(service);
    }
    if (engine->must_commit)
        engine_commit(engine);
    service_answer_orders(service);
    tell_events(service);
    if (!engine_is_stopping(engine)) {
        endpoints_sweep(service);
        service_alerts_deliver(service);
        service_clean(service);
    }
    board_look_at_targets(service);
}

static int64_t on_next_mono(void *owner)
{
    struct service *service = owner;
    struct engine *engine = service->engine;
    int64_t next = engine->now.mono_ms + (service->settings.turn_ms > 0 ? service->settings.turn_ms : IDLE_TURN_MS);
    int64_t due = scheduler_next_mono(service->scheduler);

    for (size_t i = 0; i < engine->run_count; i++)
        if (engine->runs[i].connector != SIZE_MAX)
            next = engine->runs[i].is_finished ? engine->now.mono_ms : next < engine->now.mono_ms + 1000 ? next : engine->now.mono_ms + 1000;
    if (service->event_count > 0 && !state_has_uncommitted(service->state))
        return engine->now.mono_ms;
    if (due < next)
        next = due;
    due = engine_is_stopping(engine) ? INT64_MAX : service_alerts_next_mono(service);
    return due < next ? due : next;
}

static bool is_over(struct engine *engine)
{
    (void)engine;
    return false; /* only a stop ends it */
}

/* ---- Life ---- */

int service_new(const struct service_settings *settings, const struct world *world, struct state *state, struct service **ret_service, struct error *err)
{
    AUTO(service) struct service *service = mem_alloc(sizeof *service);
    pthread_condattr_t attributes;

    service->settings = *settings;
    service->world = world;
    service->state = state;
    service->engine_settings = *settings->engine;
    service->engine_settings.connectors = NULL;
    service->engine_settings.connector_count = 0;
    endpoints_init(service);
    (void)pthread_mutex_init(&service->order_mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&service->order_done, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    board_init(service);
    service->takes_orders = true;
    if (engine_new(&service->engine_settings, world, state, &service->engine, err) < 0)
        return -1;
    atomic_store(&service->turned_mono, service->engine->now.mono_ms);
    service->engine->on_turn = on_turn;
    service->engine->on_commit = tell_events;
    service->engine->owner_next_mono = on_next_mono;
    service->engine->owner = service;
    service->engine->is_over = is_over;
    service->engine->audits = true;
    for (size_t i = 0; i < settings->connector_count; i++) {
        struct place *place;
        if (!endpoints_have_room(service, &settings->connectors[i], NULL)) { /* made while others were left out */
            log_warn("engine", settings->connectors[i].engine.id, "this connector is left out: there is no place left for the servers that it brings along (%zu)",
                     settings->endpoint_maximum);
            continue;
        }
        if (service_add_place(service, &settings->connectors[i], NULL, &place, err) < 0)
            return -1;
    }
    *ret_service = TAKE(service);
    return 0;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    service_alerts_close(service);
    engine_free(service->engine);
    scheduler_free(service->scheduler);
    for (size_t i = 0; i < service->place_count; i++) {
        if (service->places[i]->connector.owner_free != NULL)
            service->places[i]->connector.owner_free(service->places[i]->connector.owner);
        service_alerts_free_place(service->places[i]);
        mem_free(service->places[i]);
    }
    for (size_t i = 0; i < service->event_count; i++)
        text_done(&service->events[i].json);
    mem_free(service->events);
    mem_free(service->places);
    mem_free(service->connectors);
    endpoints_done(service);
    board_done(service);
    (void)pthread_cond_destroy(&service->order_done);
    (void)pthread_mutex_destroy(&service->order_mutex);
    mem_free(service);
}

static void make_scheduler(struct service *service)
{
    const struct scheduler_out out = {
        .context = service, .save = on_save, .trace = on_trace, .start = on_start, .stop = on_stop, .notice = on_notice, .random = on_random,
    };

    /* Nothing starts before the first turn. */
    service->scheduler = scheduler_new(&out, 0, SCHEDULER_BELIEVED_FROM_MS, service_now(service));
}

static int plan_all(struct service *service, struct error *err)
{
    for (size_t i = 0; i < service->place_count; i++) {
        struct place *place = service->places[i];
        struct job_row job;
        int64_t last_success_ms = 0;
        int found = state_get_job(service->state, place->connector.engine.id, &job, err);
        if (found < 0 || state_last_success(service->state, place->connector.engine.id, &last_success_ms, err) < 0)
            return -1;
        plan_place(place, found > 0 ? &job : NULL);
        board_last_success(place, last_success_ms);
        board_plan(place);
    }
    return 0;
}

static void make_runs(struct service *service)
{
    struct engine *engine = service->engine;

    engine->runs = mem_alloc_array((size_t)service->settings.max_concurrent, sizeof *engine->runs);
    for (int i = 0; i < service->settings.max_concurrent; i++)
        engine->runs[engine->run_count++] = (struct run){ .engine = engine, .connector = SIZE_MAX, .is_finished = true, .phase = LISTING_OVER };
}

static int start_all(struct service *service, struct error *err)
{
    struct engine *engine = service->engine;

    service->request = (struct sync_request){ .trigger = "schedule", .on_event = on_event, .context = service };
    if (engine_begin(engine, &service->request, err) < 0 || engine_interrupt_old_runs(engine, err) < 0)
        return -1;
    make_runs(service);
    for (size_t i = 0; i < engine->stream_count; i++) /* also of what nobody feeds now: it is followed to its end */
        if (engine->streams[i]->target != NULL && engine_start_target(engine, engine->streams[i]->target->index, err) < 0)
            return -1;
    make_scheduler(service);
    if (plan_all(service, err) < 0 || service_alerts_open(service, err) < 0 || service_clean_open(service, err) < 0)
        return -1;
    engine->must_commit = true;
    engine_commit(engine);
    if (!engine->is_broken)
        return 0;
    *err = engine->error;
    return -1;
}

int service_run(struct service *service, struct error *err)
{
    struct engine *engine = service->engine;
    int result = start_all(service, err);

    if (result == 0) {
        engine_loop(engine);
        for (size_t i = 0; i < engine->run_count; i++)
            if (engine->runs[i].connector != SIZE_MAX && !engine->runs[i].is_finished)
                run_finish(&engine->runs[i], RUN_CANCELLED);
        result = engine_end(engine, err);
        tell_events(service);
    }
    service_close_orders(service);
    return result;
}

void service_stop(struct service *service, int urgency)
{
    engine_stop(service->engine, urgency);
}

bool service_is_alive(const struct service *service, int64_t limit_ms)
{
    return world_monotonic_ms(service->world) - atomic_load(&service->turned_mono) <= limit_ms;
}
