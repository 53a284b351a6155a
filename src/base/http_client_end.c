/* http_client_end.c - how a request ended: what can the server have seen, how far did it come, and what do we call it? */
#include "base/http_client_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_tls_code(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
        return true;
    default:
        return false;
    }
}

/* Not the error's name decides but whether a connection ever stood: curl repeats a request on a new connection when a reused one is dead, and
 * then reports "cannot connect" though the first try may have arrived. */
enum http_end http_client_judge_end(const struct transfer *transfer)
{
    if (transfer->is_too_large)
        return HTTP_TOO_LARGE;
    if (transfer->is_head_whole)
        return transfer->code == CURLE_OK ? HTTP_ANSWERED : HTTP_TRUNCATED;
    /* Also CURLE_OK: for curl a head that is cut off in its middle is an answer. */
    return transfer->was_ready ? HTTP_NO_ANSWER : HTTP_NOT_SENT;
}

bool http_client_is_tls_failure(const struct transfer *transfer)
{
    return !transfer->was_ready && is_tls_code(transfer->code);
}

static bool took_time(const struct transfer *transfer, CURLINFO which)
{
    curl_off_t spent = 0;

    return curl_easy_getinfo(transfer->easy, which, &spent) == CURLE_OK && spent > 0;
}

enum http_stage http_client_judge_stage(const struct transfer *transfer)
{
    if (transfer->was_ready)
        return HTTP_STAGE_READY;
    if (http_client_is_forbidden(transfer))
        return HTTP_STAGE_CONNECTION; /* a name was found, and nothing was sent, whatever stood */
    if (is_tls_code(transfer->code) || took_time(transfer, CURLINFO_CONNECT_TIME_T))
        return HTTP_STAGE_TLS;
    return transfer->code == CURLE_COULDNT_CONNECT || took_time(transfer, CURLINFO_NAMELOOKUP_TIME_T) ? HTTP_STAGE_CONNECTION : HTTP_STAGE_NAME;
}

/* "Nov 22 12:00:00 2026 GMT" as OpenSSL writes it, "2026-11-22 12:00:00 GMT" as the others do. */
static int64_t read_certificate_time(const char *words)
{
    char copy[40];
    int64_t ms = 0;
    time_t seconds;

    (void)snprintf(copy, sizeof copy, "%s", words);
    if (strlen(copy) > 19 && copy[4] == '-' && copy[10] == ' ') {
        copy[10] = 'T';
        copy[19] = '\0';
        return time_text_parse(copy, strlen(copy), &ms) ? ms : 0;
    }
    seconds = curl_getdate(copy, NULL);
    return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

int64_t http_client_certificate_ms(const struct transfer *transfer)
{
    static const char label[] = "Expire date:";
    struct curl_certinfo *chain = NULL;

    if (curl_easy_getinfo(transfer->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL || chain->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *line = chain->certinfo[0]; line != NULL; line = line->next) /* the first is the server's own */
        if (strncmp(line->data, label, sizeof label - 1) == 0)
            return read_certificate_time(line->data + sizeof label - 1);
    return 0;
}

/* "host:port" of the request, as a person would write it. */
static void name_server(const struct transfer *transfer, char *name, size_t room)
{
    CURLU *url = curl_url();
    char *host = NULL;
    char *port = NULL;
    const char *asked = NULL;

    (void)snprintf(name, room, "the server");
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &asked);
    if (url != NULL && asked != NULL && curl_url_set(url, CURLUPART_URL, asked, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        (void)snprintf(name, room, "%.200s:%s", host, port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
}

static const char *details(const struct transfer *transfer)
{
    return transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(transfer->code);
}

static void describe_tls(const struct transfer *transfer, const char *server, char *words, size_t room)
{
    static const struct { const char *seen, *said; } causes[] = {
        { "self-signed", "the certificate of %s is not trusted (self-signed)" },
        { "self signed", "the certificate of %s is not trusted (self-signed)" },
        { "expired", "the certificate of %s has expired" },
        { "EXPIRED", "the certificate of %s has expired" },
        { "not yet valid", "the certificate of %s is not valid yet (is the clock right?)" },
        { "no alternative certificate", "the certificate of %s is made out for another name" },
        { "does not match", "the certificate of %s is made out for another name" },
        { "CN_MISMATCH", "the certificate of %s is made out for another name" },
        { "local issuer", "the certificate of %s is not trusted (unknown issuer)" },
        { "NOT_TRUSTED", "the certificate of %s is not trusted (unknown issuer)" },
        { "wrong version number", "%s does not speak TLS (is it an http:// server?)" },
        { "packet length too long", "%s does not speak TLS (is it an http:// server?)" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(causes); i++) {
        const char *place;
        if (strstr(transfer->error, causes[i].seen) == NULL)
            continue;
        place = strstr(causes[i].said, "%s");
        (void)snprintf(words, room, "%.*s%s%s", (int)(place - causes[i].said), causes[i].said, server, place + 2);
        return;
    }
    if (transfer->code == CURLE_SSL_CACERT_BADFILE)
        (void)snprintf(words, room, "the CA file cannot be read: %s", details(transfer));
    else
        (void)snprintf(words, room, "TLS with %s failed: %s", server, details(transfer));
}

static void describe_connecting(const struct transfer *transfer, const char *server, char *words, size_t room)
{
    long cause = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &cause);
    if (http_client_is_forbidden(transfer)) /* which one is for nobody who may not go there */
        (void)snprintf(words, room, "its address is %s: an endpoint given by API may not lead there (api.inline_networks lists exceptions)",
                       transfer->forbidden == FORBIDDEN_OWN ? "this machine's own" : "not public");
    else if (transfer->code == CURLE_COULDNT_CONNECT && (transfer->socket_errno == EMFILE || transfer->socket_errno == ENFILE))
        (void)snprintf(words, room, "no connection to %s can be made here: %s (raise the limit, ulimit -n)", server, strerror(transfer->socket_errno));
    else if (transfer->code == CURLE_COULDNT_CONNECT && transfer->socket_errno != 0)
        (void)snprintf(words, room, "no connection to %s can be made here: %s", server, strerror(transfer->socket_errno));
    else if (transfer->code == CURLE_COULDNT_RESOLVE_HOST)
        (void)snprintf(words, room, "name not found: %.*s", (int)strcspn(server, ":"), server);
    else if (transfer->code == CURLE_COULDNT_RESOLVE_PROXY)
        (void)snprintf(words, room, "the proxy's name was not found");
    else if (transfer->code == CURLE_OPERATION_TIMEDOUT)
        (void)snprintf(words, room, "no connection to %s in time", server);
    else if (transfer->code == CURLE_COULDNT_CONNECT && cause == ECONNREFUSED)
        (void)snprintf(words, room, "connection refused by %s", server);
    else if (transfer->code == CURLE_COULDNT_CONNECT && cause != 0)
        (void)snprintf(words, room, "cannot connect to %s: %s", server, strerror((int)cause));
    else if (transfer->code == CURLE_COULDNT_CONNECT)
        (void)snprintf(words, room, "cannot connect to %s", server);
    else
        (void)snprintf(words, room, "cannot reach %s: %s", server, details(transfer));
}

static void describe_silence(const struct transfer *transfer, const char *server, char *words, size_t room)
{
    if (transfer->is_stalled)
        (void)snprintf(words, room, "%s sent nothing for %lld s", server, (long long)(transfer->request.stall_timeout_ms + 999) / 1000);
    else if (transfer->code == CURLE_OPERATION_TIMEDOUT)
        (void)snprintf(words, room, "no answer from %s within %lld s", server, (long long)(transfer->request.timeout_ms + 999) / 1000);
    else if (transfer->is_headers_too_large)
        (void)snprintf(words, room, "the head of the answer is larger than %d bytes", HTTP_HEADERS_MAXIMUM);
    else if (transfer->code == CURLE_GOT_NOTHING)
        (void)snprintf(words, room, "%s closed the connection without an answer", server);
    else if (transfer->code == CURLE_UNSUPPORTED_PROTOCOL || transfer->code == CURLE_WEIRD_SERVER_REPLY)
        (void)snprintf(words, room, "what %s answers is not HTTP", server);
    else if (transfer->code == CURLE_OK)
        (void)snprintf(words, room, "%s closed the connection inside the head of its answer", server);
    else if (transfer->code == CURLE_RECV_ERROR || transfer->code == CURLE_SEND_ERROR)
        (void)snprintf(words, room, "the connection to %s was lost before an answer", server);
    else
        (void)snprintf(words, room, "no answer from %s: %s", server, details(transfer));
}

static void describe_truncation(const struct transfer *transfer, char *words, size_t room)
{
    curl_off_t announced = -1;
    curl_off_t came = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &came);
    if (transfer->is_stalled)
        (void)snprintf(words, room, "nothing more came for %lld s after %lld bytes", (long long)(transfer->request.stall_timeout_ms + 999) / 1000,
                       (long long)came);
    else if (transfer->code == CURLE_OPERATION_TIMEDOUT)
        (void)snprintf(words, room, "the answer was not complete within %lld s", (long long)(transfer->request.timeout_ms + 999) / 1000);
    else if (transfer->code == CURLE_BAD_CONTENT_ENCODING)
        (void)snprintf(words, room, "the compression of the answer is damaged");
    else if (announced >= 0)
        (void)snprintf(words, room, "the answer broke off after %lld of %lld bytes", (long long)came, (long long)announced);
    else
        (void)snprintf(words, room, "the answer broke off after %lld bytes", (long long)came);
}

void http_client_describe_end(const struct transfer *transfer, char words[HTTP_WORDS_SIZE])
{
    char server[240];

    words[0] = '\0';
    if (http_client_judge_end(transfer) == HTTP_ANSWERED)
        return;
    name_server(transfer, server, sizeof server);
    switch (http_client_judge_end(transfer)) {
    case HTTP_ANSWERED:
        return;
    case HTTP_TOO_LARGE:
        (void)snprintf(words, HTTP_WORDS_SIZE, "the answer is larger than %lld bytes", (long long)transfer->request.answer_maximum);
        break;
    case HTTP_TRUNCATED:
        describe_truncation(transfer, words, HTTP_WORDS_SIZE);
        break;
    case HTTP_NO_ANSWER:
        describe_silence(transfer, server, words, HTTP_WORDS_SIZE);
        break;
    case HTTP_NOT_SENT:
        if (is_tls_code(transfer->code))
            describe_tls(transfer, server, words, HTTP_WORDS_SIZE);
        else
            describe_connecting(transfer, server, words, HTTP_WORDS_SIZE);
        break;
    }
    for (char *c = words; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
}
