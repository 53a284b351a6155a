/* service_orders.c - the mailbox: other threads put an order in and wait; the service's thread carries it out between two turns and answers once it is
 * durable. */
#include "engine/service_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct ticket {
    struct order *order;
    struct ticket *next;
    bool is_taken, is_answered;
};

/* ---- The side of the others ---- */

static void wait_until(struct service *service, const struct ticket *ticket, int64_t patience_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(patience_ms / 1000);
    while (!ticket->is_answered) /* one that was taken is as good as answered: it is not left alone with our memory */
        if (ticket->is_taken)
            (void)pthread_cond_wait(&service->order_done, &service->order_mutex);
        else if (pthread_cond_timedwait(&service->order_done, &service->order_mutex, &until) == ETIMEDOUT && !ticket->is_taken)
            return;
}

static void drop_ticket(struct service *service, const struct ticket *ticket)
{
    struct ticket **link = &service->first_ticket;

    service->last_ticket = NULL;
    while (*link != NULL) {
        if (*link == ticket)
            *link = ticket->next;
        else {
            service->last_ticket = *link;
            link = &(*link)->next;
        }
    }
}

static void put_ticket(struct service *service, struct ticket *ticket)
{
    if (service->last_ticket != NULL)
        service->last_ticket->next = ticket;
    else
        service->first_ticket = ticket;
    service->last_ticket = ticket;
    http_wake(service->world->http);
}

enum order_end service_order(struct service *service, struct order *order)
{
    struct ticket *ticket = mem_alloc(sizeof *ticket);

    ticket->order = order;
    order->end = ORDER_UNAVAILABLE;
    (void)snprintf(order->words, sizeof order->words, "the service is stopping");
    (void)pthread_mutex_lock(&service->order_mutex);
    if (service->takes_orders) {
        put_ticket(service, ticket);
        wait_until(service, ticket, ORDER_PATIENCE_MS);
        if (!ticket->is_answered) {
            drop_ticket(service, ticket);
            (void)snprintf(order->words, sizeof order->words, "the service is busy and did not take it within %d s; nothing was done", ORDER_PATIENCE_MS / 1000);
        }
    }
    (void)pthread_mutex_unlock(&service->order_mutex);
    mem_free(ticket);
    return order->end;
}

/* ---- What they do ---- */

static void MC_PRINTF(3, 4) refuse(struct order *order, enum order_end end, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(order->words, sizeof order->words, format, args);
    va_end(args);
    order->end = end;
}

static const char *static_range(const char *range)
{
    static const char *const ranges[] = { "day", "week", "month", "all" };

    for (size_t i = 0; range != NULL && i < ARRAY_LENGTH(ranges); i++)
        if (strcmp(ranges[i], range) == 0)
            return ranges[i];
    return NULL;
}

static void trigger(struct place *place, struct order *order)
{
    struct service *service = place->service;
    struct run_options asked = { .dry_run = order->request.dry_run, .force = order->request.force, .range = static_range(order->request.range), .limit = order->request.limit };

    if (!place->connector.enabled) {
        refuse(order, ORDER_CONFLICT, "connector %s is disabled", place->connector.engine.id);
        return;
    }
    if (place->run != NULL || place->is_asked || place->board.is_waiting) {
        order->ret_run = place->run != NULL ? place->run->row.run : 0;
        refuse(order, ORDER_CONFLICT, place->run != NULL ? "a run of connector %s is under way" : "a run of connector %s waits for a free place",
               place->connector.engine.id);
        return;
    }
    (void)snprintf(asked.trigger, sizeof asked.trigger, "%s", order->trigger != NULL ? order->trigger : "api");
    place->asked = asked;
    place->is_asked = true;
    if (!scheduler_trigger(place->job, service_now(service))) {
        place->is_asked = false;
        refuse(order, ORDER_CONFLICT, "a run of connector %s is under way", place->connector.engine.id);
        return;
    }
    order->ret_run = place->run != NULL ? place->run->row.run : 0;
    order->end = ORDER_DONE;
}

static void write_change(struct json_writer *writer, const void *context)
{
    json_write_string(writer, "change", context);
}

static void tell_change(struct service *service, const char *id, const char *what)
{
    service_event(service, BUS_CONNECTOR, id, write_change, what);
}

static void pause_place(struct place *place, struct order *order)
{
    if (!scheduler_pause(place->job, order->reason != NULL ? order->reason : "", order->until_ms, service_now(place->service))) {
        refuse(order, ORDER_CONFLICT, "the time until which to pause is over already");
        return;
    }
    tell_change(place->service, place->connector.engine.id, "paused");
    order->end = ORDER_DONE;
}

static void resume_place(struct place *place, struct order *order)
{
    scheduler_resume(place->job, service_now(place->service));
    tell_change(place->service, place->connector.engine.id, "resumed");
    order->end = ORDER_DONE;
}

static void cancel(struct place *place, struct order *order)
{
    order->ret_run = place->run != NULL ? place->run->row.run : 0;
    if (!scheduler_cancel(place->job, service_now(place->service))) {
        refuse(order, ORDER_CONFLICT, "connector %s has no run to cancel", place->connector.engine.id);
        return;
    }
    if (place->run == NULL)
        place->is_asked = false; /* the one that waited */
    order->end = ORDER_DONE;
}

/* ---- Connectors ---- */

const char *service_source_name(const struct engine_settings *settings, const struct service_connector *connector)
{
    return connector->own_source != NULL ? connector->own_source->name : settings->sources[connector->engine.source].name;
}

const char *service_target_url(const struct engine_settings *settings, const struct service_connector *connector)
{
    return connector->own_target != NULL ? connector->own_target->sink.url : settings->targets[connector->engine.target].sink.url;
}

bool service_is_same_way(const struct engine_settings *settings, const struct service_connector *one, const struct service_connector *other)
{
    return strcmp(service_source_name(settings, one), service_source_name(settings, other)) == 0 &&
           strcmp(service_target_url(settings, one), service_target_url(settings, other)) == 0;
}

/* Two enabled connectors would fetch and send the same. */
static const struct place *find_rival(const struct service *service, const struct service_connector *fresh, const struct place *self, const char **ret_context)
{
    for (size_t i = 0; i < service->place_count && fresh->enabled; i++) {
        const struct place *place = service->places[i];
        const struct engine_connector *other = &place->connector.engine;
        if (!place->is_used || place == self || !place->connector.enabled || !service_is_same_way(&service->engine_settings, &place->connector, fresh))
            continue;
        for (size_t a = 0; a < fresh->engine.context_count; a++)
            for (size_t b = 0; b < other->context_count; b++)
                if (strcmp(fresh->engine.contexts[a], other->contexts[b]) == 0) {
                    *ret_context = other->contexts[b];
                    return place;
                }
    }
    return NULL;
}

static bool has_rival(const struct service *service, const struct place *self, struct order *order)
{
    const char *context = "";
    const struct place *rival = find_rival(service, &order->fresh, self, &context);

    if (rival != NULL)
        refuse(order, ORDER_CONFLICT, "context %s is carried from the same source to the same target by connector %s already", context, rival->connector.engine.id);
    return rival != NULL;
}

static bool lacks_room(const struct service *service, const struct place *self, struct order *order)
{
    if (endpoints_have_room(service, &order->fresh, self != NULL ? &self->connector : NULL))
        return false;
    refuse(order, ORDER_CONFLICT, "connectors bring along as many servers as this service takes (%zu): name those that several use in the configuration",
           service->settings.endpoint_maximum);
    return true;
}

static void store(struct service *service, const struct service_connector *connector, int64_t version)
{
    const struct connector_row row = { .id = connector->engine.id, .definition = connector->stored != NULL ? connector->stored : connector->definition, .version = version,
                                       .changed_ms = service->engine->now.wall_ms };

    engine_apply(service->engine, &(struct change){ .kind = CHANGE_CONNECTOR, .connector = &row });
}

static void create(struct service *service, struct order *order)
{
    struct place *place;
    struct error err = { 0 };

    if (service_find_place(service, order->fresh.engine.id) != NULL) {
        refuse(order, ORDER_CONFLICT, "there is a connector %s already", order->fresh.engine.id);
        return;
    }
    if (has_rival(service, NULL, order) || lacks_room(service, NULL, order))
        return;
    order->fresh.version = 1;
    order->fresh.is_from_file = false;
    if (service_add_place(service, &order->fresh, NULL, &place, &err) < 0) {
        engine_break(service->engine, &err);
        refuse(order, ORDER_FAILED, "%s", err.message);
        return;
    }
    store(service, &place->connector, place->version);
    tell_change(service, place->connector.engine.id, "created");
    order->ret_version = place->version;
    order->end = ORDER_DONE;
}

/* May it be changed as asked? */
static bool may_change(const struct place *place, struct order *order)
{
    if (place->connector.is_from_file)
        refuse(order, ORDER_CONFLICT, "connector %s is managed by the configuration file: edit that and restart", place->connector.engine.id);
    else if (order->version != 0 && order->version != place->version)
        refuse(order, ORDER_STALE, "connector %s has been changed since: it has version %lld now", place->connector.engine.id, (long long)place->version);
    else if (place->run != NULL)
        refuse(order, ORDER_CONFLICT, "a run of connector %s is under way: cancel it, or wait until it is over", place->connector.engine.id);
    else
        return true;
    order->ret_version = place->version;
    order->ret_run = place->run != NULL ? place->run->row.run : 0;
    return false;
}

static void replace(struct place *place, struct order *order)
{
    if (!may_change(place, order) || has_rival(place->service, place, order) || lacks_room(place->service, place, order))
        return;
    order->fresh.is_from_file = false;
    service_change_place(place, &order->fresh);
    store(place->service, &place->connector, place->version);
    tell_change(place->service, place->connector.engine.id, "changed");
    order->ret_version = place->version;
    order->end = ORDER_DONE;
}

/* ---- What was processed is forgotten ---- */

static void reset(struct place *place, struct order *order)
{
    struct error err = { 0 };
    int64_t held = 0;

    if (place->run != NULL) {
        order->ret_run = place->run->row.run;
        refuse(order, ORDER_CONFLICT, "a run of connector %s is under way: cancel it, or wait until it is over", place->connector.engine.id);
        return;
    }
    if (engine_reset_connector(place->service->engine, place->index, order->memory_id, &order->ret_count, &held, &err) < 0) {
        engine_break(place->service->engine, &err);
        refuse(order, ORDER_FAILED, "%s", err.message);
    } else if (held > 0) {
        refuse(order, ORDER_CONFLICT, "%lld memories are on their way to LightRAG: wait until they are processed", (long long)held);
    } else {
        order->end = ORDER_DONE;
    }
}

static void delete(struct place *place, struct order *order)
{
    struct service *service = place->service;
    const struct connector_row gone = { .id = place->connector.engine.id };
    const struct job_row job = { .connector = place->connector.engine.id, .is_gone = true };

    if (!may_change(place, order))
        return;
    if (order->purge) {
        order->memory_id = (struct slice){ "", 0 };
        reset(place, order);
        if (order->end != ORDER_DONE)
            return;
    }
    tell_change(service, place->connector.engine.id, "deleted");
    engine_apply(service->engine, &(struct change){ .kind = CHANGE_CONNECTOR, .connector = &gone });
    scheduler_remove(place->job, service_now(service)); /* its traces come before its plan is dropped */
    place->job = NULL;
    engine_apply(service->engine, &(struct change){ .kind = CHANGE_JOB, .job = &job });
    service_alerts_forget(place);
    service_remove_place(place);
    order->end = ORDER_DONE;
}

/* ---- Dead letters ---- */

static void answer_letters(struct service *service, struct order *order)
{
    struct error err = { 0 };
    int result = order->kind == ORDER_RETRY ? engine_retry_letters_live(service->engine, &order->letters, &order->ret_count, &err)
                                            : engine_discard_letters(service->state, &order->letters, service->engine->now.wall_ms, &order->ret_count, &err);

    if (result < 0) {
        engine_break(service->engine, &err);
        refuse(order, ORDER_FAILED, "%s", err.message);
        return;
    }
    order->end = ORDER_DONE;
}

static void carry_out(struct service *service, struct order *order)
{
    static void (*const of_place[])(struct place *place, struct order *order) = {
        [ORDER_TRIGGER] = trigger, [ORDER_PAUSE] = pause_place, [ORDER_RESUME] = resume_place, [ORDER_CANCEL] = cancel,
        [ORDER_REPLACE] = replace, [ORDER_DELETE] = delete,     [ORDER_RESET] = reset,
    };
    struct place *place;

    order->words[0] = '\0';
    if (order->kind == ORDER_CREATE) {
        create(service, order);
        return;
    }
    if (order->kind == ORDER_RETRY || order->kind == ORDER_DISCARD) {
        answer_letters(service, order);
        return;
    }
    place = service_find_place(service, order->connector);
    if (place == NULL)
        refuse(order, ORDER_UNKNOWN, "there is no connector %.80s", order->connector);
    else
        of_place[order->kind](place, order);
    if (place != NULL && place->is_used)
        board_plan(place);
}

/* ---- The service's side ---- */

void service_take_orders(struct service *service)
{
    struct ticket *ticket;

    (void)pthread_mutex_lock(&service->order_mutex);
    for (ticket = service->first_ticket; ticket != NULL; ticket = ticket->next) {
        if (ticket->is_taken)
            continue;
        ticket->is_taken = true;
        service->engine->must_commit = true; /* an answer is given when it is durable */
        (void)pthread_mutex_unlock(&service->order_mutex);
        if (service->engine->is_broken)
            refuse(ticket->order, ORDER_FAILED, "%s", service->engine->error.message);
        else
            carry_out(service, ticket->order);
        (void)pthread_mutex_lock(&service->order_mutex); /* behind it new ones may stand by now */
    }
    (void)pthread_mutex_unlock(&service->order_mutex);
}

void service_answer_orders(struct service *service)
{
    (void)pthread_mutex_lock(&service->order_mutex);
    while (service->first_ticket != NULL && service->first_ticket->is_taken) {
        struct ticket *ticket = service->first_ticket;
        service->first_ticket = ticket->next;
        if (service->engine->is_broken && ticket->order->end == ORDER_DONE)
            refuse(ticket->order, ORDER_FAILED, "%s", service->engine->error.message);
        ticket->is_answered = true;
    }
    if (service->first_ticket == NULL)
        service->last_ticket = NULL;
    (void)pthread_cond_broadcast(&service->order_done);
    (void)pthread_mutex_unlock(&service->order_mutex);
}

/* Nobody is left to take them. */
void service_close_orders(struct service *service)
{
    (void)pthread_mutex_lock(&service->order_mutex);
    service->takes_orders = false;
    for (struct ticket *ticket = service->first_ticket; ticket != NULL; ticket = ticket->next)
        ticket->is_taken = ticket->is_answered = true; /* ORDER_UNAVAILABLE, as it was put in */
    service->first_ticket = service->last_ticket = NULL;
    (void)pthread_cond_broadcast(&service->order_done);
    (void)pthread_mutex_unlock(&service->order_mutex);
}
