#include "memory/identity.h"

#include <string.h>

enum { PART_MAXIMUM = 120, PART_KEPT = 80, ADDRESS_MAXIMUM = 160, SUMMARY_LINE_MAXIMUM = 400 };

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

static void append_part(struct text *out, const char *bytes, size_t size)
{
    size_t start = out->size;
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    append_encoded(out, bytes, size);
    if (out->size - start <= PART_MAXIMUM)
        return;
    sha256_of(bytes, size, digest);
    sha256_hex(digest, 16, hex);
    text_truncate(out, start + PART_KEPT);
    (void)text_append_char(out, '-');
    (void)text_append_bytes(out, hex, 32);
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

static bool decode_part(const char *part, size_t size, struct text *out)
{
    /* A shortened part has exactly this shape; a raw one of the same shape would have been kept whole. */
    if (size == PART_KEPT + 1 + 32 && part[PART_KEPT] == '-')
        return false;
    if (size == 0 || size > PART_MAXIMUM)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high, low;
        if (part[i] != '%') {
            if (!is_plain((unsigned char)part[i]))
                return false;
            (void)text_append_char(out, part[i]);
            continue;
        }
        high = i + 2 < size ? hex_value(part[i + 1]) : -1;
        low = i + 2 < size ? hex_value(part[i + 2]) : -1;
        if (i + 2 >= size || high < 0 || low < 0 || is_plain((unsigned char)(high << 4 | low)))
            return false;
        (void)text_append_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

bool identity_parse_name(const char *name, struct text *ret_source, struct text *ret_context, struct text *ret_id)
{
    const char *first, *second, *third;

    if (strncmp(name, "memory~", 7) != 0)
        return false;
    first = name + 7;
    second = strchr(first, '~');
    if (second == NULL)
        return false;
    third = strchr(second + 1, '~');
    text_clear(ret_source);
    text_clear(ret_context);
    text_clear(ret_id);
    if (third == NULL) {
        (void)text_append(ret_source, "default");
        return decode_part(first, (size_t)(second - first), ret_context) && decode_part(second + 1, strlen(second + 1), ret_id);
    }
    return decode_part(first, (size_t)(second - first), ret_source) && decode_part(second + 1, (size_t)(third - second - 1), ret_context) &&
           decode_part(third + 1, strlen(third + 1), ret_id);
}
