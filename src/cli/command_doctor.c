/* command_doctor.c - doctor: everything is looked at, nothing is changed. config check --online has the servers' part of it. */
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/world_real.h"

#include "base/mem.h"

#include <string.h>

void examination_done(struct examination *examination)
{
    doctor_done(&examination->doctor);
    config_problems_done(&examination->problems);
    connectors_done(&examination->stored);
    mem_free(examination->connectors);
    state_free(examination->state);
}

/* ---- Who is in use ---- */

static void use(struct examination *examination, const struct engine_connector *connector)
{
    examination->connectors = mem_resize(examination->connectors, examination->connector_count + 1, sizeof *examination->connectors);
    examination->connectors[examination->connector_count++] = connector;
}

void examination_begin(struct examination *examination)
{
    const struct config *config = examination->cli->config;

    if (cli_open_reader(examination->cli, &examination->state, &examination->state_error) == 0 && examination->state != NULL)
        (void)connectors_make(&examination->stored, config, examination->state, &examination->state_error);
    for (size_t i = 0; i < config->engine.connector_count; i++)
        if (config_connector(config, i)->enabled)
            use(examination, &config->engine.connectors[i]);
    for (size_t i = 0; i < examination->stored.count; i++)
        if (!examination->stored.items[i].is_from_file && examination->stored.items[i].enabled)
            use(examination, &examination->stored.items[i].engine);
}

/* ---- The servers ---- */

static char *section_of(const char *name, const char *first, const char *others, const char *end)
{
    return strcmp(name, "default") == 0 ? mem_format("%s%s", first, end) : mem_format("%s.%s%s", others, name, end);
}

static void judge_source(struct examination *examination, const struct probe_source *source)
{
    AUTO_STRING char *section = section_of(source->source->name, "memory_api", "sources", "");
    const struct doctor_server server = {
        .contact = &source->contact, .source = source, .url = source->source->endpoint.url, .trust = source->source->endpoint.trust, .section = section,
        .connectors = examination->connectors, .connector_count = examination->connector_count,
    };

    doctor_judge_source(&examination->doctor, &server);
}

static void judge_target(struct examination *examination, const struct probe_target *target)
{
    AUTO_STRING char *section = section_of(target->target->name, "lightrag", "targets", ".api");
    struct doctor_server server = {
        .contact = &target->contact, .target = target, .url = target->target->sink.url, .trust = target->target->sink.trust, .section = section,
        .connectors = examination->connectors, .connector_count = examination->connector_count,
    };
    struct target_row row;
    struct error err = { 0 };
    bool is_known = false;
    char key[65];

    engine_target_key(target->target, key);
    if (examination->state != NULL && state_find_target(examination->state, key, &row, NULL) == 1 &&
        engine_knows_workspace(examination->state, &row, &is_known, &err) == 0 && is_known)
        server.known_workspace = row.workspace;
    doctor_judge_target(&examination->doctor, &server);
}

int examine_servers(struct examination *examination, struct error *err)
{
    const struct engine_settings *engine = &examination->cli->config->engine;
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(probe) struct probe *probe = NULL;

    if (world_real_open(&real, err) < 0)
        return -1;
    probe = probe_new(real.world.http);
    for (size_t i = 0; i < examination->connector_count; i++) {
        const struct engine_connector *connector = examination->connectors[i];
        for (size_t k = 0; k < connector->context_count; k++)
            probe_add_context(probe, &engine->sources[connector->source], connector->contexts[k]);
        probe_add_target(probe, &engine->targets[connector->target]);
    }
    if (probe_run(probe, err) < 0)
        return -1;
    for (size_t i = 0; probe_source_at(probe, i) != NULL; i++)
        judge_source(examination, probe_source_at(probe, i));
    for (size_t i = 0; probe_target_at(probe, i) != NULL; i++)
        judge_target(examination, probe_target_at(probe, i));
    return 0;
}

/* ---- doctor ---- */

static void load(struct examination *examination)
{
    struct cli *cli = examination->cli;
    struct config_request request = { .file = cli->values[OPTION_CONFIG], .state_path = cli->values[OPTION_STATE] };

    if (config_load(&request, &cli->config, &examination->problems, &examination->config_error) == 0)
        examination_begin(examination);
}

static void skip_groups(struct examination *examination, const char *const *groups, const char *why)
{
    for (; *groups != NULL; groups++)
        doctor_say(doctor_add(&examination->doctor, *groups, NULL, "all"), DOCTOR_SKIPPED, "%s", why);
}

/* What takes time comes after what is known already is shown. */
static int examine(struct examination *examination, struct error *err)
{
    static const char *const servers[] = { "source", "target", NULL };
    static const char *const others[] = { "source", "target", "state", "service", NULL };
    struct cli *cli = examination->cli;
    size_t shown;

    examine_config(examination);
    shown = examination->doctor.count;
    if (!cli->json) {
        doctor_print(cli, &examination->doctor, 0);
        if (cli_flush(cli, err) < 0)
            return -1;
    }
    if (cli->config == NULL) {
        skip_groups(examination, others, "not looked at: the configuration must be right first");
    } else {
        if (examination->connector_count == 0)
            skip_groups(examination, servers, "not looked at: no connector uses one");
        else if (examine_servers(examination, err) < 0)
            return -1;
        examine_state(examination);
        examine_service(examination);
    }
    if (!cli->json) {
        doctor_print(cli, &examination->doctor, shown);
        doctor_print_counts(cli, &examination->doctor);
    }
    return 0;
}

int command_doctor(struct cli *cli)
{
    AUTO_DONE(examination) struct examination examination = { .cli = cli };
    struct json_writer writer;
    struct error err = { 0 };

    load(&examination);
    if (cli_open_log(cli, &err) < 0 || examine(&examination, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "doctor");
        doctor_write(&writer, &examination.doctor);
        cli_end_json(cli, &writer);
    }
    return doctor_count(&examination.doctor, DOCTOR_FAIL) > 0 ? error_exit_code(ERROR_FAILED) : 0;
}
