/* command_resolve.c - resolve: a name that LightRAG shows, back to its memory; and the memories behind an entity of its graph. */
#include "cli/cli.h"
#include "engine/lookup.h"
#include "cli/table.h"
#include "cli/world_real.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/entity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FOREIGN_SHOWN = 5 };

/* ---- A list of memories ---- */

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
    if (lookup_write(state, &lookup, &writer, err) < 0)
        return -1;
    json_write_bool(&writer, "cut", lookup.is_cut);
    cli_end_json(cli, &writer);
    return 0;
}

/* ---- An entity ---- */

static void say_similar(struct text *out, const struct entity *question)
{
    for (size_t i = 0; i < question->label_count; i++) {
        (void)text_append(out, i > 0 ? ", " : "; similar ones: ");
        table_append_harmless(out, question->labels[i], strlen(question->labels[i]));
    }
}

/* Documents that no memory here made, by name. */
static void say_foreign(struct text *out, const struct entity *question, size_t foreign)
{
    size_t said = 0;

    for (size_t i = 0; i < question->document_count && said < FOREIGN_SHOWN; i++) {
        if (question->documents[i].is_found)
            continue;
        (void)text_append(out, said == 0 ? "foreign (no memory here made them): " : ", ");
        table_append_harmless(out, question->documents[i].name, strlen(question->documents[i].name));
        said++;
    }
    if (foreign > said)
        (void)text_append_format(out, " and %zu more", foreign - said);
    if (foreign > 0)
        (void)text_append_char(out, '\n');
}

static int entity_in_words(struct cli *cli, struct state *state, const struct engine_target *target, const struct entity *question,
                           const struct lookup *lookup, struct error *err)
{
    struct text *out = &cli->out;
    size_t foreign = entity_count_foreign(question);

    (void)text_append(out, "entity ");
    table_append_harmless(out, question->wanted, strlen(question->wanted));
    (void)text_append_format(out, " at %s (%s): %zu memor%s", target->name, target->sink.url, lookup->count, lookup->count == 1 ? "y" : "ies");
    if (foreign > 0)
        (void)text_append_format(out, ", %zu foreign document%s", foreign, foreign == 1 ? "" : "s");
    (void)text_append_char(out, '\n');
    if (lookup->count > 0 && print_memories(cli, state, lookup, err) < 0)
        return -1;
    say_foreign(out, question, foreign);
    if (question->node.is_cut || question->is_full)
        (void)text_append(out, "LightRAG cut its list of sources for this entity: there may be more than these.\n");
    return 0;
}

/* One target: 1 when it knows the entity. */
static int resolve_at(struct cli *cli, struct state *state, struct world_real *real, const struct engine_target *target, struct json_writer *writer,
                      struct text *similar, struct error *err)
{
    AUTO_DONE(entity) struct entity question = { 0 };
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    int result;

    if (entity_ask(real->world.http, target, cli->values[OPTION_ENTITY], &question, err) < 0 || entity_find(state, target, &question, &lookup, err) < 0)
        return -1;
    if (cli->json)
        result = entity_write(writer, state, target->name, &question, &lookup, err);
    else if (question.node.is_there)
        result = entity_in_words(cli, state, target, &question, &lookup, err);
    else
        result = 0;
    if (!question.node.is_there && similar->size == 0)
        say_similar(similar, &question);
    return result < 0 ? -1 : question.node.is_there ? 1 : 0;
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
