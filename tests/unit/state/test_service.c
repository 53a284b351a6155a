/* What the service keeps: connectors made by API, plans, and when a run last went well. */
#include "state_fixture.h"

struct list {
    char words[400];
};

static bool note_connector(void *context, const struct connector_row *row)
{
    struct list *list = context;
    size_t used = strlen(list->words);

    (void)snprintf(list->words + used, sizeof list->words - used, "%s:%lld:%s:%lld;", row->id, (long long)row->version, row->definition, (long long)row->changed_ms);
    return true;
}

static void put_connector(struct state *state, const char *id, int64_t version, const char *definition)
{
    const struct connector_row row = { .id = id, .version = version, .definition = definition, .changed_ms = 7 };
    struct error err = { 0 };

    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_CONNECTOR, .connector = &row }, &err), err);
}

static void expect_connectors(struct state *state, const char *wanted)
{
    struct list list = { "" };
    struct error err = { 0 };

    ASSERT_WORKS(state_each_connector(state, note_connector, &list, &err), err);
    assert_string_equal(list.words, wanted);
}

static void test_connectors(void **unused)
{
    struct state *state = fixture_open();
    struct error err = { 0 };

    (void)unused;
    expect_connectors(state, "");
    put_connector(state, "b", 1, "{}");
    put_connector(state, "a", 4, "{\"x\":1}");
    put_connector(state, "b", 2, "{\"y\":2}");
    ASSERT_WORKS(state_commit(state, &err), err);
    expect_connectors(state, "a:4:{\"x\":1}:7;b:2:{\"y\":2}:7;");
    put_connector(state, "a", 5, NULL);
    put_connector(state, "nobody", 1, NULL);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);

    state = fixture_open(); /* it is in the file */
    expect_connectors(state, "b:2:{\"y\":2}:7;");
    state_free(state);
}

static void test_jobs(void **unused)
{
    const struct job_row paused = { .connector = "a", .settled_ms = 1, .waiting = 4, .waiting_ms = 3, .is_paused = true, .paused_until_ms = 5, .reason = "holiday" };
    const struct job_row resumed = { .connector = "a", .settled_ms = 9, .reason = "" };
    const struct job_row gone = { .connector = "a", .is_gone = true };
    AUTO(state) struct state *state = fixture_open();
    struct job_row got;
    struct error err = { 0 };

    (void)unused;
    assert_int_equal(state_get_job(state, "a", &got, &err), 0);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_JOB, .job = &paused }, &err), err);
    assert_int_equal(state_get_job(state, "a", &got, &err), 1);
    assert_int_equal(got.settled_ms, 1);
    assert_int_equal(got.waiting, 4);
    assert_int_equal(got.waiting_ms, 3);
    assert_true(got.is_paused);
    assert_int_equal(got.paused_until_ms, 5);
    assert_string_equal(got.reason, "holiday");
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_JOB, .job = &resumed }, &err), err);
    assert_int_equal(state_get_job(state, "a", &got, &err), 1);
    assert_int_equal(got.settled_ms, 9);
    assert_false(got.is_paused);
    assert_string_equal(got.reason, "");
    assert_int_equal(state_get_job(state, "b", &got, &err), 0);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_JOB, .job = &gone }, &err), err);
    assert_int_equal(state_get_job(state, "a", &got, &err), 0);
}

static bool note_alert(void *context, const struct alert_row *row)
{
    struct list *list = context;
    size_t used = strlen(list->words);

    (void)snprintf(list->words + used, sizeof list->words - used, "%s:%d:%d:%lld:%lld:%lld:%d:%s:%s;", row->connector, row->cause, row->is_raised, (long long)row->value,
                   (long long)row->since_ms, (long long)row->told_ms, row->is_pending, row->name, row->body);
    return true;
}

static void put_alert(struct state *state, const struct alert_row *row)
{
    struct error err = { 0 };

    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_ALERT, .alert = row }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void expect_alerts(struct state *state, const char *wanted)
{
    struct list list = { "" };
    struct error err = { 0 };

    ASSERT_WORKS(state_each_alert(state, note_alert, &list, &err), err);
    assert_string_equal(list.words, wanted);
}

static void test_alerts(void **unused)
{
    struct state *state = fixture_open();

    (void)unused;
    expect_alerts(state, "");
    put_alert(state, &(struct alert_row){ .connector = "b", .cause = 1, .is_raised = true, .value = 3, .since_ms = 4, .told_ms = 5, .is_pending = true, .name = "n", .body = "{}" });
    put_alert(state, &(struct alert_row){ .connector = "a", .cause = 2, .name = "m", .body = "" });
    put_alert(state, &(struct alert_row){ .connector = "a", .cause = 1, .name = "o", .body = "" });
    state_free(state);

    state = fixture_open(); /* it is in the file */
    expect_alerts(state, "a:1:0:0:0:0:0:o:;a:2:0:0:0:0:0:m:;b:1:1:3:4:5:1:n:{};");
    put_alert(state, &(struct alert_row){ .connector = "b", .cause = 1, .value = 3, .told_ms = 6, .name = "p", .body = "" });
    put_alert(state, &(struct alert_row){ .connector = "a", .is_gone = true });
    expect_alerts(state, "b:1:0:3:0:6:0:p:;");
    state_free(state);
}

static void put_run(struct state *state, int64_t run, const char *connector, enum run_result result, int64_t finished_ms)
{
    const struct run_row row = { .run = run, .connector = connector, .trigger = "schedule", .started_ms = 1, .finished_ms = finished_ms,
                                 .result = result, .error = "", .range = "day", .coverage = "" };
    struct error err = { 0 };

    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_RUN, .run = &row }, &err), err);
}

static void test_the_last_good_run(void **unused)
{
    static const struct { const char *why; enum run_result result; int64_t wanted; } rows[] = {
        { "a success", RUN_SUCCESS, 50 },      { "most of it came", RUN_PARTIAL, 50 },      { "a failure", RUN_FAILED, 0 },
        { "an interruption", RUN_INTERRUPTED, 0 }, { "somebody stopped it", RUN_CANCELLED, 0 }, { "it never ran", RUN_SKIPPED, 0 },
        { "it is under way", RUN_RUNNING, 0 },
    };
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    int64_t finished;

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *name = mem_format("c%zu", i);
        put_run(state, (int64_t)i + 1, name, rows[i].result, 50);
        ASSERT_WORKS(state_last_success(state, name, &finished, &err), err);
        assert_int_equal(finished, rows[i].wanted);
    }
    put_run(state, 90, "c0", RUN_FAILED, 60);
    put_run(state, 91, "c0", RUN_SUCCESS, 70);
    put_run(state, 92, "c0", RUN_FAILED, 80);
    ASSERT_WORKS(state_last_success(state, "c0", &finished, &err), err);
    assert_int_equal(finished, 70);
    ASSERT_WORKS(state_last_success(state, "nobody", &finished, &err), err);
    assert_int_equal(finished, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_connectors),
        STATE_TEST(test_jobs),
        STATE_TEST(test_alerts),
        STATE_TEST(test_the_last_good_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
