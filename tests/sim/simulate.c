/* simulate.c - many seeds, one seed, named seeds; shrinking. */
#include "sim.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    struct sim_options options;
    uint64_t first, count;
    int processes;
    bool shrinks, checks_twice;
};

struct totals { int64_t seeds, failed, syncs, crashes, inserts, commits, lines; };

/* Seeds that once failed. */
static const struct { uint64_t seed; const char *why; } named_seeds[] = {
    { 32, "one document that is answered 500 filled max_unfinished, and the queue stood behind it for ever" },
    { 107572, "a text that the model refuses twice was refused once before a wipe and twice behind it: three times is dead" },
    { 370, "retrying the dead letter of a lost memory closed it: the loss was named no more" },
    { 1259, "a look-up that had begun earlier and read less was taken as proof that a memory to be removed had no row" },
    { 112, "memories that wait for rows that cannot be read filled max_unfinished, and the queue stood behind them for ever" },
};

static void print_failure(const struct sim *sim)
{
    uint64_t from = sim->line_count > TRACE_LINES ? sim->line_count - TRACE_LINES : 0;

    (void)printf("seed %llu FAILED: %s\n", (unsigned long long)sim->seed, sim->failure);
    for (uint64_t i = from; i < sim->line_count; i++)
        (void)printf("    %s\n", sim->lines[i % TRACE_LINES]);
    (void)printf("  classes:");
    for (int i = 0; i < SIM_CLASSES; i++)
        if (sim_has(sim, (enum sim_class)i))
            (void)printf(" %s", sim_class_name((enum sim_class)i));
    (void)printf("\n");
}

static bool fails(uint64_t seed, const struct sim_options *options)
{
    static struct sim sim;
    bool has_failed;

    sim_run(&sim, seed, options);
    has_failed = sim.has_failed;
    sim_free(&sim);
    return has_failed;
}

/* Leaves out what the failure does not need. */
static void shrink(uint64_t seed, struct sim_options *options)
{
    for (int i = 0; i < SIM_CLASSES; i++) {
        struct sim_options fewer = *options;
        fewer.allowed &= ~(1u << i);
        if (fewer.allowed != options->allowed && fails(seed, &fewer))
            *options = fewer;
    }
    for (int hours = options->hours > 0 ? options->hours : 168; hours > 1;) {
        struct sim_options shorter = *options;
        shorter.hours = hours = hours * 2 / 3;
        if (!fails(seed, &shorter))
            break;
        *options = shorter;
    }
}

static void print_command(uint64_t seed, const struct sim_options *options, uint32_t classes)
{
    bool is_first = true;

    (void)printf("  again: simulate --seed %llu --only ", (unsigned long long)seed);
    for (int i = 0; i < SIM_CLASSES; i++) {
        if ((classes >> i & 1u) == 0)
            continue;
        (void)printf("%s%s", is_first ? "" : ",", sim_class_name((enum sim_class)i));
        is_first = false;
    }
    if (is_first)
        (void)printf("none");
    if (options->hours > 0)
        (void)printf(" --hours %d", options->hours);
    (void)printf(" --trace\n");
}

static bool run_seed(const struct job *job, uint64_t seed, struct totals *totals)
{
    static struct sim sim;
    struct sim_options options = job->options;
    bool has_failed;
    uint64_t hash;
    uint32_t classes;

    sim_run(&sim, seed, &options);
    has_failed = sim.has_failed;
    hash = sim.hash;
    classes = sim.plan.classes;
    totals->seeds++;
    totals->failed += has_failed;
    totals->syncs += sim.syncs;
    totals->crashes += sim.crashes;
    totals->inserts += sim.inserted;
    totals->commits += sim.commits;
    totals->lines += (int64_t)sim.line_count;
    if (has_failed)
        print_failure(&sim);
    else if (job->count == 1)
        (void)printf("seed %llu: well; %lld syncs, %lld inserts, %lld crashes, trace %016llx\n", (unsigned long long)seed, (long long)sim.syncs,
                     (long long)sim.inserted, (long long)sim.crashes, (unsigned long long)hash);
    sim_free(&sim);
    if (has_failed && job->shrinks) {
        options.allowed = classes;
        options.prints = false;
        shrink(seed, &options);
        classes = options.allowed;
    }
    if (has_failed)
        print_command(seed, &options, classes);
    if (job->checks_twice) {
        sim_run(&sim, seed, &job->options);
        if (sim.hash != hash) {
            (void)printf("seed %llu FAILED: the same seed gave another trace\n", (unsigned long long)seed);
            totals->failed += !has_failed;
            has_failed = true;
        }
        sim_free(&sim);
    }
    (void)fflush(stdout);
    return !has_failed;
}

static void add_totals(struct totals *sum, const struct totals *more)
{
    int64_t *to = (int64_t *)sum;
    const int64_t *from = (const int64_t *)more;

    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

/* Seeds first + n * processes, in a process of its own. */
static int run_share(const struct job *job, int share, int out)
{
    struct totals totals = { 0 };

    for (uint64_t i = (uint64_t)share; i < job->count; i += (uint64_t)job->processes)
        (void)run_seed(job, job->first + i, &totals);
    return write(out, &totals, sizeof totals) == (ssize_t)sizeof totals ? 0 : 1;
}

static int run_all(const struct job *job)
{
    struct totals sum = { 0 };
    int pipes[2];
    bool is_lame = false;

    if (pipe(pipes) < 0)
        return 1;
    (void)fflush(stdout);
    for (int i = 0; i < job->processes; i++)
        if (fork() == 0) {
            int code = run_share(job, i, pipes[1]);
            (void)fflush(stdout);
            _exit(code);
        }
    (void)close(pipes[1]);
    for (int i = 0; i < job->processes; i++) {
        struct totals totals;
        if (read(pipes[0], &totals, sizeof totals) != (ssize_t)sizeof totals)
            break;
        add_totals(&sum, &totals);
    }
    for (int i = 0; i < job->processes; i++) {
        int status = 0;
        (void)wait(&status);
        is_lame = is_lame || status != 0;
    }
    (void)printf("simulation: %lld seeds, %lld failed; %lld syncs, %lld inserts, %lld commits, %lld crashes of ours, %lld trace lines\n",
                 (long long)sum.seeds, (long long)sum.failed, (long long)sum.syncs, (long long)sum.inserts, (long long)sum.commits,
                 (long long)sum.crashes, (long long)sum.lines);
    if (is_lame)
        (void)printf("simulation: a process died\n");
    return sum.failed > 0 || is_lame || sum.seeds != (int64_t)job->count ? 1 : 0;
}

static int run_named(struct job *job)
{
    struct totals totals = { 0 };

    job->count = 1;
    for (size_t i = 0; i < ARRAY_LENGTH(named_seeds); i++) {
        (void)printf("# %s\n", named_seeds[i].why);
        (void)run_seed(job, named_seeds[i].seed, &totals);
    }
    return totals.failed > 0 ? 1 : 0;
}

static bool read_classes(const char *list, uint32_t *ret_classes)
{
    uint32_t classes = 0;

    for (const char *at = list; *at != '\0' && strcmp(list, "none") != 0;) {
        size_t size = strcspn(at, ",");
        enum sim_class class;
        if (!sim_class_from_name(at, size, &class))
            return false;
        classes |= 1u << class;
        at += size + (at[size] == ',' ? 1 : 0);
    }
    *ret_classes = classes;
    return true;
}

static const char usage[] =
    "simulate [--seeds N] [--from SEED] [--seed SEED] [--named] [--twice] [--shrink] [--trace] [--log] [--hours N] [--jobs N]\n"
    "         [--only CLASS,...|none] [--without CLASS,...] [--mutation NAME]\n"
    "--only turns exactly these classes of faults on (instead of a choice by the seed), --without takes some from the choice.\n";

int main(int argc, char **argv)
{
    struct job job = { .options = { .allowed = (1u << SIM_CLASSES) - 1 }, .first = 1, .count = 200, .processes = 2 };
    struct log_settings log = { .level = LOG_OFF };
    uint32_t classes;
    bool is_named = false;
    bool is_well = true;
    struct error err;

    for (int i = 1; i < argc && is_well; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        int used = 1;
        if (strcmp(argv[i], "--seeds") == 0)
            job.count = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            job.first = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0) {
            job.first = strtoull(value, NULL, 10);
            job.count = 1;
        } else if (strcmp(argv[i], "--hours") == 0)
            job.options.hours = atoi(value);
        else if (strcmp(argv[i], "--jobs") == 0)
            job.processes = atoi(value);
        else if (strcmp(argv[i], "--only") == 0) {
            is_well = read_classes(value, &job.options.allowed);
            job.options.forced = true;
        } else if (strcmp(argv[i], "--without") == 0) {
            is_well = read_classes(value, &classes);
            job.options.allowed &= ~classes;
        } else if (strcmp(argv[i], "--mutation") == 0)
            is_well = sim_mutation_from_name(value, &job.options.mutation);
        else {
            used = 0;
            if (strcmp(argv[i], "--named") == 0)
                is_named = true;
            else if (strcmp(argv[i], "--twice") == 0)
                job.checks_twice = true;
            else if (strcmp(argv[i], "--shrink") == 0)
                job.shrinks = true;
            else if (strcmp(argv[i], "--trace") == 0)
                job.options.prints = true;
            else if (strcmp(argv[i], "--log") == 0)
                log.level = LOG_DEBUG;
            else
                is_well = false;
        }
        i += used;
    }
    if (!is_well || job.processes < 1 || job.count < 1) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)log_open(&log, &err);
    if (is_named)
        return run_named(&job);
    if (job.count == 1) {
        struct totals totals = { 0 };
        return run_seed(&job, job.first, &totals) ? 0 : 1;
    }
    return run_all(&job);
}
