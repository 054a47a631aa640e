#include "common/base/xml_stream.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define ROOT "<?xml version='1.0'?><s:stream xmlns='urn:a' xmlns:s='urn:s'>"

static const struct xml_limits limits = { 200, 4, 3, 6 };

/* What came out, a line each. */
static void
heard(void *arg, const char *text, size_t len)
{
	struct buf *out = arg;

	buf_add(out, text, len);
	buf_addc(out, '\n');
}

static void
heard_over(void *arg, const char *text, size_t len)
{
	buf_adds(arg, "over ");
	heard(arg, text, len);
}

static void
heard_end(void *arg)
{
	buf_adds(arg, "end\n");
}

static const struct xml_stream_ops ops = { heard, heard_over, heard_end };

/* The same whatever the pieces are. */
static void
check(const char *text, const char *want, bool ok)
{
	size_t len = strlen(text), piece, at, n;
	struct xml_stream *stream;
	const char *why = NULL;
	struct buf out;
	enum err err;

	for (piece = 1; piece <= len; piece = piece < 9 ? piece + 1 : len + 1) {
		buf_init(&out, 0);
		stream = xml_stream_create(&limits, &ops, &out);
		err = ERR_OK;
		for (at = 0; at < len && err == ERR_OK; at += n) {
			n = len - at < piece ? len - at : piece;
			err = xml_stream_feed(stream, text + at, n, &why);
		}
		assert_int_equal(err == ERR_OK, ok);
		assert_int_equal(why == NULL, ok);
		assert_string_equal(out.data == NULL ? "" : out.data, want);
		xml_stream_free(stream);
		buf_clear(&out);
	}
}

TEST(each_child_of_the_root_comes_out_as_it_was_written)
{
	check(ROOT "<a  x = 'y'/> <b>t&amp;<c xmlns='urn:c'><![CDATA[<]]></c>"
	           "</b >\n<s:e/></s:stream>",
	    "<a  x = 'y'/>\n<b>t&amp;<c xmlns='urn:c'><![CDATA[<]]></c></b >\n"
	    "<s:e/>\nend\n",
	    true);
	check(ROOT, "", true);
	check(ROOT "<a><b>", "", true);
}

TEST(of_what_is_past_a_limit_comes_its_head)
{
	struct buf text, want;
	int i;

	buf_init(&text, 0);
	buf_init(&want, 0);
	buf_adds(&text, ROOT "<a/><m to='t' z='1' from='f&lt;'>");
	for (i = 0; i < 100; i++)
		buf_adds(&text, "some text, and more of it");
	buf_adds(&text, "</m><b/>");
	buf_adds(&want, "<a/>\nover <m to='t' from='f&lt;'/>\n<b/>\n");
	check(text.data, want.data, true);
	buf_clear(&text);
	buf_clear(&want);
	check(ROOT "<m id='1'><a/><a/><a/><a/><a/></m><m id='2'><a/><a/><a/>"
	           "<a/><a/><a/></m><b/>",
	    "<m id='1'><a/><a/><a/><a/><a/></m>\nover <m id='2'/>\n<b/>\n",
	    true);
	check(ROOT "<m id='1'><a><a><a/></a></a></m><m id='2'><a><a><a><a/></a>"
	           "</a></a></m><b/>",
	    "<m id='1'><a><a><a/></a></a></m>\nover <m id='2'/>\n<b/>\n", true);
	check(ROOT "<m id='1'><a b='' c='' d='' e=''/></m><b/>",
	    "over <m id='1'/>\n<b/>\n", true);
}

TEST(what_xmpp_does_not_allow_ends_it)
{
	check(ROOT "<a/><!-- c --><b/>", "<a/>\n", false);
	check(ROOT "<a/><?p q?><b/>", "<a/>\n", false);
	check("<!DOCTYPE s [<!ENTITY e 'x'>]><s/>", "", false);
	check(ROOT "<a/></b>", "<a/>\n", false);
	check(ROOT "<a/></s:stream><a/>", "<a/>\nend\n", false);
	check("text <s>", "", false);
}

TEST(a_tag_without_an_end_is_not_kept_for_ever)
{
	struct buf text;
	int i;

	buf_init(&text, 0);
	buf_adds(&text, ROOT "<a/><b c='");
	for (i = 0; i < 100; i++)
		buf_adds(&text, "no end");
	check(text.data, "<a/>\n", false);
	buf_clear(&text);
}

TEST(an_element_is_read_with_the_root_around_it)
{
	static const struct xml_limits around = { 1000, 9, 9, 9 };
	struct xml_reader *reader = xml_reader_create(&around);
	struct xml_error error;
	struct xml_stream *stream;
	struct buf out, whole;
	const char *why;
	struct xml *root;

	buf_init(&out, 0);
	buf_init(&whole, 0);
	stream = xml_stream_create(&limits, &ops, &out);
	assert_int_equal(xml_stream_feed(stream, ROOT "<s:e><f/></s:e>",
	                     sizeof(ROOT "<s:e><f/></s:e>") - 1, &why),
	    ERR_OK);
	xml_stream_around(stream, out.data, out.len - 1, &whole);
	assert_int_equal(xml_parse(reader, whole.data, whole.len, false, &root,
	                     &error),
	    ERR_OK);
	assert_true(xml_is(xml_first(root), "urn:s", "e"));
	assert_true(xml_is(xml_first(xml_first(root)), "urn:a", "f"));
	xml_free(root);
	xml_reader_free(reader);
	xml_stream_free(stream);
	buf_clear(&out);
	buf_clear(&whole);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_child_of_the_root_comes_out_as_it_was_written),
		cmocka_unit_test(of_what_is_past_a_limit_comes_its_head),
		cmocka_unit_test(what_xmpp_does_not_allow_ends_it),
		cmocka_unit_test(a_tag_without_an_end_is_not_kept_for_ever),
		cmocka_unit_test(an_element_is_read_with_the_root_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
