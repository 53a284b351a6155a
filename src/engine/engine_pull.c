/* engine_pull.c - listings: stream -> splitter -> memory -> known? changed? empty? -> text -> queue. One element at a time, whatever the length. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "delivery/retry.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct engine_connector *connector_of(const struct run *run)
{
    return &run->engine->settings->connectors[run->connector];
}

static const struct engine_source *source_of(const struct run *run)
{
    return &run->engine->settings->sources[connector_of(run)->source];
}


/* ---- The same id twice in one listing ---- */

static struct seen *find_seen(struct run *run, int64_t seq)
{
    size_t mask = run->seen_size - 1;
    size_t slot = (size_t)((uint64_t)seq * 0x9E3779B97F4A7C15u >> 20) & mask;

    while (run->seen[slot].seq != 0 && run->seen[slot].seq != seq)
        slot = (slot + 1) & mask;
    return &run->seen[slot];
}

static void grow_seen(struct run *run)
{
    struct seen *old = run->seen;
    size_t old_size = run->seen_size;

    run->seen_size = old_size > 0 ? old_size * 2 : 1024;
    run->seen = mem_alloc_array(run->seen_size, sizeof *run->seen);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].seq != 0)
            *find_seen(run, old[i].seq) = old[i];
    mem_free(old);
}

static void remember_seen(struct run *run, int64_t seq, const struct memory *memory)
{
    struct seen *seen;

    if (run->seen_count >= SEEN_MAXIMUM)
        return; /* beyond that a repetition counts as an unchanged or changed memory of its own */
    if (3 * run->seen_size < 4 * (run->seen_count + 1)) /* three quarters full: the hash spreads numbers that follow each other evenly */
        grow_seen(run);
    seen = find_seen(run, seq);
    if (seen->seq == 0)
        run->seen_count++;
    *seen = (struct seen){ seq, memory->has_updated ? memory->updated_ms : INT64_MIN };
}

/* The first of two counts, unless the later one is newer by updated_at. */
static bool is_repetition(struct run *run, int64_t seq, const struct memory *memory)
{
    struct seen *seen;

    if (run->seen_size == 0)
        return false;
    seen = find_seen(run, seq);
    if (seen->seq == 0)
        return false;
    run->row.counts.duplicates++;
    return !(memory->has_updated && memory->updated_ms > seen->updated_ms);
}

/* ---- One memory ---- */

/* Into engine->text. false: it is no document: a template has made too much of it. */
static bool render(struct run *run, const struct memory *memory, const uint8_t revision[SHA256_SIZE])
{
    struct text *text = &run->engine->text;
    bool is_whole;

    text_clear(text);
    text->maximum = TRANSFORM_DOCUMENT_MAXIMUM;
    transform_document(&connector_of(run)->transform, run->stream->context, memory, revision, text);
    text->maximum = TEXT_MAXIMUM;
    is_whole = !text->overflow;
    if (!is_whole)
        text_clear(text);
    return is_whole;
}

static bool needs_text(enum pull_action action)
{
    return action == PULL_ADD || action == PULL_REPLACE || action == PULL_REPLACE_DEAD || action == PULL_WANT_NEWER || action == PULL_REMOVE_NEWER;
}

/* The row in its new revision, with its text where it has one to send (in engine->text). wanted: what comes after REMOVING. */
static struct memory_row put_memory(struct run *run, const struct memory_row *known, const struct memory *memory, const uint8_t revision[SHA256_SIZE],
                                    enum memory_state state, enum memory_wanted wanted)
{
    struct engine *engine = run->engine;
    struct memory_row row = known != NULL ? *known : (struct memory_row){ 0 };
    struct slice text = { "", 0 };

    row.stream = run->stream->row.stream;
    row.target = run->stream->row.target;
    row.id = memory->id;
    memcpy(row.revision, revision, sizeof row.revision);
    if (row.state != MEMORY_SKIPPED && row.state != MEMORY_QUEUED)
        row.batch = 0; /* these have flown where it says so: a reset leaves documents behind */
    row.state = state;
    row.wanted = wanted;
    row.not_before_ms = 0;
    row.attempts = state == MEMORY_SKIPPED ? (int)run->skip : 0;
    row.arrived_ms = engine->now.wall_ms;
    if (state != MEMORY_SKIPPED)
        text = (struct slice){ engine->text.data, engine->text.size };
    row.text_size = (int64_t)text.size;
    if (known == NULL)
        row.seq = state_next_memory(engine->state);
    engine_apply(engine, &(struct change){
        .kind = known != NULL ? CHANGE_MEMORY_SET : CHANGE_MEMORY_ADD,
        .memory = &row,
        .from = known != NULL ? known->state : MEMORY_NONE,
        .text = &text,
    });
    remember_seen(run, row.seq, memory);
    listing_note_present(run, row.seq);
    return row;
}

/* The newer revision waits beside the one in flight. */
static void want_newer(struct run *run, const struct memory_row *known, const struct memory *memory, const uint8_t revision[SHA256_SIZE])
{
    struct engine *engine = run->engine;
    struct slice text = { engine->text.data, engine->text.size };

    engine_apply(engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = known->seq, .newer_revision = revision, .newer_text = &text });
    engine_want(engine, known, WANTED_NEWER);
    remember_seen(run, known->seq, memory);
}

static void remove_for_newer(struct run *run, const struct memory_row *known, const struct memory *memory, const uint8_t revision[SHA256_SIZE])
{
    struct memory_row row = put_memory(run, known, memory, revision, MEMORY_REMOVING, WANTED_NEWER);

    target_remove(run->stream->target, &row);
}

static void replace_dead(struct run *run, const struct memory_row *known, const struct memory *memory, const uint8_t revision[SHA256_SIZE])
{
    bool is_absent = false;

    if (!engine_close_letters(run->engine, run->stream->row.stream, known->seq, connector_of(run)->replaces, &is_absent))
        return;
    if (is_absent)
        (void)put_memory(run, known, memory, revision, MEMORY_QUEUED, WANTED_NOTHING);
    else
        remove_for_newer(run, known, memory, revision);
}

/* 1: the revision that waits beside the one in flight; 0; -1: the engine is broken. */
static int is_waiting_revision(struct run *run, const struct memory_row *known, const uint8_t revision[SHA256_SIZE])
{
    struct engine *engine = run->engine;
    uint8_t waiting[SHA256_SIZE];
    struct error err = { 0 };
    int found;

    if (known->wanted != WANTED_NEWER || known->state != MEMORY_FLYING)
        return 0;
    text_clear(&engine->text);
    found = state_get_newer(engine->state, known->seq, waiting, &engine->text, &err);
    if (found < 0)
        engine_break(engine, &err);
    return found > 0 && memcmp(waiting, revision, SHA256_SIZE) == 0 ? 1 : found < 0 ? -1 : 0;
}

/* What a filter may take back: a tombstone that would come to life again, and what waits and has never flown. What was delivered stays, also when the
 * server lost it and it waits to be sent once more. */
static bool is_nowhere(const struct memory_row *known)
{
    return known->state == MEMORY_GONE || (known->state == MEMORY_REMOVING && known->wanted == WANTED_GONE) ||
           (known->state == MEMORY_QUEUED && known->batch == 0);
}

/* Once in a run, however often it lists: what a run has replaced came later than its start, and what was trusted is so no more. */
static bool is_forced(const struct run *run, const struct memory_row *known, const uint8_t revision[SHA256_SIZE])
{
    if (!run->options.force)
        return false;
    if (known->state == MEMORY_TRUSTED)
        return run->skip == SKIP_NOT; /* whatever its revision: it was never known */
    return known->state == MEMORY_DONE && known->arrived_ms < run->row.started_ms && memcmp(known->revision, revision, SHA256_SIZE) == 0;
}

static enum pull_seen judge_memory(struct run *run, const struct memory_row *known, const struct memory *memory, const uint8_t revision[SHA256_SIZE])
{
    run->skip = memory_filter_judge(&connector_of(run)->filter, memory);
    if (known != NULL && is_waiting_revision(run, known, revision) != 0)
        return PULL_SAME;
    if (known != NULL && is_forced(run, known, revision))
        return PULL_FORCED;
    if (known != NULL && memcmp(known->revision, revision, SHA256_SIZE) == 0) {
        /* The filter is another one since: what was skipped is worth sending now, or for another reason not. */
        if (known->state == MEMORY_SKIPPED && (run->skip == SKIP_NOT || run->skip != (enum memory_skip)known->attempts))
            return run->skip == SKIP_NOT ? PULL_NEWER : PULL_EMPTY;
        /* Nothing of it is at the server, nor on its way there, or will be: so it stays. */
        if (run->skip != SKIP_NOT && is_nowhere(known))
            return PULL_EMPTY;
        /* REMOVING, wanted NEWER: this very revision is sent next. */
        if (known->wanted == WANTED_GONE || (known->wanted == WANTED_NEWER && known->state == MEMORY_FLYING))
            return PULL_BACK;
        return PULL_SAME;
    }
    return run->skip != SKIP_NOT ? PULL_EMPTY : PULL_NEWER;
}

static void count_action(struct run_counts *counts, enum pull_action action, enum memory_skip skip)
{
    switch (action) {
    case PULL_COUNT_UNCHANGED:
        counts->unchanged++;
        break;
    case PULL_ADD:
        counts->new_++;
        break;
    case PULL_ADD_SKIPPED:
    case PULL_SKIP:
        counts->skipped++;
        counts->filtered += skip != SKIP_EMPTY;
        break;
    default:
        counts->changed++;
        break;
    }
}

static void act(struct run *run, enum pull_action action, const struct memory_row *known, const struct memory *memory,
                const uint8_t revision[SHA256_SIZE])
{
    count_action(&run->row.counts, action, run->skip);
    if (run->options.dry_run)
        return;
    assert(known != NULL || action == PULL_ADD || action == PULL_ADD_SKIPPED);
    switch (action) {
    case PULL_ADD:
        (void)put_memory(run, NULL, memory, revision, MEMORY_QUEUED, WANTED_NOTHING);
        break;
    case PULL_ADD_SKIPPED:
        (void)put_memory(run, NULL, memory, revision, MEMORY_SKIPPED, WANTED_NOTHING);
        break;
    case PULL_REPLACE:
        if (known->state == MEMORY_SKIPPED)
            (void)engine_close_letters(run->engine, known->stream, known->seq, true, NULL); /* one that was lost is back */
        (void)put_memory(run, known, memory, revision, MEMORY_QUEUED, WANTED_NOTHING);
        break;
    case PULL_REPLACE_DEAD:
        replace_dead(run, known, memory, revision);
        break;
    case PULL_SKIP:
        (void)put_memory(run, known, memory, revision, MEMORY_SKIPPED, WANTED_NOTHING);
        break;
    case PULL_WANT_NEWER:
        want_newer(run, known, memory, revision);
        break;
    case PULL_WANT_NOTHING:
        engine_apply(run->engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = known->seq });
        engine_want(run->engine, known, WANTED_NOTHING);
        break;
    case PULL_REMOVE_NEWER:
        remove_for_newer(run, known, memory, revision);
        break;
    default:
        break; /* counted only */
    }
}

bool listing_take_memory(struct run *run, const struct memory *memory)
{
    struct engine *engine = run->engine;
    uint8_t revision[SHA256_SIZE];
    struct memory_row known;
    struct error err = { 0 };
    enum pull_action action;
    enum pull_seen seen;
    int found = 0;

    run->action = PULL_NOTHING;
    memory_revision(memory, revision);
    if (run->stream->row.stream != 0)
        found = state_find_memory(engine->state, run->stream->row.stream, memory->id, &known, &err);
    if (found < 0) {
        engine_break(engine, &err);
        return true;
    }
    if (found > 0) {
        listing_note_present(run, known.seq);
        if (is_repetition(run, known.seq, memory))
            return true;
        remember_seen(run, known.seq, memory); /* an unchanged one too: its repetition is no change */
    }
    listing_note_time(run, memory);
    seen = judge_memory(run, found > 0 ? &known : NULL, memory, revision);
    action = pull_decide(found > 0 ? known.state : MEMORY_NONE, seen, connector_of(run)->replaces);
    if (needs_text(action) && !render(run, memory, revision))
        return false;
    run->action = action;
    act(run, action, found > 0 ? &known : NULL, memory, revision);
    return true;
}

static void on_element(void *context, const struct splitter_element *element)
{
    struct run *run = context;
    struct engine *engine = run->engine;
    struct memory memory;
    struct error err = { 0 };
    char words[200];

    if (engine->is_broken || (run->options.max_items > 0 && run->taken >= run->options.max_items))
        return;
    run->listed++;
    run->taken++;
    run->row.counts.fetched++;
    run->has_changed = true;
    if (element->is_too_large) {
        (void)snprintf(words, sizeof words, "%llu bytes are more than memory_api.max_item_bytes (%lld)", (unsigned long long)element->length,
                       (long long)source_of(run)->item_maximum);
        listing_put_element(run, element, DEAD_TOO_LARGE, words);
    } else if (memory_decode(engine->decoder, element->bytes, element->size, &memory, &err) < 0) {
        listing_put_element(run, element, DEAD_MALFORMED, err.message);
    } else if (!listing_take_memory(run, &memory)) {
        (void)snprintf(words, sizeof words, "the template makes more than %d bytes of it", TRANSFORM_DOCUMENT_MAXIMUM);
        listing_put_element(run, element, DEAD_TOO_LARGE, words);
    }
}

/* ---- A listing's life ---- */

static bool must_wait(const struct engine *engine)
{
    return engine->uncommitted_rows >= COMMIT_AFTER_ROWS || engine->uncommitted_bytes >= COMMIT_AFTER_BYTES || engine->is_broken ||
           engine->disk_is_short;
}

static bool on_data(void *owner, http_id id, const char *bytes, size_t size)
{
    struct run *run = owner;

    (void)id;
    if (must_wait(run->engine)) {
        run->is_paused = true;
        return false;
    }
    splitter_push(run->splitter, bytes, size);
    return true;
}

void listing_resume(struct run *run)
{
    if (run->phase != LISTING_RUNS || !run->is_paused || must_wait(run->engine))
        return;
    run->is_paused = false;
    http_pause(run->engine->world->http, run->id, false);
}

static void drop_splitter(struct run *run)
{
    splitter_free(run->splitter);
    run->splitter = NULL;
}

static void end_context(struct run *run)
{
    run->context++;
    run->attempt = 0;
    run->range = NULL;
    run->limit = 0;
    run->start_mono = run->engine->now.mono_ms;
    run->phase = run->context < connector_of(run)->context_count ? LISTING_WAITS : LISTING_OVER;
    mem_free(run->seen);
    run->seen = NULL;
    run->seen_size = run->seen_count = 0;
}

static void set_coverage(struct run *run, const char *coverage)
{
    static const char *const order[] = { "", "complete", "limited", "gap", "partial", "failed" };
    size_t now = 0;
    size_t next = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        now = strcmp(order[i], run->coverage) == 0 ? i : now;
        next = strcmp(order[i], coverage) == 0 ? i : next;
    }
    if (next > now)
        (void)snprintf(run->coverage, sizeof run->coverage, "%s", coverage);
}

/* The same context once more, with what listing_widen has set. */
static void ask_again(struct run *run)
{
    run->attempt = 0;
    run->phase = LISTING_WAITS;
    run->start_mono = run->engine->now.mono_ms;
    mem_free(run->seen);
    run->seen = NULL;
    run->seen_size = run->seen_count = 0;
}

static void end_complete(struct run *run)
{
    const struct run_options *options = &run->options;
    bool is_capped = (options->max_items > 0 && run->taken >= options->max_items) || (options->limit > 0 && run->listed >= options->limit);
    char why[400] = "";

    if (is_capped) { /* somebody wanted no more than that */
        set_coverage(run, "limited");
        end_context(run);
        return;
    }
    if (!listing_covers(run, why, sizeof why)) {
        if (listing_widen(run)) {
            log_info("source", connector_of(run)->id, "context %s: %s; asking again: range %s, limit %lld", run->stream->context, why, run->range,
                     (long long)run->limit);
            ask_again(run);
            return;
        }
        listing_put_letter(run, &(struct dead_letter){ .dead_class = DEAD_SOURCE_GAP, .stream = run->stream->row.stream, .words = why,
                                                       .position = run->listed, .length = -1, .raw = { "", 0 } });
        set_coverage(run, "gap");
        log_warn("source", connector_of(run)->id, "context %s: %s", run->stream->context, why);
        end_context(run);
        return;
    }
    listing_close_gap(run);
    set_coverage(run, "complete");
    listing_note_covered(run);
    if (listing_next_backfill(run))
        ask_again(run);
    else
        end_context(run);
}

static enum error_kind kind_of(enum source_outcome outcome)
{
    switch (outcome) {
    case SOURCE_DENIED:
        return ERROR_DENIED;
    case SOURCE_NO_CONTEXT:
        return ERROR_CONFIG;
    default:
        return ERROR_UNREACHABLE;
    }
}

static void end_failed(struct run *run, const struct source_verdict *verdict)
{
    if (verdict->outcome == SOURCE_PARTIAL) {
        listing_put_gap(run, verdict);
        set_coverage(run, "partial");
        log_warn("source", connector_of(run)->id, "%s", verdict->words);
        run_fail(run, ERROR_NONE, "%s", verdict->words);
    } else {
        set_coverage(run, "failed");
        log_error("source", connector_of(run)->id, "%s", verdict->words);
        run_fail(run, kind_of(verdict->outcome), "%s", verdict->words);
    }
    end_context(run);
}

static bool try_again(struct run *run, const struct source_verdict *verdict)
{
    const struct engine_source *source = source_of(run);
    struct engine *engine = run->engine;
    int64_t wait;
    char words[600];

    if ((verdict->outcome != SOURCE_AGAIN && verdict->outcome != SOURCE_PARTIAL) || run->attempt > source->max_retries || engine_is_stopping(engine))
        return false;
    wait = retry_wait_ms(run->attempt, 1000, source->retry_backoff, 60 * 1000, engine->world->random(engine->world->self));
    if (verdict->retry_after_ms > wait)
        wait = verdict->retry_after_ms;
    if (verdict->retry_after_ms > SYNC_TOLD_PATIENCE_MS)
        return false; /* told to wait longer than a sync waits: the next run tries */
    run->phase = LISTING_WAITS;
    run->start_mono = engine->now.mono_ms + wait;
    (void)snprintf(words, sizeof words, "%s; trying again in %.1f s (%d of %d)", verdict->words, (double)wait / 1000, run->attempt, source->max_retries);
    log_warn("source", connector_of(run)->id, "%s", words);
    engine_notice(engine, words);
    return true;
}

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct run *run = owner;
    struct source_verdict verdict;
    enum splitter_end end;

    (void)id;
    engine_refresh_now(run->engine);
    run->id = 0;
    run->row.counts.bytes += answer->received_bytes;
    end = splitter_end(run->splitter);
    source_judge(&source_of(run)->endpoint, run->stream->context, answer, end, splitter_broken_at(run->splitter), &verdict);
    run->phase = LISTING_WAITS;
    if (verdict.outcome == SOURCE_COMPLETE)
        end_complete(run);
    else if (!try_again(run, &verdict))
        end_failed(run, &verdict);
    drop_splitter(run);
    run->has_changed = true;
}

static void start(struct run *run)
{
    struct engine *engine = run->engine;
    const struct engine_source *source = source_of(run);
    struct splitter_settings settings = {
        .element_maximum = (size_t)source->item_maximum, .sample = RAW_MAXIMUM, .depth_maximum = 64, .on_element = on_element, .context = run,
    };
    struct http_request request = { 0 };
    struct error err = { 0 };

    run->stream = engine_find_context(engine, run->connector, connector_of(run)->contexts[run->context]);
    assert(run->stream != NULL); /* prepare() has registered every context */
    run->attempt++;
    listing_begin(run);
    run->is_paused = false;
    source_request_listing(&source->endpoint, &run->storage, run->stream->context, run->range, run->limit, &request);
    request.owner = run;
    request.on_data = on_data;
    request.on_done = on_done;
    run->splitter = splitter_new(&settings);
    run->phase = LISTING_RUNS;
    run->row.counts.requests++;
    if (http_start(engine->world->http, &request, &run->id, &err) < 0) {
        run_fail(run, ERROR_CONFIG, "%s", err.message);
        drop_splitter(run);
        set_coverage(run, "failed");
        end_context(run);
    }
}

void listing_step(struct run *run, size_t running)
{
    if (run->phase != LISTING_WAITS || run->start_mono > run->engine->now.mono_ms || running >= LISTINGS_MAXIMUM || run->is_finished)
        return;
    if (run->options.max_items > 0 && run->taken >= run->options.max_items) {
        run->phase = LISTING_OVER;
        return;
    }
    start(run);
}

void listing_cancel(struct run *run)
{
    if (run->phase != LISTING_OVER && (strcmp(run->coverage, "complete") == 0 || strcmp(run->coverage, "limited") == 0))
        set_coverage(run, "partial"); /* contexts that were listed to their end do not speak for those that were not */
    if (run->phase == LISTING_RUNS && run->id != 0)
        http_cancel(run->engine->world->http, run->id);
    run->id = 0;
    drop_splitter(run);
    run->phase = LISTING_OVER;
}

int64_t listing_next_mono(const struct run *run)
{
    return run->phase == LISTING_WAITS ? run->start_mono : INT64_MAX;
}
