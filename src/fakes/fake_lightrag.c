/* fake_lightrag.c - the routes. Answers and their words follow what real servers were seen to say; tests/contract compares. */
#include "fakes/fake_lightrag_internal.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <yyjson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(struct http_server_answer *answer, int status, const char *detail)
{
    struct json_writer writer;

    answer->status = status;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "detail", detail);
    json_write_close(&writer);
}

/* FastAPI's validation error; input echoes what was sent, private texts included. */
static void say_invalid(struct http_server_answer *answer, const char *type, const char *list, int64_t index, const char *message, const char *input)
{
    struct json_writer writer;

    answer->status = 422;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "detail");
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "type", type);
    json_write_open_array(&writer, "loc");
    json_write_string(&writer, NULL, "body");
    if (list != NULL)
        json_write_string(&writer, NULL, list);
    if (index >= 0)
        json_write_integer(&writer, NULL, index);
    json_write_close(&writer);
    json_write_string(&writer, "msg", message);
    json_write_string(&writer, "input", input);
    json_write_close(&writer);
    json_write_close(&writer);
    json_write_close(&writer);
}

/* ---- Inserts ---- */

static void say_exists(struct fake_lightrag *fake, const struct doc *doc, struct http_server_answer *answer)
{
    static const char *const upper[] = { "PENDING", "PROCESSING", "PROCESSED", "FAILED" };
    struct json_writer writer;
    AUTO_STRING char *words = NULL;

    fake->refused++;
    if (!fake->settings.is_14) {
        words = mem_format("Document storage already contains '%s' (Status: %s). Delete the existing record before re-inserting.", doc->name,
                           fake_status_name(doc->status));
        say(answer, 409, words);
        return;
    }
    words = mem_format("File source '%s' already exists in document storage (Status: DocStatus.%s).", doc->name, upper[doc->status]);
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "duplicated");
    json_write_string(&writer, "message", words);
    json_write_string(&writer, "track_id", doc->track);
    json_write_close(&writer);
}

static void say_identical(struct fake_lightrag *fake, const struct doc *doc, struct http_server_answer *answer)
{
    struct json_writer writer;
    AUTO_STRING char *words = mem_format("Identical content already exists in document storage (doc_id: %s, Status: DocStatus.PROCESSED)", doc->id);

    fake->refused++;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "duplicated");
    json_write_string(&writer, "message", words);
    json_write_string(&writer, "track_id", doc->track);
    json_write_close(&writer);
}

static void free_items(struct text_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_free(items[i].name);
        mem_free(items[i].text);
    }
    mem_free(items);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* 1.5 keeps what stands behind the last slash. */
static const char *base_name(const struct fake_lightrag *fake, const char *name)
{
    const char *slash = fake->settings.is_14 ? NULL : strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

static bool check_names(struct fake_lightrag *fake, const struct text_item *items, size_t count, struct http_server_answer *answer)
{
    struct map seen = { 0 };
    bool good = true;

    for (size_t i = 0; i < count && good && !fake->settings.is_14; i++) {
        uint64_t hash = fake_hash(items[i].name, strlen(items[i].name));
        if (is_blank(items[i].name) || strcmp(items[i].name, "unknown_source") == 0) {
            say(answer, 400, "A valid file_source is required for each text");
            good = false;
        } else if (fake_map_find(&seen, hash) != NO_DOC) {
            say(answer, 400, "file_sources must be unique by filename");
            good = false;
        }
        fake_map_put(&seen, hash, (int64_t)i);
    }
    mem_free(seen.slots);
    return good;
}

static bool check_texts(struct fake_lightrag *fake, const struct text_item *items, size_t count, struct http_server_answer *answer)
{
    for (size_t i = 0; i < count && !fake->settings.is_14; i++) {
        if (!is_blank(items[i].text))
            continue;
        say_invalid(answer, "value_error", "texts", (int64_t)i, "Value error, text cannot be empty or whitespace-only", items[i].text);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (fake->error_match[0] == '\0' || strstr(items[i].text, fake->error_match) == NULL)
            continue;
        say(answer, 500, "Internal server error (error_id: 0123456789ab)");
        return false;
    }
    return true;
}

static bool check_known(struct fake_lightrag *fake, const struct text_item *items, size_t count, struct http_server_answer *answer)
{
    for (size_t i = 0; i < count; i++) {
        int64_t known = fake_find_name(fake, items[i].name);
        if (known == NO_DOC)
            continue;
        say_exists(fake, &fake->docs[known], answer);
        return false;
    }
    for (size_t i = 0; i < count && fake->settings.is_14; i++) {
        int64_t known = fake_find_content(fake, fake_hash(items[i].text, items[i].size));
        if (known == NO_DOC)
            continue;
        say_identical(fake, &fake->docs[known], answer);
        return false;
    }
    return true;
}

static struct text_item *read_items(struct fake_lightrag *fake, yyjson_val *root, size_t *ret_count, struct http_server_answer *answer)
{
    yyjson_val *texts = yyjson_obj_get(root, "texts");
    yyjson_val *names = yyjson_obj_get(root, "file_sources");
    size_t count = yyjson_arr_size(texts);
    struct text_item *items;

    if (!yyjson_is_arr(texts)) {
        say_invalid(answer, "missing", "texts", -1, "Field required", "...");
        return NULL;
    }
    if (count == 0) {
        say_invalid(answer, "too_short", "texts", -1, "List should have at least 1 item after validation, not 0", "[]");
        return NULL;
    }
    if (yyjson_arr_size(names) != count) {
        say(answer, 400, "A valid file_source is required for each text");
        return NULL;
    }
    items = mem_alloc_array(count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *text = yyjson_arr_get(texts, i);
        yyjson_val *name = yyjson_arr_get(names, i);
        if (!yyjson_is_str(text) || !yyjson_is_str(name)) {
            say_invalid(answer, "string_type", yyjson_is_str(text) ? "file_sources" : "texts", (int64_t)i, "Input should be a valid string", "...");
            free_items(items, i);
            return NULL;
        }
        items[i] = (struct text_item){ .name = mem_copy_string(base_name(fake, yyjson_get_str(name))),
                                       .text = mem_copy_bytes(yyjson_get_str(text), yyjson_get_len(text)), .size = yyjson_get_len(text) };
    }
    *ret_count = count;
    return items;
}

static void accept(struct fake_lightrag *fake, struct text_item *items, size_t count, int64_t now_ms, struct http_server_answer *answer)
{
    char track[48];
    struct json_writer writer;

    fake_store_accept(fake, items, count, now_ms, track);
    fake->texts += (int64_t)count;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", fake->status_word[0] != '\0' && fake->fault_times-- > 0 ? fake->status_word : "success");
    json_write_string(&writer, "message", "Text successfully received. Processing will continue in background.");
    json_write_string(&writer, "track_id", track);
    json_write_close(&writer);
    if (fake->drop_every > 0 && fake->inserts % fake->drop_every == 0) {
        fake->dropped++;
        answer->fault = HTTP_SERVER_DROP;
    }
}

/* How many inserts are under way: an answer that is delayed is one until its time. */
static void count_in_flight(struct fake_lightrag *fake, int64_t now_ms)
{
    int in_flight = 0;
    bool is_kept = false;

    for (size_t i = 0; i < ARRAY_LENGTH(fake->in_flight); i++) {
        if (fake->in_flight[i] <= now_ms && !is_kept) {
            fake->in_flight[i] = now_ms + (fake->latency_ms > 0 ? fake->latency_ms : 0);
            is_kept = true;
            in_flight++;
        } else if (fake->in_flight[i] > now_ms) {
            in_flight++;
        }
    }
    if (in_flight > fake->max_in_flight)
        fake->max_in_flight = in_flight;
}

static bool spoil_insert(struct fake_lightrag *fake, int64_t now_ms, struct http_server_answer *answer)
{
    if (fake->blocked_until_ms > now_ms) {
        say(answer, 409, "Pipeline is clearing or deleting documents. Wait for the running job to finish before submitting new work.");
        return true;
    }
    if (fake->fault_times <= 0 || fake->status_word[0] != '\0')
        return false;
    fake->fault_times--;
    if (fake->retry_after[0] != '\0') {
        (void)snprintf(fake->header, sizeof fake->header, "Retry-After: %s", fake->retry_after);
        answer->headers[0] = fake->header;
    }
    if (fake->fault_html) {
        answer->content_type = "text/html";
        (void)text_append(&answer->body, "<html><body>hello</body></html>");
    } else {
        say(answer, fake->fault_status, "scripted fault");
    }
    return true;
}

static void answer_insert(struct fake_lightrag *fake, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document;
    struct text_item *items;
    size_t count = 0;

    fake->inserts++;
    answer->delay_ms = fake->latency_ms;
    count_in_flight(fake, now_ms);
    if (spoil_insert(fake, now_ms, answer))
        return;
    document = yyjson_read(request->body, request->body_size, 0);
    if (document == NULL && memmem(request->body, request->body_size, "\\ud8", 4) != NULL) {
        say(answer, 500, "Internal server error (error_id: 11fce9789062)"); /* a lone surrogate */
        return;
    }
    if (document == NULL) {
        say_invalid(answer, "json_invalid", NULL, 0, "JSON decode error", "{}");
        return;
    }
    items = read_items(fake, yyjson_doc_get_root(document), &count, answer);
    yyjson_doc_free(document);
    if (items == NULL)
        return;
    if (check_texts(fake, items, count, answer) && check_names(fake, items, count, answer) && check_known(fake, items, count, answer))
        accept(fake, items, count, now_ms, answer);
    else
        free_items(items, count);
}

/* ---- Rows ---- */

static void write_time(struct json_writer *writer, const char *key, int64_t ms)
{
    struct time_fields f;
    char words[48];

    time_text_fields(ms, &f);
    (void)snprintf(words, sizeof words, "%04d-%02d-%02dT%02d:%02d:%02d.%03d000+00:00", f.year, f.month, f.day, f.hour, f.minute, f.second, f.millisecond);
    json_write_string(writer, key, words);
}

static void write_doc(struct json_writer *writer, const struct doc *doc)
{
    bool is_failed = doc->status == DOC_FAILED;

    json_write_open_object(writer, NULL);
    json_write_string(writer, "id", doc->id);
    json_write_string(writer, "content_summary", doc->summary);
    json_write_integer(writer, "content_length", (int64_t)doc->length);
    json_write_string(writer, "status", fake_status_name(doc->status));
    write_time(writer, "created_at", doc->created_ms);
    write_time(writer, "updated_at", doc->updated_ms);
    json_write_string(writer, "track_id", doc->track);
    if (doc->dup_kind != NULL)
        json_write_integer(writer, "chunks_count", 0);
    else if (doc->status == DOC_PROCESSED)
        json_write_integer(writer, "chunks_count", 1);
    else
        json_write_null(writer, "chunks_count");
    json_write_string(writer, "error_msg", is_failed && doc->failure[0] != '\0' ? doc->failure : NULL);
    json_write_open_object(writer, "metadata");
    if (doc->dup_kind != NULL) {
        json_write_bool(writer, "is_duplicate", true);
        json_write_string(writer, "duplicate_kind", doc->dup_kind);
        json_write_string(writer, "original_doc_id", doc->original);
    }
    json_write_close(writer);
    json_write_string(writer, "file_path", doc->name);
    json_write_close(writer);
}

static void answer_track(struct fake_lightrag *fake, const char *track, struct http_server_answer *answer)
{
    int64_t indexes[10000];
    size_t count = 0;
    struct json_writer writer;

    fake->track_polls++;
    for (int64_t i = fake_map_find(&fake->by_track, fake_hash(track, strlen(track))); i != NO_DOC && count < ARRAY_LENGTH(indexes);
         i = fake->docs[i].next_of_track)
        if (!fake->docs[i].is_deleted)
            indexes[count++] = i;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "track_id", track);
    json_write_open_array(&writer, "documents");
    for (size_t i = count; i > 0; i--)
        write_doc(&writer, &fake->docs[indexes[i - 1]]);
    json_write_close(&writer);
    json_write_integer(&writer, "total_count", (int64_t)count);
    json_write_open_object(&writer, "status_summary");
    json_write_close(&writer);
    json_write_close(&writer);
}

static void write_counts(const struct fake_lightrag *fake, struct json_writer *writer)
{
    json_write_open_object(writer, "status_counts");
    json_write_integer(writer, "pending", fake->unfinished);
    if (!fake->settings.is_14) {
        json_write_integer(writer, "parsing", 0);
        json_write_integer(writer, "analyzing", 0);
    }
    json_write_integer(writer, "processing", 0);
    json_write_integer(writer, "preprocessed", 0);
    json_write_integer(writer, "processed", fake->processed);
    json_write_integer(writer, "failed", fake->failed);
    json_write_integer(writer, "all", fake->unfinished + fake->processed + fake->failed);
    json_write_close(writer);
}

static void answer_listing(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *page_value = yyjson_obj_get(root, "page");
    yyjson_val *size_value = yyjson_obj_get(root, "page_size");
    int64_t page = yyjson_is_int(page_value) ? yyjson_get_sint(page_value) : 1;
    int64_t size = yyjson_is_int(size_value) ? yyjson_get_sint(size_value) : 50;
    int64_t total = fake->unfinished + fake->processed + fake->failed;
    int64_t pages = (total + size - 1) / (size > 0 ? size : 1);
    int64_t skip = (page - 1) * size;
    struct json_writer writer;

    fake->listings++;
    yyjson_doc_free(document);
    if (size < 10 || size > 200 || page < 1) {
        say_invalid(answer, size < 10 ? "greater_than_equal" : "less_than_equal", "page_size", -1,
                    size < 10 ? "Input should be greater than or equal to 10" : "Input should be less than or equal to 200", "...");
        return;
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "documents");
    for (int64_t i = fake->count - 1, listed = 0; i >= 0 && listed < size; i--) {
        if (fake->docs[i].is_deleted || skip-- > 0)
            continue;
        write_doc(&writer, &fake->docs[i]);
        listed++;
    }
    json_write_close(&writer);
    json_write_open_object(&writer, "pagination");
    json_write_integer(&writer, "page", page);
    json_write_integer(&writer, "page_size", size);
    json_write_integer(&writer, "total_count", total);
    json_write_integer(&writer, "total_pages", pages);
    json_write_bool(&writer, "has_next", page < pages);
    json_write_bool(&writer, "has_prev", page > 1);
    json_write_close(&writer);
    write_counts(fake, &writer);
    json_write_close(&writer);
}

static void answer_counts(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    write_counts(fake, &writer);
    json_write_close(&writer);
}

static void answer_pipeline(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    (void)text_append_format(&answer->body,
                             "{\"autoscanned\":false,\"busy\":%s,\"job_name\":\"-\",\"job_start\":null,\"docs\":0,\"batchs\":0,\"cur_batch\":0,"
                             "\"request_pending\":false,\"latest_message\":\"\",\"history_messages\":[]}",
                             fake_store_is_busy(fake) ? "true" : "false");
}

static void answer_health(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct json_writer writer;

    fake->health_polls++;
    if (request->workspace != NULL && strcmp(request->workspace, fake->workspace) != 0) {
        say(answer, 500, "Internal server error");
        return;
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "healthy");
    json_write_string(&writer, "auth_mode", "disabled");
    json_write_string(&writer, "core_version", fake->settings.is_14 ? "v1.4.9.9" : "1.5.7");
    json_write_string(&writer, "api_version", fake->settings.is_14 ? "0262" : "0344");
    json_write_bool(&writer, "pipeline_busy", fake_store_is_busy(fake));
    json_write_open_object(&writer, "configuration");
    json_write_string(&writer, "workspace", fake->workspace);
    json_write_close(&writer);
    json_write_close(&writer);
}

static void answer_reprocess(struct fake_lightrag *fake, int64_t now_ms, struct http_server_answer *answer)
{
    fake->kicks++;
    fake_store_reprocess(fake, now_ms);
    (void)text_append(&answer->body, "{\"status\":\"reprocessing_started\",\"message\":\"Reprocessing of failed documents has been initiated in background\","
                                     "\"track_id\":\"\"}");
}

static void answer_delete(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    yyjson_val *ids = yyjson_obj_get(yyjson_doc_get_root(document), "doc_ids");
    bool is_busy = fake_store_is_busy(fake);
    yyjson_val *id;
    size_t index, count;

    if (!yyjson_is_arr(ids) || yyjson_arr_size(ids) == 0) {
        say_invalid(answer, "missing", "doc_ids", -1, "Field required", "{}");
    } else {
        yyjson_arr_foreach(ids, index, count, id) {
            if (!is_busy && yyjson_is_str(id))
                fake_store_delete(fake, yyjson_get_str(id));
        }
        (void)text_append(&answer->body, is_busy ? "{\"status\":\"busy\",\"message\":\"Pipeline is busy with another operation.\",\"doc_id\":\"\"}"
                                                 : "{\"status\":\"deletion_started\",\"message\":\"Document deletion has been initiated.\",\"doc_id\":\"\"}");
    }
    yyjson_doc_free(document);
}

/* ---- Control and ledger ---- */

static void set_text(yyjson_val *root, const char *key, char **ret_text)
{
    yyjson_val *value = yyjson_obj_get(root, key);

    if (!yyjson_is_str(value))
        return;
    mem_free(*ret_text);
    *ret_text = mem_copy_string(yyjson_get_str(value));
}

static int64_t get_integer(yyjson_val *root, const char *key, int64_t fallback)
{
    yyjson_val *value = yyjson_obj_get(root, key);

    return yyjson_is_int(value) ? yyjson_get_sint(value) : fallback;
}

static void control(struct fake_lightrag *fake, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *busy = yyjson_obj_get(root, "busy_ms");

    set_text(root, "fail_match", &fake->fail_match);
    set_text(root, "error_match", &fake->error_match);
    set_text(root, "word", &fake->status_word);
    fake->fail_times = (int)get_integer(root, "fail_times", fake->fail_times);
    fake->drop_every = (int)get_integer(root, "drop_every", fake->drop_every);
    fake->fault_status = (int)get_integer(root, "status", fake->fault_status);
    fake->fault_times = (int)get_integer(root, "times", fake->fault_times);
    fake->fault_html = yyjson_is_true(yyjson_obj_get(root, "html"));
    fake->latency_ms = get_integer(root, "latency_ms", fake->latency_ms);
    fake->settings.store_delay_ms = get_integer(root, "store_delay_ms", fake->settings.store_delay_ms);
    fake->settings.process_delay_ms = get_integer(root, "process_delay_ms", fake->settings.process_delay_ms);
    if (yyjson_is_str(yyjson_obj_get(root, "retry_after")))
        (void)snprintf(fake->retry_after, sizeof fake->retry_after, "%s", yyjson_get_str(yyjson_obj_get(root, "retry_after")));
    if (busy != NULL)
        fake->blocked_until_ms = now_ms + yyjson_get_sint(busy);
    if (yyjson_is_true(yyjson_obj_get(root, "restart")))
        fake_store_restart(fake);
    if (yyjson_is_true(yyjson_obj_get(root, "wipe")))
        fake_store_wipe(fake);
    yyjson_doc_free(document);
    (void)text_append(&answer->body, "{}");
}

static void answer_ledger(const struct fake_lightrag *fake, struct http_server_answer *answer)
{
    const struct { const char *name; int64_t value; } rows[] = {
        { "inserts", fake->inserts }, { "texts", fake->texts }, { "rows", fake->count }, { "live", fake->live },
        { "processed", fake->processed }, { "failed", fake->failed }, { "unfinished", fake->unfinished },
        { "doubled", fake_store_count_doubled(fake) }, { "lost", fake->lost }, { "dropped", fake->dropped }, { "refused", fake->refused },
        { "kicks", fake->kicks }, { "max_in_flight", fake->max_in_flight }, { "track_polls", fake->track_polls },
        { "listings", fake->listings }, { "health_polls", fake->health_polls },
    };
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        json_write_integer(&writer, rows[i].name, rows[i].value);
    json_write_close(&writer);
}

/* ---- Dispatch ---- */

static bool is_allowed(const struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    if (fake->api_key[0] == '\0' || strcmp(request->path, "/health") == 0)
        return true;
    if (request->api_key != NULL && strcmp(request->api_key, fake->api_key) == 0)
        return true;
    say(answer, 403, request->api_key == NULL || request->api_key[0] == '\0' ? "API Key required" : "Invalid API Key");
    return false;
}

void fake_lightrag_handle(void *context, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    static const char track_path[] = "/documents/track_status/";
    struct fake_lightrag *fake = context;
    bool is_post = strcmp(request->method, "POST") == 0;
    const char *path = request->path;

    if (strcmp(path, "/_fake/control") == 0) {
        control(fake, now_ms, request, answer);
        return;
    }
    fake_store_tick(fake, now_ms);
    if (strcmp(path, "/_fake/ledger") == 0)
        answer_ledger(fake, answer);
    else if (!is_allowed(fake, request, answer))
        return;
    else if (strcmp(path, "/health") == 0)
        answer_health(fake, request, answer);
    else if (is_post && strcmp(path, "/documents/texts") == 0)
        answer_insert(fake, now_ms, request, answer);
    else if (is_post && strcmp(path, "/documents/paginated") == 0)
        answer_listing(fake, request, answer);
    else if (is_post && strcmp(path, "/documents/reprocess_failed") == 0)
        answer_reprocess(fake, now_ms, answer);
    else if (strcmp(request->method, "DELETE") == 0 && strcmp(path, "/documents/delete_document") == 0)
        answer_delete(fake, request, answer);
    else if (is_post && (strcmp(path, "/query") == 0 || strcmp(path, "/query/data") == 0))
        fake_answer_query(fake, request, answer);
    else if (strcmp(path, "/documents/status_counts") == 0)
        answer_counts(fake, answer);
    else if (strcmp(path, "/documents/pipeline_status") == 0)
        answer_pipeline(fake, answer);
    else if (strncmp(path, track_path, sizeof track_path - 1) == 0)
        answer_track(fake, path + sizeof track_path - 1, answer);
    else if (strcmp(path, "/graph/entity/exists") == 0)
        fake_answer_entity(fake, request, answer);
    else if (strcmp(path, "/graph/label/search") == 0)
        fake_answer_labels(fake, request, answer);
    else if (strcmp(path, "/graphs") == 0)
        fake_answer_graph(fake, request, answer);
    else
        say(answer, 404, "Not Found");
}

struct fake_lightrag *fake_lightrag_new(const struct fake_lightrag_settings *settings)
{
    struct fake_lightrag *fake = mem_alloc(sizeof *fake);

    fake->settings = *settings;
    fake->api_key = mem_copy_string(settings->api_key != NULL ? settings->api_key : "");
    fake->workspace = mem_copy_string(settings->workspace != NULL ? settings->workspace : "");
    fake->fail_match = mem_copy_string(settings->fail_match != NULL ? settings->fail_match : "");
    fake->error_match = mem_copy_string("");
    fake->status_word = mem_copy_string("");
    return fake;
}

void fake_lightrag_free(struct fake_lightrag *fake)
{
    if (fake == NULL)
        return;
    fake_store_wipe(fake);
    mem_free(fake->docs);
    mem_free(fake->tasks);
    mem_free(fake->api_key);
    mem_free(fake->workspace);
    mem_free(fake->fail_match);
    mem_free(fake->error_match);
    mem_free(fake->status_word);
    mem_free(fake);
}
