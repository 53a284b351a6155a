/* engine_register.c - targets and streams: known again by name and address, made, taken up from a process that is gone. */
#include "engine/engine_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- Streams ---- */

struct stream_run *engine_find_stream(struct engine *engine, int64_t stream)
{
    if (stream > 0 && stream < (int64_t)engine->stream_places_size)
        return engine->stream_places[stream] > 0 ? engine->streams[engine->stream_places[stream] - 1] : NULL;
    for (size_t i = 0; i < engine->stream_count; i++)
        if (engine->streams[i]->row.stream == stream)
            return engine->streams[i];
    return NULL;
}

struct stream_run *engine_find_context(struct engine *engine, size_t connector, const char *context)
{
    for (size_t i = 0; i < engine->stream_count; i++)
        if (engine->streams[i]->connector == connector && strcmp(engine->streams[i]->context, context) == 0)
            return engine->streams[i];
    return NULL;
}

/* Numbers of streams are given out one after the other, so a plain array finds them; a file may say something else, and is searched. */
static void note_stream(struct engine *engine, size_t index)
{
    size_t size = engine->stream_places_size > 0 ? engine->stream_places_size : 16;

    if (engine->streams[index]->row.stream >= STREAM_PLACES_MAXIMUM)
        return;
    while (size <= (size_t)engine->streams[index]->row.stream)
        size *= 2;
    if (size > engine->stream_places_size) {
        engine->stream_places = mem_resize(engine->stream_places, size, sizeof *engine->stream_places);
        memset(engine->stream_places + engine->stream_places_size, 0, (size - engine->stream_places_size) * sizeof *engine->stream_places);
        engine->stream_places_size = size;
    }
    engine->stream_places[engine->streams[index]->row.stream] = (uint32_t)index + 1;
}

/* key: of a target, see engine_target_key. */
static const char *address_in(const char *key)
{
    const char *hash = strrchr(key, '@');

    return hash != NULL ? hash + 1 : "";
}

static void note_address(struct stream_run *stream, const char *key)
{
    (void)snprintf(stream->address, sizeof stream->address, "%s", address_in(key));
}

bool engine_is_at(const struct stream_run *stream, const struct target_run *target)
{
    return stream->address[0] != '\0' && strcmp(stream->address, address_in(target->row.name)) == 0;
}

static bool is_idle(const struct engine *engine, const struct stream_run *stream)
{
    return stream->connector == SIZE_MAX || engine->settings->connectors[stream->connector].is_disabled;
}

bool engine_is_succeeded(const struct engine *engine, const struct stream_run *stream)
{
    for (size_t i = 0; i < engine->stream_count && is_idle(engine, stream) && stream->address[0] != '\0'; i++) {
        const struct stream_run *other = engine->streams[i];
        if (other != stream && (other->row.stream > stream->row.stream || !is_idle(engine, other)) && strcmp(other->address, stream->address) == 0 &&
            strcmp(other->source, stream->source) == 0 && strcmp(other->context, stream->context) == 0)
            return true;
    }
    return false;
}

static struct stream_run *add_stream(struct engine *engine, const struct stream_row *row, size_t connector, struct target_run *target)
{
    struct stream_run *stream;

    engine->streams = mem_grow(engine->streams, engine->stream_count, &engine->stream_capacity, sizeof *engine->streams);
    stream = engine->streams[engine->stream_count++] = mem_alloc(sizeof *stream);
    *stream = (struct stream_run){ .row = *row, .connector = connector, .target = target };
    /* Kept for the life of the engine: names of documents are made of them. */
    stream->row.source = stream->source = mem_copy_string(row->source);
    stream->row.context = stream->context = mem_copy_string(row->context);
    if (target != NULL)
        note_address(stream, target->row.name);
    if (stream->row.stream > 0)
        note_stream(engine, engine->stream_count - 1);
    return stream;
}

/* ---- Registering targets and streams; a dry run may have no state at all ---- */

void engine_target_key(const struct engine_target *target, char ret_key[65])
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    sha256_of(target->sink.url, strlen(target->sink.url), digest);
    sha256_hex(digest, 8, hex);
    (void)snprintf(ret_key, 65, "%.40s@%s", target->name, hex);
}

int engine_knows_workspace(struct state *state, const struct target_row *row, bool *ret_known, struct error *err)
{
    bool has_name = row->workspace[0] != '\0';
    int64_t is_told = 0;
    int result = state_get_mark(state, row->target, MARK_WORKSPACE_TOLD, &is_told, err);

    *ret_known = has_name || is_told != 0;
    return result;
}

static int register_target(struct engine *engine, struct target_run *run, bool may_write, struct error *err)
{
    const struct engine_target *target = &engine->settings->targets[run->index];
    struct target_row found;
    char key[65];
    int result;

    engine_target_key(target, key);
    result = engine->state == NULL ? 0 : state_find_target(engine->state, key, &found, err);
    if (result < 0)
        return -1;
    run->row = (struct target_row){ .url = target->sink.url, .version = "", .workspace = "", .last_error = "" };
    (void)snprintf(run->row.name, sizeof run->row.name, "%s", key);
    if (result > 0) {
        run->row.target = found.target;
        run->row.seen_ms = found.seen_ms;
        (void)snprintf(run->known_version, sizeof run->known_version, "%s", found.version);
        (void)snprintf(run->workspace, sizeof run->workspace, "%s", found.workspace);
        return engine_knows_workspace(engine->state, &found, &run->workspace_is_known, err);
    }
    if (!may_write)
        return 0;
    run->row.target = state_next_target(engine->state);
    engine_apply(engine, &(struct change){ .kind = CHANGE_TARGET, .target = &run->row });
    return 0;
}

static int register_stream(struct engine *engine, size_t connector_index, const char *context, bool may_write, struct error *err)
{
    const struct engine_connector *connector = &engine->settings->connectors[connector_index];
    struct target_run *target = &engine->targets[connector->target];
    const char *source = engine->settings->sources[connector->source].name;
    struct stream_row row = { .target = target->row.target, .source = source, .context = context };
    struct stream_row found;
    int result = target->row.target == 0 ? 0 : state_find_stream(engine->state, target->row.target, source, context, &found, err);
    struct stream_run *stream;
    bool is_new_feeder;

    if (result < 0)
        return -1;
    is_new_feeder = result == 0 || strcmp(found.connector, connector->id) != 0;
    if (result > 0)
        row.stream = found.stream;
    else if (may_write)
        row.stream = state_next_stream(engine->state);
    (void)snprintf(row.connector, sizeof row.connector, "%s", connector->id);
    stream = row.stream == 0 ? NULL : engine_find_stream(engine, row.stream);
    if (stream == NULL) {
        stream = add_stream(engine, &row, connector_index, target);
    } else { /* nobody's until now */
        stream->connector = connector_index;
        (void)snprintf(stream->row.connector, sizeof stream->row.connector, "%s", connector->id);
    }
    if (may_write && is_new_feeder)
        engine_apply(engine, &(struct change){ .kind = CHANGE_STREAM, .stream = &stream->row });
    return 0;
}

int engine_add_target(struct engine *engine, size_t index, struct error *err)
{
    struct target_run *target = &engine->targets[index];

    if (register_target(engine, target, true, err) < 0)
        return -1;
    for (size_t i = 0; i < engine->stream_count; i++) {
        struct stream_run *stream = engine->streams[i];
        if (stream->row.target != target->row.target)
            continue;
        stream->target = target;
        target->queued += stream->queued;
    }
    return 0;
}

void engine_drop_target(struct engine *engine, size_t index)
{
    struct target_run *target = &engine->targets[index];

    target_done(target);
    for (size_t i = 0; i < engine->stream_count; i++)
        if (engine->streams[i]->target == target)
            engine->streams[i]->target = NULL;
    *target = (struct target_run){ .engine = engine, .index = index };
}

int engine_register_connector(struct engine *engine, size_t connector, struct error *err)
{
    for (size_t k = 0; k < engine->settings->connectors[connector].context_count; k++)
        if (register_stream(engine, connector, engine->settings->connectors[connector].contexts[k], true, err) < 0)
            return -1;
    return 0;
}

static void release_stream(struct engine *engine, struct stream_run *stream, bool may_write)
{
    stream->connector = SIZE_MAX;
    if (!may_write || stream->row.connector[0] == '\0')
        return;
    stream->row.connector[0] = '\0';
    engine_apply(engine, &(struct change){ .kind = CHANGE_STREAM, .stream = &stream->row });
}

void engine_release_connector(struct engine *engine, size_t connector)
{
    for (size_t i = 0; i < engine->stream_count; i++)
        if (engine->streams[i]->connector == connector)
            release_stream(engine, engine->streams[i], true);
}

struct known_streams {
    struct { struct stream_row row; char *source, *context; } *rows;
    size_t count, capacity;
};

static bool keep_stream(void *context, const struct stream_row *row)
{
    struct known_streams *known = context;

    known->rows = mem_grow(known->rows, known->count, &known->capacity, sizeof *known->rows);
    known->rows[known->count].row = *row;
    known->rows[known->count].row.source = known->rows[known->count].source = mem_copy_string(row->source);
    known->rows[known->count].row.context = known->rows[known->count].context = mem_copy_string(row->context);
    known->count++;
    return true;
}

static struct target_run *target_of_row(struct engine *engine, int64_t target)
{
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].row.target == target)
            return &engine->targets[i];
    return NULL;
}

/* Also of targets that are not at work now. */
static bool note_addresses(void *context, const struct target_row *row)
{
    const struct engine *engine = context;

    for (size_t i = 0; i < engine->stream_count; i++)
        if (engine->streams[i]->row.target == row->target)
            note_address(engine->streams[i], row->name);
    return true;
}

/* Streams that no connector feeds now: what they have in flight is still followed, since it shares batches with others. */
static int take_up_old_streams(struct engine *engine, bool may_write, struct error *err)
{
    struct known_streams known = { 0 };
    int result = state_each_stream(engine->state, keep_stream, &known, err);

    for (size_t i = 0; i < known.count; i++) {
        const struct stream_row *row = &known.rows[i].row;
        if (result == 0 && engine_find_stream(engine, row->stream) == NULL)
            release_stream(engine, add_stream(engine, row, SIZE_MAX, target_of_row(engine, row->target)), may_write);
        mem_free(known.rows[i].source);
        mem_free(known.rows[i].context);
    }
    mem_free(known.rows);
    return result < 0 ? -1 : state_each_target(engine->state, note_addresses, engine, err);
}

static int count_streams(struct engine *engine, struct error *err)
{
    for (size_t i = 0; i < engine->stream_count; i++) {
        struct stream_run *stream = engine->streams[i];
        struct state_counts counts;
        if (stream->row.stream == 0)
            continue;
        if (state_count_stream(engine->state, stream->row.stream, &counts, err) < 0)
            return -1;
        stream->queued = counts.memories[MEMORY_QUEUED];
        if (stream->target != NULL)
            stream->target->queued += stream->queued;
    }
    return 0;
}

int engine_register(struct engine *engine, bool may_write, struct error *err)
{
    const struct engine_settings *settings = engine->settings;

    for (size_t i = 0; i < settings->target_count; i++)
        if (settings->targets[i].name != NULL && register_target(engine, &engine->targets[i], may_write, err) < 0)
            return -1;
    for (size_t i = 0; i < settings->connector_count; i++)
        for (size_t k = 0; k < settings->connectors[i].context_count; k++)
            if (register_stream(engine, i, settings->connectors[i].contexts[k], may_write, err) < 0)
                return -1;
    if (engine->state != NULL && (take_up_old_streams(engine, may_write, err) < 0 || count_streams(engine, err) < 0))
        return -1;
    if (engine->is_broken) {
        *err = engine->error;
        return -1;
    }
    return 0;
}

static bool note_open_run(void *context, const struct run_row *row)
{
    struct { int64_t runs[64]; size_t count; } *open = context;

    if (open->count < ARRAY_LENGTH(open->runs))
        open->runs[open->count++] = row->run;
    return open->count < ARRAY_LENGTH(open->runs);
}

/* A run that is marked running belongs to a process that is gone: we hold the lock. */
int engine_interrupt_old_runs(struct engine *engine, struct error *err)
{
    struct { int64_t runs[64]; size_t count; } open;

    do {
        open.count = 0;
        if (state_each_open_run(engine->state, note_open_run, &open, err) < 0)
            return -1;
        for (size_t i = 0; i < open.count; i++) {
            struct run_row row;
            if (state_get_run(engine->state, open.runs[i], &row, err) < 0)
                return -1;
            row.result = RUN_INTERRUPTED;
            row.finished_ms = engine->now.wall_ms > 0 ? engine->now.wall_ms : 1;
            row.error = "the program ended before the run did; what it had queued or sent is taken up by the next one";
            engine_apply(engine, &(struct change){ .kind = CHANGE_RUN, .run = &row });
        }
    } while (open.count == ARRAY_LENGTH(open.runs) && !engine->is_broken);
    return 0;
}
