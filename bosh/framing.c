#include "bosh/framing.h"

#include <stdlib.h>
#include <string.h>

#include "bosh/client.h"
#include "bosh/limit.h"
#include "bosh/position.h"
#include "bosh/stream.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define FRAMING_NS         "urn:ietf:params:xml:ns:xmpp-framing"
#define FRAMING_NS_XML     "http://www.w3.org/XML/1998/namespace"
#define FRAMING_NS_STREAMS "urn:ietf:params:xml:ns:xmpp-streams"
#define FRAMING_CLOSE      "<close xmlns='" FRAMING_NS "'/>"
#define FRAMING_DECLARE    " xmlns:stream='http://etherx.jabber.org/streams'"
#define FRAMING_ID         8  /* random bytes */
#define FRAMING_LANG_MAX   35 /* RFC 5646 §4.4.1 */

#define FRAMING_ERROR(condition)                                        \
	"<stream:error><" condition " xmlns='" FRAMING_NS_STREAMS "'/>" \
	"</stream:error>"

struct framing {
	struct websocket ws;
	struct client *client;
	int64_t login_by;
	bool open;       /* the stream is */
	uint32_t ping;   /* on its way, to confirm what precedes it; 0: none */
	uint64_t pinged; /* the least seq of the items before it; 0: none */
	uint64_t sent;   /* and of those after it */
};

static struct framing *
framing_of(struct websocket *ws)
{
	return (struct framing *)(void *)((char *)ws -
	    offsetof(struct framing, ws));
}

/* ---- writing ------------------------------------------------------------- */

/* The element that begins at `at` uses the prefix `stream`: it says so itself,
 * for there is no element around it. */
static void
framing_declare(struct buf *out, size_t at)
{
	size_t len = strlen(FRAMING_DECLARE);
	char *end;

	if (buf_reserve(out, len) == NULL)
		return;
	out->data[out->len] = '\0';
	end = out->data + at + strcspn(out->data + at, " />");
	memmove(end + len, end, (size_t)(out->data + out->len - end));
	memcpy(end, FRAMING_DECLARE, len);
	out->len += len;
}

static void
framing_add(struct buf *out, const char *text, bool stream)
{
	size_t at = frame_begin(out), begin = out->len;

	buf_adds(out, text);
	if (stream)
		framing_declare(out, begin);
	frame_end(out, at);
}

/* What waits, up to max_response; returns how many messages. */
static int
framing_write(struct client *client, struct buf *out, uint64_t *mark)
{
	uint64_t max = client->gateway->conf->bosh.max_response;
	size_t at, begin;
	bool stream;
	int count = 0;

	for (; client->out_count > 0 && out->len < max; count++) {
		stream = client->out[client->out_first].stream;
		at = frame_begin(out);
		begin = out->len;
		client_pop(client, out, mark);
		if (stream)
			framing_declare(out, begin);
		frame_end(out, at);
	}
	return count;
}

/* Items were sent, the least of them this one. */
static void
framing_sent(struct framing *framing, uint64_t mark, struct buf *out)
{
	if (mark == 0 || !framing->client->durable)
		return;
	if (framing->sent == 0 || mark < framing->sent)
		framing->sent = mark;
	if (framing->ping != 0)
		return;
	framing->ping = websocket_add_ping(&framing->ws, out);
	framing->pinged = framing->sent;
	framing->sent = 0;
}

static void
framing_flush(struct client *client)
{
	struct framing *framing = client->framing;
	struct buf *out = &client->gateway->scratch;
	uint64_t mark = 0;
	int count;

	if (client->out_count == 0 || websocket_is_blocked(&framing->ws))
		return;
	buf_reset(out);
	count = framing_write(client, out, &mark);
	framing_sent(framing, mark, out);
	websocket_send(&framing->ws, out, count);
	client_popped(client, mark);
	if (client->out_count > 0 && !websocket_is_blocked(&framing->ws))
		loop_defer(client->gateway->loop, &client->flush);
}

static void
framing_drained(struct websocket *ws)
{
	struct client *client = framing_of(ws)->client;

	loop_defer(client->gateway->loop, &client->flush);
}

static void
framing_pong(struct websocket *ws, uint32_t number)
{
	struct framing *framing = framing_of(ws);
	struct buf out;

	if (framing->ping == 0 || number < framing->ping)
		return;
	framing->ping = 0;
	framing->pinged = 0;
	position_moved(framing->client);
	if (framing->sent == 0)
		return;
	buf_init(&out, 0);
	framing_sent(framing, framing->sent, &out);
	websocket_send(ws, &out, 0);
	buf_clear(&out);
}

static uint64_t
framing_oldest_mark(const struct client *client)
{
	const struct framing *framing = client->framing;

	if (framing->sent == 0 ||
	    (framing->pinged != 0 && framing->pinged < framing->sent))
		return framing->pinged;
	return framing->sent;
}

/* ---- the end ------------------------------------------------------------- */

/* RFC 7395 §3.3: ours comes first, whatever else there is to say. */
static void
framing_say_open(struct client *client)
{
	unsigned char id[FRAMING_ID];
	struct buf out;

	crypto_random(id, sizeof(id));
	buf_init(&out, 0);
	buf_adds(&out, "<open xmlns='" FRAMING_NS "' from='");
	buf_adds_xml(&out, client->gateway->conf->bosh.domain);
	buf_adds(&out, "' id='");
	text_hex(id, sizeof(id), &out);
	buf_adds(&out, "' version='1.0' xml:lang='en'/>");
	client_send(client, out.data, out.len);
	buf_clear(&out);
	client->framing->open = true;
}

/* NULL: no error. */
static const char *
framing_error(const struct client *client, enum condition condition)
{
	static const char *const errors[COND_MAX] = {
		[COND_BAD_REQUEST] = FRAMING_ERROR("bad-format"),
		[COND_HOST_GONE] = FRAMING_ERROR("host-gone"),
		[COND_HOST_UNKNOWN] = FRAMING_ERROR("host-unknown"),
		[COND_IMPROPER_ADDRESSING] =
		    FRAMING_ERROR("improper-addressing"),
		[COND_INTERNAL_SERVER_ERROR] =
		    FRAMING_ERROR("internal-server-error"),
		[COND_ITEM_NOT_FOUND] = FRAMING_ERROR("invalid-id"),
		[COND_OTHER_REQUEST] = FRAMING_ERROR("undefined-condition"),
		[COND_POLICY_VIOLATION] = FRAMING_ERROR("policy-violation"),
		[COND_SYSTEM_SHUTDOWN] = FRAMING_ERROR("system-shutdown"),
	};

	return condition == COND_REMOTE_STREAM_ERROR ? client->stream_error :
	                                               errors[condition];
}

static enum websocket_code
framing_code(enum condition condition)
{
	switch (condition) {
	case COND_SYSTEM_SHUTDOWN:
		return WEBSOCKET_AWAY;
	case COND_POLICY_VIOLATION:
		return WEBSOCKET_POLICY;
	case COND_INTERNAL_SERVER_ERROR:
		return WEBSOCKET_INTERNAL;
	default:
		return WEBSOCKET_NORMAL;
	}
}

static void
framing_end(struct client *client, enum condition condition,
    struct arrival *offender UNUSED, const char *reason)
{
	struct framing *framing = client->framing;
	struct buf *out = &client->gateway->scratch;
	const char *error = framing_error(client, condition);
	uint64_t mark = 0;
	int count = 0;

	if (!framing->open)
		framing_say_open(client);
	buf_reset(out);
	if (!websocket_is_blocked(&framing->ws))
		count = framing_write(client, out, &mark);
	framing_sent(framing, mark, out);
	if (error != NULL)
		framing_add(out, error, true);
	framing_add(out, FRAMING_CLOSE, false);
	websocket_send(&framing->ws, out, count + 1 + (error != NULL));
	websocket_close(&framing->ws, framing_code(condition));
	client_over(client, condition, true, reason);
}

static void
framing_release(struct client *client)
{
	client_end(client, COND_SYSTEM_SHUTDOWN, NULL, "shutdown");
}

/* By the peer, or by a fault in his frames. */
static void
framing_closed(struct websocket *ws, int code)
{
	struct client *client = framing_of(ws)->client;

	switch (code) {
	case WEBSOCKET_LOST:
		client_over(client, COND_NONE, true, "connection lost");
		break;
	case WEBSOCKET_PROTOCOL:
	case WEBSOCKET_UNSUPPORTED:
	case WEBSOCKET_INVALID:
		client_over(client, COND_BAD_REQUEST, true, "bad frame");
		break;
	case WEBSOCKET_POLICY:
	case WEBSOCKET_TOO_BIG:
		client_over(client, COND_POLICY_VIOLATION, true, "bad message");
		break;
	default:
		client_over(client, COND_NONE, true, "websocket closed");
	}
}

/* ---- reading ------------------------------------------------------------- */

static void
framing_refuse(struct framing *framing, const char *error, const char *reason)
{
	client_stream_error(framing->client, error, reason);
}

static const char *
framing_fault(enum xml_fault fault)
{
	switch (fault) {
	case XML_RESTRICTED:
		return FRAMING_ERROR("restricted-xml");
	case XML_TOO_MUCH:
		return FRAMING_ERROR("policy-violation");
	default:
		return FRAMING_ERROR("not-well-formed");
	}
}

/* RFC 6120 §4.7.5: 1.0, and what will be compatible with it. */
static bool
framing_is_version(const char *version)
{
	return version != NULL && strncmp(version, "1.", 2) == 0;
}

static enum condition
framing_open(struct framing *framing, const struct xml *open)
{
	struct client *client = framing->client;
	const char *to = xml_attr(open, "to");
	const char *lang = xml_attr_ns(open, FRAMING_NS_XML, "lang");
	enum condition condition;

	if (framing->open) {
		framing_refuse(framing, FRAMING_ERROR("bad-format"),
		    "a second open");
		return COND_NONE;
	}
	condition = gateway_check_to(client->gateway,
	    (struct slice){ to, to == NULL ? 0 : strlen(to) });
	if (condition != COND_NONE)
		return condition;
	if (!framing_is_version(xml_attr(open, "version"))) {
		framing_refuse(framing, FRAMING_ERROR("unsupported-version"),
		    "version");
		return COND_NONE;
	}
	if (client->lang == NULL && lang != NULL &&
	    strlen(lang) <= FRAMING_LANG_MAX)
		client->lang = xstrdup(lang);
	framing_say_open(client);
	stream_features(client);
	return COND_NONE;
}

static enum condition
framing_stanza(struct framing *framing, struct xml *element)
{
	struct client *client = framing->client;
	enum client_state state = client->state;
	enum condition condition;

	if (!framing->open) {
		framing_refuse(framing, FRAMING_ERROR("bad-format"),
		    "not open");
		return COND_NONE;
	}
	/* Who says no namespace means the one that a stream would give it. */
	if (*element->ns == '\0')
		body_to_client_ns(element, "");
	condition = stream_element(client, element);
	/* The stream begins anew (RFC 6120 §6.4.6). */
	if (state == CLIENT_NEW && client->state == CLIENT_AUTHENTICATED)
		framing->open = false;
	return condition;
}

static enum condition
framing_element(struct framing *framing, struct xml *element)
{
	if (xml_is(element, FRAMING_NS, "open"))
		return framing_open(framing, element);
	if (xml_is(element, FRAMING_NS, "close")) {
		client_end(framing->client, COND_NONE, NULL, "close");
		return COND_NONE;
	}
	return framing_stanza(framing, element);
}

static bool
framing_is_blank(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(" \t\r\n", text.p[i]) == NULL || text.p[i] == '\0')
			return false;
	return true;
}

static bool
framing_is_one_too_many(const struct client *client)
{
	const struct gateway *gateway = client->gateway;
	const struct limit_peer peer = limit_peer(client->peer);

	return !limits_take(gateway->relay->limits, &gateway->conf->bosh, &peer,
	    LIMIT_REQUESTS, loop_now_ms(gateway->loop));
}

static void
framing_message(struct websocket *ws, struct slice text)
{
	struct framing *framing = framing_of(ws);
	struct client *client = framing->client;
	struct xml_error error;
	enum condition condition;
	struct xml *element;

	if (framing_is_one_too_many(client)) {
		client_end(client, COND_POLICY_VIOLATION, NULL,
		    "requests-per-address");
		return;
	}
	if (framing_is_blank(text))
		return;
	if (xml_parse(client->gateway->reader, text.p, text.len, true, &element,
	        &error) != ERR_OK) {
		framing_refuse(framing, framing_fault(error.fault), error.why);
		return;
	}
	condition = framing_element(framing, element);
	xml_free(element);
	if (condition != COND_NONE)
		client_end(client, condition, NULL, "refused");
}

/* ---- life ---------------------------------------------------------------- */

/* Who connects has to log in and bind. */
static int64_t
framing_deadline(const struct client *client)
{
	return client->state == CLIENT_BOUND ? INT64_MAX :
	                                       client->framing->login_by;
}

static void
framing_timeout(struct client *client)
{
	client_stream_error(client, FRAMING_ERROR("connection-timeout"),
	    "no login");
}

static void
framing_free(struct client *client)
{
	free(client->framing);
}

static const struct carrier framing_carrier = {
	.flush = framing_flush,
	.deadline = framing_deadline,
	.timeout = framing_timeout,
	.end = framing_end,
	.release = framing_release,
	.oldest_mark = framing_oldest_mark,
	.free = framing_free,
};

static const struct websocket_ops framing_ops = {
	.message = framing_message,
	.pong = framing_pong,
	.drained = framing_drained,
	.closed = framing_closed,
};

bool
framing_connect(struct gateway *gateway, struct exchange *exchange,
    const struct sender *sender, const char *headers)
{
	struct client *client = gateway_connect(gateway, sender);
	struct framing *framing;

	if (client == NULL)
		return false;
	framing = xcalloc(1, sizeof(*framing));
	framing->client = client;
	client->carrier = &framing_carrier;
	client->framing = framing;
	framing->login_by =
	    loop_now_ms(gateway->loop) + gateway->conf->http.request_ms;
	client_arm(client);
	websocket_init(&framing->ws, &gateway->websockets, &framing_ops);
	websocket_open(&framing->ws, exchange, headers);
	return true;
}
