/* make_api_reference.c - the reference part of docs/api.md: make_api_reference docs/api.md writes it behind the line that begins with "<!-- reference".
 * Without an argument it goes to standard output. */
#include "api/api.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { DOCUMENT_MAXIMUM = 4 << 20 };

static int write_behind(const char *path, const struct text *reference)
{
    AUTO_DONE(text) struct text document = { 0 };
    struct error err = { 0 };
    const char *mark;

    text_init(&document, 0);
    if (file_read(path, DOCUMENT_MAXIMUM, &document, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    mark = strstr(document.data, "\n<!-- reference");
    mark = mark != NULL ? strchr(mark + 1, '\n') : NULL;
    if (mark == NULL) {
        (void)fprintf(stderr, "%s has no line that begins with <!-- reference\n", path);
        return 1;
    }
    text_truncate(&document, (size_t)(mark + 1 - document.data));
    (void)text_append_bytes(&document, reference->data, reference->size);
    if (file_replace(path, document.data, document.size, 0644, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    AUTO_DONE(text) struct text reference = { 0 };

    text_init(&reference, 0);
    api_write_reference(&reference);
    if (argc > 1)
        return write_behind(argv[1], &reference);
    return fwrite(reference.data, 1, reference.size, stdout) == reference.size && fflush(stdout) == 0 ? 0 : 74;
}
