/* deliver_lookup.c - look-ups: what became of memories whose request had no clear answer.
 *
 * One walk over the listing (created_at descending) answers for every unclear batch of the target that was unclear when the walk began. It ends at the
 * first page whose oldest row is older than the first POST of any of the members; after an "already there" it reads the whole listing. New rows that
 * arrive meanwhile push rows to later pages: some are seen twice (known by their id), none is missed. Rows that cannot be read: deliver_pages.c. */
#include "delivery/deliver_internal.h"

#include "base/mem.h"
#include "delivery/retry.h"

#include <string.h>

/* ---- The map of names ---- */

uint64_t deliver_hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash ^ (hash >> 29);
}

static struct walk_slot *find_slot(struct deliver *deliver, const char *name)
{
    size_t mask = deliver->walk_map_size - 1;
    size_t slot = (size_t)deliver_hash_name(name) & mask;

    while (deliver->walk_map[slot].name != NULL && strcmp(deliver->walk_map[slot].name, name) != 0)
        slot = (slot + 1) & mask;
    return &deliver->walk_map[slot];
}

/* Names are borrowed: of members of looking batches, which nothing touches meanwhile, and of removals, which stay till the walk ends. */
static void build_map(struct deliver *deliver, size_t names)
{
    size_t size = 16;

    while (size < 2 * names)
        size *= 2;
    mem_free(deliver->walk_map);
    deliver->walk_map = mem_alloc_array(size, sizeof *deliver->walk_map);
    deliver->walk_map_size = size;
    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        for (size_t k = 0; batch->is_looking && k < batch->count; k++) {
            struct walk_slot *slot = find_slot(deliver, batch->members[k].name);
            batch->members[k].look = (struct look){ 0 };
            *slot = (struct walk_slot){ .name = batch->members[k].name, .member = &batch->members[k] };
        }
    }
    for (size_t i = 0; i < deliver->removal_count && deliver->removing == REMOVING_LOOK; i++)
        *find_slot(deliver, deliver->removals[i].name) = (struct walk_slot){ .name = deliver->removals[i].name, .removal = i + 1 };
}

/* ---- A walk begins ---- */

static bool is_due(const struct deliver *deliver)
{
    if (deliver->removing == REMOVING_LOOK && deliver->removing_mono <= deliver->now.mono_ms)
        return true;
    if (deliver->wants_sweep || deliver->wants_cleaning)
        return true;
    for (size_t i = 0; i < deliver->count; i++)
        if (deliver->batches[i]->phase == PHASE_UNCLEAR && deliver->batches[i]->look_mono <= deliver->now.mono_ms)
            return true;
    return false;
}

static void reach_back(struct deliver *deliver, int64_t since_ms)
{
    if (since_ms < deliver->walk_since_ms)
        deliver->walk_since_ms = since_ms;
}

static int64_t since_of_batch(const struct batch *batch)
{
    return batch->row.whole_listing ? INT64_MIN : deliver_reach(batch->row.first_sent_server_ms);
}

void deliver_look_due(struct deliver *deliver)
{
    size_t names = 0;

    /* While rows go, what is not seen proves nothing. */
    if (deliver->is_walking || deliver_removing_is_deleting(deliver) || !is_due(deliver))
        return;
    deliver->walk_since_ms = INT64_MAX;
    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        if (batch->phase != PHASE_UNCLEAR)
            continue;
        batch->is_looking = true;
        names += batch->count;
        reach_back(deliver, since_of_batch(batch));
    }
    if (deliver->removing == REMOVING_LOOK) {
        names += deliver->removal_count;
        reach_back(deliver, deliver_removing_walk_since(deliver));
        deliver_removing_begin_walk(deliver);
        deliver->removing_is_walking = true;
    }
    if (deliver->wants_sweep) {
        deliver->wants_sweep = false;
        deliver->is_sweeping = true;
        reach_back(deliver, INT64_MIN);
    }
    if (deliver->wants_cleaning) {
        deliver->wants_cleaning = false;
        deliver->is_cleaning = true;
        reach_back(deliver, INT64_MIN);
    }
    build_map(deliver, names);
    deliver->is_walking = true;
    deliver->walk_total = -1;
    deliver->walk_rows = 0;
    deliver->walk_shrank = false;
    deliver->walk_is_undated = false;
    deliver->walk_oldest_ms = deliver->walk_oldest_us = INT64_MAX;
    deliver_pages_begin(deliver);
}

void deliver_sweep(struct deliver *deliver)
{
    deliver->wants_sweep = !deliver->is_sweeping;
}

/* ---- Its rows ---- */

static void see_ours(struct look *look, const struct sink_row *row)
{
    if (look->ours && strncmp(look->id, row->id, sizeof look->id - 1) == 0)
        return; /* the same row again, pushed to a later page */
    if (look->ours) {
        look->several = true;
        /* Of two rows in our revision the processed one counts. */
        if (look->status == SINK_ROW_PROCESSED || row->status != SINK_ROW_PROCESSED)
            return;
    }
    look->ours = true;
    look->status = row->status;
    look->chunks = row->chunks;
    (void)snprintf(look->id, sizeof look->id, "%s", row->id);
    (void)snprintf(look->track, sizeof look->track, "%s", row->track);
}

static void see_member(struct member *member, const struct sink_row *row)
{
    if (row->created_ms > 0 && (member->look.oldest_ms == 0 || row->created_ms < member->look.oldest_ms))
        member->look.oldest_ms = row->created_ms;
    if (row->dup == SINK_DUP_FILENAME)
        member->look.dup_filename = true;
    else if (row->dup == SINK_DUP_CONTENT)
        member->look.dup_content = true;
    else if (!row->has_mark)
        member->look.foreign = true;
    else if (strcmp(row->mark, member->mark) != 0)
        member->look.other_revision = true;
    else
        see_ours(&member->look, row);
}

static bool is_in_flight(const struct deliver *deliver, const char *name)
{
    for (size_t i = 0; i < deliver->count; i++)
        for (size_t k = 0; k < deliver->batches[i]->count; k++)
            if (strcmp(deliver->batches[i]->members[k].name, name) == 0)
                return true;
    return false;
}

void deliver_on_list_row(struct deliver *deliver, const struct sink_row *row)
{
    const struct walk_slot *slot;

    if (!deliver->is_walking || !deliver_pages_take_row(deliver, row))
        return;
    deliver->walk_is_undated = deliver->walk_is_undated || row->created_ms < 0;
    if (row->created_ms >= 0 && row->created_ms < deliver->walk_oldest_ms)
        deliver->walk_oldest_ms = row->created_ms;
    if (row->created_ms >= 0 && deliver_created_us(row) < deliver->walk_oldest_us)
        deliver->walk_oldest_us = deliver_created_us(row);
    if (deliver->is_sweeping)
        deliver->out.sweep_row(deliver->out.context, row);
    if (deliver->is_cleaning && row->status == SINK_ROW_FAILED && row->dup == SINK_NO_DUP && row->has_mark && !deliver_is_neighbours_failure(row) &&
        !is_in_flight(deliver, row->name) && deliver->out.owns(deliver->out.context, row->name))
        deliver_remove_failed_row(deliver, row->id, row->name);
    slot = find_slot(deliver, row->name);
    if (slot->name == NULL)
        return;
    if (slot->removal > 0)
        deliver_removing_see(deliver, &deliver->removals[slot->removal - 1], row);
    else
        see_member(slot->member, row);
}

/* ---- Its end ---- */

static enum sighting judge_look(const struct deliver *deliver, const struct batch *batch, const struct member *member)
{
    const struct look *look = &member->look;
    int64_t since = since_of_batch(batch);

    if (look->ours && look->status == SINK_ROW_PROCESSED)
        return look->chunks > 0 ? SEEN_PROCESSED : SEEN_EMPTY;
    if (look->ours)
        return look->status == SINK_ROW_FAILED ? SEEN_FAILED : SEEN_UNFINISHED;
    if (look->other_revision)
        return SEEN_OTHER_REVISION;
    if (look->foreign)
        return SEEN_FOREIGN;
    if (look->dup_content)
        return SEEN_DUP_CONTENT;
    if (deliver->dialect == SINK_14 && deliver_settle_mono(batch, member) > deliver->now.mono_ms)
        return SEEN_NOT_UNPROVEN;
    if (deliver_may_hide(deliver, deliver_us(since > member->since_ms ? since : member->since_ms), INT64_MAX))
        return SEEN_NOT_UNREADABLE;
    return look->dup_filename ? SEEN_DUP_FILENAME : SEEN_NOT;
}

static void decide(struct deliver *deliver, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct member *member = &batch->members[i];
        member->sighting = judge_look(deliver, batch, member);
        member->is_unreadable = member->sighting == SEEN_NOT_UNREADABLE;
        member->action = sighting_table[PHASE_UNCLEAR][member->sighting].action;
        if (member->action == MEMBER_SEND_AGAIN && batch->is_content_suspect)
            member->action = MEMBER_DEAD_CONTENT;
        if (member->action == MEMBER_SEND_AGAIN && member->wanted != WANTED_NOTHING)
            member->action = MEMBER_TURN_OVER; /* absent, and another revision or none is wanted by now */
        if (member->action == MEMBER_SEND_AGAIN && member->text_size == 0)
            member->action = MEMBER_LOST;
        if (member->action == MEMBER_DEAD_REVISION && (member->replaces || member->wanted != WANTED_NOTHING))
            member->action = MEMBER_TURN_OVER;
        if (member->action == MEMBER_ADOPT && member->look.track[0] == '\0')
            member->action = MEMBER_LOOK_AGAIN; /* a row that cannot be followed: the listing is all we have */
    }
}

static size_t pick_action(struct batch *batch, enum member_action action)
{
    size_t picked = 0;

    for (size_t i = 0; i < batch->count; i++) {
        batch->members[i].picked = batch->members[i].action == action;
        picked += batch->members[i].picked ? 1 : 0;
    }
    return picked;
}

static void lose(struct deliver *deliver, struct batch *batch, size_t index)
{
    struct member_change facts = {
        .seq = batch->members[index].seq, .stream = batch->members[index].stream, .from = MEMORY_FLYING, .to = MEMORY_SKIPPED, .attempts = 0,
        .settle_until_ms = -1,
    };

    deliver->out.member(deliver->out.context, &facts);
    deliver_note(deliver, NOTE_FAILED, batch->members[index].stream, 1);
    deliver_drop_member(batch, index);
}

static void bury(struct deliver *deliver, struct batch *batch)
{
    for (size_t i = 0; i < batch->count;) {
        switch (batch->members[i].action) {
        case MEMBER_DEAD_REVISION:
            deliver_kill(deliver, batch, i, DEAD_OTHER_REVISION, 0, "LightRAG holds another revision under this name, and on_update is keep");
            break;
        case MEMBER_TURN_OVER:
            deliver_turn_over(deliver, batch, i);
            break;
        case MEMBER_LOST:
            lose(deliver, batch, i);
            break;
        case MEMBER_DEAD_FOREIGN:
            deliver_kill(deliver, batch, i, DEAD_FOREIGN, 0, "LightRAG holds a document of this name that is not ours");
            break;
        case MEMBER_DEAD_CONTENT:
            deliver_kill(deliver, batch, i, DEAD_CONTENT, 0, "LightRAG holds the same content under another name");
            break;
        default:
            i++;
        }
    }
}

/* Those of one track id go on as one stored batch. */
static void adopt_one_track(struct deliver *deliver, struct batch *batch, const char *track)
{
    char kept[TRACK_SIZE];
    struct batch *part;

    (void)snprintf(kept, sizeof kept, "%s", track);
    for (size_t i = 0; i < batch->count; i++)
        batch->members[i].picked = batch->members[i].action == MEMBER_ADOPT && strcmp(batch->members[i].look.track, kept) == 0;
    part = deliver_split(deliver, batch, PHASE_UNCLEAR);
    if (part == NULL)
        return;
    (void)snprintf(part->row.track, sizeof part->row.track, "%s", kept);
    deliver_become_stored(deliver, part);
}

static void adopt(struct deliver *deliver, struct batch *batch)
{
    for (size_t i = 0; i < batch->count;) {
        if (batch->members[i].action != MEMBER_ADOPT) {
            i++;
            continue;
        }
        adopt_one_track(deliver, batch, batch->members[i].look.track);
        i = 0; /* the members moved up */
    }
}

static void look_again(struct deliver *deliver, struct batch *batch)
{
    int64_t pause = batch->look_step > 0 ? batch->look_step : LOOK_FIRST_MS;
    int64_t settle_wait = batch->settle_mono - deliver->now.mono_ms;
    int64_t last = batch->count > 0 && batch->members[0].is_unreadable ? UNREADABLE_LAST_MS : LOOK_LAST_MS;

    batch->look_step = pause * 2 > last ? last : pause * 2;
    if (deliver->dialect == SINK_14 && settle_wait > 0 && settle_wait < pause)
        pause = settle_wait + 1;
    batch->look_mono = deliver->now.mono_ms + pause;
}

/* The good half must not wait behind the bad one: that it passes tells whose fault it is. */
static void halve_again(struct deliver *deliver, struct batch *batch)
{
    deliver_pick_none(batch);
    for (size_t i = batch->count / 2; i < batch->count; i++)
        batch->members[i].picked = true;
    batch->row.strikes = 0;
    batch->ready_mono = deliver->now.mono_ms;
    batch->row.not_before_ms = 0;
    (void)deliver_split(deliver, batch, PHASE_READY);
}

/* Absent, proven: ready again, the same bytes. Three 500s split the batch, later halves are split at the first one; three 500s alone, and while
 * others pass, are the document's own fault. */
static void send_again(struct deliver *deliver, struct batch *batch)
{
    const struct moment now = deliver->now;
    bool is_suspect = deliver_is_suspect(deliver, batch);
    int64_t pause = 0;

    if (batch->row.strikes >= POISON_STRIKES && batch->count == 1 && is_suspect) {
        deliver_kill(deliver, batch, 0, DEAD_POISON, 500, "LightRAG answers 500 to this document alone while others pass");
        return;
    }
    /* With nothing else to compare with, the server may be at fault: time decides, so that nothing waits unnamed for ever. */
    if (batch->row.strikes >= LONE_STRIKES && batch->count == 1 && now.wall_ms - batch->row.opened_ms >= deliver->settings.give_up_after_ms) {
        deliver_kill(deliver, batch, 0, DEAD_POISON, 500, "LightRAG has answered nothing but 500 to this document for long; nothing else was sent that could tell whose fault it is");
        return;
    }
    if (batch->count == 1 && batch->members[0].denials >= DENIALS_MAXIMUM) {
        deliver_kill(deliver, batch, 0, DEAD_FOREIGN, 0, "LightRAG says again and again that a document of this name is there, and does not list it");
        return;
    }
    if (batch->row.strikes > 0)
        pause = deliver_jitter(deliver, batch->row.strikes, BUSY_FIRST_MS, BUSY_LAST_MS);
    deliver_set_phase(deliver, batch, PHASE_READY);
    batch->row.track[0] = '\0';
    batch->row.whole_listing = batch->has_older_rows;
    batch->ready_mono = now.mono_ms + pause;
    batch->row.not_before_ms = pause > 0 ? now.wall_ms + pause : 0;
    if (batch->count > 1 && batch->row.strikes >= (is_suspect ? 1 : POISON_STRIKES))
        halve_again(deliver, batch);
}

/* Found further back than this batch was sent: from an earlier state of ours. Whoever asks later for these memories has to know. */
static void note_older_rows(struct deliver *deliver, struct batch *batch)
{
    struct change change = { .kind = CHANGE_BATCH, .batch = &batch->row };
    int64_t since = since_of_batch(batch);
    bool is_older = false;

    for (size_t i = 0; i < batch->count; i++)
        is_older = is_older || (batch->members[i].look.oldest_ms != 0 && batch->members[i].look.oldest_ms < since);
    if (!is_older)
        return;
    batch->row.whole_listing = batch->has_older_rows = true;
    batch->row.members = (int64_t)batch->count;
    deliver->out.change(deliver->out.context, &change);
}

static void conclude(struct deliver *deliver, struct batch *batch)
{
    struct batch *part;

    (void)deliver_step(batch, BATCH_LOOKED_UP);
    decide(deliver, batch);
    note_older_rows(deliver, batch);
    if (pick_action(batch, MEMBER_DONE) > 0) {
        for (size_t i = 0; i < batch->count; i++)
            if (batch->members[i].picked)
                deliver_note(deliver, NOTE_STORED, batch->members[i].stream, 1);
        deliver_settle_picked(deliver, batch);
    }
    bury(deliver, batch);
    adopt(deliver, batch);
    if (pick_action(batch, MEMBER_LOOK_AGAIN) == batch->count) {
        if (batch->count > 0)
            look_again(deliver, batch);
        deliver_close_if_empty(deliver, batch);
        return;
    }
    part = deliver_split(deliver, batch, PHASE_UNCLEAR);
    if (part != NULL) {
        part->look_step = batch->look_step;
        look_again(deliver, part);
    }
    send_again(deliver, batch);
    deliver_close_if_empty(deliver, batch);
}

/* Once, until nothing waits for it any more. */
static void tell_unreadable(struct deliver *deliver)
{
    struct deliver_summary summary;
    char words[400];

    deliver_summarise(deliver, &summary);
    if (summary.unreadable > 0 && !deliver->unreadable_is_told) {
        deliver_say_unreadable(deliver, words, sizeof words);
        deliver_notice(deliver, true, "%s. %lld memories wait for that", words, (long long)summary.unreadable);
    }
    deliver->unreadable_is_told = summary.unreadable > 0;
}

static void end_walk(struct deliver *deliver, bool is_complete)
{
    size_t count = deliver->count; /* concluding adds batches behind */

    deliver->is_walking = deliver->is_cleaning = false;
    if (is_complete)
        deliver_pages_sum_up(deliver);
    deliver_removing_end_walk(deliver, is_complete);
    if (deliver->is_sweeping) {
        deliver->is_sweeping = false;
        deliver->out.swept(deliver->out.context, is_complete, deliver->pages.places, deliver->pages.place_count);
    }
    for (size_t i = 0; i < count; i++) {
        struct batch *batch = deliver->batches[i];
        if (!batch->is_looking)
            continue;
        batch->is_looking = false;
        if (is_complete)
            conclude(deliver, batch);
        else
            look_again(deliver, batch);
    }
    if (is_complete)
        tell_unreadable(deliver);
}

/* Rows come twice where others arrive before them, but a listing that has shown twice what it says to have has no end. */
static bool is_endless(const struct deliver *deliver)
{
    return deliver->walk_rows > (deliver->walk_total >= 0 ? 2 * deliver->walk_total + WALK_SLACK : WALK_MAXIMUM);
}

static void follow_pages(struct deliver *deliver, enum pages_end end)
{
    if (end != PAGES_ASKED)
        end_walk(deliver, end == PAGES_OVER && !deliver->walk_shrank);
    deliver_send_due(deliver);
    deliver_flush(deliver);
}

static enum pages_end read_page(struct deliver *deliver, const struct sink_page *page)
{
    /* A row that goes moves those behind it to an earlier page: what was there at our next question, we never see. */
    if (page->total >= 0 && deliver->walk_total >= 0 && page->total < deliver->walk_total)
        deliver->walk_shrank = true;
    deliver->walk_total = page->total;
    return is_endless(deliver) ? PAGES_BROKEN : deliver_pages_read(deliver, page);
}

void deliver_on_list(struct deliver *deliver, const struct sink_page *page, const struct sink_verdict *verdict, struct moment now)
{
    enum pages_end end = PAGES_BROKEN;

    deliver_begin(deliver, now);
    if (deliver->is_walking && verdict->scope == SINK_WELL)
        end = read_page(deliver, page);
    else if (deliver->is_walking && !is_endless(deliver))
        end = deliver_pages_failed(deliver, page, verdict);
    /* A page that cannot be read for the sake of its rows is no trouble of the server's; whether it is one, the counts are asked. */
    if (verdict->scope == SINK_WELL || end == PAGES_BROKEN)
        deliver_judge_target(deliver, verdict);
    if (deliver->is_walking)
        follow_pages(deliver, end);
}

void deliver_on_check(struct deliver *deliver, const struct sink_counts *counts, const struct sink_verdict *verdict, struct moment now)
{
    deliver_begin(deliver, now);
    deliver_judge_target(deliver, verdict);
    if (deliver->is_walking)
        follow_pages(deliver, deliver_pages_checked(deliver, counts, verdict->scope == SINK_WELL));
}
