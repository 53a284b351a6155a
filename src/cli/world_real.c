#include "cli/world_real.h"

#include "base/clock.h"

static int64_t wall_ms(void *self)
{
    (void)self;
    return clock_wall_ms();
}

static int64_t monotonic_ms(void *self)
{
    (void)self;
    return clock_monotonic_ms();
}

static uint64_t chance(void *self)
{
    (void)self;
    return clock_random();
}

int world_real_open(struct world_real *real, struct error *err)
{
    *real = (struct world_real){ 0 };
    if (http_client_new(&real->client, err) < 0)
        return -1;
    real->world = (struct world){ .wall_ms = wall_ms, .monotonic_ms = monotonic_ms, .random = chance, .http = http_client_http(real->client) };
    return 0;
}

void world_real_done(struct world_real *real)
{
    http_client_free(real->client);
    real->client = NULL;
}
