/* config_connector_internal.h - what the files about connectors as JSON share: config_connector.c (from JSON), config_connector_write.c (to JSON, its schema),
 * config_connector_own.c (servers that a connector brings along). */
#ifndef MC_CONFIG_CONFIG_CONNECTOR_INTERNAL_H
#define MC_CONFIG_CONFIG_CONNECTOR_INTERNAL_H

#include "config/config_connector.h"
#include "config/node.h"

/* What a service's connector points to. */
struct owner {
    struct field_array settings;   /* one struct connector_settings; none: they are the configuration's */
    const char **contexts;
    struct transform_template *template;
    struct zone *zone;
    char words[200];
    char *definition;
    char *stored;                  /* with secrets; NULL: it has none */
    struct engine_source source;   /* of its own, where settings have one */
    struct engine_target target;
};

bool config_is_own_source(const struct field_group *group);
bool config_is_own_target(const struct field_group *group);

/* memory_api and lightrag of a connector that was just bound: are they allowed, complete, not among those of the configuration? Gives them names, and
 * secrets that were sent as *** the stored value (before: the stored definition, or NULL). */
void config_read_own(const struct config *config, const struct node *root, const char *before, struct connector_settings *settings, struct config_problems *problems);
/* The configuration with this connector alone, and its servers as the last of sources and targets: checks and the engine's part are made as for the file. */
struct config config_with_own(const struct config *config, const struct owner *owner);
void config_without_own(struct config *one, const struct config *config); /* gives back what that made */
/* The engine's part of its servers, out of one after config_make_engine. */
void config_keep_own(struct owner *owner, const struct config *one, const struct config *config);
/* The JSON pointer in place of the first ret_skipped bytes of a path: "" for "connectors[0]", "/memory_api" for "sources.NAME"; NULL: it is none of this
 * connector's. */
const char *config_own_prefix(const struct owner *owner, const char *path, size_t *ret_skipped);

#endif
