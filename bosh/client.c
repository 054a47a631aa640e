#include "bosh/client.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "bosh/grant.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "bosh/stream.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/channel/item.h"

/* A ring larger than this is given back when it is empty. */
#define CLIENT_OUT_KEEP 8

static struct stat_metric client_delivered =
    STAT_COUNTER("waft_bosh_stanzas_total",
        "Stanzas written into BOSH responses", NULL);
static struct stat_metric client_overflows =
    STAT_COUNTER("waft_bosh_overflows_total",
        "Sessions ended because answers to them were not fetched", NULL);

static struct stat_metric client_repeats =
    STAT_COUNTER("waft_bosh_repeats_total",
        "Requests answered again because their rid came again", NULL);
static struct stat_metric client_errors =
    STAT_COUNTER("waft_bosh_recoverable_errors_total",
        "Held requests whose rid came again on another connection", NULL);

static const struct session_ops client_session_ops;
static const struct carrier client_bosh;

/* ---- life ------------------------------------------------------------ */

/* Content types that a client may ask for (XEP-0124 §7.1); nothing that a
 * browser would run. */
const char *
client_content(struct slice content)
{
	static const char *const types[] = { "text/xml; charset=utf-8",
		"text/xml", "application/xml", "application/xml; charset=utf-8",
		"text/plain", "text/plain; charset=utf-8" };

	for (size_t i = 0; content.p != NULL && i < ARRAY_LEN(types); i++)
		if (slice_is(content, types[i]))
			return types[i];
	return types[0];
}

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

static void
client_set(struct client *client, const struct body *body)
{
	const struct conf_bosh *conf = &client->gateway->conf->bosh;
	int64_t wait_ms = body->wait_s < 0 ? 60000 : body->wait_s * 1000;
	struct session_opts opts = { .rid = body->rid,
		.inactivity_ms = conf->inactivity_ms,
		.polling_ms = conf->polling_ms,
		.max_pause_ms = conf->max_pause_ms };

	opts.wait_ms =
	    wait_ms < conf->max_wait_ms ? wait_ms : conf->max_wait_ms;
	opts.hold = body->hold < 0      ? 1 :
	    body->hold < conf->max_hold ? (int)body->hold :
	                                  conf->max_hold;
	opts.acks = body->has_ack && body->ack == 1;
	opts.keys = body->newkey.p != NULL;
	client->created = body->rid;
	client->wait_ms = opts.wait_ms;
	client->acks = opts.acks;
	client->legacy = !body->has_ver;
	client->has_ver = body->has_ver;
	client->ver_minor = body->ver_major > 1 || body->ver_minor > 255 ?
	    255 :
	    (uint8_t)body->ver_minor;
	client->content = client_content(body->content);
	if (body->lang.p != NULL && body->lang.len <= 35)
		client->lang = xstrndup(body->lang.p, body->lang.len);
	client->session = session_create(&opts, &client_session_ops, client,
	    loop_now_ms(client->gateway->loop));
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

struct client *
client_create(struct gateway *gateway, const struct body *body,
    const char *peer)
{
	struct client *client = client_alloc(gateway, peer);

	client->carrier = &client_bosh;
	client_set(client, body);
	return client;
}

void
client_take_up(struct client *client, const struct session_opts *opts,
    const struct session_past *past)
{
	client->carrier = &client_bosh;
	client->session = session_resume(opts, past, &client_session_ops,
	    client, loop_now_ms(client->gateway->loop));
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

/* ---- requests -------------------------------------------------------- */

void
client_receive(struct client *client, struct body *body,
    struct arrival *arrival)
{
	bool pause = body->pause_s > 0;

	arrival->client = client;
	session_receive(client->session, body, arrival,
	    loop_now_ms(client->gateway->loop));
	if (session_is_over(client->session))
		return;
	if (pause)
		keep_changed(client);
	client_resume(client);
	loop_defer(client->gateway->loop, &client->flush);
	client_arm(client);
}

void
client_aborted(struct client *client, struct arrival *arrival)
{
	arrival->client = NULL;
	if (!session_abort(client->session, arrival,
	        loop_now_ms(client->gateway->loop)))
		return;
	client_arm(client);
}

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
	size_t kept =
	    client->session == NULL ? 0 : session_kept(client->session);

	return client->out_count == 0 ||
	    client->out_bytes + kept + len <=
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

/* The id and the sender that all copies of an item share. */
static void
client_common(struct gateway *gateway, struct entry *entry,
    const struct stanza *stanza)
{
	struct buf from;

	if (gateway->last == entry)
		return;
	if (gateway->last != NULL)
		entry_unref(gateway->last);
	gateway->last = entry_ref(entry);
	buf_reset(&gateway->last_from);
	buf_reset(&gateway->last_id);
	if (stanza_from(stanza) == NULL) {
		buf_init(&from, 0);
		jid_of_channel(entry->channel, gateway->conf->bosh.domain,
		    &from);
		buf_add_xml(&gateway->last_from, from.data, from.len);
		buf_clear(&from);
	}
	if (stanza_id(stanza) == NULL)
		item_stanza_id(store_epoch(worker_store(gateway->worker)),
		    entry, &gateway->last_id);
}

static void
client_write_item(struct client *client, const struct client_out *out,
    struct buf *text)
{
	struct gateway *gateway = client->gateway;
	struct stanza_fill fill = { .to = client->to,
		.to_len = client->to_len };

	client_common(gateway, out->what, out->stanza);
	if (gateway->last_from.len > 0) {
		fill.from = gateway->last_from.data;
		fill.from_len = gateway->last_from.len;
	}
	if (gateway->last_id.len > 0) {
		fill.id = gateway->last_id.data;
		fill.id_len = gateway->last_id.len;
	}
	stanza_write(out->stanza, STANZA_BOSH, &fill, text);
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

/* Writes what waits, up to max_response. */
static void
client_write(struct client *client, struct buf *text,
    struct session_answer *answer)
{
	uint64_t max = client->gateway->conf->bosh.max_response;

	while (client->out_count > 0 && text->len < max) {
		/* The answer to the creation has the sid: it is not stored. */
		answer->texts |= !answer->created &&
		    client->out[client->out_first].stanza == NULL;
		client_pop(client, text, &answer->mark);
	}
	client_popped(client, answer->mark);
}

static void
client_open_created(struct client *client, struct buf *text)
{
	const struct conf_bosh *conf = &client->gateway->conf->bosh;
	struct body_created created = { .sid = client->sid,
		.domain = conf->domain,
		.wait_ms = client->wait_ms,
		.polling_ms = conf->polling_ms,
		.max_pause_ms = conf->max_pause_ms,
		.ver_minor = client->ver_minor,
		.has_ver = client->has_ver };

	created.ack = client->acks ? client->created : 0;
	created.hold = session_hold(client->session);
	created.requests = session_requests(client->session);
	created.inactivity_ms = session_inactivity_ms(client->session);
	body_open_created(text, &created);
}

static struct slice
client_render(void *arg, struct session_answer *answer)
{
	struct client *client = arg;
	struct buf *text = &client->gateway->scratch;

	buf_reset(text);
	if (answer->created)
		client_open_created(client, text);
	else {
		answer->attrs.stream =
		    answer->payload && client->out_streams > 0;
		body_open(text, &answer->attrs);
	}
	if (answer->payload)
		client_write(client, text, answer);
	body_close(text);
	return (struct slice){ text->data, text->len };
}

static bool
client_waiting(void *arg)
{
	return ((struct client *)arg)->out_count > 0;
}

static void
client_answer(void *arg, void *transport, enum session_reply reply,
    enum condition condition, struct slice text)
{
	struct client *client = arg;
	struct buf *out = &client->gateway->scratch;
	int status = 200;

	if (reply == REPLY_REPEAT)
		stat_add(&client_repeats, 1);
	if (reply == REPLY_ERROR || reply == REPLY_END) {
		buf_reset(out);
		if (reply == REPLY_ERROR) {
			stat_add(&client_errors, 1);
			body_write_error(out);
		} else
			body_write_end(out, condition,
			    condition == COND_REMOTE_STREAM_ERROR ?
			        client->stream_error :
			        NULL);
		text = (struct slice){ out->data, out->len };
		if (reply == REPLY_END && client->legacy)
			status = condition_http_status(condition);
	}
	arrival_answer(transport, status, client->content, text);
}

/* After a restart there may be keys between that nobody remembers. */
static bool
client_check_key(struct client *client, const struct body *body)
{
	struct keys *keys = &client->keys;

	if (body->newkey.p != NULL)
		keep_changed(client);
	if (body->rid > keys->rid)
		return keys_check_far(keys, body->rid - keys->rid - 1,
		    body->key, body->newkey);
	return keys_check_again(keys, keys->rid - body->rid, body->key,
	    body->newkey);
}

static enum condition
client_apply(void *arg, const struct body *body)
{
	struct client *client = arg;

	if (client->keys.used && body->rid != client->created &&
	    !client_check_key(client, body))
		return COND_ITEM_NOT_FOUND;
	client->keys.rid = body->rid;
	return stream_apply(client, body);
}

/* Did a request of before the restart have this key? */
static bool
client_knows_key(void *arg, const struct body *body)
{
	const struct client *client = arg;
	struct keys keys = client->keys;

	return body->rid > keys.rid ?
	    keys_check_far(&keys, body->rid - keys.rid - 1, body->key,
	        body->newkey) :
	    keys_check_again(&keys, keys.rid - body->rid, body->key,
	        body->newkey);
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

static void
client_ended(void *arg, enum condition condition, bool told, const char *reason)
{
	client_over(arg, condition, told, reason);
}

static void
client_flush_session(struct client *client)
{
	int64_t now = loop_now_ms(client->gateway->loop);

	if (keep_holds_back(client))
		return;
	if (client->releasing)
		session_release(client->session, now);
	else
		session_flush(client->session, now);
	if (client->over)
		return;
	keep_moved(client);
	if (client->resume_due && client->out_count == 0) {
		client->resume_due = false;
		position_resume(client);
	}
}

static int64_t
client_session_deadline(const struct client *client)
{
	int64_t due = session_deadline(client->session);
	int64_t later = loop_now_ms(client->gateway->loop) + KEEP_MS;

	return client->storing > 0 && due < later ? later : due;
}

static void
client_session_timeout(struct client *client)
{
	if (client->storing > 0 || client->changed)
		return;
	session_timeout(client->session, loop_now_ms(client->gateway->loop));
	if (!client->over)
		keep_moved(client);
}

static void
client_end_session(struct client *client, enum condition condition,
    struct arrival *offender, const char *reason)
{
	session_end(client->session, condition, offender, reason);
}

static void
client_release_session(struct client *client)
{
	client->releasing = true;
	loop_defer(client->gateway->loop, &client->flush);
}

static uint64_t
client_session_mark(const struct client *client)
{
	return session_oldest_mark(client->session);
}

static void
client_free_session(struct client *client)
{
	session_free(client->session);
}

static const struct carrier client_bosh = {
	.flush = client_flush_session,
	.deadline = client_session_deadline,
	.timeout = client_session_timeout,
	.end = client_end_session,
	.release = client_release_session,
	.oldest_mark = client_session_mark,
	.free = client_free_session,
};

static const struct session_ops client_session_ops = { client_apply,
	client_waiting, client_render, client_answer, client_ended,
	client_knows_key };
