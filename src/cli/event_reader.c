#include "cli/event_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void event_reader_init(struct event_reader *reader, void (*on_event)(void *context, const char *name, const char *data, size_t size), void *context)
{
    *reader = (struct event_reader){ .on_event = on_event, .context = context };
    text_init(&reader->line, EVENT_LINE_MAXIMUM);
    text_init(&reader->data, EVENT_LINE_MAXIMUM);
}

void event_reader_done(struct event_reader *reader)
{
    text_done(&reader->line);
    text_done(&reader->data);
}

static void begin_event(struct event_reader *reader)
{
    reader->name[0] = '\0';
    reader->has_data = false;
    reader->number = reader->last;
    text_clear(&reader->data);
}

void event_reader_restart(struct event_reader *reader)
{
    text_clear(&reader->line);
    reader->was_return = false;
    begin_event(reader);
}

static void end_event(struct event_reader *reader)
{
    reader->last = reader->number;
    if (reader->has_data)
        reader->on_event(reader->context, reader->name[0] != '\0' ? reader->name : "message", reader->data.data, reader->data.size);
    begin_event(reader);
}

static void take_field(struct event_reader *reader, const char *name, size_t length, const char *value)
{
    if (length == 4 && memcmp(name, "data", 4) == 0) {
        if (reader->has_data)
            (void)text_append_char(&reader->data, '\n');
        reader->has_data = true;
        (void)text_append(&reader->data, value);
    } else if (length == 5 && memcmp(name, "event", 5) == 0) {
        (void)snprintf(reader->name, sizeof reader->name, "%s", value);
    } else if (length == 2 && memcmp(name, "id", 2) == 0 && value[0] != '\0' && strspn(value, "0123456789") == strlen(value) && strlen(value) < 19) {
        reader->number = strtoll(value, NULL, 10);
    }
}

static void take_line(struct event_reader *reader)
{
    const char *line = reader->line.data;
    size_t length = strcspn(line, ":");

    if (reader->line.size == 0) {
        end_event(reader);
        return;
    }
    if (length > 0 && line[length] == ':')
        take_field(reader, line, length, line + length + (line[length + 1] == ' ' ? 2 : 1));
    text_clear(&reader->line);
}

void event_reader_feed(struct event_reader *reader, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool was_return = reader->was_return;
        reader->was_return = bytes[i] == '\r';
        if (bytes[i] == '\n' && was_return)
            continue; /* of one line end */
        if (bytes[i] == '\n' || bytes[i] == '\r')
            take_line(reader);
        else
            (void)text_append_char(&reader->line, bytes[i]);
    }
}
