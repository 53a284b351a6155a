/* What a terminal gets: of any bytes nothing that moves its cursor, lines that fit or are one word, and the same when it is shown again.
 * The first byte is the width. */
#include "cli/width.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t size, size_t width)
{
    const char *word = line;
    size_t left = size;

    while (left > 0 && *word == ' ') {
        word++;
        left--;
    }
    while (left > 0 && word[left - 1] == ' ')
        left--;
    if (width > 0 && width_of_text(line, size) > width && memchr(word, ' ', left) != NULL && width_of_text(word, left) > width)
        abort();
    for (size_t i = 0; i < size; i++)
        if ((line[i] >= 0 && line[i] < ' ' && line[i] != '\t' && line[i] != '\033') || line[i] == 0x7F || (line[i] == '\033' && line[i + 1] != '['))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_DONE(text) struct text once = { 0 };
    AUTO_DONE(text) struct text twice = { 0 };
    size_t width;

    if (size == 0)
        return 0;
    width = data[0];
    text_init(&once, 0);
    text_init(&twice, 0);
    width_show((const char *)data + 1, size - 1, width, &once);
    for (const char *line = once.data; line < once.data + once.size;) {
        const char *end = memchr(line, '\n', once.size - (size_t)(line - once.data));
        size_t length = end != NULL ? (size_t)(end - line) : once.size - (size_t)(line - once.data);
        check_line(line, length, width);
        line += length + 1;
    }
    width_show(once.data, once.size, 0, &twice);
    if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
        abort();
    return 0;
}
