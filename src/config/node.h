/* node.h - a configuration as a tree that remembers where each value came from.
 *
 * Three hands fill it, one after the other: the YAML file, the environment, the flags; a later one replaces what an earlier one said. Then ${...} is
 * expanded and the tables (base/fields.h) read it. */
#ifndef MC_CONFIG_NODE_H
#define MC_CONFIG_NODE_H

#include "base/auto.h"
#include "config/config.h"

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_kind kind;
    char *key;                 /* in a map; NULL else */
    char *text;                /* of a scalar; NULL: null (plain empty or ~) */
    char *source;              /* "config.yaml", "environment MEMORY_CONNECTOR_...", "--lightrag-url"; NULL: nobody said it */
    size_t line, column;       /* from 1; 0 where source has no lines */
    size_t key_line, key_column;
    bool is_literal;           /* from environment or flag: a "${" in it means itself */
    bool is_unseen;            /* holds the value of a variable: not for messages */
    const char *remark;        /* a constant, written behind the value as a comment (config_convert); NULL: none */
    struct node *children;
    size_t count, capacity;
};

void node_done(struct node *node);
AUTO_DEFINE_DONE(node)
struct node *node_find(const struct node *map, const char *key);
/* A new child, empty; of a list without a key. Moves its brothers in memory. */
struct node *node_add(struct node *parent, const char *key, const char *source);
/* The node at "connectors[0].id", or the last one on the way there that exists. */
const struct node *node_at(const struct node *root, const char *path, bool *ret_is_exact);
/* Puts a scalar at a path of names, made where missing; a number picks an element of a list. Names match as they are or, as variables have to
 * write them, in lower case with "_" for "-" and ".". false: the path does not fit what is there. */
bool node_put(struct node *root, const char *const *path, size_t depth, const char *value, const char *source);

/* Parses text into *root (a map). Problems are added; -1 when there is no usable tree. */
int node_parse_yaml(const char *file, const char *text, size_t size, struct node *root, struct config_problems *problems);

/* What is wrong with the node, and at which path; both may be missing (NULL, ""). */
void config_error(struct config_problems *problems, const struct node *node, const char *path, const char *format, ...) MC_PRINTF(4, 5);
void config_warning(struct config_problems *problems, const struct node *node, const char *path, const char *format, ...) MC_PRINTF(4, 5);
/* Everybody can read that file, and it holds keys. */
void config_warn_of_open_file(struct config_problems *problems, const struct node *node, const char *path, const char *file);

/* The environment: variables[] ("NAME=value", NULL-terminated, borrowed), over those of a .env file. */
struct config_environment {
    const char *const *variables;
    char **names, **values;    /* of the .env file */
    size_t count;
};
void config_environment_read(struct config_environment *environment, const char *path, struct config_problems *problems);
void config_environment_done(struct config_environment *environment);
AUTO_DEFINE_DONE(config_environment)
const char *config_environment_get(const struct config_environment *environment, const char *name);         /* NULL: not set */
const char *config_environment_get_process(const struct config_environment *environment, const char *name); /* without .env */
/* Expands ${...} in every scalar of the tree. */
void config_expand(struct node *node, const struct config_environment *environment, const char *path, struct config_problems *problems);
/* MEMORY_CONNECTOR_A__B=value into the tree. */
void config_put_environment(struct node *root, const struct config_environment *environment, struct config_problems *problems);

/* The tree into the record, by the tables. */
struct config_binder {
    const struct config_environment *environment;
    struct config_problems *problems;
    bool has_plain_secret;     /* out: a secret stands in the file itself */
};
void config_bind(struct config_binder *binder, const struct field_group *group, void *record, const struct node *node, const char *path);

/* Schedules of type auto become what is given beside it. */
void config_choose_schedules(const struct field_array *connectors, const struct node *root, struct config_problems *problems);

/* What the tables cannot say: how settings fit each other. */
void config_check(const struct config *config, const struct node *root, struct config_problems *problems);
void config_check_api(const struct config *config, const struct node *root, struct config_problems *problems);
/* Of one connector: template and filter. */
void config_check_memories(const struct connector_settings *connector, size_t index, const struct node *root, struct config_problems *problems);
/* What the engine takes; config must be free of errors. */
void config_make_engine(struct config *config);

/* Targets and sources by number: 0 is the default section. */
const struct lightrag_settings *config_target(const struct config *config, size_t index);
const struct memory_api_settings *config_source(const struct config *config, size_t index);
const char *config_target_name(const struct config *config, size_t index);
const char *config_source_name(const struct config *config, size_t index);
/* The number of a name; SIZE_MAX: there is none, and *ret_nearest is what may be meant (or NULL). */
size_t config_find_target(const struct config *config, const char *name, const char **ret_nearest);
size_t config_find_source(const struct config *config, const char *name, const char **ret_nearest);

#endif
