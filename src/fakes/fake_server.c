#include "fakes/fake.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

struct fake_server {
    struct http_server *server;
    fake_handler *handler;
    void *fake;
    pthread_mutex_t lock;
    char url[64];
};

static void on_request(void *context, const struct http_server_request *request, struct http_server_answer *answer)
{
    struct fake_server *server = context;
    struct fake_request asked = {
        .method = http_server_method(request),
        .path = http_server_path(request),
        .api_key = http_server_header(request, "X-API-Key"),
        .authorization = http_server_header(request, "Authorization"),
        .limit = http_server_query(request, "limit"),
        .range = http_server_query(request, "range"),
        .label = http_server_query(request, "label"),
        .name = http_server_query(request, "name"),
        .q = http_server_query(request, "q"),
        .workspace = http_server_header(request, "LIGHTRAG-WORKSPACE"),
    };

    asked.body = http_server_body(request, &asked.body_size);
    (void)pthread_mutex_lock(&server->lock);
    server->handler(server->fake, clock_wall_ms(), &asked, answer);
    (void)pthread_mutex_unlock(&server->lock);
}

int fake_server_start(fake_handler *handler, void *fake, uint16_t port, size_t body_maximum, struct fake_server **ret_server, struct error *err)
{
    struct fake_server *server = mem_alloc(sizeof *server);
    struct http_server_settings settings = {
        .host = "127.0.0.1", .port = port, .body_maximum = body_maximum, .handler = on_request, .context = server,
        .head_timeout_ms = 5000, /* uvicorn closes what is idle for so long */
    };

    server->handler = handler;
    server->fake = fake;
    (void)pthread_mutex_init(&server->lock, NULL);
    if (http_server_start(&settings, &server->server, err) < 0) {
        (void)pthread_mutex_destroy(&server->lock);
        mem_free(server);
        return -1;
    }
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", http_server_port(server->server));
    *ret_server = server;
    return 0;
}

void fake_server_free(struct fake_server *server)
{
    if (server == NULL)
        return;
    http_server_free(server->server);
    (void)pthread_mutex_destroy(&server->lock);
    mem_free(server);
}

const char *fake_server_url(const struct fake_server *server)
{
    return server->url;
}
