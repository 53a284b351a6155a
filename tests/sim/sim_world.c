/* sim_world.c - what happens to the servers and to the clock by itself. Nearly all of it is drawn into the first minute of a sync, where it can hurt. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum event_kind { EVENT_RESTART, EVENT_DOWN, EVENT_UP, EVENT_WIPE, EVENT_BUSY, EVENT_STATUS, EVENT_SOURCE, EVENT_CUT, EVENT_STORE, EVENT_MODEL,
                  EVENT_KEY_OFF, EVENT_KEY_ON, EVENT_CLOCK, EVENT_LOST_DELETE, EVENT_FOREIGN, EVENT_FOREIGN_GOES, EVENT_STIR, EVENT_NAMELESS };

static const char *const event_names[] = {
    "LightRAG restarts", "LightRAG is away", "LightRAG is back", "LightRAG is wiped", "LightRAG is busy", "LightRAG's answers are spoilt", "the source is spoilt",
    "listings break off", "storing is slow", "the model is slow", "our key is revoked", "our key is good again", "the wall clock jumps", "deletes are lost",
    "a stranger inserts", "a stranger deletes", "the source changes", "somebody inserts without a source",
};

void sim_control(struct sim *sim, bool is_source, const char *format, ...)
{
    struct http_server_answer answer = { .status = 200 };
    struct fake_request request = { .method = "POST", .path = "/_fake/control", .api_key = is_source ? "m" : "k" };
    AUTO_DONE(text) struct text body = { 0 };
    char words[400];
    va_list args;

    text_init(&body, 0);
    va_start(args, format);
    if (strcmp(format, "%s") == 0) {
        (void)text_append(&body, va_arg(args, const char *));
    } else {
        (void)vsnprintf(words, sizeof words, format, args);
        (void)text_append(&body, words);
    }
    va_end(args);
    request.body = body.data;
    request.body_size = body.size;
    text_init(&answer.body, 0);
    if (is_source)
        fake_memory_api_handle(sim->source, sim_server_ms(sim), &request, &answer);
    else
        fake_lightrag_handle(sim->lightrag, sim_server_ms(sim), &request, &answer);
    if (answer.status != 200)
        sim_fail(sim, "the simulation's own: the fake does not know %.200s", body.data);
    text_done(&answer.body);
}

/* ---- The plan of an hour ---- */

static void add_event(struct sim *sim, int64_t at_ms, enum event_kind kind, int64_t value)
{
    size_t place = sim->event_count;

    sim->events = mem_grow(sim->events, sim->event_count, &sim->event_capacity, sizeof *sim->events);
    sim->event_count++;
    while (place > sim->next_event && sim->events[place - 1].at_ms > at_ms) {
        sim->events[place] = sim->events[place - 1];
        place--;
    }
    sim->events[place] = (struct sim_event){ at_ms, (int)kind, value };
}

/* Mostly early: what is interesting happens in the first seconds. */
static int64_t draw_time(const struct sim *sim, const char *name, int hour)
{
    static const int64_t spans[] = { 200, 2000, 20000, 60000, 3600000 };

    return sim->now_ms + sim_draw(sim, name, hour * 8 + 1, 0, spans[sim_draw(sim, name, hour * 8 + 2, 0, 4)]);
}

void sim_world_plan(struct sim *sim, int hour)
{
    static const struct { enum sim_class class; enum event_kind kind; int percent; int64_t low, high; } rows[] = {
        { SIM_RESTART, EVENT_RESTART, 12, 0, 0 },
        { SIM_OUTAGE, EVENT_DOWN, 6, 500, 600000 },
        { SIM_WIPE, EVENT_WIPE, 2, 0, 0 },
        { SIM_BUSY, EVENT_BUSY, 12, 500, 300000 },
        { SIM_STATUS, EVENT_STATUS, 12, 0, 6 },
        { SIM_SOURCE_DOWN, EVENT_SOURCE, 12, 0, 5 },
        { SIM_CUT_LIST, EVENT_CUT, 15, 0, 12000 },
        { SIM_SLOW_STORE, EVENT_STORE, 15, 0, 3000 },
        { SIM_SLOW_MODEL, EVENT_MODEL, 15, 0, 8000 },
        { SIM_KEY, EVENT_KEY_OFF, 4, 500, 600000 },
        { SIM_CLOCK, EVENT_CLOCK, 4, -7200000, 7200000 },
        { SIM_LOST_DELETE, EVENT_LOST_DELETE, 20, 1, 2 },
        { SIM_FOREIGN, EVENT_FOREIGN, 8, 0, 1000 },
        { SIM_FOREIGN, EVENT_FOREIGN_GOES, 12, 0, 1000 },
        { SIM_CHANGES, EVENT_STIR, 10, 0, 0 },
        { SIM_NAMELESS, EVENT_NAMELESS, 10, 1, 14 },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *name = event_names[rows[i].kind];
        bool happens = sim_draw(sim, name, hour * 8, 0, 99) < rows[i].percent;
        int64_t at = draw_time(sim, name, hour);
        int64_t value = sim_draw(sim, name, hour * 8 + 3, rows[i].low, rows[i].high);
        if (!happens || !sim_has(sim, rows[i].class) || (rows[i].kind == EVENT_NAMELESS && !sim->plan.is_14))
            continue;
        add_event(sim, at, rows[i].kind, value);
        if (rows[i].kind == EVENT_DOWN)
            add_event(sim, at + value, EVENT_UP, 0);
        if (rows[i].kind == EVENT_KEY_OFF)
            add_event(sim, at + value, EVENT_KEY_ON, 0);
    }
}

/* ---- What happens ---- */

static void restart(struct sim *sim)
{
    sim_net_cut(sim, false);
    sim_control(sim, false, "{\"restart\":true}");
}

static void spoil_target(struct sim *sim, int64_t which)
{
    static const char *const faults[] = {
        "{\"times\":2,\"status\":503}", "{\"times\":3,\"status\":429,\"retry_after\":\"20\"}", "{\"times\":2,\"status\":500}",
        "{\"times\":4,\"status\":502}", "{\"times\":1,\"html\":true}", "{\"times\":1,\"status\":429}",
        "{\"times\":2,\"status\":500,\"path\":\"/documents/paginated\"}",
    };

    sim_control(sim, false, "{\"path\":\"\",\"retry_after\":\"\",\"times\":0}");
    sim_control(sim, false, "%s", faults[which]);
}

static void spoil_source(struct sim *sim, int64_t which)
{
    static const char *const faults[] = {
        "{\"times\":1,\"status\":500}", "{\"times\":2,\"status\":503,\"retry_after\":\"5\"}", "{\"times\":6,\"status\":500}",
        "{\"times\":1,\"status\":429,\"retry_after\":\"30\"}", "{\"times\":1,\"html\":true}", "{\"times\":1,\"status\":401}",
    };

    sim_control(sim, true, "%s", faults[which]);
}

static void cut_listing(struct sim *sim, int64_t value)
{
    static const char *const ways[] = { "cut", "cut_chunked", "reset", "stall" };

    sim_control(sim, true, "{\"times\":%d,\"%s\":%lld}", 1 + (int)(value % 3), ways[value % 4], (long long)(value / 4));
}

static void jump(struct sim *sim, int64_t value)
{
    sim->jumped_ms += value;
    if (sim->jumped_ms < 0 && sim_wall_ms(sim) < 0)
        sim->jumped_ms = 0;
}

static void insert_foreign(struct sim *sim, int64_t number)
{
    struct sim_memory *victim = number % 4 == 0 && sim->memory_count > 0 ? &sim->memories[(size_t)number % sim->memory_count] : NULL;
    AUTO_STRING char *body = NULL;
    AUTO_DONE(text) struct text name = { 0 };
    struct fake_request request = { .method = "POST", .path = "/documents/texts", .api_key = "k" };
    struct http_server_answer answer = { .status = 200 };

    text_init(&name, 0);
    text_init(&answer.body, 0);
    if (victim != NULL)
        identity_document_name(&name, "default", sim->contexts[victim->context], (struct slice){ victim->id, strlen(victim->id) });
    else
        (void)text_append_format(&name, "stranger-%lld.txt", (long long)number);
    request.body = body = mem_format("{\"texts\":[\"A stranger's words, number %lld at %lld.\"],\"file_sources\":[\"%s\"]}", (long long)number,
                                     (long long)sim->now_ms, name.data);
    request.body_size = strlen(body);
    if (!sim->is_down)
        fake_lightrag_handle(sim->lightrag, sim_server_ms(sim), &request, &answer);
    if (victim != NULL && answer.status == 200 && strstr(answer.body.data, "\"success\"") != NULL) {
        victim->is_ruined = true;
        sim_trace(sim, "world: the stranger took the name %s", name.data);
    }
    text_done(&answer.body);
}

/* A row goes: those behind it move to an earlier page of every listing that is being read. */
static void delete_foreign(struct sim *sim)
{
    AUTO_STRING char *body = NULL;
    struct fake_request request = { .method = "DELETE", .path = "/documents/delete_document", .api_key = "k" };
    struct http_server_answer answer = { .status = 200 };
    const struct doc *victim = NULL;

    for (int64_t i = 0; i < sim->lightrag->count && !sim->is_down; i++)
        if (fake_is_live(&sim->lightrag->docs[i]) && strncmp(sim->lightrag->docs[i].name, "stranger-", 9) == 0)
            victim = &sim->lightrag->docs[i];
    if (victim == NULL)
        return;
    text_init(&answer.body, 0);
    request.body = body = mem_format("{\"doc_ids\":[\"%s\"],\"delete_file\":false,\"delete_llm_cache\":false}", victim->id);
    request.body_size = strlen(body);
    fake_lightrag_handle(sim->lightrag, sim_server_ms(sim), &request, &answer);
    text_done(&answer.body);
}

/* Mostly one, at times many in a row. */
static void insert_nameless(struct sim *sim, int64_t number)
{
    for (int64_t i = 0; i < (number < 8 ? 1 : number) && !sim->is_down; i++) {
        AUTO_STRING char *body = mem_format("{\"text\":\"Nobody's words %lld at %lld.\"}", (long long)i, (long long)sim->now_ms);
        struct fake_request request = { .method = "POST", .path = "/documents/text", .api_key = "k", .body = body, .body_size = strlen(body) };
        struct http_server_answer answer = { .status = 200 };
        text_init(&answer.body, 0);
        fake_lightrag_handle(sim->lightrag, sim_server_ms(sim), &request, &answer);
        text_done(&answer.body);
    }
}

/* The remedy, by the hand of a person. */
void sim_delete_nameless(struct sim *sim)
{
    for (int64_t i = 0; i < sim->lightrag->count; i++)
        if (sim->lightrag->docs[i].has_no_source && !sim->lightrag->docs[i].is_deleted)
            fake_store_delete(sim->lightrag, i);
}

static void happen(struct sim *sim, const struct sim_event *event)
{
    sim_trace(sim, "world: %s (%lld)", event_names[event->kind], (long long)event->value);
    switch ((enum event_kind)event->kind) {
    case EVENT_RESTART: restart(sim); break;
    case EVENT_DOWN: sim->is_down = true; restart(sim); break;
    case EVENT_UP: sim->is_down = false; break;
    case EVENT_WIPE:
        sim_note_processed(sim);
        sim_net_cut(sim, false);
        sim_control(sim, false, "{\"wipe\":true}");
        sim->wipes++;
        break;
    case EVENT_BUSY: sim_control(sim, false, "{\"busy_ms\":%lld}", (long long)event->value); break;
    case EVENT_STATUS: spoil_target(sim, event->value); break;
    case EVENT_SOURCE: spoil_source(sim, event->value); break;
    case EVENT_CUT: cut_listing(sim, event->value); break;
    case EVENT_STORE: sim_control(sim, false, "{\"store_delay_ms\":%lld,\"store_item_ms\":%lld}", (long long)event->value, (long long)(event->value / 30)); break;
    case EVENT_MODEL: sim_control(sim, false, "{\"process_delay_ms\":%lld}", (long long)event->value); break;
    case EVENT_KEY_OFF: sim_control(sim, false, "{\"api_key\":\"other\"}"); break;
    case EVENT_KEY_ON: sim_control(sim, false, "{\"api_key\":\"k\"}"); break;
    case EVENT_CLOCK: jump(sim, event->value); break;
    case EVENT_LOST_DELETE: sim_control(sim, false, "{\"lost_deletes\":%lld}", (long long)event->value); break;
    case EVENT_FOREIGN: insert_foreign(sim, event->value); break;
    case EVENT_FOREIGN_GOES: delete_foreign(sim); break;
    case EVENT_STIR: sim_source_stir(sim); break;
    case EVENT_NAMELESS: insert_nameless(sim, event->value); break;
    }
}

int64_t sim_world_next(const struct sim *sim)
{
    return sim->next_event < sim->event_count ? sim->events[sim->next_event].at_ms : INT64_MAX;
}

void sim_world_step(struct sim *sim)
{
    while (sim_world_next(sim) <= sim->now_ms) {
        struct sim_event event = sim->events[sim->next_event++];
        happen(sim, &event);
    }
}

void sim_world_calm(struct sim *sim)
{
    sim->next_event = sim->event_count;
    sim->is_quiet = true;
    sim->is_down = false;
    sim_control(sim, false, "{\"busy_ms\":0,\"path\":\"\",\"retry_after\":\"\",\"times\":0,\"store_delay_ms\":50,\"store_item_ms\":0,\"process_delay_ms\":20,"
                            "\"api_key\":\"k\",\"lost_deletes\":0,\"max_pending\":0}");
    sim_control(sim, true, "{\"times\":0}");
    sim_trace(sim, "world: everything works from now on");
}
