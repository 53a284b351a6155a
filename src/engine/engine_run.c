/* engine_run.c - runs: their counts, their events, and when they are over. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct engine_connector *connector_of(const struct run *run)
{
    return &run->engine->settings->connectors[run->connector];
}

static void save(struct run *run)
{
    if (run->engine->request->dry_run)
        return; /* nothing is written at all */
    run->row.error = run->error;
    run->row.coverage = run->coverage;
    engine_apply(run->engine, &(struct change){ .kind = CHANGE_RUN, .run = &run->row });
}

void run_start(struct engine *engine, struct run *run, size_t connector, const struct run_options *options)
{
    *run = (struct run){ .engine = engine, .connector = connector, .options = *options, .phase = LISTING_WAITS, .start_mono = engine->now.mono_ms };
    source_storage_init(&run->storage);
    run->row = (struct run_row){
        .connector = connector_of(run)->id,
        .trigger = run->options.trigger,
        .started_ms = engine->now.wall_ms,
        .result = RUN_RUNNING,
        .error = "",
        .range = options->range != NULL ? options->range : connector_of(run)->range,
        .limit = options->limit > 0 ? options->limit : connector_of(run)->limit,
        .coverage = "",
    };
    if (!engine->request->dry_run) {
        run->row.run = state_next_run(engine->state);
        save(run);
    }
    run_event(run, ENGINE_RUN_STARTED);
}

void run_done(struct run *run)
{
    listing_cancel(run);
    source_storage_done(&run->storage);
    mem_free(run->seen);
    mem_free(run->present);
}

struct run *run_of_stream(struct engine *engine, int64_t stream)
{
    const struct stream_run *found = engine_find_stream(engine, stream);

    for (size_t i = 0; found != NULL && found->connector != SIZE_MAX && i < engine->run_count; i++)
        if (engine->runs[i].connector == found->connector)
            return &engine->runs[i];
    return NULL;
}

void run_note(struct engine *engine, enum deliver_note note, int64_t stream, int64_t count)
{
    struct run *run = run_of_stream(engine, stream);
    struct run_counts *counts;

    if (run == NULL || run->is_finished)
        return;
    counts = &run->row.counts;
    run->has_changed = true;
    switch (note) {
    case NOTE_SENT:
        counts->sent += count;
        break;
    case NOTE_STORED:
        counts->stored += count;
        break;
    case NOTE_UNSTORED:
        counts->stored -= count;
        break;
    case NOTE_PROCESSED:
        counts->processed += count;
        break;
    case NOTE_FAILED:
        counts->failed += count;
        break;
    case NOTE_RETRIED:
        counts->retried += count;
        break;
    case NOTE_REPLACED:
        counts->replaced += count;
        break;
    case NOTE_REMOVED:
        counts->removed += count;
        break;
    default:
        break;
    }
}

/* Which error names the end of a run, and of the program: the first that applies. */
static int severity(enum error_kind kind)
{
    static const enum error_kind order[] = {
        ERROR_NONE, ERROR_CANCELLED, ERROR_FAILED, ERROR_LATER, ERROR_UNREACHABLE, ERROR_DENIED, ERROR_CONFIG, ERROR_IO,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
        if (order[i] == kind)
            return (int)i;
    return 0;
}

void run_fail(struct run *run, enum error_kind kind, const char *format, ...)
{
    va_list args;

    if (run->error[0] != '\0' && severity(kind) <= severity((enum error_kind)run->row.error_kind))
        return;
    va_start(args, format);
    (void)vsnprintf(run->error, sizeof run->error, format, args);
    va_end(args);
    run->row.error_kind = (int)kind;
}

/* ---- Events ---- */

struct run_places run_count_places(const struct run *run)
{
    struct run_places places = { 0 };

    for (size_t i = 0; i < run->engine->stream_count; i++) {
        const struct stream_run *stream = run->engine->streams[i];
        int64_t flying = 0;
        int64_t stored = 0;
        int64_t removing = 0;
        if (stream->connector != run->connector)
            continue;
        if (stream->target->deliver != NULL)
            deliver_count_stream(stream->target->deliver, stream->row.stream, &flying, &stored, &removing);
        places.queued += stream->queued;
        places.flying += flying;
        places.stored += stored;
        places.removing += removing;
    }
    return places;
}

void run_event(struct run *run, enum engine_event_kind kind)
{
    const struct sync_request *request = run->engine->request;
    struct engine_event event = { .kind = kind, .run = &run->row, .words = "", .is_listing = run->phase != LISTING_OVER };
    struct run_places places;

    if (request->on_event == NULL)
        return;
    run->row.error = run->error;
    run->row.coverage = run->coverage;
    places = run_count_places(run);
    event.queued = places.queued;
    event.flying = places.flying;
    event.stored = places.stored;
    event.removing = places.removing;
    request->on_event(request->context, &event);
}

void engine_notice(struct engine *engine, const char *words)
{
    struct engine_event event = { .kind = ENGINE_NOTICE, .words = words };

    if (engine->request != NULL && engine->request->on_event != NULL)
        engine->request->on_event(engine->request->context, &event);
}

void engine_letter_event(struct engine *engine, const struct dead_letter *letter, struct slice memory_id)
{
    const struct stream_run *stream = engine_find_stream(engine, letter->stream);
    struct run *run = run_of_stream(engine, letter->stream);
    struct engine_event event = {
        .kind = ENGINE_ITEM_FAILED, .run = run != NULL ? &run->row : NULL, .letter = letter, .context = stream != NULL ? stream->context : NULL,
        .memory_id = memory_id, .words = letter->words,
    };

    if (engine->request->on_event != NULL && letter->dead_class != DEAD_SOURCE_GAP)
        engine->request->on_event(engine->request->context, &event);
}

/* ---- The end ---- */

static bool has_open_gap_or_failures(const struct run *run)
{
    return run->row.counts.malformed > 0 || run->row.counts.failed > 0 || strcmp(run->coverage, "partial") == 0 ||
           strcmp(run->coverage, "gap") == 0;
}

void run_finish(struct run *run, enum run_result result)
{
    if (run->is_finished)
        return;
    run->is_finished = true;
    run->phase = LISTING_OVER;
    run->row.result = result;
    run->row.finished_ms = run->engine->now.wall_ms;
    if (result == RUN_CANCELLED)
        run_fail(run, ERROR_CANCELLED, "stopped; what is queued or under way is taken up by the next run");
    save(run);
    run_event(run, ENGINE_RUN_FINISHED);
}

static enum error_kind judge_target(const struct engine *engine, const struct deliver_summary *summary)
{
    int64_t busy = summary->busy_since_mono > 0 ? engine->now.mono_ms - summary->busy_since_mono : 0;

    if (summary->inserts_in_flight > 0)
        return ERROR_NONE; /* its answer is worth waiting for, whatever else is wrong */
    switch (summary->condition) {
    case TARGET_DENIED:
        return ERROR_DENIED;
    case TARGET_FENCED:
        return ERROR_CONFIG;
    case TARGET_STRANGE:
        return ERROR_UNREACHABLE;
    case TARGET_DOWN:
        if (summary->failures >= SYNC_FAILURES)
            return ERROR_UNREACHABLE;
        break; /* perhaps because it says "not now" to questions */
    default:
        break;
    }
    if (summary->insert_marks >= SYNC_MARKS || busy >= SYNC_BUSY_PATIENCE_MS || summary->busy_told_ms > SYNC_TOLD_PATIENCE_MS)
        return ERROR_LATER;
    return ERROR_NONE;
}

enum error_kind target_is_out(const struct target_run *target, char *ret_words, size_t size)
{
    struct deliver_summary summary;
    enum error_kind kind;

    deliver_summarise(target->deliver, &summary);
    kind = judge_target(target->engine, &summary);
    if (summary.words[0] != '\0')
        (void)snprintf(ret_words, size, "%s", summary.words);
    else if (summary.busy_since_mono > 0)
        (void)snprintf(ret_words, size, "LightRAG says \"not now\" for too long");
    else
        (void)snprintf(ret_words, size, "LightRAG gives no usable answer to inserts%s%s", summary.insert_words[0] != '\0' ? ": " : "", summary.insert_words);
    return kind;
}

/* The next look may be a better one, but not before somebody has deleted what is in the way. */
bool target_is_stuck(const struct target_run *target, char *ret_words, size_t size)
{
    struct deliver_summary summary;

    deliver_summarise(target->deliver, &summary);
    if (summary.unreadable == 0 || target->queued > 0 || target->audit != NULL || summary.unreadable < summary.not_stored + summary.removing)
        return false;
    deliver_say_unreadable(target->deliver, ret_words, size);
    return true;
}

/* Slow is not still: it was asked again and again, said idle each time, and no row moved. */
bool target_stands_still(const struct target_run *target, int64_t from_mono, char *ret_words, size_t size)
{
    const int64_t patience = target->engine->settings->targets[target->index].kick_interval_ms;
    struct deliver_summary summary;
    int64_t since;

    deliver_summarise(target->deliver, &summary);
    if (summary.stalled_since_mono == 0 || summary.not_stored > 0 || summary.removing > 0 || (target->queued > 0 && !summary.is_full))
        return false;
    since = summary.stalled_since_mono > from_mono ? summary.stalled_since_mono : from_mono;
    if (summary.stalled_until_mono - since < patience)
        return false;
    (void)snprintf(ret_words, size, "LightRAG's pipeline stands still and leaves %lld stored memories unprocessed, as it does after a restart, and confirm.kick is never: "
                   "set it to auto, or press Scan/Retry in LightRAG's web UI (POST /documents/reprocess_failed)", (long long)summary.stored);
    return true;
}

/* All that is left to do waits for that, and did for long enough while this run had nothing else to do. */
static bool waits_for_kick(const struct run *run, const struct run_places *places, char *ret_words, size_t size)
{
    const struct target_run *target = &run->engine->targets[connector_of(run)->target];

    return target->audit == NULL && ((run->options.wait && places->stored > 0) || places->queued > 0) && target_stands_still(target, run->start_mono, ret_words, size);
}

static enum run_result judge_end(const struct run *run)
{
    if (strcmp(run->coverage, "failed") == 0)
        return RUN_FAILED;
    return has_open_gap_or_failures(run) ? RUN_PARTIAL : RUN_SUCCESS;
}

/* Only removals are left, and these wait for an idle moment of the server: without --wait, the next run goes on with them. */
static bool only_waits_for_idle(const struct run *run, const struct run_places *places)
{
    struct deliver_summary summary;

    if (run->options.wait || places->queued + places->flying > 0)
        return false;
    deliver_summarise(run->engine->targets[connector_of(run)->target].deliver, &summary);
    return summary.removing_since_mono > 0 && run->engine->now.mono_ms - summary.removing_since_mono >= SYNC_IDLE_PATIENCE_MS;
}

/* It may be another version than the last time, which is to try some dead letters again. */
static bool waits_for_first_word(const struct target_run *target)
{
    struct deliver_summary summary;

    if (!target->has_curable || target->deliver == NULL)
        return false;
    deliver_summarise(target->deliver, &summary);
    return summary.condition == TARGET_UNKNOWN;
}

static bool is_done(const struct run *run, const struct run_places *places)
{
    const struct target_run *target = &run->engine->targets[connector_of(run)->target];

    if (target->audit != NULL || places->queued + places->flying > 0 || waits_for_first_word(target))
        return false;
    if (places->removing > 0 && !only_waits_for_idle(run, places))
        return false;
    return !run->options.wait || places->stored == 0;
}

void run_check_end(struct run *run)
{
    struct engine *engine = run->engine;
    struct run_places places;
    enum error_kind out;
    char words[400];

    if (run->is_finished || engine->stop_mono != 0)
        return;
    if (engine->disk_is_short && !run->options.dry_run) {
        listing_cancel(run);
        run_finish(run, RUN_INTERRUPTED);
        return;
    }
    if (run->phase != LISTING_OVER)
        return;
    if (run->options.dry_run) {
        run_finish(run, judge_end(run));
        return;
    }
    places = run_count_places(run);
    if (is_done(run, &places)) {
        run_finish(run, judge_end(run));
        return;
    }
    out = target_is_out(&engine->targets[connector_of(run)->target], words, sizeof words);
    if (out == ERROR_NONE && !(run->options.wait && places.stored > 0) &&
        target_is_stuck(&engine->targets[connector_of(run)->target], words, sizeof words))
        out = ERROR_LATER;
    if (out == ERROR_NONE && waits_for_kick(run, &places, words, sizeof words))
        out = ERROR_LATER;
    if (out == ERROR_NONE)
        return;
    run_fail(run, out, "%s; %lld memories wait%s, the next run goes on with them", words,
             (long long)(places.queued + places.flying + places.removing + places.stored), places.queued + places.flying > 0 ? " in the queue" : "");
    run_finish(run, strcmp(run->coverage, "failed") == 0 ? RUN_FAILED : RUN_INTERRUPTED);
}
