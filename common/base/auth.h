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

/*
 * What a credential allows.  One of token and user is set, both borrowed from
 * the configuration; neither: anything (auth = none).
 */
struct auth_grant {
	const struct conf_token *token;
	const struct conf_user *user;
	char subject[256];  /* JWT sub, or "" */
	int64_t expires_ms; /* wall clock; 0: never */
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

/* By the patterns of the credential alone. */
bool auth_may_publish(const struct auth_grant *grant, const char *channel);
bool auth_may_subscribe(const struct auth_grant *grant, const char *channel);

/*
 * May a user of XMPP do it: by the channel's class (`publish`, `subscribe`:
 * anyone, token, none), and where that says token by the grant, which must not
 * be over.  Grant NULL: an anonymous user, or one of the XMPP server.
 */
bool auth_user_may_publish(const struct conf *conf,
    const struct auth_grant *grant, const char *channel, int64_t now_ms);
bool auth_user_may_subscribe(const struct conf *conf,
    const struct auth_grant *grant, const char *channel, int64_t now_ms);
bool auth_is_over(const struct auth_grant *grant, int64_t now_ms);

/*
 * A grant as one line of text, to be stored with what was given to it: no
 * secret, but a mark by which a changed one is noticed.  Read again it is what
 * the configuration of that time gives: ERR_AUTH and *why (static) when the
 * token or the user is gone, has another secret or key, or its time is over.
 */
void auth_grant_write(const struct auth_grant *grant, struct buf *out);
enum err auth_grant_read(const struct conf *conf, const char *text, size_t len,
    int64_t now_ms, struct auth_grant *grant, const char **why);
/* The same for one in memory: made to point into a new configuration. */
enum err auth_grant_renew(const struct conf *conf, int64_t now_ms,
    struct auth_grant *grant, const char **why);

/* Can the token's key serve its algorithm?  *Why is a static clause of which
 * the key is the subject.  Asked once, by conf_load(). */
bool auth_key_ok(const struct conf_token *token, const char **why);

/* HS256, for `waft token`: claims iss, exp, aud if configured, and sub if
 * given.  Appends to out. */
enum err auth_mint(const struct conf_token *token, const char *subject,
    int64_t expires_ms, struct buf *out, const char **why);

#endif
