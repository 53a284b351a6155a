#include "memory/scan.h"

#include <string.h>

enum { STEPS = 16 }; /* keys and short values end within so many bytes: cheaper than two calls of memchr */

/* What matters outside of strings (1), and what opens (2). */
static const unsigned char matters[256] = { ['"'] = 1, ['{'] = 3, ['['] = 3, ['}'] = 1, [']'] = 1 };

void scan_begin(struct scan *scan, char first, size_t depth_maximum)
{
    *scan = (struct scan){ .depth_maximum = depth_maximum, .is_scalar = matters[(unsigned char)first] == 0 };
}

/* Behind the closing quote, or at the end of the chunk. Every byte is looked at by each memchr at most once, whatever the number of
 * escapes: a quote that was found stays known until it is reached. */
static const char *skip_string(struct scan *scan, const char *at, const char *end)
{
    const char *quote = NULL;

    while (at < end) {
        const char *near = end - at > STEPS ? at + STEPS : end;
        if (scan->is_escaped) {
            scan->is_escaped = false;
            at++;
            continue;
        }
        while (at < near && *at != '"' && *at != '\\')
            at++;
        if (at == near && at < end) {
            const char *slash;
            if (quote == NULL || quote < at)
                quote = memchr(at, '"', (size_t)(end - at));
            if (quote == NULL)
                quote = end;
            slash = memchr(at, '\\', (size_t)(quote - at));
            at = slash != NULL ? slash : quote;
        }
        if (at == end)
            break;
        if (*at == '"') {
            scan->in_string = false;
            return at + 1;
        }
        scan->is_escaped = true;
        at++;
    }
    return at;
}

static const char *skip_scalar(const char *at, const char *end, enum scan_end *ret_end)
{
    while (at < end && *at != ',' && *at != ']' && *at != '}' && !scan_is_blank(*at))
        at++;
    *ret_end = at < end ? SCAN_DONE : SCAN_MORE;
    return at;
}

const char *scan_value(struct scan *scan, const char *at, const char *end, enum scan_end *ret_end)
{
    if (scan->is_scalar)
        return skip_scalar(at, end, ret_end);
    while (at < end) {
        unsigned char kind;
        if (scan->in_string) {
            at = skip_string(scan, at, end);
            if (!scan->in_string && scan->depth == 0) {
                *ret_end = SCAN_DONE;
                return at;
            }
            continue;
        }
        kind = matters[(unsigned char)*at];
        if (kind == 0) {
            at++;
        } else if (*at == '"') {
            scan->in_string = true;
            at++;
        } else if (kind == 1) {
            at++;
            if (--scan->depth == 0) {
                *ret_end = SCAN_DONE;
                return at;
            }
        } else {
            if (scan->depth == scan->depth_maximum) {
                *ret_end = SCAN_TOO_DEEP;
                return at;
            }
            scan->depth++;
            at++;
        }
    }
    *ret_end = SCAN_MORE;
    return at;
}
