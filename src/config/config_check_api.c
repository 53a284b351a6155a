/* config_check_api.c - what the management API is told of others: origins of pages, and proxies. */
#include "config/node.h"

#include "base/address.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <string.h>

/* "https://app.example.org:8443", as a browser writes it: compared letter for letter. */
static bool is_origin(const char *origin)
{
    const char *host = strncmp(origin, "https://", 8) == 0 ? origin + 8 : strncmp(origin, "http://", 7) == 0 ? origin + 7 : "";

    return host[0] != '\0' && host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]")] == '\0';
}

static bool is_address(const char *address)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

/* What a proxy leads to, nobody here can see. */
static void check_inline(const struct config *config, const struct node *root, struct config_problems *problems)
{
    static const char path[] = "api.allow_inline_endpoints";

    if (config->api.inline_endpoints && config->http.proxy[0] != '\0')
        config_error(problems, node_at(root, path, NULL), path,
                     "does not go with http.proxy: which address a server of a connector made by API has could not be checked behind a proxy");
    for (size_t i = 0; i < config->api.networks.count; i++) {
        AUTO_STRING char *item = mem_format("api.inline_networks[%zu]", i);
        if (!address_parse_network(config->api.networks.items[i], NULL))
            config_error(problems, node_at(root, item, NULL), item, "\"%.80s\" is neither an address nor a network such as 10.1.0.0/16", config->api.networks.items[i]);
    }
}

void config_check_api(const struct config *config, const struct node *root, struct config_problems *problems)
{
    for (size_t i = 0; i < config->api.origins.count; i++) {
        AUTO_STRING char *path = mem_format("api.cors.origins[%zu]", i);
        if (!is_origin(config->api.origins.items[i]))
            config_error(problems, node_at(root, path, NULL), path, "\"%.80s\" is no origin: a scheme and a host in small letters, with a port where it has one, such as "
                         "https://app.example.org; there is no \"*\"", config->api.origins.items[i]);
    }
    if (config->api.cors && config->api.origins.count == 0)
        config_error(problems, node_at(root, "api.cors.enabled", NULL), "api.cors.enabled", "needs api.cors.origins: the origins that may ask");
    for (size_t i = 0; i < config->api.proxies.count; i++) {
        AUTO_STRING char *path = mem_format("api.trusted_proxies[%zu]", i);
        if (!is_address(config->api.proxies.items[i]))
            config_error(problems, node_at(root, path, NULL), path, "\"%.80s\" is no address of a proxy", config->api.proxies.items[i]);
    }
    check_inline(config, root, problems);
}
