/* state_foreign.c - recognising what is to be imported, and reading the JSON of the older programs. */
#include "state/state_foreign.h"

#include "base/file.h"
#include "base/mem.h"
#include "state/state_json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum { HEADER_SIZE = 100, APPLICATION_ID_AT = 68, REASON_SIZE = 300 };

/* ---- What it is ---- */

static int recognise_database(const char *path, const unsigned char *header, size_t size, enum foreign_shape *ret_shape, struct error *err)
{
    uint32_t application = 0;

    for (size_t i = 0; size == HEADER_SIZE && i < 4; i++)
        application = application << 8 | header[APPLICATION_ID_AT + i];
    if (application == STATE_APPLICATION_ID)
        return error_set(err, ERROR_CONFIG, "%s is a state of memory-connector itself, not an export: use it with --state or state.path, or make a file of it with "
                         "\"memory-connector state export\"", path);
    *ret_shape = FOREIGN_SQLITE;
    return 0;
}

static int recognise_file(const char *path, enum foreign_shape *ret_shape, struct error *err)
{
    static const char magic[16] = "SQLite format 3", ours[] = "{\"crc\"";
    unsigned char header[HEADER_SIZE] = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, header, sizeof header) : -1;
    size_t size = got > 0 ? (size_t)got : 0;
    size_t at = size >= 3 && memcmp(header, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    if (fd >= 0)
        (void)close(fd);
    if (got < 0)
        return error_set(err, ERROR_FAILED, "%s: %s", path, strerror(errno));
    if (size >= sizeof magic && memcmp(header, magic, sizeof magic) == 0)
        return recognise_database(path, header, size, ret_shape, err);
    while (at < size && (header[at] == ' ' || header[at] == '\t' || header[at] == '\r' || header[at] == '\n'))
        at++;
    if (at < size && (header[at] == '{' || header[at] == '[') && (size - at < sizeof ours - 1 || memcmp(header + at, ours, sizeof ours - 1) != 0))
        *ret_shape = FOREIGN_JSON;
    return 0;
}

int foreign_recognise(const char *path, enum foreign_shape *ret_shape, struct error *err)
{
    struct stat facts;

    *ret_shape = FOREIGN_EXPORT;
    if (stat(path, &facts) < 0)
        return error_set(err, ERROR_FAILED, "%s: %s", path, strerror(errno));
    if (S_ISREG(facts.st_mode))
        return recognise_file(path, ret_shape, err);
    if (!S_ISDIR(facts.st_mode))
        return 0; /* a pipe, which cannot be read twice */
    if (state_json_is_there(path))
        return error_set(err, ERROR_CONFIG, "%s is a state of memory-connector itself, not an export: use it with state.backend json and --state, or make a file of it "
                         "with \"memory-connector state export\"", path);
    *ret_shape = FOREIGN_JSON;
    return 0;
}

/* ---- What is left out, what is kept ---- */

void foreign_leave_out(struct foreign *foreign, const char *place, const char *format, ...)
{
    char words[REASON_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
    foreign->bad++;
    if (foreign->tell != NULL)
        foreign->tell(foreign->context, place, words);
}

yyjson_val *foreign_parse(struct foreign *foreign, const char *bytes, size_t size, const char *what, struct error *err)
{
    size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    const char *problem;
    size_t at;
    yyjson_doc *doc = rows_parse_json(bytes + mark, size - mark, &problem, &at);

    if (doc == NULL) {
        (void)error_set(err, ERROR_IO, "%s is cut or no JSON: %s at byte %zu", what, problem, at + mark);
        return NULL;
    }
    foreign->docs = mem_grow(foreign->docs, foreign->doc_count, &foreign->doc_capacity, sizeof *foreign->docs);
    foreign->docs[foreign->doc_count++] = doc;
    return yyjson_doc_get_root(doc);
}

void foreign_done(struct foreign *foreign)
{
    for (size_t i = 0; i < foreign->count; i++) {
        mem_free(foreign->lists[i].place);
        mem_free(foreign->lists[i].connector);
        mem_free(foreign->lists[i].context);
        mem_free(foreign->lists[i].ids);
    }
    for (size_t i = 0; i < foreign->doc_count; i++)
        yyjson_doc_free(foreign->docs[i]);
    mem_free(foreign->lists);
    mem_free(foreign->docs);
}

/* ---- One list ---- */

struct ids {
    struct slice *items;
    size_t count, capacity;
};

static int compare_ids(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Sorted, each once. */
static void settle_ids(struct ids *ids)
{
    size_t kept = 0;

    if (ids->count == 0)
        return;
    qsort(ids->items, ids->count, sizeof *ids->items, compare_ids);
    for (size_t i = 1; i < ids->count; i++)
        if (compare_ids(&ids->items[kept], &ids->items[i]) != 0)
            ids->items[++kept] = ids->items[i];
    ids->count = kept + 1;
}

static void add_id(struct foreign *foreign, const char *place, const char *field, size_t element, yyjson_val *value, struct ids *ids)
{
    size_t size = yyjson_get_len(value);

    if (!yyjson_is_str(value)) {
        foreign_leave_out(foreign, place, "%s: element %zu is no id of a memory", field, element);
    } else if (size == 0 || size > MEMORY_ID_MAXIMUM) {
        foreign_leave_out(foreign, place, "%s: element %zu: an id has 1 to %d bytes, this one has %zu", field, element, MEMORY_ID_MAXIMUM, size);
    } else {
        ids->items = mem_grow(ids->items, ids->count, &ids->capacity, sizeof *ids->items);
        ids->items[ids->count++] = (struct slice){ yyjson_get_str(value), size };
    }
}

static const char accepted_field[] = "the list of processed memories", failed_field[] = "the list of failed memories";

/* Accepted: {"m1": true, ...} as Go writes its set (false: it is not in the set), or ["m1", ...]. Failed: {"m1": "why", ...}, or [{"memory_id": "m1", ...}, ...]. */
static void read_ids(struct foreign *foreign, const char *place, const char *field, yyjson_val *value, struct ids *ids)
{
    bool is_set = field == accepted_field;
    yyjson_obj_iter members;
    yyjson_arr_iter elements;
    yyjson_val *each;

    if (value != NULL && !yyjson_is_ctn(value) && !yyjson_is_null(value))
        foreign_leave_out(foreign, place, "%s is no list", field);
    yyjson_obj_iter_init(value, &members); /* empty for what is none */
    while ((each = yyjson_obj_iter_next(&members)) != NULL) {
        yyjson_val *item = yyjson_obj_iter_get_val(each);
        if (is_set && !yyjson_is_bool(item))
            foreign_leave_out(foreign, place, "%s: element %zu is neither true nor false", field, members.idx);
        else if (!is_set || yyjson_is_true(item))
            add_id(foreign, place, field, members.idx, each, ids);
    }
    yyjson_arr_iter_init(value, &elements);
    while ((each = yyjson_arr_iter_next(&elements)) != NULL)
        add_id(foreign, place, field, elements.idx, is_set ? each : yyjson_obj_get(each, "memory_id"), ids);
}

/* The Go program never takes a memory from its failed ones, also when it was accepted later. */
static int64_t count_still_failed(const struct ids *failed, const struct ids *accepted)
{
    int64_t count = 0;

    for (size_t i = 0; i < failed->count; i++)
        count += accepted->count == 0 || bsearch(&failed->items[i], accepted->items, accepted->count, sizeof *accepted->items, compare_ids) == NULL;
    return count;
}

void foreign_add(struct foreign *foreign, const char *place, const char *connector, const char *context, yyjson_val *accepted, yyjson_val *failed, int64_t syncs)
{
    struct ids ids = { 0 }, lost = { 0 };

    read_ids(foreign, place, accepted_field, accepted, &ids);
    read_ids(foreign, place, failed_field, failed, &lost);
    settle_ids(&ids);
    settle_ids(&lost);
    foreign->lists = mem_grow(foreign->lists, foreign->count, &foreign->capacity, sizeof *foreign->lists);
    foreign->lists[foreign->count++] = (struct foreign_list){
        .place = mem_copy_string(place), .connector = mem_copy_string(connector), .context = mem_copy_string(context != NULL ? context : ""),
        .ids = ids.items, .count = ids.count, .failed = count_still_failed(&lost, &ids), .syncs = syncs > 0 ? syncs : 0,
    };
    mem_free(lost.items);
}

/* ---- The Go program's JSON ---- */

static void read_go(struct foreign *foreign, const char *place, yyjson_val *root)
{
    const char *connector = yyjson_get_str(yyjson_obj_get(root, "connector_id"));
    yyjson_val *accepted = yyjson_obj_get(root, "processed_ids"), *failed = yyjson_obj_get(root, "failed_items");

    if (connector == NULL || connector[0] == '\0')
        foreign_leave_out(foreign, place, "not a state of the Go program: it has no connector_id");
    else if (accepted == NULL && failed == NULL)
        foreign_leave_out(foreign, place, "connector %.80s: it says how many memories were processed, and not which (there is no processed_ids)", connector);
    else
        foreign_add(foreign, place, connector, yyjson_get_str(yyjson_obj_get(root, "context_id")), accepted, failed,
                    yyjson_get_sint(yyjson_obj_get(root, "total_sync_count")));
}

/* ---- That of its design document: connectors, in them contexts ---- */

static void read_contexts(struct foreign *foreign, const char *place, const char *connector, yyjson_val *contexts)
{
    yyjson_obj_iter each;
    yyjson_val *name;

    yyjson_obj_iter_init(contexts, &each);
    while ((name = yyjson_obj_iter_next(&each)) != NULL) {
        yyjson_val *context = yyjson_obj_iter_get_val(name);
        foreign_add(foreign, place, connector, yyjson_get_str(name), yyjson_obj_get(context, "processed_memory_ids"), yyjson_obj_get(context, "failed_memory_ids"),
                    yyjson_is_str(yyjson_obj_get(context, "last_sync_timestamp")));
    }
}

static void read_design(struct foreign *foreign, const char *place, yyjson_val *connectors)
{
    yyjson_obj_iter each;
    yyjson_val *name;

    yyjson_obj_iter_init(connectors, &each);
    while ((name = yyjson_obj_iter_next(&each)) != NULL) {
        yyjson_val *contexts = yyjson_obj_get(yyjson_obj_iter_get_val(name), "contexts");
        if (yyjson_is_obj(contexts) && yyjson_get_len(name) > 0)
            read_contexts(foreign, place, yyjson_get_str(name), contexts);
        else
            foreign_leave_out(foreign, place, "connector %zu of it has no name or no contexts", each.idx);
    }
}

static void read_root(struct foreign *foreign, const char *place, yyjson_val *root)
{
    yyjson_val *connectors = yyjson_obj_get(root, "connectors"), *item;
    yyjson_arr_iter each;

    yyjson_arr_iter_init(root, &each);
    while ((item = yyjson_arr_iter_next(&each)) != NULL)
        read_go(foreign, place, item);
    if (yyjson_is_obj(connectors))
        read_design(foreign, place, connectors);
    else if (!yyjson_is_arr(root))
        read_go(foreign, place, root);
}

static int read_json_file(struct foreign *foreign, const char *path, struct error *err)
{
    AUTO_DONE(text) struct text bytes = { 0 };
    yyjson_val *root;

    text_init(&bytes, 0);
    if (file_read(path, TEXT_MAXIMUM, &bytes, err) < 0)
        return -1;
    if (bytes.size == 0)
        return error_set(err, ERROR_IO, "%s is empty: it was cut", path);
    root = foreign_parse(foreign, bytes.data, bytes.size, path, err);
    if (root == NULL)
        return -1;
    read_root(foreign, path, root);
    return 0;
}

/* ---- A folder of them ---- */

struct names {
    char **items;
    size_t count, capacity;
};

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->items[i]);
    mem_free(names->items);
}
AUTO_DEFINE_DONE(names)

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_json(const char *folder, struct names *names, struct error *err)
{
    DIR *listing = opendir(folder);

    if (listing == NULL)
        return error_set(err, ERROR_FAILED, "%s: %s", folder, strerror(errno));
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || dot == entry->d_name || strcmp(dot, ".json") != 0)
            continue;
        names->items = mem_grow(names->items, names->count, &names->capacity, sizeof *names->items);
        names->items[names->count++] = mem_format("%s/%s", folder, entry->d_name);
    }
    (void)closedir(listing);
    if (names->count == 0)
        return error_set(err, ERROR_CONFIG, "%s: a folder without JSON files, so not one of the Go program's; its SQLite state is imported by the name of the file", folder);
    qsort(names->items, names->count, sizeof *names->items, compare_names);
    return 0;
}

static int read_folder(struct foreign *foreign, const char *folder, struct error *err)
{
    AUTO_DONE(names) struct names names = { 0 };

    if (list_json(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct error why = { 0 };
        size_t size = strlen(names.items[i]);
        if (read_json_file(foreign, names.items[i], &why) < 0) /* its words begin with the name */
            foreign_leave_out(foreign, names.items[i], "%s", strncmp(why.message, names.items[i], size) == 0 ? why.message + size + 1 : why.message);
    }
    return 0;
}

int foreign_read(struct foreign *foreign, const char *path, enum foreign_shape shape, struct error *err)
{
    struct stat facts;
    int result;

    if (shape == FOREIGN_SQLITE)
        result = foreign_read_sqlite(foreign, path, err);
    else if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        result = read_folder(foreign, path, err);
    else
        result = read_json_file(foreign, path, err);
    if (result == 0 && foreign->count == 0)
        return error_set(err, ERROR_CONFIG, "%s: no connector of the Go program was found in it: nothing was imported", path);
    return result;
}
