#include "state_fixture.h"

#include <sqlite3.h>

static void expect_counts(struct state *state, int64_t queued, int64_t flying, int64_t done, int64_t dead)
{
    struct state_counts counts;
    struct error err = { 0 };

    ASSERT_WORKS(state_count_stream(state, 1, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], queued);
    assert_int_equal(counts.memories[MEMORY_FLYING], flying);
    assert_int_equal(counts.memories[MEMORY_DONE], done);
    assert_int_equal(counts.memories[MEMORY_DEAD], dead);
}

static void test_a_memory_comes_back_as_it_was_added(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    struct memory_row got;
    const struct memory_row row = {
        .seq = 7, .stream = 3, .target = 2, .id = { "a\0b\xFF", 4 }, .revision = { 1, 2, 3 }, .state = MEMORY_QUEUED, .wanted = WANTED_NEWER,
        .batch = 9, .not_before_ms = 10, .settle_until_ms = 11, .attempts = 12, .text_size = 5, .arrived_ms = 13, .name = { "na\0me", 5 },
    };

    (void)unused;
    text_init(&text, 0);
    ASSERT_WORKS(apply_memory(state, &row, "hello", &err), err);
    assert_true(state_has_uncommitted(state));
    ASSERT_WORKS(state_commit(state, &err), err);
    assert_false(state_has_uncommitted(state));
    for (int reopened = 0; reopened < 2; reopened++) {
        assert_int_equal(state_find_memory(state, 3, row.id, &got, &err), 1);
        assert_int_equal(got.seq, 7);
        assert_int_equal(got.stream, 3);
        assert_int_equal(got.target, 2);
        assert_int_equal(got.id.size, 4);
        assert_memory_equal(got.id.data, "a\0b\xFF", 4);
        assert_memory_equal(got.revision, row.revision, SHA256_SIZE);
        assert_int_equal(got.state, MEMORY_QUEUED);
        assert_int_equal(got.wanted, WANTED_NEWER);
        assert_int_equal(got.batch, 9);
        assert_int_equal(got.not_before_ms, 10);
        assert_int_equal(got.settle_until_ms, 11);
        assert_int_equal(got.attempts, 12);
        assert_int_equal(got.text_size, 5);
        assert_int_equal(got.arrived_ms, 13);
        assert_int_equal(got.name.size, 5);
        assert_memory_equal(got.name.data, "na\0me", 5);
        assert_int_equal(state_get_memory(state, 7, &got, &err), 1);
        assert_memory_equal(got.id.data, "a\0b\xFF", 4);
        text_clear(&text);
        assert_int_equal(state_get_text(state, 7, &text, &err), 1);
        assert_string_equal(text.data, "hello");
        state_free(state);
        state = fixture_open();
    }
    assert_int_equal(state_find_memory(state, 2, row.id, &got, &err), 0); /* the same id in another stream is another memory */
    assert_int_equal(state_find_memory(state, 3, slice_of("a"), &got, &err), 0);
    assert_int_equal(state_get_memory(state, 8, &got, &err), 0);
    assert_int_equal(state_get_text(state, 8, &text, &err), 0);
}

static void test_what_was_not_committed_is_gone(void **unused)
{
    struct state *state = fixture_open();
    struct error err = { 0 };
    struct memory_row got;
    const struct memory_row row = memory_of(3, 1, "m3", MEMORY_QUEUED, 1);

    (void)unused;
    fixture_fill(state, 2);
    ASSERT_WORKS(apply_memory(state, &row, "x", &err), err);
    assert_int_equal(state_find_memory(state, 1, row.id, &got, &err), 1); /* later reads see it */
    expect_counts(state, 3, 0, 0, 0);
    state_free(state);

    state = fixture_open();
    assert_int_equal(state_find_memory(state, 1, row.id, &got, &err), 0);
    expect_counts(state, 2, 0, 0, 0);
    assert_int_equal(state_next_memory(state), 3);
    state_free(state);
}

static void test_a_delivery(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct memory_row got;
    const struct member_ref members[] = { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 5, 1 } };

    (void)unused;
    fixture_fill(state, 6);
    ASSERT_WORKS(apply_members(state, members, 4, MEMORY_QUEUED, MEMORY_FLYING, 8, &err), err);
    expect_counts(state, 2, 4, 0, 0);
    assert_int_equal(state_get_memory(state, 5, &got, &err), 1);
    assert_int_equal(got.state, MEMORY_FLYING);
    assert_int_equal(got.batch, 8);
    ASSERT_WORKS(apply_members(state, members, 3, MEMORY_FLYING, MEMORY_DONE, 0, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    expect_counts(state, 2, 1, 3, 0);
    assert_int_equal(state_get_memory(state, 2, &got, &err), 1);
    assert_int_equal(got.state, MEMORY_DONE);
    assert_int_equal(got.batch, 8); /* 0 leaves the number: the last one it flew in */
    assert_int_equal(state_get_memory(state, 4, &got, &err), 1);
    assert_int_equal(got.state, MEMORY_QUEUED);
    ASSERT_WORKS(apply_members(state, members, 0, MEMORY_FLYING, MEMORY_DONE, 0, &err), err); /* nobody: nothing */
}

static bool add_seq(void *context, const struct memory_row *row)
{
    int64_t *sum = context;

    *sum = *sum * 10 + row->seq;
    return true;
}

static void test_a_waiting_revision_survives_and_goes(void **unused)
{
    struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    struct slice words = slice_of("the newer text");
    uint8_t revision[SHA256_SIZE], got[SHA256_SIZE];

    (void)unused;
    text_init(&text, 0);
    fixture_fill(state, 2);
    memset(revision, 0xAB, sizeof revision);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = 2, .newer_revision = revision, .newer_text = &words }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);

    state = fixture_open();
    assert_int_equal(state_get_newer(state, 1, got, &text, &err), 0);
    assert_int_equal(state_get_newer(state, 2, got, &text, &err), 1);
    assert_memory_equal(got, revision, sizeof got);
    assert_string_equal(text.data, "the newer text");
    text_clear(&text);
    assert_int_equal(state_get_text(state, 2, &text, &err), 1);
    assert_string_equal(text.data, "text of m2"); /* the one in flight is untouched */
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_NEWER, .newer_seq = 2 }, &err), err);
    assert_int_equal(state_get_newer(state, 2, got, &text, &err), 0);
    state_free(state);
}

static void test_marks_absences_and_lists(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct memory_row row;
    int64_t value, seqs;

    (void)unused;
    fixture_fill(state, 4);
    ASSERT_WORKS(state_get_mark(state, 7, MARK_LISTED_MS, &value, &err), err);
    assert_int_equal(value, 0);
    for (int64_t put = 3; put >= 0; put -= 3) { /* overwritten, then none again */
        ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_MARK, .mark_owner = 7, .mark_kind = MARK_LISTED_MS, .mark_value = put }, &err), err);
        ASSERT_WORKS(state_get_mark(state, 7, MARK_LISTED_MS, &value, &err), err);
        assert_int_equal(value, put);
    }

    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_ABSENCE, .absence_seq = 3, .absence_stream = 1, .absence_since_ms = 500 }, &err), err);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_ABSENCE, .absence_seq = 3, .absence_stream = 1, .absence_since_ms = 900 }, &err), err);
    ASSERT_WORKS(state_get_absence(state, 3, &value, &err), err);
    assert_int_equal(value, 900);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_ABSENCE, .absence_seq = 3 }, &err), err);
    ASSERT_WORKS(state_get_absence(state, 3, &value, &err), err);
    assert_int_equal(value, 0);

    for (int64_t seq = 2; seq <= 3; seq++) {
        assert_int_equal(state_get_memory(state, seq, &row, &err), 1);
        row.state = MEMORY_REMOVING;
        row.wanted = WANTED_NEWER;
        ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &row, .from = MEMORY_QUEUED }, &err), err);
    }
    seqs = 0;
    ASSERT_WORKS(state_each_removing(state, 1, add_seq, &seqs, &err), err);
    assert_int_equal(seqs, 23);
    seqs = 0;
    ASSERT_WORKS(state_each_removing(state, 2, add_seq, &seqs, &err), err); /* another target */
    assert_int_equal(seqs, 0);
    ASSERT_WORKS(state_each_memory(state, 1, 1, add_seq, &seqs, &err), err);
    assert_int_equal(seqs, 234);
    seqs = 0;
    ASSERT_WORKS(state_each_memory(state, 0, 0, add_seq, &seqs, &err), err);
    assert_int_equal(seqs, 1234);
}

static void test_set_overwrites_what_it_says(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    struct memory_row row, got;

    (void)unused;
    text_init(&text, 0);
    fixture_fill(state, 2);
    row = memory_of(1, 1, "another id", MEMORY_DEAD, 10);
    row.attempts = 4;
    row.settle_until_ms = 77;
    memset(row.revision, 0xEE, sizeof row.revision);
    ASSERT_WORKS(apply_set(state, &row, MEMORY_QUEUED, NULL, &err), err);
    expect_counts(state, 1, 0, 0, 1);
    assert_int_equal(state_get_memory(state, 1, &got, &err), 1);
    assert_int_equal(got.state, MEMORY_DEAD);
    assert_int_equal(got.attempts, 4);
    assert_int_equal(got.settle_until_ms, 77);
    assert_int_equal(got.revision[31], 0xEE);
    assert_int_equal(got.id.size, 2); /* id stays */
    assert_int_equal(state_get_text(state, 1, &text, &err), 1);
    assert_string_equal(text.data, "text of m1"); /* no text given: the kept one stays */

    row.state = MEMORY_QUEUED;
    row.text_size = 3;
    text_clear(&text);
    ASSERT_WORKS(apply_set(state, &row, MEMORY_DEAD, "new", &err), err);
    assert_int_equal(state_get_text(state, 1, &text, &err), 1);
    assert_string_equal(text.data, "new");

    row.state = MEMORY_SKIPPED;
    row.text_size = 0;
    ASSERT_WORKS(apply_set(state, &row, MEMORY_QUEUED, NULL, &err), err);
    assert_int_equal(state_get_text(state, 1, &text, &err), 0); /* given up: not on the disk either */
}

/* Each change contradicts what is there. It is refused, and so is everything after it. */
static void test_a_contradiction_stops_everything(void **unused)
{
    static const struct member_ref known[] = { { 1, 1 }, { 2, 1 } }, unknown[] = { { 2, 1 }, { 3, 1 } }, other[] = { { 1, 2 } }, twice[] = { { 1, 1 }, { 1, 1 } };
    struct memory_row doubled = memory_of(3, 1, "m1", MEMORY_QUEUED, 0), taken = memory_of(1, 1, "new", MEMORY_QUEUED, 0);
    struct memory_row no_state = memory_of(3, 1, "x", MEMORY_NONE, 0), no_wanted = memory_of(3, 1, "x", MEMORY_QUEUED, 0);
    struct memory_row no_text = memory_of(3, 1, "x", MEMORY_QUEUED, 5), lost = memory_of(9, 1, "m9", MEMORY_DONE, 0);
    struct memory_row grown = memory_of(1, 1, "m1", MEMORY_DONE, 11);
    const struct batch_row no_batch_state = { .batch = 1, .state = 6 };
    const struct dead_letter no_class = { .letter = 1, .dead_class = DEAD_CLASSES };
    const struct run_row no_result = { .run = 1, .result = RUN_RESULTS };
    const struct stream_row moved = { .stream = 1, .target = 2, .connector = "c", .source = "default", .context = "x" };
    const struct slice short_text = { "abc", 3 };
    const struct {
        const char *why;
        struct change change;
        const char *words;
    } rows[] = {
        { "counters would lie", { .kind = CHANGE_MEMBERS, .members = known, .member_count = 2, .members_from = MEMORY_FLYING, .members_to = MEMORY_DONE },
          "memory 1 is queued, not flying" },
        { "one of two is not there", { .kind = CHANGE_MEMBERS, .members = unknown, .member_count = 2, .members_from = MEMORY_QUEUED, .members_to = MEMORY_DONE },
          "memory 3 is not in it" },
        { "counted for another stream", { .kind = CHANGE_MEMBERS, .members = other, .member_count = 1, .members_from = MEMORY_QUEUED, .members_to = MEMORY_DONE },
          "belongs to stream 1, not to 2" },
        { "one member twice", { .kind = CHANGE_MEMBERS, .members = twice, .member_count = 2, .members_from = MEMORY_QUEUED, .members_to = MEMORY_DONE },
          "one of memories 1 to 1 is done already" },
        { "no such state", { .kind = CHANGE_MEMBERS, .members = known, .member_count = 2, .members_from = MEMORY_QUEUED, .members_to = MEMORY_NONE },
          "members go from state 1 to 0" },
        { "the same id again", { .kind = CHANGE_MEMORY_ADD, .memory = &doubled }, "which has one of that id" },
        { "the same number again", { .kind = CHANGE_MEMORY_ADD, .memory = &taken }, "contradicts" },
        { "a memory without a state", { .kind = CHANGE_MEMORY_ADD, .memory = &no_state }, "state 0" },
        { "a wish that is none", { .kind = CHANGE_MEMORY_ADD, .memory = &no_wanted }, "wanted 7" },
        { "a text that is not there", { .kind = CHANGE_MEMORY_ADD, .memory = &no_text }, "a text of another size" },
        { "a text of another size", { .kind = CHANGE_MEMORY_SET, .memory = &grown, .from = MEMORY_QUEUED, .text = &short_text }, "comes with a text of another size" },
        { "a kept text of another size", { .kind = CHANGE_MEMORY_SET, .memory = &grown, .from = MEMORY_QUEUED }, "keeps a text of another size" },
        { "setting what is not there", { .kind = CHANGE_MEMORY_SET, .memory = &lost, .from = MEMORY_QUEUED }, "memory 9 is not in it" },
        { "setting from another state", { .kind = CHANGE_MEMORY_SET, .memory = &taken, .from = MEMORY_DEAD }, "memory 1 is queued, not dead" },
        { "no such batch state", { .kind = CHANGE_BATCH, .batch = &no_batch_state }, "batch 1 gets state 6" },
        { "no such class", { .kind = CHANGE_DEAD_LETTER, .letter = &no_class }, "gets class 13" },
        { "no such result", { .kind = CHANGE_RUN, .run = &no_result }, "gets result 7" },
        { "a stream that changes its target", { .kind = CHANGE_STREAM, .stream = &moved }, "stream 1 moves to target 2" },
        { "no such kind", { .kind = (enum change_kind)99 }, "kind 99" },
    };

    (void)unused;
    no_wanted.wanted = (enum memory_wanted)7;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct state *state = fixture_open_path(":memory:", false);
        struct error err = { 0 };
        struct memory_row got, fresh = memory_of(50, 1, "fresh", MEMORY_QUEUED, 0);
        ASSERT_WORKS(apply_stream(state, 1, 1, "c", "x", &err), err);
        fixture_fill(state, 2);
        if (state_apply(state, &rows[i].change, &err) == 0)
            fail_msg("%s: was taken", rows[i].why);
        if (err.kind != ERROR_IO || strstr(err.message, rows[i].words) == NULL)
            fail_msg("%s: %s: %s", rows[i].why, error_kind_name(err.kind), err.message);
        assert_int_equal(apply_memory(state, &fresh, NULL, &err), -1);
        assert_non_null(strstr(err.message, "nothing is written after a failure"));
        assert_int_equal(state_commit(state, &err), -1);
        assert_int_equal(state_find_memory(state, 1, slice_of("m1"), &got, &err), -1);
        state_free(state);
    }
}

/* A look-up that found nothing spares the next addition its own look-up: once, for that id. */
static void test_a_miss_counts_once(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    const struct memory_row first = memory_of(1, 1, "m", MEMORY_QUEUED, 0), other = memory_of(2, 1, "n", MEMORY_QUEUED, 0);
    const struct memory_row again = memory_of(3, 1, "m", MEMORY_QUEUED, 0);
    struct memory_row got;
    struct error err = { 0 };

    (void)unused;
    ASSERT_WORKS(apply_memory(state, &other, NULL, &err), err);
    assert_int_equal(state_find_memory(state, 1, slice_of("m"), &got, &err), 0);
    ASSERT_WORKS(apply_memory(state, &first, NULL, &err), err);
    assert_int_equal(apply_memory(state, &again, NULL, &err), -1);
    assert_non_null(strstr(err.message, "which has one of that id"));
}

/* The index holds 64 bits of a hash: two memories may share them, however rarely. */
static void test_memories_of_the_same_hash(void **unused)
{
    struct state *state = fixture_open();
    const struct memory_row elsewhere = memory_of(4, 2, "m3", MEMORY_QUEUED, 0);
    struct memory_row got;
    struct error err = { 0 };
    sqlite3 *db = NULL;

    (void)unused;
    fixture_fill(state, 3);
    ASSERT_WORKS(apply_memory(state, &elsewhere, NULL, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
    db = fixture_peek();
    assert_int_equal(sqlite3_exec(db, "UPDATE memories SET hash=(SELECT hash FROM memories WHERE seq=4)", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);

    state = fixture_open();
    assert_int_equal(state_find_memory(state, 2, slice_of("m3"), &got, &err), 1);
    assert_int_equal(got.seq, 4); /* not 3, which has its id and its hash in another stream, nor those before it */
    state_free(state);
}

static void test_numbers_go_on_after_a_restart(void **unused)
{
    struct state *state = fixture_open();
    struct error err = { 0 };
    const struct batch_row batch = { .batch = 5, .target = 1, .state = BATCH_READY };
    const struct dead_letter letter = { .letter = 6, .dead_class = DEAD_POISON };
    const struct run_row run = { .run = 7 };
    const struct target_row target = { .target = 8, .name = "t" };

    (void)unused;
    assert_int_equal(state_next_memory(state), 1);
    assert_int_equal(state_next_memory(state), 2);
    assert_int_equal(state_next_batch(state), 1);
    fixture_fill(state, 4);
    ASSERT_WORKS(apply_batch(state, &batch, &err), err);
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
    ASSERT_WORKS(apply_run(state, &run, &err), err);
    ASSERT_WORKS(apply_target(state, &target, &err), err);
    ASSERT_WORKS(apply_stream(state, 9, 8, "c", "x", &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);

    state = fixture_open();
    assert_int_equal(state_next_memory(state), 5);
    assert_int_equal(state_next_batch(state), 6);
    assert_int_equal(state_next_letter(state), 7);
    assert_int_equal(state_next_run(state), 8);
    assert_int_equal(state_next_target(state), 9);
    assert_int_equal(state_next_stream(state), 10);
    assert_int_equal(state_next_stream(state), 11);
    state_free(state);
}

static void test_a_reader_writes_nothing(void **unused)
{
    AUTO(state) struct state *writer = fixture_open();
    AUTO(state) struct state *reader = fixture_open_reader();
    const struct memory_row row = memory_of(1, 1, "m1", MEMORY_QUEUED, 0);
    struct error err = { 0 };

    (void)unused;
    assert_int_equal(apply_memory(reader, &row, NULL, &err), -1);
    assert_non_null(strstr(err.message, "for reading only"));
    ASSERT_WORKS(state_commit(reader, &err), err); /* nothing open */
    ASSERT_WORKS(apply_memory(writer, &row, NULL, &err), err);
    ASSERT_WORKS(state_commit(writer, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_a_memory_comes_back_as_it_was_added),
        STATE_TEST(test_what_was_not_committed_is_gone),
        STATE_TEST(test_a_delivery),
        STATE_TEST(test_a_waiting_revision_survives_and_goes),
        STATE_TEST(test_marks_absences_and_lists),
        STATE_TEST(test_set_overwrites_what_it_says),
        STATE_TEST(test_a_contradiction_stops_everything),
        STATE_TEST(test_a_miss_counts_once),
        STATE_TEST(test_memories_of_the_same_hash),
        STATE_TEST(test_numbers_go_on_after_a_restart),
        STATE_TEST(test_a_reader_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
