/* engine_names.c - from the name of a document back to its memory: by its parts, or, where a part was shortened, by a search. */
#include "engine/engine_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A document name cut into what it was made of. */
struct parts { struct text source, context, id; };

static void parts_init(struct parts *parts)
{
    text_init(&parts->source, 0);
    text_init(&parts->context, 0);
    text_init(&parts->id, 0);
}

static void parts_done(struct parts *parts)
{
    text_done(&parts->source);
    text_done(&parts->context);
    text_done(&parts->id);
}
AUTO_DEFINE_DONE(parts)

static bool cut_name(const char *name, struct parts *parts)
{
    return identity_parse_name(name, &parts->source, &parts->context, &parts->id);
}

static uint64_t hash_name(const struct text *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < name->size; i++)
        hash = (hash ^ (unsigned char)name->data[i]) * 1099511628211u;
    return hash;
}

static const struct stream_run *find_stream(const struct target_run *target, const struct parts *parts)
{
    const struct engine *engine = target->engine;

    for (size_t i = 0; i < engine->stream_count; i++) {
        const struct stream_run *stream = engine->streams[i];
        if (stream->target == target && strcmp(stream->source, parts->source.data) == 0 && strcmp(stream->context, parts->context.data) == 0)
            return stream;
    }
    return NULL;
}

bool target_shares_name(const struct target_run *target, const char *name)
{
    AUTO_DONE(parts) struct parts parts = { 0 };
    const struct engine *engine = target->engine;
    bool is_cut;

    parts_init(&parts);
    is_cut = cut_name(name, &parts);
    for (size_t i = 0; is_cut && i < engine->stream_count; i++) {
        const struct stream_run *stream = engine->streams[i];
        if (stream->row.target != target->row.target && engine_is_at(stream, target) && strcmp(stream->source, parts.source.data) == 0 &&
            strcmp(stream->context, parts.context.data) == 0)
            return true;
    }
    return false;
}

/* ---- Shortened names ---- */

struct gathering { struct target_run *target; struct parts parts; };

/* Into engine->name. */
static void make_name(struct engine *engine, const struct stream_run *stream, struct slice id)
{
    text_clear(&engine->name);
    identity_document_name(&engine->name, stream->source, stream->context, id);
}

static bool keep_long(void *context, int64_t seq, int64_t stream_number, struct slice id, struct slice name)
{
    struct gathering *gathering = context;
    struct target_run *target = gathering->target;
    const struct stream_run *stream = engine_find_stream(target->engine, stream_number);
    struct long_names *names = &target->long_names;

    (void)name;
    if (stream == NULL || stream->target != target)
        return true;
    make_name(target->engine, stream, id);
    if (cut_name(target->engine->name.data, &gathering->parts))
        return true;
    names->items = mem_grow(names->items, names->count, &names->capacity, sizeof *names->items);
    names->items[names->count++] = (struct long_name){ hash_name(&target->engine->name), seq };
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t one = ((const struct long_name *)a)->hash;
    uint64_t other = ((const struct long_name *)b)->hash;

    return one < other ? -1 : one > other ? 1 : 0;
}

static int gather(struct target_run *target, struct error *err)
{
    struct gathering gathering = { .target = target };
    struct long_names *names = &target->long_names;
    int result;

    parts_init(&gathering.parts);
    result = state_each_name(target->engine->state, keep_long, &gathering, err);
    parts_done(&gathering.parts);
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare);
    names->is_made = true;
    return result;
}

static size_t first_of(const struct long_names *names, uint64_t hash)
{
    size_t low = 0;
    size_t high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->items[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int search(struct target_run *target, const char *name, struct memory_row *ret_row, struct error *err)
{
    struct engine *engine = target->engine;
    struct long_names *names = &target->long_names;
    uint64_t hash;

    if (!names->is_made && gather(target, err) < 0)
        return -1;
    text_clear(&engine->name);
    (void)text_append(&engine->name, name);
    hash = hash_name(&engine->name);
    for (size_t i = first_of(names, hash); i < names->count && names->items[i].hash == hash; i++) {
        int found = state_get_memory(engine->state, names->items[i].seq, ret_row, err);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        make_name(engine, engine_find_stream(engine, ret_row->stream), ret_row->id);
        if (strcmp(engine->name.data, name) == 0)
            return 1;
    }
    return 0;
}

void target_drop_names(struct target_run *target)
{
    mem_free(target->long_names.items);
    target->long_names = (struct long_names){ 0 };
}

bool target_find_name(struct target_run *target, const char *name, struct memory_row *ret_row)
{
    AUTO_DONE(parts) struct parts parts = { 0 };
    struct engine *engine = target->engine;
    struct error err = { 0 };
    int found = 0;

    if (strncmp(name, "memory~", 7) != 0)
        return false;
    parts_init(&parts);
    if (cut_name(name, &parts)) {
        const struct stream_run *stream = find_stream(target, &parts);
        if (stream != NULL)
            found = state_find_memory(engine->state, stream->row.stream, (struct slice){ parts.id.data, parts.id.size }, ret_row, &err);
    } else {
        found = search(target, name, ret_row, &err);
    }
    if (found < 0)
        engine_break(engine, &err);
    return found > 0;
}
