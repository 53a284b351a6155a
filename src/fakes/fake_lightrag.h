/* fake_lightrag.h - LightRAG's document API as measured on 1.5.7 and 1.4.9.9: a 200 is a receipt, storing and processing happen later, names are
 * refused, dup- rows appear, a row without a source makes 1.4 answer 500 to every page with it, deletes are asynchronous, nothing resumes by itself after a restart. tests/contract compares it with the real ones.
 *
 * Not like the real ones: everything of a body counts as one chunk, HTML escapes in texts stay, the graph is a search in the texts.
 *
 * GET /_fake/ledger: {"inserts","texts","rows","live","doubled","lost","max_in_flight","processed",...,"requests":{"GET /health":1,...}}; "torn": rows
 * that are processed, but not whole, because a delete began at them and did not end: a second delete mends it, nothing else does.
 *
 * POST /_fake/control, any of (an unknown word is refused with 422, so that a test cannot misspell a fault):
 *   drop_every N        the answer of every Nth insert is dropped after the insert was taken; 0: none
 *   drop_times N        the answers of the next N requests are dropped after the work is done; drop_path P: only those whose path begins with P
 *   fail_match TEXT     processing of documents that contain TEXT fails; fail_times N: so often each, then it works (0: for ever).
 *                       1.5: and fails what is processed next, with it all that waits; again at each retry that tries them together
 *   empty_match TEXT    documents that contain TEXT are processed without a chunk
 *   error_match TEXT    inserts that contain TEXT answer 500
 *   delete_fail_match TEXT  the model is down for deletes of documents that contain TEXT: 1.5 leaves the row, torn and with an error_msg
 *   lost_deletes N      the next N deletes are answered deletion_started and never done
 *   busy_ms N           inserts answer 409 "Pipeline is clearing ..." for so long, deletes "busy"
 *   times N             the next N inserts go wrong: status N, retry_after S, html true (200 with a page), or word W in place of "success";
 *                       path P: not the inserts but the requests whose path begins with P
 *   row_word W          unfinished rows have this status; "": none
 *   max_pending N       inserts beyond so many unfinished documents answer 429; 0: no limit
 *   store_delay_ms, store_item_ms (between two texts of one insert), process_delay_ms, delete_delay_ms (per document), latency_ms (of inserts)
 *   age_s N             what is stored was stored so much earlier
 *   restart true        what was accepted and not stored is lost, a delete stops where it is, nothing runs until it is kicked
 *   wipe true           everything is gone, as if the storage had been removed
 *   account NAME:PASSWORD  from now on an account is wanted (or the key); token_life_s N: tokens are good for so long (2 days); token_series N: tokens
 *                       of another series are none, as after a change of the server's secret; renews_token true: past half of its life a token is answered
 *                       with x-new-token, once
 *   date_shift_s N      the Date of answers is ahead of the clock by so much, or behind it
 *   recovery true       1.5: the pipeline says that it must be recovered
 *   workspace W, core_version V, api_key K  from now on; with wipe: another server behind the same address */
#ifndef MC_FAKES_FAKE_LIGHTRAG_H
#define MC_FAKES_FAKE_LIGHTRAG_H

#include "fakes/fake.h"

struct fake_lightrag_settings {
    bool is_14;
    const char *api_key;         /* "" or NULL: none wanted */
    const char *workspace;       /* "" or NULL */
    int64_t store_delay_ms;
    int64_t process_delay_ms;    /* per document, one after the other */
    bool lean;                   /* texts are not kept after processing (benchmarks): queries find nothing */
    const char *fail_match;      /* "" or NULL */
};

struct fake_lightrag;

struct fake_lightrag *fake_lightrag_new(const struct fake_lightrag_settings *settings);
void fake_lightrag_free(struct fake_lightrag *fake);
AUTO_DEFINE(fake_lightrag)
fake_handler fake_lightrag_handle; /* its fake is a struct fake_lightrag */

/* Keeps the stored rows in folder/rows.jsonl, after reading what is there: kill -9 of the process then is what it is for the real server (rows
 * stay, what was only accepted is gone, nothing runs by itself). Before the first request. */
int fake_lightrag_open(struct fake_lightrag *fake, const char *folder, struct error *err);

#endif
