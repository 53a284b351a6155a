#include "fakes/fake_memory_internal.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 10, DEFAULT_DRIP_MS = 10 };

static const int64_t DAY_MS = 86400000;

struct fault {
    int64_t times;                /* how many listings it spoils; < 0: all */
    int64_t status;               /* 0: none */
    int64_t cut, cut_chunked, reset, stall, drip; /* -1: not */
    int64_t drip_ms, latency_ms;
    bool html, gzip;
    char *redirect, *raw, *retry_after; /* NULL: none */
};

struct fake_memory_api {
    struct fake_memory_data data;
    char *api_key;
    struct fault fault;
    int64_t listings, denied, requests;
    char headers[2][300];         /* of the answer in hand */
};

static void say(struct http_server_answer *answer, int status, const char *detail)
{
    struct json_writer writer;

    answer->status = status;
    json_write_begin(&writer, &answer->body);
    json_write_open_object(&writer, NULL);
    json_write_string(&writer, "detail", detail);
    json_write_close(&writer);
}

/* ---- gzip without packing: blocks that are stored ---- */

static uint32_t crc_of(const char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static void append_number(struct text *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        (void)text_append_char(out, (char)(value >> (8 * i) & 0xFFu));
}

static void wrap_gzip(struct text *body)
{
    enum { BLOCK = 65535 };
    struct text out;

    text_init(&out, 0);
    (void)text_append_bytes(&out, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    for (size_t at = 0; at <= body->size; at += BLOCK) {
        size_t size = body->size - at < BLOCK ? body->size - at : BLOCK;
        (void)text_append_char(&out, size < BLOCK ? 1 : 0); /* the last block is a short one, maybe empty */
        append_number(&out, (uint32_t)size, 2);
        append_number(&out, ~(uint32_t)size & 0xFFFFu, 2);
        (void)text_append_bytes(&out, body->data + at, size);
        if (size < BLOCK)
            break;
    }
    append_number(&out, crc_of(body->data, body->size), 4);
    append_number(&out, (uint32_t)body->size, 4);
    text_done(body);
    *body = out;
}

/* ---- Listings ---- */

static int64_t range_ms(const char *range)
{
    static const struct { const char *name; int64_t days; } ranges[] = { { "day", 1 }, { "week", 7 }, { "month", 31 }, { "all", 0 } };

    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++)
        if (strcmp(ranges[i].name, range) == 0)
            return ranges[i].days * DAY_MS;
    return -1;
}

static void answer_listing(struct fake_memory_api *fake, const char *context, const struct fake_request *request, struct http_server_answer *answer)
{
    int64_t limit = request->limit != NULL ? strtoll(request->limit, NULL, 10) : DEFAULT_LIMIT;
    int64_t range = range_ms(request->range != NULL ? request->range : "week");

    if (limit < 1 || range < 0)
        say(answer, 422, "limit or range is not valid");
    else if (!fake_data_has_context(&fake->data, context))
        say(answer, 404, "context not found");
    else if (fake->data.document == NULL)
        fake_data_stream(&fake->data, limit, answer);
    else
        fake_data_list(&fake->data, context, limit, range, &answer->body);
}

/* ---- Faults ---- */

static void clear_fault(struct fault *fault)
{
    mem_free(fault->redirect);
    mem_free(fault->raw);
    mem_free(fault->retry_after);
    *fault = (struct fault){ .cut = -1, .cut_chunked = -1, .reset = -1, .stall = -1, .drip = -1, .drip_ms = DEFAULT_DRIP_MS };
}

/* true: the answer is made. */
static bool replace_answer(struct fake_memory_api *fake, struct http_server_answer *answer)
{
    const struct fault *fault = &fake->fault;
    size_t headers = 0;

    if (fault->retry_after != NULL) {
        (void)snprintf(fake->headers[0], sizeof fake->headers[0], "Retry-After: %s", fault->retry_after);
        answer->headers[headers++] = fake->headers[0];
    }
    if (fault->redirect != NULL) {
        (void)snprintf(fake->headers[1], sizeof fake->headers[1], "Location: %s", fault->redirect);
        answer->headers[headers] = fake->headers[1];
        say(answer, fault->status != 0 ? (int)fault->status : 302, "elsewhere");
    } else if (fault->html) {
        answer->content_type = "text/html";
        answer->status = fault->status != 0 ? (int)fault->status : 200;
        (void)text_append(&answer->body, "<!DOCTYPE html><html><body>Please log in</body></html>");
    } else if (fault->raw != NULL) {
        answer->status = fault->status != 0 ? (int)fault->status : 200;
        (void)text_append(&answer->body, fault->raw);
    } else if (fault->status != 0) {
        say(answer, (int)fault->status, "scripted fault");
    } else {
        return false;
    }
    return true;
}

static void spoil_sending(const struct fault *fault, struct http_server_answer *answer)
{
    const struct { int64_t after; enum http_server_fault fault; } ways[] = {
        { fault->cut, HTTP_SERVER_CUT }, { fault->cut_chunked, HTTP_SERVER_CUT_CHUNKED }, { fault->reset, HTTP_SERVER_RESET },
        { fault->stall, HTTP_SERVER_STALL }, { fault->drip, HTTP_SERVER_DRIP },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        if (ways[i].after < 0)
            continue;
        answer->fault = ways[i].fault;
        answer->cut_after = (size_t)ways[i].after;
    }
    if (answer->fault == HTTP_SERVER_DRIP)
        answer->delay_ms = fault->drip_ms;
    if (fault->gzip && answer->produce == NULL) {
        wrap_gzip(&answer->body);
        answer->headers[0] = "Content-Encoding: gzip";
    }
}

static void answer_memories(struct fake_memory_api *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    struct fault *fault = &fake->fault;
    bool is_spoilt = fault->times != 0;

    fake->listings++;
    if (fault->times > 0)
        fault->times--;
    answer->delay_ms = is_spoilt ? fault->latency_ms : 0;
    if (is_spoilt && replace_answer(fake, answer))
        return;
    answer_listing(fake, request->path + strlen("/memory/"), request, answer);
    if (is_spoilt)
        spoil_sending(fault, answer);
}

/* ---- Control ---- */

struct knob { const char *name; int64_t *number; char **word; bool *is_on; };

static bool turn_knob(struct fault *fault, const char *name, yyjson_val *value)
{
    const struct knob knobs[] = {
        { "times", &fault->times, NULL, NULL }, { "status", &fault->status, NULL, NULL }, { "cut", &fault->cut, NULL, NULL },
        { "cut_chunked", &fault->cut_chunked, NULL, NULL }, { "reset", &fault->reset, NULL, NULL }, { "stall", &fault->stall, NULL, NULL },
        { "drip", &fault->drip, NULL, NULL }, { "drip_ms", &fault->drip_ms, NULL, NULL }, { "latency_ms", &fault->latency_ms, NULL, NULL },
        { "html", NULL, NULL, &fault->html }, { "gzip", NULL, NULL, &fault->gzip }, { "redirect", NULL, &fault->redirect, NULL },
        { "raw", NULL, &fault->raw, NULL }, { "retry_after", NULL, &fault->retry_after, NULL },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(knobs); i++) {
        if (strcmp(knobs[i].name, name) != 0)
            continue;
        if (knobs[i].number != NULL && yyjson_is_int(value))
            *knobs[i].number = yyjson_get_sint(value);
        else if (knobs[i].is_on != NULL && yyjson_is_bool(value))
            *knobs[i].is_on = yyjson_is_true(value);
        else if (knobs[i].word != NULL && yyjson_is_str(value))
            *knobs[i].word = mem_copy_string(yyjson_get_str(value));
        else
            return false;
        return true;
    }
    return false;
}

/* -1: no word about data; 0: it did not work; 1: done. */
static int change_data(struct fake_memory_api *fake, const struct fake_request *request, yyjson_val *root)
{
    yyjson_val *upsert = yyjson_obj_get(root, "upsert");
    yyjson_val *deleted = yyjson_obj_get(root, "delete");
    yyjson_val *now = yyjson_obj_get(root, "now");
    const char *context = yyjson_get_str(yyjson_obj_get(root, "context"));
    bool is_new = yyjson_obj_get(root, "memories") != NULL || yyjson_obj_get(root, "contexts") != NULL;

    if (!is_new && upsert == NULL && deleted == NULL && now == NULL)
        return -1;
    if (is_new && fake_data_load(&fake->data, request->body, request->body_size, NULL) < 0)
        return 0;
    if (now != NULL && (!yyjson_is_str(now) || !time_text_parse(yyjson_get_str(now), yyjson_get_len(now), &fake->data.now_ms)))
        return 0;
    return (upsert == NULL || fake_data_upsert(&fake->data, context, upsert)) && (deleted == NULL || fake_data_delete(&fake->data, context, deleted));
}

static void control(struct fake_memory_api *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(document);
    int changed = yyjson_is_obj(root) ? change_data(fake, request, root) : 0;
    bool is_well = changed != 0;
    yyjson_val *key, *value;
    size_t index, count;

    if (changed < 0) {
        clear_fault(&fake->fault);
        fake->fault.times = -1;
        yyjson_obj_foreach(root, index, count, key, value)
            is_well = is_well && turn_knob(&fake->fault, yyjson_get_str(key), value);
    }
    yyjson_doc_free(document);
    if (is_well)
        (void)text_append(&answer->body, "{}");
    else
        say(answer, 422, "no such knob, or not such a value");
}

/* ---- The whole ---- */

void fake_memory_api_handle(void *context, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    struct fake_memory_api *fake = context;
    bool is_listing = strncmp(request->path, "/memory/", 8) == 0 && request->path[8] != '\0';
    bool is_denied = fake->api_key[0] != '\0' && (request->api_key == NULL || strcmp(request->api_key, fake->api_key) != 0);

    (void)now_ms; /* ranges count back from what control says, or from the newest memory */
    if (strcmp(request->path, "/_fake/control") == 0) {
        control(fake, request, answer);
        return;
    }
    if (strcmp(request->path, "/_fake/ledger") == 0) {
        (void)text_append_format(&answer->body, "{\"listings\":%lld,\"denied\":%lld,\"requests\":%lld}", (long long)fake->listings,
                                 (long long)fake->denied, (long long)fake->requests);
        return;
    }
    fake->requests++;
    if (!is_listing) {
        say(answer, 404, "Not Found");
    } else if (strcmp(request->method, "GET") != 0) {
        say(answer, 405, "Method Not Allowed");
    } else if (is_denied) {
        fake->denied++;
        say(answer, request->api_key == NULL ? 401 : 403, "invalid API key");
    } else {
        answer_memories(fake, request, answer);
    }
}

int fake_memory_api_new(const struct fake_memory_settings *settings, struct fake_memory_api **ret_fake, struct error *err)
{
    struct fake_memory_api *fake = mem_alloc(sizeof *fake);

    fake->data = (struct fake_memory_data){ .count = settings->count, .size = settings->size, .seed = settings->seed, .now_ms = INT64_MIN };
    fake->api_key = mem_copy_string(settings->api_key != NULL ? settings->api_key : "");
    clear_fault(&fake->fault);
    if (settings->json != NULL && fake_data_load(&fake->data, settings->json, settings->json_size, err) < 0) {
        fake_memory_api_free(fake);
        return -1;
    }
    *ret_fake = fake;
    return 0;
}

void fake_memory_api_free(struct fake_memory_api *fake)
{
    if (fake == NULL)
        return;
    clear_fault(&fake->fault);
    fake_data_done(&fake->data);
    mem_free(fake->api_key);
    mem_free(fake);
}
