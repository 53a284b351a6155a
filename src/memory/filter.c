#include "memory/filter.h"

#include "base/mem.h"
#include "base/time_text.h"

#include <string.h>

enum { DATE_SIZE = 10, DAY_MS = 86400000 };

static bool has_type(const struct memory_filter *filter, struct slice type)
{
    for (size_t i = 0; i < filter->type_count; i++)
        if (strlen(filter->types[i]) == type.size && memcmp(filter->types[i], type.data, type.size) == 0)
            return true;
    return filter->type_count == 0;
}

static bool has_time(const struct memory_filter *filter, const struct memory *memory)
{
    if (!filter->has_since && !filter->has_until)
        return true;
    return memory->has_created && (!filter->has_since || memory->created_ms >= filter->since_ms) &&
           (!filter->has_until || memory->created_ms <= filter->until_ms);
}

enum memory_skip memory_filter_judge(const struct memory_filter *filter, const struct memory *memory)
{
    if (filter->skip_empty && memory->transcript.size == 0)
        return SKIP_EMPTY;
    if (!has_type(filter, memory->type))
        return SKIP_TYPE;
    return has_time(filter, memory) ? SKIP_NOT : SKIP_TIME;
}

const char *memory_skip_words(enum memory_skip skip)
{
    static const char *const words[SKIP_REASONS] = {
        [SKIP_EMPTY] = "it has no words",
        [SKIP_TYPE] = "its type is not one of filter.types",
        [SKIP_TIME] = "it is outside of filter.since and filter.until, or its time could not be read",
        [SKIP_NOT] = "",
        [SKIP_LOST] = "LightRAG lost it, and its text was given up here",
        [SKIP_TOLD] = "known only by a dead letter that was imported",
    };

    return (size_t)skip < ARRAY_LENGTH(words) ? words[skip] : "for a reason of a newer release";
}

bool memory_filter_parse_time(const char *text, bool is_end, int64_t *ret_ms)
{
    AUTO_STRING char *midnight = mem_format("%.10sT00:00:00Z", text);
    size_t size = strlen(text);
    int64_t ms;

    if (size != DATE_SIZE)
        return time_text_parse(text, size, ret_ms);
    if (!time_text_parse(midnight, strlen(midnight), &ms))
        return false;
    *ret_ms = is_end ? ms + DAY_MS - 1 : ms;
    return true;
}
