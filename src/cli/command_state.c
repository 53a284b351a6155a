/* command_state.c - looking after the state: check, repair, export, migrate, cleanup. command_import.c is its other half. */
#include "cli/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "state/state_care.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIFFERENCES = 4 };
#define DAY_MS (24 * 3600 * (int64_t)1000)

/* Opening tells why there is none: perhaps only its file is gone. */
static int expect_there(const struct state_settings *settings, struct error *err)
{
    AUTO(state) struct state *state = NULL;
    struct state_settings reader = *settings;

    if (access(settings->path, F_OK) == 0)
        return 0;
    reader.reader = true;
    return state_open(&reader, &state, err);
}

/* ---- check, repair ---- */

struct findings {
    struct cli *cli;
    struct json_writer writer;    /* with --json */
    int64_t count, beyond;        /* beyond: that cannot be mended in place */
};

static bool tell_finding(void *context, const struct state_finding *finding)
{
    struct findings *findings = context;
    struct text *out = &findings->cli->out;

    findings->count++;
    findings->beyond += finding->mending == NULL;
    if (!findings->cli->json) {
        (void)text_append_format(out, "%s: %lld%s%s\n  repair: %s\n", finding->words, (long long)finding->count, finding->detail[0] != '\0' ? ": " : "", finding->detail,
                                 finding->mending != NULL ? finding->mending : "everything that can be read is put into a new state, the old one is kept beside it");
        return true;
    }
    json_write_open_object(&findings->writer, NULL);
    json_write_string(&findings->writer, "name", finding->name);
    json_write_integer(&findings->writer, "count", finding->count);
    json_write_string(&findings->writer, "message", finding->words);
    json_write_string(&findings->writer, "detail", finding->detail[0] != '\0' ? finding->detail : NULL);
    json_write_string(&findings->writer, "repair", finding->mending);
    json_write_close(&findings->writer);
    return true;
}

/* The object stays open. */
static int examine(struct cli *cli, const char *kind, struct state *state, struct findings *findings, struct error *err)
{
    *findings = (struct findings){ .cli = cli };
    if (cli->json) {
        cli_begin_json(cli, &findings->writer, kind);
        json_write_string(&findings->writer, "state", state_path(state));
        json_write_open_array(&findings->writer, "findings");
    }
    if (state_examine(state, tell_finding, findings, err) < 0)
        return -1;
    if (!cli->json)
        return 0;
    json_write_close(&findings->writer);
    json_write_bool(&findings->writer, "is_sound", findings->count == 0);
    return 0;
}

int command_state_check(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    struct state_settings settings;
    struct findings findings;
    struct error err = { 0 };

    if (cli_find_state(cli, &settings, &err) < 0 || expect_there(&settings, &err) < 0)
        return cli_fail(cli, &err);
    settings.reader = true;
    if (state_open(&settings, &state, &err) < 0 || examine(cli, "state-check", state, &findings, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json)
        cli_end_json(cli, &findings.writer);
    if (findings.count == 0 && !cli->json)
        (void)text_append_format(&cli->out, "%s: sound\n", settings.path);
    else if (!cli->json)
        (void)text_append_format(&cli->out, "\n\"memory-connector state repair\" mends this.\n");
    return findings.count > 0 ? DIFFERENCES : 0;
}

static int repair_in_place(struct cli *cli, struct state *state, struct findings *findings, struct error *err)
{
    bool dry_run = cli->values[OPTION_DRY_RUN] != NULL;
    int64_t changed = 0;

    if (findings->count > 0 && !dry_run && state_mend(state, &changed, err) < 0)
        return cli_fail(cli, err);
    if (cli->json) {
        json_write_bool(&findings->writer, "dry_run", dry_run);
        json_write_integer(&findings->writer, "mended", changed);
        cli_end_json(cli, &findings->writer);
    } else if (findings->count == 0) {
        (void)text_append_format(&cli->out, "%s: sound, nothing to mend\n", state_path(state));
    } else if (!dry_run) {
        (void)text_append_format(&cli->out, "mended: %lld rows\n", (long long)changed);
    }
    return 0;
}

static int repair_anew(struct cli *cli, const struct state_settings *settings, const struct error *why)
{
    bool dry_run = cli->values[OPTION_DRY_RUN] != NULL;
    struct state_saved saved;
    struct json_writer writer;
    struct error err = { 0 };

    if (why->message[0] != '\0')
        (void)fprintf(stderr, "memory-connector: %s\n", why->message);
    if (state_save(settings, dry_run, &saved, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "state-repair");
        json_write_bool(&writer, "dry_run", dry_run);
        json_write_integer(&writer, "rows", saved.rows);
        json_write_integer(&writer, "lost_lines", saved.lost_lines);
        json_write_integer(&writer, "lost_tables", saved.lost_tables);
        json_write_integer(&writer, "mended", saved.mended);
        json_write_string(&writer, "first_loss", saved.first[0] != '\0' ? saved.first : NULL);
        json_write_string(&writer, "kept", saved.kept[0] != '\0' ? saved.kept : NULL);
        cli_end_json(cli, &writer);
        return 0;
    }
    (void)text_append_format(&cli->out, "%s %lld rows; %lld lines and %lld tables could not be read to their end%s%s; %lld rows were given up or counted anew\n",
                             dry_run ? "would be saved:" : "saved:", (long long)saved.rows, (long long)saved.lost_lines, (long long)saved.lost_tables,
                             saved.first[0] != '\0' ? ", first " : "", saved.first, (long long)saved.mended);
    (void)text_append(&cli->out, "What is missing is fetched again by \"memory-connector sync --backfill\", and found at the server where it is there.\n");
    if (!dry_run)
        (void)text_append_format(&cli->out, "The damaged state is kept: %s\n", saved.kept);
    return 0;
}

int command_state_repair(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    bool dry_run = cli->values[OPTION_DRY_RUN] != NULL;
    struct state_settings settings;
    struct findings findings;
    struct error err = { 0 };

    if (cli_find_state(cli, &settings, &err) < 0 || expect_there(&settings, &err) < 0 || (!dry_run && cli_confirm(cli, "Repair the state?", &err) < 0))
        return cli_fail(cli, &err);
    settings.reader = dry_run;
    if (state_open(&settings, &state, &err) < 0) {
        settings.reader = false;
        return err.kind == ERROR_IO ? repair_anew(cli, &settings, &err) : cli_fail(cli, &err);
    }
    if (examine(cli, "state-repair", state, &findings, &err) < 0)
        findings.beyond = 1; /* its pages cannot be read */
    if (findings.beyond > 0) {
        state_free(TAKE(state));
        settings.reader = false;
        text_clear(&cli->out);
        return repair_anew(cli, &settings, &err);
    }
    return repair_in_place(cli, state, &findings, &err);
}

/* ---- export ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* --force replaces old exports, never the state: its file, its log, or what lies in its folder. */
static int refuse_own_file(const struct state_settings *settings, const char *path, struct error *err)
{
    AUTO_STRING char *log = mem_format("%s-wal", settings->path);
    AUTO_STRING char *folder = mem_copy_string(path);
    char *slash = strrchr(folder, '/');

    if (slash != NULL)
        slash[slash == folder] = '\0';
    if (!is_same_file(path, settings->path) && !is_same_file(path, log) && !is_same_file(slash != NULL ? folder : ".", settings->path))
        return 0;
    return error_set(err, ERROR_USAGE, "%s: that is the state itself, or in its folder: choose another name", path);
}

struct export {
    struct state *state;
    int64_t now_ms;
};

static int write_export(void *context, int fd, const char *name, struct error *err)
{
    struct export *export = context;

    return state_export(export->state, fd, name, export->now_ms, err);
}

int command_state_export(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    const char *path = cli->words[0];
    struct state_settings settings;
    struct error err = { 0 };
    int result;

    if (cli_find_state(cli, &settings, &err) < 0 || expect_there(&settings, &err) < 0)
        return cli_fail(cli, &err);
    settings.reader = true;
    if (state_open(&settings, &state, &err) < 0)
        return cli_fail(cli, &err);
    if (strcmp(path, "-") == 0)
        result = state_export(state, STDOUT_FILENO, "standard output", settings.now_ms, &err);
    else if (refuse_own_file(&settings, path, &err) < 0)
        result = -1;
    else
        result = file_build(path, cli->values[OPTION_FORCE] != NULL, write_export, &(struct export){ state, settings.now_ms }, &err);
    if (result < 0)
        return cli_fail(cli, &err);
    if (strcmp(path, "-") != 0 && cli->json) {
        struct json_writer writer;
        cli_begin_json(cli, &writer, "state-export");
        json_write_string(&writer, "file", path);
        cli_end_json(cli, &writer);
    } else if (strcmp(path, "-") != 0) {
        (void)text_append_format(&cli->out, "%s: everything, texts included: keep it as private as the state\n", path);
    }
    return 0;
}

/* ---- migrate ---- */

int command_state_migrate(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    const char *to = cli->values[OPTION_TO];
    struct state_settings settings, there;
    struct json_writer writer;
    struct error err = { 0 };
    int64_t rows;

    if (cli_find_state(cli, &settings, &err) < 0 || expect_there(&settings, &err) < 0)
        return cli_fail(cli, &err);
    there = settings;
    there.path = cli->words[0];
    there.backend = settings.backend == STATE_SQLITE ? STATE_JSON : STATE_SQLITE;
    if (to != NULL && strcmp(to, "sqlite") != 0 && strcmp(to, "json") != 0) {
        (void)error_set(&err, ERROR_USAGE, "--to: \"%.30s\" is neither sqlite nor json", to);
        return cli_fail(cli, &err);
    }
    if (to != NULL)
        there.backend = strcmp(to, "json") == 0 ? STATE_JSON : STATE_SQLITE;
    if (state_open(&settings, &state, &err) < 0 || state_copy(state, &there, &rows, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "state-migrate");
        json_write_string(&writer, "from", settings.path);
        json_write_string(&writer, "to", there.path);
        json_write_string(&writer, "backend", there.backend == STATE_JSON ? "json" : "sqlite");
        json_write_integer(&writer, "rows", rows);
        cli_end_json(cli, &writer);
    } else {
        (void)text_append_format(&cli->out, "%s holds everything that %s holds. From now on, in the configuration:\n\n  state: { backend: %s, path: %s }\n\n"
                                 "The old one is as it was: remove it when all is well, and do not go back to it later, because it stands still.\n",
                                 there.path, settings.path, there.backend == STATE_JSON ? "json" : "sqlite", there.path);
    }
    return 0;
}

/* ---- cleanup ---- */

int command_state_cleanup(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    bool dry_run = cli->values[OPTION_DRY_RUN] != NULL;
    struct state_cleaned cleaned;
    struct state_settings settings;
    struct json_writer writer;
    struct error err = { 0 };
    int64_t before_ms;

    if (cli_find_state(cli, &settings, &err) < 0 || expect_there(&settings, &err) < 0)
        return cli_fail(cli, &err);
    before_ms = settings.now_ms - cli->config->state.retention_days * DAY_MS;
    settings.reader = dry_run;
    if (state_open(&settings, &state, &err) < 0) {
        if (err.kind == ERROR_CONFLICT)
            (void)error_wrap(&err, "a running service cleans up by itself, at state.cleanup.cleanup_cron");
        return cli_fail(cli, &err);
    }
    if (state_clean(state, before_ms, dry_run, &cleaned, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "state-cleanup");
        json_write_bool(&writer, "dry_run", dry_run);
        json_write_time(&writer, "before", before_ms);
        json_write_integer(&writer, "runs", cleaned.runs);
        json_write_integer(&writer, "dead_letters", cleaned.letters);
        json_write_integer(&writer, "batches", cleaned.batches);
        cli_end_json(cli, &writer);
    } else {
        (void)text_append_format(&cli->out, "%s older than %lld days: %lld runs, %lld dead letters that were decided, %lld batches\n", dry_run ? "would be removed," : "removed,",
                                 (long long)cli->config->state.retention_days, (long long)cleaned.runs, (long long)cleaned.letters, (long long)cleaned.batches);
    }
    return 0;
}
