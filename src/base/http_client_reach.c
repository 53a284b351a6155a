/* http_client_reach.c - which addresses a request may reach (http_trust.public_only).
 *
 * Judged is the address that curl is about to connect to, not the URL: numbers can be written in many ways, and a name may lead elsewhere
 * each time somebody asks. A look before each socket is made is the protection. Such a request uses no connection that another one left,
 * which nobody judged, and leaves none (http_client.c, FRESH_CONNECT); should curl give it one all the same, on_ready looks once more
 * before the first byte is sent. There it also sees a public address of this very machine, which no list of networks can tell. */
#include "base/http_client_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

void http_client_set_reach(struct transfer *transfer, const struct http_trust *trust)
{
    transfer->public_only = trust != NULL && trust->public_only;
    transfer->network_count = 0;
    transfer->forbidden = NOT_FORBIDDEN;
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

/* As curl would, but what is not to be reached gets no socket (curl goes on to the name's next address), and what the system says is kept. */
curl_socket_t http_client_on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    int made;

    (void)purpose;
    if (!may_reach(transfer, &address->addr)) {
        transfer->forbidden = FORBIDDEN_PRIVATE;
        return CURL_SOCKET_BAD;
    }
    made = socket(address->family, address->socktype, address->protocol);
    if (made >= 0)
        return made;
    transfer->socket_errno = errno;
    return CURL_SOCKET_BAD;
}

/* Both ends have one address: the way leads back to this machine, past the firewall in front of it. */
static bool is_own(const struct transfer *transfer, const char *their_address, const char *our_address, const struct sockaddr_storage *address)
{
    return our_address != NULL && strcmp(their_address, our_address) == 0 &&
           !address_is_in((const struct sockaddr *)address, transfer->networks, transfer->network_count);
}

/* curl calls it when the connection stands (TLS included) and before the first byte of the request, also when it repeats a request over
 * a new connection. */
int http_client_on_ready(void *context, char *their_address, char *our_address, int their_port, int our_port)
{
    struct transfer *transfer = context;
    struct sockaddr_storage address;
    bool is_known;

    (void)their_port;
    (void)our_port;
    is_known = their_address != NULL && address_parse(their_address, &address);
    if (transfer->public_only && !(is_known && may_reach(transfer, (const struct sockaddr *)&address))) {
        transfer->forbidden = FORBIDDEN_PRIVATE;
        return CURL_PREREQFUNC_ABORT;
    }
    if (transfer->public_only && is_own(transfer, their_address, our_address, &address)) {
        transfer->forbidden = FORBIDDEN_OWN;
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->was_ready = true;
    transfer->active_mono = clock_monotonic_ms();
    return CURL_PREREQFUNC_OK;
}

bool http_client_is_forbidden(const struct transfer *transfer)
{
    return transfer->forbidden != NOT_FORBIDDEN && (transfer->code == CURLE_COULDNT_CONNECT || transfer->code == CURLE_ABORTED_BY_CALLBACK);
}
