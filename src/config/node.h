/* node.h - a YAML document as a tree that remembers where each value came from. */
#ifndef MC_CONFIG_NODE_H
#define MC_CONFIG_NODE_H

#include "base/auto.h"
#include "config/config.h"

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_kind kind;
    char *key;                 /* in a map; NULL else */
    char *text;                /* of a scalar; NULL: null (plain empty or ~) */
    char *origin;              /* "config.yaml:3:5", "environment MEMORY_CONNECTOR_...", "--lightrag-url" */
    struct node *children;
    size_t count, capacity;
};

void node_done(struct node *node);
AUTO_DEFINE_DONE(node)
struct node *node_find(const struct node *map, const char *key);
struct node *node_add(struct node *parent, const char *key, const char *origin);
/* Puts a scalar at a path of names, made where missing; a number picks an element of a list. false: the path does not fit what is there. */
bool node_put(struct node *root, const char *const *path, size_t depth, const char *value, const char *origin);

/* Parses text into *root (a map). Problems are added; -1 when there is no usable tree. */
int node_parse_yaml(const char *file, const char *text, size_t size, struct node *root, struct config_problems *problems);

void config_problem_add(struct config_problems *problems, bool is_warning, const char *format, ...) MC_PRINTF(3, 4);

/* The environment: the process's, over those of a .env file. */
struct config_environment {
    char **names, **values;    /* of the .env file */
    size_t count;
};
void config_environment_read(struct config_environment *environment, const char *path, struct config_problems *problems);
void config_environment_done(struct config_environment *environment);
const char *config_environment_get(const struct config_environment *environment, const char *name);
/* Expands ${...} in every scalar of the tree. */
void config_expand(struct node *node, const struct config_environment *environment, const char *path, struct config_problems *problems);
/* MEMORY_CONNECTOR_A__B=value into the tree. */
void config_put_environment(struct node *root, const struct config_environment *environment, struct config_problems *problems);

/* The tree into the record, by the tables. */
void config_bind(const struct field_group *group, void *record, const struct node *node, const char *path, struct config_problems *problems);

#endif
