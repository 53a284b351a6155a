/* fake.h - what the two fake servers share: a request and an answer without sockets, so that tests, demo, benchmark and simulation drive the same
 * code. A fake has no clock: now_ms is a parameter. It counts only while the contract test shows that it answers like the real server. */
#ifndef MC_FAKES_FAKE_H
#define MC_FAKES_FAKE_H

#include "base/http_server.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_request {
    const char *method, *path;      /* path decoded */
    const char *api_key;            /* X-API-Key; NULL when not sent */
    const char *authorization;      /* NULL when not sent */
    const char *limit, *range;      /* query of the Memory API; NULL when not there */
    const char *label, *name, *q;   /* query of LightRAG's graph routes */
    const char *workspace;          /* header LIGHTRAG-WORKSPACE */
    const char *body;
    size_t body_size;
};

/* The answer is http_server.h's: status, body, and how it goes wrong. Its date is set by whoever sends it. */
typedef void fake_handler(void *fake, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer);

/* Puts a fake behind a real port of 127.0.0.1; one request at a time. */
struct fake_server;
int fake_server_start(fake_handler *handler, void *fake, uint16_t port, size_t body_maximum, struct fake_server **ret_server, struct error *err);
void fake_server_free(struct fake_server *server);
AUTO_DEFINE(fake_server)
const char *fake_server_url(const struct fake_server *server);

#endif
