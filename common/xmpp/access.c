#include "common/xmpp/access.h"

#include <stdlib.h>
#include <string.h>

static const struct ask_error access_forbidden = { "auth", "forbidden", NULL,
	NULL };
static const struct ask_error access_closed = { "cancel", "not-allowed",
	"closed-node", NULL };
static const struct ask_error access_presence = { "auth", "not-authorized",
	"presence-subscription-required", NULL };
static const struct ask_error access_not_subscribed = { "auth",
	"not-authorized", "not-subscribed", NULL };

static bool
access_is_affiliated(enum node_affiliation affiliation)
{
	return affiliation == NODE_OWNER || affiliation == NODE_PUBLISHER ||
	    affiliation == NODE_MEMBER;
}

static enum node_affiliation
access_of(const struct ask *ask, const struct node *node)
{
	return node == NULL ? NODE_NONE : node_affiliation(node, &ask->from);
}

enum node_affiliation
access_affiliation(const struct ask *ask)
{
	return access_of(ask, ask->node);
}

bool
access_to_see(const struct ask *ask, const struct channel_info *info)
{
	const struct service_ops *ops = ask->service->ops;
	struct node *node = NULL;
	enum node_affiliation affiliation;
	bool see;

	if (info->node_len > 0)
		node = node_read(info->node, info->node_len, info->node_seq);
	affiliation = access_of(ask, node);
	if (affiliation == NODE_NONE)
		see =
		    ops->may_subscribe(ask->peer, &ask->from, info->channel) &&
		    (node == NULL || node->access != NODE_WHITELIST);
	else
		see = affiliation != NODE_OUTCAST;
	node_free(node);
	return see;
}

const struct ask_error *
access_refuses(const struct ask *ask, bool by_presence, bool is_subscribed,
    bool *pending)
{
	const struct service_ops *ops = ask->service->ops;
	enum node_affiliation affiliation = access_affiliation(ask);
	int model = ask->node == NULL ? NODE_OPEN : ask->node->access;

	*pending = false;
	if (affiliation == NODE_OUTCAST)
		return &access_forbidden;
	if (access_is_affiliated(affiliation))
		return NULL;
	if (model == NODE_WHITELIST ||
	    !ops->may_subscribe(ask->peer, &ask->from, ask->channel))
		return &access_closed;
	if (model == NODE_PRESENCE && !by_presence && !is_subscribed)
		return &access_presence;
	if (model == NODE_AUTHORIZE && !is_subscribed) {
		if (!ops->is_lasting(ask->peer))
			return &access_closed;
		*pending = true;
	}
	return NULL;
}

/* ---- those that need a look at the asker's subscriptions -------------- */

static void
access_subscribed_cb(enum err err, const struct subscription *subs,
    size_t count, void *arg)
{
	struct ask *ask = arg;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	for (i = 0; i < count; i++)
		if (subs[i].state == SUB_ACTIVE)
			break;
	if (i < count)
		ask->allowed(ask);
	else
		ask_error(ask, ask->refusal);
}

/* Goes on when the asker is subscribed to the channel, else refuses so. */
static void
access_if_subscribed(struct ask *ask, const struct ask_error *refusal)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->refusal = refusal;
	ask->service->ops->subscriptions(ask->peer, &bare, ask->channel,
	    access_subscribed_cb, ask);
}

static void
access_read(struct ask *ask)
{
	const struct ask_error *refusal;
	bool pending;

	refusal = access_refuses(ask, false, false, &pending);
	if (refusal == &access_presence)
		access_if_subscribed(ask, refusal);
	else if (refusal != NULL)
		ask_error(ask, refusal);
	else if (pending)
		access_if_subscribed(ask, &access_not_subscribed);
	else
		ask_exists(ask, ask->allowed);
}

void
access_to_read(struct ask *ask, access_fn *next)
{
	ask->allowed = next;
	ask_look(ask, access_read);
}

/* ---- publishing ------------------------------------------------------ */

/* A grant is a publisher's affiliation that the node does not know of. */
static bool
access_is_granted(const struct ask *ask)
{
	const struct service *service = ask->service;

	return conf_class(service->conf, ask->channel)->publish ==
	    ACCESS_TOKEN &&
	    service->ops->may_publish(ask->peer, &ask->from, ask->channel);
}

static bool
access_is_publisher(const struct ask *ask)
{
	enum node_affiliation affiliation = access_affiliation(ask);

	return affiliation == NODE_OWNER || affiliation == NODE_PUBLISHER ||
	    (affiliation != NODE_OUTCAST && access_is_granted(ask));
}

static void
access_publish(struct ask *ask)
{
	const struct service_ops *ops = ask->service->ops;
	const struct conf_class *class =
	    conf_class(ask->service->conf, ask->channel);

	bool may = ops->may_publish(ask->peer, &ask->from, ask->channel);

	/* Whoever may publish anyway is not made an owner by it. */
	if (!ask->known && (!may || ask->wants_node) &&
	    ops->may_create(ask->peer, &ask->from, ask->channel)) {
		ask->node = node_create(class);
		node_affiliate(ask->node, &ask->from, NODE_OWNER);
	}
	if (access_is_publisher(ask) || (ask->node == NULL && may))
		ask->allowed(ask);
	else if (ask->node == NULL || access_affiliation(ask) == NODE_OUTCAST ||
	    ask->node->model == NODE_PUBLISHERS)
		ask_error(ask, &access_forbidden);
	else if (ask->node->model == NODE_ANYBODY)
		ask->allowed(ask);
	else
		access_if_subscribed(ask, &access_forbidden);
}

void
access_to_publish(struct ask *ask, access_fn *next)
{
	ask->allowed = next;
	ask_look(ask, access_publish);
}

static void
access_retract(struct ask *ask)
{
	if (access_is_publisher(ask))
		ask->allowed(ask);
	else
		ask_error(ask, &access_forbidden);
}

void
access_to_retract(struct ask *ask, access_fn *next)
{
	ask->allowed = next;
	ask_find(ask, access_retract);
}

/* ---- owning ---------------------------------------------------------- */

static void
access_own(struct ask *ask)
{
	if (access_affiliation(ask) == NODE_OWNER)
		ask->allowed(ask);
	else
		ask_error(ask, &access_forbidden);
}

void
access_to_own(struct ask *ask, access_fn *next)
{
	ask->allowed = next;
	ask_find(ask, access_own);
}
