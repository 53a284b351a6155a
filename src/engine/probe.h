/* probe.h - do the servers answer, as ones that take our keys, and what do they say of themselves? Questions only: nothing changes at either side, and
 * nothing is judged for people here (cli/doctor.h and api/handle_test.c do that).
 *
 * Servers are asked side by side, the questions to one server one after the other: LightRAG for its health, for its counts (they prove the key, health does
 * not) and for its pipeline; a Memory API for one memory of each context. What follows a question without a good answer is not asked. Each question has
 * PROBE_TIMEOUT_MS, and a server that is silent gets no second one. With an account one login is tried before (engine/account.h), in the same time. One
 * thread. */
#ifndef MC_ENGINE_PROBE_H
#define MC_ENGINE_PROBE_H

#include "base/http.h"
#include "engine/engine.h"
#include "sink/sink.h"
#include "source/source.h"

enum { PROBE_TIMEOUT_MS = 10 * 1000, PROBE_WORDS_SIZE = 400, PROBE_ADDRESS_SIZE = 64 };

/* How the first question to a server went, whatever it was about. */
struct probe_contact {
    bool is_asked;                 /* false: the request could not be made; words say why */
    enum http_end end;
    enum http_stage stage;
    int status;                    /* HTTP; 0: none */
    int64_t date_ms, seen_ms;      /* the server's clock, -1: not told; ours at that moment */
    int64_t certificate_ms;        /* when its certificate ends; 0: not known */
    int64_t took_ms;               /* all questions to it together */
    char address[PROBE_ADDRESS_SIZE]; /* "" when not known */
    char words[PROBE_WORDS_SIZE];  /* why there is no answer; "" when there is one */
};

struct probe_context {
    const char *id;
    bool is_asked;
    struct source_verdict verdict;
};

struct probe_source {
    const struct engine_source *source;
    struct probe_contact contact;
    struct probe_context *contexts;
    size_t context_count, context_capacity;
};

/* The questions in their order; a verdict counts where the number of answers is larger. */
enum probe_question { PROBE_HEALTH, PROBE_COUNTS, PROBE_PIPELINE, PROBE_QUESTIONS };

struct probe_target {
    const struct engine_target *target;
    struct probe_contact contact;
    size_t answers;                /* questions that were asked */
    struct sink_verdict verdicts[PROBE_QUESTIONS];
    struct sink_health health;
    struct sink_counts counts;
    struct sink_pipeline pipeline;
};

struct probe;

/* Never NULL; the network is borrowed, and nobody else uses it meanwhile. */
struct probe *probe_new(struct http *http);
void probe_free(struct probe *probe);
AUTO_DEFINE(probe)

/* Each server and each context is asked once, however often it is added. Borrowed. */
void probe_add_context(struct probe *probe, const struct engine_source *source, const char *context);
void probe_add_target(struct probe *probe, const struct engine_target *target);

/* Asks, and comes back when all have answered or had their time. -1: the network cannot go on. */
int probe_run(struct probe *probe, struct error *err);

/* In the order in which they were added; NULL: there are no more. Live as long as the probe. */
const struct probe_source *probe_source_at(const struct probe *probe, size_t index);
const struct probe_target *probe_target_at(const struct probe *probe, size_t index);

#endif
