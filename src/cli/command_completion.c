/* command_completion.c - completion scripts for bash, zsh and fish, from the tables of commands and options.
 *
 * Ids of connectors are asked of the program itself while somebody types ("completion connectors": quiet whatever happens). */
#include "cli/cli.h"

#include "delivery/record.h"

#include <stdio.h>
#include <string.h>

/* ---- What the tables say ---- */

static bool is_offered(int option)
{
    return !option_rows[option].is_hidden;
}

static bool takes_file(int option)
{
    const char *argument = option_rows[option].argument;

    return argument != NULL && (strcmp(argument, "FILE") == 0 || strcmp(argument, "PATH") == 0);
}

/* Fixed words that an option takes; NULL: none are known. */
static const char *words_of(int option)
{
    static const struct { int option; const char *words; } rows[] = {
        { OPTION_LOG_LEVEL, "debug info warn error off" },
        { OPTION_LOG_FORMAT, "console json" },
        { OPTION_RANGE, "day week month all" },
        { OPTION_TO, "sqlite json" },
    };
    static char classes[300];

    if (option == OPTION_CLASS && classes[0] == '\0')
        for (int i = 1; i < DEAD_CLASSES; i++)
            (void)snprintf(classes + strlen(classes), sizeof classes - strlen(classes), "%s%s", i > 1 ? " " : "", dead_class_name((enum dead_class)i));
    if (option == OPTION_CLASS)
        return classes;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].option == option)
            return rows[i].words;
    return NULL;
}

enum kind { KIND_NOTHING, KIND_CONNECTOR, KIND_FILE, KIND_WORDS };

/* What the plain words of a command are. */
static enum kind kind_of(const struct command *command, const char **ret_words)
{
    const char *arguments = command->arguments != NULL ? command->arguments : "";

    *ret_words = "";
    if (strstr(arguments, "FILE") != NULL || strstr(arguments, "PATH") != NULL)
        return KIND_FILE; /* the first word, whatever comes behind it */
    if (strstr(arguments, "CONNECTOR") != NULL)
        return KIND_CONNECTOR;
    if (strcmp(arguments, "bash|zsh|fish") == 0) {
        *ret_words = "bash zsh fish";
        return KIND_WORDS;
    }
    return KIND_NOTHING;
}

static const char *second_word(const char *name)
{
    const char *blank = strchr(name, ' ');

    return blank != NULL ? blank + 1 : NULL;
}

static bool is_first_with_word(size_t at)
{
    size_t size = strcspn(commands[at].name, " ");

    for (size_t i = 0; i < at; i++)
        if (strcspn(commands[i].name, " ") == size && strncmp(commands[i].name, commands[at].name, size) == 0)
            return false;
    return true;
}

static void list_first_words(struct text *out)
{
    for (size_t i = 0; i < command_count; i++)
        if (is_first_with_word(i))
            (void)text_append_format(out, "%s%.*s", i > 0 ? " " : "", (int)strcspn(commands[i].name, " "), commands[i].name);
}

/* Options of a command (NULL: those that stand with every one), each with --. */
static void list_options(struct text *out, const struct command *command)
{
    for (int i = 0; command == NULL && i < OPTIONS; i++)
        if (option_rows[i].is_global && is_offered(i))
            (void)text_append_format(out, " --%s", option_rows[i].name);
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        if (is_offered((int)command->options[i]))
            (void)text_append_format(out, " --%s", option_rows[command->options[i]].name);
}

/* ---- bash ---- */

static void bash_values(struct text *out)
{
    (void)text_append(out, "    case $previous in\n");
    for (int i = 0; i < OPTIONS; i++) {
        if (!is_offered(i) || option_rows[i].argument == NULL)
            continue;
        (void)text_append_format(out, "    --%s", option_rows[i].name);
        if (option_rows[i].letter != 0)
            (void)text_append_format(out, " | -%c", option_rows[i].letter);
        (void)text_append(out, ")\n");
        if (i == OPTION_CONNECTOR)
            (void)text_append(out, "        COMPREPLY=($(compgen -W \"$(_memory_connector_ids)\" -- \"$word\"))\n");
        else if (takes_file(i))
            (void)text_append(out, "        COMPREPLY=($(compgen -f -- \"$word\"))\n");
        else if (words_of(i) != NULL)
            (void)text_append_format(out, "        COMPREPLY=($(compgen -W \"%s\" -- \"$word\"))\n", words_of(i));
        else
            (void)text_append(out, "        COMPREPLY=()\n");
        (void)text_append(out, "        return\n        ;;\n");
    }
    (void)text_append(out, "    esac\n");
}

static void bash_commands(struct text *out)
{
    (void)text_append(out, "    case \"$command\" in\n    \"\")\n        words=\"");
    list_first_words(out);
    (void)text_append(out, "\"\n        ;;\n");
    for (size_t i = 0; i < command_count; i++) { /* the second words of a first one */
        size_t size = strcspn(commands[i].name, " ");
        if (second_word(commands[i].name) == NULL || !is_first_with_word(i))
            continue;
        (void)text_append_format(out, "    \"%.*s\")\n        words=\"", (int)size, commands[i].name);
        for (size_t k = i; k < command_count; k++)
            if (strncmp(commands[k].name, commands[i].name, size) == 0 && commands[k].name[size] == ' ')
                (void)text_append_format(out, "%s%s", k > i ? " " : "", commands[k].name + size + 1);
        (void)text_append(out, "\"\n        ;;\n");
    }
    for (size_t i = 0; i < command_count; i++) {
        const char *fixed;
        enum kind kind = kind_of(&commands[i], &fixed);
        (void)text_append_format(out, "    \"%s\")\n        options=\"", commands[i].name);
        list_options(out, &commands[i]);
        (void)text_append_format(out, "\"\n        kind=%s\n        words=\"%s\"\n        ;;\n", kind == KIND_CONNECTOR ? "connector" : kind == KIND_FILE ? "file" : "words",
                                 strcmp(commands[i].name, "help") == 0 ? "$first" : fixed);
    }
    (void)text_append(out, "    esac\n");
}

static void write_bash(struct text *out)
{
    (void)text_append(out,
                      "# bash completion of memory-connector: source it, or put it into /etc/bash_completion.d\n"
                      "_memory_connector_ids() {\n"
                      "    \"${COMP_WORDS[0]}\" ${config:+--config \"$config\"} completion connectors 2>/dev/null\n"
                      "}\n\n"
                      "_memory_connector() {\n"
                      "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= first= config= options= kind=words words= at\n"
                      "    first=\"");
    list_first_words(out);
    (void)text_append(out, "\"\n    for ((at = 1; at < COMP_CWORD; at++)); do\n        case ${COMP_WORDS[at]} in\n        --config)\n            config=${COMP_WORDS[at + 1]}\n            ((at++))\n            ;;\n");
    (void)text_append(out, "        ");
    {
        bool is_first = true;
        for (int i = 0; i < OPTIONS; i++) {
            if (option_rows[i].argument == NULL || i == OPTION_CONFIG)
                continue;
            (void)text_append_format(out, "%s--%s", is_first ? "" : " | ", option_rows[i].name);
            if (option_rows[i].letter != 0)
                (void)text_append_format(out, " | -%c", option_rows[i].letter);
            is_first = false;
        }
    }
    (void)text_append(out, ")\n            ((at++))\n            ;;\n        -*) ;;\n        *)\n            case \"$command\" in\n            \"\") command=${COMP_WORDS[at]} ;;\n            ");
    {
        bool is_first = true;
        for (size_t i = 0; i < command_count; i++)
            if (second_word(commands[i].name) != NULL && is_first_with_word(i)) {
                (void)text_append_format(out, "%s%.*s", is_first ? "" : " | ", (int)strcspn(commands[i].name, " "), commands[i].name);
                is_first = false;
            }
    }
    (void)text_append(out, ") command=\"$command ${COMP_WORDS[at]}\" ;;\n            esac\n            ;;\n        esac\n    done\n");
    bash_values(out);
    bash_commands(out);
    (void)text_append(out, "    if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options");
    list_options(out, NULL);
    (void)text_append(out, "\" -- \"$word\"))\n        return\n    fi\n"
                           "    case $kind in\n"
                           "    connector) COMPREPLY=($(compgen -W \"$(_memory_connector_ids)\" -- \"$word\")) ;;\n"
                           "    file) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
                           "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
                           "    esac\n"
                           "}\n"
                           "complete -F _memory_connector memory-connector\n");
}

/* ---- zsh ---- */

/* Inside single quotes of an option's specification: quotes, brackets and colons have a meaning there. */
static void append_zsh(struct text *out, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == '\'')
            (void)text_append(out, "'\\''");
        else if (strchr("[]:\\", *words) != NULL)
            (void)text_append_format(out, "\\%c", *words);
        else
            (void)text_append_char(out, *words);
    }
}

static void zsh_option(struct text *out, int option)
{
    const struct option_row *row = &option_rows[option];

    if (row->letter != 0)
        (void)text_append_format(out, " \\\n            '(-%c --%s)'{-%c,--%s}'[", row->letter, row->name, row->letter, row->name);
    else
        (void)text_append_format(out, " \\\n            '--%s[", row->name);
    append_zsh(out, row->help);
    (void)text_append_char(out, ']');
    if (row->argument != NULL) {
        (void)text_append_char(out, ':');
        append_zsh(out, row->argument);
        (void)text_append_char(out, ':');
        if (option == OPTION_CONNECTOR)
            (void)text_append(out, "_memory_connector_ids");
        else if (takes_file(option))
            (void)text_append(out, "_files");
        else if (words_of(option) != NULL)
            (void)text_append_format(out, "(%s)", words_of(option));
    }
    (void)text_append_char(out, '\'');
}

static void zsh_list(struct text *out, const char *above)
{
    size_t size = strlen(above);

    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i].name;
        if (size == 0 ? !is_first_with_word(i) : strncmp(name, above, size) != 0 || name[size] != ' ')
            continue;
        (void)text_append_format(out, " \\\n        '%.*s:", (int)strcspn(size == 0 ? name : name + size + 1, " "), size == 0 ? name : name + size + 1);
        append_zsh(out, size == 0 && second_word(name) != NULL ? "more under it" : commands[i].summary);
        (void)text_append_char(out, '\'');
    }
}

static void zsh_case(struct text *out, const struct command *command)
{
    const char *fixed;
    enum kind kind = kind_of(command, &fixed);

    (void)text_append_format(out, "    '%s')\n        _arguments $globals", command->name);
    for (size_t i = 0; i < command->option_count; i++)
        if (is_offered((int)command->options[i]))
            zsh_option(out, (int)command->options[i]);
    (void)text_append(out, kind == KIND_CONNECTOR ? " \\\n            '*:connector:_memory_connector_ids'" : kind == KIND_FILE ? " \\\n            '*:file:_files'" : "");
    if (kind == KIND_WORDS)
        (void)text_append_format(out, " \\\n            '*:shell:(%s)'", fixed);
    (void)text_append(out, "\n        ;;\n");
}

static void write_zsh(struct text *out)
{
    (void)text_append(out, "#compdef memory-connector\n"
                           "# zsh completion of memory-connector: as _memory-connector in a folder of $fpath\n"
                           "_memory_connector_ids() {\n"
                           "    local -a ids\n"
                           "    ids=(${(f)\"$(_call_program connectors memory-connector ${opt_args[--config]:+--config ${opt_args[--config]}} completion connectors 2>/dev/null)\"})\n"
                           "    compadd -a ids\n"
                           "}\n\n"
                           "_memory_connector() {\n"
                           "    local context state line command\n"
                           "    local -a globals names\n"
                           "    typeset -A opt_args\n"
                           "    globals=(");
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].is_global && is_offered(i))
            zsh_option(out, i);
    (void)text_append(out, ")\n    _arguments -C $globals '1: :->command' '*:: :->rest'\n    if [[ $state == command ]]; then\n        names=(");
    zsh_list(out, "");
    (void)text_append(out, ")\n        _describe command names\n        return\n    fi\n    command=$line[1]\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        char first[32];
        size_t size = strcspn(commands[i].name, " ");
        if (second_word(commands[i].name) == NULL || !is_first_with_word(i))
            continue;
        (void)snprintf(first, sizeof first, "%.*s", (int)size, commands[i].name);
        (void)text_append_format(out, "    %s)\n        if ((CURRENT == 1)); then\n            names=(", first);
        zsh_list(out, first);
        (void)text_append(out, ")\n            _describe command names\n            return\n        fi\n        command=\"$command $words[1]\"\n        ;;\n");
    }
    (void)text_append(out, "    esac\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++)
        zsh_case(out, &commands[i]);
    (void)text_append(out, "    esac\n}\n\n_memory_connector \"$@\"\n");
}

/* ---- fish ---- */

static void append_fish(struct text *out, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == '\'' || *words == '\\')
            (void)text_append_char(out, '\\');
        (void)text_append_char(out, *words);
    }
}

static void fish_option(struct text *out, int option, const char *condition)
{
    const struct option_row *row = &option_rows[option];

    (void)text_append_format(out, "complete -c memory-connector%s -l %s", condition, row->name);
    if (row->letter != 0)
        (void)text_append_format(out, " -s %c", row->letter);
    if (row->argument != NULL)
        (void)text_append(out, takes_file(option) ? " -rF" : " -x");
    if (option == OPTION_CONNECTOR)
        (void)text_append(out, " -a '(__memory_connector_ids)'");
    else if (words_of(option) != NULL)
        (void)text_append_format(out, " -a '%s'", words_of(option));
    (void)text_append(out, " -d '");
    append_fish(out, row->help);
    (void)text_append(out, "'\n");
}

static void fish_command(struct text *out, size_t at)
{
    const struct command *command = &commands[at];
    const char *second = second_word(command->name), *fixed;
    enum kind kind = kind_of(command, &fixed);
    char condition[200];

    if (second == NULL || is_first_with_word(at)) {
        (void)text_append_format(out, "complete -c memory-connector -n __fish_use_subcommand -a %.*s -d '", (int)strcspn(command->name, " "), command->name);
        append_fish(out, second == NULL ? command->summary : "more under it");
        (void)text_append(out, "'\n");
    }
    (void)snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %.*s%s%s'", (int)strcspn(command->name, " "), command->name,
                   second != NULL ? "; and __fish_seen_subcommand_from " : "", second != NULL ? second : "");
    if (second != NULL) {
        (void)text_append_format(out, "complete -c memory-connector -n '__fish_seen_subcommand_from %.*s; and not __fish_seen_subcommand_from", (int)strcspn(command->name, " "), command->name);
        for (size_t i = 0; i < command_count; i++)
            if (strncmp(commands[i].name, command->name, (size_t)(second - command->name)) == 0)
                (void)text_append_format(out, " %s", second_word(commands[i].name));
        (void)text_append_format(out, "' -a %s -d '", second);
        append_fish(out, command->summary);
        (void)text_append(out, "'\n");
    }
    for (size_t i = 0; i < command->option_count; i++)
        if (is_offered((int)command->options[i]))
            fish_option(out, (int)command->options[i], condition);
    if (kind == KIND_CONNECTOR)
        (void)text_append_format(out, "complete -c memory-connector%s -a '(__memory_connector_ids)'\n", condition);
    else if (kind == KIND_FILE)
        (void)text_append_format(out, "complete -c memory-connector%s -F\n", condition);
    else if (kind == KIND_WORDS)
        (void)text_append_format(out, "complete -c memory-connector%s -a '%s'\n", condition, fixed);
}

static void write_fish(struct text *out)
{
    (void)text_append(out, "# fish completion of memory-connector: as memory-connector.fish in ~/.config/fish/completions\n"
                           "function __memory_connector_ids\n    memory-connector completion connectors 2>/dev/null\nend\n"
                           "complete -c memory-connector -f\n");
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].is_global && is_offered(i))
            fish_option(out, i, "");
    for (size_t i = 0; i < command_count; i++)
        fish_command(out, i);
}

/* ---- The command ---- */

static void write_script(struct cli *cli, const char *shell, void (*write)(struct text *out))
{
    AUTO_DONE(text) struct text script = { 0 };
    struct json_writer writer;

    text_init(&script, 0);
    write(&script);
    if (!cli->json) {
        (void)text_append_bytes(&cli->out, script.data, script.size);
        return;
    }
    cli_begin_json(cli, &writer, "completion");
    json_write_string(&writer, "shell", shell);
    json_write_bytes(&writer, "script", script.data, script.size);
    cli_end_json(cli, &writer);
}

/* While somebody types nothing may be said, whatever is wrong. */
static int list_connectors(struct cli *cli)
{
    struct config_request request = { .file = cli->values[OPTION_CONFIG], .state_path = cli->values[OPTION_STATE] };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    struct error err = { 0 };

    if (config_load(&request, &cli->config, &problems, &err) < 0)
        return 0;
    for (size_t i = 0; i < cli->config->connectors.count; i++)
        (void)text_append_format(&cli->out, "%s\n", config_connector(cli->config, i)->id);
    return 0;
}

int command_completion(struct cli *cli)
{
    static const struct { const char *name; void (*write)(struct text *out); } shells[] = { { "bash", write_bash }, { "zsh", write_zsh }, { "fish", write_fish } };
    struct error err = { 0 };

    if (strcmp(cli->words[0], "connectors") == 0)
        return list_connectors(cli);
    for (size_t i = 0; i < ARRAY_LENGTH(shells); i++) {
        if (strcmp(cli->words[0], shells[i].name) == 0) {
            write_script(cli, shells[i].name, shells[i].write);
            return 0;
        }
    }
    (void)error_set(&err, ERROR_USAGE, "completion: \"%.30s\" is none of bash, zsh, fish", cli->words[0]);
    return cli_fail(cli, &err);
}
