/* service_endpoints.c - servers that connectors bring along. They stand behind those of the settings, at places that are made once and never move: the
 * engine's targets are pointed to, and an index stays what it is.
 *
 * A target whose connector is gone, or points elsewhere now, stays until nothing of it is on its way. Then its place is free. What it had sent when the
 * program ends before that is known to the state, like what was sent to a target that the configuration named once. */
#include "engine/service_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

void endpoints_init(struct service *service)
{
    const struct engine_settings *settings = service->settings.engine;
    size_t more = service->settings.endpoint_maximum;

    service->first_target = settings->target_count;
    service->first_source = settings->source_count;
    service->target_places = mem_alloc_array(settings->target_count + more + 1, sizeof *service->target_places);
    service->source_places = mem_alloc_array(settings->source_count + more + 1, sizeof *service->source_places);
    service->left = mem_alloc_array(more + 1, sizeof *service->left);
    if (settings->target_count > 0)
        memcpy(service->target_places, settings->targets, settings->target_count * sizeof *settings->targets);
    if (settings->source_count > 0)
        memcpy(service->source_places, settings->sources, settings->source_count * sizeof *settings->sources);
    service->engine_settings.targets = service->target_places;
    service->engine_settings.target_count += more;
    service->engine_settings.sources = service->source_places;
    service->engine_settings.source_count += more;
}

/* After the engine is gone. */
void endpoints_done(struct service *service)
{
    for (size_t i = 0; service->left != NULL && i < service->settings.endpoint_maximum; i++)
        if (service->left[i].owner_free != NULL)
            service->left[i].owner_free(service->left[i].owner);
    mem_free(service->left);
    mem_free(service->target_places);
    mem_free(service->source_places);
}

/* ---- Which place ---- */

/* SIZE_MAX: none is to be had. A target's place that bears its name already is its own: two machines must never work at one row of the state. One that
 * nobody names any more makes room where none is free: its server may be gone for good, and would hold the place as long as we live. */
static size_t find_target(const struct service *service, const char *name)
{
    size_t free_place = SIZE_MAX;
    size_t left_place = SIZE_MAX;

    for (size_t i = service->first_target; i < service->engine_settings.target_count; i++) {
        const char *other = service->target_places[i].name;
        if (other == NULL)
            free_place = free_place == SIZE_MAX ? i : free_place;
        else if (strcmp(other, name) == 0)
            return i;
        else if (service->left[i - service->first_target].is_left)
            left_place = left_place == SIZE_MAX ? i : left_place;
    }
    return free_place != SIZE_MAX ? free_place : left_place;
}

/* old: what it comes in place of, or NULL. No run is under way, so the place is its own. */
static size_t find_source(const struct service *service, const struct service_connector *old)
{
    if (old != NULL && old->own_source != NULL)
        return old->engine.source;
    for (size_t i = service->first_source; i < service->engine_settings.source_count; i++)
        if (service->source_places[i].name == NULL)
            return i;
    return SIZE_MAX;
}

/* Names are hashes of connector and address: whoever finds two of one name must not bring two connectors to one machine. */
static bool has_target_place(const struct service *service, const char *name, const struct service_connector *old)
{
    size_t index = find_target(service, name);
    const char *other = index != SIZE_MAX ? service->target_places[index].name : NULL;
    bool is_own = old != NULL && old->own_target != NULL && old->engine.target == index;

    return index != SIZE_MAX && (other == NULL || is_own || service->left[index - service->first_target].is_left);
}

bool endpoints_have_room(const struct service *service, const struct service_connector *fresh, const struct service_connector *old)
{
    return (fresh->own_target == NULL || has_target_place(service, fresh->own_target->name, old)) &&
           (fresh->own_source == NULL || find_source(service, old) != SIZE_MAX);
}

/* ---- Taking and leaving ---- */

static void clear_target(struct service *service, size_t index)
{
    struct left_target *left = &service->left[index - service->first_target];

    engine_drop_target(service->engine, index);
    board_clear_target(service, index);
    service->target_places[index] = (struct engine_target){ .name = NULL };
    if (left->owner_free != NULL)
        left->owner_free(left->owner);
    *left = (struct left_target){ .owner_free = NULL };
}

static int take_target(struct service *service, const struct engine_target *target, size_t *ret_index, struct error *err)
{
    size_t index = find_target(service, target->name);

    if (index == SIZE_MAX)
        return error_set(err, ERROR_FAILED, "there is no place for target %s", target->name);
    if (service->target_places[index].name != NULL && strcmp(service->target_places[index].name, target->name) != 0)
        log_info("engine", "", "target %s makes room: nobody names it any more, and what it had sent stays as it stands", service->target_places[index].name);
    if (service->target_places[index].name != NULL)
        clear_target(service, index); /* what it had sent is taken up again as after a restart */
    service->target_places[index] = *target;
    board_name_target(service, index);
    *ret_index = index;
    if (service->engine->request == NULL || engine_add_target(service->engine, index, err) == 0)
        return 0;
    clear_target(service, index); /* the strings stay the caller's */
    return -1;
}

/* Does that target have something of what the connector carries from now on? */
static bool precedes(const struct service *service, size_t index, const struct service_connector *connector)
{
    const char *source = service_source_name(&service->engine_settings, connector);

    for (size_t i = 0; i < service->engine->stream_count; i++) {
        const struct stream_run *stream = service->engine->streams[i];
        if (stream->target != &service->engine->targets[index] || strcmp(stream->source, source) != 0)
            continue;
        for (size_t k = 0; k < connector->engine.context_count; k++)
            if (strcmp(stream->context, connector->engine.contexts[k]) == 0)
                return true;
    }
    return false;
}

/* What is left there and carried by this connector now would be sent a second time, as it was before. */
static void end_predecessors(struct service *service, const struct service_connector *connector)
{
    const char *url = service_target_url(&service->engine_settings, connector);

    for (size_t i = 0; i < service->settings.endpoint_maximum; i++) {
        size_t index = service->first_target + i;
        if (!service->left[i].is_left || strcmp(service->target_places[index].sink.url, url) != 0 || !precedes(service, index, connector))
            continue;
        log_info("engine", connector->engine.id, "what target %s had left is this connector's now", service->target_places[index].name);
        clear_target(service, index);
    }
}

int endpoints_take(struct service *service, struct service_connector *connector, const struct service_connector *old, struct error *err)
{
    size_t source = connector->engine.source;

    end_predecessors(service, connector);
    if (connector->own_source != NULL && (source = find_source(service, old)) == SIZE_MAX)
        return error_set(err, ERROR_FAILED, "there is no place for source %s", connector->own_source->name);
    if (connector->own_target != NULL && take_target(service, connector->own_target, &connector->engine.target, err) < 0)
        return -1;
    if (connector->own_source != NULL)
        service->source_places[source] = *connector->own_source;
    connector->engine.source = source;
    return 0;
}

void endpoints_give_back(struct service *service, const struct service_connector *connector)
{
    if (connector->own_source != NULL)
        service->source_places[connector->engine.source] = (struct engine_source){ .name = NULL };
    if (connector->own_target != NULL)
        clear_target(service, connector->engine.target);
}

void endpoints_leave(struct service *service, struct service_connector *old)
{
    size_t index = old->engine.target;

    /* Its successor may have taken over the places. */
    if (old->own_source != NULL && service->source_places[old->engine.source].name == old->own_source->name)
        service->source_places[old->engine.source] = (struct engine_source){ .name = NULL };
    if (old->own_target == NULL || service->target_places[index].name != old->own_target->name)
        return;
    service->left[index - service->first_target] = (struct left_target){ .owner = old->owner, .owner_free = old->owner_free, .is_left = true };
    old->owner = NULL; /* the place has it now */
    old->owner_free = NULL;
}

/* ---- What is left ---- */

static bool is_at_rest(const struct target_run *target)
{
    struct deliver_summary summary;

    if (target->deliver == NULL)
        return true;
    deliver_summarise(target->deliver, &summary);
    return target->queued == 0 && target->pending_count == 0 && summary.not_stored == 0 && summary.stored == 0 && summary.removing == 0 &&
           summary.requests_in_flight == 0;
}

void endpoints_sweep(struct service *service)
{
    for (size_t i = 0; i < service->settings.endpoint_maximum; i++) {
        size_t index = service->first_target + i;
        if (!service->left[i].is_left || !is_at_rest(&service->engine->targets[index]) || state_has_uncommitted(service->state))
            continue;
        log_info("engine", "", "nothing of target %s is on its way any more: it is forgotten", service->target_places[index].name);
        clear_target(service, index);
    }
}
