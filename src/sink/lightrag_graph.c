/* lightrag_graph.c - the way back from LightRAG's graph: an entity, the documents behind it, and the names the server gives to documents.
 *
 * The server keeps what an entity came from as two lists joined by "<SEP>": file_path with document names, source_id with chunks. Both are cut when
 * they grow long: 1.5 keeps the oldest 75 names and 200 chunks, 1.4 the newest 100 and 300; the last name is then "...truncated...(KEEP Old)" or
 * "...truncated...(FIFO)", chunks are cut silently. The chunks of 1.5 are named by their document, those of 1.4 by a hash that leads nowhere (docs/provenance.md). */
#include "sink/sink_internal.h"

#include "base/http_client.h"
#include "base/md5.h"

#include <stdio.h>
#include <string.h>

enum {
    GRAPH_ANSWER = 16 << 20,
    NAMES_KEPT_15 = 75, CHUNKS_KEPT_15 = 200,
};

/* ---- Names of documents ---- */

void sink_doc_id(const char *bytes, size_t size, char ret_id[SINK_DOC_ID_SIZE])
{
    uint8_t digest[MD5_SIZE];

    md5_of(bytes, size, digest);
    memcpy(ret_id, "doc-", 4);
    sha256_hex(digest, MD5_SIZE, ret_id + 4);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sink_parse_doc_id(const char *words, size_t size, uint8_t ret_digest[16])
{
    static const char chunk[] = "-chunk-";
    uint8_t digest[MD5_SIZE];

    if (size < SINK_DOC_ID_SIZE - 1 || memcmp(words, "doc-", 4) != 0)
        return false;
    for (size_t i = 0; i < MD5_SIZE; i++) {
        int high = hex_value(words[4 + 2 * i]);
        int low = hex_value(words[5 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    if (size > SINK_DOC_ID_SIZE - 1 &&
        (size < SINK_DOC_ID_SIZE - 1 + sizeof chunk - 1 || memcmp(words + SINK_DOC_ID_SIZE - 1, chunk, sizeof chunk - 1) != 0))
        return false;
    memcpy(ret_digest, digest, MD5_SIZE);
    return true;
}

/* ---- Requests ---- */

static void ask(const struct sink_settings *settings, struct sink_storage *storage, const char *path, const char *words, const char *rest,
                struct http_request *ret_request)
{
    sink_request_counts(settings, storage, ret_request);
    text_clear(&storage->url);
    (void)text_append(&storage->url, settings->url);
    (void)text_append(&storage->url, path);
    http_url_encode(&storage->url, words, strlen(words));
    (void)text_append(&storage->url, rest);
    ret_request->url = storage->url.data;
    ret_request->answer_maximum = GRAPH_ANSWER;
}

void sink_request_labels(const struct sink_settings *settings, struct sink_storage *storage, const char *words, struct http_request *ret_request)
{
    char rest[32];

    (void)snprintf(rest, sizeof rest, "&limit=%d", SINK_LABELS_MAXIMUM);
    ask(settings, storage, "/graph/label/search?q=", words, rest, ret_request);
}

void sink_request_entity(const struct sink_settings *settings, struct sink_storage *storage, const char *label, struct http_request *ret_request)
{
    ask(settings, storage, "/graphs?label=", label, "&max_depth=1&max_nodes=1", ret_request);
}

/* ---- Answers ---- */

static void is_strange(const struct http_answer *answer, struct sink_verdict *verdict, const char *what)
{
    verdict->scope = SINK_STRANGE;
    sink_say(verdict, "HTTP %d, but no %s of LightRAG's: check lightrag.api.url", answer->status, what);
}

/* This answer is a list, where all others of LightRAG are objects. */
static bool is_list(const struct http_answer *answer, yyjson_doc *document)
{
    return answer->end == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300 && yyjson_is_arr(yyjson_doc_get_root(document));
}

void sink_read_labels(const struct http_answer *answer, void (*each)(void *context, const char *label), void *context, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    yyjson_val *value;
    size_t index, count;

    if (sink_judge_question(answer, ret_verdict, &document)) {
        is_strange(answer, ret_verdict, "list of entities");
    } else if (is_list(answer, document)) {
        ret_verdict->scope = SINK_WELL;
        ret_verdict->words[0] = '\0';
        yyjson_arr_foreach(yyjson_doc_get_root(document), index, count, value) {
            if (index < SINK_LABELS_MAXIMUM && yyjson_is_str(value) && strlen(yyjson_get_str(value)) == yyjson_get_len(value))
                each(context, yyjson_get_str(value));
        }
    }
    yyjson_doc_free(document);
}

/* One list, cut at its "<SEP>"; returns how many of it lead to a document. */
static int64_t give_origins(yyjson_val *properties, const char *key, enum sink_origin origin,
                            void (*each)(void *context, enum sink_origin origin, struct slice value), void *context, bool *ret_is_cut)
{
    static const char between[] = "<SEP>", cut[] = "...truncated...";
    const char *at = sink_get_string(properties, key);
    int64_t count = 0;

    while (*at != '\0') {
        const char *end = strstr(at, between);
        size_t size = end != NULL ? (size_t)(end - at) : strlen(at);
        if (size >= sizeof cut - 1 && memcmp(at, cut, sizeof cut - 1) == 0) {
            *ret_is_cut = true;
        } else if (size > 0) {
            uint8_t digest[MD5_SIZE];
            each(context, origin, (struct slice){ at, size });
            count += origin == SINK_ORIGIN_NAME || sink_parse_doc_id(at, size, digest) ? 1 : 0;
        }
        at += size + (end != NULL ? sizeof between - 1 : 0);
    }
    return count;
}

static yyjson_val *find_node(yyjson_val *nodes, const char *label)
{
    yyjson_val *node;
    size_t index, count;

    yyjson_arr_foreach(nodes, index, count, node) {
        if (strcmp(sink_get_string(node, "id"), label) == 0)
            return node;
    }
    return NULL;
}

void sink_read_entity(const struct http_answer *answer, const char *label, void (*each)(void *context, enum sink_origin origin, struct slice value),
                      void *context, struct sink_entity *ret_entity, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    *ret_entity = (struct sink_entity){ 0 };
    if (sink_judge_question(answer, ret_verdict, &document)) {
        yyjson_val *nodes = yyjson_obj_get(yyjson_doc_get_root(document), "nodes");
        yyjson_val *properties = yyjson_obj_get(find_node(nodes, label), "properties");
        const char *type = sink_get_string(properties, "entity_type");
        bool names_are_cut = false;
        if (!yyjson_is_arr(nodes))
            is_strange(answer, ret_verdict, "graph");
        ret_entity->is_there = yyjson_is_obj(properties);
        sink_copy_words(ret_entity->type, sizeof ret_entity->type, type, strlen(type));
        ret_entity->names = give_origins(properties, "file_path", SINK_ORIGIN_NAME, each, context, &names_are_cut);
        ret_entity->chunks = give_origins(properties, "source_id", SINK_ORIGIN_CHUNK, each, context, &ret_entity->is_cut);
        /* The longer list may tell all that the shorter one lost; a list exactly as long as what the server keeps may have been longer. */
        ret_entity->is_cut = ret_entity->is_cut || (names_are_cut && ret_entity->chunks <= NAMES_KEPT_15) || ret_entity->chunks == CHUNKS_KEPT_15 ||
                             sink_get_string(properties, "truncate")[0] != '\0';
    }
    yyjson_doc_free(document);
}
