#include "engine/bus.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY_LEAST = 16, EVENT_MAXIMUM = 64 << 10, LISTENERS = 8 };

struct slot {
    enum bus_kind kind;
    char connector[65];
    struct text json;
};

struct bus {
    pthread_mutex_t mutex;
    struct slot *slots;            /* event number n lies at n % capacity */
    size_t capacity;
    int64_t first, next;           /* numbers: the oldest that is kept, the next to be given */
    struct { void (*wake)(void *context); void *context; } listeners[LISTENERS];
    size_t listener_count;
    pthread_mutex_t listen_mutex;  /* held while they are called: after bus_unlisten nobody is */
};

const char *bus_kind_name(enum bus_kind kind)
{
    static const char *const names[BUS_KINDS] = {
        "run.started", "run.progress", "item.failed", "run.finished", "run.missed", "connector.changed", "alert", "notice",
    };

    return names[kind];
}

struct bus *bus_new(size_t capacity, int64_t now_ms)
{
    struct bus *bus = mem_alloc(sizeof *bus);

    bus->capacity = capacity > CAPACITY_LEAST ? capacity : CAPACITY_LEAST;
    bus->slots = mem_alloc_array(bus->capacity, sizeof *bus->slots);
    /* A start later than the last one gives greater numbers, unless there were more than 1,000 events in each millisecond of it; and they stay exact
     * as JavaScript's numbers. */
    bus->first = bus->next = now_ms > 0 ? now_ms * 1000 : 1;
    (void)pthread_mutex_init(&bus->mutex, NULL);
    (void)pthread_mutex_init(&bus->listen_mutex, NULL);
    return bus;
}

void bus_free(struct bus *bus)
{
    if (bus == NULL)
        return;
    for (size_t i = 0; i < bus->capacity; i++)
        text_done(&bus->slots[i].json);
    mem_free(bus->slots);
    (void)pthread_mutex_destroy(&bus->mutex);
    (void)pthread_mutex_destroy(&bus->listen_mutex);
    mem_free(bus);
}

static struct slot *slot_of(const struct bus *bus, int64_t number)
{
    return &bus->slots[(uint64_t)number % bus->capacity];
}

static void wake_all(struct bus *bus)
{
    (void)pthread_mutex_lock(&bus->listen_mutex);
    for (size_t i = 0; i < bus->listener_count; i++)
        bus->listeners[i].wake(bus->listeners[i].context);
    (void)pthread_mutex_unlock(&bus->listen_mutex);
}

void bus_publish(struct bus *bus, enum bus_kind kind, const char *connector, const char *json, size_t size)
{
    struct slot *slot;

    if (size > EVENT_MAXIMUM) {
        log_warn("engine", connector, "an event %s of %zu bytes is not told: more than %d", bus_kind_name(kind), size, EVENT_MAXIMUM);
        return;
    }
    (void)pthread_mutex_lock(&bus->mutex);
    slot = slot_of(bus, bus->next);
    slot->kind = kind;
    (void)snprintf(slot->connector, sizeof slot->connector, "%s", connector);
    text_done(&slot->json);
    text_init(&slot->json, 0);
    (void)text_append_bytes(&slot->json, json, size);
    bus->next++;
    if (bus->next - bus->first > (int64_t)bus->capacity)
        bus->first = bus->next - (int64_t)bus->capacity;
    (void)pthread_mutex_unlock(&bus->mutex);
    wake_all(bus);
}

int bus_read(struct bus *bus, int64_t after, struct bus_event *event, bool *ret_missed)
{
    int64_t number;
    int found = 0;

    (void)pthread_mutex_lock(&bus->mutex);
    number = after < bus->first - 1 ? bus->first : after + 1;
    *ret_missed = after < bus->first - 1;
    if (after >= 0 && number < bus->next) {
        const struct slot *slot = slot_of(bus, number);
        event->number = number;
        event->kind = slot->kind;
        memcpy(event->connector, slot->connector, sizeof event->connector);
        text_clear(&event->json);
        (void)text_append_bytes(&event->json, slot->json.data, slot->json.size);
        found = 1;
    }
    (void)pthread_mutex_unlock(&bus->mutex);
    return found;
}

int64_t bus_last(struct bus *bus)
{
    int64_t last;

    (void)pthread_mutex_lock(&bus->mutex);
    last = bus->next - 1;
    (void)pthread_mutex_unlock(&bus->mutex);
    return last;
}

void bus_listen(struct bus *bus, void (*wake)(void *context), void *context)
{
    (void)pthread_mutex_lock(&bus->listen_mutex);
    if (bus->listener_count < LISTENERS) {
        bus->listeners[bus->listener_count].wake = wake;
        bus->listeners[bus->listener_count++].context = context;
    }
    (void)pthread_mutex_unlock(&bus->listen_mutex);
}

void bus_unlisten(struct bus *bus, void *context)
{
    (void)pthread_mutex_lock(&bus->listen_mutex);
    for (size_t i = 0; i < bus->listener_count; i++)
        if (bus->listeners[i].context == context)
            bus->listeners[i--] = bus->listeners[--bus->listener_count];
    (void)pthread_mutex_unlock(&bus->listen_mutex);
}
