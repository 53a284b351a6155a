/* test_doctor.c - from facts to findings: the edges that no server can be brought to, and what depends on what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "cli/doctor.h"

#include <string.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define NOW_MS ((int64_t)1795400000000) /* 2026-11-22 */

/* ---- A target that is well, to be spoilt ---- */

struct fixture {
    struct engine_target settings;
    struct http_trust trust;
    struct probe_target seen;
    struct doctor_server server;
};

static void make_well(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .settings = { .name = "default", .sink = { .url = "https://rag.example", .api_key = "KEY", .username = "", .password = "" }, .workspace = "", .max_unfinished = 500 },
        .seen = {
            .contact = { .is_asked = true, .end = HTTP_ANSWERED, .stage = HTTP_STAGE_READY, .status = 200, .date_ms = NOW_MS, .seen_ms = NOW_MS,
                         .certificate_ms = NOW_MS + 90 * DAY_MS, .address = "192.0.2.7" },
            .answers = PROBE_QUESTIONS,
            .health = { .dialect = SINK_15, .version = "1.5.7", .has_workspace = true, .workspace = "life" },
        },
    };
    fixture->seen.target = &fixture->settings;
    fixture->server = (struct doctor_server){ .contact = &fixture->seen.contact, .target = &fixture->seen, .url = fixture->settings.sink.url, .trust = &fixture->trust, .section = "lightrag.api" };
}

static const struct doctor_finding *find(const struct doctor *doctor, const char *check)
{
    for (size_t i = 0; i < doctor->count; i++)
        if (strcmp(doctor->items[i].check, check) == 0)
            return &doctor->items[i];
    fail_msg("there is no check %s", check);
    return NULL;
}

static void expect(const char *why, const struct doctor *doctor, const char *check, enum doctor_result result, const char *words)
{
    const struct doctor_finding *finding = find(doctor, check);

    if (finding->result != result || strstr(finding->detail, words) == NULL)
        fail_msg("%s: %s is %s: %s", why, check, doctor_result_name(finding->result), finding->detail);
    if ((finding->fix != NULL) != (result == DOCTOR_WARN || result == DOCTOR_FAIL))
        fail_msg("%s: %s: the fix is %s", why, check, finding->fix != NULL ? finding->fix : "missing");
}

static void test_a_server_that_is_well(void **state)
{
    struct fixture fixture;
    AUTO_DONE(doctor) struct doctor doctor = { 0 };

    (void)state;
    make_well(&fixture);
    doctor_judge_target(&doctor, &fixture.server);
    assert_int_equal(doctor.count, 9);
    assert_int_equal(doctor_count(&doctor, DOCTOR_OK), 9);
    expect("resolved", &doctor, "name", DOCTOR_OK, "https://rag.example is at 192.0.2.7");
}

static void test_clocks(void **state)
{
    static const struct { const char *why; int64_t date_ms; enum doctor_result result; const char *words; } rows[] = {
        { "the same", NOW_MS, DOCTOR_OK, "agrees" },
        { "a second less than a minute", NOW_MS - 59000, DOCTOR_OK, "agrees" },
        { "a minute behind", NOW_MS - 60000, DOCTOR_WARN, "1m behind" },
        { "a minute ahead", NOW_MS + 60000, DOCTOR_WARN, "1m ahead of" },
        { "years ahead", NOW_MS + 800 * DAY_MS, DOCTOR_WARN, "800d ahead of" },
        { "not told", -1, DOCTOR_OK, "does not tell" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct fixture fixture;
        AUTO_DONE(doctor) struct doctor doctor = { 0 };
        make_well(&fixture);
        fixture.seen.contact.date_ms = rows[i].date_ms;
        doctor_judge_target(&doctor, &fixture.server);
        expect(rows[i].why, &doctor, "clock", rows[i].result, rows[i].words);
    }
}

static void test_certificates(void **state)
{
    static const struct { const char *why; int64_t certificate_ms; bool insecure; enum doctor_result result; const char *words; } rows[] = {
        { "three months", NOW_MS + 90 * DAY_MS, false, DOCTOR_OK, "90 more days" },
        { "two weeks", NOW_MS + 14 * DAY_MS, false, DOCTOR_OK, "14 more days" },
        { "less than two weeks", NOW_MS + 14 * DAY_MS - 1, false, DOCTOR_WARN, "ends in 13 days" },
        { "hours", NOW_MS + 3600 * 1000, false, DOCTOR_WARN, "ends in less than a day" },
        { "the library does not tell", 0, false, DOCTOR_OK, "does not tell when it ends" },
        { "not verified", NOW_MS + 90 * DAY_MS, true, DOCTOR_WARN, "not looked at" },
        { "not verified, and past", NOW_MS - DAY_MS, true, DOCTOR_WARN, "has expired" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct fixture fixture;
        AUTO_DONE(doctor) struct doctor doctor = { 0 };
        make_well(&fixture);
        fixture.trust.insecure = rows[i].insecure;
        fixture.seen.contact.certificate_ms = rows[i].certificate_ms;
        doctor_judge_target(&doctor, &fixture.server);
        expect(rows[i].why, &doctor, "tls", rows[i].result, rows[i].words);
    }
}

static void test_workspaces(void **state)
{
    static const struct { const char *why, *wanted, *told, *known; enum doctor_result result; const char *words; } rows[] = {
        { "any is taken", "", "life", NULL, DOCTOR_OK, "\"life\" (any is taken)" },
        { "the same as before", "", "life", "life", DOCTOR_OK, "life" },
        { "another one than before", "", "life", "work", DOCTOR_FAIL, "before it was \"work\"" },
        { "the configured one", "life", "life", "work", DOCTOR_OK, "as configured" },
        { "not the configured one", "work", "life", NULL, DOCTOR_FAIL, "configured is \"work\"" },
        { "not told, and wanted", "work", NULL, NULL, DOCTOR_FAIL, "does not tell" },
        { "not told", "", NULL, "work", DOCTOR_OK, "not told" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct fixture fixture;
        AUTO_DONE(doctor) struct doctor doctor = { 0 };
        make_well(&fixture);
        fixture.settings.workspace = rows[i].wanted;
        fixture.server.known_workspace = rows[i].known;
        fixture.seen.health.has_workspace = rows[i].told != NULL;
        doctor_judge_target(&doctor, &fixture.server);
        expect(rows[i].why, &doctor, "workspace", rows[i].result, rows[i].words);
        if (rows[i].result == DOCTOR_FAIL)
            assert_int_equal(find(&doctor, "workspace")->kind, ERROR_CONFIG);
    }
}

/* ---- What depends on what ---- */

static void judge_well(const void *facts, struct doctor_finding *finding)
{
    (void)facts;
    doctor_say(finding, DOCTOR_OK, "well");
}

static void judge_ill(const void *facts, struct doctor_finding *finding)
{
    (void)facts;
    doctor_fail(finding, ERROR_FAILED, "ill");
    doctor_fix(finding, "a pill");
}

static bool never(const void *facts)
{
    (void)facts;
    return false;
}

static void test_what_depends_is_left_out(void **state)
{
    static const struct doctor_check checks[] = {
        { "root", 0, NULL, judge_ill },
        { "no row", 0, never, judge_ill },
        { "child", DOCTOR_NEEDS(0) | DOCTOR_NEEDS(1), NULL, judge_well },
        { "grandchild", DOCTOR_NEEDS(2), NULL, judge_well },
        { "stranger", DOCTOR_NEEDS(1), NULL, judge_well },
    };
    static const enum doctor_result want[] = { DOCTOR_FAIL, DOCTOR_SKIPPED, DOCTOR_SKIPPED, DOCTOR_OK };
    AUTO_DONE(doctor) struct doctor doctor = { 0 };

    (void)state;
    assert_int_equal(doctor_run(&doctor, "group", "subject", checks, ARRAY_LENGTH(checks), NULL), DOCTOR_NEEDS(0) | DOCTOR_NEEDS(2) | DOCTOR_NEEDS(3));
    assert_int_equal(doctor.count, ARRAY_LENGTH(want));
    for (size_t i = 0; i < ARRAY_LENGTH(want); i++)
        assert_int_equal(doctor.items[i].result, want[i]);
    assert_string_equal(doctor.items[1].detail, "not looked at: \"root\" must be well first");
    assert_string_equal(doctor.items[2].detail, "not looked at: \"child\" must be well first");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_is_well), cmocka_unit_test(test_clocks), cmocka_unit_test(test_certificates), cmocka_unit_test(test_workspaces),
        cmocka_unit_test(test_what_depends_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
