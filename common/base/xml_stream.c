#include "config.h"

#include "common/base/xml_stream.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <expat.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/xml_salt.h"

/* Of the root's start tag. */
#define XML_STREAM_ROOT_MAX (4 * 1024)

struct xml_stream {
	XML_Parser parser;
	struct xml_limits limits;
	const struct xml_stream_ops *ops;
	void *arg;
	struct buf root; /* its start tag */
	struct buf name; /* of it, as written */
	struct buf raw;  /* the bytes from `base` on */
	XML_Index base;
	XML_Index from;  /* of the element that is open */
	XML_Index done;  /* up to here nothing is needed any more */
	size_t quiet;    /* bytes since anything was understood */
	struct buf head; /* of the element that is open */
	int depth;       /* 0: outside the root */
	int elements;
	bool over; /* the open element passed a limit */
	const char *why;
};

static void
xml_stream_refuse(struct xml_stream *stream, const char *why)
{
	if (stream->why != NULL)
		return;
	stream->why = why;
	XML_StopParser(stream->parser, XML_FALSE);
}

static XML_Index
xml_stream_at(const struct xml_stream *stream)
{
	return XML_GetCurrentByteIndex(stream->parser);
}

static XML_Index
xml_stream_behind(const struct xml_stream *stream)
{
	return xml_stream_at(stream) + XML_GetCurrentByteCount(stream->parser);
}

/* The head of an element: what an answer to it needs. */
static void
xml_stream_head(struct xml_stream *stream, const char *name, const char **attrs)
{
	static const char *const kept[] = { "type", "id", "from", "to" };
	size_t i, k;

	buf_reset(&stream->head);
	buf_addc(&stream->head, '<');
	buf_adds(&stream->head, name);
	for (i = 0; attrs[i] != NULL; i += 2)
		for (k = 0; k < ARRAY_LEN(kept); k++)
			if (strcmp(attrs[i], kept[k]) == 0)
				buf_add_attr(&stream->head, kept[k],
				    attrs[i + 1]);
	buf_adds(&stream->head, "/>");
}

static void
xml_stream_start_cb(void *arg, const char *name, const char **attrs)
{
	struct xml_stream *stream = arg;
	int n = 0;

	if (stream->why != NULL)
		return;
	while (attrs[n] != NULL)
		n += 2;
	stream->quiet = 0;
	stream->elements++;
	if (stream->depth == 0) {
		buf_add(&stream->root,
		    stream->raw.data + (xml_stream_at(stream) - stream->base),
		    (size_t)(xml_stream_behind(stream) -
		        xml_stream_at(stream)));
		buf_adds(&stream->name, name);
		stream->done = xml_stream_behind(stream);
		if (stream->root.failed)
			xml_stream_refuse(stream, "the root is too large");
	} else if (stream->depth == 1) {
		stream->from = xml_stream_at(stream);
		stream->elements = 1;
		stream->over = false;
		xml_stream_head(stream, name, attrs);
	}
	if (n / 2 > stream->limits.attrs ||
	    stream->elements > stream->limits.elements ||
	    stream->depth > stream->limits.depth)
		stream->over = true;
	stream->depth++;
}

static void
xml_stream_emit(struct xml_stream *stream)
{
	size_t from = (size_t)(stream->from - stream->base);
	size_t len = (size_t)(xml_stream_behind(stream) - stream->from);

	if (len > stream->limits.size)
		stream->over = true;
	if (stream->over)
		stream->ops->over(stream->arg, stream->head.data,
		    stream->head.len);
	else
		stream->ops->element(stream->arg, stream->raw.data + from, len);
	stream->over = false;
}

static void
xml_stream_end_cb(void *arg, const char *name UNUSED)
{
	struct xml_stream *stream = arg;

	if (stream->why != NULL)
		return;
	stream->quiet = 0;
	if (--stream->depth == 1) {
		stream->done = xml_stream_behind(stream);
		xml_stream_emit(stream);
	} else if (stream->depth == 0) {
		stream->ops->end(stream->arg);
	}
}

static void
xml_stream_text_cb(void *arg, const char *text UNUSED, int len UNUSED)
{
	struct xml_stream *stream = arg;

	stream->quiet = 0;
	if (stream->depth == 1)
		stream->done = xml_stream_behind(stream);
}

static void
xml_stream_restricted_cb(void *arg, const char *text UNUSED)
{
	xml_stream_refuse(arg, "what XMPP does not allow");
}

static void
xml_stream_pi_cb(void *arg, const char *target UNUSED, const char *data UNUSED)
{
	xml_stream_restricted_cb(arg, NULL);
}

static void
xml_stream_doctype_cb(void *arg, const char *name UNUSED,
    const char *sysid UNUSED, const char *pubid UNUSED, int internal UNUSED)
{
	xml_stream_restricted_cb(arg, NULL);
}

struct xml_stream *
xml_stream_create(const struct xml_limits *limits,
    const struct xml_stream_ops *ops, void *arg)
{
	struct xml_stream *stream = xcalloc(1, sizeof(*stream));

	stream->limits = *limits;
	stream->ops = ops;
	stream->arg = arg;
	buf_init(&stream->root, XML_STREAM_ROOT_MAX);
	buf_init(&stream->name, XML_STREAM_ROOT_MAX);
	buf_init(&stream->raw, 0);
	buf_init(&stream->head, 0);
	/* Names as written: who reads an element reads it with the root around
	 * it, and then knows their namespaces. */
	stream->parser = XML_ParserCreate("UTF-8");
	if (stream->parser == NULL)
		fatal(EX_OSERR, "xml.stream", "");
#if HAVE_DECL_XML_SETREPARSEDEFERRALENABLED
	XML_SetReparseDeferralEnabled(stream->parser, XML_FALSE);
#endif
	XML_SetHashSalt(stream->parser, xml_salt_get());
	XML_SetUserData(stream->parser, stream);
	XML_SetElementHandler(stream->parser, xml_stream_start_cb,
	    xml_stream_end_cb);
	XML_SetCharacterDataHandler(stream->parser, xml_stream_text_cb);
	XML_SetCommentHandler(stream->parser, xml_stream_restricted_cb);
	XML_SetProcessingInstructionHandler(stream->parser, xml_stream_pi_cb);
	XML_SetStartDoctypeDeclHandler(stream->parser, xml_stream_doctype_cb);
	return stream;
}

void
xml_stream_free(struct xml_stream *stream)
{
	if (stream == NULL)
		return;
	XML_ParserFree(stream->parser);
	buf_clear(&stream->root);
	buf_clear(&stream->name);
	buf_clear(&stream->raw);
	buf_clear(&stream->head);
	free(stream);
}

/* What nobody will ask for again.  Of an element past a limit only its head is
 * kept, and that is elsewhere. */
static void
xml_stream_forget(struct xml_stream *stream)
{
	XML_Index keep = stream->done;

	if (stream->depth >= 2)
		keep = stream->over ?
		    stream->base + (XML_Index)stream->raw.len :
		    stream->from;
	buf_drain(&stream->raw, (size_t)(keep - stream->base));
	stream->base = keep;
	if (stream->raw.len == 0)
		buf_clear(&stream->raw);
}

enum err
xml_stream_feed(struct xml_stream *stream, const char *data, size_t len,
    const char **why)
{
	enum XML_Status status = XML_STATUS_ERROR;

	stream->quiet += len;
	if (stream->why == NULL) {
		buf_add(&stream->raw, data, len);
		status = XML_Parse(stream->parser, data, (int)len, XML_FALSE);
	}
	if (stream->why == NULL && status != XML_STATUS_OK)
		stream->why = XML_ErrorString(XML_GetErrorCode(stream->parser));
	if (stream->why == NULL && stream->quiet > stream->limits.size)
		stream->why = "a tag is too large";
	if (stream->why == NULL)
		xml_stream_forget(stream);
	if (stream->depth >= 2 && stream->raw.len > stream->limits.size)
		stream->over = true;
	*why = stream->why;
	return stream->why == NULL ? ERR_OK : ERR_BAD;
}

void
xml_stream_around(const struct xml_stream *stream, const char *text, size_t len,
    struct buf *out)
{
	buf_add(out, stream->root.data, stream->root.len);
	buf_add(out, text, len);
	buf_adds(out, "</");
	buf_add(out, stream->name.data, stream->name.len);
	buf_addc(out, '>');
}
