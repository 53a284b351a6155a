#include "cli/progress.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REDRAW_MS = 100 };

static void put(const char *words)
{
    (void)!write(STDERR_FILENO, words, strlen(words));
}

static void clear_line(void *context)
{
    const struct progress *progress = context;

    if (progress->line[0] != '\0')
        put("\r\033[K");
}

static void draw_line(void *context)
{
    const struct progress *progress = context;

    put(progress->line);
}

void progress_begin(struct progress *progress, bool is_on)
{
    *progress = (struct progress){ .is_on = is_on, .started_mono = clock_monotonic_ms(), .first_stored = -1 };
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

static void append_rate(const struct progress *progress, const struct engine_event *event, struct text *out)
{
    int64_t elapsed = clock_monotonic_ms() - progress->started_mono;
    int64_t done = event->run->counts.stored;
    int64_t left = event->queued + event->flying;
    char words[TIME_TEXT_SIZE];

    if (elapsed < 1000 || done <= 0)
        return;
    (void)text_append_format(out, ", %.0f/s", (double)done * 1000 / (double)elapsed);
    if (event->is_listing || left == 0)
        return;
    time_text_duration(elapsed * left / done, words);
    (void)text_append_format(out, ", %s left", words);
}

void progress_event(struct progress *progress, const struct engine_event *event)
{
    AUTO_DONE(text) struct text words = { 0 };
    size_t width = table_terminal_width(STDERR_FILENO);
    int64_t now = clock_monotonic_ms();

    if (!progress->is_on || event->kind != ENGINE_PROGRESS || now - progress->drawn_mono < REDRAW_MS)
        return;
    progress->drawn_mono = now;
    text_init(&words, 0);
    (void)text_append_format(&words, "%s: ", event->run->connector);
    progress_words(&event->run->counts, &words);
    append_rate(progress, event, &words);
    if (width > 1 && words.size >= width) {
        size_t size = width - 2;
        while (size > 0 && ((unsigned char)words.data[size] & 0xC0) == 0x80)
            size--;
        text_truncate(&words, size);
        (void)text_append(&words, "\xE2\x80\xA6");
    }
    clear_line(progress);
    (void)snprintf(progress->line, sizeof progress->line, "%s", words.data);
    draw_line(progress);
}
