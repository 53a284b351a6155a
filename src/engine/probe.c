#include "engine/probe.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/account.h"
#include "memory/splitter.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAXIMUM = 1 << 20, ELEMENT_MAXIMUM = 64 << 10, SAMPLE = 16, DEPTH = 64, POLL_MS = 1000 };

/* What is under way with one server. The table of a kind says what it is asked, and what of. */
struct asking {
    struct probe *probe;
    const struct asking_kind *kind;
    struct http *http;
    struct probe_contact *contact;
    size_t question;
    int64_t began_mono;
};

struct asking_kind {
    size_t (*count)(const struct asking *asking);
    void (*request)(struct asking *asking, struct http_request *ret_request);
    bool (*read)(struct asking *asking, const struct http_answer *answer); /* true: the next one may be asked */
};

struct source_asking {
    struct asking asking;          /* first: the handlers get this */
    struct probe_source seen;
    struct source_storage storage;
};

struct target_asking {
    struct asking asking;
    struct probe_target seen;
    struct sink_settings sink;     /* with our patience, also for the login */
    struct sink_storage storage;
    struct account *account;
};

struct probe {
    struct http *http;
    struct source_asking **sources;
    size_t source_count, source_capacity;
    struct target_asking **targets;
    size_t target_count, target_capacity;
    size_t open;
};

/* ---- One question after the other ---- */

static void copy_words(char *out, size_t room, const char *words)
{
    (void)snprintf(out, room, "%.*s", (int)room - 1, words != NULL ? words : "");
}

static void note_contact(struct probe_contact *contact, const struct http_answer *answer)
{
    contact->end = answer->end;
    contact->stage = answer->stage;
    contact->status = answer->status;
    contact->date_ms = answer->date_ms;
    contact->seen_ms = clock_wall_ms();
    contact->certificate_ms = answer->certificate_ms;
    copy_words(contact->address, sizeof contact->address, answer->address);
    copy_words(contact->words, sizeof contact->words, answer->words);
}

static void end_asking(struct asking *asking)
{
    asking->contact->took_ms = clock_monotonic_ms() - asking->began_mono;
    asking->probe->open--;
}

static void ask_next(struct asking *asking);

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct asking *asking = owner;
    bool goes_on;

    (void)id;
    if (asking->question == 0)
        note_contact(asking->contact, answer);
    goes_on = asking->kind->read(asking, answer);
    asking->question++;
    if (goes_on && asking->question < asking->kind->count(asking))
        ask_next(asking);
    else
        end_asking(asking);
}

static void ask_next(struct asking *asking)
{
    struct http_request request = { 0 };
    struct error err = { 0 };
    http_id id;

    asking->kind->request(asking, &request);
    request.timeout_ms = PROBE_TIMEOUT_MS;
    request.connect_timeout_ms = PROBE_TIMEOUT_MS / 2;
    request.stall_timeout_ms = 0;
    request.answer_maximum = ANSWER_MAXIMUM;
    request.unrepeatable = request.wants_certificate = asking->question == 0; /* a connection of its own has a certificate to show */
    request.owner = asking;
    request.on_done = on_done;
    if (http_start(asking->http, &request, &id, &err) == 0) {
        asking->contact->is_asked = true;
        return;
    }
    copy_words(asking->contact->words, sizeof asking->contact->words, err.message);
    end_asking(asking);
}

/* ---- The Memory API ---- */

static struct source_asking *source_of(struct asking *asking)
{
    return (struct source_asking *)(void *)asking;
}

static size_t source_questions(const struct asking *asking)
{
    return ((const struct source_asking *)(const void *)asking)->seen.context_count;
}

static void request_listing(struct asking *asking, struct http_request *ret_request)
{
    struct source_asking *source = source_of(asking);

    source_request_listing(&source->seen.source->endpoint, &source->storage, source->seen.contexts[asking->question].id, "day", 1, ret_request);
}

static void ignore_element(void *context, const struct splitter_element *element)
{
    (void)context;
    (void)element;
}

static bool read_listing(struct asking *asking, const struct http_answer *answer)
{
    const struct splitter_settings settings = { .element_maximum = ELEMENT_MAXIMUM, .sample = SAMPLE, .depth_maximum = DEPTH, .on_element = ignore_element };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    struct source_asking *source = source_of(asking);
    struct probe_context *context = &source->seen.contexts[asking->question];
    enum splitter_end end;

    splitter_push(splitter, answer->body, answer->body_size);
    end = splitter_end(splitter);
    source_judge(&source->seen.source->endpoint, context->id, answer, end, splitter_broken_at(splitter), &context->verdict);
    if (answer->end == HTTP_TOO_LARGE) /* it answers, and at length */
        context->verdict.outcome = SOURCE_COMPLETE;
    context->is_asked = true;
    return answer->status != 0 && context->verdict.outcome != SOURCE_DENIED;
}

static const struct asking_kind source_kind = { source_questions, request_listing, read_listing };

/* ---- LightRAG ---- */

static struct target_asking *target_of(struct asking *asking)
{
    return (struct target_asking *)(void *)asking;
}

static size_t target_questions(const struct asking *asking)
{
    (void)asking;
    return PROBE_QUESTIONS;
}

static void request_question(struct asking *asking, struct http_request *ret_request)
{
    static void (*const requests[])(const struct sink_settings *settings, struct sink_storage *storage, struct http_request *ret_request) = {
        [PROBE_HEALTH] = sink_request_health, [PROBE_COUNTS] = sink_request_counts, [PROBE_PIPELINE] = sink_request_pipeline,
    };
    struct target_asking *target = target_of(asking);

    requests[asking->question](&target->sink, &target->storage, ret_request);
}

static bool read_answer(struct asking *asking, const struct http_answer *answer)
{
    struct probe_target *seen = &target_of(asking)->seen;
    struct sink_verdict *verdict = &seen->verdicts[asking->question];

    switch ((enum probe_question)asking->question) {
    case PROBE_HEALTH:
        sink_read_health(answer, &seen->health, verdict);
        break;
    case PROBE_COUNTS:
        sink_read_counts(answer, &seen->counts, verdict);
        break;
    case PROBE_PIPELINE:
        sink_read_pipeline(answer, &seen->pipeline, verdict);
        break;
    case PROBE_QUESTIONS:
        break;
    }
    seen->answers++;
    return verdict->scope == SINK_WELL;
}

static const struct asking_kind target_kind = { target_questions, request_question, read_answer };

/* ---- Who is asked ---- */

static void init_asking(struct asking *asking, struct probe *probe, const struct asking_kind *kind, struct http *http, struct probe_contact *contact)
{
    *asking = (struct asking){ .probe = probe, .kind = kind, .http = http, .contact = contact };
    contact->date_ms = -1;
}

static struct source_asking *find_source(struct probe *probe, const struct engine_source *source)
{
    struct source_asking *made;

    for (size_t i = 0; i < probe->source_count; i++)
        if (probe->sources[i]->seen.source == source)
            return probe->sources[i];
    made = mem_alloc(sizeof *made);
    made->seen.source = source;
    source_storage_init(&made->storage);
    init_asking(&made->asking, probe, &source_kind, probe->http, &made->seen.contact);
    probe->sources = mem_grow(probe->sources, probe->source_count, &probe->source_capacity, sizeof *probe->sources);
    probe->sources[probe->source_count++] = made;
    return made;
}

void probe_add_context(struct probe *probe, const struct engine_source *source, const char *context)
{
    struct probe_source *seen = &find_source(probe, source)->seen;

    for (size_t i = 0; i < seen->context_count; i++)
        if (strcmp(seen->contexts[i].id, context) == 0)
            return;
    seen->contexts = mem_grow(seen->contexts, seen->context_count, &seen->context_capacity, sizeof *seen->contexts);
    seen->contexts[seen->context_count++] = (struct probe_context){ .id = context };
}

void probe_add_target(struct probe *probe, const struct engine_target *target)
{
    struct target_asking *made;

    for (size_t i = 0; i < probe->target_count; i++)
        if (probe->targets[i]->seen.target == target)
            return;
    made = mem_alloc(sizeof *made);
    made->seen.target = target;
    sink_storage_init(&made->storage);
    made->sink = target->sink;
    made->sink.timeout_ms = PROBE_TIMEOUT_MS;
    made->account = account_new(probe->http, NULL, &made->sink, target->name);
    init_asking(&made->asking, probe, &target_kind, account_http(made->account), &made->seen.contact);
    probe->targets = mem_grow(probe->targets, probe->target_count, &probe->target_capacity, sizeof *probe->targets);
    probe->targets[probe->target_count++] = made;
}

static void begin(struct probe *probe, struct asking *asking)
{
    probe->open++;
    asking->began_mono = clock_monotonic_ms();
    ask_next(asking);
}

int probe_run(struct probe *probe, struct error *err)
{
    for (size_t i = 0; i < probe->source_count; i++)
        begin(probe, &probe->sources[i]->asking);
    for (size_t i = 0; i < probe->target_count; i++)
        begin(probe, &probe->targets[i]->asking);
    while (probe->open > 0) /* the requests' own time-outs bound this */
        if (http_poll(probe->http, clock_monotonic_ms() + POLL_MS, err) < 0)
            return -1;
    return 0;
}

/* ---- Life, and what was seen ---- */

struct probe *probe_new(struct http *http)
{
    struct probe *probe = mem_alloc(sizeof *probe);

    probe->http = http;
    return probe;
}

void probe_free(struct probe *probe)
{
    if (probe == NULL)
        return;
    for (size_t i = 0; i < probe->source_count; i++) {
        source_storage_done(&probe->sources[i]->storage);
        mem_free(probe->sources[i]->seen.contexts);
        mem_free(probe->sources[i]);
    }
    for (size_t i = 0; i < probe->target_count; i++) {
        account_free(probe->targets[i]->account);
        sink_storage_done(&probe->targets[i]->storage);
        mem_free(probe->targets[i]);
    }
    mem_free(probe->sources);
    mem_free(probe->targets);
    mem_free(probe);
}

const struct probe_source *probe_source_at(const struct probe *probe, size_t index)
{
    return index < probe->source_count ? &probe->sources[index]->seen : NULL;
}

const struct probe_target *probe_target_at(const struct probe *probe, size_t index)
{
    return index < probe->target_count ? &probe->targets[index]->seen : NULL;
}
