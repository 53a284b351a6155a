/* engine_letters.c - what a person decides about dead letters. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct picked {
    struct dead_letter *letters; /* words and raw are not kept */
    size_t count, capacity;
};

static bool pick(void *context, const struct dead_letter *letter)
{
    struct picked *picked = context;

    picked->letters = mem_grow(picked->letters, picked->count, &picked->capacity, sizeof *picked->letters);
    picked->letters[picked->count++] = *letter;
    return true;
}

/* The memory becomes a batch of one whose fate is unclear: the next sync looks it up in the whole listing, and sends it only
 * where it is absent. */
static int revive(struct state *state, int64_t seq, int64_t now_ms, struct error *err)
{
    struct memory_row row;
    struct batch_row batch = { .state = BATCH_SENDING, .whole_listing = true, .opened_ms = now_ms, .changed_ms = now_ms, .members = 1 };
    struct change change = { .kind = CHANGE_BATCH, .batch = &batch };
    int found = state_get_memory(state, seq, &row, err);

    if (found < 0)
        return -1;
    if (found == 0 || row.state != MEMORY_DEAD)
        return 0;
    batch.batch = state_next_batch(state);
    batch.target = row.target;
    row.state = MEMORY_FLYING;
    row.attempts = 0;
    row.batch = batch.batch;
    if (state_apply(state, &change, err) < 0)
        return -1;
    change = (struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_DEAD };
    return state_apply(state, &change, err);
}

/* Trying again does nothing for them, so they stay named: only a listing brings back what was lost or proves a gap closed, and what was deleted at the
 * source waits for a yes or a no. */
static bool cannot_be_retried(enum dead_class dead_class)
{
    return dead_class == DEAD_LOST || dead_class == DEAD_SOURCE_GAP || dead_class == DEAD_DELETION;
}

static int end_letters(struct state *state, const struct letter_filter *filter, enum dead_end end, int64_t now_ms, int64_t *ret_count,
                       struct error *err)
{
    struct picked picked = { 0 };
    int result = state_each_letter(state, filter, pick, &picked, err);
    int64_t ended = 0;

    for (size_t i = 0; result == 0 && i < picked.count; i++) {
        struct dead_letter letter;
        struct change change = { .kind = CHANGE_DEAD_LETTER, .letter = &letter };
        if (end == DEAD_RETRIED && cannot_be_retried(picked.letters[i].dead_class))
            continue;
        if (end == DEAD_RETRIED && picked.letters[i].seq != 0)
            result = revive(state, picked.letters[i].seq, now_ms, err);
        if (result < 0)
            break;
        result = state_get_letter(state, picked.letters[i].letter, &letter, err) < 0 ? -1 : 0;
        if (result < 0)
            break;
        letter.end = end;
        letter.raw = (struct slice){ NULL, 0 };
        result = state_apply(state, &change, err);
        ended++;
    }
    if (result == 0)
        result = state_commit(state, err);
    if (result == 0)
        *ret_count = ended;
    mem_free(picked.letters);
    return result;
}

/* The same while the targets are at work: the machine looks it up now. */
static void revive_live(struct engine *engine, int64_t seq, struct error *err)
{
    struct stream_run *stream;
    struct memory_row row;
    int found = state_get_memory(engine->state, seq, &row, err);

    if (found < 0)
        engine_break(engine, err);
    stream = found > 0 && row.state == MEMORY_DEAD ? engine_find_stream(engine, row.stream) : NULL;
    if (stream == NULL || stream->target == NULL || stream->target->deliver == NULL)
        return;
    row.attempts = 0;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_DEAD });
    target_take_up(stream->target, &row);
}

static int end_live(struct engine *engine, int64_t number, int64_t seq, struct error *err)
{
    struct dead_letter letter;

    if (state_get_letter(engine->state, number, &letter, err) < 0) {
        engine_break(engine, err);
        return -1;
    }
    letter.end = DEAD_RETRIED;
    letter.raw = (struct slice){ NULL, 0 };
    engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
    if (seq != 0)
        revive_live(engine, seq, err);
    return 0;
}

/* Classes whose cause may lie in the server's version. */
static bool may_be_cured(enum dead_class dead_class)
{
    return dead_class == DEAD_REJECTED || dead_class == DEAD_POISON || dead_class == DEAD_PROCESSING_FAILED || dead_class == DEAD_STUCK;
}

int engine_look_for_curable(struct target_run *target, struct error *err)
{
    struct state_counts counts;

    if (state_count_target(target->engine->state, target->row.target, &counts, err) < 0)
        return -1;
    for (int i = 1; i < DEAD_CLASSES; i++)
        target->has_curable = target->has_curable || (may_be_cured((enum dead_class)i) && counts.letters[i] > 0);
    return 0;
}

void engine_replay_letters(struct target_run *target, const char *version)
{
    struct engine *engine = target->engine;
    struct picked picked = { 0 };
    struct error err = { 0 };
    int64_t count = 0;
    char words[200];

    if (state_each_letter(engine->state, &(struct letter_filter){ 0 }, pick, &picked, &err) < 0)
        engine_break(engine, &err);
    for (size_t i = 0; i < picked.count && !engine->is_broken; i++) {
        const struct stream_run *stream = engine_find_stream(engine, picked.letters[i].stream);
        if (stream == NULL || stream->target != target || picked.letters[i].seq == 0 || !may_be_cured(picked.letters[i].dead_class))
            continue;
        if (end_live(engine, picked.letters[i].letter, picked.letters[i].seq, &err) < 0)
            break;
        count++;
    }
    mem_free(picked.letters);
    if (count == 0)
        return;
    (void)snprintf(words, sizeof words, "LightRAG %.40s answers where %.40s did: %lld dead letters that another version may cure are tried again", version,
                   target->known_version, (long long)count);
    log_info("target", engine->settings->targets[target->index].name, "%s", words);
    engine_notice(engine, words);
}

int engine_retry_letters_live(struct engine *engine, const struct letter_filter *filter, int64_t *ret_count, struct error *err)
{
    struct picked picked = { 0 };
    int result = state_each_letter(engine->state, filter, pick, &picked, err);
    int64_t count = 0;

    for (size_t i = 0; result == 0 && i < picked.count && !engine->is_broken; i++) {
        if (cannot_be_retried(picked.letters[i].dead_class))
            continue;
        result = end_live(engine, picked.letters[i].letter, picked.letters[i].seq, err);
        count += result == 0;
    }
    mem_free(picked.letters);
    if (result == 0)
        *ret_count = count;
    return result;
}

int engine_retry_letters(struct state *state, const struct letter_filter *filter, int64_t now_ms, int64_t *ret_count, struct error *err)
{
    return end_letters(state, filter, DEAD_RETRIED, now_ms, ret_count, err);
}

int engine_discard_letters(struct state *state, const struct letter_filter *filter, int64_t now_ms, int64_t *ret_count, struct error *err)
{
    return end_letters(state, filter, DEAD_DISCARDED, now_ms, ret_count, err);
}

bool engine_close_letters(struct engine *engine, int64_t stream, int64_t seq, bool may_be_there, bool *ret_absent)
{
    bool is_absent = false;
    bool any = false;

    for (;;) {
        struct dead_letter letter;
        struct error err = { 0 };
        int found = state_find_letter(engine->state, stream, (enum dead_class)0, seq, NULL, &letter, &err);
        if (found < 0)
            engine_break(engine, &err);
        if (found <= 0)
            break;
        is_absent = pull_dead_class_is_absent(letter.dead_class);
        if (!is_absent && !may_be_there)
            return false;
        any = true;
        letter.end = DEAD_CLEARED;
        letter.raw = (struct slice){ NULL, 0 };
        engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
        if (engine->is_broken)
            return false;
    }
    if (ret_absent != NULL)
        *ret_absent = is_absent;
    return any || may_be_there;
}
