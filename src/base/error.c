#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} kinds[ERROR_KINDS] = {
    [ERROR_NONE] = { "none", 0 },
    [ERROR_FAILED] = { "failed", 1 },
    [ERROR_USAGE] = { "usage", 2 },
    [ERROR_CONFLICT] = { "conflict", 5 },
    [ERROR_UNREACHABLE] = { "unreachable", 69 },
    [ERROR_IO] = { "io", 74 },
    [ERROR_LATER] = { "later", 75 },
    [ERROR_DENIED] = { "denied", 77 },
    [ERROR_CONFIG] = { "config", 78 },
    [ERROR_CANCELLED] = { "cancelled", 130 },
};

/* A cut must not leave half a UTF-8 character behind. */
static void trim_partial_character(char *message, size_t length)
{
    size_t start = length;

    while (start > 0 && length - start < 4) {
        unsigned char byte = (unsigned char)message[start - 1];
        start--;
        if (byte < 0x80)
            return;
        if (byte >= 0xC0) {
            size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            if (length - start < wanted)
                message[start] = '\0';
            return;
        }
    }
}

MC_PRINTF(3, 0)
static void print_message(char *message, size_t size, const char *format, va_list args)
{
    int wanted = vsnprintf(message, size, format, args);

    if (wanted < 0)
        message[0] = '\0';
    else if ((size_t)wanted >= size)
        trim_partial_character(message, size - 1);
}

void error_set_(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return;
    err->kind = kind;
    va_start(args, format);
    print_message(err->message, sizeof err->message, format, args);
    va_end(args);
}

MC_PRINTF(2, 0)
static void wrap(struct error *err, const char *format, va_list args)
{
    char story[ERROR_MESSAGE_SIZE];
    size_t used;

    print_message(story, sizeof story, format, args);
    used = strlen(story);
    (void)snprintf(story + used, sizeof story - used, ": %s", err->message);
    trim_partial_character(story, strlen(story));
    memcpy(err->message, story, sizeof story);
}

void error_wrap_(struct error *err, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return;
    va_start(args, format);
    wrap(err, format, args);
    va_end(args);
}

void error_wrap_kind_(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return;
    va_start(args, format);
    wrap(err, format, args);
    va_end(args);
    err->kind = kind;
}

int error_exit_code(enum error_kind kind)
{
    return kinds[kind].exit_code;
}

const char *error_kind_name(enum error_kind kind)
{
    return kinds[kind].name;
}
