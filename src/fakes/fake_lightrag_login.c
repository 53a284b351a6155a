/* fake_lightrag_login.c - accounts: /login, the tokens it gives, the lock after wrong passwords (1.5 only), the new token past half of a life (1.5 only).
 *
 * A token is a JWT in form: {"sub","exp"} can be read by everybody, but the signature is only the series that it belongs to. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRONG_MAXIMUM = 5, LOCK_MS = 299 * 1000, HEAD_SIZE = 9 };
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char head[HEAD_SIZE + 1] = "eyJhIjowf"; /* any */

static void append_base64url(struct text *out, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i < 3 ? size - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < left ? (uint8_t)bytes[i + k] : 0U);
        for (size_t k = 0; k <= left; k++)
            (void)text_append_char(out, digits[bits >> (18 - 6 * k) & 63]);
    }
}

/* HEAD.PAYLOAD.SERIES-END: the end of its life stands behind the payload once more, so that nothing has to be decoded here. */
static void append_token(const struct fake_lightrag *fake, struct text *out)
{
    long long end = fake->now_ms / 1000 + fake->token_life_s;
    AUTO_STRING char *payload = mem_format("{\"sub\":\"%.*s\",\"exp\":%lld,\"role\":\"user\"}", (int)strcspn(fake->account, ":"), fake->account, end);

    (void)text_append_bytes(out, head, HEAD_SIZE);
    (void)text_append_char(out, '.');
    append_base64url(out, payload, strlen(payload));
    (void)text_append_format(out, ".%lld-%lld", (long long)fake->token_series, end);
}

/* The end of the token's life in seconds; -1: it is none, or over. */
static long long read_token(const struct fake_lightrag *fake, const struct fake_request *request)
{
    const char *words = request->authorization;
    const char *last = words != NULL ? strrchr(words, '.') : NULL;
    char *rest;
    long long series, end;

    if (last == NULL || strncmp(words, "Bearer ", 7) != 0 || strncmp(words + 7, head, HEAD_SIZE) != 0)
        return -1;
    series = strtoll(last + 1, &rest, 10);
    if (*rest != '-' || series != fake->token_series)
        return -1;
    end = strtoll(rest + 1, &rest, 10);
    return *rest == '\0' && end * 1000 > fake->now_ms ? end : -1;
}

bool fake_has_token(struct fake_lightrag *fake, const struct fake_request *request)
{
    return fake->account[0] != '\0' && read_token(fake, request) >= 0;
}

void fake_renew_token(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    AUTO_DONE(text) struct text token = { 0 };
    long long end = fake->account[0] != '\0' && fake->renews_token ? read_token(fake, request) : -1;

    if (end < 0 || end - fake->now_ms / 1000 > fake->token_life_s / 2 || answer->headers[0] != NULL)
        return;
    text_init(&token, 0);
    append_token(fake, &token);
    (void)snprintf(fake->header, sizeof fake->header, "x-new-token: %s", token.data);
    answer->headers[0] = fake->header;
    fake->renews_token = false;
}

static int value_of(char hex)
{
    return hex >= '0' && hex <= '9' ? hex - '0' : (hex | 32) >= 'a' && (hex | 32) <= 'f' ? (hex | 32) - 'a' + 10 : -1;
}

/* The value of a field of a form, decoded; NULL when it is not there. */
static char *read_field(const struct fake_request *request, const char *name)
{
    size_t length = strlen(name);
    AUTO_DONE(text) struct text value = { 0 };

    text_init(&value, 0);
    for (size_t at = 0; at < request->body_size;) {
        const char *part = request->body + at;
        const char *end = memchr(part, '&', request->body_size - at);
        size_t size = end != NULL ? (size_t)(end - part) : request->body_size - at;
        at += size + 1;
        if (size <= length || part[length] != '=' || strncmp(part, name, length) != 0)
            continue;
        for (size_t i = length + 1; i < size; i++) {
            bool is_escape = part[i] == '%' && i + 2 < size && value_of(part[i + 1]) >= 0 && value_of(part[i + 2]) >= 0;
            (void)text_append_char(&value, is_escape ? (char)(value_of(part[i + 1]) * 16 + value_of(part[i + 2])) : part[i] == '+' ? ' ' : part[i]);
            i += is_escape ? 2 : 0;
        }
        return mem_copy_bytes(value.data, value.size);
    }
    return NULL;
}

static void say_welcome(struct fake_lightrag *fake, struct http_server_answer *answer, const char *mode)
{
    AUTO_DONE(text) struct text token = { 0 };

    text_init(&token, 0);
    append_token(fake, &token);
    (void)text_append_format(&answer->body, "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"auth_mode\":\"%s\",\"core_version\":\"%s\"}", token.data, mode,
                             fake->settings.is_14 ? "v1.4.9.9" : "1.5.7");
}

void fake_answer_login(struct fake_lightrag *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    AUTO_STRING char *name = read_field(request, "username");
    AUTO_STRING char *password = read_field(request, "password");
    AUTO_STRING char *both = mem_format("%s:%s", name != NULL ? name : "", password != NULL ? password : "");

    if (name == NULL || password == NULL) {
        answer->status = 422;
        (void)text_append(&answer->body, "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"username\"],\"msg\":\"Field required\",\"input\":null}]}");
    } else if (fake->account[0] == '\0') {
        say_welcome(fake, answer, "disabled");
    } else if (!fake->settings.is_14 && fake->login_locked_ms > fake->now_ms) {
        fake_say(answer, 429, "Too many failed login attempts. Please try again later.");
        (void)snprintf(fake->header, sizeof fake->header, "Retry-After: %lld", (long long)(fake->login_locked_ms - fake->now_ms + 999) / 1000);
        answer->headers[0] = fake->header;
    } else if (strcmp(both, fake->account) == 0) {
        fake->logins++;
        say_welcome(fake, answer, "enabled");
    } else {
        if (++fake->wrong_logins % WRONG_MAXIMUM == 0)
            fake->login_locked_ms = fake->now_ms + LOCK_MS;
        fake_say(answer, 401, "Incorrect credentials");
    }
}
