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

void config_check_memories(const struct connector_settings *connector, size_t index, const struct node *root, struct config_problems *problems)
{
    check_template(connector, index, root, problems);
}
