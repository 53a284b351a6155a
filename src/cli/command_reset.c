/* command_reset.c - forgets what was processed; the documents in LightRAG stay. */
#include "cli/client.h"
#include "cli/world_real.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "state/state.h"

#include <string.h>

static void say(struct cli *cli, const char *connector, int64_t count)
{
    struct json_writer writer;

    if (cli->json) {
        cli_begin_json(cli, &writer, "reset");
        json_write_string(&writer, "connector", connector);
        json_write_integer(&writer, "forgotten", count);
        cli_end_json(cli, &writer);
    } else {
        (void)text_append_format(&cli->out, "%s: %lld forgotten; the next listing brings them again, and what LightRAG holds is found, not doubled\n", connector, (long long)count);
    }
}

/* The service holds the state. */
static int hand_over(struct cli *cli, const char *connector, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    AUTO_DONE(text) struct text body = { 0 };
    struct error why = { 0 };
    struct json_writer writer;

    text_init(&body, 0);
    json_write_begin(&writer, &body);
    json_write_open_object(&writer, NULL);
    if (cli->values[OPTION_MEMORY] != NULL)
        json_write_bytes(&writer, "memory", cli->values[OPTION_MEMORY], strlen(cli->values[OPTION_MEMORY]));
    else
        json_write_bool(&writer, "all", true);
    json_write_close(&writer);
    if (client_call(cli, "POST", "/api/v1/connectors/%s/reset", connector, body.data, &answer, &why) < 0)
        return cli_fail(cli, why.kind == ERROR_UNREACHABLE ? err : &why); /* somebody else holds it */
    say(cli, connector, client_integer(answer.root, "forgotten"));
    return 0;
}

static int reset_here(struct cli *cli, struct state *state, size_t index, struct error *err)
{
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(engine) struct engine *engine = NULL;
    const char *memory = cli->values[OPTION_MEMORY];
    struct slice id = { memory != NULL ? memory : "", memory != NULL ? strlen(memory) : 0 };
    int64_t count = 0;

    if (world_real_open(&real, err) < 0 || engine_new(&cli->config->engine, &real.world, state, &engine, err) < 0 ||
        engine_reset(engine, index, id, &count, err) < 0)
        return cli_fail(cli, err);
    if (memory != NULL && count == 0) {
        (void)error_set(err, ERROR_FAILED, "connector %s knows no memory %.80s", cli->config->engine.connectors[index].id, memory);
        return cli_fail(cli, err);
    }
    say(cli, cli->config->engine.connectors[index].id, count);
    return 0;
}

int command_reset(struct cli *cli)
{
    struct state_settings settings = { .now_ms = clock_wall_ms() };
    AUTO(state) struct state *state = NULL;
    struct error err = { 0 };
    size_t index;

    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &settings.lock_wait_ms, &err) < 0 || cli_load_config(cli, &err) < 0 || cli_one_connector(cli, &index, &err) < 0)
        return cli_fail(cli, &err);
    if (index == SIZE_MAX) {
        (void)error_set(&err, ERROR_USAGE, "reset wants a connector; \"memory-connector list\" shows them");
        return cli_fail(cli, &err);
    }
    if (cli_confirm(cli, cli->values[OPTION_MEMORY] != NULL ? "Forget that this memory was processed?" : "Forget all that was processed of this connector?", &err) < 0)
        return cli_fail(cli, &err);
    settings.backend = config_state(cli->config).backend;
    settings.path = cli->config->state_path;
    if (state_open(&settings, &state, &err) < 0)
        return err.kind == ERROR_CONFLICT && cli->config->api.enabled ? hand_over(cli, cli->config->engine.connectors[index].id, &err) : cli_fail(cli, &err);
    return reset_here(cli, state, index, &err);
}
