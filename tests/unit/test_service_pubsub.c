#include "tests/unit/service_fixture.h"

/* ---- subscribing ----------------------------------------------------- */

#define SUBSCRIPTION(node, jid)                   \
	"<subscription node='" node "' jid='" jid \
	"' subscription='subscribed'/>"

TEST(c6_3_subscribes_to_a_name_that_was_never_used_and_says_the_same_again)
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

TEST(c6_1_subscribes_exactly_the_jid_that_was_named)
{
	assert_string_equal(SET(VERB("<subscribe node='n' jid='" ASKER "'/>")),
	    RESULT(VERB(SUBSCRIPTION("n", ASKER))));
	assert_string_equal(peer.subs[0][0], ASKER);
	assert_non_null(strstr(ask_iq("n@" DOMAIN, "set",
	                           VERB("<subscribe jid='user@example.com'/>")),
	    SUBSCRIPTION("n", "user@example.com")));
	assert_int_equal(peer.n, 2);
}

TEST(c6_1_subscribes_nobody_but_the_asker)
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

TEST(c6_2_says_why_it_does_not_subscribe)
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

TEST(c6_4_unsubscribes_once)
{
	static const char request[] =
	    VERB("<unsubscribe node='n' jid='user@example.com'/>");

	SET(VERB("<subscribe node='n' jid='user@example.com'/>"));
	assert_string_equal(SET(request), HEAD("result") "/>");
	assert_int_equal(peer.n, 0);
	assert_string_equal(SET(request),
	    ERROR_OF("cancel", "unexpected-request", DETAIL("not-subscribed")));
}

TEST(c6_6_lists_subscriptions_of_all_channels_or_of_one)
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

#define SETS "http://jabber.org/protocol/rsm"
#define OWN_PAGE(request) \
	GET(VERB("<subscriptions/><set xmlns='" SETS "'>" request "</set>"))
#define OWN_PAGED(subs, set)                                       \
	RESULT(VERB("<subscriptions>" subs "</subscriptions><set " \
	            "xmlns='" SETS "'>" set "</set>"))

TEST(c5_12_pages_through_the_askers_subscriptions)
{
	SET(VERB("<subscribe node='a' jid='user@example.com'/>"));
	SET(VERB("<subscribe node='b' jid='user@example.com'/>"));
	SET(VERB("<subscribe node='c' jid='user@example.com'/>"));
	assert_string_equal(OWN_PAGE("<max>2</max>"),
	    OWN_PAGED(SUBSCRIPTION("a", "user@example.com")
	                  SUBSCRIPTION("b", "user@example.com"),
	        "<first index='0'>user@example.com a</first>"
	        "<last>user@example.com b</last><count>3</count>"));
	assert_string_equal(OWN_PAGE("<after>user@example.com b</after>"),
	    OWN_PAGED(SUBSCRIPTION("c", "user@example.com"),
	        "<first index='2'>user@example.com c</first>"
	        "<last>user@example.com c</last><count>3</count>"));
	assert_string_equal(
	    OWN_PAGE("<max>1</max><before>user@example.com c</before>"),
	    OWN_PAGED(SUBSCRIPTION("b", "user@example.com"),
	        "<first index='1'>user@example.com b</first>"
	        "<last>user@example.com b</last><count>3</count>"));
	assert_string_equal(OWN_PAGE("<max>1</max><before/>"),
	    OWN_PAGED(SUBSCRIPTION("c", "user@example.com"),
	        "<first index='2'>user@example.com c</first>"
	        "<last>user@example.com c</last><count>3</count>"));
	assert_string_equal(OWN_PAGE("<max>0</max>"),
	    OWN_PAGED("", "<count>3</count>"));
	assert_string_equal(OWN_PAGE("<after>user@example.com x</after>"),
	    ERROR_OF("cancel", "item-not-found", ""));
}

/* ---- items ----------------------------------------------------------- */

#define JSON(text)  "<json xmlns='urn:xmpp:json:0'>" text "</json>"
#define ITEM(id, n) "<item id='" id "'>" JSON(n) "</item>"
#define ANSWER(node, items) \
	RESULT(VERB("<items node='" node "'>" items "</items>"))

TEST(c6_7_gives_the_newest_items_oldest_of_them_first)
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

TEST(c6_7_gives_items_by_id)
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

TEST(c6_7_forwards_a_raw_item_with_its_time)
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

#define assert_has(text, part) assert_non_null(strstr(text, part))
#define FROM_N(type) \
	"<presence" type " from='n@" DOMAIN "' to='user@example.com'/>"
#define HERE(to) \
	"<presence from='n@" DOMAIN "' to='" to "'><status>n</status><c "

TEST(c7_1_c7_3_subscribes_and_unsubscribes_by_presence)
{
	assert_has(ask("n@" DOMAIN, "<presence type='subscribe'/>"),
	    FROM_N(" type='subscribed'") HERE("user@example.com"));
	assert_int_equal(peer.n, 1);
	assert_string_equal(peer.subs[0][0], "user@example.com");
	assert_string_equal(peer.subs[0][1], "n");
	assert_has(ask("n@" DOMAIN, "<presence type='probe'/>"), HERE(ASKER));
	assert_string_equal(ask("n@" DOMAIN, "<presence type='unsubscribe'/>"),
	    FROM_N(" type='unavailable'") FROM_N(" type='unsubscribed'"));
	assert_int_equal(peer.n, 0);
	assert_string_equal(ask("n@" DOMAIN, "<presence type='unsubscribe'/>"),
	    FROM_N(" type='unavailable'") FROM_N(" type='unsubscribed'"));
	assert_string_equal(ask("n@" DOMAIN, "<presence type='probe'/>"),
	    FROM_N(" type='unsubscribed'"));
}

TEST(c7_1_denies_presence_by_unsubscribed)
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(
		    c6_3_subscribes_to_a_name_that_was_never_used_and_says_the_same_again),
		RULE(c6_1_subscribes_exactly_the_jid_that_was_named),
		RULE(c6_1_subscribes_nobody_but_the_asker),
		RULE(c6_2_says_why_it_does_not_subscribe),
		RULE(subscribes_a_user_to_so_many_channels_and_no_more),
		RULE(c6_4_unsubscribes_once),
		RULE(c6_6_lists_subscriptions_of_all_channels_or_of_one),
		RULE(c5_12_pages_through_the_askers_subscriptions),
		RULE(c6_7_gives_the_newest_items_oldest_of_them_first),
		RULE(c6_7_gives_items_by_id),
		RULE(finds_an_item_by_id_behind_many),
		RULE(c6_7_forwards_a_raw_item_with_its_time),
		RULE(leaves_out_items_that_have_nothing_for_xmpp),
		RULE(leaves_out_the_oldest_when_an_answer_would_grow_too_long),
		RULE(c7_1_c7_3_subscribes_and_unsubscribes_by_presence),
		RULE(c7_1_denies_presence_by_unsubscribed),
	};

	return cmocka_run_group_tests_name("service_pubsub", tests, NULL, NULL);
}
