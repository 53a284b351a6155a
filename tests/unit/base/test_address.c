/* test_address.c - what is public, at both ends of every range, and how networks are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/address.h"
#include "base/auto.h"

#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = { 0 };

    if (!address_parse(text, &address))
        fail_msg("%s is no address", text);
    return address;
}

static void expect_public(const char *why, const char *text, bool is_public)
{
    struct sockaddr_storage address = address_of(text);

    if (address_is_public((const struct sockaddr *)&address) != is_public)
        fail_msg("%s: %s is %s", why, text, is_public ? "not public" : "public");
}

static void test_ranges(void **state)
{
    /* The first and the last address of what is closed, and their open neighbours; NULL where the neighbour is closed, too. */
    static const struct { const char *why, *before, *first, *last, *behind; } rows[] = {
        { "this network", NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0" },
        { "private", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0" },
        { "shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0" },
        { "this machine", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0" },
        { "the host of a cloud", "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17" },
        { "the link", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0" },
        { "private", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0" },
        { "protocols", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0" },
        { "documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0" },
        { "6to4 relays", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0" },
        { "private", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0" },
        { "benchmarks", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0" },
        { "documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0" },
        { "documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0" },
        { "groups and reserved", "223.255.255.255", "224.0.0.0", "255.255.255.255", NULL },
        { "the end of the groups", NULL, "239.255.255.255", "240.0.0.0", NULL },

        { "none, this machine, old IPv4 inside", NULL, "::", "::ffff:ffff", NULL },
        { "before the mapped ones", NULL, "::1:0:0", "::fffe:ffff:ffff", NULL },
        { "behind the mapped ones", NULL, "::1:0:0:0", "::ffff:0:127.0.0.1", NULL },
        { "mapped: private", "::ffff:9.255.255.255", "::ffff:10.0.0.0", "::ffff:10.255.255.255", "::ffff:11.0.0.0" },
        { "mapped: this machine", "::ffff:126.255.255.255", "::ffff:127.0.0.0", "::ffff:7fff:ffff", "::ffff:128.0.0.0" },
        { "mapped: the ends", NULL, "::ffff:0.0.0.0", "::ffff:0.255.255.255", "::ffff:1.0.0.0" },
        { "before NAT64", NULL, "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9a::8.8.8.8", NULL },
        { "NAT64: private", "64:ff9b::9.255.255.255", "64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", "64:ff9b::11.0.0.0" },
        { "NAT64: the link", "64:ff9b::169.253.255.255", "64:ff9b::169.254.0.0", "64:ff9b::a9fe:ffff", "64:ff9b::169.255.0.0" },
        { "behind NAT64", NULL, "64:ff9b::1:0:0", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", NULL },
        { "NAT64 of one's own", NULL, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:808:808", NULL },
        { "discarded", NULL, "100::", "100::ffff:ffff:ffff:ffff", NULL },
        { "not given out", NULL, "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::" },
        { "protocols, Teredo", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::" },
        { "documentation", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::" },
        { "6to4", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::" },
        { "documentation", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::" },
        { "not given out", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
        { "segment routing", NULL, "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
        { "unique local", NULL, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
        { "the link", NULL, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
        { "the site of old", NULL, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
        { "groups", NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        expect_public(rows[i].why, rows[i].first, false);
        expect_public(rows[i].why, rows[i].last, false);
        if (rows[i].before != NULL)
            expect_public(rows[i].why, rows[i].before, true);
        if (rows[i].behind != NULL)
            expect_public(rows[i].why, rows[i].behind, true);
    }
}

static void test_what_is_no_address(void **state)
{
    const struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "socket" };
    const struct sockaddr_storage nothing = { .ss_family = AF_UNSPEC };
    static const char *const words[] = { "", "localhost", "127.1", "0x7f.0.0.1", "1.2.3.4 ", "1.2.3.4.", "[::1]", "fe80::1%lo", "::1/128", ":::" };
    struct address_network everything[2];
    struct sockaddr_storage parsed;

    (void)state;
    assert_true(address_parse_network("0.0.0.0/0", &everything[0]));
    assert_true(address_parse_network("::/0", &everything[1]));
    assert_false(address_is_public((const struct sockaddr *)&local));
    assert_false(address_is_in((const struct sockaddr *)&local, everything, 2));
    assert_false(address_is_public((const struct sockaddr *)&nothing));
    assert_false(address_is_in((const struct sockaddr *)&nothing, everything, 2));
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (address_parse(words[i], &parsed))
            fail_msg("\"%s\" was taken for an address", words[i]);
}

static void test_networks(void **state)
{
    static const struct { const char *network, *inside[3], *outside[4]; } rows[] = {
        { "10.1.0.0/16", { "10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3" }, { "10.0.255.255", "10.2.0.0", "::ffff:10.2.0.0", "64:ff9b::10.1.2.3" } },
        { "10.1.2.3/16", { "10.1.0.0", "10.1.255.255" }, { "10.0.255.255", "10.2.0.0" } }, /* what stands behind the mask counts for nothing */
        { "192.168.1.7", { "192.168.1.7", "::ffff:192.168.1.7" }, { "192.168.1.6", "192.168.1.8", "::192.168.1.7" } },
        { "192.168.1.7/32", { "192.168.1.7" }, { "192.168.1.6", "192.168.1.8" } },
        { "192.168.1.7/31", { "192.168.1.6", "192.168.1.7" }, { "192.168.1.5", "192.168.1.8" } },
        { "172.16.0.0/12", { "172.16.0.0", "172.31.255.255" }, { "172.15.255.255", "172.32.0.0" } },
        { "128.0.0.0/1", { "128.0.0.0", "255.255.255.255" }, { "127.255.255.255", "8000::" } },
        { "0.0.0.0/0", { "0.0.0.0", "255.255.255.255", "::ffff:127.0.0.1" }, { "::1", "::", "fd00::1" } },
        { "::1", { "::1", "0:0:0:0:0:0:0:1" }, { "::", "::2", "127.0.0.1", "::ffff:127.0.0.1" } },
        { "fd00::/8", { "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" }, { "fcff::", "fe00::", "253.0.0.0" } },
        { "fd12:3456::7/33", { "fd12:3456::", "fd12:3456:7fff:ffff::" }, { "fd12:3456:8000::", "fd12:3455:ffff::" } },
        { "fd00::1/127", { "fd00::", "fd00::1" }, { "fd00::2" } },
        { "::/0", { "::1", "fd00::1", "2001:db8::1" }, { "127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1" } }, /* all of IPv6 opens nothing of IPv4 */
        { "::ffff:10.1.0.0/112", { "10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3" }, { "10.2.0.0", "::10.1.2.3" } },
        { "::ffff:0:0/96", { "0.0.0.0", "::ffff:255.255.255.255" }, { "::1", "::" } },
        { "::FFFF:127.0.0.1", { "127.0.0.1", "::ffff:7f00:1" }, { "127.0.0.2", "::1" } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct address_network network;
        if (!address_parse_network(rows[i].network, &network))
            fail_msg("%s is refused", rows[i].network);
        assert_true(address_parse_network(rows[i].network, NULL));
        for (size_t j = 0; j < ARRAY_LENGTH(rows[i].inside) && rows[i].inside[j] != NULL; j++) {
            struct sockaddr_storage address = address_of(rows[i].inside[j]);
            if (!address_is_in((const struct sockaddr *)&address, &network, 1))
                fail_msg("%s is not in %s", rows[i].inside[j], rows[i].network);
            assert_false(address_is_in((const struct sockaddr *)&address, &network, 0));
        }
        for (size_t j = 0; j < ARRAY_LENGTH(rows[i].outside) && rows[i].outside[j] != NULL; j++) {
            struct sockaddr_storage address = address_of(rows[i].outside[j]);
            if (address_is_in((const struct sockaddr *)&address, &network, 1))
                fail_msg("%s is in %s", rows[i].outside[j], rows[i].network);
        }
    }
}

static void test_several_networks(void **state)
{
    static const char *const listed[] = { "10.1.0.0/16", "fd00::/8", "192.168.1.7" };
    static const struct { const char *address; bool is_in; } rows[] = {
        { "10.1.2.3", true }, { "fd00::1", true }, { "192.168.1.7", true }, { "192.168.1.8", false }, { "127.0.0.1", false }, { "::1", false },
    };
    struct address_network networks[ARRAY_LENGTH(listed)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(listed); i++)
        assert_true(address_parse_network(listed[i], &networks[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sockaddr_storage address = address_of(rows[i].address);
        if (address_is_in((const struct sockaddr *)&address, networks, ARRAY_LENGTH(networks)) != rows[i].is_in)
            fail_msg("%s", rows[i].address);
    }
}

static void test_what_is_no_network(void **state)
{
    static const char *const words[] = {
        "", " ", "/", "/8", "10", "10.1", "10.1/16", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ",
        " 10.0.0.0/8", "10.0.0.0/08", "10.0.0.0/00", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0", "10.0.0.0/0x8", "10.0.0.0/4294967304", "10.0.0.256",
        "0x7f.0.0.1", "10.0.0.0.", "localhost", "localhost/8", "example.org", "*", "10.*", "::/129", "::1/1000", "fd00::/", "[::1]", "[fd00::]/8",
        "fe80::1%lo", "fe80::%2/10", "fd00:/8", ":::/8", "::ffff:10.1.0.0/129", "http://10.0.0.1", "10.0.0.1:80", "10.0.0.1,10.0.0.2",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64",
    };
    const struct address_network before = { .bits = 77 };
    struct address_network network = before;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (address_parse_network(words[i], &network))
            fail_msg("\"%s\" was taken for a network", words[i]);
    assert_false(address_parse_network(NULL, &network));
    assert_memory_equal(&network, &before, sizeof before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_several_networks),
        cmocka_unit_test(test_what_is_no_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
