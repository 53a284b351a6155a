/* help.c - help and "did you mean", from the tables. */
#include "cli/cli.h"
#include "cli/table.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 79, OPTION_WIDTH = 29, COMMAND_WIDTH = 21, TWO_COLUMNS = 72 };

/* The tables break their sentences for those who read the source; here the terminal's width does, and never more than 79 columns. */
static char *joined(const char *words)
{
    char *line = mem_copy_string(words);

    for (char *at = line; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    return line;
}

static size_t line_width(void)
{
    size_t width = table_terminal_width(STDOUT_FILENO);

    return width > 0 && width < LINE_MOST ? width : LINE_MOST;
}

static void append_paragraph(const char *words, struct text *out)
{
    AUTO_STRING char *line = joined(words);

    table_append_wrapped(out, line, 0, line_width());
}

/* A term and what it is: beside each other, or below where the one is too long or the terminal too narrow for two columns. */
static void append_term(const char *term, const char *words, size_t width, struct text *out)
{
    bool is_narrow = line_width() < TWO_COLUMNS;

    if (is_narrow || strlen(term) > width)
        (void)text_append_format(out, "  %s\n", term);
    else
        (void)text_append_format(out, "  %-*s %s\n", (int)width, term, words);
    if (is_narrow)
        table_append_wrapped(out, words, 8, line_width());
    else if (strlen(term) > width)
        (void)text_append_format(out, "  %*s %s\n", (int)width, "", words);
}

static void append_option(const struct option_row *row, struct text *out)
{
    char left[60];

    (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", row->letter != 0 ? "-" : " ", row->letter != 0 ? row->letter : ' ',
                   row->letter != 0 ? ", " : "  ", row->name, row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
    append_term(left, row->help, OPTION_WIDTH, out);
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
    if (command->details != NULL) {
        (void)text_append_char(out, '\n');
        append_paragraph(command->details, out);
    }
    if (command->option_count > 0)
        (void)text_append(out, "\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        append_option(&option_rows[command->options[i]], out);
    append_globals(out);
    (void)text_append(out, "\nExamples:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(command->examples) && command->examples[i] != NULL; i++)
        (void)text_append_format(out, "  %s\n", command->examples[i]);
}

static void append_beginning(struct text *out)
{
    (void)text_append(out, "memory-connector carries memories from a Memory API into LightRAG,\n"
                           "each once and proven to be in the graph.\n\n"
                           "Usage: memory-connector [OPTION...] COMMAND ...\n");
}

void help_short(struct text *out)
{
    static const char *const first_ones[] = { "demo", "init", "doctor", "sync", "status", "serve", "help" };

    append_beginning(out);
    (void)text_append_char(out, '\n');
    for (size_t i = 0; i < ARRAY_LENGTH(first_ones); i++)
        for (size_t k = 0; k < command_count; k++)
            if (strcmp(commands[k].name, first_ones[i]) == 0)
                append_term(commands[k].name, commands[k].summary, COMMAND_WIDTH, out);
    (void)text_append_char(out, '\n');
    append_paragraph("\"memory-connector help\" lists all commands, \"memory-connector help COMMAND\" tells of one.", out);
}

void help_all(struct text *out)
{
    append_beginning(out);
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].group != NULL)
            (void)text_append_format(out, "\n%s:\n", commands[i].group);
        append_term(commands[i].name, commands[i].summary, COMMAND_WIDTH, out);
    }
    append_globals(out);
    (void)text_append_char(out, '\n');
    append_paragraph("The configuration is looked for in --config, $MEMORY_CONNECTOR_CONFIG, ./config.yaml, $XDG_CONFIG_HOME/memory-connector/config.yaml and "
                     "/etc/memory-connector/config.yaml.", out);
    (void)text_append_char(out, '\n');
    append_paragraph("Exit codes: 0 done, 1 failed, 2 usage, 3 partial (something failed or a gap is open), 4 differences found (verify, state check), 5 state in use, a run "
                     "under way or a file that is there, 69 source, target or service unreachable, 71 out of memory, 74 disk or state, 75 try later, 77 key refused, "
                     "78 configuration or unknown context, 130 and 143 ended by a signal.", out);
    (void)text_append(out, "\nExamples:\n  memory-connector demo\n  memory-connector init\n  memory-connector help sync\n");
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
    AUTO_STRING char *details = command->details != NULL ? joined(command->details) : NULL;

    json_write_open_object(writer, NULL);
    json_write_string(writer, "command", command->name);
    json_write_string(writer, "arguments", command->arguments);
    json_write_string(writer, "summary", command->summary);
    json_write_string(writer, "details", details);
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

/* ---- "Did you mean" ---- */

/* Two letters of four may be wrong, three of a longer word. */
static size_t patience_for(const char *word)
{
    size_t half = strlen(word) / 2 + 1;

    return half < 4 ? half : 4;
}

/* The second words of the commands that begin with first; "" when there is none. */
static void list_parts(const char *first, char *ret_list, size_t size)
{
    size_t length = strlen(first);

    ret_list[0] = '\0';
    for (size_t i = 0; i < command_count; i++)
        if (strncmp(commands[i].name, first, length) == 0 && commands[i].name[length] == ' ')
            (void)snprintf(ret_list + strlen(ret_list), size - strlen(ret_list), "%s%s", ret_list[0] != '\0' ? ", " : "", commands[i].name + length + 1);
}

/* The part of first that is nearest to second; NULL: none is near. */
static const char *nearest_part(const char *first, const char *second)
{
    size_t length = strlen(first);
    size_t best = second != NULL ? patience_for(second) : 0;
    const char *nearest = NULL;

    for (size_t i = 0; second != NULL && i < command_count; i++) {
        size_t distance;
        if (strncmp(commands[i].name, first, length) != 0 || commands[i].name[length] != ' ')
            continue;
        distance = edit_distance(second, commands[i].name + length + 1);
        if (distance < best) {
            best = distance;
            nearest = commands[i].name + length + 1;
        }
    }
    return nearest;
}

/* The first word of a command that is nearest to name. A beginning of one counts as near: stat, status. */
static bool nearest_first(const char *name, char *ret_first, size_t size)
{
    size_t best = patience_for(name);
    bool found = false;

    for (size_t i = 0; i < command_count; i++) {
        char first[32];
        size_t distance;
        (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(commands[i].name, " "), commands[i].name);
        distance = strlen(name) >= 3 && strncmp(first, name, strlen(name)) == 0 ? 0 : edit_distance(name, first);
        if (distance >= best)
            continue;
        best = distance;
        found = true;
        (void)snprintf(ret_first, size, "%s", first);
    }
    return found;
}

int help_unknown_command(const char *name, const char *second, struct error *err)
{
    char list[200];
    char first[32];
    const char *part;

    list_parts(name, list, sizeof list);
    part = nearest_part(name, second);
    if (list[0] != '\0')
        return part == NULL ? error_set(err, ERROR_USAGE, "\"%.60s\" wants one of: %s", name, list)
                            : error_set(err, ERROR_USAGE, "\"%.60s\" wants one of: %s; did you mean \"%s %s\"?", name, list, name, part);
    if (!nearest_first(name, first, sizeof first))
        return error_set(err, ERROR_USAGE, "there is no command \"%.60s\"; \"memory-connector help\" lists them", name);
    list_parts(first, list, sizeof list);
    part = nearest_part(first, second);
    return error_set(err, ERROR_USAGE, "there is no command \"%.60s\"; did you mean \"%s%s%s\"?", name, first, part != NULL ? " " : "", part != NULL ? part : "");
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
    (void)help_unknown_command(cli->words[0], cli->word_count > 1 ? cli->words[1] : NULL, &err);
    return cli_fail(cli, &err);
}
