#include "bosh/stream.h"

#include <string.h>

#include "bosh/client.h"
#include "bosh/position.h"
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/channel/item.h"
#include "common/xmpp/ask.h"

#define STREAM_NS_BIND    "urn:ietf:params:xml:ns:xmpp-bind"
#define STREAM_NS_SESSION "urn:ietf:params:xml:ns:xmpp-session"
#define STREAM_NS_SM      "urn:xmpp:sm:3"
#define STREAM_NS_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define STREAM_NS_STREAMS "urn:ietf:params:xml:ns:xmpp-streams"
#define STREAM_RESOURCE   8 /* random bytes of one that we make */

#define STREAM_ERROR(condition)                                        \
	"<stream:error><" condition " xmlns='" STREAM_NS_STREAMS "'/>" \
	"</stream:error>"

static struct stat_metric stream_failures =
    STAT_COUNTER("waft_bosh_auth_failures_total", "SASL attempts that failed",
        NULL);

static struct stat_metric stream_iq_results =
    STAT_COUNTER("waft_bosh_iq_replies_total",
        "Answers to published iqs, by what they are", "type=\"result\"");
static struct stat_metric stream_iq_errors =
    STAT_COUNTER("waft_bosh_iq_replies_total",
        "Answers to published iqs, by what they are", "type=\"error\"");

/* ---- saying things --------------------------------------------------- */

static void
stream_send(struct client *client, struct buf *text)
{
	client_send(client, text->data, text->len);
	buf_clear(text);
}

static void
stream_say(struct client *client, const char *text)
{
	client_send(client, text, strlen(text));
}

static struct sasl_env
stream_sasl_env(const struct client *client)
{
	return (struct sasl_env){ .conf = client->gateway->conf,
		.logins = client->gateway->logins,
		.secure = client->secure,
		.now_ms = clock_wall_ms() };
}

void
stream_features(struct client *client)
{
	struct sasl_env env = stream_sasl_env(client);
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<stream:features>");
	if (client->state == CLIENT_NEW)
		sasl_mechanisms(&env, &out);
	else
		buf_adds(&out,
		    "<bind xmlns='" STREAM_NS_BIND "'/>"
		    "<session xmlns='" STREAM_NS_SESSION
		    "'><optional/></session>");
	buf_adds(&out, "</stream:features>");
	client_send_stream(client, out.data, out.len);
	buf_clear(&out);
}

static void
stream_open_answer(const struct client *client, const struct xml *stanza,
    const char *type, struct buf *out)
{
	buf_init(out, 0);
	buf_addf(out, "<%s xmlns='jabber:client' type='%s'", stanza->name,
	    type);
	buf_add_attr(out, "id", xml_attr(stanza, "id"));
	buf_add_attr(out, "from", xml_attr(stanza, "to"));
	buf_add_attr(out, "to", client->jid);
	buf_addc(out, '>');
}

/* Content is what stands in the iq. */
static void
stream_result(struct client *client, const struct xml *iq, const char *content)
{
	struct buf out;

	stream_open_answer(client, iq, "result", &out);
	buf_adds(&out, content);
	buf_adds(&out, "</iq>");
	stream_send(client, &out);
}

static bool
stream_wants_answer(const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");

	if (strcmp(stanza->name, "iq") == 0)
		return type == NULL ||
		    (strcmp(type, "result") != 0 && strcmp(type, "error") != 0);
	return strcmp(stanza->name, "message") == 0 &&
	    (type == NULL || strcmp(type, "error") != 0);
}

/* Presence that leads nowhere is dropped (RFC 6121 §8.5). */
static void
stream_refuse(struct client *client, const struct xml *stanza, const char *type,
    const char *condition)
{
	struct buf out;

	if (!stream_wants_answer(stanza))
		return;
	stream_open_answer(client, stanza, "error", &out);
	buf_addf(&out, "<error type='%s'><%s xmlns='" STREAM_NS_STANZAS "'/>",
	    type, condition);
	buf_addf(&out, "</error></%s>", stanza->name);
	stream_send(client, &out);
}

/* ---- SASL ------------------------------------------------------------ */

/* Of a challenge or a success, with its data. */
static void
stream_say_sasl(struct client *client, const char *name, const char *text)
{
	struct buf out;

	buf_init(&out, 0);
	buf_addf(&out, "<%s xmlns='" SASL_NS "'", name);
	if (*text != '\0') {
		buf_addc(&out, '>');
		text_base64(text, strlen(text), &out);
		buf_addf(&out, "</%s>", name);
	} else
		buf_adds(&out, "/>");
	stream_send(client, &out);
}

static void
stream_authenticated(struct client *client, const struct sasl_outcome *outcome)
{
	client->state = CLIENT_AUTHENTICATED;
	client->anonymous = outcome->anonymous;
	client->user = xstrdup(outcome->user);
	if (!outcome->anonymous) {
		client->grant = xmalloc(sizeof(*client->grant));
		*client->grant = outcome->grant;
	}
	sasl_clear(&client->sasl);
	stream_say_sasl(client, "success", outcome->text);
}

/* Its address failed too often: nothing but ANONYMOUS, whatever the password.
 */
static bool
stream_may_not_try(struct client *client, const struct xml *element)
{
	const struct limit_peer peer = limit_peer(client->peer);
	const char *mechanism = xml_attr(element, "mechanism");

	if (mechanism != NULL && strcmp(mechanism, "ANONYMOUS") == 0)
		return false;
	return limits_is_over(client->gateway->relay->limits,
	    &client->gateway->conf->bosh, &peer, LIMIT_LOGINS,
	    loop_now_ms(client->gateway->loop));
}

static enum condition
stream_sasl(struct client *client, const struct xml *element)
{
	struct sasl_env env = stream_sasl_env(client);
	struct sasl_outcome outcome;
	struct limit_peer peer;
	struct buf out;

	if (client->state != CLIENT_NEW) {
		stream_say(client,
		    "<failure xmlns='" SASL_NS "'><malformed-request/>"
		    "</failure>");
		return COND_NONE;
	}
	if (stream_may_not_try(client, element)) {
		stream_say(client,
		    "<failure xmlns='" SASL_NS "'><temporary-auth-failure/>"
		    "</failure>");
		return COND_POLICY_VIOLATION;
	}
	switch (sasl_step(&client->sasl, &env, element, &outcome)) {
	case SASL_CHALLENGE:
		stream_say_sasl(client, "challenge", outcome.text);
		return COND_NONE;
	case SASL_SUCCESS:
		stream_authenticated(client, &outcome);
		return COND_NONE;
	case SASL_FAILURE:
		break;
	}
	stat_add(&stream_failures, 1);
	peer = limit_peer(client->peer);
	limits_take(client->gateway->relay->limits, &env.conf->bosh, &peer,
	    LIMIT_LOGINS, loop_now_ms(client->gateway->loop));
	log_info("bosh.auth", "sid=%.6s… failure=%s", client->sid,
	    outcome.failure);
	buf_init(&out, 0);
	buf_addf(&out, "<failure xmlns='" SASL_NS "'><%s/></failure>",
	    outcome.failure);
	stream_send(client, &out);
	return client->sasl.failures < SASL_FAILURES_MAX ?
	    COND_NONE :
	    COND_POLICY_VIOLATION;
}

/* ---- bind ------------------------------------------------------------ */

struct stream_conflict {
	struct gateway *gateway;
	char sid[SID_SIZE];
};

static void
stream_conflict(void *arg)
{
	struct stream_conflict *conflict = arg;

	gateway_conflict(conflict->gateway, conflict->sid);
	free(conflict);
}

/* A newer session of the same full JID takes its place (RFC 6120 §7.7.2.2). */
static void
stream_take_name(struct client *client)
{
	struct relay *relay = client->gateway->relay;
	struct stream_conflict *conflict;
	char old[SID_SIZE];
	int index;

	if (client->anonymous ||
	    !relay_bind(relay, client->jid, client->gateway->index, client->sid,
	        old, &index))
		return;
	conflict = xcalloc(1, sizeof(*conflict));
	conflict->gateway = relay->gateways[index];
	memcpy(conflict->sid, old, SID_SIZE);
	loop_post(gateway_loop(conflict->gateway), stream_conflict, conflict);
}

static void
stream_set_jid(struct client *client, const struct jid *jid)
{
	struct buf escaped;

	client->jid = xstrdup(jid->full);
	buf_init(&escaped, 0);
	buf_adds_xml(&escaped, client->jid);
	client->to_len = escaped.len;
	client->to = strcmp(escaped.data, client->jid) == 0 ?
	    client->jid :
	    xstrdup(escaped.data);
	buf_clear(&escaped);
	client->state = CLIENT_BOUND;
}

void
stream_restore_jid(struct client *client, struct slice text)
{
	struct jid jid;
	const char *why;

	if (jid_parse(text.p, text.len, &jid, &why) != ERR_OK)
		return;
	stream_set_jid(client, &jid);
	stream_take_name(client);
	if (!client->anonymous)
		position_resume(client);
}

/* The client's resource, or one of ours. */
static bool
stream_full_jid(const struct client *client, const struct xml *bind,
    struct jid *jid)
{
	const struct xml *resource =
	    xml_child(bind, STREAM_NS_BIND, "resource");
	unsigned char random[STREAM_RESOURCE];
	const char *why;
	struct buf text;
	size_t bare;
	bool ok;

	buf_init(&text, JID_MAX);
	buf_adds(&text, client->user);
	buf_addc(&text, '@');
	buf_adds(&text, client->gateway->conf->bosh.domain);
	buf_addc(&text, '/');
	bare = text.len;
	if (resource != NULL)
		xml_text(resource, &text);
	if (text.len == bare) {
		crypto_random(random, sizeof(random));
		text_hex(random, sizeof(random), &text);
	}
	ok =
	    !text.failed && jid_parse(text.data, text.len, jid, &why) == ERR_OK;
	buf_clear(&text);
	return ok;
}

static void
stream_bind(struct client *client, const struct xml *iq, const struct xml *bind)
{
	struct buf content;
	struct jid jid;

	if (client->state == CLIENT_BOUND) {
		stream_refuse(client, iq, "cancel", "not-allowed");
		return;
	}
	if (!stream_full_jid(client, bind, &jid)) {
		stream_refuse(client, iq, "modify", "bad-request");
		return;
	}
	/* Before the JID is set: this answer is not addressed by it. */
	buf_init(&content, 0);
	buf_adds(&content, "<bind xmlns='" STREAM_NS_BIND "'><jid>");
	buf_adds_xml(&content, jid.full);
	buf_adds(&content, "</jid></bind>");
	stream_result(client, iq, content.data);
	buf_clear(&content);
	stream_set_jid(client, &jid);
	stream_take_name(client);
	if (client->anonymous)
		return;
	/* Its items come after the answer: clients listen only then. */
	if (client->session != NULL)
		client->resume_due = true;
	else
		position_resume(client);
}

/* ---- stanzas --------------------------------------------------------- */

/* The answer to an iq that was published. */
static bool
stream_iq_reply(const struct client *client, const struct xml *iq)
{
	const struct gateway *gateway = client->gateway;
	const char *type = xml_attr(iq, "type");
	bool result = type != NULL && strcmp(type, "result") == 0;

	if ((!result && (type == NULL || strcmp(type, "error") != 0)) ||
	    !item_is_iq_id(store_epoch(worker_store(gateway->worker)),
	        xml_attr(iq, "id")))
		return false;
	stat_add(result ? &stream_iq_results : &stream_iq_errors, 1);
	return true;
}

/* XEP-0030 of one's own bare JID; converse.js asks at login. */
static void
stream_account_info(struct client *client, const struct xml *iq)
{
	stream_result(client, iq,
	    client->grant == NULL ?
	        "<query xmlns='" ASK_DISCO_INFO "'><identity category='account'"
	        " type='anonymous'/><feature var='" ASK_DISCO_INFO
	        "'/></query>" :
	        "<query xmlns='" ASK_DISCO_INFO "'><identity category='account'"
	        " type='registered'/><feature var='" ASK_DISCO_INFO
	        "'/></query>");
}

/* Of what is kept for nobody: read, it is empty; it cannot be changed. */
static void
stream_empty_list(struct client *client, const struct xml *iq, bool get,
    const char *list)
{
	if (get)
		stream_result(client, iq, list);
	else
		stream_refuse(client, iq, "cancel", "not-allowed");
}

/* Iqs that the account itself answers; what it is not asked for by its own
 * address goes to the service. */
static bool
stream_account_iq(struct client *client, const struct xml *iq, bool addressed)
{
	const struct xml *element = xml_first(iq);
	const char *type = xml_attr(iq, "type");
	bool get = type != NULL && strcmp(type, "get") == 0;

	if (!stream_wants_answer(iq))
		return true;
	if (element != NULL && xml_is(element, "jabber:iq:roster", "query")) {
		stream_empty_list(client, iq, get,
		    "<query xmlns='jabber:iq:roster'/>");
		return true;
	}
	if (element != NULL && strcmp(element->ns, STREAM_NS_BLOCKING) == 0) {
		stream_empty_list(client, iq, get,
		    "<blocklist xmlns='" STREAM_NS_BLOCKING "'/>");
		return true;
	}
	if (element != NULL && xml_is(element, STREAM_NS_SESSION, "session")) {
		stream_result(client, iq, "");
		return true;
	}
	/* His own, which nobody keeps, and not the service's. */
	if (element != NULL &&
	    (xml_is(element, ASK_VCARD, "vCard") ||
	        xml_is(element, ASK_LAST, "query"))) {
		stream_refuse(client, iq, "cancel", "service-unavailable");
		return true;
	}
	if (addressed && get && element != NULL &&
	    xml_is(element, ASK_DISCO_INFO, "query") &&
	    xml_attr(element, "node") == NULL)
		stream_account_info(client, iq);
	else if (addressed)
		stream_refuse(client, iq, "cancel", "service-unavailable");
	return addressed;
}

static bool
stream_is_from_us(const struct xml *stanza, const struct jid *jid)
{
	const char *from = xml_attr(stanza, "from"), *why;
	struct jid said;

	if (from == NULL)
		return true;
	return jid_parse(from, strlen(from), &said, &why) == ERR_OK &&
	    jid_same_bare(&said, jid) &&
	    (said.resource_len == 0 || jid_equal(&said, jid));
}

static void
stream_to_service(struct client *client, const struct jid *from,
    const struct jid *to, const struct xml *stanza)
{
	bool iq = strcmp(stanza->name, "iq") == 0;
	bool one = to->node_len > 0 && to->resource_len > 0;

	/* What is for one session and no other (XEP-0206 §7): whether it is
	 * gone or not, it gets nothing from anybody here.  Presence says so to
	 * nobody (RFC 6121 §8.5.3.2.2). */
	if (one && strcmp(stanza->name, "presence") == 0)
		return;
	if (one && strcmp(stanza->name, "message") == 0)
		stream_refuse(client, stanza, "wait", "recipient-unavailable");
	else if ((one && iq) ||
	    !service_stanza(client->gateway->service, client, from, to, stanza))
		stream_refuse(client, stanza, "cancel", "service-unavailable");
}

static void
stream_stanza(struct client *client, const struct xml *stanza)
{
	const char *domain = client->gateway->conf->bosh.domain, *why;
	const char *address = xml_attr(stanza, "to");
	bool iq = strcmp(stanza->name, "iq") == 0, own;
	struct jid from, to;

	jid_parse(client->jid, strlen(client->jid), &from, &why);
	if (!stream_is_from_us(stanza, &from)) {
		client_stream_error(client, STREAM_ERROR("invalid-from"),
		    "invalid-from");
		return;
	}
	if (iq && stream_iq_reply(client, stanza))
		return;
	if (address != NULL &&
	    jid_parse(address, strlen(address), &to, &why) != ERR_OK) {
		stream_refuse(client, stanza, "modify", "jid-malformed");
		return;
	}
	own = address != NULL && to.resource_len == 0 &&
	    jid_same_bare(&to, &from);
	if (address == NULL || own) {
		if (!iq || stream_account_iq(client, stanza, own))
			return;
		jid_parse(domain, strlen(domain), &to, &why);
	}
	if (jid_domain_is(&to, domain))
		stream_to_service(client, &from, &to, stanza);
	else
		stream_refuse(client, stanza, "cancel",
		    "remote-server-not-found");
}

static bool
stream_is_stanza(const struct xml *element)
{
	return xml_is(element, "jabber:client", "iq") ||
	    xml_is(element, "jabber:client", "message") ||
	    xml_is(element, "jabber:client", "presence");
}

/* The one stanza that comes before there is a JID. */
static const struct xml *
stream_bind_request(const struct xml *element)
{
	const char *type = xml_attr(element, "type");

	if (strcmp(element->name, "iq") != 0 || type == NULL ||
	    strcmp(type, "set") != 0)
		return NULL;
	return xml_child(element, STREAM_NS_BIND, "bind");
}

enum condition
stream_element(struct client *client, const struct xml *element)
{
	const struct xml *bind;

	if (strcmp(element->ns, SASL_NS) == 0)
		return stream_sasl(client, element);
	if (strcmp(element->ns, STREAM_NS_SM) == 0) {
		stream_say(client,
		    "<failed xmlns='" STREAM_NS_SM "'><unexpected-request "
		    "xmlns='" STREAM_NS_STANZAS "'/></failed>");
		return COND_NONE;
	}
	if (!stream_is_stanza(element))
		return COND_NONE;
	bind = stream_bind_request(element);
	if (bind != NULL && client->state != CLIENT_NEW)
		stream_bind(client, element, bind);
	else if (client->state == CLIENT_BOUND)
		stream_stanza(client, element);
	else
		client_stream_error(client, STREAM_ERROR("not-authorized"),
		    "not-authorized");
	return COND_NONE;
}

enum condition
stream_apply(struct client *client, const struct body *body)
{
	const struct xml *element;
	enum condition condition = COND_NONE;

	client->applied = body->rid;
	client->named = 0;
	if (body->restart || body->rid == client->created)
		stream_features(client);
	/* What stands in a restart is not part of the new stream. */
	if (body->restart)
		return COND_NONE;
	for (element = body_first(body);
	     element != NULL && condition == COND_NONE && !client->over;
	     element = xml_next(element))
		condition = stream_element(client, element);
	return condition;
}
