#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int folders_synced, folder_error; /* this program's own fsync stands before the library's; errno of the next ones, 0: none fails */

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    struct stat facts;

    if (fstat(fd, &facts) < 0 || !S_ISDIR(facts.st_mode))
        return real(fd);
    folders_synced++;
    errno = folder_error;
    return folder_error == 0 ? real(fd) : -1;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", "/tmp/mc-file-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    pid_t child;
    (void)state;

    child = fork();
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", folder, (char *)NULL);
        _exit(1);
    }
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static char *path_of(const char *name)
{
    return mem_format("%s/%s", folder, name);
}

/* A state in a folder that a power loss takes away is a state that is lost. */
static void test_a_new_folder_is_synced_into_the_one_above(void **state)
{
    AUTO_STRING char *deep = path_of("a/b/c"), *other = path_of("d");
    struct error err = { 0 };
    (void)state;

    folders_synced = 0;
    assert_int_equal(file_make_folder(deep, &err), 0);
    assert_int_equal(folders_synced, 3);
    assert_int_equal(file_make_folder(deep, &err), 0);
    assert_int_equal(folders_synced, 3);
    folder_error = EIO;
    assert_int_equal(file_make_folder(other, &err), -1);
    assert_non_null(strstr(err.message, "cannot sync the folder above"));
    folder_error = 0;
}

static void test_folders(void **state)
{
    AUTO_STRING char *deep = path_of("a/b/c");
    AUTO_STRING char *file = path_of("plain");
    AUTO_STRING char *below_file = path_of("plain/d");
    AUTO_STRING char *middle = path_of("a/b");
    struct stat found;
    struct error err = { 0 };
    (void)state;

    assert_int_equal(file_make_folder(deep, &err), 0);
    assert_int_equal(file_make_folder(deep, &err), 0); /* it is there: nothing to do */
    assert_int_equal(stat(middle, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    assert_int_equal(file_replace(file, "x", 1, 0600, &err), 0);
    assert_int_equal(file_make_folder(file, &err), -1);
    assert_non_null(strstr(err.message, "is not a folder"));
    assert_int_equal(file_make_folder(below_file, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_int_equal(file_make_folder("", &err), -1);
}

static void test_read(void **state)
{
    AUTO_STRING char *path = path_of("read");
    AUTO_STRING char *missing = path_of("missing");
    AUTO_DONE(text) struct text text = { 0 };
    struct error err = { 0 };
    (void)state;

    text_init(&text, 0);
    assert_int_equal(file_replace(path, "one\0two", 7, 0600, &err), 0);
    assert_int_equal(file_read(path, 7, &text, &err), 0);
    assert_int_equal(text.size, 7);
    assert_memory_equal(text.data, "one\0two", 7);
    text_clear(&text);
    assert_int_equal(file_read(path, 6, &text, &err), -1);
    assert_non_null(strstr(err.message, "larger than 6 bytes"));
    assert_int_equal(file_read(missing, 100, &text, &err), -1);
    assert_non_null(strstr(err.message, "no such file"));
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_int_equal(file_read(folder, 100, &text, &err), -1);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(file_read("/dev/zero", 100000, &text, &err), -1); /* an endless one ends too */
}

static void test_replace_keeps_the_last_good_one(void **state)
{
    AUTO_STRING char *path = path_of("kept");
    AUTO_STRING char *fresh = path_of("kept.new");
    AUTO_STRING char *nowhere = path_of("none/kept");
    AUTO_DONE(text) struct text text = { 0 };
    struct stat found;
    struct error err = { 0 };
    (void)state;

    text_init(&text, 0);
    assert_int_equal(file_replace(path, "first", 5, 0600, &err), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(file_replace(path, "second", 6, 0600, &err), 0);
    assert_int_equal(mkdir(fresh, 0700), 0); /* now the new file cannot be written */
    assert_int_equal(file_replace(path, "third", 5, 0600, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_int_equal(rmdir(fresh), 0);
    assert_int_equal(file_read(path, 100, &text, &err), 0);
    assert_string_equal(text.data, "second");
    assert_int_equal(file_replace(nowhere, "x", 1, 0600, &err), -1);
    if (access("/dev/full", W_OK) == 0) { /* every write there finds the disk full */
        assert_int_equal(symlink("/dev/full", fresh), 0);
        assert_int_equal(file_replace(path, "fourth", 6, 0600, &err), -1);
        assert_int_equal(access(fresh, F_OK), -1); /* swept up */
        text_clear(&text);
        assert_int_equal(file_read(path, 100, &text, &err), 0);
        assert_string_equal(text.data, "second");
    }
}

static void test_lock(void **state)
{
    AUTO_STRING char *path = path_of("lock");
    char who[64];
    struct error err = { 0 };
    int first = -1;
    int second = -1;
    int status = 0;
    pid_t child;
    (void)state;

    assert_int_equal(file_lock(path, &first, &err), 0);
    assert_int_equal(file_lock(path, &second, &err), -1); /* also against ourselves */
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_int_equal(second, -1);
    (void)snprintf(who, sizeof who, "process %ld on ", (long)getpid());
    assert_non_null(strstr(err.message, who));
    child = fork();
    if (child == 0) {
        (void)close(first);
        _exit(file_lock(path, &second, &err) == -1 && err.kind == ERROR_CONFLICT ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(first);
    assert_int_equal(file_lock(path, &second, &err), 0); /* the child's end did not end our lock, our own did */
    (void)close(second);
}

/* Whoever looks takes and makes nothing. */
static void test_who_holds_a_lock(void **state)
{
    AUTO_STRING char *path = path_of("watched");
    AUTO_DONE(text) struct text words = { 0 };
    struct error err = { 0 };
    char who[64];
    int fd = -1;
    (void)state;

    text_init(&words, 0);
    file_lock_holder(path, &words);
    assert_int_equal(access(path, F_OK), -1);
    assert_string_equal(words.data, "");
    assert_int_equal(file_lock(path, &fd, &err), 0);
    file_lock_holder(path, &words);
    (void)snprintf(who, sizeof who, "process %ld on ", (long)getpid());
    assert_ptr_equal(strstr(words.data, who), words.data);
    (void)close(fd);
    text_clear(&words);
    file_lock_holder(path, &words);
    assert_string_equal(words.data, ""); /* the words of the last holder stand in the file, and mean nothing */
}

static void test_a_folder_is_tried(void **state)
{
    AUTO_STRING char *inside = path_of("tried");
    AUTO_STRING char *missing = path_of("missing");
    struct error err = { 0 };
    (void)state;

    assert_int_equal(file_make_folder(inside, &err), 0);
    assert_int_equal(file_try_folder(inside, &err), 0);
    assert_int_equal(rmdir(inside), 0); /* nothing was left in it */
    assert_int_equal(file_try_folder(missing, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_non_null(strstr(err.message, missing));
    assert_int_equal(file_try_folder("/proc", NULL), -1);
}

static void test_who_may_read(void **state)
{
    static const struct { const char *why; mode_t mode; bool want; } rows[] = {
        { "ours alone", 0600, false }, { "a group's, on purpose", 0640, false }, { "everybody's", 0644, true }, { "only others'", 0604, true },
    };
    AUTO_STRING char *path = path_of("mode");
    struct error err = { 0 };
    (void)state;

    assert_int_equal(file_replace(path, "x", 1, 0600, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(chmod(path, rows[i].mode), 0);
        if (file_is_readable_by_others(path) != rows[i].want)
            fail_msg("%s", rows[i].why);
    }
    assert_false(file_is_readable_by_others("/nowhere/at/all"));
    assert_true(file_free_bytes(folder) > 0);
    assert_int_equal(file_free_bytes("/nowhere/at/all"), -1);
}

static int write_half(void *context, int fd, const char *name, struct error *err)
{
    if (file_write(fd, name, "half", 4, err) < 0)
        return -1;
    return context == NULL ? 0 : error_set(err, ERROR_FAILED, "the other half is missing");
}

static void test_build(void **state)
{
    AUTO_STRING char *path = path_of("built");
    AUTO_STRING char *part = path_of("built.part");
    AUTO_STRING char *victim = path_of("victim");
    struct error err = { 0 };
    struct stat found;
    (void)state;

    assert_int_equal(symlink(victim, part), 0); /* somebody else's, in a folder that all may write */
    assert_int_equal(file_build(path, false, write_half, NULL, &err), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(stat(victim, &found), -1);
    assert_int_equal(file_build(path, false, write_half, NULL, &err), -1); /* there already */
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_int_equal(file_build(path, true, write_half, path, &err), -1); /* the last good one stays */
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_size, 4);
    assert_int_equal(lstat(part, &found), -1);
    assert_int_equal(file_build(path, true, write_half, NULL, &err), 0);
    assert_int_equal(file_build(folder, true, write_half, NULL, &err), -1);
    assert_non_null(strstr(err.message, "is no file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_folder_is_synced_into_the_one_above),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_replace_keeps_the_last_good_one),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_who_holds_a_lock),
        cmocka_unit_test(test_a_folder_is_tried),
        cmocka_unit_test(test_who_may_read),
        cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
