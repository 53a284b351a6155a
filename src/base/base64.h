/* base64.h - base64 (RFC 4648, section 4): bytes in a text. */
#ifndef MC_BASE_BASE64_H
#define MC_BASE_BASE64_H

#include "base/text.h"

#include <stdbool.h>

void base64_append(struct text *out, const void *bytes, size_t size);

/* Padding may be missing. room: of ret_bytes; 3 bytes for every 4 characters begun are enough. false: it is no base64, or more than room. */
bool base64_decode(const char *string, size_t size, void *ret_bytes, size_t room, size_t *ret_size);

#endif
