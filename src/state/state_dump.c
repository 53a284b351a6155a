#include "state/state_dump.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "state/state_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum { WRITE_AT_ONCE = 1 << 20, READ_AT_ONCE = 1 << 16, WORDS_SIZE = 64 };

/* ---- The function ---- */

static void make_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct dump_sink *sink = sqlite3_user_data(context);
    int verb = sqlite3_value_int(values[0]), table = sqlite3_value_int(values[1]);
    int columns = table >= 0 && table < sink->rows->tables ? sink->rows->table[table].columns : 0;

    if (columns == 0 || count != 2 + (verb == DUMP_SET ? 2 * columns : columns)) {
        sqlite3_result_error(context, "mc_row: not a row of a table", -1);
        return;
    }
    if (verb == DUMP_PUT)
        rows_write_put(sink->rows, table, values + 2, sink->out);
    else if (verb == DUMP_SET)
        rows_write_set(sink->rows, table, values + 2, values + 2 + columns, sink->out);
    else
        rows_write_drop(sink->rows, table, values + 2, sink->out);
    if (sink->out->overflow)
        sqlite3_result_error_toobig(context);
}

int dump_make_function(sqlite3 *db, struct dump_sink *sink, struct error *err)
{
    int code = sqlite3_create_function_v2(db, "mc_row", -1, SQLITE_UTF8, sink, make_row, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : error_set(err, ERROR_IO, "SQLite takes no function: %s", sqlite3_errmsg(db));
}

static void list_values(struct text *sql, const struct rows_table *table, const char *prefix)
{
    for (int i = 0; i < table->columns; i++)
        (void)text_append_format(sql, ",%s%s\"%s\"", prefix, prefix[0] != '\0' ? "." : "", table->column[i]);
}

void dump_write_call(struct text *sql, const struct rows *rows, int table, enum dump_verb verb, const char *prefix, const char *before)
{
    (void)text_append_format(sql, "mc_row(%d,%d", (int)verb, table);
    list_values(sql, &rows->table[table], prefix);
    if (verb == DUMP_SET)
        list_values(sql, &rows->table[table], before);
}

/* ---- Writing ---- */

int dump_write_bytes(int fd, const char *path, const char *bytes, size_t size, struct error *err)
{
    for (size_t at = 0; at < size;) {
        ssize_t done = write(fd, bytes + at, size - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return state_tell_errno(path, "cannot be written", done < 0 ? errno : EIO, err);
        at += (size_t)done;
    }
    return 0;
}

static void frame_head(const struct dump_head *head, struct text *line)
{
    AUTO_DONE(text) struct text inside = { 0 };
    struct json_writer writer;

    text_init(&inside, 0);
    json_write_begin(&writer, &inside);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "memory_connector", head->is_journal ? "journal" : "state");
    json_write_integer(&writer, "schema", head->schema);
    json_write_integer(&writer, "generation", head->generation);
    json_write_time(&writer, "made", head->made_ms);
    json_write_close(&writer);
    rows_frame(line, inside.data + 1, inside.size - 2);
}

int dump_write_head(int fd, const char *path, const struct dump_head *head, int64_t *ret_bytes, struct error *err)
{
    AUTO_DONE(text) struct text line = { 0 };

    text_init(&line, 0);
    frame_head(head, &line);
    if (dump_write_bytes(fd, path, line.data, line.size, err) < 0)
        return -1;
    *ret_bytes = (int64_t)line.size;
    return 0;
}

struct dumper {
    const struct dump_sink *sink;
    struct text lines;            /* not written yet */
    int fd;
    const char *path;
    int64_t rows, bytes;
};

static int flush(struct dumper *dumper, struct error *err)
{
    if (dump_write_bytes(dumper->fd, dumper->path, dumper->lines.data, dumper->lines.size, err) < 0)
        return -1;
    dumper->bytes += (int64_t)dumper->lines.size;
    text_clear(&dumper->lines);
    return 0;
}

static int add_row(struct dumper *dumper, struct error *err)
{
    AUTO_DONE(text) struct text inside = { 0 };
    struct text *row = dumper->sink->out;

    text_init(&inside, 0);
    (void)text_append(&inside, "\"rows\":[");
    (void)text_append_bytes(&inside, row->data, row->size);
    (void)text_append(&inside, "]");
    text_clear(row);
    rows_frame(&dumper->lines, inside.data, inside.size);
    dumper->rows++;
    return dumper->lines.size >= WRITE_AT_ONCE ? flush(dumper, err) : 0;
}

static int dump_table(sqlite3 *db, struct dumper *dumper, int table, struct error *err)
{
    const struct rows_table *shape = &dumper->sink->rows->table[table];
    AUTO_DONE(text) struct text sql = { 0 };
    sqlite3_stmt *statement = NULL;
    int code;
    int result = 0;

    text_init(&sql, 0);
    (void)text_append(&sql, "SELECT ");
    dump_write_call(&sql, dumper->sink->rows, table, DUMP_PUT, "", "");
    (void)text_append_format(&sql, ") FROM main.\"%s\"", shape->name);
    code = sqlite3_prepare_v2(db, sql.data, -1, &statement, NULL);
    while (code == SQLITE_OK && result == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        result = add_row(dumper, err);
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    if (result == 0 && code != SQLITE_DONE)
        result = error_set(err, ERROR_IO, "reading %s: %s", shape->name, sqlite3_errmsg(db));
    return result;
}

int dump_write(sqlite3 *db, const struct dump_sink *sink, int fd, const char *path, const struct dump_head *head, int64_t *ret_bytes, struct error *err)
{
    struct dumper dumper = { .sink = sink, .fd = fd, .path = path };
    char words[WORDS_SIZE];
    int result = 0;

    text_init(&dumper.lines, 0);
    frame_head(head, &dumper.lines);
    for (int i = 0; i < sink->rows->tables && result == 0; i++)
        result = dump_table(db, &dumper, i, err);
    if (result == 0) {
        (void)snprintf(words, sizeof words, "\"end\":%lld", (long long)dumper.rows);
        rows_frame(&dumper.lines, words, strlen(words));
        result = flush(&dumper, err);
    }
    text_done(&dumper.lines);
    text_clear(sink->out);
    *ret_bytes = dumper.bytes;
    return result;
}

/* ---- Reading ---- */

void line_reader_init(struct line_reader *reader, const char *path, int fd)
{
    *reader = (struct line_reader){ .path = path, .fd = fd };
    text_init(&reader->buffer, 0);
}

void line_reader_done(struct line_reader *reader)
{
    text_done(&reader->buffer);
}

static int read_more(struct line_reader *reader, struct error *err)
{
    char bytes[READ_AT_ONCE];
    ssize_t got;

    do {
        got = read(reader->fd, bytes, sizeof bytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return state_tell_errno(reader->path, "cannot be read", errno, err);
    if (got == 0)
        reader->is_end = true;
    else if (text_append_bytes(&reader->buffer, bytes, (size_t)got) < 0)
        return error_set(err, ERROR_IO, "%s: a line of more than %zu bytes begins at byte %lld", reader->path, reader->buffer.maximum, (long long)reader->offset);
    return 0;
}

int line_reader_next(struct line_reader *reader, const char **ret_line, size_t *ret_size, int64_t *ret_offset, bool *ret_has_newline, struct error *err)
{
    size_t searched = reader->at;

    for (;;) {
        const char *newline = memchr(reader->buffer.data + searched, '\n', reader->buffer.size - searched);
        size_t size;
        if (newline == NULL && !reader->is_end) {
            if (reader->at > 0) { /* what was given is not needed any more */
                memmove(reader->buffer.data, reader->buffer.data + reader->at, reader->buffer.size - reader->at);
                text_truncate(&reader->buffer, reader->buffer.size - reader->at);
                reader->at = 0;
            }
            searched = reader->buffer.size;
            if (read_more(reader, err) < 0)
                return -1;
            continue;
        }
        if (newline == NULL && reader->at == reader->buffer.size)
            return 0;
        size = newline != NULL ? (size_t)(newline - reader->buffer.data) - reader->at : reader->buffer.size - reader->at;
        *ret_line = reader->buffer.data + reader->at;
        *ret_size = size;
        *ret_offset = reader->offset;
        *ret_has_newline = newline != NULL;
        reader->at += size + (newline != NULL);
        reader->offset += (int64_t)size + (newline != NULL);
        return 1;
    }
}

int dump_read_head(const char *line, size_t size, const char *path, struct dump_head *ret_head, struct error *err)
{
    yyjson_doc *doc = rows_frame_is_whole(line, size) ? rows_parse(line, size) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *kind = yyjson_get_str(yyjson_obj_get(root, "memory_connector"));
    int64_t schema = yyjson_get_sint(yyjson_obj_get(root, "schema")), generation = yyjson_get_sint(yyjson_obj_get(root, "generation"));
    bool is_ours = kind != NULL && (strcmp(kind, "state") == 0 || strcmp(kind, "journal") == 0) && schema > 0 && schema < 1000000 && generation >= 0;

    if (is_ours)
        *ret_head = (struct dump_head){ .schema = (int)schema, .generation = generation, .is_journal = strcmp(kind, "journal") == 0 };
    yyjson_doc_free(doc);
    return is_ours ? 0 : error_set(err, ERROR_CONFIG, "%s: its first line is not the head of a state of memory-connector", path);
}

/* One line: 0; -1 with why. *ret_end: how many lines there should have been, -1: it was none that says so. */
static int load_line(struct rows *rows, const char *line, size_t size, int64_t *ret_end, struct error *err)
{
    yyjson_doc *doc;
    yyjson_val *root, *end;
    int result = 0;

    *ret_end = -1;
    if (!rows_frame_is_whole(line, size))
        return error_set(err, ERROR_IO, "the line is cut or altered");
    doc = rows_parse(line, size);
    root = yyjson_doc_get_root(doc);
    end = yyjson_obj_get(root, "end");
    if (end != NULL)
        *ret_end = yyjson_get_sint(end);
    else
        result = rows_load(rows, yyjson_obj_get(root, "rows"), err);
    yyjson_doc_free(doc);
    return result;
}

static int bad_line(const struct line_reader *reader, dump_bad_line *bad, void *context, int64_t offset, const char *why, struct error *err)
{
    if (bad != NULL)
        return bad(context, offset, why, err);
    return error_set(err, ERROR_IO, "%s is damaged at byte %lld: %s", reader->path, (long long)offset, why);
}

static int load_lines(struct rows *rows, struct line_reader *reader, dump_bad_line *bad, void *context, int64_t *ret_rows, struct error *err)
{
    int64_t lines = 0, loaded = 0, end = -1, offset = 0;
    const char *line;
    size_t size;
    bool has_newline;
    int more;

    while ((more = line_reader_next(reader, &line, &size, &offset, &has_newline, err)) > 0) {
        struct error why = { 0 };
        int64_t said;
        if (end >= 0) {
            if (bad_line(reader, bad, context, offset, "something stands behind its last line", err) < 0)
                return -1;
        } else if (load_line(rows, line, size, &said, &why) < 0) {
            lines++;
            if (bad_line(reader, bad, context, offset, why.message, err) < 0)
                return -1;
        } else if (said >= 0) {
            end = said;
        } else {
            lines++;
            loaded++;
        }
    }
    if (more == 0 && end != lines && bad_line(reader, bad, context, reader->offset, end < 0 ? "its end is missing" : "lines are missing", err) < 0)
        return -1;
    *ret_rows = loaded;
    return more;
}

int dump_load(struct rows *rows, struct line_reader *reader, dump_bad_line *bad, void *context, int64_t *ret_rows, struct error *err)
{
    int result;

    rows->takes_only_new = true; /* two rows of one key are two rows too many */
    result = load_lines(rows, reader, bad, context, ret_rows, err);
    rows->takes_only_new = false;
    return result;
}
