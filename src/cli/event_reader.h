/* event_reader.h - Server-Sent Events from bytes, however they are cut.
 *
 * Source: the HTML standard, section 9.2.6 (Interpreting an event stream). Names that it does not know are passed over, as that says. */
#ifndef MC_CLI_EVENT_READER_H
#define MC_CLI_EVENT_READER_H

#include "base/text.h"

#include <stdint.h>

enum { EVENT_NAME_SIZE = 40, EVENT_LINE_MAXIMUM = 128 << 10 /* longer lines are cut; the service makes them at most 64 KiB */ };

struct event_reader {
    int64_t last;                  /* number of the last event that was given out or announced; 0: none */
    char name[EVENT_NAME_SIZE];    /* of the event that is being read; "" = "message" */
    struct text line, data;
    bool has_data, was_return;
    int64_t number;                /* as last, of the event that is being read */
    void *context;
    void (*on_event)(void *context, const char *name, const char *data, size_t size);
};

void event_reader_init(struct event_reader *reader, void (*on_event)(void *context, const char *name, const char *data, size_t size), void *context);
void event_reader_done(struct event_reader *reader);
AUTO_DEFINE_DONE(event_reader)

void event_reader_feed(struct event_reader *reader, const char *bytes, size_t size);
void event_reader_restart(struct event_reader *reader); /* a new connection: what was half read is forgotten, last stays */

#endif
