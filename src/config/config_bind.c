/* config_bind.c - the tree into the structs, by the tables; every problem is named, none ends the work. */
#include "config/node.h"

#include "base/file.h"
#include "base/mem.h"

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

static void bind_scalar(struct config_binder *binder, const struct field *field, void *record, const struct node *node, const char *path)
{
    struct error err = { 0 };
    int result;

    if (node->text == NULL)
        return; /* "key:" without a value: the default */
    if (field->type == FIELD_SECRET && node->line > 0 && !node->is_unseen && node->text[0] != '\0')
        binder->has_plain_secret = true;
    result = node->is_unseen ? field_set_unseen(field, record, node->text, &err) : field_set(field, record, node->text, &err);
    if (result < 0)
        config_error(binder->problems, node, path, "%s", err.message);
}

static void bind_list(struct config_binder *binder, const struct field *field, void *record, const struct node *node, const char *path)
{
    struct field_list *list = at(record, field->offset);

    if (field->only != NULL && node->count > 0) {
        config_error(binder->problems, node, path, "is not possible: %s; leave it empty", field->why);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (node->children[i].kind == NODE_SCALAR && node->children[i].text != NULL) {
            field_list_add(list, node->children[i].text);
        } else {
            AUTO_STRING char *element = mem_format("%s[%zu]", path, i);
            config_error(binder->problems, &node->children[i], element, "expected a text");
        }
    }
}

static void bind_field(struct config_binder *binder, const struct field *field, void *record, const struct node *node, const char *path)
{
    if (field->type == FIELD_LIST && node->kind == NODE_LIST)
        bind_list(binder, field, record, node, path);
    else if (node->kind != NODE_SCALAR)
        config_error(binder->problems, node, path, "expected %s, not %s", field_type_words(field), node->kind == NODE_MAP ? "a mapping" : "a list");
    else
        bind_scalar(binder, field, record, node, path);
}

/* ---- Secrets from files ---- */

static bool read_secret(struct config_binder *binder, const struct field *field, void *record, const char *file, const struct node *node, const char *path)
{
    AUTO_DONE(text) struct text content = { 0 };
    struct error err = { 0 };

    text_init(&content, SECRET_MAXIMUM);
    if (file_read(file, SECRET_MAXIMUM, &content, &err) < 0) {
        config_error(binder->problems, node, path, "%s", err.message);
        return false;
    }
    if (content.size > 0 && content.data[content.size - 1] == '\n')
        text_truncate(&content, content.size - 1);
    if (content.size > 0 && content.data[content.size - 1] == '\r')
        text_truncate(&content, content.size - 1);
    if (strlen(content.data) != content.size || strpbrk(content.data, "\r\n") != NULL)
        config_error(binder->problems, node, path, "the file %s holds more than one line", file);
    else if (field_set_unseen(field, record, content.data, &err) < 0)
        config_error(binder->problems, node, path, "the file %s: %s", file, err.message);
    else
        return true;
    return false;
}

static bool says_something(const struct node *node)
{
    return node != NULL && (node->kind != NODE_SCALAR || (node->text != NULL && node->text[0] != '\0'));
}

/* systemd puts credentials into a folder that only the service sees, under names of our choice: lightrag_api_api_key. */
static char *credential_of(const struct config_binder *binder, const char *path, const char *name)
{
    const char *folder = config_environment_get_process(binder->environment, "CREDENTIALS_DIRECTORY");
    char *file;

    if (folder == NULL || folder[0] == '\0')
        return NULL;
    file = mem_format("%s/%s%s%s", folder, path, path[0] != '\0' ? "_" : "", name);
    for (char *c = file + strlen(folder) + 1; *c != '\0'; c++)
        if (strchr(".[]", *c) != NULL)
            *c = '_';
    if (access(file, F_OK) == 0)
        return file;
    mem_free(file);
    return NULL;
}

static void bind_secret_file(struct config_binder *binder, const struct field *field, void *record, const struct node *map, const char *path)
{
    AUTO_STRING char *name = mem_format("%s_file", field->name);
    AUTO_STRING char *full = join(path, name);
    AUTO_STRING char *credential = NULL;
    const struct node *node = node_find(map, name);
    const struct node *direct = node_find(map, field->name);

    if (says_something(node) && node->kind != NODE_SCALAR) {
        config_error(binder->problems, node, full, "expected the path of a file");
    } else if (says_something(node) && says_something(direct)) {
        config_error(binder->problems, node, full, "stands beside %s: give one of the two", field->name);
    } else if (says_something(node)) {
        if (read_secret(binder, field, record, node->text, node, full) && file_is_readable_by_others(node->text))
            config_warn_of_open_file(binder->problems, node, full, node->text);
    } else if (!says_something(direct) && (credential = credential_of(binder, path, field->name)) != NULL) {
        struct node place = { .source = credential };
        (void)read_secret(binder, field, record, credential, &place, full);
    }
}

/* ---- Names that are none ---- */

static bool is_secret_file(const struct field_group *group, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < group->field_count; i++)
        if (group->fields[i].type == FIELD_SECRET && length == strlen(group->fields[i].name) + 5 &&
            strncmp(group->fields[i].name, key, length - 5) == 0 && strcmp(key + length - 5, "_file") == 0)
            return true;
    return false;
}

/* The setting of that very name further down: "api.url" when somebody wrote lightrag.url. NULL: none. Owned by the caller. */
static char *find_below(const struct field_group *group, const char *name)
{
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        const struct field_group *sub = group->groups[i];
        AUTO_STRING char *deeper = NULL;
        if (sub->kind != GROUP_ONE)
            continue;
        if (fields_find(sub, name) != NULL || fields_find_group(sub, name) != NULL || is_secret_file(sub, name))
            return join(sub->name, name);
        deeper = find_below(sub, name);
        if (deeper != NULL)
            return join(sub->name, deeper);
    }
    return NULL;
}

static void report_unknown(struct config_binder *binder, const struct field_group *group, const struct node *node, const char *path)
{
    AUTO_STRING char *below = find_below(group, node->key);
    const char *nearest = below != NULL ? below : fields_nearest(group, node->key);
    struct node place = *node;

    if (node->key_line > 0) {
        place.line = node->key_line;
        place.column = node->key_column;
    }
    if (group->why != NULL)
        config_error(binder->problems, &place, path, "is not possible: %s", group->why);
    else if (nearest != NULL)
        config_error(binder->problems, &place, path, "there is no such setting; did you mean \"%s\"?", nearest);
    else
        config_error(binder->problems, &place, path, "there is no such setting");
}

/* ---- Groups ---- */

static void bind_array(struct config_binder *binder, const struct field_group *group, void *record, const struct node *node, const char *path)
{
    enum node_kind wanted = group->kind == GROUP_LIST ? NODE_LIST : NODE_MAP;

    if (node->kind == NODE_SCALAR && node->text == NULL)
        return;
    if (node->kind != wanted) {
        config_error(binder->problems, node, path, "expected %s", wanted == NODE_LIST ? "a list (lines that begin with \"- \")" : "a mapping of names");
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = &node->children[i];
        AUTO_STRING char *below = group->kind == GROUP_LIST ? mem_format("%s[%zu]", path, i) : join(path, child->key);
        void *item = field_array_add(group, record);
        if (group->kind == GROUP_MAP)
            *(char **)at(item, group->name_offset) = mem_copy_string(child->key);
        if (child->kind == NODE_MAP)
            config_bind(binder, group, item, child, below);
        else
            config_error(binder->problems, child, below, "expected a mapping");
    }
}

static bool list_names(const struct node *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct node *child = &list->children[i];
        if (child->kind == NODE_SCALAR && child->text != NULL && strcmp(child->text, name) == 0)
            return true;
        for (size_t k = 0; child->kind == NODE_MAP && k < child->count; k++)
            if (strcmp(child->children[k].key, name) == 0)
                return true;
    }
    return false;
}

/* "alert_on: [consecutive_failures: 3, dead_letters]": what does not stand there is off. */
static void bind_as_list(struct config_binder *binder, const struct field_group *group, void *record, const struct node *list, const char *path)
{
    for (size_t i = 0; i < group->field_count; i++)
        if (!list_names(list, group->fields[i].name))
            (void)field_set(&group->fields[i], record, "0", NULL);
    for (size_t i = 0; i < list->count; i++) {
        const struct node *child = &list->children[i];
        if (child->kind == NODE_MAP) {
            config_bind(binder, group, record, child, path);
        } else if (child->kind == NODE_SCALAR && child->text != NULL) {
            struct node named = *child; /* by its name alone: with its default */
            named.key = child->text;
            if (fields_find(group, child->text) == NULL)
                report_unknown(binder, group, &named, path);
        }
    }
}

static void bind_group(struct config_binder *binder, const struct field_group *group, void *record, const struct node *node, const char *path)
{
    if (group->kind != GROUP_ONE)
        bind_array(binder, group, record, node, path);
    else if (node->kind == NODE_MAP)
        config_bind(binder, group, at(record, group->offset), node, path);
    else if (node->kind == NODE_LIST && group->is_list_too)
        bind_as_list(binder, group, at(record, group->offset), node, path);
    else if (node->kind == NODE_LIST || node->text != NULL)
        config_error(binder->problems, node, path, "expected a mapping");
}

static void bind_child(struct config_binder *binder, const struct field_group *group, void *record, const struct node *child, const char *path)
{
    AUTO_STRING char *below = join(path, child->key);
    const struct field *field = fields_find(group, child->key);
    const struct field_group *sub = fields_find_group(group, child->key);

    if (field != NULL)
        bind_field(binder, field, record, child, below);
    else if (sub != NULL)
        bind_group(binder, sub, record, child, below);
    else if (!is_secret_file(group, child->key))
        report_unknown(binder, group, child, below);
}

/* Sections that nobody wrote have credentials all the same. */
static void bind_missing_groups(struct config_binder *binder, const struct field_group *group, void *record, const struct node *node, const char *path)
{
    static const struct node empty = { .kind = NODE_MAP };

    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        const struct field_group *sub = group->groups[i];
        AUTO_STRING char *below = join(path, sub->name);
        if (sub->kind == GROUP_ONE && !says_something(node_find(node, sub->name)))
            config_bind(binder, sub, at(record, sub->offset), &empty, below);
    }
}

void config_bind(struct config_binder *binder, const struct field_group *group, void *record, const struct node *node, const char *path)
{
    for (size_t i = 0; i < node->count; i++)
        bind_child(binder, group, record, &node->children[i], path);
    bind_missing_groups(binder, group, record, node, path);
    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        if (field->type == FIELD_SECRET)
            bind_secret_file(binder, field, record, node, path);
        if (field->required && !says_something(node_find(node, field->name))) {
            AUTO_STRING char *below = join(path, field->name);
            config_error(binder->problems, node, below, "is missing (%s)", field->help);
        }
    }
}
