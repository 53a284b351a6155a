/* lightrag_login.c - accounts of LightRAG: what /login answers. The token is a JWT; of what it says only its end is looked at. */
#include "sink/sink_internal.h"

#include <string.h>

enum { TOKEN_MAXIMUM = 4000 };

bool sink_is_token(const char *token)
{
    size_t size = strlen(token);

    for (size_t i = 0; i < size; i++)
        if (token[i] <= ' ' || token[i] > '~' || token[i] == ',' || token[i] == '"')
            return false;
    return size > 0 && size <= TOKEN_MAXIMUM;
}

static int value_of_digit(char digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* base64url without padding (RFC 7515); the result is as long as what could be read. */
static size_t decode(const char *from, size_t size, char *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        int value = value_of_digit(from[i]);
        if (value < 0)
            break;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[length++] = (char)(bits >> held & 0xFF);
    }
    return length;
}

int64_t sink_token_expires_ms(const char *token)
{
    const char *first = strchr(token, '.');
    const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
    char payload[TOKEN_MAXIMUM];
    yyjson_doc *document;
    yyjson_val *expires;
    int64_t seconds = -1;
    size_t size;

    if (second == NULL || second - first > TOKEN_MAXIMUM)
        return -1;
    size = decode(first + 1, (size_t)(second - first) - 1, payload);
    document = sink_parse(&(struct http_answer){ .body = payload, .body_size = size });
    expires = yyjson_obj_get(yyjson_doc_get_root(document), "exp");
    if (yyjson_is_uint(expires) && yyjson_get_uint(expires) < INT64_MAX / 1000)
        seconds = (int64_t)yyjson_get_uint(expires);
    else if (yyjson_is_real(expires) && yyjson_get_real(expires) > 0 && yyjson_get_real(expires) < 1e12)
        seconds = (int64_t)yyjson_get_real(expires);
    yyjson_doc_free(document);
    return seconds < 0 ? -1 : seconds * 1000;
}

bool sink_read_login(const struct http_answer *answer, struct text *ret_token, struct sink_login *ret_login, struct sink_verdict *ret_verdict)
{
    yyjson_doc *document;
    const char *token = "";
    bool is_well = false;

    *ret_login = (struct sink_login){ .expires_ms = -1 };
    text_clear(ret_token);
    if (sink_judge_question(answer, ret_verdict, &document)) {
        yyjson_val *root = yyjson_doc_get_root(document);
        token = sink_get_string(root, "access_token");
        ret_login->is_needless = strcmp(sink_get_string(root, "auth_mode"), "disabled") == 0;
        is_well = ret_login->is_needless || sink_is_token(token);
        if (!is_well) {
            ret_verdict->scope = SINK_STRANGE;
            sink_say(ret_verdict, "HTTP %d, but no token: this is not LightRAG's login; check lightrag.api.url", answer->status);
        } else if (!ret_login->is_needless) {
            (void)text_append(ret_token, token);
            ret_login->expires_ms = sink_token_expires_ms(token);
        }
    }
    yyjson_doc_free(document);
    return is_well;
}
