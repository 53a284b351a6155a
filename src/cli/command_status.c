/* command_status.c - list, status, history, report: what the state knows, with and without a run under way. */
#include "cli/cli.h"
#include "cli/connectors.h"
#include "engine/report.h"
#include "engine/status.h"
#include "cli/progress.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "state/state.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_ROWS = 20 };

static int begin(struct cli *cli, struct state **ret_state, struct connectors *connectors, struct error *err)
{
    if (cli_load_config(cli, err) < 0 || cli_open_reader(cli, ret_state, err) < 0)
        return -1;
    return connectors_make(connectors, cli->config, *ret_state, err);
}

static void say_no_connectors(struct cli *cli)
{
    if (cli->config->file[0] == '\0')
        (void)text_append(&cli->out, "There is no configuration file yet: \"memory-connector init\" writes one (\"memory-connector help\" says where it is looked for).\n");
    else
        (void)text_append_format(&cli->out, "%s has no connectors yet.\n", cli->config->file);
}

static void add_time(struct table *table, int64_t ms)
{
    char words[TIME_TEXT_SIZE];

    if (ms <= 0) {
        table_add_string(table, "-");
        return;
    }
    time_text_rfc3339(ms / 1000 * 1000, words);
    table_add_string(table, words);
}

/* What the state keeps of the service's plan, and the next time by its schedule. */
static int read_plan(struct state *state, const struct service_connector *connector, struct status_plan *ret_plan, struct error *err)
{
    struct status_plan plan = { 0 };
    struct job_row job;
    int64_t from_ms = clock_wall_ms();
    int found = state == NULL ? 0 : state_get_job(state, connector->engine.id, &job, err);

    if (found < 0)
        return -1;
    if (found > 0 && job.is_paused && (job.paused_until_ms == 0 || job.paused_until_ms > from_ms)) {
        plan.is_paused = true;
        plan.paused_until_ms = job.paused_until_ms;
        (void)snprintf(plan.reason, sizeof plan.reason, "%s", job.reason);
        from_ms = plan.paused_until_ms;
    }
    if (connector->enabled && (!plan.is_paused || plan.paused_until_ms > 0))
        plan.has_next = schedule_next(&connector->schedule, connector->zone, from_ms, &plan.next_ms);
    *ret_plan = plan;
    return 0;
}

static const char *state_words(const struct service_connector *connector, const struct standing *standing, const struct status_plan *plan)
{
    const struct status_facts facts = { .enabled = connector->enabled, .plan = plan };

    return status_state(&facts, standing);
}

/* ---- list ---- */

static void join_contexts(const struct engine_connector *connector, struct text *out)
{
    for (size_t i = 0; i < connector->context_count; i++)
        (void)text_append_format(out, "%s%s", i > 0 ? ", " : "", connector->contexts[i]);
}

static void list_row(const struct service_connector *connector, const struct standing *standing, const struct status_plan *plan, struct table *table)
{
    AUTO_DONE(text) struct text contexts = { 0 };

    text_init(&contexts, 0);
    join_contexts(&connector->engine, &contexts);
    table_add_string(table, connector->engine.id);
    table_add_string(table, state_words(connector, standing, plan));
    table_set_tone(table, connector->enabled ? TONE_PLAIN : TONE_FAINT);
    table_add(table, contexts.data, contexts.size);
    table_add_string(table, connector->schedule_words);
    add_time(table, plan->has_next ? plan->next_ms : 0);
    add_time(table, standing->has_run ? standing->run.row.started_ms : 0);
    table_add_format(table, "%lld", (long long)standing_backlog(standing));
    table_add_format(table, "%lld", (long long)standing_letters(standing));
    table_set_tone(table, standing_letters(standing) > 0 ? TONE_BAD : TONE_PLAIN);
}

static void list_json(const struct service_connector *connector, const struct standing *standing, const struct status_plan *plan, struct json_writer *writer)
{
    const struct status_facts facts = {
        .connector = connector->engine.id, .enabled = connector->enabled, .description = connector->description, .contexts = connector->engine.contexts,
        .context_count = connector->engine.context_count, .schedule = connector->schedule_words, .now_ms = clock_wall_ms(), .plan = plan,
        .managed_by = connector->is_from_file ? "file" : "api",
    };

    json_write_open_object(writer, NULL);
    status_write_row(writer, &facts, standing);
    json_write_close(writer);
}

int command_list(struct cli *cli)
{
    static const char *const heads[] = { "CONNECTOR", "STATE", "CONTEXT", "SCHEDULE", "NEXT RUN", "LAST RUN", ">BACKLOG", ">DEAD" };
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(table) struct table table = { 0 };
    AUTO_DONE(connectors) struct connectors connectors = { 0 };
    struct json_writer writer;
    struct error err = { 0 };

    table_init(&table, heads, ARRAY_LENGTH(heads));
    table.paints = cli->paints;
    if (begin(cli, &state, &connectors, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "list");
        json_write_open_array(&writer, "connectors");
    }
    for (size_t i = 0; i < connectors.count; i++) {
        const struct service_connector *connector = &connectors.items[i];
        AUTO_DONE(standing) struct standing standing = { 0 };
        struct status_plan plan;
        if (standing_read(state, connector->engine.id, &standing, &err) < 0 || read_plan(state, connector, &plan, &err) < 0)
            return cli_fail(cli, &err);
        if (cli->json)
            list_json(connector, &standing, &plan, &writer);
        else
            list_row(connector, &standing, &plan, &table);
    }
    if (cli->json) {
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else if (connectors.count == 0) {
        say_no_connectors(cli);
    } else {
        table_print(&table, table_terminal_width(STDOUT_FILENO), &cli->out);
    }
    return 0;
}

/* ---- status ---- */

struct target_facts {
    const struct engine_target *target;
    bool found;
    char version[40];
    int64_t seen_ms;
};

static bool keep_target(void *context, const struct target_row *row)
{
    struct target_facts *facts = context;
    char key[65];

    engine_target_key(facts->target, key);
    if (strcmp(row->name, key) != 0)
        return true;
    facts->found = true;
    (void)snprintf(facts->version, sizeof facts->version, "%s", row->version);
    facts->seen_ms = row->seen_ms;
    return false;
}

static void status_json(const struct service_connector *connector, const struct standing *standing, const struct target_facts *target, const struct status_plan *plan,
                        struct json_writer *writer)
{
    const struct status_facts facts = {
        .connector = connector->engine.id, .enabled = connector->enabled, .target_url = target->target->sink.url,
        .version = target->found ? target->version : NULL, .seen_ms = target->found ? target->seen_ms : 0, .now_ms = clock_wall_ms(), .plan = plan,
    };

    json_write_open_object(writer, NULL);
    status_write(writer, &facts, standing);
    json_write_close(writer);
}

static void append_places(const struct cli *cli, const struct standing *standing, struct text *out)
{
    const int64_t *memories = standing->counts.memories;
    const struct { const char *words; int64_t count; enum tone tone; } places[] = {
        { "in the graph, proven", memories[MEMORY_DONE], TONE_GOOD },
        { "trusted: sent by an earlier program, not proven", memories[MEMORY_TRUSTED], TONE_FAINT },
        { "stored at LightRAG, not yet processed", standing->flying[BATCH_STORED], TONE_WAIT },
        { "accepted, not proven to be stored", standing->flying[BATCH_ACCEPTED], TONE_WAIT },
        { "sent, answer unclear: looked up first", standing->flying[BATCH_SENDING], TONE_WAIT },
        { "waiting to be sent", memories[MEMORY_QUEUED] + standing->flying[BATCH_READY], TONE_WAIT },
        { "skipped (empty, filter)", memories[MEMORY_SKIPPED], TONE_FAINT },
        { "dead, waiting for a person", memories[MEMORY_DEAD], TONE_BAD },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (places[i].count > 0 || i == 0) {
            enum tone tone = cli->paints && places[i].count > 0 ? places[i].tone : TONE_PLAIN;
            (void)text_append_format(out, "  %s%8lld  %s%s\n", tone_begin(tone), (long long)places[i].count, places[i].words, tone_end(tone));
        }
}

static void append_plan(const struct status_plan *plan, struct text *out)
{
    char words[TIME_TEXT_SIZE];

    if (plan->is_paused) {
        time_text_rfc3339(plan->paused_until_ms / 1000 * 1000, words);
        (void)text_append_format(out, "  paused%s%s%s", plan->paused_until_ms > 0 ? " until " : "", plan->paused_until_ms > 0 ? words : "", plan->reason[0] != '\0' ? ": " : "");
        table_append_harmless(out, plan->reason, strlen(plan->reason));
        (void)text_append_char(out, '\n');
    }
    if (plan->has_next) {
        time_text_rfc3339(plan->next_ms / 1000 * 1000, words);
        (void)text_append_format(out, "  next run by schedule at %s, where a service runs\n", words);
    }
}

/* What makes its next run. */
static void append_first_run(const struct service_connector *connector, struct text *out)
{
    (void)text_append_format(out, "  no run yet: \"memory-connector %s %s\" makes the first one\n", connector->is_from_file ? "sync" : "trigger", connector->engine.id);
}

static void status_words(struct cli *cli, const struct service_connector *connector, const struct standing *standing, const struct target_facts *target,
                         const struct status_plan *plan)
{
    struct text *out = &cli->out;
    enum tone tone;
    char words[TIME_TEXT_SIZE];

    (void)text_append_format(out, "%s: %s\n", connector->engine.id, state_words(connector, standing, plan));
    append_plan(plan, out);
    append_places(cli, standing, out);
    if (standing->oldest_ms > 0) {
        time_text_duration(clock_wall_ms() - standing->oldest_ms, words);
        (void)text_append_format(out, "  the oldest unsettled memory came %s ago\n", words);
    }
    if (!standing->has_run) {
        append_first_run(connector, out);
    } else {
        time_text_rfc3339(standing->run.row.started_ms / 1000 * 1000, words);
        tone = cli->paints ? progress_tone(standing->run.row.result) : TONE_PLAIN;
        (void)text_append_format(out, "  last run %lld at %s: %s%s%s\n", (long long)standing->run.row.run, words, tone_begin(tone),
                                 run_result_name(standing->run.row.result), tone_end(tone));
        if (standing->run.row.error[0] != '\0') {
            (void)text_append(out, "    ");
            table_append_harmless(out, standing->run.row.error, strlen(standing->run.row.error));
            (void)text_append_char(out, '\n');
        }
    }
    for (int i = 1; i < DEAD_CLASSES; i++)
        if (standing->counts.letters[i] > 0)
            (void)text_append_format(out, "  dead letters: %lld %s (%s)\n", (long long)standing->counts.letters[i], dead_class_name((enum dead_class)i),
                                     dead_class_advice((enum dead_class)i));
    (void)text_append_format(out, "  target: %s%s%s\n", target->target->sink.url,
                             target->found && target->version[0] != '\0' ? ", LightRAG " : "", target->found ? target->version : "");
}

static int show_status(struct cli *cli, struct state *state, const struct service_connector *connector, struct json_writer *writer, struct error *err)
{
    AUTO_DONE(standing) struct standing standing = { 0 };
    struct target_facts target = { .target = connectors_target(cli->config, connector) };
    struct status_plan plan;

    if (standing_read(state, connector->engine.id, &standing, err) < 0 || (state != NULL && state_each_target(state, keep_target, &target, err) < 0) ||
        read_plan(state, connector, &plan, err) < 0)
        return -1;
    if (cli->json)
        status_json(connector, &standing, &target, &plan, writer);
    else
        status_words(cli, connector, &standing, &target, &plan);
    return 0;
}

int command_status(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(connectors) struct connectors connectors = { 0 };
    struct json_writer writer;
    struct error err = { 0 };
    const char *only;

    if (begin(cli, &state, &connectors, &err) < 0 || cli_known_connector(cli, &only, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "status");
        json_write_open_array(&writer, "connectors");
    }
    for (size_t i = 0; i < connectors.count; i++)
        if ((only == NULL || strcmp(only, connectors.items[i].engine.id) == 0) && show_status(cli, state, &connectors.items[i], &writer, &err) < 0)
            return cli_fail(cli, &err);
    if (cli->json) {
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else if (connectors.count == 0) {
        say_no_connectors(cli);
    }
    return 0;
}

/* ---- history, report ---- */

struct history {
    struct cli *cli;
    struct table *table;
    struct json_writer *writer;
    size_t rows;
};

static bool show_run(void *context, const struct run_row *row)
{
    struct history *history = context;

    history->rows++;
    if (history->cli->json) {
        json_write_open_object(history->writer, NULL);
        report_write(history->writer, row);
        json_write_close(history->writer);
        return true;
    }
    table_add_format(history->table, "%lld", (long long)row->run);
    table_add_string(history->table, row->connector);
    add_time(history->table, row->started_ms);
    table_add_string(history->table, run_result_name(row->result));
    table_set_tone(history->table, progress_tone(row->result));
    table_add_format(history->table, "%lld", (long long)row->counts.fetched);
    table_add_format(history->table, "%lld", (long long)row->counts.new_);
    table_add_format(history->table, "%lld", (long long)row->counts.stored);
    table_add_format(history->table, "%lld", (long long)row->counts.processed);
    table_add_format(history->table, "%lld", (long long)(row->counts.failed + row->counts.malformed));
    table_set_tone(history->table, row->counts.failed + row->counts.malformed > 0 ? TONE_BAD : TONE_PLAIN);
    table_add_string(history->table, row->error);
    return true;
}

int command_history(struct cli *cli)
{
    static const char *const heads[] = { ">RUN", "CONNECTOR", "STARTED", "RESULT", ">FETCHED", ">NEW", ">STORED", ">PROCESSED", ">FAILED", "ERROR" };
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(table) struct table table = { 0 };
    struct json_writer writer;
    struct history history = { .cli = cli, .table = &table, .writer = &writer };
    struct error err = { 0 };
    int64_t limit;
    const char *only;

    table_init(&table, heads, ARRAY_LENGTH(heads));
    table.paints = cli->paints;
    if (cli_get_integer(cli, OPTION_LIMIT, HISTORY_ROWS, &limit, &err) < 0 || cli_load_config(cli, &err) < 0 || cli_open_reader(cli, &state, &err) < 0 || cli_known_connector(cli, &only, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "history");
        json_write_open_array(&writer, "runs");
    }
    if (state != NULL && state_each_run(state, only, (size_t)limit, show_run, &history, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else if (history.rows == 0) {
        (void)text_append(&cli->out, "No runs yet.\n");
    } else {
        table_print(&table, table_terminal_width(STDOUT_FILENO), &cli->out);
    }
    return 0;
}
