/* test_http_server.c - the server over real sockets: what a handler sees, how answers go wrong on request, and what hostile clients get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TEST_WAIT_MS = 20000, BODY_MAXIMUM = 100000, STREAM_SIZE = 8 << 20 };

/* ---- A server whose handler does what the path says ---- */

struct site {
    struct http_server *server;
    atomic_int handled, freed;
};

static int64_t produce(void *producer, uint64_t position, char *buffer, size_t room)
{
    (void)producer;
    if (position >= STREAM_SIZE)
        return 0;
    if (room > STREAM_SIZE - position)
        room = (size_t)(STREAM_SIZE - position);
    memset(buffer, 'p', room);
    return (int64_t)room;
}

static int64_t produce_and_break(void *producer, uint64_t position, char *buffer, size_t room)
{
    return position > 100000 ? -1 : produce(producer, position, buffer, room);
}

static void free_producer(void *producer)
{
    atomic_fetch_add(&((struct site *)producer)->freed, 1);
}

static const char *or_none(const char *value)
{
    return value != NULL ? value : "(none)";
}

static void on_request(void *context, const struct http_server_request *request, struct http_server_answer *answer)
{
    static const struct { const char *path; enum http_server_fault fault; } faults[] = {
        { "/drop", HTTP_SERVER_DROP }, { "/cut", HTTP_SERVER_CUT }, { "/cut-chunked", HTTP_SERVER_CUT_CHUNKED },
        { "/reset", HTTP_SERVER_RESET }, { "/stall", HTTP_SERVER_STALL }, { "/drip", HTTP_SERVER_DRIP }, { "/leave", HTTP_SERVER_LEAVE },
    };
    struct site *site = context;
    const char *path = http_server_path(request);
    size_t size;
    const char *body = http_server_body(request, &size);

    atomic_fetch_add(&site->handled, 1);
    if (strcmp(path, "/stream") == 0 || strcmp(path, "/stream-breaks") == 0) {
        answer->produce = strcmp(path, "/stream") == 0 ? produce : produce_and_break;
        answer->producer_free = free_producer;
        answer->producer = site;
        return;
    }
    if (strcmp(path, "/slow") == 0)
        answer->delay_ms = 700;
    if (strcmp(path, "/teapot") == 0) {
        answer->status = 418;
        answer->content_type = "text/plain";
        answer->headers[0] = "Retry-After: 7";
        answer->headers[1] = "Location: /elsewhere";
    }
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        if (strcmp(path, faults[i].path) != 0)
            continue;
        answer->fault = faults[i].fault;
        answer->cut_after = 5;
        answer->delay_ms = faults[i].fault == HTTP_SERVER_DRIP ? 10 : 0;
        (void)text_append(&answer->body, "0123456789");
        return;
    }
    (void)text_append_format(&answer->body, "%s %s q=%s key=%s body=%zu:%.20s", http_server_method(request), path, or_none(http_server_query(request, "q")),
                             or_none(http_server_header(request, "x-api-key")), size, body);
}

static void site_start(struct site *site, int64_t timeout_ms)
{
    struct http_server_settings settings = { .host = "127.0.0.1", .body_maximum = BODY_MAXIMUM, .handler = on_request, .context = site,
                                             .head_timeout_ms = timeout_ms, .body_timeout_ms = timeout_ms };
    struct error err = { 0 };

    *site = (struct site){ 0 };
    assert_int_equal(http_server_start(&settings, &site->server, &err), 0);
    assert_true(http_server_port(site->server) > 0);
}

static void site_done(struct site *site)
{
    http_server_free(site->server);
}
AUTO_DEFINE_DONE(site)

/* ---- Asking through our own client ---- */

struct asked { bool is_done; int64_t done_mono; struct http_answer answer; char body[200], words[200]; };

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct asked *asked = owner;

    (void)id;
    asked->is_done = true;
    asked->done_mono = clock_monotonic_ms();
    asked->answer = *answer;
    (void)snprintf(asked->body, sizeof asked->body, "%s", answer->body);
    (void)snprintf(asked->words, sizeof asked->words, "%s", answer->words);
}

static http_id ask(struct http *http, const struct site *site, const char *method, const char *path, const char *body, struct asked *asked)
{
    AUTO_STRING char *url = mem_format("http://127.0.0.1:%u%s", http_server_port(site->server), path);
    static const char *const headers[] = { "X-API-Key: k", NULL };
    struct http_request request = {
        .method = method, .url = url, .headers = headers, .body = body, .body_size = body != NULL ? strlen(body) : 0, .timeout_ms = TEST_WAIT_MS,
        .stall_timeout_ms = 1000, .answer_maximum = 64 << 20, .owner = asked, .on_done = on_done,
    };
    struct error err = { 0 };
    http_id id;

    *asked = (struct asked){ 0 };
    assert_int_equal(http_start(http, &request, &id, &err), 0);
    return id;
}

static void wait_for(struct http *http, const struct asked *asked)
{
    int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;
    struct error err = { 0 };

    while (!asked->is_done && clock_monotonic_ms() < until)
        assert_int_equal(http_poll(http, clock_monotonic_ms() + 50, &err), 0);
    assert_true(asked->is_done);
}

static void test_what_a_handler_sees(void **state)
{
    static const struct { const char *method, *path, *body, *says; } rows[] = {
        { "GET", "/a%20b/%C3%A9", NULL, "GET /a b/\xC3\xA9 q=(none) key=k body=0:" },
        { "GET", "/x?q=1%262&r", NULL, "GET /x q=1&2 key=k body=0:" },
        { "GET", "/x?q=", NULL, "GET /x q= key=k body=0:" },
        { "POST", "/x", "{\"a\":1}", "POST /x q=(none) key=k body=7:{\"a\":1}" },
        { "DELETE", "/x", "{}", "DELETE /x q=(none) key=k body=2:{}" },
    };
    AUTO_DONE(site) struct site site;
    AUTO(http_client) struct http_client *client = NULL;
    struct asked asked;
    struct error err = { 0 };

    (void)state;
    site_start(&site, 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)ask(http_client_http(client), &site, rows[i].method, rows[i].path, rows[i].body, &asked);
        wait_for(http_client_http(client), &asked);
        assert_int_equal(asked.answer.status, 200);
        assert_string_equal(asked.body, rows[i].says);
    }
    (void)ask(http_client_http(client), &site, "GET", "/teapot", NULL, &asked);
    wait_for(http_client_http(client), &asked);
    assert_int_equal(asked.answer.status, 418);
    assert_int_equal(asked.answer.retry_after_ms, 7000);
    assert_true(asked.answer.date_ms > 0); /* a client tells the server's clock by it */
}

static void test_a_body_has_a_maximum(void **state)
{
    AUTO_DONE(site) struct site site;
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_STRING char *body = mem_alloc(BODY_MAXIMUM + 2);
    struct asked asked;
    struct error err = { 0 };

    (void)state;
    site_start(&site, 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    memset(body, 'b', BODY_MAXIMUM);
    (void)ask(http_client_http(client), &site, "POST", "/x", body, &asked);
    wait_for(http_client_http(client), &asked);
    assert_int_equal(asked.answer.status, 200);
    body[BODY_MAXIMUM] = 'b';
    (void)ask(http_client_http(client), &site, "POST", "/x", body, &asked);
    wait_for(http_client_http(client), &asked);
    assert_int_equal(asked.answer.status, 413);
    assert_int_equal(atomic_load(&site.handled), 1);
}

static void test_answers_go_wrong_on_request(void **state)
{
    static const struct { const char *path; enum http_end end; int64_t received, announced; bool is_timeout; } rows[] = {
        { "/drop", HTTP_NO_ANSWER, 0, -1, false },
        { "/cut", HTTP_TRUNCATED, 5, 10, false },
        { "/cut-chunked", HTTP_TRUNCATED, 5, -1, false },
        { "/reset", HTTP_TRUNCATED, 5, 10, false },
        { "/stall", HTTP_TRUNCATED, 5, 10, true },
        { "/drip", HTTP_ANSWERED, 10, 10, false },
        { "/stream", HTTP_ANSWERED, STREAM_SIZE, -1, false },
        { "/stream-breaks", HTTP_TRUNCATED, 0, -1, false },
    };
    AUTO_DONE(site) struct site site;
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };

    (void)state;
    site_start(&site, 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct asked asked;
        (void)ask(http_client_http(client), &site, "GET", rows[i].path, NULL, &asked);
        wait_for(http_client_http(client), &asked);
        if (asked.answer.end != rows[i].end || asked.answer.is_timeout != rows[i].is_timeout || asked.answer.content_length != rows[i].announced ||
            (rows[i].received > 0 && asked.answer.received_bytes != rows[i].received))
            fail_msg("%s: end %d, %lld of %lld bytes, time-out %d (%s)", rows[i].path, (int)asked.answer.end, (long long)asked.answer.received_bytes,
                     (long long)asked.answer.content_length, asked.answer.is_timeout, asked.words);
    }
    http_client_free(TAKE(client));
    for (int i = 0; i < 500 && atomic_load(&site.freed) < 2; i++)
        (void)usleep(10000);
    assert_int_equal(atomic_load(&site.freed), 2); /* each producer once */
}

static void test_a_delay_blocks_nobody_else(void **state)
{
    AUTO_DONE(site) struct site site;
    AUTO(http_client) struct http_client *client = NULL;
    struct asked slow[8];
    struct asked stalled;
    struct asked quick;
    struct error err = { 0 };

    (void)state;
    site_start(&site, 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    (void)ask(http_client_http(client), &site, "GET", "/stall", NULL, &stalled);
    for (size_t i = 0; i < ARRAY_LENGTH(slow); i++)
        (void)ask(http_client_http(client), &site, "GET", "/slow", NULL, &slow[i]);
    (void)ask(http_client_http(client), &site, "GET", "/quick", NULL, &quick);
    wait_for(http_client_http(client), &quick);
    for (size_t i = 0; i < ARRAY_LENGTH(slow); i++) {
        wait_for(http_client_http(client), &slow[i]);
        assert_true(quick.done_mono <= slow[i].done_mono);
        assert_string_equal(slow[i].body, "GET /slow q=(none) key=k body=0:");
    }
}

static void test_the_end_waits_for_nobody(void **state)
{
    struct site site;
    AUTO(http_client) struct http_client *client = NULL;
    struct asked asked[3];
    struct error err = { 0 };

    (void)state;
    site_start(&site, 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    (void)ask(http_client_http(client), &site, "GET", "/stall", NULL, &asked[0]);
    (void)ask(http_client_http(client), &site, "GET", "/slow", NULL, &asked[1]);
    (void)ask(http_client_http(client), &site, "GET", "/drip", NULL, &asked[2]);
    for (int i = 0; i < 500 && atomic_load(&site.handled) < 3; i++)
        assert_int_equal(http_poll(http_client_http(client), clock_monotonic_ms() + 10, &err), 0);
    http_server_free(site.server); /* must neither hang nor fall over suspended connections */
}

static void test_a_port_in_use(void **state)
{
    AUTO_DONE(site) struct site site;
    struct http_server *second = NULL;
    struct error err = { 0 };
    struct http_server_settings settings = { .host = "127.0.0.1", .body_maximum = 10, .handler = on_request };

    (void)state;
    site_start(&site, 0);
    settings.port = http_server_port(site.server);
    assert_int_equal(http_server_start(&settings, &second, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_null(second);
    settings.host = "example.org";
    assert_int_equal(http_server_start(&settings, &second, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
}

/* ---- Bytes by hand ---- */

static int dial(const struct site *site)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(http_server_port(site->server)) };
    struct timeval wait = { .tv_sec = TEST_WAIT_MS / 1000 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

/* Reads until the server closes or said a whole head; "" when it closed without a word. */
static void read_answer(int fd, char *answer, size_t room)
{
    size_t size = 0;

    answer[0] = '\0';
    while (size + 1 < room && strstr(answer, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, answer + size, room - 1 - size, 0);
        if (got <= 0)
            return;
        size += (size_t)got;
        answer[size] = '\0';
    }
}

static void test_leaving_without_a_word(void **state)
{
    static const struct { const char *path; bool leaves; } rows[] = { { "/", false }, { "/leave", true } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(site) struct site site;
        AUTO_STRING char *request = mem_format("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].path);
        char answer[4096];
        char byte;
        int fd;
        site_start(&site, 0);
        fd = dial(&site);
        assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
        for (size_t size = 0; size < sizeof answer - 1;) { /* to the last byte of the body */
            ssize_t got = recv(fd, answer + size, sizeof answer - 1 - size, 0);
            assert_true(got > 0);
            size += (size_t)got;
            answer[size] = '\0';
            if (strstr(answer, rows[i].leaves ? "0123456789" : "body=0:") != NULL)
                break;
        }
        assert_null(strcasestr(answer, "connection: close"));
        if (rows[i].leaves)
            assert_int_equal(recv(fd, &byte, 1, 0), 0);
        else
            assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
        (void)close(fd);
    }
}

static void test_ambiguous_requests_are_refused(void **state)
{
    static const struct { const char *why, *request; int status; } rows[] = {
        { "a good one", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
        { "HEAD like GET", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
        { "chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200 },
        { "a length beside an encoding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400 },
        { "two equal lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400 },
        { "two encodings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "an encoding that is not known", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400 },
        { "two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400 },
        { "no host", "GET / HTTP/1.1\r\n\r\n", 400 },
        { "a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(site) struct site site;
        char answer[4096];
        int status = 0;
        int fd;
        site_start(&site, 0);
        fd = dial(&site);
        assert_int_equal(send(fd, rows[i].request, strlen(rows[i].request), MSG_NOSIGNAL), strlen(rows[i].request));
        read_answer(fd, answer, sizeof answer);
        if (sscanf(answer, "HTTP/1.1 %d", &status) != 1 || status != rows[i].status || atomic_load(&site.handled) != (rows[i].status == 200))
            fail_msg("%s: %.60s, handled %d", rows[i].why, answer, atomic_load(&site.handled));
        (void)close(fd);
    }
}

static void test_a_head_has_a_maximum(void **state)
{
    AUTO_DONE(site) struct site site;
    AUTO_DONE(text) struct text request = { 0 };
    char answer[4096];
    int fd;

    (void)state;
    site_start(&site, 0);
    text_init(&request, 0);
    (void)text_append(&request, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
    for (int i = 0; i < 100000; i++)
        (void)text_append_char(&request, 'x');
    (void)text_append(&request, "\r\n\r\n");
    fd = dial(&site);
    (void)send(fd, request.data, request.size, MSG_NOSIGNAL);
    read_answer(fd, answer, sizeof answer);
    if (answer[0] != '\0') /* the close may sweep the words away */
        assert_non_null(strstr(answer, "HTTP/1.1 431"));
    assert_int_equal(atomic_load(&site.handled), 0);
    (void)close(fd);
}

/* The library's own time-out begins anew with every byte: trickling would hold a connection for ever. */
static void test_trickling_is_ended(void **state)
{
    static const struct { const char *why, *begin; bool is_second; } rows[] = {
        { "in the head", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", false },
        { "in the body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n", false },
        { "behind another that has gone, which nobody is woken for", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(site) struct site site;
        int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;
        bool is_ended = false;
        int fd;
        site_start(&site, 600);
        if (rows[i].is_second)
            (void)close(dial(&site));
        fd = dial(&site);
        assert_int_equal(send(fd, rows[i].begin, strlen(rows[i].begin), MSG_NOSIGNAL), strlen(rows[i].begin));
        while (!is_ended && clock_monotonic_ms() < until) {
            struct pollfd watched = { .fd = fd, .events = POLLIN };
            is_ended = send(fd, "a", 1, MSG_NOSIGNAL) < 0 || poll(&watched, 1, 100) > 0;
        }
        if (!is_ended)
            fail_msg("%s: still open", rows[i].why);
        assert_int_equal(atomic_load(&site.handled), 0);
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_handler_sees),
        cmocka_unit_test(test_a_body_has_a_maximum),
        cmocka_unit_test(test_answers_go_wrong_on_request),
        cmocka_unit_test(test_a_delay_blocks_nobody_else),
        cmocka_unit_test(test_the_end_waits_for_nobody),
        cmocka_unit_test(test_a_port_in_use),
        cmocka_unit_test(test_leaving_without_a_word),
        cmocka_unit_test(test_ambiguous_requests_are_refused),
        cmocka_unit_test(test_a_head_has_a_maximum),
        cmocka_unit_test(test_trickling_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
