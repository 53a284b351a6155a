/* config_convert.h - a configuration of the older Go program, or one in the shape of that program's design documents, turned into ours.
 *
 * The two shapes are told apart by their keys. What has a counterpart here is carried over; a value out of our range is brought into it; what has none is
 * named with its place and with what to do instead. The result is YAML with the same as comments, and "config check" takes it as it is. ${VAR} stays text:
 * nothing is expanded, no variable is looked at. Messages never quote a secret, nor the value of a key that is not known.
 *
 * Source: the Go program's pkg/config/config.go and pkg/models/connector.go; the design documents' 01-ARCHITECTURE.md and 04-CONFIGURATION.md. The table of
 * what becomes what is in config_convert.c, for people in docs/migration.md. */
#ifndef MC_CONFIG_CONFIG_CONVERT_H
#define MC_CONFIG_CONFIG_CONVERT_H

#include "config/config.h"

enum convert_shape { CONVERT_OURS, CONVERT_GO, CONVERT_DESIGN };

enum convert_kind {
    CONVERT_MISSING,       /* there is no counterpart: left out */
    CONVERT_UNKNOWN,       /* neither program has such a setting: left out */
    CONVERT_CHANGED,       /* carried over, but not as it was */
    CONVERT_WARNING,       /* carried over, and to be looked at */
    CONVERT_KINDS
};

struct convert_note {
    enum convert_kind kind;
    char *path;            /* in the old file, "connectors[1].transform.media_context"; of what ours refuses, where it was to stand */
    size_t line, column;   /* there, from 1; 0: it does not stand there */
    char *message;
    const char *key;       /* notes of one key are one; NULL: it stands alone */
    size_t more;           /* in so many more places */
};

struct conversion {
    enum convert_shape shape;
    struct text yaml;      /* of CONVERT_OURS: the old text as it was */
    size_t carried;        /* settings that were carried over */
    struct convert_note *notes; /* in the order of the old file */
    size_t note_count, note_capacity;
    char **variables;      /* names of the environment variables that the result reads */
    size_t variable_count, variable_capacity;
};
void conversion_done(struct conversion *conversion);
AUTO_DEFINE_DONE(conversion)

extern const char *const convert_shape_names[]; /* "memory-connector", "go", "design": for JSON */
extern const char *const convert_shape_words[]; /* "a configuration of the Go program": for people */
extern const char *const convert_kind_names[];  /* "no_counterpart", ...: for JSON */
extern const char *const convert_kind_titles[]; /* "No counterpart": for people */

/* file    names the text in messages and in the result
 * zone    IANA zone for cron expressions that name none (the old programs took the machine's); NULL: not known, so UTC
 *
 * 0; or -1 with ERROR_CONFIG when the text is no such configuration or lacks what neither program does without; problems say more. */
int config_convert(const char *file, const char *text, size_t size, const char *zone, struct conversion *ret_conversion, struct config_problems *problems,
                   struct error *err);

#endif
