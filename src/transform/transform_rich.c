/* transform_rich.c - the facts of a memory in sentences that a language model can use. A missing fact is not mentioned; see docs/transform.md. */
#include "transform/transform_internal.h"

/* Appends before, the fact and after; nothing when the memory does not have it. */
static bool append_around(const struct transform_input *input, struct text *out, const char *before, enum transform_fact fact, const char *after)
{
    size_t start = out->size;
    size_t inner;

    (void)text_append(out, before);
    inner = out->size;
    transform_append_fact(input, fact, out);
    if (out->size == inner) {
        text_truncate(out, start);
        return false;
    }
    (void)text_append(out, after);
    return true;
}

/* "a voice recording", but "a memory of the type Mixtape": what the type of others means is not known. */
static void append_kind(const struct transform_input *input, struct text *out)
{
    bool is_known = transform_type_words(input->memory->type) != NULL;

    (void)append_around(input, out, is_known ? "a " : "a memory of the type ", FACT_TYPE_WORDS, "");
}

static void append_time(const struct transform_input *input, struct text *out)
{
    if (!input->memory->has_created) {
        (void)append_around(input, out, " Its time is given as \"", FACT_RECORDED, "\".");
        return;
    }
    (void)append_around(input, out, " It was recorded on ", FACT_WEEKDAY, ", ");
    transform_append_fact(input, FACT_RECORDED, out);
    (void)append_around(input, out, " (", FACT_PART_OF_DAY, ").");
}

static void append_media(const struct transform_input *input, struct text *out)
{
    static const char *const words[] = { "", " It has a sound recording.", " It has a picture.", " It has a sound recording and a picture." };

    (void)text_append(out, words[(input->memory->has_audio ? 1 : 0) + (input->memory->has_image ? 2 : 0)]);
}

void transform_rich(const struct transform_input *input, struct text *out)
{
    if (!append_around(input, out, "Memory ", FACT_ID, " is "))
        (void)text_append(out, "This is "); /* an id of nothing that can be shown */
    append_kind(input, out);
    (void)append_around(input, out, " in the collection \"", FACT_COLLECTION, "\"");
    (void)text_append_char(out, '.');
    append_time(input, out);
    if (append_around(input, out, " The place is at latitude ", FACT_LAT, ""))
        (void)append_around(input, out, ", longitude ", FACT_LON, ".");
    append_media(input, out);
    (void)append_around(input, out, " Its tags: ", FACT_TAGS, ".");
    (void)append_around(input, out, "\n\nDescription: ", FACT_DESCRIPTION, "");
    (void)append_around(input, out, "\n\nTranscript:\n", FACT_TRANSCRIPT, "");
}
