/* command_sync.c - one run now, in this process. */
#include "cli/cli.h"
#include "cli/sync_run.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OVERRIDES = 16 };

/* ---- Without a configuration file ---- */

static bool has_flags(const struct cli *cli)
{
    return cli->values[OPTION_MEMORY_URL] != NULL || cli->values[OPTION_API_URL] != NULL || cli->values[OPTION_CONTEXT_ID] != NULL;
}

static void put(struct config_override *overrides, size_t *count, const char *path, const char *value, const char *flag)
{
    if (value != NULL)
        overrides[(*count)++] = (struct config_override){ path, value, flag };
}

static int load_from_flags(struct cli *cli, struct error *err)
{
    struct config_override overrides[OVERRIDES];
    size_t count = 0;
    const char *memory_url = cli->values[OPTION_MEMORY_URL] != NULL ? cli->values[OPTION_MEMORY_URL] : cli->values[OPTION_API_URL];
    struct config_request request = { .without_file = true, .state_path = cli->values[OPTION_STATE], .overrides = overrides };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    int result;

    if (memory_url == NULL || cli->values[OPTION_CONTEXT_ID] == NULL || cli->values[OPTION_LIGHTRAG_URL] == NULL)
        return error_set(err, ERROR_USAGE, "without a configuration file sync wants --memory-url, --context-id and --lightrag-url");
    put(overrides, &count, "memory_api.url", memory_url, "--memory-url");
    put(overrides, &count, "memory_api.api_key", cli->values[OPTION_API_KEY], "--api-key");
    if (cli->values[OPTION_API_KEY] == NULL && cli->values[OPTION_MEMORY_KEY_FILE] == NULL)
        put(overrides, &count, "memory_api.api_key", getenv("MEMORY_API_KEY"), "MEMORY_API_KEY");
    put(overrides, &count, "memory_api.api_key_file", cli->values[OPTION_MEMORY_KEY_FILE], "--memory-api-key-file");
    put(overrides, &count, "lightrag.api.url", cli->values[OPTION_LIGHTRAG_URL], "--lightrag-url");
    if (cli->values[OPTION_LIGHTRAG_KEY_FILE] == NULL)
        put(overrides, &count, "lightrag.api.api_key", getenv("LIGHTRAG_API_KEY"), "LIGHTRAG_API_KEY");
    put(overrides, &count, "lightrag.api.api_key_file", cli->values[OPTION_LIGHTRAG_KEY_FILE], "--lightrag-api-key-file");
    put(overrides, &count, "lightrag.api.workspace", cli->values[OPTION_LIGHTRAG_WORKSPACE], "--lightrag-workspace");
    put(overrides, &count, "connectors.0.id", "command-line", "sync");
    put(overrides, &count, "connectors.0.context_id", cli->values[OPTION_CONTEXT_ID], "--context-id");
    request.override_count = count;
    result = config_load(&request, &cli->config, &problems, err);
    for (size_t i = 0; i < problems.count; i++)
        (void)fprintf(stderr, "%s%s\n", problems.items[i].is_warning ? "warning: " : "", problems.items[i].text);
    return result < 0 ? -1 : cli_open_log(cli, err);
}

/* ---- Which connectors ---- */

static int add_named(struct cli *cli, const char *name, size_t *connectors, size_t *count, struct error *err)
{
    size_t index;

    if (cli_find_connector(cli, name, &index, err) < 0)
        return -1;
    if (!config_connector(cli->config, index)->enabled)
        return error_set(err, ERROR_USAGE, "connector %s is disabled in the configuration", name);
    for (size_t i = 0; i < *count; i++)
        if (connectors[i] == index)
            return 0;
    connectors[(*count)++] = index;
    return 0;
}

static int choose(struct cli *cli, size_t *connectors, size_t *ret_count, struct error *err)
{
    size_t total = cli->config->engine.connector_count;
    size_t count = 0;

    for (size_t i = 0; i < cli->word_count + cli->connector_count; i++)
        if (add_named(cli, i < cli->word_count ? cli->words[i] : cli->connectors[i - cli->word_count], connectors, &count, err) < 0)
            return -1;
    for (size_t i = 0; cli->word_count + cli->connector_count == 0 && i < total; i++)
        if (config_connector(cli->config, i)->enabled)
            connectors[count++] = i;
    if (count == 0 && cli->config->file[0] == '\0')
        return error_set(err, ERROR_CONFIG, "there is no configuration file, and nothing is named on the command line: "
                                            "\"memory-connector init\" writes one; or give --memory-url, --context-id and --lightrag-url (\"memory-connector help sync\")");
    if (count == 0)
        return error_set(err, ERROR_CONFIG, "%s has no enabled connector", cli->config->file);
    *ret_count = count;
    return 0;
}

static int check_range(const struct cli *cli, struct error *err)
{
    static const char *const ranges[] = { "day", "week", "month", "all" };
    const char *range = cli->values[OPTION_RANGE];

    for (size_t i = 0; range != NULL && i < ARRAY_LENGTH(ranges); i++)
        if (strcmp(ranges[i], range) == 0)
            return 0;
    return range == NULL ? 0 : error_set(err, ERROR_USAGE, "--range: \"%.30s\" is none of day, week, month, all", range);
}

int command_sync(struct cli *cli)
{
    struct sync_options options = {
        .wait = cli->values[OPTION_WAIT] != NULL,
        .dry_run = cli->values[OPTION_DRY_RUN] != NULL,
        .json_lines = cli->values[OPTION_JSON_LINES] != NULL,
        .backfill = cli->values[OPTION_BACKFILL] != NULL,
        .force = cli->values[OPTION_FORCE] != NULL,
        .range = cli->values[OPTION_RANGE],
    };
    struct error err = { 0 };
    size_t *connectors;
    int code;

    if (options.backfill && options.range != NULL)
        (void)error_set(&err, ERROR_USAGE, "--backfill reads every range: leave --range away");
    if (err.kind != ERROR_NONE || check_range(cli, &err) < 0 || cli_get_integer(cli, OPTION_LIMIT, 0, &options.limit, &err) < 0 ||
        cli_get_integer(cli, OPTION_MAX_ITEMS, 0, &options.max_items, &err) < 0 ||
        cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &options.lock_wait_ms, &err) < 0)
        return cli_fail(cli, &err);
    if ((has_flags(cli) ? load_from_flags(cli, &err) : cli_load_config(cli, &err)) < 0)
        return cli_fail(cli, &err);
    connectors = mem_alloc_array(cli->config->engine.connector_count + cli->word_count + cli->connector_count + 1, sizeof *connectors);
    options.connectors = connectors;
    code = choose(cli, connectors, &options.connector_count, &err);
    if (code == 0)
        code = sync_run(cli, &options, &err);
    if (code < 0)
        code = cli_fail(cli, &err);
    mem_free(connectors);
    return code;
}
