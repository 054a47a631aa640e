#include "bosh/sasl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/scram.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/jid.h"

#define SASL_NONCE 18 /* random bytes of ours */

/* In the order in which they are offered. */
enum mechanism {
	MECHANISM_NONE,
	MECHANISM_SCRAM_SHA256,
	MECHANISM_SCRAM_SHA1,
	MECHANISM_PLAIN,
	MECHANISM_OAUTHBEARER,
	MECHANISM_ANONYMOUS,
	MECHANISM_MAX
};

static const char *const mechanisms[MECHANISM_MAX] = { "", "SCRAM-SHA-256",
	"SCRAM-SHA-1", "PLAIN", "OAUTHBEARER", "ANONYMOUS" };

#define SASL_LOGINS(mechanism)                                          \
	STAT_COUNTER("waft_bosh_logins_total", "Logins that succeeded", \
	    "mechanism=\"" mechanism "\"")
static struct stat_metric sasl_logins[MECHANISM_MAX] = {
	[MECHANISM_SCRAM_SHA256] = SASL_LOGINS("SCRAM-SHA-256"),
	[MECHANISM_SCRAM_SHA1] = SASL_LOGINS("SCRAM-SHA-1"),
	[MECHANISM_PLAIN] = SASL_LOGINS("PLAIN"),
	[MECHANISM_OAUTHBEARER] = SASL_LOGINS("OAUTHBEARER"),
	[MECHANISM_ANONYMOUS] = SASL_LOGINS("ANONYMOUS"),
};

/* SCRAM between its two messages.  The login is of the configuration of that
 * time; NULL, NULL for a stranger. */
struct sasl_exchange {
	struct scram *scram;
	struct login login;
};

/* What one step works on. */
struct sasl_call {
	const struct sasl_env *env;
	struct sasl *sasl;
	struct slice message; /* decoded */
	struct sasl_outcome *outcome;
};

/* ---- mechanisms ------------------------------------------------------ */

static enum mechanism
sasl_mechanism_of(const char *name)
{
	for (enum mechanism i = MECHANISM_NONE + 1; i < MECHANISM_MAX; i++)
		if (name != NULL && strcmp(name, mechanisms[i]) == 0)
			return i;
	return MECHANISM_NONE;
}

static bool
sasl_is_scram(enum mechanism mechanism)
{
	return mechanism == MECHANISM_SCRAM_SHA256 ||
	    mechanism == MECHANISM_SCRAM_SHA1;
}

static enum crypto_hash
sasl_hash(enum mechanism mechanism)
{
	return mechanism == MECHANISM_SCRAM_SHA1 ? CRYPTO_SHA1 : CRYPTO_SHA256;
}

static bool
sasl_is_listed(const struct sasl_env *env, enum mechanism mechanism)
{
	const struct conf_strings *listed = &env->conf->bosh.mechanisms;

	for (size_t i = 0; i < listed->count; i++)
		if (strcmp(listed->list[i], mechanisms[mechanism]) == 0)
			return true;
	return listed->count == 0;
}

static bool
sasl_takes(const struct sasl_env *env, enum mechanism mechanism)
{
	if (!sasl_is_listed(env, mechanism))
		return false;
	if (mechanism == MECHANISM_ANONYMOUS)
		return env->conf->bosh.anonymous;
	return env->secure || sasl_is_scram(mechanism);
}

/* Of what it takes, what can be of use.  stanza.js goes by its own list, not
 * by what it was given: offered a mechanism in vain, it fails with that. */
static bool
sasl_is_of_use(const struct sasl_env *env, enum mechanism mechanism)
{
	const struct conf *conf = env->conf;
	bool has_jwt = false;

	for (size_t i = 0; i < conf->n_tokens; i++)
		has_jwt = has_jwt || conf->tokens[i].kind == TOKEN_JWT;
	switch (mechanism) {
	case MECHANISM_SCRAM_SHA256:
	case MECHANISM_SCRAM_SHA1:
		return !has_jwt &&
		    logins_have(env->logins, sasl_hash(mechanism));
	case MECHANISM_PLAIN:
		return conf->n_tokens > 0 || conf->n_users > 0;
	case MECHANISM_OAUTHBEARER:
		return has_jwt;
	default:
		return true;
	}
}

static void
sasl_add_mechanism(const struct sasl_env *env, enum mechanism mechanism,
    struct buf *out)
{
	if (!sasl_takes(env, mechanism))
		return;
	buf_adds(out, "<mechanism>");
	buf_adds(out, mechanisms[mechanism]);
	buf_adds(out, "</mechanism>");
}

void
sasl_mechanisms(const struct sasl_env *env, struct buf *out)
{
	const struct conf_strings *listed = &env->conf->bosh.mechanisms;

	buf_adds(out, "<mechanisms xmlns='" SASL_NS "'>");
	for (size_t i = 0; i < listed->count; i++)
		sasl_add_mechanism(env, sasl_mechanism_of(listed->list[i]),
		    out);
	for (enum mechanism i = MECHANISM_NONE + 1;
	     listed->count == 0 && i < MECHANISM_MAX; i++)
		if (sasl_is_of_use(env, i))
			sasl_add_mechanism(env, i, out);
	buf_adds(out, "</mechanisms>");
}

/* ---- names and secrets ----------------------------------------------- */

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
	const char *domain = call->env->conf->bosh.domain, *why;
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

static bool
sasl_granted(const struct sasl_call *call)
{
	return !auth_is_over(&call->outcome->grant, call->env->now_ms);
}

static void
sasl_grant(struct sasl_call *call, const struct login *login)
{
	memset(&call->outcome->grant, 0, sizeof(call->outcome->grant));
	call->outcome->grant.user = login->user;
	call->outcome->grant.token = login->token;
}

/* Of the user in the outcome if named, else of whoever has that secret. */
static enum sasl_result
sasl_secret(struct sasl_call *call, bool named, const char *secret)
{
	const char *user = named ? call->outcome->user : NULL, *why;
	const struct login *login = NULL;

	if (auth_secret(call->env->conf, user, secret, call->env->now_ms,
	        &call->outcome->grant, &why) == ERR_OK)
		return sasl_granted(call) ? SASL_SUCCESS :
		                            sasl_fail(call, "not-authorized");
	if (named)
		login = logins_password(call->env->logins, user, secret);
	if (login == NULL)
		return sasl_fail(call, "not-authorized");
	sasl_grant(call, login);
	return SASL_SUCCESS;
}

/* ---- ANONYMOUS, PLAIN, OAUTHBEARER ------------------------------------ */

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
		*call->outcome->user = '\0';
	if (authzid.len > 0 && strcmp(other, call->outcome->user) != 0)
		return sasl_fail(call, "invalid-authzid");
	/* Decoded text is followed by a NUL (buf.h). */
	return sasl_secret(call, true, message.p);
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
		return sasl_secret(call, true, secret);
	}
	result = sasl_secret(call, false, secret);
	if (result != SASL_SUCCESS)
		return result;
	flag.p = *call->outcome->grant.subject != '\0' ?
	    call->outcome->grant.subject :
	    call->outcome->grant.token->name;
	flag.len = strlen(flag.p);
	return sasl_user(call, flag) ? SASL_SUCCESS :
	                               sasl_fail(call, "not-authorized");
}

/* ---- SCRAM ----------------------------------------------------------- */

void
sasl_clear(struct sasl *sasl)
{
	if (sasl->exchange != NULL)
		scram_free(sasl->exchange->scram);
	free(sasl->exchange);
	sasl->exchange = NULL;
	sasl->waiting = MECHANISM_NONE;
}

static enum sasl_result
sasl_scram_challenge(struct sasl_call *call, enum mechanism mechanism,
    const struct scram_first *first, const char *name)
{
	enum crypto_hash hash = sasl_hash(mechanism);
	unsigned char random[SASL_NONCE];
	struct sasl_exchange *exchange = xcalloc(1, sizeof(*exchange));
	const struct login *login;
	struct auth_scram keys;
	struct buf nonce;

	login = logins_scram(call->env->logins, name, hash, &keys);
	if (login != NULL)
		exchange->login = *login;
	crypto_random(random, sizeof(random));
	buf_init(&nonce, 0);
	text_base64(random, sizeof(random), &nonce);
	exchange->scram = scram_create(hash, first, &keys, nonce.data);
	explicit_bzero(&keys, sizeof(keys));
	buf_clear(&nonce);
	call->sasl->exchange = exchange;
	call->sasl->waiting = (unsigned char)mechanism;
	snprintf(call->outcome->text, sizeof(call->outcome->text), "%s",
	    scram_challenge(exchange->scram));
	return SASL_CHALLENGE;
}

/* One whose name cannot be goes through the same motions. */
static enum sasl_result
sasl_scram_first(struct sasl_call *call, enum mechanism mechanism)
{
	char authzid[SASL_USER_MAX + 1] = "";
	struct scram_first first;
	const char *name;

	if (!scram_read_first(call->message, &first))
		return sasl_fail(call, "malformed-request");
	if (*first.authzid != '\0') {
		if (!sasl_user(call,
		        (struct slice){ first.authzid, strlen(first.authzid) }))
			return sasl_fail(call, "invalid-authzid");
		memcpy(authzid, call->outcome->user, sizeof(authzid));
	}
	name = call->outcome->user;
	if (!sasl_user(call, (struct slice){ first.user, strlen(first.user) }))
		name = first.user;
	if (*authzid != '\0' && strcmp(authzid, name) != 0)
		return sasl_fail(call, "invalid-authzid");
	return sasl_scram_challenge(call, mechanism, &first, name);
}

static enum sasl_result
sasl_scram_final(struct sasl_call *call)
{
	const struct sasl_exchange *exchange = call->sasl->exchange;
	const struct login *login = &exchange->login;
	struct sasl_outcome *outcome = call->outcome;
	const char *name, *why;

	switch (scram_finish(exchange->scram, call->message, outcome->text)) {
	case SCRAM_MALFORMED:
		return sasl_fail(call, "malformed-request");
	case SCRAM_WRONG:
		return sasl_fail(call, "not-authorized");
	case SCRAM_OK:
		break;
	}
	if (login->user == NULL && login->token == NULL)
		return sasl_fail(call, "not-authorized");
	name = login->user != NULL ? login->user->name : login->token->name;
	sasl_grant(call, login);
	/* The configuration may be another by now. */
	if (auth_grant_renew(call->env->conf, call->env->now_ms,
	        &outcome->grant, &why) != ERR_OK)
		return sasl_fail(call, "not-authorized");
	return sasl_user(call, (struct slice){ name, strlen(name) }) ?
	    SASL_SUCCESS :
	    sasl_fail(call, "not-authorized");
}

/* ---- one step -------------------------------------------------------- */

static enum sasl_result
sasl_handle(struct sasl_call *call, enum mechanism mechanism)
{
	switch (mechanism) {
	case MECHANISM_ANONYMOUS:
		return sasl_anonymous(call);
	case MECHANISM_PLAIN:
		return sasl_plain(call);
	case MECHANISM_OAUTHBEARER:
		return sasl_oauthbearer(call);
	default:
		return call->sasl->exchange == NULL ?
		    sasl_scram_first(call, mechanism) :
		    sasl_scram_final(call);
	}
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
	result = sasl_handle(call, mechanism);
	if (message.data != NULL)
		explicit_bzero(message.data, message.size);
	buf_clear(&message);
	return result;
}

/* Which mechanism the element is about; MECHANISM_NONE fills the failure. */
static enum mechanism
sasl_mechanism(struct sasl_call *call, const struct xml *element)
{
	enum mechanism mechanism = MECHANISM_NONE;

	if (xml_is(element, SASL_NS, "auth")) {
		sasl_clear(call->sasl);
		mechanism = sasl_mechanism_of(xml_attr(element, "mechanism"));
		if (mechanism != MECHANISM_NONE &&
		    sasl_takes(call->env, mechanism))
			return mechanism;
		sasl_fail(call, "invalid-mechanism");
		return MECHANISM_NONE;
	}
	if (xml_is(element, SASL_NS, "response") &&
	    call->sasl->waiting != MECHANISM_NONE)
		return (enum mechanism)call->sasl->waiting;
	sasl_fail(call,
	    xml_is(element, SASL_NS, "abort") ? "aborted" :
	                                        "malformed-request");
	return MECHANISM_NONE;
}

enum sasl_result
sasl_step(struct sasl *sasl, const struct sasl_env *env,
    const struct xml *element, struct sasl_outcome *outcome)
{
	struct sasl_call call = { .env = env,
		.sasl = sasl,
		.outcome = outcome };
	enum sasl_result result = SASL_FAILURE;
	enum mechanism mechanism;
	struct buf text;

	memset(outcome, 0, sizeof(*outcome));
	mechanism = sasl_mechanism(&call, element);
	buf_init(&text, 0);
	xml_text(element, &text);
	if (mechanism != MECHANISM_NONE && sasl->waiting == MECHANISM_NONE &&
	    mechanism != MECHANISM_ANONYMOUS && text.len == 0) {
		sasl->waiting = (unsigned char)mechanism;
		buf_clear(&text);
		return SASL_CHALLENGE;
	}
	if (mechanism != MECHANISM_NONE)
		result = sasl_run(&call, mechanism,
		    text.data == NULL ? "" : text.data, text.len);
	if (text.data != NULL)
		explicit_bzero(text.data, text.size);
	buf_clear(&text);
	if (result != SASL_CHALLENGE)
		sasl_clear(sasl);
	if (result == SASL_SUCCESS)
		stat_add(&sasl_logins[mechanism], 1);
	if (result == SASL_FAILURE)
		sasl->failures++;
	return result;
}
