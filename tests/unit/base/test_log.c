#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

static char path[64];

static void open_log(enum log_level level, enum log_format format)
{
    struct log_settings settings = { .level = level, .format = format, .color = true, .file_path = path };
    struct error err = { 0 };
    int fd;

    (void)snprintf(path, sizeof path, "%s", "/tmp/mc-log-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(log_open(&settings, &err), 0);
}

static void close_log(struct text *out)
{
    struct error err = { 0 };

    log_close();
    text_init(out, 0);
    assert_int_equal(file_read(path, 1 << 24, out, &err), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_level_names(void **state)
{
    static const struct { const char *name; int want; } rows[] = { /* -1: none */
        { "debug", LOG_DEBUG }, { "Info", LOG_INFO }, { "WARN", LOG_WARN }, { "warning", LOG_WARN }, { "error", LOG_ERROR }, { "off", LOG_OFF },
        { "", -1 }, { "loud", -1 }, { "inf", -1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum log_level level = LOG_OFF;
        bool known = log_level_from_name(rows[i].name, &level);
        if (known != (rows[i].want >= 0) || (known && (int)level != rows[i].want))
            fail_msg("%s", rows[i].name);
    }
}

static void test_console_lines(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    const char *at;
    (void)state;

    open_log(LOG_INFO, LOG_CONSOLE);
    assert_false(log_is_on(LOG_DEBUG));
    assert_true(log_is_on(LOG_INFO));
    log_debug("engine", "", "not seen");
    log_info("engine", "", "begins");
    log_warn("target", "default", "refused %d times", 2);
    close_log(&out);
    assert_null(strstr(out.data, "not seen"));
    assert_null(strchr(out.data, '\033')); /* colours are for terminals */
    assert_int_equal(strspn(out.data, "0123456789-T:Z"), 20); /* 2026-11-23T09:30:00Z */
    assert_non_null(strstr(out.data, "Z info  engine: begins\n"));
    at = strstr(out.data, "Z warn  target default: refused 2 times\n");
    assert_non_null(at);
}

/* A memory's id or a server's words could carry terminal commands, or a second line that looks like ours. */
static void test_nothing_harmful_comes_through(void **state)
{
    static const struct { const char *why, *words, *want; } rows[] = {
        { "a colour", "\033[31mred", "\\x1b[31mred" },
        { "a second line", "a\nb", "a\\x0ab" },
        { "C1", "\xC2\x9B" "2J", "\\xc2\\x9b2J" },
        { "bidi", "\xE2\x80\xAE" "abc", "\\xe2\\x80\\xaeabc" },
        { "an isolate", "\xE2\x81\xA6x", "\\xe2\\x81\\xa6x" },
        { "a lone byte", "\x9B", "\\x9b" },
        { "words in any language stay", "Z\xC3\xBCrich \xE6\x97\xA5\xE6\x9C\xAC", "Z\xC3\xBCrich \xE6\x97\xA5\xE6\x9C\xAC" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(text) struct text console = { 0 };
        AUTO_DONE(text) struct text json = { 0 };
        AUTO_DONE(text) struct text want = { 0 };
        yyjson_doc *document;
        open_log(LOG_INFO, LOG_CONSOLE);
        log_info("source", rows[i].words, "%s", rows[i].words);
        close_log(&console);
        text_init(&want, 0);
        (void)text_append_format(&want, "source %s: %s\n", rows[i].want, rows[i].want);
        if (strstr(console.data, want.data) == NULL)
            fail_msg("%s: %s", rows[i].why, console.data);
        open_log(LOG_INFO, LOG_JSON);
        log_info("source", rows[i].words, "%s", rows[i].words);
        close_log(&json);
        document = yyjson_read(json.data, json.size, 0);
        if (document == NULL || strchr(json.data, '\n') != json.data + json.size - 1)
            fail_msg("%s: %s", rows[i].why, json.data);
        assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "msg")), rows[i].want);
        assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "connector")), rows[i].want);
        yyjson_doc_free(document);
    }
}

static void test_long_words_are_cut(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    AUTO_STRING char *words = mem_alloc(100001);
    (void)state;

    memset(words, '"', 100000);
    open_log(LOG_INFO, LOG_JSON);
    log_info("state", words, "%s", words);
    close_log(&out);
    assert_true(out.size <= 4096); /* so that a line goes into a pipe whole or not at all */
    assert_int_equal(out.data[out.size - 1], '\n');
}

enum { THREADS = 4, LINES = 300 };

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES; i++)
        log_info("engine", "", "line %d of %s", i, (const char *)argument);
    return NULL;
}

static void test_lines_of_threads_stay_whole(void **state)
{
    static char names[THREADS][2] = { "a", "b", "c", "d" };
    AUTO_DONE(text) struct text out = { 0 };
    pthread_t threads[THREADS];
    size_t lines = 0;
    (void)state;

    open_log(LOG_INFO, LOG_JSON);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    close_log(&out);
    for (char *line = out.data; *line != '\0'; lines++) {
        char *end = strchr(line, '\n');
        yyjson_doc *document = yyjson_read(line, (size_t)(end - line), 0);
        assert_non_null(document);
        yyjson_doc_free(document);
        line = end + 1;
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void test_reopen_follows_a_moved_file(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };
    AUTO_STRING char *moved = NULL;
    (void)state;

    open_log(LOG_INFO, LOG_CONSOLE);
    log_info("cli", "", "before");
    moved = mem_format("%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    log_reopen();
    log_info("cli", "", "after");
    close_log(&out);
    assert_null(strstr(out.data, "before"));
    assert_non_null(strstr(out.data, "after"));
    assert_int_equal(unlink(moved), 0);
}

static void test_a_file_that_cannot_be(void **state)
{
    struct log_settings settings = { .file_path = "/nowhere/at/all/log" };
    struct error err = { 0 };
    (void)state;

    assert_int_equal(log_open(&settings, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
}

static int clears, draws;

static void count(void *context)
{
    ++*(int *)context;
}

static void draw(void *context)
{
    (void)context;
    draws++;
}

/* Standard error is a pipe that nobody reads: lines are lost and counted, and nobody waits for long. */
static void test_a_full_pipe_stops_nobody(void **state)
{
    struct log_settings settings = { .level = LOG_INFO };
    struct error err = { 0 };
    uint64_t lost = log_lost_lines();
    int kept = dup(STDERR_FILENO);
    int ends[2];
    char drain[8192];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(log_open(&settings, &err), 0);
    log_set_progress_hook(count, draw, &clears);
    for (int i = 0; i < 5000; i++)
        log_info("engine", "", "a line that goes into a pipe which nobody reads, number %d", i);
    log_set_progress_hook(NULL, NULL, NULL);
    assert_true(log_lost_lines() > lost);
    assert_int_equal(clears, 5000);
    assert_int_equal(draws, 5000);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while (read(ends[0], drain, sizeof drain) > 0)
        ;
    lost = log_lost_lines();
    log_info("engine", "", "read again");
    assert_int_equal(log_lost_lines(), lost); /* there is room again */
    (void)close(ends[0]);
    (void)signal(SIGPIPE, SIG_IGN);
    log_info("engine", "", "nobody there");
    assert_int_equal(log_lost_lines(), lost + 1);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    (void)close(kept);
    log_close();
}

/* ---- Files that grow, lines that come again ---- */

static char *read_and_remove(const char *name)
{
    AUTO_DONE(text) struct text content = { 0 };
    struct error err = { 0 };

    text_init(&content, 0);
    if (file_read(name, 1 << 20, &content, &err) < 0)
        return NULL;
    (void)unlink(name);
    return text_take(&content);
}

static void test_a_file_is_moved_away_before_it_is_too_large(void **state)
{
    static const struct { const char *why; int backups, files; } rows[] = { { "as many as asked", 3, 4 }, { "none is kept", 0, 1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct log_settings settings = { .level = LOG_INFO, .file_path = "/tmp/mc-log-rotated", .file_maximum = 400, .file_backups = rows[i].backups };
        struct error err = { 0 };
        int files = 0;
        int lines = 0;
        assert_int_equal(log_open(&settings, &err), 0);
        for (int k = 0; k < 60; k++)
            log_info("cli", "", "line %d", k);
        log_close();
        for (int k = 0; k < 9; k++) {
            AUTO_STRING char *name = k == 0 ? mem_copy_string(settings.file_path) : mem_format("%s.%d", settings.file_path, k);
            AUTO_STRING char *content = read_and_remove(name);
            if (content == NULL)
                break;
            files++;
            assert_true(strlen(content) <= 400);
            if (k == 0)
                assert_non_null(strstr(content, "line 59\n"));
            for (const char *at = content; (at = strchr(at, '\n')) != NULL; at++)
                lines++;
        }
        if (files != rows[i].files || (rows[i].backups > 0 && lines < 30))
            fail_msg("%s: %d files, %d lines", rows[i].why, files, lines);
    }
}

static void test_the_same_line_is_counted(void **state)
{
    AUTO_DONE(text) struct text out = { 0 };

    (void)state;
    open_log(LOG_INFO, LOG_CONSOLE);
    for (int i = 0; i < 5; i++)
        log_warn("target", "t", "does not answer");
    log_warn("target", "u", "does not answer");
    log_info("cli", "", "once");
    log_info("cli", "", "twice");
    log_info("cli", "", "twice");
    close_log(&out);
    assert_non_null(strstr(out.data, "does not answer\n"));
    assert_non_null(strstr(out.data, "warn  target: (the line before came 4 more times)\n"));
    assert_non_null(strstr(out.data, "info  cli: (the line before came 1 more time)\n"));
    assert_non_null(strstr(out.data, "target u: does not answer"));
}

static void test_levels_of_components(void **state)
{
    struct log_settings settings = { .level = LOG_WARN, .file_path = "/tmp/mc-log-components" };
    struct error err = { 0 };
    AUTO_STRING char *content = NULL;

    (void)state;
    for (size_t i = 0; i < LOG_COMPONENTS; i++) {
        settings.has_component[i] = strcmp(log_component_names[i], "source") == 0 || strcmp(log_component_names[i], "api") == 0;
        settings.components[i] = strcmp(log_component_names[i], "api") == 0 ? LOG_OFF : LOG_DEBUG;
    }
    assert_int_equal(log_open(&settings, &err), 0);
    log_debug("source", "", "shown: debug of the source");
    log_info("engine", "", "not shown: info of the engine");
    log_warn("engine", "", "shown: warning of the engine");
    log_error("api", "", "not shown: the API is off");
    log_close();
    content = read_and_remove(settings.file_path);
    assert_non_null(strstr(content, "shown: debug of the source"));
    assert_non_null(strstr(content, "shown: warning of the engine"));
    assert_null(strstr(content, "not shown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_console_lines),
        cmocka_unit_test(test_nothing_harmful_comes_through),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_lines_of_threads_stay_whole),
        cmocka_unit_test(test_reopen_follows_a_moved_file),
        cmocka_unit_test(test_a_file_that_cannot_be),
        cmocka_unit_test(test_a_full_pipe_stops_nobody),
        cmocka_unit_test(test_a_file_is_moved_away_before_it_is_too_large),
        cmocka_unit_test(test_the_same_line_is_counted),
        cmocka_unit_test(test_levels_of_components),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
