/* A table that goes while the state is open (another program at the file): every reading and every change that needs it is told, and nothing else suffers. */
#include "state_fixture.h"

#include <sqlite3.h>

static const char *const tables[] = { "targets", "streams", "memories", "texts", "newer", "marks", "absences", "batches", "letters", "runs", "counts" };

static bool goes_on = true;

static bool each_memory(void *context, const struct memory_row *row) { (void)context; (void)row; return goes_on; }
static bool each_batch(void *context, const struct batch_row *row) { (void)context; (void)row; return goes_on; }
static bool each_target(void *context, const struct target_row *row) { (void)context; (void)row; return goes_on; }
static bool each_stream(void *context, const struct stream_row *row) { (void)context; (void)row; return goes_on; }
static bool each_letter(void *context, const struct dead_letter *letter) { (void)context; (void)letter; return goes_on; }
static bool each_run(void *context, const struct run_row *row) { (void)context; (void)row; return goes_on; }
static bool each_absence(void *context, int64_t seq, int64_t since_ms) { (void)context; (void)seq; (void)since_ms; return goes_on; }

enum { READINGS = 30, CHANGES = 11 };

/* >= 0: it went well. */
static int read_by_number(struct state *state, int number, struct error *err)
{
    static const uint8_t none[16];
    AUTO_DONE(text) struct text text = { 0 };
    struct memory_row memory;
    struct batch_row batch;
    struct target_row target;
    struct stream_row stream;
    struct dead_letter letter;
    struct run_row run;
    struct state_counts counts;
    const struct letter_filter all = { .with_closed = true };
    uint8_t revision[SHA256_SIZE];
    int64_t value, flying[BATCH_STATES];
    bool any;

    text_init(&text, 0);
    switch (number) {
    case 0: return state_find_target(state, "default", &target, err);
    case 1: return state_find_stream(state, 1, "default", "a", &stream, err);
    case 2: return state_get_stream(state, 1, &stream, err);
    case 3: return state_find_memory(state, 1, slice_of("m1"), &memory, err);
    case 4: return state_get_memory(state, 1, &memory, err);
    case 5: return state_get_text(state, 1, &text, err);
    case 6: return state_get_newer(state, 1, revision, &text, err);
    case 7: return state_get_mark(state, 1, MARK_LISTED_MS, &value, err);
    case 8: return state_get_absence(state, 1, &value, err);
    case 9: return state_get_batch(state, 1, &batch, err);
    case 10: return state_get_letter(state, 1, &letter, err);
    case 11: return state_find_letter(state, 1, DEAD_STUCK, 1, none, &letter, err);
    case 12: return state_find_letter(state, 1, (enum dead_class)0, 1, NULL, &letter, err);
    case 13: return state_get_run(state, 1, &run, err);
    case 14: return state_each_queued(state, 1, INT64_MAX, 100, INT64_MAX, each_memory, NULL, err);
    case 15: return state_next_queued(state, 1, INT64_MAX, &any, &value, err);
    case 16: return state_each_open_batch(state, 1, each_batch, NULL, err);
    case 17: return state_each_member(state, 1, each_memory, NULL, err);
    case 18: return state_each_removing(state, 1, each_memory, NULL, err);
    case 19: return state_each_memory(state, 0, 0, each_memory, NULL, err);
    case 20: return state_each_absence(state, 1, each_absence, NULL, err);
    case 21: return state_each_target(state, each_target, NULL, err);
    case 22: return state_each_stream(state, each_stream, NULL, err);
    case 23: return state_each_letter(state, &all, each_letter, NULL, err);
    case 24: return state_each_run(state, NULL, 10, each_run, NULL, err) < 0 ? -1 : state_each_open_run(state, each_run, NULL, err);
    case 25: return state_count_stream(state, 1, &counts, err) < 0 ? -1 : state_count_target(state, 1, &counts, err);
    case 26: return state_count_connector(state, "voice", &counts, err);
    case 27: return state_count_flying(state, "voice", flying, err);
    case 28: return state_oldest_unsettled(state, NULL, &value, err) < 0 ? -1 : state_oldest_unsettled(state, "voice", &value, err);
    case 29: return state_find_decided_letter(state, 1, DEAD_MALFORMED, none, 1, &letter, err);
    default: return -1;
    }
}

static int change_by_number(struct state *state, int number, struct error *err)
{
    static const struct member_ref members[] = { { 1, 1 } };
    static const uint8_t revision[SHA256_SIZE];
    const struct memory_row fresh = memory_of(99, 1, "fresh", MEMORY_QUEUED, 4);
    struct memory_row known = memory_of(1, 1, "m1", MEMORY_DEAD, 0);
    const struct slice text = slice_of("text"), nothing = slice_of("");
    const struct target_row target = { .target = 2, .name = "other", .url = "", .version = "", .workspace = "", .last_error = "" };
    const struct stream_row stream = { .stream = 9, .target = 1, .connector = "voice", .source = "default", .context = "nine" };
    const struct batch_row batch = { .batch = 7, .target = 1, .state = BATCH_READY };
    const struct dead_letter letter = { .letter = 7, .dead_class = DEAD_STUCK, .stream = 1, .words = "" };
    const struct run_row run = { .run = 7, .connector = "voice", .trigger = "cli", .error = "", .range = "", .coverage = "" };
    const struct change changes[CHANGES] = {
        { .kind = CHANGE_TARGET, .target = &target },
        { .kind = CHANGE_STREAM, .stream = &stream },
        { .kind = CHANGE_MEMORY_ADD, .memory = &fresh, .text = &text },
        { .kind = CHANGE_MEMORY_SET, .memory = &known, .from = MEMORY_QUEUED, .text = &nothing },
        { .kind = CHANGE_MEMBERS, .members = members, .member_count = 1, .members_from = MEMORY_QUEUED, .members_to = MEMORY_FLYING, .members_batch = 7 },
        { .kind = CHANGE_BATCH, .batch = &batch },
        { .kind = CHANGE_DEAD_LETTER, .letter = &letter },
        { .kind = CHANGE_RUN, .run = &run },
        { .kind = CHANGE_NEWER, .newer_seq = 1, .newer_revision = revision, .newer_text = &text },
        { .kind = CHANGE_MARK, .mark_owner = 1, .mark_kind = MARK_LISTED_MS, .mark_value = 5 },
        { .kind = CHANGE_ABSENCE, .absence_seq = 1, .absence_stream = 1, .absence_since_ms = 5 },
    };

    if (state_apply(state, &changes[number], err) < 0)
        return -1;
    return state_commit(state, err);
}

static void drop_table(const char *table)
{
    AUTO_STRING char *sql = mem_format("DROP TABLE %s", table);
    sqlite3 *db = NULL;

    db = fixture_peek();
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void expect_told(const char *table, const char *what, int number, int result, const struct error *err)
{
    if (result >= 0)
        return;
    if (err->message[0] == '\0' || (err->kind != ERROR_IO && err->kind != ERROR_CONFIG))
        fail_msg("%s, %s %d: %s: \"%s\"", table, what, number, error_kind_name(err->kind), err->message);
}

static void test_readings(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        struct state *state, *reader;
        int told = 0;
        fixture_remove_files();
        state = fixture_open();
        fixture_fill(state, 3);
        state_free(state);
        reader = fixture_open_reader();
        for (int number = 0; number < READINGS; number++) {
            struct error err = { 0 };
            ASSERT_WORKS(read_by_number(reader, number, &err), err);
        }
        drop_table(tables[i]);
        for (int number = 0; number < READINGS; number++) {
            struct error err = { 0 };
            int result = read_by_number(reader, number, &err);
            expect_told(tables[i], "reading", number, result, &err);
            told += result < 0;
        }
        if (told == 0 || told == READINGS)
            fail_msg("%s: %d of %d readings failed", tables[i], told, READINGS);
        state_free(reader);
    }
}

static void test_changes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        int told = 0;
        for (int number = 0; number < CHANGES; number++) {
            struct error err = { 0 };
            struct error again = { 0 };
            struct state *state;
            int result;
            fixture_remove_files();
            state = fixture_open();
            fixture_fill(state, 3);
            drop_table(tables[i]);
            result = change_by_number(state, number, &err);
            expect_told(tables[i], "change", number, result, &err);
            told += result < 0;
            if (result < 0) /* broken for good */
                assert_int_equal(read_by_number(state, 4, &again), -1);
            state_free(state);
        }
        if (told == 0)
            fail_msg("%s: no change missed it", tables[i]);
    }
}

static void fill_more(struct state *state)
{
    struct error err = { 0 };
    struct memory_row row;

    fixture_fill(state, 4);
    for (int number = 5; number < CHANGES; number++)
        ASSERT_WORKS(change_by_number(state, number, &err), err);
    for (int64_t seq = 2; seq <= 3; seq++) {
        assert_int_equal(state_get_memory(state, seq, &row, &err), 1);
        row.state = seq == 2 ? MEMORY_REMOVING : MEMORY_FLYING;
        row.batch = 7;
        ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_QUEUED }, &err), err);
    }
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void test_a_broken_state_answers_nothing(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    const struct memory_row nobody = memory_of(500, 1, "nobody", MEMORY_DONE, 0);
    struct error err = { 0 };

    (void)unused;
    fill_more(state);
    assert_int_equal(state_apply(state, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &nobody, .from = MEMORY_QUEUED }, &err), -1);
    for (int number = 0; number < READINGS; number++) {
        struct error again = { 0 };
        assert_int_equal(read_by_number(state, number, &again), -1);
        assert_non_null(strstr(again.message, "memory 500 is not in it")); /* the old story */
    }
    for (int number = 0; number < CHANGES; number++) {
        struct error again = { 0 };
        assert_int_equal(change_by_number(state, number, &again), -1);
    }
    assert_int_equal(state_commit(state, &err), -1);
}

/* A list that is stopped lets go of its statement: everything can be read and changed after it. */
static void test_lists_that_are_stopped(void **unused)
{
    AUTO(state) struct state *state = fixture_open();

    (void)unused;
    fill_more(state);
    for (int again = 0; again < 2; again++) {
        goes_on = again > 0;
        for (int number = 0; number < READINGS; number++) {
            struct error err = { 0 };
            ASSERT_WORKS(read_by_number(state, number, &err), err);
        }
    }
    goes_on = true;
    {
        struct error err = { 0 };
        ASSERT_WORKS(change_by_number(state, 9, &err), err);
    }
}

static void test_a_revision_of_another_size(void **unused)
{
    struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    uint8_t revision[SHA256_SIZE];
    sqlite3 *db = NULL;

    (void)unused;
    text_init(&text, 0);
    fill_more(state);
    state_free(state);
    db = fixture_peek();
    assert_int_equal(sqlite3_exec(db, "UPDATE newer SET revision=x'0011'", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    state = fixture_open();
    assert_int_equal(state_get_newer(state, 1, revision, &text, &err), -1);
    assert_non_null(strstr(err.message, "2 bytes"));
    state_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_readings),
        STATE_TEST(test_changes),
        STATE_TEST(test_a_broken_state_answers_nothing),
        STATE_TEST(test_lists_that_are_stopped),
        STATE_TEST(test_a_revision_of_another_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
