/* zone.h - time zones by their IANA name, from the system's TZif files (RFC 8536, which RFC 9636 replaced: versions 1 to 4, with the rule behind the last
 * change as a POSIX TZ string).
 *
 * An own reader because the C library knows one zone per process. Moments are seconds since 1970 in UTC, local times are the same count with the
 * offset added: "what the clock on the wall shows". A zone is a row of periods, each with one offset. From a period to the next the clock jumps
 * forward (a gap: some local times never come) or back (a fold: some come twice).
 *
 * A zone does not change after it was opened; many threads and jobs may use one. A file is at most 256 KiB, its tables are bounded by the limits
 * below, and whatever is wrong in it is an error that names the file and what is wrong. */
#ifndef MC_SCHEDULE_ZONE_H
#define MC_SCHEDULE_ZONE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ZONE_NAME_SIZE = 64,           /* the longest IANA name has 32 letters */
    ZONE_ABBREVIATION_SIZE = 16,   /* RFC: three letters and more; in the data at most six */
    ZONE_TRANSITIONS_MAXIMUM = 4096, /* in the data at most 243 */
    ZONE_FILE_MAXIMUM = 256 * 1024,
    /* RFC 8536: utoff lies within these */
    ZONE_OFFSET_LEAST = -25 * 3600 + 1, ZONE_OFFSET_MOST = 26 * 3600 - 1,
};

struct zone;

/* May this be the name of a zone: letters, digits, _ + - in parts divided by single slashes, so no file outside of the folder; the error quotes it
 * and says what is expected. "" is not a name. */
int zone_check_name(const char *name, struct error *err);

/* Opens by name. "UTC", "Etc/UTC" and "Z" are built in and need no file; everything else is folder/NAME, where folder NULL means $TZDIR, else
 * /usr/share/zoneinfo. Fails with ERROR_CONFIG. */
int zone_open(const char *folder, const char *name, struct zone **ret_zone, struct error *err);
/* The same from bytes that are there already. */
int zone_parse(const char *name, const void *bytes, size_t size, struct zone **ret_zone, struct error *err);
const struct zone *zone_utc(void);
void zone_free(struct zone *zone); /* NULL and zone_utc() are let alone */
AUTO_DEFINE(zone)

const char *zone_name(const struct zone *zone);

struct zone_period {
    int64_t since, until;     /* [since, until); INT64_MIN, INT64_MAX: always */
    int32_t offset;           /* local = UTC + offset */
    const char *abbreviation; /* "CET"; borrowed from the zone */
};

/* The period around a moment (within ZONE_MOMENT_LIMIT of 1970). Neighbours may have the same offset. */
#define ZONE_MOMENT_LIMIT ((int64_t)1 << 58)
struct zone_period zone_period_at(const struct zone *zone, int64_t moment);

static inline int64_t zone_to_local(const struct zone *zone, int64_t moment)
{
    return moment + zone_period_at(zone, moment).offset;
}

enum zone_local_kind {
    ZONE_LOCAL_ONE,  /* first == last */
    ZONE_LOCAL_GAP,  /* never shown; first == last: the moment when the clock jumps over it */
    ZONE_LOCAL_FOLD, /* shown twice */
};
struct zone_local {
    enum zone_local_kind kind;
    int64_t first, last;
};
struct zone_local zone_from_local(const struct zone *zone, int64_t local);

/* The first moment when the clock shows this local time or a later one: it exists for every local time and grows with it, whatever the zone does. */
int64_t zone_first_showing(const struct zone *zone, int64_t local);
/* The latest local time that the clock has shown up to and with this moment; more than it shows now while a fold lasts. */
int64_t zone_latest_shown(const struct zone *zone, int64_t moment);

#endif
