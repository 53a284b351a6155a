#include "engine/lookup.h"

#include "base/md5.h"
#include "base/mem.h"
#include "memory/sanitise.h"
#include "sink/sink.h"

#include <stdlib.h>
#include <string.h>

const char *lookup_kind_name(enum lookup_kind kind)
{
    static const char *const names[] = {
        [LOOKUP_ID] = "memory id", [LOOKUP_NAME] = "document name", [LOOKUP_DOC_ID] = "doc id", [LOOKUP_TRACK] = "track id", [LOOKUP_ADDRESS] = "address",
    };

    return names[kind];
}

void lookup_done(struct lookup *lookup)
{
    mem_free(lookup->seqs);
    lookup->seqs = NULL;
}

void lookup_add(struct lookup *lookup, int64_t seq)
{
    for (size_t i = 0; i < lookup->count; i++)
        if (lookup->seqs[i] == seq)
            return;
    if (lookup->count == LOOKUP_MAXIMUM) {
        lookup->is_cut = true;
        return;
    }
    lookup->seqs = mem_grow(lookup->seqs, lookup->count, &lookup->capacity, sizeof *lookup->seqs);
    lookup->seqs[lookup->count++] = seq;
}

/* ---- Streams: there are as many as contexts, so all are looked at ---- */

struct stream_key { int64_t stream, target; char *source, *context; };
struct stream_keys { struct stream_key *items; size_t count, capacity; };

static void stream_keys_done(struct stream_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        mem_free(keys->items[i].source);
        mem_free(keys->items[i].context);
    }
    mem_free(keys->items);
}
AUTO_DEFINE_DONE(stream_keys)

static bool keep_stream(void *context, const struct stream_row *row)
{
    struct stream_keys *keys = context;

    keys->items = mem_grow(keys->items, keys->count, &keys->capacity, sizeof *keys->items);
    keys->items[keys->count++] = (struct stream_key){ row->stream, row->target, mem_copy_string(row->source), mem_copy_string(row->context) };
    return true;
}

static const struct stream_key *find_key(const struct stream_keys *keys, int64_t stream)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].stream == stream)
            return &keys->items[i];
    return NULL;
}

/* source and context NULL: any. */
static int find_id(struct state *state, const struct stream_keys *keys, const char *source, const char *context, struct slice id, struct lookup *lookup,
                   struct error *err)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct stream_key *key = &keys->items[i];
        struct memory_row row;
        int found;
        if ((source != NULL && strcmp(source, key->source) != 0) || (context != NULL && strcmp(context, key->context) != 0))
            continue;
        found = state_find_memory(state, key->stream, id, &row, err);
        if (found < 0)
            return -1;
        if (found > 0)
            lookup_add(lookup, row.seq);
    }
    return 0;
}

int lookup_in_context(struct state *state, const char *context, struct slice id, struct lookup *lookup, struct error *err)
{
    AUTO_DONE(stream_keys) struct stream_keys keys = { 0 };

    if (state_each_stream(state, keep_stream, &keys, err) < 0)
        return -1;
    lookup->kind = LOOKUP_ID;
    return find_id(state, &keys, NULL, context, id, lookup, err);
}

/* ---- Walking through all names ---- */

struct walk {
    const struct stream_keys *keys;
    const char *name;                 /* wanted; NULL: digests are */
    int64_t target;                   /* only its memories; LOOKUP_ANY_TARGET: all */
    struct lookup_document *documents; /* sorted */
    size_t count, found;
    struct text made;
    int64_t stream;                   /* whose names begin with the first bytes of made */
    size_t beginning;
    struct lookup *lookup;
};

static int compare_documents(const void *a, const void *b)
{
    return memcmp(((const struct lookup_document *)a)->md5, ((const struct lookup_document *)b)->md5, MD5_SIZE);
}

/* The beginning is made once for a row of memories of one stream: this is most of what the walk costs. */
static void make_name(struct walk *walk, int64_t stream, struct slice id, struct slice name)
{
    static const struct slice any = { "x", 1 };
    const struct stream_key *key;

    if (name.size > 0) {
        walk->stream = 0;
        text_clear(&walk->made);
        (void)text_append_bytes(&walk->made, name.data, name.size);
        return;
    }
    if (walk->stream != stream) {
        key = find_key(walk->keys, stream);
        text_clear(&walk->made);
        identity_document_name(&walk->made, key != NULL ? key->source : "", key != NULL ? key->context : "", any);
        walk->beginning = walk->made.size - any.size;
        walk->stream = stream;
    }
    text_truncate(&walk->made, walk->beginning);
    identity_append_part(&walk->made, id);
}

static bool is_of_target(const struct walk *walk, int64_t stream)
{
    const struct stream_key *key = walk->target != LOOKUP_ANY_TARGET ? find_key(walk->keys, stream) : NULL;

    return walk->target == LOOKUP_ANY_TARGET || (key != NULL && key->target == walk->target);
}

static bool look_at_name(void *context, int64_t seq, int64_t stream, struct slice id, struct slice name)
{
    struct walk *walk = context;
    struct lookup_document wanted;
    struct lookup_document *document;

    if (!is_of_target(walk, stream))
        return true;
    make_name(walk, stream, id, name);
    if (walk->name != NULL) {
        if (strcmp(walk->made.data, walk->name) == 0)
            lookup_add(walk->lookup, seq);
        return true;
    }
    md5_of(walk->made.data, walk->made.size, wanted.md5);
    document = bsearch(&wanted, walk->documents, walk->count, sizeof *document, compare_documents);
    if (document != NULL) {
        lookup_add(walk->lookup, seq);
        walk->found += document->is_found ? 0 : 1;
        document->is_found = true;
    }
    return walk->found < walk->count; /* a name has one memory in each target: expand() finds the others */
}

static int walk_names(struct state *state, struct walk *walk, struct error *err)
{
    int result;

    text_init(&walk->made, 0);
    result = state_each_name(state, look_at_name, walk, err);
    text_done(&walk->made);
    return result;
}

static int find_name(struct state *state, const char *name, struct lookup *lookup, struct error *err)
{
    AUTO_DONE(stream_keys) struct stream_keys keys = { 0 };
    AUTO_DONE(text) struct text source = { 0 };
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };
    struct walk walk = { .keys = &keys, .name = name, .lookup = lookup };

    text_init(&source, 0);
    text_init(&context, 0);
    text_init(&id, 0);
    if (state_each_stream(state, keep_stream, &keys, err) < 0)
        return -1;
    if (identity_parse_name(name, &source, &context, &id)) {
        if (find_id(state, &keys, source.data, context.data, (struct slice){ id.data, id.size }, lookup, err) < 0)
            return -1;
        if (lookup->count > 0)
            return 0;
    }
    return walk_names(state, &walk, err); /* a shortened name, or one that was given by another rule */
}

/* The same memory at other targets has the same document name. */
static int expand(struct state *state, const struct stream_keys *keys, struct lookup *lookup, struct error *err)
{
    size_t count = lookup->count;

    for (size_t i = 0; i < count && keys->count > 1; i++) {
        struct memory_row row;
        const struct stream_key *key;
        int found = state_get_memory(state, lookup->seqs[i], &row, err);
        if (found < 0)
            return -1;
        key = found > 0 ? find_key(keys, row.stream) : NULL;
        if (key != NULL && find_id(state, keys, key->source, key->context, row.id, lookup, err) < 0)
            return -1;
    }
    return 0;
}

int lookup_doc_ids(struct state *state, int64_t target, struct lookup_document *documents, size_t count, struct lookup *lookup, struct error *err)
{
    AUTO_DONE(stream_keys) struct stream_keys keys = { 0 };
    struct walk walk = { .keys = &keys, .target = target, .documents = documents, .count = count, .lookup = lookup };

    if (count == 0)
        return 0;
    qsort(documents, count, sizeof *documents, compare_documents);
    if (state_each_stream(state, keep_stream, &keys, err) < 0 || walk_names(state, &walk, err) < 0)
        return -1;
    return target == LOOKUP_ANY_TARGET ? expand(state, &keys, lookup, err) : 0;
}

/* ---- 1.4 names its documents by their texts: every kept text is read ---- */

/* As the server got it, and trimmed as the server does before it hashes. */
static void digest_as_14(const char *text, size_t size, struct text *sent, uint8_t ret_md5[MD5_SIZE])
{
    struct slice trimmed = { text, size };

    if (memmem(text, size, "<|", 2) != NULL) {
        text_clear(sent);
        sink_append_text(SINK_14, sent, text, size);
        trimmed = (struct slice){ sent->data, sent->size };
    }
    trimmed = sanitise_trim(trimmed);
    md5_of(trimmed.data, trimmed.size, ret_md5);
}

/* 0 when no text is kept. */
static int doc_id_of_text(struct state *state, int64_t seq, char ret_id[SINK_DOC_ID_SIZE], struct error *err)
{
    AUTO_DONE(text) struct text text = { 0 };
    AUTO_DONE(text) struct text sent = { 0 };
    uint8_t md5[MD5_SIZE];
    int found;

    text_init(&text, 0);
    text_init(&sent, 0);
    found = state_get_text(state, seq, &text, err);
    if (found <= 0)
        return found;
    digest_as_14(text.data, text.size, &sent, md5);
    memcpy(ret_id, "doc-", 4);
    sha256_hex(md5, MD5_SIZE, ret_id + 4);
    return 1;
}

struct text_walk {
    const uint8_t *wanted;
    int64_t *targets;                 /* owned: those of 1.4 */
    size_t count, capacity;
    struct text sent;
    struct lookup *lookup;
};

static void text_walk_done(struct text_walk *walk)
{
    mem_free(walk->targets);
    text_done(&walk->sent);
}
AUTO_DEFINE_DONE(text_walk)

static bool keep_target_14(void *context, const struct target_row *row)
{
    struct text_walk *walk = context;

    if (sink_dialect_of(row->version) == SINK_14) {
        walk->targets = mem_grow(walk->targets, walk->count, &walk->capacity, sizeof *walk->targets);
        walk->targets[walk->count++] = row->target;
    }
    return true;
}

static bool look_at_text(void *context, int64_t seq, int64_t target, struct slice text)
{
    struct text_walk *walk = context;
    uint8_t md5[MD5_SIZE];
    bool is_14 = false;

    for (size_t i = 0; i < walk->count; i++)
        is_14 = is_14 || walk->targets[i] == target;
    if (!is_14)
        return true;
    digest_as_14(text.data, text.size, &walk->sent, md5);
    if (memcmp(md5, walk->wanted, MD5_SIZE) != 0)
        return true;
    lookup_add(walk->lookup, seq);
    return true; /* another server of 1.4 may hold the same */
}

static int walk_texts(struct state *state, const uint8_t md5[MD5_SIZE], struct lookup *lookup, struct error *err)
{
    AUTO_DONE(text_walk) struct text_walk walk = { .wanted = md5, .lookup = lookup };

    text_init(&walk.sent, 0);
    if (state_each_target(state, keep_target_14, &walk, err) < 0)
        return -1;
    if (walk.count == 0)
        return 0;
    return state_each_text(state, look_at_text, &walk, err);
}

/* ---- Tracks ---- */

struct tracked { int64_t *batches; size_t count, capacity; };

static bool keep_batch(void *context, const struct batch_row *row)
{
    struct tracked *tracked = context;

    tracked->batches = mem_grow(tracked->batches, tracked->count, &tracked->capacity, sizeof *tracked->batches);
    tracked->batches[tracked->count++] = row->batch;
    return true;
}

static bool add_row(void *context, const struct memory_row *row)
{
    lookup_add(context, row->seq);
    return true;
}

static int find_track(struct state *state, const char *track, struct lookup *lookup, struct error *err)
{
    struct tracked tracked = { 0 };
    int result = state_each_tracked(state, track, keep_batch, &tracked, err);

    for (size_t i = 0; result == 0 && i < tracked.count; i++)
        result = state_each_flown(state, tracked.batches[i], add_row, lookup, err);
    mem_free(tracked.batches);
    return result;
}

/* ---- Addresses ---- */

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What people type may be encoded or not: a % without two hex digits is a %. */
static void decode(const char *part, size_t size, struct text *out)
{
    for (size_t i = 0; i < size; i++) {
        bool is_encoded = part[i] == '%' && i + 2 < size && hex_of(part[i + 1]) >= 0 && hex_of(part[i + 2]) >= 0;
        char byte = part[i];
        if (is_encoded)
            byte = (char)(hex_of(part[i + 1]) * 16 + hex_of(part[i + 2]));
        (void)text_append_char(out, byte);
        i += is_encoded ? 2 : 0;
    }
}

static int find_address(struct state *state, const char *address, struct lookup *lookup, struct error *err)
{
    const char *context_part = address + strlen("memory://");
    const char *slash = strchr(context_part, '/');
    AUTO_DONE(text) struct text context = { 0 };
    AUTO_DONE(text) struct text id = { 0 };

    text_init(&context, 0);
    text_init(&id, 0);
    if (slash == NULL || slash == context_part || slash[1] == '\0')
        return error_set(err, ERROR_USAGE, "\"%.200s\" is no address of a memory: memory://CONTEXT/MEMORY", address);
    if (strstr(address, "...") != NULL)
        return error_set(err, ERROR_USAGE, "\"%.200s\" is shortened: give the document name (memory~...) or the doc id", address);
    decode(context_part, (size_t)(slash - context_part), &context);
    decode(slash + 1, strlen(slash + 1), &id);
    if (lookup_in_context(state, context.data, (struct slice){ id.data, id.size }, lookup, err) < 0)
        return -1;
    lookup->kind = LOOKUP_ADDRESS;
    return 0;
}

/* ---- All of it ---- */

static int find_by_form(struct state *state, const char *what, struct lookup *lookup, struct error *err)
{
    struct lookup_document document = { .name = NULL };

    if (strncmp(what, "memory://", 9) == 0)
        return find_address(state, what, lookup, err);
    if (strncmp(what, "memory~", 7) == 0) {
        lookup->kind = LOOKUP_NAME;
        return find_name(state, what, lookup, err);
    }
    if (sink_parse_doc_id(what, strlen(what), document.md5)) {
        lookup->kind = LOOKUP_DOC_ID;
        if (lookup_doc_ids(state, LOOKUP_ANY_TARGET, &document, 1, lookup, err) < 0)
            return -1;
        return lookup->count > 0 ? 0 : walk_texts(state, document.md5, lookup, err);
    }
    if (strncmp(what, "dup-", 4) == 0)
        return error_set(err, ERROR_USAGE, "\"%.60s\" is LightRAG's note of a second copy, not a document: its metadata names the original_doc_id", what);
    if (find_track(state, what, lookup, err) < 0)
        return -1;
    if (lookup->count > 0)
        lookup->kind = LOOKUP_TRACK;
    return 0;
}

int lookup_find(struct state *state, const char *what, struct lookup *lookup, struct error *err)
{
    AUTO_DONE(stream_keys) struct stream_keys keys = { 0 };

    lookup->kind = LOOKUP_ID;
    if (state_each_stream(state, keep_stream, &keys, err) < 0 ||
        find_id(state, &keys, NULL, NULL, (struct slice){ what, strlen(what) }, lookup, err) < 0)
        return -1;
    return lookup->count > 0 ? 0 : find_by_form(state, what, lookup, err);
}

/* ---- One memory ---- */

static void keep_slice(struct text *text, struct slice *slice)
{
    text_init(text, 0);
    (void)text_append_bytes(text, slice->data, slice->size);
    *slice = (struct slice){ text->data, text->size };
}

static void keep_string(struct text *text, const char *string)
{
    text_init(text, 0);
    (void)text_append(text, string);
}

struct target_search { int64_t target; struct found *found; };

static bool take_target(void *context, const struct target_row *row)
{
    struct target_search *search = context;
    struct found *found = search->found;

    if (row->target != search->target)
        return true;
    memcpy(found->target_name, row->name, sizeof found->target_name);
    found->target_name[strcspn(found->target_name, "@")] = '\0'; /* engine_target_key() */
    (void)text_append(&found->url, row->url);
    (void)text_append(&found->version, row->version);
    return false;
}

static int read_stream(struct state *state, struct found *found, struct error *err)
{
    struct target_search search = { found->row.target, found };
    int known = state_get_stream(state, found->row.stream, &found->stream, err);

    if (known < 0)
        return -1;
    keep_string(&found->source, known > 0 ? found->stream.source : "default");
    keep_string(&found->context, known > 0 ? found->stream.context : "");
    found->stream.source = found->source.data;
    found->stream.context = found->context.data;
    return state_each_target(state, take_target, &search, err);
}

int found_read(struct state *state, int64_t seq, struct found *found, struct error *err)
{
    struct text *texts[] = { &found->name, &found->address, &found->url, &found->version, &found->id, &found->source, &found->context, &found->stored_name };
    int known;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        text_init(texts[i], 0);
    known = state_get_memory(state, seq, &found->row, err);
    if (known <= 0)
        return known < 0 ? -1 : error_set(err, ERROR_FAILED, "memory number %lld has gone from the state meanwhile: ask again", (long long)seq);
    keep_slice(&found->id, &found->row.id);
    keep_slice(&found->stored_name, &found->row.name);
    if (read_stream(state, found, err) < 0 || state_get_first_seen(state, seq, &found->first_ms, err) < 0)
        return -1;
    if (found->row.name.size > 0)
        (void)text_append_bytes(&found->name, found->row.name.data, found->row.name.size);
    else
        identity_document_name(&found->name, found->source.data, found->context.data, found->row.id);
    identity_address(&found->address, found->context.data, found->row.id);
    if (found->row.state == MEMORY_TRUSTED)
        return 0; /* no document of ours yet, and nobody knows which one the earlier program made */
    if (sink_dialect_of(found->version.data) == SINK_14)
        return doc_id_of_text(state, seq, found->doc_id, err) < 0 ? -1 : 0;
    sink_doc_id(found->name.data, found->name.size, found->doc_id);
    return 0;
}

void found_done(struct found *found)
{
    text_done(&found->id);
    text_done(&found->source);
    text_done(&found->context);
    text_done(&found->stored_name);
    text_done(&found->name);
    text_done(&found->address);
    text_done(&found->url);
    text_done(&found->version);
}

void found_write(struct json_writer *writer, const struct found *found)
{
    json_write_bytes(writer, "memory", found->row.id.data, found->row.id.size);
    json_write_bytes(writer, "context", found->context.data, found->context.size);
    json_write_string(writer, "connector", found->stream.connector[0] != '\0' ? found->stream.connector : NULL);
    json_write_string(writer, "source", found->source.data);
    json_write_string(writer, "target", found->target_name);
    json_write_bytes(writer, "target_url", found->url.data, found->url.size);
    json_write_string(writer, "target_version", found->version.size > 0 ? found->version.data : NULL);
    json_write_bytes(writer, "address", found->address.data, found->address.size);
    json_write_bytes(writer, "document", found->name.data, found->name.size);
    json_write_string(writer, "doc_id", found->doc_id[0] != '\0' ? found->doc_id : NULL);
    json_write_string(writer, "state", memory_state_name(found->row.state));
}

int lookup_write(struct state *state, const struct lookup *lookup, struct json_writer *writer, struct error *err)
{
    json_write_open_array(writer, "memories");
    for (size_t i = 0; i < lookup->count; i++) {
        AUTO_DONE(found) struct found found = { 0 };
        if (found_read(state, lookup->seqs[i], &found, err) < 0)
            return -1;
        json_write_open_object(writer, NULL);
        found_write(writer, &found);
        json_write_close(writer);
    }
    json_write_close(writer);
    return 0;
}
