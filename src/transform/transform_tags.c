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
    if (tag.size == 0 || tag.size > TAG_BYTES_MAXIMUM || tags->count == TAGS_MAXIMUM || memchr(tag.data, '\n', tag.size) != NULL)
        return;
    for (size_t i = 0; i < tags->count; i++)
        if (tags->tag[i].size == tag.size && memcmp(tags->tag[i].data, tag.data, tag.size) == 0)
            return;
    tags->tag[tags->count++] = tag;
}

/* Code points that are letters, digits or _ in any script, near enough: everything outside ASCII but the known blocks of punctuation, blanks,
 * symbols and pictures. */
static bool is_word_code(uint32_t code)
{
    static const struct { uint32_t first, last; } others[] = {
        { 0x80, 0xA9 }, { 0xAB, 0xB1 }, { 0xB4, 0xB4 }, { 0xB6, 0xB8 }, { 0xBB, 0xBB }, { 0xBF, 0xBF }, { 0xD7, 0xD7 }, { 0xF7, 0xF7 },
        { 0x2000, 0x206F }, { 0x20A0, 0x20CF }, { 0x2190, 0x23FF }, { 0x2500, 0x2BFF }, { 0x2E00, 0x2E7F }, { 0x3000, 0x3004 },
        { 0x3008, 0x3020 }, { 0x3030, 0x3030 }, { 0xFE10, 0xFE6F }, { 0xFF01, 0xFF0F }, { 0xFF1A, 0xFF20 }, { 0xFF3B, 0xFF3E },
        { 0xFF5B, 0xFF65 }, { 0xFFF0, 0xFFFF }, { 0x1F000, 0x1FAFF }, { 0xE0000, 0xE0FFF },
    };

    if (code < 0x80)
        return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= '0' && code <= '9') || code == '_';
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        if (code >= others[i].first && code <= others[i].last)
            return false;
    return true;
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
            if (!is_word_code(code))
                break;
            at += length;
        }
        add_tag(tags, (struct slice){ start, (size_t)(at - start) });
    }
}

void transform_append_tags(const struct memory *memory, struct text *out)
{
    struct tags tags = { .count = 0 };

    for (size_t i = 0; i < memory->tag_count; i++)
        add_tag(&tags, memory->tags[i]);
    add_hashtags(&tags, memory->transcript);
    for (size_t i = 0; i < tags.count; i++) {
        (void)text_append(out, i == 0 ? "Tags: " : ", ");
        (void)text_append_bytes(out, tags.tag[i].data, tags.tag[i].size);
    }
    if (tags.count > 0)
        (void)text_append_char(out, '\n');
}
