/* raw_server.h - a server that says byte for byte what a test wants, on a free port of 127.0.0.1: one exchange after the other. */
#ifndef MC_TEST_RAW_SERVER_H
#define MC_TEST_RAW_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum raw_after {
    RAW_KEEP,  /* the next exchange comes over the same connection */
    RAW_CLOSE,
    RAW_RESET,
    RAW_HANG,  /* says nothing more until the peer leaves */
};
enum { RAW_EXCHANGES_MAXIMUM = 16, RAW_WAIT_MS = 10000, RAW_SEEN_SIZE = 4096 };

struct raw_exchange {
    const char *answer;      /* NULL: none */
    size_t size;             /* 0: strlen */
    enum raw_after after;
    bool without_reading;    /* answers or closes before the request is read */
    size_t piece;            /* sends in pieces of so many bytes, */
    int piece_ms;            /* with so much time between them */
};

struct raw_server {
    int listener;
    unsigned port;
    pthread_t thread;
    struct raw_exchange exchanges[RAW_EXCHANGES_MAXIMUM];
    size_t count;
    char seen[RAW_EXCHANGES_MAXIMUM][RAW_SEEN_SIZE]; /* the requests, cut; for the test by raw_server_seen */
    atomic_size_t seen_count;
    atomic_size_t seen_bytes;                        /* of all requests */
    atomic_int connections;
    atomic_bool is_ending;
};

static bool raw_wait(struct raw_server *server, int fd)
{
    for (int waited = 0; waited < RAW_WAIT_MS && !atomic_load(&server->is_ending); waited += 20) {
        struct pollfd watched = { .fd = fd, .events = POLLIN };
        if (poll(&watched, 1, 20) > 0)
            return true;
    }
    return false;
}

/* The peer may go on over a new connection while the old one is still open: true when it does. */
static bool raw_comes_anew(struct raw_server *server, int fd)
{
    for (int waited = 0; waited < RAW_WAIT_MS && !atomic_load(&server->is_ending); waited += 20) {
        struct pollfd watched[2] = { { .fd = fd, .events = POLLIN }, { .fd = server->listener, .events = POLLIN } };
        if (poll(watched, 2, 20) > 0)
            return watched[0].revents == 0;
    }
    return false;
}

/* Reads a head and as much body as it announces. */
static bool raw_read_request(struct raw_server *server, int fd, char seen[RAW_SEEN_SIZE])
{
    static const char length_name[] = "content-length:";
    size_t size = 0;
    size_t kept = 0;
    size_t wanted = 0;
    char buffer[65536];

    seen[0] = '\0';
    while (wanted == 0 || size < wanted) {
        ssize_t got;
        char *end;
        if (!raw_wait(server, fd) || (got = recv(fd, buffer, sizeof buffer, 0)) <= 0)
            return false;
        atomic_fetch_add(&server->seen_bytes, (size_t)got);
        size += (size_t)got;
        if (kept < RAW_SEEN_SIZE - 1) {
            size_t more = (size_t)got < RAW_SEEN_SIZE - 1 - kept ? (size_t)got : RAW_SEEN_SIZE - 1 - kept;
            memcpy(seen + kept, buffer, more);
            kept += more;
            seen[kept] = '\0';
        }
        if (wanted == 0 && (end = strstr(seen, "\r\n\r\n")) != NULL) {
            wanted = (size_t)(end - seen) + 4;
            for (char *line = seen; line < end; line = strstr(line, "\r\n") + 2)
                if (strncasecmp(line, length_name, sizeof length_name - 1) == 0)
                    wanted += strtoul(line + sizeof length_name - 1, NULL, 10);
        }
    }
    return true;
}

static void raw_send(struct raw_server *server, int fd, const struct raw_exchange *exchange)
{
    size_t size = exchange->size > 0 ? exchange->size : strlen(exchange->answer);
    size_t piece = exchange->piece > 0 ? exchange->piece : size;

    for (size_t at = 0; at < size && !atomic_load(&server->is_ending);) {
        ssize_t sent = send(fd, exchange->answer + at, size - at < piece ? size - at : piece, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
        if (exchange->piece_ms > 0 && at < size)
            (void)usleep((useconds_t)exchange->piece_ms * 1000);
    }
}

static void *raw_run(void *context)
{
    struct raw_server *server = context;
    int fd = -1;

    for (size_t i = 0; i < server->count && !atomic_load(&server->is_ending); i++) {
        const struct raw_exchange *exchange = &server->exchanges[i];
        char end;
        if (fd >= 0 && raw_comes_anew(server, fd)) {
            (void)close(fd);
            fd = -1;
        }
        if (fd < 0) {
            if (!raw_wait(server, server->listener) || (fd = accept(server->listener, NULL, NULL)) < 0)
                return NULL;
            atomic_fetch_add(&server->connections, 1);
        }
        if (!exchange->without_reading && !raw_read_request(server, fd, server->seen[i])) {
            (void)close(fd); /* the peer has left: its next connection gets this exchange */
            fd = -1;
            i--;
            continue;
        }
        atomic_store(&server->seen_count, i + 1);
        if (exchange->answer != NULL)
            raw_send(server, fd, exchange);
        if (exchange->after == RAW_KEEP && i + 1 < server->count)
            continue;
        if (exchange->after == RAW_HANG || exchange->after == RAW_KEEP)
            while (raw_wait(server, fd) && recv(fd, &end, 1, 0) > 0)
                ;
        if (exchange->after == RAW_RESET) {
            struct linger at_once = { .l_onoff = 1 };
            (void)usleep(50 * 1000); /* what was sent has to arrive before the reset sweeps it away */
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        (void)close(fd);
        fd = -1;
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static struct raw_server *raw_server_start(const struct raw_exchange *exchanges, size_t count)
{
    struct raw_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    server->count = count;
    memcpy(server->exchanges, exchanges, count * sizeof *exchanges);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(server->listener, 16) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) < 0)
        abort();
    server->port = ntohs(address.sin_port);
    if (pthread_create(&server->thread, NULL, raw_run, server) != 0)
        abort();
    return server;
}

/* The request that was answered as exchange i. */
static inline const char *raw_server_seen(struct raw_server *server, size_t i)
{
    if (atomic_load(&server->seen_count) <= i)
        abort(); /* not read yet: only after its answer */
    return server->seen[i];
}

static void raw_server_end(struct raw_server *server)
{
    atomic_store(&server->is_ending, true);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    free(server);
}

#endif
