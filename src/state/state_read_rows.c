#include "state/state_internal.h"

#include <limits.h>
#include <string.h>

/* In the order of RUN_COLUMNS. */
static const size_t run_counters[RUN_COUNTERS] = {
    offsetof(struct run_counts, fetched),    offsetof(struct run_counts, new_),      offsetof(struct run_counts, changed),
    offsetof(struct run_counts, unchanged),  offsetof(struct run_counts, skipped),   offsetof(struct run_counts, malformed),
    offsetof(struct run_counts, duplicates), offsetof(struct run_counts, sent),      offsetof(struct run_counts, stored),
    offsetof(struct run_counts, processed),  offsetof(struct run_counts, failed),    offsetof(struct run_counts, retried),
    offsetof(struct run_counts, requests),   offsetof(struct run_counts, bytes),
    offsetof(struct run_counts, replaced),   offsetof(struct run_counts, removed),
    offsetof(struct run_counts, filtered),
};

int64_t *state_run_counter(struct run_counts *counts, size_t index)
{
    return (int64_t *)(void *)((char *)counts + run_counters[index]);
}

/* ---- Rows. Their strings are borrowed from the statement. ---- */

static int copy_name(struct state *state, sqlite3_stmt *statement, int at, char *ret_name, size_t size, struct error *err)
{
    struct slice name = column_slice(statement, at);

    if (name.size >= size)
        return state_damaged(state, err, "a name has %zu bytes, more than any release has written", name.size);
    memcpy(ret_name, name.data, name.size);
    ret_name[name.size] = '\0';
    return 0;
}

static int read_target(struct state *state, sqlite3_stmt *statement, struct target_row *ret_row, struct error *err)
{
    if (copy_name(state, statement, 1, ret_row->name, sizeof ret_row->name, err) < 0)
        return -1;
    ret_row->target = column_number(statement, 0);
    ret_row->url = column_string(statement, 2);
    ret_row->version = column_string(statement, 3);
    ret_row->workspace = column_string(statement, 4);
    ret_row->seen_ms = column_number(statement, 5);
    ret_row->last_error = column_string(statement, 6);
    return 0;
}

static int read_stream(struct state *state, sqlite3_stmt *statement, struct stream_row *ret_row, struct error *err)
{
    if (copy_name(state, statement, 2, ret_row->connector, sizeof ret_row->connector, err) < 0)
        return -1;
    ret_row->stream = column_number(statement, 0);
    ret_row->target = column_number(statement, 1);
    ret_row->source = column_string(statement, 3);
    ret_row->context = column_string(statement, 4);
    return 0;
}

int state_read_letter(struct state *state, sqlite3_stmt *statement, struct dead_letter *ret_letter, struct error *err)
{
    int64_t dead_class = column_number(statement, 1);
    int64_t ending = column_number(statement, 2);
    struct slice fingerprint = column_slice(statement, 6);

    ret_letter->letter = column_number(statement, 0);
    if (dead_class < DEAD_MALFORMED || dead_class >= DEAD_CLASSES || ending < DEAD_OPEN || ending > DEAD_CLEARED ||
        fingerprint.size != sizeof ret_letter->fingerprint)
        return state_damaged(state, err, "dead letter %lld holds values that no release has written", (long long)ret_letter->letter);
    ret_letter->dead_class = (enum dead_class)dead_class;
    ret_letter->end = (enum dead_end)ending;
    ret_letter->stream = column_number(statement, 3);
    ret_letter->seq = column_number(statement, 4);
    ret_letter->run = column_number(statement, 5);
    memcpy(ret_letter->fingerprint, fingerprint.data, fingerprint.size);
    ret_letter->http_status = (int)column_number(statement, 7);
    ret_letter->words = column_string(statement, 8);
    ret_letter->attempts = (int)column_number(statement, 9);
    ret_letter->times = column_number(statement, 10);
    ret_letter->first_ms = column_number(statement, 11);
    ret_letter->last_ms = column_number(statement, 12);
    ret_letter->position = column_number(statement, 13);
    ret_letter->length = column_number(statement, 14);
    ret_letter->raw = column_slice(statement, 15);
    return 0;
}

static int read_run(struct state *state, sqlite3_stmt *statement, struct run_row *ret_row, struct error *err)
{
    int64_t result = column_number(statement, 5);
    int64_t error_kind = column_number(statement, 6);

    ret_row->run = column_number(statement, 0);
    if (result < RUN_RUNNING || result >= RUN_RESULTS || error_kind < ERROR_NONE || error_kind >= ERROR_KINDS)
        return state_damaged(state, err, "run %lld holds values that no release has written", (long long)ret_row->run);
    ret_row->connector = column_string(statement, 1);
    ret_row->trigger = column_string(statement, 2);
    ret_row->started_ms = column_number(statement, 3);
    ret_row->finished_ms = column_number(statement, 4);
    ret_row->result = (enum run_result)result;
    ret_row->error_kind = (int)error_kind;
    ret_row->error = column_string(statement, 7);
    ret_row->range = column_string(statement, 8);
    ret_row->limit = column_number(statement, 9);
    ret_row->coverage = column_string(statement, 10);
    for (size_t i = 0; i < RUN_COUNTERS; i++)
        *state_run_counter(&ret_row->counts, i) = column_number(statement, 11 + (int)i);
    return 0;
}

/* ---- Look-ups: a row is kept, then the statement let go, because it holds a snapshot of the file ---- */

static int take_target(struct state *state, enum statement statement, const struct binder *binder, struct target_row *ret_row, struct error *err)
{
    struct target_row row;
    int found = state_step(state, binder, "reading a target", err);

    if (found <= 0)
        return found;
    found = read_target(state, binder->statement, &row, err) < 0 ? -1 : 1;
    if (found > 0) {
        const struct borrowed borrowed = { .strings = { &row.url, &row.version, &row.workspace, &row.last_error }, .string_count = 4 };
        state_keep(state, KEEP_TARGET, &borrowed);
        *ret_row = row;
    }
    state_reset(state, statement);
    return found;
}

int state_find_target(struct state *state, const char *name, struct target_row *ret_row, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, FIND_TARGET);
    bind_string(&binder, name);
    return take_target(state, FIND_TARGET, &binder, ret_row, err);
}

static int take_stream(struct state *state, enum statement statement, const struct binder *binder, enum keeper keeper, struct stream_row *ret_row,
                       struct error *err)
{
    struct stream_row row;
    int found = state_step(state, binder, "reading a stream", err);

    if (found <= 0)
        return found;
    found = read_stream(state, binder->statement, &row, err) < 0 ? -1 : 1;
    if (found > 0) {
        const struct borrowed borrowed = { .strings = { &row.source, &row.context }, .string_count = 2 };
        state_keep(state, keeper, &borrowed);
        *ret_row = row;
    }
    state_reset(state, statement);
    return found;
}

int state_find_stream(struct state *state, int64_t target, const char *source, const char *context, struct stream_row *ret_row,
                      struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, FIND_STREAM);
    bind_number(&binder, target);
    bind_string(&binder, source);
    bind_string(&binder, context);
    return take_stream(state, FIND_STREAM, &binder, KEEP_FOUND_STREAM, ret_row, err);
}

int state_get_stream(struct state *state, int64_t stream, struct stream_row *ret_row, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_STREAM);
    bind_number(&binder, stream);
    return take_stream(state, GET_STREAM, &binder, KEEP_STREAM, ret_row, err);
}

static int take_letter(struct state *state, enum statement statement, const struct binder *binder, enum keeper keeper,
                       struct dead_letter *ret_letter, struct error *err)
{
    struct dead_letter letter;
    int found = state_step(state, binder, "reading a dead letter", err);

    if (found <= 0)
        return found;
    found = state_read_letter(state, binder->statement, &letter, err) < 0 ? -1 : 1;
    if (found > 0) {
        const struct borrowed borrowed = {
            .strings = { &letter.words }, .string_count = 1, .slices = { &letter.raw }, .slice_count = 1
        };
        state_keep(state, keeper, &borrowed);
        *ret_letter = letter;
    }
    state_reset(state, statement);
    return found;
}

int state_get_letter(struct state *state, int64_t letter, struct dead_letter *ret_letter, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_LETTER);
    bind_number(&binder, letter);
    return take_letter(state, GET_LETTER, &binder, KEEP_LETTER, ret_letter, err);
}

int state_find_letter(struct state *state, int64_t stream, enum dead_class dead_class, int64_t seq, const uint8_t fingerprint[16],
                      struct dead_letter *ret_letter, struct error *err)
{
    enum statement statement = fingerprint != NULL && dead_class != 0 ? FIND_LETTER : FIND_ANY_LETTER;
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, statement);
    bind_number(&binder, stream);
    bind_number(&binder, seq);
    bind_number(&binder, (int64_t)dead_class);
    if (fingerprint != NULL)
        bind_bytes(&binder, fingerprint, sizeof ret_letter->fingerprint);
    else
        bind_null(&binder);
    return take_letter(state, statement, &binder, KEEP_FOUND_LETTER, ret_letter, err);
}

int state_find_decided_letter(struct state *state, int64_t stream, enum dead_class dead_class, const uint8_t fingerprint[16], int64_t length,
                              struct dead_letter *ret_letter, struct error *err)
{
    struct binder binder;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, FIND_DECIDED_LETTER);
    bind_number(&binder, stream);
    bind_number(&binder, (int64_t)dead_class);
    bind_bytes(&binder, fingerprint, sizeof ret_letter->fingerprint);
    bind_number(&binder, length);
    return take_letter(state, FIND_DECIDED_LETTER, &binder, KEEP_FOUND_LETTER, ret_letter, err);
}

int state_get_run(struct state *state, int64_t run, struct run_row *ret_row, struct error *err)
{
    struct run_row row;
    struct binder binder;
    int found;

    if (state_check(state, err) < 0)
        return -1;
    binder = state_bind(state, GET_RUN);
    bind_number(&binder, run);
    found = state_step(state, &binder, "reading a run", err);
    if (found <= 0)
        return found;
    found = read_run(state, binder.statement, &row, err) < 0 ? -1 : 1;
    if (found > 0) {
        const struct borrowed borrowed = { .strings = { &row.connector, &row.trigger, &row.error, &row.range, &row.coverage }, .string_count = 5 };
        state_keep(state, KEEP_RUN, &borrowed);
        *ret_row = row;
    }
    state_reset(state, GET_RUN);
    return found;
}

/* ---- Lists ---- */

int state_each_target(struct state *state, bool (*each)(void *context, const struct target_row *row), void *context, struct error *err)
{
    struct binder binder;
    struct target_row row;
    int more;

    if (state_list_begin(state, EACH_TARGET, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading targets", err)) > 0) {
        more = read_target(state, binder.statement, &row, err);
        if (more < 0 || !each(context, &row))
            break;
    }
    state_list_end(state, EACH_TARGET);
    return more < 0 ? -1 : 0;
}

int state_each_stream(struct state *state, bool (*each)(void *context, const struct stream_row *row), void *context, struct error *err)
{
    struct binder binder;
    struct stream_row row;
    int more;

    if (state_list_begin(state, EACH_STREAM, &binder, err) < 0)
        return -1;
    while ((more = state_step(state, &binder, "reading streams", err)) > 0) {
        more = read_stream(state, binder.statement, &row, err);
        if (more < 0 || !each(context, &row))
            break;
    }
    state_list_end(state, EACH_STREAM);
    return more < 0 ? -1 : 0;
}

static void bind_filter(struct binder *binder, const struct letter_filter *filter)
{
    if (filter->connector != NULL)
        bind_string(binder, filter->connector);
    else
        bind_null(binder);
    bind_number(binder, filter->dead_class);
    if (filter->memory_id.size > 0)
        bind_bytes(binder, filter->memory_id.data, filter->memory_id.size);
    else
        bind_null(binder);
    bind_number(binder, filter->since_ms);
    bind_number(binder, filter->with_closed);
    bind_number(binder, filter->after_letter);
    bind_number(binder, filter->run != NULL ? filter->run->run : 0);
    bind_number(binder, filter->run != NULL ? filter->run->started_ms : 0);
    bind_number(binder, filter->run == NULL || filter->run->finished_ms == 0 ? INT64_MAX : filter->run->finished_ms);
}

int state_each_letter(struct state *state, const struct letter_filter *filter,
                      bool (*each)(void *context, const struct dead_letter *letter), void *context, struct error *err)
{
    struct binder binder;
    struct dead_letter letter;
    int more = 0;

    if (state_list_begin(state, EACH_LETTER, &binder, err) < 0)
        return -1;
    bind_filter(&binder, filter);
    for (size_t count = 0; filter->limit == 0 || count < filter->limit; count++) {
        more = state_step(state, &binder, "reading dead letters", err);
        if (more > 0 && state_read_letter(state, binder.statement, &letter, err) < 0)
            more = -1;
        if (more <= 0 || !each(context, &letter))
            break;
    }
    state_list_end(state, EACH_LETTER);
    return more < 0 ? -1 : 0;
}

static int list_runs(struct state *state, const struct binder *binder, bool (*each)(void *context, const struct run_row *row), void *context,
                     struct error *err)
{
    struct run_row row;
    int more;

    while ((more = state_step(state, binder, "reading runs", err)) > 0) {
        more = read_run(state, binder->statement, &row, err);
        if (more < 0 || !each(context, &row))
            break;
    }
    return more < 0 ? -1 : 0;
}

int state_each_run_before(struct state *state, const char *connector, int64_t before, size_t limit,
                          bool (*each)(void *context, const struct run_row *row), void *context, struct error *err)
{
    enum statement statement = connector != NULL ? EACH_RUN_OF : EACH_RUN;
    struct binder binder;
    int result;

    if (state_list_begin(state, statement, &binder, err) < 0)
        return -1;
    bind_number(&binder, before);
    bind_number(&binder, limit == 0 || limit > INT_MAX ? -1 : (int64_t)limit);
    if (connector != NULL)
        bind_string(&binder, connector);
    result = list_runs(state, &binder, each, context, err);
    state_list_end(state, statement);
    return result;
}

int state_each_run(struct state *state, const char *connector, size_t limit, bool (*each)(void *context, const struct run_row *row),
                   void *context, struct error *err)
{
    return state_each_run_before(state, connector, INT64_MAX, limit, each, context, err);
}

int state_each_open_run(struct state *state, bool (*each)(void *context, const struct run_row *row), void *context, struct error *err)
{
    struct binder binder;
    int result;

    if (state_list_begin(state, EACH_OPEN_RUN, &binder, err) < 0)
        return -1;
    result = list_runs(state, &binder, each, context, err);
    state_list_end(state, EACH_OPEN_RUN);
    return result;
}

/* ---- The oldest ---- */

/* Rows are in order of arrival, so the first ones of a queue hold the oldest time, but for those that were given a newer revision while
 * they waited: looking at this many sees past them, without a scan of the whole queue. */
enum { OLDEST_LOOKED_AT = 500 };

static int take_minimum(struct state *state, const struct binder *binder, int64_t *oldest_ms, struct error *err)
{
    int found = state_step(state, binder, "looking for the oldest memory", err);

    if (found < 0)
        return -1;
    if (found > 0 && sqlite3_column_type(binder->statement, 0) != SQLITE_NULL) {
        int64_t arrived_ms = column_number(binder->statement, 0);
        if (*oldest_ms == 0 || arrived_ms < *oldest_ms)
            *oldest_ms = arrived_ms;
    }
    (void)sqlite3_reset(binder->statement);
    return 0;
}

/* Only where the counters say that there are some: the queue of a target is one for all its streams, and long while another of them is filled. */
static int look_at_stream(struct state *state, const struct stream_row *row, int64_t *oldest_ms, struct error *err)
{
    struct state_counts counts;
    struct binder binder;

    if (state_count_stream(state, row->stream, &counts, err) < 0)
        return -1;
    if (counts.memories[MEMORY_QUEUED] > 0) {
        binder = state_bind(state, OLDEST_QUEUED);
        bind_number(&binder, row->target);
        bind_number(&binder, row->stream);
        bind_number(&binder, OLDEST_LOOKED_AT);
        if (take_minimum(state, &binder, oldest_ms, err) < 0)
            return -1;
    }
    if (counts.memories[MEMORY_FLYING] == 0)
        return 0;
    binder = state_bind(state, OLDEST_FLYING);
    bind_number(&binder, row->stream);
    return take_minimum(state, &binder, oldest_ms, err);
}

struct oldest_search {
    struct state *state;
    const char *connector;
    int64_t oldest_ms;
    struct error *err;
    int result;
};

static bool look_at_each(void *context, const struct stream_row *row)
{
    struct oldest_search *search = context;

    if (search->connector == NULL || strcmp(search->connector, row->connector) == 0)
        search->result = look_at_stream(search->state, row, &search->oldest_ms, search->err);
    return search->result == 0;
}

int state_oldest_unsettled(struct state *state, const char *connector, int64_t *ret_arrived_ms, struct error *err)
{
    struct oldest_search search = { .state = state, .connector = connector, .err = err };

    if (state_each_stream(state, look_at_each, &search, err) < 0 || search.result < 0)
        return -1;
    *ret_arrived_ms = search.oldest_ms;
    return 0;
}
