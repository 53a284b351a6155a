#include "state/state_json.h"

static bool is_memory_state(enum memory_state memory_state)
{
    return memory_state > MEMORY_NONE && memory_state < MEMORY_STATES;
}

/* ---- One memory ---- */

static int check_memory(struct state *state, const struct memory_row *row, struct error *err)
{
    if (!is_memory_state(row->state) || (unsigned)row->wanted > WANTED_GONE || row->text_size < 0)
        return state_contradict(state, err, "memory %lld: state %d, wanted %d, text of %lld bytes", (long long)row->seq, (int)row->state,
                                (int)row->wanted, (long long)row->text_size);
    return 0;
}

static int put_text(struct state *state, int64_t seq, const struct slice *text, struct error *err)
{
    struct binder binder = state_bind(state, PUT_TEXT);

    bind_number(&binder, seq);
    bind_text(&binder, text->data, text->size);
    return state_run(state, &binder, "keeping a text", NULL, err);
}

static int drop_text(struct state *state, int64_t seq, struct error *err)
{
    struct binder binder = state_bind(state, DROP_TEXT);

    bind_number(&binder, seq);
    return state_run(state, &binder, "giving up a text", NULL, err);
}

static int insert_memory(struct state *state, const struct memory_row *row, int64_t key, struct error *err)
{
    struct binder binder = state_bind(state, ADD_MEMORY);

    bind_number(&binder, row->seq);
    bind_number(&binder, row->stream);
    bind_number(&binder, row->target);
    bind_number(&binder, row->state);
    bind_number(&binder, row->wanted);
    bind_number(&binder, row->batch);
    bind_number(&binder, row->not_before_ms);
    bind_number(&binder, row->settle_until_ms);
    bind_number(&binder, row->attempts);
    bind_number(&binder, row->text_size);
    bind_number(&binder, row->arrived_ms);
    bind_bytes(&binder, row->revision, sizeof row->revision);
    bind_bytes(&binder, row->id.data, row->id.size);
    bind_bytes(&binder, row->name.data, row->name.size);
    bind_number(&binder, key);
    return state_run(state, &binder, "adding a memory", NULL, err);
}

static int add_memory(struct state *state, const struct memory_row *row, const struct slice *text, struct error *err)
{
    int64_t key;
    int known;

    if (check_memory(state, row, err) < 0)
        return -1;
    if (row->text_size != (text != NULL ? (int64_t)text->size : 0))
        return state_contradict(state, err, "memory %lld comes with a text of another size than it says", (long long)row->seq);
    known = state_has_memory(state, row->stream, row->id, &key, err);
    if (known < 0)
        return -1;
    if (known > 0)
        return state_contradict(state, err, "memory %lld is added to stream %lld, which has one of that id", (long long)row->seq, (long long)row->stream);
    if (insert_memory(state, row, key, err) < 0)
        return -1;
    if (row->text_size > 0 && put_text(state, row->seq, text, err) < 0)
        return -1;
    state_count(state, row->stream, (int)row->state, 1);
    return 0;
}

/* Says what stands there instead. Breaks the state; always -1. */
static int tell_mismatch(struct state *state, int64_t seq, int64_t stream, enum memory_state from, struct error *err)
{
    struct memory_row there;
    int found = state_get_memory(state, seq, &there, err);

    if (found < 0)
        return -1;
    if (found == 0)
        return state_contradict(state, err, "memory %lld is not in it", (long long)seq);
    if (there.stream != stream)
        return state_contradict(state, err, "memory %lld belongs to stream %lld, not to %lld", (long long)seq, (long long)there.stream, (long long)stream);
    if (there.state != from)
        return state_contradict(state, err, "memory %lld is %s, not %s", (long long)seq, memory_state_name(there.state), memory_state_name(from));
    return state_contradict(state, err, "memory %lld keeps a text of another size than the change says", (long long)seq);
}

static int update_memory(struct state *state, const struct memory_row *row, enum memory_state from, bool has_text, struct error *err)
{
    struct binder binder = state_bind(state, SET_MEMORY);
    int64_t changed;

    bind_number(&binder, row->seq);
    bind_number(&binder, row->stream);
    bind_number(&binder, from);
    bind_number(&binder, row->state);
    bind_number(&binder, row->wanted);
    bind_number(&binder, row->batch);
    bind_number(&binder, row->not_before_ms);
    bind_number(&binder, row->settle_until_ms);
    bind_number(&binder, row->attempts);
    bind_number(&binder, row->text_size);
    bind_number(&binder, row->arrived_ms);
    bind_bytes(&binder, row->revision, sizeof row->revision);
    bind_number(&binder, has_text || row->text_size == 0);
    if (state_run(state, &binder, "changing a memory", &changed, err) < 0)
        return -1;
    return changed == 1 ? 0 : tell_mismatch(state, row->seq, row->stream, from, err);
}

static int set_memory(struct state *state, const struct memory_row *row, enum memory_state from, const struct slice *text, struct error *err)
{
    if (check_memory(state, row, err) < 0)
        return -1;
    if (text != NULL && row->text_size != (int64_t)text->size)
        return state_contradict(state, err, "memory %lld comes with a text of another size than it says", (long long)row->seq);
    if (update_memory(state, row, from, text != NULL, err) < 0)
        return -1;
    /* text_size 0 says that none is kept: what nobody can reach any more does not stay on the disk either. */
    if (row->text_size == 0 ? drop_text(state, row->seq, err) < 0 : text != NULL && put_text(state, row->seq, text, err) < 0)
        return -1;
    state_count(state, row->stream, (int)from, -1);
    state_count(state, row->stream, (int)row->state, 1);
    return 0;
}

/* ---- Many memories ---- */

/* Members mostly arrived one after the other: such a run is one range of rows. */
static size_t find_run(const struct member_ref *members, size_t count)
{
    size_t length = 1;

    while (length < count && members[length].stream == members[0].stream && members[length].seq == members[length - 1].seq + 1)
        length++;
    return length;
}

/* Rows that the statement did move read "to" by now, so one that was there before it cannot be told from them. */
static int tell_odd_one(struct state *state, const struct change *change, const struct member_ref *run, size_t length, struct error *err)
{
    for (size_t i = 0; i < length; i++) {
        struct memory_row there;
        int found = state_get_memory(state, run[i].seq, &there, err);
        if (found < 0)
            return -1;
        if (found == 0 || there.stream != run[i].stream || (there.state != change->members_from && there.state != change->members_to))
            return tell_mismatch(state, run[i].seq, run[i].stream, change->members_from, err);
    }
    return state_contradict(state, err, "one of memories %lld to %lld is %s already, not %s", (long long)run[0].seq, (long long)run[length - 1].seq,
                            memory_state_name(change->members_to), memory_state_name(change->members_from));
}

static int move_run(struct state *state, const struct change *change, const struct member_ref *run, size_t length, struct error *err)
{
    struct binder binder = state_bind(state, change->members_batch != 0 ? MOVE_MEMBERS_TO_BATCH : MOVE_MEMBERS);
    int64_t changed;

    bind_number(&binder, change->members_to);
    bind_number(&binder, run[0].seq);
    bind_number(&binder, run[length - 1].seq);
    bind_number(&binder, change->members_from);
    bind_number(&binder, run[0].stream);
    if (change->members_batch != 0)
        bind_number(&binder, change->members_batch);
    if (state_run(state, &binder, "moving memories", &changed, err) < 0)
        return -1;
    if (changed != (int64_t)length)
        return tell_odd_one(state, change, run, length, err);
    state_count(state, run[0].stream, (int)change->members_from, -changed);
    state_count(state, run[0].stream, (int)change->members_to, changed);
    return 0;
}

static int move_members(struct state *state, const struct change *change, struct error *err)
{
    if (!is_memory_state(change->members_from) || !is_memory_state(change->members_to))
        return state_contradict(state, err, "members go from state %d to %d", (int)change->members_from, (int)change->members_to);
    for (size_t at = 0; at < change->member_count;) {
        size_t length = find_run(change->members + at, change->member_count - at);
        if (move_run(state, change, change->members + at, length, err) < 0)
            return -1;
        at += length;
    }
    return 0;
}

/* ---- Any change ---- */

static int apply(struct state *state, const struct change *change, struct error *err)
{
    switch (change->kind) {
    case CHANGE_TARGET:
        return state_put_target(state, change->target, err);
    case CHANGE_STREAM:
        return state_put_stream(state, change->stream, err);
    case CHANGE_MEMORY_ADD:
        return add_memory(state, change->memory, change->text, err);
    case CHANGE_MEMORY_SET:
        return set_memory(state, change->memory, change->from, change->text, err);
    case CHANGE_MEMBERS:
        return move_members(state, change, err);
    case CHANGE_BATCH:
        return state_put_batch(state, change->batch, err);
    case CHANGE_DEAD_LETTER:
        return state_put_letter(state, change->letter, err);
    case CHANGE_RUN:
        return state_put_run(state, change->run, err);
    case CHANGE_NEWER:
        return state_put_newer(state, change, err);
    case CHANGE_MARK:
        return state_put_mark(state, change, err);
    case CHANGE_CONNECTOR:
        return state_put_connector(state, change->connector, err);
    case CHANGE_JOB:
        return state_put_job(state, change->job, err);
    case CHANGE_ALERT:
        return state_put_alert(state, change->alert, err);
    case CHANGE_ABSENCE:
        return state_put_absence(state, change, err);
    }
    return state_contradict(state, err, "a change of kind %d", (int)change->kind);
}

int state_begin(struct state *state, struct error *err)
{
    if (state_check(state, err) < 0)
        return -1;
    if (state->is_reader)
        return error_set(err, ERROR_FAILED, "state %s: opened for reading only", state->path);
    if (state->lists > 0)
        return state_contradict(state, err, "it is changed while a list of it is read");
    if (state->is_open)
        return 0;
    state_rest(state); /* a view cannot become a transaction that writes when a stranger has written since */
    if (state_run_simple(state, BEGIN_WRITE, "beginning to write", err) < 0)
        return -1;
    state->is_open = true;
    return 0;
}

int state_apply(struct state *state, const struct change *change, struct error *err)
{
    return state_begin(state, err) < 0 ? -1 : apply(state, change, err);
}

int state_commit(struct state *state, struct error *err)
{
    if (state_check(state, err) < 0)
        return -1;
    if (!state->is_open) {
        state_rest(state);
        return 0;
    }
    if (state_count_write(state, err) < 0 || (state->json != NULL && state_json_write(state, err) < 0) ||
        state_run_simple(state, COMMIT_WRITE, "making changes durable", err) < 0)
        return -1;
    state->is_open = false;
    if (state->json != NULL)
        state_json_tidy(state);
    return 0;
}

void state_rest(struct state *state)
{
    struct error ignored = { 0 };

    if (state == NULL || !state->is_viewing)
        return;
    state->is_viewing = false;
    (void)state_run_simple(state, ROLL_BACK, "letting its view go", &ignored);
}

bool state_has_uncommitted(const struct state *state)
{
    return state->is_open;
}
