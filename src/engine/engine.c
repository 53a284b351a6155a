#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- Small things ---- */

void engine_refresh_now(struct engine *engine)
{
    engine->now.wall_ms = world_wall_ms(engine->world);
    engine->now.mono_ms = world_monotonic_ms(engine->world);
}

void engine_break(struct engine *engine, const struct error *err)
{
    if (engine->is_broken)
        return;
    engine->is_broken = true;
    engine->error = *err;
}

bool engine_is_stopping(const struct engine *engine)
{
    return atomic_load(&engine->urgency) > 0;
}

void engine_stop(struct engine *engine, int urgency)
{
    if (urgency > atomic_load(&engine->urgency))
        atomic_store(&engine->urgency, urgency);
    http_wake(engine->world->http);
}

/* ---- Changes ---- */

static void count_queued(struct engine *engine, int64_t stream, int64_t delta)
{
    struct stream_run *found = delta == 0 ? NULL : engine_find_stream(engine, stream);

    if (found == NULL)
        return;
    found->queued += delta;
    if (found->target == NULL)
        return;
    if (found->target->queued == 0 && delta > 0)
        found->target->queued_since_mono = engine->now.mono_ms;
    found->target->queued += delta;
    if (delta > 0)
        found->target->queue_hold_mono = 0;
}

static int64_t queued_delta(enum memory_state from, enum memory_state to)
{
    return (to == MEMORY_QUEUED ? 1 : 0) - (from == MEMORY_QUEUED ? 1 : 0);
}

static void keep_counts(struct engine *engine, const struct change *change)
{
    int64_t delta;

    switch (change->kind) {
    case CHANGE_MEMORY_ADD:
        count_queued(engine, change->memory->stream, queued_delta(MEMORY_NONE, change->memory->state));
        break;
    case CHANGE_MEMORY_SET:
        count_queued(engine, change->memory->stream, queued_delta(change->from, change->memory->state));
        break;
    case CHANGE_MEMBERS:
        delta = queued_delta(change->members_from, change->members_to);
        for (size_t i = 0; delta != 0 && i < change->member_count; i++)
            count_queued(engine, change->members[i].stream, delta);
        break;
    default:
        break;
    }
}

void engine_apply(struct engine *engine, const struct change *change)
{
    struct error err = { 0 };

    if (engine->is_broken)
        return;
    if (state_apply(engine->state, change, &err) < 0) {
        engine_break(engine, &err);
        return;
    }
    if (engine->uncommitted_rows == 0)
        engine->uncommitted_since_mono = engine->now.mono_ms;
    engine->uncommitted_rows++;
    if ((change->kind == CHANGE_MEMORY_ADD || change->kind == CHANGE_MEMORY_SET) && change->text != NULL)
        engine->uncommitted_bytes += (int64_t)change->text->size;
    keep_counts(engine, change);
}

void engine_commit(struct engine *engine)
{
    struct error err = { 0 };

    if (engine->is_broken)
        return;
    if (state_commit(engine->state, &err) < 0) {
        engine_break(engine, &err);
        return;
    }
    engine->uncommitted_rows = engine->uncommitted_bytes = 0;
    engine->must_commit = false;
    if (engine->on_commit != NULL)
        engine->on_commit(engine->owner);
}

/* ---- What is wanted of a memory ---- */

void engine_want(struct engine *engine, const struct memory_row *known, enum memory_wanted wanted)
{
    struct stream_run *stream = engine_find_stream(engine, known->stream);
    struct memory_row row = *known;

    row.wanted = wanted;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = known->state });
    if (stream != NULL && stream->target != NULL && stream->target->deliver != NULL && !engine->is_broken)
        deliver_want(stream->target->deliver, known->batch, known->seq, wanted, engine->now);
}

static void forget_now(struct engine *engine, const struct memory_row *known)
{
    static const struct slice nothing = { "", 0 };
    struct memory_row row = *known;

    row.state = MEMORY_GONE;
    row.wanted = WANTED_NOTHING;
    row.text_size = 0;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = known->state, .text = &nothing });
}

void engine_remove(struct engine *engine, const struct memory_row *known)
{
    struct stream_run *stream = engine_find_stream(engine, known->stream);
    struct memory_row row = *known;
    /* It flew before a reset, or before the server lost it; or, 1.4, a request of earlier is not over. */
    bool may_be_there = known->batch != 0 || known->settle_until_ms > engine->now.wall_ms;

    if (known->state == MEMORY_GONE)
        return;
    engine_apply(engine, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = known->seq });
    (void)engine_close_letters(engine, known->stream, known->seq, true, NULL);
    if (known->state == MEMORY_FLYING) {
        engine_want(engine, known, WANTED_GONE);
        return;
    }
    if ((known->state == MEMORY_QUEUED || known->state == MEMORY_SKIPPED) && !may_be_there) {
        forget_now(engine, known);
        return;
    }
    row.state = MEMORY_REMOVING;
    row.wanted = WANTED_GONE;
    engine_apply(engine, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = known->state });
    if (stream != NULL && stream->target != NULL && stream->target->deliver != NULL && !engine->is_broken)
        target_remove(stream->target, &row);
}

/* ---- Life ---- */

int engine_new(const struct engine_settings *settings, const struct world *world, struct state *state, struct engine **ret_engine, struct error *err)
{
    AUTO(engine) struct engine *engine = mem_alloc(sizeof *engine);

    (void)err;
    engine->settings = settings;
    engine->world = world;
    engine->state = state;
    engine->targets = mem_alloc_array(settings->target_count > 0 ? settings->target_count : 1, sizeof *engine->targets);
    for (size_t i = 0; i < settings->target_count; i++) {
        engine->targets[i].engine = engine;
        engine->targets[i].index = i;
    }
    engine->decoder = memory_decoder_new();
    text_init(&engine->text, 0);
    text_init(&engine->name, 0);
    engine_refresh_now(engine);
    *ret_engine = TAKE(engine);
    return 0;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    for (size_t i = 0; i < engine->run_count; i++)
        run_done(&engine->runs[i]);
    mem_free(engine->runs);
    for (size_t i = 0; i < engine->settings->target_count; i++)
        target_done(&engine->targets[i]);
    for (size_t i = 0; i < engine->stream_count; i++) {
        mem_free(engine->streams[i]->source);
        mem_free(engine->streams[i]->context);
        mem_free(engine->streams[i]);
    }
    mem_free(engine->stream_places);
    mem_free(engine->targets);
    mem_free(engine->streams);
    memory_decoder_free(engine->decoder);
    text_done(&engine->text);
    text_done(&engine->name);
    import_free(engine->import);
    mem_free(engine);
}

/* ---- The loop ---- */

static bool is_listing(const struct engine *engine)
{
    for (size_t i = 0; i < engine->run_count; i++)
        if (engine->runs[i].phase != LISTING_OVER)
            return true;
    return false;
}

static void check_disk(struct engine *engine)
{
    bool was_short = engine->disk_is_short;

    if (engine->now.mono_ms < engine->disk_mono)
        return;
    engine->disk_mono = engine->now.mono_ms + DISK_CHECK_MS;
    engine->disk_is_short = state_disk_is_short(engine->state, engine->settings->disk_reserve_bytes);
    if (engine->disk_is_short && !was_short) {
        for (size_t i = 0; i < engine->run_count; i++)
            run_fail(&engine->runs[i], ERROR_IO,
                     "the disk of %s has less than state.disk_reserve (%lld MiB) left: nothing is fetched or sent; make room or lower the reserve",
                     state_path(engine->state), (long long)(engine->settings->disk_reserve_bytes >> 20));
        log_error("state", "", "less free space than state.disk_reserve: nothing is fetched or sent");
    }
}

static void step_listings(struct engine *engine)
{
    size_t running = 0;

    for (size_t i = 0; i < engine->run_count; i++)
        if (engine->runs[i].phase == LISTING_RUNS)
            running++;
    for (size_t i = 0; i < engine->run_count; i++) {
        struct run *run = &engine->runs[i];
        bool was_waiting = run->phase == LISTING_WAITS;
        listing_step(run, running);
        if (was_waiting && run->phase == LISTING_RUNS)
            running++;
    }
}

static bool commit_is_due(const struct engine *engine)
{
    if (engine->uncommitted_rows == 0)
        return engine->must_commit;
    if (engine->must_commit || engine->uncommitted_rows >= COMMIT_AFTER_ROWS || engine->uncommitted_bytes >= COMMIT_AFTER_BYTES ||
        engine->now.mono_ms - engine->uncommitted_since_mono >= COMMIT_AFTER_MS)
        return true;
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL && target_wants_commit(&engine->targets[i]))
            return true;
    return false;
}

static void step_targets(struct engine *engine)
{
    bool more_coming = is_listing(engine) && !engine_is_stopping(engine);

    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL && !engine->is_broken)
            target_step(&engine->targets[i], more_coming);
}

static void send_pending(struct engine *engine, bool committed)
{
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL && !engine->is_broken)
            target_send_pending(&engine->targets[i], committed);
}

static int64_t next_mono(const struct engine *engine)
{
    int64_t next = engine->owner_next_mono != NULL ? engine->owner_next_mono(engine->owner) : engine->now.mono_ms + 1000;

    if (engine->uncommitted_rows > 0 && engine->uncommitted_since_mono + COMMIT_AFTER_MS < next)
        next = engine->uncommitted_since_mono + COMMIT_AFTER_MS;
    for (size_t i = 0; i < engine->settings->target_count; i++) {
        int64_t due = engine->targets[i].deliver == NULL ? INT64_MAX : target_next_mono(&engine->targets[i]);
        if (due < next)
            next = due;
    }
    for (size_t i = 0; i < engine->run_count; i++) {
        int64_t due = listing_next_mono(&engine->runs[i]);
        if (due < next)
            next = due;
    }
    return next;
}

static void report_progress(struct engine *engine)
{
    if (engine->now.mono_ms < engine->progress_mono)
        return;
    engine->progress_mono = engine->now.mono_ms + PROGRESS_EVERY_MS;
    for (size_t i = 0; i < engine->run_count; i++) {
        struct run *run = &engine->runs[i];
        bool is_tick = engine->request->ticks && engine->now.mono_ms - run->told_mono >= 1000;
        if ((!run->has_changed && !is_tick) || run->is_finished)
            continue;
        run->has_changed = false;
        run->told_mono = engine->now.mono_ms;
        run_event(run, ENGINE_PROGRESS);
    }
}

/* No new items; what is in flight is waited for. */
static void begin_stop(struct engine *engine)
{
    engine->stop_mono = engine->now.mono_ms > 0 ? engine->now.mono_ms : 1;
    for (size_t i = 0; i < engine->run_count; i++)
        listing_cancel(&engine->runs[i]);
    for (size_t i = 0; i < engine->settings->target_count; i++)
        if (engine->targets[i].deliver != NULL)
            deliver_drain(engine->targets[i].deliver, true);
}

static bool stop_is_over(const struct engine *engine)
{
    struct deliver_summary summary;

    if (atomic_load(&engine->urgency) >= 2 || engine->now.mono_ms - engine->stop_mono >= engine->settings->shutdown_timeout_ms)
        return true;
    for (size_t i = 0; i < engine->settings->target_count; i++) {
        if (engine->targets[i].deliver == NULL)
            continue;
        deliver_summarise(engine->targets[i].deliver, &summary);
        if (summary.inserts_in_flight > 0)
            return false;
    }
    return true;
}

static bool all_finished(struct engine *engine)
{
    if (engine->is_over != NULL)
        return engine->is_over(engine);
    for (size_t i = 0; i < engine->run_count; i++)
        if (!engine->runs[i].is_finished)
            return false;
    return true;
}

static void turn(struct engine *engine)
{
    struct error err = { 0 };

    engine_refresh_now(engine);
    if (engine_is_stopping(engine) && engine->stop_mono == 0)
        begin_stop(engine);
    if (engine->on_turn != NULL)
        engine->on_turn(engine->owner);
    if (!engine->request->dry_run)
        check_disk(engine);
    if (!engine->disk_is_short)
        step_listings(engine);
    if (!engine->request->dry_run) {
        if (!engine->disk_is_short)
            step_targets(engine);
        send_pending(engine, !state_has_uncommitted(engine->state));
        if (commit_is_due(engine)) {
            engine_commit(engine);
            send_pending(engine, true);
        }
    }
    for (size_t i = 0; i < engine->run_count && engine->uncommitted_rows < COMMIT_AFTER_ROWS; i++)
        listing_resume(&engine->runs[i]);
    for (size_t i = 0; i < engine->run_count; i++)
        run_check_end(&engine->runs[i]);
    report_progress(engine);
    if (engine->is_broken || all_finished(engine) || (engine->stop_mono != 0 && stop_is_over(engine)))
        return;
    state_rest(engine->state);
    if (http_poll(engine->world->http, next_mono(engine), &err) < 0)
        engine_break(engine, &err);
}

int engine_start_target(struct engine *engine, size_t index, struct error *err)
{
    int slots = 1;

    for (size_t i = 0; i < engine->settings->connector_count; i++)
        if (engine->settings->connectors[i].target == index && engine->settings->connectors[i].max_concurrency > slots)
            slots = engine->settings->connectors[i].max_concurrency;
    return engine->targets[index].deliver != NULL ? 0 : target_start(engine, &engine->targets[index], slots, err);
}

int engine_begin(struct engine *engine, const struct sync_request *request, struct error *err)
{
    engine->request = request;
    engine_refresh_now(engine);
    return engine_register(engine, !request->dry_run, err);
}

void engine_loop(struct engine *engine)
{
    while (!engine->is_broken && !all_finished(engine) && !(engine->stop_mono != 0 && stop_is_over(engine)))
        turn(engine);
}

int engine_end(struct engine *engine, struct error *err)
{
    if (!engine->request->dry_run) {
        engine->must_commit = true;
        engine_commit(engine);
    }
    if (!engine->is_broken)
        return 0;
    *err = engine->error;
    return -1;
}

static int prepare(struct engine *engine, const struct sync_request *request, struct error *err)
{
    struct run_options options = { .wait = request->wait, .backfill = request->backfill, .force = request->force, .dry_run = request->dry_run, .range = request->range,
                                   .limit = request->limit, .max_items = request->max_items };

    (void)snprintf(options.trigger, sizeof options.trigger, "%s", request->trigger);
    engine->audits = true;
    if (engine_begin(engine, request, err) < 0)
        return -1;
    if (!request->dry_run && engine_interrupt_old_runs(engine, err) < 0)
        return -1;
    engine->runs = mem_alloc_array(request->connector_count, sizeof *engine->runs);
    for (size_t i = 0; i < request->connector_count; i++, engine->run_count++)
        run_start(engine, &engine->runs[i], request->connectors[i], &options);
    for (size_t i = 0; i < request->connector_count && !request->dry_run; i++)
        if (engine_start_target(engine, engine->settings->connectors[request->connectors[i]].target, err) < 0)
            return -1;
    if (!request->dry_run) {
        engine->must_commit = true; /* the run and its intent are on the disk before the first request */
        engine_commit(engine);
    }
    if (engine->is_broken) {
        *err = engine->error;
        return -1;
    }
    return 0;
}

static void fill_outcome(const struct run *run, struct sync_outcome *outcome)
{
    struct run_places places = run_count_places(run);

    *outcome = (struct sync_outcome){
        .run = run->row.run,
        .result = run->row.result,
        .error_kind = (enum error_kind)run->row.error_kind,
        .counts = run->row.counts,
        .started_ms = run->row.started_ms,
        .finished_ms = run->row.finished_ms,
    };
    (void)snprintf(outcome->error, sizeof outcome->error, "%s", run->error);
    (void)snprintf(outcome->coverage, sizeof outcome->coverage, "%s", run->coverage);
    outcome->unsent = places.queued;
    outcome->unstored = places.flying;
    outcome->unprocessed = places.stored;
    outcome->unremoved = places.removing;
}

int engine_sync(struct engine *engine, const struct sync_request *request, struct sync_outcome *outcomes, struct error *err)
{
    int result;

    if (prepare(engine, request, err) < 0)
        return -1;
    engine_loop(engine);
    for (size_t i = 0; i < engine->run_count; i++)
        if (!engine->runs[i].is_finished)
            run_finish(&engine->runs[i], engine_is_stopping(engine) ? RUN_CANCELLED : RUN_INTERRUPTED);
    result = engine_end(engine, err);
    for (size_t i = 0; i < engine->run_count; i++)
        fill_outcome(&engine->runs[i], &outcomes[i]);
    return result;
}
