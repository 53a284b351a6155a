/* fake_lightrag_disk.c - the rows as lines of a file, so that kill -9 of the fake is what it is for the real server.
 *
 * {"e":"row",...} a row was stored; {"e":"end",...} it was processed or failed; {"e":"torn",...} a delete began
 * at it; {"e":"delete",...}; {"e":"wipe"}. A torn last line is cut off. */
#include "fakes/fake_lightrag_internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DISK_MAXIMUM = 1 << 30 };

static void begin_line(struct fake_lightrag *fake, struct json_writer *writer, const char *event)
{
    json_write_begin(writer, &fake->journal);
    json_write_open_object(writer, NULL);
    json_write_string(writer, "e", event);
}

static void end_line(struct fake_lightrag *fake, struct json_writer *writer)
{
    json_write_close(writer);
    (void)text_append_char(&fake->journal, '\n');
}

void fake_disk_add(struct fake_lightrag *fake, const struct doc *doc, const struct text_item *item)
{
    struct json_writer writer;

    if (fake->fd < 0)
        return;
    begin_line(fake, &writer, "row");
    json_write_string(&writer, "name", doc->has_no_source ? NULL : doc->name);
    json_write_string(&writer, "text", doc->text != NULL ? doc->text : item->text);
    json_write_string(&writer, "track", doc->track);
    json_write_integer(&writer, "at", doc->created_us);
    json_write_integer(&writer, "dup", doc->dup);
    json_write_integer(&writer, "original", doc->original);
    end_line(fake, &writer);
}

void fake_disk_end(struct fake_lightrag *fake, int64_t index)
{
    const struct doc *doc = &fake->docs[index];
    struct json_writer writer;

    if (fake->fd < 0)
        return;
    begin_line(fake, &writer, "end");
    json_write_integer(&writer, "row", index);
    json_write_integer(&writer, "status", doc->status);
    json_write_string(&writer, "failure", doc->failure);
    json_write_bool(&writer, "empty", doc->has_no_chunk);
    json_write_integer(&writer, "at", doc->updated_ms);
    end_line(fake, &writer);
}

void fake_disk_delete(struct fake_lightrag *fake, int64_t index)
{
    struct json_writer writer;

    if (fake->fd < 0)
        return;
    begin_line(fake, &writer, "delete");
    json_write_integer(&writer, "row", index);
    end_line(fake, &writer);
}

void fake_disk_torn(struct fake_lightrag *fake, int64_t index)
{
    struct json_writer writer;

    if (fake->fd < 0)
        return;
    begin_line(fake, &writer, "torn");
    json_write_integer(&writer, "row", index);
    json_write_bool(&writer, "is", fake->docs[index].is_torn);
    json_write_string(&writer, "failure", fake->docs[index].failure);
    end_line(fake, &writer);
}

void fake_disk_wipe(struct fake_lightrag *fake)
{
    struct json_writer writer;

    if (fake->fd < 0)
        return;
    begin_line(fake, &writer, "wipe");
    end_line(fake, &writer);
}

void fake_disk_flush(struct fake_lightrag *fake)
{
    for (size_t at = 0; fake->fd >= 0 && at < fake->journal.size;) {
        ssize_t written = write(fake->fd, fake->journal.data + at, fake->journal.size - at);
        if (written < 0 && errno != EINTR)
            break;
        at += written > 0 ? (size_t)written : 0;
    }
    text_clear(&fake->journal);
}

/* ---- Reading it again ---- */

static int64_t integer_of(yyjson_val *line, const char *key)
{
    return yyjson_get_sint(yyjson_obj_get(line, key));
}

static bool read_row(struct fake_lightrag *fake, yyjson_val *line)
{
    yyjson_val *text = yyjson_obj_get(line, "text");
    const char *name = yyjson_get_str(yyjson_obj_get(line, "name"));
    const char *track = yyjson_get_str(yyjson_obj_get(line, "track"));
    int64_t original = integer_of(line, "original");
    struct text_item item;

    if (!yyjson_is_str(text) || (name == NULL && !yyjson_is_null(yyjson_obj_get(line, "name"))) || track == NULL || original >= fake->count)
        return false;
    item = (struct text_item){ .name = mem_copy_string(name != NULL ? name : ""), .text = mem_copy_bytes(yyjson_get_str(text), yyjson_get_len(text)),
                                .size = yyjson_get_len(text), .has_no_source = name == NULL };
    (void)fake_store_add(fake, fake_store_track(fake, track), integer_of(line, "at"), &item, original,
                         original < 0 ? NO_DUP : integer_of(line, "dup") == DUP_CONTENT ? DUP_CONTENT : DUP_FILENAME);
    mem_free(item.name);
    mem_free(item.text);
    return true;
}

static bool read_line(struct fake_lightrag *fake, yyjson_val *line)
{
    const char *event = yyjson_get_str(yyjson_obj_get(line, "e"));
    int64_t row = integer_of(line, "row");

    if (event == NULL)
        return false;
    if (strcmp(event, "row") == 0)
        return read_row(fake, line);
    if (strcmp(event, "wipe") == 0) {
        fake_store_wipe(fake);
        return true;
    }
    if (row < 0 || row >= fake->count)
        return false;
    if (strcmp(event, "delete") == 0) {
        fake_store_delete(fake, row);
    } else if (strcmp(event, "torn") == 0) {
        fake->docs[row].is_torn = yyjson_is_true(yyjson_obj_get(line, "is"));
        mem_free(fake->docs[row].failure);
        fake->docs[row].failure = mem_copy_string(yyjson_get_str(yyjson_obj_get(line, "failure")));
    } else {
        struct doc *doc = &fake->docs[row];
        if (doc->status == DOC_FAILED) { /* it was tried again */
            fake->failed--;
            fake->failed_live--;
            fake->unfinished++;
        }
        fake_store_end(fake, row, integer_of(line, "status") == DOC_FAILED ? DOC_FAILED : DOC_PROCESSED,
                       yyjson_get_str(yyjson_obj_get(line, "failure")), yyjson_is_true(yyjson_obj_get(line, "empty")), integer_of(line, "at"));
    }
    return true;
}

/* Returns how many bytes of it are whole lines. */
static size_t read_lines(struct fake_lightrag *fake, const struct text *lines)
{
    size_t at = 0;

    for (;;) {
        const char *end = memchr(lines->data + at, '\n', lines->size - at);
        yyjson_doc *document = end != NULL ? yyjson_read(lines->data + at, (size_t)(end - lines->data) - at, 0) : NULL;
        bool is_read = document != NULL && read_line(fake, yyjson_doc_get_root(document));
        yyjson_doc_free(document);
        if (!is_read)
            return at;
        at = (size_t)(end - lines->data) + 1;
    }
}

int fake_lightrag_open(struct fake_lightrag *fake, const char *folder, struct error *err)
{
    AUTO_STRING char *path = mem_format("%s/rows.jsonl", folder);
    AUTO_DONE(text) struct text lines = { 0 };
    size_t whole = 0;
    int fd;

    text_init(&lines, DISK_MAXIMUM);
    if (file_make_folder(folder, err) < 0)
        return -1;
    if (access(path, F_OK) == 0) {
        if (file_read(path, DISK_MAXIMUM, &lines, err) < 0)
            return -1;
        whole = read_lines(fake, &lines);
        fake_store_reloaded(fake);
    }
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)whole) < 0) {
        int cause = errno;
        if (fd >= 0)
            (void)close(fd);
        return error_set(err, ERROR_IO, "cannot open %s: %s", path, strerror(cause));
    }
    fake->fd = fd;
    return 0;
}
