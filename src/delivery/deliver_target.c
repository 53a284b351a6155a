/* deliver_target.c - the server itself: is it there, which dialect, is our key good, does its pipeline run. Errors of this scope blame no document. */
#include "delivery/deliver_internal.h"

#include "base/mem.h"

#include <string.h>

/* ---- Trouble ---- */

static void leave_well(struct deliver *deliver, enum target_condition condition, int64_t wait_ms, const char *words)
{
    if (deliver->condition != condition || deliver->failures <= 1)
        deliver_notice(deliver, true, "%s", words);
    deliver->condition = condition;
    deliver->probe_mono = deliver->now.mono_ms + wait_ms;
    (void)snprintf(deliver->words, sizeof deliver->words, "%s", words);
}

static void go_down(struct deliver *deliver, const struct sink_verdict *verdict)
{
    deliver->restart_is_suspected = true;
    leave_well(deliver, TARGET_DOWN, deliver_jitter(deliver, deliver->failures, BREAKER_FIRST_MS, BREAKER_LAST_MS), verdict->words);
}

void deliver_judge_target(struct deliver *deliver, const struct sink_verdict *verdict)
{
    if (verdict->date_ms >= 0) {
        deliver->skew_ms = verdict->date_ms - deliver->now.wall_ms;
        deliver->has_skew = true;
    }
    switch (verdict->scope) {
    case SINK_WELL:
    case SINK_BUSY:
        deliver->failures = 0;
        break;
    case SINK_DENIED:
        leave_well(deliver, TARGET_DENIED, OUT_RETRY_MS, verdict->words);
        break;
    case SINK_STRANGE:
        leave_well(deliver, TARGET_STRANGE, OUT_RETRY_MS, verdict->words);
        break;
    case SINK_NOT_SENT:
        deliver->failures++;
        if (deliver->condition == TARGET_WELL || deliver->condition == TARGET_UNKNOWN)
            go_down(deliver, verdict);
        break;
    case SINK_SILENT:
        deliver->restart_is_suspected = true; /* a reset may be a crash: the next good answer asks what was lost */
        deliver->failures++;
        if (deliver->failures >= BREAKER_MARKS && deliver->condition == TARGET_WELL)
            go_down(deliver, verdict);
        break;
    case SINK_FAILING:
        deliver->failures++;
        if (deliver->failures >= BREAKER_MARKS && deliver->condition == TARGET_WELL)
            go_down(deliver, verdict);
        break;
    }
}

/* ---- Probing: /health tells version and workspace, /documents/status_counts proves the key ---- */

/* "Not now" to a question: it is asked again when the server said so, and a sync has its patience with it. */
static void note_busy_probe(struct deliver *deliver, const struct sink_verdict *verdict)
{
    int64_t wait = deliver_jitter(deliver, ++deliver->busy_answers, BUSY_FIRST_MS, BUSY_LAST_MS);

    if (deliver->busy_since_mono == 0) {
        deliver->busy_since_mono = deliver->now.mono_ms > 0 ? deliver->now.mono_ms : 1;
        deliver->probe_is_busy = true;
    }
    deliver->busy_told_ms = verdict->retry_after_ms > 0 ? verdict->retry_after_ms : 0;
    deliver->probe_mono = deliver->now.mono_ms + (deliver->busy_told_ms > wait ? deliver->busy_told_ms : wait);
}

static void probe_again(struct deliver *deliver, const struct sink_verdict *verdict)
{
    deliver->is_probing = false;
    if (deliver->condition == TARGET_DENIED || deliver->condition == TARGET_STRANGE || deliver->condition == TARGET_FENCED)
        return; /* leave_well has set the time */
    if (deliver->failures == 0)
        deliver->failures = 1;
    go_down(deliver, verdict);
    if (verdict->scope == SINK_BUSY)
        note_busy_probe(deliver, verdict);
}

void deliver_probe_due(struct deliver *deliver)
{
    if (deliver->condition == TARGET_WELL) {
        /* A reset that was no refusal: ask at once, so that a restart is noticed while it matters. */
        if (!deliver->restart_is_suspected || deliver->is_probing)
            return;
    } else if (deliver->is_probing || deliver->probe_mono > deliver->now.mono_ms) {
        return;
    }
    deliver->is_probing = true;
    deliver_command(deliver, DELIVER_ASK_HEALTH, 0, 0, NULL);
}

static bool is_right_workspace(struct deliver *deliver, const struct sink_health *health)
{
    char words[400];

    deliver->workspace_is_untold = !health->has_workspace;
    if (deliver->workspace[0] == '\0' && health->has_workspace && deliver->known_workspace != NULL &&
        strcmp(deliver->known_workspace, health->workspace) != 0) {
        (void)snprintf(words, sizeof words,
                       "LightRAG serves workspace \"%.100s\" here now, before it was \"%.100s\": nothing is sent; if that is meant, run verify --accept-target",
                       health->workspace, deliver->known_workspace);
        leave_well(deliver, TARGET_FENCED, OUT_RETRY_MS, words);
        return false;
    }
    if (deliver->workspace[0] == '\0' || !health->has_workspace || strcmp(deliver->workspace, health->workspace) == 0)
        return true;
    (void)snprintf(words, sizeof words,
                   "LightRAG serves workspace \"%.100s\", configured is \"%.100s\": nothing is sent; correct lightrag.api.workspace or the URL",
                   health->workspace, deliver->workspace);
    leave_well(deliver, TARGET_FENCED, OUT_RETRY_MS, words);
    return false;
}

static bool is_known_version(struct deliver *deliver, const struct sink_health *health)
{
    char words[400];

    if (health->dialect != SINK_UNKNOWN_DIALECT)
        return true;
    (void)snprintf(words, sizeof words, "LightRAG %.30s is not known to this release (1.4 and 1.5 are): nothing is sent",
                   health->version[0] != '\0' ? health->version : "of no version");
    leave_well(deliver, TARGET_STRANGE, OUT_RETRY_MS, words);
    return false;
}

void deliver_on_health(struct deliver *deliver, const struct sink_health *health, const struct sink_verdict *verdict, struct moment now)
{
    int failures = deliver->failures;

    deliver_begin(deliver, now);
    deliver_judge_target(deliver, verdict);
    if (verdict->scope == SINK_WELL && deliver->condition == TARGET_DOWN)
        deliver->failures = failures; /* everybody is told this: whether it works for us, the next question shows */
    if (verdict->scope != SINK_WELL) {
        probe_again(deliver, verdict);
        return;
    }
    if (!is_right_workspace(deliver, health) || !is_known_version(deliver, health)) {
        deliver->is_probing = false;
        return;
    }
    if (health->dialect == SINK_14 && deliver->dialect != SINK_14)
        deliver_notice(deliver, true, "LightRAG %s: a crash of that version can leave a storage that does not start again, and it takes doubles in "
                                      "rare cases; 1.5 or newer is the better target",
                       health->version);
    if (deliver->known_workspace == NULL && health->has_workspace)
        deliver->known_workspace = mem_copy_string(health->workspace); /* another one later is another server */
    deliver->dialect = health->dialect;
    (void)snprintf(deliver->version, sizeof deliver->version, "%s", health->version);
    (void)snprintf(deliver->seen_workspace, sizeof deliver->seen_workspace, "%s", health->workspace);
    deliver_command(deliver, DELIVER_ASK_COUNTS, 0, 0, NULL);
}

/* After a restart nothing that was only accepted is left, and interrupted rows wait for a kick. */
static void notice_restart(struct deliver *deliver)
{
    deliver->restart_is_suspected = false;
    deliver->restart_is_noticed = true;
    deliver_note_life(deliver);
    deliver->restarts++;
    deliver->pipeline_mono = deliver->now.mono_ms;
    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        batch->poll_mono = deliver->now.mono_ms;
        batch->poll_step = POLL_FIRST_MS;
        if (batch->phase == PHASE_ACCEPTED && batch->deadline_mono > deliver->now.mono_ms + RESTART_GRACE_MS)
            batch->deadline_mono = deliver->now.mono_ms + RESTART_GRACE_MS;
        if (batch->phase == PHASE_UNCLEAR)
            batch->look_mono = deliver->now.mono_ms;
    }
}

void deliver_on_counts(struct deliver *deliver, const struct sink_counts *counts, const struct sink_verdict *verdict, struct moment now)
{
    bool was_down = deliver->condition == TARGET_DOWN;

    (void)counts;
    deliver_begin(deliver, now);
    deliver_judge_target(deliver, verdict);
    if (verdict->scope != SINK_WELL) {
        probe_again(deliver, verdict);
        return;
    }
    deliver->is_probing = false;
    /* Not told for want of a key would have been refused above: this server never tells, and what it serves is unknown. */
    if (deliver->workspace[0] != '\0' && deliver->workspace_is_untold) {
        char words[400];
        (void)snprintf(words, sizeof words, "LightRAG does not tell its workspace, configured is \"%.100s\": nothing is sent; clear lightrag.api.workspace to send anyway",
                       deliver->workspace);
        leave_well(deliver, TARGET_FENCED, OUT_RETRY_MS, words);
        return;
    }
    deliver->condition = TARGET_WELL;
    deliver->words[0] = '\0';
    if (deliver->probe_is_busy)
        deliver->busy_since_mono = deliver->busy_told_ms = deliver->busy_answers = 0;
    deliver->probe_is_busy = false;
    if (was_down)
        deliver_notice(deliver, false, "LightRAG %s answers again", deliver->version);
    if (deliver->restart_is_suspected)
        notice_restart(deliver);
    deliver_look_due(deliver);
    deliver_send_due(deliver);
    deliver_poll_due(deliver);
    deliver_flush(deliver);
}

/* ---- Kicking: failed rows, and rows that nobody works on after a restart of the server ---- */

static bool wants_retry(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count; i++) {
        const struct batch *batch = deliver->batches[i];
        for (size_t k = 0; batch->phase == PHASE_STORED && k < batch->count; k++)
            if (batch->members[k].waits_for_retry && batch->members[k].retry_mono <= deliver->now.mono_ms)
                return true;
    }
    return false;
}

static bool is_stalled(const struct deliver *deliver)
{
    int64_t patience = 3 * deliver->settings.poll_interval_ms;

    if (patience < STALL_LEAST_MS)
        patience = STALL_LEAST_MS;
    for (size_t i = 0; i < deliver->count; i++) {
        const struct batch *batch = deliver->batches[i];
        bool is_quiet = batch->phase == PHASE_STORED && deliver->now.mono_ms - batch->progress_mono >= patience;
        for (size_t k = 0; (is_quiet || deliver->restart_is_noticed) && batch->phase == PHASE_STORED && k < batch->count; k++)
            if (batch->members[k].last_sighting == SEEN_UNFINISHED)
                return true;
    }
    return false;
}

static bool may_kick(const struct deliver *deliver)
{
    if (!deliver->settings.kick)
        return false;
    return !deliver->has_kicked || deliver->restart_is_noticed || deliver->now.mono_ms - deliver->kicked_mono >= deliver->settings.kick_interval_ms;
}

/* ---- Where nobody may kick: does it stand still? ---- */

void deliver_note_life(struct deliver *deliver)
{
    deliver->stall_since_mono = deliver->stall_seen_mono = 0;
}

static bool waits_for_retry(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->count; i++)
        for (size_t k = 0; deliver->batches[i]->phase == PHASE_STORED && k < deliver->batches[i]->count; k++)
            if (deliver->batches[i]->members[k].waits_for_retry)
                return true;
    return false;
}

/* Rows that are to be retried wake the others, too. */
bool deliver_is_stalled(const struct deliver *deliver)
{
    return !deliver->settings.kick && is_stalled(deliver) && !waits_for_retry(deliver);
}

/* Slow is not still: a pipeline at work says busy. No answer says nothing. */
static void note_stall(struct deliver *deliver, bool is_idle)
{
    deliver->stall_mono = deliver->now.mono_ms + deliver->settings.kick_interval_ms / STALL_QUESTIONS;
    if (!is_idle || !deliver_is_stalled(deliver)) {
        deliver_note_life(deliver);
        return;
    }
    if (deliver->stall_since_mono == 0)
        deliver->stall_since_mono = deliver->now.mono_ms;
    deliver->stall_seen_mono = deliver->now.mono_ms;
}

void deliver_kick_due(struct deliver *deliver)
{
    bool wants_kick = may_kick(deliver) && is_stalled(deliver);
    bool wants_look = deliver->stall_mono <= deliver->now.mono_ms && deliver_is_stalled(deliver);

    if (deliver->is_asking_pipeline || deliver->is_reprocessing || deliver_removing_is_deleting(deliver) ||
        deliver->pipeline_mono > deliver->now.mono_ms)
        return;
    if (!wants_retry(deliver) && !wants_kick && !wants_look)
        return;
    deliver->is_asking_pipeline = true;
    deliver_command(deliver, DELIVER_ASK_PIPELINE, 0, 0, NULL);
}

void deliver_on_pipeline(struct deliver *deliver, const struct sink_pipeline *pipeline, const struct sink_verdict *verdict, struct moment now)
{
    bool is_retry;

    deliver_begin(deliver, now);
    deliver->is_asking_pipeline = false;
    deliver->pipeline_mono = now.mono_ms + deliver->settings.poll_interval_ms;
    deliver_judge_target(deliver, verdict);
    note_stall(deliver, verdict->scope == SINK_WELL && !pipeline->busy);
    if (deliver_removing_on_pipeline(deliver, verdict->scope != SINK_WELL || pipeline->busy))
        return;
    if (verdict->scope != SINK_WELL || deliver->condition != TARGET_WELL || deliver_removing_is_deleting(deliver))
        return;
    if (pipeline->busy) {
        deliver->idle_answers = 0;
        deliver->restart_is_noticed = false; /* somebody started it: nothing is waiting for us */
        return;
    }
    is_retry = wants_retry(deliver);
    /* Idle between two documents looks like idle for good: ask twice before a kick that nobody is waiting for. */
    if (!is_retry && ++deliver->idle_answers < 2 && !deliver->restart_is_noticed)
        return;
    if (!is_retry && !(may_kick(deliver) && is_stalled(deliver)))
        return;
    deliver->is_reprocessing = true;
    deliver_command(deliver, DELIVER_REPROCESS, 0, 0, NULL);
}

void deliver_on_reprocess(struct deliver *deliver, const struct sink_verdict *verdict, struct moment now)
{
    int64_t revived = 0;

    deliver_begin(deliver, now);
    deliver->is_reprocessing = false;
    deliver->idle_answers = 0;
    deliver_judge_target(deliver, verdict);
    if (verdict->scope != SINK_WELL)
        return;
    deliver_note_life(deliver);
    deliver->has_kicked = true;
    deliver->kicked_mono = now.mono_ms;
    deliver->restart_is_noticed = false;
    for (size_t i = 0; i < deliver->count; i++) {
        struct batch *batch = deliver->batches[i];
        if (batch->phase != PHASE_STORED)
            continue;
        batch->kicks++;
        batch->progress_mono = now.mono_ms;
        batch->poll_step = POLL_FIRST_MS;
        batch->poll_mono = now.mono_ms + POLL_FIRST_MS;
        for (size_t k = 0; k < batch->count; k++) {
            struct member *member = &batch->members[k];
            if (!member->waits_for_retry && member->last_sighting != SEEN_UNFINISHED)
                continue;
            member->waits_for_retry = false;
            revived++;
            deliver_note(deliver, NOTE_RETRIED, member->stream, 1);
        }
    }
    deliver_notice(deliver, false, "asked LightRAG to take up %lld interrupted or failed documents again (it wakes others' failed ones too)",
                   (long long)revived);
    deliver_flush(deliver);
}
