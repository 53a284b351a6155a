#include "state_fixture.h"

#include "state/state_internal.h"

#include <signal.h>
#include <sys/wait.h>

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    (void)close(fd);
}

static void execute_sql(const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static unsigned mode_of(const char *path)
{
    struct stat facts;

    return stat(path, &facts) == 0 ? facts.st_mode & 0777 : 0;
}

static bool has_file(const char *ending)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s%s", fixture_path, ending);
    return access(path, F_OK) == 0;
}

static void test_a_new_state_is_private_and_whole(void **unused)
{
    mode_t before = umask(0);
    struct state *state = fixture_open();
    char path[256];

    (void)unused;
    (void)umask(before);
    fixture_fill(state, 1);
    assert_int_equal(mode_of(fixture_path), 0600);
    (void)snprintf(path, sizeof path, "%s-wal", fixture_path);
    assert_int_equal(mode_of(path), 0600);
    (void)snprintf(path, sizeof path, "%s-shm", fixture_path);
    assert_int_equal(mode_of(path), 0600);
    assert_string_equal(state_path(state), fixture_path);
    assert_string_equal(state_sqlite_version(), sqlite3_libversion());
    state_free(state);
    assert_false(has_file(".new")); /* it appeared under its name when it was whole */
    assert_false(has_file("-wal")); /* tidied up */
    (void)chmod(fixture_path, 0644);
    state_free(fixture_open());
    assert_int_equal(mode_of(fixture_path), 0600);
}

static void test_folders_are_made(void **unused)
{
    char path[256], folder[256];

    (void)unused;
    (void)snprintf(folder, sizeof folder, "%s/a/b", fixture_folder);
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    state_free(fixture_open_path(path, false));
    assert_int_equal(mode_of(folder), 0700);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/state.db.lock", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void test_rubbish_of_a_crash_while_making_it(void **unused)
{
    static const char *const endings[] = { ".new", ".new-wal", ".new-shm", ".new-journal" };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s%s", fixture_path, endings[i]);
        write_file(path, "rubbish", 7);
    }
    state_free(fixture_open());
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++)
        assert_false(has_file(endings[i]));
}

static void put_file(const void *bytes, size_t size) { write_file(fixture_path, bytes, size); }
static void put_json(void) { put_file(" \n{\"items\":{}}", 14); }
static void put_json_array(void) { put_file("\xEF\xBB\xBF[]", 5); }
static void put_empty(void) { put_file("", 0); }
static void put_text(void) { put_file("hello", 5); }
static void put_blank(void) { put_file("  ", 2); }
static void put_half_header(void) { put_file("SQLite format 3\0\x10", 17); }
static void put_foreign(void) { execute_sql("CREATE TABLE processed(id TEXT)"); }
static void put_folder(void) { (void)mkdir(fixture_path, 0700); }
static void put_pipe(void) { (void)mkfifo(fixture_path, 0600); }

static void put_go_folder(void)
{
    char path[256];

    put_folder();
    (void)snprintf(path, sizeof path, "%s/voice.json", fixture_path);
    write_file(path, "{}", 2);
}

static void put_orphaned_log(void)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s-wal", fixture_path);
    write_file(path, "log", 3);
}

static void put_bad_magic(void)
{
    int fd;

    state_free(fixture_open());
    fd = open(fixture_path, O_WRONLY);
    (void)!pwrite(fd, "X", 1, 3);
    (void)close(fd);
}

static void put_version(const char *sql)
{
    state_free(fixture_open());
    execute_sql(sql);
}
static void put_newer(void) { put_version("PRAGMA user_version=1000"); }
static void put_version_zero(void) { put_version("PRAGMA user_version=0"); }
static void put_wild_version(void) { put_version("PRAGMA user_version=2000001"); }
static void put_less(void) { put_version("DROP TABLE texts"); }
static void put_high_number(void) { put_version("INSERT INTO texts VALUES(1,''); INSERT INTO targets VALUES(9223372036854775807,'','','','',0,'')"); }
static void put_nothing(void) {}

static void test_what_is_refused(void **unused)
{
    static const struct {
        const char *why;
        void (*put)(void);
        bool reader;
        enum error_kind kind;
        const char *words;
    } rows[] = {
        { "the Go program's JSON", put_json, false, ERROR_CONFIG, "memory-connector state import" },
        { "the same, for a reader", put_json, true, ERROR_CONFIG, "memory-connector state import" },
        { "an array with a byte order mark", put_json_array, false, ERROR_CONFIG, "a JSON file" },
        { "the Go program's folder", put_go_folder, false, ERROR_CONFIG, "memory-connector state import" },
        { "a folder", put_folder, false, ERROR_CONFIG, "name a file in it" },
        { "a pipe", put_pipe, false, ERROR_CONFIG, "not a regular file" },
        { "some text", put_text, false, ERROR_CONFIG, "not a state of memory-connector" },
        { "blanks", put_blank, false, ERROR_CONFIG, "not a state of memory-connector" },
        { "another database", put_foreign, false, ERROR_CONFIG, "but not a state of memory-connector" },
        { "cut to nothing: never a new start in silence", put_empty, false, ERROR_IO, "the file is empty" },
        { "cut to nothing, for a reader", put_empty, true, ERROR_IO, "the file is empty" },
        { "cut in its header", put_half_header, false, ERROR_IO, "header is damaged" },
        { "a flipped bit in its header", put_bad_magic, false, ERROR_IO, "header is damaged" },
        { "a log whose database is gone", put_orphaned_log, false, ERROR_IO, "its log" },
        { "a newer release", put_newer, false, ERROR_CONFIG, "written by a newer release (schema 1000, this one knows 7)" },
        { "a newer release, for a reader", put_newer, true, ERROR_CONFIG, "written by a newer release" },
        { "no version", put_version_zero, false, ERROR_IO, "schema version 0" },
        { "a version that cannot be", put_wild_version, false, ERROR_IO, "schema version 2000001" },
        { "a table is gone", put_less, false, ERROR_IO, "damaged" },
        { "no number left", put_high_number, false, ERROR_IO, "the last number of targets" },
        { "nothing to read yet", put_nothing, true, ERROR_FAILED, "there is none yet" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error err;
        enum error_kind kind;
        rows[i].put();
        kind = fixture_refuse(rows[i].reader, &err);
        if (kind != rows[i].kind || strstr(err.message, rows[i].words) == NULL || strstr(err.message, fixture_path) == NULL)
            fail_msg("%s: %s: %s", rows[i].why, error_kind_name(kind), err.message);
        {
            AUTO_STRING char *go_file = mem_format("%s/voice.json", fixture_path);
            (void)unlink(go_file);
        }
        fixture_remove_files();
    }
}

static void test_what_is_refused_is_not_changed(void **unused)
{
    struct stat before, after;
    struct error err;
    char bytes[100], again[100];
    int fd;

    (void)unused;
    put_newer();
    (void)stat(fixture_path, &before);
    fd = open(fixture_path, O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof bytes), sizeof bytes);
    (void)fixture_refuse(false, &err);
    (void)stat(fixture_path, &after);
    assert_int_equal(pread(fd, again, sizeof again, 0), sizeof again);
    (void)close(fd);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_memory_equal(bytes, again, sizeof bytes);
}

/* ---- The lock ---- */

static void test_a_second_writer_is_told_who_writes(void **unused)
{
    struct state *first = fixture_open();
    struct state *reader = fixture_open_reader(); /* needs no lock */
    struct error err;
    char pid[32];

    (void)unused;
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(fixture_refuse(false, &err), ERROR_CONFLICT);
    assert_non_null(strstr(err.message, pid));
    state_free(first);
    first = fixture_open();
    state_free(first);
    state_free(reader);
}

static void test_waiting_for_the_lock(void **unused)
{
    const struct state_settings settings = { .path = fixture_path, .lock_wait_ms = 20000 };
    const struct state_settings impatient = { .path = fixture_path, .lock_wait_ms = 30 };
    struct state *state = NULL;
    struct error err = { 0 };
    int ready[2];
    char byte;
    pid_t child;

    (void)unused;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct state *held = NULL;
        if (state_open(&settings, &held, NULL) < 0)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        (void)usleep(300000);
        _exit(0); /* without freeing: the lock goes with the process */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(state_open(&impatient, &state, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    ASSERT_WORKS(state_open(&settings, &state, &err), err);
    state_free(state);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_a_stranger_that_writes(void **unused)
{
    struct state *state = fixture_open();
    const struct memory_row row = memory_of(5, 1, "m5", MEMORY_QUEUED, 0);
    struct error err = { 0 };
    sqlite3 *stranger = NULL;

    (void)unused;
    fixture_fill(state, 1);
    assert_int_equal(sqlite3_open(fixture_path, &stranger), SQLITE_OK);
    assert_int_equal(sqlite3_exec(stranger, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(state->db, 10);
    assert_int_equal(apply_memory(state, &row, NULL, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_non_null(strstr(err.message, "another program holds its write lock"));
    assert_int_equal(state_commit(state, &err), -1);
    (void)sqlite3_close(stranger);
    state_free(state);
    state = fixture_open();
    assert_int_equal(state_next_memory(state), 2);
    state_free(state);
}

/* A look-up leaves a view of the file open. What a stranger writes meanwhile must not keep us from writing, and after a rest the view holds up nobody. */
static void test_a_view_is_in_nobodys_way(void **unused)
{
    static const struct { const char *sql; bool rests; int checkpoint; const char *why; } rows[] = {
        { "UPDATE meta SET value=value+1", false, 1, "the checkpoint waits for a view of what was before" },
        { "UPDATE meta SET value=value+1", true, 0, "a state at rest holds nothing" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(state) struct state *state = fixture_open();
        struct memory_row found, row = memory_of(0, 1, i == 0 ? "new" : "newer", MEMORY_QUEUED, 0);
        struct error err = { 0 };
        sqlite3 *stranger = NULL;

        if (i == 0)
            fixture_fill(state, 1);
        assert_int_equal(state_find_memory(state, 1, row.id, &found, &err), 0);
        if (rows[i].rests)
            state_rest(state);
        assert_int_equal(sqlite3_open(fixture_path, &stranger), SQLITE_OK);
        assert_int_equal(sqlite3_exec(stranger, rows[i].sql, NULL, NULL, NULL), SQLITE_OK);
        if ((sqlite3_wal_checkpoint_v2(stranger, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) != SQLITE_OK) != rows[i].checkpoint)
            fail_msg("%s", rows[i].why);
        assert_int_equal(sqlite3_close(stranger), SQLITE_OK);
        row.seq = 10 + (int64_t)i;
        ASSERT_WORKS(apply_memory(state, &row, NULL, &err), err);
        ASSERT_WORKS(state_commit(state, &err), err);
        assert_int_equal(state_find_memory(state, 1, row.id, &found, &err), 1);
    }
}

/* ---- Readers ---- */

static void test_a_reader_sees_what_is_committed(void **unused)
{
    struct state *writer = fixture_open();
    struct state *reader = fixture_open_reader();
    struct error err = { 0 };
    struct memory_row got;
    const struct memory_row row = memory_of(3, 1, "m3", MEMORY_QUEUED, 0);
    struct state_counts counts;

    (void)unused;
    fixture_fill(writer, 2);
    assert_int_equal(state_find_memory(reader, 1, slice_of("m2"), &got, &err), 1);
    ASSERT_WORKS(apply_memory(writer, &row, NULL, &err), err);
    assert_int_equal(state_find_memory(reader, 1, slice_of("m3"), &got, &err), 0);
    ASSERT_WORKS(state_count_stream(reader, 1, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], 2);
    ASSERT_WORKS(state_commit(writer, &err), err);
    assert_int_equal(state_find_memory(reader, 1, slice_of("m3"), &got, &err), 1);
    state_free(writer);
    assert_int_equal(state_find_memory(reader, 1, slice_of("m3"), &got, &err), 1); /* after it ended, too */
    state_free(reader);
}

static void leave_a_log(void)
{
    pid_t child = fork();

    if (child == 0) {
        struct state *state = fixture_open();
        fixture_fill(state, 50);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(has_file("-wal"));
}

static void test_a_reader_after_a_kill(void **unused)
{
    struct memory_row got;
    struct error err = { 0 };

    (void)unused;
    leave_a_log();
    {
        AUTO(state) struct state *reader = fixture_open_reader();
        assert_int_equal(state_find_memory(reader, 1, slice_of("m50"), &got, &err), 1);
    }
}

/* A user who may read the files and not write the folder cannot make the shared memory file. Root may write everything: it becomes somebody
 * else for this. */
static void test_a_reader_in_a_folder_that_it_may_not_write(void **unused)
{
    pid_t child;
    int status = 0;
    char path[256];

    (void)unused;
    leave_a_log();
    (void)snprintf(path, sizeof path, "%s-shm", fixture_path);
    (void)unlink(path);
    (void)chmod(fixture_path, 0644);
    (void)snprintf(path, sizeof path, "%s-wal", fixture_path);
    (void)chmod(path, 0644);
    (void)chmod(fixture_folder, 0555);
    child = fork();
    if (child == 0) {
        const struct state_settings settings = { .path = fixture_path, .reader = true };
        struct state *state = NULL;
        struct error err = { 0 };
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(2);
        if (state_open(&settings, &state, &err) == 0)
            _exit(3);
        _exit(err.kind == ERROR_IO && strstr(err.message, "-shm") != NULL && strstr(err.message, "the user who owns the state") != NULL ? 0 : 4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_writer_that_may_not_write(void **unused)
{
    pid_t child;
    int status = 0;

    (void)unused;
    state_free(fixture_open());
    (void)chmod(fixture_folder, 0555);
    child = fork();
    if (child == 0) {
        struct error err;
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(2);
        _exit(fixture_refuse(false, &err) == ERROR_IO ? 0 : 4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- Migrations ---- */

static const struct migration with_second[] = {
    { STATE_SCHEMA, "" }, /* never run here: the file has it */
    { STATE_SCHEMA + 1, "ALTER TABLE targets ADD COLUMN color TEXT NOT NULL DEFAULT 'blue'; INSERT INTO meta VALUES('second', 1)" },
    { STATE_SCHEMA + 2, "INSERT INTO meta VALUES('third', 1)" },
};

static const struct migration that_breaks[] = {
    { STATE_SCHEMA, "" },
    { STATE_SCHEMA + 1, "INSERT INTO meta VALUES('second', 1)" },
    { STATE_SCHEMA + 2, "INSERT INTO nowhere VALUES(1)" },
};

static int open_with(const struct migration *table, size_t count, bool reader, struct state **ret_state, struct error *err)
{
    const struct state_settings settings = { .path = fixture_path, .now_ms = 1700000000000, .reader = reader };

    return state_open_with(&settings, table, count, ret_state, err);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
}

static void test_an_older_state_is_upgraded_after_a_backup(void **unused)
{
    struct state *state = fixture_open();
    struct memory_row got;
    struct error err = { 0 };
    char backup[256];
    char words[80];

    (void)unused;
    fixture_fill(state, 3);
    state_free(state);
    assert_int_equal(open_with(with_second, 3, true, &state, &err), -1); /* a reader leaves it */
    assert_int_equal(err.kind, ERROR_FAILED);
    (void)snprintf(words, sizeof words, "an older release (schema %d)", STATE_SCHEMA);
    assert_non_null(strstr(err.message, words));

    ASSERT_WORKS(open_with(with_second, 3, false, &state, &err), err);
    assert_int_equal(state_find_memory(state, 1, slice_of("m3"), &got, &err), 1);
    state_free(state);
    assert_int_equal(ask(fixture_path, "PRAGMA user_version"), STATE_SCHEMA + 2);
    assert_int_equal(ask(fixture_path, "SELECT count(*) FROM meta WHERE name IN ('second', 'third')"), 2);

    (void)snprintf(backup, sizeof backup, "%s.version-%d.20231114T221320Z.backup", fixture_path, STATE_SCHEMA);
    assert_int_equal(mode_of(backup), 0600);
    state = fixture_open_path(backup, false); /* restoring is opening it */
    assert_int_equal(state_find_memory(state, 1, slice_of("m3"), &got, &err), 1);
    state_free(state);
    {
        struct error refused;
        assert_int_equal(fixture_refuse(false, &refused), ERROR_CONFIG); /* and this release does not know that version */
    }
}

static const char to_version_6[] = "DROP INDEX letters_decided; PRAGMA user_version=6";
static const char to_version_5[] = "DROP TABLE alerts; PRAGMA user_version=5";
static const char to_version_4[] = "DROP INDEX letters_seq; ALTER TABLE memories DROP COLUMN first_ms; PRAGMA user_version=4";
static const char to_version_3[] = "ALTER TABLE runs DROP COLUMN filtered; PRAGMA user_version=3";
static const char to_version_2[] = "DROP TABLE connectors; DROP TABLE jobs; PRAGMA user_version=2";
static const char to_version_1[] =
    "DROP TABLE newer; DROP TABLE marks; DROP TABLE absences; ALTER TABLE runs DROP COLUMN replaced; ALTER TABLE runs DROP COLUMN removed; "
    "DROP INDEX memories_removing; PRAGMA user_version=1";

/* The files of earlier releases, with memories in them. */
static void expect_taken_over(int version)
{
    struct state *state;
    struct memory_row got;
    struct error err = { 0 };
    const struct run_row run = { .run = 9, .connector = "x", .trigger = "cli", .error = "", .range = "all", .coverage = "", .counts = { .filtered = 7 } };
    struct job_row job;
    int64_t mark;

    state = fixture_open();
    fixture_fill(state, 3);
    state_free(state);
    execute_sql(to_version_6);
    if (version <= 5)
        execute_sql(to_version_5);
    if (version <= 4)
        execute_sql(to_version_4);
    if (version <= 3)
        execute_sql(to_version_3);
    if (version <= 2)
        execute_sql(to_version_2);
    if (version == 1)
        execute_sql(to_version_1);

    state = fixture_open();
    assert_int_equal(state_find_memory(state, 1, slice_of("m3"), &got, &err), 1);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_MARK, .mark_owner = 1, .mark_kind = MARK_LISTED_MS, .mark_value = 2 }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    ASSERT_WORKS(state_get_mark(state, 1, MARK_LISTED_MS, &mark, &err), err);
    assert_int_equal(mark, 2);
    assert_int_equal(state_get_job(state, "x", &job, &err), 0);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_ALERT, .alert = &(struct alert_row){ .connector = "x", .name = "", .body = "" } }, &err), err);
    ASSERT_WORKS(state_apply(state, &(struct change){ .kind = CHANGE_RUN, .run = &run }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
    assert_int_equal(ask(fixture_path, "SELECT filtered FROM runs WHERE run=9"), 7);
    assert_int_equal(ask(fixture_path, "SELECT count(*) FROM sqlite_master WHERE name='letters_decided'"), 1);
    assert_int_equal(ask(fixture_path, "PRAGMA user_version"), STATE_SCHEMA);
}

static void test_version_1_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(1);
}

static void test_version_2_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(2);
}

static void test_version_3_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(3);
}

static void test_version_4_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(4);
}

static void test_version_5_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(5);
}

static void test_version_6_is_taken_over(void **unused)
{
    (void)unused;
    expect_taken_over(6);
}

static void test_a_migration_that_breaks_changes_nothing(void **unused)
{
    struct state *state = fixture_open();
    struct error err = { 0 };
    char words[80];

    (void)unused;
    fixture_fill(state, 3);
    state_free(state);
    state = NULL;
    assert_int_equal(open_with(that_breaks, 3, false, &state, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    (void)snprintf(words, sizeof words, "upgrading the state: migration to version %d", STATE_SCHEMA + 2);
    assert_non_null(strstr(err.message, words));
    assert_int_equal(ask(fixture_path, "PRAGMA user_version"), STATE_SCHEMA);
    assert_int_equal(ask(fixture_path, "SELECT count(*) FROM meta WHERE name='second'"), 0);
    state = fixture_open();
    assert_int_equal(state_next_memory(state), 4);
    state_free(state);
}

static void test_a_backup_that_cannot_be_written(void **unused)
{
    AUTO_STRING char *taken = mem_format("%s.version-%d.20231114T221320Z.backup.part", fixture_path, STATE_SCHEMA);
    struct state *state = NULL;
    struct error err = { 0 };

    (void)unused;
    state_free(fixture_open());
    (void)mkdir(taken, 0700);
    assert_int_equal(open_with(with_second, 3, false, &state, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_int_equal(ask(fixture_path, "PRAGMA user_version"), STATE_SCHEMA); /* no backup, no upgrade */
}

/* ---- In memory ---- */

static void test_in_memory(void **unused)
{
    struct state *private = fixture_open_path(":memory:", false), *other = fixture_open_path(":memory:", false);
    struct state *keeper = fixture_open_path(":memory:simulation", false), *worker = fixture_open_path(":memory:simulation", false);
    const struct memory_row row = memory_of(2, 1, "lost", MEMORY_QUEUED, 0);
    struct memory_row got;
    struct error err = { 0 };

    (void)unused;
    fixture_fill(private, 1);
    assert_int_equal(state_find_memory(other, 1, slice_of("m1"), &got, &err), 0);
    assert_false(state_disk_is_short(private, INT64_MAX));
    fixture_fill(worker, 1);
    ASSERT_WORKS(apply_memory(worker, &row, NULL, &err), err);
    state_free(worker); /* a crash: what was not committed is gone, the rest is there */
    worker = fixture_open_path(":memory:simulation", false);
    assert_int_equal(state_find_memory(worker, 1, slice_of("m1"), &got, &err), 1);
    assert_int_equal(state_find_memory(worker, 1, slice_of("lost"), &got, &err), 0);
    state_free(worker);
    state_free(keeper);
    state_free(private);
    state_free(other);
    state_free(NULL);
}

static void test_the_disk_reserve(void **unused)
{
    AUTO(state) struct state *state = fixture_open();

    (void)unused;
    assert_false(state_disk_is_short(state, 0));
    assert_false(state_disk_is_short(state, 1));
    assert_true(state_disk_is_short(state, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_a_new_state_is_private_and_whole),
        STATE_TEST(test_folders_are_made),
        STATE_TEST(test_rubbish_of_a_crash_while_making_it),
        STATE_TEST(test_what_is_refused),
        STATE_TEST(test_what_is_refused_is_not_changed),
        STATE_TEST(test_a_second_writer_is_told_who_writes),
        STATE_TEST(test_waiting_for_the_lock),
        STATE_TEST(test_a_stranger_that_writes),
        STATE_TEST(test_a_view_is_in_nobodys_way),
        STATE_TEST(test_a_reader_sees_what_is_committed),
        STATE_TEST(test_a_reader_after_a_kill),
        STATE_TEST(test_a_reader_in_a_folder_that_it_may_not_write),
        STATE_TEST(test_a_writer_that_may_not_write),
        STATE_TEST(test_an_older_state_is_upgraded_after_a_backup),
        STATE_TEST(test_version_1_is_taken_over),
        STATE_TEST(test_version_2_is_taken_over),
        STATE_TEST(test_version_3_is_taken_over),
        STATE_TEST(test_version_4_is_taken_over),
        STATE_TEST(test_version_5_is_taken_over),
        STATE_TEST(test_version_6_is_taken_over),
        STATE_TEST(test_a_migration_that_breaks_changes_nothing),
        STATE_TEST(test_a_backup_that_cannot_be_written),
        STATE_TEST(test_in_memory),
        STATE_TEST(test_the_disk_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
