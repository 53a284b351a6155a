/* engine_trust.c - what an earlier program delivered is taken over: TRUSTED, because it took "accepted" for done. */
#include "engine/engine_internal.h"

#include <string.h>

static const struct stream_run *find_stream(const struct engine *engine, const struct trust_list *list)
{
    const struct engine_connector *connector = &engine->settings->connectors[list->connector];
    const char *source = engine->settings->sources[connector->source].name;

    for (size_t i = 0; i < engine->stream_count; i++) {
        const struct stream_run *stream = engine->streams[i];
        if (stream->target == &engine->targets[connector->target] && strcmp(stream->source, source) == 0 && strcmp(stream->context, list->context) == 0)
            return stream;
    }
    return NULL;
}

/* What is known already stays what it is: this program knows better than the earlier one. */
static int trust_one(struct engine *engine, const struct stream_run *stream, struct slice id, struct trust_list *list, struct error *err)
{
    struct memory_row row;
    int found = state_find_memory(engine->state, stream->row.stream, id, &row, err);

    if (found < 0)
        return -1;
    if (found > 0) {
        list->known++;
        return 0;
    }
    row = (struct memory_row){
        .seq = state_next_memory(engine->state), .stream = stream->row.stream, .target = stream->row.target, .id = id, .state = MEMORY_TRUSTED,
        .arrived_ms = engine->now.wall_ms,
    };
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_ADD, .memory = &row, .from = MEMORY_NONE });
    list->trusted++;
    return 0;
}

int engine_trust(struct engine *engine, struct trust_list *lists, size_t count, struct error *err)
{
    struct sync_request errand = { .trigger = "import" };

    if (engine_begin(engine, &errand, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct stream_run *stream = find_stream(engine, &lists[i]);
        if (stream == NULL)
            return error_set(err, ERROR_CONFIG, "context %s is none of connector %s", lists[i].context, engine->settings->connectors[lists[i].connector].id);
        for (size_t k = 0; k < lists[i].count && !engine->is_broken; k++)
            if (trust_one(engine, stream, lists[i].ids[k], &lists[i], err) < 0)
                return -1;
    }
    return engine_end(engine, err);
}
