/* config_convert_finish.c - what the old programs took for granted is written out; then the new tree goes through the loader's own checks, and what they
 * refuse is taken out and named in their words, until nothing is refused. */
#include "config/config_convert_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ROUNDS_MAXIMUM = 1000 };

static const struct node *find(const struct node *root, const char *path)
{
    bool is_exact;
    const struct node *node = node_at(root, path, &is_exact);

    return is_exact ? node : NULL;
}

/* The text at a path; "" when there is none. */
static const char *text_at(const struct node *map, const char *path)
{
    const struct node *node = find(map, path);

    return node != NULL && node->kind == NODE_SCALAR && node->text != NULL ? node->text : "";
}

/* ---- What the old programs took for granted ---- */

static void add_keys(struct converter *converter)
{
    static const struct { const char *path, *variable; } keys[] = {
        { "memory_api.api_key", "MEMCON_MEMORY_API_API_KEY" },
        { "lightrag.api.api_key", "MEMCON_LIGHTRAG_API_KEY" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        AUTO_STRING char *reference = mem_format("${%s:-}", keys[i].variable);
        if (text_at(converter->root, keys[i].path)[0] == '\0')
            convert_set(converter->root, keys[i].path, reference)->remark = "the Go program's variable";
    }
}

/* Nought meant "the default" there; here it means "never again". */
static void mend_retries(struct converter *converter)
{
    static const char path[] = "memory_api.max_retries";
    const struct node *node = find(converter->root, path);

    if (strcmp(text_at(converter->root, path), "0") != 0)
        return;
    convert_add_note(converter, CONVERT_CHANGED, node, path, NULL, "0 meant 3 in the Go program, and that is the default here: left out");
    (void)convert_set(converter->root, path, NULL);
}

static bool is_loopback(const char *host)
{
    return host[0] == '\0' || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* serve does not open an address to others without a key. */
static void check_api(struct converter *converter)
{
    const struct node *host = find(converter->root, "api.host");

    if (is_loopback(text_at(converter->root, "api.host")) || strcmp(text_at(converter->root, "api.enabled"), "false") == 0)
        return;
    if (strcmp(text_at(converter->root, "api.enable_auth"), "false") == 0) {
        convert_add_note(converter, CONVERT_WARNING, host, "api.host", NULL,
                         "\"serve\" refuses to listen there without a key: set api.enable_auth: true and api.api_key, or listen on 127.0.0.1");
        return;
    }
    if (text_at(converter->root, "api.api_key")[0] == '\0' && text_at(converter->root, "api.api_key_file")[0] == '\0') {
        (void)convert_set(converter->root, "api.api_key", "${CONNECTOR_API_KEY:-}");
        convert_add_note(converter, CONVERT_WARNING, host, "api.host", NULL,
                         "\"serve\" listens there only with a key: set CONNECTOR_API_KEY to one, or listen on 127.0.0.1");
    }
}

static void place_state(struct converter *converter)
{
    const struct node *node = find(converter->root, "state.path");
    const char *old = text_at(converter->root, "state.path");
    bool is_json = strcasecmp(text_at(converter->root, "state.backend"), "sqlite") != 0;
    AUTO_STRING char *fresh = NULL;

    if (old[0] == '\0')
        return;
    fresh = convert_state_path(old, converter->out->shape == CONVERT_GO && is_json, is_json);
    convert_add_note(converter, CONVERT_CHANGED, node, converter->out->shape == CONVERT_GO ? "storage.path" : "state.path", NULL,
                     "the old state stays where it is, and ours is %s%s; \"memory-connector state import\" brings in what it knows (docs/migration.md)",
                     fresh != NULL ? fresh : "at its default place", fresh != NULL ? "" : " (state.path)");
    (void)convert_set(converter->root, "state.path", fresh);
}

/* A place without a backend is json's in both programs; ours has sqlite where nobody says otherwise. */
static void name_backend(struct converter *converter)
{
    if (text_at(converter->root, "state.path")[0] != '\0' && text_at(converter->root, "state.backend")[0] == '\0')
        (void)convert_set(converter->root, "state.backend", "json");
}

/* ---- The same of each connector ---- */

static void switch_off(struct converter *converter, struct node *connector, const char *path)
{
    if (find(connector, "enabled") != NULL)
        return;
    (void)convert_set(connector, "enabled", "false");
    convert_add_note(converter, CONVERT_CHANGED, connector, path, "enabled", "the Go program runs a connector only with enabled: true, so false is written");
}

static void name_type(struct node *connector)
{
    if (text_at(connector, "schedule.type")[0] != '\0')
        return;
    if (text_at(connector, "schedule.cron")[0] != '\0')
        (void)convert_set(connector, "schedule.type", "cron");
    else if (text_at(connector, "schedule.interval")[0] != '\0' || text_at(connector, "schedule.interval_hours")[0] != '\0')
        (void)convert_set(connector, "schedule.type", "interval");
}

/* Both programs go by the clock of their machine; ours by UTC. */
static void name_zone(struct converter *converter, struct node *connector, const char *path)
{
    const char *cron = text_at(connector, "schedule.cron");

    if (cron[0] == '\0' || strstr(cron, "TZ=") != NULL || text_at(connector, "schedule.timezone")[0] != '\0')
        return;
    if (converter->zone == NULL) {
        convert_add_note(converter, CONVERT_WARNING, find(connector, "schedule.cron"), path, "zone",
                         "it ran by the clock of its machine, here by UTC: give schedule.timezone, such as Europe/Berlin");
        return;
    }
    (void)convert_set(connector, "schedule.timezone", converter->zone);
    convert_add_note(converter, CONVERT_CHANGED, find(connector, "schedule.cron"), path, "zone",
                     "it ran by the clock of its machine; schedule.timezone is written, with the zone of this machine (%s)", converter->zone);
}

static void finish_connectors(struct converter *converter)
{
    struct node *list = node_find(converter->root, "connectors");

    for (size_t i = 0; list != NULL && list->kind == NODE_LIST && i < list->count; i++) {
        struct node *connector = &list->children[i];
        AUTO_STRING char *path = mem_format("connectors[%zu].enabled", i);
        AUTO_STRING char *cron = mem_format("connectors[%zu].schedule", i);
        if (connector->kind != NODE_MAP)
            continue;
        if (converter->out->shape == CONVERT_GO)
            switch_off(converter, connector, path);
        name_type(connector);
        name_zone(converter, connector, cron);
    }
}

/* ---- What ours would refuse ---- */

/* Where one setting is missing or wrong, another is what has to change. N stands for the number of a connector. */
static const struct mend {
    const char *broken, *changed, *value;
    const char *words; /* NULL: the loader's own */
    enum { ALWAYS, IF_THERE, IF_MISSING } when; /* does something stand at broken? A connector without a context cannot be helped */
} mends[] = {
    { "logging.file.path", "logging.file.enabled", "false", NULL, ALWAYS },
    { "monitoring.alerts.webhook_url", "monitoring.alerts.enabled", "false", NULL, ALWAYS },
    { "monitoring.alerts.secret", "monitoring.alerts.enabled", "false",
      "alerts are signed here, and nothing to sign with is known: put in what echo \"whsec_$(openssl rand -base64 32)\" gives, then switch them on", ALWAYS },
    { "api.cors.enabled", "api.cors.enabled", "false", NULL, ALWAYS },
    { "connectors[N].context_id", "connectors[N].enabled", "false", NULL, IF_THERE },
    { "connectors[N].schedule.cron", "connectors[N].schedule.type", "manual", NULL, IF_MISSING },
};

/* Does the path fit the pattern? The number that stands for N goes to *ret_number. */
static bool fits(const char *path, const char *pattern, unsigned *ret_number)
{
    const char *rest = strchr(path, ']');

    *ret_number = 0;
    if (strchr(pattern, '[') == NULL)
        return strcmp(path, pattern) == 0;
    return sscanf(path, "connectors[%u]", ret_number) == 1 && rest != NULL && strcmp(rest, strchr(pattern, ']')) == 0;
}

/* Takes out what is at the path. An element of a list goes, anything else becomes "nothing said". */
static void take_out(struct node *root, const char *path)
{
    const char *bracket = strrchr(path, '[');
    struct node *node = (struct node *)(uintptr_t)find(root, path);
    AUTO_STRING char *above = bracket != NULL ? mem_copy_bytes(path, (size_t)(bracket - path)) : NULL;
    struct node *list = above != NULL && path[strlen(path) - 1] == ']' ? (struct node *)(uintptr_t)find(root, above) : NULL;
    char *key;

    if (node == NULL)
        return;
    key = TAKE(node->key);
    node_done(node);
    if (list != NULL && list->kind == NODE_LIST) {
        memmove(node, node + 1, (list->count - (size_t)(node - list->children) - 1) * sizeof *node);
        list->count--;
    } else {
        *node = (struct node){ .kind = NODE_SCALAR, .key = key };
    }
}

/* An address may hold a password or a token. */
static const char *words_of(const struct config_problem *problem)
{
    return strstr(problem->path, "url") != NULL ? "is no address that ours takes" : problem->message;
}

struct mending {
    struct converter *converter;
    struct node judged;    /* the new tree without what only a variable can tell */
    bool is_moved;         /* an element of a list is gone: numbers in the problems at hand are no longer right */
};

static void set_both(struct mending *mending, const char *path, unsigned number, const char *value)
{
    struct node *const trees[] = { mending->converter->root, &mending->judged };
    const char *point = strchr(path, ']');

    for (size_t i = 0; i < ARRAY_LENGTH(trees); i++)
        (void)convert_set(point != NULL ? &node_find(trees[i], "connectors")->children[number] : trees[i], point != NULL ? point + 2 : path, value);
}

static bool switch_over(struct mending *mending, const struct config_problem *problem, const struct node *place)
{
    struct node *root = mending->converter->root;
    bool is_there = text_at(root, problem->path)[0] != '\0';

    for (size_t i = 0; i < ARRAY_LENGTH(mends); i++) {
        unsigned number;
        const char *point = strchr(mends[i].changed, ']');
        const struct node *base = root;
        if (!fits(problem->path, mends[i].broken, &number) || (mends[i].when != ALWAYS && (mends[i].when == IF_THERE) != is_there))
            continue;
        if (point != NULL)
            base = &node_find(root, "connectors")->children[number];
        if (strcmp(text_at(base, point != NULL ? point + 2 : mends[i].changed), mends[i].value) == 0)
            return false;
        set_both(mending, mends[i].changed, number, mends[i].value);
        convert_add_note(mending->converter, CONVERT_CHANGED, place, problem->path, NULL, "%s; %s: %s is written",
                         mends[i].words != NULL ? mends[i].words : words_of(problem), point != NULL ? point + 2 : mends[i].changed, mends[i].value);
        return true;
    }
    return false;
}

/* What a reference comes to is not known: it is not judged, and counts as nothing for what depends on it. */
static bool is_reference(const struct node *node)
{
    return node != NULL && node->kind == NODE_SCALAR && node->text != NULL && convert_has_reference(node->text);
}

/* Which of two connectors is to have the id, and where a server is, only a person knows: a default would be another's. */
static bool is_for_a_person(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && (strcmp(path + length - 4, "].id") == 0 || strcmp(path + length - 4, ".url") == 0);
}

static bool mend(struct mending *mending, const struct config_problem *problem)
{
    const struct node *there = find(mending->converter->root, problem->path);
    const struct node place = { .source = problem->source, .line = problem->line, .column = problem->column };

    if (is_reference(there)) {
        bool was_judged = text_at(&mending->judged, problem->path)[0] != '\0';
        if (was_judged)
            take_out(&mending->judged, problem->path);
        return was_judged;
    }
    if (switch_over(mending, problem, &place))
        return true;
    if (there == NULL || (there->kind == NODE_SCALAR && there->text == NULL) || is_for_a_person(problem->path))
        return false;
    convert_add_note(mending->converter, CONVERT_MISSING, &place, problem->path, NULL, "%s; left out", words_of(problem));
    mending->converter->out->carried -= mending->converter->out->carried > 0;
    mending->is_moved = problem->path[strlen(problem->path) - 1] == ']';
    take_out(mending->converter->root, problem->path);
    take_out(&mending->judged, problem->path);
    return true;
}

static void judge(const struct node *tree, struct config_problems *problems)
{
    static const char *const no_variables[] = { NULL };
    static const struct config_environment nothing = { .variables = no_variables };
    struct config_binder binder = { .environment = &nothing, .problems = problems };
    AUTO(config) struct config *config = mem_alloc(sizeof *config);

    fields_set_defaults(&config_root, config);
    config_bind(&binder, &config_root, config, tree, "");
    config_check(config, tree, problems);
}

/* Files of keys are where the service is, not where its configuration is converted. */
static bool is_for_later(const struct config_problem *problem)
{
    size_t length = strlen(problem->path);

    return problem->is_warning || (length > 5 && strcmp(problem->path + length - 5, "_file") == 0);
}

static bool mend_round(struct mending *mending)
{
    AUTO_DONE(config_problems) struct config_problems found = { 0 };
    bool is_mended = false;

    mending->is_moved = false;
    judge(&mending->judged, &found);
    for (size_t i = 0; i < found.count && !mending->is_moved; i++)
        if (!is_for_later(&found.items[i]))
            is_mended |= mend(mending, &found.items[i]);
    return is_mended;
}

/* What is refused still, and no variable can be the cause: something is missing that neither program does without. */
static int report(const struct mending *mending, struct config_problems *problems)
{
    AUTO_DONE(config_problems) struct config_problems found = { 0 };
    size_t before = problems->errors;

    judge(&mending->judged, &found);
    for (size_t i = 0; i < found.count; i++) {
        const struct config_problem *problem = &found.items[i];
        const struct node place = { .source = problem->source, .line = problem->line, .column = problem->column };
        if (!is_for_later(problem) && !is_reference(find(mending->converter->root, problem->path)))
            config_error(problems, &place, problem->path, "%s", words_of(problem));
    }
    return problems->errors > before ? -1 : 0;
}

int convert_finish(struct converter *converter, struct config_problems *problems)
{
    struct mending mending = { .converter = converter };
    int rounds = 0;
    int result;

    if (converter->out->shape == CONVERT_GO) {
        add_keys(converter);
        mend_retries(converter);
    }
    name_backend(converter);
    place_state(converter);
    finish_connectors(converter);
    check_api(converter);
    convert_copy(&mending.judged, converter->root);
    while (mend_round(&mending) && rounds < ROUNDS_MAXIMUM)
        rounds++;
    result = report(&mending, problems);
    node_done(&mending.judged);
    return result;
}
