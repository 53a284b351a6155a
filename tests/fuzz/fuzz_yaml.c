/* The configuration: any bytes give a configuration or problems, never a crash or a hang. As one of the older programs they are converted or refused, and
 * what comes out is taken. */
#include "config/config_convert.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void convert(const char *text, size_t size)
{
    static const char *const environment[] = { "HOME=/nowhere", NULL };
    AUTO_DONE(conversion) struct conversion conversion = { 0 };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO_DONE(config_problems) struct config_problems found = { 0 };
    AUTO(config) struct config *config = NULL;
    struct error err = { 0 };
    struct config_request request = { .environment = environment };

    if (config_convert("old.yaml", text, size, "UTC", &conversion, &problems, &err) < 0) {
        if (err.kind != ERROR_CONFIG)
            abort();
        return;
    }
    request.text = conversion.yaml.data;
    /* what a variable holds, and files of keys, nobody can tell before */
    if (conversion.shape != CONVERT_OURS && strstr(text, "${") == NULL && strstr(text, "_file") == NULL && config_load(&request, &config, &found, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const environment[] = { "HOME=/nowhere", "KEY=value", "EMPTY=", "MEMORY_CONNECTOR_CONNECTORS__0__DESCRIPTION=x", NULL };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    AUTO(config) struct config *config = NULL;
    AUTO_STRING char *text = mem_copy_bytes(data, size);
    struct config_request request = { .text = text, .environment = environment };
    struct error err = { 0 };
    int result = config_load(&request, &config, &problems, &err);

    if ((result == 0) != (config != NULL) || (result == 0) != (problems.errors == 0) || (result < 0 && err.kind != ERROR_CONFIG))
        abort();
    convert(text, size);
    return 0;
}
