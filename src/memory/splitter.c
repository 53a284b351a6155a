#include "memory/splitter.h"

#include "base/mem.h"
#include "base/text.h"
#include "memory/scan.h"

#include <string.h>

/* Where we are at the top level. Inside a value only strings, escapes and brackets are followed (scan.h). */
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
    AT_ELEMENT_OR_END, /* after [ or a comma: an element or ]; one comma too many loses nothing */
    IN_ELEMENT,
    AT_NEXT_OR_END,    /* after an element: , or ] */
    AT_END,            /* behind the top object: blanks */
};

enum {
    KEY_MAXIMUM = 64,
    KEPT_MEMORY = 1 << 20, /* one giant does not keep its memory for the rest of the listing */
};

struct splitter {
    struct splitter_settings settings;
    enum place place;
    enum splitter_end end;
    uint64_t position, broken_at, count;
    bool has_memories;

    char key[KEY_MAXIMUM];     /* as written; longer ones are not ours */
    size_t key_size;
    bool is_escaped;           /* in a key */
    const char *null_left;
    struct scan scan;          /* of the value or element that is open */

    struct text kept;          /* an element's bytes from earlier chunks; of a too large one the sample */
    uint64_t element_offset, element_length;
    unsigned char mark_seen;   /* bytes of a byte order mark */
};

static void init_kept(struct splitter *splitter)
{
    const struct splitter_settings *settings = &splitter->settings;

    text_init(&splitter->kept, (settings->sample > settings->element_maximum ? settings->sample : settings->element_maximum) + 1);
}

struct splitter *splitter_new(const struct splitter_settings *settings)
{
    struct splitter *splitter = mem_alloc(sizeof *splitter);

    splitter->settings = *settings;
    init_kept(splitter);
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

/* ---- Elements ---- */

static bool is_too_large(const struct splitter *splitter)
{
    return splitter->element_length > splitter->settings.element_maximum;
}

static void keep(struct splitter *splitter, const char *bytes, size_t size)
{
    splitter->element_length += size;
    if (is_too_large(splitter)) {
        size_t sample = splitter->settings.sample;
        size_t room = sample > splitter->kept.size ? sample - splitter->kept.size : 0;
        if (size > room)
            size = room;
        text_truncate(&splitter->kept, sample);
    }
    (void)text_append_bytes(&splitter->kept, bytes, size);
}

/* bytes: the end of the element, all of it when it stands in one chunk. */
static void hand_out(struct splitter *splitter, const char *bytes, size_t size)
{
    struct splitter_element element = { .bytes = bytes, .size = size, .offset = splitter->element_offset, .index = splitter->count };

    if (splitter->element_length > 0) {
        keep(splitter, bytes, size);
        element.bytes = splitter->kept.data;
        element.size = splitter->kept.size;
    } else {
        splitter->element_length = size;
    }
    element.length = splitter->element_length;
    element.is_too_large = is_too_large(splitter);
    if (element.is_too_large && element.size > splitter->settings.sample)
        element.size = splitter->settings.sample;
    splitter->count++;
    splitter->settings.on_element(splitter->settings.context, &element);
    text_clear(&splitter->kept);
    if (splitter->kept.capacity > KEPT_MEMORY) {
        text_done(&splitter->kept);
        init_kept(splitter);
    }
    splitter->element_length = 0;
}

static const char *go_on_element(struct splitter *splitter, const char *at, const char *end)
{
    enum scan_end scan_end = SCAN_MORE;
    const char *stop = scan_value(&splitter->scan, at, end, &scan_end);

    splitter->position += (uint64_t)(stop - at);
    if (scan_end == SCAN_MORE) {
        keep(splitter, at, (size_t)(stop - at));
    } else {
        hand_out(splitter, at, (size_t)(stop - at));
        splitter->place = AT_NEXT_OR_END;
    }
    return stop;
}

static const char *go_on_other(struct splitter *splitter, const char *at, const char *end)
{
    enum scan_end scan_end = SCAN_MORE;
    const char *stop = scan_value(&splitter->scan, at, end, &scan_end);

    splitter->position += (uint64_t)(stop - at);
    if (scan_end == SCAN_TOO_DEEP)
        break_off(splitter, SPLITTER_BROKEN);
    else if (scan_end == SCAN_DONE)
        splitter->place = AT_COMMA_OR_END;
    return stop;
}

/* The character is the first of a value, which is not taken away here but by the scan. */
static bool begins_value(struct splitter *splitter, char c)
{
    if (c == '}' || c == ']' || c == ',' || c == ':')
        return false;
    if (splitter->place == AT_ELEMENT_OR_END) {
        scan_begin(&splitter->scan, c, SIZE_MAX); /* too deep a one is found broken by its decoder, its neighbours are not */
        splitter->element_offset = splitter->position;
        splitter->place = IN_ELEMENT;
        return true;
    }
    /* {"memories": 5} is no listing: a value like another */
    if (splitter->place == AT_VALUE || (splitter->place == AT_MEMORIES && c != '[' && c != 'n')) {
        scan_begin(&splitter->scan, c, splitter->settings.depth_maximum);
        splitter->place = IN_OTHER;
        return true;
    }
    return false;
}

/* ---- One character at the top level; false: it breaks the structure ---- */

static bool is_ours(const struct splitter *splitter)
{
    return splitter->key_size == 8 && memcmp(splitter->key, "memories", 8) == 0 && !splitter->has_memories;
}

static bool step_start(struct splitter *splitter, char c)
{
    static const unsigned char mark[] = { 0xEF, 0xBB, 0xBF };

    if (splitter->position < sizeof mark && splitter->mark_seen == splitter->position && (unsigned char)c == mark[splitter->position]) {
        splitter->mark_seen++;
        return true;
    }
    splitter->place = AT_KEY_OR_END;
    return c == '{' && (splitter->mark_seen == 0 || splitter->mark_seen == sizeof mark);
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

static bool step_key_or_end(struct splitter *splitter, char c)
{
    if (c == '"') {
        splitter->key_size = 0;
        splitter->place = IN_KEY;
        return true;
    }
    if (c != '}')
        return false;
    splitter->place = AT_END;
    splitter->end = splitter->has_memories ? SPLITTER_COMPLETE : SPLITTER_NO_MEMORIES;
    return true;
}

static bool step_memories(struct splitter *splitter, char c)
{
    if (c != '[' && c != 'n')
        return false;
    splitter->has_memories = true;
    splitter->null_left = "ull";
    splitter->place = c == '[' ? AT_ELEMENT_OR_END : IN_NULL;
    return true;
}

static bool step_null(struct splitter *splitter, char c)
{
    if (c != *splitter->null_left)
        return false;
    if (*++splitter->null_left == '\0')
        splitter->place = AT_COMMA_OR_END;
    return true;
}

static bool step_array(struct splitter *splitter, char c)
{
    if (c != ']' && c != ',')
        return false;
    splitter->place = c == ']' ? AT_COMMA_OR_END : AT_ELEMENT_OR_END;
    return true;
}

static bool step_between(struct splitter *splitter, char c)
{
    switch (splitter->place) {
    case AT_START:
        return step_start(splitter, c);
    case AT_KEY_OR_END:
        return step_key_or_end(splitter, c);
    case IN_KEY:
        step_key(splitter, c);
        return true;
    case AT_COLON:
        splitter->place = is_ours(splitter) ? AT_MEMORIES : AT_VALUE;
        return c == ':';
    case AT_COMMA_OR_END:
        if (c == '}')
            return step_key_or_end(splitter, c);
        splitter->place = AT_KEY_OR_END;
        return c == ',';
    case AT_MEMORIES:
        return step_memories(splitter, c);
    case IN_NULL:
        return step_null(splitter, c);
    case AT_ELEMENT_OR_END:
    case AT_NEXT_OR_END:
        return step_array(splitter, c);
    default:
        return false;
    }
}

static const char *step(struct splitter *splitter, const char *at)
{
    bool is_start = splitter->place == AT_START;

    if (!scan_is_blank(*at) || splitter->place == IN_NULL || splitter->place == IN_KEY) {
        if (begins_value(splitter, *at))
            return at;
        if (!step_between(splitter, *at))
            break_off(splitter, is_start ? SPLITTER_NOT_JSON : SPLITTER_BROKEN);
    }
    splitter->position++;
    return at + 1;
}

/* Something behind the object: perhaps one bracket too many closed it early, and memories follow. */
static void look_behind_end(struct splitter *splitter, const char *at, const char *end)
{
    while (at < end && scan_is_blank(*at)) {
        splitter->position++;
        at++;
    }
    if (at < end)
        break_off(splitter, SPLITTER_BROKEN);
    splitter->position += (uint64_t)(end - at);
}

void splitter_push(struct splitter *splitter, const char *bytes, size_t size)
{
    const char *at = bytes;
    const char *end = bytes + size;

    while (at < end && splitter->end == SPLITTER_OPEN) {
        if (splitter->place == IN_ELEMENT)
            at = go_on_element(splitter, at, end);
        else if (splitter->place == IN_OTHER)
            at = go_on_other(splitter, at, end);
        else
            at = step(splitter, at);
    }
    if (splitter->end == SPLITTER_COMPLETE)
        look_behind_end(splitter, at, end);
    else
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
