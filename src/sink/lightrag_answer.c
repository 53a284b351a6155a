/* lightrag_answer.c - what LightRAG's answers mean. Pure: status, headers and body go in, a verdict comes out. The same code means different things
 * with different words, and a 200 can be a refusal: both are read. */
#include "sink/sink_internal.h"

#include "memory/sanitise.h"

#include <stdio.h>
#include <string.h>

enum {
    RETRY_AFTER_CAP_MS = 60 * 60 * 1000,
    DEPTH_MAXIMUM = 64,
};

/* ---- Small readers ---- */

static bool is_shallow(const char *json, size_t size)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string && json[i] == '\\')
            i++;
        else if (json[i] == '"')
            in_string = !in_string;
        else if (!in_string && (json[i] == '{' || json[i] == '[') && ++depth > DEPTH_MAXIMUM)
            return false;
        else if (!in_string && (json[i] == '}' || json[i] == ']') && depth > 0)
            depth--;
    }
    return true;
}

yyjson_doc *sink_parse(const struct http_answer *answer)
{
    AUTO_DONE(text) struct text mended = { 0 };
    yyjson_doc *document;

    if (!is_shallow(answer->body, answer->body_size))
        return NULL;
    document = yyjson_read(answer->body, answer->body_size, YYJSON_READ_BIGNUM_AS_RAW);
    if (document != NULL)
        return document;
    /* A summary that was cut inside a character must not hide what the rest says. */
    text_init(&mended, 0);
    if (!sanitise_json(&mended, answer->body, answer->body_size))
        return NULL;
    return yyjson_read(mended.data, mended.size, YYJSON_READ_BIGNUM_AS_RAW);
}

void sink_copy_words(char *out, size_t room, const char *words, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + 1 < room; i++)
        out[used++] = (unsigned char)words[i] < 0x20 || words[i] == 0x7F ? ' ' : words[i];
    while (used > 0 && used + 1 >= room && ((unsigned char)out[used - 1] & 0xC0) == 0x80)
        used--;
    if (used > 0 && used + 2 >= room && (unsigned char)out[used - 1] >= 0xC0)
        used--;
    out[used] = '\0';
}

const char *sink_get_string(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value) ? yyjson_get_str(value) : "";
}

/* ---- Words for people; never the "input" of a 422 ---- */

static void describe_item(struct sink_verdict *verdict, yyjson_val *item)
{
    char message[160];
    const char *words = sink_get_string(item, "msg");

    sink_copy_words(message, sizeof message, words, strlen(words));
    (void)snprintf(verdict->words, sizeof verdict->words, "HTTP %d: %s", verdict->status, message);
}

static void describe(struct sink_verdict *verdict, yyjson_doc *document)
{
    yyjson_val *detail = yyjson_obj_get(yyjson_doc_get_root(document), "detail");
    char words[200];

    (void)snprintf(verdict->words, sizeof verdict->words, "HTTP %d", verdict->status);
    if (yyjson_is_str(detail)) {
        sink_copy_words(words, sizeof words, yyjson_get_str(detail), yyjson_get_len(detail));
        (void)snprintf(verdict->words, sizeof verdict->words, "HTTP %d: %s", verdict->status, words);
    } else if (yyjson_is_arr(detail) && yyjson_arr_size(detail) > 0) {
        describe_item(verdict, yyjson_arr_get_first(detail));
    }
}

/* ---- Transport and status ---- */

static int64_t mend_retry_after(int64_t ms)
{
    if (ms < 0)
        return -1;
    return ms > RETRY_AFTER_CAP_MS ? RETRY_AFTER_CAP_MS : ms;
}

static bool judge_transport(const struct http_answer *answer, struct sink_verdict *verdict)
{
    switch (answer->end) {
    case HTTP_ANSWERED:
        return true;
    case HTTP_NOT_SENT:
        verdict->scope = SINK_NOT_SENT;
        (void)snprintf(verdict->words, sizeof verdict->words, "LightRAG cannot be reached: %.180s", answer->words);
        return false;
    default:
        verdict->scope = SINK_SILENT;
        (void)snprintf(verdict->words, sizeof verdict->words, "no whole answer from LightRAG: %.180s", answer->words);
        return false;
    }
}

static enum sink_scope scope_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return SINK_DENIED;
    case 429:
    case 503:
        return SINK_BUSY;
    case 400:
    case 409:
    case 413:
    case 422:
        return SINK_WELL;
    default:
        break;
    }
    if (status >= 200 && status < 300)
        return SINK_WELL;
    return status >= 500 ? SINK_FAILING : SINK_STRANGE;
}

static void add_remedy(struct sink_verdict *verdict, const struct http_answer *answer)
{
    char said[200];

    (void)snprintf(said, sizeof said, "%s", verdict->words);
    if (verdict->scope == SINK_DENIED)
        (void)snprintf(verdict->words, sizeof verdict->words, "LightRAG refuses the key (%.120s): check lightrag.api.api_key", said);
    else if (verdict->scope == SINK_STRANGE && answer->location[0] != '\0')
        (void)snprintf(verdict->words, sizeof verdict->words,
                       "HTTP %d redirects to %.100s, which is not followed: put the right address into lightrag.api.url", verdict->status, answer->location);
    else if (verdict->scope == SINK_STRANGE)
        (void)snprintf(verdict->words, sizeof verdict->words, "%.60s: this address does not answer like LightRAG; check lightrag.api.url", said);
}

bool sink_judge_answer(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document)
{
    yyjson_doc *document = NULL;

    *ret_verdict = (struct sink_verdict){
        .status = answer->status, .retry_after_ms = mend_retry_after(answer->retry_after_ms), .date_ms = answer->date_ms, .culprit_index = -1,
    };
    *ret_document = NULL;
    if (!judge_transport(answer, ret_verdict))
        return false;
    document = sink_parse(answer);
    ret_verdict->scope = scope_of_status(answer->status);
    if (answer->status < 200 || answer->status >= 300)
        describe(ret_verdict, document);
    add_remedy(ret_verdict, answer);
    *ret_document = document;
    if (answer->status < 200 || answer->status >= 300)
        return false;
    if (yyjson_is_obj(yyjson_doc_get_root(document)))
        return true;
    ret_verdict->scope = SINK_SILENT;
    (void)snprintf(ret_verdict->words, sizeof ret_verdict->words, "HTTP %d, but not with LightRAG's JSON: is something in between?", answer->status);
    return false;
}

void sink_judge(const struct http_answer *answer, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    (void)sink_judge_answer(answer, ret_verdict, &document);
    if (ret_verdict->scope == SINK_WELL && answer->status == 409)
        ret_verdict->scope = SINK_BUSY;
    else if (ret_verdict->scope == SINK_WELL && answer->status >= 400)
        ret_verdict->scope = SINK_STRANGE;
    yyjson_doc_free(document);
}

/* ---- Inserts ---- */

static void find_culprit_name(struct sink_verdict *verdict, const char *words, const char *const *names, size_t count)
{
    const char *start = strchr(words, '\'');
    const char *end = start != NULL ? strchr(start + 1, '\'') : NULL;
    size_t length = end != NULL ? (size_t)(end - start - 1) : 0;

    if (end == NULL || length >= sizeof verdict->culprit_name)
        return;
    memcpy(verdict->culprit_name, start + 1, length);
    verdict->culprit_name[length] = '\0';
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], verdict->culprit_name) == 0)
            verdict->culprit_index = (int)i;
}

/* 409 is said of a name that is there, and of everything that will pass: only the words tell them apart. */
static void judge_conflict(struct sink_verdict *verdict, yyjson_doc *document, const char *const *names, size_t count)
{
    static const char exists[] = "Document storage already contains '";
    const char *detail = sink_get_string(yyjson_doc_get_root(document), "detail");

    if (strncmp(detail, exists, sizeof exists - 1) != 0) {
        verdict->scope = SINK_BUSY;
        return;
    }
    verdict->insert = SINK_INSERT_EXISTS;
    find_culprit_name(verdict, detail, names, count);
}

/* {"detail":[{"loc":["body","texts",3],...}]}: the number is the place in the batch. */
static void judge_refusal(struct sink_verdict *verdict, yyjson_doc *document, size_t count)
{
    yyjson_val *detail = yyjson_obj_get(yyjson_doc_get_root(document), "detail");
    yyjson_val *location = yyjson_obj_get(yyjson_arr_get_first(detail), "loc");
    yyjson_val *list = yyjson_arr_get(location, 1);
    yyjson_val *index = yyjson_arr_get(location, 2);

    verdict->insert = SINK_INSERT_REFUSED;
    if (!yyjson_is_str(list) || !yyjson_is_uint(index) || yyjson_get_uint(index) >= count)
        return;
    if (strcmp(yyjson_get_str(list), "texts") == 0 || strcmp(yyjson_get_str(list), "file_sources") == 0)
        verdict->culprit_index = (int)yyjson_get_uint(index);
}

static void judge_status_word(struct sink_verdict *verdict, yyjson_val *root, const char *const *names, size_t count)
{
    const char *status = sink_get_string(root, "status");
    const char *message = sink_get_string(root, "message");
    const char *track = sink_get_string(root, "track_id");

    if (strcmp(status, "success") == 0 && track[0] != '\0' && strlen(track) < sizeof verdict->track) {
        verdict->insert = SINK_INSERT_ACCEPTED;
        (void)snprintf(verdict->track, sizeof verdict->track, "%s", track);
    } else if (strcmp(status, "duplicated") == 0 && strncmp(message, "Identical content", 17) == 0) {
        verdict->insert = SINK_INSERT_CONTENT;
        (void)snprintf(verdict->words, sizeof verdict->words, "LightRAG says: identical content already exists");
    } else if (strcmp(status, "duplicated") == 0) {
        verdict->insert = SINK_INSERT_EXISTS;
        sink_copy_words(verdict->words, sizeof verdict->words, message, strlen(message));
        find_culprit_name(verdict, message, names, count);
    } else if (strcmp(status, "busy") == 0) {
        verdict->scope = SINK_BUSY;
        (void)snprintf(verdict->words, sizeof verdict->words, "LightRAG says: busy");
    } else {
        verdict->scope = SINK_SILENT;
        (void)snprintf(verdict->words, sizeof verdict->words, "HTTP %d with a status that is no receipt: \"%.60s\"", verdict->status, status);
    }
}

void sink_judge_insert(const struct http_answer *answer, const char *const *names, size_t count, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    if (sink_judge_answer(answer, ret_verdict, &document)) {
        judge_status_word(ret_verdict, yyjson_doc_get_root(document), names, count);
    } else if (ret_verdict->scope == SINK_WELL) {
        if (answer->status == 409)
            judge_conflict(ret_verdict, document, names, count);
        else if (answer->status == 413)
            ret_verdict->insert = SINK_INSERT_TOO_LARGE;
        else
            judge_refusal(ret_verdict, document, count);
    }
    yyjson_doc_free(document);
}

/* ---- The server itself ---- */

static enum sink_dialect dialect_of(const char *version)
{
    static const struct { const char *prefix; enum sink_dialect dialect; } dialects[] = { { "1.4.", SINK_14 }, { "1.5.", SINK_15 } };

    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++)
        if (strncmp(version, dialects[i].prefix, strlen(dialects[i].prefix)) == 0)
            return dialects[i].dialect;
    return SINK_UNKNOWN_DIALECT;
}

void sink_read_health(const struct http_answer *answer, struct sink_health *ret_health, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    yyjson_val *root;
    const char *version;

    *ret_health = (struct sink_health){ 0 };
    if (sink_judge_answer(answer, ret_verdict, &document)) {
        root = yyjson_doc_get_root(document);
        version = sink_get_string(root, "core_version");
        if (version[0] == 'v')
            version++;
        sink_copy_words(ret_health->version, sizeof ret_health->version, version, strlen(version));
        version = sink_get_string(yyjson_obj_get(root, "configuration"), "workspace");
        sink_copy_words(ret_health->workspace, sizeof ret_health->workspace, version, strlen(version));
        ret_health->dialect = dialect_of(ret_health->version);
    }
    if ((ret_verdict->scope == SINK_WELL && ret_health->version[0] == '\0') || (ret_verdict->scope == SINK_SILENT && answer->end == HTTP_ANSWERED)) {
        ret_verdict->scope = SINK_STRANGE;
        (void)snprintf(ret_verdict->words, sizeof ret_verdict->words, "HTTP %d, but no answer of LightRAG's: check lightrag.api.url", answer->status);
    }
    yyjson_doc_free(document);
}

static int64_t count_of(yyjson_val *counts, const char *status)
{
    yyjson_val *value = yyjson_obj_get(counts, status);

    return yyjson_is_uint(value) ? (int64_t)yyjson_get_uint(value) : 0;
}

void sink_read_counts(const struct http_answer *answer, struct sink_counts *ret_counts, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    *ret_counts = (struct sink_counts){ 0 };
    if (sink_judge_answer(answer, ret_verdict, &document)) {
        yyjson_val *counts = yyjson_obj_get(yyjson_doc_get_root(document), "status_counts");
        if (yyjson_is_obj(counts)) {
            ret_counts->all = count_of(counts, "all");
            ret_counts->processed = count_of(counts, "processed");
            ret_counts->failed = count_of(counts, "failed");
            ret_counts->unfinished = ret_counts->all - ret_counts->processed - ret_counts->failed;
        } else {
            ret_verdict->scope = SINK_STRANGE;
            (void)snprintf(ret_verdict->words, sizeof ret_verdict->words, "HTTP 200, but no document counts of LightRAG's: check lightrag.api.url");
        }
    }
    yyjson_doc_free(document);
}

void sink_read_pipeline(const struct http_answer *answer, struct sink_pipeline *ret_pipeline, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    *ret_pipeline = (struct sink_pipeline){ .busy = true };
    if (sink_judge_answer(answer, ret_verdict, &document)) {
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *busy = yyjson_obj_get(root, "busy");
        if (yyjson_is_bool(busy))
            ret_pipeline->busy = yyjson_get_bool(busy);
        else
            ret_verdict->scope = SINK_SILENT;
        ret_pipeline->recovery_required = yyjson_is_true(yyjson_obj_get(root, "recovery_required"));
    }
    yyjson_doc_free(document);
}
