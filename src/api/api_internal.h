/* api_internal.h - requests, answers and tables, for the handlers.
 *
 * A handler (handle_*.c) gets a request that has passed all gates: host, origin, key, rate, parameters against the route's table, the body's shape. It
 * fills the answer by api_begin ... api_end, or by api_problem. It runs in the server's thread, or (route.is_slow) in a worker's. */
#ifndef MC_API_API_INTERNAL_H
#define MC_API_API_INTERNAL_H

#include "api/api.h"

#include "base/http_server.h"
#include "base/json_write.h"
#include "state/state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <yyjson.h>

enum {
    API_PARTS_MAXIMUM = 8,         /* of a path */
    API_PARAMETERS_MAXIMUM = 16,   /* of a query */
    API_BODY_MAXIMUM = 1 << 20,
    API_BODY_DEPTH = 32,
    API_TARGET_MAXIMUM = 8 << 10,
    API_HEADERS_MAXIMUM = 64,
    API_PER_ADDRESS = 64,
    API_WORKERS = 4,               /* orders wait for the engine: so many at once */
    API_LIMIT_MAXIMUM = 200, API_LIMIT_FALLBACK = 50,
    API_REQUEST_ID_SIZE = 65,
    API_STREAMS_MAXIMUM = 64,      /* of events, at once */
    API_STREAMS_PER_ADDRESS = 32,  /* half of its connections: it can still ask */
};

/* ---- Tables ---- */

enum api_type { API_TEXT, API_INTEGER, API_NUMBER, API_BOOLEAN, API_TIME, API_OBJECT, API_LIST, API_COUNTS, API_ANY };

/* A member of an object in a body or an answer. */
struct api_member {
    const char *name;
    enum api_type type;
    const char *of;                /* OBJECT: name of the schema. LIST: of its elements' schema; NULL: texts. COUNTS: an object of integers */
    const char *help;
    const char *const *choices;    /* TEXT: NULL-terminated; NULL: any */
    double min, max;               /* numbers; both 0: no limits. TEXT: characters at most max */
    bool is_null_too;              /* may be null */
    bool is_optional;              /* may be missing (answers); in bodies everything may be missing but what is_required */
    bool is_required;
};

struct api_schema {
    const char *name;
    const struct api_member *members;
    size_t count;
    const char *help;
    bool has_counters;             /* also all of engine/report.h */
    bool is_open;                  /* further members of unknown names */
    void (*write)(struct json_writer *writer); /* instead of members: the whole schema (connectors, by the tables of the configuration) */
};
extern const struct api_schema *const api_schemas[]; /* NULL-terminated */
extern const char *const api_dead_classes[];         /* likewise */
const struct api_schema *api_schema_find(const char *name);

/* A parameter of a query. */
struct api_parameter {
    const char *name;
    enum api_type type;            /* TEXT, INTEGER, BOOLEAN, TIME */
    const char *help;
    const char *const *choices;
    double min, max;
};

enum api_access {
    API_OPEN,                      /* no key, no rate limit: health */
    API_READ,                      /* either key */
    API_WRITE,                     /* the full key */
};

enum api_body { API_NO_BODY, API_MAY_BODY, API_MUST_BODY };

struct api_request;
struct api_answer;
typedef void api_handler(struct api_request *request, struct api_answer *answer);

struct api_answer_row {            /* for OpenAPI; problems need no row */
    int status;                    /* 0: end */
    const char *schema;            /* NULL: no body, or no JSON */
    const char *media;             /* NULL: application/json */
    const char *help;
};

struct api_route {
    const char *method;            /* GET stands for HEAD too */
    const char *path;              /* "/api/v1/connectors/{id}" */
    const char *operation, *tag, *summary, *help;
    api_handler *handle;
    enum api_access access;
    bool is_exempt;                /* no rate limit although a key is wanted: metrics */
    bool is_slow;                  /* waits for the engine, or reads much: in a worker */
    bool is_hidden;                /* another way to the same: not in the document */
    const struct api_parameter *const *parameters; /* NULL-terminated; NULL: none */
    enum api_body body;
    const char *body_schema;       /* checked by its members; with a write function only that it is an object */
    bool is_conditional;           /* If-Match counts */
    struct api_answer_row answers[5];
};
extern const struct api_route api_routes[];
extern const size_t api_route_count;

/* The kinds of problems: type, status and title of RFC 9457. */
enum api_problem_kind {
    PROBLEM_BAD_REQUEST, PROBLEM_INVALID, PROBLEM_BAD_CURSOR, PROBLEM_NO_KEY, PROBLEM_READ_ONLY, PROBLEM_BAD_ORIGIN, PROBLEM_NO_ROUTE,
    PROBLEM_UNKNOWN_CONNECTOR, PROBLEM_UNKNOWN_RUN, PROBLEM_UNKNOWN_MEMORY, PROBLEM_METHOD, PROBLEM_NOT_ACCEPTABLE, PROBLEM_CONFLICT, PROBLEM_RUNNING,
    PROBLEM_MANAGED_BY_FILE, PROBLEM_STALE, PROBLEM_TOO_LARGE, PROBLEM_TARGET_TOO_LONG, PROBLEM_MEDIA_TYPE, PROBLEM_BAD_HOST, PROBLEM_TOO_MANY,
    PROBLEM_HEAD_TOO_LARGE, PROBLEM_STATE, PROBLEM_UNAVAILABLE, API_PROBLEMS
};
struct api_problem_row { const char *slug; int status; const char *title, *help; };
extern const struct api_problem_row api_problem_rows[API_PROBLEMS];

/* ---- The API ---- */

enum api_principal { API_NOBODY, API_READER, API_MASTER };

struct api_limits;                 /* api_limit.c */
struct api_keys { uint8_t full[SHA256_SIZE], reader[SHA256_SIZE]; bool has_full, has_reader, is_on; };

struct api {
    struct api_settings settings;
    const struct config *config;
    const char *host;
    struct api_keys keys;
    struct api_limits *limits;
    struct http_server *server;
    char *openapi;                 /* made once */
    size_t openapi_size;
    char openapi_etag[24];
    struct event_stream *streams[API_STREAMS_MAXIMUM]; /* handle_events.c; of the server's own thread */
    atomic_size_t stream_count;    /* of them */
    struct state *readers[API_WORKERS + 1]; /* one of each thread; NULL: not opened yet */
    int64_t started_ms;
};

/* ---- A request ---- */

struct api_pair { char *name, *value; size_t size; }; /* decoded */

struct api_target {                /* api_target.c */
    struct { char *bytes; size_t size; } parts[API_PARTS_MAXIMUM];
    size_t part_count;
    struct api_pair parameters[API_PARAMETERS_MAXIMUM];
    size_t parameter_count;
    char *storage;
};

struct api_request {
    struct api *api;
    const struct http_server_request *http;
    const struct api_route *route;
    struct api_target target;
    char id[API_REQUEST_ID_SIZE];  /* X-Request-Id */
    enum api_principal principal;
    yyjson_doc *document;          /* of the body; NULL: none came */
    yyjson_val *body;              /* an object; NULL: none came */
    const char *body_text;         /* as it came */
    size_t body_size;
    char *cursor;                  /* key behind which to go on, owned; NULL: from the start */
    size_t cursor_size;
    int64_t now_ms;                /* wall clock */
};

/* "{id}" of the path: the decoded bytes; may hold anything, also NUL. */
struct slice api_part(const struct api_request *request, const char *name);
/* "{id}" as a connector's id; NULL (with the problem in the answer): it cannot be one. */
const char *api_connector_id(struct api_request *request, struct api_answer *answer);
const char *api_parameter(const struct api_request *request, const char *name);           /* NULL: not given. Checked against the table */
int64_t api_parameter_integer(const struct api_request *request, const char *name, int64_t fallback);
bool api_parameter_flag(const struct api_request *request, const char *name);
size_t api_limit(const struct api_request *request);                                       /* 1..200 */
/* Members of the body, checked against the table: NULL, fallback when missing or null. */
const char *api_body_text(const struct api_request *request, const char *name);
int64_t api_body_integer(const struct api_request *request, const char *name, int64_t fallback);
bool api_body_flag(const struct api_request *request, const char *name);

/* The connection to the state of this thread; NULL with the problem in the answer. */
struct state *api_state(struct api_request *request, struct api_answer *answer);
/* Reading failed: closes the connection, so that the next request opens a new one, and says so. */
void api_state_failed(struct api_request *request, struct api_answer *answer, const struct error *err);

/* ---- An answer ---- */

struct api_answer {
    struct http_server_answer *http; /* status 200, body empty; streams set http->produce */
    struct json_writer writer;
    struct text errors;            /* elements of "errors" of the problem to come */
    size_t error_count;
};

struct json_writer *api_begin(struct api_answer *answer, int status); /* opens the object */
void api_end(struct api_answer *answer);
void api_header(struct api_answer *answer, const char *name, const char *format, ...) MC_PRINTF(3, 4);
/* The whole answer, with what api_add_error gathered. Says what to do. */
void api_problem(struct api_request *request, struct api_answer *answer, enum api_problem_kind kind, const char *format, ...) MC_PRINTF(4, 5);
void api_add_error(struct api_answer *answer, const char *pointer, const char *format, ...) MC_PRINTF(3, 4);           /* JSON pointer */
void api_add_parameter_error(struct api_answer *answer, const char *parameter, const char *format, ...) MC_PRINTF(3, 4);
/* "next_cursor" of a list (key NULL: null, it was the last page), with a Link header. The cursor fits only this path and these filters. */
void api_next_cursor(struct api_request *request, struct api_answer *answer, const char *key, size_t size);
/* The cursor of the query, checked; false: the problem is in the answer. */
bool api_cursor_take(struct api_request *request, struct api_answer *answer);
/* ETag; true when If-None-Match names it: then the answer is made (304). */
bool api_etag(struct api_request *request, struct api_answer *answer, const char *tag);
/* If-Match: true when it is missing, "*", or names tag; else 412 is in the answer. */
bool api_if_match(struct api_request *request, struct api_answer *answer, const char *tag);
/* Gives the order and turns whatever is not DONE into a problem (false). */
bool api_order(struct api_request *request, struct api_answer *answer, struct order *order);
void api_refuse_order(struct api_request *request, struct api_answer *answer, const struct order *order); /* the problem of one that is not DONE */

/* ---- api_target.c: pure ---- */
int api_target_parse(const char *target, struct api_target *ret_target, struct error *err);
void api_target_done(struct api_target *target);
AUTO_DEFINE_DONE(api_target)
/* The route of a path, and what methods it has ("GET, HEAD, POST") when the method is not among them. */
const struct api_route *api_route_find(const struct api *api, const struct api_target *target, const char *method, char *ret_allow, size_t room);

/* ---- api_cursor.c: pure ---- */
void api_cursor_write(const char *scope, size_t scope_size, const char *key, size_t size, struct text *out);
bool api_cursor_read(const char *scope, size_t scope_size, const char *cursor, char **ret_key, size_t *ret_size);

/* ---- api_body.c ---- */
/* Parses and checks the body against the route's table; false: the problem is in the answer. */
bool api_body_read(struct api_request *request, struct api_answer *answer);
/* Adds an error for each mistake of one value: by its type, limits and choices. */
void api_check_text(struct api_answer *answer, const char *parameter, const struct api_parameter *row, const char *value);

/* ---- api_guard.c: host, origin, keys ---- */
bool api_host_is_allowed(const struct config *config, const char *bound, const char *host);
bool api_origin_is_same(const char *origin, const char *host);
bool api_origin_is_listed(const struct config *config, const char *origin);
void api_keys_set(struct api_keys *keys, const struct config *config);
/* What the request shows. *ret_has_key: it shows one, right or wrong. */
enum api_principal api_authenticate(const struct api_keys *keys, const struct http_server_request *request, bool *ret_has_key);
/* The address that counts: the peer, or what a trusted proxy says it is. */
void api_client_address(const struct config *config, const struct http_server_request *request, char ret_address[HTTP_SERVER_PEER_SIZE]);

/* ---- api_limit.c: token buckets, a bounded number of them ---- */
struct api_limits *api_limits_new(bool is_on, int64_t per_minute);
void api_limits_free(struct api_limits *limits);
/* 0: go on. Else: come back in so many ms. */
int64_t api_limits_take(struct api_limits *limits, const char *address, enum api_principal principal, int64_t now_mono);
/* Wrong keys: five in a minute from one address, then nobody there is listened to for a while. */
int64_t api_limits_look_at_guesses(struct api_limits *limits, const char *address, int64_t now_mono);
void api_limits_count_guess(struct api_limits *limits, const char *address, int64_t now_mono);

/* ---- api_openapi.c ---- */
void api_write_schema(struct json_writer *writer, const char *key, const struct api_schema *schema);

/* ---- handle_connectors.c ---- */
enum { API_TAG_SIZE = 48 };
const char *api_find_connector(struct api_request *request, struct api_answer *answer, struct connector_board *ret_board); /* NULL: 404 is in the answer */
/* The servers that it brought along: own_source, own_target; to be given back by config_connector_release. */
void api_read_own(struct api_request *request, const char *id, struct service_connector *ret_connector);
void api_connector_tag(int64_t version, const char *definition, char ret_tag[API_TAG_SIZE]);
void api_write_connector(struct api_answer *answer, int status, const char *definition, bool is_from_file);

/* ---- handlers ---- */
api_handler handle_openapi, handle_root;
api_handler handle_connectors, handle_connector, handle_create, handle_replace, handle_patch, handle_delete;
api_handler handle_trigger, handle_pause, handle_resume, handle_cancel, handle_reset, handle_test;
api_handler handle_status, handle_history, handle_run, handle_runs;
api_handler handle_memories, handle_memory, handle_resolve;
api_handler handle_letters, handle_retry, handle_discard;
api_handler handle_events, handle_metrics, handle_health, handle_livez, handle_readyz;

#endif
