/* transform_internal.h - the strategies, each in a file of its own, and the facts that rich and template share. */
#ifndef MC_TRANSFORM_TRANSFORM_INTERNAL_H
#define MC_TRANSFORM_TRANSFORM_INTERNAL_H

#include "transform/transform.h"

struct transform_input {
    const struct transform_settings *settings;
    const char *context;
    const struct memory *memory;
};

void transform_standard(const struct transform_input *input, struct text *out);
void transform_rich(const struct transform_input *input, struct text *out);
void transform_template(const struct transform_input *input, struct text *out);

/* ---- Facts ---- */

enum transform_fact {
    FACT_ID, FACT_CONTEXT, FACT_TYPE, FACT_TYPE_WORDS, FACT_TRANSCRIPT, FACT_RECORDED, FACT_RECORDED_ISO, FACT_WEEKDAY, FACT_PART_OF_DAY, FACT_LAT,
    FACT_LON, FACT_LOCATION, FACT_MEDIA, FACT_TAGS, FACT_DESCRIPTION, FACT_COLLECTION, FACT_COUNT
};

const char *transform_fact_name(enum transform_fact fact); /* as in a template: "part_of_day" */

const char *transform_type_words(struct slice type);       /* "voice recording"; NULL: what it means is not known */

/* Appends the fact; nothing when the memory does not have it. All but the transcript stay on one line. */
void transform_append_fact(const struct transform_input *input, enum transform_fact fact, struct text *out);

/* Appends "a, b": tags of the record first, then (with_hashtags) #hashtags of the transcript in their order, each once (compared exactly).
 * Nothing without tags. */
void transform_append_tags(const struct memory *memory, bool with_hashtags, struct text *out);

/* A letter, mark or digit of any script, or "_": what a hashtag consists of. */
bool transform_is_word(uint32_t code);

/* Line ends and tabs from start on become blanks: a fact must not look like the next line. */
void transform_join_lines(struct text *text, size_t start);

#endif
