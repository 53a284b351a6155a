/* world.h - everything the engine takes from outside: time, chance and the network. The simulation replaces all of it. */
#ifndef MC_BASE_WORLD_H
#define MC_BASE_WORLD_H

#include "base/http.h"

#include <stdint.h>

struct world {
    void *self;
    int64_t (*wall_ms)(void *self);      /* milliseconds since 1970, UTC; may jump */
    int64_t (*monotonic_ms)(void *self); /* never goes back */
    uint64_t (*random)(void *self);
    struct http *http;
};

static inline int64_t world_wall_ms(const struct world *world) { return world->wall_ms(world->self); }
static inline int64_t world_monotonic_ms(const struct world *world) { return world->monotonic_ms(world->self); }

/* Full jitter: evenly between 0 and limit_ms. */
static inline int64_t world_jitter_ms(const struct world *world, int64_t limit_ms)
{
    return limit_ms <= 0 ? 0 : (int64_t)(world->random(world->self) % (uint64_t)(limit_ms + 1));
}

#endif
