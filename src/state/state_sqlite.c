#include "state/state_json.h"

#include "base/file.h"
#include "base/mem.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_WAIT_MS = 5000,          /* for a stranger's lock (sqlite3, a backup tool); our own writers are kept apart by the lock file */
    LOCK_STEP_FIRST_MS = 10,
    LOCK_STEP_LAST_MS = 250,
    READER_TRIES = 10,
    VALUE_MAXIMUM = 128 << 20,    /* bytes of one value: half of TEXT_MAXIMUM, so that a damaged length cannot ask for more memory */
};

/* The log is moved into the file at 4,000 pages (16 MB): rarer costs disk, more often costs time. journal_size_limit: what a long reader made it
 * grow to is given back. Nothing in the file may call a function (trusted_schema), and every page is checked when it is read. */
static const char settings_of_all[] = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                                      "PRAGMA cache_size=-4096";
static const char settings_of_writer[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON;"
                                         "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864; PRAGMA secure_delete=ON";

/* ---- The lock ---- */

static void wait_ms(int64_t ms)
{
    const struct timespec pause = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L };

    (void)nanosleep(&pause, NULL);
}

static char *lock_path(const char *path, bool is_folder)
{
    return mem_format(is_folder ? "%s/lock" : "%s.lock", path);
}

static int take_lock(struct state *state, int64_t wait_ms_left, struct error *err)
{
    AUTO_STRING char *lock = lock_path(state->path, state->folder != NULL && strcmp(state->folder, state->path) == 0);
    int64_t step_ms = LOCK_STEP_FIRST_MS;

    for (;;) {
        struct error why = { 0 };
        if (file_lock(lock, &state->lock_fd, &why) == 0)
            return 0;
        if (why.kind == ERROR_CONFLICT && wait_ms_left <= 0)
            return error_set(err, ERROR_CONFLICT, "state %s: %s: let it end first, or wait for it with --lock-wait 5m", state->path, why.message);
        if (why.kind != ERROR_CONFLICT) {
            if (err != NULL)
                *err = why;
            return error_wrap(err, "state %s", state->path);
        }
        if (step_ms > wait_ms_left)
            step_ms = wait_ms_left;
        wait_ms(step_ms);
        wait_ms_left -= step_ms;
        step_ms = step_ms * 2 < LOCK_STEP_LAST_MS ? step_ms * 2 : LOCK_STEP_LAST_MS;
    }
}

/* ---- Opening ---- */

static bool is_in_memory(const char *path)
{
    return strncmp(path, ":memory:", strlen(":memory:")) == 0;
}

static int execute(struct state *state, const char *sql, const char *what, struct error *err)
{
    int code = sqlite3_exec(state->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : state_fail(state, code, err, "%s", what);
}

static int open_database(struct state *state, const char *name, int flags, struct error *err)
{
    int code = sqlite3_open_v2(name, &state->db, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK)
        return state_fail(state, code, err, "opening it");
    (void)sqlite3_extended_result_codes(state->db, 1);
    (void)sqlite3_db_config(state->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(state->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(state->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* One plan for a statement, whatever is bound: else a range of rows is planned anew at each call where SQLite has STAT4 (Debian). */
    (void)sqlite3_db_config(state->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
    (void)sqlite3_limit(state->db, SQLITE_LIMIT_LENGTH, VALUE_MAXIMUM);
    (void)sqlite3_busy_timeout(state->db, BUSY_WAIT_MS);
    return 0;
}

int state_open_memory(struct state *state, const char *name, struct error *err)
{
    return open_database(state, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, err) < 0 ? -1
                                                                                                           : execute(state, settings_of_all, "opening it", err);
}

/* ":memory:" is private; ":memory:NAME" is shared by all states of this process that name it, and gone with the last of them. */
static int open_in_memory(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count,
                          struct error *err)
{
    const char *shared = settings->path + strlen(":memory:");
    AUTO_STRING char *name = shared[0] == '\0' ? mem_copy_string(":memory:") : mem_format("file:/%s?vfs=memdb", shared);
    sqlite3_int64 pages = 0;
    sqlite3_stmt *statement = NULL;

    if (state_open_memory(state, name, err) < 0)
        return -1;
    if (sqlite3_prepare_v2(state->db, "PRAGMA page_count", -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        pages = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    if (pages == 0 && state_schema_create(state->db, state->path, err) < 0)
        return -1;
    return state_schema_check(state->db, state->path, state->is_reader, settings->now_ms, table, count, err);
}

/* Files that an older umask or a careful person's cp made readable for others. */
static void make_private(const char *path)
{
    struct stat facts;

    if (stat(path, &facts) == 0 && (facts.st_mode & 077) != 0)
        (void)chmod(path, facts.st_mode & 0700);
}

/* Every start proves that the state can be written and synced, before anything is sent. */
static int prove_writable(struct state *state, int64_t now_ms, struct error *err)
{
    AUTO_STRING char *sql = mem_format("INSERT INTO meta(name, value) VALUES('opened_ms', %lld) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
                                       (long long)now_ms);

    return execute(state, sql, "writing to it", err);
}

static int check_log_mode(struct state *state, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    const char *mode = "";
    int result = 0;

    if (sqlite3_prepare_v2(state->db, "PRAGMA journal_mode", -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        mode = column_string(statement, 0);
    if (strcmp(mode, "wal") != 0)
        result = error_set(err, ERROR_IO, "state %s: the file system does not let SQLite keep its log (journal mode \"%s\"): use a local disk", state->path,
                           mode);
    (void)sqlite3_finalize(statement);
    return result;
}

static int open_writer(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    enum state_file file;

    if (state_file_inspect(state->path, &file, err) < 0)
        return -1;
    if (file == STATE_FILE_MISSING && state_file_create(state->path, err) < 0)
        return -1;
    if (open_database(state, state->path, SQLITE_OPEN_READWRITE, err) < 0 || state_file_judge(state->db, state->path, err) < 0)
        return -1;
    make_private(state->path);
    if (execute(state, settings_of_all, "opening it", err) < 0 || execute(state, settings_of_writer, "opening it", err) < 0 ||
        check_log_mode(state, err) < 0 ||
        state_schema_check(state->db, state->path, false, settings->now_ms, table, count, err) < 0)
        return -1;
    return prove_writable(state, settings->now_ms, err);
}

static int open_reader(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    enum state_file file;

    if (state_file_inspect(state->path, &file, err) < 0)
        return -1;
    if (file == STATE_FILE_MISSING)
        return error_set(err, ERROR_FAILED, "state %s: there is none yet; the first sync makes it", state->path);
    if (open_database(state, state->path, SQLITE_OPEN_READONLY, err) < 0 || state_file_judge(state->db, state->path, err) < 0 ||
        execute(state, settings_of_all, "opening it", err) < 0)
        return -1;
    return state_schema_check(state->db, state->path, true, settings->now_ms, table, count, err);
}

static int read_numbers(struct state *state, struct error *err)
{
    static const char *const columns[NUMBERS][2] = {
        [NUMBER_MEMORY] = { "seq", "memories" }, [NUMBER_BATCH] = { "batch", "batches" },    [NUMBER_LETTER] = { "letter", "letters" },
        [NUMBER_RUN] = { "run", "runs" },        [NUMBER_TARGET] = { "target", "targets" }, [NUMBER_STREAM] = { "stream", "streams" },
    };

    for (size_t i = 0; i < NUMBERS; i++) {
        AUTO_STRING char *sql = mem_format("SELECT max(%s) FROM %s", columns[i][0], columns[i][1]);
        sqlite3_stmt *statement = NULL;
        int64_t last = 0;
        int code = sqlite3_prepare_v2(state->db, sql, -1, &statement, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            last = sqlite3_column_int64(statement, 0); /* 0 for no rows */
        (void)sqlite3_finalize(statement);
        if (code != SQLITE_ROW)
            return state_fail(state, code, err, "reading its last numbers");
        if (last < 0 || last >= INT64_MAX / 2)
            return state_damaged(state, err, "the last number of %s is out of range", columns[i][1]);
        state->next[i] = last + 1;
    }
    return 0;
}

/* An empty page over the root of memories leaves a sound tree without rows: the counters remember that there were some. */
static int check_not_emptied(struct state *state, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;
    bool is_emptied;

    if (state->next[NUMBER_MEMORY] > 1)
        return 0;
    /* one statement, one view: a reader may stand beside a writer who adds the first ones */
    code = sqlite3_prepare_v2(state->db, "SELECT (SELECT coalesce(max(seq), 0) FROM memories) < 1 AND (EXISTS(SELECT 1 FROM counts WHERE kind<16 AND value<>0) OR EXISTS(SELECT 1 FROM texts))",
                              -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    is_emptied = code == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;
    (void)sqlite3_finalize(statement);
    if (code != SQLITE_ROW)
        return state_fail(state, code, err, "reading its counters");
    return is_emptied ? state_damaged(state, err, "it counts memories, and holds none") : 0;
}

static struct state *state_new(const struct state_settings *settings)
{
    struct state *state = mem_alloc(sizeof *state);

    state->path = mem_copy_string(settings->path);
    state->lock_fd = -1;
    state->is_reader = settings->reader;
    for (size_t i = 0; i < KEEPERS; i++)
        text_init(&state->kept[i], 0);
    text_init(&state->miss_id, 0);
    return state;
}

/* What is refused is refused before a lock file is made beside it. */
static int open_sqlite(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    enum state_file file;

    state->folder = state_file_folder(settings->path);
    if (settings->reader)
        return open_reader(state, settings, table, count, err);
    if (file_make_folder(state->folder, err) < 0 || state_file_inspect(state->path, &file, err) < 0 || take_lock(state, settings->lock_wait_ms, err) < 0)
        return -1;
    return open_writer(state, settings, table, count, err);
}

/* A reader of a folder holds no lock: what it was about to read may be gone with its generation, then the next one is there. */
static int open_json_reader(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    struct error why = { 0 };

    for (int i = 0; i < READER_TRIES; i++) {
        int64_t before = 0, after = 0;
        why = (struct error){ 0 };
        if (state_json_inspect(state->path, &before, &why) < 0)
            continue; /* a listing that was read while files went and came shows what never was */
        if (state_json_open(state, settings, table, count, &why) == 0)
            return 0;
        if (state_json_inspect(state->path, &after, NULL) == 0 && after == before)
            break;
        state_json_free(state->json); /* its statements are the database's */
        (void)sqlite3_close(state->db);
        state->db = NULL;
        state->json = NULL;
    }
    if (err != NULL)
        *err = why;
    return -1;
}

static int open_json(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err)
{
    int64_t generation;

    state->folder = mem_copy_string(state->path);
    if (settings->reader)
        return open_json_reader(state, settings, table, count, err);
    if (state_json_inspect(state->path, &generation, err) < 0 || file_make_folder(state->path, err) < 0 || take_lock(state, settings->lock_wait_ms, err) < 0 ||
        state_json_open(state, settings, table, count, err) < 0)
        return -1;
    return prove_writable(state, settings->now_ms, err) < 0 || state_json_write(state, err) < 0 ? -1 : 0;
}

int state_open_with(const struct state_settings *settings, const struct migration *table, size_t count, struct state **ret_state,
                    struct error *err)
{
    AUTO(state) struct state *state = state_new(settings);
    int result;

    if (is_in_memory(settings->path))
        result = open_in_memory(state, settings, table, count, err);
    else if (settings->backend == STATE_JSON)
        result = open_json(state, settings, table, count, err);
    else
        result = open_sqlite(state, settings, table, count, err);
    if (result < 0 || state_prepare(state, err) < 0 || read_numbers(state, err) < 0 || check_not_emptied(state, err) < 0)
        return -1;
    state->is_ready = true;
    *ret_state = TAKE(state);
    return 0;
}

int state_open(const struct state_settings *settings, struct state **ret_state, struct error *err)
{
    return state_open_with(settings, state_migrations, state_migration_count, ret_state, err);
}

char *state_folder(const struct state_settings *settings)
{
    return settings->backend == STATE_JSON ? mem_copy_string(settings->path) : state_file_folder(settings->path);
}

void state_holder(const struct state_settings *settings, struct text *ret_words)
{
    AUTO_STRING char *lock = lock_path(settings->path, settings->backend == STATE_JSON);

    file_lock_holder(lock, ret_words);
}

int state_lock_place(const struct state_settings *settings, struct state **ret_place, struct error *err)
{
    AUTO(state) struct state *place = state_new(settings);

    place->folder = state_folder(settings);
    if (file_make_folder(place->folder, err) < 0 || take_lock(place, settings->lock_wait_ms, err) < 0)
        return -1;
    *ret_place = TAKE(place);
    return 0;
}

int state_scratch_open(int version, struct state **ret_scratch, struct error *err)
{
    static const struct state_settings settings = { .path = ":memory:" };
    AUTO(state) struct state *scratch = state_new(&settings);

    if (state_open_memory(scratch, ":memory:", err) < 0 ||
        state_schema_create_at(scratch->db, scratch->path, version, state_migrations, state_migration_count, err) < 0)
        return -1;
    *ret_scratch = TAKE(scratch);
    return 0;
}

int state_scratch_ready(struct state *scratch, struct error *err)
{
    if (state_prepare(scratch, err) < 0 || read_numbers(scratch, err) < 0)
        return -1;
    scratch->is_ready = true;
    return 0;
}

/* ---- Closing ---- */

static void close_database(struct state *state)
{
    if (state->db == NULL)
        return;
    if (state->is_open || state->is_viewing)
        (void)sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
    state_finalize(state);
    /* After a failure nothing is tried any more: the log stays as the disk has it, and the next start recovers from it. What was refused
     * when it was opened is not ours to tidy up. */
    if (state->is_broken || !state->is_ready)
        (void)sqlite3_db_config(state->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    else if (!state->is_reader && state->json != NULL) {
        if (state->json->fd >= 0)
            state_json_close(state);
    } else if (!state->is_reader && state->folder != NULL) {
        (void)sqlite3_busy_timeout(state->db, 0); /* a reader that is busy keeps its snapshot: the next start moves the log */
        (void)sqlite3_wal_checkpoint_v2(state->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    state_json_free(state->json); /* its statements are the database's, which would stay open with them */
    state->json = NULL;
    (void)sqlite3_close(state->db);
}

void state_free(struct state *state)
{
    if (state == NULL)
        return;
    close_database(state);
    state_json_free(state->json);
    if (state->lock_fd >= 0)
        (void)close(state->lock_fd);
    for (size_t i = 0; i < KEEPERS; i++)
        text_done(&state->kept[i]);
    text_done(&state->miss_id);
    mem_free(state->deltas);
    mem_free(state->folder);
    mem_free(state->path);
    mem_free(state);
}

/* ---- Facts ---- */

bool state_disk_is_short(const struct state *state, int64_t reserve_bytes)
{
    int64_t free_bytes = state->folder != NULL ? file_free_bytes(state->folder) : -1;

    return free_bytes >= 0 && free_bytes < reserve_bytes;
}

int64_t state_next_memory(struct state *state) { return state->next[NUMBER_MEMORY]++; }
int64_t state_next_batch(struct state *state) { return state->next[NUMBER_BATCH]++; }
int64_t state_next_letter(struct state *state) { return state->next[NUMBER_LETTER]++; }
int64_t state_next_run(struct state *state) { return state->next[NUMBER_RUN]++; }
int64_t state_next_target(struct state *state) { return state->next[NUMBER_TARGET]++; }
int64_t state_next_stream(struct state *state) { return state->next[NUMBER_STREAM]++; }

const char *state_reader_path(const struct state *state)
{
    return state->json != NULL && !state->is_reader ? state_json_reader_path(state->json) : state->path;
}

const char *state_path(const struct state *state)
{
    return state->path;
}

const char *state_sqlite_version(void)
{
    return sqlite3_libversion();
}
