/* engine_target.c - a target as a running thing: what its machine says becomes rows and orders, what the state holds is given to the machine. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Into engine->name. */
static void name_document(struct engine *engine, const struct memory_row *row)
{
    const struct stream_run *stream = engine_find_stream(engine, row->stream);

    text_clear(&engine->name);
    if (row->name.size > 0)
        (void)text_append_bytes(&engine->name, row->name.data, row->name.size);
    else
        identity_document_name(&engine->name, stream != NULL ? stream->source : "", stream != NULL ? stream->context : "", row->id);
}

static bool replaces(const struct engine *engine, const struct stream_run *stream)
{
    return stream != NULL && stream->connector != SIZE_MAX && engine->settings->connectors[stream->connector].replaces;
}

void target_remove(struct target_run *target, const struct memory_row *row)
{
    struct deliver_removal removal = {
        .seq = row->seq, .stream = row->stream, .wanted = row->wanted, .settle_until_ms = row->settle_until_ms,
        .first_sent_server_ms = target_first_sent_ms(target, row),
    };

    name_document(target->engine, row);
    removal.name = target->engine->name.data;
    deliver_remove(target->deliver, &removal, target->engine->now);
}

/* ---- What the machine says ---- */

static void on_change(void *context, const struct change *change)
{
    struct target_run *target = context;
    struct engine *engine = target->engine;

    engine_apply(engine, change);
    if (change->kind == CHANGE_DEAD_LETTER) {
        struct memory_row row;
        struct error err = { 0 };
        struct slice id = { "", 0 };
        if (change->letter->seq != 0 && state_get_memory(engine->state, change->letter->seq, &row, &err) > 0)
            id = row.id;
        engine_letter_event(engine, change->letter, id);
    }
}

/* A text that is proven is given up where the configuration says so. */
static void give_up_texts(struct engine *engine, const struct change *change)
{
    static const struct slice nothing = { "", 0 };

    for (size_t i = 0; i < change->member_count; i++) {
        struct memory_row row;
        struct error err = { 0 };
        if (state_get_memory(engine->state, change->members[i].seq, &row, &err) <= 0)
            continue;
        row.text_size = 0;
        engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_DONE, .text = &nothing });
    }
}

static void on_machine_change(void *context, const struct change *change)
{
    struct target_run *target = context;

    on_change(target, change);
    if (change->kind == CHANGE_MEMBERS && change->members_to == MEMORY_DONE && !target->engine->settings->keep_texts)
        give_up_texts(target->engine, change);
}

/* Gone from the server, and its text was given up: only a listing can bring it back. Named until then. */
void target_lose(struct target_run *target, struct memory_row *row, enum memory_state from)
{
    static const struct slice nothing = { "", 0 };
    struct engine *engine = target->engine;
    struct dead_letter letter = {
        .letter = state_next_letter(engine->state), .dead_class = DEAD_LOST, .stream = row->stream, .seq = row->seq, .attempts = 1, .times = 1,
        .words = "LightRAG lost it, and its text was given up here (state.keep_texts: unfinished)",
        .first_ms = engine->now.wall_ms, .last_ms = engine->now.wall_ms, .position = -1, .length = -1,
    };

    row->state = MEMORY_SKIPPED;
    row->wanted = WANTED_NOTHING;
    row->text_size = 0;
    row->attempts = SKIP_LOST;
    memset(row->revision, 0, sizeof row->revision); /* whatever a listing shows is new */
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = row, .from = from, .text = &nothing });
    on_change(target, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
}

/* Its rows are to go. A revision that waited takes the place, text and all; the machine looks only for rows of other revisions. */
static void begin_removal(struct target_run *target, struct memory_row *row, enum memory_state from)
{
    struct engine *engine = target->engine;
    struct slice text;
    struct error err = { 0 };
    int found = 0;

    text_clear(&engine->text);
    if (row->wanted != WANTED_GONE)
        found = state_get_newer(engine->state, row->seq, row->revision, &engine->text, &err);
    if (found < 0) {
        engine_break(engine, &err);
        return;
    }
    if (row->wanted == WANTED_NOTHING)
        row->wanted = WANTED_NEWER; /* the server holds another revision than the one that we have */
    text = (struct slice){ engine->text.data, engine->text.size };
    if (found > 0)
        row->text_size = (int64_t)text.size;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = row, .from = from, .text = found > 0 ? &text : NULL });
    if (found > 0)
        engine_apply(engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = row->seq });
    target_remove(target, row);
}

/* Nothing of it is left at the server, or its own revision is there. */
static void end_removal(struct target_run *target, struct memory_row *row, const struct member_change *facts)
{
    static const struct slice nothing = { "", 0 };
    bool is_gone = facts->to == MEMORY_GONE;

    row->wanted = WANTED_NOTHING;
    if (facts->batch != 0)
        row->batch = facts->batch;
    row->not_before_ms = 0;
    if (is_gone)
        row->text_size = 0;
    if (facts->to == MEMORY_QUEUED && row->text_size == 0) {
        target_lose(target, row, MEMORY_REMOVING);
        return;
    }
    engine_apply(target->engine, &(struct change){
        .kind = CHANGE_MEMORY_SET, .memory = row, .from = MEMORY_REMOVING, .text = is_gone ? &nothing : NULL });
}

static void on_member(void *context, const struct member_change *facts)
{
    struct target_run *target = context;
    struct memory_row row;
    struct error err = { 0 };

    if (state_get_memory(target->engine->state, facts->seq, &row, &err) <= 0) {
        if (err.kind == ERROR_NONE)
            (void)error_set(&err, ERROR_IO, "state: memory %lld is not there", (long long)facts->seq);
        engine_break(target->engine, &err);
        return;
    }
    row.state = facts->to;
    if (facts->attempts >= 0)
        row.attempts = facts->attempts;
    if (facts->settle_until_ms >= 0)
        row.settle_until_ms = facts->settle_until_ms;
    if (facts->to == MEMORY_SKIPPED)
        target_lose(target, &row, facts->from);
    else if (facts->from == MEMORY_REMOVING && facts->to == MEMORY_REMOVING)
        engine_apply(target->engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_REMOVING });
    else if (facts->to == MEMORY_REMOVING)
        begin_removal(target, &row, facts->from);
    else if (facts->from == MEMORY_REMOVING)
        end_removal(target, &row, facts);
    else
        engine_apply(target->engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = facts->from });
}

static void on_sweep_row(void *context, const struct sink_row *row)
{
    audit_on_row(context, row);
}

static void on_swept(void *context, bool is_complete, const struct deliver_hidden *hidden, size_t hidden_count)
{
    audit_on_end(context, is_complete, hidden, hidden_count);
}

static bool owns(void *context, const char *name)
{
    struct target_run *target = context;
    const struct stream_run *stream;
    struct memory_row row;

    if (!target_find_name(target, name, &row))
        return false;
    stream = engine_find_stream(target->engine, row.stream);
    return stream == NULL || !engine_is_succeeded(target->engine, stream);
}

static void on_command(void *context, const struct deliver_command *command)
{
    struct target_run *target = context;

    target->pending = mem_grow(target->pending, target->pending_count, &target->pending_capacity, sizeof *target->pending);
    target->pending[target->pending_count].command = *command;
    (void)snprintf(target->pending[target->pending_count].track, TRACK_SIZE, "%s", command->track != NULL ? command->track : "");
    target->pending_count++;
}

static void on_note(void *context, enum deliver_note note, int64_t stream, int64_t count)
{
    struct target_run *target = context;

    run_note(target->engine, note, stream, count);
}

static void on_notice(void *context, bool is_trouble, const char *words)
{
    struct target_run *target = context;
    const char *name = target->engine->settings->targets[target->index].name;

    log_line(is_trouble ? LOG_WARN : LOG_INFO, "target", name, "%s", words);
    engine_notice(target->engine, words);
}

static int64_t next_batch(void *context)
{
    struct target_run *target = context;

    return state_next_batch(target->engine->state);
}

static int64_t next_letter(void *context)
{
    struct target_run *target = context;

    return state_next_letter(target->engine->state);
}

static uint64_t next_random(void *context)
{
    struct target_run *target = context;

    return target->engine->world->random(target->engine->world->self);
}

/* ---- The start ---- */

struct loading {
    struct target_run *target;
    struct deliver_memory *memories; /* names owned */
    size_t count, capacity;
    struct batch_row *batches;
    size_t batch_count, batch_capacity;
};

static void read_memory(struct loading *loading, const struct memory_row *row)
{
    struct engine *engine = loading->target->engine;
    struct deliver_memory *memory;

    loading->memories = mem_grow(loading->memories, loading->count, &loading->capacity, sizeof *loading->memories);
    memory = &loading->memories[loading->count++];
    *memory = (struct deliver_memory){
        .seq = row->seq, .stream = row->stream, .attempts = row->attempts, .settle_until_ms = row->settle_until_ms, .text_size = row->text_size,
        .wanted = row->wanted, .replaces = replaces(engine, engine_find_stream(engine, row->stream)),
    };
    identity_revision_mark(row->revision, memory->mark);
    name_document(engine, row);
    memory->name = mem_copy_bytes(engine->name.data, engine->name.size);
}

void target_take_up(struct target_run *target, const struct memory_row *row)
{
    struct loading loading = { .target = target };

    read_memory(&loading, row);
    loading.memories[0].wanted = WANTED_NOTHING;
    loading.memories[0].first_sent_server_ms = target_first_sent_ms(target, row);
    deliver_take_up(target->deliver, loading.memories, 1, row->state, target->engine->now);
    mem_free((void *)(uintptr_t)loading.memories[0].name);
    mem_free(loading.memories);
}

static bool on_row(void *context, const struct memory_row *row)
{
    read_memory(context, row);
    return true;
}

static bool on_batch(void *context, const struct batch_row *row)
{
    struct loading *loading = context;

    loading->batches = mem_grow(loading->batches, loading->batch_count, &loading->batch_capacity, sizeof *loading->batches);
    loading->batches[loading->batch_count++] = *row;
    return true;
}

static bool on_removing(void *context, const struct memory_row *row)
{
    target_remove(context, row);
    return true;
}

static void forget_memories(struct loading *loading)
{
    for (size_t i = 0; i < loading->count; i++)
        mem_free((void *)(uintptr_t)loading->memories[i].name);
    loading->count = 0;
}

static int load_batches(struct target_run *target, struct error *err)
{
    struct loading loading = { .target = target };
    int result = state_each_open_batch(target->engine->state, target->row.target, on_batch, &loading, err);

    for (size_t i = 0; result == 0 && i < loading.batch_count; i++) {
        result = state_each_member(target->engine->state, loading.batches[i].batch, on_row, &loading, err);
        deliver_load_batch(target->deliver, &loading.batches[i], target->engine->now);
        for (size_t k = 0; k < loading.count; k++)
            deliver_load_member(target->deliver, loading.batches[i].batch, &loading.memories[k], target->engine->now);
        forget_memories(&loading);
    }
    mem_free(loading.memories);
    mem_free(loading.batches);
    if (result == 0)
        result = state_each_removing(target->engine->state, target->row.target, on_removing, target, err);
    return result;
}

/* ---- Its account ---- */

static void keep_refusal(void *owner, const struct account_refusal *refusal)
{
    const struct target_run *target = owner;
    const struct { enum mark_kind kind; int64_t value; } marks[] = {
        { MARK_LOGIN_REFUSED_MS, refusal->at_ms }, { MARK_LOGIN_REFUSED, refusal->tag },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(marks) && !target->engine->is_broken; i++)
        engine_apply(target->engine, &(struct change){
            .kind = CHANGE_MARK, .mark_owner = target->row.target, .mark_kind = marks[i].kind, .mark_value = marks[i].value });
}

static int open_account(struct target_run *target, const struct engine_target *settings, struct error *err)
{
    struct engine *engine = target->engine;
    struct account_refusal refusal;

    account_free(target->account); /* of a start that failed */
    target->sink = settings->sink;
    target->account = account_new(engine->world->http, engine->world, &target->sink, settings->name);
    if (!account_is_used(&target->sink))
        return 0;
    if (state_get_mark(engine->state, target->row.target, MARK_LOGIN_REFUSED_MS, &refusal.at_ms, err) < 0 ||
        state_get_mark(engine->state, target->row.target, MARK_LOGIN_REFUSED, &refusal.tag, err) < 0)
        return -1;
    account_recall(target->account, &refusal);
    account_on_refusal(target->account, keep_refusal, target);
    return 0;
}

int target_start(struct engine *engine, struct target_run *target, int slots, struct error *err)
{
    const struct engine_target *settings = &engine->settings->targets[target->index];
    int64_t settle = settings->settle_ms > 0 ? settings->settle_ms : settings->sink.timeout_ms + 30 * 1000;
    const struct engine_connector *connector = NULL;
    struct deliver_out out = {
        .context = target, .change = on_machine_change, .member = on_member, .command = on_command, .note = on_note, .notice = on_notice,
        .next_batch = next_batch, .next_letter = next_letter, .random = next_random, .sweep_row = on_sweep_row, .swept = on_swept,
        .owns = owns,
    };
    struct deliver_settings machine;

    for (size_t i = 0; i < engine->settings->connector_count && connector == NULL; i++)
        if (engine->settings->connectors[i].target == target->index)
            connector = &engine->settings->connectors[i];
    machine = (struct deliver_settings){
        .target = target->row.target,
        .batch_size = settings->batch_size,
        .batch_bytes = BATCH_BYTES,
        .max_unfinished = settings->max_unfinished,
        .slots = slots,
        .poll_interval_ms = settings->poll_interval_ms,
        .kick_interval_ms = settings->kick_interval_ms,
        .kick = settings->kick,
        .give_up_after_ms = settings->give_up_after_ms,
        .settle_ms = settings->settle_ms > 0 ? settle : settle < 60 * 1000 ? 60 * 1000 : settle,
        .delete_settle_ms = settings->settle_ms > 0 ? settings->settle_ms : DELETE_SETTLE_MS,
        .max_attempts = connector != NULL ? connector->max_attempts : 3,
        .backoff_multiplier = connector != NULL ? connector->backoff_multiplier : 2.0,
        .max_backoff_ms = connector != NULL ? connector->max_backoff_ms : 60 * 1000,
        .workspace = settings->workspace,
        .known_workspace = target->workspace_is_known && !engine->accepts_target ? target->workspace : NULL,
    };
    if (open_account(target, settings, err) < 0)
        return -1;
    target->deliver = deliver_new(&machine, &out);
    return load_batches(target, err) < 0 || engine_look_for_curable(target, err) < 0 ? -1 : 0;
}

void target_done(struct target_run *target)
{
    for (size_t i = 0; i < target->call_count; i++) {
        if (target->calls[i]->is_busy)
            http_cancel(account_http(target->account), target->calls[i]->id);
        sink_storage_done(&target->calls[i]->storage);
        mem_free(target->calls[i]);
    }
    audit_free(target->audit);
    target_drop_names(target);
    mem_free(target->calls);
    mem_free(target->pending);
    deliver_free(target->deliver);
    account_free(target->account);
}

/* ---- The queue ---- */

static void offer(struct target_run *target, bool more_coming)
{
    struct engine *engine = target->engine;
    struct loading loading = { .target = target };
    struct error err = { 0 };
    int room;

    if (target->queued == 0 || target->queue_hold_mono > engine->now.mono_ms)
        return;
    room = deliver_room(target->deliver, target->queued, more_coming, target->queued_since_mono, engine->now);
    while (room > 0 && !engine->is_broken) {
        if (state_each_queued(engine->state, target->row.target, engine->now.wall_ms, (size_t)room, BATCH_BYTES, on_row, &loading, &err) < 0) {
            engine_break(engine, &err);
            break;
        }
        if (loading.count == 0) {
            target->queue_hold_mono = engine->now.mono_ms + 1000; /* all of them wait for their time */
            break;
        }
        deliver_offer(target->deliver, loading.memories, loading.count, engine->now);
        forget_memories(&loading);
        room = deliver_room(target->deliver, target->queued, more_coming, target->queued_since_mono, engine->now);
    }
    forget_memories(&loading);
    mem_free(loading.memories);
}

void target_step(struct target_run *target, bool more_coming)
{
    audit_step(target);
    deliver_tick(target->deliver, target->engine->now);
    if (!engine_is_stopping(target->engine))
        offer(target, more_coming);
}

int64_t target_next_mono(const struct target_run *target)
{
    int64_t next = deliver_next_mono(target->deliver);

    /* A small batch waits a little to grow; the loop comes by to see. */
    if (target->queued > 0 && target->queued_since_mono + COMMIT_AFTER_MS > target->engine->now.mono_ms &&
        target->queued_since_mono + COMMIT_AFTER_MS < next)
        next = target->queued_since_mono + COMMIT_AFTER_MS;
    return next;
}
