/* state_copy.c - a state as one file of lines and back, from one backend to the other, and what can be saved of a damaged one. All of them build the new state
 * in memory, look whether it agrees with itself, and then put it on the disk whole. */
#include "state/state_care.h"
#include "state/state_json.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

/* ---- Out ---- */

static int export_with(struct state *state, const struct dump_sink *sink, int fd, const char *path, int64_t now_ms, struct error *err)
{
    struct dump_head head = { .schema = STATE_SCHEMA, .made_ms = now_ms };
    int64_t bytes;
    int result;

    if (sqlite3_exec(state->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return error_set(err, ERROR_IO, "state %s: cannot be read: %s", state->path, sqlite3_errmsg(state->db));
    result = dump_write(state->db, sink, fd, path, &head, &bytes, err);
    (void)sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int state_export(struct state *state, int fd, const char *path, int64_t now_ms, struct error *err)
{
    struct rows rows;
    struct text pending;
    struct dump_sink sink = { .rows = &rows, .out = &pending };
    int result;

    if (!state->is_reader)
        return error_set(err, ERROR_FAILED, "state %s: an export is made by a reader", state->path);
    text_init(&pending, 0);
    result = rows_init(&rows, state->db, err);
    if (result == 0)
        result = dump_make_function(state->db, &sink, err);
    if (result == 0)
        result = export_with(state, &sink, fd, path, now_ms, err);
    (void)sqlite3_create_function_v2(state->db, "mc_row", -1, SQLITE_UTF8, NULL, NULL, NULL, NULL, NULL);
    rows_done(&rows);
    text_done(&pending);
    return result;
}

/* ---- Onto the disk ---- */

static int refuse_existing(const char *path, enum state_backend backend, struct error *err)
{
    enum state_file file;
    struct stat facts;
    int64_t generation;

    if (stat(path, &facts) < 0 && errno == ENOENT && backend == STATE_SQLITE)
        return state_file_inspect(path, &file, err); /* the log of another one may lie there */
    if (stat(path, &facts) < 0)
        return errno == ENOENT ? 0 : state_tell_errno(path, "cannot be reached", errno, err);
    if (backend == STATE_JSON && S_ISDIR(facts.st_mode))
        return state_json_inspect(path, &generation, err) < 0 ? -1
               : generation == 0                              ? 0
                                                              : error_set(err, ERROR_CONFLICT, "state %s: there is one already: move it away, or choose another path", path);
    return error_set(err, ERROR_CONFLICT, "%s is there already: move it away, or choose another path", path);
}

/* What db holds becomes the state at a place that the caller has locked. */
static int put_down(sqlite3 *db, const struct state_settings *settings, struct error *err)
{
    if (settings->backend == STATE_JSON)
        return state_json_create(settings->path, db, STATE_SCHEMA, settings->now_ms, err);
    return state_schema_write_copy(db, settings->path, settings->path, err);
}

static int put_at_new_place(sqlite3 *db, const struct state_settings *settings, struct error *err)
{
    AUTO(state) struct state *place = NULL;

    if (refuse_existing(settings->path, settings->backend, err) < 0 || state_lock_place(settings, &place, err) < 0 ||
        refuse_existing(settings->path, settings->backend, err) < 0)
        return -1;
    return put_down(db, settings, err);
}

int state_copy(struct state *state, const struct state_settings *settings, int64_t *ret_rows, struct error *err)
{
    return state_ask(state, "SELECT (SELECT count(*) FROM memories) + (SELECT count(*) FROM letters) + (SELECT count(*) FROM runs)", "counting", ret_rows, err) < 0
               ? -1
               : put_at_new_place(state->db, settings, err);
}

/* ---- In ---- */

struct importer {
    void (*bad_line)(void *context, int64_t offset, const char *why);
    void *context;
    int64_t bad;
};

static int note_bad_line(void *context, int64_t offset, const char *why, struct error *err)
{
    struct importer *importer = context;

    (void)err;
    importer->bad++;
    if (importer->bad_line != NULL)
        importer->bad_line(importer->context, offset, why);
    return 0;
}

static int read_export_head(struct line_reader *reader, struct dump_head *ret_head, struct error *err)
{
    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline;
    int more = line_reader_next(reader, &line, &size, &offset, &has_newline, err);

    if (more < 0 || (more == 0 && error_set(err, ERROR_CONFIG, "%s is empty", reader->path) < 0) || dump_read_head(line, size, reader->path, ret_head, err) < 0)
        return -1;
    if (ret_head->is_journal)
        return error_set(err, ERROR_CONFIG, "%s is a journal, which says nothing without its snapshot", reader->path);
    return state_schema_judge(reader->path, ret_head->schema, STATE_SCHEMA, false, err);
}

/* The rows are in: the newest schema, and whatever contradicts itself because of what is missing is mended. */
static int make_sound(struct state *scratch, int schema, int64_t *ret_mended, struct error *err)
{
    if (sqlite3_get_autocommit(scratch->db) == 0 && sqlite3_exec(scratch->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return error_set(err, ERROR_IO, "bringing it into memory: %s", sqlite3_errmsg(scratch->db));
    if (schema < STATE_SCHEMA && state_schema_migrate(scratch->db, scratch->path, schema, state_migrations, state_migration_count, err) < 0)
        return -1;
    return state_scratch_ready(scratch, err) < 0 ? -1 : state_mend(scratch, ret_mended, err);
}

static int import_lines(struct line_reader *reader, const struct state_settings *settings, struct importer *importer, struct state_import *ret, struct error *err)
{
    AUTO(state) struct state *scratch = NULL;
    struct dump_head head;
    struct rows rows = { 0 };
    int result;

    if (read_export_head(reader, &head, err) < 0 || state_scratch_open(head.schema, &scratch, err) < 0)
        return -1;
    result = rows_init(&rows, scratch->db, err);
    if (result == 0)
        result = dump_load(&rows, reader, note_bad_line, importer, &ret->lines, err);
    rows_done(&rows);
    if (result < 0 || make_sound(scratch, head.schema, &ret->mended, err) < 0)
        return -1;
    ret->bad = importer->bad;
    return put_at_new_place(scratch->db, settings, err);
}

int state_import(const struct state_settings *settings, int fd, const char *path, void (*bad_line)(void *context, int64_t offset, const char *why), void *context,
                 struct state_import *ret, struct error *err)
{
    AUTO_DONE(line_reader) struct line_reader reader = { 0 };
    struct importer importer = { .bad_line = bad_line, .context = context };
    struct state_import done = { 0 };

    line_reader_init(&reader, path, fd);
    if (refuse_existing(settings->path, settings->backend, err) < 0 || import_lines(&reader, settings, &importer, &done, err) < 0)
        return -1;
    *ret = done;
    return 0;
}

/* ---- Saving ---- */

struct saver {
    struct state *scratch;
    struct state_saved saved;
    struct rows rows;             /* of the scratch */
    int schema;
};

static void note_loss(struct saver *saver, const char *where, int64_t offset, const char *why)
{
    if (saver->saved.first[0] == '\0')
        (void)snprintf(saver->saved.first, sizeof saver->saved.first, offset >= 0 ? "%s at byte %lld: %s" : "%s%.0lld: %s", where, (long long)(offset >= 0 ? offset : 0), why);
}

/* One row out of the damaged database, by way of its line. */
static bool take_row(struct saver *saver, struct text *pending)
{
    AUTO_DONE(text) struct text array = { 0 };
    struct error why = { 0 };
    yyjson_doc *doc;
    bool is_good;

    text_init(&array, 0);
    (void)text_append(&array, "[");
    (void)text_append_bytes(&array, pending->data, pending->size);
    (void)text_append(&array, "]");
    text_clear(pending);
    doc = rows_parse(array.data, array.size);
    is_good = doc != NULL && rows_load(&saver->rows, yyjson_doc_get_root(doc), &why) == 0;
    yyjson_doc_free(doc);
    return is_good;
}

static void write_scan(struct text *sql, const struct rows *rows, int table, const char *direction)
{
    const struct rows_table *shape = &rows->table[table];
    bool is_first = true;

    (void)text_append(sql, "SELECT ");
    dump_write_call(sql, rows, table, DUMP_PUT, "", "");
    (void)text_append_format(sql, ") FROM main.\"%s\" ORDER BY ", shape->name);
    for (int i = 0; i < shape->columns; i++) {
        if (!shape->is_key[i])
            continue;
        (void)text_append_format(sql, "%s\"%s\" %s", is_first ? "" : ", ", shape->column[i], direction);
        is_first = false;
    }
}

/* true: read to the end. */
static bool scan(struct saver *saver, sqlite3 *damaged, const struct dump_sink *sink, int table, const char *direction)
{
    AUTO_DONE(text) struct text sql = { 0 };
    sqlite3_stmt *statement = NULL;
    int code;
    bool is_whole = true;

    text_init(&sql, 0);
    write_scan(&sql, &saver->rows, table, direction);
    code = sqlite3_prepare_v2(damaged, sql.data, -1, &statement, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        is_whole = take_row(saver, sink->out) && is_whole;
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return is_whole && code == SQLITE_DONE;
}

/* From the front to the damage, then from the back to the damage. */
static void take_tables(struct saver *saver, sqlite3 *damaged)
{
    AUTO_DONE(text) struct text pending = { 0 };
    struct dump_sink sink = { .rows = &saver->rows, .out = &pending };

    text_init(&pending, 0);
    if (dump_make_function(damaged, &sink, NULL) < 0)
        return;
    for (int i = 0; i < saver->rows.tables; i++) {
        if (scan(saver, damaged, &sink, i, "ASC"))
            continue;
        note_loss(saver, saver->rows.table[i].name, -1, sqlite3_errmsg(damaged));
        saver->saved.lost_tables++;
        text_clear(&pending);
        (void)scan(saver, damaged, &sink, i, "DESC");
        text_clear(&pending);
    }
}

static int ask_version(sqlite3 *damaged)
{
    sqlite3_stmt *statement = NULL;
    int version = 0;

    if (sqlite3_prepare_v2(damaged, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return version >= 1 && version <= STATE_SCHEMA ? version : STATE_SCHEMA;
}

static int begin_saving(struct saver *saver, int schema, struct error *err)
{
    saver->schema = schema;
    return state_scratch_open(schema, &saver->scratch, err) < 0 ? -1 : rows_init(&saver->rows, saver->scratch->db, err);
}

static int save_sqlite(struct saver *saver, const char *path, struct error *err)
{
    sqlite3 *damaged = NULL;
    int result = sqlite3_open_v2(path, &damaged, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ? 0 : -1;

    if (result < 0)
        (void)error_set(err, ERROR_IO, "state %s: cannot be opened: %s", path, sqlite3_errmsg(damaged));
    if (result == 0) {
        /* the log stays as it is, whatever happens here */
        (void)sqlite3_db_config(damaged, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_db_config(damaged, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_exec(damaged, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA query_only=ON", NULL, NULL, NULL);
        result = begin_saving(saver, ask_version(damaged), err);
    }
    if (result == 0)
        take_tables(saver, damaged);
    (void)sqlite3_close(damaged);
    return result;
}

static int note_snapshot_line(void *context, int64_t offset, const char *why, struct error *err)
{
    struct saver *saver = context;

    (void)err;
    saver->saved.lost_lines++;
    note_loss(saver, "snapshot", offset, why);
    return 0;
}

/* A transaction goes in whole or not at all. */
static void take_commit(struct saver *saver, const char *line, size_t size, int64_t offset)
{
    sqlite3 *db = saver->scratch->db;
    struct error why = { 0 };
    yyjson_doc *doc = rows_frame_is_whole(line, size) ? rows_parse(line, size) : NULL;
    yyjson_val *rows = yyjson_obj_get(yyjson_doc_get_root(doc), "rows");

    if (doc == NULL) {
        saver->saved.lost_lines++;
        note_loss(saver, "journal", offset, "a line is cut or altered");
        return;
    }
    (void)sqlite3_exec(db, "SAVEPOINT line", NULL, NULL, NULL);
    if (rows_load(&saver->rows, rows, &why) < 0) {
        (void)sqlite3_exec(db, "ROLLBACK TO line", NULL, NULL, NULL);
        saver->saved.lost_lines++;
        note_loss(saver, "journal", offset, why.message);
    }
    (void)sqlite3_exec(db, "RELEASE line", NULL, NULL, NULL);
    yyjson_doc_free(doc);
}

static int take_journal(struct saver *saver, int fd, const char *path, struct error *err)
{
    AUTO_DONE(line_reader) struct line_reader reader = { 0 };
    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline, is_first = true;
    int more;

    line_reader_init(&reader, path, fd);
    while ((more = line_reader_next(&reader, &line, &size, &offset, &has_newline, err)) > 0) {
        if (!is_first)
            take_commit(saver, line, size, offset);
        is_first = false;
    }
    return more;
}

static int take_snapshot(struct saver *saver, int fd, const char *path, struct error *err)
{
    AUTO_DONE(line_reader) struct line_reader reader = { 0 };
    struct dump_head head;
    int64_t lines = 0;

    line_reader_init(&reader, path, fd);
    if (read_export_head(&reader, &head, err) < 0 || begin_saving(saver, head.schema, err) < 0 ||
        dump_load(&saver->rows, &reader, note_snapshot_line, saver, &lines, err) < 0)
        return -1;
    return 0;
}

static int save_json(struct saver *saver, const char *folder, struct error *err)
{
    AUTO_STRING char *snapshot = NULL, *journal = NULL;
    int64_t generation;
    int fd, result;

    if (state_json_inspect(folder, &generation, err) < 0)
        return -1;
    if (generation == 0)
        return error_set(err, ERROR_FAILED, "state %s: there is none", folder);
    snapshot = state_json_name(folder, "snapshot", generation, "");
    journal = state_json_name(folder, "journal", generation, "");
    if (state_json_open_file(snapshot, &fd, err) < 0)
        return -1;
    result = take_snapshot(saver, fd, snapshot, err);
    (void)close(fd);
    if (result < 0)
        return -1;
    if (state_json_open_file(journal, &fd, NULL) < 0) {
        saver->saved.lost_lines++;
        note_loss(saver, "journal", 0, "it is gone, and whatever it held");
        return 0;
    }
    result = take_journal(saver, fd, journal, err);
    (void)close(fd);
    return result;
}

static char *name_aside(const char *path, int64_t now_ms)
{
    char stamp[STATE_STAMP_SIZE];

    state_file_stamp(now_ms, stamp);
    return mem_format("%s.damaged.%s", path, stamp);
}

/* The new one is whole on the disk under a passing name before the old one is moved, and the file is moved before its log, without which it would be an older
 * state. Killed in between nothing stands at the path, and state_file_inspect tells of the new one instead of beginning anew. */
static int replace_sqlite(struct saver *saver, const struct state_settings *settings, struct error *err)
{
    static const char *const endings[] = { "-wal", "-shm" };
    AUTO_STRING char *passing = state_file_saved(settings->path);
    AUTO_STRING char *aside = name_aside(settings->path, settings->now_ms);

    if (state_schema_write_copy(saver->scratch->db, settings->path, passing, err) < 0)
        return -1;
    if (rename(settings->path, aside) < 0)
        return state_tell_errno(settings->path, "cannot be moved aside", errno, err);
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        AUTO_STRING char *from = mem_format("%s%s", settings->path, endings[i]), *to = mem_format("%s%s", aside, endings[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            return state_tell_errno(from, "cannot be moved aside", errno, err);
    }
    if (rename(passing, settings->path) < 0)
        return state_tell_errno(passing, "the new state could not be put in place; it is whole under this name", errno, err);
    (void)snprintf(saver->saved.kept, sizeof saver->saved.kept, "%s", aside);
    return state_file_sync_folder(settings->path, err);
}

static int replace(struct saver *saver, const struct state_settings *settings, struct error *err)
{
    if (settings->backend == STATE_SQLITE)
        return replace_sqlite(saver, settings, err);
    (void)snprintf(saver->saved.kept, sizeof saver->saved.kept, "%s/*.damaged.backup", settings->path);
    return state_json_replace(settings->path, saver->scratch->db, STATE_SCHEMA, settings->now_ms, err);
}

static int count_rows(struct saver *saver, struct error *err)
{
    for (int i = 0; i < saver->rows.tables; i++) {
        AUTO_STRING char *sql = mem_format("SELECT count(*) FROM \"%s\"", saver->rows.table[i].name);
        int64_t count;
        if (state_ask(saver->scratch, sql, "counting", &count, err) < 0)
            return -1;
        saver->saved.rows += count;
    }
    return 0;
}

int state_save(const struct state_settings *settings, bool dry_run, struct state_saved *ret_saved, struct error *err)
{
    AUTO(state) struct state *place = NULL;
    struct saver saver = { 0 };
    int result = state_lock_place(settings, &place, err);

    if (result == 0)
        result = settings->backend == STATE_JSON ? save_json(&saver, settings->path, err) : save_sqlite(&saver, settings->path, err);
    if (result == 0)
        result = count_rows(&saver, err);
    rows_done(&saver.rows);
    if (result == 0 && saver.saved.rows == 0)
        result = error_set(err, ERROR_IO, "state %s: nothing of it can be read (%s): put back a backup; or move it away to begin anew: what LightRAG holds is found there, not sent twice",
                           settings->path, saver.saved.first);
    if (result == 0)
        result = make_sound(saver.scratch, saver.schema, &saver.saved.mended, err);
    if (result == 0 && !dry_run)
        result = replace(&saver, settings, err);
    state_free(saver.scratch);
    if (result == 0)
        *ret_saved = saver.saved;
    return result;
}
