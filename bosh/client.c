#include "bosh/client.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "bosh/grant.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/channel/item.h"

/* A ring larger than this is given back when it is empty. */
#define CLIENT_OUT_KEEP  8
#define CLIENT_COMMON_MS 1000
#define CLIENT_IQ_HASH   6 /* bytes of the hash of a JID in an iq's id */

static struct stat_metric client_delivered =
    STAT_COUNTER("waft_bosh_stanzas_total", "Stanzas written to clients", NULL);
static struct stat_metric client_overflows =
    STAT_COUNTER("waft_bosh_overflows_total",
        "Sessions ended because answers to them were not fetched", NULL);

/* ---- life ------------------------------------------------------------ */

void
client_arm(struct client *client)
{
	int64_t now = loop_now_ms(client->gateway->loop);
	int64_t due = client->carrier->deadline(client);
	int64_t grant_due = grant_deadline(client);
	struct timeval wait;

	if (grant_due < due)
		due = grant_due;

	/* Deadlines mostly move away: the timer that is set may fire early. */
	if (due >= client->timer_at)
		return;
	client->timer_at = due;
	due = due > now ? due - now : 0;
	wait.tv_sec = due / 1000;
	wait.tv_usec = due % 1000 * 1000;
	event_add(&client->timer, &wait);
}

static void
client_flush_cb(void *arg)
{
	struct client *client = arg;

	if (client->over)
		return;
	if (client->overflow) {
		stat_add(&client_overflows, 1);
		client_end(client, COND_POLICY_VIOLATION, NULL, "queue full");
		return;
	}
	client->carrier->flush(client);
	client_arm(client);
}

static void
client_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct client *client = arg;
	int64_t now = loop_now_ms(client->gateway->loop);

	client->timer_at = INT64_MAX;
	grant_expire(client);
	if (!client->over && now >= client->carrier->deadline(client))
		client->carrier->timeout(client);
	if (!client->over)
		client_arm(client);
}

struct client *
client_alloc(struct gateway *gateway, const char *peer)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->refs = 1;
	client->gateway = gateway;
	gateway->refs++;
	client->peer = peer == NULL ? NULL : xstrdup(peer);
	client->timer_at = INT64_MAX;
	TAILQ_INIT(&client->subs);
	loop_defer_init(&client->flush, LOOP_FLUSH, client_flush_cb, client);
	event_assign(&client->timer, loop_base(gateway->loop), -1, 0,
	    client_timer_cb, client);
	return client;
}

static void
client_out_free(struct client_out *out)
{
	if (out->stanza != NULL)
		entry_unref(out->what);
	else
		free(out->what);
}

static void
client_out_clear(struct client *client)
{
	for (; client->out_count > 0; client->out_count--) {
		client_out_free(&client->out[client->out_first]);
		client->out_first = (client->out_first + 1) % client->out_size;
	}
	free(client->out);
	client->out = NULL;
	client->out_size = 0;
	client->out_bytes = 0;
}

static void
client_free(void *arg)
{
	struct client *client = arg;

	client_out_clear(client);
	client->carrier->free(client);
	gateway_unref(client->gateway);
	free(client->lang);
	free(client->peer);
	free(client->user);
	if (client->to != client->jid)
		free(client->to);
	free(client->jid);
	free(client->grant);
	sasl_clear(&client->sasl);
	free(client);
}

struct client *
client_ref(struct client *client)
{
	client->refs++;
	return client;
}

void
client_unref(struct client *client)
{
	if (--client->refs == 0)
		loop_reap(client->gateway->loop, client_free, client);
}

/* ---- the end --------------------------------------------------------- */

void
client_end(struct client *client, enum condition condition,
    struct arrival *offender, const char *reason)
{
	if (!client->over)
		client->carrier->end(client, condition, offender, reason);
}

void
client_stream_error(struct client *client, const char *error,
    const char *reason)
{
	client->stream_error = error;
	client_end(client, COND_REMOTE_STREAM_ERROR, NULL, reason);
}

void
client_release(struct client *client)
{
	client->carrier->release(client);
}

/* ---- what waits ------------------------------------------------------ */

void
client_push(struct client *client, struct client_out out)
{
	uint32_t size = client->out_size;
	struct client_out *ring;

	if (client->out_count == size) {
		ring = xcalloc(size == 0 ? 2 : 2 * (size_t)size, sizeof(*ring));
		for (uint32_t i = 0; i < client->out_count; i++)
			ring[i] = client->out[(client->out_first + i) % size];
		free(client->out);
		client->out = ring;
		client->out_first = 0;
		client->out_size = size == 0 ? 2 : 2 * size;
	}
	client->out[(client->out_first + client->out_count++) %
	    client->out_size] = out;
	client->out_bytes += out.len;
	loop_defer(client->gateway->loop, &client->flush);
}

bool
client_has_room(const struct client *client, size_t len)
{
	size_t kept;

	if (client->out_count == 0)
		return true;
	kept = client->session == NULL ? 0 : session_kept(client->session);
	return client->out_bytes + kept + len <=
	    client->gateway->conf->bosh.client_queue;
}

static void
client_push_text(struct client *client, const char *text, size_t len,
    bool stream)
{
	if (client->over)
		return;
	keep_changed(client);
	if (!client_has_room(client, len)) {
		client->overflow = true;
		loop_defer(client->gateway->loop, &client->flush);
		return;
	}
	client->out_streams += stream;
	client_push(client,
	    (struct client_out){ .what = xstrndup(text, len),
	        .len = (uint32_t)len,
	        .stream = stream });
}

void
client_send(struct client *client, const char *text, size_t len)
{
	client_push_text(client, text, len, false);
}

void
client_send_stream(struct client *client, const char *text, size_t len)
{
	client_push_text(client, text, len, true);
}

/* ---- writing --------------------------------------------------------- */

/* What all copies of an item have in common, but for those that come late: the
 * sender, the id, what we say of it. */
static void
client_common(struct gateway *gateway, const struct client_out *out)
{
	const char *epoch = store_epoch(worker_store(gateway->worker));
	int64_t now = loop_now_ms(gateway->loop);
	struct entry *entry = out->what;
	struct buf address;

	/* What is live gets late. */
	if (gateway->last == entry && gateway->last_late == out->late &&
	    now - gateway->last_ms < CLIENT_COMMON_MS)
		return;
	if (gateway->last != NULL)
		entry_unref(gateway->last);
	gateway->last = entry_ref(entry);
	gateway->last_late = out->late;
	gateway->last_ms = now;
	buf_reset(&gateway->last_from);
	buf_reset(&gateway->last_id);
	buf_reset(&gateway->last_inner);
	buf_init(&address, 0);
	jid_of_channel(entry->channel, gateway->conf->bosh.domain, &address);
	buf_add_xml(&gateway->last_from, address.data, address.len);
	buf_clear(&address);
	item_stanza_id(epoch, entry, &gateway->last_id);
	item_stamp(entry, out->stanza,
	    &(struct item_sender){ conf_class(gateway->conf, entry->channel),
	        epoch, gateway->conf->bosh.domain, &gateway->last_from },
	    out->late, &gateway->last_inner);
}

/* An iq's id is its receiver's own (DESIGN 8), by his JID, so that it is the
 * same after a restart. */
static void
client_add_iq_id(const struct client *client, struct buf *id)
{
	unsigned char hash[32];
	struct buf name;

	buf_init(&name, 0);
	crypto_sha256(client->jid, strlen(client->jid), hash);
	text_hex(hash, CLIENT_IQ_HASH, &name);
	item_add_receiver(id, name.data, name.len);
	buf_clear(&name);
}

static void
client_write_item(struct client *client, const struct client_out *out,
    struct buf *text)
{
	struct gateway *gateway = client->gateway;
	struct stanza_fill fill = { .to = client->to,
		.to_len = client->to_len };
	size_t id_len;

	client_common(gateway, out);
	id_len = gateway->last_id.len;
	if (stanza_kind(out->stanza) == STANZA_IQ)
		client_add_iq_id(client, &gateway->last_id);
	if (stanza_from(out->stanza) == NULL) {
		fill.from = gateway->last_from.data;
		fill.from_len = gateway->last_from.len;
	}
	if (stanza_id(out->stanza) == NULL ||
	    stanza_kind(out->stanza) == STANZA_IQ) {
		fill.id = gateway->last_id.data;
		fill.id_len = gateway->last_id.len;
	}
	fill.inner = gateway->last_inner.data;
	fill.inner_len = gateway->last_inner.len;
	stanza_write(out->stanza, STANZA_BOSH, &fill, text);
	gateway->last_id.len = id_len;
	stat_add(&client_delivered, 1);
}

void
client_resume(struct client *client)
{
	struct client_sub *sub;

	if (!client->some_full || !client_has_room(client, 0))
		return;
	client->some_full = false;
	TAILQ_FOREACH(sub, &client->subs, entry)
		if (sub->full) {
			sub->full = false;
			sub_resume(&sub->sub);
		}
}

void
client_pop(struct client *client, struct buf *text, uint64_t *mark)
{
	struct client_out *out = &client->out[client->out_first];
	struct entry *entry;

	if (out->stanza != NULL) {
		entry = out->what;
		client_write_item(client, out, text);
		if (*mark == 0 || entry->seq < *mark)
			*mark = entry->seq;
	} else
		buf_add(text, out->what, out->len);
	client->out_streams -= out->stream;
	client->out_bytes -= out->len;
	client->out_first = (client->out_first + 1) % client->out_size;
	client->out_count--;
	client_out_free(out);
}

void
client_popped(struct client *client, uint64_t mark)
{
	if (client->out_count == 0 && client->out_size > CLIENT_OUT_KEEP)
		client_out_clear(client);
	if (mark != 0)
		position_moved(client);
	client_resume(client);
}

/* An ordinary end is nothing to read about, one that is the client's fault is.
 */
static void
client_log_end(const struct client *client, enum condition condition,
    const char *reason)
{
	bool fault = condition == COND_BAD_REQUEST ||
	    condition == COND_POLICY_VIOLATION ||
	    condition == COND_REMOTE_STREAM_ERROR;

	(fault ? log_info : log_debug)("bosh.end",
	    "sid=%.6s… reason=%s condition=%s", client->sid, LOGQ(reason),
	    condition_name(condition));
}

void
client_over(struct client *client, enum condition condition, bool told,
    const char *reason)
{
	struct client_sub *sub;

	client->over = true;
	client_log_end(client, condition, reason);
	event_del(&client->timer);
	loop_defer_cancel(client->gateway->loop, &client->flush);
	position_save(client, strcmp(reason, "terminate") == 0);
	while ((sub = TAILQ_FIRST(&client->subs)) != NULL) {
		TAILQ_REMOVE(&client->subs, sub, entry);
		sub_clear(&sub->sub);
		free(sub);
	}
	client->n_subs = 0;
	gateway_forget(client->gateway, client, condition, told);
}

bool
client_is_address(const struct client *client, const char *address)
{
	size_t len = strlen(address);

	if (client->jid == NULL || strncmp(client->jid, address, len) != 0)
		return false;
	return client->jid[len] == '\0' ||
	    (client->jid[len] == '/' && !client->anonymous &&
	        strchr(address, '/') == NULL);
}
