/* command_letters.c - dead letters: what waits for a person, and what the person decides. */
#include "cli/client.h"
#include "cli/letter_line.h"
#include "cli/letters.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "engine/engine.h"
#include "engine/report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- By cause ---- */

struct group { int64_t count, first_ms, last_ms; };

static void group_letters(const struct letters *letters, struct group groups[DEAD_CLASSES])
{
    for (size_t i = 0; i < letters->count; i++) {
        const struct dead_letter *letter = &letters->items[i].letter;
        struct group *group = &groups[letter->dead_class];
        group->first_ms = group->count == 0 || letter->first_ms < group->first_ms ? letter->first_ms : group->first_ms;
        group->last_ms = letter->last_ms > group->last_ms ? letter->last_ms : group->last_ms;
        group->count++;
    }
}

static void print_groups(struct cli *cli, const struct letters *letters)
{
    struct group groups[DEAD_CLASSES] = { 0 };
    char first[TIME_TEXT_SIZE];

    group_letters(letters, groups);
    for (int i = 1; i < DEAD_CLASSES; i++) {
        if (groups[i].count == 0)
            continue;
        time_text_rfc3339(groups[i].first_ms / 1000 * 1000, first);
        (void)text_append_format(&cli->out, "%lld %s, the first at %s\n", (long long)groups[i].count, dead_class_name((enum dead_class)i), first);
        table_append_wrapped(&cli->out, dead_class_advice((enum dead_class)i), 2, table_terminal_width(STDOUT_FILENO));
    }
    (void)text_append_char(&cli->out, '\n');
}

static void write_groups(struct json_writer *writer, const struct letters *letters)
{
    struct group groups[DEAD_CLASSES] = { 0 };

    group_letters(letters, groups);
    json_write_open_array(writer, "groups");
    for (int i = 1; i < DEAD_CLASSES; i++) {
        if (groups[i].count == 0)
            continue;
        json_write_open_object(writer, NULL);
        json_write_string(writer, "class", dead_class_name((enum dead_class)i));
        json_write_integer(writer, "count", groups[i].count);
        json_write_time(writer, "first", groups[i].first_ms);
        json_write_time(writer, "last", groups[i].last_ms);
        json_write_string(writer, "advice", dead_class_advice((enum dead_class)i));
        json_write_close(writer);
    }
    json_write_close(writer);
}

static void print_list(struct cli *cli, const struct letters *letters)
{
    static const char *const heads[] = { ">LETTER", "CLASS", "CONNECTOR", "MEMORY", ">TIMES", "LAST", "WHAT HAPPENED" };
    AUTO_DONE(table) struct table table = { 0 };
    char when[TIME_TEXT_SIZE];

    table_init(&table, heads, ARRAY_LENGTH(heads));
    for (size_t i = 0; i < letters->count; i++) {
        const struct kept_letter *kept = &letters->items[i];
        time_text_rfc3339(kept->letter.last_ms / 1000 * 1000, when);
        table_add_format(&table, "%lld", (long long)kept->letter.letter);
        table_add_string(&table, dead_class_name(kept->letter.dead_class));
        table_add_string(&table, kept->connector);
        table_add(&table, kept->id_size > 0 ? kept->id : "-", kept->id_size > 0 ? kept->id_size : 1);
        table_add_format(&table, "%lld", (long long)kept->letter.times);
        table_add_string(&table, when);
        table_add_string(&table, kept->letter.words);
    }
    table_print(&table, table_terminal_width(STDOUT_FILENO), &cli->out);
    (void)text_append(&cli->out, "\"memory-connector dead-letters show LETTER\" tells more; retry and discard decide, export takes them out to be mended.\n"
                                "docs/dead-letters.md tells what each class means, and its remedy.\n");
}

int command_letters_list(struct cli *cli)
{
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(letters) struct letters letters = { 0 };
    struct letter_filter filter;
    struct json_writer writer;
    struct error err = { 0 };

    if (letters_make_filter(cli, &filter, &err) < 0 || cli_open_reader(cli, &state, &err) < 0 || letters_read(state, &filter, &letters, &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "dead-letters");
        write_groups(&writer, &letters);
        json_write_open_array(&writer, "dead_letters");
        for (size_t i = 0; i < letters.count; i++) {
            const struct kept_letter *kept = &letters.items[i];
            json_write_open_object(&writer, NULL);
            report_write_letter(&writer, &kept->letter, kept->connector, kept->context, (struct slice){ kept->id, kept->id_size });
            json_write_close(&writer);
        }
        json_write_close(&writer);
        cli_end_json(cli, &writer);
    } else if (letters.count == 0) {
        (void)text_append(&cli->out, "No dead letters.\n");
    } else {
        print_groups(cli, &letters);
        print_list(cli, &letters);
    }
    return 0;
}

/* ---- One ---- */

static void show_words(struct cli *cli, const struct dead_letter *letter, const struct kept_letter *kept)
{
    struct text *out = &cli->out;
    char first[TIME_TEXT_SIZE];
    char last[TIME_TEXT_SIZE];

    time_text_rfc3339(letter->first_ms / 1000 * 1000, first);
    time_text_rfc3339(letter->last_ms / 1000 * 1000, last);
    (void)text_append_format(out, "dead letter %lld: %s\n  state      %s\n  connector  %s, context %s\n", (long long)letter->letter, dead_class_name(letter->dead_class),
                             report_letter_state(letter), kept->connector, kept->context);
    if (kept->id_size > 0) {
        (void)text_append(out, "  memory     ");
        table_append_harmless(out, kept->id, kept->id_size);
        (void)text_append_char(out, '\n');
    }
    (void)text_append(out, "  what       ");
    table_append_harmless(out, letter->words, strlen(letter->words));
    (void)text_append_format(out, "\n  when       first %s, last %s, %lld time%s\n", first, last, (long long)letter->times, letter->times == 1 ? "" : "s");
    if (letter->attempts > 0)
        (void)text_append_format(out, "  attempts   %d\n", letter->attempts);
    if (letter->http_status > 0)
        (void)text_append_format(out, "  status     HTTP %d\n", letter->http_status);
    if (letter->position >= 0)
        (void)text_append_format(out, letter->dead_class == DEAD_SOURCE_GAP ? "  received   %lld bytes\n" : "  position   byte %lld of the listing\n",
                                 (long long)letter->position);
    if (letter->length >= 0)
        (void)text_append_format(out, letter->dead_class == DEAD_SOURCE_GAP ? "  announced  %lld bytes\n" : "  length     %lld bytes\n", (long long)letter->length);
    (void)text_append_format(out, "  advice     %s\n  more       docs/dead-letters.md#%s\n", dead_class_advice(letter->dead_class),
                             dead_class_name(letter->dead_class));
    if (letter->raw.size > 0 && cli->values[OPTION_SHOW_CONTENT] != NULL) {
        (void)text_append(out, "  content    ");
        table_append_harmless(out, letter->raw.data, letter->raw.size);
        (void)text_append_char(out, '\n');
    } else if (letter->raw.size > 0) {
        (void)text_append_format(out, "  content    %zu bytes are kept; --show-content shows them (they may be private)\n", letter->raw.size);
    }
}

int command_letters_show(struct cli *cli)
{
    static const struct field number = { .name = "letter", .type = FIELD_INTEGER, .min = 1, .max = 1e15 };
    AUTO(state) struct state *state = NULL;
    AUTO_DONE(letters) struct letters letters = { 0 };
    struct dead_letter letter;
    struct json_writer writer;
    struct error err = { 0 };
    int64_t wanted = 0;
    int found = 0;

    if (field_set(&number, &wanted, cli->words[0], &err) < 0) {
        (void)error_set(&err, ERROR_USAGE, "\"%.40s\" is no dead letter: a number, as \"memory-connector dead-letters list\" shows it", cli->words[0]);
        return cli_fail(cli, &err);
    }
    if (cli_load_config(cli, &err) < 0 || cli_open_reader(cli, &state, &err) < 0)
        return cli_fail(cli, &err);
    if (state != NULL)
        found = state_get_letter(state, wanted, &letter, &err);
    if (found == 0)
        (void)error_set(&err, ERROR_FAILED, "there is no dead letter %lld; \"memory-connector dead-letters list\" shows them", (long long)wanted);
    if (found <= 0)
        return cli_fail(cli, &err);
    (void)letters_keep(&letters, &letter);
    if (letters_name(state, &letters.items[0], &err) < 0)
        return cli_fail(cli, &err);
    if (cli->json) {
        cli_begin_json(cli, &writer, "dead-letter");
        letter_line_write(&writer, &letter, letters.items[0].connector, letters.items[0].context,
                          (struct slice){ letters.items[0].id, letters.items[0].id_size }, cli->values[OPTION_SHOW_CONTENT] != NULL);
        cli_end_json(cli, &writer);
    } else {
        show_words(cli, &letter, &letters.items[0]);
    }
    return 0;
}

/* ---- Deciding ---- */

static void say_count(struct cli *cli, bool is_retry, int64_t count, const char *what)
{
    struct json_writer writer;

    if (cli->json) {
        cli_begin_json(cli, &writer, is_retry ? "dead-letters-retry" : "dead-letters-discard");
        json_write_integer(&writer, "count", count);
        cli_end_json(cli, &writer);
    } else if (count == 0) {
        (void)text_append(&cli->out, "No open dead letters of that kind.\n");
    } else {
        (void)text_append_format(&cli->out, "%lld %s.\n", (long long)count, is_retry ? what : "discarded");
    }
}

/* What the service is asked to do, of each connector. */
struct handing {
    struct cli *cli;
    bool is_retry;
    const struct letter_filter *filter;
    struct text body;
    int64_t count;
};

static void make_body(struct handing *handing)
{
    const struct letter_filter *filter = handing->filter;
    struct json_writer writer;

    text_init(&handing->body, 0);
    json_write_begin(&writer, &handing->body);
    json_write_open_object(&writer, NULL);
    if (filter->dead_class != 0)
        json_write_string(&writer, "class", dead_class_name((enum dead_class)filter->dead_class));
    if (filter->memory_id.size > 0)
        json_write_bytes(&writer, "memory", filter->memory_id.data, filter->memory_id.size);
    if (filter->since_ms > 0)
        json_write_time(&writer, "since", filter->since_ms);
    if (filter->dead_class == 0 && filter->memory_id.size == 0 && filter->since_ms == 0)
        json_write_bool(&writer, "all", true);
    json_write_close(&writer);
}

static int hand_one(void *context, const char *connector, struct error *err)
{
    AUTO_DONE(client_answer) struct client_answer answer = { 0 };
    struct handing *handing = context;

    if (handing->filter->connector != NULL && strcmp(handing->filter->connector, connector) != 0)
        return 0;
    if (client_call(handing->cli, "POST", handing->is_retry ? "/api/v1/connectors/%s/dead-letters/retry" : "/api/v1/connectors/%s/dead-letters/discard", connector,
                    handing->body.data, &answer, err) < 0)
        return -1;
    handing->count += client_integer(answer.root, handing->is_retry ? "retried" : "discarded");
    return 0;
}

/* The service holds the state: it is told, connector by connector, also of those that were made by API. */
static int hand_over(struct cli *cli, bool is_retry, const struct letter_filter *filter, struct error *err)
{
    struct handing handing = { .cli = cli, .is_retry = is_retry, .filter = filter };
    struct error why = { 0 };
    int result;

    if (!cli->config->api.enabled)
        return cli_fail(cli, err);
    make_body(&handing);
    result = client_each_connector(cli, hand_one, &handing, &why);
    text_done(&handing.body);
    if (result < 0)
        return cli_fail(cli, why.kind == ERROR_UNREACHABLE ? err : &why); /* somebody else holds it */
    say_count(cli, is_retry, handing.count, "are being looked up by the service, and sent where absent");
    return 0;
}

static int decide(struct cli *cli, bool is_retry)
{
    struct state_settings settings = { .now_ms = clock_wall_ms() };
    AUTO(state) struct state *state = NULL;
    struct letter_filter filter;
    struct error err = { 0 };
    int64_t count = 0;
    int result;

    if (cli_get_duration(cli, OPTION_LOCK_WAIT, 0, &settings.lock_wait_ms, &err) < 0 || letters_make_filter(cli, &filter, &err) < 0)
        return cli_fail(cli, &err);
    if (!is_retry && cli_confirm(cli, "Discard these dead letters?", &err) < 0)
        return cli_fail(cli, &err);
    settings.backend = config_state(cli->config).backend;
    settings.path = cli->config->state_path;
    if (access(settings.path, F_OK) == 0) {
        if (state_open(&settings, &state, &err) < 0)
            return err.kind == ERROR_CONFLICT ? hand_over(cli, is_retry, &filter, &err) : cli_fail(cli, &err);
        result = is_retry ? engine_retry_letters(state, &filter, settings.now_ms, &count, &err)
                          : engine_discard_letters(state, &filter, settings.now_ms, &count, &err);
        if (result < 0)
            return cli_fail(cli, &err);
    }
    say_count(cli, is_retry, count, "will be looked up, and sent where absent, by the next sync");
    return 0;
}

int command_letters_retry(struct cli *cli)
{
    return decide(cli, true);
}

int command_letters_discard(struct cli *cli)
{
    return decide(cli, false);
}
