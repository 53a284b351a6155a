/* test_gates.c - who is let in: targets, cursors, hosts, origins, limits, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/api_internal.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void test_targets(void **state)
{
    static const struct { const char *why, *target; int parts; const char *last; size_t last_size; const char *parameter, *value; } rows[] = {
        { "the root", "/", 0, NULL, 0, NULL, NULL },
        { "two parts", "/api/v1", 2, "v1", 2, NULL, NULL },
        { "a slash inside of a name", "/a/b%2Fc", 2, "b/c", 3, NULL, NULL },
        { "a NUL inside of a name", "/a%00b", 1, "a\0b", 3, NULL, NULL },
        { "a plus is a plus in a path", "/a+b", 1, "a+b", 3, NULL, NULL },
        { "dots mean nothing", "/a/../..", 3, "..", 2, NULL, NULL },
        { "an empty part is a part", "/a//b", 3, "b", 1, NULL, NULL },
        { "a slash at the end is an empty part", "/a/", 2, "", 0, NULL, NULL },
        { "a query", "/a?x=1", 1, "a", 1, "x", "1" },
        { "a name alone", "/a?x", 1, "a", 1, "x", "" },
        { "a plus is a blank in a query", "/a?x=b+c%2B", 1, "a", 1, "x", "b c+" },
        { "an equals sign in a value", "/a?x=b=c", 1, "a", 1, "x", "b=c" },
        { "ampersands in a row", "/a?&&x=1&", 1, "a", 1, "x", "1" },
        { "a question mark in a query", "/a?x=?", 1, "a", 1, "x", "?" },
        { "a broken escape", "/a%2", -1, NULL, 0, NULL, NULL },
        { "an escape of no digits", "/%zz", -1, NULL, 0, NULL, NULL },
        { "a broken escape in a query", "/a?x=%", -1, NULL, 0, NULL, NULL },
        { "no UTF-8 in a query", "/a?x=%ff", -1, NULL, 0, NULL, NULL },
        { "a NUL in a query", "/a?x=%00", -1, NULL, 0, NULL, NULL },
        { "a whole URL", "http://x/a", -1, NULL, 0, NULL, NULL },
        { "an asterisk", "*", -1, NULL, 0, NULL, NULL },
        { "a fragment", "/a#b", -1, NULL, 0, NULL, NULL },
        { "too many parts", "/1/2/3/4/5/6/7/8/9", -1, NULL, 0, NULL, NULL },
        { "too many parameters", "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", -1, NULL, 0, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(api_target) struct api_target target = { 0 };
        struct error err = { 0 };
        if (api_target_parse(rows[i].target, &target, &err) < 0) {
            if (rows[i].parts >= 0)
                fail_msg("%s: %s", rows[i].why, err.message);
            continue;
        }
        if ((int)target.part_count != rows[i].parts)
            fail_msg("%s: %zu parts", rows[i].why, target.part_count);
        if (rows[i].last != NULL && (target.parts[target.part_count - 1].size != rows[i].last_size ||
                                     memcmp(target.parts[target.part_count - 1].bytes, rows[i].last, rows[i].last_size) != 0))
            fail_msg("%s: the last part is \"%s\"", rows[i].why, target.parts[target.part_count - 1].bytes);
        if (rows[i].parameter != NULL && (target.parameter_count != 1 || strcmp(target.parameters[0].name, rows[i].parameter) != 0 ||
                                          strcmp(target.parameters[0].value, rows[i].value) != 0))
            fail_msg("%s: the parameter is wrong", rows[i].why);
    }
}

static void test_routes(void **state)
{
    static const struct { const char *method, *target, *route, *allow; } rows[] = {
        { "GET", "/", "/", "" },
        { "GET", "/api/v1/openapi.json", "/api/v1/openapi.json", "" },
        { "DELETE", "/api/v1/openapi.json", NULL, "GET, HEAD" },
        { "GET", "/api/v1/openapi.json/", NULL, "" },
        { "GET", "/api/v1/Openapi.json", NULL, "" },
        { "GET", "/api/v1//openapi.json", NULL, "" },
        { "GET", "/api/v1/x/../openapi.json", NULL, "" },
        { "GET", "/api/v1/openapi.json%00", NULL, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_DONE(api_target) struct api_target target = { 0 };
        const struct api_route *route;
        char allow[80];
        assert_int_equal(api_target_parse(rows[i].target, &target, NULL), 0);
        route = api_route_find(NULL, &target, rows[i].method, allow, sizeof allow);
        if ((route == NULL) != (rows[i].route == NULL) || (route != NULL && strcmp(route->path, rows[i].route) != 0) ||
            (route == NULL && strcmp(allow, rows[i].allow) != 0))
            fail_msg("%s %s: %s, Allow \"%s\"", rows[i].method, rows[i].target, route != NULL ? route->path : "(none)", allow);
    }
}

static void test_cursors(void **state)
{
    AUTO_DONE(text) struct text cursor = { 0 };
    char *key = NULL;
    size_t size = 0;

    (void)state;
    text_init(&cursor, 0);
    api_cursor_write("history/a", 9, "12\0" "3", 4, &cursor);
    assert_true(api_cursor_read("history/a", 9, cursor.data, &key, &size));
    assert_int_equal(size, 4);
    assert_memory_equal(key, "12\0" "3", 4);
    mem_free(key);
    assert_false(api_cursor_read("history/b", 9, cursor.data, &key, &size)); /* of another list */
    assert_false(api_cursor_read("", 0, cursor.data, &key, &size));
    for (size_t i = 0; i < cursor.size; i++) { /* any letter changed */
        char letter = cursor.data[i];
        cursor.data[i] = letter == 'A' ? 'B' : 'A';
        if (api_cursor_read("history/a", 9, cursor.data, &key, &size))
            fail_msg("letter %zu may be anything", i);
        cursor.data[i] = letter;
    }
    assert_false(api_cursor_read("history/a", 9, "", &key, &size));
    assert_false(api_cursor_read("history/a", 9, "!!!!", &key, &size));
    assert_false(api_cursor_read("history/a", 9, "AAAAAAAAAAAAAAAAAAAAAA", &key, &size));
}

static void test_hosts(void **state)
{
    static char listed_name[] = "mc.example.org";
    static char listed_port[] = "proxy.example.org:8443";
    static char *listed[] = { listed_name, listed_port };
    const struct config config = { .api = { .hosts = { listed, 2 } } };
    static const struct { const char *why, *bound, *host; bool allowed; } rows[] = {
        { "loopback by name", "127.0.0.1", "localhost:9622", true },
        { "in capitals", "127.0.0.1", "LOCALHOST", true },
        { "with a dot at its end", "127.0.0.1", "localhost.", true },
        { "loopback by address", "127.0.0.1", "127.0.0.1:9622", true },
        { "another loopback address", "127.0.0.1", "127.0.0.2", true },
        { "loopback by IPv6 address", "127.0.0.1", "[::1]:9622", true },
        { "a stranger's name that was turned to here", "127.0.0.1", "attacker.example.org:9622", false },
        { "a name that begins like ours", "127.0.0.1", "localhost.example.org", false },
        { "an address that begins like ours", "127.0.0.1", "127.0.0.1.example.org", false },
        { "a listed name", "127.0.0.1", "mc.example.org", true },
        { "a listed name with a port", "127.0.0.1", "mc.example.org:8443", true },
        { "listed with its port", "127.0.0.1", "proxy.example.org:8443", true },
        { "no host", "127.0.0.1", NULL, false },
        { "an empty one", "127.0.0.1", "", false },
        { "a port alone", "127.0.0.1", ":9622", false },
        { "a port of letters", "127.0.0.1", "localhost:x", false },
        { "an address without its bracket", "127.0.0.1", "[::1", false },
        { "user and name", "127.0.0.1", "localhost@example.org", false },
        { "bound to an address: by it", "192.0.2.7", "192.0.2.7:9622", true },
        { "bound to an address: by another", "192.0.2.7", "192.0.2.8", false },
        { "bound to all: by address", "0.0.0.0", "192.0.2.8:9622", true },
        { "bound to all: by a stranger's name", "0.0.0.0", "example.org", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (api_host_is_allowed(&config, rows[i].bound, rows[i].host) != rows[i].allowed)
            fail_msg("%s: %s", rows[i].why, rows[i].allowed ? "refused" : "let in");
}

static void test_origins(void **state)
{
    static char one[] = "https://app.example.org";
    static char *listed[] = { one };
    struct config config = { .api = { .cors = true, .origins = { listed, 1 } } };

    (void)state;
    assert_true(api_origin_is_listed(&config, "https://app.example.org"));
    assert_false(api_origin_is_listed(&config, "https://app.example.org:8443"));
    assert_false(api_origin_is_listed(&config, "http://app.example.org"));
    assert_false(api_origin_is_listed(&config, "https://app.example.org.evil.example"));
    assert_false(api_origin_is_listed(&config, "null"));
    config.api.cors = false;
    assert_false(api_origin_is_listed(&config, "https://app.example.org"));
    assert_true(api_origin_is_same("http://127.0.0.1:9622", "127.0.0.1:9622"));
    assert_true(api_origin_is_same("https://mc.example.org", "mc.example.org")); /* behind a proxy that has the certificate */
    assert_false(api_origin_is_same("http://127.0.0.1:9623", "127.0.0.1:9622"));
    assert_false(api_origin_is_same("null", "127.0.0.1:9622"));
    assert_false(api_origin_is_same("http://127.0.0.1:9622", NULL));
}

static void test_rates(void **state)
{
    struct api_limits *limits = api_limits_new(true, 60); /* one a second, sixty at once */
    int64_t now = 1000000;

    (void)state;
    for (int i = 0; i < 60; i++)
        assert_int_equal(api_limits_take(limits, "192.0.2.1", API_READER, now), 0);
    assert_in_range(api_limits_take(limits, "192.0.2.1", API_READER, now), 900, 1100);
    assert_int_equal(api_limits_take(limits, "192.0.2.1", API_MASTER, now), 0); /* another key */
    assert_int_equal(api_limits_take(limits, "192.0.2.2", API_READER, now), 0); /* another address */
    assert_int_equal(api_limits_take(limits, "192.0.2.1", API_READER, now + 1001), 0);
    assert_true(api_limits_take(limits, "192.0.2.1", API_READER, now + 1001) > 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(api_limits_take(limits, "2001:db8::1", API_READER, now), 0);
    assert_true(api_limits_take(limits, "2001:db8::ffff:2", API_READER, now) > 0); /* the same network */
    for (int i = 0; i < 100000; i++) { /* a flood of addresses ends nothing, and costs nothing */
        char address[40];
        (void)snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(api_limits_take(limits, address, API_READER, now + 2000), 0);
    }
    api_limits_free(limits);
    limits = api_limits_new(false, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(api_limits_take(limits, "192.0.2.1", API_READER, now), 0);
    api_limits_free(limits);
}

/* In no minute more than five wrong keys of one address are looked at. */
static void test_guesses(void **state)
{
    struct api_limits *limits = api_limits_new(true, 600);
    int64_t looked_at[1000];
    size_t count = 0;

    (void)state;
    for (int64_t now = 5000; now < 5000 + 600 * 1000; now += 97) {
        if (api_limits_look_at_guesses(limits, "192.0.2.1", now) > 0)
            continue;
        api_limits_count_guess(limits, "192.0.2.1", now);
        looked_at[count++] = now;
        assert_true(count < ARRAY_LENGTH(looked_at));
        if (count > 5)
            assert_true(looked_at[count - 1] - looked_at[count - 6] >= 60 * 1000);
    }
    assert_in_range(count, 50, 55);
    assert_int_equal(api_limits_look_at_guesses(limits, "192.0.2.2", 5000), 0);
    api_limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets), cmocka_unit_test(test_routes), cmocka_unit_test(test_cursors), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins), cmocka_unit_test(test_rates), cmocka_unit_test(test_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
