/*
 * The control API (DESIGN 11): publish, channels, items, subscriptions, health
 * and metrics, on a loopback port of each daemon.  Refuses a foreign Host or
 * Origin even on loopback, so that no web page reaches it through its visitor's
 * browser.
 */
#ifndef WAFT_CONTROL_H
#define WAFT_CONTROL_H

#include <stdbool.h>

#include "common/base/conf.h"
#include "common/channel/worker.h"

struct control;

struct control_opts {
	struct worker *worker;
	const char *daemon;  /* "component", "bosh" */
	const char *address; /* "127.0.0.1:5561" */
	/* The component's domain, whose durable subscriptions POST
	 * …/subscriptions/ adds to; NULL: none.  JIDs under the BOSH domain
	 * belong to that in every daemon. */
	const char *owner;
	/* Is the daemon's own part ready?  *Why: static, when not. */
	bool (*ready)(void *arg, const char **why);
	/* Adds members of its own to GET /status; may be NULL. */
	void (*status)(void *arg, void *json_object);
	void *arg;
};

/* NULL and *why (static) when it cannot listen. */
struct control *control_start(const struct control_opts *opts,
    const char **why);
int control_port(const struct control *control);
/* A new configuration; the old one stays valid.  Its limits of HTTP and its
 * address are those of the start. */
void control_reload(struct control *control, const struct conf *conf);
/* Stops accepting; what is under way is answered, what is waited for too. */
void control_drain(struct control *control);
/* Nothing is under way. */
bool control_is_idle(const struct control *control);
/* What the store still has to answer is forgotten. */
void control_free(struct control *control);

#endif
