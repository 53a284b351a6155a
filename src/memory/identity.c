#include "memory/identity.h"

#include <string.h>

enum { PART_MAXIMUM = 120, PART_KEPT = 80, PART_DIGITS = 32, ADDRESS_MAXIMUM = 160, SUMMARY_LINE_MAXIMUM = 400 };

static bool is_plain(unsigned char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

static void append_encoded(struct text *out, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size;) {
        size_t run = i;
        while (run < size && is_plain((unsigned char)bytes[run]))
            run++;
        (void)text_append_bytes(out, bytes + i, run - i);
        i = run;
        if (i < size) {
            unsigned char byte = (unsigned char)bytes[i++];
            (void)text_append_bytes(out, (const char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
        }
    }
}

static bool is_shortened(const char *part, size_t size)
{
    if (size != PART_KEPT + 1 + PART_DIGITS || part[PART_KEPT] != '-')
        return false;
    for (size_t i = PART_KEPT + 1; i < size; i++)
        if (!((part[i] >= '0' && part[i] <= '9') || (part[i] >= 'a' && part[i] <= 'f')))
            return false;
    return true;
}

/* A part that looks as if it had been shortened is shortened too: no other part can have its name. */
static void append_part(struct text *out, const char *bytes, size_t size)
{
    size_t start = out->size;
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    append_encoded(out, bytes, size);
    if (out->size - start <= PART_MAXIMUM && !is_shortened(out->data + start, out->size - start))
        return;
    sha256_of(bytes, size, digest);
    sha256_hex(digest, PART_DIGITS / 2, hex);
    text_truncate(out, start + PART_KEPT);
    (void)text_append_char(out, '-');
    (void)text_append_bytes(out, hex, PART_DIGITS);
}

void identity_document_name(struct text *out, const char *source, const char *context, struct slice id)
{
    (void)text_append(out, "memory~");
    if (strcmp(source, "default") != 0) {
        append_part(out, source, strlen(source));
        (void)text_append_char(out, '~');
    }
    append_part(out, context, strlen(context));
    (void)text_append_char(out, '~');
    append_part(out, id.data, id.size);
}

void identity_append_part(struct text *out, struct slice id)
{
    append_part(out, id.data, id.size);
}

void identity_address(struct text *out, const char *context, struct slice id)
{
    (void)text_append(out, "memory://");
    append_encoded(out, context, strlen(context));
    (void)text_append_char(out, '/');
    append_encoded(out, id.data, id.size);
}

void identity_revision_mark(const uint8_t revision[SHA256_SIZE], char ret_mark[REVISION_MARK_SIZE])
{
    sha256_hex(revision, (REVISION_MARK_SIZE - 1) / 2, ret_mark);
}

/* Head and tail stay: the tail of an id tells memories of one context apart. */
static void shorten_middle(struct text *out, size_t start)
{
    size_t length = out->size - start;
    size_t head = (ADDRESS_MAXIMUM - 3) / 2;
    size_t tail = ADDRESS_MAXIMUM - 3 - head;

    if (length <= ADDRESS_MAXIMUM)
        return;
    memcpy(out->data + start + head, "...", 3);
    memmove(out->data + start + head + 3, out->data + start + length - tail, tail);
    text_truncate(out, start + ADDRESS_MAXIMUM);
}

void identity_first_line(struct text *out, const char *context, struct slice id, const char *mark)
{
    size_t start;

    (void)text_append_char(out, '[');
    start = out->size;
    identity_address(out, context, id);
    shorten_middle(out, start);
    (void)text_append(out, " revision ");
    (void)text_append(out, mark);
    (void)text_append_char(out, ']');
}

bool identity_find_mark(const char *summary, size_t size, char ret_mark[REVISION_MARK_SIZE])
{
    static const char head[] = "[memory://";
    static const char middle[] = " revision ";
    const char *line_end, *found;
    size_t length;

    if (size < sizeof head - 1 || memcmp(summary, head, sizeof head - 1) != 0)
        return false;
    length = size < SUMMARY_LINE_MAXIMUM ? size : SUMMARY_LINE_MAXIMUM;
    line_end = memchr(summary, ']', length);
    if (line_end == NULL || (size_t)(line_end - summary) < sizeof head - 1 + sizeof middle - 1 + REVISION_MARK_SIZE - 1)
        return false;
    found = line_end - (REVISION_MARK_SIZE - 1);
    if (memcmp(found - (sizeof middle - 1), middle, sizeof middle - 1) != 0)
        return false;
    for (size_t i = 0; i < REVISION_MARK_SIZE - 1; i++)
        if (!((found[i] >= '0' && found[i] <= '9') || (found[i] >= 'a' && found[i] <= 'f')))
            return false;
    memcpy(ret_mark, found, REVISION_MARK_SIZE - 1);
    ret_mark[REVISION_MARK_SIZE - 1] = '\0';
    return true;
}

/* ---- The way back ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that is written at part, and behind it; NULL when no part of ours has these characters there. */
static const char *decode_byte(const char *part, const char *end, char *ret_byte)
{
    int high, low;

    if (*part != '%') {
        *ret_byte = *part;
        return is_plain((unsigned char)*part) ? part + 1 : NULL;
    }
    if (end - part < 3)
        return NULL;
    high = hex_value(part[1]);
    low = hex_value(part[2]);
    if (high < 0 || low < 0 || is_plain((unsigned char)(high << 4 | low)))
        return NULL; /* one spelling for each byte */
    *ret_byte = (char)(high << 4 | low);
    return part + 3;
}

static bool is_part(struct slice part)
{
    const char *at = part.data;
    const char *end = at + part.size;
    char byte;

    if (part.size == 0 || part.size > PART_MAXIMUM || is_shortened(part.data, part.size))
        return false;
    while (at != NULL && at < end)
        at = decode_byte(at, end, &byte);
    return at != NULL;
}

static void decode_part(struct slice part, struct text *out)
{
    const char *at = part.data;
    char byte = '\0';

    text_clear(out);
    while (at < part.data + part.size) {
        at = decode_byte(at, part.data + part.size, &byte);
        (void)text_append_char(out, byte);
    }
}

/* Cuts at the "~": how many parts, at most maximum + 1. */
static size_t cut(const char *name, struct slice *parts, size_t maximum)
{
    for (size_t count = 0;; count++) {
        const char *end = strchr(name, '~');
        if (count == maximum)
            return maximum + 1;
        parts[count] = (struct slice){ name, end != NULL ? (size_t)(end - name) : strlen(name) };
        if (end == NULL)
            return count + 1;
        name = end + 1;
    }
}

bool identity_parse_name(const char *name, struct text *ret_source, struct text *ret_context, struct text *ret_id)
{
    static const char head[] = "memory~";
    static const struct slice usual = { "default", 7 };
    struct slice parts[3];
    size_t count;

    if (strncmp(name, head, sizeof head - 1) != 0)
        return false;
    count = cut(name + sizeof head - 1, parts, ARRAY_LENGTH(parts));
    if (count == 2) {
        parts[2] = parts[1];
        parts[1] = parts[0];
        parts[0] = usual;
    } else if (count != 3 || (parts[0].size == usual.size && memcmp(parts[0].data, usual.data, usual.size) == 0)) {
        return false; /* the default source is never written */
    }
    if (!is_part(parts[0]) || !is_part(parts[1]) || !is_part(parts[2]))
        return false;
    decode_part(parts[0], ret_source);
    decode_part(parts[1], ret_context);
    decode_part(parts[2], ret_id);
    return true;
}
