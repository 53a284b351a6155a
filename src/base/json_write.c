#include "base/json_write.h"

#include "base/time_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: as it is; 'u': \u00XX; 'e': 0xE2, perhaps a line separator; else the letter behind the backslash. */
static const char escapes[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u', [0x06] = 'u', [0x07] = 'u',
    [0x08] = 'b', [0x09] = 't', [0x0A] = 'n', [0x0B] = 'u', [0x0C] = 'f', [0x0D] = 'r', [0x0E] = 'u', [0x0F] = 'u',
    [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u', [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u', [0x1B] = 'u', [0x1C] = 'u', [0x1D] = 'u', [0x1E] = 'u', [0x1F] = 'u',
    ['"'] = '"', ['\\'] = '\\', [0x7F] = 'u', [0xE2] = 'e',
};

static size_t escape_one(struct text *out, const unsigned char *at, size_t left)
{
    char kind = escapes[*at];

    if (kind == 'e') {
        if (left >= 3 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9)) {
            (void)text_append(out, at[2] == 0xA8 ? "\\u2028" : "\\u2029");
            return 3;
        }
        (void)text_append_bytes(out, at, 1);
        return 1;
    }
    if (kind == 'u') {
        (void)text_append_format(out, "\\u%04x", *at);
        return 1;
    }
    (void)text_append_bytes(out, (const char[]){ '\\', kind }, 2);
    return 1;
}

void json_escape(struct text *out, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t done = 0;

    text_reserve(out, size + 2);
    while (done < size) {
        size_t clean = done;
        while (clean < size && escapes[at[clean]] == 0)
            clean++;
        (void)text_append_bytes(out, bytes + done, clean - done);
        done = clean;
        if (done < size)
            done += escape_one(out, at + done, size - done);
    }
}

/* ---- The writer ---- */

void json_write_begin(struct json_writer *writer, struct text *out)
{
    *writer = (struct json_writer){ .out = out };
}

static void write_quoted(struct json_writer *writer, const char *bytes, size_t size)
{
    (void)text_append_char(writer->out, '"');
    json_escape(writer->out, bytes, size);
    (void)text_append_char(writer->out, '"');
}

static void write_key(struct json_writer *writer, const char *key)
{
    if (writer->depth > 0) {
        if (writer->has_element[writer->depth - 1])
            (void)text_append_char(writer->out, ',');
        writer->has_element[writer->depth - 1] = true;
    }
    if (key != NULL) {
        write_quoted(writer, key, strlen(key));
        (void)text_append_char(writer->out, ':');
    }
}

static void open_container(struct json_writer *writer, const char *key, char opener, char closer)
{
    write_key(writer, key);
    (void)text_append_char(writer->out, opener);
    if (writer->depth >= JSON_DEPTH_MAXIMUM)
        abort(); /* our own output nests a handful deep */
    writer->has_element[writer->depth] = false;
    writer->closer[writer->depth++] = closer;
}

void json_write_open_object(struct json_writer *writer, const char *key)
{
    open_container(writer, key, '{', '}');
}

void json_write_open_array(struct json_writer *writer, const char *key)
{
    open_container(writer, key, '[', ']');
}

void json_write_close(struct json_writer *writer)
{
    (void)text_append_char(writer->out, writer->closer[--writer->depth]);
}

void json_write_string(struct json_writer *writer, const char *key, const char *value)
{
    if (value == NULL)
        json_write_null(writer, key);
    else
        json_write_bytes(writer, key, value, strlen(value));
}

/* Length of the valid UTF-8 sequence at bytes; 0: none. */
static size_t sequence_length(const unsigned char *bytes, size_t left)
{
    unsigned char first = bytes[0];
    size_t length = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xF0 && first < 0xF5 ? 4 : 0;

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    if ((first == 0xE0 && bytes[1] < 0xA0) || (first == 0xED && bytes[1] >= 0xA0) || (first == 0xF0 && bytes[1] < 0x90) ||
        (first == 0xF4 && bytes[1] >= 0x90))
        return 0;
    return length;
}

void json_write_bytes(struct json_writer *writer, const char *key, const char *bytes, size_t size)
{
    size_t start = 0;
    size_t at = 0;

    write_key(writer, key);
    (void)text_append_char(writer->out, '"');
    while (at < size) {
        size_t length = sequence_length((const unsigned char *)bytes + at, size - at);
        if (length > 0) {
            at += length;
            continue;
        }
        json_escape(writer->out, bytes + start, at - start);
        (void)text_append(writer->out, "\xEF\xBF\xBD");
        start = ++at;
    }
    json_escape(writer->out, bytes + start, size - start);
    (void)text_append_char(writer->out, '"');
}

void json_write_integer(struct json_writer *writer, const char *key, int64_t value)
{
    write_key(writer, key);
    (void)text_append_format(writer->out, "%lld", (long long)value);
}

void json_write_number(struct json_writer *writer, const char *key, double value)
{
    char digits[40];

    if (!isfinite(value)) {
        json_write_null(writer, key);
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    write_key(writer, key);
    (void)text_append(writer->out, digits);
}

void json_write_bool(struct json_writer *writer, const char *key, bool value)
{
    write_key(writer, key);
    (void)text_append(writer->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer, const char *key)
{
    write_key(writer, key);
    (void)text_append(writer->out, "null");
}

void json_write_time(struct json_writer *writer, const char *key, int64_t ms)
{
    char words[TIME_TEXT_SIZE];

    if (ms < 0) {
        json_write_null(writer, key);
        return;
    }
    time_text_rfc3339(ms, words);
    json_write_string(writer, key, words);
}

void json_write_seconds(struct json_writer *writer, const char *key, int64_t duration_ms)
{
    json_write_number(writer, key, (double)duration_ms / 1000);
}

void json_write_raw(struct json_writer *writer, const char *key, const char *json, size_t size)
{
    write_key(writer, key);
    (void)text_append_bytes(writer->out, json, size);
}

void json_point(struct text *pointer, const char *name, size_t size)
{
    (void)text_append_char(pointer, '/');
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '~' || name[i] == '/')
            (void)text_append(pointer, name[i] == '~' ? "~0" : "~1");
        else
            (void)text_append_char(pointer, name[i]);
    }
}
