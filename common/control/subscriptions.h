/*
 * What the calls about durable subscriptions share: one of them as JSON, and
 * whose an address is.
 *
 * Only common/control/ includes this.
 */
#ifndef WAFT_CONTROL_SUBSCRIPTIONS_H
#define WAFT_CONTROL_SUBSCRIPTIONS_H

#include "common/base/json.h"
#include "common/control/call.h"
#include "common/xmpp/jid.h"

/* False: no state has this name. */
bool subscriptions_state(const char *name, enum sub_state *state);

/* A subscriber, and who sends to him. */
struct whose {
	const char *text;      /* his address */
	const char *component; /* the domain of one; NULL: the daemon's first,
	                        * or the gateway's of its own users */
	struct jid jid;
	const char *owner; /* borrowed from the configuration */
	/* What is wrong and why (static), when it is. */
	const char *what;
	const char *why;
};

/* Fills in the rest from text and component; false when that cannot be. */
bool subscriptions_whose(const struct control *control, struct whose *whose);

#endif
