/*
 * What users send to the component: a stanza in, at most one answer out.
 * Requests and presence go to the channels' service (common/xmpp/service.h),
 * with subscriptions that are durable; errors are bounces (bouncer.h);
 * messages to a channel are not taken.  Whose presence is known lives here, too
 * (roster.h).
 *
 * It outlives inbound_close() until the store has answered what it was asked.
 */
#ifndef WAFT_COMPONENT_INBOUND_H
#define WAFT_COMPONENT_INBOUND_H

#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/xml.h"
#include "common/channel/worker.h"

/* Bounces whose subscription is being looked up or changed at once. */
#define INBOUND_BOUNCES_MAX 64

struct inbound;
struct subscription;
struct domain;
struct notify;
struct roster;

struct inbound_opts {
	struct worker *worker;
	const struct conf_component *component;
	/* One whole stanza for the link. */
	void (*send)(void *arg, const char *text, size_t len);
	struct notify *notify;
	void (*told)(void *arg);     /* as in roster.h */
	const struct domain *domain; /* for its status */
	void *arg;
};

struct inbound *inbound_create(const struct inbound_opts *opts);
/* Nothing is sent after it. */
void inbound_close(struct inbound *inbound);
void inbound_reload(struct inbound *inbound, const struct conf *conf);
void inbound_stanza(struct inbound *inbound, const struct xml *stanza);
/* One of which only the head was read (link.h): refused. */
void inbound_over(struct inbound *inbound, const struct xml *stanza);
/* A subscription of this component, before the log is followed. */
void inbound_load(struct inbound *inbound, const struct subscription *sub);
/* Behind notify_entry(). */
void inbound_entry(struct inbound *inbound, const struct entry *entry);
/* Borrowed. */
struct roster *inbound_roster(const struct inbound *inbound);

#endif
