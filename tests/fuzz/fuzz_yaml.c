/* The configuration: any bytes give a configuration or problems, never a crash or a hang. */
#include "config/config.h"
#include "config/node.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_DONE(node) struct node root = { 0 };
    struct config_environment environment = { 0 };
    struct config *config = mem_alloc(sizeof *config);
    char *text = mem_copy_bytes(data, size);

    fields_set_defaults(&config_root, config);
    root.kind = NODE_MAP;
    if (node_parse_yaml("fuzz", text, size, &root, &problems) == 0) {
        config_expand(&root, &environment, "", &problems);
        config_bind(&config_root, config, &root, "", &problems);
    }
    config->file = mem_copy_string("");
    config_free(config);
    mem_free(text);
    return 0;
}
