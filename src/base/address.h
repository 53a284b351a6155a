/* address.h - which network addresses anybody may be sent to, and which a person has listed.
 *
 * Public is what IANA gave out for use in the whole internet. Not public: this machine, private and shared networks, links, groups,
 * documentation, benchmarks, what is reserved, and IPv6 addresses that stand for such an IPv4 one. The ways from IPv6 into IPv4 that
 * are judged by what is inside: ::ffff:0:0/96, which the system itself takes for the IPv4 address, and 64:ff9b::/96 (NAT64). The
 * others (6to4, Teredo, NAT64 of one's own) lead nowhere that a plain address would not, and are not public.
 *
 * Source: IANA's special-purpose address registries for IPv4 and IPv6, its list of global unicast addresses (only 2000::/3), RFC 6890,
 * 4291 (2.5.5), 6052. Where a registry's block has public exceptions (192.0.0.9, 2001:20::/28), the whole block is refused here: nobody's
 * server lives there. */
#ifndef MC_BASE_ADDRESS_H
#define MC_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct address_network {
    bool is_v4;
    unsigned bits;            /* 0..32, 0..128 */
    unsigned char bytes[16];  /* in the order of the network; bits behind the mask are 0 */
};

/* "10.1.0.0/16", "192.168.1.7", "fd00::/8", "::1"; bits behind the mask count for nothing. ::ffff:10.1.0.0/112 is 10.1.0.0/16.
 * false: neither an address nor a network, and ret_network (may be NULL) is untouched. Names and zones ("fe80::1%eth0") are neither. */
bool address_parse_network(const char *text, struct address_network *ret_network);
bool address_parse(const char *text, struct sockaddr_storage *ret_address); /* "127.0.0.1", "::1"; port 0 */

bool address_is_public(const struct sockaddr *address); /* false also for what is neither IPv4 nor IPv6 */
/* An IPv4 address written as IPv6 (::ffff:10.1.2.3) is in the IPv4 networks, and only there. */
bool address_is_in(const struct sockaddr *address, const struct address_network *networks, size_t count);

#endif
