/* bench_state.c - what the state costs per memory: bench_state [MEMORIES [FOLDER]].
 *
 * A delivery as the machines make it: look up (unknown), add with a text of 900 bytes, 100 to a batch, flying, done; five writes of the batch's
 * row; a commit every 1,000 memories. Then the look-ups of a listing that brings nothing new. CPU time is this process's user and
 * system time; what the disk takes shows only in the wall time. */
#include "base/mem.h"
#include "state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 100, COMMIT_EVERY = 1000, TEXT_SIZE = 900, ID_SIZE = 27 };

struct watch {
    double cpu, wall;
};

static struct watch watch_now(void)
{
    struct rusage usage;
    struct timespec wall;

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)clock_gettime(CLOCK_MONOTONIC, &wall);
    return (struct watch){
        .cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
        .wall = (double)wall.tv_sec * 1e6 + (double)wall.tv_nsec / 1e3,
    };
}

static void report(const char *what, struct watch since, int64_t count)
{
    struct watch now = watch_now();

    (void)printf("%-44s %8.2f us CPU  %8.2f us wall  per memory\n", what, (now.cpu - since.cpu) / (double)count, (now.wall - since.wall) / (double)count);
    (void)fflush(stdout);
}

static void must(int result, const struct error *err)
{
    if (result >= 0)
        return;
    (void)fprintf(stderr, "bench_state: %s\n", err->message);
    exit(1);
}

/* Scattered, reproducible ids: a bijection of the number (splitmix64). */
static struct slice id_of(int64_t number, char buffer[ID_SIZE + 1])
{
    uint64_t z = (uint64_t)number * 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    (void)snprintf(buffer, ID_SIZE + 1, "memory-%016llx-%03d", (unsigned long long)z, (int)(z % 1000));
    return (struct slice){ .data = buffer, .size = ID_SIZE };
}

static void apply(struct state *state, const struct change *change)
{
    struct error err = { 0 };

    must(state_apply(state, change, &err), &err);
}

static void add(struct state *state, int64_t number, const struct slice *text)
{
    char buffer[ID_SIZE + 1];
    struct error err = { 0 };
    struct memory_row row = { .stream = 1, .target = 1, .state = MEMORY_QUEUED, .text_size = TEXT_SIZE, .arrived_ms = 1700000000000 + number };
    const struct change change = { .kind = CHANGE_MEMORY_ADD, .memory = &row, .text = text };

    row.id = id_of(number, buffer);
    memset(row.revision, (int)(number & 0xFF), sizeof row.revision);
    must(state_find_memory(state, 1, row.id, &(struct memory_row){ 0 }, &err), &err);
    row.seq = state_next_memory(state);
    apply(state, &change);
}

static void put_batch(struct state *state, struct batch_row *batch, enum batch_state batch_state)
{
    const struct change change = { .kind = CHANGE_BATCH, .batch = batch };

    batch->state = batch_state;
    apply(state, &change);
}

static void deliver(struct state *state, int64_t first)
{
    struct member_ref members[BATCH];
    struct batch_row batch = { .batch = state_next_batch(state), .target = 1, .members = BATCH, .opened_ms = 1700000000000 };
    struct change change = {
        .kind = CHANGE_MEMBERS, .members = members, .member_count = BATCH, .members_from = MEMORY_QUEUED, .members_to = MEMORY_FLYING,
        .members_batch = batch.batch,
    };

    for (int i = 0; i < BATCH; i++)
        members[i] = (struct member_ref){ .seq = first + i, .stream = 1 };
    put_batch(state, &batch, BATCH_READY);
    apply(state, &change);
    put_batch(state, &batch, BATCH_SENDING);
    (void)snprintf(batch.track, sizeof batch.track, "insert_20261123_095600_%08llx", (unsigned long long)batch.batch);
    put_batch(state, &batch, BATCH_ACCEPTED);
    put_batch(state, &batch, BATCH_STORED);
    change.members_from = MEMORY_FLYING;
    change.members_to = MEMORY_DONE;
    change.members_batch = 0;
    apply(state, &change);
    put_batch(state, &batch, BATCH_CLOSED);
}

static void run_delivery(struct state *state, int64_t count)
{
    char letters[TEXT_SIZE];
    const struct slice text = { .data = letters, .size = TEXT_SIZE };
    struct error err = { 0 };

    for (size_t i = 0; i < sizeof letters; i++)
        letters[i] = (char)('a' + i * 7 % 26);
    for (int64_t first = 1; first <= count; first += BATCH) {
        for (int64_t i = first; i < first + BATCH; i++)
            add(state, i, &text);
        deliver(state, first);
        if ((first - 1 + BATCH) % COMMIT_EVERY == 0)
            must(state_commit(state, &err), &err);
    }
    must(state_commit(state, &err), &err);
}

static int64_t look_up(struct state *state, int64_t from, int64_t count, int64_t stride)
{
    int64_t found = 0;

    for (int64_t i = 0; i < count; i++) {
        char buffer[ID_SIZE + 1];
        struct memory_row row;
        struct error err = { 0 };
        int result = state_find_memory(state, 1, id_of(from + i * stride, buffer), &row, &err);
        must(result, &err);
        found += result;
    }
    return found;
}

static double megabytes(const char *path)
{
    struct stat facts;

    return stat(path, &facts) == 0 ? (double)facts.st_size / 1e6 : 0;
}

static struct state *open_state(const char *path)
{
    const struct state_settings settings = { .path = path };
    struct state *state = NULL;
    struct error err = { 0 };

    must(state_open(&settings, &state, &err), &err);
    return state;
}

int main(int count_args, char **args)
{
    int64_t count = count_args > 1 ? atoll(args[1]) / COMMIT_EVERY * COMMIT_EVERY : 100000;
    AUTO_STRING char *path = mem_format("%s/bench_state.%ld.db", count_args > 2 ? args[2] : "/tmp", (long)getpid());
    AUTO_STRING char *log = mem_format("%s-wal", path);
    AUTO_STRING char *lock = mem_format("%s.lock", path);
    const struct change stream = {
        .kind = CHANGE_STREAM,
        .stream = &(struct stream_row){ .stream = 1, .target = 1, .connector = "bench", .source = "default", .context = "bench" },
    };
    struct state *state = open_state(path);
    struct state_counts counts;
    struct error err = { 0 };
    struct rusage usage;
    struct watch since;
    int64_t looked = count < 100000 ? count : 100000;

    (void)printf("%lld memories, SQLite %s, %s\n", (long long)count, state_sqlite_version(), path);
    apply(state, &stream);
    since = watch_now();
    run_delivery(state, count);
    report("delivery (look up, add, fly, done, commit)", since, count);
    (void)printf("log %.1f MB\n", megabytes(log));
    since = watch_now();
    if (look_up(state, 1, looked, 1) != looked)
        return 1;
    report("look-up, known, as listed", since, looked);
    since = watch_now();
    if (look_up(state, 1, looked, count / looked) != looked)
        return 1;
    report("look-up, known, spread over all", since, looked);
    since = watch_now();
    if (look_up(state, count + 1, looked, 1) != 0)
        return 1;
    report("look-up, unknown", since, looked);
    since = watch_now();
    must(state_count_connector(state, "bench", &counts, &err), &err);
    report("counts of a connector", since, 1);
    since = watch_now();
    state_free(state);
    report("closing", since, 1);
    since = watch_now();
    state = open_state(path);
    report("opening", since, 1);
    state_free(state);
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("file %.1f MB, most resident %.1f MB\n", megabytes(path), (double)usage.ru_maxrss / 1024);
    (void)unlink(path);
    (void)unlink(lock);
    return counts.memories[MEMORY_DONE] == count ? 0 : 1;
}
