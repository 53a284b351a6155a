/* identity.h - the names under which a memory is known outside.
 *
 * Document name, sent to LightRAG as file_source: memory~{context}~{id}; a source other than "default" adds its name:
 * memory~{source}~{context}~{id}. Every byte outside [A-Za-z0-9_-] is percent-encoded (%XX, upper case) in each part; a part whose encoded
 * form is longer than 120 bytes, or has by chance the form that follows, becomes its first 80 bytes + "-" + 32 hex digits of the SHA-256 of
 * the raw part: names are as different as what they name. LightRAG 1.5 keeps only
 * what stands behind the last "/" of a file_source, so the name has none; 1.4 breaks on control characters, so it has none of these.
 *
 * Address, for people and in the first line of every text: memory://{context}/{id}, parts encoded the same way.
 *
 * First line: [memory://{context}/{id} revision {12 hex}]; an address past 160 bytes is shortened in its middle with "...". */
#ifndef MC_MEMORY_IDENTITY_H
#define MC_MEMORY_IDENTITY_H

#include "base/text.h"
#include "memory/memory.h"

enum { REVISION_MARK_SIZE = 13 }; /* 12 hex digits and NUL */

void identity_document_name(struct text *out, const char *source, const char *context, struct slice id);
/* The last part of a document name, for many names of one context in a row. */
void identity_append_part(struct text *out, struct slice id);
void identity_address(struct text *out, const char *context, struct slice id);
void identity_revision_mark(const uint8_t revision[SHA256_SIZE], char ret_mark[REVISION_MARK_SIZE]);
void identity_first_line(struct text *out, const char *context, struct slice id, const char *mark); /* without line end */

/* Finds the revision mark in the beginning of a text as a LightRAG listing shows it (its first 250 characters, perhaps cut).
 * false: no first line of ours. */
bool identity_find_mark(const char *summary, size_t size, char ret_mark[REVISION_MARK_SIZE]);

/* The way back, where nothing was shortened. false: not a name of ours, or shortened. The parts are decoded bytes; untouched
 * when false. */
bool identity_parse_name(const char *name, struct text *ret_source, struct text *ret_context, struct text *ret_id);

#endif
