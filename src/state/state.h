/* state.h - what the program remembers, across every crash.
 *
 * One writer, any number of readers. The writer holds a lock (a file beside the state, gone with the process); readers need none. Changes are
 * applied inside a transaction that state_apply opens by itself; they are durable after state_commit (fdatasync of SQLite's write-ahead
 * log: synchronous=FULL) and gone after a crash before it. A failed apply or commit is final for this object: every later call fails, nothing more
 * may be sent, the program ends with 74 and recovers from what is on the disk.
 *
 * Two backends: SQLite (state_sqlite.c), and for small installations a folder of text files (state_json.h) that lives in SQLite in memory while it is
 * open, so that everything below is written once. Schema version and migrations: state_schema.c.
 * Results borrow memory from the state until its next call of the same function, unless said otherwise. */
#ifndef MC_STATE_STATE_H
#define MC_STATE_STATE_H

#include "base/error.h"
#include "base/text.h"
#include "delivery/record.h"

struct state;

enum state_backend { STATE_SQLITE, STATE_JSON };

struct state_settings {
    enum state_backend backend;
    const char *path;          /* the folder (STATE_JSON), or the database file; its folder is made 0700, the file 0600. ":memory:" for the simulation;
                                  ":memory:NAME" is shared by all states of this process that name it, and lives as long as one of them */
    int64_t lock_wait_ms;      /* how long to wait for another writer; 0: ERROR_CONFLICT at once */
    int64_t now_ms;            /* wall clock, for the backup's name when an older schema is migrated */
    bool reader;               /* no lock, no writing, no migration; a missing file is an error that says so */
};

/* Errors: ERROR_CONFLICT (somebody writes: pid and host), ERROR_CONFIG (newer schema: 78; not a state of ours; a folder), ERROR_IO. Proves that the
 * state can be written before it returns. An older schema: backup beside it, then all migrations in one transaction. */
int state_open(const struct state_settings *settings, struct state **ret_state, struct error *err);
void state_free(struct state *state);   /* an open transaction is rolled back; checkpoints when it was the writer */
AUTO_DEFINE(state)

int state_apply(struct state *state, const struct change *change, struct error *err) MC_MUST_CHECK;
int state_commit(struct state *state, struct error *err) MC_MUST_CHECK;  /* nothing open: does nothing */
bool state_has_uncommitted(const struct state *state);
/* A writer keeps its view of the file open from one look-up to the next, because opening one is several file locks each time. Before a wait of unknown
 * length it is let go, so that strangers (a checkpoint by hand) are not held up. What is uncommitted stays as it is. NULL: nothing. */
void state_rest(struct state *state);

/* Without opening or making anything: the folder that its files are in (owned by the caller), and who writes it now, "" when nobody does. */
char *state_folder(const struct state_settings *settings);
void state_holder(const struct state_settings *settings, struct text *ret_words);

/* Disk: true while there is less than reserve_bytes left where the state lives. */
bool state_disk_is_short(const struct state *state, int64_t reserve_bytes);

/* Numbers for new rows: unique for ever, also across crashes. */
int64_t state_next_memory(struct state *state);
int64_t state_next_batch(struct state *state);
int64_t state_next_letter(struct state *state);
int64_t state_next_run(struct state *state);
int64_t state_next_target(struct state *state);
int64_t state_next_stream(struct state *state);

/* ---- Look-ups. 1: found, 0: not there, -1: error. ---- */

int state_find_target(struct state *state, const char *name, struct target_row *ret_row, struct error *err);
int state_find_stream(struct state *state, int64_t target, const char *source, const char *context, struct stream_row *ret_row,
                      struct error *err);
int state_get_stream(struct state *state, int64_t stream, struct stream_row *ret_row, struct error *err);
int state_find_memory(struct state *state, int64_t stream, struct slice id, struct memory_row *ret_row, struct error *err);
int state_get_memory(struct state *state, int64_t seq, struct memory_row *ret_row, struct error *err);
int state_get_text(struct state *state, int64_t seq, struct text *text, struct error *err); /* appends */
/* The revision that waits until the one in flight is settled; text is appended. 1, 0 or -1. */
int state_get_newer(struct state *state, int64_t seq, uint8_t ret_revision[SHA256_SIZE], struct text *text, struct error *err);
int state_get_mark(struct state *state, int64_t owner, enum mark_kind kind, int64_t *ret_value, struct error *err);     /* 0 when there is none; 0 or -1 */
int state_get_absence(struct state *state, int64_t seq, int64_t *ret_since_ms, struct error *err);                      /* likewise */
int state_get_batch(struct state *state, int64_t batch, struct batch_row *ret_row, struct error *err);
int state_get_letter(struct state *state, int64_t letter, struct dead_letter *ret_letter, struct error *err);
int state_find_letter(struct state *state, int64_t stream, enum dead_class dead_class, int64_t seq,
                      const uint8_t fingerprint[16], struct dead_letter *ret_letter, struct error *err); /* open ones only; class 0: any;
                      fingerprint NULL: any. The first of several */
/* Of an element that was listed (its fingerprint and length), whatever its seq: closed ones only, the last of several. */
int state_find_decided_letter(struct state *state, int64_t stream, enum dead_class dead_class, const uint8_t fingerprint[16], int64_t length,
                              struct dead_letter *ret_letter, struct error *err);
int state_get_run(struct state *state, int64_t run, struct run_row *ret_row, struct error *err);

/* ---- Lists: the callback returns false to stop; it must not change the state. 0 or -1. ---- */

/* QUEUED of a target whose time has come, oldest first. Stops before the sum of text_size passes bytes_maximum (at least one is given). */
int state_each_queued(struct state *state, int64_t target, int64_t now_ms, size_t count_maximum, int64_t bytes_maximum,
                      bool (*each)(void *context, const struct memory_row *row), void *context, struct error *err);
/* The earliest not_before of QUEUED rows of a target; 0 when one is due or *ret_any is false. */
int state_next_queued(struct state *state, int64_t target, int64_t now_ms, bool *ret_any, int64_t *ret_not_before_ms, struct error *err);
int state_each_open_batch(struct state *state, int64_t target, bool (*each)(void *context, const struct batch_row *row), void *context,
                          struct error *err);
int state_each_member(struct state *state, int64_t batch, bool (*each)(void *context, const struct memory_row *row), void *context,
                      struct error *err); /* FLYING ones of that batch, in order of arrival */
int state_each_removing(struct state *state, int64_t target, bool (*each)(void *context, const struct memory_row *row), void *context,
                        struct error *err);
/* All memories of a stream (0: of all), in order of arrival, after a seq (0: from the first). */
int state_each_memory(struct state *state, int64_t stream, int64_t after_seq, bool (*each)(void *context, const struct memory_row *row),
                      void *context, struct error *err);
/* What the last complete listings did not show. */
int state_each_absence(struct state *state, int64_t stream, bool (*each)(void *context, int64_t seq, int64_t since_ms), void *context,
                       struct error *err);
int state_each_target(struct state *state, bool (*each)(void *context, const struct target_row *row), void *context, struct error *err);
int state_each_stream(struct state *state, bool (*each)(void *context, const struct stream_row *row), void *context, struct error *err);

struct letter_filter {
    const char *connector;     /* NULL: all */
    int dead_class;            /* 0: all */
    struct slice memory_id;    /* size 0: all */
    int64_t since_ms;          /* last_ms at or after; 0: all */
    bool with_closed;          /* also those that were retried, discarded or cleared */
    const struct run_row *run; /* that happened in this run (began before its end and not over before its start, or counted for it); NULL: all */
    int64_t after_letter;      /* paging */
    size_t limit;              /* 0: no limit */
};
int state_each_letter(struct state *state, const struct letter_filter *filter,
                      bool (*each)(void *context, const struct dead_letter *letter), void *context, struct error *err);

/* Newest first; connector NULL: all. */
int state_each_run(struct state *state, const char *connector, size_t limit, bool (*each)(void *context, const struct run_row *row),
                   void *context, struct error *err);
/* The same, from the newest one below before on: the next page. */
int state_each_run_before(struct state *state, const char *connector, int64_t before, size_t limit,
                          bool (*each)(void *context, const struct run_row *row), void *context, struct error *err);
/* When the connector's last run ended that brought everything or most of it; 0: never. 0 or -1. */
int state_last_success(struct state *state, const char *connector, int64_t *ret_finished_ms, struct error *err);
/* Connectors made by API, in order of their ids. */
int state_each_connector(struct state *state, bool (*each)(void *context, const struct connector_row *row), void *context, struct error *err);
/* What was told of troubles, by connector and cause. */
int state_each_alert(struct state *state, bool (*each)(void *context, const struct alert_row *row), void *context, struct error *err);
/* Where a connector's schedule stands. 1, 0 or -1. */
int state_get_job(struct state *state, const char *connector, struct job_row *ret_row, struct error *err);
/* Runs without an end: what recovery marks as interrupted. */
int state_each_open_run(struct state *state, bool (*each)(void *context, const struct run_row *row), void *context, struct error *err);

/* ---- The way back, for people's questions: some walk the whole table, a few tens of ms for 100,000 memories. ---- */

int state_get_first_seen(struct state *state, int64_t seq, int64_t *ret_first_ms, struct error *err); /* 0: before that was recorded */
/* Every memory, but only what its document name follows from, the newest first. name.size 0: by rule. */
int state_each_name(struct state *state, bool (*each)(void *context, int64_t seq, int64_t stream, struct slice id, struct slice name), void *context,
                    struct error *err);
/* Every kept text: the longest of these walks, as it reads all that is kept. */
int state_each_text(struct state *state, bool (*each)(void *context, int64_t seq, int64_t target, struct slice text), void *context, struct error *err);
int state_each_tracked(struct state *state, const char *track, bool (*each)(void *context, const struct batch_row *row), void *context,
                       struct error *err); /* batches that got this track id; the whole table of batches is read */
int state_each_flown(struct state *state, int64_t batch, bool (*each)(void *context, const struct memory_row *row), void *context,
                     struct error *err); /* memories whose last or present batch it is; the whole table is read */
/* All of a memory, also those that were retried, discarded or cleared; oldest first. */
int state_each_letter_of(struct state *state, int64_t seq, bool (*each)(void *context, const struct dead_letter *letter), void *context,
                         struct error *err);

/* ---- Counts, kept in the same transactions: no scan. ---- */

struct state_counts {
    int64_t memories[MEMORY_STATES];
    int64_t letters[DEAD_CLASSES];    /* open ones */
};
int state_count_stream(struct state *state, int64_t stream, struct state_counts *ret_counts, struct error *err);
int state_count_target(struct state *state, int64_t target, struct state_counts *ret_counts, struct error *err);
int state_count_connector(struct state *state, const char *connector, struct state_counts *ret_counts, struct error *err);
/* FLYING memories by the state of their batch (BATCH_READY .. BATCH_STORED), of a connector or (NULL) all. */
int state_count_flying(struct state *state, const char *connector, int64_t ret_counts[BATCH_STATES], struct error *err);
/* When the oldest QUEUED or FLYING memory arrived; 0: none. */
int state_oldest_unsettled(struct state *state, const char *connector, int64_t *ret_arrived_ms, struct error *err);

const char *state_path(const struct state *state);
/* What other connections of this process open, as STATE_SQLITE and as readers, to see what the writer sees. Borrowed. */
const char *state_reader_path(const struct state *state);
const char *state_sqlite_version(void);

#endif
