/* config_environment.c - ${VAR} in values, MEMORY_CONNECTOR_* variables, and the .env file beside the configuration. */
#include "config/node.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const char prefix[] = "MEMORY_CONNECTOR_";
enum { DOTENV_MAXIMUM = 1 << 20, PATH_DEPTH = 8, VALUE_MAXIMUM = 1 << 16 };

/* ---- .env ---- */

static void add_variable(struct config_environment *environment, const char *name, size_t name_size, const char *value, size_t value_size)
{
    environment->names = mem_resize(environment->names, environment->count + 1, sizeof *environment->names);
    environment->values = mem_resize(environment->values, environment->count + 1, sizeof *environment->values);
    environment->names[environment->count] = mem_copy_bytes(name, name_size);
    environment->values[environment->count++] = mem_copy_bytes(value, value_size);
}

static void read_line(struct config_environment *environment, const char *path, int number, char *line, struct config_problems *problems)
{
    char *equals, *value;
    size_t length;

    line += strspn(line, " \t");
    if (strncmp(line, "export ", 7) == 0)
        line += 7;
    if (*line == '\0' || *line == '#')
        return;
    equals = strchr(line, '=');
    if (equals == NULL || equals == line) {
        config_problem_add(problems, false, "%s:%d:1: expected NAME=value", path, number);
        return;
    }
    value = equals + 1;
    length = strlen(value);
    while (length > 0 && isspace((unsigned char)value[length - 1]))
        length--;
    if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
        value++;
        length -= 2;
    }
    add_variable(environment, line, (size_t)(equals - line), value, length);
}

void config_environment_read(struct config_environment *environment, const char *path, struct config_problems *problems)
{
    AUTO_DONE(text) struct text content = { 0 };
    struct error err = { 0 };
    int number = 0;

    text_init(&content, DOTENV_MAXIMUM);
    if (access(path, F_OK) < 0)
        return;
    if (file_read(path, DOTENV_MAXIMUM, &content, &err) < 0) {
        config_problem_add(problems, false, "%s", err.message);
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

const char *config_environment_get(const struct config_environment *environment, const char *name)
{
    const char *value = getenv(name);

    for (size_t i = 0; value == NULL && i < environment->count; i++)
        if (strcmp(environment->names[i], name) == 0)
            value = environment->values[i];
    return value;
}

/* ---- ${...} ---- */

struct expansion {
    const struct config_environment *environment;
    struct config_problems *problems;
    const struct node *node;
    const char *path;
    struct text out;
};

/* One ${...}; at is behind the brace, the result behind the closing one. */
static const char *expand_one(struct expansion *expansion, const char *at)
{
    const char *end = strchr(at, '}');
    const char *name_end = at + strcspn(at, ":}");
    AUTO_STRING char *name = NULL;
    const char *value;

    if (end == NULL || name_end == at) {
        config_problem_add(expansion->problems, false, "%s: %s: \"${\" is not closed or has no name; a literal one is written \"$${\"",
                           expansion->node->origin, expansion->path);
        return at + strlen(at);
    }
    name = mem_copy_bytes(at, (size_t)(name_end - at));
    value = config_environment_get(expansion->environment, name);
    if (value != NULL && (value[0] != '\0' || name_end == end)) {
        (void)text_append(&expansion->out, value);
    } else if (name_end[0] == ':' && name_end[1] == '-') {
        (void)text_append_bytes(&expansion->out, name_end + 2, (size_t)(end - name_end - 2));
    } else if (name_end[0] == ':' && name_end[1] == '?') {
        config_problem_add(expansion->problems, false, "%s: %s: %s is not set: %.*s", expansion->node->origin, expansion->path, name,
                           (int)(end - name_end - 2), name_end + 2);
    } else if (name_end != end) {
        config_problem_add(expansion->problems, false, "%s: %s: \"${%.*s}\" is not ${NAME}, ${NAME:-default} or ${NAME:?message}",
                           expansion->node->origin, expansion->path, (int)(end - at), at);
    } else {
        config_problem_add(expansion->problems, false, "%s: %s: the environment variable %s is not set; set it, or write ${%s:-} for an empty default",
                           expansion->node->origin, expansion->path, name, name);
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
    mem_free(node->text);
    node->text = text_take(&expansion.out);
}

void config_expand(struct node *node, const struct config_environment *environment, const char *path, struct config_problems *problems)
{
    if (node->kind == NODE_SCALAR && node->text != NULL && strstr(node->text, "${") != NULL)
        expand_scalar(node, environment, path, problems);
    for (size_t i = 0; i < node->count; i++) {
        AUTO_STRING char *below = node->kind == NODE_LIST ? mem_format("%s[%zu]", path, i)
                                                          : mem_format("%s%s%s", path, path[0] != '\0' ? "." : "", node->children[i].key);
        config_expand(&node->children[i], environment, below, problems);
    }
}

/* ---- MEMORY_CONNECTOR_A__B ---- */

static void put_variable(struct node *root, const char *name, const char *value, struct config_problems *problems)
{
    AUTO_STRING char *path = mem_copy_string(name + sizeof prefix - 1);
    AUTO_STRING char *origin = mem_format("environment %s", name);
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
    if (!node_put(root, parts, depth, value, origin))
        config_problem_add(problems, false, "%s: this path does not fit the configuration", origin);
}

/* MEMORY_CONNECTOR_CONFIG names the file, and is no setting. */
static bool is_setting(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && strcmp(name, "MEMORY_CONNECTOR_CONFIG") != 0 && strcmp(name, "MEMORY_CONNECTOR_CACHE") != 0;
}

void config_put_environment(struct node *root, const struct config_environment *environment, struct config_problems *problems)
{
    for (size_t i = 0; i < environment->count; i++)
        if (is_setting(environment->names[i]) && getenv(environment->names[i]) == NULL)
            put_variable(root, environment->names[i], environment->values[i], problems);
    for (char **variable = environ; *variable != NULL; variable++) {
        const char *equals = strchr(*variable, '=');
        AUTO_STRING char *name = NULL;
        if (equals == NULL)
            continue;
        name = mem_copy_bytes(*variable, (size_t)(equals - *variable));
        if (is_setting(name))
            put_variable(root, name, equals + 1, problems);
    }
}
