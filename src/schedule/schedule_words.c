/* schedule_words.c - a schedule in words. */
#include "schedule/schedule.h"

#include <inttypes.h>
#include <string.h>

static const char *const month_words[] = { "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" };
static const char *const weekday_words[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

enum { TIMES_LISTED = 6 }; /* more times of a day than that are told by their fields */

static const struct { uint64_t least, most; } bounds[CRON_FIELD_COUNT] = {
    [CRON_SECOND] = { 0, 59 }, [CRON_MINUTE] = { 0, 59 }, [CRON_HOUR] = { 0, 23 }, [CRON_DAY] = { 1, 31 }, [CRON_MONTH] = { 1, 12 }, [CRON_WEEKDAY] = { 0, 6 },
};

static int count_of(const struct schedule *schedule, enum cron_field field)
{
    return __builtin_popcountll(schedule->fields[field]);
}

static int first_of(const struct schedule *schedule, enum cron_field field)
{
    return __builtin_ctzll(schedule->fields[field]);
}

static bool is_full(const struct schedule *schedule, enum cron_field field)
{
    return count_of(schedule, field) == (int)(bounds[field].most - bounds[field].least + 1);
}

/* 0, 15, 30, 45 of 60: 15. 0: no such step, or one value only. */
static int step_of(const struct schedule *schedule, enum cron_field field)
{
    int values = (int)bounds[field].most + 1, count = count_of(schedule, field), step = values / count;
    uint64_t bits = 0;

    if (count < 2 || values % count != 0)
        return 0;
    for (int value = 0; value < values; value += step)
        bits |= UINT64_C(1) << value;
    return bits == schedule->fields[field] ? step : 0;
}

/* ---- Lists: "1, 15 and 20 to 25" ---- */

static int end_of_run(uint64_t bits, int value)
{
    while (value < 63 && (bits >> (value + 1) & 1) != 0)
        value++;
    return value;
}

static void append_value(struct text *out, const char *const *words, int value)
{
    if (words != NULL)
        (void)text_append(out, words[value]); /* NOLINT(clang-analyzer-core.CallAndMessage): a field with words has no further bits */
    else
        (void)text_append_format(out, "%d", value);
}

static void append_list(struct text *out, uint64_t bits, const char *const *words)
{
    bool is_first = true;

    while (bits != 0) {
        int value = __builtin_ctzll(bits), end = end_of_run(bits, value);
        if (end - value < 2)
            end = value;
        bits &= end == 63 ? 0 : UINT64_MAX << (end + 1);
        if (!is_first)
            (void)text_append(out, bits != 0 ? ", " : " and ");
        append_value(out, words, value);
        if (end > value) {
            (void)text_append(out, " to ");
            append_value(out, words, end);
        }
        is_first = false;
    }
}

/* ---- Intervals ---- */

static void append_interval(struct text *out, int64_t ms)
{
    static const struct { int64_t seconds; const char *word; } units[] = { { 604800, "week" }, { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    int64_t left = ms / 1000;
    bool is_first = true;

    (void)text_append(out, "every");
    /* "every day" would be a time of the day; an interval is so many hours */
    for (size_t i = left == 86400 || left == 604800 ? 2 : 0; i < ARRAY_LENGTH(units); i++) {
        int64_t count = left / units[i].seconds;
        if (count == 0)
            continue;
        left -= count * units[i].seconds;
        if (count == 1 && left == 0 && is_first)
            (void)text_append_format(out, " %s", units[i].word);
        else
            (void)text_append_format(out, " %" PRId64 " %s%s", count, units[i].word, count == 1 ? "" : "s");
        is_first = false;
    }
}

/* ---- Cron: the time of the day ---- */

static void append_clock_times(const struct schedule *schedule, struct text *out)
{
    int second = first_of(schedule, CRON_SECOND), left = count_of(schedule, CRON_HOUR) * count_of(schedule, CRON_MINUTE);

    (void)text_append(out, "at ");
    for (int hour = 0; hour < 24; hour++)
        for (int minute = 0; minute < 60; minute++) {
            if ((schedule->fields[CRON_HOUR] >> hour & schedule->fields[CRON_MINUTE] >> minute & 1) == 0)
                continue;
            (void)text_append_format(out, "%02d:%02d", hour, minute);
            if (second != 0)
                (void)text_append_format(out, ":%02d", second);
            left--;
            (void)text_append(out, left > 1 ? ", " : left == 1 ? " and " : "");
        }
}

static void append_unit(const struct schedule *schedule, enum cron_field field, const char *word, struct text *out)
{
    int step = step_of(schedule, field);

    if (step == 1)
        (void)text_append_format(out, "every %s", word);
    else if (step > 1)
        (void)text_append_format(out, "every %d %ss", step, word);
    else {
        (void)text_append_format(out, "at %s%s ", word, count_of(schedule, field) > 1 ? "s" : "");
        append_list(out, schedule->fields[field], NULL);
    }
}

static void append_time(const struct schedule *schedule, struct text *out)
{
    bool plain_second = schedule->fields[CRON_SECOND] == 1;

    if (count_of(schedule, CRON_SECOND) == 1 && count_of(schedule, CRON_HOUR) * count_of(schedule, CRON_MINUTE) <= TIMES_LISTED) {
        append_clock_times(schedule, out);
        return;
    }
    if (!plain_second)
        append_unit(schedule, CRON_SECOND, "second", out);
    if (!is_full(schedule, CRON_MINUTE) || plain_second) {
        if (!plain_second)
            (void)text_append(out, " ");
        if (schedule->fields[CRON_MINUTE] == 1 && step_of(schedule, CRON_HOUR) > 0) {
            append_unit(schedule, CRON_HOUR, "hour", out);
            return;
        }
        append_unit(schedule, CRON_MINUTE, "minute", out);
    }
    if (is_full(schedule, CRON_HOUR)) {
        if (step_of(schedule, CRON_MINUTE) == 0)
            (void)text_append(out, " of every hour");
    } else {
        (void)text_append_format(out, " of the hour%s ", count_of(schedule, CRON_HOUR) > 1 ? "s" : "");
        append_list(out, schedule->fields[CRON_HOUR], NULL);
    }
}

/* ---- Cron: the days ---- */

static void append_days(const struct schedule *schedule, struct text *out)
{
    bool every_day = schedule->any_day || is_full(schedule, CRON_DAY), every_weekday = schedule->any_weekday || is_full(schedule, CRON_WEEKDAY);
    /* Where one of the two is *, only the other says anything; where both are restricted, one that has every day says all. */
    bool says_day = !every_day && (every_weekday ? schedule->any_weekday : true), says_weekday = !every_weekday && (every_day ? schedule->any_day : true);

    if (says_day) {
        (void)text_append_format(out, " on day%s ", count_of(schedule, CRON_DAY) > 1 ? "s" : "");
        append_list(out, schedule->fields[CRON_DAY], NULL);
        (void)text_append(out, " of the month");
    }
    if (says_weekday) {
        (void)text_append(out, says_day ? " or on " : " on ");
        append_list(out, schedule->fields[CRON_WEEKDAY], weekday_words);
    }
    if (!says_day && !says_weekday && strncmp(out->data, "at ", 3) == 0 && count_of(schedule, CRON_HOUR) * count_of(schedule, CRON_MINUTE) <= TIMES_LISTED)
        (void)text_append(out, " every day");
    if (!is_full(schedule, CRON_MONTH)) {
        (void)text_append(out, " in ");
        append_list(out, schedule->fields[CRON_MONTH], month_words);
    }
}

void schedule_describe(const struct schedule *schedule, const char *zone_name, struct text *out)
{
    AUTO_DONE(text) struct text words = { 0 };

    text_init(&words, 0);
    switch (schedule->kind) {
    case SCHEDULE_MANUAL:
        (void)text_append(&words, "only when asked");
        break;
    case SCHEDULE_INTERVAL:
        append_interval(&words, schedule->interval_ms);
        break;
    case SCHEDULE_CRON:
        append_time(schedule, &words);
        append_days(schedule, &words);
        if (schedule->zone[0] != '\0')
            zone_name = schedule->zone;
        if (zone_name != NULL)
            (void)text_append_format(&words, ", %s", zone_name);
        break;
    }
    (void)text_append(out, words.data);
}
