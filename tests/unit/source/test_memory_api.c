#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "source/source.h"

#include <string.h>

static const struct http_trust trust = { .ca_file = "" };
static const struct source_endpoint endpoint = {
    .url = "http://127.0.0.1:8080/api", .api_key = "s3cret", .timeout_ms = 30000, .response_maximum = 1 << 20, .trust = &trust,
};

static struct http_answer answered(int status)
{
    return (struct http_answer){ .end = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .date_ms = -1, .content_length = -1, .received_bytes = 20,
                                 .content_type = "application/json", .location = "", .body = "", .words = "" };
}

/* ---- What is asked ---- */

static void test_request(void **state)
{
    static const struct { const char *why, *context, *range; int64_t limit; const char *url; } rows[] = {
        { "the usual", "CTX123", "week", 100, "http://127.0.0.1:8080/api/memory/CTX123?limit=100&range=week" },
        { "a context is one part of the path", "a/b?c#d", "all", 1, "http://127.0.0.1:8080/api/memory/a%2Fb%3Fc%23d?limit=1&range=all" },
        { "and no other parameter", "a&limit=5", "day&x=1", 1, "http://127.0.0.1:8080/api/memory/a%26limit%3D5?limit=1&range=day%26x%3D1" },
        { "letters", "\xC3\xBC \xF0\x9F\x9A\xA4", "month", 9007199254740993, "http://127.0.0.1:8080/api/memory/%C3%BC%20%F0%9F%9A%A4?limit=9007199254740993&range=month" },
        { "a line would be a header", "a\r\nX: y", "day", 1, "http://127.0.0.1:8080/api/memory/a%0D%0AX%3A%20y?limit=1&range=day" },
    };
    struct source_endpoint keyless = endpoint;
    struct source_storage storage = { 0 };
    struct http_request request;
    (void)state;

    source_storage_init(&storage);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        source_request_listing(&endpoint, &storage, rows[i].context, rows[i].range, rows[i].limit, &request);
        if (strcmp(request.url, rows[i].url) != 0)
            fail_msg("%s: %s", rows[i].why, request.url);
    }
    assert_string_equal(request.method, "GET");
    assert_null(request.body);
    assert_string_equal(request.headers[0], "Accept: application/json");
    assert_string_equal(request.headers[1], "X-API-KEY: s3cret");
    assert_null(request.headers[2]);
    assert_null(strstr(request.url, "s3cret"));
    assert_int_equal(request.timeout_ms, 0); /* a listing may take as long as it moves */
    assert_int_equal(request.stall_timeout_ms, 30000);
    assert_int_equal(request.answer_maximum, 1 << 20);
    assert_ptr_equal(request.trust, &trust);
    keyless.api_key = "";
    source_request_listing(&keyless, &storage, "c", "day", 1, &request);
    assert_null(request.headers[1]);
    source_storage_done(&storage);
    source_storage_done(&storage); /* twice is harmless */
}

/* ---- How it ended ---- */

static void check(const char *why, const struct http_answer *answer, enum splitter_end end, enum source_outcome outcome, const char *words)
{
    struct source_verdict verdict;

    source_judge(&endpoint, "CTX123", answer, end, 77, &verdict);
    if (verdict.outcome != outcome)
        fail_msg("%s: %d, want %d (%s)", why, verdict.outcome, outcome, verdict.words);
    if (words == NULL && verdict.words[0] != '\0')
        fail_msg("%s: nothing to say, but: %s", why, verdict.words);
    if (words != NULL && (strstr(verdict.words, words) == NULL || strstr(verdict.words, "http://127.0.0.1:8080/api") == NULL))
        fail_msg("%s: \"%s\" is not in: %s", why, words, verdict.words);
    if (words != NULL && outcome != SOURCE_UNTRUSTED && strstr(verdict.words, "CTX123") == NULL && strstr(verdict.words, "redirects") == NULL)
        fail_msg("%s: which context? %s", why, verdict.words);
    if (strstr(verdict.words, "s3cret") != NULL)
        fail_msg("%s: the key is told", why);
    assert_int_equal(verdict.status, answer->status);
}

/* S8 to S12: by status, whatever the body was. */
static void test_statuses(void **state)
{
    static const struct { int status; enum source_outcome outcome; const char *words; } rows[] = {
        { 401, SOURCE_DENIED, "refused the key for context CTX123 (HTTP 401): check memory_api.api_key" },
        { 403, SOURCE_DENIED, "check memory_api.api_key" },
        { 404, SOURCE_NO_CONTEXT, "does not know context \"CTX123\" (HTTP 404): check context_id and memory_api.url" },
        { 408, SOURCE_AGAIN, "HTTP 408" }, { 425, SOURCE_AGAIN, "HTTP 425" }, { 429, SOURCE_AGAIN, "HTTP 429" },
        { 500, SOURCE_AGAIN, "HTTP 500" }, { 502, SOURCE_AGAIN, "HTTP 502" }, { 503, SOURCE_AGAIN, "HTTP 503" }, { 504, SOURCE_AGAIN, "HTTP 504" },
        { 599, SOURCE_AGAIN, "HTTP 599" },
        { 201, SOURCE_STRANGE, "check memory_api.url" }, { 204, SOURCE_STRANGE, "HTTP 204" }, { 206, SOURCE_STRANGE, "HTTP 206" },
        { 304, SOURCE_STRANGE, "HTTP 304" }, { 400, SOURCE_STRANGE, "HTTP 400" }, { 405, SOURCE_STRANGE, "HTTP 405" }, { 422, SOURCE_STRANGE, "HTTP 422" },
    };
    static const enum http_end ends[] = { HTTP_ANSWERED, HTTP_TRUNCATED, HTTP_TOO_LARGE };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(ends); k++) {
            struct http_answer answer = answered(rows[i].status);
            answer.end = ends[k];
            answer.words = ends[k] == HTTP_ANSWERED ? "" : "broke off";
            check("by status", &answer, SPLITTER_COMPLETE, rows[i].outcome, rows[i].words); /* an error is no listing, even in its shape */
            check("by status", &answer, SPLITTER_NOT_JSON, rows[i].outcome, rows[i].words);
        }
    }
}

static void test_contents(void **state)
{
    static const struct { const char *why; enum splitter_end end; const char *content_type; enum source_outcome outcome; const char *words; } rows[] = {
        { "whole", SPLITTER_COMPLETE, "application/json", SOURCE_COMPLETE, NULL },
        { "its type does not matter", SPLITTER_COMPLETE, "text/html", SOURCE_COMPLETE, NULL },
        { "another API", SPLITTER_NO_MEMORIES, "application/json", SOURCE_STRANGE, "no \"memories\" at its top level" },
        { "a login page", SPLITTER_NOT_JSON, "text/html; charset=utf-8", SOURCE_STRANGE, "not JSON but text/html; charset=utf-8: check memory_api.url" },
        { "of no type", SPLITTER_NOT_JSON, "", SOURCE_STRANGE, "something else" },
        { "a type that writes on the terminal", SPLITTER_NOT_JSON, "text/\x1b[2J", SOURCE_STRANGE, "text/\\x1b[2J" },
        { "broken inside", SPLITTER_BROKEN, "application/json", SOURCE_PARTIAL, "broken JSON at byte 77 (20 bytes came)" },
        { "not closed", SPLITTER_OPEN, "application/json", SOURCE_PARTIAL, "broken JSON" },
    };
    struct http_answer empty = answered(200);
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answered(200);
        answer.content_type = rows[i].content_type;
        check(rows[i].why, &answer, rows[i].end, rows[i].outcome, rows[i].words);
    }
    empty.received_bytes = 0;
    check("nothing at all", &empty, SPLITTER_NOT_JSON, SOURCE_STRANGE, "not JSON but empty");
}

/* S1, S2, S7, S11: what did not come whole. */
static void test_ends(void **state)
{
    static const struct { const char *why; enum http_end end; int64_t received, announced; enum splitter_end split; enum source_outcome outcome; const char *words; } rows[] = {
        { "no connection", HTTP_NOT_SENT, 0, -1, SPLITTER_NOT_JSON, SOURCE_AGAIN, "does not answer for context CTX123: said the client" },
        { "silence", HTTP_NO_ANSWER, 0, -1, SPLITTER_NOT_JSON, SOURCE_AGAIN, "said the client" },
        { "cut", HTTP_TRUNCATED, 500, 1000, SPLITTER_BROKEN, SOURCE_PARTIAL, "broke off (500 of 1000 bytes came: said the client); every whole memory in it was taken" },
        { "cut, of unknown length", HTTP_TRUNCATED, 500, -1, SPLITTER_BROKEN, SOURCE_PARTIAL, "(500 bytes came" },
        { "cut before the first byte", HTTP_TRUNCATED, 0, 1000, SPLITTER_NOT_JSON, SOURCE_PARTIAL, "0 of 1000 bytes" },
        { "cut behind the last bracket: nobody knows", HTTP_TRUNCATED, 500, 1000, SPLITTER_COMPLETE, SOURCE_PARTIAL, "broke off" },
        { "larger than allowed", HTTP_TOO_LARGE, 1 << 20, -1, SPLITTER_BROKEN, SOURCE_PARTIAL, "broke off" },
        { "a page that was cut", HTTP_TRUNCATED, 500, 1000, SPLITTER_NOT_JSON, SOURCE_STRANGE, "not JSON" },
        { "a page without end", HTTP_TOO_LARGE, 1 << 20, -1, SPLITTER_NOT_JSON, SOURCE_STRANGE, "not JSON" },
    };
    struct http_answer untrusted = answered(0);
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answered(rows[i].end == HTTP_TRUNCATED || rows[i].end == HTTP_TOO_LARGE ? 200 : 0);
        struct source_verdict verdict;
        answer.end = rows[i].end;
        answer.received_bytes = rows[i].received;
        answer.content_length = rows[i].announced;
        answer.words = "said the client";
        check(rows[i].why, &answer, rows[i].split, rows[i].outcome, rows[i].words);
        source_judge(&endpoint, "c", &answer, rows[i].split, 0, &verdict);
        assert_int_equal(verdict.received_bytes, rows[i].received);
        assert_int_equal(verdict.announced_bytes, rows[i].announced);
    }
    untrusted.end = HTTP_NOT_SENT;
    untrusted.is_tls_failure = true;
    untrusted.words = "self-signed certificate";
    check("TLS", &untrusted, SPLITTER_NOT_JSON, SOURCE_UNTRUSTED, "self-signed certificate; http.ca_file");
}

static void test_redirects(void **state)
{
    struct http_answer answer = answered(302);
    struct source_verdict verdict;
    (void)state;

    answer.location = "http://169.254.169.254/latest?token=abc#x";
    check("another host", &answer, SPLITTER_COMPLETE, SOURCE_STRANGE, "redirects to http://169.254.169.254/latest (HTTP 302), which is not followed");
    answer.location = "file:///etc/\x1b[31m\npasswd";
    source_judge(&endpoint, "c", &answer, SPLITTER_COMPLETE, 0, &verdict);
    assert_non_null(strstr(verdict.words, "file:///etc/\\x1b[31m\\x0apasswd"));
}

static void test_retry_after(void **state)
{
    static const struct { int64_t told, want; } rows[] = {
        { -1, -1 }, { 0, 0 }, { 120000, 120000 }, { 3600000, 3600000 }, { 1000000000000, 3600000 }, { INT64_MAX, 3600000 }, { -5, -1 }, { INT64_MIN, -1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answered(429);
        struct source_verdict verdict;
        answer.retry_after_ms = rows[i].told;
        source_judge(&endpoint, "c", &answer, SPLITTER_NOT_JSON, 0, &verdict);
        assert_int_equal(verdict.retry_after_ms, rows[i].want);
    }
}

/* However long what it speaks of is, a message ends with its remedy. */
static void test_the_remedy_is_never_cut_off(void **state)
{
    AUTO_DONE(text) struct text long_words = { 0 };
    struct source_endpoint far = endpoint;
    struct source_verdict verdict;
    (void)state;

    text_init(&long_words, 0);
    (void)text_append(&long_words, "http://");
    for (size_t i = 0; i < 500; i++)
        (void)text_append(&long_words, "\xC3\xBC");
    far.url = long_words.data;
    for (int status = 200; status < 600; status++) {
        for (int end = SPLITTER_OPEN; end <= SPLITTER_BROKEN; end++) {
            for (int location = 0; location < 2; location++) {
                struct http_answer answer = answered(status);
                static const char *const remedies[] = { "memory_api.url", "memory_api.api_key", "was taken", "HTTP " };
                bool is_told = false;
                answer.location = location == 1 ? long_words.data : "";
                answer.content_type = answer.words = long_words.data;
                source_judge(&far, long_words.data, &answer, (enum splitter_end)end, UINT64_MAX, &verdict);
                for (size_t i = 0; i < ARRAY_LENGTH(remedies); i++)
                    is_told = is_told || strstr(verdict.words, remedies[i]) != NULL;
                if (verdict.outcome != SOURCE_COMPLETE && !is_told)
                    fail_msg("HTTP %d: %s", status, verdict.words);
                if (strstr(verdict.words, "\\x") != NULL)
                    fail_msg("HTTP %d: cut inside a character: %s", status, verdict.words);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_the_remedy_is_never_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
