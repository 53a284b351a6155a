/* config_check.c - what the tables cannot say: names that refer to each other, settings that exclude each other, keys that are in danger. */
#include "config/node.h"

#include "base/http_client.h"
#include "base/mem.h"
#include "engine/alerts.h"
#include "schedule/schedule.h"
#include "schedule/zone.h"

#include <stdlib.h>
#include <string.h>

enum { ID_MAXIMUM = 64 };

struct checker {
    const struct config *config;
    const struct node *root;
    struct config_problems *problems;
};

static const struct node *place_of(const struct checker *checker, const char *path)
{
    return node_at(checker->root, path, NULL);
}

/* Something stands there, even if it was no good: then that has been said, and "is missing" would only confuse. */
static bool is_in(const struct node *root, const char *path)
{
    bool is_exact;
    const struct node *node = node_at(root, path, &is_exact);

    return is_exact && (node->count > 0 || (node->kind == NODE_SCALAR && node->text != NULL && node->text[0] != '\0'));
}

static bool is_there(const struct checker *checker, const char *path)
{
    return is_in(checker->root, path);
}

static bool is_id(const char *id)
{
    size_t length = strlen(id);

    if (length == 0 || length > ID_MAXIMUM || id[0] == '.')
        return false;
    return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

/* ---- Targets and sources ---- */

static void check_name(const struct checker *checker, const char *map, const char *name, const char *kind, const char *section)
{
    AUTO_STRING char *path = mem_format("%s.%s", map, name);

    if (!is_id(name))
        config_error(checker->problems, place_of(checker, path), path, "is no name for a %s: letters, digits, _ - and . (not first), at most 64", kind);
    else if (strcmp(name, "default") == 0)
        config_error(checker->problems, place_of(checker, path), path, "is no name for a %s of its own: \"default\" is the section %s", kind, section);
}

static void check_settle(const struct checker *checker, const struct lightrag_settings *target, const char *section)
{
    static const struct field row = { .name = "settle", .type = FIELD_DURATION, .min = 1000, .max = 86400000 };
    AUTO_STRING char *path = mem_format("%s.confirm.settle", section);
    int64_t ms = 0;

    if (strcmp(target->settle, "auto") != 0 && field_set(&row, &ms, target->settle, NULL) < 0)
        config_error(checker->problems, place_of(checker, path), path, "is neither auto nor a duration from 1s to 1d");
}

/* A key on its way through a network in the clear. */
static void check_secrecy(const struct checker *checker, const char *path, const char *url, const char *key)
{
    if (key[0] != '\0' && strncmp(url, "http:", 5) == 0 && !http_url_is_loopback(url))
        config_warning(checker->problems, place_of(checker, path), path, "the key goes over plain http to %s: anybody on the way can read it", url);
}

static void check_account(const struct checker *checker, const struct lightrag_settings *target, const char *section)
{
    bool lacks_name = target->username[0] == '\0';
    AUTO_STRING char *path = mem_format("%s.api.%s", section, lacks_name ? "username" : "password");

    if (lacks_name != (target->password[0] == '\0'))
        config_error(checker->problems, place_of(checker, path), path, "is missing: an account has both, a username and a password");
}

static void check_endpoint(const struct checker *checker, const char *path, const char *url, const char *key)
{
    if (url[0] == '\0')
        config_error(checker->problems, place_of(checker, path), path, "is empty: expected a URL such as http://localhost:9621");
    check_secrecy(checker, path, url, key);
}

static void check_targets(const struct checker *checker)
{
    for (size_t i = 0; i <= checker->config->targets.count; i++) {
        const struct lightrag_settings *target = config_target(checker->config, i);
        const char *name = config_target_name(checker->config, i);
        AUTO_STRING char *section = i == 0 ? mem_copy_string("lightrag") : mem_format("targets.%s", name);
        AUTO_STRING char *url = mem_format("%s.api.url", section);
        if (i > 0)
            check_name(checker, "targets", name, "target", "lightrag");
        check_settle(checker, target, section);
        check_endpoint(checker, url, target->url, target->api_key[0] != '\0' ? target->api_key : target->password);
        check_account(checker, target, section);
    }
}

static void check_sources(const struct checker *checker)
{
    for (size_t i = 0; i <= checker->config->sources.count; i++) {
        const struct memory_api_settings *source = config_source(checker->config, i);
        const char *name = config_source_name(checker->config, i);
        AUTO_STRING char *section = i == 0 ? mem_copy_string("memory_api") : mem_format("sources.%s", name);
        AUTO_STRING char *url = mem_format("%s.url", section);
        if (i > 0)
            check_name(checker, "sources", name, "source", "memory_api");
        check_endpoint(checker, url, source->url, source->api_key);
    }
}

/* ---- Schedules ---- */

static bool has_setting(const struct node *root, size_t index, const char *name)
{
    AUTO_STRING char *path = mem_format("connectors[%zu].schedule.%s", index, name);

    return is_in(root, path);
}

void config_choose_schedules(const struct field_array *connectors, const struct node *root, struct config_problems *problems)
{
    for (size_t i = 0; i < connectors->count; i++) {
        struct connector_settings *connector = (struct connector_settings *)connectors->items + i;
        AUTO_STRING char *path = NULL;
        bool has_interval, has_cron;
        if (connector->schedule_type != CONFIG_SCHEDULE_AUTO)
            continue;
        has_interval = has_setting(root, i, "interval") || has_setting(root, i, "interval_hours");
        has_cron = has_setting(root, i, "cron");
        path = mem_format("connectors[%zu].schedule", i);
        if (has_interval && has_cron)
            config_error(problems, node_at(root, path, NULL), path, "has an interval and a cron expression: keep one, or say which by type");
        connector->schedule_type = has_cron ? CONFIG_SCHEDULE_CRON : has_interval ? CONFIG_SCHEDULE_INTERVAL : CONFIG_SCHEDULE_MANUAL;
    }
}

/* Opened as the service opens it: what it cannot find, nothing runs by. */
static void check_zone(const struct checker *checker, const char *path, const char *name)
{
    AUTO(zone) struct zone *zone = NULL;
    struct error err = { 0 };

    if (name[0] != '\0' && zone_open(NULL, name, &zone, &err) < 0)
        config_error(checker->problems, place_of(checker, path), path, "%s", err.message);
}

static void check_cron(const struct checker *checker, const struct connector_settings *connector, const char *path)
{
    struct schedule schedule;
    struct error err = { 0 };

    if (connector->cron[0] == '\0') {
        if (connector->schedule_type == CONFIG_SCHEDULE_CRON)
            config_error(checker->problems, place_of(checker, path), path, "is missing: the type of this schedule is cron");
    } else if (schedule_parse(connector->cron, &schedule, &err) < 0) {
        config_error(checker->problems, place_of(checker, path), path, "%s", err.message);
    } else {
        check_zone(checker, path, schedule.zone);
    }
}

static void check_interval(const struct checker *checker, const struct connector_settings *connector, size_t index)
{
    AUTO_STRING char *interval = mem_format("connectors[%zu].schedule.interval", index);
    AUTO_STRING char *hours = mem_format("connectors[%zu].schedule.interval_hours", index);
    const char *path = connector->interval_hours > 0 ? hours : interval;
    struct schedule schedule;
    struct error err = { 0 };

    if (connector->interval_hours > 0 && is_there(checker, interval))
        config_error(checker->problems, place_of(checker, hours), hours, "stands beside interval: give one of the two");
    else if (connector->schedule_type == CONFIG_SCHEDULE_INTERVAL &&
             schedule_from_interval(connector->interval_hours > 0 ? (int64_t)(connector->interval_hours * 3600) * 1000 : connector->interval_ms, &schedule, &err) < 0)
        config_error(checker->problems, place_of(checker, path), path, "%s", err.message);
}

static void check_schedule(const struct checker *checker, const struct connector_settings *connector, size_t index)
{
    AUTO_STRING char *cron = mem_format("connectors[%zu].schedule.cron", index);
    AUTO_STRING char *zone = mem_format("connectors[%zu].schedule.timezone", index);

    check_cron(checker, connector, cron);
    check_zone(checker, zone, connector->timezone);
    check_interval(checker, connector, index);
}

/* ---- Connectors ---- */

static void check_reference(const struct checker *checker, size_t index, const char *kind, const char *name, size_t found, const char *nearest)
{
    AUTO_STRING char *path = mem_format("connectors[%zu].%s", index, kind);

    if (found != SIZE_MAX)
        return;
    if (nearest != NULL)
        config_error(checker->problems, place_of(checker, path), path, "there is no %s \"%.64s\"; did you mean \"%s\"?", kind, name, nearest);
    else
        config_error(checker->problems, place_of(checker, path), path, "there is no %s \"%.64s\": name it under %ss", kind, name, kind);
}

static bool is_mapping(const struct checker *checker, size_t index)
{
    AUTO_STRING char *path = mem_format("connectors[%zu]", index);

    return place_of(checker, path)->kind == NODE_MAP;
}

static void check_contexts(const struct checker *checker, const struct connector_settings *connector, size_t index)
{
    AUTO_STRING char *one = mem_format("connectors[%zu].context_id", index);
    AUTO_STRING char *many = mem_format("connectors[%zu].context_ids", index);

    if (connector->context_id[0] != '\0' && connector->context_ids.count > 0)
        config_error(checker->problems, place_of(checker, many), many, "stands beside context_id: give one of the two");
    if (!is_there(checker, one) && !is_there(checker, many) && is_mapping(checker, index))
        config_error(checker->problems, place_of(checker, one), one, "is missing (the context of the Memory API that it reads)");
    for (size_t i = 0; i < connector->context_ids.count; i++)
        if (connector->context_ids.items[i][0] == '\0')
            config_error(checker->problems, place_of(checker, many), many, "one of them is empty");
}

static void check_connectors(const struct checker *checker)
{
    for (size_t i = 0; i < checker->config->connectors.count; i++) {
        const struct connector_settings *connector = config_connector(checker->config, i);
        AUTO_STRING char *id = mem_format("connectors[%zu].id", i);
        const char *nearest;
        size_t found;
        if (connector->id[0] != '\0' && !is_id(connector->id))
            config_error(checker->problems, place_of(checker, id), id, "\"%.80s\" is no id: letters, digits, _ - and . (not first), at most 64",
                         connector->id);
        check_contexts(checker, connector, i);
        check_schedule(checker, connector, i);
        config_check_memories(connector, i, checker->root, checker->problems);
        found = config_find_target(checker->config, connector->target, &nearest);
        check_reference(checker, i, "target", connector->target, found, nearest);
        found = config_find_source(checker->config, connector->source, &nearest);
        check_reference(checker, i, "source", connector->source, found, nearest);
    }
}

/* ---- What may be there only once. Sorted, for a long list must not take the square of its time. ---- */

struct claim {
    const char *source, *target, *word; /* of ids only word */
    size_t index;                       /* of the connector */
};

static int compare_claims(const void *a, const void *b)
{
    const struct claim *left = a;
    const struct claim *right = b;
    int order = strcmp(left->word, right->word);

    order = order != 0 ? order : strcmp(left->source, right->source);
    order = order != 0 ? order : strcmp(left->target, right->target);
    return order != 0 ? order : left->index < right->index ? -1 : left->index > right->index;
}

static bool is_same_claim(const struct claim *a, const struct claim *b)
{
    return strcmp(a->word, b->word) == 0 && strcmp(a->source, b->source) == 0 && strcmp(a->target, b->target) == 0;
}

static void add_claim(struct claim **claims, size_t *count, size_t *capacity, struct claim claim)
{
    *claims = mem_grow(*claims, *count, capacity, sizeof **claims);
    (*claims)[(*count)++] = claim;
}

static void check_ids(const struct checker *checker)
{
    struct claim *claims = NULL;
    size_t count = 0;
    size_t capacity = 0;

    for (size_t i = 0; i < checker->config->connectors.count; i++)
        if (config_connector(checker->config, i)->id[0] != '\0')
            add_claim(&claims, &count, &capacity, (struct claim){ "", "", config_connector(checker->config, i)->id, i });
    if (count > 0)
        qsort(claims, count, sizeof *claims, compare_claims);
    for (size_t i = 1; i < count; i++) {
        if (is_same_claim(&claims[i - 1], &claims[i])) {
            AUTO_STRING char *path = mem_format("connectors[%zu].id", claims[i].index);
            config_error(checker->problems, place_of(checker, path), path, "\"%.64s\" is taken by connectors[%zu]", claims[i].word, claims[i - 1].index);
        }
    }
    mem_free(claims);
}

/* Two names of one address are one server: its documents are named by context and id alone. */
static const char *address_of(const struct checker *checker, const char *target)
{
    const char *nearest;
    size_t found = config_find_target(checker->config, target, &nearest);

    return found <= checker->config->targets.count ? config_target(checker->config, found)->url : target;
}

static void say_two_owners(const struct checker *checker, const struct claim *first, const struct claim *second, const char *path)
{
    const struct connector_settings *one = config_connector(checker->config, first->index);
    const struct connector_settings *other = config_connector(checker->config, second->index);

    if (strcmp(one->target, other->target) == 0)
        config_error(checker->problems, place_of(checker, path), path,
                     "connectors %s and %s both carry context \"%.64s\" from %s to %s: every memory would have two owners; disable one", one->id, other->id,
                     first->word, first->source, one->target);
    else
        config_error(checker->problems, place_of(checker, path), path,
                     "connectors %s and %s both carry context \"%.64s\" from %s to one LightRAG (%s and %s have the same url): every memory would have two owners; disable one",
                     one->id, other->id, first->word, first->source, one->target, other->target);
}

static void check_owners(const struct checker *checker)
{
    struct claim *claims = NULL;
    size_t count = 0;
    size_t capacity = 0;

    for (size_t i = 0; i < checker->config->connectors.count; i++) {
        const struct connector_settings *connector = config_connector(checker->config, i);
        const char *address;
        if (!connector->enabled)
            continue;
        address = address_of(checker, connector->target);
        if (connector->context_id[0] != '\0')
            add_claim(&claims, &count, &capacity, (struct claim){ connector->source, address, connector->context_id, i });
        for (size_t k = 0; k < connector->context_ids.count; k++)
            add_claim(&claims, &count, &capacity, (struct claim){ connector->source, address, connector->context_ids.items[k], i });
    }
    if (count > 0)
        qsort(claims, count, sizeof *claims, compare_claims);
    for (size_t i = 1; i < count; i++) {
        const struct claim *first = &claims[i - 1];
        AUTO_STRING char *path = mem_format("connectors[%zu].%s", claims[i].index,
                                            config_connector(checker->config, claims[i].index)->context_ids.count > 0 ? "context_ids" : "context_id");
        if (!is_same_claim(first, &claims[i]) || claims[i].word[0] == '\0')
            continue;
        if (first->index == claims[i].index)
            config_error(checker->problems, place_of(checker, path), path, "context \"%.64s\" stands here twice", first->word);
        else
            say_two_owners(checker, first, &claims[i], path);
    }
    mem_free(claims);
}

static void check_log(const struct checker *checker)
{
    if (checker->config->logging.file_enabled && checker->config->logging.file_path[0] == '\0')
        config_error(checker->problems, place_of(checker, "logging.file.enabled"), "logging.file.path", "is missing: where is the log file to be?");
}

/* A webhook's address may have a query; the rest of it is as everywhere. */
static void check_webhook(const struct checker *checker, const char *url)
{
    AUTO_STRING char *base = mem_copy_bytes(url, strcspn(url, "?"));
    AUTO_DONE(text) struct text normal = { 0 };
    struct error err = { 0 };

    text_init(&normal, 0);
    if (http_url_check(base, &normal, &err) < 0)
        config_error(checker->problems, place_of(checker, "monitoring.alerts.webhook_url"), "monitoring.alerts.webhook_url", "%s", err.message);
    else if (strpbrk(url, " \t\r\n#") != NULL)
        config_error(checker->problems, place_of(checker, "monitoring.alerts.webhook_url"), "monitoring.alerts.webhook_url", "has a blank or \"#\" in it");
}

static void check_alerts(const struct checker *checker)
{
    struct error err = { 0 };

    if (!checker->config->monitoring.alerts)
        return;
    if (checker->config->monitoring.webhook_url[0] == '\0')
        config_error(checker->problems, place_of(checker, "monitoring.alerts.enabled"), "monitoring.alerts.webhook_url", "is missing: where are alerts to go?");
    else
        check_webhook(checker, checker->config->monitoring.webhook_url);
    if (alert_check_secret(checker->config->monitoring.secret, &err) < 0)
        config_error(checker->problems, place_of(checker, "monitoring.alerts.enabled"), "monitoring.alerts.secret", "%s", err.message);
}

static void check_cleanup(const struct checker *checker)
{
    static const char path[] = "state.cleanup.cleanup_cron";
    struct schedule schedule;
    struct error err = { 0 };

    if (schedule_parse(checker->config->state.cleanup_cron, &schedule, &err) < 0)
        config_error(checker->problems, place_of(checker, path), path, "%s", err.message);
    else
        check_zone(checker, path, schedule.zone);
}

void config_check(const struct config *config, const struct node *root, struct config_problems *problems)
{
    const struct checker checker = { config, root, problems };

    check_targets(&checker);
    check_sources(&checker);
    check_connectors(&checker);
    check_ids(&checker);
    check_owners(&checker);
    check_log(&checker);
    config_check_api(config, root, problems);
    check_alerts(&checker);
    check_cleanup(&checker);
    if (config->http.insecure)
        config_warning(problems, node_at(root, "http.insecure", NULL), "http.insecure",
                       "TLS is not verified: anybody on the way can read and change what is sent");
}
