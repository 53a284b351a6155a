/* command_misc.c - version and config check. */
#include "cli/cli.h"

#include "base/http_client.h"
#include "base/mem.h"
#include "cli/version.h"
#include "state/state.h"

#include <stdio.h>
#include <string.h>

int command_version(struct cli *cli)
{
    struct json_writer writer;

    if (!cli->json) {
        (void)text_append(&cli->out, "memory-connector " MC_VERSION "\n");
        return 0;
    }
    cli_begin_json(cli, &writer, "version");
    json_write_string(&writer, "version", MC_VERSION);
    json_write_string(&writer, "commit", MC_COMMIT[0] != '\0' ? MC_COMMIT : NULL);
    json_write_string(&writer, "compiler", MC_COMPILER);
    json_write_string(&writer, "http", http_client_version());
    json_write_string(&writer, "sqlite", state_sqlite_version());
    cli_end_json(cli, &writer);
    return 0;
}

static void write_problem(struct json_writer *writer, const struct config_problem *problem)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "source", problem->source);
    if (problem->line > 0) {
        json_write_integer(writer, "line", (int64_t)problem->line);
        json_write_integer(writer, "column", (int64_t)problem->column);
    }
    json_write_bytes(writer, "path", problem->path, strlen(problem->path));
    json_write_bytes(writer, "message", problem->message, strlen(problem->message));
    json_write_close(writer);
}

static void write_problems(struct json_writer *writer, const struct config_problems *problems, bool warnings)
{
    json_write_open_array(writer, warnings ? "warnings" : "errors");
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].is_warning == warnings)
            write_problem(writer, &problems->items[i]);
    json_write_close(writer);
}

int command_config_check(struct cli *cli)
{
    struct config_request request = { .file = cli->values[OPTION_CONFIG], .state_path = cli->values[OPTION_STATE] };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    struct json_writer writer;
    struct error err = { 0 };
    int result = config_load(&request, &cli->config, &problems, &err);
    int code = result < 0 ? error_exit_code(err.kind) : 0;

    if (result == 0 && cli->config->file[0] == '\0') {
        (void)error_set(&err, ERROR_CONFIG, "there is no configuration file; \"memory-connector help\" says where one is looked for");
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_begin_json(cli, &writer, "config-check");
        json_write_bool(&writer, "valid", result == 0);
        write_problems(&writer, &problems, false);
        write_problems(&writer, &problems, true);
        if (result < 0 && problems.errors == 0)
            json_write_string(&writer, "error", err.message);
        cli_end_json(cli, &writer);
        return code;
    }
    for (size_t i = 0; i < problems.count; i++)
        (void)fprintf(stderr, "%s%s\n", problems.items[i].is_warning ? "warning: " : "", problems.items[i].text);
    if (result < 0)
        return cli_fail(cli, &err);
    (void)text_append_format(&cli->out, "%s is good: %zu connector%s; state in %s\n", cli->config->file, cli->config->connectors.count,
                             cli->config->connectors.count == 1 ? "" : "s", cli->config->state_path);
    return 0;
}
