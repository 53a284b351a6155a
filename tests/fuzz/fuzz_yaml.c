/* The configuration: any bytes give a configuration or problems, never a crash or a hang. */
#include "config/config.h"

#include "base/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
