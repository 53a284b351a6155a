/* fake_lightrag_delete.c - DELETE /documents/delete_document and DELETE /documents: what is refused, and the job that goes through the ids one by one
 * while the listing tells what is left. See docs/lightrag.md for what was measured. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"

#include <string.h>

/* ---- The job ---- */

static void free_job(struct fake_lightrag *fake)
{
    for (size_t i = 0; i < fake->delete_count; i++)
        mem_free(fake->deletes[i]);
    mem_free(fake->deletes);
    fake->deletes = NULL;
    fake->delete_count = fake->delete_next = 0;
}

/* Whose turn it is, if it is there; ids that nobody knows cost no time. */
static int64_t begin_next(struct fake_lightrag *fake, int64_t now_ms)
{
    for (; fake->delete_next < fake->delete_count; fake->delete_next++) {
        int64_t index = fake_find_id(fake, fake->deletes[fake->delete_next]);
        if (index == NO_DOC)
            continue;
        if (fake->docs[index].status == DOC_PROCESSED) { /* the others have nothing that could be half gone */
            mem_free(fake->docs[index].failure);
            fake->docs[index].failure = NULL;
            fake_store_set_torn(fake, index, true);
        }
        fake->delete_due_ms = now_ms + fake->delete_delay_ms;
        return index;
    }
    free_job(fake);
    fake->delete_end_ms = now_ms;
    if (fake->is_running && fake->since_ms < now_ms)
        fake->since_ms = now_ms; /* 1.4: what was inserted meanwhile waited for this */
    return NO_DOC;
}

/* The model is down: 1.5 gives up half-way and keeps the row, 1.4 takes it away all the same. */
static bool fails(const struct fake_lightrag *fake, const struct doc *doc)
{
    return !fake->settings.is_14 && doc->is_torn && fake->delete_fail_match[0] != '\0' && doc->text != NULL &&
           strstr(doc->text, fake->delete_fail_match) != NULL;
}

void fake_delete_run(struct fake_lightrag *fake)
{
    while (fake->deletes != NULL && fake->delete_due_ms <= fake->now_ms) {
        int64_t index = fake_find_id(fake, fake->deletes[fake->delete_next]);
        struct doc *doc = &fake->docs[index];
        if (fails(fake, doc)) {
            doc->failure = mem_format("Error while deleting document %s: Failed to persist rebuilt knowledge: NanoVectorDBStorage[entities] index flush "
                                      "failed: Error code: 400 - stub failure", doc->id);
            fake_store_set_torn(fake, index, true);
        } else {
            fake_store_delete(fake, index);
            fake_disk_delete(fake, index);
            fake->deleted++;
        }
        fake->delete_next++;
        (void)begin_next(fake, fake->delete_due_ms);
    }
}

void fake_delete_forget(struct fake_lightrag *fake)
{
    free_job(fake);
    fake->delete_end_ms = 0;
}

/* ---- What is refused ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *trim(yyjson_val *word)
{
    const char *text = yyjson_get_str(word);
    size_t size;

    while (is_space(text[0]))
        text++;
    size = strlen(text);
    while (size > 0 && is_space(text[size - 1]))
        size--;
    return mem_copy_bytes(text, size);
}

static void free_ids(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(ids[i]);
    mem_free(ids);
}

static bool check_flag(yyjson_val *root, const char *field, struct http_server_answer *answer)
{
    yyjson_val *value = yyjson_obj_get(root, field);

    if (value == NULL || yyjson_is_bool(value) || yyjson_equals_str(value, "true") || yyjson_equals_str(value, "false"))
        return true;
    if (yyjson_is_str(value))
        fake_say_invalid(answer, &(struct fake_problem){ "bool_parsing", field, -1, "Input should be a valid boolean, unable to interpret input", value, NULL });
    else
        fake_say_invalid(answer, &(struct fake_problem){ "bool_type", field, -1, "Input should be a valid boolean", value, NULL });
    return false;
}

static bool check_schema(yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *ids = yyjson_obj_get(root, "doc_ids");
    yyjson_val *id;
    size_t index, count;

    if (!yyjson_is_obj(root))
        fake_say_invalid(answer, &(struct fake_problem){ "model_attributes_type", NULL, -1,
                                                         "Input should be a valid dictionary or object to extract fields from", root, NULL });
    else if (ids == NULL)
        fake_say_invalid(answer, &(struct fake_problem){ "missing", "doc_ids", -1, "Field required", root, NULL });
    else if (!yyjson_is_arr(ids))
        fake_say_invalid(answer, &(struct fake_problem){ "list_type", "doc_ids", -1, "Input should be a valid list", ids, NULL });
    if (!yyjson_is_arr(ids))
        return false;
    yyjson_arr_foreach(ids, index, count, id) {
        if (yyjson_is_str(id))
            continue;
        fake_say_invalid(answer, &(struct fake_problem){ "string_type", "doc_ids", (int64_t)index, "Input should be a valid string", id, NULL });
        return false;
    }
    return check_flag(root, "delete_file", answer) && check_flag(root, "delete_llm_cache", answer);
}

/* 1.4 trips over its own refusal. */
static void say_bad_ids(const struct fake_lightrag *fake, const char *words, yyjson_val *ids, struct http_server_answer *answer)
{
    if (!fake->settings.is_14) {
        fake_say_invalid(answer, &(struct fake_problem){ "value_error", "doc_ids", -1, words, ids, "{\"error\":{}}" });
        return;
    }
    fake_say_crash(fake, answer);
}

static const char *find_problem(char *const *ids, size_t count)
{
    if (count == 0)
        return "Value error, Document IDs list cannot be empty";
    for (size_t i = 0; i < count; i++)
        if (ids[i][0] == '\0')
            return "Value error, Document ID cannot be empty";
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(ids[i], ids[k]) == 0)
                return "Value error, Document IDs must be unique";
    return NULL;
}

/* NULL: nothing is in the way. 1.4 looks only at what runs, and deletes before what it has just accepted is stored. */
static const char *find_obstacle(const struct fake_lightrag *fake, const char *words_14)
{
    if (fake_store_is_busy(fake))
        return fake->settings.is_14 ? words_14 : "Pipeline is busy with another operation.";
    if (fake->task_count > 0 && !fake->settings.is_14)
        return "An upload/insert or a source-conflict repair is in flight. Wait for it to complete before clearing or deleting.";
    return NULL;
}

/* ---- Answers ---- */

static void say_word(struct json_writer *writer, struct http_server_answer *answer, const char *status, const char *message)
{
    json_write_begin(writer, &answer->body);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "status", status);
    json_write_string(writer, "message", message);
}

/* Takes the ids. */
static void start_job(struct fake_lightrag *fake, char **ids, size_t count)
{
    fake->deletes_begun++;
    if (fake->lost_deletes > 0) {
        fake->lost_deletes--;
        free_ids(ids, count);
        return;
    }
    fake->deletes = ids;
    fake->delete_count = count;
    fake->delete_next = 0;
    (void)begin_next(fake, fake->now_ms);
}

static void answer_ids(struct fake_lightrag *fake, char **ids, size_t count, struct http_server_answer *answer)
{
    const char *obstacle = find_obstacle(fake, "Cannot delete documents while pipeline is busy");
    AUTO_STRING char *words = mem_format("Document deletion for %zu documents has been initiated. Processing will continue in background.", count);
    AUTO_DONE(text) struct text listed = { 0 };
    struct json_writer writer;

    text_init(&listed, 0);
    for (size_t i = 0; i < count; i++)
        (void)text_append_format(&listed, "%s%s", i > 0 ? ", " : "", ids[i]);
    say_word(&writer, answer, obstacle != NULL ? "busy" : "deletion_started", obstacle != NULL ? obstacle : words);
    json_write_string(&writer, "doc_id", listed.data);
    json_write_close(&writer);
    if (obstacle == NULL) {
        start_job(fake, ids, count);
        return;
    }
    fake->deletes_refused++;
    free_ids(ids, count);
}

void fake_answer_delete(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = fake_read_body(request, answer);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *list = yyjson_obj_get(root, "doc_ids");

    if (document != NULL && check_schema(root, answer)) {
        char **ids = mem_alloc_array(yyjson_arr_size(list) + 1, sizeof *ids);
        const char *problem;
        yyjson_val *id;
        size_t index, count;
        yyjson_arr_foreach(list, index, count, id) {
            ids[index] = trim(id);
        }
        problem = find_problem(ids, yyjson_arr_size(list));
        if (problem == NULL) {
            answer_ids(fake, ids, yyjson_arr_size(list), answer);
        } else {
            say_bad_ids(fake, problem, list, answer);
            free_ids(ids, yyjson_arr_size(list));
        }
    }
    yyjson_doc_free(document);
}

/* What 1.4 has only accepted goes with it. */
void fake_answer_clear(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    const char *obstacle = find_obstacle(fake, "Cannot clear documents while pipeline is busy");
    struct json_writer writer;

    (void)request;
    say_word(&writer, answer, obstacle != NULL ? "busy" : "success",
             obstacle != NULL ? obstacle : "All documents cleared successfully. Deleted 0 files.");
    json_write_close(&writer);
    if (obstacle != NULL)
        return;
    fake_store_wipe(fake);
    fake_disk_wipe(fake);
}
