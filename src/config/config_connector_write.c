/* config_connector_write.c - a connector's settings as JSON, and the JSON Schema of that. */
#include "config/config_connector_internal.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static void write_field(const struct field *field, const void *record, bool with_secrets, struct json_writer *writer)
{
    const void *place = (const char *)record + field->offset;
    AUTO_DONE(text) struct text text = { 0 };

    text_init(&text, 0);
    switch (field->type) {
    case FIELD_BOOLEAN:
        json_write_bool(writer, field->name, *(const bool *)place);
        break;
    case FIELD_INTEGER:
        json_write_integer(writer, field->name, *(const int64_t *)place);
        break;
    case FIELD_NUMBER:
        json_write_number(writer, field->name, *(const double *)place);
        break;
    case FIELD_LIST:
        json_write_open_array(writer, field->name);
        for (size_t i = 0; i < ((const struct field_list *)place)->count; i++)
            json_write_bytes(writer, NULL, ((const struct field_list *)place)->items[i], strlen(((const struct field_list *)place)->items[i]));
        json_write_close(writer);
        break;
    default:
        if (field->type == FIELD_SECRET && with_secrets)
            (void)text_append(&text, *(char *const *)place);
        else
            field_print(field, record, &text);
        json_write_bytes(writer, field->name, text.data, text.size);
        break;
    }
}

static bool is_given(const struct field_group *group, const struct connector_settings *settings)
{
    return config_is_own_source(group) ? settings->own_source.name != NULL : !config_is_own_target(group) || settings->own_target.name != NULL;
}

/* settings: of the whole. */
static void write_group(const struct field_group *group, const void *record, const struct connector_settings *settings, bool with_secrets, struct json_writer *writer)
{
    for (size_t i = 0; i < group->field_count; i++)
        write_field(&group->fields[i], record, with_secrets, writer);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        const struct field_group *sub = group->groups[i];
        if (!is_given(sub, settings))
            continue;
        json_write_open_object(writer, sub->name);
        write_group(sub, (const char *)record + sub->offset, settings, with_secrets, writer);
        json_write_close(writer);
    }
}

void config_connector_write(const struct connector_settings *settings, bool with_secrets, struct json_writer *writer)
{
    write_group(&config_api_connectors, settings, settings, with_secrets, writer);
}

int config_connector_patch(const char *definition, const char *patch, size_t size, struct text *out, struct error *err)
{
    yyjson_doc *before = yyjson_read(definition, strlen(definition), 0);
    yyjson_doc *change = yyjson_read(patch, size, 0);
    yyjson_mut_doc *after = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *merged = before != NULL && change != NULL && after != NULL
                                 ? yyjson_merge_patch(after, yyjson_doc_get_root(before), yyjson_doc_get_root(change)) : NULL;
    size_t length = 0;
    char *json = merged != NULL ? yyjson_mut_val_write(merged, 0, &length) : NULL;
    int result = json != NULL ? text_append_bytes(out, json, length) : error_set(err, ERROR_FAILED, "this is no JSON merge patch");

    free(json);
    yyjson_mut_doc_free(after);
    yyjson_doc_free(before);
    yyjson_doc_free(change);
    return result;
}

/* ---- JSON Schema ---- */

static void write_limits(const struct field *field, struct json_writer *writer)
{
    if (field->min == 0 && field->max == 0)
        return;
    json_write_number(writer, "minimum", field->min);
    json_write_number(writer, "maximum", field->max);
}

static void write_types(const struct field *field, enum config_connector_form form, struct json_writer *writer)
{
    static const char *const types[] = {
        [FIELD_STRING] = "string", [FIELD_SECRET] = "string", [FIELD_URL] = "string", [FIELD_BOOLEAN] = "boolean", [FIELD_INTEGER] = "integer",
        [FIELD_NUMBER] = "number", [FIELD_CHOICE] = "string", [FIELD_LIST] = "array", [FIELD_SIZE] = "string", [FIELD_DURATION] = "string",
    };
    bool has_number = (field->type == FIELD_SIZE || field->type == FIELD_DURATION) && form != CONFIG_CONNECTOR_SHOWN; /* "30s", or seconds; "8MiB", or bytes */
    bool has_null = form == CONFIG_CONNECTOR_PATCH;

    if (!has_number && !has_null) {
        json_write_string(writer, "type", types[field->type]);
        return;
    }
    json_write_open_array(writer, "type");
    json_write_string(writer, NULL, types[field->type]);
    if (has_number)
        json_write_string(writer, NULL, "number");
    if (has_null)
        json_write_string(writer, NULL, "null");
    json_write_close(writer);
}

static void write_field_schema(const struct field *field, enum config_connector_form form, struct json_writer *writer)
{
    json_write_open_object(writer, field->name);
    json_write_string(writer, "description", field->help);
    write_types(field, form, writer);
    if (field->type == FIELD_LIST) {
        json_write_open_object(writer, "items");
        json_write_string(writer, "type", "string");
        json_write_close(writer);
    }
    if (field->type == FIELD_CHOICE) {
        json_write_open_array(writer, "enum");
        for (size_t i = 0; field->choices[i] != NULL; i++)
            json_write_string(writer, NULL, field->choices[i]);
        if (form == CONFIG_CONNECTOR_PATCH)
            json_write_null(writer, NULL);
        json_write_close(writer);
    }
    if (field->type == FIELD_INTEGER || field->type == FIELD_NUMBER)
        write_limits(field, writer);
    if (field->type == FIELD_SECRET)
        json_write_string(writer, "format", "password"); /* "***" for one that is stored */
    if (strcmp(field->name, "id") == 0)
        json_write_string(writer, "pattern", "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$");
    json_write_close(writer);
}

/* A URL has no default here: whoever brings a server along says where it is. */
static bool is_wanted(const struct field *field, enum config_connector_form form)
{
    return form == CONFIG_CONNECTOR_SHOWN || (form == CONFIG_CONNECTOR_SETTINGS && (field->required || field->type == FIELD_URL));
}

static bool wants_something(const struct field_group *group, enum config_connector_form form)
{
    for (size_t i = 0; i < group->field_count; i++)
        if (is_wanted(&group->fields[i], form))
            return true;
    return false;
}

static bool is_group_wanted(const struct field_group *group, enum config_connector_form form)
{
    return !config_is_own_source(group) && !config_is_own_target(group) && wants_something(group, form);
}

static void write_required(const struct field_group *group, enum config_connector_form form, bool is_top, struct json_writer *writer)
{
    bool any = wants_something(group, form);

    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        any = any || is_group_wanted(group->groups[i], form);
    if (!any)
        return;
    json_write_open_array(writer, "required");
    for (size_t i = 0; i < group->field_count; i++)
        if (is_wanted(&group->fields[i], form))
            json_write_string(writer, NULL, group->fields[i].name);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        if (is_group_wanted(group->groups[i], form))
            json_write_string(writer, NULL, group->groups[i]->name);
    if (form == CONFIG_CONNECTOR_SHOWN && is_top)
        json_write_string(writer, NULL, "managed_by");
    json_write_close(writer);
}

static void write_managed_by(struct json_writer *writer)
{
    json_write_open_object(writer, "managed_by");
    json_write_string(writer, "type", "string");
    json_write_string(writer, "description", "file: only the configuration file may change it. May come back with a PUT, and is not looked at.");
    json_write_open_array(writer, "enum");
    json_write_string(writer, NULL, "file");
    json_write_string(writer, NULL, "api");
    json_write_close(writer);
    json_write_bool(writer, "readOnly", true);
    json_write_close(writer);
}

static void write_object_type(bool is_plain, struct json_writer *writer)
{
    if (is_plain) {
        json_write_string(writer, "type", "object");
        return;
    }
    json_write_open_array(writer, "type");
    json_write_string(writer, NULL, "object");
    json_write_string(writer, NULL, "null");
    json_write_close(writer);
}

static void write_group_schema(const struct field_group *group, enum config_connector_form form, bool is_top, struct json_writer *writer)
{
    write_object_type(is_top || form != CONFIG_CONNECTOR_PATCH, writer);
    json_write_string(writer, "description", group->help);
    json_write_bool(writer, "additionalProperties", false);
    json_write_open_object(writer, "properties");
    for (size_t i = 0; i < group->field_count; i++)
        write_field_schema(&group->fields[i], form, writer);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        json_write_open_object(writer, group->groups[i]->name);
        write_group_schema(group->groups[i], form, false, writer);
        json_write_close(writer);
    }
    if (is_top)
        write_managed_by(writer);
    json_write_close(writer);
    write_required(group, form, is_top, writer);
}

void config_connector_write_schema(struct json_writer *writer, enum config_connector_form form)
{
    write_group_schema(&config_api_connectors, form, true, writer);
}
