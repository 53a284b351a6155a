#include "state/state_internal.h"

#include <stdlib.h>
#include <string.h>

/* The order of these columns is the order in which the read_x functions of state_read.c and state_read_rows.c take them. */
#define MEMORY_COLUMNS                                                                                                                            \
    "seq, stream, target, state, wanted, batch, not_before_ms, settle_until_ms, attempts, text_size, arrived_ms, revision, id, name"
#define BATCH_COLUMNS                                                                                                                             \
    "batch, target, state, track, strikes, whole_listing, first_sent_server_ms, last_sent_ms, not_before_ms, opened_ms, changed_ms, members"
#define TARGET_COLUMNS "target, name, url, version, workspace, seen_ms, last_error"
#define STREAM_COLUMNS "stream, target, connector, source, context"
#define LETTER_COLUMNS                                                                                                                            \
    "letter, class, ending, d.stream, d.seq, run, fingerprint, http_status, words, d.attempts, times, first_ms, last_ms, position, length, raw"
#define RUN_COLUMNS                                                                                                                               \
    "run, connector, started_by, started_ms, finished_ms, result, error_kind, error, asked_range, asked_limit, coverage, fetched, new, changed, "      \
    "unchanged, skipped, malformed, duplicates, sent, stored, processed, failed, retried, requests, bytes, replaced, removed, filtered"

/* state = 1 and state = 2 are written as numbers, not bound: only so does SQLite see that a partial index may be used. */
static const char *const sql[STATEMENTS] = {
    [BEGIN_READ] = "BEGIN",
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT_WRITE] = "COMMIT",
    [ROLL_BACK] = "ROLLBACK",

    [PUT_TARGET] = "INSERT INTO targets(" TARGET_COLUMNS ") VALUES(?,?,?,?,?,?,?) ON CONFLICT(target) DO UPDATE SET name=excluded.name, "
                   "url=excluded.url, version=excluded.version, workspace=excluded.workspace, seen_ms=excluded.seen_ms, "
                   "last_error=excluded.last_error",
    /* The rows of a stream keep its target, so a stream keeps it too. */
    [PUT_STREAM] = "INSERT INTO streams(" STREAM_COLUMNS ") VALUES(?,?,?,?,?) ON CONFLICT(stream) DO UPDATE SET "
                   "connector=excluded.connector, source=excluded.source, context=excluded.context WHERE target=excluded.target",
    [ADD_MEMORY] = "INSERT INTO memories(" MEMORY_COLUMNS ", hash, first_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?11,?,?,?,?,?11)",
    [SET_MEMORY] = "UPDATE memories SET state=?4, wanted=?5, batch=?6, not_before_ms=?7, settle_until_ms=?8, attempts=?9, text_size=?10, "
                   "arrived_ms=?11, revision=?12 WHERE seq=?1 AND stream=?2 AND state=?3 AND (?13 OR text_size=?10)",
    [PUT_TEXT] = "INSERT OR REPLACE INTO texts(seq, text) VALUES(?,?)",
    [DROP_TEXT] = "DELETE FROM texts WHERE seq=?",
    [MOVE_MEMBERS] = "UPDATE memories SET state=?1 WHERE seq BETWEEN ?2 AND ?3 AND state=?4 AND stream=?5",
    [MOVE_MEMBERS_TO_BATCH] = "UPDATE memories SET state=?1, batch=?6 WHERE seq BETWEEN ?2 AND ?3 AND state=?4 AND stream=?5",
    [PUT_BATCH] = "INSERT INTO batches(" BATCH_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(batch) DO UPDATE SET target=excluded.target, "
                  "state=excluded.state, track=excluded.track, strikes=excluded.strikes, whole_listing=excluded.whole_listing, "
                  "first_sent_server_ms=excluded.first_sent_server_ms, last_sent_ms=excluded.last_sent_ms, "
                  "not_before_ms=excluded.not_before_ms, opened_ms=excluded.opened_ms, changed_ms=excluded.changed_ms, members=excluded.members",
    [LETTER_BEFORE] = "SELECT class, ending, stream FROM letters WHERE letter=?",
    [PUT_LETTER] = "INSERT INTO letters(letter, class, ending, stream, seq, run, fingerprint, http_status, words, attempts, times, first_ms, "
                   "last_ms, position, length, raw) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(letter) DO UPDATE SET class=excluded.class, "
                   "ending=excluded.ending, stream=excluded.stream, seq=excluded.seq, run=excluded.run, fingerprint=excluded.fingerprint, "
                   "http_status=excluded.http_status, words=excluded.words, attempts=excluded.attempts, times=excluded.times, "
                   "first_ms=excluded.first_ms, last_ms=excluded.last_ms, position=excluded.position, length=excluded.length, "
                   "raw=coalesce(excluded.raw, raw)",
    [PUT_RUN] = "INSERT OR REPLACE INTO runs(" RUN_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [ADD_COUNT] = "INSERT INTO counts(stream, kind, value) VALUES(?,?,?) ON CONFLICT(stream, kind) DO UPDATE SET value=value+excluded.value",

    [PUT_NEWER] = "INSERT OR REPLACE INTO newer(seq, revision, text) VALUES(?,?,?)",
    [DROP_NEWER] = "DELETE FROM newer WHERE seq=?",
    [PUT_MARK] = "INSERT OR REPLACE INTO marks(owner, kind, value) VALUES(?,?,?)",
    [DROP_MARK] = "DELETE FROM marks WHERE owner=? AND kind=?",
    [PUT_ABSENCE] = "INSERT OR REPLACE INTO absences(seq, stream, since_ms) VALUES(?,?,?)",
    [DROP_ABSENCE] = "DELETE FROM absences WHERE seq=?",

    [PUT_CONNECTOR] = "INSERT OR REPLACE INTO connectors(id, version, definition, changed_ms) VALUES(?,?,?,?)",
    [DROP_CONNECTOR] = "DELETE FROM connectors WHERE id=?",
    [PUT_JOB] = "INSERT OR REPLACE INTO jobs(connector, settled_ms, waiting, waiting_ms, paused, paused_until_ms, reason) VALUES(?,?,?,?,?,?,?)",
    [PUT_ALERT] = "INSERT OR REPLACE INTO alerts(connector, cause, raised, value, since_ms, told_ms, pending, name, body) VALUES(?,?,?,?,?,?,?,?,?)",
    [DROP_ALERTS] = "DELETE FROM alerts WHERE connector=?",
    [EACH_ALERT] = "SELECT connector, cause, raised, value, since_ms, told_ms, pending, name, body FROM alerts ORDER BY connector, cause",
    [DROP_JOB] = "DELETE FROM jobs WHERE connector=?",
    [EACH_CONNECTOR] = "SELECT id, version, definition, changed_ms FROM connectors ORDER BY id",
    [GET_JOB] = "SELECT settled_ms, waiting, waiting_ms, paused, paused_until_ms, reason FROM jobs WHERE connector=?",
    /* RUN_SUCCESS, RUN_PARTIAL */
    [LAST_SUCCESS] = "SELECT finished_ms FROM runs WHERE connector=? AND result IN (1, 2) ORDER BY run DESC LIMIT 1",

    [FIND_TARGET] = "SELECT " TARGET_COLUMNS " FROM targets WHERE name=?",
    [FIND_STREAM] = "SELECT " STREAM_COLUMNS " FROM streams WHERE target=? AND source=? AND context=?",
    [GET_STREAM] = "SELECT " STREAM_COLUMNS " FROM streams WHERE stream=?",
    [FIND_MEMORY] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE hash=?",
    [GET_MEMORY] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE seq=?",
    [GET_TEXT] = "SELECT text FROM texts WHERE seq=?",
    [GET_BATCH] = "SELECT " BATCH_COLUMNS " FROM batches WHERE batch=?",
    [GET_LETTER] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE letter=?",
    [FIND_LETTER] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE stream=? AND seq=? AND class=? AND fingerprint=? AND ending=0 "
                    "ORDER BY letter LIMIT 1",
    [FIND_ANY_LETTER] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE stream=?1 AND seq=?2 AND (?3=0 OR class=?3) AND (?4 IS NULL OR fingerprint=?4) AND ending=0 "
                        "ORDER BY letter LIMIT 1",
    [FIND_DECIDED_LETTER] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE stream=? AND class=? AND fingerprint=? AND length=? AND ending<>0 "
                            "ORDER BY letter DESC LIMIT 1",
    [GET_RUN] = "SELECT " RUN_COLUMNS " FROM runs WHERE run=?",

    [GET_NEWER] = "SELECT revision, text FROM newer WHERE seq=?",
    [GET_MARK] = "SELECT value FROM marks WHERE owner=? AND kind=?",
    [GET_ABSENCE] = "SELECT since_ms FROM absences WHERE seq=?",
    [GET_FIRST_SEEN] = "SELECT first_ms FROM memories WHERE seq=?",
    [EACH_NAME] = "SELECT seq, stream, id, name FROM memories ORDER BY seq DESC",
    [EACH_TEXT] = "SELECT m.seq, m.target, t.text FROM texts t CROSS JOIN memories m ON m.seq=t.seq",
    [EACH_TRACKED] = "SELECT " BATCH_COLUMNS " FROM batches WHERE track=? ORDER BY batch",
    /* No index: the batches of settled memories are asked for by people only, and the scan takes some 10 ms for 100,000. */
    [EACH_FLOWN] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE batch=? ORDER BY seq",
    [EACH_LETTER_OF] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE seq=? AND seq>0 ORDER BY letter",
    [EACH_REMOVING] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE state=6 AND target=? ORDER BY seq",
    [EACH_ABSENCE] = "SELECT seq, since_ms FROM absences WHERE stream=? ORDER BY seq",
    [EACH_MEMORY] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE seq>? AND (?2=0 OR stream=?2) ORDER BY seq",

    [EACH_QUEUED] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE state=1 AND target=? AND not_before_ms<=? ORDER BY seq",
    [ANY_DUE] = "SELECT 1 FROM memories WHERE state=1 AND target=? AND not_before_ms<=? LIMIT 1",
    [NEXT_DUE] = "SELECT min(not_before_ms) FROM memories WHERE state=1 AND target=?",
    [EACH_OPEN_BATCH] = "SELECT " BATCH_COLUMNS " FROM batches WHERE state<5 AND target=? ORDER BY batch",
    [EACH_MEMBER] = "SELECT " MEMORY_COLUMNS " FROM memories WHERE state=2 AND batch=? ORDER BY seq",
    [EACH_TARGET] = "SELECT " TARGET_COLUMNS " FROM targets ORDER BY target",
    [EACH_STREAM] = "SELECT " STREAM_COLUMNS " FROM streams ORDER BY stream",
    /* 1 connector or NULL, 2 class or 0, 3 memory id or NULL, 4 since, 5 with closed ones, 6 after, 7 run or 0, 8 its start, 9 its end */
    [EACH_LETTER] = "SELECT " LETTER_COLUMNS " FROM letters d WHERE letter>?6 AND (?5 OR ending=0) AND (?2=0 OR class=?2) AND last_ms>=?4 "
                    "AND (?7=0 OR run=?7 OR (first_ms<=?9 AND last_ms>=?8)) "
                    "AND (?1 IS NULL OR d.stream IN (SELECT stream FROM streams WHERE connector=?1)) "
                    "AND (?3 IS NULL OR (SELECT id FROM memories m WHERE m.seq=d.seq)=?3) ORDER BY letter",
    [EACH_RUN] = "SELECT " RUN_COLUMNS " FROM runs WHERE run<?1 ORDER BY run DESC LIMIT ?2",
    [EACH_RUN_OF] = "SELECT " RUN_COLUMNS " FROM runs INDEXED BY runs_connector WHERE run<?1 AND connector=?3 ORDER BY run DESC LIMIT ?2",
    [EACH_OPEN_RUN] = "SELECT " RUN_COLUMNS " FROM runs WHERE finished_ms=0 ORDER BY run",

    [COUNT_STREAM] = "SELECT kind, value FROM counts WHERE stream=?",
    [COUNT_TARGET] = "SELECT kind, value FROM streams CROSS JOIN counts USING(stream) WHERE target=?",
    [COUNT_CONNECTOR] = "SELECT kind, value FROM streams CROSS JOIN counts USING(stream) WHERE connector=?",
    [COUNT_FLYING] = "SELECT b.state, count(*) FROM batches b CROSS JOIN memories m ON m.state=2 AND m.batch=b.batch "
                     "WHERE b.state<5 AND (?1 IS NULL OR m.stream IN (SELECT stream FROM streams WHERE connector=?1)) GROUP BY b.state",
    [OLDEST_QUEUED] = "SELECT min(arrived_ms) FROM (SELECT arrived_ms FROM memories WHERE state=1 AND target=?1 AND stream=?2 ORDER BY seq LIMIT ?3)",
    [OLDEST_FLYING] = "SELECT min(arrived_ms) FROM memories WHERE state=2 AND stream=?1",
};

int state_prepare(struct state *state, struct error *err)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(state->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &state->statements[i], NULL);
        /* The version fits, so a table or column that is not there was damaged away. */
        if (code != SQLITE_OK)
            return state_fail(state, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, err, "preparing statement %zu", i);
    }
    return 0;
}

void state_finalize(struct state *state)
{
    for (size_t i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(state->statements[i]);
}

/* ---- Binding: a row of binds needs one check, when the statement runs ---- */

struct binder state_bind(struct state *state, enum statement statement)
{
    return (struct binder){ .statement = state->statements[statement], .code = SQLITE_OK };
}

static void note_code(struct binder *binder, int code)
{
    if (binder->code == SQLITE_OK)
        binder->code = code;
}

void bind_number(struct binder *binder, int64_t value)
{
    note_code(binder, sqlite3_bind_int64(binder->statement, ++binder->at, value));
}

void bind_text(struct binder *binder, const char *bytes, size_t size)
{
    note_code(binder, sqlite3_bind_text64(binder->statement, ++binder->at, size > 0 ? bytes : "", size, SQLITE_STATIC, SQLITE_UTF8));
}

void bind_string(struct binder *binder, const char *string)
{
    bind_text(binder, string != NULL ? string : "", string != NULL ? strlen(string) : 0);
}

void bind_bytes(struct binder *binder, const void *bytes, size_t size)
{
    note_code(binder, sqlite3_bind_blob64(binder->statement, ++binder->at, size > 0 ? bytes : "", size, SQLITE_STATIC));
}

void bind_null(struct binder *binder)
{
    note_code(binder, sqlite3_bind_null(binder->statement, ++binder->at));
}

/* ---- Running ---- */

int state_run(struct state *state, const struct binder *binder, const char *what, int64_t *ret_changed, struct error *err)
{
    int code = binder->code;

    if (code == SQLITE_OK)
        code = sqlite3_step(binder->statement);
    if (code != SQLITE_DONE) {
        (void)state_fail(state, code, err, "%s", what);
        (void)sqlite3_reset(binder->statement);
        return -1;
    }
    if (ret_changed != NULL)
        *ret_changed = sqlite3_changes64(state->db);
    (void)sqlite3_reset(binder->statement); /* repeats the code of the step */
    return 0;
}

int state_run_simple(struct state *state, enum statement statement, const char *what, struct error *err)
{
    const struct binder binder = state_bind(state, statement);

    return state_run(state, &binder, what, NULL, err);
}

int state_step(struct state *state, const struct binder *binder, const char *what, struct error *err)
{
    int code = binder->code;

    if (code == SQLITE_OK)
        code = sqlite3_step(binder->statement);
    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE)
        (void)state_fail(state, code, err, "%s", what);
    (void)sqlite3_reset(binder->statement);
    return code == SQLITE_DONE ? 0 : -1;
}

void state_reset(struct state *state, enum statement statement)
{
    (void)sqlite3_reset(state->statements[statement]);
}

int64_t column_number(sqlite3_stmt *statement, int at)
{
    return sqlite3_column_int64(statement, at);
}

struct slice column_slice(sqlite3_stmt *statement, int at)
{
    const void *data = sqlite3_column_blob(statement, at);
    int size = sqlite3_column_bytes(statement, at);

    return data == NULL ? (struct slice){ .data = "", .size = 0 } : (struct slice){ .data = data, .size = (size_t)size };
}

const char *column_string(sqlite3_stmt *statement, int at)
{
    const unsigned char *string = sqlite3_column_text(statement, at);

    return string != NULL ? (const char *)string : "";
}

/* Fits always: SQLite refuses values above VALUE_MAXIMUM, and a row's columns together stay below TEXT_MAXIMUM. */
static const char *keep_bytes(struct text *kept, const char *bytes, size_t size)
{
    size_t at = kept->size;

    if (text_append_bytes(kept, bytes, size) < 0 || text_append_char(kept, '\0') < 0)
        abort();
    return kept->data + at;
}

void state_keep(struct state *state, enum keeper keeper, const struct borrowed *borrowed)
{
    struct text *kept = &state->kept[keeper];
    size_t wanted = 0;

    for (size_t i = 0; i < borrowed->string_count; i++)
        wanted += strlen(*borrowed->strings[i]) + 1;
    for (size_t i = 0; i < borrowed->slice_count; i++)
        wanted += borrowed->slices[i]->size + 1;
    text_clear(kept);
    text_reserve(kept, wanted); /* so that nothing below moves what was kept before it */
    for (size_t i = 0; i < borrowed->string_count; i++)
        *borrowed->strings[i] = keep_bytes(kept, *borrowed->strings[i], strlen(*borrowed->strings[i]));
    for (size_t i = 0; i < borrowed->slice_count; i++)
        borrowed->slices[i]->data = keep_bytes(kept, borrowed->slices[i]->data, borrowed->slices[i]->size);
}
