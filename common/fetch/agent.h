/*
 * Outgoing HTTP on an event loop: many requests at once, none of which makes
 * the loop wait, not even for DNS (libcurl's resolver has threads of its own).
 * What relays stanzas to an origin uses it; so will webhooks and GRIP.
 *
 *	agent = agent_create(&opts);
 *	agent_send(agent, &request, 256 * 1024, done, arg);
 *	… later, from the loop: done(&answer, arg), once
 *
 * An agent is one pool of connections, kept open between requests, and one rule
 * of where they may go (guard.h).  It sets no limit to how many requests are
 * under way: whoever sends bounds that.  Of an answer it takes answer_max bytes
 * and AGENT_HEAD_MAX of headers.  It belongs to the loop's thread.
 */
#ifndef WAFT_FETCH_AGENT_H
#define WAFT_FETCH_AGENT_H

#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/loop.h"
#include "common/fetch/fetch.h"

#define AGENT_HEAD_MAX ((size_t)64 * 1024)

struct agent;

struct agent_opts {
	struct loop *loop;
	/* Private networks that may be connected to; borrowed for the call. */
	const struct conf_strings *networks;
	/* File in PEM: whom to believe instead of the system's authorities;
	 * NULL: those.  Copied. */
	const char *ca;
	int connections; /* kept open at most */
};

struct fetch_answer {
	/*
	 * ERR_OK: there is one, of whatever status.  ERR_TIMEOUT: not within
	 * timeout_ms.  ERR_LARGE: it was cut.  ERR_DENIED: the guard forbids
	 * every address.  ERR_IO: anything else, from DNS to TLS.
	 */
	enum err err;
	int status;
	const char *body; /* borrowed; NUL-terminated; "" when empty */
	size_t len;
	const char *why; /* of err: a clause, in the library's words */
};

/* The answer is borrowed for the call.  It may send again. */
typedef void agent_done_fn(const struct fetch_answer *answer, void *arg);

/* NULL after log_error() when the library has no resolver that does not block.
 */
struct agent *agent_create(const struct agent_opts *opts);
/* What is under way is given up, its done is not called.  Not inside one. */
void agent_free(struct agent *agent);
/* Copies the request. */
void agent_send(struct agent *agent, const struct fetch_request *request,
    size_t answer_max, agent_done_fn *done, void *arg);

#endif
