/* sink_answer.h - answers as the HTTP client would hand them over, for the tests of the sink. */
#ifndef MC_TESTS_SINK_ANSWER_H
#define MC_TESTS_SINK_ANSWER_H

#include "sink/sink.h"

#include <string.h>

static inline struct http_answer answer_bytes(int status, const char *body, size_t size)
{
    return (struct http_answer){ .end = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .date_ms = -1, .content_length = -1, .content_type = "",
                                 .location = "", .body = body, .body_size = size, .received_bytes = (int64_t)size, .words = "" };
}

static inline struct http_answer answer_text(int status, const char *body)
{
    return answer_bytes(status, body, strlen(body));
}

/* No whole answer: status and body are what came of it. */
static inline struct http_answer answer_cut(enum http_end end, int status, const char *body)
{
    struct http_answer answer = answer_text(status, body);

    answer.end = end;
    answer.words = "said the client";
    return answer;
}

#endif
