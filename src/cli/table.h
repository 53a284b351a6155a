/* table.h - tables for people: columns as wide as their longest cell, cut to the width of the terminal, never in a pipe.
 *
 * Cells are made harmless: control characters, C1 and bidi marks are shown as \xNN; width counts columns of a terminal, not bytes. */
#ifndef MC_CLI_TABLE_H
#define MC_CLI_TABLE_H

#include "base/text.h"
#include "cli/width.h"

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_COLUMNS_MAXIMUM = 10 };

struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAXIMUM];   /* numbers */
    bool paints;                         /* colours are wanted */
    char **cells;                        /* owned; row after row, the head first */
    enum tone *tones;                    /* one for each cell */
    size_t count, capacity, tone_capacity;
};

void table_init(struct table *table, const char *const *heads, size_t columns); /* a head that begins with ">" is a column of numbers; colours: set paints */
void table_done(struct table *table);
AUTO_DEFINE_DONE(table)
void table_add(struct table *table, const char *cell, size_t size);
void table_add_string(struct table *table, const char *cell);
void table_add_format(struct table *table, const char *format, ...) MC_PRINTF(2, 3);
/* Of the cell that was added last. */
void table_set_tone(struct table *table, enum tone tone);
/* width 0: no limit. The widest column that is no number is cut first; where nothing helps, each cell gets a line of its own. */
void table_print(const struct table *table, size_t width, struct text *out);

size_t table_terminal_width(int fd);      /* COLUMNS or the terminal's; 0: no terminal */
/* Words in lines of at most width (0: one line), each begun with indent blanks; words longer than that stay whole. Ends with a line end. */
void table_append_wrapped(struct text *out, const char *words, size_t indent, size_t width);
void table_append_harmless(struct text *out, const char *bytes, size_t size);

#endif
