/* source.h - the Memory API: what is asked of it, and what its answers mean.
 *
 * Pure like sink.h: builds the request of a listing, judges how it ended. GET {url}/memory/{context}?limit=N&range=R with X-API-KEY. */
#ifndef MC_SOURCE_SOURCE_H
#define MC_SOURCE_SOURCE_H

#include "base/http.h"
#include "base/text.h"
#include "memory/splitter.h"

#include <stdint.h>

struct source_endpoint {
    const char *url;              /* normal form, without a slash at the end */
    const char *api_key;          /* "" when there is none */
    int64_t timeout_ms;           /* stall: no byte for so long (30 s); the listing as a whole has no limit */
    int64_t response_maximum;     /* bytes */
    const struct http_trust *trust;
};

struct source_storage {           /* zero-initialise by source_storage_init; lives until the answer */
    struct text url;
    struct text header;
    const char *headers[4];
};
void source_storage_init(struct source_storage *storage);
void source_storage_done(struct source_storage *storage);

void source_request_listing(const struct source_endpoint *endpoint, struct source_storage *storage, const char *context, const char *range,
                            int64_t limit, struct http_request *ret_request);

enum source_outcome {
    SOURCE_COMPLETE,        /* a whole listing */
    SOURCE_PARTIAL,         /* broke off, too large, or broken JSON: what was whole was delivered, the rest is a gap; worth another try */
    SOURCE_AGAIN,           /* nothing usable came, worth another try: 429, 5xx, no connection, reset; retry_after_ms */
    SOURCE_DENIED,          /* 401, 403: our key; no retry */
    SOURCE_NO_CONTEXT,      /* 404: this context is not known; no retry */
    SOURCE_STRANGE,         /* a redirect, HTML, no "memories": not a Memory API, or another address; no retry */
    SOURCE_UNTRUSTED,       /* TLS failed: never retried as plain http; no retry */
};

struct source_verdict {
    enum source_outcome outcome;
    int status;
    int64_t retry_after_ms;       /* -1: not told; capped to one hour */
    int64_t received_bytes, announced_bytes; /* announced -1: unknown */
    char words[400];              /* for people: what happened, where, and the remedy */
};

/* splitter_end as after the last byte (already asked with splitter_end()). */
void source_judge(const struct source_endpoint *endpoint, const char *context, const struct http_answer *answer, enum splitter_end end, uint64_t broken_at,
                  struct source_verdict *ret_verdict);

#endif
