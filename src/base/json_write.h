/* json_write.h - JSON into a struct text, comma and escaping done by the writer.
 *
 *     struct json_writer w;
 *     json_write_begin(&w, &out);
 *     json_write_open_object(&w, NULL);
 *     json_write_string(&w, "id", id);
 *     json_write_close(&w);
 *
 * key is NULL inside an array and at the top. Strings must be valid UTF-8 (json_write_bytes mends what is not with U+FFFD).
 * Everything below 0x20 and DEL is escaped; U+2028/2029 too, so that a line stays a line. The output has no blanks. */
#ifndef MC_BASE_JSON_WRITE_H
#define MC_BASE_JSON_WRITE_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH_MAXIMUM = 32 };

struct json_writer {
    struct text *out;       /* borrowed */
    unsigned depth;
    bool has_element[JSON_DEPTH_MAXIMUM];
    char closer[JSON_DEPTH_MAXIMUM];
};

void json_write_begin(struct json_writer *writer, struct text *out);
void json_write_open_object(struct json_writer *writer, const char *key);
void json_write_open_array(struct json_writer *writer, const char *key);
void json_write_close(struct json_writer *writer);
void json_write_string(struct json_writer *writer, const char *key, const char *value); /* NULL: null */
void json_write_bytes(struct json_writer *writer, const char *key, const char *bytes, size_t size);
void json_write_integer(struct json_writer *writer, const char *key, int64_t value);
void json_write_number(struct json_writer *writer, const char *key, double value); /* shortest that reads back; not finite: null */
void json_write_bool(struct json_writer *writer, const char *key, bool value);
void json_write_null(struct json_writer *writer, const char *key);
void json_write_time(struct json_writer *writer, const char *key, int64_t ms);          /* RFC 3339; negative: null */
void json_write_seconds(struct json_writer *writer, const char *key, int64_t duration_ms); /* a number of seconds */
void json_write_raw(struct json_writer *writer, const char *key, const char *json, size_t size); /* already JSON */

/* The escaped inside of a string literal, without quotes; the fast path of request bodies (about 0.5 ns a byte). */
void json_escape(struct text *out, const char *bytes, size_t size);

/* One step further in a JSON pointer (RFC 6901): "/" and the member's name. */
void json_point(struct text *pointer, const char *name, size_t size);

#endif
