/* What a session listens to, and how an item gets into its queue. */
#include <stdlib.h>
#include <string.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/channel/item.h"
#include "common/xmpp/change.h"
#include "common/xmpp/jid.h"

/* What a stanza takes beside its own text, roughly: an entry is shared. */
#define SINK_COST 200

static struct stat_metric sink_full = STAT_COUNTER("waft_bosh_full_total",
    "Times a session's queue was full and its items stayed in the store", NULL);
static struct stat_metric sink_lost = STAT_COUNTER("waft_bosh_lagged_total",
    "Gaps in a session's channel: items that left the store unread", NULL);

static struct client_sub *
sink_sub(struct sub *sub)
{
	return (struct client_sub *)(void *)((char *)sub -
	    offsetof(struct client_sub, sub));
}

static enum sink_result
sink_deliver(struct sub *sub, struct entry *entry)
{
	struct client_sub *own = sink_sub(sub);
	struct client *client = own->client;
	const struct stanza *stanza;
	uint32_t len = entry->data_len + SINK_COST;

	if (!client_has_room(client, len)) {
		own->full = own->slow = client->some_full = true;
		stat_add(&sink_full, 1);
		return SINK_FULL;
	}
	stanza = item_stanza(entry, channel_class(sub->channel)->notify);
	if (stanza != NULL &&
	    (stanza_kind(stanza) != STANZA_IQ ||
	        channel_class(sub->channel)->iq))
		client_push(client,
		    (struct client_out){
		        .what = entry_ref(entry),
		        .stanza = stanza,
		        .len = len,
		        .late = entry->seq <= own->stale,
		    });
	own->slow = false;
	return SINK_TOOK;
}

static void
sink_lagged(struct sub *sub, uint64_t first)
{
	struct client *client = sink_sub(sub)->client;

	stat_add(&sink_lost, 1);
	log_warn("bosh.lagged", "sid=%.6s… channel=%s first=%llu", client->sid,
	    LOGQ(channel_name(sub->channel)), (unsigned long long)first);
	/* Its client was too slow, and would not notice. */
	if (sink_sub(sub)->slow) {
		client->overflow = true;
		loop_defer(client->gateway->loop, &client->flush);
	}
}

static void
sink_tell_deleted(struct client *client, const char *channel)
{
	struct stanza_fill fill = { .to = client->to,
		.to_len = client->to_len };
	struct stanza *stanza = change_deleted(channel);
	struct buf address, from, text;

	buf_init(&address, 0);
	buf_init(&from, 0);
	buf_init(&text, 0);
	jid_of_channel(channel, client->gateway->conf->bosh.domain, &address);
	buf_adds_xml(&from, address.data);
	fill.from = from.data;
	fill.from_len = from.len;
	stanza_write(stanza, STANZA_BOSH, &fill, &text);
	client_send(client, text.data, text.len);
	buf_clear(&address);
	buf_clear(&from);
	buf_clear(&text);
	stanza_free(stanza);
}

static void
sink_deleted(struct sub *sub)
{
	struct client *client = sink_sub(sub)->client;

	if (channel_class(sub->channel)->notify != NOTIFY_RAW)
		sink_tell_deleted(client, channel_name(sub->channel));
	client_unlisten(client, channel_name(sub->channel));
}

static void
sink_fetch(struct sub *sub, int step)
{
	const struct client *client = sink_sub(sub)->client;

	if (step == 0)
		mem_fetch(client, CLIENT_NEAR);
	else if (client->carrier->fetch != NULL)
		client->carrier->fetch(client, step);
}

static const struct sink_ops sink_table = { "bosh", sink_deliver, sink_lagged,
	sink_deleted, sink_fetch };

struct client_sub *
client_find_sub(struct client *client, const char *channel)
{
	struct client_sub *sub;

	TAILQ_FOREACH(sub, &client->subs, entry)
		if (strcmp(channel_name(sub->sub.channel), channel) == 0)
			return sub;
	return NULL;
}

enum err
client_listen(struct client *client, const char *channel, uint64_t after,
    bool durable, bool *existed)
{
	struct client_sub *sub = client_find_sub(client, channel);

	*existed = sub != NULL;
	client->durable |= durable;
	if (sub != NULL) {
		sub->durable |= durable;
		return ERR_OK;
	}
	if (client->over)
		return ERR_GONE;
	if (client->n_subs >=
	    client->gateway->conf->bosh.subscriptions_per_session)
		return ERR_LIMIT;
	sub = xcalloc(1, sizeof(*sub));
	sub->client = client;
	sub->durable = durable;
	TAILQ_INSERT_TAIL(&client->subs, sub, entry);
	client->n_subs++;
	keep_changed(client);
	sub_init(&sub->sub, client->gateway->worker, channel, &sink_table,
	    after);
	sub->start = sub->sub.cursor;
	sub->stale = store_newest(worker_store(client->gateway->worker));
	return ERR_OK;
}

bool
client_unlisten(struct client *client, const char *channel)
{
	struct client_sub *sub = client_find_sub(client, channel);

	if (sub == NULL)
		return false;
	TAILQ_REMOVE(&client->subs, sub, entry);
	client->n_subs--;
	keep_changed(client);
	sub_clear(&sub->sub);
	loop_reap(client->gateway->loop, free, sub);
	return true;
}
