/*
 * Presence at channel@domain (RFC 6121): the contact in a roster is the
 * subscription (§3); presence sent to a channel by somebody who has none lets
 * that one client in while it is there (§4.6).
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/subscribers.h"

#define PRESENCE_MUC          "http://jabber.org/protocol/muc"
#define PRESENCE_PRIORITY_MAX 5 /* bytes of its text, "-128" and one more */

static const struct ask_error presence_bad = { .type = "modify",
	.condition = "bad-request" };
static const struct ask_error presence_no_room = { .type = "cancel",
	.condition = "service-unavailable" };
static const struct ask_error presence_too_many = { .type = "wait",
	.condition = "resource-constraint" };
static const struct ask_error presence_unapproved = { .type = "auth",
	.condition = "not-authorized" };

static void
presence_refuse(struct ask *ask, const struct ask_error *error)
{
	ask_presence_error(ask, error);
	ask_done(ask);
}

/* ---- subscribing ----------------------------------------------------- */

static void
presence_subscribed_cb(enum err err, const struct subscription *sub,
    bool existed, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_deny(ask);
		return;
	}
	/* Neither granted nor refused yet. */
	if (sub->state == SUB_PENDING) {
		if (existed)
			ask_done(ask);
		else
			authorize_request(ask);
		return;
	}
	ask_presence(ask, "subscribed");
	ask_available(ask, false);
	if (conf_class(ask->service->conf, ask->channel)->available_only)
		ask_presence(ask, "subscribe");
	if (existed)
		ask_done(ask);
	else
		pubsub_last_item(ask);
}

/* Whether there was one to end or not, afterwards there is none. */
static void
presence_unsubscribed_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_OK || err == ERR_NOTFOUND) {
		ask_presence(ask, "unavailable");
		ask_presence(ask, "unsubscribed");
	}
	ask_done(ask);
}

/* What was asked for otherwise, too, is not ended by a roster. */
static void
presence_leaving_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	const struct service_ops *ops = ask->service->ops;
	unsigned ways = 0;
	size_t i;

	if (ask_is_late(ask))
		return;
	for (i = 0; i < count; i++)
		if (strcmp(subs[i].address, ask->jid.full) == 0)
			ways = subs[i].ways;
	if (err == ERR_OK && ways == SUB_BY_REQUEST)
		presence_unsubscribed_cb(ERR_OK, NULL, false, ask);
	else if (err == ERR_OK && (ways & SUB_BY_REQUEST) != 0)
		ops->subscribe(ask->peer, &ask->jid, ask->channel,
		    SUB_BY_REQUEST | SUB_WAYS_EXACT, presence_unsubscribed_cb,
		    ask);
	else
		ops->unsubscribe(ask->peer, &ask->jid, ask->channel,
		    presence_unsubscribed_cb, ask);
}

static void
presence_leaving(struct ask *ask)
{
	ask->service->ops->subscriptions(ask->peer, &ask->jid, ask->channel,
	    presence_leaving_cb, ask);
}

static void
presence_subscribe(struct ask *ask, const struct xml *stanza UNUSED)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->by_presence = true;
	ask_subscribe(ask, &bare, presence_subscribed_cb);
}

/* In the steps of ask_unsubscribe(), for the same order. */
static void
presence_unsubscribe(struct ask *ask, const struct xml *stanza UNUSED)
{
	ask->jid = ask->from;
	jid_to_bare(&ask->jid);
	ask_look(ask, presence_leaving);
}

/* ---- probes ---------------------------------------------------------- */

/* §4.3.2.  Neither not knowing nor waiting for an owner is a reason to end what
 * may be there. */
static void
presence_probed_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	size_t i;

	if (ask_is_late(ask))
		return;
	for (i = 0; i < count; i++)
		if (subs[i].state != SUB_PENDING)
			break;
	if (err == ERR_OK && i < count)
		ask_available(ask, true);
	else if (err == ERR_OK && count == 0)
		ask_presence(ask, "unsubscribed");
	ask_done(ask);
}

static void
presence_probe_looked(struct ask *ask)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, ask->channel,
	    presence_probed_cb, ask);
}

static void
presence_probe(struct ask *ask, const struct xml *stanza UNUSED)
{
	ask_look(ask, presence_probe_looked);
}

/* ---- coming and going ------------------------------------------------ */

static void
presence_join(struct ask *ask, size_t count)
{
	const struct service *service = ask->service;
	size_t max = (size_t)service->conf->control.subscriptions_per_jid;
	const struct ask_error *refusal;
	bool pending;

	refusal = access_refuses(ask, false, false, &pending);
	if (refusal != NULL)
		presence_refuse(ask, refusal);
	else if (pending)
		presence_refuse(ask, &presence_unapproved);
	else if (count >= max ||
	    service->ops->join(ask->peer, &ask->from, ask->channel) != ERR_OK)
		presence_refuse(ask, &presence_too_many);
	else {
		ask_available(ask, true);
		ask->jid = ask->from;
		pubsub_last_item(ask);
	}
}

static void
presence_listed_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	bool pending = false, subscribed = false;
	size_t i;

	if (ask_is_late(ask))
		return;
	for (i = 0; i < count; i++) {
		if (strcmp(subs[i].channel, ask->channel) != 0 ||
		    (strchr(subs[i].address, '/') != NULL &&
		        strcmp(subs[i].address, ask->from.full) != 0))
			continue;
		pending |= subs[i].state == SUB_PENDING;
		subscribed |= subs[i].state != SUB_PENDING;
	}
	if (err == ERR_OK && !pending && !subscribed) {
		presence_join(ask, count);
		return;
	}
	if (subscribed)
		ask_available(ask, true);
	ask_done(ask);
}

static void
presence_arrived(struct ask *ask)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, NULL,
	    presence_listed_cb, ask);
}

/* §4.7.2.3; what is none counts as none. */
static int
presence_priority(const struct xml *stanza)
{
	const struct xml *element = xml_child(stanza, stanza->ns, "priority");
	struct buf text;
	long priority = 0;
	char *end;

	if (element == NULL)
		return 0;
	buf_init(&text, PRESENCE_PRIORITY_MAX);
	xml_text(element, &text);
	if (!text.failed && text.len > 0) {
		priority = strtol(text.data, &end, 10);
		if (*end != '\0' || priority < -128 || priority > 127)
			priority = 0;
	}
	buf_clear(&text);
	return (int)priority;
}

static void
presence_available(struct ask *ask, const struct xml *stanza)
{
	const struct service_ops *ops = ask->service->ops;

	/* Whoever would enter a room finds none. */
	if (xml_child(stanza, PRESENCE_MUC, "x") != NULL)
		presence_refuse(ask, &presence_no_room);
	else if (ask->from.resource_len == 0 ||
	    !ops->arrive(ask->peer, &ask->from, ask->channel,
	        presence_priority(stanza)))
		ask_done(ask);
	else
		ask_look(ask, presence_arrived);
}

static void
presence_unavailable(struct ask *ask, const struct xml *stanza UNUSED)
{
	ask->service->ops->leave(ask->peer, &ask->from, ask->channel);
	ask_done(ask);
}

static void
presence_shown(struct ask *ask, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->show(ask->peer, &bare, ask->channel,
	    strcmp(type, "subscribed") == 0);
	ask_done(ask);
}

/* ---- dispatch -------------------------------------------------------- */

static const struct presence_word {
	const char *type; /* NULL: none */
	void (*take)(struct ask *ask, const struct xml *stanza);
	bool denied; /* where there is no channel; else nothing is said */
} presence_words[] = {
	{ NULL, presence_available, false },
	{ "unavailable", presence_unavailable, false },
	{ "subscribe", presence_subscribe, true },
	{ "unsubscribe", presence_unsubscribe, true },
	{ "probe", presence_probe, true },
	{ "subscribed", presence_shown, false },
	{ "unsubscribed", presence_shown, false },
};

void
presence_request(struct ask *ask, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	const struct presence_word *word = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(presence_words) && word == NULL; i++)
		if (type == NULL ? presence_words[i].type == NULL :
		                   presence_words[i].type != NULL &&
		            strcmp(type, presence_words[i].type) == 0)
			word = &presence_words[i];
	if (word == NULL)
		presence_refuse(ask, &presence_bad);
	else if (ask->channel != NULL && ask->channel[0] != '\0')
		word->take(ask, stanza);
	else if (word->denied)
		ask_deny(ask);
	else
		ask_done(ask);
}

/* ---- what we say unasked --------------------------------------------- */

static void
presence_greet_looked(struct ask *ask)
{
	ask_available(ask, true);
	ask_done(ask);
}

void
service_greet(struct service *service, void *peer, const struct jid *to,
    const char *channel, const char *type)
{
	struct jid self;
	struct buf address;
	struct ask *ask;
	const char *why;

	buf_init(&address, 0);
	jid_of_channel(channel, service->domain, &address);
	if (jid_parse(address.data, address.len, &self, &why) == ERR_OK &&
	    self.node_len > 0) {
		ask = ask_create(service, peer, to, &self, NULL);
		if (type == NULL) {
			ask_look(ask, presence_greet_looked);
		} else {
			ask_presence_to(ask, to->full, type);
			ask_done(ask);
		}
	}
	buf_clear(&address);
}
