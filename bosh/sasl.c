#include "bosh/sasl.h"

#include <stdio.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/text.h"
#include "common/xmpp/jid.h"

enum mechanism {
	MECHANISM_NONE,
	MECHANISM_ANONYMOUS,
	MECHANISM_PLAIN,
	MECHANISM_OAUTHBEARER,
	MECHANISM_MAX
};

static const char *const mechanisms[MECHANISM_MAX] = { "", "ANONYMOUS", "PLAIN",
	"OAUTHBEARER" };

/* What one step works on. */
struct sasl_call {
	const struct conf *conf;
	int64_t now_ms;
	struct slice message; /* decoded */
	struct sasl_outcome *outcome;
};

static bool
sasl_takes(const struct conf *conf, bool secure, enum mechanism mechanism)
{
	return mechanism == MECHANISM_ANONYMOUS ? conf->bosh.anonymous : secure;
}

/* Of what it takes, what can be of use.  stanza.js goes by its own list, not
 * by what it was given: offered a mechanism in vain, it fails with that. */
static bool
sasl_offers(const struct conf *conf, bool secure, enum mechanism mechanism)
{
	bool has_jwt = false;

	for (size_t i = 0; i < conf->n_tokens; i++)
		has_jwt = has_jwt || conf->tokens[i].kind == TOKEN_JWT;
	return sasl_takes(conf, secure, mechanism) &&
	    (mechanism != MECHANISM_PLAIN || conf->n_tokens > 0) &&
	    (mechanism != MECHANISM_OAUTHBEARER || has_jwt);
}

void
sasl_mechanisms(const struct conf *conf, bool secure, struct buf *out)
{
	buf_adds(out, "<mechanisms xmlns='" SASL_NS "'>");
	for (enum mechanism i = MECHANISM_ANONYMOUS; i < MECHANISM_MAX; i++)
		if (sasl_offers(conf, secure, i)) {
			buf_adds(out, "<mechanism>");
			buf_adds(out, mechanisms[i]);
			buf_adds(out, "</mechanism>");
		}
	buf_adds(out, "</mechanisms>");
}

static enum sasl_result
sasl_fail(struct sasl_call *call, const char *condition)
{
	call->outcome->failure = condition;
	return SASL_FAILURE;
}

/* Text is `user` or `user@domain`; the prepared node goes to the outcome. */
static bool
sasl_user(struct sasl_call *call, struct slice text)
{
	const char *domain = call->conf->bosh.domain, *why;
	struct buf address;
	struct jid jid;
	bool ok;

	buf_init(&address, JID_MAX);
	buf_add(&address, text.p, text.len);
	if (memchr(text.p, '@', text.len) == NULL) {
		buf_addc(&address, '@');
		buf_adds(&address, domain);
	}
	ok = text.len > 0 && !address.failed &&
	    jid_parse(address.data, address.len, &jid, &why) == ERR_OK &&
	    jid.node_len > 0 && jid.node_len <= SASL_USER_MAX &&
	    jid.resource_len == 0 && jid_domain_is(&jid, domain);
	if (ok) {
		memcpy(call->outcome->user, jid.full, jid.node_len);
		call->outcome->user[jid.node_len] = '\0';
	}
	buf_clear(&address);
	return ok;
}

static enum sasl_result
sasl_secret(struct sasl_call *call, const char *user, const char *secret)
{
	const char *why;

	if (auth_secret(call->conf, user, secret, call->now_ms,
	        &call->outcome->grant, &why) != ERR_OK)
		return sasl_fail(call, "not-authorized");
	return SASL_SUCCESS;
}

static enum sasl_result
sasl_anonymous(struct sasl_call *call)
{
	unsigned char random[10];
	struct buf hex;

	crypto_random(random, sizeof(random));
	buf_init(&hex, 0);
	text_hex(random, sizeof(random), &hex);
	snprintf(call->outcome->user, sizeof(call->outcome->user), "%s",
	    hex.data);
	buf_clear(&hex);
	call->outcome->anonymous = true;
	return SASL_SUCCESS;
}

/* The message up to the next mark, which is dropped; false when there is no
 * mark. */
static bool
sasl_cut(struct slice *message, char mark, struct slice *part)
{
	const char *at;

	if (message->len == 0)
		return false;
	at = memchr(message->p, mark, message->len);
	if (at == NULL)
		return false;
	*part = (struct slice){ message->p, (size_t)(at - message->p) };
	message->p = at + 1;
	message->len -= part->len + 1;
	return true;
}

/* RFC 4616: authzid NUL authcid NUL password. */
static enum sasl_result
sasl_plain(struct sasl_call *call)
{
	struct slice message = call->message, authzid, authcid;
	char other[SASL_USER_MAX + 1];

	if (!sasl_cut(&message, '\0', &authzid) ||
	    !sasl_cut(&message, '\0', &authcid) || authcid.len == 0 ||
	    message.len == 0 || memchr(message.p, '\0', message.len) != NULL)
		return sasl_fail(call, "malformed-request");
	if (authzid.len > 0) {
		if (!sasl_user(call, authzid))
			return sasl_fail(call, "invalid-authzid");
		memcpy(other, call->outcome->user, sizeof(other));
	}
	if (!sasl_user(call, authcid))
		return sasl_fail(call, "not-authorized");
	if (authzid.len > 0 && strcmp(other, call->outcome->user) != 0)
		return sasl_fail(call, "invalid-authzid");
	/* Decoded text is followed by a NUL (buf.h). */
	return sasl_secret(call, call->outcome->user, message.p);
}

static bool
sasl_bearer(struct slice *message, char *secret, size_t size)
{
	static const char name[] = "auth=Bearer ";
	struct slice part;

	while (sasl_cut(message, '\1', &part)) {
		if (part.len <= strlen(name) ||
		    memcmp(part.p, name, strlen(name)) != 0)
			continue;
		part.p += strlen(name);
		part.len -= strlen(name);
		if (part.len >= size || memchr(part.p, '\0', part.len) != NULL)
			return false;
		memcpy(secret, part.p, part.len);
		secret[part.len] = '\0';
		return true;
	}
	return false;
}

/* RFC 7628: "n,a=user@host," \1 key=value \1 … \1.  Its round trip for the
 * reason of a failure is left out: RFC 6120 lets the server fail at once. */
static enum sasl_result
sasl_oauthbearer(struct sasl_call *call)
{
	struct slice message = call->message, flag, user, rest;
	char secret[4096];
	enum sasl_result result;

	if (!sasl_cut(&message, ',', &flag) || flag.len != 1 ||
	    *flag.p == 'p' || !sasl_cut(&message, ',', &user) ||
	    !sasl_cut(&message, '\1', &rest) ||
	    !sasl_bearer(&message, secret, sizeof(secret)))
		return sasl_fail(call, "malformed-request");
	if (user.len > 2 && memcmp(user.p, "a=", 2) == 0) {
		user.p += 2;
		user.len -= 2;
		if (!sasl_user(call, user))
			return sasl_fail(call, "not-authorized");
		return sasl_secret(call, call->outcome->user, secret);
	}
	result = sasl_secret(call, NULL, secret);
	if (result != SASL_SUCCESS)
		return result;
	flag.p = *call->outcome->grant.subject != '\0' ?
	    call->outcome->grant.subject :
	    call->outcome->grant.token->name;
	flag.len = strlen(flag.p);
	return sasl_user(call, flag) ? SASL_SUCCESS :
	                               sasl_fail(call, "not-authorized");
}

static enum sasl_result
sasl_run(struct sasl_call *call, enum mechanism mechanism, const char *text,
    size_t len)
{
	enum sasl_result result;
	struct buf message;

	buf_init(&message, 0);
	/* `=` is an empty message (RFC 6120 §6.4.2). */
	if (!(len == 1 && *text == '=') &&
	    !text_base64_decode(text, len, &message)) {
		buf_clear(&message);
		return sasl_fail(call, "incorrect-encoding");
	}
	call->message = (struct slice){ message.data, message.len };
	switch (mechanism) {
	case MECHANISM_ANONYMOUS:
		result = sasl_anonymous(call);
		break;
	case MECHANISM_PLAIN:
		result = sasl_plain(call);
		break;
	default:
		result = sasl_oauthbearer(call);
	}
	if (message.data != NULL)
		explicit_bzero(message.data, message.size);
	buf_clear(&message);
	return result;
}

static enum mechanism
sasl_find(const struct conf *conf, bool secure, const char *name)
{
	for (enum mechanism i = MECHANISM_ANONYMOUS; i < MECHANISM_MAX; i++)
		if (name != NULL && strcmp(name, mechanisms[i]) == 0 &&
		    sasl_takes(conf, secure, i))
			return i;
	return MECHANISM_NONE;
}

/* Which mechanism the element is about; MECHANISM_NONE fills the failure. */
static enum mechanism
sasl_mechanism(struct sasl *sasl, struct sasl_call *call, bool secure,
    const struct xml *element)
{
	enum mechanism mechanism = MECHANISM_NONE;

	if (xml_is(element, SASL_NS, "auth")) {
		mechanism = sasl_find(call->conf, secure,
		    xml_attr(element, "mechanism"));
		if (mechanism == MECHANISM_NONE)
			sasl_fail(call, "invalid-mechanism");
	} else if (xml_is(element, SASL_NS, "response") &&
	    sasl->waiting != MECHANISM_NONE)
		mechanism = (enum mechanism)sasl->waiting;
	else
		sasl_fail(call,
		    xml_is(element, SASL_NS, "abort") ? "aborted" :
		                                        "malformed-request");
	return mechanism;
}

enum sasl_result
sasl_step(struct sasl *sasl, const struct conf *conf, bool secure,
    const struct xml *element, int64_t now_ms, struct sasl_outcome *outcome)
{
	struct sasl_call call = { .conf = conf,
		.now_ms = now_ms,
		.outcome = outcome };
	enum sasl_result result = SASL_FAILURE;
	enum mechanism mechanism;
	struct buf text;

	memset(outcome, 0, sizeof(*outcome));
	buf_init(&text, 0);
	mechanism = sasl_mechanism(sasl, &call, secure, element);
	xml_text(element, &text);
	if (mechanism != MECHANISM_NONE && sasl->waiting == MECHANISM_NONE &&
	    mechanism != MECHANISM_ANONYMOUS && text.len == 0) {
		sasl->waiting = (unsigned char)mechanism;
		buf_clear(&text);
		return SASL_CHALLENGE;
	}
	sasl->waiting = MECHANISM_NONE;
	if (mechanism != MECHANISM_NONE)
		result = sasl_run(&call, mechanism,
		    text.data == NULL ? "" : text.data, text.len);
	buf_clear(&text);
	if (result == SASL_FAILURE)
		sasl->failures++;
	return result;
}
