#include "cli/letter_line.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "engine/report.h"

#include <yyjson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "memory-connector/dead-letter/v1"
enum { WORDS_MAXIMUM = 2000 };

/* ---- Writing ---- */

static bool is_utf8(const char *bytes, size_t size)
{
    uint32_t code;

    for (size_t at = 0, length = 0; at < size; at += length) {
        length = text_read_character(bytes + at, size - at, &code);
        if (length == 0)
            return false;
    }
    return true;
}

/* As text where nothing is lost by that, else in base64 under another name. */
static void write_exactly(struct json_writer *writer, const char *key, const char *key_base64, const char *bytes, size_t size)
{
    AUTO_DONE(text) struct text coded = { 0 };

    if (is_utf8(bytes, size)) {
        json_write_bytes(writer, key, bytes, size);
        return;
    }
    text_init(&coded, 0);
    base64_append(&coded, bytes, size);
    json_write_bytes(writer, key_base64, coded.data, coded.size);
}

void letter_line_write(struct json_writer *writer, const struct dead_letter *letter, const char *connector, const char *context, struct slice id, bool with_content)
{
    static const uint8_t none[sizeof letter->fingerprint];
    char hex[2 * sizeof letter->fingerprint + 1];

    report_write_letter(writer, letter, connector, context, id);
    if (!is_utf8(id.data, id.size))
        write_exactly(writer, "", "memory_base64", id.data, id.size);
    sha256_hex(letter->fingerprint, sizeof letter->fingerprint, hex);
    json_write_string(writer, "fingerprint", memcmp(letter->fingerprint, none, sizeof none) != 0 ? hex : NULL);
    json_write_integer(writer, "content_bytes", (int64_t)letter->raw.size);
    if (with_content && letter->raw.size > 0)
        write_exactly(writer, "content", "content_base64", letter->raw.data, letter->raw.size);
}

/* ---- Reading ---- */

void letter_line_done(struct letter_line *line)
{
    mem_free(line->connector);
    mem_free(line->context);
    mem_free(line->words);
    mem_free(line->id);
    mem_free(line->content);
    *line = (struct letter_line){ 0 };
}

static int expect_string(yyjson_val *root, const char *key, yyjson_val **ret_value, struct error *err)
{
    *ret_value = yyjson_obj_get(root, key);
    if (yyjson_is_null(*ret_value))
        *ret_value = NULL;
    if (*ret_value != NULL && !yyjson_is_str(*ret_value))
        return error_set(err, ERROR_FAILED, "\"%s\" is no string", key);
    return 0;
}

static int read_string(yyjson_val *root, const char *key, char **ret_string, struct error *err)
{
    yyjson_val *value;

    if (expect_string(root, key, &value, err) < 0)
        return -1;
    *ret_string = mem_copy_string(value != NULL ? yyjson_get_str(value) : "");
    return 0;
}

static int read_time(yyjson_val *root, const char *key, int64_t fallback_ms, int64_t *ret_ms, struct error *err)
{
    yyjson_val *value;

    *ret_ms = fallback_ms;
    if (expect_string(root, key, &value, err) < 0)
        return -1;
    if (value != NULL && !time_text_parse(yyjson_get_str(value), yyjson_get_len(value), ret_ms))
        return error_set(err, ERROR_FAILED, "\"%s\" is no time (2026-01-31T08:00:00Z)", key);
    return 0;
}

static int read_integer(yyjson_val *root, const char *key, int64_t least, int64_t most, int64_t fallback, int64_t *ret_value, struct error *err)
{
    yyjson_val *value = yyjson_obj_get(root, key);

    *ret_value = fallback;
    if (value == NULL || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < least || yyjson_get_sint(value) > most || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
        return error_set(err, ERROR_FAILED, "\"%s\" is no number from %lld to %lld", key, (long long)least, (long long)most);
    *ret_value = yyjson_get_sint(value);
    return 0;
}

static int read_numbers(yyjson_val *root, int64_t now_ms, struct dead_letter *letter, struct error *err)
{
    int64_t status, attempts;

    if (read_integer(root, "http_status", 100, 999, 0, &status, err) < 0 || read_integer(root, "attempts", 0, INT32_MAX, 0, &attempts, err) < 0 ||
        read_integer(root, "times", 1, INT64_MAX, 1, &letter->times, err) < 0 || read_integer(root, "position", -1, INT64_MAX, -1, &letter->position, err) < 0 ||
        read_integer(root, "length", -1, INT64_MAX, -1, &letter->length, err) < 0 || read_time(root, "first", now_ms, &letter->first_ms, err) < 0 ||
        read_time(root, "last", letter->first_ms, &letter->last_ms, err) < 0)
        return -1;
    letter->http_status = (int)status;
    letter->attempts = (int)attempts;
    return 0;
}

static int read_class_and_state(yyjson_val *root, struct dead_letter *letter, struct error *err)
{
    const char *dead_class = yyjson_get_str(yyjson_obj_get(root, "class"));
    const char *state = yyjson_get_str(yyjson_obj_get(root, "state"));

    if (dead_class == NULL || !dead_class_from_name(dead_class, &letter->dead_class))
        return error_set(err, ERROR_FAILED, "\"class\" is none (\"memory-connector dead-letters list --class x\" names them)");
    for (letter->end = DEAD_OPEN; state != NULL && strcmp(report_letter_state(letter), state) != 0; letter->end++)
        if (letter->end == DEAD_CLEARED)
            return error_set(err, ERROR_FAILED, "\"state\" is none of open, retried, discarded, cleared");
    return 0;
}

/* Either as text or in base64. *ret_bytes is owned; NULL: neither is there. */
static int read_exactly(yyjson_val *root, const char *key, const char *key_base64, char **ret_bytes, size_t *ret_size, struct error *err)
{
    yyjson_val *plain = NULL;
    yyjson_val *coded;
    size_t room;

    *ret_bytes = NULL;
    *ret_size = 0;
    if (expect_string(root, key_base64, &coded, err) < 0 || (coded == NULL && expect_string(root, key, &plain, err) < 0))
        return -1;
    if (coded == NULL && plain != NULL) {
        *ret_size = yyjson_get_len(plain);
        *ret_bytes = mem_copy_bytes(yyjson_get_str(plain), *ret_size);
    }
    if (coded == NULL)
        return 0;
    room = yyjson_get_len(coded) / 4 * 3 + 3;
    *ret_bytes = mem_alloc(room + 1);
    if (!base64_decode(yyjson_get_str(coded), yyjson_get_len(coded), *ret_bytes, room, ret_size))
        return error_set(err, ERROR_FAILED, "\"%s\" is no base64", key_base64);
    return 0;
}

/* A memory written down as an object: its JSON, with every number as it was written. */
static int read_object(const char *bytes, size_t size, struct letter_line *line, struct error *err)
{
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)bytes, size, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
    char *json = document != NULL ? yyjson_val_write(yyjson_obj_get(yyjson_doc_get_root(document), "content"), 0, &line->content_size) : NULL;

    line->content = json != NULL ? mem_copy_bytes(json, line->content_size) : NULL;
    yyjson_doc_free(document);
    free(json); /* made by the library's own allocator */
    return line->content != NULL ? 0 : error_set(err, ERROR_FAILED, "\"content\" cannot be read");
}

static int read_fingerprint(yyjson_val *root, struct letter_line *line, struct error *err)
{
    struct dead_letter *letter = &line->letter;
    yyjson_val *value;
    uint8_t digest[SHA256_SIZE];

    if (expect_string(root, "fingerprint", &value, err) < 0)
        return -1;
    if (value == NULL && line->id_size == 0 && line->content_size > 0) {
        sha256_of(line->content, line->content_size, digest);
        memcpy(letter->fingerprint, digest, sizeof letter->fingerprint);
    }
    if (value == NULL)
        return 0;
    if (yyjson_get_len(value) != 2 * sizeof letter->fingerprint || strspn(yyjson_get_str(value), "0123456789abcdef") != yyjson_get_len(value))
        return error_set(err, ERROR_FAILED, "\"fingerprint\" is not what an export wrote: %zu digits 0-9, a-f", 2 * sizeof letter->fingerprint);
    for (size_t i = 0; i < sizeof letter->fingerprint; i++) {
        char digits[3] = { yyjson_get_str(value)[2 * i], yyjson_get_str(value)[2 * i + 1], '\0' };
        letter->fingerprint[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return 0;
}

static int read_members(yyjson_val *root, const char *bytes, size_t size, int64_t now_ms, struct letter_line *line, struct error *err)
{
    const char *schema = yyjson_get_str(yyjson_obj_get(root, "schema"));
    bool has_object = yyjson_is_obj(yyjson_obj_get(root, "content"));

    if (!yyjson_is_obj(root))
        return error_set(err, ERROR_FAILED, "no object: a dead letter is {\"schema\":\"" SCHEMA "\", ...}");
    if (schema == NULL || strcmp(schema, SCHEMA) != 0)
        return error_set(err, ERROR_FAILED, "\"schema\" is not " SCHEMA ": this is no line of \"memory-connector dead-letters export\"");
    if (read_class_and_state(root, &line->letter, err) < 0 || read_string(root, "connector", &line->connector, err) < 0 ||
        read_string(root, "context", &line->context, err) < 0 || read_string(root, "words", &line->words, err) < 0 ||
        read_numbers(root, now_ms, &line->letter, err) < 0 || read_exactly(root, "memory", "memory_base64", &line->id, &line->id_size, err) < 0)
        return -1;
    if ((has_object ? read_object(bytes, size, line, err) : read_exactly(root, "content", "content_base64", &line->content, &line->content_size, err)) < 0)
        return -1;
    if (line->connector[0] == '\0')
        return error_set(err, ERROR_FAILED, "\"connector\" is missing");
    if (strlen(line->words) > WORDS_MAXIMUM)
        return error_set(err, ERROR_FAILED, "\"words\" are more than %d bytes", WORDS_MAXIMUM);
    return read_fingerprint(root, line, err);
}

int letter_line_read(const char *bytes, size_t size, int64_t now_ms, struct letter_line *ret_line, struct error *err)
{
    yyjson_read_err fault = { 0 };
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)bytes, size, YYJSON_READ_BIGNUM_AS_RAW, NULL, &fault);
    int result;

    *ret_line = (struct letter_line){ 0 };
    if (document == NULL)
        return error_set(err, ERROR_FAILED, "no JSON: %s at byte %zu (one letter is one line)", fault.msg, fault.pos + 1);
    result = read_members(yyjson_doc_get_root(document), bytes, size, now_ms, ret_line, err);
    yyjson_doc_free(document);
    if (result < 0) {
        letter_line_done(ret_line);
        return -1;
    }
    ret_line->letter.words = ret_line->words;
    ret_line->letter.raw = (struct slice){ ret_line->content, ret_line->content_size };
    return 0;
}
