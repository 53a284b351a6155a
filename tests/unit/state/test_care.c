/* What is done with a state besides syncing, where nothing fails: what is refused, what is kept, what is told and to whom. */
#include "state_model.h"

#include "state/state_care.h"
#include "state/state_json.h"

static char other_path[96];

static int name_places(void **unused)
{
    if (fixture_set_up(unused) < 0)
        return -1;
    (void)snprintf(other_path, sizeof other_path, "%s/other", fixture_folder);
    return 0;
}

static void write_file(const char *path, const char *bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    (void)fputs(bytes, file);
    assert_int_equal(fclose(file), 0);
}

static void alter(const char *sql)
{
    struct state *state = fixture_open();
    struct error err = { 0 };

    ASSERT_WORKS(state_begin(state, &err), err);
    assert_int_equal(sqlite3_exec(state->db, sql, NULL, NULL, NULL), SQLITE_OK);
    ASSERT_WORKS(state_commit(state, &err), err);
    state_free(state);
}

static void fill(void)
{
    struct state *state = fixture_open();
    struct error err = { 0 };

    ASSERT_WORKS(apply_target(state, &(struct target_row){ .target = 1, .name = "t", .url = "u" }, &err), err);
    ASSERT_WORKS(apply_stream(state, 1, 1, "c", "x", &err), err);
    fixture_fill(state, 3);
    state_free(state);
}

/* ---- Copies ---- */

/* What is there is never written over. */
static void test_places_that_are_taken(void **unused)
{
    static const struct { const char *why; enum state_backend to; const char *file, *words; enum error_kind kind; bool is_under; } rows[] = {
        { "a file, for a database", STATE_SQLITE, "other", "is there already", ERROR_CONFLICT, false },
        { "a file, for a folder", STATE_JSON, "other", "is there already", ERROR_CONFLICT, false },
        { "a folder, for a database", STATE_SQLITE, "other/x", "is there already", ERROR_CONFLICT, false },
        { "a folder of others", STATE_JSON, "other/x", "a folder with other files", ERROR_CONFIG, false },
        { "a folder with a state", STATE_JSON, "other/snapshot-000001.jsonl", "there is one already", ERROR_CONFLICT, false },
        { "the log of another one", STATE_SQLITE, "other-wal", "its log", ERROR_IO, false },
        { "a state that was saved", STATE_SQLITE, "other.saved", "A repair was broken off", ERROR_IO, false },
        { "under a file, a database", STATE_SQLITE, "other", "cannot be reached", ERROR_IO, true },
        { "under a file, a folder", STATE_JSON, "other", "cannot be reached", ERROR_IO, true },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *path = mem_format("%s/%s", fixture_folder, rows[i].file), *under = mem_format("%s/state", other_path);
        const struct state_settings there = { .backend = rows[i].to, .path = rows[i].is_under ? under : other_path, .now_ms = 1 };
        struct state_import done;
        struct state *state;
        struct error err = { 0 };
        int64_t count;

        fixture_remove_files();
        fill();
        if (strchr(rows[i].file, '/') != NULL)
            assert_int_equal(mkdir(other_path, 0700), 0);
        write_file(path, "something");
        state = fixture_open();
        assert_int_equal(state_copy(state, &there, &count, &err), -1);
        if (err.kind != rows[i].kind || strstr(err.message, rows[i].words) == NULL)
            fail_msg("%s: %s: %s", rows[i].why, error_kind_name(err.kind), err.message);
        err = (struct error){ 0 };
        assert_int_equal(state_import(&there, -1, "nothing", NULL, NULL, &done, &err), -1); /* refused before it is read */
        if (err.kind != rows[i].kind)
            fail_msg("%s: %s", rows[i].why, err.message);
        state_free(state);
    }
}

static void test_an_export_is_made_by_a_reader(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };

    (void)unused;
    assert_int_equal(state_export(state, 1, "nowhere", 1, &err), -1);
    assert_int_equal(err.kind, ERROR_FAILED);
}

/* More than is written at once. */
static void test_a_large_one_there_and_back(void **unused)
{
    const struct state_settings there = { .backend = fixture_backend() == STATE_JSON ? STATE_SQLITE : STATE_JSON, .path = other_path, .now_ms = 1 };
    const struct state_settings reading = { .backend = there.backend, .path = other_path, .reader = true };
    AUTO_STRING char *words = mem_alloc(1 << 20);
    struct state *state = fixture_open();
    struct error err = { 0 };
    int64_t rows, bytes;

    (void)unused;
    memset(words, 'x', (1 << 20) - 1);
    for (int64_t i = 1; i <= 3; i++) {
        char id[8];
        struct memory_row row;
        (void)snprintf(id, sizeof id, "m%d", (int)i);
        row = memory_of(i, 1, id, MEMORY_QUEUED, (1 << 20) - 1);
        ASSERT_WORKS(apply_memory(state, &row, words, &err), err);
    }
    ASSERT_WORKS(state_commit(state, &err), err);
    ASSERT_WORKS(state_copy(state, &there, &rows, &err), err);
    assert_int_equal(rows, 3);
    state_free(state);
    ASSERT_WORKS(state_open(&reading, &state, &err), err);
    ASSERT_WORKS(state_ask(state, "SELECT sum(length(text)) FROM texts", "", &bytes, &err), err);
    assert_int_equal(bytes, 3 * ((1 << 20) - 1));
    state_free(state);
}

/* ---- Findings ---- */

struct findings {
    int count, stop_at;
    char names[400];
};

static bool note(void *context, const struct state_finding *finding)
{
    struct findings *findings = context;

    (void)snprintf(findings->names + strlen(findings->names), sizeof findings->names - strlen(findings->names), "%s ", finding->name);
    return ++findings->count != findings->stop_at;
}

/* Each contradiction is found by its name, mended, and not found again. */
static void test_contradictions(void **unused)
{
    static const struct { const char *name, *sql; } rows[] = {
        { "", "SELECT 1" },
        { "strange_targets", "INSERT INTO targets VALUES(9, printf('%.*c', 65, 'x'), 'u', '', '', 0, '')" },
        { "strange_streams", "INSERT INTO streams VALUES(9, 1, printf('%.*c', 65, 'x'), 's', 'c')" },
        { "memories_without_stream", "UPDATE memories SET stream=7 WHERE seq=3" },
        { "strange_memories", "UPDATE memories SET wanted=9 WHERE seq=3" },
        { "doubled_memories", "UPDATE memories SET id=CAST('m1' AS BLOB) WHERE seq=3" },
        { "memories_nobody_finds", "UPDATE memories SET hash=1" },
        { "strange_batches", "INSERT INTO batches VALUES(9, 1, 77, '', 0, 0, 0, 0, 0, 0, 0, 0)" },
        { "strange_runs", "INSERT INTO runs SELECT 9,'c','',0,0,77,0,'','',0,'',0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0" },
        { "strange_letters", "INSERT INTO letters SELECT 9,77,0,1,0,0,zeroblob(16),0,'',0,0,0,0,0,0,NULL" },
        { "strange_newer", "INSERT INTO newer VALUES(1, x'00', 'x')" },
        { "flying_without_batch", "UPDATE memories SET state=2, batch=77 WHERE seq=3" },
        { "queued_without_text", "DELETE FROM texts WHERE seq=2" },
        { "text_sizes", "UPDATE memories SET state=3, text_size=3 WHERE seq=3" },
        { "texts_without_memory", "INSERT INTO texts VALUES(77, 'x')" },
        { "revisions_without_memory", "INSERT INTO newer VALUES(77, zeroblob(32), 'x')" },
        { "absences_without_memory", "INSERT INTO absences VALUES(77, 1, 1)" },
        { "letters_without_stream", "INSERT INTO letters SELECT 9,1,0,7,0,0,zeroblob(16),0,'',0,0,0,0,0,0,NULL" },
        { "counters", "UPDATE counts SET value=9" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct findings findings = { 0 };
        struct state *state;
        struct error err = { 0 };
        int64_t changed = 0;

        fixture_remove_files();
        fill();
        alter(rows[i].sql);
        state = fixture_open();
        ASSERT_WORKS(state_examine(state, note, &findings, &err), err);
        if (strstr(findings.names, rows[i].name) == NULL || (findings.count > 0) != (i > 0))
            fail_msg("%s: found %s", rows[i].name, findings.names);
        findings = (struct findings){ .stop_at = 1 };
        ASSERT_WORKS(state_examine(state, note, &findings, &err), err); /* who has heard enough hears no more */
        assert_int_equal(findings.count, i > 0);
        ASSERT_WORKS(state_mend(state, &changed, &err), err);
        assert_true((changed > 0) == (i > 0));
        findings = (struct findings){ 0 };
        ASSERT_WORKS(state_examine(state, note, &findings, &err), err);
        if (findings.count > 0)
            fail_msg("%s: mended, and still %s", rows[i].name, findings.names);
        state_free(state);
    }
}

/* Two rows that no index names, and a page that nobody uses. */
static void test_pages_that_are_wrong(void **unused)
{
    struct findings findings = { 0 };
    sqlite3 *db = NULL;
    struct state *state;
    struct error err = { 0 };

    (void)unused;
    if (fixture_backend() != STATE_SQLITE)
        return;
    fill();
    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, '(hash)', '(state)') WHERE name='memories_hash'", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    state = fixture_open_reader();
    ASSERT_WORKS(state_examine(state, note, &findings, &err), err);
    assert_non_null(strstr(findings.names, "pages "));
    findings = (struct findings){ .stop_at = 1 };
    ASSERT_WORKS(state_examine(state, note, &findings, &err), err);
    assert_string_equal(findings.names, "pages ");
    state_free(state);
}

/* ---- A writer that is broken ---- */

static bool any_connector(void *context, const struct connector_row *row) { ++*(int *)context; return row == NULL; }
static bool any_alert(void *context, const struct alert_row *row) { ++*(int *)context; return row == NULL; }
static bool any_batch(void *context, const struct batch_row *row) { ++*(int *)context; return row == NULL; }
static bool any_memory(void *context, const struct memory_row *row) { ++*(int *)context; return row == NULL; }
static bool any_letter(void *context, const struct dead_letter *letter) { ++*(int *)context; return letter == NULL; }
static bool any_text(void *context, int64_t seq, int64_t target, struct slice text) { ++*(int *)context; return seq + target < 0 && text.size > 0; }
static bool any_name(void *context, int64_t seq, int64_t stream, struct slice id, struct slice name)
{
    ++*(int *)context;
    return seq + stream < 0 && id.size + name.size > 0;
}

/* How many of the lists that people and the service ask for could be begun; each of them stops at its first row. */
static int ask_all(struct state *state, int *ret_rows)
{
    struct job_row job;
    int64_t number;
    int well = 0;

    *ret_rows = 0;
    well += state_each_connector(state, any_connector, ret_rows, NULL) == 0;
    well += state_each_alert(state, any_alert, ret_rows, NULL) == 0;
    well += state_each_name(state, any_name, ret_rows, NULL) == 0;
    well += state_each_text(state, any_text, ret_rows, NULL) == 0;
    well += state_each_tracked(state, "track", any_batch, ret_rows, NULL) == 0;
    well += state_each_flown(state, 1, any_memory, ret_rows, NULL) == 0;
    well += state_each_letter_of(state, 1, any_letter, ret_rows, NULL) == 0;
    well += state_get_job(state, "c", &job, NULL) >= 0;
    well += state_last_success(state, "c", &number, NULL) == 0;
    well += state_get_first_seen(state, 1, &number, NULL) >= 0;
    return well;
}

static void add_one_of_each(struct state *state)
{
    static const char sql[] = "UPDATE memories SET batch=1, name=CAST('n' AS BLOB); UPDATE batches SET track='track'; INSERT INTO letters SELECT 2,6,1,1,1,0,zeroblob(16),0,'',0,0,0,0,0,0,NULL;"
                              "INSERT INTO connectors VALUES('a', 1, '{}', 1), ('b', 1, '{}', 1); INSERT INTO alerts VALUES('a', 1, 1, 1, 1, 1, 1, 'n', '{}'), ('b', 1, 1, 1, 1, 1, 1, 'n', '{}')";
    struct error err = { 0 };

    ASSERT_WORKS(apply_batch(state, &(struct batch_row){ .batch = 1, .target = 1, .state = BATCH_SENDING, .members = 1 }, &err), err);
    ASSERT_WORKS(apply_letter(state, &(struct dead_letter){ .letter = 1, .dead_class = DEAD_STUCK, .stream = 1, .seq = 1 }, &err), err);
    assert_int_equal(sqlite3_exec(state->db, sql, NULL, NULL, NULL), SQLITE_OK);
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void test_lists_stop_where_they_are_told(void **unused)
{
    struct state *state;
    const struct error broken = { .kind = ERROR_IO, .message = "the disk" };
    struct state_cleaned cleaned;
    struct findings findings = { 0 };
    int rows;

    (void)unused;
    fill();
    state = fixture_open();
    add_one_of_each(state);
    assert_int_equal(ask_all(state, &rows), 10);
    assert_int_equal(rows, 7);
    assert_int_equal(state_break(state, &broken, NULL), -1);
    assert_int_equal(ask_all(state, &rows), 0);
    assert_int_equal(rows, 0);
    assert_int_equal(state_clean(state, 1, true, &cleaned, NULL), -1);
    assert_int_equal(state_examine(state, note, &findings, NULL), -1);
    state_free(state);
}

/* A value that no release has written stops a list, and says so. */
static void test_strange_rows_stop_a_list(void **unused)
{
    struct state *state;
    struct error err = { 0 };
    int rows = 0;

    (void)unused;
    fill();
    state = fixture_open();
    add_one_of_each(state);
    state_free(state);
    alter("UPDATE batches SET state=77; UPDATE letters SET class=77");
    state = fixture_open_reader();
    assert_int_equal(state_each_tracked(state, "track", any_batch, &rows, &err), -1);
    assert_non_null(strstr(err.message, "it is damaged"));
    assert_int_equal(state_each_letter_of(state, 1, any_letter, &rows, &err), -1);
    assert_non_null(strstr(err.message, "it is damaged"));
    state_free(state);
}

/* ---- Saving ---- */

static void test_what_cannot_be_saved(void **unused)
{
    static const struct { const char *why; enum state_backend backend; const char *file, *bytes, *words; } rows[] = {
        { "an empty folder", STATE_JSON, NULL, NULL, "there is none" },
        { "a folder of others", STATE_JSON, "state.db/x", "x", "a folder with other files" },
        { "a folder whose snapshot is words", STATE_JSON, "state.db/snapshot-000001.jsonl", "words", "not the head" },
        { "a file that is no database", STATE_SQLITE, "state.db", "words", "nothing of it can be read" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct state_settings settings = { .backend = rows[i].backend, .path = fixture_path, .now_ms = 1 };
        struct state_saved saved;
        struct error err = { 0 };

        fixture_remove_files();
        if (rows[i].backend == STATE_JSON)
            assert_int_equal(mkdir(fixture_path, 0700), 0);
        if (rows[i].file != NULL) {
            AUTO_STRING char *path = mem_format("%s/%s", fixture_folder, rows[i].file);
            write_file(path, rows[i].bytes);
        }
        assert_int_equal(state_save(&settings, false, &saved, &err), -1);
        if (strstr(err.message, rows[i].words) == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
    }
}

/* Whatever year the clock says, the damaged state has a name of its own; and a version that never was is read as the newest. */
static void test_saving_in_another_age(void **unused)
{
    static const int64_t ages[] = { 4102444799000, 0 };
    static const char *const versions[] = { "PRAGMA user_version=0", "PRAGMA user_version=99" };

    (void)unused;
    if (fixture_backend() != STATE_SQLITE)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(ages); i++) {
        const struct state_settings settings = { .path = fixture_path, .now_ms = ages[i] };
        struct state_saved saved = { 0 };
        sqlite3 *db = NULL;
        struct error err = { 0 };

        fixture_remove_files();
        fill();
        assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, versions[i], NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
        ASSERT_WORKS(state_save(&settings, false, &saved, &err), err);
        assert_int_equal(access(saved.kept, F_OK), 0);
        assert_non_null(strstr(saved.kept, i == 0 ? "20991231T235959Z" : "19700101T000000Z"));
        state_free(fixture_open());
    }
}

/* ---- Who opens what ---- */

static void test_paths_of_readers(void **unused)
{
    AUTO(state) struct state *writer = fixture_open();
    AUTO(state) struct state *reader = fixture_open_reader();

    (void)unused;
    assert_string_equal(state_reader_path(reader), fixture_path);
    if (fixture_backend() == STATE_SQLITE)
        assert_string_equal(state_reader_path(writer), fixture_path);
    else
        assert_memory_equal(state_reader_path(writer), ":memory:", strlen(":memory:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places_that_are_taken, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_an_export_is_made_by_a_reader, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_one_there_and_back, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_pages_that_are_wrong, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_lists_stop_where_they_are_told, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_strange_rows_stop_a_list, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_saved, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_saving_in_another_age, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_paths_of_readers, name_places, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
