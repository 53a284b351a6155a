/* transform_tags.c - tags of the record and #hashtags of its transcript. */
#include "transform/transform_internal.h"

#include <string.h>

enum { TAG_BYTES_MAXIMUM = 128, TAGS_MAXIMUM = 64 };

struct tags {
    struct slice tag[TAGS_MAXIMUM];
    size_t count;
};

static void add_tag(struct tags *tags, struct slice tag)
{
    if (tag.size == 0 || tag.size > TAG_BYTES_MAXIMUM || tags->count == TAGS_MAXIMUM)
        return;
    for (size_t i = 0; i < tags->count; i++)
        if (tags->tag[i].size == tag.size && memcmp(tags->tag[i].data, tag.data, tag.size) == 0)
            return;
    tags->tag[tags->count++] = tag;
}

/* The transcript is valid UTF-8 by now. */
static size_t read_code(const char *at, size_t left, uint32_t *ret_code)
{
    unsigned char first = (unsigned char)at[0];
    size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t code;

    if (length > left)
        length = left;
    code = length == 1 ? first : (uint32_t)(first & (0xFF >> (length + 1)));
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3F);
    *ret_code = code;
    return length;
}

static void add_hashtags(struct tags *tags, struct slice transcript)
{
    const char *at = transcript.data;
    const char *end = at + transcript.size;

    while (at < end) {
        const char *start = memchr(at, '#', (size_t)(end - at));
        uint32_t code;
        if (start == NULL)
            return;
        at = ++start;
        while (at < end) {
            size_t length = read_code(at, (size_t)(end - at), &code);
            if (!transform_is_word(code))
                break;
            at += length;
        }
        add_tag(tags, (struct slice){ start, (size_t)(at - start) });
    }
}

void transform_append_tags(const struct memory *memory, bool with_hashtags, struct text *out)
{
    struct tags tags = { .count = 0 };
    size_t start = out->size;

    for (size_t i = 0; i < memory->tag_count; i++)
        add_tag(&tags, memory->tags[i]);
    if (with_hashtags)
        add_hashtags(&tags, memory->transcript);
    for (size_t i = 0; i < tags.count; i++) {
        (void)text_append(out, i == 0 ? "" : ", ");
        (void)text_append_bytes(out, tags.tag[i].data, tags.tag[i].size);
    }
    transform_join_lines(out, start);
}
