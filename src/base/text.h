/* text.h - a growing piece of text with a maximum.
 *
 * data is always NUL-terminated (once something was appended; before that it is ""), size does not count the NUL. The bytes may
 * hold NULs themselves. maximum bounds size: an append that would pass it fails, appends nothing and sets overflow, so a row
 * of appends needs one check at its end. text_init with maximum 0 means TEXT_MAXIMUM.
 *
 * Like curl's dynbuf: no buffer without a limit; unlike it, a failed append keeps what is there. */
#ifndef MC_BASE_TEXT_H
#define MC_BASE_TEXT_H

#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MAXIMUM ((size_t)256 << 20) /* 256 MiB: far above any text that the program makes */

struct text {
    char *data;      /* owned; never NULL after text_init */
    size_t size;
    size_t capacity; /* 0: data points to a shared "" */
    size_t maximum;
    bool overflow;   /* an append was refused; stays until text_clear */
};

void text_init(struct text *text, size_t maximum);
void text_done(struct text *text);
AUTO_DEFINE_DONE(text)

void text_clear(struct text *text);                /* empties, keeps the memory */
void text_truncate(struct text *text, size_t size);
void text_reserve(struct text *text, size_t more); /* bounded by maximum */
char *text_take(struct text *text);                /* owned by the caller; the text is empty afterwards */

/* Each returns 0, or -1 when the maximum would be passed. */
int text_append(struct text *text, const char *string);
int text_append_bytes(struct text *text, const void *bytes, size_t size);
int text_append_char(struct text *text, char c);
int text_append_format(struct text *text, const char *format, ...) MC_PRINTF(2, 3);

/* Words from outside for a terminal or a log: control characters, C1, bidi marks, invisible characters, line separators, the byte order mark and what is not
 * UTF-8 become \xNN for each of their bytes. */
int text_append_harmless(struct text *text, const char *bytes, size_t size);
/* The length of the UTF-8 character at bytes, and its code; 0: there is none (RFC 3629: no surrogates, nothing overlong). */
size_t text_read_character(const char *bytes, size_t left, uint32_t *ret_code);

#endif
