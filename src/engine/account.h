/* account.h - a target's network with our account in it: for whoever sends a request through account_http it is as if the server had no accounts.
 *
 * Before the first request, and when four fifths of a token's life are over, it logs in; what is sent meanwhile waits for that. A 401 makes it log in and send
 * the request again, once: the server refused it unread, so nothing can be doubled. Where a login is refused, no other is tried for five minutes (the server
 * locks an account out after five wrong passwords) or for as long as the server says, and requests get that refusal as their own answer. /health is open to
 * everybody and goes out without a token when there is none. One thread.
 *
 * What was refused in an earlier process is recalled, so that a sync every minute does not lock the account either. It is known by a tag: 16 bits of a salted
 * digest of account and password, too few to confirm a guess of the password, and enough to see that somebody has corrected it: that is tried at once. */
#ifndef MC_ENGINE_ACCOUNT_H
#define MC_ENGINE_ACCOUNT_H

#include "base/auto.h"
#include "base/world.h"
#include "sink/sink.h"

struct account;

/* A login that was refused. */
struct account_refusal {
    int64_t at_ms;      /* wall clock; 0: none */
    int64_t tag;        /* of what was refused */
};

/* The salt is in it, in the upper bits; never 0. */
int64_t account_tag(const struct sink_settings *settings, uint32_t salt);

static inline bool account_is_used(const struct sink_settings *settings)
{
    return settings->username != NULL && settings->username[0] != '\0';
}

/* Never NULL. Everything is borrowed for as long as it lives: the network, the clock (NULL: the machine's), settings, and the target's name for the log. Without
 * a username requests go straight through. */
struct account *account_new(struct http *http, const struct world *clock, const struct sink_settings *settings, const char *name);
void account_free(struct account *account); /* cancels what is under way */
AUTO_DEFINE(account)

/* The last refusal of earlier processes; and who keeps the next ones. Needs a clock. */
void account_recall(struct account *account, const struct account_refusal *refusal);
void account_on_refusal(struct account *account, void (*keep)(void *owner, const struct account_refusal *refusal), void *owner);

/* Borrowed, lives as long as the account. Requests with on_data are refused: an answer that may have to be dropped cannot be handed out in pieces. */
struct http *account_http(struct account *account);

#endif
