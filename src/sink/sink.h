/* sink.h - the questions that delivery asks a LightRAG server, and what its answers mean.
 *
 * Pure: builds requests, judges answers; it never sends, retries, sleeps or writes state. Delivery decides from the judgement, so every rule
 * exists once. Two dialects: 1.5 and 1.4 (docs/lightrag.md says what each was measured to do).
 *
 * Source: LightRAG HTTP API 1.5.7 and 1.4.9.9 as measured; see docs/lightrag.md for requests and answers. */
#ifndef MC_SINK_SINK_H
#define MC_SINK_SINK_H

#include "base/http.h"
#include "base/text.h"
#include "memory/identity.h"

#include <stdbool.h>
#include <stdint.h>

enum sink_dialect { SINK_UNKNOWN_DIALECT, SINK_14, SINK_15 };

struct sink_settings {
    const char *url;              /* normal form, without a slash at the end */
    const char *api_key;          /* "" when the server has none */
    const char *username, *password; /* of an account; NULL or "" when there is none. engine/account.h logs in with them */
    int64_t timeout_ms;           /* of an insert; the other calls take at most 60 s of it */
    const struct http_trust *trust;
};

/* ---- Requests. Each fills ret_request but owner and handlers; storage keeps what it points to and must live until the answer. ---- */

struct sink_storage {             /* reusable; zero-initialise, sink_storage_done at the end */
    struct text url;
    struct text body;
    struct text header;           /* the key; never logged */
    const char *headers[4];
};
void sink_storage_init(struct sink_storage *storage);
void sink_storage_done(struct sink_storage *storage);

struct sink_document {
    const char *name;             /* document name, see memory/identity.h */
    const char *text;             /* UTF-8 */
    size_t text_size;
};

enum { SINK_BODY_MAXIMUM = 50 << 20 }; /* 1.5 refuses larger bodies: 50 MiB */

/* The text as it is sent: for 1.4 "<|" becomes "< |". */
void sink_append_text(enum sink_dialect dialect, struct text *out, const char *text, size_t size);

/* The name that the server gives a document: "doc-" and the MD5 of the document name (1.5), or of the text as it was sent (1.4). */
enum { SINK_DOC_ID_SIZE = 37 };
void sink_doc_id(const char *bytes, size_t size, char ret_id[SINK_DOC_ID_SIZE]);
/* "doc-" and 32 hex digits, perhaps followed by "-chunk-NNN", as a chunk of the graph is named. false: neither. */
bool sink_parse_doc_id(const char *words, size_t size, uint8_t ret_digest[16]);

/* POST /documents/texts in pieces, so that one text at a time is in memory besides the body. unrepeatable is set. For 1.4 "<|" in texts becomes "< |". */
void sink_insert_begin(const struct sink_settings *settings, struct sink_storage *storage);
void sink_insert_add(enum sink_dialect dialect, struct sink_storage *storage, const struct sink_document *document);
void sink_insert_end(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);

/* POST /login, as a form: a JSON body is refused. The storage holds the password until it is used again. */
void sink_request_login(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);

void sink_request_health(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);
void sink_request_counts(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);   /* proves the key */
void sink_request_pipeline(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);
void sink_request_track(const struct sink_settings *settings, struct sink_storage *storage, const char *track, struct http_request *ret_request);
void sink_request_listing(const struct sink_settings *settings, struct sink_storage *storage, int64_t page /* 1.. */, int page_size /* 10..200 */,
                          bool oldest_first, struct http_request *ret_request); /* by created_at */
void sink_request_reprocess(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request);

/* DELETE /documents/delete_document: rows by the server's ids, in one call; neither files nor the model's cache. */
enum { SINK_DELETE_MAXIMUM = 1000 };
void sink_request_delete(const struct sink_settings *settings, struct sink_storage *storage, const char *const *ids, size_t count,
                         struct http_request *ret_request);

/* ---- Answers ---- */

/* What an answer says about the target, before anything else is looked at. */
enum sink_scope {
    SINK_WELL,          /* 2xx or an answer about documents: look at the judgement */
    SINK_BUSY,          /* not now: 409 of another kind, 429, 503; nobody's fault; retry_after_ms when told */
    SINK_DENIED,        /* 401, 403: our key */
    SINK_NOT_SENT,      /* no connection: nothing arrived */
    SINK_SILENT,        /* sent, and then nothing usable: reset, time-out, cut, nonsense, an unknown word */
    SINK_FAILING,       /* 500, 502, 504 and other 5xx */
    SINK_STRANGE,       /* 404, 405, 3xx, HTML: this is not LightRAG, or not at this address */
};

enum sink_insert {
    SINK_INSERT_NONE,       /* see scope */
    SINK_INSERT_ACCEPTED,   /* queued at the server: a receipt, not a delivery; track_id */
    SINK_INSERT_EXISTS,     /* a document of that name is there; culprit when the server named it */
    SINK_INSERT_CONTENT,    /* 1.4: identical content under some name */
    SINK_INSERT_REFUSED,    /* something in it is refused for good (400, 422); culprit_index when told */
    SINK_INSERT_TOO_LARGE,  /* 413 */
};

struct sink_verdict {
    enum sink_scope scope;
    enum sink_insert insert;
    int status;                   /* HTTP; 0: none */
    int64_t retry_after_ms;       /* -1: not told; capped to one hour, negative and absurd values mended */
    int64_t date_ms;              /* the server's clock; -1: not told */
    char track[128];              /* "" when the server gave none, or one that does not fit */
    int culprit_index;            /* index in the batch; -1: not told */
    char culprit_name[512];       /* "" when not told */
    char words[240];              /* the server's detail or ours, for people; never the input of a 422, never a text */
};

/* names: the batch as it was sent, to find the culprit (may be NULL when count is 0). */
void sink_judge_insert(const struct http_answer *answer, const char *const *names, size_t count, struct sink_verdict *ret_verdict);

/* Any other answer: scope, status, words; insert stays NONE. */
void sink_judge(const struct http_answer *answer, struct sink_verdict *ret_verdict);

/* Of a delete: true: the server began (a receipt: what is gone, a listing shows). SINK_BUSY: it did nothing. */
bool sink_judge_delete(const struct http_answer *answer, struct sink_verdict *ret_verdict);

enum sink_dialect sink_dialect_of(const char *version); /* "1.5.7", "v1.4.9.9" */

/* A token of the server's, fit for a header: visible ASCII, no comma or quote. */
bool sink_is_token(const char *token);

struct sink_login {
    bool is_needless;             /* the server has no accounts: its guest token is not to be used */
    int64_t expires_ms;           /* the server's clock; -1: the token does not say */
};
/* true: ret_token (replaced) is the token, or is empty where none is needed. */
bool sink_read_login(const struct http_answer *answer, struct text *ret_token, struct sink_login *ret_login, struct sink_verdict *ret_verdict);
/* The same for a token that came another way; -1: it does not say. */
int64_t sink_token_expires_ms(const char *token);

struct sink_health {
    enum sink_dialect dialect;    /* UNKNOWN: a version that is neither; words say which */
    char version[32];             /* without a leading v */
    bool has_workspace;           /* false: not told, as by a server with a key to whom comes without it or with a wrong one */
    char workspace[128];
};
/* verdict->scope SINK_STRANGE when it is no health answer of LightRAG. */
void sink_read_health(const struct http_answer *answer, struct sink_health *ret_health, struct sink_verdict *ret_verdict);

struct sink_counts { int64_t all, processed, failed, unfinished; };
void sink_read_counts(const struct http_answer *answer, struct sink_counts *ret_counts, struct sink_verdict *ret_verdict);

struct sink_pipeline {
    bool busy;
    bool is_fenced;               /* it clears, deletes or scans: inserts are refused meanwhile */
    bool recovery_required;       /* a clear or delete did not end: it takes nothing until a person has looked */
};
void sink_read_pipeline(const struct http_answer *answer, struct sink_pipeline *ret_pipeline, struct sink_verdict *ret_verdict);

/* ---- Rows: track_status and listings ---- */

enum sink_row_status { SINK_ROW_UNFINISHED /* also every word that is not known */, SINK_ROW_PROCESSED, SINK_ROW_FAILED };
enum sink_row_dup { SINK_NO_DUP, SINK_DUP_FILENAME, SINK_DUP_CONTENT };

enum { SINK_ROW_ID_SIZE = 96 }; /* LightRAG's ids have 36 bytes; a longer one is no row */

struct sink_row {                 /* borrowed during the callback */
    const char *id;               /* the server's doc id */
    const char *name;             /* file_path; "" when null */
    const char *track;            /* "" when null */
    enum sink_row_status status;
    enum sink_row_dup dup;
    bool has_mark;                /* the summary begins with a first line of ours */
    char mark[REVISION_MARK_SIZE];
    int64_t chunks;               /* -1: not told */
    int64_t created_ms;           /* the server's clock; -1: unparsable */
    int created_rest_us;          /* and so many microseconds: rows of one insert differ in these */
    int64_t updated_ms;           /* likewise */
    const char *error_words;      /* error_msg, control characters escaped, less than 400 bytes, "" when none */
};

/* Calls each() for every row; ret_total and ret_rows get how many elements the list had. When the verdict is not SINK_WELL, rows that came before
 * the doubt are still true, but absence from them proves nothing. */
void sink_read_track(const struct http_answer *answer, void (*each)(void *context, const struct sink_row *row), void *context, int64_t *ret_total,
                     struct sink_verdict *ret_verdict);
struct sink_page {
    int64_t rows;                 /* in this answer */
    int64_t total;                /* in the whole listing, when this page was made; -1: not told */
    bool has_next;                /* another page follows */
    bool has_sourceless;          /* not read: 1.4 says that a document of this page has no source, for which it answers 500 to the whole page */
};
void sink_read_listing(const struct http_answer *answer, void (*each)(void *context, const struct sink_row *row), void *context,
                       struct sink_page *ret_page, struct sink_verdict *ret_verdict);

/* ---- The graph: which documents stand behind an entity. lightrag_graph.c ---- */

enum { SINK_LABELS_MAXIMUM = 10 };
/* Entities whose name looks like the words: fuzzy, whatever the case. */
void sink_request_labels(const struct sink_settings *settings, struct sink_storage *storage, const char *words, struct http_request *ret_request);
void sink_read_labels(const struct http_answer *answer, void (*each)(void *context, const char *label), void *context, struct sink_verdict *ret_verdict);

/* One entity, by its exact name. */
void sink_request_entity(const struct sink_settings *settings, struct sink_storage *storage, const char *label, struct http_request *ret_request);
enum sink_origin { SINK_ORIGIN_NAME /* a document name */, SINK_ORIGIN_CHUNK /* 1.5: doc id and "-chunk-NNN"; 1.4: a hash of the chunk, of no use */ };
struct sink_entity {
    bool is_there;
    char type[64];                /* the server's word; "" when not told */
    int64_t names, chunks;        /* how many of each the server listed that lead to a document */
    bool is_cut;                  /* the server says, or the length says, that its lists are not whole */
};
void sink_read_entity(const struct http_answer *answer, const char *label, void (*each)(void *context, enum sink_origin origin, struct slice value),
                      void *context, struct sink_entity *ret_entity, struct sink_verdict *ret_verdict);

#endif
