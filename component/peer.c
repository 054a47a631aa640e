#include "component/peer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/auth.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/operator.h"
#include "component/relay.h"
#include "component/roster.h"

static struct stat_metric peer_untold =
    STAT_COUNTER("waft_component_untold_total",
        "XEP-0060 notices for people that the component does not reach", NULL);

static void
peer_subscribe(void *peer, const struct jid *jid, const char *channel,
    unsigned ways, service_sub_fn *done, void *arg)
{
	struct inbound *inbound = peer;
	struct subscription sub = {
		.owner = inbound->component->domain,
		.channel = channel,
		.address = jid->full,
		.state = SUB_ACTIVE,
		.ways = ways,
	};

	store_sub_put(inbound->store, inbound->loop, &sub, done, arg);
}

static void
peer_unsubscribe(void *peer, const struct jid *jid, const char *channel,
    service_sub_fn *done, void *arg)
{
	struct inbound *inbound = peer;

	if (roster_part(inbound->roster, jid, channel)) {
		done(ERR_OK, NULL, true, arg);
		return;
	}
	store_sub_del(inbound->store, inbound->loop, inbound->component->domain,
	    channel, jid->full, done, arg);
}

static bool
peer_arrive(void *peer, const struct jid *jid, const char *channel,
    int priority)
{
	struct inbound *inbound = peer;

	return roster_arrive(inbound->roster, jid, channel, priority);
}

static enum err
peer_join(void *peer, const struct jid *jid, const char *channel)
{
	struct inbound *inbound = peer;

	return roster_join(inbound->roster, jid, channel);
}

static void
peer_leave(void *peer, const struct jid *jid, const char *channel)
{
	struct inbound *inbound = peer;

	roster_leave(inbound->roster, jid, channel);
}

static void
peer_show(void *peer, const struct jid *jid, const char *channel, bool shown)
{
	struct inbound *inbound = peer;

	roster_show(inbound->roster, jid, channel, shown);
}

struct peer_list {
	struct inbound *inbound;
	struct jid bare;
	char *channel;
	service_list_fn *done;
	void *arg;
};

/* The stored ones, then those of clients that are let in while they are there.
 */
static void
peer_list_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct peer_list *list = arg;
	struct subscription *all;
	size_t n = count;

	if (err != ERR_OK || roster_joined(list->inbound->roster) == 0) {
		list->done(err, subs, count, list->arg);
	} else {
		all = roster_list(list->inbound->roster, &list->bare,
		    list->channel, subs, &n);
		list->done(err, all, n, list->arg);
		roster_list_free(all, count, n);
	}
	inbound_unref(list->inbound);
	free(list->channel);
	free(list);
}

static void
peer_subscriptions(void *peer, const struct jid *jid, const char *channel,
    service_list_fn *done, void *arg)
{
	struct inbound *inbound = peer;
	struct peer_list *list = xmalloc(sizeof(*list));
	struct sub_filter filter = { inbound->component->domain, channel,
		list->bare.full };

	inbound_ref(inbound);
	list->inbound = inbound;
	list->bare = *jid;
	jid_to_bare(&list->bare);
	list->channel = channel == NULL ? NULL : xstrdup(channel);
	list->done = done;
	list->arg = arg;
	store_sub_list(inbound->store, inbound->loop, &filter, 0,
	    (size_t)worker_conf(inbound->worker)->control.subscriptions_per_jid,
	    peer_list_cb, list);
}

static bool
peer_may_subscribe(void *peer, const struct jid *jid UNUSED,
    const char *channel)
{
	struct inbound *inbound = peer;

	return conf_class(worker_conf(inbound->worker), channel)->subscribe ==
	    ACCESS_ANYONE;
}

static bool
peer_may_publish(void *peer, const struct jid *jid UNUSED, const char *channel)
{
	struct inbound *inbound = peer;

	return auth_user_may_publish(worker_conf(inbound->worker), NULL,
	    channel, clock_wall_ms());
}

/* As the configuration has it now. */
static bool
peer_may_create(void *peer, const struct jid *jid, const char *channel UNUSED)
{
	struct inbound *inbound = peer;
	const struct conf_component *now =
	    operator_component(worker_conf(inbound->worker),
	        inbound->component->domain);

	return now != NULL &&
	    jid_is_listed(jid, now->creators.list, now->creators.count);
}

static bool
peer_is_operator(void *peer, const struct jid *jid)
{
	struct inbound *inbound = peer;
	const struct conf_component *now =
	    operator_component(worker_conf(inbound->worker),
	        inbound->component->domain);

	return now != NULL &&
	    jid_is_listed(jid, now->operators.list, now->operators.count);
}

static struct entry *
peer_item(void *peer, const char *channel, void *json, struct buf *why)
{
	struct inbound *inbound = peer;

	return operator_item(worker_conf(inbound->worker), channel, json, why);
}

static void
peer_status(void *peer, service_status_fn *tell, void *arg)
{
	struct inbound *inbound = peer;

	operator_status(inbound->arg == NULL ? NULL : inbound->domain, tell,
	    arg);
}

static bool
peer_is_lasting(void *peer UNUSED)
{
	return true;
}

/* Users of the gateway are not the XMPP server's. */
static void
peer_tell(void *peer, const char *to, const char *text, size_t len)
{
	struct inbound *inbound = peer;
	const char *domain = worker_conf(inbound->worker)->bosh.domain, *why;
	struct jid jid;

	if (jid_parse(to, strlen(to), &jid, &why) == ERR_OK &&
	    (domain == NULL || !jid_domain_is(&jid, domain))) {
		inbound_send(peer, text, len);
		return;
	}
	stat_add(&peer_untold, 1);
	log_debug("component.untold", "to=%s", LOGQ(to));
}

/* A component's stream has nothing that a repeated request is known by. */
static void
peer_item_id(void *peer UNUSED, struct buf *id UNUSED)
{
}

bool
peer_take(void *peer, const struct jid *from, const struct jid *to,
    const struct xml *stanza)
{
	struct inbound *inbound = peer;

	if (relay_takes(inbound->relay, from, to) == RELAY_NONE)
		return false;
	relay_stanza(inbound->relay, from, to, stanza);
	return true;
}

const struct service_ops peer_ops = {
	.ref = inbound_ref,
	.unref = inbound_unref,
	.send = inbound_send,
	.subscribe = peer_subscribe,
	.unsubscribe = peer_unsubscribe,
	.arrive = peer_arrive,
	.join = peer_join,
	.leave = peer_leave,
	.show = peer_show,
	.subscriptions = peer_subscriptions,
	.may_subscribe = peer_may_subscribe,
	.may_publish = peer_may_publish,
	.may_create = peer_may_create,
	.is_operator = peer_is_operator,
	.item = peer_item,
	.status = peer_status,
	.is_lasting = peer_is_lasting,
	.tell = peer_tell,
	.item_id = peer_item_id,
	.take = peer_take,
};
