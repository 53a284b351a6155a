/* state_rows.h - the rows of a state as lines that a person can read: journals and snapshots of the JSON backend, and exports.
 *
 *     {"crc":"9f3a21bc","size":57,"rows":[["put","texts",{"seq":7,"text":"..."}]]}
 *
 * size counts the bytes between the comma behind it and the last brace, crc is their CRC-32 (IEEE 802.3, as zlib and PNG have it), so that a line that was
 * cut or altered is known as such; the line as a whole is JSON, so that jq reads it. One line is one transaction, or one row of a snapshot.
 *
 *     ["put", TABLE, {every column}]    the row is as it stands here, whatever was there
 *     ["set", TABLE, {key, changed columns}]
 *     ["drop", TABLE, {key}]
 *
 * Numbers are integers; a string in a BLOB column is its bytes, {"hex":"..."} those that are not UTF-8, {"text":"..."} a text that stands in a BLOB column.
 * Tables and columns are asked of SQLite, so that a migration changes nothing here. */
#ifndef MC_STATE_STATE_ROWS_H
#define MC_STATE_STATE_ROWS_H

#include "base/error.h"
#include "base/text.h"

#include <sqlite3.h>
#include <stdbool.h>

enum { ROWS_TABLES = 24, ROWS_COLUMNS = 48, ROWS_NAME_SIZE = 32 };

struct rows_table {
    char name[ROWS_NAME_SIZE];
    int columns, keys;
    char column[ROWS_COLUMNS][ROWS_NAME_SIZE];
    bool is_blob[ROWS_COLUMNS];
    bool is_key[ROWS_COLUMNS];
};

struct rows {
    sqlite3 *db;                  /* borrowed */
    int tables;
    struct rows_table table[ROWS_TABLES];
    bool takes_only_new;          /* only "put", and never over a row that is there */
    struct rows_statement *statements; /* of loading, prepared once for each set of columns */
    size_t count, capacity;
};

/* Asks db what tables it has. Always to be followed by rows_done, also after an error. 0 or -1. */
int rows_init(struct rows *rows, sqlite3 *db, struct error *err);
void rows_done(struct rows *rows);

/* Appends ["put",...] of a row; one value for each column of the table. */
void rows_write_put(const struct rows *rows, int table, sqlite3_value **values, struct text *out);
void rows_write_set(const struct rows *rows, int table, sqlite3_value **values, sqlite3_value **before, struct text *out); /* nothing when nothing changed */
void rows_write_drop(const struct rows *rows, int table, sqlite3_value **values, struct text *out);

/* Appends a whole line with its newline. inside: what stands between the head and the last brace, such as "rows":[...]. */
void rows_frame(struct text *line, const char *inside, size_t size);
/* Is this a whole line (without newline)? */
bool rows_frame_is_whole(const char *line, size_t size);
/* Does a line begin anywhere in these bytes? Nothing inside of a line looks so, because quotes are escaped there. */
bool rows_frame_begins(const char *bytes, size_t size);

struct yyjson_val;
struct yyjson_doc;
/* A line as JSON, freed with yyjson_doc_free; NULL: it is none. Memory that is out ends the program: it is not the line's fault. */
struct yyjson_doc *rows_parse(const char *line, size_t size);
/* The same, and what is wrong where. */
struct yyjson_doc *rows_parse_json(const char *bytes, size_t size, const char **ret_problem, size_t *ret_at);
/* Brings the rows of a line (a JSON value that was parsed) into the database. With takes_only_new nothing that is there is replaced. 0; -1: something contradicts the schema or what is there. */
int rows_load(struct rows *rows, struct yyjson_val *array, struct error *err);

#endif
