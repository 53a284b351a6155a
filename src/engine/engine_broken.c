/* engine_broken.c - what a listing shows and nobody can take: elements that are no memories, and what is missing when it broke off.
 *
 * A broken element is known by its bytes: the digest of all of them (of a too large one, of its first 64 KiB, and its length). While its letter is open, it
 * is met again and told again. What a person decided about these bytes holds for as long as the source lists them: discarded ones, and those that were
 * mended here and have come in as a memory, count on their closed letter and are no failure of a run. A retried one is a failure again. */
#include "engine/engine_internal.h"

#include "base/log.h"

#include <string.h>

static const struct engine_connector *connector_of(const struct run *run)
{
    return &run->engine->settings->connectors[run->connector];
}

static void fingerprint_of(const void *bytes, size_t size, uint8_t ret_fingerprint[16])
{
    uint8_t digest[SHA256_SIZE];

    sha256_of(bytes, size, digest);
    memcpy(ret_fingerprint, digest, 16);
}

void listing_put_letter(struct run *run, struct dead_letter *letter)
{
    struct engine *engine = run->engine;
    struct dead_letter found;
    struct error err = { 0 };
    int known;

    if (run->options.dry_run)
        return;
    known = state_find_letter(engine->state, letter->stream, letter->dead_class, letter->seq, letter->fingerprint, &found, &err);
    if (known < 0) {
        engine_break(engine, &err);
        return;
    }
    letter->run = run->row.run;
    letter->last_ms = engine->now.wall_ms;
    letter->letter = known > 0 ? found.letter : state_next_letter(engine->state);
    letter->first_ms = known > 0 ? found.first_ms : engine->now.wall_ms;
    letter->times = known > 0 ? found.times + 1 : 1;
    if (known > 0 && letter->dead_class != DEAD_SOURCE_GAP)
        letter->raw = (struct slice){ NULL, 0 };
    engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = letter });
    engine_letter_event(engine, letter, (struct slice){ "", 0 });
}

/* ---- Elements ---- */

/* 1: closed, and it stays so; 0: not; -1: the engine is broken. */
static int find_decision(struct run *run, const struct dead_letter *letter, struct dead_letter *ret_decided)
{
    struct state *state = run->engine->state;
    struct memory_row mended;
    struct error err = { 0 };
    int found = state_find_letter(state, letter->stream, letter->dead_class, 0, letter->fingerprint, ret_decided, &err);

    if (found > 0)
        return 0; /* another one of it is open */
    if (found == 0)
        found = state_find_decided_letter(state, letter->stream, letter->dead_class, letter->fingerprint, letter->length, ret_decided, &err);
    if (found > 0 && ret_decided->end != DEAD_DISCARDED)
        found = ret_decided->end == DEAD_RETRIED && ret_decided->seq != 0 ? state_get_memory(state, ret_decided->seq, &mended, &err) : 0;
    if (found < 0)
        engine_break(run->engine, &err);
    return found;
}

/* Its run stays the one that it failed in. What it was when it was whole nobody knows, unless it was mended: nothing counts as deleted meanwhile. */
static bool count_on_decided(struct run *run, const struct dead_letter *letter)
{
    struct dead_letter decided;

    if (find_decision(run, letter, &decided) <= 0)
        return false;
    run->row.counts.unchanged++;
    if (decided.end == DEAD_DISCARDED)
        run->unreadable++;
    else
        listing_note_present(run, decided.seq);
    log_debug("source", connector_of(run)->id, "context %s: the element at byte %lld of the listing is still no memory: its dead letter %lld was %s",
              run->stream->context, (long long)letter->position, (long long)decided.letter, decided.end == DEAD_DISCARDED ? "discarded" : "mended here");
    if (run->options.dry_run)
        return true;
    decided.times++;
    decided.last_ms = run->engine->now.wall_ms;
    decided.position = letter->position;
    decided.raw = (struct slice){ NULL, 0 };
    engine_apply(run->engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &decided });
    return true;
}

void listing_put_element(struct run *run, const struct splitter_element *element, enum dead_class dead_class, const char *words)
{
    struct dead_letter letter = {
        .dead_class = dead_class, .stream = run->stream->row.stream, .words = words,
        .position = (int64_t)element->offset, .length = (int64_t)element->length,
        .raw = { element->bytes, element->size < RAW_MAXIMUM ? element->size : RAW_MAXIMUM },
    };

    fingerprint_of(element->bytes, element->size, letter.fingerprint);
    if (count_on_decided(run, &letter))
        return;
    run->row.counts.malformed++;
    run->unreadable++;
    log_warn("source", connector_of(run)->id, "context %s: element %llu at byte %llu of the listing is no memory: %s; it is kept as a dead letter",
             run->stream->context, (unsigned long long)element->index, (unsigned long long)element->offset, words);
    listing_put_letter(run, &letter);
}

/* ---- Gaps ---- */

void listing_put_gap(struct run *run, const struct source_verdict *verdict)
{
    const char *sample = NULL;
    size_t unfinished = splitter_unfinished(run->splitter, &sample);
    struct dead_letter letter = {
        .dead_class = DEAD_SOURCE_GAP, .stream = run->stream->row.stream, .words = verdict->words, .http_status = verdict->status,
        .position = verdict->received_bytes, .length = verdict->announced_bytes,
        .raw = { sample != NULL ? sample : "", unfinished < RAW_MAXIMUM ? unfinished : RAW_MAXIMUM },
    };

    listing_put_letter(run, &letter);
}

void listing_close_gap(struct run *run)
{
    static const uint8_t none[16];
    struct engine *engine = run->engine;
    struct dead_letter letter;
    struct error err = { 0 };
    int found;

    if (run->options.dry_run)
        return;
    found = state_find_letter(engine->state, run->stream->row.stream, DEAD_SOURCE_GAP, 0, none, &letter, &err);
    if (found < 0) {
        engine_break(engine, &err);
    } else if (found > 0) {
        letter.end = DEAD_CLEARED;
        letter.raw = (struct slice){ NULL, 0 };
        engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
        log_info("source", connector_of(run)->id, "context %s: the gap of an earlier listing is closed", run->stream->context);
    }
}
