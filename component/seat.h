/*
 * A component section of the configuration: the lease of its domain, and, while
 * that is ours, the domain at work (domain.h).  Of several daemons on one store
 * one has the lease of a domain; the others stand by: they take publishes, keep
 * no link, and read nothing, until the holder drops the lease, dies, or has
 * not renewed it for STORE_LEASE_MS.
 *
 * A holder that was frozen for longer sends nothing before it has asked the
 * store, and when somebody else has the lease by then it cuts its link, forgets
 * what it was about to send, and stands by.
 *
 * Each seat reads the log at its own pace: a server that does not read holds up
 * no other.
 */
#ifndef WAFT_COMPONENT_SEAT_H
#define WAFT_COMPONENT_SEAT_H

#include <stdbool.h>

#include "common/base/conf.h"
#include "common/channel/worker.h"

struct seat;

/* Arg is seat_opts.arg. */
struct seat_ops {
	/* What was stored could not be read. */
	void (*failed)(void *arg, enum err err);
	/* seat_is_ready() may have changed. */
	void (*changed)(void *arg);
	void (*drained)(void *arg);
};

struct seat_opts {
	struct worker *worker; /* the program's; the seat has one beside it */
	const struct conf_component *component; /* borrowed */
	const struct seat_ops *ops;
	void *arg;
};

/* Resolves the server's name, which may block.  NULL after log_error(): *status
 * is the exit code. */
struct seat *seat_create(const struct seat_opts *opts, int *status);
/* The loop has stopped. */
void seat_free(struct seat *seat);

void seat_start(struct seat *seat);
/* Ends the link in order and gives the lease back, then drained(), once. */
void seat_drain(struct seat *seat);

/* Its link is authenticated, or it stands by; *why, the seat's own until the
 * next call, when not. */
bool seat_is_ready(struct seat *seat, const char **why);
const char *seat_name(const struct seat *seat);
/* A new configuration: its classes hold from now on, and what takes a restart
 * is logged. */
void seat_reload(struct seat *seat, const struct conf *conf);
/* Adds a JSON object (json_t *) to the array: domain, state, link, numbers. */
void seat_status(const struct seat *seat, void *json_array);

#endif
