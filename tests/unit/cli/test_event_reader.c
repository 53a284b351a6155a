#include "cli/event_reader.h"

#include "base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void note_event(void *context, const char *name, const char *data, size_t size)
{
    char *out = context;
    size_t used = strlen(out);

    (void)snprintf(out + used, 500 - used, "%s=%.*s(%zu);", name, (int)size, data, size);
}

static const struct { const char *why, *text, *events; int64_t last; } rows[] = {
    { "one", "id: 7\nevent: alert\ndata: {}\n\n", "alert={}(2);", 7 },
    { "its end has not come", "id: 7\nevent: alert\ndata: {}\n", "", 0 },
    { "an id alone counts, and is no event", "retry: 3000\nid: 12\n\n", "", 12 },
    { "the id stays for the next", "id: 3\ndata: a\n\ndata: b\n\n", "message=a(1);message=b(1);", 3 },
    { "comments are passed over", ": still here\n\n:\n\ndata: a\n\n", "message=a(1);", 0 },
    { "several lines are one", "data: a\ndata: b\ndata: \n\n", "message=a\nb\n(4);", 0 },
    { "without a blank", "event:x\ndata:a\n\n", "x=a(1);", 0 },
    { "only one blank goes", "data:  a\n\n", "message= a(2);", 0 },
    { "all three line ends", "data: a\r\n\r\ndata: b\r\rdata: c\n\n", "message=a(1);message=b(1);message=c(1);", 0 },
    { "an id that is no number", "id: 5\ndata: a\n\nid: x\ndata: b\n\n", "message=a(1);message=b(1);", 5 },
    { "an id too long for a number", "id: 99999999999999999999\ndata: b\n\n", "message=b(1);", 0 },
    { "no data, no event", "event: x\n\ndata: a\n\n", "message=a(1);", 0 },
    { "names that nobody knows", "color: red\ndata: a\n\n", "message=a(1);", 0 },
};

static void test_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t size = strlen(rows[i].text);
        for (size_t cut = 1; cut <= size; cut++) {
            char events[500] = "";
            AUTO_DONE(event_reader) struct event_reader reader;
            event_reader_init(&reader, note_event, events);
            for (size_t at = 0; at < size; at += cut)
                event_reader_feed(&reader, rows[i].text + at, size - at < cut ? size - at : cut);
            if (strcmp(events, rows[i].events) != 0 || reader.last != rows[i].last)
                fail_msg("%s, in pieces of %zu: %s last %lld", rows[i].why, cut, events, (long long)reader.last);
        }
    }
}

/* The connection broke within an event: it comes again, whole. */
static void test_a_new_connection(void **state)
{
    char events[500] = "";
    AUTO_DONE(event_reader) struct event_reader reader;

    (void)state;
    event_reader_init(&reader, note_event, events);
    event_reader_feed(&reader, "id: 4\ndata: a\n\nid: 5\nevent: x\ndata: ha", 38);
    event_reader_restart(&reader);
    assert_int_equal(reader.last, 4);
    event_reader_feed(&reader, "data: b\n\n", 9);
    assert_string_equal(events, "message=a(1);message=b(1);");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_however_it_is_cut), cmocka_unit_test(test_a_new_connection) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
