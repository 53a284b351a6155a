#include "transform/transform.h"

#include "memory/identity.h"
#include "transform/transform_internal.h"

#include <string.h>

static const struct {
    const char *name;
    void (*render)(const struct transform_settings *settings, const struct memory *memory, struct text *out);
} strategies[] = {
    [TRANSFORM_STANDARD] = { "standard", transform_standard },
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

void transform_render(const struct transform_settings *settings, const struct memory *memory, struct text *out)
{
    strategies[settings->strategy].render(settings, memory, out);
}

void transform_document(const struct transform_settings *settings, const char *context, const struct memory *memory,
                        const uint8_t revision[SHA256_SIZE], struct text *out)
{
    char mark[REVISION_MARK_SIZE];

    identity_revision_mark(revision, mark);
    identity_first_line(out, context, memory->id, mark);
    (void)text_append_char(out, '\n');
    transform_render(settings, memory, out);
}
