/* connectors.h - all connectors there are: those of the configuration file, then those that were made by API and are in the state, by id. */
#ifndef MC_CLI_CONNECTORS_H
#define MC_CLI_CONNECTORS_H

#include "config/config.h"
#include "engine/service.h"

struct connectors {
    struct service_connector *items;
    size_t count, capacity;
};

/* state may be NULL. Those made by API that do not fit the configuration any more (their target is gone) are named in the log and stay in the state. config must outlive
 * them. */
int connectors_make(struct connectors *connectors, const struct config *config, struct state *state, struct error *err);
/* Where it sends to; borrowed. */
const struct engine_target *connectors_target(const struct config *config, const struct service_connector *connector);
/* Is there one of that id among those made by API? */
int connectors_are_stored(struct state *state, const char *id, bool *ret_stored, struct error *err);
void connectors_done(struct connectors *connectors); /* with what nobody took over */
AUTO_DEFINE_DONE(connectors)

#endif
