#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_code_of(void (*run)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        (void)close(STDERR_FILENO); /* its last words are for operators */
        run();
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void overflow_array(void) { (void)mem_alloc_array(SIZE_MAX / 2, 3); }
static void overflow_resize(void) { (void)mem_resize(NULL, SIZE_MAX / 2, 3); }
static void nothing(void) { mem_free(mem_alloc_array(0, 8)); }

/* Sizes that do not fit must not become small ones. */
static void test_impossible_sizes_end_the_program(void **state)
{
    (void)state;

    assert_int_equal(exit_code_of(overflow_array), EXIT_OUT_OF_MEMORY);
    assert_int_equal(exit_code_of(overflow_resize), EXIT_OUT_OF_MEMORY);
    assert_int_equal(exit_code_of(nothing), 0);
}

static void test_copies(void **state)
{
    AUTO_STRING char *bytes = mem_copy_bytes("a\0b", 3);
    AUTO_STRING char *none = mem_copy_bytes(NULL, 0);
    AUTO_STRING char *string = mem_copy_string("abc");
    AUTO_STRING char *format = mem_format("%s-%d", "x", 7);
    (void)state;

    assert_memory_equal(bytes, "a\0b", 4);
    assert_string_equal(none, "");
    assert_string_equal(string, "abc");
    assert_string_equal(format, "x-7");
    assert_null(mem_copy_string(NULL));
}

static void test_grow_doubles(void **state)
{
    int *numbers = NULL;
    size_t capacity = 0;
    size_t times = 0;
    (void)state;

    for (int i = 0; i < 1000; i++) {
        size_t before = capacity;
        numbers = mem_grow(numbers, (size_t)i, &capacity, sizeof *numbers);
        numbers[i] = i;
        times += capacity != before;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_true(times < 12);
    mem_free(numbers);
}

static void test_zeroed(void **state)
{
    unsigned char *block = mem_alloc_array(64, 4);
    (void)state;

    for (size_t i = 0; i < 256; i++)
        assert_int_equal(block[i], 0);
    mem_free(block);
    mem_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_impossible_sizes_end_the_program),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_grow_doubles),
        cmocka_unit_test(test_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
