#include "engine/status.h"

#include "base/mem.h"

#include <string.h>

/* ---- Reading ---- */

void kept_run_set(struct kept_run *kept, const struct run_row *row)
{
    kept_run_done(kept);
    kept->row = *row;
    kept->row.connector = kept->connector = mem_copy_string(row->connector);
    kept->row.error = kept->error = mem_copy_string(row->error);
    kept->row.range = kept->range = mem_copy_string(row->range);
    kept->row.coverage = kept->coverage = mem_copy_string(row->coverage);
    kept->row.trigger = kept->trigger = mem_copy_string(row->trigger);
}

void kept_run_done(struct kept_run *kept)
{
    mem_free(kept->connector);
    mem_free(kept->error);
    mem_free(kept->range);
    mem_free(kept->coverage);
    mem_free(kept->trigger);
    memset(kept, 0, sizeof *kept);
}

void standing_done(struct standing *standing)
{
    kept_run_done(&standing->run);
    kept_run_done(&standing->last);
    for (size_t i = 0; i < standing->gap_count; i++) {
        mem_free(standing->gaps[i].context);
        mem_free(standing->gaps[i].words);
    }
    standing->gap_count = 0;
}

static bool keep_run(void *context, const struct run_row *row)
{
    struct standing *standing = context;

    if (!standing->has_run) {
        standing->has_run = true;
        standing->is_running = row->result == RUN_RUNNING;
        kept_run_set(&standing->run, row);
    }
    if (row->result == RUN_RUNNING)
        return true;
    standing->has_last = true;
    kept_run_set(&standing->last, row);
    return false;
}

int standing_read_row(struct state *state, const char *connector, struct standing *standing, struct error *err)
{
    if (state == NULL)
        return 0;
    if (state_count_connector(state, connector, &standing->counts, err) < 0)
        return -1;
    return state_each_run(state, connector, 2, keep_run, standing, err);
}

static bool keep_gap(void *context, const struct dead_letter *letter)
{
    struct standing *standing = context;

    standing->gaps[standing->gap_count++] = (struct kept_gap){ .letter = letter->letter, .since_ms = letter->first_ms, .words = mem_copy_string(letter->words) };
    return standing->gap_count < STANDING_GAPS;
}

static int read_gaps(struct state *state, const char *connector, struct standing *standing, struct error *err)
{
    const struct letter_filter filter = { .connector = connector, .dead_class = DEAD_SOURCE_GAP, .limit = STANDING_GAPS };

    if (standing->counts.letters[DEAD_SOURCE_GAP] == 0)
        return 0;
    if (state_each_letter(state, &filter, keep_gap, standing, err) < 0)
        return -1;
    for (size_t i = 0; i < standing->gap_count; i++) {
        struct dead_letter letter;
        struct stream_row stream;
        if (state_get_letter(state, standing->gaps[i].letter, &letter, err) < 0)
            return -1;
        if (state_get_stream(state, letter.stream, &stream, err) > 0)
            standing->gaps[i].context = mem_copy_string(stream.context);
    }
    return 0;
}

int standing_read(struct state *state, const char *connector, struct standing *standing, struct error *err)
{
    if (state == NULL)
        return 0;
    if (state_count_flying(state, connector, standing->flying, err) < 0 || state_oldest_unsettled(state, connector, &standing->oldest_ms, err) < 0)
        return -1;
    return standing_read_row(state, connector, standing, err) < 0 || read_gaps(state, connector, standing, err) < 0 ? -1 : 0;
}

int64_t standing_letters(const struct standing *standing)
{
    int64_t letters = 0;

    for (int i = 1; i < DEAD_CLASSES; i++)
        letters += standing->counts.letters[i];
    return letters;
}

int64_t standing_backlog(const struct standing *standing)
{
    return standing->counts.memories[MEMORY_QUEUED] + standing->counts.memories[MEMORY_FLYING];
}

/* ---- Writing ---- */

static bool is_running(const struct status_facts *facts, const struct standing *standing)
{
    return facts->board != NULL ? facts->board->current.run != 0 : standing->is_running;
}

const char *status_state(const struct status_facts *facts, const struct standing *standing)
{
    return is_running(facts, standing)                             ? "running"
           : !facts->enabled                                       ? "disabled"
           : facts->board != NULL && facts->board->is_waiting      ? "waiting"
           : facts->board != NULL && facts->board->is_paused       ? "paused"
           : facts->plan != NULL && facts->plan->is_paused         ? "paused"
                                                                   : "idle";
}

static struct status_plan plan_of(const struct status_facts *facts)
{
    const struct connector_board *board = facts->board;
    struct status_plan plan = { 0 };

    if (board == NULL)
        return facts->plan != NULL ? *facts->plan : plan;
    plan = (struct status_plan){ .is_paused = board->is_paused, .paused_until_ms = board->paused_until_ms, .has_next = board->has_next, .next_ms = board->next_ms };
    memcpy(plan.reason, board->pause_reason, sizeof plan.reason);
    return plan;
}

static void write_plan(struct json_writer *writer, const struct status_facts *facts)
{
    const struct status_plan plan = plan_of(facts);

    json_write_string(writer, "reason", plan.is_paused && plan.reason[0] != '\0' ? plan.reason : NULL);
    json_write_bool(writer, "enabled", facts->enabled);
    json_write_time(writer, "paused_until", plan.is_paused && plan.paused_until_ms > 0 ? plan.paused_until_ms : -1);
    json_write_time(writer, "next_run", plan.has_next ? plan.next_ms : -1);
}

/* How fast memories are settled, and how long what is left takes at that. */
static void write_pace(struct json_writer *writer, const struct run_counts *counts, int64_t left, bool is_listing, int64_t took_ms)
{
    double rate = took_ms > 0 ? (double)counts->processed * 1000.0 / (double)took_ms : 0;

    json_write_number(writer, "rate", rate);
    if (rate > 0 && !is_listing)
        json_write_number(writer, "eta_seconds", (double)left / rate);
    else
        json_write_null(writer, "eta_seconds");
}

static void write_current(struct json_writer *writer, const struct status_facts *facts, const struct standing *standing)
{
    const struct run_board *board = facts->board != NULL ? &facts->board->current : NULL;
    const struct run_row *row = &standing->run.row;
    const struct run_counts *counts = board != NULL ? &board->counts : &row->counts;
    int64_t started_ms = board != NULL ? board->started_ms : row->started_ms;

    if (!is_running(facts, standing)) {
        json_write_null(writer, "current_run");
        return;
    }
    json_write_open_object(writer, "current_run");
    json_write_integer(writer, "run", board != NULL ? board->run : row->run);
    json_write_string(writer, "trigger", board != NULL ? board->trigger : row->trigger);
    json_write_time(writer, "started", started_ms);
    json_write_string(writer, "phase", board == NULL ? NULL : board->is_listing ? "listing" : "delivering");
    json_write_open_object(writer, "counts");
    report_write_counts(writer, counts);
    json_write_close(writer);
    write_pace(writer, counts, board != NULL ? board->queued + board->flying + board->stored : standing_backlog(standing),
               board != NULL && board->is_listing, facts->now_ms - started_ms);
    json_write_close(writer);
}

static void write_memories(struct json_writer *writer, const struct standing *standing)
{
    const int64_t *memories = standing->counts.memories;

    json_write_open_object(writer, "memories");
    json_write_integer(writer, "queued", memories[MEMORY_QUEUED] + standing->flying[BATCH_READY]);
    json_write_integer(writer, "sending", standing->flying[BATCH_SENDING]);
    json_write_integer(writer, "accepted", standing->flying[BATCH_ACCEPTED]);
    json_write_integer(writer, "stored", standing->flying[BATCH_STORED]);
    json_write_integer(writer, "done", memories[MEMORY_DONE]);
    json_write_integer(writer, "dead", memories[MEMORY_DEAD]);
    json_write_integer(writer, "skipped", memories[MEMORY_SKIPPED]);
    json_write_integer(writer, "removing", memories[MEMORY_REMOVING]);
    json_write_integer(writer, "gone", memories[MEMORY_GONE]);
    json_write_integer(writer, "trusted", memories[MEMORY_TRUSTED]);
    json_write_close(writer);
}

static void write_letters(struct json_writer *writer, const struct standing *standing)
{
    json_write_open_array(writer, "open_gaps");
    for (size_t i = 0; i < standing->gap_count; i++) {
        json_write_open_object(writer, NULL);
        json_write_integer(writer, "letter", standing->gaps[i].letter);
        json_write_string(writer, "context", standing->gaps[i].context);
        json_write_time(writer, "since", standing->gaps[i].since_ms);
        json_write_bytes(writer, "words", standing->gaps[i].words, strlen(standing->gaps[i].words));
        json_write_close(writer);
    }
    json_write_close(writer);
    json_write_open_object(writer, "dead_letters");
    for (int i = 1; i < DEAD_CLASSES; i++)
        if (standing->counts.letters[i] > 0)
            json_write_integer(writer, dead_class_name((enum dead_class)i), standing->counts.letters[i]);
    json_write_close(writer);
}

static void write_servers(struct json_writer *writer, const struct status_facts *facts)
{
    const struct connector_board *board = facts->board;
    const struct target_board *target = facts->target;
    const char *version = target != NULL ? target->version : facts->version;
    int64_t seen_ms = target != NULL ? target->seen_ms : facts->seen_ms;

    if (board != NULL) {
        json_write_open_object(writer, "source");
        json_write_string(writer, "name", board->source);
        json_write_bool(writer, "reachable", board->source_is_reachable);
        json_write_string(writer, "last_error", board->source_error[0] != '\0' ? board->source_error : NULL);
        json_write_close(writer);
    }
    json_write_open_object(writer, "target");
    json_write_string(writer, "url", target != NULL ? target->url : facts->target_url);
    json_write_string(writer, "version", version != NULL && version[0] != '\0' ? version : NULL);
    json_write_time(writer, "last_seen", seen_ms > 0 ? seen_ms : -1);
    if (target != NULL) {
        json_write_string(writer, "name", target->name);
        json_write_string(writer, "dialect", version == NULL || version[0] == '\0' ? NULL : target->is_14 ? "1.4" : "1.5");
        json_write_bool(writer, "reachable", target->is_reachable);
        json_write_string(writer, "condition", target->condition);
        json_write_bool(writer, "busy", target->is_busy);
        json_write_integer(writer, "unfinished", target->unfinished);
        json_write_string(writer, "stalled", target->stalled[0] != '\0' ? target->stalled : NULL);
        json_write_string(writer, "last_error", target->words[0] != '\0' ? target->words : NULL);
    }
    json_write_close(writer);
}

void status_write(struct json_writer *writer, const struct status_facts *facts, const struct standing *standing)
{
    json_write_string(writer, "connector", facts->connector);
    json_write_string(writer, "state", status_state(facts, standing));
    write_plan(writer, facts);
    write_current(writer, facts, standing);
    if (standing->has_last) {
        json_write_open_object(writer, "last_run");
        report_write(writer, &standing->last.row);
        json_write_close(writer);
    } else {
        json_write_null(writer, "last_run");
    }
    write_memories(writer, standing);
    if (standing->oldest_ms > 0)
        json_write_seconds(writer, "oldest_unsettled_seconds", facts->now_ms - standing->oldest_ms);
    else
        json_write_null(writer, "oldest_unsettled_seconds");
    write_letters(writer, standing);
    write_servers(writer, facts);
}

void status_write_row(struct json_writer *writer, const struct status_facts *facts, const struct standing *standing)
{
    const struct connector_board *board = facts->board;
    struct status_plan plan;

    json_write_string(writer, "connector", facts->connector);
    json_write_string(writer, "state", status_state(facts, standing));
    json_write_bool(writer, "enabled", facts->enabled);
    json_write_string(writer, "description", facts->description);
    if (facts->contexts != NULL) {
        json_write_open_array(writer, "contexts");
        for (size_t i = 0; i < facts->context_count; i++)
            json_write_string(writer, NULL, facts->contexts[i]);
        json_write_close(writer);
    }
    json_write_string(writer, "schedule", facts->schedule);
    plan = plan_of(facts);
    json_write_time(writer, "next_run", plan.has_next ? plan.next_ms : -1);
    json_write_time(writer, "last_run", standing->has_run ? standing->run.row.started_ms : -1);
    json_write_integer(writer, "backlog", standing_backlog(standing));
    json_write_integer(writer, "dead_letters", standing_letters(standing));
    json_write_string(writer, "managed_by", board == NULL ? facts->managed_by : board->is_from_file ? "file" : "api");
}
