#include "engine/entity.h"

#include "engine/account.h"

#include "base/clock.h"
#include "base/md5.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

enum { ORIGINS_MAXIMUM = 1000, POLL_MS = 200 };

void entity_done(struct entity *entity)
{
    for (size_t i = 0; i < entity->label_count; i++)
        mem_free(entity->labels[i]);
    mem_free(entity->wanted);
    for (size_t i = 0; i < entity->document_count; i++)
        mem_free(entity->documents[i].name);
    mem_free(entity->documents);
}

static void keep_label(void *context, const char *label)
{
    struct entity *entity = context;

    if (entity->label_count < SINK_LABELS_MAXIMUM)
        entity->labels[entity->label_count++] = mem_copy_string(label);
}

/* Names and chunks tell of the same documents, but either list may be cut: together they tell the most. */
static void keep_origin(void *context, enum sink_origin origin, struct slice value)
{
    struct entity *entity = context;
    struct lookup_document *document;
    uint8_t digest[MD5_SIZE];

    if (origin == SINK_ORIGIN_NAME)
        md5_of(value.data, value.size, digest);
    else if (!sink_parse_doc_id(value.data, value.size, digest))
        return; /* 1.4: a hash of the chunk */
    for (size_t i = 0; i < entity->document_count; i++)
        if (memcmp(entity->documents[i].md5, digest, sizeof digest) == 0)
            return;
    if (entity->document_count == ORIGINS_MAXIMUM) {
        entity->is_full = true;
        return;
    }
    entity->documents = mem_grow(entity->documents, entity->document_count, &entity->document_capacity, sizeof *entity->documents);
    document = &entity->documents[entity->document_count++];
    *document = (struct lookup_document){ .name = mem_copy_bytes(value.data, origin == SINK_ORIGIN_NAME ? value.size : SINK_DOC_ID_SIZE - 1) };
    memcpy(document->md5, digest, sizeof digest);
}

static void on_labels(void *owner, http_id id, const struct http_answer *answer)
{
    struct entity *entity = owner;

    (void)id;
    sink_read_labels(answer, keep_label, entity, &entity->verdict);
    entity->is_answered = true;
}

static void on_entity(void *owner, http_id id, const struct http_answer *answer)
{
    struct entity *entity = owner;

    (void)id;
    sink_read_entity(answer, entity->wanted, keep_origin, entity, &entity->node, &entity->verdict);
    entity->is_answered = true;
}

/* How a person's entity ends when the server does not answer it. */
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

static int ask(struct http *http, const struct engine_target *target, struct http_request *request, struct entity *entity,
               void (*on_done)(void *owner, http_id id, const struct http_answer *answer), struct error *err)
{
    http_id id;

    request->owner = entity;
    request->on_done = on_done;
    entity->is_answered = false;
    if (http_start(http, request, &id, err) < 0)
        return -1;
    while (!entity->is_answered) /* the request's own time-out bounds this */
        if (http_poll(http, clock_monotonic_ms() + POLL_MS, err) < 0)
            return -1;
    return judge(target, &entity->verdict, err);
}

/* The server's spelling of the entity: exact, or in another case. NULL: none. */
static const char *choose_label(const struct entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->label_count; i++)
        if (strcmp(entity->labels[i], name) == 0)
            return entity->labels[i];
    for (size_t i = 0; i < entity->label_count; i++)
        if (strcasecmp(entity->labels[i], name) == 0)
            return entity->labels[i];
    return NULL;
}

int entity_ask(struct http *http, const struct engine_target *target, const char *name, struct entity *entity, struct error *err)
{
    AUTO(account) struct account *account = account_new(http, NULL, &target->sink, target->name);
    struct sink_storage storage;
    struct http_request request;
    const char *label;
    int result;

    http = account_http(account);
    sink_storage_init(&storage);
    sink_request_labels(&target->sink, &storage, name, &request);
    result = ask(http, target, &request, entity, on_labels, err);
    label = choose_label(entity, name);
    entity->wanted = mem_copy_string(label != NULL ? label : name); /* the search is fuzzy and bounded, the graph is exact */
    if (result == 0) {
        sink_request_entity(&target->sink, &storage, entity->wanted, &request);
        result = ask(http, target, &request, entity, on_entity, err);
    }
    sink_storage_done(&storage);
    return result;
}

int entity_find(struct state *state, const struct engine_target *target, struct entity *entity, struct lookup *lookup, struct error *err)
{
    struct target_row row;
    char key[65];
    int known;

    engine_target_key(target, key);
    known = state_find_target(state, key, &row, err);
    if (known <= 0)
        return known; /* nothing was ever brought there: all are foreign */
    return lookup_doc_ids(state, row.target, entity->documents, entity->document_count, lookup, err);
}

/* Documents of others, or of a state that was lost. */
size_t entity_count_foreign(const struct entity *entity)
{
    size_t count = 0;

    for (size_t i = 0; i < entity->document_count; i++)
        count += entity->documents[i].is_found ? 0 : 1;
    return count;
}

int entity_write(struct json_writer *writer, struct state *state, const char *target, const struct entity *entity, const struct lookup *lookup,
                 struct error *err)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "target", target);
    json_write_bytes(writer, "entity", entity->wanted, strlen(entity->wanted));
    json_write_bool(writer, "found", entity->node.is_there);
    json_write_string(writer, "type", entity->node.type);
    json_write_bool(writer, "cut", entity->node.is_cut || entity->is_full || lookup->is_cut);
    json_write_integer(writer, "other_documents", (int64_t)entity_count_foreign(entity));
    json_write_open_array(writer, "foreign");
    for (size_t i = 0; i < entity->document_count; i++)
        if (!entity->documents[i].is_found)
            json_write_bytes(writer, NULL, entity->documents[i].name, strlen(entity->documents[i].name));
    json_write_close(writer);
    json_write_open_array(writer, "similar");
    for (size_t i = 0; i < entity->label_count; i++)
        json_write_bytes(writer, NULL, entity->labels[i], strlen(entity->labels[i]));
    json_write_close(writer);
    if (lookup_write(state, lookup, writer, err) < 0)
        return -1;
    json_write_close(writer);
    return 0;
}

void entity_write_unknown(struct json_writer *writer, const char *target, const char *name, const char *words)
{
    static const char *const lists[] = { "foreign", "similar", "memories" };

    json_write_open_object(writer, NULL);
    json_write_string(writer, "target", target);
    json_write_bytes(writer, "entity", name, strlen(name));
    json_write_bool(writer, "found", false);
    json_write_string(writer, "type", "");
    json_write_bool(writer, "cut", false);
    json_write_integer(writer, "other_documents", 0);
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        json_write_open_array(writer, lists[i]);
        json_write_close(writer);
    }
    json_write_bytes(writer, "error", words, strlen(words));
    json_write_close(writer);
}
