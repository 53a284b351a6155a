#include "base/fields.h"

#include "base/http_client.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAXIMUM = 64, URL_MAXIMUM = 4096, SHOWN_MAXIMUM = 60 };

static void *at(const void *record, size_t offset)
{
    return (char *)(uintptr_t)record + offset;
}

/* ---- Numbers with units ---- */

struct unit {
    const char *name;
    double factor;
};

static const struct unit durations[] = {
    { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60e3 }, { "min", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 }, { "w", 7 * 86400e3 }, { NULL, 0 },
};
static const struct unit sizes[] = {
    { "", 1 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 }, { "TiB", 1099511627776 },
    { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 }, { "TB", 1e12 }, { NULL, 0 },
};
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static bool parse_number(const char *text, const struct unit *units, double *ret_value)
{
    char *end;
    double value;

    if (text[0] == '\0' || strchr("0123456789.-", text[0]) == NULL || strpbrk(text, "xX_") != NULL)
        return false;
    errno = 0;
    value = strtod(text, &end);
    if (end == text || !isfinite(value))
        return false;
    while (*end == ' ')
        end++;
    for (; units->name != NULL; units++) {
        if (strcasecmp(units->name, end) == 0) {
            *ret_value = value * units->factor;
            return true;
        }
    }
    return false;
}

static void print_scaled(double value, const struct unit *units, struct text *out)
{
    const struct unit *best = &units[0];

    if (value == 0) {
        (void)text_append_char(out, '0');
        return;
    }
    for (; units->name != NULL; units++)
        if (value >= units->factor && fmod(value, units->factor) == 0)
            best = units;
    (void)text_append_format(out, "%.0f%s", value / best->factor, best->name);
}

static void print_number(const struct field *field, double value, struct text *out)
{
    static const struct unit duration_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 }, { NULL, 0 } };
    static const struct unit size_units[] = {
        { "B", 1 }, { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 }, { "TiB", 1099511627776 }, { NULL, 0 },
    };

    if (field->type == FIELD_DURATION)
        print_scaled(value, duration_units, out);
    else if (field->type == FIELD_SIZE)
        print_scaled(value, size_units, out);
    else if (value == floor(value) && fabs(value) < 1e15)
        (void)text_append_format(out, "%.0f", value);
    else
        (void)text_append_format(out, "%g", value);
}

static int check_limits(const struct field *field, double value, struct error *err)
{
    AUTO_DONE(text) struct text range = { 0 };

    if ((field->min == 0 && field->max == 0) || (value >= field->min && value <= field->max))
        return 0;
    text_init(&range, 100);
    if (value < field->min && field->max >= 1e12) { /* an end that nobody comes near */
        print_number(field, field->min, &range);
        return error_set(err, ERROR_CONFIG, "is out of range: at least %s", range.data);
    }
    print_number(field, field->min, &range);
    (void)text_append(&range, " to ");
    print_number(field, field->max, &range);
    return error_set(err, ERROR_CONFIG, "is out of range: %s", range.data);
}

const char *field_type_words(const struct field *field)
{
    static const char *const words[] = {
        [FIELD_STRING] = "a text", [FIELD_SECRET] = "a text", [FIELD_URL] = "a URL such as http://localhost:9621", [FIELD_BOOLEAN] = "true or false",
        [FIELD_INTEGER] = "a whole number", [FIELD_NUMBER] = "a number", [FIELD_SIZE] = "a size such as 8MiB",
        [FIELD_DURATION] = "a duration such as 30s, 5m or 1h (a bare number is seconds)", [FIELD_CHOICE] = "one of a few words",
        [FIELD_LIST] = "a list of texts",
    };

    return words[field->type];
}

static int set_number(const struct field *field, void *place, const char *text, struct error *err)
{
    const struct unit *units = field->type == FIELD_DURATION ? durations : field->type == FIELD_SIZE ? sizes : plain;
    double value;

    if (!parse_number(text, units, &value) || (field->type == FIELD_INTEGER && value != floor(value)))
        return error_set(err, ERROR_CONFIG, "is not %s", field_type_words(field));
    if (check_limits(field, value, err) < 0)
        return -1;
    if (fabs(value) > 9e18)
        return error_set(err, ERROR_CONFIG, "is too large");
    if (field->type == FIELD_NUMBER)
        *(double *)place = value;
    else
        *(int64_t *)place = (int64_t)value;
    return 0;
}

/* ---- Other types ---- */

static int set_boolean(void *place, const char *text, struct error *err)
{
    if (strcasecmp(text, "true") == 0)
        *(bool *)place = true;
    else if (strcasecmp(text, "false") == 0)
        *(bool *)place = false;
    else
        return error_set(err, ERROR_CONFIG, "is neither true nor false");
    return 0;
}

static int set_choice(const struct field *field, void *place, const char *text, struct error *err)
{
    char list[200] = "";

    for (int i = 0; field->choices[i] != NULL; i++) {
        if (strcasecmp(field->choices[i], text) == 0) {
            *(int *)place = i;
            return 0;
        }
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 0 ? ", " : "", field->choices[i]);
    }
    return error_set(err, ERROR_CONFIG, "is not one of %s", list);
}

static void set_string(void *place, const char *text)
{
    char **string = place;

    mem_free(*string);
    *string = mem_copy_string(text);
}

static int set_url(void *place, const char *text, struct error *err)
{
    AUTO_DONE(text) struct text normal = { 0 };

    text_init(&normal, URL_MAXIMUM);
    if (strlen(text) > URL_MAXIMUM / 2) /* curl may make it longer */
        return error_set(err, ERROR_CONFIG, "the URL is too long");
    if (text[0] != '\0' && http_url_check(text, &normal, err) < 0)
        return -1;
    set_string(place, normal.data);
    return 0;
}

/* A key goes into a header: a line end inside (often that of the file or command it was read from) would end the header. */
static int set_secret(void *place, const char *text, struct error *err)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return error_set(err, ERROR_CONFIG, "has a control character inside (a line end at its end, perhaps)");
    set_string(place, text);
    return 0;
}

/* Room for one more: doubled at 0, 1, 2, 4, 8, ... items, so that 20,000 connectors are no 20,000 copies. */
static void *make_room(void *items, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? mem_resize(items, count > 0 ? count * 2 : 1, size) : items;
}

void field_list_add(struct field_list *list, const char *item)
{
    list->items = make_room(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = mem_copy_string(item);
}

static void free_list(struct field_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mem_free(list->items[i]);
    mem_free(list->items);
    *list = (struct field_list){ 0 };
}

/* "a, b": for variables and flags; YAML has lists of its own. */
static void set_list(void *place, const char *text)
{
    free_list(place);
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        size_t blanks = strspn(text, " ");
        size_t end = length;
        while (end > blanks && text[end - 1] == ' ')
            end--;
        if (end > blanks) {
            AUTO_STRING char *item = mem_copy_bytes(text + blanks, end - blanks);
            field_list_add(place, item);
        }
        text += length + (text[length] == ',' ? 1 : 0);
    }
}

/* The messages name neither the field nor the value. */
static int set_value(const struct field *field, void *record, const char *text, struct error *err)
{
    void *place = at(record, field->offset);

    if (field->only != NULL && strcasecmp(field->only, text) != 0)
        return error_set(err, ERROR_CONFIG, "is not possible: %s; leave it %s%s%s", field->why, field->only[0] != '\0' ? "at \"" : "empty", field->only,
                         field->only[0] != '\0' ? "\"" : "");
    switch (field->type) {
    case FIELD_BOOLEAN:
        return set_boolean(place, text, err);
    case FIELD_INTEGER:
    case FIELD_NUMBER:
    case FIELD_SIZE:
    case FIELD_DURATION:
        return set_number(field, place, text, err);
    case FIELD_CHOICE:
        return set_choice(field, place, text, err);
    case FIELD_URL:
        return set_url(place, text, err);
    case FIELD_SECRET:
        return set_secret(place, text, err);
    case FIELD_LIST:
        set_list(place, text);
        return 0;
    case FIELD_STRING:
        break;
    }
    set_string(place, text);
    return 0;
}

static int begin_with(struct error *err, const char *subject)
{
    struct error why;

    if (err == NULL)
        return -1;
    why = *err;
    return error_set(err, ERROR_CONFIG, "%s %s", subject, why.message);
}

int field_set(const struct field *field, void *record, const char *text, struct error *err)
{
    char quoted[SHOWN_MAXIMUM + 3];

    /* a URL with a password inside is not for the screen */
    if (field->type == FIELD_SECRET || (field->type == FIELD_URL && strchr(text, '@') != NULL))
        return field_set_unseen(field, record, text, err);
    if (set_value(field, record, text, err) == 0)
        return 0;
    if (field->type == FIELD_URL)
        return -1; /* http_url_check has quoted it */
    (void)snprintf(quoted, sizeof quoted, "\"%.*s\"", SHOWN_MAXIMUM, text);
    return begin_with(err, quoted);
}

int field_set_unseen(const struct field *field, void *record, const char *text, struct error *err)
{
    if (set_value(field, record, text, err) == 0)
        return 0;
    if (field->type == FIELD_URL && strchr(text, '@') != NULL)
        return error_set(err, ERROR_CONFIG, "the URL is not possible, or has a user name or password inside: use the api_key setting instead");
    if (field->type == FIELD_URL)
        return error_set(err, ERROR_CONFIG, "the value is not %s", field_type_words(field));
    return begin_with(err, "the value");
}

/* ---- Whole records ---- */

void fields_set_defaults(const struct field_group *group, void *record)
{
    struct error err;

    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        struct field plain_field = *field;
        plain_field.only = NULL;
        if (field_set(&plain_field, record, field->fallback != NULL ? field->fallback : "", &err) < 0)
            abort(); /* a wrong row in a table: found by the first test */
    }
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        if (group->groups[i]->kind == GROUP_ONE)
            fields_set_defaults(group->groups[i], at(record, group->groups[i]->offset));
}

void *field_array_add(const struct field_group *group, void *record)
{
    struct field_array *array = at(record, group->offset);
    void *item;

    array->items = make_room(array->items, array->count, group->size);
    item = at(array->items, array->count++ * group->size);
    memset(item, 0, group->size);
    fields_set_defaults(group, item);
    return item;
}

static void free_array(const struct field_group *group, struct field_array *array)
{
    for (size_t i = 0; i < array->count; i++) {
        void *item = at(array->items, i * group->size);
        fields_free(group, item);
        if (group->kind == GROUP_MAP)
            mem_free(*(char **)at(item, group->name_offset));
    }
    mem_free(array->items);
    *array = (struct field_array){ 0 };
}

void fields_free(const struct field_group *group, void *record)
{
    for (size_t i = 0; i < group->field_count; i++) {
        const struct field *field = &group->fields[i];
        void *place = at(record, field->offset);
        if (field->type == FIELD_STRING || field->type == FIELD_SECRET || field->type == FIELD_URL) {
            mem_free(*(char **)place);
            *(char **)place = NULL;
        } else if (field->type == FIELD_LIST) {
            free_list(place);
        }
    }
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++) {
        const struct field_group *sub = group->groups[i];
        if (sub->kind == GROUP_ONE)
            fields_free(sub, at(record, sub->offset));
        else
            free_array(sub, at(record, sub->offset));
    }
}

void field_print(const struct field *field, const void *record, struct text *out)
{
    const void *place = at(record, field->offset);

    switch (field->type) {
    case FIELD_SECRET:
        (void)text_append(out, (*(char *const *)place)[0] != '\0' ? "***" : "");
        break;
    case FIELD_STRING:
    case FIELD_URL:
        (void)text_append(out, *(char *const *)place);
        break;
    case FIELD_BOOLEAN:
        (void)text_append(out, *(const bool *)place ? "true" : "false");
        break;
    case FIELD_INTEGER:
        (void)text_append_format(out, "%lld", (long long)*(const int64_t *)place);
        break;
    case FIELD_SIZE:
    case FIELD_DURATION:
        print_number(field, (double)*(const int64_t *)place, out);
        break;
    case FIELD_NUMBER:
        (void)text_append_format(out, "%g", *(const double *)place);
        break;
    case FIELD_CHOICE:
        (void)text_append(out, field->choices[*(const int *)place]);
        break;
    case FIELD_LIST:
        for (size_t i = 0; i < ((const struct field_list *)place)->count; i++)
            (void)text_append_format(out, "%s%s", i > 0 ? ", " : "", ((const struct field_list *)place)->items[i]);
        break;
    }
}

/* ---- Names ---- */

const struct field *fields_find(const struct field_group *group, const char *name)
{
    for (size_t i = 0; i < group->field_count; i++)
        if (strcmp(group->fields[i].name, name) == 0)
            return &group->fields[i];
    return NULL;
}

const struct field_group *fields_find_group(const struct field_group *group, const char *name)
{
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        if (strcmp(group->groups[i]->name, name) == 0)
            return group->groups[i];
    return NULL;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAXIMUM + 1];
    size_t a_length = strnlen(a, NAME_MAXIMUM);
    size_t b_length = strnlen(b, NAME_MAXIMUM);

    for (size_t k = 0; k <= b_length; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        now[0] = i;
        for (size_t k = 1; k <= b_length; k++) {
            now[k] = least(above[k] + 1, now[k - 1] + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && rows[(i + 1) % 3][k - 2] + 1 < now[k])
                now[k] = rows[(i + 1) % 3][k - 2] + 1;
        }
    }
    return rows[a_length % 3][b_length];
}

static void keep_nearest(const char *name, const char *candidate, const char **ret_best, size_t *ret_distance)
{
    size_t distance = edit_distance(name, candidate);

    if (distance < *ret_distance) {
        *ret_distance = distance;
        *ret_best = candidate;
    }
}

const char *fields_nearest(const struct field_group *group, const char *name)
{
    const char *best = NULL;
    size_t length = strlen(name);
    size_t distance = length <= 2 ? 2 : length <= 4 ? 3 : 4; /* "x" is near to nothing */

    for (size_t i = 0; i < group->field_count; i++)
        keep_nearest(name, group->fields[i].name, &best, &distance);
    for (size_t i = 0; group->groups != NULL && group->groups[i] != NULL; i++)
        keep_nearest(name, group->groups[i]->name, &best, &distance);
    return best;
}
