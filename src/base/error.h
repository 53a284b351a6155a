/* error.h - errors carry their story; one place tells it.
 *
 * The cause is written where it happens, each caller puts what it was doing in front of it, only the top prints or logs it:
 * "memory m7: transcript: not UTF-8 at byte 12". A message names the thing, the place and, where there is one, the remedy.
 *
 * A kind says how the program has to react and how it ends, never what the cause was: few kinds, many messages.
 *
 *     if (file == NULL)
 *         return error_set(err, ERROR_IO, "cannot open %s: %s", path, strerror(errno));
 *     if (text_append(...) < 0)
 *         return error_wrap(err, "memory %s", id);
 *
 * Both are macros whose value is -1, so that compilers and analysers see the result. err may be NULL when nobody asks. */
#ifndef MC_BASE_ERROR_H
#define MC_BASE_ERROR_H

#include "base/auto.h"

enum error_kind {
    ERROR_NONE,
    ERROR_FAILED,      /* this did not work; nothing else follows from it */
    ERROR_USAGE,       /* the command line is wrong */
    ERROR_CONFLICT,    /* somebody else holds the state, or a run is under way */
    ERROR_UNREACHABLE, /* source or target do not answer */
    ERROR_IO,          /* our own side: disk, state, descriptors */
    ERROR_LATER,       /* the other side says: not now */
    ERROR_DENIED,      /* a key was refused */
    ERROR_CONFIG,      /* configuration, unknown context included */
    ERROR_CANCELLED,   /* somebody asked us to stop */
    ERROR_KINDS
};

enum { ERROR_MESSAGE_SIZE = 1024 }; /* longer stories are cut; a message is for people */

struct error {
    enum error_kind kind;
    char message[ERROR_MESSAGE_SIZE]; /* UTF-8, no line end, no control characters from outside */
};

#define error_set(err, kind, ...) (error_set_((err), (kind), __VA_ARGS__), -1)
#define error_wrap(err, ...) (error_wrap_((err), __VA_ARGS__), -1)

/* As error_wrap, but also changes how the program reacts. */
#define error_wrap_kind(err, kind, ...) (error_wrap_kind_((err), (kind), __VA_ARGS__), -1)

void error_set_(struct error *err, enum error_kind kind, const char *format, ...) MC_PRINTF(3, 4);
void error_wrap_(struct error *err, const char *format, ...) MC_PRINTF(2, 3);
void error_wrap_kind_(struct error *err, enum error_kind kind, const char *format, ...) MC_PRINTF(3, 4);

/* The exit code of a program that ends with this kind (INTERFACES: 0, 1, 2, 5, 69, 74, 75, 77, 78). */
int error_exit_code(enum error_kind kind);

/* "failed", "usage", "conflict", "unreachable", "io", "later", "denied", "config", "cancelled": for JSON and logs. */
const char *error_kind_name(enum error_kind kind);

#endif
