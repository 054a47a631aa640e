#include "common/xmpp/adhoc.h"

#include "tests/unit/service_fixture.h"

#define COMMANDS "http://jabber.org/protocol/commands"
#define COMMAND(attrs, inside)                                       \
	"<command xmlns='" COMMANDS "' node='waft#" attrs ">" inside \
	"</command>"
/* The error behind what is repeated of the request. */
#define REFUSED(answer, error)                                      \
	do {                                                        \
		const char *is_answer = (answer);                   \
		if (strncmp(is_answer, HEAD("error") "><command ",  \
		        strlen(HEAD("error") "><command ")) != 0 || \
		    strcmp(strstr(is_answer, "<error "),            \
		        strstr(error, "<error ")) != 0)             \
			fail_msg("no %s in %s", error, is_answer);  \
	} while (0)
#define CMD_ERROR(detail) \
	ERROR_OF("modify", "bad-request", "<" detail " xmlns='" COMMANDS "'/>")
#define EXPIRED                           \
	ERROR_OF("cancel", "not-allowed", \
	    "<session-expired xmlns='" COMMANDS "'/>")
#define VALUE(var, value) \
	"<field var='" var "'><value>" value "</value></field>"

static char session[64];

/* One step of a command; remembers the session.  More: attributes. */
static const char *
step_at(const char *to, const char *node, const char *more, const char *form)
{
	const char *answer, *id;
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text,
	    "<command xmlns='" COMMANDS "' node='waft#%s'%s>%s"
	    "</command>",
	    node, more, form);
	answer = ask_iq(to, "set", text.data);
	buf_clear(&text);
	id = strstr(answer, " sessionid='");
	if (id != NULL)
		snprintf(session, sizeof session, "%.*s",
		    (int)strcspn(id + 12, "'"), id + 12);
	return answer;
}

static const char *
begin(const char *node)
{
	return step_at(DOMAIN, node, "", "");
}

/* Goes on with the session. */
static const char *
next(const char *node, const char *action, const char *form)
{
	char more[128];

	snprintf(more, sizeof more, " sessionid='%s'%s%s%s", session,
	    action == NULL ? "" : " action='", action == NULL ? "" : action,
	    action == NULL ? "" : "'");
	return step_at(DOMAIN, node, more, form);
}

#define HAS(answer, text)                                      \
	do {                                                   \
		const char *has_in = (answer);                 \
		if (strstr(has_in, text) == NULL)              \
			fail_msg("no %s in %s", text, has_in); \
	} while (0)

TEST(c5_6_lists_the_commands_that_are_for_the_asker)
{
	static const char list[] =
	    "<query xmlns='" ITEMS "' node='" COMMANDS "'/>";
	static const char node[] =
	    "<query xmlns='" INFO "' node='waft#publish'/>";
	const char *answer = GET(list);

	HAS(answer, "<item jid='" DOMAIN "' node='waft#list' name='List");
	HAS(answer, "node='waft#subscribe'");
	HAS(answer, "node='waft#subscriptions'");
	assert_null(strstr(answer, "waft#publish"));
	assert_int_equal(count_of(answer, "<item"), 4);
	assert_string_equal(GET(node), ERROR_OF("cancel", "forbidden", ""));
	HAS(GET("<query xmlns='" INFO "' node='waft#list'/>"),
	    "<identity category='automation' type='command-node' "
	    "name='List channels'/><feature var='" COMMANDS "'/>"
	    "<feature var='jabber:x:data'/>");
	HAS(GET("<query xmlns='" INFO "' node='" COMMANDS "'/>"),
	    "category='automation' type='command-list'");
	answer = ask_iq("a@" DOMAIN, "get", list);
	HAS(answer, "<item jid='a@" DOMAIN "' node='waft#subscribe'");
	assert_int_equal(count_of(answer, "<item"), 2);
	peer.operates = true;
	assert_int_equal(count_of(GET(list), "<item"), 7);
	HAS(GET(node), "type='command-node' name='Publish'");
}

TEST(c5_6_is_not_for_those_who_are_no_operators)
{
	static const char *const nodes[] = { "publish", "subscribers",
		"statistics" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(nodes); i++) {
		peer.operates = false;
		REFUSED(begin(nodes[i]), ERROR_OF("cancel", "forbidden", ""));
		peer.operates = true;
		HAS(begin(nodes[i]), "type='result'");
	}
	/* Who is one no longer does not go on. */
	begin("publish");
	peer.operates = false;
	REFUSED(next("publish", NULL, ""), ERROR_OF("cancel", "forbidden", ""));
}

TEST(c5_6_refuses_steps_that_cannot_be)
{
	char wrong[sizeof session];

	assert_string_equal(begin("none"),
	    ERROR_OF("cancel", "item-not-found", ""));
	assert_string_equal(SET("<command xmlns='" COMMANDS "'/>"),
	    ERROR_OF("modify", "bad-request", ""));
	REFUSED(step_at(DOMAIN, "list", " action='jump'", ""),
	    CMD_ERROR("malformed-action"));
	REFUSED(step_at(DOMAIN, "list", " action='complete'", ""),
	    CMD_ERROR("bad-action"));
	REFUSED(step_at(DOMAIN, "list", " sessionid='1-00'", ""),
	    CMD_ERROR("bad-sessionid"));
	REFUSED(step_at(DOMAIN, "subscribe", "",
	            "<x xmlns='jabber:x:data' type='form'/>"),
	    CMD_ERROR("bad-payload"));
	begin("subscribe");
	REFUSED(next("subscribe", "next", ""), CMD_ERROR("bad-action"));
	/* The session is still there. */
	REFUSED(next("subscribe", "complete", ""), CMD_ERROR("bad-payload"));
	REFUSED(next("subscribe", NULL, FORM(VALUE("channel", ""))),
	    CMD_ERROR("bad-payload"));
	REFUSED(next("list", "complete", ""), EXPIRED);
	/* Nobody else goes on with it, and nobody guesses one. */
	asker = "user@example.com/other";
	HAS(next("subscribe", "cancel", ""), "<bad-sessionid");
	asker = ASKER;
	memcpy(wrong, session, sizeof wrong);
	session[strlen(session) - 1] ^= 1;
	REFUSED(next("subscribe", "cancel", ""), CMD_ERROR("bad-sessionid"));
	memcpy(session, wrong, sizeof session);
	HAS(next("subscribe", "cancel", ""), " status='canceled'></command>");
	REFUSED(next("subscribe", "cancel", ""), EXPIRED);
}

TEST(c5_6_a_session_ends_when_it_is_not_used)
{
	begin("subscribe");
	adhoc_sessions_expire(service->sessions,
	    loop_now_ms(loop) + ADHOC_SESSION_MS - 1000);
	HAS(next("subscribe", NULL, ""), "<bad-payload");
	adhoc_sessions_expire(service->sessions,
	    loop_now_ms(loop) + ADHOC_SESSION_MS);
	REFUSED(next("subscribe", NULL, ""), EXPIRED);
}

TEST(c5_6_the_oldest_session_of_a_jid_makes_room)
{
	char first[sizeof session], last[sizeof session];
	int i;

	begin("subscribe");
	memcpy(first, session, sizeof first);
	asker = "other@example.com/r";
	begin("subscribe");
	memcpy(last, session, sizeof last);
	for (i = 0; i < ADHOC_SESSIONS_PER_JID; i++) {
		asker = i % 2 == 0 ? ASKER : "user@example.com/two";
		begin("subscribe");
	}
	asker = ASKER;
	memcpy(session, first, sizeof session);
	REFUSED(next("subscribe", NULL, ""), EXPIRED);
	asker = "other@example.com/r";
	memcpy(session, last, sizeof session);
	HAS(next("subscribe", "cancel", ""), "canceled");
}

TEST(c5_6_c5_12_lists_the_channels_by_pages)
{
	char name[16];
	int i;

	HAS(begin("list"),
	    " status='completed'><x xmlns='jabber:x:data' "
	    "type='result'><title>Channels</title>"
	    "<reported><field var='channel'");
	for (i = 0; i < 2 * ADHOC_PAGE + 5; i++) {
		snprintf(name, sizeof name, "c%03d", i);
		append(ENTRY_CREATE, name, NULL, NULL);
	}
	append(ENTRY_CREATE, "hidden", NULL, NULL);
	HAS(begin("list"),
	    " status='executing'><actions execute='next'><next/>"
	    "<complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), ADHOC_PAGE);
	HAS(peer.sent.data, "<value>c000</value>");
	HAS(peer.sent.data, "<value>c000@" DOMAIN "</value>");
	HAS(next("list", NULL, ""),
	    "<actions execute='next'><prev/><next/><complete/></actions>");
	HAS(peer.sent.data, "<value>c050</value>");
	HAS(next("list", "next", ""),
	    "<actions execute='complete'><prev/><complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), 5);
	HAS(next("list", "prev", ""), "<value>c050</value>");
	HAS(next("list", "prev", ""), "<value>c000</value>");
	REFUSED(next("list", "prev", ""), CMD_ERROR("bad-action"));
	HAS(next("list", "complete", ""), " status='completed'></command>");
	REFUSED(next("list", "next", ""), EXPIRED);
}

TEST(c5_6_c5_11_subscribes_by_a_form_or_at_once)
{
	HAS(begin("subscribe"),
	    " status='executing'><actions execute='complete'><complete/>"
	    "</actions><x xmlns='jabber:x:data' type='form'>");
	HAS(peer.sent.data,
	    "<field var='channel' type='text-single' label='Channel'>"
	    "<required/></field></x>");
	HAS(next("subscribe", "complete", FORM(VALUE("channel", "news"))),
	    " status='completed'><note type='info'>You are subscribed to news"
	    "</note></command>");
	assert_int_equal(peer_find(&peer, "user@example.com", "news"), 0);
	HAS(step_at("a\\20b@" DOMAIN, "subscribe", "", ""),
	    "<note type='info'>You are subscribed to a b</note>");
	HAS(step_at(DOMAIN "/\303\234", "subscribe", "", ""),
	    "subscribed to \303\234</note>");
	HAS(step_at("news@" DOMAIN, "subscribe", "", ""), "already</note>");
	assert_int_equal(peer.n, 3);
	/* With the form in the first step. */
	peer.passing = true;
	HAS(step_at(DOMAIN, "subscribe", "", FORM(VALUE("channel", "x"))),
	    "subscribed to x</note>");
	assert_int_equal(peer_find(&peer, ASKER, "x"), 3);
	peer.closed = true;
	HAS(step_at("y@" DOMAIN, "subscribe", "", ""),
	    " status='completed'><note type='error'>y is not open to you");
}

TEST(c5_11_takes_huge_forms_and_refuses_broken_ones)
{
	static const char *const broken[] = { "<field/>",
		"<field var='channel'/>",
		"<field var='channel'><value/></field>",
		"<field var='channel'><value>a</value><value>b</value></field>",
		"<value>news</value>",
		"<field xmlns='u' var='channel'><value>"
		"news</value></field>",
		"<field var='channel'><value>&#9;</value></field>", "text" };
	struct buf form;
	size_t i;

	for (i = 0; i < ARRAY_LEN(broken); i++) {
		buf_init(&form, 0);
		buf_addf(&form, "<x xmlns='jabber:x:data' type='submit'>%s</x>",
		    broken[i]);
		REFUSED(step_at(DOMAIN, "subscribe", "", form.data),
		    CMD_ERROR("bad-payload"));
		buf_clear(&form);
	}
	buf_init(&form, 0);
	buf_adds(&form, "<x xmlns='jabber:x:data' type='submit'>");
	for (i = 0; i < 1500; i++)
		buf_addf(&form, "<field var='f%zu'><value>x</value></field>",
		    i);
	buf_adds(&form, VALUE("channel", "news") "</x>");
	HAS(step_at(DOMAIN, "subscribe", "", form.data), "subscribed to news");
	buf_clear(&form);
	/* One that is called off counts as one that is sent (§3.5.1). */
	REFUSED(step_at(DOMAIN, "subscribe", "",
	            "<x xmlns='jabber:x:data' type='cancel'/>"),
	    CMD_ERROR("bad-payload"));
}

TEST(c5_6_unsubscribes_what_is_chosen)
{
	struct buf many;
	int i;

	HAS(begin("unsubscribe"), "<note type='info'>You have no subscr");
	HAS(step_at("a@" DOMAIN, "unsubscribe", "", ""),
	    "<note type='error'>You are not subscribed");
	step_at("a@" DOMAIN, "subscribe", "", "");
	step_at("b@" DOMAIN, "subscribe", "", "");
	step_at("c@" DOMAIN, "subscribe", "", "");
	HAS(begin("unsubscribe"),
	    "<option label='b'><value>user@example.com b</value></option>");
	REFUSED(next("unsubscribe", NULL,
	            FORM(VALUE("subscriptions", "other@example.com b"))),
	    CMD_ERROR("bad-payload"));
	/* More than it offered. */
	buf_init(&many, 0);
	buf_adds(&many,
	    "<x xmlns='jabber:x:data' type='submit'>"
	    "<field var='subscriptions'>"
	    "<value>user@example.com b</value>");
	for (i = 0; i < ADHOC_PAGE; i++)
		buf_adds(&many, "<value/>");
	buf_adds(&many, "</field></x>");
	REFUSED(next("unsubscribe", NULL, many.data), CMD_ERROR("bad-payload"));
	buf_clear(&many);
	HAS(next("unsubscribe", "complete",
	        FORM("<field var='subscriptions'><value>user@example.com b"
	             "</value><value>user@example.com a</value></field>")),
	    "<note type='info'>2 subscriptions ended</note>");
	assert_int_equal(peer.n, 1);
	HAS(step_at("c@" DOMAIN, "unsubscribe", "", ""),
	    "1 subscription ended");
	assert_int_equal(peer.n, 0);
}

TEST(c5_6_tells_the_askers_subscriptions)
{
	HAS(begin("subscriptions"), "You have no subscriptions");
	step_at("a@" DOMAIN, "subscribe", "", "");
	HAS(begin("subscriptions"),
	    "<item><field var='channel'><value>a</value></field>"
	    "<field var='jid'><value>user@example.com</value></field>"
	    "<field var='state'><value>subscribed</value></field></item>");
}

TEST(c5_6_c5_12_pages_through_many_subscriptions)
{
	for (; peer.n < ADHOC_PAGE + 2; peer.n++) {
		peer.subs[peer.n][0] = xstrdup("user@example.com");
		peer.subs[peer.n][1] = xasprintf("c%02zu", peer.n);
	}
	HAS(begin("subscriptions"),
	    "<actions execute='next'><next/><complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), ADHOC_PAGE);
	HAS(next("subscriptions", NULL, ""),
	    "<actions execute='complete'><prev/><complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), 2);
	HAS(next("subscriptions", "prev", ""), "<value>c00</value>");
	HAS(next("subscriptions", "complete", ""), "completed'></command>");
	HAS(begin("unsubscribe"),
	    "<actions execute='complete'><next/><complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<option"), ADHOC_PAGE);
	HAS(next("unsubscribe", "next", FORM("")),
	    "<actions execute='complete'><prev/><complete/></actions>");
	HAS(peer.sent.data, "<option label='c51'>");
	HAS(next("unsubscribe", NULL,
	        FORM(VALUE("subscriptions", "user@example.com c51"))),
	    "1 subscription ended");
	assert_int_equal(peer.n, ADHOC_PAGE + 1);
}

TEST(c5_6_an_operator_publishes_text_a_stanza_or_json)
{
	peer.operates = true;
	HAS(begin("publish"), "<option label='JSON'><value>json</value>");
	HAS(next("publish", "complete",
	        FORM(VALUE("channel", "news") VALUE("format", "stanza")
	                VALUE("content",
	                    "&lt;message type=&apos;error&apos;/>"))),
	    " status='executing'><actions execute='complete'><complete/>");
	HAS(peer.sent.data, "<note type='error'>a stanza of type error</note>");
	HAS(peer.sent.data,
	    "<field var='channel' type='text-single' "
	    "label='Channel'><value>news</value>");
	HAS(next("publish", "complete",
	        FORM(VALUE("channel", "news") VALUE("format",
	            "text") "<field var='content'><value>a &lt; b</value>"
	                    "<value>c</value></field>")),
	    "<note type='info'>Published as ");
	HAS(ask_iq(DOMAIN, "get", VERB("<items node='news'/>")),
	    "<body>a &lt; b&#10;c</body>");
	HAS(step_at("news@" DOMAIN, "publish", "",
	        FORM(VALUE("format", "json") VALUE("content", "{"))),
	    "<note type='error'>The content is not JSON</note>");
	HAS(next("publish", "cancel", ""), "<bad-sessionid");
	HAS(step_at("news@" DOMAIN, "publish", "",
	        FORM(VALUE("format", "json") VALUE("content", "{}"))),
	    "Published as ");
	HAS(step_at(DOMAIN, "publish", "", FORM(VALUE("channel", "news"))),
	    "<bad-payload");
}

static void
put_cb(enum err err, const struct subscription *sub UNUSED, bool existed UNUSED,
    void *arg)
{
	assert_int_equal(err, ERR_OK);
	++*(int *)arg;
}

TEST(c5_6_c5_12_an_operator_sees_subscribers_and_numbers)
{
	struct subscription sub = { .owner = DOMAIN, .channel = "news" };
	char address[32];
	int i, done = 0;

	peer.operates = true;
	for (i = 0; i < ADHOC_PAGE + 1; i++) {
		snprintf(address, sizeof address, "u%d@example.com", i);
		sub.address = address;
		store_sub_put(store, loop, &sub, put_cb, &done);
	}
	while (done < ADHOC_PAGE + 1)
		loop_turn(loop, true);
	HAS(begin("subscribers"), "<actions execute='next'><next/></actions>");
	HAS(next("subscribers", NULL, FORM(VALUE("channel", "news"))),
	    "<actions execute='next'><next/><complete/></actions>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), ADHOC_PAGE);
	HAS(next("subscribers", NULL, ""), "<value>u50@example.com</value>");
	assert_int_equal(count_of(peer.sent.data, "<item>"), 1);
	HAS(next("subscribers", "prev", ""), "<value>u0@example.com</value>");
	HAS(next("subscribers", "complete", ""), "completed'></command>");
	HAS(step_at("none@" DOMAIN, "subscribers", "", ""), "completed'><x ");
	HAS(begin("statistics"),
	    "<field var='sent' type='text-single' "
	    "label='Sent'><value>7</value></field></x>");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c5_6_lists_the_commands_that_are_for_the_asker),
		RULE(c5_6_is_not_for_those_who_are_no_operators),
		RULE(c5_6_refuses_steps_that_cannot_be),
		RULE(c5_6_a_session_ends_when_it_is_not_used),
		RULE(c5_6_the_oldest_session_of_a_jid_makes_room),
		RULE(c5_6_c5_12_lists_the_channels_by_pages),
		RULE(c5_6_c5_11_subscribes_by_a_form_or_at_once),
		RULE(c5_11_takes_huge_forms_and_refuses_broken_ones),
		RULE(c5_6_unsubscribes_what_is_chosen),
		RULE(c5_6_tells_the_askers_subscriptions),
		RULE(c5_6_c5_12_pages_through_many_subscriptions),
		RULE(c5_6_an_operator_publishes_text_a_stanza_or_json),
		RULE(c5_6_c5_12_an_operator_sees_subscribers_and_numbers),
	};

	return cmocka_run_group_tests_name("service_adhoc", tests, NULL, NULL);
}
