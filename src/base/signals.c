#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_count;
static volatile sig_atomic_t stop_number;
static volatile sig_atomic_t hangup;
static void (*wake_function)(void *context);
static void *wake_context;

static void on_signal(int number)
{
    int saved = errno; /* the wake-up writes to a descriptor */

    if (number == SIGHUP) {
        hangup = 1;
    } else {
        stop_number = number;
        stop_count = stop_count + 1;
    }
    if (wake_function != NULL)
        wake_function(wake_context);
    errno = saved;
}

void signals_install(void (*wake)(void *context), void *context)
{
    struct sigaction action = { .sa_handler = on_signal };
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    wake_function = wake;
    wake_context = context;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL); /* ulimit -f: the write fails, and that is told */
}

int signals_stop_count(void)
{
    return (int)stop_count;
}

int signals_stop_number(void)
{
    return (int)stop_number;
}

bool signals_take_hangup(void)
{
    if (hangup == 0)
        return false;
    hangup = 0; /* one that comes right now has the same effect as the one before */
    return true;
}
