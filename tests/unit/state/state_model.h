/* state_model.h - the same changes on plain arrays, and the comparison with the state: what was acknowledged must be there, and the counters must
 * be what a recount of the rows gives. */
#ifndef MC_TESTS_STATE_MODEL_H
#define MC_TESTS_STATE_MODEL_H

#include "state_fixture.h"

#include <sqlite3.h>

enum { MODEL_MEMORIES = 120, MODEL_STREAMS = 3, MODEL_LETTERS = 30, MODEL_BATCHES = 20 };

struct model {
    struct {
        enum memory_state state; /* MEMORY_NONE: not added yet */
        int64_t stream, batch, not_before_ms;
        int text;                /* version of the text; 0: none */
    } memories[MODEL_MEMORIES];
    struct {
        enum dead_class dead_class; /* 0: not there */
        enum dead_end end;
        int64_t stream;
    } letters[MODEL_LETTERS];
};

FIXTURE void model_text(int64_t seq, int version, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "text %d of memory %lld", version, (long long)seq);
}

FIXTURE void model_id(int64_t seq, char *ret_id, size_t size)
{
    (void)snprintf(ret_id, size, "memory %lld", (long long)seq);
}

/* ---- With a connection of the test's own ---- */

FIXTURE int64_t ask_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return value;
}

/* What is on the disk agrees with itself. */
FIXTURE void expect_sound_in(sqlite3 *db) /* closes it */
{
    static const struct { const char *why, *sql; } rows[] = {
        { "counters of memories",
          "SELECT count(*) FROM (SELECT stream, kind, value FROM counts WHERE kind<16 AND value<>0 EXCEPT SELECT stream, state, count(*) FROM memories "
          "GROUP BY 1, 2)" },
        { "memories that are not counted",
          "SELECT count(*) FROM (SELECT stream, state, count(*) FROM memories GROUP BY 1, 2 EXCEPT SELECT stream, kind, value FROM counts)" },
        { "counters of letters",
          "SELECT count(*) FROM (SELECT stream, kind, value FROM counts WHERE kind>=16 AND value<>0 EXCEPT SELECT stream, 16+class, count(*) FROM "
          "letters WHERE ending=0 GROUP BY 1, 2)" },
        { "letters that are not counted",
          "SELECT count(*) FROM (SELECT stream, 16+class, count(*) FROM letters WHERE ending=0 GROUP BY 1, 2 EXCEPT SELECT stream, kind, value FROM "
          "counts)" },
        { "texts without a memory", "SELECT count(*) FROM texts WHERE seq NOT IN (SELECT seq FROM memories WHERE text_size>0)" },
        { "memories without their text", "SELECT count(*) FROM memories WHERE text_size<>coalesce((SELECT length(text) FROM texts t WHERE t.seq=memories.seq), 0)" },
    };
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    (void)sqlite3_finalize(statement);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t wrong = ask_number(db, rows[i].sql);
        if (wrong != 0)
            fail_msg("%s: %lld wrong", rows[i].why, (long long)wrong);
    }
    (void)sqlite3_close(db);
}

FIXTURE void expect_sound(void)
{
    expect_sound_in(fixture_peek());
}

#endif
