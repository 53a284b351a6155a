#include "delivery/retry.h"

int64_t retry_limit_ms(int attempt, int64_t first_ms, double factor, int64_t maximum_ms)
{
    double limit = (double)first_ms;

    for (int i = 1; i < attempt && limit < (double)maximum_ms; i++)
        limit *= factor;
    return limit >= (double)maximum_ms ? maximum_ms : (int64_t)limit;
}

int64_t retry_wait_ms(int attempt, int64_t first_ms, double factor, int64_t maximum_ms, uint64_t random)
{
    int64_t limit = retry_limit_ms(attempt, first_ms, factor, maximum_ms);
    int64_t least = limit / 10;

    return least + (int64_t)(random % (uint64_t)(limit - least + 1));
}
