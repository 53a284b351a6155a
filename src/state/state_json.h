/* state_json.h - the backend for small installations and for people who want to read their state: a folder of text files.
 *
 *     snapshot-000012.jsonl    everything as it was when generation 12 began (state_dump.h)
 *     journal-000012.jsonl     a head, then what each transaction since then changed, a line each, in order
 *     lock                     who writes
 *
 * All of it is brought into SQLite in memory when it is opened, so that every query exists once (state_read*.c); triggers of the connection see what a
 * transaction changes, and state_commit writes that down and syncs it before the transaction ends in memory. When the journal has outgrown the snapshot,
 * a new generation begins: its journal and its snapshot under a passing name, both synced, then the snapshot is renamed: from that moment it counts.
 *
 * A line that was cut, with nothing whole behind it, is what a crash leaves of a transaction that nobody was told of: it is cut off, and kept in
 * journal-NNNNNN.torn. Anything else that is not whole is damage, and stops with the place and the way to repair; nothing ever starts empty because of it. */
#ifndef MC_STATE_STATE_JSON_H
#define MC_STATE_STATE_JSON_H

#include "state/state_dump.h"
#include "state/state_internal.h"

struct state_json {
    char *folder;
    char *reader_path;            /* what others of this process open to see the same: state_reader_path */
    int fd;                       /* of the journal, at its end; -1: a reader's */
    int schema;                   /* of the newest migration */
    int64_t generation, commits;
    int64_t journal_bytes, snapshot_bytes;
    int64_t journal_limit;        /* not thought of before it has so many bytes */
    int64_t retry_bytes;          /* a new generation that failed is tried again at this size of the journal; 0: none did */
    int64_t now_ms;               /* when it was opened */
    struct rows rows;
    struct text pending;          /* rows that the open transaction changed */
    struct dump_sink sink;
};

/* Refuses what must not be opened: a file, a folder of something else, a journal without its snapshot. *ret_generation: the newest, 0: there is no state. */
int state_json_inspect(const char *folder, int64_t *ret_generation, struct error *err);
bool state_json_is_there(const char *path);

/* Opens state->db and what belongs to it; a writer holds the lock already. */
int state_json_open(struct state *state, const struct state_settings *settings, const struct migration *table, size_t count, struct error *err);
/* What the open transaction changed is on the disk when this returns 0. After a failure the state is broken. */
int state_json_write(struct state *state, struct error *err);
void state_json_tidy(struct state *state); /* after the transaction ended in memory: a new generation when it is time */
void state_json_close(struct state *state); /* of a writer that is sound: likewise, sooner */
void state_json_free(struct state_json *json);
const char *state_json_reader_path(const struct state_json *json);

/* The first generation in an empty folder that is there: what db holds. */
int state_json_create(const char *folder, sqlite3 *db, int schema, int64_t now_ms, struct error *err);
/* The next generation is what db holds; the files of the one before are kept as *.damaged.backup. */
int state_json_replace(const char *folder, sqlite3 *db, int schema, int64_t now_ms, struct error *err);

/* ---- state_json_folder.c ---- */
char *state_json_name(const char *folder, const char *kind, int64_t generation, const char *ending); /* owned by the caller */
void state_json_remove(const char *folder, int64_t generation);
void state_json_remove_others(const char *folder, int64_t generation); /* generations, and what has a passing name */
int state_json_keep_torn(const char *path, int64_t from, struct error *err); /* what stands behind from: appended to PATH.torn, synced */
int state_json_keep_backup(const char *folder, int64_t generation, const char *why, struct error *err); /* as NAME.why.backup */
int state_json_open_file(const char *path, int *ret_fd, struct error *err);
int state_json_sync(int fd, const char *path, struct error *err);

#endif
