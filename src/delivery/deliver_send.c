/* deliver_send.c - inserts: when one may leave, and what its answer means for the batch. */
#include "delivery/deliver_internal.h"

#include "delivery/retry.h"

#include <string.h>

static int count_window(const struct deliver *deliver)
{
    int window = 0;

    for (size_t i = 0; i < deliver->count; i++)
        if (deliver->batches[i]->phase == PHASE_SENDING || deliver->batches[i]->phase == PHASE_ACCEPTED)
            window++;
    return window;
}

bool deliver_may_insert(const struct deliver *deliver)
{
    return deliver->insert_hold_mono <= deliver->now.mono_ms && deliver_could_insert(deliver);
}

bool deliver_could_insert(const struct deliver *deliver)
{
    if (deliver->condition != TARGET_WELL || deliver->inserts_in_flight >= deliver->settings.slots || deliver_removing_holds_inserts(deliver))
        return false;
    /* Half open: after a row of failures one insert tries alone. */
    if (deliver->insert_marks >= BREAKER_MARKS && deliver->inserts_in_flight > 0)
        return false;
    return count_window(deliver) < deliver->settings.slots + ACCEPTED_WINDOW;
}

bool deliver_is_suspect(const struct deliver *deliver, const struct batch *batch)
{
    return batch->passes_mark >= 0 && deliver->accepted_inserts > batch->passes_mark;
}

static void send_batch(struct deliver *deliver, struct batch *batch)
{
    const struct moment now = deliver->now;

    deliver_set_phase(deliver, batch, deliver_step(batch, BATCH_SLOT_FREE)->next);
    batch->row.last_sent_ms = now.wall_ms;
    batch->row.not_before_ms = 0;
    if (batch->row.first_sent_server_ms == 0 && deliver->has_skew)
        batch->row.first_sent_server_ms = now.wall_ms + deliver->skew_ms;
    batch->settle_mono = now.mono_ms + deliver->settings.settle_ms;
    deliver->inserts_in_flight++;
    deliver_note_members(deliver, batch, NOTE_SENT);
    deliver_command(deliver, DELIVER_INSERT, batch->row.batch, 0, NULL);
}

void deliver_send_due(struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count && !deliver->is_draining && deliver_may_insert(deliver); i++) {
        struct batch *batch = deliver->batches[i];
        if (batch->phase == PHASE_READY && batch->count > 0 && batch->ready_mono <= deliver->now.mono_ms)
            send_batch(deliver, batch);
    }
}

/* ---- Answers ---- */

static int find_culprit(const struct batch *batch, const struct sink_verdict *verdict)
{
    if (batch->count == 1)
        return 0;
    if (verdict->culprit_index >= 0 && (size_t)verdict->culprit_index < batch->count)
        return verdict->culprit_index;
    for (size_t i = 0; verdict->culprit_name[0] != '\0' && i < batch->count; i++)
        if (strcmp(batch->members[i].name, verdict->culprit_name) == 0)
            return (int)i;
    return -1;
}

static enum batch_event judge(const struct sink_verdict *verdict, int culprit)
{
    switch (verdict->scope) {
    case SINK_BUSY:
        return BATCH_BUSY;
    case SINK_DENIED:
    case SINK_STRANGE:
        return BATCH_DENIED;
    case SINK_NOT_SENT:
        return BATCH_NOT_SENT;
    case SINK_SILENT:
        return BATCH_NO_ANSWER;
    case SINK_FAILING:
        /* 502 and 504 come from a proxy in between: they say nothing about a document. */
        return verdict->status == 500 ? BATCH_FAILING : BATCH_NO_ANSWER;
    case SINK_WELL:
        break;
    }
    switch (verdict->insert) {
    case SINK_INSERT_ACCEPTED:
        return BATCH_TAKEN;
    case SINK_INSERT_EXISTS:
        return culprit >= 0 ? BATCH_EXISTS_NAMED : BATCH_EXISTS;
    case SINK_INSERT_CONTENT:
        return BATCH_CONTENT;
    case SINK_INSERT_REFUSED:
    case SINK_INSERT_TOO_LARGE:
        return culprit >= 0 ? BATCH_REFUSED_NAMED : BATCH_REFUSED;
    default:
        return BATCH_NO_ANSWER;
    }
}

static void halve(struct deliver *deliver, struct batch *batch)
{
    deliver_pick_none(batch);
    for (size_t i = batch->count / 2; i < batch->count; i++)
        batch->members[i].picked = true;
    batch->row.strikes = 0; /* 500s of a batch are not counted against those who leave it */
    (void)deliver_split(deliver, batch, PHASE_READY);
}

static void follow(struct deliver *deliver, struct batch *batch, const struct sink_verdict *verdict)
{
    const struct moment now = deliver->now;
    int64_t patience = STORE_PATIENCE_MS > 4 * deliver->store_time_ms ? STORE_PATIENCE_MS : 4 * deliver->store_time_ms;

    (void)snprintf(batch->row.track, sizeof batch->row.track, "%s", verdict->track);
    batch->row.strikes = 0;
    batch->passes_mark = -1;
    batch->settle_mono = 0; /* answered: nothing of it can arrive later */
    batch->accepted_mono = batch->progress_mono = now.mono_ms;
    batch->deadline_mono = now.mono_ms + patience;
    batch->poll_step = POLL_FIRST_MS;
    batch->poll_mono = now.mono_ms + POLL_FIRST_MS;
    deliver->accepted_inserts++;
    deliver_note_life(deliver);
    deliver->insert_marks = 0;
    deliver->busy_since_mono = deliver->busy_told_ms = 0;
    deliver->busy_answers = 0;
}

static void wait_busy(struct deliver *deliver, struct batch *batch, const struct sink_verdict *verdict)
{
    const struct moment now = deliver->now;
    int64_t wait = deliver_jitter(deliver, ++deliver->busy_answers, BUSY_FIRST_MS, BUSY_LAST_MS);

    if (verdict->retry_after_ms > wait)
        wait = verdict->retry_after_ms;
    if (deliver->busy_since_mono == 0) {
        deliver->busy_since_mono = now.mono_ms > 0 ? now.mono_ms : 1;
        deliver_notice(deliver, false, "LightRAG says not now (%s); the batch waits", verdict->words);
    }
    deliver->busy_told_ms = verdict->retry_after_ms > 0 ? verdict->retry_after_ms : 0;
    deliver->insert_hold_mono = now.mono_ms + wait;
    batch->ready_mono = deliver->insert_hold_mono;
    batch->row.not_before_ms = now.wall_ms + wait;
    batch->settle_mono = 0;
}

static void mark_breaker(struct deliver *deliver, const struct sink_verdict *verdict)
{
    int64_t wait;

    (void)snprintf(deliver->insert_words, sizeof deliver->insert_words, "%s", verdict->words);
    if (++deliver->insert_marks < BREAKER_MARKS)
        return;
    wait = deliver_jitter(deliver, deliver->insert_marks - BREAKER_MARKS + 1, BREAKER_FIRST_MS, BREAKER_LAST_MS);
    if (deliver->insert_marks == BREAKER_MARKS)
        deliver_notice(deliver, true, "%d inserts in a row without a usable answer (%s); trying more slowly, no document is blamed",
                       deliver->insert_marks, verdict->words);
    deliver->insert_hold_mono = deliver->now.mono_ms + wait;
}

/* Nobody knows: the breaker counts, the batch is looked up before anything else. A 500 to documents that had one before, while others
 * passed in between, is theirs and not the server's. */
static void become_unclear(struct deliver *deliver, struct batch *batch, const struct sink_verdict *verdict, bool is_strike)
{
    if (!is_strike || !deliver_is_suspect(deliver, batch))
        mark_breaker(deliver, verdict);
    if (is_strike) {
        batch->row.strikes++;
        if (batch->passes_mark < 0)
            batch->passes_mark = deliver->accepted_inserts;
    }
    deliver_start_look_up(deliver, batch, false);
}

static void split_culprit(struct deliver *deliver, struct batch *batch, int culprit)
{
    struct batch *part;

    batch->members[culprit].denials++;
    if (batch->count == 1) {
        deliver_start_look_up(deliver, batch, true);
        batch->settle_mono = 0;
        return;
    }
    deliver_pick_none(batch);
    batch->members[culprit].picked = true;
    batch->settle_mono = 0;
    part = deliver_split(deliver, batch, PHASE_UNCLEAR);
    deliver_start_look_up(deliver, part, true);
}

static void act(struct deliver *deliver, struct batch *batch, enum batch_action action, const struct sink_verdict *verdict, int culprit)
{
    switch (action) {
    case BATCH_DO_FOLLOW:
        follow(deliver, batch, verdict);
        break;
    case BATCH_DO_SPLIT_LOOK_UP:
        split_culprit(deliver, batch, culprit);
        break;
    case BATCH_DO_SPLIT_DEAD:
        batch->settle_mono = 0;
        deliver_kill(deliver, batch, (size_t)culprit,
                     verdict->insert == SINK_INSERT_TOO_LARGE ? DEAD_TOO_LARGE : DEAD_REJECTED, verdict->status, verdict->words);
        break;
    case BATCH_DO_HALVE_CONTENT:
        batch->settle_mono = 0;
        if (batch->count == 1) {
            batch->is_content_suspect = true;
            deliver_start_look_up(deliver, batch, true);
            break;
        }
        halve(deliver, batch);
        break;
    case BATCH_DO_HALVE:
        batch->settle_mono = 0;
        halve(deliver, batch);
        break;
    case BATCH_DO_WAIT_BUSY:
        wait_busy(deliver, batch, verdict);
        break;
    case BATCH_DO_WAIT_TARGET:
        /* Inserts go over connections of their own: probes may pass on an old one while no new one can be made. */
        if (verdict->scope == SINK_NOT_SENT)
            mark_breaker(deliver, verdict);
        batch->settle_mono = 0;
        batch->ready_mono = deliver->now.mono_ms;
        break;
    case BATCH_DO_LOOK_UP:
    case BATCH_DO_STRIKE_LOOK_UP:
        become_unclear(deliver, batch, verdict, action == BATCH_DO_STRIKE_LOOK_UP);
        break;
    default:
        break;
    }
}

void deliver_on_insert(struct deliver *deliver, int64_t number, const struct sink_verdict *verdict, struct moment now)
{
    struct batch *batch = deliver_find_batch(deliver, number);
    const struct batch_transition *step;
    int culprit;

    deliver_begin(deliver, now);
    if (batch == NULL || batch->phase != PHASE_SENDING)
        return;
    deliver->inserts_in_flight--;
    deliver_judge_target(deliver, verdict);
    culprit = find_culprit(batch, verdict);
    step = deliver_step(batch, judge(verdict, culprit));
    deliver_set_phase(deliver, batch, step->next);
    act(deliver, batch, step->action, verdict, culprit);
    deliver_close_if_empty(deliver, batch);
    deliver_send_due(deliver);
    deliver_flush(deliver);
}
