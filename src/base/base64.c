#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct text *out, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)from[i] << 16 | (i + 1 < size ? (uint32_t)from[i + 1] << 8 : 0) | (i + 2 < size ? from[i + 2] : 0);
        (void)text_append_char(out, digits[bits >> 18]);
        (void)text_append_char(out, digits[bits >> 12 & 63]);
        (void)text_append_char(out, i + 1 < size ? digits[bits >> 6 & 63] : '=');
        (void)text_append_char(out, i + 2 < size ? digits[bits & 63] : '=');
    }
}

bool base64_decode(const char *string, size_t size, void *ret_bytes, size_t room, size_t *ret_size)
{
    uint8_t *bytes = ret_bytes;
    uint32_t bits = 0;
    int have = 0;
    size_t count = 0;

    while (size > 0 && string[size - 1] == '=')
        size--;
    for (size_t i = 0; i < size; i++) {
        const char *found = string[i] != '\0' ? strchr(digits, string[i]) : NULL;
        if (found == NULL)
            return false;
        bits = (bits << 6 | (uint32_t)(found - digits)) & 0xFFFFFF;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (count == room)
            return false;
        bytes[count++] = (uint8_t)(bits >> have);
    }
    *ret_size = count;
    return have < 6; /* a single character at the end says nothing */
}
