/* command_resolve.c - resolve: a name that LightRAG shows, back to its memory; and the memories behind an entity of its graph. */
#include "cli/cli.h"
#include "engine/lookup.h"
#include "engine/report.h"
#include "cli/table.h"
#include "cli/world_real.h"

#include "base/clock.h"
#include "base/md5.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "sink/sink.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ORIGINS_MAXIMUM = 1000, POLL_MS = 200 };

/* ---- A list of memories ---- */

static int write_memories(struct state *state, const struct lookup *lookup, struct json_writer *writer, struct error *err)
{
    json_write_open_array(writer, "memories");
    for (size_t i = 0; i < lookup->count; i++) {
        AUTO_DONE(found) struct found found = { 0 };
        if (found_read(state, lookup->seqs[i], &found, err) < 0)
            return -1;
        json_write_open_object(writer, NULL);
        found_write(writer, &found);
        json_write_close(writer);
    }
    json_write_close(writer);
    return 0;
}

static int print_memories(struct cli *cli, struct state *state, const struct lookup *lookup, struct error *err)
{
    static const char *const heads[] = { "MEMORY", "CONTEXT", "STATE", "CONNECTOR", "DOCUMENT", "DOC ID" };
    AUTO_DONE(table) struct table table = { 0 };

    table_init(&table, heads, ARRAY_LENGTH(heads));
    for (size_t i = 0; i < lookup->count; i++) {
        AUTO_DONE(found) struct found found = { 0 };
        if (found_read(state, lookup->seqs[i], &found, err) < 0)
            return -1;
        table_add(&table, found.row.id.data, found.row.id.size);
        table_add(&table, found.context.data, found.context.size);
        table_add_string(&table, memory_state_name(found.row.state));
        table_add_string(&table, found.stream.connector[0] != '\0' ? found.stream.connector : "-");
        table_add(&table, found.name.data, found.name.size);
        table_add_string(&table, found.doc_id[0] != '\0' ? found.doc_id : "-");
    }
    table_print(&table, table_terminal_width(STDOUT_FILENO), &cli->out);
    if (lookup->is_cut)
        (void)text_append_format(&cli->out, "and more: this shows the first %d\n", LOOKUP_MAXIMUM);
    return 0;
}

static int resolve_name(struct cli *cli, struct state *state, struct error *err)
{
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    const char *what = cli->words[0];
    struct json_writer writer;

    if (state == NULL)
        return error_set(err, ERROR_FAILED, "%s: there is no state yet, so nothing is known of any memory; run sync first", cli->config->state_path);
    if (lookup_find(state, what, &lookup, err) < 0)
        return -1;
    if (lookup.count == 0)
        return error_set(err, ERROR_FAILED, "nothing here is called \"%.200s\": no memory's id, document name, doc id, address, no track", what);
    if (!cli->json)
        return print_memories(cli, state, &lookup, err);
    cli_begin_json(cli, &writer, "resolve");
    json_write_bytes(&writer, "name", what, strlen(what));
    json_write_string(&writer, "kind", lookup_kind_name(lookup.kind));
    if (write_memories(state, &lookup, &writer, err) < 0)
        return -1;
    json_write_bool(&writer, "cut", lookup.is_cut);
    cli_end_json(cli, &writer);
    return 0;
}

/* ---- Asking a server ---- */

struct question {
    bool is_answered;
    struct sink_verdict verdict;
    const char *wanted;               /* the entity */
    /* labels */
    char *labels[SINK_LABELS_MAXIMUM];
    size_t label_count;
    /* the entity */
    struct sink_entity entity;
    bool is_full;
    uint8_t (*digests)[16];           /* owned: its documents, as the MD5 of their names, each once */
    size_t digest_count, digest_capacity;
};

static void question_done(struct question *question)
{
    for (size_t i = 0; i < question->label_count; i++)
        mem_free(question->labels[i]);
    mem_free(question->digests);
}
AUTO_DEFINE_DONE(question)

static void keep_label(void *context, const char *label)
{
    struct question *question = context;

    if (question->label_count < SINK_LABELS_MAXIMUM)
        question->labels[question->label_count++] = mem_copy_string(label);
}

/* Names and chunks tell of the same documents, but either list may be cut: together they tell the most. */
static void keep_origin(void *context, enum sink_origin origin, struct slice value)
{
    struct question *question = context;
    uint8_t digest[MD5_SIZE];

    if (origin == SINK_ORIGIN_NAME)
        md5_of(value.data, value.size, digest);
    else if (!sink_parse_doc_id(value.data, value.size, digest))
        return; /* 1.4: a hash of the chunk */
    for (size_t i = 0; i < question->digest_count; i++)
        if (memcmp(question->digests[i], digest, sizeof digest) == 0)
            return;
    if (question->digest_count == ORIGINS_MAXIMUM) {
        question->is_full = true;
        return;
    }
    question->digests = mem_grow(question->digests, question->digest_count, &question->digest_capacity, sizeof *question->digests);
    memcpy(question->digests[question->digest_count++], digest, sizeof digest);
}

static void on_labels(void *owner, http_id id, const struct http_answer *answer)
{
    struct question *question = owner;

    (void)id;
    sink_read_labels(answer, keep_label, question, &question->verdict);
    question->is_answered = true;
}

static void on_entity(void *owner, http_id id, const struct http_answer *answer)
{
    struct question *question = owner;

    (void)id;
    sink_read_entity(answer, question->wanted, keep_origin, question, &question->entity, &question->verdict);
    question->is_answered = true;
}

/* How a person's question ends when the server does not answer it. */
static int judge(const struct engine_target *target, const struct sink_verdict *verdict, struct error *err)
{
    static const enum error_kind kinds[] = {
        [SINK_WELL] = ERROR_NONE,          [SINK_BUSY] = ERROR_LATER,         [SINK_DENIED] = ERROR_DENIED,  [SINK_NOT_SENT] = ERROR_UNREACHABLE,
        [SINK_SILENT] = ERROR_UNREACHABLE, [SINK_FAILING] = ERROR_UNREACHABLE, [SINK_STRANGE] = ERROR_CONFIG,
    };

    if (verdict->scope == SINK_WELL)
        return 0;
    return error_set(err, kinds[verdict->scope], "target %s (%s): %s", target->name, target->sink.url, verdict->words);
}

static int ask(struct world_real *real, const struct engine_target *target, struct http_request *request, struct question *question,
               void (*on_done)(void *owner, http_id id, const struct http_answer *answer), struct error *err)
{
    http_id id;

    request->owner = question;
    request->on_done = on_done;
    question->is_answered = false;
    if (http_start(real->world.http, request, &id, err) < 0)
        return -1;
    while (!question->is_answered) /* the request's own time-out bounds this */
        if (http_poll(real->world.http, clock_monotonic_ms() + POLL_MS, err) < 0)
            return -1;
    return judge(target, &question->verdict, err);
}

/* The server's spelling of the entity: exact, or in another case. NULL: none. */
static const char *choose_label(const struct question *question, const char *name)
{
    for (size_t i = 0; i < question->label_count; i++)
        if (strcmp(question->labels[i], name) == 0)
            return question->labels[i];
    for (size_t i = 0; i < question->label_count; i++)
        if (strcasecmp(question->labels[i], name) == 0)
            return question->labels[i];
    return NULL;
}

static int ask_target(struct world_real *real, const struct engine_target *target, const char *name, struct question *question, struct error *err)
{
    struct sink_storage storage;
    struct http_request request;
    int result;

    sink_storage_init(&storage);
    sink_request_labels(&target->sink, &storage, name, &request);
    result = ask(real, target, &request, question, on_labels, err);
    question->wanted = choose_label(question, name);
    if (question->wanted == NULL)
        question->wanted = name; /* the search is fuzzy and bounded, the graph is exact */
    if (result == 0) {
        sink_request_entity(&target->sink, &storage, question->wanted, &request);
        result = ask(real, target, &request, question, on_entity, err);
    }
    sink_storage_done(&storage);
    return result;
}

/* ---- Documents to memories ---- */

/* What is not a memory of ours is counted: a document of others, or of a state that was lost. */
static int find_memories(struct state *state, struct question *question, struct lookup *lookup, int64_t *ret_others, struct error *err)
{
    if (lookup_doc_ids(state, question->digests, question->digest_count, lookup, err) < 0)
        return -1;
    *ret_others = (int64_t)question->digest_count - (int64_t)lookup->count;
    return 0;
}

static void say_similar(struct text *out, const struct question *question)
{
    for (size_t i = 0; i < question->label_count; i++) {
        (void)text_append(out, i > 0 ? ", " : "; similar ones: ");
        table_append_harmless(out, question->labels[i], strlen(question->labels[i]));
    }
}

static int entity_in_words(struct cli *cli, struct state *state, const struct engine_target *target, const struct question *question,
                           const struct lookup *lookup, int64_t others, struct error *err)
{
    struct text *out = &cli->out;

    (void)text_append(out, "entity ");
    table_append_harmless(out, question->wanted, strlen(question->wanted));
    (void)text_append_format(out, " at %s (%s): %zu memor%s", target->name, target->sink.url, lookup->count, lookup->count == 1 ? "y" : "ies");
    if (others > 0)
        (void)text_append_format(out, ", %lld document%s that no memory here made", (long long)others, others == 1 ? "" : "s");
    (void)text_append_char(out, '\n');
    if (lookup->count > 0 && print_memories(cli, state, lookup, err) < 0)
        return -1;
    if (question->entity.is_cut || question->is_full)
        (void)text_append(out, "LightRAG cut its list of sources for this entity: there are more memories than these.\n");
    return 0;
}

static int entity_in_json(struct json_writer *writer, struct state *state, const struct engine_target *target, const struct question *question,
                          const struct lookup *lookup, int64_t others, struct error *err)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "target", target->name);
    json_write_bytes(writer, "entity", question->wanted, strlen(question->wanted));
    json_write_bool(writer, "found", question->entity.is_there);
    json_write_string(writer, "type", question->entity.type);
    json_write_bool(writer, "cut", question->entity.is_cut || question->is_full || lookup->is_cut);
    json_write_integer(writer, "other_documents", others);
    json_write_open_array(writer, "similar");
    for (size_t i = 0; i < question->label_count; i++)
        json_write_bytes(writer, NULL, question->labels[i], strlen(question->labels[i]));
    json_write_close(writer);
    if (write_memories(state, lookup, writer, err) < 0)
        return -1;
    json_write_close(writer);
    return 0;
}

/* One target: 1 when it knows the entity. */
static int resolve_at(struct cli *cli, struct state *state, struct world_real *real, const struct engine_target *target, struct json_writer *writer,
                      struct text *similar, struct error *err)
{
    AUTO_DONE(question) struct question question = { 0 };
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    int64_t others = 0;
    int result;

    if (ask_target(real, target, cli->values[OPTION_ENTITY], &question, err) < 0 || find_memories(state, &question, &lookup, &others, err) < 0)
        return -1;
    if (cli->json)
        result = entity_in_json(writer, state, target, &question, &lookup, others, err);
    else if (question.entity.is_there)
        result = entity_in_words(cli, state, target, &question, &lookup, others, err);
    else
        result = 0;
    if (!question.entity.is_there && similar->size == 0)
        say_similar(similar, &question);
    return result < 0 ? -1 : question.entity.is_there ? 1 : 0;
}

static bool is_asked(const struct cli *cli, size_t target, size_t only)
{
    const struct engine_settings *engine = &cli->config->engine;

    for (size_t i = 0; i < engine->connector_count; i++)
        if (engine->connectors[i].target == target && (only == i || (only == SIZE_MAX && config_connector(cli->config, i)->enabled)))
            return true;
    return false;
}

static int resolve_entity(struct cli *cli, struct state *state, struct error *err)
{
    const struct engine_settings *engine = &cli->config->engine;
    AUTO_DONE(world_real) struct world_real real = { 0 };
    AUTO_DONE(text) struct text similar = { 0 };
    struct json_writer writer;
    size_t only;
    bool is_known = false;

    text_init(&similar, 0);
    if (cli_one_connector(cli, &only, err) < 0 || world_real_open(&real, err) < 0)
        return -1;
    if (state == NULL)
        return error_set(err, ERROR_FAILED, "%s: there is no state yet, so nothing is known of any memory; run sync first", cli->config->state_path);
    if (cli->json) {
        cli_begin_json(cli, &writer, "resolve-entity");
        json_write_open_array(&writer, "targets");
    }
    for (size_t i = 0; i < engine->target_count; i++) {
        int result = is_asked(cli, i, only) ? resolve_at(cli, state, &real, &engine->targets[i], &writer, &similar, err) : 0;
        if (result < 0)
            return -1;
        is_known = is_known || result > 0;
    }
    if (!is_known)
        return error_set(err, ERROR_FAILED, "LightRAG's graph has no entity \"%.100s\"%s", cli->values[OPTION_ENTITY], similar.data);
    if (cli->json) {
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    }
    return 0;
}

int command_resolve(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    bool by_entity = cli->values[OPTION_ENTITY] != NULL;
    struct error err = { 0 };

    if (by_entity == (cli->word_count > 0))
        (void)error_set(&err, ERROR_USAGE, "resolve wants a NAME, or --entity NAME; see \"memory-connector help resolve\"");
    else if (cli_load_config(cli, &err) == 0 && cli_open_reader(cli, &state, &err) == 0 &&
             (by_entity ? resolve_entity(cli, state, &err) : resolve_name(cli, state, &err)) == 0)
        return 0;
    if (!cli->json)
        text_clear(&cli->out);
    return cli_fail(cli, &err);
}
