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
	/* The domain whose durable subscriptions POST …/subscriptions/ adds to.
	 */
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
/* Stops accepting; what is under way is answered. */
void control_drain(struct control *control);
void control_free(struct control *control);

#endif
