#include "engine/alerts.h"

#include "base/base64.h"
#include "base/json_write.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

enum {
    GRACE_MS = 15 * 60 * 1000,         /* after a start: what was missed while the program did not run is caught up first */
    LETTERS_PAUSE_MS = 10 * 60 * 1000, /* between two messages of dead letters: a bad run makes thousands of them, one by one */
    RETRY_FIRST_MS = 5000,
    RETRY_LONGEST_MS = 3600 * 1000,
    GIVE_UP_MS = 3 * 24 * 3600 * 1000,
    SECRET_LEAST = 16, SECRET_MOST = 64,
};

static const char secret_prefix[] = "whsec_";

const char *alert_cause_name(enum alert_cause cause)
{
    static const char *const names[ALERT_CAUSES] = { "", "consecutive_failures", "no_sync_for_hours", "dead_letters", "stuck_for_hours" };

    return names[cause];
}

/* ---- Decisions ---- */

static enum alert_verdict raise(const struct alert_facts *facts, int64_t value, struct alert_standing *standing)
{
    if (!standing->is_raised)
        standing->since_ms = facts->now_ms;
    standing->is_raised = true;
    standing->value = value;
    standing->told_ms = facts->now_ms;
    return ALERT_RAISED;
}

static enum alert_verdict recover(const struct alert_facts *facts, struct alert_standing *standing)
{
    standing->is_raised = false;
    standing->value = 0;
    standing->told_ms = facts->now_ms;
    return ALERT_RECOVERED;
}

/* A trouble that is there or not. */
static enum alert_verdict judge_level(bool is_there, bool is_over, int64_t value, const struct alert_facts *facts, struct alert_standing *standing)
{
    if (is_there && !standing->is_raised)
        return raise(facts, value, standing);
    if (is_over && standing->is_raised)
        return recover(facts, standing);
    return ALERT_SILENCE;
}

static enum alert_verdict judge_no_sync(int64_t limit_ms, const struct alert_facts *facts, struct alert_standing *standing)
{
    int64_t since = facts->last_success_ms > 0 ? facts->last_success_ms : facts->started_ms;
    bool is_late = facts->now_ms - since >= limit_ms;
    bool has_settled = facts->now_ms - facts->started_ms >= (limit_ms < GRACE_MS ? limit_ms : GRACE_MS);

    /* Paused is neither: it did not recover, and nobody expects a run. */
    return judge_level(is_late && has_settled && facts->should_run, !is_late && facts->last_success_ms > 0, since, facts, standing);
}

static enum alert_verdict judge_letters(int64_t limit, const struct alert_facts *facts, struct alert_standing *standing)
{
    int64_t grown = facts->dead_letters - standing->value;

    if (facts->dead_letters == 0 && standing->is_raised)
        return recover(facts, standing);
    if (grown >= limit && (!standing->is_raised || facts->now_ms - standing->told_ms >= LETTERS_PAUSE_MS))
        return raise(facts, facts->dead_letters, standing);
    if (grown >= 0)
        return ALERT_SILENCE;
    standing->value = facts->dead_letters; /* somebody works on them: what grows is counted from here */
    return ALERT_NOTE;
}

static enum alert_verdict judge_stuck(int64_t limit_ms, const struct alert_facts *facts, struct alert_standing *standing)
{
    bool is_there = facts->oldest_ms > 0 && facts->now_ms - facts->oldest_ms >= limit_ms;
    bool has_settled = facts->now_ms - facts->started_ms >= (limit_ms < GRACE_MS ? limit_ms : GRACE_MS);

    return judge_level(is_there && has_settled, !is_there, facts->oldest_ms, facts, standing);
}

enum alert_verdict alert_judge(enum alert_cause cause, const struct alert_settings *settings, const struct alert_facts *facts, struct alert_standing *standing)
{
    switch (cause) {
    case ALERT_FAILURES:
        return settings->failures == 0 ? ALERT_SILENCE : judge_level(facts->failures >= settings->failures, facts->failures == 0, facts->failures, facts, standing);
    case ALERT_NO_SYNC:
        return settings->no_sync_ms == 0 ? ALERT_SILENCE : judge_no_sync(settings->no_sync_ms, facts, standing);
    case ALERT_DEAD_LETTERS:
        return settings->dead_letters == 0 ? ALERT_SILENCE : judge_letters(settings->dead_letters, facts, standing);
    case ALERT_STUCK:
        return settings->stuck_ms == 0 ? ALERT_SILENCE : judge_stuck(settings->stuck_ms, facts, standing);
    case ALERT_CAUSES:
        break;
    }
    return ALERT_SILENCE;
}

int64_t alert_retry_ms(int tries, int64_t told_ms, int64_t now_ms)
{
    int64_t wait_ms = RETRY_FIRST_MS;

    for (int i = 1; i < tries && wait_ms < RETRY_LONGEST_MS; i++)
        wait_ms *= 2;
    if (now_ms - told_ms >= GIVE_UP_MS)
        return -1;
    return wait_ms < RETRY_LONGEST_MS ? wait_ms : RETRY_LONGEST_MS;
}

/* ---- Texts ---- */

void alert_describe(char *out, size_t room, const char *connector, enum alert_cause cause, enum alert_verdict verdict, const struct alert_settings *settings,
                    const struct alert_standing *standing)
{
    if (verdict == ALERT_RECOVERED) {
        static const char *const words[ALERT_CAUSES] = { "", "a run went well again", "a run went well again", "no dead letter is open any more",
                                                         "no memory is stuck any more" };
        (void)snprintf(out, room, "%.64s: %s", connector, words[cause]);
        return;
    }
    switch (cause) {
    case ALERT_FAILURES:
        (void)snprintf(out, room, "%.64s: %lld runs in a row failed; \"memory-connector history %.64s\" shows why", connector, (long long)standing->value, connector);
        break;
    case ALERT_NO_SYNC:
        (void)snprintf(out, room, "%.64s: no run went well for %lld hours; \"memory-connector status %.64s\" shows why", connector,
                       (long long)(settings->no_sync_ms / 3600000), connector);
        break;
    case ALERT_DEAD_LETTERS:
        (void)snprintf(out, room, "%.64s: %lld dead letters are open; \"memory-connector dead-letters list %.64s\" says what to do", connector, (long long)standing->value,
                       connector);
        break;
    default:
        (void)snprintf(out, room, "%.64s: a memory has been on its way for more than %lld hours; \"memory-connector status %.64s\" shows where", connector,
                       (long long)(settings->stuck_ms / 3600000), connector);
    }
}

/* The words of CloudEvents (id, source, type, subject, time) and of Standard Webhooks (type, timestamp, data) in one object. */
void alert_write(struct text *out, const char *name, const char *connector, enum alert_cause cause, enum alert_verdict verdict,
                 const struct alert_settings *settings, const struct alert_standing *standing)
{
    struct json_writer writer;
    char type[60];
    char message[400];
    bool is_count = cause == ALERT_FAILURES || cause == ALERT_DEAD_LETTERS;

    (void)snprintf(type, sizeof type, "alert.%s", verdict == ALERT_RECOVERED ? "recovered" : "raised");
    alert_describe(message, sizeof message, connector, cause, verdict, settings, standing);
    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "type", type);
    json_write_string(&writer, "id", name);
    json_write_string(&writer, "source", "memory-connector");
    json_write_string(&writer, "subject", connector);
    json_write_time(&writer, "time", standing->told_ms);
    json_write_time(&writer, "timestamp", standing->told_ms);
    json_write_open_object(&writer, "data");
    json_write_string(&writer, "connector", connector);
    json_write_string(&writer, "cause", alert_cause_name(cause));
    json_write_time(&writer, "since", standing->since_ms);
    if (is_count)
        json_write_integer(&writer, "count", standing->value);
    json_write_string(&writer, "message", message);
    json_write_close(&writer);
    json_write_close(&writer);
}

/* ---- The signature ---- */

/* The bytes behind the prefix; 0: it is no base64, or not of a length that is wanted. */
static size_t decode_secret(const char *secret, uint8_t bytes[SECRET_MOST])
{
    size_t prefix = sizeof secret_prefix - 1;
    size_t count = 0;

    if (strncmp(secret, secret_prefix, prefix) != 0 || !base64_decode(secret + prefix, strlen(secret + prefix), bytes, SECRET_MOST, &count))
        return 0;
    return count >= SECRET_LEAST ? count : 0;
}

int alert_check_secret(const char *secret, struct error *err)
{
    uint8_t bytes[SECRET_MOST];

    if (decode_secret(secret, bytes) == 0)
        return error_set(err, ERROR_CONFIG, "it must be \"whsec_\" with the base64 of %d to %d random bytes behind it: echo \"whsec_$(openssl rand -base64 32)\"", SECRET_LEAST, SECRET_MOST);
    return 0;
}

void alert_sign(const char *secret, const char *name, int64_t timestamp_s, const char *body, size_t size, struct text *ret_signature)
{
    AUTO_DONE(text) struct text signed_text = { 0 };
    uint8_t key[SECRET_MOST];
    uint8_t digest[SHA256_SIZE];

    text_init(&signed_text, 0);
    (void)text_append_format(&signed_text, "%s.%lld.", name, (long long)timestamp_s);
    (void)text_append_bytes(&signed_text, body, size);
    sha256_hmac(key, decode_secret(secret, key), signed_text.data, signed_text.size, digest);
    (void)text_append(ret_signature, "v1,");
    base64_append(ret_signature, digest, sizeof digest);
}
