/*
 * XML in: the only file that knows expat.  Two ways to read, one set of rules:
 * UTF-8 without a byte order mark, namespace-well-formed, no DOCTYPE, no
 * processing instruction, no comment, depth, attributes and elements limited,
 * salted hashing.
 *
 * xml_scan() calls back for each event with its byte range in the input; for
 * code that must keep the publisher's bytes.  xml_parse() builds a tree.
 *
 * A reader is one expat parser, reset between texts; one per thread.
 */
#ifndef WAFT_XML_H
#define WAFT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct xml_reader;

struct xml_limits {
	size_t size;  /* bytes; ERR_LARGE past it */
	int depth;    /* open elements at once */
	int attrs;    /* on one element, namespace declarations included */
	int elements; /* in all */
};

enum xml_fault {
	XML_MALFORMED,  /* not namespace-well-formed, or not UTF-8 */
	XML_RESTRICTED, /* what XMPP does not allow (RFC 6120 §11.1) */
	XML_TOO_MUCH    /* past one of the limits */
};

/* Where and why a text was refused. */
struct xml_error {
	enum err err;
	enum xml_fault fault;
	const char *why; /* static text, a clause: "a DOCTYPE is not allowed" */
	int line;        /* from 1 */
	int column;      /* from 1, in bytes */
};

struct xml_reader *xml_reader_create(const struct xml_limits *limits);
void xml_reader_free(struct xml_reader *reader);

/* ---- scanning -------------------------------------------------------- */

struct xml_name {
	const char *ns; /* "" when none */
	const char *local;
	const char *prefix; /* "" when none */
};

struct xml_attr {
	struct xml_name name;
	const char *value; /* entities resolved, UTF-8 */
};

/*
 * Ranges are byte offsets [from, to) of the tag in the input, `<` to past `>`;
 * an empty-element tag gives start and end with the same range.  Returning
 * other than ERR_OK stops the scan; set *why (static text) before.  Decl gets
 * each xmlns declaration before the start it stands on (prefix "" for the
 * default, uri "" for none).  Text may come in several pieces.  Any pointer
 * may be NULL; names, attributes and values live until the reader's next scan.
 */
struct xml_handler {
	enum err (*decl)(void *arg, const char *prefix, const char *uri,
	    const char **why);
	enum err (*start)(void *arg, const struct xml_name *name,
	    const struct xml_attr *attrs, int n_attrs, size_t from, size_t to,
	    const char **why);
	enum err (*end)(void *arg, const struct xml_name *name, size_t from,
	    size_t to, const char **why);
	enum err (
	    *text)(void *arg, const char *text, size_t len, const char **why);
};

/* Text must be one whole document; an XML declaration at its start is allowed
 * when decl_ok (version 1.0, encoding absent or UTF-8).  *Error is filled on
 * failure. */
enum err xml_scan(struct xml_reader *reader, const char *text, size_t len,
    bool decl_ok, const struct xml_handler *handler, void *arg,
    struct xml_error *error);

/* ---- trees ----------------------------------------------------------- */

/*
 * A parsed element.  All memory belongs to one arena that xml_free() of the
 * root frees; read-only but for xml_adopt().  Text is a node with name NULL.
 */
struct xml {
	const char *name; /* local name; NULL for text */
	const char *ns;   /* "" when none */
	const char *text; /* of a text node, entities resolved */
	size_t text_len;
	const struct xml_attr *attrs; /* without xmlns declarations */
	int n_attrs;
	const struct xml *parent;
	const struct xml *child; /* first */
	const struct xml *next;  /* sibling */
};

/* On success *root is the caller's. */
enum err xml_parse(struct xml_reader *reader, const char *text, size_t len,
    bool decl_ok, struct xml **root, struct xml_error *error);
void xml_free(struct xml *root);
/* Elements in no namespace are from now on in the root's, as far down as all
 * above them are in it. */
void xml_adopt(struct xml *root);

bool xml_is(const struct xml *node, const char *ns, const char *name);
/* First child element of that name; ns NULL: any namespace.  NULL if none. */
const struct xml *xml_child(const struct xml *node, const char *ns,
    const char *name);
/* First and next child that is an element. */
const struct xml *xml_first(const struct xml *node);
const struct xml *xml_next(const struct xml *node);
/* Value of the attribute without namespace, or NULL. */
const char *xml_attr(const struct xml *node, const char *name);
const char *xml_attr_ns(const struct xml *node, const char *ns,
    const char *name);
/* All character data directly inside node, joined, into out. */
void xml_text(const struct xml *node, struct buf *out);

/* Writes node as text that means the same inside a parent whose default
 * namespace is `inside` ("" for none).  Prefixes are chosen anew: default
 * declarations for elements, `ns1`… for attributes; `xml:` kept. */
void xml_write(const struct xml *node, const char *inside, struct buf *out);

#endif
