/* command_tail.c - tail and health: what happens in the running service, and whether it is well. */
#include "cli/client.h"
#include "cli/event_reader.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "base/signals.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    RETRY_MS = 2000,               /* before a lost connection is tried again */
    SILENCE_MS = 45000,            /* a heartbeat comes at least every 20 s */
};

struct tail {
    struct cli *cli;
    struct http_client *client;
    struct event_reader reader;
    const char *connector;         /* NULL: all */
    int64_t limit, shown;          /* limit 0: none */
    int status;                    /* of the stream that is being read; 0: none yet */
    bool is_lines, is_over, is_lost, was_lost;
    struct error err;
};

static void on_signal(void *context)
{
    struct tail *tail = context;

    http_wake(http_client_http(tail->client));
}

/* ---- Lines for people ---- */

static void add_harmless(struct text *out, const char *words)
{
    (void)text_append_harmless(out, words, strlen(words));
}

static void add_report(struct text *out, yyjson_val *root)
{
    yyjson_val *report = yyjson_obj_get(root, "report");
    bool is_over = strcmp(client_text(root, "type"), "run.finished") == 0;

    (void)text_append_format(out, "run %lld ", (long long)client_integer(report, "run"));
    add_harmless(out, is_over ? client_text(report, "result") : client_text(root, "phase"));
    (void)text_append_format(out, ": %lld fetched, %lld new, %lld changed, %lld stored, %lld processed, %lld failed", (long long)client_integer(report, "fetched"),
                             (long long)client_integer(report, "new"), (long long)client_integer(report, "changed"), (long long)client_integer(report, "stored"),
                             (long long)client_integer(report, "processed"), (long long)(client_integer(report, "failed") + client_integer(report, "malformed")));
    if (is_over && client_text(report, "error")[0] != '\0') {
        (void)text_append(out, ": ");
        add_harmless(out, client_text(report, "error"));
    }
}

static void add_letter(struct text *out, yyjson_val *letter)
{
    (void)text_append(out, "memory ");
    add_harmless(out, client_text(letter, "memory"));
    (void)text_append(out, ": ");
    add_harmless(out, client_text(letter, "class"));
    (void)text_append(out, ": ");
    add_harmless(out, client_text(letter, "words"));
}

/* "2026-11-23T17:00:00.000Z  life  run.finished  run 3 success: 6 fetched, ..." */
static void add_line(struct text *out, const char *name, yyjson_val *root)
{
    add_harmless(out, client_text(root, "time")[0] != '\0' ? client_text(root, "time") : "-");
    (void)text_append(out, "  ");
    add_harmless(out, client_text(root, "connector")[0] != '\0' ? client_text(root, "connector") : "-");
    (void)text_append(out, "  ");
    add_harmless(out, name);
    (void)text_append(out, "  ");
    if (yyjson_is_obj(yyjson_obj_get(root, "report")))
        add_report(out, root);
    else if (yyjson_is_obj(yyjson_obj_get(root, "letter")))
        add_letter(out, yyjson_obj_get(root, "letter"));
    else
        add_harmless(out, client_text(root, "message")[0] != '\0' ? client_text(root, "message") : client_text(root, "change"));
    (void)text_append_char(out, '\n');
}

static bool is_reader_gone(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL)) != 0;
}

static void on_event(void *context, const char *name, const char *data, size_t size)
{
    struct tail *tail = context;
    yyjson_doc *document;

    if (tail->is_over)
        return;
    document = yyjson_read(data, size, 0);
    if (yyjson_is_obj(yyjson_doc_get_root(document))) { /* else it is no event of ours */
        if (tail->is_lines) {
            (void)text_append_bytes(&tail->cli->out, data, size);
            (void)text_append_char(&tail->cli->out, '\n');
        } else {
            add_line(&tail->cli->out, name, yyjson_doc_get_root(document));
        }
        tail->shown++;
    }
    yyjson_doc_free(document);
    tail->is_over = cli_flush(tail->cli, &tail->err) < 0 || is_reader_gone() || (tail->limit > 0 && tail->shown >= tail->limit);
}

/* ---- The stream ---- */

static bool on_data(void *owner, http_id id, const char *bytes, size_t size)
{
    struct tail *tail = owner;

    (void)id;
    if (tail->was_lost && !tail->cli->quiet)
        (void)fprintf(stderr, "memory-connector: the service answers again\n");
    tail->was_lost = false;
    event_reader_feed(&tail->reader, bytes, size);
    tail->is_over = tail->is_over || is_reader_gone();
    return true;
}

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct tail *tail = owner;

    (void)id;
    tail->is_lost = true;
    tail->status = answer->status;
}

static int start(struct tail *tail, const char *url, const char *const *headers, http_id *ret_id, struct error *err)
{
    const struct http_request request = {
        .method = "GET", .url = url, .headers = headers, .connect_timeout_ms = 3000, .stall_timeout_ms = SILENCE_MS, .answer_maximum = INT64_MAX / 2,
        .owner = tail, .on_data = on_data, .on_done = on_done,
    };

    event_reader_restart(&tail->reader);
    tail->is_lost = false;
    tail->status = 0;
    return http_start(http_client_http(tail->client), &request, ret_id, err);
}

/* Reads one stream until it is lost or all is over. */
static int read_stream(struct tail *tail, const char *url, struct error *err)
{
    AUTO_STRING char *key = mem_format("X-API-Key: %s", tail->cli->config->api.key);
    AUTO_STRING char *last = mem_format("Last-Event-ID: %lld", (long long)tail->reader.last);
    const char *headers[4] = { "Accept: text/event-stream" };
    size_t count = 1;
    http_id id;

    if (tail->cli->config->api.key[0] != '\0')
        headers[count++] = key;
    if (tail->reader.last > 0)
        headers[count++] = last;
    if (start(tail, url, headers, &id, err) < 0)
        return -1;
    while (!tail->is_lost && !tail->is_over && signals_stop_count() == 0)
        if (http_poll(http_client_http(tail->client), clock_monotonic_ms() + 1000, err) < 0)
            return -1;
    if (!tail->is_lost)
        http_cancel(http_client_http(tail->client), id);
    return 0;
}

/* A service that restarts is waited for; what was missed meanwhile comes by Last-Event-ID. */
static int wait_for_service(struct tail *tail, struct error *err)
{
    int64_t until = clock_monotonic_ms() + RETRY_MS;

    if (tail->status >= 400 && tail->status < 500 && tail->status != 429)
        return error_set(err, tail->status == 401 ? ERROR_DENIED : ERROR_FAILED, "the service does not give its events any more (HTTP %d)", tail->status);
    if (!tail->was_lost && !tail->cli->quiet)
        (void)fprintf(stderr, "memory-connector: the connection is lost; trying again\n");
    tail->was_lost = true;
    while (clock_monotonic_ms() < until && signals_stop_count() == 0 && !is_reader_gone())
        if (http_poll(http_client_http(tail->client), until, err) < 0)
            return -1;
    tail->is_over = is_reader_gone();
    return 0;
}

static int follow(struct tail *tail, struct error *err)
{
    AUTO_STRING char *base = client_url(tail->cli);
    AUTO_DONE(text) struct text url = { 0 };

    text_init(&url, 0);
    (void)text_append_format(&url, "%s/api/v1/events", base);
    if (tail->connector != NULL) {
        (void)text_append(&url, "?connector=");
        http_url_encode(&url, tail->connector, strlen(tail->connector));
    }
    while (!tail->is_over && signals_stop_count() == 0) {
        if (read_stream(tail, url.data, err) < 0 || (tail->is_lost && !tail->is_over && wait_for_service(tail, err) < 0))
            return -1;
    }
    if (tail->err.kind != ERROR_NONE) {
        *err = tail->err;
        return -1;
    }
    return 0;
}

static void print_result(struct tail *tail)
{
    struct json_writer writer;

    if (!tail->is_lines)
        return;
    json_write_begin(&writer, &tail->cli->out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "schema", "memory-connector/tail/v1");
    json_write_string(&writer, "type", "result");
    json_write_integer(&writer, "events", tail->shown);
    json_write_close(&writer);
    (void)text_append_char(&tail->cli->out, '\n');
}

/* Says early and well what is wrong: nobody answers, another key, an unknown connector. */
static int ask_first(struct tail *tail, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };

    return client_call(tail->cli, "GET", tail->connector != NULL ? "/api/v1/connectors/%s" : "/api/v1/connectors?limit=1", tail->connector, NULL, &answer, err);
}

int command_tail(struct cli *cli)
{
    struct tail tail = { .cli = cli, .is_lines = cli->json || cli->values[OPTION_JSON_LINES] != NULL };
    struct error err = { 0 };
    int result = -1;

    tail.connector = cli->word_count > 0 ? cli->words[0] : cli->connector_count > 0 ? cli->connectors[0] : NULL;
    if (cli_get_integer(cli, OPTION_LIMIT, 0, &tail.limit, &err) < 0 || cli_load_config(cli, &err) < 0 || ask_first(&tail, &err) < 0 ||
        http_client_new(&tail.client, &err) < 0)
        return cli_fail(cli, &err);
    event_reader_init(&tail.reader, on_event, &tail);
    signals_install(on_signal, &tail);
    result = follow(&tail, &err);
    signals_install(NULL, NULL);
    http_client_free(tail.client);
    event_reader_done(&tail.reader);
    if (result < 0)
        return cli_fail(cli, &err);
    print_result(&tail);
    return 0;
}

/* ---- health ---- */

static void print_components(struct text *out, yyjson_val *list, const char *what)
{
    size_t index, count;
    yyjson_val *one;

    yyjson_arr_foreach(list, index, count, one) {
        (void)text_append_format(out, "  %s ", what);
        add_harmless(out, client_text(one, "name"));
        (void)text_append(out, ": ");
        add_harmless(out, client_text(one, "status"));
        (void)text_append(out, client_flag(one, "busy") ? ", busy\n" : "\n");
    }
}

static void print_health(struct cli *cli, yyjson_val *root)
{
    yyjson_val *components = yyjson_obj_get(root, "components");

    add_harmless(&cli->out, client_text(root, "status"));
    (void)text_append(&cli->out, "\n  state: ");
    add_harmless(&cli->out, client_text(yyjson_obj_get(components, "state"), "status"));
    (void)text_append(&cli->out, "\n  scheduler: ");
    add_harmless(&cli->out, client_text(yyjson_obj_get(components, "scheduler"), "status"));
    (void)text_append_char(&cli->out, '\n');
    print_components(&cli->out, yyjson_obj_get(components, "sources"), "source");
    print_components(&cli->out, yyjson_obj_get(components, "targets"), "target");
    if (client_text(root, "last_error")[0] != '\0') {
        (void)text_append(&cli->out, "  last error: ");
        add_harmless(&cli->out, client_text(root, "last_error"));
        (void)text_append_char(&cli->out, '\n');
    }
}

int command_health(struct cli *cli)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    struct error err = { 0 };

    if (cli_load_config(cli, &err) < 0)
        return cli_fail(cli, &err);
    if (client_call(cli, "GET", "/api/v1/health", NULL, NULL, &answer, &err) < 0) {
        if (answer.status == 503)
            err.kind = ERROR_FAILED; /* it answers, and is not well */
        return cli_fail(cli, &err);
    }
    if (cli->json)
        client_print_json(cli, "health", answer.root);
    else
        print_health(cli, answer.root);
    return 0;
}
