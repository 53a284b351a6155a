#include "state/state_internal.h"

#include <limits.h>
#include <string.h>

/* ---- Rows ---- */

static bool is_between(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

/* In the order of MEMORY_COLUMNS. Ids and names are borrowed from the statement. */
static int read_memory(struct state *state, sqlite3_stmt *statement, struct memory_row *ret_row, struct error *err)
{
    int64_t memory_state = column_number(statement, 3);
    int64_t wanted = column_number(statement, 4);
    int64_t attempts = column_number(statement, 8);
    int64_t text_size = column_number(statement, 9);
    struct slice revision = column_slice(statement, 11);

    ret_row->seq = column_number(statement, 0);
    if (!is_between(memory_state, MEMORY_NONE + 1, MEMORY_STATES - 1) || !is_between(wanted, WANTED_NOTHING, WANTED_GONE) ||
        !is_between(attempts, 0, INT_MAX) || !is_between(text_size, 0, INT_MAX) || revision.size != SHA256_SIZE)
        return state_damaged(state, err, "memory %lld holds values that no release has written", (long long)ret_row->seq);
    ret_row->stream = column_number(statement, 1);
    ret_row->target = column_number(statement, 2);
    ret_row->state = (enum memory_state)memory_state;
    ret_row->wanted = (enum memory_wanted)wanted;
    ret_row->batch = column_number(statement, 5);
    ret_row->not_before_ms = column_number(statement, 6);
    ret_row->settle_until_ms = column_number(statement, 7);
    ret_row->attempts = (int)attempts;
    ret_row->text_size = text_size;
    ret_row->arrived_ms = column_number(statement, 10);
    memcpy(ret_row->revision, revision.data, SHA256_SIZE);
    ret_row->id = column_slice(statement, 12);
    ret_row->name = column_slice(statement, 13);
    return 0;
}

/* In the order of BATCH_COLUMNS. */
int state_read_batch(struct state *state, sqlite3_stmt *statement, struct batch_row *ret_row, struct error *err)
{
    int64_t batch_state = column_number(statement, 2);
    int64_t strikes = column_number(statement, 4);
    struct slice track = column_slice(statement, 3);

    ret_row->batch = column_number(statement, 0);
    if (!is_between(batch_state, BATCH_READY, BATCH_STATES - 1) || !is_between(strikes, 0, INT_MAX) || track.size >= TRACK_SIZE)
        return state_damaged(state, err, "batch %lld holds values that no release has written", (long long)ret_row->batch);
    ret_row->target = column_number(statement, 1);
    ret_row->state = (enum batch_state)batch_state;
    memcpy(ret_row->track, track.data, track.size);
    ret_row->track[track.size] = '\0';
    ret_row->strikes = (int)strikes;
    ret_row->whole_listing = column_number(statement, 5) != 0;
    ret_row->first_sent_server_ms = column_number(statement, 6);
    ret_row->last_sent_ms = column_number(statement, 7);
    ret_row->not_before_ms = column_number(statement, 8);
    ret_row->opened_ms = column_number(statement, 9);
    ret_row->changed_ms = column_number(statement, 10);
    ret_row->members = column_number(statement, 11);
    return 0;
}

/* ---- Look-ups of memories ---- */

/* Not for a state in memory: there a view keeps every other one of the same name from writing. */
int state_view(struct state *state, struct error *err)
{
    if (state->is_open || state->is_viewing || state->is_reader || state->folder == NULL || state->json != NULL)
        return 0;
    if (state_run_simple(state, BEGIN_READ, "beginning to read", err) < 0)
        return -1;
    state->is_viewing = true;
    return 0;
}

int64_t state_memory_key(int64_t stream, struct slice id)
{
    uint8_t digest[SHA256_SIZE];
    uint8_t bytes[8 + MEMORY_ID_MAXIMUM];
    uint64_t key = 0;
    size_t size = id.size < MEMORY_ID_MAXIMUM ? id.size : MEMORY_ID_MAXIMUM;

    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)stream >> (8 * i));
    if (size > 0)
        memcpy(bytes + 8, id.data, size);
    sha256_of(bytes, 8 + size, digest);
    for (size_t i = 0; i < 8; i++)
        key = key << 8 | digest[i];
    return (int64_t)key;
}

static bool is_same(const struct memory_row *row, int64_t stream, struct slice id)
{
    return row->stream == stream && row->id.size == id.size && (id.size == 0 || memcmp(row->id.data, id.data, id.size) == 0);
}

/* 1 with the statement at the row (the caller resets it), 0, -1. */
static int seek_memory(struct state *state, int64_t stream, struct slice id, int64_t key, struct memory_row *ret_row, struct error *err)
{
    struct binder binder = state_bind(state, FIND_MEMORY);
    int more;

    bind_number(&binder, key);
    while ((more = state_step(state, &binder, "looking for a memory", err)) > 0) {
        if (read_memory(state, binder.statement, ret_row, err) < 0) {
            state_reset(state, FIND_MEMORY);
            return -1;
        }
        if (is_same(ret_row, stream, id))
            return 1;
    }
    return more;
}

static void keep_memory(struct state *state, enum keeper keeper, struct memory_row *row)
{
    const struct borrowed borrowed = { .slices = { &row->id, &row->name }, .slice_count = 2 };

    state_keep(state, keeper, &borrowed);
}

static void note_miss(struct state *state, int64_t stream, struct slice id, int64_t key)
{
    text_clear(&state->miss_id);
    state->has_miss = text_append_bytes(&state->miss_id, id.data, id.size) == 0;
    state->miss_stream = stream;
    state->miss_key = key;
}

int state_find_memory(struct state *state, int64_t stream, struct slice id, struct memory_row *ret_row, struct error *err)
{
    struct memory_row row;
    int64_t key;
    int found;

    if (state_check(state, err) < 0 || state_view(state, err) < 0)
        return -1;
    key = state_memory_key(stream, id);
    found = seek_memory(state, stream, id, key, &row, err);
    if (found == 0)
        note_miss(state, stream, id, key);
    if (found <= 0)
        return found;
    keep_memory(state, KEEP_FOUND_MEMORY, &row);
    state_reset(state, FIND_MEMORY);
    *ret_row = row;
    return 1;
}

int state_has_memory(struct state *state, int64_t stream, struct slice id, int64_t *ret_key, struct error *err)
{
    struct memory_row row;
    int found;

    if (state->has_miss && state->miss_stream == stream && state->miss_id.size == id.size &&
        (id.size == 0 || memcmp(state->miss_id.data, id.data, id.size) == 0)) {
        state->has_miss = false; /* the caller adds it now */
        *ret_key = state->miss_key;
        return 0;
    }
    *ret_key = state_memory_key(stream, id);
    found = seek_memory(state, stream, id, *ret_key, &row, err);
    if (found > 0)
        state_reset(state, FIND_MEMORY);
    return found;
}

int state_get_memory(struct state *state, int64_t seq, struct memory_row *ret_row, struct error *err)
{
    struct memory_row row;
    struct binder binder;
    int found;

    if (state_check(state, err) < 0 || state_view(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_MEMORY);
    bind_number(&binder, seq);
    found = state_step(state, &binder, "reading a memory", err);
    if (found <= 0)
        return found;
    found = read_memory(state, binder.statement, &row, err);
    if (found == 0) {
        keep_memory(state, KEEP_MEMORY, &row);
        *ret_row = row;
    }
    state_reset(state, GET_MEMORY);
    return found < 0 ? -1 : 1;
}

int state_get_text(struct state *state, int64_t seq, struct text *text, struct error *err)
{
    struct binder binder;
    struct slice kept;
    int found;

    if (state_check(state, err) < 0 || state_view(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_TEXT);
    bind_number(&binder, seq);
    found = state_step(state, &binder, "reading a text", err);
    if (found <= 0)
        return found;
    kept = column_slice(binder.statement, 0);
    if (text_append_bytes(text, kept.data, kept.size) < 0)
        found = error_set(err, ERROR_FAILED, "state %s: the text of memory %lld has %zu bytes, more than fits", state->path, (long long)seq, kept.size);
    state_reset(state, GET_TEXT);
    return found;
}

int state_get_newer(struct state *state, int64_t seq, uint8_t ret_revision[SHA256_SIZE], struct text *text, struct error *err)
{
    struct binder binder;
    struct slice revision, kept;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_NEWER);
    bind_number(&binder, seq);
    found = state_step(state, &binder, "reading a waiting revision", err);
    if (found <= 0)
        return found;
    revision = column_slice(binder.statement, 0);
    if (revision.size == SHA256_SIZE)
        memcpy(ret_revision, revision.data, SHA256_SIZE);
    else
        found = state_damaged(state, err, "the waiting revision of memory %lld has %zu bytes", (long long)seq, revision.size);
    kept = column_slice(binder.statement, 1);
    if (found > 0 && text_append_bytes(text, kept.data, kept.size) < 0)
        found = error_set(err, ERROR_FAILED, "state %s: the text of memory %lld has %zu bytes, more than fits", state->path, (long long)seq, kept.size);
    state_reset(state, GET_NEWER);
    return found;
}

static int get_number(struct state *state, enum statement statement, const struct binder *binder, int64_t *ret_value, struct error *err)
{
    int found = state_step(state, binder, "reading a mark", err);

    if (found < 0)
        return -1;
    *ret_value = found > 0 ? column_number(binder->statement, 0) : 0;
    if (found > 0)
        state_reset(state, statement);
    return 0;
}

int state_get_mark(struct state *state, int64_t owner, enum mark_kind kind, int64_t *ret_value, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_MARK);
    bind_number(&binder, owner);
    bind_number(&binder, kind);
    return get_number(state, GET_MARK, &binder, ret_value, err);
}

int state_get_absence(struct state *state, int64_t seq, int64_t *ret_since_ms, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_ABSENCE);
    bind_number(&binder, seq);
    return get_number(state, GET_ABSENCE, &binder, ret_since_ms, err);
}

int state_get_batch(struct state *state, int64_t batch, struct batch_row *ret_row, struct error *err)
{
    struct batch_row row;
    struct binder binder;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_BATCH);
    bind_number(&binder, batch);
    found = state_step(state, &binder, "reading a batch", err);
    if (found <= 0)
        return found;
    found = state_read_batch(state, binder.statement, &row, err);
    if (found == 0)
        *ret_row = row;
    state_reset(state, GET_BATCH);
    return found < 0 ? -1 : 1;
}

/* ---- Lists ---- */

int state_list_begin(struct state *state, enum statement statement, struct binder *ret_binder, struct error *err)
{
    if (state_check(state, err) < 0)
        return -1;
    if (sqlite3_stmt_busy(state->statements[statement]))
        return error_set(err, ERROR_FAILED, "state %s: a list is read within itself (a defect of memory-connector: please report it)", state->path);
    state->lists++;
    *ret_binder = state_bind(state, statement);
    return 0;
}

void state_list_end(struct state *state, enum statement statement)
{
    state->lists--;
    state_reset(state, statement);
}

int state_each_queued(struct state *state, int64_t target, int64_t now_ms, size_t count_maximum, int64_t bytes_maximum,
                      bool (*each)(void *context, const struct memory_row *row), void *context, struct error *err)
{
    struct binder binder;
    int64_t bytes = 0;
    int result = 0;

    if (state_list_begin(state, EACH_QUEUED, &binder, err) < 0)
        return -1;
    bind_number(&binder, target);
    bind_number(&binder, now_ms);
    for (size_t count = 0; count < count_maximum; count++) {
        struct memory_row row;
        result = state_step(state, &binder, "reading the queue", err);
        if (result > 0)
            result = read_memory(state, binder.statement, &row, err) < 0 ? -1 : 1;
        if (result <= 0)
            break;
        result = 0;
        if ((count > 0 && row.text_size > bytes_maximum - bytes) || !each(context, &row))
            break;
        bytes += row.text_size;
    }
    state_list_end(state, EACH_QUEUED);
    return result;
}

int state_next_queued(struct state *state, int64_t target, int64_t now_ms, bool *ret_any, int64_t *ret_not_before_ms, struct error *err)
{
    struct binder binder;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, ANY_DUE);
    bind_number(&binder, target);
    bind_number(&binder, now_ms);
    found = state_step(state, &binder, "reading the queue", err);
    if (found < 0)
        return -1;
    if (found > 0) {
        state_reset(state, ANY_DUE);
        *ret_any = true;
        *ret_not_before_ms = 0;
        return 0;
    }
    binder = state_bind(state, NEXT_DUE);
    bind_number(&binder, target);
    if (state_step(state, &binder, "reading the queue", err) < 0)
        return -1;
    *ret_any = sqlite3_column_type(binder.statement, 0) != SQLITE_NULL;
    *ret_not_before_ms = column_number(binder.statement, 0);
    state_reset(state, NEXT_DUE);
    return 0;
}

int state_give_memories(struct state *state, enum statement statement, const struct binder *binder, const char *what,
                        bool (*each)(void *context, const struct memory_row *row), void *context, struct error *err)
{
    int more;

    while ((more = state_step(state, binder, what, err)) > 0) {
        struct memory_row row;
        if (read_memory(state, binder->statement, &row, err) < 0) {
            more = -1;
            break;
        }
        if (!each(context, &row))
            break;
    }
    state_list_end(state, statement);
    return more < 0 ? -1 : 0;
}

int state_each_member(struct state *state, int64_t batch, bool (*each)(void *context, const struct memory_row *row), void *context,
                      struct error *err)
{
    struct binder binder;

    if (state_list_begin(state, EACH_MEMBER, &binder, err) < 0)
        return -1;
    bind_number(&binder, batch);
    return state_give_memories(state, EACH_MEMBER, &binder, "reading a batch's members", each, context, err);
}

int state_each_removing(struct state *state, int64_t target, bool (*each)(void *context, const struct memory_row *row), void *context,
                        struct error *err)
{
    struct binder binder;

    if (state_list_begin(state, EACH_REMOVING, &binder, err) < 0)
        return -1;
    bind_number(&binder, target);
    return state_give_memories(state, EACH_REMOVING, &binder, "reading what is being removed", each, context, err);
}

int state_each_memory(struct state *state, int64_t stream, int64_t after_seq, bool (*each)(void *context, const struct memory_row *row),
                      void *context, struct error *err)
{
    struct binder binder;

    if (state_list_begin(state, EACH_MEMORY, &binder, err) < 0)
        return -1;
    bind_number(&binder, after_seq);
    bind_number(&binder, stream);
    return state_give_memories(state, EACH_MEMORY, &binder, "reading memories", each, context, err);
}

int state_each_absence(struct state *state, int64_t stream, bool (*each)(void *context, int64_t seq, int64_t since_ms), void *context,
                       struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_ABSENCE, &binder, err) < 0)
        return -1;
    bind_number(&binder, stream);
    while ((more = state_step(state, &binder, "reading absences", err)) > 0)
        if (!each(context, column_number(binder.statement, 0), column_number(binder.statement, 1)))
            break;
    state_list_end(state, EACH_ABSENCE);
    return more < 0 ? -1 : 0;
}

int state_each_open_batch(struct state *state, int64_t target, bool (*each)(void *context, const struct batch_row *row), void *context,
                          struct error *err)
{
    struct binder binder;
    int more;

    if (state_list_begin(state, EACH_OPEN_BATCH, &binder, err) < 0)
        return -1;
    bind_number(&binder, target);
    while ((more = state_step(state, &binder, "reading open batches", err)) > 0) {
        struct batch_row row;
        if (state_read_batch(state, binder.statement, &row, err) < 0) {
            more = -1;
            break;
        }
        if (!each(context, &row))
            break;
    }
    state_list_end(state, EACH_OPEN_BATCH);
    return more < 0 ? -1 : 0;
}
