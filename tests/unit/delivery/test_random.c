/* The deliver machine against a server that answers by chance: every kind of answer in every phase, thousands of times. Nothing is said to be
 * done that the server does not hold, no memory is in two requests, and once the server is well again everything comes to rest. */
#include "desk.h"

enum { POISON = 7, SEQS = 40, STEPS = 4000, SEEDS = 60, CALM_STEPS = 6000 };

enum row_state { ROW_NONE, ROW_HIDDEN /* accepted, not stored */, ROW_UNFINISHED, ROW_PROCESSED, ROW_EMPTY, ROW_FAILED };

struct server {
    uint64_t chance;
    bool is_14, is_calm;
    enum row_state row[SEQS + 1];
    enum { KIND_OURS, KIND_OTHER, KIND_FOREIGN } kind[SEQS + 1];
    bool has_dup[SEQS + 1];
    int64_t updated[SEQS + 1];
    char track[SEQS + 1][TRACK_SIZE];
    int tracks;
};

static uint64_t roll(struct server *server)
{
    server->chance = server->chance * 6364136223846793005u + 1442695040888963407u;
    return server->chance >> 33;
}

static bool one_in(struct server *server, unsigned count)
{
    return !server->is_calm && roll(server) % count == 0;
}

static struct sink_verdict trouble(struct server *server)
{
    static const struct { enum sink_scope scope; int status; } kinds[] = {
        { SINK_BUSY, 429 }, { SINK_DENIED, 403 }, { SINK_NOT_SENT, 0 }, { SINK_SILENT, 0 }, { SINK_FAILING, 500 }, { SINK_FAILING, 502 }, { SINK_STRANGE, 404 },
    };
    size_t kind = roll(server) % ARRAY_LENGTH(kinds);
    struct sink_verdict verdict = scope(kinds[kind].scope, kinds[kind].status);

    if (kinds[kind].scope == SINK_BUSY && roll(server) % 2 == 0)
        verdict.retry_after_ms = (int64_t)(roll(server) % 100000);
    return verdict;
}

static bool has_row(const struct server *server, int64_t seq)
{
    return server->row[seq] > ROW_HIDDEN;
}

static void take_over(struct server *server, struct desk *desk, int64_t batch, const char *track)
{
    for (size_t i = 0; i < deliver_batch_size(desk->deliver, batch); i++) {
        struct deliver_memory memory;
        deliver_batch_member(desk->deliver, batch, i, &memory);
        if (one_in(server, 40))
            continue; /* taken, and lost before it was stored */
        server->row[memory.seq] = ROW_HIDDEN;
        server->kind[memory.seq] = KIND_OURS;
        (void)snprintf(server->track[memory.seq], TRACK_SIZE, "%s", track);
    }
}

static void answer_insert_by_chance(struct server *server, struct desk *desk, int64_t batch)
{
    size_t count = deliver_batch_size(desk->deliver, batch);
    struct sink_verdict verdict = well;
    struct deliver_memory memory;
    bool has_poison = false;
    int known = -1;

    for (size_t i = 0; i < count; i++) {
        deliver_batch_member(desk->deliver, batch, i, &memory);
        assert_int_equal(desk->memory[memory.seq], MEMORY_FLYING);
        if (server->row[memory.seq] != ROW_NONE)
            known = (int)i;
        has_poison = has_poison || memory.seq == POISON;
    }
    if (has_poison && !server->is_calm) {
        verdict = scope(SINK_FAILING, 500);
    } else if (known >= 0) { /* the name is taken: nothing of it is stored */
        deliver_batch_member(desk->deliver, batch, (size_t)known, &memory);
        verdict.insert = SINK_INSERT_EXISTS;
        verdict.status = 409;
        if (roll(server) % 2 == 0)
            (void)snprintf(verdict.culprit_name, sizeof verdict.culprit_name, "%s", memory.name);
    } else if (one_in(server, 3)) {
        static const enum sink_insert kinds[] = { SINK_INSERT_REFUSED, SINK_INSERT_TOO_LARGE, SINK_INSERT_CONTENT, SINK_INSERT_NONE };
        verdict.insert = kinds[roll(server) % 4];
        verdict.status = 422;
        verdict.culprit_index = roll(server) % 2 == 0 ? (int)(roll(server) % (count + 1)) : -1;
        if (roll(server) % 2 == 0) {
            verdict = trouble(server);
            if ((verdict.scope == SINK_SILENT || verdict.scope == SINK_FAILING) && roll(server) % 2 == 0)
                take_over(server, desk, batch, "unheard");
        }
    } else {
        char track[TRACK_SIZE];
        (void)snprintf(track, sizeof track, "t%d", ++server->tracks);
        verdict = accepted(track);
        take_over(server, desk, batch, track);
    }
    deliver_on_insert(desk->deliver, batch, &verdict, desk->now);
}

static void give_row(struct server *server, struct desk *desk, int64_t seq, void (*give)(struct desk *desk, int64_t batch, const struct sink_row *row), int64_t batch)
{
    static const enum sink_row_status words[] = { [ROW_UNFINISHED] = SINK_ROW_UNFINISHED, [ROW_PROCESSED] = SINK_ROW_PROCESSED, [ROW_EMPTY] = SINK_ROW_PROCESSED,
                                                  [ROW_FAILED] = SINK_ROW_FAILED };
    char name[16], id[24];
    struct sink_row row = { .id = id, .name = name, .track = server->track[seq], .chunks = -1, .created_ms = 1000000 + seq, .updated_ms = server->updated[seq], .error_words = "" };

    (void)snprintf(name, sizeof name, "m%lld", (long long)seq);
    (void)snprintf(id, sizeof id, "doc-%lld", (long long)seq);
    if (server->has_dup[seq] && roll(server) % 2 == 0) {
        row.status = SINK_ROW_FAILED;
        row.dup = roll(server) % 8 == 0 ? SINK_DUP_CONTENT : SINK_DUP_FILENAME;
        give(desk, batch, &row);
        row.dup = SINK_NO_DUP;
    }
    if (!has_row(server, seq))
        return;
    row.status = words[server->row[seq]];
    row.chunks = server->row[seq] == ROW_PROCESSED ? 1 : 0;
    row.has_mark = server->kind[seq] != KIND_FOREIGN;
    row.error_words = roll(server) % 3 == 0 ? "x index flush failed" : "model said no";
    (void)snprintf(row.mark, sizeof row.mark, "%012llx", (unsigned long long)(server->kind[seq] == KIND_OTHER ? 0xffff : seq));
    give(desk, batch, &row);
    if (one_in(server, 20))
        give(desk, batch, &row); /* pushed to the next page */
}

static void give_track(struct desk *desk, int64_t batch, const struct sink_row *row) { deliver_on_track_row(desk->deliver, batch, row); }
static void give_list(struct desk *desk, int64_t batch, const struct sink_row *row)
{
    (void)batch;
    deliver_on_list_row(desk->deliver, row);
}

static void answer_track_by_chance(struct server *server, struct desk *desk, int64_t batch)
{
    struct sink_verdict verdict = one_in(server, 8) ? trouble(server) : well;

    for (int64_t seq = 1; seq <= SEQS && verdict.scope == SINK_WELL; seq++)
        give_row(server, desk, seq, give_track, batch);
    deliver_on_track(desk->deliver, batch, &verdict, desk->now);
}

static void answer_list_by_chance(struct server *server, struct desk *desk, int64_t page)
{
    struct sink_verdict verdict = one_in(server, 8) ? trouble(server) : well;
    bool has_next = page < 3 && roll(server) % 3 == 0;

    for (int64_t seq = 1; seq <= SEQS && verdict.scope == SINK_WELL; seq++)
        give_row(server, desk, seq, give_list, 0);
    deliver_on_list(desk->deliver, &(struct sink_page){ .rows = 1, .total = one_in(server, 10) ? 100 - page : one_in(server, 4) ? -1 : 200, .has_next = has_next }, &verdict,
                    desk->now);
}

static void delete_doomed(struct server *server, struct desk *desk)
{
    for (size_t i = 0; i < deliver_doomed_count(desk->deliver); i++) {
        int64_t seq = atoll(deliver_doomed_id(desk->deliver, i) + 4);
        assert_int_not_equal(server->kind[seq] == KIND_FOREIGN && has_row(server, seq) && !server->has_dup[seq], 1); /* rows of others are never touched */
        if (one_in(server, 5))
            continue;
        if (server->kind[seq] != KIND_FOREIGN)
            server->row[seq] = ROW_NONE;
        server->has_dup[seq] = false;
    }
}

static void answer_one(struct server *server, struct desk *desk)
{
    size_t index = roll(server) % desk->command_count;
    struct deliver_command command = desk->commands[index];
    struct sink_verdict verdict = one_in(server, 8) ? trouble(server) : well;
    struct sink_health health = { .dialect = server->is_14 ? SINK_14 : one_in(server, 50) ? SINK_UNKNOWN_DIALECT : SINK_15, .version = "1", .has_workspace = !one_in(server, 20) };
    bool has_begun;

    memmove(&desk->commands[index], &desk->commands[index + 1], (desk->command_count - index - 1) * sizeof desk->commands[0]);
    desk->command_count--;
    switch (command.kind) {
    case DELIVER_ASK_HEALTH:
        (void)snprintf(health.workspace, sizeof health.workspace, "%s", one_in(server, 30) ? "another" : "w");
        deliver_on_health(desk->deliver, &health, &verdict, desk->now);
        break;
    case DELIVER_ASK_COUNTS:
        deliver_on_counts(desk->deliver, &(struct sink_counts){ 0 }, &verdict, desk->now);
        break;
    case DELIVER_ASK_PIPELINE:
        deliver_on_pipeline(desk->deliver, &(struct sink_pipeline){ .busy = one_in(server, 3) }, &verdict, desk->now);
        break;
    case DELIVER_INSERT:
        answer_insert_by_chance(server, desk, command.batch);
        break;
    case DELIVER_TRACK:
        answer_track_by_chance(server, desk, command.batch);
        break;
    case DELIVER_LIST:
        answer_list_by_chance(server, desk, command.page);
        break;
    case DELIVER_CHECK_COUNTS:
        deliver_on_check(desk->deliver, &(struct sink_counts){ .all = 200 }, &verdict, desk->now);
        break;
    case DELIVER_REPROCESS:
        for (int64_t seq = 1; seq <= SEQS; seq++)
            if (server->row[seq] == ROW_FAILED && server->kind[seq] == KIND_OURS)
                server->row[seq] = ROW_UNFINISHED;
        deliver_on_reprocess(desk->deliver, &verdict, desk->now);
        break;
    case DELIVER_DELETE:
        has_begun = verdict.scope == SINK_WELL;
        if (has_begun || verdict.scope == SINK_SILENT)
            delete_doomed(server, desk);
        deliver_on_delete(desk->deliver, has_begun, &verdict, desk->now);
        break;
    }
}

/* What the server does by itself. */
static void work(struct server *server, struct desk *desk)
{
    int64_t seq = 1 + (int64_t)(roll(server) % SEQS);

    switch (server->row[seq]) {
    case ROW_HIDDEN:
        server->row[seq] = one_in(server, 10) ? ROW_NONE : ROW_UNFINISHED;
        break;
    case ROW_UNFINISHED:
        server->row[seq] = one_in(server, 4) ? ROW_FAILED : one_in(server, 20) ? ROW_EMPTY : ROW_PROCESSED;
        server->updated[seq] = desk->now.wall_ms;
        break;
    default:
        break;
    }
    if (one_in(server, 60))
        server->has_dup[seq] = true;
    if (one_in(server, 150) && desk->memory[seq] != MEMORY_DONE && server->row[seq] == ROW_NONE) {
        server->row[seq] = ROW_PROCESSED;
        server->kind[seq] = roll(server) % 2 == 0 ? KIND_OTHER : KIND_FOREIGN;
    }
    if (one_in(server, 100) && desk->memory[seq] == MEMORY_FLYING && server->kind[seq] == KIND_OURS)
        server->row[seq] = ROW_NONE; /* somebody deleted it */
}

/* What the source and a person want. */
static void wish(struct server *server, struct desk *desk)
{
    int64_t seq = 1 + (int64_t)(roll(server) % SEQS);
    enum memory_wanted wanted = (enum memory_wanted)(roll(server) % 3);
    struct deliver_memory memory = { .seq = seq, .stream = 1, .text_size = roll(server) % 20 == 0 ? 0 : 10, .replaces = roll(server) % 2 == 0 };
    char name[16];

    (void)snprintf(name, sizeof name, "m%lld", (long long)seq);
    (void)snprintf(memory.mark, sizeof memory.mark, "%012llx", (unsigned long long)seq);
    memory.name = name;
    switch (desk->memory[seq]) {
    case MEMORY_FLYING:
        desk->wanted[seq] = wanted;
        deliver_want(desk->deliver, desk->batch_of[seq], seq, wanted, desk->now);
        break;
    case MEMORY_DONE:
        if (roll(server) % 4 == 0) {
            memory.text_size = 10;
            deliver_take_up(desk->deliver, &memory, 1, MEMORY_DONE, desk->now);
            break;
        }
        desk->memory[seq] = MEMORY_REMOVING;
        desk->wanted[seq] = wanted == WANTED_NOTHING ? WANTED_NEWER : wanted;
        deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = seq, .stream = 1, .name = name, .wanted = desk->wanted[seq] }, desk->now);
        break;
    case MEMORY_QUEUED:
        if (deliver_room(desk->deliver, 3, roll(server) % 2 == 0, desk->now.mono_ms - 100, desk->now) > 0) {
            memory.text_size = 10;
            memory.settle_until_ms = roll(server) % 4 == 0 ? desk->now.wall_ms + (int64_t)(roll(server) % 50000) : 0;
            deliver_offer(desk->deliver, &memory, 1, desk->now);
        }
        break;
    case MEMORY_DEAD: /* a mended revision */
        desk->memory[seq] = MEMORY_REMOVING;
        desk->wanted[seq] = WANTED_NEWER;
        desk->attempts[seq] = 0;
        deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = seq, .stream = 1, .name = name, .wanted = WANTED_NEWER }, desk->now);
        break;
    case MEMORY_GONE:
    case MEMORY_SKIPPED: /* seen again */
        desk->memory[seq] = MEMORY_QUEUED;
        desk->attempts[seq] = 0;
        break;
    default:
        break;
    }
    if (one_in(server, 50))
        deliver_sweep(desk->deliver);
}

static bool is_resting(const struct desk *desk)
{
    for (int64_t seq = 1; seq <= SEQS; seq++)
        if (desk->memory[seq] == MEMORY_FLYING || desk->memory[seq] == MEMORY_REMOVING)
            return false;
    return true;
}

/* In the middle of everything the program dies: a new machine takes up what was written down. */
static void restart(struct desk *desk, const struct deliver_settings *settings)
{
    static struct desk before;

    before = *desk;
    deliver_free(desk->deliver);
    open_desk(desk, settings);
    before.deliver = desk->deliver;
    before.command_count = 0;
    *desk = before;
    for (int64_t i = 1; i < BATCHES; i++)
        if (desk->batch[i].batch != 0 && desk->batch[i].state != BATCH_CLOSED)
            deliver_load_batch(desk->deliver, &desk->batch[i], desk->now);
    for (int64_t seq = 1; seq <= SEQS; seq++) {
        char name[16];
        struct deliver_memory memory = { .seq = seq, .stream = 1, .name = name, .attempts = desk->attempts[seq], .text_size = 10, .wanted = desk->wanted[seq],
                                         .settle_until_ms = seq % 3 == 0 ? desk->now.wall_ms + 20000 : 0 };
        (void)snprintf(name, sizeof name, "m%lld", (long long)seq);
        (void)snprintf(memory.mark, sizeof memory.mark, "%012llx", (unsigned long long)seq);
        if (desk->memory[seq] == MEMORY_FLYING)
            deliver_load_member(desk->deliver, desk->batch_of[seq], &memory, desk->now);
        if (desk->memory[seq] == MEMORY_REMOVING)
            deliver_remove(desk->deliver, &(struct deliver_removal){ .seq = seq, .stream = 1, .name = name, .wanted = desk->wanted[seq] }, desk->now);
    }
}

static void check_done(const struct server *server, const struct desk *desk, const enum memory_state *before)
{
    for (int64_t seq = 1; seq <= SEQS; seq++)
        if (desk->memory[seq] == MEMORY_DONE && before[seq] != MEMORY_DONE && (server->row[seq] != ROW_PROCESSED || server->kind[seq] != KIND_OURS))
            fail_msg("m%lld is done, and its row is %d of kind %d", (long long)seq, (int)server->row[seq], (int)server->kind[seq]);
}

/* What the machine says of itself agrees with what it wrote down, and it never asks to be woken in the past for nothing. */
static void check_books(const struct desk *desk)
{
    struct deliver_summary summary;
    int64_t not_stored, stored, removing;
    int64_t flying = 0;
    int64_t going = 0;

    deliver_summarise(desk->deliver, &summary);
    deliver_count_stream(desk->deliver, 1, &not_stored, &stored, &removing);
    for (int64_t seq = 1; seq <= SEQS; seq++) {
        flying += desk->memory[seq] == MEMORY_FLYING ? 1 : 0;
        going += desk->memory[seq] == MEMORY_REMOVING ? 1 : 0;
    }
    assert_int_equal(not_stored + stored, flying);
    assert_int_equal(removing, going);
    assert_int_equal(summary.not_stored + summary.stored, flying);
    assert_int_equal(summary.removing, going);
    assert_true(deliver_next_mono(desk->deliver) >= 0);
    deliver_count_stream(desk->deliver, 2, &not_stored, &stored, &removing);
    assert_int_equal(not_stored + stored + removing, 0);
}

static void step(struct server *server, struct desk *desk)
{
    enum memory_state before[MEMORIES];

    memcpy(before, desk->memory, sizeof before);
    work(server, desk);
    if (desk->command_count > 0 && roll(server) % 4 != 0)
        answer_one(server, desk);
    else
        pass_time(desk, 1 + (int64_t)(roll(server) % (roll(server) % 10 == 0 ? 100000 : 300)));
    check_done(server, desk, before);
    check_books(desk);
    if (!server->is_calm && roll(server) % 3 == 0)
        wish(server, desk);
}

/* Over all seeds; a kind that never happens would mean that the chances are set wrong. */
static int64_t notes[NOTES];
static int64_t letters[DEAD_CLASSES];
static int sweeps;

static void add_up(const struct desk *desk)
{
    for (int note = 0; note < NOTES; note++)
        notes[note] += desk->notes[note];
    for (int64_t seq = 1; seq <= SEQS; seq++)
        letters[desk->dead[seq]]++;
    sweeps += desk->whole_sweeps;
}

static void live(uint64_t seed)
{
    struct deliver_settings settings = defaults;
    struct server server = { .chance = seed * 7919 + 1, .is_14 = seed % 2 == 0 };
    static struct desk desk;
    int steps = 0;

    settings.slots = 1 + (int)(seed % 3);
    settings.batch_size = 1 + (int)(seed % 7);
    settings.max_unfinished = 4 + (int)(seed % 30);
    settings.kick = seed % 5 != 0 || seed % 2 == 0;
    settings.workspace = seed % 3 == 0 ? "w" : "";
    settings.known_workspace = seed % 4 == 1 ? "w" : NULL;
    settings.give_up_after_ms = 600000;
    settings.max_attempts = 1 + (int)(seed % 3);
    open_desk(&desk, &settings);
    for (int64_t seq = 1; seq <= SEQS; seq++)
        desk.memory[seq] = MEMORY_QUEUED;
    for (int i = 0; i < STEPS && desk.batches < BATCHES - 50; i++)
        step(&server, &desk);
    restart(&desk, &settings);
    server.is_calm = true;
    desk.batches = BATCHES; /* further batches are not kept: nobody restarts any more */
    for (; steps < CALM_STEPS && !is_resting(&desk); steps++)
        step(&server, &desk);
    if (settings.kick && !is_resting(&desk))
        fail_msg("seed %llu: not at rest after %d calm steps", (unsigned long long)seed, steps);
    add_up(&desk);
    close_desk(&desk);
}

static void test_by_chance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live(seed);
    for (int note = 0; note < NOTES; note++)
        if (notes[note] == 0)
            fail_msg("nothing was ever noted as %d", note);
    for (int dead_class = DEAD_TOO_LARGE; dead_class < DEAD_LOST; dead_class++)
        if (letters[dead_class] == 0 && dead_class != DEAD_SOURCE_GAP)
            fail_msg("nothing ever died as %s", dead_class_name((enum dead_class)dead_class));
    assert_true(sweeps > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_by_chance) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
