/* http_server_request.c - what a handler asks of a request, and what it says in an answer. */
#include "base/http_server_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <netdb.h>
#include <sys/socket.h>

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

const char *http_server_target(const struct http_server_request *request)
{
    return request->target;
}

bool http_server_is_head(const struct http_server_request *request)
{
    return request->is_head;
}

size_t http_server_thread(const struct http_server_request *request)
{
    return request->thread;
}

void http_server_peer(const struct http_server_request *request, char ret_address[HTTP_SERVER_PEER_SIZE])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    socklen_t size = address == NULL ? 0 : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    ret_address[0] = '\0';
    if (size > 0 && getnameinfo(address, size, ret_address, HTTP_SERVER_PEER_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
        ret_address[0] = '\0';
}

struct each_header {
    bool (*each)(void *context, const char *name, const char *value);
    void *context;
};

static mhd_result give_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct each_header *each = context;

    (void)kind;
    return each->each(each->context, name, value != NULL ? value : "") ? MHD_YES : MHD_NO;
}

void http_server_each_header(const struct http_server_request *request, bool (*each)(void *context, const char *name, const char *value), void *context)
{
    struct each_header one = { each, context };

    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, give_header, &one);
}

void http_server_add_header(struct http_server_answer *answer, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(answer->headers); i++) {
        if (answer->headers[i] != NULL)
            continue;
        answer->headers[i] = answer->kept[i] = mem_format("%s: %s", name, value);
        return;
    }
    log_warn("http", "", "an answer has too many headers; %s is left out", name);
}
