/* Splitter and decoder: any bytes, in chunks that the first byte chooses, must give the same elements as in one piece, and never a crash. */
#include "base/mem.h"
#include "memory/identity.h"
#include "memory/memory.h"
#include "memory/splitter.h"
#include "transform/transform.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink { struct memory_decoder *decoder; uint64_t sum, count; };

static void on_element(void *context, const struct splitter_element *element)
{
    struct sink *sink = context;
    struct memory memory;
    struct error err = { 0 };
    struct transform_settings settings = { .extract_tags = true };
    uint8_t revision[SHA256_SIZE];
    AUTO_DONE(text) struct text out = { 0 };

    sink->count++;
    sink->sum = sink->sum * 31 + element->offset * 7 + element->length + (element->is_too_large ? 1 : 0);
    if (element->is_too_large || memory_decode(sink->decoder, element->bytes, element->size, &memory, &err) < 0)
        return;
    text_init(&out, 0);
    memory_revision(&memory, revision);
    transform_document(&settings, "context", &memory, revision, &out);
    sink->sum = sink->sum * 31 + out.size + revision[0];
    if (strlen(out.data) != out.size)
        abort(); /* a NUL would be cut by everybody behind us */
}

static struct sink run(struct memory_decoder *decoder, const uint8_t *data, size_t size, size_t chunk, enum splitter_end *ret_end)
{
    struct sink sink = { .decoder = decoder };
    struct splitter_settings settings = { .element_maximum = 4096, .sample = 16, .depth_maximum = 64, .on_element = on_element, .context = &sink };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);

    for (size_t at = 0; at < size; at += chunk) {
        size_t step = size - at < chunk ? size - at : chunk;
        char *piece = mem_copy_bytes(data + at, step);
        splitter_push(splitter, piece, step);
        mem_free(piece);
    }
    *ret_end = splitter_end(splitter);
    return sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_decoder *decoder;
    enum splitter_end whole_end, end;
    struct sink whole, pieces;

    if (decoder == NULL)
        decoder = memory_decoder_new();
    if (size == 0)
        return 0;
    whole = run(decoder, data + 1, size - 1, size, &whole_end);
    pieces = run(decoder, data + 1, size - 1, (size_t)data[0] % 37 + 1, &end);
    if (whole.sum != pieces.sum || whole.count != pieces.count || whole_end != end)
        abort();
    return 0;
}
