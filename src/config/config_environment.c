/* config_environment.c - ${VAR} in values, MEMORY_CONNECTOR_* variables, and the .env file beside the configuration. */
#include "config/node.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "MEMORY_CONNECTOR_";
enum { DOTENV_MAXIMUM = 1 << 20, PATH_DEPTH = 8, VALUE_MAXIMUM = 1 << 16 };

/* ---- .env ---- */

static void add_variable(struct config_environment *environment, const char *name, const char *value, size_t value_size)
{
    size_t at = 0;

    while (at < environment->count && strcmp(environment->names[at], name) != 0)
        at++;
    if (at == environment->count) {
        environment->names = mem_resize(environment->names, environment->count + 1, sizeof *environment->names);
        environment->values = mem_resize(environment->values, environment->count + 1, sizeof *environment->values);
        environment->names[at] = mem_copy_string(name);
        environment->count++;
    } else {
        mem_free(environment->values[at]); /* the later line wins, as in a shell */
    }
    environment->values[at] = mem_copy_bytes(value, value_size);
}

static void read_line(struct config_environment *environment, const char *path, size_t number, char *line, struct config_problems *problems)
{
    struct node place = { .source = (char *)(uintptr_t)path, .line = number, .column = 1 };
    char *equals, *value;
    size_t length;

    line += strspn(line, " \t\r");
    if (strncmp(line, "export ", 7) == 0)
        line += 7;
    if (*line == '\0' || *line == '#')
        return;
    equals = strchr(line, '=');
    if (equals == NULL || equals == line) {
        config_error(problems, &place, "", "expected NAME=value");
        return;
    }
    *equals = '\0';
    value = equals + 1;
    length = strlen(value);
    while (length > 0 && isspace((unsigned char)value[length - 1]))
        length--;
    if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
        value++;
        length -= 2;
    }
    add_variable(environment, line, value, length);
}

void config_environment_read(struct config_environment *environment, const char *path, struct config_problems *problems)
{
    AUTO_DONE(text) struct text content = { 0 };
    struct error err = { 0 };
    size_t number = 0;

    text_init(&content, DOTENV_MAXIMUM);
    if (access(path, F_OK) < 0)
        return;
    if (file_read(path, DOTENV_MAXIMUM, &content, &err) < 0) {
        config_error(problems, NULL, "", "%s", err.message);
        return;
    }
    for (char *line = content.data; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        read_line(environment, path, ++number, line, problems);
        line = end != NULL ? end + 1 : NULL;
    }
}

void config_environment_done(struct config_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        mem_free(environment->names[i]);
        mem_free(environment->values[i]);
    }
    mem_free(environment->names);
    mem_free(environment->values);
    *environment = (struct config_environment){ 0 };
}

const char *config_environment_get_process(const struct config_environment *environment, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; environment->variables != NULL && environment->variables[i] != NULL; i++)
        if (strncmp(environment->variables[i], name, length) == 0 && environment->variables[i][length] == '=')
            return environment->variables[i] + length + 1;
    return NULL;
}

const char *config_environment_get(const struct config_environment *environment, const char *name)
{
    const char *value = config_environment_get_process(environment, name);

    for (size_t i = 0; value == NULL && i < environment->count; i++)
        if (strcmp(environment->names[i], name) == 0)
            value = environment->values[i];
    return value;
}

/* ---- ${...} ---- */

struct expansion {
    const struct config_environment *environment;
    struct config_problems *problems;
    struct node *node;
    const char *path;
    struct text out;
};

static size_t name_length(const char *at)
{
    size_t length = 0;

    while (isalnum((unsigned char)at[length]) || at[length] == '_')
        length++;
    return isdigit((unsigned char)at[0]) ? 0 : length;
}

static void report_unset(const struct expansion *expansion, const char *name, const char *rest, size_t rest_size)
{
    if (rest_size > 2)
        config_error(expansion->problems, expansion->node, expansion->path, "%s is not set: %.*s", name, (int)(rest_size - 2), rest + 2);
    else if (rest_size == 2)
        config_error(expansion->problems, expansion->node, expansion->path, "%s is not set", name);
    else
        config_error(expansion->problems, expansion->node, expansion->path,
                     "the environment variable %s is not set; set it, or write ${%s:-} for an empty default", name, name);
}

/* One ${...}; at is behind the brace, the result behind the closing one. */
static const char *expand_one(struct expansion *expansion, const char *at)
{
    const char *end = strchr(at, '}');
    size_t length = name_length(at);
    const char *rest = at + length;
    AUTO_STRING char *name = mem_copy_bytes(at, length);
    const char *value = config_environment_get(expansion->environment, name);
    bool has_default = rest[0] == ':' && rest[1] == '-';
    bool is_demanded = rest[0] == ':' && rest[1] == '?';
    const char *inner = strstr(rest, "${");

    if (end == NULL) {
        config_error(expansion->problems, expansion->node, expansion->path, "\"${\" is not closed; a literal one is written \"$${\"");
        return at + strlen(at);
    }
    if (length == 0 || (rest != end && !has_default && !is_demanded)) {
        config_error(expansion->problems, expansion->node, expansion->path,
                     "\"${%.*s}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}; a literal \"${\" is written \"$${\"", (int)(end - at), at);
        return end + 1;
    }
    if (inner != NULL && inner < end) {
        config_error(expansion->problems, expansion->node, expansion->path, "a variable cannot stand inside of ${%s...}", name);
        return at + strlen(at);
    }
    if (value != NULL && (value[0] != '\0' || rest == end)) { /* as in a shell: the colon forms take empty for unset */
        (void)text_append(&expansion->out, value);
        expansion->node->is_unseen = true;
    } else if (has_default) {
        (void)text_append_bytes(&expansion->out, rest + 2, (size_t)(end - rest - 2));
    } else {
        report_unset(expansion, name, rest, (size_t)(end - rest));
    }
    return end + 1;
}

static void expand_scalar(struct node *node, const struct config_environment *environment, const char *path, struct config_problems *problems)
{
    struct expansion expansion = { .environment = environment, .problems = problems, .node = node, .path = path };
    const char *at = node->text;

    text_init(&expansion.out, VALUE_MAXIMUM);
    while (*at != '\0') {
        if (strncmp(at, "$${", 3) == 0) {
            (void)text_append(&expansion.out, "${");
            at += 3;
        } else if (strncmp(at, "${", 2) == 0) {
            at = expand_one(&expansion, at + 2);
        } else {
            (void)text_append_char(&expansion.out, *at++);
        }
    }
    if (expansion.out.overflow)
        config_error(problems, node, path, "is longer than %d bytes once its variables are filled in", VALUE_MAXIMUM);
    mem_free(node->text);
    node->text = text_take(&expansion.out);
    text_done(&expansion.out);
}

void config_expand(struct node *node, const struct config_environment *environment, const char *path, struct config_problems *problems)
{
    if (node->kind == NODE_SCALAR && node->text != NULL && !node->is_literal && strstr(node->text, "${") != NULL)
        expand_scalar(node, environment, path, problems);
    for (size_t i = 0; i < node->count; i++) {
        AUTO_STRING char *below = node->kind == NODE_LIST ? mem_format("%s[%zu]", path, i)
                                                          : mem_format("%s%s%s", path, path[0] != '\0' ? "." : "", node->children[i].key);
        config_expand(&node->children[i], environment, below, problems);
    }
}

/* ---- MEMORY_CONNECTOR_A__B ---- */

struct setting {
    char *name;         /* owned; without the prefix */
    const char *value;
};

/* Not every variable of the prefix is a setting: CONFIG names the file, CACHE is the demo's, and Kubernetes sets the others for a service that is
 * called memory-connector. */
static bool is_setting(const char *name)
{
    static const char *const kubernetes[] = { "SERVICE_HOST", "SERVICE_PORT", "PORT" };

    for (size_t i = 0; strstr(name, "__") == NULL && i < ARRAY_LENGTH(kubernetes); i++)
        if (strncmp(name, kubernetes[i], strlen(kubernetes[i])) == 0)
            return false;
    return strcmp(name, "CONFIG") != 0 && strcmp(name, "CACHE") != 0;
}

static void add_setting(struct setting **settings, size_t *count, const char *name, size_t length, const char *value)
{
    AUTO_STRING char *rest = NULL;

    if (length < sizeof prefix || strncmp(name, prefix, sizeof prefix - 1) != 0)
        return;
    rest = mem_copy_bytes(name + sizeof prefix - 1, length - (sizeof prefix - 1));
    if (!is_setting(rest))
        return;
    *settings = mem_resize(*settings, *count + 1, sizeof **settings);
    (*settings)[(*count)++] = (struct setting){ TAKE(rest), value };
}

/* By name, numbers by their size. */
static int compare_settings(const void *a, const void *b)
{
    const char *left = ((const struct setting *)a)->name;
    const char *right = ((const struct setting *)b)->name;

    for (; *left != '\0' && *right != '\0'; left++, right++) {
        size_t digits_left = strspn(left, "0123456789");
        size_t digits_right = strspn(right, "0123456789");
        if (digits_left > 0 && digits_right > 0 && digits_left != digits_right)
            return digits_left < digits_right ? -1 : 1;
        if (*left != *right)
            break;
    }
    return (unsigned char)*left - (unsigned char)*right;
}

static void put_setting(struct node *root, const struct setting *setting, struct config_problems *problems)
{
    AUTO_STRING char *path = mem_copy_string(setting->name);
    AUTO_STRING char *source = mem_format("environment %s%s", prefix, setting->name);
    struct node place = { .source = source };
    const char *parts[PATH_DEPTH];
    size_t depth = 0;

    for (char *c = path; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    for (char *at = path; at != NULL && depth < PATH_DEPTH;) {
        char *next = strstr(at, "__");
        if (next != NULL) {
            *next = '\0';
            next += 2;
        }
        parts[depth++] = at;
        at = next;
    }
    if (!node_put(root, parts, depth, setting->value, source))
        config_error(problems, &place, "", "this path does not fit the configuration (levels are joined by \"__\", elements of lists are numbers from 0)");
}

void config_put_environment(struct node *root, const struct config_environment *environment, struct config_problems *problems)
{
    struct setting *settings = NULL;
    size_t count = 0;

    for (size_t i = 0; i < environment->count; i++)
        if (config_environment_get_process(environment, environment->names[i]) == NULL)
            add_setting(&settings, &count, environment->names[i], strlen(environment->names[i]), environment->values[i]);
    for (size_t i = 0; environment->variables != NULL && environment->variables[i] != NULL; i++) {
        const char *equals = strchr(environment->variables[i], '=');
        if (equals != NULL)
            add_setting(&settings, &count, environment->variables[i], (size_t)(equals - environment->variables[i]), equals + 1);
    }
    if (count > 0) /* an environment has no order, but element 0 has to come before element 1 */
        qsort(settings, count, sizeof *settings, compare_settings);
    for (size_t i = 0; i < count; i++) {
        put_setting(root, &settings[i], problems);
        mem_free(settings[i].name);
    }
    mem_free(settings);
}
