/* test_http_reach.c - who may not point into our network does not get there (http_trust.public_only), whatever he writes. Names and network
 * are the test's own (spied_network.h): every connection is counted, and would be heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/http_client_internal.h"
#include "base/mem.h"

#include "raw_server.h"
#include "spied_network.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define REFUSED "is not public: an endpoint given by API may not lead there (api.inline_networks lists exceptions)"
enum { TEST_WAIT_MS = 20000 };

/* ---- The listener behind every address ---- */

struct listener {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *answer;
    atomic_int served;
    atomic_size_t served_bytes; /* of the requests */
};

static void *serve(void *context)
{
    struct listener *listener = context;
    int fd;

    while ((fd = accept(listener->fd, NULL, NULL)) >= 0) {
        char seen[4096];
        size_t size = 0;
        ssize_t got;
        while (size < sizeof seen - 1 && (got = recv(fd, seen + size, sizeof seen - 1 - size, 0)) > 0) {
            size += (size_t)got;
            atomic_fetch_add(&listener->served_bytes, (size_t)got);
            seen[size] = '\0';
            if (strstr(seen, "\r\n\r\n") != NULL)
                break;
        }
        atomic_fetch_add(&listener->served, 1);
        (void)send(fd, listener->answer, strlen(listener->answer), MSG_NOSIGNAL);
        (void)close(fd);
    }
    return NULL;
}

static void listener_start(struct listener *listener, const char *answer)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    *listener = (struct listener){ .fd = socket(AF_INET, SOCK_STREAM, 0), .answer = answer };
    assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener->fd, 16), 0);
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&address, &size), 0);
    listener->port = ntohs(address.sin_port);
    atomic_store(&door, listener->port);
    assert_int_equal(pthread_create(&listener->thread, NULL, serve, listener), 0);
}

static void listener_end(struct listener *listener)
{
    (void)shutdown(listener->fd, SHUT_RDWR);
    (void)pthread_join(listener->thread, NULL);
    (void)close(listener->fd);
}

/* ---- One request and what came of it ---- */

struct result {
    bool is_done;
    struct http_answer answer;
    char words[400], location[1000], address[INET6_ADDRSTRLEN];
    int inside, outside, sockets;
};

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct result *result = owner;

    (void)id;
    assert_false(result->is_done);
    result->is_done = true;
    result->answer = *answer;
    (void)snprintf(result->words, sizeof result->words, "%s", answer->words);
    (void)snprintf(result->location, sizeof result->location, "%s", answer->location);
    (void)snprintf(result->address, sizeof result->address, "%s", answer->address != NULL ? answer->address : "");
}

static void count_from_here(void)
{
    atomic_store(&inside, 0);
    atomic_store(&outside, 0);
    atomic_store(&sockets, 0);
}

static void wait_for(struct http *http, struct result *result)
{
    int64_t until = clock_monotonic_ms() + TEST_WAIT_MS;
    struct error err = { 0 };

    while (!result->is_done && clock_monotonic_ms() < until)
        assert_int_equal(http_poll(http, clock_monotonic_ms() + 50, &err), 0);
    assert_true(result->is_done);
    result->inside = atomic_load(&inside);
    result->outside = atomic_load(&outside);
    result->sockets = atomic_load(&sockets);
}

static struct result run(struct http_client *client, const char *url, const struct http_trust *trust)
{
    struct result result = { 0 };
    const struct http_request request = {
        .method = "GET", .url = url, .answer_maximum = 1 << 20, .timeout_ms = 15000, .trust = trust, .owner = &result, .on_done = on_done,
    };
    struct error err = { 0 };
    http_id id;

    count_from_here();
    assert_int_equal(http_start(http_client_http(client), &request, &id, &err), 0);
    wait_for(http_client_http(client), &result);
    return result;
}

/* With a client of its own: a client remembers for a minute where a name led. */
static struct result run_alone(const char *url, const struct http_trust *trust)
{
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };

    assert_int_equal(http_client_new(&client, &err), 0);
    return run(client, url, trust);
}

static const struct http_trust public_only = { .public_only = true };

static void expect_refused(const char *why, const char *url, const struct result *result, int outside_wanted)
{
    if (result->inside != 0 || result->outside != outside_wanted || result->sockets != outside_wanted)
        fail_msg("%s, %s: %d connections inside, %d outside, %d sockets", why, url, result->inside, result->outside, result->sockets);
    if (result->answer.end != HTTP_NOT_SENT || result->answer.is_tls_failure || result->answer.is_timeout || result->answer.status != 0 ||
        result->answer.stage != HTTP_STAGE_CONNECTION || strstr(result->words, REFUSED) == NULL)
        fail_msg("%s, %s: end %d, stage %d, \"%s\"", why, url, (int)result->answer.end, (int)result->answer.stage, result->words);
}

/* ---- Sixty ways to write it, and then some ---- */

static const struct {
    const char *host;
    const char *address; /* that it means */
} spellings[] = {
    { "127.0.0.1", "127.0.0.1" },
    { "127.1", "127.0.0.1" },
    { "127.0.1", "127.0.0.1" },
    { "2130706433", "127.0.0.1" },
    { "0x7f000001", "127.0.0.1" },
    { "0x7f.1", "127.0.0.1" },
    { "0X7F.0x0.0x0.0x1", "127.0.0.1" },
    { "0177.0.0.1", "127.0.0.1" },
    { "0177.1", "127.0.0.1" },
    { "017700000001", "127.0.0.1" },
    { "0000177.0.0.01", "127.0.0.1" },
    { "127.0.0.1.", "127.0.0.1" },
    { "0x7f.1.", "127.0.0.1" },
    { "2130706433.", "127.0.0.1" },
    { "%31%32%37.0.0.1", "127.0.0.1" },
    { "127%2e0%2e0%2e1", "127.0.0.1" },
    { "0x7%66.1", "127.0.0.1" },
    { "127.255.255.254", "127.255.255.254" },
    { "localhost", "127.0.0.1" },
    { "LocalHost", "127.0.0.1" },
    { "localhost.", "127.0.0.1" },
    { "1.1.1.1@127.0.0.1", "127.0.0.1" },
    { "1.1.1.1:80@127.0.0.1", "127.0.0.1" },
    { "1.1.1.1%2f@127.0.0.1", "127.0.0.1" },
    { "\xE2\x91\xA0\xE2\x91\xA1\xE2\x91\xA6.\xE2\x93\xAA.\xE2\x93\xAA.\xE2\x91\xA0", "127.0.0.1" }, /* digits in circles */
    { "\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.\xEF\xBC\x90.\xEF\xBC\x90.\xEF\xBC\x91", "127.0.0.1" }, /* wide digits */
    { "127\xE3\x80\x82" "0\xE3\x80\x82" "0\xE3\x80\x82" "1", "127.0.0.1" }, /* ideographic stops */
    { "\xE2\x93\x81ocal\xE2\x93\x97ost", "127.0.0.1" }, /* letters in circles */
    { "0", "0.0.0.0" },
    { "0.0.0.0", "0.0.0.0" },
    { "0x0", "0.0.0.0" },
    { "00.0", "0.0.0.0" },
    { "0.1.2.3", "0.1.2.3" },
    { "10.0.0.1", "10.0.0.1" },
    { "10.1", "10.0.0.1" },
    { "167772161", "10.0.0.1" },
    { "0xa000001", "10.0.0.1" },
    { "012.0.0.1", "10.0.0.1" },
    { "172.16.0.1", "172.16.0.1" },
    { "172.31.255.254", "172.31.255.254" },
    { "192.168.1.1", "192.168.1.1" },
    { "192.168.257", "192.168.1.1" },
    { "0xc0a80101", "192.168.1.1" },
    { "3232235777", "192.168.1.1" },
    { "0300.0250.1.1", "192.168.1.1" },
    { "169.254.169.254", "169.254.169.254" },
    { "2852039166", "169.254.169.254" },
    { "0xA9FEA9FE", "169.254.169.254" },
    { "0251.0376.0251.0376", "169.254.169.254" },
    { "169.254.43518", "169.254.169.254" },
    { "100.64.0.1", "100.64.0.1" },
    { "100.100.100.200", "100.100.100.200" },
    { "168.63.129.16", "168.63.129.16" },
    { "192.0.0.192", "192.0.0.192" },
    { "192.0.2.1", "192.0.2.1" },
    { "192.88.99.1", "192.88.99.1" },
    { "198.18.0.1", "198.18.0.1" },
    { "198.51.100.1", "198.51.100.1" },
    { "203.0.113.1", "203.0.113.1" },
    { "224.0.0.1", "224.0.0.1" },
    { "240.0.0.1", "240.0.0.1" },
    { "255.255.255.255", "255.255.255.255" },
    { "4294967295", "255.255.255.255" },
    { "[::1]", "::1" },
    { "[0:0:0:0:0:0:0:1]", "::1" },
    { "[0000::0001]", "::1" },
    { "[::0.0.0.1]", "::1" },
    { "[::]", "::" },
    { "[::ffff:127.0.0.1]", "::ffff:127.0.0.1" },
    { "[::FFFF:7F00:1]", "::ffff:127.0.0.1" },
    { "[0:0:0:0:0:ffff:127.0.0.1]", "::ffff:127.0.0.1" },
    { "[::ffff:0.0.0.0]", "::ffff:0.0.0.0" },
    { "[::ffff:10.0.0.1]", "::ffff:10.0.0.1" },
    { "[::ffff:a9fe:a9fe]", "::ffff:169.254.169.254" },
    { "[::127.0.0.1]", "::127.0.0.1" },
    { "[::ffff:0:127.0.0.1]", "::ffff:0:127.0.0.1" },
    { "[64:ff9b::127.0.0.1]", "64:ff9b::127.0.0.1" },
    { "[64:ff9b::a00:1]", "64:ff9b::10.0.0.1" },
    { "[64:ff9b::a9fe:a9fe]", "64:ff9b::169.254.169.254" },
    { "[64:ff9b:1::1.1.1.1]", "64:ff9b:1::1.1.1.1" },
    { "[2002:7f00:1::]", "2002:7f00:1::" },
    { "[2002:a00:1::1]", "2002:a00:1::1" },
    { "[2001:0:7f00:1::]", "2001:0:7f00:1::" },
    { "[2001:db8::1]", "2001:db8::1" },
    { "[fc00::1]", "fc00::1" },
    { "[fd00:ec2::254]", "fd00:ec2::254" },
    { "[fe80::1]", "fe80::1" },
    { "[fe80::1%251]", "fe80::1" },
    { "[fec0::1]", "fec0::1" },
    { "[ff02::1]", "ff02::1" },
    { "[100::1]", "100::1" },
    { "[3fff::1]", "3fff::1" },
    { "[5f00::1]", "5f00::1" },
};

/* Not every libcurl makes it an address: international names are an option of its, and a dot behind numbers stays for some. */
static bool is_odd(const char *host)
{
    return (unsigned char)host[0] >= 0x80 || strstr(host, "\xE3\x80\x82") != NULL || (strspn(host, "0123456789abcdefx.") == strlen(host) && host[strlen(host) - 1] == '.');
}

static void test_literal(void **state)
{
    struct listener listener;
    int reached = 0;

    (void)state;
    listener_start(&listener, OK_HELLO);
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        AUTO_STRING char *url = mem_format("http://%s:%u/", spellings[i].host, listener.port);
        AUTO_STRING char *with_tls = mem_format("https://%s:%u/", spellings[i].host, listener.port);
        int served = atomic_load(&listener.served);
        struct result result = run_alone(url, NULL); /* all of them work, where nothing is forbidden */
        if (result.answer.end != HTTP_ANSWERED && !is_odd(spellings[i].host))
            fail_msg("%s: end %d, \"%s\"", url, (int)result.answer.end, result.words);
        if (result.answer.end == HTTP_ANSWERED && (result.inside < 1 || atomic_load(&listener.served) != served + 1))
            fail_msg("%s: %d connections, %d requests", url, result.inside, atomic_load(&listener.served) - served);
        if (result.answer.end != HTTP_ANSWERED)
            continue; /* this libcurl cannot read it */
        reached++;
        result = run_alone(url, &public_only);
        expect_refused("literal", url, &result, 0);
        result = run_alone(with_tls, &public_only);
        expect_refused("literal", with_tls, &result, 0);
        assert_int_equal(atomic_load(&listener.served), served + 1);
    }
    assert_true(reached >= 60);
    listener_end(&listener);
}

static void set_name(const char *const *first, const char *const *later)
{
    first_answer = first;
    later_answer = later;
    atomic_store(&lookups, 0);
}

/* A libcurl with a resolver of its own does not ask getaddrinfo. */
static void need_our_names(const char *url)
{
    static const char *const answer[] = { PUBLIC, NULL };

    set_name(answer, answer);
    (void)run_alone(url, NULL);
    if (atomic_load(&lookups) == 0)
        skip();
}

static void test_names(void **state)
{
    struct listener listener;
    AUTO_STRING char *url = NULL;

    (void)state;
    listener_start(&listener, OK_HELLO);
    url = mem_format("http://" NAME ":%u/", listener.port);
    need_our_names(url);
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        const char *const alone[] = { spellings[i].address, NULL };
        const char *const behind[] = { UNREACHABLE, UNREACHABLE_V6, spellings[i].address, NULL };
        const char *const before[] = { spellings[i].address, PUBLIC, NULL };
        struct result result;

        set_name(alone, alone);
        result = run_alone(url, NULL);
        if (result.answer.end != HTTP_ANSWERED || result.inside != 1)
            fail_msg("%s, trusted: end %d, %d connections", alone[0], (int)result.answer.end, result.inside);
        result = run_alone(url, &public_only);
        expect_refused("a name", alone[0], &result, 0);

        set_name(behind, behind);
        result = run_alone(url, NULL);
        if (result.answer.end != HTTP_ANSWERED || result.inside != 1)
            fail_msg("%s behind public ones, trusted: end %d, %d connections", alone[0], (int)result.answer.end, result.inside);
        result = run_alone(url, &public_only);
        expect_refused("behind public ones that cannot be reached", alone[0], &result, 2);

        set_name(before, before); /* what may be reached is reached */
        result = run_alone(url, &public_only);
        if (result.answer.end != HTTP_ANSWERED || result.inside != 0 || result.outside != 1)
            fail_msg("%s before a public one: end %d, %d inside, %d outside, \"%s\"", alone[0], (int)result.answer.end, result.inside, result.outside, result.words);
    }
    listener_end(&listener);
}

static void test_names_that_turn(void **state)
{
    static const char *const honest[] = { PUBLIC, NULL };
    struct listener listener;
    AUTO_STRING char *url = NULL;

    (void)state;
    listener_start(&listener, OK_HELLO);
    url = mem_format("http://" NAME ":%u/", listener.port);
    need_our_names(url);
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        const char *const turned[] = { spellings[i].address, NULL };
        struct result result;

        for (int is_trusted = 0; is_trusted <= 1; is_trusted++) {
            const struct http_trust *trust = is_trusted ? NULL : &public_only;
            set_name(honest, turned);
            assert_false(http_url_is_forbidden(url, NULL, 0)); /* a look before is no protection */
            result = run_alone(url, trust);
            if (result.answer.end != HTTP_ANSWERED || result.inside != 0 || result.outside != 1)
                fail_msg("%s, first: end %d, %d inside, %d outside", turned[0], (int)result.answer.end, result.inside, result.outside);
            result = run_alone(url, trust);
            if (!is_trusted)
                expect_refused("a name that turned", turned[0], &result, 0);
            else if (result.answer.end != HTTP_ANSWERED || result.inside != 1)
                fail_msg("%s, turned, trusted: end %d, %d connections", turned[0], (int)result.answer.end, result.inside);
        }
    }
    listener_end(&listener);
}

static void test_redirects(void **state)
{
    static const char *const statuses[] = { "301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent" };
    struct listener listener;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        AUTO_STRING char *answer = mem_format("HTTP/1.1 %s\r\nLocation: http://%s:1/\r\nContent-Length: 0\r\n\r\n", statuses[i % ARRAY_LENGTH(statuses)], spellings[i].host);
        AUTO_STRING char *url = NULL;
        struct result result;

        listener_start(&listener, answer);
        url = mem_format("http://" PUBLIC ":%u/", listener.port);
        result = run_alone(url, &public_only);
        if (result.answer.end != HTTP_ANSWERED || result.answer.status / 100 != 3 || strstr(result.location, spellings[i].host) == NULL ||
            result.inside != 0 || result.outside != 1 || atomic_load(&listener.served) != 1)
            fail_msg("to %s: end %d, status %d, %d inside, %d outside", spellings[i].host, (int)result.answer.end, result.answer.status, result.inside, result.outside);
        listener_end(&listener);
    }
}

/* ---- What is let through ---- */

static void test_what_may_be_reached(void **state)
{
    static const char *const networks[] = { "10.1.0.0/16", "192.168.1.7", "no network", "fd00::/8", "127.0.0.1" };
    static const struct { const char *host; size_t count; int inside, outside; } rows[] = {
        { PUBLIC, 0, 0, 1 }, { "0x1010101", 0, 0, 1 }, { "[" PUBLIC_V6 "]", 0, 0, 1 }, { PUBLIC, ARRAY_LENGTH(networks), 0, 1 },
        { "10.1.2.3", 0, 0, 0 }, { "10.1.2.3", 1, 1, 0 }, { "0xa010203", 1, 1, 0 }, { "10.2.0.0", ARRAY_LENGTH(networks), 0, 0 },
        { "192.168.1.7", 1, 0, 0 }, { "192.168.1.7", 2, 1, 0 }, { "192.168.1.8", ARRAY_LENGTH(networks), 0, 0 },
        { "[fd00::1]", 3, 0, 0 }, { "[fd00::1]", 4, 1, 0 }, { "[fc00::1]", ARRAY_LENGTH(networks), 0, 0 },
        { "127.0.0.1", 4, 0, 0 }, { "127.0.0.1", 5, 1, 0 }, { "localhost", 5, 1, 0 }, { "[::ffff:127.0.0.1]", 5, 1, 0 },
        { "127.0.0.2", 5, 0, 0 }, { "[::1]", 5, 0, 0 },
    };
    struct listener listener;

    (void)state;
    listener_start(&listener, OK_HELLO);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_STRING char *url = mem_format("http://%s:%u/", rows[i].host, listener.port);
        const struct http_trust trust = { .public_only = true, .networks = rows[i].count > 0 ? networks : NULL, .network_count = rows[i].count };
        bool works = rows[i].inside + rows[i].outside > 0;
        struct result result = run_alone(url, &trust);

        if (!works)
            expect_refused("not listed", url, &result, 0);
        else if (result.answer.end != HTTP_ANSWERED || result.inside != rows[i].inside || result.outside != rows[i].outside)
            fail_msg("%s with %zu: end %d, %d inside, %d outside, \"%s\"", url, rows[i].count, (int)result.answer.end, result.inside, result.outside, result.words);
        if (http_url_is_forbidden(url, trust.networks, trust.network_count) == works)
            fail_msg("%s with %zu: the early word is another one", url, rows[i].count);
    }
    listener_end(&listener);
}

static void test_the_networks_may_go_after_the_start(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    struct listener listener;
    AUTO_STRING char *url = NULL;
    char *network = mem_copy_string("127.0.0.0/8");
    const char **networks = mem_alloc_array(1, sizeof *networks);
    struct http_trust *trust = mem_alloc(sizeof *trust);
    struct result result = { 0 };
    struct http_request request = { .method = "GET", .answer_maximum = 100, .timeout_ms = 15000, .trust = trust, .owner = &result, .on_done = on_done };
    struct error err = { 0 };
    http_id id;

    (void)state;
    networks[0] = network;
    *trust = (struct http_trust){ .public_only = true, .networks = networks, .network_count = 1 };
    listener_start(&listener, OK_HELLO);
    request.url = url = mem_format("http://127.0.0.1:%u/", listener.port);
    assert_int_equal(http_client_new(&client, &err), 0);
    count_from_here();
    assert_int_equal(http_start(http_client_http(client), &request, &id, &err), 0);
    memset(network, 'x', strlen(network));
    mem_free(network);
    mem_free(networks);
    mem_free(trust);
    wait_for(http_client_http(client), &result);
    assert_int_equal(result.answer.end, HTTP_ANSWERED);
    assert_int_equal(result.inside, 1);
    listener_end(&listener);
}

/* The proxy would look the name up, and connect, where we do not see it. */
static void test_never_through_a_proxy(void **state)
{
    struct listener proxy;
    AUTO_STRING char *proxy_url = NULL;
    struct http_trust trust = { 0 };
    struct result result;

    (void)state;
    listener_start(&proxy, OK_HELLO);
    proxy_url = mem_format("http://127.0.0.1:%u", proxy.port);
    assert_int_equal(setenv("http_proxy", proxy_url, 1), 0);
    assert_int_equal(setenv("all_proxy", proxy_url, 1), 0);
    trust.proxy = proxy_url;
    result = run_alone("http://" UNREACHABLE "/", &trust);
    assert_int_equal(result.answer.end, HTTP_ANSWERED);
    assert_int_equal(result.inside, 1);
    trust.public_only = true;
    result = run_alone("http://" UNREACHABLE "/", &trust);
    assert_int_equal(result.answer.end, HTTP_NOT_SENT);
    assert_int_equal(result.inside, 0);
    assert_int_equal(result.outside, 1);
    assert_null(strstr(result.words, "not public")); /* it is, and it cannot be reached */
    result = run_alone("http://10.0.0.1/", &trust);
    expect_refused("with a proxy", "http://10.0.0.1/", &result, 0);
    (void)unsetenv("http_proxy");
    (void)unsetenv("all_proxy");
    listener_end(&proxy);
}

static void test_a_refusal_is_forgotten(void **state)
{
    AUTO(http_client) struct http_client *client = NULL;
    struct error err = { 0 };
    struct result result;

    (void)state;
    assert_int_equal(http_client_new(&client, &err), 0);
    result = run(client, "http://10.0.0.1/", &public_only);
    expect_refused("first", "http://10.0.0.1/", &result, 0);
    for (int is_trusted = 0; is_trusted <= 1; is_trusted++) {
        result = run(client, "http://" UNREACHABLE "/", is_trusted ? NULL : &public_only);
        assert_int_equal(result.answer.end, HTTP_NOT_SENT);
        assert_int_equal(result.outside, 1);
        assert_null(strstr(result.words, "not public"));
    }
}

/* ---- Connections that others left ---- */

static void test_no_connection_is_shared(void **state)
{
    static const char *const loopback[] = { "127.0.0.0/8" };
    static const struct http_trust listed = { .public_only = true, .networks = loopback, .network_count = 1 };
    static const struct { const char *why; const struct http_trust *trust; bool works; int new_connections; } rows[] = {
        { "trusted: leaves its connection", NULL, true, 1 },
        { "trusted: takes it", NULL, true, 0 },
        { "not listed: does not take it", &public_only, false, 0 },
        { "trusted: still there", NULL, true, 0 },
        { "listed: makes one of its own", &listed, true, 1 },
        { "not listed, after one that was", &public_only, false, 0 },
        { "trusted: does not take that one", NULL, true, 1 },
    };
    struct raw_exchange exchanges[ARRAY_LENGTH(rows)];
    AUTO(http_client) struct http_client *client = NULL;
    AUTO_STRING char *url = NULL;
    struct raw_server *server;
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        exchanges[i] = (struct raw_exchange){ .answer = OK_HELLO };
    server = raw_server_start(exchanges, ARRAY_LENGTH(rows));
    atomic_store(&door, server->port);
    url = mem_format("http://127.0.0.1:%u/", server->port);
    assert_int_equal(http_client_new(&client, &err), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t seen = atomic_load(&server->seen_count);
        struct result result = run(client, url, rows[i].trust);
        if (!rows[i].works)
            expect_refused(rows[i].why, url, &result, 0);
        /* This server leaves the connection before when a new one comes: what a trusted request left may be gone then. */
        else if (result.answer.end != HTTP_ANSWERED || result.inside != rows[i].new_connections)
            fail_msg("%s: end %d (%s), %d connections", rows[i].why, (int)result.answer.end, result.words, result.inside);
        assert_int_equal(atomic_load(&server->seen_count), seen + (rows[i].works ? 1 : 0));
    }
    raw_server_end(server);
}

/* The second line: should curl stand somewhere else than where it was let go, or with both ends on this machine, nothing is sent. */
static void test_the_ends_are_looked_at(void **state)
{
    static const struct { const char *peer, *own, *words; } rows[] = {
        { "10.0.0.1", NULL, "its address " REFUSED },
        { NULL, PUBLIC, "its address is this machine's own: an endpoint given by API may not lead there (api.inline_networks lists exceptions)" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct listener listener;
        AUTO_STRING char *url = NULL;
        struct result result;

        listener_start(&listener, OK_HELLO);
        url = mem_format("http://" PUBLIC ":%u/", listener.port);
        told_peer = rows[i].peer;
        told_own = rows[i].own;
        result = run_alone(url, &public_only);
        told_peer = told_own = NULL;
        listener_end(&listener);
        if (rows[i].peer != NULL && strcmp(result.address, PUBLIC) == 0)
            continue; /* this libcurl does not ask the system who its peer is */
        if (result.answer.end != HTTP_NOT_SENT || result.answer.stage != HTTP_STAGE_CONNECTION || strcmp(result.words, rows[i].words) != 0)
            fail_msg("end %d, stage %d, \"%s\"", (int)result.answer.end, (int)result.answer.stage, result.words);
        assert_int_equal(atomic_load(&listener.served_bytes), 0);
    }
}

/* The same as a table, whatever curl asks. */
static void test_looked_at_again_before_the_first_byte(void **state)
{
    static const char *const networks[] = { "10.0.0.0/8" };
    static const struct { const char *why, *address; bool public_only, goes_on; const char *words, *own; } rows[] = {
        { "public", "1.1.1.1", true, true, "", "10.9.9.9" },
        { "public", "2606:4700::1111", true, true, "", "10.9.9.9" },
        { "listed", "10.1.2.3", true, true, "", "10.9.9.9" },
        { "loopback", "127.0.0.1", true, false, "its address " REFUSED, "10.9.9.9" },
        { "loopback", "::1", true, false, "its address " REFUSED, "10.9.9.9" },
        { "mapped", "::ffff:127.0.0.1", true, false, "its address " REFUSED, "10.9.9.9" },
        { "with a zone", "fe80::1%lo", true, false, "is not public", "10.9.9.9" },
        { "not told", "", true, false, "is not public", "10.9.9.9" },
        { "not told at all", NULL, true, false, "is not public", "10.9.9.9" },
        { "trusted", "127.0.0.1", false, true, "", "10.9.9.9" },
        { "trusted, not told", NULL, false, true, "", "10.9.9.9" },
        { "our own end is not known", "1.1.1.1", true, true, "", NULL },
        { "this machine by its public address", "1.1.1.1", true, false, "its address is this machine's own: ", "1.1.1.1" },
        { "this machine by its public address", "2606:4700::1111", true, false, "is this machine's own", "2606:4700::1111" },
        { "this machine, listed", "10.1.2.3", true, true, "", "10.1.2.3" },
        { "this machine, trusted", "1.1.1.1", false, true, "", "1.1.1.1" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct http_trust trust = { .public_only = rows[i].public_only, .networks = networks, .network_count = 1 };
        struct transfer *transfer = mem_alloc(sizeof *transfer);
        char *address = mem_copy_string(rows[i].address);
        char *own = mem_copy_string(rows[i].own);
        char words[HTTP_WORDS_SIZE];
        bool goes_on;

        transfer->easy = curl_easy_init();
        http_client_set_reach(transfer, &trust);
        goes_on = http_client_on_ready(transfer, address, own, 80, 40000) == CURL_PREREQFUNC_OK;
        if (goes_on != rows[i].goes_on || transfer->was_ready != goes_on)
            fail_msg("%s, %s: goes on %d, ready %d", rows[i].why, rows[i].address, goes_on, transfer->was_ready);
        if (!goes_on) {
            transfer->code = CURLE_ABORTED_BY_CALLBACK;
            http_client_describe_end(transfer, words);
            if (http_client_judge_end(transfer) != HTTP_NOT_SENT || http_client_judge_stage(transfer) != HTTP_STAGE_CONNECTION || strstr(words, rows[i].words) == NULL)
                fail_msg("%s: end %d, \"%s\"", rows[i].why, (int)http_client_judge_end(transfer), words);
        }
        curl_easy_cleanup(transfer->easy);
        mem_free(transfer->networks);
        mem_free(transfer);
        mem_free(address);
        mem_free(own);
    }
}

/* ---- The early word ---- */

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static void test_early_word(void **state)
{
    static const char *const loopback_v6[] = { "::1" };
    static const char *const names[] = {
        "http://example.org/", "https://example.org:8443/base", "http://localhost.example.org", "http://notlocalhost", "http://127.example.org",
        "http://10.0.0.1.example.org", "http://1.1.1.1", "http://0x1010101", "http://[2606:4700::1111]", "http://[::ffff:1.1.1.1]", "http://[64:ff9b::1.1.1.1]",
        "", "127.0.0.1", "http://", "http://[::1", "no url at all", "http://127.0.0.1.2", "http://256.0.0.1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        AUTO_STRING char *url = mem_format("http://%s:8000/base", spellings[i].host);
        if (!http_url_is_forbidden(url, NULL, 0) && is_ascii(url)) /* international names are not read here */
            fail_msg("%s", url);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (http_url_is_forbidden(names[i], NULL, 0))
            fail_msg("%s", names[i]);
    assert_true(http_url_is_forbidden("http://service.localhost", NULL, 0));
    assert_true(http_url_is_forbidden("http://service.localhost.", NULL, 5)); /* no list, whatever its count */
    assert_false(http_url_is_forbidden("http://localhost", loopback_v6, 1));
    assert_true(http_url_is_forbidden("http://127.0.0.1", loopback_v6, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_that_turn),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_what_may_be_reached),
        cmocka_unit_test(test_the_networks_may_go_after_the_start),
        cmocka_unit_test(test_never_through_a_proxy),
        cmocka_unit_test(test_a_refusal_is_forgotten),
        cmocka_unit_test(test_no_connection_is_shared),
        cmocka_unit_test(test_the_ends_are_looked_at),
        cmocka_unit_test(test_looked_at_again_before_the_first_byte),
        cmocka_unit_test(test_early_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
