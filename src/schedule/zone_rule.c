/* zone_rule.c - the POSIX TZ string: which offset holds from the last recorded change on, for ever (POSIX 8.3 with the wider times of RFC 8536 3.3.1). */
#include "schedule/zone_internal.h"

#include "schedule/calendar.h"

#include <limits.h>
#include <string.h>

struct rule_reader {
    const char *at, *end;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take(struct rule_reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool read_number(struct rule_reader *reader, int most, int *ret_number)
{
    int number = 0;
    const char *start = reader->at;

    for (; reader->at < reader->end && is_digit(*reader->at) && number <= most; reader->at++)
        number = number * 10 + (*reader->at - '0');
    if (reader->at == start || number > most)
        return false;
    *ret_number = number;
    return true;
}

/* Letters, or <anything of letters, digits, + and ->; three at least. */
static bool read_name(struct rule_reader *reader, char *ret_name)
{
    bool is_quoted = take(reader, '<');
    size_t size = 0;

    for (; reader->at < reader->end && (is_letter(*reader->at) || (is_quoted && (is_digit(*reader->at) || *reader->at == '+' || *reader->at == '-'))); reader->at++) {
        if (size + 1 >= ZONE_ABBREVIATION_SIZE)
            return false;
        ret_name[size++] = *reader->at;
    }
    ret_name[size] = '\0';
    return size >= 3 && (!is_quoted || take(reader, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct rule_reader *reader, int hours_most, int32_t *ret_seconds)
{
    int hours, minutes = 0, seconds = 0;
    bool is_negative = take(reader, '-');

    if (!is_negative)
        (void)take(reader, '+');
    if (!read_number(reader, hours_most, &hours) || (take(reader, ':') && (!read_number(reader, 59, &minutes) || (take(reader, ':') && !read_number(reader, 59, &seconds)))))
        return false;
    *ret_seconds = (hours * HOUR_SECONDS + minutes * MINUTE_SECONDS + seconds) * (is_negative ? -1 : 1);
    return true;
}

static bool read_day(struct rule_reader *reader, struct zone_day *ret_day)
{
    *ret_day = (struct zone_day){ .kind = ZONE_DAY_OF_YEAR, .seconds = 2 * HOUR_SECONDS };
    if (!take(reader, ','))
        return false;
    if (take(reader, 'J')) {
        ret_day->kind = ZONE_DAY_JULIAN;
        if (!read_number(reader, 365, &ret_day->day) || ret_day->day < 1)
            return false;
    } else if (take(reader, 'M')) {
        ret_day->kind = ZONE_DAY_WEEKDAY;
        if (!read_number(reader, 12, &ret_day->month) || ret_day->month < 1 || !take(reader, '.') || !read_number(reader, 5, &ret_day->week) || ret_day->week < 1 ||
            !take(reader, '.') || !read_number(reader, 6, &ret_day->day))
            return false;
    } else if (!read_number(reader, 365, &ret_day->day)) {
        return false;
    }
    return !take(reader, '/') || read_time(reader, 167, &ret_day->seconds);
}

static bool read_rule(struct rule_reader *reader, struct zone_rule *rule)
{
    int32_t west;

    if (!read_name(reader, rule->standard.abbreviation) || !read_time(reader, 24, &west))
        return false;
    rule->standard.offset = -west; /* POSIX counts westwards */
    if (reader->at == reader->end)
        return true;
    rule->has_summer = true;
    if (!read_name(reader, rule->summer.abbreviation))
        return false;
    rule->summer.offset = rule->standard.offset + HOUR_SECONDS;
    if (reader->at < reader->end && *reader->at != ',') {
        if (!read_time(reader, 24, &west))
            return false;
        rule->summer.offset = -west;
    }
    return read_day(reader, &rule->start) && read_day(reader, &rule->end) && reader->at == reader->end;
}

int zone_rule_parse(const char *text, size_t size, struct zone_rule *ret_rule, struct error *err)
{
    struct rule_reader reader = { .at = text, .end = text + size };
    struct zone_rule rule = { .exists = true };

    if (!read_rule(&reader, &rule))
        return error_set(err, ERROR_CONFIG, "its closing rule is no POSIX TZ string, at its byte %zu", (size_t)(reader.at - text));
    *ret_rule = rule;
    return 0;
}

/* ---- When ---- */

static int64_t day_of_rule(const struct zone_day *day, int64_t year)
{
    int64_t first;
    int to_weekday, of_month;

    if (day->kind == ZONE_DAY_OF_YEAR)
        return calendar_days(year, 1, 1) + day->day;
    if (day->kind == ZONE_DAY_JULIAN)
        return calendar_days(year, 1, 1) + day->day - 1 + (calendar_is_leap(year) && day->day >= 60);
    first = calendar_days(year, day->month, 1);
    to_weekday = (day->day - calendar_weekday(first) + 7) % 7;
    of_month = to_weekday + (day->week - 1) * 7;
    return first + (of_month >= calendar_month_length(year, day->month) ? of_month - 7 : of_month);
}

struct rule_change {
    int64_t at;
    bool to_summer;
};

enum { YEARS_BEFORE = 1, YEARS_AROUND = 4, RULE_CHANGES = 2 * YEARS_AROUND };

/* Where both fall on one moment (summer time the whole year), summer goes on: the change to it comes later. */
static void add_change(struct rule_change *changes, size_t count, struct rule_change change)
{
    size_t i = count;

    for (; i > 0 && (changes[i - 1].at > change.at || (changes[i - 1].at == change.at && changes[i - 1].to_summer && !change.to_summer)); i--)
        changes[i] = changes[i - 1];
    changes[i] = change;
}

struct zone_period zone_rule_period(const struct zone_rule *rule, int64_t moment)
{
    struct rule_change changes[RULE_CHANGES] = { 0 };
    struct zone_period period = { INT64_MIN, INT64_MAX, rule->standard.offset, rule->standard.abbreviation };
    int64_t year;
    size_t i = 0;

    if (!rule->has_summer)
        return period;
    year = calendar_date(calendar_floor(moment + rule->standard.offset, DAY_SECONDS)).year;
    for (int around = 0; around < YEARS_AROUND; around++) {
        int64_t of = year - YEARS_BEFORE + around;
        add_change(changes, (size_t)around * 2, (struct rule_change){ day_of_rule(&rule->start, of) * DAY_SECONDS + rule->start.seconds - rule->standard.offset, true });
        add_change(changes, (size_t)around * 2 + 1, (struct rule_change){ day_of_rule(&rule->end, of) * DAY_SECONDS + rule->end.seconds - rule->summer.offset, false });
    }
    /* The year before has changes that are over, the years after have some to come. */
    while (i + 1 < RULE_CHANGES && changes[i + 1].at <= moment)
        i++;
    period.since = changes[i].at;
    if (i + 1 < RULE_CHANGES)
        period.until = changes[i + 1].at;
    if (changes[i].to_summer) {
        period.offset = rule->summer.offset;
        period.abbreviation = rule->summer.abbreviation;
    }
    return period;
}
