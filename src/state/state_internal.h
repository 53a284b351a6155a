/* state_internal.h - what the files of the SQLite state share. Nobody else includes it (but its unit tests).
 *
 *     state_sqlite.c     opening, closing, transactions
 *     state_file.c       what lies at the path, before SQLite sees it; making a new file so that a crash leaves none or a whole one
 *     state_schema.c     schema version, migrations, backup
 *     state_statement.c  every SQL statement, prepared once; binding, stepping, reading columns
 *     state_error.c      SQLite's codes told to people
 *     state_apply.c      change-sets of memories; state_apply_rows.c: of everything else
 *     state_count.c      counters
 *     state_read.c       look-ups and lists of memories and batches; state_read_rows.c: of everything else
 *     state_json.c       the other backend: a folder of text files; state_json_folder.c: their names; state_dump.c, state_rows.c: their lines
 *     state_trace.c      the way back: what a name, a track or a batch had to do with which memory
 *     state_foreign.c    reading what earlier programs kept; state_foreign_sqlite.c: the database of one
 *
 * Two rules hold everywhere. A writer whose SQL failed once is broken: SQLite may have rolled back, so every later call fails with
 * the same words. And a value from the file is judged before it is used as an index, a length or an enum: the file may be damaged. */
#ifndef MC_STATE_STATE_INTERNAL_H
#define MC_STATE_STATE_INTERNAL_H

#include "state/state.h"

#include <sqlite3.h>

/* ---- Statements ---- */

enum statement {
    BEGIN_READ, BEGIN_WRITE, COMMIT_WRITE, ROLL_BACK,
    PUT_TARGET, PUT_STREAM,
    ADD_MEMORY, SET_MEMORY, PUT_TEXT, DROP_TEXT, MOVE_MEMBERS, MOVE_MEMBERS_TO_BATCH,
    PUT_BATCH, PUT_LETTER, LETTER_BEFORE, PUT_RUN, ADD_COUNT, PUT_NEWER, DROP_NEWER, PUT_MARK, DROP_MARK, PUT_ABSENCE, DROP_ABSENCE,
    PUT_CONNECTOR, DROP_CONNECTOR, PUT_JOB, DROP_JOB, PUT_ALERT, DROP_ALERTS, EACH_ALERT, EACH_CONNECTOR, GET_JOB, LAST_SUCCESS,
    FIND_TARGET, FIND_STREAM, GET_STREAM, FIND_MEMORY, GET_MEMORY, GET_TEXT, GET_BATCH, GET_LETTER, FIND_LETTER, FIND_ANY_LETTER, FIND_DECIDED_LETTER, GET_RUN,
    GET_NEWER, GET_MARK, GET_ABSENCE, GET_FIRST_SEEN, EACH_NAME, EACH_TEXT, EACH_TRACKED, EACH_FLOWN, EACH_LETTER_OF, EACH_REMOVING, EACH_MEMORY, EACH_ABSENCE,
    EACH_QUEUED, ANY_DUE, NEXT_DUE, EACH_OPEN_BATCH, EACH_MEMBER, EACH_TARGET, EACH_STREAM, EACH_LETTER, EACH_RUN, EACH_RUN_OF, EACH_OPEN_RUN,
    COUNT_STREAM, COUNT_TARGET, COUNT_CONNECTOR, COUNT_FLYING, OLDEST_QUEUED, OLDEST_FLYING,
    STATEMENTS
};

enum number { NUMBER_MEMORY, NUMBER_BATCH, NUMBER_LETTER, NUMBER_RUN, NUMBER_TARGET, NUMBER_STREAM, NUMBERS };

/* Row strings and ids handed out by look-ups live here until the next call of the same function. */
enum keeper {
    KEEP_TARGET, KEEP_FOUND_STREAM, KEEP_STREAM, KEEP_FOUND_MEMORY, KEEP_MEMORY, KEEP_LETTER, KEEP_FOUND_LETTER, KEEP_RUN, KEEP_JOB, KEEPERS
};

/* Kinds of the table counts: a memory state, or this plus a dead class. Stored. */
enum { COUNT_LETTERS = 16, COUNT_KINDS = COUNT_LETTERS + DEAD_CLASSES };

struct count_delta {
    int64_t stream;
    int64_t by[COUNT_KINDS];
};

struct state {
    sqlite3 *db;
    struct state_json *json;      /* owned; NULL: the SQLite backend */
    sqlite3_stmt *statements[STATEMENTS];
    char *path, *folder;          /* owned; folder NULL: in memory */
    int lock_fd;                  /* -1: none */
    bool is_reader;
    bool is_ready;                /* opening went well: what is closed may be tidied up */
    bool is_open;                 /* a write transaction is open */
    bool is_viewing;              /* or one that only reads; never both */
    bool is_broken;
    int lists;                    /* callbacks under way: no change meanwhile */
    struct error failure;         /* why it is broken */
    int64_t next[NUMBERS];
    struct text kept[KEEPERS];

    struct count_delta *deltas;   /* of the open transaction, not written yet */
    size_t delta_count, delta_capacity, delta_last;

    /* The last look-up that found nothing: what is added next needs no second one. */
    bool has_miss;
    int64_t miss_stream, miss_key;
    struct text miss_id;
};

/* ---- state_error.c: macros whose value is -1, so that compilers and analysers see it ---- */

/* SQLite had no memory: the program ends, as it does wherever memory is out. Other codes: nothing. */
void state_judge_memory(int code);
/* Tells a SQLite failure as a story with a remedy; breaks a writer. Always -1. what: "adding memory 7". */
#define state_fail(...) (state_fail_(__VA_ARGS__), -1)
void state_fail_(struct state *state, int code, struct error *err, const char *format, ...) MC_PRINTF(4, 5);
/* The same for a database that has no state yet. */
void state_tell(sqlite3 *db, const char *path, int code, const char *what, struct error *err);
/* What the system said of a file. Always -1. what: "cannot be written". */
#define state_tell_errno(...) (state_tell_errno_(__VA_ARGS__), -1)
void state_tell_errno_(const char *path, const char *what, int system_errno, struct error *err);
/* A change that contradicts the state: a defect of the program. Breaks the state: counters that lie are worse than a stop. Always -1. */
#define state_contradict(...) (state_contradict_(__VA_ARGS__), -1)
void state_contradict_(struct state *state, struct error *err, const char *format, ...) MC_PRINTF(3, 4);
/* A value that no release has written. Always -1. */
#define state_damaged(...) (state_damaged_(__VA_ARGS__), -1)
void state_damaged_(struct state *state, struct error *err, const char *format, ...) MC_PRINTF(3, 4);
/* Ends a writer for good, with words of its own. Always -1. */
int state_break(struct state *state, const struct error *why, struct error *err);
/* 0, or -1 with the old story when the state is broken. */
int state_check(struct state *state, struct error *err);

/* ---- state_file.c ---- */

enum { STATE_SCHEMA = 7 };                   /* the newest version; the last row of state_migrations */
enum { STATE_APPLICATION_ID = 0x4D436F6E }; /* "MCon" in the header, so that a damaged state is told from a foreign file */

enum state_file { STATE_FILE_MISSING, STATE_FILE_OURS };

/* Refuses what must not be opened: a folder, a file that was cut to nothing, a log without its database. */
enum { STATE_STAMP_SIZE = 48 };
void state_file_stamp(int64_t now_ms, char ret_stamp[STATE_STAMP_SIZE]); /* 20231114T221320Z, for the name of what is kept */
char *state_file_saved(const char *path); /* where a repair keeps the new state until the old one is moved aside; owned by the caller */
int state_file_inspect(const char *path, enum state_file *ret_file, struct error *err);
/* Is the opened file a state of ours? Reads nothing but its header. */
int state_file_judge(sqlite3 *db, const char *path, struct error *err);
/* A new state with the current schema appears at path, whole or not at all. */
int state_file_create(const char *path, struct error *err);
int state_file_make_private(const char *path, struct error *err); /* an empty file of mode 0600; the file may be there */
int state_file_sync_folder(const char *path, struct error *err);  /* of the folder that holds path */
char *state_file_folder(const char *path);                        /* owned by the caller */

/* ---- state_schema.c ---- */

struct migration {
    int version;                  /* that the database has afterwards */
    const char *sql;
};

extern const struct migration state_migrations[];
extern const size_t state_migration_count;

/* Settings that live in the file and must be there before the first table; then all migrations in one transaction. */
int state_schema_create(sqlite3 *db, const char *path, struct error *err);
/* The tables of an older version, in an empty database, inside a transaction that is left open: what was written by that release can be put in. */
int state_schema_create_at(sqlite3 *db, const char *path, int version, const struct migration *table, size_t count, struct error *err);
/* What db holds as a new file at copy_path: there when it is whole and synced. path: whose copy it is, for messages. */
int state_schema_write_copy(sqlite3 *db, const char *path, const char *copy_path, struct error *err);
/* All migrations from a version on, in one transaction, without a backup. */
int state_schema_migrate(sqlite3 *db, const char *path, int from, const struct migration *table, size_t count, struct error *err);
/* 0 when this release can use that version; a reader cannot upgrade. */
int state_schema_judge(const char *path, int64_t version, int newest, bool is_reader, struct error *err);
/* Compares the version of the file with the newest of the table. A reader cannot migrate; a writer makes a backup first. */
int state_schema_check(sqlite3 *db, const char *path, bool is_reader, int64_t now_ms, const struct migration *table, size_t count,
                       struct error *err);

/* ---- state_statement.c ---- */

int state_prepare(struct state *state, struct error *err);
void state_finalize(struct state *state);

struct binder {
    sqlite3_stmt *statement;
    int at;
    int code;                     /* the first failure; SQLITE_OK */
};

struct binder state_bind(struct state *state, enum statement statement);
void bind_number(struct binder *binder, int64_t value);
void bind_string(struct binder *binder, const char *string);  /* NULL is stored as "" */
void bind_bytes(struct binder *binder, const void *bytes, size_t size);
void bind_text(struct binder *binder, const char *bytes, size_t size);
void bind_null(struct binder *binder);

/* Runs a statement that gives no rows. *ret_changed may be NULL. */
int state_run(struct state *state, const struct binder *binder, const char *what, int64_t *ret_changed, struct error *err);
/* One step of a statement that gives rows: 1 a row, 0 no more, -1 error. On 0 and -1 the statement is reset. */
int state_step(struct state *state, const struct binder *binder, const char *what, struct error *err);
void state_reset(struct state *state, enum statement statement);
int state_run_simple(struct state *state, enum statement statement, const char *what, struct error *err);

int64_t column_number(sqlite3_stmt *statement, int at);
const char *column_string(sqlite3_stmt *statement, int at);   /* "" for NULL; until the next step */
struct slice column_slice(sqlite3_stmt *statement, int at);

/* Moves borrowed strings and bytes of a row into a keeper; each stays NUL-terminated. */
struct borrowed {
    const char **strings[8];
    struct slice *slices[2];
    size_t string_count, slice_count;
};
void state_keep(struct state *state, enum keeper keeper, const struct borrowed *borrowed);

/* ---- state_apply.c ---- */
int state_begin(struct state *state, struct error *err); /* a transaction that writes, when there is none */

/* ---- state_care.c ---- */
int state_ask(struct state *state, const char *sql, const char *what, int64_t *ret_number, struct error *err);

/* ---- state_apply_rows.c ---- */
int state_put_target(struct state *state, const struct target_row *row, struct error *err);
int state_put_stream(struct state *state, const struct stream_row *row, struct error *err);
int state_put_batch(struct state *state, const struct batch_row *row, struct error *err);
int state_put_letter(struct state *state, const struct dead_letter *letter, struct error *err);
int state_put_run(struct state *state, const struct run_row *row, struct error *err);
int state_put_newer(struct state *state, const struct change *change, struct error *err);
int state_put_mark(struct state *state, const struct change *change, struct error *err);
int state_put_connector(struct state *state, const struct connector_row *row, struct error *err);
int state_put_job(struct state *state, const struct job_row *row, struct error *err);
int state_put_alert(struct state *state, const struct alert_row *row, struct error *err);
int state_put_absence(struct state *state, const struct change *change, struct error *err);

/* ---- state_count.c ---- */
void state_count(struct state *state, int64_t stream, int kind, int64_t by);
int state_count_write(struct state *state, struct error *err);
void state_count_forget(struct state *state);

/* ---- state_read.c ---- */
/* Before a look-up: one view for all that follow, until the next change, commit or rest. */
int state_view(struct state *state, struct error *err);
int64_t state_memory_key(int64_t stream, struct slice id); /* 64 bits of SHA-256: the index key */
/* Does (stream, id) have a row? Takes the answer of the last look-up when it was for the same. 1, 0 or -1. */
int state_has_memory(struct state *state, int64_t stream, struct slice id, int64_t *ret_key, struct error *err);

/* The rest of a list of memories whose statement is bound. 0 or -1. */
int state_give_memories(struct state *state, enum statement statement, const struct binder *binder, const char *what,
                        bool (*each)(void *context, const struct memory_row *row), void *context, struct error *err);
/* In the order of BATCH_COLUMNS and LETTER_COLUMNS; strings are borrowed from the statement. */
int state_read_batch(struct state *state, sqlite3_stmt *statement, struct batch_row *ret_row, struct error *err);
int state_read_letter(struct state *state, sqlite3_stmt *statement, struct dead_letter *ret_letter, struct error *err);

/* One list at a time per kind: its statement is shared. */
int state_list_begin(struct state *state, enum statement statement, struct binder *ret_binder, struct error *err);
void state_list_end(struct state *state, enum statement statement);

/* The counters of a run in the order of their columns. */
enum { RUN_COUNTERS = sizeof(struct run_counts) / sizeof(int64_t) };
int64_t *state_run_counter(struct run_counts *counts, size_t index);

/* ---- state_sqlite.c ---- */
int state_open_memory(struct state *state, const char *name, struct error *err); /* name as SQLite wants it */
/* A place where nothing is opened: its folder is made, its lock is taken until state_free. */
int state_lock_place(const struct state_settings *settings, struct state **ret_place, struct error *err);
/* A state in memory with the tables of a version, in an open transaction; after its rows were brought in, committed and migrated, it is made ready for use. */
int state_scratch_open(int version, struct state **ret_scratch, struct error *err);
int state_scratch_ready(struct state *scratch, struct error *err);

/* Seams for the tests. */
int state_open_with(const struct state_settings *settings, const struct migration *table, size_t count, struct state **ret_state,
                    struct error *err);

#endif
