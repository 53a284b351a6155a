/* state_json_folder.c - the names in the folder of a JSON state, and what is done with whole files. */
#include "state/state_json.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_AT_ONCE = 1 << 16, HEAD_MAXIMUM = 1024 };

char *state_json_name(const char *folder, const char *kind, int64_t generation, const char *ending)
{
    return mem_format("%s/%s-%06lld.jsonl%s", folder, kind, (long long)generation, ending);
}

/* ---- What lies there ---- */

struct contents {
    int64_t snapshot, journal;    /* the newest generation that has one; 0: none */
    char foreign[64];             /* a name that is not ours; "" */
};

/* The generation, when name is kind-NUMBER.jsonl and nothing more; else 0. */
static int64_t parse_name(const char *name, const char *kind)
{
    size_t size = strlen(kind), digits = 0;
    int64_t generation = 0;

    if (strncmp(name, kind, size) != 0 || name[size] != '-')
        return 0;
    for (name += size + 1; *name >= '0' && *name <= '9' && digits < 15; name++, digits++)
        generation = generation * 10 + (*name - '0');
    return digits >= 6 && strcmp(name, ".jsonl") == 0 ? generation : 0;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);

    return size >= end && strcmp(name + size - end, ending) == 0;
}

static bool is_passing(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lock") == 0 || ends_with(name, ".jsonl.new") || ends_with(name, ".jsonl.torn") ||
           ends_with(name, ".backup");
}

static int list(const char *folder, struct contents *ret, struct error *err)
{
    DIR *listing = opendir(folder);

    *ret = (struct contents){ 0 };
    if (listing == NULL)
        return state_tell_errno(folder, "cannot be read", errno, err);
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        int64_t snapshot = parse_name(entry->d_name, "snapshot"), journal = parse_name(entry->d_name, "journal");
        if (snapshot > ret->snapshot)
            ret->snapshot = snapshot;
        if (journal > ret->journal)
            ret->journal = journal;
        if (snapshot == 0 && journal == 0 && !is_passing(entry->d_name) && (ret->foreign[0] == '\0' || ends_with(entry->d_name, ".json")))
            (void)snprintf(ret->foreign, sizeof ret->foreign, "%s", entry->d_name);
    }
    (void)closedir(listing);
    return 0;
}

/* A generation is made journal first: a crash in between leaves one that only has a head. */
static bool has_commits(const char *folder, int64_t generation)
{
    AUTO_STRING char *path = state_json_name(folder, "journal", generation, "");
    char head[HEAD_MAXIMUM];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, head, sizeof head) : 0;
    const char *newline = size > 0 ? memchr(head, '\n', (size_t)size) : NULL;

    if (fd >= 0)
        (void)close(fd);
    return size == HEAD_MAXIMUM || (newline != NULL && newline + 1 < head + size);
}

static int judge(const char *folder, const struct contents *there, struct error *err)
{
    if (there->journal > there->snapshot && has_commits(folder, there->journal))
        return error_set(err, ERROR_IO, "state %s: journal-%06lld.jsonl is there, its snapshot is gone: put it back, or a backup of the folder", folder,
                         (long long)there->journal);
    if (there->snapshot > 0)
        return 0;
    if (there->foreign[0] != '\0' && ends_with(there->foreign, ".json"))
        return error_set(err, ERROR_CONFIG, "state %s: a folder with JSON files of another program (%s). If it is the Go program's, choose another path for the state (--state or "
                         "state.path), then bring it over with \"memory-connector state import %s\"", folder, there->foreign, folder);
    if (there->foreign[0] != '\0')
        return error_set(err, ERROR_CONFIG, "state %s: a folder with other files (%s): name one of its own, such as %s/state", folder, there->foreign, folder);
    if (there->journal > 1)
        return error_set(err, ERROR_IO, "state %s: a journal is there, its snapshot is gone: put it back, or a backup of the folder", folder);
    return 0;
}

int state_json_inspect(const char *folder, int64_t *ret_generation, struct error *err)
{
    struct contents there;
    struct stat facts;

    *ret_generation = 0;
    if (stat(folder, &facts) < 0)
        return errno == ENOENT ? 0 : state_tell_errno(folder, "cannot be reached", errno, err);
    if (!S_ISDIR(facts.st_mode))
        return error_set(err, ERROR_CONFIG, "state %s: a file, but state.backend json keeps a folder: choose another path. A SQLite state is brought over with "
                         "\"memory-connector state migrate\", one of the Go program with \"memory-connector state import %s\"", folder, folder);
    if (list(folder, &there, err) < 0 || judge(folder, &there, err) < 0)
        return -1;
    *ret_generation = there.snapshot;
    return 0;
}

bool state_json_is_there(const char *path)
{
    struct contents there;
    struct stat facts;

    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode) && list(path, &there, NULL) == 0 && there.snapshot > 0;
}

/* ---- Whole files ---- */

int state_json_open_file(const char *path, int *ret_fd, struct error *err)
{
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret_fd >= 0)
        return 0;
    if (errno == ENOENT)
        return error_set(err, ERROR_IO, "%s is gone: nothing was changed. Put it back, or a backup of the folder", path);
    return state_tell_errno(path, "cannot be opened", errno, err);
}

void state_json_remove(const char *folder, int64_t generation)
{
    AUTO_STRING char *snapshot = state_json_name(folder, "snapshot", generation, "");
    AUTO_STRING char *journal = state_json_name(folder, "journal", generation, "");

    (void)unlink(snapshot);
    (void)unlink(journal);
}

void state_json_remove_others(const char *folder, int64_t generation)
{
    DIR *listing = opendir(folder);

    if (listing == NULL)
        return;
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        int64_t snapshot = parse_name(entry->d_name, "snapshot"), journal = parse_name(entry->d_name, "journal");
        AUTO_STRING char *path = mem_format("%s/%s", folder, entry->d_name);
        if ((snapshot > 0 && snapshot != generation) || (journal > 0 && journal != generation) || ends_with(entry->d_name, ".jsonl.new"))
            (void)unlink(path);
    }
    (void)closedir(listing);
}

static int copy(int from, int to, const char *path, struct error *err)
{
    char bytes[COPY_AT_ONCE];
    ssize_t got;

    while ((got = read(from, bytes, sizeof bytes)) > 0) {
        if (dump_write_bytes(to, path, bytes, (size_t)got, err) < 0)
            return -1;
    }
    return got == 0 ? 0 : state_tell_errno(path, "cannot be read", errno, err);
}

int state_json_keep_torn(const char *path, int64_t from, struct error *err)
{
    AUTO_STRING char *torn = mem_format("%s.torn", path);
    int source = open(path, O_RDONLY | O_CLOEXEC);
    int out = source >= 0 && lseek(source, (off_t)from, SEEK_SET) >= 0 ? open(torn, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    int result = out >= 0 ? copy(source, out, torn, err) : state_tell_errno(torn, "cannot be made", errno, err);

    if (result == 0)
        result = state_json_sync(out, torn, err);
    if (out >= 0)
        (void)close(out);
    if (source >= 0)
        (void)close(source);
    return result;
}

static int link_as_backup(const char *folder, const char *kind, int64_t generation, const char *why, struct error *err)
{
    AUTO_STRING char *path = state_json_name(folder, kind, generation, "");
    AUTO_STRING char *backup = mem_format("%s.%s.backup", path, why);

    (void)unlink(backup); /* of an attempt that did not come to its end */
    if (link(path, backup) == 0 || errno == ENOENT)
        return 0;
    return state_tell_errno(path, "a backup cannot be made", errno, err);
}

int state_json_keep_backup(const char *folder, int64_t generation, const char *why, struct error *err)
{
    if (link_as_backup(folder, "snapshot", generation, why, err) < 0 || link_as_backup(folder, "journal", generation, why, err) < 0)
        return -1;
    {
        AUTO_STRING char *path = state_json_name(folder, "journal", generation, "");
        return state_file_sync_folder(path, err);
    }
}
