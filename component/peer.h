/*
 * What the channels' service asks of a component (service_ops): subscriptions
 * that are stored, clients that are let in while they are there, the link.  The
 * peer is the struct inbound.  Private to inbound.c and peer.c.
 */
#ifndef WAFT_COMPONENT_PEER_H
#define WAFT_COMPONENT_PEER_H

#include <stdbool.h>

#include "common/xmpp/service.h"
#include "component/inbound.h"

struct inbound {
	struct worker *worker;
	const struct conf_component *component;
	struct store *store;
	struct loop *loop;
	void (*send)(void *arg, const char *text, size_t len);
	void *arg; /* NULL once closed */
	const struct domain *domain;
	struct service *service;
	struct flood *flood;
	struct roster *roster;
	struct bouncer *bouncer;
	struct relay *relay; /* NULL: there is no origin */
	int refs;
};

extern const struct service_ops peer_ops;

void inbound_ref(void *peer);
void inbound_unref(void *peer);
/* Lost once it is closed. */
void inbound_send(void *peer, const char *text, size_t len);
/* For the origin; false: it wants nothing of the address. */
bool peer_take(void *peer, const struct jid *from, const struct jid *to,
    const struct xml *stanza);

#endif
