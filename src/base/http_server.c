#include "base/http_server_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
    CONNECTIONS_MAXIMUM = 256,
    CONNECTIONS_PER_ADDRESS = 128,
    CONNECTION_MEMORY = 32 << 10,
    CONNECTION_TIMEOUT_S = 30,     /* without any byte; the library's own */
    HEAD_TIMEOUT_MS = 10 * 1000,
    BODY_TIMEOUT_MS = 30 * 1000,
    WATCH_MS = 1000,               /* how often slow connections and left ones are looked for */
};

/* ---- The timer: suspended and slow connections ---- */

int http_server_fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? (int)info->connect_fd : -1;
}

void http_server_suspend_locked(struct http_server *server, const struct waiting *waiting)
{
    MHD_suspend_connection(waiting->connection);
    server->waiting = mem_grow(server->waiting, server->count, &server->capacity, sizeof *server->waiting);
    server->waiting[server->count++] = *waiting;
    (void)pthread_cond_signal(&server->changed);
}

void http_server_suspend(struct http_server *server, struct MHD_Connection *connection, int64_t due_mono)
{
    const struct waiting waiting = { .connection = connection, .fd = http_server_fd_of(connection), .due_mono = due_mono, .is_watched = due_mono == INT64_MAX };

    (void)pthread_mutex_lock(&server->lock);
    if (!server->is_ending)
        http_server_suspend_locked(server, &waiting);
    (void)pthread_mutex_unlock(&server->lock);
}

void http_server_wake(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->wakes++;
    (void)pthread_cond_signal(&server->changed);
    (void)pthread_mutex_unlock(&server->lock);
}

bool http_server_has_left(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Resumes what is due; returns when to look again. */
static int64_t resume_due(struct http_server *server, int64_t now)
{
    int64_t next = INT64_MAX;
    size_t kept = 0;

    for (size_t i = 0; i < server->count; i++) {
        struct waiting *waiting = &server->waiting[i];
        bool is_woken = waiting->is_stream && waiting->wakes != server->wakes;
        if (server->is_ending || is_woken || waiting->due_mono <= now || (waiting->is_watched && http_server_has_left(waiting->fd))) {
            MHD_resume_connection(waiting->connection);
            continue;
        }
        if (waiting->due_mono < next)
            next = waiting->due_mono;
        if (waiting->is_watched && now + WATCH_MS < next)
            next = now + WATCH_MS;
        server->waiting[kept++] = *waiting;
    }
    server->count = kept;
    return next;
}

/* Ends slow connections (the library then closes them by itself); returns when to look again. */
static int64_t end_slow(struct http_server *server, int64_t now)
{
    int64_t next = INT64_MAX;

    for (struct link *link = server->links.next; link != &server->links; link = link->next) {
        int64_t due = link->since_mono + (link->phase == LINK_HEAD   ? server->settings.head_timeout_ms
                                          : link->phase == LINK_BODY ? server->settings.body_timeout_ms
                                                                     : server->settings.answer_timeout_ms);
        if (link->phase == LINK_ANSWER)
            continue;
        if (due <= now) {
            (void)shutdown(link->fd, SHUT_RDWR);
            link->phase = LINK_ANSWER;
        } else if (due < next) {
            next = due;
        }
    }
    return next;
}

static void *run_timer(void *context)
{
    struct http_server *server = context;

    (void)pthread_mutex_lock(&server->lock);
    while (!server->is_ending) {
        int64_t now = clock_monotonic_ms();
        int64_t next = resume_due(server, now);
        int64_t slow = end_slow(server, now);
        struct timespec until;
        if (slow < next)
            next = slow;
        if (server->links.next != &server->links && next > now + WATCH_MS)
            next = now + WATCH_MS; /* a connection may begin its next request at any time, unheard */
        server->is_idle = next == INT64_MAX;
        if (server->is_idle) {
            (void)pthread_cond_wait(&server->changed, &server->lock);
            continue;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)((next - now) / 1000);
        until.tv_nsec += (long)((next - now) % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&server->changed, &server->lock, &until);
    }
    (void)resume_due(server, 0);
    (void)pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void free_request(struct http_server_request *request)
{
    if (request == NULL)
        return;
    text_done(&request->body);
    text_done(&request->answer.body);
    if (request->answer.producer_free != NULL)
        request->answer.producer_free(request->answer.producer);
    for (size_t i = 0; i < ARRAY_LENGTH(request->answer.kept); i++)
        mem_free(request->answer.kept[i]);
    mem_free(request->target);
    mem_free(request->method);
    mem_free(request->path);
    mem_free(request);
}

static struct link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

/* The request of which only the target is known now; NULL: the library knows the one before. */
static void hear(struct MHD_Connection *connection, struct http_server_request *request)
{
    struct link *link = link_of(connection);

    if (link != NULL)
        link->unheard = request;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    struct link *link = *socket_context;

    (void)pthread_mutex_lock(&server->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        link = mem_alloc(sizeof *link);
        *link = (struct link){ .next = server->links.next, .previous = &server->links, .fd = http_server_fd_of(connection),
                               .since_mono = clock_monotonic_ms(), .phase = LINK_HEAD };
        link->next->previous = server->links.next = link;
        *socket_context = link;
        if (server->is_idle)
            (void)pthread_cond_signal(&server->changed); /* else the timer looks within WATCH_MS: not to be woken for each request */
        server->is_idle = false;
    } else if (link != NULL) {
        link->previous->next = link->next;
        link->next->previous = link->previous;
        free_request(link->unheard);
        mem_free(link);
        *socket_context = NULL;
    }
    (void)pthread_mutex_unlock(&server->lock);
}

void http_server_set_phase(struct http_server *server, struct MHD_Connection *connection, int phase)
{
    struct link *link = link_of(connection);

    if (link == NULL)
        return;
    (void)pthread_mutex_lock(&server->lock);
    link->phase = phase;
    link->since_mono = clock_monotonic_ms();
    (void)pthread_mutex_unlock(&server->lock);
}

void http_server_refuse(struct http_server *server, int status, const char *words, struct http_server_answer *answer)
{
    answer->status = status;
    if (server->settings.refuse != NULL)
        server->settings.refuse(server->settings.context, status, words, answer);
    else
        (void)text_append_format(&answer->body, "{\"detail\":\"%s\"}", words);
}

/* In the first call of a request: what is left of it is not read, and the connection closed. */
static mhd_result refuse(struct http_server_request *request, int status, const char *words)
{
    http_server_refuse(request->server, status, words, &request->answer);
    request->is_last = true;
    request->has_answer = true;
    return http_server_send(request);
}

/* ---- Requests ---- */

struct header_count {
    int lengths, encodings, hosts;
    size_t all;
    bool has_strange_encoding, has_strange_name;
};

/* RFC 9110: a token. Older versions of the library take "Content-Length " for the name of another header, and its body for a request. */
static bool is_token(const char *name)
{
    return name[0] != '\0' &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")] == '\0';
}


static mhd_result count_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_count *count = context;

    (void)kind;
    count->all++;
    count->has_strange_name = count->has_strange_name || !is_token(name);
    count->lengths += strcasecmp(name, "Content-Length") == 0;
    count->hosts += strcasecmp(name, "Host") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        count->encodings++;
        count->has_strange_encoding = value == NULL || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* Older versions of the library take two lengths, or a length beside an encoding: a request could be smuggled behind such a one. */
static bool is_ambiguous(const struct header_count *count)
{
    return count->lengths > 1 || count->encodings > 1 || count->hosts > 1 || (count->lengths > 0 && count->encodings > 0) || count->has_strange_encoding;
}

static bool announces_too_much(const struct http_server_request *request)
{
    const char *length = http_server_header(request, "Content-Length");
    size_t value = 0;

    for (; length != NULL && *length >= '0' && *length <= '9'; length++) {
        value = value * 10 + (size_t)(*length - '0');
        if (value > request->server->settings.body_maximum)
            return true;
    }
    return false;
}

/* What can be said of the head alone, before a body is read. NULL: nothing. */
static const char *find_fault(const struct http_server_request *request, int *ret_status)
{
    const struct http_server_settings *settings = &request->server->settings;
    struct header_count count = { 0 };

    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &count);
    *ret_status = 400;
    if (is_ambiguous(&count))
        return "ambiguous length";
    if (settings->is_exposed && count.has_strange_name)
        return "a header has a name that is none";
    *ret_status = 414;
    if (settings->target_maximum > 0 && strlen(request->target) > settings->target_maximum)
        return "the path and query are too long";
    *ret_status = 431;
    if (settings->header_maximum > 0 && count.all > settings->header_maximum)
        return "too many header lines";
    *ret_status = 413;
    return settings->refuse != NULL && announces_too_much(request) ? "the body is too large" : NULL;
}

/* The first that is heard of a request: its target, before it is decoded. */
static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = context;
    struct http_server_request *request = mem_alloc(sizeof *request);
    struct link *link = link_of(connection);

    if (link != NULL)
        free_request(link->unheard);
    hear(connection, request);
    request->server = server;
    request->connection = connection;
    request->target = mem_copy_string(target);
    text_init(&request->body, server->settings.body_maximum);
    text_init(&request->answer.body, 0);
    return request;
}

void http_server_handle(struct http_server_request *request)
{
    const struct http_server_settings *settings = &request->server->settings;

    request->answer.status = MHD_HTTP_OK;
    settings->handler(settings->context, request, &request->answer);
}

static mhd_result answer_whole(struct http_server_request *request)
{
    struct http_server *server = request->server;

    http_server_set_phase(server, request->connection, LINK_ANSWER);
    if (request->is_too_large) {
        if (server->settings.refuse != NULL) {
            http_server_refuse(server, 413, "the body is too large", &request->answer);
        } else {
            request->answer.status = 413;
            (void)text_append_format(&request->answer.body, "{\"detail\":\"Request body too large. This endpoint accepts at most %zu bytes.\"}",
                                     server->settings.body_maximum);
        }
    } else if (server->work != NULL && server->settings.is_slow(server->settings.context, request)) {
        http_server_give(request);
        return MHD_YES;
    } else {
        http_server_handle(request);
    }
    request->has_answer = true;
    if (request->answer.delay_ms <= 0)
        return http_server_send(request);
    http_server_suspend(server, request->connection, clock_monotonic_ms() + request->answer.delay_ms);
    return MHD_YES;
}

/* A worker may have made it. */
static bool is_answered(struct http_server_request *request)
{
    bool has_answer;

    (void)pthread_mutex_lock(&request->server->lock);
    has_answer = request->has_answer;
    (void)pthread_mutex_unlock(&request->server->lock);
    return has_answer;
}

static mhd_result on_access(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                            const char *upload, size_t *upload_size, void **request_context)
{
    struct http_server *server = context;
    struct http_server_request *request = *request_context;

    (void)version;
    if (request->method == NULL) {
        int status;
        const char *fault = find_fault(request, &status);
        hear(connection, NULL);
        request->is_head = strcmp(method, "HEAD") == 0;
        request->method = mem_copy_string(request->is_head ? "GET" : method);
        request->path = mem_copy_string(path);
        if (fault != NULL)
            return refuse(request, status, fault);
        http_server_set_phase(server, connection, LINK_BODY);
        return MHD_YES;
    }
    if (is_answered(request))
        return http_server_send(request);
    if (*upload_size > 0) {
        if (text_append_bytes(&request->body, upload, *upload_size) < 0)
            request->is_too_large = true;
        *upload_size = 0;
        return MHD_YES;
    }
    return answer_whole(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code)
{
    struct http_server_request *request = *request_context;

    http_server_set_phase(context, connection, LINK_HEAD);
    if (request == NULL)
        return;
    if (request->answer.fault == HTTP_SERVER_LEAVE && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        (void)shutdown(http_server_fd_of(connection), SHUT_RDWR); /* the library closes it when it finds it so */
    hear(connection, NULL);
    free_request(request);
    *request_context = NULL;
}

/* ---- Life ---- */

static void start_timer(struct http_server *server)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_create(&server->timer, NULL, run_timer, server);
}

static int find_address(const struct http_server_settings *settings, struct addrinfo **ret_address, struct error *err)
{
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    bool is_local = strcmp(settings->host, "localhost") == 0;
    char port[8];

    (void)snprintf(port, sizeof port, "%u", settings->port);
    if (getaddrinfo(is_local ? "127.0.0.1" : settings->host, port, &wanted, ret_address) != 0)
        return error_set(err, ERROR_CONFIG, "\"%.100s\" is no address to listen on", settings->host);
    return 0;
}

static struct MHD_Daemon *start_daemon(struct http_server *server, const struct addrinfo *address)
{
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    const struct MHD_OptionItem options[] = {
        { MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAXIMUM, NULL },
        { MHD_OPTION_PER_IP_CONNECTION_LIMIT, server->settings.per_address, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, NULL },
#if MHD_VERSION >= 0x00097701
        { MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL },
#else
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
#endif
        { MHD_OPTION_SOCK_ADDR, 0, address->ai_addr },
        { MHD_OPTION_END, 0, NULL },
    };

    return MHD_start_daemon(flags, server->settings.port, NULL, NULL, on_access, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_target, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static void server_done(struct http_server *server)
{
    (void)pthread_mutex_destroy(&server->lock);
    (void)pthread_cond_destroy(&server->changed);
    mem_free(server->waiting);
    mem_free(server->work);
    mem_free(server);
}

static void end_timer(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->is_ending = true;
    (void)pthread_cond_signal(&server->changed);
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_join(server->timer, NULL);
}

static bool is_strict_library(void)
{
    int version[3] = { 0 };

    if (sscanf(MHD_get_version(), "%d.%d.%d", &version[0], &version[1], &version[2]) != 3)
        return false;
    return version[0] > 1 || (version[0] == 1 && (version[1] > 0 || version[2] >= 10));
}

int http_server_start(const struct http_server_settings *settings, struct http_server **ret_server, struct error *err)
{
    struct http_server *server;
    struct addrinfo *address;
    const union MHD_DaemonInfo *info;

    if (find_address(settings, &address, err) < 0)
        return -1;
    server = mem_alloc(sizeof *server);
    server->settings = *settings;
    server->settings.head_timeout_ms = settings->head_timeout_ms > 0 ? settings->head_timeout_ms : HEAD_TIMEOUT_MS;
    server->settings.body_timeout_ms = settings->body_timeout_ms > 0 ? settings->body_timeout_ms : BODY_TIMEOUT_MS;
    server->is_single = settings->is_exposed && !is_strict_library();
    server->settings.per_address = settings->per_address > 0 ? settings->per_address : CONNECTIONS_PER_ADDRESS;
    server->links.next = server->links.previous = &server->links;
    start_timer(server);
    http_server_start_workers(server);
    server->daemon = start_daemon(server, address);
    freeaddrinfo(address);
    if (server->daemon == NULL) {
        int cause = errno;
        http_server_end_workers(server);
        end_timer(server);
        server_done(server);
        return error_set(err, ERROR_IO, "cannot listen on %s port %u: %s", settings->host, settings->port, strerror(cause));
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info != NULL ? info->port : settings->port;
    *ret_server = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    http_server_end_workers(server);
    end_timer(server); /* resumes all: the library must not be stopped with suspended connections */
    MHD_stop_daemon(server->daemon);
    server_done(server);
}
