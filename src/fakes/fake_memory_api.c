#include "fakes/fake_memory_api.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/time_text.h"

#include <yyjson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 10 };

static const int64_t DAY_MS = 86400000;

struct fault {
    int times;                /* how many listings it spoils; < 0: all */
    int status;               /* 0: none */
    char retry_after[64];
    int64_t cut, cut_chunked, stall; /* -1: not */
    bool html;
    char *redirect, *raw;
    int64_t latency_ms;
};

struct fake_memory_api {
    struct fake_memory_settings settings;
    char *api_key;
    yyjson_doc *document;
    struct fault fault;
    int64_t listings, denied, requests;
    char headers[2][300];
};

/* ---- Made-up memories ---- */

static uint64_t scramble(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

/* Number index of the made-up memories; its length is what the text grew by. */
static void make_up(const struct fake_memory_api *fake, int64_t index, struct text *out)
{
    static const char *const words[] = { "harbour", "Ana", "coffee", "München", "rain", "Nikos", "bicycle", "#boats", "market", "Übung", "日記",
                                         "garden", "Lucía", "train", "letter", "кино", "walk", "soup", "#family", "window" };
    uint64_t random = scramble(fake->settings.seed * 0x9E3779B97F4A7C15u + (uint64_t)index + 1);
    size_t start = out->size;
    char when[TIME_TEXT_SIZE];

    time_text_rfc3339(1766016000000 + (int64_t)(random % 300) * 1000 + index % 600000 * 60000, when);
    (void)text_append_format(out,
                             "{\"id\":\"%016llx%07lld___mft\",\"type\":\"%s\",\"audio\":%s,\"image\":false,\"location_lat\":%.4f,"
                             "\"location_lon\":%.4f,\"created_at\":\"%s\",\"transcript\":\"Memory %lld.",
                             (unsigned long long)random, (long long)index, random % 3 == 0 ? "note" : "record", random % 2 == 0 ? "true" : "false",
                             (double)(random % 1800) / 10 - 90 + 0.01, (double)(random % 3600) / 10 - 180 + 0.01, when, (long long)index);
    for (int i = 0; out->size - start + 4 < (size_t)fake->settings.size; i++) {
        random = scramble(random + 1);
        (void)text_append_format(out, " %s", words[random % ARRAY_LENGTH(words)]);
    }
    (void)text_append(out, ".\"}");
}

struct producer {
    const struct fake_memory_api *fake;
    int64_t next, count;
    struct text pending;
    size_t taken;
    bool is_closed;
};

static int64_t produce(void *context, uint64_t position, char *buffer, size_t room)
{
    struct producer *producer = context;
    size_t left;

    (void)position;
    if (producer->taken == producer->pending.size) {
        text_clear(&producer->pending);
        producer->taken = 0;
        if (producer->next == 0)
            (void)text_append(&producer->pending, "{\"memories\":[");
        while (producer->next < producer->count && producer->pending.size < (32u << 10)) {
            if (producer->next > 0)
                (void)text_append_char(&producer->pending, ',');
            make_up(producer->fake, producer->next++, &producer->pending);
        }
        if (producer->next >= producer->count && !producer->is_closed) {
            (void)text_append_format(&producer->pending, "],\"count\":%lld}", (long long)producer->count);
            producer->is_closed = true;
        }
    }
    left = producer->pending.size - producer->taken;
    if (left > room)
        left = room;
    memcpy(buffer, producer->pending.data + producer->taken, left);
    producer->taken += left;
    return (int64_t)left;
}

static void free_producer(void *context)
{
    struct producer *producer = context;

    text_done(&producer->pending);
    mem_free(producer);
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

/* The newest memory counts as now: sample files age otherwise. */
static int64_t newest_of(yyjson_val *list)
{
    yyjson_val *value;
    size_t index, count;
    int64_t newest = INT64_MIN;

    yyjson_arr_foreach(list, index, count, value) {
        yyjson_val *created = yyjson_obj_get(value, "created_at");
        int64_t ms;
        if (yyjson_is_str(created) && time_text_parse(yyjson_get_str(created), yyjson_get_len(created), &ms) && ms > newest)
            newest = ms;
    }
    return newest;
}

static bool is_in_range(yyjson_val *value, int64_t since_ms)
{
    yyjson_val *created = yyjson_obj_get(value, "created_at");
    int64_t ms;

    if (!yyjson_is_str(created) || !time_text_parse(yyjson_get_str(created), yyjson_get_len(created), &ms))
        return true;
    return ms >= since_ms;
}

static yyjson_val *find_list(const struct fake_memory_api *fake, const char *context)
{
    yyjson_val *root = yyjson_doc_get_root(fake->document);
    yyjson_val *contexts = yyjson_obj_get(root, "contexts");

    if (contexts != NULL)
        return yyjson_obj_get(yyjson_obj_get(contexts, context), "memories");
    return yyjson_obj_get(root, "memories");
}

static void list_document(const struct fake_memory_api *fake, yyjson_val *list, int64_t limit, int64_t range, struct text *out)
{
    int64_t newest = newest_of(list);
    int64_t since = range > 0 && newest != INT64_MIN ? newest - range : INT64_MIN;
    int64_t listed = 0;
    yyjson_val *value;
    size_t index, count;

    (void)fake;
    (void)text_append(out, "{\"memories\":[");
    yyjson_arr_foreach(list, index, count, value) {
        char *json;
        size_t size;
        if (listed >= limit || !is_in_range(value, since))
            continue;
        json = yyjson_val_write(value, 0, &size);
        if (listed++ > 0)
            (void)text_append_char(out, ',');
        (void)text_append_bytes(out, json, size);
        free(json);
    }
    (void)text_append_format(out, "],\"count\":%lld}", (long long)listed);
}

static void say(struct http_server_answer *answer, int status, const char *detail)
{
    answer->status = status;
    (void)text_append_format(&answer->body, "{\"detail\":\"%s\"}", detail);
}

static void answer_listing(struct fake_memory_api *fake, const char *context, const struct fake_request *request, struct http_server_answer *answer)
{
    int64_t limit = request->limit != NULL ? strtoll(request->limit, NULL, 10) : DEFAULT_LIMIT;
    int64_t range = range_ms(request->range != NULL ? request->range : "week");
    yyjson_val *list;

    if (limit < 1 || range < 0) {
        say(answer, 422, "limit or range is not valid");
        return;
    }
    if (fake->document == NULL) {
        struct producer *producer = mem_alloc(sizeof *producer);
        producer->fake = fake;
        producer->count = limit < fake->settings.count ? limit : fake->settings.count;
        text_init(&producer->pending, 0);
        answer->produce = produce;
        answer->producer_free = free_producer;
        answer->producer = producer;
        return;
    }
    list = find_list(fake, context);
    if (!yyjson_is_arr(list))
        say(answer, 404, "context not found");
    else
        list_document(fake, list, limit, range, &answer->body);
}

/* ---- Faults ---- */

static void clear_fault(struct fault *fault)
{
    mem_free(fault->redirect);
    mem_free(fault->raw);
    *fault = (struct fault){ .cut = -1, .cut_chunked = -1, .stall = -1 };
}

static bool spoil(struct fake_memory_api *fake, struct http_server_answer *answer)
{
    struct fault *fault = &fake->fault;

    if (fault->times == 0)
        return false;
    if (fault->times > 0)
        fault->times--;
    answer->delay_ms = fault->latency_ms;
    if (fault->retry_after[0] != '\0') {
        (void)snprintf(fake->headers[0], sizeof fake->headers[0], "Retry-After: %s", fault->retry_after);
        answer->headers[0] = fake->headers[0];
    }
    if (fault->redirect != NULL) {
        (void)snprintf(fake->headers[1], sizeof fake->headers[1], "Location: %s", fault->redirect);
        answer->headers[0] = fake->headers[1];
        say(answer, fault->status != 0 ? fault->status : 302, "elsewhere");
        return true;
    }
    if (fault->html) {
        answer->content_type = "text/html";
        (void)text_append(&answer->body, "<!DOCTYPE html><html><body>Please log in</body></html>");
        return true;
    }
    if (fault->raw != NULL) {
        (void)text_append(&answer->body, fault->raw);
        if (fault->status != 0)
            answer->status = fault->status;
        return true;
    }
    if (fault->status != 0) {
        say(answer, fault->status, "scripted fault");
        return true;
    }
    if (fault->cut >= 0 || fault->cut_chunked >= 0 || fault->stall >= 0) {
        answer->fault = fault->cut >= 0 ? HTTP_SERVER_CUT : fault->cut_chunked >= 0 ? HTTP_SERVER_CUT_CHUNKED : HTTP_SERVER_STALL;
        answer->cut_after = (size_t)(fault->cut >= 0 ? fault->cut : fault->cut_chunked >= 0 ? fault->cut_chunked : fault->stall);
    }
    return false;
}

static int64_t get_integer(yyjson_val *object, const char *key, int64_t fallback)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_int(value) ? yyjson_get_sint(value) : fallback;
}

static char *get_copy(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);

    return yyjson_is_str(value) ? mem_copy_string(yyjson_get_str(value)) : NULL;
}

static void control(struct fake_memory_api *fake, const struct fake_request *request, struct http_server_answer *answer)
{
    yyjson_doc *document = yyjson_read(request->body, request->body_size, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *retry_after = yyjson_get_str(yyjson_obj_get(root, "retry_after"));

    if (yyjson_obj_get(root, "memories") != NULL || yyjson_obj_get(root, "contexts") != NULL) {
        yyjson_doc_free(fake->document);
        fake->document = document;
        (void)text_append(&answer->body, "{}");
        return;
    }
    clear_fault(&fake->fault);
    fake->fault.times = (int)get_integer(root, "times", -1);
    fake->fault.status = (int)get_integer(root, "status", 0);
    fake->fault.cut = get_integer(root, "cut", -1);
    fake->fault.cut_chunked = get_integer(root, "cut_chunked", -1);
    fake->fault.stall = get_integer(root, "stall", -1);
    fake->fault.latency_ms = get_integer(root, "latency_ms", 0);
    fake->fault.html = yyjson_is_true(yyjson_obj_get(root, "html"));
    fake->fault.redirect = get_copy(root, "redirect");
    fake->fault.raw = get_copy(root, "raw");
    if (retry_after != NULL)
        (void)snprintf(fake->fault.retry_after, sizeof fake->fault.retry_after, "%s", retry_after);
    yyjson_doc_free(document);
    (void)text_append(&answer->body, "{}");
}

/* ---- The whole ---- */

void fake_memory_api_handle(void *context, int64_t now_ms, const struct fake_request *request, struct http_server_answer *answer)
{
    struct fake_memory_api *fake = context;

    (void)now_ms;
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
    if (strncmp(request->path, "/memory/", 8) != 0 || strcmp(request->method, "GET") != 0 || request->path[8] == '\0') {
        say(answer, 404, "Not Found");
        return;
    }
    if (fake->api_key[0] != '\0' && (request->api_key == NULL || strcmp(request->api_key, fake->api_key) != 0)) {
        fake->denied++;
        say(answer, request->api_key == NULL ? 401 : 403, "invalid API key");
        return;
    }
    fake->listings++;
    if (!spoil(fake, answer))
        answer_listing(fake, request->path + 8, request, answer);
}

int fake_memory_api_new(const struct fake_memory_settings *settings, struct fake_memory_api **ret_fake, struct error *err)
{
    struct fake_memory_api *fake = mem_alloc(sizeof *fake);
    yyjson_read_err problem = { 0 };

    fake->settings = *settings;
    fake->api_key = mem_copy_string(settings->api_key != NULL ? settings->api_key : "");
    clear_fault(&fake->fault);
    if (settings->json != NULL) {
        fake->document = yyjson_read_opts((char *)(uintptr_t)settings->json, settings->json_size, YYJSON_READ_NUMBER_AS_RAW, NULL, &problem);
        if (fake->document == NULL) {
            fake_memory_api_free(fake);
            return error_set(err, ERROR_CONFIG, "the memories are no JSON: %s at byte %zu", problem.msg, problem.pos);
        }
    }
    *ret_fake = fake;
    return 0;
}

void fake_memory_api_free(struct fake_memory_api *fake)
{
    if (fake == NULL)
        return;
    clear_fault(&fake->fault);
    yyjson_doc_free(fake->document);
    mem_free(fake->api_key);
    mem_free(fake);
}
