/* lightrag_server.c - what LightRAG says about itself: version and workspace, how many documents, whether its pipeline runs, whether it deletes. */
#include "sink/sink_internal.h"

#include <string.h>

/* ---- /health ---- */

/* 1.5, 1.5.7, 1.5rc1, but not 1.50: only what was measured is spoken to. */
enum sink_dialect sink_dialect_of(const char *version)
{
    static const struct { const char *release; enum sink_dialect dialect; } dialects[] = { { "1.4", SINK_14 }, { "1.5", SINK_15 } };

    if (version[0] == 'v')
        version++;
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        size_t length = strlen(dialects[i].release);
        if (strncmp(version, dialects[i].release, length) == 0 && (version[length] < '0' || version[length] > '9'))
            return dialects[i].dialect;
    }
    return SINK_UNKNOWN_DIALECT;
}

static void read_health(yyjson_val *root, struct sink_health *health, struct sink_verdict *verdict)
{
    const char *version = sink_get_string(root, "core_version");
    yyjson_val *configuration = yyjson_obj_get(root, "configuration");
    const char *workspace = sink_get_string(configuration, "workspace");

    if (version[0] == 'v')
        version++;
    sink_copy_words(health->version, sizeof health->version, version, strlen(version));
    sink_copy_words(health->workspace, sizeof health->workspace, workspace, strlen(workspace));
    health->has_workspace = yyjson_is_obj(configuration);
    health->dialect = sink_dialect_of(health->version);
    if (health->dialect == SINK_UNKNOWN_DIALECT)
        sink_say(verdict, "LightRAG %s is not known to this release: 1.4 and 1.5 are", health->version);
}

void sink_read_health(const struct http_answer *answer, struct sink_health *ret_health, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    bool is_told = false;

    *ret_health = (struct sink_health){ 0 };
    if (sink_judge_question(answer, ret_verdict, &document)) {
        read_health(yyjson_doc_get_root(document), ret_health, ret_verdict);
        is_told = ret_health->version[0] != '\0';
    }
    /* Whoever answers this with anything but a version is somebody else. */
    if (!is_told && answer->end == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300) {
        ret_verdict->scope = SINK_STRANGE;
        sink_say(ret_verdict, "HTTP %d, but no answer of LightRAG's: check lightrag.api.url", answer->status);
    }
    yyjson_doc_free(document);
}

/* ---- /documents/status_counts ---- */

static int64_t read_count(yyjson_val *value)
{
    static const uint64_t most = INT32_MAX; /* far above what a server can hold; sums of such numbers stay numbers */

    if (!yyjson_is_uint(value))
        return 0;
    return (int64_t)(yyjson_get_uint(value) < most ? yyjson_get_uint(value) : most);
}

/* Everything that is neither processed nor failed is unfinished, also under words to come. */
static void read_counts(yyjson_val *words, struct sink_counts *counts)
{
    yyjson_val *key, *value;
    size_t i, size;

    counts->all = read_count(yyjson_obj_get(words, "all"));
    counts->processed = read_count(yyjson_obj_get(words, "processed"));
    counts->failed = read_count(yyjson_obj_get(words, "failed"));
    yyjson_obj_foreach(words, i, size, key, value) {
        if (!yyjson_equals_str(key, "all") && !yyjson_equals_str(key, "processed") && !yyjson_equals_str(key, "failed"))
            counts->unfinished += read_count(value);
    }
}

void sink_read_counts(const struct http_answer *answer, struct sink_counts *ret_counts, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    *ret_counts = (struct sink_counts){ 0 };
    if (sink_judge_question(answer, ret_verdict, &document)) {
        yyjson_val *counts = yyjson_obj_get(yyjson_doc_get_root(document), "status_counts");
        if (yyjson_is_obj(counts)) {
            read_counts(counts, ret_counts);
        } else {
            ret_verdict->scope = SINK_STRANGE;
            sink_say(ret_verdict, "HTTP %d, but no document counts of LightRAG's: check lightrag.api.url", answer->status);
        }
    }
    yyjson_doc_free(document);
}

/* ---- /documents/pipeline_status: never history_messages, they tell names and texts ---- */

void sink_read_pipeline(const struct http_answer *answer, struct sink_pipeline *ret_pipeline, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    *ret_pipeline = (struct sink_pipeline){ .busy = true };
    if (sink_judge_question(answer, ret_verdict, &document)) {
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *busy = yyjson_obj_get(root, "busy");
        if (yyjson_is_bool(busy)) {
            ret_pipeline->busy = yyjson_get_bool(busy);
        } else {
            ret_verdict->scope = SINK_SILENT;
            sink_say(ret_verdict, "HTTP %d, but not a word whether LightRAG's pipeline is busy", answer->status);
        }
        ret_pipeline->is_fenced = yyjson_is_true(yyjson_obj_get(root, "destructive_busy")) || yyjson_is_true(yyjson_obj_get(root, "scanning"));
        ret_pipeline->recovery_required = yyjson_is_true(yyjson_obj_get(root, "recovery_required"));
    }
    yyjson_doc_free(document);
}

/* ---- /documents/delete_document ---- */

bool sink_judge_delete(const struct http_answer *answer, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    bool has_begun = false;

    if (sink_judge_question(answer, ret_verdict, &document)) {
        const char *word = sink_get_string(yyjson_doc_get_root(document), "status");
        has_begun = strcmp(word, "deletion_started") == 0;
        if (!has_begun) {
            /* "busy", "not_allowed", and every word to come: nothing was done that we could rely on. */
            ret_verdict->scope = SINK_BUSY;
            sink_say(ret_verdict, "LightRAG does not delete now (%.60s)", word[0] != '\0' ? word : "no word");
        }
    }
    yyjson_doc_free(document);
    return has_begun;
}
