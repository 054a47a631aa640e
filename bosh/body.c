#include "bosh/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define BODY_NS_XML "http://www.w3.org/XML/1998/namespace"

/* What we implement: XEP-0124 1.11. */
#define BODY_VER_MINOR 11

#define BODY_TEXT_EMPTY "<body xmlns='" BODY_NS "'/>"

const char body_empty[] = BODY_TEXT_EMPTY;
const size_t body_empty_len = sizeof(BODY_TEXT_EMPTY) - 1;

static const struct {
	const char *name;
	int legacy_status;
} conditions[COND_MAX] = {
	[COND_NONE] = { "", 200 },
	[COND_BAD_REQUEST] = { "bad-request", 400 },
	[COND_HOST_GONE] = { "host-gone", 200 },
	[COND_HOST_UNKNOWN] = { "host-unknown", 200 },
	[COND_IMPROPER_ADDRESSING] = { "improper-addressing", 200 },
	[COND_INTERNAL_SERVER_ERROR] = { "internal-server-error", 200 },
	[COND_ITEM_NOT_FOUND] = { "item-not-found", 404 },
	[COND_OTHER_REQUEST] = { "other-request", 200 },
	[COND_POLICY_VIOLATION] = { "policy-violation", 403 },
	[COND_REMOTE_STREAM_ERROR] = { "remote-stream-error", 200 },
	[COND_SEE_OTHER_URI] = { "see-other-uri", 200 },
	[COND_SYSTEM_SHUTDOWN] = { "system-shutdown", 200 },
};

const char *
condition_name(enum condition condition)
{
	return conditions[condition].name;
}

int
condition_http_status(enum condition condition)
{
	return conditions[condition].legacy_status;
}

/* ---- attributes ------------------------------------------------------ */

static void
body_init(struct body *body)
{
	*body = (struct body){ .wait_s = -1, .hold = -1, .pause_s = -1 };
}

static bool
body_number(struct slice value, uint64_t max, uint64_t *number)
{
	return text_to_u64(value.p, value.len, max, number);
}

static void
body_set_number(struct body *body, struct slice value, int64_t *number)
{
	uint64_t n;

	if (body_number(value, INT32_MAX, &n))
		*number = (int64_t)n;
	else
		body->bad = true;
}

/* "1.10" is two integers, not a fraction.  An unreadable one is as if absent:
 * the client is treated as one from before versions (XEP-0124 §7.1). */
static void
body_set_version(struct body *body, struct slice value)
{
	const char *dot;
	uint64_t major, minor;
	size_t head;

	dot = memchr(value.p, '.', value.len);
	if (dot == NULL)
		return;
	head = (size_t)(dot - value.p);
	if (!text_to_u64(value.p, head, 999, &major) || major == 0 ||
	    !text_to_u64(dot + 1, value.len - head - 1, 999, &minor))
		return;
	body->has_ver = true;
	body->ver_major = (unsigned)major;
	body->ver_minor = (unsigned)minor;
}

static bool
body_is_true(struct slice value)
{
	return (value.len == 4 && memcmp(value.p, "true", 4) == 0) ||
	    (value.len == 1 && *value.p == '1');
}

/* Of a literal: most texts differ in their length, which costs nothing. */
#define BODY_IS(text, word)                \
	((text).len == sizeof(word) - 1 && \
	    memcmp((text).p, (word), sizeof(word) - 1) == 0)

/* Unknown attributes mean nothing (XEP-0124 §6). */
static void
body_set(struct body *body, struct slice name, struct slice value)
{
	if (BODY_IS(name, "rid")) {
		body->has_rid =
		    body_number(value, UINT64_MAX, &body->rid) && body->rid > 0;
		body->bad |= !body->has_rid;
	} else if (BODY_IS(name, "sid"))
		body->sid = value;
	else if (BODY_IS(name, "ack")) {
		body->has_ack = body_number(value, BODY_RID_MAX, &body->ack);
		body->bad |= !body->has_ack;
	} else if (BODY_IS(name, "type"))
		/* gloox says "terminal". */
		body->terminate =
		    BODY_IS(value, "terminate") || BODY_IS(value, "terminal");
	else if (BODY_IS(name, "pause")) {
		body_set_number(body, value, &body->pause_s);
		body->bad |= body->pause_s == 0;
	} else if (BODY_IS(name, "key"))
		body->key = value;
	else if (BODY_IS(name, "newkey"))
		body->newkey = value;
	else if (BODY_IS(name, "to"))
		body->to = value;
	else if (BODY_IS(name, "wait"))
		body_set_number(body, value, &body->wait_s);
	else if (BODY_IS(name, "hold"))
		body_set_number(body, value, &body->hold);
	else if (BODY_IS(name, "ver"))
		body_set_version(body, value);
	else if (BODY_IS(name, "content"))
		body->content = value;
}

/* ---- the short way --------------------------------------------------- */

static const char *
body_skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Characters that mean themselves in an attribute: no references, no white
 * space to normalise, no bytes to check for UTF-8. */
static const bool body_plain[256] = {
	['a' ... 'z'] = true,
	['A' ... 'Z'] = true,
	['-' ... ':'] = true,
	['_'] = true,
};

static const char *
body_skip_plain(const char *p, const char *end)
{
	while (p < end && body_plain[(unsigned char)*p])
		p++;
	return p;
}

/* One ` name='value'`.  NULL: leave it to the parser. */
static const char *
body_scan_attr(const char *p, const char *end, struct slice *name,
    struct slice *value)
{
	char quote;

	name->p = p;
	while (p < end && *p >= 'a' && *p <= 'z')
		p++;
	name->len = (size_t)(p - name->p);
	if (end - p < 3 || p[0] != '=' || (p[1] != '\'' && p[1] != '"'))
		return NULL;
	quote = p[1];
	p += 2;
	value->p = p;
	p = body_skip_plain(p, end);
	value->len = (size_t)(p - value->p);
	return p < end && *p == quote ? p + 1 : NULL;
}

static bool
body_scan_end(const char *p, const char *end)
{
	static const char open_close[] = "></body>";

	if (end - p >= 2 && p[0] == '/' && p[1] == '>')
		p += 2;
	else if ((size_t)(end - p) >= sizeof(open_close) - 1 &&
	    memcmp(p, open_close, sizeof(open_close) - 1) == 0)
		p += sizeof(open_close) - 1;
	else
		return false;
	return body_skip_space(p, end) == end;
}

/* Attributes a poll may have; a bit for each, so that one given twice is left
 * to the parser, which refuses it. */
static unsigned
body_poll_attr(struct slice name)
{
	return BODY_IS(name, "rid") ? 1 :
	    BODY_IS(name, "sid")    ? 2 :
	    BODY_IS(name, "xmlns")  ? 4 :
	    BODY_IS(name, "ack")    ? 8 :
	    BODY_IS(name, "key")    ? 16 :
	    BODY_IS(name, "newkey") ? 32 :
	    BODY_IS(name, "to")     ? 64 :
	                              0;
}

static bool
body_scan(const char *text, size_t len, struct body *body)
{
	const char *p = text, *end = text + len, *next;
	struct slice name, value;
	unsigned seen = 0, bit;
	bool ns = false;

	if (len < 5 || memcmp(p, "<body", 5) != 0)
		return false;
	for (p += 5;; p = next) {
		next = body_skip_space(p, end);
		if (next < end && (*next == '/' || *next == '>'))
			break;
		if (next == p ||
		    (next = body_scan_attr(next, end, &name, &value)) == NULL)
			return false;
		bit = body_poll_attr(name);
		if (bit == 0 || (seen & bit) != 0)
			return false;
		seen |= bit;
		if (BODY_IS(name, "xmlns")) {
			if (!BODY_IS(value, BODY_NS))
				return false;
			ns = true;
		} else
			body_set(body, name, value);
	}
	return ns && body->sid.p != NULL && body_scan_end(next, end);
}

/* ---- the long way ---------------------------------------------------- */

static struct slice
body_slice(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

static void
body_set_attrs(struct body *body)
{
	const struct xml_attr *attr;

	for (int i = 0; i < body->root->n_attrs; i++) {
		attr = &body->root->attrs[i];
		if (*attr->name.ns == '\0')
			body_set(body, body_slice(attr->name.local),
			    body_slice(attr->value));
		else if (strcmp(attr->name.ns, BODY_NS_XMPP) == 0) {
			if (strcmp(attr->name.local, "restart") == 0)
				body->restart =
				    body_is_true(body_slice(attr->value));
		} else if (strcmp(attr->name.ns, BODY_NS_XML) == 0 &&
		    strcmp(attr->name.local, "lang") == 0)
			body->lang = body_slice(attr->value);
	}
}

/* The tree is ours until someone reads it: its arena is writable. */
static struct xml *
body_writable(const struct xml *node)
{
	return (struct xml *)(uintptr_t)node;
}

/* Depth is bounded by the reader's limit. */
void
body_to_client_ns(const struct xml *node, const char *from)
{
	for (; node != NULL; node = node->next) {
		if (node->name == NULL)
			continue;
		if (strcmp(node->ns, from) == 0)
			body_writable(node)->ns = "jabber:client";
		body_to_client_ns(node->child, from);
	}
}

static bool
body_is_blank(const struct xml *text)
{
	return body_skip_space(text->text, text->text + text->text_len) ==
	    text->text + text->text_len;
}

static enum err
body_check(const struct xml *root, const char **why)
{
	if (!xml_is(root, BODY_NS, "body")) {
		*why = "the root is not a body of BOSH";
		return ERR_BAD;
	}
	for (const struct xml *node = root->child; node != NULL;
	     node = node->next)
		if (node->name == NULL && !body_is_blank(node)) {
			*why = "text directly inside the body";
			return ERR_BAD;
		}
	return ERR_OK;
}

enum err
body_parse(struct xml_reader *reader, const char *text, size_t len,
    struct body *body, const char **why)
{
	static const char bom[] = "\xEF\xBB\xBF";
	struct xml_error error;
	enum err err;

	body_init(body);
	if (body_scan(text, len, body))
		return ERR_OK;
	body_init(body);
	if (len >= 3 && memcmp(text, bom, 3) == 0) {
		text += 3;
		len -= 3;
	}
	err = xml_parse(reader, text, len, true, &body->root, &error);
	if (err != ERR_OK) {
		body->root = NULL;
		*why = error.why;
		return err;
	}
	err = body_check(body->root, why);
	if (err != ERR_OK) {
		body_clear(body);
		return err;
	}
	body_set_attrs(body);
	body_to_client_ns(body->root->child, BODY_NS);
	body->has_payload = xml_first(body->root) != NULL;
	return ERR_OK;
}

void
body_clear(struct body *body)
{
	if (body->root != NULL)
		xml_free(body->root);
	body_init(body);
}

/* Of an empty request only the keys are asked for later. */
static void
body_keep_slice(struct slice *slice, char **at)
{
	if (slice->p == NULL)
		return;
	memcpy(*at, slice->p, slice->len);
	slice->p = *at;
	*at += slice->len;
}

struct body *
body_keep(struct body *body)
{
	struct body *kept;
	size_t more = 0;
	char *at;

	if (body->root == NULL)
		more = body->key.len + body->newkey.len;
	kept = xmalloc(sizeof(*kept) + more);
	*kept = *body;
	if (body->root == NULL) {
		at = (char *)(kept + 1);
		body_keep_slice(&kept->key, &at);
		body_keep_slice(&kept->newkey, &at);
		kept->sid = (struct slice){ NULL, 0 };
		kept->to = (struct slice){ NULL, 0 };
	}
	body_init(body);
	return kept;
}

void
body_free(struct body *body)
{
	if (body == NULL)
		return;
	body_clear(body);
	free(body);
}

const struct xml *
body_first(const struct body *body)
{
	return body->root == NULL ? NULL : xml_first(body->root);
}

/* ---- answers --------------------------------------------------------- */

static void
body_add_number(struct buf *out, const char *name, uint64_t number)
{
	buf_addc(out, ' ');
	buf_adds(out, name);
	buf_add(out, "='", 2);
	buf_addu(out, number);
	buf_addc(out, '\'');
}

#define BODY_ADD(out, text) buf_add((out), (text), sizeof(text) - 1)

static void
body_add_seconds(struct buf *out, const char *name, int64_t ms)
{
	body_add_number(out, name, (uint64_t)ms / 1000);
}

void
body_open(struct buf *out, const struct body_attrs *attrs)
{
	BODY_ADD(out, "<body xmlns='" BODY_NS "'");
	if (attrs->stream)
		BODY_ADD(out,
		    " xmlns:stream='http://etherx.jabber.org/streams'");
	if (attrs->ack != 0)
		body_add_number(out, "ack", attrs->ack);
	if (attrs->report != 0) {
		body_add_number(out, "report", attrs->report);
		body_add_number(out, "time", (uint64_t)attrs->report_ms);
	}
	buf_addc(out, '>');
}

void
body_close(struct buf *out)
{
	BODY_ADD(out, "</body>");
}

void
body_open_created(struct buf *out, const struct body_created *created)
{
	BODY_ADD(out,
	    "<body xmlns='" BODY_NS "' xmlns:xmpp='" BODY_NS_XMPP
	    "' xmlns:stream='http://etherx.jabber.org/streams' sid='");
	buf_adds(out, created->sid);
	BODY_ADD(out, "' from='");
	buf_adds_xml(out, created->domain);
	buf_addc(out, '\'');
	body_add_seconds(out, "wait", created->wait_ms);
	body_add_number(out, "hold", (uint64_t)created->hold);
	body_add_number(out, "requests", (uint64_t)created->requests);
	body_add_seconds(out, "inactivity", created->inactivity_ms);
	if (created->polling_ms > 0)
		body_add_seconds(out, "polling", created->polling_ms);
	if (created->max_pause_ms > 0)
		body_add_seconds(out, "maxpause", created->max_pause_ms);
	if (created->has_ver) {
		BODY_ADD(out, " ver='1.");
		buf_addu(out,
		    created->ver_minor < BODY_VER_MINOR ? created->ver_minor :
		                                          BODY_VER_MINOR);
		buf_addc(out, '\'');
	}
	if (created->ack != 0)
		body_add_number(out, "ack", created->ack);
	BODY_ADD(out, " xmpp:version='1.0' xmpp:restartlogic='true'>");
}

void
body_write_end(struct buf *out, enum condition condition,
    const char *stream_error)
{
	BODY_ADD(out, "<body xmlns='" BODY_NS "' type='terminate'");
	if (condition != COND_NONE) {
		BODY_ADD(out, " condition='");
		buf_adds(out, condition_name(condition));
		buf_addc(out, '\'');
	}
	if (stream_error == NULL) {
		BODY_ADD(out, "/>");
		return;
	}
	BODY_ADD(out, " xmlns:stream='http://etherx.jabber.org/streams'>");
	buf_adds(out, stream_error);
	body_close(out);
}

void
body_write_see_other(struct buf *out, const char *uri)
{
	BODY_ADD(out,
	    "<body xmlns='" BODY_NS "' type='terminate' "
	    "condition='see-other-uri'><uri>");
	buf_add_xml(out, uri, strlen(uri));
	BODY_ADD(out, "</uri></body>");
}

void
body_write_error(struct buf *out)
{
	BODY_ADD(out, "<body xmlns='" BODY_NS "' type='error'/>");
}
