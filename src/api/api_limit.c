/* api_limit.c - how often somebody may ask: a token bucket for each address and key; and of wrong keys five from one address in any minute.
 *
 * The tables have a fixed size, so that a flood of addresses costs no memory: where a place is taken by another address, the one that was heard longest
 * ago gives way. That forgets a bucket that has mostly filled up again by then. An IPv6 address counts by its network (/64), which is what one
 * subscriber has. */
#include "api/api_internal.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    BUCKETS = 2048, WAYS = 8,      /* places that an address may take */
    GUESSES = 5, GUESS_MINUTE_MS = 60 * 1000,
    NAME_SIZE = HTTP_SERVER_PEER_SIZE,
};

struct bucket {
    char address[NAME_SIZE];       /* "": free */
    enum api_principal principal;
    double tokens;
    int64_t heard_mono;
    int64_t guesses[GUESSES];      /* when the last wrong keys came, as a ring */
    unsigned guess;
};

struct api_limits {
    pthread_mutex_t lock;
    bool is_on;
    double capacity, per_ms;
    struct bucket requests[BUCKETS], guesses[BUCKETS];
};

struct api_limits *api_limits_new(bool is_on, int64_t per_minute)
{
    struct api_limits *limits = mem_alloc(sizeof *limits);

    (void)pthread_mutex_init(&limits->lock, NULL);
    limits->is_on = is_on;
    limits->capacity = (double)per_minute;
    limits->per_ms = (double)per_minute / (60.0 * 1000);
    return limits;
}

void api_limits_free(struct api_limits *limits)
{
    if (limits == NULL)
        return;
    (void)pthread_mutex_destroy(&limits->lock);
    mem_free(limits);
}

static void name_address(const char *address, char name[NAME_SIZE])
{
    unsigned char bytes[16];

    if (inet_pton(AF_INET6, address, bytes) == 1) {
        memset(bytes + 8, 0, 8);
        (void)inet_ntop(AF_INET6, bytes, name, NAME_SIZE);
        return;
    }
    (void)snprintf(name, NAME_SIZE, "%s", address[0] != '\0' ? address : "?");
}

static uint32_t hash(const char *name, enum api_principal principal)
{
    uint32_t value = 2166136261U ^ (uint32_t)principal;

    for (; *name != '\0'; name++)
        value = (value ^ (unsigned char)*name) * 16777619U;
    return value;
}

/* The bucket, filled up to now. */
static struct bucket *find(struct bucket *buckets, const char *address, enum api_principal principal, double capacity, double per_ms, int64_t now_mono)
{
    char name[NAME_SIZE];
    struct bucket *oldest = NULL;
    uint32_t place;

    name_address(address, name);
    place = hash(name, principal);
    for (uint32_t i = 0; i < WAYS; i++) {
        struct bucket *bucket = &buckets[(place + i) % BUCKETS];
        if (bucket->principal == principal && strcmp(bucket->address, name) == 0) {
            bucket->tokens += (double)(now_mono - bucket->heard_mono) * per_ms;
            if (bucket->tokens > capacity)
                bucket->tokens = capacity;
            bucket->heard_mono = now_mono;
            return bucket;
        }
        if (oldest == NULL || (oldest->address[0] != '\0' && (bucket->address[0] == '\0' || bucket->heard_mono < oldest->heard_mono)))
            oldest = bucket;
    }
    *oldest = (struct bucket){ .principal = principal, .tokens = capacity, .heard_mono = now_mono };
    memcpy(oldest->address, name, sizeof name);
    return oldest;
}

static int64_t wait_for_token(const struct bucket *bucket, double per_ms)
{
    return bucket->tokens >= 1 ? 0 : (int64_t)((1 - bucket->tokens) / per_ms) + 1;
}

int64_t api_limits_take(struct api_limits *limits, const char *address, enum api_principal principal, int64_t now_mono)
{
    struct bucket *bucket;
    int64_t wait;

    if (!limits->is_on)
        return 0;
    (void)pthread_mutex_lock(&limits->lock);
    bucket = find(limits->requests, address, principal, limits->capacity, limits->per_ms, now_mono);
    wait = wait_for_token(bucket, limits->per_ms);
    if (wait == 0)
        bucket->tokens -= 1;
    (void)pthread_mutex_unlock(&limits->lock);
    return wait;
}

int64_t api_limits_look_at_guesses(struct api_limits *limits, const char *address, int64_t now_mono)
{
    const struct bucket *bucket;
    int64_t until;

    (void)pthread_mutex_lock(&limits->lock);
    bucket = find(limits->guesses, address, API_NOBODY, 0, 0, now_mono);
    until = bucket->guesses[bucket->guess] > 0 ? bucket->guesses[bucket->guess] + GUESS_MINUTE_MS : 0; /* the fifth last one */
    (void)pthread_mutex_unlock(&limits->lock);
    return until > now_mono ? until - now_mono : 0;
}

void api_limits_count_guess(struct api_limits *limits, const char *address, int64_t now_mono)
{
    struct bucket *bucket;

    (void)pthread_mutex_lock(&limits->lock);
    bucket = find(limits->guesses, address, API_NOBODY, 0, 0, now_mono);
    bucket->guesses[bucket->guess] = now_mono > 0 ? now_mono : 1;
    bucket->guess = (bucket->guess + 1) % GUESSES;
    (void)pthread_mutex_unlock(&limits->lock);
}
