/* Random changes, commits and crashes against a model in plain arrays. A failure names its seed: MC_SEED=n repeats it. */
#include "state_model.h"

enum { ROUNDS = 60, STEPS = 120 };

static uint64_t dice;

static uint64_t roll(uint64_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice % sides;
}

static struct memory_row row_of(const struct model *model, int64_t seq, char *id, size_t id_size)
{
    char text[64];
    struct memory_row row;

    model_id(seq, id, id_size);
    model_text(seq, model->memories[seq].text, text, sizeof text);
    row = memory_of(seq, model->memories[seq].stream, id, model->memories[seq].state, model->memories[seq].text != 0 ? (int64_t)strlen(text) : 0);
    row.batch = model->memories[seq].batch;
    row.not_before_ms = model->memories[seq].not_before_ms;
    return row;
}

static void do_add(struct state *state, struct model *model)
{
    int64_t seq = (int64_t)roll(MODEL_MEMORIES - 1) + 1;
    char id[32], text[64];
    struct memory_row row;
    struct error err = { 0 };

    if (model->memories[seq].state != MEMORY_NONE)
        return;
    model->memories[seq].stream = (int64_t)roll(MODEL_STREAMS) + 1;
    model->memories[seq].state = roll(4) > 0 ? MEMORY_QUEUED : MEMORY_SKIPPED;
    model->memories[seq].text = model->memories[seq].state == MEMORY_QUEUED ? 1 : 0;
    row = row_of(model, seq, id, sizeof id);
    if (roll(2) > 0)
        assert_int_equal(state_find_memory(state, row.stream, row.id, &(struct memory_row){ 0 }, &err), 0);
    model_text(seq, 1, text, sizeof text);
    ASSERT_WORKS(apply_memory(state, &row, model->memories[seq].text != 0 ? text : NULL, &err), err);
}

static void do_set(struct state *state, struct model *model)
{
    int64_t seq = (int64_t)roll(MODEL_MEMORIES - 1) + 1;
    enum memory_state from = model->memories[seq].state;
    bool has_new_text = roll(2) > 0;
    char id[32], text[64];
    struct memory_row row;
    struct error err = { 0 };

    if (from == MEMORY_NONE)
        return;
    model->memories[seq].state = (enum memory_state)(roll(MEMORY_STATES - 1) + 1);
    model->memories[seq].batch = (int64_t)roll(MODEL_BATCHES);
    model->memories[seq].not_before_ms = roll(3) == 0 ? (int64_t)roll(100) : 0;
    if (roll(8) == 0)
        model->memories[seq].text = 0;
    else if (has_new_text)
        model->memories[seq].text++;
    row = row_of(model, seq, id, sizeof id);
    model_text(seq, model->memories[seq].text, text, sizeof text);
    ASSERT_WORKS(apply_set(state, &row, from, model->memories[seq].text != 0 && has_new_text ? text : NULL, &err), err);
}

/* As batches do: from a place on, those that are in one state; with holes, in either order, over several streams. */
static void do_members(struct state *state, struct model *model)
{
    struct member_ref members[40];
    size_t count = 0;
    int64_t first = (int64_t)roll(MODEL_MEMORIES - 1) + 1, batch = (int64_t)roll(MODEL_BATCHES);
    enum memory_state from = MEMORY_NONE, to = (enum memory_state)(roll(MEMORY_STATES - 1) + 1);
    bool backwards = roll(4) == 0;
    struct error err = { 0 };

    for (int64_t i = first; i < MODEL_MEMORIES && count < ARRAY_LENGTH(members); i++) {
        int64_t seq = backwards ? MODEL_MEMORIES - i : i;
        if (from == MEMORY_NONE)
            from = model->memories[seq].state;
        if (from == MEMORY_NONE || model->memories[seq].state != from || roll(6) == 0)
            continue;
        members[count++] = (struct member_ref){ .seq = seq, .stream = model->memories[seq].stream };
        model->memories[seq].state = to;
        if (batch != 0)
            model->memories[seq].batch = batch;
    }
    if (count > 0)
        ASSERT_WORKS(apply_members(state, members, count, from, to, batch, &err), err);
}

static void do_letter(struct state *state, struct model *model)
{
    int64_t number = (int64_t)roll(MODEL_LETTERS - 1) + 1;
    struct dead_letter letter = { .letter = number, .words = "words" };
    struct error err = { 0 };

    letter.dead_class = model->letters[number].dead_class = (enum dead_class)(roll(DEAD_CLASSES - 1) + 1);
    letter.end = model->letters[number].end = (enum dead_end)roll(4);
    letter.stream = model->letters[number].stream = (int64_t)roll(MODEL_STREAMS) + 1;
    ASSERT_WORKS(apply_letter(state, &letter, &err), err);
}

/* ---- The comparison ---- */

static void compare_memory(struct state *state, const struct model *model, int64_t seq)
{
    AUTO_DONE(text) struct text text = { 0 };
    struct memory_row got;
    struct error err = { 0 };
    char id[32], words[64];
    int found;

    text_init(&text, 0);
    model_id(seq, id, sizeof id);
    found = state_get_memory(state, seq, &got, &err);
    assert_int_equal(found, model->memories[seq].state != MEMORY_NONE);
    if (found == 0)
        return;
    assert_int_equal(got.state, model->memories[seq].state);
    assert_int_equal(got.stream, model->memories[seq].stream);
    assert_int_equal(got.batch, model->memories[seq].batch);
    assert_int_equal(got.not_before_ms, model->memories[seq].not_before_ms);
    assert_int_equal(state_find_memory(state, got.stream, slice_of(id), &got, &err), 1);
    assert_int_equal(got.seq, seq);
    assert_int_equal(state_get_text(state, seq, &text, &err), model->memories[seq].text != 0);
    if (model->memories[seq].text == 0)
        return;
    model_text(seq, model->memories[seq].text, words, sizeof words);
    assert_string_equal(text.data, words);
}

static void compare_counts(struct state *state, const struct model *model)
{
    for (int64_t stream = 1; stream <= MODEL_STREAMS; stream++) {
        struct state_counts want = { 0 }, got;
        struct error err = { 0 };
        for (int64_t i = 1; i < MODEL_MEMORIES; i++)
            if (model->memories[i].stream == stream && model->memories[i].state != MEMORY_NONE)
                want.memories[model->memories[i].state]++;
        for (int64_t i = 1; i < MODEL_LETTERS; i++)
            if (model->letters[i].stream == stream && model->letters[i].dead_class != 0 && model->letters[i].end == DEAD_OPEN)
                want.letters[model->letters[i].dead_class]++;
        ASSERT_WORKS(state_count_stream(state, stream, &got, &err), err);
        assert_memory_equal(&got, &want, sizeof want);
    }
}

struct walk {
    const struct model *model;
    int64_t last, batch;
    int64_t count;
};

static bool see_queued(void *context, const struct memory_row *row)
{
    struct walk *walk = context;

    assert_true(row->seq > walk->last);
    assert_int_equal(walk->model->memories[row->seq].state, MEMORY_QUEUED);
    assert_true(row->not_before_ms <= 50);
    walk->last = row->seq;
    walk->count++;
    return true;
}

static bool see_member(void *context, const struct memory_row *row)
{
    struct walk *walk = context;

    assert_true(row->seq > walk->last);
    assert_int_equal(walk->model->memories[row->seq].state, MEMORY_FLYING);
    assert_int_equal(walk->model->memories[row->seq].batch, walk->batch);
    walk->last = row->seq;
    walk->count++;
    return true;
}

static void compare_lists(struct state *state, const struct model *model)
{
    struct walk walk = { .model = model };
    struct error err = { 0 };
    int64_t want = 0, earliest = INT64_MAX, when;
    bool any;

    for (int64_t i = 1; i < MODEL_MEMORIES; i++) {
        if (model->memories[i].state != MEMORY_QUEUED)
            continue;
        want += model->memories[i].not_before_ms <= 50;
        if (model->memories[i].not_before_ms < earliest)
            earliest = model->memories[i].not_before_ms;
    }
    ASSERT_WORKS(state_each_queued(state, 1, 50, 1000, 1 << 20, see_queued, &walk, &err), err);
    assert_int_equal(walk.count, want);
    ASSERT_WORKS(state_next_queued(state, 1, 50, &any, &when, &err), err);
    assert_int_equal(any, earliest != INT64_MAX);
    assert_int_equal(when, earliest == INT64_MAX || earliest <= 50 ? 0 : earliest);
    for (int64_t batch = 0; batch < MODEL_BATCHES; batch++) {
        walk = (struct walk){ .model = model, .batch = batch };
        want = 0;
        for (int64_t i = 1; i < MODEL_MEMORIES; i++)
            want += model->memories[i].state == MEMORY_FLYING && model->memories[i].batch == batch;
        ASSERT_WORKS(state_each_member(state, batch, see_member, &walk, &err), err);
        assert_int_equal(walk.count, want);
    }
}

static void compare_model(struct state *state, const struct model *model)
{
    for (int64_t i = 1; i < MODEL_MEMORIES; i++)
        compare_memory(state, model, i);
    compare_counts(state, model);
    compare_lists(state, model);
}

static void run_steps(struct model *committed)
{
    static void (*const doers[])(struct state *, struct model *) = { do_add, do_add, do_set, do_members, do_members, do_letter };
    struct model now = *committed;
    struct state *state = fixture_open();
    struct error err = { 0 };

    compare_model(state, &now);
    for (int i = 0; i < STEPS; i++) {
        doers[roll(ARRAY_LENGTH(doers))](state, &now);
        if (roll(10) == 0) {
            ASSERT_WORKS(state_commit(state, &err), err);
            *committed = now;
        }
        if (roll(15) == 0)
            compare_counts(state, &now);
    }
    compare_model(state, &now);
    state_free(state); /* what was not committed is gone */
}

static void test_random_changes(void **unused)
{
    const char *given = getenv("MC_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261123;
    struct model committed = { 0 };

    (void)unused;
    dice = seed * 0x9E3779B97F4A7C15u | 1;
    (void)fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < ROUNDS; round++) {
        run_steps(&committed);
        expect_sound();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_random_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
