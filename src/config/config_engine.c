/* config_engine.c - what the engine takes, made from the settings. All pointers are borrowed from the configuration. */
#include "config/node.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void make_target(const struct config *config, size_t index, struct engine_target *out)
{
    static const struct field row = { .name = "settle", .type = FIELD_DURATION };
    const struct lightrag_settings *settings = config_target(config, index);
    struct error err;

    *out = (struct engine_target){
        .name = config_target_name(config, index),
        .sink = { .url = settings->url, .api_key = settings->api_key, .username = settings->username, .password = settings->password,
                  .timeout_ms = settings->timeout_ms, .trust = &config->trust },
        .workspace = settings->workspace,
        .batch_size = (int)settings->batch_size,
        .max_unfinished = (int)settings->max_unfinished,
        .poll_interval_ms = settings->poll_interval_ms,
        .kick = settings->kick == 0,
        .kick_interval_ms = settings->kick_interval_ms,
        .give_up_after_ms = settings->give_up_after_ms,
        .audit_interval_ms = settings->audit_interval_ms,
    };
    if (strcmp(settings->settle, "auto") != 0)
        (void)field_set(&row, &out->settle_ms, settings->settle, &err);
}

static void make_source(const struct config *config, size_t index, struct engine_source *out)
{
    const struct memory_api_settings *settings = config_source(config, index);

    *out = (struct engine_source){
        .name = config_source_name(config, index),
        .endpoint = { .url = settings->url, .api_key = settings->api_key, .timeout_ms = settings->timeout_ms,
                      .response_maximum = settings->max_response_bytes, .trust = &config->trust },
        .max_retries = (int)settings->max_retries,
        .retry_backoff = settings->retry_backoff,
        .item_maximum = settings->max_item_bytes,
    };
}

static struct memory_filter make_filter(const struct connector_settings *settings)
{
    struct memory_filter filter = {
        .skip_empty = settings->skip_empty,
        .types = (const char *const *)settings->filter_types.items,
        .type_count = settings->filter_types.count,
    };

    filter.has_since = memory_filter_parse_time(settings->filter_since, false, &filter.since_ms);
    filter.has_until = memory_filter_parse_time(settings->filter_until, true, &filter.until_ms);
    return filter;
}

static void make_connector(struct config *config, size_t index)
{
    static const char *const ranges[] = { "day", "week", "month", "all" };
    const struct connector_settings *settings = config_connector(config, index);
    size_t count = settings->context_ids.count > 0 ? settings->context_ids.count : 1;
    const char **contexts = mem_alloc_array(count, sizeof *contexts);
    const char *nearest;

    for (size_t i = 0; i < count; i++)
        contexts[i] = settings->context_ids.count > 0 ? settings->context_ids.items[i] : settings->context_id;
    config->contexts[index] = contexts;
    if (settings->strategy == TRANSFORM_TEMPLATE && transform_template_new(settings->template_text, NULL, NULL, &config->templates[index]) > 0)
        abort(); /* config_check has let it pass */
    config->engine_connectors[index] = (struct engine_connector){
        .id = settings->id,
        .is_disabled = !settings->enabled,
        .source = config_find_source(config, settings->source, &nearest),
        .target = config_find_target(config, settings->target, &nearest),
        .contexts = contexts,
        .context_count = count,
        .range = ranges[settings->query_range],
        .limit = settings->query_limit,
        .max_concurrency = (int)settings->max_concurrency,
        .filter = make_filter(settings),
        .replaces = settings->on_update == 1,
        .on_delete = (enum engine_on_delete)settings->on_delete,
        .max_delete_percent = (int)settings->max_delete_percent,
        .auto_widen = settings->auto_widen,
        .transform = { .strategy = (enum transform_strategy)settings->strategy, .extract_tags = settings->extract_tags,
                       .template = config->templates[index] },
        .max_attempts = (int)settings->max_attempts,
        .backoff_multiplier = settings->backoff_multiplier,
        .max_backoff_ms = settings->max_backoff_s * 1000,
    };
}

void config_make_engine(struct config *config)
{
    size_t targets = config->targets.count + 1;
    size_t sources = config->sources.count + 1;
    size_t connectors = config->connectors.count;

    config->trust = (struct http_trust){ .ca_file = config->http.ca_file, .proxy = config->http.proxy, .insecure = config->http.insecure };
    config->inline_trust = (struct http_trust){
        .ca_file = config->http.ca_file, .insecure = config->http.insecure, .public_only = true,
        .networks = (const char *const *)config->api.networks.items, .network_count = config->api.networks.count,
    };
    config->engine_targets = mem_alloc_array(targets, sizeof *config->engine_targets);
    config->engine_sources = mem_alloc_array(sources, sizeof *config->engine_sources);
    config->engine_connectors = mem_alloc_array(connectors, sizeof *config->engine_connectors);
    config->contexts = mem_alloc_array(connectors, sizeof *config->contexts);
    config->templates = mem_alloc_array(connectors, sizeof *config->templates);
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
        .keep_texts = config->state.keep_texts == TEXTS_ALL || (config->state.keep_texts == TEXTS_AUTO && config->state.backend == STATE_SQLITE),
        .disk_reserve_bytes = config->state.disk_reserve,
        .shutdown_timeout_ms = config->advanced.shutdown_timeout_ms,
    };
}
