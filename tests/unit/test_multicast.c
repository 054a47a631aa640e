#include "component/multicast.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define SERVICE "multicast.example.org"
#define INFO    "http://jabber.org/protocol/disco#info"
#define ITEMS   "http://jabber.org/protocol/disco#items"

struct world {
	struct conf_component component;
	struct conf_class class;
	struct conf conf;
	struct barrier barrier;
	struct multicast multicast;
	struct buf out;
	int backs;
	size_t known; /* of those who are suspect */
	size_t suspects;
};

static void
send_cb(void *arg, const char *text, size_t len)
{
	struct world *world = arg;

	buf_add(&world->out, text, len);
}

static size_t
suspect_cb(void *arg, const struct xml *group)
{
	struct world *world = arg;
	const struct xml *node;

	for (node = xml_first(group); node != NULL; node = xml_next(node))
		world->suspects++;
	return world->known;
}

static void
back_cb(void *arg)
{
	struct world *world = arg;

	barrier_void(&world->barrier);
	world->backs++;
}

static void
drop_cb(void *snapshot UNUSED)
{
}

static void
begin(struct world *world, char *named)
{
	static const struct multicast_ops ops = { send_cb, suspect_cb,
		back_cb };
	struct barrier_opts barrier = { "push.example.org", "example.org", 1000,
		4000, 1 << 20, drop_cb };
	struct multicast_opts opts = { &world->component, &world->barrier, &ops,
		world };

	memset(world, 0, sizeof(*world));
	world->known = 1;
	world->component.domain = (char *)"push.example.org";
	world->component.ping = (char *)"example.org";
	world->component.multicast = named;
	world->component.multicast_group = 100;
	world->class.multicast = true;
	world->conf.classes = &world->class;
	world->conf.n_classes = 1;
	buf_init(&world->out, 0);
	barrier_init(&world->barrier, &barrier);
	barrier_reset(&world->barrier, 1, 0);
	multicast_init(&world->multicast, &opts);
	multicast_set_wanted(&world->multicast, &world->conf);
	multicast_up(&world->multicast, 0xabc);
	multicast_tick(&world->multicast, 0);
}

static void
end(struct world *world)
{
	multicast_clear(&world->multicast);
	barrier_clear(&world->barrier);
	buf_clear(&world->out);
}

static bool
hear(struct world *world, const char *text, int64_t now_ms)
{
	const struct xml_limits limits = { 1 << 20, 16, 64, 1000 };
	struct xml_reader *reader = xml_reader_create(&limits);
	struct xml_error error;
	struct xml *root;
	bool heard;

	assert_int_equal(xml_parse(reader, text, strlen(text), false, &root,
	                     &error),
	    ERR_OK);
	heard = multicast_stanza(&world->multicast, root, now_ms);
	xml_free(root);
	xml_reader_free(reader);
	return heard;
}

static void
hear_info(struct world *world, const char *from, const char *form)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "<iq type='result' id='m-00000abc' from='%s' "
	    "to='push.example.org'><query xmlns='" INFO "'>"
	    "<feature var='" MULTICAST_NS "'/>%s</query></iq>",
	    from, form);
	assert_true(hear(world, text, 0));
}

static void
find(struct world *world, const char *form)
{
	begin(world, (char *)(uintptr_t)SERVICE);
	hear_info(world, SERVICE, form);
}

/* A group of so many receivers is refused. */
static void
refuse(struct world *world, const char *condition, int receivers,
    int64_t now_ms)
{
	struct buf text;
	int i;

	buf_init(&text, 0);
	buf_adds(&text,
	    "<message type='error' from='" SERVICE
	    "' to='news@push.example.org'><addresses xmlns='" MULTICAST_NS
	    "'>");
	for (i = 0; i < receivers; i++)
		buf_addf(&text, "<address type='bcc' jid='u%d@example.org'/>",
		    i);
	buf_addf(&text,
	    "</addresses><error type='modify'><%s "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
	    condition);
	assert_true(hear(world, text.data, now_ms));
	buf_clear(&text);
}

/* ---- looking for it -------------------------------------------------- */

#define FORM(type, value)                                                   \
	"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'>"    \
	"<value>" type "</value></field><field var='message'><value>" value \
	"</value></field></x>"

TEST(c5_23_the_servers_items_are_asked_what_they_are)
{
	struct world world;

	begin(&world, NULL);
	assert_string_equal(world.out.data,
	    "<iq type='get' from='push.example.org' to='example.org' "
	    "id='m-00000abc'><query xmlns='" ITEMS "'/></iq>");
	buf_reset(&world.out);
	/* Not of the server: somebody else's answer. */
	assert_true(hear(&world,
	    "<iq type='result' id='m-00000abc' from='eve@example.org/x'>"
	    "<query xmlns='" ITEMS "'><item jid='evil.example'/></query></iq>",
	    0));
	assert_int_equal(world.out.len, 0);
	assert_true(hear(&world,
	    "<iq type='result' id='m-00000abc' from='example.org'>"
	    "<query xmlns='" ITEMS "'><item jid='push.example.org'/>"
	    "<item jid='u@example.org'/><item/><item jid='muc.example.org'/>"
	    "<item jid='" SERVICE "'/></query></iq>",
	    0));
	assert_null(strstr(world.out.data, "to='push.example.org'"));
	assert_null(strstr(world.out.data, "u@example.org"));
	assert_non_null(strstr(world.out.data,
	    "to='muc.example.org' id='m-00000abc'><query xmlns='" INFO "'/>"));
	/* Whoever was not asked, and what is none. */
	hear_info(&world, "evil.example", "");
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	assert_true(hear(&world,
	    "<iq type='error' id='m-00000abc' from='muc.example.org'/>", 0));
	assert_null(multicast_service(&world.multicast));
	hear_info(&world, SERVICE, "");
	assert_string_equal(multicast_service(&world.multicast), SERVICE);
	assert_int_equal(multicast_limit(&world.multicast, 0), MULTICAST_LIMIT);
	end(&world);
}

TEST(c5_23_an_answer_to_nobody_is_not_taken)
{
	struct world world;

	begin(&world, NULL);
	assert_false(hear(&world,
	    "<iq type='result' id='m-00000abd' from='example.org'/>", 0));
	assert_false(hear(&world,
	    "<iq type='get' id='m-00000abc' from='example.org'/>", 0));
	assert_false(hear(&world, "<message from='" SERVICE "'/>", 0));
	assert_false(hear(&world, "<message/>", 0));
	end(&world);
}

TEST(c5_23_takes_the_limit_that_is_stated)
{
	struct world world;

	find(&world, FORM(MULTICAST_NS, "50"));
	assert_int_equal(multicast_limit(&world.multicast, 0), 50);
	end(&world);
	find(&world, FORM(MULTICAST_NS, "5000"));
	assert_int_equal(multicast_limit(&world.multicast, 0), 100);
	end(&world);
	find(&world, FORM(MULTICAST_NS, "unlimited"));
	assert_int_equal(multicast_limit(&world.multicast, 0), 100);
	end(&world);
	find(&world, FORM("urn:other", "50"));
	assert_int_equal(multicast_limit(&world.multicast, 0), MULTICAST_LIMIT);
	end(&world);
	find(&world, FORM(MULTICAST_NS, "0"));
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	end(&world);
}

TEST(c5_23_is_not_looked_for_where_no_class_wants_it)
{
	struct world world;

	begin(&world, NULL);
	world.class.multicast = false;
	multicast_set_wanted(&world.multicast, &world.conf);
	multicast_up(&world.multicast, 0xabd);
	buf_reset(&world.out);
	multicast_tick(&world.multicast, 0);
	assert_int_equal(world.out.len, 0);
	/* Until one does. */
	world.class.multicast = true;
	multicast_set_wanted(&world.multicast, &world.conf);
	multicast_tick(&world.multicast, 0);
	assert_true(world.out.len > 0);
	end(&world);
}

TEST(c5_23_looks_again_after_a_while)
{
	struct world world;

	begin(&world, NULL);
	hear(&world, "<iq type='error' id='m-00000abc' from='example.org'/>",
	    0);
	buf_reset(&world.out);
	multicast_tick(&world.multicast, MULTICAST_OFF_MS - 1);
	assert_int_equal(world.out.len, 0);
	multicast_tick(&world.multicast, MULTICAST_OFF_MS);
	assert_true(world.out.len > 0);
	end(&world);
}

/* ---- what it refuses ------------------------------------------------- */

TEST(c5_23_groups_become_smaller_when_they_are_too_large)
{
	struct world world;

	find(&world, FORM(MULTICAST_NS, "100"));
	barrier_sent_copies(&world.barrier, 100, 10, 0);
	refuse(&world, "not-acceptable", 100, 0);
	assert_int_equal(multicast_limit(&world.multicast, 0), 50);
	assert_int_equal(world.backs, 1);
	/* Others that were on their way say nothing new. */
	refuse(&world, "not-acceptable", 100, 0);
	refuse(&world, "not-acceptable", 90, 0);
	assert_int_equal(multicast_limit(&world.multicast, 0), 50);
	assert_int_equal(world.backs, 1);
	end(&world);
}

TEST(c5_23_a_service_that_takes_not_even_one_is_left_alone)
{
	struct world world;

	find(&world, FORM(MULTICAST_NS, "2"));
	refuse(&world, "not-acceptable", 2, 0);
	assert_int_equal(multicast_limit(&world.multicast, 0), 1);
	refuse(&world, "not-acceptable", 1, 10);
	assert_int_equal(multicast_limit(&world.multicast, 10), 0);
	assert_int_equal(world.backs, 2);
	assert_int_equal(multicast_limit(&world.multicast,
	                     10 + MULTICAST_OFF_MS),
	    1);
	end(&world);
}

TEST(c5_23_those_of_a_malformed_group_are_suspect)
{
	struct world world;

	find(&world, "");
	barrier_sent_copies(&world.barrier, 9, 10, 0);
	refuse(&world, "bad-request", 9, 0);
	assert_int_equal(world.suspects, 9);
	assert_int_equal(world.backs, 1);
	assert_int_equal(multicast_limit(&world.multicast, 0), MULTICAST_LIMIT);
	/* Nobody it knows: it would be refused for ever. */
	world.known = 0;
	refuse(&world, "bad-request", 3, 0);
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	end(&world);
}

TEST(c5_23_anything_else_leaves_it_alone)
{
	static const char *const conditions[] = { "forbidden",
		"remote-server-not-found", "service-unavailable",
		"internal-server-error" };
	struct world world;
	size_t i;

	for (i = 0; i < ARRAY_LEN(conditions); i++) {
		find(&world, "");
		barrier_sent_copies(&world.barrier, 9, 10, 0);
		refuse(&world, conditions[i], 9, 5);
		assert_int_equal(multicast_limit(&world.multicast, 5), 0);
		refuse(&world, conditions[i], 9, 5);
		assert_int_equal(world.backs, 1);
		end(&world);
	}
}

TEST(c5_23_a_ping_that_finds_nobody_says_that_it_is_gone)
{
	static const char answer[] =
	    "<iq type='error' from='" SERVICE "' id='b-00000001-1'>"
	    "<error><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	    "</error></iq>";
	struct world world;
	char text[512];

	find(&world, "");
	barrier_sent_copies(&world.barrier, 9, 10, 0);
	snprintf(text, sizeof(text), answer, "service-unavailable");
	/* An answer to a ping is the caller's all the same. */
	assert_false(hear(&world, text, 0));
	assert_int_equal(world.backs, 0);
	snprintf(text, sizeof(text), answer, "remote-server-not-found");
	assert_false(hear(&world, text, 0));
	assert_int_equal(world.backs, 1);
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	end(&world);
}

TEST(c5_23_a_silent_service_is_left_alone)
{
	struct world world;
	struct buf out;

	find(&world, "");
	buf_init(&out, 0);
	barrier_sent_copies(&world.barrier, 9, 10, 0);
	barrier_put(&world.barrier, NULL, 0, &out);
	multicast_tick(&world.multicast, BARRIER_COPIES_MS - 1);
	assert_int_equal(world.backs, 0);
	multicast_tick(&world.multicast, BARRIER_COPIES_MS);
	assert_int_equal(world.backs, 1);
	assert_int_equal(multicast_limit(&world.multicast, BARRIER_COPIES_MS),
	    0);
	assert_true(barrier_is_clean(&world.barrier));
	buf_clear(&out);
	end(&world);
}

TEST(c5_23_a_link_that_ended_over_a_group_makes_them_smaller)
{
	struct world world;

	find(&world, FORM(MULTICAST_NS, "100"));
	multicast_down(&world.multicast, true, 0);
	assert_int_equal(world.multicast.cap, 100);
	end(&world);
	find(&world, FORM(MULTICAST_NS, "100"));
	barrier_sent_copies(&world.barrier, 100, 10, 0);
	multicast_down(&world.multicast, true, 0);
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	barrier_reset(&world.barrier, 2, 0);
	multicast_up(&world.multicast, 0xabc);
	multicast_tick(&world.multicast, 0);
	hear_info(&world, SERVICE, FORM(MULTICAST_NS, "100"));
	assert_int_equal(multicast_limit(&world.multicast, 0), 50);
	multicast_set_careful(&world.multicast, true);
	assert_int_equal(multicast_limit(&world.multicast, 0), 0);
	end(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    c5_23_the_servers_items_are_asked_what_they_are),
		cmocka_unit_test(c5_23_an_answer_to_nobody_is_not_taken),
		cmocka_unit_test(c5_23_takes_the_limit_that_is_stated),
		cmocka_unit_test(
		    c5_23_is_not_looked_for_where_no_class_wants_it),
		cmocka_unit_test(c5_23_looks_again_after_a_while),
		cmocka_unit_test(
		    c5_23_groups_become_smaller_when_they_are_too_large),
		cmocka_unit_test(
		    c5_23_a_service_that_takes_not_even_one_is_left_alone),
		cmocka_unit_test(c5_23_those_of_a_malformed_group_are_suspect),
		cmocka_unit_test(c5_23_anything_else_leaves_it_alone),
		cmocka_unit_test(
		    c5_23_a_ping_that_finds_nobody_says_that_it_is_gone),
		cmocka_unit_test(c5_23_a_silent_service_is_left_alone),
		cmocka_unit_test(
		    c5_23_a_link_that_ended_over_a_group_makes_them_smaller),
	};

	return cmocka_run_group_tests_name("multicast", tests, NULL, NULL);
}
