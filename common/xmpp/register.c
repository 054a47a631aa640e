/*
 * In-band registration (XEP-0077) at a channel's address, where "register" is
 * what clients without PubSub have for "subscribe".  The service itself has
 * nothing to register for, and does not offer it.
 */
#include <string.h>

#include "common/xmpp/form.h"
#include "common/xmpp/subscribers.h"

static const struct ask_error register_unavailable = { .type = "cancel",
	.condition = "service-unavailable" };
static const struct ask_error register_required = { .type = "auth",
	.condition = "registration-required" };
static const struct ask_error register_not_allowed = { .type = "cancel",
	.condition = "not-allowed" };
static const struct ask_error register_too_many = { .type = "wait",
	.condition = "policy-violation" };

static void
register_told_cb(enum err err, const struct subscription *subs UNUSED,
    size_t count, void *arg)
{
	struct ask *ask = arg;
	struct buf out;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	buf_init(&out, 0);
	buf_adds(&out, "<query xmlns='" ASK_REGISTER "'>");
	if (count > 0)
		buf_adds(&out, "<registered/>");
	buf_adds(&out,
	    "<instructions>To register is to subscribe to the channel ");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, ". Nothing has to be filled in.</instructions></query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
register_subscribed_cb(enum err err, const struct subscription *sub,
    bool existed, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_DENIED) {
		ask_error(ask,
		    ask->refusal == NULL ? &register_not_allowed :
		                           ask->refusal);
	} else if (err == ERR_LIMIT) {
		ask_error(ask, &register_too_many);
	} else if (err != ERR_OK) {
		ask_fail(ask, err);
	} else {
		ask_reply(ask, NULL);
		if (existed)
			ask_done(ask);
		else if (sub->state == SUB_PENDING)
			authorize_request(ask);
		else
			pubsub_last_item(ask);
	}
}

static void
register_removed_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_NOTFOUND)
		ask_error(ask, &register_required);
	else if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_result(ask, NULL);
}

static void
register_set(struct ask *ask, const struct xml *query, const struct jid *bare)
{
	const struct xml *remove = xml_child(query, ASK_REGISTER, "remove");
	const struct xml *form = xml_child(query, FORM_NS, "x");

	/* §3.2: <remove/> stands alone. */
	if (remove != NULL &&
	    (xml_first(query) != remove || xml_next(remove) != NULL))
		ask_fail(ask, ERR_BAD);
	else if (remove != NULL)
		ask_unsubscribe(ask, bare, register_removed_cb);
	else if (form != NULL && form_is_cancel(form))
		ask_result(ask, NULL);
	else
		ask_subscribe(ask, bare, register_subscribed_cb);
}

void
register_request(struct ask *ask, const struct xml *query)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	if (ask->channel == NULL)
		ask_error(ask, &register_unavailable);
	else if (!ask_node(ask, NULL))
		ask_fail(ask, ERR_NOTFOUND);
	else if (strcmp(ask->type, "set") == 0)
		register_set(ask, query, &bare);
	else
		ask->service->ops->subscriptions(ask->peer, &bare, ask->channel,
		    register_told_cb, ask);
}
