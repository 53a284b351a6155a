/* The edges of what a change may say and of where a state may lie. */
#include "state_fixture.h"

static const struct { const char *why; struct memory_row row; } memory_edges[] = {
    { "no state", { .seq = 9, .stream = 1, .state = MEMORY_NONE } },
    { "a state beyond the last", { .seq = 9, .stream = 1, .state = MEMORY_STATES } },
    { "a wish beyond the last", { .seq = 9, .stream = 1, .state = MEMORY_QUEUED, .wanted = (enum memory_wanted)3 } },
    { "a text of less than nothing", { .seq = 9, .stream = 1, .state = MEMORY_QUEUED, .text_size = -1 } },
};

static void expect_refused(const struct change *change, const char *why)
{
    struct error err = { 0 };
    struct state *state;

    fixture_remove_files();
    state = fixture_open();
    fixture_fill(state, 3);
    if (state_apply(state, change, &err) == 0 || err.message[0] == '\0')
        fail_msg("%s: taken", why);
    state_free(state);
}

static void test_changes_that_contradict(void **unused)
{
    static const struct member_ref members[] = { { 1, 1 } };
    static const struct member_ref strangers[] = { { 1, 1 }, { 2, 2 } };
    const struct batch_row batches[] = { { .batch = 1, .state = (enum batch_state)0 }, { .batch = 1, .state = BATCH_STATES } };
    const struct dead_letter letters[] = {
        { .letter = 1, .dead_class = (enum dead_class)0, .words = "" }, { .letter = 1, .dead_class = DEAD_CLASSES, .words = "" },
        { .letter = 1, .dead_class = DEAD_STUCK, .end = (enum dead_end)9, .words = "" },
    };
    const struct run_row runs[] = {
        { .run = 1, .connector = "", .trigger = "", .error = "", .range = "", .coverage = "", .result = RUN_RESULTS },
        { .run = 1, .connector = "", .trigger = "", .error = "", .range = "", .coverage = "", .error_kind = -1 },
        { .run = 1, .connector = "", .trigger = "", .error = "", .range = "", .coverage = "", .error_kind = ERROR_KINDS },
    };
    static const struct { enum memory_state from, to; } moves[] = {
        { MEMORY_NONE, MEMORY_DONE }, { MEMORY_STATES, MEMORY_DONE }, { MEMORY_QUEUED, MEMORY_NONE }, { MEMORY_QUEUED, MEMORY_STATES }, { MEMORY_DEAD, MEMORY_DONE },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(memory_edges); i++) {
        expect_refused(&(struct change){ .kind = CHANGE_MEMORY_ADD, .memory = &memory_edges[i].row }, memory_edges[i].why);
        expect_refused(&(struct change){ .kind = CHANGE_MEMORY_SET, .memory = &memory_edges[i].row, .from = MEMORY_QUEUED }, memory_edges[i].why);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(batches); i++)
        expect_refused(&(struct change){ .kind = CHANGE_BATCH, .batch = &batches[i] }, "a batch's state");
    for (size_t i = 0; i < ARRAY_LENGTH(letters); i++)
        expect_refused(&(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letters[i] }, "a letter");
    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++)
        expect_refused(&(struct change){ .kind = CHANGE_RUN, .run = &runs[i] }, "a run");
    for (size_t i = 0; i < ARRAY_LENGTH(moves); i++)
        expect_refused(&(struct change){ .kind = CHANGE_MEMBERS, .members = members, .member_count = 1, .members_from = moves[i].from, .members_to = moves[i].to }, "a move");
    expect_refused(&(struct change){ .kind = CHANGE_MEMBERS, .members = strangers, .member_count = 2, .members_from = MEMORY_QUEUED, .members_to = MEMORY_DONE }, "a stranger");
}

/* Another writer is waited for, as long as told. */
static void test_waiting_for_a_writer(void **unused)
{
    static const int64_t waits[] = { 0, 30, 250 };
    struct state *first = fixture_open();

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(waits); i++) {
        const struct state_settings settings = { .backend = fixture_backend(), .path = fixture_path, .lock_wait_ms = waits[i], .now_ms = 1700000000000 };
        struct state *second = NULL;
        struct error err = { 0 };
        assert_int_equal(state_open(&settings, &second, &err), -1);
        assert_int_equal(err.kind, ERROR_CONFLICT);
    }
    state_free(first);
    state_free(fixture_open());
}

/* A path without a folder, and files that only begin like something else. */
static void test_where_a_state_may_lie(void **unused)
{
    static const char *const beginnings[] = { "\t{\"a\":1}", "\r\n{}", " \n[1]", "\n\n\n", "x" };
    const struct state_settings here = { .path = "state-without-a-folder.db", .now_ms = 1700000000000 };
    struct state *state = NULL;
    struct error err = { 0 };
    char before[256];

    (void)unused;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture_folder), 0);
    ASSERT_WORKS(state_open(&here, &state, &err), err);
    state_free(state);
    assert_int_equal(chdir(before), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        struct error refused = { 0 };
        int fd;
        fixture_remove_files();
        fd = open(fixture_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, beginnings[i], strlen(beginnings[i])), strlen(beginnings[i]));
        (void)close(fd);
        assert_int_equal(fixture_refuse(false, &refused), ERROR_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { STATE_TEST(test_changes_that_contradict), STATE_TEST(test_waiting_for_a_writer), STATE_TEST(test_where_a_state_may_lie) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
