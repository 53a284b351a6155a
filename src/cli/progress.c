#include "cli/progress.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/table.h"
#include "cli/width.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REDRAW_MS = 100 };

static void put(const char *words, size_t size)
{
    (void)!write(STDERR_FILENO, words, size);
}

static void clear_line(void *context)
{
    const struct progress *progress = context;

    size_t width = width_of_text(progress->line, strlen(progress->line));
    char blanks[200];

    if (width == 0)
        return;
    memset(blanks, ' ', sizeof blanks);
    put("\r", 1); /* no escapes: colours may be off because the terminal knows none */
    for (; width > 0; width -= width < sizeof blanks ? width : sizeof blanks)
        put(blanks, width < sizeof blanks ? width : sizeof blanks);
    put("\r", 1);
}

static void draw_line(void *context)
{
    const struct progress *progress = context;

    put(progress->line, strlen(progress->line));
}

bool progress_is_possible(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
}

void progress_begin(struct progress *progress, bool is_on)
{
    *progress = (struct progress){ .is_on = is_on, .pace.stage = -1 };
    if (is_on)
        log_set_progress_hook(clear_line, draw_line, progress);
}

void progress_end(struct progress *progress)
{
    if (!progress->is_on)
        return;
    clear_line(progress);
    progress->line[0] = '\0';
    log_set_progress_hook(NULL, NULL, NULL);
}

static void append_count(struct text *out, int64_t count, const char *word)
{
    if (count == 0)
        return;
    (void)text_append_format(out, "%s%lld %s", out->size > 0 ? ", " : "", (long long)count, word);
}

void progress_words(const struct run_counts *counts, struct text *out)
{
    AUTO_DONE(text) struct text part = { 0 };

    text_init(&part, 0);
    (void)text_append_format(&part, "%lld fetched", (long long)counts->fetched);
    append_count(&part, counts->new_, "new");
    append_count(&part, counts->changed, "changed");
    append_count(&part, counts->unchanged, "unchanged");
    append_count(&part, counts->skipped - counts->filtered, "skipped (no words)");
    append_count(&part, counts->filtered, "skipped (filter)");
    append_count(&part, counts->duplicates, "repeated");
    append_count(&part, counts->malformed, "malformed");
    (void)text_append(out, part.data);
    text_clear(&part);
    append_count(&part, counts->stored, "stored");
    append_count(&part, counts->processed, "processed");
    append_count(&part, counts->replaced, "replaced");
    append_count(&part, counts->removed, "removed");
    append_count(&part, counts->retried, "retried");
    append_count(&part, counts->failed, "failed");
    if (part.size > 0)
        (void)text_append_format(out, "; %s", part.data);
}

enum tone progress_tone(enum run_result result)
{
    static const enum tone tones[RUN_RESULTS] = {
        [RUN_RUNNING] = TONE_PLAIN, [RUN_SUCCESS] = TONE_GOOD, [RUN_PARTIAL] = TONE_WAIT, [RUN_FAILED] = TONE_BAD, [RUN_INTERRUPTED] = TONE_WAIT,
        [RUN_CANCELLED] = TONE_WAIT, [RUN_SKIPPED] = TONE_FAINT,
    };

    return tones[result];
}

/* ---- The line: what it does now, how far that is, how fast, how long; then everything that was counted ---- */

enum stage { STAGE_READING, STAGE_SENDING, STAGE_PROCESSING, STAGE_REMOVING };

static enum stage stage_of(const struct engine_event *event)
{
    if (event->is_listing)
        return STAGE_READING;
    if (event->queued + event->flying > 0)
        return STAGE_SENDING;
    return event->stored > 0 || event->removing == 0 ? STAGE_PROCESSING : STAGE_REMOVING;
}

/* done of a stage, and what is left of it (-1: unknown). */
static int64_t measure(const struct engine_event *event, enum stage stage, int64_t *ret_left)
{
    const struct run_counts *counts = &event->run->counts;

    switch (stage) {
    case STAGE_READING:
        *ret_left = -1;
        return counts->fetched;
    case STAGE_SENDING:
        *ret_left = event->queued + event->flying;
        return counts->stored;
    case STAGE_PROCESSING:
        *ret_left = event->stored;
        return counts->processed + counts->failed;
    default:
        *ret_left = event->removing;
        return counts->replaced + counts->removed;
    }
}

void progress_line(struct pace *pace, const struct engine_event *event, int64_t now_mono, size_t width, struct text *out)
{
    static const char *const names[] = { "reading", "sending", "LightRAG is processing", "removing" };
    AUTO_DONE(text) struct text words = { 0 };
    enum stage stage = stage_of(event);
    int64_t left = -1;
    int64_t done = measure(event, stage, &left);

    text_init(&words, 0);
    pace_note(pace, (int)stage, now_mono, done);
    (void)text_append_format(&words, "%s: %s %lld", event->run->connector, names[stage], (long long)done);
    if (left >= 0)
        (void)text_append_format(&words, "/%lld", (long long)(done + left));
    pace_append(pace, now_mono, left, &words);
    (void)text_append(&words, " (");
    progress_words(&event->run->counts, &words);
    (void)text_append_char(&words, ')');
    width_cut(words.data, width > 1 ? width - 1 : SIZE_MAX, out); /* the last column is left free: some terminals break the line there */
}

void progress_event(struct progress *progress, const struct engine_event *event)
{
    AUTO_DONE(text) struct text line = { 0 };
    int64_t now = clock_monotonic_ms();

    if (!progress->is_on || event->kind != ENGINE_PROGRESS || now - progress->drawn_mono < REDRAW_MS)
        return;
    progress->drawn_mono = now;
    text_init(&line, sizeof progress->line - 1);
    progress_line(&progress->pace, event, now, table_terminal_width(STDERR_FILENO), &line);
    clear_line(progress);
    (void)snprintf(progress->line, sizeof progress->line, "%s", line.data);
    draw_line(progress);
}
