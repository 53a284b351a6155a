/* test_http_stream.c - answers that wait for something to say: woken from other threads, left by their clients, read slowly, ended with the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/http_server.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEST_WAIT_MS = 20000, IDLE_STREAMS = 64, WRITERS = 4, EACH = 500, FOR_EVER_MS = 3600 * 1000 };

/* Each stream says "." for every tick of the site that it has not told yet. */
struct site {
    struct http_server *server;
    atomic_int ticks;
    atomic_int open, freed;
    int64_t later_ms;
};

struct stream {
    struct site *site;
    int told;
    bool is_large;
};

static int64_t produce(void *producer, uint64_t position, char *buffer, size_t room)
{
    struct stream *stream = producer;
    int ticks = atomic_load(&stream->site->ticks);

    (void)position;
    if (stream->is_large) { /* never ends */
        memset(buffer, 'x', room);
        return (int64_t)room;
    }
    if (stream->site->later_ms < FOR_EVER_MS) {
        buffer[0] = ':';
        return ++stream->told % 2 == 1 ? HTTP_SERVER_LATER : 1;
    }
    if (ticks < 0)
        return 0;
    if (stream->told >= ticks)
        return HTTP_SERVER_LATER;
    if (room > (size_t)(ticks - stream->told))
        room = (size_t)(ticks - stream->told);
    memset(buffer, '.', room);
    stream->told += (int)room;
    return (int64_t)room;
}

static void free_stream(void *producer)
{
    struct stream *stream = producer;

    atomic_fetch_add(&stream->site->freed, 1);
    mem_free(stream);
}

static void on_request(void *context, const struct http_server_request *request, struct http_server_answer *answer)
{
    struct site *site = context;
    struct stream *stream;

    if (strcmp(http_server_path(request), "/plain") == 0) {
        (void)text_append(&answer->body, "plain");
        return;
    }
    stream = mem_alloc(sizeof *stream);
    stream->site = site;
    stream->is_large = strcmp(http_server_path(request), "/large") == 0;
    answer->produce = produce;
    answer->producer_free = free_stream;
    answer->producer = stream;
    answer->later_ms = site->later_ms;
    atomic_fetch_add(&site->open, 1);
}

static void site_start(struct site *site, int64_t later_ms, int64_t answer_timeout_ms)
{
    const struct http_server_settings settings = { .host = "127.0.0.1", .body_maximum = 1000, .handler = on_request, .context = site,
                                                   .answer_timeout_ms = answer_timeout_ms };
    struct error err = { 0 };

    memset(site, 0, sizeof *site);
    site->later_ms = later_ms;
    assert_int_equal(http_server_start(&settings, &site->server, &err), 0);
}

static void tick(struct site *site)
{
    atomic_fetch_add(&site->ticks, 1);
    http_server_wake(site->server);
}

/* ---- A client of sockets ---- */

static int ask(const struct site *site, const char *path)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(http_server_port(site->server)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    char request[200];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, (size_t)length, MSG_NOSIGNAL), length);
    return fd;
}

/* Reads until so many marks came behind the head; false: the end came first. */
static bool read_body_marks(int fd, char mark, int count, bool in_body)
{
    int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;
    int line_ends = 0;

    while (count > 0) {
        struct pollfd waits = { .fd = fd, .events = POLLIN };
        char piece[4096];
        ssize_t got;
        assert_true(clock_monotonic_ms() < until);
        if (poll(&waits, 1, 100) == 0)
            continue;
        got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got; i++) {
            line_ends = piece[i] == '\n' ? line_ends + 1 : piece[i] == '\r' ? line_ends : 0;
            in_body = in_body || line_ends == 2;
            count -= in_body && piece[i] == mark;
        }
    }
    return true;
}

static bool read_marks(int fd, char mark, int count)
{
    return read_body_marks(fd, mark, count, false);
}

static bool reads_to_end(int fd)
{
    char piece[65536];
    struct pollfd waits = { .fd = fd, .events = POLLIN };
    int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;
    ssize_t got = 1;

    while (got > 0 && clock_monotonic_ms() < until)
        if (poll(&waits, 1, 100) > 0)
            got = recv(fd, piece, sizeof piece, 0);
    (void)close(fd);
    return got <= 0;
}

static void wait_for(const atomic_int *number, int wanted)
{
    int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;

    while (atomic_load(number) < wanted && clock_monotonic_ms() < until)
        (void)poll(NULL, 0, 5);
    assert_int_equal(atomic_load(number), wanted);
}

/* ---- Tests ---- */

static void test_what_is_said_later_arrives(void **state)
{
    struct site site;
    int fd;

    (void)state;
    site_start(&site, FOR_EVER_MS, 0);
    fd = ask(&site, "/stream");
    wait_for(&site.open, 1);
    for (int i = 0; i < 20; i++)
        tick(&site);
    assert_true(read_marks(fd, '.', 20));
    atomic_store(&site.ticks, -1); /* the end: the connection may be used again */
    http_server_wake(site.server);
    assert_true(read_body_marks(fd, '0', 1, true)); /* the last chunk */
    wait_for(&site.freed, 1);
    (void)close(fd);
    http_server_free(site.server);
}

static void test_who_says_nothing_is_asked_again(void **state)
{
    struct site site;
    int fd;

    (void)state;
    site_start(&site, 10, 0);
    fd = ask(&site, "/stream");
    assert_true(read_marks(fd, ':', 3));
    (void)close(fd);
    wait_for(&site.freed, 1);
    http_server_free(site.server);
}

static void test_a_client_that_leaves_is_noticed(void **state)
{
    struct site site;

    (void)state;
    site_start(&site, FOR_EVER_MS, 0);
    for (int i = 0; i < 5; i++)
        (void)close(ask(&site, "/stream"));
    wait_for(&site.freed, 5);
    http_server_free(site.server);
}

static void test_a_client_that_does_not_read_is_dropped(void **state)
{
    struct site site;
    int fd;

    (void)state;
    site_start(&site, FOR_EVER_MS, 300);
    fd = ask(&site, "/large");
    wait_for(&site.freed, 1); /* though it stays */
    (void)close(fd);
    http_server_free(site.server);
}

/* Resident memory in kB; -1 where the system does not tell. */
static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    long kb = -1;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (file != NULL)
        (void)fclose(file);
    return kb;
}

static void test_idle_streams_cost_little_and_end_with_the_server(void **state)
{
    struct site site;
    int fds[IDLE_STREAMS];
    int plain;
    long before, after;

    (void)state;
    site_start(&site, FOR_EVER_MS, 0);
    plain = ask(&site, "/plain");
    assert_true(read_marks(plain, 'p', 1));
    before = resident_kb();
    for (int i = 0; i < IDLE_STREAMS; i++)
        fds[i] = ask(&site, "/stream");
    wait_for(&site.open, IDLE_STREAMS);
    tick(&site);
    for (int i = 0; i < IDLE_STREAMS; i++)
        assert_true(read_marks(fds[i], '.', 1));
    after = resident_kb();
    print_message("# %d idle streams: %ld kB\n", IDLE_STREAMS, after - before);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(after - before < 4096);
#endif
    http_server_free(site.server);
    assert_int_equal(atomic_load(&site.freed), IDLE_STREAMS);
    for (int i = 0; i < IDLE_STREAMS; i++)
        assert_true(reads_to_end(fds[i]));
    (void)close(plain);
}

static void *tick_often(void *context)
{
    for (int i = 0; i < EACH; i++)
        tick(context);
    return NULL;
}

/* No wake is lost, whenever it comes: otherwise a stream would wait for ever with something to say. */
static void test_many_threads_wake(void **state)
{
    struct site site;
    pthread_t threads[WRITERS];
    int fds[8];

    (void)state;
    site_start(&site, FOR_EVER_MS, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        fds[i] = ask(&site, "/stream");
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tick_often, &site), 0);
    for (size_t i = 0; i < WRITERS; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        assert_true(read_marks(fds[i], '.', WRITERS * EACH));
        (void)close(fds[i]);
    }
    http_server_free(site.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_later_arrives),
        cmocka_unit_test(test_who_says_nothing_is_asked_again),
        cmocka_unit_test(test_a_client_that_leaves_is_noticed),
        cmocka_unit_test(test_a_client_that_does_not_read_is_dropped),
        cmocka_unit_test(test_idle_streams_cost_little_and_end_with_the_server),
        cmocka_unit_test(test_many_threads_wake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
