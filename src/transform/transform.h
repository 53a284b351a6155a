/* transform.h - from a memory to the text of its document.
 *
 * The first line is delivery's (identity_first_line); a strategy writes what follows. All text is valid UTF-8, line ends \n, no control
 * characters but newline and tab, trimmed. Nothing depends on locale or TZ.
 *
 *   standard   the layout people know          rich   the same facts in sentences          template   the user's own (transform_template_new)
 *
 * No strategy uses a fact that is not part of the revision (memory_revision), and a change of strategy or template is no change of a memory. */
#ifndef MC_TRANSFORM_TRANSFORM_H
#define MC_TRANSFORM_TRANSFORM_H

#include "base/text.h"
#include "memory/memory.h"

enum transform_strategy { TRANSFORM_STANDARD, TRANSFORM_RICH, TRANSFORM_TEMPLATE };

enum {
    TRANSFORM_TEMPLATE_MAXIMUM = 64 << 10,
    TRANSFORM_DEPTH_MAXIMUM = 16,
    TRANSFORM_DOCUMENT_MAXIMUM = 96 << 20, /* above every memory as it came (memory_api.max_item_bytes: 64 MiB), far above what a server takes */
};

struct transform_template; /* a parsed template; immutable, may be shared */

struct transform_settings {
    enum transform_strategy strategy;
    bool extract_tags;      /* #hashtags of the transcript are tags; in the standard layout: there is a "Tags:" line at all */
    const struct transform_template *template; /* of TRANSFORM_TEMPLATE, never NULL then; borrowed */
};

bool transform_strategy_from_name(const char *name, enum transform_strategy *ret_strategy);

/* text: {{field}}, {{#field}}...{{/field}} where the memory has it, {{^field}}...{{/field}} where not; docs/transform.md lists the fields. A
 * section's mark that stands alone on its line takes the line with it. What a field holds is never read as a template.
 *
 * on_mistake (may be NULL) is told of every mistake, the first 20, with its place in the template: line and column in characters, from 1.
 * Returns how many there are; 0: *ret_template is owned by the caller, untouched else. */
typedef void transform_mistake(void *context, size_t line, size_t column, const char *words);
size_t transform_template_new(const char *text, transform_mistake *on_mistake, void *context, struct transform_template **ret_template);
void transform_template_free(struct transform_template *template);
AUTO_DEFINE(transform_template)

/* Appends the strategy's text. */
void transform_render(const struct transform_settings *settings, const char *context, const struct memory *memory, struct text *out);

/* The whole document as it is kept and sent: first line, line end, the strategy's text. A template may repeat what is long: out->overflow is set when
 * the document would pass out->maximum, and then it is cut and not to be used. */
void transform_document(const struct transform_settings *settings, const char *context, const struct memory *memory,
                        const uint8_t revision[SHA256_SIZE], struct text *out);

#endif
