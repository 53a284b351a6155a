/* heap.h - a binary heap of things that lie elsewhere: the least key first, among equal keys the least order. A thing lies in one heap at most and
 * knows its place, so that it is taken out again in O(log n). */
#ifndef MC_SCHEDULE_HEAP_H
#define MC_SCHEDULE_HEAP_H

#include "base/auto.h"

#include <stddef.h>
#include <stdint.h>

struct heap;

struct heap_node { /* the first member of the thing; zeroed: in no heap */
    int64_t key, order;
    struct heap *heap;
    size_t at;
};

struct heap {
    struct heap_node **nodes; /* owned array of borrowed nodes */
    size_t count, capacity;
};

void heap_done(struct heap *heap);
AUTO_DEFINE_DONE(heap)

void heap_insert(struct heap *heap, struct heap_node *node, int64_t key, int64_t order); /* taken out of where it was */
void heap_remove(struct heap_node *node);                                              /* does nothing where it is in none */
struct heap_node *heap_first(const struct heap *heap);                                 /* NULL: empty */

#endif
