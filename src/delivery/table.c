#include "delivery/table.h"

#include "base/auto.h"

#define TO(phase, what, because) { PHASE_##phase, BATCH_DO_##what, because }
#define NEVER(because) { PHASE_NEVER, BATCH_DO_NOTHING, because }

#define ONLY_SENDING NEVER("answers come only while a request is under way")

/* A request whose batch was settled by other means in the meantime does not exist: nothing else touches a SENDING batch. */
#define NO_ANSWERS                                                                                                     \
    [BATCH_TAKEN] = ONLY_SENDING, [BATCH_EXISTS_NAMED] = ONLY_SENDING, [BATCH_EXISTS] = ONLY_SENDING,                  \
    [BATCH_REFUSED_NAMED] = ONLY_SENDING, [BATCH_REFUSED] = ONLY_SENDING, [BATCH_CONTENT] = ONLY_SENDING,              \
    [BATCH_BUSY] = ONLY_SENDING, [BATCH_NOT_SENT] = ONLY_SENDING, [BATCH_DENIED] = ONLY_SENDING,                       \
    [BATCH_NO_ANSWER] = ONLY_SENDING, [BATCH_FAILING] = ONLY_SENDING

const struct batch_transition batch_table[PHASES][BATCH_EVENTS] = {
    [PHASE_READY] = {
        [BATCH_SLOT_FREE] = TO(SENDING, SEND, "the batch is committed as SENDING before the request leaves"),
        NO_ANSWERS,
        [BATCH_ROWS_ALL] = NEVER("a ready batch is not polled"),
        [BATCH_DEADLINE] = NEVER("nothing was accepted"),
        [BATCH_LOOKED_UP] = NEVER("a ready batch has nothing unclear"),
        [BATCH_NOBODY_LEFT] = TO(CLOSED, CLOSE, "its last member was split off"),
    },
    [PHASE_SENDING] = {
        [BATCH_SLOT_FREE] = NEVER("one request in flight per memory"),
        [BATCH_TAKEN] = TO(ACCEPTED, FOLLOW, "the server has it in its memory and nowhere else"),
        [BATCH_EXISTS_NAMED] = TO(READY, SPLIT_LOOK_UP, "one known name refuses the whole batch; nothing of it was stored"),
        [BATCH_EXISTS] = TO(READY, HALVE, "which of them is known is found by halves"),
        [BATCH_REFUSED_NAMED] = TO(READY, SPLIT_DEAD, "one bad document refuses the whole batch; it is at fault, not its neighbours"),
        [BATCH_REFUSED] = TO(READY, HALVE, "which of them is bad is found by halves"),
        [BATCH_CONTENT] = TO(READY, HALVE_CONTENT, "1.4 refuses the whole batch for one known content"),
        [BATCH_BUSY] = TO(READY, WAIT_BUSY, "nothing was stored, and waiting is no fault of a document"),
        [BATCH_NOT_SENT] = TO(READY, WAIT_TARGET, "nothing can have arrived"),
        [BATCH_DENIED] = TO(READY, WAIT_TARGET, "a bad key or address blames no document"),
        [BATCH_NO_ANSWER] = TO(UNCLEAR, LOOK_UP, "it may have arrived: ask before sending again"),
        [BATCH_FAILING] = TO(UNCLEAR, STRIKE_LOOK_UP, "a 500 may come after storing, and may be one document's fault"),
        [BATCH_ROWS_ALL] = NEVER("a batch is not polled before it has a track id"),
        [BATCH_DEADLINE] = NEVER("the request has its own time-out"),
        [BATCH_LOOKED_UP] = NEVER("look-ups begin only when the answer is out"),
        [BATCH_NOBODY_LEFT] = NEVER("nothing touches the members of a batch under way"),
    },
    [PHASE_UNCLEAR] = {
        [BATCH_SLOT_FREE] = NEVER("nothing is sent again before a look-up"),
        NO_ANSWERS,
        [BATCH_ROWS_ALL] = NEVER("it has no track id to poll"),
        [BATCH_DEADLINE] = NEVER("a look-up has its own pauses"),
        [BATCH_LOOKED_UP] = TO(UNCLEAR, SIGHTINGS, "each member goes its way; the absent ones stay one batch"),
        [BATCH_NOBODY_LEFT] = TO(CLOSED, CLOSE, "every member went its way"),
    },
    [PHASE_ACCEPTED] = {
        [BATCH_SLOT_FREE] = NEVER("it was sent"),
        NO_ANSWERS,
        [BATCH_ROWS_ALL] = TO(STORED, POLL_ROWS, "a crash of the server cannot lose them any more"),
        [BATCH_DEADLINE] = TO(STORED, SPLIT_MISSING, "accepted and lost look alike; 1.4 drops known texts silently"),
        [BATCH_LOOKED_UP] = NEVER("it is followed by its track id"),
        [BATCH_NOBODY_LEFT] = TO(CLOSED, CLOSE, "every member went its way"),
    },
    [PHASE_STORED] = {
        [BATCH_SLOT_FREE] = NEVER("it was sent"),
        NO_ANSWERS,
        [BATCH_ROWS_ALL] = TO(STORED, NOTHING, "known already"),
        [BATCH_DEADLINE] = NEVER("the deadline was for storing"),
        [BATCH_LOOKED_UP] = NEVER("it is followed by its track id"),
        [BATCH_NOBODY_LEFT] = TO(CLOSED, CLOSE, "all settled"),
    },
    [PHASE_CLOSED] = {
        [BATCH_SLOT_FREE] = NEVER("nobody is in it"),
        NO_ANSWERS,
        [BATCH_ROWS_ALL] = NEVER("nobody is in it"),
        [BATCH_DEADLINE] = NEVER("nobody is in it"),
        [BATCH_LOOKED_UP] = NEVER("nobody is in it"),
        [BATCH_NOBODY_LEFT] = NEVER("it is closed"),
    },
};

#define DO(what, because) { MEMBER_##what, because }
#define CANNOT(because) { MEMBER_NEVER, because }
#define NOT_READ(because)                                                                                              \
    {                                                                                                                  \
        [SEEN_UNFINISHED] = CANNOT(because), [SEEN_PROCESSED] = CANNOT(because), [SEEN_FAILED] = CANNOT(because),      \
        [SEEN_EMPTY] = CANNOT(because), [SEEN_OTHER_REVISION] = CANNOT(because), [SEEN_DUP_FILENAME] = CANNOT(because), \
        [SEEN_DUP_CONTENT] = CANNOT(because), [SEEN_FOREIGN] = CANNOT(because), [SEEN_NOT] = CANNOT(because),          \
        [SEEN_NOT_UNPROVEN] = CANNOT(because), [SEEN_NOT_UNREADABLE] = CANNOT(because),                                \
    }

const struct sighting_transition sighting_table[PHASES][SIGHTINGS] = {
    [PHASE_READY] = NOT_READ("no rows are read for a ready batch"),
    [PHASE_SENDING] = NOT_READ("no rows are read while its request is under way"),
    [PHASE_UNCLEAR] = {
        [SEEN_UNFINISHED] = DO(ADOPT, "it did arrive: follow it"),
        [SEEN_PROCESSED] = DO(DONE, "our revision, processed, with chunks"),
        [SEEN_FAILED] = DO(ADOPT, "it did arrive; the poll counts the failure"),
        [SEEN_EMPTY] = DO(ADOPT, "it did arrive; the poll counts the failure"),
        [SEEN_OTHER_REVISION] = DO(DEAD_REVISION, "the name is taken by another revision: it is replaced, or this one waits for a person"),
        [SEEN_DUP_FILENAME] = DO(SEND_AGAIN, "a dup- row holds no name: with its original gone the memory is absent"),
        [SEEN_DUP_CONTENT] = DO(DEAD_CONTENT, "sending it again would be refused again"),
        [SEEN_FOREIGN] = DO(DEAD_FOREIGN, "somebody else's document has our name; it is never touched"),
        [SEEN_NOT] = DO(SEND_AGAIN, "absent, proven: the same bytes again"),
        [SEEN_NOT_UNPROVEN] = DO(LOOK_AGAIN, "1.4 takes a second text under one name while an earlier request is still under way"),
        [SEEN_NOT_UNREADABLE] = DO(LOOK_AGAIN, "it may be there: somebody has to delete the documents that make pages unreadable"),
    },
    [PHASE_ACCEPTED] = {
        [SEEN_UNFINISHED] = DO(WAIT, "it has a row; the batch is stored when all have"),
        [SEEN_PROCESSED] = DO(WAIT, "settled as soon as the batch is stored"),
        [SEEN_FAILED] = DO(WAIT, "counted as soon as the batch is stored"),
        [SEEN_EMPTY] = DO(WAIT, "counted as soon as the batch is stored"),
        [SEEN_OTHER_REVISION] = DO(LOOK_UP, "a row of our track with other content: read all of them"),
        [SEEN_DUP_FILENAME] = DO(LOOK_UP, "the original may be another revision"),
        [SEEN_DUP_CONTENT] = DO(DEAD_CONTENT, "the server will not take this content"),
        [SEEN_FOREIGN] = DO(LOOK_UP, "a row of our track without our first line: read all of them"),
        [SEEN_NOT] = DO(WAIT, "stored a moment later, or at the deadline looked up"),
        [SEEN_NOT_UNPROVEN] = CANNOT("a track's answer is not evidence of absence"),
        [SEEN_NOT_UNREADABLE] = CANNOT("a track has no rows but ours, and these have a source"),
    },
    [PHASE_STORED] = {
        [SEEN_UNFINISHED] = DO(WAIT, "still running, or waiting for a kick"),
        [SEEN_PROCESSED] = DO(DONE, "our revision, processed, with chunks"),
        [SEEN_FAILED] = DO(FAILED, "the server's own retry, a bounded number of times"),
        [SEEN_EMPTY] = DO(FAILED, "processed, but nothing of it is in the graph"),
        [SEEN_OTHER_REVISION] = DO(LOOK_UP, "a row of our track with other content: read all of them"),
        [SEEN_DUP_FILENAME] = DO(LOOK_UP, "the original may be another revision"),
        [SEEN_DUP_CONTENT] = DO(DEAD_CONTENT, "the server will not take this content"),
        [SEEN_FOREIGN] = DO(LOOK_UP, "a row of our track without our first line: read all of them"),
        [SEEN_NOT] = DO(LOOK_UP, "a row that is gone again: a late delete, or a wiped server"),
        [SEEN_NOT_UNPROVEN] = CANNOT("a track's answer is not evidence of absence"),
        [SEEN_NOT_UNREADABLE] = CANNOT("a track has no rows but ours, and these have a source"),
    },
    [PHASE_CLOSED] = NOT_READ("nobody is in it"),
};

static const char *const phase_names[PHASES] = {
    "ready", "sending", "unclear", "accepted", "stored", "closed",
};
static const char *const event_names[BATCH_EVENTS] = {
    "slot free", "taken", "exists, named", "exists", "refused, named", "refused", "content", "busy", "not sent", "denied",
    "no answer", "failing", "all rows seen", "deadline", "looked up", "nobody left",
};
static const char *const action_names[] = {
    "nothing", "send", "follow", "split and look up", "split, dead", "halve", "halve, content", "wait, busy", "wait, target", "look up",
    "strike and look up", "poll rows", "split the missing", "sightings", "close",
};
static const char *const sighting_names[SIGHTINGS] = {
    "ours, unfinished", "ours, processed", "ours, failed", "ours, processed without chunks", "another revision", "dup- of the name",
    "dup- of the content", "foreign", "absent", "absent, unproven", "absent, unreadable",
};
static const char *const member_names[] = {
    "never", "wait", "adopt", "done", "failed once", "look up", "look again", "send again", "turn over", "lost", "dead, other revision", "dead, content",
    "dead, foreign",
};

const char *batch_phase_name(enum batch_phase phase)
{
    return phase < PHASES ? phase_names[phase] : "never";
}

const char *batch_event_name(enum batch_event event)
{
    return event_names[event];
}

const char *batch_action_name(enum batch_action action)
{
    return action_names[action];
}

const char *sighting_name(enum sighting sighting)
{
    return sighting_names[sighting];
}

const char *member_action_name(enum member_action action)
{
    return member_names[action];
}
