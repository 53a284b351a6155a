#include "engine/account.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

enum {
    HOLD_MS = 5 * 60 * 1000,         /* after a refusal: the server's own lock lasts so long */
    HOLD_LEAST_MS = 1000,
    AGAIN_AFTER_MS = 5 * 1000,       /* a token that is refused so soon is refused for another reason than its age */
    WORDS_SIZE = 400,
    GRAIN_MS = 1000,                 /* both, a token's end and the server's Date, are cut to seconds */
    RENEWAL_AGAIN_MS = 60 * 1000,    /* after a renewal that failed while the old token is still good */
};

/* A request of somebody's, from its start to its end. Reused. */
struct errand {
    struct account *account;
    http_id id;                      /* the one that its owner knows; 0: free */
    http_id inner;                   /* under way; 0: it waits for the login */
    struct http_request request;     /* as it was given */
    struct text bearer;
    const char **headers;            /* the request's, and ours */
    uint64_t token;                  /* which one it went with; 0: none */
    bool is_second;
};

struct account {
    struct http *http;
    const struct world *clock;
    const struct sink_settings *settings;
    const char *name;
    struct http outside;

    struct errand **errands;
    size_t count, capacity;
    http_id last_id;

    struct text token;               /* empty: none */
    uint64_t token_number;           /* counts up with each new one; 0: there was none */
    bool is_needless;                /* the server has no accounts, or had none when it was last asked */
    int64_t got_mono, renew_mono;    /* of the token; INT64_MAX: its end is not known */
    int64_t hold_mono;               /* no login before; meanwhile what the server said of the last one stands for what it says of requests without a token */
    int held_status;
    struct text held_body;
    void (*keep)(void *owner, const struct account_refusal *refusal); /* NULL: nobody */
    void *keeper;

    http_id login;                   /* under way; 0: none */
    struct sink_storage storage;
};

static int64_t now_of(const struct account *account)
{
    return account->clock != NULL ? world_monotonic_ms(account->clock) : clock_monotonic_ms();
}

/* ---- Errands ---- */

static struct errand *find_errand(struct account *account, http_id id)
{
    for (size_t i = 0; i < account->count; i++)
        if (account->errands[i]->id == id)
            return account->errands[i];
    return NULL;
}

static struct errand *take_errand(struct account *account, const struct http_request *request)
{
    struct errand *errand = find_errand(account, 0);

    if (errand == NULL) {
        account->errands = mem_grow(account->errands, account->count, &account->capacity, sizeof *account->errands);
        errand = mem_alloc(sizeof *errand);
        errand->account = account;
        text_init(&errand->bearer, 0);
        account->errands[account->count++] = errand;
    }
    errand->id = ++account->last_id;
    errand->inner = 0;
    errand->request = *request;
    errand->token = 0;
    errand->is_second = false;
    return errand;
}

static void finish(struct errand *errand, const struct http_answer *answer)
{
    http_id id = errand->id;

    errand->id = 0;
    errand->request.on_done(errand->request.owner, id, answer);
}

static const char *words_of(const struct error *err)
{
    return err->message[0] != '\0' ? err->message : "the request could not be made";
}

/* Nothing of it has left. */
static void finish_unsent(struct errand *errand, const char *words, bool is_tls_failure)
{
    const struct http_answer answer = {
        .end = HTTP_NOT_SENT, .is_tls_failure = is_tls_failure, .retry_after_ms = -1, .date_ms = -1, .content_length = -1,
        .content_type = "", .location = "", .body = "", .words = words,
    };

    finish(errand, &answer);
}

static void set_headers(struct errand *errand)
{
    const char *const *given = errand->request.headers;
    size_t count = 0;

    while (given != NULL && given[count] != NULL)
        count++;
    errand->headers = mem_resize(errand->headers, count + 2, sizeof *errand->headers);
    if (count > 0)
        memcpy(errand->headers, given, count * sizeof *errand->headers);
    if (errand->token != 0) {
        text_clear(&errand->bearer);
        (void)text_append(&errand->bearer, "Authorization: Bearer ");
        (void)text_append_bytes(&errand->bearer, errand->account->token.data, errand->account->token.size);
        errand->headers[count++] = errand->bearer.data;
    }
    errand->headers[count] = NULL;
}

static void on_answer(void *owner, http_id id, const struct http_answer *answer);

static int send_errand(struct errand *errand, struct error *err)
{
    struct account *account = errand->account;
    struct http_request request = errand->request;

    errand->token = account->token.size > 0 ? account->token_number : 0;
    set_headers(errand);
    request.headers = errand->headers;
    request.owner = errand;
    request.on_done = on_answer;
    return http_start(account->http, &request, &errand->inner, err);
}

/* In a handler, where nobody is there to take an error. */
static void send_or_finish(struct errand *errand)
{
    struct error err = { 0 };

    if (send_errand(errand, &err) < 0)
        finish_unsent(errand, words_of(&err), false);
}

/* ---- Tokens ---- */

static void keep_token(struct account *account, const char *token, int64_t expires_ms, int64_t date_ms)
{
    int64_t now = now_of(account);
    int64_t life = expires_ms >= 0 && date_ms >= 0 ? expires_ms - date_ms : -1;

    text_clear(&account->token);
    (void)text_append(&account->token, token);
    account->token_number++;
    account->is_needless = false;
    account->got_mono = now;
    account->renew_mono = life <= GRAIN_MS ? INT64_MAX : now + (life - GRAIN_MS) / 5 * 4;
}

static bool wants_login(const struct account *account)
{
    if (now_of(account) < account->hold_mono || account->is_needless)
        return false;
    return account->token.size == 0 || now_of(account) >= account->renew_mono;
}

/* ---- The login ---- */

static bool is_open_to_all(const struct errand *errand)
{
    static const char path[] = "/health";
    size_t size = strlen(errand->request.url);

    return size >= sizeof path - 1 && strcmp(errand->request.url + size - (sizeof path - 1), path) == 0;
}

/* As an answer to a request that was never sent. What would speak of its documents (400, 422) or of doubt must not be said. body: room for its words. */
static struct http_answer refusal_of(const struct http_answer *login, const struct sink_verdict *verdict, const char *words, struct text *body)
{
    static const struct { enum sink_scope scope; int status; } statuses[] = {
        { SINK_DENIED, 401 }, { SINK_BUSY, 429 }, { SINK_FAILING, 503 }, { SINK_STRANGE, 404 }, { SINK_WELL, 401 },
    };
    struct http_answer answer = *login;

    answer.new_token = "";
    answer.end = HTTP_NOT_SENT;
    answer.status = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        if (statuses[i].scope == verdict->scope) {
            answer.end = HTTP_ANSWERED;
            answer.status = statuses[i].status;
        }
    answer.words = answer.end == HTTP_NOT_SENT ? words : "";
    if (verdict->scope != SINK_DENIED) {
        (void)text_append(body, "{\"detail\":\"the login was refused: ");
        json_escape(body, verdict->words, strlen(verdict->words));
        (void)text_append(body, "\"}");
        answer.body = body->data;
        answer.body_size = body->size;
    }
    return answer;
}

/* Those that wait now; handlers may bring new ones, which have higher numbers. */
static void end_waiting(struct account *account, const struct http_answer *refusal)
{
    http_id last = account->last_id;

    for (size_t i = 0; i < account->count; i++) {
        struct errand *errand = account->errands[i];
        if (errand->id == 0 || errand->id > last || errand->inner != 0)
            continue;
        if (refusal == NULL || is_open_to_all(errand))
            send_or_finish(errand);
        else
            finish(errand, refusal);
    }
}

/* ---- What other processes were told ---- */

enum { TAG_BITS = 16 }; /* with fewer a password that was just corrected would now and then not be tried */

int64_t account_tag(const struct sink_settings *settings, uint32_t salt)
{
    AUTO_DONE(text) struct text bytes = { 0 };
    uint8_t digest[SHA256_SIZE];

    text_init(&bytes, 0);
    salt = salt != 0 ? salt : 1;
    (void)text_append_format(&bytes, "%08x ", (unsigned)salt);
    (void)text_append_bytes(&bytes, settings->username, strlen(settings->username) + 1); /* its end is no part of a password */
    (void)text_append(&bytes, settings->password);
    sha256_of(bytes.data, bytes.size, digest);
    explicit_bzero(bytes.data, bytes.size);
    return (int64_t)salt << TAG_BITS | digest[0] << 8 | digest[1];
}

void account_on_refusal(struct account *account, void (*keep)(void *owner, const struct account_refusal *refusal), void *owner)
{
    account->keep = keep;
    account->keeper = owner;
}

/* A clock that was put back says nothing: at most one more try. */
void account_recall(struct account *account, const struct account_refusal *refusal)
{
    int64_t passed = world_wall_ms(account->clock) - refusal->at_ms;
    char then[TIME_TEXT_SIZE];
    char again[TIME_TEXT_SIZE];

    if (!account_is_used(account->settings) || refusal->at_ms == 0 || passed < 0 || passed >= HOLD_MS ||
        account_tag(account->settings, (uint32_t)(refusal->tag >> TAG_BITS)) != refusal->tag)
        return;
    time_text_rfc3339(refusal->at_ms / 1000 * 1000, then);
    time_text_rfc3339((refusal->at_ms + HOLD_MS) / 1000 * 1000, again);
    account->hold_mono = now_of(account) + HOLD_MS - passed;
    account->held_status = 401;
    text_clear(&account->held_body);
    (void)text_append_format(&account->held_body, "{\"detail\":\"Incorrect credentials at %s; the same ones are not tried again before %s\"}", then, again);
}

static void tell_keeper(const struct account *account)
{
    struct account_refusal refusal;

    if (account->keep == NULL)
        return;
    refusal.at_ms = world_wall_ms(account->clock);
    refusal.tag = account_tag(account->settings, (uint32_t)account->clock->random(account->clock->self));
    account->keep(account->keeper, &refusal);
}

static void hold(struct account *account, const struct sink_verdict *verdict, const struct http_answer *refusal)
{
    int64_t wait = 0;

    if (verdict->scope == SINK_DENIED) {
        wait = HOLD_MS;
        if (verdict->status == 401) /* 403 is a proxy's, about something else */
            tell_keeper(account);
    }
    if (verdict->retry_after_ms >= 0 && verdict->scope != SINK_WELL)
        wait = verdict->retry_after_ms > HOLD_LEAST_MS ? verdict->retry_after_ms : HOLD_LEAST_MS;
    if (wait == 0)
        return;
    account->hold_mono = now_of(account) + wait;
    account->held_status = refusal->status;
    text_clear(&account->held_body);
    (void)text_append_bytes(&account->held_body, refusal->body, refusal->body_size);
}

static void finish_as_held(struct errand *errand, const struct http_answer *answer)
{
    struct account *account = errand->account;
    struct http_answer held = *answer;

    held.status = account->held_status;
    held.body = account->held_body.data;
    held.body_size = account->held_body.size;
    if (held.status == 429 || held.status == 503)
        held.retry_after_ms = account->hold_mono - now_of(account);
    finish(errand, &held);
}

static void fail_login(struct account *account, const struct http_answer *login, const struct sink_verdict *verdict)
{
    AUTO_DONE(text) struct text body = { 0 };
    char words[WORDS_SIZE];
    struct http_answer refusal;

    text_init(&body, 0);
    (void)snprintf(words, sizeof words, "the login was not answered: %s", login->words);
    log_debug("target", account->name, "cannot log in as %s: %s", account->settings->username, verdict->words);
    refusal = refusal_of(login, verdict, words, &body);
    hold(account, verdict, &refusal);
    if (account->token.size > 0) { /* it was to be renewed, and is still good */
        account->renew_mono = now_of(account) + RENEWAL_AGAIN_MS;
        end_waiting(account, NULL);
        return;
    }
    end_waiting(account, &refusal);
}

/* A server that says the password back: nothing of its words is repeated. */
static struct http_answer without_password(const struct account *account, const struct http_answer *answer)
{
    const char *password = account->settings->password;
    struct http_answer clean = *answer;

    if (memmem(answer->body, answer->body_size, password, strlen(password)) != NULL) {
        clean.body = "";
        clean.body_size = 0;
    }
    return clean;
}

static void on_login(void *owner, http_id id, const struct http_answer *answer)
{
    struct account *account = owner;
    struct http_answer refusal;
    AUTO_DONE(text) struct text token = { 0 };
    struct sink_login login;
    struct sink_verdict verdict;

    (void)id;
    account->login = 0;
    text_init(&token, 0);
    if (!sink_read_login(answer, &token, &login, &verdict)) {
        refusal = without_password(account, answer);
        (void)sink_read_login(&refusal, &token, &login, &verdict);
        fail_login(account, &refusal, &verdict);
        return;
    }
    if (login.is_needless) {
        account->is_needless = true;
        text_clear(&account->token);
    } else {
        keep_token(account, token.data, login.expires_ms, answer->date_ms);
    }
    log_debug("target", account->name, login.is_needless ? "LightRAG has no accounts: none is used" : "logged in as %s", account->settings->username);
    end_waiting(account, NULL);
}

static int begin_login(struct account *account, struct error *err)
{
    struct http_request request = { 0 };

    if (account->login != 0)
        return 0;
    sink_request_login(account->settings, &account->storage, &request);
    request.owner = account;
    request.on_done = on_login;
    return http_start(account->http, &request, &account->login, err);
}

/* ---- Answers ---- */

static bool may_log_in_again(const struct errand *errand)
{
    const struct account *account = errand->account;
    int64_t now = now_of(account);

    if (errand->is_second || now < account->hold_mono)
        return false;
    return errand->token == 0 || errand->token != account->token_number || now - account->got_mono >= AGAIN_AFTER_MS;
}

/* The server refused it unread: what it carried is nowhere. */
static void repeat(struct errand *errand)
{
    struct account *account = errand->account;
    struct error err = { 0 };

    errand->is_second = true;
    if (errand->token == 0)
        account->is_needless = false;
    if (errand->token == account->token_number)
        text_clear(&account->token);
    if (account->token.size > 0)
        send_or_finish(errand);
    else if (begin_login(account, &err) < 0)
        finish_unsent(errand, words_of(&err), false);
}

static void on_answer(void *owner, http_id id, const struct http_answer *answer)
{
    struct errand *errand = owner;
    struct account *account = errand->account;

    (void)id;
    errand->inner = 0;
    if (answer->end == HTTP_ANSWERED && answer->status == 401 && may_log_in_again(errand)) {
        repeat(errand);
        return;
    }
    if (answer->end == HTTP_ANSWERED && answer->status == 401 && errand->token == 0 && now_of(account) < account->hold_mono) {
        finish_as_held(errand, answer);
        return;
    }
    if (answer->new_token != NULL && sink_is_token(answer->new_token) && errand->token != 0 && errand->token == account->token_number)
        keep_token(account, answer->new_token, sink_token_expires_ms(answer->new_token), answer->date_ms);
    finish(errand, answer);
}

/* ---- The network as others see it ---- */

static int start(void *self, const struct http_request *request, http_id *ret_id, struct error *err)
{
    struct account *account = self;
    struct errand *errand;
    int result;

    if (request->on_data != NULL)
        return error_set(err, ERROR_FAILED, "%s: with an account an answer is not read in pieces", request->url);
    errand = take_errand(account, request);
    result = wants_login(account) || account->login != 0 ? begin_login(account, err) : send_errand(errand, err);
    if (result < 0) {
        errand->id = 0;
        return -1;
    }
    *ret_id = errand->id;
    return 0;
}

static void pause_errand(void *self, http_id id, bool paused)
{
    struct errand *errand = find_errand(self, id);
    struct account *account = self;

    if (errand != NULL && errand->inner != 0)
        http_pause(account->http, errand->inner, paused);
}

static void cancel(void *self, http_id id)
{
    struct errand *errand = id != 0 ? find_errand(self, id) : NULL;
    struct account *account = self;

    if (errand == NULL)
        return;
    if (errand->inner != 0)
        http_cancel(account->http, errand->inner);
    errand->id = 0;
    errand->inner = 0;
}

static int poll_inside(void *self, int64_t until_ms, struct error *err)
{
    struct account *account = self;

    return http_poll(account->http, until_ms, err);
}

static void wake(void *self)
{
    struct account *account = self;

    http_wake(account->http);
}

struct account *account_new(struct http *http, const struct world *clock, const struct sink_settings *settings, const char *name)
{
    struct account *account = mem_alloc(sizeof *account);

    account->http = http;
    account->clock = clock;
    account->settings = settings;
    account->name = name;
    account->outside = (struct http){ .self = account, .start = start, .pause = pause_errand, .cancel = cancel, .poll = poll_inside, .wake = wake };
    account->hold_mono = INT64_MIN;
    text_init(&account->token, 0);
    text_init(&account->held_body, 0);
    sink_storage_init(&account->storage);
    return account;
}

void account_free(struct account *account)
{
    if (account == NULL)
        return;
    if (account->login != 0)
        http_cancel(account->http, account->login);
    for (size_t i = 0; i < account->count; i++) /* all of them, before the first one is freed: they are looked for among each other */
        cancel(account, account->errands[i]->id);
    for (size_t i = 0; i < account->count; i++) {
        text_done(&account->errands[i]->bearer);
        mem_free(account->errands[i]->headers);
        mem_free(account->errands[i]);
    }
    mem_free(account->errands);
    text_done(&account->token);
    text_done(&account->held_body);
    sink_storage_done(&account->storage);
    mem_free(account);
}

struct http *account_http(struct account *account)
{
    return account_is_used(account->settings) ? &account->outside : account->http;
}
