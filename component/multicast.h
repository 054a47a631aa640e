/*
 * The XMPP server's multicast service (XEP-0033): which it is, how many
 * receivers it takes in one stanza, and whether it may be used now.  It is
 * looked for once the link is up (XEP-0030, XEP-0128), where a class of the
 * configuration wants it.  What of an item goes there is send.h's business.
 *
 * Found out the hard way, with ejabberd's mod_multicast: a group of more
 * receivers than it takes, or one with a single JID that it does not like, is
 * refused as a whole, by an error that has the group in it.  The first makes
 * the groups smaller from then on; after the second those of the group get a
 * stanza each, until it is known whose fault it was (apart.h).  When the
 * service does not answer, or is not there any more, it is left alone for a
 * while.
 *
 * No I/O of its own; time is a parameter (milliseconds, monotonic).
 */
#ifndef WAFT_COMPONENT_MULTICAST_H
#define WAFT_COMPONENT_MULTICAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/base/xml.h"
#include "component/barrier.h"

#define MULTICAST_NS "http://jabber.org/protocol/address"
/* What a service takes that does not say (XEP-0033 §6.2). */
#define MULTICAST_LIMIT  20
#define MULTICAST_OFF_MS 600000
/* The server's items that are asked what they are. */
#define MULTICAST_ASKED_MAX 32

struct multicast_ops {
	/* One whole stanza for the link. */
	void (*send)(void *arg, const char *text, size_t len);
	/* One of the JIDs in this <addresses/> is malformed.  How many of them
	 * are known here? */
	size_t (*suspect)(void *arg, const struct xml *group);
	/* Something was refused, or lost: what is not confirmed has to be sent
	 * again, behind the confirmation of what is under way. */
	void (*back)(void *arg);
};

struct multicast_opts {
	const struct conf_component *component; /* borrowed */
	struct barrier *barrier;
	const struct multicast_ops *ops;
	void *arg;
};

/* Fields are private to multicast.c. */
struct multicast {
	const struct conf_component *component;
	struct barrier *barrier;
	const struct multicast_ops *ops;
	void *arg;
	bool wanted;
	bool up;
	bool careful;
	uint32_t epoch;  /* of the link */
	int64_t look_ms; /* when it is looked for */
	char *service;   /* NULL: not found */
	size_t stated;   /* how many receivers it says that it takes */
	size_t cap;      /* how many it is given since it refused more */
	int64_t off_ms;  /* it is left alone until then */
	uint64_t back;   /* what was under way at back(), as barrier_mark() */
	char *items[MULTICAST_ASKED_MAX]; /* asked what they are */
	size_t n_items;
	size_t n_open; /* answers to come */
};

void multicast_init(struct multicast *multicast,
    const struct multicast_opts *opts);
void multicast_clear(struct multicast *multicast);
/* As the classes of this configuration say. */
void multicast_set_wanted(struct multicast *multicast, const struct conf *conf);

/* The link is up; before anything is sent on it. */
void multicast_up(struct multicast *multicast, uint32_t epoch);
/* It is not; by_stanza: the server did not like what it got.  Before the
 * barrier is reset. */
void multicast_down(struct multicast *multicast, bool by_stanza,
    int64_t now_ms);
/* One stanza at a time goes out for now: none for many. */
void multicast_set_careful(struct multicast *multicast, bool careful);
/* What is due: looking for it, giving it up. */
void multicast_tick(struct multicast *multicast, int64_t now_ms);
/* True: the stanza was about this, and is done with.  An answer to a barrier is
 * looked at and left to the caller. */
bool multicast_stanza(struct multicast *multicast, const struct xml *stanza,
    int64_t now_ms);

/* Does the error say that an address is malformed? */
bool multicast_is_malformed(const struct xml *stanza);

/* How many receivers one stanza may have now; 0: not to be used. */
size_t multicast_limit(const struct multicast *multicast, int64_t now_ms);
/* NULL when there is none. */
const char *multicast_service(const struct multicast *multicast);

#endif
