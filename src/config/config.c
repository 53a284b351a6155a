#include "config/config.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "config/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAXIMUM = 1 << 20 };

static const char *const ranges[] = { "day", "week", "month", "all" };

/* ---- Finding the file ---- */

static char *first_existing(char **candidates, size_t count)
{
    char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (found == NULL && candidates[i] != NULL && access(candidates[i], F_OK) == 0)
            found = candidates[i];
        else
            mem_free(candidates[i]);
    }
    return found;
}

static char *find_file(const struct config_request *request)
{
    const char *named = request->file != NULL ? request->file : getenv("MEMORY_CONNECTOR_CONFIG");
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *candidates[3];

    if (named != NULL && named[0] != '\0')
        return mem_copy_string(named);
    candidates[0] = mem_copy_string("config.yaml");
    candidates[1] = xdg != NULL && xdg[0] == '/' ? mem_format("%s/memory-connector/config.yaml", xdg)
                    : home != NULL             ? mem_format("%s/.config/memory-connector/config.yaml", home)
                                               : NULL;
    candidates[2] = mem_copy_string("/etc/memory-connector/config.yaml");
    return first_existing(candidates, ARRAY_LENGTH(candidates));
}

static char *state_path_of(const struct config *config, const struct config_request *request)
{
    const char *service = getenv("STATE_DIRECTORY");
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (request->state_path != NULL)
        return mem_copy_string(request->state_path);
    if (config->state.path[0] != '\0')
        return mem_copy_string(config->state.path);
    if (service != NULL && service[0] == '/')
        return mem_format("%s/memory-connector.db", service);
    if (xdg != NULL && xdg[0] == '/')
        return mem_format("%s/memory-connector/memory-connector.db", xdg);
    return mem_format("%s/.local/state/memory-connector/memory-connector.db", home != NULL ? home : "");
}

/* ---- Checks that look at more than one setting ---- */

const struct connector_settings *config_connector(const struct config *config, size_t index)
{
    return (const struct connector_settings *)config->connectors.items + index;
}

static bool is_id(const char *id)
{
    size_t length = strlen(id);

    if (length == 0 || length > 64 || id[0] == '.')
        return false;
    return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static const struct lightrag_settings *target_at(const struct config *config, size_t index)
{
    return index == 0 ? &config->lightrag : (const struct lightrag_settings *)config->targets.items + index - 1;
}

static const struct memory_api_settings *source_at(const struct config *config, size_t index)
{
    return index == 0 ? &config->memory_api : (const struct memory_api_settings *)config->sources.items + index - 1;
}

static const char *name_of_target(const struct config *config, size_t index)
{
    return index == 0 ? "default" : target_at(config, index)->name;
}

static const char *name_of_source(const struct config *config, size_t index)
{
    return index == 0 ? "default" : source_at(config, index)->name;
}

static size_t find_name(const struct config *config, const char *(*name_of)(const struct config *config, size_t index), size_t count, const char *name,
                        const char **ret_nearest)
{
    size_t best = 4;

    *ret_nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(name, name_of(config, i));
        if (distance == 0)
            return i;
        if (distance < best) {
            best = distance;
            *ret_nearest = name_of(config, i);
        }
    }
    return SIZE_MAX;
}

static void check_names(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 1; i <= config->targets.count; i++)
        if (!is_id(name_of_target(config, i)) || strcmp(name_of_target(config, i), "default") == 0)
            config_problem_add(problems, false, "targets.%s: is no name for a target (letters, digits, _ - .; \"default\" is the lightrag section)",
                               name_of_target(config, i));
    for (size_t i = 1; i <= config->sources.count; i++)
        if (!is_id(name_of_source(config, i)) || strcmp(name_of_source(config, i), "default") == 0)
            config_problem_add(problems, false, "sources.%s: is no name for a source (letters, digits, _ - .; \"default\" is the memory_api section)",
                               name_of_source(config, i));
}

static void check_reference(const struct config *config, const char *kind, const char *name, size_t found, const char *nearest, const char *id,
                            struct config_problems *problems)
{
    (void)config;
    if (found != SIZE_MAX)
        return;
    if (nearest != NULL)
        config_problem_add(problems, false, "connector %s: there is no %s \"%s\"; did you mean \"%s\"?", id, kind, name, nearest);
    else
        config_problem_add(problems, false, "connector %s: there is no %s \"%s\": name it under %ss", id, kind, name, kind);
}

static void check_settle(const struct lightrag_settings *target, const char *name, struct config_problems *problems)
{
    static const struct field row = { .name = "settle", .type = FIELD_DURATION, .min = 1000, .max = 86400000 };
    struct error err = { 0 };
    int64_t ms = 0;

    if (strcmp(target->settle, "auto") != 0 && field_set(&row, &ms, target->settle, &err) < 0)
        config_problem_add(problems, false, "%s: confirm.settle: %s, nor auto", name, err.message);
}

static void check_connector(const struct config *config, const struct connector_settings *connector, size_t index, struct config_problems *problems)
{
    const char *nearest;
    size_t found;

    if (connector->id[0] != '\0' && !is_id(connector->id))
        config_problem_add(problems, false, "connectors[%zu].id: \"%s\" is no id: letters, digits, _ - and . (not first), at most 64", index, connector->id);
    if (connector->context_id[0] != '\0' && connector->context_ids.count > 0)
        config_problem_add(problems, false, "connector %s: context_id and context_ids both stand here: give one of the two", connector->id);
    if (connector->context_id[0] == '\0' && connector->context_ids.count == 0)
        config_problem_add(problems, false, "connector %s: context_id: is missing (the context of the Memory API that it reads)", connector->id);
    found = find_name(config, name_of_target, config->targets.count + 1, connector->target, &nearest);
    check_reference(config, "target", connector->target, found, nearest, connector->id, problems);
    found = find_name(config, name_of_source, config->sources.count + 1, connector->source, &nearest);
    check_reference(config, "source", connector->source, found, nearest, connector->id, problems);
}

static bool shares_context(const struct connector_settings *a, const struct connector_settings *b, const char **ret_context)
{
    size_t a_count = a->context_ids.count > 0 ? a->context_ids.count : 1;
    size_t b_count = b->context_ids.count > 0 ? b->context_ids.count : 1;

    for (size_t i = 0; i < a_count; i++) {
        const char *context = a->context_ids.count > 0 ? a->context_ids.items[i] : a->context_id;
        for (size_t k = a == b ? i + 1 : 0; k < b_count; k++) {
            if (strcmp(context, b->context_ids.count > 0 ? b->context_ids.items[k] : b->context_id) == 0) {
                *ret_context = context;
                return true;
            }
        }
    }
    return false;
}

static void check_pairs(const struct config *config, struct config_problems *problems)
{
    const char *context;

    for (size_t i = 0; i < config->connectors.count; i++) {
        const struct connector_settings *a = config_connector(config, i);
        for (size_t k = i; k < config->connectors.count; k++) {
            const struct connector_settings *b = config_connector(config, k);
            if (i != k && a->id[0] != '\0' && strcmp(a->id, b->id) == 0)
                config_problem_add(problems, false, "connectors[%zu].id: \"%s\" is taken by connectors[%zu]", k, b->id, i);
            if (a->enabled && b->enabled && strcmp(a->source, b->source) == 0 && strcmp(a->target, b->target) == 0 && shares_context(a, b, &context))
                config_problem_add(problems, false, "connectors %s and %s both carry context \"%s\" from %s to %s: every memory would have two owners; disable one",
                                   a->id, b->id, context, a->source, a->target);
        }
    }
}

static void check_secrecy(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i <= config->sources.count; i++)
        if (source_at(config, i)->api_key[0] != '\0' && strncmp(source_at(config, i)->url, "http:", 5) == 0 && !http_url_is_loopback(source_at(config, i)->url))
            config_problem_add(problems, true, "%s: the key goes over plain http to %s: anybody on the way can read it", name_of_source(config, i),
                               source_at(config, i)->url);
    for (size_t i = 0; i <= config->targets.count; i++)
        if (target_at(config, i)->api_key[0] != '\0' && strncmp(target_at(config, i)->url, "http:", 5) == 0 && !http_url_is_loopback(target_at(config, i)->url))
            config_problem_add(problems, true, "%s: the key goes over plain http to %s: anybody on the way can read it", name_of_target(config, i),
                               target_at(config, i)->url);
    if (config->http.insecure)
        config_problem_add(problems, true, "http.insecure: TLS is not verified: anybody on the way can read and change what is sent");
}

static void check(const struct config *config, struct config_problems *problems)
{
    check_names(config, problems);
    for (size_t i = 0; i <= config->targets.count; i++)
        check_settle(target_at(config, i), i == 0 ? "lightrag" : name_of_target(config, i), problems);
    for (size_t i = 0; i < config->connectors.count; i++)
        check_connector(config, config_connector(config, i), i, problems);
    check_pairs(config, problems);
    check_secrecy(config, problems);
}

/* ---- What the engine takes ---- */

static void make_target(const struct config *config, size_t index, struct engine_target *out)
{
    static const struct field row = { .name = "settle", .type = FIELD_DURATION };
    const struct lightrag_settings *settings = target_at(config, index);
    struct error err;

    *out = (struct engine_target){
        .name = name_of_target(config, index),
        .sink = { .url = settings->url, .api_key = settings->api_key, .timeout_ms = settings->timeout_ms, .trust = &config->trust },
        .workspace = settings->workspace,
        .batch_size = (int)settings->batch_size,
        .max_unfinished = (int)settings->max_unfinished,
        .poll_interval_ms = settings->poll_interval_ms,
        .kick = settings->kick == 0,
        .kick_interval_ms = settings->kick_interval_ms,
        .give_up_after_ms = settings->give_up_after_ms,
    };
    if (strcmp(settings->settle, "auto") != 0)
        (void)field_set(&row, &out->settle_ms, settings->settle, &err);
}

static void make_source(const struct config *config, size_t index, struct engine_source *out)
{
    const struct memory_api_settings *settings = source_at(config, index);

    *out = (struct engine_source){
        .name = name_of_source(config, index),
        .endpoint = { .url = settings->url, .api_key = settings->api_key, .timeout_ms = settings->timeout_ms,
                      .response_maximum = settings->max_response_bytes, .trust = &config->trust },
        .max_retries = (int)settings->max_retries,
        .retry_backoff = settings->retry_backoff,
        .item_maximum = settings->max_item_bytes,
    };
}

static void make_connector(struct config *config, size_t index)
{
    const struct connector_settings *settings = config_connector(config, index);
    size_t count = settings->context_ids.count > 0 ? settings->context_ids.count : 1;
    const char **contexts = mem_alloc_array(count, sizeof *contexts);
    const char *nearest;

    for (size_t i = 0; i < count; i++)
        contexts[i] = settings->context_ids.count > 0 ? settings->context_ids.items[i] : settings->context_id;
    config->contexts[index] = contexts;
    config->engine_connectors[index] = (struct engine_connector){
        .id = settings->id,
        .source = find_name(config, name_of_source, config->sources.count + 1, settings->source, &nearest),
        .target = find_name(config, name_of_target, config->targets.count + 1, settings->target, &nearest),
        .contexts = contexts,
        .context_count = count,
        .range = ranges[settings->query_range],
        .limit = settings->query_limit,
        .max_concurrency = (int)settings->max_concurrency,
        .skip_empty = settings->skip_empty,
        .transform = { .strategy = (enum transform_strategy)settings->strategy, .extract_tags = settings->extract_tags },
        .max_attempts = (int)settings->max_attempts,
        .backoff_multiplier = settings->backoff_multiplier,
        .max_backoff_ms = settings->max_backoff_s * 1000,
    };
}

static void make_engine_settings(struct config *config)
{
    size_t targets = config->targets.count + 1;
    size_t sources = config->sources.count + 1;
    size_t connectors = config->connectors.count;

    config->trust = (struct http_trust){ .ca_file = config->http.ca_file, .proxy = config->http.proxy, .insecure = config->http.insecure };
    config->engine_targets = mem_alloc_array(targets, sizeof *config->engine_targets);
    config->engine_sources = mem_alloc_array(sources, sizeof *config->engine_sources);
    config->engine_connectors = mem_alloc_array(connectors, sizeof *config->engine_connectors);
    config->contexts = mem_alloc_array(connectors, sizeof *config->contexts);
    for (size_t i = 0; i < targets; i++)
        make_target(config, i, &config->engine_targets[i]);
    for (size_t i = 0; i < sources; i++)
        make_source(config, i, &config->engine_sources[i]);
    for (size_t i = 0; i < connectors; i++)
        make_connector(config, i);
    config->engine = (struct engine_settings){
        .targets = config->engine_targets,
        .target_count = targets,
        .sources = config->engine_sources,
        .source_count = sources,
        .connectors = config->engine_connectors,
        .connector_count = connectors,
        .keep_texts = config->state.keep_texts == 0,
        .disk_reserve_bytes = config->state.disk_reserve,
        .shutdown_timeout_ms = config->advanced.shutdown_timeout_ms,
    };
}

/* ---- Loading ---- */

static int read_tree(struct config *config, struct node *root, struct config_problems *problems, struct error *err)
{
    AUTO_DONE(text) struct text content = { 0 };

    root->kind = NODE_MAP;
    if (config->file[0] == '\0')
        return 0;
    text_init(&content, FILE_MAXIMUM);
    if (file_read(config->file, FILE_MAXIMUM, &content, err) < 0)
        return -1;
    if (strstr(content.data, "api_key:") != NULL && strcmp(config->file, "-") != 0 && file_is_readable_by_others(config->file) &&
        strstr(content.data, "${") == NULL)
        config_problem_add(problems, true, "%s: the file may hold keys and is readable by others: chmod 600 it", config->file);
    return node_parse_yaml(config->file, content.data, content.size, root, problems) < 0 ? 1 : 0;
}

static void put_overrides(struct node *root, const struct config_request *request, struct config_problems *problems)
{
    for (size_t i = 0; i < request->override_count; i++) {
        AUTO_STRING char *path = mem_copy_string(request->overrides[i].path);
        const char *parts[8];
        size_t depth = 0;
        for (char *part = path, *next; part != NULL && depth < ARRAY_LENGTH(parts); part = next) {
            next = strchr(part, '.');
            if (next != NULL)
                *next++ = '\0';
            parts[depth++] = part;
        }
        if (!node_put(root, parts, depth, request->overrides[i].value, request->overrides[i].flag))
            config_problem_add(problems, false, "%s: does not fit the configuration", request->overrides[i].flag);
    }
}

static void read_dotenv(const struct config *config, struct config_environment *environment, struct config_problems *problems)
{
    const char *slash = strrchr(config->file, '/');
    AUTO_STRING char *path = slash != NULL ? mem_format("%.*s/.env", (int)(slash - config->file), config->file) : mem_copy_string(".env");

    if (config->file[0] != '\0')
        config_environment_read(environment, path, problems);
}

int config_load(const struct config_request *request, struct config **ret_config, struct config_problems *problems, struct error *err)
{
    AUTO(config) struct config *config = mem_alloc(sizeof *config);
    AUTO_DONE(node) struct node root = { 0 };
    struct config_environment environment = { 0 };
    int result;

    fields_set_defaults(&config_root, config);
    config->file = request->without_file ? NULL : find_file(request);
    if (config->file == NULL)
        config->file = mem_copy_string("");
    result = read_tree(config, &root, problems, err);
    if (result < 0)
        return -1;
    if (result == 0) {
        read_dotenv(config, &environment, problems);
        config_put_environment(&root, &environment, problems);
        put_overrides(&root, request, problems);
        config_expand(&root, &environment, "", problems);
        config_bind(&config_root, config, &root, "", problems);
        config_environment_done(&environment);
        check(config, problems);
    }
    if (problems->errors > 0)
        return error_set(err, ERROR_CONFIG, "%s has %zu problem%s; nothing was started", config->file[0] != '\0' ? config->file : "the configuration",
                         problems->errors, problems->errors == 1 ? "" : "s");
    config->state_path = state_path_of(config, request);
    make_engine_settings(config);
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
    mem_free(config->engine_targets);
    mem_free(config->engine_sources);
    mem_free(config->engine_connectors);
    fields_free(&config_root, config);
    mem_free(config->file);
    mem_free(config->state_path);
    mem_free(config);
}

int config_find_connector(const struct config *config, const char *id, size_t *ret_index, struct error *err)
{
    const char *nearest = NULL;
    size_t best = 4;

    for (size_t i = 0; i < config->connectors.count; i++) {
        size_t distance = edit_distance(id, config_connector(config, i)->id);
        if (distance == 0) {
            *ret_index = i;
            return 0;
        }
        if (distance < best) {
            best = distance;
            nearest = config_connector(config, i)->id;
        }
    }
    if (nearest != NULL)
        return error_set(err, ERROR_USAGE, "there is no connector \"%s\"; did you mean \"%s\"?", id, nearest);
    return error_set(err, ERROR_USAGE, "there is no connector \"%s\"; \"memory-connector list\" shows them", id);
}

const char *config_schedule_words(const struct connector_settings *connector, char *out, size_t room)
{
    if (connector->schedule_type == 1 && connector->interval_hours > 0)
        (void)snprintf(out, room, "every %g h", connector->interval_hours);
    else if (connector->schedule_type == 1)
        (void)snprintf(out, room, "every %s", connector->interval);
    else if (connector->schedule_type == 2)
        (void)snprintf(out, room, "cron %s%s%s", connector->cron, connector->timezone[0] != '\0' ? " " : "", connector->timezone);
    else
        (void)snprintf(out, room, "manual");
    return out;
}
