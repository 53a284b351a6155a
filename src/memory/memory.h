/* memory.h - one memory of the Memory API, decoded tolerantly, and the facts that follow from it.
 *
 * A person's voice note, text note or photo: an id, a type, a transcript, time and place. What servers really send differs; the
 * table in docs/memory-api.md says what is taken as what. Decoding never guesses a fact and never loses one that reaches a text.
 *
 * All slices are UTF-8, already sanitised (valid, line ends \n, no control characters but newline and tab), and borrowed from the
 * decoder until its next call. id is the exception: kept exactly as sent, any bytes (a lone surrogate escape becomes U+FFFD). */
#ifndef MC_MEMORY_MEMORY_H
#define MC_MEMORY_MEMORY_H

#include "base/error.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *data; /* not NUL-terminated; never NULL when size > 0 */
    size_t size;
};

enum { MEMORY_TAGS_MAXIMUM = 64, MEMORY_ID_MAXIMUM = 8192, MEMORY_DEGREES_SIZE = 16 };

struct memory {
    struct slice id;            /* 1..MEMORY_ID_MAXIMUM bytes */
    struct slice type;          /* "record" when missing */
    bool has_audio, has_image;
    struct slice transcript;    /* trimmed; size 0: missing, null, empty or blank */
    bool has_location;          /* finite, in range, not 0/0 */
    double latitude, longitude;
    struct slice created_raw;   /* as sent; size 0: missing */
    bool has_created;           /* created_raw could be parsed */
    int64_t created_ms;
    struct slice updated_raw;
    bool has_updated;
    int64_t updated_ms;
    struct slice tags[MEMORY_TAGS_MAXIMUM];
    size_t tag_count;
    struct slice description;
    struct slice collection;
};

struct memory_decoder; /* scratch memory, reused for every element: no allocation per memory once warm */

struct memory_decoder *memory_decoder_new(void);
void memory_decoder_free(struct memory_decoder *decoder);
AUTO_DEFINE(memory_decoder)

/* element: one JSON value, whole. -1 with ERROR_FAILED when it is no memory: "id: missing", "not an object", "JSON: ... at byte 17".
 * Numbers stay what was written (1e999 loses no memory); the first of a repeated key counts; depth at most 64. */
int memory_decode(struct memory_decoder *decoder, const char *element, size_t size, struct memory *ret_memory,
                  struct error *err) MC_MUST_CHECK;

/* Revision: SHA-256 over every fact that can reach a text, normalised, in a fixed order, each with its length. Not over the
 * rendering: another strategy or program version is no change. Independent of TZ, locale and the order of keys in the JSON. */
void memory_revision(const struct memory *memory, uint8_t ret_revision[SHA256_SIZE]);

/* A latitude or longitude with six decimals, whatever the locale; -180..180. */
void memory_degrees_text(double degrees, char ret_text[MEMORY_DEGREES_SIZE]);

#endif
