/* deliver_internal.h - what the files of the deliver machine share: deliver.c (life, queue, time), deliver_batch.c (batches, split,
 * settling), deliver_send.c (inserts), deliver_rows.c (polling), deliver_lookup.c (look-ups), deliver_pages.c (their pages), deliver_remove.c
 * (removals), deliver_target.c (the server itself).
 *
 * Every public call begins with deliver_begin, which keeps the moment, and ends with deliver_flush, which writes the batches that changed. */
#ifndef MC_DELIVERY_DELIVER_INTERNAL_H
#define MC_DELIVERY_DELIVER_INTERNAL_H

#include "delivery/deliver.h"
#include "delivery/table.h"

#include <stdio.h>

#define NEVER_MONO INT64_MAX

enum {
    POLL_FIRST_MS = 5,             /* the first question after an insert; doubles to poll_interval */
    POLLS_IN_FLIGHT = 2,           /* the oldest open batch and one more in rotation */
    ACCEPTED_WINDOW = 3,           /* batches accepted and not stored, besides those in the slots: what is there dies with the server */
    STORE_PATIENCE_MS = 60 * 1000, /* least time from 200 to the row; grows with what was seen */
    LINGER_MS = 50,                /* how long a small batch waits to grow while a listing is still coming */
    LOOK_FIRST_MS = 1000,          /* pause after a look-up that proved nothing; doubles to LOOK_LAST_MS */
    LOOK_LAST_MS = 30 * 1000,
    UNREADABLE_LAST_MS = 5 * 60 * 1000, /* likewise where rows cannot be read: that ends by a person's hand */
    WALK_SLACK = 1000,             /* a listing may show so many rows more than twice what it says to have ... */
    WALK_MAXIMUM = 10 * 1000 * 1000, /* ... and so many where it does not say */
    LOOK_MARGIN_MS = 2 * 60 * 1000, /* a look-up reads back to the first POST minus this, by the server's clock */
    BREAKER_MARKS = 5,             /* so many failures in a row open the breaker */
    BREAKER_FIRST_MS = 1000,
    BREAKER_LAST_MS = 5 * 60 * 1000,
    BUSY_FIRST_MS = 1000,
    BUSY_LAST_MS = 60 * 1000,
    STALL_QUESTIONS = 5,           /* confirm.kick: never: so often in kick_interval it is asked whether the pipeline still stands */
    STALL_LEAST_MS = 3000,         /* no row of a stored batch moved for so long: ask whether the pipeline runs */
    POISON_STRIKES = 3,
    LONE_STRIKES = 10,             /* and give_up_after, for a document that nothing else is sent beside */
    OUT_RETRY_MS = 5 * 60 * 1000,  /* a refused key or a strange address is tried again after that, by the service */
    RESTART_GRACE_MS = 10 * 1000,  /* 1.5.7 shows a row up to ten seconds after its 200 while it processes others */
    LOOKS_AT_ONCE = 4,             /* look-ups of one memory that are not waited for; the next ones come more and more slowly */
    DENIALS_MAXIMUM = 20,          /* "already there", and no listing shows it: so often until somebody is told */
    NEIGHBOURS_MAXIMUM = 100,      /* DEAD(stuck) after so many failures for the sake of others: dozens of refused ones may stand in its way */
    REMOVE_FIRST_MS = 200,         /* pause between two questions whether the pipeline is idle; doubles to poll_interval, at least a second */
    REMOVE_HOLD_MS = 10 * 60 * 1000, /* a delete waits for an idle pipeline: so long nothing new is sent for its sake */
    REMOVE_PATIENCE = 10,          /* deletes without effect until somebody is told */
    STUCK_KICKS = 3,               /* DEAD(stuck) only after so many kicks without a result */
    STORED_DEADLINE_CAP_MS = 60 * 60 * 1000, /* a stored wait that lies further ahead (a clock jumped) is cut to this when loaded */
};

/* What one look-up has seen so far of one memory. */
struct look {
    bool ours, several, other_revision, dup_filename, dup_content, foreign;
    enum sink_row_status status;
    int64_t chunks;
    int64_t oldest_ms;            /* of all rows of its name; 0: none seen */
    char id[SINK_ROW_ID_SIZE];    /* of our row: the same row can appear on two pages */
    char track[TRACK_SIZE];
};

struct member {
    int64_t seq, stream;
    char *name;                   /* owned */
    char mark[REVISION_MARK_SIZE];
    int attempts;
    int64_t settle_mono;          /* 1.4: an earlier request may arrive until then; 0: no */
    int64_t text_size;

    enum memory_wanted wanted;
    bool replaces;

    int looks;                    /* look-ups in the whole listing that were begun for it */
    int denials;                  /* look-ups because its name was said to be there */

    bool picked;                  /* for the split that is being prepared */
    bool is_seen;                 /* has a row in the answer that is being read */
    enum sighting sighting;       /* what that row says */
    enum sighting last_sighting;  /* in the answer before: tells progress */
    bool waits_for_retry;         /* failed, and not kicked since */
    bool failure_is_known;        /* failed_updated_ms holds the failure that was counted last */
    int neighbours_failures;      /* of its row, for another document's sake: not counted as attempts */
    int64_t failed_updated_ms;    /* the row's updated_at then, the server's clock */
    int64_t retry_mono;
    char *words;                  /* owned: the server's words for its last failure; NULL */
    char row_id[48];              /* of the row that failed; "" */
    int64_t since_ms;             /* no row of it is older, as far as the engine knows; INT64_MIN: unknown */
    bool is_unreadable;           /* the last look-up did not see it, and could not read all rows that may be it */
    struct look look;
    enum member_action action;    /* what the look-up decided */
};

/* A REMOVING memory. */
struct removal {
    int64_t seq, stream;
    char *name;                   /* owned */
    enum memory_wanted wanted;
    int64_t settle_mono;
    bool is_joined;               /* of the round under way */
    bool is_foreign;              /* the walk saw a row of its name that is not ours */
    size_t doomed;                /* its rows in the walk */
    int64_t oldest_us, newest_us; /* no row of it is older, none newer: those that a walk saw; INT64_MIN, INT64_MAX: unknown */
    bool is_unreadable;           /* the last walk did not see it, and could not read all rows that may be it */
    int64_t hold_mono, hold_step; /* then: no round for its sake before */
};

struct doomed {
    char id[SINK_ROW_ID_SIZE];
    int64_t created_ms;           /* -1: unknown */
    int64_t seq, stream;          /* of its memory; 0: a stray */
    uint64_t name_hash;           /* of a stray: of the document's name; 0: of nobody's */
};

enum removing_phase {
    REMOVING_NOTHING,
    REMOVING_LOOK,       /* a walk tells which rows there are */
    REMOVING_WAIT_IDLE,  /* the server deletes only while its pipeline is idle: nothing new is sent meanwhile */
    REMOVING_DELETING,   /* request under way */
    REMOVING_SETTLE,     /* it had no answer: it may still arrive, and must not meet what is sent after it */
    REMOVING_WAIT_END,   /* it may have begun: wait until the pipeline is idle again, then look */
};

struct walk_slot {
    const char *name;             /* borrowed; NULL: free */
    struct member *member;
    size_t removal;               /* index + 1; 0: none */
};

enum pages_phase {
    PAGES_READ,    /* one page after the other */
    PAGES_FRONT,   /* pages that end inside of the first ten rows that could not be read */
    PAGES_BACK,    /* pages that begin inside of the last ten */
};

enum pages_end { PAGES_ASKED /* the walk goes on */, PAGES_OVER, PAGES_BROKEN };

/* Of a walk: rows are counted from the newest one, 0. */
struct walk_pages {
    enum pages_phase phase;
    int64_t at;                   /* rows in front of it were read, or could not be */
    int step;                     /* size of the page that is asked there */
    bool oldest_first;            /* the page under way: counted from the other end, by the total as it was last told */
    int64_t from, to;             /* rows of it that count */
    int64_t row;                  /* the next one that comes */
    bool has_next;                /* behind the page that was read last */
    int64_t low, high;            /* of what is narrowed: where a page may end or begin is between them */
    bool is_hiding;               /* the page before could not be read */
    struct deliver_hidden stretch;
    int64_t stretch_from, stretch_total;
    bool stretch_is_told;         /* every 500 said that it was for the want of a source */
    int narrowings;
    bool is_checked;              /* since the last page that was read, /documents/status_counts was well */
    bool is_told;                 /* the 500 that it is asked for said that it was for the want of a source */
    int untold;                   /* 500s in a row that did not say why */
    struct deliver_hidden *places;
    size_t place_count, place_capacity;
};

struct batch {
    struct batch_row row;
    enum batch_phase phase;
    struct member *members;
    size_t count, capacity;
    bool is_dirty;

    int64_t ready_mono;           /* READY: not before */
    bool is_polling;              /* a track request is under way */
    int64_t poll_mono, poll_step;
    size_t cursor;                /* rows come in the order sent: where to look first */
    int64_t accepted_mono, deadline_mono;
    int64_t progress_mono;        /* when a row last changed */
    int64_t stored_mono;
    int kicks;
    bool is_looking;              /* takes part in the look-up under way */
    int64_t look_mono, look_step;
    int64_t settle_mono;          /* 1.4; 0: no */
    int64_t passes_mark;          /* accepted inserts of the target when its first strike came; goes along through splits; -1: no strike yet */
    bool has_older_rows;          /* some of its members were found further back than it was sent */
    bool is_content_suspect;      /* 1.4 said: identical content */
};

struct deliver {
    struct deliver_settings settings;
    char *workspace;              /* owned copy of settings.workspace */
    char *known_workspace;        /* likewise; NULL */
    int restarts;
    struct deliver_out out;
    struct moment now;

    struct batch **batches;       /* open ones, oldest first */
    size_t count, capacity;
    int64_t rotation;             /* the batch polled last out of turn */
    int polls_in_flight;
    bool is_draining;

    /* the server */
    enum target_condition condition;
    enum sink_dialect dialect;
    char version[32], seen_workspace[128], words[400];
    bool is_probing;
    bool workspace_is_untold;     /* by the last /health */
    int64_t probe_mono;
    int failures;
    bool restart_is_suspected, restart_is_noticed;
    int64_t skew_ms;              /* server's clock minus ours */
    bool has_skew;
    int64_t store_time_ms;        /* the longest time from 200 to all rows seen so far */

    /* inserting */
    int inserts_in_flight;
    int insert_marks;
    char insert_words[240];       /* of the last mark */
    int64_t insert_hold_mono;     /* nobody sends before */
    int64_t accepted_inserts;
    int64_t busy_since_mono, busy_told_ms;
    bool probe_is_busy;         /* the two above are of a probe, not of an insert */
    int busy_answers;

    /* kicking */
    bool is_asking_pipeline, is_reprocessing;
    int64_t pipeline_mono;        /* next question */
    int idle_answers;
    bool has_kicked;
    int64_t kicked_mono;
    int64_t stall_mono;           /* where nobody may kick: next question whether it stands still */
    int64_t stall_since_mono, stall_seen_mono; /* the first and the last of the answers in a row that said so; 0: none */

    /* the look-up under way */
    bool is_walking;
    struct walk_pages pages;
    int64_t walk_since_ms;        /* server's clock; INT64_MIN: the whole listing */
    int64_t walk_oldest_ms, walk_oldest_us;
    int64_t walk_total;           /* -1: not told */
    int64_t walk_rows;            /* shown so far */
    bool walk_is_undated;         /* a row did not say when it was made: where it stands says nothing */
    int64_t unreadable_rows, unreadable_pages; /* of the last walk */
    bool unreadable_is_told;
    bool walk_shrank;             /* rows went while we read: what we did not see may have moved to a page that we had read */
    struct walk_slot *walk_map;   /* open addressing by name */
    size_t walk_map_size;
    bool wants_sweep, is_sweeping;
    bool wants_cleaning, is_cleaning; /* 1.5: look for failed rows of ours that nobody follows: they fail others */

    /* removals */
    struct removal *removals;
    size_t removal_count, removal_capacity;
    struct doomed *doomed;
    size_t doomed_count, doomed_capacity;
    size_t doomed_sent;           /* so many of them were deleted, a thousand at a time */
    size_t *removal_map;          /* open addressing by seq: index + 1; 0: free */
    size_t removal_map_size;
    struct doomed *strays;
    size_t stray_count, stray_capacity;
    enum removing_phase removing;
    int64_t removing_mono, removing_step, removing_since_mono;
    bool removing_has_deleted;    /* in this round */
    bool removing_is_walking;     /* the walk under way was begun for it: an earlier one may be shorter, and older than the wish */
    int removing_vain;            /* walks in a row that still saw rows after a delete */
    int64_t doomed_since_ms;      /* server's clock: the oldest row that was deleted; INT64_MIN: read all */

    /* scratch */
    struct member_ref *refs;
    size_t ref_capacity;
};

/* ---- deliver.c ---- */
void deliver_begin(struct deliver *deliver, struct moment now);
void deliver_command(struct deliver *deliver, enum deliver_command_kind kind, int64_t batch, int64_t page, const char *track);
/* DELIVER_LIST */
void deliver_command_page(struct deliver *deliver, int64_t page, int page_size, bool oldest_first);
void deliver_note(struct deliver *deliver, enum deliver_note note, int64_t stream, int64_t count);
void deliver_notice(struct deliver *deliver, bool is_trouble, const char *format, ...) MC_PRINTF(3, 4);
/* What is left of a wait that was stored by the wall clock, which may have been set since. */
int64_t deliver_load_wait(struct moment now, int64_t until_wall_ms, int64_t cap_ms);
int64_t deliver_jitter(struct deliver *deliver, int attempt, int64_t first_ms, int64_t maximum_ms);

/* ---- deliver_batch.c ---- */
struct batch *deliver_find_batch(const struct deliver *deliver, int64_t number);
struct batch *deliver_new_batch(struct deliver *deliver);
void deliver_set_phase(struct deliver *deliver, struct batch *batch, enum batch_phase phase);
/* With its settle time, which is stored by the wall clock. */
struct member *deliver_add_member(struct deliver *deliver, struct batch *batch, const struct deliver_memory *memory);
/* The one primitive: the picked members into a new batch of the same history; NULL when nobody is picked. */
struct batch *deliver_split(struct deliver *deliver, struct batch *batch, enum batch_phase phase);
void deliver_pick_none(struct batch *batch);
void deliver_drop_member(struct batch *batch, size_t index);
/* Until when an earlier request of it may still arrive; 0: none can. */
int64_t deliver_settle_mono(const struct batch *batch, const struct member *member);
/* The picked members are proven: DONE, and out of the batch. */
void deliver_settle_picked(struct deliver *deliver, struct batch *batch);
/* One member is dead, or turned over when something else is wanted of it, and out of the batch (its index is free for the next one). */
void deliver_kill(struct deliver *deliver, struct batch *batch, size_t index, enum dead_class dead_class, int http_status, const char *words);
void deliver_close_if_empty(struct deliver *deliver, struct batch *batch);
void deliver_flush(struct deliver *deliver);
/* Looks the step up in the table; ends the program when the table says it cannot happen (a defect, never outside input). */
const struct batch_transition *deliver_step(const struct batch *batch, enum batch_event event);
void deliver_start_look_up(struct deliver *deliver, struct batch *batch, bool whole_listing);
void deliver_note_members(struct deliver *deliver, const struct batch *batch, enum deliver_note note);

/* ---- deliver_send.c ---- */
void deliver_send_due(struct deliver *deliver);
bool deliver_may_insert(const struct deliver *deliver);
bool deliver_could_insert(const struct deliver *deliver); /* but for insert_hold_mono, which a clock ends */
/* Got a 500, and since then inserts of others passed. */
bool deliver_is_suspect(const struct deliver *deliver, const struct batch *batch);

/* ---- deliver_rows.c ---- */
void deliver_poll_due(struct deliver *deliver);
void deliver_become_stored(struct deliver *deliver, struct batch *batch);
/* A failure for another document's sake. */
bool deliver_is_neighbours_failure(const struct sink_row *row);

/* ---- deliver_lookup.c ---- */
uint64_t deliver_hash_name(const char *name);
void deliver_look_due(struct deliver *deliver);

/* ---- deliver_pages.c ---- */
void deliver_pages_begin(struct deliver *deliver);
/* A row came; false: it is repeated. */
bool deliver_pages_take_row(struct deliver *deliver, const struct sink_row *row);
enum pages_end deliver_pages_read(struct deliver *deliver, const struct sink_page *page);
/* PAGES_BROKEN: it is not for the sake of rows. */
enum pages_end deliver_pages_failed(struct deliver *deliver, const struct sink_page *page, const struct sink_verdict *verdict);
enum pages_end deliver_pages_checked(struct deliver *deliver, const struct sink_counts *counts, bool is_well);
void deliver_pages_sum_up(struct deliver *deliver);
/* Such a row may be among those that the last walk could not read. */
bool deliver_may_hide(const struct deliver *deliver, int64_t since_us, int64_t until_us);
int64_t deliver_us(int64_t ms); /* INT64_MIN and INT64_MAX stay */
int64_t deliver_created_us(const struct sink_row *row); /* -1: not told */

/* ---- deliver_remove.c ---- */
/* One member leaves its batch: its rows go first, then comes what is wanted of it. */
void deliver_turn_over(struct deliver *deliver, struct batch *batch, size_t index);
void deliver_removing_due(struct deliver *deliver);
/* A failed row that nobody follows is to go; deliver_spare: somebody follows it again. */
void deliver_remove_failed_row(struct deliver *deliver, const char *id, const char *name);
void deliver_spare(struct deliver *deliver, const char *name);
bool deliver_removing_holds_inserts(const struct deliver *deliver);
bool deliver_removing_is_deleting(const struct deliver *deliver);
int64_t deliver_removing_next(const struct deliver *deliver);
/* The pipeline was asked for its sake, too; true: a delete was commanded, nothing else may be started now. */
bool deliver_removing_on_pipeline(struct deliver *deliver, bool is_busy);
int64_t deliver_removing_walk_since(const struct deliver *deliver);
void deliver_removing_begin_walk(struct deliver *deliver);
void deliver_removing_see(struct deliver *deliver, struct removal *removal, const struct sink_row *row);
void deliver_removing_end_walk(struct deliver *deliver, bool is_complete);
void deliver_removing_free(struct deliver *deliver);

/* ---- deliver_target.c ---- */
void deliver_probe_due(struct deliver *deliver);
void deliver_kick_due(struct deliver *deliver);
/* Stored rows stay unfinished, and nothing of ours is to wake them. */
bool deliver_is_stalled(const struct deliver *deliver);
/* A row moved, or something was sent that moves them. */
void deliver_note_life(struct deliver *deliver);
/* What an answer says about the server itself. */
void deliver_judge_target(struct deliver *deliver, const struct sink_verdict *verdict);

#endif
