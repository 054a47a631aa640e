/*
 * One component section at work: its link, what was sent on it (barrier), where
 * it is (position), what it delivers (notify) and what it answers (inbound).
 * All domains of the program share one worker, which reads the log once.
 *
 * Life: domain_create(), domain_load() until loaded() says so, then the log is
 * followed from the oldest domain_seq() and each is given domain_begin(); every
 * entry goes through domain_entry().  domain_drain() until drained().
 */
#ifndef WAFT_COMPONENT_DOMAIN_H
#define WAFT_COMPONENT_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/channel/worker.h"

/* A position is stored at most so often; and moves so often while nothing is
 * sent. */
#define DOMAIN_SAVE_MS 100
#define DOMAIN_KEEP_MS 1000
/* Confirmation of the last stanzas and the end of the stream, on SIGTERM. */
#define DOMAIN_DRAIN_MS 2000

struct domain;

/* Arg is domain_opts.arg. */
struct domain_ops {
	/* What was stored has been read; or could not be: err. */
	void (*loaded)(void *arg, enum err err);
	/* domain_is_ready() may have changed. */
	void (*changed)(void *arg);
	/* Reading ahead makes no sense now, or does again. */
	void (*pause)(void *arg, bool paused);
	void (*drained)(void *arg);
};

struct domain_opts {
	struct worker *worker;
	const struct conf_component *component;
	const struct domain_ops *ops;
	void *arg;
};

/* Resolves the server's name, which may block.  NULL after log_error(): *status
 * is the exit code. */
struct domain *domain_create(const struct domain_opts *opts, int *status);
/* The loop has stopped, or the domain was never loaded. */
void domain_free(struct domain *domain);

void domain_load(struct domain *domain);
/* Where delivery goes on. */
uint64_t domain_seq(const struct domain *domain);
void domain_begin(struct domain *domain);
void domain_entry(struct domain *domain, const struct entry *entry);
void domain_drain(struct domain *domain);

/* Its link is authenticated; *why is static when not. */
bool domain_is_ready(const struct domain *domain, const char **why);
const char *domain_name(const struct domain *domain);
/* The classes of a new configuration hold from now on. */
void domain_reload(struct domain *domain, const struct conf *conf);
/* The configuration still has the section it was made from, unchanged. */
bool domain_is_current(const struct domain *domain, const struct conf *conf);
/* Adds a JSON object (json_t *) to the array: domain, link, numbers. */
void domain_status(const struct domain *domain, void *json_array);

#endif
