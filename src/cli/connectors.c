#include "cli/connectors.h"

#include "base/log.h"
#include "base/mem.h"
#include "config/config_connector.h"

#include <string.h>

struct making {
    struct connectors *connectors;
    const struct config *config;
};

static void add(struct connectors *connectors, const struct service_connector *connector)
{
    connectors->items = mem_grow(connectors->items, connectors->count, &connectors->capacity, sizeof *connectors->items);
    connectors->items[connectors->count++] = *connector;
}

/* What the file says wins over what was made by API: who edits it knows what he wants. */
static bool is_taken(const struct making *making, const struct service_connector *fresh)
{
    size_t count = making->config->engine.connector_count;

    for (size_t i = 0; i < count; i++) {
        const struct service_connector *other = &making->connectors->items[i]; /* those of the file stand first */
        if (strcmp(other->engine.id, fresh->engine.id) == 0) {
            log_warn("cli", fresh->engine.id, "the connector of this name that was made by API is left out: the configuration file has one, too");
            return true;
        }
        if (!fresh->enabled || !other->enabled || !service_is_same_way(&making->config->engine, other, fresh))
            continue;
        for (size_t a = 0; a < fresh->engine.context_count; a++)
            for (size_t b = 0; b < other->engine.context_count; b++)
                if (strcmp(fresh->engine.contexts[a], other->engine.contexts[b]) == 0) {
                    log_warn("cli", fresh->engine.id, "this connector, made by API, is left out: connector %s of the configuration file carries its context, too",
                             other->engine.id);
                    return true;
                }
    }
    return false;
}

static const struct config_problem *first_error(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        if (!problems->items[i].is_warning)
            return &problems->items[i];
    return NULL;
}

static bool take_stored(void *context, const struct connector_row *row)
{
    struct making *making = context;
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    struct service_connector fresh = { 0 };

    if (config_connector_from_json(making->config, row->definition, strlen(row->definition), NULL, &fresh, &problems) < 0) {
        const struct config_problem *fault = first_error(&problems); /* warnings about other parts of the configuration may stand before it */
        log_warn("cli", row->id, "this connector, made by API, does not fit the configuration any more and is left out: %s: %s", fault != NULL ? fault->path : "",
                 fault != NULL ? fault->message : "it cannot be read");
        return true;
    }
    fresh.version = row->version;
    if (is_taken(making, &fresh))
        config_connector_release(&fresh);
    else
        add(making->connectors, &fresh);
    return true;
}

int connectors_make(struct connectors *connectors, const struct config *config, struct state *state, struct error *err)
{
    struct making making = { connectors, config };

    for (size_t i = 0; i < config->engine.connector_count; i++) {
        struct service_connector connector = { 0 };
        if (config_connector_from_file(config, i, &connector, err) < 0)
            return -1;
        add(connectors, &connector);
    }
    return state == NULL ? 0 : state_each_connector(state, take_stored, &making, err);
}

const struct engine_target *connectors_target(const struct config *config, const struct service_connector *connector)
{
    return connector->own_target != NULL ? connector->own_target : &config->engine.targets[connector->engine.target];
}

struct asking { const char *id; bool is_there; };

static bool compare(void *context, const struct connector_row *row)
{
    struct asking *asking = context;

    asking->is_there = strcmp(row->id, asking->id) == 0;
    return !asking->is_there;
}

int connectors_are_stored(struct state *state, const char *id, bool *ret_stored, struct error *err)
{
    struct asking asking = { .id = id };
    int result = state == NULL ? 0 : state_each_connector(state, compare, &asking, err);

    *ret_stored = asking.is_there;
    return result;
}

void connectors_done(struct connectors *connectors)
{
    for (size_t i = 0; i < connectors->count; i++)
        config_connector_release(&connectors->items[i]);
    mem_free(connectors->items);
}
