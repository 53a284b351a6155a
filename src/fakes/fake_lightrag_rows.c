/* fake_lightrag_rows.c - what the server tells about its rows, and how they go. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_time(struct json_writer *writer, const char *key, int64_t us)
{
    struct time_fields f;
    char words[48];

    time_text_fields(us / 1000, &f);
    (void)snprintf(words, sizeof words, "%04d-%02d-%02dT%02d:%02d:%02d.%06d+00:00", f.year, f.month, f.day, f.hour, f.minute, f.second, (int)(us % 1000000));
    json_write_string(writer, key, words);
}

static void write_metadata(const struct fake_lightrag *fake, struct json_writer *writer, const struct doc *doc)
{
    json_write_open_object(writer, "metadata");
    if (doc->dup != NO_DUP) {
        json_write_bool(writer, "is_duplicate", true);
        json_write_string(writer, "duplicate_kind", doc->dup == DUP_FILENAME ? "filename" : "content_hash");
        json_write_string(writer, "original_doc_id", fake->docs[doc->original].id);
        json_write_string(writer, "original_track_id", fake->docs[doc->original].track);
    }
    json_write_close(writer);
}

static void write_doc(const struct fake_lightrag *fake, struct json_writer *writer, const struct doc *doc)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "id", doc->id);
    json_write_string(writer, "content_summary", doc->summary);
    json_write_integer(writer, "content_length", doc->characters);
    json_write_string(writer, "status", fake_status_word(fake, doc));
    write_time(writer, "created_at", doc->created_us);
    write_time(writer, "updated_at", doc->updated_ms * 1000);
    json_write_string(writer, "track_id", doc->track);
    if (doc->dup != NO_DUP || doc->status == DOC_PROCESSED || (doc->status == DOC_FAILED && !fake->settings.is_14))
        json_write_integer(writer, "chunks_count", doc->dup != NO_DUP || doc->has_no_chunk ? 0 : 1);
    else
        json_write_null(writer, "chunks_count");
    json_write_string(writer, "error_msg", doc->status == DOC_FAILED ? doc->failure : NULL);
    write_metadata(fake, writer, doc);
    json_write_string(writer, "file_path", doc->name);
    json_write_close(writer);
}

/* ---- GET /documents/track_status/{track} ---- */

static int64_t *find_rows_of_track(const struct fake_lightrag *fake, const char *track, size_t *ret_count)
{
    int64_t *rows = NULL;
    size_t count = 0;
    size_t capacity = 0;

    for (int64_t i = fake_map_find(&fake->by_track, fake_hash(track, strlen(track))); i != NO_DOC; i = fake->docs[i].next_of_track) {
        if (fake->docs[i].is_deleted)
            continue;
        rows = mem_grow(rows, count, &capacity, sizeof *rows);
        rows[count++] = i;
    }
    *ret_count = count;
    return rows;
}

void fake_answer_track(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    const char *track = request->path + strlen("/documents/track_status/");
    int64_t by_status[DOC_STATUSES] = { 0 };
    struct json_writer writer;
    size_t count;
    int64_t *rows = find_rows_of_track(fake, track, &count);

    fake->track_polls++;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "track_id", track);
    json_write_open_array(&writer, "documents");
    for (size_t i = count; i > 0; i--) {
        write_doc(fake, &writer, &fake->docs[rows[i - 1]]);
        by_status[fake->docs[rows[i - 1]].status]++;
    }
    json_write_close(&writer);
    json_write_integer(&writer, "total_count", (int64_t)count);
    json_write_open_object(&writer, "status_summary");
    for (int status = 0; status < DOC_STATUSES; status++) {
        AUTO_STRING char *name = mem_format("DocStatus.%s", fake_status_name((enum doc_status)status));
        if (by_status[status] > 0)
            json_write_integer(&writer, name, by_status[status]);
    }
    json_write_close(&writer);
    json_write_close(&writer);
    mem_free(rows);
}

/* ---- Counts ---- */

static void write_counts(const struct fake_lightrag *fake, struct json_writer *writer)
{
    int64_t processing = fake->is_running && fake->unfinished > 0 ? 1 : 0;

    json_write_open_object(writer, "status_counts");
    json_write_integer(writer, "pending", fake->unfinished - processing);
    if (!fake->settings.is_14) {
        json_write_integer(writer, "parsing", 0);
        json_write_integer(writer, "analyzing", 0);
    }
    json_write_integer(writer, "processing", processing);
    json_write_integer(writer, "preprocessed", 0);
    json_write_integer(writer, "processed", fake->processed);
    json_write_integer(writer, "failed", fake->failed);
    json_write_integer(writer, "all", fake->unfinished + fake->processed + fake->failed);
    json_write_close(writer);
}

void fake_answer_counts(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct json_writer writer;

    (void)request;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    write_counts(fake, &writer);
    json_write_close(&writer);
}

/* ---- POST /documents/paginated ---- */

enum sort { BY_CREATED, BY_UPDATED, BY_ID, BY_PATH };

struct listing {
    int64_t page, size;
    enum sort sort;
    bool is_falling;
    bool wanted[DOC_STATUSES];
    bool has_filter;
};

static bool read_number(yyjson_val *root, const char *field, int64_t minimum, int64_t maximum, int64_t *number, struct http_server_answer *answer)
{
    yyjson_val *value = yyjson_obj_get(root, field);
    bool is_low;
    char words[80];
    char context[40];

    if (value == NULL)
        return true;
    if (!yyjson_is_int(value)) {
        fake_say_invalid(answer, &(struct fake_problem){ "int_type", field, -1, "Input should be a valid integer", value, NULL });
        return false;
    }
    *number = yyjson_get_sint(value);
    is_low = *number < minimum;
    if (!is_low && *number <= maximum)
        return true;
    (void)snprintf(words, sizeof words, "Input should be %s than or equal to %lld", is_low ? "greater" : "less", (long long)(is_low ? minimum : maximum));
    (void)snprintf(context, sizeof context, "{\"%s\":%lld}", is_low ? "ge" : "le", (long long)(is_low ? minimum : maximum));
    fake_say_invalid(answer, &(struct fake_problem){ is_low ? "greater_than_equal" : "less_than_equal", field, -1, words, value, context });
    return false;
}

static bool read_word(yyjson_val *root, const char *field, const char *const *words, size_t count, const char *message, size_t *ret_index,
                      struct http_server_answer *answer)
{
    yyjson_val *value = yyjson_obj_get(root, field);

    if (value == NULL)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (!yyjson_is_str(value) || strcmp(yyjson_get_str(value), words[i]) != 0)
            continue;
        *ret_index = i;
        return true;
    }
    fake_say_invalid(answer, &(struct fake_problem){ "literal_error", field, -1, message, value, NULL });
    return false;
}

static void want_status(struct listing *listing, yyjson_val *word)
{
    static const char *const words[] = { "pending", "processing", "processed", "failed" };

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (yyjson_is_str(word) && strcmp(yyjson_get_str(word), words[i]) == 0)
            listing->wanted[i] = true;
}

static void read_filter(const struct fake_lightrag *fake, yyjson_val *root, struct listing *listing)
{
    yyjson_val *many = fake->settings.is_14 ? NULL : yyjson_obj_get(root, "status_filters"); /* 1.4 does not know it */
    yyjson_val *one = yyjson_obj_get(root, "status_filter");
    yyjson_val *word;
    size_t index, count;

    listing->has_filter = yyjson_arr_size(many) > 0 || yyjson_is_str(one);
    want_status(listing, one);
    yyjson_arr_foreach(many, index, count, word) {
        want_status(listing, word);
    }
}

static bool read_listing(const struct fake_lightrag *fake, yyjson_val *root, struct listing *listing, struct http_server_answer *answer)
{
    static const char *const fields[] = { "created_at", "updated_at", "id", "file_path" };
    static const char *const directions[] = { "asc", "desc" };
    size_t field = BY_UPDATED;
    size_t direction = 1;

    if (!read_number(root, "page", 1, INT64_MAX, &listing->page, answer) || !read_number(root, "page_size", 10, 200, &listing->size, answer) ||
        !read_word(root, "sort_field", fields, ARRAY_LENGTH(fields), "Input should be 'created_at', 'updated_at', 'id' or 'file_path'", &field, answer) ||
        !read_word(root, "sort_direction", directions, ARRAY_LENGTH(directions), "Input should be 'asc' or 'desc'", &direction, answer))
        return false;
    listing->sort = (enum sort)field;
    listing->is_falling = direction == 1;
    read_filter(fake, root, listing);
    return true;
}

static void mend_order(struct fake_lightrag *fake)
{
    if (!fake->is_order_old)
        return;
    fake->order_count = 0;
    for (int64_t i = 0; i < fake->count; i++) {
        if (fake->docs[i].is_deleted)
            continue;
        fake->order = mem_grow(fake->order, (size_t)fake->order_count, &fake->order_capacity, sizeof *fake->order);
        fake->order[fake->order_count++] = i;
    }
    fake->is_order_old = false;
}

struct sort_key { const char *word; int64_t number, index; };

static int compare_keys(const void *one, const void *other)
{
    const struct sort_key *a = one;
    const struct sort_key *b = other;
    int order = a->word != NULL ? strcmp(a->word, b->word) : (a->number > b->number) - (a->number < b->number);

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static void sort_rows(const struct fake_lightrag *fake, enum sort sort, int64_t *rows, int64_t count)
{
    struct sort_key *keys = mem_alloc_array((size_t)count, sizeof *keys);

    for (int64_t i = 0; i < count; i++) {
        const struct doc *doc = &fake->docs[rows[i]];
        keys[i] = (struct sort_key){ .word = sort == BY_ID ? doc->id : sort == BY_PATH ? doc->name : NULL, .number = doc->updated_ms, .index = rows[i] };
    }
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    for (int64_t i = 0; i < count; i++)
        rows[i] = keys[i].index;
    mem_free(keys);
}

/* The rows in rising order; NULL: all of them in the order of arrival, which is that of created_at and costs nothing. */
static int64_t *choose_rows(struct fake_lightrag *fake, const struct listing *listing, int64_t *ret_count)
{
    int64_t *rows;
    int64_t count = 0;

    mend_order(fake);
    *ret_count = fake->order_count;
    if (listing->sort == BY_CREATED && !listing->has_filter)
        return NULL;
    rows = mem_alloc_array((size_t)fake->order_count, sizeof *rows);
    for (int64_t i = 0; i < fake->order_count; i++)
        if (!listing->has_filter || listing->wanted[fake->docs[fake->order[i]].status])
            rows[count++] = fake->order[i];
    if (listing->sort != BY_CREATED)
        sort_rows(fake, listing->sort, rows, count);
    *ret_count = count;
    return rows;
}

static void write_pages(struct json_writer *writer, const struct listing *listing, int64_t total)
{
    int64_t pages = (total + listing->size - 1) / listing->size;

    json_write_open_object(writer, "pagination");
    json_write_integer(writer, "page", listing->page);
    json_write_integer(writer, "page_size", listing->size);
    json_write_integer(writer, "total_count", total);
    json_write_integer(writer, "total_pages", pages);
    json_write_bool(writer, "has_next", listing->page < pages);
    json_write_bool(writer, "has_prev", listing->page > 1);
    json_write_close(writer);
}

void fake_answer_listing(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct listing listing = { .page = 1, .size = 50 };
    yyjson_doc *document = fake_read_body(request, answer);
    int64_t total = 0;
    int64_t first;
    int64_t *rows;
    struct json_writer writer;

    fake->listings++;
    if (document == NULL)
        return;
    if (!read_listing(fake, yyjson_doc_get_root(document), &listing, answer)) {
        yyjson_doc_free(document);
        return;
    }
    yyjson_doc_free(document);
    rows = choose_rows(fake, &listing, &total);
    first = listing.page - 1 > total / listing.size ? total : (listing.page - 1) * listing.size;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "documents");
    for (int64_t i = first; i < total && i < first + listing.size; i++) {
        int64_t at = listing.is_falling ? total - 1 - i : i;
        write_doc(fake, &writer, &fake->docs[rows != NULL ? rows[at] : fake->order[at]]);
    }
    json_write_close(&writer);
    write_pages(&writer, &listing, total);
    write_counts(fake, &writer);
    json_write_close(&writer);
    mem_free(rows);
}

/* ---- DELETE /documents/delete_document ---- */

static bool check_ids(const struct fake_lightrag *fake, yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *ids = yyjson_obj_get(root, "doc_ids");
    yyjson_val *id;
    size_t index, count;
    const char *problem = NULL;

    if (!yyjson_is_arr(ids)) {
        fake_say_invalid(answer, &(struct fake_problem){ "missing", "doc_ids", -1, "Field required", root, NULL });
        return false;
    }
    if (yyjson_arr_size(ids) == 0)
        problem = "Value error, Document IDs list cannot be empty";
    yyjson_arr_foreach(ids, index, count, id) {
        for (size_t i = 0; i < index; i++)
            if (yyjson_equals_str(yyjson_arr_get(ids, i), yyjson_get_str(id)))
                problem = "Value error, Document IDs must be unique";
    }
    if (problem == NULL)
        return true;
    if (fake->settings.is_14)
        fake_say(answer, 500, "Internal server error");
    else
        fake_say_invalid(answer, &(struct fake_problem){ "value_error", "doc_ids", -1, problem, ids, "{\"error\":{}}" });
    return false;
}

static void start_delete(struct fake_lightrag *fake, yyjson_val *ids, struct http_server_answer *answer)
{
    bool is_busy = fake_store_is_busy(fake);
    AUTO_DONE(text) struct text listed = { 0 };
    AUTO_STRING char *words = mem_format("Document deletion for %zu documents has been initiated. Processing will continue in background.",
                                         yyjson_arr_size(ids));
    char **copies = mem_alloc_array(yyjson_arr_size(ids), sizeof *copies);
    struct json_writer writer;
    yyjson_val *id;
    size_t index, count;

    text_init(&listed, 0);
    yyjson_arr_foreach(ids, index, count, id) {
        copies[index] = mem_copy_string(yyjson_is_str(id) ? yyjson_get_str(id) : "");
        (void)text_append_format(&listed, "%s%s", index > 0 ? ", " : "", copies[index]);
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", is_busy ? "busy" : "deletion_started");
    json_write_string(&writer, "message", !is_busy ? words : fake->settings.is_14 ? "Cannot delete documents while pipeline is busy"
                                                                               : "Pipeline is busy with another operation.");
    json_write_string(&writer, "doc_id", listed.data);
    json_write_close(&writer);
    if (!is_busy) {
        fake_store_delete_later(fake, copies, yyjson_arr_size(ids));
        return;
    }
    for (size_t i = 0; i < yyjson_arr_size(ids); i++)
        mem_free(copies[i]);
    mem_free(copies);
}

void fake_answer_delete(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = fake_read_body(request, answer);
    yyjson_val *root = yyjson_doc_get_root(document);

    if (document == NULL)
        return;
    if (check_ids(fake, root, answer))
        start_delete(fake, yyjson_obj_get(root, "doc_ids"), answer);
    yyjson_doc_free(document);
}
