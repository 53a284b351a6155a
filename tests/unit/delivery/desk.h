/* desk.h - the deliver machine driven by hand: what it is told, what it wants, what it writes down. */
#ifndef MC_TESTS_DESK_H
#define MC_TESTS_DESK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESK static __attribute__((unused))

enum { MEMORIES = 64, COMMANDS = 64, BATCHES = 2000 };

/* ---- What the machine says, kept ---- */

struct desk {
    struct deliver *deliver;
    struct moment now;
    enum memory_state memory[MEMORIES];   /* by seq */
    int attempts[MEMORIES];
    int64_t batch_of[MEMORIES];
    int64_t settles_ms[MEMORIES];         /* by seq: what its row says */
    struct batch_row batch[BATCHES];      /* by number */
    enum dead_class dead[MEMORIES];       /* by seq */
    struct deliver_command commands[COMMANDS];
    char tracks[COMMANDS][TRACK_SIZE];
    size_t command_count;
    int64_t notes[NOTES];
    int notices;
    int64_t batches, letters;
    enum memory_wanted wanted[MEMORIES];  /* by seq: what the row says */
    int64_t swept_rows;
    int sweeps, whole_sweeps;
    struct deliver_hidden hidden[8];      /* of the last sweep */
    size_t hidden_count;
};

DESK void on_change(void *context, const struct change *change)
{
    struct desk *desk = context;

    switch (change->kind) {
    case CHANGE_MEMBERS:
        for (size_t i = 0; i < change->member_count; i++) {
            int64_t seq = change->members[i].seq;
            assert_int_equal(desk->memory[seq], change->members_from); /* never a change from a state it is not in */
            desk->memory[seq] = change->members_to;
            if (change->members_batch != 0)
                desk->batch_of[seq] = change->members_batch;
        }
        break;
    case CHANGE_BATCH:
        if (change->batch->batch < BATCHES)
            desk->batch[change->batch->batch] = *change->batch;
        break;
    case CHANGE_DEAD_LETTER:
        desk->dead[change->letter->seq] = change->letter->dead_class;
        break;
    default:
        fail_msg("a change of kind %d", (int)change->kind);
    }
}

DESK void on_member(void *context, const struct member_change *change)
{
    struct desk *desk = context;

    if (change->seq >= MEMORIES)
        return; /* of a crowd that only counts */
    assert_int_equal(desk->memory[change->seq], change->from);
    desk->memory[change->seq] = change->to;
    if (change->attempts >= 0)
        desk->attempts[change->seq] = change->attempts;
    if (change->batch != 0)
        desk->batch_of[change->seq] = change->batch;
    if (change->settle_until_ms >= 0)
        desk->settles_ms[change->seq] = change->settle_until_ms;
    if (change->from == MEMORY_REMOVING && change->to == MEMORY_REMOVING) {
        assert_true(change->settle_until_ms > desk->now.wall_ms);
        return;
    }
    if (change->to == MEMORY_REMOVING) { /* as the engine does */
        char name[16];
        (void)snprintf(name, sizeof name, "m%lld", (long long)change->seq);
        if (desk->wanted[change->seq] == WANTED_NOTHING)
            desk->wanted[change->seq] = WANTED_NEWER;
        deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = change->seq, .stream = 1, .name = name, .wanted = desk->wanted[change->seq],
                                                                 .settle_until_ms = change->settle_until_ms }, desk->now);
    }
    if (change->from == MEMORY_REMOVING)
        desk->wanted[change->seq] = WANTED_NOTHING;
}

DESK void on_command(void *context, const struct deliver_command *command)
{
    struct desk *desk = context;

    assert_true(desk->command_count < COMMANDS);
    desk->commands[desk->command_count] = *command;
    (void)snprintf(desk->tracks[desk->command_count++], TRACK_SIZE, "%s", command->track != NULL ? command->track : "");
}

DESK void on_note(void *context, enum deliver_note note, int64_t stream, int64_t count)
{
    struct desk *desk = context;

    assert_int_equal(stream, 1);
    desk->notes[note] += count;
}

DESK void on_notice(void *context, bool is_trouble, const char *words)
{
    struct desk *desk = context;

    (void)is_trouble;
    assert_true(words[0] != '\0');
    desk->notices++;
}

DESK int64_t next_batch(void *context) { return ++((struct desk *)context)->batches; }
DESK int64_t next_letter(void *context) { return ++((struct desk *)context)->letters; }
DESK uint64_t next_random(void *context) { (void)context; return 0; }

DESK void on_sweep_row(void *context, const struct sink_row *row)
{
    struct desk *desk = context;

    assert_true(row->id != NULL);
    desk->swept_rows++;
}

DESK void on_swept(void *context, bool is_complete, const struct deliver_hidden *hidden, size_t hidden_count)
{
    struct desk *desk = context;

    desk->sweeps++;
    desk->hidden_count = hidden_count;
    for (size_t i = 0; i < hidden_count && i < ARRAY_LENGTH(desk->hidden); i++)
        desk->hidden[i] = hidden[i];
    desk->whole_sweeps += is_complete ? 1 : 0;
}

#define NOT_OURS "memory~of~others" /* the only name that the state does not know */

DESK bool owns(void *context, const char *name)
{
    (void)context;
    return strcmp(name, NOT_OURS) != 0;
}

static const struct deliver_settings defaults __attribute__((unused)) = {
    .target = 1, .batch_size = 10, .batch_bytes = 1 << 20, .max_unfinished = 50, .slots = 1, .poll_interval_ms = 2000, .kick_interval_ms = 300000,
    .kick = true, .give_up_after_ms = 86400000, .settle_ms = 60000, .delete_settle_ms = 90000, .max_attempts = 3, .backoff_multiplier = 2.0, .max_backoff_ms = 60000,
    .workspace = "",
};

static const struct sink_verdict well __attribute__((unused)) = { .scope = SINK_WELL, .status = 200, .retry_after_ms = -1, .date_ms = 1000000, .culprit_index = -1 };

DESK void open_desk(struct desk *desk, const struct deliver_settings *settings)
{
    struct deliver_out out = {
        .context = desk, .change = on_change, .member = on_member, .command = on_command, .note = on_note, .notice = on_notice,
        .next_batch = next_batch, .next_letter = next_letter, .random = next_random, .sweep_row = on_sweep_row,
        .swept = on_swept, .owns = owns,
    };

    *desk = (struct desk){ .now = { .wall_ms = 1000000, .mono_ms = 5000 } };
    desk->deliver = deliver_new(settings, &out);
}

DESK void close_desk(struct desk *desk)
{
    deliver_free(desk->deliver);
}

/* ---- Small words of the tests ---- */

DESK void pass_time(struct desk *desk, int64_t ms)
{
    desk->now.wall_ms += ms;
    desk->now.mono_ms += ms;
    deliver_tick(desk->deliver, desk->now);
}

/* Takes the oldest command of that kind away; NULL when there is none. */
DESK bool take(struct desk *desk, enum deliver_command_kind kind, struct deliver_command *ret_command)
{
    for (size_t i = 0; i < desk->command_count; i++) {
        if (desk->commands[i].kind != kind)
            continue;
        *ret_command = desk->commands[i];
        memmove(&desk->commands[i], &desk->commands[i + 1], (desk->command_count - i - 1) * sizeof desk->commands[0]);
        desk->command_count--;
        return true;
    }
    return false;
}

DESK struct deliver_command must_take(struct desk *desk, enum deliver_command_kind kind)
{
    struct deliver_command command = { .kind = kind };

    if (!take(desk, kind, &command))
        fail_msg("the machine did not ask for command %d", (int)kind);
    return command;
}

DESK void make_well(struct desk *desk, enum sink_dialect dialect)
{
    struct sink_health health = { .dialect = dialect, .version = "1.5.7" };
    struct sink_counts counts = { 0 };

    deliver_tick(desk->deliver, desk->now);
    (void)must_take(desk, DELIVER_ASK_HEALTH);
    deliver_on_health(desk->deliver, &health, &well, desk->now);
    (void)must_take(desk, DELIVER_ASK_COUNTS);
    deliver_on_counts(desk->deliver, &counts, &well, desk->now);
}

DESK void offer(struct desk *desk, int64_t first, int64_t count)
{
    struct deliver_memory memories[MEMORIES];
    char names[MEMORIES][16];

    for (int64_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "m%lld", (long long)(first + i));
        memories[i] = (struct deliver_memory){ .seq = first + i, .stream = 1, .name = names[i], .text_size = 10 };
        (void)snprintf(memories[i].mark, sizeof memories[i].mark, "%012llx", (unsigned long long)(first + i));
        desk->memory[first + i] = MEMORY_QUEUED;
    }
    deliver_offer(desk->deliver, memories, (size_t)count, desk->now);
}

DESK void answer_insert(struct desk *desk, int64_t batch, const struct sink_verdict *verdict)
{
    deliver_on_insert(desk->deliver, batch, verdict, desk->now);
}

DESK struct sink_verdict accepted(const char *track)
{
    struct sink_verdict verdict = well;

    verdict.insert = SINK_INSERT_ACCEPTED;
    (void)snprintf(verdict.track, sizeof verdict.track, "%s", track);
    return verdict;
}

DESK struct sink_verdict scope(enum sink_scope what, int status)
{
    struct sink_verdict verdict = { .scope = what, .status = status, .retry_after_ms = -1, .date_ms = -1, .culprit_index = -1, .words = "said the test" };

    return verdict;
}

struct rows {
    char names[MEMORIES][16];
    struct sink_row row[MEMORIES];
    size_t count;
};

DESK void put_row(struct rows *rows, int64_t seq, enum sink_row_status status, const char *track)
{
    struct sink_row *row = &rows->row[rows->count];

    (void)snprintf(rows->names[rows->count], 16, "m%lld", (long long)seq);
    *row = (struct sink_row){ .id = rows->names[rows->count], .name = rows->names[rows->count], .track = track, .status = status, .has_mark = true,
                              .chunks = status == SINK_ROW_PROCESSED ? 1 : -1, .created_ms = 1000000, .updated_ms = 1000000, .error_words = "" };
    (void)snprintf(row->mark, sizeof row->mark, "%012llx", (unsigned long long)seq);
    rows->count++;
}

DESK void answer_track(struct desk *desk, const struct rows *rows)
{
    struct deliver_command command = must_take(desk, DELIVER_TRACK);

    for (size_t i = 0; i < rows->count; i++)
        deliver_on_track_row(desk->deliver, command.batch, &rows->row[i]);
    deliver_on_track(desk->deliver, command.batch, &well, desk->now);
}

DESK void answer_list(struct desk *desk, const struct rows *rows, bool has_next)
{
    (void)must_take(desk, DELIVER_LIST);
    for (size_t i = 0; i < rows->count; i++)
        deliver_on_list_row(desk->deliver, &rows->row[i]);
    deliver_on_list(desk->deliver, &(struct sink_page){ .rows = (int64_t)rows->count, .total = -1, .has_next = has_next }, &well, desk->now);
}

/* A fresh desk with one batch of count memories whose insert is under way. */
DESK int64_t send_some(struct desk *desk, enum sink_dialect dialect, int64_t count)
{
    open_desk(desk, &defaults);
    make_well(desk, dialect);
    offer(desk, 1, count);
    return must_take(desk, DELIVER_INSERT).batch;
}

#endif
