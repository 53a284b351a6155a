/* http_client_reach.c - which addresses a request may reach (http_trust.public_only).
 *
 * Judged is the address that curl is about to connect to, not the URL: numbers can be written in many ways, and a name may lead elsewhere
 * each time somebody asks. A look before each socket is made is the protection. Such a request uses no connection that another one left,
 * which nobody judged, and leaves none (http_client.c, FRESH_CONNECT); should curl give it one all the same, on_ready looks once more
 * before the first byte is sent. */
#include "base/http_client_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

void http_client_set_reach(struct transfer *transfer, const struct http_trust *trust)
{
    transfer->public_only = trust != NULL && trust->public_only;
    transfer->network_count = 0;
    transfer->forbidden[0] = '\0';
    for (size_t i = 0; transfer->public_only && trust->networks != NULL && i < trust->network_count; i++) {
        struct address_network network;
        if (!address_parse_network(trust->networks[i], &network))
            continue; /* opens nothing; the configuration has been checked */
        transfer->networks = mem_grow(transfer->networks, transfer->network_count, &transfer->network_capacity, sizeof *transfer->networks);
        transfer->networks[transfer->network_count++] = network;
    }
}

static bool may_reach(const struct transfer *transfer, const struct sockaddr *address)
{
    return !transfer->public_only || address_is_public(address) || address_is_in(address, transfer->networks, transfer->network_count);
}

/* Kept for the words: the first one of several. */
static void note_forbidden(struct transfer *transfer, const char *address)
{
    if (transfer->forbidden[0] == '\0')
        (void)snprintf(transfer->forbidden, sizeof transfer->forbidden, "%s", address);
}

static void note_forbidden_socket(struct transfer *transfer, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN] = "of another kind than IPv4 and IPv6";

    if (address->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, sizeof text);
    else if (address->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, sizeof text);
    note_forbidden(transfer, text);
}

/* As curl would, but what is not to be reached gets no socket (curl goes on to the name's next address), and what the system says is kept. */
curl_socket_t http_client_on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    int made;

    (void)purpose;
    if (!may_reach(transfer, &address->addr)) {
        note_forbidden_socket(transfer, &address->addr);
        return CURL_SOCKET_BAD;
    }
    made = socket(address->family, address->socktype, address->protocol);
    if (made >= 0)
        return made;
    transfer->socket_errno = errno;
    return CURL_SOCKET_BAD;
}

/* curl calls it when the connection stands (TLS included) and before the first byte of the request, also when it repeats a request over
 * a new connection. */
int http_client_on_ready(void *context, char *their_address, char *our_address, int their_port, int our_port)
{
    struct transfer *transfer = context;
    struct sockaddr_storage address;
    bool is_known;

    (void)our_address;
    (void)their_port;
    (void)our_port;
    is_known = their_address != NULL && address_parse(their_address, &address);
    if (transfer->public_only && !(is_known && may_reach(transfer, (const struct sockaddr *)&address))) {
        note_forbidden(transfer, is_known ? their_address : "that nobody told");
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->was_ready = true;
    transfer->active_mono = clock_monotonic_ms();
    return CURL_PREREQFUNC_OK;
}

bool http_client_is_forbidden(const struct transfer *transfer)
{
    return transfer->forbidden[0] != '\0' && (transfer->code == CURLE_COULDNT_CONNECT || transfer->code == CURLE_ABORTED_BY_CALLBACK);
}
