/* A client over BOSH: the requests of its session, their answers, its keys. */
#include <string.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "bosh/stream.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

static struct stat_metric bosh_repeats = STAT_COUNTER("waft_bosh_repeats_total",
    "Requests answered again because their rid came again", NULL);
static struct stat_metric bosh_errors =
    STAT_COUNTER("waft_bosh_recoverable_errors_total",
        "Held requests whose rid came again on another connection", NULL);

static const struct session_ops bosh_session_ops;
static const struct carrier bosh_carrier;

/* ---- requests -------------------------------------------------------- */

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

static void
bosh_set(struct client *client, const struct body *body)
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
	client->session = session_create(&opts, &bosh_session_ops, client,
	    loop_now_ms(client->gateway->loop));
}

struct client *
client_create(struct gateway *gateway, const struct body *body,
    const char *peer)
{
	struct client *client = client_alloc(gateway, peer);

	client->carrier = &bosh_carrier;
	bosh_set(client, body);
	return client;
}

void
client_take_up(struct client *client, const struct session_opts *opts,
    const struct session_past *past)
{
	client->carrier = &bosh_carrier;
	client->session = session_resume(opts, past, &bosh_session_ops, client,
	    loop_now_ms(client->gateway->loop));
}

/* The next request on this connection will be of the same client, and look at
 * him, at where his sid is looked up, and at his session. */
static void
bosh_expect(const struct client *client, struct arrival *arrival)
{
	const UT_hash_table *table = client->hh.tbl;
	unsigned bucket = client->hh.hashv & (table->num_buckets - 1);

	if (arrival->origin != arrival->owner)
		return;
	exchange_expect(arrival->exchange, 0, client, CLIENT_NEAR);
	exchange_expect(arrival->exchange, 1, &table->buckets[bucket],
	    sizeof(table->buckets[0]));
	exchange_expect(arrival->exchange, 2, client->session, MEM_LINE);
}

void
client_receive(struct client *client, struct body *body,
    struct arrival *arrival)
{
	bool pause = body->pause_s > 0;

	arrival->client = client;
	bosh_expect(client, arrival);
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

/* ---- what the session asks for ---------------------------------------- */

/* After a restart there may be keys between that nobody remembers. */
static bool
bosh_check_key(struct client *client, const struct body *body)
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
bosh_apply(void *arg, const struct body *body)
{
	struct client *client = arg;

	if (client->keys.used && body->rid != client->created &&
	    !bosh_check_key(client, body))
		return COND_ITEM_NOT_FOUND;
	client->keys.rid = body->rid;
	return stream_apply(client, body);
}

/* Did a request of before the restart have this key? */
static bool
bosh_knows_key(void *arg, const struct body *body)
{
	const struct client *client = arg;
	struct keys keys = client->keys;

	return body->rid > keys.rid ?
	    keys_check_far(&keys, body->rid - keys.rid - 1, body->key,
	        body->newkey) :
	    keys_check_again(&keys, keys.rid - body->rid, body->key,
	        body->newkey);
}

/* Writes what waits, up to max_response. */
static void
bosh_write(struct client *client, struct buf *text,
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
bosh_open_created(struct client *client, struct buf *text)
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
bosh_render(void *arg, struct session_answer *answer)
{
	struct client *client = arg;
	struct buf *text = &client->gateway->scratch;

	buf_reset(text);
	if (answer->created)
		bosh_open_created(client, text);
	else {
		answer->attrs.stream =
		    answer->payload && client->out_streams > 0;
		body_open(text, &answer->attrs);
	}
	if (answer->payload)
		bosh_write(client, text, answer);
	body_close(text);
	return (struct slice){ text->data, text->len };
}

static bool
bosh_waiting(void *arg)
{
	return ((struct client *)arg)->out_count > 0;
}

static void
bosh_answer(void *arg, void *transport, enum session_reply reply,
    enum condition condition, struct slice text)
{
	struct client *client = arg;
	struct buf *out = &client->gateway->scratch;
	int status = 200;

	if (reply == REPLY_REPEAT)
		stat_add(&bosh_repeats, 1);
	if (reply == REPLY_ERROR || reply == REPLY_END) {
		buf_reset(out);
		if (reply == REPLY_ERROR) {
			stat_add(&bosh_errors, 1);
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

static void
bosh_ended(void *arg, enum condition condition, bool told, const char *reason)
{
	client_over(arg, condition, told, reason);
}

/* ---- what the client asks for ----------------------------------------- */

static void
bosh_flush(struct client *client)
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
bosh_deadline(const struct client *client)
{
	int64_t due = session_deadline(client->session);
	int64_t later = loop_now_ms(client->gateway->loop) + KEEP_MS;

	return client->storing > 0 && due < later ? later : due;
}

static void
bosh_timeout(struct client *client)
{
	if (client->storing > 0 || client->changed)
		return;
	session_timeout(client->session, loop_now_ms(client->gateway->loop));
	if (!client->over)
		keep_moved(client);
}

static void
bosh_end(struct client *client, enum condition condition,
    struct arrival *offender, const char *reason)
{
	session_end(client->session, condition, offender, reason);
}

static void
bosh_release(struct client *client)
{
	client->releasing = true;
	loop_defer(client->gateway->loop, &client->flush);
}

static uint64_t
bosh_oldest_mark(const struct client *client)
{
	return session_oldest_mark(client->session);
}

static void
bosh_free(struct client *client)
{
	session_free(client->session);
}

static void
bosh_fetch(const struct client *client, int step)
{
	const struct arrival *arrival;

	if (step == 1)
		mem_fetch(client->out, sizeof(*client->out));
	session_fetch(client->session, step - 1);
	if (step < 3)
		return;
	arrival = session_first(client->session);
	if (arrival != NULL)
		arrival_fetch(arrival, step - 3);
}

static const struct carrier bosh_carrier = {
	.flush = bosh_flush,
	.deadline = bosh_deadline,
	.timeout = bosh_timeout,
	.end = bosh_end,
	.release = bosh_release,
	.oldest_mark = bosh_oldest_mark,
	.free = bosh_free,
	.fetch = bosh_fetch,
};

static const struct session_ops bosh_session_ops = { bosh_apply, bosh_waiting,
	bosh_render, bosh_answer, bosh_ended, bosh_knows_key };
