/* handle_events.c - GET /api/v1/events: what happens, as Server-Sent Events.
 *
 * A stream reads the bus behind the number that it told last, so it costs nothing while nothing happens, and the writer never waits for it. What is kept
 * for one is at most a piece of TOLD_AT_ONCE bytes plus one event. A client that is so slow that events were overwritten before it took them is let go:
 * it comes back with Last-Event-ID and is told that it missed some.
 *
 * Source of the format: the HTML standard, section 9.2 (Server-sent events). All of this runs in the server's own thread. */
#include "api/api_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    HEARTBEAT_MS = 15000,
    LOOK_MS = 5000,                /* how often an idle stream is looked at; divides HEARTBEAT_MS */
    RETRY_MS = 3000,               /* how long a client that lost its connection waits */
    TOLD_AT_ONCE = 16 << 10,
};

struct event_stream {
    struct api *api;
    char address[HTTP_SERVER_PEER_SIZE];
    char connector[65];            /* "": all */
    int64_t after;                 /* number of the last event that was looked at */
    int64_t spoke_mono;
    bool has_begun;
    bool is_behind;                /* it was told that it missed some, and no event since */
    struct text said;              /* not sent yet from at on; without memory while the stream is idle */
    size_t at;
};

/* ---- What is said ---- */

static void say_event(struct event_stream *stream, const struct bus_event *event)
{
    (void)text_append_format(&stream->said, "id: %lld\nevent: %s\ndata: ", (long long)event->number, bus_kind_name(event->kind));
    (void)text_append_bytes(&stream->said, event->json.data, event->json.size);
    (void)text_append(&stream->said, "\n\n");
}

/* An id without data changes only what the client names when it comes back: also one that has seen no event goes on where it was. */
static void say_hello(struct event_stream *stream, bool has_missed)
{
    (void)text_append_format(&stream->said, "retry: %d\n", RETRY_MS);
    if (!has_missed)
        (void)text_append_format(&stream->said, "id: %lld\n", (long long)stream->after);
    (void)text_append_char(&stream->said, '\n');
    if (has_missed)
        (void)text_append(&stream->said, "event: missed\ndata: {\"type\":\"missed\",\"message\":\"events before these were overwritten; read the status and the history again\"}\n\n");
}

/* Gathers what there is to say; false: the client is too slow. */
static bool gather(struct event_stream *stream)
{
    struct bus *bus = stream->api->settings.bus;
    struct bus_event event = { 0 };
    bool has_missed = false;
    bool is_slow = false;

    text_init(&event.json, 0);
    while (stream->said.size < TOLD_AT_ONCE && !is_slow && bus_read(bus, stream->after, &event, &has_missed) > 0) {
        if (!stream->has_begun)
            say_hello(stream, has_missed);
        is_slow = stream->has_begun && has_missed && !stream->is_behind;
        stream->has_begun = true;
        stream->is_behind = false;
        stream->after = event.number;
        if (stream->connector[0] == '\0' || strcmp(stream->connector, event.connector) == 0)
            say_event(stream, &event);
    }
    text_done(&event.json);
    if (!stream->has_begun) {
        say_hello(stream, has_missed);
        stream->is_behind = has_missed; /* without an event behind: they were of another start of the service */
        stream->has_begun = true;
    }
    return !is_slow;
}

static int64_t produce(void *producer, uint64_t position, char *buffer, size_t room)
{
    struct event_stream *stream = producer;
    int64_t now = clock_monotonic_ms();
    size_t left;

    (void)position;
    if (stream->at == stream->said.size) {
        text_done(&stream->said);
        text_init(&stream->said, 0);
        stream->at = 0;
        if (!gather(stream))
            return 0;
        if (stream->said.size == 0 && now - stream->spoke_mono >= HEARTBEAT_MS)
            (void)text_append(&stream->said, ": still here\n\n");
    }
    left = stream->said.size - stream->at;
    if (left == 0)
        return HTTP_SERVER_LATER;
    if (left > room)
        left = room;
    memcpy(buffer, stream->said.data + stream->at, left);
    stream->at += left;
    stream->spoke_mono = now;
    return (int64_t)left;
}

/* ---- Life ---- */

static void free_stream(void *producer)
{
    struct event_stream *stream = producer;

    for (size_t i = 0; i < API_STREAMS_MAXIMUM; i++)
        if (stream->api->streams[i] == stream)
            stream->api->streams[i] = NULL;
    atomic_fetch_sub(&stream->api->stream_count, 1);
    text_done(&stream->said);
    mem_free(stream);
}

/* A free place for one more stream of this address; NULL: there are enough. */
static struct event_stream **find_place(struct api *api, const char *address)
{
    struct event_stream **place = NULL;
    size_t of_address = 0;

    for (size_t i = 0; i < API_STREAMS_MAXIMUM; i++) {
        if (api->streams[i] == NULL)
            place = &api->streams[i];
        else
            of_address += strcmp(api->streams[i]->address, address) == 0;
    }
    return of_address < API_STREAMS_PER_ADDRESS ? place : NULL;
}

/* Behind which event the client wants to go on; -1: only what is new; -2: the problem is in the answer. */
static int64_t read_last_id(struct api_request *request, struct api_answer *answer)
{
    const char *words = http_server_header(request->http, "Last-Event-ID");
    int64_t number = 0;

    if (words == NULL || words[0] == '\0')
        return api_parameter_integer(request, "last_event_id", -1);
    for (const char *at = words; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > INT64_MAX / 100) {
            api_problem(request, answer, PROBLEM_BAD_REQUEST, "Last-Event-ID is none of the numbers that this service gives");
            return -2;
        }
        number = number * 10 + (*at - '0');
    }
    return number;
}

void handle_events(struct api_request *request, struct api_answer *answer)
{
    struct api *api = request->api;
    const char *connector = api_parameter(request, "connector");
    int64_t last = bus_last(api->settings.bus);
    int64_t after = read_last_id(request, answer);
    char address[HTTP_SERVER_PEER_SIZE];
    struct event_stream **place;
    struct event_stream *stream;

    if (after == -2)
        return;
    api_client_address(api->config, request->http, address);
    place = find_place(api, address);
    if (place == NULL) {
        api_header(answer, "Retry-After", "%d", RETRY_MS / 1000);
        api_problem(request, answer, PROBLEM_UNAVAILABLE, "%d streams of events are open, or %d of this address: close one", API_STREAMS_MAXIMUM, API_STREAMS_PER_ADDRESS);
        return;
    }
    stream = *place = mem_alloc(sizeof *stream);
    atomic_fetch_add(&api->stream_count, 1);
    stream->api = api;
    stream->after = after < 0 ? last : after > last ? 0 : after; /* a number of the future is of another life of this service: all of that is missed */
    (void)snprintf(stream->address, sizeof stream->address, "%s", address);
    (void)snprintf(stream->connector, sizeof stream->connector, "%s", connector != NULL ? connector : "");
    text_init(&stream->said, 0);
    api_header(answer, "X-Accel-Buffering", "no"); /* a proxy before us must not collect them */
    answer->http->content_type = "text/event-stream";
    answer->http->later_ms = LOOK_MS;
    answer->http->produce = produce;
    answer->http->producer_free = free_stream;
    answer->http->producer = stream;
}
