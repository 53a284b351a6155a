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

/* Eight bytes of 0x20..0x7E; a carry can only make a clean block look unclean, which costs a closer look. */
static bool is_plain_block(const unsigned char *at)
{
    uint64_t block;

    memcpy(&block, at, sizeof block);
    return ((block | (block - 0x2020202020202020u) | (block + 0x0101010101010101u)) & 0x8080808080808080u) == 0;
}

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Most letters of most scripts, for which the first byte says that nothing else has to be looked at; 0: look closer. */
static size_t usual_length(const unsigned char *bytes, size_t left)
{
    unsigned char first = bytes[0];

    if (first >= 0x20 && first < 0x7F)
        return 1;
    if (first >= 0xC3 && first < 0xE0 && left >= 2)
        return continues(bytes[1]) ? 2 : 0;
    if (first > 0xE0 && first < 0xEF && first != 0xED && left >= 3)
        return continues(bytes[1]) && continues(bytes[2]) ? 3 : 0;
    return 0;
}

/* How many bytes from the start need no change. */
static size_t clean_length(const unsigned char *bytes, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t stop = size - at < 8 ? size : at + 8;
        if (size - at >= 8 && is_plain_block(bytes + at)) {
            at += 8;
            continue;
        }
        while (at < stop) { /* the last character may reach past the block */
            uint32_t code;
            size_t length = usual_length(bytes + at, size - at);
            if (length == 0) {
                length = read_sequence(bytes + at, size - at, &code);
                if (length == 0 || is_removed(code))
                    return at;
            }
            at += length;
        }
    }
    return at;
}

bool sanitise_is_clean(const char *bytes, size_t size)
{
    return clean_length((const unsigned char *)bytes, size) == size;
}

/* What stands at bytes is not clean: appends what takes its place; how many bytes that was. */
static size_t append_mended(struct text *out, const unsigned char *bytes, size_t size)
{
    uint32_t code = 0;
    size_t length = read_sequence(bytes, size, &code);

    if (length == 0 || code == 0) {
        (void)text_append(out, replacement);
        return 1;
    }
    if (code == '\r') {
        (void)text_append_char(out, '\n');
        return size > 1 && bytes[1] == '\n' ? 2 : 1;
    }
    return length;
}

void sanitise_append(struct text *out, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;

    while (size > 0) {
        size_t length = clean_length(at, size);
        (void)text_append_bytes(out, at, length);
        if (length < size)
            length += append_mended(out, at + length, size - length);
        at += length;
        size -= length;
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
    uint32_t code = 0;

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

struct mend {
    struct text *out;
    bool in_string, changed;
};

static void replace(struct mend *mend, const char *words)
{
    (void)text_append(mend->out, words);
    mend->changed = true;
}

static size_t mend_escape(struct mend *mend, const char *at, size_t left)
{
    int first = read_escape(at, left);
    int second = first >= 0xD800 && first < 0xDC00 ? read_escape(at + 6, left - 6) : -1;
    size_t length = first < 0 ? 2 : second >= 0xDC00 && second <= 0xDFFF ? 12 : 6;

    if (length > left)
        length = left;
    if (length == 6 && first >= 0xD800 && first <= 0xDFFF)
        replace(mend, "\\ufffd");
    else
        (void)text_append_bytes(mend->out, at, length);
    return length;
}

static size_t mend_control(struct mend *mend, char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escape[] = { '\\', 'u', '0', '0', digits[c >> 4 & 1], digits[c & 15], '\0' };

    replace(mend, escape);
    return 1;
}

static size_t mend_one(struct mend *mend, const char *at, size_t left)
{
    uint32_t code;
    size_t length = 0;

    while (length < left && (unsigned char)at[length] >= 0x20 && (unsigned char)at[length] < 0x7F && at[length] != '"' && at[length] != '\\')
        length++;
    if (length > 0) {
        (void)text_append_bytes(mend->out, at, length);
        return length;
    }
    if (*at == '\\')
        return mend_escape(mend, at, left);
    if ((unsigned char)*at < 0x20 && mend->in_string)
        return mend_control(mend, *at);
    length = read_sequence((const unsigned char *)at, left, &code);
    if (length == 0) {
        replace(mend, replacement);
        return 1;
    }
    if (*at == '"')
        mend->in_string = !mend->in_string;
    (void)text_append_bytes(mend->out, at, length);
    return length;
}

bool sanitise_json(struct text *out, const char *json, size_t size)
{
    struct mend mend = { .out = out };

    for (size_t at = 0; at < size;)
        at += mend_one(&mend, json + at, size - at);
    return mend.changed;
}

size_t sanitise_json_origin(const char *json, size_t size, size_t mended_position)
{
    AUTO_DONE(text) struct text out = { 0 };
    struct mend mend = { .out = &out };
    size_t at = 0;
    size_t done = 0;

    text_init(&out, 0);
    while (at < size) {
        size_t length = mend_one(&mend, json + at, size - at);
        if (done + out.size > mended_position)
            return out.size == length ? at + (mended_position - done) : at;
        done += out.size;
        text_clear(&out);
        at += length;
    }
    return size;
}
