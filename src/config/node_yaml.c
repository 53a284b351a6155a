/* node_yaml.c - YAML by libyaml's events; never its document interface, which takes minutes for hostile input. */
#include "config/node.h"

#include "base/mem.h"

#include <yaml.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAXIMUM = 32, NODES_MAXIMUM = 100000 };

/* ---- The tree ---- */

void node_done(struct node *node)
{
    for (size_t i = 0; i < node->count; i++)
        node_done(&node->children[i]);
    mem_free(node->children);
    mem_free(node->key);
    mem_free(node->text);
    mem_free(node->origin);
    *node = (struct node){ 0 };
}

struct node *node_find(const struct node *map, const char *key)
{
    for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++)
        if (strcmp(map->children[i].key, key) == 0)
            return &map->children[i];
    return NULL;
}

struct node *node_add(struct node *parent, const char *key, const char *origin)
{
    struct node *child;

    parent->children = mem_grow(parent->children, parent->count, &parent->capacity, sizeof *parent->children);
    child = &parent->children[parent->count++];
    *child = (struct node){ .key = mem_copy_string(key), .origin = mem_copy_string(origin) };
    return child;
}

static bool is_index(const char *name, size_t *ret_index)
{
    char *end;
    unsigned long value = strtoul(name, &end, 10);

    if (name[0] < '0' || name[0] > '9' || *end != '\0' || value > 9999)
        return false;
    *ret_index = value;
    return true;
}

bool node_put(struct node *root, const char *const *path, size_t depth, const char *value, const char *origin)
{
    struct node *node = root;

    for (size_t i = 0; i < depth; i++) {
        struct node *child = NULL;
        size_t index;
        if (node->kind == NODE_LIST || (node->kind == NODE_SCALAR && is_index(path[i], &index) && i > 0)) {
            if (!is_index(path[i], &index) || index > node->count)
                return false;
            node->kind = NODE_LIST;
            child = index < node->count ? &node->children[index] : node_add(node, NULL, origin);
        } else {
            node->kind = NODE_MAP;
            child = node_find(node, path[i]);
            if (child == NULL)
                child = node_add(node, path[i], origin);
        }
        node = child;
    }
    if (node->count > 0)
        return false;
    node->kind = NODE_SCALAR;
    mem_free(node->text);
    mem_free(node->origin);
    node->text = mem_copy_string(value);
    node->origin = mem_copy_string(origin);
    return true;
}

/* ---- Problems ---- */

void config_problem_add(struct config_problems *problems, bool is_warning, const char *format, ...)
{
    char text[1200];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problems->items = mem_grow(problems->items, problems->count, &problems->capacity, sizeof *problems->items);
    problems->items[problems->count++] = (struct config_problem){ mem_copy_string(text), is_warning };
    problems->errors += !is_warning;
}

void config_problems_done(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        mem_free(problems->items[i].text);
    mem_free(problems->items);
    *problems = (struct config_problems){ 0 };
}

/* ---- Events into nodes ---- */

struct reader {
    yaml_parser_t parser;
    const char *file;
    struct config_problems *problems;
    size_t nodes;
};

static void format_origin(const struct reader *reader, yaml_mark_t mark, char *out, size_t room)
{
    (void)snprintf(out, room, "%s:%zu:%zu", reader->file, mark.line + 1, mark.column + 1);
}

static int fail_at(struct reader *reader, yaml_mark_t mark, const char *words)
{
    char origin[300];

    format_origin(reader, mark, origin, sizeof origin);
    config_problem_add(reader->problems, false, "%s: %s", origin, words);
    return -1;
}

static int fail_parsing(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    yaml_mark_t mark = parser->problem_mark;

    if (strstr(problem, "cannot start any token") != NULL)
        return fail_at(reader, mark, "this character cannot stand here; is it a tab? indent with blanks, and quote texts that begin with @, ` or %");
    if (strstr(problem, "did not find expected ',' or '}'") != NULL)
        return fail_at(reader, mark, "expected \",\" or \"}\" here; inside { } a ${VARIABLE} must stand in quotes");
    if (parser->error == YAML_READER_ERROR) {
        config_problem_add(reader->problems, false, "%s: byte %zu: %s (the file must be UTF-8)", reader->file, parser->problem_offset, problem);
        return -1;
    }
    return fail_at(reader, mark, problem);
}

static int next_event(struct reader *reader, yaml_event_t *event)
{
    return yaml_parser_parse(&reader->parser, event) ? 0 : fail_parsing(reader);
}

static int read_value(struct reader *reader, yaml_event_t *event, struct node *node, unsigned depth);

static void read_scalar(const yaml_event_t *event, struct node *node)
{
    const char *text = (const char *)event->data.scalar.value;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    node->kind = NODE_SCALAR;
    if (is_plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return;
    node->text = mem_copy_bytes(text, event->data.scalar.length);
}

static int read_list(struct reader *reader, struct node *node, unsigned depth)
{
    node->kind = NODE_LIST;
    for (;;) {
        yaml_event_t event;
        struct node item = { 0 };
        int result;
        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        result = read_value(reader, &event, &item, depth + 1);
        node->children = mem_grow(node->children, node->count, &node->capacity, sizeof *node->children);
        node->children[node->count++] = item;
        if (result < 0)
            return -1;
    }
}

static int read_key(struct reader *reader, struct node *map, yaml_event_t *event, char **ret_key)
{
    yaml_mark_t mark = event->start_mark;
    char words[200];

    if (event->type != YAML_SCALAR_EVENT) {
        yaml_event_delete(event);
        return fail_at(reader, mark, "a key must be a plain word");
    }
    *ret_key = mem_copy_bytes(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
    if (node_find(map, *ret_key) == NULL)
        return 0;
    (void)snprintf(words, sizeof words, "\"%.80s\" stands here twice", *ret_key);
    (void)fail_at(reader, mark, words);
    return 0; /* goes on: later errors are worth knowing too */
}

static int read_map(struct reader *reader, struct node *node, unsigned depth)
{
    node->kind = NODE_MAP;
    for (;;) {
        yaml_event_t event;
        struct node value = { 0 };
        char *key = NULL;
        int result;
        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        result = read_key(reader, node, &event, &key);
        if (result == 0)
            result = next_event(reader, &event);
        if (result < 0) {
            mem_free(key);
            return -1;
        }
        result = read_value(reader, &event, &value, depth + 1);
        value.key = key;
        node->children = mem_grow(node->children, node->count, &node->capacity, sizeof *node->children);
        node->children[node->count++] = value;
        if (result < 0)
            return -1;
    }
}

/* Takes the event over. */
static int read_value(struct reader *reader, yaml_event_t *event, struct node *node, unsigned depth)
{
    yaml_mark_t mark = event->start_mark;
    yaml_event_type_t type = event->type;
    char origin[300];

    format_origin(reader, mark, origin, sizeof origin);
    node->origin = mem_copy_string(origin);
    if (type == YAML_SCALAR_EVENT)
        read_scalar(event, node);
    yaml_event_delete(event);
    if (depth > DEPTH_MAXIMUM)
        return fail_at(reader, mark, "nested too deep");
    if (++reader->nodes > NODES_MAXIMUM)
        return fail_at(reader, mark, "too many values");
    switch (type) {
    case YAML_SCALAR_EVENT:
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        return read_list(reader, node, depth);
    case YAML_MAPPING_START_EVENT:
        return read_map(reader, node, depth);
    case YAML_ALIAS_EVENT:
        return fail_at(reader, mark, "anchors and aliases are not taken: write the value out");
    default:
        return fail_at(reader, mark, "cannot be read");
    }
}

static int read_document(struct reader *reader, struct node *root)
{
    yaml_event_t event;
    yaml_mark_t mark;

    do {
        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            root->kind = NODE_MAP; /* an empty file: only defaults */
            return 0;
        }
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT)
            yaml_event_delete(&event);
        else
            break;
    } while (true);
    mark = event.start_mark;
    if (read_value(reader, &event, root, 0) < 0)
        return -1;
    if (root->kind == NODE_SCALAR && root->text == NULL)
        root->kind = NODE_MAP;
    if (root->kind != NODE_MAP)
        return fail_at(reader, mark, "the file must be a mapping of settings (\"key: value\" lines)");
    while (next_event(reader, &event) == 0) {
        yaml_event_type_t type = event.type;
        mark = event.start_mark;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail_at(reader, mark, "a second document (\"---\") stands here; one is taken");
    }
    return -1;
}

int node_parse_yaml(const char *file, const char *text, size_t size, struct node *root, struct config_problems *problems)
{
    struct reader reader = { .file = file, .problems = problems };
    int result;

    if (!yaml_parser_initialize(&reader.parser)) {
        config_problem_add(problems, false, "%s: the YAML parser does not start", file);
        return -1;
    }
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    result = read_document(&reader, root);
    yaml_parser_delete(&reader.parser);
    return result;
}
