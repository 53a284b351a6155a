/* retry.h - how long to wait before the next try: full jitter, evenly between nothing and a limit that grows by a factor and is capped.
 *
 * Source of the method: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
#ifndef MC_DELIVERY_RETRY_H
#define MC_DELIVERY_RETRY_H

#include <stdint.h>

/* The limit before try number attempt (1 = first repeat). */
int64_t retry_limit_ms(int attempt, int64_t first_ms, double factor, int64_t maximum_ms);

/* random: any 64 bits. The result is at least a tenth of the limit, so that a repeat is never at once. */
int64_t retry_wait_ms(int attempt, int64_t first_ms, double factor, int64_t maximum_ms, uint64_t random);

#endif
