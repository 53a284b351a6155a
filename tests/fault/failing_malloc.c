/* failing_malloc.c - for LD_PRELOAD: lets one allocation of a program fail, or all from there on.
 *
 *   MC_FAIL_AT=N      the Nth call of malloc, calloc or realloc that could fail gives NULL with ENOMEM, that one only
 *   MC_FAIL_FROM=N    the Nth and every later one
 *   MC_FAIL_COUNT=F   the number of calls is written to the file F at an orderly end, so that a test knows where to stop
 *
 * Allocations of the dynamic loader, before the constructor has run, do not count. Only for glibc, whose __libc_ names need no look-up. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static atomic_ullong calls;
static unsigned long long fail_at;
static unsigned long long fail_from;
static bool is_counting;

static unsigned long long number_of(const char *name)
{
    const char *value = getenv(name);

    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

__attribute__((constructor)) static void begin(void)
{
    fail_at = number_of("MC_FAIL_AT");
    fail_from = number_of("MC_FAIL_FROM");
    is_counting = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("MC_FAIL_COUNT");
    char words[32];
    int fd;
    int size;

    is_counting = false;
    if (path == NULL)
        return;
    size = snprintf(words, sizeof words, "%llu\n", atomic_load(&calls));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, words, (size_t)size) != size || close(fd) < 0)
        _exit(99);
}

static bool fails(void)
{
    unsigned long long number;

    if (!is_counting)
        return false;
    number = atomic_fetch_add(&calls, 1) + 1;
    if (number != fail_at && (fail_from == 0 || number < fail_from))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}
