/* zone_internal.h - what a zone is made of. */
#ifndef MC_SCHEDULE_ZONE_INTERNAL_H
#define MC_SCHEDULE_ZONE_INTERNAL_H

#include "schedule/zone.h"

#include <stdbool.h>

struct zone_type {
    int32_t offset;
    char abbreviation[ZONE_ABBREVIATION_SIZE];
};

struct zone_transition {
    int64_t at;
    uint8_t type; /* from here on */
};

enum zone_day_kind {
    ZONE_DAY_JULIAN,  /* Jn: 1..365, 29 February is never counted */
    ZONE_DAY_OF_YEAR, /* n: 0..365 */
    ZONE_DAY_WEEKDAY, /* Mm.w.d: weekday d of week w (5: the last) of month m */
};
struct zone_day {
    enum zone_day_kind kind;
    int day, week, month;
    int32_t seconds; /* of local time, -167 h to 167 h */
};

/* "CET-1CEST,M3.5.0,M10.5.0/3" */
struct zone_rule {
    bool exists, has_summer;
    struct zone_type standard, summer;
    struct zone_day start, end; /* of summer time */
};

struct zone {
    char name[ZONE_NAME_SIZE];
    struct zone_transition *transitions; /* owned; ascending */
    size_t transition_count;
    struct zone_type *types;             /* owned; at least one */
    size_t type_count;
    struct zone_rule rule;               /* behind the last transition */
};

/* ---- zone_rule.c ---- */
int zone_rule_parse(const char *text, size_t size, struct zone_rule *ret_rule, struct error *err);
struct zone_period zone_rule_period(const struct zone_rule *rule, int64_t moment);

#endif
