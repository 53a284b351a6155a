/* record.h - the words that delivery and state share: rows, states and change-sets.
 *
 * The machines of this folder decide, the state keeps. What they say to each other is plain data: a row as it was read, a
 * change as it is to be written. A change is applied at once inside the open transaction (later reads see it) and becomes
 * durable with the next commit; a backend that keeps a journal writes the same changes down.
 *
 * Numbers of memories, batches, runs and dead letters are given out by the engine from state_next_*, so a change is complete in itself.
 * Pointers in a change are borrowed until state_apply returns. Times are milliseconds since 1970 by our wall clock unless
 * the name says server. */
#ifndef MC_DELIVERY_RECORD_H
#define MC_DELIVERY_RECORD_H

#include "base/sha256.h"
#include "memory/filter.h"
#include "memory/identity.h"
#include "memory/memory.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- A memory. Values are stored: never renumber. ---- */

enum memory_state {
    MEMORY_NONE = 0,     /* not in the state */
    MEMORY_QUEUED = 1,   /* text committed, not sent; waits for not_before and a place in a batch */
    MEMORY_FLYING = 2,   /* member of an open batch; waits for the server's word */
    MEMORY_DONE = 3,     /* proven in the graph: our revision, processed, with chunks */
    MEMORY_DEAD = 4,     /* its own fault or too long stuck; waits for a person, see its dead letter */
    MEMORY_SKIPPED = 5,  /* nothing to send, see enum memory_skip; waits for another revision, filter or listing */
    MEMORY_REMOVING = 6, /* rows at the server are being deleted; wanted says what comes after: QUEUED in the newer revision, or GONE */
    MEMORY_GONE = 7,     /* tombstone; waits for a listing that shows it again */
    MEMORY_TRUSTED = 8,  /* imported from a program that took "accepted" for done; its revision is not known (zeros); never sent, audited or removed by itself */
    MEMORY_STATES = 9
};

enum memory_wanted { WANTED_NOTHING = 0, WANTED_NEWER = 1, WANTED_GONE = 2 };

/* One (target, source, context): the key of a memory is (stream, id). A connector with two contexts owns two streams. */
struct stream_row {
    int64_t stream;         /* 1.. */
    int64_t target;
    char connector[65];     /* who feeds it now */
    const char *source;     /* "default" or the name of a source */
    const char *context;
};

struct memory_row {
    int64_t seq;            /* 1..; the order of arrival */
    int64_t stream;
    int64_t target;
    struct slice id;
    uint8_t revision[SHA256_SIZE];
    enum memory_state state;
    enum memory_wanted wanted;
    int64_t batch;          /* the open batch, or the last one it flew in; 0: none yet */
    int64_t not_before_ms;  /* QUEUED: not sent earlier; 0: at once */
    int64_t settle_until_ms; /* 1.4: an earlier request for it may still arrive until then; 0: no */
    int attempts;           /* failed processings counted so far; SKIPPED: why, enum memory_skip */
    int64_t text_size;      /* bytes of the kept text; 0: none kept (SKIPPED, or given up) */
    int64_t arrived_ms;     /* when it was first queued or skipped in this revision */
    struct slice name;      /* document name where the rule of this release does not give it; size 0: by rule */
};

/* ---- A batch. Values are stored. ---- */

enum batch_state {
    BATCH_READY = 1,     /* waits for the target's insert slot and not_before */
    BATCH_SENDING = 2,   /* committed before the request; after a crash or an unclear answer: waits for a look-up */
    BATCH_ACCEPTED = 3,  /* the server took it into its memory; waits until all rows are seen */
    BATCH_STORED = 4,    /* a crash of the server cannot lose it any more; waits for final words, row by row */
    BATCH_CLOSED = 5,    /* all members settled; kept for its track id */
    BATCH_STATES = 6
};

enum { TRACK_SIZE = 128 };

struct batch_row {
    int64_t batch;             /* 1.. */
    int64_t target;
    enum batch_state state;
    char track[TRACK_SIZE];    /* "" until accepted or adopted */
    int strikes;               /* 500s in a row for exactly these members */
    bool whole_listing;        /* look-ups must read the whole listing: the row may be older than we are */
    int64_t first_sent_server_ms; /* server's clock: first POST of any member; 0: never sent, or unknown (then look-ups read all) */
    int64_t last_sent_ms;      /* our clock: start of the last POST; 0: never */
    int64_t not_before_ms;
    int64_t opened_ms;
    int64_t changed_ms;
    int64_t members;           /* how many it holds now */
};

/* ---- A dead letter: something that waits for a person, or a named loss. Values are stored. ---- */

enum dead_class {
    DEAD_MALFORMED = 1,         /* an element that is no memory; raw bytes kept */
    DEAD_TOO_LARGE = 2,         /* over max_item_bytes, or the server's 413 */
    DEAD_REJECTED = 3,          /* the server refuses this document for good (400, 422) */
    DEAD_POISON = 4,            /* the server answers 500 to it alone, again and again */
    DEAD_PROCESSING_FAILED = 5, /* stored, but processing failed max_attempts times */
    DEAD_STUCK = 6,             /* stored, never final within give_up_after */
    DEAD_SOURCE_GAP = 7,        /* a listing broke off: what may be missing; closed by the next complete one */
    DEAD_CONTENT = 8,           /* the server holds the same content under a name that is not ours */
    DEAD_FOREIGN = 9,           /* a document of our name that is not ours */
    DEAD_OTHER_REVISION = 10,   /* the server holds another revision, and on_update is keep */
    DEAD_LOST = 11,             /* gone from the server, and its text was given up here; a listing that shows it brings it back */
    DEAD_DELETION = 12,         /* deleted at the source; waits for a person's word (on_delete: confirm, or too many at once) */
    DEAD_CLASSES = 13
};

const char *dead_class_name(enum dead_class dead_class);   /* "malformed", "processing_failed", ... */
bool dead_class_from_name(const char *name, enum dead_class *ret_class);
const char *dead_class_advice(enum dead_class dead_class); /* one sentence: what to do */
const char *memory_state_name(enum memory_state state);    /* "queued", ... */
const char *batch_state_name(enum batch_state state);

enum dead_end { DEAD_OPEN = 0, DEAD_RETRIED = 1, DEAD_DISCARDED = 2, DEAD_CLEARED = 3 /* it solved itself */ };

struct dead_letter {
    int64_t letter;            /* 1.. */
    enum dead_class dead_class;
    enum dead_end end;
    int64_t stream;
    int64_t seq;               /* the memory; 0: could not be decoded, or a gap. With a fingerprint: what a person made of these bytes (mended, imported) */
    int64_t run;               /* in which it happened last; 0: none. Not the runs that met it after it was decided */
    uint8_t fingerprint[16];   /* malformed and too large: of the raw bytes, so that the same one stays one letter */
    int http_status;           /* 0: none */
    const char *words;         /* the server's or ours; no transcript */
    int attempts;
    int64_t times;             /* how often it was met */
    int64_t first_ms, last_ms;
    int64_t position, length;  /* malformed: bytes in the listing. gap: bytes received, bytes announced (-1 unknown) */
    struct slice raw;          /* malformed: what came (capped); size 0: nothing kept */
};

bool dead_letter_is_element(const struct dead_letter *letter); /* it tells of bytes of a listing: it has a fingerprint */

/* ---- A run ---- */

enum run_result { RUN_RUNNING = 0, RUN_SUCCESS, RUN_PARTIAL, RUN_FAILED, RUN_INTERRUPTED, RUN_CANCELLED, RUN_SKIPPED, RUN_RESULTS };
const char *run_result_name(enum run_result result); /* "running", "success", ... */

/* The counters of a report; one table drives storing, JSON and the texts of report and sync. */
struct run_counts {
    int64_t fetched, new_, changed, unchanged, skipped, malformed, duplicates;
    int64_t sent, stored, processed, failed, retried, requests, bytes;
    int64_t replaced;  /* removed at the server for the sake of a newer revision */
    int64_t removed;   /* removed for good: deleted at the source, or forgotten */
    int64_t filtered;  /* those of skipped that the filter left out */
};

struct run_row {
    int64_t run;
    const char *connector;
    const char *trigger;       /* "cli"; later schedule, api, catch_up */
    int64_t started_ms, finished_ms; /* finished 0: running, or ended by a crash until recovery says interrupted */
    enum run_result result;
    int error_kind;            /* enum error_kind: how the process ended because of it */
    const char *error;         /* "" when none */
    const char *range;         /* what was asked of the source */
    int64_t limit;
    const char *coverage;      /* "complete", "partial", "limited" (as many elements as the limit), "failed", "" not asked */
    struct run_counts counts;
};

/* ---- What a target said of itself; kept to notice that another server answers ---- */

struct target_row {
    int64_t target;            /* 1.. */
    char name[65];
    const char *url;
    const char *version;       /* core_version without v; "" never seen */
    const char *workspace;     /* as /health reports it */
    int64_t seen_ms;           /* last good answer */
    const char *last_error;    /* "" when well */
};

/* ---- Small facts of a stream or a target. Values are stored. ---- */

enum mark_kind {
    MARK_LISTED_MS = 1,      /* stream: start of the last listing that showed everything since the one before it */
    MARK_AUDITED_MS = 16,    /* target: end of the last whole audit */
    MARK_WORKSPACE_TOLD = 17, /* target: 1: /health has told its workspace, "" means the one without a name; else it is unknown */
    MARK_LOGIN_REFUSED_MS = 18, /* target: when it last refused our account's login */
    MARK_LOGIN_REFUSED = 19, /* target: which account and password that was, as account_tag tells it */
    MARK_CLEANED_MS = 32,    /* owner 0: when the service last removed what ended long ago */
};

/* ---- The service: what a connector made by API is, and what survives of its schedule ---- */

struct connector_row {
    const char *id;
    const char *definition;    /* JSON; NULL in a change: it is deleted */
    int64_t version;           /* 1.., grows with every change */
    int64_t changed_ms;
};

/* See struct scheduler_facts in schedule/scheduler.h. */
struct job_row {
    const char *connector;
    bool is_gone;              /* in a change: drop it */
    int64_t settled_ms;
    int waiting;
    int64_t waiting_ms;
    bool is_paused;
    int64_t paused_until_ms;
    const char *reason;
};

/* What was told of one trouble of one connector; see engine/alerts.h. Values are stored. */
struct alert_row {
    const char *connector;
    bool is_gone;              /* in a change: all of the connector are dropped */
    int cause;                 /* enum alert_cause */
    bool is_raised;
    int64_t value;             /* what was told last: failures, dead letters ... */
    int64_t since_ms;          /* when it was raised */
    int64_t told_ms;           /* when this message was made */
    bool is_pending;           /* the message is still to be delivered */
    const char *name;          /* its webhook-id: the same in every try */
    const char *body;          /* JSON; "" when it was delivered */
};

/* ---- Change-sets ---- */

struct member_ref {
    int64_t seq;
    int64_t stream;
};

enum change_kind {
    CHANGE_TARGET,        /* target: insert or overwrite */
    CHANGE_STREAM,        /* stream: insert or overwrite */
    CHANGE_MEMORY_ADD,    /* memory, text: a new row */
    CHANGE_MEMORY_SET,    /* memory, from, text: overwrites state, wanted, batch, times, attempts, revision, text_size; id, stream and
                             target stay. text NULL leaves the kept one */
    CHANGE_MEMBERS,       /* members, from, to, batch: many rows get state and batch at once; all else stays */
    CHANGE_BATCH,         /* batch: insert or overwrite */
    CHANGE_DEAD_LETTER,   /* letter: insert or overwrite (raw.data NULL with an existing row leaves the kept bytes) */
    CHANGE_RUN,           /* run: insert or overwrite */
    CHANGE_NEWER,         /* newer: the revision and text that wait until the one in flight is settled: insert or overwrite; text NULL: none waits */
    CHANGE_MARK,          /* mark: insert or overwrite; value 0: none */
    CHANGE_CONNECTOR,     /* connector: insert or overwrite; without a definition: deleted */
    CHANGE_JOB,           /* job: insert or overwrite, or drop */
    CHANGE_ALERT,         /* alert: insert or overwrite, or drop */
    CHANGE_ABSENCE,       /* absence: not in a complete listing: insert or overwrite; since_ms 0: seen again, < 0: a person was asked */
};

struct change {
    enum change_kind kind;
    union {
        const struct target_row *target;
        const struct stream_row *stream;
        struct {
            const struct memory_row *memory;
            enum memory_state from;     /* MEMORY_SET: the state it has now, for the counters */
            const struct slice *text;   /* may be NULL */
        };
        struct {
            const struct member_ref *members;
            size_t member_count;
            enum memory_state members_from, members_to;
            int64_t members_batch;      /* 0: the batch number stays */
        };
        const struct batch_row *batch;
        const struct dead_letter *letter;
        const struct run_row *run;
        const struct connector_row *connector;
        const struct job_row *job;
        const struct alert_row *alert;
        struct {
            int64_t newer_seq;
            const uint8_t *newer_revision;  /* SHA256_SIZE bytes; NULL with newer_text NULL */
            const struct slice *newer_text;
        };
        struct { int64_t mark_owner; enum mark_kind mark_kind; int64_t mark_value; };
        struct { int64_t absence_seq, absence_stream, absence_since_ms; };
    };
};

#endif
