/* Every call fails once (state_calls.h) while a state is exported, imported, carried to the other backend, examined, mended, cleaned up, or saved from damage:
 * what is there stays, what is made is there whole or not at all. */
#include "state_calls.h"

static char other_path[96], file_path[96];

/* ---- What lies there before ---- */

#define SQLITE_AT(where) { STATE_SQLITE, where }
#define JSON_AT(where) { STATE_JSON, where }

static const struct place sqlite_here = SQLITE_AT(fixture_path), json_here = JSON_AT(fixture_path);

static struct state *open_at(const struct place *place, bool reader)
{
    const struct work nothing = { .name = "a state to begin with" };
    struct state *state = NULL;
    struct error err = { 0 };

    ASSERT_WORKS(open_place(&nothing, place, reader, &state, &err), err);
    return state;
}

static void fill(const struct place *place)
{
    static const enum run_result results[] = { RUN_SUCCESS, RUN_FAILED };
    struct state *state = open_at(place, false);
    struct error err = { 0 };

    ASSERT_WORKS(apply_target(state, &(struct target_row){ .target = 1, .name = "t", .url = "u" }, &err), err);
    ASSERT_WORKS(apply_stream(state, 1, 1, "c", "x", &err), err);
    fixture_fill(state, 3);
    ASSERT_WORKS(apply_batch(state, &(struct batch_row){ .batch = 1, .target = 1, .state = BATCH_CLOSED, .changed_ms = 5 }, &err), err);
    ASSERT_WORKS(apply_letter(state, &(struct dead_letter){ .letter = 1, .dead_class = DEAD_STUCK, .end = DEAD_CLEARED, .stream = 1, .seq = 1, .last_ms = 5 }, &err), err);
    for (int64_t run = 1; run <= 2; run++)
        ASSERT_WORKS(apply_run(state, &(struct run_row){ .run = run, .connector = "c", .finished_ms = 5, .result = results[run - 1] }, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
}

static void fill_sqlite(void) { fill(&sqlite_here); }
static void fill_json(void) { fill(&json_here); }

/* By the back door, but written down like any other change. */
static void alter(const struct place *place, const char *sql)
{
    struct state *state = open_at(place, false);
    struct error err = { 0 };

    ASSERT_WORKS(state_begin(state, &err), err);
    assert_int_equal(sqlite3_exec(state->db, sql, NULL, NULL, NULL), SQLITE_OK);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
}

static const char contradictions[] = "DELETE FROM texts WHERE seq=2; UPDATE memories SET hash=5 WHERE seq=1; UPDATE counts SET value=9; INSERT INTO newer VALUES(77, zeroblob(32), 'x')";

static void contradict_sqlite(void) { fill_sqlite(); alter(&sqlite_here, contradictions); }
static void contradict_json(void) { fill_json(); alter(&json_here, contradictions); }

static void write_file(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, bytes, size), size);
    (void)close(fd);
}

static void export_to_file(void)
{
    struct state *state;
    struct error err = { 0 };
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    fill_sqlite();
    state = open_at(&sqlite_here, true);
    ASSERT_WORKS(state_export(state, fd, file_path, 5, &err), err);
    state_free(state);
    (void)close(fd);
}

/* An export with a line that was altered, one that is none, and one cut off; so that something contradicts itself that must be mended. */
static void export_with_bad_lines(void)
{
    struct kept kept = { 0 };

    export_to_file();
    keep_folder(fixture_folder, &kept);
    for (size_t i = 0; i < kept.count; i++) {
        char *text = strcmp(kept.files[i].path, file_path) == 0 ? strstr(kept.files[i].data, "\"texts\"") : NULL;
        if (text == NULL)
            continue;
        text[1] = 'x';
        memcpy(kept.files[i].data + kept.files[i].size - 5, "!\n{}!", 5);
        write_file(file_path, kept.files[i].data, kept.files[i].size);
    }
    kept_done(&kept);
}

static void write_old_export(void)
{
    static const char *const lines[] = {
        "\"memory_connector\":\"state\",\"schema\":2,\"generation\":0,\"made\":null", "\"rows\":[[\"put\",\"counts\",{\"stream\":1,\"kind\":3,\"value\":0}]]",
        "\"rows\":[[\"put\",\"targets\",{\"target\":1,\"name\":\"t\",\"url\":\"u\",\"version\":\"\",\"workspace\":\"\",\"seen_ms\":1,\"last_error\":\"\"}]]", "\"end\":2",
    };
    AUTO_DONE(text) struct text out = { 0 };

    text_init(&out, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        rows_frame(&out, lines[i], strlen(lines[i]));
    write_file(file_path, out.data, out.size);
}

/* ---- The work ---- */

static struct state_settings settings_of(const struct place *place)
{
    return (struct state_settings){ .backend = place->backend, .path = place->path, .now_ms = 1700000000000 };
}

/* What the test itself does with files is nobody's failure. */
static int open_file(int flags)
{
    int fd;

    plan.inside++;
    fd = open(file_path, flags | O_CLOEXEC, 0600);
    plan.inside--;
    assert_true(fd >= 0);
    return fd;
}

/* How opening fails is looked at in test_calls.c. */
static int open_here(const struct work *work, bool reader, struct state **ret_state, struct error *err)
{
    int result;

    plan.inside++;
    result = open_place(work, &work->here, reader, ret_state, err);
    plan.inside--;
    return result;
}

static void shut_file(int fd)
{
    plan.inside++;
    (void)close(fd);
    plan.inside--;
}

/* A line that SQLite refuses for once is left out and counted, as if it were bad. */
static int import_file(const struct work *work, struct error *err)
{
    static int64_t bad_of_itself;
    const struct state_settings settings = settings_of(&work->there);
    struct state_import done;
    int fd = open_file(O_RDONLY);
    int result = state_import(&settings, fd, file_path, NULL, NULL, &done, err);

    shut_file(fd);
    if (result == 0 && plan.countdown < 0 && !plan.fired)
        bad_of_itself = done.bad;
    return result == 0 && done.bad > bad_of_itself ? TOLD_PARTLY : result;
}

/* Out, and in again: what comes back is everything. */
static int export_and_import(const struct work *work, struct error *err)
{
    struct state *state = NULL;
    int fd = open_file(O_WRONLY | O_CREAT | O_TRUNC);
    int result = open_here(work, true, &state, err);

    if (result == 0)
        result = state_export(state, fd, file_path, 5, err);
    state_free(state);
    shut_file(fd);
    return result < 0 ? -1 : import_file(work, err);
}

static int carry(const struct work *work, struct error *err)
{
    const struct state_settings settings = settings_of(&work->there);
    struct state *state = NULL;
    int64_t rows;
    int result = open_here(work, false, &state, err);

    if (result == 0)
        result = state_copy(state, &settings, &rows, err);
    state_free(state);
    return result;
}

static bool count_finding(void *context, const struct state_finding *finding) { return ++*(int *)context > 0 && finding->count > 0; }

static int examine(const struct work *work, struct error *err)
{
    struct state *state = NULL;
    int findings = 0;
    int result = open_here(work, true, &state, err);

    if (result == 0)
        result = state_examine(state, count_finding, &findings, err);
    if (result == 0)
        assert_true(findings >= 4);
    state_free(state);
    return result;
}

static int mend(const struct work *work, struct error *err)
{
    struct state *state = NULL;
    int64_t changed = 0;
    int result = open_here(work, false, &state, err);

    if (result == 0)
        result = state_mend(state, &changed, err);
    if (result == 0)
        assert_true(changed >= 4);
    state_free(state);
    return result;
}

static int clean(const struct work *work, struct error *err)
{
    struct state_cleaned counted = { 0 }, cleaned = { 0 };
    struct state *state = NULL;
    int result = open_here(work, false, &state, err);

    if (result == 0)
        result = state_clean(state, 100, true, &counted, err);
    if (result == 0)
        result = state_clean(state, 100, false, &cleaned, err);
    if (result == 0) {
        assert_memory_equal(&counted, &cleaned, sizeof counted);
        assert_int_equal(cleaned.letters + cleaned.batches, 2);
    }
    state_free(state);
    return result;
}

/* ---- Saving ---- */

static void damage(const char *path, size_t at, char with)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &with, 1, (off_t)at), 1);
    (void)close(fd);
}

static void damage_json(void)
{
    AUTO_STRING char *journal = state_json_name(fixture_path, "journal", 1, "");

    fill_json();
    damage(journal, 400, '!'); /* in its first transaction, which others follow */
}

static void lose_journal(void)
{
    AUTO_STRING char *journal = state_json_name(fixture_path, "journal", 2, "");
    struct state *state;
    struct error err = { 0 };

    fill_json();
    state = open_at(&json_here, false);
    state->json->journal_limit = 1;
    state->json->snapshot_bytes = 0;
    ASSERT_WORKS(apply_stream(state, 2, 1, "d", "y", &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
    (void)unlink(journal);
}

/* Where the rows of a table lie. */
static void damage_sqlite(void)
{
    struct state *state;
    int64_t page = 0;
    struct error err = { 0 };

    fill_sqlite();
    state = open_at(&sqlite_here, true);
    ASSERT_WORKS(state_ask(state, "SELECT rootpage FROM sqlite_schema WHERE name='texts'", "looking", &page, &err), err);
    state_free(state);
    damage(fixture_path, (size_t)(page - 1) * 4096, 0x77);
}

/* A row that SQLite does not take for once is lost to the new state, and counted; the old one is kept. */
static int save_it(const struct work *work, bool dry_run, struct error *err)
{
    static int64_t lost_of_itself;
    const struct state_settings settings = settings_of(&work->here);
    struct state_saved saved = { 0 };
    int result = state_save(&settings, dry_run, &saved, err);

    if (result == 0 && !plan.fired && (saved.rows < 3 || saved.lost_lines + saved.lost_tables < 1 || saved.first[0] == '\0'))
        fail_msg("%s: %lld rows, %lld lines and %lld tables lost, first %s", work->name, (long long)saved.rows, (long long)saved.lost_lines, (long long)saved.lost_tables, saved.first);
    if (result == 0 && plan.countdown < 0 && !plan.fired)
        lost_of_itself = saved.lost_lines + saved.lost_tables;
    return result == 0 && saved.lost_lines + saved.lost_tables > lost_of_itself ? TOLD_PARTLY : result;
}

static int save(const struct work *work, struct error *err) { return save_it(work, false, err); }
static int see_what_can_be_saved(const struct work *work, struct error *err) { return save_it(work, true, err); }

/* Saved, or as damaged as it was and saved by the next attempt, or broken off where the next start says how to go on. */
static void expect_saved(const struct work *work, int result, const char *call)
{
    AUTO_STRING char *passing = state_file_saved(fixture_path);
    AUTO(state) struct state *state = NULL;
    struct error err = { 0 };

    if (access(fixture_path, F_OK) < 0) {
        if (result >= 0 || open_place(work, &work->here, false, &state, &err) == 0 || strstr(err.message, passing) == NULL)
            fail_msg("%s, %s: broken off, and nobody says so: %s", work->name, call, err.message);
        assert_int_equal(rename(passing, fixture_path), 0);
        result = 0;
    }
    if (open_place(work, &work->here, false, &state, &err) == 0 && sqlite3_exec(state->db, "SELECT sum(length(text)) FROM texts", NULL, NULL, NULL) == SQLITE_OK) {
        AUTO_DONE(text) struct text out = { 0 };
        text_init(&out, 0);
        write_contents(state->db, &out);
        if (result != TOLD_PARTLY && strstr(out.data, "  2,'c',") == NULL)
            fail_msg("%s, %s: saved without its last run:\n%s", work->name, call, out.data);
        return;
    }
    if (result >= 0)
        fail_msg("%s, %s: saved, but not sound: %s", work->name, call, err.message);
    state_free(TAKE(state));
    err = (struct error){ 0 };
    if (save(work, &err) < 0)
        fail_msg("%s, %s: cannot be saved any more: %s", work->name, call, err.message);
    expect_saved(work, 0, call);
}

static void expect_damaged_still(const struct work *work, int result, const char *call)
{
    (void)result;
    expect_saved(work, -1, call);
}

/* ---- The list ---- */

static const struct failure failures[] = {
    { CALL_PREPARE, SQLITE_IOERR },   { CALL_BIND, SQLITE_TOOBIG }, { CALL_STEP, SQLITE_IOERR }, { CALL_STEP, SQLITE_CORRUPT }, { CALL_EXEC, SQLITE_IOERR }, { CALL_CONNECT, 0 },
    { CALL_FUNCTION, SQLITE_MISUSE }, { CALL_CLOSE, SQLITE_IOERR }, { CALL_BACKUP, 0 },          { CALL_COPY, SQLITE_FULL },    { CALL_OPEN, EACCES },       { CALL_READ, EIO },
    { CALL_WRITE, ENOSPC },           { CALL_SHUT, EIO },           { CALL_FSYNC, EIO },         { CALL_RENAME, EACCES },       { CALL_LINK, EPERM },        { CALL_OPENDIR, EMFILE },
};

/* For what differs from another piece of work only here and there. */
static const struct failure few_failures[] = {
    { CALL_EXEC, SQLITE_IOERR }, { CALL_FUNCTION, SQLITE_MISUSE }, { CALL_CONNECT, 0 }, { CALL_OPEN, EACCES }, { CALL_READ, EIO }, { CALL_FSYNC, EIO }, { CALL_OPENDIR, EMFILE },
};

static int name_places(void **unused)
{
    if (fixture_set_up(unused) < 0)
        return -1;
    (void)snprintf(other_path, sizeof other_path, "%s/other", fixture_folder);
    (void)snprintf(file_path, sizeof file_path, "%s/export", fixture_folder);
    return 0;
}

static void test_out_and_in(void **unused)
{
    static const struct work works[] = {
        { .name = "an export, and its import", .here = SQLITE_AT(fixture_path), .there = JSON_AT(other_path), .prepare = fill_sqlite, .run = export_and_import },
        { .name = "an export of a folder", .here = JSON_AT(fixture_path), .there = SQLITE_AT(other_path), .prepare = fill_json, .run = export_and_import },
        { .name = "an import with bad lines", .there = SQLITE_AT(other_path), .prepare = export_with_bad_lines, .run = import_file },
        { .name = "to a folder", .here = SQLITE_AT(fixture_path), .there = JSON_AT(other_path), .prepare = fill_sqlite, .run = carry },
        { .name = "to a database", .here = JSON_AT(fixture_path), .there = SQLITE_AT(other_path), .prepare = fill_json, .run = carry },
    };

    (void)unused;
    fail_all(works, ARRAY_LENGTH(works), failures, ARRAY_LENGTH(failures));
}

static void test_in_place(void **unused)
{
    static const struct work works[] = {
        { .name = "a look at a database", .here = SQLITE_AT(fixture_path), .prepare = contradict_sqlite, .run = examine, .is_strange = true },
        { .name = "a look at a folder", .here = JSON_AT(fixture_path), .prepare = contradict_json, .run = examine, .is_strange = true },
        { .name = "mending a database", .here = SQLITE_AT(fixture_path), .prepare = contradict_sqlite, .run = mend, .is_strange = true },
        { .name = "mending a folder", .here = JSON_AT(fixture_path), .prepare = contradict_json, .run = mend, .is_strange = true },
        { .name = "cleaning a database", .here = SQLITE_AT(fixture_path), .prepare = fill_sqlite, .run = clean },
        { .name = "cleaning a folder", .here = JSON_AT(fixture_path), .prepare = fill_json, .run = clean },
    };

    (void)unused;
    fail_all(works, ARRAY_LENGTH(works), failures, ARRAY_LENGTH(failures));
}

static void test_saving(void **unused)
{
    static const struct work works[] = {
        { .name = "saving a database", .here = SQLITE_AT(fixture_path), .prepare = damage_sqlite, .run = save, .judge = expect_saved },
        { .name = "saving a folder", .here = JSON_AT(fixture_path), .prepare = damage_json, .run = save, .judge = expect_saved },
    };

    (void)unused;
    fail_all(works, ARRAY_LENGTH(works), failures, ARRAY_LENGTH(failures));
}

static void test_variants(void **unused)
{
    static const struct work works[] = {
        { .name = "an import of an older schema", .there = SQLITE_AT(other_path), .prepare = write_old_export, .run = import_file },
        { .name = "saving a folder without its journal", .here = JSON_AT(fixture_path), .prepare = lose_journal, .run = save, .judge = expect_saved },
        { .name = "seeing what of a database can be saved", .here = SQLITE_AT(fixture_path), .prepare = damage_sqlite, .run = see_what_can_be_saved, .judge = expect_damaged_still },
        { .name = "seeing what of a folder can be saved", .here = JSON_AT(fixture_path), .prepare = damage_json, .run = see_what_can_be_saved, .judge = expect_damaged_still },
    };

    (void)unused;
    fail_all(works, ARRAY_LENGTH(works), few_failures, ARRAY_LENGTH(few_failures));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_out_and_in, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_in_place, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_saving, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_variants, name_places, fixture_tear_down),
    };
    const struct log_settings quiet = { .level = LOG_OFF, .with_console = true };

    (void)log_open(&quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
