/* transform_standard.c - the layout people know; see docs/transform.md. */
#include "transform/transform_internal.h"

#include "base/time_text.h"
#include "memory/sanitise.h"

#include <string.h>

static void append_slice(struct text *out, struct slice slice)
{
    (void)text_append_bytes(out, slice.data, slice.size);
}

/* A fact that must stay on its line. */
static void append_on_one_line(struct text *out, struct slice slice)
{
    size_t start = out->size;

    append_slice(out, slice);
    transform_join_lines(out, start);
}

static void append_id(struct text *out, struct slice id)
{
    size_t start = out->size;

    /* The id is kept exactly elsewhere; in a text it must be clean. */
    sanitise_append(out, id.data, id.size);
    transform_join_lines(out, start);
}

static void append_location(struct text *out, const struct memory *memory)
{
    char words[MEMORY_DEGREES_SIZE];

    (void)text_append(out, "\nLocation: (");
    memory_degrees_text(memory->latitude, words);
    (void)text_append(out, words);
    (void)text_append(out, ", ");
    memory_degrees_text(memory->longitude, words);
    (void)text_append(out, words);
    (void)text_append_char(out, ')');
}

static void append_recorded(struct text *out, const struct memory *memory)
{
    char words[TIME_TEXT_SIZE];

    if (memory->has_created) {
        time_text_english(memory->created_ms, words);
        (void)text_append(out, words);
    } else if (memory->created_raw.size > 0) {
        append_on_one_line(out, memory->created_raw);
    } else {
        (void)text_append(out, "unknown");
    }
}

static void append_tags_line(struct text *out, const struct memory *memory)
{
    size_t start = out->size;

    (void)text_append(out, "Tags: ");
    transform_append_tags(memory, true, out);
    if (out->size == start + strlen("Tags: "))
        text_truncate(out, start);
    else
        (void)text_append_char(out, '\n');
}

void transform_standard(const struct transform_input *input, struct text *out)
{
    static const char *const media[] = { "None", "Audio", "Image", "Audio, Image" };
    const struct memory *memory = input->memory;

    (void)text_append(out, "---\nMemory Record\nID: ");
    append_id(out, memory->id);
    (void)text_append(out, "\nType: ");
    append_on_one_line(out, memory->type);
    (void)text_append(out, "\nRecorded: ");
    append_recorded(out, memory);
    if (memory->has_location)
        append_location(out, memory);
    (void)text_append(out, "\nMedia Available: ");
    (void)text_append(out, media[(memory->has_audio ? 1 : 0) + (memory->has_image ? 2 : 0)]);
    (void)text_append_char(out, '\n');
    if (input->settings->extract_tags)
        append_tags_line(out, memory);
    (void)text_append(out, "\nTranscript:\n");
    if (memory->transcript.size > 0)
        append_slice(out, memory->transcript);
    else
        (void)text_append(out, "[No transcript available]");
    (void)text_append(out, "\n---");
}
