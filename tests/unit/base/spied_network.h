/* spied_network.h - names and a network of the test's own: getaddrinfo, socket, connect, getpeername and getsockname below stand before
 * libc's, also for libcurl.
 *
 * NAME leads where a test says. Every connection is counted by where it wanted to go and then made to one listener on 127.0.0.1 (but to
 * UNREACHABLE): so nothing leaves the machine, no IPv6 is needed, and whatever was let through is heard. One thread connects. */
#ifndef MC_TEST_SPIED_NETWORK_H
#define MC_TEST_SPIED_NETWORK_H

#include "base/address.h"
#include "base/auto.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define NAME "name.example"
#define PUBLIC "1.1.1.1"
#define PUBLIC_V6 "2606:4700::1111"
#define UNREACHABLE "8.8.8.8"
#define UNREACHABLE_V6 "2001:4860::8888"

static const char *const *first_answer, *const *later_answer; /* what NAME leads to, at the first look-up and at the others */
static atomic_int lookups;
static atomic_int outside, inside, sockets; /* connections that were wanted: to PUBLIC and UNREACHABLE, to anywhere else; sockets for them */
static atomic_uint door;                    /* the port where all of them arrive */
static struct sockaddr_storage peers[1024]; /* by descriptor: where its connection wanted to go, as curl may ask the system */
static const char *told_peer;               /* or what the system tells instead; NULL: that */
static const char *told_own;                /* and of our end; NULL: the truth */

int spy_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret) __asm__("getaddrinfo");
void spy_freeaddrinfo(struct addrinfo *list) __asm__("freeaddrinfo");
int spy_socket(int family, int type, int protocol) __asm__("socket");
int spy_connect(int fd, const struct sockaddr *address, socklen_t size) __asm__("connect");
int spy_getpeername(int fd, struct sockaddr *ret, socklen_t *size) __asm__("getpeername");
int spy_getsockname(int fd, struct sockaddr *ret, socklen_t *size) __asm__("getsockname");

static struct addrinfo *new_answer(const char *text, const char *service, const struct addrinfo *hints)
{
    struct { struct addrinfo info; struct sockaddr_storage address; } *block = calloc(1, sizeof *block);
    in_port_t port = htons((uint16_t)strtoul(service != NULL ? service : "0", NULL, 10));

    if (block == NULL || !address_parse(text, &block->address))
        abort();
    block->info.ai_family = block->address.ss_family;
    block->info.ai_socktype = SOCK_STREAM;
    block->info.ai_protocol = IPPROTO_TCP;
    block->info.ai_addr = (struct sockaddr *)&block->address;
    block->info.ai_addrlen = block->address.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&((struct sockaddr_in *)(void *)&block->address)->sin_port, &port, sizeof port); /* at the same place in both kinds */
    if (hints != NULL && hints->ai_family != AF_UNSPEC && hints->ai_family != block->info.ai_family) {
        free(block);
        return NULL;
    }
    return &block->info;
}

/* NAME, and what the real one reads without asking anybody: numbers in every notation, localhost. */
int spy_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    const char *numbers[] = { NULL, NULL };
    const char *const *answer = numbers;
    char text[INET_ADDRSTRLEN];
    struct in_addr number;

    *ret = NULL;
    if (strcmp(node, NAME) == 0)
        answer = atomic_fetch_add(&lookups, 1) == 0 ? first_answer : later_answer;
    else if (strcasecmp(node, "localhost") == 0 || strcasecmp(node, "localhost.") == 0)
        numbers[0] = "127.0.0.1";
    else if (inet_aton(node, &number) != 0)
        numbers[0] = inet_ntop(AF_INET, &number, text, sizeof text);
    else if (strchr(node, ':') != NULL)
        numbers[0] = node;
    for (size_t i = 0; answer[i] != NULL; i++) {
        struct addrinfo **end = ret;
        while (*end != NULL)
            end = &(*end)->ai_next;
        *end = new_answer(answer[i], service, hints);
    }
    return *ret != NULL ? 0 : EAI_NONAME;
}

void spy_freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

int spy_socket(int family, int type, int protocol)
{
    int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    bool is_inet = family == AF_INET || family == AF_INET6;

    if (is_inet && (type & 0xf) == SOCK_STREAM)
        atomic_fetch_add(&sockets, 1);
    return real(is_inet ? AF_INET : family, type, protocol);
}

static void write_address(const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
    text[0] = '\0';
    if (address->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, INET6_ADDRSTRLEN);
    else if (address->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, INET6_ADDRSTRLEN);
}

int spy_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    const struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atomic_load(&door)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char text[INET6_ADDRSTRLEN];
    bool is_unreachable;

    write_address(address, text);
    if (text[0] == '\0')
        return real(fd, address, size);
    is_unreachable = strcmp(text, UNREACHABLE) == 0 || strcmp(text, UNREACHABLE_V6) == 0;
    atomic_fetch_add(is_unreachable || strcmp(text, PUBLIC) == 0 || strcmp(text, PUBLIC_V6) == 0 ? &outside : &inside, 1);
    if (!is_unreachable && fd < (int)ARRAY_LENGTH(peers)) {
        memcpy(&peers[fd], address, size);
        return real(fd, (const struct sockaddr *)&there, sizeof there);
    }
    errno = ENETUNREACH;
    return -1;
}

static int tell(struct sockaddr_storage address, const char *instead, struct sockaddr *ret, socklen_t *size)
{
    if (instead != NULL && !address_parse(instead, &address))
        abort();
    memcpy(ret, &address, *size < sizeof address ? *size : sizeof address);
    *size = address.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    return 0;
}

int spy_getpeername(int fd, struct sockaddr *ret, socklen_t *size)
{
    return tell(peers[fd], told_peer, ret, size);
}

int spy_getsockname(int fd, struct sockaddr *ret, socklen_t *size)
{
    int (*real)(int, struct sockaddr *, socklen_t *) = (int (*)(int, struct sockaddr *, socklen_t *))dlsym(RTLD_NEXT, "getsockname");

    return told_own == NULL ? real(fd, ret, size) : tell(peers[fd], told_own, ret, size);
}

#endif
