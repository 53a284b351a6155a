/* config_connector_own.c - servers that a connector brings along (api.allow_inline_endpoints). Where they may lead is judged when a connection is made
 * (base/http.h: public_only); here only what can be told from the words. */
#include "config/config_connector_internal.h"

#include "base/http_client.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#define PREFIX "inline-"
#define KEPT "***" /* what is shown of a secret; coming back, it means the stored one */

/* The two kinds, as the tables and the configuration know them. */
struct kind {
    const char *group;            /* the member that brings it along */
    const char *name;             /* the setting that names one of the configuration */
    const char *names;            /* where the configuration has further ones */
    const char *url;              /* JSON pointer */
    const char *secrets[3];       /* JSON pointers */
};

static const struct kind source_kind = { "memory_api", "source", "sources", "/memory_api/url", { "/memory_api/api_key", NULL } };
static const struct kind target_kind = { "lightrag", "target", "targets", "/lightrag/api/url", { "/lightrag/api/api_key", "/lightrag/api/password", NULL } };

bool config_is_own_source(const struct field_group *group)
{
    return strcmp(group->name, source_kind.group) == 0;
}

bool config_is_own_target(const struct field_group *group)
{
    return strcmp(group->name, target_kind.group) == 0;
}

/* ---- Names ---- */

static void hash_words(const char *words, char ret_hex[17])
{
    uint8_t digest[SHA256_SIZE];

    sha256_of(words, strlen(words), digest);
    sha256_hex(digest, 8, ret_hex);
}

/* At most 40 bytes, which is what the state keeps of a target's name. */
static char *name_target(const char *id, const char *url)
{
    AUTO_STRING char *whole = mem_format("%s %s", id, url);
    bool is_plain = id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0'; /* else it is refused elsewhere */
    char hex[17];

    hash_words(whole, hex);
    return mem_format(PREFIX "%.16s-%s", is_plain ? id : "", hex);
}

static char *name_source(const char *url)
{
    char hex[17];

    hash_words(url, hex);
    return mem_format(PREFIX "%s", hex);
}

/* ---- Secrets that were not sent again ---- */

static const char *text_at(yyjson_doc *document, const char *pointer)
{
    return yyjson_get_str(yyjson_doc_ptr_get(document, pointer));
}

static bool has_control(const char *words)
{
    while (*words != '\0' && (unsigned char)*words >= 0x20 && *words != 0x7F)
        words++;
    return *words != '\0';
}

static void keep_secret(yyjson_doc *before, const struct kind *kind, const char *pointer, const char *url, char **secret, struct config_problems *problems)
{
    const char *old_url = text_at(before, kind->url);
    const char *old = text_at(before, pointer);

    if (has_control(*secret))
        config_error(problems, NULL, pointer, "has a line break or another control character inside");
    if (strcmp(*secret, KEPT) != 0)
        return;
    if (old == NULL || old[0] == '\0') {
        config_error(problems, NULL, pointer, KEPT " stands for the one that is stored, and there is none: give it");
    } else if (old_url == NULL || strcmp(old_url, url) != 0) {
        config_error(problems, NULL, pointer, KEPT " stands for the one that is stored, which was given for another address: give it again");
    } else {
        mem_free(*secret);
        *secret = mem_copy_string(old);
    }
}

static void keep_secrets(const struct kind *kind, const char *before, const char *url, char **const secrets[], struct config_problems *problems)
{
    yyjson_doc *document = before != NULL ? yyjson_read(before, strlen(before), 0) : NULL;

    for (size_t i = 0; kind->secrets[i] != NULL; i++)
        keep_secret(document, kind, kind->secrets[i], url, secrets[i], problems);
    yyjson_doc_free(document);
}

/* ---- Is it allowed, and complete? ---- */

static bool is_given(const struct node *root, const struct kind *kind)
{
    AUTO_STRING char *path = mem_format("connectors[0].%s", kind->group);
    bool is_exact;

    (void)node_at(root, path, &is_exact);
    return is_exact;
}

static bool has_url(const struct node *root, const struct kind *kind)
{
    AUTO_STRING char *path = mem_format("connectors[0]%s", kind->url);
    const struct node *node;
    bool is_exact;

    for (char *c = path; *c != '\0'; c++)
        if (*c == '/')
            *c = '.';
    node = node_at(root, path, &is_exact);
    return is_exact && node->text != NULL && node->text[0] != '\0';
}

/* The setting shows its name. */
static void put_name(char **setting, const char *name)
{
    mem_free(*setting);
    *setting = mem_copy_string(name);
}

/* chosen: the setting beside it; with a fault it becomes the default, so that nothing else is said about it. */
static bool is_allowed(const struct config *config, const struct node *root, const struct kind *kind, char **chosen, struct config_problems *problems)
{
    AUTO_STRING char *group = mem_format("/%s", kind->group);
    AUTO_STRING char *name = mem_format("/%s", kind->name);
    bool is_free = strcmp(*chosen, "default") == 0 || strncmp(*chosen, PREFIX, strlen(PREFIX)) == 0;

    put_name(chosen, "default");
    if (!config->api.inline_endpoints)
        config_error(problems, NULL, group, "is not allowed here: name one of the configuration's in \"%s\", or let api.allow_inline_endpoints be set there", kind->name);
    else if (!is_free)
        config_error(problems, NULL, name, "stands beside %s: give one of the two", kind->group);
    else if (!has_url(root, kind))
        config_error(problems, NULL, kind->url, "is missing: where does it answer?");
    else
        return true;
    return false;
}

/* The protection is elsewhere: a name may lead anywhere, and somewhere else tomorrow. */
static void check_address(const struct config *config, const struct kind *kind, const char *url, const char *known, struct config_problems *problems)
{
    if (known != NULL)
        config_error(problems, NULL, kind->url, "is the address of %s \"%s\" of the configuration: name that in \"%s\"", kind->name, known, kind->name);
    else if (http_url_is_forbidden(url, config->inline_trust.networks, config->inline_trust.network_count))
        config_error(problems, NULL, kind->url, "leads to an address that is not public: api.inline_networks of the configuration lists those that may be used all the same");
}

static const char *find_source(const struct config *config, const char *url)
{
    for (size_t i = 0; i <= config->sources.count; i++)
        if (strcmp(config_source(config, i)->url, url) == 0)
            return config_source_name(config, i);
    return NULL;
}

static const char *find_target(const struct config *config, const char *url)
{
    for (size_t i = 0; i <= config->targets.count; i++)
        if (strcmp(config_target(config, i)->url, url) == 0)
            return config_target_name(config, i);
    return NULL;
}

/* What is shown as the name of one that was brought along stands there without it: with a patch that took it away, most likely. */
static void check_name(bool is_known, const struct kind *kind, char **chosen, struct config_problems *problems)
{
    AUTO_STRING char *name = mem_format("/%s", kind->name);

    if (is_known || strncmp(*chosen, PREFIX, strlen(PREFIX)) != 0)
        return;
    config_error(problems, NULL, name, "is the name of one that a connector brought along, and %s is not there: name one of the configuration (null: default)", kind->group);
    put_name(chosen, "default");
}

void config_read_own(const struct config *config, const struct node *root, const char *before, struct connector_settings *settings, struct config_problems *problems)
{
    struct memory_api_settings *source = &settings->own_source;
    struct lightrag_settings *target = &settings->own_target;
    const char *nearest;

    if (!is_given(root, &source_kind))
        check_name(config_find_source(config, settings->source, &nearest) <= config->sources.count, &source_kind, &settings->source, problems);
    if (!is_given(root, &target_kind))
        check_name(config_find_target(config, settings->target, &nearest) <= config->targets.count, &target_kind, &settings->target, problems);
    if (is_given(root, &source_kind) && is_allowed(config, root, &source_kind, &settings->source, problems)) {
        source->name = name_source(source->url);
        put_name(&settings->source, source->name);
        check_address(config, &source_kind, source->url, find_source(config, source->url), problems);
        keep_secrets(&source_kind, before, source->url, (char **const[]){ &source->api_key }, problems);
    }
    if (is_given(root, &target_kind) && is_allowed(config, root, &target_kind, &settings->target, problems)) {
        target->name = name_target(settings->id, target->url);
        put_name(&settings->target, target->name);
        check_address(config, &target_kind, target->url, find_target(config, target->url), problems);
        keep_secrets(&target_kind, before, target->url, (char **const[]){ &target->api_key, &target->password }, problems);
    }
}

/* ---- As if they stood in the file ---- */

/* A copy with one more at its end; what the items point to is borrowed. */
static struct field_array with_one_more(const struct field_array *array, size_t size, const void *more)
{
    struct field_array longer = { .items = mem_alloc_array(array->count + 1, size), .count = array->count + 1 };

    if (array->count > 0)
        memcpy(longer.items, array->items, array->count * size);
    memcpy((char *)longer.items + array->count * size, more, size);
    return longer;
}

struct config config_with_own(const struct config *config, const struct owner *owner)
{
    const struct connector_settings *settings = owner->settings.items;
    struct config one = *config;

    one.connectors = owner->settings;
    if (settings->own_source.name != NULL)
        one.sources = with_one_more(&config->sources, sizeof settings->own_source, &settings->own_source);
    if (settings->own_target.name != NULL)
        one.targets = with_one_more(&config->targets, sizeof settings->own_target, &settings->own_target);
    return one;
}

void config_without_own(struct config *one, const struct config *config)
{
    if (one->sources.items != config->sources.items)
        mem_free(one->sources.items);
    if (one->targets.items != config->targets.items)
        mem_free(one->targets.items);
}

void config_keep_own(struct owner *owner, const struct config *one, const struct config *config)
{
    const struct connector_settings *settings = owner->settings.items;

    owner->source = one->engine_sources[one->sources.count];
    owner->source.name = settings->own_source.name;
    owner->source.endpoint.trust = &config->inline_trust;
    owner->target = one->engine_targets[one->targets.count];
    owner->target.name = settings->own_target.name;
    owner->target.sink.trust = &config->inline_trust;
}

static bool starts_as(const char *path, const char *names, const char *name, size_t *ret_skipped)
{
    size_t first = strlen(names);
    size_t second = name != NULL ? strlen(name) : 0;

    *ret_skipped = first + 1 + second;
    return name != NULL && strncmp(path, names, first) == 0 && path[first] == '.' && strncmp(path + first + 1, name, second) == 0 &&
           (path[*ret_skipped] == '.' || path[*ret_skipped] == '\0');
}

const char *config_own_prefix(const struct owner *owner, const char *path, size_t *ret_skipped)
{
    static const char whole[] = "connectors[0]";
    const struct connector_settings *settings = owner->settings.items;

    if (starts_as(path, source_kind.names, settings->own_source.name, ret_skipped))
        return "/memory_api";
    if (starts_as(path, target_kind.names, settings->own_target.name, ret_skipped))
        return "/lightrag";
    *ret_skipped = sizeof whole - 1;
    return strncmp(path, whole, sizeof whole - 1) == 0 ? "" : NULL;
}
