/* deliver.h - the deliver machine: from the queue to the proof, one per target.
 *
 * Pure: it knows no clock, no socket, no SQL. Events come in as calls, each with the moment it happened; changes to be written, commands to
 * be carried out and notes for the report go out through struct deliver_out before the call returns. A command marked after_commit must not
 * start before the changes made so far are durable. What a crash forgets of this object is rebuilt by deliver_load_*.
 *
 * The rules are in docs/delivery.md; the steps in table.h. In one sentence: write the batch down, send it, follow its rows until each says processed
 * in our revision, and ask before sending anything a second time. */
#ifndef MC_DELIVERY_DELIVER_H
#define MC_DELIVERY_DELIVER_H

#include "delivery/record.h"
#include "sink/sink.h"

#include <stdbool.h>
#include <stdint.h>

struct moment {
    int64_t wall_ms; /* for what is stored */
    int64_t mono_ms; /* for every wait */
};

struct deliver_settings {
    int64_t target;
    int batch_size;
    int64_t batch_bytes;          /* sum of texts in one request */
    int max_unfinished;
    int slots;                    /* insert calls in flight */
    int64_t poll_interval_ms;
    int64_t kick_interval_ms;
    bool kick;
    int64_t give_up_after_ms;
    int64_t settle_ms;            /* 1.4: how long after its end an unanswered request can still arrive */
    int64_t delete_settle_ms;     /* how long an unanswered delete can still arrive */
    int max_attempts;
    double backoff_multiplier;
    int64_t max_backoff_ms;
    const char *workspace;        /* that /health must report; "": any */
    const char *known_workspace;  /* that it reported before: another one is another server; NULL: any */
};

/* A queued memory as it enters the machine. Strings are copied. */
struct deliver_memory {
    int64_t seq, stream;
    const char *name;             /* document name */
    char mark[REVISION_MARK_SIZE];
    int attempts;
    int64_t settle_until_ms;      /* wall clock; 0: no */
    int64_t text_size;
    enum memory_wanted wanted;    /* what comes after it is settled */
    bool replaces;                /* another revision that stands under its name is removed; false: it stays, and this one is dead */
    int64_t first_sent_server_ms; /* no row of it is older; 0: unknown. A batch that flew tells more of it */
};

/* A memory whose rows at the server are to go. Strings are copied. */
struct deliver_removal {
    int64_t seq, stream;
    const char *name;
    enum memory_wanted wanted;     /* WANTED_NEWER or WANTED_GONE */
    int64_t settle_until_ms;       /* wall clock; 0: no */
    int64_t first_sent_server_ms;  /* no row of it is older; 0: unknown */
};

enum deliver_command_kind {
    DELIVER_ASK_HEALTH,
    DELIVER_ASK_COUNTS,
    DELIVER_ASK_PIPELINE,
    DELIVER_INSERT,               /* batch; after_commit */
    DELIVER_TRACK,                /* batch, track */
    DELIVER_LIST,                 /* page, page_size, oldest_first */
    DELIVER_CHECK_COUNTS,         /* DELIVER_ASK_COUNTS once more: of a listing that was answered 500, not of a probe */
    DELIVER_REPROCESS,
    DELIVER_DELETE,               /* rows by id, see deliver_doomed_id; after_commit */
};

enum { LISTING_PAGE_SIZE = 200 }; /* the most that the server takes */

struct deliver_command {
    enum deliver_command_kind kind;
    bool after_commit;
    int64_t batch;
    int64_t page;
    int page_size;
    bool oldest_first;
    const char *track;            /* borrowed during the call */
};

enum deliver_note { NOTE_SENT, NOTE_STORED, NOTE_UNSTORED /* a stored row was gone */, NOTE_PROCESSED, NOTE_FAILED, NOTE_RETRIED, NOTE_REPLACED, NOTE_REMOVED, NOTES };

/* Facts of one memory that change now and then; the engine makes a CHANGE_MEMORY_SET of it. attempts and settle_until_ms < 0 stay.
 * To REMOVING: a revision that waits takes the place (text, too), and the engine calls deliver_remove before it returns.
 * To SKIPPED: the server lost it and its text was given up: only a listing can bring it back.
 * REMOVING to REMOVING: a delete of its rows is about to be sent, settle_until_ms says how long that can still arrive.
 * From REMOVING: nothing is wanted any more; to FLYING into batch. */
struct member_change {
    int64_t seq, stream;
    enum memory_state from, to;
    int attempts;
    int64_t settle_until_ms;
    int64_t batch;
};

/* A stretch of the listing that a walk could not read: LightRAG 1.4 answers 500 to every page that holds a document without a source. */
struct deliver_hidden {
    int64_t front_us;             /* none of its rows is newer, by the server's clock; INT64_MAX: unknown */
    int64_t back_us;              /* none is older; INT64_MIN: unknown */
    int64_t rows;
    int64_t may_be_ours;          /* at most so many of them: each page that failed has one that is not */
    int64_t pages;                /* of ten rows, that failed */
};
/* No row of what was first sent then is older: the margin of clocks included. 0: unknown, INT64_MIN. */
int64_t deliver_reach(int64_t first_sent_server_ms);
/* Whether a row that was made no earlier may be one of them. */
bool deliver_hides(const struct deliver_hidden *hidden, int64_t since_ms);

struct deliver_out {
    void *context;
    void (*change)(void *context, const struct change *change);
    void (*member)(void *context, const struct member_change *change);
    void (*command)(void *context, const struct deliver_command *command);
    void (*note)(void *context, enum deliver_note note, int64_t stream, int64_t count);
    void (*notice)(void *context, bool is_trouble, const char *words); /* for log and people */
    int64_t (*next_batch)(void *context);
    int64_t (*next_letter)(void *context);
    uint64_t (*random)(void *context);
    bool (*owns)(void *context, const char *name); /* does the state know a memory whose document has that name? */
    /* Of a sweep: every row of the listing that could be read, then its end; is_complete false: it proves nothing. */
    void (*sweep_row)(void *context, const struct sink_row *row);
    void (*swept)(void *context, bool is_complete, const struct deliver_hidden *hidden, size_t hidden_count);
};

struct deliver;

struct deliver *deliver_new(const struct deliver_settings *settings, const struct deliver_out *out);
void deliver_free(struct deliver *deliver);
AUTO_DEFINE(deliver)

/* ---- At the start: open batches with their members ---- */
void deliver_load_batch(struct deliver *deliver, const struct batch_row *row, struct moment now);
void deliver_load_member(struct deliver *deliver, int64_t batch, const struct deliver_memory *memory, struct moment now);

/* ---- Changes and removals ---- */

/* What is wanted of a memory in flight changed; WANTED_NOTHING: not any more. Before its request left it is turned over at once. */
void deliver_want(struct deliver *deliver, int64_t batch, int64_t seq, enum memory_wanted wanted, struct moment now);
/* A REMOVING memory, at the start and later; one that is known already is overwritten. Only keeps it: the next tick acts. */
void deliver_remove(struct deliver *deliver, const struct deliver_removal *removal, struct moment now);
/* A row without a memory, such as a dup- row of ours: deleted with the others, once, as far as the server lets us. */
void deliver_remove_row(struct deliver *deliver, const char *id);
/* Memories in that state fly again in a batch whose fate is unclear: looked up, followed, or sent again where absent. */
void deliver_take_up(struct deliver *deliver, const struct deliver_memory *memories, size_t count, enum memory_state from, struct moment now);
/* Read the whole listing for out.sweep_row, when nothing stands against it. */
void deliver_sweep(struct deliver *deliver);

/* The rows of the DELIVER_DELETE that was commanded last, until its answer. */
size_t deliver_doomed_count(const struct deliver *deliver);
const char *deliver_doomed_id(const struct deliver *deliver, size_t index);
void deliver_on_delete(struct deliver *deliver, bool has_begun, const struct sink_verdict *verdict, struct moment now);

/* ---- The queue ---- */
/* How many queued memories it takes now; 0: none. more_coming: a listing is still adding to the queue, so a small batch may wait a little to
 * grow; queued: how many there are; queued_since mono: when the oldest of them came. */
int deliver_room(struct deliver *deliver, int64_t queued, bool more_coming, int64_t queued_since_mono, struct moment now);
void deliver_offer(struct deliver *deliver, const struct deliver_memory *memories, size_t count, struct moment now);

/* ---- Time ---- */
void deliver_tick(struct deliver *deliver, struct moment now);
int64_t deliver_next_mono(const struct deliver *deliver); /* when to tick again; INT64_MAX: only when something happens */

/* ---- Answers to commands ---- */
void deliver_on_health(struct deliver *deliver, const struct sink_health *health, const struct sink_verdict *verdict, struct moment now);
void deliver_on_counts(struct deliver *deliver, const struct sink_counts *counts, const struct sink_verdict *verdict, struct moment now);
void deliver_on_pipeline(struct deliver *deliver, const struct sink_pipeline *pipeline, const struct sink_verdict *verdict, struct moment now);
void deliver_on_insert(struct deliver *deliver, int64_t batch, const struct sink_verdict *verdict, struct moment now);
void deliver_on_track_row(struct deliver *deliver, int64_t batch, const struct sink_row *row);
void deliver_on_track(struct deliver *deliver, int64_t batch, const struct sink_verdict *verdict, struct moment now);
void deliver_on_list_row(struct deliver *deliver, const struct sink_row *row);
void deliver_on_list(struct deliver *deliver, const struct sink_page *page, const struct sink_verdict *verdict, struct moment now);
/* The answer to DELIVER_CHECK_COUNTS. */
void deliver_on_check(struct deliver *deliver, const struct sink_counts *counts, const struct sink_verdict *verdict, struct moment now);
void deliver_on_reprocess(struct deliver *deliver, const struct sink_verdict *verdict, struct moment now);

/* ---- What is in it ---- */

enum target_condition {
    TARGET_UNKNOWN,      /* not asked yet */
    TARGET_WELL,
    TARGET_DOWN,         /* no connection, or no sense in its answers: probed with growing pauses */
    TARGET_DENIED,       /* our key */
    TARGET_STRANGE,      /* not a LightRAG, or a version that we do not know */
    TARGET_FENCED,       /* another workspace than the configured one */
};

struct deliver_summary {
    enum target_condition condition;
    enum sink_dialect dialect;
    char version[32];
    char workspace[128];
    char words[400];              /* why it is not well; "" */
    int failures;                 /* in a row: failed probes and calls */
    int insert_marks;             /* in a row: inserts without a usable answer */
    char insert_words[240];       /* what came instead the last time */
    int64_t busy_since_mono;      /* 0: not busy */
    int64_t busy_told_ms;         /* the longest wait the server asked for lately */
    int64_t requests_in_flight;
    int inserts_in_flight;
    int64_t ready, sending, unclear, accepted, stored; /* memories */
    int64_t not_stored;           /* ready + sending + unclear + accepted */
    int64_t removing;             /* memories */
    int64_t removing_since_mono;  /* a delete waits for the pipeline to be idle since; 0: no */
    int64_t stalled_since_mono, stalled_until_mono; /* confirm.kick: never: from then to then the pipeline was idle whenever it was asked, no stored row moved, and
                                     nothing of ours is to move it; 0: it is not so, or not known */
    bool is_full;                 /* no other batch fits into max_unfinished */
    bool is_sweeping;             /* asked for, or under way */
    int restarts;                 /* of the server, noticed so far */
    int64_t unreadable;           /* memories (of unclear and removing): the last walk could not tell, because of rows that nobody can read */
};
void deliver_summarise(const struct deliver *deliver, struct deliver_summary *ret_summary);

/* Whether that is what this memory waits for; and the words for it, with the remedy. */
bool deliver_is_unreadable(const struct deliver *deliver, int64_t seq);
void deliver_say_unreadable(const struct deliver *deliver, char *ret_words, size_t size);

/* Stop asking for new work: batches that are READY stay so; what is in flight is followed. */
void deliver_drain(struct deliver *deliver, bool draining);

/* The members of a batch in the order in which they are sent. */
size_t deliver_batch_size(const struct deliver *deliver, int64_t batch);
void deliver_batch_member(const struct deliver *deliver, int64_t batch, size_t index, struct deliver_memory *ret_memory);

/* Whatever is in flight. */
void deliver_each_member(const struct deliver *deliver, void (*each)(void *context, int64_t seq), void *context);

/* Members of one stream that are in flight, by what is left to do; for a connector's own end. */
void deliver_count_stream(const struct deliver *deliver, int64_t stream, int64_t *ret_not_stored, int64_t *ret_stored, int64_t *ret_removing);

#endif
