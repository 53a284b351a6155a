/* A file that was damaged while nobody looked: bits flipped, blocks overwritten, the end cut off. The state may refuse it, or may not notice what
 * nothing but a checksum could show; it never crashes, never reads out of bounds (run with sanitizers), and never starts anew in silence. */
#include "state_model.h"

enum { DAMAGES = 2000, MEMORIES = 300 };

static uint64_t dice = 88172645463325252u;

static uint64_t roll(uint64_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice % sides;
}

static struct text sound; /* the file as it was */

static void make_sound_state(void)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct member_ref members[100];

    ASSERT_WORKS(apply_target(state, &(struct target_row){ .target = 1, .name = "default", .url = "http://x" }, &err), err);
    ASSERT_WORKS(apply_stream(state, 1, 1, "voice", "a", &err), err);
    fixture_fill(state, MEMORIES);
    for (int i = 0; i < 100; i++)
        members[i] = (struct member_ref){ .seq = i + 1, .stream = 1 };
    for (int i = 1; i <= 20; i++) {
        ASSERT_WORKS(apply_batch(state, &(struct batch_row){ .batch = i, .target = 1, .state = i < 10 ? BATCH_STORED : BATCH_CLOSED, .track = "track" }, &err), err);
        ASSERT_WORKS(apply_letter(state, &(struct dead_letter){ .letter = i, .dead_class = DEAD_STUCK, .stream = 1, .seq = i, .raw = { "raw", 3 } }, &err), err);
        ASSERT_WORKS(apply_run(state, &(struct run_row){ .run = i, .connector = "voice", .finished_ms = i % 2 }, &err), err);
    }
    ASSERT_WORKS(apply_members(state, members, 100, MEMORY_QUEUED, MEMORY_FLYING, 3, &err), err);
    ASSERT_WORKS(apply_members(state, members, 50, MEMORY_FLYING, MEMORY_DONE, 0, &err), err);
    ASSERT_WORKS(state_commit(state, &err), err);
}

static void read_sound_state(void)
{
    char buffer[4096];
    ssize_t got;
    int fd = open(fixture_path, O_RDONLY);

    text_init(&sound, 0);
    while ((got = read(fd, buffer, sizeof buffer)) > 0)
        assert_int_equal(text_append_bytes(&sound, buffer, (size_t)got), 0);
    (void)close(fd);
}

/* Returns the new size. */
static size_t damage(char *bytes, size_t size)
{
    size_t at = roll(size), length;

    switch (roll(6)) {
    case 0: /* cut anywhere */
        return at;
    case 1: /* cut at a page: looks whole to a file system */
        return at / 4096 * 4096;
    case 2: /* a block of zeros, as after a power failure */
        at = at / 512 * 512;
        length = size - at < 512 ? size - at : 512;
        memset(bytes + at, 0, length);
        return size;
    case 3: /* a block of something else */
        length = size - at < 64 ? size - at : roll(64);
        for (size_t i = 0; i < length; i++)
            bytes[at + i] = (char)roll(256);
        return size;
    case 4: /* one page written over another */
        memmove(bytes + at / 4096 * 4096, bytes + roll(size) / 4096 * 4096, 4096);
        return size;
    default: /* some bits, half of the time where the trees keep their structure */
        for (uint64_t i = 0; i < 1 + roll(8); i++) {
            at = roll(2) > 0 ? roll(size) : roll(size) / 4096 * 4096 + roll(24);
            bytes[at % size] ^= (char)(1 << roll(8));
        }
        return size;
    }
}

static void write_damaged(const char *bytes, size_t size)
{
    int fd = open(fixture_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    (void)close(fd);
}

/* ---- Everything that reads, and some writing ---- */

static size_t touched; /* so that what is handed out is really read */

static void touch(const char *string) { touched += strlen(string); }

static void touch_slice(struct slice slice)
{
    for (size_t i = 0; i < slice.size; i++)
        touched += (unsigned char)slice.data[i];
}

static bool touch_memory(void *context, const struct memory_row *row)
{
    (void)context;
    touch_slice(row->id);
    touch_slice(row->name);
    touch(memory_state_name(row->state));
    return true;
}
static bool touch_batch(void *context, const struct batch_row *row)
{
    (void)context;
    touch(row->track);
    touch(batch_state_name(row->state));
    return true;
}
static bool touch_target(void *context, const struct target_row *row)
{
    (void)context;
    touch(row->name);
    touch(row->url);
    return true;
}
static bool touch_stream(void *context, const struct stream_row *row)
{
    (void)context;
    touch(row->connector);
    touch(row->context);
    return true;
}
static bool touch_letter(void *context, const struct dead_letter *letter)
{
    (void)context;
    touch_slice(letter->raw);
    touch(letter->words);
    touch(dead_class_name(letter->dead_class));
    return true;
}
static bool touch_run(void *context, const struct run_row *row)
{
    (void)context;
    touch(row->connector);
    touch(run_result_name(row->result));
    return true;
}

/* Each call may fail; a failure must say something. */
static int failures;

static void note(int result, struct error *err)
{
    if (result >= 0)
        return;
    failures++;
    if (err->kind != ERROR_IO || err->message[0] == '\0')
        fail_msg("a failure without a story: %s: %s", error_kind_name(err->kind), err->message);
}

static void read_everything(struct state *state)
{
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    struct state_counts counts;
    struct memory_row memory;
    struct batch_row batch;
    struct dead_letter letter;
    struct run_row run;
    struct target_row target;
    struct stream_row stream;
    const struct letter_filter filter = { .with_closed = true };
    int64_t flying[BATCH_STATES], when;
    bool any;

    text_init(&text, 0);
    note(state_each_queued(state, 1, 0, 10000, 1 << 30, touch_memory, NULL, &err), &err);
    note(state_next_queued(state, 1, 0, &any, &when, &err), &err);
    note(state_each_open_batch(state, 1, touch_batch, NULL, &err), &err);
    note(state_each_member(state, 3, touch_memory, NULL, &err), &err);
    note(state_each_target(state, touch_target, NULL, &err), &err);
    note(state_each_stream(state, touch_stream, NULL, &err), &err);
    note(state_each_letter(state, &filter, touch_letter, NULL, &err), &err);
    note(state_each_run(state, "voice", 0, touch_run, NULL, &err), &err);
    note(state_each_open_run(state, touch_run, NULL, &err), &err);
    note(state_count_stream(state, 1, &counts, &err), &err);
    note(state_count_connector(state, "voice", &counts, &err), &err);
    note(state_count_flying(state, "voice", flying, &err), &err);
    note(state_oldest_unsettled(state, NULL, &when, &err), &err);
    note(state_find_target(state, "default", &target, &err), &err);
    note(state_find_stream(state, 1, "default", "a", &stream, &err), &err);
    for (int64_t i = 1; i <= MEMORIES; i += 7) {
        char id[32];
        (void)snprintf(id, sizeof id, "m%lld", (long long)i);
        note(state_find_memory(state, 1, slice_of(id), &memory, &err), &err);
        note(state_get_memory(state, i, &memory, &err), &err);
        text_clear(&text);
        note(state_get_text(state, i, &text, &err), &err);
        note(state_get_batch(state, i, &batch, &err), &err);
        note(state_get_letter(state, i, &letter, &err), &err);
        note(state_get_run(state, i, &run, &err), &err);
    }
}

static void write_something(struct state *state)
{
    struct error err = { 0 };
    const struct memory_row fresh = memory_of(state_next_memory(state), 1, "a fresh one", MEMORY_QUEUED, 4);
    const struct dead_letter letter = { .letter = 5, .dead_class = DEAD_POISON, .stream = 1 };
    const struct member_ref members[] = { { 150, 1 }, { 151, 1 }, { 152, 1 } };
    int result = apply_memory(state, &fresh, "text", &err);

    note(result, &err);
    if (result == 0)
        note(result = apply_letter(state, &letter, &err), &err);
    if (result == 0)
        note(result = apply_members(state, members, 3, MEMORY_QUEUED, MEMORY_FLYING, 3, &err), &err);
    if (result == 0)
        note(state_commit(state, &err), &err);
}

static void test_damaged_files(void **unused)
{
    char *bytes;
    int refused = 0, noticed = 0, unnoticed = 0;

    (void)unused;
    make_sound_state();
    read_sound_state();
    assert_true(sound.size > 20 * 4096);
    bytes = mem_alloc(sound.size);
    for (int i = 0; i < DAMAGES; i++) {
        const struct state_settings settings = { .path = fixture_path, .reader = i % 3 > 0 };
        struct state *state = NULL;
        struct error err = { 0 };
        fixture_remove_files();
        memcpy(bytes, sound.data, sound.size);
        write_damaged(bytes, damage(bytes, sound.size));
        if (state_open(&settings, &state, &err) < 0) {
            if (err.message[0] == '\0' || (err.kind != ERROR_IO && err.kind != ERROR_CONFIG && err.kind != ERROR_FAILED))
                fail_msg("damage %d: refused without a story: %s", i, err.message);
            refused++;
            continue;
        }
        failures = 0;
        if (state_next_memory(state) <= 1)
            fail_msg("damage %d: started anew in silence", i);
        read_everything(state);
        if (!settings.reader && failures == 0)
            write_something(state);
        *(failures > 0 ? &noticed : &unnoticed) += 1;
        state_free(state);
    }
    (void)fprintf(stderr, "# %d damages: %d refused, %d noticed while reading, %d in bytes that nothing checks\n", DAMAGES, refused, noticed, unnoticed);
    assert_true(refused > 0 && noticed > 0);
    mem_free(bytes);
    text_done(&sound);
}

/* Damage that SQLite cannot see, because the trees are whole: each value must be refused where it is read, not used as an index or a length. */
static void test_values_that_no_release_has_written(void **unused)
{
    static const char *const damages[] = {
        "UPDATE memories SET state=0 WHERE seq=1", "UPDATE memories SET state=9 WHERE seq=1", "UPDATE memories SET wanted=-1 WHERE seq=1",
        "UPDATE memories SET wanted=3 WHERE seq=1", "UPDATE memories SET attempts=-1 WHERE seq=1", "UPDATE memories SET text_size=-1 WHERE seq=1",
        "UPDATE memories SET text_size=9223372036854775807 WHERE seq=1", "UPDATE memories SET revision=x'00' WHERE seq=60",
        "UPDATE memories SET revision=x'00' WHERE seq=200", "UPDATE batches SET state=0 WHERE batch=1", "UPDATE batches SET state=6 WHERE batch=1",
        "UPDATE batches SET strikes=-1 WHERE batch=1", "UPDATE batches SET track=hex(zeroblob(100)) WHERE batch=1", "UPDATE letters SET class=0 WHERE letter=1",
        "UPDATE letters SET class=13 WHERE letter=1", "UPDATE letters SET ending=-1 WHERE letter=1", "UPDATE letters SET ending=4 WHERE letter=1",
        "UPDATE letters SET fingerprint=x'00' WHERE letter=1", "UPDATE runs SET result=-1 WHERE run=1", "UPDATE runs SET result=7 WHERE run=1",
        "UPDATE runs SET error_kind=-1 WHERE run=1", "UPDATE runs SET error_kind=99 WHERE run=1", "UPDATE streams SET connector=hex(zeroblob(100))",
        "UPDATE targets SET name='default'||hex(zeroblob(100))",
    };

    (void)unused;
    make_sound_state();
    read_sound_state();
    for (size_t i = 0; i < ARRAY_LENGTH(damages); i++) {
        sqlite3 *db = NULL;
        struct state *reader;
        fixture_remove_files();
        write_damaged(sound.data, sound.size);
        assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, damages[i], NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
        reader = fixture_open_reader();
        failures = 0;
        read_everything(reader);
        if (failures == 0)
            fail_msg("%s: taken as it was", damages[i]);
        state_free(reader);
    }
    text_done(&sound);
}

/* An open letter whose class is damaged cannot be counted down. */
static void test_a_damaged_letter_is_not_overwritten(void **unused)
{
    sqlite3 *db = NULL;
    struct state *state;
    struct error err = { 0 };

    (void)unused;
    make_sound_state();
    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE letters SET class=99 WHERE letter=5", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    state = fixture_open();
    assert_int_equal(apply_letter(state, &(struct dead_letter){ .letter = 5, .dead_class = DEAD_STUCK, .stream = 1 }, &err), -1);
    assert_non_null(strstr(err.message, "dead letter 5 has class 99"));
    state_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_damaged_files),
        STATE_TEST(test_values_that_no_release_has_written),
        STATE_TEST(test_a_damaged_letter_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
