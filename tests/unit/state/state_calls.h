/* state_calls.h - every call that the state makes of SQLite and of the system fails once, one after the other.
 *
 * This program's own functions stand before the libraries'. Only what the program calls itself is counted, not what a library calls of itself. A piece of work
 * is done once with all going well: that gives what the places it touches hold before and after, and how many calls there are of each kind. Then it is
 * done again for each of them. It must say so or go on without, it never loses what was committed, and the next opening finds what was there before or
 * what the work was to bring, and nothing between.
 *
 * Of long loops the first calls and a spread of the others are taken; MC_EVERY_CALL=1 takes all. */
#ifndef MC_TESTS_STATE_CALLS_H
#define MC_TESTS_STATE_CALLS_H

#undef _FORTIFY_SOURCE /* its inline functions would stand before ours */

#include "state_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include "base/log.h"
#include "state/state_care.h"
#include "state/state_json.h"

/* ---- Calls that fail ---- */

enum call {
    CALL_PREPARE, CALL_BIND, CALL_STEP, CALL_EXEC, CALL_CONNECT, CALL_FUNCTION, CALL_CLOSE, CALL_BACKUP, CALL_COPY, CALL_CONTROL,
    CALL_OPEN, CALL_READ, CALL_WRITE, CALL_SEEK, CALL_TRUNCATE, CALL_SHUT, CALL_FSYNC, CALL_RENAME, CALL_LINK, CALL_OPENDIR, CALL_FOLDER, CALLS
};

static const char *const call_names[CALLS] = {
    "prepare", "bind", "step", "exec", "connect", "function", "close", "backup", "copy", "control",
    "open", "read", "write", "seek", "truncate", "shut", "fsync", "rename", "link", "opendir", "folder"
};

static struct { enum call which; int countdown; bool fired; int code; int inside; int made[CALLS]; } plan = { .countdown = -1 };

extern const char __executable_start[], etext[]; /* the linker's */

/* Calls that the library makes of itself are left alone: it would not notice, or it notices in ways that are its own tests' to look at. */
static bool fails(enum call call, const void *caller)
{
    if (plan.inside > 0 || (const char *)caller < __executable_start || (const char *)caller >= etext)
        return false;
    plan.made[call]++;
    if (plan.countdown < 0 || call != plan.which || plan.countdown-- > 0)
        return false;
    plan.fired = true;
    return true;
}

static bool fails_with_errno(enum call call, const void *caller)
{
    bool result = fails(call, caller);

    if (result)
        errno = plan.code;
    return result;
}

#define FAILS(call) fails(call, __builtin_return_address(0))
#define FAILS_WITH_ERRNO(call) fails_with_errno(call, __builtin_return_address(0))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define SEAM __attribute__((noinline))

/* What a failure of SQLite looks like: a code, and the words that belong to it. */
SEAM int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail)
{
    if (!FAILS(CALL_PREPARE))
        return REAL(sqlite3_prepare_v2)(db, sql, size, statement, tail);
    *statement = NULL;
    return plan.code;
}

SEAM int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement, const char **tail)
{
    if (!FAILS(CALL_PREPARE))
        return REAL(sqlite3_prepare_v3)(db, sql, size, flags, statement, tail);
    *statement = NULL;
    return plan.code;
}

SEAM int sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 value)
{
    return FAILS(CALL_BIND) ? plan.code : REAL(sqlite3_bind_int64)(statement, at, value);
}

SEAM int sqlite3_bind_text64(sqlite3_stmt *statement, int at, const char *bytes, sqlite3_uint64 size, void (*end)(void *), unsigned char encoding)
{
    return FAILS(CALL_BIND) ? plan.code : REAL(sqlite3_bind_text64)(statement, at, bytes, size, end, encoding);
}

SEAM int sqlite3_step(sqlite3_stmt *statement)
{
    return FAILS(CALL_STEP) ? plan.code : REAL(sqlite3_step)(statement);
}

SEAM int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *context, char **words)
{
    int code;

    if (FAILS(CALL_EXEC))
        return plan.code;
    plan.inside++;
    code = REAL(sqlite3_exec)(db, sql, row, context, words);
    plan.inside--;
    return code;
}

SEAM int sqlite3_open_v2(const char *path, sqlite3 **db, int flags, const char *vfs)
{
    bool result = FAILS(CALL_CONNECT);
    int code;

    plan.inside++;
    code = REAL(sqlite3_open_v2)(result ? "/dev/null/none" : path, db, result ? SQLITE_OPEN_READONLY : flags, vfs);
    plan.inside--;
    return code;
}

SEAM int sqlite3_create_function_v2(sqlite3 *db, const char *name, int arguments, int flags, void *context, void (*call)(sqlite3_context *, int, sqlite3_value **),
                                    void (*step)(sqlite3_context *, int, sqlite3_value **), void (*last)(sqlite3_context *), void (*end)(void *))
{
    return FAILS(CALL_FUNCTION) ? plan.code : REAL(sqlite3_create_function_v2)(db, name, arguments, flags, context, call, step, last, end);
}

SEAM int sqlite3_close(sqlite3 *db)
{
    bool result = FAILS(CALL_CLOSE);
    int code;

    plan.inside++;
    code = REAL(sqlite3_close)(db);
    plan.inside--;
    return result ? plan.code : code;
}

SEAM sqlite3_backup *sqlite3_backup_init(sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name)
{
    return FAILS(CALL_BACKUP) ? REAL(sqlite3_backup_init)(to, to_name, to, to_name) /* refused, with an error in to */ : REAL(sqlite3_backup_init)(to, to_name, from, from_name);
}

SEAM int sqlite3_backup_step(sqlite3_backup *backup, int pages)
{
    return FAILS(CALL_COPY) ? plan.code : REAL(sqlite3_backup_step)(backup, pages);
}

SEAM int sqlite3_file_control(sqlite3 *db, const char *name, int what, void *value)
{
    return FAILS(CALL_CONTROL) ? plan.code : REAL(sqlite3_file_control)(db, name, what, value);
}

SEAM int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return FAILS_WITH_ERRNO(CALL_OPEN) ? -1 : REAL(open)(path, flags, mode);
}

SEAM ssize_t read(int fd, void *bytes, size_t size)
{
    return FAILS_WITH_ERRNO(CALL_READ) ? -1 : REAL(read)(fd, bytes, size);
}

/* Code 0: it says that nothing was written, and no more. */
SEAM ssize_t write(int fd, const void *bytes, size_t size)
{
    if (!FAILS_WITH_ERRNO(CALL_WRITE))
        return REAL(write)(fd, bytes, size);
    return plan.code != 0 ? -1 : 0;
}

SEAM off_t lseek(int fd, off_t at, int from)
{
    return FAILS_WITH_ERRNO(CALL_SEEK) ? -1 : REAL(lseek)(fd, at, from);
}

SEAM int ftruncate(int fd, off_t size)
{
    return FAILS_WITH_ERRNO(CALL_TRUNCATE) ? -1 : REAL(ftruncate)(fd, size);
}

SEAM int close(int fd)
{
    int result = REAL(close)(fd);

    return FAILS_WITH_ERRNO(CALL_SHUT) ? -1 : result;
}

SEAM int fsync(int fd)
{
    return FAILS_WITH_ERRNO(CALL_FSYNC) ? -1 : REAL(fsync)(fd);
}

SEAM int rename(const char *from, const char *to)
{
    return FAILS_WITH_ERRNO(CALL_RENAME) ? -1 : REAL(rename)(from, to);
}

SEAM int link(const char *from, const char *to)
{
    return FAILS_WITH_ERRNO(CALL_LINK) ? -1 : REAL(link)(from, to);
}

SEAM DIR *opendir(const char *path)
{
    DIR *(*real)(const char *) = (DIR *(*)(const char *))dlsym(RTLD_NEXT, "opendir");

    return FAILS_WITH_ERRNO(CALL_OPENDIR) ? NULL : real(path);
}

SEAM char *mkdtemp(char *pattern)
{
    return FAILS_WITH_ERRNO(CALL_FOLDER) ? NULL : REAL(mkdtemp)(pattern);
}

/* ---- Files as they were ---- */

struct kept_file {
    char path[128];
    char *data;                   /* NULL: a folder */
    size_t size;
};

struct kept {
    struct kept_file files[32];
    size_t count;
};

FIXTURE void keep_folder(const char *folder, struct kept *kept)
{
    DIR *listing = opendir(folder);

    assert_non_null(listing);
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        struct kept_file *file = &kept->files[kept->count];
        struct stat facts;
        int fd;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_true(kept->count++ < ARRAY_LENGTH(kept->files));
        (void)snprintf(file->path, sizeof file->path, "%s/%s", folder, entry->d_name);
        assert_int_equal(stat(file->path, &facts), 0);
        file->size = (size_t)facts.st_size;
        file->data = NULL;
        if (S_ISDIR(facts.st_mode)) {
            keep_folder(file->path, kept);
            continue;
        }
        file->data = malloc(file->size + 1);
        fd = open(file->path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, file->data, file->size), file->size);
        (void)close(fd);
    }
    (void)closedir(listing);
}

FIXTURE void restore(const struct kept *kept)
{
    fixture_remove_files();
    for (size_t i = 0; i < kept->count; i++) {
        const struct kept_file *file = &kept->files[i];
        int fd;
        if (file->data == NULL) {
            assert_int_equal(mkdir(file->path, 0700), 0);
            continue;
        }
        fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, file->data, file->size), file->size);
        (void)close(fd);
    }
}

FIXTURE void kept_done(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        free(kept->files[i].data);
    kept->count = 0;
}

/* A number for what lies in the folder, without what says who writes. */
FIXTURE uint64_t image_of_folder(void)
{
    struct kept kept = { 0 };
    uint64_t image = 14695981039346656037U; /* FNV-1a */

    keep_folder(fixture_folder, &kept);
    for (size_t i = 0; i < kept.count; i++) {
        const char *path = kept.files[i].path;
        if (strcmp(path + strlen(path) - 4, "lock") == 0)
            continue;
        for (const char *at = path; *at != '\0'; at++)
            image = (image ^ (unsigned char)*at) * 1099511628211U;
        for (size_t k = 0; kept.files[i].data != NULL && k < kept.files[i].size; k++)
            image = (image ^ (unsigned char)kept.files[i].data[k]) * 1099511628211U;
    }
    kept_done(&kept);
    return image;
}

/* ---- What a place holds ---- */

/* Every row of every table but meta, where each start writes. */
FIXTURE void write_contents(sqlite3 *db, struct text *out)
{
    struct rows rows;
    struct error err = { 0 };

    ASSERT_WORKS(rows_init(&rows, db, &err), err);
    for (int i = 0; i < rows.tables; i++) {
        AUTO_DONE(text) struct text sql = { 0 };
        sqlite3_stmt *statement = NULL;
        if (strcmp(rows.table[i].name, "meta") == 0)
            continue;
        text_init(&sql, 0);
        for (int k = 0; k < rows.table[i].columns; k++)
            (void)text_append_format(&sql, "%s quote(\"%s\")", k == 0 ? "SELECT" : "||','||", rows.table[i].column[k]);
        (void)text_append_format(&sql, " FROM \"%s\" ORDER BY 1", rows.table[i].name);
        assert_int_equal(sqlite3_prepare_v2(db, sql.data, -1, &statement, NULL), SQLITE_OK);
        (void)text_append_format(out, "%s:\n", rows.table[i].name);
        while (sqlite3_step(statement) == SQLITE_ROW)
            (void)text_append_format(out, "  %s\n", (const char *)sqlite3_column_text(statement, 0));
        (void)sqlite3_finalize(statement);
    }
    rows_done(&rows);
}

enum { TOLD_PARTLY = 1 };

struct place {
    enum state_backend backend;
    const char *path;             /* NULL: the work has no such place */
};

struct work {
    const char *name;
    struct place here, there;
    void (*prepare)(void);        /* what lies in the folder before */
    int (*run)(const struct work *work, struct error *err); /* 0, -1, or TOLD_PARTLY: it is done, and says that something is missing */
    void (*judge)(const struct work *work, int result, const char *call); /* instead of looking at the places; or NULL */
    const struct migration *table; /* NULL: this release's */
    size_t count;
    bool is_strange;              /* what it begins with contradicts itself */
};

FIXTURE int open_place(const struct work *work, const struct place *place, bool reader, struct state **ret_state, struct error *err)
{
    const struct state_settings settings = { .backend = place->backend, .path = place->path, .reader = reader, .now_ms = 1700000000000 };

    if (work->table != NULL)
        return state_open_with(&settings, work->table, work->count, ret_state, err);
    return state_open(&settings, ret_state, err);
}

FIXTURE bool tell_strange(void *context, const struct state_finding *finding)
{
    (void)snprintf(context, 200, "%s", finding->words);
    return false;
}

/* As the next start finds it: a sound state. Owned by the caller. */
FIXTURE char *contents_of(const struct work *work, const struct place *place, const char *call)
{
    AUTO_DONE(text) struct text out = { 0 };
    struct state *state = NULL;
    struct error err = { 0 };
    char strange[200] = "";

    text_init(&out, 0);
    if (place->path == NULL)
        return mem_copy_string("");
    if (open_place(work, place, false, &state, &err) < 0)
        fail_msg("%s, %s: cannot be opened again: %s", work->name, call, err.message);
    write_contents(state->db, &out);
    if (!work->is_strange && (state_examine(state, tell_strange, strange, &err) < 0 || strange[0] != '\0'))
        fail_msg("%s, %s: %s%s", work->name, call, strange, err.message);
    state_free(state);
    return text_take(&out);
}

/* ---- The loop ---- */

struct failure {
    enum call call;
    int code;
};

/* A variant fails the same calls as the row before it, with another code: it differs in its words. */
static int next_call(int at, int made, bool is_variant)
{
    const int first = is_variant ? 10 : 40, spread = is_variant ? 20 : 50;

    return made <= first + spread || at + 1 < first || getenv("MC_EVERY_CALL") != NULL ? at + 1 : at + (made - first + spread - 1) / spread;
}

struct expected {
    struct kept kept;
    char *here[2], *there[2];     /* before, after */
    int made[CALLS];
    uint64_t seen[1024];          /* folders that were opened again already: many failures leave the same */
    size_t seen_count;
};

FIXTURE bool is_new(struct expected *expected, int result)
{
    uint64_t image = image_of_folder() ^ (uint64_t)(result + 1);

    for (size_t i = 0; i < expected->seen_count; i++)
        if (expected->seen[i] == image)
            return false;
    if (expected->seen_count < ARRAY_LENGTH(expected->seen))
        expected->seen[expected->seen_count++] = image;
    return true;
}

FIXTURE void expect_one_of(const struct work *work, const struct place *place, char *const known[2], int result, const char *call)
{
    AUTO_STRING char *found = contents_of(work, place, call);

    if (strcmp(found, known[1]) != 0 && (result == 0 || strcmp(found, known[0]) != 0) && (result != TOLD_PARTLY || place == &work->here))
        fail_msg("%s, %s, result %d: %s holds\n%s\nbefore:\n%s\nafter:\n%s", work->name, call, result, place->path, found, known[0], known[1]);
}

FIXTURE void learn(const struct work *work, struct expected *ret)
{
    struct error err = { 0 };

    *ret = (struct expected){ 0 };
    fixture_remove_files();
    if (work->prepare != NULL)
        work->prepare();
    keep_folder(fixture_folder, &ret->kept);
    for (int after = 0; after < 2; after++) {
        restore(&ret->kept);
        if (after != 0) {
            memset(plan.made, 0, sizeof plan.made);
            plan.fired = false;
            if (work->run(work, &err) < 0)
                fail_msg("%s: %s", work->name, err.message);
            memcpy(ret->made, plan.made, sizeof ret->made);
        }
        if (work->judge != NULL)
            continue;
        ret->here[after] = contents_of(work, &work->here, after != 0 ? "afterwards" : "before");
        ret->there[after] = contents_of(work, &work->there, after != 0 ? "afterwards" : "before");
    }
}

/* How often it was told. */
FIXTURE int fail_each(const struct work *work, struct expected *expected, enum call call, int code, bool is_variant)
{
    int told = 0;

    for (int at = 0; at < expected->made[call]; at = next_call(at, expected->made[call], is_variant)) {
        struct error err = { 0 };
        char name[64];
        int result;
        (void)snprintf(name, sizeof name, "%s %d of %d, code %d", call_names[call], at + 1, expected->made[call], code);
        restore(&expected->kept);
        plan.which = call;
        plan.code = code;
        plan.fired = false;
        plan.countdown = at;
        result = work->run(work, &err);
        plan.countdown = -1;
        if (result < 0 && (err.kind == ERROR_NONE || err.message[0] == '\0'))
            fail_msg("%s, %s: failed without a word", work->name, name);
        if (result < 0 && !plan.fired)
            fail_msg("%s, %s: failed of itself: %s", work->name, name, err.message);
        told += result != 0;
        if (!is_new(expected, result))
            continue;
        if (work->judge != NULL) {
            work->judge(work, result, name);
            continue;
        }
        expect_one_of(work, &work->here, expected->here, result, name);
        expect_one_of(work, &work->there, expected->there, result, name);
    }
    return told;
}

FIXTURE void fail_all(const struct work *works, size_t count, const struct failure *failures, size_t failure_count)
{
    for (size_t i = 0; i < count; i++) {
        struct expected expected;
        int told = 0;
        learn(&works[i], &expected);
        for (size_t k = 0; k < failure_count; k++)
            told += fail_each(&works[i], &expected, failures[k].call, failures[k].code, k > 0 && failures[k - 1].call == failures[k].call);
        (void)fprintf(stderr, "# %s: told %d times\n", works[i].name, told);
        assert_true(told > 0);
        kept_done(&expected.kept);
        for (size_t k = 0; k < 2; k++) {
            mem_free(expected.here[k]);
            mem_free(expected.there[k]);
        }
    }
}

#endif
