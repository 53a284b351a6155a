/* make_man.c - writes a manual page at build time: make_man 1 for memory-connector(1), make_man 5 for memory-connector.yaml(5). */
#include "cli/man.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    AUTO_DONE(text) struct text page = { 0 };

    text_init(&page, 0);
    if (argc != 2 || (strcmp(argv[1], "1") != 0 && strcmp(argv[1], "5") != 0)) {
        (void)fputs("usage: make_man 1|5\n", stderr);
        return 2;
    }
    if (argv[1][0] == '1')
        man_program(&page);
    else
        man_config(&page);
    return fwrite(page.data, 1, page.size, stdout) == page.size && fflush(stdout) == 0 ? 0 : 74;
}
