/* test_http_server_limits.c - what the server refuses by itself, in the words of whoever uses it, and what it leaves to workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/http_server.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TEST_WAIT_S = 20, BODY_MAXIMUM = 1000, TARGET_MAXIMUM = 200, HEADER_MAXIMUM = 20 };

struct site {
    struct http_server *server;
    atomic_int handled, held;
    atomic_bool may_go;
};

static bool count_header(void *context, const char *name, const char *value)
{
    (void)name;
    (void)value;
    (*(int *)context)++;
    return true;
}

static void on_request(void *context, const struct http_server_request *request, struct http_server_answer *answer)
{
    struct site *site = context;
    char peer[HTTP_SERVER_PEER_SIZE];
    char place[40];
    int headers = 0;
    size_t size;

    atomic_fetch_add(&site->handled, 1);
    if (strncmp(http_server_path(request), "/held", 5) == 0) {
        atomic_fetch_add(&site->held, 1);
        for (int i = 0; i < TEST_WAIT_S * 1000 && !atomic_load(&site->may_go); i++)
            (void)usleep(1000);
    }
    http_server_peer(request, peer);
    http_server_each_header(request, count_header, &headers);
    (void)snprintf(place, sizeof place, "/by/%zu", http_server_thread(request));
    http_server_add_header(answer, "Location", place);
    (void)http_server_body(request, &size);
    (void)text_append_format(&answer->body, "target=%s head=%d peer=%s headers=%d body=%zu\n", http_server_target(request), http_server_is_head(request), peer, headers, size);
}

static void refuse(void *context, int status, const char *words, struct http_server_answer *answer)
{
    (void)context;
    answer->content_type = "text/x-refused";
    answer->headers[0] = "X-Own: yes";
    (void)text_append_format(&answer->body, "own words %d: %s\n", status, words);
}

static bool is_slow(void *context, const struct http_server_request *request)
{
    (void)context;
    return strncmp(http_server_path(request), "/slow", 5) == 0 || strncmp(http_server_path(request), "/held", 5) == 0;
}

static void site_start_as(struct site *site, size_t workers, bool is_exposed)
{
    struct http_server_settings settings = {
        .host = "127.0.0.1", .body_maximum = BODY_MAXIMUM, .handler = on_request, .context = site, .target_maximum = TARGET_MAXIMUM,
        .header_maximum = HEADER_MAXIMUM, .refuse = refuse, .is_slow = is_slow, .workers = workers, .per_address = 5,
        .is_exposed = is_exposed,
    };
    struct error err = { 0 };

    *site = (struct site){ 0 };
    assert_int_equal(http_server_start(&settings, &site->server, &err), 0);
}

static void site_start(struct site *site, size_t workers)
{
    site_start_as(site, workers, false);
}

static void site_done(struct site *site)
{
    atomic_store(&site->may_go, true);
    http_server_free(site->server);
}
AUTO_DEFINE_DONE(site)

static int dial(const struct site *site)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(http_server_port(site->server)) };
    struct timeval wait = { .tv_sec = TEST_WAIT_S };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

/* To the line end that ends every body here, or to the close. false: closed. */
static bool read_answer(int fd, char *answer, size_t room)
{
    size_t size = 0;

    answer[0] = '\0';
    for (;;) {
        const char *head_end = strstr(answer, "\r\n\r\n");
        ssize_t got;
        if (head_end != NULL && strchr(head_end + 4, '\n') != NULL)
            return true;
        got = recv(fd, answer + size, room - 1 - size, 0);
        if (got <= 0)
            return false;
        size += (size_t)got;
        answer[size] = '\0';
    }
}

static void say(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static void test_refused_before_the_body_is_read(void **state)
{
    AUTO_STRING char *long_target = mem_alloc(TARGET_MAXIMUM + 2);
    AUTO_STRING char *many = mem_alloc(HEADER_MAXIMUM * 6 + 10);

    (void)state;
    memset(long_target, 'a', TARGET_MAXIMUM + 1);
    for (int i = 0; i < HEADER_MAXIMUM; i++)
        memcpy(many + i * 6, "A: b\r\n", 7);
    {
        const struct { const char *why, *head; int status; } rows[] = {
            { "a body that is announced as too long", mem_format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", BODY_MAXIMUM + 1), 413 },
            { "a length past all numbers", mem_format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n", "9223372036854775807"), 413 },
            { "a long path", mem_format("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", long_target), 414 },
            { "a long query", mem_format("GET /?%s HTTP/1.1\r\nHost: x\r\n\r\n", long_target), 414 },
            { "many headers", mem_format("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", many), 431 },
            { "two lengths", mem_format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nContent-Length: 2\r\n\r\n", 1), 400 },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
            AUTO_DONE(site) struct site site;
            char answer[4096];
            char wanted[40];
            char byte;
            int fd;
            site_start(&site, 0);
            fd = dial(&site);
            say(fd, rows[i].head);
            (void)read_answer(fd, answer, sizeof answer);
            (void)snprintf(wanted, sizeof wanted, "own words %d", rows[i].status);
            if (strstr(answer, wanted) == NULL || strstr(answer, "X-Own: yes") == NULL || atomic_load(&site.handled) != 0)
                fail_msg("%s: %s", rows[i].why, answer);
            if (recv(fd, &byte, 1, 0) > 0)
                fail_msg("%s: the connection is still in use", rows[i].why);
            (void)close(fd);
            mem_free((char *)(uintptr_t)rows[i].head);
        }
    }
}

static void test_a_target_as_it_came(void **state)
{
    AUTO_DONE(site) struct site site;
    char answer[4096];
    int fd;

    (void)state;
    site_start(&site, 1);
    fd = dial(&site);
    say(fd, "GET /a%2Fb/../%zz+c?x=%00&y HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n");
    assert_true(read_answer(fd, answer, sizeof answer));
    assert_non_null(strstr(answer, "target=/a%2Fb/../%zz+c?x=%00&y head=0 peer=127.0.0.1 headers=2 body=0"));
    (void)close(fd);
}

/* While a worker is held, others are answered; what lies in the queue gets its turn; and headers live on. */
static void test_workers_hold_up_nobody(void **state)
{
    AUTO_DONE(site) struct site site;
    char answer[4096];
    int held, queued, other;

    (void)state;
    site_start(&site, 1);
    held = dial(&site);
    say(held, "POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    for (int i = 0; i < TEST_WAIT_S * 1000 && atomic_load(&site.held) == 0; i++)
        (void)usleep(1000);
    queued = dial(&site);
    say(queued, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    other = dial(&site);
    say(other, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(read_answer(other, answer, sizeof answer));
    assert_non_null(strstr(answer, "Location: /by/0"));
    assert_int_equal(recv(queued, answer, 1, MSG_DONTWAIT), -1);
    atomic_store(&site.may_go, true);
    assert_true(read_answer(held, answer, sizeof answer));
    assert_non_null(strstr(answer, "Location: /by/1"));
    assert_non_null(strstr(answer, "body=2"));
    assert_true(read_answer(queued, answer, sizeof answer));
    assert_non_null(strstr(answer, "Location: /by/1"));
    say(held, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection goes on */
    assert_true(read_answer(held, answer, sizeof answer));
    (void)close(held);
    (void)close(queued);
    (void)close(other);
}

/* The end waits for what is under way and refuses what waits. */
static void test_the_end_with_workers(void **state)
{
    struct site site;
    int fds[4];

    (void)state;
    site_start(&site, 2);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = dial(&site);
        say(fds[i], "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for (int i = 0; i < TEST_WAIT_S * 1000 && atomic_load(&site.held) < 2; i++)
        (void)usleep(1000);
    assert_int_equal(atomic_load(&site.held), 2);
    site_done(&site);
    assert_true(atomic_load(&site.handled) <= 4);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        (void)close(fds[i]);
}

static void test_an_address_has_so_many_connections(void **state)
{
    AUTO_DONE(site) struct site site;
    char answer[4096];
    int fds[8];
    int answered = 0;

    (void)state;
    site_start(&site, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        fds[i] = dial(&site);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        if (send(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, MSG_NOSIGNAL) == 27)
            answered += read_answer(fds[i], answer, sizeof answer);
    assert_int_equal(answered, 5);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        (void)close(fds[i]);
}

/* The request is known before its head is complete: nothing of it may stay behind. (AddressSanitizer's build sees that.) */
static void test_half_a_head(void **state)
{
    AUTO_DONE(site) struct site site;
    int fd;

    (void)state;
    site_start(&site, 0);
    fd = dial(&site);
    say(fd, "GET /half HTTP/1.1\r\nHo");
    (void)usleep(20000);
    (void)close(fd);
    (void)usleep(20000);
    assert_int_equal(atomic_load(&site.handled), 0);
}

/* What older versions of the library take for two requests must not be handled twice. */
static void test_nothing_hides_behind_a_request(void **state)
{
    static const struct { const char *why, *request; int handled; } rows[] = {
        { "a blank before the colon of the length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 30\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", 0 },
        { "a header that is a length to some", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length\x0b: 30\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", 0 },
        { "a header without a name", "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(site) struct site site;
        char answer[4096];
        int fd;
        site_start_as(&site, 0, true);
        fd = dial(&site);
        say(fd, rows[i].request);
        (void)read_answer(fd, answer, sizeof answer);
        while (recv(fd, answer, sizeof answer, 0) > 0)
            continue; /* to the close */
        if (atomic_load(&site.handled) > rows[i].handled)
            fail_msg("%s: %d requests were handled", rows[i].why, atomic_load(&site.handled));
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_before_the_body_is_read),
        cmocka_unit_test(test_a_target_as_it_came),
        cmocka_unit_test(test_workers_hold_up_nobody),
        cmocka_unit_test(test_the_end_with_workers),
        cmocka_unit_test(test_an_address_has_so_many_connections),
        cmocka_unit_test(test_half_a_head),
        cmocka_unit_test(test_nothing_hides_behind_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
