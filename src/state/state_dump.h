/* state_dump.h - a whole state as a file of lines (state_rows.h), and back. Snapshots of the JSON backend and exports are the same file:
 *
 *     {"crc":..,"size":..,"memory_connector":"state","schema":6,"generation":12,"made":"2026-11-23T09:00:00Z"}
 *     {"crc":..,"size":..,"rows":[["put","batches",{...}]]}
 *     ...
 *     {"crc":..,"size":..,"end":812}        so many lines of rows were before it */
#ifndef MC_STATE_STATE_DUMP_H
#define MC_STATE_STATE_DUMP_H

#include "base/error.h"
#include "state/state_rows.h"

#include <stdint.h>

/* The SQL function mc_row(verb, table, values...[, values before...]) appends a row to out, for triggers and dumps of this connection. Both must outlive it. */
struct dump_sink {
    struct rows *rows;
    struct text *out;
};
enum dump_verb { DUMP_PUT, DUMP_SET, DUMP_DROP };
int dump_make_function(sqlite3 *db, struct dump_sink *sink, struct error *err);
/* "mc_row(0,3,prefix.a,prefix.b" without the last parenthesis. */
void dump_write_call(struct text *sql, const struct rows *rows, int table, enum dump_verb verb, const char *prefix, const char *before);

struct dump_head {
    int schema;
    int64_t generation;           /* 0: an export */
    int64_t made_ms;
    bool is_journal;
};

/* Writes everything into the open file, without syncing it. The function must have been made, its sink must be empty. *ret_bytes: how many. */
int dump_write(sqlite3 *db, const struct dump_sink *sink, int fd, const char *path, const struct dump_head *head, int64_t *ret_bytes, struct error *err);
int dump_write_head(int fd, const char *path, const struct dump_head *head, int64_t *ret_bytes, struct error *err);
int dump_write_bytes(int fd, const char *path, const char *bytes, size_t size, struct error *err);

/* Reads a file line by line. */
struct line_reader {
    const char *path;             /* borrowed */
    int fd;
    struct text buffer;
    size_t at;                    /* of the buffer: where the next line begins */
    int64_t offset;               /* of the file, likewise */
    bool is_end;
};
void line_reader_init(struct line_reader *reader, const char *path, int fd);
void line_reader_done(struct line_reader *reader);
AUTO_DEFINE_DONE(line_reader)
/* 1: a line, without its newline, borrowed until the next call; *ret_offset: where it begins; *ret_has_newline. 0: the end. -1: the file cannot be read. */
int line_reader_next(struct line_reader *reader, const char **ret_line, size_t *ret_size, int64_t *ret_offset, bool *ret_has_newline, struct error *err);

/* What a bad line means to whoever reads on: return 0 to leave it out, -1 (err is set) to stop. NULL: stop. */
typedef int dump_bad_line(void *context, int64_t offset, const char *why, struct error *err);

int dump_read_head(const char *line, size_t size, const char *path, struct dump_head *ret_head, struct error *err);
/* Brings a dump into a database that has the tables of its schema. Every line must be whole and the last one say how many there were. */
int dump_load(struct rows *rows, struct line_reader *reader, dump_bad_line *bad, void *context, int64_t *ret_rows, struct error *err);

#endif
