#include "state/state_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Version 1.
 *
 * memories is in order of arrival, so that what arrives, flies and settles together lies in the same pages; the scattered part is only
 * the index on 64 bits of the key's hash. (One wide row keyed by the id costs five times the CPU.) Texts are written once and lie in
 * a table of their own, so that a change of state does not move them. What is true of a whole batch stands on the batch.
 * The two partial indexes hold only what is under way: they stay small, whatever was settled. seq is in them, so that they give the order. */
static const char schema_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE targets(target INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, version TEXT NOT NULL,"
    " workspace TEXT NOT NULL, seen_ms INTEGER NOT NULL, last_error TEXT NOT NULL);"
    "CREATE TABLE streams(stream INTEGER PRIMARY KEY, target INTEGER NOT NULL, connector TEXT NOT NULL, source TEXT NOT NULL,"
    " context TEXT NOT NULL, UNIQUE(target, source, context));"
    "CREATE TABLE memories(seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, target INTEGER NOT NULL, state INTEGER NOT NULL,"
    " wanted INTEGER NOT NULL, batch INTEGER NOT NULL, not_before_ms INTEGER NOT NULL, settle_until_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, text_size INTEGER NOT NULL, arrived_ms INTEGER NOT NULL, revision BLOB NOT NULL, id BLOB NOT NULL,"
    " name BLOB NOT NULL, hash INTEGER NOT NULL);"
    "CREATE INDEX memories_hash ON memories(hash);"
    "CREATE INDEX memories_queued ON memories(target, seq, not_before_ms, stream) WHERE state=1;"
    "CREATE INDEX memories_flying ON memories(batch, seq, stream) WHERE state=2;"
    "CREATE TABLE texts(seq INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE batches(batch INTEGER PRIMARY KEY, target INTEGER NOT NULL, state INTEGER NOT NULL, track TEXT NOT NULL,"
    " strikes INTEGER NOT NULL, whole_listing INTEGER NOT NULL, first_sent_server_ms INTEGER NOT NULL, last_sent_ms INTEGER NOT NULL,"
    " not_before_ms INTEGER NOT NULL, opened_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, members INTEGER NOT NULL);"
    "CREATE INDEX batches_open ON batches(target) WHERE state<5;"
    "CREATE TABLE letters(letter INTEGER PRIMARY KEY, class INTEGER NOT NULL, ending INTEGER NOT NULL, stream INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, run INTEGER NOT NULL, fingerprint BLOB NOT NULL, http_status INTEGER NOT NULL, words TEXT NOT NULL,"
    " attempts INTEGER NOT NULL, times INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
    " position INTEGER NOT NULL, length INTEGER NOT NULL, raw BLOB);"
    "CREATE INDEX letters_open ON letters(stream, seq, class, fingerprint) WHERE ending=0;"
    "CREATE TABLE runs(run INTEGER PRIMARY KEY, connector TEXT NOT NULL, started_by TEXT NOT NULL, started_ms INTEGER NOT NULL,"
    " finished_ms INTEGER NOT NULL, result INTEGER NOT NULL, error_kind INTEGER NOT NULL, error TEXT NOT NULL,"
    " asked_range TEXT NOT NULL, asked_limit INTEGER NOT NULL, coverage TEXT NOT NULL, fetched INTEGER NOT NULL, new INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, unchanged INTEGER NOT NULL, skipped INTEGER NOT NULL, malformed INTEGER NOT NULL,"
    " duplicates INTEGER NOT NULL, sent INTEGER NOT NULL, stored INTEGER NOT NULL, processed INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " retried INTEGER NOT NULL, requests INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "CREATE INDEX runs_connector ON runs(connector);"
    "CREATE INDEX runs_open ON runs(run) WHERE finished_ms=0;"
    "CREATE TABLE counts(stream INTEGER NOT NULL, kind INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY(stream, kind)) WITHOUT ROWID;";

/* Version 2: what changes and deletions need. A newer revision waits apart, because the text in flight must be sent again byte for byte.
 * absences holds what the last complete listings of range all did not show. */
static const char schema_2[] =
    "CREATE TABLE newer(seq INTEGER PRIMARY KEY, revision BLOB NOT NULL, text TEXT NOT NULL);"
    "CREATE TABLE marks(owner INTEGER NOT NULL, kind INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY(owner, kind)) WITHOUT ROWID;"
    "CREATE TABLE absences(seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, since_ms INTEGER NOT NULL);"
    "ALTER TABLE runs ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX memories_removing ON memories(target, seq) WHERE state=6;";

/* Version 3: what the service keeps: connectors made by API, and where each schedule stands. */
static const char schema_3[] =
    "CREATE TABLE connectors(id TEXT PRIMARY KEY, version INTEGER NOT NULL, definition TEXT NOT NULL, changed_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE jobs(connector TEXT PRIMARY KEY, settled_ms INTEGER NOT NULL, waiting INTEGER NOT NULL, waiting_ms INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, paused_until_ms INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;";

/* Version 4: how many memories the filter of a connector left out. */
static const char schema_4[] = "ALTER TABLE runs ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0;";

/* Version 5: the way back to a memory. first_ms: when it was first seen, in whatever revision (0: before this version). */
static const char schema_5[] =
    "ALTER TABLE memories ADD COLUMN first_ms INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX letters_seq ON letters(seq) WHERE seq>0;";

/* Version 6: what was told of troubles, so that one is told once across restarts, and what is still to be delivered. */
static const char schema_6[] =
    "CREATE TABLE alerts(connector TEXT NOT NULL, cause INTEGER NOT NULL, raised INTEGER NOT NULL, value INTEGER NOT NULL, since_ms INTEGER NOT NULL,"
    " told_ms INTEGER NOT NULL, pending INTEGER NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(connector, cause)) WITHOUT ROWID;";

/* Version 7: what was decided about an element that is no memory, by its bytes, for as long as a source lists it. */
static const char schema_7[] = "CREATE INDEX letters_decided ON letters(stream, class, fingerprint) WHERE ending<>0;";

/* Every schema change is one row, never edited once released. */
const struct migration state_migrations[] = {
    { 1, schema_1 },
    { 2, schema_2 },
    { 3, schema_3 },
    { 4, schema_4 },
    { 5, schema_5 },
    { 6, schema_6 },
    { STATE_SCHEMA, schema_7 },
};
const size_t state_migration_count = ARRAY_LENGTH(state_migrations);

static int execute(sqlite3 *db, const char *path, const char *sql, const char *what, struct error *err)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

    if (code == SQLITE_OK)
        return 0;
    state_tell(db, path, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, what, err);
    return -1;
}

static int read_pragma(sqlite3 *db, const char *path, const char *sql, int64_t *ret_value, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW) {
        state_tell(db, path, code, "reading its version", err);
        (void)sqlite3_finalize(statement);
        return -1;
    }
    *ret_value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return 0;
}

static int run_migrations(sqlite3 *db, const char *path, int from, const struct migration *table, size_t count, struct error *err)
{
    char version[64];

    for (size_t i = 0; i < count; i++) {
        if (table[i].version <= from)
            continue;
        if (execute(db, path, table[i].sql, "changing its schema", err) < 0)
            return error_wrap(err, "migration to version %d", table[i].version);
    }
    (void)snprintf(version, sizeof version, "PRAGMA user_version=%d", table[count - 1].version);
    return execute(db, path, version, "changing its schema", err);
}

int state_schema_migrate(sqlite3 *db, const char *path, int from, const struct migration *table, size_t count, struct error *err)
{
    if (execute(db, path, "BEGIN IMMEDIATE", "changing its schema", err) < 0)
        return -1;
    if (run_migrations(db, path, from, table, count, err) < 0 || execute(db, path, "COMMIT", "changing its schema", err) < 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return 0;
}

int state_schema_create_at(sqlite3 *db, const char *path, int version, const struct migration *table, size_t count, struct error *err)
{
    char application[128];

    while (count > 0 && table[count - 1].version > version)
        count--;
    if (count == 0)
        return error_set(err, ERROR_IO, "state %s: it is damaged: schema version %d", path, version);
    (void)snprintf(application, sizeof application, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=%d", STATE_APPLICATION_ID);
    return execute(db, path, application, "making its tables", err) < 0 || execute(db, path, "BEGIN", "making its tables", err) < 0 || run_migrations(db, path, 0, table, count, err) < 0 ? -1 : 0;
}

int state_schema_create(sqlite3 *db, const char *path, struct error *err)
{
    char application[64];

    (void)snprintf(application, sizeof application, "PRAGMA application_id=%d", STATE_APPLICATION_ID);
    if (execute(db, path, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", "making it", err) < 0 ||
        execute(db, path, application, "making it", err) < 0)
        return -1;
    return state_schema_migrate(db, path, 0, state_migrations, state_migration_count, err);
}

/* ---- Backup ---- */

static int copy_database(sqlite3 *db, sqlite3 *copy)
{
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", db, "main");
    int code;

    if (backup == NULL)
        return sqlite3_errcode(copy);
    code = sqlite3_backup_step(backup, -1);
    (void)sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The copy appears under its name only when it is whole and synced. Through SQLite's own copying, because a copy of the file alone
 * lacks what is still in its log. */
int state_schema_write_copy(sqlite3 *db, const char *path, const char *backup_path, struct error *err)
{
    AUTO_STRING char *part = mem_format("%s.part", backup_path);
    sqlite3 *copy = NULL;
    int code;

    (void)unlink(part);
    if (state_file_make_private(part, err) < 0)
        return -1;
    code = sqlite3_open_v2(part, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = copy_database(db, copy);
    if (code != SQLITE_OK) {
        state_tell(copy, part, code, "writing a backup", err);
        (void)sqlite3_close(copy);
    } else if ((code = sqlite3_close(copy)) != SQLITE_OK) {
        state_tell(NULL, part, code, "writing a backup", err);
    }
    if (code != SQLITE_OK) {
        (void)unlink(part);
        return -1;
    }
    if (rename(part, backup_path) < 0)
        return error_set(err, ERROR_IO, "state %s: cannot name its backup %s: %s", path, backup_path, strerror(errno));
    return state_file_sync_folder(backup_path, err);
}

static char *name_backup(const char *path, int version, int64_t now_ms)
{
    char stamp[STATE_STAMP_SIZE];

    state_file_stamp(now_ms, stamp);
    return mem_format("%s.version-%d.%s.backup", path, version, stamp);
}

/* ---- Opening ---- */

static int check_application(sqlite3 *db, const char *path, struct error *err)
{
    int64_t application;

    if (read_pragma(db, path, "PRAGMA application_id", &application, err) < 0)
        return -1;
    if (application != STATE_APPLICATION_ID)
        return error_set(err, ERROR_CONFIG, "state %s: a SQLite database, but not a state of memory-connector", path);
    return 0;
}

int state_schema_judge(const char *path, int64_t version, int newest, bool is_reader, struct error *err)
{
    if (version == newest)
        return 0;
    if (version < 1 || version > 1000000)
        return error_set(err, ERROR_IO, "state %s: it is damaged: schema version %lld. Copy the file away, then put back a backup", path, (long long)version);
    if (version > newest)
        return error_set(err, ERROR_CONFIG,
                         "state %s: written by a newer release (schema %lld, this one knows %d): use that release, or the backup it made when it upgraded "
                         "the state",
                         path, (long long)version, newest);
    if (is_reader)
        return error_set(err, ERROR_FAILED, "state %s: written by an older release (schema %lld): run sync or serve once, that upgrades it", path,
                         (long long)version);
    return 0;
}

int state_schema_check(sqlite3 *db, const char *path, bool is_reader, int64_t now_ms, const struct migration *table, size_t count,
                       struct error *err)
{
    int newest = table[count - 1].version;
    int64_t version;

    if (check_application(db, path, err) < 0 || read_pragma(db, path, "PRAGMA user_version", &version, err) < 0)
        return -1;
    if (version == newest)
        return 0;
    if (state_schema_judge(path, version, newest, is_reader, err) < 0)
        return -1;
    {
        AUTO_STRING char *backup = name_backup(path, (int)version, now_ms);
        if (state_schema_write_copy(db, path, backup, err) < 0 || state_schema_migrate(db, path, (int)version, table, count, err) < 0)
            return error_wrap(err, "upgrading the state");
    }
    return 0;
}
