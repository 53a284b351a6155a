/* notify.h - tells a service manager how we are: the protocol of sd_notify(3), a datagram to the socket that $NOTIFY_SOCKET names (a path, or "@" for
 * Linux's abstract names). Without that variable, and where nobody listens, nothing happens. */
#ifndef MC_BASE_NOTIFY_H
#define MC_BASE_NOTIFY_H

#include "base/auto.h"

#include <stdbool.h>
#include <stdint.h>

/* "READY=1\nSTATUS=..." */
void notify_say(const char *format, ...) MC_PRINTF(1, 2);
/* How often WATCHDOG=1 is wanted: half of $WATCHDOG_USEC where that is meant for this process; 0: never. */
int64_t notify_watchdog_ms(void);

#endif
