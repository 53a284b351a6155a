/* command_convert.c - config convert: a configuration of the older program, turned into ours. The file goes to standard output, what is to be known about it
 * to standard error. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/table.h"
#include "cli/width.h"
#include "config/config_convert.h"
#include "schedule/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAXIMUM = 1 << 20, LINK_SIZE = 512 };

/* ---- The zone of this machine ---- */

/* "Europe/Berlin" of "/usr/share/zoneinfo/Europe/Berlin". */
static const char *name_in(const char *path)
{
    static const char folder[] = "zoneinfo/";
    const char *at = strstr(path, folder);

    return at != NULL ? at + sizeof folder - 1 : path;
}

/* What the C library goes by, where it has an IANA name; NULL: it has none that we can open. Owned by the caller. */
static char *local_zone(void)
{
    AUTO(zone) struct zone *zone = NULL;
    char link[LINK_SIZE] = "";
    const char *name = getenv("TZ");
    ssize_t size;

    if (name != NULL && name[0] == ':')
        name++;
    if (name == NULL || strcmp(name, "/etc/localtime") == 0) {
        size = readlink("/etc/localtime", link, sizeof link - 1);
        name = size > 0 ? link : "UTC"; /* without either the clock is UTC's */
        if (size <= 0 && access("/etc/localtime", F_OK) == 0)
            return NULL; /* a copy, without a name */
    }
    name = name[0] != '\0' ? name_in(name) : "UTC";
    return zone_check_name(name, NULL) == 0 && zone_open(NULL, name, &zone, NULL) == 0 ? mem_copy_string(name) : NULL;
}

/* ---- What is to be known ---- */

static void append_notes(const struct conversion *conversion, const char *file, enum convert_kind kind, struct text *out)
{
    bool has_title = false;

    for (size_t i = 0; i < conversion->note_count; i++) {
        const struct convert_note *note = &conversion->notes[i];
        if (note->kind != kind)
            continue;
        if (!has_title)
            (void)text_append_format(out, "%s:\n", convert_kind_titles[kind]);
        has_title = true;
        (void)text_append_format(out, "  %s:", file);
        if (note->line > 0)
            (void)text_append_format(out, "%zu:%zu:", note->line, note->column);
        (void)text_append_char(out, ' ');
        (void)text_append_harmless(out, note->path, strlen(note->path));
        if (note->more > 0)
            (void)text_append_format(out, " (and %zu more)", note->more);
        (void)text_append(out, ": ");
        (void)text_append_harmless(out, note->message, strlen(note->message));
        (void)text_append_char(out, '\n');
    }
}

static void append_next(const struct conversion *conversion, struct text *out)
{
    (void)text_append(out, "Next:\n");
    if (conversion->variable_count > 0)
        (void)text_append(out, "  set, in the environment or in a file .env beside it:");
    for (size_t i = 0; i < conversion->variable_count; i++)
        (void)text_append_format(out, "%s %s", i > 0 ? "," : "", conversion->variables[i]);
    (void)text_append_format(out, "%s  memory-connector --config FILE config check\n", conversion->variable_count > 0 ? "\n" : "");
}

static void append_story(const struct conversion *conversion, const char *file, struct text *out)
{
    if (conversion->shape == CONVERT_OURS) {
        (void)text_append_format(out, "%s is a configuration of memory-connector already: it is given as it is; \"config check\" says whether it is good\n", file);
        return;
    }
    (void)text_append_format(out, "%s is %s: %zu setting%s carried over\n", file, convert_shape_words[conversion->shape], conversion->carried,
                             conversion->carried == 1 ? "" : "s");
    for (int kind = 0; kind < CONVERT_KINDS; kind++)
        append_notes(conversion, file, (enum convert_kind)kind, out);
    append_next(conversion, out);
}

static void tell(const struct cli *cli, const struct conversion *conversion, const char *file)
{
    AUTO_DONE(text) struct text story = { 0 };
    AUTO_DONE(text) struct text shown = { 0 };

    if (cli->quiet)
        return;
    text_init(&story, 0);
    text_init(&shown, 0);
    append_story(conversion, file, &story);
    width_show(story.data, story.size, isatty(STDERR_FILENO) ? table_terminal_width(STDERR_FILENO) : 0, &shown);
    (void)fputs(shown.data, stderr);
}

/* ---- As JSON ---- */

static void write_note(struct json_writer *writer, const struct convert_note *note)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "kind", convert_kind_names[note->kind]);
    json_write_bytes(writer, "path", note->path, strlen(note->path));
    if (note->line > 0) {
        json_write_integer(writer, "line", (int64_t)note->line);
        json_write_integer(writer, "column", (int64_t)note->column);
    }
    if (note->more > 0)
        json_write_integer(writer, "more", (int64_t)note->more);
    json_write_bytes(writer, "message", note->message, strlen(note->message));
    json_write_close(writer);
}

static void show_json(struct cli *cli, const struct conversion *conversion, const char *file)
{
    struct json_writer writer;

    cli_begin_json(cli, &writer, "config-convert");
    json_write_bytes(&writer, "file", file, strlen(file));
    json_write_string(&writer, "shape", convert_shape_names[conversion->shape]);
    json_write_integer(&writer, "carried", (int64_t)conversion->carried);
    json_write_bytes(&writer, "configuration", conversion->yaml.data, conversion->yaml.size);
    json_write_open_array(&writer, "notes");
    for (size_t i = 0; i < conversion->note_count && conversion->shape != CONVERT_OURS; i++)
        write_note(&writer, &conversion->notes[i]);
    json_write_close(&writer);
    json_write_open_array(&writer, "variables");
    for (size_t i = 0; i < conversion->variable_count; i++)
        json_write_string(&writer, NULL, conversion->variables[i]);
    json_write_close(&writer);
    cli_end_json(cli, &writer);
}

/* The file first, so that what is to be known about it is the last on a terminal. */
static int show_text(struct cli *cli, const struct conversion *conversion, const char *file)
{
    struct error err = { 0 };

    (void)text_append_bytes(&cli->out, conversion->yaml.data, conversion->yaml.size);
    if (cli_flush(cli, &err) < 0)
        return cli_fail(cli, &err);
    tell(cli, conversion, file);
    return 0;
}

int command_config_convert(struct cli *cli)
{
    const char *file = strcmp(cli->words[0], "-") == 0 ? "standard input" : cli->words[0];
    AUTO_STRING char *zone = local_zone();
    AUTO_DONE(text) struct text input = { 0 };
    AUTO_DONE(conversion) struct conversion conversion = { 0 };
    AUTO_DONE(config_problems) struct config_problems problems = { 0 };
    struct error err = { 0 };

    text_init(&input, FILE_MAXIMUM);
    if (file_read(cli->words[0], FILE_MAXIMUM, &input, &err) < 0)
        return cli_fail(cli, &err);
    if (config_convert(file, input.data, input.size, zone, &conversion, &problems, &err) < 0) {
        for (size_t i = 0; i < problems.count; i++)
            (void)fprintf(stderr, "%s%s\n", problems.items[i].is_warning ? "warning: " : "", problems.items[i].text);
        return cli_fail(cli, &err);
    }
    if (!cli->json)
        return show_text(cli, &conversion, file);
    show_json(cli, &conversion, file);
    return 0;
}
