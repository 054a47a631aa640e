/* Subscribing by XEP-0060; a node is a channel, by its name. */
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/subscribers.h"

static const struct ask_error pubsub_invalid_jid = { "modify", "bad-request",
	"invalid-jid", NULL };
static const struct ask_error pubsub_jid_required = { "modify", "bad-request",
	"jid-required", NULL };
static const struct ask_error pubsub_node_required = { "modify", "bad-request",
	"nodeid-required", NULL };
static const struct ask_error pubsub_closed = { "cancel", "not-allowed",
	"closed-node", NULL };
static const struct ask_error pubsub_pending = { "auth", "not-authorized",
	"pending-subscription", NULL };
static const struct ask_error pubsub_too_many = { "wait", "policy-violation",
	"too-many-subscriptions", NULL };
static const struct ask_error pubsub_not_subscribed = { "cancel",
	"unexpected-request", "not-subscribed", NULL };

void
pubsub_unsupported(struct ask *ask, const char *feature)
{
	const struct ask_error error = { "cancel", "feature-not-implemented",
		feature == NULL ? NULL : "unsupported", feature };

	ask_error(ask, &error);
}

bool
pubsub_node(struct ask *ask, const struct xml *verb)
{
	if (!ask_node(ask, xml_attr(verb, "node"))) {
		ask_fail(ask, ERR_NOTFOUND);
		return false;
	}
	if (ask->channel == NULL) {
		ask_error(ask, &pubsub_node_required);
		return false;
	}
	return true;
}

/* The verb's JID, which must be one of the asker's own (§6.1.3.1).  False, and
 * the ask is gone, otherwise: with the error the verb wants for another's. */
static bool
pubsub_jid(struct ask *ask, const struct xml *verb, struct jid *jid,
    bool foreign_is_forbidden)
{
	const char *text = xml_attr(verb, "jid");
	const char *why;

	if (text == NULL)
		ask_error(ask, &pubsub_jid_required);
	else if (jid_parse(text, strlen(text), jid, &why) != ERR_OK)
		ask_error(ask, &pubsub_invalid_jid);
	else if (jid_same_bare(jid, &ask->from))
		return true;
	else if (foreign_is_forbidden)
		ask_fail(ask, ERR_DENIED);
	else
		ask_error(ask, &pubsub_invalid_jid);
	return false;
}

static void
pubsub_subscribed_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct ask *ask = arg;
	struct buf out;

	if (ask_is_late(ask))
		return;
	if (err == ERR_DENIED) {
		ask_error(ask,
		    ask->refusal == NULL ? &pubsub_closed : ask->refusal);
	} else if (err == ERR_LIMIT) {
		ask_error(ask, &pubsub_too_many);
	} else if (err != ERR_OK) {
		ask_fail(ask, err);
	} else if (sub->state == SUB_PENDING && existed) {
		ask_error(ask, &pubsub_pending);
	} else {
		buf_init(&out, 0);
		buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'>");
		subscribers_write(sub, true, &out);
		buf_adds(&out, "</pubsub>");
		ask_reply(ask, &out);
		buf_clear(&out);
		if (sub->state == SUB_PENDING)
			authorize_request(ask);
		else if (existed)
			ask_done(ask);
		else
			pubsub_last_item(ask);
	}
}

static void
pubsub_subscribe(struct ask *ask, const struct xml *verb)
{
	const struct xml *more = xml_next(verb);
	struct jid jid;

	/* §6.3.7: options asked for in the same breath. */
	if (more != NULL && xml_is(more, ASK_PUBSUB, "options")) {
		pubsub_unsupported(ask, "subscription-options");
		return;
	}
	if (pubsub_node(ask, verb) && pubsub_jid(ask, verb, &jid, false))
		ask_subscribe(ask, &jid, pubsub_subscribed_cb);
}

static void
pubsub_unsubscribed_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_NOTFOUND)
		ask_error(ask, &pubsub_not_subscribed);
	else if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_result(ask, NULL);
}

static void
pubsub_unsubscribe(struct ask *ask, const struct xml *verb)
{
	struct jid jid;

	if (pubsub_node(ask, verb) && pubsub_jid(ask, verb, &jid, true))
		ask_unsubscribe(ask, &jid, pubsub_unsubscribed_cb);
}

struct pubsub_verb {
	const char *name;
	const char *type; /* of the iq */
	void (*answer)(struct ask *ask, const struct xml *verb);
	const char *feature; /* what is not supported, without answer */
};

static const struct pubsub_verb pubsub_verbs[] = {
	{ "subscribe", "set", pubsub_subscribe, NULL },
	{ "unsubscribe", "set", pubsub_unsubscribe, NULL },
	{ "subscriptions", "get", own_subscriptions, NULL },
	{ "items", "get", pubsub_items, NULL },
	{ "publish", "set", pubsub_publish, NULL },
	{ "retract", "set", pubsub_retract, NULL },
	{ "create", "set", configure_create, NULL },
	{ "affiliations", "get", affiliations_own, NULL },
	{ "options", NULL, NULL, "subscription-options" },
	{ "default", "get", NULL, "retrieve-default-sub" },
	{ NULL, NULL, NULL, NULL },
};

static const struct pubsub_verb pubsub_owner_verbs[] = {
	{ "configure", NULL, configure_request, NULL },
	{ "default", "get", configure_default, NULL },
	{ "delete", "set", owner_delete, NULL },
	{ "purge", "set", owner_purge, NULL },
	{ "subscriptions", NULL, subscribers_request, NULL },
	{ "affiliations", NULL, affiliations_request, NULL },
	{ NULL, NULL, NULL, NULL },
};

static void
pubsub_dispatch(struct ask *ask, const struct xml *element,
    const struct pubsub_verb *verbs)
{
	const struct xml *verb = xml_first(element);

	if (verb == NULL) {
		ask_fail(ask, ERR_BAD);
		return;
	}
	while (verbs->name != NULL && !xml_is(verb, element->ns, verbs->name))
		verbs++;
	if (verbs->answer == NULL)
		pubsub_unsupported(ask, verbs->feature);
	else if (verbs->type != NULL && strcmp(verbs->type, ask->type) != 0)
		ask_fail(ask, ERR_BAD);
	else
		verbs->answer(ask, verb);
}

void
pubsub_request(struct ask *ask, const struct xml *element)
{
	pubsub_dispatch(ask, element, pubsub_verbs);
}

void
pubsub_owner(struct ask *ask, const struct xml *element)
{
	pubsub_dispatch(ask, element, pubsub_owner_verbs);
}
