#include "engine/report.h"

#include <string.h>

#define COUNTER(named, member, words) { .name = named, .offset = offsetof(struct run_counts, member), .help = words }
const struct report_counter report_counters[] = {
    COUNTER("fetched", fetched, "Elements of the listing."),
    COUNTER("new", new_, "Memories that were not known."),
    COUNTER("changed", changed, "Known ones with another revision."),
    COUNTER("unchanged", unchanged, "Known ones, and what is no memory and was discarded or mended."),
    COUNTER("skipped", skipped, "Without words."),
    COUNTER("filtered", filtered, "Left out by the filter."),
    COUNTER("malformed", malformed, "No memories: dead letters."),
    COUNTER("duplicates", duplicates, "More than once in the listing."),
    COUNTER("sent", sent, "Documents sent, tries included."),
    COUNTER("stored", stored, "Proven to be stored at LightRAG."),
    COUNTER("processed", processed, "Proven to be in the graph."),
    COUNTER("failed", failed, "Dead letters."),
    COUNTER("retried", retried, "Sent again."),
    COUNTER("replaced", replaced, "Removed at LightRAG for the sake of a newer revision."),
    COUNTER("removed", removed, "Removed for good."),
    COUNTER("requests", requests, "HTTP requests."),
    COUNTER("bytes", bytes, "Of the listing."),
};
const size_t report_counter_count = ARRAY_LENGTH(report_counters);

void report_write_counts(struct json_writer *writer, const struct run_counts *counts)
{
    for (size_t i = 0; i < report_counter_count; i++) {
        int64_t value;
        memcpy(&value, (const char *)counts + report_counters[i].offset, sizeof value);
        json_write_integer(writer, report_counters[i].name, value);
    }
}

void report_write(struct json_writer *writer, const struct run_row *run)
{
    json_write_integer(writer, "run", run->run);
    json_write_string(writer, "connector", run->connector);
    json_write_string(writer, "trigger", run->trigger);
    json_write_time(writer, "started", run->started_ms);
    json_write_time(writer, "finished", run->finished_ms > 0 ? run->finished_ms : -1);
    if (run->finished_ms > 0)
        json_write_seconds(writer, "duration_seconds", run->finished_ms - run->started_ms);
    else
        json_write_null(writer, "duration_seconds");
    json_write_string(writer, "result", run_result_name(run->result));
    json_write_string(writer, "error", run->error[0] != '\0' ? run->error : NULL);
    json_write_string(writer, "range", run->range);
    json_write_integer(writer, "limit", run->limit);
    report_write_counts(writer, &run->counts);
    json_write_string(writer, "coverage", run->coverage[0] != '\0' ? run->coverage : NULL);
}

const char *report_letter_state(const struct dead_letter *letter)
{
    static const char *const ends[] = { "open", "retried", "discarded", "cleared" };

    return ends[letter->end];
}

void report_write_letter(struct json_writer *writer, const struct dead_letter *letter, const char *connector, const char *context, struct slice memory_id)
{
    json_write_integer(writer, "letter", letter->letter);
    json_write_string(writer, "class", dead_class_name(letter->dead_class));
    json_write_string(writer, "state", report_letter_state(letter));
    json_write_string(writer, "connector", connector);
    json_write_string(writer, "context", context);
    if (memory_id.size > 0)
        json_write_bytes(writer, "memory", memory_id.data, memory_id.size);
    else
        json_write_null(writer, "memory");
    if (letter->http_status != 0)
        json_write_integer(writer, "http_status", letter->http_status);
    else
        json_write_null(writer, "http_status");
    json_write_bytes(writer, "words", letter->words, strlen(letter->words));
    json_write_integer(writer, "attempts", letter->attempts);
    json_write_integer(writer, "times", letter->times);
    json_write_time(writer, "first", letter->first_ms);
    json_write_time(writer, "last", letter->last_ms);
    json_write_integer(writer, "position", letter->position);
    json_write_integer(writer, "length", letter->length);
    json_write_string(writer, "advice", dead_class_advice(letter->dead_class));
}
