#include <string.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "bosh/stream.h"
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"

#define LISTEN_HASH 12 /* bytes of the hash of a sid in an item's id */

static struct stat_metric listen_untold = STAT_COUNTER("waft_bosh_untold_total",
    "XEP-0060 notices for people that the gateway does not reach", NULL);

/* A change of a durable subscription under way. */
struct listen_call {
	struct client *client;
	service_sub_fn *done;
	void *arg;
};

static void
listen_ref(void *peer)
{
	struct client *client = client_ref(peer);

	if (client->asking++ == 0)
		client->asked = client->applied;
}

static void
listen_unref(void *peer)
{
	struct client *client = peer;

	if (--client->asking == 0)
		keep_moved(client);
	client_unref(client);
}

static void
listen_send(void *peer, const char *text, size_t len)
{
	client_send(peer, text, len);
}

/* Of a named user's bare JID; all others end with the session. */
static bool
listen_is_durable(const struct client *client, const struct jid *jid)
{
	return !client->anonymous && jid->resource_len == 0;
}

static struct listen_call *
listen_begin(struct client *client, service_sub_fn *done, void *arg)
{
	struct listen_call *call = xcalloc(1, sizeof(*call));

	call->client = client_ref(client);
	call->done = done;
	call->arg = arg;
	return call;
}

static void
listen_finish(struct listen_call *call, enum err err,
    const struct subscription *sub, bool existed)
{
	call->done(err, sub, existed, call->arg);
	client_unref(call->client);
	free(call);
}

static void
listen_put_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct listen_call *call = arg;
	bool had;

	if (err == ERR_OK)
		client_listen(call->client, sub->channel, sub->since, true,
		    &had);
	listen_finish(call, err, sub, existed);
}

static void
listen_del_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct listen_call *call = arg;

	if (err == ERR_OK)
		client_unlisten(call->client, sub->channel);
	listen_finish(call, err, sub, existed);
}

static struct subscription
listen_subscription(const struct client *client, const struct jid *jid,
    const char *channel)
{
	return (struct subscription){
		.owner = client->gateway->conf->bosh.domain,
		.channel = channel,
		.address = jid->full,
		.state = SUB_ACTIVE,
		.time_ms = clock_wall_ms(),
	};
}

static void
listen_subscribe(void *peer, const struct jid *jid, const char *channel,
    unsigned ways, service_sub_fn *done, void *arg)
{
	struct client *client = peer;
	struct gateway *gateway = client->gateway;
	struct subscription sub = listen_subscription(client, jid, channel);
	enum err err;
	bool existed;

	sub.ways = ways;
	if (!listen_is_durable(client, jid)) {
		err = client_listen(client, channel, SUB_FROM_NOW, false,
		    &existed);
		done(err, &sub, existed, arg);
	} else if (client_find_sub(client, channel) == NULL &&
	    client->n_subs >= gateway->conf->bosh.subscriptions_per_session)
		done(ERR_LIMIT, NULL, false, arg);
	else
		store_sub_put(gateway->relay->store, gateway->loop, &sub,
		    listen_put_cb, listen_begin(client, done, arg));
}

static void
listen_unsubscribe(void *peer, const struct jid *jid, const char *channel,
    service_sub_fn *done, void *arg)
{
	struct client *client = peer;
	struct gateway *gateway = client->gateway;
	struct subscription sub = listen_subscription(client, jid, channel);

	if (listen_is_durable(client, jid))
		store_sub_del(gateway->relay->store, gateway->loop, sub.owner,
		    channel, jid->full, listen_del_cb,
		    listen_begin(client, done, arg));
	else if (client_unlisten(client, channel))
		done(ERR_OK, &sub, true, arg);
	else
		done(ERR_NOTFOUND, NULL, false, arg);
}

/* A session that listens has nothing to wait for. */
static bool
listen_arrive(void *peer, const struct jid *jid UNUSED, const char *channel,
    int priority UNUSED)
{
	return client_find_sub(peer, channel) == NULL;
}

static enum err
listen_join(void *peer, const struct jid *jid UNUSED, const char *channel)
{
	bool existed;

	return client_listen(peer, channel, SUB_FROM_NOW, false, &existed);
}

/* What the session took for itself; it does not tell how. */
static void
listen_leave(void *peer, const struct jid *jid UNUSED, const char *channel)
{
	const struct client_sub *sub = client_find_sub(peer, channel);

	if (sub != NULL && !sub->durable)
		client_unlisten(peer, channel);
}

/* Its presence changes nothing. */
static void
listen_show(void *peer UNUSED, const struct jid *jid UNUSED,
    const char *channel UNUSED, bool shown UNUSED)
{
}

/* What the session listens to: that is all its bare JID has subscribed, and
 * what it has subscribed for itself. */
static void
listen_subscriptions(void *peer, const struct jid *jid, const char *channel,
    service_list_fn *done, void *arg)
{
	struct client *client = peer;
	struct client_sub *own;
	struct subscription *subs;
	size_t count = 0;

	subs = xcalloc((size_t)client->n_subs + 1, sizeof(*subs));
	TAILQ_FOREACH(own, &client->subs, entry) {
		if (channel != NULL &&
		    strcmp(channel_name(own->sub.channel), channel) != 0)
			continue;
		subs[count] = listen_subscription(client, jid,
		    channel_name(own->sub.channel));
		if (!own->durable)
			subs[count].address = client->jid;
		count++;
	}
	done(ERR_OK, subs, count, arg);
	free(subs);
}

static bool
listen_may_subscribe(void *peer, const struct jid *jid UNUSED,
    const char *channel)
{
	const struct client *client = peer;

	return auth_user_may_subscribe(client->gateway->conf, client->grant,
	    channel, clock_wall_ms());
}

static bool
listen_may_publish(void *peer, const struct jid *jid UNUSED,
    const char *channel)
{
	const struct client *client = peer;

	return auth_user_may_publish(client->gateway->conf, client->grant,
	    channel, clock_wall_ms());
}

/* A grant that allows to publish there. */
static bool
listen_may_create(void *peer, const struct jid *jid UNUSED, const char *channel)
{
	const struct client *client = peer;

	return client->grant != NULL &&
	    auth_user_may_publish(client->gateway->conf, client->grant, channel,
	        clock_wall_ms());
}

static bool
listen_is_lasting(void *peer)
{
	const struct client *client = peer;

	return !client->anonymous;
}

/* Nobody but the client itself can be reached from here. */
static void
listen_tell(void *peer, const char *to, const char *text, size_t len)
{
	struct client *client = peer;
	size_t to_len = strlen(to);

	if (strncmp(client->jid, to, to_len) == 0 &&
	    (client->jid[to_len] == '\0' || client->jid[to_len] == '/')) {
		client_send(client, text, len);
		return;
	}
	stat_add(&listen_untold, 1);
	log_debug("bosh.untold", "to=%s", LOGQ(to));
}

/* hash(sid)/rid/index: a request that is repeated after a restart of the
 * gateway names the same items (DESIGN 7). */
static void
listen_item_id(void *peer, struct buf *id)
{
	static const char purpose[] = "item ";
	char text[sizeof(purpose) + SID_SIZE];
	unsigned char hash[32];
	struct client *client = peer;
	size_t len = strlen(client->sid);

	memcpy(text, purpose, sizeof(purpose) - 1);
	memcpy(text + sizeof(purpose) - 1, client->sid, len);
	crypto_sha256(text, sizeof(purpose) - 1 + len, hash);
	text_hex(hash, LISTEN_HASH, id);
	buf_addc(id, '/');
	buf_addu(id, client->applied);
	buf_addc(id, '/');
	buf_addu(id, client->named++);
}

const struct service_ops stream_service_ops = {
	.ref = listen_ref,
	.unref = listen_unref,
	.send = listen_send,
	.subscribe = listen_subscribe,
	.unsubscribe = listen_unsubscribe,
	.arrive = listen_arrive,
	.join = listen_join,
	.leave = listen_leave,
	.show = listen_show,
	.subscriptions = listen_subscriptions,
	.may_subscribe = listen_may_subscribe,
	.may_publish = listen_may_publish,
	.may_create = listen_may_create,
	.is_lasting = listen_is_lasting,
	.tell = listen_tell,
	.item_id = listen_item_id,
	.features = "<feature var='" STREAM_NS_BLOCKING "'/>",
};
