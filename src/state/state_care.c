#include "state/state_care.h"

#include "state/state_json.h"

#include "base/mem.h"

#include <string.h>

/* ---- What must agree ---- */

/* What the readers of state_read*.c refuse as damage. What is written here as a number is counted there. */
#define STRANGE_MEMORIES                                                                                                                          \
    "FROM memories WHERE seq<1 OR state NOT BETWEEN 1 AND 8 OR wanted NOT BETWEEN 0 AND 2 OR attempts NOT BETWEEN 0 AND 2147483647 "                 \
    "OR text_size NOT BETWEEN 0 AND 2147483647 OR length(CAST(revision AS BLOB))<>32"
#define STRANGE_BATCHES "FROM batches WHERE state NOT BETWEEN 1 AND 5 OR strikes NOT BETWEEN 0 AND 2147483647 OR length(CAST(track AS BLOB))>=128"
#define STRANGE_LETTERS "FROM letters WHERE class NOT BETWEEN 1 AND 12 OR ending NOT BETWEEN 0 AND 3 OR length(CAST(fingerprint AS BLOB))<>16"
#define STRANGE_RUNS "FROM runs WHERE result NOT BETWEEN 0 AND 6 OR error_kind NOT BETWEEN 0 AND 9"
#define STRANGE_NEWER "FROM newer WHERE length(CAST(revision AS BLOB))<>32"
#define DOUBLED_MEMORIES "FROM memories WHERE seq NOT IN (SELECT min(seq) FROM memories GROUP BY stream, CAST(id AS BLOB))"
_Static_assert((int)MEMORY_STATES == 9 && (int)WANTED_GONE == 2 && (int)BATCH_CLOSED == 5 && (int)TRACK_SIZE == 128 && (int)DEAD_CLASSES == 13 &&
                   (int)DEAD_CLEARED == 3 && (int)RUN_RESULTS == 7 && (int)ERROR_KINDS == 10 && (int)SHA256_SIZE == 32, "the rules below say it in numbers");

/* count: how many rows are wrong. mend: what makes it right, in this order; a row that is given up is nothing lost, the next listing shows its memory again. */
static const struct rule {
    const char *name, *words, *count, *mending, *mend;
} rules[] = {
    { "strange_targets", "targets with names that no release has written", "SELECT count(*) FROM targets WHERE length(CAST(name AS BLOB))>64", "they are removed",
      "DELETE FROM targets WHERE length(CAST(name AS BLOB))>64" },
    { "strange_streams", "streams with names that no release has written", "SELECT count(*) FROM streams WHERE length(CAST(connector AS BLOB))>64", "they are removed",
      "DELETE FROM streams WHERE length(CAST(connector AS BLOB))>64" },
    { "memories_without_stream", "memories of a stream that is not there", "SELECT count(*) FROM memories WHERE stream NOT IN (SELECT stream FROM streams)",
      "they are given up, and fetched again", "DELETE FROM memories WHERE stream NOT IN (SELECT stream FROM streams)" },
    { "strange_memories", "memories with values that no release has written", "SELECT count(*) " STRANGE_MEMORIES, "they are given up, and fetched again",
      "DELETE " STRANGE_MEMORIES },
    { "doubled_memories", "memories of an id that another one has", "SELECT count(*) " DOUBLED_MEMORIES, "the one that came first stays", "DELETE " DOUBLED_MEMORIES },
    { "memories_nobody_finds", "memories with the key of another id", "SELECT count(*) FROM memories WHERE hash<>mc_memory_key(stream, id)",
      "their keys are made anew", "UPDATE memories SET hash=mc_memory_key(stream, id) WHERE hash<>mc_memory_key(stream, id)" },
    { "strange_batches", "batches with values that no release has written", "SELECT count(*) " STRANGE_BATCHES, "they are removed", "DELETE " STRANGE_BATCHES },
    { "strange_runs", "runs with values that no release has written", "SELECT count(*) " STRANGE_RUNS, "they are removed", "DELETE " STRANGE_RUNS },
    { "strange_letters", "dead letters with values that no release has written", "SELECT count(*) " STRANGE_LETTERS, "they are removed", "DELETE " STRANGE_LETTERS },
    { "strange_newer", "waiting revisions with values that no release has written", "SELECT count(*) " STRANGE_NEWER, "they are removed", "DELETE " STRANGE_NEWER },
    { "flying_without_batch", "memories on their way in a batch that is closed or not there",
      "SELECT count(*) FROM memories WHERE state=2 AND batch NOT IN (SELECT batch FROM batches WHERE state<5)",
      "they are given up, fetched again, and found at the server",
      "DELETE FROM memories WHERE state=2 AND batch NOT IN (SELECT batch FROM batches WHERE state<5)" },
    { "queued_without_text", "memories that wait to be sent, without their text",
      "SELECT count(*) FROM memories m WHERE state=1 AND text_size<>coalesce((SELECT length(CAST(text AS BLOB)) FROM texts t WHERE t.seq=m.seq), 0)",
      "they are given up, and fetched again",
      "DELETE FROM memories WHERE state=1 AND text_size<>coalesce((SELECT length(CAST(text AS BLOB)) FROM texts t WHERE t.seq=memories.seq), 0)" },
    { "text_sizes", "texts of another length than their memory says",
      "SELECT count(*) FROM memories m WHERE state NOT IN (1, 2) AND text_size<>coalesce((SELECT length(CAST(text AS BLOB)) FROM texts t WHERE t.seq=m.seq), 0)",
      "such a text is given up; the memory stays what it is",
      "UPDATE memories SET text_size=0 WHERE state NOT IN (1, 2) AND text_size<>coalesce((SELECT length(CAST(text AS BLOB)) FROM texts t WHERE t.seq=memories.seq), 0)" },
    { "texts_without_memory", "texts without a memory", "SELECT count(*) FROM texts WHERE seq NOT IN (SELECT seq FROM memories WHERE text_size>0)", "they are removed",
      "DELETE FROM texts WHERE seq NOT IN (SELECT seq FROM memories WHERE text_size>0)" },
    { "revisions_without_memory", "waiting revisions without a memory", "SELECT count(*) FROM newer WHERE seq NOT IN (SELECT seq FROM memories)", "they are removed",
      "DELETE FROM newer WHERE seq NOT IN (SELECT seq FROM memories)" },
    { "absences_without_memory", "notes of absence without a memory", "SELECT count(*) FROM absences WHERE seq NOT IN (SELECT seq FROM memories)", "they are removed",
      "DELETE FROM absences WHERE seq NOT IN (SELECT seq FROM memories)" },
    { "letters_without_stream", "dead letters of a stream that is not there", "SELECT count(*) FROM letters WHERE stream NOT IN (SELECT stream FROM streams)",
      "they are removed: what they tell of is fetched and told again", "DELETE FROM letters WHERE stream NOT IN (SELECT stream FROM streams)" },
    { "counters", "counters that do not say what is there",
      "SELECT count(*) FROM (SELECT * FROM (SELECT stream, kind, value FROM counts WHERE value<>0 EXCEPT SELECT stream, state, count(*) FROM memories GROUP BY 1, 2 "
      "EXCEPT SELECT stream, 16+class, count(*) FROM letters WHERE ending=0 GROUP BY 1, 2) "
      "UNION ALL SELECT * FROM (SELECT stream, state, count(*) FROM memories GROUP BY 1, 2 UNION ALL SELECT stream, 16+class, count(*) FROM letters WHERE ending=0 "
      "GROUP BY 1, 2 EXCEPT SELECT stream, kind, value FROM counts))",
      "everything is counted anew",
      "DELETE FROM counts; INSERT INTO counts(stream, kind, value) SELECT stream, state, count(*) FROM memories GROUP BY 1, 2; "
      "INSERT INTO counts(stream, kind, value) SELECT stream, 16+class, count(*) FROM letters WHERE ending=0 GROUP BY 1, 2" },
};

static void memory_key(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct slice id = { .data = sqlite3_value_blob(values[1]), .size = (size_t)sqlite3_value_bytes(values[1]) };

    (void)count;
    sqlite3_result_int64(context, state_memory_key(sqlite3_value_int64(values[0]), id));
}

static int make_functions(struct state *state, struct error *err)
{
    int code = sqlite3_create_function_v2(state->db, "mc_memory_key", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, memory_key, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : state_fail(state, code, err, "beginning to examine it");
}

int state_ask(struct state *state, const char *sql, const char *what, int64_t *ret_number, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(state->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : state_fail(state, code, err, "%s", what);
}

/* SQLite's own look at its pages and indexes; the first words it has. */
static int examine_pages(struct state *state, struct text *words, int64_t *ret_count, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(state->db, "PRAGMA integrity_check(100)", -1, &statement, NULL);

    *ret_count = 0;
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        const char *line;
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        line = column_string(statement, 0);
        if (strcmp(line, "ok") == 0)
            continue;
        if ((*ret_count)++ == 0)
            (void)text_append_harmless(words, line, strlen(line));
    }
    (void)sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : state_fail(state, code, err, "examining its pages");
}

int state_examine(struct state *state, bool (*each)(void *context, const struct state_finding *finding), void *context, struct error *err)
{
    AUTO_DONE(text) struct text words = { 0 };
    struct state_finding finding = { .name = "pages", .words = "SQLite finds its pages or indexes damaged", .detail = "" };

    text_init(&words, 0);
    if (state_check(state, err) < 0 || make_functions(state, err) < 0 || examine_pages(state, &words, &finding.count, err) < 0)
        return -1;
    finding.detail = words.data;
    if (finding.count > 0 && !each(context, &finding))
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        finding = (struct state_finding){ .name = rules[i].name, .words = rules[i].words, .mending = rules[i].mending, .detail = "" };
        if (state_ask(state, rules[i].count, rules[i].words, &finding.count, err) < 0)
            return -1;
        if (finding.count > 0 && !each(context, &finding))
            return 0;
    }
    return 0;
}

static int change_by_sql(struct state *state, const char *sql, const char *what, int64_t *changed, struct error *err)
{
    int64_t before = sqlite3_total_changes64(state->db);
    int code;

    if (state_begin(state, err) < 0)
        return -1;
    code = sqlite3_exec(state->db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return state_fail(state, code, err, "%s", what);
    *changed += sqlite3_total_changes64(state->db) - before;
    return 0;
}

int state_mend(struct state *state, int64_t *ret_changed, struct error *err)
{
    int64_t changed = 0;

    if (make_functions(state, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        int64_t wrong;
        if (state_ask(state, rules[i].count, rules[i].words, &wrong, err) < 0)
            return -1;
        if (wrong > 0 && rules[i].mend != NULL && change_by_sql(state, rules[i].mend, rules[i].words, &changed, err) < 0)
            return -1;
    }
    *ret_changed = changed;
    return state_commit(state, err);
}

/* ---- Retention ---- */

/* ?1 is the time. Of each connector the last run, the last that went well and the last hundred stay, however old: status and schedules look at them. */
#define OLD_RUNS                                                                                                                                  \
    "FROM runs WHERE finished_ms>0 AND finished_ms<?1 AND run NOT IN (SELECT run FROM (SELECT run, row_number() OVER (PARTITION BY connector ORDER BY run DESC) " \
    "AS nth FROM runs) WHERE nth<=100) AND run NOT IN (SELECT max(run) FROM runs WHERE result IN (1, 2) GROUP BY connector)"
#define OLD_LETTERS "FROM letters WHERE ending<>0 AND last_ms<?1"
#define OLD_BATCHES "FROM batches WHERE state>=5 AND changed_ms<?1 AND batch NOT IN (SELECT batch FROM memories)"

static const struct { const char *count, *remove, *what; size_t offset; } retentions[] = {
    { "SELECT count(*) " OLD_RUNS, "DELETE " OLD_RUNS, "removing old runs", offsetof(struct state_cleaned, runs) },
    { "SELECT count(*) " OLD_LETTERS, "DELETE " OLD_LETTERS, "removing old dead letters", offsetof(struct state_cleaned, letters) },
    { "SELECT count(*) " OLD_BATCHES, "DELETE " OLD_BATCHES, "removing old batches", offsetof(struct state_cleaned, batches) },
};

static int clean_rows(struct state *state, const char *sql, const char *what, int64_t before_ms, bool dry_run, int64_t *ret_count, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(state->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 1, before_ms);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW && dry_run)
        *ret_count = sqlite3_column_int64(statement, 0);
    else if (code == SQLITE_DONE && !dry_run)
        *ret_count = sqlite3_changes64(state->db);
    (void)sqlite3_finalize(statement);
    return code == (dry_run ? SQLITE_ROW : SQLITE_DONE) ? 0 : state_fail(state, code, err, "%s", what);
}

int state_clean(struct state *state, int64_t before_ms, bool dry_run, struct state_cleaned *ret_cleaned, struct error *err)
{
    struct state_cleaned cleaned = { 0 };

    if (state_check(state, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(retentions); i++) {
        int64_t *count = (int64_t *)(void *)((char *)&cleaned + retentions[i].offset);
        if ((!dry_run && state_begin(state, err) < 0) ||
            clean_rows(state, dry_run ? retentions[i].count : retentions[i].remove, retentions[i].what, before_ms, dry_run, count, err) < 0)
            return -1;
    }
    if (!dry_run && state_commit(state, err) < 0)
        return -1;
    *ret_cleaned = cleaned;
    return 0;
}
