#include "delivery/record.h"

#include "base/auto.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    const char *advice;
} classes[DEAD_CLASSES] = {
    [DEAD_MALFORMED] = { "malformed", "Mend the element at the source, then retry: the next listing brings it again. Or mend it here: export with --show-content, edit, import." },
    [DEAD_TOO_LARGE] = { "too_large", "Raise max_item_bytes or the limit of LightRAG's proxy, or shorten the memory, then retry." },
    [DEAD_REJECTED] = { "rejected", "LightRAG refuses this text for good: read its words, change the memory or the transform, then retry." },
    [DEAD_POISON] = { "poison", "LightRAG answers 500 to this memory alone: look into its log for the cause, then retry or discard." },
    [DEAD_PROCESSING_FAILED] = { "processing_failed", "LightRAG stored it but could not process it: mend its model or quota, then retry." },
    [DEAD_STUCK] = { "stuck", "Stored but never processed: see whether LightRAG's pipeline runs (restart it), then retry." },
    [DEAD_SOURCE_GAP] = { "source_gap", "The listing broke off: run sync again; the next complete listing closes this letter." },
    [DEAD_CONTENT] = { "content", "LightRAG holds the same content under a name that is not ours: delete that document there, then retry." },
    [DEAD_FOREIGN] = { "foreign", "A document of our name was made by somebody else: rename or delete it in LightRAG, then retry." },
    [DEAD_OTHER_REVISION] = { "other_revision", "LightRAG holds another revision of it: set on_update: replace or delete that document there, then retry." },
    [DEAD_LOST] = { "lost", "LightRAG lost it and its text was not kept: sync with --range all, or raise state.keep_texts; the next listing sends it again." },
    [DEAD_DELETION] = { "deletion", "It is gone from the source: remove it by forget, or discard this letter to keep it." },
};

static const char *const memory_states[MEMORY_STATES] = {
    [MEMORY_NONE] = "none", [MEMORY_QUEUED] = "queued", [MEMORY_FLYING] = "flying",     [MEMORY_DONE] = "done",       [MEMORY_DEAD] = "dead",
    [MEMORY_SKIPPED] = "skipped", [MEMORY_REMOVING] = "removing", [MEMORY_GONE] = "gone", [MEMORY_TRUSTED] = "trusted",
};

static const char *const batch_states[BATCH_STATES] = {
    [BATCH_READY] = "ready", [BATCH_SENDING] = "sending", [BATCH_ACCEPTED] = "accepted", [BATCH_STORED] = "stored", [BATCH_CLOSED] = "closed",
};

static const char *const run_results[RUN_RESULTS] = {
    [RUN_RUNNING] = "running",         [RUN_SUCCESS] = "success",     [RUN_PARTIAL] = "partial", [RUN_FAILED] = "failed",
    [RUN_INTERRUPTED] = "interrupted", [RUN_CANCELLED] = "cancelled", [RUN_SKIPPED] = "skipped",
};

/* A number that no release has written still needs a word in a message. */
static const char *name_of(const char *const *names, size_t count, size_t number)
{
    return number < count && names[number] != NULL ? names[number] : "unknown";
}

bool dead_letter_is_element(const struct dead_letter *letter)
{
    static const uint8_t none[sizeof letter->fingerprint];

    return memcmp(letter->fingerprint, none, sizeof none) != 0;
}

const char *dead_class_name(enum dead_class dead_class)
{
    return (size_t)dead_class < DEAD_CLASSES && classes[dead_class].name != NULL ? classes[dead_class].name : "unknown";
}

bool dead_class_from_name(const char *name, enum dead_class *ret_class)
{
    for (size_t i = 0; i < DEAD_CLASSES; i++) {
        if (classes[i].name != NULL && strcmp(classes[i].name, name) == 0) {
            *ret_class = (enum dead_class)i;
            return true;
        }
    }
    return false;
}

const char *dead_class_advice(enum dead_class dead_class)
{
    return (size_t)dead_class < DEAD_CLASSES && classes[dead_class].advice != NULL ? classes[dead_class].advice
                                                                                   : "Written by a newer release: use that one.";
}

const char *memory_state_name(enum memory_state state)
{
    return name_of(memory_states, MEMORY_STATES, (size_t)state);
}

const char *batch_state_name(enum batch_state state)
{
    return name_of(batch_states, BATCH_STATES, (size_t)state);
}

const char *run_result_name(enum run_result result)
{
    return name_of(run_results, RUN_RESULTS, (size_t)result);
}
