#include "delivery/deliver_internal.h"

#include "base/mem.h"
#include "delivery/retry.h"

#include <stdlib.h>
#include <string.h>

struct batch *deliver_find_batch(const struct deliver *deliver, int64_t number)
{
    for (size_t i = 0; i < deliver->count; i++)
        if (deliver->batches[i]->row.batch == number)
            return deliver->batches[i];
    return NULL;
}

const struct batch_transition *deliver_step(const struct batch *batch, enum batch_event event)
{
    const struct batch_transition *step = &batch_table[batch->phase][event];

    if (step->next == PHASE_NEVER) {
        (void)fprintf(stderr, "memory-connector: defect: batch %lld is %s and got \"%s\": %s\n", (long long)batch->row.batch,
                      batch_phase_name(batch->phase), batch_event_name(event), step->why);
        abort();
    }
    return step;
}

struct batch *deliver_new_batch(struct deliver *deliver)
{
    struct batch *batch = mem_alloc(sizeof *batch);
    const struct moment now = deliver->now;

    batch->row.batch = deliver->out.next_batch(deliver->out.context);
    batch->row.target = deliver->settings.target;
    batch->row.opened_ms = batch->row.changed_ms = now.wall_ms;
    batch->row.state = BATCH_READY;
    batch->phase = PHASE_READY;
    batch->poll_step = POLL_FIRST_MS;
    batch->ready_mono = batch->poll_mono = batch->look_mono = batch->progress_mono = now.mono_ms;
    batch->deadline_mono = NEVER_MONO;
    batch->passes_mark = -1;
    batch->is_dirty = true;
    deliver->batches = mem_grow(deliver->batches, deliver->count, &deliver->capacity, sizeof *deliver->batches);
    deliver->batches[deliver->count++] = batch;
    return batch;
}

static enum batch_state state_of_phase(enum batch_phase phase)
{
    switch (phase) {
    case PHASE_READY:
        return BATCH_READY;
    case PHASE_ACCEPTED:
        return BATCH_ACCEPTED;
    case PHASE_STORED:
        return BATCH_STORED;
    case PHASE_CLOSED:
        return BATCH_CLOSED;
    default:
        return BATCH_SENDING;
    }
}

void deliver_set_phase(struct deliver *deliver, struct batch *batch, enum batch_phase phase)
{
    enum batch_state state = state_of_phase(phase);

    if (state != batch->row.state)
        batch->row.changed_ms = deliver->now.wall_ms;
    batch->phase = phase;
    batch->row.state = state;
    batch->is_dirty = true;
}

struct member *deliver_add_member(struct deliver *deliver, struct batch *batch, const struct deliver_memory *memory)
{
    int64_t settle = deliver_load_wait(deliver->now, memory->settle_until_ms, deliver->settings.settle_ms);
    struct member *member;

    batch->members = mem_grow(batch->members, batch->count, &batch->capacity, sizeof *batch->members);
    member = &batch->members[batch->count++];
    *member = (struct member){
        .seq = memory->seq,
        .stream = memory->stream,
        .name = mem_copy_string(memory->name),
        .attempts = memory->attempts,
        .text_size = memory->text_size,
        .wanted = memory->wanted,
        .replaces = memory->replaces,
        .settle_mono = settle > 0 ? deliver->now.mono_ms + settle : 0,
        .since_ms = deliver_reach(memory->first_sent_server_ms),
        .last_sighting = SEEN_NOT,
        /* A failure that an earlier process counted must not be counted again when its row is first seen. */
        .failure_is_known = false,
    };
    memcpy(member->mark, memory->mark, sizeof member->mark);
    return member;
}

void deliver_pick_none(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].picked = false;
}

static struct member_ref *collect_picked(struct deliver *deliver, const struct batch *batch, size_t *ret_count)
{
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->members[i].picked)
            continue;
        if (count >= deliver->ref_capacity)
            deliver->refs = mem_grow(deliver->refs, count, &deliver->ref_capacity, sizeof *deliver->refs);
        deliver->refs[count++] = (struct member_ref){ batch->members[i].seq, batch->members[i].stream };
    }
    *ret_count = count;
    return deliver->refs;
}

/* Moves the picked members behind target's (NULL: frees them) and closes the gaps. */
static void take_picked(struct batch *batch, struct batch *target)
{
    size_t kept = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct member *member = &batch->members[i];
        if (!member->picked) {
            batch->members[kept++] = *member;
        } else if (target != NULL) {
            target->members = mem_grow(target->members, target->count, &target->capacity, sizeof *target->members);
            target->members[target->count] = *member;
            target->members[target->count++].picked = false;
        } else {
            mem_free(member->name);
            mem_free(member->words);
        }
    }
    batch->count = kept;
    batch->cursor = 0;
    batch->is_dirty = true;
}

void deliver_drop_member(struct batch *batch, size_t index)
{
    mem_free(batch->members[index].name);
    mem_free(batch->members[index].words);
    memmove(&batch->members[index], &batch->members[index + 1], (batch->count - index - 1) * sizeof batch->members[0]);
    batch->count--;
    batch->cursor = 0;
    batch->is_dirty = true;
}

int64_t deliver_settle_mono(const struct batch *batch, const struct member *member)
{
    return batch->settle_mono > member->settle_mono ? batch->settle_mono : member->settle_mono;
}

struct batch *deliver_split(struct deliver *deliver, struct batch *batch, enum batch_phase phase)
{
    struct change change = { .kind = CHANGE_MEMBERS, .members_from = MEMORY_FLYING, .members_to = MEMORY_FLYING };
    struct batch *part;

    change.members = collect_picked(deliver, batch, &change.member_count);
    if (change.member_count == 0)
        return NULL;
    part = deliver_new_batch(deliver);
    part->row.first_sent_server_ms = batch->row.first_sent_server_ms;
    part->row.last_sent_ms = batch->row.last_sent_ms;
    part->row.opened_ms = batch->row.opened_ms;
    part->row.whole_listing = batch->row.whole_listing;
    part->settle_mono = batch->settle_mono;
    part->passes_mark = batch->passes_mark;
    deliver_set_phase(deliver, part, phase);
    change.members_batch = part->row.batch;
    deliver->out.change(deliver->out.context, &change);
    take_picked(batch, part);
    return part;
}

void deliver_note_members(struct deliver *deliver, const struct batch *batch, enum deliver_note note)
{
    size_t start = 0;

    /* One note for each run of neighbours of one stream: mostly one for the whole batch. */
    for (size_t i = 1; i <= batch->count; i++) {
        if (i < batch->count && batch->members[i].stream == batch->members[start].stream)
            continue;
        deliver_note(deliver, note, batch->members[start].stream, (int64_t)(i - start));
        start = i;
    }
}

void deliver_settle_picked(struct deliver *deliver, struct batch *batch)
{
    struct change change = { .kind = CHANGE_MEMBERS, .members_from = MEMORY_FLYING, .members_to = MEMORY_DONE };

    for (size_t i = 0; i < batch->count;) {
        if (batch->members[i].picked && batch->members[i].wanted != WANTED_NOTHING)
            deliver_turn_over(deliver, batch, i);
        else
            i++;
    }
    change.members = collect_picked(deliver, batch, &change.member_count);
    if (change.member_count == 0)
        return;
    deliver->out.change(deliver->out.context, &change);
    for (size_t i = 0, start = 0; i < change.member_count; i++) {
        if (i + 1 < change.member_count && change.members[i + 1].stream == change.members[start].stream)
            continue;
        deliver_note(deliver, NOTE_PROCESSED, change.members[start].stream, (int64_t)(i + 1 - start));
        start = i + 1;
    }
    take_picked(batch, NULL);
}

void deliver_kill(struct deliver *deliver, struct batch *batch, size_t index, enum dead_class dead_class, int http_status, const char *words)
{
    struct member *member = &batch->members[index];
    const struct moment now = deliver->now;
    int64_t settle = deliver_settle_mono(batch, member);
    struct dead_letter letter = {
        .dead_class = dead_class,
        .stream = member->stream,
        .seq = member->seq,
        .http_status = http_status,
        .words = words,
        .attempts = dead_class == DEAD_POISON ? batch->row.strikes : member->attempts > 0 ? member->attempts : 1,
        .times = 1,
        .first_ms = now.wall_ms,
        .last_ms = now.wall_ms,
        .position = -1,
        .length = -1,
    };
    struct change change = { .kind = CHANGE_DEAD_LETTER, .letter = &letter };
    struct member_change facts = {
        .seq = member->seq, .stream = member->stream, .from = MEMORY_FLYING, .to = MEMORY_DEAD, .attempts = member->attempts,
        .settle_until_ms = settle > now.mono_ms ? now.wall_ms + (settle - now.mono_ms) : 0,
    };

    /* A newer revision may be better, and of a deleted one nothing is wanted any more. */
    if (member->wanted != WANTED_NOTHING && dead_class != DEAD_FOREIGN) {
        deliver_turn_over(deliver, batch, index);
        return;
    }
    letter.letter = deliver->out.next_letter(deliver->out.context);
    deliver->out.member(deliver->out.context, &facts);
    deliver->out.change(deliver->out.context, &change);
    deliver_note(deliver, NOTE_FAILED, member->stream, 1);
    deliver_drop_member(batch, index);
}

/* Listed and not followed, there and not listed: whoever contradicts himself is not asked without a pause. */
static int64_t count_looks(struct batch *batch)
{
    int most = 0;

    for (size_t i = 0; i < batch->count; i++) {
        batch->members[i].looks++;
        most = batch->members[i].looks > most ? batch->members[i].looks : most;
    }
    return most <= LOOKS_AT_ONCE ? 0 : retry_limit_ms(most - LOOKS_AT_ONCE, LOOK_FIRST_MS, 2.0, LOOK_LAST_MS);
}

void deliver_start_look_up(struct deliver *deliver, struct batch *batch, bool whole_listing)
{
    deliver_set_phase(deliver, batch, PHASE_UNCLEAR);
    batch->row.track[0] = '\0';
    batch->row.whole_listing = batch->row.whole_listing || whole_listing;
    /* Where no answer came, or a 500, the breaker and the strikes have their own pauses. */
    batch->look_mono = deliver->now.mono_ms + (whole_listing ? count_looks(batch) : 0);
    batch->look_step = LOOK_FIRST_MS;
}

void deliver_close_if_empty(struct deliver *deliver, struct batch *batch)
{
    if (batch->count == 0 && batch->phase != PHASE_CLOSED)
        deliver_set_phase(deliver, batch, deliver_step(batch, BATCH_NOBODY_LEFT)->next);
}

void deliver_flush(struct deliver *deliver)
{
    size_t kept = 0;

    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        if (batch->is_dirty) {
            struct change change = { .kind = CHANGE_BATCH, .batch = &batch->row };
            batch->row.members = (int64_t)batch->count;
            deliver->out.change(deliver->out.context, &change);
            batch->is_dirty = false;
        }
        if (batch->phase == PHASE_CLOSED) {
            mem_free(batch->members);
            mem_free(batch);
        } else {
            deliver->batches[kept++] = batch;
        }
    }
    deliver->count = kept;
}
