/* state_fixture.h - what the state's tests share: a backend (MC_STATE_BACKEND=json, else SQLite), a folder of their own, rows with sensible values, short names for the changes. */
#ifndef MC_TESTS_STATE_FIXTURE_H
#define MC_TESTS_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "state/state_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FIXTURE static inline __attribute__((unused))

/* ---- A folder ---- */

enum { FIXTURE_ROOM = 256 << 20 }; /* bytes that a folder in memory must have */

static char fixture_folder[64];
static char fixture_path[96];

FIXTURE void fixture_remove_files_in(const char *folder)
{
    DIR *listing = opendir(folder);

    if (listing == NULL)
        return;
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || unlink(path) == 0)
            continue;
        fixture_remove_files_in(path);
        (void)rmdir(path);
    }
    (void)closedir(listing);
}

FIXTURE void fixture_remove_files(void) { fixture_remove_files_in(fixture_folder); }

FIXTURE enum state_backend fixture_backend(void)
{
    const char *name = getenv("MC_STATE_BACKEND");

    return name != NULL && strcmp(name, "json") == 0 ? STATE_JSON : STATE_SQLITE;
}

/* Where files are cheap: these tests look at what is called and what is found again, not at how long a disk takes to sync. */
FIXTURE const char *fixture_root(void)
{
    struct statvfs facts;

    return access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &facts) == 0 && facts.f_bavail > FIXTURE_ROOM / facts.f_frsize ? "/dev/shm" : "/tmp";
}

FIXTURE int fixture_set_up(void **unused)
{
    (void)unused;
    (void)snprintf(fixture_folder, sizeof fixture_folder, "%s/mc-state-XXXXXX", fixture_root());
    if (mkdtemp(fixture_folder) == NULL)
        return -1;
    (void)snprintf(fixture_path, sizeof fixture_path, "%s/state.db", fixture_folder);
    return 0;
}

FIXTURE int fixture_tear_down(void **unused)
{
    (void)unused;
    (void)chmod(fixture_folder, 0700);
    fixture_remove_files();
    return rmdir(fixture_folder);
}

#define STATE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

/* ---- Opening ---- */

#define ASSERT_WORKS(call, err)                                                          \
    do {                                                                                 \
        if ((call) < 0)                                                                  \
            fail_msg("%s failed: %s (%s)", #call, (err).message, error_kind_name((err).kind)); \
    } while (0)

FIXTURE struct state *fixture_open_path(const char *path, bool reader)
{
    const struct state_settings settings = { .backend = fixture_backend(), .path = path, .reader = reader, .now_ms = 1700000000000 };
    struct state *state = NULL;
    struct error err = { 0 };

    ASSERT_WORKS(state_open(&settings, &state, &err), err);
    return state;
}

FIXTURE struct state *fixture_open(void) { return fixture_open_path(fixture_path, false); }
FIXTURE struct state *fixture_open_reader(void) { return fixture_open_path(fixture_path, true); }

FIXTURE enum error_kind fixture_refuse(bool reader, struct error *err)
{
    const struct state_settings settings = { .backend = fixture_backend(), .path = fixture_path, .reader = reader, .now_ms = 1700000000000 };
    struct state *state = NULL;

    *err = (struct error){ 0 };
    if (state_open(&settings, &state, err) == 0) {
        state_free(state);
        fail_msg("opened, but should have been refused");
    }
    assert_null(state);
    return err->kind;
}

/* The tables, for looks from outside; to be closed. */
FIXTURE sqlite3 *fixture_peek(void)
{
    sqlite3 *db = NULL;

    if (fixture_backend() == STATE_SQLITE) {
        assert_int_equal(sqlite3_open_v2(fixture_path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    } else {
        AUTO(state) struct state *reader = fixture_open_reader();
        sqlite3_backup *copy;
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        copy = sqlite3_backup_init(db, "main", reader->db, "main");
        assert_non_null(copy);
        assert_int_equal(sqlite3_backup_step(copy, -1), SQLITE_DONE);
        assert_int_equal(sqlite3_backup_finish(copy), SQLITE_OK);
    }
    return db;
}

/* ---- Rows and changes ---- */

FIXTURE struct slice slice_of(const char *string)
{
    return (struct slice){ .data = string, .size = strlen(string) };
}

FIXTURE struct memory_row memory_of(int64_t seq, int64_t stream, const char *id, enum memory_state memory_state, int64_t text_size)
{
    struct memory_row row = {
        .seq = seq, .stream = stream, .target = 1, .id = slice_of(id), .state = memory_state, .text_size = text_size, .arrived_ms = 1000 + seq
    };

    memset(row.revision, (int)(seq & 0xFF), sizeof row.revision);
    return row;
}

FIXTURE int apply_memory(struct state *state, const struct memory_row *row, const char *text, struct error *err)
{
    const struct slice words = slice_of(text != NULL ? text : "");
    const struct change change = { .kind = CHANGE_MEMORY_ADD, .memory = row, .text = text != NULL ? &words : NULL };

    return state_apply(state, &change, err);
}

FIXTURE int apply_set(struct state *state, const struct memory_row *row, enum memory_state from, const char *text, struct error *err)
{
    const struct slice words = slice_of(text != NULL ? text : "");
    const struct change change = { .kind = CHANGE_MEMORY_SET, .memory = row, .from = from, .text = text != NULL ? &words : NULL };

    return state_apply(state, &change, err);
}

FIXTURE int apply_members(struct state *state, const struct member_ref *members, size_t count, enum memory_state from, enum memory_state to,
                          int64_t batch, struct error *err)
{
    const struct change change = {
        .kind = CHANGE_MEMBERS, .members = members, .member_count = count, .members_from = from, .members_to = to, .members_batch = batch
    };

    return state_apply(state, &change, err);
}

FIXTURE int apply_batch(struct state *state, const struct batch_row *row, struct error *err)
{
    const struct change change = { .kind = CHANGE_BATCH, .batch = row };

    return state_apply(state, &change, err);
}

FIXTURE int apply_letter(struct state *state, const struct dead_letter *letter, struct error *err)
{
    const struct change change = { .kind = CHANGE_DEAD_LETTER, .letter = letter };

    return state_apply(state, &change, err);
}

FIXTURE int apply_run(struct state *state, const struct run_row *row, struct error *err)
{
    const struct change change = { .kind = CHANGE_RUN, .run = row };

    return state_apply(state, &change, err);
}

FIXTURE int apply_target(struct state *state, const struct target_row *row, struct error *err)
{
    const struct change change = { .kind = CHANGE_TARGET, .target = row };

    return state_apply(state, &change, err);
}

FIXTURE int apply_stream(struct state *state, int64_t stream, int64_t target, const char *connector, const char *context, struct error *err)
{
    struct stream_row row = { .stream = stream, .target = target, .source = "default", .context = context };
    const struct change change = { .kind = CHANGE_STREAM, .stream = &row };

    (void)snprintf(row.connector, sizeof row.connector, "%s", connector);
    return state_apply(state, &change, err);
}

/* count QUEUED memories m1.. of stream 1, each with the text "text of mN". */
FIXTURE void fixture_fill(struct state *state, int64_t count)
{
    struct error err = { 0 };

    for (int64_t i = 1; i <= count; i++) {
        char id[32], text[64];
        struct memory_row row;
        (void)snprintf(id, sizeof id, "m%lld", (long long)i);
        (void)snprintf(text, sizeof text, "text of m%lld", (long long)i);
        row = memory_of(i, 1, id, MEMORY_QUEUED, (int64_t)strlen(text));
        ASSERT_WORKS(apply_memory(state, &row, text, &err), err);
    }
    ASSERT_WORKS(state_commit(state, &err), err);
}

#endif
