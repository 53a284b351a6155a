#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sink/sink.h"

#include <string.h>

static const struct http_trust trust = { .ca_file = "" };
static const struct sink_settings with_key = { .url = "http://127.0.0.1:9621/rag", .api_key = "s3cret", .timeout_ms = 300000, .trust = &trust };
static const struct sink_settings keyless = { .url = "http://127.0.0.1:9621", .api_key = "", .timeout_ms = 5000 };

static bool has_header(const struct http_request *request, const char *header)
{
    for (size_t i = 0; request->headers[i] != NULL; i++)
        if (strcmp(request->headers[i], header) == 0)
            return true;
    return false;
}

static size_t count_headers(const struct http_request *request)
{
    size_t count = 0;

    while (request->headers[count] != NULL)
        count++;
    return count;
}

static void insert(enum sink_dialect dialect, const struct sink_settings *settings, struct sink_storage *storage, const struct sink_document *documents,
                   size_t count, struct http_request *request)
{
    sink_insert_begin(settings, storage);
    for (size_t i = 0; i < count; i++)
        sink_insert_add(dialect, storage, &documents[i]);
    sink_insert_end(settings, storage, request);
    assert_int_equal(request->body_size, strlen(request->body));
}

#define DOCUMENT(name, text) { name, text, sizeof(text) - 1 }

static void test_insert_bodies(void **state)
{
    static const struct { const char *why; enum sink_dialect dialect; size_t count; struct sink_document documents[3]; const char *body; } rows[] = {
        { "one", SINK_15, 1, { DOCUMENT("memory~c~1", "Alice") }, "{\"texts\":[\"Alice\"],\"file_sources\":[\"memory~c~1\"]}" },
        { "the order is kept", SINK_15, 3, { DOCUMENT("b", "2"), DOCUMENT("a", "1"), DOCUMENT("c", "3") }, "{\"texts\":[\"2\",\"1\",\"3\"],\"file_sources\":[\"b\",\"a\",\"c\"]}" },
        { "quotes, lines, letters", SINK_15, 1, { DOCUMENT("a", "\"\\\n\xC3\xBC\xF0\x9F\x9A\xA4") }, "{\"texts\":[\"\\\"\\\\\\n\xC3\xBC\xF0\x9F\x9A\xA4\"],\"file_sources\":[\"a\"]}" },
        { "the size counts, not the NUL", SINK_15, 1, { { "a", "Alice met", 5 } }, "{\"texts\":[\"Alice\"],\"file_sources\":[\"a\"]}" },
        { "1.5 takes a token as text", SINK_15, 1, { DOCUMENT("a", "<|endoftext|>") }, "{\"texts\":[\"<|endoftext|>\"],\"file_sources\":[\"a\"]}" },
        { "1.4 fails on it", SINK_14, 1, { DOCUMENT("a", "<|endoftext|>") }, "{\"texts\":[\"< |endoftext|>\"],\"file_sources\":[\"a\"]}" },
        { "1.4: every one, also at the ends", SINK_14, 1, { DOCUMENT("a", "<|a<<|b|<|") }, "{\"texts\":[\"< |a<< |b|< |\"],\"file_sources\":[\"a\"]}" },
        { "1.4: what is none stays", SINK_14, 2, { DOCUMENT("a", "a < b | c <"), DOCUMENT("b", "<") }, "{\"texts\":[\"a < b | c <\",\"<\"],\"file_sources\":[\"a\",\"b\"]}" },
        { "1.4: a bar behind the end is not ours", SINK_14, 2, { { "a", "<|", 1 }, DOCUMENT("b", "<|") }, "{\"texts\":[\"<\",\"< |\"],\"file_sources\":[\"a\",\"b\"]}" },
    };
    struct sink_storage storage = { 0 };
    struct http_request request;
    (void)state;

    sink_storage_init(&storage); /* one storage for all: nothing of an earlier body is left */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        insert(rows[i].dialect, &with_key, &storage, rows[i].documents, rows[i].count, &request);
        if (strcmp(request.body, rows[i].body) != 0)
            fail_msg("%s: %s", rows[i].why, request.body);
    }
    sink_storage_done(&storage);
}

static void test_insert_request(void **state)
{
    static const struct sink_document document = DOCUMENT("a", "x");
    struct sink_storage storage = { 0 };
    struct http_request request;
    (void)state;

    sink_storage_init(&storage);
    insert(SINK_15, &with_key, &storage, &document, 1, &request);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, "http://127.0.0.1:9621/rag/documents/texts");
    assert_true(request.unrepeatable); /* a repeat by the library would be a second insert */
    assert_int_equal(request.timeout_ms, 300000);
    assert_true(request.answer_maximum > 0);
    assert_ptr_equal(request.trust, &trust);
    assert_true(has_header(&request, "X-API-Key: s3cret"));
    assert_true(has_header(&request, "Accept: application/json"));
    assert_true(has_header(&request, "Content-Type: application/json"));
    insert(SINK_15, &keyless, &storage, &document, 1, &request);
    assert_int_equal(count_headers(&request), 2); /* no empty key */
    assert_int_equal(request.timeout_ms, 5000);
    sink_storage_done(&storage);
    sink_storage_done(&storage); /* twice is harmless */
}

static void test_questions(void **state)
{
    static const struct {
        const char *why;
        void (*ask)(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);
        const char *method, *url;
    } rows[] = {
        { "health", sink_request_health, "GET", "http://127.0.0.1:9621/rag/health" },
        { "counts", sink_request_counts, "GET", "http://127.0.0.1:9621/rag/documents/status_counts" },
        { "pipeline", sink_request_pipeline, "GET", "http://127.0.0.1:9621/rag/documents/pipeline_status" },
        { "reprocess", sink_request_reprocess, "POST", "http://127.0.0.1:9621/rag/documents/reprocess_failed" },
    };
    static const struct sink_document document = DOCUMENT("a", "x");
    struct sink_storage storage = { 0 };
    struct http_request request;
    (void)state;

    sink_storage_init(&storage);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        insert(SINK_15, &with_key, &storage, &document, 1, &request); /* its body must not go along */
        rows[i].ask(&with_key, &storage, &request);
        if (strcmp(request.method, rows[i].method) != 0 || strcmp(request.url, rows[i].url) != 0 || request.body != NULL || request.body_size != 0)
            fail_msg("%s: %s %s %s", rows[i].why, request.method, request.url, request.body != NULL ? request.body : "");
        assert_false(request.unrepeatable);
        assert_int_equal(request.timeout_ms, 60000); /* an insert may take long, a question may not */
        assert_true(has_header(&request, "X-API-Key: s3cret"));
        rows[i].ask(&keyless, &storage, &request);
        assert_int_equal(request.timeout_ms, 5000);
        assert_int_equal(count_headers(&request), 2);
    }
    sink_storage_done(&storage);
}

static void test_track_and_listing(void **state)
{
    struct sink_storage storage = { 0 };
    struct http_request request;
    (void)state;

    sink_storage_init(&storage);
    sink_request_track(&keyless, &storage, "insert_20261122_122630_070f9112", &request);
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.url, "http://127.0.0.1:9621/documents/track_status/insert_20261122_122630_070f9112");
    sink_request_track(&keyless, &storage, "a/../b?c#d e%", &request); /* from a server: one part of the path, whatever it is */
    assert_string_equal(request.url, "http://127.0.0.1:9621/documents/track_status/a%2F..%2Fb%3Fc%23d%20e%25");
    sink_request_listing(&keyless, &storage, 12345678901, 200, false, &request);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, "http://127.0.0.1:9621/documents/paginated");
    assert_string_equal(request.body, "{\"page\":12345678901,\"page_size\":200,\"sort_field\":\"created_at\",\"sort_direction\":\"desc\"}");
    assert_int_equal(request.body_size, strlen(request.body));
    assert_false(request.unrepeatable);
    sink_request_listing(&keyless, &storage, 2, 13, true, &request);
    assert_string_equal(request.body, "{\"page\":2,\"page_size\":13,\"sort_field\":\"created_at\",\"sort_direction\":\"asc\"}");
    sink_storage_done(&storage);
}

static void test_login(void **state)
{
    const struct sink_settings settings = { .url = "http://127.0.0.1:9621", .api_key = "", .username = "j&e", .password = "p=w d\xC3\xA9" };
    struct sink_storage storage;
    struct http_request request;
    (void)state;

    sink_storage_init(&storage);
    sink_request_login(&settings, &storage, &request);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, "http://127.0.0.1:9621/login");
    assert_string_equal(request.body, "username=j%26e&password=p%3Dw%20d%C3%A9");
    assert_true(request.unrepeatable);
    sink_storage_done(&storage);
}

static void test_delete(void **state)
{
    static const char *const ids[] = { "doc-1", "doc-\"2" };
    struct sink_storage storage = { 0 };
    struct http_request request;
    (void)state;

    sink_storage_init(&storage);
    sink_request_delete(&with_key, &storage, ids, 2, &request);
    assert_string_equal(request.method, "DELETE");
    assert_string_equal(request.url, "http://127.0.0.1:9621/rag/documents/delete_document");
    assert_string_equal(request.body, "{\"doc_ids\":[\"doc-1\",\"doc-\\\"2\"],\"delete_file\":false,\"delete_llm_cache\":false}");
    assert_int_equal(request.body_size, strlen(request.body));
    assert_true(request.unrepeatable);
    assert_true(has_header(&request, "X-API-Key: s3cret"));
    assert_true(has_header(&request, "Content-Type: application/json"));
    sink_storage_done(&storage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_insert_bodies),
        cmocka_unit_test(test_insert_request),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_track_and_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
