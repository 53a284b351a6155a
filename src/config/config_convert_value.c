/* config_convert_value.c - single values: variables, ranges, words of the old programs. Pure. */
#include "config/config_convert_internal.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { ID_MAXIMUM = 64, VARIABLES_MAXIMUM = 1000 };

/* ---- Variables ---- */

static bool begins_name(char c)
{
    return c == '_' || isalpha((unsigned char)c);
}

static size_t name_length(const char *at)
{
    size_t length = 0;

    while (at[length] == '_' || isalnum((unsigned char)at[length]))
        length++;
    return begins_name(at[0]) ? length : 0;
}

/* The length of a whole ${...} as ours takes it; 0: none begins here. */
static size_t reference_length(const char *at)
{
    size_t name = strncmp(at, "${", 2) == 0 ? name_length(at + 2) : 0;
    const char *rest = at + 2 + name;
    const char *end = name > 0 ? strchr(rest, '}') : NULL;
    const char *inner = end != NULL ? strstr(rest, "${") : NULL;

    if (end == NULL || (inner != NULL && inner < end))
        return 0;
    if (rest != end && strncmp(rest, ":-", 2) != 0 && strncmp(rest, ":?", 2) != 0)
        return 0;
    return (size_t)(end - at) + 1;
}

bool convert_has_reference(const char *text)
{
    for (const char *at = strstr(text, "${"); at != NULL; at = strstr(at + 2, "${"))
        if (reference_length(at) > 0)
            return true;
    return false;
}

/* "$NAME" and nothing else, in capitals: a shell's way, that some loaders of YAML take too. */
static bool is_shell_variable(const char *text)
{
    if (text[0] != '$' || !begins_name(text[1]))
        return false;
    for (const char *at = text + 1; *at != '\0'; at++)
        if (*at != '_' && !isupper((unsigned char)*at) && !isdigit((unsigned char)*at))
            return false;
    return true;
}

static void append_reference(struct text *out, const char *at, size_t length, bool is_optional)
{
    bool is_bare = name_length(at + 2) + 3 == length;

    (void)text_append_bytes(out, at, length - 1);
    (void)text_append(out, is_bare && is_optional ? ":-}" : "}");
}

char *convert_text(const char *text, bool is_optional, bool *ret_is_changed)
{
    struct text out;

    *ret_is_changed = is_shell_variable(text);
    if (*ret_is_changed)
        return mem_format("${%s%s}", text + 1, is_optional ? ":-" : "");
    text_init(&out, 0);
    while (*text != '\0') {
        size_t length = reference_length(text);
        if (length > 0) {
            append_reference(&out, text, length, is_optional);
            text += length;
            continue;
        }
        if (strncmp(text, "${", 2) == 0) {
            (void)text_append_char(&out, '$');
            *ret_is_changed = true;
        }
        (void)text_append_char(&out, *text++);
    }
    return text_take(&out);
}

void convert_add_variables(struct conversion *conversion, const char *text)
{
    for (const char *at = strstr(text, "${"); at != NULL; at = strstr(at + 2, "${")) {
        AUTO_STRING char *name = mem_copy_bytes(at + 2, name_length(at + 2));
        size_t i = 0;
        if (reference_length(at) == 0)
            continue;
        while (i < conversion->variable_count && strcmp(conversion->variables[i], name) != 0)
            i++;
        if (i < conversion->variable_count || i >= VARIABLES_MAXIMUM) /* nobody sets more; each is compared with all before it */
            continue;
        conversion->variables = mem_grow(conversion->variables, conversion->variable_count, &conversion->variable_capacity, sizeof *conversion->variables);
        conversion->variables[conversion->variable_count++] = TAKE(name);
    }
}

/* ---- Values of a type ---- */

struct synonym {
    const char *theirs, *ours;
    const char *loss; /* NULL: it means the same */
};

static const char *find_synonym(const struct synonym *synonyms, size_t count, const char *text, const char **ret_loss)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(synonyms[i].theirs, text) == 0) {
            *ret_loss = synonyms[i].loss;
            return synonyms[i].ours;
        }
    }
    return NULL;
}

/* What YAML 1.1 and Go take for true and false. */
static char *convert_boolean(const char *text)
{
    static const struct synonym words[] = {
        { "yes", "true", NULL }, { "on", "true", NULL }, { "y", "true", NULL }, { "t", "true", NULL }, { "1", "true", NULL }, { "true", "true", NULL },
        { "no", "false", NULL }, { "off", "false", NULL }, { "n", "false", NULL }, { "f", "false", NULL }, { "0", "false", NULL }, { "false", "false", NULL },
    };
    const char *loss;
    const char *word = find_synonym(words, ARRAY_LENGTH(words), text, &loss);

    return mem_copy_string(word != NULL ? word : text);
}

static bool is_choice(const struct field *field, const char *word)
{
    for (size_t i = 0; field->choices[i] != NULL; i++)
        if (strcasecmp(field->choices[i], word) == 0)
            return true;
    return false;
}

static char *convert_choice(const struct field *field, const char *text, char **ret_message)
{
    static const char grave[] = "error is the gravest level here";
    static const struct synonym levels[] = {
        { "warning", "warn", NULL }, { "trace", "debug", "debug is the finest level here" }, { "notset", "debug", "debug is the finest level here" },
        { "critical", "error", grave }, { "fatal", "error", grave }, { "panic", "error", grave }, { "dpanic", "error", grave },
    };
    const char *loss = NULL;
    const char *word = is_choice(field, text) ? text : find_synonym(levels, ARRAY_LENGTH(levels), text, &loss);
    char *copy = mem_copy_string(word != NULL && is_choice(field, word) ? word : text);

    if (loss != NULL && word != NULL && is_choice(field, word))
        *ret_message = mem_format("\"%s\" becomes %s: %s", text, word, loss);
    for (char *at = copy; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static char *print_limit(const struct field *field, double value)
{
    union { int64_t integer; double number; } place = { 0 };
    struct field plain = *field;
    struct text out;

    plain.offset = 0;
    if (field->type == FIELD_NUMBER)
        place.number = value;
    else
        place.integer = (int64_t)value;
    text_init(&out, 0);
    field_print(&plain, &place, &out);
    return text_take(&out);
}

/* "1m" for the "60" of a row. */
static char *print_default(const struct field *field)
{
    union { int64_t integer; double number; } place = { 0 };
    struct field plain = *field;

    plain.offset = 0;
    (void)field_set(&plain, &place, field->fallback, NULL);
    return print_limit(field, field->type == FIELD_NUMBER ? place.number : (double)place.integer);
}

/* What is too large is brought down to the most. Nothing or less than nothing means the default in the old programs; what is only too small is brought up. */
static char *convert_number(const struct field *field, const char *text, char **ret_message)
{
    union { int64_t integer; double number; } place = { 0 };
    struct field limitless = *field;
    double value;
    AUTO_STRING char *limit = NULL;

    limitless.offset = 0;
    limitless.min = limitless.max = 0;
    if (field_set(&limitless, &place, text, NULL) < 0 || (field->min == 0 && field->max == 0))
        return mem_copy_string(text);
    value = field->type == FIELD_NUMBER ? place.number : (double)place.integer;
    if (value >= field->min && value <= field->max)
        return mem_copy_string(text);
    limit = print_limit(field, value > field->max ? field->max : field->min);
    if (value <= 0) {
        AUTO_STRING char *usual = print_default(field);
        *ret_message = mem_format("%.40s is out of range, %s is the least here: left out, the default is %s", text, limit, usual);
        return NULL;
    }
    *ret_message = mem_format("%.40s is out of range: %s is written, the %s here", text, limit, value > field->max ? "most" : "least");
    return TAKE(limit);
}

/* Only an address: no account in front of the host, no query behind the path. The message does not quote it. */
static char *convert_url(const struct field *field, const char *text, char **ret_message)
{
    const char *scheme = strstr(text, "://");
    size_t head = scheme != NULL ? (size_t)(scheme - text) + 3 : 0;
    size_t host = strcspn(text + head, "/?#");
    const char *account = memchr(text + head, '@', host);
    size_t end = strcspn(text, "?#");
    size_t from = account != NULL ? (size_t)(account - text) + 1 : head;

    if (text[0] == '\0') {
        *ret_message = mem_format("is empty: left out, the default is %s", field->fallback);
        return NULL;
    }
    if (scheme == NULL || (account == NULL && text[end] == '\0'))
        return mem_copy_string(text);
    *ret_message = mem_copy_string("an account or a query has no place in an address here: it is left out; keys have their own settings");
    return mem_format("%.*s%.*s", (int)head, text, end > from ? (int)(end - from) : 0, text + from);
}

char *convert_value(const struct field *field, const char *text, char **ret_message)
{
    *ret_message = NULL;
    if (convert_has_reference(text))
        return mem_copy_string(text);
    switch (field->type) {
    case FIELD_BOOLEAN:
        return convert_boolean(text);
    case FIELD_CHOICE:
        return convert_choice(field, text, ret_message);
    case FIELD_INTEGER:
    case FIELD_NUMBER:
    case FIELD_SIZE:
    case FIELD_DURATION:
        return convert_number(field, text, ret_message);
    case FIELD_URL:
        return convert_url(field, text, ret_message);
    default:
        return mem_copy_string(text);
    }
}

/* ---- Names and paths ---- */

char *convert_id(const char *text)
{
    char *id = mem_copy_bytes(text, strnlen(text, ID_MAXIMUM));

    for (char *at = id; *at != '\0'; at++)
        if (strchr("_.-", *at) == NULL && !isalnum((unsigned char)*at))
            *at = '-';
    if (id[0] == '.')
        id[0] = '_';
    return id;
}

/* The last "/" outside of ${...}. */
static const char *last_slash(const char *path)
{
    const char *found = NULL;

    while (*path != '\0') {
        size_t length = reference_length(path);
        if (*path == '/')
            found = path;
        path += length > 0 ? length : 1;
    }
    return found;
}

char *convert_state_path(const char *old, bool is_folder, bool is_json)
{
    const char *name = is_json ? "memory-connector-state" : "memory-connector.db";
    const char *slash = last_slash(old);
    size_t folder = slash != NULL ? (size_t)(slash - old) + 1 : 0;

    if (is_folder)
        return mem_format("%s%s%s", old, slash != NULL && slash[1] == '\0' ? "" : "/", name);
    if (slash == NULL && convert_has_reference(old))
        return NULL; /* a variable holds all of it */
    return mem_format("%.*s%s%s", (int)folder, old, slash == NULL ? "./" : "", name);
}
