/* revision.c - what counts as a change: the facts that can reach a text, normalised, in a fixed order, each with its length:
 * "name:length:bytes\n". A change of this form makes every memory look changed: never after the first release. */
#include "memory/memory.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <string.h>

enum {
    FACTS_USUAL = 4096,     /* on the stack */
    FACT_OVERHEAD = 40,     /* name, length and marks of one fact */
    FACTS = 8,              /* besides tags */
};

static void put(char **at, const char *name, const char *bytes, size_t size)
{
    char digits[24];
    size_t count = 0;
    size_t left = size;

    do
        digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    while (*name != '\0')
        *(*at)++ = *name++;
    *(*at)++ = ':';
    while (count > 0)
        *(*at)++ = digits[--count];
    *(*at)++ = ':';
    memcpy(*at, bytes, size);
    *at += size;
    *(*at)++ = '\n';
}

static void put_slice(char **at, const char *name, struct slice slice)
{
    put(at, name, slice.size > 0 ? slice.data : "", slice.size);
}

static void put_location(char **at, const struct memory *memory)
{
    char words[2 * MEMORY_DEGREES_SIZE];
    size_t size;

    memory_degrees_text(memory->latitude, words);
    size = strlen(words);
    words[size++] = ',';
    memory_degrees_text(memory->longitude, words + size);
    put(at, "location", words, strlen(words));
}

/* An instant counts by its value, so that another spelling of the same time is no change; what cannot be parsed counts as written. */
static void put_time(char **at, const struct memory *memory)
{
    char words[TIME_TEXT_SIZE];

    if (!memory->has_created) {
        put_slice(at, "created_raw", memory->created_raw);
        return;
    }
    time_text_rfc3339(memory->created_ms, words);
    put(at, "created", words, strlen(words));
}

static size_t room_for(const struct memory *memory)
{
    size_t room = (FACTS + memory->tag_count) * FACT_OVERHEAD + TIME_TEXT_SIZE + 2 * MEMORY_DEGREES_SIZE + memory->type.size + memory->transcript.size +
                  memory->created_raw.size + memory->description.size + memory->collection.size;

    for (size_t i = 0; i < memory->tag_count; i++)
        room += memory->tags[i].size;
    return room;
}

void memory_revision(const struct memory *memory, uint8_t ret_revision[SHA256_SIZE])
{
    char usual[FACTS_USUAL];
    size_t room = room_for(memory);
    AUTO_STRING char *large = room > sizeof usual ? mem_resize(NULL, room, 1) : NULL;
    char *facts = large != NULL ? large : usual;
    char *at = facts;

    put_slice(&at, "type", memory->type);
    put(&at, "audio", memory->has_audio ? "1" : "0", 1);
    put(&at, "image", memory->has_image ? "1" : "0", 1);
    put_slice(&at, "transcript", memory->transcript);
    if (memory->has_location)
        put_location(&at, memory);
    put_time(&at, memory);
    for (size_t i = 0; i < memory->tag_count; i++)
        put_slice(&at, "tag", memory->tags[i]);
    put_slice(&at, "description", memory->description);
    put_slice(&at, "collection", memory->collection);
    sha256_of(facts, (size_t)(at - facts), ret_revision);
}
