#include "cli/man.h"

#include "cli/cli.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAN_DATE "November 23, 2026" /* of the texts in this file; not of the build, which must give the same bytes every time */

enum { LINE_MOST = 78, PATH_SIZE = 200 };

/* ---- mdoc: a line that begins with "." or "'" is a request, "\" begins an escape ---- */

static void append_escaped(struct text *out, const char *words, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (words[i] == '\\')
            (void)text_append(out, "\\e");
        else if (words[i] == '-')
            (void)text_append(out, "\\-");
        else
            (void)text_append_char(out, words[i]);
    }
}

/* An argument of a macro: never taken for another macro. */
static void append_argument(struct text *out, const char *words)
{
    (void)text_append(out, " \"\\&");
    for (; *words != '\0'; words++) {
        if (*words == '"')
            (void)text_append(out, "\\(dq");
        else
            append_escaped(out, words, 1);
    }
    (void)text_append_char(out, '"');
}

static bool ends_sentence(const char *word, size_t size)
{
    while (size > 0 && (word[size - 1] == ')' || word[size - 1] == '"'))
        size--;
    return size > 2 && strchr(".?!", word[size - 1]) != NULL && word[size - 2] != '.';
}

/* Words in lines of a good length, each sentence on a line of its own. */
static void append_words(struct text *out, const char *words)
{
    size_t column = 0;

    for (words += strspn(words, " \n"); *words != '\0'; words += strspn(words, " \n")) {
        size_t size = strcspn(words, " \n");
        size_t width = size;
        for (size_t i = 0; i < size; i++)
            width += words[i] == '-' || words[i] == '\\'; /* with their escape */
        if (column > 0 && column + width + 1 > LINE_MOST) {
            (void)text_append_char(out, '\n');
            column = 0;
        }
        if (column > 0)
            (void)text_append_char(out, ' ');
        else if (*words == '.' || *words == '\'')
            (void)text_append(out, "\\&");
        append_escaped(out, words, size);
        column += width + 1;
        words += size;
        if (ends_sentence(words - size, size) && *words != '\0') {
            (void)text_append_char(out, '\n');
            column = 0;
        }
    }
    (void)text_append_char(out, '\n');
}

/* As a sentence: "the state file" becomes "The state file." */
static void append_sentence(struct text *out, const char *words)
{
    char sentence[600];
    size_t size;

    (void)snprintf(sentence, sizeof sentence - 1, "%s", words);
    size = strlen(sentence);
    if (size > 1 && islower((unsigned char)sentence[0]) && !isupper((unsigned char)sentence[1]))
        sentence[0] = (char)toupper((unsigned char)sentence[0]);
    if (size > 0 && strchr(".?!:", sentence[size - 1]) == NULL)
        (void)snprintf(sentence + size, 2, ".");
    append_words(out, sentence);
}

static void append_verbatim(struct text *out, const char *words)
{
    if (*words == '.' || *words == '\'')
        (void)text_append(out, "\\&");
    append_escaped(out, words, strlen(words));
    (void)text_append_char(out, '\n');
}

static void begin(struct text *out, const char *title, const char *section, const char *name, const char *what)
{
    (void)text_append_format(out, ".Dd %s\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", MAN_DATE, title, section, name, what);
}

/* ---- memory-connector(1) ---- */

static void append_option(struct text *out, const struct option_row *row)
{
    (void)text_append(out, ".It ");
    if (row->letter != 0)
        (void)text_append_format(out, "Fl %c , ", row->letter);
    (void)text_append(out, "Fl \\-");
    append_escaped(out, row->name, strlen(row->name));
    if (row->argument != NULL) {
        (void)text_append(out, " Ar");
        append_argument(out, row->argument);
    }
    (void)text_append_char(out, '\n');
    append_sentence(out, row->help);
}

static void append_command(struct text *out, const struct command *command)
{
    (void)text_append(out, ".It Ic");
    append_argument(out, command->name);
    if (command->arguments != NULL) {
        (void)text_append(out, " Ar");
        append_argument(out, command->arguments);
    }
    (void)text_append_char(out, '\n');
    append_sentence(out, command->summary);
    if (command->details != NULL) {
        (void)text_append(out, ".Pp\n");
        append_sentence(out, command->details);
    }
    if (command->option_count > 0) {
        (void)text_append(out, ".Bl -tag -width Ds\n");
        for (size_t i = 0; i < command->option_count; i++)
            if (!option_rows[command->options[i]].is_hidden)
                append_option(out, &option_rows[command->options[i]]);
        (void)text_append(out, ".El\n");
    }
}

static void append_examples(struct text *out)
{
    (void)text_append(out, ".Sh EXAMPLES\n.Bd -literal\n");
    for (size_t i = 0; i < command_count; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(commands[i].examples) && commands[i].examples[k] != NULL; k++)
            append_verbatim(out, commands[i].examples[k]);
    (void)text_append(out, ".Ed\n");
}

struct meaning {
    const char *word, *meaning;
};

static void append_meanings(struct text *out, const char *section, const char *macro, const struct meaning *rows, size_t count)
{
    (void)text_append_format(out, ".Sh %s\n.Bl -tag -width Ds\n", section);
    for (size_t i = 0; i < count; i++) {
        (void)text_append_format(out, ".It %s", macro);
        append_argument(out, rows[i].word);
        (void)text_append_char(out, '\n');
        append_sentence(out, rows[i].meaning);
    }
    (void)text_append(out, ".El\n");
}

static const struct meaning environment_rows[] = {
    { "MEMORY_CONNECTOR_CONFIG", "The configuration file, where --config is not given." },
    { "MEMORY_CONNECTOR_...", "Any setting: its path in capitals, two underscores between levels, such as MEMORY_CONNECTOR_LIGHTRAG__API__URL." },
    { "MEMORY_API_KEY, LIGHTRAG_API_KEY", "The keys for sync without a configuration file." },
    { "CREDENTIALS_DIRECTORY", "A folder of secrets, each in a file that is named as its setting with underscores (memory_api_api_key)." },
    { "STATE_DIRECTORY, XDG_STATE_HOME", "Where the state is kept when the configuration does not say it." },
    { "NO_COLOR, TERM", "No colours when NO_COLOR is not empty or TERM is dumb." },
    { "COLUMNS", "The width of tables on a terminal." },
};

static const struct meaning exit_rows[] = {
    { "0", "Done." },
    { "1", "Failed." },
    { "2", "The command line could not be understood." },
    { "3", "Partial: some memories failed, or a gap stays open." },
    { "4", "Differences were found (verify)." },
    { "5", "The state is in use by another process, or a run is under way." },
    { "69", "The Memory API or LightRAG cannot be reached." },
    { "71", "Out of memory." },
    { "74", "Reading or writing on our side failed, a full disk included." },
    { "75", "The target is busy: try later." },
    { "77", "A key was refused." },
    { "78", "The configuration is wrong, or the Memory API does not know the context." },
    { "130, 143", "Ended by a signal; what was begun goes on with the next run." },
};

static const struct meaning file_rows[] = {
    { "./config.yaml", "Where the configuration is looked for when neither --config nor MEMORY_CONNECTOR_CONFIG names it" },
    { "$XDG_CONFIG_HOME/memory-connector/config.yaml", "Where it is looked for next." },
    { "/etc/memory-connector/config.yaml", "Where it is looked for last; the first one that is there counts." },
    { "$XDG_STATE_HOME/memory-connector/memory-connector.db", "The state: everything that must not be forgotten, the texts included." },
};

void man_program(struct text *out)
{
    begin(out, "MEMORY-CONNECTOR", "1", "memory-connector", "carry memories from a Memory API into LightRAG");
    (void)text_append(out, ".Sh SYNOPSIS\n.Nm\n.Op Ar option ...\n.Ar command\n.Op Ar argument ...\n.Sh DESCRIPTION\n.Nm\n"
                           "reads the memories of a person from a Memory API, makes a text of each and\nputs it into LightRAG: each once, and proven to be in its graph.\n"
                           "What arrives is kept in a durable queue before anything is sent, so that\nnothing is lost when a server or this program stops at any moment.\n"
                           ".Pp\nStandard output carries data, standard error everything else.\nThe commands are:\n");
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].group != NULL)
            (void)text_append_format(out, "%s.Ss %s\n.Bl -tag -width Ds\n", i > 0 ? ".El\n" : "", commands[i].group);
        append_command(out, &commands[i]);
    }
    (void)text_append(out, ".El\n.Ss Everywhere\nThese options stand with every command:\n.Bl -tag -width Ds\n");
    for (int i = 0; i < OPTIONS; i++)
        if (option_rows[i].is_global && !option_rows[i].is_hidden)
            append_option(out, &option_rows[i]);
    (void)text_append(out, ".El\n");
    append_meanings(out, "ENVIRONMENT", "Ev", environment_rows, ARRAY_LENGTH(environment_rows));
    append_meanings(out, "FILES", "Pa", file_rows, ARRAY_LENGTH(file_rows));
    append_meanings(out, "EXIT STATUS", "Er", exit_rows, ARRAY_LENGTH(exit_rows));
    append_examples(out);
    (void)text_append(out, ".Sh SEE ALSO\n.Xr memory-connector.yaml 5\n");
}

/* ---- memory-connector.yaml(5) ---- */

static void append_number(struct text *out, const struct field *field, double value)
{
    static const struct { const char *unit; double size; } durations[] = { { "d", 86400e3 }, { "h", 3600e3 }, { "m", 60e3 }, { "s", 1e3 }, { "ms", 1 } },
        sizes[] = { { "TiB", 1099511627776.0 }, { "GiB", 1073741824.0 }, { "MiB", 1048576.0 }, { "KiB", 1024.0 }, { "", 1 } };
    size_t i = 0;

    if (field->type != FIELD_DURATION && field->type != FIELD_SIZE) {
        (void)text_append_format(out, "%.15g", value);
        return;
    }
    for (; i + 1 < ARRAY_LENGTH(durations); i++) /* the largest unit that divides it */
        if (value >= (field->type == FIELD_DURATION ? durations : sizes)[i].size &&
            fmod(value, (field->type == FIELD_DURATION ? durations : sizes)[i].size) == 0)
            break;
    (void)text_append_format(out, "%.15g%s", value / (field->type == FIELD_DURATION ? durations : sizes)[i].size,
                             value == 0 ? "" : (field->type == FIELD_DURATION ? durations : sizes)[i].unit);
}

/* What may stand there: "One of manual, interval, cron." */
static void append_values(struct text *out, const struct field *field)
{
    static const char *const types[] = {
        [FIELD_STRING] = "A text", [FIELD_SECRET] = "A secret", [FIELD_URL] = "A URL", [FIELD_BOOLEAN] = "True or false", [FIELD_INTEGER] = "A whole number",
        [FIELD_NUMBER] = "A number", [FIELD_SIZE] = "A size", [FIELD_DURATION] = "A duration", [FIELD_CHOICE] = "One of", [FIELD_LIST] = "A list of texts",
    };
    AUTO_DONE(text) struct text words = { 0 };

    text_init(&words, 0);
    (void)text_append(&words, types[field->type]);
    for (size_t i = 0; field->choices != NULL && field->choices[i] != NULL; i++)
        (void)text_append_format(&words, "%s %s", i > 0 ? "," : "", field->choices[i]);
    if (field->min != 0 || field->max != 0) {
        (void)text_append(&words, " from ");
        append_number(&words, field, field->min);
        (void)text_append(&words, " to ");
        append_number(&words, field, field->max);
    }
    if (field->required)
        (void)text_append(&words, "; it must be given");
    (void)text_append_char(&words, '.');
    if (field->only != NULL)
        (void)text_append_format(&words, " In this release it must be %s: %s.", field->only[0] != '\0' ? field->only : "empty", field->why);
    else if (field->fallback != NULL && field->fallback[0] != '\0')
        (void)text_append_format(&words, " Default: %s.", field->fallback);
    append_words(out, words.data);
    if (field->type == FIELD_SECRET && field->only == NULL)
        (void)text_append_format(out, "With\n.Cm %s_file\nit is read from a file.\n", field->name);
}

static void append_fields(struct text *out, const struct field_group *group)
{
    if (group->field_count == 0)
        return;
    (void)text_append(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        (void)text_append(out, ".It Cm");
        append_argument(out, field->name);
        (void)text_append_char(out, '\n');
        append_sentence(out, field->help != NULL ? field->help : "");
        append_values(out, field);
    }
    (void)text_append(out, ".El\n");
}

/* The same rows elsewhere under another name: "targets" has those of "lightrag". */
static const struct field_group *find_twin(const struct field_group *group)
{
    for (size_t i = 0; config_root.groups[i] != NULL && config_root.groups[i] != group; i++)
        if (config_root.groups[i]->fields == group->fields && config_root.groups[i]->groups == group->groups)
            return config_root.groups[i];
    return NULL;
}

static void append_group(struct text *out, const struct field_group *group, const char *above)
{
    const struct field_group *twin = above[0] == '\0' ? find_twin(group) : NULL;
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s%s%s%s", above, above[0] != '\0' ? "." : "", group->name,
                   group->kind == GROUP_MAP ? ".NAME" : "");
    (void)text_append(out, ".Ss");
    append_argument(out, path);
    (void)text_append_char(out, '\n');
    if (group->kind == GROUP_LIST)
        (void)snprintf(path + strlen(path), sizeof path - strlen(path), "[]"); /* of each of them */
    append_sentence(out, group->help != NULL ? group->help : group->why != NULL ? group->why : "");
    if (twin != NULL) {
        (void)text_append_format(out, "The settings are those of\n.Cm %s .\n", twin->name);
        return;
    }
    append_fields(out, group);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        append_group(out, group->groups[i], path);
}

void man_config(struct text *out)
{
    begin(out, "MEMORY-CONNECTOR.YAML", "5", "memory-connector.yaml", "configuration of memory-connector");
    (void)text_append(out, ".Sh DESCRIPTION\nThe configuration of\n.Xr memory-connector 1\nis one YAML file.\n");
    append_words(out, "A value may hold ${VAR}, ${VAR:-default} or ${VAR:?message}, which are taken from the environment or from a .env file beside it; $${ is a literal ${. "
                      "Every setting can be given in the environment too. A flag counts before the environment, that before the file, and that before the default. "
                      "A duration is a number of seconds, or 30s, 5m, 1h, 7d; a size is a number of bytes, or 8MiB. "
                      "All mistakes are said at once, each with its line and column, by");
    (void)text_append(out, ".Dl memory-connector config check\n.Sh SETTINGS\n");
    append_fields(out, &config_root);
    for (size_t i = 0; config_root.groups[i] != NULL; i++)
        append_group(out, config_root.groups[i], "");
    (void)text_append(out, ".Sh FILES\n.Bl -tag -width Ds\n.It Pa ./config.yaml\n.It Pa $XDG_CONFIG_HOME/memory\\-connector/config.yaml\n"
                           ".It Pa /etc/memory\\-connector/config.yaml\n.El\n.Sh EXAMPLES\n.Bd -literal\n"
                           "memory_api:\n  url: http://127.0.0.1:8080\n  api_key: ${MEMORY_API_KEY}\nlightrag:\n  api: { url: http://localhost:9621 }\n"
                           "connectors:\n  \\- id: personal\\-memories\n    context_id: CTX123\n    schedule: { type: interval, interval: 1h }\n.Ed\n"
                           ".Sh SEE ALSO\n.Xr memory-connector 1\n");
}
