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
