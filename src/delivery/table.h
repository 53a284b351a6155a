/* table.h - the transition tables of delivery: what may happen to whom, what follows, and why.
 *
 * Three tables, every pair of row and column in each, also those that cannot happen:
 *   batch_table      a batch and an answer, a free slot, a deadline
 *   sighting_table   a memory in flight and what the server's rows say of it
 *   pull_table       a memory in the state and what a listing of the source says of it (pull.h)
 *
 * The machines look the next step up here and nowhere else; docs/delivery.md is checked against these tables, and the exhaustive model in
 * tests/model compares its own steps with them. */
#ifndef MC_DELIVERY_TABLE_H
#define MC_DELIVERY_TABLE_H

#include <stdbool.h>

/* ---- Batches ---- */

/* The stored states of record.h, with SENDING in two: while we wait for the answer, and when nobody will tell. */
enum batch_phase {
    PHASE_READY,     /* waits for the insert slot and its time */
    PHASE_SENDING,   /* request under way */
    PHASE_UNCLEAR,   /* stored as SENDING: it may or may not have arrived; waits for a look-up */
    PHASE_ACCEPTED,  /* in the server's memory; waits until every row is seen */
    PHASE_STORED,    /* rows are there; waits for their final words */
    PHASE_CLOSED,    /* nobody left in it */
    PHASES,
    PHASE_NEVER      /* in the table: this pair cannot happen */
};

enum batch_event {
    BATCH_SLOT_FREE,      /* its time has come and the target takes a request */
    BATCH_TAKEN,          /* 200 success: a receipt */
    BATCH_EXISTS_NAMED,   /* a document of that name is there, and the server said which */
    BATCH_EXISTS,         /* ... and did not */
    BATCH_REFUSED_NAMED,  /* something in it is refused for good, and we know which */
    BATCH_REFUSED,        /* ... and do not */
    BATCH_CONTENT,        /* 1.4: identical content under some name */
    BATCH_BUSY,           /* not now; nobody's fault */
    BATCH_NOT_SENT,       /* no connection: nothing arrived */
    BATCH_DENIED,         /* our key, or not a LightRAG at this address: the target is out */
    BATCH_NO_ANSWER,      /* reset, time-out, nonsense: nobody knows */
    BATCH_FAILING,        /* 500: nobody knows, and one strike */
    BATCH_ROWS_ALL,       /* every member has a row */
    BATCH_DEADLINE,       /* accepted long ago, and some members still have no row */
    BATCH_LOOKED_UP,      /* a look-up ended: every member's sighting is known */
    BATCH_NOBODY_LEFT,    /* all members settled or split off */
    BATCH_EVENTS
};

enum batch_action {
    BATCH_DO_NOTHING,
    BATCH_DO_SEND,             /* commit, then POST */
    BATCH_DO_FOLLOW,           /* keep the track id, poll it */
    BATCH_DO_SPLIT_LOOK_UP,    /* the culprit into a batch of its own that is looked up in the whole listing; the rest ready */
    BATCH_DO_SPLIT_DEAD,       /* the culprit dead; the rest ready */
    BATCH_DO_HALVE,            /* two halves, both ready; a single one: as if it were named */
    BATCH_DO_HALVE_CONTENT,    /* two halves; a single one: look up, absent means DEAD(content) */
    BATCH_DO_WAIT_BUSY,        /* target waits; try again later */
    BATCH_DO_WAIT_TARGET,      /* target is out; try again when it is back */
    BATCH_DO_LOOK_UP,          /* look up at once, again with growing pauses */
    BATCH_DO_STRIKE_LOOK_UP,   /* likewise, and one strike for the batch and for the breaker */
    BATCH_DO_POLL_ROWS,        /* rows decide from now on */
    BATCH_DO_SPLIT_MISSING,    /* those without a row into a batch that is looked up */
    BATCH_DO_SIGHTINGS,        /* the sighting table decides for every member */
    BATCH_DO_CLOSE
};

struct batch_transition {
    enum batch_phase next;     /* of the batch, or of what stays in it after a split; PHASE_NEVER: cannot happen */
    enum batch_action action;
    const char *why;           /* for PHASE_NEVER: why it cannot */
};

extern const struct batch_transition batch_table[PHASES][BATCH_EVENTS];

/* ---- What the server's rows say of a memory in flight ---- */

enum sighting {
    SEEN_UNFINISHED,      /* ours, still running (also every status word we do not know) */
    SEEN_PROCESSED,       /* ours, processed, with chunks */
    SEEN_FAILED,          /* ours, failed */
    SEEN_EMPTY,           /* ours, processed without chunks: a failure */
    SEEN_OTHER_REVISION,  /* our name, another revision of ours */
    SEEN_DUP_FILENAME,    /* only a dup- row of our name: the original is gone or stands elsewhere */
    SEEN_DUP_CONTENT,     /* the server holds the same content under another name */
    SEEN_FOREIGN,         /* our name, no revision line: not ours */
    SEEN_NOT,             /* no row; in a look-up: proven */
    SEEN_NOT_UNPROVEN,    /* 1.4 before the settle time: an earlier request may still arrive */
    SEEN_NOT_UNREADABLE,  /* 1.4: not seen, and some rows could not be read that may be it */
    SIGHTINGS
};

enum member_action {
    MEMBER_NEVER,
    MEMBER_WAIT,
    MEMBER_ADOPT,          /* follow its track; the batch (or a part of it) becomes STORED */
    MEMBER_DONE,           /* proven */
    MEMBER_FAILED,         /* one failed processing: try again by reprocess_failed, or DEAD(processing_failed) */
    MEMBER_LOOK_UP,        /* split off and look up in the whole listing */
    MEMBER_LOOK_AGAIN,     /* stay unclear, look up again later */
    MEMBER_SEND_AGAIN,     /* absent, proven: ready, the same bytes */
    MEMBER_TURN_OVER,      /* REMOVING: its rows go, then comes what is wanted of it; never in the table, taken instead of the next one and of sending again */
    MEMBER_LOST,           /* absent, and its text was given up; never in the table, taken instead of sending again */
    MEMBER_DEAD_REVISION,  /* DEAD(other_revision), unless on_update is replace or something else is wanted of it by now */
    MEMBER_DEAD_CONTENT,   /* DEAD(content) */
    MEMBER_DEAD_FOREIGN    /* DEAD(foreign); the row is never touched */
};

struct sighting_transition {
    enum member_action action;
    const char *why;
};

extern const struct sighting_transition sighting_table[PHASES][SIGHTINGS];

const char *batch_phase_name(enum batch_phase phase);
const char *batch_event_name(enum batch_event event);
const char *batch_action_name(enum batch_action action);
const char *sighting_name(enum sighting sighting);
const char *member_action_name(enum member_action action);

#endif
