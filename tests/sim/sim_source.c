/* sim_source.c - the memories of the source and their history. Every version of a memory carries a marker of its own in its words, so that what a
 * server holds can be judged without the program's ideas of names and revisions. */
#include "sim.h"

#include "base/json_write.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

static const int64_t START_MS = 1767571200000; /* 2026-01-05T00:00:00Z */

int64_t sim_server_ms(const struct sim *sim) { return START_MS + sim->now_ms; }
int64_t sim_wall_ms(const struct sim *sim) { return START_MS + sim->now_ms + sim->jumped_ms; }

void sim_memory_marker(const struct sim_memory *memory, int version, char ret_marker[SIM_MARKER])
{
    (void)snprintf(ret_marker, SIM_MARKER, "{{%d/%s/v%d}}", memory->context, memory->id, version);
}

static enum sim_kind draw_kind(struct sim *sim)
{
    int number = (int)sim_between(sim, CHANCE_SOURCE, 0, 99);

    if (number < 6 && sim_has(sim, SIM_FAILING))
        return KIND_FAILING;
    if (number >= 6 && number < 10 && sim_has(sim, SIM_POISON))
        return KIND_POISON;
    if (number >= 10 && number < 14 && sim_has(sim, SIM_HOLLOW))
        return KIND_HOLLOW;
    if (number >= 14 && number < 18 && sim_has(sim, SIM_MALFORMED))
        return KIND_BLANK;
    if (number >= 18 && number < 20 && sim_has(sim, SIM_MALFORMED))
        return KIND_MALFORMED;
    return KIND_GOOD;
}

static void add_memory(struct sim *sim)
{
    struct sim_memory *memory;
    char id[SIM_ID];

    sim->memories = mem_grow(sim->memories, sim->memory_count, &sim->memory_capacity, sizeof *sim->memories);
    memory = &sim->memories[sim->memory_count++];
    *memory = (struct sim_memory){
        .context = (int)sim_between(sim, CHANCE_SOURCE, 0, sim->plan.contexts - 1), .version = 1, .is_there = true, .copies = 1,
        .created_ms = sim_server_ms(sim) - sim_between(sim, CHANCE_SOURCE, 0, 3000000), .there_since_ms = sim->now_ms,
    };
    switch (sim_between(sim, CHANCE_SOURCE, 0, 4)) {
    case 0: (void)snprintf(id, sizeof id, "m%d", sim->born); break;
    case 1: (void)snprintf(id, sizeof id, "id/%d", sim->born); break;
    case 2: (void)snprintf(id, sizeof id, "\xC3\x9C %d", sim->born); break;
    case 3: (void)snprintf(id, sizeof id, "%d~x", sim->born); break;
    default: (void)snprintf(id, sizeof id, "memory-number-%d", sim->born); break;
    }
    if (sim_draw(sim, "long ids", 0, 0, 3) == 0 && sim->born % 3 == 0) /* past what a document name keeps of it */
        (void)snprintf(id, sizeof id, "%s-\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C\xC3\x9C-%d",
                       sim->born % 2 == 0 ? "long" : "longer", sim->born);
    sim->born++;
    memcpy(memory->id, id, sizeof id);
    memory->kind = draw_kind(sim);
    if (sim_percent(sim, CHANCE_SOURCE, 10) && sim_has(sim, SIM_REPEATED))
        memory->copies = 2;
    sim->source_is_new = true;
}

void sim_source_add(struct sim *sim)
{
    add_memory(sim);
    sim->memories[sim->memory_count - 1].kind = KIND_GOOD;
}

static void change_one(struct sim *sim)
{
    struct sim_memory *memory;

    if (sim->memory_count == 0)
        return;
    memory = &sim->memories[sim_between(sim, CHANCE_SOURCE, 0, (int64_t)sim->memory_count - 1)];
    if (!memory->is_there || memory->kind == KIND_MALFORMED)
        return;
    memory->version++;
    memory->there_since_ms = sim->now_ms;
    memory->kind = draw_kind(sim);
    if (memory->kind == KIND_MALFORMED)
        memory->kind = KIND_GOOD;
    sim_trace(sim, "source: %s is changed to v%d", memory->id, memory->version);
    sim->source_is_new = true;
}

static void remove_one(struct sim *sim)
{
    struct sim_memory *memory;

    if (sim->memory_count == 0)
        return;
    memory = &sim->memories[sim_between(sim, CHANCE_SOURCE, 0, (int64_t)sim->memory_count - 1)];
    memory->is_there = !memory->is_there;
    memory->was_away = true;
    memory->there_since_ms = sim->now_ms;
    sim_trace(sim, "source: %s %s", memory->id, memory->is_there ? "is back" : "is deleted");
    sim->source_is_new = true;
}

/* The whole history is spread evenly; half of the memories are there from the start. */
void sim_source_change(struct sim *sim, int hour)
{
    int wanted = hour == 0 ? sim->plan.memories / 2 : sim->plan.memories / 2 + (sim->plan.memories + 1) / 2 * (hour + 1) / sim->plan.hours;
    int before = sim->born;

    while (sim->born < wanted)
        add_memory(sim);
    if (sim->born > before)
        sim_trace(sim, "source: %d new memories", sim->born - before);
    if (sim_percent(sim, CHANCE_SOURCE, 15) && sim_has(sim, SIM_CHANGES))
        change_one(sim);
    if (sim_percent(sim, CHANCE_SOURCE, 8) && sim_has(sim, SIM_DELETIONS))
        remove_one(sim);
}

void sim_source_stir(struct sim *sim)
{
    if (sim_percent(sim, CHANCE_SOURCE, 50) && sim_has(sim, SIM_CHANGES))
        change_one(sim);
    if (sim_percent(sim, CHANCE_SOURCE, 30) && sim_has(sim, SIM_DELETIONS))
        remove_one(sim);
    if (sim_percent(sim, CHANCE_SOURCE, 30)) {
        add_memory(sim);
        sim_trace(sim, "source: %s is new", sim->memories[sim->memory_count - 1].id);
    }
    sim_source_tell(sim);
}

static void write_memory(const struct sim_memory *memory, struct json_writer *writer)
{
    static const char *const marks[] = { [KIND_GOOD] = "", [KIND_FAILING] = " <<fail>>", [KIND_POISON] = " <<poison>>", [KIND_HOLLOW] = " <<hollow>>",
                                         [KIND_BLANK] = "", [KIND_MALFORMED] = "" };
    AUTO_STRING char *words = NULL;
    char marker[SIM_MARKER];
    char when[TIME_TEXT_SIZE];

    if (memory->kind == KIND_MALFORMED) {
        words = mem_format("{\"transcript\":\"%d without a name\"}", memory->context);
        json_write_raw(writer, NULL, words, strlen(words));
        return;
    }
    sim_memory_marker(memory, memory->version, marker);
    words = memory->kind == KIND_BLANK ? mem_copy_string("") : mem_format("Words %s%s #tag", marker, marks[memory->kind]);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "id", memory->id);
    json_write_string(writer, "type", "record");
    time_text_rfc3339(memory->created_ms, when);
    json_write_string(writer, "created_at", when);
    json_write_integer(writer, "location_lat", memory->version); /* so that a blank one changes too */
    json_write_integer(writer, "location_lon", 1);
    json_write_string(writer, "transcript", words);
    json_write_close(writer);
}

void sim_source_tell(struct sim *sim)
{
    AUTO_DONE(text) struct text body = { 0 };
    struct json_writer writer;
    char when[TIME_TEXT_SIZE];

    text_init(&body, 0);
    json_write_begin(&writer, &body);
    json_write_open_object(&writer, NULL);
    time_text_rfc3339(sim_server_ms(sim), when);
    json_write_string(&writer, "now", when);
    json_write_open_object(&writer, "contexts");
    for (int context = 0; context < sim->plan.contexts; context++) {
        json_write_open_object(&writer, sim->contexts[context]);
        json_write_open_array(&writer, "memories");
        for (size_t i = sim->memory_count; i-- > 0;) /* the newest first, so that a limit cuts the oldest */
            for (int copy = 0; copy < sim->memories[i].copies && sim->memories[i].is_there && sim->memories[i].context == context; copy++)
                write_memory(&sim->memories[i], &writer);
        json_write_close(&writer);
        json_write_close(&writer);
    }
    json_write_close(&writer);
    json_write_close(&writer);
    sim_control(sim, true, "%s", body.data);
    sim->source_is_new = false;
}
