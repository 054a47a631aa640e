#include "common/xmpp/service.h"

#include "tests/unit/service_fixture.h"

/* ---- the service itself ---------------------------------------------- */

TEST(c5_3_c5_4_answers_ping_and_version)
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

TEST(c5_21_answers_each_request_once_and_nothing_else)
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
	assert_int_equal(peer.answers, 0);
}

TEST(c6_6_refuses_what_it_does_not_know)
{
	assert_string_equal(GET("<query xmlns='jabber:iq:roster'/>"),
	    ERROR_OF("cancel", "service-unavailable", ""));
	assert_string_equal(SET("<query xmlns='" INFO "'/>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(GET("<a/><b/>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(SET(VERB("<options node='n'/>")),
	    UNSUPPORTED("subscription-options"));
	assert_string_equal(GET(VERB("<publish node='n'/>")),
	    ERROR_OF("modify", "bad-request", ""));
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

#define AFFILIATE(word)                                                    \
	OWNER("<affiliations node='own'><affiliation jid='a@example.com' " \
	      "affiliation='" word "'/></affiliations>")

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
	{ "jabber:iq:last", "get", "<query xmlns='jabber:iq:last'/>" },
	{ "vcard-temp", "get", "<vCard xmlns='vcard-temp'/>" },
	{ "http://jabber.org/protocol/commands", "set",
	    "<command xmlns='http://jabber.org/protocol/commands' "
	    "node='waft#list'/>" },
	{ "jabber:x:data", "set",
	    "<command xmlns='http://jabber.org/protocol/commands' "
	    "node='waft#subscribe'/>" },
	/* A rule of delivery, which no request shows. */
	{ "urn:xmpp:sid:0", "get", "<query xmlns='" INFO "'/>" },
	{ "http://jabber.org/protocol/rsm", "get",
	    "<query xmlns='" ITEMS "'><set "
	    "xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>"
	    "</query>" },
	{ "jid\\20escaping", "get", "<ping xmlns='urn:xmpp:ping'/>" },
	{ PUBSUB, "get", VERB("<subscriptions/>") },
	{ PUBSUB "#access-authorize", "set",
	    CONFIGURE("access_model", "authorize") },
	{ PUBSUB "#access-open", "set", CONFIGURE("access_model", "open") },
	{ PUBSUB "#access-presence", "set",
	    CONFIGURE("access_model", "presence") },
	{ PUBSUB "#access-whitelist", "set",
	    CONFIGURE("access_model", "whitelist") },
	{ PUBSUB "#auto-create", "set",
	    VERB("<publish node='new'><item><a xmlns='u'/></item></publish>") },
	{ PUBSUB "#config-node", "get", OWNER("<configure node='own'/>") },
	{ PUBSUB "#create-and-configure", "set",
	    VERB("<create node='two'/><configure/>") },
	{ PUBSUB "#create-nodes", "set", VERB("<create node='three'/>") },
	{ PUBSUB "#delete-items", "set",
	    VERB("<retract node='own'><item id='1'/></retract>") },
	{ PUBSUB "#delete-nodes", "set", OWNER("<delete node='two'/>") },
	{ PUBSUB "#instant-nodes", "set", VERB("<create/>") },
	{ PUBSUB "#item-ids", "set",
	    VERB("<publish node='new'><item id='1'><a xmlns='u'/></item>"
	         "</publish>") },
	{ PUBSUB "#last-published", "set",
	    CONFIGURE("send_last_published_item", "on_sub") },
	{ PUBSUB "#manage-subscriptions", "get",
	    OWNER("<subscriptions node='own'/>") },
	{ PUBSUB "#member-affiliation", "set", AFFILIATE("member") },
	{ PUBSUB "#meta-data", "get", "<query xmlns='" INFO "' node='own'/>" },
	{ PUBSUB "#modify-affiliations", "get",
	    OWNER("<affiliations node='own'/>") },
	{ PUBSUB "#outcast-affiliation", "set", AFFILIATE("outcast") },
	{ PUBSUB "#persistent-items", "get", VERB("<items node='own'/>") },
	{ PUBSUB "#publish", "set",
	    VERB("<publish node='new'><item><a xmlns='u'/></item></publish>") },
	{ PUBSUB "#publish-options", "set",
	    VERB("<publish node='own'><item><a xmlns='u'/></item></publish>"
	         "<publish-options><x xmlns='jabber:x:data' type='submit'/>"
	         "</publish-options>") },
	{ PUBSUB "#publisher-affiliation", "set", AFFILIATE("publisher") },
	{ PUBSUB "#purge-nodes", "set", OWNER("<purge node='own'/>") },
	{ PUBSUB "#retract-items", "set", CONFIGURE("notify_retract", "1") },
	{ PUBSUB "#retrieve-affiliations", "get", VERB("<affiliations/>") },
	{ PUBSUB "#retrieve-default", "get", OWNER("<default/>") },
	{ PUBSUB "#retrieve-items", "get", VERB("<items node='own'/>") },
	{ PUBSUB "#retrieve-subscriptions", "get", VERB("<subscriptions/>") },
	{ PUBSUB "#rsm", "get",
	    VERB("<items node='own'/><set "
	         "xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>") },
	{ PUBSUB "#subscribe", "set",
	    VERB("<subscribe node='n' jid='user@example.com'/>") },
	{ PUBSUB "#subscription-notifications", "set",
	    OWNER("<subscriptions node='own'><subscription jid='b@example.com' "
	          "subscription='subscribed'/></subscriptions>") },
};

TEST(c5_1_lists_exactly_the_features_it_has)
{
	struct xml_error error;
	struct xml *answer;
	const struct xml *child;
	const char *text;
	size_t i, listed = 0;

	peer.publisher = peer.creator = true;
	SET(VERB("<create node='own'/>"));
	publish("own", "1", "json-object", "1");
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

TEST(c5_1_knows_a_channel_by_its_node_and_by_its_address)
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

TEST(c5_1_lists_the_channels_that_the_asker_may_see)
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

TEST(c5_12_pages_through_the_channels)
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c5_3_c5_4_answers_ping_and_version),
		RULE(writes_its_answers_in_the_peers_namespace),
		RULE(c5_21_answers_each_request_once_and_nothing_else),
		RULE(c6_6_refuses_what_it_does_not_know),
		RULE(escapes_what_it_repeats),
		RULE(leaves_nothing_behind_when_it_is_freed_before_the_answer),
		RULE(makes_an_error_of_a_stanza),
		RULE(c5_1_lists_exactly_the_features_it_has),
		RULE(c5_1_knows_a_channel_by_its_node_and_by_its_address),
		RULE(knows_a_channel_that_is_only_listened_to),
		RULE(c5_1_lists_the_channels_that_the_asker_may_see),
		RULE(c5_12_pages_through_the_channels),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
