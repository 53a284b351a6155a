#include "config/config_connector_internal.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "schedule/schedule.h"
#include "schedule/zone.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

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

static void free_owner(void *context)
{
    struct owner *owner = context;
    const struct field_group *const groups[] = { &config_api_connectors, NULL };
    const struct field_group root = { .name = "", .groups = groups };

    for (size_t i = 0; i < owner->settings.count; i++) {
        struct connector_settings *settings = (struct connector_settings *)owner->settings.items + i;
        mem_free(settings->own_source.name);
        mem_free(settings->own_target.name);
    }
    fields_free(&root, &owner->settings);
    mem_free(owner->contexts);
    transform_template_free(owner->template);
    zone_free(owner->zone);
    mem_free(owner->definition);
    mem_free(owner->stored);
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

static char *write_definition(const struct connector_settings *settings, bool with_secrets)
{
    struct json_writer writer;
    struct text text;

    text_init(&text, 0);
    json_write_begin(&writer, &text);
    json_write_open_object(&writer, NULL);
    config_connector_write(settings, with_secrets, &writer);
    json_write_close(&writer);
    return text_take(&text);
}

static void fill(const struct connector_settings *settings, const struct engine_connector *engine, const struct schedule *schedule, struct owner *owner,
                 struct service_connector *ret_connector)
{
    bool has_own = settings->own_source.name != NULL || settings->own_target.name != NULL;

    owner->definition = write_definition(settings, false);
    if (has_own)
        owner->stored = write_definition(settings, true);
    *ret_connector = (struct service_connector){
        .engine = *engine, .enabled = settings->enabled, .schedule = *schedule, .zone = owner->zone,
        .overlap = settings->overlap == 1 ? OVERLAP_BUFFER_ONE : OVERLAP_SKIP, .catch_up_ms = settings->catch_up_ms, .jitter_ms = settings->jitter_ms,
        .version = 1, .definition = owner->definition, .description = settings->description,
        .schedule_words = config_schedule_words(settings, owner->words, sizeof owner->words), .owner = owner, .owner_free = free_owner,
        .stored = has_own ? owner->stored : owner->definition,
        .own_source = settings->own_source.name != NULL ? &owner->source : NULL,
        .own_target = settings->own_target.name != NULL ? &owner->target : NULL,
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
static void point(struct config_problem *problem, const struct owner *owner)
{
    size_t skipped;
    const char *top = config_own_prefix(owner, problem->path, &skipped);
    struct text pointer;

    if (top == NULL)
        return;
    text_init(&pointer, 0);
    (void)text_append(&pointer, top);
    for (const char *at = problem->path + skipped; *at != '\0'; at++) {
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
static void make_engine(struct config *one, const struct config *config, struct owner *owner, struct engine_connector *ret_engine)
{
    config_make_engine(one);
    *ret_engine = one->engine_connectors[0];
    owner->contexts = one->contexts[0];
    owner->template = one->templates[0];
    config_keep_own(owner, one, config);
    mem_free(one->engine_targets);
    mem_free(one->engine_sources);
    mem_free(one->engine_connectors);
    mem_free(one->contexts);
    mem_free(one->templates);
}

static void check_all(const struct config *one, struct owner *owner, const struct node *root, struct schedule *schedule, struct config_problems *problems)
{
    size_t before = problems->errors;

    config_choose_schedules(&owner->settings, root, problems);
    config_check(one, root, problems);
    if (problems->errors == before)
        check_time(config_connector(one, 0), schedule, owner, problems);
}

static int make_from_tree(const struct config *config, const struct node *root, const char *before, struct service_connector *ret_connector,
                          struct config_problems *problems)
{
    static const char *const no_variables[] = { NULL };
    static const struct config_environment no_environment = { .variables = no_variables };
    struct config_binder binder = { .environment = &no_environment, .problems = problems };
    const struct field_group *const groups[] = { &config_api_connectors, NULL };
    const struct field_group array = { .name = "", .groups = groups };
    struct owner *owner = mem_alloc(sizeof *owner);
    struct config one;
    struct engine_connector engine;
    struct schedule schedule = { .kind = SCHEDULE_MANUAL };

    config_bind(&binder, &array, &owner->settings, root, "");
    config_read_own(config, root, before, owner->settings.items, problems);
    one = config_with_own(config, owner);
    check_all(&one, owner, root, &schedule, problems);
    if (problems->errors == 0) {
        make_engine(&one, config, owner, &engine);
        fill(owner->settings.items, &engine, &schedule, owner, ret_connector);
    }
    for (size_t i = 0; i < problems->count; i++)
        point(&problems->items[i], owner);
    config_without_own(&one, config);
    if (problems->errors == 0)
        return 0;
    free_owner(owner);
    return -1;
}

int config_connector_from_json(const struct config *config, const char *json, size_t size, const char *before, struct service_connector *ret_connector,
                               struct config_problems *problems)
{
    yyjson_read_err fault;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json, size, 0, NULL, &fault);
    struct reading reading = { .problems = problems };
    AUTO_DONE(node) struct node root = { .kind = NODE_MAP };
    struct node *list;

    if (document == NULL || !yyjson_is_obj(yyjson_doc_get_root(document))) {
        config_error(problems, NULL, "", "is no JSON object%s%s", document == NULL ? ": " : "", document == NULL ? fault.msg : "");
        yyjson_doc_free(document);
        return -1;
    }
    text_init(&reading.pointer, 0);
    list = add_child(&root, "connectors");
    list->kind = NODE_LIST;
    read_object(&reading, &config_api_connectors, add_child(list, ""), yyjson_doc_get_root(document));
    text_done(&reading.pointer);
    yyjson_doc_free(document);
    return make_from_tree(config, &root, before, ret_connector, problems);
}
