/* test_http_client.c - the client against a server that misbehaves byte for byte, over real sockets of 127.0.0.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"

#include "raw_server.h"

#include <sys/wait.h>

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
enum { TEST_WAIT_MS = 20000 };

/* ---- One request and what came of it ---- */

struct result {
    struct http *http;
    int done;
    struct http_answer answer;
    char words[400], body[400], content_type[200], location[1000];
    struct text streamed;
    int pieces;
    /* what on_data does */
    int refuse;                       /* so many times: not now */
    bool cancels_itself, starts_another;
    const struct http_request *another;
    struct result *cancels;           /* that request, from within on_data */
    http_id id, other_id;
};

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct result *result = owner;

    assert_int_equal(id, result->id);
    result->done++;
    result->answer = *answer;
    (void)snprintf(result->words, sizeof result->words, "%s", answer->words);
    (void)snprintf(result->body, sizeof result->body, "%s", answer->body);
    (void)snprintf(result->content_type, sizeof result->content_type, "%s", answer->content_type);
    (void)snprintf(result->location, sizeof result->location, "%s", answer->location);
    http_cancel(result->http, id); /* over: must do nothing */
}

static bool on_data(void *owner, http_id id, const char *bytes, size_t size)
{
    struct result *result = owner;
    struct error err = { 0 };

    assert_int_equal(id, result->id);
    assert_int_equal(result->done, 0);
    if (result->refuse > 0) {
        result->refuse--;
        return false;
    }
    result->pieces++;
    (void)text_append_bytes(&result->streamed, bytes, size);
    if (result->cancels != NULL)
        http_cancel(result->http, result->cancels->id);
    if (result->starts_another) {
        result->starts_another = false;
        assert_int_equal(http_start(result->http, result->another, &((struct result *)result->another->owner)->id, &err), 0);
    }
    if (result->cancels_itself)
        http_cancel(result->http, id);
    return true;
}

static void result_init(struct result *result, struct http *http)
{
    *result = (struct result){ .http = http };
    text_init(&result->streamed, 0);
}

static void result_done(struct result *result)
{
    text_done(&result->streamed);
}
AUTO_DEFINE_DONE(result)

static void poll_until(struct http *http, const int *done, int64_t wait_ms)
{
    int64_t until = clock_monotonic_ms() + wait_ms;
    struct error err = { 0 };

    while (!*done && clock_monotonic_ms() < until)
        assert_int_equal(http_poll(http, clock_monotonic_ms() + 50, &err), 0);
}

static void start(struct http *http, struct http_request *request, struct result *result)
{
    struct error err = { 0 };

    request->owner = result;
    request->on_done = on_done;
    if (request->method == NULL)
        request->method = "GET";
    if (request->answer_maximum == 0)
        request->answer_maximum = 1 << 20;
    assert_int_equal(http_start(http, request, &result->id, &err), 0);
}

static void run(struct http *http, struct http_request *request, struct result *result)
{
    start(http, request, result);
    poll_until(http, &result->done, TEST_WAIT_MS);
    assert_int_equal(result->done, 1);
}

static char *url_of(unsigned port, const char *path)
{
    return mem_format("http://127.0.0.1:%u%s", port, path);
}

/* ---- Ends ---- */

static void test_how_answers_end(void **state)
{
    static const struct {
        const char *why;
        struct raw_exchange exchange;
        enum http_end end;
        int status;
        bool is_timeout;
        const char *words;
    } rows[] = {
        { "a whole answer", { .answer = OK_HELLO }, HTTP_ANSWERED, 200, false, "" },
        { "any status is an answer", { .answer = "HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n" }, HTTP_ANSWERED, 503, false, "" },
        { "no length: the end of the connection ends it", { .answer = "HTTP/1.1 200 OK\r\n\r\nhello", .after = RAW_CLOSE }, HTTP_ANSWERED, 200, false, "" },
        { "an interim answer first", { .answer = "HTTP/1.1 103 Early\r\nRetry-After: 5\r\n\r\n" OK_HELLO }, HTTP_ANSWERED, 200, false, "" },
        { "closed without a word: it may have arrived", { .after = RAW_CLOSE }, HTTP_NO_ANSWER, 0, false, "closed the connection without an answer" },
        { "reset without a word", { .after = RAW_RESET }, HTTP_NO_ANSWER, 0, false, "lost before an answer" },
        { "closed inside the head: that is no answer yet", { .answer = "HTTP/1.1 200 OK\r\nContent-Le", .after = RAW_CLOSE }, HTTP_NO_ANSWER, 0, false, "" },
        { "only an interim answer, then closed", { .answer = "HTTP/1.1 100 Continue\r\n\r\n", .after = RAW_CLOSE }, HTTP_NO_ANSWER, 0, false, "" },
        { "silence after an interim answer", { .answer = "HTTP/1.1 100 Continue\r\n\r\n", .after = RAW_HANG }, HTTP_NO_ANSWER, 0, true, "" },
        { "not HTTP at all", { .answer = "SSH-2.0-OpenSSH_9.2\r\n", .after = RAW_CLOSE }, HTTP_NO_ANSWER, 0, false, "not HTTP" },
        { "silence", { .after = RAW_HANG }, HTTP_NO_ANSWER, 0, true, "nothing for 1 s" },
        { "closed in the body", { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", .after = RAW_CLOSE }, HTTP_TRUNCATED, 200, false, "5 of 9 bytes" },
        { "reset in the body", { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", .after = RAW_RESET }, HTTP_TRUNCATED, 200, false, "5 of 9 bytes" },
        { "no last chunk", { .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", .after = RAW_CLOSE }, HTTP_TRUNCATED, 200, false, "after 5 bytes" },
        { "silence in the body", { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", .after = RAW_HANG }, HTTP_TRUNCATED, 200, true, "nothing more came" },
        { "damaged gzip", { .answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello" }, HTTP_TRUNCATED, 200, false, "compression" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(http_client) struct http_client *client = NULL;
        AUTO_DONE(result) struct result result = { 0 };
        struct error err = { 0 };
        struct raw_server *server = raw_server_start(&rows[i].exchange, 1);
        AUTO_STRING char *url = url_of(server->port, "/");
        struct http_request request = { .url = url, .stall_timeout_ms = 1000 };

        assert_int_equal(http_client_new(&client, &err), 0);
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        if (result.answer.end != rows[i].end || result.answer.status != rows[i].status || result.answer.is_timeout != rows[i].is_timeout ||
            strstr(result.words, rows[i].words) == NULL || (rows[i].end == HTTP_ANSWERED) != (result.words[0] == '\0') || result.answer.is_tls_failure)
            fail_msg("%s: end %d status %d timeout %d \"%s\"", rows[i].why, (int)result.answer.end, result.answer.status, result.answer.is_timeout, result.words);
        if (strstr(rows[i].exchange.answer != NULL ? rows[i].exchange.answer : "", "\n\r\nhello") != NULL && rows[i].words[0] != 'c')
            assert_string_equal(result.body, "hello");
        raw_server_end(server);
    }
}

static unsigned closed_port(void)
{
    struct raw_server *server = raw_server_start(&(struct raw_exchange){ 0 }, 1);
    unsigned port = server->port;

    raw_server_end(server);
    return port;
}

static void test_what_cannot_have_been_sent(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    struct raw_server *plain = raw_server_start(&(struct raw_exchange){ .answer = "HTTP/1.1 400 Bad\r\n\r\n", .without_reading = true, .after = RAW_CLOSE }, 1);
    AUTO_STRING char *refused = url_of(closed_port(), "/");
    AUTO_STRING char *no_tls = mem_format("https://127.0.0.1:%u/", plain->port);
    const struct { const char *why, *url; bool is_tls; const char *words; enum http_stage stage; } rows[] = {
        { "nobody listens", refused, false, "connection refused by 127.0.0.1:", HTTP_STAGE_CONNECTION },
        { "no such name", "http://no-such-name.invalid/", false, "name not found: no-such-name.invalid", HTTP_STAGE_NAME },
        { "https to a server without TLS", no_tls, true, "", HTTP_STAGE_TLS },
        { "a protocol that is not ours", "file:///etc/passwd", false, "", HTTP_STAGE_NAME },
    };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(result) struct result result = { 0 };
        struct http_request request = { .url = rows[i].url, .timeout_ms = 15000 };
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        if (result.answer.end != HTTP_NOT_SENT || result.answer.is_tls_failure != rows[i].is_tls || strstr(result.words, rows[i].words) == NULL ||
            result.words[0] == '\0' || result.answer.is_timeout || result.answer.status != 0)
            fail_msg("%s: end %d tls %d \"%s\"", rows[i].why, (int)result.answer.end, result.answer.is_tls_failure, result.words);
        if (result.answer.stage != rows[i].stage)
            fail_msg("%s: stage %d", rows[i].why, (int)result.answer.stage);
    }
    raw_server_end(plain);
}

/* curl repeats a request when a reused connection turns out to be dead; then "cannot connect" does not mean "not sent". */
static void test_a_dead_reused_connection(void **state)
{
    static const struct { const char *why; bool unrepeatable; enum http_end end; int connections; } rows[] = {
        { "may be repeated: the second connection answers", false, HTTP_ANSWERED, 2 },
        { "must arrive at most once: a connection of its own", true, HTTP_NO_ANSWER, 2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(http_client) struct http_client *client = NULL;
        AUTO_DONE(result) struct result first = { 0 };
        AUTO_DONE(result) struct result second = { 0 };
        struct error err = { 0 };
        /* The second request is read, and the connection reset without a word. */
        const struct raw_exchange exchanges[] = { { .answer = OK_HELLO }, { .after = RAW_RESET }, { .answer = OK_HELLO } };
        struct raw_server *server = raw_server_start(exchanges, 3);
        AUTO_STRING char *url = url_of(server->port, "/");
        struct http_request request = { .method = "POST", .url = url, .body = "{}", .body_size = 2, .timeout_ms = 5000 };

        assert_int_equal(http_client_new(&client, &err), 0);
        result_init(&first, http_client_http(client));
        result_init(&second, http_client_http(client));
        run(first.http, &request, &first);
        assert_int_equal(first.answer.end, HTTP_ANSWERED);
        request.unrepeatable = rows[i].unrepeatable;
        run(second.http, &request, &second);
        if (second.answer.end != rows[i].end || atomic_load(&server->connections) != rows[i].connections)
            fail_msg("%s: end %d (%s), %d connections", rows[i].why, (int)second.answer.end, second.words, atomic_load(&server->connections));
        raw_server_end(server);
    }
}

/* ---- Heads ---- */

static void test_heads(void **state)
{
    static const struct { const char *why, *head; int64_t retry_after_ms; const char *location; } rows[] = {
        { "seconds", "Retry-After: 120\r\n", 120000, "" },
        { "none", "", -1, "" },
        { "a date, before the server's own date", "Retry-After: Thu, 18 Dec 2025 14:30:10 GMT\r\nDate: Thu, 18 Dec 2025 14:30:00 GMT\r\n", 10000, "" },
        { "a date that has passed", "Date: Thu, 18 Dec 2025 14:30:00 GMT\r\nRetry-After: Thu, 18 Dec 2025 14:00:00 GMT\r\n", 0, "" },
        { "negative", "Retry-After: -5\r\n", 0, "" },
        { "absurd: the caller caps", "retry-after: 99999999999999999999999\r\n", INT64_MAX / 2, "" },
        { "nonsense", "Retry-After: soon\r\n", -1, "" },
        { "a redirect is told, not followed", "Location: http://169.254.169.254/latest\r\n", -1, "http://169.254.169.254/latest" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(http_client) struct http_client *client = NULL;
        AUTO_DONE(result) struct result result = { 0 };
        AUTO_STRING char *answer = mem_format("HTTP/1.1 302 Found\r\nContent-Type: text/html; charset=utf-8\r\n%sContent-Length: 0\r\n\r\n", rows[i].head);
        struct raw_server *server = raw_server_start(&(struct raw_exchange){ .answer = answer }, 1);
        AUTO_STRING char *url = url_of(server->port, "/");
        struct http_request request = { .url = url, .timeout_ms = 5000 };
        struct error err = { 0 };

        assert_int_equal(http_client_new(&client, &err), 0);
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        if (result.answer.status != 302 || result.answer.retry_after_ms != rows[i].retry_after_ms || strcmp(result.location, rows[i].location) != 0)
            fail_msg("%s: status %d, retry after %lld, location %s", rows[i].why, result.answer.status, (long long)result.answer.retry_after_ms, result.location);
        assert_string_equal(result.content_type, "text/html; charset=utf-8");
        assert_int_equal(atomic_load(&server->connections), 1);
        raw_server_end(server);
    }
}

static void test_a_head_without_end(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_DONE(result) struct result result = { 0 };
    AUTO_DONE(text) struct text answer = { 0 };
    struct raw_server *server;
    AUTO_STRING char *url = NULL;
    struct http_request request = { .timeout_ms = 10000 };
    struct error err = { 0 };

    (void)state;
    text_init(&answer, 0);
    (void)text_append(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 40000; i++)
        (void)text_append_format(&answer, "X-%d: y\r\n", i);
    (void)text_append(&answer, "Content-Length: 0\r\n\r\n");
    server = raw_server_start(&(struct raw_exchange){ .answer = answer.data, .size = answer.size, .after = RAW_CLOSE }, 1);
    request.url = url = url_of(server->port, "/");
    assert_int_equal(http_client_new(&client, &err), 0);
    result_init(&result, http_client_http(client));
    run(result.http, &request, &result);
    assert_int_equal(result.answer.end, HTTP_NO_ANSWER);
    assert_non_null(strstr(result.words, "head of the answer is larger"));
    raw_server_end(server);
}

static void test_what_is_sent(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    static const struct { const char *method, *body, *line; } rows[] = {
        { "GET", NULL, "GET /a/../b?x=%2F HTTP/1.1\r\n" },
        { "POST", "{\"a\":1}", "POST /a/../b?x=%2F HTTP/1.1\r\n" },
        { "POST", NULL, "POST /a/../b?x=%2F HTTP/1.1\r\n" },
        { "DELETE", "{}", "DELETE /a/../b?x=%2F HTTP/1.1\r\n" },
        { "GET", NULL, "GET /a/../b?x=%2F HTTP/1.1\r\n" }, /* the handle forgets the method before */
    };
    struct raw_exchange exchanges[ARRAY_LENGTH(rows)];
    static const char *const headers[] = { "X-API-KEY: secret", "Content-Type: application/json", NULL };
    struct raw_server *server;
    AUTO_STRING char *url = NULL;
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        exchanges[i] = (struct raw_exchange){ .answer = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n" };
    server = raw_server_start(exchanges, ARRAY_LENGTH(rows));
    url = url_of(server->port, "/a/../b?x=%2F");
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0); /* the environment's proxy is not ours */
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(result) struct result result = { 0 };
        struct http_request request = { .method = rows[i].method, .url = url, .headers = headers, .body = rows[i].body,
                                        .body_size = rows[i].body != NULL ? strlen(rows[i].body) : 0, .timeout_ms = 5000 };
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        assert_int_equal(result.answer.status, 200);
        if (strncmp(raw_server_seen(server, i), rows[i].line, strlen(rows[i].line)) != 0)
            fail_msg("%s sent %.60s", rows[i].method, raw_server_seen(server, i));
        assert_null(strstr(raw_server_seen(server, i), "Cookie:")); /* though the server set one */
    }
    assert_int_equal(atomic_load(&server->connections), 1);
    raw_server_end(server);
    assert_int_equal(unsetenv("http_proxy"), 0);
}

static void test_requests_byte_for_byte(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_DONE(result) struct result result = { 0 };
    const struct raw_exchange exchange = { .answer = OK_HELLO };
    static const char *const headers[] = { "X-API-KEY: secret", NULL };
    static const char *const bad_headers[] = { "X-API-KEY: sec\r\nret: x", NULL };
    struct raw_server *server = raw_server_start(&exchange, 1);
    AUTO_STRING char *url = url_of(server->port, "/memory/a%20b");
    AUTO_STRING char *body = mem_alloc(2 << 20);
    struct http_request request = { .method = "POST", .url = url, .headers = headers, .body = body, .body_size = 2 << 20, .timeout_ms = 10000 };
    struct error err = { 0 };
    http_id id = 0;

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    result_init(&result, http_client_http(client));
    memset(body, 'x', 2 << 20);
    run(result.http, &request, &result);
    assert_string_equal(result.body, "hello");
    assert_ptr_equal(strstr(raw_server_seen(server, 0), "POST /memory/a%20b HTTP/1.1\r\n"), raw_server_seen(server, 0));
    assert_non_null(strstr(raw_server_seen(server, 0), "X-API-KEY: secret\r\n"));
    assert_null(strstr(raw_server_seen(server, 0), "Expect:"));
    assert_null(strstr(raw_server_seen(server, 0), "Cookie:"));
    assert_true(atomic_load(&server->seen_bytes) > 2 << 20);
    request.headers = bad_headers;
    assert_int_equal(http_start(result.http, &request, &id, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_int_equal(id, 0);
    raw_server_end(server);
}

/* ---- Streams ---- */

static char *make_stream(size_t size, size_t *ret_size)
{
    AUTO_DONE(text) struct text answer = { 0 };

    text_init(&answer, 0);
    (void)text_append_format(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    for (size_t i = 0; i < size; i += 8)
        (void)text_append_format(&answer, "%07zu ", i / 8 % 10000000);
    *ret_size = answer.size;
    return text_take(&answer);
}

static void test_pausing_loses_and_repeats_nothing(void **state)
{
    enum { SIZE = 4 << 20 };
    static const struct { const char *why; int refuse; enum raw_after after; } rows[] = {
        { "never paused", 0, RAW_KEEP },
        { "paused many times", 30, RAW_KEEP },
        { "paused while the server closes: what has come is still delivered", 3, RAW_CLOSE },
    };
    size_t size = 0;
    AUTO_STRING char *answer = make_stream(SIZE, &size);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(http_client) struct http_client *client = NULL;
        AUTO_DONE(result) struct result result = { 0 };
        struct raw_server *server = raw_server_start(&(struct raw_exchange){ .answer = answer, .size = size, .after = rows[i].after }, 1);
        AUTO_STRING char *url = url_of(server->port, "/");
        struct http_request request = { .url = url, .stall_timeout_ms = 500, .answer_maximum = 2 * SIZE, .on_data = on_data };
        struct error err = { 0 };

        assert_int_equal(http_client_new(&client, &err), 0);
        result_init(&result, http_client_http(client));
        result.refuse = rows[i].refuse;
        start(result.http, &request, &result);
        for (int tries = 0; tries < 2000 && !result.done; tries++) {
            int before = result.refuse;
            assert_int_equal(http_poll(result.http, clock_monotonic_ms() + 20, &err), 0);
            if (before != result.refuse && result.refuse % 10 == 0)
                poll_until(result.http, &result.done, 700); /* longer than the stall: a pause is not a stall */
            if (before != result.refuse) {
                assert_int_equal(result.done, 0);
                http_pause(result.http, result.id, false);
            }
        }
        if (result.done != 1 || result.answer.end != HTTP_ANSWERED || result.streamed.size != SIZE || result.answer.received_bytes != SIZE)
            fail_msg("%s: done %d, end %d (%s), %zu bytes", rows[i].why, result.done, (int)result.answer.end, result.words, result.streamed.size);
        assert_memory_equal(result.streamed.data, answer + size - SIZE, SIZE);
        assert_true(result.pieces > SIZE / (64 << 10) - 1); /* small pieces: a pause is decided often */
        raw_server_end(server);
    }
}

static void test_a_held_request_hands_out_nothing(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_DONE(result) struct result result = { 0 };
    struct raw_server *server = raw_server_start(&(struct raw_exchange){ .answer = OK_HELLO }, 1);
    AUTO_STRING char *url = url_of(server->port, "/");
    struct http_request request = { .url = url, .on_data = on_data };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    result_init(&result, http_client_http(client));
    start(result.http, &request, &result);
    http_pause(result.http, result.id, true);
    poll_until(result.http, &result.done, 300);
    assert_int_equal(result.done + result.pieces, 0);
    http_pause(result.http, result.id, false);
    poll_until(result.http, &result.done, TEST_WAIT_MS);
    assert_string_equal(result.streamed.data, "hello");
    raw_server_end(server);
}

/* A bomb: zeros, packed 1,000 times. Fixed Huffman codes: one literal, then matches of 258 bytes at distance 1. */
static void put_bits(struct text *out, unsigned *held, unsigned *count, unsigned bits, unsigned number)
{
    for (unsigned i = 0; i < number; i++) {
        *held |= (bits >> i & 1u) << *count;
        if (++*count == 8) {
            (void)text_append_char(out, (char)*held);
            *held = *count = 0;
        }
    }
}

static void make_bomb(struct text *out, size_t matches)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\3";
    unsigned held = 0;
    unsigned count = 0;

    (void)text_append_bytes(out, head, sizeof head - 1);
    put_bits(out, &held, &count, 3, 3);         /* the last block, fixed codes */
    put_bits(out, &held, &count, 0x0C, 8);      /* literal 0: 00110000, most significant bit first */
    for (size_t i = 0; i < matches; i++) {
        put_bits(out, &held, &count, 0xA3, 8);  /* length 258: 11000101 */
        put_bits(out, &held, &count, 0, 5);     /* distance 1 */
    }
    put_bits(out, &held, &count, 0, 7 + 8);     /* end of block */
}

static void test_the_maximum_counts_unpacked_bytes(void **state)
{
    static const struct { const char *why; bool streams; } rows[] = { { "collected", false }, { "streamed", true } };
    AUTO_DONE(text) struct text bomb = { 0 };

    (void)state;
    text_init(&bomb, 0);
    make_bomb(&bomb, 400000); /* 650 kB become 103 MB */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(http_client) struct http_client *client = NULL;
        AUTO_DONE(result) struct result result = { 0 };
        struct raw_server *server = raw_server_start(&(struct raw_exchange){ .answer = bomb.data, .size = bomb.size, .after = RAW_CLOSE }, 1);
        AUTO_STRING char *url = url_of(server->port, "/");
        struct http_request request = { .url = url, .timeout_ms = 10000, .answer_maximum = 1000003, .on_data = rows[i].streams ? on_data : NULL };
        struct error err = { 0 };

        assert_int_equal(http_client_new(&client, &err), 0);
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        if (result.answer.end != HTTP_TOO_LARGE || result.answer.status != 200 || result.answer.received_bytes != 1000003)
            fail_msg("%s: end %d, %lld bytes (%s)", rows[i].why, (int)result.answer.end, (long long)result.answer.received_bytes, result.words);
        assert_int_equal(rows[i].streams ? result.streamed.size : result.answer.body_size, 1000003);
        raw_server_end(server);
    }
}

static void test_a_slow_drip_is_no_stall(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_DONE(result) struct result result = { 0 };
    struct raw_server *server = raw_server_start(&(struct raw_exchange){ .answer = OK_HELLO, .piece = 2, .piece_ms = 60 }, 1);
    AUTO_STRING char *url = url_of(server->port, "/");
    struct http_request request = { .url = url, .stall_timeout_ms = 900 };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    result_init(&result, http_client_http(client));
    run(result.http, &request, &result); /* takes longer than the stall time-out in all */
    assert_int_equal(result.answer.end, HTTP_ANSWERED);
    raw_server_end(server);
}

/* ---- What handlers may do ---- */

static void test_handlers_start_and_cancel(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_DONE(result) struct result first = { 0 };
    AUTO_DONE(result) struct result second = { 0 };
    AUTO_DONE(result) struct result third = { 0 };
    struct raw_server *talks = raw_server_start(&(struct raw_exchange){ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", .after = RAW_HANG }, 1);
    struct raw_server *hangs = raw_server_start(&(struct raw_exchange){ .after = RAW_HANG }, 1);
    struct raw_server *answers = raw_server_start(&(struct raw_exchange){ .answer = OK_HELLO }, 1);
    AUTO_STRING char *talks_url = url_of(talks->port, "/");
    AUTO_STRING char *hangs_url = url_of(hangs->port, "/");
    AUTO_STRING char *answers_url = url_of(answers->port, "/");
    AUTO_STRING char *body = mem_alloc(8 << 20); /* does not fit into the socket: still being sent when it is cancelled */
    struct http_request talking = { .url = talks_url, .on_data = on_data };
    struct http_request hanging = { .method = "POST", .url = hangs_url, .body = body, .body_size = 8 << 20 };
    struct http_request answering = { .method = "GET", .url = answers_url, .answer_maximum = 1000, .owner = &third, .on_done = on_done };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    result_init(&first, http_client_http(client));
    result_init(&second, http_client_http(client));
    result_init(&third, http_client_http(client));
    first.cancels = &second;
    first.starts_another = first.cancels_itself = true;
    first.another = &answering;
    start(second.http, &hanging, &second);
    start(first.http, &talking, &first);
    poll_until(first.http, &third.done, TEST_WAIT_MS);
    memset(body, 'y', 8 << 20); /* ours again after the cancel */
    poll_until(first.http, &first.done, 200);
    assert_string_equal(first.streamed.data, "hello");
    assert_int_equal(first.done + second.done, 0); /* cancelled: no further word */
    assert_int_equal(third.done, 1);
    assert_string_equal(third.body, "hello");
    raw_server_end(talks);
    raw_server_end(hangs);
    raw_server_end(answers);
}

static void *wake_soon(void *context)
{
    (void)usleep(100 * 1000);
    http_wake(context);
    return NULL;
}

static void test_poll_wakes_and_returns(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };
    pthread_t thread;
    int64_t before;

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    before = clock_monotonic_ms();
    assert_int_equal(http_poll(http_client_http(client), before - 1, &err), 0); /* a time that has passed does not block */
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, http_client_http(client)), 0);
    assert_int_equal(http_poll(http_client_http(client), clock_monotonic_ms() + 50000, &err), 0);
    assert_true(clock_monotonic_ms() - before < 40000);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- TLS, where the openssl program is here to be the server ---- */

struct tls_server { char folder[40], certificate[60]; pid_t pid; unsigned port; };

static pid_t spawn_openssl(char *const *arguments, int *ret_output)
{
    int ends[2];
    pid_t pid;

    if (pipe(ends) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], 1);
        (void)dup2(ends[1], 2);
        (void)close(ends[0]);
        (void)execvp("openssl", arguments);
        _exit(127);
    }
    (void)close(ends[1]);
    *ret_output = ends[0];
    return pid;
}

static bool tls_server_start(struct tls_server *server)
{
    char key[60];
    char *make[] = { (char *)"openssl", (char *)"req", (char *)"-x509", (char *)"-newkey", (char *)"rsa:2048", (char *)"-nodes", (char *)"-days", (char *)"2",
                     (char *)"-subj", (char *)"/CN=memory", (char *)"-addext", (char *)"subjectAltName=IP:127.0.0.1", (char *)"-keyout", key,
                     (char *)"-out", server->certificate, NULL };
    char *serve[] = { (char *)"openssl", (char *)"s_server", (char *)"-accept", (char *)"127.0.0.1:0", (char *)"-www", (char *)"-key", key,
                      (char *)"-cert", server->certificate, NULL };
    char line[400] = "";
    size_t size = 0;
    char *said;
    int status = 0;
    int output;
    pid_t pid;

    (void)snprintf(server->folder, sizeof server->folder, "/tmp/mc-tls-");
    memset(server->folder + strlen(server->folder), 'X', 6);
    if (mkdtemp(server->folder) == NULL)
        return false;
    (void)snprintf(key, sizeof key, "%s/key.pem", server->folder);
    (void)snprintf(server->certificate, sizeof server->certificate, "%s/cert.pem", server->folder);
    pid = spawn_openssl(make, &output);
    while (read(output, line, sizeof line - 1) > 0)
        ;
    (void)close(output);
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        return false;
    server->pid = spawn_openssl(serve, &output);
    memset(line, 0, sizeof line);
    while ((said = strstr(line, "ACCEPT 127.0.0.1:")) == NULL || strchr(said, '\n') == NULL) {
        ssize_t got = read(output, line + size, sizeof line - 1 - size);
        if (got <= 0)
            return false;
        size += (size_t)got;
    }
    server->port = (unsigned)strtoul(said + strlen("ACCEPT 127.0.0.1:"), NULL, 10);
    return true; /* output stays open: s_server must be able to write */
}

static void tls_server_end(struct tls_server *server)
{
    AUTO_STRING char *key = mem_format("%s/key.pem", server->folder);

    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
    }
    (void)unlink(key);
    (void)unlink(server->certificate);
    (void)rmdir(server->folder);
}

static void test_tls_is_verified_every_time(void **state)
{
    const int64_t DAY_MS = 24 * 3600 * 1000;
    AUTO(http_client) struct http_client *client = NULL;
    struct tls_server server = { 0 };
    struct http_trust own = { .ca_file = server.certificate };
    struct http_trust missing = { .ca_file = "/nonexistent/ca.pem" };
    struct http_trust insecure = { .insecure = true };
    const struct { const char *why; const struct http_trust *trust; const char *host; bool works; const char *words; } rows[] = {
        { "a certificate that nobody signed", NULL, "127.0.0.1", false, "not trusted (self-signed)" },
        { "its own CA file", &own, "127.0.0.1", true, "" },
        { "the next request does not inherit that CA", NULL, "127.0.0.1", false, "not trusted (self-signed)" },
        { "another name than in the certificate", &own, "localhost", false, "made out for another name" },
        { "a CA file that is not there", &missing, "127.0.0.1", false, "/nonexistent/ca.pem" },
        { "told not to verify", &insecure, "127.0.0.1", true, "" },
        { "and that is not inherited either", NULL, "127.0.0.1", false, "not trusted (self-signed)" },
    };
    struct error err = { 0 };

    (void)state;
    if (!tls_server_start(&server)) {
        tls_server_end(&server);
        skip();
    }
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(result) struct result result = { 0 };
        AUTO_STRING char *url = mem_format("https://%s:%u/", rows[i].host, server.port);
        struct http_request request = { .url = url, .trust = rows[i].trust, .timeout_ms = 10000, .unrepeatable = true,
                                        .wants_certificate = true };
        int64_t certificate_left;
        result_init(&result, http_client_http(client));
        run(result.http, &request, &result);
        if (result.answer.end != (rows[i].works ? HTTP_ANSWERED : HTTP_NOT_SENT) || result.answer.is_tls_failure == rows[i].works ||
            strstr(result.words, rows[i].words) == NULL)
            fail_msg("%s: end %d tls %d \"%s\"", rows[i].why, (int)result.answer.end, result.answer.is_tls_failure, result.words);
        if (result.answer.stage != (rows[i].works ? HTTP_STAGE_READY : HTTP_STAGE_TLS))
            fail_msg("%s: stage %d", rows[i].why, (int)result.answer.stage);
        certificate_left = result.answer.certificate_ms - clock_wall_ms(); /* of two days */
        if (rows[i].works && (certificate_left < DAY_MS || certificate_left > 2 * DAY_MS))
            fail_msg("%s: the certificate ends in %lld ms", rows[i].why, (long long)certificate_left);
    }
    tls_server_end(&server);
}

/* ---- URLs ---- */

static void test_urls_from_people(void **state)
{
    static const struct { const char *url, *normal; } rows[] = {
        { "http://localhost:8000", "http://localhost:8000" },
        { "http://localhost:8000///", "http://localhost:8000" },
        { "https://example.org/base/", "https://example.org/base" },
        { "HTTPS://example.org", "https://example.org" },
        { "http://[::1]:9621/", "http://[::1]:9621" },
        { "localhost:8000", NULL },
        { "", NULL },
        { "file:///etc/passwd", NULL },
        { "ftp://example.org", NULL },
        { "http://", NULL },
        { "http://joe:pw@example.org", NULL },
        { "http://example.org/?a=b", NULL },
        { "http://example.org/#x", NULL },
        { "http://example.org:99999", NULL },
        { "http://exa mple.org", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text normal = { 0 };
        struct error err = { 0 };
        int result;
        text_init(&normal, 0);
        result = http_url_check(rows[i].url, &normal, &err);
        if ((result == 0) != (rows[i].normal != NULL) || (result == 0 && strcmp(normal.data, rows[i].normal) != 0))
            fail_msg("%s: %d \"%s\" %s", rows[i].url, result, normal.data, err.message);
        assert_null(strstr(err.message, "joe:pw")); /* a password is never told */
    }
}

static void test_loopback(void **state)
{
    static const struct { const char *url; bool is_loopback; } rows[] = {
        { "http://127.0.0.1:1", true }, { "http://localhost", true }, { "http://[::1]:5", true }, { "http://127.1.2.3", true },
        { "http://127.example.org", false }, { "http://10.0.0.1", false }, { "http://localhost.example.org", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (http_url_is_loopback(rows[i].url) != rows[i].is_loopback)
            fail_msg("%s", rows[i].url);
}

static void test_encoding(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };

    (void)state;
    text_init(&out, 0);
    http_url_encode(&out, "a/b c~\xC3\xA9%", 9);
    assert_string_equal(out.data, "a%2Fb%20c~%C3%A9%25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_answers_end),
        cmocka_unit_test(test_what_cannot_have_been_sent),
        cmocka_unit_test(test_a_dead_reused_connection),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_a_head_without_end),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_requests_byte_for_byte),
        cmocka_unit_test(test_pausing_loses_and_repeats_nothing),
        cmocka_unit_test(test_a_held_request_hands_out_nothing),
        cmocka_unit_test(test_the_maximum_counts_unpacked_bytes),
        cmocka_unit_test(test_a_slow_drip_is_no_stall),
        cmocka_unit_test(test_handlers_start_and_cancel),
        cmocka_unit_test(test_poll_wakes_and_returns),
        cmocka_unit_test(test_tls_is_verified_every_time),
        cmocka_unit_test(test_urls_from_people),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
