/* command_demo.c - the main job in one process: sample memories, a stand-in for the Memory API and for LightRAG, nothing left behind. */
#include "cli/cli.h"
#include "cli/samples.h"
#include "cli/sync_run.h"
#include "cli/world_real.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fakes/fake_lightrag.h"
#include "fakes/fake_memory_api.h"
#include "memory/identity.h"

#include <yyjson.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char question[] = "What did Ana find at the harbour?";

struct demo {
    struct fake_memory_api *memories;
    struct fake_lightrag *lightrag;
    struct fake_server *memory_server, *lightrag_server;
    char folder[64];
};

static int start(struct demo *demo, struct error *err)
{
    struct fake_memory_settings memories = { .json = (const char *)sample_memories, .json_size = sample_memories_size };
    struct fake_lightrag_settings lightrag = { .store_delay_ms = 20, .process_delay_ms = 15 };

    (void)snprintf(demo->folder, sizeof demo->folder, "/tmp/memory-connector-demo-");
    memset(demo->folder + strlen(demo->folder), 'X', 6); /* mkdtemp's pattern */
    if (mkdtemp(demo->folder) == NULL) {
        demo->folder[0] = '\0';
        return error_set(err, ERROR_IO, "cannot make a temporary folder in /tmp");
    }
    if (fake_memory_api_new(&memories, &demo->memories, err) < 0)
        return -1;
    demo->lightrag = fake_lightrag_new(&lightrag);
    if (fake_server_start(fake_memory_api_handle, demo->memories, 0, 1 << 20, &demo->memory_server, err) < 0)
        return -1;
    return fake_server_start(fake_lightrag_handle, demo->lightrag, 0, 50 << 20, &demo->lightrag_server, err);
}

static void remove_folder(const char *folder)
{
    DIR *open = opendir(folder);
    struct dirent *entry;

    while (open != NULL && (entry = readdir(open)) != NULL) {
        AUTO_STRING char *path = mem_format("%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    if (open != NULL)
        (void)closedir(open);
    (void)rmdir(folder);
}

static void demo_done(struct demo *demo)
{
    fake_server_free(demo->memory_server);
    fake_server_free(demo->lightrag_server);
    fake_memory_api_free(demo->memories);
    fake_lightrag_free(demo->lightrag);
    if (demo->folder[0] != '\0')
        remove_folder(demo->folder);
}
AUTO_DEFINE_DONE(demo)

static int load(struct cli *cli, const struct demo *demo, struct error *err)
{
    AUTO_STRING char *state = mem_format("%s/state.db", demo->folder);
    const struct config_override overrides[] = {
        { "memory_api.url", fake_server_url(demo->memory_server), "demo" },
        { "lightrag.api.url", fake_server_url(demo->lightrag_server), "demo" },
        { "connectors.0.id", "demo", "demo" },
        { "connectors.0.context_id", "demo", "demo" },
        { "state.disk_reserve", "0", "demo" },
        { "logging.level", "warn", "demo" },
    };
    struct config_request request = { .without_file = true, .state_path = state, .overrides = overrides, .override_count = ARRAY_LENGTH(overrides) };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };

    return config_load(&request, &cli->config, &problems, err) < 0 ? -1 : cli_open_log(cli, err);
}

/* ---- A question ---- */

struct question { struct cli *cli; bool is_done; };

static void say_reference(struct cli *cli, const char *name)
{
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };

    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&id, 0);
    if (identity_parse_name(name, &source, &context, &id))
        (void)text_append_format(&cli->out, "  cites %s\n    which is memory %s of context %s\n", name, id.data, context.data);
}

static void on_answer(void *owner, http_id id, const struct http_answer *answer)
{
    struct question *asked = owner;
    yyjson_doc *document = yyjson_read(answer->body, answer->body_size, 0);
    yyjson_val *references = yyjson_obj_get(yyjson_doc_get_root(document), "references");
    yyjson_val *reference;
    size_t index, count;

    (void)id;
    yyjson_arr_foreach(references, index, count, reference) {
        const char *name = yyjson_get_str(yyjson_obj_get(reference, "file_path"));
        if (name != NULL && index < 2)
            say_reference(asked->cli, name);
    }
    yyjson_doc_free(document);
    asked->is_done = true;
}

static int ask(struct cli *cli, const struct demo *demo, struct error *err)
{
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO_STRING char *url = mem_format("%s/query", fake_server_url(demo->lightrag_server));
    AUTO_STRING char *body = mem_format("{\"query\":\"%s\",\"mode\":\"mix\"}", question);
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    struct question asked = { .cli = cli };
    struct http_request request = {
        .method = "POST", .url = url, .headers = headers, .body = body, .body_size = strlen(body), .timeout_ms = 10000, .answer_maximum = 1 << 20,
        .owner = &asked, .on_done = on_answer,
    };
    http_id id;

    if (world_real_open(&real, err) < 0 || http_start(real.world.http, &request, &id, err) < 0)
        return -1;
    while (!asked.is_done)
        if (http_poll(real.world.http, clock_monotonic_ms() + 1000, err) < 0)
            return -1;
    return 0;
}

int command_demo(struct cli *cli)
{
    AUTO_DONE(demo) struct demo demo = { 0 };
    size_t first = 0;
    struct sync_options options = { .connectors = &first, .connector_count = 1, .wait = true, .range = "all", .limit = 1000 };
    struct error err = { 0 };
    int code;

    if (start(&demo, &err) < 0 || load(cli, &demo, &err) < 0)
        return cli_fail(cli, &err);
    if (!cli->json)
        (void)text_append_format(&cli->out, "Sample memories at %s, a stand-in for LightRAG at %s.\n\n1. The first sync carries them over:\n",
                                 fake_server_url(demo.memory_server), fake_server_url(demo.lightrag_server));
    code = sync_run(cli, &options, &err);
    if (code < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        return code;
    (void)text_append(&cli->out, "\n2. A second sync finds nothing new, and sends nothing:\n");
    code = sync_run(cli, &options, &err);
    if (code < 0)
        return cli_fail(cli, &err);
    (void)text_append_format(&cli->out, "\n3. A question: \"%s\"\n", question);
    if (ask(cli, &demo, &err) < 0)
        return cli_fail(cli, &err);
    (void)text_append(&cli->out, "\nThe stand-in has no language model: it shows that what comes back leads to the memory it came from.\n"
                                 "\"make demo\" does the same with a real LightRAG server.\n");
    return code;
}
