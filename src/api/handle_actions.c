/* handle_actions.c - what a connector is told to do: run, pause, go on, stop, forget. */
#include "api/api_internal.h"

#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

static void write_plan(struct json_writer *writer, struct service *service, const char *id)
{
    struct connector_board board;

    if (!service_find(service, id, &board))
        return;
    json_write_bool(writer, "paused", board.is_paused);
    json_write_string(writer, "reason", board.is_paused && board.pause_reason[0] != '\0' ? board.pause_reason : NULL);
    json_write_time(writer, "paused_until", board.is_paused && board.paused_until_ms > 0 ? board.paused_until_ms : -1);
    json_write_time(writer, "next_run", board.has_next ? board.next_ms : -1);
}

void handle_trigger(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    struct order order = {
        .kind = ORDER_TRIGGER, .connector = id,
        .request = { .range = api_body_text(request, "range"), .limit = api_body_integer(request, "limit", 0), .dry_run = api_body_flag(request, "dry_run"), .force = api_body_flag(request, "force") },
    };

    if (id == NULL || !api_order(request, answer, &order))
        return;
    if (order.ret_run > 0)
        api_header(answer, "Location", "/api/v1/connectors/%s/runs/%lld", id, (long long)order.ret_run);
    else /* it waits for a free place, or is a dry run: its number comes later */
        api_header(answer, "Location", "/api/v1/connectors/%s/status", id);
    (void)api_begin(answer, 202);
    json_write_string(&answer->writer, "connector", id);
    if (order.ret_run > 0)
        json_write_integer(&answer->writer, "run", order.ret_run);
    else
        json_write_null(&answer->writer, "run");
    json_write_bool(&answer->writer, "waiting", order.ret_run <= 0);
    api_end(answer);
}

static void answer_plan(struct api_request *request, struct api_answer *answer, const char *id)
{
    (void)api_begin(answer, 200);
    json_write_string(&answer->writer, "connector", id);
    write_plan(&answer->writer, request->api->settings.service, id);
    api_end(answer);
}

void handle_pause(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    const char *until = api_body_text(request, "until");
    struct order order = { .kind = ORDER_PAUSE, .connector = id, .reason = api_body_text(request, "reason") };

    if (id == NULL)
        return;
    if (until != NULL && time_text_parse(until, strlen(until), &order.until_ms) && order.until_ms <= request->now_ms) {
        api_add_error(answer, "/until", "is over already");
        api_problem(request, answer, PROBLEM_INVALID, "a pause lasts until a time that is to come");
        return;
    }
    if (order.reason != NULL && strlen(order.reason) >= SCHEDULER_REASON_SIZE) {
        api_add_error(answer, "/reason", "is longer than %d bytes", SCHEDULER_REASON_SIZE - 1);
        api_problem(request, answer, PROBLEM_INVALID, "say it in fewer words");
        return;
    }
    if (api_order(request, answer, &order))
        answer_plan(request, answer, id);
}

void handle_resume(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    struct order order = { .kind = ORDER_RESUME, .connector = id };

    if (id != NULL && api_order(request, answer, &order))
        answer_plan(request, answer, id);
}

/* Idempotent: where nothing is under way, nothing is to be cancelled, and that is what was asked for. */
void handle_cancel(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    struct order order = { .kind = ORDER_CANCEL, .connector = id };
    bool is_idle = id != NULL && board.current.run == 0 && !board.is_waiting;

    if (id == NULL || (!is_idle && !api_order(request, answer, &order)))
        return;
    (void)api_begin(answer, 200);
    json_write_string(&answer->writer, "connector", id);
    json_write_bool(&answer->writer, "cancelled", !is_idle);
    if (order.ret_run > 0)
        json_write_integer(&answer->writer, "run", order.ret_run);
    else
        json_write_null(&answer->writer, "run");
    api_end(answer);
}

void handle_reset(struct api_request *request, struct api_answer *answer)
{
    const char *id = api_connector_id(request, answer);
    const char *memory = api_body_text(request, "memory");
    bool all = api_body_flag(request, "all");
    struct order order = { .kind = ORDER_RESET, .connector = id };

    if (id == NULL)
        return;
    if (all == (memory != NULL)) {
        api_add_error(answer, "/all", "name one memory, or say \"all\": true; not both");
        api_problem(request, answer, PROBLEM_INVALID, "what is to be forgotten? {\"memory\": \"...\"}, or {\"all\": true}");
        return;
    }
    if (memory != NULL)
        order.memory_id = (struct slice){ memory, strlen(memory) };
    if (!api_order(request, answer, &order))
        return;
    (void)api_begin(answer, 200);
    json_write_string(&answer->writer, "connector", id);
    json_write_integer(&answer->writer, "forgotten", order.ret_count);
    api_end(answer);
}
