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
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    /* poll promises 4096 bytes of room in a pipe; as JSON these two are at most twice as long, and the rest of a line is short */
    WORDS_MAXIMUM = 1800,
    SUBJECT_MAXIMUM = 160,
    PATIENCE_MS = 200,
};

static struct {
    pthread_mutex_t lock;
    atomic_int level; /* read without the lock */
    enum log_format format;
    bool color;
    bool is_stuck;    /* the reader did not read the last time */
    int fd;
    char path[1024];
    atomic_uint_least64_t lost;
    void (*clear)(void *context);
    void (*draw)(void *context);
    void *hook_context;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_WARN, .fd = STDERR_FILENO };

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

int log_open(const struct log_settings *settings, struct error *err)
{
    int fd = STDERR_FILENO;

    if (settings->file_path != NULL && settings->file_path[0] != '\0') {
        fd = open_file(settings->file_path);
        if (fd < 0)
            return error_set(err, ERROR_IO, "cannot open the log file %s: %s", settings->file_path, strerror(errno));
    }
    (void)pthread_mutex_lock(&the_log.lock);
    atomic_store(&the_log.level, (int)settings->level);
    the_log.format = settings->format;
    the_log.color = settings->color && fd == STDERR_FILENO;
    if (the_log.fd != STDERR_FILENO)
        (void)close(the_log.fd);
    the_log.fd = fd;
    (void)snprintf(the_log.path, sizeof the_log.path, "%s", settings->file_path != NULL ? settings->file_path : "");
    (void)pthread_mutex_unlock(&the_log.lock);
    return 0;
}

void log_reopen(void)
{
    int fd;

    (void)pthread_mutex_lock(&the_log.lock);
    fd = the_log.path[0] != '\0' ? open_file(the_log.path) : -1;
    if (fd >= 0) {
        (void)close(the_log.fd);
        the_log.fd = fd;
    }
    (void)pthread_mutex_unlock(&the_log.lock);
}

void log_close(void)
{
    (void)pthread_mutex_lock(&the_log.lock);
    if (the_log.fd != STDERR_FILENO)
        (void)close(the_log.fd);
    the_log.fd = STDERR_FILENO;
    the_log.path[0] = '\0';
    atomic_store(&the_log.level, LOG_WARN);
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

static void write_console(struct text *line, enum log_level level, const char *now, const char *component, const char *subject, const char *words)
{
    static const char *const colors[] = { "\033[2m", "", "\033[33m", "\033[31m", "" };

    (void)text_append_format(line, "%s %s%-5s%s ", now, the_log.color ? colors[level] : "", level_names[level], the_log.color ? "\033[0m" : "");
    (void)text_append(line, component);
    (void)text_append_format(line, "%s%s: %s", subject[0] != '\0' ? " " : "", subject, words);
}

static void write_json(struct text *line, enum log_level level, const char *now, const char *component, const char *subject, const char *words)
{
    struct json_writer writer;

    json_write_begin(&writer, line);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "ts", now);
    json_write_string(&writer, "level", level_names[level]);
    json_write_string(&writer, "component", component);
    json_write_string(&writer, "msg", words);
    if (subject[0] != '\0')
        json_write_string(&writer, strcmp(component, "target") == 0 ? "target" : "connector", subject);
    json_write_close(&writer);
}

/* A reader that does not read (a full pipe, a terminal that is held) gets a moment once, then its lines are dropped until it reads again:
 * delivery must not stand still for a log. */
static bool can_write(void)
{
    struct pollfd watched = { .fd = the_log.fd, .events = POLLOUT };
    int ready = poll(&watched, 1, the_log.is_stuck ? 0 : PATIENCE_MS);

    the_log.is_stuck = ready == 0;
    return ready != 0; /* a failure is write's to report */
}

static void put_line(struct text *line)
{
    ssize_t put = -1;

    (void)text_append_char(line, '\n');
    if (can_write())
        do
            put = write(the_log.fd, line->data, line->size);
        while (put < 0 && errno == EINTR);
    if (put != (ssize_t)line->size)
        atomic_fetch_add(&the_log.lost, 1);
}

void log_line(enum log_level level, const char *component, const char *subject, const char *format, ...)
{
    char raw[WORDS_MAXIMUM + 1];
    char now[TIME_TEXT_SIZE];
    AUTO_DONE(text) struct text line = { 0 };
    AUTO_DONE(text) struct text words = { 0 };
    AUTO_DONE(text) struct text about = { 0 };
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
    text_init(&line, 0);
    time_text_rfc3339(clock_wall_ms() / 1000 * 1000, now);
    (void)pthread_mutex_lock(&the_log.lock);
    if (the_log.format == LOG_JSON)
        write_json(&line, level, now, component, about.data, words.data);
    else
        write_console(&line, level, now, component, about.data, words.data);
    if (the_log.clear != NULL && the_log.fd == STDERR_FILENO)
        the_log.clear(the_log.hook_context);
    put_line(&line);
    if (the_log.draw != NULL && the_log.fd == STDERR_FILENO)
        the_log.draw(the_log.hook_context);
    (void)pthread_mutex_unlock(&the_log.lock);
    errno = saved;
}
