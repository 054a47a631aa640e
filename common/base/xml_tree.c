#include "common/base/xml.h"

#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/xml_arena.h"

#define XML_NS_XML "http://www.w3.org/XML/1998/namespace"

/* The root element, with the memory of them all. */
struct xml_tree {
	struct xml root; /* first: xml_free() is given a pointer to it */
	struct xml_arena arena;
};

/* While it grows: nodes are const for everybody else. */
struct xml_builder {
	struct xml_arena *arena;
	struct xml_tree *tree;
	struct xml *open; /* innermost element without its end */
	struct xml *last; /* newest child of open; NULL */
	char *text;       /* of last, if that is text */
};

static struct xml *
xml_builder_link(struct xml_builder *b, struct xml *node)
{
	memset(node, 0, sizeof *node);
	node->parent = b->open;
	node->ns = "";
	if (b->last != NULL)
		b->last->next = node;
	else if (b->open != NULL)
		b->open->child = node;
	return node;
}

static enum err
xml_builder_start(void *arg, const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs, size_t from UNUSED,
    size_t to UNUSED, const char **why UNUSED)
{
	struct xml_builder *b = arg;
	struct xml *node;

	if (b->tree == NULL) {
		b->tree = xml_arena_alloc(b->arena, sizeof *b->tree);
		node = xml_builder_link(b, &b->tree->root);
	} else {
		node = xml_builder_link(b,
		    xml_arena_alloc(b->arena, sizeof *node));
	}
	node->name = name->local;
	node->ns = name->ns;
	node->attrs = attrs;
	node->n_attrs = n_attrs;
	b->open = node;
	b->last = NULL;
	return ERR_OK;
}

static enum err
xml_builder_end(void *arg, const struct xml_name *name UNUSED,
    size_t from UNUSED, size_t to UNUSED, const char **why UNUSED)
{
	struct xml_builder *b = arg;

	b->last = b->open;
	b->open = (struct xml *)(uintptr_t)b->last->parent;
	return ERR_OK;
}

/* Expat cuts text at line ends, references and CDATA; a node has it whole. */
static enum err
xml_builder_text(void *arg, const char *text, size_t len,
    const char **why UNUSED)
{
	struct xml_builder *b = arg;
	struct xml *node = b->last;

	if (node != NULL && node->name == NULL) {
		b->text = xml_arena_append(b->arena, b->text, node->text_len,
		    text, len);
		node->text = b->text;
		node->text_len += len;
		return ERR_OK;
	}
	node = xml_builder_link(b, xml_arena_alloc(b->arena, sizeof *node));
	node->text = b->text = xml_arena_copy(b->arena, text, len);
	node->text_len = len;
	b->last = node;
	return ERR_OK;
}

enum err
xml_parse(struct xml_reader *reader, const char *text, size_t len, bool decl_ok,
    struct xml **root, struct xml_error *error)
{
	static const struct xml_handler handler = {
		.start = xml_builder_start,
		.end = xml_builder_end,
		.text = xml_builder_text,
	};
	struct xml_builder b = { .arena = xml_reader_arena(reader) };
	enum err err;

	err = xml_scan(reader, text, len, decl_ok, &handler, &b, error);
	if (err != ERR_OK)
		return err;
	b.tree->arena = *b.arena;
	memset(b.arena, 0, sizeof *b.arena);
	*root = &b.tree->root;
	return ERR_OK;
}

void
xml_free(struct xml *root)
{
	struct xml_arena arena;

	if (root == NULL)
		return;
	/* A copy: the tree itself lies in the arena. */
	arena = ((struct xml_tree *)root)->arena;
	xml_arena_clear(&arena);
}

void
xml_adopt(struct xml *root)
{
	const struct xml *next;
	struct xml *child;

	for (next = xml_first(root); next != NULL; next = xml_next(next)) {
		child = (struct xml *)(uintptr_t)next;
		if (*child->ns == '\0')
			child->ns = root->ns;
		if (strcmp(child->ns, root->ns) == 0)
			xml_adopt(child);
	}
}

bool
xml_is(const struct xml *node, const char *ns, const char *name)
{
	return node != NULL && node->name != NULL &&
	    strcmp(node->name, name) == 0 &&
	    (ns == NULL || strcmp(node->ns, ns) == 0);
}

const struct xml *
xml_first(const struct xml *node)
{
	const struct xml *child;

	if (node == NULL)
		return NULL;
	for (child = node->child; child != NULL; child = child->next)
		if (child->name != NULL)
			return child;
	return NULL;
}

const struct xml *
xml_next(const struct xml *node)
{
	const struct xml *next = node;

	while (next != NULL && (next = next->next) != NULL)
		if (next->name != NULL)
			return next;
	return NULL;
}

const struct xml *
xml_child(const struct xml *node, const char *ns, const char *name)
{
	const struct xml *child;

	for (child = xml_first(node); child != NULL; child = xml_next(child))
		if (xml_is(child, ns, name))
			return child;
	return NULL;
}

const char *
xml_attr_ns(const struct xml *node, const char *ns, const char *name)
{
	int i;

	for (i = 0; node != NULL && i < node->n_attrs; i++)
		if (strcmp(node->attrs[i].name.local, name) == 0 &&
		    strcmp(node->attrs[i].name.ns, ns) == 0)
			return node->attrs[i].value;
	return NULL;
}

const char *
xml_attr(const struct xml *node, const char *name)
{
	return xml_attr_ns(node, "", name);
}

void
xml_text(const struct xml *node, struct buf *out)
{
	const struct xml *child;

	if (node == NULL)
		return;
	for (child = node->child; child != NULL; child = child->next)
		if (child->name == NULL)
			buf_add(out, child->text, child->text_len);
}

/* The number of the prefix that stands for attribute at's namespace: the first
 * attribute of the element in that namespace. */
static int
xml_write_prefix(const struct xml *node, int at)
{
	int i = 0;

	while (strcmp(node->attrs[i].name.ns, node->attrs[at].name.ns) != 0)
		i++;
	return i + 1;
}

static void
xml_write_attr(const struct xml *node, int at, struct buf *out)
{
	const struct xml_name *name = &node->attrs[at].name;
	int prefix;

	if (strcmp(name->ns, XML_NS_XML) == 0) {
		buf_adds(out, " xml:");
	} else if (*name->ns != '\0') {
		prefix = xml_write_prefix(node, at);
		if (prefix == at + 1) {
			buf_addf(out, " xmlns:ns%d='", prefix);
			buf_adds_xml(out, name->ns);
			buf_addc(out, '\'');
		}
		buf_addf(out, " ns%d:", prefix);
	} else {
		buf_addc(out, ' ');
	}
	buf_adds(out, name->local);
	buf_adds(out, "='");
	buf_adds_xml(out, node->attrs[at].value);
	buf_addc(out, '\'');
}

static void
xml_write_start(const struct xml *node, const char *inside, struct buf *out)
{
	int i;

	buf_addc(out, '<');
	buf_adds(out, node->name);
	if (strcmp(node->ns, inside) != 0) {
		buf_adds(out, " xmlns='");
		buf_adds_xml(out, node->ns);
		buf_addc(out, '\'');
	}
	for (i = 0; i < node->n_attrs; i++)
		xml_write_attr(node, i, out);
}

void
xml_write(const struct xml *node, const char *inside, struct buf *out)
{
	const struct xml *child;

	if (node->name == NULL) {
		buf_add_xml(out, node->text, node->text_len);
		return;
	}
	xml_write_start(node, inside, out);
	if (node->child == NULL) {
		buf_adds(out, "/>");
		return;
	}
	buf_addc(out, '>');
	for (child = node->child; child != NULL; child = child->next)
		xml_write(child, node->ns, out);
	buf_adds(out, "</");
	buf_adds(out, node->name);
	buf_addc(out, '>');
}
