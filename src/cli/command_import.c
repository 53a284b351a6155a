/* command_import.c - state import: an export becomes a new state; what an earlier program remembers goes into the state as trusted memories. */
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/world_real.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "state/state_care.h"
#include "state/state_foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PARTLY = 3, WORDS_MAXIMUM = 20 };

/* ---- An export ---- */

struct bad_lines {
    const char *path;
    int64_t count;
};

static void tell_bad_line(void *context, int64_t offset, const char *why)
{
    struct bad_lines *lines = context;

    if (lines->count++ < WORDS_MAXIMUM)
        (void)fprintf(stderr, "memory-connector: %s: byte %lld: %s; left out\n", lines->path, (long long)offset, why);
}

static void say_export(struct cli *cli, const struct state_settings *settings, const struct state_import *done)
{
    struct json_writer writer;

    if (cli->json) {
        cli_begin_json(cli, &writer, "state-import");
        json_write_string(&writer, "state", settings->path);
        json_write_string(&writer, "from", "export");
        json_write_integer(&writer, "lines", done->lines);
        json_write_integer(&writer, "bad_lines", done->bad);
        json_write_integer(&writer, "mended", done->mended);
        cli_end_json(cli, &writer);
        return;
    }
    (void)text_append_format(&cli->out, "%s: %lld lines went in", settings->path, (long long)done->lines);
    if (done->bad > 0)
        (void)text_append_format(&cli->out, ", %lld were left out", (long long)done->bad);
    if (done->bad > 0 || done->mended > 0)
        (void)text_append_format(&cli->out, "; %lld rows that contradict others were given up or counted anew", (long long)done->mended);
    (void)text_append_char(&cli->out, '\n');
}

static int import_export(struct cli *cli, const struct state_settings *settings, const char *path)
{
    struct bad_lines lines = { .path = strcmp(path, "-") == 0 ? "standard input" : path };
    struct state_import done;
    struct error err = { 0 };
    int fd, result;

    if (cli->connector_count > 0) {
        (void)error_set(&err, ERROR_USAGE, "-c: an export is taken as a whole, with all its connectors");
        return cli_fail(cli, &err);
    }
    fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)error_set(&err, ERROR_FAILED, errno == ENOENT ? "%s: there is no such file" : "%s: %s", path, strerror(errno));
        return cli_fail(cli, &err);
    }
    result = state_import(settings, fd, lines.path, tell_bad_line, &lines, &done, &err);
    if (fd != STDIN_FILENO)
        (void)close(fd);
    if (result < 0)
        return cli_fail(cli, &err);
    say_export(cli, settings, &done);
    return done.bad > 0 || done.mended > 0 ? PARTLY : 0;
}

/* ---- What an earlier program remembers: which connector and context of ours is meant ---- */

struct place {                    /* one list of theirs */
    const struct foreign_list *list;
    size_t trust;                 /* index; SIZE_MAX: it is left out */
    bool is_wanted;               /* false: -c named another one */
    char reason[300];             /* why it is left out */
};

struct taking {
    struct cli *cli;
    struct foreign foreign;
    struct place *places;         /* one for each list */
    struct trust_list *trusts;
    size_t trust_count;
    int64_t trusted, known, left_out, failed, syncs;
    bool is_partial;              /* something is left out that was wanted */
};

static void taking_done(struct taking *taking)
{
    foreign_done(&taking->foreign);
    mem_free(taking->places);
    mem_free(taking->trusts);
}
AUTO_DEFINE_DONE(taking)

/* On a terminal nothing of theirs is more than words. */
static void tell_left_out(void *context, const char *place, const char *why)
{
    struct taking *taking = context;
    AUTO_DONE(text) struct text words = { 0 };

    if (taking->foreign.bad > WORDS_MAXIMUM)
        return;
    text_init(&words, 0);
    (void)text_append_harmless(&words, place, strlen(place));
    (void)text_append(&words, ": ");
    (void)text_append_harmless(&words, why, strlen(why));
    (void)fprintf(stderr, "memory-connector: %s; left out\n", words.data);
}

/* -c ID: theirs of that id; where there is none, and only one at all, that one under another name. */
static int choose_theirs(const struct taking *taking, const char *ours, const char **ret_theirs, struct error *err)
{
    const struct foreign *foreign = &taking->foreign;
    bool has_ours = false, has_several = false;

    for (size_t i = 0; i < foreign->count; i++) {
        has_ours = has_ours || strcmp(foreign->lists[i].connector, ours) == 0;
        has_several = has_several || strcmp(foreign->lists[i].connector, foreign->lists[0].connector) != 0;
    }
    if (has_several && !has_ours)
        return error_set(err, ERROR_USAGE, "-c %s: there are several connectors in it, and none has this id: import them without -c, or a file with only one", ours);
    *ret_theirs = has_ours ? ours : foreign->lists[0].connector;
    return 0;
}

static const char *find_context(const struct engine_connector *connector, const char *context)
{
    if (context[0] == '\0')
        return connector->context_count == 1 ? connector->contexts[0] : NULL;
    for (size_t i = 0; i < connector->context_count; i++)
        if (strcmp(connector->contexts[i], context) == 0)
            return connector->contexts[i];
    return NULL;
}

static void place_list(struct taking *taking, const struct foreign_list *list, size_t connector)
{
    const struct engine_settings *engine = &taking->cli->config->engine;
    struct place *place = &taking->places[list - taking->foreign.lists];
    const char *context = connector == SIZE_MAX ? NULL : find_context(&engine->connectors[connector], list->context);

    place->is_wanted = true;
    if (connector == SIZE_MAX) {
        (void)snprintf(place->reason, sizeof place->reason, "no connector of the configuration has this id: give one the id, or take it as another with -c ID");
    } else if (context == NULL && list->context[0] == '\0') {
        (void)snprintf(place->reason, sizeof place->reason, "it does not say which context, and connector %.65s has several", engine->connectors[connector].id);
    } else if (context == NULL) {
        (void)snprintf(place->reason, sizeof place->reason, "context %.120s is none of connector %.65s in the configuration", list->context, engine->connectors[connector].id);
    } else {
        place->trust = taking->trust_count++;
        taking->trusts[place->trust] = (struct trust_list){ .connector = connector, .context = context, .ids = list->ids, .count = list->count };
    }
}

static int place_all(struct taking *taking, struct error *err)
{
    struct cli *cli = taking->cli;
    const char *ours = cli->connector_count > 0 ? cli->connectors[0] : NULL, *theirs = NULL;
    size_t chosen = SIZE_MAX;

    if (cli->connector_count > 1)
        return error_set(err, ERROR_USAGE, "\"%s\" takes one connector", cli->command->name);
    if (ours != NULL && (config_find_connector(cli->config, ours, &chosen, err) < 0 || choose_theirs(taking, ours, &theirs, err) < 0))
        return -1;
    taking->places = mem_alloc_array(taking->foreign.count, sizeof *taking->places);
    taking->trusts = mem_alloc_array(taking->foreign.count, sizeof *taking->trusts);
    for (size_t i = 0; i < taking->foreign.count; i++) {
        const struct foreign_list *list = &taking->foreign.lists[i];
        size_t connector = chosen;
        taking->places[i] = (struct place){ .list = list, .trust = SIZE_MAX, .reason = "another connector was asked for" };
        if (theirs != NULL && strcmp(list->connector, theirs) != 0)
            continue;
        if (ours == NULL && config_find_connector(cli->config, list->connector, &connector, NULL) < 0)
            connector = SIZE_MAX;
        place_list(taking, list, connector);
    }
    return 0;
}

/* ---- Taking it over ---- */

static int take_over(struct taking *taking, const struct state_settings *settings, struct error *err)
{
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO(engine) struct engine *engine = NULL;

    if (state_open(settings, &state, err) < 0 || world_real_open(&real, err) < 0 ||
        engine_new(&taking->cli->config->engine, &real.world, state, &engine, err) < 0)
        return -1;
    return engine_trust(engine, taking->trusts, taking->trust_count, err);
}

static void add_up(struct taking *taking)
{
    taking->is_partial = taking->foreign.bad > 0;
    for (size_t i = 0; i < taking->foreign.count; i++) {
        const struct place *place = &taking->places[i];
        if (place->trust == SIZE_MAX) {
            taking->left_out += (int64_t)place->list->count;
            taking->is_partial = taking->is_partial || place->is_wanted;
            continue;
        }
        taking->trusted += taking->trusts[place->trust].trusted;
        taking->known += taking->trusts[place->trust].known;
        taking->failed += place->list->failed;
        taking->syncs += place->list->syncs;
    }
}

static void write_place(const struct taking *taking, const struct place *place, struct json_writer *writer)
{
    const struct foreign_list *list = place->list;
    const struct trust_list *trust = place->trust != SIZE_MAX ? &taking->trusts[place->trust] : NULL;

    json_write_open_object(writer, NULL);
    json_write_bytes(writer, "place", list->place, strlen(list->place));
    json_write_bytes(writer, "from_connector", list->connector, strlen(list->connector));
    json_write_string(writer, "connector", trust != NULL ? taking->cli->config->engine.connectors[trust->connector].id : NULL);
    json_write_string(writer, "context", trust != NULL ? trust->context : NULL);
    json_write_integer(writer, "trusted", trust != NULL ? trust->trusted : 0);
    json_write_integer(writer, "known", trust != NULL ? trust->known : 0);
    json_write_integer(writer, "left_out", trust != NULL ? 0 : (int64_t)list->count);
    json_write_integer(writer, "failed_items", list->failed);
    json_write_integer(writer, "syncs", list->syncs);
    if (trust != NULL)
        json_write_null(writer, "reason");
    else
        json_write_bytes(writer, "reason", place->reason, strlen(place->reason));
    json_write_close(writer);
}

static void say_json(const struct taking *taking, const struct state_settings *settings, enum foreign_shape shape)
{
    struct cli *cli = taking->cli;
    struct json_writer writer;

    cli_begin_json(cli, &writer, "state-import");
    json_write_string(&writer, "state", settings->path);
    json_write_string(&writer, "from", shape == FOREIGN_SQLITE ? "go-sqlite" : "go-json");
    json_write_integer(&writer, "trusted", taking->trusted);
    json_write_integer(&writer, "known", taking->known);
    json_write_integer(&writer, "left_out", taking->left_out);
    json_write_integer(&writer, "bad", taking->foreign.bad);
    json_write_integer(&writer, "failed_items", taking->failed);
    json_write_integer(&writer, "syncs", taking->syncs);
    json_write_open_array(&writer, "connectors");
    for (size_t i = 0; i < taking->foreign.count; i++)
        write_place(taking, &taking->places[i], &writer);
    json_write_close(&writer);
    cli_end_json(cli, &writer);
}

static void say_place(const struct taking *taking, const struct place *place, struct text *out)
{
    const struct trust_list *trust = place->trust != SIZE_MAX ? &taking->trusts[place->trust] : NULL;
    const char *ours = trust != NULL ? taking->cli->config->engine.connectors[trust->connector].id : NULL;

    table_append_harmless(out, place->list->connector, strlen(place->list->connector));
    if (trust == NULL) {
        (void)text_append_format(out, ": %lld memories left out: ", (long long)place->list->count);
        table_append_harmless(out, place->reason, strlen(place->reason));
        (void)text_append_char(out, '\n');
        return;
    }
    if (strcmp(ours, place->list->connector) != 0)
        (void)text_append_format(out, " as %s", ours);
    (void)text_append(out, ", context ");
    table_append_harmless(out, trust->context, strlen(trust->context));
    (void)text_append_format(out, ": %lld trusted", (long long)trust->trusted);
    if (trust->known > 0)
        (void)text_append_format(out, ", %lld known already and left as they are", (long long)trust->known);
    (void)text_append_char(out, '\n');
}

static void say_words(const struct taking *taking)
{
    struct text *out = &taking->cli->out;

    for (size_t i = 0; i < taking->foreign.count; i++)
        say_place(taking, &taking->places[i], out);
    if (taking->foreign.bad > 0)
        (void)text_append_format(out, "left out as damaged: %lld%s\n", (long long)taking->foreign.bad, taking->foreign.bad > WORDS_MAXIMUM ? ", the first 20 are named above" : "");
    if (taking->failed > 0)
        (void)text_append_format(out, "%lld had failed there: not trusted, they are sent when a listing shows them (\"memory-connector sync --backfill\" reads all)\n",
                                 (long long)taking->failed);
    if (taking->syncs > 0)
        (void)text_append_format(out, "history of %lld syncs: not taken over\n", (long long)taking->syncs);
    if (taking->trusted > 0)
        (void)text_append(out, "trusted: an earlier program was told \"accepted\"; nothing of it is sent again, and changes are not noticed\n"
                               "\"memory-connector sync --force\" sends it and proves it; docs/migration.md says what stays behind then\n");
}

static int import_foreign(struct cli *cli, const struct state_settings *settings, const char *path, enum foreign_shape shape)
{
    AUTO_DONE(taking) struct taking taking = { .cli = cli };
    struct error err = { 0 };

    taking.foreign.tell = tell_left_out;
    taking.foreign.context = &taking;
    if (foreign_read(&taking.foreign, path, shape, &err) < 0 || place_all(&taking, &err) < 0)
        return cli_fail(cli, &err);
    if (taking.trust_count == 0) {
        (void)error_set(&err, ERROR_CONFIG, "%s: nothing was imported: connector %.80s: %s", path, taking.foreign.lists[0].connector, taking.places[0].reason);
        return cli_fail(cli, &err);
    }
    if (take_over(&taking, settings, &err) < 0)
        return cli_fail(cli, &err);
    add_up(&taking);
    if (cli->json)
        say_json(&taking, settings, shape);
    else
        say_words(&taking);
    return taking.is_partial ? PARTLY : 0;
}

int command_state_import(struct cli *cli)
{
    const char *path = cli->words[0];
    enum foreign_shape shape = FOREIGN_EXPORT;
    struct state_settings settings;
    struct error err = { 0 };

    if (cli_find_state(cli, &settings, &err) < 0 || (strcmp(path, "-") != 0 && foreign_recognise(path, &shape, &err) < 0))
        return cli_fail(cli, &err);
    return shape == FOREIGN_EXPORT ? import_export(cli, &settings, path) : import_foreign(cli, &settings, path, shape);
}
