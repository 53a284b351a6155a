/* tables.c - prints the transition tables of src/delivery/table.c as JSON, for the exhaustive model (explore.py). */
#include "delivery/table.h"

#include "base/json_write.h"

#include <stdio.h>

static void write_batches(struct json_writer *writer)
{
    json_write_open_object(writer, "batch");
    for (int phase = 0; phase < PHASES; phase++) {
        json_write_open_object(writer, batch_phase_name((enum batch_phase)phase));
        for (int event = 0; event < BATCH_EVENTS; event++) {
            const struct batch_transition *row = &batch_table[phase][event];
            json_write_open_object(writer, batch_event_name((enum batch_event)event));
            json_write_string(writer, "next", batch_phase_name(row->next));
            json_write_string(writer, "action", batch_action_name(row->action));
            json_write_string(writer, "why", row->why);
            json_write_close(writer);
        }
        json_write_close(writer);
    }
    json_write_close(writer);
}

static void write_sightings(struct json_writer *writer)
{
    json_write_open_object(writer, "sighting");
    for (int phase = 0; phase < PHASES; phase++) {
        json_write_open_object(writer, batch_phase_name((enum batch_phase)phase));
        for (int sighting = 0; sighting < SIGHTINGS; sighting++)
            json_write_string(writer, sighting_name((enum sighting)sighting), member_action_name(sighting_table[phase][sighting].action));
        json_write_close(writer);
    }
    json_write_close(writer);
}

int main(void)
{
    AUTO_DONE(text) struct text out = { 0 };
    struct json_writer writer;

    text_init(&out, 0);
    json_write_begin(&writer, &out);
    json_write_open_object(&writer, NULL);
    write_batches(&writer);
    write_sightings(&writer);
    json_write_close(&writer);
    (void)puts(out.data);
    return 0;
}
