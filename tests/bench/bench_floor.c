/* bench_floor.c - the least that the job can cost: bench_floor SOURCE_URL TARGET_URL MEMORIES BATCH SIZE.
 *
 * The same requests to the same fake servers by libcurl alone: one listing, fetched and thrown away; then inserts of BATCH documents of SIZE bytes
 * whose body was built before (only the names and the numbers in it are written over), each followed by one question about its track.
 * No decoding, no text, no state, no durability, one connection for all. BATCH 0: the listing only. TARGET_URL "": the start only. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 10, URL_ROOM = 512, TRACK_ROOM = 128, ANSWER_ROOM = 1 << 16 };

struct body {
    char *bytes;
    size_t size, room;
    size_t *numbers; /* where the digits of a document stand: in its text and in its name */
};

struct answer {
    char bytes[ANSWER_ROOM];
    size_t size;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_floor: %s\n", what);
    exit(1);
}

static size_t throw_away(char *bytes, size_t one, size_t size, void *context)
{
    (void)bytes;
    (void)context;
    return one * size;
}

static size_t keep(char *bytes, size_t one, size_t size, void *context)
{
    struct answer *answer = context;
    size_t room = sizeof answer->bytes - 1 - answer->size;
    size_t kept = one * size < room ? one * size : room;

    memcpy(answer->bytes + answer->size, bytes, kept);
    answer->size += kept;
    answer->bytes[answer->size] = '\0';
    return one * size;
}

static void append(struct body *body, const char *bytes, size_t size)
{
    if (body->size + size > body->room)
        fail("the body outgrew its room");
    memcpy(body->bytes + body->size, bytes, size);
    body->size += size;
}

static void append_string(struct body *body, const char *string)
{
    append(body, string, strlen(string));
}

static void append_text(struct body *body, size_t size)
{
    static const char words[] = "We met Ana at the harbour and talked about the boats, the weather and the old lighthouse on the island. ";

    for (size_t done = 0; done < size;) {
        size_t piece = size - done < sizeof words - 1 ? size - done : sizeof words - 1;
        append(body, words, piece);
        done += piece;
    }
}

static void append_number(struct body *body, size_t slot)
{
    body->numbers[slot] = body->size;
    append_string(body, "0000000000");
}

static void build(struct body *body, size_t batch, size_t size)
{
    body->room = batch * (size + 128) + 128;
    body->bytes = malloc(body->room);
    body->numbers = malloc(2 * batch * sizeof *body->numbers);
    if (body->bytes == NULL || body->numbers == NULL)
        fail("out of memory");
    append_string(body, "{\"texts\":[");
    for (size_t i = 0; i < batch; i++) {
        append_string(body, i > 0 ? ",\"" : "\"");
        append_number(body, 2 * i);
        append_string(body, " ");
        append_text(body, size);
        append_string(body, "\"");
    }
    append_string(body, "],\"file_sources\":[");
    for (size_t i = 0; i < batch; i++) {
        append_string(body, i > 0 ? ",\"floor~" : "\"floor~");
        append_number(body, 2 * i + 1);
        append_string(body, "\"");
    }
    append_string(body, "]}");
}

static void put_number(char *at, long number)
{
    for (int i = DIGITS - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

static void perform(CURL *easy, const char *url, struct answer *answer)
{
    long status = 0;

    if (answer != NULL)
        answer->size = 0;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, answer != NULL ? keep : throw_away);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    if (curl_easy_perform(easy) != CURLE_OK || curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200)
        fail(url);
}

static void ask_track(CURL *easy, const char *target, struct answer *answer)
{
    char url[URL_ROOM];
    char track[TRACK_ROOM] = "";
    const char *found = strstr(answer->bytes, "\"track_id\":");

    if (found == NULL || sscanf(found, "\"track_id\":\"%127[^\"]", track) != 1)
        fail("an insert was answered without a track_id");
    (void)snprintf(url, sizeof url, "%s/documents/track_status/%s", target, track);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    perform(easy, url, NULL);
}

static void insert_all(CURL *easy, const char *target, long memories, size_t batch, size_t size)
{
    static struct answer answer;
    struct body body = { 0 };
    char url[URL_ROOM];

    build(&body, batch, size);
    (void)snprintf(url, sizeof url, "%s/documents/texts", target);
    for (long number = 0; number + (long)batch <= memories;) {
        for (size_t i = 0; i < batch; i++, number++) {
            put_number(body.bytes + body.numbers[2 * i], number);
            put_number(body.bytes + body.numbers[2 * i + 1], number);
        }
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.bytes);
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        perform(easy, url, &answer);
        ask_track(easy, target, &answer);
    }
    free(body.numbers);
    free(body.bytes);
}

int main(int count, char **args)
{
    struct curl_slist *headers = NULL;
    char url[URL_ROOM];
    CURL *easy = NULL;

    if (count != 6)
        fail("wants SOURCE_URL TARGET_URL MEMORIES BATCH SIZE");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (easy = curl_easy_init()) == NULL)
        fail("libcurl does not start");
    headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (args[2][0] != '\0') {
        (void)snprintf(url, sizeof url, "%s/memory/c?limit=%s&range=all", args[1], args[3]);
        perform(easy, url, NULL);
        if (strtol(args[4], NULL, 10) > 0)
            insert_all(easy, args[2], strtol(args[3], NULL, 10), (size_t)strtol(args[4], NULL, 10), (size_t)strtol(args[5], NULL, 10));
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    curl_global_cleanup();
    return 0;
}
