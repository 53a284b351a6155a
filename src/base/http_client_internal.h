/* http_client_internal.h - what the files about curl share: the transfers (http_client.c), which addresses they may reach
 * (http_client_reach.c), how they end and in which words (http_client_end.c); URLs stand apart (http_client_url.c). Nothing else of ours sees curl. */
#ifndef MC_BASE_HTTP_CLIENT_INTERNAL_H
#define MC_BASE_HTTP_CLIENT_INTERNAL_H

#include "base/address.h"
#include "base/http_client.h"

#include <curl/curl.h>

enum {
    HTTP_CONNECT_TIMEOUT_MS = 10 * 1000,
    HTTP_HEADERS_MAXIMUM = 300 * 1000, /* bytes of all heads of one answer: nobody honest needs more */
    HTTP_WORDS_SIZE = 400,
};

/* One request under way, or an easy handle that waits for the next one.
 *
 * curl's callbacks only take notes and keep bytes; the request's handlers run outside of curl, where starting and cancelling is
 * allowed. So a paused or finished transfer may still hold bytes (pending) that its handler has yet to take. */
struct transfer {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    http_id id;                  /* 0: free (unless is_in_handler) */
    struct http_request request; /* its body is the caller's; url, headers, trust are NULL here */

    struct text body;            /* the whole answer, where no on_data wants it */
    struct text pending;         /* pieces for on_data; [0, pending_at) are handed out */
    size_t pending_at;
    int64_t received;            /* bytes of the body after decoding, taken from curl */

    bool public_only;            /* a copy of the trust's: the sockets of this transfer go by it to its very end */
    struct address_network *networks;
    size_t network_count, network_capacity;
    enum { NOT_FORBIDDEN, FORBIDDEN_PRIVATE, FORBIDDEN_OWN /* public, but this machine's */ } forbidden; /* the last address that it was led to */

    int64_t headers_size;
    int status;                  /* of the last head that began */
    char retry_after[64], date[64], content_type[200], location[1000], new_token[4096];

    int64_t active_mono;         /* when the last byte came or went, for the stall */
    CURLcode code;               /* when is_over */
    int socket_errno;            /* why we ourselves could make no socket; curl says "cannot connect" then */
    bool was_ready;              /* the connection stood: from here on bytes may have left */
    bool is_head_whole;          /* a final head, to its empty line */
    bool is_over;                /* curl has ended it; on_done waits until pending is empty */
    bool is_curl_paused;         /* curl keeps bytes until it may go on */
    bool is_refused;             /* on_data said: not now */
    bool is_held;                /* http_pause(id, true) */
    bool is_in_handler;          /* its buffers are in use: not to be taken for another request */
    bool is_too_large, is_headers_too_large, is_stalled;
    char error[CURL_ERROR_SIZE];
};

void http_client_set_reach(struct transfer *transfer, const struct http_trust *trust); /* trust: NULL: everywhere */
curl_socket_t http_client_on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address);
int http_client_on_ready(void *context, char *their_address, char *our_address, int their_port, int our_port);
bool http_client_is_forbidden(const struct transfer *transfer); /* it ended because it was not to reach what it led to */

enum http_end http_client_judge_end(const struct transfer *transfer);
bool http_client_is_tls_failure(const struct transfer *transfer);
enum http_stage http_client_judge_stage(const struct transfer *transfer);
int64_t http_client_certificate_ms(const struct transfer *transfer); /* 0: not known */
/* What went wrong, in plain words without control characters; "" when nothing did. */
void http_client_describe_end(const struct transfer *transfer, char words[HTTP_WORDS_SIZE]);

#endif
