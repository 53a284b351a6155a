/* mem.h - memory that is there, or the program ends.
 *
 * An allocation that fails ends the program with exit code 71: for the state that is a crash like any other, and every
 * crash is survived. So no caller has an untested path for it. What comes from outside is bounded before it is allocated. */
#ifndef MC_BASE_MEM_H
#define MC_BASE_MEM_H

#include "base/auto.h"

#include <stddef.h>

enum { EXIT_OUT_OF_MEMORY = 71 };

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));          /* zeroed */
void *mem_alloc_array(size_t count, size_t size) __attribute__((returns_nonnull)); /* zeroed; overflow ends the program */
void *mem_resize(void *block, size_t count, size_t size) __attribute__((returns_nonnull)); /* new part not zeroed */
char *mem_copy_string(const char *string);  /* NULL gives NULL */
char *mem_copy_bytes(const void *bytes, size_t size); /* with a NUL behind; never NULL */
char *mem_format(const char *format, ...) MC_PRINTF(1, 2); /* owned by the caller */
void mem_free(void *block);

/* For what a library reports in a way of its own: says it and ends the program like every other allocation that fails. Whoever does not look
 * takes a refused URL, a lost header or "no JSON" for the other side's fault. */
MC_NORETURN void mem_end_program(void);

/* Makes room for one more element: doubles the array when count has reached *capacity. */
void *mem_grow(void *array, size_t count, size_t *capacity, size_t size) __attribute__((returns_nonnull));

static inline __attribute__((unused)) void char_auto_free(char **string)
{
    mem_free(*string);
}
#define AUTO_STRING __attribute__((cleanup(char_auto_free))) __attribute__((unused))

#endif
