#include "memory/memory.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/time_text.h"
#include "memory/sanitise.h"

#include <yyjson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    POOL_SMALL = 64 << 10,   /* enough for a usual element; a larger one gets a pool of its own size */
    DEPTH_MAXIMUM = 64,
    NUMBER_MAXIMUM = 400,    /* digits of a number that is looked at */
};

struct memory_decoder {
    char *pool;
    size_t pool_size;
    struct text clean;       /* sanitised strings of the memory */
    struct text mended;      /* JSON after a sanitising pass */
};

struct memory_decoder *memory_decoder_new(void)
{
    struct memory_decoder *decoder = mem_alloc(sizeof *decoder);

    text_init(&decoder->clean, 0);
    text_init(&decoder->mended, 0);
    return decoder;
}

void memory_decoder_free(struct memory_decoder *decoder)
{
    if (decoder == NULL)
        return;
    mem_free(decoder->pool);
    text_done(&decoder->clean);
    text_done(&decoder->mended);
    mem_free(decoder);
}

/* ---- Parsing ---- */

static yyjson_doc *parse(struct memory_decoder *decoder, const char *json, size_t size, yyjson_read_err *problem)
{
    size_t wanted = yyjson_read_max_memory_usage(size, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_alc allocator;

    if (wanted < POOL_SMALL)
        wanted = POOL_SMALL;
    if (wanted > decoder->pool_size || decoder->pool_size > 8 * wanted) {
        mem_free(decoder->pool);
        decoder->pool = mem_resize(NULL, wanted, 1);
        decoder->pool_size = wanted;
    }
    (void)yyjson_alc_pool_init(&allocator, decoder->pool, decoder->pool_size);
    /* yyjson does not write to the input without the in-situ flag; its signature is older than const. */
    return yyjson_read_opts((char *)(uintptr_t)json, size, YYJSON_READ_NUMBER_AS_RAW, &allocator, problem);
}

/* Depth by brackets outside of strings; yyjson itself has no limit. */
static bool is_too_deep(const char *json, size_t size)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (json[i] == '\\')
                i++;
            else if (json[i] == '"')
                in_string = false;
        } else if (json[i] == '"') {
            in_string = true;
        } else if (json[i] == '{' || json[i] == '[') {
            if (++depth > DEPTH_MAXIMUM)
                return true;
        } else if ((json[i] == '}' || json[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* ---- Fields, taken as tolerantly as the table in docs/memory-api.md says ---- */

static struct slice no_slice(void)
{
    return (struct slice){ "", 0 };
}

static bool is_text(yyjson_val *value)
{
    return yyjson_is_str(value) || yyjson_is_raw(value);
}

static struct slice raw_slice(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return (struct slice){ yyjson_get_str(value), yyjson_get_len(value) };
    if (yyjson_is_raw(value))
        return (struct slice){ yyjson_get_raw(value), yyjson_get_len(value) };
    return no_slice();
}

/* The clean copy is in decoder->clean, which was reserved for the whole element: it does not move. */
static struct slice clean_slice(struct memory_decoder *decoder, struct slice raw)
{
    size_t start = decoder->clean.size;

    if (sanitise_is_clean(raw.data, raw.size))
        return sanitise_trim(raw);
    sanitise_append(&decoder->clean, raw.data, raw.size);
    return sanitise_trim((struct slice){ decoder->clean.data + start, decoder->clean.size - start });
}

static struct slice get_text(struct memory_decoder *decoder, yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return is_text(value) ? clean_slice(decoder, raw_slice(value)) : no_slice();
}

static bool slice_is(struct slice slice, const char *word)
{
    return slice.size == strlen(word) && strncasecmp(slice.data, word, slice.size) == 0;
}

/* true/false; "true"/"false"; "" or a URL; a number; null; missing. */
static bool get_flag(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    struct slice words;

    if (yyjson_is_bool(value))
        return yyjson_get_bool(value);
    if (!is_text(value))
        return false;
    words = sanitise_trim(raw_slice(value));
    return words.size > 0 && !slice_is(words, "false") && !slice_is(words, "0") && !slice_is(words, "no") && !slice_is(words, "null");
}

static bool get_number(yyjson_val *object, const char *key, double *ret_number)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    char digits[NUMBER_MAXIMUM + 1];
    struct slice words;
    char *end;

    if (!is_text(value))
        return false;
    words = sanitise_trim(raw_slice(value));
    if (words.size == 0 || words.size > NUMBER_MAXIMUM || words.data[0] == '+' || memchr(words.data, 'x', words.size) != NULL ||
        memchr(words.data, 'X', words.size) != NULL)
        return false;
    memcpy(digits, words.data, words.size);
    digits[words.size] = '\0';
    *ret_number = strtod(digits, &end);
    return *end == '\0' && end != digits && isfinite(*ret_number);
}

static void get_location(yyjson_val *object, struct memory *memory)
{
    double latitude, longitude;

    if (!get_number(object, "location_lat", &latitude) || !get_number(object, "location_lon", &longitude))
        return;
    if (fabs(latitude) > 90 || fabs(longitude) > 180 || (latitude == 0 && longitude == 0))
        return;
    memory->has_location = true;
    memory->latitude = latitude == 0 ? 0 : latitude; /* no minus zero */
    memory->longitude = longitude == 0 ? 0 : longitude;
}

static void get_tags(struct memory_decoder *decoder, yyjson_val *object, struct memory *memory)
{
    yyjson_val *tags = yyjson_obj_get(object, "tags");
    yyjson_val *tag;
    size_t index, count;

    yyjson_arr_foreach(tags, index, count, tag) {
        struct slice clean = is_text(tag) ? clean_slice(decoder, raw_slice(tag)) : no_slice();
        if (clean.size > 0 && memory->tag_count < MEMORY_TAGS_MAXIMUM)
            memory->tags[memory->tag_count++] = clean;
    }
}

static int get_id(yyjson_val *object, struct memory *memory, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(object, "id");

    if (value == NULL || yyjson_is_null(value))
        return error_set(err, ERROR_FAILED, "id: missing");
    if (!is_text(value))
        return error_set(err, ERROR_FAILED, "id: neither a string nor a number");
    memory->id = raw_slice(value);
    if (memory->id.size == 0)
        return error_set(err, ERROR_FAILED, "id: empty");
    if (memory->id.size > MEMORY_ID_MAXIMUM)
        return error_set(err, ERROR_FAILED, "id: longer than %d bytes", MEMORY_ID_MAXIMUM);
    return 0;
}

static int read_fields(struct memory_decoder *decoder, yyjson_val *object, struct memory *memory, struct error *err)
{
    yyjson_val *transcript = yyjson_obj_get(object, "transcript");

    if (get_id(object, memory, err) < 0)
        return -1;
    if (transcript != NULL && !yyjson_is_null(transcript) && !is_text(transcript))
        return error_set(err, ERROR_FAILED, "transcript: neither a string nor null");
    memory->type = get_text(decoder, object, "type");
    if (memory->type.size == 0)
        memory->type = (struct slice){ "record", 6 };
    memory->has_audio = get_flag(object, "audio");
    memory->has_image = get_flag(object, "image");
    memory->transcript = get_text(decoder, object, "transcript");
    memory->created_raw = get_text(decoder, object, "created_at");
    memory->has_created = time_text_parse(memory->created_raw.data, memory->created_raw.size, &memory->created_ms);
    memory->updated_raw = get_text(decoder, object, "updated_at");
    memory->has_updated = time_text_parse(memory->updated_raw.data, memory->updated_raw.size, &memory->updated_ms);
    memory->description = get_text(decoder, object, "description");
    memory->collection = get_text(decoder, object, "collection_name");
    get_location(object, memory);
    get_tags(decoder, object, memory);
    return 0;
}

int memory_decode(struct memory_decoder *decoder, const char *element, size_t size, struct memory *ret_memory, struct error *err)
{
    yyjson_read_err problem = { 0 };
    struct memory memory = { .created_ms = -1, .updated_ms = -1 };
    yyjson_doc *document;

    if (is_too_deep(element, size))
        return error_set(err, ERROR_FAILED, "JSON: nested deeper than %d", DEPTH_MAXIMUM);
    document = parse(decoder, element, size, &problem);
    if (document == NULL) {
        text_clear(&decoder->mended);
        if (sanitise_json(&decoder->mended, element, size))
            document = parse(decoder, decoder->mended.data, decoder->mended.size, &problem);
    }
    if (document == NULL)
        return error_set(err, ERROR_FAILED, "JSON: %s at byte %zu", problem.msg, problem.pos);
    if (!yyjson_is_obj(yyjson_doc_get_root(document)))
        return error_set(err, ERROR_FAILED, "not an object");
    text_clear(&decoder->clean);
    text_reserve(&decoder->clean, 3 * (size + decoder->mended.size) + 64); /* a bad byte becomes three */
    if (read_fields(decoder, yyjson_doc_get_root(document), &memory, err) < 0)
        return -1;
    *ret_memory = memory;
    return 0;
}
