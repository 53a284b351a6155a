/* kill -9 of a writer at any moment: what it acknowledged is there, a transaction is there whole or not at all, and the counters are right. */
#include "state_model.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 30, PER_COMMIT = 10, LONGEST_US = 40000 };

/* Transaction n adds memories 10n+1 .. 10n+10, lets those of n-1 fly, and settles those of n-2. */
static int write_transaction(struct state *state, int64_t n, struct error *err)
{
    struct member_ref flying[PER_COMMIT], settled[PER_COMMIT];
    const struct batch_row batch = { .batch = n + 1, .target = 1, .state = BATCH_SENDING };

    for (int64_t i = 1; i <= PER_COMMIT; i++) {
        char id[32], text[64];
        struct memory_row row;
        model_id(n * PER_COMMIT + i, id, sizeof id);
        model_text(n * PER_COMMIT + i, 1, text, sizeof text);
        row = memory_of(n * PER_COMMIT + i, 1, id, MEMORY_QUEUED, (int64_t)strlen(text));
        if (state_find_memory(state, 1, row.id, &(struct memory_row){ 0 }, err) != 0 || apply_memory(state, &row, text, err) < 0)
            return -1;
        flying[i - 1] = (struct member_ref){ .seq = (n - 1) * PER_COMMIT + i, .stream = 1 };
        settled[i - 1] = (struct member_ref){ .seq = (n - 2) * PER_COMMIT + i, .stream = 1 };
    }
    if (apply_batch(state, &batch, err) < 0)
        return -1;
    if (n >= 1 && apply_members(state, flying, PER_COMMIT, MEMORY_QUEUED, MEMORY_FLYING, n + 1, err) < 0)
        return -1;
    if (n >= 2 && apply_members(state, settled, PER_COMMIT, MEMORY_FLYING, MEMORY_DONE, 0, err) < 0)
        return -1;
    return state_commit(state, err);
}

static const char *wanted_words; /* what a failure must say; NULL: none may come */

static void write_until_killed(int acknowledge, int64_t maximum)
{
    const struct state_settings settings = { .backend = fixture_backend(), .path = fixture_path };
    struct state *state = NULL;
    struct error err = { 0 };
    int64_t n;

    if (state_open(&settings, &state, &err) < 0) {
        (void)fprintf(stderr, "# %s\n", err.message);
        _exit(1);
    }
    n = (state_next_memory(state) - 1) / PER_COMMIT;
    for (; n < maximum; n++) {
        if (write_transaction(state, n, &err) < 0) {
            bool is_well_told = wanted_words != NULL && strstr(err.message, wanted_words) != NULL;
            if (!is_well_told)
                (void)fprintf(stderr, "# %s\n", err.message);
            (void)!write(acknowledge, &(int64_t){ is_well_told ? -(int64_t)err.kind : INT64_MIN }, sizeof(int64_t));
            _exit(0);
        }
        if (write(acknowledge, &(int64_t){ n + 1 }, sizeof(int64_t)) != sizeof(int64_t))
            _exit(1);
    }
    state_free(state);
    _exit(0);
}

/* The last number that came; -1: none. */
static int64_t read_acknowledged(int fd, int64_t *ret_failure)
{
    int64_t last = -1, number;

    *ret_failure = 0;
    while (read(fd, &number, sizeof number) == sizeof number) {
        if (number < 0)
            *ret_failure = number == INT64_MIN ? INT64_MAX : -number;
        else
            last = number;
    }
    return last;
}

static int64_t expect_all_up_to(int64_t acknowledged)
{
    sqlite3 *db = NULL;
    int64_t memories, most;

    if (access(fixture_path, F_OK) < 0) {
        assert_true(acknowledged < 0);
        return 0;
    }
    {   /* the writer's own way back, then a look from outside */
        AUTO(state) struct state *state = fixture_open();
        AUTO(state) struct state *reader = fixture_open_reader();
        most = state_next_memory(state) - 1;
        assert_int_equal(state_next_memory(reader) - 1, most);
    }
    expect_sound();
    db = fixture_peek();
    memories = ask_number(db, "SELECT count(*) FROM memories");
    (void)sqlite3_close(db);
    assert_int_equal(memories, most);
    assert_int_equal(most % PER_COMMIT, 0); /* whole transactions */
    assert_true(most >= acknowledged * PER_COMMIT);
    return most / PER_COMMIT;
}

static void test_killed_at_any_moment(void **unused)
{
    unsigned seed = 7;
    int64_t total = 0;

    (void)unused;
    for (int i = 0; i < KILLS; i++) {
        int acknowledge[2];
        int64_t acknowledged, failure;
        pid_t child;
        assert_int_equal(pipe(acknowledge), 0);
        child = fork();
        if (child == 0)
            write_until_killed(acknowledge[1], INT64_MAX);
        (void)close(acknowledge[1]);
        /* The first ones also hit the making of the file. */
        (void)usleep((useconds_t)(rand_r(&seed) % (i < 10 ? LONGEST_US / 3 : LONGEST_US)));
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        acknowledged = read_acknowledged(acknowledge[0], &failure);
        (void)close(acknowledge[0]);
        assert_int_equal(failure, 0);
        total = expect_all_up_to(acknowledged);
        if (i % 10 == 9) { /* once with a state that is there, then anew */
            (void)fprintf(stderr, "# %lld transactions survived\n", (long long)total);
            fixture_remove_files();
        }
    }
}

/* A reader looks on while a writer works: each look is a whole transaction, and never less than the one before. */
static void test_a_reader_while_somebody_writes(void **unused)
{
    int acknowledge[2];
    int64_t failure, seen = 0;
    struct state *reader;
    pid_t child;

    (void)unused;
    state_free(fixture_open());
    assert_int_equal(pipe(acknowledge), 0);
    child = fork();
    if (child == 0)
        write_until_killed(acknowledge[1], 60);
    (void)close(acknowledge[1]);
    reader = fixture_open_reader();
    for (int i = 0; i < 3000 && seen < 60 * PER_COMMIT; i++) {
        struct state_counts counts;
        struct error err = { 0 };
        int64_t all = 0;
        if (fixture_backend() == STATE_JSON) { /* there a reader sees what was there when it was opened */
            state_free(reader);
            reader = fixture_open_reader();
        }
        ASSERT_WORKS(state_count_stream(reader, 1, &counts, &err), err);
        for (int k = 1; k < MEMORY_STATES; k++)
            all += counts.memories[k];
        assert_int_equal(all % PER_COMMIT, 0);
        assert_true(all >= seen);
        seen = all;
        (void)usleep(1000);
    }
    assert_int_equal(read_acknowledged(acknowledge[0], &failure), 60);
    assert_int_equal(waitpid(child, NULL, 0), child);
    state_free(reader);
    (void)close(acknowledge[0]);
    assert_int_equal(seen, 60 * PER_COMMIT);
}

/* No room for another byte: the writer says so and stops; what was acknowledged is there, and with room again it goes on. */
static void test_no_room_left(void **unused)
{
    (void)unused;
    wanted_words = "a limit for the size of files is reached";
    for (rlim_t limit = 150000; limit <= 900000; limit += 150000) {
        int acknowledge[2];
        int64_t acknowledged, failure;
        pid_t child;
        assert_int_equal(pipe(acknowledge), 0);
        child = fork();
        if (child == 0) {
            (void)signal(SIGXFSZ, SIG_IGN);
            (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ .rlim_cur = limit, .rlim_max = limit });
            write_until_killed(acknowledge[1], 100000);
        }
        (void)close(acknowledge[1]);
        acknowledged = read_acknowledged(acknowledge[0], &failure);
        (void)close(acknowledge[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(failure, ERROR_IO);
        assert_true(acknowledged > 0);
        assert_true(expect_all_up_to(acknowledged) >= acknowledged);
        fixture_remove_files();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_killed_at_any_moment),
        STATE_TEST(test_a_reader_while_somebody_writes),
        STATE_TEST(test_no_room_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
