/* Templates: any bytes are refused, each mistake with a place that is there, or become a template whose texts are clean, trimmed and always the same.
 * What stands behind the first NUL is the memory's transcript. */
#include "transform/transform.h"

#include "base/mem.h"
#include "memory/sanitise.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_mistake(void *context, size_t line, size_t column, const char *words)
{
    size_t *count = context;

    if (line == 0 || column == 0 || words[0] == '\0')
        abort();
    (*count)++;
}

static void render(const struct transform_template *template, const struct memory *memory, struct text *out)
{
    const struct transform_settings settings = { .strategy = TRANSFORM_TEMPLATE, .extract_tags = true, .template = template };

    text_init(out, 1 << 20);
    transform_render(&settings, "context", memory, out);
}

static void check_texts(const struct transform_template *template, const uint8_t *data, size_t size)
{
    AUTO_DONE(text) struct text clean = { 0 };
    AUTO_DONE(text) struct text once = { 0 };
    AUTO_DONE(text) struct text twice = { 0 };
    struct memory memory = { .id = { "m", 1 }, .type = { "note", 4 }, .has_created = size % 2 == 0, .created_ms = 1766068200000, .has_location = size % 3 == 0 };

    text_init(&clean, 0);
    sanitise_append(&clean, (const char *)data, size);
    memory.transcript = sanitise_trim((struct slice){ clean.data, clean.size });
    render(template, &memory, &once);
    render(template, &memory, &twice);
    if (once.overflow)
        return;
    if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0 || !sanitise_is_clean(once.data, once.size) ||
        sanitise_trim((struct slice){ once.data, once.size }).size != once.size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STRING char *text = mem_copy_bytes(data, size);
    AUTO(transform_template) struct transform_template *template = NULL;
    size_t length = strlen(text);
    size_t told = 0;
    size_t mistakes = transform_template_new(text, count_mistake, &told, &template);

    if ((mistakes == 0) != (template != NULL) || told != (mistakes < 20 ? mistakes : 20))
        abort();
    if (template != NULL)
        check_texts(template, data + (length < size ? length + 1 : size), length < size ? size - length - 1 : 0);
    return 0;
}
