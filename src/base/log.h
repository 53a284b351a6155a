/* log.h - what the program tells its operator, on standard error, into a file, or both.
 *
 * console: "2026-11-23T09:30:00Z warn  target default: refused the connection; trying again in 4 s"
 * json:    {"ts":"...","level":"warn","component":"target","msg":"...","connector":"...","run":"..."}; one object a line
 *
 * A line says who, what, and what happens next; never a key, never a transcript. Control characters and bidi marks
 * from outside are shown escaped. Logging never blocks or fails a delivery: a line that cannot be written is counted. While a
 * progress line stands on the terminal (log_set_progress_hook), it is cleared before a log line and drawn again after it.
 *
 * A line that says the same as the one before it, within a minute, is counted instead of written; the next other line, or the next of its kind behind
 * that minute, is preceded by how often it came. Where standard error is systemd's journal, lines begin with its priority, and without the time.
 * A file is moved to PATH.1 before it becomes larger than file_maximum, PATH.1 to PATH.2 and so on.
 *
 * The log is the one global object that changes, besides the signal flag; it may be used from every thread. */
#ifndef MC_BASE_LOG_H
#define MC_BASE_LOG_H

#include "base/auto.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_CONSOLE, LOG_JSON };

enum { LOG_COMPONENTS = 10 };
extern const char *const log_component_names[LOG_COMPONENTS]; /* what log_line may be given as component */

struct log_settings {
    enum log_level level;
    enum log_format format;
    bool color;
    const char *file_path; /* "" or NULL: standard error only; opened for appending, 0600 */
    bool with_console;     /* with a file: standard error as well */
    int64_t file_maximum;  /* bytes; 0: no limit */
    int file_backups;      /* older files that are kept: PATH.1 ... */
    enum log_level components[LOG_COMPONENTS]; /* of each; used where has_component says so */
    bool has_component[LOG_COMPONENTS];
};

int log_open(const struct log_settings *settings, struct error *err); /* before it: warn and above, console, no colour */
void log_reopen(void);                                                /* SIGHUP: the file was moved away */
void log_close(void);

bool log_level_from_name(const char *name, enum log_level *ret_level); /* any case; "warning" is warn */
bool log_is_on(enum log_level level);
uint64_t log_lost_lines(void);

void log_set_progress_hook(void (*clear)(void *context), void (*draw)(void *context), void *context);

/* component: one of log_component_names; subject: the object it is about, or "". */
void log_line(enum log_level level, const char *component, const char *subject, const char *format, ...) MC_PRINTF(4, 5);

#define log_debug(component, subject, ...) \
    (log_is_on(LOG_DEBUG) ? log_line(LOG_DEBUG, (component), (subject), __VA_ARGS__) : (void)0)
#define log_info(component, subject, ...) log_line(LOG_INFO, (component), (subject), __VA_ARGS__)
#define log_warn(component, subject, ...) log_line(LOG_WARN, (component), (subject), __VA_ARGS__)
#define log_error(component, subject, ...) log_line(LOG_ERROR, (component), (subject), __VA_ARGS__)

#endif
