/* help.c - help and "did you mean", from the tables. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static void append_option(const struct option_row *row, struct text *out)
{
    char left[60];

    (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", row->letter != 0 ? "-" : " ", row->letter != 0 ? row->letter : ' ',
                   row->letter != 0 ? ", " : "  ", row->name, row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
    (void)text_append_format(out, "  %-29s %s\n", left, row->help);
}

static void append_globals(struct text *out)
{
    (void)text_append(out, "\nEverywhere:\n");
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].is_global)
            append_option(&option_rows[i], out);
}

void help_command(const struct command *command, struct text *out)
{
    (void)text_append_format(out, "memory-connector %s%s%s\n  %s\n", command->name, command->arguments != NULL ? " " : "",
                             command->arguments != NULL ? command->arguments : "", command->summary);
    if (command->details != NULL)
        (void)text_append_format(out, "\n%s\n", command->details);
    if (command->option_count > 0)
        (void)text_append(out, "\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        append_option(&option_rows[command->options[i]], out);
    append_globals(out);
    (void)text_append(out, "\nExamples:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(command->examples) && command->examples[i] != NULL; i++)
        (void)text_append_format(out, "  %s\n", command->examples[i]);
}

void help_all(struct text *out)
{
    (void)text_append(out, "memory-connector carries memories from a Memory API into LightRAG,\n"
                           "each once and proven to be in the graph.\n\n"
                           "Usage: memory-connector [OPTION...] COMMAND ...\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++)
        (void)text_append_format(out, "  %-21s %s\n", commands[i].name, commands[i].summary);
    append_globals(out);
    (void)text_append(out, "\nThe configuration is looked for in --config, $MEMORY_CONNECTOR_CONFIG,\n"
                           "./config.yaml, $XDG_CONFIG_HOME/memory-connector/config.yaml and\n"
                           "/etc/memory-connector/config.yaml.\n\n"
                           "Exit codes: 0 done, 1 failed, 2 usage, 3 partial (something failed or a gap is\n"
                           "open), 4 verify found differences, 5 state in use or a run under way,\n"
                           "69 source, target or service unreachable, 71 out of memory, 74 disk or state,\n"
                           "75 try later, 77 key refused, 78 configuration or unknown context, 130 and\n"
                           "143 ended by a signal.\n\n"
                           "Examples:\n  memory-connector demo\n  memory-connector help sync\n");
}

/* ---- For programs ---- */

static void write_option(struct json_writer *writer, const struct option_row *row)
{
    char letter[2] = { row->letter, '\0' };

    json_write_open_object(writer, NULL);
    json_write_string(writer, "option", row->name);
    json_write_string(writer, "letter", row->letter != 0 ? letter : NULL);
    json_write_string(writer, "argument", row->argument);
    json_write_string(writer, "summary", row->help);
    json_write_close(writer);
}

static void write_command(struct json_writer *writer, const struct command *command)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "command", command->name);
    json_write_string(writer, "arguments", command->arguments);
    json_write_string(writer, "summary", command->summary);
    json_write_string(writer, "details", command->details);
    json_write_open_array(writer, "options");
    for (size_t i = 0; i < command->option_count; i++)
        write_option(writer, &option_rows[command->options[i]]);
    json_write_close(writer);
    json_write_open_array(writer, "examples");
    for (size_t i = 0; i < ARRAY_LENGTH(command->examples) && command->examples[i] != NULL; i++)
        json_write_string(writer, NULL, command->examples[i]);
    json_write_close(writer);
    json_write_close(writer);
}

/* The command of that name, and those that begin with that word. */
static bool is_meant(const struct command *command, const char *name)
{
    size_t length = strlen(name);

    return strncmp(command->name, name, length) == 0 && (command->name[length] == '\0' || command->name[length] == ' ');
}

bool help_write_json(struct cli *cli, const char *name)
{
    struct json_writer writer;
    bool any = false;

    cli_begin_json(cli, &writer, "help");
    json_write_open_array(&writer, "commands");
    for (size_t i = 0; i < command_count; i++) {
        if (name != NULL && !is_meant(&commands[i], name))
            continue;
        write_command(&writer, &commands[i]);
        any = true;
    }
    json_write_close(&writer);
    json_write_open_array(&writer, "options");
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].is_global)
            write_option(&writer, &option_rows[i]);
    json_write_close(&writer);
    cli_end_json(cli, &writer);
    return any;
}

int help_unknown_command(const char *name, struct error *err)
{
    const char *nearest = NULL;
    size_t best = 4;

    for (size_t i = 0; i < command_count; i++) {
        char first[32];
        size_t distance;
        (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(commands[i].name, " "), commands[i].name);
        distance = edit_distance(name, first);
        if (distance < best) {
            best = distance;
            nearest = commands[i].name;
        }
    }
    if (nearest != NULL)
        return error_set(err, ERROR_USAGE, "there is no command \"%.60s\"; did you mean \"%s\"?", name, nearest);
    return error_set(err, ERROR_USAGE, "there is no command \"%.60s\"; \"memory-connector help\" lists them", name);
}

int command_help(struct cli *cli)
{
    struct error err = { 0 };
    char name[64] = "";

    for (size_t i = 0; i < cli->word_count; i++)
        (void)snprintf(name + strlen(name), sizeof name - strlen(name), "%s%s", i > 0 ? " " : "", cli->words[i]);
    if (cli->json) {
        if (help_write_json(cli, name[0] != '\0' ? name : NULL))
            return 0;
    } else if (name[0] == '\0') {
        help_all(&cli->out);
        return 0;
    }
    for (size_t i = 0; i < command_count && !cli->json; i++) {
        if (!is_meant(&commands[i], name))
            continue;
        if (cli->out.size > 0)
            (void)text_append_char(&cli->out, '\n');
        help_command(&commands[i], &cli->out);
    }
    if (cli->out.size > 0 && !cli->json)
        return 0;
    (void)help_unknown_command(cli->words[0], &err);
    return cli_fail(cli, &err);
}
