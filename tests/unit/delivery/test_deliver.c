/* Sending, following, looking up. */
#include "desk.h"

/* ---- Tests ---- */

static void test_the_good_way(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 3);
    struct sink_verdict verdict = accepted("t1");
    struct rows rows = { .count = 0 };
    (void)state;

    assert_int_equal(desk.batch[batch].state, BATCH_SENDING); /* written before the request is asked for */
    answer_insert(&desk, batch, &verdict);
    assert_int_equal(desk.batch[batch].state, BATCH_ACCEPTED);
    pass_time(&desk, 10);
    put_row(&rows, 1, SINK_ROW_UNFINISHED, "t1");
    put_row(&rows, 2, SINK_ROW_UNFINISHED, "t1");
    answer_track(&desk, &rows);
    assert_int_equal(desk.batch[batch].state, BATCH_ACCEPTED); /* one row is missing: not stored */
    put_row(&rows, 3, SINK_ROW_PROCESSED, "t1");
    pass_time(&desk, 3000);
    answer_track(&desk, &rows);
    assert_int_equal(desk.batch[batch].state, BATCH_STORED);
    assert_int_equal(desk.memory[3], MEMORY_DONE);
    assert_int_equal(desk.memory[1], MEMORY_FLYING);
    rows.count = 0;
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t1");
    put_row(&rows, 2, SINK_ROW_PROCESSED, "t1");
    pass_time(&desk, 3000);
    answer_track(&desk, &rows);
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    assert_int_equal(desk.memory[2], MEMORY_DONE);
    assert_int_equal(desk.batch[batch].state, BATCH_CLOSED);
    assert_int_equal(desk.notes[NOTE_STORED], 3);
    assert_int_equal(desk.notes[NOTE_PROCESSED], 3);
    close_desk(&desk);
}

static void test_no_answer_is_looked_up_before_anything_is_sent(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 3);
    struct sink_verdict verdict = scope(SINK_SILENT, 0);
    struct deliver_command command;
    struct rows rows = { .count = 0 };
    (void)state;

    answer_insert(&desk, batch, &verdict);
    assert_false(take(&desk, DELIVER_INSERT, &command));
    pass_time(&desk, 1);
    put_row(&rows, 2, SINK_ROW_PROCESSED, "t9");
    put_row(&rows, 3, SINK_ROW_UNFINISHED, "t9");
    answer_list(&desk, &rows, false);
    assert_int_equal(desk.memory[2], MEMORY_DONE);
    assert_int_equal(desk.batch[desk.batch_of[3]].state, BATCH_STORED); /* adopted with its track */
    assert_string_equal(desk.batch[desk.batch_of[3]].track, "t9");
    command = must_take(&desk, DELIVER_INSERT); /* only the absent one goes again */
    assert_int_equal(deliver_batch_size(desk.deliver, command.batch), 1);
    assert_int_equal(desk.batch_of[1], command.batch);
    close_desk(&desk);
}

static void test_14_waits_for_the_settle_time(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_14, 2);
    struct sink_verdict verdict = scope(SINK_SILENT, 0);
    struct deliver_command command;
    struct rows none = { .count = 0 };
    (void)state;

    answer_insert(&desk, batch, &verdict);
    for (int64_t waited = 0; waited < 59000; waited += 1000) {
        pass_time(&desk, 1000);
        if (take(&desk, DELIVER_LIST, &command))
            deliver_on_list(desk.deliver, &(struct sink_page){ .total = -1 }, &well, desk.now);
        if (take(&desk, DELIVER_ASK_HEALTH, &command)) {
            struct sink_health health = { .dialect = SINK_14, .version = "1.4.9.9" };
            deliver_on_health(desk.deliver, &health, &well, desk.now);
        }
        if (take(&desk, DELIVER_ASK_COUNTS, &command)) {
            struct sink_counts counts = { 0 };
            deliver_on_counts(desk.deliver, &counts, &well, desk.now);
        }
        assert_false(take(&desk, DELIVER_INSERT, &command));
    }
    pass_time(&desk, 60000);
    answer_list(&desk, &none, false);
    assert_true(take(&desk, DELIVER_INSERT, &command));
    close_desk(&desk);
}

static void test_named_refusals(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 4);
    struct sink_verdict bad = well;
    struct sink_verdict known = well;
    struct deliver_command command;
    struct rows rows = { .count = 0 };
    (void)state;

    bad.status = 422;
    bad.insert = SINK_INSERT_REFUSED;
    bad.culprit_index = 1;
    answer_insert(&desk, batch, &bad);
    assert_int_equal(desk.memory[2], MEMORY_DEAD);
    assert_int_equal(desk.dead[2], DEAD_REJECTED);
    command = must_take(&desk, DELIVER_INSERT); /* its neighbours go on at once */
    assert_int_equal(deliver_batch_size(desk.deliver, command.batch), 3);
    known.status = 409;
    known.insert = SINK_INSERT_EXISTS;
    (void)snprintf(known.culprit_name, sizeof known.culprit_name, "m4");
    answer_insert(&desk, command.batch, &known);
    command = must_take(&desk, DELIVER_INSERT);
    assert_int_equal(deliver_batch_size(desk.deliver, command.batch), 2);
    assert_true(desk.batch[desk.batch_of[4]].whole_listing); /* the row may be older than we are */
    pass_time(&desk, 1);
    put_row(&rows, 4, SINK_ROW_PROCESSED, "old");
    answer_list(&desk, &rows, false);
    assert_int_equal(desk.memory[4], MEMORY_DONE); /* by its row, not by the 409 */
    close_desk(&desk);
}

static void test_unnamed_refusal_is_halved(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 4);
    struct sink_verdict bad = well;
    struct sink_verdict ok = accepted("t");
    int rounds = 0;
    (void)state;

    bad.status = 400;
    bad.insert = SINK_INSERT_REFUSED;
    answer_insert(&desk, batch, &bad);
    for (; rounds < 20; rounds++) {
        struct deliver_command command;
        bool has_culprit = false;
        if (!take(&desk, DELIVER_INSERT, &command))
            break;
        for (size_t i = 0; i < deliver_batch_size(desk.deliver, command.batch); i++) {
            struct deliver_memory memory;
            deliver_batch_member(desk.deliver, command.batch, i, &memory);
            has_culprit = has_culprit || memory.seq == 3;
        }
        answer_insert(&desk, command.batch, has_culprit ? &bad : &ok);
    }
    assert_int_equal(desk.dead[3], DEAD_REJECTED);
    for (int64_t seq = 1; seq <= 4; seq++)
        assert_int_equal(desk.memory[seq], seq == 3 ? MEMORY_DEAD : MEMORY_FLYING);
    assert_int_equal(rounds, 4); /* {1,2} ok, {3,4} bad, {3} bad, {4} ok */
    close_desk(&desk);
}

static void test_busy_is_nobodys_fault(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 2);
    struct sink_verdict busy = scope(SINK_BUSY, 429);
    struct deliver_command command;
    (void)state;

    busy.retry_after_ms = 30000;
    for (int i = 0; i < 200; i++) {
        answer_insert(&desk, batch, &busy);
        assert_int_equal(desk.batch[batch].state, BATCH_READY);
        pass_time(&desk, 29999);
        assert_false(take(&desk, DELIVER_INSERT, &command)); /* not before it was told */
        pass_time(&desk, 40000);
        command = must_take(&desk, DELIVER_INSERT);
        assert_int_equal(command.batch, batch);
    }
    assert_int_equal(desk.memory[1], MEMORY_FLYING);
    close_desk(&desk);
}

static void test_denied_and_strange_stop_the_target(void **state)
{
    static const enum sink_scope scopes[] = { SINK_DENIED, SINK_STRANGE };
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct desk desk;
        int64_t batch = send_some(&desk, SINK_15, 2);
        struct sink_verdict verdict = scope(scopes[i], 401);
        struct deliver_summary summary;
        answer_insert(&desk, batch, &verdict);
        deliver_summarise(desk.deliver, &summary);
        assert_int_equal(summary.condition, i == 0 ? TARGET_DENIED : TARGET_STRANGE);
        assert_int_equal(summary.ready, 2);
        pass_time(&desk, 1000);
        assert_int_equal(desk.command_count, 0);
        close_desk(&desk);
    }
}

/* The last insert command is answered with 500; look-ups find nothing. */
static void answer_500s(struct desk *desk, const struct sink_verdict *poison, int64_t culprit, int rounds)
{
    struct sink_verdict ok = accepted("t");
    struct rows none = { .count = 0 };

    for (int i = 0; i < rounds; i++) {
        struct deliver_command command;
        pass_time(desk, 61000);
        if (take(desk, DELIVER_LIST, &command))
            deliver_on_list(desk->deliver, &(struct sink_page){ .total = -1 }, &well, desk->now);
        while (take(desk, DELIVER_TRACK, &command))
            deliver_on_track(desk->deliver, command.batch, &well, desk->now);
        while (take(desk, DELIVER_INSERT, &command)) {
            bool has_culprit = false;
            for (size_t k = 0; k < deliver_batch_size(desk->deliver, command.batch); k++) {
                struct deliver_memory memory;
                deliver_batch_member(desk->deliver, command.batch, k, &memory);
                has_culprit = has_culprit || culprit == 0 || memory.seq == culprit;
            }
            answer_insert(desk, command.batch, has_culprit ? poison : &ok);
        }
    }
    (void)none;
}

static void test_poison_is_found_while_others_pass(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 4);
    struct sink_verdict poison = scope(SINK_FAILING, 500);
    (void)state;

    answer_insert(&desk, batch, &poison);
    answer_500s(&desk, &poison, 3, 60);
    assert_int_equal(desk.dead[3], DEAD_POISON);
    for (int64_t seq = 1; seq <= 4; seq++)
        assert_int_equal(desk.memory[seq], seq == 3 ? MEMORY_DEAD : MEMORY_FLYING);
    close_desk(&desk);
}

/* The limit counts what the server has to work on: else one bad document would hold up all others for ever, and never be found. */
static void test_500_does_not_fill_the_limit(void **state)
{
    struct deliver_settings settings = defaults;
    struct desk desk;
    struct sink_verdict poison = scope(SINK_FAILING, 500);
    int64_t batch;
    (void)state;

    settings.max_unfinished = 1;
    open_desk(&desk, &settings);
    make_well(&desk, SINK_15);
    offer(&desk, 1, 1);
    batch = must_take(&desk, DELIVER_INSERT).batch;
    assert_int_equal(deliver_room(desk.deliver, 1, false, 0, desk.now), 0);
    answer_insert(&desk, batch, &poison);
    assert_int_equal(deliver_room(desk.deliver, 1, false, 0, desk.now), 1);
    close_desk(&desk);
}

/* Alone, and nothing else to send: nobody is blamed at first, but it does not wait unnamed for ever. */
static void test_a_lone_500_is_named_in_the_end(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 1);
    struct sink_verdict failing = scope(SINK_FAILING, 500);
    (void)state;

    answer_insert(&desk, batch, &failing);
    answer_500s(&desk, &failing, 0, 500);
    assert_int_equal(desk.memory[1], MEMORY_FLYING);
    answer_500s(&desk, &failing, 0, 1500); /* a day has gone by */
    assert_int_equal(desk.dead[1], DEAD_POISON);
    close_desk(&desk);
}

static void test_500_for_all_blames_nobody(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 4);
    struct sink_verdict failing = scope(SINK_FAILING, 500);
    struct deliver_summary summary;
    (void)state;

    answer_insert(&desk, batch, &failing);
    answer_500s(&desk, &failing, 0, 200);
    for (int64_t seq = 1; seq <= 4; seq++)
        assert_int_equal(desk.memory[seq], MEMORY_FLYING);
    deliver_summarise(desk.deliver, &summary);
    assert_true(summary.insert_marks > 5); /* the breaker is open, tries go on slowly */
    close_desk(&desk);
}

/* One memory whose row fails again after every kick; returns the kicks until it is settled (or 200 rounds are over). */
static int fail_until_settled(struct desk *desk, const char *first_words, int first_count, const char *later_words)
{
    int64_t batch = send_some(desk, SINK_15, 1);
    struct sink_verdict verdict = accepted("t1");
    struct sink_pipeline idle = { 0 };
    struct rows rows = { .count = 0 };
    int kicks = 0;

    answer_insert(desk, batch, &verdict);
    put_row(&rows, 1, SINK_ROW_FAILED, "t1");
    for (int i = 0; i < 4000 && desk->memory[1] == MEMORY_FLYING; i++) {
        struct deliver_command command;
        rows.row[0].error_words = kicks < first_count ? first_words : later_words;
        pass_time(desk, 2500);
        if (take(desk, DELIVER_TRACK, &command)) {
            deliver_on_track_row(desk->deliver, command.batch, &rows.row[0]);
            deliver_on_track(desk->deliver, command.batch, &well, desk->now);
        }
        if (take(desk, DELIVER_ASK_PIPELINE, &command))
            deliver_on_pipeline(desk->deliver, &idle, &well, desk->now);
        if (take(desk, DELIVER_REPROCESS, &command)) {
            kicks++;
            rows.row[0].updated_ms += 1000; /* it fails again */
            deliver_on_reprocess(desk->deliver, &well, desk->now);
        }
    }
    return kicks;
}

static void test_failed_rows_are_retried_then_dead(void **state)
{
    struct desk desk;
    int kicks = fail_until_settled(&desk, "", 0, "model said no");
    (void)state;

    assert_int_equal(desk.memory[1], MEMORY_DEAD);
    assert_int_equal(desk.dead[1], DEAD_PROCESSING_FAILED);
    assert_int_equal(desk.attempts[1], 3);
    assert_int_equal(kicks, 2); /* three failures, two retries between them */
    close_desk(&desk);
}

/* 1.5.7: a text that the model refuses makes others fail, those processed with it and all that wait, with these words. */
static void test_a_neighbours_failure_is_no_attempt(void **state)
{
    static const char *const words[] = {
        "NanoVectorDBStorage[chunks] index flush failed: Error code: 400",
        "Failed to delete document chunks: NanoVectorDBStorage[chunks] index flush failed: Error code: 400",
        "Failed to persist pre-rebuild changes: NanoVectorDBStorage[chunks] index flush failed: Error code: 400",
        "Cancelled by internal error: NanoVectorDBStorage[chunks]: Error code: 400 during analyze: x",
        "User cancelled during stage 1",
    };
    struct desk desk;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        int kicks = fail_until_settled(&desk, words[i], 5, "model said no");
        if (desk.dead[1] != DEAD_PROCESSING_FAILED || desk.attempts[1] != 3 || kicks != 5 + 2)
            fail_msg("%s: %d attempts, %d kicks", words[i], (int)desk.attempts[1], kicks); /* five for its neighbour's sake, then two of its own */
        close_desk(&desk);
    }
    assert_int_equal(fail_until_settled(&desk, words[0], 1000, words[0]), 99);
    assert_int_equal(desk.dead[1], DEAD_STUCK); /* named in the end, with another cause than its own failing */
    assert_int_equal(desk.attempts[1], 0);
    close_desk(&desk);
}

/* With a key, 1.5.7 tells its workspace only to whom knows the key: a wrong key must not look like a wrong workspace. */
static void test_workspace_that_is_not_told(void **state)
{
    static const struct { const char *why; enum sink_scope counts; bool is_told; enum target_condition condition; } rows[] = {
        { "wrong key", SINK_DENIED, false, TARGET_DENIED },
        { "right key, and still not told", SINK_WELL, false, TARGET_FENCED },
        { "told, and another one", SINK_WELL, true, TARGET_FENCED },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct deliver_settings settings = defaults;
        struct sink_health health = { .dialect = SINK_15, .version = "1.5.7", .has_workspace = rows[i].is_told };
        struct sink_verdict verdict = scope(rows[i].counts, rows[i].counts == SINK_WELL ? 200 : 403);
        struct sink_counts counts = { 0 };
        struct deliver_command command;
        struct deliver_summary summary;
        struct desk desk;
        settings.workspace = "mine";
        open_desk(&desk, &settings);
        deliver_tick(desk.deliver, desk.now);
        (void)must_take(&desk, DELIVER_ASK_HEALTH);
        deliver_on_health(desk.deliver, &health, &well, desk.now);
        if (take(&desk, DELIVER_ASK_COUNTS, &command))
            deliver_on_counts(desk.deliver, &counts, &verdict, desk.now);
        deliver_summarise(desk.deliver, &summary);
        if (summary.condition != rows[i].condition)
            fail_msg("%s: condition %d", rows[i].why, (int)summary.condition);
        close_desk(&desk);
    }
}

static void test_interrupted_rows_are_kicked_after_a_restart(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 1);
    struct sink_verdict verdict = accepted("t1");
    struct sink_verdict refused = scope(SINK_NOT_SENT, 0);
    struct sink_health health = { .dialect = SINK_15, .version = "1.5.7" };
    struct sink_counts counts = { 0 };
    struct sink_pipeline idle = { 0 };
    struct rows rows = { .count = 0 };
    struct deliver_command command;
    (void)state;

    answer_insert(&desk, batch, &verdict);
    put_row(&rows, 1, SINK_ROW_UNFINISHED, "t1");
    pass_time(&desk, 10);
    answer_track(&desk, &rows);
    pass_time(&desk, 2500);
    command = must_take(&desk, DELIVER_TRACK);
    deliver_on_track(desk.deliver, command.batch, &refused, desk.now); /* the server is gone */
    pass_time(&desk, 2000);
    (void)must_take(&desk, DELIVER_ASK_HEALTH);
    deliver_on_health(desk.deliver, &health, &well, desk.now);
    (void)must_take(&desk, DELIVER_ASK_COUNTS);
    deliver_on_counts(desk.deliver, &counts, &well, desk.now);
    answer_track(&desk, &rows);
    pass_time(&desk, 100);
    (void)must_take(&desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk.deliver, &idle, &well, desk.now);
    (void)must_take(&desk, DELIVER_REPROCESS);
    close_desk(&desk);
}

/* Stored, unfinished, and nobody here may wake it. What the machine says about it after so many idle answers. */
static void answer_pipelines(struct desk *desk, struct rows *rows, bool is_busy, int count)
{
    const struct sink_pipeline pipeline = { .busy = is_busy };

    for (int asked = 0, rounds = 0; asked < count; rounds++) {
        struct deliver_command command;
        if (rounds == 1000)
            fail_msg("it does not ask");
        pass_time(desk, 2500);
        if (take(desk, DELIVER_TRACK, &command)) {
            for (size_t i = 0; i < rows->count; i++)
                deliver_on_track_row(desk->deliver, command.batch, &rows->row[i]);
            deliver_on_track(desk->deliver, command.batch, &well, desk->now);
        }
        if (take(desk, DELIVER_ASK_PIPELINE, &command)) {
            deliver_on_pipeline(desk->deliver, &pipeline, &well, desk->now);
            asked++;
        }
    }
}

static int64_t stalled_for(const struct desk *desk)
{
    struct deliver_summary summary;

    deliver_summarise(desk->deliver, &summary);
    return summary.stalled_since_mono == 0 ? -1 : summary.stalled_until_mono - summary.stalled_since_mono;
}

static void test_a_pipeline_that_nobody_may_wake(void **state)
{
    struct deliver_settings settings = defaults;
    struct deliver_command command;
    struct rows rows = { .count = 0 };
    struct desk desk;
    struct sink_verdict verdict = accepted("t1");
    const struct sink_verdict refused = scope(SINK_NOT_SENT, 0);
    int64_t batch;
    (void)state;

    settings.kick = false;
    open_desk(&desk, &settings);
    make_well(&desk, SINK_15);
    offer(&desk, 1, 2);
    batch = must_take(&desk, DELIVER_INSERT).batch;
    answer_insert(&desk, batch, &verdict);
    put_row(&rows, 1, SINK_ROW_UNFINISHED, "t1");
    put_row(&rows, 2, SINK_ROW_UNFINISHED, "t1");
    answer_pipelines(&desk, &rows, true, 3);
    assert_int_equal(stalled_for(&desk), -1); /* busy: slow, and at work */
    answer_pipelines(&desk, &rows, false, 1);
    assert_int_equal(stalled_for(&desk), 0);
    answer_pipelines(&desk, &rows, false, 5);
    assert_true(stalled_for(&desk) >= settings.kick_interval_ms);
    assert_false(take(&desk, DELIVER_REPROCESS, &command));
    answer_pipelines(&desk, &rows, true, 1);
    assert_int_equal(stalled_for(&desk), -1); /* somebody woke it */
    answer_pipelines(&desk, &rows, false, 3);
    rows.row[0].status = SINK_ROW_PROCESSED;
    rows.row[0].chunks = 1;
    answer_pipelines(&desk, &rows, false, 1);
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    assert_true(stalled_for(&desk) < settings.kick_interval_ms / 2); /* a row moved: from there on it is counted anew */
    answer_pipelines(&desk, &rows, false, 2);
    pass_time(&desk, settings.kick_interval_ms);
    (void)must_take(&desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk.deliver, &(struct sink_pipeline){ 0 }, &refused, desk.now);
    assert_int_equal(stalled_for(&desk), -1); /* no answer says nothing */
    close_desk(&desk);
}

static void test_lost_in_the_servers_memory(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 2);
    struct sink_verdict verdict = accepted("t1");
    struct rows none = { .count = 0 };
    struct deliver_command command;
    bool was_sent_again = false;
    (void)state;

    answer_insert(&desk, batch, &verdict);
    for (int i = 0; i < 100 && !was_sent_again; i++) {
        pass_time(&desk, 1000);
        if (take(&desk, DELIVER_TRACK, &command))
            deliver_on_track(desk.deliver, command.batch, &well, desk.now);
        if (take(&desk, DELIVER_LIST, &command)) {
            assert_true(i >= 59); /* not before the patience with storing is over */
            deliver_on_list(desk.deliver, &(struct sink_page){ .total = -1 }, &well, desk.now);
        }
        was_sent_again = take(&desk, DELIVER_INSERT, &command);
    }
    assert_true(was_sent_again);
    assert_int_equal(deliver_batch_size(desk.deliver, command.batch), 2);
    (void)none;
    close_desk(&desk);
}

static void test_sightings_of_strangers(void **state)
{
    static const struct { const char *why; int what; enum dead_class want; } rows_[] = {
        { "another revision stays where it is", 0, DEAD_OTHER_REVISION },
        { "somebody else's document is never touched", 1, DEAD_FOREIGN },
        { "the same content under another name", 2, DEAD_CONTENT },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows_ / sizeof rows_[0]; i++) {
        struct desk desk;
        int64_t batch = send_some(&desk, SINK_15, 1);
        struct sink_verdict verdict = scope(SINK_SILENT, 0);
        struct rows rows = { .count = 0 };
        answer_insert(&desk, batch, &verdict);
        put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
        if (rows_[i].what == 0)
            (void)snprintf(rows.row[0].mark, sizeof rows.row[0].mark, "ffffffffffff");
        if (rows_[i].what == 1)
            rows.row[0].has_mark = false;
        if (rows_[i].what == 2)
            rows.row[0].dup = SINK_DUP_CONTENT;
        pass_time(&desk, 1);
        answer_list(&desk, &rows, false);
        if (desk.dead[1] != rows_[i].want)
            fail_msg("%s: class %d", rows_[i].why, (int)desk.dead[1]);
        close_desk(&desk);
    }
}

static void test_restart_of_ours_takes_up_every_phase(void **state)
{
    struct desk desk;
    struct rows rows = { .count = 0 };
    struct batch_row row = { .batch = 7, .target = 1, .state = BATCH_SENDING, .last_sent_ms = 999000, .first_sent_server_ms = 999000 };
    struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1", .mark = "000000000001" };
    struct deliver_command command;
    (void)state;

    open_desk(&desk, &defaults);
    desk.batches = 10;
    desk.memory[1] = desk.memory[2] = MEMORY_FLYING;
    deliver_load_batch(desk.deliver, &row, desk.now);
    deliver_load_member(desk.deliver, 7, &memory, desk.now);
    row.batch = 8;
    row.state = BATCH_STORED;
    (void)snprintf(row.track, sizeof row.track, "t8");
    memory.seq = 2;
    memory.name = "m2";
    (void)snprintf(memory.mark, sizeof memory.mark, "000000000002");
    deliver_load_batch(desk.deliver, &row, desk.now);
    deliver_load_member(desk.deliver, 8, &memory, desk.now);
    make_well(&desk, SINK_15);
    assert_false(take(&desk, DELIVER_INSERT, &command)); /* what was SENDING is asked for, not sent */
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t7");
    answer_list(&desk, &rows, false);
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    rows.count = 0;
    put_row(&rows, 2, SINK_ROW_PROCESSED, "t8");
    answer_track(&desk, &rows);
    assert_int_equal(desk.memory[2], MEMORY_DONE);
    close_desk(&desk);
}

static void test_room(void **state)
{
    struct desk desk;
    struct sink_verdict verdict;
    (void)state;

    open_desk(&desk, &defaults);
    assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0); /* nobody answered yet */
    make_well(&desk, SINK_15);
    assert_int_equal(deliver_room(desk.deliver, 5, false, desk.now.mono_ms, desk.now), 10);
    assert_int_equal(deliver_room(desk.deliver, 5, true, desk.now.mono_ms, desk.now), 0); /* more is coming: wait a little */
    assert_int_equal(deliver_room(desk.deliver, 5, true, desk.now.mono_ms - 1000, desk.now), 10);
    assert_int_equal(deliver_room(desk.deliver, 0, false, 0, desk.now), 0);
    for (int64_t i = 0; i < 4; i++) {
        offer(&desk, 1 + 10 * i, 10);
        assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0); /* the slot is taken */
        verdict = accepted("t");
        answer_insert(&desk, must_take(&desk, DELIVER_INSERT).batch, &verdict);
    }
    assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0); /* four batches are accepted and not stored */
    deliver_drain(desk.deliver, true);
    assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0);
    close_desk(&desk);
}

/* No new connection can be made, but probes pass on an old one: tries go on more and more slowly, and a sync can see that it is of no use. */
static void test_inserts_cannot_connect_though_probes_pass(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 2);
    struct sink_health health = { .dialect = SINK_15, .version = "1.5.7" };
    struct sink_verdict verdict = scope(SINK_NOT_SENT, 0);
    struct deliver_summary summary;
    int inserts = 1;
    (void)state;

    answer_insert(&desk, batch, &verdict);
    for (int second = 0; second < 600; second++) {
        struct deliver_command command;
        pass_time(&desk, 1000);
        if (take(&desk, DELIVER_ASK_HEALTH, &command))
            deliver_on_health(desk.deliver, &health, &well, desk.now);
        if (take(&desk, DELIVER_ASK_COUNTS, &command))
            deliver_on_counts(desk.deliver, &(struct sink_counts){ 0 }, &well, desk.now);
        if (take(&desk, DELIVER_INSERT, &command)) {
            inserts++;
            answer_insert(&desk, command.batch, &verdict);
        }
    }
    deliver_summarise(desk.deliver, &summary);
    assert_true(inserts > 5 && inserts < 200);
    assert_int_equal(summary.insert_marks, inserts);
    assert_string_equal(summary.insert_words, "said the test");
    assert_int_equal(summary.ready, 2); /* nobody is blamed */
    close_desk(&desk);
}

/* Answers to questions that nobody asked, or that were settled meanwhile: nothing happens. */
static void test_answers_for_nobody(void **state)
{
    struct sink_verdict ok = accepted("t1");
    struct sink_page page = { .total = -1 };
    struct sink_row row = { .id = "doc-1", .name = "m1", .track = "", .error_words = "", .has_mark = true };
    struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1" };
    struct desk desk;
    (void)state;

    open_desk(&desk, &defaults);
    make_well(&desk, SINK_15);
    deliver_on_insert(desk.deliver, 7, &ok, desk.now);
    deliver_on_track_row(desk.deliver, 7, &row);
    deliver_on_track(desk.deliver, 7, &well, desk.now);
    deliver_on_list_row(desk.deliver, &row);
    deliver_on_list(desk.deliver, &page, &well, desk.now);
    deliver_on_delete(desk.deliver, true, &well, desk.now);
    deliver_load_member(desk.deliver, 7, &memory, desk.now);
    deliver_offer(desk.deliver, &memory, 0, desk.now);
    assert_int_equal(deliver_batch_size(desk.deliver, 7), 0);
    pass_time(&desk, 100000);
    assert_int_equal(desk.command_count, 0);
    assert_int_equal(desk.batches, 0);
    close_desk(&desk);
}

/* A server that says "another page follows" for ever, and shows always the same row. */
static void test_a_listing_without_an_end(void **state)
{
    struct desk desk;
    struct rows rows = { .count = 0 };
    struct deliver_command command;
    int64_t batch = send_some(&desk, SINK_15, 1);
    struct sink_verdict silent = scope(SINK_SILENT, 0);
    int pages = 0;

    (void)state;
    put_row(&rows, 7, SINK_ROW_PROCESSED, "x");
    answer_insert(&desk, batch, &silent); /* its fate is unclear: the listing is read */
    pass_time(&desk, 2000);
    while (pages < 5000 && take(&desk, DELIVER_LIST, &command)) {
        pages++;
        deliver_on_list_row(desk.deliver, &rows.row[0]);
        deliver_on_list(desk.deliver, &(struct sink_page){ .rows = 1, .total = 1, .has_next = true }, &well, desk.now);
    }
    assert_in_range(pages, 100, 1100); /* more than twice what it says to have, and some patience */
    assert_false(take(&desk, DELIVER_INSERT, &command)); /* and nothing was proven by it */
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inserts_cannot_connect_though_probes_pass),
        cmocka_unit_test(test_answers_for_nobody),
        cmocka_unit_test(test_the_good_way),
        cmocka_unit_test(test_no_answer_is_looked_up_before_anything_is_sent),
        cmocka_unit_test(test_14_waits_for_the_settle_time),
        cmocka_unit_test(test_named_refusals),
        cmocka_unit_test(test_unnamed_refusal_is_halved),
        cmocka_unit_test(test_busy_is_nobodys_fault),
        cmocka_unit_test(test_denied_and_strange_stop_the_target),
        cmocka_unit_test(test_poison_is_found_while_others_pass),
        cmocka_unit_test(test_500_does_not_fill_the_limit),
        cmocka_unit_test(test_a_lone_500_is_named_in_the_end),
        cmocka_unit_test(test_500_for_all_blames_nobody),
        cmocka_unit_test(test_failed_rows_are_retried_then_dead),
        cmocka_unit_test(test_a_neighbours_failure_is_no_attempt),
        cmocka_unit_test(test_workspace_that_is_not_told),
        cmocka_unit_test(test_interrupted_rows_are_kicked_after_a_restart),
        cmocka_unit_test(test_a_pipeline_that_nobody_may_wake),
        cmocka_unit_test(test_lost_in_the_servers_memory),
        cmocka_unit_test(test_sightings_of_strangers),
        cmocka_unit_test(test_restart_of_ours_takes_up_every_phase),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_a_listing_without_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
