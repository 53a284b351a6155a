#include "base/http_server.h"

#include "base/clock.h"
#include "base/mem.h"

#include <microhttpd.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#if MHD_VERSION >= 0x00097002
typedef enum MHD_Result mhd_result;
#else
typedef int mhd_result;
#endif

enum {
    CONNECTIONS_MAXIMUM = 256,
    CONNECTION_MEMORY = 32 << 10,
    CONNECTION_TIMEOUT_S = 30,
    PRODUCE_BLOCK = 32 << 10,
};

struct waiting {
    struct MHD_Connection *connection;
    int64_t due_mono;              /* INT64_MAX: until the server ends */
};

struct http_server {
    struct http_server_settings settings;
    struct MHD_Daemon *daemon;
    uint16_t port;

    pthread_t timer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    struct waiting *waiting;       /* suspended connections */
    size_t count, capacity;
};

struct http_server_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    char *method, *path;
    struct text body;
    bool is_too_large;
    bool has_answer;               /* waits for its delay */
    struct http_server_answer answer;
};

/* ---- What a handler asks ---- */

const char *http_server_method(const struct http_server_request *request)
{
    return request->method;
}

const char *http_server_path(const struct http_server_request *request)
{
    return request->path;
}

const char *http_server_query(const struct http_server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_server_header(const struct http_server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_server_body(const struct http_server_request *request, size_t *ret_size)
{
    *ret_size = request->body.size;
    return request->body.data;
}

/* ---- Suspended connections ---- */

static void suspend(struct http_server *server, struct MHD_Connection *connection, int64_t due_mono)
{
    (void)pthread_mutex_lock(&server->lock);
    if (!server->is_ending) {
        MHD_suspend_connection(connection);
        server->waiting = mem_grow(server->waiting, server->count, &server->capacity, sizeof *server->waiting);
        server->waiting[server->count++] = (struct waiting){ connection, due_mono };
        (void)pthread_cond_signal(&server->changed);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

/* Resumes what is due; returns when the next one is. */
static int64_t resume_due(struct http_server *server, int64_t now)
{
    int64_t next = INT64_MAX;
    size_t kept = 0;

    for (size_t i = 0; i < server->count; i++) {
        if (server->waiting[i].due_mono <= now || server->is_ending) {
            MHD_resume_connection(server->waiting[i].connection);
            continue;
        }
        if (server->waiting[i].due_mono < next)
            next = server->waiting[i].due_mono;
        server->waiting[kept++] = server->waiting[i];
    }
    server->count = kept;
    return next;
}

static void *run_timer(void *context)
{
    struct http_server *server = context;

    (void)pthread_mutex_lock(&server->lock);
    while (!server->is_ending) {
        int64_t now = clock_monotonic_ms();
        int64_t next = resume_due(server, now);
        struct timespec until;
        if (next == INT64_MAX) {
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

/* ---- Answers ---- */

/* The body of an answer while it is being sent. */
struct body {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct text text;
    enum http_server_fault fault;
    size_t cut_after;
    int64_t (*produce)(void *producer, uint64_t position, char *buffer, size_t room);
    void (*producer_free)(void *producer);
    void *producer;
    bool is_stalled;
};

static void free_body(void *context)
{
    struct body *body = context;

    text_done(&body->text);
    if (body->producer_free != NULL)
        body->producer_free(body->producer);
    mem_free(body);
}

static ssize_t read_body(void *context, uint64_t position, char *buffer, size_t room)
{
    struct body *body = context;
    bool is_cut = body->fault != HTTP_SERVER_WELL;
    size_t left;

    if (is_cut && position >= body->cut_after) {
        if (body->fault != HTTP_SERVER_STALL || body->is_stalled)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        body->is_stalled = true;
        suspend(body->server, body->connection, INT64_MAX);
        return 0;
    }
    if (is_cut && room > body->cut_after - position)
        room = (size_t)(body->cut_after - position);
    if (body->produce != NULL) {
        int64_t made = body->produce(body->producer, position, buffer, room);
        return made > 0 ? (ssize_t)made : made == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (position >= body->text.size)
        return MHD_CONTENT_READER_END_OF_STREAM;
    left = body->text.size - (size_t)position;
    if (left > room)
        left = room;
    memcpy(buffer, body->text.data + position, left);
    return (ssize_t)left;
}

static void add_header(struct MHD_Response *response, const char *line)
{
    char name[100];
    const char *colon = strchr(line, ':');
    size_t length = colon != NULL ? (size_t)(colon - line) : 0;

    if (length == 0 || length >= sizeof name)
        return;
    memcpy(name, line, length);
    name[length] = '\0';
    colon++;
    while (*colon == ' ')
        colon++;
    (void)MHD_add_response_header(response, name, colon);
}

static mhd_result send_answer(struct http_server_request *request)
{
    struct http_server_answer *answer = &request->answer;
    struct body *body;
    struct MHD_Response *response;
    uint64_t size;
    mhd_result result;

    if (answer->fault == HTTP_SERVER_DROP)
        return MHD_NO;
    body = mem_alloc(sizeof *body);
    *body = (struct body){
        .server = request->server, .connection = request->connection, .text = answer->body, .fault = answer->fault, .cut_after = answer->cut_after,
        .produce = answer->produce, .producer_free = answer->producer_free, .producer = answer->producer,
    };
    size = answer->produce != NULL || answer->fault == HTTP_SERVER_CUT_CHUNKED ? MHD_SIZE_UNKNOWN : body->text.size;
    text_init(&answer->body, 0);
    answer->producer_free = NULL;
    response = MHD_create_response_from_callback(size, PRODUCE_BLOCK, read_body, body, free_body);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", answer->content_type != NULL ? answer->content_type : "application/json");
    for (size_t i = 0; i < ARRAY_LENGTH(answer->headers) && answer->headers[i] != NULL; i++)
        add_header(response, answer->headers[i]);
    result = MHD_queue_response(request->connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static mhd_result refuse(struct MHD_Connection *connection, unsigned status, const char *words)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(words), (void *)(uintptr_t)words, MHD_RESPMEM_PERSISTENT);
    mhd_result result;

    (void)MHD_add_response_header(response, "Connection", "close");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Requests ---- */

struct header_count {
    int lengths, encodings;
};

static mhd_result count_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_count *count = context;

    (void)kind;
    (void)value;
    count->lengths += strcasecmp(name, "Content-Length") == 0;
    count->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    return MHD_YES;
}

/* Older versions of the library take two lengths, or a length beside an encoding: a request could be smuggled behind such a one. */
static bool is_ambiguous(struct MHD_Connection *connection)
{
    struct header_count count = { 0 };

    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &count);
    return count.lengths > 1 || count.encodings > 1 || (count.lengths > 0 && count.encodings > 0);
}

static struct http_server_request *new_request(struct http_server *server, struct MHD_Connection *connection, const char *method, const char *path)
{
    struct http_server_request *request = mem_alloc(sizeof *request);

    request->server = server;
    request->connection = connection;
    request->method = mem_copy_string(strcmp(method, "HEAD") == 0 ? "GET" : method);
    request->path = mem_copy_string(path);
    text_init(&request->body, server->settings.body_maximum);
    text_init(&request->answer.body, 0);
    return request;
}

static mhd_result on_access(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                            const char *upload, size_t *upload_size, void **request_context)
{
    struct http_server *server = context;
    struct http_server_request *request = *request_context;

    (void)version;
    if (request == NULL) {
        if (is_ambiguous(connection))
            return refuse(connection, MHD_HTTP_BAD_REQUEST, "{\"detail\":\"ambiguous length\"}");
        *request_context = new_request(server, connection, method, path);
        return MHD_YES;
    }
    if (request->has_answer)
        return send_answer(request);
    if (*upload_size > 0) {
        if (text_append_bytes(&request->body, upload, *upload_size) < 0)
            request->is_too_large = true;
        *upload_size = 0;
        return MHD_YES;
    }
    request->answer.status = MHD_HTTP_OK;
    if (request->is_too_large) {
        request->answer.status = 413;
        (void)text_append_format(&request->answer.body, "{\"detail\":\"Request body too large. This endpoint accepts at most %zu bytes.\"}",
                                 server->settings.body_maximum);
    } else {
        server->settings.handler(server->settings.context, request, &request->answer);
    }
    request->has_answer = true;
    if (request->answer.delay_ms <= 0)
        return send_answer(request);
    suspend(server, connection, clock_monotonic_ms() + request->answer.delay_ms);
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code)
{
    struct http_server_request *request = *request_context;

    (void)context;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    text_done(&request->body);
    text_done(&request->answer.body);
    if (request->answer.producer_free != NULL)
        request->answer.producer_free(request->answer.producer);
    mem_free(request->method);
    mem_free(request->path);
    mem_free(request);
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

int http_server_start(const struct http_server_settings *settings, struct http_server **ret_server, struct error *err)
{
    struct http_server *server = mem_alloc(sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(settings->port) };
    const union MHD_DaemonInfo *info;

    server->settings = *settings;
    if (inet_pton(AF_INET, settings->host, &address.sin_addr) != 1) {
        mem_free(server);
        return error_set(err, ERROR_CONFIG, "\"%.100s\" is no IPv4 address", settings->host);
    }
    server->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, settings->port, NULL, NULL,
                                      on_access, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED,
                                      on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAXIMUM,
                                      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                                      (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (server->daemon == NULL) {
        mem_free(server);
        return error_set(err, ERROR_IO, "cannot listen on %s port %u: is the port in use?", settings->host, settings->port);
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info != NULL ? info->port : settings->port;
    start_timer(server);
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
    (void)pthread_mutex_lock(&server->lock);
    server->is_ending = true;
    (void)pthread_cond_signal(&server->changed);
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_join(server->timer, NULL);
    MHD_stop_daemon(server->daemon);
    (void)pthread_mutex_destroy(&server->lock);
    (void)pthread_cond_destroy(&server->changed);
    mem_free(server->waiting);
    mem_free(server);
}
