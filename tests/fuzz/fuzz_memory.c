/* Splitter, decoder, revision and text: any bytes, in chunks of changing sizes, must give what one piece gives, and never a crash. What is
 * handed on must be what the headers promise: clean text, an id of 1 to 8,192 bytes, a name that leads back, a mark that is found. */
#include "base/mem.h"
#include "memory/identity.h"
#include "memory/sanitise.h"
#include "memory/splitter.h"
#include "transform/transform.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 3 }; /* the first bytes choose chunks and limits */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
    struct memory_decoder *decoder;
    struct text notes; /* everything that came out, in words */
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void note(struct text *notes, const void *bytes, size_t size)
{
    (void)text_append_format(notes, "%zu:", size);
    (void)text_append_bytes(notes, bytes, size);
}

static void must_be_clean(struct slice slice)
{
    struct slice trimmed = sanitise_trim(slice);

    must(slice.data != NULL || slice.size == 0);
    must(slice.size == 0 || sanitise_is_clean(slice.data, slice.size));
    must(trimmed.size == slice.size);
}

static void check_memory(const struct memory *memory)
{
    must(memory->id.size >= 1 && memory->id.size <= MEMORY_ID_MAXIMUM);
    must(memory->type.size > 0 && memory->tag_count <= MEMORY_TAGS_MAXIMUM);
    must_be_clean(memory->type);
    must_be_clean(memory->transcript);
    must_be_clean(memory->created_raw);
    must_be_clean(memory->updated_raw);
    must_be_clean(memory->description);
    must_be_clean(memory->collection);
    for (size_t i = 0; i < memory->tag_count; i++)
        must_be_clean(memory->tags[i]);
    if (memory->has_location)
        must(memory->latitude >= -90 && memory->latitude <= 90 && memory->longitude >= -180 && memory->longitude <= 180);
}

static void check_name(const char *name, struct slice id)
{
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text got = { 0 };

    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&got, 0);
    if (identity_parse_name(name, &source, &context, &got))
        must(got.size == id.size && memcmp(got.data, id.data, id.size) == 0);
    else
        must(strlen(name) >= strlen("memory~context~") + 113); /* shortened */
}

static void on_memory(struct sink *sink, const struct memory *memory)
{
    static const struct transform_settings settings = { .strategy = TRANSFORM_STANDARD, .extract_tags = true };
    AUTO_DONE(text) struct text name = { 0 };
    AUTO_DONE(text) struct text document = { 0 };
    char mark[REVISION_MARK_SIZE], found[REVISION_MARK_SIZE];
    uint8_t revision[SHA256_SIZE];

    text_init(&name, 0);
    text_init(&document, 0);
    check_memory(memory);
    memory_revision(memory, revision);
    identity_document_name(&name, "default", "context", memory->id);
    check_name(name.data, memory->id);
    transform_document(&settings, "context", memory, revision, &document);
    must_be_clean((struct slice){ document.data, document.size });
    identity_revision_mark(revision, mark);
    must(identity_find_mark(document.data, document.size < 250 ? document.size : 250, found) && strcmp(mark, found) == 0);
    note(&sink->notes, name.data, name.size);
    note(&sink->notes, document.data, document.size);
    note(&sink->notes, revision, sizeof revision);
}

static void on_element(void *context, const struct splitter_element *element)
{
    struct sink *sink = context;
    struct memory memory;
    struct error err = { 0 };

    (void)text_append_format(&sink->notes, "\n%llu@%llu+%llu%s", (unsigned long long)element->index, (unsigned long long)element->offset,
                             (unsigned long long)element->length, element->is_too_large ? "!" : "");
    note(&sink->notes, element->bytes, element->size);
    if (element->is_too_large)
        return;
    if (memory_decode(sink->decoder, element->bytes, element->size, &memory, &err) == 0)
        on_memory(sink, &memory);
    else
        (void)text_append(&sink->notes, err.message);
}

/* chunks: where the sizes of the pieces come from, again and again; size 0: in one piece. */
static void run(struct sink *sink, const uint8_t *data, size_t size, const uint8_t *head, const uint8_t *chunks, size_t chunk_count)
{
    const struct splitter_settings settings = {
        .element_maximum = 16 + (size_t)head[0] * 16, .sample = head[1] % 32, .depth_maximum = 64, .on_element = on_element, .context = sink,
    };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    const char *sample = NULL;
    size_t unfinished;
    enum splitter_end end;

    text_clear(&sink->notes);
    for (size_t at = 0, i = 0; at < size; i++) {
        size_t left = size - at;
        size_t step = chunk_count > 0 ? (size_t)chunks[i % chunk_count] % (1 + (size_t)head[2]) : left;
        char *piece;
        step = step < 1 ? 1 : step < left ? step : left;
        piece = mem_resize(NULL, step, 1); /* no byte more: a sanitizer sees a step over its end */
        memcpy(piece, data + at, step);
        splitter_push(splitter, piece, step);
        mem_free(piece);
        at += step;
    }
    must(splitter_position(splitter) == size);
    end = splitter_end(splitter);
    must(end != SPLITTER_OPEN);
    unfinished = splitter_unfinished(splitter, &sample);
    must(unfinished <= settings.sample);
    (void)text_append_format(&sink->notes, "\n%d at %llu, %llu", (int)end, (unsigned long long)splitter_broken_at(splitter),
                             (unsigned long long)splitter_count(splitter));
    note(&sink->notes, sample, unfinished);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sink whole, pieces;

    if (whole.decoder == NULL) {
        whole.decoder = memory_decoder_new();
        pieces.decoder = memory_decoder_new();
        text_init(&whole.notes, 0);
        text_init(&pieces.notes, 0);
    }
    if (size < HEAD)
        return 0;
    run(&whole, data + HEAD, size - HEAD, data, NULL, 0);
    run(&pieces, data + HEAD, size - HEAD, data, data, size);
    must(whole.notes.size == pieces.notes.size && memcmp(whole.notes.data, pieces.notes.data, whole.notes.size) == 0);
    return 0;
}
