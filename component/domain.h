/*
 * One component section at work: its link, what was sent on it (barrier), where
 * it is (position), what it delivers (notify) and what it answers (inbound). It
 * is there while this process holds the domain's lease (seat.h).
 *
 * Life: domain_create(), domain_load() until loaded() says so, then the log is
 * followed from domain_seq() and domain_begin() called; every entry goes
 * through domain_entry().  domain_drain() until drained().
 */
#ifndef WAFT_COMPONENT_DOMAIN_H
#define WAFT_COMPONENT_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/channel/worker.h"

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
	struct worker *worker; /* follows the log for this domain alone */
	const struct conf_component *component;
	const char *ip;           /* of its server, a literal */
	struct store_lease lease; /* positions are put under it */
	int64_t until_ms;         /* see link_allow() */
	bool eager;               /* see link_be_eager() */
	const struct domain_ops *ops;
	void *arg;
};

/* What opts points to is borrowed, but for ip. */
struct domain *domain_create(const struct domain_opts *opts);
/* Cuts the link, sends nothing more and stores nothing.  Not inside one of its
 * callbacks. */
void domain_free(struct domain *domain);

/* The lease was renewed. */
void domain_allow(struct domain *domain, int64_t until_ms);

void domain_load(struct domain *domain);
/* Where delivery goes on. */
uint64_t domain_seq(const struct domain *domain);
/* Everything up to it is confirmed, on every channel. */
uint64_t domain_oldest(const struct domain *domain);
void domain_begin(struct domain *domain);
void domain_entry(struct domain *domain, const struct entry *entry);
void domain_drain(struct domain *domain);

/* Its link is authenticated; *why is static when not. */
bool domain_is_ready(const struct domain *domain, const char **why);
/* The classes of a new configuration hold from now on. */
void domain_reload(struct domain *domain, const struct conf *conf);
/* Adds to a JSON object (json_t *): link, numbers. */
void domain_status(const struct domain *domain, void *json_object);

#endif
