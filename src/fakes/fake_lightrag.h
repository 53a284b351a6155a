/* fake_lightrag.h - LightRAG's document API as measured on 1.5.7 and 1.4.9.9: storing and processing happen later, names are refused, dup- rows
 * appear, nothing resumes by itself after a restart. What it keeps is kept in memory.
 *
 * GET /_fake/ledger: {"inserts","texts","rows","live","doubled","lost","max_in_flight","processed",...}. POST /_fake/control:
 *   drop_every N      the answer of every Nth insert is dropped after the insert was taken
 *   fail_match TEXT   processing of documents that contain TEXT fails ("fail_times" N: so often, then it works)
 *   error_match TEXT  inserts that contain TEXT answer 500
 *   busy_ms N         inserts answer 409 "Pipeline is clearing ..." for so long
 *   status N, times N, retry_after S, word W, html true    the next inserts answer so
 *   store_delay_ms, process_delay_ms, latency_ms
 *   restart true      what was accepted and not stored is lost, nothing runs until it is kicked
 *   wipe true         everything is gone */
#ifndef MC_FAKES_FAKE_LIGHTRAG_H
#define MC_FAKES_FAKE_LIGHTRAG_H

#include "fakes/fake.h"

struct fake_lightrag_settings {
    bool is_14;
    const char *api_key;         /* "" or NULL: none wanted */
    const char *workspace;       /* "" or NULL */
    int64_t store_delay_ms;
    int64_t process_delay_ms;    /* per document */
    bool lean;                   /* texts are not kept (benchmarks): queries find nothing */
    const char *fail_match;      /* "" or NULL */
};

struct fake_lightrag;

struct fake_lightrag *fake_lightrag_new(const struct fake_lightrag_settings *settings);
void fake_lightrag_free(struct fake_lightrag *fake);
AUTO_DEFINE(fake_lightrag)
fake_handler fake_lightrag_handle; /* its fake is a struct fake_lightrag */

#endif
