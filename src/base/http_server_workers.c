/* http_server_workers.c - a few threads for what takes longer than a look into memory: the server's own thread answers everybody else meanwhile. */
#include "base/http_server_internal.h"

#include "base/mem.h"

enum { WORKERS_MAXIMUM = 16, QUEUE_MAXIMUM = 64 /* waiting requests; further ones are told to come back */ };

struct worker {
    struct http_server *server;
    size_t number;                 /* 1.. */
    pthread_t thread;
};

struct http_server_work {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    struct http_server_request *first, **last;
    size_t count;
    struct worker workers[WORKERS_MAXIMUM];
};

/* The lock hands the whole answer over: what the worker wrote is seen by the thread that sends it. */
static void finish(struct http_server_request *request)
{
    struct http_server *server = request->server;
    struct MHD_Connection *connection = request->connection;

    (void)pthread_mutex_lock(&server->lock);
    request->has_answer = true; /* from here on it is the server's again */
    (void)pthread_mutex_unlock(&server->lock);
    MHD_resume_connection(connection);
}

static struct http_server_request *take(struct http_server_work *work, bool *ret_is_ending)
{
    struct http_server_request *request;

    (void)pthread_mutex_lock(&work->lock);
    while (work->first == NULL && !work->is_ending)
        (void)pthread_cond_wait(&work->changed, &work->lock);
    request = work->first;
    if (request != NULL) {
        work->first = request->next;
        if (work->first == NULL)
            work->last = &work->first;
        work->count--;
    }
    *ret_is_ending = work->is_ending;
    (void)pthread_mutex_unlock(&work->lock);
    return request;
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    struct http_server_request *request;
    bool is_ending;

    while ((request = take(worker->server->work, &is_ending)) != NULL) {
        request->thread = worker->number;
        if (is_ending)
            http_server_refuse(worker->server, 503, "the service is stopping", &request->answer);
        else
            http_server_handle(request);
        finish(request);
    }
    return NULL;
}

void http_server_give(struct http_server_request *request)
{
    struct http_server_work *work = request->server->work;
    bool is_full;

    MHD_suspend_connection(request->connection);
    (void)pthread_mutex_lock(&work->lock);
    is_full = work->count >= QUEUE_MAXIMUM || work->is_ending;
    if (!is_full) {
        *work->last = request;
        work->last = &request->next;
        work->count++;
        (void)pthread_cond_signal(&work->changed);
    }
    (void)pthread_mutex_unlock(&work->lock);
    if (is_full) {
        http_server_refuse(request->server, 503, "too many requests wait here; try again in a moment", &request->answer);
        finish(request);
    }
}

void http_server_start_workers(struct http_server *server)
{
    struct http_server_work *work;

    if (server->settings.is_slow == NULL || server->settings.workers == 0)
        return;
    if (server->settings.workers > WORKERS_MAXIMUM)
        server->settings.workers = WORKERS_MAXIMUM;
    server->work = work = mem_alloc(sizeof *work);
    (void)pthread_mutex_init(&work->lock, NULL);
    (void)pthread_cond_init(&work->changed, NULL);
    work->last = &work->first;
    for (size_t i = 0; i < server->settings.workers; i++) {
        work->workers[i] = (struct worker){ .server = server, .number = i + 1 };
        (void)pthread_create(&work->workers[i].thread, NULL, run_worker, &work->workers[i]);
    }
}

void http_server_end_workers(struct http_server *server)
{
    struct http_server_work *work = server->work;

    if (work == NULL)
        return;
    (void)pthread_mutex_lock(&work->lock);
    work->is_ending = true;
    (void)pthread_cond_broadcast(&work->changed);
    (void)pthread_mutex_unlock(&work->lock);
    for (size_t i = 0; i < server->settings.workers; i++)
        (void)pthread_join(work->workers[i].thread, NULL);
}
