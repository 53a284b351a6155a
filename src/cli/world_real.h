/* world_real.h - the world of the program outside of tests: the machine's clocks, the kernel's chance, libcurl. */
#ifndef MC_CLI_WORLD_REAL_H
#define MC_CLI_WORLD_REAL_H

#include "base/http_client.h"
#include "base/world.h"

struct world_real {
    struct world world;
    struct http_client *client;
};

int world_real_open(struct world_real *real, struct error *err);
void world_real_done(struct world_real *real);
AUTO_DEFINE_DONE(world_real)

#endif
