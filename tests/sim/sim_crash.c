/* sim_crash.c - the state, its durable steps, and crashes of ours at them.
 *
 * A crash is no shutdown: from the chosen step on nothing of ours reaches the disk (the commit is refused by SQLite's commit hook) or the network (requests
 * vanish), the next poll ends the loop, engine and state are freed, and the open transaction is rolled back. What is opened next is what was committed. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static void put_number(struct numbers *numbers, int64_t number)
{
    if (numbers->count > 0 && numbers->items[numbers->count - 1] == number)
        return;
    numbers->items = mem_grow(numbers->items, numbers->count, &numbers->capacity, sizeof *numbers->items);
    numbers->items[numbers->count++] = number;
}

bool sim_is_dirty(const struct numbers *numbers, int64_t number)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->items[i] == number)
            return true;
    return false;
}

bool sim_step(struct sim *sim, const char *what)
{
    if (sim->is_dead)
        return false;
    if (sim->dies_at != NULL && strcmp(sim->dies_at, what) != 0)
        return true;
    if (sim->steps_to_crash < 0 || sim->steps_to_crash-- > 0)
        return true;
    sim->is_dead = true;
    sim->crashes++;
    sim_trace(sim, "CRASH of ours %s a %s", sim->dies_after ? "after" : "before", what);
    return sim->dies_after;
}

static int on_commit(void *context)
{
    struct sim *sim = context;

    if (!sim_step(sim, "commit"))
        return 1;
    sim->commits++;
    sim_trace(sim, "commit of %zu memories, %zu batches", sim->dirty_memories.count, sim->dirty_batches.count);
    sim->dirty_memories.count = sim->dirty_batches.count = 0;
    return 0;
}

static void on_rollback(void *context)
{
    struct sim *sim = context;

    sim->dirty_memories.count = sim->dirty_batches.count = 0;
}

static void on_update(void *context, int operation, const char *database, const char *table, sqlite3_int64 row)
{
    struct sim *sim = context;

    (void)operation;
    (void)database;
    if (strcmp(table, "memories") == 0 || strcmp(table, "texts") == 0)
        put_number(&sim->dirty_memories, row);
    if (strcmp(table, "memories") == 0)
        put_number(&sim->touched, row);
    if (strcmp(table, "batches") == 0)
        put_number(&sim->dirty_batches, row);
}

int sim_state_open(struct sim *sim)
{
    struct state_settings settings = { .path = sim->path, .now_ms = sim_wall_ms(sim) };
    struct error err = { 0 };

    sim->is_dead = false;
    sim->steps_to_crash = -1;
    sim->dirty_memories.count = sim->dirty_batches.count = sim->touched.count = 0;
    if (state_open(&settings, &sim->state, &err) < 0) {
        sim_fail(sim, "the state does not open: %.300s", err.message);
        return -1;
    }
    if (sim->keeper == NULL) {
        AUTO_STRING char *name = mem_format("file:/%s?vfs=memdb", sim->path + strlen(":memory:"));
        if (sqlite3_open_v2(name, &sim->keeper, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
            sim_fail(sim, "the simulation's own: the state cannot be kept");
    }
    (void)sqlite3_commit_hook(sim->state->db, on_commit, sim);
    (void)sqlite3_rollback_hook(sim->state->db, on_rollback, sim);
    (void)sqlite3_update_hook(sim->state->db, on_update, sim);
    return 0;
}

void sim_state_close(struct sim *sim)
{
    state_free(sim->state);
    sim->state = NULL;
}
