#include "memory/sanitise.h"

#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* The valid UTF-8 sequence at bytes: its length and code point; 0 when there is none. */
static size_t read_sequence(const unsigned char *bytes, size_t left, uint32_t *ret_code)
{
    unsigned char first = bytes[0];
    size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    uint32_t code;

    if (length == 0 || length > left)
        return 0;
    code = length == 1 ? first : (uint32_t)(first & (0xFF >> (length + 1)));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3F);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10FFFF)) || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *ret_code = code;
    return length;
}

static bool is_removed(uint32_t code)
{
    return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code <= 0x9F) || code == 0xFFFE || code == 0xFFFF;
}

bool sanitise_is_clean(const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    const unsigned char *end = at + size;

    while (at < end) {
        uint32_t code;
        size_t length;
        if (*at >= 0x20 && *at < 0x7F) {
            at++;
            continue;
        }
        length = read_sequence(at, (size_t)(end - at), &code);
        if (length == 0 || is_removed(code))
            return false;
        at += length;
    }
    return true;
}

static void append_one(struct text *out, const unsigned char *at, size_t length, uint32_t code, bool *after_return)
{
    if (code == '\r') {
        (void)text_append_char(out, '\n');
        *after_return = true;
        return;
    }
    if (code == '\n' && *after_return) {
        *after_return = false;
        return;
    }
    *after_return = false;
    if (code == 0)
        (void)text_append(out, replacement);
    else if (!is_removed(code))
        (void)text_append_bytes(out, at, length);
}

void sanitise_append(struct text *out, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    const unsigned char *end = at + size;
    bool after_return = false;

    if (sanitise_is_clean(bytes, size)) {
        (void)text_append_bytes(out, bytes, size);
        return;
    }
    while (at < end) {
        uint32_t code = 0;
        size_t length = read_sequence(at, (size_t)(end - at), &code);
        if (length == 0) {
            (void)text_append(out, replacement);
            after_return = false;
            at++;
            continue;
        }
        append_one(out, at, length, code, &after_return);
        at += length;
    }
}

/* Unicode's White_Space, and the zero-width no-break space that editors leave at the start. */
static bool is_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000 || code == 0xFEFF;
}

struct slice sanitise_trim(struct slice slice)
{
    uint32_t code;

    while (slice.size > 0) {
        size_t length = read_sequence((const unsigned char *)slice.data, slice.size, &code);
        if (length == 0 || !is_space(code))
            break;
        slice.data += length;
        slice.size -= length;
    }
    while (slice.size > 0) {
        size_t start = slice.size - 1;
        while (start > 0 && slice.size - start < 4 && ((unsigned char)slice.data[start] & 0xC0) == 0x80)
            start--;
        if (read_sequence((const unsigned char *)slice.data + start, slice.size - start, &code) != slice.size - start || !is_space(code))
            break;
        slice.size = start;
    }
    return slice;
}

/* ---- JSON that was refused ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The code unit of a \u escape with four digits at json; -1: none. */
static int read_escape(const char *json, size_t left)
{
    int value = 0;

    if (left < 6 || json[0] != '\\' || json[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(json[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t copy_escape(struct text *out, const char *at, size_t left, bool *changed)
{
    int first = read_escape(at, left);
    int second;

    if (first < 0) {
        size_t length = left < 2 ? left : 2;
        (void)text_append_bytes(out, at, length);
        return length;
    }
    if (first < 0xD800 || first > 0xDFFF) {
        (void)text_append_bytes(out, at, 6);
        return 6;
    }
    second = first < 0xDC00 ? read_escape(at + 6, left - 6) : -1;
    if (second >= 0xDC00 && second <= 0xDFFF) {
        (void)text_append_bytes(out, at, 12);
        return 12;
    }
    (void)text_append(out, "\\ufffd");
    *changed = true;
    return 6;
}

bool sanitise_json(struct text *out, const char *json, size_t size)
{
    bool changed = false;
    size_t at = 0;

    while (at < size) {
        uint32_t code;
        size_t length;
        if (json[at] == '\\') {
            at += copy_escape(out, json + at, size - at, &changed);
            continue;
        }
        length = read_sequence((const unsigned char *)json + at, size - at, &code);
        if (length == 0) {
            (void)text_append(out, replacement);
            changed = true;
            at++;
            continue;
        }
        (void)text_append_bytes(out, json + at, length);
        at += length;
    }
    return changed;
}
