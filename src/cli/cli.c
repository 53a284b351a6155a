#include "cli/cli.h"
#include "cli/connectors.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "cli/table.h"
#include "cli/width.h"
#include "state/state.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- Parsing ---- */

static void make_getopt_tables(struct option *longs, char *shorts)
{
    size_t used = 0;

    *shorts++ = ':';
    for (int i = 0; i < OPTIONS; i++) {
        longs[used++] = (struct option){ option_rows[i].name, option_rows[i].argument != NULL ? required_argument : no_argument, NULL, 256 + i };
        if (option_rows[i].letter != 0) {
            *shorts++ = option_rows[i].letter;
            if (option_rows[i].argument != NULL)
                *shorts++ = ':';
        }
    }
    /* Another spelling of --connector. */
    longs[used++] = (struct option){ "connector-id", required_argument, NULL, 256 + OPTION_CONNECTOR };
    longs[used] = (struct option){ NULL, 0, NULL, 0 };
    *shorts = '\0';
}

static int option_of(int code)
{
    if (code >= 256)
        return code - 256;
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].letter == code)
            return i;
    return -1;
}

/* A key on the command line is seen by every user of the machine: taken, hidden from now on, and said so. */
static void hide_secret(struct cli *cli, int id, char *argument)
{
    mem_free(cli->secret);
    cli->values[id] = cli->secret = mem_copy_string(argument);
    memset(argument, 'x', strlen(argument));
    log_warn("cli", "", "--%s: a key on the command line can be read by others; use the environment or a file", option_rows[id].name);
}

static int unknown_option(const char *name, struct error *err)
{
    const char *nearest = NULL;
    size_t best = strlen(name) / 2 + 1 < 4 ? strlen(name) / 2 + 1 : 4; /* of three letters, two others make another word */

    for (int i = 0; i < OPTIONS; i++) {
        size_t distance = edit_distance(name, option_rows[i].name);
        if (distance < best && !option_rows[i].is_hidden) {
            best = distance;
            nearest = option_rows[i].name;
        }
    }
    if (nearest != NULL)
        return error_set(err, ERROR_USAGE, "there is no option --%.60s; did you mean --%s?", name, nearest);
    return error_set(err, ERROR_USAGE, "there is no option --%.60s; \"memory-connector help COMMAND\" shows those of a command", name);
}

/* What stands behind an option, as help shows it. */
static const char *argument_of(int code)
{
    int id = option_of(code);

    return id >= 0 && option_rows[id].argument != NULL ? option_rows[id].argument : "VALUE";
}

static int take_option(struct cli *cli, int code, struct error *err)
{
    int id = option_of(code);
    const char *word = cli->argv[optind - 1];

    if (code == ':')
        return error_set(err, ERROR_USAGE, "%s needs a value: %s", word, argument_of(optopt));
    if (id < 0) {
        if (strncmp(word, "--", 2) == 0) {
            AUTO_STRING char *name = mem_copy_bytes(word + 2, strcspn(word + 2, "="));
            return unknown_option(name, err);
        }
        return error_set(err, ERROR_USAGE, "there is no option -%c; \"memory-connector help COMMAND\" shows those of a command", optopt);
    }
    if (option_rows[id].is_secret)
        hide_secret(cli, id, optarg);
    else
        cli->values[id] = optarg != NULL ? optarg : "";
    if (id == OPTION_CONNECTOR) {
        cli->connectors = mem_resize(cli->connectors, cli->connector_count + 1, sizeof *cli->connectors);
        cli->connectors[cli->connector_count++] = optarg;
    }
    return 0;
}

static const struct command *find_command(char **words, size_t count, size_t *ret_used)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *space = strchr(commands[i].name, ' ');
        if (space == NULL && count >= 1 && strcmp(words[0], commands[i].name) == 0) {
            *ret_used = 1;
            return &commands[i];
        }
        if (space != NULL && count >= 2 && strncmp(words[0], commands[i].name, (size_t)(space - commands[i].name)) == 0 &&
            strlen(words[0]) == (size_t)(space - commands[i].name) && strcmp(words[1], space + 1) == 0) {
            *ret_used = 2;
            return &commands[i];
        }
    }
    return NULL;
}

static bool takes_option(const struct command *command, int id)
{
    for (size_t i = 0; i < command->option_count; i++)
        if ((int)command->options[i] == id)
            return true;
    /* the older names go where the newer ones do */
    return option_rows[id].is_hidden && strcmp(command->name, "sync") == 0;
}

static int check_use(const struct cli *cli, struct error *err)
{
    const struct command *command = cli->command;

    for (int i = 0; i < OPTIONS; i++)
        if (cli->values[i] != NULL && !option_rows[i].is_global && !takes_option(command, i))
            return error_set(err, ERROR_USAGE, "\"%s\" does not take --%s; see \"memory-connector help %s\"", command->name, option_rows[i].name,
                             command->name);
    if (cli->word_count < command->words_least)
        return error_set(err, ERROR_USAGE, "\"%s\" wants %s; see \"memory-connector help %s\"", command->name, command->arguments, command->name);
    if (cli->word_count > command->words_most)
        return error_set(err, ERROR_USAGE, "\"%.60s\" is too much for \"%s\"; see \"memory-connector help %s\"", cli->words[command->words_most], command->name,
                         command->name);
    return 0;
}

static int parse(struct cli *cli, struct error *err)
{
    struct option longs[OPTIONS + 2];
    char shorts[2 * OPTIONS + 2];
    size_t used = 0;
    int code;

    make_getopt_tables(longs, shorts);
    opterr = 0;
    optind = 1;
    while ((code = getopt_long(cli->argc, cli->argv, shorts, longs, NULL)) != -1)
        if (take_option(cli, code, err) < 0)
            return -1;
    cli->json = cli->values[OPTION_JSON] != NULL;
    cli->quiet = cli->values[OPTION_QUIET] != NULL;
    cli->words = (const char **)(uintptr_t)(cli->argv + optind);
    cli->word_count = (size_t)(cli->argc - optind);
    if (cli->word_count == 0)
        return 0;
    cli->command = find_command(cli->argv + optind, cli->word_count, &used);
    if (cli->command == NULL)
        return help_unknown_command(cli->words[0], cli->word_count > 1 ? cli->words[1] : NULL, err);
    cli->words += used;
    cli->word_count -= used;
    return cli->values[OPTION_HELP] != NULL ? 0 : check_use(cli, err);
}

/* ---- Values ---- */

static int get_by_field(const struct field *row, const struct cli *cli, enum option_id id, int64_t *ret_value, struct error *err)
{
    int64_t value = 0;

    if (field_set(row, &value, cli->values[id], err) < 0)
        return error_wrap_kind(err, ERROR_USAGE, "--%s", option_rows[id].name);
    *ret_value = value;
    return 0;
}

int cli_get_integer(const struct cli *cli, enum option_id id, int64_t fallback, int64_t *ret_value, struct error *err)
{
    static const struct field row = { .name = "n", .type = FIELD_INTEGER, .min = 1, .max = 1e15 };

    *ret_value = fallback;
    return cli->values[id] == NULL ? 0 : get_by_field(&row, cli, id, ret_value, err);
}

int cli_get_port(const struct cli *cli, enum option_id id, int64_t fallback, int64_t *ret_port, struct error *err)
{
    static const struct field row = { .name = "p", .type = FIELD_INTEGER, .min = 0, .max = 65535 };

    *ret_port = fallback;
    return cli->values[id] == NULL ? 0 : get_by_field(&row, cli, id, ret_port, err);
}

int cli_get_duration(const struct cli *cli, enum option_id id, int64_t fallback_ms, int64_t *ret_ms, struct error *err)
{
    static const struct field row = { .name = "t", .type = FIELD_DURATION, .min = 0, .max = 1e12 };

    *ret_ms = fallback_ms;
    return cli->values[id] == NULL ? 0 : get_by_field(&row, cli, id, ret_ms, err);
}

int cli_get_time(const struct cli *cli, enum option_id id, int64_t *ret_ms, struct error *err)
{
    int64_t ago;

    *ret_ms = 0;
    if (cli->values[id] == NULL || time_text_parse(cli->values[id], strlen(cli->values[id]), ret_ms))
        return 0;
    if (cli_get_duration(cli, id, 0, &ago, err) < 0)
        return error_set(err, ERROR_USAGE, "--%s: \"%.60s\" is neither a time (2026-01-31T08:00:00Z) nor how long ago (2h, 3d)", option_rows[id].name,
                         cli->values[id]);
    *ret_ms = clock_wall_ms() - ago;
    return 0;
}

static int named_connector(const struct cli *cli, const char **ret_name, struct error *err)
{
    *ret_name = cli->word_count > 0 ? cli->words[0] : cli->connector_count > 0 ? cli->connectors[0] : NULL;
    return cli->word_count + cli->connector_count <= 1 ? 0 : error_set(err, ERROR_USAGE, "\"%s\" takes one connector", cli->command->name);
}

static int is_made_by_api(struct cli *cli, const char *name, bool *ret_made, struct error *err)
{
    AUTO(state) struct state *state = NULL;

    return cli_open_reader(cli, &state, err) < 0 ? -1 : connectors_are_stored(state, name, ret_made, err);
}

int cli_find_connector(struct cli *cli, const char *name, size_t *ret_index, struct error *err)
{
    struct error why = { 0 };
    bool is_made = false;

    if (config_find_connector(cli->config, name, ret_index, err) == 0)
        return 0;
    if (is_made_by_api(cli, name, &is_made, &why) < 0 || !is_made)
        return -1;
    return error_set(err, ERROR_USAGE, "connector \"%.80s\" was made by API, and \"%s\" knows those of the configuration file only: ask the running service (\"memory-connector trigger\")",
                     name, cli->command->name);
}

int cli_one_connector(struct cli *cli, size_t *ret_index, struct error *err)
{
    const char *name;

    *ret_index = SIZE_MAX;
    if (named_connector(cli, &name, err) < 0)
        return -1;
    return name == NULL ? 0 : cli_find_connector(cli, name, ret_index, err);
}

int cli_known_connector(struct cli *cli, const char **ret_id, struct error *err)
{
    bool is_made = false;
    size_t index;

    if (named_connector(cli, ret_id, err) < 0)
        return -1;
    if (*ret_id == NULL || config_find_connector(cli->config, *ret_id, &index, err) == 0)
        return 0;
    if (is_made_by_api(cli, *ret_id, &is_made, err) < 0 || !is_made)
        return -1;
    *err = (struct error){ 0 };
    return 0;
}

/* ---- Configuration, log, state ---- */

static void take_log_settings(const struct config *config, struct log_settings *settings)
{
    bool has_file = config->logging.file_enabled;

    settings->level = config->logging.console_enabled || has_file ? (enum log_level)config->logging.level : LOG_OFF;
    settings->format = config->logging.format == 1 ? LOG_JSON : LOG_CONSOLE;
    settings->file_path = has_file ? config->logging.file_path : NULL;
    settings->with_console = config->logging.console_enabled;
    settings->file_maximum = config->logging.max_bytes;
    settings->file_backups = (int)config->logging.backup_count;
    if (config->logging.colorize == 2)
        settings->color = false;
    for (size_t i = 0; i < LOG_COMPONENTS && (config->logging.console_enabled || has_file); i++) {
        settings->has_component[i] = config->logging.components[i] > 0;
        settings->components[i] = (enum log_level)(config->logging.components[i] - settings->has_component[i]);
    }
}

int cli_open_log(struct cli *cli, struct error *err)
{
    struct log_settings settings = { .level = LOG_INFO, .format = LOG_CONSOLE, .color = cli->color };
    const char *level = cli->values[OPTION_LOG_LEVEL];
    const char *format = cli->values[OPTION_LOG_FORMAT];

    if (cli->config != NULL)
        take_log_settings(cli->config, &settings);
    if (level != NULL && !log_level_from_name(level, &settings.level))
        return error_set(err, ERROR_USAGE, "--log-level: \"%.30s\" is none of debug, info, warn, error, off", level);
    if (level != NULL || cli->quiet)
        memset(settings.has_component, 0, sizeof settings.has_component); /* a flag is meant for all */
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "console") != 0 && strcmp(format, "text") != 0)
        return error_set(err, ERROR_USAGE, "--log-format: \"%.30s\" is neither console nor json", format);
    if (format != NULL)
        settings.format = strcmp(format, "json") == 0 ? LOG_JSON : LOG_CONSOLE;
    if (cli->quiet && settings.level < LOG_ERROR)
        settings.level = LOG_ERROR;
    return log_open(&settings, err);
}

int cli_load_config(struct cli *cli, struct error *err)
{
    struct config_request request = { .file = cli->values[OPTION_CONFIG], .state_path = cli->values[OPTION_STATE] };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    int result = config_load(&request, &cli->config, &problems, err);

    for (size_t i = 0; i < problems.count; i++)
        (void)fprintf(stderr, "%s%s\n", problems.items[i].is_warning ? "warning: " : "", problems.items[i].text);
    return result < 0 ? -1 : cli_open_log(cli, err);
}

int cli_find_state(struct cli *cli, struct state_settings *ret_settings, struct error *err)
{
    int64_t lock_wait_ms = 0;

    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &lock_wait_ms, err) < 0 || cli_load_config(cli, err) < 0)
        return -1;
    *ret_settings = config_state(cli->config);
    ret_settings->lock_wait_ms = lock_wait_ms;
    ret_settings->now_ms = clock_wall_ms();
    return 0;
}

int cli_open_reader(struct cli *cli, struct state **ret_state, struct error *err)
{
    struct state_settings settings = config_state(cli->config);

    settings.reader = true;
    settings.now_ms = clock_wall_ms();
    *ret_state = NULL;
    if (access(settings.path, F_OK) < 0 && errno == ENOENT)
        return 0;
    return state_open(&settings, ret_state, err);
}

int cli_confirm(struct cli *cli, const char *question, struct error *err)
{
    char answer[16] = "";

    if (cli->values[OPTION_YES] != NULL)
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return error_set(err, ERROR_USAGE, "%s Nobody can be asked here: say --yes", question);
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return error_set(err, ERROR_FAILED, "nothing was changed");
}

/* ---- Output ---- */

void cli_begin_json(struct cli *cli, struct json_writer *writer, const char *kind)
{
    char schema[80];

    (void)snprintf(schema, sizeof schema, "memory-connector/%s/v1", kind);
    json_write_begin(writer, &cli->out);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "schema", schema);
}

void cli_end_json(struct cli *cli, struct json_writer *writer)
{
    json_write_close(writer);
    (void)text_append_char(&cli->out, '\n');
}

/* Their output is data, that a line broken for the eye would spoil. */
static bool is_data(const struct cli *cli)
{
    static const char *const names[] = { "transform", "completion", "init", "config show", "config schema", "config convert", "dead-letters export", "state export" };

    for (size_t i = 0; cli->command != NULL && cli->values[OPTION_HELP] == NULL && i < ARRAY_LENGTH(names); i++)
        if (strcmp(cli->command->name, names[i]) == 0)
            return true;
    return false;
}

static void fit_to_terminal(struct cli *cli)
{
    struct text shown;

    if (!isatty(STDOUT_FILENO) || cli->json || cli->values[OPTION_JSON_LINES] != NULL)
        return;
    text_init(&shown, 0);
    width_show(cli->out.data, cli->out.size, is_data(cli) ? 0 : table_terminal_width(STDOUT_FILENO), &shown);
    text_done(&cli->out);
    cli->out = shown;
}

int cli_flush(struct cli *cli, struct error *err)
{
    size_t done = 0;

    fit_to_terminal(cli);
    while (done < cli->out.size) {
        ssize_t put = write(STDOUT_FILENO, cli->out.data + done, cli->out.size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EPIPE)
            break; /* the reader has seen enough */
        if (put < 0) {
            text_clear(&cli->out);
            return error_set(err, ERROR_IO, "cannot write to standard output: %s", strerror(errno));
        }
        done += (size_t)put;
    }
    text_clear(&cli->out);
    return 0;
}

int cli_worst_code(const bool seen[ERROR_KINDS])
{
    static const enum error_kind order[] = { ERROR_IO, ERROR_CONFIG, ERROR_DENIED, ERROR_UNREACHABLE, ERROR_LATER, ERROR_FAILED };

    for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
        if (seen[order[i]])
            return error_exit_code(order[i]);
    return 0;
}

void cli_write_error(struct json_writer *writer, const struct error *err)
{
    if (err->kind == ERROR_NONE) {
        json_write_null(writer, "error");
        return;
    }
    json_write_open_object(writer, "error");
    json_write_string(writer, "kind", error_kind_name(err->kind));
    json_write_bytes(writer, "message", err->message, strlen(err->message));
    json_write_integer(writer, "exit_code", error_exit_code(err->kind));
    json_write_close(writer);
}

int cli_fail(struct cli *cli, const struct error *err)
{
    int code = error_exit_code(err->kind);
    struct json_writer writer;

    if (cli->json || cli->values[OPTION_JSON_LINES] != NULL) {
        if (cli->json)
            text_clear(&cli->out);
        cli_begin_json(cli, &writer, "error");
        cli_write_error(&writer, err);
        cli_end_json(cli, &writer);
    }
    {
        AUTO_DONE(text) struct text shown = { 0 };
        text_init(&shown, 0);
        table_append_harmless(&shown, err->message, strlen(err->message));
        (void)fprintf(stderr, "memory-connector: %s\n", shown.data);
    }
    return code;
}

/* ---- The program ---- */

static bool wants_color(const struct cli *cli, int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return cli->values[OPTION_NO_COLOR] == NULL && (no_color == NULL || no_color[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0) &&
           isatty(fd);
}

/* A line that cannot be parsed says in which form its error is wanted, all the same. */
static bool asks_for_json(const struct cli *cli)
{
    for (int i = 1; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++)
        if (strcmp(cli->argv[i], "--json") == 0 || strcmp(cli->argv[i], "--json-lines") == 0)
            return true;
    return false;
}

/* No command: help, on stdout when it was asked for. */
static int run_nothing(struct cli *cli)
{
    struct error err = { 0 };
    bool asked = cli->values[OPTION_HELP] != NULL;

    if (cli->json && !asked) {
        (void)error_set(&err, ERROR_USAGE, "a command is missing; \"memory-connector help\" lists them");
        return cli_fail(cli, &err);
    }
    if (cli->json)
        (void)help_write_json(cli, NULL);
    else if (asked)
        help_all(&cli->out);
    else
        help_short(&cli->out);
    if (asked)
        return 0;
    (void)fputs(cli->out.data, stderr);
    if (cli->argc > 1)
        (void)fputs("\nmemory-connector: a command is missing behind the options\n", stderr);
    text_clear(&cli->out);
    return error_exit_code(ERROR_USAGE);
}

static int run(struct cli *cli)
{
    struct error err = { 0 };

    if (parse(cli, &err) < 0) {
        cli->json = asks_for_json(cli);
        return cli_fail(cli, &err);
    }
    cli->color = wants_color(cli, STDERR_FILENO);
    cli->paints = wants_color(cli, STDOUT_FILENO) && !cli->json;
    if (cli->values[OPTION_VERSION] != NULL && cli->command == NULL)
        return command_version(cli);
    if (cli->command == NULL)
        return run_nothing(cli);
    if (cli->values[OPTION_HELP] != NULL) {
        if (cli->json)
            (void)help_write_json(cli, cli->command->name);
        else
            help_command(cli->command, &cli->out);
        return 0;
    }
    return cli->command->run(cli);
}

int cli_main(int argc, char **argv)
{
    struct rlimit no_core = { 0, 0 };
    struct cli cli = { .argc = argc, .argv = argv };
    struct error err = { 0 };
    int code;

    (void)setrlimit(RLIMIT_CORE, &no_core); /* keys and transcripts are in memory */
    (void)signal(SIGPIPE, SIG_IGN);
    text_init(&cli.out, 0);
    code = run(&cli);
    if (cli_flush(&cli, &err) < 0) {
        cli.json = false;
        code = cli_fail(&cli, &err);
    }
    text_done(&cli.out);
    mem_free(cli.connectors);
    mem_free(cli.secret);
    config_free(cli.config);
    log_close();
    return code;
}
