/* mc-fakes - the fake servers as programs, for tests that drive the real binary.
 *
 *   mc-fakes memory-api (--file F | --count N [--size B] [--seed S]) [--api-key K] [--port P]
 *   mc-fakes lightrag --dialect 1.5|1.4 [--api-key K] [--workspace W] [--store-delay-ms N] [--process-delay-ms N] [--fail-match T] [--lean]
 *            [--dir D] [--port P]
 *
 * --dir keeps LightRAG's rows, so that kill -9 and a new start lose what the real server loses. The first line on standard output is the URL.
 * Ends on SIGTERM, SIGINT, or with its parent (unless --stay). */
#include "base/file.h"
#include "base/mem.h"
#include "fakes/fake_lightrag.h"
#include "fakes/fake_memory_api.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { BODY_MAXIMUM = 50 << 20, FILE_MAXIMUM = 256 << 20 };

static const struct option options[] = {
    { "file", required_argument, NULL, 'f' }, { "count", required_argument, NULL, 'n' }, { "size", required_argument, NULL, 'b' },
    { "seed", required_argument, NULL, 'r' }, { "api-key", required_argument, NULL, 'k' }, { "port", required_argument, NULL, 'p' },
    { "dialect", required_argument, NULL, 'd' }, { "workspace", required_argument, NULL, 'w' },
    { "store-delay-ms", required_argument, NULL, 's' }, { "process-delay-ms", required_argument, NULL, 't' },
    { "fail-match", required_argument, NULL, 'm' }, { "lean", no_argument, NULL, 'l' },
    { "dir", required_argument, NULL, 'D' }, { "stay", no_argument, NULL, 'S' }, { NULL, 0, NULL, 0 },
};

static int usage(void)
{
    (void)fprintf(stderr, "mc-fakes memory-api|lightrag: see tests/fakes_main.c for the options\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct fake_memory_settings memories = { .count = 100, .size = 900, .seed = 1 };
    struct fake_lightrag_settings lightrag = { 0 };
    struct fake_memory_api *memory_api = NULL;
    struct fake_server *server = NULL;
    struct error err = { 0 };
    AUTO_DONE(text) struct text json = { 0 };
    sigset_t signals;
    int port = 0;
    int number;
    int option;
    bool is_lightrag;
    bool stays = false;
    const char *folder = NULL;

    text_init(&json, FILE_MAXIMUM);
    if (argc < 2 || (strcmp(argv[1], "memory-api") != 0 && strcmp(argv[1], "lightrag") != 0))
        return usage();
    is_lightrag = strcmp(argv[1], "lightrag") == 0;
    while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            if (file_read(optarg, FILE_MAXIMUM, &json, &err) < 0) {
                (void)fprintf(stderr, "mc-fakes: %s\n", err.message);
                return 1;
            }
            memories.json = json.data;
            memories.json_size = json.size;
            break;
        case 'n': memories.count = strtoll(optarg, NULL, 10); break;
        case 'b': memories.size = strtoll(optarg, NULL, 10); break;
        case 'r': memories.seed = strtoull(optarg, NULL, 10); break;
        case 'k': memories.api_key = lightrag.api_key = optarg; break;
        case 'p': port = (int)strtol(optarg, NULL, 10); break;
        case 'd':
            lightrag.is_14 = strcmp(optarg, "1.4") == 0;
            if (!lightrag.is_14 && strcmp(optarg, "1.5") != 0)
                return usage();
            break;
        case 'w': lightrag.workspace = optarg; break;
        case 's': lightrag.store_delay_ms = strtoll(optarg, NULL, 10); break;
        case 't': lightrag.process_delay_ms = strtoll(optarg, NULL, 10); break;
        case 'm': lightrag.fail_match = optarg; break;
        case 'l': lightrag.lean = true; break;
        case 'D': folder = optarg; break;
        case 'S': stays = true; break;
        default: return usage();
        }
    }
#ifdef __linux__
    if (!stays)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (is_lightrag) {
        struct fake_lightrag *fake = fake_lightrag_new(&lightrag);
        if ((folder == NULL || fake_lightrag_open(fake, folder, &err) == 0) &&
            fake_server_start(fake_lightrag_handle, fake, (uint16_t)port, BODY_MAXIMUM, &server, &err) == 0) {
            (void)printf("%s\n", fake_server_url(server));
            (void)fflush(stdout);
            (void)sigwait(&signals, &number);
            fake_server_free(server);
        }
        fake_lightrag_free(fake);
    } else if (fake_memory_api_new(&memories, &memory_api, &err) == 0) {
        if (fake_server_start(fake_memory_api_handle, memory_api, (uint16_t)port, BODY_MAXIMUM, &server, &err) == 0) {
            (void)printf("%s\n", fake_server_url(server));
            (void)fflush(stdout);
            (void)sigwait(&signals, &number);
            fake_server_free(server);
        }
        fake_memory_api_free(memory_api);
    }
    if (err.kind != ERROR_NONE)
        (void)fprintf(stderr, "mc-fakes: %s\n", err.message);
    return err.kind != ERROR_NONE ? 1 : 0;
}
