/* memory_api.c - listings of the Memory API: the request, and what its end means. */
#include "source/source.h"

#include "base/http_client.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_AFTER_CAP_MS = 60 * 60 * 1000 };

void source_storage_init(struct source_storage *storage)
{
    *storage = (struct source_storage){ 0 };
    text_init(&storage->url, 0);
    text_init(&storage->header, 0);
}

void source_storage_done(struct source_storage *storage)
{
    text_done(&storage->url);
    text_done(&storage->header);
}

void source_request_listing(const struct source_endpoint *endpoint, struct source_storage *storage, const char *context, const char *range,
                            int64_t limit, struct http_request *ret_request)
{
    size_t count = 0;

    text_clear(&storage->url);
    text_clear(&storage->header);
    (void)text_append(&storage->url, endpoint->url);
    (void)text_append(&storage->url, "/memory/");
    http_url_encode(&storage->url, context, strlen(context));
    (void)text_append_format(&storage->url, "?limit=%lld&range=", (long long)limit);
    http_url_encode(&storage->url, range, strlen(range));
    storage->headers[count++] = "Accept: application/json";
    if (endpoint->api_key[0] != '\0') {
        (void)text_append(&storage->header, "X-API-KEY: ");
        (void)text_append(&storage->header, endpoint->api_key);
        storage->headers[count++] = storage->header.data;
    }
    storage->headers[count] = NULL;
    *ret_request = (struct http_request){
        .method = "GET",
        .url = storage->url.data,
        .headers = storage->headers,
        .stall_timeout_ms = endpoint->timeout_ms,
        .answer_maximum = endpoint->response_maximum,
        .trust = endpoint->trust,
    };
}

/* ---- How it ended ---- */

static void judge_transport(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer,
                            struct source_verdict *verdict)
{
    if (answer->is_tls_failure) {
        verdict->outcome = SOURCE_UNTRUSTED;
        (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.120s is not trusted: %.150s; http.ca_file names a private CA",
                       endpoint->url, answer->words);
        return;
    }
    verdict->outcome = SOURCE_AGAIN;
    (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.120s does not answer for context %.60s: %.150s", endpoint->url, context,
                   answer->words);
}

static void judge_status(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer,
                         struct source_verdict *verdict)
{
    int status = answer->status;

    if (status == 401 || status == 403) {
        verdict->outcome = SOURCE_DENIED;
        (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.160s refuses the key (HTTP %d): check memory_api.api_key",
                       endpoint->url, status);
    } else if (status == 404) {
        verdict->outcome = SOURCE_NO_CONTEXT;
        (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.120s does not know context \"%.60s\" (HTTP 404): check context_id and memory_api.url",
                       endpoint->url, context);
    } else if (status == 429 || status >= 500) {
        verdict->outcome = SOURCE_AGAIN;
        (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.120s answers HTTP %d for context %.60s", endpoint->url, status, context);
    } else if (answer->location[0] != '\0') {
        verdict->outcome = SOURCE_STRANGE;
        (void)snprintf(verdict->words, sizeof verdict->words,
                       "the Memory API at %.100s redirects to %.120s (HTTP %d), which is not followed: put the right address into memory_api.url",
                       endpoint->url, answer->location, status);
    } else {
        verdict->outcome = SOURCE_STRANGE;
        (void)snprintf(verdict->words, sizeof verdict->words, "the Memory API at %.120s answers HTTP %d: check memory_api.url", endpoint->url, status);
    }
}

static void describe_bytes(char *out, size_t room, const struct source_verdict *verdict)
{
    if (verdict->announced_bytes >= 0)
        (void)snprintf(out, room, "%lld of %lld bytes came", (long long)verdict->received_bytes, (long long)verdict->announced_bytes);
    else
        (void)snprintf(out, room, "%lld bytes came", (long long)verdict->received_bytes);
}

static void judge_partial(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer, enum splitter_end end,
                          uint64_t broken_at, struct source_verdict *verdict)
{
    char bytes[80];

    verdict->outcome = SOURCE_PARTIAL;
    describe_bytes(bytes, sizeof bytes, verdict);
    if (answer->end == HTTP_TRUNCATED || answer->end == HTTP_TOO_LARGE)
        (void)snprintf(verdict->words, sizeof verdict->words,
                       "the listing of context %.60s from %.100s broke off (%s: %.120s); every whole memory in it was taken", context, endpoint->url, bytes,
                       answer->words);
    else
        (void)snprintf(verdict->words, sizeof verdict->words,
                       "the listing of context %.60s from %.100s is broken JSON at byte %llu (%s); every whole memory before it was taken", context,
                       endpoint->url, (unsigned long long)broken_at, end == SPLITTER_BROKEN ? bytes : "");
}

static void judge_content(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer, enum splitter_end end,
                          uint64_t broken_at, struct source_verdict *verdict)
{
    switch (end) {
    case SPLITTER_COMPLETE:
        verdict->outcome = SOURCE_COMPLETE;
        return;
    case SPLITTER_NO_MEMORIES:
        verdict->outcome = SOURCE_STRANGE;
        (void)snprintf(verdict->words, sizeof verdict->words,
                       "the answer of %.120s for context %.60s has no \"memories\" at its top level: is this a Memory API? check memory_api.url", endpoint->url,
                       context);
        return;
    case SPLITTER_NOT_JSON:
        verdict->outcome = SOURCE_STRANGE;
        (void)snprintf(verdict->words, sizeof verdict->words, "the answer of %.120s for context %.60s is not JSON but %.60s: check memory_api.url",
                       endpoint->url, context, answer->content_type[0] != '\0' ? answer->content_type : "something else");
        return;
    default:
        judge_partial(endpoint, context, answer, end, broken_at, verdict);
    }
}

void source_judge(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer, enum splitter_end end, uint64_t broken_at,
                  struct source_verdict *ret_verdict)
{
    struct source_verdict verdict = {
        .status = answer->status,
        .retry_after_ms = answer->retry_after_ms < 0 ? -1 : answer->retry_after_ms > RETRY_AFTER_CAP_MS ? RETRY_AFTER_CAP_MS : answer->retry_after_ms,
        .received_bytes = answer->received_bytes,
        .announced_bytes = answer->content_length,
    };

    if (answer->end == HTTP_NOT_SENT || answer->end == HTTP_NO_ANSWER)
        judge_transport(endpoint, context, answer, &verdict);
    else if (answer->status != 200)
        judge_status(endpoint, context, answer, &verdict);
    else if (answer->end == HTTP_ANSWERED)
        judge_content(endpoint, context, answer, end, broken_at, &verdict);
    else if (end == SPLITTER_NOT_JSON && answer->received_bytes > 0)
        judge_content(endpoint, context, answer, end, broken_at, &verdict);
    else
        judge_partial(endpoint, context, answer, end, broken_at, &verdict);
    *ret_verdict = verdict;
}
