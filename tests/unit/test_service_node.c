/* Nodes that have an owner: making, configuring, roles, access models. */
#include "tests/unit/service_fixture.h"

#define OTHER           "other@example.net/phone"
#define REFUSED(detail) ERROR_OF("modify", "bad-request", DETAIL(detail))
#define FORBIDDEN       "<error type='auth'><forbidden "
#define SUBSCRIBE(jid)  VERB("<subscribe node='own' jid='" jid "'/>")
#define PUBLISH(xml)    VERB("<publish node='own'>" xml "</publish>")
#define ITEM            "<item id='1'><a xmlns='u'/></item>"
#define AFFILIATE(jid, word)                                    \
	OWNER("<affiliations node='own'><affiliation jid='" jid \
	      "' affiliation='" word "'/></affiliations>")

static int
set_up_creator(void **state)
{
	set_up(state);
	peer.creator = true;
	assert_string_equal(SET(VERB("<create node='own'/>")),
	    RESULT(VERB("<create node='own'/>")));
	return 0;
}

/* The same request of somebody who has made nothing. */
static const char *
other(const char *type, const char *body)
{
	const char *answer;

	asker = OTHER;
	peer.creator = false;
	answer = ask_iq(DOMAIN, type, body);
	peer.creator = true;
	asker = ASKER;
	return answer;
}

#define assert_has(text, part) assert_non_null(strstr(text, part))
#define assert_result(text)    assert_has(text, "type='result'")

/* ---- making ---------------------------------------------------------- */

TEST(c5_2_creates_a_node_once_for_who_may)
{
	assert_string_equal(SET(VERB("<create node='own'/>")),
	    ERROR_OF("cancel", "conflict", ""));
	assert_has(other("set", VERB("<create node='his'/>")), FORBIDDEN);
	append(ENTRY_CREATE, "operators", NULL, NULL);
	assert_string_equal(SET(VERB("<create node='operators'/>")),
	    ERROR_OF("cancel", "conflict", ""));
	assert_string_equal(SET(VERB("<create node='c' type='collection'/>")),
	    UNSUPPORTED("collections"));
}

TEST(creates_an_instant_node_with_a_name_of_its_own)
{
	char first[64], *name;

	name = strstr(SET(VERB("<create/>")), "<create node='");
	assert_non_null(name);
	name += strlen("<create node='");
	snprintf(first, sizeof first, "%.24s", name);
	assert_int_equal(strspn(first, "0123456789abcdef"), 24);
	name = strstr(SET(VERB("<create/>")), "<create node='");
	assert_int_not_equal(strncmp(name + 14, first, 24), 0);
}

TEST(creates_a_node_configured_or_not_at_all)
{
	assert_result(SET(VERB(
	    "<create node='a'/><configure>" FORM(FIELD("title", "A &amp; B")
	            FIELD("access_model", "whitelist")) "</configure>")));
	assert_has(GET(OWNER("<configure node='a'/>")),
	    "<value>A &amp; B</value>");
	assert_string_equal(SET(VERB("<create node='b'/><configure>" FORM(FIELD(
	                        "access_model", "roster")) "</configure>")),
	    ERROR_OF("modify", "not-acceptable", ""));
	assert_string_equal(GET(OWNER("<configure node='b'/>")),
	    ERROR_OF("cancel", "item-not-found", ""));
}

/* ---- configuring ----------------------------------------------------- */

TEST(c5_11_shows_and_changes_the_configuration_to_the_owner_alone)
{
	const char *form = GET(OWNER("<configure node='own'/>"));

	assert_has(form,
	    "<field var='FORM_TYPE' type='hidden'><value>" PUBSUB
	    "#node_config</value></field>");
	assert_has(form,
	    "<field var='pubsub#access_model' type='list-single' label='Who "
	    "may subscribe'><value>open</value><option><value>open</value>");
	assert_has(form, "<field var='pubsub#max_items' type='text-single'");
	assert_string_equal(SET(CONFIGURE("notify_config", "true")),
	    HEAD("result") "/>");
	assert_has(GET(OWNER("<configure node='own'/>")),
	    "label='Tell subscribers when the configuration changes'>"
	    "<value>1</value>");
	assert_has(other("get", OWNER("<configure node='own'/>")), FORBIDDEN);
	assert_has(other("set", CONFIGURE("title", "x")), FORBIDDEN);
	append(ENTRY_CREATE, "operators", NULL, NULL);
	assert_string_equal(GET(OWNER("<configure node='operators'/>")),
	    ERROR_OF("auth", "forbidden", ""));
}

TEST(c5_11_refuses_what_cannot_be_and_changes_nothing)
{
	static const char refused[] = ERROR_OF("modify", "not-acceptable", "");

	assert_string_equal(SET(CONFIGURE("max_items", "7")), refused);
	assert_result(SET(CONFIGURE("max_items", "100")));
	assert_result(SET(CONFIGURE("max_items", "max")));
	assert_result(SET(CONFIGURE("persist_items", "true")));
	assert_string_equal(SET(CONFIGURE("persist_items", "0")), refused);
	assert_string_equal(SET(CONFIGURE("notify_config", "maybe")), refused);
	assert_string_equal(SET(CONFIGURE("body_xslt", "x")), refused);
	assert_string_equal(SET(OWNER("<configure node='own'>" FORM(
	                        FIELD("title", "new") FIELD("access_model",
	                            "bogus")) "</configure>")),
	    refused);
	assert_null(strstr(GET(OWNER("<configure node='own'/>")), "new"));
	assert_result(SET(OWNER("<configure node='own'>" FORM(
	    "<field var='x'><value>y</value></field>") "</configure>")));
	assert_string_equal(SET(OWNER("<configure node='own'/>")),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(
	    SET(OWNER("<configure node='own'><x xmlns='jabber:x:data' "
	              "type='submit'><field var='FORM_TYPE'><value>other"
	              "</value></field></x></configure>")),
	    ERROR_OF("modify", "bad-request", ""));
	assert_result(
	    SET(OWNER("<configure node='own'><x xmlns='jabber:x:data' "
	              "type='cancel'/></configure>")));
}

TEST(tells_the_default_configuration)
{
	assert_has(GET(OWNER("<default/>")),
	    "<pubsub xmlns='" PUBSUB "#owner'><default><x xmlns='jabber:x:data'"
	    " type='form'>");
	conf->classes[0].publish = ACCESS_ANYONE;
	assert_has(GET(OWNER("<default/>")),
	    "label='Who may publish'><value>open</value>");
}

TEST(c5_10_describes_a_node_to_everybody)
{
	const char *info;

	SET(CONFIGURE("title", "News &lt;here>"));
	info = other("get", "<query xmlns='" INFO "' node='own'/>");
	assert_has(info,
	    "<identity category='pubsub' type='leaf' name='News &lt;here&gt;'/>");
	assert_has(info,
	    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' "
	    "type='hidden'><value>" PUBSUB "#meta-data</value></field>"
	    "<field var='pubsub#title' label='Title'><value>News &lt;here&gt;"
	    "</value></field>");
	assert_has(info, "<value>user@example.com</value>");
}

/* ---- roles ----------------------------------------------------------- */

TEST(lists_affiliations_of_the_asker_and_of_a_node)
{
	SET(VERB("<create node='a'/>"));
	SET(AFFILIATE(OTHER, "publisher"));
	assert_string_equal(GET(VERB("<affiliations/>")),
	    RESULT(VERB("<affiliations><affiliation node='a' "
	                "affiliation='owner'/><affiliation node='own' "
	                "affiliation='owner'/></affiliations>")));
	assert_string_equal(GET(OWNER("<affiliations node='own'/>")),
	    RESULT(OWNER("<affiliations node='own'><affiliation "
	                 "jid='user@example.com' affiliation='owner'/>"
	                 "<affiliation jid='other@example.net' "
	                 "affiliation='publisher'/></affiliations>")));
	assert_has(other("get", VERB("<affiliations/>")),
	    "<affiliations><affiliation node='own' affiliation='publisher'/>"
	    "</affiliations>");
	assert_has(other("get", VERB("<affiliations node='a'/>")),
	    "<affiliations node='a'></affiliations>");
	assert_has(other("get", OWNER("<affiliations node='own'/>")),
	    FORBIDDEN);
	assert_has(other("set", AFFILIATE(OTHER, "owner")), FORBIDDEN);
}

TEST(keeps_an_owner_and_a_limit)
{
	assert_string_equal(SET(AFFILIATE("user@example.com", "none")),
	    ERROR_OF("modify", "not-acceptable", ""));
	assert_string_equal(SET(AFFILIATE("user@example.com", "king")),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(SET(AFFILIATE("@", "owner")),
	    ERROR_OF("modify", "bad-request", ""));
	assert_result(SET(AFFILIATE(OTHER, "owner")));
	assert_result(SET(AFFILIATE("user@example.com", "none")));
	assert_has(SET(AFFILIATE("user@example.com", "owner")), "forbidden");
	conf->control.affiliations_max = 1;
	assert_has(other("set", AFFILIATE("a@b", "member")),
	    "policy-violation");
}

TEST(c6_2_shuts_an_outcast_out)
{
	assert_result(
	    SET(OWNER("<subscriptions node='own'><subscription jid='" OTHER
	              "' subscription='subscribed'/></subscriptions>")));
	SET(AFFILIATE("other@example.net", "outcast"));
	assert_has(peer.told.data, "subscription='none'");
	assert_has(GET(OWNER("<subscriptions node='own'/>")),
	    "<subscriptions node='own'></subscriptions>");
	assert_has(other("set", SUBSCRIBE("other@example.net")), FORBIDDEN);
	assert_has(other("get", VERB("<items node='own'/>")), FORBIDDEN);
	assert_has(other("set", PUBLISH(ITEM)), FORBIDDEN);
	assert_null(strstr(other("get", "<query xmlns='" ITEMS "'/>"), "own"));
}

/* ---- publishing ------------------------------------------------------ */

TEST(c6_11_lets_those_publish_whom_the_node_names)
{
	assert_result(SET(PUBLISH(ITEM)));
	peer.publisher = true;
	assert_has(other("set", PUBLISH(ITEM)), FORBIDDEN);
	peer.publisher = false;
	SET(AFFILIATE(OTHER, "publisher"));
	assert_result(other("set", PUBLISH(ITEM)));
	assert_result(
	    other("set", VERB("<retract node='own'><item id='1'/></retract>")));
	assert_has(other("set", OWNER("<purge node='own'/>")), FORBIDDEN);
	assert_has(other("set", OWNER("<delete node='own'/>")), FORBIDDEN);
	SET(AFFILIATE(OTHER, "member"));
	assert_has(other("set", PUBLISH(ITEM)), FORBIDDEN);
	SET(CONFIGURE("publish_model", "subscribers"));
	assert_has(other("set", PUBLISH(ITEM)), FORBIDDEN);
	other("set", SUBSCRIBE("other@example.net"));
	assert_result(other("set", PUBLISH(ITEM)));
	SET(CONFIGURE("publish_model", "open"));
	other("set", VERB("<unsubscribe node='own' jid='other@example.net'/>"));
	assert_result(other("set", PUBLISH(ITEM)));
	assert_has(other("set",
	               VERB("<retract node='own'><item id='1'/></retract>")),
	    FORBIDDEN);
}

TEST(takes_a_grant_for_a_publishers_role)
{
	conf->classes[0].publish = ACCESS_TOKEN;
	peer.publisher = true;
	assert_result(other("set", PUBLISH(ITEM)));
	SET(AFFILIATE(OTHER, "outcast"));
	assert_has(other("set", PUBLISH(ITEM)), FORBIDDEN);
}

TEST(makes_a_node_of_a_creators_first_publish)
{
	assert_result(SET(VERB("<publish node='new'>" ITEM "</publish>"
	                       "<publish-options>" FORM(FIELD("access_model",
	                           "whitelist")) "</publish-options>")));
	assert_has(GET(OWNER("<configure node='new'/>")),
	    "label='Who may subscribe'><value>whitelist</value>");
	assert_has(GET(VERB("<affiliations node='new'/>")), "owner");
}

TEST(makes_nobody_an_owner_who_may_publish_anyway)
{
	peer.publisher = true;
	assert_result(SET(VERB("<publish node='new'>" ITEM "</publish>")));
	assert_string_equal(GET(OWNER("<configure node='new'/>")),
	    ERROR_OF("auth", "forbidden", ""));
	assert_result(
	    other("set", VERB("<publish node='new'>" ITEM "</publish>")));
	assert_result(SET(VERB("<publish node='newer'>" ITEM "</publish>"
	                       "<publish-options>" FORM(
	                           FIELD("title", "T")) "</publish-options>")));
	assert_has(GET(OWNER("<configure node='newer'/>")), "<value>T</value>");
}

static const char *
publish_with(const char *fields)
{
	const char *answer;
	struct buf body;

	buf_init(&body, 0);
	buf_addf(&body,
	    "<pubsub xmlns='" PUBSUB "'><publish node='own'>" ITEM
	    "</publish><publish-options>%s</publish-options></pubsub>",
	    fields);
	answer = SET(body.data);
	buf_clear(&body);
	return answer;
}

TEST(publishes_only_to_a_node_that_is_as_the_options_say)
{
	assert_result(publish_with(FORM(FIELD("access_model", "open")
	        FIELD("persist_items", "true") FIELD("max_items", "max"))));
	assert_string_equal(publish_with(
	                        FORM(FIELD("access_model", "whitelist"))),
	    ERROR_OF("cancel", "conflict", DETAIL("precondition-not-met")));
	assert_string_equal(publish_with(FORM(FIELD("bogus", "1"))),
	    ERROR_OF("modify", "not-acceptable", ""));
	assert_string_equal(publish_with(""),
	    ERROR_OF("modify", "bad-request", ""));
}

TEST(holds_payloads_to_the_namespace_of_the_node)
{
	SET(CONFIGURE("type", "v"));
	assert_string_equal(SET(PUBLISH(ITEM)), REFUSED("invalid-payload"));
	assert_result(SET(PUBLISH("<item><b xmlns='v'/></item>")));
}

/* ---- access models --------------------------------------------------- */

TEST(c6_2_closes_a_whitelist_to_all_but_its_members)
{
	SET(PUBLISH(ITEM));
	SET(CONFIGURE("access_model", "whitelist"));
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	    "<closed-node");
	assert_has(other("get", VERB("<items node='own'/>")), "<closed-node");
	assert_null(strstr(other("get", "<query xmlns='" ITEMS "'/>"), "own"));
	assert_has(GET("<query xmlns='" ITEMS "'/>"), "node='own'");
	SET(AFFILIATE(OTHER, "member"));
	assert_result(other("set", SUBSCRIBE("other@example.net")));
	assert_has(other("get", VERB("<items node='own'/>")), "<item id='1'>");
}

TEST(lets_a_member_in_where_the_class_does_not)
{
	peer.closed = true;
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<closed-node");
	SET(AFFILIATE(OTHER, "member"));
	assert_result(other("set", SUBSCRIBE("other@example.net")));
}

TEST(asks_for_presence_where_the_node_wants_it)
{
	SET(CONFIGURE("access_model", "presence"));
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	    "<presence-subscription-required");
	assert_has(other("get", VERB("<items node='own'/>")),
	    "<presence-subscription-required");
	asker = OTHER;
	assert_has(ask("own@" DOMAIN, "<presence type='subscribe'/>"),
	    "type='subscribed'");
	assert_result(other("get", VERB("<items node='own'/>")));
	assert_result(other("set", SUBSCRIBE(OTHER)));
}

static const char *
decide(const char *allow)
{
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text,
	    "<message><x xmlns='jabber:x:data' type='submit'><field "
	    "var='FORM_TYPE'><value>" PUBSUB
	    "#subscribe_authorization</value></field>" FIELD("node", "own")
	        FIELD("subscriber_jid", "other@example.net")
	            FIELD("allow", "%s") "</x></message>",
	    allow);
	assert_true(give(DOMAIN, text.data));
	while (peer.refs > 0)
		loop_turn(loop, true);
	buf_clear(&text);
	return peer.told.data;
}

TEST(c6_2_has_owners_approve_where_the_node_wants_it)
{
	const char *told;

	SET(CONFIGURE("access_model", "authorize"));
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<subscription node='own' jid='other@example.net' "
	    "subscription='pending'/>");
	told = peer.told.data;
	assert_has(told, "to='user@example.com'");
	assert_int_equal(count_of(told, "<message "), 1);
	assert_has(told, "<value>" PUBSUB "#subscribe_authorization</value>");
	assert_has(told,
	    "<field var='pubsub#subscriber_jid' type='jid-single' "
	    "label='Subscriber'><value>other@example.net</value></field>");
	assert_has(other("get", VERB("<items node='own'/>")),
	    "<not-subscribed");
	assert_has(GET(OWNER("<subscriptions node='own'/>")),
	    "<subscription jid='other@example.net' subscription='pending'/>");
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	    "<pending-subscription");
	assert_int_equal(peer.told.len, 0);
	asker = OTHER;
	decide("true");
	assert_int_equal(peer.told.len, 0);
	asker = ASKER;
	assert_has(decide("true"), "to='other@example.net'");
	assert_has(peer.told.data,
	    "<event xmlns='" PUBSUB "#event'><subscription node='own' "
	    "jid='other@example.net' subscription='subscribed'/></event>");
	assert_has(GET(OWNER("<subscriptions node='own'/>")),
	    "<subscription jid='other@example.net' "
	    "subscription='subscribed'/>");
	assert_int_equal(peer.told.len, 0);
	decide("false");
	assert_has(GET(OWNER("<subscriptions node='own'/>")), "subscribed'");
}

TEST(refuses_who_will_not_be_there_to_be_approved)
{
	SET(CONFIGURE("access_model", "authorize"));
	peer.passing = true;
	assert_has(other("set", SUBSCRIBE("other@example.net")),
	    "<closed-node");
	peer.passing = false;
	other("set", SUBSCRIBE("other@example.net"));
	decide("false");
	assert_has(peer.told.data, "subscription='none'");
	assert_has(GET(OWNER("<subscriptions node='own'/>")),
	    "<subscriptions node='own'></subscriptions>");
}

/* ---- subscribers ----------------------------------------------------- */

TEST(c6_5_tells_whom_the_owner_subscribes_and_unsubscribes)
{
	assert_string_equal(
	    SET(OWNER("<subscriptions node='own'><subscription jid='a@b' "
	              "subscription='subscribed'/><subscription jid='c@d/e' "
	              "subscription='subscribed'/></subscriptions>")),
	    HEAD("result") "/>");
	assert_int_equal(count_of(peer.told.data, "<message "), 2);
	assert_has(GET(OWNER("<subscriptions node='own'/>")),
	    "<subscription jid='a@b' subscription='subscribed'/>"
	    "<subscription jid='c@d/e' subscription='subscribed'/>");
	SET(OWNER("<subscriptions node='own'><subscription jid='a@b' "
	          "subscription='none'/><subscription jid='never@b' "
	          "subscription='none'/></subscriptions>"));
	assert_int_equal(count_of(peer.told.data, "<message "), 1);
	assert_null(strstr(GET(OWNER("<subscriptions node='own'/>")), "a@b"));
	assert_has(SET(OWNER(
	               "<subscriptions node='own'><subscription jid='a@b' "
	               "subscription='unconfigured'/></subscriptions>")),
	    "feature-not-implemented");
	assert_has(other("get", OWNER("<subscriptions node='own'/>")),
	    FORBIDDEN);
}

TEST(c5_12_pages_through_the_subscribers)
{
	static const char set[] = "http://jabber.org/protocol/rsm";
	const char *answer;
	char request[400], after[32];

	SET(OWNER("<subscriptions node='own'><subscription jid='a@b' "
	          "subscription='subscribed'/><subscription jid='b@b' "
	          "subscription='subscribed'/><subscription jid='c@b' "
	          "subscription='subscribed'/></subscriptions>"));
	snprintf(request, sizeof request,
	    OWNER("<subscriptions node='own'/><set xmlns='%s'><max>2</max>"
	          "</set>"),
	    set);
	answer = GET(request);
	assert_int_equal(count_of(answer, "<subscription "), 2);
	snprintf(after, sizeof after, "%.*s",
	    (int)strcspn(strstr(answer, "<last>") + 6, "<"),
	    strstr(answer, "<last>") + 6);
	snprintf(request, sizeof request,
	    OWNER("<subscriptions node='own'/><set xmlns='%s'><max>2</max>"
	          "<after>%s</after></set>"),
	    set, after);
	answer = GET(request);
	assert_int_equal(count_of(answer, "<subscription "), 1);
	assert_has(answer, "jid='c@b'");
}

TEST(sends_the_last_item_to_a_new_subscriber_where_the_node_says_so)
{
	SET(PUBLISH(ITEM));
	SET(PUBLISH("<item id='2'><b xmlns='u'/></item>"));
	other("set", SUBSCRIBE("other@example.net"));
	assert_int_equal(peer.told.len, 0);
	other("set", VERB("<unsubscribe node='own' jid='other@example.net'/>"));
	SET(CONFIGURE("send_last_published_item", "on_sub"));
	other("set", SUBSCRIBE("other@example.net"));
	assert_has(peer.told.data, "to='other@example.net'");
	assert_has(peer.told.data,
	    "<event xmlns='" PUBSUB "#event'><items node='own'><item id='2'>"
	    "<b xmlns='u'/></item></items></event><delay xmlns='urn:xmpp:delay'"
	    " from='" DOMAIN "'"
	    " stamp='2");
	other("set", SUBSCRIBE("other@example.net"));
	assert_int_equal(peer.told.len, 0);
}

#undef RULE
#define RULE(rule) \
	cmocka_unit_test_setup_teardown(rule, set_up_creator, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c5_2_creates_a_node_once_for_who_may),
		RULE(creates_an_instant_node_with_a_name_of_its_own),
		RULE(creates_a_node_configured_or_not_at_all),
		RULE(
		    c5_11_shows_and_changes_the_configuration_to_the_owner_alone),
		RULE(c5_11_refuses_what_cannot_be_and_changes_nothing),
		RULE(tells_the_default_configuration),
		RULE(c5_10_describes_a_node_to_everybody),
		RULE(lists_affiliations_of_the_asker_and_of_a_node),
		RULE(keeps_an_owner_and_a_limit),
		RULE(c6_2_shuts_an_outcast_out),
		RULE(c6_11_lets_those_publish_whom_the_node_names),
		RULE(takes_a_grant_for_a_publishers_role),
		RULE(makes_a_node_of_a_creators_first_publish),
		RULE(makes_nobody_an_owner_who_may_publish_anyway),
		RULE(publishes_only_to_a_node_that_is_as_the_options_say),
		RULE(holds_payloads_to_the_namespace_of_the_node),
		RULE(c6_2_closes_a_whitelist_to_all_but_its_members),
		RULE(lets_a_member_in_where_the_class_does_not),
		RULE(asks_for_presence_where_the_node_wants_it),
		RULE(c6_2_has_owners_approve_where_the_node_wants_it),
		RULE(refuses_who_will_not_be_there_to_be_approved),
		RULE(c6_5_tells_whom_the_owner_subscribes_and_unsubscribes),
		RULE(c5_12_pages_through_the_subscribers),
		RULE(
		    sends_the_last_item_to_a_new_subscriber_where_the_node_says_so),
	};

	return cmocka_run_group_tests_name("service_node", tests, NULL, NULL);
}
