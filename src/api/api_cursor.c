/* api_cursor.c - where a list goes on: the key of the last element, with a sum over the list it belongs to.
 *
 * A cursor holds nothing that its owner may not see; the sum is there so that one of another list, another filter, or a made-up one is refused with
 * words and not taken for a place in this list. */
#include "api/api_internal.h"

#include "base/mem.h"

#include <string.h>

enum { SUM_SIZE = 8, KEY_MAXIMUM = 1024 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void make_sum(const char *scope, size_t scope_size, const char *key, size_t size, uint8_t ret_sum[SUM_SIZE])
{
    AUTO_DONE(text) struct text all = { 0 };
    uint8_t digest[SHA256_SIZE];

    text_init(&all, 0);
    (void)text_append(&all, "memory-connector cursor 1\n");
    (void)text_append_format(&all, "%zu\n", scope_size);
    (void)text_append_bytes(&all, scope, scope_size);
    (void)text_append_bytes(&all, key, size);
    sha256_of(all.data, all.size, digest);
    memcpy(ret_sum, digest, SUM_SIZE);
}

/* base64url without padding */
static void encode(const uint8_t *bytes, size_t size, struct text *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            (void)text_append_char(out, digits[bits >> (held - 6) & 63]);
    }
    if (held > 0)
        (void)text_append_char(out, digits[bits << (6 - held) & 63]);
}

static bool decode(const char *words, struct text *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (; *words != '\0'; words++) {
        const char *digit = strchr(digits, *words);
        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            (void)text_append_char(out, (char)(bits >> held & 255));
        }
    }
    return held < 6 && (bits & ((1U << held) - 1)) == 0; /* one spelling only */
}

void api_cursor_write(const char *scope, size_t scope_size, const char *key, size_t size, struct text *out)
{
    AUTO_DONE(text) struct text bytes = { 0 };
    uint8_t sum[SUM_SIZE];

    text_init(&bytes, 0);
    make_sum(scope, scope_size, key, size, sum);
    (void)text_append_bytes(&bytes, sum, SUM_SIZE);
    (void)text_append_bytes(&bytes, key, size);
    encode((const uint8_t *)bytes.data, bytes.size, out);
}

bool api_cursor_read(const char *scope, size_t scope_size, const char *cursor, char **ret_key, size_t *ret_size)
{
    AUTO_DONE(text) struct text bytes = { 0 };
    uint8_t sum[SUM_SIZE];

    text_init(&bytes, KEY_MAXIMUM);
    if (!decode(cursor, &bytes) || bytes.overflow || bytes.size <= SUM_SIZE)
        return false;
    make_sum(scope, scope_size, bytes.data + SUM_SIZE, bytes.size - SUM_SIZE, sum);
    if (memcmp(sum, bytes.data, SUM_SIZE) != 0)
        return false;
    *ret_size = bytes.size - SUM_SIZE;
    *ret_key = mem_copy_bytes(bytes.data + SUM_SIZE, *ret_size);
    return true;
}
