/* node_yaml.c - YAML by libyaml's events; never its document interface, which takes minutes for hostile input. Scalars stay text: what they mean
 * is the tables' matter, so that no, 0o17, 1_000 and 12:30:45 are no traps.
 *
 * YAML itself cannot have ${VARIABLE:-default} without quotes inside { }, nor with ": " or " #" in it. People write it so, and it is clear what they
 * mean: before parsing, the marks inside ${...} are replaced one by one (so lines and columns stay) by characters of a private plane, and brought
 * back in the values. */
#include "config/node.h"

#include "base/mem.h"

#include <yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAXIMUM = 32,
    NODES_MAXIMUM = 100000,
    KEYS_MAXIMUM = 1000,      /* of one mapping: each new one is compared with all before it */
};

/* ---- Variables through the parser ---- */

/* U+10FF00 + c for the ASCII character c, as UTF-8. */
static void append_shield(struct text *out, char c)
{
    (void)text_append_bytes(out, (const char[]){ '\xF4', '\x8F', (char)(0xBC | (c >> 6 & 1)), (char)(0x80 | (c & 0x3F)) }, 4);
}

static bool is_shield(const char *at)
{
    return at[0] == '\xF4' && at[1] == '\x8F' && (at[2] == '\xBC' || at[2] == '\xBD') && at[3] != '\0';
}

/* The length of a whole ${...} on one line; 0: none begins here. */
static size_t variable_length(const char *at)
{
    size_t length = 2;

    if (at[0] != '$' || at[1] != '{' || (at[2] != '_' && (at[2] < 'A' || at[2] > 'Z') && (at[2] < 'a' || at[2] > 'z')))
        return 0;
    length += strcspn(at + 2, "}\r\n");
    return at[length] == '}' ? length + 1 : 0;
}

static void shield_variables(struct text *out, const char *text)
{
    while (*text != '\0') {
        size_t length = variable_length(text);
        size_t plain = length == 0 ? 1 + strcspn(text + 1, "$") : 0;
        (void)text_append_bytes(out, text, plain);
        for (size_t i = 0; i < length; i++) {
            if (strchr("{}[],:#", text[i]) != NULL)
                append_shield(out, text[i]);
            else
                (void)text_append_char(out, text[i]);
        }
        text += plain + length;
    }
}

struct reader {
    yaml_parser_t parser;
    const char *file;
    const char *text;
    struct config_problems *problems;
    size_t nodes;
    bool is_shielded;
};

static char *unshielded(const struct reader *reader, const yaml_event_t *scalar)
{
    size_t size = scalar->data.scalar.length;
    char *copy = mem_copy_bytes(scalar->data.scalar.value, size);
    size_t used = 0;

    if (!reader->is_shielded)
        return copy;
    for (size_t i = 0; i < size; i++) {
        if (size - i >= 4 && is_shield(copy + i)) {
            copy[used++] = (char)((copy[i + 2] & 1) << 6 | (copy[i + 3] & 0x3F));
            i += 3;
        } else {
            copy[used++] = copy[i];
        }
    }
    copy[used] = '\0';
    return copy;
}

/* ---- Problems ---- */

static struct node place_of(const struct reader *reader, yaml_mark_t mark)
{
    return (struct node){ .source = (char *)(uintptr_t)reader->file, .line = mark.line + 1, .column = mark.column + 1 };
}

static int fail_at(struct reader *reader, yaml_mark_t mark, const char *words)
{
    struct node place = place_of(reader, mark);

    config_error(reader->problems, &place, "", "%s", words);
    return -1;
}

static bool is_indented_by_tab(const struct reader *reader, yaml_mark_t mark)
{
    const char *line = reader->text;
    size_t blanks;

    for (size_t i = 0; i < mark.line && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL)
        return false;
    blanks = strspn(line, " \t-");
    return memchr(line, '\t', blanks) != NULL;
}

/* libyaml's words, and what they mean for somebody who writes a configuration. */
static const struct {
    const char *theirs, *ours;
    bool at_beginning;        /* the place to look at is where the thing began */
} sayings[] = {
    { "cannot start any token", "a value cannot begin with this character: put it in quotes", false },
    { "mapping values are not allowed", "a \":\" stands where no setting can begin: does the text before it want quotes, or is this line indented too far?", false },
    { "did not find expected key", "no setting can begin here: is this line indented like its neighbours, and is every quote and bracket closed?", false },
    { "did not find expected '-'", "no element of the list can begin here: is this line indented like the others?", false },
    { "could not find expected ':'", "the \":\" behind a name is missing here or in the line above", false },
    { "found unexpected end of stream", "this quote is never closed", true },
    { "found unexpected document indicator", "this quote is never closed", true },
    { "did not find expected ',' or '}'", "a \",\" or \"}\" is missing: this \"{\" is not closed, or a text inside wants quotes", true },
    { "did not find expected ',' or ']'", "a \",\" or \"]\" is missing: this \"[\" is not closed, or a text inside wants quotes", true },
    { "block sequence entries are not allowed", "no list can begin here: put its \"- \" on a line of its own", false },
    { "did not find expected <document start>", "the text does not fit what stands before it: is it indented like its neighbours?", false },
    { "did not find expected node content", "a value is missing or has a mark that YAML does not take here: put it in quotes", false },
    { "did not find expected alphabetic or numeric", "a value cannot begin with \"*\" or \"&\": put it in quotes", false },
    { "found unknown escape character", "inside double quotes this backslash means nothing: use single quotes or \\\\", false },
    { "control characters are not allowed", "a control character stands in the file", false },
};

static int fail_parsing(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";

    if (parser->error == YAML_MEMORY_ERROR)
        mem_end_program();
    if (parser->error == YAML_READER_ERROR) {
        struct node place = { .source = (char *)(uintptr_t)reader->file };
        config_error(reader->problems, &place, "", "byte %zu: %s (the file must be UTF-8)", parser->problem_offset, problem);
        return -1;
    }
    if (is_indented_by_tab(reader, parser->problem_mark))
        return fail_at(reader, parser->problem_mark, "this line is indented with a tab: use blanks");
    for (size_t i = 0; i < ARRAY_LENGTH(sayings); i++)
        if (strstr(problem, sayings[i].theirs) != NULL)
            return fail_at(reader, sayings[i].at_beginning && parser->context != NULL ? parser->context_mark : parser->problem_mark, sayings[i].ours);
    return fail_at(reader, parser->problem_mark, problem);
}

/* ---- Events into nodes ---- */

static int next_event(struct reader *reader, yaml_event_t *event)
{
    return yaml_parser_parse(&reader->parser, event) ? 0 : fail_parsing(reader);
}

static int read_value(struct reader *reader, yaml_event_t *event, struct node *node, unsigned depth);

static void read_scalar(const struct reader *reader, const yaml_event_t *event, struct node *node)
{
    const char *text = (const char *)event->data.scalar.value;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    node->kind = NODE_SCALAR;
    if (is_plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return;
    node->text = unshielded(reader, event);
}

static struct node *add_child(struct node *parent)
{
    parent->children = mem_grow(parent->children, parent->count, &parent->capacity, sizeof *parent->children);
    parent->children[parent->count] = (struct node){ 0 };
    return &parent->children[parent->count++];
}

static int read_list(struct reader *reader, struct node *node, unsigned depth)
{
    node->kind = NODE_LIST;
    for (;;) {
        yaml_event_t event;
        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        if (read_value(reader, &event, add_child(node), depth + 1) < 0)
            return -1;
    }
}

/* Takes the event over. */
static int read_key(struct reader *reader, const struct node *map, yaml_event_t *event, char **ret_key)
{
    struct node place = place_of(reader, event->start_mark);
    yaml_mark_t mark = event->start_mark;
    char *key = NULL;

    if (event->type == YAML_SCALAR_EVENT)
        key = unshielded(reader, event);
    yaml_event_delete(event);
    if (key == NULL)
        return fail_at(reader, mark, "a key must be a plain word");
    *ret_key = key;
    if (map->count >= KEYS_MAXIMUM)
        return fail_at(reader, mark, "too many settings in one mapping (1000 at most)");
    if (node_find(map, key) != NULL) /* goes on: later errors are worth knowing too */
        config_error(reader->problems, &place, "", "\"%.80s\" stands here twice", key);
    return 0;
}

static int read_map(struct reader *reader, struct node *node, unsigned depth)
{
    node->kind = NODE_MAP;
    for (;;) {
        yaml_event_t event;
        struct node *child;
        struct node place;
        char *key = NULL;
        int result;
        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        place = place_of(reader, event.start_mark);
        result = read_key(reader, node, &event, &key);
        if (result == 0)
            result = next_event(reader, &event);
        if (result < 0) {
            mem_free(key);
            return -1;
        }
        child = add_child(node);
        child->key = key;
        child->key_line = place.line;
        child->key_column = place.column;
        if (read_value(reader, &event, child, depth + 1) < 0)
            return -1;
    }
}

static const char *tag_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return (const char *)event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return (const char *)event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return (const char *)event->data.mapping_start.tag;
    default:
        return NULL;
    }
}

/* Takes the event over. */
static int read_value(struct reader *reader, yaml_event_t *event, struct node *node, unsigned depth)
{
    yaml_mark_t mark = event->start_mark;
    yaml_event_type_t type = event->type;

    node->source = mem_copy_string(reader->file);
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    if (tag_of(event) != NULL)
        (void)fail_at(reader, mark, "tags (\"!...\") are not taken: put the text in quotes");
    if (type == YAML_SCALAR_EVENT)
        read_scalar(reader, event, node);
    yaml_event_delete(event);
    if (depth > DEPTH_MAXIMUM)
        return fail_at(reader, mark, "nested too deep (32 levels at most)");
    if (++reader->nodes > NODES_MAXIMUM)
        return fail_at(reader, mark, "too many values (100000 at most)");
    switch (type) {
    case YAML_SCALAR_EVENT:
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        return read_list(reader, node, depth);
    case YAML_MAPPING_START_EVENT:
        return read_map(reader, node, depth);
    case YAML_ALIAS_EVENT: /* no expansion, so no bomb */
        (void)fail_at(reader, mark, "anchors and aliases are not taken: write the value out");
        return 0;
    default:
        return fail_at(reader, mark, "cannot be read");
    }
}

/* ---- The document ---- */

static int begin_document(struct reader *reader, yaml_event_t *event)
{
    for (;;) {
        if (next_event(reader, event) < 0)
            return -1;
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT)
            return 0;
        yaml_event_delete(event);
    }
}

static int end_document(struct reader *reader)
{
    yaml_event_t event;

    while (next_event(reader, &event) == 0) {
        yaml_event_type_t type = event.type;
        yaml_mark_t mark = event.start_mark;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail_at(reader, mark, "a second document (\"---\") stands here; one is taken");
    }
    return -1;
}

static int read_document(struct reader *reader, struct node *root)
{
    yaml_event_t event;
    yaml_mark_t mark;

    if (begin_document(reader, &event) < 0)
        return -1;
    if (event.type == YAML_STREAM_END_EVENT) {
        yaml_event_delete(&event);
        root->kind = NODE_MAP; /* an empty file: only defaults */
        return 0;
    }
    mark = event.start_mark;
    if (read_value(reader, &event, root, 0) < 0)
        return -1;
    if (root->kind == NODE_SCALAR && root->text == NULL)
        root->kind = NODE_MAP;
    if (root->kind != NODE_MAP)
        return fail_at(reader, mark, "the file must be a mapping of settings (\"key: value\" lines)");
    return end_document(reader);
}

int node_parse_yaml(const char *file, const char *text, size_t size, struct node *root, struct config_problems *problems)
{
    struct reader reader = { .file = file, .text = text, .problems = problems };
    AUTO_DONE(text) struct text shielded = { 0 };
    int result;

    text_init(&shielded, 0);
    /* a NUL inside is for the parser to refuse; a file that has such characters itself keeps them */
    reader.is_shielded = strlen(text) == size && strstr(text, "\xF4\x8F\xBC") == NULL && strstr(text, "\xF4\x8F\xBD") == NULL;
    if (reader.is_shielded)
        shield_variables(&shielded, text);
    else
        (void)text_append_bytes(&shielded, text, size);
    if (!yaml_parser_initialize(&reader.parser))
        mem_end_program();
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)shielded.data, shielded.size);
    result = read_document(&reader, root);
    yaml_parser_delete(&reader.parser);
    return result;
}
