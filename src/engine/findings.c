#include "engine/findings.h"

#include "base/mem.h"

#include <string.h>

static void keep_gap(struct findings *findings, const struct dead_letter *letter)
{
    if (findings->gap_count == FINDINGS_GAPS)
        return;
    findings->gaps[findings->gap_count++] = (struct found_gap){
        .letter = letter->letter, .since_ms = letter->first_ms, .stream = letter->stream, .is_open = letter->end == DEAD_OPEN,
        .words = mem_copy_string(letter->words),
    };
}

struct reading {
    struct findings *findings;
    int64_t run;
};

static bool keep(void *context, const struct dead_letter *letter)
{
    const struct reading *reading = context;
    struct findings *findings = reading->findings;
    struct found_class *found = &findings->classes[letter->dead_class];

    if (letter->dead_class == DEAD_SOURCE_GAP) {
        keep_gap(findings, letter);
        return true;
    }
    if (letter->end != DEAD_OPEN && letter->run < reading->run && dead_letter_is_element(letter))
        return true; /* met here again after it was decided: no failure of this run */
    found->count++;
    if (found->example_seq == 0)
        found->example_seq = letter->seq;
    return true;
}

static int name_gaps(struct state *state, struct findings *findings, struct error *err)
{
    for (size_t i = 0; i < findings->gap_count; i++) {
        struct stream_row stream;
        int found = state_get_stream(state, findings->gaps[i].stream, &stream, err);
        if (found < 0)
            return -1;
        if (found > 0)
            findings->gaps[i].context = mem_copy_string(stream.context);
    }
    return 0;
}

static int name_examples(struct state *state, struct findings *findings, struct error *err)
{
    for (int i = 1; i < DEAD_CLASSES; i++) {
        struct found_class *found = &findings->classes[i];
        struct memory_row memory;
        int is_there = found->example_seq == 0 ? 0 : state_get_memory(state, found->example_seq, &memory, err);
        if (is_there < 0)
            return -1;
        if (is_there == 0)
            continue;
        found->example = mem_copy_bytes(memory.id.data, memory.id.size);
        found->example_size = memory.id.size;
    }
    return 0;
}

int findings_read(struct state *state, const struct run_row *run, struct findings *ret_findings, struct error *err)
{
    const struct letter_filter filter = { .connector = run->connector, .run = run, .with_closed = true };
    struct reading reading = { ret_findings, run->run };

    *ret_findings = (struct findings){ 0 };
    if (state_each_letter(state, &filter, keep, &reading, err) == 0 && name_gaps(state, ret_findings, err) == 0 &&
        name_examples(state, ret_findings, err) == 0)
        return 0;
    findings_done(ret_findings);
    return -1;
}

void findings_done(struct findings *findings)
{
    for (int i = 0; i < DEAD_CLASSES; i++)
        mem_free(findings->classes[i].example);
    for (size_t i = 0; i < findings->gap_count; i++) {
        mem_free(findings->gaps[i].context);
        mem_free(findings->gaps[i].words);
    }
    *findings = (struct findings){ 0 };
}

/* ---- Writing ---- */

static void write_gap(struct json_writer *writer, const struct found_gap *gap)
{
    json_write_open_object(writer, NULL);
    json_write_integer(writer, "letter", gap->letter);
    json_write_string(writer, "context", gap->context);
    json_write_time(writer, "since", gap->since_ms);
    json_write_bool(writer, "open", gap->is_open);
    json_write_bytes(writer, "words", gap->words, strlen(gap->words));
    json_write_close(writer);
}

static void write_class(struct json_writer *writer, enum dead_class dead_class, const struct found_class *found)
{
    json_write_open_object(writer, NULL);
    json_write_string(writer, "class", dead_class_name(dead_class));
    json_write_integer(writer, "count", found->count);
    if (found->example != NULL)
        json_write_bytes(writer, "example_memory", found->example, found->example_size);
    else
        json_write_null(writer, "example_memory");
    json_write_string(writer, "advice", dead_class_advice(dead_class));
    json_write_close(writer);
}

void findings_write(struct json_writer *writer, const struct findings *findings)
{
    json_write_open_array(writer, "gaps");
    for (size_t i = 0; i < findings->gap_count; i++)
        write_gap(writer, &findings->gaps[i]);
    json_write_close(writer);
    json_write_open_array(writer, "errors");
    for (int i = 1; i < DEAD_CLASSES; i++)
        if (findings->classes[i].count > 0)
            write_class(writer, (enum dead_class)i, &findings->classes[i]);
    json_write_close(writer);
}
