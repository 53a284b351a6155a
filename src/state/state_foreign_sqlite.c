/* state_foreign_sqlite.c - the Go program's SQLite database: one row for each connector, lists in it as JSON.
 *
 * SQLite writes where it reads: it takes a log into the file, rolls back what a crash left, makes files beside it. So the database is copied with what lies
 * beside it into a folder of our own, and the copy is opened. */
#include "state/state_foreign.h"
#include "state/state_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum { COPY_AT_ONCE = 1 << 16 };

/* ---- The copy ---- */

static const char *const parts[] = { "", "-wal", "-journal" };

static int copy_bytes(int from, int to)
{
    char bytes[COPY_AT_ONCE];
    ssize_t got;

    while ((got = read(from, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || write(to, bytes, (size_t)got) != got)
            return -1;
    }
    return 0;
}

/* A part that is not there is not there in the copy either. */
static int copy_part(const char *from, const char *to, struct error *err)
{
    struct stat before = { 0 }, after = { 0 };
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int copy = source >= 0 ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    int result = 0;

    if (source < 0)
        return errno == ENOENT ? 0 : error_set(err, ERROR_FAILED, "%s: %s", from, strerror(errno));
    if (fstat(source, &before) < 0 || copy < 0 || copy_bytes(source, copy) < 0 || fstat(source, &after) < 0)
        result = error_set(err, ERROR_IO, "%s: cannot be copied to %s: %s", from, to, strerror(errno));
    else if (before.st_size != after.st_size || before.st_mtim.tv_sec != after.st_mtim.tv_sec || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec)
        result = error_set(err, ERROR_CONFLICT, "%s was written while it was read: stop the program that does it, then import again", from);
    (void)close(source);
    if (copy >= 0)
        (void)close(copy);
    return result;
}

static void remove_copy(const char *folder)
{
    static const char *const made[] = { "", "-wal", "-journal", "-shm" };

    for (size_t i = 0; i < ARRAY_LENGTH(made); i++) {
        AUTO_STRING char *path = mem_format("%s/copy%s", folder, made[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static int make_copy(const char *path, const char *folder, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        AUTO_STRING char *from = mem_format("%s%s", path, parts[i]), *to = mem_format("%s/copy%s", folder, parts[i]);
        if (copy_part(from, to, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- Reading ---- */

struct reader {
    struct foreign *foreign;
    const char *path;             /* of the original, for messages */
    sqlite3 *db;
};

static int tell_sqlite(const struct reader *reader, struct error *err)
{
    state_judge_memory(sqlite3_errcode(reader->db));
    return error_set(err, ERROR_IO, "%s is cut or damaged; SQLite says: %s", reader->path, sqlite3_errmsg(reader->db));
}

/* 1, 0 or -1. */
static int has_column(const struct reader *reader, const char *column, struct error *err)
{
    AUTO_STRING char *sql = mem_format("SELECT count(*) FROM pragma_table_info('sync_states') WHERE name='%s'", column);
    sqlite3_stmt *statement = NULL;
    int found = -1;

    if (sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        found = sqlite3_column_int(statement, 0) > 0;
    (void)sqlite3_finalize(statement);
    return found >= 0 ? found : tell_sqlite(reader, err);
}

/* A column that is not there reads as NULL: an older or newer form of the table. */
static int write_query(const struct reader *reader, struct text *sql, struct error *err)
{
    static const char *const columns[] = { "connector_id", "context_id", "processed_ids", "failed_items", "total_sync_count" };

    (void)text_append(sql, "SELECT ");
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++) {
        int found = has_column(reader, columns[i], err);
        if (found < 0)
            return -1;
        if (found == 0 && i == 0)
            return error_set(err, ERROR_CONFIG, "%s: a SQLite database, but not of the Go program: it has no table sync_states with a connector_id", reader->path);
        if (found == 0 && i == 2)
            return error_set(err, ERROR_CONFIG, "%s: it says how many memories were processed, and not which (sync_states has no processed_ids): nothing can be taken from it",
                             reader->path);
        (void)text_append_format(sql, "%s%s", i > 0 ? ", " : "", found > 0 ? columns[i] : "NULL");
    }
    (void)text_append(sql, " FROM sync_states ORDER BY 1");
    return 0;
}

/* Lists stand as JSON in their columns. 0 and NULL: there is none. -1: it was told, and the row is left out. */
static int read_list(struct reader *reader, const char *place, sqlite3_stmt *statement, int at, const char *what, yyjson_val **ret_list)
{
    const char *bytes = (const char *)sqlite3_column_text(statement, at);
    int size = sqlite3_column_bytes(statement, at);
    struct error why = { 0 };

    *ret_list = NULL;
    if (bytes == NULL || size == 0)
        return 0;
    *ret_list = foreign_parse(reader->foreign, bytes, (size_t)size, what, &why);
    if (*ret_list == NULL) {
        foreign_leave_out(reader->foreign, place, "%s", why.message);
        return -1;
    }
    return 0;
}

static void read_row(struct reader *reader, sqlite3_stmt *statement, int64_t number)
{
    AUTO_STRING char *connector = mem_copy_string((const char *)sqlite3_column_text(statement, 0));
    AUTO_STRING char *context = mem_copy_string((const char *)sqlite3_column_text(statement, 1));
    AUTO_STRING char *place = connector != NULL && connector[0] != '\0' ? mem_format("%s, connector %.80s", reader->path, connector)
                                                                        : mem_format("%s, row %lld", reader->path, (long long)number);
    yyjson_val *accepted, *failed;

    if (connector == NULL || connector[0] == '\0')
        foreign_leave_out(reader->foreign, place, "it has no connector_id");
    else if (read_list(reader, place, statement, 2, "processed_ids", &accepted) == 0 && read_list(reader, place, statement, 3, "failed_items", &failed) == 0)
        foreign_add(reader->foreign, place, connector, context, accepted, failed, sqlite3_column_int64(statement, 4));
}

static int read_rows(struct reader *reader, struct error *err)
{
    AUTO_DONE(text) struct text sql = { 0 };
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    int code, result = 0;

    text_init(&sql, 0);
    if (write_query(reader, &sql, err) < 0)
        return -1;
    code = sqlite3_prepare_v2(reader->db, sql.data, -1, &statement, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        read_row(reader, statement, ++number);
        code = SQLITE_OK;
    }
    if (code != SQLITE_DONE)
        result = tell_sqlite(reader, err);
    (void)sqlite3_finalize(statement);
    if (result < 0 && reader->foreign->count > 0) { /* what was read before the damage goes in */
        foreign_leave_out(reader->foreign, reader->path, "what follows could not be read: %s", err != NULL ? err->message : "");
        return 0;
    }
    return result;
}

static int read_copy(struct foreign *foreign, const char *path, const char *copy, struct error *err)
{
    struct reader reader = { .foreign = foreign, .path = path };
    int result = sqlite3_open_v2(copy, &reader.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ? 0 : tell_sqlite(&reader, err);

    if (result == 0) {
        (void)sqlite3_db_config(reader.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_exec(reader.db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0", NULL, NULL, NULL);
        result = read_rows(&reader, err);
    }
    (void)sqlite3_close(reader.db);
    return result;
}

int foreign_read_sqlite(struct foreign *foreign, const char *path, struct error *err)
{
    const char *root = getenv("TMPDIR");
    AUTO_STRING char *folder = mem_format("%s/memory-connector-XXXXXX", root != NULL && root[0] != '\0' ? root : "/tmp");
    AUTO_STRING char *copy = NULL;
    int result;

    if (mkdtemp(folder) == NULL)
        return error_set(err, ERROR_IO, "%s: a folder for the copy cannot be made: %s (TMPDIR names another place)", folder, strerror(errno));
    copy = mem_format("%s/copy", folder);
    result = make_copy(path, folder, err);
    if (result == 0)
        result = read_copy(foreign, path, copy, err);
    remove_copy(folder);
    return result;
}
