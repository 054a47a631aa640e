/* Presence subscriptions to channel@domain (RFC 6121 §3, §4.3): the contact in
 * a roster is the subscription. */
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/subscribers.h"

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
	if (err == ERR_OK || err == ERR_NOTFOUND)
		ask_presence(ask, "unsubscribed");
	ask_done(ask);
}

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
presence_probe(struct ask *ask)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, ask->channel,
	    presence_probed_cb, ask);
}

void
presence_request(struct ask *ask, const char *type)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	if (ask->channel == NULL || ask->channel[0] == '\0')
		ask_deny(ask);
	else if (strcmp(type, "probe") == 0)
		ask_look(ask, presence_probe);
	else if (strcmp(type, "unsubscribe") == 0)
		ask_unsubscribe(ask, &bare, presence_unsubscribed_cb);
	else {
		ask->by_presence = true;
		ask_subscribe(ask, &bare, presence_subscribed_cb);
	}
}
