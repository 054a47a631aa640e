#include "common/base/auth.h"

#include <string.h>
#include <strings.h>

#include "common/base/auth_jwt.h"
#include "common/base/crypto.h"
#include "common/base/text.h"

#define AUTH_BASIC_MAX 2048

static bool
auth_equal(const char *known, const char *text, size_t len)
{
	return crypto_equal(known, strlen(known), text, len);
}

/* Looks at all of them whatever matches: time tells nothing. */
static const struct conf_token *
auth_bearer_find(const struct conf *conf, struct slice secret)
{
	const struct conf_token *token, *found = NULL;
	size_t i;

	for (i = 0; i < conf->n_tokens; i++) {
		token = &conf->tokens[i];
		if (token->kind == TOKEN_STATIC &&
		    auth_equal(token->secret, secret.p, secret.len))
			found = token;
	}
	return found;
}

static const struct conf_token *
auth_user_find(const struct conf *conf, struct slice user, struct slice secret)
{
	const struct conf_token *token, *found = NULL;
	size_t i;
	bool name, password;

	for (i = 0; i < conf->n_tokens; i++) {
		token = &conf->tokens[i];
		if (token->kind == TOKEN_JWT)
			continue;
		name = auth_equal(token->name, user.p, user.len);
		password = auth_equal(token->secret, secret.p, secret.len);
		if (name & password)
			found = token;
	}
	return found;
}

static enum err
auth_bearer(const struct conf *conf, struct slice secret, int64_t now_ms,
    struct auth_grant *grant, const char **why)
{
	struct auth_claims claims;
	enum err err;

	grant->token = auth_bearer_find(conf, secret);
	if (grant->token != NULL)
		return ERR_OK;
	err = auth_jwt_verify(conf, secret, now_ms, &claims, why);
	if (err != ERR_OK)
		return err;
	grant->token = claims.token;
	grant->expires_ms = claims.expires_ms;
	memcpy(grant->subject, claims.subject, sizeof grant->subject);
	return ERR_OK;
}

/* RFC 7617: base64 of user:password; the user has no colon. */
static enum err
auth_basic(const struct conf *conf, struct slice text, struct auth_grant *grant,
    const char **why)
{
	struct slice user, secret;
	const char *colon;
	struct buf plain;

	*why = "the user or the password is wrong";
	buf_init(&plain, AUTH_BASIC_MAX);
	if (text_base64_decode(text.p, text.len, &plain) && plain.len > 0 &&
	    (colon = memchr(plain.data, ':', plain.len)) != NULL) {
		user.p = plain.data;
		user.len = (size_t)(colon - plain.data);
		secret.p = colon + 1;
		secret.len = plain.len - user.len - 1;
		grant->token = auth_user_find(conf, user, secret);
	} else {
		*why = "the Basic credentials are not user:password in base64";
	}
	if (plain.len > 0)
		explicit_bzero(plain.data, plain.len);
	buf_clear(&plain);
	return grant->token != NULL ? ERR_OK : ERR_AUTH;
}

enum err
auth_check(const struct conf *conf, const char *header, const char *realm,
    int64_t now_ms, struct auth_grant *grant, const char **why)
{
	struct slice text;
	size_t scheme;
	enum err err;

	memset(grant, 0, sizeof *grant);
	if (conf->control.auth == AUTH_NONE)
		return ERR_OK;
	if (header == NULL) {
		*why = "an Authorization header is needed";
		return ERR_AUTH;
	}
	scheme = strcspn(header, " ");
	text.p = header + scheme + strspn(header + scheme, " ");
	text.len = strlen(text.p);
	while (text.len > 0 && text.p[text.len - 1] == ' ')
		text.len--;
	if (scheme == 6 && strncasecmp(header, "Bearer", 6) == 0) {
		err = auth_bearer(conf, text, now_ms, grant, why);
	} else if (scheme == 5 && strncasecmp(header, "Basic", 5) == 0) {
		err = auth_basic(conf, text, grant, why);
	} else {
		*why = "Authorization must be Bearer or Basic";
		err = ERR_AUTH;
	}
	if (err == ERR_OK && realm != NULL &&
	    strcmp(grant->token->name, realm) != 0) {
		memset(grant, 0, sizeof *grant);
		*why = "the token is not that of the realm";
		err = ERR_DENIED;
	}
	return err;
}

enum err
auth_secret(const struct conf *conf, const char *user, const char *secret,
    int64_t now_ms, struct auth_grant *grant, const char **why)
{
	struct slice name = { user, user == NULL ? 0 : strlen(user) };
	struct slice text = { secret, strlen(secret) };
	enum err err;

	memset(grant, 0, sizeof *grant);
	if (user == NULL)
		return auth_bearer(conf, text, now_ms, grant, why);
	grant->token = auth_user_find(conf, name, text);
	if (grant->token != NULL)
		return ERR_OK;
	err = auth_bearer(conf, text, now_ms, grant, why);
	/* A bearer without a subject, or of somebody else, is not this user. */
	if (err == ERR_OK &&
	    (*user == '\0' || strcmp(grant->subject, user) != 0)) {
		memset(grant, 0, sizeof *grant);
		*why = "the token is that of another user";
		err = ERR_AUTH;
	}
	return err;
}

static bool
auth_may(const struct conf_strings *patterns, const char *channel)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (text_glob(patterns->list[i], channel))
			return true;
	return false;
}

bool
auth_may_publish(const struct auth_grant *grant, const char *channel)
{
	if (grant->user != NULL)
		return auth_may(&grant->user->publish, channel);
	return grant->token == NULL ||
	    auth_may(&grant->token->publish, channel);
}

bool
auth_may_subscribe(const struct auth_grant *grant, const char *channel)
{
	if (grant->user != NULL)
		return auth_may(&grant->user->subscribe, channel);
	return grant->token == NULL ||
	    auth_may(&grant->token->subscribe, channel);
}

bool
auth_is_over(const struct auth_grant *grant, int64_t now_ms)
{
	return grant->expires_ms != 0 && grant->expires_ms <= now_ms;
}

static bool
auth_user_may(enum conf_access access, const struct auth_grant *grant,
    const char *channel, int64_t now_ms,
    bool (*may)(const struct auth_grant *, const char *))
{
	switch (access) {
	case ACCESS_ANYONE:
		return true;
	case ACCESS_TOKEN:
		return grant != NULL && !auth_is_over(grant, now_ms) &&
		    may(grant, channel);
	case ACCESS_NONE:
		break;
	}
	return false;
}

bool
auth_user_may_publish(const struct conf *conf, const struct auth_grant *grant,
    const char *channel, int64_t now_ms)
{
	return auth_user_may(conf_class(conf, channel)->publish, grant, channel,
	    now_ms, auth_may_publish);
}

bool
auth_user_may_subscribe(const struct conf *conf, const struct auth_grant *grant,
    const char *channel, int64_t now_ms)
{
	return auth_user_may(conf_class(conf, channel)->subscribe, grant,
	    channel, now_ms, auth_may_subscribe);
}
