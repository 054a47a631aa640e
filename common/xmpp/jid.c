#include "config.h"

#include "common/xmpp/jid.h"

#include <arpa/inet.h>
#include <string.h>

#ifdef HAVE_LIBIDN
#include <stringprep.h>
#endif

#include "common/base/text.h"

#define JID_PART_MAX  1023
#define JID_LABEL_MAX 63

/* Why a text is no JID; static, as *why wants it. */
static const char jid_why_foreign[] =
#ifdef HAVE_LIBIDN
    "the JID has a character that its part does not allow";
#else
    "the JID is not ASCII, and this build has no libidn";
#endif

#ifdef HAVE_LIBIDN
#define JID_UNICODE(profile) profile
#else
#define JID_UNICODE(profile) NULL
typedef void Stringprep_profile;
#endif

/* How a part is prepared. */
struct jid_profile {
	const char *why; /* when ASCII is refused */
	bool (*ascii)(char *text, size_t len);
	const Stringprep_profile *unicode;
	bool (*check)(const char *text, size_t len); /* afterwards; NULL */
};

/* What jid_prepare() lets pass. */
enum jid_strict {
	JID_LENIENT, /* characters newer than Unicode 3.2, as Prosody does */
	JID_STRICT   /* none, as ejabberd does */
};

static bool
jid_is_ascii(const char *text, size_t len)
{
	while (len > 0)
		if ((unsigned char)text[--len] >= 0x80)
			return false;
	return true;
}

static char
jid_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Nodeprep of ASCII (RFC 6122 §A): case folded, no space, no control and none
 * of the eight that separate or quote. */
static bool
jid_ascii_node(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] == 0x7f ||
		    strchr("\"&'/:<>@", text[i]) != NULL)
			return false;
		text[i] = jid_lower(text[i]);
	}
	return true;
}

static bool
jid_ascii_resource(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

/* An IPv6 address in brackets (RFC 6122 §2.2). */
static bool
jid_is_literal(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;

	if (len < 4 || len - 2 >= sizeof address || text[len - 1] != ']')
		return false;
	memcpy(address, text + 1, len - 2);
	address[len - 2] = '\0';
	return inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool
jid_is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_' || (unsigned char)c >= 0x80;
}

/* Dotted labels, none empty or too long.  The underscore is no host name's, but
 * private networks use it and both servers take it. */
static bool
jid_is_domain(const char *text, size_t len)
{
	size_t label = 0;
	size_t i;

	if (text[0] == '[')
		return jid_is_literal(text, len);
	for (i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!jid_is_label_char(text[i]) || ++label > JID_LABEL_MAX)
			return false;
	}
	return label > 0;
}

static bool
jid_ascii_domain(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = jid_lower(text[i]);
	return jid_is_domain(text, len);
}

static const struct jid_profile jid_node = {
	"the part before @ has a character that is not allowed there",
	jid_ascii_node, JID_UNICODE(stringprep_xmpp_nodeprep), NULL
};
static const struct jid_profile jid_domain = { "the domain is not a host name",
	jid_ascii_domain, JID_UNICODE(stringprep_nameprep), jid_is_domain };
static const struct jid_profile jid_resource = {
	"the resource has a control character", jid_ascii_resource,
	JID_UNICODE(stringprep_xmpp_resourceprep), NULL
};

/* In place; size counts the NUL. */
static bool
jid_prepare_unicode(const struct jid_profile *profile UNUSED,
    enum jid_strict strict UNUSED, char *text UNUSED, size_t size UNUSED)
{
#ifdef HAVE_LIBIDN
	Stringprep_profile_flags flags =
	    strict == JID_STRICT ? STRINGPREP_NO_UNASSIGNED : 0;
	size_t len;

	if (stringprep(text, size, flags, profile->unicode) != STRINGPREP_OK)
		return false;
	len = strlen(text);
	return len > 0 && (profile->check == NULL || profile->check(text, len));
#else
	return false;
#endif
}

/* Prepares text into out, which has room for JID_PART_MAX and a NUL.  Returns
 * NULL, or why not. */
static const char *
jid_prepare(const struct jid_profile *profile, enum jid_strict strict,
    struct slice part, char *out, size_t *out_len)
{
	if (part.len > JID_PART_MAX)
		return "a part of the JID is longer than 1023 bytes";
	memcpy(out, part.p, part.len);
	out[part.len] = '\0';
	*out_len = part.len;
	if (jid_is_ascii(out, part.len))
		return profile->ascii(out, part.len) ? NULL : profile->why;
	if (memchr(out, '\0', part.len) != NULL || !text_is_utf8(out, part.len))
		return "the JID is not UTF-8";
	if (!jid_prepare_unicode(profile, strict, out, JID_PART_MAX + 1))
		return jid_why_foreign;
	*out_len = strlen(out);
	return NULL;
}

/* Prepares one part and puts it behind what the JID has. */
static const char *
jid_add(struct jid *jid, size_t *used, const struct jid_profile *profile,
    struct slice part, uint16_t *part_len)
{
	char prepared[JID_PART_MAX + 1];
	const char *why;
	size_t len;

	why = jid_prepare(profile, JID_LENIENT, part, prepared, &len);
	if (why != NULL)
		return why;
	memcpy(jid->full + *used, prepared, len);
	*used += len;
	*part_len = (uint16_t)len;
	return NULL;
}

static const char *
jid_build(struct jid *jid, struct slice node, struct slice domain,
    struct slice resource)
{
	const char *why = NULL;
	size_t used = 0;

	if (node.p != NULL) {
		why = jid_add(jid, &used, &jid_node, node, &jid->node_len);
		jid->full[used++] = '@';
	}
	if (why == NULL)
		why =
		    jid_add(jid, &used, &jid_domain, domain, &jid->domain_len);
	if (why == NULL && resource.p != NULL) {
		jid->full[used++] = '/';
		why = jid_add(jid, &used, &jid_resource, resource,
		    &jid->resource_len);
	}
	jid->full[used] = '\0';
	return why;
}

/* The resource begins at the first slash, the node ends at the first @ before
 * it (RFC 7622 §3.1). */
enum err
jid_parse(const char *text, size_t len, struct jid *jid, const char **why)
{
	struct slice node = { NULL, 0 };
	struct slice domain = { text, len };
	struct slice resource = { NULL, 0 };
	const char *mark;

	jid->node_len = jid->domain_len = jid->resource_len = 0;
	jid->full[0] = '\0';
	mark = len == 0 ? NULL : memchr(text, '/', len);
	if (mark != NULL) {
		domain.len = (size_t)(mark - text);
		resource = (struct slice){ mark + 1, len - domain.len - 1 };
	}
	mark = domain.len == 0 ? NULL : memchr(text, '@', domain.len);
	if (mark != NULL) {
		node = (struct slice){ text, (size_t)(mark - text) };
		domain.p = mark + 1;
		domain.len -= node.len + 1;
	}
	/* A final dot is the root of the DNS and no part (RFC 7622 §3.2). */
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	*why = "a part of the JID is empty";
	if (domain.len == 0 || (node.p != NULL && node.len == 0) ||
	    (resource.p != NULL && resource.len == 0))
		return ERR_BAD;
	*why = jid_build(jid, node, domain, resource);
	return *why == NULL ? ERR_OK : ERR_BAD;
}

const char *
jid_domain_of(const struct jid *jid)
{
	return jid->full + (jid->node_len > 0 ? jid->node_len + 1u : 0);
}

size_t
jid_bare_len(const struct jid *jid)
{
	return (size_t)(jid_domain_of(jid) - jid->full) + jid->domain_len;
}

bool
jid_same_bare(const struct jid *a, const struct jid *b)
{
	size_t len = jid_bare_len(a);

	return a->node_len == b->node_len && len == jid_bare_len(b) &&
	    memcmp(a->full, b->full, len) == 0;
}

bool
jid_equal(const struct jid *a, const struct jid *b)
{
	return strcmp(a->full, b->full) == 0;
}

void
jid_to_bare(struct jid *jid)
{
	jid->full[jid_bare_len(jid)] = '\0';
	jid->resource_len = 0;
}

bool
jid_domain_is(const struct jid *jid, const char *domain)
{
	return strlen(domain) == jid->domain_len &&
	    memcmp(jid_domain_of(jid), domain, jid->domain_len) == 0;
}

/* ---- passwords ------------------------------------------------------- */

static const struct jid_profile jid_password = { "", jid_ascii_resource,
	JID_UNICODE(stringprep_saslprep), NULL };

bool
jid_saslprep(const char *text, size_t len, struct buf *out)
{
	char prepared[JID_PART_MAX + 1];
	size_t prepared_len;

	if (len == 0 ||
	    jid_prepare(&jid_password, JID_LENIENT, (struct slice){ text, len },
	        prepared, &prepared_len) != NULL)
		return false;
	buf_add(out, prepared, prepared_len);
	explicit_bzero(prepared, sizeof prepared);
	return true;
}

/* ---- XEP-0106 -------------------------------------------------------- */

/* XEP-0106 §4.2: what nodeprep forbids, and the backslash. */
static const char jid_escaped[] = " \"&'/:<>@\\";
static const char jid_hex[] = "0123456789abcdef";

/* The character an escape at text stands for, or 0.  The digits are lower-case:
 * nodeprep leaves no others. */
static char
jid_escape_at(const char *text, size_t len)
{
	const char *high, *low;
	char c;

	if (len < 3 || text[0] != '\\' || text[1] == '\0' || text[2] == '\0')
		return 0;
	high = strchr(jid_hex, text[1]);
	low = strchr(jid_hex, text[2]);
	if (high == NULL || low == NULL)
		return 0;
	c = (char)((high - jid_hex) * 16 + (low - jid_hex));
	return c != 0 && strchr(jid_escaped, c) != NULL ? c : 0;
}

/* A backslash is itself unless it would read as an escape (§4.3). */
static void
jid_escape(const char *text, size_t len, struct buf *out)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (strchr(jid_escaped, text[i]) == NULL ||
		    (text[i] == '\\' &&
		        jid_escape_at(text + i, len - i) == 0)) {
			buf_addc(out, text[i]);
			continue;
		}
		buf_addc(out, '\\');
		buf_addc(out, jid_hex[text[i] >> 4]);
		buf_addc(out, jid_hex[text[i] & 15]);
	}
}

/* False when nodeprep would change it, or when it has a space at an end, which
 * no node may have even escaped (XEP-0106 §4.1). */
static bool
jid_channel_is_node(const char *channel, size_t len, struct buf *node)
{
	char prepared[JID_PART_MAX + 1];
	size_t prepared_len;

	if (len == 0 || channel[0] == ' ' || channel[len - 1] == ' ')
		return false;
	jid_escape(channel, len, node);
	return jid_prepare(&jid_node, JID_STRICT,
	           (struct slice){ node->data, node->len }, prepared,
	           &prepared_len) == NULL &&
	    prepared_len == node->len &&
	    memcmp(prepared, node->data, node->len) == 0;
}

void
jid_of_channel(const char *channel, const char *domain, struct buf *out)
{
	char prepared[JID_PART_MAX + 1];
	const struct slice name = { channel, strlen(channel) };
	size_t len;
	struct buf node;

	buf_init(&node, 0);
	if (jid_channel_is_node(channel, name.len, &node)) {
		buf_add(out, node.data, node.len);
		buf_addc(out, '@');
		buf_adds(out, domain);
	} else {
		buf_adds(out, domain);
		if (jid_prepare(&jid_resource, JID_STRICT, name, prepared,
		        &len) == NULL) {
			buf_addc(out, '/');
			buf_add(out, prepared, len);
		}
	}
	buf_clear(&node);
}

bool
jid_channel(const struct jid *jid, struct buf *channel)
{
	size_t begin = channel->len;
	size_t i = 0;
	char c;

	while (i < jid->node_len) {
		c = jid_escape_at(jid->full + i, jid->node_len - i);
		buf_addc(channel, c != 0 ? c : jid->full[i]);
		i += c != 0 ? 3 : 1;
	}
	return channel->len > begin && channel->data[begin] != ' ' &&
	    channel->data[channel->len - 1] != ' ';
}

bool
jid_is_listed(const struct jid *jid, char *const *list, size_t count)
{
	struct jid one;
	const char *why;
	size_t i;

	for (i = 0; i < count; i++) {
		if (jid_parse(list[i], strlen(list[i]), &one, &why) != ERR_OK)
			continue;
		if (one.node_len == 0 ? jid_domain_is(jid, one.full) :
		                        jid_same_bare(&one, jid))
			return true;
	}
	return false;
}
