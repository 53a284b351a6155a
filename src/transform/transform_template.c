/* transform_template.c - the user's own layout: parsed once, when the configuration is loaded; rendering cannot fail.
 *
 * The syntax is the part of Mustache that a memory needs (mustache.5: variables, sections, inverted sections, standalone lines). The rest of it
 * is refused by name: a template that came from elsewhere must not look as if it worked. */
#include "transform/transform_internal.h"

#include "base/fields.h"
#include "base/mem.h"
#include "memory/sanitise.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MISTAKES_MAXIMUM = 20, NAME_MAXIMUM = 40 };

enum piece_kind { PIECE_TEXT, PIECE_FACT, PIECE_IF, PIECE_UNLESS, PIECE_END };

struct piece {
    enum piece_kind kind;
    enum transform_fact fact;  /* not of PIECE_TEXT */
    size_t start, size;        /* PIECE_TEXT: of its words in text; else of the whole mark */
    size_t end;                /* PIECE_IF, PIECE_UNLESS: the piece that closes it */
};

struct transform_template {
    struct text text;          /* sanitised */
    struct piece *pieces;
    size_t count, capacity;
};

struct parser {
    struct transform_template *template;
    size_t at;
    size_t open[TRANSFORM_DEPTH_MAXIMUM]; /* pieces that wait for their end */
    size_t depth;
    transform_mistake *on_mistake;        /* may be NULL */
    void *context;
    size_t mistakes;
};

/* ---- Mistakes: all of them are named; after one the parser goes on where it may still understand something ---- */

static void refuse(struct parser *parser, size_t at, const char *format, ...) MC_PRINTF(3, 4);

static void refuse(struct parser *parser, size_t at, const char *format, ...)
{
    const struct text *text = &parser->template->text;
    size_t line = 1;
    size_t column = 1;
    char words[300];
    va_list arguments;

    if (parser->mistakes++ >= MISTAKES_MAXIMUM || parser->on_mistake == NULL)
        return;
    for (size_t i = 0; i < at; i++) {
        if (text->data[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text->data[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    parser->on_mistake(parser->context, line, column, words);
}

static void refuse_field(struct parser *parser, size_t at, const char *name)
{
    size_t best = strlen(name) / 3 + 2; /* as for settings: further away is no misspelling */
    const char *nearest = NULL;
    AUTO_STRING char *lower = mem_copy_string(name);

    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    for (int i = 0; i < FACT_COUNT && strlen(name) <= NAME_MAXIMUM; i++) {
        size_t distance = edit_distance(lower, transform_fact_name((enum transform_fact)i));
        if (distance < best) {
            best = distance;
            nearest = transform_fact_name((enum transform_fact)i);
        }
    }
    if (nearest != NULL)
        refuse(parser, at, "there is no field \"%.64s\"; did you mean \"%s\"?", name, nearest);
    else
        refuse(parser, at, "there is no field \"%.64s\"", name);
}

/* ---- Parsing ---- */

static void add_piece(struct parser *parser, struct piece piece)
{
    struct transform_template *template = parser->template;

    template->pieces = mem_grow(template->pieces, template->count, &template->capacity, sizeof *template->pieces);
    template->pieces[template->count++] = piece;
}

/* FACT_COUNT: there is no such field. */
static enum transform_fact find_fact(const char *word)
{
    int i = 0;

    while (i < FACT_COUNT && strcmp(word, transform_fact_name((enum transform_fact)i)) != 0)
        i++;
    return (enum transform_fact)i;
}

static const struct piece *innermost(const struct parser *parser)
{
    return parser->depth > 0 ? &parser->template->pieces[parser->open[parser->depth - 1]] : NULL;
}

static bool open_section(struct parser *parser, size_t at)
{
    if (parser->depth == TRANSFORM_DEPTH_MAXIMUM) {
        refuse(parser, at, "more than %d sections in each other", TRANSFORM_DEPTH_MAXIMUM);
        return false;
    }
    parser->open[parser->depth++] = parser->template->count;
    return true;
}

static void close_section(struct parser *parser, size_t at, enum transform_fact fact)
{
    const struct piece *opened = innermost(parser);
    size_t depth = parser->depth;

    while (depth > 0 && parser->template->pieces[parser->open[depth - 1]].fact != fact)
        depth--;
    if (opened == NULL || depth == 0) {
        refuse(parser, at, "{{/%s}} closes a section that was not opened", transform_fact_name(fact));
        return;
    }
    if (opened->fact != fact && opened->fact != FACT_COUNT)
        refuse(parser, at, "{{/%s}} stands where {{/%s}} has to come first", transform_fact_name(fact), transform_fact_name(opened->fact));
    parser->template->pieces[parser->open[depth - 1]].end = parser->template->count;
    parser->depth--;
    memmove(parser->open + depth - 1, parser->open + depth, (parser->depth - (depth - 1)) * sizeof *parser->open);
}

/* A section's mark alone on its line: the blanks before it and the rest of the line are no text. */
static void take_whole_line(struct parser *parser, size_t start)
{
    struct transform_template *template = parser->template;
    const char *data = template->text.data;
    size_t before = start;
    size_t after = parser->at;

    while (before > 0 && (data[before - 1] == ' ' || data[before - 1] == '\t'))
        before--;
    while (data[after] == ' ' || data[after] == '\t')
        after++;
    if ((before > 0 && data[before - 1] != '\n') || (after < template->text.size && data[after] != '\n'))
        return;
    if (template->count > 0 && template->pieces[template->count - 1].kind == PIECE_TEXT)
        template->pieces[template->count - 1].size -= start - before;
    parser->at = after < template->text.size ? after + 1 : after;
}

/* What stands between {{ and }}: its kind by its sign, and the name of a field. The field's mistakes are said here. */
static struct piece read_mark(struct parser *parser, size_t start, struct slice name)
{
    static const struct { char sign; enum piece_kind kind; } signs[] = { { '#', PIECE_IF }, { '^', PIECE_UNLESS }, { '/', PIECE_END } };
    struct piece piece = { .kind = PIECE_FACT, .fact = FACT_COUNT, .start = start };
    bool is_end_of_unknown;

    if (name.size > 0 && strchr("{&!>=", name.data[0]) != NULL) {
        refuse(parser, start, "{{%c is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are", name.data[0]);
        return piece;
    }
    for (size_t i = 0; name.size > 0 && i < ARRAY_LENGTH(signs); i++) {
        if (name.data[0] == signs[i].sign) {
            piece.kind = signs[i].kind;
            name = sanitise_trim((struct slice){ name.data + 1, name.size - 1 });
            break;
        }
    }
    is_end_of_unknown = piece.kind == PIECE_END && innermost(parser) != NULL && innermost(parser)->fact == FACT_COUNT;
    if (name.size == 0) {
        refuse(parser, start, "the name of a field is missing between {{ and }}");
    } else {
        AUTO_STRING char *word = mem_copy_bytes(name.data, name.size);
        piece.fact = find_fact(word);
        if (piece.fact == FACT_COUNT && !is_end_of_unknown) /* its beginning has been named */
            refuse_field(parser, start, word);
    }
    return piece;
}

/* false: nothing behind it can be understood. */
static bool parse_mark(struct parser *parser)
{
    const char *data = parser->template->text.data;
    size_t start = parser->at;
    const char *end = strstr(data + start + 2, "}}");
    const char *next = strstr(data + start + 2, "{{");
    struct piece piece;

    if (data[start + 2] == '{')
        next = NULL; /* "{{{" is named as what it is */
    if (end == NULL || (next != NULL && next < end)) {
        refuse(parser, start, "{{ is not closed by }}");
        parser->at = next != NULL ? (size_t)(next - data) : parser->template->text.size;
        return true;
    }
    piece = read_mark(parser, start, sanitise_trim((struct slice){ data + start + 2, (size_t)(end - data) - start - 2 }));
    parser->at = (size_t)(end - data) + 2;
    if (piece.kind != PIECE_FACT)
        take_whole_line(parser, start);
    if ((piece.kind == PIECE_IF || piece.kind == PIECE_UNLESS) && !open_section(parser, start))
        return false;
    if (piece.kind == PIECE_END && piece.fact != FACT_COUNT)
        close_section(parser, start, piece.fact);
    else if (piece.kind == PIECE_END && innermost(parser) != NULL && innermost(parser)->fact == FACT_COUNT)
        parser->depth--;
    add_piece(parser, piece);
    return true;
}

static void parse(struct parser *parser)
{
    const struct text *text = &parser->template->text;

    while (parser->at < text->size) {
        const char *mark = strstr(text->data + parser->at, "{{");
        size_t end = mark != NULL ? (size_t)(mark - text->data) : text->size;
        if (end > parser->at)
            add_piece(parser, (struct piece){ .kind = PIECE_TEXT, .start = parser->at, .size = end - parser->at });
        parser->at = end;
        if (mark != NULL && !parse_mark(parser))
            return;
    }
    for (size_t i = 0; i < parser->depth; i++) {
        const struct piece *opened = &parser->template->pieces[parser->open[i]];
        if (opened->fact != FACT_COUNT)
            refuse(parser, opened->start, "the section of \"%s\" is not closed: {{/%s}} is missing", transform_fact_name(opened->fact),
                   transform_fact_name(opened->fact));
    }
}

static bool has_good_size(struct parser *parser)
{
    const struct text *text = &parser->template->text;

    if (text->size > TRANSFORM_TEMPLATE_MAXIMUM)
        refuse(parser, 0, "the template has %zu bytes; %d are the most", text->size, TRANSFORM_TEMPLATE_MAXIMUM);
    else if (sanitise_trim((struct slice){ text->data, text->size }).size == 0)
        refuse(parser, 0, "the template is empty");
    return parser->mistakes == 0;
}

size_t transform_template_new(const char *text, transform_mistake *on_mistake, void *context, struct transform_template **ret_template)
{
    AUTO(transform_template) struct transform_template *template = mem_alloc(sizeof *template);
    struct parser parser = { .template = template, .on_mistake = on_mistake, .context = context };

    text_init(&template->text, 0);
    sanitise_append(&template->text, text, strlen(text));
    if (has_good_size(&parser))
        parse(&parser);
    if (parser.mistakes == 0)
        *ret_template = TAKE(template);
    return parser.mistakes;
}

void transform_template_free(struct transform_template *template)
{
    if (template == NULL)
        return;
    text_done(&template->text);
    mem_free(template->pieces);
    mem_free(template);
}

/* ---- Rendering ---- */

/* What a memory has, found out once per fact: a section about a long transcript must not copy it each time. */
struct presence {
    bool is_known[FACT_COUNT], is_there[FACT_COUNT];
};

static bool has_fact(const struct transform_input *input, enum transform_fact fact, struct presence *presence, struct text *out)
{
    size_t start = out->size;

    if (!presence->is_known[fact]) {
        transform_append_fact(input, fact, out);
        presence->is_known[fact] = true;
        presence->is_there[fact] = out->size > start;
        text_truncate(out, start);
    }
    return presence->is_there[fact];
}

static void trim_from(struct text *out, size_t start)
{
    struct slice whole = { out->data + start, out->size - start };
    struct slice kept = sanitise_trim(whole);

    if (kept.size > 0 && kept.data != whole.data)
        memmove(out->data + start, kept.data, kept.size);
    text_truncate(out, start + kept.size);
}

void transform_template(const struct transform_input *input, struct text *out)
{
    const struct transform_template *template = input->settings->template;
    struct presence presence = { 0 };
    size_t start = out->size;

    for (size_t i = 0; i < template->count && !out->overflow; i++) {
        const struct piece *piece = &template->pieces[i];
        switch (piece->kind) {
        case PIECE_TEXT:
            (void)text_append_bytes(out, template->text.data + piece->start, piece->size);
            break;
        case PIECE_FACT:
            transform_append_fact(input, piece->fact, out);
            break;
        case PIECE_IF:
        case PIECE_UNLESS:
            if (has_fact(input, piece->fact, &presence, out) != (piece->kind == PIECE_IF))
                i = piece->end;
            break;
        case PIECE_END:
            break;
        }
    }
    trim_from(out, start);
}
