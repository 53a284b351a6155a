#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sink_answer.h"

#include <stdio.h>

static const char *const names[] = { "memory~c~1", "memory~c~2", "memory~c~3" };
#define TRACK "insert_20261122_122630_070f9112"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

struct insert_row {
    const char *why;
    int status;
    const char *body;
    enum sink_scope scope;
    enum sink_insert insert;
    int culprit;
    const char *words; /* a part of them; NULL: not looked at */
};

static void check_inserts(const struct insert_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct sink_verdict verdict;
        sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
        if (verdict.scope != rows[i].scope || verdict.insert != rows[i].insert || verdict.culprit_index != rows[i].culprit)
            fail_msg("%s: scope %d insert %d culprit %d, want %d %d %d", rows[i].why, verdict.scope, verdict.insert, verdict.culprit_index,
                     rows[i].scope, rows[i].insert, rows[i].culprit);
        if (rows[i].words != NULL && strstr(verdict.words, rows[i].words) == NULL)
            fail_msg("%s: words are \"%s\"", rows[i].why, verdict.words);
        if ((verdict.track[0] != '\0') != (verdict.insert == SINK_INSERT_ACCEPTED))
            fail_msg("%s: a track goes with a receipt and with nothing else", rows[i].why);
        if (strstr(verdict.words, "PRIVATE") != NULL)
            fail_msg("%s: the words tell what is private: %s", rows[i].why, verdict.words);
        assert_int_equal(verdict.status, rows[i].status);
    }
}

/* L5: nothing but "success" with a track id that can be followed is a receipt. */
static void test_only_a_receipt_is_accepted(void **state)
{
    static const struct insert_row rows[] = {
        { "taken into the queue", 200, "{\"status\":\"success\",\"message\":\"Text successfully received.\",\"track_id\":\"" TRACK "\"}", SINK_WELL, SINK_INSERT_ACCEPTED, -1, NULL },
        { "keys to come are no reason", 200, "{\"new\":[{}],\"status\":\"success\",\"track_id\":\"t\"}", SINK_WELL, SINK_INSERT_ACCEPTED, -1, NULL },
        { "201 is as good", 201, "{\"status\":\"success\",\"track_id\":\"t\"}", SINK_WELL, SINK_INSERT_ACCEPTED, -1, NULL },
        { "no track: it cannot be followed", 200, "{\"status\":\"success\",\"message\":\"m\"}", SINK_SILENT, SINK_INSERT_NONE, -1, "no track id" },
        { "an empty track", 200, "{\"status\":\"success\",\"track_id\":\"\"}", SINK_SILENT, SINK_INSERT_NONE, -1, "no track id" },
        { "a track of another type", 200, "{\"status\":\"success\",\"track_id\":5}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "127 bytes of track fit", 200, "{\"status\":\"success\",\"track_id\":\"" HUNDRED TEN TEN "0123456\"}", SINK_WELL, SINK_INSERT_ACCEPTED, -1, NULL },
        { "128 do not", 200, "{\"status\":\"success\",\"track_id\":\"" HUNDRED TEN TEN "01234567\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a track that an address would swallow", 200, "{\"status\":\"success\",\"track_id\":\"..\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a track with a line in it", 200, "{\"status\":\"success\",\"track_id\":\"a\\nb\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a track with NUL in it", 200, "{\"status\":\"success\",\"track_id\":\"a\\u0000b\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a part of them", 200, "{\"status\":\"partial_success\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, "partial_success" },
        { "the word of a failure", 200, "{\"status\":\"failure\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, "failure" },
        { "a word that only begins well", 200, "{\"status\":\"success\\u0000ful\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "another case is another word", 200, "{\"status\":\"Success\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "no word", 200, "{\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a word of another type", 200, "{\"status\":true,\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "the first of two keys counts", 200, "{\"status\":\"duplicated\",\"status\":\"success\",\"track_id\":\"t\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, NULL },
        { "busy with 200", 200, "{\"status\":\"busy\",\"message\":\"Pipeline is busy.\"}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "a login page", 200, "<html><body>Log in</body></html>", SINK_SILENT, SINK_INSERT_NONE, -1, "in between" },
        { "nothing", 200, "", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "204", 204, "", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "cut JSON", 200, "{\"status\":\"success\",\"track_id\":\"t\"", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "two answers", 200, "{\"status\":\"success\",\"track_id\":\"t\"}{}", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a list", 200, "[{\"status\":\"success\",\"track_id\":\"t\"}]", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "a string", 200, "\"success\"", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
        { "null", 200, "null", SINK_SILENT, SINK_INSERT_NONE, -1, NULL },
    };
    (void)state;

    check_inserts(rows, ARRAY_LENGTH(rows));
}

static void test_what_is_there_already(void **state)
{
    static const struct insert_row rows[] = {
        { "1.5 has that name", 409, "{\"detail\":\"Document storage already contains 'memory~c~2' (Status: processed). Delete the existing record before re-inserting.\"}", SINK_WELL, SINK_INSERT_EXISTS, 1, "already contains" },
        { "a name that was not sent", 409, "{\"detail\":\"Document storage already contains 'memory~c~9' (Status: failed).\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, NULL },
        { "a longer name is another name", 409, "{\"detail\":\"Document storage already contains 'memory~c~12' (Status: failed).\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, NULL },
        { "a name without an end", 409, "{\"detail\":\"Document storage already contains 'memory~c~1\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, NULL },
        { "the same code, but clearing", 409, "{\"detail\":\"Pipeline is clearing or deleting documents. Wait for the running job to finish before submitting new work.\"}", SINK_BUSY, SINK_INSERT_NONE, -1, "clearing" },
        { "scanning", 409, "{\"detail\":\"Document scan is classifying files. Wait.\"}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "a retry that drains", 409, "{\"detail\":\"A retry of failed documents is draining the pipeline.\"}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "the words somewhere inside", 409, "{\"detail\":\"no: Document storage already contains 'memory~c~1'\"}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "a detail that is a list", 409, "{\"detail\":[\"Document storage already contains 'memory~c~1'\"]}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "a proxy's 409", 409, "<html>Conflict</html>", SINK_BUSY, SINK_INSERT_NONE, -1, "HTTP 409" },
        { "1.4 has that name", 200, "{\"status\":\"duplicated\",\"message\":\"File source 'memory~c~3' already exists in document storage (Status: DocStatus.FAILED).\",\"track_id\":\"" TRACK "\"}", SINK_WELL, SINK_INSERT_EXISTS, 2, "File source" },
        { "1.4 has the content", 200, "{\"status\":\"duplicated\",\"message\":\"Identical content already exists in document storage (doc_id: doc-ef48, Status: x)\",\"track_id\":\"t\"}", SINK_WELL, SINK_INSERT_CONTENT, -1, NULL },
        { "1.4 in words to come: an apostrophe is no name", 200, "{\"status\":\"duplicated\",\"message\":\"It's 'memory~c~1' again\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, NULL },
        { "1.4 without a word", 200, "{\"status\":\"duplicated\"}", SINK_WELL, SINK_INSERT_EXISTS, -1, "duplicated" },
    };
    char body[1200];
    struct sink_verdict verdict;
    struct http_answer answer;
    (void)state;

    check_inserts(rows, ARRAY_LENGTH(rows));
    answer = answer_text(409, rows[1].body);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_string_equal(verdict.culprit_name, "memory~c~9");
    answer = answer_text(409, rows[0].body);
    sink_judge_insert(&answer, NULL, 0, &verdict);
    assert_int_equal(verdict.culprit_index, -1);
    (void)snprintf(body, sizeof body, "{\"detail\":\"Document storage already contains '%0600d'\"}", 1);
    answer = answer_text(409, body);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_int_equal(verdict.insert, SINK_INSERT_EXISTS);
    assert_string_equal(verdict.culprit_name, ""); /* a piece of a name would be another name */
}

/* L8: who is at fault is in "loc"; "input" repeats the text and is never told. */
static void test_refusals(void **state)
{
    static const struct insert_row rows[] = {
        { "a text", 422, "{\"detail\":[{\"type\":\"value_error\",\"loc\":[\"body\",\"texts\",1],\"msg\":\"text cannot be empty\",\"input\":\"PRIVATE\"}]}", SINK_WELL, SINK_INSERT_REFUSED, 1, "HTTP 422: text cannot be empty" },
        { "a name", 422, "{\"detail\":[{\"loc\":[\"body\",\"file_sources\",2],\"msg\":\"no\",\"input\":\"PRIVATE\"}]}", SINK_WELL, SINK_INSERT_REFUSED, 2, NULL },
        { "the first that is told", 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"a\"},{\"loc\":[\"body\",\"texts\",2]},{\"loc\":[\"body\",\"texts\",0]}]}", SINK_WELL, SINK_INSERT_REFUSED, 2, "a" },
        { "all of them", 422, "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"texts\"],\"msg\":\"Field required\",\"input\":{\"texts\":\"PRIVATE\"}}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, "Field required" },
        { "past the end of the batch", 422, "{\"detail\":[{\"loc\":[\"body\",\"texts\",3]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a negative place", 422, "{\"detail\":[{\"loc\":[\"body\",\"texts\",-1]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a place beyond numbers", 422, "{\"detail\":[{\"loc\":[\"body\",\"texts\",1e999]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a place as large as it gets", 422, "{\"detail\":[{\"loc\":[\"body\",\"texts\",18446744073709551615]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a place that is a word", 422, "{\"detail\":[{\"loc\":[\"body\",\"texts\",\"1\"]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a place in something else", 422, "{\"detail\":[{\"loc\":[\"body\",\"chunks\",1]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a place in the query", 422, "{\"detail\":[{\"loc\":[\"query\",\"texts\",1]}]}", SINK_WELL, SINK_INSERT_REFUSED, -1, NULL },
        { "a detail of no shape", 422, "{\"detail\":[5,null,[\"body\",\"texts\",1]]}", SINK_WELL, SINK_INSERT_REFUSED, -1, "HTTP 422" },
        { "an object", 422, "{\"detail\":{\"message\":\"not so\",\"input\":\"PRIVATE\"}}", SINK_WELL, SINK_INSERT_REFUSED, -1, "HTTP 422: not so" },
        { "a string", 400, "{\"detail\":\"file_sources must be unique by filename\"}", SINK_WELL, SINK_INSERT_REFUSED, -1, "unique by filename" },
        { "no detail", 400, "{\"input\":\"PRIVATE\"}", SINK_WELL, SINK_INSERT_REFUSED, -1, "HTTP 400" },
        { "what pydantic quotes", 400, "{\"detail\":\"1 validation error for Doc\\ntext\\n  Input should be valid [type=x, input_value='PRIVATE', input_type=str]\"}", SINK_WELL, SINK_INSERT_REFUSED, -1, "Input should be valid" },
        { "too large", 413, "{\"detail\":\"Request body too large. This endpoint accepts at most 52428800 bytes.\"}", SINK_WELL, SINK_INSERT_TOO_LARGE, -1, "52428800" },
        { "too large, says a proxy", 413, "<html>413 PRIVATE</html>", SINK_WELL, SINK_INSERT_TOO_LARGE, -1, "HTTP 413" },
    };
    (void)state;

    check_inserts(rows, ARRAY_LENGTH(rows));
}

/* L7, L9: what no document is to blame for. */
static void test_the_server_s_own_trouble(void **state)
{
    static const struct insert_row rows[] = {
        { "no key", 403, "{\"detail\":\"API Key required\"}", SINK_DENIED, SINK_INSERT_NONE, -1, "check lightrag.api.api_key" },
        { "no account", 401, "{\"detail\":\"No credentials provided. Please login.\"}", SINK_DENIED, SINK_INSERT_NONE, -1, "No credentials" },
        { "full", 429, "{\"detail\":\"Pipeline is at capacity: 5 document(s) already active\"}", SINK_BUSY, SINK_INSERT_NONE, -1, "at capacity" },
        { "fenced", 503, "{\"detail\":\"A clear/delete operation is dropping storages\"}", SINK_BUSY, SINK_INSERT_NONE, -1, NULL },
        { "an unhandled error of 1.5", 500, "{\"detail\":\"Internal server error (error_id: 11fce9789062)\"}", SINK_FAILING, SINK_INSERT_NONE, -1, "11fce9789062" },
        { "an unhandled error of 1.4", 500, "Internal Server Error", SINK_FAILING, SINK_INSERT_NONE, -1, "HTTP 500" },
        { "500 that says success", 500, "{\"status\":\"success\",\"track_id\":\"t\"}", SINK_FAILING, SINK_INSERT_NONE, -1, NULL },
        { "a gateway", 502, "<html>Bad Gateway</html>", SINK_FAILING, SINK_INSERT_NONE, -1, NULL },
        { "a gateway's patience", 504, "", SINK_FAILING, SINK_INSERT_NONE, -1, NULL },
        { "a code that nobody knows", 599, "", SINK_FAILING, SINK_INSERT_NONE, -1, NULL },
        { "no such path", 404, "{\"detail\":\"Not Found\"}", SINK_STRANGE, SINK_INSERT_NONE, -1, "check lightrag.api.url" },
        { "no such method", 405, "{\"detail\":\"Method Not Allowed\"}", SINK_STRANGE, SINK_INSERT_NONE, -1, "Method Not Allowed" },
        { "a proxy was too slow for it", 408, "", SINK_SILENT, SINK_INSERT_NONE, -1, "HTTP 408" },
        { "a teapot", 418, "", SINK_STRANGE, SINK_INSERT_NONE, -1, NULL },
        { "not modified", 304, "", SINK_STRANGE, SINK_INSERT_NONE, -1, NULL },
    };
    struct http_answer answer = answer_text(302, "{\"status\":\"success\",\"track_id\":\"t\"}");
    struct sink_verdict verdict;
    (void)state;

    check_inserts(rows, ARRAY_LENGTH(rows));
    answer.location = "http://elsewhere.example/login\x1b[2J?token=PRIVATE";
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_int_equal(verdict.scope, SINK_STRANGE);
    assert_int_equal(verdict.insert, SINK_INSERT_NONE);
    assert_non_null(strstr(verdict.words, "redirects to http://elsewhere.example/login\\x1b[2J, which is not followed"));
}

/* L6: no whole answer. The status alone may tell; a 200 or 409 that was cut tells nothing. */
static void test_answers_that_broke_off(void **state)
{
    static const struct { const char *why; enum http_end end; int status; const char *body; enum sink_scope scope; enum sink_insert insert; } rows[] = {
        { "no connection", HTTP_NOT_SENT, 0, "", SINK_NOT_SENT, SINK_INSERT_NONE },
        { "sent, and then silence", HTTP_NO_ANSWER, 0, "", SINK_SILENT, SINK_INSERT_NONE },
        { "a receipt that broke off", HTTP_TRUNCATED, 200, "{\"status\":\"success\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE },
        { "a receipt without end", HTTP_TOO_LARGE, 200, "{\"status\":\"success\",\"track_id\":\"t\"}", SINK_SILENT, SINK_INSERT_NONE },
        { "a conflict that broke off", HTTP_TRUNCATED, 409, "{\"detail\":\"Docu", SINK_SILENT, SINK_INSERT_NONE },
        { "a refusal that quotes megabytes", HTTP_TOO_LARGE, 422, "{\"detail\":[{\"loc\":[\"body\",\"te", SINK_WELL, SINK_INSERT_REFUSED },
        { "413, and the connection is closed on what is still being sent", HTTP_TRUNCATED, 413, "", SINK_WELL, SINK_INSERT_TOO_LARGE },
        { "a refused key", HTTP_TRUNCATED, 401, "", SINK_DENIED, SINK_INSERT_NONE },
        { "busy", HTTP_TRUNCATED, 503, "", SINK_BUSY, SINK_INSERT_NONE },
        { "500", HTTP_TRUNCATED, 500, "Intern", SINK_FAILING, SINK_INSERT_NONE },
    };
    struct http_answer untrusted = answer_cut(HTTP_NOT_SENT, 0, "");
    struct sink_verdict verdict;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_cut(rows[i].end, rows[i].status, rows[i].body);
        sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
        if (verdict.scope != rows[i].scope || verdict.insert != rows[i].insert || verdict.culprit_index != -1 || verdict.words[0] == '\0')
            fail_msg("%s: scope %d insert %d words \"%s\"", rows[i].why, verdict.scope, verdict.insert, verdict.words);
    }
    untrusted.is_tls_failure = true;
    sink_judge(&untrusted, &verdict);
    assert_int_equal(verdict.scope, SINK_NOT_SENT);
    assert_non_null(strstr(verdict.words, "http.ca_file"));
}

static void test_retry_after_and_date(void **state)
{
    static const struct { const char *why; int64_t told, want; } rows[] = {
        { "not told", -1, -1 }, { "at once", 0, 0 }, { "30 s", 30000, 30000 }, { "an hour", 3600000, 3600000 },
        { "more than an hour", 3600001, 3600000 }, { "absurd", INT64_MAX, 3600000 }, { "negative", INT64_MIN, -1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(429, "{\"detail\":\"Pipeline is at capacity\"}");
        struct sink_verdict verdict;
        answer.retry_after_ms = rows[i].told;
        answer.date_ms = 1795350541000;
        sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
        if (verdict.retry_after_ms != rows[i].want)
            fail_msg("%s: %lld", rows[i].why, (long long)verdict.retry_after_ms);
        assert_int_equal(verdict.date_ms, 1795350541000);
    }
}

/* A10: words from outside are printed and logged: no control character, no half character, no end of the room. */
static void test_words_are_harmless(void **state)
{
    static const struct { const char *why, *detail, *want; } rows[] = {
        { "lines become blanks", "a\\nb\\r\\nc\\td", "HTTP 500: a b  c d" },
        { "escapes of a terminal", "\\u001b[31mred", "HTTP 500: \\x1b[31mred" },
        { "C1, DEL, NUL", "\\u009b1m\\u007f\\u0000.", "HTTP 500: \\xc2\\x9b1m\\x7f\\x00." },
        { "what turns the line round", "\\u202eabc", "HTTP 500: \\xe2\\x80\\xaeabc" },
        { "a lone surrogate", "a\\ud800b", "HTTP 500: a\xEF\xBF\xBD""b" },
        { "bytes that are no UTF-8", "a\xFF\xC3(b", "HTTP 500: a\xEF\xBF\xBD\xEF\xBF\xBD(b" },
        { "letters stay", "Gr\xC3\xBC\xC3\x9F""e \xE2\x9C\x93", "HTTP 500: Gr\xC3\xBC\xC3\x9F""e \xE2\x9C\x93" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char body[300];
        struct sink_verdict verdict;
        struct http_answer answer;
        (void)snprintf(body, sizeof body, "{\"detail\":\"%s\"}", rows[i].detail);
        answer = answer_text(500, body);
        sink_judge(&answer, &verdict);
        if (strcmp(verdict.words, rows[i].want) != 0)
            fail_msg("%s: \"%s\"", rows[i].why, verdict.words);
    }
}

static void test_words_are_cut_between_characters(void **state)
{
    static const char *const characters[] = { "\xC3\xBC", "\xE2\x9C\x93", "\xF0\x9F\x9A\xA4" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(characters); i++) {
        for (size_t shift = 0; shift < 5; shift++) {
            AUTO_DONE(text) struct text body = { 0 };
            struct sink_verdict verdict;
            struct http_answer answer;
            text_init(&body, 0);
            (void)text_append_format(&body, "{\"detail\":\"%.*s", (int)shift, "xxxxx");
            for (size_t k = 0; k < 300; k++)
                (void)text_append(&body, characters[i]);
            (void)text_append(&body, "\"}");
            answer = answer_text(500, body.data);
            sink_judge(&answer, &verdict);
            assert_true(strlen(verdict.words) > 180);
            for (size_t at = 10 + shift; verdict.words[at] != '\0'; at += strlen(characters[i]))
                if (strncmp(verdict.words + at, characters[i], strlen(characters[i])) != 0)
                    fail_msg("cut inside a character of %zu bytes after %zu", strlen(characters[i]), at);
        }
    }
}

/* A13: what only wants to hurt. */
static void test_hostile_answers(void **state)
{
    enum { DEEP = 1000000 };
    AUTO_DONE(text) struct text body = { 0 };
    struct sink_verdict verdict;
    struct http_answer answer;
    (void)state;

    text_init(&body, 0);
    (void)text_append(&body, "{\"status\":\"success\",\"track_id\":\"t\",\"x\":");
    for (size_t i = 0; i < DEEP; i++)
        (void)text_append(&body, i % 2 == 0 ? "[" : "{\"a\":");
    answer = answer_bytes(200, body.data, body.size);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_int_equal(verdict.scope, SINK_SILENT);

    text_clear(&body);
    (void)text_append(&body, "{\"x\":");
    for (size_t i = 0; i < 100; i++)
        (void)text_append(&body, "[");
    for (size_t i = 0; i < 100; i++)
        (void)text_append(&body, "]");
    (void)text_append(&body, ",\"status\":\"success\",\"track_id\":\"t\"}");
    answer = answer_bytes(200, body.data, body.size);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_int_equal(verdict.scope, SINK_SILENT); /* whole JSON, but deeper than anything LightRAG says */

    text_clear(&body);
    (void)text_append(&body, "{\"status\":\"success\",\"track_id\":\"t\",\"n\":[1e999,-1e999,123456789012345678901234567890],\"s\":\"[[[[");
    for (size_t i = 0; i < 200; i++)
        (void)text_append(&body, "{[\\\"");
    (void)text_append(&body, "\"}");
    answer = answer_bytes(200, body.data, body.size);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    assert_int_equal(verdict.insert, SINK_INSERT_ACCEPTED); /* brackets in a string nest nothing, and numbers may be any */
}

/* What carries no document has none to blame. */
static void test_other_answers(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope want; } rows[] = {
        { "well", 200, "{\"status\":\"reprocessing_started\",\"track_id\":\"\"}", SINK_WELL },
        { "any object will do", 200, "{}", SINK_WELL },
        { "a page", 200, "<html>", SINK_SILENT },
        { "busy", 409, "{\"detail\":\"Document storage already contains 'memory~c~1'\"}", SINK_BUSY },
        { "not understood", 422, "{\"detail\":[{\"msg\":\"no\",\"input\":\"PRIVATE\"}]}", SINK_STRANGE },
        { "not understood either", 400, "{\"detail\":\"no\"}", SINK_STRANGE },
        { "too large, for nothing", 413, "", SINK_STRANGE },
        { "key", 401, "", SINK_DENIED },
        { "fenced", 503, "", SINK_BUSY },
        { "failing", 500, "", SINK_FAILING },
        { "elsewhere", 404, "", SINK_STRANGE },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct sink_verdict verdict;
        sink_judge(&answer, &verdict);
        if (verdict.scope != rows[i].want || verdict.insert != SINK_INSERT_NONE || strstr(verdict.words, "PRIVATE") != NULL)
            fail_msg("%s: scope %d insert %d %s", rows[i].why, verdict.scope, verdict.insert, verdict.words);
        if (verdict.scope == SINK_STRANGE && strstr(verdict.words, "check lightrag.api.url") == NULL)
            fail_msg("%s: no remedy in \"%s\"", rows[i].why, verdict.words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_receipt_is_accepted),
        cmocka_unit_test(test_what_is_there_already),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_the_server_s_own_trouble),
        cmocka_unit_test(test_answers_that_broke_off),
        cmocka_unit_test(test_retry_after_and_date),
        cmocka_unit_test(test_words_are_harmless),
        cmocka_unit_test(test_words_are_cut_between_characters),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_other_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
