/* transform_internal.h - the strategies, each in a file of its own. */
#ifndef MC_TRANSFORM_TRANSFORM_INTERNAL_H
#define MC_TRANSFORM_TRANSFORM_INTERNAL_H

#include "transform/transform.h"

void transform_standard(const struct transform_settings *settings, const struct memory *memory, struct text *out);

/* Appends "Tags: a, b" and a line end: tags of the record first, then #hashtags of the transcript in their order, each once (compared
 * exactly). Nothing without tags. */
void transform_append_tags(const struct memory *memory, struct text *out);

/* A letter, mark or digit of any script, or "_": what a hashtag consists of. */
bool transform_is_word(uint32_t code);

/* Line ends and tabs from start on become blanks: a fact must not look like the next line. */
void transform_join_lines(struct text *text, size_t start);

#endif
