#include "cli/pace.h"

#include "base/time_text.h"

static size_t index_of(const struct pace *pace, size_t i)
{
    return (pace->first + i) % PACE_SAMPLES;
}

void pace_note(struct pace *pace, int stage, int64_t now_mono, int64_t done)
{
    size_t last = index_of(pace, pace->count > 0 ? pace->count - 1 : 0);

    if (pace->count == 0 || pace->stage != stage || done < pace->samples[last].done) {
        *pace = (struct pace){ .stage = stage, .count = 1, .moved_mono = now_mono };
        pace->samples[0].mono = now_mono;
        pace->samples[0].done = done;
        return;
    }
    if (done > pace->samples[last].done)
        pace->moved_mono = now_mono;
    if (pace->count > 1 && now_mono - pace->samples[index_of(pace, pace->count - 2)].mono < PACE_WINDOW_MS / PACE_SAMPLES) {
        pace->samples[last].mono = now_mono; /* the newest one moves until it is far enough from the one before it */
        pace->samples[last].done = done;
        return;
    }
    if (pace->count == PACE_SAMPLES) {
        pace->first = index_of(pace, 1);
        pace->count--;
    }
    last = index_of(pace, pace->count++);
    pace->samples[last].mono = now_mono;
    pace->samples[last].done = done;
}

static void append_rate(double per_second, struct text *out)
{
    if (per_second >= 9.5)
        (void)text_append_format(out, ", %.0f/s", per_second);
    else if (per_second >= 1)
        (void)text_append_format(out, ", %.1f/s", per_second);
    else if (per_second * 60 >= 1)
        (void)text_append_format(out, ", %.0f/min", per_second * 60);
    else
        (void)text_append_format(out, ", %.0f/h", per_second * 3600);
}

void pace_append(const struct pace *pace, int64_t now_mono, int64_t left, struct text *out)
{
    char words[TIME_TEXT_SIZE];
    int64_t span, ended;
    size_t oldest = 0;

    if (pace->count == 0 || left == 0)
        return;
    if (now_mono - pace->moved_mono >= PACE_SILENCE_MS) {
        time_text_duration(now_mono - pace->moved_mono, words);
        (void)text_append_format(out, ", nothing for %s", words);
        return;
    }
    while (oldest + 1 < pace->count && now_mono - pace->samples[index_of(pace, oldest)].mono > PACE_WINDOW_MS)
        oldest++;
    span = now_mono - pace->samples[index_of(pace, oldest)].mono;
    ended = pace->samples[index_of(pace, pace->count - 1)].done - pace->samples[index_of(pace, oldest)].done;
    if (span < PACE_FIRST_MS || ended <= 0)
        return;
    append_rate((double)ended * 1000 / (double)span, out);
    if (left < 0 || ended < PACE_FIRST_ITEMS)
        return;
    time_text_duration((int64_t)((double)span * (double)left / (double)ended), words);
    (void)text_append_format(out, ", about %s left", words);
}
