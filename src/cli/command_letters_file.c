/* command_letters_file.c - dead letters into a file, and back out of one: for those who mend by hand what came broken. */
#include "cli/letter_line.h"
#include "cli/letters.h"
#include "cli/table.h"
#include "cli/world_real.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PARTLY = 3, FILE_MAXIMUM = 256 << 20, TOLD_MAXIMUM = 20, FLUSH_AT = 1 << 20 };

/* ---- export ---- */

struct export {
    struct cli *cli;
    struct state *state;
    struct letters letters;
    size_t with_content;           /* that have any */
};

static int append_line(struct export *export, const struct kept_letter *kept, struct text *out, struct error *err)
{
    struct dead_letter letter;
    struct json_writer writer;
    int found = state_get_letter(export->state, kept->letter.letter, &letter, err);

    if (found <= 0)
        return found; /* removed meanwhile: it was decided long ago */
    export->with_content += letter.raw.size > 0;
    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "schema", "memory-connector/dead-letter/v1");
    letter_line_write(&writer, &letter, kept->connector, kept->context, (struct slice){ kept->id, kept->id_size },
                      export->cli->values[OPTION_SHOW_CONTENT] != NULL);
    json_write_close(&writer);
    (void)text_append_char(out, '\n');
    return 0;
}

static int write_lines(void *context, int fd, const char *name, struct error *err)
{
    struct export *export = context;
    AUTO_DONE(text) struct text out = { 0 };

    text_init(&out, 0);
    for (size_t i = 0; i < export->letters.count; i++) {
        if (append_line(export, &export->letters.items[i], &out, err) < 0)
            return -1;
        if (out.size < FLUSH_AT)
            continue;
        if (file_write(fd, name, out.data, out.size, err) < 0)
            return -1;
        text_clear(&out);
    }
    return file_write(fd, name, out.data, out.size, err);
}

/* Through cli->out, which a terminal gets in a harmless form. */
static int print_lines(struct export *export, struct error *err)
{
    for (size_t i = 0; i < export->letters.count; i++)
        if (append_line(export, &export->letters.items[i], &export->cli->out, err) < 0 || (export->cli->out.size >= FLUSH_AT && cli_flush(export->cli, err) < 0))
            return -1;
    return 0;
}

static void say_exported(const struct export *export, const char *path)
{
    bool is_private = export->with_content > 0 && export->cli->values[OPTION_SHOW_CONTENT] != NULL;
    struct cli *cli = export->cli;
    struct json_writer writer;

    if (cli->json) {
        cli_begin_json(cli, &writer, "dead-letters-export");
        json_write_string(&writer, "file", path);
        json_write_integer(&writer, "count", (int64_t)export->letters.count);
        json_write_bool(&writer, "with_content", is_private);
        cli_end_json(cli, &writer);
        return;
    }
    (void)text_append_format(&cli->out, "%s: %zu dead letter%s", path, export->letters.count, export->letters.count == 1 ? "" : "s");
    if (is_private)
        (void)text_append(&cli->out, ", content included: keep it as private as the state");
    else if (export->with_content > 0)
        (void)text_append_format(&cli->out, "; the content of %zu is left out (--show-content adds it, to be mended)", export->with_content);
    (void)text_append_char(&cli->out, '\n');
}

static int export_letters(struct export *export, const char *path, struct error *err)
{
    struct letter_filter filter;

    export->cli->words++; /* the connector is the other word */
    export->cli->word_count--;
    if (letters_make_filter(export->cli, &filter, err) < 0 || cli_open_reader(export->cli, &export->state, err) < 0 ||
        letters_read(export->state, &filter, &export->letters, err) < 0)
        return -1;
    if (strcmp(path, "-") == 0)
        return print_lines(export, err);
    if (file_build(path, export->cli->values[OPTION_FORCE] != NULL, write_lines, export, err) < 0)
        return -1;
    say_exported(export, path);
    return 0;
}

int command_letters_export(struct cli *cli)
{
    struct export export = { .cli = cli };
    struct error err = { 0 };
    int result = export_letters(&export, cli->words[0], &err);

    letters_done(&export.letters);
    state_free(export.state);
    return result < 0 ? cli_fail(cli, &err) : 0;
}

/* ---- import ---- */

struct import_job {
    struct cli *cli;
    struct engine *engine;
    const char *name;              /* of the file, for messages */
    int64_t now_ms;
    int64_t counts[IMPORT_RESULTS];
};

static void tell_refused(struct import_job *job, size_t line, const char *why)
{
    AUTO_DONE(text) struct text shown = { 0 };

    text_init(&shown, 0);
    table_append_harmless(&shown, why, strlen(why));
    if (job->counts[IMPORT_REFUSED] <= TOLD_MAXIMUM)
        (void)fprintf(stderr, "memory-connector: %s: line %zu: %s; left out\n", job->name, line, shown.data);
    else if (job->counts[IMPORT_REFUSED] == TOLD_MAXIMUM + 1)
        (void)fprintf(stderr, "memory-connector: %s: further lines are left out, too\n", job->name);
}

/* Which connector and context here. */
static int find_place(const struct config *config, const struct letter_line *line, struct engine_letter *given, struct error *err)
{
    const struct engine_connector *connector;

    if (config_find_connector(config, line->connector, &given->connector, err) < 0)
        return -1;
    connector = &config->engine.connectors[given->connector];
    given->context = line->context;
    if (line->context[0] == '\0' && connector->context_count == 1)
        given->context = connector->contexts[0];
    for (size_t i = 0; i < connector->context_count; i++)
        if (strcmp(connector->contexts[i], given->context) == 0)
            return 0;
    return error_set(err, ERROR_FAILED, "connector %s reads no context \"%.80s\" (context_id)", connector->id, given->context);
}

static void take_line(struct import_job *job, size_t number, const char *bytes, size_t size)
{
    AUTO_DONE(letter_line) struct letter_line line = { 0 };
    struct engine_letter given = { 0 };
    struct error err = { 0 };
    enum import_result result = IMPORT_REFUSED;

    if (letter_line_read(bytes, size, job->now_ms, &line, &err) == 0 && find_place(job->cli->config, &line, &given, &err) == 0) {
        given.letter = line.letter;
        given.memory_id = (struct slice){ line.id, line.id_size };
        result = engine_import_letter(job->engine, &given, err.message, sizeof err.message);
    }
    job->counts[result]++;
    if (result == IMPORT_REFUSED)
        tell_refused(job, number, err.message);
}

static void take_lines(struct import_job *job, const struct text *input)
{
    const char *at = input->data;
    const char *end = input->data + input->size;

    if (input->size >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
        at += 3; /* some editors begin a file so */
    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop != NULL ? stop : end) - at);
        bool is_blank = true;
        for (size_t i = 0; i < size && is_blank; i++)
            is_blank = strchr(" \t\r", at[i]) != NULL && at[i] != '\0';
        if (!is_blank)
            take_line(job, number, at, size);
        at += size + (stop != NULL);
    }
}

static void say_imported(const struct import_job *job)
{
    static const struct { const char *name, *words; } rows[IMPORT_RESULTS] = {
        [IMPORT_QUEUED] = { "queued", "mended, and queued: the next sync sends them" },
        [IMPORT_SKIPPED] = { "skipped", "mended, and skipped: without words, or outside of ingestion.filter" },
        [IMPORT_KNOWN] = { "known", "known or decided already: nothing was to be done" },
        [IMPORT_ADDED] = { "added", "added: unknown here until now" },
        [IMPORT_REFUSED] = { "refused", "left out: see above" },
    };
    struct cli *cli = job->cli;
    struct json_writer writer;
    bool any = false;

    if (cli->json)
        cli_begin_json(cli, &writer, "dead-letters-import");
    for (int i = 0; i < IMPORT_RESULTS; i++) {
        any = any || job->counts[i] > 0;
        if (cli->json)
            json_write_integer(&writer, rows[i].name, job->counts[i]);
        else if (job->counts[i] > 0)
            (void)text_append_format(&cli->out, "%6lld  %s\n", (long long)job->counts[i], rows[i].words);
    }
    if (cli->json)
        cli_end_json(cli, &writer);
    else if (!any)
        (void)text_append_format(&cli->out, "%s: there is no dead letter in it\n", job->name);
}

static int open_state(struct cli *cli, int64_t now_ms, struct state **ret_state, struct error *err)
{
    struct state_settings settings = config_state(cli->config);

    settings.now_ms = now_ms;
    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &settings.lock_wait_ms, err) < 0)
        return -1;
    if (state_open(&settings, ret_state, err) == 0)
        return 0;
    return err->kind == ERROR_CONFLICT ? error_wrap(err, "an import wants the state for itself (stop the service meanwhile, if it is that)") : -1;
}

int command_letters_import(struct cli *cli)
{
    const char *path = cli->words[0];
    struct import_job job = { .cli = cli, .name = strcmp(path, "-") == 0 ? "standard input" : path, .now_ms = clock_wall_ms() };
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(state) struct state *state = NULL;
    AUTO(engine) struct engine *engine = NULL;
    AUTO_DONE(text) struct text input = { 0 };
    struct error err = { 0 };

    text_init(&input, FILE_MAXIMUM);
    if (file_read(path, FILE_MAXIMUM, &input, &err) < 0) {
        err.kind = ERROR_FAILED;
        return cli_fail(cli, &err);
    }
    if (cli_load_config(cli, &err) < 0 || open_state(cli, job.now_ms, &state, &err) < 0 || world_real_open(&real, &err) < 0 ||
        engine_new(&cli->config->engine, &real.world, state, &engine, &err) < 0 || engine_import_begin(engine, &err) < 0)
        return cli_fail(cli, &err);
    job.engine = engine;
    take_lines(&job, &input);
    if (engine_import_end(engine, &err) < 0)
        return cli_fail(cli, &err);
    say_imported(&job);
    return job.counts[IMPORT_REFUSED] > 0 ? PARTLY : 0;
}
