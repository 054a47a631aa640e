/* What a channel shows of its items: taken back, replaced, by pages. */
#include "tests/unit/service_fixture.h"

#define JSON(text)   "<json xmlns='urn:xmpp:json:0'>" text "</json>"
#define ITEM(id)     "<item id='" id "'>" JSON("0") "</item>"
#define ALL          GET(VERB("<items node='own'/>"))
#define SHOWN(items) RESULT(VERB("<items node='own'>" items "</items>"))
#define RETRACT(id)  VERB("<retract node='own'><item id='" id "'/></retract>")
#define SETS         "http://jabber.org/protocol/rsm"
#define PAGE(request) \
	GET(VERB("<items node='own'/><set xmlns='" SETS "'>" request "</set>"))
#define PAGED(items, set)                                                  \
	RESULT(VERB("<items node='own'>" items "</items><set xmlns='" SETS \
	            "'>" set "</set>"))
#define ENDS(first, last) "<first>" first "</first><last>" last "</last>"

static int
set_up_items(void **state)
{
	static const char *const ids[] = { "1", "2", "3", "4" };
	size_t i;

	set_up(state);
	peer.creator = true;
	SET(VERB("<create node='own'/>"));
	for (i = 0; i < ARRAY_LEN(ids); i++)
		publish("own", ids[i], "json-object", "0");
	return 0;
}

/* ---- taking back ----------------------------------------------------- */

TEST(c6_10_shows_an_item_no_more_that_was_retracted)
{
	assert_string_equal(SET(RETRACT("2")), HEAD("result") "/>");
	assert_string_equal(ALL, SHOWN(ITEM("1") ITEM("3") ITEM("4")));
	assert_string_equal(GET(VERB(
	                        "<items node='own'><item id='2'/></items>")),
	    SHOWN(""));
	assert_string_equal(SET(RETRACT("2")),
	    ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(SET(VERB("<retract node='own'/>")),
	    ERROR_OF("modify", "bad-request", DETAIL("item-required")));
	assert_string_equal(SET(VERB("<retract node='own'><item/></retract>")),
	    ERROR_OF("modify", "bad-request", DETAIL("item-required")));
	assert_string_equal(SET(VERB("<retract node='never'><item id='1'/>"
	                             "</retract>")),
	    ERROR_OF("cancel", "item-not-found", ""));
}

TEST(shows_an_item_again_that_was_published_again)
{
	SET(RETRACT("2"));
	SET(VERB("<publish node='own'><item id='2'>" JSON("5") "</item>"
	                                                       "</publish>"));
	assert_non_null(strstr(ALL, "<item id='2'>" JSON("5")));
}

TEST(c6_10_shows_nothing_of_before_a_purge)
{
	assert_string_equal(SET(OWNER("<purge node='own'/>")),
	    HEAD("result") "/>");
	assert_string_equal(ALL, SHOWN(""));
	publish("own", "5", "json-object", "0");
	assert_string_equal(ALL, SHOWN(ITEM("5")));
	assert_string_equal(SET(OWNER("<purge node='never'/>")),
	    ERROR_OF("cancel", "item-not-found", ""));
}

TEST(c6_10_deletes_a_node_with_all_that_was_in_it)
{
	assert_string_equal(SET(OWNER("<delete node='own'/>")),
	    HEAD("result") "/>");
	assert_string_equal(ALL, ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(SET(OWNER("<delete node='own'/>")),
	    ERROR_OF("cancel", "item-not-found", ""));
	SET(VERB("<create node='own'/>"));
	assert_string_equal(ALL, SHOWN(""));
	assert_string_equal(SET(OWNER(
	                        "<delete node='own'><redirect uri='xmpp:a@b'/>"
	                        "</delete>")),
	    ERROR_OF("cancel", "feature-not-implemented", ""));
}

/* Seen by whoever delivers it: the entry itself. */
static void
last_cb(const struct read_result *result, void *arg)
{
	struct buf *out = arg;
	struct slice text;

	if (entry_format(result->entries[0], "pubsub-event", &text))
		buf_add(out, text.p, text.len);
	buf_addc(out, '.');
}

static void
assert_last_change(const char *wanted)
{
	struct buf out;

	buf_init(&out, 0);
	store_read_newest(store, loop, "own", 0, 1, last_cb, &out);
	while (out.len == 0)
		loop_turn(loop, true);
	assert_string_equal(out.data, wanted);
	buf_clear(&out);
}

TEST(c6_10_tells_subscribers_unless_the_node_says_not_to)
{
	SET(RETRACT("1"));
	assert_last_change("{\"retract\":\"1\"}.");
	SET(CONFIGURE("notify_retract", "0"));
	SET(RETRACT("2"));
	assert_last_change("{\"retract\":\"2\",\"silent\":true}.");
	SET(VERB("<retract node='own' notify='1'><item id='3'/></retract>"));
	assert_last_change("{\"retract\":\"3\"}.");
	SET(OWNER("<purge node='own'/>"));
	assert_last_change("{\"purge\":true,\"silent\":true}.");
	SET(CONFIGURE("notify_config", "1"));
	assert_last_change("{\"configuration\":true}.");
}

/* ---- pages ----------------------------------------------------------- */

TEST(c6_7_gives_as_many_of_the_newest_as_asked_for)
{
	SET(VERB("<publish node='own'><item id='2'>" JSON("0") "</item>"
	                                                       "</publish>"));
	publish("own", "x", "http-stream", "{}");
	assert_string_equal(GET(VERB("<items node='own' max_items='3'/>")),
	    SHOWN(ITEM("3") ITEM("4") ITEM("2")));
}

TEST(c5_12_pages_through_the_items_from_the_oldest)
{
	assert_string_equal(PAGE("<max>2</max>"),
	    PAGED(ITEM("1") ITEM("2"),
	        "<first index='0'>1</first><last>2</last><count>4</count>"));
	assert_string_equal(PAGE("<max>2</max><after>2</after>"),
	    PAGED(ITEM("3") ITEM("4"), ENDS("3", "4")));
	assert_string_equal(PAGE("<max>1</max><after>2</after>"),
	    PAGED(ITEM("3"), ENDS("3", "3")));
	assert_string_equal(PAGE("<after>4</after>"), PAGED("", ""));
}

TEST(c5_12_pages_through_the_items_from_the_newest)
{
	assert_string_equal(PAGE("<max>2</max><before/>"),
	    PAGED(ITEM("3") ITEM("4"), ENDS("3", "4")));
	assert_string_equal(PAGE("<max>2</max><before>3</before>"),
	    PAGED(ITEM("1") ITEM("2"), ENDS("1", "2")));
	assert_string_equal(PAGE("<max>9</max><before>3</before>"),
	    PAGED(ITEM("1") ITEM("2"), ENDS("1", "2") "<count>4</count>"));
	assert_string_equal(PAGE("<max>0</max>"),
	    PAGED("", "<count>4</count>"));
}

TEST(c5_12_knows_no_page_beside_an_item_that_is_not_there)
{
	assert_string_equal(PAGE("<after>x</after>"),
	    ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(PAGE("<before>x</before>"),
	    ERROR_OF("cancel", "item-not-found", ""));
	SET(RETRACT("2"));
	assert_string_equal(PAGE("<after>2</after>"),
	    ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(PAGE("<index>2</index>"),
	    ERROR_OF("cancel", "feature-not-implemented", ""));
	assert_string_equal(PAGE("<max>-1</max>"),
	    ERROR_OF("modify", "bad-request", ""));
}

TEST(refuses_a_subscription_id_that_nobody_gave)
{
	assert_string_equal(GET(VERB("<items node='own' subid='1'/>")),
	    ERROR_OF("modify", "not-acceptable", DETAIL("invalid-subid")));
}

TEST(c5_12_pages_alike_however_many_reads_it_takes)
{
	const char *answer;
	char id[16];
	int i;

	conf->classes[0].history_items = 1000;
	for (i = 100; i < 450; i++) {
		snprintf(id, sizeof id, "%d", i);
		publish("own", id, "json-object", "0");
	}
	answer = PAGE("<max>3</max><after>3</after>");
	assert_non_null(strstr(answer, ENDS("4", "101")));
	answer = PAGE("<max>3</max>");
	assert_non_null(strstr(answer, "<last>3</last><count>354</count>"));
	answer = PAGE("<max>3</max><before>102</before>");
	assert_non_null(strstr(answer, ENDS("4", "101")));
}

#undef RULE
#define RULE(rule) \
	cmocka_unit_test_setup_teardown(rule, set_up_items, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c6_10_shows_an_item_no_more_that_was_retracted),
		RULE(shows_an_item_again_that_was_published_again),
		RULE(c6_10_shows_nothing_of_before_a_purge),
		RULE(c6_10_deletes_a_node_with_all_that_was_in_it),
		RULE(c6_10_tells_subscribers_unless_the_node_says_not_to),
		RULE(c6_7_gives_as_many_of_the_newest_as_asked_for),
		RULE(c5_12_pages_through_the_items_from_the_oldest),
		RULE(c5_12_pages_through_the_items_from_the_newest),
		RULE(c5_12_knows_no_page_beside_an_item_that_is_not_there),
		RULE(refuses_a_subscription_id_that_nobody_gave),
		RULE(c5_12_pages_alike_however_many_reads_it_takes),
	};

	return cmocka_run_group_tests_name("service_items", tests, NULL, NULL);
}
