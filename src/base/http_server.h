/* http_server.h - a small HTTP server for the fakes and the management API: libmicrohttpd behind our own words.
 *
 * The handler runs in the server's thread(s) and fills an answer. Limits: header 10 s, body 30 s, 256 connections in all, body at most
 * body_maximum, ambiguous requests (Content-Length twice or with Transfer-Encoding) refused with 400. */
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

enum http_server_fault {           /* for the fakes: how an answer goes wrong */
    HTTP_SERVER_WELL,
    HTTP_SERVER_DROP,              /* the connection is closed without an answer */
    HTTP_SERVER_CUT,               /* the head announces the whole body, cut_after bytes of it are sent, then close */
    HTTP_SERVER_CUT_CHUNKED,       /* chunked, cut_after bytes, then close without the last chunk */
    HTTP_SERVER_STALL,             /* cut_after bytes, then silence while the connection stays open (until the peer leaves) */
};

struct http_server_answer {
    int status;
    const char *content_type;      /* NULL: application/json */
    const char *headers[8];        /* "Name: value", borrowed until the handler returns; NULL = end */
    struct text body;              /* the server takes it over */
    enum http_server_fault fault;
    size_t cut_after;
    int64_t delay_ms;              /* answer this much later, without blocking other requests */
    /* Streams a body that is too large to hold: called until it returns 0; -1 breaks off. NULL: body is used. */
    int64_t (*produce)(void *producer, uint64_t position, char *buffer, size_t room);
    void (*producer_free)(void *producer);
    void *producer;
};

typedef void http_server_handler(void *context, const struct http_server_request *request, struct http_server_answer *answer);

struct http_server_settings {
    const char *host;              /* "127.0.0.1" */
    uint16_t port;                 /* 0: any */
    size_t body_maximum;
    http_server_handler *handler;
    void *context;
};

int http_server_start(const struct http_server_settings *settings, struct http_server **ret_server, struct error *err);
uint16_t http_server_port(const struct http_server *server);
void http_server_free(struct http_server *server); /* waits for handlers under way */
AUTO_DEFINE(http_server)

#endif
