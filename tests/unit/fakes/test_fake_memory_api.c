/* test_fake_memory_api.c - the fake Memory API: its lists, their faults, and, over real sockets, that a fault arrives as it was ordered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "fakes/fake_memory_api.h"

#include <yyjson.h>

#include <stdio.h>
#include <string.h>

static const char sample[] =
    "{\"memories\":["
    "{\"id\":\"old\",\"created_at\":\"2025-10-01T12:00:00Z\",\"transcript\":\"old\"},"
    "{\"id\":\"month\",\"created_at\":\"2025-12-01T12:00:00Z\",\"transcript\":\"month\",\"location_lat\":1e400},"
    "{\"id\":\"week\",\"created_at\":\"2025-12-15T12:00:00Z\",\"transcript\":\"week\"},"
    "{\"id\":\"day\",\"created_at\":\"2025-12-18T12:00:00Z\",\"transcript\":\"day\"},"
    "{\"id\":\"undated\",\"transcript\":\"undated\"}]}";

struct talk {
    struct fake_memory_api *fake;
    int status;
    char *body;
    yyjson_doc *json;
};

static void talk_start(struct talk *talk, const struct fake_memory_settings *settings)
{
    struct error err = { 0 };

    *talk = (struct talk){ 0 };
    assert_int_equal(fake_memory_api_new(settings, &talk->fake, &err), 0);
}

static void talk_done(struct talk *talk)
{
    yyjson_doc_free(talk->json);
    mem_free(talk->body);
    fake_memory_api_free(talk->fake);
}
AUTO_DEFINE_DONE(talk)

/* Reads what a producer makes, in awkward pieces. */
static void take_stream(struct http_server_answer *answer)
{
    char piece[777];
    int64_t size;

    while ((size = answer->produce(answer->producer, answer->body.size, piece, sizeof piece)) > 0)
        (void)text_append_bytes(&answer->body, piece, (size_t)size);
    answer->producer_free(answer->producer);
    assert_int_equal(size, 0);
}

static yyjson_val *tell(struct talk *talk, const struct fake_request *request)
{
    struct http_server_answer answer = { .status = 200 };

    text_init(&answer.body, 0);
    fake_memory_api_handle(talk->fake, 0, request, &answer);
    if (answer.produce != NULL)
        take_stream(&answer);
    yyjson_doc_free(talk->json);
    mem_free(talk->body);
    talk->status = answer.status;
    talk->body = text_take(&answer.body);
    talk->json = yyjson_read(talk->body, strlen(talk->body), YYJSON_READ_NUMBER_AS_RAW);
    return yyjson_doc_get_root(talk->json);
}

static yyjson_val *list(struct talk *talk, const char *limit, const char *range)
{
    return tell(talk, &(struct fake_request){ .method = "GET", .path = "/memory/ctx", .limit = limit, .range = range, .body = "" });
}

static int control(struct talk *talk, const char *body)
{
    (void)tell(talk, &(struct fake_request){ .method = "POST", .path = "/_fake/control", .body = body, .body_size = strlen(body) });
    return talk->status;
}

/* The ids in order: "old,month". */
static const char *ids_of(yyjson_val *root, char *ids, size_t room)
{
    size_t used = 0;
    yyjson_val *memory;
    size_t index, count;

    ids[0] = '\0';
    yyjson_arr_foreach(yyjson_obj_get(root, "memories"), index, count, memory) {
        if (used < room)
            used += (size_t)snprintf(ids + used, room - used, "%s%s", index > 0 ? "," : "", yyjson_get_str(yyjson_obj_get(memory, "id")));
    }
    return ids;
}

static void test_limit_and_range(void **state)
{
    static const struct { const char *limit, *range, *ids; int status; } rows[] = {
        { "100", "all", "old,month,week,day,undated", 200 },
        { "100", "month", "month,week,day,undated", 200 },
        { "100", "week", "week,day,undated", 200 },
        { "100", NULL, "week,day,undated", 200 }, /* the server's default */
        { "100", "day", "day,undated", 200 },
        { "2", "all", "old,month", 200 },
        { "0", "all", "", 422 },
        { "10", "decade", "", 422 },
    };
    AUTO_DONE(talk) struct talk talk;
    char ids[200];

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .json = sample, .json_size = sizeof sample - 1 });
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_string_equal(ids_of(list(&talk, rows[i].limit, rows[i].range), ids, sizeof ids), rows[i].ids);
        assert_int_equal(talk.status, rows[i].status);
    }
    (void)list(&talk, "100", "all");
    assert_non_null(strstr(talk.body, "1e400")); /* as it is written */
    assert_int_equal(control(&talk, "{\"now\":\"2026-02-01T00:00:00Z\"}"), 200);
    assert_string_equal(ids_of(list(&talk, "100", "month"), ids, sizeof ids), "undated");
}

static void test_contexts_and_keys(void **state)
{
    static const char json[] = "{\"contexts\":{\"ctx\":{\"memories\":[{\"id\":\"1\"}]},\"other\":{\"memories\":[]}}}";
    static const struct { const char *path, *key, *method; int status; } rows[] = {
        { "/memory/ctx", "k", "GET", 200 }, { "/memory/other", "k", "GET", 200 }, { "/memory/nobody", "k", "GET", 404 },
        { "/memory/ctx", NULL, "GET", 401 }, { "/memory/ctx", "wrong", "GET", 403 }, { "/memory/", "k", "GET", 404 },
        { "/else", "k", "GET", 404 }, { "/memory/ctx", "k", "POST", 405 },
    };
    AUTO_DONE(talk) struct talk talk;

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .json = json, .json_size = sizeof json - 1, .api_key = "k" });
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)tell(&talk, &(struct fake_request){ .method = rows[i].method, .path = rows[i].path, .api_key = rows[i].key, .body = "" });
        assert_int_equal(talk.status, rows[i].status);
    }
}

static void test_memories_change(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char ids[200];

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .json = sample, .json_size = sizeof sample - 1 });
    assert_int_equal(control(&talk, "{\"upsert\":[{\"id\":\"week\",\"transcript\":\"changed\"},{\"id\":\"new\"}],\"delete\":[\"old\",\"nobody\"]}"), 200);
    assert_string_equal(ids_of(list(&talk, "100", "all"), ids, sizeof ids), "month,week,day,undated,new");
    assert_non_null(strstr(talk.body, "changed"));
    assert_null(strstr(talk.body, "\"transcript\":\"week\""));
    assert_int_equal(control(&talk, "{\"memories\":[{\"id\":\"only\"}]}"), 200);
    assert_string_equal(ids_of(list(&talk, "100", "all"), ids, sizeof ids), "only");
    assert_int_equal(control(&talk, "{\"upsert\":[{\"id\":\"x\"}],\"context\":\"ctx\"}"), 200); /* the common list has no contexts */
    assert_int_equal(control(&talk, "{\"contexts\":{\"ctx\":{\"memories\":[]}}}"), 200);
    assert_int_equal(control(&talk, "{\"upsert\":[{\"id\":\"x\"}],\"context\":\"nobody\"}"), 422);
    assert_int_equal(control(&talk, "{\"upsert\":[{\"id\":\"x\"}],\"context\":\"ctx\"}"), 200);
    assert_string_equal(ids_of(list(&talk, "100", "all"), ids, sizeof ids), "x");
}

static void test_made_up_memories(void **state)
{
    enum { COUNT = 3000 };
    AUTO_DONE(talk) struct talk talk;
    AUTO_STRING char *first = NULL;
    yyjson_val *root;
    yyjson_val *memory;
    size_t index, count;
    size_t places = 0;

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .count = COUNT, .size = 400, .seed = 7 });
    root = list(&talk, "1000000", "week");
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "memories")), COUNT);
    yyjson_arr_foreach(yyjson_obj_get(root, "memories"), index, count, memory) {
        assert_true(yyjson_is_str(yyjson_obj_get(memory, "id")));
        assert_true(yyjson_get_len(yyjson_obj_get(memory, "transcript")) > 100);
        places += yyjson_obj_get(memory, "location_lat") != NULL;
    }
    assert_in_range(places, 1, COUNT - 1); /* some have a place, some have none */
    first = mem_copy_string(talk.body);
    (void)list(&talk, "1000000", "all");
    assert_string_equal(talk.body, first); /* the same for the same seed */
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(list(&talk, "3", "all"), "memories")), 3);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(list(&talk, NULL, NULL), "memories")), 10);
}

static void test_words_that_control_does_not_know(void **state)
{
    static const char *const rows[] = { "{\"statsu\":503}", "{\"status\":\"503\"}", "{\"html\":1}", "[1]", "", "{\"now\":\"soon\"}" };
    AUTO_DONE(talk) struct talk talk;

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .json = sample, .json_size = sizeof sample - 1 });
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(control(&talk, rows[i]), 422);
}

static void test_broken_json_is_told(void **state)
{
    struct fake_memory_api *fake = NULL;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(fake_memory_api_new(&(struct fake_memory_settings){ .json = "{\"memories\":[", .json_size = 13 }, &fake, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_null(fake);
}

/* ---- Over real sockets ---- */

struct asked { bool is_done; struct http_answer answer; char body[600], location[100]; };

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct asked *asked = owner;

    (void)id;
    asked->is_done = true;
    asked->answer = *answer;
    (void)snprintf(asked->body, sizeof asked->body, "%s", answer->body);
    (void)snprintf(asked->location, sizeof asked->location, "%s", answer->location);
}

/* knobs NULL: the listing; else they are set, through the server too, because its thread owns the fake. */
static void get(struct http *http, const char *server, const char *knobs, struct asked *asked)
{
    AUTO_STRING char *url = mem_format("%s%s", server, knobs == NULL ? "/memory/ctx?limit=100&range=all" : "/_fake/control");
    struct http_request request = { .method = knobs == NULL ? "GET" : "POST", .url = url, .body = knobs, .body_size = knobs == NULL ? 0 : strlen(knobs),
                                    .stall_timeout_ms = 700, .answer_maximum = 1 << 20, .owner = asked, .on_done = on_done };
    int64_t until = clock_monotonic_ms() + 20000;
    struct error err = { 0 };
    http_id id;

    *asked = (struct asked){ 0 };
    assert_int_equal(http_start(http, &request, &id, &err), 0);
    while (!asked->is_done && clock_monotonic_ms() < until)
        assert_int_equal(http_poll(http, clock_monotonic_ms() + 50, &err), 0);
    assert_true(asked->is_done);
}

static void test_faults_arrive_as_ordered(void **state)
{
    static const struct { const char *knobs; enum http_end end; int status; int64_t received; const char *says; int64_t retry_after_ms; } rows[] = {
        { "{\"times\":0}", HTTP_ANSWERED, 200, -1, "\"old\"", -1 },
        { "{\"status\":429,\"retry_after\":\"17\"}", HTTP_ANSWERED, 429, -1, "scripted", 17000 },
        { "{\"status\":503,\"retry_after\":\"-3\"}", HTTP_ANSWERED, 503, -1, "scripted", 0 },
        { "{\"html\":true}", HTTP_ANSWERED, 200, -1, "<html>", -1 },
        { "{\"raw\":\"\\u0001garbage\"}", HTTP_ANSWERED, 200, 8, "garbage", -1 },
        { "{\"redirect\":\"http://127.0.0.1:1/x\"}", HTTP_ANSWERED, 302, -1, "elsewhere", -1 },
        { "{\"gzip\":true}", HTTP_ANSWERED, 200, -1, "\"undated\"", -1 },
        { "{\"drip\":40,\"drip_ms\":5}", HTTP_ANSWERED, 200, -1, "\"undated\"", -1 },
        { "{\"latency_ms\":50}", HTTP_ANSWERED, 200, -1, "\"undated\"", -1 },
        { "{\"cut\":100}", HTTP_TRUNCATED, 200, 100, "\"old\"", -1 },
        { "{\"cut_chunked\":100}", HTTP_TRUNCATED, 200, 100, "\"old\"", -1 },
        { "{\"reset\":100}", HTTP_TRUNCATED, 200, 100, "\"old\"", -1 },
        { "{\"stall\":100}", HTTP_TRUNCATED, 200, 100, "\"old\"", -1 },
    };
    AUTO_DONE(talk) struct talk talk;
    AUTO(fake_server) struct fake_server *server = NULL;
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };

    (void)state;
    talk_start(&talk, &(struct fake_memory_settings){ .json = sample, .json_size = sizeof sample - 1 });
    assert_int_equal(fake_server_start(fake_memory_api_handle, talk.fake, 0, 1 << 20, &server, &err), 0);
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct asked asked;
        get(http_client_http(client), fake_server_url(server), rows[i].knobs, &asked);
        assert_int_equal(asked.answer.status, 200);
        get(http_client_http(client), fake_server_url(server), NULL, &asked);
        if (asked.answer.end != rows[i].end || asked.answer.status != rows[i].status || strstr(asked.body, rows[i].says) == NULL ||
            (rows[i].received >= 0 && asked.answer.received_bytes != rows[i].received) || asked.answer.retry_after_ms != rows[i].retry_after_ms)
            fail_msg("%s: end %d, HTTP %d, %lld bytes: %s", rows[i].knobs, (int)asked.answer.end, asked.answer.status,
                     (long long)asked.answer.received_bytes, asked.body);
        if (asked.answer.status == 302)
            assert_string_equal(asked.location, "http://127.0.0.1:1/x");
    }
    http_client_free(TAKE(client));
    fake_server_free(TAKE(server)); /* before the fake that it serves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_and_range),
        cmocka_unit_test(test_contexts_and_keys),
        cmocka_unit_test(test_memories_change),
        cmocka_unit_test(test_made_up_memories),
        cmocka_unit_test(test_words_that_control_does_not_know),
        cmocka_unit_test(test_broken_json_is_told),
        cmocka_unit_test(test_faults_arrive_as_ordered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
