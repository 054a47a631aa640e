/*
 * What must hold of every stanza that stanza_parse() accepts, for the unit test
 * and the fuzzer: both forms, each inside a stream of its own, mean what the
 * publisher wrote.  Ends the process where it does not.
 */
#ifndef WAFT_TESTS_STANZA_CHECK_H
#define WAFT_TESTS_STANZA_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xml.h"
#include "common/xmpp/stanza.h"

#define STANZA_CHECK_LINK "jabber:component:accept"
#define STANZA_CHECK_BOSH "http://jabber.org/protocol/httpbind"

/* The receiver's, as they are written and as they are read. */
static const struct stanza_fill stanza_check_fill = { "c@d", 3, "a&amp;b@c/d",
	11, "e-1", 3, NULL, 0 };
#define STANZA_CHECK_INNER "<i xmlns='urn:example:inner'/>"

static bool
stanza_check_spliced(const struct xml_attr *attr)
{
	return attr->name.ns[0] == '\0' &&
	    (strcmp(attr->name.local, "to") == 0 ||
	        strcmp(attr->name.local, "from") == 0 ||
	        strcmp(attr->name.local, "id") == 0);
}

/* The infoset as text, `client` read as jabber:client, the root's three
 * spliced attributes left out. */
static void
stanza_check_print(const struct xml *node, const char *client, bool root,
    struct buf *out)
{
	const struct xml_attr *attr;
	const struct xml *child;
	int i;

	if (node->name == NULL) {
		buf_add_xml(out, node->text, node->text_len);
		return;
	}
	buf_addf(out, "<{%s}%s",
	    strcmp(node->ns, client) == 0 ? "jabber:client" : node->ns,
	    node->name);
	for (i = 0; i < node->n_attrs; i++) {
		attr = &node->attrs[i];
		if (root && stanza_check_spliced(attr))
			continue;
		buf_addf(out, " {%s}%s='", attr->name.ns, attr->name.local);
		buf_adds_xml(out, attr->value);
		buf_addc(out, '\'');
	}
	buf_addc(out, '>');
	for (child = node->child; child != NULL; child = child->next)
		stanza_check_print(child, client, false, out);
	buf_adds(out, "</>");
}

static void
stanza_check_fail(const char *what, const char *text, const char *more)
{
	fprintf(stderr, "%s:\n%s\n%s\n", what, text, more);
	abort();
}

static void
stanza_check_attr(const struct xml *stanza, const char *name,
    const char *wanted, const char *text)
{
	const char *value = xml_attr(stanza, name);

	if (value == NULL || strcmp(value, wanted) != 0)
		stanza_check_fail("a spliced attribute is wrong", text, name);
}

/* What is put inside comes first and changes nothing else. */
static void
stanza_check_inner(struct xml_reader *reader, const struct stanza *stanza,
    enum stanza_form form, const char *ns, const struct xml *plain)
{
	struct stanza_fill fill = stanza_check_fill;
	struct buf text, found, wanted;
	struct xml_error error;
	struct xml *root, *inner;

	fill.inner = STANZA_CHECK_INNER;
	fill.inner_len = strlen(STANZA_CHECK_INNER);
	buf_init(&text, 0);
	buf_init(&found, 0);
	buf_init(&wanted, 0);
	buf_addf(&text, "<s xmlns='%s'>", ns);
	stanza_write(stanza, form, &fill, &text);
	buf_adds(&text, "</s>");
	if (xml_parse(reader, text.data, text.len, false, &root, &error) !=
	    ERR_OK)
		stanza_check_fail("is no XML", text.data, error.why);
	inner = (struct xml *)(uintptr_t)xml_first(xml_first(root));
	if (inner == NULL || strcmp(inner->name, "i") != 0 ||
	    xml_first(root)->child != inner)
		stanza_check_fail("is not inside", text.data, "");
	((struct xml *)(uintptr_t)xml_first(root))->child = inner->next;
	stanza_check_print(xml_first(root), "", false, &found);
	stanza_check_print(plain, "", false, &wanted);
	if (strcmp(found.data, wanted.data) != 0)
		stanza_check_fail("is changed", found.data, wanted.data);
	xml_free(root);
	buf_clear(&text);
	buf_clear(&found);
	buf_clear(&wanted);
}

/* Writes the form, reads it inside a stream's element, prints it. */
static void
stanza_check_form(struct xml_reader *reader, const struct stanza *stanza,
    enum stanza_form form, const char *ns, struct buf *out)
{
	struct xml_error error;
	struct xml *root;
	struct buf text;
	size_t before;

	buf_init(&text, 0);
	buf_addf(&text, "<s xmlns='%s'>", ns);
	before = text.len;
	stanza_write(stanza, form, &stanza_check_fill, &text);
	if (text.len != before + strlen(text.data + before) ||
	    text.len - before > stanza_len(stanza, form) + 17)
		stanza_check_fail("longer than said", text.data, "");
	buf_adds(&text, "</s>");
	if (xml_parse(reader, text.data, text.len, false, &root, &error) !=
	    ERR_OK)
		stanza_check_fail("is no XML", text.data, error.why);
	if (xml_first(root) == NULL || xml_next(xml_first(root)) != NULL)
		stanza_check_fail("is no one element", text.data, "");
	stanza_check_attr(xml_first(root), "to", "a&b@c/d", text.data);
	stanza_check_attr(xml_first(root), "from", "c@d", text.data);
	stanza_check_attr(xml_first(root), "id", "e-1", text.data);
	if (form == STANZA_BOSH &&
	    strstr(text.data + before, " xmlns='jabber:client'") == NULL)
		stanza_check_fail("does not declare itself", text.data, "");
	stanza_check_print(xml_first(root),
	    form == STANZA_LINK ? STANZA_CHECK_LINK : "jabber:client", true,
	    out);
	stanza_check_inner(reader, stanza, form, ns, xml_first(root));
	xml_free(root);
	buf_clear(&text);
}

/* The reader's limits leave room for one level more than the publisher's. */
static void
stanza_check(struct xml_reader *reader, const char *input, size_t len,
    const struct stanza *stanza)
{
	struct xml_error error;
	struct xml *root;
	struct buf wanted, link, bosh;

	buf_init(&wanted, 0);
	buf_init(&link, 0);
	buf_init(&bosh, 0);
	if (xml_parse(reader, input, len, false, &root, &error) != ERR_OK)
		stanza_check_fail("accepted", input, error.why);
	stanza_check_print(root, "", true, &wanted);
	xml_free(root);
	stanza_check_form(reader, stanza, STANZA_LINK, STANZA_CHECK_LINK,
	    &link);
	stanza_check_form(reader, stanza, STANZA_BOSH, STANZA_CHECK_BOSH,
	    &bosh);
	if (strcmp(wanted.data, link.data) != 0)
		stanza_check_fail("the link's means another", wanted.data,
		    link.data);
	if (strcmp(wanted.data, bosh.data) != 0)
		stanza_check_fail("BOSH's means another", wanted.data,
		    bosh.data);
	buf_clear(&wanted);
	buf_clear(&link);
	buf_clear(&bosh);
}

#endif
