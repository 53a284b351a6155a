/* config_convert_internal.h - what the files of a conversion share. */
#ifndef MC_CONFIG_CONFIG_CONVERT_INTERNAL_H
#define MC_CONFIG_CONFIG_CONVERT_INTERNAL_H

#include "config/config_convert.h"
#include "config/node.h"

struct converter {
    const char *file, *zone;
    struct conversion *out;
    struct node *root;         /* the new tree; its nodes have their places in the old file */
    struct node *connector;    /* of the new tree, under way; NULL: none */
    size_t known;              /* settings that either program has */
    bool has_go, has_foreign;  /* something only the Go program has; something ours does not take so */
    bool has_memcon;           /* variables named as the Go program's: they tell the two old shapes apart, but ours may read them too */
};

/* ---- config_convert.c ---- */

bool convert_is_row_below(const char *table_path);
/* false: no row says what becomes of this setting. table_path: as path, but in small letters and without the numbers of lists. */
bool convert_apply_rows(struct converter *converter, const struct node *old, const char *table_path, const char *path);
/* The setting at old, to a path of ours ("connectors.schedule.cron" is that of the connector under way); remark is a constant or NULL. */
void convert_take_to(struct converter *converter, const char *to, const struct node *old, const char *path, const char *remark);

/* ---- config_convert_walk.c ---- */

void convert_walk(struct converter *converter, const struct node *map, const char *table_path, const char *path);
/* The group that a path of ours names; *ret_field (else NULL) when its last name is a field of that group. NULL: there is none. */
const struct field_group *convert_find_group(const char *path, const struct field **ret_field);
const struct field *convert_find_field(const char *path);
struct node *convert_place_for(struct converter *converter, const char *to); /* made where missing */
/* A copy of old there. NULL: another has been written there already, and that was said. */
struct node *convert_put(struct converter *converter, const char *to, const struct node *old, const char *path);
bool convert_is_blank(const struct node *old); /* nothing stands there */
struct node convert_name_place(const struct node *old); /* where its name stands, for notes */
/* place NULL: it stands nowhere. key: a constant that joins notes, or NULL. */
void convert_add_note(struct converter *converter, enum convert_kind kind, const struct node *place, const char *path, const char *key, const char *format, ...)
    MC_PRINTF(6, 7);
/* A scalar at a path of names below map, made where missing; one that is there is replaced. */
struct node *convert_set(struct node *map, const char *path, const char *value);
void convert_copy(struct node *to, const struct node *from); /* key of to stays */

/* ---- config_convert_value.c: texts ---- */

bool convert_has_reference(const char *text);          /* ${NAME}, ${NAME:-...} or ${NAME:?...} in it */
/* A text as ours has to write it: references as they are, $NAME as ${NAME}, any other "${" as a literal one. Owned by the caller.
 * is_optional: ${NAME} becomes ${NAME:-}, so that it may be unset. *ret_is_changed: not only that. */
char *convert_text(const char *text, bool is_optional, bool *ret_is_changed);
void convert_add_variables(struct conversion *conversion, const char *text);
/* A value for a field: words for true and false, other names of levels, numbers brought into the range. NULL: ours has nothing for it, take the default.
 * *ret_message (owned by the caller) says what was changed; NULL: nothing worth telling. */
char *convert_value(const struct field *field, const char *text, char **ret_message);
char *convert_id(const char *text);                    /* a connector's id with only what ours allows */
/* Where ours keeps its state: beside that of the old program, never in its place. NULL: cannot be told. */
char *convert_state_path(const char *old, bool is_folder, bool is_json);

/* ---- config_convert_finish.c ---- */

/* Adds what the old programs took for granted, then takes out what ours would refuse, until nothing is refused. -1 with problems: something is missing. */
int convert_finish(struct converter *converter, struct config_problems *problems);

/* ---- config_convert_write.c ---- */

void convert_write(const struct converter *converter);

#endif
