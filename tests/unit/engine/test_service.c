/* The service with real HTTP over loopback, real SQLite and the fake servers: one thread runs it, the test gives orders and reads the board. */
#include "engine/service.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/mem.h"
#include "fakes/fake_lightrag.h"
#include "fakes/fake_memory_api.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, MEMORIES = 12 };

struct site {
    struct fake_memory_api *memories;
    struct fake_lightrag *lightrag;
    struct fake_server *memory_server, *lightrag_server;
    char folder[64], path[96];
    struct http_client *client;
    struct world world;
    struct engine_target target;
    struct engine_source source;
    struct engine_settings settings;
    struct bus *bus;
    struct state *state;
    struct service *service;
    pthread_t thread;
    struct error failure;
    int result;
    bool without_scheduler;
    const struct service_cleanup *cleanup;
    int64_t timeout_ms;
    int max_concurrent;
};

static atomic_llong shift_ms; /* how wrong the wall clock is */
static int64_t wall(void *self) { (void)self; return clock_wall_ms() + shift_ms; }
static int64_t mono(void *self) { (void)self; return clock_monotonic_ms(); }
static uint64_t chance(void *self) { (void)self; return clock_random(); }

static int set_up(void **state)
{
    static const struct fake_memory_settings memories = { .count = MEMORIES, .size = 300, .seed = 7 };
    static const struct fake_lightrag_settings lightrag = { .store_delay_ms = 5, .process_delay_ms = 2 };
    struct site *site = mem_alloc(sizeof *site);
    struct error err = { 0 };

    assert_int_equal(log_open(&(struct log_settings){ .level = LOG_OFF }, &err), 0);
    assert_int_equal(fake_memory_api_new(&memories, &site->memories, &err), 0);
    site->lightrag = fake_lightrag_new(&lightrag);
    assert_int_equal(fake_server_start(fake_memory_api_handle, site->memories, 0, 1 << 20, &site->memory_server, &err), 0);
    assert_int_equal(fake_server_start(fake_lightrag_handle, site->lightrag, 0, 50 << 20, &site->lightrag_server, &err), 0);
    (void)snprintf(site->folder, sizeof site->folder, "/tmp/mc-service-XXXXXX");
    assert_non_null(mkdtemp(site->folder));
    (void)snprintf(site->path, sizeof site->path, "%s/state.db", site->folder);
    site->target = (struct engine_target){
        .name = "default", .sink = { .url = fake_server_url(site->lightrag_server), .api_key = "", .timeout_ms = 20000 }, .workspace = "",
        .batch_size = 5, .max_unfinished = 100, .poll_interval_ms = 50, .kick = true, .kick_interval_ms = 300000, .give_up_after_ms = 86400000,
    };
    site->source = (struct engine_source){
        .name = "default", .endpoint = { .url = fake_server_url(site->memory_server), .api_key = "", .timeout_ms = 20000, .response_maximum = 1 << 30 },
        .retry_backoff = 2, .item_maximum = 1 << 20,
    };
    site->settings = (struct engine_settings){ .targets = &site->target, .target_count = 1, .sources = &site->source, .source_count = 1,
                                               .keep_texts = true, .shutdown_timeout_ms = 10000 };
    site->max_concurrent = 2;
    site->timeout_ms = 600000;
    *state = site;
    return 0;
}

/* ---- Connectors as a configuration would make them ---- */

struct made {
    char id[65], context[65], definition[200];
    const char *contexts[1];
};
static atomic_int made_count;

static void free_made(void *owner)
{
    made_count--;
    mem_free(owner);
}

static struct service_connector make(const char *id, const char *context, const char *schedule)
{
    struct made *made = mem_alloc(sizeof *made);
    struct service_connector connector = { .enabled = true, .is_from_file = true, .zone = zone_utc(), .catch_up_ms = 3600000, .owner = made, .owner_free = free_made };
    struct error err = { 0 };

    made_count++;
    (void)snprintf(made->id, sizeof made->id, "%s", id);
    (void)snprintf(made->context, sizeof made->context, "%s", context);
    (void)snprintf(made->definition, sizeof made->definition, "{\"id\":\"%s\",\"context_id\":\"%s\"}", id, context);
    made->contexts[0] = made->context;
    assert_int_equal(schedule_parse(schedule, &connector.schedule, &err), 0);
    connector.engine = (struct engine_connector){ .id = made->id, .contexts = made->contexts, .context_count = 1, .range = "all", .limit = 1000,
                                                  .max_concurrency = 1, .filter.skip_empty = true, .replaces = true, .max_delete_percent = 10, .auto_widen = true,
                                                  .max_attempts = 3, .backoff_multiplier = 2, .max_backoff_ms = 1000 };
    connector.definition = made->definition;
    connector.schedule_words = "as a test wants it";
    connector.description = "";
    return connector;
}

/* ---- Life ---- */

static void *run(void *context)
{
    struct site *site = context;

    site->result = service_run(site->service, &site->failure);
    return NULL;
}

static void begin(struct site *site, struct service_connector *connectors, size_t count)
{
    struct service_settings settings = { .engine = &site->settings, .connectors = connectors, .connector_count = count, .max_concurrent = site->max_concurrent,
                                         .job_timeout_ms = site->timeout_ms, .without_scheduler = site->without_scheduler, .cleanup = site->cleanup, .turn_ms = 100 };
    struct error err = { 0 };

    site->bus = settings.bus = bus_new(100, clock_wall_ms());
    assert_int_equal(http_client_new(&site->client, &err), 0);
    site->world = (struct world){ .wall_ms = wall, .monotonic_ms = mono, .random = chance, .http = http_client_http(site->client) };
    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .now_ms = clock_wall_ms() }, &site->state, &err), 0);
    assert_int_equal(service_new(&settings, &site->world, site->state, &site->service, &err), 0);
    assert_int_equal(pthread_create(&site->thread, NULL, run, site), 0);
}

static void close_site(struct site *site)
{
    service_free(site->service);
    state_free(site->state);
    http_client_free(site->client);
    bus_free(site->bus);
    site->service = NULL;
}

static void end(struct site *site)
{
    service_stop(site->service, 1);
    assert_int_equal(pthread_join(site->thread, NULL), 0);
    if (site->result < 0)
        print_error("%s\n", site->failure.message);
    assert_int_equal(site->result, 0);
    close_site(site);
}

static int tear_down(void **state)
{
    struct site *site = *state;
    DIR *folder = opendir(site->folder);
    struct dirent *entry;

    fake_server_free(site->memory_server);
    fake_server_free(site->lightrag_server);
    fake_memory_api_free(site->memories);
    fake_lightrag_free(site->lightrag);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        AUTO_STRING char *path = mem_format("%s/%s", site->folder, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    if (folder != NULL)
        (void)closedir(folder);
    (void)rmdir(site->folder);
    mem_free(site);
    assert_int_equal(made_count, 0); /* every connector was given back, once */
    return 0;
}

/* ---- Orders, the board ---- */

static enum order_end give(struct site *site, enum order_kind kind, const char *connector, struct order *ret_order)
{
    struct order order = { .kind = kind, .connector = connector };
    enum order_end end_of_it = service_order(site->service, &order);

    if (ret_order != NULL)
        *ret_order = order;
    return end_of_it;
}

static struct connector_board look(struct site *site, const char *id)
{
    struct connector_board board = { 0 };

    assert_true(service_find(site->service, id, &board));
    return board;
}

static int64_t ended(const struct connector_board *board)
{
    int64_t sum = 0;

    for (size_t i = 0; i < RUN_RESULTS; i++)
        sum += board->runs[i];
    return sum;
}

static bool has_ended_once(const struct connector_board *board) { return ended(board) >= 1 && board->current.run == 0; }
static bool has_ended_twice(const struct connector_board *board) { return ended(board) >= 2 && board->current.run == 0; }
static bool is_running(const struct connector_board *board) { return board->current.run != 0; }
static bool is_waiting(const struct connector_board *board) { return board->is_waiting; }
static bool has_run_thrice(const struct connector_board *board) { return board->runs[RUN_SUCCESS] >= 3; }

static struct connector_board await(struct site *site, const char *id, bool (*is_so)(const struct connector_board *board))
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    struct connector_board board = look(site, id);

    while (!is_so(&board)) {
        assert_true(clock_monotonic_ms() < until);
        (void)usleep(2000);
        board = look(site, id);
    }
    return board;
}

static int64_t count_done(struct site *site, const char *connector)
{
    struct error err = { 0 };
    struct state_counts counts = { { 0 }, { 0 } };
    AUTO(state) struct state *reader = NULL;

    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .reader = true }, &reader, &err), 0);
    assert_int_equal(state_count_connector(reader, connector, &counts, &err), 0);
    return counts.memories[MEMORY_DONE];
}

static void await_done(struct site *site, const char *connector, int64_t count)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;

    while (count_done(site, connector) != count) {
        assert_true(clock_monotonic_ms() < until);
        (void)usleep(5000);
    }
}

/* One POST to a fake's control. */
static void control(const struct fake_server *server, const char *json)
{
    const char *port = strrchr(fake_server_url(server), ':');
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port + 1)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    AUTO_STRING char *request = mem_format("POST /_fake/control HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                                           "Content-Length: %zu\r\n\r\n%s", strlen(json), json);
    char answer[512] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    assert_true(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0);
    assert_non_null(strstr(answer, " 200 "));
    (void)close(fd);
}

/* ---- Tests ---- */

static void test_a_trigger_runs_and_is_followed_to_the_proof(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual") };
    struct connector_board board;
    struct order order;

    begin(site, connectors, 1);
    assert_int_equal(give(site, ORDER_TRIGGER, "nobody", NULL), ORDER_UNKNOWN);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", &order), ORDER_DONE);
    assert_int_equal(order.ret_run, 1);
    board = await(site, "one", has_ended_once);
    assert_int_equal(board.runs[RUN_SUCCESS], 1);
    assert_int_equal(board.totals.new_, MEMORIES);
    assert_true(board.last_success_ms > 0);
    assert_false(board.has_next);
    await_done(site, "one", MEMORIES); /* after the run, by itself */
    end(site);
}

static void test_runs_by_schedule(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "1s") };
    struct connector_board board;

    begin(site, connectors, 1);
    board = await(site, "one", has_run_thrice);
    assert_true(board.has_next);
    assert_int_equal(board.totals.new_, MEMORIES); /* once */
    assert_int_equal(give(site, ORDER_PAUSE, "one", NULL), ORDER_DONE);
    board = look(site, "one");
    assert_true(board.is_paused);
    assert_false(board.has_next);
    end(site);
}

static void test_a_pause_and_a_plan_survive(void **state)
{
    struct site *site = *state;
    struct order pause = { .kind = ORDER_PAUSE, .connector = "one", .reason = "away", .until_ms = clock_wall_ms() + 86400000 };
    struct connector_board board;

    for (int i = 0; i < 2; i++) {
        struct service_connector connectors[] = { make("one", "c", "1h") };
        begin(site, connectors, 1);
        if (i == 0)
            assert_int_equal(service_order(site->service, &pause), ORDER_DONE);
        while (!service_is_alive(site->service, PATIENCE_MS) || !look(site, "one").is_paused)
            (void)usleep(1000);
        board = look(site, "one");
        assert_string_equal(board.pause_reason, "away");
        assert_int_equal(board.paused_until_ms, pause.until_ms);
        assert_true(board.next_ms >= pause.until_ms);
        if (i == 1) {
            assert_int_equal(give(site, ORDER_RESUME, "one", NULL), ORDER_DONE);
            assert_false(look(site, "one").is_paused);
        }
        end(site);
    }
}

static void test_a_run_under_way(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual"), make("two", "d", "manual"), make("three", "e", "manual") };
    struct connector_board board;
    struct order order;

    control(site->memory_server, "{\"stall\":100}");
    begin(site, connectors, 3);
    assert_int_equal(give(site, ORDER_CANCEL, "one", NULL), ORDER_CONFLICT);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    (void)await(site, "one", is_running);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", &order), ORDER_CONFLICT);
    assert_int_equal(order.ret_run, 1);
    assert_int_equal(give(site, ORDER_RESET, "one", NULL), ORDER_CONFLICT);
    assert_int_equal(give(site, ORDER_TRIGGER, "two", NULL), ORDER_DONE);
    assert_int_equal(give(site, ORDER_TRIGGER, "three", &order), ORDER_DONE);
    assert_int_equal(order.ret_run, 0); /* two run at once, it waits */
    (void)await(site, "three", is_waiting);
    assert_int_equal(give(site, ORDER_TRIGGER, "three", NULL), ORDER_CONFLICT);
    assert_int_equal(give(site, ORDER_CANCEL, "three", NULL), ORDER_DONE);
    assert_false(look(site, "three").is_waiting);
    assert_int_equal(give(site, ORDER_CANCEL, "one", &order), ORDER_DONE);
    assert_int_equal(order.ret_run, 1);
    board = await(site, "one", has_ended_once);
    assert_int_equal(board.runs[RUN_CANCELLED], 1);
    control(site->memory_server, "{\"times\":0}");
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    board = await(site, "one", has_ended_twice);
    assert_int_equal(board.runs[RUN_SUCCESS], 1);
    end(site); /* "two" still hangs: it is cancelled */
}

static void test_a_run_that_takes_too_long(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual") };
    struct connector_board board;
    struct service_board all;

    site->timeout_ms = 300;
    control(site->memory_server, "{\"stall\":100}");
    begin(site, connectors, 1);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    board = await(site, "one", has_ended_once);
    assert_int_equal(board.runs[RUN_FAILED], 1);
    assert_int_equal(board.failures_in_row, 1);
    service_read(site->service, &all);
    assert_non_null(strstr(all.last_error, "job_timeout_minutes"));
    end(site);
}

static void test_a_crash_in_a_run(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual") };
    struct run_row row;
    struct error err = { 0 };
    AUTO(state) struct state *before = NULL;

    /* What a process leaves that was killed in its run. */
    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .now_ms = 1 }, &before, &err), 0);
    row = (struct run_row){ .run = state_next_run(before), .connector = "one", .trigger = "schedule", .started_ms = 5, .error = "", .range = "all", .coverage = "" };
    assert_int_equal(state_apply(before, &(struct change){ .kind = CHANGE_RUN, .run = &row }, &err), 0);
    assert_int_equal(state_commit(before, &err), 0);
    state_free(TAKE(before));

    begin(site, connectors, 1);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    (void)await(site, "one", has_ended_once);
    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .reader = true }, &before, &err), 0);
    assert_int_equal(state_get_run(before, 1, &row, &err), 1);
    assert_int_equal(row.result, RUN_INTERRUPTED);
    assert_true(row.finished_ms > 5);
    end(site);
}

static bool keep_definition(void *context, const struct connector_row *row)
{
    (void)snprintf(context, 300, "%s %lld %s", row->id, (long long)row->version, row->definition);
    return true;
}

static void expect_stored(struct site *site, const char *wanted)
{
    AUTO(state) struct state *reader = NULL;
    struct error err = { 0 };
    char found[300] = "";

    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .reader = true }, &reader, &err), 0);
    assert_int_equal(state_each_connector(reader, keep_definition, found, &err), 0);
    assert_string_equal(found, wanted);
}

static struct order put(struct site *site, enum order_kind kind, int64_t version, struct service_connector fresh)
{
    struct order order = { .kind = kind, .connector = fresh.engine.id, .version = version, .fresh = fresh };

    if (service_order(site->service, &order) != ORDER_DONE && order.fresh.owner != NULL)
        order.fresh.owner_free(order.fresh.owner);
    return order;
}

static void test_connectors_come_and_go(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("file", "c", "manual") };
    struct connector_board board;
    struct order order;
    int64_t version;
    bool is_from_file;
    char *definition;

    begin(site, connectors, 1);
    order = put(site, ORDER_CREATE, 0, make("fresh", "d", "1s"));
    assert_int_equal(order.end, ORDER_DONE);
    expect_stored(site, "fresh 1 {\"id\":\"fresh\",\"context_id\":\"d\"}");
    board = await(site, "fresh", has_ended_once); /* it runs on its schedule */
    assert_int_equal(board.totals.new_, MEMORIES);
    assert_int_equal(put(site, ORDER_CREATE, 0, make("fresh", "x", "1s")).end, ORDER_CONFLICT);
    order = put(site, ORDER_CREATE, 0, make("rival", "c", "manual"));
    assert_int_equal(order.end, ORDER_CONFLICT);
    assert_non_null(strstr(order.words, "by connector file already"));
    assert_int_equal(put(site, ORDER_REPLACE, 0, make("file", "z", "manual")).end, ORDER_CONFLICT);
    assert_int_equal(put(site, ORDER_REPLACE, 0, make("nobody", "z", "manual")).end, ORDER_UNKNOWN);
    assert_int_equal(put(site, ORDER_REPLACE, 7, make("fresh", "z", "manual")).end, ORDER_STALE);
    do { /* a run may be under way */
        order = put(site, ORDER_REPLACE, 1, make("fresh", "z", "manual"));
    } while (order.end == ORDER_CONFLICT && order.ret_run != 0);
    assert_int_equal(order.end, ORDER_DONE);
    assert_int_equal(order.ret_version, 2);
    expect_stored(site, "fresh 2 {\"id\":\"fresh\",\"context_id\":\"z\"}");
    definition = service_definition(site->service, "fresh", &version, &is_from_file);
    assert_string_equal(definition, "{\"id\":\"fresh\",\"context_id\":\"z\"}");
    assert_int_equal(version, 2);
    assert_false(is_from_file);
    mem_free(definition);
    board = look(site, "fresh");
    assert_false(board.has_next);
    /* What it fed before is nobody's, and can be taken by another. */
    assert_int_equal(put(site, ORDER_CREATE, 0, make("heir", "d", "manual")).end, ORDER_DONE);
    await_done(site, "heir", MEMORIES);
    assert_int_equal(give(site, ORDER_DELETE, "heir", NULL), ORDER_DONE);
    assert_false(service_find(site->service, "heir", &board));
    assert_int_equal(give(site, ORDER_DELETE, "file", NULL), ORDER_CONFLICT);
    assert_true(service_next(site->service, "", &board));
    assert_string_equal(board.id, "file");
    assert_true(service_next(site->service, "file", &board));
    assert_string_equal(board.id, "fresh");
    assert_false(service_next(site->service, "fresh", &board));
    end(site);
}

static void test_what_was_processed_is_forgotten(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual") };
    struct connector_board board;
    struct order order;

    begin(site, connectors, 1);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    await_done(site, "one", MEMORIES);
    (void)await(site, "one", has_ended_once);
    assert_int_equal(give(site, ORDER_RESET, "one", &order), ORDER_DONE);
    assert_int_equal(order.ret_count, MEMORIES);
    assert_int_equal(count_done(site, "one"), 0);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    board = await(site, "one", has_ended_twice);
    assert_int_equal(board.runs[RUN_SUCCESS], 2);
    await_done(site, "one", MEMORIES); /* found at the server: none of them twice */
    end(site);
}

static void *give_many(void *context)
{
    struct site *site = context;

    for (int i = 0; i < 30; i++) {
        struct connector_board board;
        struct service_board all;
        struct target_board target;
        (void)give(site, i % 3 == 0 ? ORDER_TRIGGER : i % 3 == 1 ? ORDER_PAUSE : ORDER_RESUME, "one", NULL);
        assert_true(service_find(site->service, "one", &board));
        service_read(site->service, &all);
        assert_true(service_target(site->service, 0, &target));
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "1s") };
    pthread_t threads[4];

    begin(site, connectors, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give_many, site), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    end(site);
}

static void *give_until_refused(void *context)
{
    struct site *site = context;

    while (give(site, ORDER_PAUSE, "one", NULL) != ORDER_UNAVAILABLE)
        ;
    return NULL;
}

/* The disk takes nothing more at the moment when the order is to be answered: the service has the connector by then, and frees it, once. */
static void test_a_connector_that_could_not_be_kept(void **state)
{
    static const struct { enum order_kind kind; const char *id; } orders[] = { { ORDER_CREATE, "fresh" }, { ORDER_REPLACE, "known" } };
    struct site *site = *state;

    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
        struct service_connector connectors[] = { make("known", "c", "manual") };
        struct rlimit limit;
        struct rlimit none;
        struct order order;

        connectors[0].is_from_file = false;
        begin(site, connectors, 1);
        (void)give(site, ORDER_PAUSE, "known", NULL); /* it runs */
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        order = put(site, orders[i].kind, 0, make(orders[i].id, "d", "manual"));
        assert_int_equal(pthread_join(site->thread, NULL), 0); /* a service that cannot keep anything ends */
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(order.end, ORDER_FAILED);
        assert_int_equal(site->result, -1);
        close_site(site);
    }
}

static void test_orders_at_the_end(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "manual") };
    struct error err = { 0 };
    pthread_t thread;

    (void)err;
    begin(site, connectors, 1);
    assert_int_equal(pthread_create(&thread, NULL, give_until_refused, site), 0);
    (void)usleep(20000);
    service_stop(site->service, 1);
    assert_int_equal(pthread_join(thread, NULL), 0); /* nobody is left waiting */
    end(site);
}

static void test_without_a_scheduler(void **state)
{
    struct site *site = *state;
    struct service_connector connectors[] = { make("one", "c", "1s") };
    struct connector_board board;

    site->without_scheduler = true;
    begin(site, connectors, 1);
    assert_int_equal(give(site, ORDER_TRIGGER, "one", NULL), ORDER_DONE);
    (void)await(site, "one", has_ended_once);
    (void)usleep(1500000);
    board = look(site, "one");
    assert_int_equal(ended(&board), 1);
    assert_false(board.has_next);
    end(site);
}

static int64_t when_cleaned(struct site *site, int64_t set_ms)
{
    const struct change change = { .kind = CHANGE_MARK, .mark_owner = 0, .mark_kind = MARK_CLEANED_MS, .mark_value = set_ms };
    struct error err = { 0 };
    AUTO(state) struct state *state = NULL;
    int64_t cleaned_ms = 0;

    assert_int_equal(state_open(&(struct state_settings){ .path = site->path, .now_ms = clock_wall_ms() }, &state, &err), 0);
    if (set_ms != 0) {
        assert_int_equal(state_apply(state, &change, &err), 0);
        assert_int_equal(state_commit(state, &err), 0);
    }
    assert_int_equal(state_get_mark(state, 0, MARK_CLEANED_MS, &cleaned_ms, &err), 0);
    return cleaned_ms;
}

/* A time that was written down while the clock was ahead, and a plan that was made then, must not put it off for years. */
static void test_retention_outlives_a_wrong_clock(void **state)
{
    static const int64_t year_ms = 365LL * 86400 * 1000;
    struct site *site = *state;
    struct service_cleanup cleanup = { .zone = zone_utc(), .retention_ms = year_ms };
    struct error err = { 0 };

    assert_int_equal(schedule_parse("1s", &cleanup.schedule, &err), 0);
    site->cleanup = &cleanup;
    assert_true(when_cleaned(site, clock_wall_ms() + 20 * year_ms) > 0);
    for (int turn = 0; turn < 10 && when_cleaned(site, 0) > clock_wall_ms(); turn++) {
        struct service_connector connectors[] = { make("one", "c", "manual") };
        shift_ms = 10 * year_ms;
        begin(site, connectors, 1);
        (void)usleep(1500000);
        shift_ms = 0;
        (void)usleep(1500000);
        end(site);
    }
    assert_true(when_cleaned(site, 0) <= clock_wall_ms());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        SERVICE_TEST(test_a_trigger_runs_and_is_followed_to_the_proof),
        SERVICE_TEST(test_runs_by_schedule),
        SERVICE_TEST(test_a_pause_and_a_plan_survive),
        SERVICE_TEST(test_a_run_under_way),
        SERVICE_TEST(test_a_run_that_takes_too_long),
        SERVICE_TEST(test_a_crash_in_a_run),
        SERVICE_TEST(test_connectors_come_and_go),
        SERVICE_TEST(test_what_was_processed_is_forgotten),
        SERVICE_TEST(test_many_threads),
        SERVICE_TEST(test_a_connector_that_could_not_be_kept),
        SERVICE_TEST(test_orders_at_the_end),
        SERVICE_TEST(test_without_a_scheduler),
        SERVICE_TEST(test_retention_outlives_a_wrong_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
