/* service.h - the engine as a service: every connector on its schedule, for months.
 *
 * One thread runs service_run: the scheduler is a step of the engine's loop, and whatever changes something comes through a mailbox (service_order)
 * and happens in that thread. Readers never go through it: rows are read from the state by connections of their own, and what is only known while the
 * service runs (who runs, how far, when next, how a server answers) lies in a board under a mutex that nobody holds for longer than a copy.
 *
 * Durable are: connectors that were created here (their definition as JSON), plans, pauses, runs that were decided and have not begun. After a crash a run
 * that was under way is "interrupted", and what it had sent is followed to the end by itself.
 *
 * Settings are borrowed and must outlive the service. Functions marked (any thread) may be called from any, also before and after service_run. */
#ifndef MC_ENGINE_SERVICE_H
#define MC_ENGINE_SERVICE_H

#include "engine/alerts.h"
#include "engine/bus.h"
#include "engine/engine.h"
#include "schedule/scheduler.h"

/* ---- Connectors ---- */

/* A connector as it is to run. engine's strings, zone and definition are borrowed from owner, which owner_free gives back; the service takes both
 * over with a successful order (or service_new) and keeps an older one until nothing uses it. */
struct service_connector {
    struct engine_connector engine;
    const struct engine_source *own_source; /* instead of engine.source: one that it brings along; from owner. NULL: engine.source counts */
    const struct engine_target *own_target; /* likewise */
    bool enabled;                    /* false: it is shown, and never runs */
    bool is_from_file;               /* only the file may change it */
    struct schedule schedule;
    const struct zone *zone;
    enum scheduler_overlap overlap;
    int64_t catch_up_ms, jitter_ms;
    int64_t version;                 /* of one from the state; else 1 */
    const char *definition;          /* its settings as JSON, normalised, without secrets */
    const char *stored;              /* the same with its secrets: for the state, and nobody else. NULL: definition */
    const char *schedule_words;      /* "every 15 minutes" */
    const char *description;
    void *owner;
    void (*owner_free)(void *owner);
};

/* Retention: docs/state.md. */
struct service_cleanup {
    struct schedule schedule;
    const struct zone *zone;
    int64_t retention_ms;
};

struct service_settings {
    const struct engine_settings *engine;     /* targets, sources and limits; its connectors are not looked at */
    struct service_connector *connectors;     /* of the file and of the state (state_each_connector); taken over */
    size_t connector_count;
    int max_concurrent;                       /* runs at once */
    int64_t job_timeout_ms;
    bool without_scheduler;                   /* nothing runs by schedule; triggers do */
    size_t endpoint_maximum;                  /* sources, and targets, that connectors may bring along */
    struct bus *bus;                          /* events go there */
    const struct alert_settings *alerts;      /* engine/alerts.h; NULL: nobody is told of troubles */
    const struct service_cleanup *cleanup;    /* NULL: nothing is removed by itself */
    int64_t turn_ms;                          /* a turn of the loop at least so often; 0: 5 s */
    void (*on_turn)(void *context);           /* in the service's thread, at the start of every turn: the first comes once plans
                                                 are known, and before anything runs; NULL */
    void *context;
};

struct service;
int service_new(const struct service_settings *settings, const struct world *world, struct state *state, struct service **ret_service,
                struct error *err);
void service_free(struct service *service);
AUTO_DEFINE(service)

/* Until service_stop; 0 when it ended as asked, -1 (ERROR_IO) when the state failed. */
int service_run(struct service *service, struct error *err);
/* (any thread, signal handlers) 1: no new runs, finish what is in flight within shutdown_timeout; 2: end now. */
void service_stop(struct service *service, int urgency);
/* (any thread) Has the loop turned within the last limit_ms? For watchdogs and /livez. */
bool service_is_alive(const struct service *service, int64_t limit_ms);

/* ---- Orders ---- */

enum order_kind {
    ORDER_TRIGGER,      /* connector, request: one run now; ret_run */
    ORDER_PAUSE,        /* connector, reason, until_ms */
    ORDER_RESUME,
    ORDER_CANCEL,       /* the run under way, or the one that waits */
    ORDER_CREATE,       /* fresh */
    ORDER_REPLACE,      /* connector, fresh (of the same id), version */
    ORDER_DELETE,       /* connector, version, purge */
    ORDER_RESET,        /* connector, memory_id (size 0: all): what was processed is forgotten; ret_count */
    ORDER_RETRY,        /* letters: dead letters are tried again; ret_count */
    ORDER_DISCARD,      /* letters; ret_count */
};

enum order_end {
    ORDER_DONE,
    ORDER_UNKNOWN,      /* no such connector */
    ORDER_CONFLICT,     /* a run is under way (ret_run), nothing to cancel, the id or its contexts are taken, managed by the file ... */
    ORDER_STALE,        /* another version than the one that was named; ret_version */
    ORDER_FAILED,       /* the state could not be written */
    ORDER_UNAVAILABLE,  /* the service is stopping, or did not answer in time: whether it was done is not known */
};

struct order {
    enum order_kind kind;
    const char *connector;
    int64_t version;                 /* 0: any */
    struct { const char *range; int64_t limit; bool dry_run, force; } request; /* range NULL, limit 0: the connector's */
    const char *trigger;             /* "api", "cli" */
    const char *reason;
    int64_t until_ms;
    bool purge;
    struct slice memory_id;
    struct letter_filter letters;
    struct service_connector fresh;  /* its owner is NULL once it is taken over, which it may be though the state fails then; else it is still the caller's */

    enum order_end end;
    char words[ERROR_MESSAGE_SIZE];  /* why not */
    int64_t ret_run;                 /* of TRIGGER: its number; 0 while it waits for a free place (see board: is_waiting) */
    int64_t ret_version, ret_count;
};

/* (any thread but the service's) Blocks until it is done and durable, at most ten seconds. */
enum order_end service_order(struct service *service, struct order *order);

/* ---- The board: what is so now (any thread) ---- */

struct run_board {
    int64_t run;                     /* 0: none is under way */
    int64_t started_ms;
    char trigger[16];
    bool is_dry;
    bool is_listing;                 /* the source is still being read */
    struct run_counts counts;
    int64_t queued, flying, stored, removing;
};

struct connector_board {
    char id[65];
    char description[120];
    char schedule_words[160];
    char source[65], target[65];
    int64_t version;                 /* grows with every change of its definition; its ETag */
    bool enabled, is_from_file;
    bool is_paused;
    int64_t paused_until_ms;         /* 0: until resumed */
    char pause_reason[SCHEDULER_REASON_SIZE];
    bool is_waiting;                 /* a run was decided and waits for a free place */
    enum scheduler_cause cause;      /* of the run that waits or is under way */
    bool has_next;
    int64_t next_ms;
    struct run_board current;
    /* since the program started */
    int64_t runs[RUN_RESULTS];
    int64_t missed[SCHEDULER_MISSES];
    int64_t failures_in_row;         /* runs that failed, since the last that did not; with alerts also those before this start */
    int64_t last_success_ms;         /* end of the last run that was a success or partial; 0: none; read from the state at the start */
    struct run_counts totals;        /* of ended runs and of the one under way */
    bool source_is_reachable;        /* as the last listing found it; true before the first */
    char source_error[240];
};

struct target_board {
    char name[65];
    char url[240];
    char version[48];                /* core_version; "" never seen */
    bool is_14;
    bool is_reachable;               /* condition well */
    char condition[24];              /* "well", "down", "denied", "fenced", "strange", ... */
    char words[240];                 /* why it is not well */
    bool is_busy;                    /* it says "not now" */
    char stalled[400];               /* why stored documents stay as they are; "" */
    int64_t queued, inserts_in_flight, unfinished; /* waiting here; requests; stored and not yet processed */
    int64_t seen_ms;                 /* last good answer */
    int64_t requests, failures;      /* since the program started */
};

struct service_board {
    int64_t started_ms;
    bool is_stopping, disk_is_short;
    size_t connectors, running, waiting, paused;
    char last_error[ERROR_MESSAGE_SIZE]; /* of the last run that failed; "" none */
    int64_t last_error_ms;
    bool scheduler_is_on;
};

void service_read(struct service *service, struct service_board *ret_board);
bool service_find(struct service *service, const char *id, struct connector_board *ret_board);
/* The next connector in order of ids behind after ("": the first). false: no more. */
bool service_next(struct service *service, const char *after, struct connector_board *ret_board);
/* Targets by index; false: no more. An empty name: a place for one that a connector brings along. */
bool service_target(struct service *service, size_t index, struct target_board *ret_board);
/* The definition, to be freed by the caller; NULL: no such connector. */
char *service_definition(struct service *service, const char *id, int64_t *ret_version, bool *ret_is_from_file);
/* As it is stored, with its secrets: to test its servers, and to keep what was not sent again. */
char *service_stored_definition(struct service *service, const char *id);

/* Would both fetch from one source and send to one server? They must not share a context then. Two names of one address are one server. */
bool service_is_same_way(const struct engine_settings *settings, const struct service_connector *one, const struct service_connector *other);

#endif
