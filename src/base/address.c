#include "base/address.h"

#include "base/auto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = 96, NAT64_BITS = 96, V4_AT = 12 /* of an IPv4 address inside an IPv6 one */ };

struct block {
    unsigned char bytes[16];
    unsigned bits;
};

static const struct block closed_v4[] = {
    { { 0 }, 8 },                 /* this network; Linux takes 0.0.0.0 for this machine */
    { { 10 }, 8 },                /* private */
    { { 100, 64 }, 10 },          /* shared by the customers of a provider; a cloud's metadata */
    { { 127 }, 8 },               /* this machine */
    { { 168, 63, 129, 16 }, 32 }, /* Azure's host, for its guests only; no registry says so */
    { { 169, 254 }, 16 },         /* the link; most clouds' metadata */
    { { 172, 16 }, 12 },          /* private */
    { { 192, 0, 0 }, 24 },        /* protocols; another cloud's metadata */
    { { 192, 0, 2 }, 24 },        /* documentation */
    { { 192, 88, 99 }, 24 },      /* relays of 6to4, given up */
    { { 192, 168 }, 16 },         /* private */
    { { 198, 18 }, 15 },          /* benchmarks */
    { { 198, 51, 100 }, 24 },     /* documentation */
    { { 203, 0, 113 }, 24 },      /* documentation */
    { { 224 }, 4 },               /* groups */
    { { 240 }, 4 },               /* reserved; 255.255.255.255 is everybody here */
};

/* Of IPv6 only this is given out: what lies outside is closed without a row (::, ::1, ::127.0.0.1, 100::, 64:ff9b:1::, 5f00::, fc00::, fe80::,
 * fec0::, ff00::). */
static const struct block global_v6 = { { 0x20 }, 3 };
static const struct block closed_v6[] = {
    { { 0x20, 0x01 }, 23 },             /* protocols, Teredo among them */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x20, 0x02 }, 16 },             /* 6to4: an IPv4 address behind a relay */
    { { 0x3f, 0xff }, 20 },             /* documentation */
};
static const struct block mapped_v6 = { { [10] = 0xff, [11] = 0xff }, MAPPED_BITS };
static const struct block nat64_v6 = { { 0x00, 0x64, 0xff, 0x9b }, NAT64_BITS };

static bool begins_with(const unsigned char *bytes, const unsigned char *begin, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned char mask = (unsigned char)(0xff00U >> bits % 8);

    if (memcmp(bytes, begin, whole) != 0)
        return false;
    return bits % 8 == 0 || (bytes[whole] & mask) == (begin[whole] & mask);
}

static bool is_in_blocks(const unsigned char *bytes, const struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins_with(bytes, blocks[i].bytes, blocks[i].bits))
            return true;
    return false;
}

/* The address as a network of its own, an IPv4 one out of its IPv6 clothes. */
static void undo_mapping(struct address_network *network)
{
    if (network->is_v4 || network->bits < MAPPED_BITS || !begins_with(network->bytes, mapped_v6.bytes, mapped_v6.bits))
        return;
    memmove(network->bytes, network->bytes + V4_AT, 4);
    memset(network->bytes + 4, 0, sizeof network->bytes - 4);
    network->bits -= MAPPED_BITS;
    network->is_v4 = true;
}

static bool read_address(const struct sockaddr *address, struct address_network *ret)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    *ret = (struct address_network){ 0 };
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        memcpy(ret->bytes, &v4.sin_addr, 4);
        ret->is_v4 = true;
        ret->bits = V4_BITS;
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&v6, address, sizeof v6);
    memcpy(ret->bytes, &v6.sin6_addr, 16);
    ret->bits = V6_BITS;
    undo_mapping(ret);
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    struct address_network read;

    if (!read_address(address, &read))
        return false;
    if (read.is_v4)
        return !is_in_blocks(read.bytes, closed_v4, ARRAY_LENGTH(closed_v4));
    if (is_in_blocks(read.bytes, &nat64_v6, 1))
        return !is_in_blocks(read.bytes + V4_AT, closed_v4, ARRAY_LENGTH(closed_v4));
    return is_in_blocks(read.bytes, &global_v6, 1) && !is_in_blocks(read.bytes, closed_v6, ARRAY_LENGTH(closed_v6));
}

bool address_is_in(const struct sockaddr *address, const struct address_network *networks, size_t count)
{
    struct address_network read;

    if (!read_address(address, &read))
        return false;
    for (size_t i = 0; i < count; i++)
        if (networks[i].is_v4 == read.is_v4 && begins_with(read.bytes, networks[i].bytes, networks[i].bits))
            return true;
    return false;
}

bool address_parse(const char *text, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memset(ret_address, 0, sizeof *ret_address);
        memcpy(ret_address, &v4, sizeof v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memset(ret_address, 0, sizeof *ret_address);
        memcpy(ret_address, &v6, sizeof v6);
        return true;
    }
    return false;
}

/* "0" to the maximum, as people write it: no sign, no blank, no 0 in front. */
static bool parse_bits(const char *text, unsigned maximum, unsigned *ret_bits)
{
    unsigned bits = 0;
    size_t length = strlen(text);

    if (length == 0 || length > 3 || strspn(text, "0123456789") != length || (text[0] == '0' && length > 1))
        return false;
    for (size_t i = 0; i < length; i++)
        bits = bits * 10 + (unsigned)(text[i] - '0');
    *ret_bits = bits;
    return bits <= maximum;
}

static void clear_behind(struct address_network *network)
{
    for (unsigned bit = network->bits; bit < V6_BITS; bit++)
        network->bytes[bit / 8] &= (unsigned char)~(0x80U >> bit % 8);
}

bool address_parse_network(const char *text, struct address_network *ret_network)
{
    struct address_network network = { 0 };
    char address[INET6_ADDRSTRLEN];
    const char *slash = text != NULL ? strchr(text, '/') : NULL;
    size_t length = text == NULL ? 0 : slash != NULL ? (size_t)(slash - text) : strlen(text);

    if (length == 0 || length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    network.is_v4 = inet_pton(AF_INET, address, network.bytes) == 1;
    if (!network.is_v4 && inet_pton(AF_INET6, address, network.bytes) != 1)
        return false;
    network.bits = network.is_v4 ? V4_BITS : V6_BITS;
    if (slash != NULL && !parse_bits(slash + 1, network.bits, &network.bits))
        return false;
    undo_mapping(&network);
    clear_behind(&network);
    if (ret_network != NULL)
        *ret_network = network;
    return true;
}
