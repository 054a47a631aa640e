#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bosh/body.h"

#define NS " xmlns='" BODY_NS "'"

static const struct xml_limits limits = { 65536, 64, 64, 1000 };
static struct xml_reader *reader;

/* An exactly sized copy goes first, so that a sanitizer sees a byte too far. */
static enum err
parse(const char *text, struct body *body)
{
	const char *why = NULL;
	size_t len = strlen(text);
	char *copy = malloc(len == 0 ? 1 : len);
	enum err err;

	memcpy(copy, text, len);
	err = body_parse(reader, copy, len, body, &why);
	assert_true(err == ERR_OK || why != NULL);
	if (err == ERR_OK)
		body_clear(body);
	free(copy);
	return body_parse(reader, text, len, body, &why);
}

static void
assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.p, text, slice.len);
}

static void
reads_an_empty_poll_without_a_parser(void **state UNUSED)
{
	struct body body;

	assert_int_equal(parse("<body rid='12' sid='ab01'" NS "/>", &body), 0);
	assert_null(body.root);
	assert_true(body.has_rid);
	assert_int_equal(body.rid, 12);
	assert_slice(body.sid, "ab01");
	assert_false(body.has_payload);
	assert_int_equal(body.pause_s, -1);
	assert_int_equal(parse("<body" NS " sid=\"x\" rid=\"7\"></body>\r\n",
	                     &body),
	    0);
	assert_null(body.root);
	assert_int_equal(body.rid, 7);
}

/* The short way must not take what the parser would refuse or read
 * otherwise. */
static void
leaves_everything_else_to_the_parser(void **state UNUSED)
{
	static const char *const refused[] = {
		"<body rid='1' rid='2' sid='x'" NS "/>",
		"<body rid='1'sid='x'" NS "/>",
		"<body rid='1' sid='x'" NS "/>x",
		"<body rid='1' sid='x'" NS ">",
		"<body rid='1' sid='x' xmlns='other'/>",
		"<body rid='1' sid='x'/>",
		"<body rid='1' sid='<'" NS "/>",
		"<bodyrid='1' sid='x'" NS "/>",
		"",
		"<",
		"<body",
		"<body rid",
		"<body rid='1",
	};
	struct body body;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_int_not_equal(parse(refused[i], &body), ERR_OK);
	assert_int_equal(parse("<body rid='&#49;' sid='x'" NS "/>", &body), 0);
	assert_non_null(body.root);
	assert_int_equal(body.rid, 1);
	body_clear(&body);
}

static void
reads_the_creation_request_of_strophe(void **state UNUSED)
{
	struct body body;

	assert_int_equal(parse("<body rid='3029' xmlns='" BODY_NS
	                       "' to='push.example.org' xml:lang='en' "
	                       "wait='60' hold='1' content='text/xml; "
	                       "charset=utf-8' ver='1.6' xmpp:version='1.0' "
	                       "xmlns:xmpp='urn:xmpp:xbosh'/>",
	                     &body),
	    ERR_OK);
	assert_slice(body.to, "push.example.org");
	assert_slice(body.lang, "en");
	assert_slice(body.content, "text/xml; charset=utf-8");
	assert_null(body.sid.p);
	assert_int_equal(body.wait_s, 60);
	assert_int_equal(body.hold, 1);
	assert_true(body.has_ver);
	assert_int_equal(body.ver_minor, 6);
	assert_false(body.bad);
	body_clear(&body);
}

static void
test_D6_compares_versions_as_two_integers(void **state UNUSED)
{
	struct body body;

	parse("<body ver='1.10'" NS "/>", &body);
	assert_int_equal(body.ver_minor, 10);
	body_clear(&body);
	parse("<body ver='x'" NS "/>", &body);
	assert_false(body.has_ver);
	body_clear(&body);
}

static void
test_C10_finds_restart_by_namespace_not_by_prefix(void **state UNUSED)
{
	struct body body;

	parse("<body rid='1' sid='x' xmlns:q='urn:xmpp:xbosh' q:restart='1'" NS
	      "/>",
	    &body);
	assert_true(body.restart);
	body_clear(&body);
	parse("<body rid='1' sid='x' xmlns:xmpp='other' xmpp:restart='true'" NS
	      "/>",
	    &body);
	assert_false(body.restart);
	body_clear(&body);
}

static void
test_D3_marks_impossible_numbers_and_keeps_the_sid(void **state UNUSED)
{
	static const char *const attrs[] = { "rid='abc'", "rid='0'", "rid='-1'",
		"rid=''", "rid='1' pause='0'", "rid='1' pause='-3'",
		"rid='1' pause='x'", "rid='1' wait='-1'", "rid='1' ack='x'",
		"rid='99999999999999999999999'" };
	struct body body;
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
		snprintf(text, sizeof(text), "<body sid='x' %s" NS "/>",
		    attrs[i]);
		assert_int_equal(parse(text, &body), ERR_OK);
		assert_true(body.bad);
		assert_slice(body.sid, "x");
		body_clear(&body);
	}
}

static void
test_J7_takes_terminal_for_terminate(void **state UNUSED)
{
	struct body body;

	parse("<body rid='1' sid='x' type='terminal'" NS "/>", &body);
	assert_true(body.terminate);
	body_clear(&body);
	parse("<body rid='1' sid='x' type='other'" NS "/>", &body);
	assert_false(body.terminate);
	body_clear(&body);
}

static void
test_C7_reads_payload_without_a_namespace_as_jabber_client(void **state UNUSED)
{
	const struct xml *message;
	struct body body;

	assert_int_equal(
	    parse("<body rid='1' sid='x'" NS "><message to='a@b'><body>hi"
	          "</body><x xmlns='other'><y/></x></message>\n</body>",
	        &body),
	    ERR_OK);
	message = body_first(&body);
	assert_true(xml_is(message, "jabber:client", "message"));
	assert_true(
	    xml_is(xml_child(message, NULL, "body"), "jabber:client", "body"));
	assert_true(
	    xml_is(xml_first(xml_child(message, "other", "x")), "other", "y"));
	assert_true(body.has_payload);
	body_clear(&body);
}

static void
test_C1_C2_C4_C13_refuses_what_bosh_forbids(void **state UNUSED)
{
	static const char *const texts[] = {
		"<other rid='1'" NS "/>",
		"<body rid='1' xmlns='jabber:client'/>",
		"<body rid='1'" NS ">text</body>",
		"<body rid='1'" NS "><!-- no --></body>",
		"<body rid='1'" NS "><?no?></body>",
		"<!DOCTYPE body><body rid='1'" NS "/>",
		"<body rid='1'" NS "><p:x/></body>",
		"<body rid='1'" NS "><message/>",
		"<?xml version='1.0' encoding='ISO-8859-1'?><body" NS "/>",
		"<body rid='1'" NS "/><body" NS "/>",
	};
	struct body body;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_not_equal(parse(texts[i], &body), ERR_OK);
}

static void
test_C3_allows_a_declaration_and_a_byte_order_mark(void **state UNUSED)
{
	struct body body;

	assert_int_equal(parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	                       "<body rid='1'" NS "/>",
	                     &body),
	    ERR_OK);
	body_clear(&body);
	assert_int_equal(parse("\xEF\xBB\xBF<body rid='1'" NS "/>", &body), 0);
	body_clear(&body);
}

static void
keeps_a_request_apart_from_its_text(void **state UNUSED)
{
	char text[] = "<body rid='1' sid='x' key='ab' newkey='cd'" NS "/>";
	struct body body, *kept;
	const char *why;

	assert_int_equal(body_parse(reader, text, strlen(text), &body, &why),
	    ERR_OK);
	kept = body_keep(&body);
	memset(text, 'z', sizeof(text));
	assert_int_equal(kept->rid, 1);
	assert_slice(kept->key, "ab");
	assert_slice(kept->newkey, "cd");
	body_free(kept);
}

static void
test_E12_writes_what_it_can_read(void **state UNUSED)
{
	struct body_created created = { .sid = "s",
		.domain = "a'b",
		.wait_ms = 59000,
		.inactivity_ms = 60000,
		.polling_ms = 2000,
		.max_pause_ms = 120000,
		.hold = 1,
		.requests = 2,
		.ver_minor = 10,
		.has_ver = true,
		.ack = 5 };
	struct xml_error error;
	struct xml *root;
	struct buf out;

	buf_init(&out, 0);
	body_open_created(&out, &created);
	body_close(&out);
	assert_int_equal(xml_parse(reader, out.data, out.len, false, &root,
	                     &error),
	    0);
	assert_string_equal(xml_attr(root, "from"), "a'b");
	assert_string_equal(xml_attr(root, "wait"), "59");
	assert_string_equal(xml_attr(root, "requests"), "2");
	assert_string_equal(xml_attr(root, "ver"), "1.10");
	assert_string_equal(xml_attr(root, "ack"), "5");
	assert_string_equal(xml_attr_ns(root, BODY_NS_XMPP, "restartlogic"),
	    "true");
	xml_free(root);
	buf_reset(&out);
	body_write_end(&out, COND_REMOTE_STREAM_ERROR,
	    "<stream:error><conflict "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
	assert_int_equal(xml_parse(reader, out.data, out.len, false, &root,
	                     &error),
	    0);
	assert_string_equal(xml_attr(root, "condition"), "remote-stream-error");
	assert_non_null(
	    xml_child(root, "http://etherx.jabber.org/streams", "error"));
	xml_free(root);
	buf_clear(&out);
}

static void
test_J2_J3_names_each_condition_and_its_old_status(void **state UNUSED)
{
	static const struct {
		enum condition condition;
		const char *name;
		int status;
	} all[] = {
		{ COND_BAD_REQUEST, "bad-request", 400 },
		{ COND_HOST_GONE, "host-gone", 200 },
		{ COND_HOST_UNKNOWN, "host-unknown", 200 },
		{ COND_IMPROPER_ADDRESSING, "improper-addressing", 200 },
		{ COND_INTERNAL_SERVER_ERROR, "internal-server-error", 200 },
		{ COND_ITEM_NOT_FOUND, "item-not-found", 404 },
		{ COND_OTHER_REQUEST, "other-request", 200 },
		{ COND_POLICY_VIOLATION, "policy-violation", 403 },
		{ COND_REMOTE_STREAM_ERROR, "remote-stream-error", 200 },
		{ COND_SEE_OTHER_URI, "see-other-uri", 200 },
		{ COND_SYSTEM_SHUTDOWN, "system-shutdown", 200 },
	};
	struct buf out;
	char text[80];

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(condition_http_status(all[i].condition),
		    all[i].status);
		buf_init(&out, 0);
		body_write_end(&out, all[i].condition, NULL);
		snprintf(text, sizeof(text), " type='terminate' condition='%s'",
		    all[i].name);
		assert_non_null(strstr(out.data, text));
		buf_clear(&out);
	}
	assert_int_equal(ARRAY_LEN(all), COND_MAX - 1);
}

static int
setup(void **state UNUSED)
{
	reader = xml_reader_create(&limits);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	xml_reader_free(reader);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_an_empty_poll_without_a_parser),
		cmocka_unit_test(leaves_everything_else_to_the_parser),
		cmocka_unit_test(reads_the_creation_request_of_strophe),
		cmocka_unit_test(test_D6_compares_versions_as_two_integers),
		cmocka_unit_test(
		    test_C10_finds_restart_by_namespace_not_by_prefix),
		cmocka_unit_test(
		    test_D3_marks_impossible_numbers_and_keeps_the_sid),
		cmocka_unit_test(test_J7_takes_terminal_for_terminate),
		cmocka_unit_test(
		    test_C7_reads_payload_without_a_namespace_as_jabber_client),
		cmocka_unit_test(test_C1_C2_C4_C13_refuses_what_bosh_forbids),
		cmocka_unit_test(
		    test_C3_allows_a_declaration_and_a_byte_order_mark),
		cmocka_unit_test(keeps_a_request_apart_from_its_text),
		cmocka_unit_test(test_E12_writes_what_it_can_read),
		cmocka_unit_test(
		    test_J2_J3_names_each_condition_and_its_old_status),
	};

	return cmocka_run_group_tests_name("body", tests, setup, teardown);
}
