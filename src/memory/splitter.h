/* splitter.h - cuts the elements of "memories" out of a stream, one at a time, in bounded memory.
 *
 * Push: bytes go in as they arrive, the handler gets each element's bytes once it is whole (inside the chunk where possible: no
 * copy). It knows strings, escapes and nesting, not the values: a broken element is cut out as well as its brackets allow, so that its
 * neighbours are found; a comma too many between elements is passed over. The top level must be an object; the first "memories" key with an array (or null) counts; other keys are skipped.
 * A byte order mark in front is passed over. */
#ifndef MC_MEMORY_SPLITTER_H
#define MC_MEMORY_SPLITTER_H

#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum splitter_end {
    SPLITTER_OPEN,        /* more is to come */
    SPLITTER_COMPLETE,    /* the top object is closed and "memories" was there; only blanks may follow, anything else is BROKEN */
    SPLITTER_NO_MEMORIES, /* the top object is closed without "memories" */
    SPLITTER_NOT_JSON,    /* not an object at the top: HTML, text, nothing */
    SPLITTER_BROKEN,      /* the structure broke at broken_at: what was whole before it was handed out */
};

struct splitter_element {
    const char *bytes;    /* borrowed during the call; for a too large one only its first splitter_settings.sample bytes */
    size_t size;
    uint64_t offset;      /* of its first byte in the stream */
    uint64_t length;      /* in the stream; > size when too large */
    uint64_t index;       /* 0, 1, 2, ... */
    bool is_too_large;
};

struct splitter_settings {
    size_t element_maximum;  /* bytes; larger ones are streamed past */
    size_t sample;           /* how much of a too large one is kept */
    unsigned depth_maximum;  /* 64; deeper inside an element: handed out as malformed by its decoder; outside: BROKEN */
    void (*on_element)(void *context, const struct splitter_element *element);
    void *context;
};

struct splitter;

struct splitter *splitter_new(const struct splitter_settings *settings);
void splitter_free(struct splitter *splitter);
AUTO_DEFINE(splitter)

void splitter_push(struct splitter *splitter, const char *bytes, size_t size); /* after the end: counted, ignored */
enum splitter_end splitter_end(struct splitter *splitter);                      /* OPEN turns into BROKEN for a caller whose stream ended */
uint64_t splitter_position(const struct splitter *splitter);                    /* bytes seen */
uint64_t splitter_count(const struct splitter *splitter);                       /* elements handed out */
uint64_t splitter_broken_at(const struct splitter *splitter);
/* Bytes of an element that was begun and not finished: what a truncation lost of it; the sample is borrowed. */
size_t splitter_unfinished(const struct splitter *splitter, const char **ret_sample);

#endif
