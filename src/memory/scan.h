/* scan.h - finds the end of a JSON value by its strings and brackets alone, across chunks, without looking at what it says.
 *
 * The two loops over every byte that arrives share it: the splitter (where does this element end?) and the decoder (how deep
 * does it nest?). Kinds of brackets are not compared: a value that closes [ with } ends where the numbers agree, and its parser complains. */
#ifndef MC_MEMORY_SCAN_H
#define MC_MEMORY_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct scan {
    size_t depth;          /* brackets that are open */
    size_t depth_maximum;  /* SIZE_MAX: none */
    bool in_string, is_escaped;
    bool is_scalar;        /* a value without quotes or brackets: ends before , ] } or white space */
};

enum scan_end {
    SCAN_MORE,             /* the chunk is used up, the value goes on */
    SCAN_DONE,             /* the result is behind the value (a scalar: at what ended it) */
    SCAN_TOO_DEEP,         /* the result is at the bracket that is one too many */
};

void scan_begin(struct scan *scan, char first, size_t depth_maximum);
const char *scan_value(struct scan *scan, const char *at, const char *end, enum scan_end *ret_end);

static inline bool scan_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#endif
