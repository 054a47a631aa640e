/*
 * A channel's subscribers as its owner sees and changes them (XEP-0060 §8.8),
 * and the requests he is asked to approve (§8.6).  Only what is in the store:
 * a BOSH session's own subscriptions are nobody's but its own.
 */
#ifndef WAFT_XMPP_SUBSCRIBERS_H
#define WAFT_XMPP_SUBSCRIBERS_H

#include "common/xmpp/ask.h"

/* Changes in one request, and subscribers in one answer. */
#define SUBSCRIBERS_MAX 500

/* A <subscription/>; with the node's name or without. */
void subscribers_write(const struct subscription *sub, bool node,
    struct buf *out);

struct subscribers_change {
	char *jid; /* prepared */
	bool subscribed;
	bool all; /* not subscribed: nor any of its resources */
};
/* Takes the list; makes the changes one after the other, tells each JID of its
 * own (§8.8.4), and calls done.  The ask's work becomes its own. */
void subscribers_set(struct ask *ask, struct subscribers_change *list,
    size_t count, void (*done)(struct ask *ask, enum err err));

/* Asks the owners of the node to approve ask->jid; takes the ask. */
void authorize_request(struct ask *ask);
/* A message for the service: the form that an owner sends back.  False: it is
 * none. */
bool authorize_answer(struct service *service, void *peer,
    const struct jid *from, const struct jid *to, const struct xml *message);

#endif
