/*
 * SASL as the gateway speaks it (RFC 6120 §6): ANONYMOUS, PLAIN and
 * OAUTHBEARER (RFC 7628), where password and bearer are the secrets of the
 * `token` sections.  Those two are taken only where the way is safe.  PLAIN is
 * offered when there is a `token` section, OAUTHBEARER when there is one of
 * kind jwt.
 */
#ifndef WAFT_SASL_H
#define WAFT_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/auth.h"
#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/base/xml.h"

#define SASL_NS           "urn:ietf:params:xml:ns:xmpp-sasl"
#define SASL_FAILURES_MAX 3
#define SASL_USER_MAX     1023

enum sasl_result {
	SASL_CHALLENGE, /* an empty one; the client sends its response */
	SASL_SUCCESS,
	SASL_FAILURE
};

/* One negotiation.  Zeroed memory is a fresh one. */
struct sasl {
	unsigned char waiting; /* mechanism whose response is awaited */
	unsigned char failures;
};

struct sasl_outcome {
	const char *failure; /* condition of RFC 6120 §6.5 */
	bool anonymous;
	char user[SASL_USER_MAX + 1]; /* prepared */
	struct auth_grant grant;
};

/* The <mechanisms/> element. */
void sasl_mechanisms(const struct conf *conf, bool secure, struct buf *out);
/* An element in SASL_NS from the client.  After SASL_FAILURES_MAX failures the
 * caller ends the session. */
enum sasl_result sasl_step(struct sasl *sasl, const struct conf *conf,
    bool secure, const struct xml *element, int64_t now_ms,
    struct sasl_outcome *outcome);

#endif
