/* test_fake_lightrag.c - what the fake promises beyond single answers (those are compared with the real servers in tests/contract): time, loss, the
 * ledger, faults. No sockets and no clock: every call says what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "fakes/fake_lightrag.h"

#include <yyjson.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- One conversation ---- */

struct talk {
    struct fake_lightrag *fake;
    int64_t now_ms;
    int status;
    enum http_server_fault fault;
    char *body;              /* of the last answer */
    yyjson_doc *json;        /* NULL when it is none */
};

static void talk_start(struct talk *talk, const struct fake_lightrag_settings *settings)
{
    *talk = (struct talk){ .fake = fake_lightrag_new(settings), .now_ms = 1766016000000 };
}

static void talk_done(struct talk *talk)
{
    yyjson_doc_free(talk->json);
    mem_free(talk->body);
    fake_lightrag_free(talk->fake);
}
AUTO_DEFINE_DONE(talk)

static yyjson_val *ask(struct talk *talk, const char *method, const char *path, const char *body)
{
    struct fake_request request = { .method = method, .path = path, .body = body != NULL ? body : "", .body_size = body != NULL ? strlen(body) : 0 };
    struct http_server_answer answer = { .status = 200 };

    text_init(&answer.body, 0);
    fake_lightrag_handle(talk->fake, talk->now_ms, &request, &answer);
    yyjson_doc_free(talk->json);
    mem_free(talk->body);
    talk->status = answer.status;
    talk->fault = answer.fault;
    talk->body = text_take(&answer.body);
    talk->json = yyjson_read(talk->body, strlen(talk->body), 0);
    return yyjson_doc_get_root(talk->json);
}

static void control(struct talk *talk, const char *knobs)
{
    (void)ask(talk, "POST", "/_fake/control", knobs);
    assert_int_equal(talk->status, 200);
}

static int64_t ledger(struct talk *talk, const char *name)
{
    yyjson_val *value = yyjson_obj_get(ask(talk, "GET", "/_fake/ledger", NULL), name);

    assert_true(yyjson_is_int(value));
    return yyjson_get_sint(value);
}

/* One text per name; returns the track, "" when refused. */
static const char *insert(struct talk *talk, const char *name, const char *text, char track[64])
{
    AUTO_STRING char *body = mem_format("{\"texts\":[\"%s\"],\"file_sources\":[\"%s\"]}", text, name);
    const char *said = yyjson_get_str(yyjson_obj_get(ask(talk, "POST", "/documents/texts", body), "track_id"));

    (void)snprintf(track, 64, "%s", said != NULL ? said : "");
    return track;
}

/* "processed", or how the first row of that track stands; "(none)". */
static const char *status_of(struct talk *talk, const char *track)
{
    AUTO_STRING char *path = mem_format("/documents/track_status/%s", track);
    yyjson_val *rows = yyjson_obj_get(ask(talk, "GET", path, NULL), "documents");
    const char *status = yyjson_get_str(yyjson_obj_get(yyjson_arr_get_first(rows), "status"));

    return status != NULL ? status : "(none)";
}

static bool is_busy(struct talk *talk)
{
    return yyjson_is_true(yyjson_obj_get(ask(talk, "GET", "/documents/pipeline_status", NULL), "busy"));
}

/* ---- Time ---- */

static void test_a_200_is_a_receipt(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char a[64], b[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .store_delay_ms = 1000, .process_delay_ms = 500 });
    insert(&talk, "a", "text a", a);
    talk.now_ms += 200;
    insert(&talk, "b", "text b", b);
    assert_string_equal(status_of(&talk, a), "(none)");
    assert_false(is_busy(&talk)); /* so it says while texts only wait to be stored; 1.5 counts them apart */
    assert_int_equal(yyjson_get_int(yyjson_obj_get(yyjson_doc_get_root(talk.json), "pending_enqueues")), 2);
    talk.now_ms += 800; /* a is stored at 1000, b at 1200; one after the other is processed */
    assert_string_equal(status_of(&talk, a), "processing");
    assert_string_equal(status_of(&talk, b), "(none)");
    talk.now_ms += 499;
    assert_string_equal(status_of(&talk, a), "processing");
    assert_string_equal(status_of(&talk, b), "pending");
    talk.now_ms += 1;
    assert_string_equal(status_of(&talk, a), "processed");
    assert_string_equal(status_of(&talk, b), "processing");
    talk.now_ms += 500;
    assert_string_equal(status_of(&talk, b), "processed");
    assert_false(is_busy(&talk));
}

/* A long sleep must end as many short ones do: the simulation jumps from event to event. */
static void test_time_may_jump(void **state)
{
    (void)state;
    for (int64_t step = 1; step <= 100000; step *= 10) {
        AUTO_DONE(talk) struct talk talk;
        char track[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ .store_delay_ms = 70, .process_delay_ms = 30 });
        for (int i = 0; i < 5; i++) {
            AUTO_STRING char *name = mem_format("n%d", i);
            insert(&talk, name, name, track);
        }
        for (int64_t passed = 0; passed < 220; passed += step) {
            talk.now_ms += step < 220 - passed ? step : 220 - passed;
            (void)is_busy(&talk);
        }
        assert_int_equal(ledger(&talk, "processed"), 5);
        assert_false(is_busy(&talk));
    }
}

static void test_texts_of_one_insert_may_be_stored_one_by_one(void **state)
{
    AUTO_DONE(talk) struct talk talk;

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .store_delay_ms = 10 });
    control(&talk, "{\"store_item_ms\":100}");
    (void)ask(&talk, "POST", "/documents/texts", "{\"texts\":[\"1\",\"2\",\"3\"],\"file_sources\":[\"a\",\"b\",\"c\"]}");
    talk.now_ms += 115;
    assert_int_equal(ledger(&talk, "live"), 2);
    control(&talk, "{\"restart\":true}"); /* in its midst */
    assert_int_equal(ledger(&talk, "lost"), 1);
    talk.now_ms += 1000;
    assert_int_equal(ledger(&talk, "live"), 2);
}

/* ---- Restart, kick, loss ---- */

static void test_nothing_resumes_by_itself(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char kept[64], lost[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .store_delay_ms = 100, .process_delay_ms = 1000 });
    insert(&talk, "kept", "text", kept);
    talk.now_ms += 150;
    insert(&talk, "lost", "other", lost);
    control(&talk, "{\"restart\":true}");
    talk.now_ms += 1000000;
    assert_string_equal(status_of(&talk, kept), "processing");
    assert_string_equal(status_of(&talk, lost), "(none)");
    assert_false(is_busy(&talk));
    assert_int_equal(ledger(&talk, "lost"), 1);
    (void)ask(&talk, "POST", "/documents/reprocess_failed", NULL);
    talk.now_ms += 1000;
    assert_string_equal(status_of(&talk, kept), "processed");
    insert(&talk, "lost", "other", lost); /* its name is free */
    assert_int_equal(talk.status, 200);
}

static void test_failed_rows(void **state)
{
    static const struct { const char *why; bool is_14; const char *wakes; const char *want; } rows[] = {
        { "1.5 leaves a failed row alone", false, "insert", "failed" },
        { "1.5 tries it again when told to", false, "kick", "processed" },
        { "1.4 tries it again with any insert", true, "insert", "processed" },
        { "1.4 tries it again when told to", true, "kick", "processed" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64], other[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ .is_14 = rows[i].is_14, .fail_match = "BAD" });
        control(&talk, "{\"fail_times\":1}");
        insert(&talk, "a", "a BAD text", track);
        assert_string_equal(status_of(&talk, track), "failed");
        if (rows[i].wakes[0] == 'i')
            insert(&talk, "b", "good", other);
        else
            (void)ask(&talk, "POST", "/documents/reprocess_failed", NULL);
        if (strcmp(status_of(&talk, track), rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].why, status_of(&talk, track));
    }
}

static void test_a_kick_waits_for_the_pipeline(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char bad[64], slow[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .process_delay_ms = 1000, .fail_match = "BAD" });
    insert(&talk, "bad", "BAD", bad);
    insert(&talk, "slow", "slow", slow);
    talk.now_ms += 1500;
    assert_string_equal(status_of(&talk, bad), "failed");
    control(&talk, "{\"fail_match\":\"\"}");
    (void)ask(&talk, "POST", "/documents/reprocess_failed", NULL);
    assert_string_equal(status_of(&talk, bad), "failed"); /* the pipeline still has slow in hand */
    talk.now_ms += 1500;
    assert_string_equal(status_of(&talk, slow), "processed");
    assert_string_equal(status_of(&talk, bad), "processed");
}

/* ---- Names ---- */

static void test_two_inserts_of_one_name(void **state)
{
    static const struct { bool is_14; int64_t rows, live, doubled; } dialects[] = { { false, 2, 1, 0 }, { true, 2, 2, 1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        AUTO_DONE(talk) struct talk talk;
        char first[64], second[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ .is_14 = dialects[i].is_14, .store_delay_ms = 50 });
        insert(&talk, "a", "one", first);
        insert(&talk, "a", "two", second); /* the first is not visible yet: taken */
        assert_int_equal(talk.status, 200);
        talk.now_ms += 50;
        assert_int_equal(ledger(&talk, "rows"), dialects[i].rows);
        assert_int_equal(ledger(&talk, "live"), dialects[i].live);
        assert_int_equal(ledger(&talk, "doubled"), dialects[i].doubled);
        assert_string_equal(status_of(&talk, second), dialects[i].is_14 ? "processed" : "failed");
    }
}

static void delete_one(struct talk *talk, const char *id)
{
    AUTO_STRING char *body = mem_format("{\"doc_ids\":[\"%s\"]}", id);

    (void)ask(talk, "DELETE", "/documents/delete_document", body);
}

static void test_deletes_take_their_time(void **state)
{
    static const char id[] = "doc-0cc175b9c0f1b6a831c399e269772661"; /* md5 of "a" */
    static const struct { bool is_14; int status; } dialects[] = { { false, 409 }, { true, 200 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64], other[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ .is_14 = dialects[i].is_14, .process_delay_ms = 100 });
        control(&talk, "{\"delete_delay_ms\":500}");
        insert(&talk, "a", "a", track); /* for 1.4 the id is that of the text */
        delete_one(&talk, id);
        assert_non_null(strstr(talk.body, "\"busy\"")); /* 200, and nothing was done */
        talk.now_ms += 100;
        delete_one(&talk, id);
        assert_non_null(strstr(talk.body, "deletion_started"));
        assert_true(is_busy(&talk));
        assert_string_equal(status_of(&talk, track), "processed"); /* still there */
        insert(&talk, "b", "b", other);
        assert_int_equal(talk.status, dialects[i].status);
        insert(&talk, "a", "new", other);
        assert_int_equal(talk.status, dialects[i].status);
        if (dialects[i].is_14)
            assert_string_equal(other, track); /* "duplicated", of a row that is about to go */
        talk.now_ms += 1000;
        assert_string_equal(status_of(&talk, track), "(none)");
        insert(&talk, "a", "new", other);
        assert_int_equal(talk.status, 200);
        assert_string_not_equal(other, track);
        assert_int_equal(ledger(&talk, "doubled"), 0);
    }
}

/* ---- Deletes, more of them ---- */

static const char id_a[] = "doc-0cc175b9c0f1b6a831c399e269772661", id_b[] = "doc-92eb5ffee6ae2fec3ad71c777531578f",
                  id_c[] = "doc-4a8a08f09d37b73795649038408b5f33"; /* md5 of a, b, c: of the names, and of the texts for 1.4 */

static void start_with_three(struct talk *talk, bool is_14, char track[64])
{
    talk_start(talk, &(struct fake_lightrag_settings){ .is_14 = is_14 });
    (void)ask(talk, "POST", "/documents/texts", "{\"texts\":[\"a\",\"b\",\"c\"],\"file_sources\":[\"a\",\"b\",\"c\"]}");
    (void)snprintf(track, 64, "%s", yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(talk->json), "track_id")));
    talk->now_ms++;
}

static void delete_three(struct talk *talk)
{
    AUTO_STRING char *body = mem_format("{\"doc_ids\":[\"%s\",\"doc-nobody\",\" %s \",\"%s\"]}", id_a, id_b, id_c);

    (void)ask(talk, "DELETE", "/documents/delete_document", body);
}

static void test_a_delete_goes_from_one_to_the_next(void **state)
{
    (void)state;
    for (int is_14 = 0; is_14 < 2; is_14++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64];
        start_with_three(&talk, is_14 == 1, track);
        control(&talk, "{\"delete_delay_ms\":100}");
        delete_three(&talk);
        assert_non_null(strstr(talk.body, "deletion_started"));
        assert_non_null(strstr(talk.body, "doc-nobody, doc-92eb5ffee6ae2fec3ad71c777531578f, doc-4a")); /* trimmed, and nobody is no error */
        for (int left = 3; left > 0; left--) {
            assert_int_equal(ledger(&talk, "live"), left);
            assert_int_equal(ledger(&talk, "torn"), 1);
            assert_true(is_busy(&talk));
            delete_one(&talk, id_c);
            assert_non_null(strstr(talk.body, "\"busy\""));
            talk.now_ms += 100;
        }
        assert_false(is_busy(&talk));
        assert_string_equal(status_of(&talk, track), "(none)");
        assert_int_equal(ledger(&talk, "deleted"), 3);
        assert_int_equal(ledger(&talk, "deletes_refused"), 3);
    }
}

/* What a client that believes the word "processed" would never notice. */
static void test_a_server_dies_while_it_deletes(void **state)
{
    (void)state;
    for (int is_14 = 0; is_14 < 2; is_14++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64];
        start_with_three(&talk, is_14 == 1, track);
        control(&talk, "{\"delete_delay_ms\":100}");
        delete_three(&talk);
        talk.now_ms += 150; /* a is gone, b half */
        control(&talk, "{\"restart\":true}");
        talk.now_ms += 10000;
        assert_false(is_busy(&talk));
        assert_int_equal(ledger(&talk, "live"), 2);
        assert_int_equal(ledger(&talk, "torn"), 1);
        assert_string_equal(status_of(&talk, track), "processed");
        assert_int_equal(strstr(talk.body, "kg_purge") != NULL, is_14 == 0); /* 1.4 leaves no mark */
        delete_one(&talk, id_b);
        talk.now_ms += 100;
        assert_int_equal(ledger(&talk, "live"), 1);
        assert_int_equal(ledger(&talk, "torn"), 0);
    }
}

static void test_a_delete_fails_with_the_model(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char track[64];

    (void)state;
    start_with_three(&talk, false, track);
    control(&talk, "{\"delete_fail_match\":\"b\"}");
    delete_three(&talk);
    assert_string_equal(status_of(&talk, track), "processed");
    assert_non_null(strstr(talk.body, "Error while deleting document doc-92eb5ffee6ae2fec3ad71c777531578f"));
    assert_int_equal(ledger(&talk, "live"), 1);
    assert_int_equal(ledger(&talk, "torn"), 1);
    control(&talk, "{\"delete_fail_match\":\"\"}");
    delete_one(&talk, id_b);
    assert_string_equal(status_of(&talk, track), "(none)");
}

static void test_deletes_that_are_only_answered(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char track[64];

    (void)state;
    start_with_three(&talk, false, track);
    control(&talk, "{\"lost_deletes\":1}");
    delete_three(&talk);
    assert_non_null(strstr(talk.body, "deletion_started"));
    talk.now_ms += 10000;
    assert_int_equal(ledger(&talk, "live"), 3);
    control(&talk, "{\"drop_times\":1,\"drop_path\":\"/documents/delete\"}");
    assert_true(yyjson_is_obj(ask(&talk, "GET", "/health", NULL)));
    assert_int_equal(talk.fault, 0);
    delete_three(&talk);
    assert_int_equal(talk.fault, HTTP_SERVER_DROP);
    assert_int_equal(ledger(&talk, "live"), 0);
}

/* Texts that are accepted and not stored: 1.5 deletes nothing then, 1.4 deletes first. */
static void test_a_delete_behind_an_insert(void **state)
{
    static const struct { bool is_14; const char *word; int64_t live; } rows[] = {
        { false, "An upload/insert or a source-conflict repair is in flight.", 4 }, { true, "deletion_started", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64], other[64];
        start_with_three(&talk, rows[i].is_14, track);
        control(&talk, "{\"store_delay_ms\":50,\"delete_delay_ms\":100,\"process_delay_ms\":10}");
        insert(&talk, "d", "d", other);
        delete_three(&talk);
        assert_non_null(strstr(talk.body, rows[i].word));
        talk.now_ms += 305; /* 1.4: stored after 50, processed from 300 on */
        if (rows[i].is_14)
            assert_string_equal(status_of(&talk, other), "processing");
        talk.now_ms += 5;
        assert_string_equal(status_of(&talk, other), "processed");
        assert_int_equal(ledger(&talk, "live"), rows[i].live);
    }
}

static void test_another_server_behind_the_address(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char track[64];
    yyjson_val *health;

    (void)state;
    start_with_three(&talk, false, track);
    control(&talk, "{\"wipe\":true,\"workspace\":\"other\",\"core_version\":\"1.6.0\"}");
    health = ask(&talk, "GET", "/health", NULL);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(health, "core_version")), "1.6.0");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_obj_get(health, "configuration"), "workspace")), "other");
    assert_string_equal(status_of(&talk, track), "(none)");
    (void)insert(&talk, "a", "a", track);
    assert_string_equal(status_of(&talk, track), "processed");
    (void)ask(&talk, "DELETE", "/documents", NULL);
    assert_non_null(strstr(talk.body, "All documents cleared"));
    assert_string_equal(status_of(&talk, track), "(none)");
}

/* ---- Poison ---- */

static const char *find_row(yyjson_val *rows, const char *name, const char *key)
{
    yyjson_val *row;
    size_t index, count;

    yyjson_arr_foreach(rows, index, count, row) {
        if (strcmp(yyjson_get_str(yyjson_obj_get(row, "file_path")), name) == 0)
            return yyjson_get_str(yyjson_obj_get(row, key));
    }
    return "(none)";
}

/* Vectors of several texts are written together: the refused one's fail the next, and that ends the run for all that wait. */
static void test_a_refused_text_fails_its_neighbours(void **state)
{
    static const struct { const char *why; bool is_14; const char *cure, *after, *cancelled, *last; } rows[] = {
        { "1.4 writes each for itself", true, "", "processed", "processed", "processed" },
        { "1.5 fails those behind it; a later insert passes", false, "", "failed", "failed", "processed" },
        { "a retry that tries them together is of no use", false, "kick", "failed", "failed", "processed" },
        { "the model takes it at last", false, "heal", "processed", "processed", "processed" },
        { "the refused text is deleted", false, "delete", "processed", "processed", "processed" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(talk) struct talk talk;
        char late[64], track[64];
        AUTO_STRING char *path = NULL;
        yyjson_val *list;
        talk_start(&talk, &(struct fake_lightrag_settings){ .is_14 = rows[i].is_14, .fail_match = "BAD" });
        (void)ask(&talk, "POST", "/documents/texts", "{\"texts\":[\"before\",\"BAD\",\"after\",\"far\"],\"file_sources\":[\"0\",\"a\",\"2\",\"3\"]}");
        (void)snprintf(track, sizeof track, "%s", yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(talk.json), "track_id")));
        path = mem_format("/documents/track_status/%s", track);
        list = yyjson_obj_get(ask(&talk, "GET", path, NULL), "documents");
        assert_string_equal(find_row(list, "0", "status"), "processed");
        assert_string_equal(find_row(list, "a", "status"), "failed");
        if (!rows[i].is_14) {
            assert_non_null(strstr(find_row(list, "2", "error_msg"), "index flush failed"));
            assert_non_null(strstr(find_row(list, "3", "error_msg"), "Cancelled by internal error"));
        }
        if (strcmp(rows[i].cure, "heal") == 0)
            control(&talk, "{\"fail_match\":\"\"}");
        if (strcmp(rows[i].cure, "delete") == 0)
            delete_one(&talk, id_a);
        if (rows[i].cure[0] != '\0')
            (void)ask(&talk, "POST", "/documents/reprocess_failed", NULL);
        insert(&talk, "late", "late", late);
        if (strcmp(status_of(&talk, late), rows[i].last) != 0)
            fail_msg("%s: the later text is %s", rows[i].why, status_of(&talk, late));
        list = yyjson_obj_get(ask(&talk, "GET", path, NULL), "documents");
        if (strcmp(find_row(list, "2", "status"), rows[i].after) != 0 || strcmp(find_row(list, "3", "status"), rows[i].cancelled) != 0)
            fail_msg("%s: %s and %s", rows[i].why, find_row(list, "2", "status"), find_row(list, "3", "status"));
    }
}

/* Alone it fails only itself; whoever comes next pays, unless the server has forgotten. */
static void test_what_waits_to_be_written_is_in_memory(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        AUTO_DONE(talk) struct talk talk;
        char bad[64], good[64], late[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ .fail_match = "BAD" });
        insert(&talk, "a", "BAD", bad);
        assert_string_equal(status_of(&talk, bad), "failed");
        if (restarts == 1)
            control(&talk, "{\"restart\":true}");
        insert(&talk, "b", "good", good);
        assert_string_equal(status_of(&talk, good), restarts == 1 ? "processed" : "failed");
        insert(&talk, "c", "late", late);
        assert_string_equal(status_of(&talk, late), "processed"); /* the failure threw it away */
    }
}

/* ---- Listings ---- */

static void test_pages_hold_every_row_once(void **state)
{
    enum { ROWS = 450, DELETED = 7 };
    static const struct { const char *sort; bool by_name; } sorts[] = {
        { "\"sort_field\":\"created_at\",\"sort_direction\":\"desc\"", false }, { "\"sort_field\":\"created_at\",\"sort_direction\":\"asc\"", false },
        { "\"sort_field\":\"file_path\",\"sort_direction\":\"asc\"", true }, { "\"sort_field\":\"id\",\"sort_direction\":\"desc\"", false },
        { "\"status_filters\":[\"processed\"]", false },
    };
    AUTO_DONE(talk) struct talk talk;
    char track[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ 0 });
    for (int i = 0; i < ROWS; i++) {
        AUTO_STRING char *name = mem_format("n%03d", i);
        insert(&talk, name, name, track);
        talk.now_ms += 3;
    }
    for (int i = 0; i < DELETED; i++) {
        yyjson_val *page = ask(&talk, "POST", "/documents/paginated", "{\"page\":3,\"page_size\":20,\"sort_field\":\"created_at\"}");
        AUTO_STRING char *id = mem_copy_string(yyjson_get_str(yyjson_obj_get(yyjson_arr_get_first(yyjson_obj_get(page, "documents")), "id")));
        delete_one(&talk, id);
    }
    for (size_t s = 0; s < ARRAY_LENGTH(sorts); s++) {
        bool seen[ROWS] = { false };
        char last[8] = "";
        int count = 0;
        bool has_next = true;
        for (int number = 1; has_next; number++) {
            AUTO_STRING char *body = mem_format("{\"page\":%d,\"page_size\":200,%s}", number, sorts[s].sort);
            yyjson_val *root = ask(&talk, "POST", "/documents/paginated", body);
            yyjson_val *row;
            size_t index, length;
            has_next = yyjson_is_true(yyjson_obj_get(yyjson_obj_get(root, "pagination"), "has_next"));
            yyjson_arr_foreach(yyjson_obj_get(root, "documents"), index, length, row) {
                const char *name = yyjson_get_str(yyjson_obj_get(row, "file_path"));
                long n = strtol(name + 1, NULL, 10);
                assert_false(seen[n]);
                seen[n] = true;
                count++;
                assert_true(!sorts[s].by_name || strcmp(last, name) < 0);
                (void)snprintf(last, sizeof last, "%s", name);
            }
            assert_true(number < 10);
        }
        assert_int_equal(count, ROWS - DELETED);
    }
}

/* ---- Faults ---- */

static void test_faults(void **state)
{
    static const struct { const char *why, *knobs; int status; enum http_server_fault fault; const char *says; int64_t texts; } rows[] = {
        { "none", "{}", 200, HTTP_SERVER_WELL, "success", 1 },
        { "a status", "{\"status\":503,\"times\":1}", 503, HTTP_SERVER_WELL, "scripted", 0 },
        { "another word", "{\"word\":\"partial_success\",\"times\":1}", 200, HTTP_SERVER_WELL, "partial_success", 1 },
        { "a page", "{\"html\":true,\"times\":1}", 200, HTTP_SERVER_WELL, "<html>", 0 },
        { "taken, and no answer", "{\"drop_every\":1}", 200, HTTP_SERVER_DROP, "success", 1 },
        { "a poison", "{\"error_match\":\"text\"}", 500, HTTP_SERVER_LEAVE, "Internal server error", 0 },
        { "busy", "{\"busy_ms\":1000}", 409, HTTP_SERVER_WELL, "Pipeline is clearing", 0 },
        { "no limit", "{\"max_pending\":0}", 200, HTTP_SERVER_WELL, "success", 1 },
        { "a fault of another path", "{\"path\":\"/health\",\"status\":500,\"times\":1}", 200, HTTP_SERVER_WELL, "success", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(talk) struct talk talk;
        char track[64];
        talk_start(&talk, &(struct fake_lightrag_settings){ 0 });
        control(&talk, rows[i].knobs);
        insert(&talk, "a", "text", track);
        if (talk.status != rows[i].status || talk.fault != rows[i].fault || strstr(talk.body, rows[i].says) == NULL || ledger(&talk, "texts") != rows[i].texts)
            fail_msg("%s: HTTP %d %s", rows[i].why, talk.status, talk.body);
        talk.now_ms += 5000;
        control(&talk, "{\"error_match\":\"\",\"drop_every\":0}");
        insert(&talk, "b", "another text", track);
        assert_int_equal(talk.status, 200); /* it passes */
    }
}

static void test_a_full_server(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char track[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .process_delay_ms = 1000 });
    control(&talk, "{\"max_pending\":1}");
    insert(&talk, "a", "1", track);
    assert_int_equal(talk.status, 200);
    insert(&talk, "b", "2", track);
    assert_int_equal(talk.status, 429);
    assert_non_null(strstr(talk.body, "at capacity"));
    talk.now_ms += 1000;
    insert(&talk, "b", "2", track);
    assert_int_equal(talk.status, 200);
}

static void test_words_that_control_does_not_know(void **state)
{
    static const char *const rows[] = { "{\"drop_evry\":1}", "{\"drop_every\":\"1\"}", "{\"restart\":1}", "[", "" };
    AUTO_DONE(talk) struct talk talk;

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ 0 });
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)ask(&talk, "POST", "/_fake/control", rows[i]);
        assert_int_equal(talk.status, 422);
    }
}

static void test_inserts_side_by_side_are_counted(void **state)
{
    AUTO_DONE(talk) struct talk talk;
    char track[64];

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ 0 });
    control(&talk, "{\"latency_ms\":100}");
    insert(&talk, "a", "1", track);
    talk.now_ms += 100;
    insert(&talk, "b", "2", track);
    assert_int_equal(ledger(&talk, "max_in_flight"), 1);
    talk.now_ms += 50;
    insert(&talk, "c", "3", track);
    assert_int_equal(ledger(&talk, "max_in_flight"), 2);
}

/* ---- The folder ---- */

static void test_a_folder_keeps_what_was_stored(void **state)
{
    static const struct fake_lightrag_settings settings = { .is_14 = true, .store_delay_ms = 10, .fail_match = "BAD", .process_delay_ms = 10 };
    char folder[] = "/tmp/mc-fake-folder-XXXXXX";
    AUTO_STRING char *path = NULL;
    struct error err = { 0 };
    char done[64], bad[64], waits[64], lost[64];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = mem_format("%s/rows.jsonl", folder);
    {
        AUTO_DONE(talk) struct talk talk;
        talk_start(&talk, &settings);
        assert_int_equal(fake_lightrag_open(talk.fake, folder, &err), 0);
        insert(&talk, "done", "text", done);
        insert(&talk, "bad", "BAD", bad);
        insert(&talk, "gone", "gone", lost);
        talk.now_ms += 100;
        delete_one(&talk, "doc-57d0ad14e7a8cc1ae7dd5b1a4a0c3ff6"); /* nobody */
        insert(&talk, "waits", "waits", waits);
        talk.now_ms += 15;
        (void)is_busy(&talk);
        insert(&talk, "lost", "lost", lost); /* accepted, not stored: ends with the process */
    }
    file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs("{\"e\":\"row\",\"na", file) >= 0); /* torn */
    assert_int_equal(fclose(file), 0);
    for (int round = 0; round < 2; round++) {
        AUTO_DONE(talk) struct talk talk;
        talk_start(&talk, &settings);
        assert_int_equal(fake_lightrag_open(talk.fake, folder, &err), 0);
        assert_string_equal(status_of(&talk, done), "processed");
        assert_string_equal(status_of(&talk, bad), "failed");
        assert_string_equal(status_of(&talk, waits), round == 0 ? "pending" : "processed");
        assert_string_equal(status_of(&talk, lost), "(none)");
        assert_int_equal(ledger(&talk, "live"), 4);
        assert_int_equal(ledger(&talk, "failed"), 1);
        (void)ask(&talk, "POST", "/documents/reprocess_failed", NULL);
        talk.now_ms += 1000;
        assert_string_equal(status_of(&talk, waits), "processed");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* 1.4 takes a text without a source, and cannot tell it: not after a restart either. The page without it is well. */
static void test_a_text_without_a_source(void **state)
{
    struct fake_lightrag_settings settings = { .is_14 = true };
    char folder[] = "/tmp/mc-fake-XXXXXX";
    AUTO_STRING char *path = NULL;
    struct error err = { 0 };

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = mem_format("%s/rows.jsonl", folder);
    for (int round = 0; round < 2; round++) {
        AUTO_DONE(talk) struct talk talk;
        talk_start(&talk, &settings);
        assert_int_equal(fake_lightrag_open(talk.fake, folder, &err), 0);
        if (round == 0)
            (void)ask(&talk, "POST", "/documents/text", "{\"text\":\"nobody's\"}");
        talk.now_ms += 1000;
        (void)ask(&talk, "POST", "/documents/paginated", "{\"page\":1,\"page_size\":10}");
        assert_int_equal(talk.status, 500);
        assert_non_null(strstr(talk.body, "file_path"));
        (void)ask(&talk, "POST", "/documents/paginated", "{\"page\":2,\"page_size\":10}");
        assert_int_equal(talk.status, 200);
        assert_int_equal(ledger(&talk, "live"), 1);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- Cost ---- */

/* Many batches, and the last page of a long listing. */
static void test_many_rows(void **state)
{
    enum { BATCHES = 600, BATCH = 100 };
    AUTO_DONE(talk) struct talk talk;
    AUTO_DONE(text) struct text body = { 0 };
    yyjson_val *page;

    (void)state;
    talk_start(&talk, &(struct fake_lightrag_settings){ .lean = true });
    text_init(&body, 0);
    for (int b = 0; b < BATCHES; b++) {
        text_clear(&body);
        (void)text_append(&body, "{\"texts\":[");
        for (int i = 0; i < BATCH; i++)
            (void)text_append_format(&body, "%s\"text %d\"", i > 0 ? "," : "", b * BATCH + i);
        (void)text_append(&body, "],\"file_sources\":[");
        for (int i = 0; i < BATCH; i++)
            (void)text_append_format(&body, "%s\"name %d\"", i > 0 ? "," : "", b * BATCH + i);
        (void)text_append(&body, "]}");
        talk.now_ms++;
        (void)ask(&talk, "POST", "/documents/texts", body.data);
        assert_int_equal(talk.status, 200);
    }
    assert_int_equal(ledger(&talk, "processed"), BATCHES * BATCH);
    page = ask(&talk, "POST", "/documents/paginated", "{\"page\":300,\"page_size\":200,\"sort_field\":\"created_at\",\"sort_direction\":\"desc\"}");
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(page, "documents")), 200);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_arr_get_last(yyjson_obj_get(page, "documents")), "file_path")), "name 0");
    assert_false(yyjson_is_true(yyjson_obj_get(yyjson_obj_get(page, "pagination"), "has_next")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_200_is_a_receipt),
        cmocka_unit_test(test_time_may_jump),
        cmocka_unit_test(test_texts_of_one_insert_may_be_stored_one_by_one),
        cmocka_unit_test(test_nothing_resumes_by_itself),
        cmocka_unit_test(test_failed_rows),
        cmocka_unit_test(test_a_kick_waits_for_the_pipeline),
        cmocka_unit_test(test_two_inserts_of_one_name),
        cmocka_unit_test(test_deletes_take_their_time),
        cmocka_unit_test(test_a_delete_goes_from_one_to_the_next),
        cmocka_unit_test(test_a_server_dies_while_it_deletes),
        cmocka_unit_test(test_a_delete_fails_with_the_model),
        cmocka_unit_test(test_deletes_that_are_only_answered),
        cmocka_unit_test(test_a_delete_behind_an_insert),
        cmocka_unit_test(test_another_server_behind_the_address),
        cmocka_unit_test(test_a_refused_text_fails_its_neighbours),
        cmocka_unit_test(test_what_waits_to_be_written_is_in_memory),
        cmocka_unit_test(test_pages_hold_every_row_once),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_a_full_server),
        cmocka_unit_test(test_words_that_control_does_not_know),
        cmocka_unit_test(test_inserts_side_by_side_are_counted),
        cmocka_unit_test(test_a_folder_keeps_what_was_stored),
        cmocka_unit_test(test_a_text_without_a_source),
        cmocka_unit_test(test_many_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
