/* api_routes.c - every path, once: dispatch, keys, limits, checks, OpenAPI and docs/api.md come from here. */
#include "api/api_internal.h"

#define PREFIX "/api/v1"
#define CONNECTOR PREFIX "/connectors/{id}"

/* ---- Parameters ---- */

static const char *const states[] = { "idle", "running", "waiting", "paused", "disabled", NULL };
static const char *const managers[] = { "file", "api", NULL };
static const char *const results[] = { "running", "success", "partial", "failed", "interrupted", "cancelled", "skipped", NULL };
static const char *const memory_states[] = { "queued", "flying", "done", "dead", "skipped", "removing", "gone", "trusted", NULL };

static const struct api_parameter limit = { .name = "limit", .type = API_INTEGER, .min = 1, .max = API_LIMIT_MAXIMUM, .help = "Elements of a page; 50 without it." };
static const struct api_parameter cursor = { .name = "cursor", .type = API_TEXT, .max = 2048, .help = "next_cursor of the page before, with the same filters." };
static const struct api_parameter state = { .name = "state", .type = API_TEXT, .choices = states, .help = "Only connectors in this state." };
static const struct api_parameter managed_by = { .name = "managed_by", .type = API_TEXT, .choices = managers, .help = "Only those of the configuration file, or those made here." };
static const struct api_parameter q_connector = { .name = "q", .type = API_TEXT, .max = 200, .help = "Only those whose id or description holds this." };
static const struct api_parameter result = { .name = "result", .type = API_TEXT, .choices = results, .help = "Only runs with this result." };
static const struct api_parameter status = { .name = "status", .type = API_TEXT, .choices = memory_states, .help = "Only memories in this state." };
static const struct api_parameter q_memory = { .name = "q", .type = API_TEXT, .max = 200, .help = "Only memories whose id holds this." };
static const struct api_parameter context = { .name = "context", .type = API_TEXT, .max = 500, .help = "Only this context, where the connector has several." };
static const struct api_parameter dead_class = { .name = "class", .type = API_TEXT, .choices = api_dead_classes, .help = "Only letters of this class." };
static const struct api_parameter memory = { .name = "memory", .type = API_TEXT, .max = 500, .help = "Only letters of the memory with this id." };
static const struct api_parameter since = { .name = "since", .type = API_TIME, .help = "Only letters that were met at or after this time." };
static const struct api_parameter closed = { .name = "closed", .type = API_BOOLEAN, .help = "Also those that were retried, discarded or solved themselves." };

static const struct api_parameter purge = { .name = "purge", .type = API_BOOLEAN, .help = "Also forget what was processed; the documents in LightRAG stay." };

static const struct api_parameter *const of_delete[] = { &purge, NULL };
static const struct api_parameter of_connector = { .name = "connector", .type = API_TEXT, .max = 64, .help = "Only events of this connector." };
static const struct api_parameter last_event_id = { .name = "last_event_id", .type = API_INTEGER, .min = 0, .max = 9e15, .help = "Go on behind this event; the header Last-Event-ID comes first." };

static const struct api_parameter name = { .name = "name", .type = API_TEXT, .max = 500, .help = "A document name, document id, chunk, track id, memory:// address, or a memory's id." };
static const struct api_parameter entity = { .name = "entity", .type = API_TEXT, .max = 500, .help = "An entity of LightRAG's graph: the servers are asked." };

static const struct api_parameter *const of_resolve[] = { &name, &entity, NULL };
static const struct api_parameter *const of_events[] = { &of_connector, &last_event_id, NULL };
static const struct api_parameter *const of_connectors[] = { &limit, &cursor, &state, &managed_by, &q_connector, NULL };
static const struct api_parameter *const of_runs[] = { &limit, &cursor, &result, NULL };
static const struct api_parameter *const of_memories[] = { &limit, &cursor, &status, &q_memory, &context, NULL };
static const struct api_parameter *const of_memory[] = { &context, NULL };
static const struct api_parameter *const of_letters[] = { &limit, &cursor, &dead_class, &memory, &since, &closed, NULL };

/* ---- Routes ---- */

const struct api_route api_routes[] = {
    { .method = "GET", .path = PREFIX "/connectors", .operation = "listConnectors", .tag = "connectors", .handle = handle_connectors, .access = API_READ,
      .is_slow = true, .parameters = of_connectors, .summary = "Which connectors there are", .help = "In the order of their ids.",
      .answers = { { 200, "Connectors", NULL, "A page of them." } } },
    { .method = "POST", .path = PREFIX "/connectors", .operation = "createConnector", .tag = "connectors", .handle = handle_create, .access = API_WRITE,
      .is_slow = true, .body = API_MUST_BODY, .body_schema = "ConnectorSettings", .summary = "Make one",
      .help = "With the settings that stand under connectors: in the configuration file. It is kept in the state, survives a restart, and runs on its schedule. "
              "It names sources and targets of the configuration; where api.allow_inline_endpoints is set there, it may bring its own along (memory_api, lightrag).",
      .answers = { { 201, "Connector", NULL, "It is there; Location says where." } } },
    { .method = "GET", .path = CONNECTOR, .operation = "getConnector", .tag = "connectors", .handle = handle_connector, .access = API_READ,
      .summary = "The settings of one", .help = "As they stand in the configuration, with all defaults; with an ETag, for If-Match and If-None-Match.",
      .answers = { { 200, "Connector", NULL, "Its settings." }, { 304, NULL, NULL, "If-None-Match named what is there." } } },
    { .method = "PUT", .path = CONNECTOR, .operation = "replaceConnector", .tag = "connectors", .handle = handle_replace, .access = API_WRITE, .is_slow = true,
      .body = API_MUST_BODY, .body_schema = "ConnectorSettings", .is_conditional = true, .summary = "Replace its settings",
      .help = "What is left out gets its default. 409 for one of the configuration file, and while a run is under way.",
      .answers = { { 200, "Connector", NULL, "Its settings now." } } },
    { .method = "PATCH", .path = CONNECTOR, .operation = "changeConnector", .tag = "connectors", .handle = handle_patch, .access = API_WRITE, .is_slow = true,
      .body = API_MUST_BODY, .body_schema = "ConnectorPatch", .is_conditional = true, .summary = "Change some of its settings",
      .help = "A JSON merge patch (RFC 7396): null brings a default back.", .answers = { { 200, "Connector", NULL, "Its settings now." } } },
    { .method = "DELETE", .path = CONNECTOR, .operation = "deleteConnector", .tag = "connectors", .handle = handle_delete, .access = API_WRITE, .is_slow = true,
      .is_conditional = true, .parameters = of_delete, .summary = "Delete it",
      .help = "What it carried stays known, so that a connector of the same contexts doubles nothing; the documents in LightRAG stay.",
      .answers = { { 204, NULL, NULL, "It is gone." } } },

    { .method = "POST", .path = CONNECTOR "/trigger", .operation = "triggerRun", .tag = "actions", .handle = handle_trigger, .access = API_WRITE, .is_slow = true,
      .body = API_MAY_BODY, .body_schema = "Trigger", .summary = "Run it now",
      .help = "409 with the address of the run while one is under way. Works for paused connectors, not for disabled ones.",
      .answers = { { 202, "Triggered", NULL, "It runs, or waits for a free place; Location says where to look." } } },
    { .method = "POST", .path = CONNECTOR "/pause", .operation = "pauseConnector", .tag = "actions", .handle = handle_pause, .access = API_WRITE, .is_slow = true,
      .body = API_MAY_BODY, .body_schema = "Pause", .summary = "Stop its schedule",
      .help = "Durable. A run under way goes on. Pausing again replaces reason and until.", .answers = { { 200, "Plan", NULL, "Its plan now." } } },
    { .method = "POST", .path = CONNECTOR "/resume", .operation = "resumeConnector", .tag = "actions", .handle = handle_resume, .access = API_WRITE, .is_slow = true,
      .summary = "Let its schedule go on", .help = "Durable; does nothing where it is not paused.", .answers = { { 200, "Plan", NULL, "Its plan now." } } },
    { .method = "POST", .path = CONNECTOR "/cancel", .operation = "cancelRun", .tag = "actions", .handle = handle_cancel, .access = API_WRITE, .is_slow = true,
      .summary = "End the run that is under way, or the one that waits",
      .help = "What LightRAG has already is followed to its end. Does nothing where there is no run.", .answers = { { 200, "Cancelled", NULL, "Whether there was one." } } },
    { .method = "POST", .path = CONNECTOR "/reset", .operation = "resetConnector", .tag = "actions", .handle = handle_reset, .access = API_WRITE, .is_slow = true,
      .body = API_MUST_BODY, .body_schema = "Reset", .summary = "Forget what was processed",
      .help = "The next listing brings it again, and look-ups find what LightRAG has: the documents there stay. 409 while a run is under way, or memories are on their way.",
      .answers = { { 200, "Forgotten", NULL, "How many memories." } } },
    { .method = "POST", .path = CONNECTOR "/test", .operation = "testConnector", .tag = "actions", .handle = handle_test, .access = API_WRITE, .is_slow = true,
      .summary = "Do both servers answer?", .help = "With the keys that are configured. Nothing is written, nothing sent. Takes up to half a minute.",
      .answers = { { 200, "Test", NULL, "What each said; 200 also where one does not answer." } } },

    { .method = "GET", .path = CONNECTOR "/status", .operation = "getStatus", .tag = "runs", .handle = handle_status, .access = API_READ,
      .summary = "How it stands", .help = "The same shape as the command status --json.", .answers = { { 200, "Status", NULL, "Now." } } },
    { .method = "GET", .path = CONNECTOR "/history", .operation = "listConnectorRuns", .tag = "runs", .handle = handle_history, .access = API_READ, .parameters = of_runs,
      .summary = "Its runs, the newest first", .answers = { { 200, "Runs", NULL, "A page of them." } } },
    { .method = "GET", .path = CONNECTOR "/runs/{run}", .operation = "getRun", .tag = "runs", .handle = handle_run, .access = API_READ,
      .summary = "The report of one run", .answers = { { 200, "FullReport", NULL, "The report." } } },
    { .method = "GET", .path = PREFIX "/runs", .operation = "listRuns", .tag = "runs", .handle = handle_runs, .access = API_READ, .parameters = of_runs,
      .summary = "The runs of all connectors, the newest first", .answers = { { 200, "Runs", NULL, "A page of them." } } },

    { .method = "GET", .path = CONNECTOR "/memories", .operation = "listMemories", .tag = "memories", .handle = handle_memories, .access = API_READ, .is_slow = true,
      .parameters = of_memories, .summary = "Its memories, in the order in which they came",
      .help = "Without their texts. With filters a page may hold fewer than limit although there are more: next_cursor tells.",
      .answers = { { 200, "Memories", NULL, "A page of them." } } },
    { .method = "GET", .path = CONNECTOR "/memories/{memory}", .operation = "getMemory", .tag = "memories", .handle = handle_memory, .access = API_READ, .is_slow = true,
      .parameters = of_memory, .summary = "Where one memory is", .help = "Its id as the Memory API gives it, percent-encoded.",
      .answers = { { 200, "MemoryDetails", NULL, "Where it is." } } },

    { .method = "GET", .path = PREFIX "/resolve", .operation = "resolveName", .tag = "memories", .handle = handle_resolve, .access = API_READ, .is_slow = true,
      .parameters = of_resolve, .summary = "From what LightRAG shows back to memories", .help = "By name, or the memories behind an entity of the graph; one of the two. docs/provenance.md tells more.",
      .answers = { { 200, "Resolved", NULL, "They are these." } } },

    { .method = "GET", .path = CONNECTOR "/dead-letters", .operation = "listDeadLetters", .tag = "dead letters", .handle = handle_letters, .access = API_READ, .is_slow = true,
      .parameters = of_letters, .summary = "What waits for a person", .help = "Each with what to do. What came from the source is shown by the command dead-letters show only.",
      .answers = { { 200, "DeadLetters", NULL, "A page of them." } } },
    { .method = "POST", .path = CONNECTOR "/dead-letters/retry", .operation = "retryDeadLetters", .tag = "dead letters", .handle = handle_retry, .access = API_WRITE,
      .is_slow = true, .body = API_MUST_BODY, .body_schema = "DeadLetterChoice", .summary = "Try them again",
      .help = "Looked up at the server first, and sent where they are absent. Lost ones, gaps and deletions stay open: trying again does nothing for them.",
      .answers = { { 200, "Retried", NULL, "How many." } } },
    { .method = "POST", .path = CONNECTOR "/dead-letters/discard", .operation = "discardDeadLetters", .tag = "dead letters", .handle = handle_discard, .access = API_WRITE,
      .is_slow = true, .body = API_MUST_BODY, .body_schema = "DeadLetterChoice", .summary = "Close them", .help = "The memories stay dead.",
      .answers = { { 200, "Discarded", NULL, "How many." } } },

    { .method = "GET", .path = PREFIX "/events", .operation = "streamEvents", .tag = "service", .handle = handle_events, .access = API_READ,
      .parameters = of_events, .summary = "What happens, as it happens",
      .help = "Server-Sent Events without an end; docs/events.md lists them. Whoever comes back with Last-Event-ID goes on behind it; an event \"missed\" says that some were overwritten. 64 streams at once, 32 of one address (503).",
      .answers = { { 200, NULL, "text/event-stream", "Lines id, event and data (one JSON object); a comment every 15 s." } } },
    { .method = "GET", .path = PREFIX "/health", .operation = "getHealth", .tag = "service", .handle = handle_health, .access = API_OPEN,
      .summary = "Is it well?", .help = "Without a key. A source or target that is down makes it degraded; 503 says that the service hangs.",
      .answers = { { 200, "Health", NULL, "It works." } } },
    { .method = "GET", .path = "/health", .handle = handle_health, .access = API_OPEN, .is_hidden = true, .answers = { { 200, "Health", NULL, "It works." } } },
    { .method = "GET", .path = "/livez", .operation = "getLivez", .tag = "service", .handle = handle_livez, .access = API_OPEN,
      .summary = "Does its loop turn?", .help = "503: restart it.", .answers = { { 200, "Liveness", NULL, "It does." } } },
    { .method = "GET", .path = "/readyz", .operation = "getReadyz", .tag = "service", .handle = handle_readyz, .access = API_OPEN,
      .summary = "Does it take orders?", .help = "503 while it stops.", .answers = { { 200, "Liveness", NULL, "It does." } } },
    { .method = "GET", .path = "/metrics", .operation = "getMetrics", .tag = "service", .handle = handle_metrics, .access = API_READ, .is_exempt = true, .is_slow = true,
      .summary = "Counters and gauges for Prometheus", .help = "docs/metrics.md lists them. The path is monitoring.prometheus.path; no rate limit.",
      .answers = { { 200, NULL, "text/plain", "Text exposition format 0.0.4." } } },

    { .method = "GET", .path = PREFIX "/openapi.json", .operation = "getOpenApi", .tag = "service", .handle = handle_openapi, .access = API_OPEN,
      .summary = "This document", .help = "OpenAPI 3.1 of exactly the paths that are there.",
      .answers = { { 200, "OpenApi", NULL, "The document." }, { 304, NULL, NULL, "If-None-Match named it." } } },
    { .method = "GET", .path = "/", .operation = "getRoot", .tag = "service", .handle = handle_root, .access = API_OPEN,
      .summary = "Leads to the OpenAPI document", .answers = { { 307, NULL, NULL, "Location: /api/v1/openapi.json" } } },
};
const size_t api_route_count = ARRAY_LENGTH(api_routes);
