/* service_alerts.c - looks how each connector stands, keeps what is to be told in the state, and delivers it: one message at a time, by the engine's own
 * network, only once it is durable. No run waits for any of this, and nothing here makes a run fail. */
#include "engine/service_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/alerts.h"

#include <stdio.h>
#include <string.h>

enum {
    LOOK_MS = 60000,               /* between two rounds through all connectors; who ended a run is looked at at once */
    LOOK_AT_ONCE = 50,             /* connectors in one turn of the loop: each costs a few look-ups in the state */
    TIMEOUT_MS = 30000,
    ANSWER_MAXIMUM = 64 << 10,     /* what the receiver says is not used */
    NAME_SIZE = 32,
    FAILURES_MOST = 1000,          /* looked back so far at the start */
};

/* One trouble of one connector: what was told, and the message that is still to be delivered. */
struct alert_slot {
    struct alert_standing standing;
    bool is_pending;
    char name[NAME_SIZE];
    char *body;
    int tries;
    int64_t next_mono;
};

struct place_alerts {
    struct alert_slot slots[ALERT_CAUSES];
};

struct service_alerts {
    const struct alert_settings *settings;
    size_t cursor;                 /* the next place to look at */
    int64_t look_mono;             /* not before, for whom nothing ended */
    /* The request under way: copies, because the slot may change meanwhile. */
    http_id request;               /* 0: none */
    char connector[65], name[NAME_SIZE];
    int cause;
    char *body;
};

/* ---- Keeping ---- */

static void keep_slot(struct place *place, int cause)
{
    const struct alert_slot *slot = &place->alerts->slots[cause];
    const struct alert_row row = {
        .connector = place->connector.engine.id, .cause = cause, .is_raised = slot->standing.is_raised, .value = slot->standing.value,
        .since_ms = slot->standing.since_ms, .told_ms = slot->standing.told_ms, .is_pending = slot->is_pending, .name = slot->name,
        .body = slot->is_pending ? slot->body : "",
    };

    engine_apply(place->service->engine, &(struct change){ .kind = CHANGE_ALERT, .alert = &row });
    place->service->engine->must_commit = true;
}

static struct place_alerts *alerts_of(struct place *place)
{
    if (place->alerts == NULL)
        place->alerts = mem_alloc(sizeof *place->alerts);
    return place->alerts;
}

static bool take_row(void *context, const struct alert_row *row)
{
    struct place *place = service_find_place(context, row->connector);
    struct alert_slot *slot;

    if (place == NULL || row->cause <= 0 || row->cause >= ALERT_CAUSES) /* of a connector that is not there now: it may come back */
        return true;
    slot = &alerts_of(place)->slots[row->cause];
    slot->standing = (struct alert_standing){ .is_raised = row->is_raised, .value = row->value, .since_ms = row->since_ms, .told_ms = row->told_ms };
    slot->is_pending = row->is_pending;
    (void)snprintf(slot->name, sizeof slot->name, "%s", row->name);
    mem_free(slot->body);
    slot->body = mem_copy_string(row->body);
    return true;
}

static bool count_failure(void *context, const struct run_row *row)
{
    int64_t *failures = context;

    if (row->result == RUN_SUCCESS || row->result == RUN_PARTIAL)
        return false;
    *failures += row->result == RUN_FAILED || row->result == RUN_INTERRUPTED;
    return true;
}

int service_alerts_open(struct service *service, struct error *err)
{
    if (service->settings.alerts == NULL)
        return 0;
    service->alerts = mem_alloc(sizeof *service->alerts);
    service->alerts->settings = service->settings.alerts;
    for (size_t i = 0; i < service->place_count; i++) {
        struct place *place = service->places[i];
        int64_t failures = 0;
        if (state_each_run(service->state, place->connector.engine.id, FAILURES_MOST, count_failure, &failures, err) < 0)
            return -1;
        board_failures(place, failures);
    }
    return state_each_alert(service->state, take_row, service, err);
}

void service_alerts_forget(struct place *place)
{
    const struct alert_row gone = { .connector = place->connector.engine.id, .is_gone = true };

    if (place->alerts == NULL)
        return;
    engine_apply(place->service->engine, &(struct change){ .kind = CHANGE_ALERT, .alert = &gone });
    service_alerts_free_place(place);
}

void service_alerts_free_place(struct place *place)
{
    for (int cause = 1; place->alerts != NULL && cause < ALERT_CAUSES; cause++)
        mem_free(place->alerts->slots[cause].body);
    mem_free(place->alerts);
    place->alerts = NULL;
}

/* ---- Looking ---- */

struct told {
    const struct alert_slot *slot;
    int cause;
    bool is_recovered;
    char words[400];
};

static void write_told(struct json_writer *writer, const void *context)
{
    const struct told *told = context;

    json_write_string(writer, "id", told->slot->name);
    json_write_string(writer, "alert", told->is_recovered ? "recovered" : "raised");
    json_write_string(writer, "cause", alert_cause_name((enum alert_cause)told->cause));
    json_write_time(writer, "since", told->slot->standing.since_ms);
    json_write_string(writer, "message", told->words);
}

static void tell(struct place *place, int cause, enum alert_verdict verdict)
{
    struct service *service = place->service;
    struct alert_slot *slot = &place->alerts->slots[cause];
    struct told told = { .slot = slot, .cause = cause, .is_recovered = verdict == ALERT_RECOVERED };
    struct text body;

    /* What was not delivered until now gives way to what is so now. */
    (void)snprintf(slot->name, sizeof slot->name, "alert_%016llx", (unsigned long long)service->world->random(service->world->self));
    text_init(&body, 0);
    alert_write(&body, slot->name, place->connector.engine.id, (enum alert_cause)cause, verdict, service->alerts->settings, &slot->standing);
    mem_free(slot->body);
    slot->body = text_take(&body);
    slot->is_pending = true;
    slot->tries = 0;
    slot->next_mono = 0;
    alert_describe(told.words, sizeof told.words, place->connector.engine.id, (enum alert_cause)cause, verdict, service->alerts->settings, &slot->standing);
    log_warn("alerts", place->connector.engine.id, "%s", told.words);
    service_event(service, BUS_ALERT, place->connector.engine.id, write_told, &told);
}

static int gather_facts(struct place *place, struct alert_facts *facts, struct error *err)
{
    struct service *service = place->service;
    const char *id = place->connector.engine.id;
    struct state_counts counts;

    if (state_count_connector(service->state, id, &counts, err) < 0 || state_oldest_unsettled(service->state, id, &facts->oldest_ms, err) < 0)
        return -1;
    for (int i = 1; i < DEAD_CLASSES; i++)
        facts->dead_letters += counts.letters[i];
    facts->now_ms = service->engine->now.wall_ms;
    facts->started_ms = service->board.started_ms; /* written once, before any thread read it */
    facts->failures = place->board.failures_in_row; /* written by this thread only */
    facts->last_success_ms = place->board.last_success_ms;
    facts->should_run = place->connector.enabled && !place->board.is_paused && !service->settings.without_scheduler &&
                        place->connector.schedule.kind != SCHEDULE_MANUAL;
    return 0;
}

static void look_at(struct place *place)
{
    struct service *service = place->service;
    struct alert_facts facts = { 0 };
    struct error err = { 0 };

    place->has_news = false;
    if (gather_facts(place, &facts, &err) < 0) {
        log_warn("alerts", place->connector.engine.id, "not looked at: %s", err.message);
        return;
    }
    for (int cause = 1; cause < ALERT_CAUSES; cause++) {
        struct alert_standing standing = place->alerts != NULL ? place->alerts->slots[cause].standing : (struct alert_standing){ 0 };
        enum alert_verdict verdict = alert_judge((enum alert_cause)cause, service->alerts->settings, &facts, &standing);
        if (verdict == ALERT_SILENCE)
            continue;
        alerts_of(place)->slots[cause].standing = standing;
        if (verdict != ALERT_NOTE)
            tell(place, cause, verdict);
        keep_slot(place, cause);
    }
}

void service_alerts_look(struct service *service)
{
    struct service_alerts *alerts = service->alerts;
    bool is_round_due;

    if (alerts == NULL)
        return;
    for (size_t i = 0; i < service->place_count; i++)
        if (service->places[i]->is_used && service->places[i]->has_news)
            look_at(service->places[i]);
    is_round_due = service->engine->now.mono_ms >= alerts->look_mono;
    for (int i = 0; is_round_due && i < LOOK_AT_ONCE && alerts->cursor < service->place_count; i++) {
        struct place *place = service->places[alerts->cursor++];
        if (place->is_used)
            look_at(place);
    }
    if (alerts->cursor < service->place_count)
        return;
    alerts->cursor = 0;
    if (is_round_due)
        alerts->look_mono = service->engine->now.mono_ms + LOOK_MS;
}

/* ---- Delivering ---- */

static void finish(struct place *place, int cause)
{
    struct alert_slot *slot = &place->alerts->slots[cause];

    slot->is_pending = false;
    mem_free(slot->body);
    slot->body = NULL;
    keep_slot(place, cause);
}

static void judge_answer(struct place *place, int cause, const struct http_answer *answer)
{
    struct service *service = place->service;
    struct alert_slot *slot = &place->alerts->slots[cause];
    const char *id = place->connector.engine.id;
    int64_t wait_ms;

    if (answer->status >= 200 && answer->status < 300) {
        log_info("alerts", id, "%s was delivered", slot->name);
        finish(place, cause);
        return;
    }
    slot->tries++;
    wait_ms = alert_retry_ms(slot->tries, slot->standing.told_ms, service->engine->now.wall_ms);
    if (wait_ms < 0 || answer->status == 410) { /* 410: the receiver wants no more of it, says Standard Webhooks */
        log_error("alerts", id, "%s could not be delivered (HTTP %d, %s): given up; look at monitoring.alerts.webhook_url", slot->name, answer->status, answer->words);
        finish(place, cause);
        return;
    }
    slot->next_mono = service->engine->now.mono_ms + wait_ms + world_jitter_ms(service->world, wait_ms / 10);
    log_warn("alerts", id, "%s was not delivered (HTTP %d, %s): again in %lld s", slot->name, answer->status, answer->words, (long long)(wait_ms / 1000));
}

static void on_done(void *owner, http_id request, const struct http_answer *answer)
{
    struct service *service = owner;
    struct service_alerts *alerts = service->alerts;
    struct place *place = service_find_place(service, alerts->connector);

    (void)request;
    alerts->request = 0;
    mem_free(alerts->body);
    alerts->body = NULL;
    if (place != NULL && place->alerts != NULL && place->alerts->slots[alerts->cause].is_pending &&
        strcmp(place->alerts->slots[alerts->cause].name, alerts->name) == 0) /* else something newer is to be told */
        judge_answer(place, alerts->cause, answer);
}

static void post(struct service *service, struct place *place, int cause)
{
    struct service_alerts *alerts = service->alerts;
    const struct alert_slot *slot = &place->alerts->slots[cause];
    int64_t now_s = service->engine->now.wall_ms / 1000;
    AUTO_STRING char *name = mem_format("webhook-id: %s", slot->name);
    AUTO_STRING char *timestamp = mem_format("webhook-timestamp: %lld", (long long)now_s);
    AUTO_DONE(text) struct text signature = { 0 };
    const char *const headers[] = { "Content-Type: application/json", name, timestamp, NULL, NULL };
    const char *all[ARRAY_LENGTH(headers)];
    struct http_request request = {
        .method = "POST", .url = alerts->settings->url, .headers = all, .timeout_ms = TIMEOUT_MS, .answer_maximum = ANSWER_MAXIMUM,
        .trust = alerts->settings->trust, .owner = service, .on_done = on_done,
    };
    struct http_answer refused = { .end = HTTP_NOT_SENT };
    struct error err = { 0 };

    memcpy(all, headers, sizeof all);
    text_init(&signature, 0);
    (void)text_append(&signature, "webhook-signature: ");
    alerts->body = mem_copy_string(slot->body);
    alert_sign(alerts->settings->secret, slot->name, now_s, alerts->body, strlen(alerts->body), &signature);
    all[3] = signature.data;
    request.body = alerts->body;
    request.body_size = strlen(alerts->body);
    alerts->cause = cause;
    (void)snprintf(alerts->connector, sizeof alerts->connector, "%s", place->connector.engine.id);
    (void)snprintf(alerts->name, sizeof alerts->name, "%s", slot->name);
    if (http_start(service->world->http, &request, &alerts->request, &err) == 0)
        return;
    refused.words = err.message;
    alerts->request = 0;
    mem_free(alerts->body);
    alerts->body = NULL;
    judge_answer(place, cause, &refused);
}

/* The message that is due next; *ret_mono: when, INT64_MAX: none waits. */
static struct place *find_due(struct service *service, int *ret_cause, int64_t *ret_mono)
{
    struct place *found = NULL;

    *ret_mono = INT64_MAX;
    for (size_t i = 0; i < service->place_count; i++) {
        struct place *place = service->places[i];
        for (int cause = 1; place->is_used && place->alerts != NULL && cause < ALERT_CAUSES; cause++) {
            const struct alert_slot *slot = &place->alerts->slots[cause];
            if (!slot->is_pending || slot->next_mono >= *ret_mono)
                continue;
            *ret_mono = slot->next_mono;
            *ret_cause = cause;
            found = place;
        }
    }
    return found;
}

void service_alerts_deliver(struct service *service)
{
    int64_t due = INT64_MAX;
    int cause = 0;
    struct place *place;

    if (service->alerts == NULL || service->alerts->request != 0 || state_has_uncommitted(service->state) || service->engine->is_broken)
        return;
    place = find_due(service, &cause, &due);
    if (place != NULL && due <= service->engine->now.mono_ms)
        post(service, place, cause);
}

int64_t service_alerts_next_mono(struct service *service)
{
    int64_t due = INT64_MAX;
    int cause;

    if (service->alerts == NULL)
        return INT64_MAX;
    if (service->alerts->request == 0 && !state_has_uncommitted(service->state))
        (void)find_due(service, &cause, &due);
    return due < service->alerts->look_mono ? due : service->alerts->look_mono;
}

void service_alerts_close(struct service *service)
{
    if (service->alerts == NULL)
        return;
    if (service->alerts->request != 0)
        http_cancel(service->world->http, service->alerts->request); /* the next start tries again, with the same id */
    mem_free(service->alerts->body);
    mem_free(service->alerts);
    service->alerts = NULL;
}
