/* http_server_internal.h - what the files of the HTTP server share. */
#ifndef MC_BASE_HTTP_SERVER_INTERNAL_H
#define MC_BASE_HTTP_SERVER_INTERNAL_H

#include "base/http_server.h"

#include <microhttpd.h>
#include <pthread.h>

#if MHD_VERSION >= 0x00097002
typedef enum MHD_Result mhd_result;
#else
typedef int mhd_result;
#endif

/* The library's time-out starts anew with every byte, so a client that trickles would hold its connection for ever. */
struct link {
    struct link *next, *previous;
    int fd;
    int64_t since_mono;            /* when the head or body began to be awaited, or the answer to be sent */
    enum { LINK_HEAD, LINK_BODY, LINK_ANSWER, LINK_SENDING } phase; /* ANSWER: may take as long as it takes */
    struct http_server_request *unheard; /* of which only the target came: the library forgets it where the rest is no request */
};

struct waiting {
    struct MHD_Connection *connection;
    int fd;
    int64_t due_mono;              /* INT64_MAX: until the peer leaves or the server ends */
    bool is_watched;               /* resumed also when its peer has left */
    bool is_stream;                /* resumed also when somebody wakes it: */
    uint64_t wakes;                /* more than these */
};

struct http_server {
    struct http_server_settings settings;
    struct MHD_Daemon *daemon;
    uint16_t port;
    bool is_single;                /* one request a connection */

    pthread_t timer;
    pthread_mutex_t lock;          /* for all below */
    pthread_cond_t changed;
    bool is_ending;
    bool is_idle;                  /* the timer has nothing to wait for */
    struct waiting *waiting;       /* suspended connections */
    size_t count, capacity;
    uint64_t wakes;                /* how often http_server_wake was called */
    struct link links;             /* ring of the open connections; this one is none */

    struct http_server_work *work; /* NULL: no workers */
};

struct http_server_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    char *target;                  /* as it came */
    char *method, *path;           /* NULL until the head is complete */
    struct text body;
    size_t thread;
    bool is_head;
    bool is_last;                  /* of its connection */
    bool is_too_large;
    bool has_answer;               /* waits for its delay, or came from a worker */
    struct http_server_answer answer;
    struct http_server_request *next; /* in the queue of the workers */
};

void http_server_handle(struct http_server_request *request);
void http_server_refuse(struct http_server *server, int status, const char *words, struct http_server_answer *answer);

int http_server_fd_of(struct MHD_Connection *connection);
bool http_server_has_left(int fd);                          /* the peer */
void http_server_set_phase(struct http_server *server, struct MHD_Connection *connection, int phase);
void http_server_suspend(struct http_server *server, struct MHD_Connection *connection, int64_t due_mono);
void http_server_suspend_locked(struct http_server *server, const struct waiting *waiting); /* under the lock */

/* ---- http_server_answer.c ---- */
mhd_result http_server_send(struct http_server_request *request);

/* ---- http_server_workers.c ---- */
void http_server_start_workers(struct http_server *server);
void http_server_end_workers(struct http_server *server);   /* what waits is answered with 503 */
void http_server_give(struct http_server_request *request); /* suspends its connection; it is resumed with its answer */

#endif
