/* http_client.h - the real network behind http.h: libcurl's multi interface. The only file pair that knows curl.
 *
 * Only http and https, no redirects, no cookies, no netrc, no proxy but the configured one, TLS verified and at least 1.2, no
 * Expect: 100-continue, HTTP/1.1, header block of an answer at most 300 kB, connections idle for 4 s are not used again
 * (LightRAG closes them after 5 s, after a 500 without a word). With public_only every address is judged before there is a socket, and no
 * connection is shared with other requests. gzip is decoded, and answer_maximum counts what comes out. */
#ifndef MC_BASE_HTTP_CLIENT_H
#define MC_BASE_HTTP_CLIENT_H

#include "base/http.h"

struct http_client;

int http_client_new(struct http_client **ret_client, struct error *err);
void http_client_free(struct http_client *client); /* cancels what is under way */
AUTO_DEFINE(http_client)

struct http *http_client_http(struct http_client *client); /* borrowed, lives as long as the client */

/* Checks a URL from a person and brings it into normal form (no trailing slash, no user info, query or fragment).
 * -1 with ERROR_CONFIG: "scheme must be http or https", ... */
int http_url_check(const char *url, struct text *ret_normal, struct error *err);
bool http_url_is_loopback(const char *url);
/* An early word for whoever types a URL that public_only (http.h) would refuse: true when its host is an address, in whatever spelling, or
 * localhost, that is neither public nor in the networks. A name is never forbidden here, so this protects nothing by itself. */
bool http_url_is_forbidden(const char *url, const char *const *networks, size_t count);
const char *http_client_version(void); /* "libcurl/7.88.1 OpenSSL/3.0.17" */

/* Percent-encodes every byte outside A-Z a-z 0-9 - _ . ~ for use in a path or query. */
void http_url_encode(struct text *out, const char *bytes, size_t size);

#endif
