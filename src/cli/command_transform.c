/* command_transform.c - the texts that memories would become; nothing is sent. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/mem.h"
#include "memory/identity.h"
#include "memory/memory.h"
#include "memory/splitter.h"
#include "transform/transform.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAXIMUM = 256 << 20, ELEMENT_MAXIMUM = 64 << 20 };

struct job {
    struct cli *cli;
    struct transform_settings settings;
    const char *context;
    struct memory_decoder *decoder;
    struct json_writer writer;
    struct json_writer bad_writer; /* with --json: of the elements that are no memories */
    size_t shown, bad;
};

static void show(struct job *job, const struct memory *memory)
{
    AUTO_DONE(text) struct text document = { 0 };
    AUTO_DONE(text) struct text name = { 0 };
    uint8_t revision[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    text_init(&document, 0);
    text_init(&name, 0);
    memory_revision(memory, revision);
    sha256_hex(revision, SHA256_SIZE, hex);
    transform_document(&job->settings, job->context, memory, revision, &document);
    identity_document_name(&name, "default", job->context, memory->id);
    job->shown++;
    if (job->cli->json) {
        json_write_open_object(&job->writer, NULL);
        json_write_bytes(&job->writer, "memory", memory->id.data, memory->id.size);
        json_write_string(&job->writer, "name", name.data);
        json_write_string(&job->writer, "revision", hex);
        json_write_bytes(&job->writer, "text", document.data, document.size);
        json_write_close(&job->writer);
        return;
    }
    (void)text_append_bytes(&job->cli->out, document.data, document.size);
    (void)text_append(&job->cli->out, "\n\n");
}

static void on_element(void *context, const struct splitter_element *element)
{
    struct job *job = context;
    struct memory memory;
    struct error err = { 0 };

    if (memory_decode(job->decoder, element->bytes, element->size, &memory, &err) == 0) {
        show(job, &memory);
        return;
    }
    job->bad++;
    if (job->cli->json) {
        json_write_open_object(&job->bad_writer, NULL);
        json_write_integer(&job->bad_writer, "element", (int64_t)element->index);
        json_write_integer(&job->bad_writer, "position", (int64_t)element->offset);
        json_write_bytes(&job->bad_writer, "message", err.message, strlen(err.message));
        json_write_close(&job->bad_writer);
    }
    (void)fprintf(stderr, "element %llu at byte %llu: %s\n", (unsigned long long)element->index, (unsigned long long)element->offset, err.message);
}

static int transform_all(struct job *job, const struct text *input, struct error *err)
{
    struct splitter_settings settings = { .element_maximum = ELEMENT_MAXIMUM, .sample = 1024, .depth_maximum = 64, .on_element = on_element, .context = job };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    struct memory memory;
    enum splitter_end end;

    splitter_push(splitter, input->data, input->size);
    end = splitter_end(splitter);
    if (end == SPLITTER_COMPLETE)
        return 0;
    if (end == SPLITTER_BROKEN)
        return error_set(err, ERROR_FAILED, "the JSON is broken at byte %llu; %zu memories before it were shown", (unsigned long long)splitter_broken_at(splitter),
                         job->shown);
    if (end == SPLITTER_NO_MEMORIES && memory_decode(job->decoder, input->data, input->size, &memory, err) == 0) {
        show(job, &memory);
        return 0;
    }
    return error_set(err, ERROR_FAILED, "this is neither an answer of the Memory API ({\"memories\":[...]}) nor one memory");
}

int command_transform(struct cli *cli)
{
    struct job job = { .cli = cli, .settings = { .strategy = TRANSFORM_STANDARD, .extract_tags = true }, .context = "context" };
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    AUTO_DONE(text) struct text input = { 0 };
    AUTO_DONE(text) struct text malformed = { 0 };
    struct error err = { 0 };
    size_t index;
    int result;

    text_init(&input, FILE_MAXIMUM);
    job.decoder = decoder;
    if (cli->connector_count > 0) {
        if (cli_load_config(cli, &err) < 0 || config_find_connector(cli->config, cli->connectors[0], &index, &err) < 0)
            return cli_fail(cli, &err);
        job.settings = cli->config->engine.connectors[index].transform;
        job.context = cli->config->engine.connectors[index].contexts[0];
    }
    if (file_read(cli->word_count > 0 ? cli->words[0] : "-", FILE_MAXIMUM, &input, &err) < 0) {
        err.kind = ERROR_FAILED;
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_begin_json(cli, &job.writer, "transform");
        json_write_open_array(&job.writer, "documents");
        text_init(&malformed, 0);
        json_write_begin(&job.bad_writer, &malformed);
        json_write_open_array(&job.bad_writer, NULL);
    }
    result = transform_all(&job, &input, &err);
    if (cli->json) {
        json_write_close(&job.writer);
        json_write_close(&job.bad_writer);
        json_write_raw(&job.writer, "malformed", malformed.data, malformed.size);
        cli_end_json(cli, &job.writer);
    }
    if (result < 0)
        return cli_fail(cli, &err);
    return job.bad > 0 ? 3 : 0;
}
