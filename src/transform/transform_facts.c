/* transform_facts.c - the facts of a memory as words, one function each; what rich and template have in common. */
#include "transform/transform_internal.h"

#include "base/time_text.h"
#include "memory/sanitise.h"

#include <string.h>

static void append_slice(struct text *out, struct slice slice)
{
    (void)text_append_bytes(out, slice.data, slice.size);
}

static void append_id(const struct transform_input *input, struct text *out)
{
    sanitise_append(out, input->memory->id.data, input->memory->id.size);
}

static void append_context(const struct transform_input *input, struct text *out)
{
    sanitise_append(out, input->context, strlen(input->context));
}

static void append_type(const struct transform_input *input, struct text *out)
{
    append_slice(out, input->memory->type);
}

const char *transform_type_words(struct slice type)
{
    static const struct { const char *type, *words; } rows[] = {
        { "record", "voice recording" }, { "note", "text note" }, { "photo", "photo memory" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (type.size == strlen(rows[i].type) && memcmp(type.data, rows[i].type, type.size) == 0)
            return rows[i].words;
    return NULL;
}

static void append_type_words(const struct transform_input *input, struct text *out)
{
    const char *words = transform_type_words(input->memory->type);

    if (words != NULL)
        (void)text_append(out, words);
    else
        append_slice(out, input->memory->type);
}

static void append_transcript(const struct transform_input *input, struct text *out)
{
    append_slice(out, input->memory->transcript);
}

static void append_recorded(const struct transform_input *input, struct text *out)
{
    char words[TIME_TEXT_SIZE];

    if (!input->memory->has_created) {
        append_slice(out, input->memory->created_raw);
        return;
    }
    time_text_english(input->memory->created_ms, words);
    (void)text_append(out, words);
}

static void append_recorded_iso(const struct transform_input *input, struct text *out)
{
    char words[TIME_TEXT_SIZE];

    if (!input->memory->has_created)
        return;
    time_text_rfc3339(input->memory->created_ms, words);
    (void)text_append(out, words);
}

static void append_weekday(const struct transform_input *input, struct text *out)
{
    static const char *const names[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
    struct time_fields fields;

    if (!input->memory->has_created)
        return;
    time_text_fields(input->memory->created_ms, &fields);
    (void)text_append(out, names[fields.weekday]);
}

/* UTC, as every time in a text: the Memory API does not say where the clock stood. */
static void append_part_of_day(const struct transform_input *input, struct text *out)
{
    static const struct { int before; const char *words; } rows[] = { { 5, "night" }, { 12, "morning" }, { 17, "afternoon" }, { 21, "evening" }, { 24, "night" } };
    struct time_fields fields;
    size_t i = 0;

    if (!input->memory->has_created)
        return;
    time_text_fields(input->memory->created_ms, &fields);
    while (fields.hour >= rows[i].before)
        i++;
    (void)text_append(out, rows[i].words);
}

static void append_degrees(struct text *out, double degrees)
{
    char words[MEMORY_DEGREES_SIZE];

    memory_degrees_text(degrees, words);
    (void)text_append(out, words);
}

static void append_lat(const struct transform_input *input, struct text *out)
{
    if (input->memory->has_location)
        append_degrees(out, input->memory->latitude);
}

static void append_lon(const struct transform_input *input, struct text *out)
{
    if (input->memory->has_location)
        append_degrees(out, input->memory->longitude);
}

static void append_location(const struct transform_input *input, struct text *out)
{
    if (!input->memory->has_location)
        return;
    (void)text_append_char(out, '(');
    append_lat(input, out);
    (void)text_append(out, ", ");
    append_lon(input, out);
    (void)text_append_char(out, ')');
}

static void append_media(const struct transform_input *input, struct text *out)
{
    static const char *const words[] = { "", "Audio", "Image", "Audio, Image" };

    (void)text_append(out, words[(input->memory->has_audio ? 1 : 0) + (input->memory->has_image ? 2 : 0)]);
}

static void append_tags(const struct transform_input *input, struct text *out)
{
    transform_append_tags(input->memory, input->settings->extract_tags, out);
}

static void append_description(const struct transform_input *input, struct text *out)
{
    append_slice(out, input->memory->description);
}

static void append_collection(const struct transform_input *input, struct text *out)
{
    append_slice(out, input->memory->collection);
}

static const struct {
    const char *name;
    void (*append)(const struct transform_input *input, struct text *out);
    bool keeps_lines;
} facts[FACT_COUNT] = {
    [FACT_ID] = { "id", append_id, false },
    [FACT_CONTEXT] = { "context", append_context, false },
    [FACT_TYPE] = { "type", append_type, false },
    [FACT_TYPE_WORDS] = { "type_words", append_type_words, false },
    [FACT_TRANSCRIPT] = { "transcript", append_transcript, true },
    [FACT_RECORDED] = { "recorded", append_recorded, false },
    [FACT_RECORDED_ISO] = { "recorded_iso", append_recorded_iso, false },
    [FACT_WEEKDAY] = { "weekday", append_weekday, false },
    [FACT_PART_OF_DAY] = { "part_of_day", append_part_of_day, false },
    [FACT_LAT] = { "lat", append_lat, false },
    [FACT_LON] = { "lon", append_lon, false },
    [FACT_LOCATION] = { "location", append_location, false },
    [FACT_MEDIA] = { "media", append_media, false },
    [FACT_TAGS] = { "tags", append_tags, false },
    [FACT_DESCRIPTION] = { "description", append_description, false },
    [FACT_COLLECTION] = { "collection", append_collection, false },
};

const char *transform_fact_name(enum transform_fact fact)
{
    return facts[fact].name;
}

void transform_append_fact(const struct transform_input *input, enum transform_fact fact, struct text *out)
{
    size_t start = out->size;

    facts[fact].append(input, out);
    if (!facts[fact].keeps_lines)
        transform_join_lines(out, start);
}
