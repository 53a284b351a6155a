/* fake_memory_data.c - the memories themselves: made up by number, or from JSON. */
#include "fakes/fake_memory_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_BLOCK = 32 << 10 };

/* ---- Made-up memories ---- */

static uint64_t scramble(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

static void make_up(const struct fake_memory_data *data, int64_t index, struct text *out)
{
    static const char *const words[] = { "harbour", "Ana", "coffee", "München", "rain", "Nikos", "bicycle", "#boats", "market", "Übung", "日記",
                                         "garden", "Lucía", "train", "letter", "кино", "walk", "soup", "#family", "window" };
    static const char *const types[] = { "record", "note", "photo" };
    uint64_t random = scramble(data->seed * 0x9E3779B97F4A7C15u + (uint64_t)index + 1);
    size_t start = out->size;
    char when[TIME_TEXT_SIZE];

    time_text_rfc3339(1766016000000 + (int64_t)(random % 300) * 1000 + index % 600000 * 60000, when);
    (void)text_append_format(out, "{\"id\":\"%016llx%07lld___mft\",\"type\":\"%s\",\"audio\":%s,\"image\":false,", (unsigned long long)random,
                             (long long)index, types[random % ARRAY_LENGTH(types)], random % 2 == 0 ? "true" : "false");
    if (random % 4 != 0)
        (void)text_append_format(out, "\"location_lat\":%.4f,\"location_lon\":%.4f,", (double)(random % 1800) / 10 - 90 + 0.01,
                                 (double)(random % 3600) / 10 - 180 + 0.01);
    (void)text_append_format(out, "\"created_at\":\"%s\",\"transcript\":\"Memory %lld.", when, (long long)index);
    while (out->size - start + 4 < (size_t)data->size) {
        random = scramble(random + 1);
        (void)text_append_char(out, ' ');
        (void)text_append(out, words[random % ARRAY_LENGTH(words)]);
    }
    (void)text_append(out, ".\"}");
}

struct stream {
    struct fake_memory_data data; /* a copy: control may change the fake's while this is being sent */
    int64_t next, count;
    struct text pending;
    size_t taken;
    bool is_closed;
};

static void make_block(struct stream *stream)
{
    text_clear(&stream->pending);
    stream->taken = 0;
    if (stream->is_closed)
        return;
    if (stream->next == 0)
        (void)text_append(&stream->pending, "{\"memories\":[");
    while (stream->next < stream->count && stream->pending.size < STREAM_BLOCK) {
        if (stream->next > 0)
            (void)text_append_char(&stream->pending, ',');
        make_up(&stream->data, stream->next++, &stream->pending);
    }
    if (stream->next >= stream->count) {
        (void)text_append_format(&stream->pending, "],\"count\":%lld}", (long long)stream->count);
        stream->is_closed = true;
    }
}

static int64_t produce(void *producer, uint64_t position, char *buffer, size_t room)
{
    struct stream *stream = producer;
    size_t left;

    (void)position;
    if (stream->taken == stream->pending.size)
        make_block(stream);
    left = stream->pending.size - stream->taken;
    if (left > room)
        left = room;
    memcpy(buffer, stream->pending.data + stream->taken, left);
    stream->taken += left;
    return (int64_t)left;
}

static void free_stream(void *producer)
{
    struct stream *stream = producer;

    text_done(&stream->pending);
    mem_free(stream);
}

void fake_data_stream(const struct fake_memory_data *data, int64_t limit, struct http_server_answer *answer)
{
    struct stream *stream = mem_alloc(sizeof *stream);

    stream->data = *data;
    stream->count = limit < data->count ? limit : data->count;
    text_init(&stream->pending, 0);
    answer->produce = produce;
    answer->producer_free = free_stream;
    answer->producer = stream;
}

/* ---- Memories from JSON ---- */

int fake_data_load(struct fake_memory_data *data, const char *json, size_t size, struct error *err)
{
    yyjson_read_err problem = { 0 };
    /* Numbers stay as they are written: 1e400 is something that a server sends. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json, size, YYJSON_READ_NUMBER_AS_RAW, NULL, &problem);

    if (document == NULL)
        return error_set(err, ERROR_CONFIG, "the memories are no JSON: %s at byte %zu", problem.msg, problem.pos);
    fake_data_done(data);
    data->document = yyjson_doc_mut_copy(document, NULL);
    yyjson_doc_free(document);
    return 0;
}

void fake_data_done(struct fake_memory_data *data)
{
    yyjson_mut_doc_free(data->document);
    data->document = NULL;
}

static yyjson_mut_val *find_list(const struct fake_memory_data *data, const char *context)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(data->document);
    yyjson_mut_val *contexts = yyjson_mut_obj_get(root, "contexts");
    yyjson_mut_val *list = yyjson_mut_obj_get(root, "memories");

    if (contexts != NULL)
        list = context != NULL ? yyjson_mut_obj_get(yyjson_mut_obj_get(contexts, context), "memories") : NULL;
    return yyjson_mut_is_arr(list) ? list : NULL;
}

bool fake_data_has_context(const struct fake_memory_data *data, const char *context)
{
    return data->document == NULL || find_list(data, context) != NULL;
}

static bool created_of(yyjson_mut_val *memory, int64_t *ret_ms)
{
    yyjson_mut_val *created = yyjson_mut_obj_get(memory, "created_at");

    return yyjson_mut_is_str(created) && time_text_parse(yyjson_mut_get_str(created), yyjson_mut_get_len(created), ret_ms);
}

static int64_t newest_of(yyjson_mut_val *list)
{
    yyjson_mut_val *memory;
    size_t index, count;
    int64_t newest = INT64_MIN;
    int64_t ms;

    yyjson_mut_arr_foreach(list, index, count, memory) {
        if (created_of(memory, &ms) && ms > newest)
            newest = ms;
    }
    return newest;
}

void fake_data_list(const struct fake_memory_data *data, const char *context, int64_t limit, int64_t range_ms, struct text *out)
{
    yyjson_mut_val *list = find_list(data, context);
    int64_t now = data->now_ms != INT64_MIN ? data->now_ms : newest_of(list);
    int64_t since = range_ms > 0 && now != INT64_MIN ? now - range_ms : INT64_MIN;
    int64_t listed = 0;
    yyjson_mut_val *memory;
    size_t index, count;

    (void)text_append(out, "{\"memories\":[");
    yyjson_mut_arr_foreach(list, index, count, memory) {
        int64_t created_ms;
        size_t size;
        char *json;
        if (listed >= limit || (created_of(memory, &created_ms) && created_ms < since))
            continue;
        json = yyjson_mut_val_write(memory, 0, &size);
        if (json == NULL)
            continue;
        (void)text_append(out, listed++ > 0 ? "," : "");
        (void)text_append_bytes(out, json, size);
        free(json);
    }
    (void)text_append_format(out, "],\"count\":%lld}", (long long)listed);
}

/* ---- Changes ---- */

static size_t find_id(yyjson_mut_val *list, const char *id)
{
    yyjson_mut_val *memory;
    size_t index, count;
    size_t found = SIZE_MAX;

    yyjson_mut_arr_foreach(list, index, count, memory) {
        if (found == SIZE_MAX && yyjson_mut_equals_str(yyjson_mut_obj_get(memory, "id"), id))
            found = index;
    }
    return found;
}

bool fake_data_upsert(struct fake_memory_data *data, const char *context, yyjson_val *memories)
{
    yyjson_mut_val *list = find_list(data, context);
    yyjson_val *memory;
    size_t index, count;

    if (list == NULL)
        return false;
    yyjson_arr_foreach(memories, index, count, memory) {
        const char *id = yyjson_get_str(yyjson_obj_get(memory, "id"));
        yyjson_mut_val *copy = yyjson_val_mut_copy(data->document, memory);
        size_t place = id != NULL ? find_id(list, id) : SIZE_MAX;
        if (id == NULL)
            return false;
        if (place != SIZE_MAX)
            (void)yyjson_mut_arr_replace(list, place, copy);
        else
            (void)yyjson_mut_arr_append(list, copy);
    }
    return true;
}

bool fake_data_delete(struct fake_memory_data *data, const char *context, yyjson_val *ids)
{
    yyjson_mut_val *list = find_list(data, context);
    yyjson_val *id;
    size_t index, count;

    if (list == NULL)
        return false;
    yyjson_arr_foreach(ids, index, count, id) {
        size_t place = yyjson_is_str(id) ? find_id(list, yyjson_get_str(id)) : SIZE_MAX;
        if (place != SIZE_MAX)
            (void)yyjson_mut_arr_remove(list, place);
    }
    return true;
}
