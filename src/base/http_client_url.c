/* http_client_url.c - URLs, judged by the same parser that connects. */
#include "base/http_client.h"

#include "base/address.h"
#include "base/mem.h"

#include <curl/curl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Out of memory is no fault of the URL. */
static CURLUcode checked(CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        mem_end_program();
    return code;
}

static CURLU *new_url(void)
{
    CURLU *parsed = curl_url();

    if (parsed == NULL)
        mem_end_program();
    return parsed;
}

static int url_error(struct error *err, const char *url, const char *why)
{
    return error_set(err, ERROR_CONFIG, "\"%.200s\" is no URL for a server: %s", url, why);
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
    char *value = NULL;
    bool has = checked(curl_url_get(parsed, part, &value, 0)) == CURLUE_OK && value != NULL;

    curl_free(value);
    return has;
}

static int check_parts(CURLU *parsed, const char *url, struct error *err)
{
    char *scheme = NULL;
    bool is_http;

    if (checked(curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0)) != CURLUE_OK)
        return url_error(err, url, "it must begin with http:// or https://");
    is_http = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
    curl_free(scheme);
    if (!is_http)
        return url_error(err, url, "only http and https are possible");
    if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD))
        return error_set(err, ERROR_CONFIG, "the URL has a user name or password inside: use the api_key setting instead");
    if (has_part(parsed, CURLUPART_QUERY) || has_part(parsed, CURLUPART_FRAGMENT))
        return url_error(err, url, "it must have no \"?\" and no \"#\"");
    return 0;
}

int http_url_check(const char *url, struct text *ret_normal, struct error *err)
{
    CURLU *parsed = new_url();
    CURLUcode code;
    char *whole = NULL;
    size_t length;
    int result = -1;

    code = strstr(url, "://") == NULL ? CURLUE_BAD_SCHEME : checked(curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME));
    if (code != CURLUE_OK) {
        (void)url_error(err, url, strstr(url, "://") == NULL ? "it must begin with http:// or https://" : curl_url_strerror(code));
    } else if (check_parts(parsed, url, err) == 0) {
        if (checked(curl_url_get(parsed, CURLUPART_URL, &whole, 0)) == CURLUE_OK) {
            length = strlen(whole);
            while (length > 0 && whole[length - 1] == '/')
                length--;
            text_clear(ret_normal);
            (void)text_append_bytes(ret_normal, whole, length);
            result = 0;
        } else {
            (void)url_error(err, url, "it cannot be read");
        }
    }
    curl_free(whole);
    curl_url_cleanup(parsed);
    return result;
}

bool http_url_is_loopback(const char *url)
{
    CURLU *parsed = new_url();
    struct in_addr address;
    char *host = NULL;
    bool is_loopback = false;

    if (checked(curl_url_set(parsed, CURLUPART_URL, url, 0)) == CURLUE_OK && checked(curl_url_get(parsed, CURLUPART_HOST, &host, 0)) == CURLUE_OK)
        is_loopback = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                      (inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127); /* not a name such as 127.example.org */
    curl_free(host);
    curl_url_cleanup(parsed);
    return is_loopback;
}

static bool is_allowed(const char *address, const char *const *networks, size_t count)
{
    struct sockaddr_storage parsed;
    struct address_network network;

    if (!address_parse(address, &parsed) || address_is_public((const struct sockaddr *)&parsed))
        return true;
    for (size_t i = 0; i < count; i++)
        if (address_parse_network(networks[i], &network) && address_is_in((const struct sockaddr *)&parsed, &network, 1))
            return true;
    return false;
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t length = strlen(host);
    size_t own = sizeof name - 1;

    return length >= own && strcasecmp(host + length - own, name) == 0 && (length == own || host[length - own - 1] == '.'); /* RFC 6761 */
}

/* curl has written IPv4 addresses in their usual way, but not those with a dot behind or with %31; the system reads them, too. */
static bool is_host_allowed(char *host, const char *const *networks, size_t count)
{
    char address[INET_ADDRSTRLEN];
    size_t length = strlen(host);
    struct in_addr number;

    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return is_allowed(host + 1, networks, count);
    }
    if (length > 1 && host[length - 1] == '.')
        host[length - 1] = '\0';
    if (is_localhost(host))
        return is_allowed("127.0.0.1", networks, count) || is_allowed("::1", networks, count);
    if (inet_aton(host, &number) == 0 || inet_ntop(AF_INET, &number, address, sizeof address) == NULL)
        return true; /* a name: where it leads is seen when the connection is made */
    return is_allowed(address, networks, count);
}

bool http_url_is_forbidden(const char *url, const char *const *networks, size_t count)
{
    CURLU *parsed = new_url();
    char *host = NULL;
    bool is_forbidden = false;

    if (checked(curl_url_set(parsed, CURLUPART_URL, url, 0)) == CURLUE_OK &&
        checked(curl_url_get(parsed, CURLUPART_HOST, &host, CURLU_URLDECODE)) == CURLUE_OK)
        is_forbidden = !is_host_allowed(host, networks, networks != NULL ? count : 0);
    curl_free(host);
    curl_url_cleanup(parsed);
    return is_forbidden;
}

const char *http_client_version(void)
{
    static char version[100];
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    (void)snprintf(version, sizeof version, "libcurl/%s %s", info->version, info->ssl_version != NULL ? info->ssl_version : "no TLS");
    return version;
}

void http_url_encode(struct text *out, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        bool is_plain = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                        byte == '_' || byte == '.' || byte == '~';
        if (is_plain)
            (void)text_append_char(out, (char)byte);
        else
            (void)text_append_bytes(out, (const char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
    }
}
