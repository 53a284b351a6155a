#include "delivery/pull.h"

#define DO(what, because) { PULL_##what, because }

const struct pull_transition pull_table[MEMORY_STATES][PULL_SEEN] = {
    [MEMORY_NONE] = {
        [PULL_SAME] = DO(ADD, "unknown rows have no revision; the same as newer"),
        [PULL_BACK] = DO(ADD, "unknown rows have no revision; the same as newer"),
        [PULL_NEWER] = DO(ADD, "new"),
        [PULL_EMPTY] = DO(ADD_SKIPPED, "recorded, so that it does not come back at every run"),
        [PULL_FORCED] = DO(ADD, "unknown rows have nothing to send again; the same as newer"),
        [PULL_ABSENT] = DO(NOTHING, "nobody knows it"),
    },
    [MEMORY_QUEUED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "waits already"),
        [PULL_BACK] = DO(COUNT_UNCHANGED, "nothing else is wanted of what waits"),
        [PULL_NEWER] = DO(REPLACE, "nothing was sent yet: the newer text takes the place"),
        [PULL_EMPTY] = DO(SKIP, "nothing was sent yet, and there is nothing left to send"),
        [PULL_FORCED] = DO(COUNT_UNCHANGED, "waits already"),
        [PULL_ABSENT] = DO(FORGET, "nothing of it is at the server"),
    },
    [MEMORY_FLYING] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "on its way, or waiting beside the one that is"),
        [PULL_BACK] = DO(WANT_NOTHING, "the one in flight is right again"),
        [PULL_NEWER] = DO(WANT_NEWER, "one revision in flight: the newer one waits until that is settled"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "what the server gets stays, and the report says so"),
        [PULL_FORCED] = DO(COUNT_UNCHANGED, "on its way already"),
        [PULL_ABSENT] = DO(WANT_GONE, "removed when it is settled"),
    },
    [MEMORY_DONE] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "proven"),
        [PULL_BACK] = DO(COUNT_UNCHANGED, "nothing else is wanted of what is settled"),
        [PULL_NEWER] = DO(REMOVE_NEWER, "the old revision goes, then this one is sent"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "what the server holds stays, and the report says so"),
        [PULL_FORCED] = DO(REMOVE_NEWER, "its rows go, then it is sent again"),
        [PULL_ABSENT] = DO(REMOVE_GONE, "deleted at the source"),
    },
    [MEMORY_DEAD] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "waits for a person"),
        [PULL_BACK] = DO(COUNT_UNCHANGED, "nothing else is wanted of what is settled"),
        [PULL_NEWER] = DO(REPLACE_DEAD, "a mended memory goes on by itself"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "its dead letter keeps the story"),
        [PULL_FORCED] = DO(COUNT_UNCHANGED, "waits for a person, who has a way of its own: dead-letters retry"),
        [PULL_ABSENT] = DO(REMOVE_GONE, "its failed row may hold the name"),
    },
    [MEMORY_SKIPPED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "still empty"),
        [PULL_BACK] = DO(COUNT_UNCHANGED, "still empty"),
        [PULL_NEWER] = DO(REPLACE, "now it has a text"),
        [PULL_EMPTY] = DO(SKIP, "changed, and still empty"),
        [PULL_FORCED] = DO(COUNT_UNCHANGED, "still nothing to send"),
        [PULL_ABSENT] = DO(FORGET, "nothing of it is at the server"),
    },
    [MEMORY_REMOVING] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "sent when the old rows are gone"),
        [PULL_BACK] = DO(REMOVE_NEWER, "seen again before its rows were gone: sent after that"),
        [PULL_NEWER] = DO(REMOVE_NEWER, "the newest is sent when the old rows are gone"),
        [PULL_EMPTY] = DO(COUNT_CHANGED, "what is wanted of it stays"),
        [PULL_FORCED] = DO(COUNT_UNCHANGED, "what is wanted of it stays"),
        [PULL_ABSENT] = DO(REMOVE_GONE, "deleted at the source: nothing is sent after that"),
    },
    [MEMORY_GONE] = {
        [PULL_SAME] = DO(REPLACE, "seen again"),
        [PULL_BACK] = DO(REPLACE, "seen again"),
        [PULL_NEWER] = DO(REPLACE, "seen again"),
        [PULL_EMPTY] = DO(SKIP, "seen again, and empty"),
        [PULL_FORCED] = DO(REPLACE, "seen again"),
        [PULL_ABSENT] = DO(NOTHING, "gone already"),
    },
    [MEMORY_TRUSTED] = {
        [PULL_SAME] = DO(COUNT_UNCHANGED, "believed to be there"),
        [PULL_BACK] = DO(COUNT_UNCHANGED, "believed to be there"),
        [PULL_NEWER] = DO(COUNT_UNCHANGED, "nobody knows which revision LightRAG holds, so nothing says that it changed"),
        [PULL_EMPTY] = DO(COUNT_UNCHANGED, "what the earlier program sent stays"),
        [PULL_FORCED] = DO(REPLACE, "sent under our name, beside what the earlier program sent"),
        [PULL_ABSENT] = DO(NOTHING, "never touched by itself"),
    },
};

enum pull_action pull_decide(enum memory_state state, enum pull_seen seen, bool replaces)
{
    enum pull_action action = pull_table[state][seen].action;

    if (replaces || seen != PULL_NEWER || (state != MEMORY_FLYING && state != MEMORY_DONE))
        return action;
    return PULL_COUNT_CHANGED;
}

bool pull_dead_class_is_absent(enum dead_class dead_class)
{
    return dead_class == DEAD_REJECTED || dead_class == DEAD_TOO_LARGE || dead_class == DEAD_POISON || dead_class == DEAD_CONTENT;
}

const char *pull_seen_name(enum pull_seen seen)
{
    static const char *const names[PULL_SEEN] = { "same", "back", "newer", "empty", "forced", "absent" };

    return names[seen];
}

const char *pull_action_name(enum pull_action action)
{
    static const char *const names[] = {
        "nothing", "count unchanged", "count changed", "add", "add skipped", "replace", "replace a dead one", "skip", "want the newer", "want it gone",
        "want nothing", "remove, then the newer", "remove, then gone", "forget",
    };

    return names[action];
}
