#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/progress.h"
#include "cli/width.h"

#include <string.h>

static void expect(const char *why, const struct pace *pace, int64_t now, int64_t left, const char *want)
{
    AUTO_DONE(text) struct text out = { 0 };

    text_init(&out, 0);
    pace_append(pace, now, left, &out);
    if (strcmp(out.data, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", why, out.data, want);
}

static void test_it_says_what_it_knows(void **state)
{
    struct pace pace = { .stage = -1 };
    (void)state;

    expect("nothing was noted", &pace, 0, 10, "");
    pace_note(&pace, 0, 1000, 0);
    expect("no time has passed", &pace, 1000, 100, "");
    pace_note(&pace, 0, 3000, 40);
    expect("too early", &pace, 3000, 60, "");
    pace_note(&pace, 0, 5000, 80);
    expect("20 a second", &pace, 5000, 100, ", 20/s, about 5s left");
    expect("it is not known how much is left", &pace, 5000, -1, ", 20/s");
    expect("nothing is left", &pace, 5000, 0, "");
}

static void test_slow(void **state)
{
    struct pace pace = { .stage = -1 };
    (void)state;

    pace_note(&pace, 2, 0, 100);
    pace_note(&pace, 2, 12000, 101);
    expect("one is no basis for a time", &pace, 12000, 50, ", 5/min");
    pace_note(&pace, 2, 24000, 102);
    pace_note(&pace, 2, 36000, 103);
    expect("five a minute", &pace, 36000, 50, ", 5/min, about 10m left");
    expect("time passes, so the rate sinks", &pace, 45000, 50, ", 4/min, about 12m 30s left");
    expect("LightRAG is silent: no guess", &pace, 36000 + 15000, 50, ", nothing for 15s");
    expect("and more so", &pace, 36000 + 200000, 50, ", nothing for 3m 20s");
    pace_note(&pace, 2, 36000 + 200000, 104);
    expect("it goes on, slower", &pace, 36000 + 200000, 50, ", 1/min, about 49m 10s left");
}

/* What was long ago says nothing about now. */
static void test_the_last_minutes_count(void **state)
{
    struct pace pace = { .stage = -1 };
    int64_t now = 0;
    int64_t done = 0;
    (void)state;

    for (; now < 600000; now += 100, done += 10)
        pace_note(&pace, 1, now, done);
    expect("100 a second", &pace, now, 1000, ", 100/s, about 10s left");
    for (int i = 0; i < 4000; i++, now += 100, done++)
        pace_note(&pace, 1, now, done);
    expect("10 a second since six minutes", &pace, now, 1000, ", 10/s, about 1m 40s left");
}

static void test_another_stage_begins_anew(void **state)
{
    struct pace pace = { .stage = -1 };
    (void)state;

    pace_note(&pace, 0, 0, 0);
    pace_note(&pace, 0, 10000, 1000);
    pace_note(&pace, 1, 10100, 1000);
    expect("no rate of another stage", &pace, 10100, 100, "");
    pace_note(&pace, 1, 20100, 1010);
    expect("its own", &pace, 20100, 100, ", 1.0/s, about 1m 40s left");
    pace_note(&pace, 1, 20200, 5);
    expect("less than before: another run", &pace, 20200, 100, "");
}

/* The stages, and what is known in each. */
static void test_line(void **state)
{
    static const struct {
        const char *why;
        struct engine_event before, event; /* three seconds apart */
        struct run_counts counts_before, counts;
        size_t width;
        const char *want;
    } rows[] = {
        { "reading: nobody knows how much is left", { .is_listing = true }, { .is_listing = true, .queued = 300 }, { .fetched = 0 }, { .fetched = 600, .new_ = 600 }, 0,
          "life: reading 600, 200/s (600 fetched, 600 new)" },
        { "sending", { .queued = 90 }, { .queued = 50, .flying = 10 }, { .stored = 10 }, { .fetched = 100, .new_ = 100, .stored = 40 }, 0,
          "life: sending 40/100, 10/s, about 6s left (100 fetched, 100 new; 40 stored)" },
        { "LightRAG is slow", { .stored = 100 }, { .stored = 97 }, { .fetched = 100, .stored = 100 }, { .fetched = 100, .stored = 100, .processed = 3 }, 0,
          "life: LightRAG is processing 3/100, 1.0/s, about 1m 37s left (100 fetched; 100 stored, 3 processed)" },
        { "what failed is over too", { .stored = 2 }, { .stored = 1 }, { .fetched = 2 }, { .fetched = 2, .failed = 1 }, 0,
          "life: LightRAG is processing 1/2, 20/min (2 fetched; 1 failed)" },
        { "removing", { .removing = 4 }, { .removing = 4 }, { .fetched = 4 }, { .fetched = 4 }, 0, "life: removing 0/4 (4 fetched)" },
        { "a narrow terminal gets what matters", { .queued = 90 }, { .queued = 60 }, { .stored = 10 }, { .fetched = 100, .stored = 40 }, 40,
          "life: sending 40/100, 10/s, about 6s l\u2026" },
        { "a very narrow one", { .queued = 90 }, { .queued = 60 }, { .stored = 10 }, { .fetched = 100, .stored = 40 }, 20, "life: sending 40/1\u2026" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text line = { 0 };
        struct pace pace = { .stage = -1 };
        struct run_row before = { .connector = "life", .counts = rows[i].counts_before };
        struct run_row now = { .connector = "life", .counts = rows[i].counts };
        struct engine_event first = rows[i].before;
        struct engine_event second = rows[i].event;
        text_init(&line, 0);
        first.run = &before;
        second.run = &now;
        progress_line(&pace, &first, 1000, rows[i].width, &line);
        text_clear(&line);
        progress_line(&pace, &second, 4000, rows[i].width, &line);
        if (strcmp(line.data, rows[i].want) != 0 || (rows[i].width > 0 && width_of_text(line.data, line.size) >= rows[i].width))
            fail_msg("%s: %s", rows[i].why, line.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_it_knows),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_the_last_minutes_count),
        cmocka_unit_test(test_another_stage_begins_anew),
        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
