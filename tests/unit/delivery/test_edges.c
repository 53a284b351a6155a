/* What a settle time survives, and servers that contradict themselves. */
#include "desk.h"

static bool asks(const struct desk *desk, enum deliver_command_kind kind)
{
    for (size_t i = 0; i < desk->command_count; i++)
        if (desk->commands[i].kind == kind)
            return true;
    return false;
}

static void answer_pipeline(struct desk *desk)
{
    struct sink_pipeline idle = { 0 };

    (void)must_take(desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk->deliver, &idle, &well, desk->now);
}

/* ---- The settle time belongs to the memory, wherever it goes ---- */

/* A dead letter is tried again, an audit follows a row: the request of earlier may still arrive, and 1.4 would take both. */
static void test_taken_up_with_a_settle_time(void **state)
{
    static const struct { enum sink_dialect dialect; int64_t settle_ms; bool waits; } rows[] = {
        { SINK_14, 30000, true }, { SINK_14, 0, false }, { SINK_14, -1, false }, { SINK_15, 30000, false },
    };
    struct rows none = { .count = 0 };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1", .mark = "000000000001", .text_size = 5 };
        struct deliver_command command;
        struct desk desk;
        open_desk(&desk, &defaults);
        make_well(&desk, rows[i].dialect);
        desk.memory[1] = MEMORY_DEAD;
        memory.settle_until_ms = rows[i].settle_ms != 0 ? desk.now.wall_ms + rows[i].settle_ms : 0;
        deliver_take_up(desk.deliver, &memory, 1, MEMORY_DEAD, desk.now);
        pass_time(&desk, 1);
        answer_list(&desk, &none, false);
        pass_time(&desk, 1);
        assert_int_equal(take(&desk, DELIVER_INSERT, &command), !rows[i].waits);
        for (int step = 0; step < 40 && rows[i].waits && desk.command_count == 0; step++)
            pass_time(&desk, 1000);
        if (rows[i].waits) {
            assert_true(desk.now.wall_ms < memory.settle_until_ms + 30000);
            while (desk.now.wall_ms <= memory.settle_until_ms) {
                assert_false(take(&desk, DELIVER_INSERT, &command));
                if (take(&desk, DELIVER_LIST, &command))
                    deliver_on_list(desk.deliver, &(struct sink_page){ .total = 0 }, &well, desk.now);
                pass_time(&desk, 1000);
            }
        }
        close_desk(&desk);
    }
}

/* 1.4: no answer; a look-up finds it, so it is followed; then its row is gone again: still nothing is sent before the settle time is over. */
static void test_the_settle_time_goes_along_through_splits(void **state)
{
    struct desk desk;
    struct sink_verdict silent = scope(SINK_SILENT, 0);
    struct rows rows = { .count = 0 }, none = { .count = 0 };
    struct deliver_command command = { .batch = send_some(&desk, SINK_14, 2) };
    int64_t settles_ms = desk.now.mono_ms + defaults.settle_ms;
    bool was_followed = false, was_sent = false;
    (void)state;

    answer_insert(&desk, command.batch, &silent);
    put_row(&rows, 1, SINK_ROW_UNFINISHED, "t1");
    for (int step = 0; step < 2000 && !was_sent; step++) {
        pass_time(&desk, 100);
        if (asks(&desk, DELIVER_LIST))
            answer_list(&desk, was_followed ? &none : &rows, false);
        if (asks(&desk, DELIVER_TRACK)) {
            was_followed = true;
            answer_track(&desk, &none);
        }
        was_sent = take(&desk, DELIVER_INSERT, &command);
        assert_false(was_sent && desk.now.mono_ms < settles_ms);
    }
    assert_true(was_followed && was_sent);
    close_desk(&desk);
}

/* It was offered, waits for its time in a ready batch, and we die. */
static void test_a_ready_batch_that_settles_survives_a_crash(void **state)
{
    struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1", .mark = "000000000001", .text_size = 5 };
    struct batch_row row = { .batch = 7, .target = 1, .state = BATCH_READY };
    struct deliver_command command;
    struct desk desk;
    (void)state;

    open_desk(&desk, &defaults);
    memory.settle_until_ms = desk.now.wall_ms + 30000;
    row.opened_ms = row.changed_ms = desk.now.wall_ms;
    desk.memory[1] = MEMORY_FLYING;
    deliver_load_batch(desk.deliver, &row, desk.now);
    deliver_load_member(desk.deliver, 7, &memory, desk.now);
    make_well(&desk, SINK_14);
    pass_time(&desk, 29000);
    assert_false(take(&desk, DELIVER_INSERT, &command));
    pass_time(&desk, 2000);
    assert_true(take(&desk, DELIVER_INSERT, &command));
    close_desk(&desk);
}

/* 1.4: another revision is wanted of what may still arrive: its removal waits, also in another process. 1.5 refuses a late one. */
static void test_turned_over_with_a_settle_time(void **state)
{
    static const struct { enum sink_dialect dialect; bool waits; } rows[] = { { SINK_14, true }, { SINK_15, false } };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sink_verdict silent = scope(SINK_SILENT, 0);
        struct rows listed = { .count = 0 };
        struct desk desk;
        int64_t batch = send_some(&desk, rows[i].dialect, 1);
        answer_insert(&desk, batch, &silent);
        pass_time(&desk, 1);
        desk.wanted[1] = WANTED_NEWER;
        deliver_want(desk.deliver, batch, 1, WANTED_NEWER, desk.now);
        put_row(&listed, 1, SINK_ROW_PROCESSED, "t1");
        answer_list(&desk, &listed, false);
        assert_int_equal(desk.memory[1], MEMORY_REMOVING);
        assert_int_equal(desk.settles_ms[1] > desk.now.wall_ms, rows[i].waits);
        pass_time(&desk, 10000);
        assert_int_equal(asks(&desk, DELIVER_LIST), !rows[i].waits);
        close_desk(&desk);
    }
}

/* Written down before it leaves: we may die before it is answered. */
static void test_a_delete_writes_its_settle_time_down(void **state)
{
    struct rows listed = { .count = 0 };
    struct desk desk;
    (void)state;

    open_desk(&desk, &defaults);
    make_well(&desk, SINK_15);
    desk.memory[1] = MEMORY_REMOVING;
    deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_NEWER }, desk.now);
    pass_time(&desk, 1);
    put_row(&listed, 1, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &listed, false);
    pass_time(&desk, 1);
    assert_int_equal(desk.settles_ms[1], 0);
    answer_pipeline(&desk);
    assert_true(must_take(&desk, DELIVER_DELETE).after_commit);
    assert_int_equal(desk.settles_ms[1], desk.now.wall_ms + defaults.delete_settle_ms);
    close_desk(&desk);
}

/* 1.4 answers "duplicated" for a name whose row is about to go, 1.5 refuses all: nothing is sent until the delete is over. */
static void test_nothing_is_sent_during_a_delete(void **state)
{
    struct rows listed = { .count = 0 };
    struct deliver_command command;
    struct desk desk;
    (void)state;

    open_desk(&desk, &defaults);
    make_well(&desk, SINK_14);
    desk.memory[1] = MEMORY_REMOVING;
    deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_NEWER }, desk.now);
    pass_time(&desk, 1);
    put_row(&listed, 1, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &listed, false);
    pass_time(&desk, 1);
    answer_pipeline(&desk);
    (void)must_take(&desk, DELIVER_DELETE);
    assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0);
    offer(&desk, 2, 1);
    pass_time(&desk, 1000);
    assert_false(take(&desk, DELIVER_INSERT, &command)); /* its request is under way */
    deliver_on_delete(desk.deliver, true, &well, desk.now);
    pass_time(&desk, 10);
    assert_false(take(&desk, DELIVER_INSERT, &command)); /* begun, and not ended */
    pass_time(&desk, 1000);
    answer_pipeline(&desk);
    pass_time(&desk, 1);
    assert_true(take(&desk, DELIVER_INSERT, &command));
    close_desk(&desk);
}

/* A delete can be under way for longer than an insert: what is stored of it is not cut to the settle time of inserts. */
static void test_the_settle_time_of_a_delete_is_its_own(void **state)
{
    struct deliver_settings settings = defaults;
    struct deliver_command command;
    struct desk desk;
    (void)state;

    settings.settle_ms = 10000;
    open_desk(&desk, &settings);
    make_well(&desk, SINK_15);
    desk.memory[1] = MEMORY_REMOVING;
    deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_NEWER,
                                                            .settle_until_ms = desk.now.wall_ms + 80000 }, desk.now);
    pass_time(&desk, 79000);
    assert_false(take(&desk, DELIVER_LIST, &command));
    pass_time(&desk, 1001);
    assert_true(take(&desk, DELIVER_LIST, &command));
    close_desk(&desk);
}

/* 502 and 504 are said by something in between: whether LightRAG has it, and when, nobody knows. */
static void test_a_delete_that_a_proxy_answers_may_still_arrive(void **state)
{
    static const struct { int status; bool settles; } rows[] = { { 500, false }, { 502, true }, { 504, true }, { 520, true } };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sink_verdict verdict = scope(SINK_FAILING, rows[i].status);
        struct rows listed = { .count = 0 };
        struct deliver_command command;
        struct desk desk;
        open_desk(&desk, &defaults);
        make_well(&desk, SINK_15);
        desk.memory[1] = MEMORY_REMOVING;
        deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_NEWER }, desk.now);
        pass_time(&desk, 1);
        put_row(&listed, 1, SINK_ROW_PROCESSED, "t");
        answer_list(&desk, &listed, false);
        pass_time(&desk, 1);
        answer_pipeline(&desk);
        (void)must_take(&desk, DELIVER_DELETE);
        deliver_on_delete(desk.deliver, false, &verdict, desk.now);
        pass_time(&desk, 5000);
        assert_int_equal(take(&desk, DELIVER_ASK_PIPELINE, &command), !rows[i].settles);
        pass_time(&desk, 90000);
        assert_int_equal(take(&desk, DELIVER_ASK_PIPELINE, &command), rows[i].settles);
        close_desk(&desk);
    }
}

/* ---- Rows of others ---- */

/* 1.5: failed rows that nobody follows fail others, so they are deleted; but not those of another program like us at the same server. */
static void test_failed_rows_of_another_installation_stay(void **state)
{
    struct desk desk;
    struct sink_verdict verdict = accepted("t1");
    struct sink_pipeline idle = { 0 };
    struct rows mine = { .count = 0 }, listed = { .count = 0 };
    int64_t batch = send_some(&desk, SINK_15, 1);
    bool is_listed = false;
    (void)state;

    answer_insert(&desk, batch, &verdict);
    put_row(&mine, 1, SINK_ROW_FAILED, "t1");
    mine.row[0].error_words = "index flush failed";
    put_row(&listed, 2, SINK_ROW_FAILED, "t0");
    put_row(&listed, 3, SINK_ROW_FAILED, "t0");
    listed.row[1].name = NOT_OURS;
    desk.memory[2] = MEMORY_DEAD;
    for (int step = 0; step < 4000 && !asks(&desk, DELIVER_DELETE); step++) {
        struct deliver_command command;
        pass_time(&desk, 100);
        if (asks(&desk, DELIVER_TRACK))
            answer_track(&desk, &mine);
        if (take(&desk, DELIVER_ASK_PIPELINE, &command))
            deliver_on_pipeline(desk.deliver, &idle, &well, desk.now);
        if (take(&desk, DELIVER_REPROCESS, &command)) {
            mine.row[0].updated_ms += 1000;
            deliver_on_reprocess(desk.deliver, &well, desk.now);
        }
        if (asks(&desk, DELIVER_LIST)) {
            is_listed = true;
            answer_list(&desk, &listed, false);
        }
    }
    assert_true(is_listed);
    (void)must_take(&desk, DELIVER_DELETE);
    assert_int_equal(deliver_doomed_count(desk.deliver), 1);
    assert_string_equal(deliver_doomed_id(desk.deliver, 0), "m2");
    close_desk(&desk);
}

/* The first process that ever spoke to it learns the workspace, too: another one later is another server. */
static void test_a_workspace_that_changes_while_we_run(void **state)
{
    static const struct { const char *why; const char *first, *second; bool is_told; enum target_condition condition; } rows[] = {
        { "another", "one", "other", true, TARGET_FENCED }, { "the same", "one", "one", true, TARGET_WELL },
        { "the nameless", "", "other", true, TARGET_FENCED }, { "not told", "one", "", false, TARGET_WELL },
    };
    struct sink_verdict refused = scope(SINK_NOT_SENT, 0);
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sink_health health = { .dialect = SINK_15, .version = "1.5.7", .has_workspace = true };
        struct sink_counts counts = { 0 };
        struct deliver_summary summary;
        struct deliver_command command;
        struct desk desk;
        open_desk(&desk, &defaults);
        (void)snprintf(health.workspace, sizeof health.workspace, "%s", rows[i].first);
        deliver_tick(desk.deliver, desk.now);
        (void)must_take(&desk, DELIVER_ASK_HEALTH);
        deliver_on_health(desk.deliver, &health, &well, desk.now);
        (void)must_take(&desk, DELIVER_ASK_COUNTS);
        deliver_on_counts(desk.deliver, &counts, &well, desk.now);
        offer(&desk, 1, 1);
        answer_insert(&desk, must_take(&desk, DELIVER_INSERT).batch, &refused); /* away for a moment */
        pass_time(&desk, 2000);
        (void)must_take(&desk, DELIVER_ASK_HEALTH);
        (void)snprintf(health.workspace, sizeof health.workspace, "%s", rows[i].second);
        health.has_workspace = rows[i].is_told;
        deliver_on_health(desk.deliver, &health, &well, desk.now);
        if (take(&desk, DELIVER_ASK_COUNTS, &command))
            deliver_on_counts(desk.deliver, &counts, &well, desk.now);
        deliver_summarise(desk.deliver, &summary);
        if (summary.condition != rows[i].condition)
            fail_msg("%s: condition %d", rows[i].why, (int)summary.condition);
        close_desk(&desk);
    }
}

/* ---- Contradictions ---- */

/* "Already there", and no listing shows it: asked more and more slowly, and named in the end. */
static void test_taken_and_absent_for_ever(void **state)
{
    struct desk desk;
    struct sink_verdict exists = well;
    struct rows none = { .count = 0 };
    struct deliver_command command = { .batch = send_some(&desk, SINK_15, 1) };
    int64_t first_ms = desk.now.mono_ms;
    int inserts = 0;
    (void)state;

    exists.status = 409;
    exists.insert = SINK_INSERT_EXISTS;
    answer_insert(&desk, command.batch, &exists);
    for (int step = 0; step < 100000 && desk.memory[1] == MEMORY_FLYING; step++) {
        pass_time(&desk, 10);
        if (asks(&desk, DELIVER_LIST)) {
            answer_list(&desk, &none, false);
        }
        if (take(&desk, DELIVER_INSERT, &command)) {
            inserts++;
            answer_insert(&desk, command.batch, &exists);
        }
    }
    assert_int_equal(desk.dead[1], DEAD_FOREIGN);
    assert_in_range(inserts, 5, 30);
    assert_in_range(desk.now.mono_ms - first_ms, 60 * 1000, 15 * 60 * 1000);
    close_desk(&desk);
}

/* The listing shows a row of a track that knows nothing of it. */
static void test_listed_and_not_followed_is_asked_slowly(void **state)
{
    struct desk desk;
    struct sink_verdict verdict = accepted("t1");
    struct rows rows = { .count = 0 }, none = { .count = 0 };
    struct deliver_command command = { .batch = send_some(&desk, SINK_15, 1) };
    int questions = 0;
    (void)state;

    answer_insert(&desk, command.batch, &verdict);
    put_row(&rows, 1, SINK_ROW_UNFINISHED, "t1");
    pass_time(&desk, 10);
    answer_track(&desk, &rows);
    for (int step = 0; step < 60000; step++) {
        pass_time(&desk, 10);
        if (asks(&desk, DELIVER_LIST)) {
            answer_list(&desk, &rows, false);
            questions++;
        }
        if (asks(&desk, DELIVER_TRACK)) {
            answer_track(&desk, &none);
        }
        if (asks(&desk, DELIVER_ASK_PIPELINE)) {
            answer_pipeline(&desk);
        }
        if (take(&desk, DELIVER_REPROCESS, &command))
            deliver_on_reprocess(desk.deliver, &well, desk.now);
    }
    assert_in_range(questions, 10, 60); /* in ten minutes */
    rows.row[0].status = SINK_ROW_PROCESSED;
    rows.row[0].chunks = 1;
    for (int step = 0; step < 60 && desk.memory[1] == MEMORY_FLYING; step++) {
        pass_time(&desk, 1000);
        if (asks(&desk, DELIVER_LIST)) {
            answer_list(&desk, &rows, false);
        }
    }
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_up_with_a_settle_time),
        cmocka_unit_test(test_the_settle_time_goes_along_through_splits),
        cmocka_unit_test(test_a_ready_batch_that_settles_survives_a_crash),
        cmocka_unit_test(test_turned_over_with_a_settle_time),
        cmocka_unit_test(test_a_delete_writes_its_settle_time_down),
        cmocka_unit_test(test_nothing_is_sent_during_a_delete),
        cmocka_unit_test(test_the_settle_time_of_a_delete_is_its_own),
        cmocka_unit_test(test_a_delete_that_a_proxy_answers_may_still_arrive),
        cmocka_unit_test(test_failed_rows_of_another_installation_stay),
        cmocka_unit_test(test_a_workspace_that_changes_while_we_run),
        cmocka_unit_test(test_taken_and_absent_for_ever),
        cmocka_unit_test(test_listed_and_not_followed_is_asked_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
