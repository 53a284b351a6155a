#include "cli/client.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { CALL_TIMEOUT_MS = 15000, ANSWER_MAXIMUM = 8 << 20 };

void client_answer_done(struct client_answer *answer)
{
    yyjson_doc_free(answer->document);
    *answer = (struct client_answer){ 0 };
}

/* Who listens everywhere is found at home. */
char *client_url(const struct cli *cli)
{
    const char *host = cli->config->api.host;
    bool is_v6 = strchr(host, ':') != NULL;

    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    return mem_format("http://%s%s%s:%lld", is_v6 ? "[" : "", host, is_v6 ? "]" : "", (long long)cli->config->api.port);
}

/* ---- One request ---- */

struct exchange {
    struct cli *cli;
    const char *url;               /* of the service */
    const char *connector;         /* NULL: it is about none */
    struct client_answer *answer;
    struct error *err;
    int result;
    bool is_done;
};

static enum error_kind kind_of(int status)
{
    static const struct { int status; enum error_kind kind; } rows[] = {
        { 401, ERROR_DENIED }, { 403, ERROR_DENIED }, { 404, ERROR_USAGE }, { 400, ERROR_USAGE }, { 422, ERROR_USAGE },
        { 409, ERROR_CONFLICT }, { 412, ERROR_CONFLICT }, { 429, ERROR_LATER }, { 503, ERROR_LATER },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].status == status)
            return rows[i].kind;
    return ERROR_FAILED;
}

static int tell_problem(const struct exchange *exchange, const struct http_answer *answer)
{
    yyjson_val *root = exchange->answer->root;
    yyjson_val *errors = yyjson_obj_get(root, "errors");
    const char *detail = client_text(root, "detail");

    if (yyjson_arr_size(errors) > 0) {
        yyjson_val *first = yyjson_arr_get_first(errors);
        return error_set(exchange->err, kind_of(answer->status), "%s: %s: %s", detail, client_text(first, "pointer"), client_text(first, "detail"));
    }
    if (answer->status == 404 && exchange->connector != NULL && config_find_connector(exchange->cli->config, exchange->connector, &(size_t){ 0 }, exchange->err) < 0)
        return -1; /* names the nearest one */
    if (answer->status == 401)
        return error_set(exchange->err, ERROR_DENIED, "the service at %s wants another key than api.api_key of %s", exchange->url,
                         exchange->cli->config->file[0] != '\0' ? exchange->cli->config->file : "the environment");
    return error_set(exchange->err, kind_of(answer->status), "%s", detail[0] != '\0' ? detail : "the service refused it and did not say why");
}

static int judge(struct exchange *exchange, const struct http_answer *answer)
{
    if (answer->end != HTTP_ANSWERED)
        return error_set(exchange->err, ERROR_UNREACHABLE, "no service answers at %s (%s): start one with \"memory-connector serve\"; \"memory-connector sync\" runs without one",
                         exchange->url, answer->words);
    exchange->answer->status = answer->status;
    exchange->answer->document = yyjson_read(answer->body, answer->body_size, 0);
    exchange->answer->root = yyjson_doc_get_root(exchange->answer->document);
    if (!yyjson_is_obj(exchange->answer->root))
        return error_set(exchange->err, ERROR_FAILED, "what answers at %s is not memory-connector (HTTP %d, no JSON object): look at api.port", exchange->url, answer->status);
    return answer->status >= 200 && answer->status < 300 ? 0 : tell_problem(exchange, answer);
}

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct exchange *exchange = owner;

    (void)id;
    exchange->result = judge(exchange, answer);
    exchange->is_done = true;
}

static void append_path(struct text *out, const char *path, const char *name)
{
    const char *hole = name != NULL ? strstr(path, "%s") : NULL;

    if (hole == NULL) {
        (void)text_append(out, path);
        return;
    }
    (void)text_append_bytes(out, path, (size_t)(hole - path));
    http_url_encode(out, name, strlen(name));
    (void)text_append(out, hole + 2);
}

int client_call(struct cli *cli, const char *method, const char *path, const char *name, const char *body, struct client_answer *ret_answer, struct error *err)
{
    return client_call_within(cli, CALL_TIMEOUT_MS, method, path, name, body, ret_answer, err);
}

int client_call_within(struct cli *cli, int64_t timeout_ms, const char *method, const char *path, const char *name, const char *body, struct client_answer *ret_answer,
                       struct error *err)
{
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_STRING char *base = client_url(cli);
    AUTO_STRING char *key = mem_format("X-API-Key: %s", cli->config->api.key);
    AUTO_DONE(text) struct text url = { 0 };
    const char *headers[] = { "Accept: application/json", "Content-Type: application/json", cli->config->api.key[0] != '\0' ? key : NULL, NULL };
    struct exchange exchange = { .cli = cli, .url = base, .connector = name, .answer = ret_answer, .err = err };
    struct http_request request = {
        .method = method, .headers = headers, .body = body, .body_size = body != NULL ? strlen(body) : 0, .connect_timeout_ms = 3000,
        .timeout_ms = timeout_ms, .answer_maximum = ANSWER_MAXIMUM, .owner = &exchange, .on_done = on_done,
    };
    http_id id;

    *ret_answer = (struct client_answer){ 0 };
    text_init(&url, 0);
    (void)text_append(&url, base);
    append_path(&url, path, name);
    request.url = url.data;
    if (http_client_new(&client, err) < 0 || http_start(http_client_http(client), &request, &id, err) < 0)
        return -1;
    while (!exchange.is_done)
        if (http_poll(http_client_http(client), clock_monotonic_ms() + 1000, err) < 0)
            return -1;
    return exchange.result;
}

/* ---- Answers ---- */

const char *client_text(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));

    return text != NULL ? text : "";
}

int64_t client_integer(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_int(value) ? yyjson_get_sint(value) : -1;
}

bool client_flag(yyjson_val *object, const char *key)
{
    return yyjson_get_bool(yyjson_obj_get(object, key));
}

static void put_root(struct json_writer *writer, yyjson_val *root)
{
    yyjson_val *key;
    size_t index, count;
    yyjson_val *value;

    yyjson_obj_foreach(root, index, count, key, value) {
        size_t size = 0;
        char *json = strcmp(yyjson_get_str(key), "schema") == 0 ? NULL : yyjson_val_write(value, 0, &size);
        if (json != NULL)
            json_write_raw(writer, yyjson_get_str(key), json, size);
        free(json);
    }
}

void client_print_json(struct cli *cli, const char *kind, yyjson_val *root)
{
    struct json_writer writer;

    cli_begin_json(cli, &writer, kind);
    put_root(&writer, root);
    cli_end_json(cli, &writer);
}

/* One page. ret_cursor: of the next; NULL: it was the last one; owned by the caller. */
static int each_of_page(struct cli *cli, const char *cursor, int (*each)(void *context, const char *id, struct error *err), void *context, char **ret_cursor, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    AUTO_STRING char *path = mem_format("/api/v1/connectors?limit=200%s%s", cursor != NULL ? "&cursor=" : "", cursor != NULL ? cursor : "");
    yyjson_arr_iter iter;
    yyjson_val *row;
    int result = client_call(cli, "GET", path, NULL, NULL, &answer, err);

    *ret_cursor = NULL;
    iter = yyjson_arr_iter_with(yyjson_obj_get(answer.root, "connectors"));
    while (result == 0 && (row = yyjson_arr_iter_next(&iter)) != NULL)
        result = each(context, client_text(row, "connector"), err);
    if (result == 0 && client_text(answer.root, "next_cursor")[0] != '\0')
        *ret_cursor = mem_copy_string(client_text(answer.root, "next_cursor"));
    return result;
}

int client_each_connector(struct cli *cli, int (*each)(void *context, const char *id, struct error *err), void *context, struct error *err)
{
    char *cursor = NULL;
    int result;

    do {
        char *next;
        result = each_of_page(cli, cursor, each, context, &next, err);
        mem_free(cursor);
        cursor = next;
    } while (result == 0 && cursor != NULL);
    mem_free(cursor);
    return result;
}

/* ---- Runs ---- */

static const char status_path[] = "/api/v1/connectors/%s/status";

static int64_t run_of(yyjson_val *root, const char *key)
{
    return client_integer(yyjson_obj_get(root, key), "run");
}

int client_trigger(struct cli *cli, const char *connector, const char *body, struct client_run *ret_run, int64_t *ret_number, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer status = { 0 };
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };

    if (client_call(cli, "GET", status_path, connector, NULL, &status, err) < 0 ||
        client_call(cli, "POST", "/api/v1/connectors/%s/trigger", connector, body, &answer, err) < 0)
        return -1;
    ret_run->before = run_of(status.root, "last_run");
    *ret_number = client_integer(answer.root, "run") > 0 ? client_integer(answer.root, "run") : 0;
    return 0;
}

int client_poll_run(struct cli *cli, const char *connector, const struct client_run *run, struct client_answer *ret_answer, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer status = { 0 };
    AUTO_STRING char *path = NULL;
    const char *state;
    int64_t last;

    if (client_call(cli, "GET", status_path, connector, NULL, &status, err) < 0)
        return -1;
    last = run_of(status.root, "last_run");
    state = client_text(status.root, "state");
    if (last > run->before) {
        path = mem_format("/api/v1/connectors/%%s/runs/%lld", (long long)last);
        return client_call(cli, "GET", path, connector, NULL, ret_answer, err) < 0 ? -1 : 1;
    }
    if (strcmp(state, "running") == 0 || strcmp(state, "waiting") == 0)
        return 0;
    return error_set(err, ERROR_CANCELLED, "the run of %s was taken back before it began", connector);
}

int client_exit_code(yyjson_val *report)
{
    const char *result = client_text(report, "result");

    return strcmp(result, "success") == 0 ? 0 : strcmp(result, "partial") == 0 ? 3 : 1;
}
