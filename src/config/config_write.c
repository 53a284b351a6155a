#include "config/config_write.h"

#include "base/json_write.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 256, HELP_COLUMN = 60, DEPTH_STEP = 2 };

/* ---- Scalars as YAML ---- */

static bool is_plain(const char *value)
{
    static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "~" };

    if (value[0] == '\0' || strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@+-") != strlen(value) ||
        strchr("-:.@+", value[0]) != NULL || strstr(value, ": ") != NULL || value[strlen(value) - 1] == ':')
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(value, words[i]) == 0)
            return false;
    /* an id of digits: other readers would take it for a number, and round it */
    return strspn(value, "0123456789.+-eE_") != strlen(value) || strchr(value, '.') != strrchr(value, '.');
}

/* A literal "${" that nothing closes is written so that the loader, which looks for "}" to the end of the line, does not see it. */
static void write_quoted(struct text *out, const char *value)
{
    const char *open;

    (void)text_append_char(out, '"');
    while ((open = strstr(value, "${")) != NULL) {
        size_t length = (size_t)(open - value) + 2;
        bool is_closed = strchr(open, '}') != NULL;
        json_escape(out, value, is_closed ? length : length - 1);
        (void)text_append(out, is_closed ? "" : "\\u007b");
        value += length;
    }
    json_escape(out, value, strlen(value));
    (void)text_append_char(out, '"');
}

/* A "${" in a value means itself here, so it is written as the loader wants that. */
static void write_literal(struct text *out, const char *value)
{
    AUTO_DONE(text) struct text doubled = { 0 };

    text_init(&doubled, 0);
    for (const char *at = value; *at != '\0'; at++)
        (void)text_append_format(&doubled, "%s%c", at[0] == '$' && at[1] == '{' ? "$" : "", *at);
    write_quoted(out, doubled.data);
}

void config_write_scalar(struct text *out, const struct field *field, const char *value, bool is_literal)
{
    bool is_text = field->type == FIELD_STRING || field->type == FIELD_SECRET || field->type == FIELD_URL;

    if (!is_text || is_plain(value))
        (void)text_append(out, value);
    else if (is_literal)
        write_literal(out, value);
    else
        write_quoted(out, value);
}

/* ---- The sample ---- */

/* What a newcomer has to look at. */
static const struct { const char *path, *value; } openings[] = {
    { "lightrag.api.url", "http://localhost:9621" },
    { "lightrag.api.api_key", "${LIGHTRAG_API_KEY:-}" },
    { "memory_api.url", "http://127.0.0.1:8080" },
    { "memory_api.api_key", "${MEMORY_API_KEY:-}" },
    { "connectors.id", "personal-memories" },
    { "connectors.context_id", "CTX123" },
    { "connectors.schedule.type", "interval" },
    { "connectors.schedule.interval", "1h" },
    { "api.api_key", "${CONNECTOR_API_KEY:-}" },
};

static const char *find_opening(const char *path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(openings); i++)
        if (strcmp(openings[i].path, path) == 0)
            return openings[i].value;
    return NULL;
}

static void indent(struct text *out, int depth)
{
    (void)text_append_format(out, "%*s", depth * DEPTH_STEP, "");
}

static void write_help(struct text *out, const struct field *field, int depth)
{
    indent(out, depth);
    (void)text_append_format(out, "# %s", field->help);
    if (field->only != NULL) {
        (void)text_append_format(out, " Only %s: %s.", field->only[0] != '\0' ? field->only : "empty", field->why);
    } else if (field->choices != NULL) {
        (void)text_append(out, " One of");
        for (size_t i = 0; field->choices[i] != NULL; i++)
            (void)text_append_format(out, "%s %s", i > 0 ? "," : "", field->choices[i]);
        (void)text_append_char(out, '.');
    } else if (field->type == FIELD_SECRET) {
        (void)text_append_format(out, " Or %s_file: the path of a file with it.", field->name);
    }
    (void)text_append_char(out, '\n');
}

static void sample_field(struct text *out, const struct field *field, const char *above, int depth, bool is_first_of_item)
{
    char path[PATH_SIZE];
    const char *opening;
    const char *fallback = field->fallback != NULL ? field->fallback : "";

    (void)snprintf(path, sizeof path, "%s%s%s", above, above[0] != '\0' ? "." : "", field->name);
    opening = find_opening(path);
    write_help(out, field, is_first_of_item ? depth - 1 : depth);
    if (is_first_of_item)
        (void)text_append_format(out, "%*s- %s: ", depth * DEPTH_STEP - DEPTH_STEP, "", field->name);
    else if (opening != NULL)
        (void)text_append_format(out, "%*s%s: ", depth * DEPTH_STEP, "", field->name);
    else
        (void)text_append_format(out, "%*s#%s: ", depth * DEPTH_STEP, "", field->name);
    if (field->type == FIELD_LIST)
        (void)text_append(out, "[]");
    else
        config_write_scalar(out, field, opening != NULL ? opening : fallback, false);
    (void)text_append_char(out, '\n');
}

static void sample_group(struct text *out, const struct field_group *group, const char *above, int depth)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s%s%s", above, above[0] != '\0' ? "." : "", group->name);
    if (depth == 0)
        (void)text_append_char(out, '\n');
    indent(out, depth);
    (void)text_append_format(out, "# %s\n", group->help != NULL ? group->help : group->why);
    if (group->kind == GROUP_MAP) { /* its settings stand elsewhere */
        (void)text_append_format(out, "#%s: { NAME: { ... } }   # the settings are those of %s\n", group->name, strcmp(group->name, "targets") == 0 ? "lightrag" : "memory_api");
        return;
    }
    indent(out, depth);
    (void)text_append_format(out, "%s:\n", group->name);
    if (group->kind == GROUP_LIST)
        depth++;
    for (size_t i = 0; i < group->field_count; i++)
        sample_field(out, &group->fields[i], path, depth + 1, group->kind == GROUP_LIST && i == 0);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        sample_group(out, group->groups[i], path, depth + 1);
}

void config_write_sample(struct text *out)
{
    (void)text_append(out, "# The configuration of memory-connector. What has to be looked at stands here: two addresses, their keys, and the context to read.\n"
                           "# Everything else is a comment with its default. ${VAR} and ${VAR:-default} come from the environment, or from a file .env beside this one.\n"
                           "# \"memory-connector config check\" says what is wrong, memory-connector.yaml(5) tells more.\n"
                           "# yaml-language-server: $schema=config.schema.json\n");
    for (size_t i = 0; config_root.groups[i] != NULL; i++)
        sample_group(out, config_root.groups[i], "", 0);
}

/* ---- The schema ---- */

static void schema_choice(struct json_writer *writer, const struct field *field)
{
    json_write_open_array(writer, "enum");
    if (field->only != NULL)
        json_write_string(writer, NULL, field->only);
    for (size_t i = 0; field->only == NULL && field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], "true") == 0 || strcmp(field->choices[i], "false") == 0)
            json_write_bool(writer, NULL, field->choices[i][0] == 't');
        json_write_string(writer, NULL, field->choices[i]);
    }
    json_write_close(writer);
}

static void schema_range(struct json_writer *writer, const struct field *field, double unit)
{
    json_write_string(writer, "type", field->type == FIELD_INTEGER ? "integer" : "number");
    if (field->min != 0 || field->max != 0) {
        json_write_number(writer, "minimum", field->min / unit);
        json_write_number(writer, "maximum", field->max / unit);
    }
}

static void schema_pattern(struct json_writer *writer, const char *pattern)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "type", "string");
    json_write_string(writer, "pattern", pattern);
    json_write_close(writer);
}

static void schema_reference(struct json_writer *writer, const char *key, const char *name)
{
    AUTO_STRING char *where = mem_format("#/$defs/%s", name);

    json_write_open_object(writer, key);
    json_write_string(writer, "$ref", where);
    json_write_close(writer);
}

/* What a value may be, besides a variable. */
static void schema_value(struct json_writer *writer, const struct field *field)
{
    switch (field->type) {
    case FIELD_CHOICE:
        json_write_open_object(writer, NULL);
        schema_choice(writer, field);
        json_write_close(writer);
        break;
    case FIELD_BOOLEAN:
        json_write_open_object(writer, NULL);
        if (field->only != NULL) {
            json_write_open_array(writer, "enum");
            json_write_bool(writer, NULL, strcmp(field->only, "true") == 0);
            json_write_close(writer);
        } else {
            json_write_string(writer, "type", "boolean");
        }
        json_write_close(writer);
        break;
    case FIELD_INTEGER:
    case FIELD_NUMBER:
    case FIELD_DURATION:
    case FIELD_SIZE:
        json_write_open_object(writer, NULL);
        schema_range(writer, field, field->type == FIELD_DURATION ? 1000 : 1);
        json_write_close(writer);
        if (field->type == FIELD_DURATION)
            schema_pattern(writer, "^[0-9.]+ *(ms|s|m|min|h|d|w)?$");
        else if (field->type == FIELD_SIZE)
            schema_pattern(writer, "^[0-9.]+ *([KMGT]i?)?B?$");
        break;
    default:
        json_write_open_object(writer, NULL);
        if (field->only != NULL) {
            json_write_open_array(writer, "enum");
            json_write_string(writer, NULL, field->only);
            json_write_close(writer);
        } else {
            json_write_open_array(writer, "type");
            json_write_string(writer, NULL, "string");
            json_write_string(writer, NULL, "number");
            json_write_string(writer, NULL, "boolean");
            json_write_close(writer);
        }
        json_write_close(writer);
    }
}

static void schema_field(struct json_writer *writer, const struct field *field)
{
    json_write_open_object(writer, field->name);
    json_write_string(writer, "description", field->help);
    if (field->type == FIELD_LIST) {
        json_write_open_array(writer, "type");
        json_write_string(writer, NULL, "array");
        json_write_string(writer, NULL, "string");
        json_write_string(writer, NULL, "null");
        json_write_close(writer);
        json_write_open_object(writer, "items");
        json_write_open_array(writer, "type");
        json_write_string(writer, NULL, "string");
        json_write_string(writer, NULL, "number");
        json_write_close(writer);
        json_write_close(writer);
        json_write_close(writer);
        return;
    }
    if (field->fallback != NULL && field->fallback[0] != '\0')
        json_write_string(writer, "default", field->fallback);
    json_write_open_array(writer, "anyOf");
    schema_value(writer, field);
    schema_reference(writer, NULL, "variable");
    json_write_open_object(writer, NULL);
    json_write_string(writer, "type", "null");
    json_write_close(writer);
    json_write_close(writer);
    json_write_close(writer);
    if (field->type == FIELD_SECRET) {
        AUTO_STRING char *file = mem_format("%s_file", field->name);
        json_write_open_object(writer, file);
        json_write_string(writer, "description", "The path of a file that holds it.");
        json_write_string(writer, "type", "string");
        json_write_close(writer);
    }
}

static void schema_group(struct json_writer *writer, const struct field_group *group);

/* The object that a group, or an item of it, is. */
static void schema_members(struct json_writer *writer, const struct field_group *group)
{
    json_write_string(writer, "type", "object");
    json_write_bool(writer, "additionalProperties", false);
    json_write_open_object(writer, "properties");
    for (size_t i = 0; i < group->field_count; i++)
        schema_field(writer, &group->fields[i]);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        schema_group(writer, group->groups[i]);
    json_write_close(writer);
    for (size_t i = 0; i < group->field_count; i++) {
        if (!group->fields[i].required)
            continue;
        json_write_open_array(writer, "required");
        json_write_string(writer, NULL, group->fields[i].name);
        json_write_close(writer);
        break;
    }
}

static void schema_list_of_names(struct json_writer *writer, const struct field_group *group)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "type", "array");
    json_write_open_object(writer, "items");
    json_write_open_array(writer, "enum");
    for (size_t i = 0; i < group->field_count; i++)
        json_write_string(writer, NULL, group->fields[i].name);
    json_write_close(writer);
    json_write_close(writer);
    json_write_close(writer);
}

static void schema_group(struct json_writer *writer, const struct field_group *group)
{
    json_write_open_object(writer, group->name);
    json_write_string(writer, "description", group->help != NULL ? group->help : group->why);
    json_write_open_array(writer, "anyOf");
    json_write_open_object(writer, NULL);
    if (group->kind == GROUP_LIST) {
        json_write_string(writer, "type", "array");
        json_write_open_object(writer, "items");
        schema_members(writer, group);
        json_write_close(writer);
    } else if (group->kind == GROUP_MAP) {
        json_write_string(writer, "type", "object");
        json_write_open_object(writer, "additionalProperties");
        schema_members(writer, group);
        json_write_close(writer);
    } else {
        schema_members(writer, group);
    }
    json_write_close(writer);
    if (group->is_list_too)
        schema_list_of_names(writer, group);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "type", "null");
    json_write_close(writer);
    json_write_close(writer);
    json_write_close(writer);
}

void config_write_schema(struct text *out)
{
    struct json_writer writer;

    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_write_string(&writer, "title", "memory-connector configuration");
    json_write_open_object(&writer, "$defs");
    json_write_open_object(&writer, "variable");
    json_write_string(&writer, "description", "${VAR}, ${VAR:-default} or ${VAR:?message}, from the environment.");
    json_write_string(&writer, "type", "string");
    json_write_string(&writer, "pattern", "\\$\\{");
    json_write_close(&writer);
    json_write_close(&writer);
    schema_members(&writer, &config_root);
    json_write_close(&writer);
    (void)text_append_char(out, '\n');
}

/* ---- What a configuration came to ---- */

struct walk {
    const struct config *config;
    struct text *yaml;            /* NULL: each is told instead */
    bool with_origin;
    void (*each)(void *context, const char *path, const char *value, const char *origin);
    void *context;
};

static void show_list(struct text *out, const struct field_list *list)
{
    (void)text_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        (void)text_append(out, i > 0 ? ", " : "");
        write_literal(out, list->items[i]);
    }
    (void)text_append_char(out, ']');
}

static void show_field(const struct walk *walk, const struct field *field, const void *record, const char *path, const char *lead)
{
    AUTO_DONE(text) struct text value = { 0 };
    AUTO_DONE(text) struct text origin = { 0 };
    size_t start;

    text_init(&value, 0);
    text_init(&origin, 0);
    field_print(field, record, &value);
    config_origin(walk->config, path, &origin);
    if (walk->yaml == NULL) {
        walk->each(walk->context, path, value.data, origin.data);
        return;
    }
    start = walk->yaml->size;
    (void)text_append_format(walk->yaml, "%s%s: ", lead, field->name);
    if (field->type == FIELD_LIST)
        show_list(walk->yaml, (const struct field_list *)(const void *)((const char *)record + field->offset));
    else
        config_write_scalar(walk->yaml, field, value.data, true);
    if (walk->with_origin) {
        size_t width = walk->yaml->size - start;
        (void)text_append_format(walk->yaml, "%*s  # ", width < HELP_COLUMN ? (int)(HELP_COLUMN - width) : 0, "");
        (void)text_append_harmless(walk->yaml, origin.data, origin.size);
    }
    (void)text_append_char(walk->yaml, '\n');
}

static void show_group(const struct walk *walk, const struct field_group *group, const void *record, const char *above, int depth);

/* lead: what stands in front of the first line ("- "); the others are indented as far. */
static void show_members(const struct walk *walk, const struct field_group *group, const void *record, const char *path, int depth, bool is_item)
{
    AUTO_STRING char *blanks = mem_format("%*s", depth * DEPTH_STEP, "");
    AUTO_STRING char *dash = mem_format("%*s- ", depth * DEPTH_STEP - DEPTH_STEP, "");

    for (size_t i = 0; i < group->field_count; i++) {
        AUTO_STRING char *name = mem_format("%s%s%s", path, path[0] != '\0' ? "." : "", group->fields[i].name);
        show_field(walk, &group->fields[i], record, name, is_item && i == 0 ? dash : blanks);
    }
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        show_group(walk, group->groups[i], record, path, depth);
}

static void show_array(const struct walk *walk, const struct field_group *group, const struct field_array *array, const char *path, int depth)
{
    for (size_t i = 0; i < array->count; i++) {
        const char *item = (const char *)array->items + i * group->size;
        const char *name = group->kind == GROUP_MAP ? *(char *const *)(const void *)(item + group->name_offset) : NULL;
        AUTO_STRING char *inner = name != NULL ? mem_format("%s.%s", path, name) : mem_format("%s[%zu]", path, i);
        if (name != NULL && walk->yaml != NULL)
            (void)text_append_format(walk->yaml, "%*s%s:\n", (depth + 1) * DEPTH_STEP, "", name);
        show_members(walk, group, item, inner, depth + 2, name == NULL);
    }
}

static void show_group(const struct walk *walk, const struct field_group *group, const void *record, const char *above, int depth)
{
    AUTO_STRING char *path = mem_format("%s%s%s", above, above[0] != '\0' ? "." : "", group->name);
    const char *inner = (const char *)record + group->offset;
    const struct field_array *array = (const struct field_array *)(const void *)inner;

    if (group->kind != GROUP_ONE) {
        if (walk->yaml != NULL)
            (void)text_append_format(walk->yaml, "%*s%s:%s\n", depth * DEPTH_STEP, "", group->name, array->count > 0 ? "" : group->kind == GROUP_MAP ? " {}" : " []");
        show_array(walk, group, array, path, depth);
        return;
    }
    if (walk->yaml != NULL)
        (void)text_append_format(walk->yaml, "%*s%s:\n", depth * DEPTH_STEP, "", group->name);
    show_members(walk, group, inner, path, depth + 1, false);
}

void config_write_settings(const struct config *config, bool with_origin, struct text *out)
{
    const struct walk walk = { .config = config, .yaml = out, .with_origin = with_origin };

    for (size_t i = 0; config_root.groups[i] != NULL; i++)
        show_group(&walk, config_root.groups[i], config, "", 0);
}

void config_each_setting(const struct config *config, void (*each)(void *context, const char *path, const char *value, const char *origin), void *context)
{
    const struct walk walk = { .config = config, .each = each, .context = context };

    for (size_t i = 0; config_root.groups[i] != NULL; i++)
        show_group(&walk, config_root.groups[i], config, "", 0);
}
