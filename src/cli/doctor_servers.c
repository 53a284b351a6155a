/* doctor_servers.c - what the answers of a Memory API or a LightRAG server say about it. */
#include "cli/doctor.h"

#include "base/mem.h"
#include "base/time_text.h"
#include "engine/account.h"

#include <stdlib.h>
#include <string.h>

#define SKEW_MS ((int64_t)60 * 1000)
#define DAY_MS ((int64_t)24 * 3600 * 1000)
enum { CERTIFICATE_DAYS = 14 /* whoever renews by a machine does it earlier */ };

static const struct doctor_server *server_of(const void *facts)
{
    return facts;
}

static bool is_unsent_at(const struct doctor_server *server, enum http_stage stage)
{
    return server->contact->end == HTTP_NOT_SENT && server->contact->stage == stage;
}

/* ---- The way there ---- */

static void judge_name(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);
    const struct probe_contact *contact = server->contact;
    bool has_proxy = server->trust != NULL && server->trust->proxy != NULL && server->trust->proxy[0] != '\0';

    if (!contact->is_asked) {
        doctor_fail(finding, ERROR_CONFIG, "%s cannot be asked: %s", server->url, contact->words);
        doctor_fix(finding, "correct the settings of %s", server->section);
    } else if (is_unsent_at(server, HTTP_STAGE_NAME)) {
        doctor_fail(finding, ERROR_UNREACHABLE, "%s (%s)", contact->words, server->url);
        doctor_fix(finding, "correct the host in %s%s.url, or make it known to the name service of this machine", has_proxy ? "http.proxy or " : "",
                   server->section);
    } else if (contact->address[0] != '\0' && strstr(server->url, contact->address) == NULL) {
        doctor_say(finding, DOCTOR_OK, "%s is at %s%s", server->url, contact->address, has_proxy ? ", a proxy" : "");
    } else {
        doctor_say(finding, DOCTOR_OK, "%s", server->url);
    }
}

static void judge_connection(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);

    if (!is_unsent_at(server, HTTP_STAGE_CONNECTION)) {
        doctor_say(finding, DOCTOR_OK, "connected");
        return;
    }
    doctor_fail(finding, ERROR_UNREACHABLE, "%s", server->contact->words);
    doctor_fix(finding, "start the server, or correct host and port in %s.url; a firewall between the two may be in the way, too", server->section);
}

static bool has_tls(const void *facts)
{
    return strncmp(server_of(facts)->url, "https:", 6) == 0;
}

/* By our own words (base/http_client_end.c). */
static void say_tls_fix(const struct doctor_server *server, struct doctor_finding *finding)
{
    static const struct { const char *words, *fix; } rows[] = {
        { "has expired", "renew the certificate at the server" },
        { "not valid yet", "set the clocks of both machines right" },
        { "another name", "use the name that stands in the certificate as host of the url, or get a certificate for this one" },
        { "not trusted", "put the certificate of its CA into a file and name that in http.ca_file" },
        { "does not speak TLS", "write http:// instead of https:// in the url, or turn TLS on at the server" },
        { "CA file", "correct http.ca_file: a file of PEM certificates that this user may read" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strstr(server->contact->words, rows[i].words) != NULL) {
            doctor_fix(finding, "%s (%s.url)", rows[i].fix, server->section);
            return;
        }
    doctor_fix(finding, "see whether the server speaks TLS there at all (else write http:// into %s.url), and at least TLS 1.2", server->section);
}

static void judge_certificate(const struct doctor_server *server, struct doctor_finding *finding)
{
    int64_t left_ms = server->contact->certificate_ms - server->contact->seen_ms;
    long long days = (long long)(left_ms / DAY_MS);
    char date[TIME_TEXT_SIZE];

    time_text_rfc3339(server->contact->certificate_ms, date);
    date[strcspn(date, "T")] = '\0';
    if (server->contact->certificate_ms == 0) {
        doctor_say(finding, DOCTOR_OK, "the certificate is trusted (this TLS library does not tell when it ends)");
    } else if (left_ms < CERTIFICATE_DAYS * DAY_MS) {
        if (left_ms < 0)
            doctor_say(finding, DOCTOR_WARN, "the certificate has expired (%s)", date);
        else if (days == 0)
            doctor_say(finding, DOCTOR_WARN, "the certificate ends in less than a day (%s)", date);
        else
            doctor_say(finding, DOCTOR_WARN, "the certificate ends in %lld day%s (%s)", days, days == 1 ? "" : "s", date);
        doctor_fix(finding, "renew the certificate at the server");
    } else {
        doctor_say(finding, DOCTOR_OK, "the certificate is trusted, for %lld more days (%s)", days, date);
    }
}

static void judge_tls(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);

    if (is_unsent_at(server, HTTP_STAGE_TLS)) {
        doctor_fail(finding, ERROR_UNREACHABLE, "%s", server->contact->words);
        say_tls_fix(server, finding);
        return;
    }
    judge_certificate(server, finding);
    if (server->trust != NULL && server->trust->insecure && finding->result == DOCTOR_OK) {
        doctor_say(finding, DOCTOR_WARN, "the certificate is not looked at: anybody on the way can read and change what is sent");
        doctor_fix(finding, "put the certificate of its CA into http.ca_file, and set http.insecure: false");
    }
}

/* ---- What answers there ---- */

static enum error_kind kind_of_scope(enum sink_scope scope)
{
    return scope == SINK_DENIED ? ERROR_DENIED : scope == SINK_BUSY ? ERROR_LATER : ERROR_UNREACHABLE; /* as a sync ends */
}

/* A question to LightRAG that had no good answer, for another reason than its key. */
static void fail_question(const struct doctor_server *server, enum probe_question question, struct doctor_finding *finding)
{
    static const char *const fixes[] = {
        [SINK_WELL] = "", [SINK_BUSY] = "wait: it says that it has no time now", [SINK_DENIED] = "see what stands between here and LightRAG: it wants a key of its own",
        [SINK_NOT_SENT] = "see whether the server still runs", [SINK_SILENT] = "see LightRAG's log, and what stands between here and there",
        [SINK_FAILING] = "see LightRAG's log, or that of the proxy before it", [SINK_STRANGE] = "put the address of LightRAG's API in; GET /health must answer there",
    };
    const struct sink_verdict *verdict = &server->target->verdicts[question];

    doctor_fail(finding, kind_of_scope(verdict->scope), "%s", server->target->answers > question ? verdict->words : "it was not asked");
    doctor_fix(finding, "%s (%s.url)", fixes[verdict->scope], server->section);
}

static void judge_health(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);

    if (server->target->verdicts[PROBE_HEALTH].scope == SINK_WELL)
        doctor_say(finding, DOCTOR_OK, "it is LightRAG");
    else
        fail_question(server, PROBE_HEALTH, finding);
}

static const struct source_verdict *first_verdict(const struct doctor_server *server)
{
    return &server->source->contexts[0].verdict;
}

static void judge_listing(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);
    const struct source_verdict *verdict = first_verdict(server);

    if (server->contact->status == 0) {
        doctor_fail(finding, ERROR_UNREACHABLE, "%s", server->contact->words);
        doctor_fix(finding, "see the server's log, and whether another program has its port (%s.url)", server->section);
    } else if (verdict->outcome == SOURCE_STRANGE) {
        doctor_fail(finding, ERROR_UNREACHABLE, "%s", verdict->words);
        doctor_fix(finding, "put the address of the Memory API in; GET /memory/CONTEXT must answer there (%s.url)", server->section);
    } else if (verdict->outcome == SOURCE_AGAIN) {
        doctor_fail(finding, ERROR_UNREACHABLE, "%s", verdict->words);
        doctor_fix(finding, verdict->status == 429 ? "wait: it refuses by a rate limit" : "see the log of the Memory API, or of the proxy before it");
    } else {
        doctor_say(finding, DOCTOR_OK, "it answers (HTTP %d)", verdict->status);
    }
}

static void judge_clock(const void *facts, struct doctor_finding *finding)
{
    const struct probe_contact *contact = server_of(facts)->contact;
    int64_t skew = contact->date_ms - contact->seen_ms;
    char words[TIME_TEXT_SIZE];

    if (contact->date_ms < 0) {
        doctor_say(finding, DOCTOR_OK, "the server does not tell its time");
        return;
    }
    if (skew > -SKEW_MS && skew < SKEW_MS) {
        doctor_say(finding, DOCTOR_OK, "it agrees with the one here");
        return;
    }
    time_text_duration(skew < 0 ? -skew : skew, words);
    doctor_say(finding, DOCTOR_WARN, "the server's clock is %s %s the one here", words, skew < 0 ? "behind" : "ahead of");
    doctor_fix(finding, "set the wrong one right (timedatectl set-ntp true)");
}

/* ---- Keys and contexts ---- */

/* 401: an account is wanted; 403: a key. */
static void fail_target_key(const struct doctor_server *server, struct doctor_finding *finding)
{
    const struct sink_settings *sink = &server->target->target->sink;
    int status = server->target->verdicts[PROBE_COUNTS].status;

    if (account_is_used(sink)) {
        doctor_fail(finding, ERROR_DENIED, "LightRAG refuses the account \"%s\" (HTTP %d)", sink->username, status);
        doctor_fix(finding, "correct %s.username and %s.password; after five wrong tries LightRAG locks the account for five minutes", server->section,
                   server->section);
    } else if (status == 401) {
        doctor_fail(finding, ERROR_DENIED, "LightRAG wants an account (HTTP 401), and none is given");
        doctor_fix(finding, "set %s.username and %s.password to one of its AUTH_ACCOUNTS", server->section, server->section);
    } else if (sink->api_key[0] == '\0') {
        doctor_fail(finding, ERROR_DENIED, "LightRAG wants a key (HTTP %d), and none is given", status);
        doctor_fix(finding, "set %s.api_key to its LIGHTRAG_API_KEY", server->section);
    } else {
        doctor_fail(finding, ERROR_DENIED, "LightRAG refuses the key (HTTP %d)", status);
        doctor_fix(finding, "set %s.api_key to its LIGHTRAG_API_KEY", server->section);
    }
}

static void judge_target_key(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);
    const struct sink_settings *sink = &server->target->target->sink;
    enum sink_scope scope = server->target->verdicts[PROBE_COUNTS].scope;

    if (server->target->answers <= PROBE_COUNTS)
        doctor_say(finding, DOCTOR_SKIPPED, "not asked");
    else if (scope == SINK_DENIED)
        fail_target_key(server, finding);
    else if (scope != SINK_WELL)
        fail_question(server, PROBE_COUNTS, finding);
    else if (account_is_used(sink))
        doctor_say(finding, DOCTOR_OK, "the account \"%s\" is accepted", sink->username);
    else
        doctor_say(finding, DOCTOR_OK, sink->api_key[0] != '\0' ? "it is accepted" : "none is wanted");
}

static void fail_source_key(const struct doctor_server *server, int status, const char *context, struct doctor_finding *finding)
{
    bool has_key = server->source->source->endpoint.api_key[0] != '\0';

    doctor_fail(finding, ERROR_DENIED, "the Memory API %s for context \"%s\" (HTTP %d)%s", has_key ? "refuses the key" : "wants a key", context, status,
                has_key ? "" : ", and none is given");
    doctor_fix(finding, "set %s.api_key to a key that may read this context", server->section);
}

static void judge_source_key(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);

    if (first_verdict(server)->outcome == SOURCE_DENIED)
        fail_source_key(server, first_verdict(server)->status, server->source->contexts[0].id, finding);
    else
        doctor_say(finding, DOCTOR_OK, server->source->source->endpoint.api_key[0] != '\0' ? "it is accepted" : "none is wanted");
}

static const char *owner_of(const struct doctor_server *server, const char *context)
{
    for (size_t i = 0; i < server->connector_count; i++)
        for (size_t k = 0; k < server->connectors[i]->context_count; k++)
            if (strcmp(server->connectors[i]->contexts[k], context) == 0)
                return server->connectors[i]->id;
    return "its connector";
}

static void judge_context(const struct doctor_server *server, const struct probe_context *context, struct doctor_finding *finding)
{
    const struct source_verdict *verdict = &context->verdict;

    if (!context->is_asked) {
        doctor_say(finding, DOCTOR_SKIPPED, "\"%s\" was not asked for, after what went wrong before", context->id);
    } else if (verdict->outcome == SOURCE_COMPLETE) {
        doctor_say(finding, DOCTOR_OK, "\"%s\" is known", context->id);
    } else if (verdict->outcome == SOURCE_NO_CONTEXT) {
        doctor_fail(finding, ERROR_CONFIG, "the Memory API does not know context \"%s\" (HTTP %d)", context->id, verdict->status);
        doctor_fix(finding, "correct the context of connector %s; where all are unknown, %s.url", owner_of(server, context->id), server->section);
    } else if (verdict->outcome == SOURCE_DENIED) {
        fail_source_key(server, verdict->status, context->id, finding);
    } else {
        doctor_fail(finding, verdict->outcome == SOURCE_PARTIAL ? ERROR_FAILED : ERROR_UNREACHABLE, "%s", verdict->words);
        doctor_fix(finding, "see the log of the Memory API, and what stands between here and there");
    }
}

/* ---- LightRAG by itself ---- */

static void judge_version(const void *facts, struct doctor_finding *finding)
{
    const struct sink_health *health = &server_of(facts)->target->health;

    if (health->dialect == SINK_15) {
        doctor_say(finding, DOCTOR_OK, "LightRAG %s", health->version);
    } else if (health->dialect == SINK_14) {
        doctor_say(finding, DOCTOR_WARN, "LightRAG %s: a crash of that version can leave a storage that does not start again, and it takes doubles in rare cases",
                   health->version);
        doctor_fix(finding, "use LightRAG 1.5 there");
    } else {
        doctor_fail(finding, ERROR_UNREACHABLE, "LightRAG %s is not known to this release (1.4 and 1.5 are): nothing is sent", health->version);
        doctor_fix(finding, "use LightRAG 1.5 there, or a newer memory-connector");
    }
}

static void judge_workspace(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);
    const struct sink_health *health = &server->target->health;
    const char *wanted = server->target->target->workspace;

    if (!health->has_workspace && wanted[0] != '\0') {
        doctor_fail(finding, ERROR_CONFIG, "LightRAG does not tell its workspace, configured is \"%s\": nothing is sent", wanted);
        doctor_fix(finding, "clear %s.workspace to send anyway", server->section);
    } else if (wanted[0] != '\0' && strcmp(wanted, health->workspace) != 0) {
        doctor_fail(finding, ERROR_CONFIG, "LightRAG serves workspace \"%s\", configured is \"%s\": nothing is sent", health->workspace, wanted);
        doctor_fix(finding, "correct %s.workspace, or %s.url", server->section, server->section);
    } else if (wanted[0] == '\0' && health->has_workspace && server->known_workspace != NULL && strcmp(server->known_workspace, health->workspace) != 0) {
        doctor_fail(finding, ERROR_CONFIG, "LightRAG serves workspace \"%s\" here now, before it was \"%s\": nothing is sent", health->workspace,
                    server->known_workspace);
        doctor_fix(finding, "bring the old one back; or, if it is meant, memory-connector verify --accept-target --repair");
    } else if (!health->has_workspace) {
        doctor_say(finding, DOCTOR_OK, "not told, and any is taken");
    } else {
        doctor_say(finding, DOCTOR_OK, wanted[0] != '\0' ? "\"%s\", as configured" : "\"%s\" (any is taken)", health->workspace);
    }
}

static void judge_admission(const void *facts, struct doctor_finding *finding)
{
    const struct doctor_server *server = server_of(facts);
    const struct probe_target *target = server->target;

    if (target->answers <= PROBE_PIPELINE) {
        doctor_say(finding, DOCTOR_SKIPPED, "not asked");
    } else if (target->verdicts[PROBE_PIPELINE].scope != SINK_WELL) {
        fail_question(server, PROBE_PIPELINE, finding);
    } else if (target->pipeline.recovery_required) {
        doctor_fail(finding, ERROR_LATER, "LightRAG takes nothing until it is recovered: a clear or delete did not end");
        doctor_fix(finding, "see LightRAG's log; when that is mended, POST %s/documents/recovery/force_reset", server->url);
    } else if (target->pipeline.is_fenced) {
        doctor_say(finding, DOCTOR_WARN, "LightRAG clears, deletes or scans now and takes nothing meanwhile");
        doctor_fix(finding, "wait: that passes, and what is queued is sent then");
    } else if (target->counts.unfinished >= target->target->max_unfinished) {
        doctor_say(finding, DOCTOR_WARN, "%lld documents there are not processed yet: sending pauses (insert.max_unfinished is %d)", (long long)target->counts.unfinished,
                   target->target->max_unfinished);
        doctor_fix(finding, "wait; where the number does not fall, see LightRAG's log: most often its model does not answer");
    } else if (target->pipeline.busy) {
        doctor_say(finding, DOCTOR_OK, "it is processing (%lld to go): inserts are taken, removals wait until it is idle",
                   (long long)target->counts.unfinished);
    } else {
        doctor_say(finding, DOCTOR_OK, "it is idle and takes documents");
    }
}

/* ---- The tables ---- */

enum { NAME, CONNECTION, TLS, ANSWER, CLOCK, KEY, VERSION, WORKSPACE, ADMISSION };
enum { THERE = DOCTOR_NEEDS(NAME) | DOCTOR_NEEDS(CONNECTION) | DOCTOR_NEEDS(TLS) };

static const struct doctor_check source_checks[] = {
    [NAME] = { "name", 0, NULL, judge_name },
    [CONNECTION] = { "connection", DOCTOR_NEEDS(NAME), NULL, judge_connection },
    [TLS] = { "tls", DOCTOR_NEEDS(NAME) | DOCTOR_NEEDS(CONNECTION), has_tls, judge_tls },
    [ANSWER] = { "answer", THERE, NULL, judge_listing },
    [CLOCK] = { "clock", THERE | DOCTOR_NEEDS(ANSWER), NULL, judge_clock },
    [KEY] = { "key", THERE | DOCTOR_NEEDS(ANSWER), NULL, judge_source_key },
};

static const struct doctor_check target_checks[] = {
    [NAME] = { "name", 0, NULL, judge_name },
    [CONNECTION] = { "connection", DOCTOR_NEEDS(NAME), NULL, judge_connection },
    [TLS] = { "tls", DOCTOR_NEEDS(NAME) | DOCTOR_NEEDS(CONNECTION), has_tls, judge_tls },
    [ANSWER] = { "answer", THERE, NULL, judge_health },
    [CLOCK] = { "clock", THERE | DOCTOR_NEEDS(ANSWER), NULL, judge_clock },
    [KEY] = { "key", THERE | DOCTOR_NEEDS(ANSWER), NULL, judge_target_key },
    [VERSION] = { "version", THERE | DOCTOR_NEEDS(ANSWER), NULL, judge_version },
    [WORKSPACE] = { "workspace", THERE | DOCTOR_NEEDS(ANSWER) | DOCTOR_NEEDS(KEY), NULL, judge_workspace }, /* told only to who has the key */
    [ADMISSION] = { "admission", THERE | DOCTOR_NEEDS(ANSWER) | DOCTOR_NEEDS(KEY), NULL, judge_admission },
};

void doctor_judge_source(struct doctor *doctor, const struct doctor_server *server)
{
    const char *name = server->source->source->name;
    unsigned bad = doctor_run(doctor, "source", name, source_checks, ARRAY_LENGTH(source_checks), server);

    for (size_t i = 0; i < server->source->context_count; i++) {
        struct doctor_finding *finding = doctor_add(doctor, "source", name, "context");
        if (bad & (THERE | DOCTOR_NEEDS(ANSWER) | DOCTOR_NEEDS(KEY)))
            doctor_say(finding, DOCTOR_SKIPPED, "\"%s\": not looked at after what failed above", server->source->contexts[i].id);
        else
            judge_context(server, &server->source->contexts[i], finding);
    }
}

void doctor_judge_target(struct doctor *doctor, const struct doctor_server *server)
{
    (void)doctor_run(doctor, "target", server->target->target->name, target_checks, ARRAY_LENGTH(target_checks), server);
}
