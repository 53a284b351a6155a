/* lightrag_request.c - the calls that delivery makes to LightRAG; the same for both dialects but for "<|" in texts. */
#include "sink/sink.h"

#include "base/http_client.h"
#include "base/json_write.h"

#include <string.h>

enum {
    SHORT_CALL_MS = 60 * 1000,              /* every call but an insert */
    SMALL_ANSWER = 1 << 20,
    LISTING_ANSWER = 16 << 20,              /* 200 rows are about 130 kB; a track of 5,000 documents was 3.2 MB */
};

void sink_storage_init(struct sink_storage *storage)
{
    *storage = (struct sink_storage){ 0 };
    text_init(&storage->url, 0);
    text_init(&storage->body, 0);
    text_init(&storage->header, 0);
}

void sink_storage_done(struct sink_storage *storage)
{
    text_done(&storage->url);
    text_done(&storage->body);
    text_done(&storage->header);
}

static void prepare(const struct sink_settings *settings, struct sink_storage *storage, const char *path)
{
    size_t count = 0;

    text_clear(&storage->url);
    text_clear(&storage->header);
    (void)text_append(&storage->url, settings->url);
    (void)text_append(&storage->url, path);
    storage->headers[count++] = "Accept: application/json";
    storage->headers[count++] = "Content-Type: application/json";
    if (settings->api_key[0] != '\0') {
        (void)text_append(&storage->header, "X-API-Key: ");
        (void)text_append(&storage->header, settings->api_key);
        storage->headers[count++] = storage->header.data;
    }
    storage->headers[count] = NULL;
}

static void fill(const struct sink_settings *settings, struct sink_storage *storage, const char *method, int64_t answer_maximum,
                 struct http_request *ret_request)
{
    bool has_body = storage->body.size > 0;

    *ret_request = (struct http_request){
        .method = method,
        .url = storage->url.data,
        .headers = storage->headers,
        .body = has_body ? storage->body.data : NULL,
        .body_size = has_body ? storage->body.size : 0,
        .timeout_ms = settings->timeout_ms < SHORT_CALL_MS ? settings->timeout_ms : SHORT_CALL_MS,
        .answer_maximum = answer_maximum,
        .trust = settings->trust,
    };
}

/* ---- Inserts ---- */

/* {"texts":[...],"file_sources":[...]}: the texts go straight into the body, the names are kept in url until the end. */
void sink_insert_begin(const struct sink_settings *settings, struct sink_storage *storage)
{
    (void)settings;
    text_clear(&storage->body);
    text_clear(&storage->url);
    (void)text_append(&storage->body, "{\"texts\":[");
}

/* 1.4 fails on the special tokens of its tokenizer: "<|" becomes "< |". */
static void break_special_tokens(struct text *out, const char *text, size_t size)
{
    const char *end = text + size;

    while (text < end) {
        const char *bar = memchr(text, '<', (size_t)(end - text));
        if (bar == NULL || bar + 1 >= end) {
            (void)text_append_bytes(out, text, (size_t)(end - text));
            return;
        }
        (void)text_append_bytes(out, text, (size_t)(bar + 1 - text));
        if (bar[1] == '|')
            (void)text_append_char(out, ' ');
        text = bar + 1;
    }
}

void sink_append_text(enum sink_dialect dialect, struct text *out, const char *text, size_t size)
{
    if (dialect == SINK_14)
        break_special_tokens(out, text, size);
    else
        (void)text_append_bytes(out, text, size);
}

void sink_insert_add(enum sink_dialect dialect, struct sink_storage *storage, const struct sink_document *document)
{
    bool is_first = storage->url.size == 0;

    (void)text_append(&storage->body, is_first ? "\"" : ",\"");
    if (dialect == SINK_14 && memmem(document->text, document->text_size, "<|", 2) != NULL) {
        AUTO_DONE(text) struct text broken = { 0 };
        text_init(&broken, 0);
        sink_append_text(dialect, &broken, document->text, document->text_size);
        json_escape(&storage->body, broken.data, broken.size);
    } else {
        json_escape(&storage->body, document->text, document->text_size);
    }
    (void)text_append_char(&storage->body, '"');
    (void)text_append(&storage->url, is_first ? "\"" : ",\"");
    json_escape(&storage->url, document->name, strlen(document->name));
    (void)text_append_char(&storage->url, '"');
}

void sink_insert_end(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    (void)text_append(&storage->body, "],\"file_sources\":[");
    (void)text_append_bytes(&storage->body, storage->url.data, storage->url.size);
    (void)text_append(&storage->body, "]}");
    prepare(settings, storage, "/documents/texts");
    fill(settings, storage, "POST", SMALL_ANSWER * 4, ret_request);
    ret_request->timeout_ms = settings->timeout_ms;
    ret_request->unrepeatable = true;
}

/* ---- Questions ---- */

static void ask(const struct sink_settings *settings, struct sink_storage *storage, const char *path, int64_t answer_maximum,
                struct http_request *ret_request)
{
    text_clear(&storage->body);
    prepare(settings, storage, path);
    fill(settings, storage, "GET", answer_maximum, ret_request);
}

void sink_request_login(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    text_clear(&storage->body);
    prepare(settings, storage, "/login");
    storage->headers[1] = "Content-Type: application/x-www-form-urlencoded";
    (void)text_append(&storage->body, "username=");
    http_url_encode(&storage->body, settings->username, strlen(settings->username));
    (void)text_append(&storage->body, "&password=");
    http_url_encode(&storage->body, settings->password, strlen(settings->password));
    fill(settings, storage, "POST", SMALL_ANSWER, ret_request);
    ret_request->unrepeatable = true; /* five wrong ones lock the account: none twice */
}

void sink_request_health(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    ask(settings, storage, "/health", SMALL_ANSWER, ret_request);
}

void sink_request_counts(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    ask(settings, storage, "/documents/status_counts", SMALL_ANSWER, ret_request);
}

void sink_request_pipeline(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    ask(settings, storage, "/documents/pipeline_status", LISTING_ANSWER, ret_request);
}

void sink_request_track(const struct sink_settings *settings, struct sink_storage *storage, const char *track, struct http_request *ret_request)
{
    ask(settings, storage, "/documents/track_status/", LISTING_ANSWER, ret_request);
    http_url_encode(&storage->url, track, strlen(track));
    ret_request->url = storage->url.data;
}

void sink_request_listing(const struct sink_settings *settings, struct sink_storage *storage, int64_t page, int page_size, bool oldest_first,
                          struct http_request *ret_request)
{
    text_clear(&storage->body);
    prepare(settings, storage, "/documents/paginated");
    (void)text_append_format(&storage->body, "{\"page\":%lld,\"page_size\":%d,\"sort_field\":\"created_at\",\"sort_direction\":\"%s\"}",
                             (long long)page, page_size, oldest_first ? "asc" : "desc");
    fill(settings, storage, "POST", LISTING_ANSWER, ret_request);
}

void sink_request_reprocess(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request)
{
    text_clear(&storage->body);
    prepare(settings, storage, "/documents/reprocess_failed");
    fill(settings, storage, "POST", SMALL_ANSWER, ret_request);
}

void sink_request_delete(const struct sink_settings *settings, struct sink_storage *storage, const char *const *ids, size_t count,
                         struct http_request *ret_request)
{
    text_clear(&storage->body);
    prepare(settings, storage, "/documents/delete_document");
    (void)text_append(&storage->body, "{\"doc_ids\":[");
    for (size_t i = 0; i < count; i++) {
        (void)text_append(&storage->body, i > 0 ? ",\"" : "\"");
        json_escape(&storage->body, ids[i], strlen(ids[i]));
        (void)text_append_char(&storage->body, '"');
    }
    (void)text_append(&storage->body, "],\"delete_file\":false,\"delete_llm_cache\":false}");
    fill(settings, storage, "DELETE", SMALL_ANSWER, ret_request);
    ret_request->unrepeatable = true;
}
