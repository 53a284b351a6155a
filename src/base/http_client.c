#include "base/http_client_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    IDLE_MAXIMUM_S = 4,           /* LightRAG closes idle connections after 5 s, without a word after a 500 */
    RECEIVE_BUFFER = 16 << 10,    /* compressed bytes that curl unpacks in one go: bounds what a gzip bomb makes (1,032 times as much) */
    PIECE = 64 << 10,             /* on_data decides again after so many bytes */
    PENDING_MAXIMUM = 256 << 10,  /* bytes that wait for their handler; then curl stops reading */
    KEEP_MAXIMUM = 1 << 20,       /* a buffer that grew larger is given back */
    POLL_MAXIMUM_MS = 60 * 1000,
};

struct http_client {
    CURLM *multi;
    struct transfer **transfers;
    size_t count, capacity;
    http_id last_id;
    struct http http;
    const char *ca_file, *ca_folder; /* the system's; NULL: none */
    uint64_t served;                 /* handlers called so far */
};

static bool is_waiting_for_caller(const struct transfer *transfer)
{
    return transfer->is_refused || transfer->is_held;
}

static size_t pending_size(const struct transfer *transfer)
{
    return transfer->pending.size - transfer->pending_at;
}

/* ---- What curl calls: notes and bytes only ---- */

static size_t keep_bytes(struct transfer *transfer, const char *bytes, size_t size)
{
    struct text *text = transfer->request.on_data != NULL ? &transfer->pending : &transfer->body;

    if (text_append_bytes(text, bytes, size) < 0)
        return 0;
    transfer->received += (int64_t)size;
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    int64_t room = transfer->request.answer_maximum - transfer->received;

    size *= one;
    transfer->active_mono = clock_monotonic_ms();
    if ((int64_t)size > room) {
        transfer->is_too_large = true;
        (void)keep_bytes(transfer, bytes, room > 0 ? (size_t)room : 0);
        return 0;
    }
    if (pending_size(transfer) >= PENDING_MAXIMUM) {
        transfer->is_curl_paused = true; /* nothing of these bytes is taken: curl brings them again */
        return CURL_WRITEFUNC_PAUSE;
    }
    return keep_bytes(transfer, bytes, size);
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

static void forget_headers(struct transfer *transfer)
{
    transfer->retry_after[0] = transfer->date[0] = transfer->content_type[0] = transfer->location[0] = transfer->new_token[0] = '\0';
}

/* A new status line: what an interim answer (100, 103) said counts no more. */
static void begin_head(struct transfer *transfer, const char *line, size_t size)
{
    const char *blank = memchr(line, ' ', size);

    forget_headers(transfer);
    transfer->status = 0;
    for (size_t at = blank != NULL ? (size_t)(blank - line) + 1 : size; at < size && line[at] >= '0' && line[at] <= '9'; at++)
        transfer->status = transfer->status * 10 % 10000 + (line[at] - '0');
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    const struct { const char *name; char *value; size_t room; } wanted[] = {
        { "Date", transfer->date, sizeof transfer->date },
        { "Retry-After", transfer->retry_after, sizeof transfer->retry_after },
        { "Content-Type", transfer->content_type, sizeof transfer->content_type },
        { "Location", transfer->location, sizeof transfer->location },
        { "X-New-Token", transfer->new_token, sizeof transfer->new_token },
    };

    size *= one;
    transfer->active_mono = clock_monotonic_ms();
    transfer->headers_size += (int64_t)size;
    if (transfer->headers_size > HTTP_HEADERS_MAXIMUM) {
        transfer->is_headers_too_large = true;
        return 0;
    }
    if (transfer->is_head_whole)
        return size; /* a trailer: nobody may change the head from there */
    if (size >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
        begin_head(transfer, line, size);
    else if (size <= 2 && (line[0] == '\r' || line[0] == '\n'))
        transfer->is_head_whole = transfer->status >= 200;
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
        if (take_header(line, size, wanted[i].name, wanted[i].value, wanted[i].room))
            break;
    return size;
}

/* ---- Starting ---- */

static struct transfer *find_transfer(struct http_client *client, http_id id)
{
    for (size_t i = 0; id != 0 && i < client->count; i++)
        if (client->transfers[i]->id == id)
            return client->transfers[i];
    return NULL;
}

/* An option that curl could not keep a copy of would be sent, or trusted, as it was before. */
static void check_option(CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY)
        mem_end_program();
}
#define SET_OPTION(...) check_option(curl_easy_setopt(__VA_ARGS__))

static void set_fixed_options(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    SET_OPTION(easy, CURLOPT_PRIVATE, transfer);
    SET_OPTION(easy, CURLOPT_ERRORBUFFER, transfer->error);
    SET_OPTION(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET_OPTION(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET_OPTION(easy, CURLOPT_NOSIGNAL, 1L);
    SET_OPTION(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET_OPTION(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET_OPTION(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET_OPTION(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    SET_OPTION(easy, CURLOPT_PATH_AS_IS, 1L);
    SET_OPTION(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_MAXIMUM_S);
    SET_OPTION(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    SET_OPTION(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET_OPTION(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET_OPTION(easy, CURLOPT_WRITEDATA, transfer);
    SET_OPTION(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET_OPTION(easy, CURLOPT_HEADERDATA, transfer);
    SET_OPTION(easy, CURLOPT_OPENSOCKETFUNCTION, http_client_on_socket);
    SET_OPTION(easy, CURLOPT_OPENSOCKETDATA, transfer);
    SET_OPTION(easy, CURLOPT_PREREQFUNCTION, http_client_on_ready);
    SET_OPTION(easy, CURLOPT_PREREQDATA, transfer);
    SET_OPTION(easy, CURLOPT_USERAGENT, "memory-connector");
#if LIBCURL_VERSION_NUM >= 0x075700
    SET_OPTION(easy, CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs must not hold up the end of the program */
#endif
}

static struct transfer *find_free_transfer(struct http_client *client)
{
    struct transfer *transfer;

    for (size_t i = 0; i < client->count; i++)
        if (client->transfers[i]->id == 0 && !client->transfers[i]->is_in_handler)
            return client->transfers[i];
    client->transfers = mem_grow(client->transfers, client->count, &client->capacity, sizeof *client->transfers);
    transfer = mem_alloc(sizeof *transfer);
    transfer->client = client;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        mem_end_program();
    text_init(&transfer->body, 0);
    text_init(&transfer->pending, 0);
    set_fixed_options(transfer);
    client->transfers[client->count++] = transfer;
    return transfer;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(list, header);

    if (longer == NULL)
        mem_end_program(); /* or the request goes out without its key */
    return longer;
}

static void set_headers(struct transfer *transfer, const struct http_request *request)
{
    struct curl_slist *list = add_header(NULL, "Expect:"); /* else a round trip, or a second with servers that ignore it */

    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        list = add_header(list, request->headers[i]);
    SET_OPTION(transfer->easy, CURLOPT_HTTPHEADER, list);
    curl_slist_free_all(transfer->headers);
    transfer->headers = list;
}

/* Options stay on the handle: each is set for every request, or the next one would trust what the last one did. */
static void set_trust(struct transfer *transfer, const struct http_trust *trust)
{
    const struct http_client *client = transfer->client;
    CURL *easy = transfer->easy;
    bool insecure = trust != NULL && trust->insecure;
    bool has_proxy = trust != NULL && trust->proxy != NULL && !trust->public_only;
    bool is_private = trust != NULL && trust->ca_file != NULL && trust->ca_file[0] != '\0';

    SET_OPTION(easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    SET_OPTION(easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    SET_OPTION(easy, CURLOPT_CAINFO, is_private ? trust->ca_file : client->ca_file);
    SET_OPTION(easy, CURLOPT_CAPATH, is_private ? NULL : client->ca_folder);
    SET_OPTION(easy, CURLOPT_PROXY, has_proxy ? trust->proxy : "");
    http_client_set_reach(transfer, trust);
}

static void set_method(CURL *easy, const struct http_request *request)
{
    bool is_post = strcmp(request->method, "POST") == 0;
    bool has_body = request->body != NULL || is_post;

    if (has_body) {
        SET_OPTION(easy, CURLOPT_POST, 1L);
        SET_OPTION(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(request->body != NULL ? request->body_size : 0));
        SET_OPTION(easy, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    } else {
        SET_OPTION(easy, CURLOPT_HTTPGET, 1L);
    }
    SET_OPTION(easy, CURLOPT_CUSTOMREQUEST, has_body == is_post && (is_post || strcmp(request->method, "GET") == 0) ? NULL : request->method);
}

static void set_request_options(struct transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;
    bool is_alone = request->unrepeatable || (request->trust != NULL && request->trust->public_only);
    int64_t connect_ms = request->connect_timeout_ms > 0 ? request->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;

    SET_OPTION(easy, CURLOPT_URL, request->url);
    set_method(easy, request);
    SET_OPTION(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms < INT_MAX ? connect_ms : INT_MAX));
    SET_OPTION(easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms < INT_MAX ? request->timeout_ms : INT_MAX));
    SET_OPTION(easy, CURLOPT_FRESH_CONNECT, is_alone ? 1L : 0L);
    SET_OPTION(easy, CURLOPT_FORBID_REUSE, is_alone ? 1L : 0L);
    SET_OPTION(easy, CURLOPT_CERTINFO, request->wants_certificate ? 1L : 0L);
    set_trust(transfer, request->trust);
    set_headers(transfer, request);
}

static void empty_text(struct text *text)
{
    if (text->capacity > KEEP_MAXIMUM)
        text_done(text);
    text_clear(text);
}

static void clear_transfer(struct transfer *transfer)
{
    empty_text(&transfer->body);
    empty_text(&transfer->pending);
    transfer->pending_at = 0;
    transfer->received = transfer->headers_size = 0;
    transfer->status = 0;
    forget_headers(transfer);
    transfer->error[0] = '\0';
    transfer->code = CURLE_OK;
    transfer->socket_errno = 0;
    transfer->was_ready = transfer->is_head_whole = transfer->is_over = transfer->is_curl_paused = transfer->is_refused = false;
    transfer->is_held = transfer->is_too_large = transfer->is_headers_too_large = transfer->is_stalled = false;
    transfer->active_mono = clock_monotonic_ms();
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
    clear_transfer(transfer);
    set_request_options(transfer, request);
    transfer->request = *request;
    transfer->request.method = transfer->request.url = NULL; /* curl has copies; only the body stays the caller's */
    transfer->request.headers = NULL;
    transfer->request.trust = NULL;
    code = curl_multi_add_handle(client->multi, transfer->easy);
    if (code == CURLM_OUT_OF_MEMORY)
        mem_end_program();
    if (code != CURLM_OK)
        return error_set(err, ERROR_IO, "cannot start a request: %s", curl_multi_strerror(code));
    transfer->id = ++client->last_id;
    *ret_id = transfer->id;
    return 0;
}

/* ---- Pausing and cancelling ---- */

static void client_pause(void *self, http_id id, bool paused)
{
    struct transfer *transfer = find_transfer(self, id);

    if (transfer == NULL)
        return;
    transfer->is_held = paused;
    if (paused)
        return;
    transfer->is_refused = false;
    transfer->active_mono = clock_monotonic_ms(); /* the silence so far was ours */
}

static void client_cancel(void *self, http_id id)
{
    struct transfer *transfer = find_transfer(self, id);

    if (transfer == NULL)
        return;
    if (!transfer->is_over)
        (void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    transfer->id = 0;
}

/* ---- Handing out ---- */

static int64_t read_retry_after(const struct transfer *transfer, int64_t date_ms)
{
    char *end;
    long long seconds = strtoll(transfer->retry_after, &end, 10);
    int64_t when;

    if (end != transfer->retry_after && *end == '\0')
        return seconds < 0 ? 0 : seconds > INT64_MAX / 2000 ? INT64_MAX / 2 : (int64_t)seconds * 1000;
    if (!time_text_parse_http_date(transfer->retry_after, &when))
        return -1;
    when -= date_ms >= 0 ? date_ms : clock_wall_ms(); /* by the server's own clock where it told it */
    return when < 0 ? 0 : when;
}

static void finish(struct transfer *transfer)
{
    char words[HTTP_WORDS_SIZE];
    curl_off_t announced = -1;
    http_id id = transfer->id;
    int64_t date_ms;
    bool has_status;
    const char *address = NULL;
    struct http_answer answer;

    if (!time_text_parse_http_date(transfer->date, &date_ms))
        date_ms = -1;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &address);
    http_client_describe_end(transfer, words);
    answer = (struct http_answer){
        .end = http_client_judge_end(transfer),
        .stage = http_client_judge_stage(transfer),
        .address = address,
        .certificate_ms = http_client_certificate_ms(transfer),
        .is_tls_failure = http_client_is_tls_failure(transfer),
        .retry_after_ms = read_retry_after(transfer, date_ms),
        .date_ms = date_ms,
        .content_length = announced,
        .received_bytes = transfer->received,
        .content_type = transfer->content_type,
        .location = transfer->location,
        .new_token = strlen(transfer->new_token) + 1 < sizeof transfer->new_token ? transfer->new_token : "", /* perhaps cut */
        .body = transfer->body.data,
        .body_size = transfer->body.size,
        .words = words,
    };
    has_status = answer.end == HTTP_ANSWERED || answer.end == HTTP_TRUNCATED || answer.end == HTTP_TOO_LARGE;
    answer.status = has_status ? transfer->status : 0;
    answer.is_timeout = (answer.end == HTTP_NO_ANSWER || answer.end == HTTP_TRUNCATED) &&
                        (transfer->code == CURLE_OPERATION_TIMEDOUT || transfer->is_stalled);
    transfer->id = 0; /* over: cancelling it from its own handler does nothing */
    transfer->is_in_handler = true;
    transfer->client->served++;
    transfer->request.on_done(transfer->request.owner, id, &answer);
    transfer->is_in_handler = false;
}

/* Gives on_data what has come; false when the request is waiting or gone. */
static bool hand_out(struct transfer *transfer)
{
    http_id id = transfer->id;

    while (pending_size(transfer) > 0) {
        const char *piece = transfer->pending.data + transfer->pending_at;
        size_t size = pending_size(transfer) < PIECE ? pending_size(transfer) : PIECE;
        bool is_taken;
        if (is_waiting_for_caller(transfer))
            return false;
        transfer->is_in_handler = true;
        transfer->client->served++;
        is_taken = transfer->request.on_data(transfer->request.owner, id, piece, size);
        transfer->is_in_handler = false;
        if (transfer->id != id)
            return false; /* it cancelled itself */
        if (!is_taken) {
            transfer->is_refused = true;
            return false;
        }
        transfer->pending_at += size;
    }
    text_clear(&transfer->pending);
    transfer->pending_at = 0;
    return true;
}

static void serve_transfer(struct transfer *transfer)
{
    while (transfer->id != 0 && hand_out(transfer)) {
        if (transfer->is_curl_paused) {
            transfer->is_curl_paused = false;
            (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT); /* brings what curl has kept: on_body fills pending again */
            if (pending_size(transfer) > 0)
                continue;
        }
        if (transfer->is_over)
            finish(transfer);
        return;
    }
}

static bool has_something_to_serve(const struct transfer *transfer)
{
    return transfer->id != 0 && !is_waiting_for_caller(transfer) &&
           (transfer->is_over || transfer->is_curl_paused || pending_size(transfer) > 0);
}

static void collect(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        (void)curl_multi_remove_handle(client->multi, easy);
        transfer->is_over = true;
        transfer->code = code; /* "out of memory" too is only this answer's failure: curl says it also of a head line that is too long */
    }
}

/* curl's own low-speed limit counts paused time; ours does not. Returns when the next one is due. */
static int64_t end_stalled(struct http_client *client)
{
    int64_t now = clock_monotonic_ms();
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < client->count; i++) {
        struct transfer *transfer = client->transfers[i];
        int64_t due;
        if (transfer->id == 0 || transfer->is_over || transfer->request.stall_timeout_ms <= 0 || is_waiting_for_caller(transfer))
            continue;
        due = transfer->active_mono + transfer->request.stall_timeout_ms;
        if (due <= now) {
            (void)curl_multi_remove_handle(client->multi, transfer->easy);
            transfer->is_over = transfer->is_stalled = true;
            transfer->code = CURLE_OPERATION_TIMEDOUT;
        } else if (due < next) {
            next = due;
        }
    }
    return next;
}

/* One turn: let curl work, end what is silent, serve the handlers. *ret_next_ms: when the next stall is due; 0: at once again. */
static int turn(struct http_client *client, int64_t *ret_next_ms, struct error *err)
{
    int running;
    CURLMcode code = curl_multi_perform(client->multi, &running);

    if (code != CURLM_OK)
        return error_set(err, ERROR_IO, "network: %s", curl_multi_strerror(code));
    collect(client);
    *ret_next_ms = end_stalled(client);
    for (size_t i = 0; i < client->count; i++)
        if (client->transfers[i]->id != 0)
            serve_transfer(client->transfers[i]);
    /* A handler may have let another request go on whose turn is over. */
    for (size_t i = 0; i < client->count; i++)
        if (has_something_to_serve(client->transfers[i]))
            *ret_next_ms = 0;
    return 0;
}

static int client_poll(void *self, int64_t until_ms, struct error *err)
{
    struct http_client *client = self;
    int64_t next = 0;
    int64_t wait;
    uint64_t served = client->served;
    CURLMcode code;

    if (turn(client, &next, err) < 0)
        return -1;
    if (client->served != served)
        return 0; /* the caller may have something to do now: what it wants next is not known here */
    wait = (next < until_ms ? next : until_ms) - clock_monotonic_ms();
    if (wait <= 0)
        return 0;
    code = curl_multi_poll(client->multi, NULL, 0, (int)(wait < POLL_MAXIMUM_MS ? wait : POLL_MAXIMUM_MS), NULL);
    if (code != CURLM_OK)
        return error_set(err, ERROR_IO, "network: %s", curl_multi_strerror(code));
    return turn(client, &next, err);
}

static void client_wake(void *self)
{
    struct http_client *client = self;
    int saved = errno; /* a signal handler calls this */

    (void)curl_multi_wakeup(client->multi);
    errno = saved;
}

/* ---- Life ---- */

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void start_curl(void) /* several threads have clients of their own */
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, init_curl);
}

/* What curl was built with, where that is there; a static binary finds the file of the distribution it runs on. */
static void find_system_ca(struct http_client *client)
{
    static const char *const usual[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
        "/etc/ssl/ca-bundle.pem",             /* SUSE */
        "/etc/ssl/cert.pem",                  /* macOS, BSD, Alpine */
    };
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    const char *named = getenv("SSL_CERT_FILE");

    client->ca_folder = info->capath;
    if (named != NULL && named[0] != '\0') {
        client->ca_file = named;
        client->ca_folder = NULL;
        return;
    }
    client->ca_file = info->cainfo;
    for (size_t i = 0; (client->ca_file == NULL || access(client->ca_file, R_OK) < 0) && i < ARRAY_LENGTH(usual); i++)
        if (access(usual[i], R_OK) == 0)
            client->ca_file = usual[i];
}

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
    find_system_ca(client);
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
    for (size_t i = 0; i < client->count; i++)
        client_cancel(client, client->transfers[i]->id);
    for (size_t i = 0; i < client->count; i++) {
        struct transfer *transfer = client->transfers[i];
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        text_done(&transfer->body);
        text_done(&transfer->pending);
        mem_free(transfer->networks);
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
