#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mem_end_program(void)
{
    static const char words[] = "memory-connector: out of memory; nothing acknowledged is lost, start again\n";

    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    _exit(EXIT_OUT_OF_MEMORY);
}

void *mem_alloc(size_t size)
{
    void *block = calloc(1, size > 0 ? size : 1);

    if (block == NULL)
        mem_end_program();
    return block;
}

void *mem_alloc_array(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size)
        mem_end_program();
    return mem_alloc(count * size);
}

void *mem_resize(void *block, size_t count, size_t size)
{
    void *resized;

    if (size > 0 && count > SIZE_MAX / size)
        mem_end_program();
    resized = realloc(block, count * size > 0 ? count * size : 1);
    if (resized == NULL)
        mem_end_program();
    return resized;
}

char *mem_copy_bytes(const void *bytes, size_t size)
{
    char *copy = mem_resize(NULL, size + 1, 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

char *mem_copy_string(const char *string)
{
    return string == NULL ? NULL : mem_copy_bytes(string, strlen(string));
}

char *mem_format(const char *format, ...)
{
    va_list args;
    va_list again;
    char *text;
    int size;

    va_start(args, format);
    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = mem_alloc(size < 0 ? 1 : (size_t)size + 1);
    if (size >= 0)
        (void)vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void mem_free(void *block)
{
    free(block);
}

void *mem_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array == NULL ? mem_alloc_array(*capacity, size) : array;
    *capacity = *capacity > 0 ? *capacity * 2 : 8;
    return mem_resize(array, *capacity, size);
}
