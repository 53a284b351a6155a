/* alerts.h - when a person should be told: pure decisions, the texts, and the signature; engine/service_alerts.c keeps and delivers them.
 *
 * Each connector has four troubles. A trouble is raised once, and told again only after it was over ("recovered"); dead letters are told again when
 * more of them than the limit have come since. What was told is kept in the state (struct alert_row), so a restart tells nothing twice.
 *
 * Delivery is an HTTP POST signed as Standard Webhooks (www.standardwebhooks.com): webhook-id, webhook-timestamp, webhook-signature "v1," + base64 of
 * HMAC-SHA256 over "id.timestamp.body" with the bytes of the secret "whsec_" + base64. Every try has the same id. */
#ifndef MC_ENGINE_ALERTS_H
#define MC_ENGINE_ALERTS_H

#include "base/error.h"
#include "base/http.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum alert_cause {
    ALERT_FAILURES = 1,            /* so many runs in a row failed */
    ALERT_NO_SYNC = 2,             /* no run went well for so long, though a schedule should have run it */
    ALERT_DEAD_LETTERS = 3,        /* so many more dead letters */
    ALERT_STUCK = 4,               /* a memory is neither proven nor given up for so long */
    ALERT_CAUSES = 5
};
const char *alert_cause_name(enum alert_cause cause); /* "consecutive_failures", as in monitoring.alerts.alert_on */

struct alert_settings {
    const char *url, *secret;      /* of the webhook */
    const struct http_trust *trust;
    int64_t failures, no_sync_ms, dead_letters, stuck_ms; /* limits; 0: that trouble is not told */
};

/* How a connector stands. */
struct alert_facts {
    int64_t now_ms, started_ms;    /* of the program */
    int64_t failures;              /* in a row */
    bool should_run;               /* a schedule runs it, and nobody paused or disabled it */
    int64_t last_success_ms;       /* 0: never */
    int64_t dead_letters;          /* open ones */
    int64_t oldest_ms;             /* when the oldest unsettled memory came; 0: none */
};

/* What was told of one trouble. */
struct alert_standing {
    bool is_raised;
    int64_t value;                 /* FAILURES, DEAD_LETTERS: how many there were; NO_SYNC, STUCK: since when */
    int64_t since_ms, told_ms;
};

enum alert_verdict {
    ALERT_SILENCE,                 /* *standing is as it was */
    ALERT_NOTE,                    /* *standing changed, and nobody need know */
    ALERT_RAISED, ALERT_RECOVERED  /* *standing changed: to be told */
};
enum alert_verdict alert_judge(enum alert_cause cause, const struct alert_settings *settings, const struct alert_facts *facts, struct alert_standing *standing);

/* One sentence for people, and the JSON of a message with it; verdict RAISED or RECOVERED. */
void alert_describe(char *out, size_t room, const char *connector, enum alert_cause cause, enum alert_verdict verdict, const struct alert_settings *settings,
                    const struct alert_standing *standing);
void alert_write(struct text *out, const char *name, const char *connector, enum alert_cause cause, enum alert_verdict verdict,
                 const struct alert_settings *settings, const struct alert_standing *standing);

/* When to try again after so many tries that failed: 5 s doubled up to an hour; -1: given up, three days after it was told. */
int64_t alert_retry_ms(int tries, int64_t told_ms, int64_t now_ms);

/* -1 (ERROR_CONFIG): not "whsec_" and base64 of 16 to 64 bytes. The message does not quote it. */
int alert_check_secret(const char *secret, struct error *err);
/* "v1,..." for the header webhook-signature. The secret was checked. */
void alert_sign(const char *secret, const char *name, int64_t timestamp_s, const char *body, size_t size, struct text *ret_signature);

#endif
