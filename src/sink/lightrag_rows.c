/* lightrag_rows.c - the rows of track_status and paginated. */
#include "sink/sink_internal.h"

#include "base/time_text.h"

#include <string.h>

enum { ERROR_WORDS_MAXIMUM = 400 };

static enum sink_row_status status_of(const char *word)
{
    if (strcmp(word, "processed") == 0)
        return SINK_ROW_PROCESSED;
    if (strcmp(word, "failed") == 0)
        return SINK_ROW_FAILED;
    return SINK_ROW_UNFINISHED; /* pending, parsing, analyzing, processing, preprocessed, and every word to come */
}

static enum sink_row_dup dup_of(yyjson_val *row, const char *id)
{
    yyjson_val *metadata = yyjson_obj_get(row, "metadata");

    if (!yyjson_is_true(yyjson_obj_get(metadata, "is_duplicate")) && strncmp(id, "dup-", 4) != 0)
        return SINK_NO_DUP;
    return strcmp(sink_get_string(metadata, "duplicate_kind"), "content_hash") == 0 ? SINK_DUP_CONTENT : SINK_DUP_FILENAME;
}

static int64_t time_of(yyjson_val *row, const char *key)
{
    const char *words = sink_get_string(row, key);
    int64_t ms;

    return time_text_parse(words, strlen(words), &ms) ? ms : -1;
}

/* The fourth to the sixth digit behind the point. */
static int rest_of(yyjson_val *row, const char *key)
{
    const char *point = strchr(sink_get_string(row, key), '.');
    int rest = 0;

    for (int i = 1; point != NULL && i <= 6; i++) {
        bool is_digit = point[i] >= '0' && point[i] <= '9';
        if (!is_digit)
            point = "......."; /* no more of them: the rest is noughts */
        if (i > 3)
            rest = rest * 10 + (is_digit ? point[i] - '0' : 0);
    }
    return rest;
}

static void read_row(yyjson_val *value, void (*each)(void *context, const struct sink_row *row), void *context)
{
    yyjson_val *summary = yyjson_obj_get(value, "content_summary");
    yyjson_val *chunks = yyjson_obj_get(value, "chunks_count");
    yyjson_val *failure = yyjson_obj_get(value, "error_msg");
    char words[ERROR_WORDS_MAXIMUM] = "";
    struct sink_row row = {
        .id = sink_get_string(value, "id"),
        .name = sink_get_string(value, "file_path"),
        .track = sink_get_string(value, "track_id"),
        .status = status_of(sink_get_string(value, "status")),
        .chunks = yyjson_is_uint(chunks) && yyjson_get_uint(chunks) <= INT32_MAX ? (int64_t)yyjson_get_uint(chunks) : -1,
        .created_ms = time_of(value, "created_at"),
        .created_rest_us = rest_of(value, "created_at"),
        .updated_ms = time_of(value, "updated_at"),
        .error_words = words,
    };

    row.dup = dup_of(value, row.id);
    if (yyjson_is_str(summary))
        row.has_mark = identity_find_mark(yyjson_get_str(summary), yyjson_get_len(summary), row.mark);
    if (yyjson_is_str(failure))
        sink_copy_words(words, sizeof words, yyjson_get_str(failure), yyjson_get_len(failure));
    each(context, &row);
}

/* false: something between them is no row, so that absence from them proves nothing. */
static bool read_rows(yyjson_val *list, void (*each)(void *context, const struct sink_row *row), void *context)
{
    yyjson_val *value;
    size_t index, count;
    bool is_whole = true;

    yyjson_arr_foreach(list, index, count, value) {
        if (yyjson_is_obj(value) && yyjson_get_len(yyjson_obj_get(value, "id")) < SINK_ROW_ID_SIZE)
            read_row(value, each, context);
        else
            is_whole = false;
    }
    return is_whole;
}

static void doubt(const struct http_answer *answer, struct sink_verdict *verdict, const char *words)
{
    verdict->scope = SINK_SILENT;
    sink_say(verdict, "HTTP %d, but %s", answer->status, words);
}

static bool find_documents(const struct http_answer *answer, struct sink_verdict *verdict, yyjson_doc **ret_document, yyjson_val **ret_list)
{
    if (!sink_judge_question(answer, verdict, ret_document))
        return false;
    *ret_list = yyjson_obj_get(yyjson_doc_get_root(*ret_document), "documents");
    if (yyjson_is_arr(*ret_list))
        return true;
    doubt(answer, verdict, "no list of LightRAG's documents");
    return false;
}

void sink_read_track(const struct http_answer *answer, void (*each)(void *context, const struct sink_row *row), void *context, int64_t *ret_total,
                     struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    yyjson_val *list;

    *ret_total = 0;
    if (find_documents(answer, ret_verdict, &document, &list)) {
        *ret_total = (int64_t)yyjson_arr_size(list);
        if (!read_rows(list, each, context))
            doubt(answer, ret_verdict, "its documents are not all rows");
    }
    yyjson_doc_free(document);
}

/* "1 validation error for DocStatusResponse file_path Input should be a valid string ..": of one row, and what is wrong with it is that it has none. */
static bool says_sourceless(const struct sink_verdict *verdict)
{
    return verdict->status == 500 && strstr(verdict->words, "DocStatusResponse") != NULL && strstr(verdict->words, "file_path") != NULL;
}

void sink_read_listing(const struct http_answer *answer, void (*each)(void *context, const struct sink_row *row), void *context,
                       struct sink_page *ret_page, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    yyjson_val *list;

    *ret_page = (struct sink_page){ .total = -1 };
    if (!find_documents(answer, ret_verdict, &document, &list)) {
        ret_page->has_sourceless = says_sourceless(ret_verdict);
    } else {
        yyjson_val *pagination = yyjson_obj_get(yyjson_doc_get_root(document), "pagination");
        yyjson_val *has_next = yyjson_obj_get(pagination, "has_next");
        yyjson_val *total = yyjson_obj_get(pagination, "total_count");
        ret_page->rows = (int64_t)yyjson_arr_size(list);
        ret_page->has_next = yyjson_is_true(has_next);
        if (yyjson_is_uint(total) && yyjson_get_uint(total) <= INT32_MAX)
            ret_page->total = (int64_t)yyjson_get_uint(total);
        /* Absence may be concluded from a whole listing only. */
        if (!read_rows(list, each, context))
            doubt(answer, ret_verdict, "its documents are not all rows");
        else if (!yyjson_is_bool(has_next))
            doubt(answer, ret_verdict, "not a word whether another page follows");
        else if (ret_page->has_next && ret_page->rows == 0)
            doubt(answer, ret_verdict, "an empty page that another one should follow: that would never end");
    }
    yyjson_doc_free(document);
}
