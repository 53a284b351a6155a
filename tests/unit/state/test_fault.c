/* A disk that fails: a thin layer under SQLite lets the Nth call of a kind fail, for every N that a small life of a state reaches. Then the state must
 * say so, write nothing more, and the next start must find every transaction that was acknowledged, whole, and no half one. */
#include "state_model.h"

#include "state/state_internal.h"

enum { TRANSACTIONS = 4, PER_TRANSACTION = 30 };

enum call { CALL_NONE, CALL_OPEN, CALL_READ, CALL_WRITE, CALL_SYNC, CALL_TRUNCATE, CALL_SHARED_MEMORY, CALL_LOCK, CALLS };

static struct {
    enum call kind;      /* which fails */
    int countdown;       /* this many calls of the kind go well before; < 0: none fails */
    int code;
    bool has_failed;
    int written_after;   /* writes and syncs after the failure: must be none once a commit has failed */
} fault;

static int pass(enum call kind)
{
    if (fault.has_failed && (kind == CALL_WRITE || kind == CALL_SYNC || kind == CALL_TRUNCATE))
        fault.written_after++;
    if (fault.kind != kind || fault.countdown < 0)
        return SQLITE_OK;
    if (fault.countdown-- > 0)
        return SQLITE_OK;
    fault.has_failed = true;
    return fault.code;
}

/* ---- The layer: every file of ours holds one of the system's behind it ---- */

struct thin_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *file) { return ((struct thin_file *)(void *)file)->real; }

static int thin_close(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }
static int thin_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
    int code = pass(CALL_READ);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xRead(real_of(file), bytes, size, at);
}
static int thin_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    int code = pass(CALL_WRITE);
    if (code != SQLITE_OK && size > 1) /* a torn write: half of it did reach the disk */
        (void)real_of(file)->pMethods->xWrite(real_of(file), bytes, size / 2, at);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xWrite(real_of(file), bytes, size, at);
}
static int thin_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = pass(CALL_TRUNCATE);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int thin_sync(sqlite3_file *file, int flags)
{
    int code = pass(CALL_SYNC);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xSync(real_of(file), flags);
}
static int thin_size(sqlite3_file *file, sqlite3_int64 *size) { return real_of(file)->pMethods->xFileSize(real_of(file), size); }
static int thin_lock(sqlite3_file *file, int level)
{
    int code = pass(CALL_LOCK);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xLock(real_of(file), level);
}
static int thin_unlock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xUnlock(real_of(file), level); }
static int thin_check(sqlite3_file *file, int *held) { return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held); }
static int thin_control(sqlite3_file *file, int what, void *value) { return real_of(file)->pMethods->xFileControl(real_of(file), what, value); }
static int thin_sector(sqlite3_file *file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }
static int thin_device(sqlite3_file *file) { return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file)); }
static int thin_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    int code = pass(CALL_SHARED_MEMORY);
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
static int thin_shm_lock(sqlite3_file *file, int offset, int count, int flags) { return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags); }
static void thin_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int thin_unmap(sqlite3_file *file, int remove) { return real_of(file)->pMethods->xShmUnmap(real_of(file), remove); }

static const sqlite3_io_methods thin_methods = {
    .iVersion = 2, .xClose = thin_close, .xRead = thin_read, .xWrite = thin_write, .xTruncate = thin_truncate, .xSync = thin_sync,
    .xFileSize = thin_size, .xLock = thin_lock, .xUnlock = thin_unlock, .xCheckReservedLock = thin_check, .xFileControl = thin_control,
    .xSectorSize = thin_sector, .xDeviceCharacteristics = thin_device, .xShmMap = thin_map, .xShmLock = thin_shm_lock,
    .xShmBarrier = thin_barrier, .xShmUnmap = thin_unmap,
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs thin_vfs;

static int thin_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct thin_file *thin = (struct thin_file *)(void *)file;
    int code = pass(CALL_OPEN);

    (void)vfs;
    thin->base.pMethods = NULL;
    thin->real = (sqlite3_file *)(void *)(thin + 1);
    if (code == SQLITE_OK)
        code = system_vfs->xOpen(system_vfs, name, thin->real, flags, ret_flags);
    if (code == SQLITE_OK)
        thin->base.pMethods = &thin_methods;
    return code;
}

static void install_layer(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    thin_vfs = *system_vfs;
    thin_vfs.pNext = NULL;
    thin_vfs.zName = "thin";
    thin_vfs.szOsFile = (int)sizeof(struct thin_file) + system_vfs->szOsFile;
    thin_vfs.xOpen = thin_open;
    assert_int_equal(sqlite3_vfs_register(&thin_vfs, 1), SQLITE_OK);
}

/* ---- A small life: made, filled, flown, opened again. Returns how many transactions were acknowledged. ---- */

struct life {
    int acknowledged;
    bool has_failed;
    bool commit_has_failed;
    int written_after_commit;
    struct error err;
};

static int do_transaction(struct state *state, int n, struct life *life)
{
    struct member_ref members[PER_TRANSACTION];

    for (int i = 1; i <= PER_TRANSACTION; i++) {
        char id[32], text[500];
        struct memory_row row;
        model_id(n * PER_TRANSACTION + i, id, sizeof id);
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        row = memory_of(n * PER_TRANSACTION + i, 1, id, MEMORY_QUEUED, (int64_t)strlen(text));
        members[i - 1] = (struct member_ref){ .seq = row.seq, .stream = 1 };
        if (apply_memory(state, &row, text, &life->err) < 0)
            return -1;
    }
    if (apply_members(state, members, PER_TRANSACTION, MEMORY_QUEUED, MEMORY_FLYING, n + 1, &life->err) < 0)
        return -1;
    if (state_commit(state, &life->err) < 0) {
        life->commit_has_failed = true;
        return -1;
    }
    return 0;
}

static void expect_silence_after(struct state *state, struct life *life)
{
    const struct memory_row row = memory_of(9999, 1, "late", MEMORY_QUEUED, 0);
    struct memory_row got;
    struct error err = { 0 };

    assert_int_equal(apply_memory(state, &row, NULL, &err), -1);
    assert_int_equal(state_commit(state, &err), -1);
    assert_int_equal(state_get_memory(state, 1, &got, &err), -1);
    assert_non_null(strstr(err.message, "nothing is written after a failure"));
    if (life->commit_has_failed)
        fault.written_after = 0;
    state_free(state);
    if (life->commit_has_failed)
        life->written_after_commit = fault.written_after;
}

static struct life live(void)
{
    struct life life = { 0 };

    for (int round = 0; round < 2; round++) {
        const struct state_settings settings = { .path = fixture_path };
        struct state *state = NULL;
        if (state_open(&settings, &state, &life.err) < 0) {
            life.has_failed = true;
            return life;
        }
        for (int n = 0; n < TRANSACTIONS; n++) {
            if (do_transaction(state, round * TRANSACTIONS + n, &life) < 0) {
                life.has_failed = true;
                expect_silence_after(state, &life);
                return life;
            }
            life.acknowledged++;
        }
        state_free(state);
    }
    return life;
}

static void expect_recovered(const struct life *life, enum call kind, int nth)
{
    struct state *state;
    int64_t most;

    fault.countdown = -1;
    state = fixture_open(); /* made anew when the failure came before there was a file */
    most = state_next_memory(state) - 1;
    state_free(state);
    expect_sound();
    if (most < (int64_t)life->acknowledged * PER_TRANSACTION || most % PER_TRANSACTION != 0)
        fail_msg("call %d of kind %d failed: %d transactions acknowledged, %lld memories there", nth, (int)kind, life->acknowledged, (long long)most);
}

static int fail_every(enum call kind, int code)
{
    int told = 0;

    for (int nth = 0; nth < 2000; nth++) {
        struct life life;
        fixture_remove_files();
        memset(&fault, 0, sizeof fault);
        fault.kind = kind;
        fault.code = code;
        fault.countdown = nth;
        life = live();
        if (!fault.has_failed)
            return told; /* it lives without ever making that call */
        if (life.has_failed) {
            told++;
            if (life.err.message[0] == '\0' || (life.err.kind != ERROR_IO && life.err.kind != ERROR_CONFIG))
                fail_msg("call %d of kind %d: %s: %s", nth, (int)kind, error_kind_name(life.err.kind), life.err.message);
            assert_int_equal(life.written_after_commit, 0);
        }
        expect_recovered(&life, kind, nth);
    }
    fail_msg("the life of a state makes too many calls of kind %d", (int)kind);
    return -1;
}

static void test_a_disk_that_fails_once(void **unused)
{
    static const struct { const char *why; enum call kind; int code; } rows[] = {
        { "the disk is full", CALL_WRITE, SQLITE_FULL },
        { "a write fails", CALL_WRITE, SQLITE_IOERR_WRITE },
        { "a sync fails", CALL_SYNC, SQLITE_IOERR_FSYNC },
        { "a read fails", CALL_READ, SQLITE_IOERR_READ },
        { "a truncation fails", CALL_TRUNCATE, SQLITE_IOERR_TRUNCATE },
        { "a file cannot be opened", CALL_OPEN, SQLITE_CANTOPEN },
        { "no shared memory", CALL_SHARED_MEMORY, SQLITE_IOERR_SHMMAP },
        { "shared memory is read-only", CALL_SHARED_MEMORY, SQLITE_READONLY_CANTINIT },
        { "a lock fails", CALL_LOCK, SQLITE_IOERR_LOCK },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int told = fail_every(rows[i].kind, rows[i].code);
        (void)fprintf(stderr, "# %s: %d times told, never more lost than was not acknowledged\n", rows[i].why, told);
        if (rows[i].kind != CALL_TRUNCATE) /* only tidying up truncates, and it may fail in silence */
            assert_true(told > 0);
    }
}

/* ---- An upgrade ---- */

static const struct migration newer[] = {
    { STATE_SCHEMA, "" }, /* never run here */
    { STATE_SCHEMA + 1, "INSERT INTO meta VALUES('second', 1); UPDATE memories SET attempts=attempts+1" },
};

static int upgrade(struct error *err)
{
    const struct state_settings settings = { .path = fixture_path, .now_ms = 1700000000000 };
    struct state *state = NULL;

    if (state_open_with(&settings, newer, ARRAY_LENGTH(newer), &state, err) < 0)
        return -1;
    state_free(state);
    return 0;
}

/* The upgrade is there whole or not at all, and never without its backup. */
static void expect_upgraded_or_not(bool went_well)
{
    AUTO_STRING char *backup = mem_format("%s.version-%d.20231114T221320Z.backup", fixture_path, STATE_SCHEMA);
    sqlite3 *db = NULL;
    int64_t version, changed;

    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    version = ask_number(db, "PRAGMA user_version");
    changed = ask_number(db, "SELECT count(*) FROM memories WHERE attempts=1");
    assert_int_equal(ask_number(db, "SELECT count(*) FROM memories"), PER_TRANSACTION);
    (void)sqlite3_close(db);
    assert_int_equal(changed, version == STATE_SCHEMA + 1 ? PER_TRANSACTION : 0);
    if (went_well)
        assert_int_equal(version, STATE_SCHEMA + 1);
    if (version == STATE_SCHEMA + 1) {
        sqlite3 *old = NULL;
        assert_int_equal(sqlite3_open_v2(backup, &old, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        expect_sound_in(old);
    }
}

static void test_an_upgrade_on_a_disk_that_fails(void **unused)
{
    static const struct { enum call kind; int code; } rows[] = {
        { CALL_WRITE, SQLITE_FULL }, { CALL_SYNC, SQLITE_IOERR_FSYNC }, { CALL_READ, SQLITE_IOERR_READ }, { CALL_OPEN, SQLITE_CANTOPEN }, { CALL_LOCK, SQLITE_IOERR_LOCK },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int told = 0;
        for (int nth = 0;; nth++) {
            struct life life = { 0 };
            struct error err = { 0 };
            struct state *state;
            int result;
            fault.countdown = -1;
            fixture_remove_files();
            state = fixture_open();
            assert_int_equal(do_transaction(state, 0, &life), 0);
            state_free(state);
            memset(&fault, 0, sizeof fault);
            fault.kind = rows[i].kind;
            fault.code = rows[i].code;
            fault.countdown = nth;
            result = upgrade(&err);
            fault.countdown = -1;
            told += result < 0;
            if (result < 0 && err.kind != ERROR_IO && err.kind != ERROR_CONFIG)
                fail_msg("call %d of kind %d: %s", nth, (int)rows[i].kind, err.message);
            expect_upgraded_or_not(result == 0);
            if (!fault.has_failed)
                break;
            ASSERT_WORKS(upgrade(&err), err); /* the next start does it */
            expect_upgraded_or_not(true);
        }
        assert_true(told > 0);
    }
}

/* ---- A reader: its failures are not for ever ---- */

static bool go_on_memory(void *context, const struct memory_row *row) { return ++*(int *)context > 0 && row != NULL; }
static bool go_on_batch(void *context, const struct batch_row *row) { return ++*(int *)context > 0 && row != NULL; }
static bool go_on_target(void *context, const struct target_row *row) { return ++*(int *)context > 0 && row != NULL; }
static bool go_on_stream(void *context, const struct stream_row *row) { return ++*(int *)context > 0 && row != NULL; }
static bool go_on_letter(void *context, const struct dead_letter *letter) { return ++*(int *)context > 0 && letter != NULL; }
static bool go_on_run(void *context, const struct run_row *row) { return ++*(int *)context > 0 && row != NULL; }

/* Returns how many of its calls failed. */
static int read_everything(struct state *reader)
{
    AUTO_DONE(text) struct text text = { 0 };
    struct memory_row memory;
    struct batch_row batch;
    struct dead_letter letter;
    struct run_row run;
    struct target_row target;
    struct stream_row stream;
    struct state_counts counts;
    const struct letter_filter filter = { 0 };
    int64_t flying[BATCH_STATES], when;
    int failed = 0, seen = 0;
    bool any;

    text_init(&text, 0);
    failed += state_find_target(reader, "default", &target, NULL) < 0;
    failed += state_find_stream(reader, 1, "default", "a", &stream, NULL) < 0;
    failed += state_get_stream(reader, 1, &stream, NULL) < 0;
    failed += state_find_memory(reader, 1, slice_of("m1"), &memory, NULL) < 0;
    failed += state_get_memory(reader, 100, &memory, NULL) < 0;
    failed += state_get_text(reader, 1, &text, NULL) < 0;
    failed += state_get_batch(reader, 1, &batch, NULL) < 0;
    failed += state_get_letter(reader, 1, &letter, NULL) < 0;
    failed += state_find_letter(reader, 1, DEAD_STUCK, 1, NULL, &letter, NULL) < 0;
    failed += state_find_decided_letter(reader, 1, DEAD_MALFORMED, (const uint8_t[16]){ 1 }, 1, &letter, NULL) < 0;
    failed += state_get_run(reader, 1, &run, NULL) < 0;
    failed += state_each_open_run(reader, go_on_run, &seen, NULL) < 0;
    failed += state_each_run(reader, NULL, 0, go_on_run, &seen, NULL) < 0;
    failed += state_each_queued(reader, 1, 0, 1000, 1 << 30, go_on_memory, &seen, NULL) < 0;
    failed += state_next_queued(reader, 1, 0, &any, &when, NULL) < 0;
    failed += state_next_queued(reader, 2, 0, &any, &when, NULL) < 0;
    failed += state_each_open_batch(reader, 1, go_on_batch, &seen, NULL) < 0;
    failed += state_each_member(reader, 1, go_on_memory, &seen, NULL) < 0;
    failed += state_each_target(reader, go_on_target, &seen, NULL) < 0;
    failed += state_each_stream(reader, go_on_stream, &seen, NULL) < 0;
    failed += state_each_letter(reader, &filter, go_on_letter, &seen, NULL) < 0;
    failed += state_count_stream(reader, 1, &counts, NULL) < 0;
    failed += state_count_target(reader, 1, &counts, NULL) < 0;
    failed += state_count_connector(reader, "voice", &counts, NULL) < 0;
    failed += state_count_flying(reader, NULL, flying, NULL) < 0;
    failed += state_oldest_unsettled(reader, NULL, &when, NULL) < 0;
    return failed;
}

static void fill_for_reading(void)
{
    AUTO(state) struct state *state = fixture_open();
    const struct member_ref members[] = { { 1, 1 }, { 2, 1 } };
    struct error err = { 0 };

    ASSERT_WORKS(apply_target(state, &(struct target_row){ .target = 1, .name = "default" }, &err), err);
    ASSERT_WORKS(apply_stream(state, 1, 1, "voice", "a", &err), err);
    fixture_fill(state, 400);
    ASSERT_WORKS(apply_batch(state, &(struct batch_row){ .batch = 1, .target = 1, .state = BATCH_STORED }, &err), err);
    ASSERT_WORKS(apply_letter(state, &(struct dead_letter){ .letter = 1, .dead_class = DEAD_STUCK, .stream = 1, .seq = 1 }, &err), err);
    ASSERT_WORKS(apply_run(state, &(struct run_row){ .run = 1, .connector = "voice" }, &err), err);
    ASSERT_WORKS(apply_members(state, members, 2, MEMORY_QUEUED, MEMORY_FLYING, 1, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void test_a_reader_on_a_disk_that_fails(void **unused)
{
    const struct state_settings settings = { .path = fixture_path, .reader = true };
    int told = 0;

    (void)unused;
    memset(&fault, 0, sizeof fault);
    fault.countdown = -1;
    fill_for_reading();
    for (int nth = 0;; nth++) {
        struct state *reader = NULL;
        int failed;
        memset(&fault, 0, sizeof fault);
        fault.kind = CALL_READ;
        fault.code = SQLITE_IOERR_READ;
        fault.countdown = nth;
        if (state_open(&settings, &reader, NULL) < 0)
            continue;
        failed = read_everything(reader);
        told += failed;
        assert_true(failed <= 1); /* the call after it works again */
        fault.countdown = -1;
        assert_int_equal(read_everything(reader), 0);
        state_free(reader);
        if (!fault.has_failed)
            break;
    }
    assert_true(told > 10);
}

/* ---- Words ---- */

/* Each word leads to another remedy. */
static void test_a_failure_names_its_remedy(void **unused)
{
    static const struct { const char *why; int code; const char *words; } rows[] = {
        { "a full disk", SQLITE_FULL, "free space" },
        { "a broken disk", SQLITE_IOERR_FSYNC, "the disk reports an error" },
        { "a broken file system", SQLITE_IOERR_CORRUPTFS, "file system is damaged" },
        { "a read-only disk", SQLITE_READONLY, "mounted read-only" },
        { "a file that was moved", SQLITE_READONLY_DBMOVED, "moved or removed while in use" },
        { "a folder of somebody else", SQLITE_CANTOPEN, "the user who owns the state" },
        { "a file of somebody else", SQLITE_PERM, "owner and mode" },
        { "damage", SQLITE_CORRUPT, "state repair --dry-run" },
        { "something that SQLite does not tell", SQLITE_PROTOCOL, "SQLite failed" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct memory_row row = memory_of(1, 1, "m1", MEMORY_QUEUED, 0);
        struct error err = { 0 };
        struct state *state;
        fault.countdown = -1;
        state = fixture_open();
        ASSERT_WORKS(apply_memory(state, &row, NULL, &err), err);
        memset(&fault, 0, sizeof fault);
        fault.kind = CALL_WRITE;
        fault.code = rows[i].code;
        assert_int_equal(state_commit(state, &err), -1);
        if (err.kind != ERROR_IO || strstr(err.message, rows[i].words) == NULL || strstr(err.message, fixture_path) == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
        fault.countdown = -1;
        state_free(state);
        fixture_remove_files();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_a_disk_that_fails_once),
        STATE_TEST(test_an_upgrade_on_a_disk_that_fails),
        STATE_TEST(test_a_reader_on_a_disk_that_fails),
        STATE_TEST(test_a_failure_names_its_remedy),
    };
    fault.countdown = -1;
    install_layer();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
