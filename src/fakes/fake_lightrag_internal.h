/* fake_lightrag_internal.h - the fake server's storage (fake_lightrag_store.c) under its routes (fake_lightrag.c) and its small graph
 * (fake_lightrag_graph.c). */
#ifndef MC_FAKES_FAKE_LIGHTRAG_INTERNAL_H
#define MC_FAKES_FAKE_LIGHTRAG_INTERNAL_H

#include "fakes/fake_lightrag.h"

#include "base/text.h"

enum doc_status { DOC_PENDING, DOC_PROCESSING, DOC_PROCESSED, DOC_FAILED };
enum { SUMMARY_CHARACTERS = 250, NO_DOC = -1 };

struct doc {
    char id[48];
    char *name;
    char *text;              /* NULL when lean */
    char *summary;
    size_t length;           /* characters are counted as bytes */
    uint64_t content;        /* hash of the text */
    char track[48];
    int64_t created_ms, updated_ms;
    enum doc_status status;
    bool is_deleted;
    const char *dup_kind;    /* "filename", "content_hash"; NULL: no dup- row */
    char original[48];
    char failure[300];
    int failures_left;       /* by fail_times */
    int64_t next_of_track;   /* index; NO_DOC */
};

struct text_item { char *name, *text; size_t size; };

struct task {                /* accepted, in memory only */
    struct text_item *items;
    size_t count, next;
    char track[48];
    int64_t created_ms, due_ms;
};

struct map {                 /* string hash -> index of the newest doc with it */
    struct { uint64_t hash; int64_t index; } *slots;
    size_t size, count;
};

struct fake_lightrag {
    struct fake_lightrag_settings settings;
    char *api_key, *workspace, *fail_match, *error_match, *status_word;
    struct doc *docs;
    int64_t count;
    size_t capacity;
    struct map by_name, by_content, by_track;
    struct task *tasks;
    size_t task_count, task_capacity;
    int64_t track_number;

    bool is_running;         /* the pipeline */
    int64_t cursor;          /* the next doc it looks at */
    int64_t busy_since_ms;   /* when it took the doc in hand */
    int64_t deleting_until_ms;
    int64_t live, processed, failed, unfinished;

    int fail_times, drop_every, fault_times, fault_status;
    char retry_after[64];
    bool fault_html;
    int64_t blocked_until_ms, latency_ms;
    char header[100];

    int64_t inserts, texts, dropped, lost, refused, kicks, track_polls, listings, health_polls;
    int64_t in_flight[64];   /* ends of inserts under way */
    int max_in_flight;
};

/* ---- store ---- */
void fake_store_tick(struct fake_lightrag *fake, int64_t now_ms);
uint64_t fake_hash(const char *bytes, size_t size);
int64_t fake_map_find(const struct map *map, uint64_t hash);
void fake_map_put(struct map *map, uint64_t hash, int64_t index);
/* The live (not dup-, not deleted) doc of that name or content; NO_DOC. */
int64_t fake_find_name(const struct fake_lightrag *fake, const char *name);
int64_t fake_find_content(const struct fake_lightrag *fake, uint64_t content);
void fake_store_accept(struct fake_lightrag *fake, struct text_item *items, size_t count, int64_t now_ms, char ret_track[48]);
void fake_store_delete(struct fake_lightrag *fake, const char *id);
void fake_store_reprocess(struct fake_lightrag *fake, int64_t now_ms);
void fake_store_restart(struct fake_lightrag *fake);
void fake_store_wipe(struct fake_lightrag *fake);
bool fake_store_is_busy(const struct fake_lightrag *fake);
int64_t fake_store_count_doubled(const struct fake_lightrag *fake);
const char *fake_status_name(enum doc_status status);

/* ---- graph ---- */
void fake_answer_query(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);
void fake_answer_entity(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);
void fake_answer_graph(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);
void fake_answer_labels(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer);

#endif
