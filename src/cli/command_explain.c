/* command_explain.c - explain: the life of one memory, from what the state knows; nothing is asked of any server. */
#include "cli/cli.h"
#include "engine/lookup.h"
#include "engine/report.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "sink/sink.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct life {
    struct state *state;          /* borrowed */
    struct found found;
    bool has_batch;
    struct batch_row batch;
    int64_t absent_since_ms;      /* 0: it was in the last complete listing */
    bool has_newer;
    char newer_mark[REVISION_MARK_SIZE];
    struct dead_letter *letters;  /* owned, with their words */
    size_t letter_count, letter_capacity;
    struct text next;             /* what happens next, in a sentence */
    int64_t next_ms;              /* and when; 0: with the next run, or never */
};

static void life_done(struct life *life)
{
    for (size_t i = 0; i < life->letter_count; i++)
        mem_free((char *)(uintptr_t)life->letters[i].words);
    mem_free(life->letters);
    found_done(&life->found);
    text_done(&life->next);
}
AUTO_DEFINE_DONE(life)

static bool keep_letter(void *context, const struct dead_letter *letter)
{
    struct life *life = context;
    struct dead_letter kept = *letter;

    kept.words = mem_copy_string(letter->words);
    kept.raw = (struct slice){ NULL, 0 };
    life->letters = mem_grow(life->letters, life->letter_count, &life->letter_capacity, sizeof *life->letters);
    life->letters[life->letter_count++] = kept;
    return true;
}

/* ---- What is next ---- */

/* The memory states but FLYING, which its batch tells, and DEAD, which its letter tells. */
static const char *const next_words[MEMORY_STATES] = {
    [MEMORY_QUEUED] = "it is sent with the next batch",
    [MEMORY_DONE] = "nothing: it is in the graph; audits see to it that it stays there",
    [MEMORY_REMOVING] = "its documents at LightRAG are deleted when the pipeline there is idle",
    [MEMORY_GONE] = "nothing: it is removed; a listing that shows it again sends it again",
    [MEMORY_TRUSTED] = "nothing: an earlier program was told \"accepted\"; \"sync --force\" sends it and proves it",
};

static const char *const batch_words[BATCH_STATES] = {
    [BATCH_READY] = "its batch is sent as soon as LightRAG takes inserts",
    [BATCH_SENDING] = "its batch was sent, or may have been, and the answer is not known: it is looked up before anything is sent again",
    [BATCH_ACCEPTED] = "LightRAG took its batch into memory: it is followed until the rows are stored",
    [BATCH_STORED] = "LightRAG has stored it: it is followed until it is processed",
    [BATCH_CLOSED] = "its batch is settled",
};

static const char *const skipped_words[SKIP_REASONS] = {
    [SKIP_EMPTY] = "nothing, until the source gives it words",
    [SKIP_TYPE] = "nothing: its type is not one of filter.types; when the filter is widened, the next listing that shows it brings it in",
    [SKIP_TIME] = "nothing: filter.since and filter.until leave it out; when the filter is widened, the next listing that shows it brings it in",
    [SKIP_NOT] = "the next listing that shows it brings it in",
    [SKIP_LOST] = "nothing, until a listing shows it again: LightRAG lost it, and its text was given up here",
    [SKIP_TOLD] = "nothing, until a listing shows it: only a dead letter that was imported tells of it",
};

static const char *words_of(const struct life *life)
{
    const struct memory_row *row = &life->found.row;

    if (row->state == MEMORY_SKIPPED)
        return row->attempts >= 0 && row->attempts < SKIP_REASONS ? skipped_words[row->attempts] : memory_skip_words((enum memory_skip)row->attempts);
    if (row->state == MEMORY_DEAD)
        return "it waits for a person: \"memory-connector dead-letters retry\" looks it up and sends it where it is absent";
    if (row->state == MEMORY_FLYING)
        return life->has_batch ? batch_words[life->batch.state] : "its batch is looked up";
    return next_words[row->state] != NULL ? next_words[row->state] : "nothing that this release knows";
}

static void say_next(struct life *life)
{
    const struct memory_row *row = &life->found.row;
    int64_t when = row->state == MEMORY_QUEUED ? row->not_before_ms : row->state == MEMORY_FLYING && life->has_batch ? life->batch.not_before_ms : 0;

    if ((row->state == MEMORY_QUEUED || row->state == MEMORY_FLYING) && row->settle_until_ms > when)
        when = row->settle_until_ms;
    life->next_ms = when > clock_wall_ms() ? when : 0;
    text_init(&life->next, 0);
    (void)text_append(&life->next, words_of(life));
    if (row->state == MEMORY_REMOVING)
        (void)text_append(&life->next, row->wanted == WANTED_GONE ? ", and then it is gone" : ", and then its newer text is sent");
    else if (row->wanted == WANTED_NEWER)
        (void)text_append(&life->next, "; then it is replaced by a newer revision that waits here");
    else if (row->wanted == WANTED_GONE)
        (void)text_append(&life->next, "; then it is removed");
}

static int read_life(struct state *state, int64_t seq, struct life *life, struct error *err)
{
    uint8_t newer[SHA256_SIZE];
    AUTO_DONE(text) struct text waiting = { 0 };
    int known;

    text_init(&waiting, 0);
    life->state = state;
    if (found_read(state, seq, &life->found, err) < 0)
        return -1;
    if (life->found.row.batch != 0) {
        known = state_get_batch(state, life->found.row.batch, &life->batch, err);
        if (known < 0)
            return -1;
        life->has_batch = known > 0;
    }
    known = state_get_newer(state, seq, newer, &waiting, err);
    if (known > 0)
        identity_revision_mark(newer, life->newer_mark);
    life->has_newer = known > 0;
    if (known < 0 || state_get_absence(state, seq, &life->absent_since_ms, err) < 0 || state_each_letter_of(state, seq, keep_letter, life, err) < 0)
        return -1;
    say_next(life);
    return 0;
}

/* ---- For people ---- */

static void say(struct text *out, const char *label, const char *words, size_t size)
{
    (void)text_append_format(out, "  %-10s ", label);
    table_append_harmless(out, words, size);
    (void)text_append_char(out, '\n');
}

static void say_string(struct text *out, const char *label, const char *words)
{
    say(out, label, words, strlen(words));
}

static void say_time(struct text *out, const char *label, int64_t ms)
{
    char when[TIME_TEXT_SIZE];

    if (ms <= 0)
        return;
    time_text_rfc3339(ms / 1000 * 1000, when);
    say_string(out, label, when);
}

static void say_batch(struct text *out, const struct life *life)
{
    const struct batch_row *batch = &life->batch;

    if (!life->has_batch)
        return;
    (void)text_append_format(out, "  %-10s %lld, %s\n", "batch", (long long)batch->batch, batch_state_name(batch->state));
    if (batch->track[0] != '\0')
        say_string(out, "track", batch->track);
    say_time(out, "sent", batch->last_sent_ms);
    say_time(out, "changed", batch->changed_ms);
    if (batch->strikes > 0)
        (void)text_append_format(out, "  %-10s %d times HTTP 500 to this batch\n", "strikes", batch->strikes);
}

static void say_letters(struct text *out, const struct life *life)
{
    for (size_t i = 0; i < life->letter_count; i++) {
        const struct dead_letter *letter = &life->letters[i];
        char when[TIME_TEXT_SIZE];
        time_text_rfc3339(letter->last_ms / 1000 * 1000, when);
        (void)text_append_format(out, "  %-10s %lld, %s, %s, last %s, %lld time%s", "letter", (long long)letter->letter, dead_class_name(letter->dead_class),
                                 report_letter_state(letter), when, (long long)letter->times, letter->times == 1 ? "" : "s");
        if (letter->http_status > 0)
            (void)text_append_format(out, ", HTTP %d", letter->http_status);
        (void)text_append(out, "\n             ");
        table_append_harmless(out, letter->words, strlen(letter->words));
        (void)text_append_char(out, '\n');
        if (letter->end == DEAD_OPEN)
            (void)text_append_format(out, "             %s\n", dead_class_advice(letter->dead_class));
    }
}

static void explain_in_words(struct cli *cli, const struct life *life)
{
    const struct found *found = &life->found;
    const struct memory_row *row = &found->row;
    struct text *out = &cli->out;
    char mark[REVISION_MARK_SIZE];

    identity_revision_mark(row->revision, mark);
    (void)text_append(out, "memory ");
    table_append_harmless(out, row->id.data, row->id.size);
    (void)text_append_format(out, ": %s\n", memory_state_name(row->state));
    (void)text_append_format(out, "  %-10s connector %s, source %s, context ", "from", found->stream.connector[0] != '\0' ? found->stream.connector : "(none now)",
                             found->source.data);
    table_append_harmless(out, found->context.data, found->context.size);
    (void)text_append_format(out, "\n  %-10s %s, ", "to", found->target_name);
    table_append_harmless(out, found->url.data, found->url.size);
    (void)text_append_format(out, found->version.size > 0 ? ", LightRAG %s\n" : "%s\n", found->version.data);
    say(out, "address", found->address.data, found->address.size);
    say(out, "document", found->name.data, found->name.size);
    say_string(out, "doc id", found->doc_id[0] != '\0'         ? found->doc_id
                              : row->state == MEMORY_TRUSTED ? "not known (an earlier program made the document, under no name that tells the memory)"
                                                             : "not known (LightRAG 1.4 makes it from the text, and none is kept)");
    if (found->first_ms > 0)
        say_time(out, "first seen", found->first_ms);
    (void)text_append_format(out, "  %-10s %s", "revision", row->state != MEMORY_TRUSTED ? mark : "not known");
    if (row->text_size > 0)
        (void)text_append_format(out, ", %lld bytes of text", (long long)row->text_size);
    (void)text_append_char(out, '\n');
    say_time(out, "since", row->arrived_ms);
    if (life->has_newer)
        say_string(out, "newer", life->newer_mark);
    if (life->absent_since_ms != 0)
        say_time(out, "absent", life->absent_since_ms > 0 ? life->absent_since_ms : -life->absent_since_ms);
    if (row->attempts > 0)
        (void)text_append_format(out, "  %-10s %d failed processing%s\n", "attempts", row->attempts, row->attempts == 1 ? "" : "s");
    say_batch(out, life);
    say_letters(out, life);
    say_string(out, "next", life->next.data);
    say_time(out, "not before", life->next_ms);
}

/* The text exactly as it goes over the line, for a pipe; harmless on a terminal. */
static void show_text(struct cli *cli, const struct life *life, const struct text *sent)
{
    (void)text_append(&cli->out, "\n");
    if (sent->size == 0) {
        (void)text_append_format(&cli->out, "%s%s.\n", life->found.row.state == MEMORY_SKIPPED ? "No text: " : "No text is kept (state.keep_texts)",
                                 life->found.row.state == MEMORY_SKIPPED ? memory_skip_words((enum memory_skip)life->found.row.attempts) : "");
        return;
    }
    if (!isatty(STDOUT_FILENO)) {
        (void)text_append_bytes(&cli->out, sent->data, sent->size);
    } else {
        for (size_t at = 0; at < sent->size;) {
            const char *end = memchr(sent->data + at, '\n', sent->size - at);
            size_t size = end != NULL ? (size_t)(end - sent->data) - at : sent->size - at;
            table_append_harmless(&cli->out, sent->data + at, size);
            at += size + (end != NULL ? 1 : 0);
            if (end != NULL)
                (void)text_append_char(&cli->out, '\n');
        }
    }
    if (sent->data[sent->size - 1] != '\n')
        (void)text_append_char(&cli->out, '\n');
}

/* ---- For programs ---- */

static void write_text_or_null(struct json_writer *writer, const char *key, const char *words)
{
    json_write_string(writer, key, words[0] != '\0' ? words : NULL);
}

static void write_batch(struct json_writer *writer, const struct life *life)
{
    const struct batch_row *batch = &life->batch;

    if (!life->has_batch) {
        json_write_null(writer, "batch");
        return;
    }
    json_write_open_object(writer, "batch");
    json_write_integer(writer, "batch", batch->batch);
    json_write_string(writer, "state", batch_state_name(batch->state));
    json_write_bytes(writer, "track", batch->track, strlen(batch->track));
    json_write_integer(writer, "members", batch->members);
    json_write_integer(writer, "strikes", batch->strikes);
    json_write_time(writer, "opened", batch->opened_ms);
    json_write_time(writer, "sent", batch->last_sent_ms > 0 ? batch->last_sent_ms : -1);
    json_write_time(writer, "changed", batch->changed_ms);
    json_write_close(writer);
}

static void explain_in_json(struct cli *cli, const struct life *life, const struct text *sent)
{
    const struct found *found = &life->found;
    const struct memory_row *row = &found->row;
    char hex[SHA256_HEX_SIZE];
    struct json_writer writer;

    cli_begin_json(cli, &writer, "explain");
    found_write(&writer, found);
    sha256_hex(row->revision, SHA256_SIZE, hex);
    json_write_string(&writer, "revision", row->state != MEMORY_TRUSTED ? hex : NULL);
    json_write_time(&writer, "first_seen", found->first_ms > 0 ? found->first_ms : -1);
    json_write_time(&writer, "since", row->arrived_ms);
    json_write_integer(&writer, "text_bytes", row->text_size);
    json_write_integer(&writer, "attempts", row->attempts);
    write_text_or_null(&writer, "newer_revision", life->newer_mark);
    json_write_time(&writer, "absent_since", life->absent_since_ms == 0 ? -1 : life->absent_since_ms > 0 ? life->absent_since_ms : -life->absent_since_ms);
    write_batch(&writer, life);
    json_write_open_array(&writer, "dead_letters");
    for (size_t i = 0; i < life->letter_count; i++) {
        json_write_open_object(&writer, NULL);
        report_write_letter(&writer, &life->letters[i], found->stream.connector, found->context.data, row->id);
        json_write_close(&writer);
    }
    json_write_close(&writer);
    json_write_string(&writer, "next", life->next.data);
    json_write_time(&writer, "not_before", life->next_ms > 0 ? life->next_ms : -1);
    if (sent != NULL && sent->size > 0)
        json_write_bytes(&writer, "text", sent->data, sent->size);
    else if (sent != NULL)
        json_write_null(&writer, "text");
    cli_end_json(cli, &writer);
}

/* ---- The command ---- */

static int ambiguous(struct cli *cli, struct state *state, const struct lookup *lookup, struct error *err)
{
    AUTO_DONE(text) struct text list = { 0 };
    size_t shown = lookup->count < 5 ? lookup->count : 5;

    text_init(&list, 0);
    for (size_t i = 0; i < shown; i++) {
        AUTO_DONE(found) struct found found = { 0 };
        if (found_read(state, lookup->seqs[i], &found, err) < 0)
            return -1;
        (void)text_append(&list, i > 0 ? ", " : "");
        table_append_harmless(&list, found.name.data, found.name.size);
    }
    return error_set(err, ERROR_USAGE, "%s \"%.100s\" stands for %zu memories (%s%s): explain one of these, or say its context first",
                     lookup_kind_name(lookup->kind), cli->words[cli->word_count - 1], lookup->count, list.data, lookup->count > shown ? ", ..." : "");
}

static int find_one(struct cli *cli, struct state *state, int64_t *ret_seq, struct error *err)
{
    AUTO_DONE(lookup) struct lookup lookup = { 0 };
    const char *what = cli->words[cli->word_count - 1];

    if (state == NULL)
        return error_set(err, ERROR_FAILED, "%s: there is no state yet, so nothing is known of any memory; run sync first", cli->config->state_path);
    if (cli->word_count == 2 ? lookup_in_context(state, cli->words[0], (struct slice){ what, strlen(what) }, &lookup, err) < 0
                             : lookup_find(state, what, &lookup, err) < 0)
        return -1;
    if (lookup.count > 1)
        return ambiguous(cli, state, &lookup, err);
    if (lookup.count == 0 && cli->word_count == 2)
        return error_set(err, ERROR_FAILED, "context \"%.100s\" has no memory \"%.200s\" here: it was never listed; \"sync --range all\" lists everything",
                         cli->words[0], what);
    if (lookup.count == 0)
        return error_set(err, ERROR_FAILED, "nothing here is called \"%.200s\": no memory's id, document name, doc id, address, no track", what);
    *ret_seq = lookup.seqs[0];
    return 0;
}

int command_explain(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(life) struct life life = { 0 };
    AUTO_DONE(text) struct text kept = { 0 };
    AUTO_DONE(text) struct text sent = { 0 };
    bool with_text = cli->values[OPTION_TEXT] != NULL;
    struct error err = { 0 };
    int64_t seq = 0;

    text_init(&kept, 0);
    text_init(&sent, 0);
    if (cli_load_config(cli, &err) < 0 || cli_open_reader(cli, &state, &err) < 0 || find_one(cli, state, &seq, &err) < 0 ||
        read_life(state, seq, &life, &err) < 0 || (with_text && state_get_text(state, seq, &kept, &err) < 0))
        return cli_fail(cli, &err);
    sink_append_text(sink_dialect_of(life.found.version.data), &sent, kept.data, kept.size);
    if (cli->json) {
        explain_in_json(cli, &life, with_text ? &sent : NULL);
        return 0;
    }
    explain_in_words(cli, &life);
    if (with_text)
        show_text(cli, &life, &sent);
    else if (life.found.row.text_size > 0)
        (void)text_append(&cli->out, "  --text shows the text that is sent (it is private)\n");
    return 0;
}
