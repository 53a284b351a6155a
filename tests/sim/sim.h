/* sim.h - the deterministic simulation: a week of faults thrown at the very loop that ships (src/engine) with the real SQLite code in memory.
 *
 * What is simulated is only what struct world names: the wall clock, the monotonic clock, chance and the network. The network leads to the pure
 * cores of the fake servers (src/fakes). http_poll moves the virtual clock to the next event; nothing ever sleeps, and nothing but the seed decides.
 *
 *     sim_trace.c    the trace, its hash, the words of a failure; chance
 *     sim_plan.c     from a seed: the configuration, the memories, the faults
 *     sim_source.c   the memories of the source and their history
 *     sim_net.c      the network under struct http: requests on their way, lost answers, late requests
 *     sim_world.c    what happens to the servers and the clock by itself
 *     sim_crash.c    the state, its durable steps, and crashes of ours at them
 *     sim_check.c    what must hold at every step, and at the end
 *     sim_orders.c   orders that come in the middle of a sync
 *     sim_week.c     one seed from its beginning to its end
 *     simulate.c     many seeds, named seeds, shrinking */
#ifndef MC_TESTS_SIM_H
#define MC_TESTS_SIM_H

#include "base/mem.h"
#include "base/world.h"
#include "engine/engine.h"
#define TRACK_SIZE FAKE_TRACK_SIZE /* the fake's is another than the program's */
#include "fakes/fake_lightrag_internal.h"
#undef TRACK_SIZE
#include "fakes/fake_memory_api.h"
#include "state/state_internal.h"

/* ---- Chance: a stream for each component, so that a change in one leaves the others' traces alone ---- */

enum sim_stream { CHANCE_SOURCE, CHANCE_NET, CHANCE_CRASH, CHANCE_ENGINE, CHANCE_STREAMS };

/* ---- What may go wrong. Each can be turned off by itself; shrinking does that. ---- */

enum sim_class {
    SIM_REFUSED,     /* connections refused */
    SIM_LOST_ANSWER, /* the server did it, and nobody was told */
    SIM_LOST_REQUEST,
    SIM_LATE,        /* a request arrives after its client gave up */
    SIM_CUT_LIST,    /* listings of the source break off */
    SIM_SOURCE_DOWN, /* ... or answer 500, 503, 429, HTML */
    SIM_STATUS,      /* LightRAG answers 429, 503, 500, HTML, unknown words */
    SIM_BUSY,
    SIM_SLOW_STORE,
    SIM_SLOW_MODEL,
    SIM_RESTART,     /* accepted and not stored: lost */
    SIM_OUTAGE,      /* LightRAG is away for a while */
    SIM_WIPE,        /* LightRAG's storage is emptied */
    SIM_FAILING,     /* texts that the model refuses, once or for ever */
    SIM_POISON,      /* texts that are answered 500 */
    SIM_HOLLOW,      /* texts that are processed without a chunk */
    SIM_MALFORMED,   /* elements that are no memories, and blank ones */
    SIM_REPEATED,    /* the same element twice in one listing */
    SIM_CHANGES,
    SIM_DELETIONS,   /* memories go from the source, and some come back */
    SIM_LOST_DELETE, /* LightRAG says that it deletes, and does not */
    SIM_FOREIGN,     /* documents of others, some under our names */
    SIM_KEY,         /* our key is revoked for a while */
    SIM_CLOCK,       /* the wall clock jumps */
    SIM_STOP,        /* somebody ends a sync, politely or not */
    SIM_OPERATOR,    /* somebody verifies, repairs, retries dead letters, forgets memories */
    SIM_ORDERS,      /* somebody resets, forces, retries dead letters in the middle of a sync */
    SIM_CRASH,       /* we crash, before and after durable steps */
    SIM_NAMELESS,    /* 1.4: documents without a source, so that pages with them cannot be read; somebody deletes them in the end */
    SIM_CLASSES
};
const char *sim_class_name(enum sim_class class);
bool sim_class_from_name(const char *name, size_t size, enum sim_class *ret_class);

/* A planted error, to prove that the simulation can fail. Errors planted in the program itself: docs/simulation.md. */
enum sim_mutation {
    MUTATION_NONE,
    MUTATION_FALSE_DONE,     /* LightRAG says processed of what is still pending */
    MUTATIONS
};
const char *sim_mutation_name(enum sim_mutation mutation);
bool sim_mutation_from_name(const char *name, enum sim_mutation *ret_mutation);

struct sim_options {
    uint32_t allowed;        /* bits of enum sim_class: what a seed may choose from */
    bool forced;             /* all of allowed, not a choice */
    int hours;               /* of the time with faults; 0: the seed's (a week) */
    bool prints;             /* the whole trace, as it happens */
    bool prints_log;         /* the program's own log too */
    enum sim_mutation mutation;
};

/* ---- A memory of the source ---- */

enum { SIM_ID = 200, SIM_MARKER = 240 };

enum sim_kind { KIND_GOOD, KIND_FAILING, KIND_POISON, KIND_HOLLOW, KIND_BLANK, KIND_MALFORMED };

struct sim_memory {
    int context;
    char id[SIM_ID];
    int version;             /* 1.. */
    enum sim_kind kind;      /* of this version */
    int copies;              /* in one listing */
    int64_t created_ms;
    bool is_there;           /* at the source now */
    bool is_ruined;          /* a stranger's document has its name */
    bool is_forgotten;       /* by an operator's word */
    bool was_away;           /* deleted once */
    bool was_reset;          /* forgotten by the state, whatever the source shows */
    int64_t there_since_ms;  /* or changed since */
};

/* ---- Requests on their way ---- */

enum fate { FATE_NORMAL, FATE_REFUSED, FATE_LOST_REQUEST, FATE_LOST_ANSWER, FATE_LATE };
enum client_end { CLIENT_TIMES_OUT, CLIENT_GETS_ANSWER, CLIENT_IS_RESET, CLIENT_IS_REFUSED };

struct exchange {
    http_id id;
    struct http_request request;     /* pointers are the client's: valid while is_ours */
    bool is_ours;                    /* the client still waits */
    bool is_underway;                /* it will still arrive */
    bool is_source, is_insert, is_paused;
    enum fate fate;
    int64_t arrives_ms, client_ms;
    enum client_end end;
    char *method, *path, *limit, *range, *key, *body;
    size_t body_size;
    char **names;                    /* documents of an insert */
    size_t name_count;
    bool has_answer;
    struct http_server_answer answer;
    int64_t retry_after_ms, answered_ms;
    size_t delivered;
};

struct sim_event { int64_t at_ms; int kind; int64_t value; };

struct sim_plan {
    uint32_t classes;                /* bits of enum sim_class */
    int hours;                       /* with faults */
    int period_h;                    /* hours between two syncs */
    int memories;                    /* that ever appear */
    int contexts;                    /* 1..3 */
    bool is_14, replaces, keeps_texts, audits, narrow;
    int fault_percent;               /* of requests, for each class that spoils requests */
    int64_t late_ms;                 /* how late a late request may be after its client gave up */
    int fail_times, crash_percent;
};

enum { TRACE_LINES = 30, TRACE_LINE = 220, CONTEXTS_MAXIMUM = 3, STEPS_OF_A_SYNC = 60000 };

struct sim {
    uint64_t seed;
    const struct sim_options *options;
    uint64_t chance[CHANCE_STREAMS];
    struct sim_plan plan;

    char lines[TRACE_LINES][TRACE_LINE];
    uint64_t line_count, hash;
    bool has_failed;
    char failure[600];

    /* time: the world's, in milliseconds since the start; the wall clock is that, a constant and the jumps */
    int64_t now_ms, jumped_ms;

    struct sim_memory *memories;
    size_t memory_count, memory_capacity;
    bool source_is_new;              /* the fake does not know yet */
    int born;

    struct http http;
    struct world world;
    struct exchange **exchanges;
    size_t exchange_count, exchange_capacity;
    http_id last_id;
    int steps;                       /* polls of this sync */
    bool is_quiet;                   /* no fault of the network or the server any more */

    struct fake_lightrag *lightrag;
    struct fake_memory_api *source;
    struct sim_event *events;
    size_t event_count, event_capacity, next_event;
    bool is_down;
    int64_t wipes;
    bool broke_off[CONTEXTS_MAXIMUM]; /* the last listing of a context did */

    struct state *state;
    sqlite3 *keeper;                 /* keeps the database in memory while nobody has it open */
    char path[64];
    int steps_to_crash;              /* durable steps; -1: none */
    bool is_dead;                    /* nothing of ours reaches disk or network any more */
    bool dies_after;                 /* the step still happens */
    const char *dies_at;             /* counted are only steps of this name; NULL: all */
    int64_t commits, crashes, sends;
    struct numbers { int64_t *items; size_t count, capacity; } dirty_memories, dirty_batches, touched;
    struct { char **items; size_t count, capacity; } processed; /* "name mark" that LightRAG has had as processed */

    struct engine_target target;
    struct engine_source source_settings;
    struct engine_connector connector;
    struct engine_settings settings;
    const char *contexts[CONTEXTS_MAXIMUM];
    struct engine *engine;           /* of the life under way */
    int64_t sync_began_ms;
    int steps_to_stop;               /* polls; -1: none */
    int steps_to_order;              /* turns; -1: none */
    bool was_ordered;                /* in this sync: the letters of its listings were answered */
    bool is_told_all;                /* the last verify: what differs is in findings */
    int64_t findings[AUDIT_KINDS];
    int64_t syncs, interrupted;
    int64_t inserted;                /* insert requests that left */
};

/* ---- sim_trace.c ---- */
void sim_trace(struct sim *sim, const char *format, ...) MC_PRINTF(2, 3);
void sim_fail(struct sim *sim, const char *format, ...) MC_PRINTF(2, 3); /* the first failure counts */
uint64_t sim_random(struct sim *sim, enum sim_stream stream);
int64_t sim_between(struct sim *sim, enum sim_stream stream, int64_t low, int64_t high); /* both included */
/* A fact of the seed: the same whatever was drawn before, so that what is added to the simulation later leaves old seeds nearly as they were. */
int64_t sim_draw(const struct sim *sim, const char *what, int64_t number, int64_t low, int64_t high);
bool sim_percent(struct sim *sim, enum sim_stream stream, int percent);
static inline bool sim_has(const struct sim *sim, enum sim_class class) { return (sim->plan.classes >> class & 1u) != 0; }

/* ---- sim_plan.c ---- */
void sim_make_plan(struct sim *sim);
void sim_make_settings(struct sim *sim);

/* ---- sim_source.c ---- */
int64_t sim_wall_ms(const struct sim *sim);    /* of our machine */
int64_t sim_server_ms(const struct sim *sim);  /* of the servers; never jumps */
void sim_source_change(struct sim *sim, int hour);
void sim_source_add(struct sim *sim);          /* a good one */
void sim_source_stir(struct sim *sim);         /* while a sync runs */
void sim_source_tell(struct sim *sim);         /* the fake gets what there is now */
void sim_memory_marker(const struct sim_memory *memory, int version, char ret_marker[SIM_MARKER]);

/* ---- sim_net.c ---- */
void sim_net_init(struct sim *sim);
void sim_net_done(struct sim *sim);
void sim_net_cut(struct sim *sim, bool ours_died);   /* the client's or the server's side is gone */
void sim_pass(struct sim *sim, int64_t until_ms);    /* time goes by while nothing of ours runs */
bool sim_is_underway(const struct sim *sim, const char *name, const struct exchange *but, bool also_late);

/* ---- sim_world.c ---- */
void sim_world_plan(struct sim *sim, int hour);      /* what happens within this hour */
void sim_world_step(struct sim *sim);                /* the events that are due */
int64_t sim_world_next(const struct sim *sim);       /* INT64_MAX: none */
void sim_world_calm(struct sim *sim);                /* everything works from now on */
void sim_delete_nameless(struct sim *sim);           /* documents without a source, those that were only accepted come later */
void sim_control(struct sim *sim, bool is_source, const char *format, ...) MC_PRINTF(3, 4);

/* ---- sim_crash.c ---- */
int sim_state_open(struct sim *sim);
void sim_state_close(struct sim *sim);
/* A durable step of ours is about to be done. true: do it (it may be the last one). */
bool sim_step(struct sim *sim, const char *what);
bool sim_is_dirty(const struct numbers *numbers, int64_t number);

/* ---- sim_check.c ---- */
void sim_check_insert(struct sim *sim, const struct exchange *exchange);
void sim_check_step(struct sim *sim);
void sim_check_sync(struct sim *sim, const struct sync_outcome *outcome); /* NULL: it was no sync */
void sim_check_end(struct sim *sim);
void sim_note_processed(struct sim *sim);
bool sim_is_settled(struct sim *sim);                /* nothing waits or is under way */

/* ---- sim_orders.c ---- */
void sim_orders_arm(struct sim *sim, int hour);      /* for the syncs of this hour */
void sim_orders_listen(struct sim *sim);             /* the engine of this life takes them */

/* ---- sim_week.c ---- */
void sim_run(struct sim *sim, uint64_t seed, const struct sim_options *options);
void sim_free(struct sim *sim);

#endif
