/* fake_memory_internal.h - the memories (fake_memory_data.c) under the fake Memory API's routes and faults (fake_memory_api.c). */
#ifndef MC_FAKES_FAKE_MEMORY_INTERNAL_H
#define MC_FAKES_FAKE_MEMORY_INTERNAL_H

#include "fakes/fake_memory_api.h"

#include "base/text.h"

#include <yyjson.h>

struct fake_memory_data {
    int64_t count, size;          /* of made-up memories */
    uint64_t seed;
    yyjson_mut_doc *document;     /* NULL: they are made up */
    int64_t now_ms;               /* INT64_MIN: the newest memory of a list */
};

int fake_data_load(struct fake_memory_data *data, const char *json, size_t size, struct error *err); /* takes the place of what is there */
void fake_data_done(struct fake_memory_data *data);
bool fake_data_has_context(const struct fake_memory_data *data, const char *context);
/* The list of a context as an answer's body. range_ms 0: all. */
void fake_data_list(const struct fake_memory_data *data, const char *context, int64_t limit, int64_t range_ms, struct text *out);
/* The same for made-up memories, made while they are sent. */
void fake_data_stream(const struct fake_memory_data *data, int64_t limit, struct http_server_answer *answer);
/* context NULL: the common list. false: there is no such list, or a memory without an id. */
bool fake_data_upsert(struct fake_memory_data *data, const char *context, yyjson_val *memories);
bool fake_data_delete(struct fake_memory_data *data, const char *context, yyjson_val *ids);

#endif
