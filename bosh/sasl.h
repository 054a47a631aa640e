/*
 * SASL as the gateway speaks it (RFC 6120 §6): SCRAM-SHA-256, SCRAM-SHA-1,
 * PLAIN, OAUTHBEARER (RFC 7628) and ANONYMOUS.  Pure but for randomness and
 * counters.
 *
 * PLAIN and OAUTHBEARER are taken only where the way is safe.  What is offered
 * is what the configuration has a use for, the strongest first: SCRAM where
 * there are users, but not beside tokens of kind jwt, as a JWT given as
 * password proves nothing by SCRAM and clients take the first that they know;
 * PLAIN where there is any user or token; OAUTHBEARER where there is a jwt. The
 * option `mechanisms` says otherwise.
 */
#ifndef WAFT_SASL_H
#define WAFT_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include "bosh/login.h"
#include "common/base/auth.h"
#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/base/xml.h"

#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"
/* RFC 6120 §6.4.5.  Libpurple tries SCRAM-SHA-256, SCRAM-SHA-1 and PLAIN before
 * it tells its user that the password is wrong, and must hear the last failure.
 */
#define SASL_FAILURES_MAX 5
#define SASL_USER_MAX     1023
#define SASL_TEXT_MAX     511

enum sasl_result {
	SASL_CHALLENGE, /* the client sends its response */
	SASL_SUCCESS,
	SASL_FAILURE
};

struct sasl_exchange;

/* One negotiation.  Zeroed memory is a fresh one. */
struct sasl {
	struct sasl_exchange *exchange; /* between two messages of SCRAM */
	unsigned char waiting; /* mechanism whose response is awaited */
	unsigned char failures;
};
void sasl_clear(struct sasl *sasl);

/* What a negotiation works with; all borrowed. */
struct sasl_env {
	const struct conf *conf;
	const struct logins *logins;
	bool secure;
	int64_t now_ms; /* wall clock */
};

struct sasl_outcome {
	const char *failure; /* condition of RFC 6120 §6.5 */
	bool anonymous;
	char user[SASL_USER_MAX + 1]; /* prepared */
	char text[SASL_TEXT_MAX + 1]; /* challenge, or data of a success */
	struct auth_grant grant;
};

/* The <mechanisms/> element. */
void sasl_mechanisms(const struct sasl_env *env, struct buf *out);
/* An element in SASL_NS from the client.  After SASL_FAILURES_MAX failures the
 * caller ends the session. */
enum sasl_result sasl_step(struct sasl *sasl, const struct sasl_env *env,
    const struct xml *element, struct sasl_outcome *outcome);

#endif
