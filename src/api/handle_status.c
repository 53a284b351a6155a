/* handle_status.c - how a connector stands, and its runs. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "engine/findings.h"
#include "engine/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool find_target(struct service *service, const char *name, struct target_board *ret_board)
{
    for (size_t i = 0; service_target(service, i, ret_board); i++)
        if (strcmp(ret_board->name, name) == 0)
            return true;
    return false;
}

void handle_status(struct api_request *request, struct api_answer *answer)
{
    AUTO_DONE(standing) struct standing standing = { 0 };
    struct connector_board board;
    struct target_board target;
    struct state *state;
    struct error err = { 0 };
    struct status_facts facts = { .board = &board, .now_ms = request->now_ms };

    facts.connector = api_find_connector(request, answer, &board);
    if (facts.connector == NULL || (state = api_state(request, answer)) == NULL)
        return;
    facts.enabled = board.enabled;
    facts.target = find_target(request->api->settings.service, board.target, &target) ? &target : NULL;
    if (standing_read(state, facts.connector, &standing, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    status_write(api_begin(answer, 200), &facts, &standing);
    api_end(answer);
}

/* ---- Runs ---- */

enum { LOOKED_AT_MAXIMUM = 5000 }; /* runs in one request: then the page ends, with a cursor */

struct history {
    struct api_answer *answer;
    const char *result;            /* NULL: any */
    size_t count, limit, looked_at;
    int64_t last;
    bool is_more;
};

static bool show_run(void *context, const struct run_row *row)
{
    struct history *history = context;

    history->is_more = history->count == history->limit || history->looked_at == LOOKED_AT_MAXIMUM;
    if (history->is_more)
        return false;
    history->looked_at++;
    history->last = row->run;
    if (history->result != NULL && strcmp(history->result, run_result_name(row->result)) != 0)
        return true;
    json_write_open_object(&history->answer->writer, NULL);
    report_write(&history->answer->writer, row);
    json_write_close(&history->answer->writer);
    history->count++;
    return true;
}

static void list_runs(struct api_request *request, struct api_answer *answer, const char *connector)
{
    struct history history = { .answer = answer, .limit = api_limit(request), .result = api_parameter(request, "result") };
    struct state *state = api_state(request, answer);
    int64_t before = request->cursor != NULL ? strtoll(request->cursor, NULL, 10) : INT64_MAX;
    struct error err = { 0 };
    char key[24];

    if (state == NULL)
        return;
    (void)api_begin(answer, 200);
    json_write_open_array(&answer->writer, "runs");
    if (state_each_run_before(state, connector, before, 0, show_run, &history, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    json_write_close(&answer->writer);
    (void)snprintf(key, sizeof key, "%lld", (long long)history.last);
    api_next_cursor(request, answer, history.is_more ? key : NULL, strlen(key));
    api_end(answer);
}

void handle_runs(struct api_request *request, struct api_answer *answer)
{
    list_runs(request, answer, NULL);
}

void handle_history(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);

    if (id != NULL)
        list_runs(request, answer, id);
}

static int64_t parse_run(struct slice words)
{
    char *end;
    int64_t run;

    if (words.size == 0 || words.size > 18 || words.data[0] < '0' || words.data[0] > '9')
        return 0;
    run = strtoll(words.data, &end, 10);
    return end == words.data + words.size ? run : 0;
}

void handle_run(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    int64_t run = parse_run(api_part(request, "run"));
    AUTO_DONE(findings) struct findings findings = { 0 };
    AUTO_DONE(kept_run) struct kept_run kept = { 0 };
    struct json_writer *writer;
    struct state *state;
    struct run_row row;
    struct error err = { 0 };
    int found = 0;

    if (id == NULL || (state = api_state(request, answer)) == NULL)
        return;
    if (run > 0)
        found = state_get_run(state, run, &row, &err);
    if (found < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    if (found == 0 || strcmp(row.connector, id) != 0) {
        api_problem(request, answer, PROBLEM_UNKNOWN_RUN, "connector %s has no such run; GET /api/v1/connectors/%s/history lists them", id, id);
        return;
    }
    kept_run_set(&kept, &row); /* its texts are the state's until it is asked for more */
    if (findings_read(state, &kept.row, &findings, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    if (board.current.run == run) /* its counts are written down from time to time only */
        kept.row.counts = board.current.counts;
    writer = api_begin(answer, 200);
    report_write(writer, &kept.row);
    findings_write(writer, &findings);
    api_end(answer);
}
