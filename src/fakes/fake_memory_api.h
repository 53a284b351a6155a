/* fake_memory_api.h - a Memory API: GET /memory/{context}?limit=&range= with X-API-KEY.
 *
 * Memories come from JSON ({"memories":[...]} for every context, or {"contexts":{"ctx":{"memories":[...]}}}: others answer 404), or are made up:
 * count of them, of about size bytes, the same for the same seed. range is honoured by created_at against now (settable), limit too.
 *
 * POST /_fake/control takes {"status":503,"times":2,"retry_after":"1", "cut":1000,"cut_chunked":1000,"stall":1000,"html":true,"redirect":"http://..",
 * "raw":"any body","latency_ms":50,"memories":[...] (replaces what it holds)}: a fault for the next listings. GET /_fake/ledger tells what was asked. */
#ifndef MC_FAKES_FAKE_MEMORY_API_H
#define MC_FAKES_FAKE_MEMORY_API_H

#include "fakes/fake.h"

struct fake_memory_settings {
    const char *json;       /* NULL: made-up memories */
    size_t json_size;
    int64_t count;
    int64_t size;           /* bytes of a made-up memory's JSON, about */
    uint64_t seed;
    const char *api_key;    /* "" or NULL: none wanted */
};

struct fake_memory_api;

int fake_memory_api_new(const struct fake_memory_settings *settings, struct fake_memory_api **ret_fake, struct error *err);
void fake_memory_api_free(struct fake_memory_api *fake);
AUTO_DEFINE(fake_memory_api)
fake_handler fake_memory_api_handle; /* its fake is a struct fake_memory_api */

#endif
