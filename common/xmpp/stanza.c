#include "common/xmpp/stanza.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/stamp.h"
#include "common/xmpp/stanza_rules.h"

#define STANZA_CLIENT    " xmlns='jabber:client'"
#define STANZA_ADDRESSES "http://jabber.org/protocol/address"

/* A run of the stanza's text. */
struct stanza_span {
	uint32_t at;
	uint32_t len;
};

enum stanza_own {
	STANZA_FROM,
	STANZA_ID,
	STANZA_TYPE,
	STANZA_OWNS
};

/*
 * Written as: head, ` to='…'`, ` from='…'`, ` id='…'`, tail.  The head is the
 * start tag without these three and without the default declaration, which the
 * form decides; the tail begins with its `>` or `/>`.
 */
struct stanza {
	enum stanza_kind kind;
	uint32_t size; /* of text */
	struct stanza_span head[2];
	struct stanza_span tail[2];
	struct stanza_span attr[2]; /* ` from='…'`, ` id='…'`, escaped */
	uint32_t own[STANZA_OWNS];  /* the value; 0: absent */
	bool stamped;
	bool addressed;
	const char *text; /* behind this struct, one allocation */
};

/* What an open element means to those inside it. */
enum {
	STANZA_CHAIN = 1,   /* it and all its ancestors are in jabber:client */
	STANZA_DECLARED = 2 /* the link's text has a default namespace here */
};

struct stanza_build {
	const char *input;
	struct stanza stanza;
	struct buf text;
	struct buf link; /* the tail for the link, as far as the scan is */
	struct buf open; /* a byte of flags for each open element */
	size_t copied;   /* input up to here is in link */
	size_t start;    /* the stanza in the input, its tail, its end */
	size_t tail;
	size_t stop;
	int children;
	bool edited;     /* the link's tail is not the input's */
	bool declares;   /* the coming element has a default declaration */
	bool undeclares; /* … which is empty */
};

/* ---- the text of a tag ----------------------------------------------- */

/* These walk tags that expat has accepted: each value is quoted and closed. */

static size_t
stanza_skip_space(const char *text, size_t at)
{
	while (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' ||
	    text[at] == '\n')
		at++;
	return at;
}

static size_t
stanza_skip_name(const char *text, size_t at)
{
	while (strchr(" \t\r\n=/>", text[at]) == NULL)
		at++;
	return at;
}

/*
 * The next attribute behind *at, which is where a name or an attribute ended.
 * False at the end of the tag, *at then being where `>` or `/>` begins.
 */
static bool
stanza_next_attr(const char *text, size_t *at, struct slice *name,
    struct slice *whole)
{
	size_t from, i;
	char quote;

	from = i = stanza_skip_space(text, *at);
	if (text[i] == '>' || text[i] == '/') {
		*at = i;
		return false;
	}
	i = stanza_skip_name(text, i);
	*name = (struct slice){ text + from, i - from };
	while (text[i] != '\'' && text[i] != '"')
		i++;
	quote = text[i++];
	while (text[i++] != quote)
		;
	*whole = (struct slice){ text + from, i - from };
	*at = i;
	return true;
}

static bool
stanza_name_is(struct slice name, const char *text)
{
	return name.len == strlen(text) && memcmp(name.p, text, name.len) == 0;
}

/* ---- building -------------------------------------------------------- */

static struct stanza_span
stanza_span_since(const struct buf *text, size_t at)
{
	return (struct stanza_span){ (uint32_t)at, (uint32_t)(text->len - at) };
}

static void
stanza_build_head(struct stanza_build *build, enum stanza_form form)
{
	const char *input = build->input;
	struct slice name, whole;
	size_t at = stanza_skip_name(input, build->start);
	size_t begin = build->text.len;

	buf_add(&build->text, input + build->start, at - build->start);
	if (form == STANZA_BOSH)
		buf_adds(&build->text, STANZA_CLIENT);
	while (stanza_next_attr(input, &at, &name, &whole)) {
		if (stanza_name_is(name, "to") ||
		    stanza_name_is(name, "from") ||
		    stanza_name_is(name, "id") || stanza_name_is(name, "xmlns"))
			continue;
		buf_addc(&build->text, ' ');
		buf_add(&build->text, whole.p, whole.len);
	}
	build->tail = at;
	build->stanza.head[form] = stanza_span_since(&build->text, begin);
}

/* Keeps a value of the publisher's to be read. */
static void
stanza_build_value(struct stanza_build *build, enum stanza_own own,
    const char *value)
{
	if (value == NULL)
		return;
	build->stanza.own[own] = (uint32_t)build->text.len;
	buf_add(&build->text, value, strlen(value) + 1);
}

/* Keeps it also as the attribute that is written where no receiver's own takes
 * its place. */
static void
stanza_build_attr(struct stanza_build *build, enum stanza_own own,
    const char *before, const char *value)
{
	size_t begin = build->text.len;

	if (value == NULL)
		return;
	buf_adds(&build->text, before);
	buf_adds_xml(&build->text, value);
	buf_addc(&build->text, '\'');
	build->stanza.attr[own] = stanza_span_since(&build->text, begin);
	stanza_build_value(build, own, value);
}

/* Brings the link's tail up to the input's byte `to`. */
static void
stanza_build_copy(struct stanza_build *build, size_t to)
{
	buf_add(&build->link, build->input + build->copied, to - build->copied);
	build->copied = to;
}

/* Leaves the default declaration of the tag at `from` out of the link's tail.
 */
static void
stanza_build_strip(struct stanza_build *build, size_t from)
{
	struct slice name, whole;
	size_t at = stanza_skip_name(build->input, from);
	size_t before = at;

	while (stanza_next_attr(build->input, &at, &name, &whole)) {
		if (stanza_name_is(name, "xmlns")) {
			stanza_build_copy(build, before);
			build->copied = at;
			build->edited = true;
			return;
		}
		before = at;
	}
}

static void
stanza_build_declare(struct stanza_build *build, size_t from)
{
	stanza_build_copy(build, stanza_skip_name(build->input, from));
	buf_adds(&build->link, STANZA_CLIENT);
	build->edited = true;
}

/* The tails, then everything into one allocation. */
static struct stanza *
stanza_build_finish(struct stanza_build *build)
{
	struct stanza *stanza;
	struct buf *text = &build->text;
	size_t begin = text->len;
	char *copy;

	buf_add(text, build->input + build->tail, build->stop - build->tail);
	build->stanza.tail[STANZA_BOSH] = stanza_span_since(text, begin);
	if (build->edited) {
		begin = text->len;
		buf_add(text, build->link.data, build->link.len);
	}
	build->stanza.tail[STANZA_LINK] = stanza_span_since(text, begin);
	stanza = xmalloc(sizeof *stanza + text->len);
	copy = (char *)(stanza + 1);
	memcpy(copy, text->data, text->len);
	*stanza = build->stanza;
	stanza->text = copy;
	stanza->size = (uint32_t)text->len;
	return stanza;
}

static void
stanza_build_clear(struct stanza_build *build)
{
	buf_clear(&build->text);
	buf_clear(&build->link);
	buf_clear(&build->open);
}

/* ---- the scan -------------------------------------------------------- */

static enum err
stanza_on_decl(void *arg, const char *prefix, const char *uri,
    const char **why UNUSED)
{
	struct stanza_build *build = arg;

	if (prefix[0] == '\0') {
		build->declares = true;
		build->undeclares = uri[0] == '\0';
	}
	return ERR_OK;
}

static const char *
stanza_start_root(struct stanza_build *build, const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs, size_t from)
{
	const char *why;

	why = stanza_rules_root(name, attrs, n_attrs, &build->stanza.kind);
	if (why != NULL)
		return why;
	build->start = from;
	stanza_build_head(build, STANZA_LINK);
	stanza_build_head(build, STANZA_BOSH);
	stanza_build_attr(build, STANZA_FROM, " from='",
	    stanza_rules_attr(attrs, n_attrs, "from"));
	stanza_build_attr(build, STANZA_ID, " id='",
	    stanza_rules_attr(attrs, n_attrs, "id"));
	stanza_build_value(build, STANZA_TYPE,
	    stanza_rules_attr(attrs, n_attrs, "type"));
	build->copied = build->tail;
	buf_addc(&build->open, STANZA_CHAIN);
	return NULL;
}

/*
 * In the chain the link's stream gives the namespace, so nothing may declare
 * one.  Inside a foreign element all stays as it is, but whoever inherited from
 * the stanza has to say now what he inherited.
 */
static const char *
stanza_start_child(struct stanza_build *build, const struct xml_name *name,
    size_t from)
{
	unsigned outer = (unsigned char)build->open.data[build->open.len - 1];
	bool client = stanza_rules_is_client(name);
	unsigned flags = outer & STANZA_DECLARED;

	if (build->open.len == 1) {
		build->children++;
		build->stanza.stamped |= stamp_is(name);
		build->stanza.addressed |=
		    strcmp(name->ns, STANZA_ADDRESSES) == 0;
	}
	if (client && (outer & STANZA_CHAIN)) {
		if (name->prefix[0] != '\0')
			return "a child of the stanza in jabber:client must "
			       "not have a prefix";
		flags = STANZA_CHAIN;
		if (build->declares)
			stanza_build_strip(build, from);
	} else if (build->declares) {
		flags = STANZA_DECLARED;
	} else if (client && name->prefix[0] == '\0' && flags == 0) {
		flags = STANZA_DECLARED;
		stanza_build_declare(build, from);
	}
	buf_addc(&build->open, (char)flags);
	return NULL;
}

static enum err
stanza_on_start(void *arg, const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs, size_t from, size_t to UNUSED,
    const char **why)
{
	struct stanza_build *build = arg;

	*why = stanza_rules_ns(name->ns);
	if (*why == NULL && build->undeclares)
		*why = "xmlns='' is not allowed";
	if (*why != NULL)
		return ERR_BAD;
	if (build->open.len == 0)
		*why = stanza_start_root(build, name, attrs, n_attrs, from);
	else
		*why = stanza_start_child(build, name, from);
	build->declares = false;
	return *why == NULL ? ERR_OK : ERR_BAD;
}

static enum err
stanza_on_end(void *arg, const struct xml_name *name UNUSED, size_t from UNUSED,
    size_t to, const char **why)
{
	struct stanza_build *build = arg;

	if (--build->open.len > 0)
		return ERR_OK;
	build->stop = to;
	stanza_build_copy(build, to);
	if (build->stanza.kind == STANZA_IQ && build->children != 1) {
		*why = "an iq of type get or set has exactly one child";
		return ERR_BAD;
	}
	return ERR_OK;
}

static const struct xml_handler stanza_handler = { stanza_on_decl,
	stanza_on_start, stanza_on_end, NULL };

/* ---- the stanza ------------------------------------------------------ */

enum err
stanza_parse(struct xml_reader *reader, const char *text, size_t len,
    struct stanza **stanza, struct xml_error *error)
{
	struct stanza_build build = { .input = text };
	enum err err;

	*stanza = NULL;
	err =
	    xml_scan(reader, text, len, false, &stanza_handler, &build, error);
	if (err == ERR_OK)
		*stanza = stanza_build_finish(&build);
	stanza_build_clear(&build);
	return err;
}

struct stanza *
stanza_event_of(const char *inner, size_t len)
{
	struct stanza_build build = { .stanza.kind = STANZA_MESSAGE };
	struct stanza *stanza;
	struct buf text;

	buf_init(&text, 0);
	buf_adds(&text,
	    "<message>"
	    "<event xmlns='http://jabber.org/protocol/pubsub#event'>");
	buf_add(&text, inner, len);
	buf_adds(&text, "</event></message>");
	build.input = text.data;
	build.stop = text.len;
	stanza_build_head(&build, STANZA_LINK);
	stanza_build_head(&build, STANZA_BOSH);
	stanza = stanza_build_finish(&build);
	stanza_build_clear(&build);
	buf_clear(&text);
	return stanza;
}

struct stanza *
stanza_event(const char *node, const char *item_id, const char *payload,
    size_t payload_len)
{
	struct stanza *stanza;
	struct buf inner;

	buf_init(&inner, 0);
	buf_adds(&inner, "<items node='");
	buf_adds_xml(&inner, node);
	buf_adds(&inner, "'><item id='");
	buf_adds_xml(&inner, item_id);
	buf_adds(&inner, "'>");
	buf_add(&inner, payload, payload_len);
	buf_adds(&inner, "</item></items>");
	stanza = stanza_event_of(inner.data, inner.len);
	buf_clear(&inner);
	return stanza;
}

void
stanza_free(struct stanza *stanza)
{
	free(stanza);
}

enum stanza_kind
stanza_kind(const struct stanza *stanza)
{
	return stanza->kind;
}

static const char *
stanza_own(const struct stanza *stanza, enum stanza_own own)
{
	return stanza->own[own] == 0 ? NULL : stanza->text + stanza->own[own];
}

const char *
stanza_from(const struct stanza *stanza)
{
	return stanza_own(stanza, STANZA_FROM);
}

const char *
stanza_id(const struct stanza *stanza)
{
	return stanza_own(stanza, STANZA_ID);
}

const char *
stanza_type(const struct stanza *stanza)
{
	return stanza_own(stanza, STANZA_TYPE);
}

bool
stanza_is_stamped(const struct stanza *stanza)
{
	return stanza->stamped;
}

bool
stanza_is_addressed(const struct stanza *stanza)
{
	return stanza->addressed;
}

size_t
stanza_size(const struct stanza *stanza)
{
	return sizeof *stanza + stanza->size;
}

/* ---- writing --------------------------------------------------------- */

/* What stands around the three values, and ends a stanza that was empty. */
#define STANZA_SPLICE (sizeof " to='' from='' id=''" + sizeof "></presence>")

static char *
stanza_put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *
stanza_put_span(char *at, const struct stanza *stanza, struct stanza_span span)
{
	return stanza_put(at, stanza->text + span.at, span.len);
}

/* Before is ` to='` and the like. */
static char *
stanza_put_attr(char *at, const char *before, const char *value, size_t len)
{
	at = stanza_put(at, before, strlen(before));
	at = stanza_put(at, value, len);
	*at++ = '\'';
	return at;
}

/* Behind the start tag's end; one that was empty is so no longer. */
static char *
stanza_put_inner(char *at, const struct stanza *stanza, struct stanza_span tail,
    const struct stanza_fill *fill)
{
	const char *name = stanza_kinds[stanza->kind];
	bool empty = stanza->text[tail.at] == '/';

	*at++ = '>';
	at = stanza_put(at, fill->inner, fill->inner_len);
	if (!empty)
		return stanza_put(at, stanza->text + tail.at + 1, tail.len - 1);
	at = stanza_put(at, "</", 2);
	at = stanza_put(at, name, strlen(name));
	*at++ = '>';
	return at;
}

size_t
stanza_len(const struct stanza *stanza, enum stanza_form form)
{
	return stanza->head[form].len + stanza->tail[form].len +
	    stanza->attr[STANZA_FROM].len + stanza->attr[STANZA_ID].len +
	    STANZA_SPLICE;
}

void
stanza_write(const struct stanza *stanza, enum stanza_form form,
    const struct stanza_fill *fill, struct buf *out)
{
	char *begin, *at;

	begin = at = buf_reserve(out,
	    stanza_len(stanza, form) + fill->to_len + fill->from_len +
	        fill->id_len + fill->inner_len);
	if (begin == NULL)
		return;
	at = stanza_put_span(at, stanza, stanza->head[form]);
	if (fill->to != NULL)
		at = stanza_put_attr(at, " to='", fill->to, fill->to_len);
	if (fill->from != NULL)
		at = stanza_put_attr(at, " from='", fill->from, fill->from_len);
	else
		at = stanza_put_span(at, stanza, stanza->attr[STANZA_FROM]);
	if (fill->id != NULL)
		at = stanza_put_attr(at, " id='", fill->id, fill->id_len);
	else
		at = stanza_put_span(at, stanza, stanza->attr[STANZA_ID]);
	if (fill->inner_len > 0)
		at = stanza_put_inner(at, stanza, stanza->tail[form], fill);
	else
		at = stanza_put_span(at, stanza, stanza->tail[form]);
	*at = '\0';
	out->len += (size_t)(at - begin);
}
