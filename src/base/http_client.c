#include "base/http_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <curl/curl.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    IDLE_MAXIMUM_S = 4,                /* LightRAG closes idle connections after 5 s */
    HEADERS_MAXIMUM = 300 * 1000,      /* bytes of an answer's head */
    RECEIVE_BUFFER = 64 * 1024,
    CALM_DOWN_MS = 1000,
};

/* One request under way, or an easy handle that waits for the next one. */
struct transfer {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    http_id id;                        /* 0: free */
    struct http_request request;       /* its pointers are the caller's */
    struct text body;
    char error[CURL_ERROR_SIZE];
    int64_t received;
    int64_t headers_size;
    int64_t retry_after_ms, date_ms;
    char content_type[200];
    char location[1000];
    int64_t active_mono;               /* when the last byte came, for the stall */
    bool is_paused;                    /* on_data said: not now */
    bool wants_resume;                 /* http_pause(false) came inside a callback */
    bool is_too_large, is_headers_too_large, is_stalled, is_cancelled, was_sent;
};

struct http_client {
    CURLM *multi;
    struct transfer **transfers;
    size_t count, capacity;
    http_id last_id;
    struct http http;
    bool is_in_curl;                   /* inside curl_multi_perform: curl forbids taking handles away */
};

static void start_curl(void)
{
    static bool is_started;

    if (!is_started)
        (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    is_started = true;
}

/* ---- What curl calls ---- */

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;

    size *= one;
    transfer->active_mono = clock_monotonic_ms();
    if (transfer->received + (int64_t)size > transfer->request.answer_maximum) {
        size_t room = (size_t)(transfer->request.answer_maximum - transfer->received);
        transfer->is_too_large = true;
        if (transfer->request.on_data == NULL)
            (void)text_append_bytes(&transfer->body, bytes, room);
        return 0;
    }
    if (transfer->request.on_data == NULL) {
        (void)text_append_bytes(&transfer->body, bytes, size);
    } else if (!transfer->request.on_data(transfer->request.owner, transfer->id, bytes, size)) {
        transfer->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    transfer->received += (int64_t)size;
    return size;
}

static bool take_header(const char *line, size_t size, const char *name, char *value, size_t room)
{
    size_t length = strlen(name);
    size_t end = size;
    size_t start = length + 1;

    if (size <= length || line[length] != ':' || strncasecmp(line, name, length) != 0)
        return false;
    while (start < size && (line[start] == ' ' || line[start] == '\t'))
        start++;
    while (end > start && (line[end - 1] == '\r' || line[end - 1] == '\n' || line[end - 1] == ' '))
        end--;
    if (end - start >= room)
        end = start + room - 1;
    memcpy(value, line + start, end - start);
    value[end - start] = '\0';
    return true;
}

static int64_t parse_retry_after(const char *value, int64_t date_ms)
{
    int64_t when;
    char *end;
    long long seconds = strtoll(value, &end, 10);

    if (end != value && *end == '\0')
        return seconds < 0 ? 0 : seconds > INT64_MAX / 2000 ? INT64_MAX / 2 : (int64_t)seconds * 1000;
    if (!time_text_parse_http_date(value, &when))
        return -1;
    when -= date_ms >= 0 ? date_ms : clock_wall_ms();
    return when < 0 ? 0 : when;
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    char value[200];

    size *= one;
    transfer->active_mono = clock_monotonic_ms();
    transfer->headers_size += (int64_t)size;
    if (transfer->headers_size > HEADERS_MAXIMUM) {
        transfer->is_headers_too_large = true;
        return 0;
    }
    if (take_header(line, size, "Date", value, sizeof value)) {
        if (!time_text_parse_http_date(value, &transfer->date_ms))
            transfer->date_ms = -1;
    } else if (take_header(line, size, "Retry-After", value, sizeof value)) {
        transfer->retry_after_ms = parse_retry_after(value, transfer->date_ms);
    } else if (take_header(line, size, "Content-Type", transfer->content_type, sizeof transfer->content_type)) {
        return size;
    } else if (take_header(line, size, "Location", transfer->location, sizeof transfer->location)) {
        return size;
    }
    return size;
}

/* ---- Starting ---- */

static struct transfer *find_transfer(struct http_client *client, http_id id)
{
    for (size_t i = 0; i < client->count; i++)
        if (client->transfers[i]->id == id)
            return client->transfers[i];
    return NULL;
}

static void set_fixed_options(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_MAXIMUM_S);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "memory-connector");
}

static struct transfer *find_free_transfer(struct http_client *client)
{
    struct transfer *transfer = find_transfer(client, 0);

    if (transfer != NULL)
        return transfer;
    client->transfers = mem_grow(client->transfers, client->count, &client->capacity, sizeof *client->transfers);
    transfer = mem_alloc(sizeof *transfer);
    transfer->client = client;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        abort(); /* only when memory is out */
    text_init(&transfer->body, 0);
    set_fixed_options(transfer);
    client->transfers[client->count++] = transfer;
    return transfer;
}

static void set_headers(struct transfer *transfer, const struct http_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        list = curl_slist_append(list, request->headers[i]);
    curl_slist_free_all(transfer->headers);
    transfer->headers = list;
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, list);
}

/* A static curl knows no CA by itself: the usual places, then SSL_CERT_FILE by curl's own rule. */
static void set_trust(CURL *easy, const struct http_trust *trust)
{
    bool insecure = trust != NULL && trust->insecure;

    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    if (trust != NULL && trust->ca_file != NULL && trust->ca_file[0] != '\0')
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, trust->ca_file);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, trust != NULL && trust->proxy != NULL ? trust->proxy : "");
}

static void set_request_options(struct transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    if (request->body != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    } else if (strcmp(request->method, "POST") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)(request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms < LONG_MAX ? request->timeout_ms : LONG_MAX));
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->unrepeatable ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->unrepeatable ? 1L : 0L);
    set_trust(easy, request->trust);
    set_headers(transfer, request);
}

static bool has_line_break(const char *const *headers)
{
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++)
        if (strpbrk(headers[i], "\r\n") != NULL)
            return true;
    return false;
}

static int client_start(void *self, const struct http_request *request, http_id *ret_id, struct error *err)
{
    struct http_client *client = self;
    struct transfer *transfer;
    CURLMcode code;

    if (has_line_break(request->headers))
        return error_set(err, ERROR_CONFIG, "a header (a key?) has a line break inside");
    transfer = find_free_transfer(client);
    transfer->request = *request;
    transfer->id = ++client->last_id;
    transfer->error[0] = transfer->content_type[0] = transfer->location[0] = '\0';
    transfer->received = transfer->headers_size = 0;
    transfer->retry_after_ms = transfer->date_ms = -1;
    transfer->is_paused = transfer->wants_resume = transfer->is_too_large = transfer->is_headers_too_large = false;
    transfer->is_stalled = transfer->is_cancelled = transfer->was_sent = false;
    transfer->active_mono = clock_monotonic_ms();
    text_clear(&transfer->body);
    set_request_options(transfer, request);
    code = curl_multi_add_handle(client->multi, transfer->easy);
    if (code != CURLM_OK) {
        transfer->id = 0;
        return error_set(err, ERROR_IO, "cannot start a request: %s", curl_multi_strerror(code));
    }
    *ret_id = transfer->id;
    return 0;
}

/* ---- Pausing and cancelling ---- */

static void release(struct transfer *transfer)
{
    (void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    transfer->id = 0;
}

static void client_pause(void *self, http_id id, bool paused)
{
    struct transfer *transfer = find_transfer(self, id);

    if (transfer == NULL || paused || !transfer->is_paused)
        return; /* a request pauses by on_data's answer; here it goes on */
    transfer->wants_resume = true;
}

static void client_cancel(void *self, http_id id)
{
    struct http_client *client = self;
    struct transfer *transfer = find_transfer(client, id);

    if (transfer == NULL)
        return;
    if (client->is_in_curl)
        transfer->is_cancelled = true;
    else
        release(transfer);
}

/* ---- Ends ---- */

static bool is_before_sending(CURLcode code)
{
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_FAILED_INIT:
        return true;
    default:
        return false;
    }
}

static bool is_tls(CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CIPHER || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_CRL_BADFILE;
}

/* Time-outs before the connection stood count as not sent: curl tells by the connect time. */
static enum http_end judge_end(const struct transfer *transfer, CURLcode code, long status)
{
    curl_off_t connected = 0;
    curl_off_t sent = 0;

    if (transfer->is_too_large)
        return HTTP_TOO_LARGE;
    if (code == CURLE_OK)
        return HTTP_ANSWERED;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (status != 0 && transfer->headers_size > 0)
        return HTTP_TRUNCATED;
    if (is_before_sending(code) || (code == CURLE_OPERATION_TIMEDOUT && connected == 0 && sent == 0))
        return HTTP_NOT_SENT;
    return HTTP_NO_ANSWER;
}

static const char *describe(const struct transfer *transfer, CURLcode code, char *words, size_t room)
{
    if (transfer->is_too_large)
        (void)snprintf(words, room, "the answer is larger than %lld bytes", (long long)transfer->request.answer_maximum);
    else if (transfer->is_headers_too_large)
        (void)snprintf(words, room, "the head of the answer is larger than %d bytes", HEADERS_MAXIMUM);
    else if (transfer->is_stalled)
        (void)snprintf(words, room, "no byte came for %lld s", (long long)transfer->request.stall_timeout_ms / 1000);
    else if (code == CURLE_OK)
        words[0] = '\0';
    else if (code == CURLE_COULDNT_CONNECT)
        (void)snprintf(words, room, "connection refused (%s)", transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    else if (code == CURLE_COULDNT_RESOLVE_HOST)
        (void)snprintf(words, room, "name not found (%s)", transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    else if (is_tls(code))
        (void)snprintf(words, room, "TLS failed (%s)", transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    else
        (void)snprintf(words, room, "%s", transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    return words;
}

static void finish(struct transfer *transfer, CURLcode code)
{
    char words[400];
    long status = 0;
    curl_off_t announced = -1;
    struct http_answer answer;
    struct http_request request = transfer->request;
    http_id id = transfer->id;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    answer = (struct http_answer){
        .end = judge_end(transfer, code, status),
        .is_tls_failure = is_tls(code),
        .is_timeout = code == CURLE_OPERATION_TIMEDOUT || transfer->is_stalled,
        .retry_after_ms = transfer->retry_after_ms,
        .date_ms = transfer->date_ms,
        .content_length = announced,
        .received_bytes = transfer->received,
        .content_type = transfer->content_type,
        .location = transfer->location,
        .body = transfer->body.data,
        .body_size = transfer->body.size,
        .words = describe(transfer, code, words, sizeof words),
    };
    if (answer.end != HTTP_NOT_SENT && answer.end != HTTP_NO_ANSWER)
        answer.status = (int)status;
    /* The handle is free before the handler runs; its id lives on in the call. The body stays until the next start. */
    (void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    request.on_done(request.owner, id, &answer);
    if (transfer->id == id)
        transfer->id = 0;
}

static void collect(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (transfer->is_cancelled)
            release(transfer);
        else
            finish(transfer, code);
    }
}

static void resume_and_cancel(struct http_client *client)
{
    for (size_t i = 0; i < client->count; i++) {
        struct transfer *transfer = client->transfers[i];
        if (transfer->id == 0)
            continue;
        if (transfer->is_cancelled) {
            release(transfer);
        } else if (transfer->wants_resume) {
            transfer->wants_resume = transfer->is_paused = false;
            transfer->active_mono = clock_monotonic_ms();
            client->is_in_curl = true; /* curl hands out what it kept right here */
            (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
            client->is_in_curl = false;
        }
    }
}

/* curl's own low-speed limit counts paused time; ours does not. */
static int64_t end_stalled(struct http_client *client, int64_t now)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < client->count; i++) {
        struct transfer *transfer = client->transfers[i];
        int64_t due;
        if (transfer->id == 0 || transfer->request.stall_timeout_ms == 0 || transfer->is_paused)
            continue;
        due = transfer->active_mono + transfer->request.stall_timeout_ms;
        if (due <= now) {
            transfer->is_stalled = true;
            finish(transfer, CURLE_OPERATION_TIMEDOUT);
        } else if (due < next) {
            next = due;
        }
    }
    return next;
}

static int perform(struct http_client *client, struct error *err)
{
    int running;
    CURLMcode code;

    client->is_in_curl = true;
    code = curl_multi_perform(client->multi, &running);
    client->is_in_curl = false;
    if (code != CURLM_OK)
        return error_set(err, ERROR_IO, "network: %s", curl_multi_strerror(code));
    collect(client);
    return 0;
}

static int client_poll(void *self, int64_t until_ms, struct error *err)
{
    struct http_client *client = self;
    int64_t now;
    int64_t wait;
    CURLMcode code;

    resume_and_cancel(client);
    if (perform(client, err) < 0)
        return -1;
    now = clock_monotonic_ms();
    wait = end_stalled(client, now);
    wait = (wait < until_ms ? wait : until_ms) - now;
    if (wait <= 0)
        return 0;
    for (size_t i = 0; i < client->count; i++)
        if (client->transfers[i]->id != 0 && client->transfers[i]->wants_resume)
            return 0;
    code = curl_multi_poll(client->multi, NULL, 0, (int)(wait < CALM_DOWN_MS * 60 ? wait : CALM_DOWN_MS * 60), NULL);
    if (code != CURLM_OK)
        return error_set(err, ERROR_IO, "network: %s", curl_multi_strerror(code));
    return perform(client, err);
}

static void client_wake(void *self)
{
    struct http_client *client = self;

    (void)curl_multi_wakeup(client->multi);
}

/* ---- Life ---- */

int http_client_new(struct http_client **ret_client, struct error *err)
{
    struct http_client *client;

    start_curl();
    client = mem_alloc(sizeof *client);
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        mem_free(client);
        return error_set(err, ERROR_IO, "libcurl does not start");
    }
    client->http = (struct http){
        .self = client, .start = client_start, .pause = client_pause, .cancel = client_cancel, .poll = client_poll, .wake = client_wake,
    };
    *ret_client = client;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->count; i++) {
        struct transfer *transfer = client->transfers[i];
        if (transfer->id != 0)
            release(transfer);
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        text_done(&transfer->body);
        mem_free(transfer);
    }
    (void)curl_multi_cleanup(client->multi);
    mem_free(client->transfers);
    mem_free(client);
}

struct http *http_client_http(struct http_client *client)
{
    return &client->http;
}

/* ---- URLs ---- */

static int url_error(struct error *err, const char *url, const char *why)
{
    return error_set(err, ERROR_CONFIG, "\"%.200s\" is no URL for a server: %s", url, why);
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
    char *value = NULL;
    bool has = curl_url_get(parsed, part, &value, 0) == CURLUE_OK && value != NULL;

    curl_free(value);
    return has;
}

static int check_parts(CURLU *parsed, const char *url, struct error *err)
{
    char *scheme = NULL;
    bool is_http;

    if (curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return url_error(err, url, "it must begin with http:// or https://");
    is_http = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
    curl_free(scheme);
    if (!is_http)
        return url_error(err, url, "only http and https are possible");
    if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD))
        return error_set(err, ERROR_CONFIG, "the URL has a user name or password inside: use the api_key setting instead");
    if (has_part(parsed, CURLUPART_QUERY) || has_part(parsed, CURLUPART_FRAGMENT))
        return url_error(err, url, "it must have no \"?\" and no \"#\"");
    return 0;
}

int http_url_check(const char *url, struct text *ret_normal, struct error *err)
{
    CURLU *parsed = curl_url();
    CURLUcode code;
    char *whole = NULL;
    size_t length;
    int result = -1;

    if (parsed == NULL)
        return error_set(err, ERROR_FAILED, "out of memory");
    code = strstr(url, "://") == NULL ? CURLUE_BAD_SCHEME : curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) {
        (void)url_error(err, url, strstr(url, "://") == NULL ? "it must begin with http:// or https://" : curl_url_strerror(code));
    } else if (check_parts(parsed, url, err) == 0) {
        if (curl_url_get(parsed, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
            length = strlen(whole);
            while (length > 0 && whole[length - 1] == '/')
                length--;
            text_clear(ret_normal);
            (void)text_append_bytes(ret_normal, whole, length);
            result = 0;
        } else {
            (void)url_error(err, url, "it cannot be read");
        }
    }
    curl_free(whole);
    curl_url_cleanup(parsed);
    return result;
}

bool http_url_is_loopback(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    bool is_loopback = false;

    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        is_loopback = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
    curl_free(host);
    curl_url_cleanup(parsed);
    return is_loopback;
}

const char *http_client_version(void)
{
    static char version[100];
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    (void)snprintf(version, sizeof version, "libcurl/%s %s", info->version, info->ssl_version != NULL ? info->ssl_version : "no TLS");
    return version;
}

void http_url_encode(struct text *out, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        bool is_plain = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                        byte == '_' || byte == '.' || byte == '~';
        if (is_plain)
            (void)text_append_char(out, (char)byte);
        else
            (void)text_append_bytes(out, (const char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
    }
}
