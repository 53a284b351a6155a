/* command_serve.c - the service. */
#include "cli/cli.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "base/signals.h"
#include "cli/connectors.h"
#include "cli/world_real.h"
#include "version.h"
#include "engine/service.h"
#include "state/state.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_KEPT = 1000, ENDPOINTS_MAXIMUM = 256, HOUR_MS = 3600 * 1000 };

struct serving {
    struct cli *cli;
    struct service *service;
    const struct state *state;
    struct bus *bus;
    struct api *api;
    int64_t watchdog_ms, watchdog_mono;
    bool is_ready;
    struct error failure;          /* of the API's start */
};

static void on_signal(void *context)
{
    struct serving *serving = context;

    if (serving->service != NULL)
        service_stop(serving->service, signals_stop_count());
}

static void tell_ready(const struct serving *serving)
{
    struct service_board board;

    service_read(serving->service, &board);
    notify_say("READY=1\nSTATUS=%zu connectors", board.connectors);
    log_info("cli", "", "serving %zu connector%s%s", board.connectors, board.connectors == 1 ? "" : "s",
             board.scheduler_is_on ? "" : "; nothing runs by schedule");
}

/* Where the API is, for people; a port that was chosen for us also on standard output, for programs. */
static int say_address(const struct serving *serving, const char *host, const struct api *api, struct error *err)
{
    struct cli *cli = serving->cli;
    bool is_v6 = strchr(host, ':') != NULL;

    log_info("api", "", "the management API is at http://%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "", api_port(api));
    if (cli->quiet && cli->values[OPTION_PORT] == NULL)
        return 0;
    (void)text_append_format(&cli->out, "http://%s%s%s:%u\n", is_v6 ? "[" : "", host, is_v6 ? "]" : "", api_port(api));
    return cli_flush(cli, err);
}

static int start_api(struct serving *serving, struct error *err)
{
    struct cli *cli = serving->cli;
    struct api_settings settings = {
        .config = cli->config, .host = cli->values[OPTION_HOST], .port = -1, .version = MC_VERSION, .state_path = state_reader_path(serving->state),
        .service = serving->service, .bus = serving->bus,
    };
    int64_t port = -1;

    if (cli->values[OPTION_SCHEDULER_ONLY] != NULL || !cli->config->api.enabled)
        return 0;
    if (cli_get_port(cli, OPTION_PORT, -1, &port, err) < 0)
        return -1;
    settings.port = (int)port;
    if (api_start(&settings, &serving->api, err) < 0)
        return -1;
    return say_address(serving, settings.host != NULL ? settings.host : cli->config->api.host, serving->api, err);
}

/* In the first turn: whoever asks the API finds the plans, and where it cannot start, nothing has run. */
static void begin(struct serving *serving)
{
    serving->is_ready = true;
    if (start_api(serving, &serving->failure) < 0)
        service_stop(serving->service, 2);
    else
        tell_ready(serving);
}

static void on_turn(void *context)
{
    struct serving *serving = context;
    int64_t now = clock_monotonic_ms();

    if (signals_take_hangup())
        log_reopen();
    if (!serving->is_ready)
        begin(serving);
    if (serving->watchdog_ms == 0 || now < serving->watchdog_mono)
        return;
    serving->watchdog_mono = now + serving->watchdog_ms;
    notify_say("WATCHDOG=1");
}

/* The configuration was checked. *ret_zone is owned by the caller. */
static int plan_cleanup(const struct config *config, struct service_cleanup *ret_cleanup, struct zone **ret_zone, struct error *err)
{
    if (schedule_parse(config->state.cleanup_cron, &ret_cleanup->schedule, err) < 0 ||
        zone_open(NULL, ret_cleanup->schedule.zone[0] != '\0' ? ret_cleanup->schedule.zone : "UTC", ret_zone, err) < 0)
        return -1;
    ret_cleanup->zone = *ret_zone;
    ret_cleanup->retention_ms = config->state.retention_days * 24 * HOUR_MS;
    return 0;
}

static int serve(struct serving *serving, struct state *state, struct world_real *real, struct error *err)
{
    const struct config *config = serving->cli->config;
    AUTO(bus) struct bus *bus = bus_new(EVENTS_KEPT, clock_wall_ms());
    AUTO(service) struct service *service = NULL;
    AUTO_DONE(connectors) struct connectors connectors = { 0 };
    AUTO(zone) struct zone *zone = NULL;
    struct service_cleanup cleanup;
    struct service_settings settings = {
        .engine = &config->engine, .max_concurrent = (int)config->advanced.max_connectors,
        .job_timeout_ms = config->advanced.job_timeout_minutes * 60 * 1000,
        .endpoint_maximum = config->api.inline_endpoints ? ENDPOINTS_MAXIMUM : 0,
        .without_scheduler = serving->cli->values[OPTION_API_ONLY] != NULL, .bus = bus,
        .turn_ms = serving->watchdog_ms, .on_turn = on_turn, .context = serving,
    };
    struct alert_settings alerts = {
        .url = config->monitoring.webhook_url, .secret = config->monitoring.secret, .trust = &config->trust, .failures = config->monitoring.failures,
        .no_sync_ms = config->monitoring.no_sync_hours * HOUR_MS, .dead_letters = config->monitoring.dead_letters,
        .stuck_ms = config->monitoring.stuck_hours * HOUR_MS,
    };
    int result;

    settings.alerts = config->monitoring.alerts ? &alerts : NULL;
    serving->state = state;
    if (config->state.cleanup_enabled) {
        if (plan_cleanup(config, &cleanup, &zone, err) < 0)
            return -1;
        settings.cleanup = &cleanup;
    }
    if (connectors_make(&connectors, config, state, err) < 0)
        return -1;
    settings.connectors = connectors.items;
    settings.connector_count = connectors.count;
    if (service_new(&settings, &real->world, state, &service, err) < 0)
        return -1;
    serving->service = service;
    serving->bus = bus;
    if (signals_stop_count() > 0)
        service_stop(service, signals_stop_count());
    result = service_run(service, err);
    notify_say("STOPPING=1");
    serving->service = NULL;
    api_free(serving->api); /* before the service that it asks */
    if (result < 0 || serving->failure.kind == ERROR_NONE)
        return result;
    *err = serving->failure;
    return -1;
}

int command_serve(struct cli *cli)
{
    struct serving serving = { .cli = cli, .watchdog_ms = notify_watchdog_ms() };
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(state) struct state *state = NULL;
    struct state_settings settings;
    struct error err = { 0 };
    int64_t lock_wait_ms = 0;
    int64_t port = 0;
    int result;

    /* The port is looked at before anything is begun. */
    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &lock_wait_ms, &err) < 0 || cli_get_port(cli, OPTION_PORT, 0, &port, &err) < 0 || cli_load_config(cli, &err) < 0)
        return cli_fail(cli, &err);
    settings = config_state(cli->config);
    settings.lock_wait_ms = lock_wait_ms;
    settings.now_ms = clock_wall_ms();
    if (state_open(&settings, &state, &err) < 0 || world_real_open(&real, &err) < 0)
        return cli_fail(cli, &err);
    signals_install(on_signal, &serving);
    result = serve(&serving, state, &real, &err);
    signals_install(NULL, NULL);
    return result < 0 ? cli_fail(cli, &err) : 0;
}
