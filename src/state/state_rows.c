#include "state/state_rows.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "state/state_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* ---- What tables there are ---- */

static void copy_name(char out[ROWS_NAME_SIZE], const char *name)
{
    (void)snprintf(out, ROWS_NAME_SIZE, "%s", name);
}

static int fail(sqlite3 *db, const char *what, struct error *err)
{
    state_judge_memory(sqlite3_errcode(db));
    return error_set(err, ERROR_IO, "%s: SQLite says: %s", what, sqlite3_errmsg(db));
}

static int describe(struct rows *rows, struct rows_table *table, struct error *err)
{
    AUTO_STRING char *sql = mem_format("SELECT name, type, pk FROM pragma_table_info('%s')", table->name);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(rows->db, sql, -1, &statement, NULL);

    if (code != SQLITE_OK)
        return fail(rows->db, "reading its columns", err);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && table->columns < ROWS_COLUMNS) {
        int at = table->columns++;
        copy_name(table->column[at], column_string(statement, 0));
        table->is_blob[at] = strcmp(column_string(statement, 1), "BLOB") == 0;
        table->is_key[at] = sqlite3_column_int(statement, 2) > 0;
        table->keys += table->is_key[at];
    }
    (void)sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return fail(rows->db, "reading its columns", err);
    return table->keys > 0 ? 0 : error_set(err, ERROR_IO, "table %s has no key", table->name);
}

int rows_init(struct rows *rows, sqlite3 *db, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;

    *rows = (struct rows){ .db = db };
    if (sqlite3_prepare_v2(db, "SELECT name FROM main.sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name", -1, &statement, NULL) !=
        SQLITE_OK)
        return fail(db, "reading its tables", err);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && rows->tables < ROWS_TABLES)
        copy_name(rows->table[rows->tables++].name, column_string(statement, 0));
    (void)sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return fail(db, "reading its tables", err);
    for (int i = 0; i < rows->tables; i++) {
        if (describe(rows, &rows->table[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- Writing ---- */

static bool is_utf8(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = text_read_character(bytes + at, size - at, &code);
        if (length == 0 || code == 0)
            return false;
        at += length;
    }
    return true;
}

static void write_hex(struct json_writer *writer, const char *key, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    AUTO_DONE(text) struct text hex = { 0 };

    text_init(&hex, 0);
    for (size_t i = 0; i < size; i++) {
        (void)text_append_char(&hex, digits[bytes[i] >> 4]);
        (void)text_append_char(&hex, digits[bytes[i] & 15]);
    }
    json_write_open_object(writer, key);
    json_write_bytes(writer, "hex", hex.data, hex.size);
    json_write_close(writer);
}

static void write_value(struct json_writer *writer, const struct rows_table *table, int at, sqlite3_value *value)
{
    const char *key = table->column[at];
    int type = sqlite3_value_type(value);
    const char *bytes;
    size_t size;

    if (type == SQLITE_NULL) {
        json_write_null(writer, key);
        return;
    }
    if (type == SQLITE_INTEGER) {
        json_write_integer(writer, key, sqlite3_value_int64(value));
        return;
    }
    bytes = type == SQLITE_BLOB ? sqlite3_value_blob(value) : (const char *)sqlite3_value_text(value);
    size = (size_t)sqlite3_value_bytes(value);
    if (bytes == NULL)
        bytes = "";
    if (!is_utf8(bytes, size) || (type == SQLITE_BLOB && !table->is_blob[at])) {
        write_hex(writer, key, (const unsigned char *)bytes, size);
    } else if (type != SQLITE_BLOB && table->is_blob[at]) {
        json_write_open_object(writer, key);
        json_write_bytes(writer, "text", bytes, size);
        json_write_close(writer);
    } else {
        json_write_bytes(writer, key, bytes, size);
    }
}

static void open_row(struct json_writer *writer, const char *verb, const struct rows_table *table, struct text *out)
{
    if (out->size > 0) /* another row */
        (void)text_append_char(out, ',');
    json_write_begin(writer, out);
    json_write_open_array(writer, NULL);
    json_write_string(writer, NULL, verb);
    json_write_string(writer, NULL, table->name);
    json_write_open_object(writer, NULL);
}

static void close_row(struct json_writer *writer)
{
    json_write_close(writer);
    json_write_close(writer);
}

void rows_write_put(const struct rows *rows, int table, sqlite3_value **values, struct text *out)
{
    const struct rows_table *shape = &rows->table[table];
    struct json_writer writer;

    open_row(&writer, "put", shape, out);
    for (int i = 0; i < shape->columns; i++)
        write_value(&writer, shape, i, values[i]);
    close_row(&writer);
}

static bool is_same(sqlite3_value *a, sqlite3_value *b)
{
    int type = sqlite3_value_type(a), size;

    if (type != sqlite3_value_type(b))
        return false;
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    size = sqlite3_value_bytes(a);
    return size == sqlite3_value_bytes(b) && (size == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0);
}

void rows_write_set(const struct rows *rows, int table, sqlite3_value **values, sqlite3_value **before, struct text *out)
{
    const struct rows_table *shape = &rows->table[table];
    struct json_writer writer;
    bool differs[ROWS_COLUMNS];
    bool any = false;

    for (int i = 0; i < shape->columns; i++) {
        differs[i] = !is_same(values[i], before[i]);
        any = any || differs[i];
        if (differs[i] && shape->is_key[i]) { /* it became another row */
            rows_write_drop(rows, table, before, out);
            rows_write_put(rows, table, values, out);
            return;
        }
    }
    if (!any)
        return;
    open_row(&writer, "set", shape, out);
    for (int i = 0; i < shape->columns; i++) {
        if (shape->is_key[i] || differs[i])
            write_value(&writer, shape, i, values[i]);
    }
    close_row(&writer);
}

void rows_write_drop(const struct rows *rows, int table, sqlite3_value **values, struct text *out)
{
    const struct rows_table *shape = &rows->table[table];
    struct json_writer writer;

    open_row(&writer, "drop", shape, out);
    for (int i = 0; i < shape->columns; i++) {
        if (shape->is_key[i])
            write_value(&writer, shape, i, values[i]);
    }
    close_row(&writer);
}

/* ---- Lines ---- */

/* CRC-32 with the polynomial 0xEDB88320, four bits at a time: a table of 64 bytes is fast enough for what a disk takes. */
static uint32_t crc_of(const char *bytes, size_t size)
{
    static const uint32_t half[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
    uint32_t crc = 0xFFFFFFFF;

    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)bytes[i];
        crc = crc >> 4 ^ half[crc & 15];
        crc = crc >> 4 ^ half[crc & 15];
    }
    return ~crc;
}

static const char head_1[] = "{\"crc\":\"", head_2[] = "\",\"size\":";

void rows_frame(struct text *line, const char *inside, size_t size)
{
    (void)text_append_format(line, "%s%08x%s%zu,", head_1, (unsigned)crc_of(inside, size), head_2, size);
    (void)text_append_bytes(line, inside, size);
    (void)text_append(line, "}\n");
}

bool rows_frame_is_whole(const char *line, size_t size)
{
    size_t at = sizeof head_1 - 1, said = 0, digits = 0;
    uint32_t crc = 0;

    if (size < sizeof head_1 - 1 + 8 + sizeof head_2 - 1 + 3 || memcmp(line, head_1, sizeof head_1 - 1) != 0)
        return false;
    for (int i = 0; i < 8; i++, at++) {
        const char *digit = memchr("0123456789abcdef", line[at], 16);
        if (digit == NULL)
            return false;
        crc = crc << 4 | (uint32_t)(strchr("0123456789abcdef", line[at]) - "0123456789abcdef");
    }
    if (memcmp(line + at, head_2, sizeof head_2 - 1) != 0)
        return false;
    for (at += sizeof head_2 - 1; at < size && line[at] >= '0' && line[at] <= '9' && digits < 12; at++, digits++)
        said = said * 10 + (size_t)(line[at] - '0');
    if (digits == 0 || at >= size || line[at] != ',' || size - at - 2 != said || line[size - 1] != '}')
        return false;
    return crc_of(line + at + 1, said) == crc;
}

bool rows_frame_begins(const char *bytes, size_t size)
{
    const char *end = bytes + size;

    for (const char *at = bytes; (size_t)(end - at) >= sizeof head_1 - 1; at++) {
        at = memchr(at, '{', (size_t)(end - at));
        if (at == NULL || (size_t)(end - at) < sizeof head_1 - 1)
            return false;
        if (memcmp(at, head_1, sizeof head_1 - 1) == 0)
            return true;
    }
    return false;
}

/* ---- Loading ---- */

enum verb { VERB_PUT, VERB_SET, VERB_DROP, VERB_ADD }; /* ADD: a PUT where nothing is */

struct rows_statement {
    sqlite3_stmt *statement;
    uint64_t columns;             /* a bit for each one that the row names */
    int table;
    enum verb verb;
};

void rows_done(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        (void)sqlite3_finalize(rows->statements[i].statement);
    mem_free(rows->statements);
    *rows = (struct rows){ 0 };
}

static bool is_whole_row(enum verb verb)
{
    return verb == VERB_PUT || verb == VERB_ADD;
}

static bool text_has_row(const struct rows_table *table, uint64_t columns, int at, enum verb verb, bool of_keys)
{
    return (columns >> at & 1) != 0 && (is_whole_row(verb) || table->is_key[at] == of_keys);
}

/* Parameter n is column n-1, whatever its place in the statement. */
static void list_columns(struct text *sql, const struct rows_table *table, uint64_t columns, enum verb verb, bool of_keys, const char *between, bool with_values)
{
    bool is_first = true;

    for (int i = 0; i < table->columns; i++) {
        if (!text_has_row(table, columns, i, verb, of_keys))
            continue;
        (void)text_append_format(sql, with_values ? "%s\"%s\"=?%d" : "%s\"%s\"", is_first ? "" : between, table->column[i], i + 1);
        is_first = false;
    }
}

static void write_sql(struct text *sql, const struct rows_table *table, uint64_t columns, enum verb verb)
{
    if (is_whole_row(verb)) {
        (void)text_append_format(sql, verb == VERB_ADD ? "INSERT INTO \"%s\"(" : "INSERT OR REPLACE INTO \"%s\"(", table->name);
        list_columns(sql, table, columns, verb, false, ",", false);
        (void)text_append(sql, ") VALUES(");
        for (int i = 0; i < table->columns; i++)
            (void)text_append_format(sql, "%s?%d", i > 0 ? "," : "", i + 1);
        (void)text_append(sql, ")");
        return;
    }
    (void)text_append_format(sql, verb == VERB_SET ? "UPDATE \"%s\" SET " : "DELETE FROM \"%s\"", table->name);
    if (verb == VERB_SET)
        list_columns(sql, table, columns, verb, false, ",", true);
    (void)text_append(sql, " WHERE ");
    list_columns(sql, table, columns, verb, true, " AND ", true);
}

static sqlite3_stmt *find_statement(struct rows *rows, int table, uint64_t columns, enum verb verb, struct error *err)
{
    AUTO_DONE(text) struct text sql = { 0 };
    struct rows_statement *row;

    for (size_t i = 0; i < rows->count; i++) {
        row = &rows->statements[i];
        if (row->table == table && row->columns == columns && row->verb == verb)
            return row->statement;
    }
    text_init(&sql, 0);
    write_sql(&sql, &rows->table[table], columns, verb);
    rows->statements = mem_grow(rows->statements, rows->count, &rows->capacity, sizeof *rows->statements);
    row = &rows->statements[rows->count];
    *row = (struct rows_statement){ .columns = columns, .table = table, .verb = verb };
    if (sqlite3_prepare_v3(rows->db, sql.data, (int)sql.size, SQLITE_PREPARE_PERSISTENT, &row->statement, NULL) != SQLITE_OK) {
        (void)fail(rows->db, sql.data, err);
        return NULL;
    }
    rows->count++;
    return row->statement;
}

struct cell {
    const void *bytes;            /* NULL: number, or nothing at all */
    size_t size;
    int64_t number;
    unsigned char *owned;         /* to be freed */
    int type;                     /* of SQLite */
};

static int read_hex(const char *hex, size_t size, struct cell *ret_cell)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char *bytes;

    if (size % 2 != 0)
        return -1;
    bytes = mem_alloc(size / 2 + 1);
    for (size_t i = 0; i < size; i++) {
        const char *digit = memchr(digits, hex[i], 16);
        if (digit == NULL) {
            mem_free(bytes);
            return -1;
        }
        bytes[i / 2] = (unsigned char)(bytes[i / 2] << 4 | (unsigned char)(digit - digits));
    }
    *ret_cell = (struct cell){ .bytes = bytes, .size = size / 2, .owned = bytes, .type = SQLITE_BLOB };
    return 0;
}

static int read_cell(yyjson_val *value, bool is_blob, struct cell *ret_cell)
{
    yyjson_val *hex, *text;

    *ret_cell = (struct cell){ .type = SQLITE_NULL };
    if (yyjson_is_null(value))
        return 0;
    if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX)) {
        *ret_cell = (struct cell){ .number = yyjson_get_sint(value), .type = SQLITE_INTEGER };
        return 0;
    }
    if (yyjson_is_str(value)) {
        *ret_cell = (struct cell){ .bytes = yyjson_get_str(value), .size = yyjson_get_len(value), .type = is_blob ? SQLITE_BLOB : SQLITE_TEXT };
        return 0;
    }
    hex = yyjson_obj_get(value, "hex"); /* NULL when value is no object */
    text = yyjson_obj_get(value, "text");
    if (yyjson_obj_size(value) != 1 || (!yyjson_is_str(hex) && !yyjson_is_str(text)))
        return -1;
    if (hex != NULL)
        return read_hex(yyjson_get_str(hex), yyjson_get_len(hex), ret_cell);
    *ret_cell = (struct cell){ .bytes = yyjson_get_str(text), .size = yyjson_get_len(text), .type = SQLITE_TEXT };
    return 0;
}

static int bind_cell(sqlite3_stmt *statement, int at, const struct cell *cell)
{
    if (cell->type == SQLITE_NULL)
        return sqlite3_bind_null(statement, at);
    if (cell->type == SQLITE_INTEGER)
        return sqlite3_bind_int64(statement, at, cell->number);
    if (cell->type == SQLITE_TEXT)
        return sqlite3_bind_text64(statement, at, cell->bytes, cell->size, SQLITE_TRANSIENT, SQLITE_UTF8);
    return cell->size == 0 ? sqlite3_bind_zeroblob(statement, at, 0) : sqlite3_bind_blob64(statement, at, cell->bytes, cell->size, SQLITE_TRANSIENT);
}

static int find_table(const struct rows *rows, const char *name)
{
    for (int i = 0; name != NULL && i < rows->tables; i++) {
        if (strcmp(rows->table[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Written in the order of the columns, so the next one is looked at first. */
static int find_column(const struct rows_table *table, const char *name, int from)
{
    for (int i = 0; i < table->columns; i++) {
        int at = (from + i) % table->columns;
        if (strcmp(table->column[at], name) == 0)
            return at;
    }
    return -1;
}

static int read_row(const struct rows_table *table, yyjson_val *object, yyjson_val *ret_values[ROWS_COLUMNS], uint64_t *ret_columns)
{
    yyjson_obj_iter each;
    yyjson_val *key;
    uint64_t columns = 0;
    int at = -1;

    if (!yyjson_is_obj(object))
        return -1;
    yyjson_obj_iter_init(object, &each);
    while ((key = yyjson_obj_iter_next(&each)) != NULL) {
        at = find_column(table, yyjson_get_str(key), at + 1);
        if (at < 0 || (columns >> at & 1) != 0)
            return -1;
        columns |= (uint64_t)1 << at;
        ret_values[at] = yyjson_obj_iter_get_val(key);
    }
    *ret_columns = columns;
    return 0;
}

static bool columns_fit(const struct rows_table *table, uint64_t columns, enum verb verb)
{
    uint64_t all = 0, keys = 0;

    for (int i = 0; i < table->columns; i++) {
        all |= (uint64_t)1 << i;
        keys |= (uint64_t)table->is_key[i] << i;
    }
    if (is_whole_row(verb))
        return columns == all;
    return verb == VERB_DROP ? columns == keys : (columns & keys) == keys && columns != keys;
}

static int run_row(struct rows *rows, int table, enum verb verb, uint64_t columns, yyjson_val *const values[ROWS_COLUMNS], struct error *err)
{
    const struct rows_table *shape = &rows->table[table];
    sqlite3_stmt *statement = find_statement(rows, table, columns, verb, err);
    int code = SQLITE_OK;

    if (statement == NULL)
        return -1;
    for (int i = 0; i < shape->columns && code == SQLITE_OK; i++) {
        struct cell cell;
        if ((columns >> i & 1) == 0)
            continue;
        if (read_cell(values[i], shape->is_blob[i], &cell) < 0)
            return error_set(err, ERROR_IO, "column %s of %s holds what it cannot hold", shape->column[i], shape->name);
        code = bind_cell(statement, i + 1, &cell);
        mem_free(cell.owned);
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    if (code != SQLITE_DONE)
        return fail(rows->db, shape->name, err);
    if (sqlite3_changes(rows->db) != 1)
        return error_set(err, ERROR_IO, "a row of %s that it changes is not there", shape->name);
    return 0;
}

static int load_row(struct rows *rows, yyjson_val *row, struct error *err)
{
    static const char *const verbs[] = { [VERB_PUT] = "put", [VERB_SET] = "set", [VERB_DROP] = "drop" };
    const char *word = yyjson_get_str(yyjson_arr_get(row, 0));
    int table = find_table(rows, yyjson_get_str(yyjson_arr_get(row, 1)));
    yyjson_val *values[ROWS_COLUMNS];
    uint64_t columns;

    if (table < 0 || word == NULL || yyjson_arr_size(row) != 3)
        return error_set(err, ERROR_IO, "it names a table that this release does not know");
    for (size_t verb = 0; verb < ARRAY_LENGTH(verbs); verb++) {
        if (strcmp(word, verbs[verb]) != 0)
            continue;
        if (read_row(&rows->table[table], yyjson_arr_get(row, 2), values, &columns) < 0 || !columns_fit(&rows->table[table], columns, (enum verb)verb))
            return error_set(err, ERROR_IO, "a row of %s has other columns than this release knows", rows->table[table].name);
        if (rows->takes_only_new && verb != VERB_PUT)
            break;
        return run_row(rows, table, rows->takes_only_new ? VERB_ADD : (enum verb)verb, columns, values, err);
    }
    return error_set(err, ERROR_IO, rows->takes_only_new ? "it does something else than put" : "it does something else than put, set and drop");
}

yyjson_doc *rows_parse_json(const char *bytes, size_t size, const char **ret_problem, size_t *ret_at)
{
    yyjson_read_err problem = { 0 };
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)bytes, size, 0, NULL, &problem); /* not in place: it is not written */

    if (problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        mem_end_program();
    *ret_problem = problem.msg;
    *ret_at = problem.pos;
    return document;
}

yyjson_doc *rows_parse(const char *line, size_t size)
{
    const char *problem;
    size_t at;

    return rows_parse_json(line, size, &problem, &at);
}

int rows_load(struct rows *rows, yyjson_val *array, struct error *err)
{
    yyjson_arr_iter each;
    yyjson_val *row;

    if (!yyjson_is_arr(array))
        return error_set(err, ERROR_IO, "it has no rows");
    yyjson_arr_iter_init(array, &each);
    while ((row = yyjson_arr_iter_next(&each)) != NULL) {
        if (load_row(rows, row, err) < 0)
            return -1;
    }
    return 0;
}
