/* engine_calls.c - a target's machine and its server: commands become requests, answers become the machine's events. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- Requests ---- */

static void on_answer(void *owner, http_id id, const struct http_answer *answer);

static struct call *find_free_call(struct target_run *target)
{
    struct call *call;

    for (size_t i = 0; i < target->call_count; i++)
        if (!target->calls[i]->is_busy)
            return target->calls[i];
    target->calls = mem_grow(target->calls, target->call_count, &target->call_capacity, sizeof *target->calls);
    call = mem_alloc(sizeof *call);
    call->target = target;
    sink_storage_init(&call->storage);
    target->calls[target->call_count++] = call;
    return call;
}

static enum sink_dialect dialect_of(const struct target_run *target)
{
    struct deliver_summary summary;

    deliver_summarise(target->deliver, &summary);
    return summary.dialect;
}

static int build_insert(struct target_run *target, struct call *call, struct http_request *request, struct error *err)
{
    struct engine *engine = target->engine;
    size_t count = deliver_batch_size(target->deliver, call->batch);
    enum sink_dialect dialect = dialect_of(target);

    sink_insert_begin(&target->sink, &call->storage);
    for (size_t i = 0; i < count; i++) {
        struct deliver_memory memory;
        struct sink_document document;
        int found;
        deliver_batch_member(target->deliver, call->batch, i, &memory);
        text_clear(&engine->text);
        found = state_get_text(engine->state, memory.seq, &engine->text, err);
        if (found == 0)
            return error_set(err, ERROR_IO, "state: the text of memory %lld is not there", (long long)memory.seq);
        if (found < 0)
            return -1;
        document = (struct sink_document){ .name = memory.name, .text = engine->text.data, .text_size = engine->text.size };
        sink_insert_add(dialect, &call->storage, &document);
    }
    sink_insert_end(&target->sink, &call->storage, request);
    return 0;
}

static void build_delete(struct target_run *target, struct call *call, struct http_request *request)
{
    size_t count = deliver_doomed_count(target->deliver);
    const char **ids = mem_alloc_array(count > 0 ? count : 1, sizeof *ids);

    for (size_t i = 0; i < count; i++)
        ids[i] = deliver_doomed_id(target->deliver, i);
    target->deleted_rows += (int64_t)count;
    log_info("target", target->engine->settings->targets[target->index].name, "deleting %zu documents of replaced or removed memories", count);
    sink_request_delete(&target->sink, &call->storage, ids, count, request);
    mem_free(ids);
}

static int build(struct target_run *target, struct call *call, const struct deliver_command *command, struct http_request *request, struct error *err)
{
    switch (call->kind) {
    case DELIVER_ASK_HEALTH:
        sink_request_health(&target->sink, &call->storage, request);
        break;
    case DELIVER_ASK_COUNTS:
    case DELIVER_CHECK_COUNTS:
        sink_request_counts(&target->sink, &call->storage, request);
        break;
    case DELIVER_ASK_PIPELINE:
        sink_request_pipeline(&target->sink, &call->storage, request);
        break;
    case DELIVER_INSERT:
        return build_insert(target, call, request, err);
    case DELIVER_TRACK:
        sink_request_track(&target->sink, &call->storage, command->track, request);
        break;
    case DELIVER_LIST:
        sink_request_listing(&target->sink, &call->storage, command->page, command->page_size, command->oldest_first, request);
        break;
    case DELIVER_REPROCESS:
        sink_request_reprocess(&target->sink, &call->storage, request);
        break;
    case DELIVER_DELETE:
        build_delete(target, call, request);
        break;
    }
    return 0;
}

static void count_request(struct target_run *target, int64_t bytes)
{
    struct engine *engine = target->engine;

    target->requests++;
    for (size_t i = 0; i < engine->run_count; i++) {
        struct run *run = &engine->runs[i];
        if (run->is_finished || engine->settings->connectors[run->connector].target != target->index)
            continue;
        run->row.counts.requests++;
        run->row.counts.bytes += bytes;
    }
}

static void start_call(struct target_run *target, const struct deliver_command *command)
{
    struct engine *engine = target->engine;
    struct call *call = find_free_call(target);
    struct http_request request = { 0 };
    struct error err = { 0 };
    struct http_answer refused = { .end = HTTP_NOT_SENT, .retry_after_ms = -1, .date_ms = -1, .content_length = -1, .content_type = "",
                                   .location = "", .body = "", .words = "the request could not be made" };

    call->kind = command->kind;
    call->batch = command->batch;
    if (build(target, call, command, &request, &err) < 0) {
        engine_break(engine, &err);
        return;
    }
    request.owner = call;
    request.on_data = NULL;
    request.on_done = on_answer;
    call->is_busy = true;
    count_request(target, (int64_t)request.body_size);
    if (http_start(account_http(target->account), &request, &call->id, &err) == 0)
        return;
    log_warn("target", engine->settings->targets[target->index].name, "%s", err.message);
    refused.words = err.message;
    on_answer(call, 0, &refused);
}

bool target_wants_commit(const struct target_run *target)
{
    for (size_t i = 0; i < target->pending_count; i++)
        if (target->pending[i].command.after_commit)
            return true;
    return false;
}

void target_send_pending(struct target_run *target, bool committed)
{
    size_t count = target->pending_count;
    size_t kept = 0;

    /* Starting one may bring new ones: those are behind count and wait for the next turn. */
    for (size_t i = 0; i < count && !target->engine->is_broken; i++) {
        __typeof__(*target->pending) pending = target->pending[i];
        if (pending.command.after_commit && !committed) {
            target->pending[kept++] = pending;
            continue;
        }
        pending.command.track = pending.track;
        start_call(target, &pending.command);
    }
    if (target->pending_count > count)
        memmove(target->pending + kept, target->pending + count, (target->pending_count - count) * sizeof *target->pending);
    target->pending_count = kept + target->pending_count - count;
}

/* ---- Answers ---- */

/* A server that does not tell its workspace, for want of a key, says nothing about who it is. */
static void keep_identity(struct target_run *target, const struct sink_health *health)
{
    bool is_other = target->workspace_is_known && health->has_workspace && strcmp(target->workspace, health->workspace) != 0;

    if (is_other && !target->engine->accepts_target)
        return; /* the machine stops it */
    if (health->has_workspace) {
        (void)snprintf(target->workspace, sizeof target->workspace, "%s", health->workspace);
        if (!target->workspace_is_known)
            engine_apply(target->engine, &(struct change){
                .kind = CHANGE_MARK, .mark_owner = target->row.target, .mark_kind = MARK_WORKSPACE_TOLD, .mark_value = 1 });
        target->workspace_is_known = true;
    }
    if (target->engine->audits && target->known_version[0] != '\0' && strcmp(target->known_version, health->version) != 0)
        engine_replay_letters(target, health->version);
    (void)snprintf(target->known_version, sizeof target->known_version, "%s", health->version);
    target->row.version = health->version;
    target->row.workspace = target->workspace;
    target->row.seen_ms = target->engine->now.wall_ms;
    target->row.last_error = "";
    engine_apply(target->engine, &(struct change){ .kind = CHANGE_TARGET, .target = &target->row });
    target->row.version = target->row.workspace = "";
}

static void on_row_of_track(void *context, const struct sink_row *row)
{
    struct call *call = context;

    deliver_on_track_row(call->target->deliver, call->batch, row);
}

static void on_row_of_listing(void *context, const struct sink_row *row)
{
    struct call *call = context;

    deliver_on_list_row(call->target->deliver, row);
}

static void answer_insert(struct call *call, const struct http_answer *answer)
{
    struct target_run *target = call->target;
    size_t count = deliver_batch_size(target->deliver, call->batch);
    const char **names = mem_alloc_array(count > 0 ? count : 1, sizeof *names);
    struct sink_verdict verdict;

    for (size_t i = 0; i < count; i++) {
        struct deliver_memory memory;
        deliver_batch_member(target->deliver, call->batch, i, &memory);
        names[i] = memory.name;
    }
    sink_judge_insert(answer, names, count, &verdict);
    mem_free(names);
    text_clear(&call->storage.body);
    log_debug("target", target->engine->settings->targets[target->index].name, "insert of batch %lld (%zu documents): HTTP %d%s%s",
              (long long)call->batch, count, verdict.status, verdict.words[0] != '\0' ? ", " : "", verdict.words);
    deliver_on_insert(target->deliver, call->batch, &verdict, target->engine->now);
}

static void on_answer(void *owner, http_id id, const struct http_answer *answer)
{
    struct call *call = owner;
    struct target_run *target = call->target;
    struct deliver *deliver = target->deliver;
    struct sink_verdict verdict;
    struct sink_health health;
    struct sink_counts counts;
    struct sink_pipeline pipeline;
    struct sink_page page;
    int64_t total;
    bool has_begun;

    (void)id;
    call->is_busy = false;
    target->failed_requests += answer->end != HTTP_ANSWERED || answer->status >= 500;
    engine_refresh_now(target->engine);
    if (target->engine->is_broken)
        return;
    switch (call->kind) {
    case DELIVER_ASK_HEALTH:
        sink_read_health(answer, &health, &verdict);
        if (verdict.scope == SINK_WELL)
            keep_identity(target, &health);
        deliver_on_health(deliver, &health, &verdict, target->engine->now);
        break;
    case DELIVER_ASK_COUNTS:
        sink_read_counts(answer, &counts, &verdict);
        deliver_on_counts(deliver, &counts, &verdict, target->engine->now);
        break;
    case DELIVER_CHECK_COUNTS:
        sink_read_counts(answer, &counts, &verdict);
        deliver_on_check(deliver, &counts, &verdict, target->engine->now);
        break;
    case DELIVER_ASK_PIPELINE:
        sink_read_pipeline(answer, &pipeline, &verdict);
        deliver_on_pipeline(deliver, &pipeline, &verdict, target->engine->now);
        break;
    case DELIVER_INSERT:
        answer_insert(call, answer);
        break;
    case DELIVER_TRACK:
        sink_read_track(answer, on_row_of_track, call, &total, &verdict);
        deliver_on_track(deliver, call->batch, &verdict, target->engine->now);
        break;
    case DELIVER_LIST:
        sink_read_listing(answer, on_row_of_listing, call, &page, &verdict);
        deliver_on_list(deliver, &page, &verdict, target->engine->now);
        break;
    case DELIVER_REPROCESS:
        sink_judge(answer, &verdict);
        deliver_on_reprocess(deliver, &verdict, target->engine->now);
        break;
    case DELIVER_DELETE:
        has_begun = sink_judge_delete(answer, &verdict);
        deliver_on_delete(deliver, has_begun, &verdict, target->engine->now);
        break;
    }
}
