/* sim_trace.c - the trace, its hash, the words of a failure; chance. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 0))) keep_line(struct sim *sim, const char *format, va_list args)
{
    char *line = sim->lines[sim->line_count % TRACE_LINES];
    int64_t ms = sim->now_ms;
    int used = snprintf(line, TRACE_LINE, "d%lld %02lld:%02lld:%02lld.%03lld ", (long long)(ms / 86400000), (long long)(ms / 3600000 % 24),
                        (long long)(ms / 60000 % 60), (long long)(ms / 1000 % 60), (long long)(ms % 1000));

    (void)vsnprintf(line + used, (size_t)(TRACE_LINE - used), format, args);
    for (const char *at = line; *at != '\0'; at++)
        sim->hash = (sim->hash ^ (unsigned char)*at) * 0x100000001B3u;
    sim->line_count++;
    if (sim->options->prints)
        (void)printf("%s\n", line);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    keep_line(sim, format, args);
    va_end(args);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (sim->has_failed)
        return;
    sim->has_failed = true;
    va_start(args, format);
    (void)vsnprintf(sim->failure, sizeof sim->failure, format, args);
    va_end(args);
    sim_trace(sim, "BROKEN: %s", sim->failure);
}

/* splitmix64 */
static uint64_t scramble(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

uint64_t sim_random(struct sim *sim, enum sim_stream stream)
{
    return scramble(sim->chance[stream] += 0x9E3779B97F4A7C15u);
}

int64_t sim_between(struct sim *sim, enum sim_stream stream, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)(sim_random(sim, stream) % (uint64_t)(high - low + 1));
}

int64_t sim_draw(const struct sim *sim, const char *what, int64_t number, int64_t low, int64_t high)
{
    uint64_t hash = scramble(sim->seed + 0x9E3779B97F4A7C15u) ^ (uint64_t)number * 0xD1342543DE82EF95u;

    for (const char *at = what; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    return low + (int64_t)(scramble(hash) % (uint64_t)(high - low + 1));
}

bool sim_percent(struct sim *sim, enum sim_stream stream, int percent)
{
    return (int)(sim_random(sim, stream) % 100) < percent;
}
