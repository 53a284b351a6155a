/* clock.h - the two clocks of the real machine. Only main and the tests' real runs use these; all else gets its time from
 * struct world (world.h), so that the simulation can set it.
 *
 * Wall clock (milliseconds since 1970, UTC) for schedules and stored deadlines; monotonic for time-outs. */
#ifndef MC_BASE_CLOCK_H
#define MC_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);
uint64_t clock_random(void); /* from the kernel; good enough for jitter and names */

#endif
