/* deliver_rows.c - polling: the rows of a track id, until every one of them is there, then until every one is final. */
#include "delivery/deliver_internal.h"

#include "base/mem.h"
#include "delivery/retry.h"

#include <string.h>

/* ---- Which batch is asked ---- */

static bool is_pollable(const struct deliver *deliver, const struct batch *batch)
{
    return (batch->phase == PHASE_ACCEPTED || batch->phase == PHASE_STORED) && !batch->is_polling && batch->poll_mono <= deliver->now.mono_ms;
}

static struct batch *next_in_rotation(const struct deliver *deliver)
{
    struct batch *first = NULL;

    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        if (!is_pollable(deliver, batch))
            continue;
        if (batch->row.batch > deliver->rotation)
            return batch;
        if (first == NULL)
            first = batch;
    }
    return first;
}

static bool oldest_is_asked(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count; i++) {
        const struct batch *batch = deliver->batches[i];
        if (batch->phase == PHASE_ACCEPTED || batch->phase == PHASE_STORED)
            return batch->is_polling;
    }
    return true;
}

static void poll_batch(struct deliver *deliver, struct batch *batch)
{
    batch->is_polling = true;
    deliver->polls_in_flight++;
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].is_seen = false;
    batch->cursor = 0;
    deliver_command(deliver, DELIVER_TRACK, batch->row.batch, 0, batch->row.track);
}

void deliver_poll_due(struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count && deliver->polls_in_flight < POLLS_IN_FLIGHT && !oldest_is_asked(deliver); i++) {
        struct batch *batch = deliver->batches[i];
        if (batch->phase != PHASE_ACCEPTED && batch->phase != PHASE_STORED)
            continue;
        if (is_pollable(deliver, batch))
            poll_batch(deliver, batch);
        break; /* only the oldest here */
    }
    while (deliver->polls_in_flight < POLLS_IN_FLIGHT) {
        struct batch *batch = next_in_rotation(deliver);
        if (batch == NULL)
            break;
        deliver->rotation = batch->row.batch;
        poll_batch(deliver, batch);
    }
}

/* ---- What a row says ---- */

static enum sighting judge_row(const struct member *member, const struct sink_row *row)
{
    if (row->dup == SINK_DUP_FILENAME)
        return SEEN_DUP_FILENAME;
    if (row->dup == SINK_DUP_CONTENT)
        return SEEN_DUP_CONTENT;
    if (!row->has_mark)
        return SEEN_FOREIGN;
    if (strcmp(row->mark, member->mark) != 0)
        return SEEN_OTHER_REVISION;
    if (row->status == SINK_ROW_FAILED)
        return SEEN_FAILED;
    if (row->status == SINK_ROW_UNFINISHED)
        return SEEN_UNFINISHED;
    return row->chunks > 0 ? SEEN_PROCESSED : SEEN_EMPTY;
}

static struct member *find_member(struct batch *batch, const char *name)
{
    for (size_t i = 0; i < batch->count; i++) {
        size_t index = (batch->cursor + i) % batch->count;
        if (strcmp(batch->members[index].name, name) == 0) {
            batch->cursor = index + 1;
            return &batch->members[index];
        }
    }
    return NULL;
}

static void keep_words(struct member *member, const char *words)
{
    mem_free(member->words);
    member->words = mem_copy_string(words);
}

/* 1.5 writes the vectors of several documents together: one that the model refuses fails those that come after it, until it is tried again
 * with success. What such a row says is no fault of its document. */
bool deliver_is_neighbours_failure(const struct sink_row *row)
{
    static const char *const words[] = { "index flush failed", "Cancelled by internal error", "User cancelled" };

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strstr(row->error_words, words[i]) != NULL)
            return true;
    return false;
}

static void count_failure(struct deliver *deliver, struct member *member, const struct sink_row *row)
{
    struct member_change facts = {
        .seq = member->seq, .stream = member->stream, .from = MEMORY_FLYING, .to = MEMORY_FLYING, .settle_until_ms = -1,
    };
    bool is_counted_by_an_earlier_process = !member->failure_is_known && member->attempts > 0;

    if (member->failure_is_known && member->failed_updated_ms == row->updated_ms)
        return;
    member->failure_is_known = true;
    member->failed_updated_ms = row->updated_ms;
    member->waits_for_retry = true;
    keep_words(member, row->error_words);
    if (deliver_is_neighbours_failure(row)) {
        member->neighbours_failures++;
        /* Tried again in vain: the one at fault may be dead here since an earlier process, and its row still there. */
        if (member->neighbours_failures % 2 == 0 && deliver->dialect == SINK_15)
            deliver->wants_cleaning = true;
        member->retry_mono = deliver->now.mono_ms + retry_wait_ms(member->neighbours_failures, 1000, deliver->settings.backoff_multiplier,
                                                                  deliver->settings.max_backoff_ms, deliver->out.random(deliver->out.context));
        return;
    }
    if (!is_counted_by_an_earlier_process) {
        member->attempts++;
        facts.attempts = member->attempts;
        deliver->out.member(deliver->out.context, &facts);
    }
    member->retry_mono = deliver->now.mono_ms + retry_wait_ms(member->attempts, 1000, deliver->settings.backoff_multiplier,
                                                              deliver->settings.max_backoff_ms, deliver->out.random(deliver->out.context));
}

void deliver_on_track_row(struct deliver *deliver, int64_t number, const struct sink_row *row)
{
    struct batch *batch = deliver_find_batch(deliver, number);
    struct member *member;
    enum sighting sighting;

    if (batch == NULL || !batch->is_polling || batch->count == 0)
        return;
    member = find_member(batch, row->name);
    if (member == NULL)
        return;
    sighting = judge_row(member, row);
    /* Two rows of one name under one track id: the one that is ours counts, a dup- row says nothing then. */
    if (member->is_seen && sighting > SEEN_EMPTY)
        return;
    member->is_seen = true;
    member->sighting = sighting;
    if (sighting == SEEN_FAILED)
        (void)snprintf(member->row_id, sizeof member->row_id, "%.*s", strlen(row->id) < sizeof member->row_id ? (int)strlen(row->id) : 0, row->id);
    if (sighting == SEEN_FAILED && batch->phase == PHASE_STORED)
        count_failure(deliver, member, row);
    else if (sighting == SEEN_FAILED)
        keep_words(member, row->error_words);
}

/* ---- What the whole answer means ---- */

void deliver_become_stored(struct deliver *deliver, struct batch *batch)
{
    deliver_set_phase(deliver, batch, PHASE_STORED);
    batch->stored_mono = batch->progress_mono = deliver->now.mono_ms;
    batch->kicks = 0;
    deliver_note_members(deliver, batch, NOTE_STORED);
}

static void look_up_picked(struct deliver *deliver, struct batch *batch)
{
    bool was_stored = batch->phase == PHASE_STORED;
    struct batch *part = deliver_split(deliver, batch, PHASE_UNCLEAR);

    if (part == NULL)
        return;
    if (was_stored)
        deliver_note_members(deliver, part, NOTE_UNSTORED);
    deliver_start_look_up(deliver, part, true);
}

static bool pick_missing(struct batch *batch)
{
    bool any = false;

    for (size_t i = 0; i < batch->count; i++) {
        batch->members[i].picked = !batch->members[i].is_seen;
        any = any || batch->members[i].picked;
    }
    return any;
}

static void judge_storing(struct deliver *deliver, struct batch *batch)
{
    bool is_missing = pick_missing(batch);
    enum batch_event event = BATCH_ROWS_ALL;

    if (is_missing) {
        if (deliver->now.mono_ms < batch->deadline_mono)
            return;
        event = BATCH_DEADLINE;
    }
    if (deliver_step(batch, event)->action == BATCH_DO_SPLIT_MISSING)
        look_up_picked(deliver, batch);
    else if (deliver->now.mono_ms - batch->accepted_mono > deliver->store_time_ms)
        deliver->store_time_ms = deliver->now.mono_ms - batch->accepted_mono;
    if (batch->count > 0)
        deliver_become_stored(deliver, batch);
}

static enum member_action action_of(const struct batch *batch, const struct member *member)
{
    return sighting_table[batch->phase][member->is_seen ? member->sighting : SEEN_NOT].action;
}

static void kill_failed(struct deliver *deliver, struct batch *batch)
{
    for (size_t i = 0; i < batch->count;) {
        struct member *member = &batch->members[i];
        char words[500];
        if (action_of(batch, member) == MEMBER_DEAD_CONTENT) {
            deliver_kill(deliver, batch, i, DEAD_CONTENT, 0, "LightRAG holds the same content under another name");
            continue;
        }
        if (action_of(batch, member) != MEMBER_FAILED) {
            i++;
            continue;
        }
        if (member->wanted != WANTED_NOTHING) { /* no use in trying again what is to be replaced */
            deliver_turn_over(deliver, batch, i);
            continue;
        }
        if (member->sighting == SEEN_EMPTY) {
            deliver_kill(deliver, batch, i, DEAD_PROCESSING_FAILED, 0, "LightRAG says processed, but made no chunk of it");
            continue;
        }
        if (member->neighbours_failures >= NEIGHBOURS_MAXIMUM) {
            (void)snprintf(words, sizeof words, "LightRAG cannot write its index (%.300s): another document that its model refuses may be the cause",
                           member->words);
            deliver_kill(deliver, batch, i, DEAD_STUCK, 0, words);
            continue;
        }
        if (member->attempts < deliver->settings.max_attempts) {
            i++;
            continue;
        }
        /* 1.5: as long as its row is there, it fails what comes after it. A retry finds it absent, and sends it again. */
        if (deliver->dialect == SINK_15 && member->row_id[0] != '\0')
            deliver_remove_failed_row(deliver, member->row_id, member->name);
        (void)snprintf(words, sizeof words, "%s", member->words != NULL && member->words[0] != '\0' ? member->words : "processing failed without a word");
        deliver_kill(deliver, batch, i, DEAD_PROCESSING_FAILED, 0, words);
    }
}

static void kill_stuck(struct deliver *deliver, struct batch *batch)
{
    if (deliver->now.mono_ms - batch->stored_mono < deliver->settings.give_up_after_ms || batch->kicks < STUCK_KICKS)
        return;
    for (size_t i = 0; i < batch->count;) {
        if (batch->members[i].is_seen && batch->members[i].sighting == SEEN_UNFINISHED)
            deliver_kill(deliver, batch, i, DEAD_STUCK, 0, "stored, but never processed, although the pipeline was idle and was kicked");
        else
            i++;
    }
}

static bool note_progress(struct deliver *deliver, struct batch *batch)
{
    bool moved = false;

    for (size_t i = 0; i < batch->count; i++) {
        struct member *member = &batch->members[i];
        enum sighting sighting = member->is_seen ? member->sighting : SEEN_NOT;
        if (sighting != member->last_sighting)
            moved = true;
        member->last_sighting = sighting;
    }
    if (moved) {
        batch->progress_mono = deliver->now.mono_ms;
        deliver_note_life(deliver);
    }
    return moved;
}

static void judge_stored(struct deliver *deliver, struct batch *batch)
{
    deliver_pick_none(batch);
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].picked = action_of(batch, &batch->members[i]) == MEMBER_DONE;
    deliver_settle_picked(deliver, batch);
    kill_failed(deliver, batch);
    kill_stuck(deliver, batch);
    deliver_pick_none(batch);
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].picked = action_of(batch, &batch->members[i]) == MEMBER_LOOK_UP;
    look_up_picked(deliver, batch);
}

static void judge_accepted(struct deliver *deliver, struct batch *batch)
{
    for (size_t i = 0; i < batch->count;) {
        if (action_of(batch, &batch->members[i]) == MEMBER_DEAD_CONTENT)
            deliver_kill(deliver, batch, i, DEAD_CONTENT, 0, "LightRAG holds the same content under another name");
        else
            i++;
    }
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].picked = action_of(batch, &batch->members[i]) == MEMBER_LOOK_UP;
    look_up_picked(deliver, batch);
    if (batch->count > 0)
        judge_storing(deliver, batch);
}

static void plan_next_poll(struct deliver *deliver, struct batch *batch, bool moved)
{
    batch->poll_step = moved ? batch->poll_step / 2 : batch->poll_step * 2;
    if (batch->poll_step < POLL_FIRST_MS)
        batch->poll_step = POLL_FIRST_MS;
    if (batch->poll_step > deliver->settings.poll_interval_ms)
        batch->poll_step = deliver->settings.poll_interval_ms;
    batch->poll_mono = deliver->now.mono_ms + batch->poll_step;
}

void deliver_on_track(struct deliver *deliver, int64_t number, const struct sink_verdict *verdict, struct moment now)
{
    struct batch *batch = deliver_find_batch(deliver, number);
    bool moved;

    deliver_begin(deliver, now);
    deliver->polls_in_flight--;
    deliver_judge_target(deliver, verdict);
    if (batch == NULL || !batch->is_polling)
        return;
    batch->is_polling = false;
    if (verdict->scope != SINK_WELL) {
        plan_next_poll(deliver, batch, false);
        deliver_flush(deliver);
        return;
    }
    moved = note_progress(deliver, batch);
    if (batch->phase == PHASE_ACCEPTED)
        judge_accepted(deliver, batch);
    if (batch->phase == PHASE_STORED)
        judge_stored(deliver, batch);
    deliver_close_if_empty(deliver, batch);
    if (batch->phase == PHASE_ACCEPTED || batch->phase == PHASE_STORED)
        plan_next_poll(deliver, batch, moved);
    deliver_flush(deliver);
}
