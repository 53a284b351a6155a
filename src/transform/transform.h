/* transform.h - from a memory to the text of its document.
 *
 * The first line is delivery's (identity_first_line); a strategy writes what follows. All text is valid UTF-8, line ends \n, no control
 * characters but newline and tab, trimmed. Nothing depends on locale or TZ. In this release the strategy is "standard". */
#ifndef MC_TRANSFORM_TRANSFORM_H
#define MC_TRANSFORM_TRANSFORM_H

#include "base/text.h"
#include "memory/memory.h"

enum transform_strategy { TRANSFORM_STANDARD };

struct transform_settings {
    enum transform_strategy strategy;
    bool extract_tags;      /* "Tags:" line from the record's tags and #hashtags in the transcript */
};

bool transform_strategy_from_name(const char *name, enum transform_strategy *ret_strategy);

/* Appends the strategy's text. */
void transform_render(const struct transform_settings *settings, const struct memory *memory, struct text *out);

/* The whole document as it is kept and sent: first line, line end, the strategy's text. */
void transform_document(const struct transform_settings *settings, const char *context, const struct memory *memory,
                        const uint8_t revision[SHA256_SIZE], struct text *out);

#endif
