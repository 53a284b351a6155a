/* fake_lightrag_internal.h - the fake server's rows and what time does to them (fake_lightrag_store.c), their file (fake_lightrag_disk.c), the routes
 * that insert (fake_lightrag_insert.c), that tell (fake_lightrag_rows.c), that delete (fake_lightrag_delete.c), a small graph
 * (fake_lightrag_graph.c), control and ledger (fake_lightrag_control.c), and the rest (fake_lightrag.c). */
#ifndef MC_FAKES_FAKE_LIGHTRAG_INTERNAL_H
#define MC_FAKES_FAKE_LIGHTRAG_INTERNAL_H

#include "fakes/fake_lightrag.h"

#include "base/json_write.h"
#include "base/text.h"

#include <yyjson.h>

enum doc_status { DOC_PENDING, DOC_PROCESSING, DOC_PROCESSED, DOC_FAILED, DOC_STATUSES };
enum doc_dup { NO_DUP, DUP_FILENAME, DUP_CONTENT };
enum { SUMMARY_CHARACTERS = 250, NO_DOC = -1, DOC_ID_SIZE = 40, TRACK_SIZE = 40, FAKE_ROUTES_MAXIMUM = 32, IN_FLIGHT_MAXIMUM = 64 };

/* A row. Rows are only ever added; a deleted one stays in the array, marked. */
struct doc {
    char id[DOC_ID_SIZE];
    char *name;
    char *text;               /* NULL when lean and processed */
    char *summary;
    char *failure;            /* NULL: none */
    const char *track;        /* in fake->tracks */
    uint64_t content;         /* hash of the text */
    int64_t characters;
    int64_t created_us, updated_ms;
    int64_t older_of_name, next_of_track; /* indexes; NO_DOC */
    int64_t original;         /* of a dup- row */
    int failures;
    enum doc_status status;
    enum doc_dup dup;
    bool is_deleted, has_no_chunk;
    bool has_no_source;       /* 1.4: sent without one; its name is "", and whoever lists it gets a 500 */
    bool is_buffered;         /* 1.5: the model refused it, and its vectors still wait to be written together with everybody's */
    bool is_reloaded;         /* unchanged since the server was started: its status is spelled in another way where the server is careless */
    bool is_torn;             /* a delete has begun at it and has not ended: a processed row that is no longer whole */
};

struct text_item { char *name, *text; size_t size; bool has_no_source; }; /* owned by who has the list */

struct task {                 /* an insert that was accepted: in memory only */
    struct text_item *items;
    size_t count, next;
    const char *track;
    int64_t created_ms, due_ms;
};

struct map {                  /* a string's hash -> the newest index with it */
    struct { uint64_t hash; int64_t index; } *slots;
    size_t size, count;
};

struct fake_lightrag {
    struct fake_lightrag_settings settings;
    char *api_key, *workspace, *fail_match, *empty_match, *error_match, *status_word, *row_word, *fault_path, *retry_after;
    char *delete_fail_match, *drop_path, *core_version, *account;
    int64_t store_item_ms, delete_delay_ms, latency_ms, max_pending;

    struct doc *docs;
    int64_t count;
    size_t capacity;
    struct map by_id, by_name, by_content, by_track;
    int64_t *order;           /* the rows that are not deleted, oldest first; valid unless is_order_old */
    int64_t order_count;
    size_t order_capacity;
    bool is_order_old;
    char **tracks;
    size_t track_count, track_capacity;
    struct task *tasks;
    size_t task_count, task_capacity;

    int64_t now_ms;           /* of the request in hand */
    bool is_running;          /* the pipeline */
    bool wants_retry;         /* reprocess_failed came while it ran */
    int64_t cursor;           /* no unfinished row stands before it */
    int64_t since_ms;         /* when the row at the cursor was begun */
    char **deletes;           /* ids of the delete under way, one after the other; NULL: none */
    size_t delete_count, delete_next;
    int64_t delete_due_ms;    /* when the one whose turn it is will be gone */
    int64_t delete_end_ms;    /* when the last job ended */
    int64_t buffered;         /* rows that are */
    int64_t live, unfinished, processed, failed, failed_live; /* failed counts dup- rows too */

    int64_t fail_times, drop_every, drop_times, lost_deletes, fault_times, fault_status;
    bool fault_html;
    int64_t token_life_s, token_series, wrong_logins, login_locked_ms, logins;
    bool renews_token, wants_recovery;
    int64_t date_shift_s;
    int64_t blocked_until_ms;
    char header[500];

    int64_t inserts, texts, dropped, lost, refused, kicks, track_polls, listings, health_polls, deletes_begun, deletes_refused, deleted;
    int64_t routed[FAKE_ROUTES_MAXIMUM];
    int64_t in_flight[IN_FLIGHT_MAXIMUM]; /* when the inserts under way are answered */
    int64_t max_in_flight;

    int fd;                   /* the file of rows; -1: none */
    struct text journal;      /* lines of this request, written before its answer leaves */
};

/* ---- login ---- */
bool fake_has_token(struct fake_lightrag *fake, const struct fake_request *request); /* a good one, in Authorization */
void fake_renew_token(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);
void fake_answer_login(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);

/* ---- store ---- */
void fake_store_tick(struct fake_lightrag *fake);
uint64_t fake_hash(const char *bytes, size_t size);
int64_t fake_map_find(const struct map *map, uint64_t hash);
void fake_map_put(struct map *map, uint64_t hash, int64_t index);
void fake_map_done(struct map *map);
bool fake_is_live(const struct doc *doc);                                       /* not deleted, no dup- row */
int64_t fake_find_name(const struct fake_lightrag *fake, const char *name);     /* the live doc; NO_DOC */
int64_t fake_find_content(const struct fake_lightrag *fake, uint64_t content);
int64_t fake_find_id(const struct fake_lightrag *fake, const char *id);         /* not deleted; dup- rows too */
void fake_store_accept(struct fake_lightrag *fake, struct text_item *items, size_t count, const char **ret_track);
/* Adds a row as it is stored; takes the item's text. original: NO_DOC unless it is a dup- row. */
struct doc *fake_store_add(struct fake_lightrag *fake, const char *track, int64_t created_us, struct text_item *item, int64_t original, enum doc_dup dup);
void fake_store_end(struct fake_lightrag *fake, int64_t index, enum doc_status status, const char *failure, bool has_no_chunk, int64_t now_ms);
void fake_store_delete(struct fake_lightrag *fake, int64_t index);
void fake_store_set_torn(struct fake_lightrag *fake, int64_t index, bool is_torn);
void fake_store_reprocess(struct fake_lightrag *fake, int64_t now_ms);
void fake_store_restart(struct fake_lightrag *fake);
void fake_store_reloaded(struct fake_lightrag *fake);                           /* all rows come from the disk */
void fake_store_wipe(struct fake_lightrag *fake);
bool fake_store_is_busy(const struct fake_lightrag *fake);                      /* as the server says: not while texts only wait to be stored */
bool fake_store_is_deleting(const struct fake_lightrag *fake);
int64_t fake_store_waiting(const struct fake_lightrag *fake);                   /* texts accepted, not stored */
int64_t fake_store_count_doubled(const struct fake_lightrag *fake);
const char *fake_store_track(struct fake_lightrag *fake, const char *track);    /* a copy that lives as long as the fake */
void fake_items_free(struct text_item *items, size_t count);
const char *fake_status_word(const struct fake_lightrag *fake, const struct doc *doc); /* "processed" */
const char *fake_status_title(const struct doc *doc);                           /* "DocStatus.PROCESSED"; after a restart "processed" */

/* ---- deletes ---- */
void fake_delete_run(struct fake_lightrag *fake);                               /* as far as now_ms */
void fake_delete_forget(struct fake_lightrag *fake);                            /* the server died: what was begun stays as it is */

/* ---- disk ---- */
void fake_disk_add(struct fake_lightrag *fake, const struct doc *doc, const struct text_item *item);
void fake_disk_end(struct fake_lightrag *fake, int64_t index);
void fake_disk_delete(struct fake_lightrag *fake, int64_t index);
void fake_disk_torn(struct fake_lightrag *fake, int64_t index);
void fake_disk_wipe(struct fake_lightrag *fake);
void fake_disk_flush(struct fake_lightrag *fake);

/* ---- answers ---- */
void fake_say(struct http_server_answer *answer, int status, const char *detail);
void fake_say_crash(const struct fake_lightrag *fake, struct http_server_answer *answer); /* a 500 nobody caught: the connection closes unannounced */
struct fake_problem {                /* a 422 of the schema: the real one echoes what was sent, private texts included */
    const char *type, *field;        /* field NULL: of the body itself */
    int64_t index;                   /* in that list; -1: none */
    const char *message;
    yyjson_val *input;               /* NULL: {} */
    const char *context;             /* JSON of "ctx"; NULL: none */
};
void fake_say_invalid(struct http_server_answer *answer, const struct fake_problem *problem);
/* Reads a body; NULL: the answer says what is wrong with it. */
yyjson_doc *fake_read_body(const struct fake_request *request, struct http_server_answer *answer);

/* ---- routes ---- */
typedef void fake_route(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);
fake_route fake_answer_text, fake_answer_texts;
fake_route fake_answer_track, fake_answer_listing, fake_answer_counts;
fake_route fake_answer_delete, fake_answer_clear;
fake_route fake_answer_control;
fake_route fake_answer_query, fake_answer_query_data, fake_answer_entity, fake_answer_graph, fake_answer_labels;
bool fake_spoil(struct fake_lightrag *fake, struct http_server_answer *answer); /* the scripted fault, if one is left */

#endif
