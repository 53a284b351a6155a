#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/auto.h"
#include "cli/letter_line.h"

#include <string.h>

#define NOW 1766068200123
#define HEAD "{\"schema\":\"memory-connector/dead-letter/v1\","
#define NAMES HEAD "\"class\":\"malformed\",\"connector\":\"life\""

static struct slice slice_of(const char *bytes, size_t size)
{
    return (struct slice){ bytes, size };
}

static void write_line(struct text *out, const struct dead_letter *letter, struct slice id, bool with_content)
{
    struct json_writer writer;

    json_write_begin(&writer, out);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "schema", "memory-connector/dead-letter/v1");
    letter_line_write(&writer, letter, "life", "ctx", id, with_content);
    json_write_close(&writer);
}

/* Whatever bytes an element or an id has, an export and an import of it lose none. */
static void test_there_and_back(void **state)
{
    static const struct { const char *why, *raw; size_t raw_size; const char *id; size_t id_size; } rows[] = {
        { "nothing kept, about no memory", "", 0, "", 0 },
        { "broken JSON", "{\"id\":\"\",\"x\":\"\\\"\"", 16, "", 0 },
        { "control characters and NUL", "a\0b\x1b\n\x7f", 6, "m\0\x01", 3 },
        { "bytes that are no UTF-8", "\xFF\xFE{", 3, "\xC3", 1 },
        { "a line separator stays inside of its line", "\xE2\x80\xA8", 3, "m7", 2 },
        { "a surrogate in UTF-8 is none", "\xED\xA0\x80", 3, "m7", 2 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct dead_letter letter = {
            .letter = 7, .dead_class = DEAD_TOO_LARGE, .end = DEAD_DISCARDED, .stream = 3, .seq = 9, .run = 2, .fingerprint = { 1, 2, 255 }, .http_status = 413,
            .words = "too \"large\"\n", .attempts = 2, .times = 4, .first_ms = NOW - 5, .last_ms = NOW, .position = 71, .length = 90,
            .raw = slice_of(rows[i].raw, rows[i].raw_size),
        };
        AUTO_DONE(letter_line) struct letter_line line = { 0 };
        AUTO_DONE(text) struct text out = { 0 };
        struct error err = { 0 };
        text_init(&out, 0);
        write_line(&out, &letter, slice_of(rows[i].id, rows[i].id_size), true);
        assert_null(memchr(out.data, '\n', out.size));
        if (letter_line_read(out.data, out.size, 0, &line, &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        if (line.content_size != rows[i].raw_size || (line.content_size > 0 && memcmp(line.content, rows[i].raw, line.content_size) != 0))
            fail_msg("%s: the content is another", rows[i].why);
        if (line.id_size != rows[i].id_size || (line.id_size > 0 && memcmp(line.id, rows[i].id, line.id_size) != 0))
            fail_msg("%s: the id is another", rows[i].why);
        assert_string_equal(line.connector, "life");
        assert_string_equal(line.context, "ctx");
        assert_string_equal(line.letter.words, letter.words);
        assert_memory_equal(line.letter.fingerprint, letter.fingerprint, sizeof letter.fingerprint);
        assert_int_equal(line.letter.dead_class, DEAD_TOO_LARGE);
        assert_int_equal(line.letter.end, DEAD_DISCARDED);
        assert_int_equal(line.letter.http_status, 413);
        assert_int_equal(line.letter.first_ms, NOW - 5);
        assert_int_equal(line.letter.last_ms, NOW);
        assert_int_equal(line.letter.times, 4);
        assert_int_equal(line.letter.position, 71);
        assert_int_equal(line.letter.letter + line.letter.stream + line.letter.seq + line.letter.run, 0); /* numbers of another state */
    }
}

static void test_content_only_when_asked_for(void **state)
{
    struct dead_letter letter = { .dead_class = DEAD_MALFORMED, .words = "id: empty", .raw = slice_of("secret", 6) };
    AUTO_DONE(text) struct text out = { 0 };
    (void)state;

    text_init(&out, 0);
    write_line(&out, &letter, slice_of("", 0), false);
    assert_null(strstr(out.data, "secret"));
    assert_non_null(strstr(out.data, "\"content_bytes\":6"));
}

/* A memory may be written as an object; what is not told has a sensible value. */
static void test_written_by_hand(void **state)
{
    static const char whole[] = NAMES ",\"content\":{\"id\":\"m7\",\"n\":1e999,\"m\":12345678901234567890123,\"n\":0.10}}";
    AUTO_DONE(letter_line) struct letter_line line = { 0 };
    struct error err = { 0 };
    (void)state;

    assert_int_equal(letter_line_read(whole, strlen(whole), NOW, &line, &err), 0);
    assert_string_equal(line.content, "{\"id\":\"m7\",\"n\":1e999,\"m\":12345678901234567890123,\"n\":0.10}");
    assert_string_equal(line.context, "");
    assert_int_equal(line.letter.end, DEAD_OPEN);
    assert_int_equal(line.letter.times, 1);
    assert_int_equal(line.letter.first_ms, NOW);
    assert_int_equal(line.letter.position, -1);
}

static void test_bad_lines(void **state)
{
    static const struct { const char *why, *line, *want; } rows[] = {
        { "nothing", "", "no JSON" },
        { "cut", HEAD "\"class\":\"malf", "no JSON" },
        { "two in one line", NAMES "}{}", "no JSON" },
        { "a list", "[1]", "no object" },
        { "a number", "7", "no object" },
        { "of something else", "{\"schema\":\"memory-connector/dead-letters/v1\"}", "\"schema\"" },
        { "of nothing", "{}", "\"schema\"" },
        { "without a class", HEAD "\"connector\":\"life\"}", "\"class\"" },
        { "a class that is a number", HEAD "\"class\":1,\"connector\":\"life\"}", "\"class\"" },
        { "without a connector", HEAD "\"class\":\"lost\"}", "\"connector\" is missing" },
        { "a connector that is a list", HEAD "\"class\":\"lost\",\"connector\":[]}", "\"connector\" is no string" },
        { "no state of letters", NAMES ",\"state\":\"done\"}", "\"state\"" },
        { "a number past the end of numbers", NAMES ",\"length\":18446744073709551615}", "\"length\"" },
        { "a number that is none", NAMES ",\"attempts\":1.5}", "\"attempts\"" },
        { "a number without end", NAMES ",\"attempts\":1e999}", "\"attempts\"" },
        { "a status of no answer", NAMES ",\"http_status\":7}", "\"http_status\"" },
        { "no time", NAMES ",\"last\":\"now\"}", "\"last\"" },
        { "an odd fingerprint", NAMES ",\"fingerprint\":\"00\"}", "\"fingerprint\"" },
        { "a memory that is a number", NAMES ",\"memory\":7}", "\"memory\" is no string" },
        { "content that is a list", NAMES ",\"content\":[]}", "\"content\" is no string" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct letter_line line;
        struct error err = { 0 };
        if (letter_line_read(rows[i].line, strlen(rows[i].line), NOW, &line, &err) == 0)
            fail_msg("%s: taken", rows[i].why);
        if (strstr(err.message, rows[i].want) == NULL)
            fail_msg("%s: %s", rows[i].why, err.message);
        assert_null(line.content);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_content_only_when_asked_for), cmocka_unit_test(test_written_by_hand),
        cmocka_unit_test(test_bad_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
