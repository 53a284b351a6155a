/* Every call that the state makes of SQLite and of the system fails once (state_calls.h) while it lives: made, opened again, changed, read, upgraded; a folder of
 * text files also while it cuts what a crash left, and begins a new generation. What a disk does wrong below SQLite is test_fault.c's. */
#include "state_calls.h"

/* ---- What is done while one of them fails ---- */

static bool any_memory(void *context, const struct memory_row *row) { (void)context; (void)row; return true; }
static bool any_batch(void *context, const struct batch_row *row) { (void)context; (void)row; return true; }
static bool any_letter(void *context, const struct dead_letter *letter) { (void)context; (void)letter; return true; }
static bool any_run(void *context, const struct run_row *row) { (void)context; (void)row; return true; }
static bool any_target(void *context, const struct target_row *row) { (void)context; (void)row; return true; }
static bool any_stream(void *context, const struct stream_row *row) { (void)context; (void)row; return true; }
static bool any_connector(void *context, const struct connector_row *row) { (void)context; (void)row; return true; }

static bool any_alert(void *context, const struct alert_row *row) { (void)context; (void)row; return true; }
static bool any_absence(void *context, int64_t seq, int64_t since_ms) { (void)context; (void)seq; (void)since_ms; return true; }

static bool any_name(void *context, int64_t seq, int64_t stream, struct slice id, struct slice name)
{
    (void)context;
    (void)seq;
    (void)stream;
    return id.size > 0 && name.data != NULL;
}
static bool any_text(void *context, int64_t seq, int64_t target, struct slice text) { (void)context; (void)seq; (void)target; return text.size > 0; }

static int change(struct state *state, struct error *err)
{
    const struct memory_row fresh = memory_of(state_next_memory(state), 1, "fresh", MEMORY_QUEUED, 2);
    const struct target_row target = { .target = 1, .name = "t", .url = "u", .version = "", .workspace = "", .last_error = "" };
    const struct run_row run = { .run = 1, .connector = "c", .trigger = "cli", .started_ms = 1, .finished_ms = 2, .result = RUN_SUCCESS, .error = "", .range = "day", .coverage = "" };
    const struct dead_letter letter = { .letter = 1, .dead_class = DEAD_STUCK, .stream = 1, .seq = 1, .words = "w", .raw = { "x", 1 } };
    const struct batch_row batch = { .batch = 1, .target = 1, .state = BATCH_SENDING, .members = 1 };
    const struct connector_row connector = { .id = "c", .definition = "{}", .version = 1 };
    const struct job_row job = { .connector = "c", .reason = "" };
    const struct alert_row alert = { .connector = "c", .cause = 1, .name = "n", .body = "{}" };

    if (apply_target(state, &target, err) < 0 || apply_stream(state, 1, 1, "c", "x", err) < 0 || apply_memory(state, &fresh, "ab", err) < 0 ||
        apply_run(state, &run, err) < 0 || apply_letter(state, &letter, err) < 0 || apply_batch(state, &batch, err) < 0)
        return -1;
    if (state_apply(state, &(struct change){ .kind = CHANGE_CONNECTOR, .connector = &connector }, err) < 0 ||
        state_apply(state, &(struct change){ .kind = CHANGE_JOB, .job = &job }, err) < 0 ||
        state_apply(state, &(struct change){ .kind = CHANGE_ALERT, .alert = &alert }, err) < 0 ||
        state_apply(state, &(struct change){ .kind = CHANGE_MARK, .mark_owner = 1, .mark_kind = MARK_LISTED_MS, .mark_value = 1 }, err) < 0 ||
        state_apply(state, &(struct change){ .kind = CHANGE_ABSENCE, .absence_seq = 1, .absence_stream = 1, .absence_since_ms = 5 }, err) < 0)
        return -1;
    return state_commit(state, err);
}

static int look_up(struct state *state, struct error *err)
{
    uint8_t revision[SHA256_SIZE];
    struct target_row target;
    struct stream_row stream;
    struct memory_row memory;
    struct batch_row batch;
    struct dead_letter letter;
    struct run_row run;
    struct job_row job;
    int64_t number;
    AUTO_DONE(text) struct text text = { 0 };

    text_init(&text, 0);
    if (state_find_target(state, "t", &target, err) < 0 || state_find_stream(state, 1, "default", "x", &stream, err) < 0 ||
        state_get_stream(state, 1, &stream, err) < 0 || state_find_memory(state, 1, slice_of("m1"), &memory, err) < 0 ||
        state_get_memory(state, 1, &memory, err) < 0 || state_get_text(state, 1, &text, err) < 0 || state_get_newer(state, 1, revision, &text, err) < 0)
        return -1;
    if (state_get_mark(state, 1, MARK_LISTED_MS, &number, err) < 0 || state_get_absence(state, 1, &number, err) < 0 || state_get_batch(state, 1, &batch, err) < 0 ||
        state_get_letter(state, 1, &letter, err) < 0 || state_find_letter(state, 1, DEAD_STUCK, 1, NULL, &letter, err) < 0 ||
        state_find_decided_letter(state, 1, DEAD_MALFORMED, (const uint8_t[16]){ 1 }, 1, &letter, err) < 0 || state_get_run(state, 1, &run, err) < 0)
        return -1;
    return state_get_job(state, "c", &job, err) < 0 || state_last_success(state, "c", &number, err) < 0 ? -1 : 0;
}

static int list(struct state *state, struct error *err)
{
    struct state_counts counts;
    int64_t flying[BATCH_STATES];
    int64_t number;
    bool any;

    if (state_each_queued(state, 1, 10, 100, 1000, any_memory, NULL, err) < 0 || state_next_queued(state, 1, 10, &any, &number, err) < 0 ||
        state_each_open_batch(state, 1, any_batch, NULL, err) < 0 || state_each_member(state, 1, any_memory, NULL, err) < 0 ||
        state_each_removing(state, 1, any_memory, NULL, err) < 0 || state_each_memory(state, 0, 0, any_memory, NULL, err) < 0 ||
        state_each_absence(state, 1, any_absence, NULL, err) < 0)
        return -1;
    if (state_each_target(state, any_target, NULL, err) < 0 || state_each_stream(state, any_stream, NULL, err) < 0 ||
        state_each_letter(state, &(struct letter_filter){ .connector = "c" }, any_letter, NULL, err) < 0 || state_each_run(state, NULL, 5, any_run, NULL, err) < 0 ||
        state_each_open_run(state, any_run, NULL, err) < 0 || state_each_connector(state, any_connector, NULL, err) < 0 ||
        state_each_alert(state, any_alert, NULL, err) < 0)
        return -1;
    return state_count_stream(state, 1, &counts, err) < 0 || state_count_target(state, 1, &counts, err) < 0 || state_count_connector(state, "c", &counts, err) < 0 ||
                   state_count_flying(state, NULL, flying, err) < 0 || state_oldest_unsettled(state, "c", &number, err) < 0
               ? -1
               : 0;
}

/* A broken writer says the same as long as it lives. */
static void expect_broken(struct state *state, const struct error *first)
{
    struct error again = { 0 };
    int64_t number;

    if (state_last_success(state, "c", &number, &again) < 0)
        assert_non_null(strstr(again.message, first->message));
}

/* The way back. */
static int trace(struct state *state, struct error *err)
{
    int64_t first_ms;

    if (state_get_first_seen(state, 1, &first_ms, err) < 0 || state_each_name(state, any_name, NULL, err) < 0 || state_each_text(state, any_text, NULL, err) < 0)
        return -1;
    return state_each_tracked(state, "track", any_batch, NULL, err) < 0 || state_each_flown(state, 1, any_memory, NULL, err) < 0 ||
                   state_each_letter_of(state, 1, any_letter, NULL, err) < 0
               ? -1
               : 0;
}

static int use(const struct work *work, bool reader, struct error *err)
{
    struct state *state = NULL;
    int result = open_place(work, &work->here, reader, &state, err);

    if (result == 0 && !reader)
        result = change(state, err);
    if (result == 0)
        result = look_up(state, err) < 0 || list(state, err) < 0 || trace(state, err) < 0 ? -1 : 0;
    if (result < 0 && state != NULL && !reader)
        expect_broken(state, err);
    state_free(state);
    return result;
}

static int write_it(const struct work *work, struct error *err) { return use(work, false, err); }
static int read_it(const struct work *work, struct error *err) { return use(work, true, err); }

static int open_it(const struct work *work, struct error *err)
{
    struct state *state = NULL;
    int result = open_place(work, &work->here, false, &state, err);

    state_free(state);
    return result;
}

static int write_and_shorten(const struct work *work, bool at_the_end, struct error *err)
{
    struct state *state = NULL;
    int result = open_place(work, &work->here, false, &state, err);

    if (result == 0) {
        state->json->snapshot_bytes = 0;
        if (!at_the_end)
            state->json->journal_limit = 1;
        result = change(state, err);
    }
    if (result == 0) {
        state->json->journal_bytes += 1 << 20; /* as if it had grown */
        result = state_check(state, err); /* it ends when nobody knows which generation counts */
    }
    state_free(state);
    return result;
}

static int begin_generation(const struct work *work, struct error *err) { return write_and_shorten(work, false, err); }
static int shorten_at_the_end(const struct work *work, struct error *err) { return write_and_shorten(work, true, err); }

static int in_memory(const struct work *work, struct error *err)
{
    const struct state_settings settings = { .path = ":memory:", .now_ms = 1 };
    struct state *state = NULL;
    int result = state_open(&settings, &state, err);

    (void)work;
    if (result == 0)
        result = change(state, err);
    state_free(state);
    return result;
}

/* ---- What lies there before ---- */

static void fill(void)
{
    struct state *state = fixture_open();
    struct error err = { 0 };

    ASSERT_WORKS(apply_target(state, &(struct target_row){ .target = 1, .name = "t", .url = "u" }, &err), err);
    ASSERT_WORKS(apply_stream(state, 1, 1, "c", "x", &err), err);
    fixture_fill(state, 3);
    ASSERT_WORKS(apply_batch(state, &(struct batch_row){ .batch = 1, .target = 1, .state = BATCH_SENDING, .track = "track", .members = 1 }, &err), err);
    ASSERT_WORKS(apply_letter(state, &(struct dead_letter){ .letter = 1, .dead_class = DEAD_STUCK, .stream = 1, .seq = 1 }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
}

static void append_to_journal(const char *bytes, long cut)
{
    AUTO_STRING char *path = state_json_name(fixture_path, "journal", 1, "");
    struct stat facts;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &facts), 0);
    assert_int_equal(ftruncate(fd, facts.st_size - cut), 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    (void)close(fd);
}

static void fill_and_tear(void)
{
    fill();
    append_to_journal("{\"crc\":\"0123", 0);
}

static void fill_and_cut_newline(void)
{
    fill();
    append_to_journal("", 1);
}

/* ---- The list ---- */

static struct migration newer[STATE_SCHEMA + 1] = { [STATE_SCHEMA] = { STATE_SCHEMA + 1, "CREATE TABLE second(x INTEGER PRIMARY KEY); UPDATE memories SET attempts=7" } };

static const struct failure failures[] = {
    { CALL_PREPARE, SQLITE_IOERR }, { CALL_BIND, SQLITE_TOOBIG },  { CALL_STEP, SQLITE_IOERR },      { CALL_STEP, SQLITE_FULL }, { CALL_STEP, SQLITE_CORRUPT },
    { CALL_EXEC, SQLITE_IOERR },    { CALL_CONNECT, 0 },           { CALL_FUNCTION, SQLITE_MISUSE }, { CALL_CLOSE, SQLITE_IOERR }, { CALL_BACKUP, 0 },
    { CALL_COPY, SQLITE_FULL },     { CALL_CONTROL, SQLITE_ERROR }, { CALL_OPEN, EMFILE },           { CALL_READ, EIO },         { CALL_WRITE, ENOSPC },
    { CALL_WRITE, 0 },              { CALL_READ, EINTR },             { CALL_WRITE, EINTR },          { CALL_SEEK, EIO },            { CALL_TRUNCATE, EIO },           { CALL_SHUT, EIO },         { CALL_FSYNC, EIO },
    { CALL_RENAME, EACCES },        { CALL_LINK, EPERM },          { CALL_OPENDIR, EMFILE },
};

/* The rest is what every writer does. */
static const struct failure folder_failures[] = {
    { CALL_EXEC, SQLITE_IOERR }, { CALL_FUNCTION, SQLITE_MISUSE }, { CALL_OPEN, EMFILE },  { CALL_READ, EIO },      { CALL_WRITE, ENOSPC }, { CALL_WRITE, 0 }, { CALL_SEEK, EIO },
    { CALL_TRUNCATE, EIO },      { CALL_SHUT, EIO },               { CALL_FSYNC, EIO },    { CALL_RENAME, EACCES }, { CALL_LINK, EPERM },   { CALL_OPENDIR, EMFILE },
};

static void test_every_call_fails_once(void **unused)
{
    const struct place here = { fixture_backend(), fixture_path };
    const struct work works[] = {
        { .name = "a new state", .here = here, .run = write_it },
        { .name = "an old one", .here = here, .prepare = fill, .run = write_it },
        { .name = "a reader", .here = here, .prepare = fill, .run = read_it },
        { .name = "an upgrade", .here = here, .prepare = fill, .run = open_it, .table = newer, .count = ARRAY_LENGTH(newer) },
        { .name = "one in memory", .run = in_memory },
    };

    (void)unused;
    memcpy(newer, state_migrations, STATE_SCHEMA * sizeof *newer);
    fail_all(works, ARRAY_LENGTH(works), failures, ARRAY_LENGTH(failures));
}

static void test_every_call_of_a_folder(void **unused)
{
    const struct place here = { STATE_JSON, fixture_path };
    const struct work works[] = {
        { .name = "a line that a crash cut", .here = here, .prepare = fill_and_tear, .run = open_it },
        { .name = "a newline that is missing", .here = here, .prepare = fill_and_cut_newline, .run = write_it },
        { .name = "a new generation", .here = here, .prepare = fill, .run = begin_generation },
        { .name = "a new generation at the end", .here = here, .prepare = fill, .run = shorten_at_the_end },
    };

    (void)unused;
    if (fixture_backend() == STATE_JSON)
        fail_all(works, ARRAY_LENGTH(works), folder_failures, ARRAY_LENGTH(folder_failures));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_every_call_fails_once),
        STATE_TEST(test_every_call_of_a_folder),
    };
    const struct log_settings quiet = { .level = LOG_OFF, .with_console = true };

    (void)log_open(&quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
