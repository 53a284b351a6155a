/* config_connector.h - a connector as JSON: the same tables and checks as under connectors: in the YAML file, for the management API and the state.
 *
 * A definition is the whole of it in normal form, with all defaults; durations and sizes as in the file ("1h", "8MiB"). Values are taken as they are:
 * ${...} means itself. Problems are those of config.h, all of them; their path is a JSON pointer ("/schedule/cron").
 *
 * Other than in the file a connector may bring its servers along, where the configuration allows it: memory_api instead of source, lightrag instead of
 * target, each with a url. A source of its own is named by its address ("inline-", 16 hex digits): documents bear that name, so they are found again by
 * whoever reads the same address. A target of its own is named by connector and address. Their secrets are in the stored definition only; in the shown one
 * each is ***, and *** that comes back keeps the stored one, as long as the address stays the same. */
#ifndef MC_CONFIG_CONNECTOR_H
#define MC_CONFIG_CONNECTOR_H

#include "base/json_write.h"
#include "config/config.h"
#include "engine/service.h"

/* What the service takes; with an owner of its own. Sources and targets are those of config, which must outlive it. before: the stored definition that it
 * comes in place of, or NULL. -1: problems say why. */
int config_connector_from_json(const struct config *config, const char *json, size_t size, const char *before, struct service_connector *ret_connector,
                               struct config_problems *problems);
/* The same of a connector of the file; its owner holds what the configuration does not. */
int config_connector_from_file(const struct config *config, size_t index, struct service_connector *ret_connector, struct error *err);
void config_connector_release(struct service_connector *connector); /* what nobody took over */

void config_connector_write(const struct connector_settings *settings, bool with_secrets, struct json_writer *writer); /* members into the open object */
/* A JSON merge patch (RFC 7396): the definition after it, not checked. -1: one of the two is no JSON. */
int config_connector_patch(const char *definition, const char *patch, size_t size, struct text *out, struct error *err);
/* JSON Schema, members into the open object: of settings that are sent, of a merge patch (nothing is required, null is a default), of what is shown
 * (everything is there, with managed_by). */
enum config_connector_form { CONFIG_CONNECTOR_SETTINGS, CONFIG_CONNECTOR_PATCH, CONFIG_CONNECTOR_SHOWN };
void config_connector_write_schema(struct json_writer *writer, enum config_connector_form form);

#endif
