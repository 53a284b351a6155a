/* api_schemas.c - the shapes of bodies and answers: checks, OpenAPI and docs/api.md come from here. */
#include "api/api_internal.h"

#include "config/config_connector.h"

#include <string.h>

#define SCHEMA(variable, named, table, ...) \
    static const struct api_schema variable = { .name = named, .members = table, .count = ARRAY_LENGTH(table), __VA_ARGS__ }

static const char *const states[] = { "idle", "running", "waiting", "paused", "disabled", NULL };
static const char *const results[] = { "running", "success", "partial", "failed", "interrupted", "cancelled", "skipped", NULL };
static const char *const memory_states[] = { "none", "queued", "flying", "done", "dead", "skipped", "removing", "gone", "trusted", "unknown", NULL };
static const char *const managers[] = { "file", "api", NULL };
static const char *const ranges[] = { "day", "week", "month", "all", NULL };
static const char *const ends[] = { "open", "retried", "discarded", "cleared", NULL };
const char *const api_dead_classes[] = {
    "malformed", "too_large", "rejected", "poison", "processing_failed", "stuck", "source_gap", "content", "foreign", "other_revision", "lost", "deletion", NULL,
};

/* ---- Problems ---- */

static const struct api_member problem_members[] = {
    { .name = "type", .type = API_TEXT, .help = "urn:memory-connector:problem:... ; docs/api.md explains each." },
    { .name = "title", .type = API_TEXT, .help = "The same for every problem of this type." },
    { .name = "status", .type = API_INTEGER, .help = "The HTTP status." },
    { .name = "detail", .type = API_TEXT, .help = "What is wrong with this request, and what to do." },
    { .name = "instance", .type = API_TEXT, .is_optional = true, .help = "The path that was asked." },
    { .name = "request_id", .type = API_TEXT, .help = "Also in the X-Request-Id header and in the service's log." },
    { .name = "errors", .type = API_LIST, .of = "Mistake", .is_optional = true, .help = "All mistakes of the request, at most a hundred." },
};
SCHEMA(problem_schema, "Problem", problem_members, .help = "RFC 9457.");

static const struct api_member mistake_members[] = {
    { .name = "pointer", .type = API_TEXT, .is_optional = true, .help = "JSON pointer into the body." },
    { .name = "parameter", .type = API_TEXT, .is_optional = true, .help = "Name of a parameter of the query." },
    { .name = "detail", .type = API_TEXT, .help = "What is wrong with it." },
};
SCHEMA(mistake_schema, "Mistake", mistake_members, .help = "One mistake.");

/* ---- Connectors ---- */

#define NEXT_CURSOR { .name = "next_cursor", .type = API_TEXT, .is_null_too = true, .help = "For the next page; null: this was the last one." }

static const struct api_member row_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "state", .type = API_TEXT, .choices = states, .help = "waiting: a run was decided and waits for a free place." },
    { .name = "enabled", .type = API_BOOLEAN, .help = "Whether it may run." },
    { .name = "description", .type = API_TEXT, .help = "For people." },
    { .name = "contexts", .type = API_LIST, .help = "The contexts of the Memory API that it reads." },
    { .name = "schedule", .type = API_TEXT, .help = "In words." },
    { .name = "next_run", .type = API_TIME, .is_null_too = true, .help = "The next time by schedule." },
    { .name = "last_run", .type = API_TIME, .is_null_too = true, .help = "Start of the newest run." },
    { .name = "backlog", .type = API_INTEGER, .help = "Memories that are not settled." },
    { .name = "dead_letters", .type = API_INTEGER, .help = "Open ones." },
    { .name = "managed_by", .type = API_TEXT, .choices = managers, .help = "Who may change it." },
};
SCHEMA(row_schema, "ConnectorRow", row_members, .help = "One connector in a list.");

static const struct api_member rows_members[] = { { .name = "connectors", .type = API_LIST, .of = "ConnectorRow", .help = "In the order of their ids." }, NEXT_CURSOR };
SCHEMA(rows_schema, "Connectors", rows_members, .help = "A page of connectors.");

/* ---- Status and runs ---- */

static const struct api_schema counts_schema = { .name = "Counts", .has_counters = true, .help = "What a run counted." };

#define REPORT_MEMBERS                                                                                                                                 \
    { .name = "run", .type = API_INTEGER, .help = "Its number." },                                                                                     \
    { .name = "connector", .type = API_TEXT, .help = "Whose run." },                                                                                   \
    { .name = "trigger", .type = API_TEXT, .help = "schedule, catch_up, buffered, api, cli." },                                                        \
    { .name = "started", .type = API_TIME, .help = "Its start." },                                                                                     \
    { .name = "finished", .type = API_TIME, .is_null_too = true, .help = "Its end." },                                                                 \
    { .name = "duration_seconds", .type = API_NUMBER, .is_null_too = true, .help = "Between the two." },                                               \
    { .name = "result", .type = API_TEXT, .choices = results, .help = "How it ended." },                                                               \
    { .name = "error", .type = API_TEXT, .is_null_too = true, .help = "Why it failed." },                                                              \
    { .name = "range", .type = API_TEXT, .help = "What was asked of the source." },                                                                    \
    { .name = "limit", .type = API_INTEGER, .help = "Likewise." },                                                                                     \
    { .name = "coverage", .type = API_TEXT, .is_null_too = true, .help = "complete, partial, limited, failed." }

static const struct api_member report_members[] = { REPORT_MEMBERS };
SCHEMA(report_schema, "Report", report_members, .has_counters = true, .help = "The report of a run.");

static const struct api_member run_gap_members[] = {
    { .name = "letter", .type = API_INTEGER, .help = "Its dead letter." },
    { .name = "context", .type = API_TEXT, .is_null_too = true, .help = "Whose listing." },
    { .name = "since", .type = API_TIME, .is_null_too = true, .help = "The first time." },
    { .name = "open", .type = API_BOOLEAN, .help = "false: a later listing closed it, or somebody did." },
    { .name = "words", .type = API_TEXT, .help = "What may be missing." },
};
SCHEMA(run_gap_schema, "RunGap", run_gap_members, .help = "Something that this run's listings may have missed.");
static const struct api_member run_error_members[] = {
    { .name = "class", .type = API_TEXT, .help = "Of the dead letters." },
    { .name = "count", .type = API_INTEGER, .help = "How many." },
    { .name = "example_memory", .type = API_TEXT, .is_null_too = true, .help = "The id of one of them." },
    { .name = "advice", .type = API_TEXT, .help = "What to do." },
};
SCHEMA(run_error_schema, "RunError", run_error_members, .help = "Dead letters of a run, one class of them.");
static const struct api_member full_report_members[] = {
    REPORT_MEMBERS,
    { .name = "gaps", .type = API_LIST, .of = "RunGap", .help = "What may be missing, at most twenty." },
    { .name = "errors", .type = API_LIST, .of = "RunError", .help = "Dead letters that happened in this run, by class." },
};
SCHEMA(full_report_schema, "FullReport", full_report_members, .has_counters = true, .help = "The report of a run, with what it left for people.");

static const struct api_member runs_members[] = { { .name = "runs", .type = API_LIST, .of = "Report", .help = "The newest first." }, NEXT_CURSOR };
SCHEMA(runs_schema, "Runs", runs_members, .help = "A page of runs.");

static const struct api_member current_members[] = {
    { .name = "run", .type = API_INTEGER, .help = "Its number." },
    { .name = "trigger", .type = API_TEXT, .help = "schedule, catch_up, buffered, api, cli." },
    { .name = "started", .type = API_TIME, .help = "Its start." },
    { .name = "phase", .type = API_TEXT, .is_null_too = true, .help = "listing: the source is still being read; delivering." },
    { .name = "counts", .type = API_OBJECT, .of = "Counts", .help = "So far." },
    { .name = "rate", .type = API_NUMBER, .help = "Memories processed in a second." },
    { .name = "eta_seconds", .type = API_NUMBER, .is_null_too = true, .help = "For what is left, at that rate." },
};
SCHEMA(current_schema, "CurrentRun", current_members, .help = "A run under way.");

static const struct api_member places_members[] = {
    { .name = "queued", .type = API_INTEGER, .help = "Wait to be sent." },
    { .name = "sending", .type = API_INTEGER, .help = "Sent; the answer is not there, or was unclear." },
    { .name = "accepted", .type = API_INTEGER, .help = "LightRAG took them; not proven to be stored." },
    { .name = "stored", .type = API_INTEGER, .help = "Stored; not processed yet." },
    { .name = "done", .type = API_INTEGER, .help = "In the graph, proven." },
    { .name = "dead", .type = API_INTEGER, .help = "Wait for a person." },
    { .name = "skipped", .type = API_INTEGER, .help = "Without words." },
    { .name = "removing", .type = API_INTEGER, .help = "Their rows at LightRAG are being deleted." },
    { .name = "gone", .type = API_INTEGER, .help = "Removed for good." },
    { .name = "trusted", .type = API_INTEGER, .help = "Imported from an earlier program as sent; not proven." },
};
SCHEMA(places_schema, "MemoryCounts", places_members, .help = "How many memories are where.");

static const struct api_member source_members[] = {
    { .name = "name", .type = API_TEXT, .help = "default, or a name of sources." },
    { .name = "reachable", .type = API_BOOLEAN, .help = "As the last listing found it." },
    { .name = "last_error", .type = API_TEXT, .is_null_too = true, .help = "What went wrong then." },
};
SCHEMA(source_schema, "SourceStatus", source_members, .help = "Its Memory API.");

static const struct api_member target_members[] = {
    { .name = "url", .type = API_TEXT, .is_null_too = true, .help = "Where it answers." },
    { .name = "version", .type = API_TEXT, .is_null_too = true, .help = "LightRAG's core version." },
    { .name = "last_seen", .type = API_TIME, .is_null_too = true, .help = "Its last good answer." },
    { .name = "name", .type = API_TEXT, .is_optional = true, .help = "default, or a name of targets." },
    { .name = "dialect", .type = API_TEXT, .is_null_too = true, .is_optional = true, .help = "1.4 or 1.5." },
    { .name = "reachable", .type = API_BOOLEAN, .is_optional = true, .help = "Whether documents may be sent." },
    { .name = "condition", .type = API_TEXT, .is_optional = true, .help = "well, down, denied, strange, fenced, unknown." },
    { .name = "busy", .type = API_BOOLEAN, .is_optional = true, .help = "It says: not now." },
    { .name = "unfinished", .type = API_INTEGER, .is_optional = true, .help = "Documents stored and not yet processed, of all connectors." },
    { .name = "stalled", .type = API_TEXT, .is_null_too = true, .is_optional = true, .help = "Why stored documents stay unprocessed, and the remedy: nobody may wake its pipeline." },
    { .name = "last_error", .type = API_TEXT, .is_null_too = true, .is_optional = true, .help = "Why it is not well." },
};
SCHEMA(target_schema, "TargetStatus", target_members, .help = "Its LightRAG.");

static const struct api_member gap_members[] = {
    { .name = "letter", .type = API_INTEGER, .help = "Its dead letter." },
    { .name = "context", .type = API_TEXT, .is_null_too = true, .help = "Whose listing." },
    { .name = "since", .type = API_TIME, .is_null_too = true, .help = "The first time." },
    { .name = "words", .type = API_TEXT, .help = "What may be missing." },
};
SCHEMA(gap_schema, "Gap", gap_members, .help = "Something may be missing.");

static const struct api_member status_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "state", .type = API_TEXT, .choices = states, .help = "waiting: a run was decided and waits for a free place." },
    { .name = "reason", .type = API_TEXT, .is_null_too = true, .help = "Why it is paused." },
    { .name = "enabled", .type = API_BOOLEAN, .help = "Whether it may run." },
    { .name = "paused_until", .type = API_TIME, .is_null_too = true, .help = "null although it is paused: until somebody resumes it." },
    { .name = "next_run", .type = API_TIME, .is_null_too = true, .help = "The next time by schedule." },
    { .name = "current_run", .type = API_OBJECT, .of = "CurrentRun", .is_null_too = true, .help = "The run under way." },
    { .name = "last_run", .type = API_OBJECT, .of = "Report", .is_null_too = true, .help = "The last one that is over." },
    { .name = "memories", .type = API_OBJECT, .of = "MemoryCounts", .help = "How many are where." },
    { .name = "oldest_unsettled_seconds", .type = API_NUMBER, .is_null_too = true, .help = "How long the oldest unsettled memory waits." },
    { .name = "open_gaps", .type = API_LIST, .of = "Gap", .help = "Listings that broke off or may have missed something, and were not followed by a complete one; the first 20." },
    { .name = "dead_letters", .type = API_COUNTS, .help = "Open ones by class." },
    { .name = "source", .type = API_OBJECT, .of = "SourceStatus", .is_optional = true, .help = "Its Memory API." },
    { .name = "target", .type = API_OBJECT, .of = "TargetStatus", .help = "Its LightRAG." },
};
SCHEMA(status_schema, "Status", status_members, .help = "How a connector stands.");

/* ---- Memories and dead letters ---- */

#define MEMORY_MEMBERS                                                                                                                                   \
    { .name = "memory", .type = API_TEXT, .help = "Its id at the Memory API." },                                                                       \
    { .name = "context", .type = API_TEXT, .help = "Its context there." },                                                                             \
    { .name = "status", .type = API_TEXT, .choices = memory_states, .help = "flying: in a batch under way." },                                         \
    { .name = "document", .type = API_TEXT, .help = "Its document's name at LightRAG: file_path there." },                                             \
    { .name = "revision", .type = API_TEXT, .is_null_too = true, .help = "As it stands in the document's first line; null: trusted, not known." },           \
    { .name = "arrived", .type = API_TIME, .is_null_too = true, .help = "When it was first seen in this revision." },                                  \
    { .name = "not_before", .type = API_TIME, .is_null_too = true, .help = "Not sent earlier." },                                                      \
    { .name = "attempts", .type = API_INTEGER, .help = "Failed processings so far." },                                                                 \
    { .name = "text_bytes", .type = API_INTEGER, .help = "Of the text that is kept; 0: none is." }

static const struct api_member memory_members[] = { MEMORY_MEMBERS };
SCHEMA(memory_schema, "Memory", memory_members, .help = "Where a memory is.");

static const struct api_member batch_members[] = {
    { .name = "batch", .type = API_INTEGER, .help = "Its number." },
    { .name = "state", .type = API_TEXT, .help = "ready, sending, accepted, stored, closed." },
    { .name = "track_id", .type = API_TEXT, .is_null_too = true, .help = "LightRAG's name for it." },
    { .name = "sent", .type = API_TIME, .is_null_too = true, .help = "The last time." },
};
SCHEMA(batch_schema, "Batch", batch_members, .help = "The batch in which it flies, or flew last.");

static const struct api_member short_letter_members[] = {
    { .name = "letter", .type = API_INTEGER, .help = "Its number." },
    { .name = "class", .type = API_TEXT, .help = "What happened." },
    { .name = "words", .type = API_TEXT, .help = "The server's or ours." },
    { .name = "last", .type = API_TIME, .is_null_too = true, .help = "When." },
    { .name = "advice", .type = API_TEXT, .help = "What to do." },
};
SCHEMA(short_letter_schema, "DeadLetterHead", short_letter_members, .help = "An open dead letter.");

static const struct api_member details_members[] = {
    MEMORY_MEMBERS,
    { .name = "batch", .type = API_OBJECT, .of = "Batch", .is_null_too = true, .help = "The batch in which it flies, or flew last." },
    { .name = "dead_letters", .type = API_LIST, .of = "DeadLetterHead", .help = "Open ones." },
};
SCHEMA(details_schema, "MemoryDetails", details_members, .help = "Where a memory is, and with whom.");

static const struct api_member memories_members[] = { { .name = "memories", .type = API_LIST, .of = "Memory", .help = "In the order in which they came." }, NEXT_CURSOR };
SCHEMA(memories_schema, "Memories", memories_members, .help = "A page of memories.");

static const struct api_member letter_members[] = {
    { .name = "letter", .type = API_INTEGER, .help = "Its number." },
    { .name = "class", .type = API_TEXT, .help = "What happened." },
    { .name = "state", .type = API_TEXT, .choices = ends, .help = "open, or how it ended." },
    { .name = "connector", .type = API_TEXT, .help = "Whose." },
    { .name = "context", .type = API_TEXT, .is_null_too = true, .help = "Of the memory, or of the listing." },
    { .name = "memory", .type = API_TEXT, .is_null_too = true, .help = "null: it could not be decoded, or it is a gap." },
    { .name = "http_status", .type = API_INTEGER, .is_null_too = true, .help = "Of the answer that caused it." },
    { .name = "words", .type = API_TEXT, .help = "The server's or ours." },
    { .name = "attempts", .type = API_INTEGER, .help = "Failed processings." },
    { .name = "times", .type = API_INTEGER, .help = "How often it was met." },
    { .name = "first", .type = API_TIME, .is_null_too = true, .help = "The first time." },
    { .name = "last", .type = API_TIME, .is_null_too = true, .help = "The last time." },
    { .name = "position", .type = API_INTEGER, .help = "In the listing, in bytes." },
    { .name = "length", .type = API_INTEGER, .help = "Likewise; -1: not known." },
    { .name = "advice", .type = API_TEXT, .help = "What to do." },
};
SCHEMA(letter_schema, "DeadLetter", letter_members, .is_open = true, .help = "Something that waits for a person.");

static const struct api_member letters_members[] = { { .name = "dead_letters", .type = API_LIST, .of = "DeadLetter", .help = "The oldest first." }, NEXT_CURSOR };
SCHEMA(letters_schema, "DeadLetters", letters_members, .help = "A page of dead letters.");

static const struct api_member choice_members[] = {
    { .name = "memory", .type = API_TEXT, .max = 4096, .help = "Those of the memory with this id." },
    { .name = "class", .type = API_TEXT, .choices = api_dead_classes, .help = "Those of this class." },
    { .name = "since", .type = API_TIME, .help = "Those that were met at or after this time." },
    { .name = "all", .type = API_BOOLEAN, .help = "All open ones of the connector; without the others." },
};
SCHEMA(choice_schema, "DeadLetterChoice", choice_members, .help = "Which dead letters are meant: all that fit every member that is given.");

#define COUNTED(variable, named, word, words)                                                                                                            \
    static const struct api_member variable##_members[] = {                                                                                              \
        { .name = "connector", .type = API_TEXT, .help = "Its id." },                                                                                    \
        { .name = word, .type = API_INTEGER, .help = words },                                                                                            \
    };                                                                                                                                                   \
    SCHEMA(variable##_schema, named, variable##_members, .help = words)

COUNTED(retried, "Retried", "retried", "How many dead letters are tried again.");
COUNTED(discarded, "Discarded", "discarded", "How many dead letters were closed.");
COUNTED(forgotten, "Forgotten", "forgotten", "How many memories were forgotten.");

/* ---- Actions ---- */

static const struct api_member trigger_members[] = {
    { .name = "range", .type = API_TEXT, .choices = ranges, .help = "How far back, this once." },
    { .name = "limit", .type = API_INTEGER, .min = 1, .max = 100000000, .help = "How many memories one request asks for, this once." },
    { .name = "dry_run", .type = API_BOOLEAN, .help = "Fetch and compare only: nothing is written, nothing sent." },
    { .name = "force", .type = API_BOOLEAN, .help = "Replace also what is unchanged and there: removed at LightRAG, and sent again." },
};
SCHEMA(trigger_schema, "Trigger", trigger_members, .help = "How this run differs from the others.");

static const struct api_member triggered_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "run", .type = API_INTEGER, .is_null_too = true, .help = "The run's number; null: it has none yet." },
    { .name = "waiting", .type = API_BOOLEAN, .help = "It waits for a free place." },
};
SCHEMA(triggered_schema, "Triggered", triggered_members, .help = "A run was decided.");

static const struct api_member pause_members[] = {
    { .name = "reason", .type = API_TEXT, .max = 250, .is_null_too = true, .help = "For people." },
    { .name = "until", .type = API_TIME, .is_null_too = true, .help = "It goes on by itself then; without it, when somebody resumes it." },
};
SCHEMA(pause_schema, "Pause", pause_members, .help = "Why, and how long.");

static const struct api_member plan_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "paused", .type = API_BOOLEAN, .is_optional = true, .help = "Whether its schedule stands still." },
    { .name = "reason", .type = API_TEXT, .is_null_too = true, .is_optional = true, .help = "Why." },
    { .name = "paused_until", .type = API_TIME, .is_null_too = true, .is_optional = true, .help = "Until when." },
    { .name = "next_run", .type = API_TIME, .is_null_too = true, .is_optional = true, .help = "The next time by schedule." },
};
SCHEMA(plan_schema, "Plan", plan_members, .help = "Its plan.");

static const struct api_member cancelled_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "cancelled", .type = API_BOOLEAN, .help = "false: there was nothing to end." },
    { .name = "run", .type = API_INTEGER, .is_null_too = true, .help = "The run that is asked to end." },
};
SCHEMA(cancelled_schema, "Cancelled", cancelled_members, .help = "Whether there was a run.");

static const struct api_member reset_members[] = {
    { .name = "memory", .type = API_TEXT, .max = 4096, .help = "Only the memory with this id." },
    { .name = "all", .type = API_BOOLEAN, .help = "Everything; without memory." },
};
SCHEMA(reset_schema, "Reset", reset_members, .help = "What is to be forgotten.");

static const struct api_member test_source_members[] = {
    { .name = "name", .type = API_TEXT, .help = "default, or a name of sources." },
    { .name = "ok", .type = API_BOOLEAN, .help = "It answers for the context, with the key." },
    { .name = "seconds", .type = API_NUMBER, .help = "How long that took." },
    { .name = "message", .type = API_TEXT, .help = "What is wrong, and what to do." },
};
SCHEMA(test_source_schema, "TestSource", test_source_members, .help = "Its Memory API.");

static const struct api_member test_target_members[] = {
    { .name = "name", .type = API_TEXT, .help = "default, or a name of targets." },
    { .name = "ok", .type = API_BOOLEAN, .help = "It answers, and takes the key." },
    { .name = "seconds", .type = API_NUMBER, .help = "How long that took." },
    { .name = "version", .type = API_TEXT, .is_null_too = true, .help = "LightRAG's core version." },
    { .name = "message", .type = API_TEXT, .help = "What is wrong, and what to do." },
};
SCHEMA(test_target_schema, "TestTarget", test_target_members, .help = "Its LightRAG.");

static const struct api_member test_members[] = {
    { .name = "connector", .type = API_TEXT, .help = "Its id." },
    { .name = "source", .type = API_OBJECT, .of = "TestSource", .help = "Its Memory API." },
    { .name = "target", .type = API_OBJECT, .of = "TestTarget", .help = "Its LightRAG." },
    { .name = "ok", .type = API_BOOLEAN, .help = "Both." },
};
SCHEMA(test_schema, "Test", test_members, .help = "Whether both servers answer.");

/* ---- Health ---- */

static const char *const healths[] = { "healthy", "degraded", NULL };
static const char *const state_conditions[] = { "ok", "disk_short", NULL };
static const char *const scheduler_conditions[] = { "ok", "off", "stopping", NULL };
static const char *const source_conditions[] = { "ok", "unreachable", NULL };
static const char *const target_conditions[] = { "ok", "unknown", "down", "denied", "strange", "fenced", NULL };

static const struct api_member liveness_members[] = { { .name = "status", .type = API_TEXT, .help = "alive, ready." } };
SCHEMA(liveness_schema, "Liveness", liveness_members, .help = "Yes.");

static const struct api_member state_health_members[] = { { .name = "status", .type = API_TEXT, .choices = state_conditions, .help = "disk_short: nothing new is sent until there is room again." } };
SCHEMA(state_health_schema, "StateHealth", state_health_members, .help = "What was delivered is remembered there.");
static const struct api_member scheduler_health_members[] = { { .name = "status", .type = API_TEXT, .choices = scheduler_conditions, .help = "off: serve --api-only." } };
SCHEMA(scheduler_health_schema, "SchedulerHealth", scheduler_health_members, .help = "Starts runs.");
static const struct api_member source_health_members[] = {
    { .name = "name", .type = API_TEXT, .help = "default, or a name of sources." },
    { .name = "status", .type = API_TEXT, .choices = source_conditions, .help = "As the last listings found it." },
};
SCHEMA(source_health_schema, "SourceHealth", source_health_members, .help = "A Memory API.");
static const struct api_member target_health_members[] = {
    { .name = "name", .type = API_TEXT, .help = "default, or a name of targets." },
    { .name = "status", .type = API_TEXT, .choices = target_conditions, .help = "As its last answer left it; unknown: it was not asked yet." },
    { .name = "version", .type = API_TEXT, .is_null_too = true, .help = "LightRAG's core version." },
    { .name = "busy", .type = API_BOOLEAN, .help = "It says: not now." },
};
SCHEMA(target_health_schema, "TargetHealth", target_health_members, .help = "A LightRAG.");
static const struct api_member components_members[] = {
    { .name = "state", .type = API_OBJECT, .of = "StateHealth", .help = "Its file." },
    { .name = "scheduler", .type = API_OBJECT, .of = "SchedulerHealth", .help = "Its schedules." },
    { .name = "sources", .type = API_LIST, .of = "SourceHealth", .help = "The Memory APIs." },
    { .name = "targets", .type = API_LIST, .of = "TargetHealth", .help = "The LightRAG servers." },
};
SCHEMA(components_schema, "Components", components_members, .help = "Each by itself.");
static const struct api_member health_members[] = {
    { .name = "components", .type = API_OBJECT, .of = "Components", .help = "Each by itself." },
    { .name = "status", .type = API_TEXT, .choices = healths, .help = "degraded: it works, and something that it needs does not." },
    { .name = "version", .type = API_TEXT, .help = "Of the program." },
    { .name = "uptime_seconds", .type = API_NUMBER, .help = "Since its start." },
    { .name = "active_runs", .type = API_INTEGER, .help = "Runs under way." },
    { .name = "last_error", .type = API_TEXT, .is_null_too = true, .help = "Of the last run that failed since the start." },
};
SCHEMA(health_schema, "Health", health_members, .help = "Is it well?");

/* ---- Of other tables ---- */

static void write_settings(struct json_writer *writer)
{
    config_connector_write_schema(writer, CONFIG_CONNECTOR_SETTINGS);
}

static void write_patch(struct json_writer *writer)
{
    config_connector_write_schema(writer, CONFIG_CONNECTOR_PATCH);
}

static void write_shown(struct json_writer *writer)
{
    config_connector_write_schema(writer, CONFIG_CONNECTOR_SHOWN);
}

/* ---- The way back ---- */

static const struct api_member resolved_memory_members[] = {
    { .name = "memory", .type = API_TEXT, .help = "Its id at the Memory API." },
    { .name = "context", .type = API_TEXT, .help = "Its context there." },
    { .name = "connector", .type = API_TEXT, .is_null_too = true, .help = "Whose it is; null: nobody feeds it now." },
    { .name = "source", .type = API_TEXT, .help = "The Memory API's name in the configuration." },
    { .name = "target", .type = API_TEXT, .help = "The LightRAG server's, and a mark of its address." },
    { .name = "target_url", .type = API_TEXT, .help = "Its address." },
    { .name = "target_version", .type = API_TEXT, .is_null_too = true, .help = "Its core_version; null: never seen." },
    { .name = "address", .type = API_TEXT, .help = "As in the first line of the document." },
    { .name = "document", .type = API_TEXT, .help = "Its document's name at LightRAG." },
    { .name = "doc_id", .type = API_TEXT, .is_null_too = true, .help = "LightRAG's id of it; null: it cannot be told." },
    { .name = "state", .type = API_TEXT, .choices = memory_states, .help = "flying: in a batch under way." },
};
SCHEMA(resolved_memory_schema, "ResolvedMemory", resolved_memory_members, .help = "A memory, and all that names it.");

static const struct api_member resolved_target_members[] = {
    { .name = "target", .type = API_TEXT, .help = "The server that was asked." },
    { .name = "entity", .type = API_TEXT, .help = "As the server spells it." },
    { .name = "found", .type = API_BOOLEAN, .help = "Whether it is in its graph." },
    { .name = "type", .type = API_TEXT, .help = "The server's word for what it is." },
    { .name = "cut", .type = API_BOOLEAN, .help = "There are more memories: the server keeps a bounded list." },
    { .name = "other_documents", .type = API_INTEGER, .help = "Documents behind it that no memory here made." },
    { .name = "foreign", .type = API_LIST, .help = "Their names; a document id where the server names no more." },
    { .name = "similar", .type = API_LIST, .help = "Entities whose names look alike." },
    { .name = "memories", .type = API_LIST, .of = "ResolvedMemory", .help = "Those behind it." },
    { .name = "error", .type = API_TEXT, .is_optional = true, .help = "Why a server that a connector brought along did not say; the rest says nothing then." },
};
SCHEMA(resolved_target_schema, "ResolvedEntity", resolved_target_members, .help = "An entity at one server.");

static const struct api_member resolved_members[] = {
    { .name = "name", .type = API_TEXT, .is_optional = true, .help = "What was asked." },
    { .name = "kind", .type = API_TEXT, .is_optional = true, .help = "What it was taken for." },
    { .name = "cut", .type = API_BOOLEAN, .is_optional = true, .help = "There are more than these." },
    { .name = "memories", .type = API_LIST, .of = "ResolvedMemory", .is_optional = true, .help = "What the name means." },
    { .name = "entity", .type = API_TEXT, .is_optional = true, .help = "What was asked." },
    { .name = "targets", .type = API_LIST, .of = "ResolvedEntity", .is_optional = true, .help = "What each server knows of it." },
};
SCHEMA(resolved_schema, "Resolved", resolved_members, .help = "The memories that a name means, or those behind an entity.");

static const struct api_schema settings_schema = { .name = "ConnectorSettings", .write = write_settings };
static const struct api_schema patch_schema = { .name = "ConnectorPatch", .write = write_patch };
static const struct api_schema connector_schema = { .name = "Connector", .write = write_shown };
static const struct api_schema openapi_schema = { .name = "OpenApi", .is_open = true, .help = "An OpenAPI 3.1 document." };

const struct api_schema *const api_schemas[] = {
    &connector_schema, &settings_schema, &patch_schema, &test_schema, &test_source_schema, &test_target_schema, &rows_schema, &row_schema, &status_schema, &gap_schema, &current_schema, &counts_schema, &places_schema, &source_schema, &target_schema, &runs_schema,
    &report_schema, &full_report_schema, &run_gap_schema, &run_error_schema, &memories_schema, &memory_schema, &details_schema, &batch_schema, &short_letter_schema, &letters_schema, &letter_schema, &choice_schema,
    &retried_schema, &discarded_schema, &forgotten_schema, &trigger_schema, &triggered_schema, &pause_schema, &plan_schema, &cancelled_schema, &reset_schema,
    &problem_schema, &mistake_schema, &openapi_schema, &resolved_schema, &resolved_memory_schema, &resolved_target_schema,
    &health_schema, &components_schema, &state_health_schema, &scheduler_health_schema, &source_health_schema, &target_health_schema, &liveness_schema, NULL,
};

const struct api_schema *api_schema_find(const char *name)
{
    for (size_t i = 0; api_schemas[i] != NULL; i++)
        if (strcmp(api_schemas[i]->name, name) == 0)
            return api_schemas[i];
    return NULL;
}
