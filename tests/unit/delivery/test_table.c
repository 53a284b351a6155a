#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/pull.h"
#include "delivery/retry.h"
#include "delivery/table.h"

#include <string.h>

/* A pair that was forgotten has no reason: the tables must say something about each. */
static void test_every_pair_is_in_the_tables(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASES; phase++) {
        for (int event = 0; event < BATCH_EVENTS; event++)
            if (batch_table[phase][event].why == NULL)
                fail_msg("batch %s, %s: not in the table", batch_phase_name((enum batch_phase)phase), batch_event_name((enum batch_event)event));
        for (int sighting = 0; sighting < SIGHTINGS; sighting++)
            if (sighting_table[phase][sighting].why == NULL)
                fail_msg("batch %s, %s: not in the table", batch_phase_name((enum batch_phase)phase), sighting_name((enum sighting)sighting));
    }
    for (int memory = 0; memory < MEMORY_STATES; memory++)
        for (int seen = 0; seen < PULL_SEEN; seen++)
            if (pull_table[memory][seen].why == NULL)
                fail_msg("memory %d, %s: not in the table", memory, pull_seen_name((enum pull_seen)seen));
}

/* The rules that the design calls laws, read off the tables. */
static void test_done_needs_our_revision_processed(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASES; phase++)
        for (int sighting = 0; sighting < SIGHTINGS; sighting++)
            if (sighting_table[phase][sighting].action == MEMBER_DONE)
                assert_int_equal(sighting, SEEN_PROCESSED);
}

static void test_nothing_is_sent_twice_without_a_look_up(void **state)
{
    (void)state;
    assert_int_equal(batch_table[PHASE_SENDING][BATCH_NO_ANSWER].next, PHASE_UNCLEAR);
    assert_int_equal(batch_table[PHASE_SENDING][BATCH_FAILING].next, PHASE_UNCLEAR);
    for (int phase = 0; phase < PHASES; phase++)
        if (phase != PHASE_READY)
            assert_int_equal(batch_table[phase][BATCH_SLOT_FREE].next, PHASE_NEVER);
    for (int sighting = 0; sighting < SIGHTINGS; sighting++)
        if (sighting_table[PHASE_UNCLEAR][sighting].action == MEMBER_SEND_AGAIN)
            assert_true(sighting == SEEN_NOT || sighting == SEEN_DUP_FILENAME);
}

static void test_trouble_of_the_target_blames_no_document(void **state)
{
    static const enum batch_event target_events[] = { BATCH_BUSY, BATCH_NOT_SENT, BATCH_DENIED, BATCH_NO_ANSWER, BATCH_FAILING };
    (void)state;
    for (size_t i = 0; i < sizeof target_events / sizeof target_events[0]; i++)
        assert_int_not_equal(batch_table[PHASE_SENDING][target_events[i]].action, BATCH_DO_SPLIT_DEAD);
}

static void test_names_are_there(void **state)
{
    (void)state;
    for (int i = 0; i <= BATCH_DO_CLOSE; i++)
        assert_non_null(batch_action_name((enum batch_action)i));
    for (int i = 0; i <= MEMBER_DEAD_FOREIGN; i++)
        assert_non_null(member_action_name((enum member_action)i));
    for (int i = 0; i <= PULL_FORGET; i++)
        assert_non_null(pull_action_name((enum pull_action)i));
    for (int i = 0; i < PULL_SEEN; i++)
        assert_non_null(pull_seen_name((enum pull_seen)i));
    for (int i = 0; i < PHASES; i++)
        assert_non_null(batch_phase_name((enum batch_phase)i));
    for (int i = 0; i < BATCH_EVENTS; i++)
        assert_non_null(batch_event_name((enum batch_event)i));
    for (int i = 0; i < SIGHTINGS; i++)
        assert_non_null(sighting_name((enum sighting)i));
    assert_string_equal(dead_class_name((enum dead_class)99), "unknown");
    for (int i = 1; i < DEAD_CLASSES; i++) {
        enum dead_class found = DEAD_CLASSES;
        assert_true(dead_class_from_name(dead_class_name((enum dead_class)i), &found));
        assert_int_equal(found, i);
        assert_non_null(dead_class_advice((enum dead_class)i));
    }
    assert_string_equal(batch_phase_name(PHASE_NEVER), "never");
}

/* Nothing at the server is replaced when on_update is keep, and nothing that is not there needs the permission. */
static void test_what_keep_changes(void **state)
{
    (void)state;
    for (int memory = 0; memory < MEMORY_STATES; memory++) {
        for (int seen = 0; seen < PULL_SEEN; seen++) {
            enum pull_action replace = pull_decide((enum memory_state)memory, (enum pull_seen)seen, true);
            enum pull_action keep = pull_decide((enum memory_state)memory, (enum pull_seen)seen, false);
            bool is_kept = seen == PULL_NEWER && (memory == MEMORY_DONE || memory == MEMORY_FLYING);
            assert_int_equal(replace, pull_table[memory][seen].action);
            assert_int_equal(keep, is_kept ? PULL_COUNT_CHANGED : replace);
        }
    }
    for (int dead_class = 1; dead_class < DEAD_CLASSES; dead_class++) {
        bool is_absent = dead_class == DEAD_REJECTED || dead_class == DEAD_TOO_LARGE || dead_class == DEAD_POISON || dead_class == DEAD_CONTENT;
        assert_int_equal(pull_dead_class_is_absent((enum dead_class)dead_class), is_absent);
    }
}

/* What an earlier program delivered is no business of ours until a person says so. */
static void test_trusted_memories_are_left_alone(void **state)
{
    (void)state;
    for (int seen = 0; seen < PULL_SEEN; seen++) {
        enum pull_action want = seen == PULL_FORCED ? PULL_REPLACE : seen == PULL_ABSENT ? PULL_NOTHING : PULL_COUNT_UNCHANGED;
        assert_int_equal(pull_decide(MEMORY_TRUSTED, (enum pull_seen)seen, true), want);
        assert_int_equal(pull_decide(MEMORY_TRUSTED, (enum pull_seen)seen, false), want);
    }
}

/* A person's word sends what is settled. What is under way goes on as it is, and what is dead waits for the word that is meant for it. */
static void test_what_force_does(void **state)
{
    static const enum pull_action want[MEMORY_STATES] = {
        [MEMORY_NONE] = PULL_ADD, [MEMORY_QUEUED] = PULL_COUNT_UNCHANGED, [MEMORY_FLYING] = PULL_COUNT_UNCHANGED, [MEMORY_DONE] = PULL_REMOVE_NEWER,
        [MEMORY_DEAD] = PULL_COUNT_UNCHANGED, [MEMORY_SKIPPED] = PULL_COUNT_UNCHANGED, [MEMORY_REMOVING] = PULL_COUNT_UNCHANGED, [MEMORY_GONE] = PULL_REPLACE,
        [MEMORY_TRUSTED] = PULL_REPLACE,
    };
    (void)state;
    for (int memory = 0; memory < MEMORY_STATES; memory++)
        for (int replaces = 0; replaces < 2; replaces++) /* also where on_update is keep */
            assert_int_equal(pull_decide((enum memory_state)memory, PULL_FORCED, replaces == 1), want[memory]);
}

static void test_retry_limits(void **state)
{
    static const struct { const char *why; int attempt; int64_t want; } rows[] = {
        { "the first repeat", 1, 1000 },
        { "doubles", 3, 4000 },
        { "capped", 12, 60000 },
        { "does not overflow", 2000000000, 60000 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (retry_limit_ms(rows[i].attempt, 1000, 2.0, 60000) != rows[i].want)
            fail_msg("%s: %lld", rows[i].why, (long long)retry_limit_ms(rows[i].attempt, 1000, 2.0, 60000));
    for (uint64_t random = 0; random < 5000; random += 7) {
        int64_t wait = retry_wait_ms(2, 1000, 2.0, 60000, random * 0x9E3779B97F4A7C15u);
        assert_true(wait >= 200 && wait <= 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_is_in_the_tables),
        cmocka_unit_test(test_done_needs_our_revision_processed),
        cmocka_unit_test(test_nothing_is_sent_twice_without_a_look_up),
        cmocka_unit_test(test_trouble_of_the_target_blames_no_document),
        cmocka_unit_test(test_names_are_there),
        cmocka_unit_test(test_what_keep_changes),
        cmocka_unit_test(test_trusted_memories_are_left_alone),
        cmocka_unit_test(test_what_force_does),
        cmocka_unit_test(test_retry_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
