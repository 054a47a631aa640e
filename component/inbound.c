#include "component/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/channel/item.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/service.h"
#include "component/bouncer.h"
#include "component/flood.h"
#include "component/notify.h"
#include "component/operator.h"
#include "component/peer.h"
#include "component/relay.h"
#include "component/roster.h"

#define INBOUND_IGNORED(reason)                              \
	STAT_COUNTER("waft_component_ignored_total",         \
	    "Received stanzas that were ignored, by reason", \
	    "reason=\"" reason "\"")
static struct stat_metric inbound_foreign = INBOUND_IGNORED("address");
static struct stat_metric inbound_loops = INBOUND_IGNORED("loop");
static struct stat_metric inbound_ignored = INBOUND_IGNORED("reply");
static struct stat_metric inbound_iq_results =
    STAT_COUNTER("waft_component_iq_replies_total",
        "Answers to published iqs, by what they are", "type=\"result\"");
static struct stat_metric inbound_iq_errors =
    STAT_COUNTER("waft_component_iq_replies_total",
        "Answers to published iqs, by what they are", "type=\"error\"");
static struct stat_metric inbound_messages = INBOUND_IGNORED("message");
static void
inbound_free(void *arg)
{
	struct inbound *inbound = arg;

	bouncer_free(inbound->bouncer);
	roster_free(inbound->roster);
	service_free(inbound->service);
	flood_free(inbound->flood);
	free(inbound);
}

void
inbound_ref(void *peer)
{
	struct inbound *inbound = peer;

	inbound->refs++;
}

void
inbound_unref(void *peer)
{
	struct inbound *inbound = peer;

	/* The service may be the caller. */
	if (--inbound->refs == 0)
		loop_reap(inbound->loop, inbound_free, inbound);
}

void
inbound_send(void *peer, const char *text, size_t len)
{
	struct inbound *inbound = peer;

	if (inbound->arg != NULL)
		inbound->send(inbound->arg, text, len);
}

/* ---- dispatch -------------------------------------------------------- */

static void
inbound_refuse(struct inbound *inbound, const struct xml *stanza, enum err err,
    const char *text)
{
	struct buf answer;

	buf_init(&answer, 0);
	service_error(stanza, xml_attr(stanza, "to"), xml_attr(stanza, "from"),
	    "", err, text, &answer);
	inbound_send(inbound, answer.data, answer.len);
	buf_clear(&answer);
}

/* What is said to a channel goes nowhere, and whoever said it is told so.
 * Receipts, chat states and the like want no answer. */
static void
inbound_message(struct inbound *inbound, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");

	stat_add(&inbound_messages, 1);
	if ((type == NULL || strcmp(type, "chat") == 0 ||
	        strcmp(type, "normal") == 0) &&
	    xml_child(stanza, NULL, "body") != NULL)
		inbound_refuse(inbound, stanza, ERR_UNSUPPORTED,
		    "Channels take no messages");
}

/* It only frees, and lost would leave somebody in who is gone. */
static bool
inbound_is_leaving(const struct xml *stanza, const char *type)
{
	return strcmp(stanza->name, "presence") == 0 && type != NULL &&
	    strcmp(type, "unavailable") == 0;
}

/* His server asks for us when he logs in, if we are in his roster. */
static bool
inbound_is_alive(const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");

	return strcmp(stanza->name, "presence") == 0 &&
	    (type == NULL || strcmp(type, "probe") == 0);
}

static enum flood_verdict
inbound_flood(struct inbound *inbound, const struct jid *from, bool told)
{
	return flood_take(inbound->flood, from->full, jid_bare_len(from), told,
	    loop_now_ms(inbound->loop));
}

static bool
inbound_addresses(const struct inbound *inbound, const struct xml *stanza,
    struct jid *from, struct jid *to)
{
	const char *from_text = xml_attr(stanza, "from");
	const char *to_text = xml_attr(stanza, "to"), *why;

	return from_text != NULL && to_text != NULL &&
	    jid_parse(from_text, strlen(from_text), from, &why) == ERR_OK &&
	    jid_parse(to_text, strlen(to_text), to, &why) == ERR_OK &&
	    jid_domain_is(to, inbound->component->domain);
}

/* An answer to an iq: one that was published (DESIGN 8), one that an origin
 * asked for, or one that nobody waits for.  Never a bounce.  False: it is
 * something else. */
static bool
inbound_reply(struct inbound *inbound, const struct jid *from,
    const struct jid *to, const struct xml *stanza, const char *type)
{
	bool result = type != NULL && strcmp(type, "result") == 0;

	if (strcmp(stanza->name, "iq") != 0 ||
	    (!result && (type == NULL || strcmp(type, "error") != 0)))
		return false;
	if (item_is_iq_id(store_epoch(inbound->store), xml_attr(stanza, "id")))
		stat_add(result ? &inbound_iq_results : &inbound_iq_errors, 1);
	else if (relay_takes(inbound->relay, from, to) == RELAY_ALL &&
	    inbound_flood(inbound, from, false) == FLOOD_TAKE)
		relay_stanza(inbound->relay, from, to, stanza);
	else
		stat_add(&inbound_ignored, 1);
	return true;
}

/* What the service leaves. */
static void
inbound_rest(struct inbound *inbound, const struct jid *from,
    const struct jid *to, const struct xml *stanza)
{
	if (peer_take(inbound, from, to, stanza))
		return;
	if (strcmp(stanza->name, "message") == 0)
		inbound_message(inbound, stanza);
	else
		stat_add(&inbound_ignored, 1);
}

/* Whose server says that our presence cannot reach him is not there. */
static void
inbound_presence_error(struct inbound *inbound, const struct jid *from,
    const struct jid *to)
{
	struct buf channel;

	buf_init(&channel, 0);
	if (jid_channel(to, &channel) && channel.len > 0)
		roster_leave(inbound->roster, from, channel.data);
	buf_clear(&channel);
}

/* Neither a reply nor an error. */
static void
inbound_request(struct inbound *inbound, const struct jid *from,
    const struct jid *to, const struct xml *stanza)
{
	/* RFC 6121 §4: presence is not answered with errors. */
	bool told = strcmp(stanza->name, "presence") != 0;
	enum conf_relay relay;

	switch (inbound_is_leaving(stanza, xml_attr(stanza, "type")) ?
	        FLOOD_TAKE :
	        inbound_flood(inbound, from, told)) {
	case FLOOD_TAKE:
		break;
	case FLOOD_TELL:
		inbound_refuse(inbound, stanza, ERR_LIMIT, "Too many stanzas");
		return;
	case FLOOD_DROP:
		return;
	}
	if (inbound_is_alive(stanza))
		bouncer_see_alive(inbound->bouncer, from);
	relay = relay_takes(inbound->relay, from, to);
	if (relay == RELAY_ALL)
		relay_stanza(inbound->relay, from, to, stanza);
	/* A bot has commands of its own. */
	else if ((relay == RELAY_REST &&
	             strcmp(stanza->name, "message") == 0) ||
	    !service_stanza(inbound->service, inbound, from, to, stanza))
		inbound_rest(inbound, from, to, stanza);
}

void
inbound_stanza(struct inbound *inbound, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	struct jid from, to;

	if (!inbound_addresses(inbound, stanza, &from, &to)) {
		stat_add(&inbound_foreign, 1);
		log_debug("component.address", "from=%s to=%s",
		    LOGQ(xml_attr(stanza, "from")),
		    LOGQ(xml_attr(stanza, "to")));
		return;
	}
	/* Our own, come back: a barrier's echo that is late, or a delivery to
	 * an address of ours. */
	if (jid_domain_is(&from, inbound->component->domain)) {
		stat_add(&inbound_loops, 1);
		return;
	}
	if (inbound_reply(inbound, &from, &to, stanza, type))
		return;
	if (type != NULL && strcmp(type, "error") == 0 &&
	    strcmp(stanza->name, "presence") == 0)
		inbound_presence_error(inbound, &from, &to);
	if (type != NULL && strcmp(type, "error") == 0)
		bouncer_take(inbound->bouncer, &from, &to, stanza);
	else
		inbound_request(inbound, &from, &to, stanza);
}

void
inbound_over(struct inbound *inbound, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	struct jid from, to;

	if (!inbound_addresses(inbound, stanza, &from, &to) ||
	    jid_domain_is(&from, inbound->component->domain) ||
	    (type != NULL && strcmp(type, "error") == 0) ||
	    inbound_flood(inbound, &from, false) != FLOOD_TAKE)
		return;
	if (strcmp(stanza->name, "iq") == 0 ?
	        (type != NULL && strcmp(type, "result") != 0) :
	        strcmp(stanza->name, "message") == 0)
		inbound_refuse(inbound, stanza, ERR_LARGE, "Too large");
}

/* ---- life ------------------------------------------------------------ */

static void
inbound_make_roster(struct inbound *inbound, const struct inbound_opts *opts)
{
	const struct roster_opts roster = {
		.worker = inbound->worker,
		.component = inbound->component,
		.service = inbound->service,
		.service_ops = &peer_ops,
		.peer = inbound,
		.notify = opts->notify,
		.told = opts->told,
		.arg = opts->arg,
	};

	inbound->roster = roster_create(&roster);
	notify_set_roster(opts->notify, inbound->roster);
}

static void
inbound_make_relay(struct inbound *inbound)
{
	struct relay_opts opts = {
		.worker = inbound->worker,
		.component = inbound->component,
		.send = inbound_send,
		.arg = inbound,
	};

	if (inbound->component->origin != NULL)
		inbound->relay = relay_create(&opts);
}

struct inbound *
inbound_create(const struct inbound_opts *opts)
{
	struct inbound *inbound = xcalloc(1, sizeof(*inbound));
	struct service_opts service = {
		.conf = worker_conf(opts->worker),
		.store = worker_store(opts->worker),
		.loop = worker_loop(opts->worker),
		.domain = opts->component->domain,
		.stanza_ns = "",
		.ops = &peer_ops,
	};

	operator_check(opts->component, "creators", &opts->component->creators);
	operator_check(opts->component, "operators",
	    &opts->component->operators);
	inbound->component = opts->component;
	inbound->worker = opts->worker;
	inbound->store = worker_store(opts->worker);
	inbound->loop = worker_loop(opts->worker);
	inbound->send = opts->send;
	inbound->arg = opts->arg;
	inbound->domain = opts->domain;
	inbound->service = service_create(&service);
	inbound->flood = flood_create(opts->component->stanzas_per_jid,
	    opts->component->jids_max);
	inbound->refs = 1;
	inbound_make_relay(inbound);
	inbound_make_roster(inbound, opts);
	inbound->bouncer = bouncer_create(inbound);
	return inbound;
}

void
inbound_close(struct inbound *inbound)
{
	if (inbound == NULL)
		return;
	inbound->arg = NULL;
	roster_stop(inbound->roster);
	bouncer_stop(inbound->bouncer);
	relay_free(inbound->relay);
	inbound->relay = NULL;
	inbound_unref(inbound);
}

void
inbound_reload(struct inbound *inbound, const struct conf *conf)
{
	service_reload(inbound->service, conf);
}

void
inbound_load(struct inbound *inbound, const struct subscription *sub)
{
	bouncer_see_sub(inbound->bouncer, sub);
}

void
inbound_entry(struct inbound *inbound, const struct entry *entry)
{
	struct subscription sub;

	roster_entry(inbound->roster, entry);
	if (entry->kind == ENTRY_SUB && subscription_unpack(entry, &sub) &&
	    strcmp(sub.owner, inbound->component->domain) == 0)
		bouncer_see_sub(inbound->bouncer, &sub);
}

struct roster *
inbound_roster(const struct inbound *inbound)
{
	return inbound->roster;
}
