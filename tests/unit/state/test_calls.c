/* Every call that the state makes of SQLite and of the system fails once, one after the other: it says so or goes on without, it never loses what was
 * committed, and the next opening finds a sound state or none. What a disk does wrong below SQLite is test_fault.c's. */
#include "state_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include "state/state_internal.h"

/* ---- Calls that fail: this program's own functions stand before the libraries' ---- */

enum call { CALL_PREPARE, CALL_STEP, CALL_EXEC, CALL_CLOSE, CALL_BACKUP, CALL_COPY, CALL_FSYNC, CALL_RENAME, CALL_OPENDIR, CALLS };

static struct { enum call which; int countdown; bool fired; int code; int inside; } plan = { .countdown = -1 };

/* Calls that the library makes of itself are left alone: it would not notice. */
static bool fails(enum call call)
{
    if (plan.inside > 0 || plan.countdown < 0 || call != plan.which || plan.countdown-- > 0)
        return false;
    plan.fired = true;
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* What a failure of SQLite looks like: a code, and the words that belong to it. */
int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail)
{
    if (!fails(CALL_PREPARE))
        return REAL(sqlite3_prepare_v2)(db, sql, size, statement, tail);
    *statement = NULL;
    return plan.code;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement, const char **tail)
{
    if (!fails(CALL_PREPARE))
        return REAL(sqlite3_prepare_v3)(db, sql, size, flags, statement, tail);
    *statement = NULL;
    return plan.code;
}

int sqlite3_step(sqlite3_stmt *statement)
{
    return fails(CALL_STEP) ? plan.code : REAL(sqlite3_step)(statement);
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *context, char **words)
{
    int code;

    if (fails(CALL_EXEC))
        return plan.code;
    plan.inside++;
    code = REAL(sqlite3_exec)(db, sql, row, context, words);
    plan.inside--;
    return code;
}

int sqlite3_close(sqlite3 *db)
{
    int code = REAL(sqlite3_close)(db);

    return fails(CALL_CLOSE) ? plan.code : code;
}

sqlite3_backup *sqlite3_backup_init(sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name)
{
    return fails(CALL_BACKUP) ? NULL : REAL(sqlite3_backup_init)(to, to_name, from, from_name);
}

int sqlite3_backup_step(sqlite3_backup *backup, int pages)
{
    return fails(CALL_COPY) ? plan.code : REAL(sqlite3_backup_step)(backup, pages);
}

int fsync(int fd)
{
    if (!fails(CALL_FSYNC))
        return REAL(fsync)(fd);
    errno = EIO;
    return -1;
}

int rename(const char *from, const char *to)
{
    if (!fails(CALL_RENAME))
        return REAL(rename)(from, to);
    errno = EACCES;
    return -1;
}

DIR *opendir(const char *path)
{
    DIR *(*real)(const char *) = (DIR *(*)(const char *))dlsym(RTLD_NEXT, "opendir");

    if (!fails(CALL_OPENDIR))
        return real(path);
    errno = EMFILE;
    return NULL;
}

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

static int open_here(bool reader, const struct migration *table, size_t count, struct state **ret_state, struct error *err)
{
    const struct state_settings settings = { .path = fixture_path, .reader = reader, .now_ms = 1700000000000 };

    return state_open_with(&settings, table, count, ret_state, err);
}

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
        state_get_letter(state, 1, &letter, err) < 0 || state_find_letter(state, 1, DEAD_STUCK, 1, NULL, &letter, err) < 0 || state_get_run(state, 1, &run, err) < 0)
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

static int use(bool reader, struct error *err)
{
    struct state *state = NULL;
    int result = open_here(reader, state_migrations, state_migration_count, &state, err);

    if (result == 0 && !reader)
        result = change(state, err);
    if (result == 0)
        result = look_up(state, err) < 0 ? -1 : list(state, err);
    if (result < 0 && state != NULL && !reader)
        expect_broken(state, err);
    state_free(state);
    return result;
}

static int write_it(struct error *err) { return use(false, err); }
static int read_it(struct error *err) { return use(true, err); }

static int upgrade(struct error *err)
{
    static const struct migration newer[] = { { STATE_SCHEMA, "" }, { STATE_SCHEMA + 1, "INSERT INTO meta VALUES('second', 1)" } };
    struct state *state = NULL;
    int result = open_here(false, newer, ARRAY_LENGTH(newer), &state, err);

    state_free(state);
    return result;
}

static int in_memory(struct error *err)
{
    const struct state_settings settings = { .path = ":memory:", .now_ms = 1 };
    struct state *state = NULL;
    int result = state_open(&settings, &state, err);

    if (result == 0)
        result = change(state, err);
    state_free(state);
    return result;
}

/* ---- The list ---- */

struct work {
    const char *name;
    int (*run)(struct error *err);
    bool is_new;             /* begins without a file */
    int64_t kept;            /* memories that were committed before */
};

static void begin(const struct work *work)
{
    fixture_remove_files();
    if (!work->is_new) {
        struct state *state = fixture_open();
        fixture_fill(state, work->kept);
        state_free(state);
    }
}

static void expect_sound(const struct work *work, enum call call, int at, bool went_well)
{
    struct state *state;
    struct error err = { 0 };
    struct memory_row row;
    const struct state_settings settings = { .path = fixture_path, .now_ms = 1700000000000 };
    int64_t seq;

    if (work->run == upgrade && went_well)
        return; /* a newer schema: this release refuses it */
    if (state_open(&settings, &state, &err) < 0) {
        if (work->run == upgrade && err.kind == ERROR_CONFIG && strstr(err.message, "newer release") != NULL)
            return; /* only what came behind the upgrade failed */
        fail_msg("%s, call %d, %d: %s", work->name, (int)call, at, err.message);
    }
    for (seq = 1; seq <= work->kept; seq++)
        assert_int_equal(state_get_memory(state, seq, &row, &err), 1);
    if (went_well && work->run == write_it)
        assert_int_equal(state_find_memory(state, 1, slice_of("fresh"), &row, &err), 1);
    state_free(state);
}

static int fail_each(const struct work *work, enum call call, int code)
{
    int told = 0;

    for (int at = 0; at < 2000; at++) {
        struct error err = { 0 };
        bool fired;
        int result;
        begin(work);
        plan.which = call;
        plan.code = code;
        plan.fired = false;
        plan.countdown = at;
        result = work->run(&err);
        plan.countdown = -1;
        fired = plan.fired;
        if (result < 0 && (err.kind == ERROR_NONE || err.message[0] == '\0'))
            fail_msg("%s, call %d, %d: failed without a word", work->name, (int)call, at);
        expect_sound(work, call, at, result == 0);
        told += result < 0;
        if (!fired)
            return told;
    }
    fail_msg("%s: no end of calls", work->name);
    return told;
}

static void test_every_call_fails_once(void **unused)
{
    static const struct work works[] = {
        { "a new state", write_it, true, 0 },  { "an old one", write_it, false, 3 },    { "a reader", read_it, false, 3 },
        { "an upgrade", upgrade, false, 3 },   { "one in memory", in_memory, true, 0 },
    };
    static const struct { enum call call; int code; } calls[] = {
        { CALL_PREPARE, SQLITE_IOERR }, { CALL_PREPARE, SQLITE_ERROR }, { CALL_STEP, SQLITE_IOERR }, { CALL_STEP, SQLITE_FULL },   { CALL_STEP, SQLITE_CORRUPT },
        { CALL_EXEC, SQLITE_IOERR },    { CALL_CLOSE, SQLITE_IOERR }, { CALL_BACKUP, 0 },        { CALL_COPY, SQLITE_FULL },
        { CALL_FSYNC, 0 },              { CALL_RENAME, 0 },             { CALL_OPENDIR, 0 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(works); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(calls); k++)
            (void)fail_each(&works[i], calls[k].call, calls[k].code);
    assert_true(fail_each(&works[1], CALL_STEP, SQLITE_IOERR) > 20);
    assert_true(fail_each(&works[3], CALL_COPY, SQLITE_FULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_every_call_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
