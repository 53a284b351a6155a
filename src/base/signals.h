/* signals.h - the signal flag.
 *
 * signals_install catches INT, TERM (counted: 1 = finish what is in flight, 2 = end now) and HUP, and ignores PIPE. wake is
 * called from the handler and must be safe there; may be NULL. */
#ifndef MC_BASE_SIGNALS_H
#define MC_BASE_SIGNALS_H

#include <stdbool.h>

void signals_install(void (*wake)(void *context), void *context);
int signals_stop_count(void);  /* how many INT or TERM have come */
int signals_stop_number(void); /* the last of them: SIGINT or SIGTERM; 0 when none */
bool signals_take_hangup(void);

#endif
