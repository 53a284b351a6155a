/* command_report.c - everything about one run: what it asked for, what it counted, and what it left for people. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "engine/findings.h"
#include "engine/report.h"
#include "engine/status.h"

#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

static void append_findings(struct text *out, const struct findings *findings)
{
    for (size_t i = 0; i < findings->gap_count; i++) {
        const struct found_gap *gap = &findings->gaps[i];
        (void)text_append_format(out, "  %s ", gap->is_open ? "open gap  " : "closed gap");
        table_append_harmless(out, gap->words, strlen(gap->words));
        (void)text_append_char(out, '\n');
    }
    for (int i = 1; i < DEAD_CLASSES; i++) {
        const struct found_class *found = &findings->classes[i];
        if (found->count == 0)
            continue;
        (void)text_append_format(out, "  %lld %s", (long long)found->count, dead_class_name((enum dead_class)i));
        if (found->example != NULL) {
            (void)text_append(out, found->count > 1 ? ", such as " : ": ");
            table_append_harmless(out, found->example, found->example_size);
        }
        (void)text_append_format(out, "\n    %s\n", dead_class_advice((enum dead_class)i));
    }
}

static void report_words(struct cli *cli, const struct run_row *row, const struct findings *findings)
{
    struct text *out = &cli->out;
    enum tone tone = cli->paints ? progress_tone(row->result) : TONE_PLAIN;
    char started[TIME_TEXT_SIZE];
    char took[TIME_TEXT_SIZE];
    const struct { const char *name; int64_t value; } counts[] = {
        { "fetched", row->counts.fetched }, { "new", row->counts.new_ }, { "changed", row->counts.changed }, { "unchanged", row->counts.unchanged },
        { "skipped", row->counts.skipped }, { "filtered", row->counts.filtered }, { "repeated", row->counts.duplicates }, { "malformed", row->counts.malformed }, { "sent", row->counts.sent },
        { "stored", row->counts.stored }, { "processed", row->counts.processed }, { "retried", row->counts.retried }, { "failed", row->counts.failed },
        { "replaced", row->counts.replaced }, { "removed", row->counts.removed },
        { "requests", row->counts.requests }, { "bytes", row->counts.bytes },
    };

    time_text_rfc3339(row->started_ms / 1000 * 1000, started);
    time_text_duration(row->finished_ms - row->started_ms, took);
    (void)text_append_format(out, "run %lld of %s, by %s\n  started    %s\n  result     %s%s%s%s%s\n", (long long)row->run, row->connector, row->trigger, started,
                             tone_begin(tone), run_result_name(row->result), tone_end(tone), row->finished_ms > 0 ? " after " : "", row->finished_ms > 0 ? took : "");
    if (row->error[0] != '\0') {
        (void)text_append(out, "  error      ");
        table_append_harmless(out, row->error, strlen(row->error));
        (void)text_append_char(out, '\n');
    }
    (void)text_append_format(out, "  asked for  %s, at most %lld\n  coverage   %s\n", row->range, (long long)row->limit,
                             row->coverage[0] != '\0' ? row->coverage : "-");
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        (void)text_append_format(out, "  %-10s %lld\n", counts[i].name, (long long)counts[i].value);
    append_findings(out, findings);
}

int command_report(struct cli *cli)
{
    static const struct field number = { .name = "run", .type = FIELD_INTEGER, .min = 1, .max = 1e15 };
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(findings) struct findings findings = { 0 };
    AUTO_DONE(kept_run) struct kept_run kept = { 0 };
    struct json_writer writer;
    struct error err = { 0 };
    struct run_row row;
    int64_t run = 0;
    int found = 0;

    if (field_set(&number, &run, cli->words[0], &err) < 0) {
        (void)error_set(&err, ERROR_USAGE, "\"%.40s\" is no run: a number, as \"memory-connector history\" shows it", cli->words[0]);
        return cli_fail(cli, &err);
    }
    if (cli_load_config(cli, &err) < 0 || cli_open_reader(cli, &state, &err) < 0)
        return cli_fail(cli, &err);
    if (state != NULL)
        found = state_get_run(state, run, &row, &err);
    if (found == 0)
        (void)error_set(&err, ERROR_FAILED, "there is no run %lld; \"memory-connector history\" shows them", (long long)run);
    if (found <= 0)
        return cli_fail(cli, &err);
    kept_run_set(&kept, &row); /* its texts are the state's until it is asked for more */
    if (findings_read(state, &kept.row, &findings, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "report");
        report_write(&writer, &kept.row);
        findings_write(&writer, &findings);
        cli_end_json(cli, &writer);
    } else {
        report_words(cli, &kept.row, &findings);
    }
    return 0;
}
