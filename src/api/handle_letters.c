/* handle_letters.c - dead letters: what waits for a person, and what the person decides. Their raw bytes are shown by the command line only. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "base/time_text.h"
#include "engine/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept { struct dead_letter letter; char *words; };
struct letters { struct kept *items; size_t count, capacity; };

static bool keep(void *context, const struct dead_letter *letter)
{
    struct letters *letters = context;
    struct kept *kept;

    letters->items = mem_grow(letters->items, letters->count, &letters->capacity, sizeof *letters->items);
    kept = &letters->items[letters->count++];
    *kept = (struct kept){ .letter = *letter, .words = mem_copy_string(letter->words) };
    kept->letter.words = kept->words;
    kept->letter.raw = (struct slice){ NULL, 0 };
    return true;
}

static void letters_done(struct letters *letters)
{
    for (size_t i = 0; i < letters->count; i++)
        mem_free(letters->items[i].words);
    mem_free(letters->items);
}
AUTO_DEFINE_DONE(letters)

static int write_letter(struct state *state, struct json_writer *writer, const struct dead_letter *letter, const char *connector, struct error *err)
{
    struct stream_row stream;
    struct memory_row memory = { .id = { "", 0 } };
    int found = state_get_stream(state, letter->stream, &stream, err);

    if (found < 0 || (letter->seq != 0 && state_get_memory(state, letter->seq, &memory, err) < 0))
        return -1;
    json_write_open_object(writer, NULL);
    report_write_letter(writer, letter, connector, found > 0 ? stream.context : "", memory.id);
    json_write_close(writer);
    return 0;
}

static void set_class(const char *name, struct letter_filter *filter)
{
    enum dead_class dead_class;

    if (name != NULL && dead_class_from_name(name, &dead_class)) /* the table has checked it */
        filter->dead_class = (int)dead_class;
}

static void set_since(const char *words, struct letter_filter *filter)
{
    int64_t ms;

    if (words != NULL && time_text_parse(words, strlen(words), &ms))
        filter->since_ms = ms;
}

void handle_letters(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    const char *memory = api_parameter(request, "memory");
    size_t limit = api_limit(request);
    AUTO_DONE(letters) struct letters letters = { 0 };
    struct letter_filter filter = {
        .connector = id, .with_closed = api_parameter_flag(request, "closed"), .limit = limit + 1,
        .after_letter = request->cursor != NULL ? strtoll(request->cursor, NULL, 10) : 0,
    };
    struct state *state;
    struct error err = { 0 };
    char key[24] = "";
    int result;

    if (id == NULL || (state = api_state(request, answer)) == NULL)
        return;
    if (memory != NULL)
        filter.memory_id = (struct slice){ memory, strlen(memory) };
    set_class(api_parameter(request, "class"), &filter);
    set_since(api_parameter(request, "since"), &filter);
    (void)api_begin(answer, 200);
    json_write_open_array(&answer->writer, "dead_letters");
    result = state_each_letter(state, &filter, keep, &letters, &err);
    for (size_t i = 0; result == 0 && i < letters.count && i < limit; i++) {
        result = write_letter(state, &answer->writer, &letters.items[i].letter, id, &err);
        (void)snprintf(key, sizeof key, "%lld", (long long)letters.items[i].letter.letter);
    }
    if (result < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    json_write_close(&answer->writer);
    api_next_cursor(request, answer, letters.count > limit ? key : NULL, strlen(key));
    api_end(answer);
}

/* ---- What is decided ---- */

static void decide(struct api_request *request, struct api_answer *answer, enum order_kind kind, const char *member)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    const char *memory = api_body_text(request, "memory");
    bool all = api_body_flag(request, "all");
    struct order order = { .kind = kind, .connector = id, .letters = { .connector = id } };

    if (id == NULL)
        return;
    if (memory != NULL)
        order.letters.memory_id = (struct slice){ memory, strlen(memory) };
    set_class(api_body_text(request, "class"), &order.letters);
    set_since(api_body_text(request, "since"), &order.letters);
    if (all == (memory != NULL || order.letters.dead_class != 0 || order.letters.since_ms != 0)) {
        api_add_error(answer, "/all", "name what is meant by memory, class and since, or say \"all\": true; not both");
        api_problem(request, answer, PROBLEM_INVALID, "which dead letters are meant? {\"class\": \"processing_failed\"}, or {\"all\": true}");
        return;
    }
    if (!api_order(request, answer, &order))
        return;
    (void)api_begin(answer, 200);
    json_write_string(&answer->writer, "connector", id);
    json_write_integer(&answer->writer, member, order.ret_count);
    api_end(answer);
}

void handle_retry(struct api_request *request, struct api_answer *answer)
{
    decide(request, answer, ORDER_RETRY, "retried");
}

void handle_discard(struct api_request *request, struct api_answer *answer)
{
    decide(request, answer, ORDER_DISCARD, "discarded");
}
