/* What a client of the management API sends. The first byte chooses: a target (what is parsed holds together), a cursor (only one that was given out is
 * taken), a connector as JSON (its definition is a connector again, with the same definition and secrets), or a merge patch of one. */
#include "api/api_internal.h"
#include "base/mem.h"
#include "config/config_connector.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct config *base_config(void)
{
    static struct config *config;
    static const char *const no_environment[] = { NULL };
    const struct config_request request = { .environment = no_environment, .text = "targets: { other: { api: { url: 'http://127.0.0.1:1' } } }\napi: { allow_inline_endpoints: true, inline_networks: [127.0.0.0/8] }",
                                             .state_path = "x" };
    struct config_problems problems = { 0 };
    struct error err = { 0 };

    if (config == NULL && config_load(&request, &config, &problems, &err) < 0)
        abort();
    return config;
}

static void fuzz_target(const char *bytes)
{
    struct api_target target = { 0 };
    char allow[80];

    if (api_target_parse(bytes, &target, NULL) < 0)
        return;
    for (size_t i = 0; i < target.part_count; i++)
        if (target.parts[i].bytes[target.parts[i].size] != '\0')
            abort();
    for (size_t i = 0; i < target.parameter_count; i++)
        if (strlen(target.parameters[i].value) != target.parameters[i].size)
            abort();
    (void)api_route_find(NULL, &target, "GET", allow, sizeof allow);
    api_target_done(&target);
}

static void fuzz_cursor(const char *bytes, size_t size)
{
    AUTO_DONE(text) struct text cursor = { 0 };
    char *key = NULL;
    size_t key_size = 0;

    if (api_cursor_read("a", 1, bytes, &key, &key_size)) { /* then it is the one of that key */
        text_init(&cursor, 0);
        api_cursor_write("a", 1, key, key_size, &cursor);
        if (strcmp(cursor.data, bytes) != 0)
            abort();
        mem_free(key);
    }
    if (size == 0 || size > 500)
        return;
    text_init(&cursor, 0);
    text_clear(&cursor);
    api_cursor_write("b", 1, bytes, size, &cursor);
    if (!api_cursor_read("b", 1, cursor.data, &key, &key_size) || key_size != size || memcmp(key, bytes, size) != 0)
        abort();
    mem_free(key);
    if (api_cursor_read("c", 1, cursor.data, &key, &key_size))
        abort();
}

static void fuzz_connector(const char *json, size_t size)
{
    struct config_problems problems = { 0 };
    struct service_connector connector = { 0 };
    struct service_connector again = { 0 };

    if (config_connector_from_json(base_config(), json, size, NULL, &connector, &problems) == 0) {
        if (config_connector_from_json(base_config(), connector.stored, strlen(connector.stored), NULL, &again, &problems) < 0 ||
            strcmp(connector.definition, again.definition) != 0 || strcmp(connector.stored, again.stored) != 0)
            abort();
        config_connector_release(&again);
        if (config_connector_from_json(base_config(), connector.definition, strlen(connector.definition), connector.stored, &again, &problems) < 0 ||
            strcmp(connector.stored, again.stored) != 0) /* what is shown may come back, and keeps the secrets */
            abort();
        config_connector_release(&again);
        config_connector_release(&connector);
    } else if (problems.errors == 0) {
        abort();
    }
    config_problems_done(&problems);
}

static void fuzz_patch(const char *patch, size_t size)
{
    struct text merged;

    text_init(&merged, 0);
    if (config_connector_patch("{\"id\":\"a\",\"context_id\":\"x\",\"schedule\":{\"type\":\"cron\",\"cron\":\"@daily\"},\"memory_api\":{\"url\":\"http://127.0.0.1\",\"api_key\":\"k\"}}",
                               patch, size, &merged, NULL) == 0)
        fuzz_connector(merged.data, merged.size);
    text_done(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STRING char *bytes = NULL;

    if (size == 0)
        return 0;
    bytes = mem_copy_bytes(data + 1, size - 1);
    switch (data[0]) {
    case 't': fuzz_target(bytes); break;
    case 'c': fuzz_cursor(bytes, size - 1); break;
    case 'j': fuzz_connector(bytes, size - 1); break;
    case 'p': fuzz_patch(bytes, size - 1); break;
    default: break;
    }
    return 0;
}
