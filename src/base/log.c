#include "base/log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/text.h"
#include "base/time_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* poll promises 4096 bytes of room in a pipe; as JSON these two are at most twice as long, and the rest of a line is short */
    WORDS_MAXIMUM = 1800,
    SUBJECT_MAXIMUM = 160,
    PATIENCE_MS = 200,
    REPEATED_MS = 60 * 1000,
    BACKUPS_MAXIMUM = 1000,
};

const char *const log_component_names[LOG_COMPONENTS] = { "cli", "config", "state", "source", "target", "engine", "api", "alerts", "http", "schedule" };

/* Where lines go: standard error, a file. */
struct outlet {
    int fd;           /* -1: closed */
    bool is_stuck;    /* the reader did not read the last time */
    bool is_journal;
    int64_t size;     /* of the file */
};

static struct {
    pthread_mutex_t lock;
    atomic_int level; /* the least of all components; read without the lock */
    int levels[LOG_COMPONENTS];
    enum log_format format;
    bool color;
    struct outlet console, file;
    char path[1024];
    int64_t file_maximum;
    int file_backups;
    char last[WORDS_MAXIMUM + SUBJECT_MAXIMUM + 40]; /* what was said last, without its time */
    enum log_level last_level;
    char last_component[24];
    int64_t last_ms;  /* when it was written */
    int64_t repeated; /* how often it came since */
    atomic_uint_least64_t lost;
    void (*clear)(void *context);
    void (*draw)(void *context);
    void *hook_context;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_WARN, .console = { .fd = STDERR_FILENO }, .file = { .fd = -1 },
            .levels = { LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN } };

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

bool log_level_from_name(const char *name, enum log_level *ret_level)
{
    if (strcasecmp(name, "warning") == 0)
        name = "warn";
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (strcasecmp(name, level_names[i]) != 0)
            continue;
        *ret_level = (enum log_level)i;
        return true;
    }
    return false;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* systemd says which stream its journal reads: device and inode. */
static bool is_journal(int fd)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat facts;
    char found[64];

    if (named == NULL || fstat(fd, &facts) < 0)
        return false;
    (void)snprintf(found, sizeof found, "%llu:%llu", (unsigned long long)facts.st_dev, (unsigned long long)facts.st_ino);
    return strcmp(found, named) == 0;
}

static int64_t size_of(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 ? (int64_t)facts.st_size : 0;
}

static void set_levels(const struct log_settings *settings)
{
    int least = (int)settings->level;

    for (size_t i = 0; i < LOG_COMPONENTS; i++) {
        the_log.levels[i] = settings->has_component[i] ? (int)settings->components[i] : (int)settings->level;
        least = the_log.levels[i] < least ? the_log.levels[i] : least;
    }
    atomic_store(&the_log.level, least);
}

static void close_file(void)
{
    if (the_log.file.fd >= 0)
        (void)close(the_log.file.fd);
    the_log.file = (struct outlet){ .fd = -1 };
}

int log_open(const struct log_settings *settings, struct error *err)
{
    bool has_file = settings->file_path != NULL && settings->file_path[0] != '\0';
    int fd = -1;

    if (has_file) {
        fd = open_file(settings->file_path);
        if (fd < 0)
            return error_set(err, ERROR_IO, "cannot open the log file %s: %s", settings->file_path, strerror(errno));
    }
    (void)pthread_mutex_lock(&the_log.lock);
    set_levels(settings);
    the_log.format = settings->format;
    the_log.color = settings->color;
    close_file();
    the_log.file = (struct outlet){ .fd = fd, .size = fd >= 0 ? size_of(fd) : 0 };
    the_log.console = (struct outlet){ .fd = !has_file || settings->with_console ? STDERR_FILENO : -1, .is_journal = is_journal(STDERR_FILENO) };
    the_log.file_maximum = settings->file_maximum;
    the_log.file_backups = settings->file_backups < BACKUPS_MAXIMUM ? settings->file_backups : BACKUPS_MAXIMUM;
    (void)snprintf(the_log.path, sizeof the_log.path, "%s", has_file ? settings->file_path : "");
    (void)pthread_mutex_unlock(&the_log.lock);
    return 0;
}

static void reopen(void)
{
    int fd = the_log.path[0] != '\0' ? open_file(the_log.path) : -1;

    if (fd < 0)
        return; /* the old one goes on */
    close_file();
    the_log.file = (struct outlet){ .fd = fd, .size = size_of(fd) };
}

void log_reopen(void)
{
    (void)pthread_mutex_lock(&the_log.lock);
    reopen();
    (void)pthread_mutex_unlock(&the_log.lock);
}

/* PATH.2 to PATH.3, PATH.1 to PATH.2, PATH to PATH.1: what cannot be moved is overwritten by the next one, and the log goes on. */
static void rotate(void)
{
    char from[sizeof the_log.path + 8];
    char to[sizeof the_log.path + 8];

    for (int i = the_log.file_backups; i > 0; i--) {
        if (i > 1)
            (void)snprintf(from, sizeof from, "%s.%d", the_log.path, i - 1);
        else
            (void)snprintf(from, sizeof from, "%s", the_log.path);
        (void)snprintf(to, sizeof to, "%s.%d", the_log.path, i);
        (void)rename(from, to);
    }
    if (the_log.file_backups == 0)
        (void)unlink(the_log.path);
    reopen();
}

static void tell_repeated(void);

void log_close(void)
{
    (void)pthread_mutex_lock(&the_log.lock);
    tell_repeated();
    close_file();
    the_log.last[0] = '\0';
    the_log.console = (struct outlet){ .fd = STDERR_FILENO };
    the_log.path[0] = '\0';
    set_levels(&(struct log_settings){ .level = LOG_WARN });
    the_log.format = LOG_CONSOLE;
    the_log.color = false;
    (void)pthread_mutex_unlock(&the_log.lock);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

uint64_t log_lost_lines(void)
{
    return atomic_load(&the_log.lost);
}

void log_set_progress_hook(void (*clear)(void *context), void (*draw)(void *context), void *context)
{
    (void)pthread_mutex_lock(&the_log.lock);
    the_log.clear = clear;
    the_log.draw = draw;
    the_log.hook_context = context;
    (void)pthread_mutex_unlock(&the_log.lock);
}

struct line {
    enum log_level level;
    const char *now, *component, *subject, *words;
};

static void write_console(struct text *out, const struct line *line, const struct outlet *outlet)
{
    static const char *const colors[] = { "\033[2m", "", "\033[33m", "\033[31m", "" };
    static const int priorities[] = { 7, 6, 4, 3, 3 }; /* of syslog: debug, info, warning, err */
    bool color = the_log.color && outlet == &the_log.console && !outlet->is_journal;

    if (outlet->is_journal)
        (void)text_append_format(out, "<%d>", priorities[line->level]);
    else
        (void)text_append_format(out, "%s %s%-5s%s ", line->now, color ? colors[line->level] : "", level_names[line->level], color ? "\033[0m" : "");
    (void)text_append(out, line->component);
    (void)text_append_format(out, "%s%s: %s", line->subject[0] != '\0' ? " " : "", line->subject, line->words);
}

static void write_json(struct text *out, const struct line *line)
{
    struct json_writer writer;

    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "ts", line->now);
    json_write_string(&writer, "level", level_names[line->level]);
    json_write_string(&writer, "component", line->component);
    json_write_string(&writer, "msg", line->words);
    if (line->subject[0] != '\0')
        json_write_string(&writer, strcmp(line->component, "target") == 0 ? "target" : "connector", line->subject);
    json_write_close(&writer);
}

/* A reader that does not read (a full pipe, a terminal that is held) gets a moment once, then its lines are dropped until it reads again:
 * delivery must not stand still for a log. */
static bool can_write(struct outlet *outlet)
{
    struct pollfd watched = { .fd = outlet->fd, .events = POLLOUT };
    int ready = poll(&watched, 1, outlet->is_stuck ? 0 : PATIENCE_MS);

    outlet->is_stuck = ready == 0;
    return ready != 0; /* a failure is write's to report */
}

static void put_line(struct outlet *outlet, const struct line *line)
{
    AUTO_DONE(text) struct text out = { 0 };
    ssize_t put = -1;

    if (outlet->fd < 0)
        return;
    text_init(&out, 0);
    if (the_log.format == LOG_JSON)
        write_json(&out, line);
    else
        write_console(&out, line, outlet);
    (void)text_append_char(&out, '\n');
    if (outlet == &the_log.file && the_log.file_maximum > 0 && outlet->size > 0 && outlet->size + (int64_t)out.size > the_log.file_maximum)
        rotate();
    if (can_write(outlet))
        do
            put = write(outlet->fd, out.data, out.size);
        while (put < 0 && errno == EINTR);
    if (put != (ssize_t)out.size)
        atomic_fetch_add(&the_log.lost, 1);
    outlet->size += put > 0 ? put : 0;
}

static void put_everywhere(const struct line *line)
{
    if (the_log.clear != NULL && the_log.console.fd >= 0)
        the_log.clear(the_log.hook_context);
    put_line(&the_log.console, line);
    put_line(&the_log.file, line);
    if (the_log.draw != NULL && the_log.console.fd >= 0)
        the_log.draw(the_log.hook_context);
}

/* ---- The same again ---- */

static void tell_repeated(void)
{
    char now[TIME_TEXT_SIZE];
    char words[64];

    if (the_log.repeated == 0)
        return;
    time_text_rfc3339(clock_wall_ms() / 1000 * 1000, now);
    (void)snprintf(words, sizeof words, "(the line before came %lld more time%s)", (long long)the_log.repeated, the_log.repeated == 1 ? "" : "s");
    the_log.repeated = 0;
    put_everywhere(&(struct line){ the_log.last_level, now, the_log.last_component, "", words });
}

static bool is_repeated(const struct line *line)
{
    int64_t now_ms = clock_monotonic_ms();
    char said[sizeof the_log.last];

    (void)snprintf(said, sizeof said, "%s|%s|%s", line->component, line->subject, line->words);
    if (line->level == the_log.last_level && strcmp(said, the_log.last) == 0 && now_ms - the_log.last_ms < REPEATED_MS) {
        the_log.repeated++;
        return true;
    }
    tell_repeated();
    memcpy(the_log.last, said, sizeof said);
    the_log.last_level = line->level;
    (void)snprintf(the_log.last_component, sizeof the_log.last_component, "%s", line->component);
    the_log.last_ms = now_ms;
    return false;
}

static bool is_wanted(enum log_level level, const char *component)
{
    for (size_t i = 0; i < LOG_COMPONENTS; i++)
        if (strcmp(log_component_names[i], component) == 0)
            return (int)level >= the_log.levels[i];
    return log_is_on(level);
}

void log_line(enum log_level level, const char *component, const char *subject, const char *format, ...)
{
    char raw[WORDS_MAXIMUM + 1];
    char now[TIME_TEXT_SIZE];
    AUTO_DONE(text) struct text words = { 0 };
    AUTO_DONE(text) struct text about = { 0 };
    struct line line = { .level = level, .now = now, .component = component };
    va_list args;
    int saved = errno;

    if (!log_is_on(level))
        return;
    va_start(args, format);
    (void)vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    text_init(&words, WORDS_MAXIMUM);
    (void)text_append_harmless(&words, raw, strlen(raw));
    text_init(&about, SUBJECT_MAXIMUM);
    (void)text_append_harmless(&about, subject, strlen(subject));
    time_text_rfc3339(clock_wall_ms() / 1000 * 1000, now);
    line.subject = about.data;
    line.words = words.data;
    (void)pthread_mutex_lock(&the_log.lock);
    if (is_wanted(level, component) && !is_repeated(&line))
        put_everywhere(&line);
    (void)pthread_mutex_unlock(&the_log.lock);
    errno = saved;
}
