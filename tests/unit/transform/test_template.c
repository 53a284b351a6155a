#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "transform/transform.h"

#include <string.h>

static const struct memory full = {
    .id = { "m1", 2 }, .type = { "note", 4 }, .transcript = { "one {{id}}\ntwo #x", 17 }, .tags = { { "t", 1 } }, .tag_count = 1,
};

static void add_mistake(void *context, size_t line, size_t column, const char *words)
{
    struct text *said = context;

    (void)text_append_format(said, "%s%zu:%zu: %s", said->size > 0 ? "\n" : "", line, column, words);
}

static void expect_mistakes(const char *why, const char *text, const char *want)
{
    struct transform_template *template = NULL;
    AUTO_DONE(text) struct text said = { 0 };

    text_init(&said, 0);
    if (transform_template_new(text, add_mistake, &said, &template) == 0)
        fail_msg("%s: taken", why);
    if (strcmp(said.data, want) != 0 || template != NULL)
        fail_msg("%s: %s", why, said.data);
}

static void test_mistakes(void **state)
{
    static const struct { const char *why, *template, *want; } rows[] = {
        { "nothing", "", "1:1: the template is empty" },
        { "nothing to see", " \n\t ", "1:1: the template is empty" },
        { "a field nobody knows", "x {{colour}}", "1:3: there is no field \"colour\"" },
        { "a misspelt one", "{{id}}\n  {{transcipt}}", "2:3: there is no field \"transcipt\"; did you mean \"transcript\"?" },
        { "capitals", "{{ID}}", "1:1: there is no field \"ID\"; did you mean \"id\"?" },
        { "columns are characters", "\u00E4\u6771\U0001F680{{x_y_z_q_w}}", "1:4: there is no field \"x_y_z_q_w\"" },
        { "line ends of Windows", "a\r\nb\r\n{{x_y_z_q_w}}", "3:1: there is no field \"x_y_z_q_w\"" },
        { "no name", "a{{ }}", "1:2: the name of a field is missing between {{ and }}" },
        { "no name of a section", "{{#}}", "1:1: the name of a field is missing between {{ and }}" },
        { "an open mark", "a {{id", "1:3: {{ is not closed by }}" },
        { "an open mark, then another", "{{id {{type}}", "1:1: {{ is not closed by }}" },
        { "half a mark at the end", "{{id}", "1:1: {{ is not closed by }}" },
        { "an open section", "a\n{{#id}}\nb", "2:1: the section of \"id\" is not closed: {{/id}} is missing" },
        { "an open section without", "{{^tags}}", "1:1: the section of \"tags\" is not closed: {{/tags}} is missing" },
        { "closed and never opened", "{{/id}}", "1:1: {{/id}} closes a section that was not opened" },
        { "closed twice", "{{#id}}{{/id}}{{/id}}", "1:15: {{/id}} closes a section that was not opened" },
        { "closed crosswise", "{{#id}}{{#tags}}{{/id}}{{/tags}}", "1:17: {{/id}} stands where {{/tags}} has to come first" },
        { "three braces", "{{{id}}}", "1:1: {{{ is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are" },
        { "a remark", "{{! x }}", "1:1: {{! is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are" },
        { "an assignment of marks", "{{=<% %>=}}", "1:1: {{= is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are" },
        { "unescaped", "{{&id}}", "1:1: {{& is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are" },
        { "an unknown section is named once", "{{#colour}}x{{/colour}}", "1:1: there is no field \"colour\"" },
        { "and does not hide what it stands in", "{{#tags}}{{#colour}}x{{/tags}}", "1:10: there is no field \"colour\"" },
        { "the end of an unknown one", "{{/colour}}", "1:1: there is no field \"colour\"" },
        { "all of them", "{{#id}}{{tag}}\n{{#tags}}\n{{typ}} {{/media}} {{!x}} {{id",
          "1:8: there is no field \"tag\"; did you mean \"tags\"?\n3:1: there is no field \"typ\"; did you mean \"type\"?\n"
          "3:9: {{/media}} closes a section that was not opened\n"
          "3:20: {{! is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are\n3:27: {{ is not closed by }}\n"
          "1:1: the section of \"id\" is not closed: {{/id}} is missing\n2:1: the section of \"tags\" is not closed: {{/tags}} is missing" },
        { "no file, no variable", "{{$HOME}}", "1:1: there is no field \"$HOME\"" },
        { "a file of its own", "{{>x}}", "1:1: {{> is not known here: only {{field}}, {{#field}}, {{^field}} and {{/field}} are" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        expect_mistakes(rows[i].why, rows[i].template, rows[i].want);
}

static void test_limits(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    AUTO_DONE(text) struct text said = { 0 };
    struct transform_template *template = NULL;
    int lines = 0;
    (void)state;

    text_init(&said, 0);
    text_init(&text, 0);
    for (int i = 0; i < TRANSFORM_DEPTH_MAXIMUM; i++)
        (void)text_append(&text, "{{#id}}");
    for (int i = 0; i < TRANSFORM_DEPTH_MAXIMUM; i++)
        (void)text_append(&text, "{{/id}}");
    assert_int_equal(transform_template_new(text.data, NULL, NULL, &template), 0);
    transform_template_free(template);
    text_clear(&text);
    for (int i = 0; i <= TRANSFORM_DEPTH_MAXIMUM; i++)
        (void)text_append(&text, "{{#id}}");
    expect_mistakes("one section too many", text.data, "1:113: more than 16 sections in each other");
    text_clear(&text);
    for (int i = 0; i < TRANSFORM_TEMPLATE_MAXIMUM; i++)
        (void)text_append_char(&text, 'x');
    assert_int_equal(transform_template_new(text.data, NULL, NULL, &template), 0);
    transform_template_free(template);
    (void)text_append_char(&text, 'x');
    expect_mistakes("one byte too many", text.data, "1:1: the template has 65537 bytes; 65536 are the most");
    text_clear(&text);
    for (int i = 0; i < 100; i++)
        (void)text_append(&text, "{{x_y_z_q_w}}");
    assert_int_equal(transform_template_new(text.data, add_mistake, &said, &template), 100);
    for (const char *at = said.data; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 19); /* the first 20 are enough */
}

static void test_texts(void **state)
{
    static const struct { const char *why, *template, *want; } rows[] = {
        { "only words", "words", "words" },
        { "a field", "<{{id}}>", "<m1>" },
        { "blanks in the mark", "<{{ id }}{{# id }}x{{/ id }}>", "<m1x>" },
        { "what a field holds is no template", "{{transcript}}", "one {{id}}\ntwo #x" },
        { "what is missing is nothing", "<{{location}}{{recorded}}{{media}}>", "<>" },
        { "there", "{{#id}}a{{/id}}{{^id}}b{{/id}}", "a" },
        { "not there", "{{#media}}a{{/media}}{{^media}}b{{/media}}", "b" },
        { "sections in each other", "{{#id}}{{^media}}{{#media}}a{{/media}}b{{/media}}{{/id}}", "b" },
        { "a section of itself", "{{#id}}{{#id}}{{id}}{{/id}}{{/id}}", "m1" },
        { "a section left out with all in it", "a{{#media}}{{#id}}b{{/id}}{{^id}}c{{/id}}{{/media}}d", "ad" },
        { "marks alone on their lines take them along", "a\n {{#id}} \nb\n\t{{/id}}\nc", "a\nb\nc" },
        { "of a left out one too", "a\n{{#media}}\nb\n{{/media}}\nc", "a\nc" },
        { "with something beside they do not", "a\n{{#id}} b\n{{/id}} c", "a\n b\n c" },
        { "a field alone on its line is its line", "a\n{{media}}\nb", "a\n\nb" },
        { "blanks around all", "\n\n a \n{{media}}\n", "a" },
        { "single braces are words", "{ } }} {id}", "{ } }} {id}" },
        { "no control characters", "a\x1B[31m\r\nb", "a[31m\nb" },
        { "type in words", "{{type}} {{type_words}}", "note text note" },
        { "tags of the record, then hashtags", "{{tags}}", "t, x" },
        { "where from", "{{context}}", "c d" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(transform_template) struct transform_template *template = NULL;
        AUTO_DONE(text) struct text out = { 0 };
        struct transform_settings settings = { .strategy = TRANSFORM_TEMPLATE, .extract_tags = true };
        text_init(&out, 0);
        (void)text_append(&out, "before \n");
        if (transform_template_new(rows[i].template, NULL, NULL, &template) > 0)
            fail_msg("%s: refused", rows[i].why);
        settings.template = template;
        transform_render(&settings, "c\nd", &full, &out);
        if (strncmp(out.data, "before \n", 8) != 0 || strcmp(out.data + 8, rows[i].want) != 0)
            fail_msg("%s: got %s", rows[i].why, out.data);
    }
}

/* A template may say what is long as often as it likes: the document has its limit, says so, and takes no time beyond it. */
static void test_too_long(void **state)
{
    AUTO_DONE(text) struct text text = { 0 };
    AUTO_DONE(text) struct text out = { 0 };
    AUTO_DONE(text) struct text transcript = { 0 };
    AUTO(transform_template) struct transform_template *template = NULL;
    struct transform_settings settings = { .strategy = TRANSFORM_TEMPLATE };
    struct memory memory = { .id = { "m", 1 }, .type = { "note", 4 } };
    const uint8_t revision[SHA256_SIZE] = { 0 };
    (void)state;

    text_init(&text, 0);
    text_init(&out, 1 << 20);
    text_init(&transcript, 0);
    for (int i = 0; i < 4000; i++)
        (void)text_append(&text, "{{transcript}}");
    for (int i = 0; i < 100000; i++)
        (void)text_append_char(&transcript, 'x');
    memory.transcript = (struct slice){ transcript.data, transcript.size };
    assert_int_equal(transform_template_new(text.data, NULL, NULL, &template), 0);
    settings.template = template;
    transform_document(&settings, "c", &memory, revision, &out);
    assert_true(out.overflow);
    assert_true(out.size <= 1 << 20);
    text_clear(&out);
    memory.transcript.size = 100;
    transform_document(&settings, "c", &memory, revision, &out);
    assert_false(out.overflow);
    assert_int_equal(out.size, strlen("[memory://c/m revision 000000000000]\n") + 400000);
}

/* What is left of a template may be nothing: the first line is a document all the same, and trimmed. */
static void test_nothing_left(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    AUTO(transform_template) struct transform_template *template = NULL;
    struct transform_settings settings = { .strategy = TRANSFORM_TEMPLATE };
    const struct memory memory = { .id = { "m", 1 }, .type = { "note", 4 } };
    const uint8_t revision[SHA256_SIZE] = { 0 };
    (void)state;

    text_init(&out, 0);
    assert_int_equal(transform_template_new(" {{transcript}}\n", NULL, NULL, &template), 0);
    settings.template = template;
    transform_document(&settings, "c", &memory, revision, &out);
    assert_string_equal(out.data, "[memory://c/m revision 000000000000]");
}

static void test_part_of_day(void **state)
{
    static const struct { int hour; const char *want; } rows[] = {
        { 0, "night" }, { 4, "night" }, { 5, "morning" }, { 11, "morning" }, { 12, "afternoon" }, { 16, "afternoon" }, { 17, "evening" }, { 20, "evening" },
        { 21, "night" }, { 23, "night" },
    };
    AUTO(transform_template) struct transform_template *template = NULL;
    struct transform_settings settings = { .strategy = TRANSFORM_TEMPLATE };
    (void)state;

    assert_int_equal(transform_template_new("{{weekday}} {{part_of_day}}", NULL, NULL, &template), 0);
    settings.template = template;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct memory memory = { .id = { "m", 1 }, .type = { "note", 4 }, .has_created = true, .created_ms = rows[i].hour * INT64_C(3600000) + 3599999 };
        AUTO_DONE(text) struct text out = { 0 };
        AUTO_STRING char *want = mem_format("Thursday %s", rows[i].want); /* 1970-01-01 */
        text_init(&out, 0);
        transform_render(&settings, "c", &memory, &out);
        if (strcmp(out.data, want) != 0)
            fail_msg("hour %d: %s", rows[i].hour, out.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_part_of_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
