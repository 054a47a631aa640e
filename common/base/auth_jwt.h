/*
 * JSON Web Tokens (RFC 7519) in compact form, verified and, for HS256, made.
 * The configured key says which algorithm counts; the token's own `alg` must
 * only agree.  Internal to auth*.c and the tests.
 */
#ifndef WAFT_AUTH_JWT_H
#define WAFT_AUTH_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/base/err.h"
#include "common/base/text.h"

#define AUTH_JWT_MAX       ((size_t)8 * 1024)
#define AUTH_JWT_LEEWAY_MS 60000

struct auth_claims {
	const struct conf_token *token; /* whose key verified it */
	char subject[256];
	int64_t expires_ms; /* 0: never */
};

/* ERR_AUTH and *why (static) unless one of the jwt sections takes it. */
enum err auth_jwt_verify(const struct conf *conf, struct slice text,
    int64_t now_ms, struct auth_claims *claims, const char **why);
/* Is it a signature of data under the token's key and algorithm (RFC 7518 §3,
 * RFC 8037 §3.1)? */
bool auth_jwt_signed(const struct conf_token *token, struct slice data,
    const unsigned char *signature, size_t len);

#endif
