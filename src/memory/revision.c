/* revision.c - what counts as a change: the facts that can reach a text, normalised, in a fixed order, each with its length. */
#include "memory/memory.h"

#include "base/text.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

static void put(struct text *facts, const char *name, const char *bytes, size_t size)
{
    (void)text_append(facts, name);
    (void)text_append_format(facts, ":%zu:", size);
    (void)text_append_bytes(facts, bytes, size);
    (void)text_append_char(facts, '\n');
}

static void put_flag(struct text *facts, const char *name, bool flag)
{
    put(facts, name, flag ? "1" : "0", 1);
}

/* An instant counts by its value, so that another spelling of the same time is no change; what cannot be parsed counts as written. */
static void put_time(struct text *facts, const struct memory *memory)
{
    char words[TIME_TEXT_SIZE];

    if (!memory->has_created) {
        put(facts, "created_raw", memory->created_raw.data, memory->created_raw.size);
        return;
    }
    time_text_rfc3339(memory->created_ms, words);
    put(facts, "created", words, strlen(words));
}

void memory_revision(const struct memory *memory, uint8_t ret_revision[SHA256_SIZE])
{
    AUTO_DONE(text) struct text facts = { 0 };
    char words[80];

    text_init(&facts, 0);
    text_reserve(&facts, memory->transcript.size + 512);
    put(&facts, "type", memory->type.data, memory->type.size);
    put_flag(&facts, "audio", memory->has_audio);
    put_flag(&facts, "image", memory->has_image);
    put(&facts, "transcript", memory->transcript.data, memory->transcript.size);
    if (memory->has_location) {
        int size = snprintf(words, sizeof words, "%.6f,%.6f", memory->latitude, memory->longitude);
        put(&facts, "location", words, (size_t)size);
    }
    put_time(&facts, memory);
    for (size_t i = 0; i < memory->tag_count; i++)
        put(&facts, "tag", memory->tags[i].data, memory->tags[i].size);
    put(&facts, "description", memory->description.data, memory->description.size);
    put(&facts, "collection", memory->collection.data, memory->collection.size);
    sha256_of(facts.data, facts.size, ret_revision);
}
