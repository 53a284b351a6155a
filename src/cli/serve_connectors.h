/* serve_connectors.h - the connectors of the configuration file and of the state as the service runs them. */
#ifndef MC_CLI_SERVE_CONNECTORS_H
#define MC_CLI_SERVE_CONNECTORS_H

#include "config/config.h"
#include "engine/service.h"

struct serve_connectors {
    struct service_connector *items;
    size_t count, capacity;
};

/* Those made by API that do not fit the configuration any more (their target is gone) are named in the log and stay in the state. config must outlive
 * them. */
int serve_connectors_make(struct serve_connectors *connectors, const struct config *config, struct state *state, struct error *err);
void serve_connectors_done(struct serve_connectors *connectors); /* with what nobody took over */
AUTO_DEFINE_DONE(serve_connectors)

#endif
