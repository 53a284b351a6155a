/* state_foreign.h - what an older program remembers of its deliveries, read and never written: the state of the Go program (a JSON file for each connector in one
 * folder, or a SQLite database) and that of its design document (one JSON file). docs/state.md shows the shapes, and says where they come from.
 *
 * All of them say of a connector which memories LightRAG has "accepted", and which of them failed. That is all that is taken. The whole is read before
 * anything is done with it, so that a file that turns out to be damaged has changed nothing. */
#ifndef MC_STATE_STATE_FOREIGN_H
#define MC_STATE_STATE_FOREIGN_H

#include "base/error.h"
#include "base/text.h"
#include "memory/memory.h"

#include <stdint.h>

enum foreign_shape {
    FOREIGN_EXPORT,               /* not foreign: a file of state_export, or what its reader finds fault with */
    FOREIGN_JSON,                 /* a JSON file, or a folder of them */
    FOREIGN_SQLITE,
};

/* By its first bytes. -1: it is no file of anybody's that could be imported, or one of ours that is not imported but used. */
int foreign_recognise(const char *path, enum foreign_shape *ret_shape, struct error *err);

/* One connector and one context of it. */
struct foreign_list {
    char *place;                  /* the file, and what in it: for messages */
    char *connector;
    char *context;                /* "": it does not say */
    struct slice *ids;            /* memories that were accepted; sorted, each once */
    size_t count;
    int64_t failed;               /* memories that failed and were not accepted later */
    int64_t syncs;                /* runs that it remembers or counts */
};

struct foreign {
    struct foreign_list *lists;
    size_t count, capacity;
    int64_t bad;                  /* elements, rows and files that were left out */
    void (*tell)(void *context, const char *place, const char *why); /* told of each of these; may be NULL */
    void *context;
    void **docs;                  /* what the ids point into */
    size_t doc_count, doc_capacity;
};

/* Everything at path, into a struct that holds tell and context and nothing else. -1: nothing of it can be taken. */
int foreign_read(struct foreign *foreign, const char *path, enum foreign_shape shape, struct error *err);
void foreign_done(struct foreign *foreign);
AUTO_DEFINE_DONE(foreign)

/* ---- Between its files ---- */

struct yyjson_val;
/* An element that is left out. */
MC_PRINTF(3, 4) void foreign_leave_out(struct foreign *foreign, const char *place, const char *format, ...);
/* Parses, and keeps what comes out until foreign_done. NULL: it is no JSON; err says where. */
struct yyjson_val *foreign_parse(struct foreign *foreign, const char *bytes, size_t size, const char *what, struct error *err);
/* One connector's memories. accepted: an object of id: true, or an array of ids; failed: an array of objects with a memory_id, or an object with ids as
 * keys; either may be NULL. */
void foreign_add(struct foreign *foreign, const char *place, const char *connector, const char *context, struct yyjson_val *accepted, struct yyjson_val *failed,
                 int64_t syncs);
int foreign_read_sqlite(struct foreign *foreign, const char *path, struct error *err);

#endif
