#include "cli/sync_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/time_text.h"
#include "cli/progress.h"
#include "engine/report.h"
#include "cli/world_real.h"
#include "state/state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct sync_job {
    struct cli *cli;
    const struct sync_options *options;
    struct progress progress;
    struct engine *engine;
};

/* ---- Events ---- */

static void write_event_line(struct sync_job *job, const struct engine_event *event)
{
    static const char *const types[] = { "run_started", "progress", "item_failed", "notice", "run_finished" };
    struct json_writer writer;
    struct error err = { 0 };

    json_write_begin(&writer, &job->cli->out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "type", types[event->kind]);
    json_write_time(&writer, "time", clock_wall_ms());
    if (event->run != NULL && event->kind != ENGINE_ITEM_FAILED) {
        report_write(&writer, event->run);
        json_write_integer(&writer, "queued", event->queued);
        json_write_integer(&writer, "in_flight", event->flying);
        json_write_integer(&writer, "unprocessed", event->stored);
        json_write_integer(&writer, "removing", event->removing);
    }
    if (event->letter != NULL)
        report_write_letter(&writer, event->letter, event->run != NULL ? event->run->connector : "", event->context, event->memory_id);
    if (event->kind == ENGINE_NOTICE)
        json_write_bytes(&writer, "message", event->words, strlen(event->words));
    cli_end_json(job->cli, &writer);
    if (cli_flush(job->cli, &err) < 0)
        log_error("cli", "", "%s", err.message);
}

static void on_event(void *context, const struct engine_event *event)
{
    struct sync_job *job = context;

    if (job->options->json_lines)
        write_event_line(job, event);
    progress_event(&job->progress, event);
}

/* ---- Stopping ---- */

static void on_signal(void *context)
{
    struct sync_job *job = context;

    if (job->engine != NULL)
        engine_stop(job->engine, signals_stop_count());
}

/* ---- The end, in words ---- */

static void append_left(const struct sync_outcome *outcome, struct text *out)
{
    if (outcome->unsent > 0)
        (void)text_append_format(out, "  %lld wait in the queue; the next sync sends them\n", (long long)outcome->unsent);
    if (outcome->unstored > 0)
        (void)text_append_format(out, "  %lld are on their way and not proven to be stored; the next sync looks them up\n", (long long)outcome->unstored);
    if (outcome->unremoved > 0)
        (void)text_append_format(out, "  %lld wait to be replaced or removed until LightRAG's pipeline is idle; the next sync goes on with them\n",
                                 (long long)outcome->unremoved);
    if (outcome->unprocessed > 0)
        (void)text_append_format(out, "  %lld stored, not yet processed by LightRAG; the next sync follows them (--wait stays)\n",
                                 (long long)outcome->unprocessed);
}

static void append_outcome(struct sync_job *job, size_t index, const struct sync_outcome *outcome)
{
    const struct engine_connector *connector = &job->cli->config->engine.connectors[job->options->connectors[index]];
    struct text *out = &job->cli->out;
    enum tone tone = job->cli->paints ? progress_tone(outcome->result) : TONE_PLAIN;
    char took[TIME_TEXT_SIZE];

    time_text_duration(outcome->finished_ms - outcome->started_ms, took);
    (void)text_append_format(out, "%s%s: ", connector->id, job->options->dry_run ? " (dry run, nothing sent)" : "");
    progress_words(&outcome->counts, out);
    (void)text_append_format(out, " (%s%s%s, %s%s%s)\n", tone_begin(tone), run_result_name(outcome->result), tone_end(tone), took, outcome->run != 0 ? ", run " : "", "");
    if (outcome->run != 0) {
        text_truncate(out, out->size - 2);
        (void)text_append_format(out, "%lld)\n", (long long)outcome->run);
    }
    append_left(outcome, out);
    if (outcome->counts.failed + outcome->counts.malformed > 0)
        (void)text_append(out, "  dead letters: \"memory-connector dead-letters list\" shows what failed and why\n");
    if (strcmp(outcome->coverage, "limited") == 0 && job->options->max_items == 0)
        (void)text_append_format(out, "  the listing is as long as its limit (%lld): older memories may be missing; raise --limit\n",
                                 (long long)(job->options->limit > 0 ? job->options->limit : connector->limit));
    if (strcmp(outcome->coverage, "gap") == 0)
        (void)text_append(out, "  memories may be missing: \"memory-connector dead-letters list --class source_gap\" says which\n");
    if (outcome->counts.changed > 0 && !connector->replaces)
        (void)text_append(out, "  changed memories are counted only: on_update is keep\n");
}

static void write_outcome(struct sync_job *job, struct json_writer *writer, size_t index, const struct sync_outcome *outcome)
{
    const struct engine_connector *connector = &job->cli->config->engine.connectors[job->options->connectors[index]];
    struct run_row row = {
        .run = outcome->run, .connector = connector->id, .trigger = "cli", .started_ms = outcome->started_ms, .finished_ms = outcome->finished_ms,
        .result = outcome->result, .error = outcome->error, .range = job->options->range != NULL ? job->options->range : connector->range,
        .limit = job->options->limit > 0 ? job->options->limit : connector->limit, .coverage = outcome->coverage, .counts = outcome->counts,
    };

    json_write_open_object(writer, NULL);
    report_write(writer, &row);
    json_write_integer(writer, "unsent", outcome->unsent);
    json_write_integer(writer, "unstored", outcome->unstored);
    json_write_integer(writer, "unprocessed", outcome->unprocessed);
    json_write_integer(writer, "unremoved", outcome->unremoved);
    json_write_close(writer);
}

/* The one that the exit code is of; none when that is no error. */
static void pick_error(const struct sync_job *job, const struct sync_outcome *outcomes, int code, struct error *ret_err)
{
    for (size_t i = 0; i < job->options->connector_count; i++) {
        if (outcomes[i].error_kind == ERROR_NONE || error_exit_code(outcomes[i].error_kind) != code)
            continue;
        (void)error_set(ret_err, outcomes[i].error_kind, "%s: %s", job->cli->config->engine.connectors[job->options->connectors[i]].id, outcomes[i].error);
        return;
    }
}

static void print_end(struct sync_job *job, const struct sync_outcome *outcomes, int code)
{
    struct cli *cli = job->cli;
    struct json_writer writer;
    struct error err = { 0 };

    if (cli->json || job->options->json_lines) {
        cli_begin_json(cli, &writer, "sync");
        if (job->options->json_lines)
            json_write_string(&writer, "type", "result");
        json_write_integer(&writer, "exit_code", code);
        pick_error(job, outcomes, code, &err);
        cli_write_error(&writer, &err);
        json_write_bool(&writer, "dry_run", job->options->dry_run);
        json_write_open_array(&writer, "runs");
        for (size_t i = 0; i < job->options->connector_count; i++)
            write_outcome(job, &writer, i, &outcomes[i]);
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else if (!cli->quiet && !job->options->is_quiet) {
        for (size_t i = 0; i < job->options->connector_count; i++)
            append_outcome(job, i, &outcomes[i]);
    }
    for (size_t i = 0; i < job->options->connector_count; i++)
        if (outcomes[i].error[0] != '\0')
            (void)fprintf(stderr, "memory-connector: %s: %s\n", cli->config->engine.connectors[job->options->connectors[i]].id, outcomes[i].error);
}

int sync_exit_code(const struct sync_outcome *outcomes, size_t count)
{
    bool seen[ERROR_KINDS] = { false };

    for (size_t i = 0; i < count; i++)
        seen[outcomes[i].error_kind] = true;
    if (cli_worst_code(seen) != 0)
        return cli_worst_code(seen);
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].result == RUN_FAILED || outcomes[i].result == RUN_INTERRUPTED)
            return 1;
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].result == RUN_PARTIAL)
            return 3;
    return 0;
}

/* ---- The whole ---- */

static int open_state(struct cli *cli, const struct sync_options *options, struct state **ret_state, struct error *err)
{
    struct state_settings settings = config_state(cli->config);

    settings.lock_wait_ms = options->lock_wait_ms;
    settings.now_ms = clock_wall_ms();
    if (!options->dry_run)
        return state_open(&settings, ret_state, err);
    return cli_open_reader(cli, ret_state, err);
}

static int run_engine(struct sync_job *job, struct state *state, struct world_real *real, struct sync_outcome *outcomes, struct error *err)
{
    const struct sync_options *options = job->options;
    AUTO(engine) struct engine *engine = NULL;
    struct sync_request request = {
        .connectors = options->connectors, .connector_count = options->connector_count, .wait = options->wait, .dry_run = options->dry_run,
        .backfill = options->backfill, .force = options->force, .range = options->range, .limit = options->limit, .max_items = options->max_items, .trigger = "cli", .on_event = on_event, .context = job,
    };
    int result;

    if (engine_new(&job->cli->config->engine, &real->world, state, &engine, err) < 0)
        return -1;
    job->engine = engine;
    if (signals_stop_count() > 0)
        engine_stop(engine, signals_stop_count());
    progress_begin(&job->progress, progress_is_possible() && !job->cli->quiet && !options->is_quiet);
    request.ticks = job->progress.is_on;
    result = engine_sync(engine, &request, outcomes, err);
    progress_end(&job->progress);
    job->engine = NULL;
    return result;
}

int sync_run(struct cli *cli, const struct sync_options *options, struct error *err)
{
    struct sync_job job = { .cli = cli, .options = options };
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(state) struct state *state = NULL;
    struct sync_outcome *outcomes;
    int code;

    if (open_state(cli, options, &state, err) < 0)
        return err->kind == ERROR_CONFLICT ? sync_hand_over(cli, options, err) : -1;
    if (world_real_open(&real, err) < 0)
        return -1;
    signals_install(on_signal, &job);
    outcomes = mem_alloc_array(options->connector_count, sizeof *outcomes);
    if (run_engine(&job, state, &real, outcomes, err) < 0) {
        signals_install(NULL, NULL);
        mem_free(outcomes);
        return -1;
    }
    signals_install(NULL, NULL);
    code = sync_exit_code(outcomes, options->connector_count);
    if (signals_stop_number() != 0)
        code = 128 + signals_stop_number();
    print_end(&job, outcomes, code);
    mem_free(outcomes);
    return code;
}
