/* config_convert.c - what becomes what: the table, and the ways in which a setting is taken over. */
#include "config/config_convert_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const convert_shape_names[] = { "memory-connector", "go", "design" };
const char *const convert_shape_words[] = { "a configuration of memory-connector", "a configuration of the Go program",
                                            "a configuration in the shape of the design documents" };
const char *const convert_kind_names[CONVERT_KINDS] = { "no_counterpart", "unknown", "changed", "warning" };
const char *const convert_kind_titles[CONVERT_KINDS] = { "No counterpart", "Not known", "Changed", "To be looked at" };

/* ---- The table ---- */

struct row;
/* One setting that is there. false: not its case, the walk goes on as if there were no row. */
typedef bool (*convert_how)(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_hours(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_id(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_metadata(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_output_path(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_log_file(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool take_alert_on(struct converter *converter, const struct row *row, const struct node *old, const char *path);
static bool leave_out(struct converter *converter, const struct row *row, const struct node *old, const char *path);

struct row {
    const char *from;      /* lists without their numbers; in small letters */
    const char *to;        /* NULL: no counterpart */
    convert_how how;
    bool is_go;            /* only the Go program has it: how its files are recognised */
    const char *same;      /* of leave_out: the value that loses nothing */
    const char *words;     /* of leave_out: why, and what to do; of the others a remark behind the value (without "}"), or NULL */
};

static const char kept_in_queue[] = "what could not be sent stays in the queue, and is sent until it is there";
static const char calls_at_once[] = "calls at once, each with up to 100 memories: 1 is enough for most";
static const char no_sound[] = "sound itself is not fetched; its transcript is in the text, and that there is sound";
static const char no_pictures[] = "pictures themselves are not fetched; the text says that there is one";

/* A path that is not here, and that ours has under the same name, is carried over as it is. */
static const struct row rows[] = {
    /* the Go program */
    { "server.host", "api.host", take, true, NULL, NULL },
    { "server.port", "api.port", take, true, NULL, NULL },
    { "memory_api.retry_delay", NULL, leave_out, true, NULL,
      "the first wait is 1 s, each further one memory_api.retry_backoff times longer (2), at most 60 s, with jitter; a Retry-After of the server counts" },
    { "lightrag.url", "lightrag.api.url", take, true, NULL, NULL },
    { "lightrag.api_key", "lightrag.api.api_key", take, true, NULL, NULL },
    { "lightrag.timeout", "lightrag.api.timeout", take, true, NULL, NULL },
    { "lightrag.max_retries", NULL, leave_out, true, NULL, kept_in_queue },
    { "lightrag.retry_delay", NULL, leave_out, true, NULL, kept_in_queue },
    { "logging.output_path", "logging.file.path", take_output_path, true, NULL, NULL },
    { "storage.type", "state.backend", take, true, NULL, NULL },
    { "storage.path", "state.path", take, true, NULL, NULL },
    { "connectors.id", "connectors.id", take_id, false, NULL, NULL },
    { "connectors.source_system", NULL, leave_out, true, NULL,
      "every document names its memory (memory://CONTEXT/ID); several Memory APIs have their names under sources" },
    { "connectors.metadata", "connectors.description", take_metadata, true, NULL, NULL },
    { "connectors.schedule.interval_hours", "connectors.schedule.interval", take_hours, false, NULL, NULL },
    { "connectors.schedule.cron_expr", "connectors.schedule.cron", take, true, NULL, NULL },
    { "connectors.ingestion.include_audio", NULL, leave_out, true, "false", no_sound },
    { "connectors.ingestion.include_images", NULL, leave_out, true, "false", no_pictures },
    { "connectors.ingestion.max_concurrency", "connectors.ingestion.max_concurrency", take, false, NULL, calls_at_once },
    { "connectors.transform.strategy", "connectors.transformation.strategy", take, true, NULL, NULL },
    { "connectors.transform.include_metadata", NULL, leave_out, true, "true",
      "time, place, type and tags are always in the text; strategy: template takes only what you name (docs/transform.md)" },
    { "connectors.transform.enrich_location", NULL, leave_out, true, "false",
      "latitude and longitude are always in the text; names of places are not looked up" },
    { "connectors.transform.media_context", NULL, leave_out, true, NULL,
      "the text says which media there are, without links; strategy: template leaves that out (docs/transform.md)" },
    /* the design documents */
    { "lightrag.mode", NULL, leave_out, false, "api",
      "documents go through LightRAG's HTTP API only: start lightrag-server over the same working_dir, and name its address in lightrag.api.url" },
    { "lightrag.direct", NULL, leave_out, false, NULL, "these are settings of the LightRAG server here: give them to lightrag-server (WORKING_DIR, LLM_BINDING, ...)" },
    { "lightrag.api.workspace", "lightrag.api.workspace", take, false, NULL, "the server must report it (its WORKSPACE); it is not sent" },
    { "connectors.ingestion.batch_size", "connectors.ingestion.max_concurrency", take, false, NULL, calls_at_once },
    { "connectors.transformation.include_audio", NULL, leave_out, false, "false", no_sound },
    { "connectors.transformation.include_image", NULL, leave_out, false, "false", no_pictures },
    { "connectors.transformation.geocoding", NULL, leave_out, false, "false",
      "names of places are not looked up; latitude and longitude are in the text" },
    { "logging.file", "logging.file.path", take_log_file, false, NULL, NULL },
    { "logging.file.rotation", NULL, leave_out, false, "size", "a file is moved away by its size (logging.file.max_bytes); for one by time let logrotate do it, and send SIGHUP" },
    { "logging.components.scheduler", "logging.components.schedule", take, false, NULL, NULL },
    { "logging.components.orchestrator", "logging.components.engine", take, false, NULL, NULL },
    { "logging.components.state_manager", "logging.components.state", take, false, NULL, NULL },
    { "logging.components.api_client", "logging.components.source", take, false, NULL, NULL },
    { "logging.components.api_client", "logging.components.target", take, false, NULL, NULL },
    { "monitoring.prometheus.port", NULL, leave_out, false, NULL, "metrics are at the management API's own address (api.host, api.port)" },
    { "monitoring.health_check.enabled", NULL, leave_out, false, "true", "/health is there whenever the management API is" },
    { "monitoring.health_check.endpoint", NULL, leave_out, false, "/health", "it is at /health and /api/v1/health, with /livez and /readyz" },
    { "monitoring.alerts.alert_on", "monitoring.alerts.alert_on", take_alert_on, false, NULL, NULL },
    { "advanced.performance", NULL, leave_out, false, NULL, "nothing is cached that would have to be tuned: the state says what is known" },
    { "advanced.security.encrypt_secrets", NULL, leave_out, false, "false", "the state holds no keys; keep it on an encrypted disk where its texts want that" },
    { "advanced.security.encryption_key", NULL, leave_out, false, NULL, "the state holds no keys: nothing is encrypted with it" },
};

/* ---- Ways of taking a setting over ---- */

static void set_text(struct node *node, char *text)
{
    mem_free(node->text);
    node->text = text;
}

/* A key that may be unset, and an address that is needed only where alerts are on. */
static bool is_optional(const struct field *field)
{
    return field->type == FIELD_SECRET || strcmp(field->name, "webhook_url") == 0;
}

static void warn_of_secret(struct converter *converter, struct node *node, const char *path)
{
    if (node->text[0] == '\0' || convert_has_reference(node->text))
        return;
    node->remark = "in the open: better in a variable";
    convert_add_note(converter, CONVERT_WARNING, node, path, NULL, "the key stands in the file itself: better in a variable (${NAME}), .env or a file of its own; until then chmod 600");
}

static void take_scalar(struct converter *converter, const struct field *field, struct node *node, const char *path)
{
    AUTO_STRING char *message = NULL;
    AUTO_STRING char *old = mem_copy_string(node->text);
    bool is_changed = false;

    set_text(node, convert_value(field, old, &message));
    if ((field->type == FIELD_BOOLEAN || field->type == FIELD_CHOICE) && strcasecmp(node->text, old) != 0)
        converter->has_foreign = true; /* words that ours does not take */
    if (message != NULL)
        convert_add_note(converter, CONVERT_CHANGED, node, path, NULL, "%s", message);
    if (node->text == NULL)
        return;
    set_text(node, convert_text(node->text, is_optional(field), &is_changed));
    if (is_changed)
        convert_add_note(converter, CONVERT_CHANGED, node, path, NULL, "variables are written ${NAME} here, and a \"${\" that is none \"$${\"");
    if (field->type == FIELD_SECRET)
        warn_of_secret(converter, node, path);
}

void convert_take_to(struct converter *converter, const char *to, const struct node *old, const char *path, const char *remark)
{
    const struct field *field = convert_find_field(to);
    struct node *node = field == NULL || (old->kind == NODE_SCALAR && old->text == NULL) ? NULL : convert_put(converter, to, old, path);

    if (node == NULL)
        return;
    node->remark = remark;
    if (node->kind == NODE_SCALAR)
        take_scalar(converter, field, node, path);
    for (size_t i = 0; i < node->count; i++) {
        bool is_changed;
        if (node->children[i].kind == NODE_SCALAR && node->children[i].text != NULL)
            set_text(&node->children[i], convert_text(node->children[i].text, false, &is_changed));
    }
}

static bool take(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    convert_take_to(converter, row->to, old, path, row->words);
    return true;
}

static bool leave_out(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    struct node place = convert_name_place(old);
    static const struct field a_boolean = { .type = FIELD_BOOLEAN };
    AUTO_STRING char *message = NULL;
    AUTO_STRING char *value = old->kind == NODE_SCALAR && old->text != NULL ? convert_value(&a_boolean, old->text, &message) : NULL;

    if (convert_is_blank(old) || (row->same != NULL && value != NULL && strcasecmp(value, row->same) == 0))
        return true;
    converter->has_foreign = true;
    convert_add_note(converter, CONVERT_MISSING, &place, path, row->words, "%s", row->words);
    return true;
}

/* "1" is one hour; anything else stays what it is, under the older name that ours takes too. */
static bool take_hours(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    struct node hours = *old;
    AUTO_STRING char *text = NULL;

    if (old->kind != NODE_SCALAR || convert_is_blank(old) || old->text[0] == '0' || strspn(old->text, "0123456789") != strlen(old->text)) {
        convert_take_to(converter, row->from, old, path, NULL);
        return true;
    }
    text = mem_format("%sh", old->text);
    hours.text = text;
    convert_take_to(converter, row->to, &hours, path, NULL);
    return true;
}

static bool take_id(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    struct node id = *old;
    AUTO_STRING char *text = old->kind == NODE_SCALAR && !convert_is_blank(old) && !convert_has_reference(old->text) ? convert_id(old->text) : NULL;

    if (text != NULL && strcmp(text, old->text) != 0) {
        id.text = text;
        converter->has_foreign = true;
        convert_add_note(converter, CONVERT_CHANGED, old, path, NULL, "\"%.80s\" becomes %s: ids are letters, digits, _ - and . (not first), at most 64", old->text, text);
    }
    convert_take_to(converter, row->to, &id, path, NULL);
    return true;
}

/* Free words of the Go program, for people: ours has one line of them. */
static bool take_metadata(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    struct node description = { .source = old->source, .line = old->line, .column = old->column };
    AUTO_DONE(text) struct text words = { 0 };
    size_t before = converter->out->carried;

    text_init(&words, 0);
    for (size_t i = 0; old->kind == NODE_MAP && i < old->count; i++)
        if (old->children[i].kind == NODE_SCALAR && !convert_is_blank(&old->children[i]))
            (void)text_append_format(&words, "%s%s %s", words.size > 0 ? ", " : "", old->children[i].key, old->children[i].text);
    if (words.size == 0)
        return true;
    description.text = words.data;
    convert_take_to(converter, row->to, &description, path, NULL);
    if (converter->out->carried > before)
        convert_add_note(converter, CONVERT_CHANGED, old, path, row->from, "it is the description now: nothing but people read it");
    return true;
}

static void set_beside(struct converter *converter, const char *path, const char *value, const struct node *old)
{
    struct node *node = convert_place_for(converter, path);
    char *key = TAKE(node->key);

    node_done(node);
    *node = (struct node){ .kind = NODE_SCALAR, .key = key, .text = mem_copy_string(value), .source = mem_copy_string(old->source), .line = old->line, .column = old->column };
}

static bool take_output_path(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    if (convert_is_blank(old) || old->kind != NODE_SCALAR)
        return true;
    if (strcmp(old->text, "stdout") == 0)
        convert_add_note(converter, CONVERT_CHANGED, old, path, NULL, "the log goes to standard error: standard output is for what a command tells");
    if (strcmp(old->text, "stdout") == 0 || strcmp(old->text, "stderr") == 0)
        return true;
    set_beside(converter, "logging.file.enabled", "true", old);
    set_beside(converter, "logging.console.enabled", "false", old);
    convert_take_to(converter, row->to, old, path, NULL);
    return true;
}

/* "file: PATH", as one of the design documents has it. */
static bool take_log_file(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    if (old->kind != NODE_SCALAR || convert_is_blank(old))
        return false;
    converter->has_foreign = true;
    set_beside(converter, "logging.file.enabled", "true", old);
    convert_take_to(converter, row->to, old, path, NULL);
    return true;
}

/* One element: a name alone has its default, a name with a number that. */
static void take_alert(struct converter *converter, const char *to, const struct node *element, const char *path)
{
    if (element->kind == NODE_SCALAR && element->text != NULL) {
        AUTO_STRING char *named = mem_format("%s.%s", to, element->text);
        if (convert_find_field(named) != NULL)
            set_beside(converter, named, NULL, element);
        else
            convert_add_note(converter, CONVERT_UNKNOWN, element, path, NULL, "there is no such alert");
    }
    for (size_t i = 0; element->kind == NODE_MAP && i < element->count; i++) {
        AUTO_STRING char *named = mem_format("%s.%s", to, element->children[i].key);
        AUTO_STRING char *below = mem_format("%s.%s", path, element->children[i].key);
        if (convert_find_field(named) != NULL) {
            set_beside(converter, named, NULL, &(struct node){ 0 });
            convert_take_to(converter, named, &element->children[i], below, NULL);
        } else {
            convert_add_note(converter, CONVERT_UNKNOWN, &element->children[i], below, NULL, "there is no such alert");
        }
    }
}

/* "- consecutive_failures: 3": what the list does not name is off. */
static bool take_alert_on(struct converter *converter, const struct row *row, const struct node *old, const char *path)
{
    const struct field *field;
    const struct field_group *group = convert_find_group(row->to, &field);

    if (old->kind != NODE_LIST)
        return false;
    for (size_t i = 0; i < group->field_count; i++) {
        AUTO_STRING char *to = mem_format("%s.%s", row->to, group->fields[i].name);
        set_beside(converter, to, "0", old);
    }
    for (size_t i = 0; i < old->count; i++) {
        AUTO_STRING char *element = mem_format("%s[%zu]", path, i);
        take_alert(converter, row->to, &old->children[i], element);
    }
    return true;
}

/* ---- Looking a row up ---- */

bool convert_is_row_below(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strncmp(rows[i].from, path, length) == 0 && rows[i].from[length] == '.')
            return true;
    return false;
}

bool convert_apply_rows(struct converter *converter, const struct node *old, const char *table_path, const char *path)
{
    const struct field *field;
    bool is_ours = convert_find_group(table_path, &field) != NULL;
    bool is_done = false;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(rows[i].from, table_path) != 0 || !rows[i].how(converter, &rows[i], old, path))
            continue;
        converter->known++;
        converter->has_go |= rows[i].is_go;
        converter->has_foreign |= !is_ours;
        is_done = true;
    }
    return is_done;
}

/* ---- The whole ---- */

static int compare_notes(const void *a, const void *b)
{
    const struct convert_note *left = a;
    const struct convert_note *right = b;

    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return left->column != right->column ? (left->column < right->column ? -1 : 1) : strcmp(left->message, right->message);
}

static int refuse(const struct converter *converter, struct error *err)
{
    if (converter->out->note_count == 0)
        return error_set(err, ERROR_CONFIG, "%s is empty: there is nothing to convert (was the output sent into the same file?)", converter->file);
    return error_set(err, ERROR_CONFIG, "%s is no configuration of the Go program or of its design documents: none of its settings is known", converter->file);
}

static int convert_tree(struct converter *converter, const struct node *old, const char *text, struct config_problems *problems, struct error *err)
{
    struct conversion *out = converter->out;

    convert_walk(converter, old, "", "");
    if (converter->known == 0)
        return refuse(converter, err);
    out->shape = !converter->has_go && !converter->has_foreign ? CONVERT_OURS : converter->has_go || converter->has_memcon ? CONVERT_GO : CONVERT_DESIGN;
    if (out->shape == CONVERT_OURS)
        return text_append(&out->yaml, text) < 0 ? error_set(err, ERROR_CONFIG, "%s is too large", converter->file) : 0;
    if (convert_finish(converter, problems) < 0)
        return error_set(err, ERROR_CONFIG, "%s, %s, cannot be converted as it is: neither program can do with that", converter->file,
                         convert_shape_words[out->shape]);
    if (out->note_count > 0)
        qsort(out->notes, out->note_count, sizeof *out->notes, compare_notes);
    convert_write(converter);
    return 0;
}

int config_convert(const char *file, const char *text, size_t size, const char *zone, struct conversion *ret_conversion, struct config_problems *problems,
                   struct error *err)
{
    AUTO_DONE(node) struct node old = { .kind = NODE_MAP };
    AUTO_DONE(node) struct node fresh = { .kind = NODE_MAP };
    struct converter converter = { .file = file, .zone = zone, .out = ret_conversion, .root = &fresh };

    *ret_conversion = (struct conversion){ 0 };
    text_init(&ret_conversion->yaml, 0);
    if (node_parse_yaml(file, text, size, &old, problems) < 0 || problems->errors > 0)
        return error_set(err, ERROR_CONFIG, "%s has %zu problem%s: it cannot be read, and nothing was converted", file, problems->errors, problems->errors == 1 ? "" : "s");
    return convert_tree(&converter, &old, text, problems, err);
}

void conversion_done(struct conversion *conversion)
{
    for (size_t i = 0; i < conversion->note_count; i++) {
        mem_free(conversion->notes[i].path);
        mem_free(conversion->notes[i].message);
    }
    for (size_t i = 0; i < conversion->variable_count; i++)
        mem_free(conversion->variables[i]);
    mem_free(conversion->notes);
    mem_free(conversion->variables);
    text_done(&conversion->yaml);
    *conversion = (struct conversion){ 0 };
}
