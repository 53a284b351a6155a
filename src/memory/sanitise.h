/* sanitise.h - text from outside made safe to send: valid UTF-8 (bad bytes and surrogates become U+FFFD), CR LF and CR become
 * LF, U+0000..U+001F but newline and tab, U+007F..U+009F, U+FFFE and U+FFFF are removed (NUL becomes U+FFFD). */
#ifndef MC_MEMORY_SANITISE_H
#define MC_MEMORY_SANITISE_H

#include "base/text.h"
#include "memory/memory.h"

bool sanitise_is_clean(const char *bytes, size_t size); /* one fast pass; nothing to change */
void sanitise_append(struct text *out, const char *bytes, size_t size);
struct slice sanitise_trim(struct slice slice); /* blanks of Unicode's White_Space at both ends */

/* For JSON that yyjson refuses: bad bytes and lone \uD800 escapes become U+FFFD (in the encoding they stand in), raw control characters
 * inside strings become escapes. true when something changed. */
bool sanitise_json(struct text *out, const char *json, size_t size);

/* Where in json stood what is at mended_position of the mended text: for messages. */
size_t sanitise_json_origin(const char *json, size_t size, size_t mended_position);

#endif
