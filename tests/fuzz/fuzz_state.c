/* Lines of a state: exports and journals. Each line of the input is put into a frame that fits, so that what is inside is reached; "r" in front: as they are.
 * Whatever comes is refused with a message, or is a state that agrees with itself: after mending nothing is found, and every row can be read. */
#include "state/state_care.h"
#include "state/state_json.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/mc-fuzz-state-XXXXXX";

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void frame(struct text *out, const char *inside)
{
    rows_frame(out, inside, strlen(inside));
}

static void remove_folder(void)
{
    static const char *const names[] = { "snapshot-000001.jsonl", "journal-000001.jsonl" };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO_STRING char *path = mem_format("%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void set_up(void)
{
    AUTO_DONE(text) struct text snapshot = { 0 };
    AUTO_STRING char *path = NULL;
    char head[100];

    if (folder[strlen(folder) - 1] != 'X')
        return;
    if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0)
        abort();
    text_init(&snapshot, 0);
    (void)snprintf(head, sizeof head, "\"memory_connector\":\"state\",\"schema\":%d,\"generation\":1,\"made\":null", STATE_SCHEMA);
    frame(&snapshot, head);
    frame(&snapshot, "\"rows\":[[\"put\",\"streams\",{\"stream\":1,\"target\":1,\"connector\":\"c\",\"source\":\"default\",\"context\":\"x\"}]]");
    frame(&snapshot, "\"end\":1");
    path = mem_format("%s/snapshot-000001.jsonl", folder);
    write_file(path, snapshot.data, snapshot.size);
}

static void append_lines(struct text *out, const char *lines, size_t size, bool are_commits)
{
    const char *end = lines + size;

    for (int64_t number = 1; lines < end; number++) {
        const char *newline = memchr(lines, '\n', (size_t)(end - lines));
        size_t length = newline != NULL ? (size_t)(newline - lines) : (size_t)(end - lines);
        AUTO_DONE(text) struct text all = { 0 };
        text_init(&all, 0);
        if (are_commits)
            (void)text_append_format(&all, "\"commit\":%lld,", (long long)number);
        (void)text_append(&all, "\"rows\":");
        (void)text_append_bytes(&all, lines, length);
        rows_frame(out, all.data, all.size);
        lines += length + (newline != NULL);
    }
}

static bool any_memory(void *context, const struct memory_row *row) { (void)context; return row->id.size < SIZE_MAX; }
static bool any_batch(void *context, const struct batch_row *row) { (void)context; return strlen(row->track) < TRACK_SIZE; }
static bool any_letter(void *context, const struct dead_letter *letter) { (void)context; return strlen(letter->words) < SIZE_MAX; }
static bool any_run(void *context, const struct run_row *row) { (void)context; return strlen(row->error) < SIZE_MAX; }
static bool any_target(void *context, const struct target_row *row) { (void)context; return strlen(row->url) < SIZE_MAX; }
static bool any_stream(void *context, const struct stream_row *row) { (void)context; return strlen(row->context) < SIZE_MAX; }
static bool any_alert(void *context, const struct alert_row *row) { (void)context; return strlen(row->body) < SIZE_MAX; }
static bool any_connector(void *context, const struct connector_row *row) { (void)context; return strlen(row->id) < SIZE_MAX; }

static int read_all(struct state *state, struct error *err)
{
    struct state_counts counts;

    if (state_each_memory(state, 0, 0, any_memory, NULL, err) < 0 || state_each_open_batch(state, 1, any_batch, NULL, err) < 0 ||
        state_each_tracked(state, "t", any_batch, NULL, err) < 0 || state_each_letter(state, &(struct letter_filter){ .with_closed = true }, any_letter, NULL, err) < 0 ||
        state_each_run(state, NULL, 0, any_run, NULL, err) < 0 || state_each_target(state, any_target, NULL, err) < 0 ||
        state_each_stream(state, any_stream, NULL, err) < 0 || state_each_alert(state, any_alert, NULL, err) < 0 ||
        state_each_connector(state, any_connector, NULL, err) < 0 || state_count_stream(state, 1, &counts, err) < 0)
        return -1;
    return 0;
}

static bool complain(void *context, const struct state_finding *finding)
{
    (void)context;
    (void)fprintf(stderr, "still found: %s: %lld\n", finding->name, (long long)finding->count);
    abort();
}

static int leave_out(void *context, int64_t offset, const char *why, struct error *err)
{
    (void)context;
    (void)err;
    return offset < 0 || why[0] == '\0' ? -1 : 0;
}

static struct state *scratch; /* kept: to make its tables and statements anew takes longer than all the rest */
static struct rows rows;

static void set_up_scratch(void)
{
    struct error err = { 0 };

    if (scratch != NULL)
        return;
    if (state_scratch_open(STATE_SCHEMA, &scratch, &err) < 0 || rows_init(&rows, scratch->db, &err) < 0 ||
        sqlite3_exec(scratch->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK || state_scratch_ready(scratch, &err) < 0)
        abort();
}

static void empty_scratch(void)
{
    for (int i = 0; i < rows.tables; i++) {
        AUTO_STRING char *sql = mem_format("DELETE FROM \"%s\"", rows.table[i].name);
        if (sqlite3_exec(scratch->db, sql, NULL, NULL, NULL) != SQLITE_OK)
            abort();
    }
}

/* What state_import does, without a place on the disk. */
static void import(int fd)
{
    AUTO_DONE(line_reader) struct line_reader reader = { 0 };
    struct error err = { 0 };
    int64_t lines, mended;

    set_up_scratch();
    line_reader_init(&reader, "input", fd);
    if (sqlite3_exec(scratch->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK || dump_load(&rows, &reader, leave_out, NULL, &lines, &err) < 0 ||
        sqlite3_exec(scratch->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    if (state_mend(scratch, &mended, &err) < 0 || state_examine(scratch, complain, NULL, &err) < 0 || read_all(scratch, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
    empty_scratch();
}

static bool ignore(void *context, const struct state_finding *finding)
{
    (void)context;
    return finding->count > 0;
}

static void open_journal(const struct text *lines)
{
    const struct state_settings settings = { .backend = STATE_JSON, .path = folder, .reader = true };
    AUTO_STRING char *path = mem_format("%s/journal-000001.jsonl", folder);
    AUTO(state) struct state *state = NULL;
    struct error err = { 0 };

    write_file(path, lines->data, lines->size);
    if (state_open(&settings, &state, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return;
    }
    if (state_examine(state, ignore, NULL, &err) == 0)
        (void)read_all(state, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_DONE(text) struct text lines = { 0 };
    char head[100];
    int fd;

    if (size < 1)
        return 0;
    set_up();
    text_init(&lines, 0);
    if (data[0] == 'j') {
        (void)snprintf(head, sizeof head, "\"memory_connector\":\"journal\",\"schema\":%d,\"generation\":1,\"made\":null", STATE_SCHEMA);
        frame(&lines, head);
        append_lines(&lines, (const char *)data + 1, size - 1, true);
        open_journal(&lines);
        return 0;
    }
    if (data[0] == 'r')
        (void)text_append_bytes(&lines, (const char *)data + 1, size - 1);
    else
        append_lines(&lines, (const char *)data + 1, size - 1, false);
    fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, lines.data, lines.size) != (ssize_t)lines.size || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    import(fd);
    (void)close(fd);
    return 0;
}
