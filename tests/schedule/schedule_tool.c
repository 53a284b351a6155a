/* schedule_tool.c - zones and schedules answered line by line, to be compared with others' programs. Words are divided by tabs:
 *   next, zone, moment, expression  -> the moment of the next run, "never", or "error ..."
 *   list, zone, until               -> "moment offset abbreviation" for every change, divided by blanks, beginning with the time before all
 *   at, zone, moment                -> "offset abbreviation"
 *   local, zone, local time         -> "one|gap|fold first last"
 * Moments and local times are seconds since 1970. */
#include "base/auto.h"
#include "schedule/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096, WORDS = 4 };

static int open_zone(const char *name, struct zone **zone, struct error *err)
{
    if (*zone != NULL && strcmp(zone_name(*zone), name) == 0)
        return 0;
    zone_free(*zone);
    *zone = NULL;
    return zone_open(NULL, name, zone, err);
}

static void list(const struct zone *zone, int64_t until)
{
    struct zone_period period = zone_period_at(zone, -ZONE_MOMENT_LIMIT);

    printf("- %d %s", period.offset, period.abbreviation);
    while (period.until <= until) {
        period = zone_period_at(zone, period.until);
        printf(" %" PRId64 " %d %s", period.since, period.offset, period.abbreviation);
    }
    putchar('\n');
}

static void convert(const struct zone *zone, int64_t local)
{
    static const char *const kinds[] = { "one", "gap", "fold" };
    struct zone_local found = zone_from_local(zone, local);

    printf("%s %" PRId64 " %" PRId64 "\n", kinds[found.kind], found.first, found.last);
}

static void next(struct zone **zone, const char *name, int64_t after, const char *expression)
{
    struct schedule schedule;
    struct error err = { 0 };
    int64_t ms;

    if (schedule_parse(expression, &schedule, &err) < 0 || open_zone(schedule.zone[0] != '\0' ? schedule.zone : name, zone, &err) < 0)
        printf("error %s\n", err.message);
    else if (schedule_next(&schedule, *zone, after * 1000, &ms))
        printf("%" PRId64 "\n", ms / 1000);
    else
        puts("never");
}

int main(void)
{
    struct zone *zone = NULL;
    char line[LINE_SIZE];

    while (fgets(line, sizeof line, stdin) != NULL) {
        static char nothing[] = "";
        char *words[WORDS] = { nothing, nothing, nothing, nothing }, *at = line;
        struct error err = { 0 };
        int64_t moment;
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < WORDS && at != NULL; i++) {
            words[i] = at;
            at = i + 1 < WORDS ? strchr(at, '\t') : NULL;
            if (at != NULL)
                *at++ = '\0';
        }
        moment = strtoll(words[2], NULL, 10);
        if (strcmp(words[0], "next") == 0)
            next(&zone, words[1], moment, words[3]);
        else if (open_zone(words[1], &zone, &err) < 0)
            printf("error %s\n", err.message);
        else if (strcmp(words[0], "list") == 0)
            list(zone, moment);
        else if (strcmp(words[0], "local") == 0)
            convert(zone, moment);
        else {
            struct zone_period period = zone_period_at(zone, moment);
            printf("%d %s\n", period.offset, period.abbreviation);
        }
    }
    zone_free(zone);
    return 0;
}
