/* bench_measure.c - what a program took: bench_measure FILE PROGRAM [ARGUMENT...].
 *
 * Writes "USER_US SYSTEM_US WALL_US PEAK_KB STATUS" to FILE. A program of its own because Linux counts what the parent's memory was at the fork
 * into the child's peak: this one is small, an interpreter is not. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

int main(int count, char **args)
{
    struct timespec from, to;
    struct rusage usage;
    FILE *file;
    pid_t child;
    int status = 0;

    if (count < 3)
        return 2;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    child = fork();
    if (child == 0) {
        (void)execv(args[2], args + 2);
        perror(args[2]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    (void)getrusage(RUSAGE_CHILDREN, &usage);
    file = fopen(args[1], "w");
    if (file == NULL)
        return 1;
    (void)fprintf(file, "%lld %lld %lld %ld %d\n", microseconds(usage.ru_utime), microseconds(usage.ru_stime),
                  (long long)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000, usage.ru_maxrss,
                  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(file) == 0 ? 0 : 1;
}
