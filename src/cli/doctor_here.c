/* doctor_here.c - what this machine has to say: the configuration, the state's place, the service. Nothing is made or changed. */
#include "cli/doctor.h"

#include "api/api.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "schedule/schedule.h"
#include "schedule/zone.h"
#include "version.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVICE_TIMEOUT_MS = 10 * 1000, MIB = 1 << 20 };

/* ---- Configuration ---- */

static const struct examination *examination_of(const void *facts)
{
    return facts;
}

static void judge_unread_file(const struct examination *examination, struct doctor_finding *finding)
{
    const char *option = examination->cli->values[OPTION_CONFIG];
    const char *path = option != NULL ? option : getenv("MEMORY_CONNECTOR_CONFIG");

    doctor_fail(finding, ERROR_CONFIG, "%s", examination->config_error.message);
    if (path != NULL && access(path, F_OK) < 0)
        doctor_fix(finding, "memory-connector init %s", path);
    else
        doctor_fix(finding, "name a file that this user may read (--config, MEMORY_CONNECTOR_CONFIG)");
}

static void judge_file(const void *facts, struct doctor_finding *finding)
{
    const struct examination *examination = examination_of(facts);
    const struct config *config = examination->cli->config;

    if (config == NULL && examination->problems.errors == 0) {
        judge_unread_file(examination, finding);
    } else if (config == NULL) {
        doctor_say(finding, DOCTOR_OK, "it can be read");
    } else if (config->file[0] != '\0') {
        doctor_say(finding, DOCTOR_OK, "%s", config->file);
    } else if (config->connectors.count > 0) {
        doctor_say(finding, DOCTOR_OK, "none; the environment says everything");
    } else {
        const char *folder = getenv("XDG_CONFIG_HOME");
        doctor_fail(finding, ERROR_CONFIG, "there is none: not config.yaml here, not %s/memory-connector/config.yaml, not /etc/memory-connector/config.yaml",
                    folder != NULL && folder[0] == '/' ? folder : "~/.config");
        doctor_fix(finding, "\"memory-connector init\" writes one here; --config and MEMORY_CONNECTOR_CONFIG name one elsewhere");
    }
}

static bool is_loaded(const void *facts)
{
    return examination_of(facts)->cli->config != NULL;
}

static void judge_connectors(const void *facts, struct doctor_finding *finding)
{
    const struct examination *examination = examination_of(facts);
    size_t count = examination->cli->config->connectors.count;
    size_t stored = 0;

    for (size_t i = 0; i < examination->stored.count; i++)
        stored += !examination->stored.items[i].is_from_file;
    if (examination->connector_count > 0 && stored > 0) {
        doctor_say(finding, DOCTOR_OK, "%zu of %zu enabled (%zu made by API)", examination->connector_count, count + stored, stored);
    } else if (examination->connector_count > 0) {
        doctor_say(finding, DOCTOR_OK, "%zu of %zu enabled", examination->connector_count, count);
    } else {
        doctor_say(finding, DOCTOR_WARN, count + stored > 0 ? "none is enabled: nothing is carried" : "there is none: nothing is carried");
        doctor_fix(finding, count + stored > 0 ? "set enabled: true at one of them" : "add one under connectors: (\"memory-connector init -\" shows one)");
    }
}

static bool dotenv_is_open(const struct config *config, char **ret_path)
{
    const char *slash = strrchr(config->file, '/');

    *ret_path = slash != NULL ? mem_format("%.*s/.env", (int)(slash - config->file), config->file) : mem_copy_string(".env");
    return config->file[0] != '\0' && file_is_readable_by_others(*ret_path);
}

static void judge_permissions(const void *facts, struct doctor_finding *finding)
{
    const struct examination *examination = examination_of(facts);
    AUTO_STRING char *dotenv = NULL;
    AUTO_DONE(text) struct text files = { 0 };

    text_init(&files, 0);
    for (size_t i = 0; i < examination->problems.count; i++)
        if (examination->problems.items[i].open_file != NULL)
            (void)text_append_format(&files, " %s", examination->problems.items[i].open_file);
    if (dotenv_is_open(examination->cli->config, &dotenv))
        (void)text_append_format(&files, " %s", dotenv);
    if (files.size == 0) {
        doctor_say(finding, DOCTOR_OK, "no file with keys in it is readable by everybody");
        return;
    }
    doctor_say(finding, DOCTOR_WARN, "everybody on this machine can read the keys in%s", files.data);
    doctor_fix(finding, "chmod 600%s", files.data);
}

static const struct doctor_check file_checks[] = {
    { "file", 0, NULL, judge_file },
};
static const struct doctor_check setting_checks[] = {
    { "connectors", 0, is_loaded, judge_connectors },
    { "permissions", 0, is_loaded, judge_permissions },
};

static const char *fix_of_warning(const struct config_problem *problem)
{
    static const struct { const char *words, *fix; } rows[] = {
        { "plain http", "use https:// there, or a server on this machine" },
        { "http.insecure", "put the certificate of its CA into http.ca_file, and set http.insecure: false" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strstr(problem->text, rows[i].words) != NULL)
            return rows[i].fix;
    return "mend it there";
}

/* One finding for each problem: all at once, as config check tells them. */
static void add_settings(struct examination *examination)
{
    size_t told = 0;

    for (size_t i = 0; i < examination->problems.count; i++) {
        const struct config_problem *problem = &examination->problems.items[i];
        struct doctor_finding *finding;
        if (problem->open_file != NULL)
            continue;
        finding = doctor_add(&examination->doctor, "configuration", NULL, "settings");
        if (problem->is_warning) {
            doctor_say(finding, DOCTOR_WARN, "%s", problem->text);
            doctor_fix(finding, "%s", fix_of_warning(problem));
        } else {
            doctor_fail(finding, ERROR_CONFIG, "%s", problem->text);
            doctor_fix(finding, "mend it there (\"man memory-connector.yaml\" tells every setting)");
        }
        told++;
    }
    if (told == 0 && examination->cli->config != NULL)
        doctor_say(doctor_add(&examination->doctor, "configuration", NULL, "settings"), DOCTOR_OK, "they are good");
}

void examine_config(struct examination *examination)
{
    if (doctor_run(&examination->doctor, "configuration", NULL, file_checks, ARRAY_LENGTH(file_checks), examination) != 0)
        return;
    add_settings(examination);
    (void)doctor_run(&examination->doctor, "configuration", NULL, setting_checks, ARRAY_LENGTH(setting_checks), examination);
}

/* ---- The state ---- */

struct state_facts {
    const struct examination *examination;
    const struct config *config;
    char *folder;                  /* that its files are in */
    char *place;                   /* the nearest one above that is there */
    struct text holder;
};

static const struct state_facts *state_of(const void *facts)
{
    return facts;
}

static char *nearest_place(const char *folder)
{
    char *place = mem_copy_string(folder);
    char *slash;

    while (access(place, F_OK) < 0 && errno == ENOENT && (slash = strrchr(place, '/')) != NULL && slash != place)
        *slash = '\0';
    if (access(place, F_OK) == 0 || errno != ENOENT)
        return place;
    mem_free(place);
    return mem_copy_string(folder[0] == '/' ? "/" : ".");
}

static void judge_path(const void *facts, struct doctor_finding *finding)
{
    const struct config *config = state_of(facts)->config;

    doctor_say(finding, DOCTOR_OK, "%s (%s)", config->state_path, config->state.backend == STATE_JSON ? "json" : "sqlite");
}

static void judge_folder(const void *facts, struct doctor_finding *finding)
{
    const struct state_facts *state = state_of(facts);

    if (access(state->place, W_OK | X_OK) < 0) {
        doctor_fail(finding, ERROR_IO, "%s cannot be written: %s", state->place, strerror(errno));
        doctor_fix(finding, "use a folder that this user may write (state.path, --state), or run as its owner");
    } else if (strcmp(state->place, state->folder) != 0) {
        doctor_say(finding, DOCTOR_OK, "%s is not there yet; it is made in %s", state->folder, state->place);
    } else {
        doctor_say(finding, DOCTOR_OK, "it can be written");
    }
}

static void judge_fsync(const void *facts, struct doctor_finding *finding)
{
    const struct state_facts *state = state_of(facts);
    struct error err = { 0 };

    if (file_try_folder(state->place, &err) == 0) {
        doctor_say(finding, DOCTOR_OK, "what is written there reaches the disk");
        return;
    }
    doctor_fail(finding, ERROR_IO, "%s", err.message);
    doctor_fix(finding, "make room there, or use a folder on a local disk that works (state.path, --state)");
}

static void judge_space(const void *facts, struct doctor_finding *finding)
{
    const struct state_facts *state = state_of(facts);
    int64_t left = file_free_bytes(state->place);
    int64_t reserve = state->config->state.disk_reserve;

    if (left < 0) {
        doctor_say(finding, DOCTOR_OK, "the file system does not tell");
    } else if (left < reserve) {
        doctor_fail(finding, ERROR_IO, "%lld MiB are free, less than state.disk_reserve (%lld MiB): nothing is fetched or sent", (long long)(left / MIB),
                    (long long)(reserve / MIB));
        doctor_fix(finding, "make room on the disk of %s, or lower state.disk_reserve", state->place);
    } else if (left < 2 * reserve) {
        doctor_say(finding, DOCTOR_WARN, "%lld MiB are free; below %lld MiB (state.disk_reserve) nothing is fetched or sent", (long long)(left / MIB),
                   (long long)(reserve / MIB));
        doctor_fix(finding, "make room on the disk of %s", state->place);
    } else {
        doctor_say(finding, DOCTOR_OK, "%lld MiB are free, %lld MiB stay reserved", (long long)(left / MIB), (long long)(reserve / MIB));
    }
}

static void judge_lock(const void *facts, struct doctor_finding *finding)
{
    const struct state_facts *state = state_of(facts);

    if (state->holder.size == 0)
        doctor_say(finding, DOCTOR_OK, "nobody holds it");
    else
        doctor_say(finding, DOCTOR_OK, "held by %s, a sync or the service", state->holder.data);
}

static void judge_schema(const void *facts, struct doctor_finding *finding)
{
    const struct examination *examination = state_of(facts)->examination;

    if (examination->state_error.kind != ERROR_NONE) {
        doctor_fail(finding, examination->state_error.kind, "%s", examination->state_error.message);
        doctor_fix(finding, "see \"A damaged state\" in docs/troubleshooting.md; \"memory-connector state check\" looks closer");
    } else if (examination->state == NULL) {
        doctor_say(finding, DOCTOR_OK, "there is no state yet: the first sync makes it");
    } else {
        doctor_say(finding, DOCTOR_OK, "it can be read");
    }
}

enum { STATE_PATH, STATE_FOLDER, STATE_FSYNC, STATE_SPACE, STATE_LOCK, STATE_SCHEMA };

static const struct doctor_check state_checks[] = {
    [STATE_PATH] = { "path", 0, NULL, judge_path },
    [STATE_FOLDER] = { "folder", 0, NULL, judge_folder },
    [STATE_FSYNC] = { "fsync", DOCTOR_NEEDS(STATE_FOLDER), NULL, judge_fsync },
    [STATE_SPACE] = { "space", 0, NULL, judge_space },
    [STATE_LOCK] = { "lock", 0, NULL, judge_lock },
    [STATE_SCHEMA] = { "schema", 0, NULL, judge_schema },
};

void examine_state(struct examination *examination)
{
    struct state_settings settings = config_state(examination->cli->config);
    struct state_facts facts = { .examination = examination, .config = examination->cli->config, .folder = state_folder(&settings) };

    facts.place = nearest_place(facts.folder);
    text_init(&facts.holder, 0);
    state_holder(&settings, &facts.holder);
    (void)doctor_run(&examination->doctor, "state", NULL, state_checks, ARRAY_LENGTH(state_checks), &facts);
    text_done(&facts.holder);
    mem_free(facts.folder);
    mem_free(facts.place);
}

/* ---- The service ---- */

static bool has_api(const void *facts)
{
    return examination_of(facts)->cli->config->api.enabled;
}

static bool runs_by_schedule(const struct config *config)
{
    for (size_t i = 0; i < config->connectors.count; i++)
        if (config_connector(config, i)->enabled && config_connector(config, i)->schedule_type != CONFIG_SCHEDULE_MANUAL)
            return true;
    return false;
}

/* Whoever only syncs needs no key: it is a warning where a schedule shows that the service is meant. */
static void judge_api_key(const void *facts, struct doctor_finding *finding)
{
    const struct config *config = examination_of(facts)->cli->config;
    const struct api_settings settings = { .config = config, .port = -1 };
    struct error err = { 0 };

    if (api_check(&settings, &err) == 0) {
        doctor_say(finding, DOCTOR_OK, config->api.auth ? "api.api_key is set" : "none is wanted (api.enable_auth is false)");
    } else if (!runs_by_schedule(config)) {
        doctor_say(finding, DOCTOR_OK, "none is set: \"serve\" would want one, \"sync\" does not");
    } else {
        doctor_say(finding, DOCTOR_WARN, "connectors have schedules, but \"serve\" would not start");
        doctor_fix(finding, "%s", err.message); /* says what, and the remedies */
    }
}

/* errno of listening there; 0: it is free. */
static int try_port(const char *host, int64_t port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char number[8];
    int failure = 0;
    int fd;

    (void)snprintf(number, sizeof number, "%d", (int)port);
    if (getaddrinfo(host, number, &hints, &found) != 0)
        return EADDRNOTAVAIL;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0)
        failure = errno;
    if (fd >= 0)
        (void)close(fd);
    freeaddrinfo(found);
    return failure;
}

static void judge_service(struct cli *cli, const char *url, struct doctor_finding *finding)
{
    AUTO_DONE(client_answer) struct client_answer health = { 0 };
    AUTO_DONE(client_answer) struct client_answer listing = { 0 };
    struct error err = { 0 };
    const char *version;

    if (client_call_within(cli, SERVICE_TIMEOUT_MS, "GET", "/api/v1/health", NULL, NULL, &health, &err) < 0 || yyjson_obj_get(health.root, "components") == NULL) {
        doctor_fail(finding, ERROR_CONFLICT, "%s is taken by another program, or by a service that hangs", url);
        doctor_fix(finding, "choose another api.port, or end that one (ss -ltnp shows it)");
        return;
    }
    version = client_text(health.root, "version");
    if (client_call_within(cli, SERVICE_TIMEOUT_MS, "GET", "/api/v1/connectors?limit=1", NULL, NULL, &listing, &err) < 0) {
        doctor_fail(finding, err.kind, "memory-connector %s answers at %s: %s", version, url, err.message);
        doctor_fix(finding, err.kind == ERROR_DENIED ? "put its key into api.api_key, or restart it with the one that stands there" : "see the log of the service");
    } else if (strcmp(version, MC_VERSION) != 0) {
        doctor_say(finding, DOCTOR_WARN, "memory-connector %s answers at %s, this program is %s", version, url, MC_VERSION);
        doctor_fix(finding, "restart the service");
    } else {
        doctor_say(finding, DOCTOR_OK, "memory-connector %s answers at %s and takes the key", version, url);
    }
}

static void judge_port(const void *facts, struct doctor_finding *finding)
{
    struct cli *cli = examination_of(facts)->cli;
    AUTO_STRING char *url = client_url(cli);
    int failure = try_port(cli->config->api.host, cli->config->api.port);

    if (failure == 0) {
        doctor_say(finding, DOCTOR_OK, "%s is free: no service runs", url);
    } else if (failure == EADDRINUSE) {
        judge_service(cli, url, finding);
    } else {
        doctor_fail(finding, ERROR_CONFIG, "nobody can listen at %s: %s", url, strerror(failure));
        doctor_fix(finding, failure == EACCES ? "choose an api.port from 1024 on" : "set api.host to an address of this machine");
    }
}

/* ---- Time zones ---- */

static void try_zone(const char *name, struct text *found, struct error *err)
{
    AUTO(zone) struct zone *zone = NULL;
    AUTO_STRING char *item = mem_format(" %s,", name);

    if (name[0] == '\0' || err->kind != ERROR_NONE || strstr(found->data, item) != NULL || zone_open(NULL, name, &zone, err) < 0)
        return;
    (void)text_append(found, item);
}

static void try_zone_of(const char *cron, struct text *found, struct error *err)
{
    struct schedule schedule = { 0 };

    if (cron[0] != '\0' && schedule_parse(cron, &schedule, NULL) == 0)
        try_zone(schedule.zone, found, err);
}

static void judge_zones(const void *facts, struct doctor_finding *finding)
{
    const struct config *config = examination_of(facts)->cli->config;
    AUTO_DONE(text) struct text found = { 0 };
    struct error err = { 0 };

    text_init(&found, 0);
    try_zone_of(config->state.cleanup_cron, &found, &err);
    for (size_t i = 0; i < config->connectors.count; i++) {
        try_zone(config_connector(config, i)->timezone, &found, &err);
        try_zone_of(config_connector(config, i)->cron, &found, &err);
    }
    if (err.kind != ERROR_NONE) {
        doctor_fail(finding, err.kind, "%s", err.message);
        doctor_fix(finding, "install the system's time zones (package tzdata), or correct the name");
    } else if (found.size > 0) {
        doctor_say(finding, DOCTOR_OK, "found:%.*s", (int)found.size - 1, found.data);
    } else {
        doctor_say(finding, DOCTOR_OK, "only UTC is used");
    }
}

static const struct doctor_check service_checks[] = {
    { "key", 0, has_api, judge_api_key },
    { "port", 0, has_api, judge_port },
    { "time zones", 0, NULL, judge_zones },
};

void examine_service(struct examination *examination)
{
    (void)doctor_run(&examination->doctor, "service", NULL, service_checks, ARRAY_LENGTH(service_checks), examination);
}
