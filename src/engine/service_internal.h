/* service_internal.h - what the files of the service share: service.c (life, the scheduler's and the engine's calls), service_orders.c (mailbox),
 * service_board.c (what readers see). Only service_order's queue and the board are touched by other threads, each under its own mutex. */
#ifndef MC_ENGINE_SERVICE_INTERNAL_H
#define MC_ENGINE_SERVICE_INTERNAL_H

#include "base/json_write.h"
#include "engine/engine_internal.h"
#include "engine/service.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    IDLE_TURN_MS = 5000,        /* a turn at least so often: what nobody tells of (disk, clock) is noticed */
    PROGRESS_EVENT_MS = 1000,   /* run.progress on the bus, of each run */
    BOARD_TARGET_MS = 200,      /* how servers are is looked at so often */
    ORDER_PATIENCE_MS = 10 * 1000,
    EVENTS_WAITING_MAXIMUM = 1000,
};

/* A place for a connector; its number is the index into the engine's settings and the id of its job. Never moves. */
struct place {
    struct service *service;
    size_t index;
    bool is_used;
    struct service_connector connector;
    int64_t version;
    struct scheduler_job *job;
    struct run_options asked;       /* by the trigger that waits or has begun */
    bool is_asked;
    struct run *run;                /* under way; NULL */
    int64_t progress_mono;          /* no run.progress before */
    struct place_alerts *alerts;    /* service_alerts.c; NULL: nothing was ever told */
    bool has_news;                  /* a run ended: alerts look at it at once */
    struct run_counts before;       /* totals of ended runs */
    struct connector_board board;   /* guarded by service->board_mutex */
};

struct waiting_event {
    enum bus_kind kind;
    char connector[65];
    struct text json;
};

/* A target that no connector names any more, and whom its strings belong to. */
struct left_target {
    bool is_left;
    void *owner;
    void (*owner_free)(void *owner);
};

struct service {
    struct service_settings settings;
    struct engine_settings engine_settings; /* connectors: one per place; targets and sources: those of settings, then endpoint_maximum places (name NULL: free) */
    struct engine_target *target_places;
    struct engine_source *source_places;
    size_t first_target, first_source;      /* of the places that are not the settings' */
    struct left_target *left;               /* of each such target */
    struct engine_connector *connectors;
    size_t connector_capacity;
    const struct world *world;
    struct state *state;
    struct engine *engine;
    struct sync_request request;    /* the engine's: events go to the service */
    struct scheduler *scheduler;
    bool scheduler_is_open;
    struct service_alerts *alerts;  /* NULL: off */

    struct place **places;
    size_t place_count, place_capacity;

    struct waiting_event *events;   /* of what is not durable yet */
    size_t event_count, event_capacity;
    int64_t events_dropped;

    pthread_mutex_t order_mutex;
    pthread_cond_t order_done;
    struct ticket *first_ticket, *last_ticket;
    bool takes_orders;

    pthread_mutex_t board_mutex;
    struct service_board board;
    struct place **sorted;          /* by id */
    size_t sorted_count, sorted_capacity;
    struct target_board *targets;
    int64_t targets_mono;
    atomic_llong turned_mono;
    int64_t clean_from_ms;          /* wall clock: when that was planned */
    int64_t clean_at_ms;            /* wall clock: when what ended long ago is removed next */
};

static inline struct scheduler_now service_now(const struct service *service)
{
    return (struct scheduler_now){ service->engine->now.wall_ms, service->engine->now.mono_ms };
}

/* ---- service.c ---- */
struct place *service_find_place(struct service *service, const char *id);
/* Takes the connector over (on success): registers it, plans it. job NULL: new. */
int service_add_place(struct service *service, struct service_connector *connector, const struct job_row *job, struct place **ret_place, struct error *err);
void service_change_place(struct place *place, struct service_connector *connector);
void service_remove_place(struct place *place);
void service_event(struct service *service, enum bus_kind kind, const char *connector, void (*write)(struct json_writer *writer, const void *context),
                   const void *context);

/* ---- service_endpoints.c ---- */
void endpoints_init(struct service *service);
void endpoints_done(struct service *service);
/* old: what fresh comes in place of, or NULL. */
bool endpoints_have_room(const struct service *service, const struct service_connector *fresh, const struct service_connector *old);
/* Its servers get places, and engine.source and engine.target their indexes. What stood there under the same name is stopped. */
int endpoints_take(struct service *service, struct service_connector *connector, const struct service_connector *old, struct error *err);
/* What was just taken; its strings stay the caller's. */
void endpoints_give_back(struct service *service, const struct service_connector *connector);
/* The connector is gone or has other servers. A target that still has something on its way takes over old's owner. */
void endpoints_leave(struct service *service, struct service_connector *old);
void endpoints_sweep(struct service *service);       /* places of targets where nothing is left to do become free */

/* ---- service_orders.c ---- */
const char *service_source_name(const struct engine_settings *settings, const struct service_connector *connector); /* its own, or one of settings */
const char *service_target_url(const struct engine_settings *settings, const struct service_connector *connector);
void service_take_orders(struct service *service);   /* carries out what waits; the answers are held back ... */
void service_answer_orders(struct service *service); /* ... until they are durable, or the state has failed */
void service_close_orders(struct service *service);

/* ---- service_alerts.c ---- */
int service_alerts_open(struct service *service, struct error *err); /* what was told before */
void service_alerts_look(struct service *service);    /* before the commit of a turn */
void service_alerts_deliver(struct service *service); /* behind it */
int64_t service_alerts_next_mono(struct service *service);
void service_alerts_forget(struct place *place);      /* the connector is deleted */
void service_alerts_free_place(struct place *place);
void service_alerts_close(struct service *service);

/* ---- service_clean.c ---- */
int service_clean_open(struct service *service, struct error *err);
void service_clean(struct service *service); /* behind the commit of a turn */

/* ---- service_board.c ---- */
void board_init(struct service *service);
void board_done(struct service *service);
void board_add(struct place *place);      /* under its id */
void board_remove(struct place *place);
void board_describe(struct place *place); /* what its definition says */
void board_plan(struct place *place);     /* what its schedule says */
void board_run(struct place *place, const struct engine_event *places); /* the run under way; NULL: only the counts */
void board_run_ended(struct place *place, const struct run *run);
void board_last_success(struct place *place, int64_t finished_ms);
void board_failures(struct place *place, int64_t failures);
void board_missed(struct place *place, enum scheduler_miss why, int64_t count);
void board_look_at_targets(struct service *service);
void board_name_target(struct service *service, size_t index);
void board_clear_target(struct service *service, size_t index);

#endif
