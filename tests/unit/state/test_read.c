#include "state_fixture.h"

/* Collects what a list gives: "1 2 3". */
struct seen {
    char words[512];
    size_t stop_after;  /* 0: never */
    size_t count;
};

static bool see(struct seen *seen, int64_t number)
{
    size_t used = strlen(seen->words);

    (void)snprintf(seen->words + used, sizeof seen->words - used, "%s%lld", used > 0 ? " " : "", (long long)number);
    return ++seen->count != seen->stop_after;
}

static bool see_memory(void *context, const struct memory_row *row) { return see(context, row->seq); }
static bool see_batch(void *context, const struct batch_row *row) { return see(context, row->batch); }
static bool see_target(void *context, const struct target_row *row) { return see(context, row->target); }
static bool see_stream(void *context, const struct stream_row *row) { return see(context, row->stream); }
static bool see_letter(void *context, const struct dead_letter *letter) { return see(context, letter->letter); }
static bool see_run(void *context, const struct run_row *row) { return see(context, row->run); }

static void test_the_queue(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct memory_row row = memory_of(7, 1, "late", MEMORY_QUEUED, 0);
    struct memory_row elsewhere = memory_of(8, 2, "elsewhere", MEMORY_QUEUED, 0);
    bool any;
    int64_t when;
    static const struct {
        const char *why;
        int64_t target, now_ms;
        size_t count_maximum;
        int64_t bytes_maximum;
        size_t stop_after;
        const char *want;
    } rows[] = {
        { "all that are due, in order of arrival", 1, 4999, 100, 1000, 0, "1 2 3 4 5 6" },
        { "the one that waited", 1, 5000, 100, 1000, 0, "1 2 3 4 5 6 7" },
        { "as many as asked", 1, 5000, 3, 1000, 0, "1 2 3" },
        { "none", 1, 5000, 0, 1000, 0, "" },
        { "10 bytes each: two fit into 29", 1, 5000, 100, 29, 0, "1 2" },
        { "three into 30", 1, 5000, 100, 30, 0, "1 2 3" },
        { "at least one, however large", 1, 5000, 100, 1, 0, "1" },
        { "the callback has enough", 1, 5000, 100, 1000, 2, "1 2" },
        { "another target", 2, 5000, 100, 1000, 0, "8" },
        { "a target that has none", 3, 5000, 100, 1000, 0, "" },
    };

    (void)unused;
    fixture_fill(state, 6); /* texts "text of mN": 10 bytes */
    row.not_before_ms = 5000;
    elsewhere.target = 2;
    elsewhere.not_before_ms = 5;
    ASSERT_WORKS(apply_memory(state, &row, NULL, &err), err);
    ASSERT_WORKS(apply_memory(state, &elsewhere, NULL, &err), err);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct seen seen = { .stop_after = rows[i].stop_after };
        ASSERT_WORKS(state_each_queued(state, rows[i].target, rows[i].now_ms, rows[i].count_maximum, rows[i].bytes_maximum, see_memory, &seen, &err), err);
        if (strcmp(seen.words, rows[i].want) != 0)
            fail_msg("%s: %s, want %s", rows[i].why, seen.words, rows[i].want);
    }
    ASSERT_WORKS(state_next_queued(state, 1, 100, &any, &when, &err), err);
    assert_true(any);
    assert_int_equal(when, 0);
    ASSERT_WORKS(state_next_queued(state, 2, 4, &any, &when, &err), err);
    assert_true(any);
    assert_int_equal(when, 5);
    ASSERT_WORKS(state_next_queued(state, 2, 5, &any, &when, &err), err);
    assert_int_equal(when, 0);
    ASSERT_WORKS(state_next_queued(state, 3, 5, &any, &when, &err), err);
    assert_false(any);
}

static void test_batches_and_their_members(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct batch_row got;
    const struct member_ref first[] = { { 4, 1 }, { 2, 1 } }, second[] = { { 5, 1 } };
    struct batch_row row = {
        .batch = 3, .target = 1, .state = BATCH_SENDING, .track = "insert_1", .strikes = 2, .whole_listing = true, .first_sent_server_ms = 4,
        .last_sent_ms = 5, .not_before_ms = 6, .opened_ms = 7, .changed_ms = 8, .members = 2,
    };
    struct batch_row other = { .batch = 4, .target = 2, .state = BATCH_READY };
    struct seen seen = { .words = "" };

    (void)unused;
    fixture_fill(state, 6);
    assert_int_equal(state_get_batch(state, 3, &got, &err), 0);
    ASSERT_WORKS(apply_batch(state, &row, &err), err);
    ASSERT_WORKS(apply_batch(state, &other, &err), err);
    assert_int_equal(state_get_batch(state, 3, &got, &err), 1);
    assert_int_equal(got.batch, 3);
    assert_int_equal(got.target, 1);
    assert_int_equal(got.state, BATCH_SENDING);
    assert_string_equal(got.track, "insert_1");
    assert_int_equal(got.strikes, 2);
    assert_true(got.whole_listing);
    assert_int_equal(got.first_sent_server_ms, 4);
    assert_int_equal(got.last_sent_ms, 5);
    assert_int_equal(got.not_before_ms, 6);
    assert_int_equal(got.opened_ms, 7);
    assert_int_equal(got.changed_ms, 8);
    assert_int_equal(got.members, 2);

    ASSERT_WORKS(apply_members(state, first, 2, MEMORY_QUEUED, MEMORY_FLYING, 3, &err), err);
    ASSERT_WORKS(apply_members(state, second, 1, MEMORY_QUEUED, MEMORY_FLYING, 4, &err), err);
    ASSERT_WORKS(state_each_member(state, 3, see_memory, &seen, &err), err);
    assert_string_equal(seen.words, "2 4"); /* in order of arrival */
    ASSERT_WORKS(apply_members(state, first, 1, MEMORY_FLYING, MEMORY_DONE, 0, &err), err);
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_member(state, 3, see_memory, &seen, &err), err);
    assert_string_equal(seen.words, "2"); /* settled ones fly no more */
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_open_batch(state, 1, see_batch, &seen, &err), err);
    assert_string_equal(seen.words, "3");
    row.state = BATCH_CLOSED;
    row.track[0] = '\0';
    ASSERT_WORKS(apply_batch(state, &row, &err), err);
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_open_batch(state, 1, see_batch, &seen, &err), err);
    assert_string_equal(seen.words, "");
    assert_int_equal(state_get_batch(state, 3, &got, &err), 1);
    assert_int_equal(got.state, BATCH_CLOSED);
    assert_string_equal(got.track, "");
}

static void test_targets_and_streams(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct target_row target = { .target = 1, .name = "default", .url = "http://x", .version = "1.5.7", .workspace = "w", .seen_ms = 9, .last_error = "e" };
    struct target_row bare = { .target = 2, .name = "bare" }, got;
    struct stream_row stream, other;
    struct seen seen = { .words = "" };

    (void)unused;
    assert_int_equal(state_find_target(state, "default", &got, &err), 0);
    ASSERT_WORKS(apply_target(state, &target, &err), err);
    ASSERT_WORKS(apply_target(state, &bare, &err), err);
    assert_int_equal(state_find_target(state, "default", &got, &err), 1);
    assert_int_equal(got.target, 1);
    assert_string_equal(got.name, "default");
    assert_string_equal(got.url, "http://x");
    assert_string_equal(got.version, "1.5.7");
    assert_string_equal(got.workspace, "w");
    assert_int_equal(got.seen_ms, 9);
    assert_string_equal(got.last_error, "e");
    target.url = "http://y";
    ASSERT_WORKS(apply_target(state, &target, &err), err);
    assert_int_equal(state_find_target(state, "default", &got, &err), 1);
    assert_string_equal(got.url, "http://y");
    assert_int_equal(state_find_target(state, "bare", &got, &err), 1);
    assert_string_equal(got.url, ""); /* NULL is kept as "" */
    ASSERT_WORKS(state_each_target(state, see_target, &seen, &err), err);
    assert_string_equal(seen.words, "1 2");

    ASSERT_WORKS(apply_stream(state, 5, 1, "voice", "personal", &err), err);
    ASSERT_WORKS(apply_stream(state, 6, 1, "voice", "work", &err), err);
    assert_int_equal(state_find_stream(state, 1, "default", "personal", &stream, &err), 1);
    assert_int_equal(stream.stream, 5);
    assert_int_equal(state_get_stream(state, 6, &other, &err), 1);
    assert_string_equal(other.context, "work");
    assert_string_equal(stream.context, "personal"); /* still ours: another function */
    assert_string_equal(stream.connector, "voice");
    assert_string_equal(stream.source, "default");
    assert_int_equal(stream.target, 1);
    assert_int_equal(state_find_stream(state, 2, "default", "personal", &stream, &err), 0);
    assert_int_equal(state_find_stream(state, 1, "other", "personal", &stream, &err), 0);
    assert_int_equal(state_get_stream(state, 7, &stream, &err), 0);
    ASSERT_WORKS(apply_stream(state, 5, 1, "renamed", "personal", &err), err);
    assert_int_equal(state_get_stream(state, 5, &stream, &err), 1);
    assert_string_equal(stream.connector, "renamed");
    seen = (struct seen){ .stop_after = 1 };
    ASSERT_WORKS(state_each_stream(state, see_stream, &seen, &err), err);
    assert_string_equal(seen.words, "5");
}

static struct dead_letter letter_of(int64_t letter, int64_t stream, enum dead_class dead_class, int64_t seq, int64_t last_ms)
{
    struct dead_letter made = {
        .letter = letter, .dead_class = dead_class, .stream = stream, .seq = seq, .run = 4, .http_status = 422, .words = "why", .attempts = 2,
        .times = 3, .first_ms = 5, .last_ms = last_ms, .position = 6, .length = -1, .raw = { "r\0w", 3 },
    };

    memset(made.fingerprint, (int)letter, sizeof made.fingerprint);
    return made;
}

static void test_a_dead_letter(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct dead_letter letter = letter_of(1, 2, DEAD_MALFORMED, 0, 10), got;
    struct state_counts counts;

    (void)unused;
    assert_int_equal(state_get_letter(state, 1, &got, &err), 0);
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
    assert_int_equal(state_get_letter(state, 1, &got, &err), 1);
    assert_int_equal(got.dead_class, DEAD_MALFORMED);
    assert_int_equal(got.end, DEAD_OPEN);
    assert_int_equal(got.stream, 2);
    assert_int_equal(got.seq, 0);
    assert_int_equal(got.run, 4);
    assert_memory_equal(got.fingerprint, letter.fingerprint, 16);
    assert_int_equal(got.http_status, 422);
    assert_string_equal(got.words, "why");
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.times, 3);
    assert_int_equal(got.first_ms, 5);
    assert_int_equal(got.last_ms, 10);
    assert_int_equal(got.position, 6);
    assert_int_equal(got.length, -1);
    assert_int_equal(got.raw.size, 3);
    assert_memory_equal(got.raw.data, "r\0w", 3);

    assert_int_equal(state_find_letter(state, 2, DEAD_MALFORMED, 0, letter.fingerprint, &got, &err), 1);
    assert_int_equal(state_find_letter(state, 2, DEAD_MALFORMED, 0, NULL, &got, &err), 1);
    assert_int_equal(state_find_letter(state, 2, (enum dead_class)0, 0, letter.fingerprint, &got, &err), 1);
    assert_int_equal(state_find_letter(state, 2, (enum dead_class)0, 0, NULL, &got, &err), 1);
    assert_int_equal(state_find_letter(state, 2, DEAD_MALFORMED, 0, (const uint8_t[16]){ 9 }, &got, &err), 0);
    assert_int_equal(state_find_letter(state, 2, (enum dead_class)0, 0, (const uint8_t[16]){ 9 }, &got, &err), 0);
    assert_int_equal(state_find_letter(state, 2, DEAD_POISON, 0, NULL, &got, &err), 0);
    assert_int_equal(state_find_letter(state, 2, DEAD_MALFORMED, 1, letter.fingerprint, &got, &err), 0);
    assert_int_equal(state_find_letter(state, 1, DEAD_MALFORMED, 0, letter.fingerprint, &got, &err), 0);

    ASSERT_WORKS(state_count_stream(state, 2, &counts, &err), err);
    assert_int_equal(counts.letters[DEAD_MALFORMED], 1);
    letter.raw = (struct slice){ 0 };
    letter.times = 9;
    letter.dead_class = DEAD_TOO_LARGE; /* an open one changes its class: both counts change */
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
    assert_int_equal(state_get_letter(state, 1, &got, &err), 1);
    assert_int_equal(got.times, 9);
    assert_int_equal(got.raw.size, 3); /* kept */
    ASSERT_WORKS(state_count_stream(state, 2, &counts, &err), err);
    assert_int_equal(counts.letters[DEAD_MALFORMED], 0);
    assert_int_equal(counts.letters[DEAD_TOO_LARGE], 1);
    assert_int_equal(state_find_decided_letter(state, 2, DEAD_TOO_LARGE, letter.fingerprint, -1, &got, &err), 0);
    letter.end = DEAD_CLEARED;
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
    assert_int_equal(state_find_letter(state, 2, DEAD_TOO_LARGE, 0, letter.fingerprint, &got, &err), 0);
    assert_int_equal(state_find_decided_letter(state, 2, DEAD_TOO_LARGE, letter.fingerprint, -1, &got, &err), 1);
    assert_int_equal(got.times, 9);
    assert_int_equal(state_find_decided_letter(state, 2, DEAD_TOO_LARGE, letter.fingerprint, 7, &got, &err), 0);
    assert_int_equal(state_find_decided_letter(state, 2, DEAD_MALFORMED, letter.fingerprint, -1, &got, &err), 0);
    assert_int_equal(state_find_decided_letter(state, 1, DEAD_TOO_LARGE, letter.fingerprint, -1, &got, &err), 0);
    assert_int_equal(state_find_decided_letter(state, 2, DEAD_TOO_LARGE, (const uint8_t[16]){ 9 }, -1, &got, &err), 0);
    ASSERT_WORKS(state_count_stream(state, 2, &counts, &err), err);
    assert_int_equal(counts.letters[DEAD_TOO_LARGE], 0);
    ASSERT_WORKS(apply_letter(state, &letter, &err), err); /* closed twice: counted down once */
    ASSERT_WORKS(state_count_stream(state, 2, &counts, &err), err);
    assert_int_equal(counts.letters[DEAD_TOO_LARGE], 0);
}

static void test_lists_of_dead_letters(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    const struct dead_letter letters[] = {
        letter_of(1, 1, DEAD_POISON, 1, 10), letter_of(2, 1, DEAD_STUCK, 2, 20), letter_of(3, 2, DEAD_POISON, 7, 30), letter_of(4, 1, DEAD_MALFORMED, 0, 40),
    };
    struct dead_letter closed = letter_of(5, 1, DEAD_POISON, 2, 50);
    static const struct {
        const char *why;
        struct letter_filter filter;
        const char *want;
    } rows[] = {
        { "open ones", { 0 }, "1 2 3 4" },
        { "closed ones too", { .with_closed = true }, "1 2 3 4 5" },
        { "of a connector", { .connector = "voice" }, "1 2 4" },
        { "of a connector that has none", { .connector = "nobody" }, "" },
        { "of a class", { .dead_class = DEAD_POISON }, "1 3" },
        { "of a memory", { .memory_id = { "m2", 2 }, .with_closed = true }, "2 5" },
        { "since", { .since_ms = 30 }, "3 4" },
        { "the first page", { .limit = 2 }, "1 2" },
        { "the second page", { .limit = 2, .after_letter = 2 }, "3 4" },
        { "all at once", { .connector = "voice", .dead_class = DEAD_POISON, .with_closed = true, .after_letter = 1, .since_ms = 50, .limit = 1 }, "5" },
    };

    (void)unused;
    closed.end = DEAD_DISCARDED;
    ASSERT_WORKS(apply_stream(state, 1, 1, "voice", "a", &err), err);
    ASSERT_WORKS(apply_stream(state, 2, 1, "photo", "b", &err), err);
    fixture_fill(state, 2);
    for (size_t i = 0; i < ARRAY_LENGTH(letters); i++)
        ASSERT_WORKS(apply_letter(state, &letters[i], &err), err);
    ASSERT_WORKS(apply_letter(state, &closed, &err), err);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct seen seen = { .words = "" };
        ASSERT_WORKS(state_each_letter(state, &rows[i].filter, see_letter, &seen, &err), err);
        if (strcmp(seen.words, rows[i].want) != 0)
            fail_msg("%s: %s, want %s", rows[i].why, seen.words, rows[i].want);
    }
}

static void test_runs(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct run_row run = {
        .run = 1, .connector = "voice", .trigger = "cli", .started_ms = 2, .finished_ms = 3, .result = RUN_PARTIAL, .error_kind = ERROR_LATER,
        .error = "busy", .range = "week", .limit = 100, .coverage = "limited",
        .counts = { 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26 },
    };
    struct run_row got;
    struct seen seen = { .words = "" };

    (void)unused;
    assert_int_equal(state_get_run(state, 1, &got, &err), 0);
    ASSERT_WORKS(apply_run(state, &run, &err), err);
    assert_int_equal(state_get_run(state, 1, &got, &err), 1);
    assert_int_equal(got.run, 1);
    assert_string_equal(got.connector, "voice");
    assert_string_equal(got.trigger, "cli");
    assert_int_equal(got.started_ms, 2);
    assert_int_equal(got.finished_ms, 3);
    assert_int_equal(got.result, RUN_PARTIAL);
    assert_int_equal(got.error_kind, ERROR_LATER);
    assert_string_equal(got.error, "busy");
    assert_string_equal(got.range, "week");
    assert_int_equal(got.limit, 100);
    assert_string_equal(got.coverage, "limited");
    assert_memory_equal(&got.counts, &run.counts, sizeof run.counts);
    assert_int_equal(got.counts.fetched, 10);
    assert_int_equal(got.counts.bytes, 23);

    for (int i = 2; i <= 4; i++) {
        run.run = i;
        run.connector = i == 3 ? "photo" : "voice";
        run.finished_ms = i == 4 ? 0 : 3;
        ASSERT_WORKS(apply_run(state, &run, &err), err);
    }
    ASSERT_WORKS(state_each_run(state, NULL, 0, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "4 3 2 1");
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_run(state, "voice", 2, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "4 2");
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_run_before(state, "voice", 4, 0, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "2 1");
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_run_before(state, NULL, 4, 2, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "3 2");
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_open_run(state, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "4");
    run.finished_ms = 9;
    run.result = RUN_INTERRUPTED;
    ASSERT_WORKS(apply_run(state, &run, &err), err);
    seen = (struct seen){ .words = "" };
    ASSERT_WORKS(state_each_open_run(state, see_run, &seen, &err), err);
    assert_string_equal(seen.words, "");
}

static void test_counts(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    struct state_counts counts;
    int64_t flying[BATCH_STATES], oldest;
    const struct member_ref members[] = { { 1, 1 }, { 2, 1 } }, other[] = { { 20, 2 } };
    struct memory_row row = memory_of(20, 2, "a", MEMORY_QUEUED, 0), done = memory_of(21, 3, "b", MEMORY_DONE, 0);
    const struct batch_row batches[] = { { .batch = 1, .target = 1, .state = BATCH_STORED }, { .batch = 2, .target = 1, .state = BATCH_READY } };
    const struct dead_letter letter = letter_of(1, 2, DEAD_STUCK, 20, 1);

    (void)unused;
    ASSERT_WORKS(state_oldest_unsettled(state, NULL, &oldest, &err), err);
    assert_int_equal(oldest, 0);
    ASSERT_WORKS(apply_stream(state, 1, 1, "voice", "a", &err), err);
    ASSERT_WORKS(apply_stream(state, 2, 1, "voice", "b", &err), err);
    ASSERT_WORKS(apply_stream(state, 3, 2, "photo", "a", &err), err);
    fixture_fill(state, 4); /* stream 1, arrived at 1001.. */
    row.arrived_ms = 900;
    ASSERT_WORKS(apply_memory(state, &row, NULL, &err), err);
    ASSERT_WORKS(apply_memory(state, &done, NULL, &err), err);
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
    for (size_t i = 0; i < 2; i++)
        ASSERT_WORKS(apply_batch(state, &batches[i], &err), err);
    ASSERT_WORKS(apply_members(state, members, 2, MEMORY_QUEUED, MEMORY_FLYING, 1, &err), err);

    ASSERT_WORKS(state_count_connector(state, "voice", &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], 3);
    assert_int_equal(counts.memories[MEMORY_FLYING], 2);
    assert_int_equal(counts.letters[DEAD_STUCK], 1);
    ASSERT_WORKS(state_count_connector(state, "nobody", &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], 0);
    ASSERT_WORKS(state_count_target(state, 1, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], 3);
    ASSERT_WORKS(state_count_target(state, 2, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_DONE], 1);
    ASSERT_WORKS(state_count_stream(state, 2, &counts, &err), err);
    assert_int_equal(counts.memories[MEMORY_QUEUED], 1);

    ASSERT_WORKS(apply_members(state, other, 1, MEMORY_QUEUED, MEMORY_FLYING, 2, &err), err);
    ASSERT_WORKS(state_count_flying(state, NULL, flying, &err), err);
    assert_int_equal(flying[BATCH_STORED], 2);
    assert_int_equal(flying[BATCH_READY], 1);
    assert_int_equal(flying[BATCH_SENDING], 0);
    ASSERT_WORKS(state_count_flying(state, "voice", flying, &err), err);
    assert_int_equal(flying[BATCH_STORED], 2);
    ASSERT_WORKS(state_count_flying(state, "photo", flying, &err), err);
    assert_int_equal(flying[BATCH_STORED], 0);

    ASSERT_WORKS(state_oldest_unsettled(state, "voice", &oldest, &err), err);
    assert_int_equal(oldest, 900); /* flying */
    ASSERT_WORKS(apply_members(state, other, 1, MEMORY_FLYING, MEMORY_DONE, 0, &err), err);
    ASSERT_WORKS(apply_members(state, members, 2, MEMORY_FLYING, MEMORY_DONE, 0, &err), err);
    ASSERT_WORKS(state_oldest_unsettled(state, NULL, &oldest, &err), err);
    assert_int_equal(oldest, 1003); /* queued */
    ASSERT_WORKS(state_oldest_unsettled(state, "photo", &oldest, &err), err);
    assert_int_equal(oldest, 0);
}

/* ---- What a callback may do ---- */

struct nested {
    struct state *state;
    int result, count;
    bool reads_same, changes;
    struct error err;
};

static bool see_nothing(void *context, const struct memory_row *row)
{
    (void)context;
    (void)row;
    return true;
}

static bool use_the_state(void *context, const struct memory_row *row)
{
    struct nested *nested = context;
    struct memory_row got, fresh = memory_of(99, 1, "fresh", MEMORY_QUEUED, 0);
    AUTO_DONE(text) struct text text = { 0 };

    text_init(&text, 0);
    nested->count++;
    assert_int_equal(state_get_text(nested->state, row->seq, &text, &nested->err), 1);
    assert_int_equal(state_get_memory(nested->state, row->seq, &got, &nested->err), 1);
    if (nested->reads_same)
        nested->result = state_each_queued(nested->state, 1, 0, 10, 1000, see_nothing, NULL, &nested->err);
    if (nested->changes)
        nested->result = apply_memory(nested->state, &fresh, NULL, &nested->err);
    return nested->result == 0;
}

static void test_a_callback_reads_but_does_not_change(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct nested nested = { .state = state };
    struct error err = { 0 };

    (void)unused;
    fixture_fill(state, 3);
    ASSERT_WORKS(state_each_queued(state, 1, 0, 10, 1000, use_the_state, &nested, &err), err);
    assert_int_equal(nested.count, 3);
    nested.reads_same = true;
    ASSERT_WORKS(state_each_queued(state, 1, 0, 10, 1000, use_the_state, &nested, &err), err);
    assert_int_equal(nested.result, -1);
    assert_non_null(strstr(nested.err.message, "within itself"));
    nested = (struct nested){ .state = state, .changes = true };
    ASSERT_WORKS(state_each_queued(state, 1, 0, 10, 1000, use_the_state, &nested, &err), err);
    assert_int_equal(nested.result, -1);
    assert_non_null(strstr(nested.err.message, "while a list of it is read"));
}

/* One failure, and no function answers any more: what it would say may be half of a change. */
static void test_nothing_answers_after_a_failure(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    const struct member_ref unknown = { 77, 1 };
    const struct letter_filter filter = { 0 };
    struct memory_row memory;
    struct batch_row batch;
    struct dead_letter letter;
    struct run_row run;
    struct target_row target;
    struct stream_row stream;
    struct state_counts counts;
    struct seen seen = { .words = "" };
    int64_t flying[BATCH_STATES], when;
    bool any;

    (void)unused;
    text_init(&text, 0);
    assert_int_equal(apply_members(state, &unknown, 1, MEMORY_QUEUED, MEMORY_DONE, 0, NULL), -1); /* nobody asks why */
    const int results[] = {
        state_commit(state, NULL),
        state_find_target(state, "x", &target, NULL),
        state_find_stream(state, 1, "x", "y", &stream, NULL),
        state_get_stream(state, 1, &stream, NULL),
        state_find_memory(state, 1, slice_of("x"), &memory, NULL),
        state_get_memory(state, 1, &memory, NULL),
        state_get_text(state, 1, &text, NULL),
        state_get_batch(state, 1, &batch, NULL),
        state_get_letter(state, 1, &letter, NULL),
        state_find_letter(state, 1, DEAD_STUCK, 1, NULL, &letter, NULL),
        state_find_decided_letter(state, 1, DEAD_MALFORMED, (const uint8_t[16]){ 1 }, 1, &letter, NULL),
        state_get_run(state, 1, &run, NULL),
        state_each_queued(state, 1, 0, 1, 1, see_memory, &seen, NULL),
        state_next_queued(state, 1, 0, &any, &when, NULL),
        state_each_open_batch(state, 1, see_batch, &seen, NULL),
        state_each_member(state, 1, see_memory, &seen, NULL),
        state_each_target(state, see_target, &seen, NULL),
        state_each_stream(state, see_stream, &seen, NULL),
        state_each_letter(state, &filter, see_letter, &seen, NULL),
        state_each_run(state, NULL, 0, see_run, &seen, NULL),
        state_each_open_run(state, see_run, &seen, NULL),
        state_count_stream(state, 1, &counts, NULL),
        state_count_target(state, 1, &counts, NULL),
        state_count_connector(state, "x", &counts, NULL),
        state_count_flying(state, NULL, flying, NULL),
        state_oldest_unsettled(state, NULL, &when, NULL),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        if (results[i] != -1)
            fail_msg("call %zu answered", i);
    assert_string_equal(seen.words, "");
}

static void test_a_text_that_does_not_fit(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };

    (void)unused;
    fixture_fill(state, 1);
    text_init(&text, 5);
    assert_int_equal(state_get_text(state, 1, &text, &err), -1);
    assert_non_null(strstr(err.message, "memory 1 has 10 bytes"));
    assert_int_equal(text.size, 0);
    text_init(&text, 10);
    assert_int_equal(state_get_text(state, 1, &text, &err), 1); /* that was no failure of the state */
}

static void test_ids_of_every_size(void **unused)
{
    AUTO(state) struct state *state = fixture_open();
    struct error err = { 0 };
    char *id = mem_alloc(MEMORY_ID_MAXIMUM + 1);
    struct memory_row row = memory_of(1, 1, "", MEMORY_QUEUED, 0), got;

    (void)unused;
    memset(id, 'x', MEMORY_ID_MAXIMUM);
    for (size_t size = 0; size <= MEMORY_ID_MAXIMUM; size = size < 5 ? size + 1 : size * 2 > MEMORY_ID_MAXIMUM && size < MEMORY_ID_MAXIMUM ? MEMORY_ID_MAXIMUM : size * 2) {
        row.seq = (int64_t)size + 1;
        row.id = (struct slice){ .data = id, .size = size };
        ASSERT_WORKS(apply_memory(state, &row, NULL, &err), err);
        assert_int_equal(state_find_memory(state, 1, row.id, &got, &err), 1);
        assert_int_equal(got.seq, size + 1);
        assert_int_equal(got.id.size, size);
    }
    mem_free(id);
}

static void test_names(void **unused)
{
    (void)unused;
    for (int i = 1; i < DEAD_CLASSES; i++) {
        enum dead_class back;
        assert_true(dead_class_from_name(dead_class_name((enum dead_class)i), &back));
        assert_int_equal(back, i);
        assert_true(strlen(dead_class_advice((enum dead_class)i)) > 20);
    }
    assert_false(dead_class_from_name("nonsense", &(enum dead_class){ 0 }));
    assert_false(dead_class_from_name("unknown", &(enum dead_class){ 0 }));
    assert_string_equal(dead_class_name(DEAD_PROCESSING_FAILED), "processing_failed");
    assert_string_equal(dead_class_name((enum dead_class)0), "unknown");
    assert_string_equal(dead_class_name((enum dead_class)99), "unknown");
    assert_non_null(strstr(dead_class_advice((enum dead_class)99), "newer release"));
    assert_string_equal(memory_state_name(MEMORY_QUEUED), "queued");
    assert_string_equal(memory_state_name(MEMORY_TRUSTED), "trusted");
    assert_string_equal(memory_state_name(MEMORY_STATES), "unknown");
    assert_string_equal(batch_state_name(BATCH_STORED), "stored");
    assert_string_equal(batch_state_name((enum batch_state)0), "unknown");
    assert_string_equal(run_result_name(RUN_SKIPPED), "skipped");
    assert_string_equal(run_result_name(RUN_RESULTS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_the_queue),
        STATE_TEST(test_batches_and_their_members),
        STATE_TEST(test_targets_and_streams),
        STATE_TEST(test_a_dead_letter),
        STATE_TEST(test_lists_of_dead_letters),
        STATE_TEST(test_runs),
        STATE_TEST(test_counts),
        STATE_TEST(test_a_callback_reads_but_does_not_change),
        STATE_TEST(test_nothing_answers_after_a_failure),
        STATE_TEST(test_a_text_that_does_not_fit),
        STATE_TEST(test_ids_of_every_size),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
