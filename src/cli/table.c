#include "cli/table.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 2, COLUMN_LEAST = 8 };

/* ---- Characters ---- */

void table_append_harmless(struct text *out, const char *bytes, size_t size)
{
    (void)text_append_harmless(out, bytes, size);
}

/* ---- Tables ---- */

void table_init(struct table *table, const char *const *heads, size_t columns)
{
    *table = (struct table){ .columns = columns };
    for (size_t i = 0; i < columns; i++) {
        table->right[i] = heads[i][0] == '>';
        table_add_string(table, heads[i] + (table->right[i] ? 1 : 0));
    }
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        mem_free(table->cells[i]);
    mem_free(table->cells);
    mem_free(table->tones);
    *table = (struct table){ 0 };
}

void table_add(struct table *table, const char *cell, size_t size)
{
    struct text clean;

    text_init(&clean, 0);
    table_append_harmless(&clean, cell, size);
    table->cells = mem_grow(table->cells, table->count, &table->capacity, sizeof *table->cells);
    table->tones = mem_grow(table->tones, table->count, &table->tone_capacity, sizeof *table->tones);
    table->tones[table->count] = TONE_PLAIN;
    table->cells[table->count++] = text_take(&clean);
}

void table_set_tone(struct table *table, enum tone tone)
{
    if (table->paints)
        table->tones[table->count - 1] = tone;
}

void table_add_string(struct table *table, const char *cell)
{
    table_add(table, cell, strlen(cell));
}

void table_add_format(struct table *table, const char *format, ...)
{
    char cell[500];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    table_add_string(table, cell);
}

static void measure(const struct table *table, size_t *widths)
{
    memset(widths, 0, table->columns * sizeof *widths);
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of_text(table->cells[i], strlen(table->cells[i]));
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
}

static size_t sum_of(const struct table *table, const size_t *widths)
{
    size_t sum = GAP * (table->columns - 1);

    for (size_t i = 0; i < table->columns; i++)
        sum += widths[i];
    return sum;
}

static void fit(const struct table *table, size_t width, size_t *widths)
{
    while (sum_of(table, widths) > width) {
        size_t widest = table->columns;
        for (size_t i = 0; i < table->columns; i++)
            if (!table->right[i] && widths[i] > COLUMN_LEAST && (widest == table->columns || widths[i] > widths[widest]))
                widest = i;
        if (widest == table->columns)
            return; /* as narrow as it gets */
        widths[widest]--;
    }
}

/* Too narrow for columns: one cell a line, a blank line between rows. */
static void print_records(const struct table *table, struct text *out)
{
    size_t columns = table->columns;
    size_t widest = 0;

    for (size_t i = 0; i < columns; i++)
        if (strlen(table->cells[i]) > widest)
            widest = strlen(table->cells[i]);
    for (size_t row = columns; row + columns <= table->count; row += columns) {
        if (row > columns)
            (void)text_append_char(out, '\n');
        for (size_t i = 0; i < columns; i++)
            if (table->cells[row + i][0] != '\0')
                (void)text_append_format(out, "%-*s  %s%s%s\n", (int)widest, table->cells[i], tone_begin(table->tones[row + i]), table->cells[row + i],
                                         tone_end(table->tones[row + i]));
    }
}

void table_print(const struct table *table, size_t width, struct text *out)
{
    size_t widths[TABLE_COLUMNS_MAXIMUM];

    measure(table, widths);
    if (width > 0)
        fit(table, width, widths);
    if (width > 0 && sum_of(table, widths) > width) {
        print_records(table, out);
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        const char *cell = table->cells[i];
        size_t used = width_of_text(cell, strlen(cell));
        size_t start;
        bool is_last = column + 1 == table->columns;
        for (size_t pad = used; table->right[column] && pad < widths[column]; pad++)
            (void)text_append_char(out, ' ');
        (void)text_append(out, tone_begin(table->tones[i]));
        start = out->size;
        width_cut(cell, widths[column], out);
        for (size_t pad = width_of_text(out->data + start, out->size - start); used > widths[column] && pad < widths[column]; pad++)
            (void)text_append_char(out, ' '); /* half a wide character was cut */
        (void)text_append(out, tone_end(table->tones[i]));
        for (size_t pad = used; !table->right[column] && !is_last && pad < widths[column]; pad++)
            (void)text_append_char(out, ' ');
        (void)text_append(out, is_last ? "\n" : "  ");
    }
}

size_t table_terminal_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (!isatty(fd))
        return 0;
    if (columns != NULL && strtol(columns, NULL, 10) > 0)
        return (size_t)strtol(columns, NULL, 10);
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

void table_append_wrapped(struct text *out, const char *words, size_t indent, size_t width)
{
    size_t used = 0;

    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        size_t shown = width_of_text(words, size);
        if (used > 0 && width > 0 && used + 1 + shown > width) {
            (void)text_append_char(out, '\n');
            used = 0;
        }
        (void)text_append_format(out, "%*s", used == 0 ? (int)indent : 1, "");
        (void)text_append_bytes(out, words, size);
        used += (used == 0 ? indent : 1) + shown;
        words += size + strspn(words + size, " ");
    }
    (void)text_append_char(out, '\n');
}
