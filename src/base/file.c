#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a person can do about it; "" when only they know. */
static const char *remedy_for(int cause)
{
    static const struct { int cause; const char *words; } remedies[] = {
        { EACCES, " (use a folder that this user may write, or run as its owner)" },
        { EPERM, " (use a folder that this user may write, or run as its owner)" },
        { EROFS, " (use a folder on a disk that may be written)" },
        { ENOTDIR, " (a part of the path is a file)" },
        { ENOSPC, " (the disk is full: free space there)" },
        { EDQUOT, " (a quota is full: free space there)" },
        { EMFILE, " (too many open files: raise the limit, ulimit -n)" },
        { ENFILE, " (the whole system has too many open files)" },
        { EIO, " (the disk reports an error: check the system's log)" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(remedies); i++)
        if (remedies[i].cause == cause)
            return remedies[i].words;
    return "";
}

int file_sync_folder_of(const char *path)
{
    AUTO_STRING char *folder = mem_copy_string(path);
    char *slash = strrchr(folder, '/');
    int fd;
    int result;

    if (slash == folder)
        slash[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    result = fsync(fd);
    (void)close(fd);
    return result;
}

/* A folder is only there for good when the one above it is synced. One that may not be read cannot be synced, and is not what is wrong then. */
static int make_one(const char *path, struct error *err)
{
    struct stat found;
    int cause;

    if (mkdir(path, 0700) == 0) {
        if (file_sync_folder_of(path) < 0 && errno != EACCES && errno != EINVAL)
            return error_set(err, ERROR_IO, "cannot sync the folder above %s: %s%s", path, strerror(errno), remedy_for(errno));
        return 0;
    }
    cause = errno;
    if (cause == EEXIST || stat(path, &found) == 0)
        return 0;
    return error_set(err, ERROR_IO, "cannot make the folder %s: %s%s", path, strerror(cause), remedy_for(cause));
}

int file_make_folder(const char *path, struct error *err)
{
    AUTO_STRING char *copy = mem_copy_string(path);
    struct stat found;

    for (char *at = copy + 1; *copy != '\0'; at++) {
        char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (make_one(copy, err) < 0)
            return -1;
        *at = was;
        if (was == '\0')
            break;
    }
    if (stat(path, &found) < 0)
        return error_set(err, ERROR_IO, "folder %s: %s", path, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return error_set(err, ERROR_IO, "%s is not a folder", path);
    return 0;
}

static int read_all(int fd, const char *path, size_t maximum, struct text *text, struct error *err)
{
    char buffer[16384];

    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, ERROR_CONFIG, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            return 0;
        if (text->size + (size_t)got > maximum)
            return error_set(err, ERROR_CONFIG, "%s is larger than %zu bytes", path, maximum);
        if (text_append_bytes(text, buffer, (size_t)got) < 0)
            return error_set(err, ERROR_CONFIG, "%s is too large", path);
    }
}

int file_read(const char *path, size_t maximum, struct text *text, struct error *err)
{
    struct stat found;
    int fd;
    int result;

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", maximum, text, err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_CONFIG, errno == ENOENT ? "%s: there is no such file" : "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode)) {
        (void)close(fd);
        return error_set(err, ERROR_CONFIG, "%s is a folder, not a file", path);
    }
    result = read_all(fd, path, maximum, text, err);
    (void)close(fd);
    return result;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        bytes += put;
        size -= (size_t)put;
    }
    return 0;
}

int file_replace(const char *path, const void *bytes, size_t size, unsigned mode, struct error *err)
{
    AUTO_STRING char *fresh = mem_format("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    int failure = 0;

    if (fd < 0)
        return error_set(err, ERROR_IO, "cannot write %s: %s%s", fresh, strerror(errno), remedy_for(errno));
    if (write_all(fd, bytes, size) < 0 || fsync(fd) < 0)
        failure = errno;
    if (close(fd) < 0 && failure == 0)
        failure = errno;
    if (failure == 0 && rename(fresh, path) < 0)
        failure = errno;
    if (failure != 0) {
        (void)unlink(fresh);
        return error_set(err, ERROR_IO, "cannot write %s: %s%s", path, strerror(failure), remedy_for(failure));
    }
    if (file_sync_folder_of(path) < 0)
        return error_set(err, ERROR_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
    return 0;
}

int file_write(int fd, const char *name, const void *bytes, size_t size, struct error *err)
{
    return write_all(fd, bytes, size) == 0 ? 0 : error_set(err, ERROR_IO, "%s: cannot be written: %s%s", name, strerror(errno), remedy_for(errno));
}

static int check_place(const char *path, bool over, struct error *err)
{
    struct stat found;

    if (stat(path, &found) < 0)
        return 0;
    if (!S_ISREG(found.st_mode))
        return error_set(err, ERROR_CONFLICT, "%s is there, and is no file: choose another name, or - for standard output", path);
    return over ? 0 : error_set(err, ERROR_CONFLICT, "%s is there already: choose another name, or --force to write over it", path);
}

int file_build(const char *path, bool over, int (*write)(void *context, int fd, const char *name, struct error *err), void *context, struct error *err)
{
    AUTO_STRING char *part = mem_format("%s.part", path);
    int result;
    int fd;

    if (check_place(path, over, err) < 0)
        return -1;
    (void)unlink(part); /* what is there would keep its mode, or lead elsewhere */
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, ERROR_IO, "%s: cannot be made: %s%s", part, strerror(errno), remedy_for(errno));
    result = write(context, fd, part, err);
    if (result == 0 && fsync(fd) < 0)
        result = error_set(err, ERROR_IO, "%s: cannot be synced: %s%s", part, strerror(errno), remedy_for(errno));
    if (close(fd) < 0 && result == 0)
        result = error_set(err, ERROR_IO, "%s: cannot be written: %s%s", part, strerror(errno), remedy_for(errno));
    if (result == 0 && rename(part, path) < 0)
        result = error_set(err, ERROR_IO, "%s: cannot be renamed: %s%s", part, strerror(errno), remedy_for(errno));
    if (result < 0)
        (void)unlink(part);
    else if (file_sync_folder_of(path) < 0)
        return error_set(err, ERROR_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
    return result;
}

int file_lock(const char *path, int *ret_fd, struct error *err)
{
    char words[300] = "";
    char host[128] = "unknown";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ssize_t size;

    if (fd < 0)
        return error_set(err, ERROR_IO, "cannot open the lock file %s: %s%s", path, strerror(errno), remedy_for(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int failure = errno;
        size = read(fd, words, sizeof words - 1);
        words[size > 0 ? size : 0] = '\0';
        words[strcspn(words, "\n")] = '\0';
        (void)close(fd);
        if (failure != EWOULDBLOCK)
            return error_set(err, ERROR_IO, "cannot lock %s: %s", path, strerror(failure));
        return error_set(err, ERROR_CONFLICT, "in use by %s", words[0] != '\0' ? words : "another process");
    }
    (void)gethostname(host, sizeof host - 1);
    size = snprintf(words, sizeof words, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, words, (size_t)size, 0) != size) {
        int failure = errno;
        (void)close(fd);
        return error_set(err, ERROR_IO, "cannot write the lock file %s: %s%s", path, strerror(failure), remedy_for(failure));
    }
    *ret_fd = fd;
    return 0;
}

void file_lock_holder(const char *path, struct text *ret_words)
{
    char words[300] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        size = read(fd, words, sizeof words - 1);
        words[size > 0 ? size : 0] = '\0';
        words[strcspn(words, "\n")] = '\0';
        (void)text_append(ret_words, words[0] != '\0' ? words : "another process");
    }
    (void)close(fd);
}

static int open_nameless(const char *folder)
{
    AUTO_STRING char *name = mem_format("%s/.memory-connector-XXXXXX", folder);
    int fd = -1;

#ifdef O_TMPFILE
    fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
#endif
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(name);
    return fd;
}

int file_try_folder(const char *folder, struct error *err)
{
    char bytes[4096] = "";
    int fd = open_nameless(folder);
    const char *what = "written";
    int failure = 0;

    if (fd < 0)
        return error_set(err, ERROR_IO, "no file can be made in %s: %s%s", folder, strerror(errno), remedy_for(errno));
    if (write_all(fd, bytes, sizeof bytes) < 0) {
        failure = errno;
    } else if (fsync(fd) < 0) {
        failure = errno;
        what = "synced to the disk (fsync)";
    }
    (void)close(fd);
    if (failure != 0)
        return error_set(err, ERROR_IO, "a file in %s cannot be %s: %s%s", folder, what, strerror(failure), remedy_for(failure));
    return 0;
}

int64_t file_free_bytes(const char *folder)
{
    struct statvfs found;

    if (statvfs(folder, &found) < 0)
        return -1;
    return (int64_t)found.f_bavail * (int64_t)found.f_frsize;
}

bool file_is_readable_by_others(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && (found.st_mode & S_IROTH) != 0;
}
