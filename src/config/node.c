#include "config/node.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_MAXIMUM = 9999, PROBLEMS_MAXIMUM = 100 }; /* nobody reads the hundred-and-first; it is counted */

/* ---- The tree ---- */

void node_done(struct node *node)
{
    for (size_t i = 0; i < node->count; i++)
        node_done(&node->children[i]);
    mem_free(node->children);
    mem_free(node->key);
    mem_free(node->text);
    mem_free(node->source);
    *node = (struct node){ 0 };
}

struct node *node_find(const struct node *map, const char *key)
{
    for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++)
        if (strcmp(map->children[i].key, key) == 0)
            return &map->children[i];
    return NULL;
}

/* "my_server" for "My-Server": what a variable's name can say of a key. */
static bool is_variables_word(const char *word, const char *key)
{
    for (; *key != '\0'; word++, key++) {
        char c = *key == '-' || *key == '.' ? '_' : (char)tolower((unsigned char)*key);
        if (*word != c)
            return false;
    }
    return *word == '\0';
}

static struct node *find_word(const struct node *map, const char *word)
{
    struct node *found = node_find(map, word);

    for (size_t i = 0; found == NULL && i < map->count; i++)
        if (is_variables_word(word, map->children[i].key))
            found = &map->children[i];
    return found;
}

static bool is_index(const char *name, size_t *ret_index)
{
    char *end;
    unsigned long value = strtoul(name, &end, 10);

    if (name[0] < '0' || name[0] > '9' || *end != '\0' || value > INDEX_MAXIMUM)
        return false;
    *ret_index = value;
    return true;
}

/* ---- Looking up ---- */

static const struct node *step_into_map(const struct node *map, const char **path)
{
    const struct node *best = NULL;
    size_t best_length = 0;

    /* a name may hold dots: the longest that fits is meant */
    for (size_t i = 0; i < map->count; i++) {
        size_t length = strlen(map->children[i].key);
        if (strncmp(*path, map->children[i].key, length) == 0 && strchr(".[", (*path)[length]) != NULL && (best == NULL || length > best_length)) {
            best = &map->children[i];
            best_length = length;
        }
    }
    *path += best_length;
    return best;
}

static const struct node *step_into_list(const struct node *list, const char **path)
{
    char *end;
    unsigned long index = strtoul(*path + 1, &end, 10);

    if (**path != '[' || *end != ']' || index >= list->count)
        return NULL;
    *path = end + 1;
    return &list->children[index];
}

const struct node *node_at(const struct node *root, const char *path, bool *ret_is_exact)
{
    const struct node *node = root;

    while (*path != '\0') {
        const struct node *below;
        if (*path == '.')
            path++;
        below = node->kind == NODE_MAP ? step_into_map(node, &path) : node->kind == NODE_LIST ? step_into_list(node, &path) : NULL;
        if (below == NULL)
            break;
        node = below;
    }
    if (ret_is_exact != NULL)
        *ret_is_exact = *path == '\0';
    return node;
}

/* ---- Putting ---- */

struct node *node_add(struct node *parent, const char *key, const char *source)
{
    struct node *child;

    parent->children = mem_grow(parent->children, parent->count, &parent->capacity, sizeof *parent->children);
    child = &parent->children[parent->count++];
    *child = (struct node){ .key = mem_copy_string(key), .source = mem_copy_string(source) };
    return child;
}

static struct node *step_or_make(struct node *node, const char *word, bool is_first, const char *source)
{
    struct node *child;
    size_t index;

    if (node->kind == NODE_LIST || (node->kind == NODE_SCALAR && !is_first && is_index(word, &index))) {
        if (!is_index(word, &index) || index > node->count)
            return NULL;
        node->kind = NODE_LIST;
        return index < node->count ? &node->children[index] : node_add(node, NULL, source);
    }
    node->kind = NODE_MAP;
    child = find_word(node, word);
    return child != NULL ? child : node_add(node, word, source);
}

static bool is_plain_list(const struct node *node)
{
    for (size_t i = 0; i < node->count; i++)
        if (node->children[i].kind != NODE_SCALAR)
            return false;
    return node->kind == NODE_LIST;
}

bool node_put(struct node *root, const char *const *path, size_t depth, const char *value, const char *source)
{
    struct node *node = root;
    char *key;

    for (size_t i = 0; i < depth; i++) {
        node = step_or_make(node, path[i], i == 0, source);
        if (node == NULL)
            return false;
    }
    if (node->count > 0 && !is_plain_list(node)) /* a list of texts may be replaced as a whole, by "a, b" */
        return false;
    key = TAKE(node->key);
    node_done(node);
    *node = (struct node){ .kind = NODE_SCALAR, .key = key, .text = mem_copy_string(value), .source = mem_copy_string(source), .is_literal = true };
    return true;
}

/* ---- Problems ---- */

static void compose(struct config_problem *problem)
{
    AUTO_DONE(text) struct text raw = { 0 };
    AUTO_DONE(text) struct text text = { 0 };

    text_init(&raw, 0);
    text_init(&text, 0);
    if (problem->source != NULL)
        (void)text_append(&raw, problem->source);
    if (problem->line > 0)
        (void)text_append_format(&raw, ":%zu:%zu", problem->line, problem->column);
    if (raw.size > 0)
        (void)text_append(&raw, ": ");
    (void)text_append_format(&raw, "%s%s%s", problem->path, problem->path[0] != '\0' ? ": " : "", problem->message);
    (void)text_append_harmless(&text, raw.data, raw.size); /* values come from outside, and go to a terminal */
    problem->text = text_take(&text);
}

MC_PRINTF(5, 0)
static void add(struct config_problems *problems, bool is_warning, const struct node *node, const char *path, const char *format, va_list args)
{
    char message[ERROR_MESSAGE_SIZE];
    struct config_problem *problem;

    problems->errors += !is_warning;
    if (problems->count >= PROBLEMS_MAXIMUM)
        return;
    (void)vsnprintf(message, sizeof message, format, args);
    problems->items = mem_grow(problems->items, problems->count, &problems->capacity, sizeof *problems->items);
    problem = &problems->items[problems->count++];
    *problem = (struct config_problem){ .is_warning = is_warning, .path = mem_copy_string(path), .message = mem_copy_string(message) };
    if (node != NULL && node->source != NULL) {
        problem->source = mem_copy_string(node->source);
        problem->line = node->line;
        problem->column = node->column;
    }
    compose(problem);
}

void config_error(struct config_problems *problems, const struct node *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, false, node, path, format, args);
    va_end(args);
}

void config_warning(struct config_problems *problems, const struct node *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, true, node, path, format, args);
    va_end(args);
}

void config_warn_of_open_file(struct config_problems *problems, const struct node *node, const char *path, const char *file)
{
    size_t before = problems->count;

    config_warning(problems, node, path, "%s: holds keys and is readable by everybody: chmod 600 it", file);
    if (problems->count > before)
        problems->items[before].open_file = mem_copy_string(file);
}

void config_problems_done(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        mem_free(problems->items[i].text);
        mem_free(problems->items[i].source);
        mem_free(problems->items[i].path);
        mem_free(problems->items[i].message);
        mem_free(problems->items[i].open_file);
    }
    mem_free(problems->items);
    *problems = (struct config_problems){ 0 };
}
