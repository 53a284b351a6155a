/* schedule_parse.c - reading an expression. */
#include "schedule/schedule.h"

#include "base/fields.h"
#include "schedule/calendar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

/* value_most: what may be written; star_most: where * and N/STEP end. They differ for Sunday, which is 0 or 7. */
static const struct {
    const char *name;
    int least, star_most, value_most;
    const char *const *names;
    const char *name_words;
} field_rows[CRON_FIELD_COUNT] = {
    [CRON_SECOND] = { "second", 0, 59, 59, NULL, "" },
    [CRON_MINUTE] = { "minute", 0, 59, 59, NULL, "" },
    [CRON_HOUR] = { "hour", 0, 23, 23, NULL, "" },
    [CRON_DAY] = { "day of the month", 1, 31, 31, NULL, "" },
    [CRON_MONTH] = { "month", 1, 12, 12, month_names, " or jan to dec" },
    [CRON_WEEKDAY] = { "day of the week", 0, 6, 7, weekday_names, " or sun to sat (Sunday is 0 or 7)" },
};

/* Each as the cron expression that it stands for. */
static const struct { const char *name, *expression; } descriptors[] = {
    { "@hourly", "0 * * * *" },  { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
    { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
};

#define FORMS "expected an interval (15m), cron (\"30 2 * * 1-5\"), @daily or manual"

/* A part of the expression: bytes [at, end) of text. */
struct part {
    const char *text; /* the whole expression, for columns */
    const char *at, *end;
    struct error *err;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t length_of(const struct part *part)
{
    return (size_t)(part->end - part->at);
}

static bool is_text(const struct part *part, const char *word)
{
    return length_of(part) == strlen(word) && strncasecmp(part->at, word, length_of(part)) == 0;
}

static bool takes_prefix(struct part *part, const char *prefix)
{
    size_t length = strlen(prefix);

    if (length_of(part) < length || strncasecmp(part->at, prefix, length) != 0)
        return false;
    part->at += length;
    return true;
}

static void trim(struct part *part)
{
    while (part->at < part->end && is_blank(*part->at))
        part->at++;
    while (part->end > part->at && is_blank(part->end[-1]))
        part->end--;
}

/* From the beginning up to the divider; part is left with the divider and what follows it. */
static struct part cut_before(struct part *part, bool (*is_divider)(char))
{
    struct part first = *part;

    while (part->at < part->end && !is_divider(*part->at))
        part->at++;
    first.end = part->at;
    return first;
}

/* Quotes the part, made harmless and short; then what is wrong with it. */
static int complain(const struct part *part, const char *field, const char *what)
{
    enum { QUOTED_MOST = 40 };
    AUTO_DONE(text) struct text quoted = { 0 };

    text_init(&quoted, 0);
    (void)text_append_harmless(&quoted, part->at, length_of(part) > QUOTED_MOST ? QUOTED_MOST : length_of(part));
    return error_set(part->err, ERROR_CONFIG, "schedule, column %d%s%s: \"%s\"%s %s", (int)(part->at - part->text) + 1, field[0] != '\0' ? ", " : "", field,
                     quoted.data, length_of(part) > QUOTED_MOST ? "..." : "", what);
}

/* ---- Intervals ---- */

/* "ms" stands before "m". */
static const struct { const char *unit; int64_t ms; } units[] = {
    { "ms", 1 }, { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
};

#define DURATION_WORDS "is no interval: write it as 90s, 15m, 1h30m or 7d"

enum { BILLION = 1000000000 };

/* A number, perhaps with a fraction of up to nine digits, in billionths. What is too large stops growing above every limit. */
static bool take_number(struct part *part, int64_t *ret_whole, int64_t *ret_billionths)
{
    int64_t whole = 0, fraction = 0, scale = BILLION;
    const char *start = part->at;

    for (; part->at < part->end && is_digit(*part->at); part->at++)
        whole = whole > BILLION ? whole : whole * 10 + (*part->at - '0');
    if (part->at == start)
        return false;
    if (part->at < part->end && *part->at == '.') {
        part->at++;
        for (start = part->at; part->at < part->end && is_digit(*part->at) && scale > 1; part->at++) {
            scale /= 10;
            fraction += (*part->at - '0') * scale;
        }
        if (part->at == start)
            return false;
    }
    *ret_whole = whole;
    *ret_billionths = fraction;
    return true;
}

static bool take_unit(struct part *part, int64_t *ret_ms)
{
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
        if (takes_prefix(part, units[i].unit)) {
            *ret_ms = units[i].ms;
            return true;
        }
    return false;
}

static int parse_interval(struct part part, struct schedule *schedule)
{
    struct part all = part;
    int64_t whole, billionths, unit, ms = 0;
    bool is_whole = true;

    if (part.at == part.end)
        return complain(&all, "", DURATION_WORDS);
    while (part.at < part.end) {
        if (!take_number(&part, &whole, &billionths) || !take_unit(&part, &unit))
            return complain(&all, "", DURATION_WORDS);
        /* at most ten billion of a week, and below a billionth of a billion of one: both within 63 bits */
        ms += whole * unit + billionths * unit / BILLION;
        is_whole = is_whole && billionths * unit % BILLION == 0;
        if (ms > SCHEDULE_INTERVAL_MOST_MS)
            return complain(&all, "", "is too long: the longest interval is 10 years (3653d)");
    }
    if (ms % 1000 != 0 || !is_whole)
        return complain(&all, "", "has parts of a second: write whole seconds");
    if (ms < SCHEDULE_INTERVAL_LEAST_MS)
        return complain(&all, "", "is too short: the shortest interval is 1s");
    schedule->kind = SCHEDULE_INTERVAL;
    schedule->interval_ms = ms;
    return 0;
}

int schedule_from_interval(int64_t interval_ms, struct schedule *ret_schedule, struct error *err)
{
    if (interval_ms < SCHEDULE_INTERVAL_LEAST_MS || interval_ms > SCHEDULE_INTERVAL_MOST_MS || interval_ms % 1000 != 0)
        return error_set(err, ERROR_CONFIG, "an interval is a whole number of seconds, from 1s to 10 years (3653d)");
    *ret_schedule = (struct schedule){ .kind = SCHEDULE_INTERVAL, .interval_ms = interval_ms };
    return 0;
}

/* ---- Cron: one field ---- */

static int complain_range(const struct part *part, enum cron_field field)
{
    char what[160];

    (void)snprintf(what, sizeof what, "is not in the range: expected %d to %d%s", field_rows[field].least, field_rows[field].value_most, field_rows[field].name_words);
    return complain(part, field_rows[field].name, what);
}

static int parse_value(const struct part *part, enum cron_field field, int *ret_value)
{
    int value = 0;

    for (int i = 0; field_rows[field].names != NULL && field_rows[field].names[i] != NULL; i++)
        if (is_text(part, field_rows[field].names[i])) {
            *ret_value = i + field_rows[field].least;
            return 0;
        }
    if (part->at == part->end)
        return complain(part, field_rows[field].name, "is empty: a number is missing here");
    for (const char *c = part->at; c < part->end; c++) {
        if (!is_digit(*c) && strchr("LWC#lwc", *c) != NULL && is_digit(part->at[0]) && (field == CRON_DAY || field == CRON_WEEKDAY))
            return complain(part, field_rows[field].name, "uses L, W or #, which this scheduler does not have");
        if (!is_digit(*c)) {
            char what[160];
            (void)snprintf(what, sizeof what, "is no number: expected %d to %d%s, *, ranges 1-5, lists 1,2 and steps /5", field_rows[field].least,
                           field_rows[field].value_most, field_rows[field].name_words);
            return complain(part, field_rows[field].name, what);
        }
        value = value > 1000 ? value : value * 10 + (*c - '0');
    }
    if (value < field_rows[field].least || value > field_rows[field].value_most)
        return complain_range(part, field);
    *ret_value = value;
    return 0;
}

static int parse_step(const struct part *part, enum cron_field field, int *ret_step)
{
    int step = 0;

    for (const char *c = part->at; c < part->end; c++) {
        if (!is_digit(*c))
            return complain(part, field_rows[field].name, "is no step: expected a number behind the slash, such as */5");
        step = step > 1000 ? step : step * 10 + (*c - '0');
    }
    if (step == 0)
        return complain(part, field_rows[field].name, "is no step: it is 1 at least");
    *ret_step = step;
    return 0;
}

static bool is_comma(char c) { return c == ','; }
static bool is_slash(char c) { return c == '/'; }
static bool is_dash(char c) { return c == '-'; }

struct cron_range {
    int first, last, step;
    bool is_star;
};

static int parse_bounds(struct part part, enum cron_field field, bool has_step, struct cron_range *range)
{
    struct part whole = part, first = cut_before(&part, is_dash);

    if (is_text(&part, "") && (is_text(&first, "*") || is_text(&first, "?"))) {
        *range = (struct cron_range){ field_rows[field].least, field_rows[field].star_most, 1, true };
        return 0;
    }
    if (is_text(&first, "*") || is_text(&first, "?"))
        return complain(&whole, field_rows[field].name, "mixes * with a range: write one of them");
    if (parse_value(&first, field, &range->first) < 0)
        return -1;
    range->last = range->first;
    if (part.at == part.end) {
        if (has_step && range->first < field_rows[field].star_most)
            range->last = field_rows[field].star_most; /* N/STEP */
        return 0;
    }
    part.at++;
    if (parse_value(&part, field, &range->last) < 0)
        return -1;
    if (field == CRON_WEEKDAY && range->last == 0 && range->first > 0 && !is_digit(*part.at))
        range->last = 7; /* fri-sun */
    if (range->first > range->last)
        return complain(&whole, field_rows[field].name, "runs backwards: write it as two ranges, such as 22-23,0-2");
    return 0;
}

static int parse_item(struct part item, enum cron_field field, uint64_t *bits, bool *ret_is_star)
{
    struct cron_range range = { .step = 1 };
    struct part whole = item, bounds;

    if (item.at == item.end)
        return complain(&item, field_rows[field].name, "is an empty place in a list: a number is missing, or a comma is too much");
    bounds = cut_before(&item, is_slash);
    if (parse_bounds(bounds, field, item.at < item.end, &range) < 0)
        return -1;
    if (item.at < item.end) {
        item.at++;
        if (memchr(item.at, '/', length_of(&item)) != NULL)
            return complain(&whole, field_rows[field].name, "has two slashes");
        if (parse_step(&item, field, &range.step) < 0)
            return -1;
    }
    assert(range.first >= 0 && range.last < 64);
    for (int value = range.first; value <= range.last; value += range.step)
        *bits |= UINT64_C(1) << (field == CRON_WEEKDAY && value == 7 ? 0 : value);
    if (range.is_star && range.step == 1)
        *ret_is_star = true;
    return 0;
}

static int parse_field(struct part part, enum cron_field field, struct schedule *schedule)
{
    bool is_star = false;
    uint64_t bits = 0;

    for (;;) {
        struct part item = cut_before(&part, is_comma);
        if (parse_item(item, field, &bits, &is_star) < 0)
            return -1;
        if (part.at == part.end)
            break;
        part.at++;
    }
    schedule->fields[field] = bits;
    if (field == CRON_DAY)
        schedule->any_day = is_star;
    if (field == CRON_WEEKDAY)
        schedule->any_weekday = is_star;
    return 0;
}

/* ---- Cron: the whole ---- */

/* Only the day of the month can make it impossible, and only where no day of the week comes to help. */
static bool comes_ever(const struct schedule *schedule)
{
    if (!schedule->any_weekday && !schedule->any_day)
        return true;
    for (int month = 1; month <= 12; month++)
        if ((schedule->fields[CRON_MONTH] >> month & 1) != 0 && __builtin_ctzll(schedule->fields[CRON_DAY]) <= calendar_month_length(2000, month))
            return true;
    return false;
}

static size_t split_words(struct part part, struct part *words, size_t most)
{
    size_t count = 0;

    for (;; count++) {
        trim(&part);
        if (part.at == part.end)
            return count;
        if (count == most)
            return most + 1;
        words[count] = cut_before(&part, is_blank);
    }
}

static int parse_cron(struct part part, struct schedule *schedule)
{
    struct part words[CRON_FIELD_COUNT];
    size_t count = split_words(part, words, CRON_FIELD_COUNT), skipped = CRON_FIELD_COUNT - count;

    if (count > CRON_FIELD_COUNT)
        return complain(&part, "", "has more than six fields: second minute hour day-of-the-month month day-of-the-week (there is none for years)");
    if (count < CRON_FIELD_COUNT - 1) {
        char what[200];
        (void)snprintf(what, sizeof what, "is no schedule: %zu field%s; " FORMS ", cron having five fields (minute hour day month weekday) or six (a second in front)",
                       count, count == 1 ? "" : "s");
        return complain(&part, "", what);
    }
    schedule->kind = SCHEDULE_CRON;
    schedule->fields[CRON_SECOND] = 1;
    for (size_t i = 0; i < count; i++)
        if (parse_field(words[i], (enum cron_field)(i + skipped), schedule) < 0)
            return -1;
    if (!comes_ever(schedule))
        return complain(&words[count - 3], field_rows[CRON_DAY].name, "never comes: none of these months has such a day");
    return 0;
}

static int parse_descriptor(struct part part, struct schedule *schedule)
{
    for (size_t i = 0; i < ARRAY_LENGTH(descriptors); i++)
        if (is_text(&part, descriptors[i].name)) {
            const char *text = descriptors[i].expression;
            return parse_cron((struct part){ text, text, text + strlen(text), part.err }, schedule);
        }
    if (is_text(&part, "@reboot"))
        return complain(&part, "", "is not had here: what was missed is made up for by catch_up, and trigger runs at once");
    if (takes_prefix(&part, "@every") && (part.at == part.end || is_blank(*part.at))) {
        trim(&part);
        return parse_interval(part, schedule);
    }
    return complain(&part, "", "is unknown: expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @every 15m");
}

/* ---- The whole expression ---- */

static int parse_zone(struct part *part, struct schedule *schedule)
{
    struct part name;
    struct error cause = { 0 };

    if (!takes_prefix(part, "CRON_TZ=") && !takes_prefix(part, "TZ="))
        return 0;
    name = cut_before(part, is_blank);
    trim(part);
    if (length_of(&name) >= ZONE_NAME_SIZE)
        return complain(&name, "", "is too long for the name of a time zone");
    (void)snprintf(schedule->zone, sizeof schedule->zone, "%.*s", (int)length_of(&name), name.at);
    if (zone_check_name(schedule->zone, &cause) < 0)
        return error_set(part->err, ERROR_CONFIG, "schedule, column %d: %s", (int)(name.at - name.text) + 1, cause.message);
    if (part->at == part->end)
        return complain(part, "", "is all that follows the time zone: an expression is missing");
    return 0;
}

/* "hourly", "Dayly" */
static int complain_word(const struct part *part)
{
    char word[16], what[200];

    (void)snprintf(word, sizeof word, "@%.*s", (int)(length_of(part) < 14 ? length_of(part) : 14), part->at);
    for (size_t i = 0; i < ARRAY_LENGTH(descriptors); i++)
        if (edit_distance(word, descriptors[i].name) < 3) {
            (void)snprintf(what, sizeof what, "is no schedule; did you mean %s?", descriptors[i].name);
            return complain(part, "", what);
        }
    return complain(part, "", "is no schedule; " FORMS);
}

static bool has_blank(const struct part *part)
{
    for (const char *c = part->at; c < part->end; c++)
        if (is_blank(*c))
            return true;
    return false;
}

static int parse_rest(const struct part *part, struct schedule *schedule)
{
    if (*part->at == '@')
        return parse_descriptor(*part, schedule);
    if (has_blank(part))
        return parse_cron(*part, schedule);
    if (is_text(part, "manual")) {
        schedule->kind = SCHEDULE_MANUAL;
        return 0;
    }
    if (is_digit(*part->at))
        return parse_interval(*part, schedule);
    return complain_word(part);
}

int schedule_parse(const char *expression, struct schedule *ret_schedule, struct error *err)
{
    struct schedule schedule = { 0 };
    size_t length = strnlen(expression, SCHEDULE_TEXT_MAXIMUM + 1);
    struct part part = { expression, expression, expression + length, err };

    if (length > SCHEDULE_TEXT_MAXIMUM)
        return error_set(err, ERROR_CONFIG, "schedule: longer than %d bytes", SCHEDULE_TEXT_MAXIMUM);
    trim(&part);
    if (part.at == part.end)
        return error_set(err, ERROR_CONFIG, "schedule: is empty; " FORMS);
    if (parse_zone(&part, &schedule) < 0 || parse_rest(&part, &schedule) < 0)
        return -1;
    *ret_schedule = schedule;
    return 0;
}
