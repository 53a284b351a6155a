/* http.h - HTTP as the engine sees it: start, pause, cancel, poll. The one seam under which the simulation puts its network.
 *
 * Requests run side by side in one thread. http_poll is the one place where the program blocks; while it runs, it calls the
 * requests' handlers. A handler may start and cancel requests (also its own), but not poll.
 *
 * Life of a request: http_start -> on_data* -> on_done exactly once, or http_cancel and then no further call. */
#ifndef MC_BASE_HTTP_H
#define MC_BASE_HTTP_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t http_id; /* never 0, never used twice */

enum http_end {
    HTTP_ANSWERED,   /* a whole answer, whatever its status */
    HTTP_NOT_SENT,   /* no connection (name, address, TLS): nothing of the request can have arrived */
    HTTP_NO_ANSWER,  /* it may have arrived: reset, closed, time-out before the whole head of the answer */
    HTTP_TRUNCATED,  /* status and a part of the body came, then reset, close, stall or time-out */
    HTTP_TOO_LARGE,  /* the answer passed answer_maximum; what came before was delivered */
};

/* How far a request came, for whoever looks why it did not come further. */
enum http_stage {
    HTTP_STAGE_NAME,       /* the name was not found; also: nobody noted it */
    HTTP_STAGE_CONNECTION, /* the name was found; no connection */
    HTTP_STAGE_TLS,        /* connected; the handshake failed */
    HTTP_STAGE_READY,      /* the connection stood */
};

struct http_answer {
    enum http_end end;
    enum http_stage stage;
    int status;                /* 0 unless ANSWERED, TRUNCATED or TOO_LARGE */
    bool is_tls_failure;       /* with NOT_SENT: certificate or handshake; never retried as plain http */
    bool is_timeout;           /* with NO_ANSWER, TRUNCATED: time-out or stall, not a reset */
    int64_t retry_after_ms;    /* -1: none; 0..; from seconds or date, as the server said it (the caller caps) */
    int64_t date_ms;           /* the server's Date; -1: none */
    int64_t content_length;    /* announced; -1: not */
    int64_t received_bytes;    /* of the body, after decoding */
    const char *content_type;  /* "" when none; borrowed until on_done returns, as all pointers here */
    const char *location;      /* "" when none: redirects are never followed */
    const char *address;       /* of the server, or of the proxy before it; NULL or "" when not known */
    int64_t certificate_ms;    /* when the server's certificate ends; 0: not known, or wants_certificate was not set */
    const char *new_token;     /* header X-New-Token; NULL or "" when none, or longer than a token is */
    const char *body;          /* NUL-terminated; "" for streamed requests */
    size_t body_size;
    const char *words;         /* what went wrong, for people: "connection refused"; "" when ANSWERED */
};

struct http_request {
    const char *method;               /* "GET" or "POST" */
    const char *url;                  /* http or https, no user info */
    const char *const *headers;       /* "Name: value", NULL-terminated; may be NULL; no CR or LF inside */
    const char *body;                 /* NULL: none; copied by nobody: borrowed until on_done or cancel */
    size_t body_size;
    int64_t connect_timeout_ms;       /* 0: 10 s */
    int64_t timeout_ms;               /* for the whole request; 0: none (streams use stall_timeout_ms) */
    int64_t stall_timeout_ms;         /* no byte for so long, while not paused; 0: none */
    int64_t answer_maximum;           /* bytes of the body after decoding; must be > 0 */
    bool unrepeatable;                /* must reach the server at most once: goes over a connection of its own, because libcurl
                                         silently repeats a request on a reused connection that turns out to be dead */
    bool wants_certificate;           /* with unrepeatable: certificate_ms, where the TLS library tells it */
    const struct http_trust *trust;   /* NULL: the system's CAs; borrowed until on_done */

    void *owner;
    /* A piece of the body; NULL: the body is collected for on_done. false: not now. The same bytes come again after
     * http_pause(id, false); until then the request is paused. */
    bool (*on_data)(void *owner, http_id id, const char *bytes, size_t size);
    void (*on_done)(void *owner, http_id id, const struct http_answer *answer);
};

struct http_trust {
    const char *ca_file;  /* "" or NULL: the system's */
    const char *proxy;    /* "" or NULL: none; the environment's proxies are not used */
    bool insecure;        /* do not verify; loud in the log */
    /* For URLs of somebody who may not point into our network: only public addresses of other machines, judged when the connection is
     * made (a name may lead elsewhere each time), over connections of their own, and never through a proxy, which would choose the address. */
    bool public_only;
    const char *const *networks; /* with public_only: what may be reached all the same, "10.1.0.0/16", "192.168.1.7", "fd00::/8"; NULL: nothing */
    size_t network_count;
};

struct http {
    void *self;
    int (*start)(void *self, const struct http_request *request, http_id *ret_id, struct error *err);
    void (*pause)(void *self, http_id id, bool paused);
    void (*cancel)(void *self, http_id id);
    /* Returns as soon as a handler was called, woken, or monotonic until_ms has come (<= now: does not block). -1: nothing can go on. */
    int (*poll)(void *self, int64_t until_ms, struct error *err);
    void (*wake)(void *self); /* from any thread or signal handler: poll returns soon */
};

static inline int http_start(struct http *http, const struct http_request *request, http_id *ret_id, struct error *err)
{
    return http->start(http->self, request, ret_id, err);
}
static inline void http_pause(struct http *http, http_id id, bool paused) { http->pause(http->self, id, paused); }
static inline void http_cancel(struct http *http, http_id id) { http->cancel(http->self, id); }
static inline int http_poll(struct http *http, int64_t until_ms, struct error *err)
{
    return http->poll(http->self, until_ms, err);
}
static inline void http_wake(struct http *http) { http->wake(http->self); }

#endif
