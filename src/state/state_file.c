#include "state/state_internal.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_SIZE = 100, APPLICATION_ID_AT = 68 }; /* sqlite.org/fileformat2.html, section 1.3 */

static const char import_words[] = "choose another path for the state (--state or state.path), then bring it over with \"memory-connector state import";

char *state_file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return mem_copy_string(".");
    return slash == path ? mem_copy_string("/") : mem_copy_bytes(path, (size_t)(slash - path));
}

int state_file_make_private(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int result = fd < 0 ? -1 : fchmod(fd, 0600);

    if (result < 0)
        (void)error_set(err, ERROR_IO, "state: cannot make %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return result;
}

int state_file_sync_folder(const char *path, struct error *err)
{
    AUTO_STRING char *folder = state_file_folder(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);

    if (result < 0)
        (void)error_set(err, ERROR_IO, "state %s: cannot sync its folder %s: %s", path, folder, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return result;
}

/* ---- What lies at the path ---- */

static bool has_json(const char *folder)
{
    DIR *listing = opendir(folder);
    bool found = false;

    if (listing == NULL)
        return false;
    for (const struct dirent *entry = readdir(listing); entry != NULL && !found; entry = readdir(listing)) {
        const char *dot = strrchr(entry->d_name, '.');
        found = dot != NULL && strcmp(dot, ".json") == 0;
    }
    (void)closedir(listing);
    return found;
}

static int refuse_folder(const char *path, struct error *err)
{
    if (has_json(path))
        return error_set(err, ERROR_CONFIG, "state %s: a folder with JSON files, as the Go program keeps its state: %s %s\"", path, import_words, path);
    return error_set(err, ERROR_CONFIG, "state %s: a folder, but the state is one file: name a file in it, such as %s/state.db", path, path);
}

static bool starts_as_json(const unsigned char *header, size_t size)
{
    size_t at = 0;

    if (size >= 3 && memcmp(header, "\xEF\xBB\xBF", 3) == 0)
        at = 3;
    while (at < size && (header[at] == ' ' || header[at] == '\t' || header[at] == '\r' || header[at] == '\n'))
        at++;
    return at < size && (header[at] == '{' || header[at] == '[');
}

static int judge_header(const char *path, const unsigned char header[HEADER_SIZE], size_t size, struct error *err)
{
    static const char magic[16] = "SQLite format 3";
    bool has_magic = size >= sizeof magic && memcmp(header, magic, sizeof magic) == 0;
    uint32_t application = 0;

    for (size_t i = 0; size == HEADER_SIZE && i < 4; i++)
        application = application << 8 | header[APPLICATION_ID_AT + i];
    if (has_magic && application == STATE_APPLICATION_ID)
        return 0;
    if (has_magic && size == HEADER_SIZE)
        return error_set(err, ERROR_CONFIG,
                         "state %s: a SQLite database, but not a state of memory-connector; if it is the Go program's, %s %s\"", path, import_words, path);
    if (has_magic || application == STATE_APPLICATION_ID)
        return error_set(err, ERROR_IO, "state %s: its header is damaged. Copy the file away, then put back a backup", path);
    if (starts_as_json(header, size))
        return error_set(err, ERROR_CONFIG, "state %s: a JSON file, as the Go program keeps its state: %s %s\"", path, import_words, path);
    return error_set(err, ERROR_CONFIG, "state %s: not a state of memory-connector", path);
}

/* Through SQLite's own handle: closing a descriptor of our own would drop the locks that other connections of this process hold on
 * the file (sqlite.org/howtocorrupt.html, section 2.2). */
int state_file_judge(sqlite3 *db, const char *path, struct error *err)
{
    unsigned char header[HEADER_SIZE] = { 0 };
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (code == SQLITE_OK)
        code = file->pMethods->xFileSize(file, &size);
    if (code == SQLITE_OK)
        code = file->pMethods->xRead(file, header, size < HEADER_SIZE ? (int)size : HEADER_SIZE, 0);
    if (code != SQLITE_OK) {
        state_tell(NULL, path, code, "reading its header", err);
        return -1;
    }
    return judge_header(path, header, size < HEADER_SIZE ? (size_t)size : HEADER_SIZE, err);
}

static bool has_log(const char *path)
{
    AUTO_STRING char *log = mem_format("%s-wal", path);
    struct stat facts;

    return stat(log, &facts) == 0 && facts.st_size > 0;
}

void state_file_stamp(int64_t now_ms, char ret_stamp[STATE_STAMP_SIZE])
{
    struct time_fields time;

    time_text_fields(now_ms, &time);
    (void)snprintf(ret_stamp, STATE_STAMP_SIZE, "%04d%02d%02dT%02d%02d%02dZ", time.year, time.month, time.day, time.hour, time.minute, time.second);
}

char *state_file_saved(const char *path)
{
    return mem_format("%s.saved", path);
}

static int judge_missing(const char *path, enum state_file *ret_file, struct error *err)
{
    AUTO_STRING char *saved = state_file_saved(path);
    int cause = errno;

    if (cause != ENOENT)
        return error_set(err, ERROR_IO, "state %s: cannot be reached: %s", path, strerror(cause));
    if (access(saved, F_OK) == 0)
        return error_set(err, ERROR_IO, "state %s: the file is gone. A repair was broken off, the state that it saved is whole: move %s-wal and %s-shm away if they are there, then rename "
                         "%s to %s; or remove it to start anew", path, path, path, saved, path);
    /* A log belongs to one database; a new one beside it would be mixed with it. */
    if (has_log(path))
        return error_set(err, ERROR_IO, "state %s: the file is gone, but its log %s-wal is there: put the file back, or remove %s-wal and %s-shm to start anew",
                         path, path, path, path);
    *ret_file = STATE_FILE_MISSING;
    return 0;
}

int state_file_inspect(const char *path, enum state_file *ret_file, struct error *err)
{
    struct stat facts;

    if (stat(path, &facts) < 0)
        return judge_missing(path, ret_file, err);
    if (S_ISDIR(facts.st_mode))
        return refuse_folder(path, err);
    if (!S_ISREG(facts.st_mode))
        return error_set(err, ERROR_CONFIG, "state %s: not a regular file", path);
    /* We never leave an empty file behind, so an empty one was cut. Taking it for a new state would forget everything in silence. */
    if (facts.st_size == 0)
        return error_set(err, ERROR_IO,
                         "state %s: the file is empty, and no state ever is: it was cut. Put back a backup, or remove the file to start anew", path);
    *ret_file = STATE_FILE_OURS;
    return 0;
}

/* ---- A new state ---- */

static void remove_part(const char *part)
{
    static const char *const endings[] = { "", "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        AUTO_STRING char *name = mem_format("%s%s", part, endings[i]);
        (void)unlink(name);
    }
}

static int write_part(const char *part, struct error *err)
{
    sqlite3 *db = NULL;
    int code;
    int result;

    if (state_file_make_private(part, err) < 0)
        return -1;
    code = sqlite3_open_v2(part, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        state_tell(db, part, code, "making it", err);
        (void)sqlite3_close(db);
        return -1;
    }
    (void)sqlite3_extended_result_codes(db, 1);
    result = state_schema_create(db, part, err);
    code = sqlite3_close(db); /* the last connection: moves its log into the file and syncs it */
    if (result == 0 && code != SQLITE_OK) {
        state_tell(NULL, part, code, "making it", err);
        result = -1;
    }
    return result;
}

int state_file_create(const char *path, struct error *err)
{
    AUTO_STRING char *part = mem_format("%s.new", path);
    int result;

    remove_part(part);
    result = write_part(part, err);
    if (result == 0 && has_log(part))
        result = error_set(err, ERROR_IO, "state %s: the new file could not be finished: the disk or a quota is full: free space there and start again", path);
    if (result == 0 && rename(part, path) < 0)
        result = error_set(err, ERROR_IO, "state: cannot name the new state %s: %s", path, strerror(errno));
    if (result == 0)
        result = state_file_sync_folder(path, err);
    if (result < 0)
        remove_part(part);
    return result;
}
