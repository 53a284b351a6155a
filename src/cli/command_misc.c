/* command_misc.c - version and config check. */
#include "cli/cli.h"
#include "cli/doctor.h"

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

static void write_check(struct cli *cli, const struct examination *examination, bool is_online)
{
    struct json_writer writer;

    cli_begin_json(cli, &writer, "config-check");
    json_write_bool(&writer, "valid", examination->config_error.kind == ERROR_NONE);
    write_problems(&writer, &examination->problems, false);
    write_problems(&writer, &examination->problems, true);
    cli_write_error(&writer, &examination->config_error);
    if (is_online)
        doctor_write(&writer, &examination->doctor);
    cli_end_json(cli, &writer);
}

static int say_check(struct cli *cli, const struct examination *examination)
{
    for (size_t i = 0; i < examination->problems.count; i++)
        (void)fprintf(stderr, "%s%s\n", examination->problems.items[i].is_warning ? "warning: " : "", examination->problems.items[i].text);
    if (examination->config_error.kind != ERROR_NONE)
        return cli_fail(cli, &examination->config_error);
    (void)text_append_format(&cli->out, "%s is good: %zu connector%s; state in %s\n", cli->config->file, cli->config->connectors.count,
                             cli->config->connectors.count == 1 ? "" : "s", cli->config->state_path);
    return 0;
}

/* As a sync would end. */
static int code_of(const struct doctor *doctor)
{
    bool seen[ERROR_KINDS] = { false };

    for (size_t i = 0; i < doctor->count; i++)
        seen[doctor->items[i].kind] = true;
    return cli_worst_code(seen);
}

static int check_online(struct cli *cli, struct examination *examination)
{
    struct error err = { 0 };

    if (cli_open_log(cli, &err) < 0)
        return cli_fail(cli, &err);
    examination_begin(examination);
    if (!cli->json && cli_flush(cli, &err) < 0) /* what is known already; servers may take their time */
        return cli_fail(cli, &err);
    if (examine_servers(examination, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        write_check(cli, examination, true);
    } else {
        doctor_print(cli, &examination->doctor, 0);
        doctor_print_counts(cli, &examination->doctor);
    }
    return code_of(&examination->doctor);
}

int command_config_check(struct cli *cli)
{
    struct config_request request = { .file = cli->values[OPTION_CONFIG], .state_path = cli->values[OPTION_STATE] };
    AUTO_DONE(examination) struct examination examination = { .cli = cli };
    bool is_online = cli->values[OPTION_ONLINE] != NULL;
    int result = config_load(&request, &cli->config, &examination.problems, &examination.config_error);
    int code = result < 0 ? error_exit_code(examination.config_error.kind) : 0;

    if (result == 0 && cli->config->file[0] == '\0') {
        struct error err = { 0 };
        (void)error_set(&err, ERROR_CONFIG, "there is no configuration file: \"memory-connector init\" writes one (\"memory-connector help\" says where it is looked for)");
        return cli_fail(cli, &err);
    }
    if (!cli->json && (code = say_check(cli, &examination)) != 0)
        return code;
    if (result == 0 && is_online)
        return check_online(cli, &examination);
    if (cli->json)
        write_check(cli, &examination, false);
    return code;
}
