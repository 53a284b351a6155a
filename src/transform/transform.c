#include "transform/transform.h"

#include "memory/identity.h"
#include "transform/transform_internal.h"

#include <string.h>

static const struct {
    const char *name;
    void (*render)(const struct transform_input *input, struct text *out);
} strategies[] = {
    [TRANSFORM_STANDARD] = { "standard", transform_standard },
    [TRANSFORM_RICH] = { "rich", transform_rich },
    [TRANSFORM_TEMPLATE] = { "template", transform_template },
};

bool transform_strategy_from_name(const char *name, enum transform_strategy *ret_strategy)
{
    for (size_t i = 0; i < ARRAY_LENGTH(strategies); i++) {
        if (strcmp(strategies[i].name, name) != 0)
            continue;
        *ret_strategy = (enum transform_strategy)i;
        return true;
    }
    return false;
}

void transform_join_lines(struct text *text, size_t start)
{
    for (size_t i = start; i < text->size; i++)
        if (text->data[i] == '\n' || text->data[i] == '\t')
            text->data[i] = ' ';
}

void transform_render(const struct transform_settings *settings, const char *context, const struct memory *memory, struct text *out)
{
    strategies[settings->strategy].render(&(struct transform_input){ settings, context, memory }, out);
}

void transform_document(const struct transform_settings *settings, const char *context, const struct memory *memory,
                        const uint8_t revision[SHA256_SIZE], struct text *out)
{
    char mark[REVISION_MARK_SIZE];
    size_t start;

    identity_revision_mark(revision, mark);
    identity_first_line(out, context, memory->id, mark);
    (void)text_append_char(out, '\n');
    start = out->size;
    transform_render(settings, context, memory, out);
    if (out->size == start && !out->overflow)
        text_truncate(out, start - 1); /* a template of which nothing is left for this memory: no line end without a line */
}
