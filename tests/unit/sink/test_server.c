#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sink_answer.h"

static void test_health(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; enum sink_dialect dialect; const char *version, *workspace; } rows[] = {
        { "1.5", 200, "{\"status\":\"healthy\",\"core_version\":\"1.5.7\",\"api_version\":\"0344\",\"configuration\":{\"workspace\":\"w\",\"max_parallel_insert\":3}}", SINK_WELL, SINK_15, "1.5.7", "w" },
        { "1.4 says v", 200, "{\"core_version\":\"v1.4.9.9\",\"configuration\":{\"workspace\":\"\"}}", SINK_WELL, SINK_14, "1.4.9.9", "" },
        { "a candidate", 200, "{\"core_version\":\"1.5rc2\"}", SINK_WELL, SINK_15, "1.5rc2", "" },
        { "50 is not 5", 200, "{\"core_version\":\"1.50.1\"}", SINK_WELL, SINK_UNKNOWN_DIALECT, "1.50.1", "" },
        { "older", 200, "{\"core_version\":\"1.3.9\"}", SINK_WELL, SINK_UNKNOWN_DIALECT, "1.3.9", "" },
        { "newer", 200, "{\"core_version\":\"2.0.0\"}", SINK_WELL, SINK_UNKNOWN_DIALECT, "2.0.0", "" },
        { "a version that would write on the terminal", 200, "{\"core_version\":\"1.5.\\u001b[2J\"}", SINK_WELL, SINK_15, "1.5.\\x1b[2J", "" },
        { "a version without end is cut", 200, "{\"core_version\":\"1.5.00000000000000000000000000000000000000000000\"}", SINK_WELL, SINK_15, "1.5.000000000000000000000000000", "" },
        { "configuration of another type", 200, "{\"core_version\":\"1.5.7\",\"configuration\":\"w\"}", SINK_WELL, SINK_15, "1.5.7", "" },
        { "workspace of another type", 200, "{\"core_version\":\"1.5.7\",\"configuration\":{\"workspace\":null}}", SINK_WELL, SINK_15, "1.5.7", "" },
        { "the health of somebody else", 200, "{\"status\":\"healthy\"}", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "a version that is a number", 200, "{\"core_version\":1.5}", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "a web site", 200, "<!doctype html><title>Shop</title>", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "\"OK\"", 200, "OK", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "nothing", 200, "", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "no such path", 404, "not found", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "a refusal is no health", 400, "{\"core_version\":\"1.5.7\"}", SINK_STRANGE, SINK_UNKNOWN_DIALECT, "", "" },
        { "a proxy in trouble", 502, "<html>", SINK_FAILING, SINK_UNKNOWN_DIALECT, "", "" },
        { "a proxy that wants a key", 401, "", SINK_DENIED, SINK_UNKNOWN_DIALECT, "", "" },
    };
    struct http_answer cut = answer_cut(HTTP_TRUNCATED, 200, "{\"core_version\":\"1.5.7\"}");
    struct sink_health health;
    struct sink_verdict verdict;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        sink_read_health(&answer, &health, &verdict);
        if (verdict.scope != rows[i].scope || health.dialect != rows[i].dialect)
            fail_msg("%s: scope %d dialect %d", rows[i].why, verdict.scope, health.dialect);
        if (strcmp(health.version, rows[i].version) != 0 || strcmp(health.workspace, rows[i].workspace) != 0)
            fail_msg("%s: version \"%s\" workspace \"%s\"", rows[i].why, health.version, health.workspace);
        if (verdict.scope == SINK_STRANGE && strstr(verdict.words, "check lightrag.api.url") == NULL)
            fail_msg("%s: no remedy in \"%s\"", rows[i].why, verdict.words);
        if (verdict.scope == SINK_WELL && health.dialect == SINK_UNKNOWN_DIALECT && strstr(verdict.words, health.version) == NULL)
            fail_msg("%s: the words do not say which: \"%s\"", rows[i].why, verdict.words);
    }
    sink_read_health(&cut, &health, &verdict);
    assert_int_equal(verdict.scope, SINK_SILENT); /* not whole: worth another try, nobody else's address */
    assert_string_equal(health.version, "");
}

static void test_counts(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; struct sink_counts want; } rows[] = {
        { "1.5", 200, "{\"status_counts\":{\"pending\":1,\"parsing\":2,\"analyzing\":3,\"processing\":4,\"preprocessed\":5,\"processed\":18,\"failed\":1,\"all\":34}}", SINK_WELL, { 34, 18, 1, 15 } },
        { "words to come are unfinished", 200, "{\"status_counts\":{\"dreaming\":7,\"processed\":1,\"all\":8}}", SINK_WELL, { 8, 1, 0, 7 } },
        { "without a sum", 200, "{\"status_counts\":{\"pending\":2,\"processed\":1}}", SINK_WELL, { 0, 1, 0, 2 } },
        { "an empty server", 200, "{\"status_counts\":{}}", SINK_WELL, { 0, 0, 0, 0 } },
        { "numbers that are none", 200, "{\"status_counts\":{\"all\":\"3\",\"processed\":-1,\"failed\":1e999,\"pending\":null,\"x\":1.5}}", SINK_WELL, { 0, 0, 0, 0 } },
        { "numbers beyond everything", 200, "{\"status_counts\":{\"all\":18446744073709551615,\"processed\":9223372036854775808,\"pending\":18446744073709551615,\"x\":18446744073709551615}}", SINK_WELL, { INT32_MAX, INT32_MAX, 0, 2LL * INT32_MAX } },
        { "the first of two keys", 200, "{\"status_counts\":{\"all\":1,\"all\":2,\"processed\":1}}", SINK_WELL, { 1, 1, 0, 0 } },
        { "no counts", 200, "{\"counts\":{}}", SINK_STRANGE, { 0, 0, 0, 0 } },
        { "counts in a list", 200, "{\"status_counts\":[1]}", SINK_STRANGE, { 0, 0, 0, 0 } },
        { "the key is refused", 403, "{\"detail\":\"Invalid API Key\"}", SINK_DENIED, { 0, 0, 0, 0 } },
        { "a refusal proves no key", 422, "{\"status_counts\":{\"all\":1}}", SINK_STRANGE, { 0, 0, 0, 0 } },
        { "nor does 400", 400, "{\"detail\":\"no\"}", SINK_STRANGE, { 0, 0, 0, 0 } },
        { "nor a conflict", 409, "{\"detail\":\"no\"}", SINK_BUSY, { 0, 0, 0, 0 } },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct sink_counts counts;
        struct sink_verdict verdict;
        sink_read_counts(&answer, &counts, &verdict);
        if (verdict.scope != rows[i].scope)
            fail_msg("%s: scope %d", rows[i].why, verdict.scope);
        if (counts.all != rows[i].want.all || counts.processed != rows[i].want.processed || counts.failed != rows[i].want.failed ||
            counts.unfinished != rows[i].want.unfinished)
            fail_msg("%s: %lld %lld %lld %lld", rows[i].why, (long long)counts.all, (long long)counts.processed, (long long)counts.failed,
                     (long long)counts.unfinished);
    }
}

/* Idle is what a kick and a conclusion rest on: it must be said. */
static void test_pipeline(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; bool busy, recovery_required, is_fenced; } rows[] = {
        { "1.5 idle", 200, "{\"busy\":false,\"job_name\":\"-\",\"recovery_required\":false,\"history_messages\":[\"PRIVATE\"]}", SINK_WELL, false, false, false },
        { "1.4 idle", 200, "{\"busy\":false}", SINK_WELL, false, false, false },
        { "busy", 200, "{\"busy\":true,\"recovery_required\":null}", SINK_WELL, true, false, false },
        { "wants help", 200, "{\"busy\":false,\"recovery_required\":true}", SINK_WELL, false, true, false },
        { "deletes", 200, "{\"busy\":true,\"destructive_busy\":true}", SINK_WELL, true, false, true },
        { "scans", 200, "{\"busy\":true,\"destructive_busy\":false,\"scanning\":true}", SINK_WELL, true, false, true },
        { "not said", 200, "{}", SINK_SILENT, true, false, false },
        { "a word for it", 200, "{\"busy\":\"false\"}", SINK_SILENT, true, false, false },
        { "a number for it", 200, "{\"busy\":0}", SINK_SILENT, true, false, false },
        { "null for it", 200, "{\"busy\":null}", SINK_SILENT, true, false, false },
        { "a refusal", 400, "{\"busy\":false}", SINK_STRANGE, true, false, false },
        { "a conflict", 409, "{\"busy\":false}", SINK_BUSY, true, false, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct sink_pipeline pipeline;
        struct sink_verdict verdict;
        sink_read_pipeline(&answer, &pipeline, &verdict);
        if (verdict.scope != rows[i].scope || pipeline.busy != rows[i].busy || pipeline.recovery_required != rows[i].recovery_required ||
            pipeline.is_fenced != rows[i].is_fenced)
            fail_msg("%s: scope %d busy %d recovery %d fenced %d", rows[i].why, verdict.scope, pipeline.busy, pipeline.recovery_required, pipeline.is_fenced);
        if ((verdict.scope != SINK_WELL && verdict.words[0] == '\0') || strstr(verdict.words, "PRIVATE") != NULL)
            fail_msg("%s: words \"%s\"", rows[i].why, verdict.words);
    }
}

/* Whatever is not the one word means that nothing was begun; only silence leaves a doubt. */
static void test_delete(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; bool has_begun; } rows[] = {
        { "begun", 200, "{\"status\":\"deletion_started\",\"message\":\"x\",\"doc_id\":\"doc-1\"}", SINK_WELL, true },
        { "busy with 200", 200, "{\"status\":\"busy\",\"message\":\"Pipeline is busy with another operation.\"}", SINK_BUSY, false },
        { "not allowed", 200, "{\"status\":\"not_allowed\"}", SINK_BUSY, false },
        { "a word to come", 200, "{\"status\":\"scheduled\"}", SINK_BUSY, false },
        { "no word", 200, "{}", SINK_BUSY, false },
        { "a conflict", 409, "{\"detail\":\"x\"}", SINK_BUSY, false },
        { "dropping storages", 503, "", SINK_BUSY, false },
        { "refused", 422, "{\"detail\":[]}", SINK_STRANGE, false },
        { "the key", 403, "{\"detail\":\"Invalid API Key\"}", SINK_DENIED, false },
        { "nonsense", 200, "<html>", SINK_SILENT, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct sink_verdict verdict;
        bool has_begun = sink_judge_delete(&answer, &verdict);
        if (verdict.scope != rows[i].scope || has_begun != rows[i].has_begun)
            fail_msg("%s: scope %d, begun %d", rows[i].why, verdict.scope, has_begun);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
