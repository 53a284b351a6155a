/* engine_audit.c - audits: what LightRAG holds, compared with what we said was there.
 *
 * One sweep over the whole listing. Of every memory that is DONE the sweep must show one row, in our revision, processed. What differs is repaired by the
 * ways that exist anyway: missing ones are queued, unfinished ones fly again, other revisions and second rows are replaced, rows of forgotten memories
 * and dup- rows go. Rows of others are counted and never touched.
 *
 * Rows that cannot be read (delivery/deliver_pages.c) may be those of memories that were not seen: nothing is sent again for these, unless there are more of
 * them than such rows. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { AUDIT_TRIES = 5, AUDIT_NAMES = 1000, RESTART_AUDIT_MS = 60 * 1000 };

enum audit_repair { REPAIR_FOLLOW, REPAIR_REPLACE, REPAIR_REMOVE, REPAIR_QUEUE };

struct repair { int64_t seq; enum audit_repair how; };

struct audit {
    struct target_run *target;
    bool repairs;
    int tries;
    int64_t first_batch;          /* batches from here on were made while we swept: their rows may have been missed ... */
    int64_t *flying;              /* ... and so may those of what was on its way when we began */
    size_t flying_count, flying_capacity;
    uint32_t *rows;               /* by seq: a hash of the id of its first row; 0: none seen */
    size_t row_capacity;
    struct repair *repairs_due;
    size_t repair_count, repair_capacity;
    char (*strays)[96];
    size_t stray_count, stray_capacity;
    int64_t *unseen;              /* DONE, no row seen, perhaps among those that could not be read */
    size_t unseen_count, unseen_capacity;
    const struct deliver_hidden *hidden;
    size_t hidden_count;
    struct audit_result result;
};

static const char *const kinds[AUDIT_KINDS] = {
    [AUDIT_MISSING] = "missing", [AUDIT_STALE] = "stale", [AUDIT_COPY] = "second copy", [AUDIT_UNFINISHED] = "unfinished", [AUDIT_FAILED] = "failed",
    [AUDIT_DUPLICATE] = "dup- row", [AUDIT_RETURNED] = "returned", [AUDIT_ORPHAN] = "orphan", [AUDIT_STRANGER] = "stranger", [AUDIT_FOREIGN] = "foreign",
    [AUDIT_TRUSTED] = "trusted", [AUDIT_UNREADABLE] = "unreadable", [AUDIT_UNSEEN] = "unseen",
};

static const char *const advices[AUDIT_KINDS] = {
    [AUDIT_MISSING] = "said to be there, and is not; a repair sends it again",
    [AUDIT_STALE] = "another revision than ours; a repair replaces it",
    [AUDIT_COPY] = "two rows of one memory; a repair leaves one",
    [AUDIT_UNFINISHED] = "ours, and not processed; a repair follows it",
    [AUDIT_FAILED] = "dead letters whose failed row is still there: see dead-letters",
    [AUDIT_DUPLICATE] = "a note that something came twice; a repair deletes it",
    [AUDIT_RETURNED] = "removed, and there again; a repair removes it",
    [AUDIT_ORPHAN] = "a name of ours that this state does not know: left alone",
    [AUDIT_STRANGER] = "our name on a document that is not ours: left alone",
    [AUDIT_FOREIGN] = "documents of others: left alone",
    [AUDIT_TRUSTED] = "imported as sent, and not compared; sync --force sends and proves",
    [AUDIT_UNREADABLE] = "LightRAG 1.4 cannot list them, as one without a source is among them: delete that there, or upgrade to 1.5",
    [AUDIT_UNSEEN] = "said to be there, and perhaps among the unreadable: nothing is sent again",
};

const char *audit_kind_name(enum audit_kind kind) { return kinds[kind]; }
const char *audit_kind_advice(enum audit_kind kind) { return advices[kind]; }

bool audit_kind_differs(enum audit_kind kind)
{
    return kind != AUDIT_FOREIGN && kind != AUDIT_FAILED && kind != AUDIT_TRUSTED;
}

void audit_result_done(struct audit_result *result)
{
    for (size_t i = 0; i < result->name_count; i++)
        mem_free(result->names[i].name);
    mem_free(result->names);
    *result = (struct audit_result){ 0 };
}

/* ---- One row ---- */

static void count(struct audit *audit, enum audit_kind kind, const char *name)
{
    struct audit_result *result = &audit->result;

    result->counts[kind]++;
    if (kind == AUDIT_FOREIGN || result->name_count >= AUDIT_NAMES)
        return;
    result->names = mem_grow(result->names, result->name_count, &result->name_capacity, sizeof *result->names);
    result->names[result->name_count].kind = kind;
    result->names[result->name_count++].name = mem_copy_string(name);
}

static void plan(struct audit *audit, int64_t seq, enum audit_repair how)
{
    if (!audit->repairs)
        return;
    audit->repairs_due = mem_grow(audit->repairs_due, audit->repair_count, &audit->repair_capacity, sizeof *audit->repairs_due);
    audit->repairs_due[audit->repair_count++] = (struct repair){ seq, how };
}

static void plan_stray(struct audit *audit, const char *id)
{
    if (!audit->repairs || strlen(id) >= sizeof audit->strays[0])
        return;
    audit->strays = mem_grow(audit->strays, audit->stray_count, &audit->stray_capacity, sizeof *audit->strays);
    (void)snprintf(audit->strays[audit->stray_count++], sizeof audit->strays[0], "%s", id);
}

static uint32_t hash_id(const char *id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return hash != 0 ? hash : 1;
}

/* 0: the first row of that memory; 1: the same row again, pushed to a later page; 2: another one. */
static int note_row(struct audit *audit, int64_t seq, const char *id)
{
    uint32_t hash = hash_id(id);
    size_t index = (size_t)seq;

    if (index >= audit->row_capacity) {
        size_t capacity = audit->row_capacity > 0 ? audit->row_capacity : 1024;
        while (capacity <= index)
            capacity *= 2;
        audit->rows = mem_resize(audit->rows, capacity, sizeof *audit->rows);
        memset(audit->rows + audit->row_capacity, 0, (capacity - audit->row_capacity) * sizeof *audit->rows);
        audit->row_capacity = capacity;
    }
    if (audit->rows[index] == 0) {
        audit->rows[index] = hash;
        return 0;
    }
    return audit->rows[index] == hash ? 1 : 2;
}

static void judge_done(struct audit *audit, const struct memory_row *memory, const struct sink_row *row)
{
    char mark[REVISION_MARK_SIZE];
    int seen = note_row(audit, memory->seq, row->id);

    identity_revision_mark(memory->revision, mark);
    if (seen == 1)
        return;
    if (seen == 2) {
        count(audit, AUDIT_COPY, row->name);
        plan(audit, memory->seq, REPAIR_REPLACE);
    } else if (strcmp(row->mark, mark) != 0) {
        count(audit, AUDIT_STALE, row->name);
        plan(audit, memory->seq, REPAIR_REPLACE);
    } else if (row->status != SINK_ROW_PROCESSED || row->chunks <= 0) {
        count(audit, AUDIT_UNFINISHED, row->name);
        plan(audit, memory->seq, REPAIR_FOLLOW);
    }
}

static void judge_known(struct audit *audit, const struct memory_row *memory, const struct sink_row *row)
{
    char mark[REVISION_MARK_SIZE];

    switch (memory->state) {
    case MEMORY_DONE:
        judge_done(audit, memory, row);
        break;
    case MEMORY_GONE:
        count(audit, AUDIT_RETURNED, row->name);
        plan(audit, memory->seq, REPAIR_REMOVE);
        break;
    case MEMORY_DEAD:
        identity_revision_mark(memory->revision, mark);
        if (strcmp(row->mark, mark) == 0 && row->status == SINK_ROW_PROCESSED && note_row(audit, memory->seq, row->id) == 0)
            plan(audit, memory->seq, REPAIR_FOLLOW); /* somebody had it processed: so it is done */
        else
            count(audit, AUDIT_FAILED, row->name);
        break;
    default:
        (void)note_row(audit, memory->seq, row->id); /* under way, or never ours to judge */
        break;
    }
}

static bool is_of_another(const struct audit *audit, const struct memory_row *memory)
{
    const struct stream_run *stream = engine_find_stream(audit->target->engine, memory->stream);

    return stream != NULL && engine_is_succeeded(audit->target->engine, stream);
}

static void see_row(struct audit *audit, const struct sink_row *row)
{
    struct memory_row memory;

    audit->result.rows++;
    if (strncmp(row->name, "memory~", 7) != 0) {
        count(audit, AUDIT_FOREIGN, row->name);
        return;
    }
    if (!target_find_name(audit->target, row->name, &memory)) {
        count(audit, target_shares_name(audit->target, row->name) ? AUDIT_FOREIGN : AUDIT_ORPHAN, row->name);
    } else if (is_of_another(audit, &memory)) {
        count(audit, AUDIT_FOREIGN, row->name);
    } else if (row->dup != SINK_NO_DUP) {
        count(audit, AUDIT_DUPLICATE, row->name);
        plan_stray(audit, row->id);
    } else if (!row->has_mark) {
        count(audit, AUDIT_STRANGER, row->name);
    } else {
        judge_known(audit, &memory, row);
    }
}

/* ---- Its end ---- */

static void note_flying(void *context, int64_t seq)
{
    struct audit *audit = context;

    audit->flying = mem_grow(audit->flying, audit->flying_count, &audit->flying_capacity, sizeof *audit->flying);
    audit->flying[audit->flying_count++] = seq;
}

static bool may_be_unseen(const struct audit *audit, const struct memory_row *memory)
{
    for (size_t i = 0; i < audit->flying_count; i++)
        if (audit->flying[i] == memory->seq)
            return true;
    return memory->batch >= audit->first_batch;
}

static void miss(struct audit *audit, const struct memory_row *memory, enum audit_kind kind)
{
    struct engine *engine = audit->target->engine;
    const struct stream_run *stream = engine_find_stream(engine, memory->stream);

    text_clear(&engine->name);
    identity_document_name(&engine->name, stream != NULL ? stream->source : "", stream != NULL ? stream->context : "", memory->id);
    count(audit, kind, engine->name.data);
    if (kind == AUDIT_MISSING)
        plan(audit, memory->seq, REPAIR_QUEUE);
}

static bool find_missing(void *context, const struct memory_row *memory)
{
    struct audit *audit = context;

    if (memory->target == audit->target->row.target && memory->state == MEMORY_TRUSTED)
        audit->result.counts[AUDIT_TRUSTED]++;
    if (memory->target != audit->target->row.target || memory->state != MEMORY_DONE || is_of_another(audit, memory))
        return true;
    audit->result.done++;
    if (((size_t)memory->seq < audit->row_capacity && audit->rows[memory->seq] != 0) || may_be_unseen(audit, memory))
        return true;
    if (audit->hidden_count == 0) {
        miss(audit, memory, AUDIT_MISSING);
        return true;
    }
    audit->unseen = mem_grow(audit->unseen, audit->unseen_count, &audit->unseen_capacity, sizeof *audit->unseen);
    audit->unseen[audit->unseen_count++] = memory->seq;
    return true;
}

/* When the batch that a memory flew in last was first sent: rows of earlier revisions were gone by then. A memory that was imported and never flew has no
 * rows of ours at all. */
int64_t target_first_sent_ms(struct target_run *target, const struct memory_row *row)
{
    static const uint8_t no_revision[SHA256_SIZE];
    struct batch_row batch;
    struct error err = { 0 };
    int found;

    if (row->batch == 0)
        return memcmp(row->revision, no_revision, sizeof no_revision) == 0 ? INT64_MAX : 0;
    found = state_get_batch(target->engine->state, row->batch, &batch, &err);
    if (found < 0)
        engine_break(target->engine, &err);
    return found > 0 && !batch.whole_listing ? batch.first_sent_server_ms : 0;
}

static bool may_be_hidden(const struct audit *audit, const struct memory_row *memory)
{
    int64_t since = deliver_reach(target_first_sent_ms(audit->target, memory));

    for (size_t i = 0; i < audit->hidden_count; i++)
        if (deliver_hides(&audit->hidden[i], since))
            return true;
    return false;
}

/* One pass tells who cannot be there, the other what the rest is: too many to be hidden are all looked for. */
static void judge_unseen(struct audit *audit, bool is_counting, int64_t room, int64_t *candidates)
{
    struct engine *engine = audit->target->engine;

    for (size_t i = 0; i < audit->unseen_count && !engine->is_broken; i++) {
        struct memory_row memory;
        struct error err = { 0 };
        int found = state_get_memory(engine->state, audit->unseen[i], &memory, &err);
        if (found < 0)
            engine_break(engine, &err);
        if (found <= 0)
            continue;
        if (is_counting)
            *candidates += may_be_hidden(audit, &memory) ? 1 : 0;
        else
            miss(audit, &memory, *candidates <= room && may_be_hidden(audit, &memory) ? AUDIT_UNSEEN : AUDIT_MISSING);
    }
}

static void judge_hidden(struct audit *audit)
{
    int64_t candidates = 0;
    int64_t room = 0;

    for (size_t i = 0; i < audit->hidden_count; i++) {
        audit->result.counts[AUDIT_UNREADABLE] += audit->hidden[i].rows;
        room += audit->hidden[i].may_be_ours;
    }
    judge_unseen(audit, true, room, &candidates);
    judge_unseen(audit, false, room, &candidates);
}

static void queue_again(struct audit *audit, struct memory_row *row)
{
    enum memory_state from = row->state;

    if (row->text_size == 0) {
        target_lose(audit->target, row, from);
        return;
    }
    row->state = MEMORY_QUEUED;
    row->wanted = WANTED_NOTHING;
    row->attempts = 0;
    row->not_before_ms = 0;
    engine_apply(audit->target->engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = row, .from = from });
}

static void replace(struct audit *audit, struct memory_row *row)
{
    enum memory_state from = row->state;

    if (row->text_size == 0)
        return; /* nothing to put in its place: the next listing that shows a change does */
    row->state = MEMORY_REMOVING;
    row->wanted = WANTED_NEWER;
    engine_apply(audit->target->engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = row, .from = from });
    target_remove(audit->target, row);
}

static void repair_one(struct audit *audit, const struct repair *repair)
{
    struct engine *engine = audit->target->engine;
    struct memory_row row;
    struct error err = { 0 };
    int found = state_get_memory(engine->state, repair->seq, &row, &err);

    if (found < 0)
        engine_break(engine, &err);
    /* Meanwhile something else may have begun: then that is the truth. */
    if (found <= 0 || (row.state != MEMORY_DONE && row.state != MEMORY_DEAD && row.state != MEMORY_GONE))
        return;
    switch (repair->how) {
    case REPAIR_FOLLOW:
        (void)engine_close_letters(engine, row.stream, row.seq, true, NULL);
        target_take_up(audit->target, &row);
        break;
    case REPAIR_REPLACE:
        replace(audit, &row);
        break;
    case REPAIR_REMOVE: {
        enum memory_state from = row.state;
        row.state = MEMORY_REMOVING;
        row.wanted = WANTED_GONE;
        engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = from });
        target_remove(audit->target, &row);
        break;
    }
    case REPAIR_QUEUE:
        queue_again(audit, &row);
        break;
    }
}

static void say_result(const struct audit *audit)
{
    const char *name = audit->target->engine->settings->targets[audit->target->index].name;
    const struct audit_result *result = &audit->result;
    int64_t differences = 0;

    for (int kind = 0; kind < AUDIT_KINDS; kind++) {
        if (!audit_kind_differs((enum audit_kind)kind) || result->counts[kind] == 0)
            continue;
        differences += result->counts[kind];
        log_warn("target", name, "audit: %lld %s: %s", (long long)result->counts[kind], kinds[kind], advices[kind]);
    }
    if (differences == 0)
        log_info("target", name, "audit: all %lld memories are there, %lld rows of others", (long long)result->done, (long long)result->counts[AUDIT_FOREIGN]);
}

static void forget_findings(struct audit *audit)
{
    audit_result_done(&audit->result);
    audit->repair_count = audit->stray_count = audit->unseen_count = 0;
    if (audit->row_capacity > 0)
        memset(audit->rows, 0, audit->row_capacity * sizeof *audit->rows);
}

static void finish(struct audit *audit)
{
    struct target_run *target = audit->target;
    struct engine *engine = target->engine;
    struct error err = { 0 };

    if (state_each_memory(engine->state, 0, 0, find_missing, audit, &err) < 0) {
        engine_break(engine, &err);
        return;
    }
    judge_hidden(audit);
    if (engine->is_broken)
        return;
    audit->result.is_complete = true;
    if (target->audit_result == NULL)
        say_result(audit);
    for (size_t i = 0; i < audit->repair_count && !engine->is_broken; i++)
        repair_one(audit, &audit->repairs_due[i]);
    for (size_t i = 0; i < audit->stray_count; i++)
        deliver_remove_row(target->deliver, audit->strays[i]);
    engine_apply(engine, &(struct change){
        .kind = CHANGE_MARK, .mark_owner = target->row.target, .mark_kind = MARK_AUDITED_MS, .mark_value = engine->now.wall_ms });
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    audit_result_done(&audit->result);
    mem_free(audit->rows);
    mem_free(audit->repairs_due);
    mem_free(audit->strays);
    mem_free(audit->flying);
    mem_free(audit->unseen);
    mem_free(audit);
}

/* The result goes to whoever asked (verify); else it was logged. */
static void end_audit(struct target_run *target)
{
    struct audit *audit = target->audit;

    if (target->audit_result != NULL) {
        *target->audit_result = audit->result;
        audit->result = (struct audit_result){ 0 };
    }
    audit_free(audit);
    target_drop_names(target);
    target->audit = NULL;
    target->audited_mono = target->engine->now.mono_ms;
}

void audit_on_row(struct target_run *target, const struct sink_row *row)
{
    if (target->audit != NULL && !target->engine->is_broken)
        see_row(target->audit, row);
}

void audit_on_end(struct target_run *target, bool is_complete, const struct deliver_hidden *hidden, size_t hidden_count)
{
    struct audit *audit = target->audit;

    if (audit == NULL || target->engine->is_broken)
        return;
    if (is_complete) {
        audit->hidden = hidden;
        audit->hidden_count = hidden_count;
        finish(audit);
        end_audit(target);
        return;
    }
    forget_findings(audit);
    if (++audit->tries >= AUDIT_TRIES) {
        log_warn("target", target->engine->settings->targets[target->index].name, "audit: %d times the listing could not be read to its end; tried again later",
                 audit->tries);
        end_audit(target);
    }
}

/* ---- Its beginning ---- */

void audit_start(struct target_run *target, bool repairs)
{
    struct audit *audit;

    if (target->audit != NULL)
        return;
    audit = mem_alloc(sizeof *audit);
    audit->target = target;
    audit->repairs = repairs;
    target_drop_names(target); /* what was added since is in the next ones */
    target->audit = audit;
}

static bool is_due(struct target_run *target, const struct deliver_summary *summary)
{
    struct engine *engine = target->engine;
    const struct engine_target *settings = &engine->settings->targets[target->index];
    struct error err = { 0 };
    int64_t audited_ms;

    if (summary->restarts > target->restarts_audited) {
        bool is_early = target->audited_mono > 0 && engine->now.mono_ms - target->audited_mono < RESTART_AUDIT_MS;
        if (!is_early)
            target->restarts_audited = summary->restarts;
        return !is_early;
    }
    if (settings->audit_interval_ms == 0 || target->audit_is_planned)
        return false;
    if (state_get_mark(engine->state, target->row.target, MARK_AUDITED_MS, &audited_ms, &err) < 0) {
        engine_break(engine, &err);
        return false;
    }
    /* A clock that was set back must not put audits off for ever. */
    if (audited_ms > 0 && audited_ms <= engine->now.wall_ms && engine->now.wall_ms - audited_ms < settings->audit_interval_ms) {
        target->audit_is_planned = true; /* looked up once; the next process looks again */
        target->audit_due_mono = engine->now.mono_ms + settings->audit_interval_ms - (engine->now.wall_ms - audited_ms);
        return false;
    }
    return true;
}

static bool has_done(struct target_run *target)
{
    struct state_counts counts;
    struct error err = { 0 };

    if (state_count_target(target->engine->state, target->row.target, &counts, &err) < 0) {
        engine_break(target->engine, &err);
        return false;
    }
    return counts.memories[MEMORY_DONE] > 0;
}

void audit_step(struct target_run *target)
{
    struct engine *engine = target->engine;
    struct deliver_summary summary;

    deliver_summarise(target->deliver, &summary);
    if (target->audit == NULL) {
        if (target->audit_is_planned && engine->now.mono_ms >= target->audit_due_mono)
            target->audit_is_planned = false;
        if (!engine->audits || !is_due(target, &summary) || engine->is_broken)
            return;
        if (!has_done(target)) { /* nothing was said to be there yet */
            engine_apply(engine, &(struct change){
                .kind = CHANGE_MARK, .mark_owner = target->row.target, .mark_kind = MARK_AUDITED_MS, .mark_value = engine->now.wall_ms });
            return;
        }
        audit_start(target, true);
    }
    if (summary.condition == TARGET_WELL && !summary.is_sweeping) {
        target->audit->first_batch = state_next_batch(engine->state);
        target->audit->flying_count = 0;
        deliver_each_member(target->deliver, note_flying, target->audit);
        deliver_sweep(target->deliver);
    }
}
