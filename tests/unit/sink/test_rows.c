#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sink_answer.h"

#include <stdio.h>

#define MARKED "[memory://c/1 revision abcdef012345]\\nA voice recording"
#define CREATED "2026-11-22T12:26:30.070000+00:00"
enum { ROWS_KEPT = 4 };
static const int64_t created_ms = 1795350390070;

struct kept_row {
    char id[64], name[64], track[64], mark[REVISION_MARK_SIZE], words[400];
    enum sink_row_status status;
    enum sink_row_dup dup;
    bool has_mark;
    int64_t chunks, created_ms, updated_ms;
    int created_rest_us;
};

struct kept {
    struct kept_row rows[ROWS_KEPT];
    size_t count;
};

static void keep_row(void *context, const struct sink_row *row)
{
    struct kept *kept = context;
    struct kept_row *to = &kept->rows[kept->count < ROWS_KEPT ? kept->count : ROWS_KEPT - 1];

    kept->count++;
    *to = (struct kept_row){ .status = row->status, .dup = row->dup, .has_mark = row->has_mark, .chunks = row->chunks,
                             .created_ms = row->created_ms, .updated_ms = row->updated_ms, .created_rest_us = row->created_rest_us };
    (void)snprintf(to->id, sizeof to->id, "%s", row->id);
    (void)snprintf(to->name, sizeof to->name, "%s", row->name);
    (void)snprintf(to->track, sizeof to->track, "%s", row->track);
    (void)snprintf(to->words, sizeof to->words, "%s", row->error_words);
    if (row->has_mark)
        memcpy(to->mark, row->mark, sizeof to->mark);
}

/* One row with these members, as a track answer. */
static struct kept_row read_one(const char *members)
{
    AUTO_DONE(text) struct text body = { 0 };
    struct kept kept = { 0 };
    struct http_answer answer;
    struct sink_verdict verdict;
    int64_t total;

    text_init(&body, 0);
    (void)text_append(&body, "{\"track_id\":\"t\",\"documents\":[{");
    (void)text_append(&body, members);
    (void)text_append(&body, "}],\"total_count\":1,\"status_summary\":{\"DocStatus.PROCESSED\":1}}");
    answer = answer_bytes(200, body.data, body.size);
    sink_read_track(&answer, keep_row, &kept, &total, &verdict);
    if (verdict.scope != SINK_WELL || kept.count != 1 || total != 1)
        fail_msg("%s: scope %d, %zu rows, %s", members, verdict.scope, kept.count, verdict.words);
    return kept.rows[0];
}

static void test_a_whole_row(void **state)
{
    struct kept_row row = read_one("\"id\":\"doc-6fa4\",\"content_summary\":\"" MARKED "\",\"content_length\":120,\"status\":\"processed\",\"created_at\":\"" CREATED
                                   "\",\"updated_at\":\"2026-11-22T12:26:31+00:00\",\"track_id\":\"insert_1\",\"chunks_count\":2,\"error_msg\":null,\"metadata\":{},"
                                   "\"file_path\":\"memory~c~1\"");
    (void)state;

    assert_string_equal(row.id, "doc-6fa4");
    assert_string_equal(row.name, "memory~c~1");
    assert_string_equal(row.track, "insert_1");
    assert_int_equal(row.status, SINK_ROW_PROCESSED);
    assert_int_equal(row.dup, SINK_NO_DUP);
    assert_true(row.has_mark);
    assert_string_equal(row.mark, "abcdef012345");
    assert_int_equal(row.chunks, 2);
    assert_int_equal(row.created_ms, created_ms);
    assert_int_equal(row.updated_ms, created_ms + 930);
    assert_string_equal(row.words, "");
}

/* DONE is said of "processed" only; a word that is not known must never become it. */
static void test_status_words(void **state)
{
    static const struct { const char *json; enum sink_row_status want; } rows[] = {
        { "\"processed\"", SINK_ROW_PROCESSED }, { "\"failed\"", SINK_ROW_FAILED },
        { "\"pending\"", SINK_ROW_UNFINISHED }, { "\"parsing\"", SINK_ROW_UNFINISHED }, { "\"analyzing\"", SINK_ROW_UNFINISHED },
        { "\"processing\"", SINK_ROW_UNFINISHED }, { "\"preprocessed\"", SINK_ROW_UNFINISHED }, { "\"dreaming\"", SINK_ROW_UNFINISHED },
        { "\"PROCESSED\"", SINK_ROW_UNFINISHED }, { "\"DocStatus.PROCESSED\"", SINK_ROW_UNFINISHED }, { "\"processed \"", SINK_ROW_UNFINISHED },
        { "\"processed\\u0000\"", SINK_ROW_UNFINISHED }, { "\"processed\\u0000not\"", SINK_ROW_UNFINISHED }, { "\"\"", SINK_ROW_UNFINISHED },
        { "null", SINK_ROW_UNFINISHED }, { "true", SINK_ROW_UNFINISHED }, { "1", SINK_ROW_UNFINISHED }, { "[\"processed\"]", SINK_ROW_UNFINISHED },
        { "{\"value\":\"processed\"}", SINK_ROW_UNFINISHED }, { "\"processing\",\"status\":\"processed\"", SINK_ROW_UNFINISHED },
    };
    char members[100];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)snprintf(members, sizeof members, "\"status\":%s", rows[i].json);
        if (read_one(members).status != rows[i].want)
            fail_msg("status %s: %d", rows[i].json, read_one(members).status);
    }
    assert_int_equal(read_one("").status, SINK_ROW_UNFINISHED);
}

static void test_marks(void **state)
{
    static const struct { const char *why, *summary, *want; } rows[] = {
        { "ours", "\"" MARKED "\"", "abcdef012345" },
        { "cut right behind it", "\"[memory://c/1 revision abcdef012345]\"", "abcdef012345" },
        { "cut inside", "\"[memory://c/1 revision abcdef0123\"", NULL },
        { "the summary of a duplicate", "\"[DUPLICATE:content_hash] Original document: doc-6fa4\"", NULL },
        { "quoted in somebody's text", "\"see [memory://c/1 revision abcdef012345]\"", NULL },
        { "not ours", "\"Alice met Robert.\"", NULL },
        { "none", "null", NULL },
        { "another type", "[\"" MARKED "\"]", NULL },
        { "a letter cut by the server", "\"[memory://c/1 revision abcdef012345]\\ud83d\"", "abcdef012345" },
        { "a byte of one", "\"[memory://c/1 revision abcdef012345]\xF0\x9F\"", "abcdef012345" },
    };
    char members[200];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct kept_row row;
        (void)snprintf(members, sizeof members, "\"content_summary\":%s", rows[i].summary);
        row = read_one(members);
        if (row.has_mark != (rows[i].want != NULL) || (row.has_mark && strcmp(row.mark, rows[i].want) != 0))
            fail_msg("%s: %d \"%s\"", rows[i].why, row.has_mark, row.mark);
    }
}

static void test_duplicates(void **state)
{
    static const struct { const char *members; enum sink_row_dup want; } rows[] = {
        { "\"id\":\"dup-1\",\"metadata\":{\"is_duplicate\":true,\"duplicate_kind\":\"content_hash\",\"original_doc_id\":\"doc-1\"}", SINK_DUP_CONTENT },
        { "\"id\":\"dup-1\",\"metadata\":{\"is_duplicate\":true,\"duplicate_kind\":\"filename\"}", SINK_DUP_FILENAME },
        { "\"id\":\"dup-1\",\"metadata\":{\"is_duplicate\":true,\"duplicate_kind\":\"moonlight\"}", SINK_DUP_FILENAME }, /* looked up */
        { "\"id\":\"dup-1\",\"metadata\":null", SINK_DUP_FILENAME },
        { "\"id\":\"doc-1\",\"metadata\":{\"is_duplicate\":true}", SINK_DUP_FILENAME },
        { "\"id\":\"doc-1\",\"metadata\":{\"is_duplicate\":false}", SINK_NO_DUP },
        { "\"id\":\"doc-1\",\"metadata\":\"is_duplicate\"", SINK_NO_DUP },
        { "\"id\":\"doc-dup-1\"", SINK_NO_DUP },
        { "\"id\":5", SINK_NO_DUP },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (read_one(rows[i].members).dup != rows[i].want)
            fail_msg("%s: %d", rows[i].members, read_one(rows[i].members).dup);
}

static void test_chunks_and_times(void **state)
{
    static const struct { const char *chunks; int64_t want; } chunks[] = {
        { "0", 0 }, { "1", 1 }, { "2147483647", INT32_MAX }, { "2147483648", -1 }, { "18446744073709551615", -1 }, { "-1", -1 },
        { "1e999", -1 }, { "1.0", -1 }, { "\"1\"", -1 }, { "null", -1 }, { "true", -1 }, { "[1]", -1 },
    };
    static const struct { const char *time; int64_t want; } times[] = {
        { "\"" CREATED "\"", 1795350390070 }, { "\"2026-11-22T12:26:30.070000\"", 1795350390070 }, { "\"2026-11-22T13:26:30.07+01:00\"", 1795350390070 },
        { "\"yesterday\"", -1 }, { "\"\"", -1 }, { "null", -1 }, { "1795350390", -1 },
    };
    static const struct { const char *time; int want; } rests[] = {
        { "\"2026-11-22T12:26:30.070123+00:00\"", 123 }, { "\"2026-11-22T12:26:30.070009\"", 9 }, { "\"2026-11-22T12:26:30.0701+00:00\"", 100 },
        { "\"2026-11-22T12:26:30.07+00:00\"", 0 }, { "\"2026-11-22T12:26:30Z\"", 0 }, { "\"2026-11-22T12:26:30.070123999Z\"", 123 }, { "\"x.\"", 0 }, { "null", 0 },
    };
    char members[100];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(chunks); i++) {
        (void)snprintf(members, sizeof members, "\"chunks_count\":%s", chunks[i].chunks);
        if (read_one(members).chunks != chunks[i].want)
            fail_msg("%s: %lld", members, (long long)read_one(members).chunks);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        (void)snprintf(members, sizeof members, "\"created_at\":%s,\"updated_at\":%s", times[i].time, times[i].time);
        if (read_one(members).created_ms != times[i].want || read_one(members).updated_ms != times[i].want)
            fail_msg("%s: %lld", members, (long long)read_one(members).created_ms);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rests); i++) {
        (void)snprintf(members, sizeof members, "\"created_at\":%s", rests[i].time);
        if (read_one(members).created_rest_us != rests[i].want)
            fail_msg("%s: %d microseconds", members, read_one(members).created_rest_us);
    }
}

/* A name with NUL inside would look like ours: 1.4 stores such names. */
static void test_names_and_words(void **state)
{
    static const char failed[] = "\"error_msg\":\"C[1/1]: doc-5c3e-chunk-000:\\nBadRequestError: \\u001b[1mError code: 400";
    AUTO_DONE(text) struct text members = { 0 };
    struct kept_row row;
    (void)state;

    assert_string_equal(read_one("\"file_path\":\"memory~c~1\\u0000x\"").name, "");
    assert_string_equal(read_one("\"file_path\":null,\"track_id\":null").name, "");
    assert_string_equal(read_one("\"file_path\":[\"memory~c~1\"]").name, "");
    assert_string_equal(read_one("\"track_id\":7").track, "");
    text_init(&members, 0);
    (void)text_append(&members, failed);
    for (size_t i = 0; i < 300; i++)
        (void)text_append(&members, "\xE2\x9C\x93");
    (void)text_append(&members, "\"");
    row = read_one(members.data);
    assert_int_equal(strncmp(row.words, "C[1/1]: doc-5c3e-chunk-000: BadRequestError: \\x1b[1mError code: 400\xE2\x9C\x93", 70), 0);
    assert_true(strlen(row.words) > 390 && strlen(row.words) < 400);
    assert_int_equal((strlen(row.words) - strlen("C[1/1]: doc-5c3e-chunk-000: BadRequestError: \\x1b[1mError code: 400")) % 3, 0);
    assert_string_equal(read_one("\"error_msg\":{\"text\":\"x\"}").words, "");
    assert_string_equal(read_one("\"error_msg\":\"bad [type=x, input_value='a private text']\"").words, "bad [type=x, ");
}

static void test_tracks(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; size_t rows; int64_t total; } rows[] = {
        { "unknown, lost and not yet stored look alike", 200, "{\"track_id\":\"t\",\"documents\":[],\"total_count\":0,\"status_summary\":{}}", SINK_WELL, 0, 0 },
        { "two", 200, "{\"documents\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", SINK_WELL, 2, 2 },
        { "something between them that is no row", 200, "{\"documents\":[{\"id\":\"a\"},null,{\"id\":\"b\"}]}", SINK_SILENT, 2, 3 },
        { "no list", 200, "{\"documents\":null}", SINK_SILENT, 0, 0 },
        { "an object for a list", 200, "{\"documents\":{\"a\":{\"id\":\"a\"}}}", SINK_SILENT, 0, 0 },
        { "nothing of it", 200, "{}", SINK_SILENT, 0, 0 },
        { "a page", 200, "<html>", SINK_SILENT, 0, 0 },
        { "a list alone", 200, "[{\"id\":\"a\"}]", SINK_SILENT, 0, 0 },
        { "the key", 403, "{\"documents\":[{\"id\":\"a\"}]}", SINK_DENIED, 0, 0 },
        { "a row that 1.4 cannot show", 500, "Internal Server Error", SINK_FAILING, 0, 0 },
        { "refused", 422, "{\"documents\":[{\"id\":\"a\"}]}", SINK_STRANGE, 0, 0 },
        { "busy", 409, "{\"documents\":[{\"id\":\"a\"}]}", SINK_BUSY, 0, 0 },
    };
    struct http_answer cut = answer_cut(HTTP_TRUNCATED, 200, "{\"documents\":[]}");
    struct kept kept = { 0 };
    struct sink_verdict verdict;
    int64_t total = 5;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        kept = (struct kept){ 0 };
        sink_read_track(&answer, keep_row, &kept, &total, &verdict);
        if (verdict.scope != rows[i].scope || kept.count != rows[i].rows || total != rows[i].total)
            fail_msg("%s: scope %d, %zu rows of %lld", rows[i].why, verdict.scope, kept.count, (long long)total);
        if (verdict.scope != SINK_WELL && verdict.words[0] == '\0')
            fail_msg("%s: not a word", rows[i].why);
    }
    kept = (struct kept){ 0 };
    sink_read_track(&cut, keep_row, &kept, &total, &verdict);
    assert_int_equal(verdict.scope, SINK_SILENT);
    assert_int_equal(total, 0);
}

/* Absence is concluded from a listing: it counts only when nothing in it is in doubt. */
static void test_listings(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; int64_t rows; bool has_next; } rows[] = {
        { "the last page", 200, "{\"documents\":[{\"id\":\"a\"}],\"pagination\":{\"page\":1,\"page_size\":200,\"total_count\":1,\"total_pages\":1,\"has_next\":false,\"has_prev\":false},\"status_counts\":{}}", SINK_WELL, 1, false },
        { "another follows", 200, "{\"documents\":[{\"id\":\"a\"}],\"pagination\":{\"has_next\":true}}", SINK_WELL, 1, true },
        { "an empty server", 200, "{\"documents\":[],\"pagination\":{\"has_next\":false}}", SINK_WELL, 0, false },
        { "pages without end", 200, "{\"documents\":[],\"pagination\":{\"has_next\":true}}", SINK_SILENT, 0, true },
        { "not said whether another follows", 200, "{\"documents\":[{\"id\":\"a\"}]}", SINK_SILENT, 1, false },
        { "said in another way", 200, "{\"documents\":[{\"id\":\"a\"}],\"pagination\":{\"has_next\":\"false\"}}", SINK_SILENT, 1, false },
        { "something that is no row", 200, "{\"documents\":[5],\"pagination\":{\"has_next\":false}}", SINK_SILENT, 1, false },
        { "an id that nobody could delete", 200, "{\"documents\":[{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}],\"pagination\":{\"has_next\":false}}", SINK_SILENT, 1, false },
        { "no list", 200, "{\"pagination\":{\"has_next\":false}}", SINK_SILENT, 0, false },
        { "500 for another reason", 500, "{\"detail\":\"1 validation error [type=string_type, input_value=None]\"}", SINK_FAILING, 0, false },
        { "500 for a page with a row without source", 500, "{\"detail\":\"1 validation error for DocStatusResponse\\nfile_path\\n  Input should be a valid string [type=string_type, input_value=None, input_type=NoneType]\"}", SINK_FAILING, 0, false },
        { "refused", 422, "{\"detail\":[]}", SINK_STRANGE, 0, false },
        { "busy", 503, "", SINK_BUSY, 0, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        struct kept kept = { 0 };
        struct sink_verdict verdict;
        struct sink_page page = { .rows = 7, .has_next = true };
        sink_read_listing(&answer, keep_row, &kept, &page, &verdict);
        if (verdict.scope != rows[i].scope || page.rows != rows[i].rows || page.has_next != rows[i].has_next)
            fail_msg("%s: scope %d, %lld rows, next %d", rows[i].why, verdict.scope, (long long)page.rows, page.has_next);
        assert_int_equal(page.total, i == 0 ? 1 : -1); /* only the first one tells */
        assert_int_equal(page.has_sourceless, strcmp(rows[i].why, "500 for a page with a row without source") == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_row),
        cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_chunks_and_times),
        cmocka_unit_test(test_names_and_words),
        cmocka_unit_test(test_tracks),
        cmocka_unit_test(test_listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
