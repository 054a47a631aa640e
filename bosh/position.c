#include "bosh/position.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "bosh/served.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

#define POSITION_KEY "served/"
/* Subscriptions read at once. */
#define POSITION_PAGE 1000
#define POSITION_SECS 1

static struct stat_metric position_saves =
    STAT_COUNTER("waft_bosh_positions_saved_total",
        "Positions of durable subscriptions written", NULL);

/* A resumption under way: first the position, then the subscriptions. */
struct position_call {
	struct client *client;
	char *bare;
	struct buf served;
};

static char *
position_bare(const struct client *client)
{
	return xasprintf("%s@%s", client->user,
	    client->gateway->conf->bosh.domain);
}

/* The least seq that waits or may not have arrived; 0: none. */
uint64_t
position_open(const struct client *client, bool clean)
{
	uint64_t open = clean ? 0 : client->carrier->oldest_mark(client);
	const struct client_out *out;
	const struct entry *entry;

	for (uint32_t i = 0; i < client->out_count; i++) {
		out = &client->out[(client->out_first + i) % client->out_size];
		entry = out->what;
		if (out->stanza != NULL && (open == 0 || entry->seq < open))
			open = entry->seq;
	}
	return open;
}

/* A line for each channel: its position, a space, its name. */
static void
position_write(const struct client *client, uint64_t open, uint64_t least,
    struct buf *value)
{
	const struct client_sub *sub;
	uint64_t served;

	TAILQ_FOREACH(sub, &client->subs, entry) {
		if (!sub->durable)
			continue;
		served = sub->sub.cursor;
		if (open != 0 && open - 1 < served)
			served = open - 1;
		if (least < served)
			served = least;
		buf_addu(value, served);
		buf_addc(value, ' ');
		buf_adds(value, channel_name(sub->sub.channel));
		buf_addc(value, '\n');
	}
}

/* The position of a channel among those lines; 0 when it has none. */
static uint64_t
position_read(const struct buf *value, const char *channel)
{
	const char *line = value->data, *end = line + value->len, *stop, *space;
	size_t len = strlen(channel);
	uint64_t served;

	for (; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (stop == NULL)
			break;
		space = memchr(line, ' ', (size_t)(stop - line));
		if (space != NULL && (size_t)(stop - space - 1) == len &&
		    memcmp(space + 1, channel, len) == 0 &&
		    text_to_u64(line, (size_t)(space - line), UINT64_MAX,
		        &served))
			return served;
	}
	return 0;
}

static void
position_put_cb(enum err err, void *arg UNUSED)
{
	if (err == ERR_OK)
		stat_add(&position_saves, 1);
	else
		log_warn("bosh.position", "error=%s", err_name(err));
}

/* What all sessions of the bare JID that go on have, this one too unless it is
 * over. */
static uint64_t
position_least(const struct client *client, const char *bare)
{
	struct served *served = client->gateway->relay->served;

	return client->over ?
	    served_drop(served, bare, client) :
	    served_set(served, bare, client, revive_upto(client));
}

static void
position_put(struct client *client, bool clean)
{
	struct gateway *gateway = client->gateway;
	struct buf value;
	char *bare, *key;
	uint64_t least;

	if (client->user == NULL || client->anonymous)
		return;
	buf_init(&value, 0);
	bare = position_bare(client);
	least = position_least(client, bare);
	/* Who took leave has it all; the others go on by themselves. */
	position_write(client, position_open(client, clean),
	    clean ? UINT64_MAX : least, &value);
	if (value.len == 0) {
		free(bare);
		return;
	}
	key = xasprintf(POSITION_KEY "%s", bare);
	store_state_put(gateway->relay->store, gateway->loop, key, value.data,
	    value.len, position_put_cb, NULL);
	buf_clear(&value);
	free(key);
	free(bare);
}

void
position_moved(struct client *client)
{
	static const struct timeval soon = { POSITION_SECS, 0 };
	struct gateway *gateway = client->gateway;

	if (!client->durable || client->moved)
		return;
	client->moved = true;
	if (TAILQ_EMPTY(&gateway->moved))
		event_add(gateway->moved_timer, &soon);
	TAILQ_INSERT_TAIL(&gateway->moved, client, moved_entry);
}

static void
position_still(struct client *client)
{
	if (!client->moved)
		return;
	client->moved = false;
	TAILQ_REMOVE(&client->gateway->moved, client, moved_entry);
}

void
position_save_moved(struct gateway *gateway)
{
	struct client *client;

	while ((client = TAILQ_FIRST(&gateway->moved)) != NULL) {
		position_put(client, false);
		position_still(client);
	}
}

void
position_save(struct client *client, bool clean)
{
	position_put(client, clean);
	position_still(client);
}

static void
position_finish(struct position_call *call)
{
	client_unref(call->client);
	buf_clear(&call->served);
	free(call->bare);
	free(call);
}

/* Subscriptions that ended while the gateway was away. */
static void
position_drop_others(struct position_call *call, enum err err,
    const struct subscription *subs, size_t count, uint64_t as_of)
{
	struct client_sub *own, *next;
	size_t i;

	if (err != ERR_OK || count == POSITION_PAGE)
		return;
	TAILQ_FOREACH_SAFE(own, &call->client->subs, entry, next) {
		if (!own->durable || own->start > as_of)
			continue;
		for (i = 0; i < count; i++)
			if (strcmp(subs[i].channel,
			        channel_name(own->sub.channel)) == 0 &&
			    strcmp(subs[i].address, call->bare) == 0 &&
			    subs[i].state == SUB_ACTIVE)
				break;
		if (i == count)
			client_unlisten(call->client,
			    channel_name(own->sub.channel));
	}
}

static void
position_listed(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of, void *arg)
{
	struct position_call *call = arg;
	uint64_t after;
	bool existed;

	position_drop_others(call, err, subs, count, as_of);
	if (err != ERR_OK)
		log_warn("bosh.resume", "jid=%s error=%s", LOGQ(call->bare),
		    err_name(err));
	for (size_t i = 0; err == ERR_OK && i < count; i++) {
		/* The filter takes the resources too; they are not durable. */
		if (subs[i].state != SUB_ACTIVE ||
		    strcmp(subs[i].address, call->bare) != 0)
			continue;
		after = call->served.len == 0 ?
		    0 :
		    position_read(&call->served, subs[i].channel);
		if (after < subs[i].since)
			after = subs[i].since;
		client_listen(call->client, subs[i].channel, after, true,
		    &existed);
	}
	if (!call->client->over)
		position_least(call->client, call->bare);
	position_finish(call);
}

static void
position_found(enum err err, const struct state_row *rows, size_t count,
    void *arg)
{
	struct position_call *call = arg;
	struct gateway *gateway = call->client->gateway;
	struct sub_filter filter = {
		.owner = gateway->conf->bosh.domain,
		.address = call->bare,
	};

	for (size_t i = 0; err == ERR_OK && i < count; i++)
		if (strcmp(rows[i].key + strlen(POSITION_KEY), call->bare) == 0)
			buf_add(&call->served, rows[i].value, rows[i].len);
	if (call->client->over) {
		position_finish(call);
		return;
	}
	store_sub_list(gateway->relay->store, gateway->loop, &filter, 0,
	    POSITION_PAGE, position_listed, call);
}

void
position_resume(struct client *client)
{
	struct position_call *call = xcalloc(1, sizeof(*call));
	char *key;

	call->client = client_ref(client);
	call->bare = position_bare(client);
	buf_init(&call->served, 0);
	key = xasprintf(POSITION_KEY "%s", call->bare);
	store_state_list(client->gateway->relay->store, client->gateway->loop,
	    key, position_found, call);
	free(key);
}
