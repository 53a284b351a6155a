/* config.c - finding, reading and freeing a configuration. */
#include "config/config.h"

#include "base/file.h"
#include "base/mem.h"
#include "config/node.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { FILE_MAXIMUM = 1 << 20, PATH_DEPTH = 8 };

/* ---- Finding the file and the state ---- */

static const char *get_folder(const struct config_environment *environment, const char *name)
{
    const char *folder = config_environment_get_process(environment, name);

    return folder != NULL && folder[0] == '/' ? folder : NULL; /* the XDG rules: a relative one is to be ignored */
}

static char *keep_if_there(char *path)
{
    if (access(path, F_OK) == 0)
        return path;
    mem_free(path);
    return NULL;
}

static char *find_file(const struct config_request *request, const struct config_environment *environment)
{
    const char *named = request->file != NULL ? request->file : config_environment_get_process(environment, "MEMORY_CONNECTOR_CONFIG");
    const char *xdg = get_folder(environment, "XDG_CONFIG_HOME");
    const char *home = get_folder(environment, "HOME");
    char *found;

    if (named != NULL && named[0] != '\0')
        return mem_copy_string(named);
    found = keep_if_there(mem_copy_string("config.yaml"));
    if (found == NULL && xdg != NULL)
        found = keep_if_there(mem_format("%s/memory-connector/config.yaml", xdg));
    if (found == NULL && xdg == NULL && home != NULL)
        found = keep_if_there(mem_format("%s/.config/memory-connector/config.yaml", home));
    return found != NULL ? found : keep_if_there(mem_copy_string("/etc/memory-connector/config.yaml"));
}

static int find_state(struct config *config, const struct config_request *request, const struct config_environment *environment, struct error *err)
{
    const char *service = get_folder(environment, "STATE_DIRECTORY");
    const char *xdg = get_folder(environment, "XDG_STATE_HOME");
    const char *home = get_folder(environment, "HOME");
    const char *name = config->state.backend == STATE_JSON ? "state" : "memory-connector.db";

    if (request->state_path != NULL)
        config->state_path = mem_copy_string(request->state_path);
    else if (config->state.path[0] != '\0')
        config->state_path = mem_copy_string(config->state.path);
    else if (service != NULL) /* systemd names several as a:b; the first is ours */
        config->state_path = mem_format("%.*s/%s", (int)strcspn(service, ":"), service, name);
    else if (xdg != NULL)
        config->state_path = mem_format("%s/memory-connector/%s", xdg, name);
    else if (home != NULL)
        config->state_path = mem_format("%s/.local/state/memory-connector/%s", home, name);
    else
        return error_set(err, ERROR_CONFIG, "there is no place for the state: HOME is not set; give --state or state.path");
    return 0;
}

struct state_settings config_state(const struct config *config)
{
    return (struct state_settings){ .backend = (enum state_backend)config->state.backend, .path = config->state_path };
}

/* ---- Targets, sources, connectors by number and name ---- */

const struct connector_settings *config_connector(const struct config *config, size_t index)
{
    return (const struct connector_settings *)config->connectors.items + index;
}

const struct lightrag_settings *config_target(const struct config *config, size_t index)
{
    return index == 0 ? &config->lightrag : (const struct lightrag_settings *)config->targets.items + index - 1;
}

const struct memory_api_settings *config_source(const struct config *config, size_t index)
{
    return index == 0 ? &config->memory_api : (const struct memory_api_settings *)config->sources.items + index - 1;
}

const char *config_target_name(const struct config *config, size_t index)
{
    return index == 0 ? "default" : config_target(config, index)->name;
}

const char *config_source_name(const struct config *config, size_t index)
{
    return index == 0 ? "default" : config_source(config, index)->name;
}

static const char *connector_name(const struct config *config, size_t index)
{
    return config_connector(config, index)->id;
}

static size_t find_name(const struct config *config, const char *(*name_of)(const struct config *config, size_t index), size_t count, const char *name,
                        const char **ret_nearest)
{
    size_t best = 4;

    *ret_nearest = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, name_of(config, i)) == 0)
            return i;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(name, name_of(config, i));
        if (distance < best) {
            best = distance;
            *ret_nearest = name_of(config, i);
        }
    }
    return SIZE_MAX;
}

size_t config_find_target(const struct config *config, const char *name, const char **ret_nearest)
{
    return find_name(config, config_target_name, config->targets.count + 1, name, ret_nearest);
}

size_t config_find_source(const struct config *config, const char *name, const char **ret_nearest)
{
    return find_name(config, config_source_name, config->sources.count + 1, name, ret_nearest);
}

int config_find_connector(const struct config *config, const char *id, size_t *ret_index, struct error *err)
{
    const char *nearest = NULL;
    size_t index = find_name(config, connector_name, config->connectors.count, id, &nearest);

    if (index != SIZE_MAX) {
        *ret_index = index;
        return 0;
    }
    if (nearest != NULL)
        return error_set(err, ERROR_USAGE, "there is no connector \"%.80s\"; did you mean \"%s\"?", id, nearest);
    return error_set(err, ERROR_USAGE, "there is no connector \"%.80s\"; \"memory-connector list\" shows them", id);
}

const char *config_schedule_words(const struct connector_settings *connector, char *out, size_t room)
{
    static const struct field row = { .type = FIELD_DURATION, .offset = offsetof(struct connector_settings, interval_ms) };
    AUTO_DONE(text) struct text interval = { 0 };

    text_init(&interval, 40);
    field_print(&row, connector, &interval);
    if (connector->schedule_type == CONFIG_SCHEDULE_INTERVAL && connector->interval_hours > 0)
        (void)snprintf(out, room, "every %g h", connector->interval_hours);
    else if (connector->schedule_type == CONFIG_SCHEDULE_INTERVAL)
        (void)snprintf(out, room, "every %s", interval.data);
    else if (connector->schedule_type == CONFIG_SCHEDULE_CRON)
        (void)snprintf(out, room, "cron %s%s%s", connector->cron, connector->timezone[0] != '\0' ? " " : "", connector->timezone);
    else
        (void)snprintf(out, room, "manual");
    return out;
}

void config_origin(const struct config *config, const char *path, struct text *out)
{
    bool is_exact = false;
    const struct node *node = node_at(config->tree, path, &is_exact);

    if (!is_exact) { /* a secret may come from its file */
        AUTO_STRING char *file = mem_format("%s_file", path);
        node = node_at(config->tree, file, &is_exact);
    }
    if (!is_exact || node->source == NULL)
        (void)text_append(out, "default");
    else if (node->line > 0)
        (void)text_append_format(out, "%s:%zu:%zu", node->source, node->line, node->column);
    else
        (void)text_append(out, node->source);
}

/* ---- Loading ---- */

/* 1: the text is no tree, and the problems say why. */
static int read_tree(struct config *config, const struct config_request *request, struct config_problems *problems, struct error *err)
{
    AUTO_DONE(text) struct text content = { 0 };
    const char *text = request->text;

    config->tree->kind = NODE_MAP;
    text_init(&content, FILE_MAXIMUM);
    if (text == NULL && config->file[0] == '\0')
        return 0;
    if (text == NULL && file_read(config->file, FILE_MAXIMUM, &content, err) < 0)
        return -1;
    if (text != NULL && text_append(&content, text) < 0)
        return error_set(err, ERROR_CONFIG, "%s is larger than %d bytes", config->file, FILE_MAXIMUM);
    return node_parse_yaml(strcmp(config->file, "-") == 0 ? "standard input" : config->file, content.data, content.size, config->tree, problems) < 0 ? 1 : 0;
}

static void read_dotenv(const struct config *config, struct config_environment *environment, struct config_problems *problems)
{
    const char *slash = strrchr(config->file, '/');
    AUTO_STRING char *path = slash != NULL ? mem_format("%.*s/.env", (int)(slash - config->file), config->file) : mem_copy_string(".env");

    if (config->file[0] != '\0')
        config_environment_read(environment, path, problems);
}

static void put_overrides(struct node *root, const struct config_request *request, struct config_problems *problems)
{
    for (size_t i = 0; i < request->override_count; i++) {
        AUTO_STRING char *path = mem_copy_string(request->overrides[i].path);
        struct node place = { .source = (char *)(uintptr_t)request->overrides[i].flag };
        const char *parts[PATH_DEPTH];
        size_t depth = 0;
        for (char *part = path, *next; part != NULL && depth < ARRAY_LENGTH(parts); part = next) {
            next = strchr(part, '.');
            if (next != NULL)
                *next++ = '\0';
            parts[depth++] = part;
        }
        if (!node_put(root, parts, depth, request->overrides[i].value, request->overrides[i].flag))
            config_error(problems, &place, "", "does not fit the configuration");
    }
}

static void bind_tree(struct config *config, const struct config_request *request, struct config_environment *environment, struct config_problems *problems)
{
    struct config_binder binder = { .environment = environment, .problems = problems };

    if (request->text == NULL)
        read_dotenv(config, environment, problems);
    config_put_environment(config->tree, environment, problems);
    put_overrides(config->tree, request, problems);
    config_expand(config->tree, environment, "", problems);
    config_bind(&binder, &config_root, config, config->tree, "");
    config_choose_schedules(&config->connectors, config->tree, problems);
    config_check(config, config->tree, problems);
    if (binder.has_plain_secret && request->text == NULL && file_is_readable_by_others(config->file))
        config_warn_of_open_file(problems, NULL, "", config->file);
}

int config_load(const struct config_request *request, struct config **ret_config, struct config_problems *problems, struct error *err)
{
    AUTO_DONE(config_environment) struct config_environment environment = { 0 };
    AUTO(config) struct config *config = mem_alloc(sizeof *config);
    int result;

    environment.variables = request->environment != NULL ? request->environment : (const char *const *)environ;
    fields_set_defaults(&config_root, config);
    config->tree = mem_alloc(sizeof *config->tree);
    if (request->text != NULL)
        config->file = mem_copy_string(request->file != NULL ? request->file : "configuration");
    else if (!request->without_file)
        config->file = find_file(request, &environment);
    if (config->file == NULL)
        config->file = mem_copy_string("");
    result = read_tree(config, request, problems, err);
    if (result < 0)
        return -1;
    if (result == 0)
        bind_tree(config, request, &environment, problems);
    if (problems->errors > 0)
        return error_set(err, ERROR_CONFIG, "%s has %zu problem%s; nothing was started", config->file[0] != '\0' ? config->file : "the configuration",
                         problems->errors, problems->errors == 1 ? "" : "s");
    if (find_state(config, request, &environment, err) < 0)
        return -1;
    config_make_engine(config);
    *ret_config = TAKE(config);
    return 0;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; config->contexts != NULL && i < config->connectors.count; i++)
        mem_free(config->contexts[i]);
    mem_free(config->contexts);
    for (size_t i = 0; config->templates != NULL && i < config->connectors.count; i++)
        transform_template_free(config->templates[i]);
    mem_free(config->templates);
    mem_free(config->engine_targets);
    mem_free(config->engine_sources);
    mem_free(config->engine_connectors);
    fields_free(&config_root, config);
    if (config->tree != NULL)
        node_done(config->tree);
    mem_free(config->tree);
    mem_free(config->file);
    mem_free(config->state_path);
    mem_free(config);
}
