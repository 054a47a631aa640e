/*
 * The relay to an origin: what users send to an address of the component goes,
 * as XML, to a web server, and the stanzas of its answer are sent on.
 *
 *	POST ORIGIN/xmpp/bot%40push.example.org
 *	Content-Type: application/xml; charset=utf-8
 *	User-Agent: waft/VERSION		and, with origin-token, Grip-Sig
 *
 *	<message xmlns='jabber:client' from='alice@example.org/phone' …
 *
 * The answer is 200 (or 204) and zero or more stanzas (answer.h).  Anything
 * else is counted and logged, and the user is told once by a stanza error, if
 * what he sent may have one: an iq that asks, or a message; no presence, no
 * error.  An iq that asks and gets an answer without its result gets
 * service-unavailable, so that it has one answer whatever the origin does.
 *
 * Two stanzas of one user (bare JID) do not overtake each other: he has one
 * request under way.  Users take turns.  What waits is bounded in bytes, in all
 * (origin-queue) and for each (a quarter of it); so are the requests, their
 * time, and each answer.  A failed request is not repeated.
 */
#ifndef WAFT_COMPONENT_RELAY_H
#define WAFT_COMPONENT_RELAY_H

#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/xml.h"
#include "common/channel/worker.h"
#include "common/xmpp/jid.h"

/* Of one user: this part of origin-queue. */
#define RELAY_USER_PART 4
/* Between two lines of the log that say why requests fail. */
#define RELAY_SAY_MS 10000

struct relay;

struct relay_opts {
	struct worker *worker;
	const struct conf_component *component; /* with an origin */
	/* One whole stanza for the link. */
	void (*send)(void *arg, const char *text, size_t len);
	void *arg;
};

/* NULL after log_error(). */
struct relay *relay_create(const struct relay_opts *opts);
/* What is under way or waits is dropped.  The loop has stopped. */
void relay_free(struct relay *relay);
/* What of an address is the origin's: by the class of the channel of that name.
 * Nothing of what another component of ours sends: two origins that answer each
 * other would never end.  Relay NULL: nothing at all. */
enum conf_relay relay_takes(const struct relay *relay, const struct jid *from,
    const struct jid *to);
/* Borrows all for the call. */
void relay_stanza(struct relay *relay, const struct jid *from,
    const struct jid *to, const struct xml *stanza);

#endif
