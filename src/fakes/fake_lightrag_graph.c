/* fake_lightrag_graph.c - enough of a graph for the demo and for tests of the way back: entities are the capitalised words of a text, as with the
 * model stub that stands in for a language model behind the real server. Every question searches the texts. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What an entity keeps of where it came from: 1.5 the oldest, 1.4 the newest. */
enum { PATHS_KEPT_15 = 75, SOURCES_KEPT_15 = 200, PATHS_KEPT_14 = 100, SOURCES_KEPT_14 = 300 };

enum { ENTITY_LETTERS = 3, REFERENCES_MAXIMUM = 20, LABELS_MAXIMUM = 10, QUERY_CHARACTERS = 3 };

/* ---- Words ---- */

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '_' || c == '-' || c == '\'';
}

/* Capital letters of Latin, Greek and Cyrillic; other scripts have none. */
static bool begins_with_capital(const char *word)
{
    unsigned char first = (unsigned char)word[0];
    unsigned char second = first != 0 ? (unsigned char)word[1] : 0;

    return isupper(first) || (first == 0xC3 && second >= 0x80 && second <= 0x9E) || (first == 0xCE && second >= 0x91 && second <= 0xA9) ||
           (first == 0xD0 && second >= 0x90 && second <= 0xAF);
}

static size_t count_letters(const char *word, size_t size)
{
    size_t letters = 0;

    for (size_t i = 0; i < size; i++)
        letters += ((unsigned char)word[i] & 0xC0) != 0x80;
    return letters;
}

/* The next entity at or behind *at; NULL: no more. */
static const char *next_entity(const char **at, size_t *ret_size)
{
    static const char *const no_entities[] = {
        "The", "This", "That", "These", "Those", "There", "Then", "They", "And", "But", "For", "With", "From", "Not", "None", "You", "Your", "Our",
        "His", "Her", "Its", "What", "When", "Where", "Which", "Who", "Why", "How", "Are", "Was", "Were", "Has", "Have", "Had", "Did", "Does",
        "Memory", "Record", "Recorded", "Transcript", "Type", "Media", "Available", "Location", "Audio", "Image",
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    };

    for (const char *word = *at; *word != '\0';) {
        size_t size = 0;
        bool is_entity;
        while (is_word_byte(word[size]))
            size++;
        is_entity = begins_with_capital(word) && count_letters(word, size) >= ENTITY_LETTERS;
        for (size_t i = 0; i < ARRAY_LENGTH(no_entities) && is_entity; i++)
            if (strlen(no_entities[i]) == size && memcmp(no_entities[i], word, size) == 0)
                is_entity = false;
        *at = word + (size > 0 ? size : 1);
        if (is_entity) {
            *ret_size = size;
            return word;
        }
        word = *at;
    }
    return NULL;
}

static bool has_entity(const char *text, const char *name, size_t name_size)
{
    const char *word;
    size_t size;

    while ((word = next_entity(&text, &size)) != NULL)
        if (size == name_size && memcmp(word, name, size) == 0)
            return true;
    return false;
}

static bool is_shown(const struct doc *doc)
{
    return fake_is_live(doc) && doc->status == DOC_PROCESSED && doc->text != NULL && !doc->is_torn;
}

/* ---- Questions ---- */

static bool is_about(const struct doc *doc, const char *question)
{
    const char *word;
    size_t size;

    while ((word = next_entity(&question, &size)) != NULL)
        if (has_entity(doc->text, word, size))
            return true;
    return false;
}

static size_t find_documents(const struct fake_lightrag *fake, const char *question, int64_t rows[REFERENCES_MAXIMUM])
{
    size_t count = 0;

    for (int64_t i = 0; i < fake->count && count < REFERENCES_MAXIMUM; i++)
        if (is_shown(&fake->docs[i]) && is_about(&fake->docs[i], question))
            rows[count++] = i;
    return count;
}

static void write_references(const struct fake_lightrag *fake, struct json_writer *writer, const int64_t *rows, size_t count)
{
    json_write_open_array(writer, "references");
    for (size_t i = 0; i < count; i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%zu", i + 1);
        json_write_open_object(writer, NULL);
        json_write_string(writer, "reference_id", number);
        json_write_string(writer, "file_path", fake->docs[rows[i]].name);
        json_write_null(writer, "content");
        json_write_close(writer);
    }
    json_write_close(writer);
}

/* The question of a body; NULL: the answer says what is wrong. Owned. */
static char *read_question(const struct fake_request *request, bool is_data, struct http_server_answer *answer)
{
    static const char words[] = "Value error, RAG query is too short. Enter at least 3 English characters or an equivalent combination where each "
                                "Chinese, Japanese or Korean character counts as 2.";
    yyjson_doc *document = fake_read_body(request, answer);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *query = yyjson_obj_get(root, "query");
    char *question = NULL;

    if (document == NULL)
        return NULL;
    if (!yyjson_is_str(query)) {
        fake_say_invalid(answer, &(struct fake_problem){ "missing", "query", -1, "Field required", root, NULL });
    } else if (count_letters(yyjson_get_str(query), yyjson_get_len(query)) >= QUERY_CHARACTERS) {
        question = mem_copy_string(yyjson_get_str(query));
    } else if (is_data) {
        answer->status = 400;
        (void)text_append_format(&answer->body, "{\"status\":\"failure\",\"message\":\"Validation error: body: %s\",\"data\":{},\"metadata\":{}}", words);
    } else {
        fake_say_invalid(answer, &(struct fake_problem){ "value_error", NULL, -1, words, root, "{\"error\":{}}" });
    }
    yyjson_doc_free(document);
    return question;
}

void fake_answer_query(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    AUTO_STRING char *question = read_question(request, false, answer);
    int64_t rows[REFERENCES_MAXIMUM];
    size_t count;
    struct json_writer writer;

    if (question == NULL)
        return;
    count = find_documents(fake, question, rows);
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "response", "Stub answer.");
    write_references(fake, &writer, rows, count);
    json_write_number(&writer, "response_time", 0.001);
    json_write_bool(&writer, "llm_generated", true);
    json_write_close(&writer);
}

void fake_answer_query_data(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    AUTO_STRING char *question = read_question(request, true, answer);
    int64_t rows[REFERENCES_MAXIMUM];
    size_t count;
    struct json_writer writer;

    if (question == NULL)
        return;
    count = find_documents(fake, question, rows);
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "success");
    json_write_string(&writer, "message", "Query executed successfully");
    json_write_open_object(&writer, "data");
    json_write_open_array(&writer, "entities");
    json_write_close(&writer);
    json_write_open_array(&writer, "relationships");
    json_write_close(&writer);
    json_write_open_array(&writer, "chunks");
    for (size_t i = 0; i < count; i++) {
        AUTO_STRING char *chunk = mem_format("%s-chunk-000", fake->docs[rows[i]].id);
        json_write_open_object(&writer, NULL);
        json_write_string(&writer, "content", fake->docs[rows[i]].text);
        json_write_string(&writer, "file_path", fake->docs[rows[i]].name);
        json_write_string(&writer, "chunk_id", chunk);
        json_write_close(&writer);
    }
    json_write_close(&writer);
    write_references(fake, &writer, rows, count);
    json_write_close(&writer);
    json_write_close(&writer);
}

/* ---- Entities ---- */

static bool is_entity(const struct fake_lightrag *fake, const char *name)
{
    for (int64_t i = 0; i < fake->count && name != NULL; i++)
        if (is_shown(&fake->docs[i]) && has_entity(fake->docs[i].text, name, strlen(name)))
            return true;
    return false;
}

void fake_answer_entity(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    (void)text_append(&answer->body, is_entity(fake, request->name) ? "{\"exists\":true}" : "{\"exists\":false}");
}

static bool matches(const char *label, const char *wanted)
{
    size_t size = strlen(wanted);

    for (; strlen(label) >= size; label++)
        if (strncasecmp(label, wanted, size) == 0)
            return true;
    return false;
}

static size_t find_labels(const struct fake_lightrag *fake, const char *wanted, char *labels[LABELS_MAXIMUM])
{
    size_t count = 0;

    for (int64_t i = 0; i < fake->count; i++) {
        const char *at = is_shown(&fake->docs[i]) ? fake->docs[i].text : "";
        const char *word;
        size_t size;
        while (count < LABELS_MAXIMUM && (word = next_entity(&at, &size)) != NULL) {
            AUTO_STRING char *label = mem_copy_bytes(word, size);
            bool is_new = matches(label, wanted);
            for (size_t k = 0; k < count; k++)
                is_new = is_new && strcmp(labels[k], label) != 0;
            if (is_new)
                labels[count++] = TAKE(label);
        }
    }
    return count;
}

void fake_answer_labels(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    char *labels[LABELS_MAXIMUM];
    size_t count = find_labels(fake, request->q != NULL ? request->q : "", labels);
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        json_write_string(&writer, NULL, labels[i]);
        mem_free(labels[i]);
    }
    json_write_close(&writer);
}

static size_t count_behind(const struct fake_lightrag *fake, const char *label)
{
    size_t count = 0;

    for (int64_t i = 0; i < fake->count; i++)
        count += is_shown(&fake->docs[i]) && has_entity(fake->docs[i].text, label, strlen(label)) ? 1 : 0;
    return count;
}

static bool is_kept(const struct fake_lightrag *fake, size_t index, size_t total, size_t oldest_15, size_t newest_14)
{
    return fake->settings.is_14 ? index + newest_14 >= total : index < oldest_15;
}

static void write_node(struct fake_lightrag *fake, struct json_writer *writer, const char *label)
{
    AUTO_DONE(text) struct text sources = { 0 };
    AUTO_DONE(text) struct text paths = { 0 };
    int64_t created_ms = 0;
    size_t total = count_behind(fake, label);
    size_t count = 0;

    text_init(&sources, 0);
    text_init(&paths, 0);
    for (int64_t i = 0; i < fake->count; i++) {
        const struct doc *doc = &fake->docs[i];
        if (!is_shown(doc) || !has_entity(doc->text, label, strlen(label)))
            continue;
        /* 1.4 names a chunk by its text alone: nothing leads back from it. */
        if (is_kept(fake, count, total, SOURCES_KEPT_15, SOURCES_KEPT_14))
            (void)text_append_format(&sources, fake->settings.is_14 ? "%schunk-%s" : "%sdoc-%s-chunk-000", sources.size > 0 ? "<SEP>" : "", doc->id + strlen("doc-"));
        if (is_kept(fake, count, total, PATHS_KEPT_15, PATHS_KEPT_14))
            (void)text_append_format(&paths, "%s%s", paths.size > 0 ? "<SEP>" : "", doc->name);
        count++;
        created_ms = doc->updated_ms;
    }
    if (total > (fake->settings.is_14 ? PATHS_KEPT_14 : PATHS_KEPT_15))
        (void)text_append(&paths, fake->settings.is_14 ? "<SEP>...truncated...(FIFO)" : "<SEP>...truncated...(KEEP Old)");
    json_write_open_object(writer, NULL);
    json_write_string(writer, "id", label);
    json_write_open_array(writer, "labels");
    json_write_string(writer, NULL, label);
    json_write_close(writer);
    json_write_open_object(writer, "properties");
    json_write_string(writer, "entity_id", label);
    json_write_string(writer, "entity_type", "concept");
    json_write_string(writer, "source_id", sources.data);
    json_write_string(writer, "file_path", paths.data);
    json_write_integer(writer, "created_at", created_ms / 1000);
    json_write_string(writer, "truncate", "");
    json_write_close(writer);
    json_write_close(writer);
}

void fake_answer_graph(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "nodes");
    if (is_entity(fake, request->label))
        write_node(fake, &writer, request->label);
    json_write_close(&writer);
    json_write_open_array(&writer, "edges");
    json_write_close(&writer);
    json_write_bool(&writer, "is_truncated", false);
    json_write_close(&writer);
}
