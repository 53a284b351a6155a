/* command_verify.c - verify: is everything there that was said to be there? forget: one memory removed everywhere, with a receipt. */
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/world_real.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/signals.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_SHOWN = 20, PARTLY = 3 };

struct errand {
    struct cli *cli;
    struct world_real real;
    struct state *state;
    struct engine *engine;
};

static void on_signal(void *context)
{
    struct errand *errand = context;

    if (errand->engine != NULL)
        engine_stop(errand->engine, signals_stop_count());
}

static void errand_done(struct errand *errand)
{
    signals_install(NULL, NULL);
    engine_free(errand->engine);
    world_real_done(&errand->real);
    state_free(errand->state);
}
AUTO_DEFINE_DONE(errand)

static int errand_begin(struct errand *errand, struct error *err)
{
    struct cli *cli = errand->cli;
    struct state_settings settings = { .now_ms = clock_wall_ms() };

    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &settings.lock_wait_ms, err) < 0 || cli_load_config(cli, err) < 0)
        return -1;
    settings.backend = config_state(cli->config).backend;
    settings.path = cli->config->state_path;
    if (access(settings.path, F_OK) < 0)
        return error_set(err, ERROR_FAILED, "%s: there is no state yet, so nothing was said to be anywhere; run sync first", settings.path);
    if (state_open(&settings, &errand->state, err) < 0 || world_real_open(&errand->real, err) < 0 ||
        engine_new(&cli->config->engine, &errand->real.world, errand->state, &errand->engine, err) < 0)
        return -1;
    signals_install(on_signal, errand);
    return 0;
}

/* ---- verify ---- */

static int64_t count_differences(const struct audit_result *result)
{
    int64_t differences = 0;

    for (int kind = 0; kind < AUDIT_KINDS; kind++)
        if (audit_kind_differs((enum audit_kind)kind))
            differences += result->counts[kind];
    return differences;
}

/* What a repair does nothing about. */
static bool is_unreadable(const struct audit_result *result)
{
    return result->counts[AUDIT_UNREADABLE] > 0;
}

/* "second copy" is "second_copy" to programs. */
static void write_key(const char *words, char ret_key[32])
{
    size_t at = 0;

    for (; *words != '\0' && at + 1 < 32; words++)
        if (*words != '-')
            ret_key[at++] = *words == ' ' ? '_' : *words;
    ret_key[at] = '\0';
}

static void write_target(struct json_writer *writer, const struct engine_target *target, const struct audit_result *result)
{
    char key[32];

    json_write_open_object(writer, NULL);
    json_write_string(writer, "target", target->name);
    json_write_bool(writer, "complete", result->is_complete && !is_unreadable(result));
    json_write_integer(writer, "documents", result->rows);
    json_write_integer(writer, "expected", result->done);
    for (int kind = 0; kind < AUDIT_KINDS; kind++) {
        write_key(audit_kind_name((enum audit_kind)kind), key);
        json_write_integer(writer, key, result->counts[kind]);
    }
    json_write_open_array(writer, "findings");
    for (size_t i = 0; i < result->name_count; i++) {
        json_write_open_object(writer, NULL);
        write_key(audit_kind_name(result->names[i].kind), key);
        json_write_string(writer, "kind", key);
        json_write_bytes(writer, "document", result->names[i].name, strlen(result->names[i].name));
        json_write_close(writer);
    }
    json_write_close(writer);
    json_write_close(writer);
}

static void say_names(struct text *out, const struct audit_result *result, enum audit_kind kind)
{
    size_t shown = 0;

    for (size_t i = 0; i < result->name_count && shown < NAMES_SHOWN; i++) {
        if (result->names[i].kind != kind)
            continue;
        (void)text_append(out, "      ");
        table_append_harmless(out, result->names[i].name, strlen(result->names[i].name));
        (void)text_append_char(out, '\n');
        shown++;
    }
    if (result->counts[kind] > (int64_t)shown && shown > 0)
        (void)text_append_format(out, "      and %lld more (--json names up to a thousand)\n", (long long)(result->counts[kind] - (int64_t)shown));
}

static void say_end(struct cli *cli, const struct audit_result *result, bool repair)
{
    enum tone good = cli->paints ? TONE_GOOD : TONE_PLAIN;
    int64_t beyond = result->counts[AUDIT_UNREADABLE] + result->counts[AUDIT_UNSEEN];
    int64_t differences = count_differences(result) - beyond;

    if (!result->is_complete)
        (void)text_append(&cli->out, "  the listing could not be read to its end: this proves nothing\n");
    else if (count_differences(result) == 0)
        (void)text_append_format(&cli->out, "  %severything is as it should be%s\n", tone_begin(good), tone_end(good));
    else if (differences > 0)
        (void)text_append(&cli->out, repair ? "  mended\n" : "  \"memory-connector verify --repair\" mends it\n");
    if (result->is_complete && is_unreadable(result))
        (void)text_append(&cli->out, differences > 0 ? "  what could not be read, it cannot mend: docs/troubleshooting.md tells how such documents are found\n"
                                                     : "  not everything could be read: docs/troubleshooting.md tells how such documents are found\n");
}

static void say_target(struct cli *cli, const struct engine_target *target, const struct audit_result *result, bool repair)
{
    struct text *out = &cli->out;
    enum tone tone;

    (void)text_append_format(out, "%s (%s): %lld documents at LightRAG, %lld memories said to be there\n", target->name, target->sink.url,
                             (long long)result->rows, (long long)result->done);
    for (int i = 0; i < AUDIT_KINDS; i++) {
        enum audit_kind kind = (enum audit_kind)i;
        if (result->counts[kind] == 0)
            continue;
        tone = cli->paints && audit_kind_differs(kind) ? TONE_BAD : TONE_PLAIN;
        (void)text_append_format(out, "  %s%6lld %-12s%s %s\n", tone_begin(tone), (long long)result->counts[kind], audit_kind_name(kind), tone_end(tone),
                                 audit_kind_advice(kind));
        if (audit_kind_differs(kind))
            say_names(out, result, kind);
    }
    say_end(cli, result, repair);
}

static size_t choose_targets(const struct cli *cli, size_t connector, size_t *targets)
{
    const struct engine_settings *engine = &cli->config->engine;
    size_t count = 0;

    for (size_t i = 0; i < engine->connector_count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < count; k++)
            is_known = is_known || targets[k] == engine->connectors[i].target;
        if (!is_known && config_connector(cli->config, i)->enabled && (connector == SIZE_MAX || connector == i))
            targets[count++] = engine->connectors[i].target;
    }
    return count;
}

static int verify(struct errand *errand, const struct verify_request *request, struct audit_result *results, struct error *err)
{
    struct cli *cli = errand->cli;
    const struct engine_settings *engine = &cli->config->engine;
    struct json_writer writer;
    int64_t differences = 0;
    bool unread = false;
    int code;

    if (engine_verify(errand->engine, request, results, err) < 0)
        return -1;
    for (size_t i = 0; i < request->target_count; i++) {
        differences += count_differences(&results[i]) + (results[i].is_complete ? 0 : 1);
        unread = unread || is_unreadable(&results[i]);
    }
    code = unread || (differences > 0 && !request->repair) ? 4 : 0;
    if (cli->json) {
        cli_begin_json(cli, &writer, "verify");
        json_write_integer(&writer, "exit_code", code);
        json_write_bool(&writer, "repaired", request->repair);
        json_write_open_array(&writer, "targets");
        for (size_t i = 0; i < request->target_count; i++)
            write_target(&writer, &engine->targets[request->targets[i]], &results[i]);
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else {
        for (size_t i = 0; i < request->target_count; i++)
            say_target(cli, &engine->targets[request->targets[i]], &results[i], request->repair);
    }
    return code;
}

int command_verify(struct cli *cli)
{
    AUTO_DONE(errand) struct errand errand = { .cli = cli };
    struct verify_request request = { .repair = cli->values[OPTION_REPAIR] != NULL, .accept_target = cli->values[OPTION_ACCEPT_TARGET] != NULL };
    struct error err = { 0 };
    struct audit_result *results;
    size_t *targets;
    size_t connector;
    int code;

    if (errand_begin(&errand, &err) < 0 || cli_one_connector(cli, &connector, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->config->engine.connector_count == 0) {
        (void)error_set(&err, ERROR_CONFIG, "there is no connector to verify: \"memory-connector init\" writes a configuration, \"memory-connector config check\" reads it");
        return cli_fail(cli, &err);
    }
    targets = mem_alloc_array(cli->config->engine.connector_count + 1, sizeof *targets);
    request.targets = targets;
    request.target_count = choose_targets(cli, connector, targets);
    results = mem_alloc_array(request.target_count + 1, sizeof *results);
    code = verify(&errand, &request, results, &err);
    if (code < 0)
        code = cli_fail(cli, &err);
    for (size_t i = 0; i < request.target_count; i++)
        audit_result_done(&results[i]);
    mem_free(results);
    mem_free(targets);
    return code;
}

/* ---- forget ---- */

int command_forget(struct cli *cli)
{
    AUTO_DONE(errand) struct errand errand = { .cli = cli };
    struct forget_receipt receipt;
    struct json_writer writer;
    struct error err = { 0 };
    struct slice id = { cli->words[1], strlen(cli->words[1]) };

    if (cli_confirm(cli, "Remove this memory from LightRAG and from the state?", &err) < 0 || errand_begin(&errand, &err) < 0 ||
        engine_forget(errand.engine, cli->words[0], id, &receipt, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "forget");
        json_write_bytes(&writer, "context", cli->words[0], strlen(cli->words[0]));
        json_write_bytes(&writer, "memory", id.data, id.size);
        json_write_string(&writer, "connector", receipt.connector);
        json_write_string(&writer, "document", receipt.name);
        json_write_integer(&writer, "deleted_rows", receipt.deleted_rows);
        json_write_bool(&writer, "gone", !receipt.was_trusted);
        json_write_bool(&writer, "was_trusted", receipt.was_trusted);
        json_write_time(&writer, "proven", receipt.was_trusted ? -1 : clock_wall_ms());
        cli_end_json(cli, &writer);
    } else if (receipt.was_trusted) {
        (void)text_append(&cli->out, "forgotten here, not proven to be gone: ");
        table_append_harmless(&cli->out, receipt.name, strlen(receipt.name));
        (void)text_append(&cli->out, "\n  an earlier program was told \"accepted\" for it, and its document has no name that tells whose it is\n"
                                     "  look for its words in LightRAG's list of documents, and delete it there\n");
    } else {
        (void)text_append(&cli->out, "gone: ");
        table_append_harmless(&cli->out, receipt.name, strlen(receipt.name));
        (void)text_append_format(&cli->out,
                                 "\n  %lld document%s deleted at LightRAG; its whole listing was read after that and does not show it\n"
                                 "  its text and its dead letters are removed here; a tombstone stays, and a listing of the source that shows it again sends it again\n",
                                 (long long)receipt.deleted_rows, receipt.deleted_rows == 1 ? "" : "s");
    }
    return receipt.was_trusted ? PARTLY : 0;
}
