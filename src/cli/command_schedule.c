/* command_schedule.c - schedule next: when an expression runs. Nothing is read but the time zone. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/time_text.h"
#include "schedule/schedule.h"

#include <stdio.h>
#include <string.h>

enum { TIMES_SHOWN = 5, TIMES_MOST = 1000 };

struct request {
    struct schedule schedule;
    struct zone *zone;
    int64_t count, from_ms;
};

static int read_request(struct cli *cli, struct request *request, struct error *err)
{
    const char *zone = cli->values[OPTION_TZ];

    if (cli->word_count > 1)
        return error_set(err, ERROR_USAGE, "put the expression into quotes, so that the shell leaves it alone: schedule next \"30 2 * * 1-5\"");
    if (cli_get_integer(cli, OPTION_COUNT, TIMES_SHOWN, &request->count, err) < 0)
        return -1;
    if (request->count > TIMES_MOST)
        return error_set(err, ERROR_USAGE, "--%s: at most %d", option_rows[OPTION_COUNT].name, TIMES_MOST);
    request->from_ms = clock_wall_ms();
    if (cli->values[OPTION_FROM] != NULL && cli_get_time(cli, OPTION_FROM, &request->from_ms, err) < 0)
        return -1;
    if (schedule_parse(cli->words[0], &request->schedule, err) < 0)
        return error_wrap_kind(err, ERROR_USAGE, "\"schedule next\"");
    if (request->schedule.zone[0] != '\0')
        zone = request->schedule.zone;
    if (zone_open(NULL, zone != NULL ? zone : "UTC", &request->zone, err) < 0)
        return error_wrap_kind(err, ERROR_USAGE, "\"schedule next\"");
    return 0;
}

static void format_local(const struct zone *zone, int64_t ms, char *out, size_t room)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    struct zone_period period = zone_period_at(zone, ms / 1000);
    struct time_fields fields;

    time_text_fields(ms + (int64_t)period.offset * 1000, &fields);
    (void)snprintf(out, room, "%s %04d-%02d-%02d %02d:%02d:%02d %s", days[fields.weekday], fields.year, fields.month, fields.day, fields.hour, fields.minute,
                   fields.second, period.abbreviation);
}

static void write_time(const struct request *request, int64_t ms, struct json_writer *writer)
{
    struct zone_period period = zone_period_at(request->zone, ms / 1000);

    json_write_open_object(writer, NULL);
    json_write_time(writer, "time", ms);
    json_write_integer(writer, "utc_offset_seconds", period.offset);
    json_write_string(writer, "abbreviation", period.abbreviation);
    json_write_bool(writer, "moved", schedule_is_moved(&request->schedule, request->zone, ms));
    json_write_close(writer);
}

static void show_json(struct cli *cli, const struct request *request, const char *words)
{
    struct json_writer writer;
    int64_t at = request->from_ms;

    cli_begin_json(cli, &writer, "schedule-next");
    json_write_bytes(&writer, "expression", cli->words[0], strlen(cli->words[0]));
    json_write_string(&writer, "words", words);
    json_write_string(&writer, "timezone", zone_name(request->zone));
    json_write_time(&writer, "from", request->from_ms);
    json_write_open_array(&writer, "next");
    for (int64_t i = 0; i < request->count && schedule_next(&request->schedule, request->zone, at, &at); i++)
        write_time(request, at, &writer);
    json_write_close(&writer);
    cli_end_json(cli, &writer);
}

static void show_text(struct cli *cli, const struct request *request, const char *words)
{
    int64_t at = request->from_ms;

    (void)text_append_format(&cli->out, "%s\n", words);
    for (int64_t i = 0; i < request->count && schedule_next(&request->schedule, request->zone, at, &at); i++) {
        char utc[TIME_TEXT_SIZE], local[64];
        time_text_rfc3339(at, utc);
        format_local(request->zone, at, local, sizeof local);
        (void)text_append_format(&cli->out, "  %s  %s%s\n", utc, local, schedule_is_moved(&request->schedule, request->zone, at) ? " (the clock skips its own time)" : "");
    }
}

int command_schedule_next(struct cli *cli)
{
    AUTO_DONE(text) struct text words = { 0 };
    struct request request = { 0 };
    struct error err = { 0 };

    if (read_request(cli, &request, &err) < 0) {
        zone_free(request.zone);
        return cli_fail(cli, &err);
    }
    text_init(&words, 0);
    schedule_describe(&request.schedule, zone_name(request.zone), &words);
    if (cli->json)
        show_json(cli, &request, words.data);
    else
        show_text(cli, &request, words.data);
    zone_free(request.zone);
    return 0;
}
