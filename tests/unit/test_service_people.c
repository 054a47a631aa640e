/* What people without a PubSub client have: presence, vCards, registration, a
 * chat with the service. */
#include "common/base/crypto.h"
#include "common/base/text.h"

#include "tests/unit/service_fixture.h"

#define N_AT "n@" DOMAIN
#define FROM_N_HEAD(type) \
	"<iq type='" type "' id='i' from='" N_AT "' to='" ASKER "'"
#define ASK_N(type, body) ask_iq(N_AT, type, body)
#define REGISTER(inner)   "<query xmlns='jabber:iq:register'>" inner "</query>"

#define assert_has(text, part) assert_non_null(strstr(text, part))

/* The body of the one message that came, or NULL. */
static const char *
say(const char *to, const char *body)
{
	static char answer[8192];
	const char *begin, *end;
	struct buf text;
	char *at;

	buf_init(&text, 0);
	buf_adds(&text, "<message type='chat'><body>");
	buf_adds_xml(&text, body);
	buf_adds(&text, "</body></message>");
	if (!give(to, text.data)) {
		buf_clear(&text);
		return NULL;
	}
	buf_clear(&text);
	while (peer.refs > 0)
		loop_turn(loop, true);
	if (peer.answers == 0)
		return NULL;
	assert_int_equal(count_of(peer.sent.data, "<message "), 1);
	assert_has(peer.sent.data, "<message type='chat' from='");
	assert_has(peer.sent.data, "' to='" ASKER "' id='");
	begin = strstr(peer.sent.data, "<body>") + 6;
	end = strstr(begin, "</body>");
	for (at = answer; begin < end; at++) {
		if (strncmp(begin, "&#10;", 5) == 0) {
			*at = '\n';
			begin += 5;
		} else {
			*at = *begin++;
		}
	}
	*at = '\0';
	return answer;
}

static void
create(const char *channel)
{
	append(ENTRY_CREATE, channel, "", NULL);
}

static void
make_titled(void)
{
	peer.creator = true;
	SET(VERB("<create node='own'/>"));
	SET(CONFIGURE("title", "News &amp; more"));
	SET(CONFIGURE("description", "What is new"));
}

/* ---- iq -------------------------------------------------------------- */

TEST(c5_5_tells_how_long_it_runs_and_when_a_channel_was_last_used)
{
	static const char query[] = "<query xmlns='jabber:iq:last'/>";

	assert_string_equal(GET(query),
	    RESULT("<query xmlns='jabber:iq:last' seconds='0'/>"));
	assert_has(ASK_N("get", query), "<item-not-found");
	create("n");
	assert_has(ASK_N("get", query), "<item-not-found");
	publish("n", "1", "json-object", "1");
	assert_string_equal(ASK_N("get", query),
	    FROM_N_HEAD("result") "><query xmlns='jabber:iq:last' "
	                          "seconds='0'/></iq>");
	peer.closed = true;
	assert_has(ASK_N("get", query), "<not-allowed");
}

TEST(c5_22_has_vcards_for_the_service_and_for_channels)
{
	static const char vcard[] = "<vCard xmlns='vcard-temp'/>";

	assert_has(GET(vcard), "<vCard xmlns='vcard-temp'><FN>waft</FN>");
	assert_has(SET(vcard), "<bad-request");
	assert_has(ASK_N("get", vcard), "<item-not-found");
	create("n");
	assert_string_equal(ASK_N("get", vcard),
	    FROM_N_HEAD("result") "><vCard xmlns='vcard-temp'><FN>n</FN>"
	                          "<NICKNAME>n</NICKNAME></vCard></iq>");
	make_titled();
	assert_has(ask_iq("own@" DOMAIN, "get", vcard),
	    "<FN>News &amp; more</FN><NICKNAME>own</NICKNAME>"
	    "<DESC>What is new</DESC>");
}

TEST(c5_7_subscribes_by_registering_at_a_channel)
{
	assert_has(ASK_N("get", REGISTER("")),
	    "<query xmlns='jabber:iq:register'><instructions>");
	assert_string_equal(ASK_N("set", REGISTER("")),
	    FROM_N_HEAD("result") "/>");
	assert_string_equal(peer.subs[0][0], "user@example.com");
	assert_string_equal(peer.subs[0][1], "n");
	assert_has(ASK_N("get", REGISTER("")), "<registered/><instructions>");
	assert_has(ASK_N("set", REGISTER("")), "type='result'");
	assert_int_equal(peer.n, 1);
	assert_has(ASK_N("set", REGISTER("<remove/><x/>")), "<bad-request");
	assert_has(ASK_N("set", REGISTER("<remove/>")), "type='result'");
	assert_int_equal(peer.n, 0);
	assert_has(ASK_N("set", REGISTER("<remove/>")),
	    "<registration-required");
	assert_has(ASK_N("set",
	               REGISTER("<x xmlns='jabber:x:data' type='cancel'/>")),
	    "type='result'");
	assert_int_equal(peer.n, 0);
}

TEST(c5_7_registers_nobody_who_may_not_subscribe)
{
	peer.closed = true;
	assert_has(ASK_N("set", REGISTER("")), "<not-allowed");
	peer.closed = false;
	peer.fail = ERR_LIMIT;
	assert_has(ASK_N("set", REGISTER("")), "<policy-violation");
	assert_int_equal(peer.n, 0);
}

TEST(c5_7_offers_no_registration_at_the_service)
{
	const char *info = GET("<query xmlns='" INFO "'/>");

	assert_null(strstr(info, "jabber:iq:register"));
	assert_has(GET(REGISTER("")), "<service-unavailable");
	assert_has(SET(REGISTER("")), "<service-unavailable");
	create("n");
	assert_has(ASK_N("get", "<query xmlns='" INFO "'/>"),
	    "<feature var='jabber:iq:register'/>");
}

/* ---- capabilities ---------------------------------------------------- */

static int
compare_features(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* XEP-0115 §5.1 by its letter, of what the disco#info says. */
static char *
ver_of(char *info)
{
	static const char word[] = "<feature var='";
	static char text[8192];
	unsigned char hash[20];
	char *features[64], *at = info;
	struct buf ver;
	size_t n = 0, i;

	while ((at = strstr(at, word)) != NULL) {
		features[n++] = at += sizeof word - 1;
		at = strchr(at, '\'');
		*at++ = '\0';
	}
	qsort(features, n, sizeof features[0], compare_features);
	strcpy(text, "pubsub/leaf//<");
	for (i = 0; i < n; i++) {
		strcat(text, features[i]);
		strcat(text, "<");
	}
	crypto_sha1(text, strlen(text), hash);
	buf_init(&ver, 0);
	text_base64(hash, sizeof hash, &ver);
	return buf_detach(&ver, NULL);
}

TEST(c5_9_says_in_its_presence_what_it_can_and_answers_for_it)
{
	char *presence, *ver, *info, *again, *body;

	presence = xstrdup(ask(N_AT, "<presence type='subscribe'/>"));
	assert_has(presence,
	    "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
	    "node='urn:x-waft:channel' ver='");
	ver = strstr(presence, "ver='") + 5;
	*strchr(ver, '\'') = '\0';
	body =
	    xasprintf("<query xmlns='" INFO "' node='urn:x-waft:channel#%s'/>",
	        ver);
	info = xstrdup(ASK_N("get", body));
	assert_has(info, "type='result'");
	assert_has(info, ver);
	assert_null(strstr(info, "<x "));
	again = ver_of(info);
	assert_string_equal(again, ver);
	assert_has(GET(body), "<item-not-found");
	assert_has(ASK_N("get",
	               "<query xmlns='" INFO "' node='urn:x-waft:channel#x'/>"),
	    "<item-not-found");
	free(presence);
	free(body);
	free(info);
	free(again);
}

TEST(c7_1_says_in_its_presence_what_the_channel_is)
{
	make_titled();
	assert_has(ask("own@" DOMAIN, "<presence type='subscribe'/>"),
	    "<status>News &amp; more: What is new</status>");
	assert_has(ask(N_AT, "<presence type='subscribe'/>"),
	    "<status>n</status>");
}

/* ---- presence -------------------------------------------------------- */

#define HERE(to)                                                      \
	"<presence from='" N_AT "' to='" to "'><status>n</status><c " \
	"xmlns='http://jabber.org/protocol/caps'"
#define FROM_N(type, to) \
	"<presence type='" type "' from='" N_AT "' to='" to "'/>"
#define BARE "user@example.com"

TEST(c7_8_ends_by_roster_what_a_roster_made_and_nothing_else)
{
	ask(N_AT, "<presence type='subscribe'/>");
	assert_int_equal(peer.ways[0], SUB_BY_PRESENCE);
	SET(VERB("<subscribe node='n' jid='" BARE "'/>"));
	assert_int_equal(peer.ways[0], SUB_BY_PRESENCE | SUB_BY_REQUEST);
	assert_string_equal(ask(N_AT, "<presence type='unsubscribe'/>"),
	    FROM_N("unavailable", BARE) FROM_N("unsubscribed", BARE));
	assert_int_equal(peer.ways[0], SUB_BY_REQUEST);
	assert_has(ask(N_AT, "<presence type='unsubscribe'/>"),
	    "type='unsubscribed'");
	assert_int_equal(peer.n, 1);
	ask(N_AT, "<presence type='unsubscribed'/>");
	assert_int_equal(peer.answers, 0);
	assert_int_equal(peer.n, 1);
	SET(VERB("<unsubscribe node='n' jid='" BARE "'/>"));
	assert_int_equal(peer.n, 0);
	assert_int_equal(peer.told.len, 0);
}

TEST(tells_the_roster_of_a_subscription_that_was_ended_otherwise)
{
	ask(N_AT, "<presence type='subscribe'/>");
	SET(VERB("<unsubscribe node='n' jid='" BARE "'/>"));
	assert_int_equal(peer.n, 0);
	assert_string_equal(peer.told.data, FROM_N("unsubscribed", BARE));
}

TEST(c7_4_lets_a_client_in_that_says_it_is_there)
{
	assert_has(ask(N_AT, "<presence><priority> -3</priority></presence>"),
	    HERE(ASKER));
	assert_int_equal(peer.answers, 1);
	assert_int_equal(peer.joined, 1);
	assert_int_equal(peer.arrived, -3);
	assert_int_equal(peer.n, 0);
	ask(N_AT, "<presence type='unavailable'/>");
	assert_int_equal(peer.left, 1);
	assert_int_equal(peer.answers, 0);
}

TEST(c7_9_answers_a_client_once)
{
	ask(N_AT, "<presence type='subscribe'/>");
	assert_has(ask(N_AT, "<presence/>"), HERE(ASKER));
	assert_int_equal(peer.answers, 1);
	assert_int_equal(peer.joined, 0);
	peer.known = true;
	ask(N_AT, "<presence><show>away</show></presence>");
	assert_int_equal(peer.answers, 0);
}

TEST(c7_4_refuses_whom_a_subscription_would_be_refused)
{
	peer.closed = true;
	assert_string_equal(ask(N_AT, "<presence/>"),
	    "<presence type='error' from='" N_AT "' to='" ASKER
	    "'><error type='cancel'><not-allowed "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	    "</presence>");
	peer.closed = false;
	peer.full = true;
	assert_has(ask(N_AT, "<presence/>"), "<resource-constraint");
	peer.full = false;
	conf->control.subscriptions_per_jid = 1;
	SET(VERB("<subscribe node='m' jid='" BARE "'/>"));
	assert_has(ask(N_AT, "<presence/>"), "<resource-constraint");
	assert_int_equal(peer.joined, 0);
}

TEST(c7_4_lets_nobody_in_where_an_owner_decides)
{
	static const char *const models[] = { "authorize", "whitelist",
		"presence" };
	size_t i;

	make_titled();
	asker = "other@example.net/phone";
	assert_has(ask("own@" DOMAIN, "<presence/>"), "<status>");
	assert_int_equal(peer.joined, 1);
	for (i = 0; i < ARRAY_LEN(models); i++) {
		char *form =
		    xasprintf(CONFIGURE("access_model", "%s"), models[i]);

		asker = ASKER;
		assert_has(SET(form), "type='result'");
		free(form);
		asker = "other@example.net/phone";
		assert_has(ask("own@" DOMAIN, "<presence/>"), "type='error'");
	}
	assert_int_equal(peer.joined, 1);
}

TEST(c7_2_asks_for_nobodys_presence_unless_the_class_needs_it)
{
	SET(VERB("<subscribe node='n' jid='" BARE "'/>"));
	assert_null(strstr(peer.sent.data, "<presence"));
	assert_null(strstr(ask(N_AT, "<presence type='subscribe'/>"),
	    "type='subscribe'"));
	conf->classes[0].available_only = true;
	SET(VERB("<subscribe node='m' jid='" BARE "'/>"));
	assert_null(strstr(peer.sent.data, "<presence"));
	assert_has(ask("m@" DOMAIN, "<presence type='subscribe'/>"),
	    "<presence type='subscribe' from='m@" DOMAIN "' to='" BARE "'/>");
	ask("m@" DOMAIN, "<presence type='subscribed'/>");
	assert_true(peer.shown);
	assert_int_equal(peer.answers, 0);
	ask("m@" DOMAIN, "<presence type='unsubscribed'/>");
	assert_false(peer.shown);
	assert_int_equal(peer.answers, 0);
}

TEST(c7_3_says_unsubscribed_to_a_probe_it_does_not_know)
{
	assert_string_equal(ask(DOMAIN, "<presence type='probe'/>"),
	    "<presence type='unsubscribed' from='" DOMAIN "' to='" BARE "'/>");
	assert_string_equal(ask(N_AT, "<presence type='probe'/>"),
	    FROM_N("unsubscribed", BARE));
	ask(N_AT, "<presence type='subscribe'/>");
	assert_has(ask(N_AT, "<presence type='probe'/>"), HERE(ASKER));
	assert_int_equal(peer.answers, 1);
}

/* What the owner is asked, he answers. */
static const char *
decide(const char *allow)
{
	char *form =
	    xasprintf("<message>" FORM(FIELD("node", "own")
	                      FIELD("subscriber_jid", "other@example.net")
	                          FIELD("allow", "%s")) "</message>",
	        allow);

	asker = ASKER;
	ask(DOMAIN, form);
	free(form);
	return peer.told.data;
}

TEST(c7_1_subscribes_by_roster_once_an_owner_approves)
{
#define TO_OTHER " from='own@" DOMAIN "' to='other@example.net'"
	make_titled();
	assert_has(SET(CONFIGURE("access_model", "authorize")),
	    "type='result'");
	asker = "other@example.net/phone";
	ask("own@" DOMAIN, "<presence type='subscribe'/>");
	assert_int_equal(peer.answers, 0);
	assert_has(peer.told.data, "pubsub#allow");
	assert_has(decide("1"), "<presence type='subscribed'" TO_OTHER "/>");
	assert_has(peer.told.data,
	    "<presence" TO_OTHER "><status>News &amp; more: What is new<");
	assert_has(SET(OWNER("<subscriptions node='own'><subscription "
	                     "jid='other@example.net' subscription='none'/>"
	                     "</subscriptions>")),
	    "type='result'");
	assert_has(peer.told.data, "<presence type='unsubscribed'" TO_OTHER);
}

TEST(c7_1_says_unsubscribed_when_an_owner_denies)
{
	make_titled();
	SET(CONFIGURE("access_model", "authorize"));
	asker = "other@example.net/phone";
	ask("own@" DOMAIN, "<presence type='subscribe'/>");
	assert_has(decide("0"), "<presence type='unsubscribed'" TO_OTHER "/>");
}

TEST(takes_presence_that_is_odd)
{
	static const struct {
		const char *text;
		const char *answer; /* NULL: none */
	} odd[] = {
		{ "<presence type='bogus'/>", "<bad-request" },
		{ "<presence type=''/>", "<bad-request" },
		{ "<presence><x xmlns='http://jabber.org/protocol/muc'/>"
		  "</presence>",
		    "<service-unavailable" },
		{ "<presence><priority/></presence>", "<status>" },
		{ "<presence><priority>300</priority></presence>", "<status>" },
		{ "<presence><priority>1e1</priority></presence>", "<status>" },
		{ "<presence><priority>99999999999</priority></presence>",
		    "<status>" },
		{ "<presence type='unsubscribed'/>", NULL },
		{ "<presence type='subscribed'/>", NULL },
		{ "<presence type='unavailable'/>", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(odd); i++) {
		const char *answer = ask(N_AT, odd[i].text);

		assert_int_equal(peer.answers, odd[i].answer != NULL);
		if (odd[i].answer != NULL)
			assert_has(answer, odd[i].answer);
		assert_int_equal(peer.arrived, 0);
	}
	assert_false(give(N_AT, "<presence type='error'><error/></presence>"));
	ask(DOMAIN, "<presence/>");
	assert_int_equal(peer.answers, 0);
	asker = BARE;
	ask(N_AT, "<presence/>");
	assert_int_equal(peer.answers, 0);
}

TEST(c7_10_greets_by_what_the_channel_is)
{
	struct jid to = jid_of(BARE);

	peer.answers = 0;
	service_greet(service, &peer, &to, "n", NULL);
	while (peer.refs > 0)
		loop_turn(loop, true);
	assert_has(peer.sent.data, HERE(BARE));
	service_greet(service, &peer, &to, "n", "unavailable");
	assert_string_equal(peer.told.data, FROM_N("unavailable", BARE));
	buf_reset(&peer.told);
	service_greet(service, &peer, &to, "Not Prepared", "unavailable");
	assert_int_equal(peer.told.len, 0);
}

/* ---- chat ------------------------------------------------------------ */

TEST(helps_by_chat)
{
	assert_has(say(DOMAIN, "help"), "subscribe CHANNEL");
	assert_has(say(DOMAIN, " HELP\n"), "subscribe CHANNEL");
	assert_has(say(N_AT, "Help"), "This is the channel n.");
	assert_has(say(DOMAIN, "hello"), "no command");
	assert_null(say(N_AT, "hello"));
	assert_null(say(N_AT, "help me"));
}

TEST(lists_channels_by_chat)
{
	char name[16];
	int i;

	assert_string_equal(say(DOMAIN, "list"), "No channels.");
	create("b");
	create("hidden");
	create("b&b");
	create("a");
	assert_string_equal(say(DOMAIN, "list"), "a\nb\nb&amp;b");
	assert_string_equal(say(DOMAIN, "list b"), "b\nb&amp;b");
	assert_string_equal(say(DOMAIN, "list c"), "No channels.");
	assert_string_equal(say(N_AT, "list"), "a\nb\nb&amp;b");
	for (i = 0; i < 45; i++) {
		snprintf(name, sizeof name, "c %02d", i);
		create(name);
	}
	assert_has(say(DOMAIN, "list"), "c 16\n(there are more");
	assert_has(say(DOMAIN, "list c 1"), "c 19\n(there are more");
	assert_int_equal(strncmp(say(DOMAIN, "list c  2"), "c 20\n", 5), 0);
	assert_string_equal(say(DOMAIN, "list c 3"),
	    "c 40\nc 41\nc 42\nc 43\nc 44");
}

TEST(subscribes_by_chat)
{
	create("n");
	assert_string_equal(say(DOMAIN, "subscriptions"),
	    "You have no subscriptions.");
	assert_string_equal(say(DOMAIN, "subscribe n"),
	    "You are subscribed to n.");
	assert_string_equal(peer.subs[0][0], "user@example.com");
	assert_string_equal(say(N_AT, "subscribe"),
	    "You are subscribed to n already.");
	assert_string_equal(say(DOMAIN, "Subscribe two words"),
	    "You are subscribed to two words; nothing was published there "
	    "yet.");
	assert_string_equal(say(DOMAIN, "subscriptions"), "n\ntwo words");
	assert_string_equal(say(N_AT, "unsubscribe"),
	    "You are no longer subscribed to n.");
	assert_string_equal(say(DOMAIN, "unsubscribe n"),
	    "You are not subscribed to n.");
	assert_string_equal(say(DOMAIN, "subscribe"), "Which channel?");
	assert_string_equal(say(DOMAIN, "subscribe a\tb"),
	    "No channel can have that name.");
	assert_int_equal(peer.n, 1);
}

TEST(subscribes_nobody_by_chat_who_may_not)
{
	peer.closed = true;
	assert_string_equal(say(DOMAIN, "subscribe n"),
	    "You may not subscribe to n.");
	peer.closed = false;
	peer.fail = ERR_LIMIT;
	assert_string_equal(say(DOMAIN, "subscribe n"),
	    "You have too many subscriptions for n.");
	peer.fail = ERR_BUSY;
	assert_has(say(DOMAIN, "subscribe n"), "Try again later.");
	assert_int_equal(peer.n, 0);
}

TEST(answers_no_machine_by_chat)
{
	static const char *const silent[] = {
		"<message type='error'><body>help</body></message>",
		"<message type='headline'><body>help</body></message>",
		"<message type='groupchat'><body>help</body></message>",
		"<message type='chat'><x xmlns='u'/></message>",
		"<message type='chat'><body/></message>",
		"<message><body> \n</body></message>",
		"<message><body xmlns='u'>help</body></message>",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(silent); i++)
		assert_false(give(DOMAIN, silent[i]));
	asker = "other.example.org";
	assert_false(give(DOMAIN, "<message><body>help</body></message>"));
	asker = "other.example.org/n";
	assert_false(give(DOMAIN, "<message><body>help</body></message>"));
	assert_int_equal(peer.answers, 0);
}

TEST(answers_a_flood_of_chat_so_many_times_and_then_no_more)
{
	int i;

	conf->control.texts_per_jid = 3;
	for (i = 0; i < 3; i++)
		assert_has(say(DOMAIN, "help"), "subscribe CHANNEL");
	assert_has(say(DOMAIN, "help"), "too much");
	for (i = 0; i < 10; i++)
		assert_null(say(DOMAIN, "help"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(
		    c5_5_tells_how_long_it_runs_and_when_a_channel_was_last_used),
		RULE(c5_22_has_vcards_for_the_service_and_for_channels),
		RULE(c5_7_subscribes_by_registering_at_a_channel),
		RULE(c5_7_registers_nobody_who_may_not_subscribe),
		RULE(c5_7_offers_no_registration_at_the_service),
		RULE(c5_9_says_in_its_presence_what_it_can_and_answers_for_it),
		RULE(c7_1_says_in_its_presence_what_the_channel_is),
		RULE(c7_8_ends_by_roster_what_a_roster_made_and_nothing_else),
		RULE(
		    tells_the_roster_of_a_subscription_that_was_ended_otherwise),
		RULE(c7_4_lets_a_client_in_that_says_it_is_there),
		RULE(c7_9_answers_a_client_once),
		RULE(c7_4_refuses_whom_a_subscription_would_be_refused),
		RULE(c7_4_lets_nobody_in_where_an_owner_decides),
		RULE(c7_2_asks_for_nobodys_presence_unless_the_class_needs_it),
		RULE(c7_3_says_unsubscribed_to_a_probe_it_does_not_know),
		RULE(c7_1_subscribes_by_roster_once_an_owner_approves),
		RULE(c7_1_says_unsubscribed_when_an_owner_denies),
		RULE(takes_presence_that_is_odd),
		RULE(c7_10_greets_by_what_the_channel_is),
		RULE(helps_by_chat),
		RULE(lists_channels_by_chat),
		RULE(subscribes_by_chat),
		RULE(subscribes_nobody_by_chat_who_may_not),
		RULE(answers_no_machine_by_chat),
		RULE(answers_a_flood_of_chat_so_many_times_and_then_no_more),
	};

	return cmocka_run_group_tests_name("service_people", tests, NULL, NULL);
}
