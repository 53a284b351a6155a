#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

static const char *const month_names[] = { "January", "February", "March", "April", "May", "June", "July", "August", "September",
                                           "October", "November", "December" };
static const char *const day_names[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* ---- The calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms") ---- */

static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t era;
    int64_t year_of_era, day_of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void time_text_fields(int64_t ms, struct time_fields *ret_fields)
{
    int64_t seconds = ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
    int64_t days = seconds >= 0 ? seconds / 86400 : -((-seconds + 86399) / 86400);
    int64_t of_day = seconds - days * 86400;
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *ret_fields = (struct time_fields){
        .year = (int)(year_of_era + era * 400 + (month >= 10)),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .hour = (int)(of_day / 3600),
        .minute = (int)(of_day / 60 % 60),
        .second = (int)(of_day % 60),
        .millisecond = (int)(ms - seconds * 1000),
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
    };
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- Reading ---- */

static const int64_t FIRST_MS = -62167219200000, LAST_MS = 253402300799999; /* 0000-01-01T00:00:00Z, 9999-12-31T23:59:59.999Z */

struct reader {
    const char *at, *end;
};

static bool read_digits(struct reader *reader, int count, int *ret_value)
{
    int value = 0;

    if (reader->end - reader->at < count)
        return false;
    for (int i = 0; i < count; i++) {
        if (reader->at[i] < '0' || reader->at[i] > '9')
            return false;
        value = value * 10 + (reader->at[i] - '0');
    }
    reader->at += count;
    *ret_value = value;
    return true;
}

static bool read_one_of(struct reader *reader, const char *choices)
{
    if (reader->at >= reader->end || *reader->at == '\0' || strchr(choices, *reader->at) == NULL)
        return false;
    reader->at++;
    return true;
}

static bool read_fraction(struct reader *reader, int *ret_ms)
{
    int ms = 0;
    int digits = 0;

    if (!read_one_of(reader, ".,"))
        return true;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++, digits++)
        if (digits < 3)
            ms = ms * 10 + (*reader->at - '0');
    for (int i = digits; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return digits > 0;
}

static bool read_offset(struct reader *reader, int *ret_minutes)
{
    int hours, minutes;
    int sign;

    if (reader->at == reader->end || read_one_of(reader, "Zz"))
        return true;
    if (*reader->at != '+' && *reader->at != '-')
        return false;
    sign = *reader->at++ == '-' ? -1 : 1;
    if (!read_digits(reader, 2, &hours))
        return false;
    (void)read_one_of(reader, ":");
    if (!read_digits(reader, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool time_text_parse(const char *text, size_t size, int64_t *ret_ms)
{
    struct reader reader = { text, text + size };
    int year, month, day, hour, minute, second;
    int ms = 0;
    int offset = 0;
    int64_t instant;

    if (!read_digits(&reader, 4, &year) || !read_one_of(&reader, "-") || !read_digits(&reader, 2, &month) || !read_one_of(&reader, "-") ||
        !read_digits(&reader, 2, &day) || !read_one_of(&reader, "Tt ") || !read_digits(&reader, 2, &hour) || !read_one_of(&reader, ":") ||
        !read_digits(&reader, 2, &minute) || !read_one_of(&reader, ":") || !read_digits(&reader, 2, &second) || !read_fraction(&reader, &ms) ||
        !read_offset(&reader, &offset) || reader.at != reader.end)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
        return false;
    instant = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset) * 60000 + second * 1000 + ms;
    if (instant < FIRST_MS || instant > LAST_MS) /* the offset or a leap second led out of the years that we write */
        return false;
    *ret_ms = instant;
    return true;
}

static int find_month(const char *name)
{
    for (int i = 0; i < 12; i++)
        if (strncmp(month_names[i], name, 3) == 0)
            return i + 1;
    return 0;
}

bool time_text_parse_http_date(const char *text, int64_t *ret_ms)
{
    char month_name[4] = "";
    int day, year, hour, minute, second, month;
    bool is_short_year = false;

    if (sscanf(text, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d GMT", &day, month_name, &year, &hour, &minute, &second) != 6 &&
        sscanf(text, "%*3[A-Za-z] %3s %2d %2d:%2d:%2d %4d", month_name, &day, &hour, &minute, &second, &year) != 6) {
        if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT", &day, month_name, &year, &hour, &minute, &second) != 6)
            return false;
        is_short_year = true;
    }
    if (is_short_year)
        year += year < 70 ? 2000 : 1900;
    month = find_month(month_name);
    if (month == 0 || year < 1 || day < 1 || day > days_in_month(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return false;
    *ret_ms = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
    return true;
}

/* ---- Writing ---- */

void time_text_rfc3339(int64_t ms, char ret_text[TIME_TEXT_SIZE])
{
    struct time_fields f;

    time_text_fields(ms, &f);
    if (f.millisecond != 0)
        (void)snprintf(ret_text, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", f.year % 10000, f.month, f.day, f.hour, f.minute, f.second,
                       f.millisecond);
    else
        (void)snprintf(ret_text, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", f.year % 10000, f.month, f.day, f.hour, f.minute, f.second);
}

void time_text_english(int64_t ms, char ret_text[TIME_TEXT_SIZE])
{
    struct time_fields f;

    time_text_fields(ms, &f);
    (void)snprintf(ret_text, TIME_TEXT_SIZE, "%s %d, %04d at %02d:%02d %s UTC", month_names[f.month - 1], f.day, f.year % 10000,
                   f.hour % 12 == 0 ? 12 : f.hour % 12, f.minute, f.hour < 12 ? "AM" : "PM");
}

void time_text_http_date(int64_t ms, char ret_text[TIME_TEXT_SIZE])
{
    struct time_fields f;

    time_text_fields(ms, &f);
    (void)snprintf(ret_text, TIME_TEXT_SIZE, "%s, %02d %.3s %04d %02d:%02d:%02d GMT", day_names[f.weekday], f.day, month_names[f.month - 1],
                   f.year % 10000, f.hour, f.minute, f.second);
}

void time_text_duration(int64_t ms, char ret_text[TIME_TEXT_SIZE])
{
    static const struct { int64_t seconds; char unit; } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    int64_t seconds = ms < 0 ? 0 : (ms + 500) / 1000;

    for (size_t i = 0; i < 3; i++) {
        int64_t large = seconds / units[i].seconds;
        int64_t small = seconds % units[i].seconds / units[i + 1].seconds;
        if (large == 0)
            continue;
        if (small != 0)
            (void)snprintf(ret_text, TIME_TEXT_SIZE, "%lld%c %lld%c", (long long)large, units[i].unit, (long long)small, units[i + 1].unit);
        else
            (void)snprintf(ret_text, TIME_TEXT_SIZE, "%lld%c", (long long)large, units[i].unit);
        return;
    }
    (void)snprintf(ret_text, TIME_TEXT_SIZE, "%llds", (long long)seconds);
}
