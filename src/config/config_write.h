/* config_write.h - the tables of settings, written out: a commented sample, a JSON Schema, and what a configuration came to. */
#ifndef MC_CONFIG_CONFIG_WRITE_H
#define MC_CONFIG_CONFIG_WRITE_H

#include "config/config.h"

/* A configuration to begin with: what has to be looked at stands there, everything else as a comment with its default; without the "#" in front of it
 * such a line is as it has to be. configs/config.yaml is this. */
void config_write_sample(struct text *out);

/* JSON Schema 2020-12 of a configuration file, for editors. configs/config.schema.json is this. */
void config_write_schema(struct text *out);

/* Every setting as it is after file, environment and flags, as YAML that can be read again; secrets are "***". with_origin: behind each where it came
 * from (config_origin). */
void config_write_settings(const struct config *config, bool with_origin, struct text *out);

/* The same one by one: path ("lightrag.api.url"), value as text, origin. */
void config_each_setting(const struct config *config, void (*each)(void *context, const char *path, const char *value, const char *origin), void *context);

/* One value of a file, quoted where YAML wants that. is_literal: a "${" in it means itself. */
void config_write_scalar(struct text *out, const struct field *field, const char *value, bool is_literal);

#endif
