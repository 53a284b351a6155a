#include "delivery/pull.h"

#define DO(what, because) { PULL_##what, because }

const struct pull_transition pull_table[MEMORY_STATES][PULL_SEEN] = {
    [MEMORY_NONE] = {
        [PULL_SAME] = DO(ADD, "unknown rows have no revision; the same as newer"),
        [PULL_NEWER] = DO(ADD, "new"),
        [PULL_EMPTY] = DO(ADD_SKIPPED, "recorded, so that it does not come back at every run"),
    },
    [MEMORY_QUEUED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "waits already"),
        [PULL_NEWER] = DO(REPLACE, "nothing was sent yet: the newer text takes the place"),
        [PULL_EMPTY] = DO(SKIP, "nothing was sent yet, and there is nothing left to send"),
    },
    [MEMORY_FLYING] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "on its way"),
        [PULL_NEWER] = DO(COUNT_CHANGED, "one revision in flight; replacing is off"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "one revision in flight; replacing is off"),
    },
    [MEMORY_DONE] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "proven"),
        [PULL_NEWER] = DO(COUNT_CHANGED, "replacing is off: what the server holds stays"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "what the server holds stays, and the report says so"),
    },
    [MEMORY_DEAD] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "waits for a person"),
        [PULL_NEWER] = DO(REPLACE_DEAD, "a mended memory goes on by itself where its name is free"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "its dead letter keeps the story"),
    },
    [MEMORY_SKIPPED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "still empty"),
        [PULL_NEWER] = DO(REPLACE, "now it has a text"),
        [PULL_EMPTY] = DO(SKIP, "changed, and still empty"),
    },
    [MEMORY_REMOVING] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "no rows of this state in this release"),
        [PULL_NEWER] = DO(COUNT_CHANGED, "no rows of this state in this release"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "no rows of this state in this release"),
    },
    [MEMORY_GONE] = {
        [PULL_SAME] = DO(REPLACE, "seen again"),
        [PULL_NEWER] = DO(REPLACE, "seen again"),
        [PULL_EMPTY] = DO(SKIP, "seen again, and empty"),
    },
    [MEMORY_TRUSTED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "believed to be there"),
        [PULL_NEWER] = DO(COUNT_CHANGED, "never sent by itself"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "never sent by itself"),
    },
};

bool pull_dead_class_is_absent(enum dead_class dead_class)
{
    return dead_class == DEAD_REJECTED || dead_class == DEAD_TOO_LARGE || dead_class == DEAD_POISON || dead_class == DEAD_CONTENT;
}

const char *pull_seen_name(enum pull_seen seen)
{
    static const char *const names[PULL_SEEN] = { "same", "newer", "empty" };

    return names[seen];
}

const char *pull_action_name(enum pull_action action)
{
    static const char *const names[] = {
        "count unchanged", "count changed", "add", "add skipped", "replace", "replace a dead one", "skip",
    };

    return names[action];
}
