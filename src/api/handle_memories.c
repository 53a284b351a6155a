/* handle_memories.c - the memories of a connector, and one of them. No text: what people said is not for whoever may look at the service. */
#include "api/api_internal.h"

#include "base/mem.h"
#include "engine/report.h"
#include "memory/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT_MAXIMUM = 100000 }; /* rows in one request: then the page ends, with a cursor */

/* ---- The streams of a connector ---- */

struct stream { int64_t stream; char *source, *context; };
struct streams { const char *connector; struct stream *items; size_t count, capacity; };

static bool keep_stream(void *context, const struct stream_row *row)
{
    struct streams *streams = context;

    if (strcmp(row->connector, streams->connector) != 0)
        return true;
    streams->items = mem_grow(streams->items, streams->count, &streams->capacity, sizeof *streams->items);
    streams->items[streams->count++] = (struct stream){ row->stream, mem_copy_string(row->source), mem_copy_string(row->context) };
    return true;
}

static void streams_done(struct streams *streams)
{
    for (size_t i = 0; i < streams->count; i++) {
        mem_free(streams->items[i].source);
        mem_free(streams->items[i].context);
    }
    mem_free(streams->items);
}
AUTO_DEFINE_DONE(streams)

static const struct stream *find_stream(const struct streams *streams, int64_t number)
{
    for (size_t i = 0; i < streams->count; i++)
        if (streams->items[i].stream == number)
            return &streams->items[i];
    return NULL;
}

/* ---- A row ---- */

static void write_memory(struct json_writer *writer, const struct memory_row *row, const struct stream *stream)
{
    AUTO_DONE(text) struct text name = { 0 };
    char revision[REVISION_MARK_SIZE];

    text_init(&name, 0);
    if (row->name.size > 0)
        (void)text_append_bytes(&name, row->name.data, row->name.size);
    else
        identity_document_name(&name, stream->source, stream->context, row->id);
    identity_revision_mark(row->revision, revision);
    json_write_bytes(writer, "memory", row->id.data, row->id.size);
    json_write_bytes(writer, "context", stream->context, strlen(stream->context));
    json_write_string(writer, "status", memory_state_name(row->state));
    json_write_bytes(writer, "document", name.data, name.size);
    json_write_string(writer, "revision", row->state != MEMORY_TRUSTED ? revision : NULL);
    json_write_time(writer, "arrived", row->arrived_ms);
    json_write_time(writer, "not_before", row->not_before_ms > 0 ? row->not_before_ms : -1);
    json_write_integer(writer, "attempts", row->attempts);
    json_write_integer(writer, "text_bytes", row->text_size);
}

/* ---- The list ---- */

struct listing {
    struct api_answer *answer;
    const struct streams *streams;
    const char *status, *q;        /* NULL: all */
    const char *context;
    size_t looked_at, count, limit;
    int64_t last;
    bool is_more;
};

static bool contains(struct slice id, const char *q)
{
    return memmem(id.data, id.size, q, strlen(q)) != NULL;
}

static bool show_memory(void *context, const struct memory_row *row)
{
    struct listing *listing = context;
    const struct stream *stream;

    listing->is_more = listing->count == listing->limit || listing->looked_at == LOOKED_AT_MAXIMUM;
    if (listing->is_more)
        return false;
    listing->looked_at++;
    listing->last = row->seq;
    if (listing->status != NULL && strcmp(listing->status, memory_state_name(row->state)) != 0)
        return true;
    if (listing->q != NULL && !contains(row->id, listing->q))
        return true;
    stream = find_stream(listing->streams, row->stream);
    if (stream == NULL || (listing->context != NULL && strcmp(listing->context, stream->context) != 0))
        return true;
    json_write_open_object(&listing->answer->writer, NULL);
    write_memory(&listing->answer->writer, row, stream);
    json_write_close(&listing->answer->writer);
    listing->count++;
    return true;
}

void handle_memories(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    AUTO_DONE(streams) struct streams streams = { .connector = id };
    struct listing listing = {
        .answer = answer, .streams = &streams, .status = api_parameter(request, "status"), .q = api_parameter(request, "q"),
        .context = api_parameter(request, "context"), .limit = api_limit(request),
    };
    int64_t after = request->cursor != NULL ? strtoll(request->cursor, NULL, 10) : 0;
    struct state *state;
    struct error err = { 0 };
    char key[24];

    if (id == NULL || (state = api_state(request, answer)) == NULL)
        return;
    (void)api_begin(answer, 200);
    json_write_open_array(&answer->writer, "memories");
    if (state_each_stream(state, keep_stream, &streams, &err) < 0 ||
        (streams.count > 0 && state_each_memory(state, streams.count == 1 ? streams.items[0].stream : 0, after, show_memory, &listing, &err) < 0)) {
        api_state_failed(request, answer, &err);
        return;
    }
    json_write_close(&answer->writer);
    (void)snprintf(key, sizeof key, "%lld", (long long)listing.last);
    api_next_cursor(request, answer, listing.is_more ? key : NULL, strlen(key));
    api_end(answer);
}

/* ---- One ---- */

static bool show_letter(void *context, const struct dead_letter *letter)
{
    struct json_writer *writer = context;

    json_write_open_object(writer, NULL);
    json_write_integer(writer, "letter", letter->letter);
    json_write_string(writer, "class", dead_class_name(letter->dead_class));
    json_write_bytes(writer, "words", letter->words, strlen(letter->words));
    json_write_time(writer, "last", letter->last_ms);
    json_write_string(writer, "advice", dead_class_advice(letter->dead_class));
    json_write_close(writer);
    return true;
}

static int write_batch(struct state *state, struct json_writer *writer, int64_t number, struct error *err)
{
    struct batch_row batch;
    int found = number > 0 ? state_get_batch(state, number, &batch, err) : 0;

    if (found < 0)
        return -1;
    if (found == 0) {
        json_write_null(writer, "batch");
        return 0;
    }
    json_write_open_object(writer, "batch");
    json_write_integer(writer, "batch", batch.batch);
    json_write_string(writer, "state", batch_state_name(batch.state));
    json_write_string(writer, "track_id", batch.track[0] != '\0' ? batch.track : NULL);
    json_write_time(writer, "sent", batch.last_sent_ms > 0 ? batch.last_sent_ms : -1);
    json_write_close(writer);
    return 0;
}

static int write_one(struct state *state, struct json_writer *writer, const char *connector, const struct stream *stream, struct slice id, struct error *err)
{
    const struct letter_filter filter = { .connector = connector, .memory_id = id };
    struct memory_row row;
    int64_t number;
    int found = state_find_memory(state, stream->stream, id, &row, err);

    if (found <= 0)
        return -1; /* it was there a moment ago */
    number = row.batch;
    write_memory(writer, &row, stream);
    if (write_batch(state, writer, number, err) < 0)
        return -1;
    json_write_open_array(writer, "dead_letters");
    if (state_each_letter(state, &filter, show_letter, writer, err) < 0)
        return -1;
    json_write_close(writer);
    return 0;
}

/* The stream that has it; NULL: none, or (ret_count > 1) several. */
static const struct stream *find_holder(struct state *state, const struct streams *streams, const char *context, struct slice id, int *ret_count, struct error *err)
{
    const struct stream *holder = NULL;
    struct memory_row row;

    *ret_count = 0;
    for (size_t i = 0; i < streams->count; i++) {
        int found;
        if (context != NULL && strcmp(context, streams->items[i].context) != 0)
            continue;
        found = state_find_memory(state, streams->items[i].stream, id, &row, err);
        if (found < 0) {
            *ret_count = -1;
            return NULL;
        }
        if (found == 0)
            continue;
        holder = &streams->items[i];
        ++*ret_count;
    }
    return *ret_count == 1 ? holder : NULL;
}

void handle_memory(struct api_request *request, struct api_answer *answer)
{
    struct connector_board board;
    const char *id = api_find_connector(request, answer, &board);
    AUTO_DONE(streams) struct streams streams = { .connector = id };
    struct slice memory = api_part(request, "memory");
    const struct stream *holder;
    struct state *state;
    struct error err = { 0 };
    int count = 0;

    if (id == NULL || (state = api_state(request, answer)) == NULL)
        return;
    if (state_each_stream(state, keep_stream, &streams, &err) < 0) {
        api_state_failed(request, answer, &err);
        return;
    }
    holder = find_holder(state, &streams, api_parameter(request, "context"), memory, &count, &err);
    if (count < 0) {
        api_state_failed(request, answer, &err);
    } else if (count > 1) {
        api_add_parameter_error(answer, "context", "is needed: several contexts of this connector have a memory of that id");
        api_problem(request, answer, PROBLEM_INVALID, "say which context is meant: ?context=...");
    } else if (holder == NULL) {
        api_problem(request, answer, PROBLEM_UNKNOWN_MEMORY, "connector %s has no memory of that id", id);
    } else if (write_one(state, api_begin(answer, 200), id, holder, memory, &err) < 0) {
        api_state_failed(request, answer, &err);
    } else {
        api_end(answer);
    }
}
