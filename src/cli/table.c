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

static size_t read_character(const unsigned char *at, size_t left, uint32_t *ret_code)
{
    size_t length = *at < 0x80 ? 1 : *at >= 0xC2 && *at < 0xE0 ? 2 : *at >= 0xE0 && *at < 0xF0 ? 3 : *at >= 0xF0 && *at < 0xF5 ? 4 : 0;
    uint32_t code;

    if (length == 0 || length > left)
        return 0;
    code = length == 1 ? *at : (uint32_t)(*at & (0xFF >> (length + 1)));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3F);
    }
    *ret_code = code;
    return length;
}

static bool is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void table_append_harmless(struct text *out, const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;

    while (size > 0) {
        uint32_t code = 0;
        size_t length = read_character(at, size, &code);
        bool is_shown = length > 0 && !is_harmful(code);
        if (length == 0)
            length = 1;
        if (is_shown)
            (void)text_append_bytes(out, at, length);
        for (size_t i = 0; !is_shown && i < length; i++)
            (void)text_append_format(out, "\\x%02x", at[i]);
        at += length;
        size -= length;
    }
}

/* Columns of a character: 0 for marks that combine, 2 for the wide scripts and pictures (Unicode East Asian Width W and F, in blocks). */
static size_t character_width(uint32_t code)
{
    static const struct { uint32_t first, last; } marks[] = {
        { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x0610, 0x061A }, { 0x064B, 0x065F }, { 0x0900, 0x0902 }, { 0x093C, 0x093C },
        { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A }, { 0x0E47, 0x0E4E }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200D }, { 0x20D0, 0x20FF },
        { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xE0100, 0xE01EF },
    };
    static const struct { uint32_t first, last; } wide[] = {
        { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF }, { 0x3400, 0x4DBF }, { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF }, { 0xA960, 0xA97F },
        { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF },
        { 0x1F900, 0x1FAFF }, { 0x20000, 0x3FFFD },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++)
        if (code >= marks[i].first && code <= marks[i].last)
            return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(wide); i++)
        if (code >= wide[i].first && code <= wide[i].last)
            return 2;
    return 1;
}

size_t table_text_width(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t width = 0;

    while (size > 0) {
        uint32_t code = 0;
        size_t length = read_character(at, size, &code);
        width += length > 0 ? character_width(code) : 1;
        length = length > 0 ? length : 1;
        at += length;
        size -= length;
    }
    return width;
}

/* As much as fits, with "…" for the rest. */
static void append_cut(struct text *out, const char *text, size_t room)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    size_t used = 0;

    if (table_text_width(text, left) <= room) {
        (void)text_append(out, text);
        return;
    }
    while (left > 0) {
        uint32_t code = 0;
        size_t length = read_character(at, left, &code);
        size_t width = length > 0 ? character_width(code) : 1;
        length = length > 0 ? length : 1;
        if (used + width + 1 > room)
            break;
        (void)text_append_bytes(out, at, length);
        used += width;
        at += length;
        left -= length;
    }
    (void)text_append(out, "\xE2\x80\xA6");
    for (used++; used < room; used++)
        (void)text_append_char(out, ' ');
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
    *table = (struct table){ 0 };
}

void table_add(struct table *table, const char *cell, size_t size)
{
    struct text clean;

    text_init(&clean, 0);
    table_append_harmless(&clean, cell, size);
    table->cells = mem_grow(table->cells, table->count, &table->capacity, sizeof *table->cells);
    table->cells[table->count++] = text_take(&clean);
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
        size_t width = table_text_width(table->cells[i], strlen(table->cells[i]));
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
                (void)text_append_format(out, "%-*s  %s\n", (int)widest, table->cells[i], table->cells[row + i]);
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
        size_t used = table_text_width(cell, strlen(cell));
        bool is_last = column + 1 == table->columns;
        for (size_t pad = used; table->right[column] && pad < widths[column]; pad++)
            (void)text_append_char(out, ' ');
        append_cut(out, cell, widths[column]);
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
        size_t shown = table_text_width(words, size);
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
