/* http_server_answer.c - what is sent: an answer that is there as a whole, one that is made while it is sent, and those that break on purpose. */
#include "base/http_server_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <sys/socket.h>

enum {
    RESET_DELAY_MS = 100,          /* a reset sweeps away what the peer has not read: give it time to */
    PRODUCE_BLOCK = 32 << 10,
    STREAM_BLOCK = 1 << 10,        /* many of them wait at the same time */
};

/* The body of an answer while it is being sent. */
struct body {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct text text;
    enum http_server_fault fault;
    size_t cut_after;
    int64_t delay_ms;
    uint64_t next_cut;             /* up to here it may be sent before the fault comes */
    int64_t (*produce)(void *producer, uint64_t position, char *buffer, size_t room);
    void (*producer_free)(void *producer);
    void *producer;
    int64_t later_ms;
    bool has_waited;
};

static void free_body(void *context)
{
    struct body *body = context;

    text_done(&body->text);
    if (body->producer_free != NULL)
        body->producer_free(body->producer);
    mem_free(body);
}

static void reset_connection(struct MHD_Connection *connection)
{
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    (void)connect(http_server_fd_of(connection), &nobody, sizeof nobody); /* dissolves the connection: the peer gets a reset */
}

/* What happens where the answer is cut: <0 ends it, 0 waits (the library asks again), >0 goes on. */
static int act_fault(struct body *body)
{
    int64_t now = clock_monotonic_ms();
    bool has_waited = body->has_waited;

    body->has_waited = !has_waited;
    if (!has_waited && body->fault != HTTP_SERVER_CUT && body->fault != HTTP_SERVER_CUT_CHUNKED) {
        http_server_suspend(body->server, body->connection,
                body->fault == HTTP_SERVER_STALL ? INT64_MAX : now + (body->fault == HTTP_SERVER_RESET ? RESET_DELAY_MS : body->delay_ms));
        return 0;
    }
    if (body->fault == HTTP_SERVER_RESET)
        reset_connection(body->connection);
    if (body->fault != HTTP_SERVER_DRIP)
        return -1;
    body->next_cut += body->cut_after > 0 ? body->cut_after : 1;
    return 1;
}

/* Whoever wakes the stream after it was asked and before it is suspended has counted on, and it is asked once more. */
static ssize_t read_stream(struct body *body, uint64_t position, char *buffer, size_t room)
{
    struct http_server *server = body->server;
    struct waiting waiting = { .connection = body->connection, .fd = http_server_fd_of(body->connection), .is_watched = true, .is_stream = true };
    bool is_suspended = false;

    http_server_set_phase(server, body->connection, LINK_ANSWER); /* what was produced before has been sent */
    while (!is_suspended) {
        bool is_ending;
        int64_t made;
        (void)pthread_mutex_lock(&server->lock);
        waiting.wakes = server->wakes;
        is_ending = server->is_ending;
        (void)pthread_mutex_unlock(&server->lock);
        if (is_ending)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (http_server_has_left(waiting.fd))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        made = body->produce(body->producer, position, buffer, room);
        if (made > 0 && server->settings.answer_timeout_ms > 0)
            http_server_set_phase(server, body->connection, LINK_SENDING);
        if (made != HTTP_SERVER_LATER)
            return made > 0 ? (ssize_t)made : made == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
        waiting.due_mono = clock_monotonic_ms() + body->later_ms;
        (void)pthread_mutex_lock(&server->lock);
        is_suspended = !server->is_ending && waiting.wakes == server->wakes;
        if (is_suspended)
            http_server_suspend_locked(server, &waiting);
        (void)pthread_mutex_unlock(&server->lock);
    }
    return 0;
}

static ssize_t read_body(void *context, uint64_t position, char *buffer, size_t room)
{
    struct body *body = context;
    size_t left;

    if (body->later_ms > 0)
        return read_stream(body, position, buffer, room);
    if (body->fault != HTTP_SERVER_WELL) {
        int turn = position >= body->next_cut ? act_fault(body) : 1;
        if (turn <= 0)
            return turn == 0 ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
        if (room > body->next_cut - position)
            room = (size_t)(body->next_cut - position);
    }
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

/* The library asks for its body piece by piece. */
static struct MHD_Response *make_piecemeal(struct http_server_request *request)
{
    struct http_server_answer *answer = &request->answer;
    struct body *body = mem_alloc(sizeof *body);
    uint64_t size;

    *body = (struct body){
        .server = request->server, .connection = request->connection, .text = answer->body, .cut_after = answer->cut_after,
        .fault = answer->fault != HTTP_SERVER_LEAVE ? answer->fault : HTTP_SERVER_WELL,
        .next_cut = answer->cut_after, .delay_ms = answer->delay_ms,
        .produce = answer->produce, .producer_free = answer->producer_free, .producer = answer->producer, .later_ms = answer->later_ms,
    };
    size = answer->produce != NULL || answer->fault == HTTP_SERVER_CUT_CHUNKED ? MHD_SIZE_UNKNOWN : body->text.size;
    text_init(&answer->body, 0);
    answer->producer_free = NULL;
    return MHD_create_response_from_callback(size, answer->later_ms > 0 ? STREAM_BLOCK : PRODUCE_BLOCK, read_body, body, free_body);
}

/* Most answers are there as a whole: the library sends head and body in one call, and needs no block to copy the body through. */
static struct MHD_Response *make_response(struct http_server_request *request)
{
    struct http_server_answer *answer = &request->answer;
    bool is_well = answer->fault == HTTP_SERVER_WELL || answer->fault == HTTP_SERVER_LEAVE;
    size_t size = answer->body.size;
    struct MHD_Response *response;
    char *bytes;

    if (!is_well || answer->produce != NULL)
        return make_piecemeal(request);
    bytes = text_take(&answer->body);
    response = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        mem_free(bytes);
    return response;
}

mhd_result http_server_send(struct http_server_request *request)
{
    struct http_server_answer *answer = &request->answer;
    struct MHD_Response *response;
    mhd_result result;

    if (answer->fault == HTTP_SERVER_DROP)
        return MHD_NO;
    if (answer->produce == NULL && answer->fault != HTTP_SERVER_CUT_CHUNKED && request->server->settings.answer_timeout_ms > 0)
        http_server_set_phase(request->server, request->connection, LINK_SENDING);
    response = make_response(request);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", answer->content_type != NULL ? answer->content_type : "application/json");
    for (size_t i = 0; i < ARRAY_LENGTH(answer->headers) && answer->headers[i] != NULL; i++)
        add_header(response, answer->headers[i]);
    if (request->server->is_single || request->is_last)
        (void)MHD_add_response_header(response, "Connection", "close");
    result = MHD_queue_response(request->connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}
