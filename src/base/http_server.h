/* http_server.h - a small HTTP server for the fakes and the management API: libmicrohttpd behind our own words.
 *
 * The handler runs in the server's thread and fills an answer; what takes longer can be left to a few workers (is_slow), so that the others are
 * answered meanwhile. HEAD is answered like GET. Limits: head 10 s and body 30 s however slowly they trickle in, 256 connections in all and 128 from
 * one address, body at most body_maximum (413, before it is read where its length is announced), head at most 32 kB. Ambiguous requests (a length,
 * encoding or host twice, a length beside an encoding) are refused with 400, also where the library would take them. */
#ifndef MC_BASE_HTTP_SERVER_H
#define MC_BASE_HTTP_SERVER_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct http_server;
struct http_server_request; /* opaque; alive during the handler call */

const char *http_server_method(const struct http_server_request *request);
const char *http_server_path(const struct http_server_request *request); /* percent-decoded; begins with "/" */
const char *http_server_query(const struct http_server_request *request, const char *name);  /* NULL when not there */
const char *http_server_header(const struct http_server_request *request, const char *name); /* NULL when not there */
const char *http_server_body(const struct http_server_request *request, size_t *ret_size);
const char *http_server_target(const struct http_server_request *request); /* as it came: "/a%2Fb?x=1", not decoded */
bool http_server_is_head(const struct http_server_request *request);
/* Which thread runs the handler: 0 the server's own, 1..workers a worker. */
size_t http_server_thread(const struct http_server_request *request);

enum { HTTP_SERVER_PEER_SIZE = 48 };
void http_server_peer(const struct http_server_request *request, char ret_address[HTTP_SERVER_PEER_SIZE]); /* "127.0.0.1", "::1"; "" unknown */
/* All headers, in no order; each returns false to stop. */
void http_server_each_header(const struct http_server_request *request, bool (*each)(void *context, const char *name, const char *value), void *context);

enum http_server_fault {           /* for the fakes: how an answer goes wrong */
    HTTP_SERVER_WELL,
    HTTP_SERVER_DROP,              /* the connection is closed without an answer */
    HTTP_SERVER_CUT,               /* the head announces the whole body, cut_after bytes of it are sent, then close */
    HTTP_SERVER_CUT_CHUNKED,       /* chunked, cut_after bytes, then close without the last chunk */
    HTTP_SERVER_RESET,             /* the head announces the whole body, cut_after bytes of it are sent, then a reset */
    HTTP_SERVER_STALL,             /* cut_after bytes, then silence while the connection stays open (until the peer leaves) */
    HTTP_SERVER_LEAVE,             /* the whole answer, then close, though the head did not say so */
    HTTP_SERVER_DRIP,              /* cut_after bytes, then delay_ms of silence, and so on to the end */
};

struct http_server_answer {
    int status;
    const char *content_type;      /* NULL: application/json */
    const char *headers[16];       /* "Name: value", borrowed until the answer was sent (or see http_server_add_header); NULL = end */
    char *kept[16];                /* the server frees them */
    struct text body;              /* the server takes it over */
    enum http_server_fault fault;
    size_t cut_after;
    int64_t delay_ms;              /* answer this much later, without blocking other requests */
    /* Streams a body that is too large to hold: called until it returns 0; -1 breaks off. NULL: body is used. */
    int64_t (*produce)(void *producer, uint64_t position, char *buffer, size_t room);
    void (*producer_free)(void *producer);
    void *producer;
    /* > 0: produce may also return HTTP_SERVER_LATER: it has nothing to say now and is asked again after http_server_wake, at the latest after this long.
     * Such a stream costs no thread while it waits; it ends when its client leaves, when the server ends, or when a piece of it was not read within
     * answer_timeout_ms: that piece is all that is kept for a slow client. */
    int64_t later_ms;
};

enum { HTTP_SERVER_LATER = -2 };

/* A header that is copied; more than fit are left out (and logged). */
void http_server_add_header(struct http_server_answer *answer, const char *name, const char *value);

typedef void http_server_handler(void *context, const struct http_server_request *request, struct http_server_answer *answer);

struct http_server_settings {
    const char *host;              /* an address: "127.0.0.1", "::1", "0.0.0.0"; or "localhost" */
    uint16_t port;                 /* 0: any */
    size_t body_maximum;
    int64_t head_timeout_ms;       /* 0: 10 s, from the connection or the end of the last request */
    int64_t body_timeout_ms;       /* 0: 30 s, for the whole body of a request */
    http_server_handler *handler;
    void *context;

    /* All below may be 0 or NULL. */
    unsigned per_address;          /* connections of one address; 0: 128 */
    size_t target_maximum;         /* a longer path and query is refused (414) */
    size_t header_maximum;         /* more header lines are refused (431) */
    /* Whoever speaks here is not trusted: header names that are none are refused, and where the library is older than 1.0.10, which was seen to refuse
     * every request that two readers may cut differently, a connection carries one request: whatever hides behind it is never looked at. */
    bool is_exposed;
    int64_t answer_timeout_ms;     /* for the whole of an answer that has a length, however slowly it is read; for each piece of a stream with later_ms */
    /* Fills the body of what the server itself refuses (400, 413, 414, 431, 503); without it {"detail":words}. Any thread of the server. */
    void (*refuse)(void *context, int status, const char *words, struct http_server_answer *answer);
    /* true: the handler runs in one of the workers while the connection waits. Called in the server's thread. */
    bool (*is_slow)(void *context, const struct http_server_request *request);
    size_t workers;                /* with is_slow: 1..16 */
};

int http_server_start(const struct http_server_settings *settings, struct http_server **ret_server, struct error *err);
uint16_t http_server_port(const struct http_server *server);
/* Any thread: every stream that said HTTP_SERVER_LATER is asked again, soon. Does not wait. */
void http_server_wake(struct http_server *server);
void http_server_free(struct http_server *server); /* waits for handlers under way; streams end at once */
AUTO_DEFINE(http_server)

#endif
