/* fake_memory_api.h - a Memory API: GET /memory/{context}?limit=&range= with X-API-KEY.
 *
 * Memories come from JSON ({"memories":[...]} for every context, or {"contexts":{"ctx":{"memories":[...]}}}: others answer 404), or are made up:
 * count of them, of about size bytes, the same for the same seed, in several languages, with hashtags and places, for every context and range.
 * A range counts back from "now": what control set, else the newest memory of the context, because sample files age.
 *
 * GET /_fake/ledger: {"listings","denied","requests"}. POST /_fake/control, any of (an unknown word is refused with 422):
 *   a new fault for the next listings (every call replaces the last fault; {"times":0} ends it):
 *     times N          how many listings it spoils (all)
 *     status N, retry_after S, redirect URL, html true (200 with a page), raw "any body"
 *     cut N (a length is announced), cut_chunked N, reset N, stall N: after N bytes; drip N: N bytes at a time, drip_ms apart (10)
 *     gzip true        the answer comes packed
 *     latency_ms N
 *   the data: memories [...] or contexts {...} (takes the place of all), upsert [...] and delete [ids] (of context C, or of the common list),
 *     now "2026-01-31T12:00:00Z" */
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
