#include "cli/doctor.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NARROW = 64 /* below that a detail begins on a line of its own */ };

/* ---- Findings ---- */

const char *doctor_result_name(enum doctor_result result)
{
    static const char *const names[DOCTOR_RESULTS] = { "ok", "warn", "fail", "skipped" };

    return names[result];
}

void doctor_done(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        mem_free(doctor->items[i].subject);
        mem_free(doctor->items[i].detail);
        mem_free(doctor->items[i].fix);
    }
    mem_free(doctor->items);
    *doctor = (struct doctor){ 0 };
}

size_t doctor_count(const struct doctor *doctor, enum doctor_result result)
{
    size_t count = 0;

    for (size_t i = 0; i < doctor->count; i++)
        count += doctor->items[i].result == result;
    return count;
}

struct doctor_finding *doctor_add(struct doctor *doctor, const char *group, const char *subject, const char *check)
{
    doctor->items = mem_grow(doctor->items, doctor->count, &doctor->capacity, sizeof *doctor->items);
    doctor->items[doctor->count] = (struct doctor_finding){ .group = group, .subject = mem_copy_string(subject), .check = check, .detail = mem_copy_string("") };
    return &doctor->items[doctor->count++];
}

MC_PRINTF(1, 0)
static char *format_words(const char *format, va_list args)
{
    char words[ERROR_MESSAGE_SIZE + 200];

    (void)vsnprintf(words, sizeof words, format, args);
    return mem_copy_string(words);
}

void doctor_say(struct doctor_finding *finding, enum doctor_result result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mem_free(finding->detail);
    finding->detail = format_words(format, args);
    va_end(args);
    finding->result = result;
}

void doctor_fail(struct doctor_finding *finding, enum error_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mem_free(finding->detail);
    finding->detail = format_words(format, args);
    va_end(args);
    finding->result = DOCTOR_FAIL;
    finding->kind = kind;
}

void doctor_fix(struct doctor_finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mem_free(finding->fix);
    finding->fix = format_words(format, args);
    va_end(args);
}

unsigned doctor_run(struct doctor *doctor, const char *group, const char *subject, const struct doctor_check *checks, size_t count, const void *facts)
{
    unsigned bad = 0;

    for (size_t i = 0; i < count; i++) {
        struct doctor_finding *finding;
        size_t first = 0;
        if (checks[i].applies != NULL && !checks[i].applies(facts))
            continue;
        finding = doctor_add(doctor, group, subject, checks[i].name);
        while (first < i && (checks[i].needs & bad & DOCTOR_NEEDS(first)) == 0)
            first++;
        if (first < i)
            doctor_say(finding, DOCTOR_SKIPPED, "not looked at: \"%s\" must be well first", checks[first].name);
        else
            checks[i].judge(facts, finding);
        if (finding->result == DOCTOR_FAIL || finding->result == DOCTOR_SKIPPED)
            bad |= DOCTOR_NEEDS(i);
    }
    return bad;
}

/* ---- For people ---- */

static bool is_same_heading(const struct doctor_finding *a, const struct doctor_finding *b)
{
    return strcmp(a->group, b->group) == 0 && strcmp(a->subject != NULL ? a->subject : "", b->subject != NULL ? b->subject : "") == 0;
}

static void append_heading(struct text *out, const struct doctor_finding *finding)
{
    (void)text_append(out, finding->group);
    if (finding->subject != NULL) {
        (void)text_append_char(out, ' ');
        table_append_harmless(out, finding->subject, strlen(finding->subject));
    }
    (void)text_append_char(out, '\n');
}

/* Words behind what stands on the line already (used columns), further lines indented by as much. */
static void append_behind(struct text *out, const char *words, size_t used, size_t width)
{
    AUTO_DONE(text) struct text lines = { 0 };
    AUTO_DONE(text) struct text clean = { 0 };

    text_init(&lines, 0);
    text_init(&clean, 0);
    table_append_harmless(&clean, words, strlen(words));
    table_append_wrapped(&lines, clean.data, used, width);
    (void)text_append(out, lines.size > used ? lines.data + used : "\n");
}

/* On a terminal a fix has lines of its own, in a pipe everything of a check stands on one. */
static void append_finding(struct cli *cli, const struct doctor_finding *finding, size_t width)
{
    static const enum tone tones[DOCTOR_RESULTS] = { TONE_GOOD, TONE_WAIT, TONE_BAD, TONE_FAINT };
    static const char *const words[DOCTOR_RESULTS] = { "ok", "warn", "fail", "-" };
    enum tone tone = cli->paints ? tones[finding->result] : TONE_PLAIN;
    struct text *out = &cli->out;
    bool is_narrow = width > 0 && width < NARROW;
    size_t indent = is_narrow ? 4 : 21;

    (void)text_append_format(out, "  %s%-4s%s  ", tone_begin(tone), words[finding->result], tone_end(tone));
    if (is_narrow)
        (void)text_append_format(out, "%s\n%*s", finding->check, (int)indent, "");
    else
        (void)text_append_format(out, "%-11s  ", finding->check);
    if (width == 0 && finding->fix != NULL) {
        AUTO_STRING char *both = mem_format("%s; fix: %s", finding->detail, finding->fix);
        append_behind(out, both, indent, 0);
        return;
    }
    append_behind(out, finding->detail, indent, width);
    if (finding->fix != NULL) {
        (void)text_append_format(out, "%*sfix: ", (int)indent, "");
        append_behind(out, finding->fix, indent + strlen("fix: "), width);
    }
}

void doctor_print(struct cli *cli, const struct doctor *doctor, size_t first)
{
    size_t width = table_terminal_width(STDOUT_FILENO);
    const struct doctor_finding *last = NULL;

    for (size_t i = first; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->items[i];
        if (cli->quiet && finding->result != DOCTOR_WARN && finding->result != DOCTOR_FAIL)
            continue;
        if (last == NULL || !is_same_heading(last, finding))
            append_heading(&cli->out, finding);
        append_finding(cli, finding, width);
        last = finding;
    }
}

void doctor_print_counts(struct cli *cli, const struct doctor *doctor)
{
    size_t warnings = doctor_count(doctor, DOCTOR_WARN);
    size_t failed = doctor_count(doctor, DOCTOR_FAIL);
    size_t skipped = doctor_count(doctor, DOCTOR_SKIPPED);
    enum tone tone = !cli->paints ? TONE_PLAIN : failed > 0 ? TONE_BAD : warnings > 0 ? TONE_WAIT : TONE_GOOD;

    if (cli->quiet)
        return;
    (void)text_append_format(&cli->out, "%s%zu ok, %zu warning%s, %zu failed%s", tone_begin(tone), doctor_count(doctor, DOCTOR_OK), warnings,
                             warnings == 1 ? "" : "s", failed, tone_end(tone));
    if (skipped > 0)
        (void)text_append_format(&cli->out, ", %zu not looked at", skipped);
    (void)text_append_char(&cli->out, '\n');
}

/* ---- For programs ---- */

static void write_text(struct json_writer *writer, const char *key, const char *text)
{
    if (text != NULL)
        json_write_bytes(writer, key, text, strlen(text));
    else
        json_write_null(writer, key);
}

void doctor_write(struct json_writer *writer, const struct doctor *doctor)
{
    json_write_open_array(writer, "checks");
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->items[i];
        json_write_open_object(writer, NULL);
        json_write_string(writer, "group", finding->group);
        write_text(writer, "subject", finding->subject);
        json_write_string(writer, "check", finding->check);
        json_write_string(writer, "result", doctor_result_name(finding->result));
        write_text(writer, "detail", finding->detail);
        write_text(writer, "fix", finding->fix);
        json_write_close(writer);
    }
    json_write_close(writer);
    for (int result = 0; result < DOCTOR_RESULTS; result++)
        json_write_integer(writer, doctor_result_name((enum doctor_result)result), (int64_t)doctor_count(doctor, (enum doctor_result)result));
}
