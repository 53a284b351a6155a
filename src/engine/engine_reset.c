/* engine_reset.c - what was processed is forgotten; the documents stay, and look-ups find them again. */
#include "engine/engine_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct forgetting {
    struct engine *engine;
    int64_t held;                  /* on their way: these cannot be forgotten now */
    int64_t *seqs;
    size_t count, capacity;
};

static bool note_row(void *context, const struct memory_row *row)
{
    struct forgetting *forgetting = context;

    if (row->state == MEMORY_FLYING || row->state == MEMORY_REMOVING) {
        forgetting->held++;
        return true;
    }
    if (row->state == MEMORY_GONE)
        return true;
    forgetting->seqs = mem_grow(forgetting->seqs, forgetting->count, &forgetting->capacity, sizeof *forgetting->seqs);
    forgetting->seqs[forgetting->count++] = row->seq;
    return true;
}

static void forget_row(struct engine *engine, int64_t seq)
{
    static const struct slice nothing = { "", 0 };
    struct memory_row row;
    struct error err = { 0 };
    enum memory_state from;

    if (state_get_memory(engine->state, seq, &row, &err) <= 0)
        return;
    from = row.state;
    row.state = MEMORY_SKIPPED;
    row.wanted = WANTED_NOTHING;
    row.text_size = 0;
    memset(row.revision, 0, sizeof row.revision); /* whatever a listing shows is new */
    (void)engine_close_letters(engine, row.stream, row.seq, true, NULL);
    engine_apply(engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = seq });
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = from, .text = &nothing });
}

static int gather(struct forgetting *forgetting, size_t connector, struct slice id, struct error *err)
{
    struct engine *engine = forgetting->engine;
    int found = 0;

    for (size_t i = 0; i < engine->stream_count && found >= 0; i++) {
        struct memory_row row;
        if (engine->streams[i]->connector != connector)
            continue;
        if (id.size == 0) {
            found = state_each_memory(engine->state, engine->streams[i]->row.stream, 0, note_row, forgetting, err);
            continue;
        }
        found = state_find_memory(engine->state, engine->streams[i]->row.stream, id, &row, err);
        if (found > 0)
            (void)note_row(forgetting, &row);
    }
    return found < 0 ? -1 : 0;
}

int engine_reset_connector(struct engine *engine, size_t connector, struct slice id, int64_t *ret_count, int64_t *ret_held, struct error *err)
{
    struct forgetting forgetting = { .engine = engine };
    int result = gather(&forgetting, connector, id, err);

    for (size_t i = 0; result == 0 && forgetting.held == 0 && i < forgetting.count; i++)
        forget_row(engine, forgetting.seqs[i]);
    if (result == 0) {
        *ret_count = forgetting.held == 0 ? (int64_t)forgetting.count : 0;
        *ret_held = forgetting.held;
    }
    mem_free(forgetting.seqs);
    return result;
}

int engine_reset(struct engine *engine, size_t connector, struct slice id, int64_t *ret_count, struct error *err)
{
    struct sync_request errand = { .trigger = "reset" };
    int64_t held = 0;

    if (engine_begin(engine, &errand, err) < 0 || engine_reset_connector(engine, connector, id, ret_count, &held, err) < 0 || engine_end(engine, err) < 0)
        return -1;
    if (held > 0)
        return error_set(err, ERROR_LATER, "%lld memories are on their way to LightRAG: let a sync follow them to the end first (sync --wait)", (long long)held);
    return 0;
}
