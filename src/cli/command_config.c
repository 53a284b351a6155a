/* command_config.c - init, config show, config schema. */
#include "cli/cli.h"

#include "base/mem.h"
#include "config/config_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- init ---- */

/* Never over a file that is there, unless asked to: then as a whole, or not at all. */
static int write_new(const char *path, const struct text *sample, bool over, struct error *err)
{
    AUTO_STRING char *part = mem_format("%s.part", path);
    const char *name = over ? part : path;
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | (over ? O_TRUNC : O_EXCL), 0600);
    int result = 0;

    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_CONFLICT, "%s is there already: choose another name, or --force to write over it", path);
    if (fd < 0)
        return error_set(err, ERROR_IO, "%s: cannot be made: %s", name, strerror(errno));
    for (size_t at = 0; at < sample->size && result == 0;) {
        ssize_t done = write(fd, sample->data + at, sample->size - at);
        if (done > 0)
            at += (size_t)done;
        else if (errno != EINTR)
            result = error_set(err, ERROR_IO, "%s: cannot be written: %s", name, strerror(errno));
    }
    if (close(fd) < 0 && result == 0)
        result = error_set(err, ERROR_IO, "%s: cannot be written: %s", name, strerror(errno));
    if (result == 0 && over && rename(part, path) < 0)
        result = error_set(err, ERROR_IO, "%s: cannot be renamed: %s", part, strerror(errno));
    if (result < 0)
        (void)unlink(name);
    return result;
}

static void say_next(struct cli *cli, const char *path)
{
    bool is_found = strcmp(path, "config.yaml") == 0;
    const char *option = is_found ? "" : " --config ";
    const char *name = is_found ? "" : path;

    (void)text_append_format(&cli->out,
                             "%s is written. Next:\n"
                             "  1. put in where your servers are and what to read: memory_api.url, lightrag.api.url,\n"
                             "     connectors.context_id; keys go into MEMORY_API_KEY and LIGHTRAG_API_KEY, or a file\n"
                             "     .env beside it\n"
                             "  2. memory-connector%s%s config check\n"
                             "  3. memory-connector%s%s doctor\n"
                             "  4. memory-connector%s%s sync --wait\n",
                             path, option, name, option, name, option, name);
}

int command_init(struct cli *cli)
{
    const char *path = cli->word_count > 0 ? cli->words[0] : "config.yaml";
    AUTO_DONE(text) struct text sample = { 0 };
    struct json_writer writer;
    struct error err = { 0 };

    text_init(&sample, 0);
    config_write_sample(&sample);
    if (strcmp(path, "-") == 0 && !cli->json) {
        (void)text_append_bytes(&cli->out, sample.data, sample.size);
        return 0;
    }
    if (strcmp(path, "-") == 0) {
        cli_begin_json(cli, &writer, "init");
        json_write_null(&writer, "file");
        json_write_bytes(&writer, "text", sample.data, sample.size);
        cli_end_json(cli, &writer);
        return 0;
    }
    if (write_new(path, &sample, cli->values[OPTION_FORCE] != NULL, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "init");
        json_write_string(&writer, "file", path);
        cli_end_json(cli, &writer);
    } else {
        say_next(cli, path);
    }
    return 0;
}

/* ---- config schema, config show ---- */

int command_config_schema(struct cli *cli)
{
    config_write_schema(&cli->out);
    return 0;
}

static void write_setting(void *context, const char *path, const char *value, const char *origin)
{
    struct json_writer *writer = context;

    json_write_open_object(writer, NULL);
    json_write_bytes(writer, "path", path, strlen(path));
    json_write_bytes(writer, "value", value, strlen(value));
    json_write_bytes(writer, "origin", origin, strlen(origin));
    json_write_close(writer);
}

int command_config_show(struct cli *cli)
{
    struct json_writer writer;
    struct error err = { 0 };

    if (cli_load_config(cli, &err) < 0)
        return cli_fail(cli, &err);
    if (!cli->json) {
        config_write_settings(cli->config, cli->values[OPTION_ORIGIN] != NULL, &cli->out);
        return 0;
    }
    cli_begin_json(cli, &writer, "config");
    json_write_string(&writer, "file", cli->config->file[0] != '\0' ? cli->config->file : NULL);
    json_write_string(&writer, "state", cli->config->state_path);
    json_write_open_array(&writer, "settings");
    config_each_setting(cli->config, write_setting, &writer);
    json_write_close(&writer);
    cli_end_json(cli, &writer);
    return 0;
}
