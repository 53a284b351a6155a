/* The lines of exports, snapshots and journals: each way to be wrong has its words, and nothing that is wrong goes in. */
#include "state_fixture.h"

#include "state/state_care.h"
#include "state/state_json.h"

static char file_path[96];

static int name_places(void **unused)
{
    if (fixture_set_up(unused) < 0)
        return -1;
    (void)snprintf(file_path, sizeof file_path, "%s/export", fixture_folder);
    return 0;
}

/* A line that begins with '!' goes in as it stands behind it, any other one in a frame. */
static void write_lines(const char *path, const char *const *lines, size_t count)
{
    AUTO_DONE(text) struct text out = { 0 };
    FILE *file = fopen(path, "wb");

    text_init(&out, 0);
    for (size_t i = 0; i < count && lines[i] != NULL; i++) {
        if (lines[i][0] == '!')
            (void)text_append_format(&out, "%s\n", lines[i] + 1);
        else
            rows_frame(&out, lines[i], strlen(lines[i]));
    }
    assert_non_null(file);
    assert_int_equal(fwrite(out.data, 1, out.size, file), out.size);
    assert_int_equal(fclose(file), 0);
}

#define HEAD "\"memory_connector\":\"state\",\"schema\":6,\"generation\":0,\"made\":null"
#define TEXT(seq, value) "\"rows\":[[\"put\",\"texts\",{\"seq\":" seq ",\"text\":" value "}]]"
#define MARK(value) "\"rows\":[[\"put\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":" value "}]]"

struct told {
    int64_t count, offset;
    char first[400];
};

static void tell(void *context, int64_t offset, const char *why)
{
    struct told *told = context;

    if (told->count++ == 0) {
        (void)snprintf(told->first, sizeof told->first, "%s", why);
        told->offset = offset;
    }
}

static int import(enum state_backend backend, struct told *told, struct state_import *done, struct error *err)
{
    const struct state_settings settings = { .backend = backend, .path = fixture_path, .now_ms = 1700000000000 };
    int fd = open(file_path, O_RDONLY | O_CLOEXEC);
    int result = state_import(&settings, fd, file_path, told != NULL ? tell : NULL, told, done, err);

    (void)close(fd);
    return result;
}

/* Lines of an export: one is bad, and left out; the others go in. */
static void test_bad_lines_of_an_export(void **unused)
{
    static const struct { const char *why, *line, *words; } rows[] = {
        { "no frame", "!{}", "cut or altered" },
        { "cut in the frame", "!{\"crc\":\"00000000\",\"size\":", "cut or altered" },
        { "another beginning", "!{\"CRC\":\"00000000\",\"size\":10,\"rows\":[]}", "cut or altered" },
        { "no number as checksum", "!{\"crc\":\"0000000g\",\"size\":9,\"rows\":[]}", "cut or altered" },
        { "no size", "!{\"crc\":\"00000000\",\"sixe\":9,\"rows\":[]}", "cut or altered" },
        { "a size without digits", "!{\"crc\":\"00000000\",\"size\":,\"rows\":[]}", "cut or altered" },
        { "a size of many digits", "!{\"crc\":\"00000000\",\"size\":1234567890123,\"rows\":[]}", "cut or altered" },
        { "a size and nothing more", "!{\"crc\":\"00000000\",\"size\":123456789", "cut or altered" },
        { "another sign behind the size", "!{\"crc\":\"00000000\",\"size\":9/\"rows\":[]}", "cut or altered" },
        { "another size", "!{\"crc\":\"00000000\",\"size\":8,\"rows\":[]}", "cut or altered" },
        { "another end", "!{\"crc\":\"00000000\",\"size\":9,\"rows\":[]]", "cut or altered" },
        { "another checksum", "!{\"crc\":\"00000000\",\"size\":9,\"rows\":[]}", "cut or altered" },
        { "whole, but no JSON", "\"rows\":[", "no rows" },
        { "no rows", "\"lines\":[]", "no rows" },
        { "rows that are none", "\"rows\":{}", "no rows" },
        { "a row that is none", "\"rows\":[7]", "does not know" },
        { "a row without its values", "\"rows\":[[\"put\",\"texts\"]]", "does not know" },
        { "a row of an unknown table", "\"rows\":[[\"put\",\"people\",{}]]", "does not know" },
        { "a table that is no name", "\"rows\":[[\"put\",3,{}]]", "does not know" },
        { "no verb", "\"rows\":[[1,\"texts\",{}]]", "does not know" },
        { "an unknown verb", "\"rows\":[[\"add\",\"texts\",{\"seq\":1,\"text\":\"x\"}]]", "something else than put" },
        { "a verb of journals", "\"rows\":[[\"drop\",\"texts\",{\"seq\":1}]]", "something else than put" },
        { "values that are none", "\"rows\":[[\"put\",\"texts\",[]]]", "other columns" },
        { "an unknown column", "\"rows\":[[\"put\",\"texts\",{\"seq\":1,\"words\":\"x\"}]]", "other columns" },
        { "a column twice", "\"rows\":[[\"put\",\"texts\",{\"seq\":1,\"seq\":2,\"text\":\"x\"}]]", "other columns" },
        { "a column too few", "\"rows\":[[\"put\",\"texts\",{\"seq\":1}]]", "other columns" },
        { "a value that is true", TEXT("2", "true"), "column text of texts holds what it cannot hold" },
        { "a value that is a list", TEXT("2", "[]"), "what it cannot hold" },
        { "a number with a fraction", TEXT("1.5", "\"x\""), "column seq of texts holds what it cannot hold" },
        { "a number that is too large", TEXT("9223372036854775808", "\"x\""), "what it cannot hold" },
        { "an object without a value", TEXT("2", "{}"), "what it cannot hold" },
        { "an object of another kind", TEXT("2", "{\"base64\":\"eA==\"}"), "what it cannot hold" },
        { "an object with too much", TEXT("2", "{\"hex\":\"78\",\"text\":\"x\"}"), "what it cannot hold" },
        { "hex that is none", TEXT("2", "{\"hex\":5}"), "what it cannot hold" },
        { "text that is none", TEXT("2", "{\"text\":5}"), "what it cannot hold" },
        { "half a byte", TEXT("2", "{\"hex\":\"7\"}"), "what it cannot hold" },
        { "a byte and a half", TEXT("2", "{\"hex\":\"787\"}"), "what it cannot hold" },
        { "digits that are none", TEXT("2", "{\"hex\":\"7G\"}"), "what it cannot hold" },
        { "nothing where something must be", MARK("null"), "NOT NULL" },
        { "a row that is there already", TEXT("1", "\"x\""), "UNIQUE" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *const lines[] = { HEAD, TEXT("1", "\"x\""), rows[i].line, MARK("-3"), "\"end\":3" };
        struct told told = { 0 };
        struct state_import done;
        struct error err = { 0 };

        fixture_remove_files();
        write_lines(file_path, lines, ARRAY_LENGTH(lines));
        ASSERT_WORKS(import(STATE_SQLITE, &told, &done, &err), err);
        if (told.count != 1 || done.bad != 1 || done.lines != 2 || strstr(told.first, rows[i].words) == NULL || told.offset < 100)
            fail_msg("%s: %lld told, %lld lines, %lld bad, at %lld: %s", rows[i].why, (long long)told.count, (long long)done.lines, (long long)done.bad, (long long)told.offset, told.first);
        fixture_remove_files_in(fixture_path);
        (void)unlink(fixture_path);
        ASSERT_WORKS(import(STATE_JSON, NULL, &done, &err), err); /* nobody listens: that is allowed */
        assert_int_equal(done.bad, 1);
    }
}

static void test_ends_of_an_export(void **unused)
{
    static const struct { const char *why, *lines[6], *words; int64_t bad; } rows[] = {
        { "as it should be", { HEAD, TEXT("1", "\"x\""), "\"end\":1" }, "", 0 },
        { "nothing in it", { HEAD, "\"end\":0" }, "", 0 },
        { "no end", { HEAD, TEXT("1", "\"x\"") }, "its end is missing", 1 },
        { "lines are missing", { HEAD, TEXT("1", "\"x\""), "\"end\":2" }, "lines are missing", 1 },
        { "lines too many", { HEAD, TEXT("1", "\"x\""), MARK("1"), "\"end\":1" }, "lines are missing", 1 },
        { "something behind its end", { HEAD, TEXT("1", "\"x\""), "\"end\":1", MARK("1") }, "behind its last line", 1 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct told told = { 0 };
        struct state_import done;
        struct error err = { 0 };

        fixture_remove_files();
        write_lines(file_path, rows[i].lines, ARRAY_LENGTH(rows[i].lines));
        ASSERT_WORKS(import(STATE_SQLITE, &told, &done, &err), err);
        if (done.bad != rows[i].bad || strstr(told.first, rows[i].words) == NULL)
            fail_msg("%s: %lld bad: %s", rows[i].why, (long long)done.bad, told.first);
    }
}

/* Nothing is made of what is not an export. */
static void test_what_is_no_export(void **unused)
{
    static const struct { const char *why, *line; enum error_kind kind; const char *words; } rows[] = {
        { "an empty file", NULL, ERROR_CONFIG, "is empty" },
        { "words", "!hello", ERROR_CONFIG, "not the head" },
        { "whole, but no JSON", "\"memory_connector\":", ERROR_CONFIG, "not the head" },
        { "another head", "\"lightrag\":1", ERROR_CONFIG, "not the head" },
        { "a head of another kind", "\"memory_connector\":\"cache\",\"schema\":6,\"generation\":0", ERROR_CONFIG, "not the head" },
        { "a kind that is no word", "\"memory_connector\":7,\"schema\":6,\"generation\":0", ERROR_CONFIG, "not the head" },
        { "no schema", "\"memory_connector\":\"state\",\"generation\":0", ERROR_CONFIG, "not the head" },
        { "a schema that never was", "\"memory_connector\":\"state\",\"schema\":1000000,\"generation\":0", ERROR_CONFIG, "not the head" },
        { "a generation before the first", "\"memory_connector\":\"state\",\"schema\":6,\"generation\":-1", ERROR_CONFIG, "not the head" },
        { "a schema of tomorrow", "\"memory_connector\":\"state\",\"schema\":8,\"generation\":0", ERROR_CONFIG, "newer release" },
        { "a journal", "\"memory_connector\":\"journal\",\"schema\":6,\"generation\":1", ERROR_CONFIG, "a journal" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct state_import done;
        struct error err = { 0 };

        write_lines(file_path, &rows[i].line, 1);
        assert_int_equal(import(STATE_SQLITE, NULL, &done, &err), -1);
        if (err.kind != rows[i].kind || strstr(err.message, rows[i].words) == NULL || strstr(err.message, file_path) == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
        assert_int_equal(access(fixture_path, F_OK), -1);
    }
}

/* Every kind of value goes out as a line and comes back with the same bytes. */
static void test_values_and_back(void **unused)
{
    static const char sql[] = "INSERT INTO newer(seq, text, revision) SELECT column1, column2, x'' FROM (VALUES(1, 'plain'), (2, CAST(x'ff00' AS TEXT)), (3, x'41'), (4, ''), (5, 'a' || char(0) || 'b'), (6, x''));"
                              "INSERT INTO letters SELECT 1,1,0,0,0,0,'sixteen letters!',0,'',0,0,0,0,0,0,NULL; INSERT INTO letters SELECT 2,1,0,0,0,0,zeroblob(16),0,'',0,0,0,0,0,0,x'';"
                              "INSERT INTO marks VALUES(1, 2, -9223372036854775808), (1, 3, 9223372036854775807)";
    static const char look[] = "SELECT (SELECT group_concat(seq || hex(CAST(text AS BLOB))) FROM newer) || (SELECT group_concat(typeof(fingerprint) || hex(fingerprint) || typeof(raw)) "
                               "FROM letters) || (SELECT group_concat(value) FROM marks)";
    char *seen[2];

    (void)unused;
    for (int round = 0; round < 2; round++) {
        const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .reader = round == 1, .now_ms = 1 };
        struct state *state = NULL;
        sqlite3_stmt *statement = NULL;
        struct error err = { 0 };
        ASSERT_WORKS(state_open(&settings, &state, &err), err);
        if (round == 0) {
            ASSERT_WORKS(state_begin(state, &err), err);
            assert_int_equal(sqlite3_exec(state->db, sql, NULL, NULL, NULL), SQLITE_OK);
            ASSERT_WORKS(state_commit(state, &err), err);
        }
        assert_int_equal(sqlite3_prepare_v2(state->db, look, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        seen[round] = mem_copy_string((const char *)sqlite3_column_text(statement, 0));
        (void)sqlite3_finalize(statement);
        state_free(state);
    }
    assert_string_equal(seen[0], seen[1]);
    mem_free(seen[0]);
    mem_free(seen[1]);
}

/* A row whose key changes becomes another one, one that is set to what it is says nothing. */
static void test_changes_of_rows(void **unused)
{
    static const char *const steps[] = {
        "INSERT INTO marks VALUES(1, 1, 5), (2, 1, 6); INSERT INTO newer VALUES(1, x'', 'x')", "UPDATE marks SET owner=9 WHERE owner=1", "UPDATE marks SET value=6 WHERE owner=2",
        "UPDATE newer SET text=x'78'", "UPDATE newer SET text='y'", "UPDATE newer SET text=''", "DELETE FROM marks WHERE owner=2", "INSERT OR REPLACE INTO marks VALUES(9, 1, 7)",
    };
    struct state *state;
    struct error err = { 0 };
    const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .now_ms = 1 };
    int64_t number = 0;

    (void)unused;
    ASSERT_WORKS(state_open(&settings, &state, &err), err);
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        ASSERT_WORKS(state_begin(state, &err), err);
        assert_int_equal(sqlite3_exec(state->db, steps[i], NULL, NULL, NULL), SQLITE_OK);
        ASSERT_WORKS(state_commit(state, &err), err);
    }
    state_free(state);
    ASSERT_WORKS(state_open(&settings, &state, &err), err);
    ASSERT_WORKS(state_ask(state, "SELECT count(*) FROM marks WHERE owner=9 AND value=7", "", &number, &err), err);
    assert_int_equal(number, 1);
    ASSERT_WORKS(state_ask(state, "SELECT (SELECT count(*) FROM marks) + (SELECT count(*) FROM newer WHERE text='')", "", &number, &err), err);
    assert_int_equal(number, 2);
    state_free(state);
}

/* ---- A folder of them ---- */

#define SNAPSHOT "\"memory_connector\":\"state\",\"schema\":6,\"generation\":1,\"made\":null"
#define JOURNAL "\"memory_connector\":\"journal\",\"schema\":6,\"generation\":1,\"made\":null"
#define COMMIT(number, row) "\"commit\":" number ",\"rows\":[" row "]"
#define PUT_MARK "[\"put\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":3}]"

static void test_lines_that_do_not_fit(void **unused)
{
    static const struct { const char *why, *snapshot[4], *journal[4], *words; } rows[] = {
        { "", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", PUT_MARK), COMMIT("2", "[\"set\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":4}]"),
                                           COMMIT("3", "[\"drop\",\"marks\",{\"owner\":1,\"kind\":2}]") }, NULL },
        { "an empty snapshot", { NULL }, { JOURNAL }, "is empty: it was cut" },
        { "an empty journal", { SNAPSHOT, "\"end\":0" }, { NULL }, "is empty: it was cut" },
        { "a snapshot of another generation", { "\"memory_connector\":\"state\",\"schema\":6,\"generation\":2", "\"end\":0" }, { JOURNAL }, "another file than its name says" },
        { "a journal as a snapshot", { JOURNAL }, { JOURNAL }, "another file than its name says" },
        { "a snapshot as a journal", { SNAPSHOT, "\"end\":0" }, { SNAPSHOT }, "another file than its name says" },
        { "a journal of another schema", { SNAPSHOT, "\"end\":0" }, { "\"memory_connector\":\"journal\",\"schema\":5,\"generation\":1" }, "belongs to another snapshot" },
        { "something behind the end", { SNAPSHOT, "\"end\":0", TEXT("1", "\"x\"") }, { JOURNAL }, "behind its last line" },
        { "a bad line", { SNAPSHOT, "!{}", "\"end\":1" }, { JOURNAL }, "cut or altered" },
        { "no end", { SNAPSHOT }, { JOURNAL }, "its end is missing" },
        { "a transaction too many", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", PUT_MARK), COMMIT("1", PUT_MARK) }, "it is number 1 where 2 should be" },
        { "a transaction without a number", { SNAPSHOT, "\"end\":0" }, { JOURNAL, "\"rows\":[]" }, "it is number 0 where 1 should be" },
        { "a transaction that is no JSON", { SNAPSHOT, "\"end\":0" }, { JOURNAL, "\"commit\":" }, "it is number 0 where 1 should be" },
        { "a transaction without rows", { SNAPSHOT, "\"end\":0" }, { JOURNAL, "\"commit\":1" }, "it has no rows" },
        { "a change of a row that is not there", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", "[\"set\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":4}]") }, "is not there" },
        { "a change of nothing", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", PUT_MARK ",[\"set\",\"marks\",{\"owner\":1,\"kind\":2}]") }, "other columns" },
        { "a change without its key", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", PUT_MARK ",[\"set\",\"marks\",{\"owner\":1,\"value\":2}]") }, "other columns" },
        { "a removal of too much", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", PUT_MARK ",[\"drop\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":3}]") }, "other columns" },
        { "another verb", { SNAPSHOT, "\"end\":0" }, { JOURNAL, COMMIT("1", "[\"add\",\"marks\",{\"owner\":1,\"kind\":2,\"value\":3}]") }, "put, set and drop" },
        { "a line without a beginning, and others", { SNAPSHOT, "\"end\":0" }, { JOURNAL, "!", COMMIT("1", PUT_MARK) }, "others follow it" },
        { "two lines in one", { SNAPSHOT, "\"end\":0" }, { JOURNAL, "!{\"crc\":\"0{\"crc\":\"1" }, "others follow it" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *snapshot = state_json_name(fixture_path, "snapshot", 1, ""), *journal = state_json_name(fixture_path, "journal", 1, "");
        const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .now_ms = 1 };
        struct state *state = NULL;
        struct error err = { 0 };
        struct stat before, after;

        fixture_remove_files();
        assert_int_equal(mkdir(fixture_path, 0700), 0);
        write_lines(snapshot, rows[i].snapshot, ARRAY_LENGTH(rows[i].snapshot));
        write_lines(journal, rows[i].journal, ARRAY_LENGTH(rows[i].journal));
        assert_int_equal(stat(journal, &before), 0);
        if (rows[i].words == NULL) {
            ASSERT_WORKS(state_open(&settings, &state, &err), err);
            state_free(state);
            continue;
        }
        assert_int_equal(state_open(&settings, &state, &err), -1);
        if (strstr(err.message, rows[i].words) == NULL || strstr(err.message, fixture_path) == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
        assert_int_equal(stat(journal, &after), 0);
        assert_int_equal(after.st_size, before.st_size); /* nothing was changed */
        assert_int_equal(state_open(&settings, &state, NULL), -1); /* who asks for no words gets none */
    }
}

/* What else can lie in a folder, and what is made of it. */
static void test_names_in_a_folder(void **unused)
{
    static const struct { const char *why, *names[4]; int64_t generation; const char *words; } rows[] = {
        { "nothing", { NULL }, 0, "" },
        { "two generations", { "snapshot-000001.jsonl", "snapshot-000002.jsonl", "journal-000002.jsonl" }, 2, "" },
        { "a journal that was just begun", { "snapshot-000001.jsonl", "journal-000001.jsonl", "journal-000002.jsonl" }, 1, "" },
        { "what passes", { "lock", "snapshot-000003.jsonl.new", "journal-000001.jsonl.torn", "snapshot-000001.jsonl.schema-1.backup" }, 0, "" },
        { "a generation of many digits", { "snapshot-123456789012345.jsonl" }, 123456789012345, "" },
        { "one of too many", { "snapshot-1234567890123456.jsonl" }, -1, "snapshot-1234567890123456.jsonl" },
        { "one of too few", { "snapshot-00001.jsonl" }, -1, "snapshot-00001.jsonl" },
        { "another ending", { "snapshot-000001.jsonl~" }, -1, "a folder with other files" },
        { "another beginning", { "snapshots-000001.jsonl" }, -1, "a folder with other files" },
        { "a name without a number", { "snapshot" }, -1, "a folder with other files" },
        { "a number with a letter", { "snapshot-00000x.jsonl" }, -1, "a folder with other files" },
        { "a name of one letter", { "x" }, -1, "a folder with other files (x)" },
        { "another program's", { "notes.txt", "a.json", "more.txt" }, -1, "JSON files of another program (a.json)" },
        { "a journal and no snapshot", { "journal-000002.jsonl" }, -1, "its snapshot is gone" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t generation = -1;
        struct error err = { 0 };

        fixture_remove_files();
        assert_int_equal(mkdir(fixture_path, 0700), 0);
        for (size_t k = 0; k < ARRAY_LENGTH(rows[i].names) && rows[i].names[k] != NULL; k++) {
            AUTO_STRING char *path = mem_format("%s/%s", fixture_path, rows[i].names[k]);
            write_lines(path, NULL, 0);
        }
        if (state_json_inspect(fixture_path, &generation, &err) < 0)
            generation = -1;
        if (generation != rows[i].generation || strstr(err.message, rows[i].words) == NULL)
            fail_msg("%s: %lld: %s", rows[i].why, (long long)generation, err.message);
        assert_int_equal(state_json_is_there(fixture_path), rows[i].generation > 0);
    }
}

/* A journal that holds more than its head was acknowledged, whatever it is that it holds. */
static void test_a_journal_alone(void **unused)
{
    AUTO_STRING char *snapshot = state_json_name(fixture_path, "snapshot", 1, ""), *journal = state_json_name(fixture_path, "journal", 2, "");
    AUTO_DONE(text) struct text long_line = { 0 };
    int64_t generation;
    struct error err = { 0 };

    (void)unused;
    text_init(&long_line, 0);
    (void)text_append_char(&long_line, '!');
    for (int i = 0; i < 2000; i++)
        (void)text_append_char(&long_line, 'x');
    assert_int_equal(mkdir(fixture_path, 0700), 0);
    write_lines(snapshot, (const char *const[]){ SNAPSHOT }, 1);
    write_lines(journal, (const char *const[]){ JOURNAL }, 1);
    ASSERT_WORKS(state_json_inspect(fixture_path, &generation, &err), err);
    write_lines(journal, (const char *const[]){ JOURNAL, "!x" }, 2);
    assert_int_equal(state_json_inspect(fixture_path, &generation, &err), -1);
    write_lines(journal, (const char *const[]){ long_line.data }, 1);
    assert_int_equal(state_json_inspect(fixture_path, &generation, &err), -1);
    assert_non_null(strstr(err.message, "journal-000002.jsonl is there, its snapshot is gone"));
    (void)unlink(journal);
    assert_int_equal(symlink("nowhere", journal), 0); /* cannot be read */
    ASSERT_WORKS(state_json_inspect(fixture_path, &generation, &err), err);
}

static void test_a_place_that_cannot_be_reached(void **unused)
{
    AUTO_STRING char *under = mem_format("%s/state", file_path);
    const struct state_settings settings = { .backend = STATE_JSON, .path = under, .now_ms = 1 };
    const struct state_settings reader = { .backend = STATE_JSON, .path = under, .reader = true };
    struct state *state = NULL;
    int64_t generation;
    struct error err = { 0 };

    (void)unused;
    write_lines(file_path, NULL, 0);
    assert_int_equal(state_json_inspect(under, &generation, &err), -1);
    assert_non_null(strstr(err.message, "cannot be reached"));
    assert_false(state_json_is_there(under));
    assert_false(state_json_is_there(file_path));
    assert_int_equal(state_open(&settings, &state, &err), -1);
    assert_int_equal(state_open(&reader, &state, &err), -1); /* tried often: files may have come and gone */
    assert_non_null(strstr(err.message, "cannot be reached"));
    assert_int_equal(state_open(&reader, &state, NULL), -1);
}

/* Tables are asked of SQLite: what a release could add by mistake is refused instead of being left out. */
static void test_tables_that_do_not_fit(void **unused)
{
    static const struct { const char *why; int tables, columns; const char *key; bool fits; } rows[] = {
        { "as many as there can be", ROWS_TABLES, ROWS_COLUMNS, " PRIMARY KEY", true },
        { "a table too many", ROWS_TABLES + 1, 2, " PRIMARY KEY", false },
        { "a column too many", 1, ROWS_COLUMNS + 1, " PRIMARY KEY", false },
        { "no key", 1, 2, "", false },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error err = { 0 };
        sqlite3 *db = NULL;
        struct rows shape;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        for (int table = 0; table < rows[i].tables; table++) {
            AUTO_DONE(text) struct text sql = { 0 };
            text_init(&sql, 0);
            (void)text_append_format(&sql, "CREATE TABLE t%d(c0 INTEGER%s", table, rows[i].key);
            for (int column = 1; column < rows[i].columns; column++)
                (void)text_append_format(&sql, ", c%d", column);
            (void)text_append(&sql, ")");
            assert_int_equal(sqlite3_exec(db, sql.data, NULL, NULL, NULL), SQLITE_OK);
        }
        if ((rows_init(&shape, db, &err) == 0) != rows[i].fits)
            fail_msg("%s: %s", rows[i].why, err.message);
        rows_done(&shape);
        (void)sqlite3_close(db);
    }
}

/* Only triggers and dumps of ours call it, with values for each column. */
static void test_calls_of_the_function(void **unused)
{
    static const struct { const char *call, *written; } rows[] = {
        { "mc_row(0, 0, 1, 2)", "[\"put\",\"t\",{\"k\":1,\"v\":2}]" }, { "mc_row(1, 0, 1, 3, 1, 2)", "[\"set\",\"t\",{\"k\":1,\"v\":3}]" },
        { "mc_row(1, 0, 1, 2, 1, 2)", "" }, { "mc_row(2, 0, 1, 2)", "[\"drop\",\"t\",{\"k\":1}]" }, { "mc_row(0, 1, 1, 2)", NULL }, { "mc_row(0, -1, 1, 2)", NULL },
        { "mc_row(0, 0, 1)", NULL }, { "mc_row(1, 0, 1, 2)", NULL }, { "mc_row(0, 0, 1, printf('%.*c', 2000, 'x'))", NULL },
    };
    struct error err = { 0 };
    struct rows shape;
    struct text out;
    struct dump_sink sink = { .rows = &shape, .out = &out };
    sqlite3 *db = NULL;

    (void)unused;
    text_init(&out, 1000);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(k INTEGER PRIMARY KEY, v)", NULL, NULL, NULL), SQLITE_OK);
    ASSERT_WORKS(rows_init(&shape, db, &err), err);
    ASSERT_WORKS(dump_make_function(db, &sink, &err), err);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *sql = mem_format("SELECT %s", rows[i].call);
        text_clear(&out);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, rows[i].written != NULL);
        if (rows[i].written != NULL)
            assert_string_equal(out.data, rows[i].written);
    }
    rows_done(&shape);
    (void)sqlite3_close(db);
    text_done(&out);
}

/* A line of an export that is larger than what is read of it at once; and one that is larger than a line may be. */
static void test_a_line_that_is_too_long(void **unused)
{
    const char *const lines[] = { HEAD, MARK("1"), "\"end\":1" };
    struct line_reader reader;
    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline;
    struct error err = { 0 };
    int fd;

    (void)unused;
    write_lines(file_path, lines, ARRAY_LENGTH(lines));
    fd = open(file_path, O_RDONLY | O_CLOEXEC);
    line_reader_init(&reader, file_path, fd);
    reader.buffer.maximum = 50;
    assert_int_equal(line_reader_next(&reader, &line, &size, &offset, &has_newline, &err), -1);
    assert_non_null(strstr(err.message, "a line of more than 50 bytes begins at byte 0"));
    line_reader_done(&reader);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_lines_of_an_export, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_ends_of_an_export, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_export, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_values_and_back, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_changes_of_rows, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_lines_that_do_not_fit, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_tables_that_do_not_fit, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_calls_of_the_function, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_line_that_is_too_long, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_names_in_a_folder, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_journal_alone, name_places, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_place_that_cannot_be_reached, name_places, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
