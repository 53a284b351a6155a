/* Every call fails once (state_calls.h) while what an earlier program kept is read: it says so, or takes what it could read and counts the rest; the files of
 * that program stay as they are, and of the copy that is read nothing is left. */
#include "state_calls.h"

#include "state/state_foreign.h"

static char copies_path[96];
static const char one[] = "{\"connector_id\":\"a\",\"context_id\":\"c\",\"processed_ids\":{\"m1\":true,\"m2\":true},\"failed_items\":[{\"memory_id\":\"m3\"}]}";

static void write_bytes(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, one, sizeof one - 1), sizeof one - 1);
    (void)close(fd);
}

static void write_file(void)
{
    assert_int_equal(mkdir(copies_path, 0700), 0);
    write_bytes(fixture_path);
}

static void write_folder(void)
{
    assert_int_equal(mkdir(copies_path, 0700), 0);
    assert_int_equal(mkdir(fixture_path, 0700), 0);
    for (int i = 0; i < 2; i++) {
        AUTO_STRING char *path = mem_format("%s/%d.json", fixture_path, i);
        write_bytes(path);
    }
}

/* With its log, which SQLite would take into the file. */
static void write_database(void)
{
    struct kept kept = { 0 };
    sqlite3 *db = NULL;

    assert_int_equal(mkdir(copies_path, 0700), 0);
    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; CREATE TABLE sync_states(connector_id TEXT PRIMARY KEY, context_id TEXT, processed_ids TEXT, failed_items TEXT,"
                                  " total_sync_count INTEGER); INSERT INTO sync_states VALUES('a', 'c', '[\"m1\"]', '', 3), ('b', 'c', '{\"m2\":true}', NULL, 0)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    keep_folder(fixture_folder, &kept);
    (void)sqlite3_close(db);
    restore(&kept);
    kept_done(&kept);
}

static size_t lists_of(const struct work *work)
{
    return work->prepare == write_file ? 1 : 2;
}

static int read_it(const struct work *work, struct error *err)
{
    AUTO_DONE(foreign) struct foreign foreign = { 0 };
    enum foreign_shape shape;

    if (foreign_recognise(fixture_path, &shape, err) < 0)
        return -1;
    if (work->prepare != write_file)
        assert_int_equal(shape, work->prepare == write_folder ? FOREIGN_JSON : FOREIGN_SQLITE);
    if (foreign_read(&foreign, fixture_path, shape, err) < 0)
        return -1;
    if (foreign.count > lists_of(work) || foreign.count + (size_t)foreign.bad < lists_of(work))
        fail_msg("%s: %zu lists, %lld left out", work->name, foreign.count, (long long)foreign.bad);
    return foreign.bad > 0 ? TOLD_PARTLY : 0;
}

static void expect_untouched(const struct work *work, int result, const char *call)
{
    static uint64_t before;
    static const struct work *whose;
    uint64_t image = image_of_folder();

    (void)result;
    if (whose != work) { /* the first call of a piece of work: the others must leave the same */
        struct kept kept = { 0 };
        keep_folder(copies_path, &kept);
        if (kept.count > 0)
            fail_msg("%s, %s: %s is left", work->name, call, kept.files[0].path);
        kept_done(&kept);
        whose = work;
        before = image;
    }
    if (image != before)
        fail_msg("%s, %s: something was written", work->name, call);
}

static const struct failure failures[] = {
    { CALL_PREPARE, SQLITE_IOERR }, { CALL_STEP, SQLITE_IOERR }, { CALL_STEP, SQLITE_CORRUPT }, { CALL_EXEC, SQLITE_IOERR }, { CALL_CONNECT, 0 },  { CALL_OPEN, EMFILE },
    { CALL_OPEN, EACCES },          { CALL_READ, EIO },          { CALL_READ, EINTR },        { CALL_WRITE, ENOSPC },        { CALL_SHUT, EIO },          { CALL_OPENDIR, EMFILE }, { CALL_FOLDER, EACCES },
};

static void test_every_call_fails_once(void **unused)
{
    static const struct work works[] = {
        { .name = "a file", .prepare = write_file, .run = read_it, .judge = expect_untouched },
        { .name = "a folder", .prepare = write_folder, .run = read_it, .judge = expect_untouched },
        { .name = "a database", .prepare = write_database, .run = read_it, .judge = expect_untouched },
    };

    (void)unused;
    fail_all(works, ARRAY_LENGTH(works), failures, ARRAY_LENGTH(failures));
}

static int name_places(void **unused)
{
    if (fixture_set_up(unused) < 0)
        return -1;
    (void)snprintf(copies_path, sizeof copies_path, "%s/copies", fixture_folder);
    return setenv("TMPDIR", copies_path, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_call_fails_once, name_places, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
