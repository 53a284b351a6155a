#include "memory/memory.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/time_text.h"
#include "memory/sanitise.h"
#include "memory/scan.h"

#include <yyjson.h>

#include <math.h>
#include <string.h>
#include <strings.h>

enum {
    POOL_USUAL = 64 << 10,   /* enough for a usual element; a larger one gets a pool of its own size, for as long as it is needed */
    CLEAN_USUAL = 64 << 10,
    DEPTH_MAXIMUM = 64,
    NUMBER_MAXIMUM = 400,    /* characters of a number that is looked at */
};

struct memory_decoder {
    char *pool;
    size_t pool_size;
    size_t json_size;        /* of the element as it was parsed */
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

/* What the last element needed is empty again, and given back when it was a giant. */
static void clear_scratch(struct text *text)
{
    if (text->capacity > CLEAN_USUAL)
        text_done(text);
    else
        text_clear(text);
}

/* ---- Parsing ---- */

/* Bad bytes stay in strings, so that an id is kept exactly; what goes into a text is sanitised field by field. */
static yyjson_doc *parse(struct memory_decoder *decoder, const char *json, size_t size, yyjson_read_err *problem)
{
    static const yyjson_read_flag flags = YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_ALLOW_INVALID_UNICODE;
    size_t wanted = yyjson_read_max_memory_usage(size, flags);
    yyjson_alc allocator;

    if (wanted < POOL_USUAL)
        wanted = POOL_USUAL;
    if (wanted > decoder->pool_size || decoder->pool_size > 8 * wanted) {
        mem_free(decoder->pool);
        decoder->pool = mem_resize(NULL, wanted, 1);
        decoder->pool_size = wanted;
    }
    decoder->json_size = size;
    (void)yyjson_alc_pool_init(&allocator, decoder->pool, decoder->pool_size);
    /* yyjson does not write to the input without the in-situ flag; its signature is older than const. */
    return yyjson_read_opts((char *)(uintptr_t)json, size, flags, &allocator, problem);
}

/* yyjson itself has no limit: it walks without recursion, and 8 MiB of brackets would cost 128 MiB. */
static bool is_too_deep(const char *json, size_t size)
{
    const char *end = json + size;
    enum scan_end scan_end = SCAN_DONE;
    struct scan scan;

    while (json < end && scan_is_blank(*json))
        json++;
    if (json == end)
        return false;
    scan_begin(&scan, *json, DEPTH_MAXIMUM);
    (void)scan_value(&scan, json, end, &scan_end);
    return scan_end == SCAN_TOO_DEEP;
}

static yyjson_doc *parse_tolerantly(struct memory_decoder *decoder, const char *element, size_t size, struct error *err)
{
    yyjson_read_err problem = { 0 };
    yyjson_doc *document = parse(decoder, element, size, &problem);

    if (document != NULL)
        return document;
    if (sanitise_json(&decoder->mended, element, size)) {
        document = parse(decoder, decoder->mended.data, decoder->mended.size, &problem);
        if (document != NULL)
            return document;
        problem.pos = sanitise_json_origin(element, size, problem.pos);
    }
    (void)error_set(err, ERROR_FAILED, "JSON: %s at byte %zu", problem.msg, problem.pos);
    return NULL;
}

/* ---- Fields: which, and in which form (the table in docs/memory-api.md) ---- */

enum field {
    FIELD_ID, FIELD_TYPE, FIELD_AUDIO, FIELD_IMAGE, FIELD_TRANSCRIPT, FIELD_LATITUDE, FIELD_LONGITUDE, FIELD_CREATED, FIELD_UPDATED,
    FIELD_TAGS, FIELD_DESCRIPTION, FIELD_COLLECTION,
    FIELDS
};

static const struct slice field_names[FIELDS] = {
    [FIELD_ID] = { "id", 2 },
    [FIELD_TYPE] = { "type", 4 },
    [FIELD_AUDIO] = { "audio", 5 },
    [FIELD_IMAGE] = { "image", 5 },
    [FIELD_TRANSCRIPT] = { "transcript", 10 },
    [FIELD_LATITUDE] = { "location_lat", 12 },
    [FIELD_LONGITUDE] = { "location_lon", 12 },
    [FIELD_CREATED] = { "created_at", 10 },
    [FIELD_UPDATED] = { "updated_at", 10 },
    [FIELD_TAGS] = { "tags", 4 },
    [FIELD_DESCRIPTION] = { "description", 11 },
    [FIELD_COLLECTION] = { "collection_name", 15 },
};

static bool slices_are_equal(struct slice a, struct slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* The first of a repeated key counts. */
static void find_fields(yyjson_val *object, yyjson_val *ret_fields[FIELDS])
{
    yyjson_val *key, *value;
    size_t index, count;

    yyjson_obj_foreach(object, index, count, key, value) {
        const struct slice name = { yyjson_get_str(key), yyjson_get_len(key) };
        for (size_t i = 0; i < FIELDS; i++) {
            if (!slices_are_equal(field_names[i], name))
                continue;
            if (ret_fields[i] == NULL)
                ret_fields[i] = value;
            break;
        }
    }
}

static struct slice no_slice(void)
{
    return (struct slice){ "", 0 };
}

static bool is_text(yyjson_val *value)
{
    return yyjson_is_str(value) || yyjson_is_raw(value);
}

/* A string, or a number as it is written; nothing for the rest. */
static struct slice raw_slice(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return (struct slice){ yyjson_get_str(value), yyjson_get_len(value) };
    if (yyjson_is_raw(value))
        return (struct slice){ yyjson_get_raw(value), yyjson_get_len(value) };
    return no_slice();
}

/* The clean copy is in decoder->clean, which gets room for the whole element at once: it does not move. */
static struct slice clean_slice(struct memory_decoder *decoder, struct slice raw)
{
    size_t start = decoder->clean.size;

    if (sanitise_is_clean(raw.data, raw.size))
        return sanitise_trim(raw);
    if (start == 0)
        text_reserve(&decoder->clean, 3 * decoder->json_size); /* a bad byte becomes three */
    sanitise_append(&decoder->clean, raw.data, raw.size);
    return sanitise_trim((struct slice){ decoder->clean.data + start, decoder->clean.size - start });
}

static struct slice read_text(struct memory_decoder *decoder, yyjson_val *value)
{
    return is_text(value) ? clean_slice(decoder, raw_slice(value)) : no_slice();
}

/* A decimal number without exponent that a double holds exactly before it is divided by a power of ten that it holds exactly too: the
 * result is the nearest double, as with strtod, but without a locale. */
static bool read_plain_number(struct slice digits, double *ret_number)
{
    static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
    int64_t mantissa = 0;
    size_t decimals = 0;
    bool has_point = false;

    if (digits.size == 0 || digits.size > 16)
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        char c = digits.data[i];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        mantissa = mantissa * 10 + (c - '0');
        decimals += has_point;
    }
    if (digits.size == (has_point ? 1 : 0) || mantissa > (int64_t)1 << 53 || decimals >= ARRAY_LENGTH(powers))
        return false;
    *ret_number = (double)mantissa / powers[decimals];
    return true;
}

static bool read_any_number(struct slice digits, double *ret_number)
{
    char copy[NUMBER_MAXIMUM + 1];
    yyjson_val value;
    const char *end;

    if (digits.size == 0 || digits.size > NUMBER_MAXIMUM || digits.data[0] == '-')
        return false;
    memcpy(copy, digits.data, digits.size);
    copy[digits.size] = '\0';
    end = yyjson_read_number(copy, &value, 0, NULL, NULL);
    if (end != copy + digits.size || !isfinite(yyjson_get_num(&value)))
        return false;
    *ret_number = yyjson_get_num(&value);
    return true;
}

static bool read_number(yyjson_val *value, double *ret_number)
{
    struct slice words = is_text(value) ? sanitise_trim(raw_slice(value)) : no_slice();
    double number;
    bool is_negative = words.size > 0 && words.data[0] == '-';

    if (words.size > 0 && (is_negative || words.data[0] == '+'))
        words = (struct slice){ words.data + 1, words.size - 1 };
    if (!read_plain_number(words, &number) && !read_any_number(words, &number))
        return false;
    *ret_number = is_negative ? -number : number;
    return true;
}

static bool is_word(struct slice slice, const char *word)
{
    return slice.size == strlen(word) && strncasecmp(slice.data, word, slice.size) == 0;
}

/* true/false; "true"/"false"; "" or a URL; a number; null; missing. */
static bool read_flag(yyjson_val *value)
{
    struct slice words = sanitise_trim(raw_slice(value));
    double number;

    if (yyjson_is_bool(value))
        return yyjson_get_bool(value);
    if (yyjson_is_raw(value))
        return !read_number(value, &number) || number != 0;
    return words.size > 0 && !is_word(words, "false") && !is_word(words, "0") && !is_word(words, "no") && !is_word(words, "null");
}

static void read_location(yyjson_val *const fields[FIELDS], struct memory *memory)
{
    double latitude, longitude;

    if (!read_number(fields[FIELD_LATITUDE], &latitude) || !read_number(fields[FIELD_LONGITUDE], &longitude))
        return;
    if (fabs(latitude) > 90 || fabs(longitude) > 180 || (latitude == 0 && longitude == 0))
        return;
    memory->has_location = true;
    memory->latitude = latitude == 0 ? 0 : latitude; /* no minus zero */
    memory->longitude = longitude == 0 ? 0 : longitude;
}

static void read_tags(struct memory_decoder *decoder, yyjson_val *tags, struct memory *memory)
{
    yyjson_val *tag;
    size_t index, count;

    yyjson_arr_foreach(tags, index, count, tag) {
        struct slice clean = read_text(decoder, tag);
        if (clean.size > 0 && memory->tag_count < MEMORY_TAGS_MAXIMUM)
            memory->tags[memory->tag_count++] = clean;
    }
}

static int read_id(yyjson_val *value, struct memory *memory, struct error *err)
{
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
    yyjson_val *fields[FIELDS] = { NULL };
    yyjson_val *transcript;

    find_fields(object, fields);
    transcript = fields[FIELD_TRANSCRIPT];
    if (read_id(fields[FIELD_ID], memory, err) < 0)
        return -1;
    if (transcript != NULL && !yyjson_is_null(transcript) && !is_text(transcript))
        return error_set(err, ERROR_FAILED, "transcript: neither a string nor null");
    memory->type = read_text(decoder, fields[FIELD_TYPE]);
    if (memory->type.size == 0)
        memory->type = (struct slice){ "record", 6 };
    memory->has_audio = read_flag(fields[FIELD_AUDIO]);
    memory->has_image = read_flag(fields[FIELD_IMAGE]);
    memory->transcript = read_text(decoder, transcript);
    memory->created_raw = read_text(decoder, fields[FIELD_CREATED]);
    memory->has_created = time_text_parse(memory->created_raw.data, memory->created_raw.size, &memory->created_ms);
    memory->updated_raw = read_text(decoder, fields[FIELD_UPDATED]);
    memory->has_updated = time_text_parse(memory->updated_raw.data, memory->updated_raw.size, &memory->updated_ms);
    memory->description = read_text(decoder, fields[FIELD_DESCRIPTION]);
    memory->collection = read_text(decoder, fields[FIELD_COLLECTION]);
    read_location(fields, memory);
    read_tags(decoder, fields[FIELD_TAGS], memory);
    return 0;
}

int memory_decode(struct memory_decoder *decoder, const char *element, size_t size, struct memory *ret_memory, struct error *err)
{
    struct memory memory = { .created_ms = -1, .updated_ms = -1 };
    yyjson_doc *document;

    clear_scratch(&decoder->clean);
    clear_scratch(&decoder->mended);
    if (is_too_deep(element, size))
        return error_set(err, ERROR_FAILED, "JSON: nested deeper than %d", DEPTH_MAXIMUM);
    document = parse_tolerantly(decoder, element, size, err);
    if (document == NULL)
        return -1;
    if (!yyjson_is_obj(yyjson_doc_get_root(document)))
        return error_set(err, ERROR_FAILED, "not an object");
    if (read_fields(decoder, yyjson_doc_get_root(document), &memory, err) < 0)
        return -1;
    *ret_memory = memory;
    return 0;
}

void memory_degrees_text(double degrees, char ret_text[MEMORY_DEGREES_SIZE])
{
    int64_t millionths = llround(degrees * 1e6);
    uint64_t left = millionths < 0 ? (uint64_t)-millionths : (uint64_t)millionths;
    char digits[MEMORY_DEGREES_SIZE];
    size_t size = 0;

    for (; size < 8 || left > 0; left /= 10) {
        if (size == 6)
            digits[size++] = '.';
        digits[size++] = (char)('0' + left % 10);
    }
    if (millionths < 0)
        *ret_text++ = '-';
    while (size > 0)
        *ret_text++ = digits[--size];
    *ret_text = '\0';
}
