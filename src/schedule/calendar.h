/* calendar.h - days and dates of the proleptic Gregorian calendar, as plain arithmetic; no zone, no clock.
 *
 * A day is counted from 1970-01-01 (0, a Thursday). Any year whose days fit into 62 bits will do.
 * After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
#ifndef MC_SCHEDULE_CALENDAR_H
#define MC_SCHEDULE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

enum { MINUTE_SECONDS = 60, HOUR_SECONDS = 3600, DAY_SECONDS = 86400 };

struct calendar_date {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
};

static inline int64_t calendar_floor(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static inline int64_t calendar_days(int64_t year, int month, int day)
{
    int64_t shifted = year - (month <= 2);
    int64_t era = calendar_floor(shifted, 400);
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static inline struct calendar_date calendar_date(int64_t days)
{
    int64_t era = calendar_floor(days + 719468, 146097);
    int64_t day_of_era = days + 719468 - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    return (struct calendar_date){ .year = year_of_era + era * 400 + (month >= 10), .month = (int)(month < 10 ? month + 3 : month - 9),
                                   .day = (int)(day_of_year - (153 * month + 2) / 5 + 1) };
}

static inline int calendar_weekday(int64_t days) /* 0 = Sunday */
{
    return (int)(days + 4 - calendar_floor(days + 4, 7) * 7);
}

static inline bool calendar_is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int calendar_month_length(int64_t year, int month)
{
    return month == 2 ? 28 + calendar_is_leap(year) : 30 + ((month + (month > 7)) & 1);
}

#endif
