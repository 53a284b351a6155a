/* deliver_remove.c - removals: the rows of memories that were replaced or deleted at the source.
 *
 * A round serves all that are to go at that moment: a walk over the listing finds their rows (look), the pipeline must be idle (wait), one request
 * deletes them all, the pipeline must be idle again, and another walk proves that they are gone. The server does not say when a
 * delete ends, answers "started" for rows that it never had, and forgets a delete when it is killed: only the walk counts.
 * A delete without an answer may still be on its way. 1.5 makes the id of the name, so one that arrives late would delete the next revision:
 * nothing is concluded before it is settled. Its time is written down before the request, so that it holds across a crash of ours.
 * Rows are found anew in every round, so that nothing but the memory's state has to be durable before the request. */
#include "delivery/deliver_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- Who is to go ---- */

/* A source may change all its memories at once: they are found by seq, through a table of indexes + 1. */
static size_t *find_slot(struct deliver *deliver, int64_t seq)
{
    size_t mask = deliver->removal_map_size - 1;
    size_t slot = (size_t)((uint64_t)seq * 0x9E3779B97F4A7C15u >> 20) & mask;

    while (deliver->removal_map[slot] != 0 && deliver->removals[deliver->removal_map[slot] - 1].seq != seq)
        slot = (slot + 1) & mask;
    return &deliver->removal_map[slot];
}

static void map_all(struct deliver *deliver, size_t size)
{
    mem_free(deliver->removal_map);
    deliver->removal_map_size = size;
    deliver->removal_map = mem_alloc_array(size, sizeof *deliver->removal_map);
    for (size_t i = 0; i < deliver->removal_count; i++)
        *find_slot(deliver, deliver->removals[i].seq) = i + 1;
}

static struct removal *find_removal(struct deliver *deliver, int64_t seq)
{
    size_t index = deliver->removal_map_size == 0 ? 0 : *find_slot(deliver, seq);

    return index == 0 ? NULL : &deliver->removals[index - 1];
}

/* Of a late insert, or of a late delete. */
static int64_t longest_settle(const struct deliver_settings *settings)
{
    return settings->settle_ms > settings->delete_settle_ms ? settings->settle_ms : settings->delete_settle_ms;
}

void deliver_remove(struct deliver *deliver, const struct deliver_removal *what, struct moment now)
{
    struct removal *removal = find_removal(deliver, what->seq);
    int64_t settle;

    if (removal != NULL) {
        removal->wanted = what->wanted;
        return;
    }
    deliver->removals = mem_grow(deliver->removals, deliver->removal_count, &deliver->removal_capacity, sizeof *deliver->removals);
    removal = &deliver->removals[deliver->removal_count++];
    *removal = (struct removal){ .seq = what->seq, .stream = what->stream, .name = mem_copy_string(what->name), .wanted = what->wanted };
    settle = deliver_load_wait(now, what->settle_until_ms, longest_settle(&deliver->settings));
    removal->settle_mono = settle > 0 ? now.mono_ms + settle : 0;
    removal->oldest_us = deliver_us(deliver_reach(what->first_sent_server_ms));
    removal->newest_us = INT64_MAX;
    if (deliver->removal_map_size < 2 * deliver->removal_count)
        map_all(deliver, deliver->removal_map_size > 0 ? 2 * deliver->removal_map_size : 64);
    else
        *find_slot(deliver, what->seq) = deliver->removal_count;
}

static void add_stray(struct deliver *deliver, const char *id, uint64_t name_hash)
{
    struct doomed *stray;

    if (strlen(id) >= sizeof stray->id)
        return;
    deliver->strays = mem_grow(deliver->strays, deliver->stray_count, &deliver->stray_capacity, sizeof *deliver->strays);
    stray = &deliver->strays[deliver->stray_count++];
    *stray = (struct doomed){ .created_ms = -1, .name_hash = name_hash };
    (void)snprintf(stray->id, sizeof stray->id, "%s", id);
}

void deliver_remove_row(struct deliver *deliver, const char *id)
{
    add_stray(deliver, id, 0);
}

void deliver_remove_failed_row(struct deliver *deliver, const char *id, const char *name)
{
    add_stray(deliver, id, deliver_hash_name(name));
}

static size_t drop_strays(struct doomed *rows, size_t count, uint64_t name_hash)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (rows[i].seq != 0 || rows[i].name_hash != name_hash)
            rows[kept++] = rows[i];
    return kept;
}

/* Tried again it may succeed, and would be deleted behind that. Once the delete has left, its absence is seen. */
void deliver_spare(struct deliver *deliver, const char *name)
{
    uint64_t hash = deliver_hash_name(name);

    deliver->stray_count = drop_strays(deliver->strays, deliver->stray_count, hash);
    if (deliver->removing == REMOVING_LOOK || deliver->removing == REMOVING_WAIT_IDLE)
        deliver->doomed_count = deliver->doomed_sent + drop_strays(deliver->doomed + deliver->doomed_sent, deliver->doomed_count - deliver->doomed_sent, hash);
}

void deliver_turn_over(struct deliver *deliver, struct batch *batch, size_t index)
{
    const struct member *member = &batch->members[index];
    /* A late insert is refused by 1.5 while the name is taken. */
    int64_t settle = deliver->dialect == SINK_15 ? 0 : deliver_settle_mono(batch, member);
    struct member_change facts = {
        .seq = member->seq, .stream = member->stream, .from = MEMORY_FLYING, .to = MEMORY_REMOVING, .attempts = 0,
        .settle_until_ms = settle > deliver->now.mono_ms ? deliver->now.wall_ms + (settle - deliver->now.mono_ms) : 0,
    };

    deliver->out.member(deliver->out.context, &facts);
    deliver_drop_member(batch, index);
}

void deliver_want(struct deliver *deliver, int64_t number, int64_t seq, enum memory_wanted wanted, struct moment now)
{
    struct batch *batch = deliver_find_batch(deliver, number);

    if (batch == NULL)
        return;
    deliver_begin(deliver, now);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->members[i].seq != seq)
            continue;
        batch->members[i].wanted = wanted;
        if (wanted != WANTED_NOTHING && batch->phase == PHASE_READY) {
            deliver_turn_over(deliver, batch, i);
            deliver_close_if_empty(deliver, batch);
            deliver_flush(deliver);
        }
        return;
    }
}

void deliver_take_up(struct deliver *deliver, const struct deliver_memory *memories, size_t count, enum memory_state from, struct moment now)
{
    struct change change = { .kind = CHANGE_MEMBERS, .members_from = from, .members_to = MEMORY_FLYING };
    struct batch *batch;

    if (count == 0)
        return;
    deliver_begin(deliver, now);
    batch = deliver_new_batch(deliver);
    for (size_t i = 0; i < count; i++) {
        (void)deliver_add_member(deliver, batch, &memories[i]);
        deliver_spare(deliver, memories[i].name);
        if (i >= deliver->ref_capacity)
            deliver->refs = mem_grow(deliver->refs, i, &deliver->ref_capacity, sizeof *deliver->refs);
        deliver->refs[i] = (struct member_ref){ memories[i].seq, memories[i].stream };
    }
    change.members = deliver->refs;
    change.member_count = count;
    change.members_batch = batch->row.batch;
    deliver->out.change(deliver->out.context, &change);
    deliver_start_look_up(deliver, batch, true);
    deliver_flush(deliver);
}

/* ---- Rounds ---- */

static bool may_join(const struct deliver *deliver, const struct removal *removal)
{
    return removal->settle_mono <= deliver->now.mono_ms;
}

/* What waits for unreadable rows begins no round before its time, but joins those that are begun for others. */
static bool is_any_due(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->removal_count; i++)
        if (may_join(deliver, &deliver->removals[i]) && deliver->removals[i].hold_mono <= deliver->now.mono_ms)
            return true;
    return deliver->stray_count > 0;
}

static void rest(struct deliver *deliver)
{
    deliver->removing_step = deliver->removing_step > 0 ? deliver->removing_step * 2 : REMOVE_FIRST_MS;
    if (deliver->removing_step > deliver->settings.poll_interval_ms && deliver->removing_step > 1000)
        deliver->removing_step = deliver->settings.poll_interval_ms > 1000 ? deliver->settings.poll_interval_ms : 1000;
    deliver->removing_mono = deliver->now.mono_ms + deliver->removing_step;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct doomed *)a)->id, ((const struct doomed *)b)->id);
}

/* A row that was pushed to a later page is listed twice, and 1.5 refuses a delete that names one id twice. */
static void sort_doomed(struct deliver *deliver)
{
    size_t kept = 0;

    if (deliver->doomed_count > 1)
        qsort(deliver->doomed, deliver->doomed_count, sizeof *deliver->doomed, compare_ids);
    for (size_t i = 0; i < deliver->doomed_count; i++)
        if (kept == 0 || strcmp(deliver->doomed[kept - 1].id, deliver->doomed[i].id) != 0)
            deliver->doomed[kept++] = deliver->doomed[i];
    deliver->doomed_count = kept;
    deliver->doomed_sent = 0;
}

static void begin_round(struct deliver *deliver)
{
    size_t joined = 0;

    if (!is_any_due(deliver))
        return;
    for (size_t i = 0; i < deliver->removal_count; i++) {
        struct removal *removal = &deliver->removals[i];
        removal->is_joined = may_join(deliver, removal);
        removal->is_foreign = false;
        joined += removal->is_joined ? 1 : 0;
    }
    if (joined + deliver->stray_count == 0)
        return;
    deliver->removing = REMOVING_LOOK;
    deliver->doomed_since_ms = INT64_MIN;
    deliver->removing_has_deleted = false;
    deliver->removing_vain = 0;
    deliver->removing_step = 0;
    if (joined > 0)
        return;
    deliver_removing_begin_walk(deliver); /* strays are known by their ids */
    sort_doomed(deliver);
    deliver->removing = REMOVING_WAIT_IDLE;
    deliver->removing_since_mono = deliver->removing_mono = deliver->now.mono_ms;
    deliver->doomed_since_ms = INT64_MAX;
}

static void ask_pipeline(struct deliver *deliver)
{
    if (deliver->removing_mono > deliver->now.mono_ms || deliver->is_asking_pipeline || deliver->is_reprocessing || deliver->is_walking ||
        deliver->inserts_in_flight > 0)
        return;
    deliver->is_asking_pipeline = true;
    deliver_command(deliver, DELIVER_ASK_PIPELINE, 0, 0, NULL);
}

void deliver_removing_due(struct deliver *deliver)
{
    if (deliver->removing == REMOVING_NOTHING && deliver->removing_mono <= deliver->now.mono_ms)
        begin_round(deliver);
    if (deliver->removing == REMOVING_SETTLE && deliver->removing_mono <= deliver->now.mono_ms)
        deliver->removing = REMOVING_WAIT_END;
    if (deliver->removing == REMOVING_WAIT_IDLE || deliver->removing == REMOVING_WAIT_END)
        ask_pipeline(deliver);
}

bool deliver_removing_is_deleting(const struct deliver *deliver)
{
    return deliver->removing == REMOVING_DELETING || deliver->removing == REMOVING_WAIT_END;
}

bool deliver_removing_holds_inserts(const struct deliver *deliver)
{
    if (deliver->removing == REMOVING_WAIT_IDLE)
        return deliver->now.mono_ms - deliver->removing_since_mono < REMOVE_HOLD_MS;
    return deliver_removing_is_deleting(deliver);
}

int64_t deliver_removing_next(const struct deliver *deliver)
{
    int64_t next = NEVER_MONO;

    switch (deliver->removing) {
    case REMOVING_NOTHING:
        if (deliver->stray_count > 0)
            next = deliver->removing_mono;
        for (size_t i = 0; i < deliver->removal_count; i++) {
            int64_t settle = deliver->removals[i].settle_mono;
            int64_t due = settle > deliver->removing_mono ? settle : deliver->removing_mono;
            due = deliver->removals[i].hold_mono > due ? deliver->removals[i].hold_mono : due;
            next = due < next ? due : next;
        }
        return next;
    case REMOVING_LOOK:
        return deliver->is_walking ? NEVER_MONO : deliver->removing_mono;
    case REMOVING_SETTLE:
        return deliver->removing_mono;
    case REMOVING_WAIT_IDLE:
    case REMOVING_WAIT_END:
        return deliver->is_asking_pipeline || deliver->is_reprocessing || deliver->is_walking || deliver->inserts_in_flight > 0 ? NEVER_MONO
                                                                                                                                : deliver->removing_mono;
    default:
        return NEVER_MONO;
    }
}

/* ---- The pipeline and the delete ---- */

/* Written down before the request: after a crash of ours nobody knows whether it had an answer. */
static void note_settling(struct deliver *deliver)
{
    size_t count = deliver_doomed_count(deliver);

    for (size_t i = 0; i < count; i++) {
        const struct doomed *doomed = &deliver->doomed[deliver->doomed_sent + i];
        struct member_change facts = {
            .seq = doomed->seq, .stream = doomed->stream, .from = MEMORY_REMOVING, .to = MEMORY_REMOVING, .attempts = -1,
            .settle_until_ms = deliver->now.wall_ms + deliver->settings.delete_settle_ms,
        };
        if (doomed->seq != 0)
            deliver->out.member(deliver->out.context, &facts);
    }
}

bool deliver_removing_on_pipeline(struct deliver *deliver, bool is_busy)
{
    if (deliver->removing != REMOVING_WAIT_IDLE && deliver->removing != REMOVING_WAIT_END)
        return false;
    if (is_busy || deliver->inserts_in_flight > 0) {
        rest(deliver);
        return false;
    }
    if (deliver->removing == REMOVING_WAIT_END && deliver->doomed_sent == deliver->doomed_count) {
        deliver->removing = REMOVING_LOOK;
        deliver->removing_mono = deliver->now.mono_ms;
        return false;
    }
    if (deliver->doomed_sent == deliver->doomed_count) { /* all of them were spared */
        deliver->removing = REMOVING_NOTHING;
        return false;
    }
    deliver->removing = REMOVING_DELETING;
    note_settling(deliver);
    deliver_command(deliver, DELIVER_DELETE, 0, 0, NULL);
    return true;
}

size_t deliver_doomed_count(const struct deliver *deliver)
{
    size_t left = deliver->doomed_count - deliver->doomed_sent;

    return left < SINK_DELETE_MAXIMUM ? left : SINK_DELETE_MAXIMUM;
}

const char *deliver_doomed_id(const struct deliver *deliver, size_t index)
{
    return deliver->doomed[deliver->doomed_sent + index].id;
}

/* 502 and 504 come from a proxy in between: whether LightRAG has it, nobody knows. */
static bool is_unknown(const struct sink_verdict *verdict)
{
    return verdict->scope == SINK_SILENT || (verdict->scope == SINK_FAILING && verdict->status != 500);
}

void deliver_on_delete(struct deliver *deliver, bool has_begun, const struct sink_verdict *verdict, struct moment now)
{
    deliver_begin(deliver, now);
    deliver_judge_target(deliver, verdict);
    if (deliver->removing != REMOVING_DELETING)
        return;
    if (has_begun || verdict->scope == SINK_SILENT || verdict->scope == SINK_FAILING) {
        deliver->removing = is_unknown(verdict) ? REMOVING_SETTLE : REMOVING_WAIT_END; /* nobody knows, or begun */
        deliver->removing_step = 0;
        deliver->doomed_sent += deliver_doomed_count(deliver);
        deliver->removing_has_deleted = true;
        deliver->stray_count = 0; /* tried once; the next audit sees whether it helped */
    } else {
        deliver->removing = REMOVING_WAIT_IDLE;
    }
    rest(deliver);
    if (deliver->removing == REMOVING_SETTLE)
        deliver->removing_mono = deliver->now.mono_ms + deliver->settings.delete_settle_ms;
    deliver_flush(deliver);
}

/* ---- The walk ---- */

int64_t deliver_removing_walk_since(const struct deliver *deliver)
{
    return deliver->doomed_since_ms;
}

/* Rows that were seen once are known by their times, which do not change: where they would stand now. While they were there, 1.4 took no other of that name. */
static void note_time(struct removal *removal, const struct sink_row *row)
{
    int64_t created_us = deliver_created_us(row);
    bool is_first = removal->doomed == 1;

    if (created_us < 0) {
        removal->oldest_us = INT64_MIN;
        removal->newest_us = INT64_MAX;
        return;
    }
    removal->oldest_us = is_first || created_us < removal->oldest_us ? created_us : removal->oldest_us;
    removal->newest_us = is_first || created_us > removal->newest_us ? created_us : removal->newest_us;
}

static void doom(struct deliver *deliver, struct removal *removal, const char *id, int64_t created_ms, uint64_t name_hash)
{
    struct doomed *doomed;

    deliver->doomed = mem_grow(deliver->doomed, deliver->doomed_count, &deliver->doomed_capacity, sizeof *deliver->doomed);
    doomed = &deliver->doomed[deliver->doomed_count++];
    *doomed = (struct doomed){ .created_ms = created_ms, .seq = removal != NULL ? removal->seq : 0, .stream = removal != NULL ? removal->stream : 0,
                                .name_hash = name_hash };
    (void)snprintf(doomed->id, sizeof doomed->id, "%s", id);
    if (removal != NULL)
        removal->doomed++;
}

/* Also a row of the very revision that comes after: once a delete was begun, "processed" does not mean whole. */
void deliver_removing_see(struct deliver *deliver, struct removal *removal, const struct sink_row *row)
{
    if (!removal->is_joined)
        return;
    if (row->dup == SINK_NO_DUP && !row->has_mark) {
        removal->is_foreign = true; /* never touched */
    } else if (strlen(row->id) < sizeof deliver->doomed->id) {
        doom(deliver, removal, row->id, row->created_ms, 0);
        note_time(removal, row);
    }
}

static void bury_foreign(struct deliver *deliver, const struct removal *removal)
{
    const struct moment now = deliver->now;
    struct dead_letter letter = {
        .letter = deliver->out.next_letter(deliver->out.context), .dead_class = DEAD_FOREIGN, .stream = removal->stream, .seq = removal->seq,
        .words = "LightRAG holds a document of this name that is not ours", .attempts = 1, .times = 1, .first_ms = now.wall_ms,
        .last_ms = now.wall_ms, .position = -1, .length = -1,
    };
    struct change change = { .kind = CHANGE_DEAD_LETTER, .letter = &letter };
    struct member_change facts = {
        .seq = removal->seq, .stream = removal->stream, .from = MEMORY_REMOVING, .to = MEMORY_DEAD, .attempts = -1, .settle_until_ms = -1,
    };

    deliver->out.member(deliver->out.context, &facts);
    deliver->out.change(deliver->out.context, &change);
    deliver_note(deliver, NOTE_FAILED, removal->stream, 1);
}

static void conclude(struct deliver *deliver, const struct removal *removal)
{
    struct member_change facts = {
        .seq = removal->seq, .stream = removal->stream, .from = MEMORY_REMOVING, .attempts = 0, .settle_until_ms = 0,
        .to = removal->wanted == WANTED_GONE ? MEMORY_GONE : MEMORY_QUEUED,
    };

    if (removal->is_foreign && removal->wanted == WANTED_NEWER) {
        bury_foreign(deliver, removal);
    } else {
        deliver->out.member(deliver->out.context, &facts);
        deliver_note(deliver, removal->wanted == WANTED_GONE ? NOTE_REMOVED : NOTE_REPLACED, removal->stream, 1);
    }
}

/* Not seen, and perhaps among the rows that cannot be read: it leaves the round, and the next one looks again. */
static void put_off(struct deliver *deliver, struct removal *removal)
{
    int64_t pause = removal->hold_step > 0 ? removal->hold_step : LOOK_FIRST_MS;

    removal->is_joined = false;
    removal->hold_mono = deliver->now.mono_ms + pause;
    removal->hold_step = pause * 2 > UNREADABLE_LAST_MS ? UNREADABLE_LAST_MS : pause * 2;
}

static void conclude_all(struct deliver *deliver)
{
    size_t kept = 0;
    size_t count = deliver->removal_count;

    for (size_t i = 0; i < count; i++) {
        struct removal removal = deliver->removals[i];
        removal.is_unreadable = removal.is_joined && removal.doomed == 0 && deliver_may_hide(deliver, removal.oldest_us, removal.newest_us);
        if (removal.is_unreadable)
            put_off(deliver, &removal);
        if (removal.is_joined && removal.doomed == 0) {
            conclude(deliver, &removal);
            mem_free(removal.name);
        } else {
            deliver->removals[kept++] = removal;
        }
    }
    deliver->removal_count = kept;
    if (kept < count)
        map_all(deliver, deliver->removal_map_size);
}

/* The next walk needs to go back only to the oldest row that is being deleted: created_at does not change. */
static void note_oldest(struct deliver *deliver)
{
    deliver->doomed_since_ms = INT64_MAX;
    for (size_t i = 0; i < deliver->doomed_count; i++) {
        if (deliver->doomed[i].created_ms < 0) {
            deliver->doomed_since_ms = INT64_MIN;
            return;
        }
        if (deliver->doomed[i].created_ms - LOOK_MARGIN_MS < deliver->doomed_since_ms)
            deliver->doomed_since_ms = deliver->doomed[i].created_ms - LOOK_MARGIN_MS;
    }
}

void deliver_removing_begin_walk(struct deliver *deliver)
{
    deliver->doomed_count = deliver->doomed_sent = 0;
    for (size_t i = 0; i < deliver->removal_count; i++)
        deliver->removals[i].doomed = 0;
    for (size_t i = 0; i < deliver->stray_count; i++)
        doom(deliver, NULL, deliver->strays[i].id, -1, deliver->strays[i].name_hash);
}

void deliver_removing_end_walk(struct deliver *deliver, bool is_complete)
{
    if (deliver->removing != REMOVING_LOOK || !deliver->removing_is_walking)
        return;
    deliver->removing_is_walking = false;
    if (!is_complete) {
        rest(deliver);
        return;
    }
    conclude_all(deliver);
    sort_doomed(deliver);
    if (deliver->doomed_count == 0) {
        deliver->removing = REMOVING_NOTHING;
        deliver->removing_mono = deliver->now.mono_ms;
        return;
    }
    note_oldest(deliver);
    deliver->removing = REMOVING_WAIT_IDLE;
    deliver->removing_since_mono = deliver->now.mono_ms;
    deliver->removing_mono = deliver->now.mono_ms;
    if (!deliver->removing_has_deleted)
        return;
    /* A delete may fail for long: 1.5.7 needs its model for it. */
    deliver->removing_vain++;
    deliver->removing_mono += deliver_jitter(deliver, deliver->removing_vain, BREAKER_FIRST_MS, BREAKER_LAST_MS);
    if (deliver->removing_vain % REMOVE_PATIENCE == 0)
        deliver_notice(deliver, true, "LightRAG was asked %d times to delete %zu documents, and still lists them", deliver->removing_vain,
                       deliver->doomed_count);
}

void deliver_removing_free(struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->removal_count; i++)
        mem_free(deliver->removals[i].name);
    mem_free(deliver->removals);
    mem_free(deliver->removal_map);
    mem_free(deliver->doomed);
    mem_free(deliver->strays);
}
