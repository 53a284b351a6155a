/* engine_import.c - dead letters of a file: what was mended by hand is taken like a memory of a listing, what is unknown here is recorded.
 *
 * Bytes that are a memory by now go the way of every memory (listing_take_memory), so that known, changed and empty ones, filters and templates are judged in
 * one place. All else stays a letter. What a person has decided here is never undone by an old file. */
#include "engine/engine_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What makes a letter the same one whenever it is told of. Without gaps: it is compared as bytes. seq 0: an element, whatever was made of it. */
struct letter_key {
    int64_t stream, seq, first_ms, dead_class;
    uint8_t fingerprint[16];
};

struct import {
    struct letter_key *keys;       /* of all letters, also the closed ones; sorted */
    size_t count, capacity;
};

void import_free(struct import *import)
{
    if (import == NULL)
        return;
    mem_free(import->keys);
    mem_free(import);
}

/* ---- Letters that are here ---- */

static struct letter_key key_of(const struct dead_letter *letter)
{
    struct letter_key key;

    key.stream = letter->stream;
    key.seq = dead_letter_is_element(letter) ? 0 : letter->seq;
    key.first_ms = letter->first_ms;
    key.dead_class = letter->dead_class;
    memcpy(key.fingerprint, letter->fingerprint, sizeof key.fingerprint);
    return key;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct letter_key));
}

static bool keep_key(void *context, const struct dead_letter *letter)
{
    struct import *import = context;

    import->keys = mem_grow(import->keys, import->count, &import->capacity, sizeof *import->keys);
    import->keys[import->count++] = key_of(letter);
    return true;
}

/* Where it is, or belongs. */
static size_t place_of(const struct import *import, const struct letter_key *key)
{
    size_t low = 0;
    size_t high = import->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_keys(&import->keys[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_here(const struct import *import, const struct letter_key *key)
{
    size_t place = place_of(import, key);

    return place < import->count && compare_keys(&import->keys[place], key) == 0;
}

static void note_key(struct import *import, const struct letter_key *key)
{
    size_t place = place_of(import, key);

    import->keys = mem_grow(import->keys, import->count, &import->capacity, sizeof *import->keys);
    memmove(import->keys + place + 1, import->keys + place, (import->count - place) * sizeof *import->keys);
    import->keys[place] = *key;
    import->count++;
}

/* 1: the open letter that is meant; 0: none; -1: the engine is broken. */
static int find_open(struct engine *engine, const struct engine_letter *given, const struct dead_letter *wanted, struct dead_letter *ret_letter)
{
    struct error err = { 0 };
    int found;

    if (given->memory_id.size > 0 && wanted->seq == 0)
        return 0; /* of a memory that is unknown here */
    found = state_find_letter(engine->state, wanted->stream, wanted->dead_class, wanted->seq, wanted->seq != 0 ? NULL : wanted->fingerprint, ret_letter, &err);
    if (found < 0)
        engine_break(engine, &err);
    return found;
}

static int find_memory(struct engine *engine, int64_t stream, struct slice id, struct memory_row *ret_row)
{
    struct error err = { 0 };
    int found = id.size == 0 ? 0 : state_find_memory(engine->state, stream, id, ret_row, &err);

    if (found < 0)
        engine_break(engine, &err);
    return found;
}

static enum import_result add_letter(struct engine *engine, const struct dead_letter *wanted)
{
    struct letter_key key = key_of(wanted);
    struct dead_letter letter = *wanted;

    letter.letter = state_next_letter(engine->state);
    if (letter.raw.size > RAW_MAXIMUM)
        letter.raw.size = RAW_MAXIMUM;
    engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
    note_key(engine->import, &key);
    return IMPORT_ADDED;
}

/* ---- Bytes that are a memory by now ---- */

static enum import_result refuse(char *words, size_t size, const char *why)
{
    (void)snprintf(words, size, "%s", why);
    return IMPORT_REFUSED;
}

/* Known in another revision, and nobody here waits for this one: an old file must not take the place of what came later. */
static bool is_overtaken(const struct memory_row *known, const struct memory *memory)
{
    uint8_t revision[SHA256_SIZE];

    memory_revision(memory, revision);
    return known->state != MEMORY_SKIPPED && memcmp(known->revision, revision, sizeof revision) != 0;
}

/* seq: what its element has become, so that it is a failure no more when the source goes on listing it. */
static void close_retried(struct engine *engine, int64_t number, int64_t seq)
{
    struct dead_letter letter;
    struct error err = { 0 };

    if (engine->is_broken)
        return;
    if (state_get_letter(engine->state, number, &letter, &err) <= 0) {
        engine_break(engine, &err);
        return;
    }
    letter.end = DEAD_RETRIED;
    if (dead_letter_is_element(&letter))
        letter.seq = seq;
    letter.raw = (struct slice){ NULL, 0 };
    engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
}

/* The mended element has no open letter: it was retried, or nobody has met it here yet. What was discarded stays so. */
static void note_mended(struct engine *engine, const struct dead_letter *wanted, int64_t seq)
{
    struct dead_letter letter;
    struct error err = { 0 };
    int found = state_find_decided_letter(engine->state, wanted->stream, wanted->dead_class, wanted->fingerprint, wanted->length, &letter, &err);

    if (found < 0) {
        engine_break(engine, &err);
    } else if (found > 0 && letter.end == DEAD_RETRIED) {
        close_retried(engine, letter.letter, seq);
    } else if (found == 0) {
        letter = *wanted;
        letter.end = DEAD_RETRIED;
        letter.seq = seq;
        letter.raw = (struct slice){ NULL, 0 };
        (void)add_letter(engine, &letter);
    }
}

static enum import_result result_of(enum pull_action action)
{
    switch (action) {
    case PULL_ADD:
    case PULL_REPLACE:
    case PULL_REPLACE_DEAD:
    case PULL_WANT_NEWER:
    case PULL_REMOVE_NEWER:
        return IMPORT_QUEUED;
    case PULL_ADD_SKIPPED:
    case PULL_SKIP:
        return IMPORT_SKIPPED;
    default:
        return IMPORT_KNOWN;
    }
}

static enum import_result take_memory(struct engine *engine, const struct engine_letter *given, const struct dead_letter *wanted, const struct memory *memory, char *words,
                                      size_t size)
{
    struct run *run = &engine->runs[0];
    struct dead_letter open;
    struct memory_row known;
    int is_open;
    int found;

    if (given->memory_id.size > 0 && (given->memory_id.size != memory->id.size || memcmp(given->memory_id.data, memory->id.data, memory->id.size) != 0))
        return refuse(words, size, "its content is another memory than the one that it names");
    is_open = find_open(engine, given, wanted, &open);
    found = find_memory(engine, wanted->stream, memory->id, &known);
    if (is_open < 0 || found < 0)
        return IMPORT_REFUSED;
    if (is_open == 0 && found > 0 && is_overtaken(&known, memory))
        return refuse(words, size, "its memory is known here in another revision, and no open letter waits for it: mend it at the source");
    if (!listing_take_memory(run, memory))
        return refuse(words, size, "the template makes too large a text of it");
    found = find_memory(engine, wanted->stream, memory->id, &known);
    if (found > 0 && is_open > 0)
        close_retried(engine, open.letter, known.seq);
    else if (found > 0 && dead_letter_is_element(wanted) && given->memory_id.size == 0)
        note_mended(engine, wanted, known.seq);
    return result_of(run->action);
}

/* ---- Letters that stay letters ---- */

/* A memory of which only this letter tells: like one that was lost, a listing that shows it brings it and closes the letter. */
static int64_t add_told(struct engine *engine, const struct stream_run *stream, struct slice id)
{
    static const struct slice nothing = { "", 0 };
    struct memory_row row = {
        .seq = state_next_memory(engine->state), .stream = stream->row.stream, .target = stream->row.target, .id = id, .state = MEMORY_SKIPPED,
        .attempts = SKIP_TOLD, .arrived_ms = engine->now.wall_ms,
    };

    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_ADD, .memory = &row, .text = &nothing });
    return row.seq;
}

static bool is_edited(const struct dead_letter *here, struct slice content)
{
    return content.size > 0 && here->raw.size > 0 && (content.size != here->raw.size || memcmp(content.data, here->raw.data, content.size) != 0);
}

/* why: what is wrong with its bytes; "" when nobody has looked. */
static enum import_result take_letter(struct engine *engine, const struct engine_letter *given, struct dead_letter *wanted, const char *why, char *words, size_t size)
{
    const struct stream_run *stream = engine->runs[0].stream;
    bool names_one = given->memory_id.size > 0;
    struct dead_letter open;
    int is_open = find_open(engine, given, wanted, &open);
    struct letter_key key = key_of(wanted);

    if (is_open < 0)
        return IMPORT_REFUSED;
    if (is_open > 0 && why[0] != '\0' && is_edited(&open, given->letter.raw)) {
        (void)snprintf(words, size, "its content is still no memory: %s", why);
        return IMPORT_REFUSED;
    }
    if (names_one && wanted->seq == 0 && wanted->end != DEAD_OPEN)
        return refuse(words, size, "it is closed, and its memory is not known here");
    if (is_open > 0 || (!(names_one && wanted->seq == 0) && is_here(engine->import, &key)))
        return IMPORT_KNOWN;
    if (names_one && wanted->seq != 0 && wanted->end == DEAD_OPEN)
        return IMPORT_KNOWN; /* the memory goes its way here, and nothing of it waits for a person */
    if (names_one && wanted->seq == 0)
        wanted->seq = add_told(engine, stream, given->memory_id);
    return add_letter(engine, wanted);
}

/* ---- One line ---- */

/* As it would be here. */
static int make_wanted(struct engine *engine, const struct engine_letter *given, struct dead_letter *ret_wanted)
{
    struct memory_row row;
    int found;

    *ret_wanted = given->letter;
    ret_wanted->stream = engine->runs[0].stream->row.stream;
    ret_wanted->run = 0;
    found = find_memory(engine, ret_wanted->stream, given->memory_id, &row);
    ret_wanted->seq = found > 0 ? row.seq : 0;
    return found < 0 ? -1 : 0;
}

static enum import_result import_letter(struct engine *engine, const struct engine_letter *given, char *words, size_t size)
{
    struct run *run = &engine->runs[0];
    const struct slice content = given->letter.raw;
    int64_t most;
    struct dead_letter wanted;
    struct memory memory;
    struct error why = { 0 };

    run->connector = given->connector;
    run->stream = engine_find_context(engine, given->connector, given->context);
    if (run->stream == NULL)
        return refuse(words, size, "its connector reads no such context");
    if (make_wanted(engine, given, &wanted) < 0)
        return IMPORT_REFUSED;
    if (wanted.end != DEAD_OPEN || content.size == 0 || wanted.dead_class == DEAD_SOURCE_GAP)
        return take_letter(engine, given, &wanted, "", words, size);
    most = engine->settings->sources[engine->settings->connectors[given->connector].source].item_maximum;
    if ((int64_t)content.size > most)
        (void)error_set(&why, ERROR_FAILED, "%zu bytes are more than memory_api.max_item_bytes (%lld)", content.size, (long long)most);
    else if (memory_decode(engine->decoder, content.data, content.size, &memory, &why) == 0)
        return take_memory(engine, given, &wanted, &memory, words, size);
    return take_letter(engine, given, &wanted, why.message, words, size);
}

int engine_import_begin(struct engine *engine, struct error *err)
{
    static const struct sync_request errand = { .trigger = "import" };

    if (engine_begin(engine, &errand, err) < 0)
        return -1;
    for (size_t i = 0; i < engine->settings->connector_count; i++)
        if (engine_start_target(engine, engine->settings->connectors[i].target, err) < 0)
            return -1; /* its machine is asked to remove what is replaced; without turns of the loop it sends nothing */
    engine->import = mem_alloc(sizeof *engine->import);
    if (state_each_letter(engine->state, &(struct letter_filter){ .with_closed = true }, keep_key, engine->import, err) < 0)
        return -1;
    if (engine->import->count > 0)
        qsort(engine->import->keys, engine->import->count, sizeof *engine->import->keys, compare_keys);
    engine->runs = mem_alloc_array(1, sizeof *engine->runs);
    engine->runs[0] = (struct run){ .engine = engine, .connector = SIZE_MAX, .phase = LISTING_OVER, .is_finished = true };
    source_storage_init(&engine->runs[0].storage);
    engine->run_count = 1;
    return 0;
}

enum import_result engine_import_letter(struct engine *engine, const struct engine_letter *given, char *ret_words, size_t size)
{
    enum import_result result = import_letter(engine, given, ret_words, size);

    if (engine->uncommitted_rows >= COMMIT_AFTER_ROWS || engine->uncommitted_bytes >= COMMIT_AFTER_BYTES)
        engine_commit(engine);
    return engine->is_broken ? refuse(ret_words, size, engine->error.message) : result;
}

int engine_import_end(struct engine *engine, struct error *err)
{
    return engine_end(engine, err);
}
