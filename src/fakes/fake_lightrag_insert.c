/* fake_lightrag_insert.c - POST /documents/texts and /documents/text: what is checked, in which order, and in which words it is refused. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Stands for half a surrogate pair while a body is read: the JSON reader takes none, the real server's does. */
static const char lone_mark[] = "\xEF\xA3\xBF";       /* U+F8FF */
static const char lone_escape[] = "\\uf8ff";

struct insert {
    struct text_item *items;
    size_t count;
    bool is_single;          /* /documents/text */
    unsigned lone;           /* the first lone surrogate; all of them became lone_mark; 0: none */
};

/* ---- Reading ---- */

static unsigned read_escape(const char *at, size_t left)
{
    unsigned value = 0;

    if (left < 6 || at[0] != '\\' || at[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        char c = at[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10) : 99u;
        if (digit == 99u)
            return 0;
        value = value * 16 + digit;
    }
    return value;
}

/* Copies a body with every lone surrogate marked; NULL when there is none. */
static char *mend_surrogates(const char *body, size_t size, unsigned *ret_first)
{
    char *copy = mem_copy_bytes(body, size);
    unsigned first = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned value;
        if (copy[i] != '\\')
            continue;
        value = read_escape(copy + i, size - i);
        if (value >= 0xD800 && value < 0xDC00) {
            unsigned low = read_escape(copy + i + 6, size - i > 6 ? size - i - 6 : 0);
            if (low >= 0xDC00 && low < 0xE000) {
                i += 11;
                continue;
            }
        }
        if (value >= 0xD800 && value < 0xE000) {
            memcpy(copy + i, lone_escape, 6);
            first = first != 0 ? first : value;
        }
        i += value != 0 ? 5 : 1;
    }
    *ret_first = first;
    if (first != 0)
        return copy;
    mem_free(copy);
    return NULL;
}

static yyjson_doc *read_document(const struct fake_request *request, struct insert *insert, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    AUTO_STRING char *mended = document == NULL ? mend_surrogates(request->body, request->body_size, &insert->lone) : NULL;

    if (mended == NULL) {
        yyjson_doc_free(document);
        return fake_read_body(request, answer);
    }
    return yyjson_read(mended, request->body_size, 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_removed(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
}

/* As the real one keeps a text: without control characters, trimmed. */
static void take_text(struct text_item *item, const char *text, size_t size)
{
    size_t kept = 0;

    while (size > 0 && is_space(text[size - 1]))
        size--;
    while (size > 0 && is_space(text[0])) {
        text++;
        size--;
    }
    item->text = mem_copy_bytes(text, size);
    for (size_t i = 0; i < size; i++) {
        if (size - i >= 3 && memcmp(item->text + i, lone_mark, 3) == 0)
            i += 2;
        else if (!is_removed((unsigned char)item->text[i]))
            item->text[kept++] = item->text[i];
    }
    item->text[kept] = '\0';
    item->size = kept;
}

/* 1.5 keeps what stands behind the last slash; both trim. */
static char *take_name(const struct fake_lightrag *fake, const char *name)
{
    const char *slash = fake->settings.is_14 ? NULL : strrchr(name, '/');
    size_t size;

    name = slash != NULL ? slash + 1 : name;
    while (is_space(name[0]))
        name++;
    size = strlen(name);
    while (size > 0 && is_space(name[size - 1]))
        size--;
    return mem_copy_bytes(name, size);
}

/* ---- Checks, in the real order: the schema, the names, what is known ---- */

static bool is_blank(yyjson_val *text)
{
    const char *bytes = yyjson_get_str(text);
    size_t size = yyjson_get_len(text);

    while (size > 0 && is_space(bytes[size - 1]))
        size--;
    return size == 0;
}

static bool check_strings(const char *field, yyjson_val *list, struct http_server_answer *answer)
{
    yyjson_val *value;
    size_t index, count;

    yyjson_arr_foreach(list, index, count, value) {
        if (yyjson_is_str(value))
            continue;
        fake_say_invalid(answer, &(struct fake_problem){ "string_type", field, (int64_t)index, "Input should be a valid string", value, NULL });
        return false;
    }
    return true;
}

static bool check_schema(const struct fake_lightrag *fake, yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *texts = yyjson_obj_get(root, "texts");
    yyjson_val *names = yyjson_obj_get(root, "file_sources");
    bool is_well = false;
    yyjson_val *value;
    size_t index, count;

    if (texts == NULL)
        fake_say_invalid(answer, &(struct fake_problem){ "missing", "texts", -1, "Field required", root, NULL });
    else if (!yyjson_is_arr(texts))
        fake_say_invalid(answer, &(struct fake_problem){ "list_type", "texts", -1, "Input should be a valid list", texts, NULL });
    else if (yyjson_arr_size(texts) == 0)
        fake_say_invalid(answer, &(struct fake_problem){ "too_short", "texts", -1, "List should have at least 1 item after validation, not 0", texts,
                                                         "{\"field_type\":\"List\",\"min_length\":1,\"actual_length\":0}" });
    else if (check_strings("texts", texts, answer))
        is_well = true;
    if (!is_well)
        return false;
    if (names != NULL && !yyjson_is_null(names) && !yyjson_is_arr(names)) {
        fake_say_invalid(answer, &(struct fake_problem){ "list_type", "file_sources", -1, "Input should be a valid list", names, NULL });
        return false;
    }
    if (fake->settings.is_14)
        return check_strings("file_sources", names, answer);
    yyjson_arr_foreach(names, index, count, value) {
        if (yyjson_is_str(value))
            continue;
        fake_say_crash(fake, answer); /* it fails while it puts the name in order */
        return false;
    }
    yyjson_arr_foreach(texts, index, count, value) {
        if (!is_blank(value))
            continue;
        fake_say_invalid(answer, &(struct fake_problem){ "value_error", "texts", -1,
                                                         "Value error, texts cannot contain empty or whitespace-only entries", texts, "{\"error\":{}}" });
        return false;
    }
    return true;
}

static bool check_text_schema(const struct fake_lightrag *fake, yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *text = yyjson_obj_get(root, "text");
    yyjson_val *name = yyjson_obj_get(root, "file_source");

    if (text == NULL)
        fake_say_invalid(answer, &(struct fake_problem){ "missing", "text", -1, "Field required", root, NULL });
    else if (!yyjson_is_str(text))
        fake_say_invalid(answer, &(struct fake_problem){ "string_type", "text", -1, "Input should be a valid string", text, NULL });
    else if (yyjson_get_len(text) == 0)
        fake_say_invalid(answer, &(struct fake_problem){ "string_too_short", "text", -1, "String should have at least 1 character", text,
                                                         "{\"min_length\":1}" });
    else if (!fake->settings.is_14 && is_blank(text))
        fake_say_invalid(answer, &(struct fake_problem){ "value_error", "text", -1, "Value error, text cannot be empty or whitespace-only", text,
                                                         "{\"error\":{}}" });
    else if (name != NULL && !yyjson_is_str(name) && fake->settings.is_14)
        fake_say_invalid(answer, &(struct fake_problem){ "string_type", "file_source", -1, "Input should be a valid string", name, NULL });
    else if (name != NULL && !yyjson_is_str(name) && !yyjson_is_null(name))
        fake_say_crash(fake, answer);
    else
        return true;
    return false;
}

static bool check_names(const struct fake_lightrag *fake, const struct insert *insert, struct http_server_answer *answer)
{
    static const char *const no_names[] = { "", "unknown_source", "no-file-path", "." };
    struct map seen = { 0 };
    const char *problem = NULL;

    if (fake->settings.is_14)
        return true;
    for (size_t i = 0; i < insert->count && problem == NULL; i++) {
        uint64_t hash = fake_hash(insert->items[i].name, strlen(insert->items[i].name));
        for (size_t k = 0; k < ARRAY_LENGTH(no_names); k++)
            if (strcmp(insert->items[i].name, no_names[k]) == 0)
                problem = insert->is_single ? "A valid file_source is required for text insertion" : "A valid file_source is required for each text";
        if (problem == NULL && fake_map_find(&seen, hash) != NO_DOC)
            problem = "file_sources must be unique by filename";
        fake_map_put(&seen, hash, (int64_t)i);
    }
    fake_map_done(&seen);
    if (problem != NULL)
        fake_say(answer, 400, problem);
    return problem == NULL;
}

static void say_duplicated(struct http_server_answer *answer, const char *words, const char *track)
{
    struct json_writer writer;

    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", "duplicated");
    json_write_string(&writer, "message", words);
    json_write_string(&writer, "track_id", track);
    json_write_close(&writer);
}

static void say_exists(struct fake_lightrag *fake, const struct doc *doc, struct http_server_answer *answer)
{
    AUTO_STRING char *words = NULL;

    if (fake->settings.is_14) {
        words = mem_format("File source '%s' already exists in document storage (Status: %s).", doc->name, fake_status_title(doc));
        say_duplicated(answer, words, doc->track);
    } else {
        words = mem_format("Document storage already contains '%s' (Status: %s). Delete the existing record before re-inserting.", doc->name,
                           fake_status_word(fake, doc));
        fake_say(answer, 409, words);
    }
}

/* One known name refuses them all, and only the first is named. */
static bool check_known(struct fake_lightrag *fake, const struct insert *insert, struct http_server_answer *answer)
{
    for (size_t i = 0; i < insert->count; i++) {
        int64_t known = insert->items[i].has_no_source ? NO_DOC : fake_find_name(fake, insert->items[i].name);
        if (known == NO_DOC)
            continue;
        say_exists(fake, &fake->docs[known], answer);
        return false;
    }
    for (size_t i = 0; i < insert->count && fake->settings.is_14; i++) {
        int64_t known = fake_find_content(fake, fake_hash(insert->items[i].text, insert->items[i].size));
        AUTO_STRING char *words = NULL;
        if (known == NO_DOC)
            continue;
        words = mem_format("Identical content already exists in document storage (doc_id: %s, Status: %s).", fake->docs[known].id,
                           fake_status_title(&fake->docs[known]));
        say_duplicated(answer, words, fake->docs[known].track);
        return false;
    }
    return true;
}

static bool check_server(struct fake_lightrag *fake, const struct insert *insert, struct http_server_answer *answer)
{
    int64_t active = fake->unfinished + fake_store_waiting(fake);
    AUTO_STRING char *words = NULL;

    if (fake->blocked_until_ms > fake->now_ms || (fake_store_is_deleting(fake) && !fake->settings.is_14)) {
        fake_say(answer, 409, "Pipeline is clearing or deleting documents. Wait for the running job to finish before submitting new work.");
        return false;
    }
    if (fake->max_pending <= 0 || active + (int64_t)insert->count <= fake->max_pending)
        return true;
    words = mem_format("Pipeline is at capacity: %lld document(s) already active or reserved, %zu requested, capacity %lld. Retry later.", (long long)active,
                       insert->count, (long long)fake->max_pending);
    fake_say(answer, 429, words);
    answer->headers[0] = "Retry-After: 30";
    return false;
}

/* ---- Taking ---- */

static bool is_poison(const struct fake_lightrag *fake, const struct insert *insert)
{
    for (size_t i = 0; i < insert->count && fake->error_match[0] != '\0'; i++)
        if (strstr(insert->items[i].text, fake->error_match) != NULL)
            return true;
    return false;
}

/* Where the first mark stands in the first string that has one, in characters of the trimmed string; -1: none has. */
static int64_t find_mark(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    const char *mark = text != NULL ? strstr(text, lone_mark) : NULL;
    int64_t place = -1;
    yyjson_val *item;
    size_t index, count;

    if (mark != NULL) {
        while (is_space(text[0]))
            text++;
        for (place = 0; text < mark; text++)
            place += ((unsigned char)text[0] & 0xC0) != 0x80;
        return place;
    }
    yyjson_arr_foreach(value, index, count, item) {
        if (place < 0)
            place = find_mark(item);
    }
    return place;
}

/* Half a surrogate pair: 1.5 takes it out of the texts of a batch; everywhere else it is an error of the server. */
static bool check_surrogates(const struct fake_lightrag *fake, const struct insert *insert, yyjson_val *root, struct http_server_answer *answer)
{
    int64_t in_name = find_mark(yyjson_obj_get(root, insert->is_single ? "file_source" : "file_sources"));
    int64_t in_text = find_mark(yyjson_obj_get(root, insert->is_single ? "text" : "texts"));
    AUTO_STRING char *words = NULL;

    if (insert->lone == 0 || (in_name < 0 && (in_text < 0 || (!fake->settings.is_14 && !insert->is_single))))
        return true;
    words = mem_format("Text contains uncleanable UTF-8 encoding issues: 'utf-8' codec can't encode character '\\u%04x' in position %lld: "
                       "surrogates not allowed", insert->lone, (long long)(in_name >= 0 ? in_name : in_text));
    if (fake->settings.is_14)
        fake_say(answer, 500, words);
    else
        fake_say_crash(fake, answer);
    return false;
}

static bool take_single(const struct fake_lightrag *fake, struct insert *insert, yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *text = yyjson_obj_get(root, "text");
    const char *name = yyjson_get_str(yyjson_obj_get(root, "file_source"));

    if (!check_text_schema(fake, root, answer))
        return false;
    insert->items = mem_alloc_array(1, sizeof *insert->items);
    insert->count = 1;
    insert->items[0].name = take_name(fake, name != NULL ? name : "");
    insert->items[0].has_no_source = name == NULL; /* 1.5 refuses it */
    take_text(&insert->items[0], yyjson_get_str(text), yyjson_get_len(text));
    return true;
}

static bool take_batch(const struct fake_lightrag *fake, struct insert *insert, yyjson_val *root, struct http_server_answer *answer)
{
    yyjson_val *texts = yyjson_obj_get(root, "texts");
    yyjson_val *names = yyjson_obj_get(root, "file_sources");
    size_t count = yyjson_arr_size(texts);

    if (!check_schema(fake, root, answer))
        return false;
    if (!fake->settings.is_14 && yyjson_arr_size(names) != count) {
        fake_say(answer, 400, "A valid file_source is required for each text");
        return false;
    }
    insert->items = mem_alloc_array(count, sizeof *insert->items);
    insert->count = count;
    for (size_t i = 0; i < count; i++) {
        yyjson_val *text = yyjson_arr_get(texts, i);
        yyjson_val *name = yyjson_arr_get(names, i);
        insert->items[i].name = yyjson_is_str(name) ? take_name(fake, yyjson_get_str(name)) : mem_copy_string("unknown_source");
        take_text(&insert->items[i], yyjson_get_str(text), yyjson_get_len(text));
    }
    return true;
}

static void accept(struct fake_lightrag *fake, struct insert *insert, struct http_server_answer *answer)
{
    const char *track;
    struct json_writer writer;
    bool has_word = fake->status_word[0] != '\0' && fake->fault_times > 0;

    fake->texts += (int64_t)insert->count;
    fake_store_accept(fake, TAKE(insert->items), insert->count, &track);
    fake->fault_times -= has_word;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "status", has_word ? fake->status_word : "success");
    json_write_string(&writer, "message", insert->is_single ? "Text successfully received. Processing will continue in background."
                                                            : "Texts successfully received. Processing will continue in background.");
    json_write_string(&writer, "track_id", track);
    json_write_close(&writer);
    if (fake->drop_every > 0 && fake->inserts % fake->drop_every == 0) {
        fake->dropped++;
        answer->fault = HTTP_SERVER_DROP;
    }
}

/* How many inserts are under way: one whose answer is delayed is, until its time. */
static void count_in_flight(struct fake_lightrag *fake)
{
    int64_t in_flight = 1;
    bool is_kept = false;

    for (size_t i = 0; i < IN_FLIGHT_MAXIMUM; i++) {
        if (fake->in_flight[i] > fake->now_ms) {
            in_flight++;
        } else if (!is_kept) {
            fake->in_flight[i] = fake->now_ms + fake->latency_ms;
            is_kept = true;
        }
    }
    if (in_flight > fake->max_in_flight)
        fake->max_in_flight = in_flight;
}

static void answer_insert(struct fake_lightrag *fake, const struct fake_request *request, bool is_single, struct http_server_answer *answer)
{
    struct insert insert = { .is_single = is_single };
    yyjson_doc *document;
    yyjson_val *root;

    fake->inserts++;
    answer->delay_ms = fake->latency_ms;
    count_in_flight(fake);
    if (fake->fault_path[0] == '\0' && fake->status_word[0] == '\0' && fake_spoil(fake, answer))
        return;
    document = read_document(request, &insert, answer);
    if (document == NULL)
        return;
    root = yyjson_doc_get_root(document);
    if (!yyjson_is_obj(root))
        fake_say_invalid(answer, &(struct fake_problem){ "model_attributes_type", NULL, -1,
                                                         "Input should be a valid dictionary or object to extract fields from", root, NULL });
    else if (check_surrogates(fake, &insert, root, answer) && (is_single ? take_single : take_batch)(fake, &insert, root, answer)) {
        if (is_poison(fake, &insert))
            fake_say_crash(fake, answer);
        else if (check_names(fake, &insert, answer) && check_server(fake, &insert, answer) && check_known(fake, &insert, answer))
            accept(fake, &insert, answer);
        fake->refused += insert.items != NULL;
    }
    if (insert.items != NULL)
        fake_items_free(insert.items, insert.count);
    yyjson_doc_free(document);
}

void fake_answer_texts(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    answer_insert(fake, request, false, answer);
}

void fake_answer_text(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    answer_insert(fake, request, true, answer);
}
