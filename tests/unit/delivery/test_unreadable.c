/* LightRAG 1.4 answers 500 to every page that holds a document without a source: which pages are asked, and what is concluded. */
#include "desk.h"

enum { LISTED_MAXIMUM = 1200, MINUTE_MS = 60 * 1000 };

/* ---- A server with nameless rows ---- */

struct listed { int64_t seq; /* 0: somebody's; -1: nameless */ int64_t created_ms; };

struct listing {
    struct listed rows[LISTED_MAXIMUM]; /* newest first */
    int64_t count;
    bool tells_why;                     /* of a 500 */
    bool is_failing;                    /* status_counts, too */
    int lists, checks;
};

static void put(struct listing *listing, int64_t seq, int64_t count, int64_t created_ms)
{
    for (int64_t i = 0; i < count; i++)
        listing->rows[listing->count++] = (struct listed){ seq > 0 ? seq + count - 1 - i : seq, created_ms };
}

static bool is_nameless_page(const struct listing *listing, const struct deliver_command *asked)
{
    int64_t first = (asked->page - 1) * asked->page_size;

    for (int64_t i = first; i < first + asked->page_size && i < listing->count; i++)
        if (listing->rows[asked->oldest_first ? listing->count - 1 - i : i].seq < 0)
            return true;
    return false;
}

static void give_listed(struct desk *desk, const struct listed *listed, int64_t place)
{
    char id[24], name[24];
    struct sink_row row = { .id = id, .name = name, .track = "t", .status = SINK_ROW_PROCESSED, .has_mark = listed->seq > 0, .chunks = 1,
                            .created_ms = listed->created_ms, .created_rest_us = (int)(LISTED_MAXIMUM - place) % 1000, .error_words = "" };

    (void)snprintf(id, sizeof id, "doc-%lld", (long long)(listed->seq > 0 ? listed->seq : 1000000 + place));
    (void)snprintf(name, sizeof name, listed->seq > 0 ? "m%lld" : "x%lld", (long long)listed->seq);
    (void)snprintf(row.mark, sizeof row.mark, "%012llx", (unsigned long long)listed->seq);
    deliver_on_list_row(desk->deliver, &row);
}

static void answer_page(struct desk *desk, struct listing *listing, const struct deliver_command *asked)
{
    int64_t first = (asked->page - 1) * asked->page_size;
    struct sink_page page = { .total = -1 };
    struct sink_verdict failing = scope(SINK_FAILING, 500);

    assert_in_range(asked->page_size, 10, 200);
    listing->lists++;
    if (listing->is_failing || is_nameless_page(listing, asked)) {
        page.has_sourceless = listing->tells_why;
        deliver_on_list(desk->deliver, &page, &failing, desk->now);
        return;
    }
    for (int64_t i = first; i < first + asked->page_size && i < listing->count; i++) {
        int64_t place = asked->oldest_first ? listing->count - 1 - i : i;
        give_listed(desk, &listing->rows[place], place);
        page.rows++;
    }
    page.total = listing->count;
    page.has_next = first + asked->page_size < listing->count;
    deliver_on_list(desk->deliver, &page, &well, desk->now);
}

/* As far as the walk goes. */
static void walk(struct desk *desk, struct listing *listing)
{
    struct sink_verdict failing = scope(SINK_FAILING, 500);
    struct deliver_command command;

    listing->lists = listing->checks = 0;
    for (;;) {
        if (take(desk, DELIVER_LIST, &command)) {
            answer_page(desk, listing, &command);
        } else if (take(desk, DELIVER_CHECK_COUNTS, &command)) {
            listing->checks++;
            deliver_on_check(desk->deliver, &(struct sink_counts){ .all = listing->count }, listing->is_failing ? &failing : &well, desk->now);
        } else {
            return;
        }
        assert_in_range(listing->lists, 1, 4000);
    }
}

/* ---- Pages ---- */

static int64_t hidden_rows(const struct desk *desk)
{
    int64_t rows = 0;

    for (size_t i = 0; i < desk->hidden_count; i++)
        rows += desk->hidden[i].rows;
    return rows;
}

static void test_what_a_sweep_reads(void **state)
{
    static const struct {
        const char *why;
        int64_t front, nameless, back;
        enum sink_dialect dialect;
        bool tells_why, is_failing;
        int whole;
        int64_t unread, may_be_ours;
        int lists, checks;
    } cases[] = {
        { "nothing is in the way", 300, 0, 0, SINK_14, true, false, 1, 0, 0, 2, 0 },
        { "one among many: pages end before it and begin behind it", 333, 1, 300, SINK_14, true, false, 1, 1, 0, 25, 0 },
        { "the newest one", 0, 1, 300, SINK_14, true, false, 1, 1, 0, 25, 1 },
        { "the oldest one", 300, 1, 0, SINK_14, true, false, 1, 1, 0, 25, 0 },
        { "many in a row: each page that failed has one at least", 40, 25, 40, SINK_14, true, false, 1, 25, 22, 25, 1 },
        { "nothing else", 0, 900, 0, SINK_14, true, false, 1, 900, 810, 110, 1 },
        { "a 500 without a reason: whether the server is well, it is asked, and nothing is counted for certain", 333, 1, 300, SINK_14, false, false, 1, 1, 1, 40, 12 },
        { "a server that fails at everything", 333, 1, 300, SINK_14, false, true, 0, 0, 0, 1, 1 },
        { "1.5 lists such rows: a 500 of it is another thing", 333, 1, 300, SINK_15, true, false, 0, 0, 0, 2, 0 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        static struct listing listing;
        struct desk desk;
        listing = (struct listing){ .tells_why = cases[i].tells_why, .is_failing = cases[i].is_failing };
        put(&listing, 0, cases[i].front, 5000000);
        put(&listing, -1, cases[i].nameless, 4000000);
        put(&listing, 0, cases[i].back, 3000000);
        open_desk(&desk, &defaults);
        make_well(&desk, cases[i].dialect);
        deliver_sweep(desk.deliver);
        pass_time(&desk, 1);
        walk(&desk, &listing);
        if (desk.sweeps != 1 || desk.whole_sweeps != cases[i].whole || (cases[i].whole == 1 && hidden_rows(&desk) != cases[i].unread))
            fail_msg("%s: %d sweeps, %d whole, %lld rows unread", cases[i].why, desk.sweeps, desk.whole_sweeps, (long long)hidden_rows(&desk));
        if (cases[i].whole == 1 && desk.swept_rows != cases[i].front + cases[i].back)
            fail_msg("%s: %lld rows came", cases[i].why, (long long)desk.swept_rows);
        if (desk.hidden_count > 0 && cases[i].whole == 1 && desk.hidden[0].may_be_ours != cases[i].may_be_ours)
            fail_msg("%s: %lld of them may be ours", cases[i].why, (long long)desk.hidden[0].may_be_ours);
        if (listing.lists > cases[i].lists || listing.checks > cases[i].checks)
            fail_msg("%s: %d pages and %d checks", cases[i].why, listing.lists, listing.checks);
        close_desk(&desk);
    }
}

/* ---- Look-ups ---- */

/* One memory whose insert had no answer, at 1000000 by either clock; its settle time is over. */
static void lose_one(struct desk *desk)
{
    int64_t batch = send_some(desk, SINK_14, 1);
    struct sink_verdict failing = scope(SINK_FAILING, 500);

    answer_insert(desk, batch, &failing);
    pass_time(desk, 70000);
}

static void test_where_absence_is_proven(void **state)
{
    static const int64_t sent = 1000000;
    static const struct {
        const char *why;
        int64_t front, front_ms, nameless, back;
        bool tells_why, sent_again;
    } cases[] = {
        { "the row in front is older than two minutes before we sent", 12, sent - 3 * MINUTE_MS, 12, 0, true, true },
        { "it is as old as that: perhaps", 12, sent - 2 * MINUTE_MS, 12, 0, true, false },
        { "it is newer", 12, sent - MINUTE_MS, 12, 30, true, false },
        { "nothing is in front", 0, 0, 12, 30, true, false },
        { "it did not say when it was made", 12, -1, 12, 30, true, false },
        { "a single one is not ours", 12, sent - MINUTE_MS, 1, 30, true, true },
        { "a single one without a reason is not known", 12, sent - MINUTE_MS, 1, 30, false, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        static struct listing listing;
        struct deliver_summary summary;
        struct deliver_command command;
        struct desk desk;
        listing = (struct listing){ .tells_why = cases[i].tells_why };
        put(&listing, 0, cases[i].front, cases[i].front_ms);
        put(&listing, -1, cases[i].nameless, 0);
        put(&listing, 0, cases[i].back, 1000);
        lose_one(&desk);
        walk(&desk, &listing);
        deliver_summarise(desk.deliver, &summary);
        pass_time(&desk, 2000);
        if (take(&desk, DELIVER_INSERT, &command) != cases[i].sent_again || summary.unreadable != (cases[i].sent_again ? 0 : 1) ||
            deliver_is_unreadable(desk.deliver, 1) == cases[i].sent_again)
            fail_msg("%s: %lld unreadable", cases[i].why, (long long)summary.unreadable);
        close_desk(&desk);
    }
}

static void test_it_is_told_once_and_found_later(void **state)
{
    static struct listing listing;
    struct deliver_command command;
    struct desk desk;
    char words[400];
    int notices;
    (void)state;

    listing = (struct listing){ .tells_why = true };
    put(&listing, -1, 12, 0);
    lose_one(&desk);
    notices = desk.notices;
    walk(&desk, &listing);
    for (int i = 0; i < 20; i++) {
        pass_time(&desk, 6 * MINUTE_MS);
        walk(&desk, &listing);
    }
    assert_int_equal(desk.notices, notices + 1);
    deliver_say_unreadable(desk.deliver, words, sizeof words);
    assert_non_null(strstr(words, "12 of its documents (2 pages of ten)"));
    assert_non_null(strstr(words, "upgrade LightRAG to 1.5"));
    assert_false(take(&desk, DELIVER_INSERT, &command));
    assert_int_equal(deliver_room(desk.deliver, 100, false, 0, desk.now), 10); /* it takes nobody's place */

    listing.count = 0; /* somebody deleted them: ours was there */
    put(&listing, 1, 1, 1000000);
    pass_time(&desk, 6 * MINUTE_MS);
    walk(&desk, &listing);
    assert_int_equal(desk.memory[1], MEMORY_DONE);
    close_desk(&desk);
}

/* ---- Removals ---- */

static void want_gone(struct desk *desk, int64_t seq, int64_t first_sent_ms)
{
    char name[16];

    (void)snprintf(name, sizeof name, "m%lld", (long long)seq);
    desk->memory[seq] = MEMORY_REMOVING;
    desk->wanted[seq] = WANTED_GONE;
    deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = seq, .stream = 1, .name = name, .wanted = WANTED_GONE, .first_sent_server_ms = first_sent_ms },
                   desk->now);
}

static void delete_all(struct desk *desk, struct listing *listing)
{
    struct sink_pipeline idle = { .busy = false };
    int64_t kept = 0;

    pass_time(desk, 1);
    (void)must_take(desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk->deliver, &idle, &well, desk->now);
    (void)must_take(desk, DELIVER_DELETE);
    for (int64_t i = 0; i < listing->count; i++) {
        bool is_doomed = false;
        for (size_t k = 0; k < deliver_doomed_count(desk->deliver); k++)
            is_doomed = is_doomed || (listing->rows[i].seq > 0 && atoll(deliver_doomed_id(desk->deliver, k) + 4) == listing->rows[i].seq);
        if (!is_doomed)
            listing->rows[kept++] = listing->rows[i];
    }
    listing->count = kept;
    deliver_on_delete(desk->deliver, true, &well, desk->now);
    pass_time(desk, 5000);
    (void)must_take(desk, DELIVER_ASK_PIPELINE);
    deliver_on_pipeline(desk->deliver, &idle, &well, desk->now);
    pass_time(desk, 1);
}

static void test_which_removals_are_proven(void **state)
{
    static const struct { const char *why; int64_t seq, first_sent_ms; bool is_there, is_gone; } cases[] = {
        { "between others of ours", 5, 0, true, true },
        { "right behind the unreadable: they may hide it", 10, 0, true, false },
        { "right in front of them", 11, 0, true, false },
        { "in front", 15, 0, true, true },
        { "nothing of it there, and nobody knows since when", 30, 0, false, false },
        { "nothing of it there, and it was sent after all that", 30, 9000000, false, true },
        { "nothing of it there, and it was sent before", 30, 4500000, false, false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        static struct listing listing;
        struct desk desk;
        listing = (struct listing){ .tells_why = true };
        put(&listing, 11, 10, 5000000); /* m20 .. m11 */
        put(&listing, -1, 12, 4000000);
        put(&listing, 1, 10, 3000000);  /* m10 .. m1 */
        open_desk(&desk, &defaults);
        make_well(&desk, SINK_14);
        want_gone(&desk, cases[i].seq, cases[i].first_sent_ms);
        pass_time(&desk, 1);
        walk(&desk, &listing);
        if (cases[i].is_there) {
            delete_all(&desk, &listing);
            walk(&desk, &listing);
        }
        if ((desk.memory[cases[i].seq] == MEMORY_GONE) != cases[i].is_gone || deliver_is_unreadable(desk.deliver, cases[i].seq) == cases[i].is_gone)
            fail_msg("%s: state %d", cases[i].why, (int)desk.memory[cases[i].seq]);
        if (!cases[i].is_gone) {
            struct deliver_command command;
            assert_false(take(&desk, DELIVER_LIST, &command)); /* not at once */
            for (int64_t k = 0; k < listing.count; k++) /* somebody deleted them */
                listing.rows[k].seq = listing.rows[k].seq < 0 ? 0 : listing.rows[k].seq;
            pass_time(&desk, 6 * MINUTE_MS);
            walk(&desk, &listing);
            assert_int_equal(desk.memory[cases[i].seq], MEMORY_GONE);
        }
        close_desk(&desk);
    }
}

/* Others need not wait for what cannot be proven. */
static void test_a_round_for_others(void **state)
{
    static struct listing listing;
    struct desk desk;
    (void)state;

    listing = (struct listing){ .tells_why = true };
    put(&listing, 1, 10, 5000000);
    put(&listing, -1, 12, 4000000);
    open_desk(&desk, &defaults);
    make_well(&desk, SINK_14);
    want_gone(&desk, 30, 0);
    pass_time(&desk, 1);
    walk(&desk, &listing);
    assert_int_equal(desk.memory[30], MEMORY_REMOVING);
    want_gone(&desk, 5, 0);
    pass_time(&desk, 1);
    walk(&desk, &listing);
    delete_all(&desk, &listing);
    walk(&desk, &listing);
    assert_int_equal(desk.memory[5], MEMORY_GONE);
    assert_int_equal(desk.memory[30], MEMORY_REMOVING);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_sweep_reads),
        cmocka_unit_test(test_where_absence_is_proven),
        cmocka_unit_test(test_it_is_told_once_and_found_later),
        cmocka_unit_test(test_which_removals_are_proven),
        cmocka_unit_test(test_a_round_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
