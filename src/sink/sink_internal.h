/* sink_internal.h - what the readers of LightRAG's answers share. */
#ifndef MC_SINK_SINK_INTERNAL_H
#define MC_SINK_SINK_INTERNAL_H

#include "sink/sink.h"

#include <yyjson.h>

/* The body as JSON; NULL when it is none. The caller frees it with yyjson_doc_free. Depth is bounded. */
yyjson_doc *sink_parse(const struct http_answer *answer);

/* Copies printable text: control characters become blanks, cut between UTF-8 characters. */
void sink_copy_words(char *out, size_t room, const char *words, size_t size);

/* A string member, or "" when it is missing or no string. */
const char *sink_get_string(yyjson_val *object, const char *key);

/* Judges transport and status; what a body says is left to the caller. true: 2xx with JSON in *ret_document. */
bool sink_judge_answer(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document);

#endif
