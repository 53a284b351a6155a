/* api_guard.c - who may speak here: the Host and Origin of a request, its key, and the address it counts for. */
#include "api/api_internal.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- Host: a page of a stranger whose name was made to point here (DNS rebinding) shows that name ---- */

/* "localhost:9622" -> "localhost", "[::1]:1" -> "::1". false: no host. */
static bool take_host(const char *host, char *name, size_t room)
{
    const char *end;
    size_t length;

    if (host[0] == '[') {
        end = strchr(++host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
    } else {
        end = host + strcspn(host, ":");
    }
    length = (size_t)(end - host);
    if (length == 0 || length >= room)
        return false;
    end += *end == ']';
    if (*end == ':' && strspn(end + 1, "0123456789") != strlen(end + 1))
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    if (name[length - 1] == '.' && length > 1)
        name[length - 1] = '\0'; /* a fully qualified name */
    return true;
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool is_wildcard(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool is_loopback(const char *name)
{
    unsigned char bytes[4];

    return strcasecmp(name, "localhost") == 0 || strcmp(name, "::1") == 0 || (inet_pton(AF_INET, name, bytes) == 1 && bytes[0] == 127);
}

bool api_host_is_allowed(const struct config *config, const char *bound, const char *host)
{
    char name[256];
    char listed[256];

    if (host == NULL || !take_host(host, name, sizeof name))
        return false;
    if (is_loopback(name) || strcasecmp(name, bound) == 0)
        return true;
    if (is_wildcard(bound) && is_address(name)) /* an address needs no name server, so nobody can have turned it */
        return true;
    for (size_t i = 0; i < config->api.hosts.count; i++)
        if (strcasecmp(config->api.hosts.items[i], host) == 0 ||
            (take_host(config->api.hosts.items[i], listed, sizeof listed) && strcasecmp(listed, name) == 0))
            return true;
    return false;
}

/* ---- Origin ---- */

bool api_origin_is_same(const char *origin, const char *host)
{
    const char *rest = strncmp(origin, "http://", 7) == 0 ? origin + 7 : strncmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;

    return rest != NULL && host != NULL && strcasecmp(rest, host) == 0;
}

bool api_origin_is_listed(const struct config *config, const char *origin)
{
    if (!config->api.cors)
        return false;
    for (size_t i = 0; i < config->api.origins.count; i++)
        if (strcmp(config->api.origins.items[i], origin) == 0)
            return true;
    return false;
}

/* ---- Keys ---- */

void api_keys_set(struct api_keys *keys, const struct config *config)
{
    *keys = (struct api_keys){ .is_on = config->api.auth, .has_full = config->api.key[0] != '\0', .has_reader = config->api.read_key[0] != '\0' };
    sha256_of(config->api.key, strlen(config->api.key), keys->full);
    sha256_of(config->api.read_key, strlen(config->api.read_key), keys->reader);
}

/* Digests are compared, whole: how long it takes says nothing of the key, nor of its length. */
static bool is_equal(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE])
{
    volatile uint8_t difference = 0;

    for (size_t i = 0; i < SHA256_SIZE; i++)
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

static enum api_principal match_key(const struct api_keys *keys, const char *key)
{
    uint8_t digest[SHA256_SIZE];
    bool is_full, is_reader;

    sha256_of(key, strlen(key), digest);
    is_full = is_equal(digest, keys->full) && keys->has_full;
    is_reader = is_equal(digest, keys->reader) && keys->has_reader;
    return is_full ? API_MASTER : is_reader ? API_READER : API_NOBODY;
}

enum api_principal api_authenticate(const struct api_keys *keys, const struct http_server_request *request, bool *ret_has_key)
{
    const char *key = http_server_header(request, "X-API-Key");
    const char *authorization = http_server_header(request, "Authorization");

    *ret_has_key = false;
    if (!keys->is_on)
        return API_MASTER;
    if (key == NULL && authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0) {
        key = authorization + 7;
        while (*key == ' ')
            key++;
    }
    if (key == NULL || key[0] == '\0')
        return API_NOBODY;
    *ret_has_key = true;
    return match_key(keys, key);
}

/* ---- Whose limit it is ---- */

/* The last address of X-Forwarded-For that is no trusted proxy: what stands before it, anybody may have written. */
static bool take_forwarded(const struct config *config, const char *list, char *ret_address)
{
    size_t end = strlen(list);

    for (;;) {
        size_t begin = end;
        size_t from, to;
        char address[HTTP_SERVER_PEER_SIZE];
        bool is_proxy = false;
        while (begin > 0 && list[begin - 1] != ',')
            begin--;
        for (from = begin; from < end && list[from] == ' ';)
            from++;
        for (to = end; to > from && list[to - 1] == ' ';)
            to--;
        if (to - from == 0 || to - from >= sizeof address)
            return false;
        memcpy(address, list + from, to - from);
        address[to - from] = '\0';
        if (!is_address(address))
            return false;
        for (size_t i = 0; i < config->api.proxies.count; i++)
            is_proxy = is_proxy || strcmp(config->api.proxies.items[i], address) == 0;
        if (!is_proxy) {
            memcpy(ret_address, address, to - from + 1);
            return true;
        }
        if (begin == 0)
            return false;
        end = begin - 1;
    }
}

void api_client_address(const struct config *config, const struct http_server_request *request, char ret_address[HTTP_SERVER_PEER_SIZE])
{
    const char *forwarded = http_server_header(request, "X-Forwarded-For");

    http_server_peer(request, ret_address);
    if (forwarded == NULL)
        return;
    for (size_t i = 0; i < config->api.proxies.count; i++) {
        if (strcmp(config->api.proxies.items[i], ret_address) != 0)
            continue;
        (void)take_forwarded(config, forwarded, ret_address);
        return;
    }
}
