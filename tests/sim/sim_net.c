/* sim_net.c - the network under struct http: virtual time, requests on their way, and what becomes of them.
 *
 * A request has two lives. At the client it ends once: with an answer, refused, reset, or timed out. At the server it arrives or does not, perhaps long
 * after the client gave up (FATE_LATE), perhaps after the client died. */
#include "sim.h"

#include "base/time_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The request as it lies on the wire ---- */

static char *decode(const char *bytes, size_t size)
{
    char *out = mem_copy_bytes(bytes, size);
    size_t kept = 0;

    for (size_t i = 0; i < size; i++) {
        if (out[i] == '%' && i + 2 < size) {
            char hex[3] = { out[i + 1], out[i + 2], '\0' };
            out[kept++] = (char)strtol(hex, NULL, 16);
            i += 2;
        } else {
            out[kept++] = out[i];
        }
    }
    out[kept] = '\0';
    return out;
}

static char *query_of(const char *url, const char *name)
{
    const char *at = strchr(url, '?');
    size_t size = strlen(name);

    while (at != NULL && (strncmp(at + 1, name, size) != 0 || at[1 + size] != '='))
        at = strchr(at + 1, '&');
    return at == NULL ? NULL : decode(at + size + 2, strcspn(at + size + 2, "&"));
}

static void read_names(struct exchange *exchange)
{
    yyjson_doc *document = yyjson_read(exchange->body, exchange->body_size, 0);
    yyjson_val *names = yyjson_obj_get(yyjson_doc_get_root(document), "file_sources");
    yyjson_val *name;
    size_t index, count;

    exchange->names = mem_alloc_array(yyjson_arr_size(names) + 1, sizeof *exchange->names);
    yyjson_arr_foreach(names, index, count, name)
        exchange->names[exchange->name_count++] = mem_copy_string(yyjson_get_str(name));
    yyjson_doc_free(document);
}

static struct exchange *copy_request(const struct http_request *request)
{
    struct exchange *exchange = mem_alloc(sizeof *exchange);
    const char *path = strchr(request->url + strlen("http://"), '/');

    exchange->request = *request;
    exchange->is_source = strncmp(request->url, "http://memories", 15) == 0;
    exchange->method = mem_copy_string(request->method);
    exchange->path = decode(path, strcspn(path, "?"));
    exchange->limit = query_of(request->url, "limit");
    exchange->range = query_of(request->url, "range");
    exchange->body = mem_copy_bytes(request->body != NULL ? request->body : "", request->body_size);
    exchange->body_size = request->body_size;
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
        if (strncasecmp(*header, "X-API-Key: ", 11) == 0)
            exchange->key = mem_copy_string(*header + 11);
    exchange->is_insert = !exchange->is_source && strcmp(exchange->path, "/documents/texts") == 0;
    if (exchange->is_insert)
        read_names(exchange);
    return exchange;
}

static void free_exchange(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->name_count; i++)
        mem_free(exchange->names[i]);
    mem_free(exchange->names);
    mem_free(exchange->method);
    mem_free(exchange->path);
    mem_free(exchange->limit);
    mem_free(exchange->range);
    mem_free(exchange->key);
    mem_free(exchange->body);
    if (exchange->has_answer)
        text_done(&exchange->answer.body);
    mem_free(exchange);
}

bool sim_is_underway(const struct sim *sim, const char *name, const struct exchange *but, bool also_late)
{
    for (size_t i = 0; i < sim->exchange_count; i++) {
        const struct exchange *exchange = sim->exchanges[i];
        if (exchange == but || (!exchange->is_ours && !(also_late && exchange->is_underway)))
            continue;
        for (size_t k = 0; k < exchange->name_count; k++)
            if (strcmp(exchange->names[k], name) == 0)
                return true;
    }
    return false;
}

/* ---- What becomes of it ---- */

static enum fate draw_fate(struct sim *sim)
{
    static const struct { enum sim_class class; enum fate fate; } rows[] = {
        { SIM_REFUSED, FATE_REFUSED }, { SIM_LOST_REQUEST, FATE_LOST_REQUEST }, { SIM_LOST_ANSWER, FATE_LOST_ANSWER }, { SIM_LATE, FATE_LATE },
    };
    enum fate fate = FATE_NORMAL;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (sim_percent(sim, CHANCE_NET, sim->plan.fault_percent) && sim_has(sim, rows[i].class) && !sim->is_quiet && fate == FATE_NORMAL)
            fate = rows[i].fate;
    return fate;
}

/* What the program counts on: inserts of 1.4 and deletes arrive within half a minute of their client's giving up, or never. An insert of 1.5 may be as late as
 * it likes. */
static int64_t longest_delay(const struct sim *sim, const struct exchange *exchange)
{
    return strcmp(exchange->method, "DELETE") == 0 && sim->plan.late_ms > 20000 ? 20000 : sim->plan.late_ms;
}

static void draw_life(struct sim *sim, struct exchange *exchange)
{
    int64_t rtt = sim_between(sim, CHANCE_NET, 1, 20);
    int64_t patience = exchange->request.timeout_ms > 0 ? exchange->request.timeout_ms : exchange->request.stall_timeout_ms;
    int64_t soon = sim_between(sim, CHANCE_NET, 1, 3000);
    bool times_out = sim_percent(sim, CHANCE_NET, 40);
    int64_t late = sim_between(sim, CHANCE_NET, 0, longest_delay(sim, exchange));

    exchange->fate = draw_fate(sim);
    exchange->arrives_ms = sim->now_ms + rtt;
    exchange->client_ms = sim->now_ms + (patience > 0 ? patience : 300000);
    exchange->end = CLIENT_TIMES_OUT;
    exchange->is_underway = exchange->fate != FATE_REFUSED && exchange->fate != FATE_LOST_REQUEST;
    if (exchange->fate == FATE_REFUSED) {
        exchange->client_ms = sim->now_ms + rtt;
        exchange->end = CLIENT_IS_REFUSED;
    } else if (exchange->fate != FATE_NORMAL && !times_out) {
        exchange->client_ms = exchange->arrives_ms + soon;
        exchange->end = CLIENT_IS_RESET;
    }
    if (exchange->fate == FATE_LATE)
        exchange->arrives_ms = exchange->client_ms + late;
}

static int start(void *self, const struct http_request *request, http_id *ret_id, struct error *err)
{
    struct sim *sim = self;
    struct exchange *exchange;

    (void)err;
    *ret_id = ++sim->last_id;
    if (sim->is_dead)
        return 0;
    exchange = copy_request(request);
    exchange->id = sim->last_id;
    exchange->is_ours = true;
    sim_trace(sim, "start %llu %s %s%s%s", (unsigned long long)exchange->id, exchange->method, exchange->path, exchange->is_insert ? " " : "",
              exchange->name_count > 0 ? exchange->names[0] : "");
    if (exchange->is_insert)
        sim_check_insert(sim, exchange);
    if (!sim_step(sim, exchange->is_insert ? "insert" : strcmp(exchange->method, "DELETE") == 0 ? "delete" : "question")) {
        free_exchange(exchange);
        return 0;
    }
    sim->inserted += exchange->is_insert;
    draw_life(sim, exchange);
    sim->exchanges = mem_grow(sim->exchanges, sim->exchange_count, &sim->exchange_capacity, sizeof(struct exchange *));
    sim->exchanges[sim->exchange_count++] = exchange;
    if (sim->is_dead)
        exchange->is_ours = false; /* the last thing that we did */
    return 0;
}

static struct exchange *find(struct sim *sim, http_id id)
{
    for (size_t i = 0; i < sim->exchange_count; i++)
        if (sim->exchanges[i]->id == id && sim->exchanges[i]->is_ours)
            return sim->exchanges[i];
    return NULL;
}

static void pause_request(void *self, http_id id, bool paused)
{
    struct sim *sim = self;
    struct exchange *exchange = find(sim, id);

    if (exchange == NULL)
        return;
    exchange->is_paused = paused;
    if (!paused && exchange->has_answer)
        exchange->client_ms = sim->now_ms;
}

static void cancel(void *self, http_id id)
{
    struct exchange *exchange = find(self, id);

    if (exchange != NULL)
        exchange->is_ours = false;
}

static void wake(void *self)
{
    (void)self;
}

/* ---- At the server ---- */

static void materialise(struct http_server_answer *answer)
{
    char block[4096];
    int64_t got;

    if (answer->produce == NULL)
        return;
    while ((got = answer->produce(answer->producer, answer->body.size, block, sizeof block)) > 0)
        (void)text_append_bytes(&answer->body, block, (size_t)got);
    answer->producer_free(answer->producer);
    answer->produce = NULL;
}

static int64_t read_retry_after(const struct http_server_answer *answer)
{
    for (size_t i = 0; i < ARRAY_LENGTH(answer->headers) && answer->headers[i] != NULL; i++)
        if (strncmp(answer->headers[i], "Retry-After: ", 13) == 0)
            return strtoll(answer->headers[i] + 13, NULL, 10) * 1000;
    return -1;
}

/* Planted: everything that LightRAG has is called processed. */
static void lie_about_status(struct http_server_answer *answer)
{
    AUTO_STRING char *old = mem_copy_bytes(answer->body.data, answer->body.size);
    const char *at = old;
    const char *word;

    text_clear(&answer->body);
    while ((word = strstr(at, "\"status\":\"p")) != NULL) {
        (void)text_append_bytes(&answer->body, at, (size_t)(word - at));
        (void)text_append(&answer->body, "\"status\":\"processed\"");
        at = strchr(word + 10, '"') + 1;
    }
    (void)text_append(&answer->body, at);
    for (char *count = answer->body.data; (count = strstr(count, "\"chunks_count\":0")) != NULL;)
        count[15] = '1';
}

/* A listing of a few memories has pages, too, when these are short: rows come and go between two of them. Not where pages answer 500: then a walk asks for
 * smaller ones and counts in rows, and a server that gives another size than was asked for is none. */
static void shorten_pages(const struct sim *sim, struct exchange *exchange)
{
    static const char asked_for[] = "\"page_size\":200";
    char *at = strcmp(exchange->path, "/documents/paginated") == 0 ? strstr(exchange->body, asked_for) : NULL;

    if (at != NULL && !sim_has(sim, SIM_NAMELESS) && sim_draw(sim, "short pages", 0, 0, 1))
        memcpy(at + sizeof asked_for - 4, "10 ", 3);
}

static void handle(struct sim *sim, struct exchange *exchange)
{
    struct fake_request asked = {
        .method = exchange->method, .path = exchange->path, .api_key = exchange->key, .limit = exchange->limit, .range = exchange->range,
        .body = exchange->body, .body_size = exchange->body_size,
    };

    shorten_pages(sim, exchange);
    exchange->answer = (struct http_server_answer){ .status = 200 };
    text_init(&exchange->answer.body, 0);
    exchange->has_answer = true;
    if (exchange->is_source)
        fake_memory_api_handle(sim->source, sim_server_ms(sim), &asked, &exchange->answer);
    else
        fake_lightrag_handle(sim->lightrag, sim_server_ms(sim), &asked, &exchange->answer);
    materialise(&exchange->answer);
    if (sim->options->mutation == MUTATION_FALSE_DONE && strncmp(exchange->path, "/documents/track_status/", 24) == 0)
        lie_about_status(&exchange->answer);
    exchange->retry_after_ms = read_retry_after(&exchange->answer);
    exchange->answered_ms = sim_server_ms(sim);
    sim_trace(sim, "server %llu: %d %.60s%s", (unsigned long long)exchange->id, exchange->answer.status, exchange->answer.body.data,
              exchange->is_ours ? "" : " (nobody waits)");
}

static void arrive(struct sim *sim, struct exchange *exchange)
{
    int64_t answered;

    exchange->is_underway = false;
    if (sim->is_down && !exchange->is_source) {
        if (exchange->fate != FATE_NORMAL)
            return;
        exchange->client_ms = sim->now_ms + 1;
        exchange->end = CLIENT_IS_REFUSED;
        return;
    }
    handle(sim, exchange);
    if (exchange->fate != FATE_NORMAL)
        return;
    answered = sim->now_ms + exchange->answer.delay_ms + sim_between(sim, CHANCE_NET, 1, 20);
    if (exchange->answer.fault == HTTP_SERVER_DROP) {
        exchange->client_ms = answered;
        exchange->end = CLIENT_IS_RESET;
    } else if (answered < exchange->client_ms) {
        exchange->client_ms = answered;
        exchange->end = CLIENT_GETS_ANSWER;
    }
}

/* ---- At the client ---- */

static void end_exchange(struct sim *sim, struct exchange *exchange, struct http_answer *answer)
{
    exchange->is_ours = false;
    answer->retry_after_ms = exchange->has_answer && answer->status != 0 ? exchange->retry_after_ms : -1;
    answer->date_ms = answer->status != 0 ? exchange->answered_ms / 1000 * 1000 : -1;
    answer->content_type = answer->content_type != NULL ? answer->content_type : "";
    answer->location = "";
    answer->words = answer->words != NULL ? answer->words : "";
    answer->body = answer->body != NULL ? answer->body : "";
    sim_trace(sim, "end %llu %d %s", (unsigned long long)exchange->id, answer->status, answer->words);
    for (int i = 0; i < sim->plan.contexts && exchange->is_source && answer->status == 200; i++)
        if (strcmp(exchange->path + strlen("/memory/"), sim->contexts[i]) == 0)
            sim->broke_off[i] = answer->end == HTTP_TRUNCATED && exchange->answer.content_type == NULL;
    exchange->request.on_done(exchange->request.owner, exchange->id, answer);
}

/* How much of the body comes. */
static size_t readable(const struct exchange *exchange)
{
    const struct http_server_answer *answer = &exchange->answer;
    bool is_cut = answer->fault == HTTP_SERVER_CUT || answer->fault == HTTP_SERVER_CUT_CHUNKED || answer->fault == HTTP_SERVER_RESET ||
                  answer->fault == HTTP_SERVER_STALL;

    return is_cut && answer->cut_after < answer->body.size ? answer->cut_after : answer->body.size;
}

/* One piece; false: more follow. */
static bool deliver_piece(struct sim *sim, struct exchange *exchange, size_t whole)
{
    size_t left = whole - exchange->delivered;
    size_t size = (size_t)sim_between(sim, CHANCE_NET, 1, 4000);

    if (left == 0)
        return true;
    size = size < left ? size : left;
    if (!exchange->request.on_data(exchange->request.owner, exchange->id, exchange->answer.body.data + exchange->delivered, size)) {
        exchange->is_paused = true;
        return false;
    }
    exchange->delivered += size;
    return false;
}

static void give_answer(struct sim *sim, struct exchange *exchange)
{
    size_t whole = readable(exchange);
    bool is_cut = whole < exchange->answer.body.size;
    struct http_answer answer = {
        .end = is_cut ? HTTP_TRUNCATED : HTTP_ANSWERED, .status = exchange->answer.status, .received_bytes = (int64_t)whole,
        .content_length = exchange->answer.fault == HTTP_SERVER_CUT_CHUNKED ? -1 : (int64_t)exchange->answer.body.size,
        .content_type = exchange->answer.content_type != NULL ? exchange->answer.content_type : "application/json",
        .is_timeout = is_cut && exchange->answer.fault == HTTP_SERVER_STALL, .words = is_cut ? "the answer broke off" : "",
    };

    if (exchange->request.on_data != NULL && !deliver_piece(sim, exchange, whole))
        return;
    if (!exchange->is_ours)
        return;
    if (exchange->request.on_data == NULL) {
        answer.body = exchange->answer.body.data;
        answer.body_size = whole;
    }
    end_exchange(sim, exchange, &answer);
}

static void tell_client(struct sim *sim, struct exchange *exchange)
{
    struct http_answer answer = { .content_length = -1 };

    switch (exchange->end) {
    case CLIENT_GETS_ANSWER:
        give_answer(sim, exchange);
        return;
    case CLIENT_IS_REFUSED:
        answer.end = HTTP_NOT_SENT;
        answer.words = "connection refused";
        break;
    case CLIENT_IS_RESET:
        answer.end = HTTP_NO_ANSWER;
        answer.words = "connection reset";
        break;
    case CLIENT_TIMES_OUT:
        answer.end = HTTP_NO_ANSWER;
        answer.is_timeout = true;
        answer.words = "timed out";
        break;
    }
    end_exchange(sim, exchange, &answer);
}

void sim_net_cut(struct sim *sim, bool ours_died)
{
    for (size_t i = 0; i < sim->exchange_count; i++) {
        struct exchange *exchange = sim->exchanges[i];
        if (ours_died) {
            exchange->is_ours = false;
            exchange->is_underway = exchange->is_underway && sim_percent(sim, CHANCE_NET, 70);
            exchange->arrives_ms += sim_between(sim, CHANCE_NET, 0, 1) * sim_between(sim, CHANCE_NET, 0, longest_delay(sim, exchange));
        } else if (!exchange->is_source && exchange->is_ours && !exchange->is_underway) {
            exchange->client_ms = sim->now_ms + 1;
            exchange->end = CLIENT_IS_RESET;
        }
    }
}

/* ---- Time ---- */

static void sweep(struct sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->exchange_count; i++) {
        if (sim->exchanges[i]->is_ours || sim->exchanges[i]->is_underway)
            sim->exchanges[kept++] = sim->exchanges[i];
        else
            free_exchange(sim->exchanges[i]);
    }
    sim->exchange_count = kept;
}

/* The next thing that happens, at most at until_ms. true: a handler of ours was called. */
static bool happen(struct sim *sim, int64_t until_ms)
{
    struct exchange *next = NULL;
    int64_t at = until_ms > sim->now_ms ? until_ms : sim->now_ms;
    bool arrives = false;

    for (size_t i = 0; i < sim->exchange_count; i++) {
        struct exchange *exchange = sim->exchanges[i];
        if (exchange->is_underway && (exchange->arrives_ms < at || (next == NULL && exchange->arrives_ms == at))) {
            next = exchange;
            at = exchange->arrives_ms;
            arrives = true;
        }
        if (exchange->is_ours && !exchange->is_paused && (exchange->client_ms < at || (next == NULL && exchange->client_ms == at))) {
            next = exchange;
            at = exchange->client_ms;
            arrives = false;
        }
    }
    if (sim_world_next(sim) <= at) {
        sim->now_ms = sim_world_next(sim) > sim->now_ms ? sim_world_next(sim) : sim->now_ms;
        sim_world_step(sim);
        return false;
    }
    sim->now_ms = at > sim->now_ms ? at : sim->now_ms;
    if (next != NULL && arrives)
        arrive(sim, next);
    else if (next != NULL)
        tell_client(sim, next);
    sweep(sim);
    return next != NULL && !arrives;
}

static int poll(void *self, int64_t until_ms, struct error *err)
{
    struct sim *sim = self;

    sim_check_step(sim);
    if (++sim->steps > STEPS_OF_A_SYNC)
        sim_fail(sim, "a sync does not come to its end (%d polls)", sim->steps);
    (void)sim_step(sim, "poll");
    if (sim->steps_to_stop >= 0 && sim->steps_to_stop-- == 0) {
        sim_trace(sim, "somebody stops us");
        engine_stop(sim->engine, 1);
    }
    if (sim->is_dead || sim->has_failed)
        return error_set(err, ERROR_FAILED, "the simulation ends this life");
    while (!happen(sim, until_ms))
        if (sim->now_ms >= until_ms)
            break;
    return 0;
}

void sim_pass(struct sim *sim, int64_t until_ms)
{
    while (sim->now_ms < until_ms)
        (void)happen(sim, until_ms);
}

/* ---- Life ---- */

static int64_t wall_ms(void *self) { return sim_wall_ms(self); }
static int64_t monotonic_ms(void *self) { return ((struct sim *)self)->now_ms; }
static uint64_t next_random(void *self) { return sim_random(self, CHANCE_ENGINE); }

void sim_net_init(struct sim *sim)
{
    sim->now_ms = 1000; /* 0 means "never" in many places */
    sim->http = (struct http){ .self = sim, .start = start, .pause = pause_request, .cancel = cancel, .poll = poll, .wake = wake };
    sim->world = (struct world){ .self = sim, .wall_ms = wall_ms, .monotonic_ms = monotonic_ms, .random = next_random, .http = &sim->http };
}

void sim_net_done(struct sim *sim)
{
    for (size_t i = 0; i < sim->exchange_count; i++)
        free_exchange(sim->exchanges[i]);
    mem_free(sim->exchanges);
}
