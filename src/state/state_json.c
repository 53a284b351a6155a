#include "state/state_json.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    JOURNAL_MINIMUM = 4 << 20,    /* bytes before a new generation is thought of */
    GONE_FACTOR = 3,
    CLOSING_MINIMUM = 256 << 10,
    READERS_WAIT_MS = 60000,
};

void state_json_free(struct state_json *json)
{
    if (json == NULL)
        return;
    if (json->fd >= 0)
        (void)close(json->fd);
    rows_done(&json->rows);
    text_done(&json->pending);
    mem_free(json->reader_path);
    mem_free(json->folder);
    mem_free(json);
}

/* ---- Generations ---- */

int state_json_sync(int fd, const char *path, struct error *err)
{
#ifdef F_FULLFSYNC
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
#endif
    return fsync(fd) == 0 ? 0 : state_tell_errno(path, "cannot be synced", errno, err);
}

static int make_file(const char *path, int flags, int *ret_fd, struct error *err)
{
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    return *ret_fd >= 0 ? 0 : state_tell_errno(path, "cannot be made", errno, err);
}

static int make_journal(const char *path, const struct dump_head *head, int *ret_fd, int64_t *ret_bytes, struct error *err)
{
    struct dump_head mine = *head;

    mine.is_journal = true;
    if (make_file(path, O_TRUNC | O_APPEND, ret_fd, err) < 0)
        return -1;
    if (dump_write_head(*ret_fd, path, &mine, ret_bytes, err) < 0 || state_json_sync(*ret_fd, path, err) < 0 || state_file_sync_folder(path, err) < 0) {
        (void)close(*ret_fd);
        (void)unlink(path);
        return -1;
    }
    return 0;
}

static int make_snapshot(const char *path, sqlite3 *db, const struct dump_sink *sink, const struct dump_head *head, int64_t *ret_bytes, struct error *err)
{
    int fd;
    int result;

    if (make_file(path, O_TRUNC, &fd, err) < 0)
        return -1;
    result = dump_write(db, sink, fd, path, head, ret_bytes, err);
    if (result == 0)
        result = state_json_sync(fd, path, err);
    if (close(fd) < 0 && result == 0)
        result = state_tell_errno(path, "cannot be written", errno, err);
    if (result < 0)
        (void)unlink(path);
    return result;
}

struct generation {
    int fd;
    int64_t journal_bytes, snapshot_bytes;
    bool counts;                  /* the snapshot has its name: this generation is the state now */
};

/* The journal first: once the snapshot has its name, both must be there. */
static int begin_generation(const char *folder, sqlite3 *db, const struct dump_sink *sink, const struct dump_head *head, struct generation *ret, struct error *err)
{
    AUTO_STRING char *journal = state_json_name(folder, "journal", head->generation, "");
    AUTO_STRING char *snapshot = state_json_name(folder, "snapshot", head->generation, "");
    AUTO_STRING char *passing = state_json_name(folder, "snapshot", head->generation, ".new");

    *ret = (struct generation){ .fd = -1 };
    if (make_journal(journal, head, &ret->fd, &ret->journal_bytes, err) < 0)
        return -1;
    if (make_snapshot(passing, db, sink, head, &ret->snapshot_bytes, err) < 0 || (rename(passing, snapshot) < 0 && state_tell_errno(passing, "cannot be renamed", errno, err) < 0)) {
        (void)close(ret->fd);
        ret->fd = -1;
        (void)unlink(passing);
        (void)unlink(journal);
        return -1;
    }
    ret->counts = true;
    return state_file_sync_folder(snapshot, err);
}

/* The snapshot has its name, but whether the disk knows it is not sure: what would be acknowledged from now on could be lost with it. */
static int give_up(struct state *state, const struct generation *made, const struct error *why, struct error *err)
{
    if (made->fd >= 0)
        (void)close(made->fd);
    return state_break(state, why, err);
}

/* After a failure that left the old generation as it was the state goes on with that. */
static int next_generation(struct state *state, struct error *err)
{
    struct state_json *json = state->json;
    struct dump_head head = { .schema = json->schema, .generation = json->generation + 1, .made_ms = json->now_ms };
    struct generation made;
    struct error why = { 0 };

    if (begin_generation(json->folder, state->db, &json->sink, &head, &made, &why) < 0) {
        if (made.counts)
            return give_up(state, &made, &why, err);
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (json->fd >= 0)
        (void)close(json->fd);
    state_json_remove(json->folder, json->generation);
    json->fd = made.fd;
    json->generation = head.generation;
    json->commits = 0;
    json->journal_bytes = made.journal_bytes;
    json->snapshot_bytes = made.snapshot_bytes;
    json->retry_bytes = 0;
    return 0;
}

static int create_generation(const char *folder, sqlite3 *db, const struct dump_head *head, struct error *err)
{
    struct text pending;
    struct rows rows;
    struct dump_sink sink = { .rows = &rows, .out = &pending };
    struct generation made = { .fd = -1 };
    int result;

    text_init(&pending, 0);
    result = rows_init(&rows, db, err);
    if (result == 0)
        result = dump_make_function(db, &sink, err);
    if (result == 0)
        result = begin_generation(folder, db, &sink, head, &made, err);
    if (made.fd >= 0)
        (void)close(made.fd);
    (void)sqlite3_create_function_v2(db, "mc_row", -1, SQLITE_UTF8, NULL, NULL, NULL, NULL, NULL); /* its sink goes with this call */
    rows_done(&rows);
    text_done(&pending);
    return result;
}

int state_json_create(const char *folder, sqlite3 *db, int schema, int64_t now_ms, struct error *err)
{
    const struct dump_head head = { .schema = schema, .generation = 1, .made_ms = now_ms };

    return create_generation(folder, db, &head, err);
}

int state_json_replace(const char *folder, sqlite3 *db, int schema, int64_t now_ms, struct error *err)
{
    struct dump_head head = { .schema = schema, .made_ms = now_ms };
    int64_t before;

    if (state_json_inspect(folder, &before, err) < 0 || state_json_keep_backup(folder, before, "damaged", err) < 0)
        return -1;
    head.generation = before + 1;
    if (create_generation(folder, db, &head, err) < 0)
        return -1;
    state_json_remove(folder, before);
    return 0;
}

/* ---- Transactions ---- */

static int make_triggers(struct state *state, struct error *err)
{
    static const struct { const char *name, *event, *prefix; enum dump_verb verb; } kinds[] = {
        { "put", "INSERT", "new", DUMP_PUT },
        { "set", "UPDATE", "new", DUMP_SET },
        { "drop", "DELETE", "old", DUMP_DROP },
    };
    struct state_json *json = state->json;

    json->sink = (struct dump_sink){ .rows = &json->rows, .out = &json->pending };
    if (dump_make_function(state->db, &json->sink, err) < 0)
        return -1;
    for (int table = 0; table < json->rows.tables; table++) {
        const char *name = json->rows.table[table].name;
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
            AUTO_DONE(text) struct text sql = { 0 };
            int code;
            text_init(&sql, 0);
            (void)text_append_format(&sql, "CREATE TEMP TRIGGER \"journal_%s_%s\" AFTER %s ON main.\"%s\" BEGIN SELECT ", name, kinds[i].name, kinds[i].event, name);
            dump_write_call(&sql, &json->rows, table, kinds[i].verb, kinds[i].prefix, "old");
            (void)text_append(&sql, "); END");
            code = sqlite3_exec(state->db, sql.data, NULL, NULL, NULL);
            if (code != SQLITE_OK)
                return state_fail(state, code, err, "watching its tables");
        }
    }
    return 0;
}

int state_json_write(struct state *state, struct error *err)
{
    struct state_json *json = state->json;
    AUTO_DONE(text) struct text inside = { 0 }, line = { 0 };
    AUTO_STRING char *path = NULL;
    struct error why = { 0 };

    text_init(&inside, 0);
    text_init(&line, 0);
    if (json->pending.size == 0)
        return 0;
    path = state_json_name(json->folder, "journal", json->generation, "");
    (void)text_append_format(&inside, "\"commit\":%lld,\"rows\":[", (long long)json->commits + 1);
    (void)text_append_bytes(&inside, json->pending.data, json->pending.size);
    (void)text_append(&inside, "]");
    rows_frame(&line, inside.data, inside.size);
    if ((json->pending.overflow | inside.overflow | line.overflow) != 0)
        (void)error_set(&why, ERROR_IO, "%s: one transaction is larger than %zu bytes", path, line.maximum);
    else if (dump_write_bytes(json->fd, path, line.data, line.size, &why) == 0)
        (void)state_json_sync(json->fd, path, &why);
    text_clear(&json->pending);
    if (why.kind != ERROR_NONE)
        return state_break(state, &why, err);
    json->commits++;
    json->journal_bytes += (int64_t)line.size;
    return 0;
}

/* Bytes of the pages that hold something; 0 when SQLite does not say. */
static int64_t ask_bytes(sqlite3 *db)
{
    static const char sql[] = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()";
    sqlite3_stmt *statement = NULL;
    int64_t bytes = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        bytes = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return bytes;
}

/* The files are much larger than what they would be if they were written now: texts that were given up stand in them. A row takes twice as much in words as
 * in a page, a text about the same. */
static bool has_much_gone(struct state *state)
{
    return state->json->journal_bytes + state->json->snapshot_bytes > GONE_FACTOR * ask_bytes(state->db);
}

/* What the next start has to read is a snapshot and little more. */
void state_json_close(struct state *state)
{
    struct state_json *json = state->json;
    struct error err = { 0 };

    text_clear(&json->pending); /* of a transaction that was rolled back */
    if (json->journal_bytes > CLOSING_MINIMUM && (json->journal_bytes > json->snapshot_bytes / 4 || has_much_gone(state)) && next_generation(state, &err) < 0)
        log_warn("state", "", "its journal could not be shortened at the end: %s", err.message);
}

void state_json_tidy(struct state *state)
{
    struct state_json *json = state->json;
    int64_t limit = json->snapshot_bytes * 2 > json->journal_limit ? json->snapshot_bytes * 2 : json->journal_limit;
    struct error err = { 0 };

    if (json->journal_bytes < (json->retry_bytes > limit ? json->retry_bytes : limit))
        return;
    if (next_generation(state, &err) < 0 && !state->is_broken) {
        log_warn("state", "", "its journal could not be shortened, it goes on growing: %s", err.message);
        json->retry_bytes = json->journal_bytes * 2;
    }
}

/* ---- Opening ---- */

struct loader {
    struct state *state;
    struct state_json *json;
    const char *folder;
    int64_t generation;
    const struct migration *table;
    size_t count;
    int newest;                   /* version of the table */
    struct dump_head head;
    int64_t torn_at;              /* of the journal; -1: it is whole */
    bool lacks_newline;           /* its last line is whole, the newline behind it is not there */
};

static int read_head(struct line_reader *reader, int64_t generation, bool is_journal, struct dump_head *ret_head, struct error *err)
{
    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline;
    int more = line_reader_next(reader, &line, &size, &offset, &has_newline, err);

    if (more < 0 || (more == 0 && error_set(err, ERROR_IO, "%s is empty: it was cut. Put back a backup of the folder", reader->path) < 0))
        return -1;
    if (dump_read_head(line, size, reader->path, ret_head, err) < 0)
        return -1;
    if (!has_newline) /* a line that is written next would run into it */
        return error_set(err, ERROR_IO, "%s is damaged: it was cut behind its first line. Nothing was changed: put back a backup of the folder, or see what "
                         "\"memory-connector state repair --dry-run\" can save", reader->path);
    if (ret_head->generation != generation || ret_head->is_journal != is_journal)
        return error_set(err, ERROR_IO, "%s is another file than its name says", reader->path);
    return 0;
}

static int load_snapshot(struct loader *loader, struct error *err)
{
    AUTO_STRING char *path = state_json_name(loader->folder, "snapshot", loader->generation, "");
    struct line_reader reader;
    int64_t rows;
    int fd;
    int result;

    if (state_json_open_file(path, &fd, err) < 0)
        return -1;
    line_reader_init(&reader, path, fd);
    result = read_head(&reader, loader->generation, false, &loader->head, err);
    if (result == 0)
        result = state_schema_judge(loader->folder, loader->head.schema, loader->newest, loader->state->is_reader, err);
    if (result == 0)
        result = state_schema_create_at(loader->state->db, loader->folder, loader->head.schema, loader->table, loader->count, err);
    if (result == 0)
        result = rows_init(&loader->json->rows, loader->state->db, err);
    if (result == 0)
        result = dump_load(&loader->json->rows, &reader, NULL, NULL, &rows, err);
    loader->json->snapshot_bytes = reader.offset;
    line_reader_done(&reader);
    (void)close(fd);
    return result;
}

/* A crash leaves one line that is not whole. Where another one begins behind it, what stands before was acknowledged. */
static int judge_rest(struct line_reader *reader, const char *bad, size_t bad_size, int64_t bad_at, struct error *err)
{
    bool begins = rows_frame_begins(bad + 1, bad_size > 0 ? bad_size - 1 : 0);

    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline;
    int more = 1;

    while (!begins && (more = line_reader_next(reader, &line, &size, &offset, &has_newline, err)) > 0)
        begins = rows_frame_begins(line, size);
    if (begins)
        return error_set(err, ERROR_IO, "%s is damaged at byte %lld: a line is cut or altered, and others follow it. Nothing was changed: put back a backup of the folder, or see "
                         "what \"memory-connector state repair --dry-run\" can save", reader->path, (long long)bad_at);
    return more;
}

static int load_commit(struct loader *loader, const char *line, size_t size, struct error *err)
{
    yyjson_doc *doc = rows_parse(line, size);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int64_t number = yyjson_get_sint(yyjson_obj_get(root, "commit"));
    int result = 0;

    if (number != loader->json->commits + 1)
        result = error_set(err, ERROR_IO, "it is number %lld where %lld should be", (long long)number, (long long)loader->json->commits + 1);
    else
        result = rows_load(&loader->json->rows, yyjson_obj_get(root, "rows"), err);
    yyjson_doc_free(doc);
    loader->json->commits += result == 0;
    return result;
}

static int load_commits(struct loader *loader, struct line_reader *reader, struct error *err)
{
    const char *line;
    size_t size;
    int64_t offset;
    bool has_newline;
    int more;

    while ((more = line_reader_next(reader, &line, &size, &offset, &has_newline, err)) > 0) {
        struct error why = { 0 };
        if (!rows_frame_is_whole(line, size)) {
            loader->torn_at = offset;
            return judge_rest(reader, line, size, offset, err);
        }
        if (load_commit(loader, line, size, &why) < 0)
            return error_set(err, ERROR_IO, "%s is damaged at byte %lld: %s. Nothing was changed: put back a backup of the folder, or see what "
                             "\"memory-connector state repair --dry-run\" can save", reader->path, (long long)offset, why.message);
        loader->lacks_newline = !has_newline;
    }
    loader->json->journal_bytes = reader->offset;
    return more;
}

static int load_journal(struct loader *loader, const char *path, int fd, struct error *err)
{
    struct line_reader reader;
    struct dump_head head;
    int result;

    loader->torn_at = -1;
    line_reader_init(&reader, path, fd);
    result = read_head(&reader, loader->generation, true, &head, err);
    if (result == 0 && head.schema != loader->head.schema)
        result = error_set(err, ERROR_IO, "%s belongs to another snapshot", path);
    if (result == 0)
        result = load_commits(loader, &reader, err);
    line_reader_done(&reader);
    return result;
}

/* Both files are opened before either is read: a reader holds no lock, and the writer may end this generation meanwhile. */
static int load_files(struct loader *loader, struct error *err)
{
    AUTO_STRING char *path = state_json_name(loader->folder, "journal", loader->generation, "");
    struct error why = { 0 };
    int fd = -1;
    int result;

    (void)state_json_open_file(path, &fd, &why);
    result = load_snapshot(loader, err);
    if (result == 0 && fd < 0) {
        result = -1;
        if (err != NULL)
            *err = why;
    }
    if (result == 0)
        result = load_journal(loader, path, fd, err);
    if (fd >= 0)
        (void)close(fd);
    return result;
}

static int load(struct loader *loader, struct error *err)
{
    sqlite3 *db = loader->state->db;

    if (load_files(loader, err) < 0)
        return -1;
    if (sqlite3_get_autocommit(db) == 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return error_set(err, ERROR_IO, "state %s: bringing it into memory: %s", loader->folder, sqlite3_errmsg(db));
    return 0;
}

/* What a crash left of a transaction is kept beside the journal, and then cut off. */
static int open_journal(struct loader *loader, struct error *err)
{
    struct state_json *json = loader->json;
    AUTO_STRING char *path = state_json_name(loader->folder, "journal", loader->generation, "");

    if (loader->torn_at >= 0) {
        if (state_json_keep_torn(path, loader->torn_at, err) < 0)
            return -1;
        log_warn("state", "", "%s: its last line was cut by a crash at byte %lld; what there was of it is in %s.torn", path, (long long)loader->torn_at, path);
        json->journal_bytes = loader->torn_at;
    }
    json->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (json->fd < 0)
        return state_tell_errno(path, "cannot be written", errno, err);
    if (loader->torn_at >= 0 && ftruncate(json->fd, loader->torn_at) < 0)
        return state_tell_errno(path, "cannot be cut", errno, err);
    if (loader->lacks_newline && loader->torn_at < 0) {
        if (dump_write_bytes(json->fd, path, "\n", 1, err) < 0)
            return -1;
        json->journal_bytes++;
    }
    return state_json_sync(json->fd, path, err);
}

static int open_memory(struct state *state, struct error *err)
{
    static atomic_int opened;
    AUTO_STRING char *name = NULL;

    if (state->is_reader)
        return state_open_memory(state, ":memory:", err);
    state->json->reader_path = mem_format(":memory:json-%d", atomic_fetch_add(&opened, 1));
    name = mem_format("file:/%s?vfs=memdb", state->json->reader_path + strlen(":memory:"));
    if (state_open_memory(state, name, err) < 0)
        return -1;
    (void)sqlite3_busy_timeout(state->db, READERS_WAIT_MS); /* its commits wait for readers of this process */
    return 0;
}

static int open_existing(struct loader *loader, struct error *err)
{
    struct state *state = loader->state;
    char why[32];

    if (load(loader, err) < 0)
        return -1;
    if (state->is_reader)
        return 0;
    if (loader->head.schema == loader->newest) {
        if (open_journal(loader, err) < 0)
            return -1;
        state_json_remove_others(loader->folder, loader->generation);
        return make_triggers(state, err);
    }
    rows_done(&loader->json->rows);
    (void)snprintf(why, sizeof why, "schema-%d", loader->head.schema);
    if (state_json_keep_backup(loader->folder, loader->generation, why, err) < 0 ||
        state_schema_migrate(state->db, loader->folder, loader->head.schema, loader->table, loader->count, err) < 0 ||
        rows_init(&loader->json->rows, state->db, err) < 0 ||
        make_triggers(state, err) < 0)
        return -1;
    return next_generation(state, err);
}

static int open_new(struct state *state, struct error *err)
{
    struct state_json *json = state->json;

    if (state_schema_create(state->db, json->folder, err) < 0 || rows_init(&json->rows, state->db, err) < 0 || make_triggers(state, err) < 0)
        return -1;
    return next_generation(state, err); /* from 0 to 1 */
}

int state_json_open(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    struct state_json *json = mem_alloc(sizeof *json);
    struct loader loader = { .state = state, .json = json, .table = table, .count = count, .newest = table[count - 1].version, .torn_at = -1 };

    state->json = json;
    json->fd = -1;
    json->folder = mem_copy_string(state->path);
    json->journal_limit = JOURNAL_MINIMUM;
    json->schema = table[count - 1].version;
    json->now_ms = settings->now_ms;
    text_init(&json->pending, 0);
    loader.folder = json->folder;
    if (state_json_inspect(json->folder, &json->generation, err) < 0 || open_memory(state, err) < 0)
        return -1;
    if (json->generation == 0 && state->is_reader)
        return error_set(err, ERROR_FAILED, "state %s: there is none yet; the first sync makes it", state->path);
    if (json->generation == 0)
        return open_new(state, err);
    loader.generation = json->generation;
    return open_existing(&loader, err);
}

const char *state_json_reader_path(const struct state_json *json)
{
    return json->reader_path;
}
