/* memory_api.c - listings of the Memory API: the request, and what its end means. */
#include "source/source.h"

#include "base/http_client.h"

#include <stdarg.h>
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

/* ---- Words ---- */

enum { SHOWN_URL = 120, SHOWN_CONTEXT = 64, SHOWN_WORDS = 140 };

/* Who was asked for what, and how it ended, as a message may show it: harmless, and cut between characters, so that the remedy behind it
 * always has room. */
struct seen {
    char url[SHOWN_URL];
    char context[SHOWN_CONTEXT];
    char words[SHOWN_WORDS];     /* of the transport */
    char location[SHOWN_WORDS];  /* of a redirect, without its query */
    char content_type[SHOWN_CONTEXT];
};

static void copy_shown(char *out, size_t room, const char *words, size_t size)
{
    AUTO_DONE(text) struct text clean = { 0 };

    text_init(&clean, room - 1); /* what does not fit is left out whole */
    (void)text_append_harmless(&clean, words, size);
    memcpy(out, clean.data, clean.size + 1);
}

static void see(struct seen *seen, const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer)
{
    copy_shown(seen->url, sizeof seen->url, endpoint->url, strlen(endpoint->url));
    copy_shown(seen->context, sizeof seen->context, context, strlen(context));
    copy_shown(seen->words, sizeof seen->words, answer->words, strlen(answer->words));
    copy_shown(seen->location, sizeof seen->location, answer->location, strcspn(answer->location, "?#"));
    copy_shown(seen->content_type, sizeof seen->content_type, answer->content_type, strlen(answer->content_type));
}

MC_PRINTF(3, 4)
static void conclude(struct source_verdict *verdict, enum source_outcome outcome, const char *format, ...)
{
    va_list args;

    verdict->outcome = outcome;
    va_start(args, format);
    (void)vsnprintf(verdict->words, sizeof verdict->words, format, args);
    va_end(args);
}

/* ---- How it ended ---- */

static void judge_transport(const struct seen *seen, const struct http_answer *answer, struct source_verdict *verdict)
{
    if (answer->is_tls_failure)
        conclude(verdict, SOURCE_UNTRUSTED, "the Memory API at %s is not trusted: %s; http.ca_file names a private CA", seen->url, seen->words);
    else if (answer->end == HTTP_NOT_SENT)
        conclude(verdict, SOURCE_AGAIN, "the Memory API at %s does not answer for context %s: %s (is it running? see memory_api.url)", seen->url, seen->context, seen->words);
    else
        conclude(verdict, SOURCE_AGAIN, "the Memory API at %s does not answer for context %s: %s", seen->url, seen->context, seen->words);
}

static enum source_outcome outcome_of_status(int status)
{
    static const struct { int status; enum source_outcome outcome; } outcomes[] = {
        { 401, SOURCE_DENIED }, { 403, SOURCE_DENIED }, { 404, SOURCE_NO_CONTEXT }, { 408, SOURCE_AGAIN }, { 425, SOURCE_AGAIN }, { 429, SOURCE_AGAIN },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(outcomes); i++)
        if (outcomes[i].status == status)
            return outcomes[i].outcome;
    return status >= 500 ? SOURCE_AGAIN : SOURCE_STRANGE;
}

static void judge_status(const struct seen *seen, int status, struct source_verdict *verdict)
{
    enum source_outcome outcome = outcome_of_status(status);

    if (outcome == SOURCE_DENIED)
        conclude(verdict, outcome, "the Memory API at %s refused the key for context %s (HTTP %d): check memory_api.api_key", seen->url, seen->context,
                 status);
    else if (outcome == SOURCE_NO_CONTEXT)
        conclude(verdict, outcome, "the Memory API at %s does not know context \"%s\" (HTTP %d): check context_id and memory_api.url", seen->url,
                 seen->context, status);
    else if (outcome == SOURCE_AGAIN)
        conclude(verdict, outcome, "the Memory API at %s answered HTTP %d for context %s", seen->url, status, seen->context);
    else if (seen->location[0] != '\0')
        conclude(verdict, outcome, "the Memory API at %s redirects to %s (HTTP %d), which is not followed: put the right address into memory_api.url",
                 seen->url, seen->location, status);
    else
        conclude(verdict, outcome, "the Memory API at %s answered HTTP %d for context %s: check memory_api.url", seen->url, status, seen->context);
}

static void judge_partial(const struct seen *seen, const struct http_answer *answer, uint64_t broken_at, struct source_verdict *verdict)
{
    char bytes[80];

    if (verdict->announced_bytes >= 0)
        (void)snprintf(bytes, sizeof bytes, "%lld of %lld bytes came", (long long)verdict->received_bytes, (long long)verdict->announced_bytes);
    else
        (void)snprintf(bytes, sizeof bytes, "%lld bytes came", (long long)verdict->received_bytes);
    if (answer->end != HTTP_ANSWERED)
        conclude(verdict, SOURCE_PARTIAL, "the listing of context %s from %s broke off (%s: %s); every whole memory in it was taken", seen->context,
                 seen->url, bytes, seen->words);
    else
        conclude(verdict, SOURCE_PARTIAL, "the listing of context %s from %s is broken JSON at byte %llu (%s); every whole memory before it was taken",
                 seen->context, seen->url, (unsigned long long)broken_at, bytes);
}

static void judge_content(const struct seen *seen, const struct http_answer *answer, enum splitter_end end, uint64_t broken_at,
                          struct source_verdict *verdict)
{
    switch (end) {
    case SPLITTER_COMPLETE:
        verdict->outcome = SOURCE_COMPLETE;
        return;
    case SPLITTER_NO_MEMORIES:
        conclude(verdict, SOURCE_STRANGE, "the answer of %s for context %s has no \"memories\" at its top level: is this a Memory API? check memory_api.url",
                 seen->url, seen->context);
        return;
    case SPLITTER_NOT_JSON:
        conclude(verdict, SOURCE_STRANGE, "the answer of %s for context %s is not JSON but %s: check memory_api.url", seen->url, seen->context,
                 answer->received_bytes == 0 ? "empty" : seen->content_type[0] != '\0' ? seen->content_type : "something else");
        return;
    case SPLITTER_OPEN:
    case SPLITTER_BROKEN:
        judge_partial(seen, answer, broken_at, verdict);
    }
}

static int64_t mend_retry_after(int64_t ms)
{
    if (ms < 0)
        return -1;
    return ms > RETRY_AFTER_CAP_MS ? RETRY_AFTER_CAP_MS : ms;
}

void source_judge(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer, enum splitter_end end, uint64_t broken_at,
                  struct source_verdict *ret_verdict)
{
    struct source_verdict verdict = {
        .status = answer->status, .retry_after_ms = mend_retry_after(answer->retry_after_ms), .received_bytes = answer->received_bytes,
        .announced_bytes = answer->content_length,
    };
    struct seen seen;

    see(&seen, endpoint, context, answer);
    if (answer->end == HTTP_NOT_SENT || answer->end == HTTP_NO_ANSWER)
        judge_transport(&seen, answer, &verdict);
    else if (answer->status != 200)
        judge_status(&seen, answer->status, &verdict);
    else if (answer->end == HTTP_ANSWERED || (end == SPLITTER_NOT_JSON && answer->received_bytes > 0))
        judge_content(&seen, answer, end, broken_at, &verdict); /* a login page is one, however much of it came */
    else
        judge_partial(&seen, answer, broken_at, &verdict);
    *ret_verdict = verdict;
}
