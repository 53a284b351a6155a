/* entity.h - an entity of LightRAG's graph, and the memories behind it: asked of one server, answered by what the state knows. */
#ifndef MC_ENGINE_ENTITY_H
#define MC_ENGINE_ENTITY_H

#include "base/http.h"
#include "engine/engine.h"
#include "engine/lookup.h"
#include "sink/sink.h"

struct entity {
    char *wanted;                     /* the server's spelling; owned */
    char *labels[SINK_LABELS_MAXIMUM]; /* entities whose names look alike; owned */
    size_t label_count;
    struct sink_entity node;
    bool is_full;                     /* more documents than are kept here */
    struct lookup_document *documents; /* owned, with their names (a doc id where only a chunk told of it), each once */
    size_t document_count, document_capacity;
    bool is_answered;
    struct sink_verdict verdict;
};
void entity_done(struct entity *entity);
AUTO_DEFINE_DONE(entity)

/* Two requests, one after the other, over http, which nobody else uses meanwhile; into a zeroed one. -1: the server did not answer it (ERROR_UNREACHABLE,
 * ERROR_DENIED, ERROR_LATER, ERROR_CONFIG). An entity that is not there is an answer: node.is_there. */
int entity_ask(struct http *http, const struct engine_target *target, const char *name, struct entity *entity, struct error *err);
/* Its documents to memories at that target; a document that is not found then is foreign: no memory here made it. */
int entity_find(struct state *state, const struct engine_target *target, struct entity *entity, struct lookup *lookup, struct error *err);
size_t entity_count_foreign(const struct entity *entity);
/* An object of the open array. */
int entity_write(struct json_writer *writer, struct state *state, const char *target, const struct entity *entity, const struct lookup *lookup,
                 struct error *err);
/* The same of a server that was not asked, or did not answer; words: why. */
void entity_write_unknown(struct json_writer *writer, const char *target, const char *name, const char *words);

#endif
