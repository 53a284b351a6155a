/* The folder of text files: every state that a crash can leave, what is cut, what is damaged, new generations, older schemas. */
#include "state_model.h"

#include "base/log.h"
#include "state/state_json.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/wait.h>

enum { COMMITS = 200, FLIPS = 300 }; /* MC_FLIPS: more of them */

/* The Nth fsync from now on fails, when it is a folder's (as a disk that is dying); this program's own function stands before the library's. */
static int folder_syncs = -1; /* until the one that fails; -1: none does */

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    struct stat facts;

    if (folder_syncs < 0 || fstat(fd, &facts) < 0 || !S_ISDIR(facts.st_mode) || folder_syncs-- > 0)
        return real(fd);
    errno = EIO;
    return -1;
}

static char *name_of(const char *kind, int64_t generation)
{
    return state_json_name(fixture_path, kind, generation, "");
}

static struct state *open_json(void)
{
    const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .now_ms = 1700000000000 };
    struct state *state = NULL;
    struct error err = { 0 };

    ASSERT_WORKS(state_open(&settings, &state, &err), err);
    return state;
}

static enum error_kind refuse_json(struct error *err)
{
    const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .now_ms = 1700000000000 };
    struct state *state = NULL;

    *err = (struct error){ 0 };
    if (state_open(&settings, &state, err) == 0) {
        state_free(state);
        return ERROR_NONE;
    }
    return err->kind;
}

/* Transaction n adds memory n and lets n-1 settle. */
static void commit_one(struct state *state, int64_t n)
{
    struct error err = { 0 };
    struct memory_row row;
    char id[32], text[64];

    model_id(n, id, sizeof id);
    model_text(n, 1, text, sizeof text);
    row = memory_of(n, 1, id, MEMORY_QUEUED, (int64_t)strlen(text));
    ASSERT_WORKS(apply_memory(state, &row, text, &err), err);
    if (n > 1) {
        const struct member_ref before = { .seq = n - 1, .stream = 1 };
        ASSERT_WORKS(apply_members(state, &before, 1, MEMORY_QUEUED, MEMORY_DONE, 0, &err), err);
    }
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void expect_transactions(struct state *state, int64_t count)
{
    struct state_counts counts;
    struct error err = { 0 };

    ASSERT_WORKS(state_count_stream(state, 1, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], count > 0);
    assert_int_equal(counts.memories[MEMORY_DONE], count > 0 ? count - 1 : 0);
    assert_int_equal(state_next_memory(state), count + 1);
}

struct bytes {
    char *data;
    size_t size;
};

static struct bytes read_file(const char *path)
{
    struct bytes bytes = { 0 };
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    bytes.size = (size_t)ftell(file);
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    (void)fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A journal that is only ever appended to and synced line by line can be left by a crash in these ways: whole up to some byte, and behind that nothing,
 * zeros, or bytes that were there before. Each of them must open with exactly the transactions whose lines are whole. */
static void test_every_crash_of_a_journal(void **unused)
{
    AUTO_STRING char *path = name_of("journal", 1);
    size_t ends[COMMITS + 1];
    struct bytes journal;
    struct state *state;
    size_t lines = 0, first;

    (void)unused;
    state = open_json(); /* its first line says when it was opened */
    for (int64_t n = 1; n <= COMMITS; n++)
        commit_one(state, n);
    state_free(state);
    journal = read_file(path);
    first = (size_t)((char *)memchr(journal.data, '\n', journal.size) - journal.data) + 1;
    first = (size_t)((char *)memchr(journal.data + first, '\n', journal.size - first) - journal.data) + 1;
    ends[0] = first;
    for (size_t at = first; at < journal.size; at++)
        if (journal.data[at] == '\n')
            ends[++lines] = at + 1;
    assert_int_equal(lines, COMMITS);
    for (size_t line = 0; line < COMMITS; line++) {
        size_t size = ends[line + 1] - ends[line];
        size_t step = line == 1 || line == COMMITS - 1 ? 4 : line % 10 == 0 ? size / 2 + 1 : size; /* some in many places, all at their beginning */
        for (size_t cut = 0; cut < size; cut = cut + step < size || cut == size - 1 ? cut + step : size - 1) {
            for (int tail = (int)line % 3; tail < 3; tail++) {
                AUTO_STRING char *left = malloc(journal.size + 8192);
                size_t left_size = ends[line] + cut, rest = tail == 0 ? 0 : size - cut;
                memcpy(left, journal.data, left_size);
                memset(left + left_size, tail == 1 ? 0 : 'x', rest);
                if (tail == 2 && rest > 0)
                    left[left_size + rest - 1] = '\n';
                write_file(path, left, left_size + rest);
                state = open_json();
                /* with nothing but the newline missing the line is whole, and counts */
                expect_transactions(state, (int64_t)line + (cut == size - 1 && tail != 1 ? 1 : 0));
                commit_one(state, state->next[NUMBER_MEMORY] - 1); /* and it goes on from there */
                state_free(state);
            }
        }
    }
    free(journal.data);
}

/* Between two generations: the new journal alone, a snapshot under its passing name, both generations whole. */
static void test_every_crash_between_generations(void **unused)
{
    static const char *const kinds[] = { "snapshot", "journal" };
    struct bytes old[2], new[2];
    struct state *state = open_json();
    struct error err = { 0 };

    (void)unused;
    for (int64_t n = 1; n <= 5; n++)
        commit_one(state, n);
    for (size_t i = 0; i < 2; i++) {
        AUTO_STRING char *path = name_of(kinds[i], 1);
        old[i] = read_file(path);
    }
    state->json->journal_limit = 1; /* now */
    commit_one(state, 6);
    state_free(state);
    for (size_t i = 0; i < 2; i++) {
        AUTO_STRING char *path = name_of(kinds[i], 2);
        AUTO_STRING char *before = name_of(kinds[i], 1);
        new[i] = read_file(path);
        assert_int_equal(access(before, F_OK), -1);
    }
    for (int step = 0; step < 6; step++) {
        AUTO_STRING char *snapshot = name_of("snapshot", 2), *journal = name_of("journal", 2);
        AUTO_STRING char *passing = mem_format("%s.new", snapshot);
        AUTO_STRING char *old_snapshot = name_of("snapshot", 1), *old_journal = name_of("journal", 1);
        fixture_remove_files_in(fixture_path);
        if (step < 5)
            write_file(old_snapshot, old[0].data, old[0].size);
        write_file(old_journal, old[1].data, old[1].size); /* the last to go */
        if (step >= 1)
            write_file(journal, new[1].data, step == 1 ? new[1].size / 2 : new[1].size);
        if (step == 2 || step == 3)
            write_file(passing, new[0].data, step == 2 ? new[0].size / 2 : new[0].size);
        if (step >= 4)
            write_file(snapshot, new[0].data, new[0].size);
        state = open_json();
        expect_transactions(state, step < 4 ? 5 : 6);
        assert_int_equal(access(passing, F_OK), -1);
        assert_int_equal(access(step < 4 ? journal : old_journal, F_OK), -1);
        state_free(state);
    }
    for (size_t i = 0; i < 2; i++) {
        AUTO_STRING char *path = name_of(kinds[i], 2);
        free(old[i].data);
        free(new[i].data);
        if (i == 0) { /* and a journal whose snapshot is gone is never taken for a new state */
            (void)unlink(path);
            assert_int_equal(refuse_json(&err), ERROR_IO);
            assert_non_null(strstr(err.message, "snapshot is gone"));
        }
    }
}

/* Whether the new snapshot has its name on the disk is not known then: nothing may be acknowledged that needs it, and what came before stays. While only the
 * new journal has its name nothing of it counts, and the old generation goes on. */
static void test_a_new_generation_whose_name_is_not_synced(void **unused)
{
    AUTO_STRING char *old_snapshot = name_of("snapshot", 1), *old_journal = name_of("journal", 1), *snapshot = name_of("snapshot", 2);
    struct state *state = open_json();
    struct error err = { 0 };

    (void)unused;
    commit_one(state, 1);
    state->json->journal_limit = 1;
    folder_syncs = 0; /* the journal's name */
    commit_one(state, 2);
    assert_int_equal(state_check(state, &err), 0);
    assert_int_equal(access(snapshot, F_OK), -1);
    state->json->retry_bytes = 0;
    folder_syncs = 1; /* the snapshot's */
    commit_one(state, 3); /* durable, whichever of both counts */
    assert_int_equal(state_check(state, &err), -1);
    assert_non_null(strstr(err.message, "cannot sync its folder"));
    assert_int_equal(access(old_snapshot, F_OK), 0);
    assert_int_equal(access(old_journal, F_OK), 0);
    state_free(state);
    folder_syncs = -1;
    (void)unlink(snapshot); /* the power was lost, and its name with it */
    state = open_json();
    expect_transactions(state, 3);
    state_free(state);
}

/* A journal with transactions counts more than an older snapshot that came back (a lost unlink, a backup put beside it). */
static void test_a_journal_that_is_newer_than_the_snapshot(void **unused)
{
    AUTO_STRING char *snapshot = name_of("snapshot", 2), *journal = name_of("journal", 2);
    AUTO_STRING char *old_snapshot = name_of("snapshot", 1), *old_journal = name_of("journal", 1);
    struct state *state = open_json();
    struct bytes old[2];
    struct error err = { 0 };

    (void)unused;
    commit_one(state, 1);
    old[0] = read_file(old_snapshot);
    old[1] = read_file(old_journal);
    state->json->journal_limit = 1;
    commit_one(state, 2);
    state->json->journal_limit = 1 << 20;
    commit_one(state, 3);
    state_free(state);
    assert_int_equal(unlink(snapshot), 0);
    write_file(old_snapshot, old[0].data, old[0].size);
    write_file(old_journal, old[1].data, old[1].size);
    assert_int_equal(refuse_json(&err), ERROR_IO);
    assert_non_null(strstr(err.message, "snapshot is gone"));
    assert_int_equal(access(journal, F_OK), 0);
    assert_int_equal(access(old_journal, F_OK), 0);
    for (size_t i = 0; i < 2; i++)
        free(old[i].data);
}

/* Cut by one byte behind its first line: the next transaction must not run into that line. */
static void test_a_journal_without_its_first_newline(void **unused)
{
    AUTO_STRING char *path = name_of("journal", 1);
    struct error err = { 0 };
    struct bytes journal;
    size_t head;

    (void)unused;
    state_free(open_json());
    journal = read_file(path);
    head = (size_t)((char *)memchr(journal.data, '\n', journal.size) - journal.data);
    write_file(path, journal.data, head);
    free(journal.data);
    if (refuse_json(&err) == ERROR_NONE) { /* or it is told */
        struct state *state = open_json();
        commit_one(state, 1);
        state_free(state);
        state = open_json();
        expect_transactions(state, 1);
        state_free(state);
    } else {
        assert_non_null(strstr(err.message, path));
    }
}

/* What was acknowledged and is altered is told with its place; the state is never taken for a smaller one in silence. */
static void test_flips_and_cuts(void **unused)
{
    static const char *const kinds[] = { "snapshot", "journal" };
    struct bytes files[2];
    struct state *state = open_json();
    unsigned seed = 11;
    int refused = 0, shorter = 0, flips = getenv("MC_FLIPS") != NULL ? atoi(getenv("MC_FLIPS")) : FLIPS;

    (void)unused;
    for (int64_t n = 1; n <= 20; n++)
        commit_one(state, n);
    state->json->journal_limit = 1;
    commit_one(state, 21);
    for (int64_t n = 22; n <= 40; n++)
        commit_one(state, n);
    state_free(state);
    for (size_t i = 0; i < 2; i++) {
        AUTO_STRING char *path = name_of(kinds[i], 2);
        files[i] = read_file(path);
    }
    for (int i = 0; i < flips; i++) {
        size_t which = (size_t)rand_r(&seed) % 2, at = (size_t)rand_r(&seed) % files[which].size;
        bool cuts = rand_r(&seed) % 4 == 0;
        AUTO_STRING char *path = name_of(kinds[which], 2);
        AUTO_STRING char *altered = malloc(files[which].size + 1);
        char *last = files[which].data + files[which].size - 1;
        struct error err = { 0 };
        const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .now_ms = 1700000000000 };
        fixture_remove_files_in(fixture_path);
        for (size_t k = 0; k < 2; k++) {
            AUTO_STRING char *whole = name_of(kinds[k], 2);
            write_file(whole, files[k].data, files[k].size);
        }
        memcpy(altered, files[which].data, files[which].size);
        altered[at] = (char)(altered[at] ^ (1 << rand_r(&seed) % 8));
        write_file(path, altered, cuts ? at : files[which].size);
        while (last > files[which].data && last[-1] != '\n')
            last--;
        if (state_open(&settings, &state, &err) < 0) {
            assert_true(strlen(err.message) > 20);
            refused++;
            continue;
        }
        /* only the end of a journal can look like what a crash leaves, and then what it held is kept */
        assert_int_equal(which, 1);
        if (!cuts)
            assert_true(at >= (size_t)(last - files[which].data));
        if (state->next[NUMBER_MEMORY] != 41) {
            AUTO_STRING char *torn = mem_format("%s.torn", path);
            shorter++;
            if (!cuts || (files[which].data[at] != '\n' && files[which].data[at - 1] != '\n')) /* cut between two lines: nothing is torn */
                assert_int_equal(access(torn, F_OK), 0);
        }
        state_free(state);
    }
    (void)fprintf(stderr, "# %d refused, %d shorter by what looked like a crash\n", refused, shorter);
    assert_true(refused > flips / 2);
    for (size_t i = 0; i < 2; i++)
        free(files[i].data);
}

/* Written by the first schema, with rows in it: upgraded in memory, the old files kept, everything there. */
static void test_an_older_schema(void **unused)
{
    static const char snapshot[] =
        "\"memory_connector\":\"state\",\"schema\":1,\"generation\":3,\"made\":null\n"
        "\"rows\":[[\"put\",\"counts\",{\"stream\":1,\"kind\":3,\"value\":1}]]\n"
        "\"rows\":[[\"put\",\"memories\",{\"seq\":1,\"stream\":1,\"target\":1,\"state\":3,\"wanted\":0,\"batch\":0,\"not_before_ms\":0,\"settle_until_ms\":0,"
        "\"attempts\":0,\"text_size\":0,\"arrived_ms\":5,\"revision\":{\"hex\":\"00ff\"},\"id\":\"m1\",\"name\":\"\",\"hash\":7}]]\n"
        "\"end\":2\n";
    static const char journal[] = "\"memory_connector\":\"journal\",\"schema\":1,\"generation\":3,\"made\":null\n"
                                  "\"commit\":1,\"rows\":[[\"set\",\"memories\",{\"seq\":1,\"attempts\":2}]]\n";
    static const struct { const char *kind, *lines; } files[] = { { "snapshot", snapshot }, { "journal", journal } };
    AUTO_STRING char *backup = state_json_name(fixture_path, "snapshot", 3, ".schema-1.backup");
    AUTO_STRING char *next = name_of("snapshot", 4);
    sqlite3 *db;

    (void)unused;
    assert_int_equal(mkdir(fixture_path, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        AUTO_STRING char *path = name_of(files[i].kind, 3);
        struct text out;
        text_init(&out, 0);
        for (const char *line = files[i].lines; *line != '\0'; line += strcspn(line, "\n") + 1)
            rows_frame(&out, line, strcspn(line, "\n"));
        write_file(path, out.data, out.size);
        text_done(&out);
    }
    state_free(open_json());
    assert_int_equal(access(backup, F_OK), 0);
    assert_int_equal(access(next, F_OK), 0);
    (void)setenv("MC_STATE_BACKEND", "json", 1);
    db = fixture_peek();
    assert_int_equal(ask_number(db, "PRAGMA user_version"), STATE_SCHEMA);
    assert_int_equal(ask_number(db, "SELECT attempts FROM memories WHERE id=CAST('m1' AS BLOB) AND length(revision)=2"), 2);
    (void)sqlite3_close(db);
}

static void test_what_is_refused(void **unused)
{
    AUTO_STRING char *other = mem_format("%s/notes.txt", fixture_path);
    AUTO_STRING char *foreign = mem_format("%s/state.json", fixture_path);
    AUTO_STRING char *snapshot = name_of("snapshot", 1);
    struct error err = { 0 };

    (void)unused;
    write_file(fixture_path, "x", 1);
    assert_int_equal(refuse_json(&err), ERROR_CONFIG);
    assert_non_null(strstr(err.message, "state migrate"));
    (void)unlink(fixture_path);
    assert_int_equal(mkdir(fixture_path, 0700), 0);
    write_file(other, "x", 1);
    assert_int_equal(refuse_json(&err), ERROR_CONFIG);
    assert_non_null(strstr(err.message, "notes.txt"));
    write_file(foreign, "{}", 2);
    assert_int_equal(refuse_json(&err), ERROR_CONFIG);
    assert_non_null(strstr(err.message, "state.json"));
    (void)unlink(other);
    (void)unlink(foreign);
    {
        struct text out;
        static const char head[] = "\"memory_connector\":\"state\",\"schema\":999,\"generation\":1,\"made\":null";
        text_init(&out, 0);
        rows_frame(&out, head, strlen(head));
        write_file(snapshot, out.data, out.size);
        text_done(&out);
    }
    assert_int_equal(refuse_json(&err), ERROR_CONFIG);
    assert_non_null(strstr(err.message, "newer release"));
}

/* Others of this process see each transaction as soon as it is committed. */
static void test_readers_beside_the_writer(void **unused)
{
    AUTO(state) struct state *writer = open_json();
    const struct state_settings settings = { .path = state_reader_path(writer), .reader = true };
    AUTO(state) struct state *reader = NULL;
    struct error err = { 0 };

    (void)unused;
    commit_one(writer, 1);
    ASSERT_WORKS(state_open(&settings, &reader, &err), err);
    for (int64_t n = 2; n <= 50; n++) {
        struct state_counts counts;
        ASSERT_WORKS(state_count_stream(reader, 1, &counts, &err), err);
        assert_int_equal(counts.memories[MEMORY_DONE], n - 2);
        commit_one(writer, n);
    }
}

/* Another process reads while a new generation begins with each transaction: it sees one of them, whole, and never less than the time before. */
static void test_a_reader_while_generations_come_and_go(void **unused)
{
    const struct state_settings settings = { .backend = STATE_JSON, .path = fixture_path, .reader = true };
    struct state *writer = open_json();
    int status = -1;
    pid_t child;

    (void)unused;
    commit_one(writer, 1);
    child = fork();
    if (child == 0) {
        int64_t seen = 1;
        while (seen < 100) {
            struct state *reader = NULL;
            struct error err = { 0 };
            if (state_open(&settings, &reader, &err) < 0) {
                (void)fprintf(stderr, "# after %lld: %s\n", (long long)seen, err.message);
                _exit(1);
            }
            if (reader->next[NUMBER_MEMORY] - 1 < seen)
                _exit(2);
            seen = reader->next[NUMBER_MEMORY] - 1;
            state_free(reader);
        }
        _exit(0);
    }
    for (int64_t n = 2; n <= 100; n++) {
        writer->json->journal_limit = 1;
        writer->json->snapshot_bytes = 0; /* otherwise it must outgrow the snapshot first */
        commit_one(writer, n);
    }
    assert_true(writer->json->generation > 60);
    state_free(writer);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* At the end a new generation begins when the next start would read much that it does not need. */
static void test_shortening_at_the_end(void **unused)
{
    static const struct { const char *why; int64_t journal, snapshot; bool shortens; } rows[] = {
        { "a small journal is left", 100 << 10, 0, false },
        { "a large one beside a small snapshot goes", 300 << 10, 1 << 20, true },
        { "one beside a large snapshot stays", 300 << 10, 2 << 20, false },
        { "unless nearly all of both is gone by now", 300 << 10, 64 << 20, true },
    };
    AUTO_STRING char *next = name_of("snapshot", 2);
    AUTO_STRING char *words = mem_alloc((1 << 20) + 1);

    (void)unused;
    memset(words, 'x', 1 << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct state *state;
        struct error err = { 0 };
        struct memory_row row = memory_of(1, 1, "m1", MEMORY_QUEUED, 1 << 20);

        fixture_remove_files();
        state = open_json();
        ASSERT_WORKS(apply_memory(state, &row, words, &err), err);
        ASSERT_WORKS(state_commit(state, &err), err);
        state->json->journal_bytes = rows[i].journal;
        state->json->snapshot_bytes = rows[i].snapshot;
        state_free(state);
        if ((access(next, F_OK) == 0) != rows[i].shortens)
            fail_msg("%s", rows[i].why);
        state_free(open_json());
    }
}

/* Larger than a line may be: told, and nothing of it is there. */
static void test_a_transaction_that_is_too_large(void **unused)
{
    struct state *state = open_json();
    struct memory_row row = memory_of(1, 1, "m1", MEMORY_QUEUED, 4);
    struct error err = { 0 };

    (void)unused;
    state->json->pending.maximum = 200;
    assert_true(apply_memory(state, &row, "text", &err) < 0 || state_commit(state, &err) < 0);
    assert_true(err.message[0] != '\0');
    state_free(state);
    state = open_json();
    assert_int_equal(state_get_memory(state, 1, &row, &err), 0);
    state_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_every_crash_of_a_journal),
        STATE_TEST(test_every_crash_between_generations),
        STATE_TEST(test_a_new_generation_whose_name_is_not_synced),
        STATE_TEST(test_a_journal_that_is_newer_than_the_snapshot),
        STATE_TEST(test_a_journal_without_its_first_newline),
        STATE_TEST(test_flips_and_cuts),
        STATE_TEST(test_an_older_schema),
        STATE_TEST(test_what_is_refused),
        STATE_TEST(test_shortening_at_the_end),
        STATE_TEST(test_a_transaction_that_is_too_large),
        STATE_TEST(test_readers_beside_the_writer),
        STATE_TEST(test_a_reader_while_generations_come_and_go),
    };
    const struct log_settings quiet = { .level = LOG_OFF, .with_console = true };

    (void)log_open(&quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
