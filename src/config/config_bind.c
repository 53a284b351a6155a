/* config_bind.c - the tree into the structs, by the tables; every problem is named, none ends the work. */
#include "config/node.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAXIMUM = 64 << 10 };

static void *at(void *record, size_t offset)
{
    return (char *)record + offset;
}

static char *join(const char *path, const char *name)
{
    return mem_format("%s%s%s", path, path[0] != '\0' ? "." : "", name);
}

/* ---- One field ---- */

static void bind_scalar(const struct field *field, void *record, const struct node *node, const char *path, struct config_problems *problems)
{
    struct error err = { 0 };

    if (node->text == NULL)
        return; /* "key:" without a value: the default */
    if (field_set(field, record, node->text, &err) < 0)
        config_problem_add(problems, false, "%s: %s: %s", node->origin, path, err.message);
}

static void bind_list(const struct field *field, void *record, const struct node *node, const char *path, struct config_problems *problems)
{
    struct field_list *list = at(record, field->offset);

    if (field->only != NULL && node->count > 0) {
        config_problem_add(problems, false, "%s: %s: %s; leave it empty", node->origin, path, field->why);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (node->children[i].kind == NODE_SCALAR && node->children[i].text != NULL)
            field_list_add(list, node->children[i].text);
        else
            config_problem_add(problems, false, "%s: %s[%zu]: expected a text", node->children[i].origin, path, i);
    }
}

static void bind_field(const struct field *field, void *record, const struct node *node, const char *path, struct config_problems *problems)
{
    if (field->type == FIELD_LIST && node->kind == NODE_LIST)
        bind_list(field, record, node, path, problems);
    else if (node->kind != NODE_SCALAR)
        config_problem_add(problems, false, "%s: %s: expected %s, not %s", node->origin, path, field_type_words(field),
                           node->kind == NODE_MAP ? "a mapping" : "a list");
    else
        bind_scalar(field, record, node, path, problems);
}

/* ---- Secrets from files ---- */

static void read_secret(const struct field *field, void *record, const char *file, const char *origin, const char *path, struct config_problems *problems)
{
    AUTO_DONE(text) struct text content = { 0 };
    struct error err = { 0 };

    text_init(&content, SECRET_MAXIMUM);
    if (file_read(file, SECRET_MAXIMUM, &content, &err) < 0) {
        config_problem_add(problems, false, "%s: %s: %s", origin, path, err.message);
        return;
    }
    if (content.size > 0 && content.data[content.size - 1] == '\n')
        text_truncate(&content, content.size - 1);
    if (content.size > 0 && content.data[content.size - 1] == '\r')
        text_truncate(&content, content.size - 1);
    if (strlen(content.data) != content.size || strpbrk(content.data, "\r\n") != NULL) {
        config_problem_add(problems, false, "%s: %s: the file %s holds more than one line", origin, path, file);
        return;
    }
    if (file_is_readable_by_others(file))
        config_problem_add(problems, true, "%s: %s: the file %s is readable by others: chmod 600 it", origin, path, file);
    if (field_set(field, record, content.data, &err) < 0)
        config_problem_add(problems, false, "%s: %s: %s", origin, path, err.message);
}

static void bind_secret_file(const struct field_group *group, const struct field *field, void *record, const struct node *map, const char *path,
                             struct config_problems *problems)
{
    AUTO_STRING char *name = mem_format("%s_file", field->name);
    AUTO_STRING char *full = join(path, name);
    const struct node *node = node_find(map, name);
    const struct node *direct = node_find(map, field->name);
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    (void)group;
    if (node != NULL && node->kind == NODE_SCALAR && node->text != NULL && node->text[0] != '\0') {
        if (direct != NULL && direct->text != NULL && direct->text[0] != '\0')
            config_problem_add(problems, false, "%s: %s: stands beside %s: give one of the two", node->origin, full, field->name);
        else
            read_secret(field, record, node->text, node->origin, full, problems);
    } else if (folder != NULL && (direct == NULL || direct->text == NULL || direct->text[0] == '\0')) {
        AUTO_STRING char *file = mem_format("%s/%s%s%s", folder, path, path[0] != '\0' ? "_" : "", field->name);
        for (char *c = file + strlen(folder) + 1; *c != '\0'; c++)
            if (*c == '.')
                *c = '_';
        if (access(file, R_OK) == 0)
            read_secret(field, record, file, "$CREDENTIALS_DIRECTORY", full, problems);
    }
}

/* ---- Groups ---- */

static bool is_secret_file(const struct field_group *group, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < group->field_count; i++)
        if (group->fields[i].type == FIELD_SECRET && length == strlen(group->fields[i].name) + 5 &&
            strncmp(group->fields[i].name, key, length - 5) == 0 && strcmp(key + length - 5, "_file") == 0)
            return true;
    return false;
}

static void report_unknown(const struct field_group *group, const struct node *node, const char *path, struct config_problems *problems)
{
    const char *nearest = fields_nearest(group, node->key);

    if (nearest != NULL)
        config_problem_add(problems, false, "%s: %s: there is no such setting; did you mean \"%s\"?", node->origin, path, nearest);
    else
        config_problem_add(problems, false, "%s: %s: there is no such setting", node->origin, path);
}

static void bind_array(const struct field_group *group, void *record, const struct node *node, const char *path, struct config_problems *problems)
{
    enum node_kind wanted = group->kind == GROUP_LIST ? NODE_LIST : NODE_MAP;

    if (node->kind == NODE_SCALAR && node->text == NULL)
        return;
    if (node->kind != wanted) {
        config_problem_add(problems, false, "%s: %s: expected %s", node->origin, path,
                           wanted == NODE_LIST ? "a list (lines that begin with \"- \")" : "a mapping of names");
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = &node->children[i];
        AUTO_STRING char *below = group->kind == GROUP_LIST ? mem_format("%s[%zu]", path, i) : join(path, child->key);
        void *item = field_array_add(group, record);
        if (group->kind == GROUP_MAP)
            *(char **)at(item, group->name_offset) = mem_copy_string(child->key);
        if (child->kind == NODE_MAP)
            config_bind(group, item, child, below, problems);
        else
            config_problem_add(problems, false, "%s: %s: expected a mapping", child->origin, below);
    }
}

static void bind_child(const struct field_group *group, void *record, const struct node *child, const char *path, struct config_problems *problems)
{
    AUTO_STRING char *below = join(path, child->key);
    const struct field *field = fields_find(group, child->key);
    const struct field_group *sub = fields_find_group(group, child->key);

    if (field != NULL)
        bind_field(field, record, child, below, problems);
    else if (sub != NULL && sub->kind != GROUP_ONE)
        bind_array(sub, record, child, below, problems);
    else if (sub != NULL && child->kind == NODE_MAP)
        config_bind(sub, at(record, sub->offset), child, below, problems);
    else if (sub != NULL && !(child->kind == NODE_SCALAR && child->text == NULL))
        config_problem_add(problems, false, "%s: %s: expected a mapping", child->origin, below);
    else if (sub == NULL && !is_secret_file(group, child->key))
        report_unknown(group, child, below, problems);
}

void config_bind(const struct field_group *group, void *record, const struct node *node, const char *path, struct config_problems *problems)
{
    for (size_t i = 0; i < node->count; i++)
        bind_child(group, record, &node->children[i], path, problems);
    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        const struct node *found = node_find(node, field->name);
        if (field->type == FIELD_SECRET)
            bind_secret_file(group, field, record, node, path, problems);
        if (field->required && (found == NULL || found->text == NULL || found->text[0] == '\0')) {
            AUTO_STRING char *below = join(path, field->name);
            config_problem_add(problems, false, "%s: %s: is missing (%s)", node->origin != NULL ? node->origin : "configuration", below, field->help);
        }
    }
}
