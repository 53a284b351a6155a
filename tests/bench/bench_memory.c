/* bench_memory.c - what a memory costs between the network and the state: bench_memory [MEMORIES [BYTES]].
 *
 * A listing of memories with transcripts of so many bytes (900), pushed in chunks of 16 KiB as they come from the HTTP client. Each stage includes
 * the ones before it. CPU time of this process, the best of five runs. Then the splitter and the sanitising alone on texts of other kinds. */
#include "base/json_write.h"
#include "base/mem.h"
#include "memory/identity.h"
#include "memory/sanitise.h"
#include "memory/splitter.h"
#include "transform/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 16 << 10, RUNS = 5 };

enum stage { STAGE_SPLIT, STAGE_DECODE, STAGE_REVISION, STAGE_NAME, STAGE_TEXT, STAGES };

static const char *const stage_names[STAGES] = { "cut", "+ decode", "+ revision", "+ document name", "+ text" };

struct bench {
    enum stage stage;
    struct memory_decoder *decoder;
    struct text name, text;
    uint64_t count, bad, sum; /* the sum keeps the compiler from dropping work */
};

static double cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void on_element(void *context, const struct splitter_element *element)
{
    static const struct transform_settings settings = { .strategy = TRANSFORM_STANDARD, .extract_tags = true };
    struct bench *bench = context;
    struct memory memory;
    uint8_t revision[SHA256_SIZE] = { 0 };

    bench->count++;
    bench->sum += element->size;
    if (bench->stage < STAGE_DECODE)
        return;
    if (memory_decode(bench->decoder, element->bytes, element->size, &memory, NULL) < 0) {
        bench->bad++;
        return;
    }
    bench->sum += memory.transcript.size;
    if (bench->stage >= STAGE_REVISION)
        memory_revision(&memory, revision);
    bench->sum += revision[0];
    text_clear(&bench->name);
    if (bench->stage >= STAGE_NAME)
        identity_document_name(&bench->name, "default", "107677460544181387647", memory.id);
    text_clear(&bench->text);
    if (bench->stage >= STAGE_TEXT)
        transform_document(&settings, "107677460544181387647", &memory, revision, &bench->text);
    bench->sum += bench->name.size + bench->text.size;
}

static double run_once(struct bench *bench, const struct text *listing)
{
    const struct splitter_settings settings = {
        .element_maximum = 8 << 20, .sample = 1024, .depth_maximum = 64, .on_element = on_element, .context = bench,
    };
    AUTO(splitter) struct splitter *splitter = splitter_new(&settings);
    double start = cpu_ns();

    bench->count = 0;
    for (size_t at = 0; at < listing->size; at += CHUNK)
        splitter_push(splitter, listing->data + at, listing->size - at < CHUNK ? listing->size - at : CHUNK);
    if (splitter_end(splitter) != SPLITTER_COMPLETE || bench->bad > 0) {
        (void)fprintf(stderr, "bench_memory: the listing broke at byte %llu\n", (unsigned long long)splitter_broken_at(splitter));
        exit(1);
    }
    return cpu_ns() - start;
}

static void run_stage(struct bench *bench, const struct text *listing, const char *what)
{
    double best = 0;

    for (int i = 0; i < RUNS; i++) {
        double ns = run_once(bench, listing);
        if (best == 0 || ns < best)
            best = ns;
    }
    (void)printf("  %-28s %7.2f us per memory  %6.2f ns per byte\n", what, best / 1e3 / (double)bench->count, best / (double)listing->size);
}

/* The words of a transcript, again and again, to so many bytes. */
static void fill(struct text *text, const char *words, size_t size)
{
    text_clear(text);
    while (text->size < size)
        (void)text_append(text, words);
}

static void write_memory(struct json_writer *writer, int64_t number, const struct text *transcript)
{
    char id[64];

    (void)snprintf(id, sizeof id, "107677460544181387647___m%08lld", (long long)number);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "id", id);
    json_write_string(writer, "type", "record");
    json_write_bool(writer, "audio", true);
    json_write_bool(writer, "image", false);
    json_write_bytes(writer, "transcript", transcript->data, transcript->size);
    json_write_number(writer, "location_lat", 53.5459 + (double)(number % 1000) / 1e4);
    json_write_number(writer, "location_lon", 9.9663);
    json_write_string(writer, "created_at", "2025-12-18T14:30:00Z");
    json_write_string(writer, "updated_at", "2025-12-18T14:31:07.250Z");
    json_write_string(writer, "context_id", "107677460544181387647");
    json_write_string(writer, "transcript_status", "completed");
    json_write_close(writer);
}

static void write_listing(struct text *out, int64_t count, const struct text *transcript)
{
    struct json_writer writer;

    text_clear(out);
    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_open_array(&writer, "memories");
    for (int64_t i = 0; i < count; i++)
        write_memory(&writer, i, transcript);
    json_write_close(&writer);
    json_write_integer(&writer, "count", count);
    json_write_close(&writer);
}

static void run_kind(struct bench *bench, const char *kind, const char *words, int64_t count, size_t size)
{
    AUTO_DONE(text) struct text transcript = { 0 };
    AUTO_DONE(text) struct text listing = { 0 };
    AUTO_DONE(text) struct text clean = { 0 };
    double best = 0;

    text_init(&transcript, 0);
    text_init(&listing, 0);
    text_init(&clean, 0);
    fill(&transcript, words, size);
    write_listing(&listing, count, &transcript);
    (void)printf("%s: %lld memories, transcripts of %zu bytes, %.1f MB\n", kind, (long long)count, transcript.size, (double)listing.size / 1e6);
    for (int stage = 0; stage < STAGES; stage++) {
        bench->stage = (enum stage)stage;
        run_stage(bench, &listing, stage_names[stage]);
    }
    for (int i = 0; i < RUNS; i++) {
        double start = cpu_ns();
        for (int64_t j = 0; j < count; j++) {
            text_clear(&clean);
            sanitise_append(&clean, transcript.data, transcript.size);
        }
        start = cpu_ns() - start;
        if (best == 0 || start < best)
            best = start;
    }
    (void)printf("  %-28s %7.2f us per memory  %6.2f ns per byte\n", "(sanitising alone)", best / 1e3 / (double)count,
                 best / (double)count / (double)transcript.size);
}

int main(int count_args, char **args)
{
    static const struct { const char *kind, *words; } kinds[] = {
        { "English", "We met Ana at the harbour and talked about the boats, the weather and the old lighthouse on the island #boats. " },
        { "with line ends", "Met Ana.\nTalked about \"boats\".\n- rope\n- paint\n\tand tar\n" },
        { "Greek", "\u03A3\u03C5\u03BD\u03AC\u03BD\u03C4\u03B7\u03C3\u03B1 \u03C4\u03B7\u03BD \u0386\u03BD\u03BD\u03B1 \u03C3\u03C4\u03BF "
                   "\u03BB\u03B9\u03BC\u03AC\u03BD\u03B9 #\u03B2\u03AC\u03C1\u03BA\u03B5\u03C2. " },
        { "Japanese", "\u6E2F\u3067\u30A2\u30CA\u306B\u4F1A\u3044\u307E\u3057\u305F\u3002\u8239\u306E\u8A71\u3092\u3057\u307E\u3057\u305F\u3002" },
        { "CR LF and control", "Met Ana.\r\nTalked about boats.\x01\r\n" },
    };
    int64_t count = count_args > 1 ? atoll(args[1]) : 20000;
    size_t size = count_args > 2 ? (size_t)atoll(args[2]) : 900;
    AUTO(memory_decoder) struct memory_decoder *decoder = memory_decoder_new();
    struct bench bench = { .decoder = decoder };

    text_init(&bench.name, 0);
    text_init(&bench.text, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        run_kind(&bench, kinds[i].kind, kinds[i].words, count, size);
    (void)printf("(%llx)\n", (unsigned long long)bench.sum);
    text_done(&bench.name);
    text_done(&bench.text);
    return 0;
}
