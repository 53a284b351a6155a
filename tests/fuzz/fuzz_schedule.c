/* Expressions: any bytes are refused with a message or become a schedule whose next times rise, whose count agrees with them, and that has words. */
#include "schedule/schedule.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_times(const struct schedule *schedule, const struct zone *zone, int64_t after)
{
    struct schedule_span span;
    int64_t at = after, first = 0;
    int count = 0;

    for (int64_t next; count < 5 && schedule_next(schedule, zone, at, &next); at = next) {
        if (next <= at || next % 1000 != 0)
            abort();
        first = count == 0 ? next : first;
        count++;
    }
    if (count == 0)
        return;
    span = schedule_count(schedule, zone, after, at);
    if (span.count != count || span.first_ms != first || span.last_ms != at)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STRING char *text = NULL;
    AUTO_DONE(text) struct text words = { 0 };
    struct schedule schedule = { 0 };
    struct error err = { 0 };
    uint32_t moment = 0;

    if (size < sizeof moment)
        return 0;
    memcpy(&moment, data, sizeof moment);
    text = mem_copy_bytes(data + sizeof moment, size - sizeof moment);
    if (schedule_parse(text, &schedule, &err) < 0) {
        if (err.kind != ERROR_CONFIG || err.message[0] == '\0')
            abort();
        for (const char *c = err.message; *c != '\0'; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                abort();
        return 0;
    }
    text_init(&words, 0);
    schedule_describe(&schedule, "UTC", &words);
    if (words.size == 0 || words.overflow)
        abort();
    check_times(&schedule, zone_utc(), (int64_t)moment * 1000 + 1);
    return 0;
}
