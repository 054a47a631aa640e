#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/xml.h"

static const struct xml_limits limits = { 2048, 8, 6, 20 };

static enum err
parse(const char *text, size_t len, bool decl_ok, struct xml **root,
    struct xml_error *error)
{
	struct xml_reader *reader = xml_reader_create(&limits);
	char *guarded = unit_guard(text, len);
	enum err err;

	memset(error, 0, sizeof *error);
	err = xml_parse(reader, guarded, len, decl_ok, root, error);
	unit_unguard(guarded, len);
	xml_reader_free(reader);
	return err;
}

static struct xml *
tree(const char *text)
{
	struct xml_error error;
	struct xml *root;

	if (parse(text, strlen(text), false, &root, &error) != ERR_OK)
		fail_msg("%s: %d:%d: %s", text, error.line, error.column,
		    error.why);
	return root;
}

static void
assert_refused_len(const char *text, size_t len, enum err wanted, int line,
    int column, const char *why)
{
	struct xml_error error;
	struct xml *root;

	assert_int_equal(parse(text, len, false, &root, &error), wanted);
	assert_int_equal(error.err, wanted);
	if (strstr(error.why, why) == NULL)
		fail_msg("\"%s\" is not about \"%s\"", error.why, why);
	if (error.line != line || error.column != column)
		fail_msg("%s: at %d:%d", text, error.line, error.column);
}

static void
assert_refused(const char *text, int line, int column, const char *why)
{
	assert_refused_len(text, strlen(text), ERR_BAD, line, column, why);
}

/* ---- what is refused -------------------------------------------------- */

TEST(refuses_what_xmpp_forbids_and_says_where)
{
	assert_refused("<!DOCTYPE a><a/>", 1, 12, "DOCTYPE");
	assert_refused("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", 1, 13,
	    "DOCTYPE");
	assert_refused("<a>\n <!-- b --></a>", 2, 2, "comment");
	assert_refused("<a>x<?b c?></a>", 1, 5, "processing instruction");
	assert_refused("<?xml version='1.0'?><a/>", 1, 1, "declaration");
	assert_refused("<a>&b;</a>", 1, 4, "undefined entity");
	assert_refused("\xEF\xBB\xBF<a/>", 1, 1, "byte order mark");
}

TEST(refuses_what_is_not_one_well_formed_document)
{
	assert_refused("", 1, 1, "no element found");
	assert_refused("<a>", 1, 4, "no element found");
	assert_refused("<a/><b/>", 1, 5, "junk after document element");
	assert_refused("<a/>x", 1, 5, "junk after document element");
	assert_refused("<a></b>", 1, 6, "mismatched tag");
	assert_refused("<p:a/>", 1, 1, "unbound prefix");
	assert_refused("<a b='1' b='2'/>", 1, 10, "duplicate attribute");
	assert_refused("<a xmlns:x='u' xmlns:y='u' x:b='' y:b=''/>", 1, 1,
	    "duplicate attribute");
	assert_refused("<a>\xff</a>", 1, 4, "invalid token");
	assert_refused("<a>\xed\xa0\x80</a>", 1, 4, "invalid token");
	assert_refused("<a>\xef\xbf\xbf</a>", 1, 4, "invalid token");
	assert_refused("<a>&#1;</a>", 1, 4, "invalid character");
	assert_refused("<a xmlns='a&#1;b'/>", 1, 12, "invalid character");
}

TEST(refuses_nul_wherever_it_stands)
{
	assert_refused_len("<a>\0</a>", 8, ERR_BAD, 1, 4, "invalid token");
	assert_refused_len("<a/>\0", 5, ERR_BAD, 1, 5, "");
	assert_refused_len("\0<a/>", 5, ERR_BAD, 1, 1, "UTF-8");
	assert_refused_len("<a\0/>", 5, ERR_BAD, 1, 3, "");
}

TEST(refuses_other_encodings_than_utf8)
{
	static const char utf16[] = "\xff\xfe<\0a\0/\0>\0";

	assert_refused_len(utf16, sizeof utf16 - 1, ERR_BAD, 1, 1, "UTF-8");
	assert_refused_len(utf16 + 2, sizeof utf16 - 3, ERR_BAD, 1, 1, "UTF-8");
}

TEST(columns_count_bytes)
{
	assert_refused("<a>\n\xc3\xa9\xc3\xa9<b></a>", 2, 10, "mismatched");
}

TEST(an_xml_declaration_must_say_1_0_and_utf8)
{
	static const char *const good[] = { "<?xml version='1.0'?><a/>",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a/>",
		"<?xml version='1.0' encoding='UTF-8' standalone='yes'?><a/>",
		"<a/>" };
	static const char *const bad[] = { "<?xml version='1.1'?><a/>",
		"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
		"<?xml version='1.0' encoding='UTF-16'?><a/>",
		" <?xml version='1.0'?><a/>", "<?xml encoding='UTF-8'?><a/>" };
	struct xml_error error;
	struct xml *root;
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(parse(good[i], strlen(good[i]), true, &root,
		                     &error),
		    ERR_OK);
		xml_free(root);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), true, &root,
		                     &error),
		    ERR_BAD);
}

TEST(limits_are_exact)
{
	char text[4096];

	xml_free(tree("<a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a>"));
	assert_refused("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a>"
	               "</a></a>",
	    1, 25, "too deep");
	xml_free(tree("<a a='' b='' c='' d='' e='' xmlns='u'/>"));
	assert_refused("<a a='' b='' c='' d='' e='' f='' xmlns='u'/>", 1, 1,
	    "too many attributes");
	xml_free(tree("<a><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/>"
	              "<b/><b/><b/><b/><b/><b/><b/></a>"));
	assert_refused("<a><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/>"
	               "<b/><b/><b/><b/><b/><b/><b/><b/></a>",
	    1, 80, "too many elements");
	snprintf(text, sizeof text, "<a>%02041d</a>", 0);
	assert_int_equal(strlen(text), limits.size);
	xml_free(tree(text));
	snprintf(text, sizeof text, "<a>%02042d</a>", 0);
	assert_refused_len(text, limits.size + 1, ERR_LARGE, 1, 1, "too large");
}

/* ---- scanning --------------------------------------------------------- */

static enum err
log_decl(void *arg, const char *prefix, const char *uri,
    const char **why UNUSED)
{
	buf_addf(arg, "d(%s=%s) ", prefix, uri);
	return ERR_OK;
}

static enum err
log_start(void *arg, const struct xml_name *name, const struct xml_attr *attrs,
    int n_attrs, size_t from, size_t to, const char **why)
{
	int i;

	buf_addf(arg, "s(%s|%s|%s", name->prefix, name->ns, name->local);
	for (i = 0; i < n_attrs; i++)
		buf_addf(arg, " %s|%s|%s=%s", attrs[i].name.prefix,
		    attrs[i].name.ns, attrs[i].name.local, attrs[i].value);
	buf_addf(arg, " %zu-%zu) ", from, to);
	*why = "no stop here";
	return strcmp(name->local, "stop") == 0 ? ERR_DENIED : ERR_OK;
}

static enum err
log_end(void *arg, const struct xml_name *name, size_t from, size_t to,
    const char **why UNUSED)
{
	buf_addf(arg, "e(%s|%s|%s %zu-%zu) ", name->prefix, name->ns,
	    name->local, from, to);
	return ERR_OK;
}

static enum err
log_text(void *arg, const char *text, size_t len, const char **why UNUSED)
{
	buf_adds(arg, "t(");
	buf_add(arg, text, len);
	buf_adds(arg, ") ");
	return ERR_OK;
}

static const struct xml_handler logging = { log_decl, log_start, log_end,
	log_text };

static void
assert_scan(struct xml_reader *reader, const char *text, const char *wanted)
{
	struct xml_error error;
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(xml_scan(reader, text, strlen(text), false, &logging,
	                     &out, &error),
	    ERR_OK);
	assert_string_equal(out.data, wanted);
	buf_clear(&out);
}

TEST(a_scan_tells_names_values_and_byte_ranges)
{
	struct xml_reader *reader = xml_reader_create(&limits);

	assert_scan(reader, "<a b='&lt;'>x</a>",
	    "s(||a ||b=< 0-12) t(x) "
	    "e(||a 13-17) ");
	assert_scan(reader, "<a xmlns='u' xmlns:p='v' p:c='1'><p:b/></a>",
	    "d(=u) d(p=v) s(|u|a p|v|c=1 0-33) s(p|v|b 33-39) "
	    "e(p|v|b 33-39) e(|u|a 39-43) ");
	assert_scan(reader, "<a xmlns='u'><b xmlns=''/><c xml:lang='de'/></a>",
	    "d(=u) s(|u|a 0-13) d(=) s(||b 13-26) e(||b 13-26) "
	    "s(|u|c xml|http://www.w3.org/XML/1998/namespace|lang=de 26-44) "
	    "e(|u|c 26-44) e(|u|a 44-48) ");
	xml_reader_free(reader);
}

TEST(a_handler_stops_the_scan)
{
	struct xml_reader *reader = xml_reader_create(&limits);
	static const char text[] = "<a>\n<stop/><b/></a>";
	struct xml_error error;
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(xml_scan(reader, text, sizeof text - 1, false,
	                     &logging, &out, &error),
	    ERR_DENIED);
	assert_string_equal(error.why, "no stop here");
	assert_int_equal(error.line, 2);
	assert_int_equal(error.column, 1);
	assert_null(strstr(out.data, "e("));
	/* And is usable again. */
	assert_scan(reader, "<x/>", "s(||x 0-4) e(||x 0-4) ");
	buf_clear(&out);
	xml_reader_free(reader);
}

/* ---- trees ------------------------------------------------------------ */

TEST(a_tree_outlives_its_reader_and_other_texts)
{
	struct xml_reader *reader = xml_reader_create(&limits);
	struct xml_error error;
	struct xml *one, *two;

	assert_int_equal(xml_parse(reader, "<a b='1'/>", 10, false, &one,
	                     &error),
	    ERR_OK);
	assert_int_equal(xml_parse(reader, "<c d='2'/>", 10, false, &two,
	                     &error),
	    ERR_OK);
	assert_int_equal(xml_parse(reader, "<c d='2'>", 9, false, &two, &error),
	    ERR_BAD);
	xml_reader_free(reader);
	assert_true(xml_is(one, "", "a"));
	assert_string_equal(xml_attr(one, "b"), "1");
	assert_string_equal(xml_attr(two, "d"), "2");
	xml_free(one);
	xml_free(two);
}

TEST(finds_children_and_attributes_by_namespace)
{
	struct xml *root = tree("<a xmlns='u' xmlns:p='v' id='1' p:id='2'>x"
	                        "<b n='1'/>y<p:b n='2'/><c/></a>");
	const struct xml *child;

	assert_true(xml_is(root, "u", "a"));
	assert_true(xml_is(root, NULL, "a"));
	assert_false(xml_is(root, "", "a"));
	assert_string_equal(xml_attr(root, "id"), "1");
	assert_string_equal(xml_attr_ns(root, "v", "id"), "2");
	assert_null(xml_attr(root, "xmlns"));
	assert_int_equal(root->n_attrs, 2);
	assert_string_equal(xml_attr(xml_child(root, "v", "b"), "n"), "2");
	assert_string_equal(xml_attr(xml_child(root, NULL, "b"), "n"), "1");
	assert_null(xml_child(root, "", "b"));
	child = xml_first(root);
	assert_string_equal(child->ns, "u");
	child = xml_next(child);
	assert_string_equal(child->ns, "v");
	child = xml_next(child);
	assert_string_equal(child->name, "c");
	assert_null(xml_next(child));
	assert_ptr_equal(child->parent, root);
	assert_null(xml_attr(NULL, "a"));
	assert_null(xml_child(NULL, "u", "b"));
	xml_free(root);
}

TEST(text_in_many_pieces_is_one_node)
{
	struct xml *root = tree("<a>one\n&amp;<![CDATA[<two>]]>&#x20AC;\r\n"
	                        "<b/>three</a>");
	struct buf out;

	assert_null(root->child->name);
	assert_string_equal(root->child->text, "one\n&<two>\xe2\x82\xac\n");
	assert_int_equal(root->child->text_len, strlen(root->child->text));
	buf_init(&out, 0);
	xml_text(root, &out);
	assert_string_equal(out.data, "one\n&<two>\xe2\x82\xac\nthree");
	buf_clear(&out);
	xml_free(root);
}

TEST(long_text_in_small_pieces_is_whole)
{
	char text[2048] = "<a>";
	struct xml *root;
	size_t i, n = 0;

	for (i = 3; i < sizeof text - 5; i++)
		text[i] = (i % 3) == 0 ? '\n' : (char)('a' + i % 26);
	memcpy(text + i, "</a>", 5);
	root = tree(text);
	assert_null(root->child->next);
	n = root->child->text_len;
	assert_int_equal(n, i - 3);
	assert_memory_equal(root->child->text, text + 3, n);
	xml_free(root);
}

/* A namespace of 1.5 KB with 19 elements in it. */
TEST(a_namespace_is_kept_once)
{
	char text[2048];
	const struct xml *child;
	struct xml *root;
	int n;

	n = snprintf(text, sizeof text, "<a xmlns='%01500d'>", 0);
	while (n < 1570)
		n += snprintf(text + n, sizeof text - (size_t)n, "<b/>");
	snprintf(text + n, sizeof text - (size_t)n, "</a>");
	root = tree(text);
	for (child = xml_first(root); child != NULL; child = xml_next(child))
		assert_ptr_equal(child->ns, root->ns);
	xml_free(root);
}

/* ---- writing ---------------------------------------------------------- */

static void
assert_written(const char *text, const char *inside, const char *wanted)
{
	struct xml *root = tree(text);
	struct buf out;

	buf_init(&out, 0);
	xml_write(root, inside, &out);
	assert_string_equal(out.data, wanted);
	buf_clear(&out);
	xml_free(root);
}

TEST(writes_what_means_the_same)
{
	assert_written("<a/>", "", "<a/>");
	assert_written("<a/>", "u", "<a xmlns=''/>");
	assert_written("<a xmlns='u'/>", "u", "<a/>");
	assert_written("<p:a xmlns:p='u'><p:b/><c/></p:a>", "",
	    "<a xmlns='u'><b/><c xmlns=''/></a>");
	assert_written("<a xml:lang='de' b='&lt;&quot;'>x &amp; y</a>", "",
	    "<a xml:lang='de' b='&lt;&quot;'>x &amp; y</a>");
	assert_written("<a xmlns:p='u' xmlns:q='v' p:x='1' q:y='2' p:z='3'/>",
	    "",
	    "<a xmlns:ns1='u' ns1:x='1' xmlns:ns2='v' ns2:y='2' "
	    "ns1:z='3'/>");
}

TEST(adopts_what_is_in_no_namespace_down_to_what_is_in_another)
{
	struct xml *root = tree("<a xmlns='u'><b xmlns=''><c xmlns='u'/>"
	                        "<d>x</d></b><e xmlns='v'><f xmlns=''/>"
	                        "<g xmlns='u'><h xmlns=''/></g></e></a>");
	struct buf out;

	xml_adopt(root);
	buf_init(&out, 0);
	xml_write(root, "u", &out);
	assert_string_equal(out.data,
	    "<a><b><c/><d>x</d></b><e xmlns='v'><f xmlns=''/>"
	    "<g xmlns='u'><h xmlns=''/></g></e></a>");
	buf_clear(&out);
	xml_free(root);
}

static void
assert_same(const struct xml *a, const struct xml *b)
{
	int i;

	assert_int_equal(a == NULL, b == NULL);
	if (a == NULL)
		return;
	assert_int_equal(a->name == NULL, b->name == NULL);
	if (a->name == NULL) {
		assert_int_equal(a->text_len, b->text_len);
		assert_memory_equal(a->text, b->text, a->text_len);
	} else {
		assert_true(xml_is(b, a->ns, a->name));
		assert_int_equal(a->n_attrs, b->n_attrs);
		for (i = 0; i < a->n_attrs; i++)
			assert_string_equal(a->attrs[i].value,
			    xml_attr_ns(b, a->attrs[i].name.ns,
			        a->attrs[i].name.local));
		assert_same(a->child, b->child);
	}
	assert_same(a->next, b->next);
}

TEST(what_was_written_reads_the_same)
{
	static const char *const texts[] = {
		"<m xmlns='jabber:client' xml:lang='de'><body>a\n&#13;&#9;b"
		"</body><x xmlns='u' y='&#10;&#9;&#13;&apos;&quot;'/></m>",
		"<a xmlns:ns1='u' ns1:b='1'><ns1:c xmlns:ns1='v' ns1:d='2'/>"
		"</a>",
		"<a xmlns='&amp;&lt;&apos;'><b xmlns=''><c xmlns='d'/></b></a>",
	};
	struct xml *one, *two;
	struct buf out;
	size_t i;

	buf_init(&out, 0);
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		one = tree(texts[i]);
		buf_reset(&out);
		xml_write(one, "", &out);
		two = tree(out.data);
		assert_same(one, two);
		xml_free(one);
		xml_free(two);
	}
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_xmpp_forbids_and_says_where),
		cmocka_unit_test(refuses_what_is_not_one_well_formed_document),
		cmocka_unit_test(refuses_nul_wherever_it_stands),
		cmocka_unit_test(refuses_other_encodings_than_utf8),
		cmocka_unit_test(columns_count_bytes),
		cmocka_unit_test(an_xml_declaration_must_say_1_0_and_utf8),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(a_scan_tells_names_values_and_byte_ranges),
		cmocka_unit_test(a_handler_stops_the_scan),
		cmocka_unit_test(a_tree_outlives_its_reader_and_other_texts),
		cmocka_unit_test(finds_children_and_attributes_by_namespace),
		cmocka_unit_test(text_in_many_pieces_is_one_node),
		cmocka_unit_test(long_text_in_small_pieces_is_whole),
		cmocka_unit_test(a_namespace_is_kept_once),
		cmocka_unit_test(writes_what_means_the_same),
		cmocka_unit_test(
		    adopts_what_is_in_no_namespace_down_to_what_is_in_another),
		cmocka_unit_test(what_was_written_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
