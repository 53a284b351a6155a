/* config_convert_write.c - the new tree as YAML, in the order of the tables; what was not carried over stands above it as comments. */
#include "config/config_convert_internal.h"

#include "base/mem.h"
#include "config/config_write.h"

#include <string.h>

enum { STEP = 2, REMARK_COLUMN = 44, COMMENT_WIDTH = 110 };

/* ---- Comments ---- */

/* Words, broken between them; the lines behind the first are indented by hang more. What comes from the file is made harmless: it must not end the comment. */
static void write_comment(struct text *out, int indent, int hang, const char *words)
{
    AUTO_DONE(text) struct text safe = { 0 };
    size_t column;
    const char *at;

    text_init(&safe, 0);
    (void)text_append_harmless(&safe, words, strlen(words));
    (void)text_append_format(out, "#%*s", indent, "");
    column = 1 + (size_t)indent;
    for (at = safe.data; *at != '\0';) {
        size_t blanks = strspn(at, " ");
        size_t length = strcspn(at + blanks, " ");
        if (blanks > 0 && column + blanks + length > COMMENT_WIDTH) {
            (void)text_append_format(out, "\n#%*s", indent + hang, "");
            column = 1 + (size_t)(indent + hang);
        } else {
            (void)text_append_bytes(out, at, blanks);
            column += blanks;
        }
        (void)text_append_bytes(out, at + blanks, length);
        column += length;
        at += blanks + length;
    }
    (void)text_append_char(out, '\n');
}

static void write_note(struct text *out, const struct convert_note *note)
{
    AUTO_STRING char *place = note->line > 0 ? mem_format(" (line %zu)", note->line) : mem_copy_string("");
    AUTO_STRING char *more = note->more > 0 ? mem_format(", and %zu more", note->more) : mem_copy_string("");
    AUTO_STRING char *words = mem_format("%s%s%s: %s", note->path, place, more, note->message);

    write_comment(out, 3, 2, words);
}

static void write_notes(const struct conversion *conversion, struct text *out, enum convert_kind kind)
{
    bool has_title = false;

    for (size_t i = 0; i < conversion->note_count; i++) {
        if (conversion->notes[i].kind != kind)
            continue;
        if (!has_title)
            (void)text_append_format(out, "#\n# %s:\n", convert_kind_titles[kind]);
        has_title = true;
        write_note(out, &conversion->notes[i]);
    }
}

static void write_head(const struct converter *converter, struct text *out)
{
    AUTO_STRING char *words = mem_format("Made by \"memory-connector config convert\" from %s, %s.", converter->file, convert_shape_words[converter->out->shape]);

    write_comment(out, 1, 0, words);
    write_comment(out, 1, 0, "What does not stand here has its default: \"memory-connector config show\" tells them all.");
    for (int kind = 0; kind < CONVERT_KINDS; kind++)
        write_notes(converter->out, out, (enum convert_kind)kind);
}

/* ---- Settings ---- */

static bool says_something(const struct node *node)
{
    if (node->kind == NODE_SCALAR)
        return node->text != NULL;
    for (size_t i = 0; i < node->count; i++)
        if (node->kind == NODE_LIST || says_something(&node->children[i]))
            return true;
    return false;
}

static void write_value(struct conversion *conversion, struct text *out, const struct field *field, const struct node *node)
{
    static const struct field a_text = { .type = FIELD_STRING };
    bool is_quoted = convert_has_reference(node->text) || field->type == FIELD_LIST; /* "" may be a number to the eye, but YAML wants it so */

    config_write_scalar(out, is_quoted ? &a_text : field, node->text, false);
    convert_add_variables(conversion, node->text);
}

static void write_list(struct conversion *conversion, struct text *out, const struct field *field, const struct node *list)
{
    bool is_first = true;

    (void)text_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (list->children[i].kind != NODE_SCALAR || list->children[i].text == NULL)
            continue;
        (void)text_append(out, is_first ? "" : ", ");
        write_value(conversion, out, field, &list->children[i]);
        is_first = false;
    }
    (void)text_append_char(out, ']');
}

struct writing {
    struct conversion *conversion;
    struct text *out;
    bool wants_dash; /* the next line begins an element of a list */
};

static void write_lead(struct writing *writing, int depth)
{
    (void)text_append_format(writing->out, "%*s%s", (depth - (writing->wants_dash ? 1 : 0)) * STEP, "", writing->wants_dash ? "- " : "");
    writing->wants_dash = false;
}

static void write_line(struct writing *writing, const struct field *field, const struct node *node, int depth)
{
    size_t start = writing->out->size;
    size_t width;

    write_lead(writing, depth);
    (void)text_append_format(writing->out, "%s: ", node->key);
    if (node->kind == NODE_LIST)
        write_list(writing->conversion, writing->out, field, node);
    else
        write_value(writing->conversion, writing->out, field, node);
    width = writing->out->size - start;
    if (node->remark != NULL)
        (void)text_append_format(writing->out, "%*s  # %s", width < REMARK_COLUMN ? (int)(REMARK_COLUMN - width) : 0, "", node->remark);
    (void)text_append_char(writing->out, '\n');
}

static void write_group(struct writing *writing, const struct field_group *group, const struct node *node, int depth);

static void write_field(struct writing *writing, const struct field *field, const struct node *map, int depth)
{
    static const struct field a_path = { .type = FIELD_STRING };
    AUTO_STRING char *file = mem_format("%s_file", field->name);
    const struct node *node = node_find(map, field->name);
    const struct node *file_node = field->type == FIELD_SECRET ? node_find(map, file) : NULL;

    if (node != NULL && node->kind != NODE_MAP && says_something(node))
        write_line(writing, field, node, depth);
    if (file_node != NULL && file_node->kind == NODE_SCALAR && says_something(file_node))
        write_line(writing, &a_path, file_node, depth);
}

static void write_members(struct writing *writing, const struct field_group *group, const struct node *map, int depth)
{
    for (size_t i = 0; i < group->field_count; i++)
        write_field(writing, &group->fields[i], map, depth);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        const struct node *below = node_find(map, group->groups[i]->name);
        if (below != NULL && below->kind != NODE_SCALAR && says_something(below))
            write_group(writing, group->groups[i], below, depth);
    }
}

/* Names of targets and sources. */
static void write_name(struct writing *writing, const char *name, int depth)
{
    static const struct field a_text = { .type = FIELD_STRING };

    write_lead(writing, depth);
    config_write_scalar(writing->out, &a_text, name, false);
    (void)text_append(writing->out, ":\n");
}

static void write_group(struct writing *writing, const struct field_group *group, const struct node *node, int depth)
{
    if (depth == 0)
        (void)text_append_char(writing->out, '\n');
    write_lead(writing, depth);
    (void)text_append_format(writing->out, "%s:\n", group->name);
    if (group->kind == GROUP_ONE) {
        write_members(writing, group, node, depth + 1);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (!says_something(&node->children[i]))
            continue;
        if (depth == 0 && i > 0)
            (void)text_append_char(writing->out, '\n');
        if (group->kind == GROUP_MAP)
            write_name(writing, node->children[i].key, depth + 1);
        else
            writing->wants_dash = true;
        write_members(writing, group, &node->children[i], depth + 2);
    }
}

void convert_write(const struct converter *converter)
{
    struct writing writing = { .conversion = converter->out, .out = &converter->out->yaml };

    write_head(converter, writing.out);
    write_members(&writing, &config_root, converter->root, 0);
}
