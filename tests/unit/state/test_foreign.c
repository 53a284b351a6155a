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
        STATE_TEST(test_a_damaged_database),
        STATE_TEST(test_a_damaged_file),
    };

    return cmocka_run_group_tests_name("state/foreign", tests, NULL, NULL);
}
