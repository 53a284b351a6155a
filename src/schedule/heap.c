#include "schedule/heap.h"

#include "base/mem.h"

#include <stdbool.h>

void heap_done(struct heap *heap)
{
    mem_free(heap->nodes);
    *heap = (struct heap){ 0 };
}

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static void put(struct heap *heap, size_t at, struct heap_node *node)
{
    heap->nodes[at] = node;
    node->at = at;
}

static void rise(struct heap *heap, size_t at, struct heap_node *node)
{
    for (; at > 0 && is_before(node, heap->nodes[(at - 1) / 2]); at = (at - 1) / 2)
        put(heap, at, heap->nodes[(at - 1) / 2]);
    put(heap, at, node);
}

static void sink(struct heap *heap, size_t at, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (child >= heap->count || !is_before(heap->nodes[child], node))
            break;
        put(heap, at, heap->nodes[child]);
        at = child;
    }
    put(heap, at, node);
}

void heap_insert(struct heap *heap, struct heap_node *node, int64_t key, int64_t order)
{
    heap_remove(node);
    node->key = key;
    node->order = order;
    node->heap = heap;
    heap->nodes = mem_grow(heap->nodes, heap->count, &heap->capacity, sizeof(struct heap_node *));
    rise(heap, heap->count++, node);
}

void heap_remove(struct heap_node *node)
{
    struct heap *heap = node->heap;
    size_t at = node->at;
    struct heap_node *last;

    if (heap == NULL)
        return;
    node->heap = NULL;
    last = heap->nodes[--heap->count];
    if (last == node)
        return;
    if (at > 0 && is_before(last, heap->nodes[(at - 1) / 2]))
        rise(heap, at, last);
    else
        sink(heap, at, last);
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
