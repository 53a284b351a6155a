/* bus.h - what happens, for everybody who listens: one writer (the engine's thread), many readers.
 *
 * The last events are kept in a ring; each has a number that grows by one, also across restarts (it begins with the time of the start), so that a
 * listener who comes back with the number of the last event that it saw goes on behind it, or learns that it missed some. Publishing never
 * waits for a reader: who is slower than the ring is long has missed what was overwritten.
 *
 * An event is a kind (a name of the table below), the connector it is about ("" none) and one JSON object as text. No transcripts, no secrets. */
#ifndef MC_ENGINE_BUS_H
#define MC_ENGINE_BUS_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bus_kind {
    BUS_RUN_STARTED,     /* "run.started" */
    BUS_RUN_PROGRESS,    /* "run.progress": at most every second and run, and whenever a phase ends */
    BUS_ITEM_FAILED,     /* "item.failed" */
    BUS_RUN_FINISHED,    /* "run.finished" */
    BUS_RUN_MISSED,      /* "run.missed": ticks of a schedule that did not become runs, and why */
    BUS_CONNECTOR,       /* "connector.changed": created, changed, deleted, paused, resumed */
    BUS_ALERT,           /* "alert" */
    BUS_NOTICE,          /* "notice": words for people */
    BUS_KINDS
};
const char *bus_kind_name(enum bus_kind kind);

struct bus;
struct bus *bus_new(size_t capacity, int64_t now_ms); /* events kept, at least 16 */
void bus_free(struct bus *bus);                       /* no reader and no writer is left */
AUTO_DEFINE(bus)

/* json: one object, without line ends. Truncated events do not exist: more than 64 KiB is refused (and logged). */
void bus_publish(struct bus *bus, enum bus_kind kind, const char *connector, const char *json, size_t size);

struct bus_event {
    int64_t number;
    enum bus_kind kind;
    char connector[65];
    struct text json;
};

/* The first event behind after. 1: there it is (json is replaced), 0: none yet. *ret_missed: some between after and it were overwritten. */
int bus_read(struct bus *bus, int64_t after, struct bus_event *event, bool *ret_missed);
int64_t bus_last(struct bus *bus); /* number of the newest event; readers who want only new ones begin there */

/* Called after each publishing, in the writer's thread, outside of the bus's lock: to wake who waits. At most 8 of them; may not publish. */
void bus_listen(struct bus *bus, void (*wake)(void *context), void *context);
void bus_unlisten(struct bus *bus, void *context);

#endif
