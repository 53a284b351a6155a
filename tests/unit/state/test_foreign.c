/* What earlier programs kept: each shape that is taken, each that is not, and files that were cut or altered: whatever they hold, they are read or refused, and never written. */
#include "state_fixture.h"

#include "state/state_foreign.h"

#include <stdint.h>

enum { FLIPS = 400 };

struct told {
    int count;
    char all[4096];
};

static void tell(void *context, const char *place, const char *why)
{
    struct told *told = context;
    size_t used = strlen(told->all);

    told->count++;
    (void)snprintf(told->all + used, sizeof told->all - used, "%s: %s\n", place, why);
}

static void put(const void *bytes, size_t size)
{
    int fd = open(fixture_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    (void)close(fd);
}

/* "connector/context=id,id!failed*syncs " for each list. */
static void write_lists(const struct foreign *foreign, struct text *out)
{
    for (size_t i = 0; i < foreign->count; i++) {
        const struct foreign_list *list = &foreign->lists[i];
        (void)text_append_format(out, "%s%s/%s=", i > 0 ? " " : "", list->connector, list->context);
        for (size_t k = 0; k < list->count; k++) {
            (void)text_append(out, k > 0 ? "," : "");
            (void)text_append_bytes(out, list->ids[k].data, list->ids[k].size);
        }
        (void)text_append_format(out, "!%lld*%lld", (long long)list->failed, (long long)list->syncs);
    }
}

static void test_shapes(void **unused)
{
    static const struct { const char *why, *json, *lists, *told; int bad; } rows[] = {
        { "as the Go program writes it", "{\"connector_id\":\"a\",\"context_id\":\"c\",\"processed_ids\":{\"m2\":true,\"m1\":true},\"total_sync_count\":7}", "a/c=m1,m2!0*7", "", 0 },
        { "a set that was never filled", "{\"connector_id\":\"a\",\"context_id\":\"c\",\"processed_ids\":null}", "a/c=!0*0", "", 0 },
        { "false is not in the set", "{\"connector_id\":\"a\",\"processed_ids\":{\"m1\":false,\"m2\":true}}", "a/=m2!0*0", "", 0 },
        { "an array, as a comment there says", "{\"connector_id\":\"a\",\"processed_ids\":[\"m2\",\"m1\",\"m2\"]}", "a/=m1,m2!0*0", "", 0 },
        { "failed, and accepted later", "{\"connector_id\":\"a\",\"processed_ids\":{\"m1\":true},\"failed_items\":[{\"memory_id\":\"m1\"},{\"memory_id\":\"m9\"},{\"memory_id\":\"m9\"}]}",
          "a/=m1!1*0", "", 0 },
        { "nothing but failures", "{\"connector_id\":\"a\",\"failed_items\":[{\"memory_id\":\"m1\"}]}", "a/=!1*0", "", 0 },
        { "several in one file", "[{\"connector_id\":\"a\",\"processed_ids\":[\"x\"]},{\"connector_id\":\"b\",\"processed_ids\":[\"y\"]}]", "a/=x!0*0 b/=y!0*0", "", 0 },
        { "the design document", "{\"connectors\":{\"a\":{\"contexts\":{\"c\":{\"processed_memory_ids\":[\"m1\"],\"failed_memory_ids\":{\"m1\":\"x\",\"m2\":\"y\"}},\"d\":{}}}}}",
          "a/c=m1!1*0 a/d=!0*0", "", 0 },
        { "it says when it synced", "{\"connectors\":{\"a\":{\"contexts\":{\"c\":{\"last_sync_timestamp\":\"2025-12-20T09:14:05Z\"},\"d\":{\"last_sync_timestamp\":null}}}}}", "a/c=!0*1 a/d=!0*0", "", 0 },
        { "a connector without a name", "{\"connectors\":{\"\":{\"contexts\":{\"c\":{}}},\"a\":{\"contexts\":{\"c\":{}}}}}", "a/c=!0*0", "connector 1 of it has no name", 1 },
        { "contexts that are none", "{\"connectors\":{\"b\":{\"contexts\":[]},\"d\":7,\"a\":{\"contexts\":{\"c\":7}}}}", "a/c=!0*0", "no contexts", 2 },
        { "a byte order mark", "\xEF\xBB\xBF{\"connector_id\":\"a\",\"processed_ids\":[\"m1\"]}", "a/=m1!0*0", "", 0 },
        { "room before it", " \t\r\n[{\"connector_id\":\"a\",\"processed_ids\":[\"m1\"]}]", "a/=m1!0*0", "", 0 },
        { "lists of nothing", "[{\"connector_id\":\"a\",\"processed_ids\":[],\"failed_items\":{}},{\"connector_id\":\"b\",\"processed_ids\":{},\"failed_items\":null}]", "a/=!0*0 b/=!0*0", "", 0 },
        { "a name that is none", "[{\"connector_id\":7,\"processed_ids\":[]},{\"connector_id\":\"\",\"processed_ids\":[]},7,{\"connector_id\":\"a\",\"failed_items\":[]}]", "a/=!0*0", "no connector_id", 3 },
        { "fewer than no runs", "{\"connector_id\":\"a\",\"processed_ids\":[],\"total_sync_count\":-4}", "a/=!0*0", "", 0 },
        { "ids are bytes", "{\"connector_id\":\"a\",\"processed_ids\":[\"\\u00e9\",\"e\",\"a b/c\"]}", "a/=a b/c,e,\xC3\xA9!0*0", "", 0 },
        { "prefixes are others", "{\"connector_id\":\"a\",\"processed_ids\":[\"m11\",\"m1\",\"m\"]}", "a/=m,m1,m11!0*0", "", 0 },
        { "elements that are none", "{\"connector_id\":\"a\",\"processed_ids\":{\"m1\":1,\"\":true,\"m2\":true},\"failed_items\":[7]}", "a/=m2!0*0", "element 1 is neither", 3 },
        { "lists that are none", "{\"connector_id\":\"a\",\"processed_ids\":\"m1\",\"failed_items\":3}", "a/=!0*0", "is no list", 2 },
        { "no name", "[{\"processed_ids\":[\"x\"]},{\"connector_id\":\"a\",\"processed_ids\":[\"x\"]}]", "a/=x!0*0", "no connector_id", 1 },
        { "only numbers", "[{\"connector_id\":\"b\",\"processed_count\":8},{\"connector_id\":\"a\",\"processed_ids\":[]}]", "a/=!0*0", "and not which", 1 },
        { "a name and no contexts", "{\"connectors\":{\"b\":{},\"a\":{\"contexts\":{\"c\":{}}}}}", "a/c=!0*0", "no contexts", 1 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct told told = { 0 };
        AUTO_DONE(foreign) struct foreign foreign = { .tell = tell, .context = &told };
        AUTO_DONE(text) struct text lists = { 0 };
        enum foreign_shape shape;
        struct error err = { 0 };

        text_init(&lists, 0);
        put(rows[i].json, strlen(rows[i].json));
        ASSERT_WORKS(foreign_recognise(fixture_path, &shape, &err), err);
        assert_int_equal(shape, FOREIGN_JSON);
        ASSERT_WORKS(foreign_read(&foreign, fixture_path, shape, &err), err);
        write_lists(&foreign, &lists);
        if (strcmp(lists.data, rows[i].lists) != 0 || told.count != rows[i].bad || foreign.bad != rows[i].bad || strstr(told.all, rows[i].told) == NULL)
            fail_msg("%s: %s, %d told: %s", rows[i].why, lists.data, told.count, told.all);
    }
}

static void test_a_list_of_every_length_of_ids(void **unused)
{
    static const size_t sizes[] = { 1, 2, MEMORY_ID_MAXIMUM, MEMORY_ID_MAXIMUM + 1 };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        AUTO_DONE(foreign) struct foreign foreign = { 0 };
        AUTO_DONE(text) struct text json = { 0 };
        struct error err = { 0 };

        text_init(&json, 0);
        (void)text_append(&json, "{\"connector_id\":\"a\",\"processed_ids\":[\"");
        for (size_t k = 0; k < sizes[i]; k++)
            (void)text_append_char(&json, 'x');
        (void)text_append(&json, "\"]}");
        put(json.data, json.size);
        ASSERT_WORKS(foreign_read(&foreign, fixture_path, FOREIGN_JSON, &err), err); /* nobody is told: that is allowed */
        assert_int_equal(foreign.lists[0].count, sizes[i] <= MEMORY_ID_MAXIMUM);
        assert_int_equal(foreign.bad, sizes[i] > MEMORY_ID_MAXIMUM);
    }
}

/* ---- What is none ---- */

/* -1: refused. */
static int shape_of(const char *path, struct error *err)
{
    enum foreign_shape shape = FOREIGN_EXPORT;

    *err = (struct error){ 0 };
    return foreign_recognise(path, &shape, err) < 0 ? -1 : (int)shape;
}

static void test_what_a_file_is(void **unused)
{
    static const char header[100] = "SQLite format 3";
    static const struct { const char *why, *bytes; size_t size; enum foreign_shape shape; } rows[] = {
        { "nothing", "", 0, FOREIGN_EXPORT },
        { "room", " \n", 2, FOREIGN_EXPORT },
        { "words", "hello", 5, FOREIGN_EXPORT },
        { "one of our lines", "{\"crc\":\"00000000\"", 17, FOREIGN_EXPORT },
        { "the beginning of one", "{\"cr", 4, FOREIGN_JSON },
        { "a mark and no more", "\xEF\xBB\xBF", 3, FOREIGN_EXPORT },
        { "half a mark", "\xEF\xBB{", 3, FOREIGN_EXPORT },
        { "a list", "[]", 2, FOREIGN_JSON },
        { "a database", header, sizeof header, FOREIGN_SQLITE },
        { "the beginning of a database", header, 16, FOREIGN_SQLITE },
        { "less than the beginning", header, 15, FOREIGN_EXPORT },
    };
    struct error err;

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        put(rows[i].bytes, rows[i].size);
        if (shape_of(fixture_path, &err) != (int)rows[i].shape)
            fail_msg("%s: %s", rows[i].why, err.message);
    }
    assert_int_equal(shape_of("/dev/null/none", &err), -1);
    assert_int_equal(shape_of("/dev/null", &err), FOREIGN_EXPORT); /* a pipe or the like, which cannot be read twice */
    assert_int_equal(shape_of(fixture_folder, &err), FOREIGN_JSON);
    for (int backend = 0; backend < 2; backend++) { /* ours */
        const struct state_settings settings = { .backend = backend == 0 ? STATE_SQLITE : STATE_JSON, .path = fixture_path, .now_ms = 1 };
        struct state *state = NULL;
        fixture_remove_files();
        ASSERT_WORKS(state_open(&settings, &state, &err), err);
        state_free(state);
        assert_int_equal(shape_of(fixture_path, &err), -1);
        assert_non_null(strstr(err.message, "state export"));
    }
}

static void expect_refused(const char *why, const char *path, enum foreign_shape shape, const char *words)
{
    AUTO_DONE(foreign) struct foreign foreign = { 0 };
    struct error err = { 0 };

    assert_int_equal(foreign_read(&foreign, path, shape, &err), -1);
    if (strstr(err.message, words) == NULL)
        fail_msg("%s: %s", why, err.message);
}

static void test_json_that_is_refused(void **unused)
{
    static const struct { const char *why, *json, *words; } rows[] = {
        { "nothing", "", "is empty: it was cut" },
        { "no JSON", "{", "is cut or no JSON" },
        { "a mark and no JSON", "\xEF\xBB\xBF{", "at byte 4" },
        { "a list of nothing", "[]", "no connector of the Go program" },
        { "connectors that are none", "{\"connectors\":{}}", "no connector of the Go program" },
        { "another file", "{\"name\":1}", "no connector of the Go program" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        put(rows[i].json, strlen(rows[i].json));
        expect_refused(rows[i].why, fixture_path, FOREIGN_JSON, rows[i].words);
    }
    fixture_remove_files();
    expect_refused("a file that is not there", fixture_path, FOREIGN_JSON, "no such file");
    expect_refused("an empty folder", fixture_folder, FOREIGN_JSON, "a folder without JSON files");
    put("{", 1);
    expect_refused("a folder of other files", fixture_folder, FOREIGN_JSON, "a folder without JSON files");
}

/* Of a folder each JSON file is one of theirs; one that is bad is left out with its name, the others are read in the order of theirs. */
static void test_a_folder(void **unused)
{
    static const struct { const char *name, *bytes; } files[] = {
        { "b.json", "{\"connector_id\":\"b\",\"processed_ids\":[\"m2\"]}" }, { "a.json", "{\"connector_id\":\"a\",\"processed_ids\":[\"m1\"]}" },
        { ".json", "{}" }, { "notes", "{}" }, { "c.json", "" }, { "d.json.bak", "{}" },
    };
    struct told told = { 0 };
    AUTO_DONE(foreign) struct foreign foreign = { .tell = tell, .context = &told };
    AUTO_DONE(text) struct text lists = { 0 };
    struct error err = { 0 };

    (void)unused;
    text_init(&lists, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        AUTO_STRING char *path = mem_format("%s/%s", fixture_folder, files[i].name);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, files[i].bytes, strlen(files[i].bytes)), strlen(files[i].bytes));
        (void)close(fd);
    }
    {
        AUTO_STRING char *folder = mem_format("%s/e.json", fixture_folder);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    ASSERT_WORKS(foreign_read(&foreign, fixture_folder, FOREIGN_JSON, &err), err);
    write_lists(&foreign, &lists);
    assert_string_equal(lists.data, "a/=m1!0*0 b/=m2!0*0");
    assert_int_equal(told.count, 2);
    assert_non_null(strstr(told.all, "c.json: is empty"));
    assert_non_null(strstr(told.all, "e.json: is a folder"));
}

/* Tables of an older or newer form, and rows that say nothing. */
static void test_databases(void **unused)
{
    static const struct { const char *why, *sql, *lists, *words; int bad; } rows[] = {
        { "as the Go program makes it", "CREATE TABLE sync_states(connector_id, context_id, processed_ids, failed_items, total_sync_count);"
          "INSERT INTO sync_states VALUES('a', 'c', '{\"m1\":true}', '[{\"memory_id\":\"m2\"}]', 3)", "a/c=m1!1*3", "", 0 },
        { "nothing but what is needed", "CREATE TABLE sync_states(connector_id, processed_ids); INSERT INTO sync_states VALUES('a', '[\"m1\"]')", "a/=m1!0*0", "", 0 },
        { "lists that are not there", "CREATE TABLE sync_states(connector_id, processed_ids, failed_items); INSERT INTO sync_states VALUES('a', NULL, '')", "a/=!0*0", "", 0 },
        { "rows without a name", "CREATE TABLE sync_states(connector_id, processed_ids); INSERT INTO sync_states VALUES(NULL, '[]'), ('', '[]'), ('a', '[\"m1\"]')", "a/=m1!0*0", "no connector_id", 2 },
        { "lists that are no JSON", "CREATE TABLE sync_states(connector_id, processed_ids, failed_items); INSERT INTO sync_states VALUES('a', '[', ''), ('b', '[]', '{'), ('c', '[\"m1\"]', '')",
          "c/=m1!0*0", "no JSON", 2 },
        { "no rows", "CREATE TABLE sync_states(connector_id, processed_ids)", NULL, "no connector of the Go program", 0 },
        { "only numbers", "CREATE TABLE sync_states(connector_id, processed_count)", NULL, "and not which", 0 },
        { "no names", "CREATE TABLE sync_states(processed_ids)", NULL, "not of the Go program", 0 },
        { "another database", "CREATE TABLE other(x)", NULL, "not of the Go program", 0 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct told told = { 0 };
        AUTO_DONE(foreign) struct foreign foreign = { .tell = tell, .context = &told };
        AUTO_DONE(text) struct text lists = { 0 };
        sqlite3 *db = NULL;
        struct error err = { 0 };

        fixture_remove_files();
        text_init(&lists, 0);
        assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, rows[i].sql, NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
        if (rows[i].lists == NULL) {
            expect_refused(rows[i].why, fixture_path, FOREIGN_SQLITE, rows[i].words);
            continue;
        }
        (void)(i % 2 == 0 ? unsetenv("TMPDIR") : setenv("TMPDIR", i % 3 == 0 ? "" : fixture_folder, 1));
        ASSERT_WORKS(foreign_read(&foreign, fixture_path, FOREIGN_SQLITE, &err), err);
        write_lists(&foreign, &lists);
        if (strcmp(lists.data, rows[i].lists) != 0 || told.count != rows[i].bad || strstr(told.all, rows[i].words) == NULL)
            fail_msg("%s: %s, told %s", rows[i].why, lists.data, told.all);
    }
    fixture_remove_files();
    expect_refused("a database that is not there", fixture_path, FOREIGN_SQLITE, "");
}

/* ---- Damage ---- */

static void make_database(void)
{
    sqlite3 *db = NULL;

    (void)unlink(fixture_path);
    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE sync_states(connector_id TEXT PRIMARY KEY, context_id TEXT NOT NULL, last_sync_time TIMESTAMP, processed_ids TEXT,"
                                  " last_sync_report TEXT, failed_items TEXT, total_sync_count INTEGER DEFAULT 0, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"
                                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300)"
                                  " INSERT INTO sync_states(connector_id, context_id, processed_ids, failed_items, total_sync_count)"
                                  " SELECT 'a' || c, 'ctx', (SELECT '{' || group_concat('\"memory' || i || '\":true') || '}' FROM n), '[{\"memory_id\":\"lost\"}]', 5"
                                  " FROM (SELECT 1 AS c UNION ALL SELECT 2 UNION ALL SELECT 3)", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static size_t take_file(char **ret_bytes)
{
    int fd = open(fixture_path, O_RDONLY);
    struct stat facts;

    assert_true(fd >= 0 && fstat(fd, &facts) == 0);
    *ret_bytes = mem_alloc((size_t)facts.st_size);
    assert_int_equal(read(fd, *ret_bytes, (size_t)facts.st_size), facts.st_size);
    (void)close(fd);
    return (size_t)facts.st_size;
}

/* 1: read, 0: refused with a story. What comes is sound, and the file is what it was. */
static int read_damaged(const char *bytes, size_t size)
{
    struct told told = { 0 };
    AUTO_DONE(foreign) struct foreign foreign = { .tell = tell, .context = &told };
    AUTO_STRING char *after = NULL;
    enum foreign_shape shape;
    struct error err = { 0 };
    bool is_read;

    put(bytes, size);
    is_read = foreign_recognise(fixture_path, &shape, &err) == 0 && shape != FOREIGN_EXPORT && foreign_read(&foreign, fixture_path, shape, &err) == 0;
    if (is_read)
        assert_true(foreign.count > 0);
    else
        assert_true(shape == FOREIGN_EXPORT || strstr(err.message, fixture_path) != NULL);
    for (size_t i = 0; i < foreign.count; i++)
        for (size_t k = 0; k < foreign.lists[i].count; k++)
            assert_true(foreign.lists[i].ids[k].size > 0 && foreign.lists[i].ids[k].size <= MEMORY_ID_MAXIMUM);
    assert_int_equal(take_file(&after), size);
    assert_memory_equal(after, bytes, size);
    return is_read;
}

static void damage(const char *bytes, size_t size)
{
    AUTO_STRING char *copy = mem_alloc(size);
    uint32_t random = 20251220;
    int read = 0;

    for (int i = 0; i < FLIPS; i++) {
        size_t cut = size;
        memcpy(copy, bytes, size);
        for (int k = 0; k < 1 + i % 4; k++) {
            random = random * 1664525 + 1013904223;
            copy[random % size] ^= (char)(1 << (random >> 29));
        }
        random = random * 1664525 + 1013904223;
        if (i % 3 == 0)
            cut = random % size;
        read += read_damaged(copy, cut);
    }
    assert_true(read > 0 && read < FLIPS);
}

static void test_a_damaged_database(void **unused)
{
    AUTO_STRING char *bytes = NULL;
    size_t size;

    (void)unused;
    make_database();
    size = take_file(&bytes);
    assert_int_equal(read_damaged(bytes, size), 1);
    damage(bytes, size);
}

static void test_a_damaged_file(void **unused)
{
    AUTO_DONE(text) struct text json = { 0 };

    (void)unused;
    text_init(&json, 0);
    (void)text_append(&json, "{\n  \"connector_id\": \"a\",\n  \"context_id\": \"ctx\",\n  \"processed_ids\": {\n    \"memory0\": true");
    for (int i = 1; i < 60; i++)
        (void)text_append_format(&json, ",\n    \"memory%d\": true", i);
    (void)text_append(&json, "\n  },\n  \"failed_items\": [{\"memory_id\": \"lost\", \"retryable\": true}],\n  \"total_sync_count\": 5\n}");
    assert_int_equal(read_damaged(json.data, json.size), 1);
    damage(json.data, json.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_shapes),
        STATE_TEST(test_a_list_of_every_length_of_ids),
        STATE_TEST(test_what_a_file_is),
        STATE_TEST(test_json_that_is_refused),
        STATE_TEST(test_a_folder),
        STATE_TEST(test_databases),
        STATE_TEST(test_a_damaged_database),
        STATE_TEST(test_a_damaged_file),
    };

    return cmocka_run_group_tests_name("state/foreign", tests, NULL, NULL);
}
