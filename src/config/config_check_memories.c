/* config_check_memories.c - which memories a connector takes, and what it makes of them: templates and filters. */
#include "config/node.h"

#include "base/mem.h"

struct mistakes {
    struct config_problems *problems;
    const struct node *node;
    const char *path;
};

static void add_mistake(void *context, size_t line, size_t column, const char *words)
{
    const struct mistakes *mistakes = context;

    config_error(mistakes->problems, mistakes->node, mistakes->path, "line %zu, column %zu of the template: %s", line, column, words);
}

static void check_template(const struct connector_settings *connector, size_t index, const struct node *root, struct config_problems *problems)
{
    AUTO_STRING char *path = mem_format("connectors[%zu].transformation.template", index);
    AUTO(transform_template) struct transform_template *template = NULL;
    struct mistakes mistakes = { problems, node_at(root, path, NULL), path };

    if (connector->strategy == TRANSFORM_TEMPLATE && connector->template_text[0] == '\0')
        config_error(problems, mistakes.node, path, "is missing: the strategy is template");
    else if (connector->strategy == TRANSFORM_TEMPLATE)
        (void)transform_template_new(connector->template_text, add_mistake, &mistakes, &template);
    else if (connector->template_text[0] != '\0')
        config_error(problems, mistakes.node, path, "is not used: set strategy: template, or leave it out");
}

/* false: none is given, or it is no good, which has been said. */
static bool check_time(const char *text, const char *path, bool is_end, const struct node *root, struct config_problems *problems, int64_t *ret_ms)
{
    if (text[0] == '\0' || memory_filter_parse_time(text, is_end, ret_ms))
        return text[0] != '\0';
    config_error(problems, node_at(root, path, NULL), path, "\"%.60s\" is no time: expected a date (2025-12-31) or RFC 3339 (2025-12-31T18:00:00Z)", text);
    return false;
}

static void check_filter(const struct connector_settings *connector, size_t index, const struct node *root, struct config_problems *problems)
{
    AUTO_STRING char *types = mem_format("connectors[%zu].ingestion.filter.types", index);
    AUTO_STRING char *since = mem_format("connectors[%zu].ingestion.filter.since", index);
    AUTO_STRING char *until = mem_format("connectors[%zu].ingestion.filter.until", index);
    int64_t since_ms = 0;
    int64_t until_ms = 0;
    bool has_since = check_time(connector->filter_since, since, false, root, problems, &since_ms);
    bool has_until = check_time(connector->filter_until, until, true, root, problems, &until_ms);

    if (has_since && has_until && since_ms > until_ms)
        config_error(problems, node_at(root, until, NULL), until, "is before since (%.40s): no memory would be taken", connector->filter_since);
    for (size_t i = 0; i < connector->filter_types.count; i++)
        if (connector->filter_types.items[i][0] == '\0')
            config_error(problems, node_at(root, types, NULL), types, "one of them is empty");
}

void config_check_memories(const struct connector_settings *connector, size_t index, const struct node *root, struct config_problems *problems)
{
    check_template(connector, index, root, problems);
    check_filter(connector, index, root, problems);
}
