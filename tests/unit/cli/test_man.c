#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/man.h"

#include <string.h>

static struct text page;

/* As it stands in the page: "-" and "\" are escaped there. */
static char *escaped(const char *words)
{
    struct text out;

    text_init(&out, 0);
    for (; *words != '\0'; words++)
        (void)text_append_format(&out, *words == '\\' ? "\\e" : *words == '-' ? "\\-" : "%c", *words);
    return text_take(&out);
}

static void expect(const char *format, const char *name)
{
    AUTO_STRING char *inner = escaped(name);
    AUTO_STRING char *want = mem_copy_string(format);
    AUTO_DONE(text) struct text line = { 0 };
    char *hole = strstr(want, "%s");

    text_init(&line, 0);
    *hole = '\0';
    (void)text_append_format(&line, "%s%s%s", want, inner, hole + 2);
    if (strstr(page.data, line.data) == NULL)
        fail_msg("missing: %s", line.data);
}

static void expect_fields(const struct field_group *group)
{
    for (size_t i = 0; i < group->field_count; i++)
        expect("\n.It Cm \"\\&%s\"\n", group->fields[i].name);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        expect_fields(group->groups[i]);
}

/* No line that a reader of mdoc would take for a request of another's making, none too long, each line ended. */
static void expect_good_lines(void)
{
    static const char *const requests[] = { "Dd", "Dt", "Os", "Sh", "Ss", "Nm", "Nd", "Op", "Ar", "Pp", "Bl", "El", "It", "Bd", "Ed", "Dl", "Xr", "Cm" };
    size_t size;

    assert_int_equal(page.data[page.size - 1], '\n');
    for (const char *line = page.data; *line != '\0'; line += size + 1) {
        bool is_known = line[0] != '.' && line[0] != '\'';
        size = strcspn(line, "\n");
        for (size_t i = 0; i < ARRAY_LENGTH(requests); i++)
            is_known = is_known || strncmp(line + 1, requests[i], 2) == 0;
        if (!is_known || size == 0)
            fail_msg("a line of its own: %.*s", (int)size, line);
    }
}

static void test_every_command_and_option(void **state)
{
    (void)state;
    man_program(&page);
    for (size_t i = 0; i < command_count; i++) {
        expect("\n.It Ic \"\\&%s\"", commands[i].name);
        for (size_t k = 0; k < ARRAY_LENGTH(commands[i].examples) && commands[i].examples[k] != NULL; k++)
            expect("\n%s\n", commands[i].examples[k]);
        for (size_t k = 0; k < commands[i].option_count; k++)
            if (!option_rows[commands[i].options[k]].is_hidden)
                expect("Fl \\-%s", option_rows[commands[i].options[k]].name);
    }
    for (int i = 0; i < OPTIONS; i++) {
        if (option_rows[i].is_global)
            expect("Fl \\-%s", option_rows[i].name);
        if (option_rows[i].is_hidden) {
            AUTO_STRING char *name = escaped(option_rows[i].name);
            AUTO_STRING char *flag = mem_format("Fl \\-%s ", name);
            if (strstr(page.data, flag) != NULL)
                fail_msg("an older name: %s", flag);
        }
    }
    expect_good_lines();
}

static void test_every_setting(void **state)
{
    (void)state;
    text_clear(&page);
    man_config(&page);
    expect_fields(&config_root);
    expect("\n.Ss \"\\&%s\"\n", "connectors[].ingestion.filter");
    expect("\n.Ss \"\\&%s\"\n", "targets.NAME");
    expect("\n%s", "A size from 1KiB to 64MiB.\nDefault: 8MiB.\n");
    expect("\n%s", "One of manual, interval, cron, auto.\nDefault: auto.\n");
    expect_good_lines();
}

/* The same bytes every time: two builds of the same sources are equal. */
static void test_the_same_again(void **state)
{
    AUTO_DONE(text) struct text again = { 0 };
    (void)state;

    text_init(&again, 0);
    man_config(&again);
    assert_string_equal(again.data, page.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_and_option), cmocka_unit_test(test_every_setting), cmocka_unit_test(test_the_same_again),
    };

    text_init(&page, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
