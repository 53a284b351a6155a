/* sim_orders.c - orders that come in the middle of a sync, as they come to a running service: the dead letters are tried again while the targets are at
 * work. */
#include "sim.h"

#include "engine/engine_internal.h"

static void on_turn(void *owner)
{
    struct sim *sim = owner;
    struct letter_filter filter = { 0 };
    struct error err = { 0 };
    int64_t count = 0;

    if (sim->steps_to_order < 0 || sim->steps_to_order-- > 0 || sim->is_dead || sim->engine->is_broken)
        return;
    if (engine_retry_letters_live(sim->engine, &filter, &count, &err) < 0 && !sim->is_dead)
        sim_fail(sim, "dead letters cannot be retried during a sync: %.200s", err.message);
    sim->was_ordered = true;
    sim_trace(sim, "somebody retries %lld dead letters in the middle of it", (long long)count);
}

void sim_orders_arm(struct sim *sim, int hour)
{
    bool comes = sim_has(sim, SIM_ORDERS) && !sim->is_quiet && sim_draw(sim, "order comes", hour, 0, 99) < 15;

    sim->steps_to_order = comes ? (int)sim_draw(sim, "order's turn", hour, 0, 80) : -1;
}

void sim_orders_listen(struct sim *sim)
{
    sim->engine->on_turn = on_turn;
    sim->engine->owner = sim;
}
