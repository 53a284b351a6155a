/* zone_tzif.c - reading a TZif file (RFC 8536). Nothing in it is trusted: every count, index, order and string is checked before it is used. */
#include "schedule/zone_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_SIZE = 44, TYPE_SIZE = 6, TYPES_MAXIMUM = 256, LETTERS_MAXIMUM = 2048, LEAP_SECONDS_MAXIMUM = 1000 };
#define TRANSITION_LIMIT ((int64_t)1 << 59) /* RFC 8536: earlier ones should not be there */

struct tzif_header {
    int version;
    uint32_t ut_marks, standard_marks, leap_seconds, transitions, types, letters;
};

struct tzif_reader {
    const unsigned char *bytes;
    size_t size, at;
    struct error *err;
};

static uint32_t big_endian_32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

static int64_t big_endian(const unsigned char *bytes, size_t size)
{
    if (size == 4)
        return (int32_t)big_endian_32(bytes);
    return (int64_t)((uint64_t)big_endian_32(bytes) << 32 | big_endian_32(bytes + 4));
}

static int complain(const struct tzif_reader *reader, size_t at, const char *what)
{
    return error_set(reader->err, ERROR_CONFIG, "%s, at byte %zu", what, at);
}

static int read_header(struct tzif_reader *reader, struct tzif_header *header)
{
    const unsigned char *bytes = reader->bytes + reader->at;

    if (reader->size - reader->at < HEADER_SIZE || memcmp(bytes, "TZif", 4) != 0)
        return complain(reader, reader->at, "no time zone data (TZif) begins here");
    if (bytes[4] != '\0' && (bytes[4] < '2' || bytes[4] > '9'))
        return complain(reader, reader->at + 4, "the version is unknown");
    *header = (struct tzif_header){
        .version = bytes[4] == '\0' ? 1 : bytes[4] - '0',
        .ut_marks = big_endian_32(bytes + 20), .standard_marks = big_endian_32(bytes + 24), .leap_seconds = big_endian_32(bytes + 28),
        .transitions = big_endian_32(bytes + 32), .types = big_endian_32(bytes + 36), .letters = big_endian_32(bytes + 40),
    };
    if (header->transitions > ZONE_TRANSITIONS_MAXIMUM || header->types < 1 || header->types > TYPES_MAXIMUM || header->letters < 1 ||
        header->letters > LETTERS_MAXIMUM || header->leap_seconds > LEAP_SECONDS_MAXIMUM || (header->ut_marks != 0 && header->ut_marks != header->types) ||
        (header->standard_marks != 0 && header->standard_marks != header->types))
        return complain(reader, reader->at + 20, "its tables have sizes that cannot be");
    reader->at += HEADER_SIZE;
    return 0;
}

static size_t body_size(const struct tzif_header *header, size_t time_size)
{
    return (size_t)header->transitions * (time_size + 1) + (size_t)header->types * TYPE_SIZE + header->letters + (size_t)header->leap_seconds * (time_size + 4) +
           header->standard_marks + header->ut_marks;
}

static int read_transitions(struct tzif_reader *reader, const struct tzif_header *header, size_t time_size, struct zone *zone)
{
    const unsigned char *times = reader->bytes + reader->at, *types = times + header->transitions * time_size;

    zone->transitions = mem_alloc_array(header->transitions + 1u, sizeof *zone->transitions);
    zone->transition_count = header->transitions;
    for (size_t i = 0; i < header->transitions; i++) {
        struct zone_transition *transition = &zone->transitions[i];
        *transition = (struct zone_transition){ big_endian(times + i * time_size, time_size), types[i] };
        if (transition->at < -TRANSITION_LIMIT || transition->at > TRANSITION_LIMIT || (i > 0 && transition->at <= transition[-1].at))
            return complain(reader, reader->at + i * time_size, "a change is out of order or out of any range");
        if (transition->type >= header->types)
            return complain(reader, reader->at + header->transitions * time_size + i, "a change to a kind of local time that is not there");
    }
    reader->at += header->transitions * (time_size + 1);
    return 0;
}

static int read_type(const struct tzif_reader *reader, const struct tzif_header *header, size_t index, struct zone_type *type)
{
    size_t at = reader->at + index * TYPE_SIZE;
    const unsigned char *bytes = reader->bytes + at;
    const char *letters = (const char *)reader->bytes + reader->at + (size_t)header->types * TYPE_SIZE;
    int64_t offset = big_endian(bytes, 4);
    size_t length;

    if (offset < ZONE_OFFSET_LEAST || offset > ZONE_OFFSET_MOST || bytes[4] > 1)
        return complain(reader, at, "an offset that no clock on earth has");
    if (bytes[5] >= header->letters)
        return complain(reader, at + 5, "the abbreviation is not there");
    length = strnlen(letters + bytes[5], header->letters - bytes[5]);
    if (length == header->letters - bytes[5] || length >= ZONE_ABBREVIATION_SIZE)
        return complain(reader, at + 5, "an abbreviation without an end");
    for (size_t i = 0; i < length; i++)
        if (letters[bytes[5] + i] <= ' ' || letters[bytes[5] + i] > '~')
            return complain(reader, at + 5, "an abbreviation with odd letters");
    type->offset = (int32_t)offset;
    (void)snprintf(type->abbreviation, sizeof type->abbreviation, "%s", letters + bytes[5]);
    return 0;
}

static int read_body(struct tzif_reader *reader, const struct tzif_header *header, size_t time_size, struct zone *zone)
{
    size_t end = reader->at + body_size(header, time_size);

    if (end > reader->size)
        return complain(reader, reader->size, "the file ends too early");
    if (header->leap_seconds > 0) /* "right/Europe/Berlin": moments that count leap seconds, which the system's clock does not */
        return complain(reader, reader->at, "it counts leap seconds; take the name without \"right/\"");
    if (read_transitions(reader, header, time_size, zone) < 0)
        return -1;
    zone->types = mem_alloc_array(header->types, sizeof *zone->types);
    zone->type_count = header->types;
    for (size_t i = 0; i < header->types; i++)
        if (read_type(reader, header, i, &zone->types[i]) < 0)
            return -1;
    reader->at = end;
    return 0;
}

/* A line feed, the rule (or nothing), a line feed, and no byte more. */
static int read_footer(struct tzif_reader *reader, struct zone *zone)
{
    const char *text = (const char *)reader->bytes + reader->at + 1;
    const char *end;

    if (reader->size - reader->at < 2 || text[-1] != '\n' || (end = memchr(text, '\n', reader->size - reader->at - 1)) == NULL)
        return complain(reader, reader->at, "the closing rule is missing");
    if ((size_t)(end + 1 - (const char *)reader->bytes) != reader->size)
        return complain(reader, (size_t)(end + 1 - (const char *)reader->bytes), "there is more behind the closing rule");
    return end == text ? 0 : zone_rule_parse(text, (size_t)(end - text), &zone->rule, reader->err);
}

static int read_file(struct tzif_reader *reader, struct zone *zone)
{
    struct tzif_header header;

    if (read_header(reader, &header) < 0)
        return -1;
    if (header.version == 1) {
        if (read_body(reader, &header, 4, zone) < 0)
            return -1;
        return reader->at == reader->size ? 0 : complain(reader, reader->at, "there is more behind the data");
    }
    /* First the same with 32 bits, for readers of version 1; it is passed over. */
    if (body_size(&header, 4) > reader->size - reader->at)
        return complain(reader, reader->size, "the file ends too early");
    reader->at += body_size(&header, 4);
    if (read_header(reader, &header) < 0 || read_body(reader, &header, 8, zone) < 0)
        return -1;
    return read_footer(reader, zone);
}

int zone_parse(const char *name, const void *bytes, size_t size, struct zone **ret_zone, struct error *err)
{
    AUTO(zone) struct zone *zone = mem_alloc(sizeof *zone);
    struct tzif_reader reader = { .bytes = bytes, .size = size, .err = err };

    (void)snprintf(zone->name, sizeof zone->name, "%s", name);
    if (size > ZONE_FILE_MAXIMUM)
        return error_set(err, ERROR_CONFIG, "time zone %s: more than %d bytes", zone->name, ZONE_FILE_MAXIMUM);
    if (read_file(&reader, zone) < 0)
        return error_wrap(err, "time zone %s", zone->name);
    *ret_zone = TAKE(zone);
    return 0;
}
