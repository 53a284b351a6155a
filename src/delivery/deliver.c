#include "delivery/deliver_internal.h"

#include "base/mem.h"
#include "delivery/retry.h"

#include <stdarg.h>
#include <string.h>

struct deliver *deliver_new(const struct deliver_settings *settings, const struct deliver_out *out)
{
    struct deliver *deliver = mem_alloc(sizeof *deliver);

    deliver->settings = *settings;
    deliver->workspace = mem_copy_string(settings->workspace != NULL ? settings->workspace : "");
    deliver->known_workspace = mem_copy_string(settings->known_workspace);
    deliver->out = *out;
    deliver->condition = TARGET_UNKNOWN;
    return deliver;
}

static void free_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        mem_free(batch->members[i].name);
        mem_free(batch->members[i].words);
    }
    mem_free(batch->members);
    mem_free(batch);
}

void deliver_free(struct deliver *deliver)
{
    if (deliver == NULL)
        return;
    for (size_t i = 0; i < deliver->count; i++)
        free_batch(deliver->batches[i]);
    mem_free(deliver->batches);
    mem_free(deliver->walk_map);
    mem_free(deliver->pages.places);
    deliver_removing_free(deliver);
    mem_free(deliver->refs);
    mem_free(deliver->workspace);
    mem_free(deliver->known_workspace);
    mem_free(deliver);
}

void deliver_begin(struct deliver *deliver, struct moment now)
{
    deliver->now = now;
}

void deliver_command(struct deliver *deliver, enum deliver_command_kind kind, int64_t batch, int64_t page, const char *track)
{
    struct deliver_command command = {
        .kind = kind, .after_commit = kind == DELIVER_INSERT || kind == DELIVER_DELETE, .batch = batch, .page = page, .track = track,
    };

    deliver->out.command(deliver->out.context, &command);
}

void deliver_command_page(struct deliver *deliver, int64_t page, int page_size, bool oldest_first)
{
    deliver->out.command(deliver->out.context, &(struct deliver_command){ .kind = DELIVER_LIST, .page = page, .page_size = page_size, .oldest_first = oldest_first });
}

void deliver_note(struct deliver *deliver, enum deliver_note note, int64_t stream, int64_t count)
{
    deliver->out.note(deliver->out.context, note, stream, count);
}

void deliver_notice(struct deliver *deliver, bool is_trouble, const char *format, ...)
{
    char words[600];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
    deliver->out.notice(deliver->out.context, is_trouble, words);
}

int64_t deliver_jitter(struct deliver *deliver, int attempt, int64_t first_ms, int64_t maximum_ms)
{
    return retry_wait_ms(attempt, first_ms, 2.0, maximum_ms, deliver->out.random(deliver->out.context));
}

/* ---- The start ---- */

int64_t deliver_load_wait(struct moment now, int64_t until_wall_ms, int64_t cap_ms)
{
    int64_t wait = until_wall_ms - now.wall_ms;

    if (until_wall_ms <= 0 || wait <= 0)
        return 0;
    return wait > cap_ms ? cap_ms : wait;
}

static enum batch_phase phase_of_state(enum batch_state state)
{
    switch (state) {
    case BATCH_READY:
        return PHASE_READY;
    case BATCH_SENDING:
        return PHASE_UNCLEAR;
    case BATCH_ACCEPTED:
        return PHASE_ACCEPTED;
    case BATCH_STORED:
        return PHASE_STORED;
    default:
        return PHASE_CLOSED;
    }
}

void deliver_load_batch(struct deliver *deliver, const struct batch_row *row, struct moment now)
{
    struct batch *batch = mem_alloc(sizeof *batch);
    int64_t stored_ago = now.wall_ms - row->changed_ms;

    deliver->now = now;
    batch->passes_mark = row->strikes > 0 ? deliver->accepted_inserts : -1;
    batch->row = *row;
    batch->row.members = 0;
    batch->phase = phase_of_state(row->state);
    batch->ready_mono = now.mono_ms + deliver_load_wait(now, row->not_before_ms, STORED_DEADLINE_CAP_MS);
    batch->poll_step = POLL_FIRST_MS;
    batch->poll_mono = batch->look_mono = now.mono_ms;
    batch->accepted_mono = batch->progress_mono = now.mono_ms;
    batch->stored_mono = now.mono_ms - (stored_ago > 0 ? stored_ago : 0);
    /* Whoever took it may have been killed since, as we were: one minute is enough to see that. */
    batch->deadline_mono = now.mono_ms + STORE_PATIENCE_MS;
    if (row->last_sent_ms > 0 && row->state == BATCH_SENDING) /* answered ones: nothing of them can arrive any more */
        batch->settle_mono = now.mono_ms + deliver_load_wait(now, row->last_sent_ms + deliver->settings.settle_ms, deliver->settings.settle_ms);
    deliver->batches = mem_grow(deliver->batches, deliver->count, &deliver->capacity, sizeof *deliver->batches);
    deliver->batches[deliver->count++] = batch;
}

void deliver_load_member(struct deliver *deliver, int64_t number, const struct deliver_memory *memory, struct moment now)
{
    struct batch *batch = deliver_find_batch(deliver, number);
    struct member *member;

    if (batch == NULL)
        return;
    deliver->now = now;
    member = deliver_add_member(deliver, batch, memory);
    /* Which dialect it is will show later: on 1.5 it waits in vain, but not for long. */
    if (batch->phase == PHASE_READY && member->settle_mono > batch->ready_mono)
        batch->ready_mono = member->settle_mono;
    batch->row.members = (int64_t)batch->count;
}

/* ---- The queue ---- */

static int64_t count_unreadable(const struct batch *batch)
{
    int64_t count = 0;

    for (size_t i = 0; batch->phase == PHASE_UNCLEAR && i < batch->count; i++)
        count += batch->members[i].is_unreadable ? 1 : 0;
    return count;
}

/* Not those that answered 500 and wait for their next try: that others pass them by is what tells whose fault it is. Nor those that wait for a
 * person. */
static int64_t count_unfinished(const struct deliver *deliver)
{
    int64_t unfinished = 0;

    for (size_t i = 0; i < deliver->count; i++) {
        const struct batch *batch = deliver->batches[i];
        if (batch->row.strikes == 0 || (batch->phase != PHASE_READY && batch->phase != PHASE_UNCLEAR))
            unfinished += (int64_t)batch->count - count_unreadable(batch);
    }
    return unfinished;
}

static bool has_ready_batch(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count; i++)
        if (deliver->batches[i]->phase == PHASE_READY && deliver->batches[i]->ready_mono <= deliver->now.mono_ms)
            return true;
    return false;
}

/* A batch is formed only when a whole one fits: else near the limit every finished document would send a batch of one. */
static int room_for(const struct deliver *deliver)
{
    int64_t unfinished = count_unfinished(deliver);
    int room = deliver->settings.batch_size;

    if (room > deliver->settings.max_unfinished)
        room = deliver->settings.max_unfinished;
    return unfinished > 0 && unfinished + room > deliver->settings.max_unfinished ? 0 : room;
}

int deliver_room(struct deliver *deliver, int64_t queued, bool more_coming, int64_t queued_since_mono, struct moment now)
{
    int room;

    deliver_begin(deliver, now);
    if (queued == 0 || deliver->is_draining || !deliver_may_insert(deliver) || has_ready_batch(deliver))
        return 0;
    room = room_for(deliver);
    if (more_coming && queued < room && now.mono_ms - queued_since_mono < LINGER_MS)
        return 0;
    return room;
}

void deliver_offer(struct deliver *deliver, const struct deliver_memory *memories, size_t count, struct moment now)
{
    struct batch *batch;
    struct change change = { .kind = CHANGE_MEMBERS };

    if (count == 0)
        return;
    deliver_begin(deliver, now);
    batch = deliver_new_batch(deliver);
    for (size_t i = 0; i < count; i++) {
        const struct member *member = deliver_add_member(deliver, batch, &memories[i]);
        if (member->settle_mono > batch->ready_mono && deliver->dialect == SINK_14)
            batch->ready_mono = member->settle_mono;
        if (i >= deliver->ref_capacity)
            deliver->refs = mem_grow(deliver->refs, i, &deliver->ref_capacity, sizeof *deliver->refs);
        deliver->refs[i] = (struct member_ref){ memories[i].seq, memories[i].stream };
    }
    change.members = deliver->refs;
    change.member_count = count;
    change.members_from = MEMORY_QUEUED;
    change.members_to = MEMORY_FLYING;
    change.members_batch = batch->row.batch;
    deliver->out.change(deliver->out.context, &change);
    deliver_send_due(deliver);
    deliver_flush(deliver);
}

/* ---- Time ---- */

void deliver_tick(struct deliver *deliver, struct moment now)
{
    deliver_begin(deliver, now);
    deliver_probe_due(deliver);
    if (deliver->condition == TARGET_WELL) {
        deliver_removing_due(deliver);
        deliver_look_due(deliver);
        deliver_send_due(deliver);
        deliver_poll_due(deliver);
        deliver_kick_due(deliver);
    }
    deliver_flush(deliver);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t batch_next(const struct deliver *deliver, const struct batch *batch)
{
    switch (batch->phase) {
    case PHASE_READY:
        if (deliver->is_draining || !deliver_could_insert(deliver))
            return NEVER_MONO;
        return batch->ready_mono > deliver->insert_hold_mono ? batch->ready_mono : deliver->insert_hold_mono;
    case PHASE_UNCLEAR:
        return deliver->is_walking || deliver_removing_is_deleting(deliver) ? NEVER_MONO : batch->look_mono;
    case PHASE_ACCEPTED:
    case PHASE_STORED:
        return batch->is_polling || deliver->polls_in_flight >= POLLS_IN_FLIGHT ? NEVER_MONO : batch->poll_mono;
    default:
        return NEVER_MONO;
    }
}

int64_t deliver_next_mono(const struct deliver *deliver)
{
    int64_t next = NEVER_MONO;

    if (deliver->condition != TARGET_WELL)
        return deliver->is_probing ? NEVER_MONO : deliver->probe_mono;
    for (size_t i = 0; i < deliver->count; i++)
        next = least(next, batch_next(deliver, deliver->batches[i]));
    next = least(next, deliver_removing_next(deliver));
    if ((deliver->wants_sweep || deliver->wants_cleaning) && !deliver->is_walking && !deliver_removing_is_deleting(deliver))
        next = deliver->now.mono_ms;
    if (deliver->insert_hold_mono > deliver->now.mono_ms)
        next = least(next, deliver->insert_hold_mono);
    return next;
}

/* ---- What is in it ---- */

void deliver_drain(struct deliver *deliver, bool draining)
{
    deliver->is_draining = draining;
}

bool deliver_is_unreadable(const struct deliver *deliver, int64_t seq)
{
    for (size_t i = 0; i < deliver->removal_count; i++)
        if (deliver->removals[i].seq == seq)
            return deliver->removals[i].is_unreadable;
    for (size_t i = 0; i < deliver->count; i++)
        for (size_t k = 0; deliver->batches[i]->phase == PHASE_UNCLEAR && k < deliver->batches[i]->count; k++)
            if (deliver->batches[i]->members[k].seq == seq)
                return deliver->batches[i]->members[k].is_unreadable;
    return false;
}

void deliver_summarise(const struct deliver *deliver, struct deliver_summary *ret_summary)
{
    struct deliver_summary summary = {
        .condition = deliver->condition,
        .dialect = deliver->dialect,
        .failures = deliver->failures,
        .insert_marks = deliver->insert_marks,
        .busy_since_mono = deliver->busy_since_mono,
        .busy_told_ms = deliver->busy_told_ms,
        .inserts_in_flight = deliver->inserts_in_flight,
        .requests_in_flight = deliver->inserts_in_flight + deliver->polls_in_flight + (deliver->is_probing ? 1 : 0) +
                              (deliver->is_walking ? 1 : 0) + (deliver->is_asking_pipeline ? 1 : 0) + (deliver->is_reprocessing ? 1 : 0) +
                              (deliver->removing == REMOVING_DELETING ? 1 : 0),
        .removing = (int64_t)deliver->removal_count,
        .removing_since_mono = deliver->removing == REMOVING_WAIT_IDLE ? deliver->removing_since_mono : 0,
        .restarts = deliver->restarts,
        .is_full = room_for(deliver) == 0,
        .is_sweeping = deliver->wants_sweep || deliver->is_sweeping,
    };

    if (deliver->stall_since_mono > 0 && deliver_is_stalled(deliver)) {
        summary.stalled_since_mono = deliver->stall_since_mono;
        summary.stalled_until_mono = deliver->stall_seen_mono;
    }
    for (size_t i = 0; i < deliver->removal_count; i++)
        summary.unreadable += deliver->removals[i].is_unreadable ? 1 : 0;
    for (size_t i = 0; i < deliver->count; i++) {
        int64_t count = (int64_t)deliver->batches[i]->count;
        summary.unreadable += count_unreadable(deliver->batches[i]);
        switch (deliver->batches[i]->phase) {
        case PHASE_READY:
            summary.ready += count;
            break;
        case PHASE_SENDING:
            summary.sending += count;
            break;
        case PHASE_UNCLEAR:
            summary.unclear += count;
            break;
        case PHASE_ACCEPTED:
            summary.accepted += count;
            break;
        case PHASE_STORED:
            summary.stored += count;
            break;
        default:
            break;
        }
    }
    summary.not_stored = summary.ready + summary.sending + summary.unclear + summary.accepted;
    memcpy(summary.insert_words, deliver->insert_words, sizeof summary.insert_words);
    memcpy(summary.version, deliver->version, sizeof summary.version);
    memcpy(summary.workspace, deliver->seen_workspace, sizeof summary.workspace);
    memcpy(summary.words, deliver->words, sizeof summary.words);
    *ret_summary = summary;
}

size_t deliver_batch_size(const struct deliver *deliver, int64_t number)
{
    const struct batch *batch = deliver_find_batch(deliver, number);

    return batch == NULL ? 0 : batch->count;
}

void deliver_batch_member(const struct deliver *deliver, int64_t number, size_t index, struct deliver_memory *ret_memory)
{
    const struct batch *batch = deliver_find_batch(deliver, number);
    const struct member *member = &batch->members[index];

    *ret_memory = (struct deliver_memory){
        .seq = member->seq, .stream = member->stream, .name = member->name, .attempts = member->attempts, .text_size = member->text_size,
    };
    memcpy(ret_memory->mark, member->mark, sizeof ret_memory->mark);
}

void deliver_count_stream(const struct deliver *deliver, int64_t stream, int64_t *ret_not_stored, int64_t *ret_stored, int64_t *ret_removing)
{
    int64_t not_stored = 0;
    int64_t stored = 0;
    int64_t removing = 0;

    for (size_t i = 0; i < deliver->removal_count; i++)
        removing += deliver->removals[i].stream == stream ? 1 : 0;
    for (size_t i = 0; i < deliver->count; i++) {
        const struct batch *batch = deliver->batches[i];
        for (size_t k = 0; k < batch->count; k++) {
            if (batch->members[k].stream != stream)
                continue;
            if (batch->phase == PHASE_STORED)
                stored++;
            else
                not_stored++;
        }
    }
    *ret_not_stored = not_stored;
    *ret_stored = stored;
    *ret_removing = removing;
}

void deliver_each_member(const struct deliver *deliver, void (*each)(void *context, int64_t seq), void *context)
{
    for (size_t i = 0; i < deliver->count; i++)
        for (size_t k = 0; k < deliver->batches[i]->count; k++)
            each(context, deliver->batches[i]->members[k].seq);
}
