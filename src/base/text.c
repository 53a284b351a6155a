#include "base/text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char empty[1] = "";

void text_init(struct text *text, size_t maximum)
{
    *text = (struct text){ .data = empty, .maximum = maximum > 0 ? maximum : TEXT_MAXIMUM };
}

void text_done(struct text *text)
{
    if (text == NULL)
        return;
    if (text->capacity > 0)
        mem_free(text->data);
    text_init(text, text->maximum);
}

void text_clear(struct text *text)
{
    text_truncate(text, 0);
    text->overflow = false;
}

void text_truncate(struct text *text, size_t size)
{
    if (size >= text->size)
        return;
    text->size = size;
    text->data[size] = '\0';
}

static int make_room(struct text *text, size_t more)
{
    size_t wanted;
    size_t capacity;

    if (more > text->maximum - text->size) {
        text->overflow = true;
        return -1;
    }
    wanted = text->size + more + 1;
    if (wanted <= text->capacity)
        return 0;
    capacity = text->capacity > 0 ? text->capacity : 64;
    while (capacity < wanted)
        capacity *= 2;
    text->data = mem_resize(text->capacity > 0 ? text->data : NULL, capacity, 1);
    text->data[text->size] = '\0';
    text->capacity = capacity;
    return 0;
}

void text_reserve(struct text *text, size_t more)
{
    if (more > text->maximum - text->size)
        more = text->maximum - text->size;
    (void)make_room(text, more);
}

char *text_take(struct text *text)
{
    char *data = text->capacity > 0 ? text->data : mem_copy_bytes("", 0);

    text_init(text, text->maximum);
    return data;
}

int text_append_bytes(struct text *text, const void *bytes, size_t size)
{
    if (make_room(text, size) < 0)
        return -1;
    if (size > 0)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    if (text->capacity > 0)
        text->data[text->size] = '\0';
    return 0;
}

int text_append(struct text *text, const char *string)
{
    return text_append_bytes(text, string, strlen(string));
}

int text_append_char(struct text *text, char c)
{
    return text_append_bytes(text, &c, 1);
}

int text_append_format(struct text *text, const char *format, ...)
{
    va_list args;
    char small[256];
    int size;
    int result;

    va_start(args, format);
    size = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (size < 0)
        return -1;
    if ((size_t)size < sizeof small)
        return text_append_bytes(text, small, (size_t)size);
    if (make_room(text, (size_t)size) < 0)
        return -1;
    va_start(args, format);
    result = vsnprintf(text->data + text->size, (size_t)size + 1, format, args);
    va_end(args);
    if (result < 0)
        return -1;
    text->size += (size_t)size;
    return 0;
}

/* ---- Characters ---- */

size_t text_read_character(const char *bytes, size_t left, uint32_t *ret_code)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *at = (const unsigned char *)bytes;
    size_t length;
    uint32_t code;

    if (left == 0)
        return 0;
    length = *at < 0x80 ? 1 : *at >= 0xC2 && *at < 0xE0 ? 2 : *at >= 0xE0 && *at < 0xF0 ? 3 : *at >= 0xF0 && *at < 0xF5 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    code = length == 1 ? *at : (uint32_t)(*at & (0xFF >> (length + 1)));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3F);
    }
    if (code < smallest[length] || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF)
        return 0;
    *ret_code = code;
    return length;
}

/* What moves the cursor, turns the direction of writing, or is there without being seen; not the joiners that scripts and pictures need. */
static bool is_harmful(uint32_t code)
{
    static const struct { uint32_t first, last; } rows[] = {
        { 0x00, 0x1F }, { 0x7F, 0x9F }, { 0x061C, 0x061C }, { 0x180E, 0x180E }, { 0x200B, 0x200B }, { 0x200E, 0x200F }, { 0x2028, 0x202E },
        { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0xE0000, 0xE007F },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (code >= rows[i].first && code <= rows[i].last)
            return true;
    return false;
}

int text_append_harmless(struct text *text, const char *bytes, size_t size)
{
    int result = 0;

    while (size > 0 && result == 0) {
        uint32_t code = 0;
        size_t length = text_read_character(bytes, size, &code);
        bool is_shown = length > 0 && !is_harmful(code);
        if (length == 0)
            length = 1;
        if (is_shown)
            result = text_append_bytes(text, bytes, length);
        for (size_t i = 0; !is_shown && result == 0 && i < length; i++)
            result = text_append_format(text, "\\x%02x", (unsigned char)bytes[i]);
        bytes += length;
        size -= length;
    }
    return result;
}
