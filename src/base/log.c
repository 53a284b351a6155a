#include "base/log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/text.h"
#include "base/time_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LINE_MAXIMUM = 4096 };

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    enum log_format format;
    bool color;
    int fd;
    char path[1024];
    uint64_t lost;
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
    the_log.level = settings->level;
    the_log.format = settings->format;
    the_log.color = settings->color && fd == STDERR_FILENO;
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
    the_log.level = LOG_WARN;
    the_log.format = LOG_CONSOLE;
    the_log.color = false;
    (void)pthread_mutex_unlock(&the_log.lock);
}

bool log_is_on(enum log_level level)
{
    return level >= the_log.level;
}

uint64_t log_lost_lines(void)
{
    return the_log.lost;
}

void log_set_progress_hook(void (*clear)(void *context), void (*draw)(void *context), void *context)
{
    (void)pthread_mutex_lock(&the_log.lock);
    the_log.clear = clear;
    the_log.draw = draw;
    the_log.hook_context = context;
    (void)pthread_mutex_unlock(&the_log.lock);
}

/* Bidi marks (U+200E, U+200F, U+202A..U+202E, U+2066..U+2069), C1 (U+0080..U+009F): their length in bytes; 0: harmless. */
static size_t harmful_length(const unsigned char *at, size_t left)
{
    if (*at < 0x20 || *at == 0x7F)
        return 1;
    if (left >= 2 && at[0] == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F)
        return 2;
    if (left >= 3 && at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0x8E || at[2] == 0x8F || (at[2] >= 0xA8 && at[2] <= 0xAE)))
        return 3;
    if (left >= 3 && at[0] == 0xE2 && at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9)
        return 3;
    return 0;
}

static void append_harmless(struct text *line, const char *words)
{
    size_t left = strlen(words);

    for (const unsigned char *at = (const unsigned char *)words; left > 0;) {
        size_t length = harmful_length(at, left);
        if (length == 0) {
            (void)text_append_bytes(line, at, 1);
            length = 1;
        } else {
            for (size_t i = 0; i < length; i++)
                (void)text_append_format(line, "\\x%02x", at[i]);
        }
        at += length;
        left -= length;
    }
}

static void write_console(struct text *line, enum log_level level, const char *now, const char *component, const char *subject, const char *words)
{
    static const char *const colors[] = { "\033[2m", "", "\033[33m", "\033[31m", "" };

    (void)text_append_format(line, "%s %s%-5s%s ", now, the_log.color ? colors[level] : "", level_names[level], the_log.color ? "\033[0m" : "");
    (void)text_append(line, component);
    if (subject[0] != '\0') {
        (void)text_append_char(line, ' ');
        append_harmless(line, subject);
    }
    (void)text_append(line, ": ");
    append_harmless(line, words);
}

static void write_json(struct text *line, enum log_level level, const char *now, const char *component, const char *subject, const char *words)
{
    struct json_writer writer;

    json_write_begin(&writer, line);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "ts", now);
    json_write_string(&writer, "level", level_names[level]);
    json_write_string(&writer, "component", component);
    json_write_bytes(&writer, "msg", words, strlen(words));
    if (subject[0] != '\0')
        json_write_bytes(&writer, strcmp(component, "target") == 0 ? "target" : "connector", subject, strlen(subject));
    json_write_close(&writer);
}

static void put_line(struct text *line)
{
    (void)text_append_char(line, '\n');
    if (write(the_log.fd, line->data, line->size) != (ssize_t)line->size)
        the_log.lost++;
}

void log_line(enum log_level level, const char *component, const char *subject, const char *format, ...)
{
    char words[LINE_MAXIMUM];
    char now[TIME_TEXT_SIZE];
    AUTO_DONE(text) struct text line = { 0 };
    va_list args;
    int saved = errno;

    if (!log_is_on(level))
        return;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
    text_init(&line, 8 * LINE_MAXIMUM);
    time_text_rfc3339(clock_wall_ms() / 1000 * 1000, now);
    (void)pthread_mutex_lock(&the_log.lock);
    if (the_log.format == LOG_JSON)
        write_json(&line, level, now, component, subject, words);
    else
        write_console(&line, level, now, component, subject, words);
    if (the_log.clear != NULL && the_log.fd == STDERR_FILENO)
        the_log.clear(the_log.hook_context);
    put_line(&line);
    if (the_log.draw != NULL && the_log.fd == STDERR_FILENO)
        the_log.draw(the_log.hook_context);
    (void)pthread_mutex_unlock(&the_log.lock);
    errno = saved;
}
