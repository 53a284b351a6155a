/* state_count.c - how many memories and open dead letters there are: kept as sums per stream, changed in the same transaction as the
 * rows, so that a question costs a few rows and never a scan. Within a transaction the differences are gathered in memory. */
#include "state/state_internal.h"

#include "base/mem.h"

#include <string.h>

static struct count_delta *find_delta(struct state *state, int64_t stream)
{
    if (state->delta_last < state->delta_count && state->deltas[state->delta_last].stream == stream)
        return &state->deltas[state->delta_last];
    for (size_t i = 0; i < state->delta_count; i++) {
        if (state->deltas[i].stream == stream) {
            state->delta_last = i;
            return &state->deltas[i];
        }
    }
    state->deltas = mem_grow(state->deltas, state->delta_count, &state->delta_capacity, sizeof *state->deltas);
    state->delta_last = state->delta_count++;
    state->deltas[state->delta_last] = (struct count_delta){ .stream = stream };
    return &state->deltas[state->delta_last];
}

void state_count(struct state *state, int64_t stream, int kind, int64_t by)
{
    find_delta(state, stream)->by[kind] += by;
}

void state_count_forget(struct state *state)
{
    state->delta_count = 0;
}

int state_count_write(struct state *state, struct error *err)
{
    for (size_t i = 0; i < state->delta_count; i++) {
        for (int kind = 0; kind < COUNT_KINDS; kind++) {
            struct binder binder;
            if (state->deltas[i].by[kind] == 0)
                continue;
            binder = state_bind(state, ADD_COUNT);
            bind_number(&binder, state->deltas[i].stream);
            bind_number(&binder, kind);
            bind_number(&binder, state->deltas[i].by[kind]);
            if (state_run(state, &binder, "counting", NULL, err) < 0)
                return -1;
        }
    }
    state_count_forget(state);
    return 0;
}

static void add_row(struct state_counts *counts, int64_t kind, int64_t value)
{
    if (kind > 0 && kind < MEMORY_STATES)
        counts->memories[kind] += value;
    else if (kind > COUNT_LETTERS && kind < COUNT_KINDS)
        counts->letters[kind - COUNT_LETTERS] += value;
}

static int sum_rows(struct state *state, const struct binder *binder, struct state_counts *ret_counts, struct error *err)
{
    struct state_counts counts = { 0 };
    int more;

    while ((more = state_step(state, binder, "counting", err)) > 0)
        add_row(&counts, column_number(binder->statement, 0), column_number(binder->statement, 1));
    if (more == 0)
        *ret_counts = counts;
    return more;
}

static int begin_count(struct state *state, enum statement statement, struct binder *ret_binder, struct error *err)
{
    if (state_check(state, err) < 0 || state_count_write(state, err) < 0)
        return -1;
    *ret_binder = state_bind(state, statement);
    return 0;
}

int state_count_stream(struct state *state, int64_t stream, struct state_counts *ret_counts, struct error *err)
{
    struct binder binder;

    if (begin_count(state, COUNT_STREAM, &binder, err) < 0)
        return -1;
    bind_number(&binder, stream);
    return sum_rows(state, &binder, ret_counts, err);
}

int state_count_target(struct state *state, int64_t target, struct state_counts *ret_counts, struct error *err)
{
    struct binder binder;

    if (begin_count(state, COUNT_TARGET, &binder, err) < 0)
        return -1;
    bind_number(&binder, target);
    return sum_rows(state, &binder, ret_counts, err);
}

int state_count_connector(struct state *state, const char *connector, struct state_counts *ret_counts, struct error *err)
{
    struct binder binder;

    if (begin_count(state, COUNT_CONNECTOR, &binder, err) < 0)
        return -1;
    bind_string(&binder, connector);
    return sum_rows(state, &binder, ret_counts, err);
}

int state_count_flying(struct state *state, const char *connector, int64_t ret_counts[BATCH_STATES], struct error *err)
{
    int64_t counts[BATCH_STATES] = { 0 };
    struct binder binder;
    int more;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, COUNT_FLYING);
    if (connector != NULL)
        bind_string(&binder, connector);
    else
        bind_null(&binder);
    while ((more = state_step(state, &binder, "counting", err)) > 0) {
        int64_t batch_state = column_number(binder.statement, 0);
        if (batch_state > 0 && batch_state < BATCH_STATES)
            counts[batch_state] = column_number(binder.statement, 1);
    }
    if (more == 0)
        memcpy(ret_counts, counts, sizeof counts);
    return more;
}
