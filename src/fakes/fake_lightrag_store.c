/* fake_lightrag_store.c - rows, and what happens to them as time passes. */
#include "fakes/fake_lightrag_internal.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <mbedtls/md5.h>
#include <mbedtls/version.h>

#include <stdio.h>
#include <string.h>

const char *fake_status_name(enum doc_status status)
{
    static const char *const names[] = { "pending", "processing", "processed", "failed" };

    return names[status];
}

uint64_t fake_hash(const char *bytes, size_t size)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    hash ^= hash >> 31;
    return hash != 0 ? hash : 1;
}

/* ---- Maps ---- */

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

static bool is_live(const struct doc *doc)
{
    return !doc->is_deleted && doc->dup_kind == NULL;
}

int64_t fake_find_name(const struct fake_lightrag *fake, const char *name)
{
    int64_t index = fake_map_find(&fake->by_name, fake_hash(name, strlen(name)));

    return index != NO_DOC && is_live(&fake->docs[index]) ? index : NO_DOC;
}

int64_t fake_find_content(const struct fake_lightrag *fake, uint64_t content)
{
    int64_t index = fake_map_find(&fake->by_content, content);

    return index != NO_DOC && is_live(&fake->docs[index]) ? index : NO_DOC;
}

/* ---- Rows ---- */

static void make_id(const char *prefix, const char *bytes, size_t size, char ret_id[48])
{
    unsigned char digest[16];
    char hex[33];

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    (void)mbedtls_md5((const unsigned char *)bytes, size, digest);
#else
    (void)mbedtls_md5_ret((const unsigned char *)bytes, size, digest);
#endif
    sha256_hex(digest, sizeof digest, hex);
    (void)snprintf(ret_id, 48, "%s%s", prefix, hex);
}

static char *summarise(const char *text, size_t size)
{
    size_t at = 0;
    size_t characters = 0;

    while (at < size && characters < SUMMARY_CHARACTERS) {
        at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
        characters++;
    }
    return at < size ? mem_format("%.*s...", (int)at, text) : mem_copy_bytes(text, size);
}

static struct doc *add_doc(struct fake_lightrag *fake, const struct task *task, const struct text_item *item, int64_t now_ms)
{
    uint64_t track = fake_hash(task->track, strlen(task->track));
    struct doc *doc;

    fake->docs = mem_grow(fake->docs, (size_t)fake->count, &fake->capacity, sizeof *fake->docs);
    doc = &fake->docs[fake->count];
    *doc = (struct doc){
        .name = mem_copy_string(item->name), .length = item->size, .content = fake_hash(item->text, item->size), .created_ms = task->created_ms,
        .updated_ms = now_ms, .status = DOC_PENDING, .failures_left = fake->fail_times > 0 ? fake->fail_times : -1,
        .next_of_track = fake_map_find(&fake->by_track, track),
    };
    (void)snprintf(doc->track, sizeof doc->track, "%s", task->track);
    fake_map_put(&fake->by_track, track, fake->count);
    fake->count++;
    return doc;
}

static void add_dup(struct fake_lightrag *fake, const struct task *task, const struct text_item *item, int64_t original, const char *kind, int64_t now_ms)
{
    char original_id[48];
    struct doc *doc;

    (void)snprintf(original_id, sizeof original_id, "%s", fake->docs[original].id);
    doc = add_doc(fake, task, item, now_ms);
    make_id("dup-", task->track, strlen(task->track), doc->id);
    (void)snprintf(doc->id + 20, 20, "%012lld", (long long)fake->count);
    doc->summary = mem_format("[DUPLICATE:%s] Original document: %s", kind, original_id);
    doc->dup_kind = kind;
    doc->status = DOC_FAILED;
    (void)snprintf(doc->original, sizeof doc->original, "%s", original_id);
    (void)snprintf(doc->failure, sizeof doc->failure, "%s Original doc_id: %s, Status: DocStatus.%s",
                   strcmp(kind, "filename") == 0 ? "Document with this file name already exists." : "Identical content already exists under another filename.",
                   original_id, "PROCESSED");
    fake->failed++;
}

static void store_item(struct fake_lightrag *fake, const struct task *task, const struct text_item *item, int64_t now_ms)
{
    uint64_t content = fake_hash(item->text, item->size);
    int64_t same_name = fake_find_name(fake, item->name);
    int64_t same_content = fake_find_content(fake, content);
    struct doc *doc;

    if (fake->settings.is_14) {
        /* Keyed by content only: a known text is dropped without trace, another text of the same name slips through. */
        if (same_content != NO_DOC)
            return;
    } else if (same_name != NO_DOC || same_content != NO_DOC) {
        add_dup(fake, task, item, same_name != NO_DOC ? same_name : same_content, same_name != NO_DOC ? "filename" : "content_hash", now_ms);
        return;
    }
    doc = add_doc(fake, task, item, now_ms);
    if (fake->settings.is_14)
        make_id("doc-", item->text, item->size, doc->id);
    else
        make_id("doc-", item->name, strlen(item->name), doc->id);
    doc->summary = summarise(item->text, item->size);
    doc->text = fake->settings.lean ? NULL : mem_copy_bytes(item->text, item->size);
    fake_map_put(&fake->by_name, fake_hash(item->name, strlen(item->name)), fake->count - 1);
    fake_map_put(&fake->by_content, content, fake->count - 1);
    if (fake->settings.is_14 && strstr(item->text, "<|endoftext|>") != NULL)
        (void)snprintf(doc->failure, sizeof doc->failure, "Encountered text corresponding to disallowed special token '<|endoftext|>'.");
    else if (fake->fail_match[0] != '\0' && strstr(item->text, fake->fail_match) != NULL)
        (void)snprintf(doc->failure, sizeof doc->failure, "C[1/1]: %s-chunk-000: BadRequestError: Error code: 400 - stub failure", doc->id);
    fake->live++;
    fake->unfinished++;
}

/* ---- Tasks ---- */

void fake_store_accept(struct fake_lightrag *fake, struct text_item *items, size_t count, int64_t now_ms, char ret_track[48])
{
    struct task *task;

    fake->tasks = mem_grow(fake->tasks, fake->task_count, &fake->task_capacity, sizeof *fake->tasks);
    task = &fake->tasks[fake->task_count++];
    *task = (struct task){ .items = items, .count = count, .created_ms = now_ms, .due_ms = now_ms + fake->settings.store_delay_ms };
    (void)snprintf(task->track, sizeof task->track, "insert_20260101_000000_%08llx", (unsigned long long)++fake->track_number);
    (void)snprintf(ret_track, 48, "%s", task->track);
}

static void free_items(struct task *task)
{
    for (size_t i = 0; i < task->count; i++) {
        mem_free(task->items[i].name);
        mem_free(task->items[i].text);
    }
    mem_free(task->items);
}

static void start_pipeline(struct fake_lightrag *fake, int64_t now_ms)
{
    if (!fake->is_running) {
        fake->cursor = 0;
        fake->busy_since_ms = now_ms;
    }
    fake->is_running = true;
}

static void revive_failed(struct fake_lightrag *fake, int64_t now_ms)
{
    for (int64_t i = 0; i < fake->count; i++) {
        struct doc *doc = &fake->docs[i];
        if (!is_live(doc) || doc->status == DOC_PROCESSED || doc->status == DOC_PENDING)
            continue;
        if (doc->status == DOC_FAILED) {
            fake->failed--;
            fake->unfinished++;
        }
        doc->status = DOC_PENDING;
        doc->updated_ms = now_ms;
    }
    fake->cursor = 0;
}

static void run_tasks(struct fake_lightrag *fake, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < fake->task_count; i++) {
        struct task *task = &fake->tasks[i];
        if (task->due_ms > now_ms) {
            fake->tasks[kept++] = *task;
            continue;
        }
        for (; task->next < task->count; task->next++)
            store_item(fake, task, &task->items[task->next], now_ms);
        if (fake->settings.is_14 && fake->failed > 0)
            revive_failed(fake, now_ms); /* any insert starts all of them again */
        free_items(task);
        start_pipeline(fake, now_ms);
    }
    fake->task_count = kept;
}

/* ---- Processing: one document after the other ---- */

static void finish(struct fake_lightrag *fake, struct doc *doc, int64_t now_ms)
{
    bool fails = doc->failure[0] != '\0' && doc->failures_left != 0;

    if (fails && doc->failures_left > 0)
        doc->failures_left--;
    doc->status = fails ? DOC_FAILED : DOC_PROCESSED;
    doc->updated_ms = now_ms;
    fake->unfinished--;
    fake->processed += !fails;
    fake->failed += fails;
}

static void run_pipeline(struct fake_lightrag *fake, int64_t now_ms)
{
    while (fake->is_running) {
        struct doc *doc;
        while (fake->cursor < fake->count && (!is_live(&fake->docs[fake->cursor]) || fake->docs[fake->cursor].status > DOC_PROCESSING))
            fake->cursor++;
        if (fake->cursor >= fake->count) {
            fake->is_running = false;
            return;
        }
        doc = &fake->docs[fake->cursor];
        doc->status = DOC_PROCESSING;
        if (fake->busy_since_ms + fake->settings.process_delay_ms > now_ms)
            return;
        fake->busy_since_ms += fake->settings.process_delay_ms;
        finish(fake, doc, now_ms);
    }
}

void fake_store_tick(struct fake_lightrag *fake, int64_t now_ms)
{
    if (!fake->is_running)
        fake->busy_since_ms = now_ms;
    run_tasks(fake, now_ms);
    run_pipeline(fake, now_ms);
}

bool fake_store_is_busy(const struct fake_lightrag *fake)
{
    return fake->is_running || fake->task_count > 0;
}

/* ---- From outside ---- */

void fake_store_reprocess(struct fake_lightrag *fake, int64_t now_ms)
{
    revive_failed(fake, now_ms);
    start_pipeline(fake, now_ms);
}

void fake_store_delete(struct fake_lightrag *fake, const char *id)
{
    for (int64_t i = 0; i < fake->count; i++) {
        struct doc *doc = &fake->docs[i];
        if (doc->is_deleted || strcmp(doc->id, id) != 0)
            continue;
        fake->live -= is_live(doc);
        fake->processed -= doc->status == DOC_PROCESSED;
        fake->failed -= doc->status == DOC_FAILED;
        fake->unfinished -= doc->status < DOC_PROCESSED;
        doc->is_deleted = true;
    }
}

void fake_store_restart(struct fake_lightrag *fake)
{
    for (size_t i = 0; i < fake->task_count; i++) {
        fake->lost += (int64_t)(fake->tasks[i].count - fake->tasks[i].next);
        free_items(&fake->tasks[i]);
    }
    fake->task_count = 0;
    fake->is_running = false;
}

static void free_docs(struct fake_lightrag *fake)
{
    for (int64_t i = 0; i < fake->count; i++) {
        mem_free(fake->docs[i].name);
        mem_free(fake->docs[i].text);
        mem_free(fake->docs[i].summary);
    }
    fake->count = 0;
}

static void free_map(struct map *map)
{
    mem_free(map->slots);
    *map = (struct map){ 0 };
}

void fake_store_wipe(struct fake_lightrag *fake)
{
    fake_store_restart(fake);
    free_docs(fake);
    free_map(&fake->by_name);
    free_map(&fake->by_content);
    free_map(&fake->by_track);
    fake->live = fake->processed = fake->failed = fake->unfinished = 0;
}

int64_t fake_store_count_doubled(const struct fake_lightrag *fake)
{
    struct map seen = { 0 };
    int64_t doubled = 0;

    for (int64_t i = 0; i < fake->count; i++) {
        uint64_t hash;
        if (!is_live(&fake->docs[i]))
            continue;
        hash = fake_hash(fake->docs[i].name, strlen(fake->docs[i].name));
        doubled += fake_map_find(&seen, hash) != NO_DOC;
        fake_map_put(&seen, hash, i);
    }
    free_map(&seen);
    return doubled;
}
