/* sync_hand.c - a sync while the service holds the state: the service does it. */
#include "cli/client.h"
#include "cli/sync_run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    POLL_MS = 200,
    STALLED_POLLS = 25, /* what the service says of its target may be a second old, and what was just sent wakes it */
    DOWN_POLLS = 150,   /* 30 s: a restart of the server is over by then */
};

struct handing {
    struct cli *cli;
    const struct sync_options *options;
    struct json_writer writer;
    int code;
};

static bool fits(const struct cli *cli, const struct sync_options *options)
{
    return !options->dry_run && !options->backfill && !options->json_lines && options->max_items == 0 && options->lock_wait_ms == 0 && cli->config->api.enabled;
}

static char *make_body(const struct sync_options *options)
{
    AUTO_DONE(text) struct text body = { 0 };
    struct json_writer writer;

    text_init(&body, 0);
    json_write_begin(&writer, &body);
    json_write_open_object(&writer, NULL);
    if (options->range != NULL)
        json_write_string(&writer, "range", options->range);
    if (options->limit > 0)
        json_write_integer(&writer, "limit", options->limit);
    if (options->force)
        json_write_bool(&writer, "force", true);
    json_write_close(&writer);
    return text_take(&body);
}

static int pause_between(struct error *err)
{
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

    if (signals_stop_count() > 0)
        return error_set(err, ERROR_CANCELLED, "not waited for any longer; the run goes on in the service");
    (void)nanosleep(&pause, NULL);
    return 0;
}

/* A run that is under way already is as good as ours, but for what it was asked. */
static int run_one(struct handing *handing, const char *connector, struct client_answer *report, struct error *err)
{
    AUTO_STRING char *body = make_body(handing->options);
    struct client_run run = { 0 };
    int64_t number;
    int ended;

    while (client_trigger(handing->cli, connector, body, &run, &number, err) < 0) {
        if (err->kind != ERROR_CONFLICT || strstr(err->message, "a run of connector") == NULL || pause_between(err) < 0)
            return -1;
    }
    while ((ended = client_poll_run(handing->cli, connector, &run, report, err)) == 0)
        if (pause_between(err) < 0)
            return -1;
    return ended < 0 ? -1 : 0;
}

static int64_t left_of(yyjson_val *status)
{
    static const char *const states[] = { "queued", "sending", "accepted", "stored", "removing" };
    yyjson_val *memories = yyjson_obj_get(status, "memories");
    int64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        sum += client_integer(memories, states[i]) > 0 ? client_integer(memories, states[i]) : 0;
    return sum;
}

/* Why nothing goes on there, as the service says of its target; ERROR_NONE: it does. ret_polls: so often in a row that is to be heard. */
static enum error_kind judge_target(yyjson_val *target, const char **ret_words, int *ret_polls)
{
    static const struct { const char *condition; enum error_kind kind; int polls; } rows[] = {
        { "down", ERROR_UNREACHABLE, DOWN_POLLS }, { "denied", ERROR_DENIED, STALLED_POLLS }, { "strange", ERROR_UNREACHABLE, STALLED_POLLS }, { "fenced", ERROR_CONFIG, STALLED_POLLS },
    };
    const char *condition = client_text(target, "condition");

    *ret_words = client_text(target, "last_error");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strcmp(rows[i].condition, condition) == 0) {
            *ret_polls = rows[i].polls;
            return rows[i].kind;
        }
    *ret_words = client_text(target, "stalled");
    *ret_polls = STALLED_POLLS;
    return (*ret_words)[0] != '\0' ? ERROR_LATER : ERROR_NONE;
}

/* As long as something goes on, however slowly. */
static int wait_until_settled(struct handing *handing, const char *connector, struct error *err)
{
    enum error_kind before = ERROR_NONE;
    int64_t left = 1;
    int heard = 0;

    while (left > 0) {
        AUTO_DONE(client_answer) struct client_answer status = { 0 };
        enum error_kind kind;
        const char *words;
        int polls;
        if (client_call(handing->cli, "GET", "/api/v1/connectors/%s/status", connector, NULL, &status, err) < 0)
            return -1;
        left = left_of(status.root);
        kind = judge_target(yyjson_obj_get(status.root, "target"), &words, &polls);
        heard = kind != ERROR_NONE && kind == before ? heard + 1 : 0;
        before = kind;
        if (left > 0 && heard >= polls)
            return error_set(err, kind, "%s: %s; %lld memories wait, the service goes on with them", connector, words, (long long)left);
        if (left > 0 && pause_between(err) < 0)
            return -1;
    }
    return 0;
}

static void print_one(struct handing *handing, const char *connector, yyjson_val *report)
{
    struct cli *cli = handing->cli;
    const char *error = client_text(report, "error");
    size_t size = 0;
    char *json;

    if (cli->json) {
        json = yyjson_val_write(report, 0, &size);
        if (json != NULL)
            json_write_raw(&handing->writer, NULL, json, size);
        free(json);
    } else if (!cli->quiet) {
        (void)text_append_format(&cli->out, "%s: %lld fetched, %lld new, %lld changed, %lld failed (%s, run %lld of the service)\n", connector,
                                 (long long)client_integer(report, "fetched"), (long long)client_integer(report, "new"), (long long)client_integer(report, "changed"),
                                 (long long)(client_integer(report, "failed") + client_integer(report, "malformed")), client_text(report, "result"),
                                 (long long)client_integer(report, "run"));
    }
    if (error[0] != '\0')
        (void)fprintf(stderr, "memory-connector: %s: %s\n", connector, error);
}

static int run_all(struct handing *handing, struct error *err)
{
    for (size_t i = 0; i < handing->options->connector_count; i++) {
        AUTO_DONE(client_answer) struct client_answer report = { 0 };
        const char *connector = handing->cli->config->engine.connectors[handing->options->connectors[i]].id;
        int code;
        if (run_one(handing, connector, &report, err) < 0 || (handing->options->wait && wait_until_settled(handing, connector, err) < 0))
            return -1;
        print_one(handing, connector, report.root);
        code = client_exit_code(report.root);
        if (code == 1 || handing->code == 0)
            handing->code = code;
    }
    return 0;
}

int sync_hand_over(struct cli *cli, const struct sync_options *options, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer health = { 0 };
    struct handing handing = { .cli = cli, .options = options };
    struct error why = { 0 };

    if (!fits(cli, options) || client_call(cli, "GET", "/api/v1/connectors?limit=1", NULL, NULL, &health, &why) < 0)
        return -1; /* err says who holds the state */
    log_info("cli", "", "the service holds the state: it runs this sync");
    *err = (struct error){ 0 };
    if (cli->json) {
        cli_begin_json(cli, &handing.writer, "sync");
        json_write_bool(&handing.writer, "by_service", true);
        json_write_bool(&handing.writer, "dry_run", false);
        json_write_open_array(&handing.writer, "runs");
    }
    if (run_all(&handing, err) < 0) {
        text_clear(&cli->out);
        return -1;
    }
    if (cli->json) {
        json_write_close(&handing.writer);
        json_write_integer(&handing.writer, "exit_code", handing.code);
        json_write_null(&handing.writer, "error"); /* of the handing over; each run tells its own */
        cli_end_json(cli, &handing.writer);
    }
    return handing.code;
}
