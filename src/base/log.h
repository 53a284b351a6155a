/* log.h - what the program tells its operator, on standard error.
 *
 * console: "2026-11-23T09:30:00Z warn  target default: refused the connection; trying again in 4 s"
 * json:    {"ts":"...","level":"warn","component":"target","msg":"...","connector":"...","run":"..."}; one object a line
 *
 * A line says who, what, and what happens next; never a key, never a transcript. Control characters and bidi marks
 * from outside are shown escaped. Logging never blocks or fails a delivery: a line that cannot be written is counted. While a
 * progress line stands on the terminal (log_set_progress_hook), it is cleared before a log line and drawn again after it.
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

struct log_settings {
    enum log_level level;
    enum log_format format;
    bool color;
    const char *file_path; /* "" or NULL: standard error only; opened for appending, 0600 */
};

int log_open(const struct log_settings *settings, struct error *err); /* before it: warn and above, console, no colour */
void log_reopen(void);                                                /* SIGHUP: the file was moved away */
void log_close(void);

bool log_level_from_name(const char *name, enum log_level *ret_level); /* any case; "warning" is warn */
bool log_is_on(enum log_level level);
uint64_t log_lost_lines(void);

void log_set_progress_hook(void (*clear)(void *context), void (*draw)(void *context), void *context);

/* component: "engine", "target", "source", "state", "config", "cli", "http"; subject: the object it is about, or "". */
void log_line(enum log_level level, const char *component, const char *subject, const char *format, ...) MC_PRINTF(4, 5);

#define log_debug(component, subject, ...) \
    (log_is_on(LOG_DEBUG) ? log_line(LOG_DEBUG, (component), (subject), __VA_ARGS__) : (void)0)
#define log_info(component, subject, ...) log_line(LOG_INFO, (component), (subject), __VA_ARGS__)
#define log_warn(component, subject, ...) log_line(LOG_WARN, (component), (subject), __VA_ARGS__)
#define log_error(component, subject, ...) log_line(LOG_ERROR, (component), (subject), __VA_ARGS__)

#endif
