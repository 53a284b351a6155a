/* config.h - the configuration: one YAML file, the environment and flags, read through the field tables of config_fields.c.
 *
 * Precedence: flag, environment (MEMORY_CONNECTOR_ + path in capitals, levels joined by "__"), .env beside the file, file, default. All problems
 * are collected, each with file:line:column, the path of the key, what was expected and the nearest known key. ${VAR}, ${VAR:-default} and
 * ${VAR:?message} stand in any value of the file ("$${" is a literal "${"); they are expanded once, after parsing: a value is never parsed as YAML
 * again. Values of the environment and of flags are taken as they are.
 *
 * Secrets: beside every secret x there is x_file, and without either a file in $CREDENTIALS_DIRECTORY, named as the path with "_"
 * (lightrag_api_api_key, memory_api_api_key, targets_NAME_api_api_key). Messages never quote a secret, nor what came out of a variable.
 *
 * Files are looked for in --config, $MEMORY_CONNECTOR_CONFIG, ./config.yaml, $XDG_CONFIG_HOME/memory-connector/config.yaml,
 * /etc/memory-connector/config.yaml. */
#ifndef MC_CONFIG_CONFIG_H
#define MC_CONFIG_CONFIG_H

#include "base/error.h"
#include "base/fields.h"
#include "base/http.h"
#include "base/log.h"
#include "engine/engine.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;

struct lightrag_settings {        /* lightrag:, and each of targets: */
    char *name;
    int mode;
    char *url, *api_key, *username, *password, *workspace;
    int64_t timeout_ms;
    int64_t batch_size, max_unfinished;
    int64_t poll_interval_ms, settle_ms, kick_interval_ms, give_up_after_ms, audit_interval_ms;
    char *settle;
    int kick;
};

struct memory_api_settings {      /* memory_api:, and each of sources: */
    char *name;
    char *url, *api_key;
    int64_t timeout_ms, max_retries, max_item_bytes, max_response_bytes;
    double retry_backoff;
};

enum config_schedule { CONFIG_SCHEDULE_MANUAL, CONFIG_SCHEDULE_INTERVAL, CONFIG_SCHEDULE_CRON, CONFIG_SCHEDULE_AUTO /* never once it is loaded */ };

struct connector_settings {
    struct memory_api_settings own_source; /* made by API only; name NULL: it has none, and source is a name of the configuration */
    struct lightrag_settings own_target;
    char *id, *description, *context_id, *source, *target;
    struct field_list context_ids;
    bool enabled;
    int schedule_type, overlap;    /* enum config_schedule; 0: skip, 1: buffer_one */
    char *cron, *timezone;
    double interval_hours;         /* the older name; 0: interval_ms counts */
    int64_t interval_ms, catch_up_ms, jitter_ms;
    int query_range;
    int64_t query_limit, max_concurrency, max_delete_percent;
    bool auto_widen, skip_empty, include_audio, include_image, geocoding, extract_tags;
    struct field_list filter_types;
    char *filter_since, *filter_until, *template_text;
    int on_update, on_delete, strategy;
    int64_t max_attempts, max_backoff_s;
    double backoff_multiplier;
};

enum { TEXTS_AUTO, TEXTS_ALL, TEXTS_UNFINISHED }; /* state.keep_texts */

struct state_config {
    int backend, keep_texts;       /* enum state_backend; TEXTS_x */
    char *path;
    int64_t disk_reserve;
    bool cleanup_enabled;
    int64_t retention_days;
    char *cleanup_cron;
};

struct config {
    char *file;                    /* that was read; "" when there was none */
    struct lightrag_settings lightrag;
    struct memory_api_settings memory_api;
    struct field_array targets, sources, connectors; /* of the structs above */
    struct state_config state;
    struct { bool enabled, auth, cors, rate_limit, inline_endpoints; char *host, *key, *read_key; int64_t port, per_minute;
             struct field_list hosts, origins, proxies, networks; } api;
    struct { char *ca_file, *proxy; bool insecure; } http;
    struct { int level, format, colorize; bool file_enabled, console_enabled; char *file_path; int64_t max_bytes, backup_count;
             int components[LOG_COMPONENTS]; /* 0: inherit, else the level plus one */ } logging;
    struct { bool prometheus, alerts; char *path, *webhook_url, *secret; int64_t failures, no_sync_hours, dead_letters, stuck_hours; } monitoring;
    struct { int64_t shutdown_timeout_ms, max_connectors, job_timeout_minutes; } advanced;

    /* what the engine takes, made from the above */
    struct http_trust trust, inline_trust; /* of our own servers; of those that came by API */
    struct engine_target *engine_targets;
    struct engine_source *engine_sources;
    struct engine_connector *engine_connectors; /* enabled and not, in the order of connectors */
    const char ***contexts;        /* one array per connector */
    struct transform_template **templates; /* one per connector; NULL: its strategy has none */
    struct engine_settings engine;
    char *state_path;              /* where the state is */
    struct node *tree;             /* where each value came from (config_origin) */
};

struct config_problem {
    char *text;                    /* "config.yaml:3:5: lightrag.api.ulr: there is no such setting; did you mean \"url\"?"; fit for a terminal */
    char *source;                  /* file, "environment NAME", "--flag"; NULL: no place to point at */
    size_t line, column;           /* from 1; 0: none */
    char *path, *message;          /* raw */
    bool is_warning;
    char *open_file;               /* the warning is that everybody can read this file with keys in it; NULL: it is another one */
};

struct config_problems {
    struct config_problem *items;
    size_t count, capacity;        /* the first 100 */
    size_t errors;                 /* all of them */
};
void config_problems_done(struct config_problems *problems);
AUTO_DEFINE_DONE(config_problems)

/* "lightrag.api.url" = value, from a flag. */
struct config_override {
    const char *path, *value, *flag;
};

struct config_request {
    const char *const *environment; /* "NAME=value", NULL-terminated; NULL: the process's own */
    const char *file;              /* --config; NULL: the usual places */
    const char *text;              /* instead of a file's content; file is then only its name in messages; NULL: none */
    bool without_file;             /* flags and environment only (sync --memory-url ...) */
    const char *state_path;        /* --state; NULL */
    const struct config_override *overrides;
    size_t override_count;
};

/* 0; or -1 with ERROR_CONFIG when there are errors among problems (err says how many), or nothing could be read. Warnings come with 0 too. */
int config_load(const struct config_request *request, struct config **ret_config, struct config_problems *problems, struct error *err);
void config_free(struct config *config);
AUTO_DEFINE(config)

/* Where and how the state is kept; the caller adds what it wants of it. */
struct state_settings config_state(const struct config *config);

const struct connector_settings *config_connector(const struct config *config, size_t index);
/* The connector of that id; -1 with the nearest known id. */
int config_find_connector(const struct config *config, const char *id, size_t *ret_index, struct error *err);
/* Where a setting's value came from: "config.yaml:3:5", "environment MEMORY_CONNECTOR_...", "--lightrag-url", "default". */
void config_origin(const struct config *config, const char *path, struct text *out);
const char *config_schedule_words(const struct connector_settings *connector, char *out, size_t room);

extern const struct field_group config_root; /* the tables */
extern const struct field_group config_api_connectors; /* connectors: as the management API takes them, bound to a struct field_array */

#endif
