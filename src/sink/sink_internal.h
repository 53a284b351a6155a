/* sink_internal.h - what the readers of LightRAG's answers share. */
#ifndef MC_SINK_SINK_INTERNAL_H
#define MC_SINK_SINK_INTERNAL_H

#include "sink/sink.h"

#include <yyjson.h>

/* The body as JSON; NULL when it is none. The caller frees it with yyjson_doc_free. Depth is bounded. */
yyjson_doc *sink_parse(const struct http_answer *answer);

/* The server's words for people: line ends and tabs become blanks, other controls \xNN, the end of the room cuts between characters, and what
 * follows "input_value=" is left out. room >= 1. */
void sink_copy_words(char *out, size_t room, const char *words, size_t size);

/* The same for words of ours with words of theirs in them, into verdict->words. */
void sink_say(struct sink_verdict *verdict, const char *format, ...) MC_PRINTF(2, 3);

/* A string member, or "" when it is missing, no string, or has a NUL inside. */
const char *sink_get_string(yyjson_val *object, const char *key);

/* Judges transport and status; what a body says is left to the caller. true: 2xx with JSON in *ret_document. */
bool sink_judge_answer(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document);

/* The same for what carries no document: here 400, 409, 413 and 422 are judged too. */
bool sink_judge_question(const struct http_answer *answer, struct sink_verdict *ret_verdict, yyjson_doc **ret_document);

#endif
