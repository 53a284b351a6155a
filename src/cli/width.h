/* width.h - text on a terminal: how wide it is, and lines that fit.
 *
 * Text is UTF-8 and harmless (text_append_harmless); colours ("ESC [ ... m") may stand in it and take no place. A byte that is no UTF-8 counts as one. */
#ifndef MC_CLI_WIDTH_H
#define MC_CLI_WIDTH_H

#include "base/text.h"

size_t width_of_character(uint32_t code); /* 0, 1 or 2 columns */
size_t width_of_text(const char *text, size_t size);
/* One character or colour: its bytes (at least 1), and its columns. left > 0. */
size_t width_read(const char *at, size_t left, size_t *ret_width);

/* As much of text as fits, with "..." in one character for the rest. */
void width_cut(const char *text, size_t width, struct text *out);

/* Text as a terminal is to get it: control characters and what turns the direction of writing made visible, but for colours, tabs and line ends; lines that
 * are wider than width broken between words, the rest indented by two more than its line. A word wider than that stays whole. width 0: nothing is broken. */
void width_show(const char *text, size_t size, size_t width, struct text *out);

/* What colours mean; a caller whose colours are off takes TONE_PLAIN. */
enum tone {
    TONE_PLAIN,
    TONE_GOOD,   /* green: proven, as it should be */
    TONE_WAIT,   /* yellow: not whole, but it goes on by itself or by a word of yours */
    TONE_BAD,    /* red: failed, waits for a person */
    TONE_FAINT   /* switched off, or of no weight */
};

const char *tone_begin(enum tone tone);
const char *tone_end(enum tone tone);

#endif
