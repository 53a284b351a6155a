/* fields.h - a table row for every setting: the one place that knows its name, type, default, limits, unit and meaning.
 *
 * The same rows drive reading (YAML, environment, flags), defaults, error messages, help, and whatever is generated later (sample file, schema,
 * REST bodies). A value is kept in a struct at row.offset:
 *
 *   FIELD_STRING, FIELD_SECRET, FIELD_URL   char *  (owned, never NULL once defaults are set; a URL is in normal form)
 *   FIELD_BOOLEAN   bool            FIELD_INTEGER   int64_t         FIELD_NUMBER   double
 *   FIELD_SIZE      int64_t bytes ("8MiB", "512", "1GB")            FIELD_DURATION int64_t ms ("30s", "5m", "1h", "7d", or seconds)
 *   FIELD_CHOICE    int, the index into choices                     FIELD_LIST     struct field_list */
#ifndef MC_BASE_FIELDS_H
#define MC_BASE_FIELDS_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_STRING, FIELD_SECRET, FIELD_URL, FIELD_BOOLEAN, FIELD_INTEGER, FIELD_NUMBER, FIELD_SIZE, FIELD_DURATION, FIELD_CHOICE, FIELD_LIST
};

struct field_list {
    char **items; /* owned */
    size_t count;
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    const char *fallback;           /* default, as text */
    double min, max;                /* of numbers, in the field's own unit (bytes, ms); both 0: no limits */
    const char *const *choices;     /* NULL-terminated */
    const char *only;               /* the one value that this release takes; others are refused with why */
    const char *why;
    const char *help;
    bool required;
};

enum field_group_kind {
    GROUP_ONE,                      /* a mapping */
    GROUP_LIST,                     /* a sequence of mappings: struct field_array at offset */
    GROUP_MAP                       /* a mapping of names to mappings: likewise; the name goes to name_offset */
};

struct field_array {
    void *items;                    /* owned; count structs of group->size */
    size_t count;
};

struct field_group {
    const char *name;
    enum field_group_kind kind;
    const struct field *fields;
    size_t field_count;
    const struct field_group *const *groups; /* NULL-terminated; NULL: none */
    size_t offset;                  /* ONE: of the sub-struct; LIST, MAP: of the struct field_array */
    size_t size;                    /* LIST, MAP: of one item */
    size_t name_offset;             /* MAP: where the char * name is kept */
    bool is_list_too;               /* ONE: may also be written as a list of its fields */
    const char *why;                /* of a group without fields: why nothing may stand in it */
    const char *help;
};

/* Sets defaults everywhere (lists and maps empty). record is zeroed memory or freed. */
void fields_set_defaults(const struct field_group *group, void *record);
void fields_free(const struct field_group *group, void *record);

/* One value from its text; the old one stays on failure. -1 with a message that quotes the value and says what is expected, without naming
 * the field. */
int field_set(const struct field *field, void *record, const char *text, struct error *err);
/* The same for a value that nobody may see: it came out of a variable or a file of secrets, so the message does not quote it. field_set
 * treats secrets so by itself. */
int field_set_unseen(const struct field *field, void *record, const char *text, struct error *err);
void field_list_add(struct field_list *list, const char *item);
void *field_array_add(const struct field_group *group, void *record); /* a new item with its defaults */

/* The value as text for people; secrets as ***. */
void field_print(const struct field *field, const void *record, struct text *out);
const char *field_type_words(const struct field *field); /* "a duration such as 30s or 5m" */

const struct field *fields_find(const struct field_group *group, const char *name);
const struct field_group *fields_find_group(const struct field_group *group, const char *name);
/* The known name (field or group) nearest to a misspelt one; NULL when none is near. */
const char *fields_nearest(const struct field_group *group, const char *name);
/* How many letters are to change, drop, add or swap; for "did you mean". */
size_t edit_distance(const char *a, const char *b);

#endif
