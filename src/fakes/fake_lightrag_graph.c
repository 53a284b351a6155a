/* fake_lightrag_graph.c - enough of a graph for the demo: entities are the capitalised words of a text, like those of the model stub that stands in
 * for a language model behind the real server. */
#include "fakes/fake_lightrag_internal.h"

#include "base/json_write.h"
#include "base/mem.h"

#include <yyjson.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { REFERENCES_MAXIMUM = 5, LABELS_MAXIMUM = 10 };

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '_';
}

static bool has_word(const char *text, const char *word, size_t length)
{
    const char *at = text;

    while (text != NULL && (at = strstr(at, word)) != NULL) {
        bool starts = at == text || !is_letter(at[-1]);
        if (starts && !is_letter(at[length]))
            return true;
        at++;
    }
    return false;
}

static bool is_shown(const struct doc *doc)
{
    return !doc->is_deleted && doc->dup_kind == NULL && doc->status == DOC_PROCESSED && doc->text != NULL;
}

/* ---- Questions ---- */

static int count_words(const struct doc *doc, const char *question)
{
    int found = 0;

    while (*question != '\0') {
        size_t length = 0;
        AUTO_STRING char *word = NULL;
        while (is_letter(question[length]))
            length++;
        if (length >= 3 && isupper((unsigned char)question[0])) {
            word = mem_copy_bytes(question, length);
            found += has_word(doc->text, word, length);
        }
        question += length > 0 ? length : 1;
    }
    return found;
}

void fake_answer_query(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    yyjson_val *query = yyjson_obj_get(yyjson_doc_get_root(document), "query");
    int number = 0;
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "response", "Stub answer.");
    json_write_open_array(&writer, "references");
    for (int64_t i = 0; i < fake->count && number < REFERENCES_MAXIMUM && yyjson_is_str(query); i++) {
        char digits[2] = { (char)('1' + number), '\0' };
        if (!is_shown(&fake->docs[i]) || count_words(&fake->docs[i], yyjson_get_str(query)) == 0)
            continue;
        json_write_open_object(&writer, NULL);
        json_write_string(&writer, "reference_id", digits);
        json_write_string(&writer, "file_path", fake->docs[i].name);
        json_write_null(&writer, "content");
        json_write_close(&writer);
        number++;
    }
    json_write_close(&writer);
    json_write_close(&writer);
    yyjson_doc_free(document);
}

/* ---- Entities ---- */

static bool is_entity(const struct fake_lightrag *fake, const char *name)
{
    if (name == NULL || strlen(name) < 3 || !isupper((unsigned char)name[0]))
        return false;
    for (int64_t i = 0; i < fake->count; i++)
        if (is_shown(&fake->docs[i]) && has_word(fake->docs[i].text, name, strlen(name)))
            return true;
    return false;
}

void fake_answer_entity(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    (void)text_append(&answer->body, is_entity(fake, request->name) ? "{\"exists\":true}" : "{\"exists\":false}");
}

void fake_answer_labels(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_array(&writer, NULL);
    if (is_entity(fake, request->q))
        json_write_string(&writer, NULL, request->q);
    json_write_close(&writer);
}

void fake_answer_graph(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    AUTO_DONE(text) struct text sources = { 0 };
    AUTO_DONE(text) struct text paths = { 0 };
    struct json_writer writer;

    text_init(&sources, 0);
    text_init(&paths, 0);
    for (int64_t i = 0; i < fake->count && request->label != NULL; i++) {
        if (!is_shown(&fake->docs[i]) || !has_word(fake->docs[i].text, request->label, strlen(request->label)))
            continue;
        (void)text_append_format(&sources, "%s%s-chunk-000", sources.size > 0 ? "<SEP>" : "", fake->docs[i].id);
        (void)text_append_format(&paths, "%s%s", paths.size > 0 ? "<SEP>" : "", fake->docs[i].name);
    }
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "nodes");
    if (is_entity(fake, request->label)) {
        json_write_open_object(&writer, NULL);
        json_write_string(&writer, "id", request->label);
        json_write_open_object(&writer, "properties");
        json_write_string(&writer, "entity_id", request->label);
        json_write_string(&writer, "source_id", sources.data);
        json_write_string(&writer, "file_path", paths.data);
        json_write_close(&writer);
        json_write_close(&writer);
    }
    json_write_close(&writer);
    json_write_open_array(&writer, "edges");
    json_write_close(&writer);
    json_write_bool(&writer, "is_truncated", false);
    json_write_close(&writer);
}
