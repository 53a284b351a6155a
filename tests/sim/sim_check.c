/* sim_check.c - what must hold: when a request leaves, at every step, after every sync, and at the end. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* ---- Look-ups ---- */

static void name_of(struct sim *sim, const struct memory_row *row, struct text *name)
{
    struct stream_row stream;
    struct error err = { 0 };

    text_clear(name);
    if (state_get_stream(sim->state, row->stream, &stream, &err) > 0)
        identity_document_name(name, stream.source, stream.context, row->id);
}

static int64_t stream_of(struct sim *sim, int context)
{
    sqlite3_stmt *statement = NULL;
    int64_t found = 0;

    if (sqlite3_prepare_v2(sim->state->db, "SELECT stream FROM streams WHERE context=?1", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_bind_text(statement, 1, sim->contexts[context], -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        found = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return found;
}

static bool find_row(struct sim *sim, const struct sim_memory *memory, struct memory_row *ret_row)
{
    int64_t stream = stream_of(sim, memory->context);
    struct error err = { 0 };

    return stream != 0 && state_find_memory(sim->state, stream, (struct slice){ memory->id, strlen(memory->id) }, ret_row, &err) > 0;
}

static int64_t ask(struct sim *sim, const char *sql, int64_t value)
{
    sqlite3_stmt *statement = NULL;
    int64_t answer = -1;

    if (sqlite3_prepare_v2(sim->state->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_bind_int64(statement, 1, value) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        answer = sqlite3_column_int64(statement, 0);
    else
        sim_fail(sim, "the simulation's own: %s: %s", sql, sqlite3_errmsg(sim->state->db));
    (void)sqlite3_finalize(statement);
    return answer;
}

static int64_t count_letters(struct sim *sim, int64_t seq)
{
    return ask(sim, "SELECT count(*) FROM letters WHERE ending=0 AND seq=?1", seq);
}

static int64_t count_stream_letters(struct sim *sim, int64_t stream, enum dead_class dead_class)
{
    AUTO_STRING char *sql = mem_format("SELECT count(*) FROM letters WHERE ending=0 AND stream=?1 AND class=%d", (int)dead_class);

    return ask(sim, sql, stream);
}

/* ---- An insert that is about to leave ---- */

struct flight {
    struct sim *sim;
    const struct exchange *exchange;
    struct text name;
    yyjson_val *texts;
    int64_t batches[64];
    size_t batch_count;
    int64_t batch;           /* of the first document */
    size_t found;
};

static bool keep_sending(void *context, const struct batch_row *row)
{
    struct flight *flight = context;

    if (row->state == BATCH_SENDING && flight->batch_count < ARRAY_LENGTH(flight->batches))
        flight->batches[flight->batch_count++] = row->batch;
    return true;
}

static bool check_member(void *context, const struct memory_row *row)
{
    struct flight *flight = context;
    struct sim *sim = flight->sim;
    struct error err = { 0 };
    AUTO_DONE(text) struct text text = { 0 };

    name_of(sim, row, &flight->name);
    for (size_t i = 0; i < flight->exchange->name_count; i++) {
        yyjson_val *sent = yyjson_arr_get(flight->texts, i);
        if (strcmp(flight->exchange->names[i], flight->name.data) != 0)
            continue;
        flight->found++;
        if (flight->batch == 0)
            flight->batch = row->batch;
        if (row->batch != flight->batch)
            sim_fail(sim, "an insert carries members of two batches: %s", flight->name.data);
        if (sim_is_dirty(&sim->dirty_memories, row->seq) || sim_is_dirty(&sim->dirty_batches, row->batch))
            sim_fail(sim, "an insert leaves before its intent is committed: %s, batch %lld", flight->name.data, (long long)row->batch);
        text_init(&text, 0);
        if (state_get_text(sim->state, row->seq, &text, &err) <= 0)
            sim_fail(sim, "an insert leaves without a text in the state: %s", flight->name.data);
        else if (text.size != yyjson_get_len(sent) || memcmp(text.data, yyjson_get_str(sent), text.size) != 0)
            sim_fail(sim, "an insert carries another text than the state keeps: %s", flight->name.data);
        return true;
    }
    return true;
}

void sim_check_insert(struct sim *sim, const struct exchange *exchange)
{
    struct flight flight = { .sim = sim, .exchange = exchange };
    yyjson_doc *document = yyjson_read(exchange->body, exchange->body_size, 0);
    struct error err = { 0 };

    text_init(&flight.name, 0);
    flight.texts = yyjson_obj_get(yyjson_doc_get_root(document), "texts");
    if (state_each_open_batch(sim->state, 1, keep_sending, &flight, &err) < 0)
        sim_fail(sim, "the state does not list its batches: %.200s", err.message);
    for (size_t i = 0; i < flight.batch_count; i++)
        if (state_each_member(sim->state, flight.batches[i], check_member, &flight, &err) < 0)
            sim_fail(sim, "the state does not list a batch: %.200s", err.message);
    if (flight.found != exchange->name_count)
        sim_fail(sim, "an insert of %zu documents leaves, and the state knows %zu of them as being sent", exchange->name_count, flight.found);
    for (size_t i = 0; i < exchange->name_count; i++) {
        if (sim_is_underway(sim, exchange->names[i], exchange, false))
            sim_fail(sim, "two requests in flight for %s", exchange->names[i]);
        else if (sim->plan.is_14 && sim_is_underway(sim, exchange->names[i], exchange, true))
            sim_fail(sim, "1.4: an insert leaves while an earlier one of the same memory may still arrive: %s", exchange->names[i]);
    }
    text_done(&flight.name);
    yyjson_doc_free(document);
}

/* ---- What LightRAG has had ---- */

static bool is_processed(const struct doc *doc)
{
    return doc->status == DOC_PROCESSED && doc->dup == NO_DUP && !doc->has_no_chunk;
}

void sim_note_processed(struct sim *sim)
{
    struct fake_lightrag *fake = sim->lightrag;

    fake->now_ms = sim_server_ms(sim);
    fake_store_tick(fake);
    for (int64_t i = 0; i < fake->count; i++) {
        char mark[REVISION_MARK_SIZE];
        const struct doc *doc = &fake->docs[i];
        if (!is_processed(doc) || !identity_find_mark(doc->summary, strlen(doc->summary), mark))
            continue;
        sim->processed.items = mem_grow(sim->processed.items, sim->processed.count, &sim->processed.capacity, sizeof(char *));
        sim->processed.items[sim->processed.count++] = mem_format("%s %s", doc->name, mark);
    }
}

static bool was_processed(struct sim *sim, const char *name, const char *mark)
{
    const struct fake_lightrag *fake = sim->lightrag;
    AUTO_STRING char *both = mem_format("%s %s", name, mark);

    for (int64_t i = fake->count; i-- > 0;) {
        char found[REVISION_MARK_SIZE];
        const struct doc *doc = &fake->docs[i];
        if (is_processed(doc) && strcmp(doc->name, name) == 0 && identity_find_mark(doc->summary, strlen(doc->summary), found) && strcmp(found, mark) == 0)
            return true;
    }
    for (size_t i = 0; i < sim->processed.count; i++)
        if (strcmp(sim->processed.items[i], both) == 0)
            return true;
    return false;
}

static const struct doc *only_live(const struct sim *sim, const char *name, int *ret_count)
{
    const struct fake_lightrag *fake = sim->lightrag;
    const struct doc *found = NULL;

    *ret_count = 0;
    for (int64_t i = 0; i < fake->count; i++) {
        if (!fake_is_live(&fake->docs[i]) || strcmp(fake->docs[i].name, name) != 0)
            continue;
        found = &fake->docs[i];
        ++*ret_count;
    }
    return found;
}

/* ---- Every step ---- */

static void check_touched(struct sim *sim)
{
    AUTO_DONE(text) struct text name = { 0 };

    text_init(&name, 0);
    for (size_t i = 0; i < sim->touched.count; i++) {
        struct memory_row row;
        struct error err = { 0 };
        char mark[REVISION_MARK_SIZE];
        if (state_get_memory(sim->state, sim->touched.items[i], &row, &err) <= 0 || row.state == MEMORY_QUEUED || row.state == MEMORY_FLYING)
            continue;
        name_of(sim, &row, &name);
        if (row.state != MEMORY_DONE) {
            sim_trace(sim, "state: %s is %s", name.data, memory_state_name(row.state));
            continue;
        }
        identity_revision_mark(row.revision, mark);
        if (!was_processed(sim, name.data, mark))
            sim_fail(sim, "DONE in the state, and LightRAG never had it as processed: %s revision %s", name.data, mark);
    }
    sim->touched.count = 0;
}

void sim_check_step(struct sim *sim)
{
    if (sim->is_dead || sim->state->is_broken)
        return;
    check_touched(sim);
    if (!sim->plan.is_14 && fake_store_count_doubled(sim->lightrag) > 0)
        sim_fail(sim, "LightRAG holds a document twice");
}

/* ---- After a sync ---- */

static void check_counts(struct sim *sim)
{
    for (int64_t stream = 1; stream <= sim->plan.contexts; stream++) {
        struct state_counts counts;
        struct error err = { 0 };
        if (state_count_stream(sim->state, stream, &counts, &err) < 0) {
            sim_fail(sim, "the state does not count: %.200s", err.message);
            return;
        }
        for (int state = MEMORY_QUEUED; state < MEMORY_STATES; state++) {
            AUTO_STRING char *sql = mem_format("SELECT count(*) FROM memories WHERE stream=?1 AND state=%d", state);
            int64_t recount = ask(sim, sql, stream);
            if (recount != counts.memories[state])
                sim_fail(sim, "the counter of %s says %lld, a recount %lld", memory_state_name((enum memory_state)state), (long long)counts.memories[state],
                         (long long)recount);
        }
        for (int class = 1; class < DEAD_CLASSES; class++)
            if (count_stream_letters(sim, stream, (enum dead_class)class) != counts.letters[class])
                sim_fail(sim, "the counter of dead letters %s differs from a recount", dead_class_name((enum dead_class)class));
    }
}

static void check_batches(struct sim *sim)
{
    if (ask(sim, "SELECT count(*) FROM memories m LEFT JOIN batches b ON b.batch=m.batch WHERE m.state=2+0*?1 AND (b.batch IS NULL OR b.state=5)", 0) != 0)
        sim_fail(sim, "a memory flies in no open batch");
    if (ask(sim, "SELECT count(*) FROM memories m LEFT JOIN texts t ON t.seq=m.seq WHERE m.state IN (1,2+0*?1) AND m.wanted<>2 AND t.seq IS NULL", 0) != 0 &&
        sim->plan.keeps_texts)
        sim_fail(sim, "a memory waits to be sent, and its text is not there");
}

void sim_check_sync(struct sim *sim, const struct sync_outcome *outcome)
{
    bool is_over = outcome != NULL && (outcome->result == RUN_SUCCESS || outcome->result == RUN_PARTIAL);
    bool listed_all = is_over && strcmp(outcome->coverage, "complete") == 0;

    check_counts(sim);
    check_batches(sim);
    for (int i = 0; i < sim->plan.contexts && is_over; i++) /* a listing that failed at its last try is named by its run */
        if (sim->broke_off[i] && count_stream_letters(sim, stream_of(sim, i), DEAD_SOURCE_GAP) == 0)
            sim_fail(sim, "the listing of context %d broke off, and no gap says so", i);
    for (size_t i = 0; i < sim->memory_count && listed_all && !sim->plan.narrow; i++) {
        const struct sim_memory *memory = &sim->memories[i];
        struct memory_row row;
        if (!memory->is_there || memory->there_since_ms > sim->sync_began_ms)
            continue;
        if (memory->kind == KIND_MALFORMED && !sim->was_ordered && count_stream_letters(sim, stream_of(sim, memory->context), DEAD_MALFORMED) == 0)
            sim_fail(sim, "a whole listing of context %d held an element that is no memory, and no dead letter says so", memory->context);
        if (memory->kind != KIND_MALFORMED && !find_row(sim, memory, &row))
            sim_fail(sim, "a whole listing showed %s of context %d, and the state does not know it", memory->id, memory->context);
    }
}

/* ---- The end ---- */

bool sim_is_settled(struct sim *sim)
{
    return ask(sim, "SELECT count(*) FROM memories WHERE state IN (1, 2, 6+0*?1)", 0) == 0;
}

/* A model that refuses a text so many times refuses it as often again after LightRAG was wiped: we count all of them. */
static bool is_bad(const struct sim *sim, enum sim_kind kind)
{
    return kind == KIND_POISON || kind == KIND_HOLLOW ||
           (kind == KIND_FAILING && (sim->plan.fail_times == 0 || sim->plan.fail_times * (1 + sim->wipes) >= 3));
}

/* Its document is there once, processed, and says what the source says. */
static void check_document(struct sim *sim, const struct sim_memory *memory, const char *name)
{
    int count;
    const struct doc *doc = only_live(sim, name, &count);
    bool is_there = false;
    char marker[SIM_MARKER];

    if (memory->is_ruined)
        return;
    if (count == 0 && sim->wipes > 0 && !sim->plan.audits)
        return; /* nobody looks for it: the configuration says so */
    if (count != 1) {
        sim_fail(sim, "%s is DONE, and LightRAG holds it %d times", name, count);
        return;
    }
    if (!is_processed(doc))
        sim_fail(sim, "%s is DONE, and LightRAG has not processed it", name);
    if (doc->is_torn)
        sim_fail(sim, "%s is DONE, and torn: a delete has begun at it", name);
    if (memory->kind == KIND_BLANK || !memory->is_there)
        return;
    for (int version = sim->plan.replaces && !sim->plan.narrow ? memory->version : 1; version <= memory->version; version++) {
        sim_memory_marker(memory, version, marker);
        is_there = is_there || (doc->text != NULL && strstr(doc->text, marker) != NULL);
    }
    if (!is_there && !(memory->version > 1 && (!sim->plan.replaces || sim->plan.narrow))) /* an earlier one may have been blank */
        sim_fail(sim, "%s is DONE, and LightRAG holds another text of it than version %d: %.160s", name, memory->version, doc->summary);
}

static void check_there(struct sim *sim, const struct sim_memory *memory, const struct memory_row *row, const char *name)
{
    bool may_be_unseen = sim->plan.narrow && memory->was_away;
    bool may_be_old = (!sim->plan.replaces || sim->plan.narrow) && memory->version > 1; /* a narrow listing does not show a change of an old one */

    switch (row->state) {
    case MEMORY_DONE:
        check_document(sim, memory, name);
        return;
    case MEMORY_DEAD:
        if (count_letters(sim, row->seq) == 0)
            sim_fail(sim, "%s is DEAD, and no dead letter says so", name);
        may_be_old = may_be_old || (memory->kind == KIND_BLANK && memory->version > 1); /* emptied since: the letter keeps the story */
        if (!is_bad(sim, memory->kind) && !may_be_old && !memory->is_ruined)
            sim_fail(sim, "%s is DEAD, and nothing is wrong with it", name);
        return;
    case MEMORY_SKIPPED:
        if (memory->kind != KIND_BLANK && count_letters(sim, row->seq) == 0 && !may_be_old && !(memory->was_reset && sim->plan.narrow))
            sim_fail(sim, "%s is SKIPPED, and it has words", name);
        return;
    case MEMORY_GONE:
        if (may_be_unseen)
            return;
        __attribute__((fallthrough));
    default:
        sim_fail(sim, "%s is at the source and ends as %s", name, memory_state_name(row->state));
    }
}

/* Deleted at the source, and kept: a person is asked, or no listing was a proof. */
static bool may_stay(struct sim *sim, const struct sim_memory *memory, const struct memory_row *row)
{
    bool is_anything_there = false;

    for (size_t i = 0; i < sim->memory_count; i++) {
        const struct sim_memory *other = &sim->memories[i];
        if (!other->is_there || other->context != memory->context)
            continue;
        is_anything_there = true;
        if (other->kind == KIND_MALFORMED)
            return true;
    }
    return !is_anything_there || memory->is_ruined || count_stream_letters(sim, row->stream, DEAD_DELETION) > 0;
}

static void check_away(struct sim *sim, const struct sim_memory *memory, const struct memory_row *row, const char *name)
{
    int count;

    (void)only_live(sim, name, &count);
    if (row->state == MEMORY_GONE && count > 0 && !memory->is_ruined)
        sim_fail(sim, "%s is GONE, and LightRAG still holds it", name);
    if (row->state == MEMORY_GONE && sim->connector.on_delete != ENGINE_DELETE_PROPAGATE && !memory->is_forgotten)
        sim_fail(sim, "%s is GONE, and nobody allowed it", name);
    if (row->state != MEMORY_GONE && sim->connector.on_delete == ENGINE_DELETE_PROPAGATE && !sim->plan.narrow && !may_stay(sim, memory, row))
        sim_fail(sim, "%s is deleted at the source and ends as %s", name, memory_state_name(row->state));
    if (row->state == MEMORY_DONE && !memory->is_ruined)
        check_document(sim, memory, name);
    if (row->state == MEMORY_DEAD && count_letters(sim, row->seq) == 0)
        sim_fail(sim, "%s is DEAD, and no dead letter says so", name);
}

static void check_memory(struct sim *sim, const struct sim_memory *memory, struct text *name)
{
    struct memory_row row;

    if (!find_row(sim, memory, &row)) {
        if (memory->is_there && memory->kind != KIND_MALFORMED && !sim->plan.narrow)
            sim_fail(sim, "%s of context %d is at the source, and the state does not know it", memory->id, memory->context);
        return;
    }
    name_of(sim, &row, name);
    if (memory->is_there)
        check_there(sim, memory, &row, name->data);
    else
        check_away(sim, memory, &row, name->data);
}

/* The last verify has compared everything: what it found must be what is there. */
static void check_findings(struct sim *sim)
{
    static const enum audit_kind never[] = { AUDIT_MISSING, AUDIT_STALE, AUDIT_COPY, AUDIT_UNFINISHED, AUDIT_ORPHAN };

    if (!sim->is_told_all)
        sim_fail(sim, "a verify without any fault does not come to its end");
    for (size_t i = 0; i < ARRAY_LENGTH(never); i++)
        if (sim->findings[never[i]] > 0 && !sim_has(sim, SIM_FOREIGN) && (sim->wipes == 0 || sim->plan.audits))
            sim_fail(sim, "verify finds %lld %s when all is at rest", (long long)sim->findings[never[i]], audit_kind_name(never[i]));
}

void sim_check_end(struct sim *sim)
{
    AUTO_DONE(text) struct text name = { 0 };

    text_init(&name, 0);
    sim_note_processed(sim);
    check_findings(sim);
    for (size_t i = 0; i < sim->memory_count && !sim->has_failed; i++)
        check_memory(sim, &sim->memories[i], &name);
    for (int64_t i = 0; i < sim->lightrag->count && !sim->has_failed; i++)
        if (fake_is_live(&sim->lightrag->docs[i]) && strncmp(sim->lightrag->docs[i].name, "stranger-", 9) == 0 &&
            strstr(sim->lightrag->docs[i].summary, "A stranger's words") == NULL)
            sim_fail(sim, "a stranger's document was touched");
    if (fake_store_count_doubled(sim->lightrag) > 0 && !sim_has(sim, SIM_FOREIGN))
        sim_fail(sim, "at the end LightRAG holds a document twice");
}
