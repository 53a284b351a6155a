/* TZif files: any bytes are refused with a message or become a zone whose periods follow each other without a hole, and in which local times and
 * moments fit together. */
#include "schedule/schedule.h"

#include <stdlib.h>

#define FAR ((int64_t)253402300799) /* the end of the year 9999 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_local(const struct zone *zone, int64_t local)
{
    struct zone_local found = zone_from_local(zone, local);
    int64_t first = zone_first_showing(zone, local);

    if (found.first > found.last || (found.kind != ZONE_LOCAL_FOLD && found.first != found.last) || first > found.first)
        abort();
    if (found.kind != ZONE_LOCAL_GAP && (zone_to_local(zone, found.first) != local || zone_to_local(zone, found.last) != local))
        abort();
    if (zone_latest_shown(zone, first) < local || zone_first_showing(zone, local + 1) < first)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(zone) struct zone *zone = NULL;
    struct error err = { 0 };
    struct schedule daily, hourly;
    struct zone_period period;
    int64_t next;

    if (zone_parse("Fuzz", data, size, &zone, &err) < 0) {
        if (err.kind != ERROR_CONFIG || err.message[0] == '\0' || zone != NULL)
            abort();
        return 0;
    }
    if (schedule_parse("30 2 * * *", &daily, NULL) < 0 || schedule_parse("*/7 * * * *", &hourly, NULL) < 0)
        abort();
    period = zone_period_at(zone, -ZONE_MOMENT_LIMIT);
    for (int i = 0; i < 300 && period.until < ZONE_MOMENT_LIMIT; i++) {
        struct zone_period after = zone_period_at(zone, period.until);
        if (after.since != period.until || after.until <= period.until || after.offset < ZONE_OFFSET_LEAST || after.offset > ZONE_OFFSET_MOST)
            abort();
        for (int64_t by = -7200; by <= 7200; by += 2400)
            check_local(zone, period.until + period.offset + by);
        for (int which = 0; which < 2; which++)
            if (schedule_next(which == 0 ? &daily : &hourly, zone, period.until % FAR * 1000, &next) && next % 1000 != 0)
                abort();
        period = after;
    }
    return 0;
}
