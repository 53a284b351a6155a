/* state_trace.c - the way back: from a name, a track or a batch to memories, from a memory to all its dead letters. Asked by people, not by the loop. */
#include "state/state_internal.h"

int state_get_first_seen(struct state *state, int64_t seq, int64_t *ret_first_ms, struct error *err)
{
    struct binder binder;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_FIRST_SEEN);
    bind_number(&binder, seq);
    found = state_step(state, &binder, "reading when a memory was first seen", err);
    if (found <= 0)
        return found;
    *ret_first_ms = column_number(binder.statement, 0);
    state_reset(state, GET_FIRST_SEEN);
    return 1;
}

int state_each_name(struct state *state, bool (*each)(void *context, int64_t seq, int64_t stream, struct slice id, struct slice name), void *context,
                    struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_NAME, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading names", err)) > 0)
        if (!each(context, column_number(binder.statement, 0), column_number(binder.statement, 1), column_slice(binder.statement, 2),
                  column_slice(binder.statement, 3)))
            break;
    state_list_end(state, EACH_NAME);
    return more < 0 ? -1 : 0;
}

int state_each_text(struct state *state, bool (*each)(void *context, int64_t seq, int64_t target, struct slice text), void *context, struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_TEXT, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading texts", err)) > 0)
        if (!each(context, column_number(binder.statement, 0), column_number(binder.statement, 1), column_slice(binder.statement, 2)))
            break;
    state_list_end(state, EACH_TEXT);
    return more < 0 ? -1 : 0;
}

int state_each_tracked(struct state *state, const char *track, bool (*each)(void *context, const struct batch_row *row), void *context,
                       struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_TRACKED, &binder, err) < 0)
        return -1;
    bind_string(&binder, track);
    while ((more = state_step(state, &binder, "looking for a track", err)) > 0) {
        struct batch_row row;
        more = state_read_batch(state, binder.statement, &row, err);
        if (more < 0 || !each(context, &row))
            break;
    }
    state_list_end(state, EACH_TRACKED);
    return more < 0 ? -1 : 0;
}

int state_each_flown(struct state *state, int64_t batch, bool (*each)(void *context, const struct memory_row *row), void *context, struct error *err)
{
    struct binder binder;

    if (state_list_begin(state, EACH_FLOWN, &binder, err) < 0)
        return -1;
    bind_number(&binder, batch);
    return state_give_memories(state, EACH_FLOWN, &binder, "reading a batch's memories", each, context, err);
}

int state_each_letter_of(struct state *state, int64_t seq, bool (*each)(void *context, const struct dead_letter *letter), void *context,
                         struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_LETTER_OF, &binder, err) < 0)
        return -1;
    bind_number(&binder, seq);
    while ((more = state_step(state, &binder, "reading a memory's dead letters", err)) > 0) {
        struct dead_letter letter;
        more = state_read_letter(state, binder.statement, &letter, err);
        if (more < 0 || !each(context, &letter))
            break;
    }
    state_list_end(state, EACH_LETTER_OF);
    return more < 0 ? -1 : 0;
}
