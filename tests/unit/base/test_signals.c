#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int woken;

static void on_wake(void *context)
{
    (void)context;
    woken++;
    errno = EBADF; /* a wake-up that goes wrong must not disturb what was interrupted */
}

static void test_signals_are_counted(void **state)
{
    (void)state;

    signals_install(on_wake, NULL);
    assert_int_equal(signals_stop_count(), 0);
    assert_int_equal(signals_stop_number(), 0);
    errno = 0;
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(errno, 0);
    assert_int_equal(signals_stop_count(), 1);
    assert_int_equal(signals_stop_number(), SIGTERM);
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(signals_stop_count(), 2); /* the second one: end now */
    assert_int_equal(signals_stop_number(), SIGINT);
    assert_int_equal(woken, 2);
}

static void test_hangup_is_taken_once(void **state)
{
    (void)state;

    signals_install(NULL, NULL);
    assert_false(signals_take_hangup());
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(raise(SIGHUP), 0);
    assert_true(signals_take_hangup());
    assert_false(signals_take_hangup());
}

static void test_a_closed_pipe_is_an_error_not_an_end(void **state)
{
    int ends[2];
    (void)state;

    signals_install(NULL, NULL);
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_counted),
        cmocka_unit_test(test_hangup_is_taken_once),
        cmocka_unit_test(test_a_closed_pipe_is_an_error_not_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
