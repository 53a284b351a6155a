/* engine_coverage.c - what a listing showed, and what it did not: gaps, widening, backfill, and memories that are gone from the source.
 *
 * Absence is believed only after two complete listings of range all, none of them empty, cut, or with elements that could not be read; and never for more
 * memories at once than max_delete_percent: a source that shows less for a day must not empty the graph. */
#include "engine/engine_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "delivery/pull.h"

#include <stdio.h>
#include <string.h>

static const struct engine_connector *connector_of(const struct run *run)
{
    return &run->engine->settings->connectors[run->connector];
}

/* ---- How far a listing reaches ---- */

enum { WIDEST_LIMIT = 100 * 1000 * 1000 };

static const struct { const char *range; int64_t reach_ms; } ranges[] = {
    { "day", 24 * 3600 * 1000LL }, { "week", 7 * 24 * 3600 * 1000LL }, { "month", 30 * 24 * 3600 * 1000LL }, { "all", INT64_MAX },
};

static size_t range_index(const char *range)
{
    size_t index = 0;

    while (index + 1 < ARRAY_LENGTH(ranges) && strcmp(ranges[index].range, range) != 0)
        index++;
    return index;
}

static int64_t asked_limit(const struct run *run)
{
    return run->options.limit > 0 ? run->options.limit : connector_of(run)->limit;
}

void listing_begin(struct run *run)
{
    const struct run_options *options = &run->options;

    if (run->range == NULL) {
        run->range = options->backfill ? ranges[0].range : options->range != NULL ? options->range : connector_of(run)->range;
        run->limit = asked_limit(run);
    }
    run->asked_ms = run->engine->now.wall_ms;
    run->oldest_ms = INT64_MAX;
    run->listed = run->unreadable = 0;
    mem_free(run->present);
    run->present = NULL;
    run->present_size = 0;
    if (connector_of(run)->on_delete != ENGINE_DELETE_KEEP && strcmp(run->range, "all") == 0 && !options->dry_run)
        run->present = mem_alloc_array(run->present_size = 64, 1);
}

void listing_note_time(struct run *run, const struct memory *memory)
{
    if (memory->has_created && memory->created_ms < run->oldest_ms)
        run->oldest_ms = memory->created_ms;
}

static int64_t last_covered(const struct run *run)
{
    struct error err = { 0 };
    int64_t listed_ms = 0;

    if (run->stream->row.stream != 0 && state_get_mark(run->engine->state, run->stream->row.stream, MARK_LISTED_MS, &listed_ms, &err) < 0)
        engine_break(run->engine, &err);
    return listed_ms;
}

/* Between the last listing that showed everything and the beginning of this one's range nobody looked. */
static bool reaches_back(const struct run *run, int64_t last_ms)
{
    int64_t reach = ranges[range_index(run->range)].reach_ms;

    return last_ms == 0 || reach == INT64_MAX || run->asked_ms - reach <= last_ms;
}

bool listing_covers(const struct run *run, char *ret_why, size_t size)
{
    int64_t last_ms = last_covered(run);
    char from[TIME_TEXT_SIZE];
    char to[TIME_TEXT_SIZE];

    if (run->listed >= run->limit) {
        if (run->oldest_ms != INT64_MAX) {
            time_text_rfc3339(run->oldest_ms, to);
            (void)snprintf(ret_why, size, "the listing is as long as the limit (%lld): memories older than %s may be missing; raise query_limit, or sync with --limit or --backfill",
                           (long long)run->limit, to);
        } else {
            (void)snprintf(ret_why, size, "the listing is as long as the limit (%lld): older memories may be missing; raise query_limit, or sync with --limit or --backfill",
                           (long long)run->limit);
        }
        return false;
    }
    if (reaches_back(run, last_ms))
        return true;
    time_text_rfc3339(last_ms, from);
    time_text_rfc3339(run->asked_ms - ranges[range_index(run->range)].reach_ms, to);
    (void)snprintf(ret_why, size, "the last whole listing was at %s, range %s reaches back only to %s: memories from between may be missing; sync with a wider --range or --backfill",
                   from, run->range, to);
    return false;
}

bool listing_widen(struct run *run)
{
    const struct run_options *options = &run->options;
    size_t index = range_index(run->range);

    if (!connector_of(run)->auto_widen || options->range != NULL || options->limit > 0 || engine_is_stopping(run->engine))
        return false;
    if (run->listed >= run->limit) {
        if (run->limit > WIDEST_LIMIT / 2)
            return false;
        run->limit *= 2;
        return true;
    }
    if (index + 1 >= ARRAY_LENGTH(ranges))
        return false;
    run->range = ranges[index + 1].range;
    return true;
}

bool listing_next_backfill(struct run *run)
{
    size_t index = range_index(run->range);

    if (!run->options.backfill || index + 1 >= ARRAY_LENGTH(ranges) || engine_is_stopping(run->engine))
        return false;
    run->range = ranges[index + 1].range;
    return true;
}

/* ---- What is there ---- */

void listing_note_present(struct run *run, int64_t seq)
{
    size_t byte = (size_t)seq / 8;

    if (run->present == NULL)
        return;
    if (byte >= run->present_size) {
        size_t size = run->present_size;
        while (size <= byte)
            size *= 2;
        run->present = mem_resize(run->present, size, 1);
        memset(run->present + run->present_size, 0, size - run->present_size);
        run->present_size = size;
    }
    run->present[byte] |= (uint8_t)(1u << (seq % 8));
}

static bool is_present(const struct run *run, int64_t seq)
{
    size_t byte = (size_t)seq / 8;

    return byte < run->present_size && (run->present[byte] >> (seq % 8) & 1) != 0;
}

/* ---- What is gone ---- */

struct absence { int64_t seq, since_ms; };

struct absences {
    const struct run *run;
    struct absence *known;        /* by seq */
    size_t known_count, known_capacity;
    int64_t *missing;             /* by seq */
    size_t missing_count, missing_capacity;
    int64_t live;
};

static bool keep_known(void *context, int64_t seq, int64_t since_ms)
{
    struct absences *absences = context;

    absences->known = mem_grow(absences->known, absences->known_count, &absences->known_capacity, sizeof *absences->known);
    absences->known[absences->known_count++] = (struct absence){ seq, since_ms };
    return true;
}

static bool is_live(const struct memory_row *row)
{
    return row->state != MEMORY_GONE && row->state != MEMORY_TRUSTED && row->wanted != WANTED_GONE;
}

static bool keep_missing(void *context, const struct memory_row *row)
{
    struct absences *absences = context;

    if (!is_live(row))
        return true;
    absences->live++;
    if (is_present(absences->run, row->seq))
        return true;
    absences->missing = mem_grow(absences->missing, absences->missing_count, &absences->missing_capacity, sizeof *absences->missing);
    absences->missing[absences->missing_count++] = row->seq;
    return true;
}

static void set_absence(struct run *run, int64_t seq, int64_t since_ms)
{
    engine_apply(run->engine, &(struct change){
        .kind = CHANGE_ABSENCE, .absence_seq = seq, .absence_stream = run->stream->row.stream, .absence_since_ms = since_ms });
}

/* seq 0: the letter that says "too many at once". */
static void close_deletion_letter(struct run *run, int64_t seq)
{
    struct engine *engine = run->engine;
    struct dead_letter letter;
    struct error err = { 0 };
    int found = state_find_letter(engine->state, run->stream->row.stream, DEAD_DELETION, seq, NULL, &letter, &err);

    if (found < 0)
        engine_break(engine, &err);
    if (found <= 0)
        return;
    letter.end = DEAD_CLEARED;
    letter.raw = (struct slice){ NULL, 0 };
    engine_apply(engine, &(struct change){ .kind = CHANGE_DEAD_LETTER, .letter = &letter });
}

static void ask_person(struct run *run, int64_t seq, const char *words)
{
    struct dead_letter letter = {
        .dead_class = DEAD_DELETION, .stream = run->stream->row.stream, .seq = seq, .words = words, .position = -1, .length = -1, .raw = { "", 0 },
    };

    listing_put_letter(run, &letter);
}

static void remove_one(struct run *run, int64_t seq)
{
    struct engine *engine = run->engine;
    struct memory_row row;
    struct error err = { 0 };
    int found = state_get_memory(engine->state, seq, &row, &err);

    if (found < 0)
        engine_break(engine, &err);
    if (found <= 0)
        return;
    set_absence(run, seq, 0);
    engine_remove(engine, &row);
}

static struct absence *find_known(const struct absences *absences, int64_t seq)
{
    size_t low = 0;
    size_t high = absences->known_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (absences->known[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < absences->known_count && absences->known[low].seq == seq ? &absences->known[low] : NULL;
}

/* Missing for the second time. since_ms < 0: a person was asked, and not again for the same absence. */
static size_t count_candidates(const struct absences *absences)
{
    size_t count = 0;

    for (size_t i = 0; i < absences->missing_count; i++)
        count += find_known(absences, absences->missing[i]) != NULL ? 1 : 0;
    return count;
}

static void act_on_absences(struct run *run, const struct absences *absences)
{
    const struct engine_connector *connector = connector_of(run);
    size_t candidates = count_candidates(absences);
    int64_t allowed = (absences->live * connector->max_delete_percent + 99) / 100;
    bool too_many = (int64_t)candidates > allowed;
    char words[300];

    if (too_many && connector->on_delete == ENGINE_DELETE_PROPAGATE) {
        (void)snprintf(words, sizeof words,
                       "%zu of %lld memories are gone from the source, more than max_delete_percent (%d): nothing is removed; look at the source, then raise the percentage for one run",
                       candidates, (long long)absences->live, connector->max_delete_percent);
        log_warn("source", connector->id, "context %s: %s", run->stream->context, words);
        ask_person(run, 0, words);
    } else {
        close_deletion_letter(run, 0);
    }
    for (size_t i = 0; i < absences->missing_count && !run->engine->is_broken; i++) {
        int64_t seq = absences->missing[i];
        const struct absence *known = find_known(absences, seq);
        if (known == NULL) {
            set_absence(run, seq, run->asked_ms);
        } else if (connector->on_delete == ENGINE_DELETE_CONFIRM && known->since_ms > 0) {
            ask_person(run, seq, "deleted at the source: two complete listings did not show it");
            set_absence(run, seq, -known->since_ms);
        } else if (connector->on_delete == ENGINE_DELETE_PROPAGATE && !too_many) {
            remove_one(run, seq);
        }
    }
}

static void judge_absences(struct run *run)
{
    struct engine *engine = run->engine;
    struct absences absences = { .run = run };
    struct error err = { 0 };
    int64_t stream = run->stream->row.stream;

    if (state_each_absence(engine->state, stream, keep_known, &absences, &err) < 0 ||
        state_each_memory(engine->state, stream, 0, keep_missing, &absences, &err) < 0)
        engine_break(engine, &err);
    for (size_t i = 0; i < absences.known_count && !engine->is_broken; i++) {
        if (!is_present(run, absences.known[i].seq))
            continue;
        set_absence(run, absences.known[i].seq, 0);
        close_deletion_letter(run, absences.known[i].seq);
    }
    if (!engine->is_broken)
        act_on_absences(run, &absences);
    mem_free(absences.known);
    mem_free(absences.missing);
}

void listing_note_covered(struct run *run)
{
    if (run->options.dry_run)
        return;
    engine_apply(run->engine, &(struct change){
        .kind = CHANGE_MARK, .mark_owner = run->stream->row.stream, .mark_kind = MARK_LISTED_MS, .mark_value = run->asked_ms });
    if (run->present != NULL && run->listed > 0 && run->unreadable == 0 && !run->engine->is_broken)
        judge_absences(run);
}
