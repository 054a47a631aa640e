/*
 * Those who may log in by name: the `user` sections, and the `token` sections
 * that have a secret, by their prepared names, with what SCRAM needs of them.
 * Made once for each configuration, as a password costs two runs of PBKDF2;
 * immutable then, counted, shared by the workers.
 *
 * Who is not in it looks to a stranger like one who is: the same salt each
 * time, made from the name by a keyed hash, and keys that fit no password.
 */
#ifndef WAFT_LOGIN_H
#define WAFT_LOGIN_H

#include <stdbool.h>

#include "common/base/auth_scram.h"
#include "common/base/conf.h"

struct login {
	const struct conf_user *user;   /* or */
	const struct conf_token *token; /* both borrowed from the conf */
};

struct logins;

/* Takes from `old` (or NULL) what did not change.  Those whose name or password
 * cannot be prepared are left out, logged and counted in *bad. */
struct logins *logins_create(const struct conf *conf, const struct logins *old,
    int *bad);
struct logins *logins_ref(struct logins *logins);
void logins_unref(struct logins *logins);

/* Is there one, and can all of them use this hash? */
bool logins_have(const struct logins *logins, enum crypto_hash hash);
/* Fills keys, for an unknown name too; NULL when it is one, or has no keys for
 * that hash. */
const struct login *logins_scram(const struct logins *logins, const char *name,
    enum crypto_hash hash, struct auth_scram *keys);
/* By password; NULL when it is wrong.  As long for an unknown name.  Where one
 * of the users has a hash in place of a password it takes one PBKDF2. */
const struct login *logins_password(const struct logins *logins,
    const char *name, const char *password);

#endif
