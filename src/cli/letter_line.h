/* letter_line.h - a dead letter as JSON: what "dead-letters show --json" prints, and a line of an export; and back.
 *
 * Private bytes ("content", or "content_base64" where they are not UTF-8) are written only when asked for; "content_bytes" always says how many there are.
 * In what is read, "content" may also be an object: a memory written down as it should have come. */
#ifndef MC_CLI_LETTER_LINE_H
#define MC_CLI_LETTER_LINE_H

#include "base/json_write.h"
#include "delivery/record.h"

/* The members into the open object. id.size 0: about no memory. */
void letter_line_write(struct json_writer *writer, const struct dead_letter *letter, const char *connector, const char *context, struct slice id, bool with_content);

struct letter_line {
    struct dead_letter letter;     /* words and raw point into what follows; letter, stream, seq and run are 0 */
    char *connector, *context;     /* context "": not told */
    char *words;
    char *id;
    size_t id_size;
    char *content;
    size_t content_size;
};

/* One line, without its end. Only "class" and "connector" must be there; now_ms stands for times that are not. -1 (ERROR_FAILED): the message says what is
 * wrong with it, and quotes nothing private. */
int letter_line_read(const char *bytes, size_t size, int64_t now_ms, struct letter_line *ret_line, struct error *err);
void letter_line_done(struct letter_line *line);
AUTO_DEFINE_DONE(letter_line)

#endif
