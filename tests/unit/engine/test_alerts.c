/* test_alerts.c - when a person is told: a story of each connector's troubles, the texts, the signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/alerts.h"

#include "base/auto.h"

#include <stdio.h>
#include <string.h>

#define HOUR INT64_C(3600000)
#define MINUTE INT64_C(60000)

static const struct alert_settings settings = { .failures = 3, .no_sync_ms = 24 * HOUR, .dead_letters = 2, .stuck_ms = 6 * HOUR };
static const int64_t start = 1000 * HOUR;

/* Each story goes on where the row before it ended; a new "why" with is_new begins another. */
static const struct step {
    const char *why;
    bool is_new;
    enum alert_cause cause;
    int64_t at;                    /* after start */
    struct alert_facts facts;
    enum alert_verdict want;
} steps[] = {
    { "two failures are none yet", true, ALERT_FAILURES, 0, { .failures = 2 }, ALERT_SILENCE },
    { "three are", false, ALERT_FAILURES, 1, { .failures = 3 }, ALERT_RAISED },
    { "the fourth is the same trouble", false, ALERT_FAILURES, 2, { .failures = 4 }, ALERT_SILENCE },
    { "a month later, too", false, ALERT_FAILURES, 720 * HOUR, { .failures = 99 }, ALERT_SILENCE },
    { "a good run ends it", false, ALERT_FAILURES, 721 * HOUR, { .failures = 0 }, ALERT_RECOVERED },
    { "once", false, ALERT_FAILURES, 722 * HOUR, { .failures = 0 }, ALERT_SILENCE },
    { "and it can begin again", false, ALERT_FAILURES, 723 * HOUR, { .failures = 3 }, ALERT_RAISED },
    { "one that failed less than the limit has not recovered", false, ALERT_FAILURES, 724 * HOUR, { .failures = 1 }, ALERT_SILENCE },

    { "nothing for 23 hours", true, ALERT_NO_SYNC, HOUR, { .should_run = true, .last_success_ms = 1000 * HOUR - 22 * HOUR }, ALERT_SILENCE },
    { "for 24", false, ALERT_NO_SYNC, 2 * HOUR, { .should_run = true, .last_success_ms = 1000 * HOUR - 22 * HOUR }, ALERT_RAISED },
    { "still", false, ALERT_NO_SYNC, 30 * HOUR, { .should_run = true, .last_success_ms = 1000 * HOUR - 22 * HOUR }, ALERT_SILENCE },
    { "paused is not recovered", false, ALERT_NO_SYNC, 30 * HOUR, { .should_run = false, .last_success_ms = 1000 * HOUR - 22 * HOUR }, ALERT_SILENCE },
    { "a run", false, ALERT_NO_SYNC, 31 * HOUR, { .should_run = true, .last_success_ms = 1031 * HOUR }, ALERT_RECOVERED },
    { "right after a start it is caught up first", true, ALERT_NO_SYNC, 14 * MINUTE, { .should_run = true, .last_success_ms = 5 }, ALERT_SILENCE },
    { "but not for ever", false, ALERT_NO_SYNC, 15 * MINUTE, { .should_run = true, .last_success_ms = 5 }, ALERT_RAISED },
    { "one that should not run is not missed", true, ALERT_NO_SYNC, 99 * HOUR, { .should_run = false, .last_success_ms = 5 }, ALERT_SILENCE },
    { "a new one has a day from the start", true, ALERT_NO_SYNC, 23 * HOUR, { .should_run = true }, ALERT_SILENCE },
    { "and no longer", false, ALERT_NO_SYNC, 24 * HOUR, { .should_run = true }, ALERT_RAISED },

    { "one letter is below the limit", true, ALERT_DEAD_LETTERS, 0, { .dead_letters = 1 }, ALERT_SILENCE },
    { "two", false, ALERT_DEAD_LETTERS, MINUTE, { .dead_letters = 2 }, ALERT_RAISED },
    { "many more at once wait a while", false, ALERT_DEAD_LETTERS, 2 * MINUTE, { .dead_letters = 500 }, ALERT_SILENCE },
    { "and are told together", false, ALERT_DEAD_LETTERS, 12 * MINUTE, { .dead_letters = 900 }, ALERT_RAISED },
    { "not again", false, ALERT_DEAD_LETTERS, 60 * MINUTE, { .dead_letters = 900 }, ALERT_SILENCE },
    { "one more is below the limit", false, ALERT_DEAD_LETTERS, 61 * MINUTE, { .dead_letters = 901 }, ALERT_SILENCE },
    { "a person works on them", false, ALERT_DEAD_LETTERS, 62 * MINUTE, { .dead_letters = 3 }, ALERT_NOTE },
    { "new ones count from there", false, ALERT_DEAD_LETTERS, 63 * MINUTE, { .dead_letters = 5 }, ALERT_RAISED },
    { "none is left", false, ALERT_DEAD_LETTERS, 64 * MINUTE, { .dead_letters = 0 }, ALERT_RECOVERED },
    { "the next ones are a new trouble, at once", false, ALERT_DEAD_LETTERS, 65 * MINUTE, { .dead_letters = 2 }, ALERT_RAISED },

    { "on its way for five hours", true, ALERT_STUCK, 5 * HOUR, { .oldest_ms = 1000 * HOUR }, ALERT_SILENCE },
    { "for six", false, ALERT_STUCK, 6 * HOUR, { .oldest_ms = 1000 * HOUR }, ALERT_RAISED },
    { "the next oldest is as old", false, ALERT_STUCK, 7 * HOUR, { .oldest_ms = 1001 * HOUR }, ALERT_SILENCE },
    { "a younger one", false, ALERT_STUCK, 8 * HOUR, { .oldest_ms = 1007 * HOUR }, ALERT_RECOVERED },
    { "after a long night without the program", true, ALERT_STUCK, 1 * MINUTE, { .oldest_ms = 900 * HOUR }, ALERT_SILENCE },
    { "it is settled in the first minutes", false, ALERT_STUCK, 20 * MINUTE, { .oldest_ms = 0 }, ALERT_SILENCE },
};

static void test_stories(void **state)
{
    struct alert_standing standing = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        struct alert_facts facts = steps[i].facts;
        struct alert_standing before = steps[i].is_new ? (struct alert_standing){ 0 } : standing;
        enum alert_verdict got;
        facts.now_ms = start + steps[i].at;
        facts.started_ms = start;
        standing = before;
        got = alert_judge(steps[i].cause, &settings, &facts, &standing);
        if (got != steps[i].want)
            fail_msg("%s: verdict %d, want %d", steps[i].why, got, steps[i].want);
        if (got == ALERT_SILENCE)
            assert_memory_equal(&standing, &before, sizeof before);
        else if (got != ALERT_NOTE)
            assert_int_equal(standing.told_ms, facts.now_ms);
    }
}

static void test_a_limit_of_zero_is_off(void **state)
{
    const struct alert_settings off = { 0 };
    const struct alert_facts bad = { .now_ms = 9000 * HOUR, .started_ms = 1, .failures = 1000, .should_run = true, .dead_letters = 1000, .oldest_ms = 1 };

    (void)state;
    for (int cause = 1; cause < ALERT_CAUSES; cause++) {
        struct alert_standing standing = { 0 };
        assert_int_equal(alert_judge((enum alert_cause)cause, &off, &bad, &standing), ALERT_SILENCE);
    }
}

static void test_tries(void **state)
{
    static const struct { int tries; int64_t age_ms, want; } rows[] = {
        { 1, 0, 5000 }, { 2, 0, 10000 }, { 5, 0, 80000 }, { 11, 0, HOUR }, { 1000, 71 * HOUR, HOUR }, { 1, 72 * HOUR, -1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(alert_retry_ms(rows[i].tries, 7, 7 + rows[i].age_ms), rows[i].want);
}

/* Source: the example of the specification of Standard Webhooks. */
static void test_the_signature(void **state)
{
    AUTO_DONE(text) struct text signature = { 0 };
    const char *body = "{\"test\": 2432232314}";

    (void)state;
    text_init(&signature, 0);
    alert_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), &signature);
    assert_string_equal(signature.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void test_secrets(void **state)
{
    static const struct { const char *why, *secret; bool is_good; } rows[] = {
        { "24 bytes", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true },
        { "16 bytes, padded", "whsec_AAAAAAAAAAAAAAAAAAAAAA==", true },
        { "32 bytes", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true },
        { "15 bytes", "whsec_AAAAAAAAAAAAAAAAAAAA", false },
        { "no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false },
        { "another alphabet", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", false },
        { "words", "whsec_correct horse battery staple", false },
        { "nothing", "", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error err = { 0 };
        if ((alert_check_secret(rows[i].secret, &err) == 0) != rows[i].is_good)
            fail_msg("%s", rows[i].why);
        if (!rows[i].is_good && rows[i].secret[0] != '\0')
            assert_null(strstr(err.message, rows[i].secret));
    }
}

static void test_the_words(void **state)
{
    const struct alert_standing standing = { .is_raised = true, .value = 3, .since_ms = 0, .told_ms = 1000 };
    AUTO_DONE(text) struct text out = { 0 };

    (void)state;
    text_init(&out, 0);
    alert_write(&out, "alert_1", "life", ALERT_FAILURES, ALERT_RAISED, &settings, &standing);
    assert_string_equal(out.data, "{\"type\":\"alert.raised\",\"id\":\"alert_1\",\"source\":\"memory-connector\",\"subject\":\"life\",\"time\":\"1970-01-01T00:00:01Z\","
                                  "\"timestamp\":\"1970-01-01T00:00:01Z\",\"data\":{\"connector\":\"life\",\"cause\":\"consecutive_failures\","
                                  "\"since\":\"1970-01-01T00:00:00Z\",\"count\":3,\"message\":\"life: 3 runs in a row failed; \\\"memory-connector history life\\\" shows why\"}}");
    for (int cause = 1; cause < ALERT_CAUSES; cause++) {
        text_clear(&out);
        alert_write(&out, "alert_1", "life", (enum alert_cause)cause, ALERT_RECOVERED, &settings, &standing);
        assert_non_null(strstr(out.data, "\"type\":\"alert.recovered\""));
        assert_non_null(strstr(out.data, "again\"}}") != NULL ? out.data : strstr(out.data, "any more\"}}"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories), cmocka_unit_test(test_a_limit_of_zero_is_off), cmocka_unit_test(test_tries),
        cmocka_unit_test(test_the_signature), cmocka_unit_test(test_secrets), cmocka_unit_test(test_the_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
