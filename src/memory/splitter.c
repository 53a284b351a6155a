#include "memory/splitter.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* Where we are at the top level. Inside an element only strings, escapes and brackets are followed. */
enum place {
    AT_START,          /* before the top object */
    AT_KEY_OR_END,     /* in the top object: a key, or its end */
    IN_KEY,
    AT_COLON,
    AT_VALUE,          /* the value of a key that is not ours */
    IN_OTHER,          /* skipping such a value */
    AT_COMMA_OR_END,   /* after a value of the top object */
    AT_MEMORIES,       /* the value of "memories": [ or null */
    IN_NULL,           /* the rest of null */
    AT_ELEMENT_OR_END, /* after [: an element or ] */
    AT_ELEMENT,        /* after a comma: an element */
    IN_ELEMENT,
    AT_NEXT_OR_END,    /* after an element: , or ] */
    AT_END,
};

enum { KEY_MAXIMUM = 64 };

struct splitter {
    struct splitter_settings settings;
    enum place place;
    enum splitter_end end;
    uint64_t position, broken_at, count;
    bool has_memories;

    char key[KEY_MAXIMUM];     /* as written; longer ones are not ours */
    size_t key_size;
    bool in_string, is_escaped;
    unsigned depth;            /* brackets open inside the value or element */
    bool is_scalar;            /* a value without brackets: ends before , ] } or white space */
    const char *null_left;

    struct text kept;          /* an element's bytes from earlier chunks */
    uint64_t element_offset, element_length;
    unsigned char mark_seen;   /* bytes of a byte order mark */
};

struct splitter *splitter_new(const struct splitter_settings *settings)
{
    struct splitter *splitter = mem_alloc(sizeof *splitter);

    splitter->settings = *settings;
    text_init(&splitter->kept, settings->element_maximum + 1);
    return splitter;
}

void splitter_free(struct splitter *splitter)
{
    if (splitter == NULL)
        return;
    text_done(&splitter->kept);
    mem_free(splitter);
}

static void break_off(struct splitter *splitter, enum splitter_end end)
{
    splitter->end = end;
    splitter->broken_at = splitter->position;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ---- Values: how far does one reach in this chunk? ---- */

/* Behind the closing quote, or at the end of the chunk. */
static const char *skip_string(struct splitter *splitter, const char *at, const char *end)
{
    if (splitter->is_escaped && at < end) {
        splitter->is_escaped = false;
        at++;
    }
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *stop = quote != NULL ? quote : end;
        const char *slash = memchr(at, '\\', (size_t)(stop - at));
        if (slash != NULL) {
            if (slash + 1 == end) {
                splitter->is_escaped = true;
                return end;
            }
            at = slash + 2;
            continue;
        }
        if (quote == NULL)
            return end;
        splitter->in_string = false;
        return quote + 1;
    }
    return at;
}

static const char *skip_scalar(const char *at, const char *end, bool *ret_done)
{
    for (; at < end; at++) {
        if (*at == ',' || *at == ']' || *at == '}' || is_blank(*at)) {
            *ret_done = true;
            return at;
        }
    }
    return at;
}

/* Characters that matter outside of strings. */
static const unsigned char matters[256] = { ['"'] = 1, ['{'] = 1, ['['] = 1, ['}'] = 1, [']'] = 1 };

/* Goes on with the value that is open; *ret_done when it is over (the result is behind it, or at what ended a scalar). */
static const char *skip_value(struct splitter *splitter, const char *at, const char *end, bool *ret_done)
{
    if (splitter->is_scalar)
        return skip_scalar(at, end, ret_done);
    while (at < end) {
        if (splitter->in_string) {
            at = skip_string(splitter, at, end);
            if (!splitter->in_string && splitter->depth == 0) {
                *ret_done = true;
                return at;
            }
            continue;
        }
        while (at < end && !matters[(unsigned char)*at])
            at++;
        if (at == end)
            return at;
        if (*at == '"') {
            splitter->in_string = true;
        } else if (*at == '{' || *at == '[') {
            splitter->depth++;
        } else if (--splitter->depth == 0) {
            *ret_done = true;
            return at + 1;
        }
        at++;
    }
    return at;
}

static void begin_value(struct splitter *splitter, char first)
{
    splitter->in_string = splitter->is_escaped = false;
    splitter->depth = 0;
    splitter->is_scalar = !matters[(unsigned char)first];
}

/* ---- Elements ---- */

static void keep(struct splitter *splitter, const char *bytes, size_t size)
{
    size_t maximum = splitter->settings.element_maximum + 1;

    splitter->element_length += size;
    if (splitter->kept.size + size > maximum)
        size = maximum - splitter->kept.size; /* one byte over the limit is enough to know */
    (void)text_append_bytes(&splitter->kept, bytes, size);
}

static void hand_out(struct splitter *splitter, const char *bytes, size_t size)
{
    struct splitter_element element = { .bytes = bytes, .size = size, .offset = splitter->element_offset, .index = splitter->count };

    if (splitter->kept.size > 0) {
        keep(splitter, bytes, size);
        element.bytes = splitter->kept.data;
        element.size = splitter->kept.size;
    } else {
        splitter->element_length = size;
    }
    element.length = splitter->element_length;
    if (element.length > splitter->settings.element_maximum) {
        element.is_too_large = true;
        if (element.size > splitter->settings.sample)
            element.size = splitter->settings.sample;
    }
    splitter->count++;
    splitter->settings.on_element(splitter->settings.context, &element);
    text_clear(&splitter->kept);
    if (splitter->kept.capacity > (1u << 20)) { /* one giant does not keep its memory for the rest of the listing */
        text_done(&splitter->kept);
        text_init(&splitter->kept, splitter->settings.element_maximum + 1);
    }
    splitter->element_length = 0;
}

static const char *go_on_element(struct splitter *splitter, const char *at, const char *end)
{
    bool done = false;
    const char *stop = skip_value(splitter, at, end, &done);

    splitter->position += (uint64_t)(stop - at);
    if (!done) {
        keep(splitter, at, (size_t)(stop - at));
        return stop;
    }
    hand_out(splitter, at, (size_t)(stop - at));
    splitter->place = AT_NEXT_OR_END;
    return stop;
}

static void begin_element(struct splitter *splitter, char first)
{
    begin_value(splitter, first);
    splitter->element_offset = splitter->position;
    splitter->element_length = 0;
    splitter->place = IN_ELEMENT;
}

/* ---- One character at the top level ---- */

static bool is_ours(const struct splitter *splitter)
{
    return splitter->key_size == 8 && memcmp(splitter->key, "memories", 8) == 0 && !splitter->has_memories;
}

static const char *step_start(struct splitter *splitter, const char *at)
{
    static const unsigned char mark[] = { 0xEF, 0xBB, 0xBF };

    if (splitter->position < 3 && splitter->mark_seen == splitter->position && (unsigned char)*at == mark[splitter->position])
        splitter->mark_seen++;
    else if (*at == '{' && (splitter->mark_seen == 0 || splitter->mark_seen == 3))
        splitter->place = AT_KEY_OR_END;
    else
        break_off(splitter, SPLITTER_NOT_JSON);
    return at + 1;
}

static void end_object(struct splitter *splitter)
{
    splitter->place = AT_END;
    splitter->end = splitter->has_memories ? SPLITTER_COMPLETE : SPLITTER_NO_MEMORIES;
}

static void step_key(struct splitter *splitter, char c)
{
    if (splitter->is_escaped) {
        splitter->is_escaped = false;
    } else if (c == '\\') {
        splitter->is_escaped = true;
    } else if (c == '"') {
        splitter->place = AT_COLON;
        return;
    }
    if (splitter->key_size < KEY_MAXIMUM)
        splitter->key[splitter->key_size] = c;
    splitter->key_size++;
}

static void step_memories(struct splitter *splitter, char c)
{
    splitter->has_memories = true;
    if (c == '[') {
        splitter->place = AT_ELEMENT_OR_END;
    } else if (c == 'n') {
        splitter->null_left = "ull";
        splitter->place = IN_NULL;
    } else {
        splitter->has_memories = false; /* {"memories": 5}: not a listing */
        begin_value(splitter, c);
        splitter->place = IN_OTHER;
    }
}

static void step_null(struct splitter *splitter, char c)
{
    if (c != *splitter->null_left)
        break_off(splitter, SPLITTER_BROKEN);
    else if (*++splitter->null_left == '\0')
        splitter->place = AT_COMMA_OR_END;
}

/* A character that is not part of a value. false: it breaks the structure. */
static bool step_between(struct splitter *splitter, char c)
{
    switch (splitter->place) {
    case AT_KEY_OR_END:
        if (c == '"') {
            splitter->key_size = 0;
            splitter->is_escaped = false;
            splitter->place = IN_KEY;
        } else if (c == '}') {
            end_object(splitter);
        } else {
            return false;
        }
        return true;
    case AT_COLON:
        if (c != ':')
            return false;
        splitter->place = is_ours(splitter) ? AT_MEMORIES : AT_VALUE;
        return true;
    case AT_COMMA_OR_END:
        if (c == ',')
            splitter->place = AT_KEY_OR_END;
        else if (c == '}')
            end_object(splitter);
        else
            return false;
        return true;
    case AT_NEXT_OR_END:
    case AT_ELEMENT_OR_END:
        if (c == ']')
            splitter->place = AT_COMMA_OR_END;
        else if (c == ',' && splitter->place == AT_NEXT_OR_END)
            splitter->place = AT_ELEMENT;
        else
            return false;
        return true;
    default:
        return false;
    }
}

/* The first character belongs to the value or element: it is not taken away here. */
static bool begins_value(struct splitter *splitter, char c)
{
    if (c == '}' || c == ']' || c == ',' || c == ':')
        return false;
    if (splitter->place == AT_VALUE) {
        begin_value(splitter, c);
        splitter->place = IN_OTHER;
        return true;
    }
    if (splitter->place == AT_ELEMENT || splitter->place == AT_ELEMENT_OR_END) {
        begin_element(splitter, c);
        return true;
    }
    return false;
}

static const char *step(struct splitter *splitter, const char *at)
{
    char c = *at;

    if (is_blank(c) && splitter->place != IN_NULL && splitter->place != IN_KEY) {
        splitter->position++;
        return at + 1;
    }
    if (begins_value(splitter, c))
        return at;
    if (splitter->place == AT_START)
        at = step_start(splitter, at) - 1;
    else if (splitter->place == IN_KEY)
        step_key(splitter, c);
    else if (splitter->place == AT_MEMORIES)
        step_memories(splitter, c);
    else if (splitter->place == IN_NULL)
        step_null(splitter, c);
    else if (!step_between(splitter, c))
        break_off(splitter, SPLITTER_BROKEN);
    splitter->position++;
    return at + 1;
}

void splitter_push(struct splitter *splitter, const char *bytes, size_t size)
{
    const char *at = bytes;
    const char *end = bytes + size;

    while (at < end && splitter->end == SPLITTER_OPEN) {
        if (splitter->place == IN_ELEMENT) {
            at = go_on_element(splitter, at, end);
        } else if (splitter->place == IN_OTHER) {
            bool done = false;
            const char *stop = skip_value(splitter, at, end, &done);
            splitter->position += (uint64_t)(stop - at);
            if (done)
                splitter->place = AT_COMMA_OR_END;
            at = stop;
        } else {
            at = step(splitter, at);
        }
    }
    splitter->position += (uint64_t)(end - at);
}

enum splitter_end splitter_end(struct splitter *splitter)
{
    if (splitter->end == SPLITTER_OPEN)
        break_off(splitter, splitter->place == AT_START ? SPLITTER_NOT_JSON : SPLITTER_BROKEN);
    return splitter->end;
}

uint64_t splitter_position(const struct splitter *splitter)
{
    return splitter->position;
}

uint64_t splitter_count(const struct splitter *splitter)
{
    return splitter->count;
}

uint64_t splitter_broken_at(const struct splitter *splitter)
{
    return splitter->broken_at;
}

size_t splitter_unfinished(const struct splitter *splitter, const char **ret_sample)
{
    *ret_sample = splitter->kept.data;
    return splitter->kept.size < splitter->settings.sample ? splitter->kept.size : splitter->settings.sample;
}
