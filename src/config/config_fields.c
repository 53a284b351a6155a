/* config_fields.c - every setting, once. */
#include "config/config.h"

#include "base/mem.h"

#define ROWS(table) .fields = table, .field_count = ARRAY_LENGTH(table)
#define MS(seconds) ((seconds) * 1000.0)

static const char *const booleans_auto[] = { "auto", "true", "false", NULL };
static const char *const modes[] = { "api", NULL };
static const char *const kicks[] = { "auto", "never", NULL };
static const char *const schedule_types[] = { "manual", "interval", "cron", "auto", NULL };
static const char *const overlaps[] = { "skip", "buffer_one", NULL };
static const char *const ranges[] = { "day", "week", "month", "all", NULL };
static const char *const updates[] = { "keep", "replace", NULL };
static const char *const deletions[] = { "keep", "confirm", "propagate", NULL };
static const char *const strategies[] = { "standard", "rich", "template", NULL };
static const char *const backends[] = { "sqlite", "json", NULL };
static const char *const texts_kept[] = { "auto", "all", "unfinished", NULL };
static const char *const levels[] = { "debug", "info", "warn", "error", "off", NULL };
static const char *const formats[] = { "console", "json", "text", NULL };

/* ---- lightrag: and targets: ---- */

#define AT(member) offsetof(struct lightrag_settings, member)
static const struct field lightrag_fields[] = {
    { .name = "mode", .type = FIELD_CHOICE, .offset = AT(mode), .choices = modes, .fallback = "api", .only = "api",
      .why = "documents go through LightRAG's HTTP API", .help = "How documents reach LightRAG; api is the only way." },
};
static const struct field lightrag_api_fields[] = {
    { .name = "url", .type = FIELD_URL, .offset = AT(url), .fallback = "http://localhost:9621", .help = "Where LightRAG answers." },
    { .name = "api_key", .type = FIELD_SECRET, .offset = AT(api_key), .help = "LightRAG's LIGHTRAG_API_KEY, when it has one." },
    { .name = "username", .type = FIELD_STRING, .offset = AT(username), .fallback = "", .help = "An account of LightRAG's AUTH_ACCOUNTS, when it has such; beside an api_key either is enough." },
    { .name = "password", .type = FIELD_SECRET, .offset = AT(password), .help = "Its password." },
    { .name = "timeout", .type = FIELD_DURATION, .offset = AT(timeout_ms), .fallback = "300", .min = MS(1), .max = MS(3600),
      .help = "How long an insert may take." },
    { .name = "workspace", .type = FIELD_STRING, .offset = AT(workspace), .help = "The workspace that the server must report; empty: any." },
};
static const struct field lightrag_insert_fields[] = {
    { .name = "batch_size", .type = FIELD_INTEGER, .offset = AT(batch_size), .fallback = "100", .min = 1, .max = 1000, .help = "Documents in one request." },
    { .name = "max_unfinished", .type = FIELD_INTEGER, .offset = AT(max_unfinished), .fallback = "500", .min = 1, .max = 100000,
      .help = "Stored and not yet processed documents before sending pauses." },
};
static const struct field lightrag_confirm_fields[] = {
    { .name = "poll_interval", .type = FIELD_DURATION, .offset = AT(poll_interval_ms), .fallback = "2s", .min = MS(0.005), .max = MS(3600),
      .help = "Upper end of the adaptive poll." },
    { .name = "settle", .type = FIELD_STRING, .offset = AT(settle), .fallback = "auto",
      .help = "How long an unanswered request may still arrive (inserts on LightRAG 1.4, deletes on both); auto or a duration." },
    { .name = "kick", .type = FIELD_CHOICE, .offset = AT(kick), .choices = kicks, .fallback = "auto",
      .help = "Whether interrupted documents are taken up by reprocess_failed, which wakes other people's failed ones too." },
    { .name = "kick_interval", .type = FIELD_DURATION, .offset = AT(kick_interval_ms), .fallback = "5m", .min = MS(1), .max = MS(86400),
      .help = "Least time between two kicks; with kick: never, how long a sync waits for a pipeline that stands still." },
    { .name = "give_up_after", .type = FIELD_DURATION, .offset = AT(give_up_after_ms), .fallback = "24h", .min = MS(60), .max = MS(30 * 86400.0),
      .help = "A stored document that never becomes final is a dead letter after that." },
    { .name = "audit_interval", .type = FIELD_DURATION, .offset = AT(audit_interval_ms), .fallback = "24h", .min = 0, .max = MS(366 * 86400.0),
      .help = "How often the whole listing of LightRAG is compared with the state; 0: only after a restart of it was noticed." },
};
static const struct field_group lightrag_api = { .name = "api", ROWS(lightrag_api_fields), .help = "The HTTP API of LightRAG." };
static const struct field_group lightrag_insert = { .name = "insert", ROWS(lightrag_insert_fields), .help = "How documents are sent." };
static const struct field_group lightrag_confirm = { .name = "confirm", ROWS(lightrag_confirm_fields), .help = "How their fate is followed." };
static const struct field_group *const lightrag_groups[] = { &lightrag_api, &lightrag_insert, &lightrag_confirm, NULL };
#undef AT

static const struct field_group lightrag_group = {
    .name = "lightrag", ROWS(lightrag_fields), .groups = lightrag_groups, .offset = offsetof(struct config, lightrag), .help = "The default target.",
};
static const struct field_group targets_group = {
    .name = "targets", .kind = GROUP_MAP, ROWS(lightrag_fields), .groups = lightrag_groups, .offset = offsetof(struct config, targets),
    .size = sizeof(struct lightrag_settings), .name_offset = offsetof(struct lightrag_settings, name), .help = "Further LightRAG servers by name.",
};

/* ---- memory_api: and sources: ---- */

#define AT(member) offsetof(struct memory_api_settings, member)
static const struct field memory_api_fields[] = {
    { .name = "url", .type = FIELD_URL, .offset = AT(url), .fallback = "http://127.0.0.1:8080", .help = "Where the Memory API answers." },
    { .name = "api_key", .type = FIELD_SECRET, .offset = AT(api_key), .help = "Key for the Memory API." },
    { .name = "timeout", .type = FIELD_DURATION, .offset = AT(timeout_ms), .fallback = "30", .min = MS(1), .max = MS(3600),
      .help = "A listing that brings no byte for so long is given up." },
    { .name = "max_retries", .type = FIELD_INTEGER, .offset = AT(max_retries), .fallback = "3", .min = 0, .max = 100, .help = "Further tries of a listing." },
    { .name = "retry_backoff", .type = FIELD_NUMBER, .offset = AT(retry_backoff), .fallback = "2.0", .min = 1, .max = 10,
      .help = "Factor between two waits, from 1 s, at most 60 s, with full jitter." },
    { .name = "max_item_bytes", .type = FIELD_SIZE, .offset = AT(max_item_bytes), .fallback = "8MiB", .min = 1024, .max = 64 * 1048576.0,
      .help = "A larger memory is a dead letter." },
    { .name = "max_response_bytes", .type = FIELD_SIZE, .offset = AT(max_response_bytes), .fallback = "8GiB", .min = 1024, .max = 1024 * 1099511627776.0,
      .help = "A larger listing is cut, and the rest named as a gap." },
};
#undef AT

static const struct field_group memory_api_group = {
    .name = "memory_api", ROWS(memory_api_fields), .offset = offsetof(struct config, memory_api), .help = "The default source.",
};
static const struct field_group sources_group = {
    .name = "sources", .kind = GROUP_MAP, ROWS(memory_api_fields), .offset = offsetof(struct config, sources), .size = sizeof(struct memory_api_settings),
    .name_offset = offsetof(struct memory_api_settings, name), .help = "Further Memory APIs by name.",
};

/* ---- connectors: ---- */

#define AT(member) offsetof(struct connector_settings, member)
static const struct field connector_fields[] = {
    { .name = "id", .type = FIELD_STRING, .offset = AT(id), .required = true, .help = "Its name: letters, digits, _ - and . (not first)." },
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(enabled), .fallback = "true", .help = "Whether it runs." },
    { .name = "description", .type = FIELD_STRING, .offset = AT(description), .help = "For people." },
    { .name = "context_id", .type = FIELD_STRING, .offset = AT(context_id), .help = "The context of the Memory API that it reads." },
    { .name = "context_ids", .type = FIELD_LIST, .offset = AT(context_ids), .help = "Several contexts." },
    { .name = "source", .type = FIELD_STRING, .offset = AT(source), .fallback = "default", .help = "A name from sources, or default." },
    { .name = "target", .type = FIELD_STRING, .offset = AT(target), .fallback = "default", .help = "A name from targets, or default." },
};
static const struct field schedule_fields[] = {
    { .name = "type", .type = FIELD_CHOICE, .offset = AT(schedule_type), .choices = schedule_types, .fallback = "auto",
      .help = "When the service runs it by itself: at an interval, by cron, or never (manual); auto: by which of the two is given, and never where none is." },
    { .name = "interval", .type = FIELD_DURATION, .offset = AT(interval_ms), .fallback = "1h", .min = MS(1), .max = MS(3653 * 86400.0),
      .help = "Time between two runs." },
    { .name = "interval_hours", .type = FIELD_NUMBER, .offset = AT(interval_hours), .fallback = "0", .min = 0, .max = 8784, .help = "The same in hours." },
    { .name = "cron", .type = FIELD_STRING, .offset = AT(cron), .help = "Cron expression." },
    { .name = "timezone", .type = FIELD_STRING, .offset = AT(timezone), .help = "IANA time zone of the cron expression." },
    { .name = "overlap", .type = FIELD_CHOICE, .offset = AT(overlap), .choices = overlaps, .fallback = "skip", .help = "What happens while a run is under way." },
    { .name = "catch_up", .type = FIELD_DURATION, .offset = AT(catch_up_ms), .fallback = "1h", .min = 0, .max = MS(366 * 86400.0), .help = "How late a missed run is made up for." },
    { .name = "jitter", .type = FIELD_DURATION, .offset = AT(jitter_ms), .fallback = "0s", .min = 0, .max = MS(86400), .help = "Random delay." },
};
static const struct field filter_fields[] = {
    { .name = "types", .type = FIELD_LIST, .offset = AT(filter_types), .help = "Types to take, such as note and record; empty: all." },
    { .name = "since", .type = FIELD_STRING, .offset = AT(filter_since),
      .help = "Memories from then on: a date (from its beginning, UTC) or RFC 3339." },
    { .name = "until", .type = FIELD_STRING, .offset = AT(filter_until),
      .help = "Memories up to then: a date (to its end, UTC) or RFC 3339." },
};
static const struct field ingestion_fields[] = {
    { .name = "query_range", .type = FIELD_CHOICE, .offset = AT(query_range), .choices = ranges, .fallback = "week", .help = "How far back a listing reaches." },
    { .name = "query_limit", .type = FIELD_INTEGER, .offset = AT(query_limit), .fallback = "100", .min = 1, .max = 100000000,
      .help = "How many memories one request asks for." },
    { .name = "auto_widen", .type = FIELD_BOOLEAN, .offset = AT(auto_widen), .fallback = "true",
      .help = "Whether a listing that may have missed something is asked again: twice as long, further back." },
    { .name = "max_concurrency", .type = FIELD_INTEGER, .offset = AT(max_concurrency), .fallback = "1", .min = 1, .max = 16,
      .help = "Insert calls in flight at its target; more than 1 seldom helps (docs/lightrag.md)." },
    { .name = "skip_empty_transcripts", .type = FIELD_BOOLEAN, .offset = AT(skip_empty), .fallback = "true", .help = "Whether memories without words are left out." },
    { .name = "on_update", .type = FIELD_CHOICE, .offset = AT(on_update), .choices = updates, .fallback = "replace",
      .help = "What happens to a changed memory: its document is replaced, or kept and the change counted." },
    { .name = "on_delete", .type = FIELD_CHOICE, .offset = AT(on_delete), .choices = deletions, .fallback = "keep",
      .help = "What happens to a memory that two complete listings of range all did not show: kept, a dead letter that asks, or removed." },
    { .name = "max_delete_percent", .type = FIELD_INTEGER, .offset = AT(max_delete_percent), .fallback = "10", .min = 0, .max = 100,
      .help = "No more of a context's memories than this are removed at once; more of them missing is a dead letter." },
};
static const struct field_group filter_group = { .name = "filter", ROWS(filter_fields), .help = "Which memories are taken; the others are skipped, and come in when this is widened." };
static const struct field_group *const ingestion_groups[] = { &filter_group, NULL };
static const struct field transformation_fields[] = {
    { .name = "strategy", .type = FIELD_CHOICE, .offset = AT(strategy), .choices = strategies, .fallback = "standard",
      .help = "How a memory becomes a text: the layout people know, sentences, or a template of your own." },
    { .name = "extract_tags", .type = FIELD_BOOLEAN, .offset = AT(extract_tags), .fallback = "true", .help = "Whether #hashtags are tags." },
    { .name = "template", .type = FIELD_STRING, .offset = AT(template_text),
      .help = "The text of strategy template: {{field}}, {{#field}}...{{/field}}, {{^field}}...{{/field}} (docs/transform.md)." },
    { .name = "include_audio", .type = FIELD_BOOLEAN, .offset = AT(include_audio), .fallback = "false", .only = "false",
      .why = "sound itself is out of scope, its transcript is sent", .help = "Refused." },
    { .name = "include_image", .type = FIELD_BOOLEAN, .offset = AT(include_image), .fallback = "false", .only = "false",
      .why = "pictures themselves are out of scope", .help = "Refused." },
    { .name = "geocoding", .type = FIELD_BOOLEAN, .offset = AT(geocoding), .fallback = "false", .only = "false",
      .why = "names of places are not looked up", .help = "Refused." },
};
static const struct field retry_fields[] = {
    { .name = "max_attempts", .type = FIELD_INTEGER, .offset = AT(max_attempts), .fallback = "3", .min = 1, .max = 100,
      .help = "Failed processings until a memory is a dead letter." },
    { .name = "backoff_multiplier", .type = FIELD_NUMBER, .offset = AT(backoff_multiplier), .fallback = "2.0", .min = 1, .max = 10, .help = "Factor between waits." },
    { .name = "max_backoff_seconds", .type = FIELD_INTEGER, .offset = AT(max_backoff_s), .fallback = "60", .min = 1, .max = 3600, .help = "Longest wait." },
};
static const struct field_group schedule_group = { .name = "schedule", ROWS(schedule_fields), .help = "When it runs." };
static const struct field_group ingestion_group = { .name = "ingestion", ROWS(ingestion_fields), .groups = ingestion_groups, .help = "What it takes." };
static const struct field_group transformation_group = { .name = "transformation", ROWS(transformation_fields), .help = "The texts." };
static const struct field_group retry_group = { .name = "retry", ROWS(retry_fields), .help = "Failed processing." };
static const struct field_group *const connector_groups[] = { &schedule_group, &ingestion_group, &transformation_group, &retry_group, NULL };
#undef AT
static const struct field_group connectors_group = {
    .name = "connectors", .kind = GROUP_LIST, ROWS(connector_fields), .groups = connector_groups, .offset = offsetof(struct config, connectors),
    .size = sizeof(struct connector_settings), .help = "What is carried from where to where.",
};

/* ---- the same by API, which may bring its servers along ---- */

static const struct field_group own_source_group = {
    .name = "memory_api", ROWS(memory_api_fields), .offset = offsetof(struct connector_settings, own_source),
    .help = "A Memory API of its own, instead of source; where api.allow_inline_endpoints is true.",
};
static const struct field_group own_target_group = {
    .name = "lightrag", ROWS(lightrag_fields), .groups = lightrag_groups, .offset = offsetof(struct connector_settings, own_target),
    .help = "A LightRAG of its own, instead of target; where api.allow_inline_endpoints is true.",
};
static const struct field_group *const api_connector_groups[] = {
    &schedule_group, &ingestion_group, &transformation_group, &retry_group, &own_source_group, &own_target_group, NULL,
};
const struct field_group config_api_connectors = {
    .name = "connectors", .kind = GROUP_LIST, ROWS(connector_fields), .groups = api_connector_groups, .size = sizeof(struct connector_settings),
    .help = "What is carried from where to where.",
};

/* ---- the rest ---- */

#define AT(member) offsetof(struct config, member)
static const struct field cleanup_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(state.cleanup_enabled), .fallback = "true", .help = "The running service removes what ended long ago: runs, decided dead letters, batches." },
    { .name = "retention_days", .type = FIELD_INTEGER, .offset = AT(state.retention_days), .fallback = "90", .min = 1, .max = 36500, .help = "How many days such things are kept." },
    { .name = "cleanup_cron", .type = FIELD_STRING, .offset = AT(state.cleanup_cron), .fallback = "0 2 * * *", .help = "When; UTC, unless CRON_TZ=ZONE stands in front." },
};
static const struct field state_fields[] = {
    { .name = "backend", .type = FIELD_CHOICE, .offset = AT(state.backend), .choices = backends, .fallback = "sqlite",
      .help = "How the state is kept: sqlite, one file; json, a folder of text files, for small installations. \"memory-connector state migrate\" brings one into the other." },
    { .name = "path", .type = FIELD_STRING, .offset = AT(state.path),
      .help = "The state; empty: memory-connector.db (sqlite) or state (json) in $STATE_DIRECTORY, else $XDG_STATE_HOME/memory-connector." },
    { .name = "keep_texts", .type = FIELD_CHOICE, .offset = AT(state.keep_texts), .choices = texts_kept, .fallback = "auto",
      .help = "Whether texts stay after delivery; auto: all with sqlite, unfinished ones with json." },
    { .name = "disk_reserve", .type = FIELD_SIZE, .offset = AT(state.disk_reserve), .fallback = "256MiB", .min = 0, .max = 1024 * 1099511627776.0,
      .help = "With less free space nothing is fetched or sent." },
};
static const struct field_group cleanup_group = { .name = "cleanup", ROWS(cleanup_fields), .help = "Retention." };
static const struct field_group *const state_groups[] = { &cleanup_group, NULL };
static const struct field_group state_group = { .name = "state", ROWS(state_fields), .groups = state_groups, .help = "What the program remembers." };

static const struct field api_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(api.enabled), .fallback = "true", .help = "Whether serve brings the management API up." },
    { .name = "host", .type = FIELD_STRING, .offset = AT(api.host), .fallback = "127.0.0.1", .help = "Address to listen on." },
    { .name = "port", .type = FIELD_INTEGER, .offset = AT(api.port), .fallback = "9622", .min = 0, .max = 65535, .help = "Port to listen on." },
    { .name = "enable_auth", .type = FIELD_BOOLEAN, .offset = AT(api.auth), .fallback = "true", .help = "Whether a key is wanted." },
    { .name = "api_key", .type = FIELD_SECRET, .offset = AT(api.key), .help = "Key that may do everything." },
    { .name = "read_only_key", .type = FIELD_SECRET, .offset = AT(api.read_key), .help = "Key that may only read." },
    { .name = "allowed_hosts", .type = FIELD_LIST, .offset = AT(api.hosts), .help = "Further Host headers." },
    { .name = "allow_inline_endpoints", .type = FIELD_BOOLEAN, .offset = AT(api.inline_endpoints), .fallback = "false",
      .help = "Whether a connector made by API may bring its own servers (memory_api, lightrag), at public addresses and in inline_networks." },
    { .name = "inline_networks", .type = FIELD_LIST, .offset = AT(api.networks),
      .help = "Networks that such servers may be in, though they are not public: addresses or CIDR, such as 10.1.0.0/16." },
    { .name = "trusted_proxies", .type = FIELD_LIST, .offset = AT(api.proxies), .help = "Proxies whose X-Forwarded-For counts." },
};
static const struct field cors_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(api.cors), .fallback = "false", .help = "Whether pages of the origins below may ask." },
    { .name = "origins", .type = FIELD_LIST, .offset = AT(api.origins), .help = "Exact origins, such as https://app.example.org." },
};
static const struct field rate_limit_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(api.rate_limit), .fallback = "true", .help = "Rate limit of the API." },
    { .name = "requests_per_minute", .type = FIELD_INTEGER, .offset = AT(api.per_minute), .fallback = "600", .min = 1, .max = 1e6, .help = "Its size." },
};
static const struct field_group cors_group = { .name = "cors", ROWS(cors_fields), .help = "Cross-origin requests." };
static const struct field_group rate_limit_group = { .name = "rate_limit", ROWS(rate_limit_fields), .help = "Rate limit." };
static const struct field_group *const api_groups[] = { &cors_group, &rate_limit_group, NULL };
static const struct field_group api_group = { .name = "api", ROWS(api_fields), .groups = api_groups, .help = "The management API." };

static const struct field http_fields[] = {
    { .name = "ca_file", .type = FIELD_STRING, .offset = AT(http.ca_file), .help = "CA certificates (PEM) instead of the system's." },
    { .name = "proxy", .type = FIELD_STRING, .offset = AT(http.proxy), .help = "HTTP proxy; the environment's proxies are not used." },
    { .name = "insecure", .type = FIELD_BOOLEAN, .offset = AT(http.insecure), .fallback = "false", .help = "Do not verify TLS: anybody can read and change what is sent." },
};
static const struct field_group http_group = { .name = "http", ROWS(http_fields), .help = "How connections are made." };

static const struct field log_file_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(logging.file_enabled), .fallback = "false", .help = "Also into a file; SIGHUP opens it anew." },
    { .name = "path", .type = FIELD_STRING, .offset = AT(logging.file_path), .help = "Its path." },
    { .name = "max_bytes", .type = FIELD_SIZE, .offset = AT(logging.max_bytes), .fallback = "10MiB", .min = 1024, .max = 1099511627776.0, .help = "A file that would become larger is moved to path.1." },
    { .name = "backup_count", .type = FIELD_INTEGER, .offset = AT(logging.backup_count), .fallback = "5", .min = 0, .max = 1000, .help = "How many older files are kept." },
};
static const struct field log_console_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(logging.console_enabled), .fallback = "true", .help = "Log on standard error." },
    { .name = "colorize", .type = FIELD_CHOICE, .offset = AT(logging.colorize), .choices = booleans_auto, .fallback = "auto", .help = "Colours on a terminal." },
};
static const struct field logging_fields[] = {
    { .name = "level", .type = FIELD_CHOICE, .offset = AT(logging.level), .choices = levels, .fallback = "info", .help = "debug, info, warn, error, off." },
    { .name = "format", .type = FIELD_CHOICE, .offset = AT(logging.format), .choices = formats, .fallback = "console", .help = "console (text is the same) or json." },
};
static const struct field_group log_file_group = { .name = "file", ROWS(log_file_fields), .help = "Log file." };
static const struct field_group log_console_group = { .name = "console", ROWS(log_console_fields), .help = "Standard error." };
static const char *const component_levels[] = { "inherit", "debug", "info", "warn", "error", "off", NULL };
#define COMPONENT(called, number)                                                                                                                        \
    { .name = called, .type = FIELD_CHOICE, .offset = AT(logging.components[number]), .choices = component_levels, .fallback = "inherit",                \
      .help = "Level of this component; inherit: logging.level." }
static const struct field log_components_fields[] = { /* in the order of log_component_names */
    COMPONENT("cli", 0),
    COMPONENT("config", 1),
    COMPONENT("state", 2),
    COMPONENT("source", 3),
    COMPONENT("target", 4),
    COMPONENT("engine", 5),
    COMPONENT("api", 6),
    COMPONENT("alerts", 7),
    COMPONENT("http", 8),
    COMPONENT("schedule", 9),
};
#undef COMPONENT
static const struct field_group log_components_group = { .name = "components", ROWS(log_components_fields), .help = "Levels by component." };
static const struct field_group *const logging_groups[] = { &log_file_group, &log_console_group, &log_components_group, NULL };
static const struct field_group logging_group = { .name = "logging", ROWS(logging_fields), .groups = logging_groups, .help = "The log." };

static const struct field prometheus_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(monitoring.prometheus), .fallback = "true", .help = "Whether the management API shows metrics." },
    { .name = "path", .type = FIELD_STRING, .offset = AT(monitoring.path), .fallback = "/metrics", .help = "Where they are." },
};
static const struct field alert_fields[] = {
    { .name = "enabled", .type = FIELD_BOOLEAN, .offset = AT(monitoring.alerts), .fallback = "false", .help = "Whether the service tells of troubles." },
    { .name = "webhook_url", .type = FIELD_STRING, .offset = AT(monitoring.webhook_url), .help = "Where alerts are posted." },
    { .name = "secret", .type = FIELD_SECRET, .offset = AT(monitoring.secret), .help = "Signs them (Standard Webhooks): whsec_ and base64 behind it." },
};
static const struct field alert_on_fields[] = {
    { .name = "consecutive_failures", .type = FIELD_INTEGER, .offset = AT(monitoring.failures), .fallback = "3", .min = 0, .max = 1e6, .help = "So many runs in a row failed; 0: not told." },
    { .name = "no_sync_for_hours", .type = FIELD_INTEGER, .offset = AT(monitoring.no_sync_hours), .fallback = "24", .min = 0, .max = 1e6, .help = "No run went well for so long, though a schedule should have run it; 0: not told." },
    { .name = "dead_letters", .type = FIELD_INTEGER, .offset = AT(monitoring.dead_letters), .fallback = "1", .min = 0, .max = 1e9, .help = "So many more dead letters; 0: not told." },
    { .name = "stuck_for_hours", .type = FIELD_INTEGER, .offset = AT(monitoring.stuck_hours), .fallback = "6", .min = 0, .max = 1e6, .help = "A memory is on its way for so long; 0: not told." },
};
static const struct field_group prometheus_group = { .name = "prometheus", ROWS(prometheus_fields), .help = "Metrics." };
static const struct field_group alert_on_group = { .name = "alert_on", ROWS(alert_on_fields), .is_list_too = true, .help = "Which troubles are told; also a list of their names." };
static const struct field_group *const alert_groups[] = { &alert_on_group, NULL };
static const struct field_group alerts_group = { .name = "alerts", ROWS(alert_fields), .groups = alert_groups, .help = "Messages to a webhook when something needs a person." };
static const struct field_group *const monitoring_groups[] = { &prometheus_group, &alerts_group, NULL };
static const struct field_group monitoring_group = { .name = "monitoring", .groups = monitoring_groups, .help = "Metrics and alerts of the service." };

static const struct field pipeline_fields[] = {
    { .name = "max_concurrent_connectors", .type = FIELD_INTEGER, .offset = AT(advanced.max_connectors), .fallback = "4", .min = 1, .max = 100,
      .help = "Connectors that run at once in the service." },
    { .name = "job_timeout_minutes", .type = FIELD_INTEGER, .offset = AT(advanced.job_timeout_minutes), .fallback = "60", .min = 1, .max = 100000,
      .help = "Longest run in the service." },
};
static const struct field advanced_fields[] = {
    { .name = "shutdown_timeout", .type = FIELD_DURATION, .offset = AT(advanced.shutdown_timeout_ms), .fallback = "30s", .min = 0, .max = MS(3600),
      .help = "How long a stop waits for what is in flight." },
};
static const struct field_group pipeline_group = { .name = "pipeline", ROWS(pipeline_fields), .help = "Limits of the service." };
static const struct field_group *const advanced_groups[] = { &pipeline_group, NULL };
static const struct field_group advanced_group = { .name = "advanced", ROWS(advanced_fields), .groups = advanced_groups, .help = "Seldom needed." };
#undef AT

static const struct field_group *const root_groups[] = {
    &lightrag_group, &memory_api_group, &targets_group, &sources_group, &connectors_group, &state_group, &api_group, &http_group, &logging_group,
    &monitoring_group, &advanced_group, NULL,
};
const struct field_group config_root = { .name = "", .groups = root_groups, .help = "memory-connector's configuration." };
