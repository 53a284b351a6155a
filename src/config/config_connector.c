#include "config/config_connector.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "config/node.h"
#include "schedule/schedule.h"
#include "schedule/zone.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* The group of connectors, to be bound to a struct field_array instead of a whole configuration. */
static struct field_group array_group(void)
{
    struct field_group group = *fields_find_group(&config_root, "connectors");

    group.offset = 0;
    return group;
}

/* ---- JSON into a tree ---- */

struct reading {
    struct config_problems *problems;
    struct text pointer;
};

static struct node *add_child(struct node *parent, const char *key)
{
    struct node *child;

    parent->children = mem_grow(parent->children, parent->count, &parent->capacity, sizeof *parent->children);
    child = &parent->children[parent->count++];
    *child = (struct node){ .key = mem_copy_string(key), .is_literal = true };
    return child;
}

static const char *type_fault(const struct field *field, yyjson_val *value)
{
    bool is_text = yyjson_is_str(value);

    if (yyjson_is_null(value))
        return NULL; /* the default */
    if (is_text && strlen(yyjson_get_str(value)) != yyjson_get_len(value))
        return "has a NUL inside";
    switch (field->type) {
    case FIELD_BOOLEAN:
        return yyjson_is_bool(value) ? NULL : "is neither true nor false";
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        return yyjson_is_num(value) ? NULL : "is no number";
    case FIELD_SIZE:
    case FIELD_DURATION:
        return yyjson_is_num(value) || is_text ? NULL : field_type_words(field);
    case FIELD_LIST:
        return yyjson_is_arr(value) ? NULL : "is no list";
    default:
        return is_text ? NULL : "is no text";
    }
}

static void set_scalar(struct node *node, yyjson_val *value)
{
    if (yyjson_is_str(value))
        node->text = mem_copy_string(yyjson_get_str(value));
    else if (yyjson_is_bool(value))
        node->text = mem_copy_string(yyjson_get_bool(value) ? "true" : "false");
    else if (yyjson_is_sint(value))
        node->text = mem_format("%lld", (long long)yyjson_get_sint(value));
    else if (yyjson_is_uint(value))
        node->text = mem_format("%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_real(value))
        node->text = mem_format("%.17g", yyjson_get_real(value));
}

static void read_list(struct reading *reading, struct node *node, yyjson_val *list)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    size_t base = reading->pointer.size;
    yyjson_val *value;

    node->kind = NODE_LIST;
    for (size_t i = 0; (value = yyjson_arr_iter_next(&iter)) != NULL; i++) {
        (void)text_append_format(&reading->pointer, "/%zu", i);
        if (!yyjson_is_str(value) || strlen(yyjson_get_str(value)) != yyjson_get_len(value))
            config_error(reading->problems, NULL, reading->pointer.data, "is no text");
        else
            set_scalar(add_child(node, ""), value);
        text_truncate(&reading->pointer, base);
    }
}

static void read_object(struct reading *reading, const struct field_group *group, struct node *node, yyjson_val *object);

static void read_member(struct reading *reading, const struct field_group *group, struct node *node, yyjson_val *key, yyjson_val *value)
{
    const char *name = yyjson_get_str(key);
    bool is_plain = strlen(name) == yyjson_get_len(key);
    const struct field *field = is_plain ? fields_find(group, name) : NULL;
    const struct field_group *sub = is_plain ? fields_find_group(group, name) : NULL;
    const char *nearest = is_plain ? fields_nearest(group, name) : NULL;
    const char *fault = field != NULL ? type_fault(field, value) : NULL;

    if (fault != NULL)
        config_error(reading->problems, NULL, reading->pointer.data, "%s%s", field->type == FIELD_SIZE || field->type == FIELD_DURATION ? "is not " : "", fault);
    else if (field != NULL && yyjson_is_arr(value))
        read_list(reading, add_child(node, name), value);
    else if (field != NULL)
        set_scalar(add_child(node, name), value);
    else if (sub != NULL && yyjson_is_obj(value))
        read_object(reading, sub, add_child(node, name), value);
    else if (sub != NULL && !yyjson_is_null(value))
        config_error(reading->problems, NULL, reading->pointer.data, "is no object");
    else if (sub == NULL && nearest != NULL)
        config_error(reading->problems, NULL, reading->pointer.data, "there is no such setting; did you mean \"%s\"?", nearest);
    else if (sub == NULL)
        config_error(reading->problems, NULL, reading->pointer.data, "there is no such setting");
}

static void read_object(struct reading *reading, const struct field_group *group, struct node *node, yyjson_val *object)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    size_t base = reading->pointer.size;
    yyjson_val *key;

    node->kind = NODE_MAP;
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        json_point(&reading->pointer, yyjson_get_str(key), yyjson_get_len(key));
        read_member(reading, group, node, key, yyjson_obj_iter_get_val(key));
        text_truncate(&reading->pointer, base);
    }
}

/* ---- What a service's connector holds ---- */

struct owner {
    struct field_array settings;   /* one struct connector_settings; none: they are the configuration's */
    const char **contexts;
    struct transform_template *template;
    struct zone *zone;
    char words[200];
    char *definition;
};

static void free_owner(void *context)
{
    struct owner *owner = context;
    struct field_group group = array_group();
    const struct field_group *const groups[] = { &group, NULL };
    const struct field_group root = { .name = "", .groups = groups };

    fields_free(&root, &owner->settings);
    mem_free(owner->contexts);
    transform_template_free(owner->template);
    zone_free(owner->zone);
    mem_free(owner->definition);
    mem_free(owner);
}

void config_connector_release(struct service_connector *connector)
{
    if (connector->owner_free != NULL)
        connector->owner_free(connector->owner);
    *connector = (struct service_connector){ 0 };
}

static int read_schedule(const struct connector_settings *settings, struct schedule *ret_schedule, struct error *err)
{
    *ret_schedule = (struct schedule){ .kind = SCHEDULE_MANUAL };
    if (settings->schedule_type == CONFIG_SCHEDULE_CRON)
        return schedule_parse(settings->cron, ret_schedule, err);
    if (settings->schedule_type == CONFIG_SCHEDULE_INTERVAL)
        return schedule_from_interval(settings->interval_hours > 0 ? (int64_t)(settings->interval_hours * 3600) * 1000 : settings->interval_ms, ret_schedule, err);
    return 0;
}

/* The prefix of an expression wins over the setting. */
static const char *zone_of(const struct connector_settings *settings, const struct schedule *schedule)
{
    const char *name = schedule->zone[0] != '\0' ? schedule->zone : settings->timezone;

    return name[0] != '\0' ? name : "UTC";
}

static void write_definition(const struct connector_settings *settings, struct owner *owner)
{
    struct json_writer writer;
    struct text text;

    text_init(&text, 0);
    json_write_begin(&writer, &text);
    json_write_open_object(&writer, NULL);
    config_connector_write(settings, &writer);
    json_write_close(&writer);
    owner->definition = text_take(&text);
}

static void fill(const struct connector_settings *settings, const struct engine_connector *engine, const struct schedule *schedule, struct owner *owner,
                 struct service_connector *ret_connector)
{
    write_definition(settings, owner);
    *ret_connector = (struct service_connector){
        .engine = *engine, .enabled = settings->enabled, .schedule = *schedule, .zone = owner->zone,
        .overlap = settings->overlap == 1 ? OVERLAP_BUFFER_ONE : OVERLAP_SKIP, .catch_up_ms = settings->catch_up_ms, .jitter_ms = settings->jitter_ms,
        .version = 1, .definition = owner->definition, .description = settings->description,
        .schedule_words = config_schedule_words(settings, owner->words, sizeof owner->words), .owner = owner, .owner_free = free_owner,
    };
}

int config_connector_from_file(const struct config *config, size_t index, struct service_connector *ret_connector, struct error *err)
{
    const struct connector_settings *settings = config_connector(config, index);
    struct owner *owner = mem_alloc(sizeof *owner);
    struct schedule schedule;

    if (read_schedule(settings, &schedule, err) < 0 || zone_open(NULL, zone_of(settings, &schedule), &owner->zone, err) < 0) {
        free_owner(owner);
        return error_wrap(err, "connectors[%zu] (%s)", index, settings->id);
    }
    fill(settings, &config->engine.connectors[index], &schedule, owner, ret_connector);
    ret_connector->is_from_file = true;
    return 0;
}

/* ---- From JSON ---- */

/* "connectors[0].schedule.cron" -> "/schedule/cron": what the tables and checks said, for those who sent JSON. */
static void point(struct config_problem *problem)
{
    static const char prefix[] = "connectors[0]";
    struct text pointer;

    if (strncmp(problem->path, prefix, sizeof prefix - 1) != 0)
        return;
    text_init(&pointer, 0);
    for (const char *at = problem->path + sizeof prefix - 1; *at != '\0'; at++) {
        if (*at == '.' || *at == '[')
            (void)text_append_char(&pointer, '/');
        else if (*at != ']')
            (void)text_append_char(&pointer, *at);
    }
    mem_free(problem->path);
    problem->path = text_take(&pointer);
}

static void check_time(const struct connector_settings *settings, struct schedule *schedule, struct owner *owner, struct config_problems *problems)
{
    struct error err = { 0 };
    bool is_cron = settings->schedule_type == CONFIG_SCHEDULE_CRON;

    if (read_schedule(settings, schedule, &err) < 0)
        config_error(problems, NULL, is_cron ? "/schedule/cron" : "/schedule/interval", "%s", err.message);
    else if (zone_open(NULL, zone_of(settings, schedule), &owner->zone, &err) < 0)
        config_error(problems, NULL, schedule->zone[0] != '\0' ? "/schedule/cron" : "/schedule/timezone", "%s", err.message);
}

/* The engine's part is made as for the file, out of a configuration that has this connector only. */
static void make_engine(const struct config *config, struct owner *owner, struct engine_connector *ret_engine)
{
    struct config one = *config;

    one.connectors = owner->settings;
    config_make_engine(&one);
    *ret_engine = one.engine_connectors[0];
    owner->contexts = one.contexts[0];
    owner->template = one.templates[0];
    mem_free(one.engine_targets);
    mem_free(one.engine_sources);
    mem_free(one.engine_connectors);
    mem_free(one.contexts);
    mem_free(one.templates);
}

static void check_all(const struct config *config, struct owner *owner, const struct node *root, struct schedule *schedule, struct config_problems *problems)
{
    struct config one = *config;
    size_t before = problems->errors;

    one.connectors = owner->settings;
    config_choose_schedules(&owner->settings, root, problems);
    config_check(&one, root, problems);
    if (problems->errors == before)
        check_time(config_connector(&one, 0), schedule, owner, problems);
}

static int make_from_tree(const struct config *config, const struct node *root, struct service_connector *ret_connector, struct config_problems *problems)
{
    static const char *const no_variables[] = { NULL };
    static const struct config_environment no_environment = { .variables = no_variables };
    struct config_binder binder = { .environment = &no_environment, .problems = problems };
    struct field_group group = array_group();
    const struct field_group *const groups[] = { &group, NULL };
    const struct field_group array = { .name = "", .groups = groups };
    struct owner *owner = mem_alloc(sizeof *owner);
    struct engine_connector engine;
    struct schedule schedule = { .kind = SCHEDULE_MANUAL };

    config_bind(&binder, &array, &owner->settings, root, "");
    check_all(config, owner, root, &schedule, problems);
    if (problems->errors > 0) {
        free_owner(owner);
        return -1;
    }
    make_engine(config, owner, &engine);
    fill(owner->settings.items, &engine, &schedule, owner, ret_connector);
    return 0;
}

int config_connector_from_json(const struct config *config, const char *json, size_t size, struct service_connector *ret_connector,
                               struct config_problems *problems)
{
    yyjson_read_err fault;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json, size, 0, NULL, &fault);
    struct reading reading = { .problems = problems };
    struct field_group group = array_group();
    AUTO_DONE(node) struct node root = { .kind = NODE_MAP };
    struct node *list;
    int result;

    if (document == NULL || !yyjson_is_obj(yyjson_doc_get_root(document))) {
        config_error(problems, NULL, "", "is no JSON object%s%s", document == NULL ? ": " : "", document == NULL ? fault.msg : "");
        yyjson_doc_free(document);
        return -1;
    }
    text_init(&reading.pointer, 0);
    list = add_child(&root, "connectors");
    list->kind = NODE_LIST;
    read_object(&reading, &group, add_child(list, ""), yyjson_doc_get_root(document));
    text_done(&reading.pointer);
    yyjson_doc_free(document);
    result = make_from_tree(config, &root, ret_connector, problems);
    for (size_t i = 0; i < problems->count; i++)
        point(&problems->items[i]);
    return result;
}

/* ---- To JSON ---- */

static void write_field(const struct field *field, const void *record, struct json_writer *writer)
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
        field_print(field, record, &text);
        json_write_bytes(writer, field->name, text.data, text.size);
        break;
    }
}

static void write_group(const struct field_group *group, const void *record, struct json_writer *writer)
{
    for (size_t i = 0; i < group->field_count; i++)
        write_field(&group->fields[i], record, writer);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        json_write_open_object(writer, group->groups[i]->name);
        write_group(group->groups[i], (const char *)record + group->groups[i]->offset, writer);
        json_write_close(writer);
    }
}

void config_connector_write(const struct connector_settings *settings, struct json_writer *writer)
{
    write_group(fields_find_group(&config_root, "connectors"), settings, writer);
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
    if (strcmp(field->name, "id") == 0)
        json_write_string(writer, "pattern", "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$");
    json_write_close(writer);
}

static void write_required(const struct field_group *group, enum config_connector_form form, bool is_top, struct json_writer *writer)
{
    bool all = form == CONFIG_CONNECTOR_SHOWN;
    bool any = false;

    for (size_t i = 0; i < group->field_count; i++)
        any = any || all || group->fields[i].required;
    if (!any || form == CONFIG_CONNECTOR_PATCH)
        return;
    json_write_open_array(writer, "required");
    for (size_t i = 0; i < group->field_count; i++)
        if (all || group->fields[i].required)
            json_write_string(writer, NULL, group->fields[i].name);
    for (size_t i = 0; all && group->groups != NULL && group->groups[i] != NULL; i++)
        json_write_string(writer, NULL, group->groups[i]->name);
    if (all && is_top)
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

static void write_group_schema(const struct field_group *group, enum config_connector_form form, bool is_top, struct json_writer *writer)
{
    json_write_string(writer, "type", "object");
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
    write_group_schema(fields_find_group(&config_root, "connectors"), form, true, writer);
}
