/* config_convert_walk.c - the walk through the old file, the new tree that grows from it, and what is told about both. */
#include "config/config_convert_internal.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Our own tables by path ---- */

/* The group that a path of ours names; *ret_field when its last name is a field of that group. */
const struct field_group *convert_find_group(const char *path, const struct field **ret_field)
{
    const struct field_group *group = &config_root;

    *ret_field = NULL;
    while (group != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        AUTO_STRING char *name = mem_copy_bytes(path, length);
        path += length + (path[length] == '.' ? 1 : 0);
        if (*path == '\0' && (*ret_field = fields_find(group, name)) != NULL)
            return group;
        group = fields_find_group(group, name);
    }
    return group;
}

/* A secret's x_file is a text. */
const struct field *convert_find_field(const char *path)
{
    static const struct field a_path = { .name = "", .type = FIELD_STRING };
    const struct field *field = NULL;
    size_t length = strlen(path);

    (void)convert_find_group(path, &field);
    if (field == NULL && length > 5 && strcmp(path + length - 5, "_file") == 0) {
        AUTO_STRING char *secret = mem_copy_bytes(path, length - 5);
        (void)convert_find_group(secret, &field);
        field = field != NULL && field->type == FIELD_SECRET ? &a_path : NULL;
    }
    return field;
}

/* ---- The new tree ---- */

bool convert_is_blank(const struct node *old)
{
    return old->kind == NODE_SCALAR && (old->text == NULL || old->text[0] == '\0');
}

void convert_copy(struct node *to, const struct node *from)
{
    char *key = TAKE(to->key);

    node_done(to);
    *to = (struct node){ .kind = from->kind, .key = key, .text = mem_copy_string(from->text), .source = mem_copy_string(from->source), .line = from->line,
                         .column = from->column, .key_line = from->key_line, .key_column = from->key_column };
    for (size_t i = 0; i < from->count; i++) {
        struct node *child = node_add(to, from->children[i].key, NULL);
        convert_copy(child, &from->children[i]);
    }
}

static struct node *make_at(struct node *map, const char *path)
{
    while (*path != '\0') {
        size_t length = strcspn(path, ".");
        AUTO_STRING char *name = mem_copy_bytes(path, length);
        struct node *child;
        if (map->kind != NODE_MAP) {
            char *key = TAKE(map->key);
            node_done(map);
            *map = (struct node){ .kind = NODE_MAP, .key = key };
        }
        child = node_find(map, name);
        map = child != NULL ? child : node_add(map, name, NULL);
        path += length + (path[length] == '.' ? 1 : 0);
    }
    return map;
}

struct node *convert_set(struct node *map, const char *path, const char *value)
{
    struct node *node = make_at(map, path);
    char *key = TAKE(node->key);

    node_done(node);
    *node = (struct node){ .kind = NODE_SCALAR, .key = key, .text = mem_copy_string(value) };
    return node;
}

struct node *convert_place_for(struct converter *converter, const char *to)
{
    static const char prefix[] = "connectors.";

    if (converter->connector != NULL && strncmp(to, prefix, sizeof prefix - 1) == 0)
        return make_at(converter->connector, to + sizeof prefix - 1);
    return make_at(converter->root, to);
}

/* A new setting that stood at old. NULL: another has been written there already, and that was said. */
struct node *convert_put(struct converter *converter, const char *to, const struct node *old, const char *path)
{
    struct node *node = convert_place_for(converter, to);

    if (node->source != NULL) {
        convert_add_note(converter, CONVERT_MISSING, old, path, NULL, "%s has been given in line %zu already: left out", to, node->line);
        return NULL;
    }
    converter->out->carried++;
    convert_copy(node, old);
    return node;
}

/* ---- Notes ---- */

static bool join_note(struct conversion *conversion, const char *key)
{
    for (size_t i = 0; key != NULL && i < conversion->note_count; i++) {
        if (conversion->notes[i].key == key) {
            conversion->notes[i].more++;
            return true;
        }
    }
    return false;
}

void convert_add_note(struct converter *converter, enum convert_kind kind, const struct node *place, const char *path, const char *key, const char *format, ...)
{
    struct conversion *conversion = converter->out;
    char message[ERROR_MESSAGE_SIZE];
    va_list args;

    if (join_note(conversion, key))
        return;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    conversion->notes = mem_grow(conversion->notes, conversion->note_count, &conversion->note_capacity, sizeof *conversion->notes);
    conversion->notes[conversion->note_count++] = (struct convert_note){
        .kind = kind, .path = mem_copy_string(path), .line = place != NULL ? place->line : 0, .column = place != NULL ? place->column : 0,
        .message = mem_copy_string(message), .key = key,
    };
}

/* It is the name that has no counterpart, so its place is that of the name. */
struct node convert_name_place(const struct node *old)
{
    struct node place = { .line = old->key_line > 0 ? old->key_line : old->line, .column = old->key_line > 0 ? old->key_column : old->column };

    return place;
}

/* ---- The walk ---- */

static void walk_connectors(struct converter *converter, const struct node *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        AUTO_STRING char *below = mem_format("%s[%zu]", path, i);
        struct node *connectors = make_at(converter->root, "connectors");
        connectors->kind = NODE_LIST;
        if (list->children[i].kind != NODE_MAP) {
            convert_add_note(converter, CONVERT_UNKNOWN, &list->children[i], below, NULL, "is no connector: expected a mapping");
            continue;
        }
        converter->connector = node_add(connectors, NULL, list->children[i].source);
        converter->connector->kind = NODE_MAP;
        converter->connector->line = list->children[i].line;
        converter->connector->column = list->children[i].column;
        convert_walk(converter, &list->children[i], "connectors", below);
        converter->connector = NULL;
    }
}

static void say_unknown(struct converter *converter, const struct node *old, const char *path, bool is_group)
{
    struct node place = convert_name_place(old);

    converter->has_foreign = true;
    convert_add_note(converter, CONVERT_UNKNOWN, &place, path, NULL, "%s%s", is_group ? "is not what is expected here: settings of its own, or a list of them" :
                     "there is no such setting, here or there", old->kind == NODE_SCALAR ? "" : "; what stands below it is left out too");
}

static void walk_child(struct converter *converter, const struct node *old, const char *table_path, const char *path)
{
    const struct field *field = NULL;
    const struct field_group *group = convert_find_group(table_path, &field);

    if (old->kind == NODE_SCALAR && old->text != NULL && strstr(old->text, "${MEMCON_") != NULL)
        converter->has_memcon = true;
    if (convert_apply_rows(converter, old, table_path, path))
        return;
    if (field != NULL || convert_find_field(table_path) != NULL) {
        converter->known++;
        convert_take_to(converter, table_path, old, path, NULL);
    } else if (group != NULL && group->kind == GROUP_LIST && old->kind == NODE_LIST) {
        walk_connectors(converter, old, path);
    } else if (group != NULL && group->kind == GROUP_MAP && old->kind == NODE_MAP) {
        converter->known++;
        (void)convert_put(converter, table_path, old, path);
    } else if (old->kind == NODE_MAP && (group != NULL || convert_is_row_below(table_path))) {
        convert_walk(converter, old, table_path, path);
    } else if (!convert_is_blank(old)) {
        say_unknown(converter, old, path, group != NULL || convert_is_row_below(table_path));
    }
}

/* The Go program takes names in any case. */
void convert_walk(struct converter *converter, const struct node *map, const char *table_path, const char *path)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct node *child = &map->children[i];
        AUTO_STRING char *table_below = mem_format("%s%s%s", table_path, table_path[0] != '\0' ? "." : "", child->key);
        AUTO_STRING char *below = mem_format("%s%s%s", path, path[0] != '\0' ? "." : "", child->key);
        for (char *c = table_below; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        walk_child(converter, child, table_below, below);
    }
}
