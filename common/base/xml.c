#include "common/base/xml.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <expat.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/xml_arena.h"
#include "common/base/xml_salt.h"

/* Between namespace, name and prefix; no XML text can hold it, not even by a
 * character reference (XML 1.0 §2.2). */
#define XML_SEP '\001'

/* A namespace is stored once, however many names are in it: a long one with
 * many short elements would cost memory out of proportion to the text. */
struct xml_ns {
	struct xml_ns *next;
	const char *uri;
	size_t len;
};

struct xml_reader {
	XML_Parser parser;
	struct xml_limits limits;
	struct xml_arena arena;

	/* The running scan. */
	const struct xml_handler *handler;
	void *arg;
	bool decl_ok;
	enum err err;
	enum xml_fault fault;
	const char *why;
	XML_Index at; /* where err was found; expat moves on */
	struct xml_ns *namespaces;
	int elements;
	int decls; /* before the next start */
	int depth;
	struct xml_name *open; /* limits.depth of them */
	size_t from;           /* the last start tag */
	size_t to;
};

static pthread_once_t xml_salt_once = PTHREAD_ONCE_INIT;
static unsigned long xml_salt;

static void
xml_salt_draw(void)
{
	crypto_random(&xml_salt, sizeof xml_salt);
	xml_salt |= 1; /* 0 would mean: draw one for each parser */
}

unsigned long
xml_salt_get(void)
{
	pthread_once(&xml_salt_once, xml_salt_draw);
	return xml_salt;
}

struct xml_reader *
xml_reader_create(const struct xml_limits *limits)
{
	struct xml_reader *r = xcalloc(1, sizeof *r);

	r->limits = *limits;
	r->open = xcalloc(limits->depth > 0 ? (size_t)limits->depth : 1,
	    sizeof *r->open);
	return r;
}

void
xml_reader_free(struct xml_reader *r)
{
	if (r == NULL)
		return;
	if (r->parser != NULL)
		XML_ParserFree(r->parser);
	xml_arena_clear(&r->arena);
	free(r->open);
	free(r);
}

struct xml_arena *
xml_reader_arena(struct xml_reader *r)
{
	return &r->arena;
}

static void
xml_refuse(struct xml_reader *r, enum err err, const char *why)
{
	if (r->err != ERR_OK)
		return;
	r->err = err;
	r->why = why;
	r->at = XML_GetCurrentByteIndex(r->parser);
	XML_StopParser(r->parser, XML_FALSE);
}

static void
xml_refuse_as(struct xml_reader *r, enum xml_fault fault, const char *why)
{
	if (r->err == ERR_OK)
		r->fault = fault;
	xml_refuse(r, ERR_BAD, why);
}

static const char *
xml_ns_intern(struct xml_reader *r, const char *uri, size_t len)
{
	struct xml_ns *ns;

	for (ns = r->namespaces; ns != NULL; ns = ns->next)
		if (ns->len == len && memcmp(ns->uri, uri, len) == 0)
			return ns->uri;
	ns = xml_arena_alloc(&r->arena, sizeof *ns);
	ns->uri = xml_arena_copy(&r->arena, uri, len);
	ns->len = len;
	ns->next = r->namespaces;
	r->namespaces = ns;
	return ns->uri;
}

/* Expat's "uri SEP local SEP prefix", "uri SEP local" or "local". */
static void
xml_name_split(struct xml_reader *r, const char *text, struct xml_name *name)
{
	const char *sep = strchr(text, XML_SEP);
	char *local, *cut;

	name->ns = "";
	name->prefix = "";
	if (sep != NULL) {
		name->ns = xml_ns_intern(r, text, (size_t)(sep - text));
		text = sep + 1;
	}
	local = xml_arena_copy(&r->arena, text, strlen(text));
	name->local = local;
	if (sep != NULL && (cut = strchr(local, XML_SEP)) != NULL) {
		*cut = '\0';
		name->prefix = cut + 1;
	}
}

static struct xml_attr *
xml_attrs_copy(struct xml_reader *r, const char **pairs, int n)
{
	struct xml_attr *attrs;
	int i;

	if (n == 0)
		return NULL;
	attrs = xml_arena_alloc(&r->arena, (size_t)n * sizeof *attrs);
	for (i = 0; i < n; i++) {
		xml_name_split(r, pairs[2 * i], &attrs[i].name);
		attrs[i].value = xml_arena_copy(&r->arena, pairs[2 * i + 1],
		    strlen(pairs[2 * i + 1]));
	}
	return attrs;
}

static void
xml_start_cb(void *arg, const char *text, const char **pairs)
{
	struct xml_reader *r = arg;
	const struct xml_handler *h = r->handler;
	struct xml_name *name;
	const char *why = NULL;
	enum err err;
	int n = 0;

	if (r->err != ERR_OK)
		return;
	while (pairs[2 * n] != NULL)
		n++;
	if (++r->elements > r->limits.elements)
		return xml_refuse_as(r, XML_TOO_MUCH, "too many elements");
	if (r->depth >= r->limits.depth)
		return xml_refuse_as(r, XML_TOO_MUCH,
		    "elements are nested too deep");
	if (n + r->decls > r->limits.attrs)
		return xml_refuse_as(r, XML_TOO_MUCH,
		    "too many attributes on one element");
	r->decls = 0;
	r->from = (size_t)XML_GetCurrentByteIndex(r->parser);
	r->to = r->from + (size_t)XML_GetCurrentByteCount(r->parser);
	name = &r->open[r->depth++];
	xml_name_split(r, text, name);
	if (h->start == NULL)
		return;
	err = h->start(r->arg, name, xml_attrs_copy(r, pairs, n), n, r->from,
	    r->to, &why);
	if (err != ERR_OK)
		xml_refuse(r, err, why);
}

static void
xml_end_cb(void *arg, const char *text UNUSED)
{
	struct xml_reader *r = arg;
	const struct xml_handler *h = r->handler;
	size_t from, to;
	const char *why = NULL;
	enum err err;

	if (r->err != ERR_OK)
		return;
	r->depth--;
	if (h->end == NULL)
		return;
	from = (size_t)XML_GetCurrentByteIndex(r->parser);
	to = from + (size_t)XML_GetCurrentByteCount(r->parser);
	if (from == to) {
		/* The end that an empty-element tag implies. */
		from = r->from;
		to = r->to;
	}
	err = h->end(r->arg, &r->open[r->depth], from, to, &why);
	if (err != ERR_OK)
		xml_refuse(r, err, why);
}

static void
xml_text_cb(void *arg, const char *text, int len)
{
	struct xml_reader *r = arg;
	const char *why = NULL;
	enum err err;

	if (r->err != ERR_OK || r->handler->text == NULL)
		return;
	err = r->handler->text(r->arg, text, (size_t)len, &why);
	if (err != ERR_OK)
		xml_refuse(r, err, why);
}

static void
xml_decl_cb(void *arg, const char *prefix, const char *uri)
{
	struct xml_reader *r = arg;
	const char *why = NULL;
	enum err err;

	if (r->err != ERR_OK)
		return;
	r->decls++;
	if (r->handler->decl == NULL)
		return;
	err = r->handler->decl(r->arg, prefix == NULL ? "" : prefix,
	    uri == NULL ? "" : uri, &why);
	if (err != ERR_OK)
		xml_refuse(r, err, why);
}

static void
xml_doctype_cb(void *arg, const char *name UNUSED, const char *sysid UNUSED,
    const char *pubid UNUSED, int internal UNUSED)
{
	xml_refuse_as(arg, XML_RESTRICTED, "a DOCTYPE is not allowed");
}

static void
xml_pi_cb(void *arg, const char *target UNUSED, const char *data UNUSED)
{
	xml_refuse_as(arg, XML_RESTRICTED,
	    "a processing instruction is not allowed");
}

static void
xml_comment_cb(void *arg, const char *data UNUSED)
{
	xml_refuse_as(arg, XML_RESTRICTED, "a comment is not allowed");
}

static void
xml_xmldecl_cb(void *arg, const char *version, const char *encoding,
    int alone UNUSED)
{
	struct xml_reader *r = arg;

	if (!r->decl_ok)
		xml_refuse(r, ERR_BAD, "an XML declaration is not allowed");
	else if (version == NULL || strcmp(version, "1.0") != 0)
		xml_refuse(r, ERR_BAD, "the XML version must be 1.0");
	else if (encoding != NULL && strcasecmp(encoding, "UTF-8") != 0)
		xml_refuse(r, ERR_BAD, "the encoding must be UTF-8");
}

/* A reset parser has forgotten everything but its memory. */
static bool
xml_reader_reset(struct xml_reader *r)
{
	/* The encoding is said here so that expat guesses none. */
	if (r->parser == NULL)
		r->parser = XML_ParserCreateNS("UTF-8", XML_SEP);
	else if (!XML_ParserReset(r->parser, "UTF-8"))
		return false;
	if (r->parser == NULL)
		return false;
	XML_SetHashSalt(r->parser, xml_salt_get());
	XML_SetReturnNSTriplet(r->parser, 1);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, xml_start_cb, xml_end_cb);
	XML_SetCharacterDataHandler(r->parser, xml_text_cb);
	XML_SetStartNamespaceDeclHandler(r->parser, xml_decl_cb);
	XML_SetStartDoctypeDeclHandler(r->parser, xml_doctype_cb);
	XML_SetProcessingInstructionHandler(r->parser, xml_pi_cb);
	XML_SetCommentHandler(r->parser, xml_comment_cb);
	XML_SetXmlDeclHandler(r->parser, xml_xmldecl_cb);
	return true;
}

/* Expat counts columns in characters; we say bytes. */
static enum err
xml_fail(struct xml_error *error, enum err err, const char *why,
    const char *text, size_t at)
{
	size_t i, line_at = 0;

	error->err = err;
	error->fault = err == ERR_LARGE ? XML_TOO_MUCH : XML_MALFORMED;
	error->why = why;
	error->line = 1;
	for (i = 0; i < at; i++) {
		if (text[i] == '\n') {
			error->line++;
			line_at = i + 1;
		}
	}
	error->column = (int)(at - line_at) + 1;
	return err;
}

static enum err
xml_scan_failed(struct xml_reader *r, const char *text, size_t len,
    struct xml_error *error)
{
	enum XML_Error code = XML_GetErrorCode(r->parser);
	XML_Index at;

	at = r->err != ERR_OK ? r->at : XML_GetCurrentByteIndex(r->parser);
	if (at < 0)
		at = 0;
	if ((size_t)at > len)
		at = (XML_Index)len;
	if (r->err != ERR_OK) {
		xml_fail(error, r->err, r->why, text, (size_t)at);
		error->fault = r->fault;
		return r->err;
	}
	if (code == XML_ERROR_NO_MEMORY)
		return xml_fail(error, ERR_BUSY, "out of memory", text, 0);
	return xml_fail(error, ERR_BAD, XML_ErrorString(code), text,
	    (size_t)at);
}

/* Expat finds UTF-16 by its first two bytes, whatever encoding it was told. */
static const char *
xml_encoding_refused(const unsigned char *text, size_t len)
{
	/* RFC 6120 §11.6 */
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		return "a byte order mark is not allowed";
	if (len >= 2 && (text[0] >= 0xFE || text[0] == 0 || text[1] == 0))
		return "the encoding must be UTF-8";
	return NULL;
}

enum err
xml_scan(struct xml_reader *r, const char *text, size_t len, bool decl_ok,
    const struct xml_handler *handler, void *arg, struct xml_error *error)
{
	const char *why;

	if (len > r->limits.size || len > INT_MAX)
		return xml_fail(error, ERR_LARGE, "too large", text, 0);
	why = xml_encoding_refused((const unsigned char *)text, len);
	if (why != NULL)
		return xml_fail(error, ERR_BAD, why, text, 0);
	xml_arena_reset(&r->arena);
	r->namespaces = NULL;
	r->handler = handler;
	r->arg = arg;
	r->decl_ok = decl_ok;
	r->err = ERR_OK;
	r->fault = XML_MALFORMED;
	r->elements = r->decls = r->depth = 0;
	if (!xml_reader_reset(r))
		return xml_fail(error, ERR_BUSY, "out of memory", text, 0);
	if (XML_Parse(r->parser, text, (int)len, XML_TRUE) != XML_STATUS_OK)
		return xml_scan_failed(r, text, len, error);
	return ERR_OK;
}
