#include "common/store/entry.h"
#include "tests/unit/service_fixture.h"

#define PUBLISH(node, items) \
	SET(VERB("<publish node='" node "'>" items "</publish>"))
#define PUBLISHED(node, id)                                          \
	RESULT(VERB("<publish node='" node "'><item id='" id "'/></" \
	            "publish>"))
#define ATOM(text)      "<entry xmlns='http://www.w3.org/2005/Atom'>" text "</entry>"
#define REFUSED(detail) ERROR_OF("modify", "bad-request", DETAIL(detail))

static void
read_cb(const struct read_result *result, void *arg)
{
	struct buf *out = arg;
	struct slice format, text;
	size_t i, at;

	assert_int_equal(result->err, ERR_OK);
	for (i = 0; i < result->count; i++) {
		buf_addf(out, "[%s", result->entries[i]->id);
		at = 0;
		while (entry_next(result->entries[i], &at, &format, &text))
			buf_addf(out, " %.*s=%.*s", (int)format.len, format.p,
			    (int)text.len, text.p);
		buf_addc(out, ']');
	}
	buf_addc(out, '.');
}

/* What is stored of a channel: "[id format=text]…." */
static void
assert_stored(const char *channel, const char *wanted)
{
	struct buf out;

	buf_init(&out, 0);
	store_read(store, loop, channel, 0, 100, read_cb, &out);
	while (out.len == 0)
		loop_turn(loop, true);
	assert_string_equal(out.data, wanted);
	buf_clear(&out);
}

static int
set_up_publisher(void **state)
{
	set_up(state);
	peer.publisher = true;
	return 0;
}

TEST(c6_11_stores_an_item_and_answers_with_its_id)
{
	assert_string_equal(PUBLISH("a&amp;b",
	                        "<item id='1&lt;'>" ATOM("x") "</item>"),
	    PUBLISHED("a&amp;b", "1&lt;"));
	assert_stored("a&b", "[1< pubsub-item=" ATOM("x") "].");
	assert_string_equal(GET(VERB("<items node='a&amp;b'/>")),
	    RESULT(VERB("<items node='a&amp;b'><item id='1&lt;'>" ATOM(
	        "x") "</item></items>")));
}

TEST(c6_11_makes_an_id_and_knows_the_same_request_again)
{
	assert_string_equal(PUBLISH("n", "<item>" ATOM("x") "</item>"),
	    PUBLISHED("n", "made-0"));
	assert_string_equal(PUBLISH("n", "<item>" ATOM("x") "</item>"),
	    PUBLISHED("n", "made-0"));
	assert_stored("n", "[made-0 pubsub-item=" ATOM("x") "].");
	peer.named = -1;
	PUBLISH("n", "<item>" ATOM("y") "</item>");
	PUBLISH("n", "<item>" ATOM("y") "</item>");
	assert_int_equal(count_of(GET(VERB("<items node='n'/>")), ATOM("y")),
	    2);
}

TEST(c6_11_takes_a_known_id_as_an_update)
{
	PUBLISH("n", "<item id='1'>" ATOM("x") "</item>");
	PUBLISH("n", "<item id='2'>" ATOM("y") "</item>");
	assert_string_equal(PUBLISH("n", "<item id='1'>" ATOM("z") "</item>"),
	    PUBLISHED("n", "1"));
	assert_string_equal(GET(VERB("<items node='n'/>")),
	    RESULT(VERB("<items node='n'><item id='2'>" ATOM(
	        "y") "</item><item id='1'>" ATOM("z") "</item></items>")));
}

TEST(keeps_json_as_a_json_object)
{
	PUBLISH("n",
	    "<item id='1'><json xmlns='urn:xmpp:json:0'> {\"a\" : \"&lt;\"} "
	    "</json></item>");
	assert_stored("n", "[1 json-object={\"a\":\"<\"}].");
	assert_string_equal(PUBLISH("n",
	                        "<item><json xmlns='urn:xmpp:json:0'>{</json>"
	                        "</item>"),
	    REFUSED("invalid-payload"));
	assert_string_equal(PUBLISH("n",
	                        "<item><json xmlns='urn:xmpp:json:0'/></item>"),
	    REFUSED("invalid-payload"));
}

TEST(keeps_what_a_payload_means)
{
	PUBLISH("n",
	    "<item id='1'><p:a xmlns:p='urn:p' xmlns:q='urn:q' "
	    "xml:lang='de' q:b='&lt;'>t<c xmlns=''/></p:a></item>");
	assert_stored("n",
	    "[1 pubsub-item=<a xmlns='urn:p' xml:lang='de' "
	    "xmlns:ns2='urn:q' ns2:b='&lt;'>t<c xmlns=''/></a>].");
	PUBLISH("m", "<item id='1'><bare/></item>");
	assert_stored("m", "[1 pubsub-item=<bare xmlns='" PUBSUB "'/>].");
}

TEST(c6_11_refuses_an_item_that_is_none)
{
	assert_string_equal(PUBLISH("n", ""), REFUSED("item-required"));
	assert_string_equal(PUBLISH("n", "<item/>"),
	    REFUSED("payload-required"));
	assert_string_equal(PUBLISH("n", "<item id='1'>text</item>"),
	    REFUSED("payload-required"));
	assert_string_equal(PUBLISH("n",
	                        "<item><a xmlns='u'/><b xmlns='u'/></item>"),
	    REFUSED("invalid-payload"));
	assert_string_equal(PUBLISH("n", "<item><a xmlns=''/></item>"),
	    REFUSED("invalid-payload"));
	assert_string_equal(PUBLISH("n", "<bogus/>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(PUBLISH("n", "<item id=''><a xmlns='u'/></item>"),
	    ERROR_OF("modify", "bad-request", ""));
	assert_string_equal(SET(VERB("<publish><item/></publish>")),
	    REFUSED("nodeid-required"));
	assert_stored("n", ".");
}

TEST(c6_11_refuses_a_batch_whole)
{
	assert_string_equal(PUBLISH("n",
	                        "<item><a xmlns='u'/></item><item>"
	                        "<b xmlns='u'/></item>"),
	    ERROR_OF("cancel", "not-allowed", DETAIL("max-items-exceeded")));
	assert_stored("n", ".");
}

/* An iq that publishes a payload of so many bytes. */
static const char *
publish_sized(const char *before, size_t len, const char *after)
{
	const char *answer;
	struct buf text;
	char *many = xmalloc(len);

	memset(many, 'x', len);
	buf_init(&text, 0);
	buf_adds(&text,
	    "<pubsub xmlns='" PUBSUB "'><publish node='n'><item id='1'>");
	buf_adds(&text, before);
	buf_add(&text, many, len);
	buf_adds(&text, after);
	buf_adds(&text, "</item></publish></pubsub>");
	answer = SET(text.data);
	buf_clear(&text);
	free(many);
	return answer;
}

TEST(refuses_a_payload_that_is_too_big)
{
	static const char wanted[] =
	    ERROR_OF("modify", "not-acceptable", DETAIL("payload-too-big"));
	size_t max = conf->control.stanza_max;

	assert_string_equal(publish_sized("<a xmlns='u'>", max, "</a>"),
	    wanted);
	assert_string_equal(publish_sized("<a xmlns='u'>",
	                        max - strlen("<a xmlns='u'></a>"), "</a>"),
	    PUBLISHED("n", "1"));
	conf->control.item_max = 1000;
	assert_string_equal(publish_sized("<json xmlns='urn:xmpp:json:0'>\"",
	                        1000, "\"</json>"),
	    wanted);
}

TEST(c6_11_forbids_whom_the_class_does_not_allow)
{
	peer.publisher = false;
	assert_string_equal(PUBLISH("n", "<item id='1'>" ATOM("x") "</item>"),
	    ERROR_OF("auth", "forbidden", ""));
	assert_stored("n", ".");
}

#undef RULE
#define RULE(rule) \
	cmocka_unit_test_setup_teardown(rule, set_up_publisher, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c6_11_stores_an_item_and_answers_with_its_id),
		RULE(c6_11_makes_an_id_and_knows_the_same_request_again),
		RULE(c6_11_takes_a_known_id_as_an_update),
		RULE(keeps_json_as_a_json_object),
		RULE(keeps_what_a_payload_means),
		RULE(c6_11_refuses_an_item_that_is_none),
		RULE(c6_11_refuses_a_batch_whole),
		RULE(refuses_a_payload_that_is_too_big),
		RULE(c6_11_forbids_whom_the_class_does_not_allow),
	};

	return cmocka_run_group_tests_name("service_publish", tests, NULL,
	    NULL);
}
