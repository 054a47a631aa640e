/*
 * Who is calling: static tokens, Basic and JWT, against the `token` sections.
 * JWT: the algorithm comes from the configured key, never from the token; `exp`
 * and `nbf` with 60 s of leeway; comparison in constant time.
 */
#ifndef WAFT_AUTH_H
#define WAFT_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/base/err.h"

/* What a credential allows.  Token NULL: anything (auth = none). */
struct auth_grant {
	const struct conf_token *token; /* borrowed from the configuration */
	char subject[256];              /* JWT sub, or "" */
	int64_t expires_ms;             /* wall clock; 0: never */
};

/*
 * Header is the value of Authorization, or NULL.  Realm is that of /realm/R/ or
 * NULL: then any token will do.  With auth = none everything is granted.
 * ERR_AUTH: missing or wrong; ERR_DENIED: valid, but of another realm.  *Why is
 * a static sentence.
 */
enum err auth_check(const struct conf *conf, const char *header,
    const char *realm, int64_t now_ms, struct auth_grant *grant,
    const char **why);

/* A bare secret as a SASL password or bearer: static or Basic token of that
 * user's name, or a JWT whose `sub` is the user.  User NULL: a static token or
 * any JWT. */
enum err auth_secret(const struct conf *conf, const char *user,
    const char *secret, int64_t now_ms, struct auth_grant *grant,
    const char **why);

bool auth_may_publish(const struct auth_grant *grant, const char *channel);
bool auth_may_subscribe(const struct auth_grant *grant, const char *channel);

/* Can the token's key serve its algorithm?  *Why is a static clause of which
 * the key is the subject.  Asked once, by conf_load(). */
bool auth_key_ok(const struct conf_token *token, const char **why);

/* HS256, for `waft token`: claims iss, exp, aud if configured, and sub if
 * given.  Appends to out. */
enum err auth_mint(const struct conf_token *token, const char *subject,
    int64_t expires_ms, struct buf *out, const char **why);

#endif
