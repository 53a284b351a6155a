/* command_remote.c - trigger, pause, resume, cancel: the running service is told. */
#include "cli/client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 300 };

/* The one connector that a command is about; it may be one that only the service knows. */
static const char *name_of(struct cli *cli, struct error *err)
{
    const char *name = cli->word_count > 0 ? cli->words[0] : cli->connector_count > 0 ? cli->connectors[0] : NULL;

    if (name == NULL)
        (void)error_set(err, ERROR_USAGE, "%s wants a connector; \"memory-connector list\" shows them", cli->command->name);
    else if (cli->word_count + cli->connector_count > 1)
        (void)error_set(err, ERROR_USAGE, "%s takes one connector", cli->command->name);
    else
        return name;
    return NULL;
}

static const char *begin(struct cli *cli, struct error *err)
{
    const char *name = name_of(cli, err);

    return name == NULL || cli_load_config(cli, err) < 0 ? NULL : name;
}

/* ---- trigger ---- */

static int make_body(struct cli *cli, struct text *body, struct error *err)
{
    struct json_writer writer;
    int64_t limit;

    if (cli_get_integer(cli, OPTION_LIMIT, 0, &limit, err) < 0)
        return -1;
    json_write_begin(&writer, body);
    json_write_open_object(&writer, NULL);
    if (cli->values[OPTION_RANGE] != NULL)
        json_write_string(&writer, "range", cli->values[OPTION_RANGE]);
    if (limit > 0)
        json_write_integer(&writer, "limit", limit);
    if (cli->values[OPTION_DRY_RUN] != NULL)
        json_write_bool(&writer, "dry_run", true);
    if (cli->values[OPTION_FORCE] != NULL)
        json_write_bool(&writer, "force", true);
    json_write_close(&writer);
    return 0;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
}

static int wait_for(struct cli *cli, const char *connector, const struct client_run *run, struct client_answer *report, struct error *err)
{
    int ended;

    while ((ended = client_poll_run(cli, connector, run, report, err)) == 0) {
        if (signals_stop_count() > 0)
            return error_set(err, ERROR_CANCELLED, "not waited for any longer; the run goes on in the service");
        sleep_ms(POLL_MS);
    }
    return ended < 0 ? -1 : 0;
}

static void print_report(struct cli *cli, const char *connector, yyjson_val *report)
{
    const char *error = client_text(report, "error");

    if (cli->json) {
        client_print_json(cli, "report", report);
        return;
    }
    (void)text_append_format(&cli->out, "%s: %s: %lld fetched, %lld new, %lld changed, %lld failed (run %lld)\n", connector, client_text(report, "result"),
                             (long long)client_integer(report, "fetched"), (long long)client_integer(report, "new"), (long long)client_integer(report, "changed"),
                             (long long)(client_integer(report, "failed") + client_integer(report, "malformed")), (long long)client_integer(report, "run"));
    if (error[0] != '\0') {
        (void)text_append(&cli->out, "  ");
        (void)text_append_harmless(&cli->out, error, strlen(error));
        (void)text_append_char(&cli->out, '\n');
    }
}

static void print_started(struct cli *cli, const char *connector, int64_t number)
{
    struct json_writer writer;

    if (cli->json) {
        cli_begin_json(cli, &writer, "trigger");
        json_write_string(&writer, "connector", connector);
        if (number > 0)
            json_write_integer(&writer, "run", number);
        else
            json_write_null(&writer, "run");
        json_write_bool(&writer, "waiting", number == 0);
        cli_end_json(cli, &writer);
    } else if (number > 0) {
        (void)text_append_format(&cli->out, "%s: run %lld has begun; \"memory-connector report %lld\" shows how it went\n", connector, (long long)number, (long long)number);
    } else {
        (void)text_append_format(&cli->out, "%s: a run waits for a free place (advanced.pipeline.max_concurrent_connectors)\n", connector);
    }
}

int command_trigger(struct cli *cli)
{
    AUTO_DONE(client_answer) struct client_answer report = { 0 };
    AUTO_DONE(text) struct text body = { 0 };
    struct client_run run;
    struct error err = { 0 };
    const char *connector;
    int64_t number;

    text_init(&body, 0);
    if ((connector = begin(cli, &err)) == NULL || make_body(cli, &body, &err) < 0 || client_trigger(cli, connector, body.data, &run, &number, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->values[OPTION_WAIT] == NULL) {
        print_started(cli, connector, number);
        return 0;
    }
    signals_install(NULL, NULL);
    if (wait_for(cli, connector, &run, &report, &err) < 0)
        return cli_fail(cli, &err);
    print_report(cli, connector, report.root);
    return client_exit_code(report.root);
}

/* ---- pause, resume, cancel ---- */

/* A time, or how long from now. */
static int get_until(struct cli *cli, int64_t *ret_ms, struct error *err)
{
    const char *words = cli->values[OPTION_UNTIL];
    static const struct field row = { .name = "until", .type = FIELD_DURATION, .min = 1000, .max = 1e12 };
    int64_t ahead = 0;

    *ret_ms = 0;
    if (words == NULL || time_text_parse(words, strlen(words), ret_ms))
        return 0;
    if (field_set(&row, &ahead, words, NULL) < 0)
        return error_set(err, ERROR_USAGE, "--until: \"%.60s\" is neither a time such as 2026-01-31T08:00:00Z nor a duration such as 2h", words);
    *ret_ms = clock_wall_ms() + ahead;
    return 0;
}

static void print_plan(struct cli *cli, const char *connector, yyjson_val *root, const char *what)
{
    const char *until = client_text(root, "paused_until");
    const char *next = client_text(root, "next_run");

    if (cli->json) {
        client_print_json(cli, cli->command->name, root);
        return;
    }
    (void)text_append_format(&cli->out, "%s: %s", connector, what);
    if (until[0] != '\0')
        (void)text_append_format(&cli->out, " until %s", until);
    (void)text_append_format(&cli->out, "%s%s\n", next[0] != '\0' ? "; next run " : "", next);
}

int command_pause(struct cli *cli)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    AUTO_DONE(text) struct text body = { 0 };
    struct json_writer writer;
    struct error err = { 0 };
    const char *connector;
    int64_t until_ms;

    text_init(&body, 0);
    if ((connector = begin(cli, &err)) == NULL || get_until(cli, &until_ms, &err) < 0)
        return cli_fail(cli, &err);
    json_write_begin(&writer, &body);
    json_write_open_object(&writer, NULL);
    if (cli->values[OPTION_REASON] != NULL)
        json_write_bytes(&writer, "reason", cli->values[OPTION_REASON], strlen(cli->values[OPTION_REASON]));
    if (until_ms > 0)
        json_write_time(&writer, "until", until_ms);
    json_write_close(&writer);
    if (client_call(cli, "POST", "/api/v1/connectors/%s/pause", connector, body.data, &answer, &err) < 0)
        return cli_fail(cli, &err);
    print_plan(cli, connector, answer.root, "paused; a run under way goes on");
    return 0;
}

int command_resume(struct cli *cli)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    struct error err = { 0 };
    const char *connector = begin(cli, &err);

    if (connector == NULL || client_call(cli, "POST", "/api/v1/connectors/%s/resume", connector, NULL, &answer, &err) < 0)
        return cli_fail(cli, &err);
    print_plan(cli, connector, answer.root, "runs on its schedule");
    return 0;
}

int command_cancel(struct cli *cli)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    struct error err = { 0 };
    const char *connector = begin(cli, &err);

    if (connector == NULL || client_call(cli, "POST", "/api/v1/connectors/%s/cancel", connector, NULL, &answer, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        client_print_json(cli, "cancel", answer.root);
    else if (client_flag(answer.root, "cancelled"))
        (void)text_append_format(&cli->out, "%s: cancelled; what is queued or on its way goes on\n", connector);
    else
        (void)text_append_format(&cli->out, "%s: no run is under way\n", connector);
    return 0;
}
