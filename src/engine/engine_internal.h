/* engine_internal.h - what the files of the engine share: engine.c (life, the loop), engine_register.c (targets and streams), engine_target.c (targets: the machine and the
 * state), engine_calls.c (commands to requests, answers to the machine), engine_names.c (from document names back to memories), engine_pull.c and engine_coverage.c (listings), engine_run.c (runs, counts, events, ends),
 * engine_audit.c (audits), engine_verify.c (verify and forget), engine_letters.c (retry and discard), engine_import.c (dead letters of a file). */
#ifndef MC_ENGINE_ENGINE_INTERNAL_H
#define MC_ENGINE_ENGINE_INTERNAL_H

#include "delivery/deliver.h"
#include "delivery/pull.h"
#include "engine/account.h"
#include "engine/engine.h"

#include <stdatomic.h>

enum {
    COMMIT_AFTER_MS = 50,           /* what need not precede an effect waits at most so long for a commit */
    COMMIT_AFTER_ROWS = 1000,       /* a listing pauses for a commit after so many rows ... */
    COMMIT_AFTER_BYTES = 4 << 20,   /* ... or so many bytes of text */
    DELETE_SETTLE_MS = 90 * 1000,   /* a delete without an answer: its time-out, and half a minute */
    BATCH_BYTES = 8 << 20,          /* texts in one insert; the server takes 50 MiB, memory is ours */
    PROGRESS_EVERY_MS = 100,
    DISK_CHECK_MS = 1000,
    STREAM_PLACES_MAXIMUM = 1 << 20, /* streams with a number below it are found without a search */
    LISTINGS_MAXIMUM = 4,           /* listings under way at once */
    SYNC_BUSY_PATIENCE_MS = 120 * 1000, /* a sync waits so long for a target that says "not now" ... */
    SYNC_TOLD_PATIENCE_MS = 60 * 1000,  /* ... and not at all when told to wait longer than this */
    SYNC_IDLE_PATIENCE_MS = 10 * 1000, /* a sync that has only removals left waits so long for the pipeline to be idle */
    SYNC_MARKS = 8,                 /* inserts in a row without a usable answer until a sync gives up */
    SYNC_FAILURES = 5,              /* failed probes in a row until a sync gives up */
    SEEN_MAXIMUM = 3 << 15,         /* rows of one listing whose repetition is noticed: 98,304 in 2 MiB */
    RAW_MAXIMUM = 64 << 10,         /* bytes kept of a malformed element */
};

struct engine;
struct target_run;

/* One (target, source, context) with the connector that feeds it. */
struct stream_run {
    struct stream_row row;
    size_t connector;               /* index into settings; SIZE_MAX: nobody's now */
    struct target_run *target;
    char *source, *context;         /* owned; row's point to them, too */
    char address[17];               /* a hash of its target's: what bears one name at one address is one document, whichever target it came by */
    int64_t queued;                 /* QUEUED rows */
};

/* A request to a target under way. */
struct call {
    struct target_run *target;
    enum deliver_command_kind kind;
    int64_t batch;
    http_id id;
    struct sink_storage storage;
    bool is_busy;
};

/* Memories whose document names are shortened: no way leads back from such a name, so they are searched. */
struct long_names {
    struct long_name { uint64_t hash; int64_t seq; } *items; /* by hash */
    size_t count, capacity;
    bool is_made;
};

struct target_run {
    struct engine *engine;
    size_t index;                   /* into settings */
    struct target_row row;
    struct sink_settings sink;
    struct account *account;        /* the network with our login; NULL before the target was started */
    struct deliver *deliver;
    struct call **calls;            /* reused */
    size_t call_count, call_capacity;
    struct { struct deliver_command command; char track[TRACK_SIZE]; } *pending; /* commands that were given and not started */
    size_t pending_count, pending_capacity;
    int64_t queued;                 /* QUEUED rows of all streams */
    int64_t queued_since_mono;
    int64_t queue_hold_mono;        /* nothing due in the queue before */
    struct audit *audit;            /* under way; NULL */
    struct audit_result *audit_result; /* where its findings go; NULL: the log is enough */
    bool audit_is_planned;
    int64_t audit_due_mono;
    int64_t audited_mono;           /* end of the last one of this process */
    int restarts_audited;
    struct long_names long_names;
    bool has_curable;               /* dead letters that another version may cure: a run waits for the server's first word */
    char known_version[48];         /* that answered before; "" never seen */
    bool workspace_is_known;
    char workspace[128];            /* what it served before; the machine is told so */
    int64_t deleted_rows;           /* commanded in this process */
    int64_t requests, failed_requests; /* likewise; failed: no answer, or 500 and above */
};

/* What was asked of one run. */
struct run_options {
    bool wait, backfill, force;
    bool dry_run;                   /* nothing is queued and nothing sent; the run itself has a row where there is a state to keep it */
    const char *range;              /* NULL: the connector's */
    int64_t limit, max_items;       /* 0: the connector's; no limit */
    char trigger[16];
};

enum listing_phase { LISTING_WAITS, LISTING_RUNS, LISTING_OVER };

/* One connector's part in a sync: its listings, one context after the other, and its counts. */
struct run {
    struct engine *engine;
    size_t connector;               /* index into settings; SIZE_MAX: a free place of the service */
    struct run_options options;
    struct run_row row;
    char error[ERROR_MESSAGE_SIZE];
    char coverage[16];
    bool is_finished;
    bool has_changed;               /* counts, since the last progress event */
    int64_t told_mono;              /* when that was */

    enum listing_phase phase;
    size_t context;                 /* index of the one being read */
    struct stream_run *stream;
    int attempt;                    /* tries for this context so far */
    int64_t start_mono;             /* not before */
    http_id id;
    struct source_storage storage;
    struct splitter *splitter;
    bool is_paused;
    const char *range;              /* asked for this context now; NULL: not begun */
    int64_t limit;
    int64_t asked_ms;               /* wall clock: when this try was begun */
    int64_t oldest_ms;              /* created_at of the oldest element of this try; INT64_MAX: none has one */
    int64_t unreadable;             /* elements of this try that are no memories */
    uint8_t *present;               /* a bit by seq: in this try; NULL: nobody asks */
    size_t present_size;            /* bytes */
    int64_t listed;                 /* elements of this try */
    int64_t taken;                  /* elements of this run, for max_items */
    enum memory_skip skip;          /* of the memory at hand */
    enum pull_action action;        /* what was done with it */
    struct seen { int64_t seq, updated_ms; } *seen; /* open addressing by seq: queued or replaced in this listing */
    size_t seen_size, seen_count;
};

struct engine {
    const struct engine_settings *settings;
    const struct world *world;
    struct state *state;
    struct moment now;

    struct target_run *targets;     /* settings->target_count; deliver NULL: not used by this sync */
    struct stream_run **streams;    /* each stays where it is */
    size_t stream_count, stream_capacity;
    uint32_t *stream_places;        /* by number: index into streams, plus one */
    size_t stream_places_size;
    struct memory_decoder *decoder;
    struct text text;               /* scratch: a document */
    struct text name;               /* scratch: a document name */

    const struct sync_request *request;
    bool (*is_over)(struct engine *engine); /* of what is no sync; NULL: a sync ends with its runs */
    void (*on_turn)(void *owner);   /* at the start of every turn; NULL */
    void (*on_commit)(void *owner); /* what was applied is durable; NULL */
    int64_t (*owner_next_mono)(void *owner); /* when the owner wants a turn; NULL: a sync, which looks in every second */
    void *owner;
    bool audits;                    /* by themselves, when due */
    bool accepts_target;
    int64_t forgotten;              /* the memory that engine_forget removes */
    struct import *import;          /* under way; NULL */
    struct run *runs;
    size_t run_count;

    int64_t uncommitted_rows, uncommitted_bytes, uncommitted_since_mono;
    bool must_commit;
    int64_t progress_mono, disk_mono;
    bool disk_is_short;
    bool is_broken;                 /* the state failed: nothing goes on */
    struct error error;
    atomic_int urgency;             /* set by signal handlers and other threads */
    int64_t stop_mono;              /* when urgency 1 was noticed; 0: not */
};

/* ---- engine.c ---- */
void engine_refresh_now(struct engine *engine);
/* Applies a change and keeps the engine's own counts; a failure breaks the engine. */
void engine_apply(struct engine *engine, const struct change *change);
void engine_break(struct engine *engine, const struct error *err);
bool engine_is_stopping(const struct engine *engine);
void engine_commit(struct engine *engine);
int engine_begin(struct engine *engine, const struct sync_request *request, struct error *err);
int engine_start_target(struct engine *engine, size_t index, struct error *err);
void engine_loop(struct engine *engine);
int engine_end(struct engine *engine, struct error *err);
/* Something else is wanted of a memory in flight: in its row, and in the machine. */
void engine_want(struct engine *engine, const struct memory_row *row, enum memory_wanted wanted);
/* To REMOVING, wanted GONE; where the server cannot hold a row of it, GONE at once. Its letters are closed. */
void engine_remove(struct engine *engine, const struct memory_row *row);

/* ---- engine_register.c ---- */
struct stream_run *engine_find_stream(struct engine *engine, int64_t stream);
/* What a connector reads of a context; NULL: it has none of that name. */
struct stream_run *engine_find_context(struct engine *engine, size_t connector, const char *context);
/* All targets and streams of the settings, and the streams that only the state knows. */
int engine_register(struct engine *engine, bool may_write, struct error *err);
/* A target that was put into the settings since; streams that the state knows of it are its own again. */
int engine_add_target(struct engine *engine, size_t index, struct error *err);
/* Stops it, at a turn's beginning: as if the program had ended for it. What was sent is in the state. */
void engine_drop_target(struct engine *engine, size_t index);
/* A connector that was added to the settings since, or changed. */
int engine_register_connector(struct engine *engine, size_t connector, struct error *err);
/* Does it lead to the address of that target, by whatever name? */
bool engine_is_at(const struct stream_run *stream, const struct target_run *target);
/* Nobody feeds it now, and another stream carries or carried the same documents to the same server since, by another name of it: what is there is that
 * one's, and an audit that held it against what we sent once would put an old revision in its place. */
bool engine_is_succeeded(const struct engine *engine, const struct stream_run *stream);
/* What it fed is nobody's now; followed all the same. */
void engine_release_connector(struct engine *engine, size_t connector);
int engine_interrupt_old_runs(struct engine *engine, struct error *err);

/* ---- engine_target.c ---- */
int target_start(struct engine *engine, struct target_run *target, int slots, struct error *err);
void target_done(struct target_run *target);
void target_step(struct target_run *target, bool more_coming);
void target_send_pending(struct target_run *target, bool committed);
bool target_wants_commit(const struct target_run *target);
int64_t target_next_mono(const struct target_run *target);
/* A REMOVING row, as it was just written. */
void target_remove(struct target_run *target, const struct memory_row *row);
/* No row of it at the server is older, by the server's clock; 0: unknown. */
int64_t target_first_sent_ms(struct target_run *target, const struct memory_row *row);
/* DONE or DEAD: looked up, followed, or sent again. */
void target_take_up(struct target_run *target, const struct memory_row *row);
/* Gone from the server, and its text was given up here: SKIPPED, and named. */
void target_lose(struct target_run *target, struct memory_row *row, enum memory_state from);
/* Why nothing goes on with it; ERROR_NONE: it does. */
enum error_kind target_is_out(const struct target_run *target, char *ret_words, size_t size);
/* All that is left to do waits for rows that LightRAG cannot list; ret_words: the remedy. */
bool target_is_stuck(const struct target_run *target, char *ret_words, size_t size);
/* confirm.kick: never, and since then, or later, LightRAG's pipeline stood still for kick_interval before stored memories, while nothing here is on its way
 * that would wake it; ret_words: the remedy. */
bool target_stands_still(const struct target_run *target, int64_t from_mono, char *ret_words, size_t size);

/* ---- engine_names.c ---- */
/* The memory of this target whose document has that name. false: there is none, or the engine is broken. */
bool target_find_name(struct target_run *target, const char *name, struct memory_row *ret_row);
/* Is it the name of what we carry to the same server by another name of it? Shortened names cannot be told. */
bool target_shares_name(const struct target_run *target, const char *name);
void target_drop_names(struct target_run *target);

/* ---- engine_audit.c ---- */
void audit_step(struct target_run *target);
void audit_start(struct target_run *target, bool repairs);
void audit_on_row(struct target_run *target, const struct sink_row *row);
void audit_on_end(struct target_run *target, bool is_complete, const struct deliver_hidden *hidden, size_t hidden_count);
void audit_free(struct audit *audit);

/* ---- engine_pull.c ---- */
void listing_step(struct run *run, size_t running);
void listing_resume(struct run *run);
void listing_cancel(struct run *run);
int64_t listing_next_mono(const struct run *run);
/* What a listing does with one memory of run->stream: known? changed? empty? -> text -> queue. false: its text would be too large; nothing was done. */
bool listing_take_memory(struct run *run, const struct memory *memory);

/* ---- engine_broken.c ---- */
/* One letter for one cause: met again, it counts on. */
void listing_put_letter(struct run *run, struct dead_letter *letter);
/* An element that is no memory: a letter and a failure of the run, unless a person has decided about its bytes. */
void listing_put_element(struct run *run, const struct splitter_element *element, enum dead_class dead_class, const char *words);
/* A listing that broke off; one that covers closes the gap. */
void listing_put_gap(struct run *run, const struct source_verdict *verdict);
void listing_close_gap(struct run *run);

/* ---- engine_coverage.c ---- */
void listing_begin(struct run *run);
void listing_note_present(struct run *run, int64_t seq);
void listing_note_time(struct run *run, const struct memory *memory);
/* Did the listing that just ended show everything since the last that did? false: ret_why says what may be missing, and the remedy. */
bool listing_covers(const struct run *run, char *ret_why, size_t size);
/* Twice as long, further back; false: not allowed, or no further. */
bool listing_widen(struct run *run);
/* The next range of a backfill; false: it is none, or over. */
bool listing_next_backfill(struct run *run);
/* It covers: so it is kept; a complete one of range all tells what is deleted at the source. */
void listing_note_covered(struct run *run);

/* ---- engine_letters.c ---- */
/* The open letters of a memory are answered. ret_absent (may be NULL): its class says that no row of it can be at the server. may_be_there false:
 * only then are they closed. false: left open, or the engine is broken. */
bool engine_close_letters(struct engine *engine, int64_t stream, int64_t seq, bool may_be_there, bool *ret_absent);

int engine_look_for_curable(struct target_run *target, struct error *err);
/* Another version of LightRAG answers: what it may process now is tried again, once for each change of the version (which the caller writes). */
void engine_replay_letters(struct target_run *target, const char *version);
/* engine_retry_letters while the targets are at work. Applied, not committed. */
int engine_retry_letters_live(struct engine *engine, const struct letter_filter *filter, int64_t *ret_count, struct error *err);

/* ---- engine_import.c ---- */
void import_free(struct import *import);

/* ---- engine_reset.c ---- */
/* All memories of a connector, or the one of that id (size 0: all). ret_held: how many are on their way; where there are any, nothing is done. Applied, not
 * committed. */
int engine_reset_connector(struct engine *engine, size_t connector, struct slice id, int64_t *ret_count, int64_t *ret_held, struct error *err);

/* ---- engine_run.c ---- */
void run_start(struct engine *engine, struct run *run, size_t connector, const struct run_options *options);
void run_done(struct run *run);
struct run *run_of_stream(struct engine *engine, int64_t stream);
void run_note(struct engine *engine, enum deliver_note note, int64_t stream, int64_t count);
/* Keeps the worst error of a run (INTERFACES: 74, 78, 77, 69, 75, 1, 3). */
void run_fail(struct run *run, enum error_kind kind, const char *format, ...) MC_PRINTF(3, 4);
void run_check_end(struct run *run);
void run_finish(struct run *run, enum run_result result);
void run_event(struct run *run, enum engine_event_kind kind);

/* Where the memories of its connector are on their way. */
struct run_places {
    int64_t queued, flying, stored, removing; /* here; sent, not stored; stored, not processed; their rows are to go */
};
struct run_places run_count_places(const struct run *run);
void engine_notice(struct engine *engine, const char *words);
void engine_letter_event(struct engine *engine, const struct dead_letter *letter, struct slice memory_id);

#endif
