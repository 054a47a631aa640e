/*
 * Requests at random (component-checklist 5.21): parts of all that is known,
 * put together as nobody would.  Each gets one answer, which is well-formed,
 * and nothing is left behind.
 */
#include "tests/unit/service_fixture.h"

#define RANDOM_REQUESTS 20000
#define RANDOM_VERBS    12 /* of the list that are verbs */

static const char *const verbs[] = { "publish", "retract", "create",
	"configure", "default", "delete", "purge", "affiliations",
	"subscriptions", "subscribe", "unsubscribe", "items", "options",
	"publish-options", "item", "affiliation", "subscription", "x", "field",
	"value", "set", "max", "after", "before", "index", "redirect",
	"payload", "json" };
/* What mostly stands in what. */
static const char *const inside[][2] = { { "publish", "item" },
	{ "retract", "item" }, { "items", "item" }, { "item", "payload" },
	{ "configure", "x" }, { "publish-options", "x" }, { "x", "field" },
	{ "field", "value" }, { "affiliations", "affiliation" },
	{ "subscriptions", "subscription" }, { "set", "max" } };
static const char *const spaces[] = { PUBSUB, PUBSUB, PUBSUB "#owner",
	PUBSUB "#owner", "jabber:x:data", "http://jabber.org/protocol/rsm",
	INFO, ITEMS, "urn:xmpp:json:0", "u", "" };
static const char *const names[] = { "id", "id", "jid", "affiliation",
	"subscription", "max_items", "notify", "subid", "type", "var" };
static const char *const values[] = { "n", "m", "n", "", "1", "2", "3",
	"user@example.com", "other@example.net/phone", "a@", "owner",
	"publisher", "outcast", "none", "member", "subscribed", "pending",
	"true", "leaf", "submit", "cancel", "FORM_TYPE", "pubsub#access_model",
	"pubsub#title", "pubsub#max_items", "pubsub#allow", "pubsub#node",
	"pubsub#subscriber_jid", PUBSUB "#node_config", "whitelist",
	"authorize", "presence", "open", "-1", "99999999999999999999" };
static const char *const texts[] = { "", "1", "2", "n", "true", "{\"a\":1}",
	"max", "whitelist", "authorize", "open", "other@example.net",
	PUBSUB "#subscribe_authorization", "&lt;&amp;" };
static const char *const targets[] = { DOMAIN, DOMAIN, DOMAIN, "n@" DOMAIN,
	"m@" DOMAIN "/x", DOMAIN "/N" };
static const char *const askers[] = { ASKER, ASKER, "other@example.net/phone" };

static uint64_t random_state;

static size_t
pick(size_t count)
{
	random_state =
	    random_state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(random_state >> 33) % count;
}

#define ONE_OF(list) list[pick(ARRAY_LEN(list))]

static const char *
child_of(const char *parent)
{
	size_t i, n = pick(6) > 0 ? ARRAY_LEN(inside) : 0;

	for (i = 0; i < n; i++)
		if (strcmp(inside[i][0], parent) == 0)
			return inside[i][1];
	return ONE_OF(verbs);
}

static const char *
space_of(const char *child)
{
	if (pick(8) == 0)
		return ONE_OF(spaces);
	return strcmp(child, "x") == 0 ? "jabber:x:data" :
	    strcmp(child, "set") == 0  ? "http://jabber.org/protocol/rsm" :
	                                 NULL;
}

static void
make_attrs(struct buf *out)
{
	const char *used[4] = { NULL };
	size_t i, k, n = pick(4);

	for (i = 0; i < n; i++) {
		used[i] = ONE_OF(names);
		for (k = 0; k < i && strcmp(used[k], used[i]) != 0; k++)
			;
		if (k == i)
			buf_addf(out, " %s='%s'", used[i], ONE_OF(values));
	}
}

static void
make_element(struct buf *out, const char *ns, const char *name, int depth)
{
	size_t i, n = depth > 4 ? 0 : pick(3);
	const char *child;

	buf_addf(out, "<%s", name);
	if (ns != NULL)
		buf_addf(out, " xmlns='%s'", ns);
	if (depth == 0 && pick(8) > 0)
		buf_addf(out, " node='%s'", pick(3) > 0 ? "n" : "m");
	make_attrs(out);
	buf_addc(out, '>');
	for (i = 0; i < n; i++) {
		child = child_of(name);
		make_element(out, space_of(child), child, depth + 1);
	}
	if (pick(2) == 0)
		buf_adds(out, ONE_OF(texts));
	buf_addf(out, "</%s>", name);
}

static void
make_request(struct buf *out)
{
	const char *ns = pick(8) == 0 ? ONE_OF(spaces) :
	    pick(2) == 0              ? PUBSUB "#owner" :
	                                PUBSUB;

	buf_addf(out, "<iq type='%s' id='i'>", pick(2) == 0 ? "get" : "set");
	buf_addf(out, "<%s xmlns='%s'>",
	    strncmp(ns, PUBSUB, strlen(PUBSUB)) == 0 ? "pubsub" : "query", ns);
	make_element(out, NULL,
	    pick(6) > 0 ? verbs[pick(RANDOM_VERBS)] : ONE_OF(verbs), 0);
	if (pick(3) == 0)
		make_element(out, pick(2) == 0 ? ONE_OF(spaces) : NULL,
		    ONE_OF(verbs), 0);
	buf_adds(out,
	    strncmp(ns, PUBSUB, strlen(PUBSUB)) == 0 ? "</pubsub>" :
	                                               "</query>");
	buf_adds(out, "</iq>");
}

static void
make_message(struct buf *out)
{
	buf_adds(out, "<message><x xmlns='jabber:x:data' type='submit'>");
	make_element(out, NULL, "field", 2);
	buf_addf(out,
	    FIELD("node", "%s") FIELD("subscriber_jid", "%s")
	        FIELD("allow", "%s") "</x></message>",
	    ONE_OF(texts), ONE_OF(texts), ONE_OF(texts));
}

static const char *const presences[] = { "subscribe", "unsubscribe", "probe",
	"subscribed", "unsubscribed", "unavailable", "bogus" };
static const char *const words[] = { "help", "list", "list n", "list 2",
	"list n 1", "subscribe", "subscribe n", "subscribe &#9;", "unsubscribe",
	"unsubscribe m", "subscriptions", "hello", " ", "list 99999999999",
	"subscribe &lt;&amp;" };
static const char *const people[] = { "<query xmlns='jabber:iq:register'/>",
	"<query xmlns='jabber:iq:register'><remove/></query>",
	"<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data'/></query>",
	"<query xmlns='jabber:iq:register'><remove/><username>u</username>"
	"</query>",
	"<query xmlns='jabber:iq:last'/>", "<vCard xmlns='vcard-temp'/>",
	"<vCard xmlns='vcard-temp'><FN>x</FN></vCard>",
	"<query xmlns='" INFO "' node='urn:x-waft:channel#x'/>" };

static void
make_presence(struct buf *out)
{
	buf_adds(out, "<presence");
	if (pick(3) > 0)
		buf_addf(out, " type='%s'", ONE_OF(presences));
	buf_addf(out,
	    "><priority>%s</priority><show>%s</show>"
	    "<status>%s</status></presence>",
	    ONE_OF(values), ONE_OF(texts), ONE_OF(texts));
}

static void
make_chat(struct buf *out)
{
	buf_addf(out, "<message type='%s'><body>%s</body></message>",
	    pick(8) == 0 ? "headline" : "chat", ONE_OF(words));
}

/* The most that may be said back: of a presence subscription that it is
 * granted, that the channel is there, and that it would see his. */
static size_t
say_something(struct buf *out)
{
	if (pick(2) == 0) {
		make_chat(out);
		return 1;
	}
	make_presence(out);
	return 3;
}

static void
assert_well_formed(const struct buf *text)
{
	struct xml_error error;
	struct xml *root;
	struct buf whole;

	buf_init(&whole, 0);
	buf_addf(&whole, "<all>%.*s</all>", (int)text->len,
	    text->len == 0 ? "" : text->data);
	if (xml_parse(reader, whole.data, whole.len, false, &root, &error) !=
	    ERR_OK)
		fail_msg("%s: %s", error.why, whole.data);
	xml_free(root);
	buf_clear(&whole);
}

TEST(c5_21_gives_each_request_one_answer)
{
	struct buf text;
	int i, results = 0;

	random_state = 20261124;
	peer.named = -1;
	buf_init(&text, 0);
	for (i = 0; i < RANDOM_REQUESTS; i++) {
		asker = ONE_OF(askers);
		peer.creator = asker == askers[0];
		peer.publisher = pick(4) == 0;
		conf->classes[0].publish = (enum conf_access)pick(3);
		buf_reset(&text);
		if (pick(6) == 0) {
			size_t most = say_something(&text);

			give(ONE_OF(targets), text.data);
			while (peer.refs > 0)
				loop_turn(loop, true);
			if ((size_t)peer.answers > most)
				fail_msg("%d answers to %s", peer.answers,
				    text.data);
			assert_well_formed(&peer.sent);
		} else if (pick(10) == 0) {
			make_message(&text);
			give(DOMAIN, text.data);
			while (peer.refs > 0)
				loop_turn(loop, true);
			assert_int_equal(peer.answers, 0);
		} else {
			if (pick(12) == 0)
				buf_addf(&text, "<iq type='%s' id='i'>%s</iq>",
				    pick(2) == 0 ? "get" : "set",
				    ONE_OF(people));
			else
				make_request(&text);
			ask(ONE_OF(targets), text.data);
			if (peer.answers != 1)
				fail_msg("%d answers to %s", peer.answers,
				    text.data);
			assert_well_formed(&peer.sent);
			results +=
			    strstr(peer.sent.data, "type='result'") != NULL;
		}
		assert_well_formed(&peer.told);
		while (peer.n > SUBS_MAX - 2)
			peer_remove(&peer, 0);
	}
	buf_clear(&text);
	if (results <= RANDOM_REQUESTS / 100)
		print_message("%d results\n", results);
	/* Else it tells nothing of what is behind the first checks. */
	assert_true(results > RANDOM_REQUESTS / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c5_21_gives_each_request_one_answer),
	};

	return cmocka_run_group_tests_name("service_random", tests, NULL, NULL);
}
