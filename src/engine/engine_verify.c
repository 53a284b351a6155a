/* engine_verify.c - the two errands beside a sync: compare everything, and remove one memory everywhere. They run the same loop. */
#include "engine/engine_internal.h"

#include <stdio.h>
#include <string.h>

static enum error_kind find_trouble(struct engine *engine, char *ret_words, size_t size)
{
    for (size_t i = 0; i < engine->settings->target_count; i++) {
        enum error_kind kind = engine->targets[i].deliver == NULL ? ERROR_NONE : target_is_out(&engine->targets[i], ret_words, size);
        if (kind != ERROR_NONE)
            return kind;
    }
    return ERROR_NONE;
}

/* Nothing queued, under way or being removed. */
static bool is_at_rest(const struct target_run *target)
{
    struct deliver_summary summary;

    if (target->deliver == NULL)
        return true;
    deliver_summarise(target->deliver, &summary);
    return target->audit == NULL && target->queued == 0 && summary.not_stored + summary.stored + summary.removing == 0 &&
           summary.requests_in_flight == 0;
}

/* All that is left waits for rows that cannot be read. */
static bool waits_for_unreadable(const struct target_run *target)
{
    struct deliver_summary summary;
    char words[400];

    if (target->deliver == NULL || !target_is_stuck(target, words, sizeof words))
        return false;
    deliver_summarise(target->deliver, &summary);
    return summary.stored == 0;
}

static bool repair_is_over(struct engine *engine)
{
    char words[400];

    if (find_trouble(engine, words, sizeof words) != ERROR_NONE)
        return true;
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (!is_at_rest(&engine->targets[i]) && !waits_for_unreadable(&engine->targets[i]))
            return false;
    return true;
}

static bool verify_is_over(struct engine *engine)
{
    char words[400];

    if (find_trouble(engine, words, sizeof words) != ERROR_NONE)
        return true;
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].audit != NULL)
            return false;
    return true;
}

static int tell_end(struct engine *engine, struct error *err)
{
    char words[400];
    enum error_kind kind;

    if (engine_end(engine, err) < 0)
        return -1;
    if (engine_is_stopping(engine))
        return error_set(err, ERROR_CANCELLED, "stopped; what was begun is taken up by the next run");
    kind = find_trouble(engine, words, sizeof words);
    return kind == ERROR_NONE ? 0 : error_set(err, kind, "%s", words);
}

int engine_verify(struct engine *engine, const struct verify_request *request, struct audit_result *results, struct error *err)
{
    struct sync_request errand = { .trigger = "verify", .on_event = request->on_event, .context = request->context };

    memset(results, 0, request->target_count * sizeof *results);
    engine->accepts_target = request->accept_target;
    if (engine_begin(engine, &errand, err) < 0)
        return -1;
    for (size_t i = 0; i < request->target_count; i++) {
        struct target_run *target = &engine->targets[request->targets[i]];
        if (engine_start_target(engine, request->targets[i], err) < 0)
            return -1;
        target->audit_result = &results[i];
        audit_start(target, request->repair);
        deliver_drain(target->deliver, !request->repair); /* looking alone sends nothing */
    }
    engine->is_over = request->repair ? repair_is_over : verify_is_over;
    engine_loop(engine);
    return tell_end(engine, err);
}

/* ---- Forgetting ---- */

static int find_forgotten(struct engine *engine, const char *context, struct slice id, struct memory_row *ret_row, struct stream_run **ret_stream,
                          struct error *err)
{
    int known = 0;

    for (size_t i = 0; i < engine->stream_count; i++) {
        struct memory_row row;
        int found;
        if (strcmp(engine->streams[i]->context, context) != 0 || engine->streams[i]->row.stream == 0)
            continue;
        found = state_find_memory(engine->state, engine->streams[i]->row.stream, id, &row, err);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        if (engine->streams[i]->target == NULL)
            return error_set(err, ERROR_CONFIG, "memory %.*s went to a target that is not in the configuration any more: put it back, then forget", (int)id.size,
                             id.data);
        if (known++ > 0)
            continue; /* further targets: the caller asks again until nobody knows it */
        *ret_row = row;
        *ret_stream = engine->streams[i];
    }
    if (known == 0)
        return error_set(err, ERROR_FAILED, "no memory %.*s of context %s is known here", (int)id.size, id.data, context);
    return known;
}

static bool forgetting_is_stuck(const struct engine *engine)
{
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL && deliver_is_unreadable(engine->targets[i].deliver, engine->forgotten))
            return true;
    return false;
}

static bool forget_is_over(struct engine *engine)
{
    struct memory_row row;
    struct error err = { 0 };
    char words[400];
    int found = state_get_memory(engine->state, engine->forgotten, &row, &err);

    if (found < 0)
        engine_break(engine, &err);
    return found <= 0 || row.state == MEMORY_GONE || find_trouble(engine, words, sizeof words) != ERROR_NONE || forgetting_is_stuck(engine);
}

/* Also what has a tombstone or was never sent is looked for: the receipt is to prove it. */
static void begin_forgetting(struct engine *engine, struct target_run *target, const struct memory_row *known)
{
    struct memory_row row = *known;

    if (known->state == MEMORY_FLYING) {
        engine_remove(engine, known);
        return;
    }
    engine_apply(engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = known->seq });
    (void)engine_close_letters(engine, known->stream, known->seq, true, NULL);
    row.state = MEMORY_REMOVING;
    row.wanted = WANTED_GONE;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = known->state });
    target_remove(target, &row);
}

int engine_forget(struct engine *engine, const char *context, struct slice id, struct forget_receipt *ret_receipt, struct error *err)
{
    struct sync_request errand = { .trigger = "forget" };
    struct memory_row row;
    struct stream_run *stream = NULL;

    if (engine_begin(engine, &errand, err) < 0 || find_forgotten(engine, context, id, &row, &stream, err) < 0)
        return -1;
    *ret_receipt = (struct forget_receipt){ .seq = row.seq, .was_trusted = row.state == MEMORY_TRUSTED };
    (void)snprintf(ret_receipt->connector, sizeof ret_receipt->connector, "%s", stream->row.connector);
    text_clear(&engine->name);
    identity_document_name(&engine->name, stream->source, stream->context, id);
    (void)snprintf(ret_receipt->name, sizeof ret_receipt->name, "%s", engine->name.data);
    if (engine_start_target(engine, stream->target->index, err) < 0)
        return -1;
    deliver_drain(stream->target->deliver, true); /* nothing else is sent meanwhile */
    engine->forgotten = row.seq;
    begin_forgetting(engine, stream->target, &row);
    engine->is_over = forget_is_over;
    engine_loop(engine);
    ret_receipt->deleted_rows = stream->target->deleted_rows;
    if (forgetting_is_stuck(engine)) {
        char words[400];
        deliver_say_unreadable(stream->target->deliver, words, sizeof words);
        return engine_end(engine, err) < 0 ? -1 : error_set(err, ERROR_LATER, "not proven to be gone: %s; after that, forget it again", words);
    }
    return tell_end(engine, err);
}
