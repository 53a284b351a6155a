#include "state/state_internal.h"

#include <string.h>

int state_put_target(struct state *state, const struct target_row *row, struct error *err)
{
    struct binder binder = state_bind(state, PUT_TARGET);

    bind_number(&binder, row->target);
    bind_string(&binder, row->name);
    bind_string(&binder, row->url);
    bind_string(&binder, row->version);
    bind_string(&binder, row->workspace);
    bind_number(&binder, row->seen_ms);
    bind_string(&binder, row->last_error);
    return state_run(state, &binder, "keeping a target", NULL, err);
}

int state_put_stream(struct state *state, const struct stream_row *row, struct error *err)
{
    struct binder binder = state_bind(state, PUT_STREAM);
    int64_t changed;

    bind_number(&binder, row->stream);
    bind_number(&binder, row->target);
    bind_string(&binder, row->connector);
    bind_string(&binder, row->source);
    bind_string(&binder, row->context);
    if (state_run(state, &binder, "keeping a stream", &changed, err) < 0)
        return -1;
    if (changed != 1)
        return state_contradict(state, err, "stream %lld moves to target %lld", (long long)row->stream, (long long)row->target);
    return 0;
}

int state_put_batch(struct state *state, const struct batch_row *row, struct error *err)
{
    struct binder binder = state_bind(state, PUT_BATCH);

    if (row->state < BATCH_READY || row->state >= BATCH_STATES)
        return state_contradict(state, err, "batch %lld gets state %d", (long long)row->batch, (int)row->state);
    bind_number(&binder, row->batch);
    bind_number(&binder, row->target);
    bind_number(&binder, row->state);
    bind_text(&binder, row->track, strnlen(row->track, TRACK_SIZE - 1));
    bind_number(&binder, row->strikes);
    bind_number(&binder, row->whole_listing);
    bind_number(&binder, row->first_sent_server_ms);
    bind_number(&binder, row->last_sent_ms);
    bind_number(&binder, row->not_before_ms);
    bind_number(&binder, row->opened_ms);
    bind_number(&binder, row->changed_ms);
    bind_number(&binder, row->members);
    return state_run(state, &binder, "keeping a batch", NULL, err);
}

/* ---- Dead letters ---- */

/* Takes an open letter that is overwritten out of the counts; the new one is counted by itself. */
static int uncount_letter_before(struct state *state, int64_t letter, struct error *err)
{
    struct binder binder = state_bind(state, LETTER_BEFORE);
    int64_t dead_class, ending, stream;
    int found;

    bind_number(&binder, letter);
    found = state_step(state, &binder, "reading a dead letter", err);
    if (found <= 0)
        return found;
    dead_class = column_number(binder.statement, 0);
    ending = column_number(binder.statement, 1);
    stream = column_number(binder.statement, 2);
    state_reset(state, LETTER_BEFORE);
    if (dead_class < DEAD_MALFORMED || dead_class >= DEAD_CLASSES)
        return state_damaged(state, err, "dead letter %lld has class %lld", (long long)letter, (long long)dead_class);
    if (ending == DEAD_OPEN)
        state_count(state, stream, COUNT_LETTERS + (int)dead_class, -1);
    return 0;
}

static int write_letter(struct state *state, const struct dead_letter *letter, struct error *err)
{
    struct binder binder = state_bind(state, PUT_LETTER);

    bind_number(&binder, letter->letter);
    bind_number(&binder, letter->dead_class);
    bind_number(&binder, letter->end);
    bind_number(&binder, letter->stream);
    bind_number(&binder, letter->seq);
    bind_number(&binder, letter->run);
    bind_bytes(&binder, letter->fingerprint, sizeof letter->fingerprint);
    bind_number(&binder, letter->http_status);
    bind_string(&binder, letter->words);
    bind_number(&binder, letter->attempts);
    bind_number(&binder, letter->times);
    bind_number(&binder, letter->first_ms);
    bind_number(&binder, letter->last_ms);
    bind_number(&binder, letter->position);
    bind_number(&binder, letter->length);
    if (letter->raw.data != NULL)
        bind_bytes(&binder, letter->raw.data, letter->raw.size);
    else
        bind_null(&binder);
    return state_run(state, &binder, "keeping a dead letter", NULL, err);
}

int state_put_letter(struct state *state, const struct dead_letter *letter, struct error *err)
{
    if (letter->dead_class < DEAD_MALFORMED || letter->dead_class >= DEAD_CLASSES || (unsigned)letter->end > DEAD_CLEARED)
        return state_contradict(state, err, "dead letter %lld gets class %d, end %d", (long long)letter->letter, (int)letter->dead_class,
                                (int)letter->end);
    if (uncount_letter_before(state, letter->letter, err) < 0 || write_letter(state, letter, err) < 0)
        return -1;
    if (letter->end == DEAD_OPEN)
        state_count(state, letter->stream, COUNT_LETTERS + (int)letter->dead_class, 1);
    return 0;
}

/* ---- Runs ---- */

int state_put_run(struct state *state, const struct run_row *row, struct error *err)
{
    struct binder binder = state_bind(state, PUT_RUN);

    if ((unsigned)row->result >= RUN_RESULTS || row->error_kind < 0 || row->error_kind >= ERROR_KINDS)
        return state_contradict(state, err, "run %lld gets result %d, error kind %d", (long long)row->run, (int)row->result, row->error_kind);
    bind_number(&binder, row->run);
    bind_string(&binder, row->connector);
    bind_string(&binder, row->trigger);
    bind_number(&binder, row->started_ms);
    bind_number(&binder, row->finished_ms);
    bind_number(&binder, row->result);
    bind_number(&binder, row->error_kind);
    bind_string(&binder, row->error);
    bind_string(&binder, row->range);
    bind_number(&binder, row->limit);
    bind_string(&binder, row->coverage);
    for (size_t i = 0; i < RUN_COUNTERS; i++)
        bind_number(&binder, *state_run_counter((struct run_counts *)&row->counts, i));
    return state_run(state, &binder, "keeping a run", NULL, err);
}

/* ---- What waits, small facts, absences ---- */

static int drop_row(struct state *state, enum statement statement, int64_t key, const char *what, struct error *err)
{
    struct binder binder = state_bind(state, statement);

    bind_number(&binder, key);
    return state_run(state, &binder, what, NULL, err);
}

int state_put_newer(struct state *state, const struct change *change, struct error *err)
{
    struct binder binder;

    if (change->newer_text == NULL)
        return drop_row(state, DROP_NEWER, change->newer_seq, "giving up a waiting revision", err);
    binder = state_bind(state, PUT_NEWER);
    bind_number(&binder, change->newer_seq);
    bind_bytes(&binder, change->newer_revision, SHA256_SIZE);
    bind_text(&binder, change->newer_text->data, change->newer_text->size);
    return state_run(state, &binder, "keeping a waiting revision", NULL, err);
}

int state_put_mark(struct state *state, const struct change *change, struct error *err)
{
    struct binder binder = state_bind(state, change->mark_value != 0 ? PUT_MARK : DROP_MARK);

    bind_number(&binder, change->mark_owner);
    bind_number(&binder, change->mark_kind);
    if (change->mark_value != 0)
        bind_number(&binder, change->mark_value);
    return state_run(state, &binder, "keeping a mark", NULL, err);
}

int state_put_absence(struct state *state, const struct change *change, struct error *err)
{
    struct binder binder;

    if (change->absence_since_ms == 0)
        return drop_row(state, DROP_ABSENCE, change->absence_seq, "forgetting an absence", err);
    binder = state_bind(state, PUT_ABSENCE);
    bind_number(&binder, change->absence_seq);
    bind_number(&binder, change->absence_stream);
    bind_number(&binder, change->absence_since_ms);
    return state_run(state, &binder, "keeping an absence", NULL, err);
}

/* ---- The service ---- */

static int drop_named(struct state *state, enum statement statement, const char *name, const char *what, struct error *err)
{
    struct binder binder = state_bind(state, statement);

    bind_string(&binder, name);
    return state_run(state, &binder, what, NULL, err);
}

int state_put_connector(struct state *state, const struct connector_row *row, struct error *err)
{
    struct binder binder;

    if (row->definition == NULL)
        return drop_named(state, DROP_CONNECTOR, row->id, "deleting a connector", err);
    binder = state_bind(state, PUT_CONNECTOR);
    bind_string(&binder, row->id);
    bind_number(&binder, row->version);
    bind_string(&binder, row->definition);
    bind_number(&binder, row->changed_ms);
    return state_run(state, &binder, "keeping a connector", NULL, err);
}

int state_put_job(struct state *state, const struct job_row *row, struct error *err)
{
    struct binder binder;

    if (row->is_gone)
        return drop_named(state, DROP_JOB, row->connector, "dropping a plan", err);
    binder = state_bind(state, PUT_JOB);
    bind_string(&binder, row->connector);
    bind_number(&binder, row->settled_ms);
    bind_number(&binder, row->waiting);
    bind_number(&binder, row->waiting_ms);
    bind_number(&binder, row->is_paused);
    bind_number(&binder, row->paused_until_ms);
    bind_string(&binder, row->reason);
    return state_run(state, &binder, "keeping a plan", NULL, err);
}

int state_put_alert(struct state *state, const struct alert_row *row, struct error *err)
{
    struct binder binder;

    if (row->is_gone)
        return drop_named(state, DROP_ALERTS, row->connector, "dropping alerts", err);
    binder = state_bind(state, PUT_ALERT);
    bind_string(&binder, row->connector);
    bind_number(&binder, row->cause);
    bind_number(&binder, row->is_raised);
    bind_number(&binder, row->value);
    bind_number(&binder, row->since_ms);
    bind_number(&binder, row->told_ms);
    bind_number(&binder, row->is_pending);
    bind_string(&binder, row->name);
    bind_string(&binder, row->body);
    return state_run(state, &binder, "keeping an alert", NULL, err);
}
