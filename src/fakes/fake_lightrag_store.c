/* fake_lightrag_store.c - rows, and what happens to them as time passes. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"
#include "base/sha256.h"
#include "base/time_text.h"

#include <mbedtls/md5.h>
#include <mbedtls/version.h>

#include <stdio.h>
#include <string.h>

static const char *const status_words[] = { "pending", "processing", "processed", "failed" };

const char *fake_status_title(const struct doc *doc)
{
    static const char *const titles[] = { "DocStatus.PENDING", "DocStatus.PROCESSING", "DocStatus.PROCESSED", "DocStatus.FAILED" };

    return doc->is_reloaded ? status_words[doc->status] : titles[doc->status];
}

const char *fake_status_word(const struct fake_lightrag *fake, const struct doc *doc)
{
    return fake->row_word[0] != '\0' && doc->status < DOC_PROCESSED ? fake->row_word : status_words[doc->status];
}

/* ---- Maps: hashes of 64 bits stand for their strings ---- */

uint64_t fake_hash(const char *bytes, size_t size)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t hash = size * factor;
    uint64_t word = 0;

    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, bytes, size);
    hash = (hash ^ word) * factor;
    hash ^= hash >> 32;
    hash *= 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 29;
    return hash != 0 ? hash : 1;
}

static size_t find_slot(const struct map *map, uint64_t hash)
{
    size_t slot = (size_t)hash & (map->size - 1);

    while (map->slots[slot].hash != 0 && map->slots[slot].hash != hash)
        slot = (slot + 1) & (map->size - 1);
    return slot;
}

int64_t fake_map_find(const struct map *map, uint64_t hash)
{
    size_t slot;

    if (map->size == 0)
        return NO_DOC;
    slot = find_slot(map, hash);
    return map->slots[slot].hash != 0 ? map->slots[slot].index : NO_DOC;
}

void fake_map_put(struct map *map, uint64_t hash, int64_t index)
{
    size_t slot;

    if (map->size < 2 * (map->count + 1)) {
        struct map old = *map;
        map->size = old.size > 0 ? old.size * 2 : 1024;
        map->slots = mem_alloc_array(map->size, sizeof *map->slots);
        for (size_t i = 0; i < old.size; i++)
            if (old.slots[i].hash != 0)
                map->slots[find_slot(map, old.slots[i].hash)] = old.slots[i];
        mem_free(old.slots);
    }
    slot = find_slot(map, hash);
    map->count += map->slots[slot].hash == 0;
    map->slots[slot].hash = hash;
    map->slots[slot].index = index;
}

void fake_map_done(struct map *map)
{
    mem_free(map->slots);
    *map = (struct map){ 0 };
}

static uint64_t hash_string(const char *string)
{
    return fake_hash(string, strlen(string));
}

/* ---- Finding ---- */

bool fake_is_live(const struct doc *doc)
{
    return !doc->is_deleted && doc->dup == NO_DUP;
}

int64_t fake_find_name(const struct fake_lightrag *fake, const char *name)
{
    int64_t index = fake_map_find(&fake->by_name, hash_string(name));

    while (index != NO_DOC && !fake_is_live(&fake->docs[index]))
        index = fake->docs[index].older_of_name;
    return index;
}

int64_t fake_find_content(const struct fake_lightrag *fake, uint64_t content)
{
    int64_t index = fake_map_find(&fake->by_content, content);

    return index != NO_DOC && fake_is_live(&fake->docs[index]) ? index : NO_DOC;
}

int64_t fake_find_id(const struct fake_lightrag *fake, const char *id)
{
    int64_t index = fake_map_find(&fake->by_id, hash_string(id));

    return index != NO_DOC && !fake->docs[index].is_deleted ? index : NO_DOC;
}

/* ---- Rows ---- */

static void make_id(const char *prefix, const char *bytes, size_t size, char ret_id[DOC_ID_SIZE])
{
    unsigned char digest[16];
    char hex[33];

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    (void)mbedtls_md5((const unsigned char *)bytes, size, digest);
#else
    (void)mbedtls_md5_ret((const unsigned char *)bytes, size, digest);
#endif
    sha256_hex(digest, sizeof digest, hex);
    (void)snprintf(ret_id, DOC_ID_SIZE, "%s%s", prefix, hex);
}

static int64_t count_characters(const char *text, size_t size)
{
    int64_t characters = 0;

    for (size_t i = 0; i < size; i++)
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    return characters;
}

static char *summarise(const char *text, size_t size)
{
    size_t at = 0;

    for (size_t characters = 0; at < size && characters < SUMMARY_CHARACTERS; characters++) {
        at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at < size ? mem_format("%.*s...", (int)at, text) : mem_copy_bytes(text, size);
}

const char *fake_store_track(struct fake_lightrag *fake, const char *track)
{
    if (fake->track_count > 0 && strcmp(fake->tracks[fake->track_count - 1], track) == 0)
        return fake->tracks[fake->track_count - 1];
    fake->tracks = mem_grow(fake->tracks, fake->track_count, &fake->track_capacity, sizeof *fake->tracks);
    fake->tracks[fake->track_count] = mem_copy_string(track);
    return fake->tracks[fake->track_count++];
}

static void fill_dup(struct fake_lightrag *fake, struct doc *doc)
{
    const struct doc *original = &fake->docs[doc->original];
    bool is_name = doc->dup == DUP_FILENAME;
    AUTO_STRING char *unique = mem_format("%s %lld", doc->track, (long long)fake->count);

    bool is_same_batch = original->track == doc->track; /* then the real one knows no more of it */
    make_id("dup-", unique, strlen(unique), doc->id);
    doc->summary = mem_format("[DUPLICATE:%s] Original document: %s", is_name ? "filename" : "content_hash", original->id);
    doc->failure = mem_format("%s Original doc_id: %s, Status: %s",
                              is_name ? "File name already exists." : "Identical content already exists under another filename.",
                              original->id, is_same_batch ? "batch_duplicate" : fake_status_title(original));
    doc->status = DOC_FAILED;
    fake->failed++;
}

static void fill_live(struct fake_lightrag *fake, struct doc *doc, struct text_item *item)
{
    int64_t index = fake->count;
    uint64_t name = hash_string(doc->name);

    if (fake->settings.is_14)
        make_id("doc-", item->text, item->size, doc->id);
    else
        make_id("doc-", doc->name, strlen(doc->name), doc->id);
    doc->summary = summarise(item->text, item->size);
    doc->text = item->text;
    item->text = NULL;
    if (!doc->has_no_source) {
        doc->older_of_name = fake_map_find(&fake->by_name, name);
        fake_map_put(&fake->by_name, name, index);
    }
    fake_map_put(&fake->by_content, doc->content, index);
    fake->live++;
    fake->unfinished++;
}

struct doc *fake_store_add(struct fake_lightrag *fake, const char *track, int64_t created_us, struct text_item *item, int64_t original, enum doc_dup dup)
{
    struct doc *doc;

    fake->docs = mem_grow(fake->docs, (size_t)fake->count, &fake->capacity, sizeof *fake->docs);
    doc = &fake->docs[fake->count];
    *doc = (struct doc){
        .name = mem_copy_string(item->name), .characters = count_characters(item->text, item->size), .content = fake_hash(item->text, item->size),
        .has_no_source = item->has_no_source, .track = track, .created_us = created_us, .updated_ms = created_us / 1000, .older_of_name = NO_DOC, .original = original, .dup = dup,
        .next_of_track = fake_map_find(&fake->by_track, hash_string(track)),
    };
    if (dup != NO_DUP)
        fill_dup(fake, doc);
    else
        fill_live(fake, doc, item);
    fake_map_put(&fake->by_id, hash_string(doc->id), fake->count);
    fake_map_put(&fake->by_track, hash_string(track), fake->count);
    if (!fake->is_order_old) {
        fake->order = mem_grow(fake->order, (size_t)fake->order_count, &fake->order_capacity, sizeof *fake->order);
        fake->order[fake->order_count++] = fake->count;
    }
    fake->count++;
    return doc;
}

static void set_buffered(struct fake_lightrag *fake, struct doc *doc, bool is_buffered)
{
    fake->buffered += is_buffered - doc->is_buffered;
    doc->is_buffered = is_buffered;
}

static void empty_buffer(struct fake_lightrag *fake)
{
    for (int64_t i = 0; i < fake->count && fake->buffered > 0; i++)
        set_buffered(fake, &fake->docs[i], false);
}

void fake_store_set_torn(struct fake_lightrag *fake, int64_t index, bool is_torn)
{
    fake->docs[index].is_torn = is_torn;
    fake_disk_torn(fake, index);
}

void fake_store_end(struct fake_lightrag *fake, int64_t index, enum doc_status status, const char *failure, bool has_no_chunk, int64_t now_ms)
{
    struct doc *doc = &fake->docs[index];

    mem_free(doc->failure);
    doc->failure = mem_copy_string(failure);
    doc->status = status;
    doc->is_reloaded = false;
    doc->has_no_chunk = has_no_chunk;
    doc->updated_ms = now_ms;
    fake->unfinished--;
    fake->processed += status == DOC_PROCESSED;
    fake->failed += status == DOC_FAILED;
    fake->failed_live += status == DOC_FAILED;
    if (fake->settings.lean && status == DOC_PROCESSED) {
        mem_free(doc->text);
        doc->text = NULL;
    }
}

void fake_store_delete(struct fake_lightrag *fake, int64_t index)
{
    struct doc *doc = &fake->docs[index];

    set_buffered(fake, doc, false);
    fake->live -= fake_is_live(doc);
    fake->processed -= doc->status == DOC_PROCESSED;
    fake->failed -= doc->status == DOC_FAILED;
    fake->failed_live -= doc->status == DOC_FAILED && doc->dup == NO_DUP;
    fake->unfinished -= doc->status < DOC_PROCESSED;
    doc->is_deleted = true;
    fake->is_order_old = true;
    mem_free(doc->text);
    doc->text = NULL;
}

/* ---- Accepting and storing ---- */

void fake_store_accept(struct fake_lightrag *fake, struct text_item *items, size_t count, const char **ret_track)
{
    struct time_fields f;
    char track[TRACK_SIZE];
    struct task *task;

    time_text_fields(fake->now_ms, &f);
    (void)snprintf(track, sizeof track, "insert_%04d%02d%02d_%02d%02d%02d_%08x", f.year, f.month, f.day, f.hour, f.minute, f.second,
                   (unsigned)((fake->track_count + (size_t)fake->now_ms) * 2654435761u));
    fake->tasks = mem_grow(fake->tasks, fake->task_count, &fake->task_capacity, sizeof *fake->tasks);
    task = &fake->tasks[fake->task_count++];
    *task = (struct task){ .items = items, .count = count, .track = fake_store_track(fake, track), .created_ms = fake->now_ms,
                           .due_ms = fake->now_ms + fake->settings.store_delay_ms };
    *ret_track = task->track;
}

void fake_items_free(struct text_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_free(items[i].name);
        mem_free(items[i].text);
    }
    mem_free(items);
}

static void store_item(struct fake_lightrag *fake, const struct task *task, size_t number)
{
    struct text_item *item = &task->items[number];
    int64_t same_name = fake->settings.is_14 ? NO_DOC : fake_find_name(fake, item->name);
    int64_t same_content = fake_find_content(fake, fake_hash(item->text, item->size));
    int64_t created_us = task->created_ms * 1000 + (number < 999 ? (int64_t)number : 999);
    struct doc *doc;

    if (fake->settings.is_14 && same_content != NO_DOC)
        return; /* keyed by content: a known text is dropped without a trace, another text of the same name slips through */
    if (same_name != NO_DOC)
        doc = fake_store_add(fake, task->track, created_us, item, same_name, DUP_FILENAME);
    else if (same_content != NO_DOC)
        doc = fake_store_add(fake, task->track, created_us, item, same_content, DUP_CONTENT);
    else
        doc = fake_store_add(fake, task->track, created_us, item, NO_DOC, NO_DUP);
    fake_disk_add(fake, doc, item);
}

static void start_pipeline(struct fake_lightrag *fake, int64_t now_ms)
{
    if (!fake->is_running)
        fake->since_ms = now_ms > fake->delete_end_ms ? now_ms : fake->delete_end_ms; /* 1.4 stores while it deletes, and processes after that */
    fake->is_running = true;
}

static void revive_failed(struct fake_lightrag *fake)
{
    for (int64_t i = 0; i < fake->count && fake->failed_live > 0; i++) {
        struct doc *doc = &fake->docs[i];
        if (!fake_is_live(doc) || doc->status != DOC_FAILED)
            continue;
        doc->status = DOC_PENDING;
        doc->is_reloaded = false;
        fake->failed--;
        fake->failed_live--;
        fake->unfinished++;
        if (i < fake->cursor)
            fake->cursor = i;
    }
}

void fake_store_reprocess(struct fake_lightrag *fake, int64_t now_ms)
{
    if (fake->is_running) {
        fake->wants_retry = true;
        return;
    }
    revive_failed(fake);
    start_pipeline(fake, now_ms);
}

static int64_t due_of_next(const struct fake_lightrag *fake, const struct task *task)
{
    return task->due_ms + fake->store_item_ms * (int64_t)task->next;
}

static void run_tasks(struct fake_lightrag *fake)
{
    size_t kept = 0;

    for (size_t i = 0; i < fake->task_count; i++) {
        struct task *task = &fake->tasks[i];
        int64_t stored_ms = -1;
        for (; task->next < task->count && due_of_next(fake, task) <= fake->now_ms; task->next++) {
            stored_ms = due_of_next(fake, task);
            store_item(fake, task, task->next);
        }
        if (stored_ms >= 0 && fake->settings.is_14)
            fake_store_reprocess(fake, stored_ms); /* any insert starts failed rows again */
        else if (stored_ms >= 0)
            start_pipeline(fake, stored_ms);
        if (task->next < task->count)
            fake->tasks[kept++] = *task;
        else
            fake_items_free(task->items, task->count);
    }
    fake->task_count = kept;
}

/* ---- Processing: one document after the other ---- */

static bool contains(const struct doc *doc, const char *words)
{
    return words[0] != '\0' && doc->text != NULL && strstr(doc->text, words) != NULL;
}

static bool is_refused(const struct fake_lightrag *fake, const struct doc *doc)
{
    return contains(doc, fake->fail_match) && (fake->fail_times <= 0 || doc->failures < fake->fail_times);
}

/* Vectors are written together: those of a text that the model refuses fail everybody's. */
static bool is_poisoned(const struct fake_lightrag *fake)
{
    for (int64_t i = 0; i < fake->count && fake->buffered > 0; i++)
        if (fake->docs[i].is_buffered && is_refused(fake, &fake->docs[i]))
            return true;
    return false;
}

/* Owned; NULL: it does not fail. */
static char *find_failure(const struct fake_lightrag *fake, const struct doc *doc)
{
    static const char flush[] = "NanoVectorDBStorage[chunks] index flush failed: Error code: 400 - stub failure";

    if (fake->settings.is_14 && contains(doc, "<|endoftext|>"))
        return mem_copy_string("Encountered text corresponding to disallowed special token '<|endoftext|>'.\n"
                               "If you want this text to be encoded as a special token, pass it to `allowed_special`, e.g. "
                               "`allowed_special={'<|endoftext|>', ...}`.\nIf you want this text to be encoded as normal text, disable the check for this "
                               "token by passing `disallowed_special=(enc.special_tokens_set - {'<|endoftext|>'})`.\n"
                               "To disable this check for all special tokens, pass `disallowed_special=()`.\n");
    if (is_refused(fake, doc))
        return fake->settings.is_14 ? mem_copy_string("Error code: 400 - {'error': {'message': 'stub failure', 'type': 'server_error'}}")
                                    : mem_format("C[1/1]: %s-chunk-000: BadRequestError: Error code: 400 - stub failure", doc->id);
    if (!is_poisoned(fake))
        return NULL;
    return doc->failure != NULL ? mem_format("Failed to delete document chunks: %s", flush) : mem_copy_string(flush);
}

/* 1.5 gives up on everything that waits, and throws away what was not written. */
static void cancel_run(struct fake_lightrag *fake, int64_t now_ms)
{
    for (int64_t i = fake->cursor; i < fake->count; i++) {
        if (!fake_is_live(&fake->docs[i]) || fake->docs[i].status > DOC_PROCESSING)
            continue;
        fake_store_end(fake, i, DOC_FAILED, "Cancelled by internal error: NanoVectorDBStorage[chunks]: Error code: 400 - stub failure", true, now_ms);
        fake_disk_end(fake, i);
    }
    empty_buffer(fake);
}

static void process(struct fake_lightrag *fake, int64_t index, int64_t now_ms)
{
    struct doc *doc = &fake->docs[index];
    AUTO_STRING char *failure = find_failure(fake, doc);
    bool is_own = is_refused(fake, doc);
    bool is_neighbours = failure != NULL && !is_own && !fake->settings.is_14;
    bool is_empty = failure == NULL && contains(doc, fake->empty_match);

    doc->failures += is_own;
    set_buffered(fake, doc, is_own && !fake->settings.is_14);
    fake_store_end(fake, index, failure != NULL ? DOC_FAILED : DOC_PROCESSED, failure, is_empty, now_ms);
    fake_disk_end(fake, index);
    if (is_neighbours)
        cancel_run(fake, now_ms);
}

static void run_pipeline(struct fake_lightrag *fake)
{
    while (fake->is_running && !fake_store_is_deleting(fake)) {
        while (fake->cursor < fake->count && (!fake_is_live(&fake->docs[fake->cursor]) || fake->docs[fake->cursor].status > DOC_PROCESSING))
            fake->cursor++;
        if (fake->cursor >= fake->count) {
            if (fake->wants_retry)
                revive_failed(fake);
            fake->is_running = fake->wants_retry && fake->cursor < fake->count;
            fake->wants_retry = false;
            continue;
        }
        fake->docs[fake->cursor].status = DOC_PROCESSING;
        fake->docs[fake->cursor].is_reloaded = false;
        if (fake->since_ms + fake->settings.process_delay_ms > fake->now_ms)
            return;
        fake->since_ms += fake->settings.process_delay_ms;
        process(fake, fake->cursor, fake->since_ms);
    }
}

/* ---- The whole ---- */

void fake_store_tick(struct fake_lightrag *fake)
{
    fake_delete_run(fake);
    run_tasks(fake);
    run_pipeline(fake);
}

bool fake_store_is_busy(const struct fake_lightrag *fake)
{
    return fake->is_running || fake_store_is_deleting(fake) || fake->blocked_until_ms > fake->now_ms;
}

bool fake_store_is_deleting(const struct fake_lightrag *fake)
{
    return fake->deletes != NULL;
}

int64_t fake_store_waiting(const struct fake_lightrag *fake)
{
    int64_t waiting = 0;

    for (size_t i = 0; i < fake->task_count; i++)
        waiting += (int64_t)(fake->tasks[i].count - fake->tasks[i].next);
    return waiting;
}

void fake_store_reloaded(struct fake_lightrag *fake)
{
    for (int64_t i = 0; i < fake->count; i++)
        fake->docs[i].is_reloaded = true;
}

void fake_store_restart(struct fake_lightrag *fake)
{
    fake->lost += fake_store_waiting(fake);
    for (size_t i = 0; i < fake->task_count; i++)
        fake_items_free(fake->tasks[i].items, fake->tasks[i].count);
    fake->task_count = 0;
    fake->is_running = fake->wants_retry = false;
    fake_delete_forget(fake);
    empty_buffer(fake); /* it was in memory */
    fake_store_reloaded(fake);
}

void fake_store_wipe(struct fake_lightrag *fake)
{
    fake_store_restart(fake);
    for (int64_t i = 0; i < fake->count; i++) {
        mem_free(fake->docs[i].name);
        mem_free(fake->docs[i].text);
        mem_free(fake->docs[i].summary);
        mem_free(fake->docs[i].failure);
    }
    for (size_t i = 0; i < fake->track_count; i++)
        mem_free(fake->tracks[i]);
    fake->count = fake->cursor = fake->order_count = 0;
    fake->track_count = 0;
    fake->is_order_old = false;
    fake_map_done(&fake->by_id);
    fake_map_done(&fake->by_name);
    fake_map_done(&fake->by_content);
    fake_map_done(&fake->by_track);
    fake->live = fake->processed = fake->failed = fake->failed_live = fake->unfinished = 0;
}

int64_t fake_store_count_doubled(const struct fake_lightrag *fake)
{
    struct map seen = { 0 };
    int64_t doubled = 0;

    for (int64_t i = 0; i < fake->count; i++) {
        uint64_t hash;
        if (!fake_is_live(&fake->docs[i]) || fake->docs[i].has_no_source)
            continue;
        hash = hash_string(fake->docs[i].name);
        doubled += fake_map_find(&seen, hash) != NO_DOC;
        fake_map_put(&seen, hash, i);
    }
    fake_map_done(&seen);
    return doubled;
}
