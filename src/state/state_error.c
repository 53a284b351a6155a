#include "state/state_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a code means to the person who has to act. Extended codes stand before their primary one; the first row that fits counts. */
static const struct trouble {
    int code;
    int system_errno;             /* 0: any */
    enum error_kind kind;
    const char *words;
} troubles[] = {
    { SQLITE_FULL, 0, ERROR_IO, "the disk or a quota is full: free space there and start again; what was acknowledged is kept" },
    { SQLITE_IOERR, ENOSPC, ERROR_IO, "the disk is full: free space there and start again; what was acknowledged is kept" },
    { SQLITE_IOERR, EDQUOT, ERROR_IO, "a quota is full: free space there and start again; what was acknowledged is kept" },
    { SQLITE_IOERR, EFBIG, ERROR_IO, "a limit for the size of files is reached: raise it (ulimit -f) and start again; what was acknowledged is kept" },
    { SQLITE_IOERR_CORRUPTFS, 0, ERROR_IO, "the file system is damaged: check it before starting again" },
    { SQLITE_IOERR_SHMOPEN, 0, ERROR_IO, "the file system or folder gives no shared memory file (-shm): use a local disk and a folder that this user may write" },
    { SQLITE_IOERR_SHMMAP, 0, ERROR_IO, "the file system gives no shared memory (-shm): use a local disk" },
    { SQLITE_IOERR, EIO, ERROR_IO, "the disk reports an error: check the system's log and the disk before starting again" },
    /* nobody kept what the system said: a full disk looks the same as a broken one */
    { SQLITE_IOERR, 0, ERROR_IO, "the disk reports an error, or is full: see how much space is left there and what the system's log says before starting again" },
    { SQLITE_READONLY_DBMOVED, 0, ERROR_IO, "the file was moved or removed while in use: put it back and start again" },
    { SQLITE_READONLY_CANTINIT, 0, ERROR_IO, "its shared memory file (-shm) cannot be written: use the user who owns the state, in a folder it may write" },
    { SQLITE_READONLY, 0, ERROR_IO, "it cannot be written: see the owner and mode of file and folder, and whether the disk is mounted read-only" },
    { SQLITE_CANTOPEN, EMFILE, ERROR_IO, "too many files are open: raise the limit (ulimit -n) and start again; what was acknowledged is kept" },
    { SQLITE_CANTOPEN, ENFILE, ERROR_IO, "the whole system has too many open files: start again when it has less to do; what was acknowledged is kept" },
    { SQLITE_CANTOPEN, ENOSPC, ERROR_IO, "the disk is full: free space there and start again; what was acknowledged is kept" },
    { SQLITE_CANTOPEN, EDQUOT, ERROR_IO, "a quota is full: free space there and start again; what was acknowledged is kept" },
    { SQLITE_CANTOPEN, EIO, ERROR_IO, "the disk reports an error: check the system's log and the disk before starting again" },
    { SQLITE_CANTOPEN, 0, ERROR_IO, "it, or its -wal and -shm files, cannot be opened: use the user who owns the state, in a folder it may write and where space is left" },
    { SQLITE_PERM, 0, ERROR_IO, "access is refused: see the owner and mode of the file" },
    { SQLITE_CORRUPT, 0, ERROR_IO, "it is damaged: nothing was changed. Copy the file away, then put back a backup, or see what \"memory-connector state repair --dry-run\" can save" },
    { SQLITE_NOTADB, 0, ERROR_IO, "it is damaged beyond reading: nothing was changed. Copy the file away, then put back a backup" },
    { SQLITE_BUSY, 0, ERROR_IO, "another program holds its write lock (sqlite3 or a backup tool?): end that one and start again" },
    { SQLITE_LOCKED, 0, ERROR_IO, "another connection of this program holds its write lock" },
    { SQLITE_CONSTRAINT, 0, ERROR_IO, "a change contradicts what is there (a defect of memory-connector: please report it)" },
    { SQLITE_TOOBIG, 0, ERROR_IO, "a value is larger than SQLite can hold" },
    { SQLITE_OK, 0, ERROR_IO, "SQLite failed" }, /* the last row fits every code */
};

static bool row_fits(const struct trouble *row, int code, int system_errno)
{
    if (row->code == SQLITE_OK)
        return true;
    if (row->code != code && row->code != (code & 0xFF))
        return false;
    return row->system_errno == 0 || row->system_errno == system_errno;
}

static const struct trouble *find_trouble(int code, int system_errno)
{
    const struct trouble *row = troubles;

    while (!row_fits(row, code, system_errno))
        row++;
    return row;
}

/* SQLite quotes what it read, and a damaged file holds anything: only plain characters reach a terminal or a log. */
static void copy_words(char *out, size_t size, const char *words)
{
    size_t i;

    for (i = 0; words[i] != '\0' && i + 1 < size; i++)
        out[i] = words[i] >= 0x20 && words[i] < 0x7F ? words[i] : '?';
    out[i] = '\0';
}

static int ask_file(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int found = 0;

    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK || file == NULL || file->pMethods == NULL ||
        file->pMethods->xFileControl == NULL) /* one in memory has none */
        return 0;
    (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &found);
    return found;
}

/* SQLite often says only "disk I/O error"; the files remember what the system said, the log first, because it is written most. */
static int find_errno(sqlite3 *db, int code)
{
    int found = db != NULL ? sqlite3_system_errno(db) : 0;

    if (db == NULL || (code & 0xFF) != SQLITE_IOERR || found != 0)
        return found;
    found = ask_file(db, SQLITE_FCNTL_JOURNAL_POINTER);
    return found != 0 ? found : ask_file(db, SQLITE_FCNTL_FILE_POINTER);
}

void state_judge_memory(int code)
{
    if ((code & 0xFF) == SQLITE_NOMEM)
        mem_end_program();
}

void state_tell(sqlite3 *db, const char *path, int code, const char *what, struct error *err)
{
    int system_errno = find_errno(db, code);
    const struct trouble *trouble;
    char words[200];

    state_judge_memory(code);
    trouble = find_trouble(code, system_errno);
    copy_words(words, sizeof words, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    if ((code & 0xFF) == SQLITE_IOERR && system_errno != 0)
        (void)error_set(err, trouble->kind, "state %s: %s: %s (SQLite %d: %s; %s)", path, what, trouble->words, code, words, strerror(system_errno));
    else
        (void)error_set(err, trouble->kind, "state %s: %s: %s (SQLite %d: %s)", path, what, trouble->words, code, words);
}

void state_tell_errno_(const char *path, const char *what, int system_errno, struct error *err)
{
    const struct trouble *trouble = find_trouble(SQLITE_IOERR, system_errno);

    if (trouble->system_errno != 0)
        (void)error_set(err, ERROR_IO, "%s: %s: %s (%s)", path, what, trouble->words, strerror(system_errno));
    else
        (void)error_set(err, ERROR_IO, "%s: %s: %s", path, what, strerror(system_errno));
}

static void break_writer(struct state *state, const struct error *why)
{
    if (state->is_reader || state->is_broken)
        return;
    state->is_broken = true;
    state->failure = *why;
}

int state_break(struct state *state, const struct error *why, struct error *err)
{
    struct error story = *why;

    (void)error_wrap(&story, "state %s", state->path);
    break_writer(state, &story);
    if (err != NULL)
        *err = story;
    return -1;
}

void state_fail_(struct state *state, int code, struct error *err, const char *format, ...)
{
    struct error story = { 0 };
    char what[160];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    state_tell(state->db, state->path, code, what, &story);
    break_writer(state, &story);
    if (err != NULL)
        *err = story;
}

MC_PRINTF(5, 0)
static void fail_with_words(struct state *state, struct error *err, const char *start, const char *end, const char *format, va_list args)
{
    struct error story = { 0 };
    char words[300];

    (void)vsnprintf(words, sizeof words, format, args);
    (void)error_set(&story, ERROR_IO, "state %s: %s%s%s", state->path, start, words, end);
    break_writer(state, &story);
    if (err != NULL)
        *err = story;
}

void state_contradict_(struct state *state, struct error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_with_words(state, err, "a change contradicts it: ", "; nothing of it is kept (a defect of memory-connector: please report it)", format,
                    args);
    va_end(args);
}

void state_damaged_(struct state *state, struct error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_with_words(state, err, "it is damaged: ", ". Copy the file away, then put back a backup", format, args);
    va_end(args);
}

int state_check(struct state *state, struct error *err)
{
    if (!state->is_broken)
        return 0;
    if (err != NULL)
        *err = state->failure;
    return error_wrap(err, "nothing is written after a failure");
}
