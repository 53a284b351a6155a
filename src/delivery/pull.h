/* pull.h - what a listing of the source means for a memory: the third table of delivery.
 *
 * Pure: a row of the state (or none) and what was seen of the memory go in, what to do with it comes out. */
#ifndef MC_DELIVERY_PULL_H
#define MC_DELIVERY_PULL_H

#include "delivery/record.h"

enum pull_seen {
    PULL_SAME,       /* the revision that we know; where a newer one waits, that one */
    PULL_BACK,       /* the revision of its row, although another one or none is wanted by now */
    PULL_NEWER,      /* another revision, with a text worth sending */
    PULL_EMPTY,      /* another revision, empty or filtered */
    PULL_FORCED,     /* a person wants it sent again (sync --force), in whatever revision it is */
    PULL_ABSENT,     /* not in two complete listings, and removing is allowed */
    PULL_SEEN
};

enum pull_action {
    PULL_NOTHING,
    PULL_COUNT_UNCHANGED,
    PULL_COUNT_CHANGED,  /* counted; what the server holds stays */
    PULL_ADD,            /* a new row, QUEUED, with its text */
    PULL_ADD_SKIPPED,    /* a new row, SKIPPED */
    PULL_REPLACE,        /* its text takes the place of the queued one; QUEUED */
    PULL_REPLACE_DEAD,   /* a dead one: queued when no row of the server can hold its name, else as REMOVE_NEWER */
    PULL_SKIP,           /* QUEUED or SKIPPED: SKIPPED in this revision */
    PULL_WANT_NEWER,     /* one revision in flight: this one waits beside it */
    PULL_WANT_GONE,      /* in flight: removed when it is settled */
    PULL_WANT_NOTHING,   /* what waited is not wanted any more */
    PULL_REMOVE_NEWER,   /* REMOVING with the new text: the server's rows go, then it is sent */
    PULL_REMOVE_GONE,    /* REMOVING: the server's rows go, then GONE */
    PULL_FORGET,         /* nothing of it is at the server: GONE */
};

struct pull_transition {
    enum pull_action action;
    const char *why;
};

extern const struct pull_transition pull_table[MEMORY_STATES][PULL_SEEN];

/* The table's action; with on_update keep, what would replace something at the server is only counted. */
enum pull_action pull_decide(enum memory_state state, enum pull_seen seen, bool replaces);

/* May a newer revision of a dead memory be sent without looking? Only where the server refused the old one, so that no row of it is there. */
bool pull_dead_class_is_absent(enum dead_class dead_class);

const char *pull_seen_name(enum pull_seen seen);
const char *pull_action_name(enum pull_action action);

#endif
