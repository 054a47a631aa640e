/*
 * An XML stream: a document that is never whole.  Bytes go in as they come; for
 * each child of the root its text comes out once it is there, as it was
 * written.  It keeps no more than one such element: one that passes a limit is
 * not kept but read past, and what comes out is its head, enough to answer it.
 *
 * Text, not a tree: whoever wants one reads xml_stream_around(), where the
 * namespaces that the root declares count.
 */
#ifndef WAFT_XML_STREAM_H
#define WAFT_XML_STREAM_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/xml.h"

struct xml_stream;

/* Called from xml_stream_feed(); the stream must not be freed in them. */
struct xml_stream_ops {
	/* A child of the root, whole; borrowed. */
	void (*element)(void *arg, const char *text, size_t len);
	/* One past a limit: `<NAME type= id= from= to=/>` of what it has. */
	void (*over)(void *arg, const char *head, size_t len);
	/* The root is closed. */
	void (*end)(void *arg);
};

/* Limits are those of one child of the root. */
struct xml_stream *xml_stream_create(const struct xml_limits *limits,
    const struct xml_stream_ops *ops, void *arg);
void xml_stream_free(struct xml_stream *stream);
/* ERR_BAD and *why (static) when it is not well-formed, has what XMPP does not
 * allow, or a single tag past limits.size: feed it no more. */
enum err xml_stream_feed(struct xml_stream *stream, const char *data,
    size_t len, const char **why);
/* The root with text, which an op was given, as its one child. */
void xml_stream_around(const struct xml_stream *stream, const char *text,
    size_t len, struct buf *out);

#endif
