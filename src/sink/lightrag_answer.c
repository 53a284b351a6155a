/* lightrag_answer.c - what LightRAG's answers mean. Pure: status, headers and body go in, a verdict comes out. The same code means different things
 * with different words, and a 200 can be a refusal: both are read. */
#include "sink/sink_internal.h"

#include "base/mem.h"
#include "memory/sanitise.h"

#include <stdarg.h>
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

/* Memory that is out is not the server's fault. */
static yyjson_doc *parse(const char *json, size_t size)
{
    yyjson_read_err problem = { 0 };
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json, size, YYJSON_READ_BIGNUM_AS_RAW, NULL, &problem);

    if (document == NULL && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        mem_end_program();
    return document;
}

yyjson_doc *sink_parse(const struct http_answer *answer)
{
    AUTO_DONE(text) struct text mended = { 0 };
    yyjson_doc *document;

    if (!is_shallow(answer->body, answer->body_size))
        return NULL;
    document = parse(answer->body, answer->body_size);
    if (document != NULL)
        return document;
    /* A summary that was cut inside a character must not hide what the rest says. */
    text_init(&mended, 0);
    if (!sanitise_json(&mended, answer->body, answer->body_size))
        return NULL;
    return parse(mended.data, mended.size);
}

/* What pydantic's messages quote behind these words is the request: a private text. */
static size_t stop_before_input(const char *words, size_t size)
{
    static const char mark[] = "input_value=";
    const char *found = memmem(words, size, mark, sizeof mark - 1);

    return found != NULL ? (size_t)(found - words) : size;
}

void sink_copy_words(char *out, size_t room, const char *words, size_t size)
{
    AUTO_DONE(text) struct text clean = { 0 };
    size_t left = stop_before_input(words, size);
    int result = 0;

    text_init(&clean, room - 1); /* an append that does not fit is left out whole: no character is cut */
    while (left > 0 && result == 0) {
        size_t run = 0;
        while (run < left && words[run] != '\n' && words[run] != '\r' && words[run] != '\t')
            run++;
        result = text_append_harmless(&clean, words, run);
        if (result == 0 && run < left) {
            result = text_append_char(&clean, ' ');
            run++;
        }
        words += run;
        left -= run;
    }
    memcpy(out, clean.data, clean.size + 1);
}

void sink_say(struct sink_verdict *verdict, const char *format, ...)
{
    char words[1024];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (size >= 0)
        sink_copy_words(verdict->words, sizeof verdict->words, words, strlen(words));
}

/* A name with a NUL inside would look like another one, a word with it like a known one: none of both is said. */
const char *sink_get_string(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value) && strlen(yyjson_get_str(value)) == yyjson_get_len(value) ? yyjson_get_str(value) : "";
}

/* ---- Words for people: the server's detail, a string, a list or an object; never the "input" of a 422 ---- */

static yyjson_val *find_words(yyjson_val *detail)
{
    static const char *const keys[] = { "msg", "message", "error" };

    if (yyjson_is_arr(detail))
        detail = yyjson_arr_get_first(detail);
    for (size_t i = 0; yyjson_is_obj(detail) && i < ARRAY_LENGTH(keys); i++)
        if (yyjson_is_str(yyjson_obj_get(detail, keys[i])))
            return yyjson_obj_get(detail, keys[i]);
    return detail;
}

static void describe(struct sink_verdict *verdict, yyjson_doc *document)
{
    yyjson_val *said = find_words(yyjson_obj_get(yyjson_doc_get_root(document), "detail"));
    char words[200];

    sink_say(verdict, "HTTP %d", verdict->status);
    if (!yyjson_is_str(said))
        return;
    sink_copy_words(words, sizeof words, yyjson_get_str(said), yyjson_get_len(said));
    sink_say(verdict, "HTTP %d: %s", verdict->status, words);
}

/* ---- Transport and status ---- */

static int64_t mend_retry_after(int64_t ms)
{
    if (ms < 0)
        return -1;
    return ms > RETRY_AFTER_CAP_MS ? RETRY_AFTER_CAP_MS : ms;
}

static bool is_good(int status)
{
    return status >= 200 && status < 300;
}

/* Of an answer that did not come whole the status may be enough: nothing of a request that was refused is stored. A 409 has two meanings. */
static bool is_status_enough(int status)
{
    return status >= 300 && status != 409;
}

static bool judge_transport(const struct http_answer *answer, struct sink_verdict *verdict)
{
    switch (answer->end) {
    case HTTP_ANSWERED:
        return true;
    case HTTP_NOT_SENT:
        verdict->scope = SINK_NOT_SENT;
        sink_say(verdict, answer->is_tls_failure ? "LightRAG is not trusted: %.140s; http.ca_file names a private CA" : "LightRAG cannot be reached: %.150s (is it running? see lightrag.api.url)",
                 answer->words);
        return false;
    case HTTP_TRUNCATED:
    case HTTP_TOO_LARGE:
        if (is_status_enough(answer->status))
            return true;
        break;
    case HTTP_NO_ANSWER:
        break;
    }
    verdict->scope = SINK_SILENT;
    sink_say(verdict, "no whole answer from LightRAG: %s", answer->words);
    return false;
}

static enum sink_scope scope_of_status(int status)
{
    static const struct { int status; enum sink_scope scope; } scopes[] = {
        { 400, SINK_WELL },   { 409, SINK_WELL },   { 413, SINK_WELL }, { 422, SINK_WELL }, { 401, SINK_DENIED },
        { 403, SINK_DENIED }, { 408, SINK_SILENT }, { 425, SINK_BUSY }, { 429, SINK_BUSY }, { 503, SINK_BUSY },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++)
        if (scopes[i].status == status)
            return scopes[i].scope;
    if (is_good(status))
        return SINK_WELL;
    return status >= 500 ? SINK_FAILING : SINK_STRANGE;
}

/* Words of both releases where accounts are set up. */
static bool is_about_account(const char *said)
{
    static const char *const words[] = { "Please login", "Incorrect credentials", "Invalid token" };

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strstr(said, words[i]) != NULL)
            return true;
    return false;
}

static void add_remedy(struct sink_verdict *verdict, const struct http_answer *answer)
{
    char said[120];

    sink_copy_words(said, sizeof said, verdict->words, strlen(verdict->words));
    if (verdict->scope == SINK_DENIED && is_about_account(said)) {
        sink_say(verdict, "LightRAG wants an account (%s): check lightrag.api.username and lightrag.api.password", said);
    } else if (verdict->scope == SINK_DENIED) {
        sink_say(verdict, "LightRAG refuses the key (%s): check lightrag.api.api_key", said);
    } else if (verdict->scope == SINK_STRANGE && answer->location[0] != '\0') {
        sink_copy_words(said, sizeof said, answer->location, strcspn(answer->location, "?#"));
        sink_say(verdict, "HTTP %d redirects to %s, which is not followed: put the right address into lightrag.api.url", verdict->status, said);
    } else if (verdict->scope == SINK_STRANGE) {
        sink_say(verdict, "%s: this address does not answer like LightRAG; check lightrag.api.url", said);
    }
}

bool sink_judge_answer(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document)
{
    yyjson_doc *document;

    *ret_verdict = (struct sink_verdict){
        .status = answer->status, .retry_after_ms = mend_retry_after(answer->retry_after_ms), .date_ms = answer->date_ms, .culprit_index = -1,
    };
    *ret_document = NULL;
    if (!judge_transport(answer, ret_verdict))
        return false;
    *ret_document = document = sink_parse(answer);
    ret_verdict->scope = scope_of_status(answer->status);
    if (!is_good(answer->status)) {
        describe(ret_verdict, document);
        add_remedy(ret_verdict, answer);
        return false;
    }
    if (yyjson_is_obj(yyjson_doc_get_root(document)))
        return true;
    ret_verdict->scope = SINK_SILENT;
    sink_say(ret_verdict, "HTTP %d, but not with LightRAG's JSON: is something in between?", answer->status);
    return false;
}

bool sink_judge_question(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document)
{
    if (sink_judge_answer(answer, ret_verdict, ret_document))
        return true;
    if (ret_verdict->scope != SINK_WELL)
        return false;
    /* It carried no document that could be at fault. */
    ret_verdict->scope = answer->status == 409 ? SINK_BUSY : SINK_STRANGE;
    add_remedy(ret_verdict, answer);
    return false;
}

void sink_judge(const struct http_answer *answer, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;

    (void)sink_judge_question(answer, ret_verdict, &document);
    yyjson_doc_free(document);
}

/* ---- Inserts ---- */

/* words begin with before, then the name, then a quote: names of ours have no quote in them. false: they do not. */
static bool find_culprit_name(struct sink_verdict *verdict, const char *words, const char *before, const char *const *names, size_t count)
{
    size_t length;

    if (strncmp(words, before, strlen(before)) != 0)
        return false;
    words += strlen(before);
    length = strcspn(words, "'");
    if (words[length] != '\'' || length >= sizeof verdict->culprit_name)
        return true;
    memcpy(verdict->culprit_name, words, length);
    verdict->culprit_name[length] = '\0';
    for (size_t i = 0; i < count && verdict->culprit_index < 0; i++)
        if (strcmp(names[i], verdict->culprit_name) == 0)
            verdict->culprit_index = (int)i;
    return true;
}

/* 409 is said of a name that is there, and of everything that will pass: only the words tell them apart. */
static void judge_conflict(struct sink_verdict *verdict, yyjson_doc *document, const char *const *names, size_t count)
{
    const char *detail = sink_get_string(yyjson_doc_get_root(document), "detail");

    if (find_culprit_name(verdict, detail, "Document storage already contains '", names, count))
        verdict->insert = SINK_INSERT_EXISTS;
    else
        verdict->scope = SINK_BUSY;
}

/* {"detail":[{"loc":["body","texts",3],...}]}: the number is the place in the batch; -1 when this one tells none. */
static int find_place(yyjson_val *item, size_t count)
{
    yyjson_val *location = yyjson_obj_get(item, "loc");
    yyjson_val *list = yyjson_arr_get(location, 1);
    yyjson_val *index = yyjson_arr_get(location, 2);

    if (!yyjson_equals_str(yyjson_arr_get(location, 0), "body") || !yyjson_is_uint(index) || yyjson_get_uint(index) >= count)
        return -1;
    return yyjson_equals_str(list, "texts") || yyjson_equals_str(list, "file_sources") ? (int)yyjson_get_uint(index) : -1;
}

static void judge_refusal(struct sink_verdict *verdict, yyjson_doc *document, size_t count)
{
    yyjson_val *detail = yyjson_obj_get(yyjson_doc_get_root(document), "detail");
    yyjson_val *item;
    size_t i, size;

    verdict->insert = SINK_INSERT_REFUSED;
    yyjson_arr_foreach(detail, i, size, item) {
        if (verdict->culprit_index < 0)
            verdict->culprit_index = find_place(item, count);
    }
}

/* It goes into an address, so it must be a plain word, and "." and ".." would be taken out of there. */
static bool is_track(const char *track)
{
    size_t length = 0;

    while (track[length] > 0x20 && track[length] < 0x7F)
        length++;
    return length > 0 && track[length] == '\0' && length < sizeof ((struct sink_verdict *)0)->track && track[0] != '.';
}

static void judge_status_word(struct sink_verdict *verdict, yyjson_val *root, const char *const *names, size_t count)
{
    const char *status = sink_get_string(root, "status");
    const char *message = sink_get_string(root, "message");
    const char *track = sink_get_string(root, "track_id");

    if (strcmp(status, "success") == 0 && is_track(track)) {
        verdict->insert = SINK_INSERT_ACCEPTED;
        (void)snprintf(verdict->track, sizeof verdict->track, "%s", track);
    } else if (strcmp(status, "success") == 0) {
        verdict->scope = SINK_SILENT;
        sink_say(verdict, "HTTP %d, success, but no track id that could be followed", verdict->status);
    } else if (strcmp(status, "duplicated") == 0 && strncmp(message, "Identical content", 17) == 0) {
        verdict->insert = SINK_INSERT_CONTENT;
        sink_say(verdict, "LightRAG says: identical content already exists");
    } else if (strcmp(status, "duplicated") == 0) {
        verdict->insert = SINK_INSERT_EXISTS;
        sink_say(verdict, "LightRAG says: %s", message[0] != '\0' ? message : status);
        (void)find_culprit_name(verdict, message, "File source '", names, count);
    } else if (strcmp(status, "busy") == 0) {
        verdict->scope = SINK_BUSY;
        sink_say(verdict, "LightRAG says: busy");
    } else {
        verdict->scope = SINK_SILENT;
        sink_say(verdict, "HTTP %d with a status that is no receipt: \"%.60s\"", verdict->status, status);
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
