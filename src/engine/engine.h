/* engine.h - the one loop that runs everything: what is due, step the machines, commit all changes once, start requests, then the one
 * blocking point, http_poll.
 *
 * The engine owns targets (one per LightRAG server, with its delivery machine), listings under way (pull) and all writing to the state. It runs
 * in one thread. engine_sync runs the loop until the chosen connectors have nothing left to send, or (wait) to confirm.
 *
 * Settings are borrowed and must outlive the engine. The engine logs; it never prints. */
#ifndef MC_ENGINE_ENGINE_H
#define MC_ENGINE_ENGINE_H

#include "base/error.h"
#include "base/world.h"
#include "delivery/record.h"
#include "sink/sink.h"
#include "source/source.h"
#include "state/state.h"
#include "transform/transform.h"

#include <stdbool.h>
#include <stdint.h>

struct engine_target {
    const char *name;             /* "default" or a name from targets: */
    struct sink_settings sink;
    const char *workspace;        /* what /health must report; "" does not care */
    int batch_size;               /* documents per request */
    int max_unfinished;           /* stored and not yet processed, before sending pauses */
    int64_t poll_interval_ms;     /* upper end of the adaptive poll */
    int64_t settle_ms;            /* 0: auto */
    bool kick;                    /* confirm.kick: auto */
    int64_t kick_interval_ms;
    int64_t give_up_after_ms;
    int64_t audit_interval_ms;    /* 0: only after a noticed restart of the server */
};

struct engine_source {
    const char *name;
    struct source_endpoint endpoint;
    int max_retries;
    double retry_backoff;         /* factor, from 1 s, full jitter, at most 60 s */
    int64_t item_maximum;         /* bytes of one element */
};

enum engine_on_delete { ENGINE_DELETE_KEEP, ENGINE_DELETE_CONFIRM, ENGINE_DELETE_PROPAGATE };

struct engine_connector {
    const char *id;
    bool is_disabled;             /* it never runs; what it has carried is still its own, unless another one carries it now */
    size_t source;                /* index into sources */
    size_t target;                /* index into targets */
    const char *const *contexts;  /* 1..context_count */
    size_t context_count;
    const char *range;            /* day, week, month, all */
    int64_t limit;
    int max_concurrency;          /* insert calls in flight; the largest of a target's connectors counts */
    struct memory_filter filter;  /* what is SKIPPED; never what is removed */
    bool replaces;                /* on_update replace; false: keep */
    enum engine_on_delete on_delete;
    int max_delete_percent;       /* of a context's memories at once, rounded up */
    bool auto_widen;              /* a listing that may have missed something is asked again, longer and further back */
    struct transform_settings transform;
    int max_attempts;             /* processing failures until DEAD */
    double backoff_multiplier;
    int64_t max_backoff_ms;
};

struct engine_settings {
    const struct engine_target *targets; /* name NULL: a free place of a service */
    size_t target_count;
    const struct engine_source *sources;
    size_t source_count;
    const struct engine_connector *connectors;
    size_t connector_count;
    bool keep_texts;              /* false: the text goes when the memory is DONE */
    int64_t disk_reserve_bytes;   /* less free space than this: nothing is sent, nothing fetched */
    int64_t shutdown_timeout_ms;
};

/* ---- What happens, for progress lines and NDJSON ---- */

enum engine_event_kind {
    ENGINE_RUN_STARTED,   /* run */
    ENGINE_PROGRESS,      /* run, after counts changed; at most every 100 ms; with ticks also every second in which nothing did */
    ENGINE_ITEM_FAILED,   /* letter, memory_id */
    ENGINE_NOTICE,        /* words: something to tell a person (a server that does not answer, waiting for ...) */
    ENGINE_RUN_FINISHED,  /* run */
};

struct engine_event {
    enum engine_event_kind kind;
    const struct run_row *run;            /* counts so far */
    const struct dead_letter *letter;
    const char *context;                  /* the letter's; NULL: of no stream that is known */
    struct slice memory_id;
    const char *words;
    /* progress: where this run's memories are now */
    int64_t queued, flying, stored;       /* not sent; sent or sending and not stored; stored and not processed */
    int64_t removing;                     /* rows of them at the server are to go first */
    bool is_listing;                      /* the source is still being read */
};

/* ---- One sync ---- */

struct sync_request {
    const size_t *connectors;     /* indexes, each once */
    size_t connector_count;
    bool wait;                    /* until everything is processed or dead */
    bool backfill;                /* ranges day, week, month, all, one after the other */
    bool force;                   /* what is unchanged and proven is replaced by itself: removed at the server and sent again */
    bool dry_run;                 /* fetch and compare only: nothing written, nothing sent */
    const char *range;            /* NULL: the connector's */
    int64_t limit;                /* 0: the connector's */
    int64_t max_items;            /* stop fetching after so many; 0: no limit */
    const char *trigger;          /* "cli" */
    bool ticks;                   /* progress is shown to a person, who is also told that nothing happens */
    void (*on_event)(void *context, const struct engine_event *event); /* may be NULL */
    void *context;
};

struct sync_outcome {             /* one per connector of the request */
    int64_t run;                  /* 0: dry run */
    enum run_result result;
    enum error_kind error_kind;   /* ERROR_NONE when it did its work */
    char error[ERROR_MESSAGE_SIZE];
    struct run_counts counts;
    char coverage[16];
    int64_t started_ms, finished_ms;
    int64_t unsent, unstored, unprocessed, unremoved; /* of this connector, left for the next run */
};

/* ---- Audits ---- */

enum audit_kind {
    AUDIT_MISSING,      /* DONE, and no row of it */
    AUDIT_STALE,        /* DONE, and the row says another revision */
    AUDIT_COPY,         /* a second row of a memory */
    AUDIT_UNFINISHED,   /* DONE, and the row is not processed */
    AUDIT_FAILED,       /* the row of a dead letter */
    AUDIT_DUPLICATE,    /* a dup- row of ours */
    AUDIT_RETURNED,     /* GONE, and there again */
    AUDIT_ORPHAN,       /* a name of our form that the state does not know */
    AUDIT_STRANGER,     /* the name of a memory on a document that is not ours */
    AUDIT_FOREIGN,      /* documents of others */
    AUDIT_TRUSTED,      /* TRUSTED memories: nothing at the server tells which document is theirs */
    AUDIT_UNREADABLE,   /* rows that 1.4 cannot list, because one among them has no source */
    AUDIT_UNSEEN,       /* DONE, no row of it was seen, and it may be one of those */
    AUDIT_KINDS
};
const char *audit_kind_name(enum audit_kind kind);
const char *audit_kind_advice(enum audit_kind kind); /* what it is, and what a repair does */
bool audit_kind_differs(enum audit_kind kind);       /* false: what it counts is as it should be */

struct audit_result {
    bool is_complete;             /* false: the listing could not be read to its end */
    int64_t rows, done;           /* of the server; memories that should be there */
    int64_t counts[AUDIT_KINDS];
    struct { enum audit_kind kind; char *name; } *names; /* document names, the first thousand; not of foreign ones, not of trusted ones */
    size_t name_count, name_capacity;
};
void audit_result_done(struct audit_result *result);

struct verify_request {
    const size_t *targets;        /* indexes, each once */
    size_t target_count;
    bool repair;                  /* and wait until what was repaired is processed */
    bool accept_target;           /* what the URL serves now is the target from now on */
    void (*on_event)(void *context, const struct engine_event *event); /* may be NULL */
    void *context;
};

/* The name of a target in the state. It is known by its name and its address: what another server holds says nothing about this one, so a
 * changed address begins anew (documents that are there already are found by look-ups, not doubled). */
void engine_target_key(const struct engine_target *target, char ret_key[65]);

/* Does the state know which workspace it serves? A server tells that only to whom it knows. */
int engine_knows_workspace(struct state *state, const struct target_row *row, bool *ret_known, struct error *err);

struct engine;

/* Takes up what an earlier process left: registers targets and streams, marks open runs as interrupted, loads open batches. */
int engine_new(const struct engine_settings *settings, const struct world *world, struct state *state, struct engine **ret_engine,
               struct error *err);
void engine_free(struct engine *engine);
AUTO_DEFINE(engine)

/* 0 when the loop came to its end, whatever the outcomes; -1 (ERROR_IO) when the state failed. outcomes: connector_count of them. */
int engine_sync(struct engine *engine, const struct sync_request *request, struct sync_outcome *outcomes, struct error *err);

/* Compares targets with the state. results: target_count of them, to be given back by audit_result_done. -1: a target could not be reached, is another
 * one than before, or the state failed; err says which. */
int engine_verify(struct engine *engine, const struct verify_request *request, struct audit_result *results, struct error *err);

/* Removes one memory everywhere: its rows at the server, its text here; returns when a listing proved that nothing is left, or -1. ret_rows: rows that
 * were deleted. ERROR_FAILED when nobody knows it. */
struct forget_receipt {
    int64_t seq;
    char connector[65];           /* "" when nobody feeds it now */
    char name[512];               /* document name */
    int64_t deleted_rows;
    bool was_trusted;             /* what an earlier program sent of it has another name: that it is gone is not proven */
};
int engine_forget(struct engine *engine, const char *context, struct slice id, struct forget_receipt *ret_receipt, struct error *err);

/* Forgets what was processed of a connector: all, or the memory of that id (size 0: all). The documents at LightRAG stay; the next listing brings the
 * memories again, and look-ups find what is there. ERROR_LATER: some are on their way. */
int engine_reset(struct engine *engine, size_t connector, struct slice id, int64_t *ret_count, struct error *err);

/* Takes over what an earlier program delivered, as TRUSTED memories; what the state knows already stays as it is. All of it or, after a failure, nothing. */
struct trust_list {
    size_t connector;             /* index */
    const char *context;          /* one of its contexts */
    const struct slice *ids;
    size_t count;
    int64_t trusted, known;       /* out: taken over; known already */
};
int engine_trust(struct engine *engine, struct trust_list *lists, size_t count, struct error *err);

/* ---- Dead letters of a file ---- */

struct engine_letter {            /* borrowed */
    size_t connector;             /* index into settings */
    const char *context;
    struct slice memory_id;       /* size 0: none could be read, or it is a gap */
    struct dead_letter letter;    /* as it was told; letter, stream, seq and run are numbers of the state that it came from, and do not count */
};

enum import_result {
    IMPORT_QUEUED,                /* its bytes are a memory: taken like one of a listing, and its letter is closed as retried */
    IMPORT_SKIPPED,               /* likewise, but it is without words, or outside of the filter */
    IMPORT_KNOWN,                 /* nothing was to be done: here already, or decided here already */
    IMPORT_ADDED,                 /* a letter that was unknown here */
    IMPORT_REFUSED,               /* ret_words says why; nothing of it went in */
    IMPORT_RESULTS
};

/* Begin, any number of letters, end (which commits). A letter goes in as a whole or not at all; the same file once more changes nothing. Nothing is sent:
 * the next sync does. -1: the state failed. */
int engine_import_begin(struct engine *engine, struct error *err);
enum import_result engine_import_letter(struct engine *engine, const struct engine_letter *given, char *ret_words, size_t size);
int engine_import_end(struct engine *engine, struct error *err);

/* From a signal handler or another thread: 1: no new items, finish what is in flight within shutdown_timeout; 2: end now. */
void engine_stop(struct engine *engine, int urgency);

/* Dead letters of memories: looked up at the server and sent again where absent, at the next sync. Malformed ones are closed: the next
 * listing brings them again. Lost ones, gaps and deletions stay open: trying again does nothing for them. Discard: closed, the memory stays dead. Both
 * commit. ret_count: how many. */
int engine_retry_letters(struct state *state, const struct letter_filter *filter, int64_t now_ms, int64_t *ret_count, struct error *err);
int engine_discard_letters(struct state *state, const struct letter_filter *filter, int64_t now_ms, int64_t *ret_count, struct error *err);

#endif
