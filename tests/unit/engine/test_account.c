/* Logging in, with a network and a clock that are made up here: one login for everybody who waits, tokens that end, are refused, are hostile, answers of
 * /login that are none, and the end of it all in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/account.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64, CLOCK_MS = 1000000, DATE_MS = 1700000000 };

/* ---- The network ---- */

struct sent {
    http_id id;                  /* 0: answered or cancelled */
    bool is_login;
    char bearer[5000];           /* "" without one */
    struct http_request request;
};

static struct {
    struct sent sent[SLOTS];
    http_id count;
    int logins, cancelled;
    int64_t now_ms;
    bool refuses;                /* nothing can be started */
} net;

static int net_start(void *self, const struct http_request *request, http_id *ret_id, struct error *err)
{
    struct sent *sent = &net.sent[net.count % SLOTS];

    (void)self;
    if (net.refuses)
        return error_set(err, ERROR_IO, "no more");
    *sent = (struct sent){ .id = ++net.count, .is_login = strstr(request->url, "/login") != NULL, .request = *request };
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        assert_null(strpbrk(request->headers[i], "\r\n"));
        if (strncmp(request->headers[i], "Authorization: Bearer ", 22) == 0)
            (void)snprintf(sent->bearer, sizeof sent->bearer, "%s", request->headers[i] + 22);
    }
    net.logins += sent->is_login;
    *ret_id = sent->id;
    return 0;
}

static struct sent *find(http_id id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (net.sent[i].id == id && id != 0)
            return &net.sent[i];
    return NULL;
}

static void net_cancel(void *self, http_id id)
{
    struct sent *sent = find(id);

    (void)self;
    if (sent != NULL) {
        sent->id = 0;
        net.cancelled++;
    }
}

static void net_pause(void *self, http_id id, bool paused) { (void)self; (void)id; (void)paused; }
static int net_poll(void *self, int64_t until_ms, struct error *err) { (void)self; (void)until_ms; (void)err; return 0; }
static void net_wake(void *self) { (void)self; }
static int64_t net_now(void *self) { (void)self; return net.now_ms; }
static uint64_t net_random(void *self) { (void)self; return 7; }

static struct http network = { .start = net_start, .pause = net_pause, .cancel = net_cancel, .poll = net_poll, .wake = net_wake };
static const struct world world = { .wall_ms = net_now, .monotonic_ms = net_now, .random = net_random };
static const struct sink_settings settings = { .url = "http://127.0.0.1:9", .api_key = "", .username = "joe", .password = "s3cret&=", .timeout_ms = 1000 };

static struct http_answer make_answer(int status, const char *body)
{
    return (struct http_answer){ .end = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .date_ms = (int64_t)DATE_MS * 1000, .content_length = -1, .content_type = "application/json",
                                 .location = "", .new_token = "", .body = body, .body_size = strlen(body), .words = "" };
}

static void give(struct sent *sent, const struct http_answer *answer)
{
    http_id id = sent->id;

    assert_non_null(sent);
    sent->id = 0;
    sent->request.on_done(sent->request.owner, id, answer);
}

/* The oldest request under way that is (no) login; NULL. */
static struct sent *oldest(bool is_login)
{
    struct sent *found = NULL;

    for (size_t i = 0; i < SLOTS; i++)
        if (net.sent[i].id != 0 && net.sent[i].is_login == is_login && (found == NULL || net.sent[i].id < found->id))
            found = &net.sent[i];
    return found;
}

static void answer_login(int status, const char *body)
{
    const struct http_answer answer = make_answer(status, body);
    struct sent *login = oldest(true);

    assert_non_null(login);
    give(login, &answer);
}

static void answer_request(int status)
{
    const struct http_answer answer = make_answer(status, status == 401 ? "{\"detail\":\"Invalid token\"}" : "{}");
    struct sent *request = oldest(false);

    assert_non_null(request);
    give(request, &answer);
}

/* ---- Tokens ---- */

static void append_base64url(struct text *out, const char *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = strlen(bytes);

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i < 3 ? size - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < left ? (uint8_t)bytes[i + k] : 0U);
        for (size_t k = 0; k <= left; k++)
            (void)text_append_char(out, digits[bits >> (18 - 6 * k) & 63]);
    }
}

static void write_welcome(struct text *out, const char *payload)
{
    (void)text_append(out, "{\"access_token\":\"eyJhIjowfQ.");
    append_base64url(out, payload);
    (void)text_append(out, ".c2ln\",\"token_type\":\"bearer\",\"auth_mode\":\"enabled\"}");
}

/* A login that goes well, with a token that says this. */
static void welcome(const char *payload)
{
    AUTO_DONE(text) struct text body = { 0 };

    text_init(&body, 0);
    write_welcome(&body, payload);
    answer_login(200, body.data);
}

static void welcome_for(int64_t seconds, int number)
{
    char payload[100];

    (void)snprintf(payload, sizeof payload, "{\"sub\":\"joe%d\",\"exp\":%lld}", number, (long long)(DATE_MS + seconds));
    welcome(payload);
}

/* ---- Who asks ---- */

struct asker {
    struct account *account;
    int done, status;
    enum http_end end;
    char words[500];
    int again;                   /* so many more from its handler */
};

static void ask(struct asker *asker, const char *path);

static void on_done(void *owner, http_id id, const struct http_answer *answer)
{
    struct asker *asker = owner;

    assert_int_not_equal(id, 0);
    asker->done++;
    asker->status = answer->status;
    asker->end = answer->end;
    (void)snprintf(asker->words, sizeof asker->words, "%s%s", answer->words, answer->body);
    assert_null(strstr(asker->words, settings.password));
    if (asker->again-- > 0)
        ask(asker, "/documents/paginated");
}

static http_id ask_for_id(struct asker *asker, const char *path)
{
    AUTO_STRING char *url = mem_format("http://127.0.0.1:9%s", path);
    static char kept[16][100];
    static size_t at;
    struct http_request request = { .method = "GET", .timeout_ms = 1000, .answer_maximum = 1000, .owner = asker, .on_done = on_done };
    struct error err = { 0 };
    http_id id = 0;

    (void)snprintf(kept[at % 16], sizeof kept[0], "%s", url);
    request.url = kept[at++ % 16];
    if (http_start(account_http(asker->account), &request, &id, &err) < 0) {
        assert_non_null(strstr(err.message, "no more"));
        return 0;
    }
    return id;
}

static void ask(struct asker *asker, const char *path) { (void)ask_for_id(asker, path); }

static int set_up(void **unused)
{
    (void)unused;
    memset(&net, 0, sizeof net);
    net.now_ms = CLOCK_MS;
    return 0;
}

static struct account *make_account(void)
{
    return account_new(&network, &world, &settings, "default");
}

/* ---- Stories ---- */

static void test_one_login_for_all_who_wait(void **unused)
{
    AUTO(account) struct account *account = make_account();
    struct asker askers[10];

    (void)unused;
    for (size_t i = 0; i < 10; i++) {
        askers[i] = (struct asker){ .account = account };
        ask(&askers[i], "/documents/status_counts");
    }
    assert_int_equal(net.logins, 1);
    assert_null(oldest(false)); /* nothing leaves without a token */
    assert_string_equal(oldest(true)->request.body, "username=joe&password=s3cret%26%3D");
    welcome_for(3600, 1);
    for (size_t i = 0; i < 10; i++) {
        assert_true(strncmp(oldest(false)->bearer, "eyJhIjowfQ.", 11) == 0);
        answer_request(200);
    }
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(askers[i].done, 1);
    assert_int_equal(net.logins, 1);
}

/* L10: a token that is refused again and again, at every 7th request: one login each, everybody is answered once, and nobody sees the refusal. */
static void test_every_seventh_request_is_refused(void **unused)
{
    AUTO(account) struct account *account = make_account();
    int refusals = 0;

    (void)unused;
    for (int i = 0; i < 70; i++) {
        struct asker asker = { .account = account };
        net.now_ms += 10000;
        ask(&asker, "/documents/status_counts");
        if (oldest(true) != NULL)
            welcome_for(3600, i);
        if (i % 7 == 6) {
            answer_request(401);
            refusals++;
            assert_int_equal(asker.done, 0);
            welcome_for(3600, i);
        }
        answer_request(200);
        assert_int_equal(asker.done, 1);
        assert_int_equal(asker.status, 200);
    }
    assert_int_equal(net.logins, 1 + refusals);
}

/* Several were sent with the token that is refused: one login serves them all, whenever their refusals come. */
static void test_refusals_that_come_late(void **unused)
{
    AUTO(account) struct account *account = make_account();
    struct asker askers[5];

    (void)unused;
    for (size_t i = 0; i < 5; i++) {
        askers[i] = (struct asker){ .account = account };
        ask(&askers[i], "/documents/status_counts");
    }
    welcome_for(3600, 1);
    net.now_ms += 60000;
    answer_request(401);
    answer_request(401);
    assert_int_equal(net.logins, 2);
    welcome_for(3600, 2);
    for (int i = 0; i < 3; i++)
        answer_request(401); /* the rest, sent with the old one */
    assert_int_equal(net.logins, 2);
    for (int i = 0; i < 5; i++)
        answer_request(200);
    for (size_t i = 0; i < 5; i++)
        assert_true(askers[i].done == 1 && askers[i].status == 200);
}

/* The login works and its tokens are good for nothing: that is told, and not tried for ever. */
static void test_no_loop_of_refusals(void **unused)
{
    AUTO(account) struct account *account = make_account();
    struct asker asker = { .account = account };

    (void)unused;
    for (int i = 0; i < 20; i++) {
        int before = asker.done, turns = 0;
        ask(&asker, "/documents/status_counts");
        while (asker.done == before) {
            assert_true(++turns < 6);
            if (oldest(true) != NULL)
                welcome_for(3600, i);
            else
                answer_request(401);
        }
        assert_int_equal(asker.status, 401);
        net.now_ms += 100;
    }
    assert_true(net.logins <= 2);
}

/* One wrong login, then none for as long as the server would lock it, however many ask. */
static void test_a_wrong_password_is_not_tried_again(void **unused)
{
    AUTO(account) struct account *account = make_account();
    struct asker asker = { .account = account };

    (void)unused;
    for (int i = 0; i < 50; i++) {
        int before = asker.done;
        ask(&asker, "/documents/status_counts");
        if (oldest(true) != NULL)
            answer_login(401, "{\"detail\":\"Incorrect credentials\"}");
        if (asker.done == before)
            answer_request(401);
        assert_int_equal(asker.done, before + 1);
        assert_int_equal(asker.status, 401);
        assert_non_null(strstr(asker.words, "Incorrect credentials"));
        net.now_ms += 5000;
    }
    assert_int_equal(net.logins, 1);
    net.now_ms += 5 * 60 * 1000;
    ask(&asker, "/documents/status_counts");
    assert_int_equal(net.logins, 2);
}

/* What a token says of its end, and how often is logged in for an hour of a request each second. */
static void test_ends_that_cannot_be(void **unused)
{
    static const struct { const char *why, *payload; int most; } rows[] = {
        { "an hour", "{\"exp\":1700003600}", 2 },
        { "the year 9999", "{\"exp\":253402300799}", 1 },
        { "more than 64 bits", "{\"exp\":99999999999999999999999}", 1 },
        { "nearly 64 bits", "{\"exp\":9223372036854775807}", 1 },
        { "the last that can be multiplied", "{\"exp\":9223372036854774}", 1 },
        { "negative", "{\"exp\":-5}", 1 },
        { "a fraction", "{\"exp\":1700003600.5}", 2 },
        { "no number", "{\"exp\":\"soon\"}", 1 },
        { "infinite", "{\"exp\":1e999}", 1 },
        { "none", "{\"sub\":\"joe\"}", 1 },
        { "no JSON", "nothing", 1 },
        { "long ago", "{\"exp\":5}", 1 },
        { "just over", "{\"exp\":1699999999}", 1 },
        { "at this moment", "{\"exp\":1700000000}", 1 },
        { "in a second", "{\"exp\":1700000001}", 1 },
        { "in two seconds", "{\"exp\":1700000002}", 3601 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(account) struct account *account = NULL;
        struct asker asker = { 0 };
        (void)set_up(NULL);
        account = asker.account = make_account();
        for (int second = 0; second < 3600; second++) {
            ask(&asker, "/documents/status_counts");
            if (oldest(true) != NULL)
                welcome(rows[i].payload);
            answer_request(200);
            net.now_ms += 1000;
        }
        if (asker.done != 3600 || net.logins > rows[i].most)
            fail_msg("%s: %d answers, %d logins", rows[i].why, asker.done, net.logins);
    }
}

static void test_tokens_that_cannot_be(void **unused)
{
    static char huge[(1 << 20) + 100];
    static const char *const bodies[] = {
        "{\"access_token\":\"a.b.c\\r\\nX-Evil: 1\"}", "{\"access_token\":\"a.b.c\\nd\"}", "{\"access_token\":\"a b\"}", "{\"access_token\":\"\"}", "{\"access_token\":7}",
        "{\"access_token\":null}", "{\"access_token\":\"a\\u0000b\"}", "{\"access_token\":\"a\\u00e9\"}", "{\"access_token\":\"a,b\"}", "{\"access_token\":[\"a.b.c\"]}",
        "{\"access_token\":\"a.b.c\\u007f\"}", "[]", "null", "7", "", "<html>", "{\"detail\":\"well\"}", huge,
    };

    (void)unused;
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "{\"access_token\":\"", 17);
    memcpy(huge + sizeof huge - 3, "\"}", 3);
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        AUTO(account) struct account *account = NULL;
        struct asker asker = { 0 };
        (void)set_up(NULL);
        account = asker.account = make_account();
        ask(&asker, "/documents/status_counts");
        answer_login(200, bodies[i]);
        if (asker.done != 1 || oldest(false) != NULL || (asker.status != 404 && asker.end == HTTP_ANSWERED))
            fail_msg("%.60s: %d answers, status %d", bodies[i], asker.done, asker.status);
        assert_null(strstr(asker.words, "X-Evil"));
    }
}

/* A header of the server is held to the same. */
static void test_new_tokens(void **unused)
{
    static const struct { const char *token; bool is_taken; } rows[] = {
        { "new.to.ken", true }, { "a b", false }, { "", false }, { NULL, false }, { "x,y", false }, { "caf\xc3\xa9", false },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(account) struct account *account = NULL;
        struct asker asker = { 0 };
        struct http_answer answer = make_answer(200, "{}");
        (void)set_up(NULL);
        account = asker.account = make_account();
        answer.new_token = rows[i].token;
        ask(&asker, "/a");
        welcome_for(3600, 1);
        give(oldest(false), &answer);
        ask(&asker, "/b");
        assert_int_equal(strcmp(oldest(false)->bearer, rows[i].token != NULL ? rows[i].token : "") == 0, rows[i].is_taken);
        answer_request(200);
        assert_int_equal(net.logins, 1);
    }
}

/* No answer of the login is one about documents: what it may become, and that everybody gets one. These say the password back, as a helpful server may: on_done
 * sees to it that it goes no further. */
static void test_logins_that_go_wrong(void **unused)
{
    static const struct { int status; enum http_end end; int told; } rows[] = {
        { 400, HTTP_ANSWERED, 404 }, { 403, HTTP_ANSWERED, 401 }, { 404, HTTP_ANSWERED, 404 }, { 409, HTTP_ANSWERED, 429 }, { 413, HTTP_ANSWERED, 404 },
        { 422, HTTP_ANSWERED, 404 }, { 429, HTTP_ANSWERED, 429 }, { 500, HTTP_ANSWERED, 503 }, { 503, HTTP_ANSWERED, 429 }, { 302, HTTP_ANSWERED, 404 },
        { 0, HTTP_NO_ANSWER, 0 }, { 0, HTTP_NOT_SENT, 0 }, { 200, HTTP_TRUNCATED, 0 }, { 200, HTTP_TOO_LARGE, 0 },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(account) struct account *account = NULL;
        struct asker askers[3];
        struct http_answer answer = make_answer(rows[i].status, "{\"detail\":[{\"msg\":\"no\",\"input\":\"s3cret&=\"}]}");
        (void)set_up(NULL);
        account = make_account();
        answer.end = rows[i].end;
        answer.words = rows[i].end == HTTP_ANSWERED ? "" : "gone";
        for (size_t k = 0; k < 3; k++) {
            askers[k] = (struct asker){ .account = account };
            ask(&askers[k], "/documents/status_counts");
        }
        give(oldest(true), &answer);
        for (size_t k = 0; k < 3; k++)
            if (askers[k].done != 1 || askers[k].status != rows[i].told || (rows[i].told == 0) != (askers[k].end == HTTP_NOT_SENT))
                fail_msg("%d, %d: %d answers of %d, %d", rows[i].status, (int)rows[i].end, askers[k].done, askers[k].status, (int)askers[k].end);
    }
}

/* Handlers that ask anew, requests that are cancelled while they wait, an account that goes away: nobody is called twice, nothing is used after its end. */
static void test_in_the_middle_of_it(void **unused)
{
    struct account *account = make_account();
    struct asker askers[4];
    http_id ids[4];

    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        askers[i] = (struct asker){ .account = account, .again = 2 };
        ids[i] = ask_for_id(&askers[i], "/documents/status_counts");
    }
    http_cancel(account_http(account), ids[1]);
    http_cancel(account_http(account), ids[1]);
    answer_login(500, "{}"); /* all ask again from their handlers: one more login */
    assert_int_equal(askers[0].done + askers[2].done + askers[3].done, 3);
    assert_int_equal(askers[1].done, 0);
    assert_int_equal(net.logins, 2);
    welcome_for(3600, 1);
    answer_request(200);
    net.refuses = true; /* what is asked again cannot be started */
    answer_request(200);
    net.now_ms += 60000;
    answer_request(401); /* nor can the login */
    assert_int_equal(askers[3].end, HTTP_NOT_SENT);
    net.refuses = false;
    for (size_t i = 0; i < 4; i++) {
        askers[i].again = 0;
        ask(&askers[i], "/documents/status_counts");
    }
    account_free(account); /* with a login and requests under way */
    assert_null(oldest(true));
    assert_null(oldest(false));
}

/* ---- What an earlier process was told ---- */

static void keep_refusal(void *owner, const struct account_refusal *refusal)
{
    *(struct account_refusal *)owner = *refusal;
}

static void test_a_refusal_is_kept(void **unused)
{
    AUTO(account) struct account *account = make_account();
    struct asker asker = { .account = account };
    struct account_refusal kept = { 0 };
    struct sink_settings other = settings;

    (void)unused;
    account_on_refusal(account, keep_refusal, &kept);
    ask(&asker, "/documents/status_counts");
    answer_login(503, "{}");
    net.now_ms += 400000;
    ask(&asker, "/documents/status_counts");
    answer_login(403, "{}");
    assert_int_equal(kept.tag, 0); /* these were about no password */
    net.now_ms += 400000;
    net.now_ms += 10000;
    ask(&asker, "/documents/status_counts");
    answer_login(401, "{\"detail\":\"Incorrect credentials\"}");
    assert_int_equal(kept.at_ms, net.now_ms);
    assert_int_equal(kept.tag, account_tag(&settings, 7));
    assert_int_equal(kept.tag >> 16, 7); /* the salt, and 16 bits */
    assert_int_not_equal(account_tag(&settings, 8) & 0xffff, kept.tag & 0xffff);
    other.password = "s3cret&";
    assert_int_not_equal(account_tag(&other, 7), kept.tag);
    other = settings;
    other.username = "jo";
    other.password = "es3cret&=";
    assert_int_not_equal(account_tag(&other, 7), kept.tag);
    assert_int_not_equal(account_tag(&settings, 0), 0);
}

static void test_a_refusal_is_recalled(void **unused)
{
    const int64_t tag = account_tag(&settings, 5);
    const struct { const char *why; int64_t age_ms, tag; bool is_tried; } rows[] = {
        { "just now",                                0,          tag,     false },
        { "almost five minutes ago",                 299999,     tag,     false },
        { "five minutes ago",                        300000,     tag,     true },
        { "tomorrow: the clock was put back",        -86400000,  tag,     true },
        { "another password",                        1000,       tag ^ 1, true },
        { "a value that nobody has written",         1000,       0,       true },
        { "never",                                   CLOCK_MS,   tag,     true },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(account) struct account *account = NULL;
        struct asker asker = { 0 };
        (void)set_up(unused);
        asker.account = account = make_account();
        account_recall(account, &(struct account_refusal){ net.now_ms - rows[i].age_ms, rows[i].tag });
        ask(&asker, "/documents/status_counts");
        if ((net.logins == 1) != rows[i].is_tried)
            fail_msg("%s: %d logins", rows[i].why, net.logins);
        if (rows[i].is_tried)
            continue;
        answer_request(401);
        assert_int_equal(asker.status, 401);
        assert_non_null(strstr(asker.words, "Incorrect credentials at 1970-01-01T00:"));
        assert_non_null(strstr(asker.words, "the same ones are not tried again before 1970-01-01T00:"));
        net.now_ms += 300000 - rows[i].age_ms;
        ask(&asker, "/documents/status_counts");
        assert_int_equal(net.logins, 1); /* only the rest of the five minutes */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_login_for_all_who_wait, set_up),
        cmocka_unit_test_setup(test_every_seventh_request_is_refused, set_up),
        cmocka_unit_test_setup(test_refusals_that_come_late, set_up),
        cmocka_unit_test_setup(test_no_loop_of_refusals, set_up),
        cmocka_unit_test_setup(test_a_wrong_password_is_not_tried_again, set_up),
        cmocka_unit_test_setup(test_ends_that_cannot_be, set_up),
        cmocka_unit_test_setup(test_tokens_that_cannot_be, set_up),
        cmocka_unit_test_setup(test_new_tokens, set_up),
        cmocka_unit_test_setup(test_logins_that_go_wrong, set_up),
        cmocka_unit_test_setup(test_in_the_middle_of_it, set_up),
        cmocka_unit_test_setup(test_a_refusal_is_kept, set_up),
        cmocka_unit_test_setup(test_a_refusal_is_recalled, set_up),
    };
    const struct log_settings quiet = { .level = LOG_OFF, .with_console = true };

    (void)log_open(&quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
