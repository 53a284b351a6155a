/* Answers of LightRAG and the Memory API: whatever comes, a verdict, never a crash, and never "accepted" without a track id. */
#include "sink/sink.h"
#include "source/source.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_row(void *context, const struct sink_row *row)
{
    size_t *rows = context;

    *rows += strlen(row->id) + strlen(row->name) + strlen(row->track) + strlen(row->error_words) + strnlen(row->mark, sizeof row->mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 400, 401, 409, 413, 422, 429, 500, 503, 302, 404, 204 };
    static const char *const names[] = { "memory~c~1", "memory~c~2", "memory~c~3" };
    struct source_endpoint endpoint = { .url = "http://127.0.0.1:1", .api_key = "" };
    struct http_answer answer = { .end = HTTP_ANSWERED, .retry_after_ms = -1, .date_ms = -1, .content_length = -1, .content_type = "", .location = "", .words = "x" };
    struct sink_verdict verdict;
    struct sink_health health;
    struct sink_counts counts;
    struct sink_pipeline pipeline;
    struct source_verdict source;
    size_t rows = 0;
    int64_t total;
    struct sink_page page;
    char *body;

    if (size < 2)
        return 0;
    body = mem_copy_bytes(data + 2, size - 2);
    answer.status = statuses[data[0] % ARRAY_LENGTH(statuses)];
    answer.body = body;
    answer.body_size = size - 2;
    answer.end = (enum http_end)(data[1] % 8 == 7 ? data[1] / 8 % 5 : 0);
    sink_judge_insert(&answer, names, ARRAY_LENGTH(names), &verdict);
    if (verdict.insert == SINK_INSERT_ACCEPTED && (verdict.track[0] == '\0' || verdict.scope != SINK_WELL || answer.status / 100 != 2))
        abort();
    if (verdict.culprit_index >= (int)ARRAY_LENGTH(names))
        abort();
    sink_judge(&answer, &verdict);
    sink_read_health(&answer, &health, &verdict);
    sink_read_counts(&answer, &counts, &verdict);
    sink_read_pipeline(&answer, &pipeline, &verdict);
    sink_read_track(&answer, on_row, &rows, &total, &verdict);
    sink_read_listing(&answer, on_row, &rows, &page, &verdict);
    (void)sink_judge_delete(&answer, &verdict);
    source_judge(&endpoint, "c", &answer, (enum splitter_end)(data[1] % 5), data[1], &source);
    mem_free(body);
    return 0;
}
