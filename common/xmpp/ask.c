#include "common/xmpp/ask.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/adhoc.h"
#include "common/xmpp/pace.h"
#include "common/xmpp/page.h"
#include "common/xmpp/scan.h"

#define ASK_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"

static struct stat_metric ask_refused = STAT_COUNTER("waft_xmpp_refused_total",
    "Requests of XMPP users answered with an error", NULL);

/* The channel an address of ours means: its node's or, for names that no node
 * can carry, its resource's (jid_of_channel()). */
static char *
ask_channel(const struct jid *to)
{
	const char *resource;
	struct buf channel;

	if (to->node_len == 0 && to->resource_len == 0)
		return NULL;
	buf_init(&channel, 0);
	resource = to->full + jid_bare_len(to) + 1;
	if (to->node_len == 0)
		buf_add(&channel, resource, to->resource_len);
	else if (!jid_channel(to, &channel))
		buf_reset(&channel);
	if (!text_is_channel(channel.data, channel.len))
		buf_reset(&channel);
	return buf_detach(&channel, NULL);
}

struct ask *
ask_create(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const char *id)
{
	struct ask *ask = xcalloc(1, sizeof *ask);

	ask->service = service;
	ask->peer = peer;
	ask->from = *from;
	ask->self = xstrdup(to->full);
	ask->id = id == NULL ? NULL : xstrdup(id);
	ask->channel = ask_channel(to);
	service->refs++;
	service->ops->ref(peer);
	return ask;
}

static void
ask_release(struct service *service)
{
	if (--service->refs > 0)
		return;
	xml_reader_free(service->reader);
	pace_free(service->texts);
	free(service->caps);
	adhoc_sessions_free(service->sessions);
	free(service->domain);
	free(service->stanza_ns);
	free(service);
}

void
ask_done(struct ask *ask)
{
	if (ask->work_free != NULL)
		ask->work_free(ask->work);
	scan_free(ask->scan);
	page_free(ask->page);
	node_free(ask->node);
	ask->service->ops->unref(ask->peer);
	ask_release(ask->service);
	free(ask->self);
	free(ask->id);
	free(ask->channel);
	free(ask);
}

void
service_free(struct service *service)
{
	if (service == NULL)
		return;
	service->closed = true;
	ask_release(service);
}

bool
ask_is_late(struct ask *ask)
{
	if (!ask->service->closed)
		return false;
	ask_done(ask);
	return true;
}

bool
ask_node(struct ask *ask, const char *node)
{
	if (node == NULL)
		return ask->channel == NULL || ask->channel[0] != '\0';
	if (ask->channel != NULL)
		return strcmp(ask->channel, node) == 0;
	if (!text_is_channel(node, strlen(node)))
		return false;
	ask->channel = xstrdup(node);
	return true;
}

static void
ask_subs_cb(enum err err, const struct subscription *subs UNUSED, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_OK && count == 0)
		err = ERR_NOTFOUND;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask->found(ask);
}

static void
ask_channel_cb(enum err err, const struct channel_info *info,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK && err != ERR_NOTFOUND) {
		ask_fail(ask, err);
		return;
	}
	ask->known = err == ERR_OK;
	if (ask->known && info->node_len > 0)
		ask->node =
		    node_read(info->node, info->node_len, info->node_seq);
	ask->looked(ask);
}

void
ask_look(struct ask *ask, void (*looked)(struct ask *ask))
{
	ask->looked = looked;
	store_node(ask->service->store, ask->service->loop, ask->channel,
	    ask_channel_cb, ask);
}

void
ask_exists(struct ask *ask, void (*found)(struct ask *ask))
{
	struct service *service = ask->service;
	const struct sub_filter filter = { .channel = ask->channel };

	ask->found = found;
	if (ask->known)
		found(ask);
	else
		store_sub_list(service->store, service->loop, &filter, 0, 1,
		    ask_subs_cb, ask);
}

static void
ask_find_looked(struct ask *ask)
{
	ask_exists(ask, ask->found);
}

void
ask_find(struct ask *ask, void (*found)(struct ask *ask))
{
	ask->found = found;
	ask_look(ask, ask_find_looked);
}

/* ---- subscribing ----------------------------------------------------- */

static unsigned
ask_ways(const struct ask *ask)
{
	return ask->by_presence ? SUB_BY_PRESENCE : SUB_BY_REQUEST;
}

/* The peer cannot keep one that is not in force yet. */
static void
ask_subscribe_pending(struct ask *ask)
{
	struct service *service = ask->service;
	struct subscription sub;

	/* Only a bare JID is there when it is approved. */
	jid_to_bare(&ask->jid);
	sub = (struct subscription){ .owner = service->domain,
		.channel = ask->channel,
		.address = ask->jid.full,
		.state = SUB_PENDING,
		.ways = ask_ways(ask) };

	store_sub_put(service->store, service->loop, &sub, ask->subscribed,
	    ask);
}

/* The count is that of the store a moment ago: two at once may pass it by one.
 */
static void
ask_counted_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	const struct service *service = ask->service;
	size_t max = (size_t)service->conf->control.subscriptions_per_jid;
	bool subscribed = false, same = false, pending;
	size_t i;

	if (ask_is_late(ask))
		return;
	for (i = 0; i < count; i++) {
		if (strcmp(subs[i].channel, ask->channel) != 0)
			continue;
		subscribed |= subs[i].state != SUB_PENDING;
		same |= strcmp(subs[i].address, ask->jid.full) == 0;
	}
	ask->refusal =
	    access_refuses(ask, ask->by_presence, subscribed, &pending);
	if (err == ERR_OK && ask->refusal != NULL)
		err = ERR_DENIED;
	else if (err == ERR_OK && !same && count >= max)
		err = ERR_LIMIT;
	if (err != ERR_OK)
		ask->subscribed(err, NULL, false, ask);
	else if (pending)
		ask_subscribe_pending(ask);
	else
		service->ops->subscribe(ask->peer, &ask->jid, ask->channel,
		    ask_ways(ask), ask->subscribed, ask);
}

static void
ask_subscribe_looked(struct ask *ask)
{
	struct jid bare = ask->jid;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, NULL, ask_counted_cb,
	    ask);
}

void
ask_subscribe(struct ask *ask, const struct jid *jid, service_sub_fn *done)
{
	ask->jid = *jid;
	ask->subscribed = done;
	ask_look(ask, ask_subscribe_looked);
}

/* The roster is told what was ended otherwise. */
static void
ask_unsubscribed_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct ask *ask = arg;

	if (!ask->service->closed && err == ERR_OK && sub != NULL &&
	    (sub->ways & SUB_BY_PRESENCE) != 0)
		ask_presence_to(ask, ask->jid.full, "unsubscribed");
	ask->subscribed(err, sub, existed, ask);
}

static void
ask_unsubscribe_cb(enum err err UNUSED, const struct subscription *subs UNUSED,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (!ask_is_late(ask))
		ask->service->ops->unsubscribe(ask->peer, &ask->jid,
		    ask->channel, ask_unsubscribed_cb, ask);
}

static void
ask_unsubscribe_looked(struct ask *ask)
{
	struct jid bare = ask->jid;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, NULL,
	    ask_unsubscribe_cb, ask);
}

void
ask_unsubscribe(struct ask *ask, const struct jid *jid, service_sub_fn *done)
{
	ask->jid = *jid;
	ask->subscribed = done;
	ask_look(ask, ask_unsubscribe_looked);
}

/* ---- answers --------------------------------------------------------- */

static void
ask_send(const struct ask *ask, struct buf *out)
{
	ask->service->ops->send(ask->peer, out->data, out->len);
	buf_clear(out);
}

/* The start tag, but for its `>`. */
static void
ask_open(struct buf *out, const char *name, const char *stanza_ns)
{
	buf_init(out, 0);
	buf_addc(out, '<');
	buf_adds(out, name);
	buf_adds(out, stanza_ns);
}

static void
ask_open_iq(const struct ask *ask, const char *type, struct buf *out)
{
	ask_open(out, "iq", ask->service->stanza_ns);
	buf_add_attr(out, "type", type);
	buf_add_attr(out, "id", ask->id);
	buf_add_attr(out, "from", ask->self);
	buf_add_attr(out, "to", ask->from.full);
}

void
ask_reply(const struct ask *ask, const struct buf *body)
{
	struct buf out;

	ask_open_iq(ask, "result", &out);
	if (body == NULL || body->len == 0) {
		buf_adds(&out, "/>");
	} else {
		buf_addc(&out, '>');
		buf_add(&out, body->data, body->len);
		buf_adds(&out, "</iq>");
	}
	ask_send(ask, &out);
}

void
ask_result(struct ask *ask, const struct buf *body)
{
	ask_reply(ask, body);
	ask_done(ask);
}

/* XEP-0060 §12.4: each notification has an id. */
static void
ask_add_random_id(struct buf *out)
{
	unsigned char random[8];

	crypto_random(random, sizeof random);
	buf_adds(out, " id='");
	text_hex(random, sizeof random, out);
	buf_addc(out, '\'');
}

static void
ask_count_refusal(const struct ask *ask, const char *condition)
{
	const char *from = ask->from.full;

	stat_add(&ask_refused, 1);
	log_debug("xmpp.refused", "jid=%s to=%s condition=%s",
	    log_quote(from, strlen(from)), LOGQ(ask->self), condition);
}

void
ask_note(const struct ask *ask, const char *what)
{
	const char *from = ask->from.full;

	log_info("xmpp.node", "channel=%s jid=%s what=%s", LOGQ(ask->channel),
	    log_quote(from, strlen(from)), what);
}

void
ask_error_in(struct ask *ask, const struct ask_error *error, const char *ns,
    const struct buf *request)
{
	struct buf out;

	ask_count_refusal(ask, error->condition);
	/* Nothing but a request is answered with an error. */
	if (ask->type == NULL) {
		ask_done(ask);
		return;
	}
	ask_open_iq(ask, "error", &out);
	buf_addc(&out, '>');
	if (request != NULL)
		buf_add(&out, request->data, request->len);
	buf_addf(&out, "<error type='%s'><%s xmlns='" ASK_STANZAS "'/>",
	    error->type, error->condition);
	if (error->detail != NULL) {
		buf_addf(&out, "<%s xmlns='%s'", error->detail, ns);
		buf_add_attr(&out, "feature", error->feature);
		buf_adds(&out, "/>");
	}
	buf_adds(&out, "</error></iq>");
	ask_send(ask, &out);
	ask_done(ask);
}

void
ask_error(struct ask *ask, const struct ask_error *error)
{
	ask_error_in(ask, error, ASK_PUBSUB_ERRORS, NULL);
}

void
ask_fail(struct ask *ask, enum err err)
{
	const struct ask_error error = { .type = err_xmpp_type(err),
		.condition = err_xmpp_condition(err) };

	ask_error(ask, &error);
}

void
ask_presence(const struct ask *ask, const char *type)
{
	struct jid to = ask->from;
	struct buf out;

	jid_to_bare(&to);
	ask_open(&out, "presence", ask->service->stanza_ns);
	buf_add_attr(&out, "type", type);
	buf_add_attr(&out, "from", ask->self);
	buf_add_attr(&out, "to", to.full);
	buf_adds(&out, "/>");
	ask_send(ask, &out);
}

void
ask_presence_error(const struct ask *ask, const struct ask_error *error)
{
	struct buf out;

	ask_count_refusal(ask, error->condition);
	ask_open(&out, "presence", ask->service->stanza_ns);
	buf_add_attr(&out, "type", "error");
	buf_add_attr(&out, "from", ask->self);
	buf_add_attr(&out, "to", ask->from.full);
	buf_addf(&out,
	    "><error type='%s'><%s xmlns='" ASK_STANZAS
	    "'/></error></presence>",
	    error->type, error->condition);
	ask_send(ask, &out);
}

/* What the channel is, for people. */
static void
ask_add_status(const struct ask *ask, struct buf *out)
{
	const struct node *node = ask->node;
	bool titled = node != NULL && node->title[0] != '\0';
	bool described = node != NULL && node->description[0] != '\0';

	buf_adds(out, "<status>");
	if (titled)
		buf_adds_xml(out, node->title);
	if (titled && described)
		buf_adds(out, ": ");
	if (described)
		buf_adds_xml(out, node->description);
	if (!titled && !described)
		buf_adds_xml(out, ask->channel);
	buf_adds(out, "</status>");
}

/* The rest of an available presence. */
static void
ask_add_presence(const struct ask *ask, struct buf *out)
{
	buf_addc(out, '>');
	ask_add_status(ask, out);
	buf_adds(out, ask->service->caps);
	buf_adds(out, "</presence>");
}

void
ask_presence_to(const struct ask *ask, const char *to, const char *type)
{
	struct buf out, from;

	buf_init(&from, 0);
	jid_of_channel(ask->channel, ask->service->domain, &from);
	ask_open(&out, "presence", ask->service->stanza_ns);
	buf_add_attr(&out, "type", type);
	buf_add_attr(&out, "from", from.data);
	buf_add_attr(&out, "to", to);
	if (type == NULL)
		ask_add_presence(ask, &out);
	else
		buf_adds(&out, "/>");
	ask->service->ops->tell(ask->peer, to, out.data, out.len);
	buf_clear(&out);
	buf_clear(&from);
}

void
ask_available(const struct ask *ask, bool to_full)
{
	struct jid to = ask->from;
	struct buf out;

	if (!to_full)
		jid_to_bare(&to);
	ask_open(&out, "presence", ask->service->stanza_ns);
	buf_add_attr(&out, "from", ask->self);
	buf_add_attr(&out, "to", to.full);
	ask_add_presence(ask, &out);
	ask_send(ask, &out);
}

void
ask_say(const struct ask *ask, const char *text)
{
	struct buf out;

	ask_open(&out, "message", ask->service->stanza_ns);
	buf_adds(&out, " type='chat'");
	buf_add_attr(&out, "from", ask->self);
	buf_add_attr(&out, "to", ask->from.full);
	ask_add_random_id(&out);
	buf_adds(&out, "><body>");
	buf_adds_xml(&out, text);
	buf_adds(&out, "</body></message>");
	ask_send(ask, &out);
}

void
ask_tell(const struct ask *ask, const char *to, const struct buf *inner)
{
	struct buf out;

	ask_open(&out, "message", ask->service->stanza_ns);
	buf_add_attr(&out, "from", ask->service->domain);
	buf_add_attr(&out, "to", to);
	ask_add_random_id(&out);
	buf_addc(&out, '>');
	buf_add(&out, inner->data, inner->len);
	buf_adds(&out, "</message>");
	ask->service->ops->tell(ask->peer, to, out.data, out.len);
	buf_clear(&out);
}

void
ask_deny(struct ask *ask)
{
	ask_count_refusal(ask, "unsubscribed");
	ask_presence(ask, "unsubscribed");
	ask_done(ask);
}

void
service_error(const struct xml *stanza, const char *from, const char *to,
    const char *stanza_ns, enum err err, const char *text, struct buf *out)
{
	buf_addf(out, "<%s%s type='error'", stanza->name, stanza_ns);
	buf_add_attr(out, "id", xml_attr(stanza, "id"));
	buf_add_attr(out, "from", from);
	buf_add_attr(out, "to", to);
	buf_addf(out, "><error type='%s'><%s xmlns='" ASK_STANZAS "'/>",
	    err_xmpp_type(err), err_xmpp_condition(err));
	if (text != NULL) {
		buf_adds(out, "<text xmlns='" ASK_STANZAS "'>");
		buf_adds_xml(out, text);
		buf_adds(out, "</text>");
	}
	buf_addf(out, "</error></%s>", stanza->name);
}
