#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "sink_answer.h"

#include <stdio.h>

#define DOC "doc-70151b05c84fad748839ed63fda3051f"

static void test_doc_ids(void **state)
{
    static const struct { const char *words; bool is_one; } rows[] = {
        { DOC, true },
        { DOC "-chunk-000", true },
        { "doc-70151B05C84FAD748839ED63FDA3051F", true },
        { DOC "-chunk", false },
        { DOC "0", false },
        { "doc-70151b05c84fad748839ed63fda3051", false },
        { "doc-70151b05c84fad748839ed63fda3051g", false },
        { "dup-70151b05c84fad748839ed63fda3051f", false },
        { "chunk-70151b05c84fad748839ed63fda3051f", false },
        { "", false },
    };
    char id[SINK_DOC_ID_SIZE];
    uint8_t digest[16];
    (void)state;

    sink_doc_id("memory~ctx1~42", 14, id);
    assert_string_equal(id, DOC);
    sink_doc_id("", 0, id);
    assert_string_equal(id, "doc-d41d8cd98f00b204e9800998ecf8427e");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (sink_parse_doc_id(rows[i].words, strlen(rows[i].words), digest) != rows[i].is_one)
            fail_msg("\"%s\"", rows[i].words);
    assert_true(sink_parse_doc_id(DOC, strlen(DOC), digest));
    assert_int_equal(digest[0], 0x70);
    assert_int_equal(digest[15], 0x1f);
}

static void keep_label(void *context, const char *label)
{
    (void)text_append_format(context, "%s|", label);
}

static void test_labels(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; const char *labels; } rows[] = {
        { "two", 200, "[\"Ana\",\"Anabel\"]", SINK_WELL, "Ana|Anabel|" },
        { "none", 200, "[]", SINK_WELL, "" },
        { "more than asked for", 200, "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]", SINK_WELL, "1|2|3|4|5|6|7|8|9|10|" },
        { "other values and a NUL are no names", 200, "[1,null,\"A\\u0000b\",\"Ana\"]", SINK_WELL, "Ana|" },
        { "an object", 200, "{\"labels\":[]}", SINK_STRANGE, "" },
        { "no JSON", 200, "<html>", SINK_SILENT, "" },
        { "a list that came with an error", 500, "[\"Ana\"]", SINK_FAILING, "" },
        { "no key", 401, "{\"detail\":\"Invalid\"}", SINK_DENIED, "" },
        { "no such path", 404, "{\"detail\":\"Not Found\"}", SINK_STRANGE, "" },
    };
    struct http_answer cut = answer_cut(HTTP_TRUNCATED, 200, "[\"Ana\"]");
    struct sink_verdict verdict;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        AUTO_DONE(text) struct text labels = { 0 };
        text_init(&labels, 0);
        sink_read_labels(&answer, keep_label, &labels, &verdict);
        if (verdict.scope != rows[i].scope || strcmp(labels.data, rows[i].labels) != 0)
            fail_msg("%s: scope %d \"%s\" \"%s\"", rows[i].why, verdict.scope, labels.data, verdict.words);
    }
    sink_read_labels(&cut, keep_label, NULL, &verdict);
    assert_int_equal(verdict.scope, SINK_SILENT);
}

static void keep_origin(void *context, enum sink_origin origin, struct slice value)
{
    (void)text_append_format(context, "%c:%.*s|", origin == SINK_ORIGIN_NAME ? 'n' : 'c', (int)value.size, value.data);
}

static void test_entity(void **state)
{
    static const struct { const char *why, *properties; bool is_cut; const char *origins; } rows[] = {
        { "1.5", "\"file_path\":\"a<SEP>b\",\"source_id\":\"" DOC "-chunk-000\"", false, "n:a|n:b|c:" DOC "-chunk-000|" },
        { "nothing", "\"file_path\":\"\",\"source_id\":\"\"", false, "" },
        { "other types", "\"file_path\":7,\"source_id\":null", false, "" },
        { "empty parts", "\"file_path\":\"<SEP>a<SEP><SEP>\"", false, "n:a|" },
        { "half a separator is part of a name", "\"file_path\":\"a<SE\"", false, "n:a<SE|" },
        { "1.4: names cut, chunks lead nowhere", "\"file_path\":\"a<SEP>...truncated...(FIFO)\",\"source_id\":\"chunk-1\"", true, "n:a|c:chunk-1|" },
        { "the server says so", "\"file_path\":\"a\",\"truncate\":\"FIFO 100/120\"", true, "n:a|" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text body = { 0 };
        AUTO_DONE(text) struct text origins = { 0 };
        struct http_answer answer;
        struct sink_entity entity;
        struct sink_verdict verdict;
        text_init(&body, 0);
        text_init(&origins, 0);
        (void)text_append_format(&body, "{\"nodes\":[{\"id\":\"Bo\",\"properties\":{\"file_path\":\"wrong\"}},{\"id\":\"Ana\",\"properties\":{\"entity_type\":\"person\",%s}}]}",
                                 rows[i].properties);
        answer = answer_bytes(200, body.data, body.size);
        sink_read_entity(&answer, "Ana", keep_origin, &origins, &entity, &verdict);
        assert_int_equal(verdict.scope, SINK_WELL);
        if (!entity.is_there || entity.is_cut != rows[i].is_cut || strcmp(origins.data, rows[i].origins) != 0 || strcmp(entity.type, "person") != 0)
            fail_msg("%s: there %d, cut %d, \"%s\"", rows[i].why, entity.is_there, entity.is_cut, origins.data);
    }
}

/* So many names and chunks as 1.5 keeps, or fewer. */
static bool is_cut_at(size_t names, bool says_so, size_t chunks)
{
    AUTO_DONE(text) struct text body = { 0 };
    AUTO_DONE(text) struct text origins = { 0 };
    struct http_answer answer;
    struct sink_entity entity;
    struct sink_verdict verdict;

    text_init(&body, 0);
    text_init(&origins, 0);
    (void)text_append(&body, "{\"nodes\":[{\"id\":\"Ana\",\"properties\":{\"file_path\":\"");
    for (size_t i = 0; i < names; i++)
        (void)text_append_format(&body, "%sn%zu", i > 0 ? "<SEP>" : "", i);
    (void)text_append(&body, says_so ? "<SEP>...truncated...(KEEP Old)\",\"source_id\":\"" : "\",\"source_id\":\"");
    for (size_t i = 0; i < chunks; i++)
        (void)text_append_format(&body, "%s" DOC "-chunk-%03zu", i > 0 ? "<SEP>" : "", i);
    (void)text_append(&body, "\"}}]}");
    answer = answer_bytes(200, body.data, body.size);
    sink_read_entity(&answer, "Ana", keep_origin, &origins, &entity, &verdict);
    assert_int_equal(entity.names, names);
    assert_int_equal(entity.chunks, chunks);
    return entity.is_cut;
}

static void test_what_was_cut(void **state)
{
    (void)state;
    assert_false(is_cut_at(75, false, 75));
    assert_false(is_cut_at(75, true, 76));  /* the chunks tell of the others */
    assert_false(is_cut_at(75, true, 199));
    assert_true(is_cut_at(75, true, 200));  /* as many as are kept: perhaps more */
    assert_true(is_cut_at(75, true, 75));
    assert_true(is_cut_at(75, true, 0));
}

static void test_no_entity(void **state)
{
    static const struct { const char *why; int status; const char *body; enum sink_scope scope; } rows[] = {
        { "an empty graph", 200, "{\"nodes\":[],\"edges\":[]}", SINK_WELL },
        { "only others", 200, "{\"nodes\":[{\"id\":\"ana\",\"properties\":{\"file_path\":\"a\"}}]}", SINK_WELL },
        { "nodes without properties", 200, "{\"nodes\":[{\"id\":\"Ana\"},7,null]}", SINK_WELL },
        { "no graph", 200, "{}", SINK_STRANGE },
        { "a list", 200, "[]", SINK_SILENT },
        { "a proxy in trouble", 502, "<html>", SINK_FAILING },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_answer answer = answer_text(rows[i].status, rows[i].body);
        AUTO_DONE(text) struct text origins = { 0 };
        struct sink_entity entity;
        struct sink_verdict verdict;
        text_init(&origins, 0);
        sink_read_entity(&answer, "Ana", keep_origin, &origins, &entity, &verdict);
        if (verdict.scope != rows[i].scope || entity.is_there || origins.size > 0)
            fail_msg("%s: scope %d, there %d, \"%s\"", rows[i].why, verdict.scope, entity.is_there, origins.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doc_ids), cmocka_unit_test(test_labels),    cmocka_unit_test(test_entity),
        cmocka_unit_test(test_what_was_cut), cmocka_unit_test(test_no_entity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
