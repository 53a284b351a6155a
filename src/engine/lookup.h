/* lookup.h - which memories a word means: a memory's id, its document name, LightRAG's doc id (or one of its chunks), a track id, a memory:// address.
 *
 * All are looked for in the state alone, without the server. Ids, names and addresses are found by an index; doc ids, shortened document names and
 * tracks by walking through the state (docs/provenance.md says how long that takes). */
#ifndef MC_ENGINE_LOOKUP_H
#define MC_ENGINE_LOOKUP_H

#include "base/error.h"
#include "base/json_write.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>

enum { LOOKUP_MAXIMUM = 1000 }; /* memories; a batch has a hundred */

enum lookup_kind { LOOKUP_ID, LOOKUP_NAME, LOOKUP_DOC_ID, LOOKUP_TRACK, LOOKUP_ADDRESS };
const char *lookup_kind_name(enum lookup_kind kind); /* "memory id", ... */

struct lookup {
    enum lookup_kind kind;        /* what the word was taken for */
    int64_t *seqs;                /* owned; each once, in the order found */
    size_t count, capacity;
    bool is_cut;                  /* there are more than LOOKUP_MAXIMUM */
};
void lookup_done(struct lookup *lookup);
AUTO_DEFINE_DONE(lookup)
void lookup_add(struct lookup *lookup, int64_t seq);

/* 0, whatever was found; -1: the state failed, or the words can mean nothing (ERROR_USAGE: a shortened address, a dup- row). */
int lookup_find(struct state *state, const char *what, struct lookup *lookup, struct error *err);
/* Only the memory with this id, in every stream of this context. */
int lookup_in_context(struct state *state, const char *context, struct slice id, struct lookup *lookup, struct error *err);
/* Documents by the MD5 of their names (1.5: their doc ids), all in one walk; they get sorted, and is_found where there is a memory. */
struct lookup_document { uint8_t md5[16]; bool is_found; char *name; /* the caller's own */ };
enum { LOOKUP_ANY_TARGET = 0 }; /* or the state's number of a target: only memories of that one */
int lookup_doc_ids(struct state *state, int64_t target, struct lookup_document *documents, size_t count, struct lookup *lookup, struct error *err);

/* A memory with all that names it. Texts are owned. */
struct found {
    struct memory_row row;        /* its id and name point into the texts */
    struct stream_row stream;
    struct text id, source, context, stored_name, name, address;
    char doc_id[40];              /* "" when it cannot be told: 1.4 and no text kept */
    int64_t first_ms;             /* 0: not known */
    char target_name[65];
    struct text url, version;
};
int found_read(struct state *state, int64_t seq, struct found *found, struct error *err); /* into a zeroed one */
void found_done(struct found *found);
AUTO_DEFINE_DONE(found)
/* What names it, and where it stands, into the open object: the members that explain and resolve share. */
void found_write(struct json_writer *writer, const struct found *found);
/* "memories": all of them. */
int lookup_write(struct state *state, const struct lookup *lookup, struct json_writer *writer, struct error *err);

#endif
