/* bench_beat.c - requests at a beat: bench_beat HOST PORT RATE SECONDS KEY PATH...
 *
 * One after the other, RATE in a second, the paths in turn, a connection for each (the service closes it behind its answer). A request's time begins at its
 * beat, whether the one before it was answered by then or not: what it had to wait counts. It ends when the connection does.
 * Ends after SECONDS, or when it is told to by SIGTERM. SIGSTOP and SIGCONT hold it: the beat begins anew then, and a request that was under way is not counted.
 * Writes a line "PATH COUNT MEDIAN P90 P99 MOST" for each path, in milliseconds.
 *
 * A program of its own because an interpreter with threads measures itself: they wait for each other 5 ms at a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATHS_MAXIMUM = 8, REQUEST_ROOM = 1024, ANSWER_ROOM = 1 << 16, BILLION = 1000000000, TIMER_SLACK_NS = 1000, PATIENCE_S = 60 };

struct path {
    const char *name;
    char request[REQUEST_ROOM];
    double *times;                 /* ms */
    size_t count, capacity;
};

static struct path paths[PATHS_MAXIMUM];
static size_t path_count;
static volatile sig_atomic_t is_over, was_held;

static void hear(int signal)
{
    if (signal == SIGTERM)
        is_over = 1;
    else
        was_held = 1;
}

static void fail(const char *path, const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_beat: %s: %s: %s\n", path, what, why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * BILLION + now.tv_nsec;
}

static void wait_until(int64_t beat)
{
    const struct timespec until = { .tv_sec = (time_t)(beat / BILLION), .tv_nsec = (long)(beat % BILLION) };

    while (!is_over && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void add_path(const char *name, const char *key)
{
    struct path *path;
    int size;

    if (path_count == PATHS_MAXIMUM)
        fail(name, "too many paths", "eight at most");
    path = &paths[path_count++];
    path->name = name;
    size = snprintf(path->request, sizeof path->request, "GET %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\nConnection: close\r\n\r\n", name, key);
    if (size < 0 || (size_t)size >= sizeof path->request)
        fail(name, "too long", "path and key fill a request");
}

static void keep(struct path *path, double time)
{
    if (path->count == path->capacity) {
        path->capacity = path->capacity > 0 ? 2 * path->capacity : 4096;
        path->times = realloc(path->times, path->capacity * sizeof *path->times);
        if (path->times == NULL)
            fail(path->name, "times", "out of memory");
    }
    path->times[path->count++] = time;
}

static int open_connection(const struct path *path, const struct sockaddr_in *address)
{
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        fail(path->name, "connecting", strerror(errno));
    return fd;
}

static void ask(struct path *path, const struct sockaddr_in *address)
{
    char answer[ANSWER_ROOM];
    int fd = open_connection(path, address);
    size_t size = strlen(path->request), got = 0;
    ssize_t more;

    if (send(fd, path->request, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail(path->name, "sending", strerror(errno));
    while ((more = recv(fd, answer + got, sizeof answer - 1 - got, 0)) != 0) {
        if (more < 0 && errno != EINTR)
            fail(path->name, "reading", strerror(errno));
        got += more > 0 ? (size_t)more : 0;
    }
    answer[got] = '\0';
    (void)close(fd);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0) {
        answer[strcspn(answer, "\r\n")] = '\0';
        fail(path->name, "answered", got > 0 ? answer : "nothing");
    }
}

static void run(const struct sockaddr_in *address, double rate, double seconds)
{
    const int64_t step = (int64_t)(BILLION / rate);
    int64_t beat = now_ns();
    int64_t stop = beat + (int64_t)(seconds * BILLION);

    for (uint64_t turn = 0; beat < stop; turn++, beat += step) {
        struct path *path = &paths[turn % path_count];
        wait_until(beat);
        if (is_over)
            break;
        if (was_held)
            beat = now_ns();
        was_held = 0;
        ask(path, address);
        if (!was_held)
            keep(path, (double)(now_ns() - beat) / 1e6);
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double share(const struct path *path, double part)
{
    size_t place = (size_t)((double)path->count * part);

    return path->times[place < path->count ? place : path->count - 1];
}

static void show(struct path *path)
{
    if (path->count == 0)
        return;
    qsort(path->times, path->count, sizeof *path->times, compare);
    (void)printf("%s %zu %.3f %.3f %.3f %.3f\n", path->name, path->count, share(path, 0.5), share(path, 0.9), share(path, 0.99), share(path, 1));
    free(path->times);
}

int main(int count, char **args)
{
    const struct sigaction action = { .sa_handler = hear, .sa_flags = SA_RESTART };
    struct sockaddr_in address = { .sin_family = AF_INET };

    if (count < 7 || inet_pton(AF_INET, args[1], &address.sin_addr) != 1 || !(atof(args[3]) > 0)) {
        (void)fputs("bench_beat HOST PORT RATE SECONDS KEY PATH...\n", stderr);
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(args[2]));
    for (int i = 6; i < count; i++)
        add_path(args[i], args[5]);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGCONT, &action, NULL);
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* held, it would stay for ever */
    run(&address, atof(args[3]), atof(args[4]));
    for (size_t i = 0; i < path_count; i++)
        show(&paths[i]);
    return 0;
}
