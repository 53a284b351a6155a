/* fake_lightrag_rows.c - what the server tells about its rows. */
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
        json_write_string(writer, "original_track_id", fake->docs[doc->original].track != doc->track ? fake->docs[doc->original].track : "");
    }
    if (doc->is_torn && !fake->settings.is_14) { /* its marks; what stands in them is nobody's business */
        json_write_string(writer, "last_deletion_attempt_at", "");
        json_write_open_object(writer, "kg_purge");
        json_write_close(writer);
        if (doc->failure != NULL && doc->status == DOC_PROCESSED)
            json_write_bool(writer, "deletion_failed", true);
    }
    json_write_close(writer);
}

/* A processed row has words only where a delete has begun: "" while it is under way, its failure after that. */
static const char *find_words(const struct fake_lightrag *fake, const struct doc *doc)
{
    if (doc->status < DOC_PROCESSED)
        return NULL;
    return doc->failure == NULL && doc->is_torn && !fake->settings.is_14 ? "" : doc->failure;
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
    json_write_string(writer, "error_msg", find_words(fake, doc));
    write_metadata(fake, writer, doc);
    json_write_string(writer, "file_path", doc->name);
    json_write_close(writer);
}

/* 1.4 checks every row that it is about to tell, and gives up on all of them. */
static void say_sourceless(struct http_server_answer *answer)
{
    fake_say(answer, 500, "1 validation error for DocStatusResponse\nfile_path\n  Input should be a valid string [type=string_type, input_value=None, "
                          "input_type=NoneType]\n    For further information visit https://errors.pydantic.dev/2.14/v/string_type");
}

/* ---- GET /documents/track_status/{track} ---- */

/* Rows of a track come in no order, but in the same one each time. */
static void shuffle(int64_t *rows, size_t count, const char *track)
{
    uint64_t luck = fake_hash(track, strlen(track));

    for (size_t left = count; left > 1; left--) {
        size_t other;
        int64_t row = rows[left - 1];
        luck = luck * 6364136223846793005u + 1442695040888963407u;
        other = (size_t)(luck >> 33) % left;
        rows[left - 1] = rows[other];
        rows[other] = row;
    }
}

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
    shuffle(rows, count, track);
    *ret_count = count;
    return rows;
}

/* By title: one status may have two after a restart. */
static void write_summary(struct json_writer *writer, const struct fake_lightrag *fake, const int64_t *rows, size_t count)
{
    struct { const char *title; int64_t rows; } titles[2 * DOC_STATUSES] = { 0 };
    size_t title_count = 0;

    for (size_t i = 0; i < count; i++) {
        const char *title = fake_status_title(&fake->docs[rows[i]]);
        size_t at = 0;
        while (at < title_count && titles[at].title != title)
            at++;
        titles[at].title = title;
        titles[at].rows++;
        title_count += at == title_count;
    }
    json_write_open_object(writer, "status_summary");
    for (size_t i = 0; i < title_count; i++)
        json_write_integer(writer, titles[i].title, titles[i].rows);
    json_write_close(writer);
}

void fake_answer_track(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    const char *track = request->path + strlen("/documents/track_status/");
    struct json_writer writer;
    size_t count;
    int64_t *rows = find_rows_of_track(fake, track, &count);

    fake->track_polls++;
    for (size_t i = 0; i < count; i++) {
        if (!fake->docs[rows[i]].has_no_source)
            continue;
        say_sourceless(answer);
        mem_free(rows);
        return;
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "track_id", track);
    json_write_open_array(&writer, "documents");
    for (size_t i = count; i > 0; i--)
        write_doc(fake, &writer, &fake->docs[rows[i - 1]]);
    json_write_close(&writer);
    json_write_integer(&writer, "total_count", (int64_t)count);
    write_summary(&writer, fake, rows, count);
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

static bool has_sourceless(const struct fake_lightrag *fake, const struct listing *listing, const int64_t *rows, int64_t first, int64_t total)
{
    for (int64_t i = first; i < total && i < first + listing->size; i++) {
        int64_t at = listing->is_falling ? total - 1 - i : i;
        if (fake->docs[rows != NULL ? rows[at] : fake->order[at]].has_no_source)
            return true;
    }
    return false;
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
    if (has_sourceless(fake, &listing, rows, first, total)) {
        say_sourceless(answer);
        mem_free(rows);
        return;
    }
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
