/* state_read_service.c - what the service keeps: connectors made by API, and where each schedule stands. */
#include "state/state_internal.h"

int state_each_connector(struct state *state, bool (*each)(void *context, const struct connector_row *row), void *context, struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_CONNECTOR, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading connectors", err)) > 0) {
        struct connector_row row = {
            .id = column_string(binder.statement, 0), .version = column_number(binder.statement, 1),
            .definition = column_string(binder.statement, 2), .changed_ms = column_number(binder.statement, 3),
        };
        if (!each(context, &row))
            break;
    }
    state_list_end(state, EACH_CONNECTOR);
    return more < 0 ? -1 : 0;
}

int state_each_alert(struct state *state, bool (*each)(void *context, const struct alert_row *row), void *context, struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_ALERT, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading alerts", err)) > 0) {
        struct alert_row row = {
            .connector = column_string(binder.statement, 0), .cause = (int)column_number(binder.statement, 1), .is_raised = column_number(binder.statement, 2) != 0,
            .value = column_number(binder.statement, 3), .since_ms = column_number(binder.statement, 4), .told_ms = column_number(binder.statement, 5),
            .is_pending = column_number(binder.statement, 6) != 0, .name = column_string(binder.statement, 7), .body = column_string(binder.statement, 8),
        };
        if (!each(context, &row))
            break;
    }
    state_list_end(state, EACH_ALERT);
    return more < 0 ? -1 : 0;
}

int state_get_job(struct state *state, const char *connector, struct job_row *ret_row, struct error *err)
{
    struct binder binder;
    struct job_row row = { .connector = connector };
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_JOB);
    bind_string(&binder, connector);
    found = state_step(state, &binder, "reading a plan", err);
    if (found <= 0)
        return found;
    row.settled_ms = column_number(binder.statement, 0);
    row.waiting = (int)column_number(binder.statement, 1);
    row.waiting_ms = column_number(binder.statement, 2);
    row.is_paused = column_number(binder.statement, 3) != 0;
    row.paused_until_ms = column_number(binder.statement, 4);
    row.reason = column_string(binder.statement, 5);
    state_keep(state, KEEP_JOB, &(struct borrowed){ .strings = { &row.reason }, .string_count = 1 });
    state_reset(state, GET_JOB);
    *ret_row = row;
    return 1;
}

int state_last_success(struct state *state, const char *connector, int64_t *ret_finished_ms, struct error *err)
{
    struct binder binder;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, LAST_SUCCESS);
    bind_string(&binder, connector);
    found = state_step(state, &binder, "reading the last good run", err);
    if (found < 0)
        return -1;
    *ret_finished_ms = found > 0 ? column_number(binder.statement, 0) : 0;
    if (found > 0)
        state_reset(state, LAST_SUCCESS);
    return 0;
}
