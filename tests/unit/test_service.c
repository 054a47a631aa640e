#include <stdio.h>
#include <stdlib.h>

#include "common/base/conf.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/xmpp/service.h"
#include "tests/unit/unit.h"

#define DOMAIN      "push.example.org"
#define ASKER       "user@example.com/home"
#define INFO        "http://jabber.org/protocol/disco#info"
#define ITEMS       "http://jabber.org/protocol/disco#items"
#define PUBSUB      "http://jabber.org/protocol/pubsub"
#define SUBS_MAX    8
#define HEAD(type)  "<iq type='" type "' id='i' from='" DOMAIN "' to='" ASKER "'"
#define RESULT(xml) HEAD("result") ">" xml "</iq>"
#define ERROR_OF(type, condition, more)                                    \
	HEAD("error")                                                      \
	"><error type='" type "'><" condition                              \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" more "</error></" \
	"iq>"
#define DETAIL(name) "<" name " xmlns='" PUBSUB "#errors'/>"
#define UNSUPPORTED(feature)                          \
	ERROR_OF("cancel", "feature-not-implemented", \
	    "<unsupported xmlns='" PUBSUB "#errors' feature='" feature "'/>")

/* The asker's side: what the component or a BOSH session is. */
struct peer {
	int refs;
	int answers;
	struct buf sent;
	enum err fail; /* what the next subscription ends with */
	bool closed;   /* may not subscribe */
	size_t n;
	char *subs[SUBS_MAX][2]; /* address, channel */
};

static struct conf *conf;
static struct loop *loop;
static struct store *store;
static struct service *service;
static struct xml_reader *reader;
static struct peer peer;

static void
peer_ref(void *arg)
{
	((struct peer *)arg)->refs++;
}

static void
peer_unref(void *arg)
{
	((struct peer *)arg)->refs--;
}

static void
peer_send(void *arg, const char *text, size_t len)
{
	struct peer *p = arg;

	p->answers++;
	buf_add(&p->sent, text, len);
}

static size_t
peer_find(const struct peer *p, const char *address, const char *channel)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->subs[i][0], address) == 0 &&
		    strcmp(p->subs[i][1], channel) == 0)
			break;
	return i;
}

static void
peer_subscribe(void *arg, const struct jid *jid, const char *channel,
    service_sub_fn *done, void *done_arg)
{
	struct peer *p = arg;
	size_t i = peer_find(p, jid->full, channel);
	struct subscription sub = { .address = jid->full, .channel = channel };
	bool existed = i < p->n;

	if (p->fail != ERR_OK) {
		done(p->fail, NULL, false, done_arg);
		return;
	}
	if (!existed) {
		assert_true(p->n < SUBS_MAX);
		p->subs[p->n][0] = xstrdup(jid->full);
		p->subs[p->n++][1] = xstrdup(channel);
	}
	done(ERR_OK, &sub, existed, done_arg);
}

static void
peer_remove(struct peer *p, size_t i)
{
	free(p->subs[i][0]);
	free(p->subs[i][1]);
	p->n--;
	memmove(p->subs[i], p->subs[i + 1], (p->n - i) * sizeof p->subs[0]);
}

static void
peer_unsubscribe(void *arg, const struct jid *jid, const char *channel,
    service_sub_fn *done, void *done_arg)
{
	struct peer *p = arg;
	size_t i = peer_find(p, jid->full, channel);

	if (i == p->n) {
		done(ERR_NOTFOUND, NULL, false, done_arg);
		return;
	}
	peer_remove(p, i);
	done(ERR_OK, NULL, true, done_arg);
}

static void
peer_subscriptions(void *arg, const struct jid *jid, const char *channel,
    service_list_fn *done, void *done_arg)
{
	struct peer *p = arg;
	struct subscription subs[SUBS_MAX] = { 0 };
	size_t i, n = 0;

	assert_int_equal(jid->resource_len, 0);
	for (i = 0; i < p->n; i++) {
		if (channel != NULL && strcmp(p->subs[i][1], channel) != 0)
			continue;
		subs[n].address = p->subs[i][0];
		subs[n++].channel = p->subs[i][1];
	}
	done(ERR_OK, subs, n, done_arg);
}

static bool
peer_may_subscribe(void *arg, const struct jid *jid UNUSED, const char *channel)
{
	return !((struct peer *)arg)->closed && strncmp(channel, "hidden", 6);
}

static const struct service_ops peer_ops = { peer_ref, peer_unref, peer_send,
	peer_subscribe, peer_unsubscribe, peer_subscriptions,
	peer_may_subscribe };

static void
open_service(const char *stanza_ns)
{
	const struct service_opts opts = { conf, store, loop, DOMAIN, stanza_ns,
		&peer_ops };

	service = service_create(&opts);
}

static int
set_up(void **state UNUSED)
{
	static const struct xml_limits limits = { 1 << 20, 64, 64, 4096 };
	struct buf why;
	int status;

	buf_init(&why, 0);
	conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(conf);
	free(conf->store.engine);
	conf->store.engine = xstrdup("memory");
	store = store_open(conf, "test", &why, &status);
	assert_non_null(store);
	buf_clear(&why);
	loop = loop_create();
	reader = xml_reader_create(&limits);
	memset(&peer, 0, sizeof peer);
	open_service("");
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	service_free(service);
	store_free(store);
	loop_free(loop);
	assert_int_equal(peer.refs, 0);
	while (peer.n > 0)
		peer_remove(&peer, 0);
	buf_clear(&peer.sent);
	xml_reader_free(reader);
	conf_free(conf);
	return 0;
}

static struct jid
jid_of(const char *text)
{
	const char *why;
	struct jid jid;

	assert_int_equal(jid_parse(text, strlen(text), &jid, &why), ERR_OK);
	return jid;
}

/* Hands the service a stanza; false when it is not for it. */
static bool
give(const char *to, const char *text)
{
	struct jid from = jid_of(ASKER), self = jid_of(to);
	struct xml_error error;
	struct xml *stanza;
	bool taken;

	if (xml_parse(reader, text, strlen(text), false, &stanza, &error) !=
	    ERR_OK)
		fail_msg("%s: %s", text, error.why);
	peer.answers = 0;
	buf_reset(&peer.sent);
	taken = service_stanza(service, &peer, &from, &self, stanza);
	xml_free(stanza);
	return taken;
}

/* The same, and waits for the answer; returns it. */
static const char *
ask(const char *to, const char *text)
{
	assert_true(give(to, text));
	while (peer.refs > 0)
		loop_turn(loop, true);
	return peer.sent.data;
}

/* An iq to `to` with body inside. */
static const char *
ask_iq(const char *to, const char *type, const char *body)
{
	const char *answer;
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "<iq type='%s' id='i'>%s</iq>", type, body);
	answer = ask(to, text.data);
	assert_int_equal(peer.answers, 1);
	buf_clear(&text);
	return answer;
}

#define GET(body) ask_iq(DOMAIN, "get", body)
#define SET(body) ask_iq(DOMAIN, "set", body)
#define VERB(xml) "<pubsub xmlns='" PUBSUB "'>" xml "</pubsub>"

static void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg)
{
	assert_int_equal(err, ERR_OK);
	*(bool *)arg = true;
}

static void
append(enum entry_kind kind, const char *channel, const char *id,
    const struct buf *data)
{
	struct entry *entry;
	bool done = false;

	entry = entry_create(kind, channel, id, NULL,
	    data == NULL ? NULL : data->data, data == NULL ? 0 : data->len);
	store_append(store, loop, &entry, 1, appended_cb, &done);
	while (!done)
		loop_turn(loop, true);
}

static void
publish(const char *channel, const char *id, const char *format,
    const char *text)
{
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, format, text, strlen(text));
	append(ENTRY_ITEM, channel, id, &data);
	buf_clear(&data);
}

static size_t
count_of(const char *text, const char *word)
{
	size_t n = 0;

	while ((text = strstr(text, word)) != NULL) {
		text += strlen(word);
		n++;
	}
	return n;
}

/* ---- the service itself ---------------------------------------------- */

TEST(answers_ping_and_version)
{
	assert_string_equal(GET("<ping xmlns='urn:xmpp:ping'/>"),
	    HEAD("result") "/>");
	assert_non_null(strstr(GET("<query xmlns='jabber:iq:version'/>"),
	    "<name>waft</name><version>"));
	assert_non_null(strstr(ask_iq("never@" DOMAIN, "get",
	                           "<ping xmlns='urn:xmpp:ping'/>"),
	    "type='result' id='i' from='never@" DOMAIN "'"));
}

TEST(writes_its_answers_in_the_peers_namespace)
{
	service_free(service);
	open_service(" xmlns='jabber:client'");
	assert_string_equal(GET("<ping xmlns='urn:xmpp:ping'/>"),
	    "<iq xmlns='jabber:client' type='result' id='i' from='" DOMAIN
	    "' to='" ASKER "'/>");
	assert_string_equal(ask("a@" DOMAIN, "<presence type='probe'/>"),
	    "<presence xmlns='jabber:client' type='unsubscribed' from='a@" DOMAIN
	    "' to='user@example.com'/>");
}

TEST(answers_each_request_once_and_nothing_else)
{
	static const char *const bodies[] = { "", "text", "<a/><b/>",
		"<a xmlns='u'/>", "<query xmlns='jabber:iq:roster'/>",
		"<vCard xmlns='vcard-temp'/>", "<query xmlns='" INFO "'/>",
		"<query xmlns='" INFO "' node=''/>",
		"<query xmlns='" INFO "' node='&#9;'/>",
		"<query xmlns='" ITEMS "' node='x'/>",
		"<query xmlns='" ITEMS "'/>", "<ping xmlns='urn:xmpp:ping'/>",
		VERB(""), VERB("<x/>"), VERB("<subscribe/>"),
		VERB("<subscribe node='n'/>"), VERB("<unsubscribe node='n'/>"),
		VERB("<subscribe node='n' jid='@'/>"),
		VERB("<subscribe node='' jid='user@example.com'/>"),
		VERB("<unsubscribe jid='user@example.com'/>"), VERB("<items/>"),
		VERB("<items node='n' max_items='-1'/>"),
		VERB("<items node='n'><item/></items>"),
		VERB("<subscriptions node='&#10;'/>"), VERB("<publish/>"),
		"<pubsub xmlns='" PUBSUB "#owner'/>",
		"<pubsub xmlns='" PUBSUB
		"#owner'><delete node='n'/></pubsub>" };
	static const char *const types[] = { "get", "set" };
	static const char *const targets[] = { DOMAIN, "n@" DOMAIN,
		"\\20@" DOMAIN, DOMAIN "/N", "n@" DOMAIN "/r" };
	const char *answer;
	size_t i, t, k;

	for (i = 0; i < ARRAY_LEN(bodies); i++) {
		for (t = 0; t < ARRAY_LEN(types); t++) {
			for (k = 0; k < ARRAY_LEN(targets); k++) {
				answer =
				    ask_iq(targets[k], types[t], bodies[i]);
				assert_non_null(strstr(answer, " id='i' "));
			}
		}
	}
	assert_false(give(DOMAIN, "<iq type='result' id='i'/>"));
	assert_false(give(DOMAIN, "<iq type='error' id='i'><error/></iq>"));
	assert_false(give("n@" DOMAIN, "<message><body/></message>"));
	assert_false(give("n@" DOMAIN, "<message type='error'/>"));
	assert_false(give("n@" DOMAIN, "<presence type='error'/>"));
	assert_false(give("n@" DOMAIN, "<presence/>"));
	assert_int_equal(peer.answers, 0);
}

TEST(refuses_what_it_does_not_know)
{
	assert_string_equal(GET("<query xmlns='jabber:iq:roster'/>"),
	    ERROR_OF("cancel", "service-unavailable", ""));
	assert_string_equal(SET("<query xmlns='" INFO "'/>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(GET("<a/><b/>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(SET(VERB("<publish node='n'/>")),
	    UNSUPPORTED("publish"));
	assert_string_equal(GET("<pubsub xmlns='" PUBSUB
	                        "#owner'><configure node='n'/></pubsub>"),
	    UNSUPPORTED("config-node"));
	assert_string_equal(GET(VERB("<bogus/>")),
	    ERROR_OF("cancel", "feature-not-implemented", ""));
}

TEST(escapes_what_it_repeats)
{
	const char *answer = ask(DOMAIN,
	    "<iq type='get' id=\"&lt;'&quot;\"><a xmlns='u'/></iq>");

	assert_non_null(strstr(answer, "id='&lt;&apos;&quot;'"));
}

TEST(leaves_nothing_behind_when_it_is_freed_before_the_answer)
{
	assert_true(give(DOMAIN,
	    "<iq type='get' id='i'><query xmlns='" ITEMS "'/></iq>"));
	service_free(service);
	service = NULL;
	while (peer.refs > 0)
		loop_turn(loop, true);
	assert_int_equal(peer.answers, 0);
}

TEST(makes_an_error_of_a_stanza)
{
	static const char text[] =
	    "<message id='&lt;'><body>b</body></message>";
	struct xml_error error;
	struct xml *stanza;
	struct buf out;

	assert_int_equal(xml_parse(reader, text, sizeof text - 1, false,
	                     &stanza, &error),
	    ERR_OK);
	buf_init(&out, 0);
	service_error(stanza, "a@b", "c@d", " xmlns='jabber:client'",
	    ERR_NOTFOUND, "a<b", &out);
	assert_string_equal(out.data,
	    "<message xmlns='jabber:client' type='error' id='&lt;' from='a@b' "
	    "to='c@d'><error type='cancel'><item-not-found "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a&lt;b</text></error>"
	    "</message>");
	buf_clear(&out);
	xml_free(stanza);
}

/* ---- discovery ------------------------------------------------------- */

/* What stands behind each feature; a request that it must make succeed. */
static const struct {
	const char *feature;
	const char *type;
	const char *body;
} features[] = {
	{ INFO, "get", "<query xmlns='" INFO "'/>" },
	{ ITEMS, "get", "<query xmlns='" ITEMS "'/>" },
	{ "urn:xmpp:ping", "get", "<ping xmlns='urn:xmpp:ping'/>" },
	{ "jabber:iq:version", "get", "<query xmlns='jabber:iq:version'/>" },
	{ "http://jabber.org/protocol/rsm", "get",
	    "<query xmlns='" ITEMS "'><set "
	    "xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>"
	    "</query>" },
	{ "jid\\20escaping", "get", "<ping xmlns='urn:xmpp:ping'/>" },
	{ PUBSUB, "get", VERB("<subscriptions/>") },
	{ PUBSUB "#subscribe", "set",
	    VERB("<subscribe node='n' jid='user@example.com'/>") },
	{ PUBSUB "#retrieve-subscriptions", "get", VERB("<subscriptions/>") },
	{ PUBSUB "#retrieve-items", "get", VERB("<items node='stored'/>") },
	{ PUBSUB "#persistent-items", "get", VERB("<items node='stored'/>") },
};

TEST(lists_exactly_the_features_it_has)
{
	struct xml_error error;
	struct xml *answer;
	const struct xml *child;
	const char *text;
	size_t i, listed = 0;

	append(ENTRY_CREATE, "stored", NULL, NULL);
	text = GET("<query xmlns='" INFO "'/>");
	assert_non_null(strstr(text, "category='pubsub' type='service'"));
	assert_int_equal(xml_parse(reader, text, strlen(text), false, &answer,
	                     &error),
	    ERR_OK);
	child = xml_first(xml_first(answer));
	for (; child != NULL; child = xml_next(child)) {
		if (strcmp(child->name, "feature") != 0)
			continue;
		for (i = 0; i < ARRAY_LEN(features); i++)
			if (strcmp(features[i].feature,
			        xml_attr(child, "var")) == 0)
				break;
		if (i == ARRAY_LEN(features))
			fail_msg("%s has no handler", xml_attr(child, "var"));
		listed++;
	}
	xml_free(answer);
	assert_int_equal(listed, ARRAY_LEN(features));
	for (i = 0; i < ARRAY_LEN(features); i++) {
		text = ask_iq(DOMAIN, features[i].type, features[i].body);
		assert_non_null(strstr(text, "type='result'"));
	}
}

TEST(knows_a_channel_by_its_node_and_by_its_address)
{
	const char *answer;

	append(ENTRY_CREATE, "a/b", NULL, NULL);
	answer = GET("<query xmlns='" INFO "' node='a/b'/>");
	assert_non_null(strstr(answer,
	    "<query xmlns='" INFO "' node='a/b'><identity category='pubsub' "
	    "type='leaf'/>"));
	answer = ask_iq("a\\2fb@" DOMAIN, "get", "<query xmlns='" INFO "'/>");
	assert_non_null(strstr(answer,
	    "from='a\\2fb@" DOMAIN "' to='" ASKER "'><query xmlns='" INFO
	    "'><identity category='pubsub' type='leaf'/>"));
	answer = ask_iq("a\\2fb@" DOMAIN, "get",
	    "<query xmlns='" ITEMS "' node='a/b'/>");
	assert_non_null(strstr(answer, "type='result'"));
	answer = ask_iq("a\\2fb@" DOMAIN, "get",
	    "<query xmlns='" INFO "' node='c'/>");
	assert_non_null(strstr(answer, "item-not-found"));
	append(ENTRY_CREATE, "News", NULL, NULL);
	answer = ask_iq(DOMAIN "/News", "get", "<query xmlns='" INFO "'/>");
	assert_non_null(strstr(answer, "type='leaf'"));
}

static void
sub_put_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	assert_int_equal(err, ERR_OK);
	*(bool *)arg = true;
}

TEST(knows_a_channel_that_is_only_listened_to)
{
	const struct subscription sub = { .owner = DOMAIN,
		.channel = "n",
		.address = "other@example.com" };
	bool done = false;

	assert_string_equal(GET("<query xmlns='" INFO "' node='n'/>"),
	    ERROR_OF("cancel", "item-not-found", ""));
	store_sub_put(store, loop, &sub, sub_put_cb, &done);
	while (!done)
		loop_turn(loop, true);
	assert_non_null(
	    strstr(GET("<query xmlns='" INFO "' node='n'/>"), "type='leaf'"));
	assert_string_equal(GET(VERB("<items node='n'/>")),
	    RESULT(VERB("<items node='n'></items>")));
}

TEST(lists_the_channels_that_the_asker_may_see)
{
	assert_string_equal(GET("<query xmlns='" ITEMS "'/>"),
	    RESULT("<query xmlns='" ITEMS "'></query>"));
	append(ENTRY_CREATE, "b&c", NULL, NULL);
	append(ENTRY_CREATE, "hidden", NULL, NULL);
	append(ENTRY_CREATE, "a", NULL, NULL);
	assert_string_equal(GET("<query xmlns='" ITEMS "'/>"),
	    RESULT(
	        "<query xmlns='" ITEMS "'><item jid='" DOMAIN
	        "' node='a'/><item jid='" DOMAIN "' node='b&amp;c'/></query>"));
}

#define PAGE(xml)                                                         \
	GET("<query xmlns='" ITEMS                                        \
	    "'><set xmlns='http://jabber.org/protocol/rsm'>" xml "</set>" \
	    "</query>")
#define SET_OF(first, last)                                         \
	"<set xmlns='http://jabber.org/protocol/rsm'><first>" first \
	"</first><last>" last "</last></set></query></iq>"

TEST(pages_through_the_channels)
{
	const char *answer;
	char name[32];
	int i;

	for (i = 0; i < 120; i++) {
		snprintf(name, sizeof name, "c%03d", i);
		append(ENTRY_CREATE, name, NULL, NULL);
		snprintf(name, sizeof name, "hidden%03d", i);
		append(ENTRY_CREATE, name, NULL, NULL);
	}
	answer = GET("<query xmlns='" ITEMS "'/>");
	assert_int_equal(count_of(answer, "<item "), 100);
	assert_non_null(strstr(answer, SET_OF("c000", "c099")));
	answer = PAGE("<after>c099</after>");
	assert_int_equal(count_of(answer, "<item "), 20);
	assert_non_null(strstr(answer, SET_OF("c100", "c119")));
	answer = PAGE("<max>7</max><after>c009</after>");
	assert_int_equal(count_of(answer, "<item "), 7);
	assert_non_null(strstr(answer, SET_OF("c010", "c016")));
	answer = PAGE("<max>100000</max>");
	assert_int_equal(count_of(answer, "<item "), 100);
	answer = PAGE("<after>hidden119</after>");
	assert_int_equal(count_of(answer, "<item "), 0);
	answer = PAGE("<max>0</max>");
	assert_int_equal(count_of(answer, "<item "), 0);
	assert_null(strstr(answer, "hidden"));
	assert_string_equal(PAGE("<after>never</after>"),
	    ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(PAGE("<before/>"),
	    ERROR_OF("cancel", "feature-not-implemented", ""));
	assert_string_equal(PAGE("<max>x</max>"),
	    ERROR_OF("modify", "bad-request", ""));
}

/* ---- subscribing ----------------------------------------------------- */

#define SUBSCRIPTION(node, jid)                   \
	"<subscription node='" node "' jid='" jid \
	"' subscription='subscribed'/>"

TEST(subscribes_to_a_name_that_was_never_used_and_says_the_same_again)
{
	static const char request[] =
	    VERB("<subscribe node='a&amp;b' jid='User@example.com'/>");
	static const char wanted[] =
	    RESULT(VERB(SUBSCRIPTION("a&amp;b", "user@example.com")));

	assert_string_equal(SET(request), wanted);
	assert_string_equal(SET(request), wanted);
	assert_int_equal(peer.n, 1);
	assert_string_equal(peer.subs[0][1], "a&b");
}

TEST(subscribes_exactly_the_jid_that_was_named)
{
	assert_string_equal(SET(VERB("<subscribe node='n' jid='" ASKER "'/>")),
	    RESULT(VERB(SUBSCRIPTION("n", ASKER))));
	assert_string_equal(peer.subs[0][0], ASKER);
	assert_non_null(strstr(ask_iq("n@" DOMAIN, "set",
	                           VERB("<subscribe jid='user@example.com'/>")),
	    SUBSCRIPTION("n", "user@example.com")));
	assert_int_equal(peer.n, 2);
}

TEST(subscribes_nobody_but_the_asker)
{
	static const char wanted[] =
	    ERROR_OF("modify", "bad-request", DETAIL("invalid-jid"));

	assert_string_equal(
	    SET(VERB("<subscribe node='n' jid='other@example.com'/>")), wanted);
	assert_string_equal(
	    SET(VERB("<subscribe node='n' jid='user@example.net'/>")), wanted);
	assert_string_equal(SET(VERB("<subscribe node='n' jid='@'/>")), wanted);
	assert_string_equal(SET(VERB("<subscribe node='n'/>")),
	    ERROR_OF("modify", "bad-request", DETAIL("jid-required")));
	assert_string_equal(SET(VERB("<subscribe jid='user@example.com'/>")),
	    ERROR_OF("modify", "bad-request", DETAIL("nodeid-required")));
	assert_string_equal(
	    SET(VERB("<unsubscribe node='n' jid='other@example.com'/>")),
	    ERROR_OF("auth", "forbidden", ""));
	assert_int_equal(peer.n, 0);
}

TEST(says_why_it_does_not_subscribe)
{
	static const char request[] =
	    VERB("<subscribe node='n' jid='user@example.com'/>");

	peer.fail = ERR_LIMIT;
	assert_string_equal(SET(request),
	    ERROR_OF("wait", "policy-violation",
	        DETAIL("too-many-subscriptions")));
	peer.fail = ERR_BUSY;
	assert_string_equal(SET(request),
	    ERROR_OF("wait", "resource-constraint", ""));
	peer.fail = ERR_DENIED;
	assert_string_equal(SET(request),
	    ERROR_OF("cancel", "not-allowed", DETAIL("closed-node")));
	peer.fail = ERR_OK;
	peer.closed = true;
	assert_string_equal(SET(request),
	    ERROR_OF("cancel", "not-allowed", DETAIL("closed-node")));
	assert_string_equal(GET(VERB("<items node='n'/>")),
	    ERROR_OF("cancel", "not-allowed", DETAIL("closed-node")));
	assert_string_equal(SET(VERB(
	                        "<subscribe node='n' jid='user@example.com'/>"
	                        "<options/>")),
	    UNSUPPORTED("subscription-options"));
}

TEST(subscribes_a_user_to_so_many_channels_and_no_more)
{
	conf->control.subscriptions_per_jid = 2;
	SET(VERB("<subscribe node='a' jid='user@example.com'/>"));
	SET(VERB("<subscribe node='b' jid='" ASKER "'/>"));
	assert_string_equal(SET(VERB("<subscribe node='c' jid='" ASKER "'/>")),
	    ERROR_OF("wait", "policy-violation",
	        DETAIL("too-many-subscriptions")));
	assert_string_equal(ask("c@" DOMAIN, "<presence type='subscribe'/>"),
	    "<presence type='unsubscribed' from='c@" DOMAIN
	    "' to='user@example.com'/>");
	assert_non_null(
	    strstr(SET(VERB("<subscribe node='b' jid='" ASKER "'/>")),
	        "subscription='subscribed'"));
	assert_int_equal(peer.n, 2);
}

TEST(unsubscribes_once)
{
	static const char request[] =
	    VERB("<unsubscribe node='n' jid='user@example.com'/>");

	SET(VERB("<subscribe node='n' jid='user@example.com'/>"));
	assert_string_equal(SET(request), HEAD("result") "/>");
	assert_int_equal(peer.n, 0);
	assert_string_equal(SET(request),
	    ERROR_OF("cancel", "unexpected-request", DETAIL("not-subscribed")));
}

TEST(lists_subscriptions_of_all_channels_or_of_one)
{
	assert_string_equal(GET(VERB("<subscriptions/>")),
	    RESULT(VERB("<subscriptions></subscriptions>")));
	SET(VERB("<subscribe node='n' jid='user@example.com'/>"));
	SET(VERB("<subscribe node='m' jid='" ASKER "'/>"));
	assert_string_equal(GET(VERB("<subscriptions/>")),
	    RESULT(VERB("<subscriptions>" SUBSCRIPTION("n", "user@example.com")
	            SUBSCRIPTION("m", ASKER) "</subscriptions>")));
	assert_string_equal(GET(VERB("<subscriptions node='m'/>")),
	    RESULT(VERB("<subscriptions node='m'>" SUBSCRIPTION("m",
	        ASKER) "</subscriptions>")));
}

/* ---- items ----------------------------------------------------------- */

#define JSON(text)  "<json xmlns='urn:xmpp:json:0'>" text "</json>"
#define ITEM(id, n) "<item id='" id "'>" JSON(n) "</item>"
#define ANSWER(node, items) \
	RESULT(VERB("<items node='" node "'>" items "</items>"))

TEST(gives_the_newest_items_oldest_of_them_first)
{
	assert_string_equal(GET(VERB("<items node='n'/>")),
	    ERROR_OF("cancel", "item-not-found", ""));
	publish("n", "1", "json-object", "1");
	publish("n", "2", "json-object", "{\"a\":\"<\"}");
	publish("n", "3", "json-object", "3");
	assert_string_equal(GET(VERB("<items node='n' max_items='2'/>")),
	    ANSWER("n", ITEM("2", "{\"a\":\"&lt;\"}") ITEM("3", "3")));
	assert_string_equal(ask_iq("n@" DOMAIN, "get",
	                        VERB("<items max_items='1'/>")) +
	        strlen("<iq type='result' id='i' from='n@"),
	    ANSWER("n", ITEM("3", "3")) +
	        strlen("<iq type='result' id='i' from='"));
	assert_string_equal(GET(VERB("<items node='n' max_items='0'/>")),
	    ANSWER("n", ""));
}

TEST(gives_items_by_id)
{
	publish("n", "1", "json-object", "1");
	publish("n", "2", "json-object", "2");
	publish("n", "3", "json-object", "3");
	assert_string_equal(GET(VERB("<items node='n'><item id='3'/>"
	                             "<item id='0'/><item id='1'/></items>")),
	    ANSWER("n", ITEM("3", "3") ITEM("1", "1")));
	assert_string_equal(GET(VERB("<items node='n'><item id='x'/></items>")),
	    ANSWER("n", ""));
}

TEST(finds_an_item_by_id_behind_many)
{
	char id[32];
	int i;

	conf->classes[0].history_items = 1000;
	for (i = 0; i < 250; i++) {
		snprintf(id, sizeof id, "%d", i);
		publish("n", id, "json-object", "{}");
	}
	assert_string_equal(GET(VERB("<items node='n'><item id='249'/>"
	                             "<item id='0'/></items>")),
	    ANSWER("n", ITEM("249", "{}") ITEM("0", "{}")));
	assert_int_equal(count_of(GET(VERB("<items node='n'/>")), "<item "),
	    100);
}

TEST(forwards_a_raw_item_with_its_time)
{
	const char *answer;

	publish("a b", "1", "xmpp-stanza", "<message><body>x</body></message>");
	answer = GET(VERB("<items node='a b'/>"));
	assert_non_null(strstr(answer,
	    "<items node='a b'><item id='1'><forwarded "
	    "xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' "
	    "from='a\\20b@" DOMAIN "' stamp='2"));
	assert_non_null(strstr(answer,
	    "Z'/><message xmlns='jabber:client' from='a\\20b@" DOMAIN
	    "'><body>x</body></message></forwarded></item></items>"));
	publish("n", "1", "xmpp-stanza", "<message from='x@" DOMAIN "'/>");
	assert_non_null(strstr(GET(VERB("<items node='n'/>")),
	    "<message xmlns='jabber:client' from='x@" DOMAIN "'/>"));
}

TEST(leaves_out_items_that_have_nothing_for_xmpp)
{
	publish("n", "1", "http-stream", "{}");
	publish("n", "2", "pubsub-item", "<p xmlns='u'/>");
	assert_string_equal(GET(VERB("<items node='n'/>")),
	    ANSWER("n", "<item id='2'><p xmlns='u'/></item>"));
}

TEST(leaves_out_the_oldest_when_an_answer_would_grow_too_long)
{
	size_t size = conf->control.stanza_max;
	char *json = xmalloc(size + 1);
	const char *answer;

	memset(json, '1', size);
	json[size - 10] = '\0';
	publish("n", "1", "json-object", json);
	publish("n", "2", "json-object", json);
	publish("n", "3", "json-object", "3");
	answer = GET(VERB("<items node='n'/>"));
	assert_null(strstr(answer, "id='1'"));
	assert_non_null(strstr(answer, "id='2'"));
	assert_non_null(strstr(answer, ITEM("3", "3")));
	memset(json, '&', size - 10);
	publish("m", "1", "json-object", json);
	assert_string_equal(GET(VERB("<items node='m'/>")),
	    ANSWER("m", "<item id='1'></item>"));
	free(json);
}

/* ---- presence -------------------------------------------------------- */

#define FROM_N(type) \
	"<presence" type " from='n@" DOMAIN "' to='user@example.com'/>"

TEST(subscribes_and_unsubscribes_by_presence)
{
	assert_string_equal(ask("n@" DOMAIN, "<presence type='subscribe'/>"),
	    FROM_N(" type='subscribed'") FROM_N(""));
	assert_int_equal(peer.n, 1);
	assert_string_equal(peer.subs[0][0], "user@example.com");
	assert_string_equal(peer.subs[0][1], "n");
	assert_string_equal(ask("n@" DOMAIN, "<presence type='probe'/>"),
	    FROM_N(""));
	assert_string_equal(ask("n@" DOMAIN, "<presence type='unsubscribe'/>"),
	    FROM_N(" type='unsubscribed'"));
	assert_int_equal(peer.n, 0);
	assert_string_equal(ask("n@" DOMAIN, "<presence type='unsubscribe'/>"),
	    FROM_N(" type='unsubscribed'"));
	assert_string_equal(ask("n@" DOMAIN, "<presence type='probe'/>"),
	    FROM_N(" type='unsubscribed'"));
}

TEST(denies_presence_by_unsubscribed)
{
	peer.closed = true;
	assert_string_equal(ask("n@" DOMAIN, "<presence type='subscribe'/>"),
	    FROM_N(" type='unsubscribed'"));
	peer.closed = false;
	peer.fail = ERR_LIMIT;
	assert_string_equal(ask("n@" DOMAIN, "<presence type='subscribe'/>"),
	    FROM_N(" type='unsubscribed'"));
	peer.fail = ERR_OK;
	assert_string_equal(ask(DOMAIN, "<presence type='subscribe'/>"),
	    "<presence type='unsubscribed' from='" DOMAIN
	    "' to='user@example.com'/>");
	assert_int_equal(peer.n, 0);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(answers_ping_and_version),
		RULE(writes_its_answers_in_the_peers_namespace),
		RULE(answers_each_request_once_and_nothing_else),
		RULE(refuses_what_it_does_not_know),
		RULE(escapes_what_it_repeats),
		RULE(leaves_nothing_behind_when_it_is_freed_before_the_answer),
		RULE(makes_an_error_of_a_stanza),
		RULE(lists_exactly_the_features_it_has),
		RULE(knows_a_channel_by_its_node_and_by_its_address),
		RULE(knows_a_channel_that_is_only_listened_to),
		RULE(lists_the_channels_that_the_asker_may_see),
		RULE(pages_through_the_channels),
		RULE(
		    subscribes_to_a_name_that_was_never_used_and_says_the_same_again),
		RULE(subscribes_exactly_the_jid_that_was_named),
		RULE(subscribes_nobody_but_the_asker),
		RULE(says_why_it_does_not_subscribe),
		RULE(subscribes_a_user_to_so_many_channels_and_no_more),
		RULE(unsubscribes_once),
		RULE(lists_subscriptions_of_all_channels_or_of_one),
		RULE(gives_the_newest_items_oldest_of_them_first),
		RULE(gives_items_by_id),
		RULE(finds_an_item_by_id_behind_many),
		RULE(forwards_a_raw_item_with_its_time),
		RULE(leaves_out_items_that_have_nothing_for_xmpp),
		RULE(leaves_out_the_oldest_when_an_answer_would_grow_too_long),
		RULE(subscribes_and_unsubscribes_by_presence),
		RULE(denies_presence_by_unsubscribed),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
