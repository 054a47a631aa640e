#include "common/base/mem.h"
#include "common/xmpp/stamp.h"
#include "tests/unit/stanza_check.h"
#include "tests/unit/unit.h"

#define CLIENT " xmlns='jabber:client'"

static const struct xml_limits limits = { 4096, 8, 32, 64 };
static const struct xml_limits wide = { 1 << 20, 16, 64, 1024 };
static struct xml_reader *reader;
static struct xml_reader *checker;

static int
open_readers(void **state UNUSED)
{
	reader = xml_reader_create(&limits);
	checker = xml_reader_create(&wide);
	return 0;
}

static int
close_readers(void **state UNUSED)
{
	xml_reader_free(reader);
	xml_reader_free(checker);
	return 0;
}

static struct stanza *
parse(const char *text)
{
	struct xml_error error = { 0 };
	struct stanza *stanza;

	if (stanza_parse(reader, text, strlen(text), &stanza, &error) != ERR_OK)
		fail_msg("%s: %s at %d:%d", text, error.why, error.line,
		    error.column);
	return stanza;
}

static void
assert_written(const struct stanza *stanza, enum stanza_form form,
    const struct stanza_fill *fill, const char *wanted)
{
	struct buf out;

	buf_init(&out, 0);
	stanza_write(stanza, form, fill, &out);
	assert_string_equal(out.data, wanted);
	assert_int_equal(out.len, strlen(wanted));
	buf_clear(&out);
}

/* Both forms of text, for a receiver `a`, with nothing else filled in. */
static void
assert_forms(const char *text, const char *link, const char *bosh)
{
	const struct stanza_fill fill = { .to = "a", .to_len = 1 };
	struct stanza *stanza = parse(text);

	assert_written(stanza, STANZA_LINK, &fill, link);
	assert_written(stanza, STANZA_BOSH, &fill, bosh);
	stanza_check(checker, text, strlen(text), stanza);
	stanza_free(stanza);
}

static void
assert_refused(const char *text, size_t len, enum err err, int line, int column)
{
	struct xml_error error = { 0 };
	struct stanza *stanza;

	if (stanza_parse(reader, text, len, &stanza, &error) != err)
		fail_msg("%s: %s", text, error.why);
	assert_int_equal(error.err, err);
	assert_non_null(error.why);
	assert_null(stanza);
	if (error.line != line || error.column != column)
		fail_msg("%s: %s at %d:%d", text, error.why, error.line,
		    error.column);
}

static void
refuses(const char *text, int line, int column)
{
	assert_refused(text, strlen(text), ERR_BAD, line, column);
}

TEST(puts_a_stanza_without_namespace_into_the_stream)
{
	assert_forms("<message><body>hi</body></message>",
	    "<message to='a'><body>hi</body></message>",
	    "<message" CLIENT " to='a'><body>hi</body></message>");
	assert_forms("<presence/>", "<presence to='a'/>",
	    "<presence" CLIENT " to='a'/>");
	assert_forms(" \n<presence \n/>\n", "<presence to='a'/>",
	    "<presence" CLIENT " to='a'/>");
	assert_forms("<iq id='i' type='get'><q xmlns='u'/></iq>",
	    "<iq type='get' to='a' id='i'><q xmlns='u'/></iq>",
	    "<iq" CLIENT " type='get' to='a' id='i'><q xmlns='u'/></iq>");
}

TEST(c3_3_c3_4_takes_the_namespace_off_the_stanza_and_its_own_children)
{
	assert_forms("<message" CLIENT "><body>hi</body></message>",
	    "<message to='a'><body>hi</body></message>",
	    "<message" CLIENT " to='a'><body>hi</body></message>");
	assert_forms("<message type='chat' xmlns = \"jabber:client\" ><body"
	             " a='1'\n xmlns=\"jabber:client\" b='2'>hi</body>"
	             "<thread xmlns='jabber:client'/></message>",
	    "<message type='chat' to='a'><body a='1' b='2'>hi</body>"
	    "<thread/></message>",
	    "<message" CLIENT " type='chat' to='a'><body a='1'\n"
	    " xmlns=\"jabber:client\" b='2'>hi</body>"
	    "<thread xmlns='jabber:client'/></message>");
}

TEST(c3_4_keeps_the_namespace_inside_foreign_elements)
{
	static const char inner[] =
	    "<forwarded xmlns='urn:xmpp:forward:0'><message" CLIENT
	    "><body" CLIENT ">x</body></message></forwarded></message>";
	struct buf text, link, bosh;

	buf_init(&text, 0);
	buf_init(&link, 0);
	buf_init(&bosh, 0);
	buf_addf(&text, "<message" CLIENT ">%s", inner);
	buf_addf(&link, "<message to='a'>%s", inner);
	buf_addf(&bosh, "<message" CLIENT " to='a'>%s", inner);
	assert_forms(text.data, link.data, bosh.data);
	buf_clear(&text);
	buf_clear(&link);
	buf_clear(&bosh);
}

TEST(declares_what_a_foreign_element_let_through)
{
	assert_forms(
	    "<message><x:w xmlns:x='u'><b><c/></b><b/></x:w></message>",
	    "<message to='a'><x:w xmlns:x='u'><b" CLIENT "><c/></b><b" CLIENT
	    "/></x:w></message>",
	    "<message" CLIENT " to='a'><x:w xmlns:x='u'><b><c/></b><b/></x:w>"
	    "</message>");
	assert_forms("<message" CLIENT "><x:w xmlns:x='u'" CLIENT
	             "><b/></x:w><b" CLIENT "/></message>",
	    "<message to='a'><x:w xmlns:x='u'" CLIENT "><b/></x:w><b/>"
	    "</message>",
	    "<message" CLIENT " to='a'><x:w xmlns:x='u'" CLIENT
	    "><b/></x:w><b" CLIENT "/></message>");
}

TEST(keeps_a_prefix_of_the_namespace_only_inside_foreign_elements)
{
	assert_forms("<message xmlns:c='jabber:client'><f xmlns='u'>"
	             "<c:message/></f></message>",
	    "<message xmlns:c='jabber:client' to='a'><f xmlns='u'>"
	    "<c:message/></f></message>",
	    "<message" CLIENT " xmlns:c='jabber:client' to='a'><f xmlns='u'>"
	    "<c:message/></f></message>");
	refuses("<message xmlns:c='jabber:client'><c:body/></message>", 1, 34);
}

TEST(keeps_every_other_byte_of_the_publishers)
{
	assert_forms("<message  to='x' xml:lang=\"de\"\txmlns:p='urn:p'\n"
	             "p:to = 'a>b'  type='normal' ><body>&lt;&#x41;"
	             "<![CDATA[<raw/>]]> \r\n</body><p:y p:z=\"'\"  />"
	             "</message >",
	    "<message xml:lang=\"de\" xmlns:p='urn:p' p:to = 'a>b'"
	    " type='normal' to='a'><body>&lt;&#x41;<![CDATA[<raw/>]]>"
	    " \r\n</body><p:y p:z=\"'\"  /></message >",
	    "<message" CLIENT " xml:lang=\"de\" xmlns:p='urn:p' p:to = 'a>b'"
	    " type='normal' to='a'><body>&lt;&#x41;<![CDATA[<raw/>]]>"
	    " \r\n</body><p:y p:z=\"'\"  /></message >");
}

TEST(splices_the_receivers_attributes_over_the_publishers)
{
	struct stanza *stanza = parse("<message to='t' from=\"f'&amp;\" "
	                              "id='&lt;' type='headline'/>");
	const struct stanza_fill none = { 0 };

	assert_int_equal(stanza_kind(stanza), STANZA_MESSAGE);
	assert_string_equal(stanza_from(stanza), "f'&");
	assert_string_equal(stanza_id(stanza), "<");
	assert_string_equal(stanza_type(stanza), "headline");
	assert_true(stanza_size(stanza) > 0);
	assert_written(stanza, STANZA_LINK, &none,
	    "<message type='headline' from='f&apos;&amp;' id='&lt;'/>");
	assert_written(stanza, STANZA_BOSH, &stanza_check_fill,
	    "<message" CLIENT " type='headline' to='a&amp;b@c/d' from='c@d'"
	    " id='e-1'/>");
	stanza_free(stanza);
	stanza = parse("<presence/>");
	assert_null(stanza_from(stanza));
	assert_null(stanza_id(stanza));
	assert_null(stanza_type(stanza));
	assert_int_equal(stanza_kind(stanza), STANZA_PRESENCE);
	stanza_free(stanza);
}

TEST(refuses_what_is_no_stanza)
{
	refuses("", 1, 1);
	refuses("hello", 1, 1);
	refuses("<message>", 1, 10);
	refuses("<message>\n<body></message>", 2, 9);
	refuses("<message><p:x/></message>", 1, 10);
	refuses("<message/><message/>", 1, 11);
	refuses("<a/>", 1, 1);
	refuses("<Message/>", 1, 1);
	refuses("<message xmlns='jabber:server'/>", 1, 1);
	refuses("<message xmlns='jabber:component:accept'/>", 1, 1);
	refuses("<c:message xmlns:c='jabber:client'/>", 1, 1);
	refuses("<message xmlns=''/>", 1, 1);
	refuses("<message>\n <body xmlns=''/></message>", 2, 2);
	refuses("<message" CLIENT "><f xmlns='u'><b xmlns=''/></f></message>",
	    1, 45);
	refuses("<message a='1' a='2'/>", 1, 16);
	refuses("<message>\xff</message>", 1, 10);
	refuses("<message>&nbsp;</message>", 1, 10);
	refuses("<message>&#1;</message>", 1, 10);
	assert_refused("<message>\0</message>", 20, ERR_BAD, 1, 10);
}

TEST(c3_7_c8_4_refuses_what_the_stream_must_not_carry)
{
	refuses("<!DOCTYPE message><message/>", 1, 18);
	refuses("<?xml version='1.0'?><message/>", 1, 1);
	refuses("<message><?php ?></message>", 1, 10);
	refuses("<message/><!-- -->", 1, 11);
	refuses("<message type='error'/>", 1, 1);
	refuses("<presence type='&#101;rror'/>", 1, 1);
	refuses("<message><p xmlns='urn:xmpp:privilege:2'/></message>", 1, 10);
	refuses("<message><p xmlns='urn:xmpp:delegation:1'/></message>", 1, 10);
	refuses("<message><b xmlns='jabber:component:accept'/></message>", 1,
	    10);
}

/* c5_14: presence tells, it does not ask. */
TEST(c3_7_c5_14_refuses_a_presence_that_asks_or_answers)
{
	static const char *const types[] = { "subscribe", "subscribed",
		"unsubscribe", "unsubscribed", "probe", "available", "" };
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(types); i++) {
		snprintf(text, sizeof text, "<presence type='%s'/>", types[i]);
		refuses(text, 1, 1);
	}
	assert_forms("<presence type='unavailable'><status>s</status>"
	             "</presence>",
	    "<presence type='unavailable' to='a'><status>s</status></presence>",
	    "<presence" CLIENT " type='unavailable' to='a'><status>s</status>"
	    "</presence>");
}

TEST(c5_14_refuses_an_iq_that_is_no_request)
{
	refuses("<iq type='get'><q xmlns='u'/></iq>", 1, 1);
	refuses("<iq type='get' id=''><q xmlns='u'/></iq>", 1, 1);
	refuses("<iq id='i'><q xmlns='u'/></iq>", 1, 1);
	refuses("<iq id='i' type='result'/>", 1, 1);
	refuses("<iq id='i' type='set'/>", 1, 24);
	refuses("<iq id='i' type='set'><a/><b/></iq>", 1, 31);
}

TEST(refuses_what_passes_the_limits)
{
	char text[5000] = "<message>";

	refuses("<message><a><a><a><a><a><a><a><a/></a></a></a></a></a></a>"
	        "</a></message>",
	    1, 31);
	memset(text + 9, ' ', sizeof text - 9);
	memcpy(text + sizeof text - 10, "</message>", 10);
	assert_refused(text, sizeof text, ERR_LARGE, 1, 1);
}

TEST(reads_no_byte_past_the_end)
{
	static const char text[] = "<message to='x' xmlns='jabber:client'>"
	                           "<x:w xmlns:x='u'><b/></x:w></message >";
	const size_t whole = sizeof text - 1;
	struct xml_error error;
	struct stanza *stanza;
	char *guarded;
	size_t len;

	for (len = 0; len <= whole; len++) {
		guarded = unit_guard(text, len);
		assert_int_equal(stanza_parse(reader, guarded, len, &stanza,
		                     &error),
		    len == whole ? ERR_OK : ERR_BAD);
		stanza_free(stanza);
		unit_unguard(guarded, len);
	}
}

static bool
is_ours(const struct jid *jid, void *arg)
{
	return jid_domain_is(jid, arg);
}

/* Wanted NULL: nothing is left out. */
static void
strips(const char *text, const char *wanted)
{
	char domain[] = "push.example.org";
	struct buf out;
	bool stripped;

	buf_init(&out, 0);
	stripped =
	    stamp_strip(reader, text, strlen(text), is_ours, domain, &out);
	assert_int_equal(stripped, wanted != NULL);
	if (wanted != NULL)
		assert_string_equal(out.data, wanted);
	else
		assert_int_equal(out.len, 0);
	buf_clear(&out);
}

#define SID   "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by="
#define DELAY "<delay xmlns='urn:xmpp:delay' stamp='s' from="
#define OURS  "'news@PUSH.example.org'"

TEST(c5_16_c5_20_takes_out_what_is_said_in_our_name)
{
	struct stanza *stanza;

	strips("<message>" SID OURS "/><body>hi</body></message>",
	    "<message><body>hi</body></message>");
	strips("<message><body/>" DELAY "'push.example.org'>why<x xmlns='u'/>"
	       "</delay> " SID OURS "/></message>",
	    "<message><body/> </message>");
	strips("<message xmlns:s='urn:xmpp:sid:0'><s:stanza-id by=" OURS
	       " id='1'/></message>",
	    "<message xmlns:s='urn:xmpp:sid:0'></message>");
	/* Others', what is inside something else, what claims nothing. */
	strips("<message>" SID "'news@example.org'/>" DELAY "'example.org'/>"
	       "<delay xmlns='urn:xmpp:delay' stamp='s'/></message>",
	    NULL);
	strips("<message><f xmlns='urn:xmpp:forward:0'><message>" SID OURS
	       "/></message></f></message>",
	    NULL);
	stanza = parse("<message>" SID "'a@b'/></message>");
	assert_true(stanza_is_stamped(stanza));
	stanza_free(stanza);
	stanza = parse("<message><a xmlns='u'>" SID "'a@b'/></a></message>");
	assert_false(stanza_is_stamped(stanza));
	stanza_free(stanza);
}

TEST(c5_16_c5_20_puts_what_we_say_inside)
{
	struct stanza_fill fill = { .to = "a",
		.to_len = 1,
		.inner = "<i/>",
		.inner_len = 4 };
	struct stanza *stanza = parse("<message><body>hi</body></message>");

	assert_written(stanza, STANZA_LINK, &fill,
	    "<message to='a'><i/><body>hi</body></message>");
	stanza_free(stanza);
	stanza = parse("<presence />");
	assert_written(stanza, STANZA_BOSH, &fill,
	    "<presence" CLIENT " to='a'><i/></presence>");
	stanza_free(stanza);
}

TEST(makes_an_event_of_an_item)
{
	static const char tail[] =
	    "><event xmlns='http://jabber.org/protocol/pubsub#event'>"
	    "<items node='a&amp;b'><item id='&apos;1'><p xmlns='u'/></item>"
	    "</items></event></message>";
	struct stanza *stanza = stanza_event("a&b", "'1", "<p xmlns='u'/>", 14);
	const struct stanza_fill fill = { "f", 1, "t", 1, "i", 1, NULL, 0 };
	struct buf wanted;

	assert_int_equal(stanza_kind(stanza), STANZA_MESSAGE);
	assert_null(stanza_from(stanza));
	assert_null(stanza_id(stanza));
	buf_init(&wanted, 0);
	buf_addf(&wanted, "<message to='t' from='f' id='i'%s", tail);
	assert_written(stanza, STANZA_LINK, &fill, wanted.data);
	buf_reset(&wanted);
	buf_addf(&wanted, "<message" CLIENT " to='t' from='f' id='i'%s", tail);
	assert_written(stanza, STANZA_BOSH, &fill, wanted.data);
	buf_clear(&wanted);
	stanza_free(stanza);
	stanza = stanza_event("n", "i", NULL, 0);
	assert_written(stanza, STANZA_LINK, &fill,
	    "<message to='t' from='f' id='i'><event xmlns='http://jabber.org/"
	    "protocol/pubsub#event'><items node='n'><item id='i'></item>"
	    "</items></event></message>");
	stanza_free(stanza);
}

TEST(writes_nothing_past_the_limit)
{
	struct stanza *stanza = parse("<presence/>");
	struct buf out;

	buf_init(&out, 16);
	stanza_write(stanza, STANZA_LINK, &stanza_check_fill, &out);
	assert_true(out.failed);
	assert_int_equal(out.len, 0);
	buf_clear(&out);
	stanza_free(stanza);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    puts_a_stanza_without_namespace_into_the_stream),
		cmocka_unit_test(
		    c3_3_c3_4_takes_the_namespace_off_the_stanza_and_its_own_children),
		cmocka_unit_test(
		    c3_4_keeps_the_namespace_inside_foreign_elements),
		cmocka_unit_test(declares_what_a_foreign_element_let_through),
		cmocka_unit_test(
		    keeps_a_prefix_of_the_namespace_only_inside_foreign_elements),
		cmocka_unit_test(keeps_every_other_byte_of_the_publishers),
		cmocka_unit_test(
		    splices_the_receivers_attributes_over_the_publishers),
		cmocka_unit_test(refuses_what_is_no_stanza),
		cmocka_unit_test(
		    c3_7_c8_4_refuses_what_the_stream_must_not_carry),
		cmocka_unit_test(
		    c3_7_c5_14_refuses_a_presence_that_asks_or_answers),
		cmocka_unit_test(c5_14_refuses_an_iq_that_is_no_request),
		cmocka_unit_test(refuses_what_passes_the_limits),
		cmocka_unit_test(reads_no_byte_past_the_end),
		cmocka_unit_test(
		    c5_16_c5_20_takes_out_what_is_said_in_our_name),
		cmocka_unit_test(c5_16_c5_20_puts_what_we_say_inside),
		cmocka_unit_test(makes_an_event_of_an_item),
		cmocka_unit_test(writes_nothing_past_the_limit),
	};

	return cmocka_run_group_tests_name("stanza", tests, open_readers,
	    close_readers);
}
