/* Removals, sweeps, and what is wanted of a memory in flight. */
#include "desk.h"

/* ---- Small words ---- */

static void want_removed(struct desk *desk, int64_t seq, enum memory_wanted wanted)
{
    char name[16];

    (void)snprintf(name, sizeof name, "m%lld", (long long)seq);
    desk->memory[seq] = MEMORY_REMOVING;
    desk->wanted[seq] = wanted;
    deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = seq, .stream = 1, .name = name, .wanted = wanted }, desk->now);
}

static void open_well(struct desk *desk, enum sink_dialect dialect)
{
    open_desk(desk, &defaults);
    make_well(desk, dialect);
}

static void answer_pipeline(struct desk *desk, bool busy)
{
    struct sink_pipeline pipeline = { .busy = busy };

    (void)must_take(desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk->deliver, &pipeline, &well, desk->now);
}

static void answer_delete(struct desk *desk, size_t rows)
{
    struct deliver_command command = must_take(desk, DELIVER_DELETE);

    assert_true(command.after_commit);
    assert_int_equal(deliver_doomed_count(desk->deliver), rows);
    deliver_on_delete(desk->deliver, true, &well, desk->now);
}

static struct deliver_summary summary_of(const struct desk *desk)
{
    struct deliver_summary summary;

    deliver_summarise(desk->deliver, &summary);
    return summary;
}

/* A row of m{seq} under another id, mark or kind. */
static void put_variant(struct rows *rows, int64_t seq, const char *id, const char *mark, enum sink_row_dup dup)
{
    put_row(rows, seq, SINK_ROW_PROCESSED, "t");
    rows->row[rows->count - 1].id = id;
    rows->row[rows->count - 1].dup = dup;
    rows->row[rows->count - 1].has_mark = mark != NULL;
    (void)snprintf(rows->row[rows->count - 1].mark, REVISION_MARK_SIZE, "%s", mark != NULL ? mark : "");
}

/* ---- Rounds ---- */

static void test_a_round(void **state)
{
    static const struct { enum sink_dialect dialect; enum memory_wanted wanted; enum memory_state after; enum deliver_note note; } rows_of[] = {
        { SINK_15, WANTED_NEWER, MEMORY_QUEUED, NOTE_REPLACED }, { SINK_15, WANTED_GONE, MEMORY_GONE, NOTE_REMOVED },
        { SINK_14, WANTED_NEWER, MEMORY_QUEUED, NOTE_REPLACED }, { SINK_14, WANTED_GONE, MEMORY_GONE, NOTE_REMOVED },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows_of); i++) {
        struct rows rows = { .count = 0 }, none = { .count = 0 };
        struct desk desk;
        open_well(&desk, rows_of[i].dialect);
        want_removed(&desk, 1, rows_of[i].wanted);
        want_removed(&desk, 2, rows_of[i].wanted);
        pass_time(&desk, 1);
        put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
        put_row(&rows, 2, SINK_ROW_FAILED, "t");
        put_row(&rows, 3, SINK_ROW_PROCESSED, "t"); /* not to go */
        answer_list(&desk, &rows, false);
        pass_time(&desk, 1);
        answer_pipeline(&desk, true); /* busy: later */
        assert_int_equal(desk.command_count, 0);
        assert_true(summary_of(&desk).removing_since_mono > 0);
        pass_time(&desk, 300);
        answer_pipeline(&desk, false);
        assert_string_equal(deliver_doomed_id(desk.deliver, 0), "m1");
        assert_string_equal(deliver_doomed_id(desk.deliver, 1), "m2");
        answer_delete(&desk, 2);
        pass_time(&desk, 300);
        answer_pipeline(&desk, false);
        pass_time(&desk, 300);
        assert_int_equal(desk.memory[1], MEMORY_REMOVING); /* an answer proves nothing */
        answer_list(&desk, &none, false);
        assert_int_equal(desk.memory[1], rows_of[i].after);
        assert_int_equal(desk.memory[2], rows_of[i].after);
        assert_int_equal(desk.notes[rows_of[i].note], 2);
        assert_int_equal(summary_of(&desk).removing, 0);
        pass_time(&desk, 10000);
        assert_int_equal(desk.command_count, 0);
        close_desk(&desk);
    }
}

static void test_nothing_there_needs_no_delete(void **state)
{
    struct rows none = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_NEWER);
    pass_time(&desk, 1);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_QUEUED);
    assert_int_equal(desk.command_count, 0);
    close_desk(&desk);
}

/* A look-up reads the listing only as far back as its own documents; what it does not show of others is there all the same. */
static void test_a_walk_that_was_begun_for_others_proves_nothing(void **state)
{
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 1);
    struct sink_verdict silent = scope(SINK_SILENT, 0);
    struct rows none = { .count = 0 }, rows = { .count = 0 };
    (void)state;

    answer_insert(&desk, batch, &silent);
    pass_time(&desk, 1); /* its look-up is under way */
    want_removed(&desk, 2, WANTED_GONE);
    pass_time(&desk, 1);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[2], MEMORY_REMOVING);
    pass_time(&desk, 1);
    put_row(&rows, 2, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, false);
    assert_int_equal(desk.memory[2], MEMORY_REMOVING);
    assert_int_equal(deliver_doomed_count(desk.deliver), 1);
    close_desk(&desk);
}

static void test_which_rows_go(void **state)
{
    static const struct { const char *why; const char *id, *mark; enum sink_row_dup dup; size_t doomed; enum memory_wanted wanted; enum memory_state after; } cases[] = {
        { "another revision", "doc-1", "ffffffffffff", SINK_NO_DUP, 1, WANTED_NEWER, MEMORY_REMOVING },
        { "the very revision that comes after: a delete may have begun", "doc-1", "000000000001", SINK_NO_DUP, 1, WANTED_NEWER, MEMORY_REMOVING },
        { "a dup- row of the name", "dup-1", NULL, SINK_DUP_FILENAME, 1, WANTED_GONE, MEMORY_REMOVING },
        { "a stranger's stays, and holds the name", "doc-1", NULL, SINK_NO_DUP, 0, WANTED_NEWER, MEMORY_DEAD },
        { "a stranger's stays, and ours is gone", "doc-1", NULL, SINK_NO_DUP, 0, WANTED_GONE, MEMORY_GONE },
        { "an id that fits nowhere cannot be deleted", "doc-0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
          "ffffffffffff", SINK_NO_DUP, 0, WANTED_GONE, MEMORY_GONE },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct rows rows = { .count = 0 };
        struct desk desk;
        open_well(&desk, SINK_15);
        want_removed(&desk, 1, cases[i].wanted);
        pass_time(&desk, 1);
        put_variant(&rows, 1, cases[i].id, cases[i].mark, cases[i].dup);
        put_variant(&rows, 1, cases[i].id, cases[i].mark, cases[i].dup); /* the same one, pushed to the next page */
        answer_list(&desk, &rows, false);
        if (desk.memory[1] != cases[i].after || deliver_doomed_count(desk.deliver) != cases[i].doomed)
            fail_msg("%s: state %d, %zu doomed", cases[i].why, (int)desk.memory[1], deliver_doomed_count(desk.deliver));
        if (cases[i].after == MEMORY_DEAD)
            assert_int_equal(desk.dead[1], DEAD_FOREIGN);
        close_desk(&desk);
    }
}

/* Everything that an answer to a delete can be. */
static void test_answers_to_a_delete(void **state)
{
    static const struct { const char *why; bool has_begun; enum sink_scope scope; bool looks_next; } cases[] = {
        { "begun", true, SINK_WELL, true },
        { "nobody knows", false, SINK_SILENT, true },
        { "500", false, SINK_FAILING, true },
        { "busy", false, SINK_BUSY, false },
        { "not sent", false, SINK_NOT_SENT, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct sink_verdict verdict = scope(cases[i].scope, cases[i].scope == SINK_FAILING ? 500 : 200);
        struct sink_health health = { .dialect = SINK_15, .version = "1.5.7" };
        struct sink_counts counts = { 0 };
        struct rows rows = { .count = 0 };
        struct deliver_command command;
        struct desk desk;
        open_well(&desk, SINK_15);
        want_removed(&desk, 1, WANTED_GONE);
        pass_time(&desk, 1);
        put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
        answer_list(&desk, &rows, false);
        pass_time(&desk, 1);
        answer_pipeline(&desk, false);
        (void)must_take(&desk, DELIVER_DELETE);
        deliver_on_delete(desk.deliver, cases[i].has_begun, &verdict, desk.now);
        if (cases[i].scope == SINK_SILENT) { /* it may still arrive: nothing is concluded before that is over */
            pass_time(&desk, 80000);
            if (take(&desk, DELIVER_ASK_HEALTH, &command))
                deliver_on_health(desk.deliver, &health, &well, desk.now);
            if (take(&desk, DELIVER_ASK_COUNTS, &command))
                deliver_on_counts(desk.deliver, &counts, &well, desk.now);
            pass_time(&desk, 1);
            assert_false(take(&desk, DELIVER_LIST, &command));
            pass_time(&desk, 10000);
        }
        for (int k = 0; k < 3; k++) { /* a server that was out is asked first how it is */
            pass_time(&desk, 2000);
            if (take(&desk, DELIVER_ASK_HEALTH, &command))
                deliver_on_health(desk.deliver, &health, &well, desk.now);
            if (take(&desk, DELIVER_ASK_COUNTS, &command))
                deliver_on_counts(desk.deliver, &counts, &well, desk.now);
        }
        pass_time(&desk, 1);
        answer_pipeline(&desk, false);
        pass_time(&desk, 1);
        if (take(&desk, DELIVER_LIST, &command) != cases[i].looks_next || take(&desk, DELIVER_DELETE, &command) == cases[i].looks_next)
            fail_msg("%s: the wrong next step", cases[i].why);
        assert_int_equal(desk.memory[1], MEMORY_REMOVING);
        close_desk(&desk);
    }
}

static void test_a_delete_without_effect_is_repeated_more_and_more_slowly(void **state)
{
    struct rows rows = { .count = 0 };
    struct deliver_command command;
    struct desk desk;
    int deletes = 0;
    int turns = 0;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_GONE);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
    for (; deletes < 12 && turns < 100000; turns++) {
        pass_time(&desk, 1000);
        if (take(&desk, DELIVER_LIST, &command)) {
            deliver_on_list_row(desk.deliver, &rows.row[0]);
            deliver_on_list(desk.deliver, &(struct sink_page){ .rows = 1, .total = 1 }, &well, desk.now);
        }
        if (take(&desk, DELIVER_ASK_PIPELINE, &command))
            deliver_on_pipeline(desk.deliver, &(struct sink_pipeline){ .busy = false }, &well, desk.now);
        if (take(&desk, DELIVER_DELETE, &command)) {
            deletes++;
            deliver_on_delete(desk.deliver, true, &well, desk.now);
        }
    }
    assert_int_equal(deletes, 12);
    assert_true(desk.notices >= 1); /* somebody is told */
    assert_int_equal(desk.memory[1], MEMORY_REMOVING);
    close_desk(&desk);
}

/* More than one request takes: all of them go before the next walk. */
static void test_thousands_at_once(void **state)
{
    enum { MANY = 2500 };
    struct deliver_command command;
    struct desk desk;
    char name[32];
    size_t deleted = 0;
    int walks = 0;
    (void)state;

    open_well(&desk, SINK_15);
    for (int64_t i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "n%lld", (long long)i);
        deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1000 + i, .stream = 1, .name = name, .wanted = WANTED_NEWER }, desk.now);
        deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1000 + i, .stream = 1, .name = name, .wanted = WANTED_GONE }, desk.now);
    }
    assert_int_equal(summary_of(&desk).removing, MANY);
    for (int turns = 0; turns < 100 && walks < 2; turns++) {
        pass_time(&desk, 1000);
        if (walks == 0 && take(&desk, DELIVER_LIST, &command)) {
            walks++;
            for (int64_t i = 0; i < 2 * MANY; i++) { /* each on two pages */
                (void)snprintf(name, sizeof name, "n%lld", (long long)(i / 2));
                deliver_on_list_row(desk.deliver, &(struct sink_row){ .id = name, .name = name, .track = "t", .status = SINK_ROW_PROCESSED, .has_mark = true, .created_ms = 1000000 });
            }
            deliver_on_list(desk.deliver, &(struct sink_page){ .rows = 200, .total = MANY }, &well, desk.now);
        } else if (take(&desk, DELIVER_LIST, &command)) {
            walks++;
        }
        if (take(&desk, DELIVER_ASK_PIPELINE, &command))
            deliver_on_pipeline(desk.deliver, &(struct sink_pipeline){ .busy = false }, &well, desk.now);
        if (take(&desk, DELIVER_DELETE, &command)) {
            deleted += deliver_doomed_count(desk.deliver);
            assert_true(deliver_doomed_count(desk.deliver) <= SINK_DELETE_MAXIMUM);
            deliver_on_delete(desk.deliver, true, &well, desk.now);
        }
    }
    assert_int_equal(deleted, MANY);
    assert_int_equal(walks, 2);
    close_desk(&desk);
}

/* On both: of an insert on 1.4, of a delete whose answer a crash of ours has lost. */
static void test_the_settle_time_comes_first(void **state)
{
    struct rows none = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    desk.memory[1] = MEMORY_REMOVING;
    desk.wanted[1] = WANTED_NEWER;
    deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_NEWER,
                                                            .settle_until_ms = desk.now.wall_ms + 50000 }, desk.now);
    pass_time(&desk, 49000);
    assert_int_equal(desk.command_count, 0); /* a late request could still make a row */
    assert_true(deliver_next_mono(desk.deliver) <= desk.now.mono_ms + 1000);
    pass_time(&desk, 1001);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_QUEUED);
    close_desk(&desk);
}

static void test_a_settle_time_of_a_jumped_clock_is_cut(void **state)
{
    struct rows none = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_14);
    desk.memory[1] = MEMORY_REMOVING;
    deliver_remove(desk.deliver, &(struct deliver_removal){ .seq = 1, .stream = 1, .name = "m1", .wanted = WANTED_GONE,
                                                            .settle_until_ms = desk.now.wall_ms + 365LL * 86400 * 1000 }, desk.now);
    pass_time(&desk, defaults.delete_settle_ms + 1);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_GONE);
    close_desk(&desk);
}

static void test_inserts_wait_for_a_delete_but_not_for_ever(void **state)
{
    struct rows rows = { .count = 0 };
    struct deliver_command command;
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_GONE);
    pass_time(&desk, 1);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, false);
    assert_int_equal(deliver_room(desk.deliver, 5, false, 0, desk.now), 0); /* the pipeline must come to rest */
    for (int i = 0; i < 700; i++) {
        pass_time(&desk, 1000);
        if (take(&desk, DELIVER_ASK_PIPELINE, &command))
            deliver_on_pipeline(desk.deliver, &(struct sink_pipeline){ .busy = true }, &well, desk.now);
    }
    assert_true(deliver_room(desk.deliver, 5, false, 0, desk.now) > 0); /* ten minutes are enough */
    close_desk(&desk);
}

static void test_a_listing_that_shrinks_proves_nothing(void **state)
{
    struct rows none = { .count = 0 };
    struct deliver_command command;
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_GONE);
    pass_time(&desk, 1);
    (void)must_take(&desk, DELIVER_LIST);
    deliver_on_list(desk.deliver, &(struct sink_page){ .rows = 200, .total = 300, .has_next = true }, &well, desk.now);
    command = must_take(&desk, DELIVER_LIST);
    assert_int_equal(command.page, 2);
    deliver_on_list(desk.deliver, &(struct sink_page){ .rows = 99, .total = 299 }, &well, desk.now);
    assert_int_equal(desk.memory[1], MEMORY_REMOVING);
    pass_time(&desk, 3000);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_GONE);
    close_desk(&desk);
}

static void test_a_listing_that_fails_is_read_again(void **state)
{
    struct sink_verdict busy = scope(SINK_BUSY, 503);
    struct rows none = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_GONE);
    pass_time(&desk, 1);
    (void)must_take(&desk, DELIVER_LIST);
    deliver_on_list(desk.deliver, &(struct sink_page){ .total = -1 }, &busy, desk.now);
    assert_int_equal(desk.memory[1], MEMORY_REMOVING);
    pass_time(&desk, 3000);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_GONE);
    close_desk(&desk);
}

static void test_a_wish_that_changes_in_the_middle(void **state)
{
    struct rows rows = { .count = 0 }, none = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    want_removed(&desk, 1, WANTED_GONE);
    pass_time(&desk, 1);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, false);
    want_removed(&desk, 1, WANTED_NEWER); /* seen again at the source */
    assert_int_equal(summary_of(&desk).removing, 1);
    pass_time(&desk, 1);
    answer_pipeline(&desk, false);
    answer_delete(&desk, 1);
    pass_time(&desk, 300);
    answer_pipeline(&desk, false);
    pass_time(&desk, 300);
    answer_list(&desk, &none, false);
    assert_int_equal(desk.memory[1], MEMORY_QUEUED);
    close_desk(&desk);
}

/* ---- Wanted while in flight ---- */

static void test_wanted_in_every_phase(void **state)
{
    static const char *const phases[] = { "ready", "sending, then absent", "sending, then there", "accepted", "stored, then failed", "stored, then processed", "refused" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(phases); i++) {
        struct sink_verdict verdict = accepted("t1");
        struct sink_verdict silent = scope(SINK_SILENT, 0);
        struct sink_verdict busy = scope(SINK_BUSY, 503);
        struct sink_verdict refused = scope(SINK_WELL, 422);
        struct rows rows = { .count = 0 };
        struct desk desk;
        int64_t batch = send_some(&desk, SINK_15, 1);
        refused.insert = SINK_INSERT_REFUSED;
        refused.culprit_index = 0;
        if (i == 0)
            answer_insert(&desk, batch, &busy);
        if (i == 3 || i == 4 || i == 5)
            answer_insert(&desk, batch, &verdict);
        desk.wanted[1] = WANTED_NEWER;
        deliver_want(desk.deliver, batch, 1, WANTED_NEWER, desk.now);
        deliver_want(desk.deliver, batch, 77, WANTED_GONE, desk.now); /* not in it: nothing */
        deliver_want(desk.deliver, 999, 1, WANTED_GONE, desk.now);    /* no such batch: nothing */
        if (i == 1 || i == 2)
            answer_insert(&desk, batch, &silent);
        if (i == 6)
            answer_insert(&desk, batch, &refused);
        pass_time(&desk, 10);
        if (i == 2)
            put_row(&rows, 1, SINK_ROW_PROCESSED, "t1");
        if (i == 1 || i == 2) {
            struct sink_health health = { .dialect = SINK_15, .version = "1.5.7" };
            struct sink_counts counts = { 0 };
            struct deliver_command command;
            if (take(&desk, DELIVER_ASK_HEALTH, &command))
                deliver_on_health(desk.deliver, &health, &well, desk.now);
            if (take(&desk, DELIVER_ASK_COUNTS, &command))
                deliver_on_counts(desk.deliver, &counts, &well, desk.now);
            answer_list(&desk, &rows, false);
        }
        if (i >= 3 && i <= 5) {
            put_row(&rows, 1, i == 4 ? SINK_ROW_FAILED : i == 5 ? SINK_ROW_PROCESSED : SINK_ROW_UNFINISHED, "t1");
            answer_track(&desk, &rows);
        }
        if (desk.memory[1] != (i == 3 ? MEMORY_FLYING : MEMORY_REMOVING))
            fail_msg("%s: memory is %d", phases[i], (int)desk.memory[1]);
        assert_int_equal(desk.dead[1], 0);
        close_desk(&desk);
    }
}

static void test_not_wanted_any_more(void **state)
{
    struct sink_verdict verdict = accepted("t1");
    struct rows rows = { .count = 0 };
    struct desk desk;
    int64_t batch = send_some(&desk, SINK_15, 1);
    (void)state;

    deliver_want(desk.deliver, batch, 1, WANTED_NEWER, desk.now);
    deliver_want(desk.deliver, batch, 1, WANTED_NOTHING, desk.now); /* the source is as it was */
    answer_insert(&desk, batch, &verdict);
    pass_time(&desk, 10);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t1");
    answer_track(&desk, &rows);
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    close_desk(&desk);
}

static void test_another_revision_at_the_server(void **state)
{
    (void)state;

    for (int replaces = 0; replaces < 2; replaces++) {
        struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1", .mark = "000000000001", .text_size = 5, .replaces = replaces == 1 };
        struct sink_verdict silent = scope(SINK_SILENT, 0);
        struct sink_health health = { .dialect = SINK_15, .version = "1.5.7" };
        struct sink_counts counts = { 0 };
        struct rows rows = { .count = 0 };
        struct deliver_command command;
        struct desk desk;
        open_well(&desk, SINK_15);
        desk.memory[1] = MEMORY_QUEUED;
        deliver_offer(desk.deliver, &memory, 1, desk.now);
        answer_insert(&desk, must_take(&desk, DELIVER_INSERT).batch, &silent);
        pass_time(&desk, 10);
        if (take(&desk, DELIVER_ASK_HEALTH, &command))
            deliver_on_health(desk.deliver, &health, &well, desk.now);
        if (take(&desk, DELIVER_ASK_COUNTS, &command))
            deliver_on_counts(desk.deliver, &counts, &well, desk.now);
        put_variant(&rows, 1, "doc-1", "ffffffffffff", SINK_NO_DUP);
        answer_list(&desk, &rows, false);
        assert_int_equal(desk.memory[1], replaces == 1 ? MEMORY_REMOVING : MEMORY_DEAD);
        assert_int_equal(desk.dead[1], replaces == 1 ? 0 : DEAD_OTHER_REVISION);
        close_desk(&desk);
    }
}

/* ---- Taken up, lost, strays ---- */

static void test_taken_up(void **state)
{
    static const struct { const char *why; int64_t text_size; bool is_there; enum memory_state after; } cases[] = {
        { "there and processed", 5, true, MEMORY_DONE },
        { "absent: sent again", 5, false, MEMORY_FLYING },
        { "absent, and its text was given up", 0, false, MEMORY_SKIPPED },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct deliver_memory memory = { .seq = 1, .stream = 1, .name = "m1", .mark = "000000000001", .text_size = cases[i].text_size };
        struct rows rows = { .count = 0 };
        struct desk desk;
        open_well(&desk, SINK_15);
        desk.memory[1] = MEMORY_DONE;
        deliver_take_up(desk.deliver, &memory, 1, MEMORY_DONE, desk.now);
        deliver_take_up(desk.deliver, &memory, 0, MEMORY_DONE, desk.now); /* nobody: nothing */
        assert_int_equal(desk.memory[1], MEMORY_FLYING);
        pass_time(&desk, 1);
        if (cases[i].is_there)
            put_row(&rows, 1, SINK_ROW_PROCESSED, "t1");
        answer_list(&desk, &rows, false);
        pass_time(&desk, 1);
        if (desk.memory[1] != cases[i].after)
            fail_msg("%s: memory is %d", cases[i].why, (int)desk.memory[1]);
        close_desk(&desk);
    }
}

static void test_a_stray_is_deleted_once_without_looking(void **state)
{
    struct rows rows = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    deliver_remove_row(desk.deliver, "dup-1");
    deliver_remove_row(desk.deliver, "dup-1");
    deliver_remove_row(desk.deliver, "dup-0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
    pass_time(&desk, 1);
    answer_pipeline(&desk, false);
    answer_delete(&desk, 1);
    pass_time(&desk, 300);
    answer_pipeline(&desk, false);
    pass_time(&desk, 300);
    put_row(&rows, 9, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, true); /* the first page is enough */
    pass_time(&desk, 60000);
    assert_int_equal(desk.command_count, 0);
    close_desk(&desk);
}

/* 1.5: its row would fail what comes after it. */
static void test_the_row_of_a_dead_document_goes(void **state)
{
    (void)state;

    for (int is_14 = 0; is_14 < 2; is_14++) {
        struct deliver_settings settings = defaults;
        struct sink_verdict verdict = accepted("t1");
        struct rows rows = { .count = 0 };
        struct deliver_command command;
        struct desk desk;
        settings.max_attempts = 1;
        open_desk(&desk, &settings);
        make_well(&desk, is_14 ? SINK_14 : SINK_15);
        offer(&desk, 1, 1);
        answer_insert(&desk, must_take(&desk, DELIVER_INSERT).batch, &verdict);
        put_row(&rows, 1, SINK_ROW_FAILED, "t1");
        for (int i = 0; i < 5 && desk.memory[1] == MEMORY_FLYING; i++) {
            pass_time(&desk, 2500);
            if (take(&desk, DELIVER_TRACK, &command)) {
                deliver_on_track_row(desk.deliver, command.batch, &rows.row[0]);
                deliver_on_track(desk.deliver, command.batch, &well, desk.now);
            }
        }
        assert_int_equal(desk.dead[1], DEAD_PROCESSING_FAILED);
        pass_time(&desk, 1);
        assert_int_equal(take(&desk, DELIVER_ASK_PIPELINE, &command), !is_14);
        close_desk(&desk);
    }
}

/* ---- Sweeps ---- */

/* ... unless somebody wants it tried again before that: then it is followed, and must not be deleted behind its success. */
static void test_the_row_of_a_revived_document_stays(void **state)
{
    static const char *const names[] = { "m1", "m2" }; /* itself, another one */
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct deliver_settings settings = defaults;
        struct sink_verdict verdict = accepted("t1");
        struct deliver_memory memory = { .seq = i + 1, .stream = 1, .name = names[i], .text_size = 5 };
        struct rows rows = { .count = 0 };
        struct deliver_command command;
        struct desk desk;
        settings.max_attempts = 1;
        open_desk(&desk, &settings);
        make_well(&desk, SINK_15);
        offer(&desk, 1, 1);
        answer_insert(&desk, must_take(&desk, DELIVER_INSERT).batch, &verdict);
        put_row(&rows, 1, SINK_ROW_FAILED, "t1");
        for (int k = 0; k < 5 && desk.memory[1] == MEMORY_FLYING; k++) {
            pass_time(&desk, 2500);
            if (take(&desk, DELIVER_TRACK, &command)) {
                deliver_on_track_row(desk.deliver, command.batch, &rows.row[0]);
                deliver_on_track(desk.deliver, command.batch, &well, desk.now);
            }
        }
        pass_time(&desk, 1);
        answer_pipeline(&desk, true); /* the delete has to wait */
        desk.memory[i + 1] = MEMORY_DEAD;
        (void)snprintf(memory.mark, sizeof memory.mark, "%012x", i + 1);
        deliver_take_up(desk.deliver, &memory, 1, MEMORY_DEAD, desk.now);
        pass_time(&desk, 1);
        answer_list(&desk, &rows, false);
        for (int k = 0; k < 5 && take(&desk, DELIVER_ASK_PIPELINE, &command) == false; k++)
            pass_time(&desk, 1000);
        deliver_on_pipeline(desk.deliver, &(struct sink_pipeline){ .busy = false }, &well, desk.now);
        assert_int_equal(take(&desk, DELIVER_DELETE, &command), i == 1);
        assert_int_equal(deliver_doomed_count(desk.deliver), i);
        close_desk(&desk);
    }
}

static void test_sweep(void **state)
{
    struct sink_verdict busy = scope(SINK_BUSY, 503);
    struct rows rows = { .count = 0 };
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_15);
    deliver_sweep(desk.deliver);
    assert_true(summary_of(&desk).is_sweeping);
    pass_time(&desk, 1);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
    put_row(&rows, 2, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, true); /* every page, however old */
    answer_list(&desk, &rows, false);
    assert_int_equal(desk.swept_rows, 4);
    assert_int_equal(desk.whole_sweeps, 1);
    assert_false(summary_of(&desk).is_sweeping);

    deliver_sweep(desk.deliver);
    pass_time(&desk, 1);
    deliver_sweep(desk.deliver); /* under way already */
    (void)must_take(&desk, DELIVER_LIST);
    deliver_on_list(desk.deliver, &(struct sink_page){ .total = -1 }, &busy, desk.now);
    assert_int_equal(desk.sweeps, 2);
    assert_int_equal(desk.whole_sweeps, 1);
    close_desk(&desk);
}

/* While rows go, what a walk does not see proves nothing: it waits. */
static void test_no_walk_during_a_delete(void **state)
{
    struct deliver_memory memory = { .seq = 2, .stream = 1, .name = "m2", .mark = "000000000002", .text_size = 5 };
    struct rows rows = { .count = 0 };
    struct deliver_command command;
    struct desk desk;
    (void)state;

    open_well(&desk, SINK_14);
    want_removed(&desk, 1, WANTED_GONE);
    pass_time(&desk, 1);
    put_row(&rows, 1, SINK_ROW_PROCESSED, "t");
    answer_list(&desk, &rows, false);
    pass_time(&desk, 1);
    answer_pipeline(&desk, false);
    desk.memory[2] = MEMORY_DONE;
    deliver_take_up(desk.deliver, &memory, 1, MEMORY_DONE, desk.now);
    pass_time(&desk, 1);
    assert_false(take(&desk, DELIVER_LIST, &command));
    answer_delete(&desk, 1);
    pass_time(&desk, 10);
    assert_false(take(&desk, DELIVER_LIST, &command));
    pass_time(&desk, 300);
    answer_pipeline(&desk, false);
    pass_time(&desk, 1);
    assert_true(take(&desk, DELIVER_LIST, &command));
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round),
        cmocka_unit_test(test_nothing_there_needs_no_delete),
        cmocka_unit_test(test_a_walk_that_was_begun_for_others_proves_nothing),
        cmocka_unit_test(test_which_rows_go),
        cmocka_unit_test(test_answers_to_a_delete),
        cmocka_unit_test(test_a_delete_without_effect_is_repeated_more_and_more_slowly),
        cmocka_unit_test(test_thousands_at_once),
        cmocka_unit_test(test_the_settle_time_comes_first),
        cmocka_unit_test(test_a_settle_time_of_a_jumped_clock_is_cut),
        cmocka_unit_test(test_inserts_wait_for_a_delete_but_not_for_ever),
        cmocka_unit_test(test_a_listing_that_shrinks_proves_nothing),
        cmocka_unit_test(test_a_listing_that_fails_is_read_again),
        cmocka_unit_test(test_a_wish_that_changes_in_the_middle),
        cmocka_unit_test(test_wanted_in_every_phase),
        cmocka_unit_test(test_not_wanted_any_more),
        cmocka_unit_test(test_another_revision_at_the_server),
        cmocka_unit_test(test_taken_up),
        cmocka_unit_test(test_a_stray_is_deleted_once_without_looking),
        cmocka_unit_test(test_the_row_of_a_dead_document_goes),
        cmocka_unit_test(test_the_row_of_a_revived_document_stays),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_no_walk_during_a_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
