/* client.h - the running service, asked by its management API: address and key from the configuration (api.host, api.port, api.api_key). */
#ifndef MC_CLI_CLIENT_H
#define MC_CLI_CLIENT_H

#include "cli/cli.h"

#include <yyjson.h>

struct client_answer {
    int status;
    yyjson_doc *document;
    yyjson_val *root;              /* an object; of document */
};
void client_answer_done(struct client_answer *answer);
AUTO_DEFINE_DONE(client_answer)

/* "http://127.0.0.1:9622": owned by the caller. */
char *client_url(const struct cli *cli);
/* One request; path as "/api/v1/connectors/%s/trigger" with name percent-encoded in place of %s (name NULL: path as it is). body NULL: none. 0: it was
 * done. -1: ERROR_UNREACHABLE (nobody answers: the message says what to do), ERROR_DENIED, ERROR_USAGE (404), ERROR_CONFLICT (409), ERROR_LATER,
 * ERROR_FAILED; ret_answer then has the problem where one came. */
int client_call(struct cli *cli, const char *method, const char *path, const char *name, const char *body, struct client_answer *ret_answer, struct error *err);

/* The same with another patience than 15 s. */
int client_call_within(struct cli *cli, int64_t timeout_ms, const char *method, const char *path, const char *name, const char *body, struct client_answer *ret_answer,
                       struct error *err);

/* The ids of all connectors that the service has, those made by API among them; until each says -1. */
int client_each_connector(struct cli *cli, int (*each)(void *context, const char *id, struct error *err), void *context, struct error *err);

/* Members of an answer; missing: "", -1, false. */
const char *client_text(yyjson_val *object, const char *key);
int64_t client_integer(yyjson_val *object, const char *key);
bool client_flag(yyjson_val *object, const char *key);

/* The whole answer as one object of the command, with a schema of that kind. */
void client_print_json(struct cli *cli, const char *kind, yyjson_val *root);

/* ---- A run that somebody waits for ---- */

struct client_run {
    int64_t before;                /* number of the connector's last run before */
};
/* Triggers one; *ret_number 0: it waits for a free place. */
int client_trigger(struct cli *cli, const char *connector, const char *body, struct client_run *ret_run, int64_t *ret_number, struct error *err);
/* 1: it ended, its report is in ret_answer; 0: not yet; -1. ERROR_CANCELLED: somebody took it back before it began. */
int client_poll_run(struct cli *cli, const char *connector, const struct client_run *run, struct client_answer *ret_answer, struct error *err);
/* 0, 1, 3 by the report's result. */
int client_exit_code(yyjson_val *report);

#endif
