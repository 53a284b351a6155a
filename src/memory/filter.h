/* filter.h - which memories a connector takes: those with words, of certain types, from a stretch of time.
 *
 * What is left out is SKIPPED with its reason, never forgotten: when the filter is widened it comes in with the next listing. A memory that was
 * delivered before the filter left it out stays delivered. Pure. */
#ifndef MC_MEMORY_FILTER_H
#define MC_MEMORY_FILTER_H

#include "memory/memory.h"

/* Why a memory is left out. Values are stored: never renumber. */
enum memory_skip {
    SKIP_EMPTY = 0,       /* no words, and skip_empty_transcripts */
    SKIP_TYPE = 1,        /* none of filter.types */
    SKIP_TIME = 2,        /* before filter.since, after filter.until, or without a time that could be read */
    SKIP_NOT = 3,         /* it is taken */
    SKIP_LOST = 4,        /* no judgement of a filter: LightRAG lost it, and its text was given up here */
    SKIP_TOLD = 5,        /* likewise: only an imported dead letter tells of it; a listing that shows it brings it */
    SKIP_REASONS = 6
};

struct memory_filter {    /* all zero: everything is taken */
    bool skip_empty;
    const char *const *types; /* compared exactly; borrowed */
    size_t type_count;    /* 0: every type */
    bool has_since, has_until;
    int64_t since_ms, until_ms; /* both belong to the stretch */
};

enum memory_skip memory_filter_judge(const struct memory_filter *filter, const struct memory *memory);
const char *memory_skip_words(enum memory_skip skip); /* "no words", "its type is not in filter.types", ... */

/* RFC 3339 or a date ("2025-12-31", UTC): its first millisecond, or with is_end its last one. false: neither; untouched. */
bool memory_filter_parse_time(const char *text, bool is_end, int64_t *ret_ms);

#endif
