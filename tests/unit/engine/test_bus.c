#include "engine/bus.h"

#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_MS = 1000, FIRST = NOW_MS * 1000, CAPACITY = 20 };

static void publish(struct bus *bus, int count)
{
    for (int i = 0; i < count; i++) {
        char json[40];
        (void)snprintf(json, sizeof json, "{\"n\":%d}", i);
        bus_publish(bus, BUS_NOTICE, "c", json, strlen(json));
    }
}

static void test_reading(void **state)
{
    static const struct {
        const char *why;
        int published;
        int64_t after, wanted; /* 0: nothing */
        bool missed;
    } rows[] = {
        { "nothing happened", 0, FIRST - 1, 0, false },
        { "the first", 3, FIRST - 1, FIRST, false },
        { "the one behind", 3, FIRST, FIRST + 1, false },
        { "up to date", 3, FIRST + 2, 0, false },
        { "a number of the future", 3, FIRST + 1000, 0, false },
        { "a number before this start", 3, 7, FIRST, true },
        { "zero", 3, 0, FIRST, true },
        { "just not overwritten", CAPACITY + 5, FIRST + 4, FIRST + 5, false },
        { "just overwritten", CAPACITY + 5, FIRST + 3, FIRST + 5, true },
        { "long overwritten", 5 * CAPACITY, FIRST, FIRST + 4 * CAPACITY, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(bus) struct bus *bus = bus_new(CAPACITY, NOW_MS);
        struct bus_event event = { 0 };
        bool missed = false;
        text_init(&event.json, 0);
        publish(bus, rows[i].published);
        if (bus_read(bus, rows[i].after, &event, &missed) != (rows[i].wanted != 0) || (rows[i].wanted != 0 && event.number != rows[i].wanted) || missed != rows[i].missed)
            fail_msg("%s: event %lld, missed %d", rows[i].why, (long long)event.number, missed);
        text_done(&event.json);
    }
}

static void test_what_an_event_holds(void **state)
{
    AUTO(bus) struct bus *bus = bus_new(0, NOW_MS);
    AUTO_STRING char *large = mem_alloc((64 << 10) + 2);
    struct bus_event event = { 0 };
    bool missed;

    (void)state;
    text_init(&event.json, 0);
    memset(large, 'x', (64 << 10) + 1);
    bus_publish(bus, BUS_RUN_STARTED, "a", "{}", 2);
    bus_publish(bus, BUS_ALERT, "", large, (64 << 10) + 1); /* refused */
    bus_publish(bus, BUS_ALERT, "b", "{\"x\":1}", 7);
    assert_int_equal(bus_last(bus), FIRST + 1);
    assert_int_equal(bus_read(bus, FIRST, &event, &missed), 1);
    assert_int_equal(event.kind, BUS_ALERT);
    assert_string_equal(event.connector, "b");
    assert_string_equal(event.json.data, "{\"x\":1}");
    text_done(&event.json);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < BUS_KINDS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(bus_kind_name((enum bus_kind)i), bus_kind_name((enum bus_kind)k));
}

static void test_a_later_start_has_greater_numbers(void **state)
{
    AUTO(bus) struct bus *before = bus_new(0, NOW_MS);
    AUTO(bus) struct bus *after = bus_new(0, NOW_MS + 1);

    (void)state;
    publish(before, 999);
    assert_true(bus_last(after) >= bus_last(before));
}

/* ---- Many readers ---- */

struct reader {
    struct bus *bus;
    atomic_int woken;
};

enum { EVENTS = 20000 };

static void wake(void *context)
{
    struct reader *reader = context;

    atomic_fetch_add(&reader->woken, 1);
}

static void *read_all(void *context)
{
    struct reader *reader = context;
    struct bus_event event = { 0 };
    int64_t at = FIRST - 1;
    bool missed;

    text_init(&event.json, 0);
    while (at < FIRST + EVENTS - 1) {
        if (bus_read(reader->bus, at, &event, &missed) == 0)
            continue;
        if (event.number <= at || (!missed && event.number != at + 1) || strstr(event.json.data, "{\"n\":") == NULL)
            abort();
        at = event.number;
    }
    text_done(&event.json);
    return NULL;
}

static void test_a_writer_and_many_readers(void **state)
{
    AUTO(bus) struct bus *bus = bus_new(100, NOW_MS);
    struct reader readers[4];
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(readers); i++) {
        readers[i].bus = bus;
        atomic_init(&readers[i].woken, 0);
        bus_listen(bus, wake, &readers[i]);
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    publish(bus, EVENTS);
    for (size_t i = 0; i < ARRAY_LENGTH(readers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&readers[i].woken), EVENTS);
        bus_unlisten(bus, &readers[i]);
    }
    publish(bus, 1);
    assert_int_equal(atomic_load(&readers[0].woken), EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_what_an_event_holds),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_later_start_has_greater_numbers),
        cmocka_unit_test(test_a_writer_and_many_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
